// SPDX-License-Identifier: GPL-2.0
//
// Spinlock, mutex, reader-writer semaphore, RCU.
#include "libcfs/mem.hpp"
#include "libcfs/selftest/selftest.hpp"

namespace cfs::selftest
{

namespace
{

constexpr unsigned kThreads = 4;

/// Threads add to a plain counter: the sum is right only if the lock keeps them apart.
template <typename Lock>
struct Counted {
	Lock lock{CFS_LOCK_CLASS("selftest counted")};
	std::uint64_t value CFS_GUARDED_BY(lock) = 0;

	void add() noexcept
	{
		Guard<Lock> g(lock);
		value = value + 1;
	}
	std::uint64_t read() noexcept
	{
		Guard<Lock> g(lock);
		return value;
	}
};

template <typename Lock>
Result<> keeps_threads_apart(Run &run) noexcept
{
	Counted<Lock> c;
	unsigned n = run.scale(20000);
	TRY(in_threads(run, kThreads, [&](unsigned) -> Result<> {
		for (unsigned i = 0; i < n; i++)
			c.add();
		return {};
	}));
	CHECK(c.read() == std::uint64_t{n} * kThreads);
	return {};
}

Result<> spin_try_lock_keeps_threads_apart(Run &run) noexcept CFS_NO_TSA
{
	SpinLock lock(CFS_LOCK_CLASS("selftest spin try"));
	std::uint64_t value = 0;
	std::atomic<std::uint64_t> taken{0};
	unsigned n = run.scale(20000);
	TRY(in_threads(run, kThreads, [&](unsigned) CFS_NO_TSA -> Result<> {
		for (unsigned i = 0; i < n; i++) {
			if (!lock.try_lock())
				continue;
			bool held = lock.held();
			value = value + 1;
			lock.unlock();
			taken.fetch_add(1);
			CHECK(held);
		}
		return {};
	}));
	CHECK(value == taken.load() && value > 0);
	return {};
}

Result<> mutex_try_lock_tells_who_holds(Run &run) noexcept CFS_NO_TSA
{
	Mutex lock(CFS_LOCK_CLASS("selftest mutex try"));
	CHECK(lock.try_lock());
	bool held = lock.held();
	auto others = in_threads(run, 1, [&](unsigned) CFS_NO_TSA -> Result<> {
		CHECK(!lock.try_lock());
		return {};
	});
	lock.unlock();
	TRY(others);
	CHECK(held && lock.try_lock());
	lock.unlock();
	return {};
}

/// Two locks of one class, told apart by their level.
template <typename Lock>
Result<> nests_by_subclass(Run &run) noexcept
{
	struct OfOneClass {
		Lock lock{CFS_LOCK_CLASS("selftest nest")};
	} a, b;
	Guard<Lock> outer(a.lock, 0);
	Guard<Lock> inner(b.lock, 1);
	CHECK(a.lock.held() && b.lock.held());
	return {};
}

Result<> mutex_killable_locks(Run &run) noexcept CFS_NO_TSA
{
	Mutex m(CFS_LOCK_CLASS("selftest killable"));
	TRY(m.lock_killable());
	CHECK(m.held());
	m.unlock();
	return {};
}

Result<> rwsem_readers_share(Run &run) noexcept
{
	RwSem sem(CFS_LOCK_CLASS("selftest readers"));
	ReadGuard mine(sem);
	TRY(in_threads(run, 2, [&](unsigned) -> Result<> {
		ReadGuard g(sem);
		return {};
	}));
	return {};
}

Result<> rwsem_try_locks(Run &run) noexcept CFS_NO_TSA
{
	RwSem sem(CFS_LOCK_CLASS("selftest rwsem try"));
	CHECK(sem.try_lock());
	auto while_written = in_threads(run, 1, [&](unsigned) CFS_NO_TSA -> Result<> {
		CHECK(!sem.try_lock());
		CHECK(!sem.try_lock_shared());
		return {};
	});
	sem.downgrade();
	auto while_read = in_threads(run, 1, [&](unsigned) CFS_NO_TSA -> Result<> {
		CHECK(!sem.try_lock());
		CHECK(sem.try_lock_shared());
		sem.unlock_shared();
		return {};
	});
	sem.unlock_shared();
	TRY(while_written);
	return while_read;
}

/// Numbers that writers keep equal.
struct Twins {
	RwSem sem{CFS_LOCK_CLASS("selftest whole")};
	std::uint64_t a CFS_GUARDED_BY(sem) = 0;
	std::uint64_t b CFS_GUARDED_BY(sem) = 0;

	/// Goes on as a reader; whether it then still finds what it wrote.
	bool raise() noexcept CFS_NO_TSA
	{
		sem.lock();
		a++;
		b++;
		std::uint64_t mine = a;
		sem.downgrade();
		bool kept = a == mine && b == mine;
		sem.unlock_shared();
		return kept;
	}
	bool equal() noexcept
	{
		ReadGuard g(sem);
		return a == b;
	}
};

Result<> rwsem_readers_see_whole_changes(Run &run) noexcept
{
	Twins twins;
	unsigned n = run.scale(4000);
	TRY(in_threads(run, kThreads, [&](unsigned index) -> Result<> {
		for (unsigned i = 0; i < n; i++)
			CHECK(index < 2 ? twins.raise() : twins.equal());
		return {};
	}));
	ReadGuard g(twins.sem);
	CHECK(twins.a == 2 * n);
	return {};
}

struct Version {
	static constexpr std::uint64_t kAlive = 0x6c6976656c697665;

