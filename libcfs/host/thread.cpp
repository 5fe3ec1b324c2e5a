// SPDX-License-Identifier: GPL-2.0
//
// Threads, CPU partitions, time and randomness on POSIX.
#include "libcfs/plat/thread.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <ctime>

#include "libcfs/host/host.hpp"
#include "libcfs/host/thread_ctl.hpp"

using namespace cfs::hosted;

struct cfs_thread : Owned {
	ThreadCtl ctl;
	pthread_t handle{};
	void (*fn)(void *);
	void *arg;

	cfs_thread(cfs_node *node, void (*f)(void *), void *a) : Owned(node), fn(f), arg(a) {}
	std::string describe() const override { return std::string("thread ") + ctl.comm; }
};

namespace
{

// Of threads that the process started by other means.
struct ForeignThread {
	ThreadCtl ctl;
	bool known = false;
	~ForeignThread()
	{
		if (known)
			ctl.leave();
	}
};

constinit thread_local ThreadCtl *current = nullptr;
thread_local ForeignThread foreign;

std::uint64_t clock_ns(clockid_t id)
{
	timespec ts{};
	clock_gettime(id, &ts);
	return static_cast<std::uint64_t>(ts.tv_sec) * 1'000'000'000u +
	       static_cast<std::uint64_t>(ts.tv_nsec);
}

void *thread_main(void *arg)
{
	auto *t = static_cast<cfs_thread *>(arg);
	t->ctl.enter();
	t->ctl.site_end = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
	pthread_setname_np(pthread_self(), t->ctl.comm);
	t->fn(t->arg);
	if (t->ctl.atomic_context())
		misuse("thread ends holding a spinlock or inside an RCU section");
	t->ctl.leave();
	return nullptr;
}

} // namespace

