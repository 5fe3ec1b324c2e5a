// SPDX-License-Identifier: GPL-2.0
//
// Locks: exclusion between threads, trying, nesting, and what "held" says.
#include "libcfs/lock.hpp"

#include "boundary.hpp"
#include "libcfs/thread.hpp"

namespace cfs::boundary
{
namespace
{

constexpr unsigned kThreads = 4;
constexpr unsigned kRounds = 2000;

/// Threads that count under a lock; a lost addition shows that two were inside at once.
template <typename Lock>
struct Counting {
	static constexpr cfs_subsys kSubsys = CFS_S_ECHO;

	Lock lock{CFS_LOCK_CLASS("selftest counting")};
	unsigned long count = 0;
	Thread threads[kThreads];

	void work() noexcept
	{
		for (unsigned i = 0; i < kRounds; i++) {
			lock.lock();
			unsigned long v = count;
			std::atomic_signal_fence(std::memory_order_seq_cst);
			count = v + 1;
			lock.unlock();
		}
	}
};

template <typename Lock>
Result<> exclusion(Env &env) noexcept
{
	using Shared = Counting<Lock>;
	auto s = TRY(try_make<Shared>());
	unsigned long started = 0;
	Result<> r;
	for (Thread &t : s->threads) {
		r = t.template start<&Shared::work>(env.node, "st_lock", s.get());
		if (!r)
			break;
		started++;
	}
	for (Thread &t : s->threads)
		t.join();
	EXPECT(s->count == started * kRounds);
	return r;
}

template <typename Lock>
struct Nest {
	static constexpr cfs_subsys kSubsys = CFS_S_ECHO;

	static cfs_lock_class *its_class() noexcept { return CFS_LOCK_CLASS("selftest nest"); }

	Lock outer{its_class()};
	Lock inner{its_class()};
};

/// Two locks of one class, told apart by their level; and trying a lock that is taken.
template <typename Lock>
Result<> nesting(Env &env) noexcept
{
	auto s = TRY(try_make<Nest<Lock>>());
	bool inner_held = false, outer_taken = false;
	{
		Guard<Lock> a(s->outer, 0);
		Guard<Lock> b(s->inner, 1);
		inner_held = s->inner.held();
	}
	bool free_now = s->outer.try_lock();
	if (free_now) {
		outer_taken = s->outer.held();
		s->outer.unlock();
	}
	EXPECT(inner_held);
	EXPECT(free_now);
	EXPECT(outer_taken);
	return {};
}

struct ReadersWriters {
	static constexpr cfs_subsys kSubsys = CFS_S_ECHO;

	RwSem sem{CFS_LOCK_CLASS("selftest readers and writers")};
	unsigned long a = 0, b = 0;
	std::atomic<unsigned> torn{0};
	Thread threads[kThreads];

	void write() noexcept
	{
		for (unsigned i = 0; i < kRounds / 4; i++) {
			sem.lock();
			a++;
			std::atomic_signal_fence(std::memory_order_seq_cst);
			b++;
			unsigned long mine = a;
			// Going on as a reader, it must still find what it wrote.
			sem.downgrade();
			if (a != mine || b != mine)
				torn++;
			sem.unlock_shared();
		}
	}
	void read() noexcept
	{
		for (unsigned i = 0; i < kRounds / 4; i++) {
			ReadGuard g(sem);
			if (a != b)
				torn++;
		}
	}
};

Result<> readers_and_writers(Env &env) noexcept
{
	auto s = TRY(try_make<ReadersWriters>());
	Result<> r;
	for (unsigned i = 0; r && i < kThreads; i++) {
		if (i % 2)
			r = s->threads[i].start<&ReadersWriters::write>(env.node, "st_write",
									s.get());
		else
			r = s->threads[i].start<&ReadersWriters::read>(env.node, "st_read",
								       s.get());
	}
	for (Thread &t : s->threads)
		t.join();
	EXPECT(s->torn == 0);
	EXPECT(s->a == s->b);
	return r;
}

constexpr Test kTests[] = {
	{"Spin.OneAtATime", exclusion<SpinLock>},
	{"Spin.NestsByLevel", nesting<SpinLock>},
	{"Mutex.OneAtATime", exclusion<Mutex>},
	{"Mutex.NestsByLevel", nesting<Mutex>},
	{"RwSem.WritersExclude", exclusion<RwSem>},
	{"RwSem.ReadersSeeWholeWrites", readers_and_writers},
};

} // namespace

std::span<const Test> lock_tests() noexcept
{
	return kTests;
}

} // namespace cfs::boundary