	std::uint64_t number;
	std::uint64_t alive = kAlive;
	cfs_rcu rcu;

	explicit Version(std::uint64_t n) noexcept : number(n) {}
	static Version *make(std::uint64_t n) noexcept
	{
		void *m = cfs_alloc(CFS_S_LIBCFS, sizeof(Version), CFS_ALLOC_DEFAULT);
		return m ? ::new (m) Version(n) : nullptr;
	}
	static void end(Version *v) noexcept
	{
		if (v)
			cfs_free_rcu(CFS_S_LIBCFS, v, sizeof(*v), &v->rcu);
	}
};

/// One thread replaces an object again and again; the others never see one that was freed, nor go
/// back in time.
Result<> rcu_readers_never_see_freed_memory(Run &run) noexcept
{
	std::atomic<Version *> current{Version::make(0)};
	if (!current.load())
		return fail(err::NOMEM);
	std::atomic<bool> done{false};
	unsigned n = run.scale(2000);
	auto work = [&](unsigned index) -> Result<> {
		if (index == 0) {
			Result<> r;
			for (unsigned i = 1; i <= n && r; i++) {
				if (Version *v = Version::make(i))
					Version::end(
						current.exchange(v, std::memory_order_acq_rel));
				else
					r = fail(err::NOMEM);
			}
			done.store(true);
			return r;
		}
		std::uint64_t seen = 0;
		for (unsigned i = 0; i < n && !done.load(); i++) {
			RcuGuard g;
			const Version *v = current.load(std::memory_order_acquire);
			CHECK(v->alive == Version::kAlive);
			CHECK(v->number >= seen);
			seen = v->number;
		}
		return {};
	};
	auto r = in_threads(run, kThreads, work);
	Version::end(current.load());
	cfs_rcu_barrier();
	return r;
}

/// After synchronize() whatever a reader could have seen before is no longer looked at.
Result<> rcu_synchronize_waits_for_readers(Run &run) noexcept
{
	std::atomic<std::uint64_t *> pointer{nullptr};
	std::atomic<bool> done{false};
	std::uint64_t slots[2] = {1, 1};
	unsigned n = run.scale(50);
	pointer.store(&slots[0]);
	return in_threads(run, 3, [&](unsigned index) -> Result<> {
		if (index != 0) {
			while (!done.load()) {
				{
					RcuGuard g;
					auto *p = pointer.load(std::memory_order_acquire);
					CHECK(std::atomic_ref(*p).load() == 1);
				}
				cfs_yield();
			}
			return {};
		}
		for (unsigned i = 0; i < n; i++) {
			std::uint64_t *old = &slots[i % 2];
			pointer.store(&slots[1 - i % 2], std::memory_order_release);
			cfs_rcu_synchronize();
			std::atomic_ref(*old).store(0);
			std::atomic_ref(*old).store(1);
		}
		done.store(true);
		return {};
	});
}

Result<> memory_outlives_sections(Run &run) noexcept
{
	// Nothing of ours charges this one.
	constexpr cfs_subsys kOwn = CFS_S_SNAPSHOT;
	struct Graced {
		cfs_rcu rcu;
		unsigned value;
	};
	auto held = [] {
		struct cfs_mem_usage u{};
		cfs_mem_usage(kOwn, &u);
		return u.bytes;
	};
	auto before = held();
	auto *g = static_cast<Graced *>(cfs_alloc(kOwn, sizeof(Graced), CFS_ALLOC_DEFAULT));
	if (!g)
		return fail(err::NOMEM);
	g->value = 7;
	unsigned seen = 0;
	std::int64_t during = 0;
	{
		RcuGuard section;
		cfs_free_rcu(kOwn, g, sizeof(*g), &g->rcu);
		seen = g->value;
		during = held();
	}
	cfs_rcu_barrier();
	CHECK(seen == 7);
	CHECK(during == before + static_cast<std::int64_t>(sizeof(Graced)));
	CHECK(held() == before);
	return {};
}

Result<> rcu_sections_nest(Run &) noexcept
{
	{
		RcuGuard outer;
		RcuGuard inner;
	}
	cfs_rcu_synchronize();
	return {};
}

constexpr Test kTests[] = {
	{"Spin", "KeepsThreadsApart", keeps_threads_apart<SpinLock>},
	{"Spin", "TryLockKeepsThreadsApart", spin_try_lock_keeps_threads_apart},
	{"Spin", "NestsBySubclass", nests_by_subclass<SpinLock>},
	{"Mutex", "KeepsThreadsApart", keeps_threads_apart<Mutex>},
	{"Mutex", "TryLockTellsWhoHolds", mutex_try_lock_tells_who_holds},
	{"Mutex", "NestsBySubclass", nests_by_subclass<Mutex>},
	{"Mutex", "KillableLocks", mutex_killable_locks},
	{"RwSem", "WritersAreKeptApart", keeps_threads_apart<RwSem>},
	{"RwSem", "ReadersShare", rwsem_readers_share},
	{"RwSem", "TryLocksAndDowngrade", rwsem_try_locks},
	{"RwSem", "ReadersSeeWholeChanges", rwsem_readers_see_whole_changes},
	{"Rcu", "ReadersNeverSeeFreedMemory", rcu_readers_never_see_freed_memory},
	{"Rcu", "SynchronizeWaitsForReaders", rcu_synchronize_waits_for_readers},
	{"Rcu", "MemoryOutlivesSections", memory_outlives_sections},
	{"Rcu", "SectionsNest", rcu_sections_nest},
};

} // namespace

std::span<const Test> lock_tests() noexcept
{
	return kTests;
}

} // namespace cfs::selftest