namespace cfs::hosted
{

ThreadList &all_threads() noexcept
{
	static auto *list = new ThreadList; // threads may outlive static destructors
	return *list;
}

void ThreadCtl::enter() noexcept
{
	pid = static_cast<std::uint32_t>(gettid());
	pthread_attr_t attr;
	if (pthread_getattr_np(pthread_self(), &attr) == 0) {
		void *low = nullptr;
		std::size_t bytes = 0;
		pthread_attr_getstack(&attr, &low, &bytes);
		stack_low = reinterpret_cast<std::uintptr_t>(low);
		stack_high = stack_low + bytes;
		pthread_attr_destroy(&attr);
	}
	current = this;
	ThreadList &l = all_threads();
	std::lock_guard g(l.lock);
	prev = nullptr;
	next = l.first;
	if (next)
		next->prev = this;
	l.first = this;
}

void ThreadCtl::leave() noexcept
{
	ThreadList &l = all_threads();
	std::lock_guard g(l.lock);
	(prev ? prev->next : l.first) = next;
	if (next)
		next->prev = prev;
	current = nullptr;
}

ThreadCtl &thread_ctl() noexcept
{
	if (!current) [[unlikely]] {
		foreign.known = true;
		foreign.ctl.node = node_or_default(nullptr);
		pthread_getname_np(pthread_self(), foreign.ctl.comm, sizeof(foreign.ctl.comm));
		foreign.ctl.enter();
	}
	return *current;
}

Task &task() noexcept
{
	return thread_ctl();
}

void unpark(ThreadCtl &t) noexcept
{
	t.park.fetch_add(1);
	if (t.parked.load())
		syscall(SYS_futex, &t.park, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

void wake_later(ThreadCtl &t) noexcept
{
	ThreadCtl &me = thread_ctl();
	if (me.later_count == ThreadCtl::kLaterMax) {
		unpark(t);
		return;
	}
	t.park.fetch_add(1);
	if (t.parked.load())
		me.later[me.later_count++] = &t.park;
}

void wake_now(ThreadCtl &me) noexcept
{
	while (me.later_count > 0)
		syscall(SYS_futex, me.later[--me.later_count], FUTEX_WAKE_PRIVATE, INT_MAX, nullptr,
			nullptr, 0);
}

void park(ThreadCtl &t, std::uint32_t seen, std::uint64_t deadline_ns) noexcept
{
	// What it waits for often comes while others run, and then nobody need be woken, which
	// costs more than all of this where it means an interrupt for an idle CPU.
	constexpr int kYields = 8;
	for (int i = 0; i < kYields; i++) {
		sched_yield();
		if (t.park.load(std::memory_order_acquire) != seen)
			return;
		if (deadline_ns != CFS_NEVER && cfs_now_ns() >= deadline_ns)
			return;
	}
	timespec left{};
	timespec *timeout = nullptr;
	if (deadline_ns != CFS_NEVER) {
		auto now = cfs_now_ns();
		auto ns = deadline_ns > now ? deadline_ns - now : 0;
		// Bounded, because a time_t of centuries is refused.
		ns = std::min<std::uint64_t>(ns, 3'600'000'000'000u);
		left.tv_sec = static_cast<time_t>(ns / 1'000'000'000u);
		left.tv_nsec = static_cast<long>(ns % 1'000'000'000u);
		timeout = &left;
	}
	t.parked.store(true); // before the futex is looked at: see unpark()
	syscall(SYS_futex, &t.park, FUTEX_WAIT_PRIVATE, seen, timeout, nullptr, 0);
	t.parked.store(false, std::memory_order_relaxed);
}

namespace
{

void fill_random(unsigned char *p, std::size_t n) noexcept
{
	while (n) {
		ssize_t got = getrandom(p, n, 0);
		if (got < 0 && errno != EINTR)
			misuse("getrandom() failed");
		if (got > 0) {
			p += got;
			n -= static_cast<std::size_t>(got);
		}
	}
}

} // namespace

} // namespace cfs::hosted

namespace cfs::host
{

void kill(cfs_thread *t) noexcept
{
	t->ctl.signals.fetch_or(kSignalKill, std::memory_order_acq_rel);
	unpark(t->ctl);
}

void interrupt(cfs_thread *t) noexcept
{
	t->ctl.signals.fetch_or(kSignalInterrupt, std::memory_order_acq_rel);
	unpark(t->ctl);
}

void kill_self() noexcept
{
	task().signals.fetch_or(kSignalKill, std::memory_order_acq_rel);
}

void clear_signals() noexcept
{
	task().signals.store(0, std::memory_order_release);
}

} // namespace cfs::host

extern "C" {

int cfs_thread_start(cfs_node *node, const char *name, int cpt, void (*fn)(void *arg), void *arg,
		     cfs_thread **out) noexcept
{
	may_block("cfs_thread_start");
	if (cpt != CFS_CPT_ANY && cfs_cpt_weight(static_cast<unsigned>(cpt)) == 0)
		return -EINVAL;
	if (inject_failure())
		return -ENOMEM;
	auto *t = new cfs_thread(node, fn, arg);
	t->ctl.node = t->owner();
	t->ctl.cpt = cpt;
	t->ctl.set_comm(name);
	if (int rc = pthread_create(&t->handle, nullptr, thread_main, t)) {
		delete t;
		return -rc;
	}
	*out = t;
	return 0;
}

void cfs_thread_join(cfs_thread *t) noexcept
{
	may_block("cfs_thread_join");
	pthread_join(t->handle, nullptr);
	delete t;
}

void cfs_yield(void) noexcept
{
	may_block("cfs_yield");
	sched_yield();
}

void cfs_sleep_until(uint64_t deadline_ns) noexcept
{
	may_block("cfs_sleep_until");
	for (auto now = cfs_now_ns(); now < deadline_ns; now = cfs_now_ns()) {
		auto ns = std::min<std::uint64_t>(deadline_ns - now, 3'600'000'000'000u);
		timespec left{static_cast<time_t>(ns / 1'000'000'000u),
			      static_cast<long>(ns % 1'000'000'000u)};
		nanosleep(&left, nullptr);
	}
}

unsigned int cfs_cpu_count(void) noexcept
{
	static const auto n = std::max(1L, sysconf(_SC_NPROCESSORS_CONF));
	return static_cast<unsigned>(n);
}

unsigned int cfs_cpu_current(void) noexcept
{
	int c = sched_getcpu();
	return c < 0 ? 0 : static_cast<unsigned>(c) % cfs_cpu_count();
}

// Partitions of up to four CPUs, as the kernel's default for small machines comes out.
unsigned int cfs_cpt_count(void) noexcept
{
	return std::min((cfs_cpu_count() + 3) / 4, 64u);
}

unsigned int cfs_cpt_current(void) noexcept
{
	int c = task().cpt;
	return (c >= 0 ? static_cast<unsigned>(c) : cfs_cpu_current()) % cfs_cpt_count();
}

unsigned int cfs_cpt_weight(unsigned int cpt) noexcept
{
	unsigned cpus = cfs_cpu_count();
	unsigned cpts = cfs_cpt_count();
	return cpt < cpts ? cpus / cpts + (cpt < cpus % cpts) : 0;
}

uint64_t cfs_now_ns(void) noexcept
{
	return clock_ns(CLOCK_BOOTTIME);
}

uint64_t cfs_real_ns(void) noexcept
{
	return clock_ns(CLOCK_REALTIME);
}

void cfs_random_bytes(void *buf, size_t n) noexcept
{
	// As in a kernel, a few bytes cost no system call.
	ThreadCtl &me = thread_ctl();
	if (n > sizeof(me.random)) {
		fill_random(static_cast<unsigned char *>(buf), n);
		return;
	}
	if (me.random_left < n) {
		fill_random(me.random, sizeof(me.random));
		me.random_left = sizeof(me.random);
	}
	me.random_left -= n;
	std::memcpy(buf, me.random + me.random_left, n);
	std::memset(me.random + me.random_left, 0, n);
}

} // extern "C"
