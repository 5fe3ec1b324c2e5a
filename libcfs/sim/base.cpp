// SPDX-License-Identifier: GPL-2.0
//
// What the shared hosted code asks of a back end, and the machine-wide parts of the boundary.
#include <cstdio>
#include <cstdlib>

#include "libcfs/host/common/mem_domain.hpp"
#include "libcfs/host/common/stacks.hpp"
#include "libcfs/plat/log.h"
#include "libcfs/plat/mem.h"
#include "libcfs/sim/host_fiber.hpp"
#include "libcfs/sim/sched.hpp"

using namespace cfs::sim;

namespace cfs::hosted
{

namespace
{

// For code outside of worlds: never destroyed, as leaks there are LeakSanitizer's business.
struct Outside {
	cfs_node node{"outside"};
	MemDomain memory{"outside"};
	cfs_machine *machine = nullptr;
};

Outside &outside()
{
	static auto *o = new Outside;
	return *o;
}

} // namespace

Task &task() noexcept
{
	return *current_fiber;
}

cfs_node *node_or_default(cfs_node *node) noexcept
{
	if (node)
		return node;
	return current_fiber->home ? current_fiber->home : &outside().node;
}

MemDomain &mem_domain() noexcept
{
	NodeImpl *home = current_fiber->home;
	return home ? *home->memory : outside().memory;
}

// Always full care: fresh memory must look the same in every run.
const MemPolicy &mem_policy() noexcept
{
	static constexpr MemPolicy policy{true, true};
	return policy;
}

void may_block(const char *what) noexcept
{
	const Fiber *f = current_fiber;
	if (f->atomic_context()) [[unlikely]] {
		std::string text = std::string(what) + "() may sleep, and the fiber ";
		if (f->rcu_depth)
			text += "is inside an RCU section";
		for (const Held &h : f->held)
			text += std::string("holds \"") + (h.cls ? h.cls->name : "?") + "\" ";
		if (current_sched)
			current_sched->fail(Failure::atomic_sleep, text);
		misuse(text);
	}
	if (current_sched)
		current_sched->point();
}

void preempt_point() noexcept
{
	if (current_sched)
		current_sched->point();
}

void misuse(const std::string &what) noexcept
{
	if (current_sched)
		current_sched->fail(Failure::bug, what);
	std::fprintf(stderr, "BUG outside a simulation: %s\n%s", what.c_str(),
		     current_stack(1).c_str());
	std::abort();
}

void before_free(const void *p, std::size_t bytes) noexcept
{
	// Only where it is cheap: worlds with very many fibers go without.
	if (!current_sched || current_sched->fiber_count() > 64)
		return;
	auto low = reinterpret_cast<std::uintptr_t>(p);
	auto inside = [low, bytes](const void *q) {
		return reinterpret_cast<std::uintptr_t>(q) - low < bytes;
	};
	for (const Fiber *f = current_sched->first_fiber(); f; f = f->next) {
		if (f->wait_on && inside(f->wait_on))
			misuse("memory is freed while " + f->label() + " waits for a lock in it");
		for (const Held &h : f->held)
			if (inside(h.lock))
				misuse("memory is freed with lock \"" +
				       std::string(h.cls ? h.cls->name : "?") + "\" in it, which " +
				       f->label() + " holds");
	}
}

} // namespace cfs::hosted

using namespace cfs::hosted;

extern "C" {

void cfs_bug(const char *file, int line, const char *func, const char *what) noexcept
{
	misuse(std::string("BUG at ") + file + ":" + std::to_string(line) + " " + func +
	       "(): " + what);
}

void cfs_console(enum cfs_console_level level, const char *text, size_t n) noexcept
{
	std::string line(text, n);
	if (!current_sched) {
		std::fprintf(stderr, "<%d> %s\n", static_cast<int>(level), line.c_str());
		return;
	}
	current_sched->note(current_fiber->label() + ": " + line);
}

void cfs_dump_stack(void) noexcept
{
	std::string text = "stack:\n" + current_stack(1);
	cfs_console(CFS_CONSOLE_WARNING, text.data(), text.size());
}

cfs_machine *cfs_machine_get(void) noexcept
{
	NodeImpl *home = current_fiber->home;
	return home ? home->machine : outside().machine;
}

void cfs_machine_set(cfs_machine *m) noexcept
{
	NodeImpl *home = current_fiber->home;
	(home ? home->machine : outside().machine) = m;
}

uint64_t cfs_mem_total(void) noexcept
{
	NodeImpl *home = current_fiber->home;
	return home ? home->options.memory_bytes : NodeOptions{}.memory_bytes;
}

} // extern "C"
