// SPDX-License-Identifier: GPL-2.0
//
// Threads, CPUs, time and randomness of simulated machines.
#include "libcfs/plat/thread.h"

#include <algorithm>
#include <cerrno>
#include <string>

#include "libcfs/host/signals.hpp"
#include "libcfs/sim/host_fiber.hpp"
#include "libcfs/sim/sched.hpp"

using namespace cfs::sim;
using namespace cfs::hosted;

struct cfs_thread : Owned {
	Fiber *fiber = nullptr; ///< null when it has ended
	std::string name;
	WaitList end;

	cfs_thread(cfs_node *node, const char *n) : Owned(node), name(n) {}
	std::string describe() const override { return "thread " + name + ", not joined"; }
};

namespace
{

constexpr std::uint64_t kWallClockStart = 1'700'000'000'000'000'000u;

NodeImpl &impl_of(cfs_node *node)
{
	return *static_cast<NodeImpl *>(node);
}

const NodeOptions &machine()
{
	static const NodeOptions outside{};
	return current_fiber->home ? current_fiber->home->options : outside;
}

void signal(Fiber *f, std::uint32_t which)
{
	if (!f)
		return;
	f->signals.fetch_or(which, std::memory_order_relaxed);
	if ((f->wait == Wait::queue || f->wait == Wait::mutex) && signal_pending(*f, f->wait_mode))
		current_sched->make_ready(f);
	current_sched->point();
}

} // namespace

namespace cfs::host
{

void kill(cfs_thread *t) noexcept
{
	signal(t->fiber, kSignalKill);
}

void interrupt(cfs_thread *t) noexcept
{
	signal(t->fiber, kSignalInterrupt);
}

void kill_self() noexcept
{
	current_fiber->signals.fetch_or(kSignalKill, std::memory_order_relaxed);
}

void clear_signals() noexcept
{
	current_fiber->signals.store(0, std::memory_order_relaxed);
}

} // namespace cfs::host

extern "C" {

int cfs_thread_start(cfs_node *node, const char *name, int cpt, void (*fn)(void *arg), void *arg,
		     cfs_thread **out) noexcept
{
	may_block("cfs_thread_start");
	if (!current_sched)
		misuse("cfs_thread_start() outside a simulation");
	if (cpt != CFS_CPT_ANY && cfs_cpt_weight(static_cast<unsigned>(cpt)) == 0)
		return -EINVAL;
	if (inject_failure())
		return -ENOMEM;
	auto *t = new cfs_thread(node, name);
	t->fiber = current_sched->spawn(&impl_of(t->owner()), name, cpt, [t, fn, arg] {
		fn(arg);
		t->fiber = nullptr;
		current_sched->wake(t->end);
	});
	*out = t;
	current_sched->point();
	return 0;
}

void cfs_thread_join(cfs_thread *t) noexcept
{
	may_block("cfs_thread_join");
	while (t->fiber)
		current_sched->wait_on(t->end, Wait::thread_end);
	delete t;
}

void cfs_yield(void) noexcept
{
	may_block("cfs_yield");
	if (current_sched)
		current_sched->yield();
}

void cfs_sleep_until(uint64_t deadline_ns) noexcept
{
	may_block("cfs_sleep_until");
	Sched *s = current_sched;
	if (!s)
		misuse("cfs_sleep_until() outside a simulation");
	const NodeImpl &n = *current_fiber->home;
	while (n.clock(s->now()) < deadline_ns)
		s->block(Wait::sleep, nullptr, nullptr, 0, n.when(s->now(), deadline_ns));
}

unsigned int cfs_cpu_count(void) noexcept
{
	return machine().cpus;
}

unsigned int cfs_cpu_current(void) noexcept
{
	Fiber *f = current_fiber;
	if (!current_sched)
		return 0;
	// Threads wander now and then, within their partition when they are bound to one.
	const NodeOptions &m = machine();
	if (current_sched->choice.chance(8))
		f->cpu = static_cast<unsigned>(current_sched->choice.u64());
	unsigned in_cpt = f->cpu % (m.cpus / m.cpts);
	unsigned cpt = f->cpt >= 0 ? static_cast<unsigned>(f->cpt) : f->cpu / 64;
	return (cpt % m.cpts) * (m.cpus / m.cpts) + in_cpt;
}

unsigned int cfs_cpt_count(void) noexcept
{
	return machine().cpts;
}

unsigned int cfs_cpt_current(void) noexcept
{
	const NodeOptions &m = machine();
	return cfs_cpu_current() / (m.cpus / m.cpts);
}

unsigned int cfs_cpt_weight(unsigned int cpt) noexcept
{
	return cpt < machine().cpts ? machine().cpus / machine().cpts : 0;
}

uint64_t cfs_now_ns(void) noexcept
{
	if (!current_sched)
		return 1;
	current_sched->point(); // so that a loop until a deadline ends
	return current_fiber->home->clock(current_sched->now());
}

uint64_t cfs_real_ns(void) noexcept
{
	if (!current_sched)
		return kWallClockStart;
	current_sched->point();
	return kWallClockStart + current_sched->now() +
	       static_cast<std::uint64_t>(machine().wall_clock_skew);
}

void cfs_random_bytes(void *buf, size_t n) noexcept
{
	static Rng outside(0);
	Rng &rng = current_sched ? current_fiber->home->random : outside;
	auto *p = static_cast<unsigned char *>(buf);
	for (std::size_t i = 0; i < n; i++)
		p[i] = static_cast<unsigned char>(rng.below(256));
}

} // extern "C"
