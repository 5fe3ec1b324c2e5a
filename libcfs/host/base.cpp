// SPDX-License-Identifier: GPL-2.0
//
// The machine of the threads back end: nodes, console, stops, and the process-wide memory domain.
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <mutex>

#include "libcfs/host/common/mem_domain.hpp"
#include "libcfs/host/common/params_tree.hpp"
#include "libcfs/host/common/stacks.hpp"
#include "libcfs/host/host.hpp"
#include "libcfs/host/thread_ctl.hpp"

namespace cfs::hosted
{

namespace
{

// Never destroyed, so that what is left at the end of the process is a leak to LeakSanitizer too.
struct Process {
	MemDomain memory{"process"};
	std::mutex console_lock;
	host::ConsoleSink console; // under console_lock
	std::atomic<cfs_machine *> machine{nullptr};
};

Process &process()
{
	static auto *p = new Process;
	return *p;
}

cfs_node &default_node()
{
	static auto *n = new cfs_node("localhost");
	return *n;
}

std::atomic<bool> stack_printed{false};

void print_stack_on_signal(int)
{
	std::string text = current_stack(2);
	std::fprintf(stderr, "  thread %u %s\n%s", task().pid, task().comm, text.c_str());
	stack_printed.store(true, std::memory_order_release);
}

} // namespace

cfs_node *node_or_default(cfs_node *node) noexcept
{
	return node ? node : &default_node();
}

MemDomain &mem_domain() noexcept
{
	return process().memory;
}

namespace
{
MemPolicy policy{true, true};
}

const MemPolicy &mem_policy() noexcept
{
	return policy;
}

void before_free(const void *, std::size_t) noexcept {}

void may_block(const char *what) noexcept
{
	const Task &t = task();
	if (t.atomic_context()) [[unlikely]]
		misuse(std::string(what) + "() with " +
		       (t.spin_depth ? "a spinlock held" : "an RCU section open"));
}

void preempt_point() noexcept {}

void misuse(const std::string &what) noexcept
{
	cfs_bug("platform", 0, "boundary", what.c_str());
	std::abort();
}

// Each thread prints its own stack from a signal handler. Not what a handler may do by the book,
// but the process is about to abort, and most often it works.
void print_all_stacks() noexcept
{
	std::fprintf(stderr, "  thread %u %s (this one)\n%s", task().pid, task().comm,
		     current_stack(2).c_str());
	int sig = SIGRTMIN + 3;
	struct sigaction sa = {};
	sa.sa_handler = print_stack_on_signal;
	sigaction(sig, &sa, nullptr);
	std::unique_lock g(all_threads().lock, std::try_to_lock);
	if (!g)
		return;
	for (ThreadCtl *t = all_threads().first; t; t = t->next) {
		if (t == &thread_ctl())
			continue;
		stack_printed.store(false, std::memory_order_release);
		if (syscall(SYS_tgkill, getpid(), static_cast<pid_t>(t->pid), sig))
			continue;
		for (int ms = 0; ms < 1000 && !stack_printed.load(std::memory_order_acquire); ms++)
			usleep(1000);
	}
}

} // namespace cfs::hosted

namespace cfs::host
{

using namespace hosted;

HostNode::HostNode(std::string name) : node_(new cfs_node(std::move(name))) {}

HostNode::~HostNode()
{
	std::string left = node_->leftovers();
	if (!node_->params->empty())
		left += "  parameter files\n";
	if (!left.empty())
		misuse("node " + node_->name + " ended and left behind:\n" + left);
	delete node_;
}

NodeScope::NodeScope(cfs_node *node) noexcept : before_(task().node)
{
	task().node = node;
}

NodeScope::~NodeScope()
{
	task().node = before_;
}

std::int64_t memory_objects() noexcept
{
	return mem_domain().objects();
}

void spare_memory_checks() noexcept
{
	if (memory_objects())
		misuse("spare_memory_checks() after the first allocation");
	policy = {false, false};
}

std::string memory_held()
{
	return mem_domain().leaks();
}

void set_console(ConsoleSink sink)
{
	std::lock_guard g(process().console_lock);
	process().console = std::move(sink);
}

} // namespace cfs::host

using namespace cfs::hosted;

extern "C" {

void cfs_bug(const char *file, int line, const char *func, const char *what) noexcept
{
	static std::atomic<bool> once{false};
	if (once.exchange(true))
		std::abort(); // a second failure while the first is being reported
	std::fprintf(stderr, "BUG at %s:%d %s(): %s\n", file, line, func, what);
	print_all_stacks();
	std::abort();
}

void cfs_console(enum cfs_console_level level, const char *text, size_t n) noexcept
{
	cfs::host::ConsoleSink sink;
	{
		std::lock_guard g(process().console_lock);
		sink = process().console;
	}
	if (sink)
		sink(level, {text, n});
	else
		std::fprintf(stderr, "<%d> %.*s\n", static_cast<int>(level), static_cast<int>(n),
			     text);
}

void cfs_dump_stack(void) noexcept
{
	std::string text =
		"stack of thread " + std::to_string(task().pid) + ":\n" + current_stack(1);
	if (!text.empty() && text.back() == '\n')
		text.pop_back();
	cfs_console(CFS_CONSOLE_WARNING, text.data(), text.size());
}

cfs_machine *cfs_machine_get(void) noexcept
{
	return process().machine.load(std::memory_order_acquire);
}

void cfs_machine_set(cfs_machine *m) noexcept
{
	process().machine.store(m, std::memory_order_release);
}

uint64_t cfs_mem_total(void) noexcept
{
	return static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) *
	       static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

} // extern "C"
