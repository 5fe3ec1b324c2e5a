// SPDX-License-Identifier: GPL-2.0
//
// The threads back end: what every back end promises is tested by libcfs/selftest; here is what is
// its own: memory accounting and leak reports, allocation failure, misuse that stops the process,
// signals, work queues and RCU under real concurrency.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>
#include <vector>

#include "libcfs/host/alloc_fault.hpp"
#include "libcfs/host/host.hpp"
#include "libcfs/host/params.hpp"
#include "libcfs/lock.hpp"
#include "libcfs/mem.hpp"
#include "libcfs/plat/csum.h"
#include "libcfs/plat/page.h"
#include "libcfs/thread.hpp"
#include "libcfs/wait.hpp"

namespace
{

using cfs::Result;

constexpr std::uint64_t kMs = 1'000'000;

struct cfs_mem_usage usage(cfs_subsys s)
{
	struct cfs_mem_usage u = {};
	cfs_mem_usage(s, &u);
	return u;
}

// ---- memory ----

TEST(HostMemory, IsChargedToItsSubsystemUntilFreed)
{
	auto before = usage(CFS_S_LDLM);
	void *p = cfs_alloc(CFS_S_LDLM, 1000, CFS_ALLOC_DEFAULT);
	auto held = usage(CFS_S_LDLM);
	EXPECT_EQ(held.bytes - before.bytes, 1000);
	EXPECT_EQ(held.objects - before.objects, 1);
	EXPECT_GE(held.bytes_max, held.bytes);
	cfs_free(CFS_S_LDLM, p, 1000);
	EXPECT_EQ(usage(CFS_S_LDLM).bytes, before.bytes);
	EXPECT_EQ(usage(CFS_S_LDLM).objects, before.objects);
}

TEST(HostMemory, ZeroFlagZeroes)
{
	auto *p = static_cast<unsigned char *>(cfs_alloc(CFS_S_LDLM, 777, CFS_ALLOC_ZERO));
	for (int i = 0; i < 777; i++)
		ASSERT_EQ(p[i], 0);
	cfs_free(CFS_S_LDLM, p, 777);
}

TEST(HostMemory, AnImpossibleSizeIsRefusedAndCounted)
{
	auto failed = usage(CFS_S_LDLM).failed;
	EXPECT_EQ(cfs_alloc(CFS_S_LDLM, SIZE_MAX - 8, CFS_ALLOC_LARGE), nullptr);
	EXPECT_EQ(usage(CFS_S_LDLM).failed, failed + 1);
}

[[gnu::noinline]] void *forgetful_allocation()
{
	void *p = cfs_alloc(CFS_S_LQUOTA, 123, CFS_ALLOC_DEFAULT);
	asm volatile("" : "+r"(p));
	return p;
}

TEST(HostMemory, TheLeakReportNamesThePlace)
{
	void *p = forgetful_allocation();
	auto report = cfs::host::memory_held();
	EXPECT_NE(report.find("forgetful_allocation"), std::string::npos) << report;
	EXPECT_NE(report.find("123 bytes of lquota"), std::string::npos) << report;
	cfs_free(CFS_S_LQUOTA, p, 123);
	EXPECT_EQ(cfs::host::memory_held().find("forgetful_allocation"), std::string::npos);
}

TEST(HostMemoryDeathTest, FreeingWithAnotherSizeOrSubsystemStops)
{
	void *p = cfs_alloc(CFS_S_LDLM, 64, CFS_ALLOC_DEFAULT);
	EXPECT_DEATH(cfs_free(CFS_S_LDLM, p, 65), "allocated as 64 bytes of ldlm, freed as 65");
	EXPECT_DEATH(cfs_free(CFS_S_RPC, p, 64), "of rpc");
	cfs_free(CFS_S_LDLM, p, 64);
}

TEST(HostMemory, CachesAreSharedByNameAndSizeAndAlign)
{
	cfs_cache *a = nullptr;
	cfs_cache *b = nullptr;
	ASSERT_EQ(cfs_cache_create(CFS_S_LDLM, "t", 200, 256, &a), 0);
	ASSERT_EQ(cfs_cache_create(CFS_S_LDLM, "t", 200, 256, &b), 0);
	EXPECT_EQ(a, b);
	void *p = cfs_cache_alloc(a, CFS_ALLOC_ZERO);
	EXPECT_EQ(reinterpret_cast<std::uintptr_t>(p) % 256, 0u);
	cfs_cache_destroy(b);
	cfs_cache_free(a, p);
	cfs_cache_destroy(a);
}

TEST(HostMemoryDeathTest, DestroyingACacheInUseStopsWithItsName)
{
	cfs_cache *c = nullptr;
	ASSERT_EQ(cfs_cache_create(CFS_S_LDLM, "busy_cache", 40, 8, &c), 0);
	void *p = cfs_cache_alloc(c, 0);
	EXPECT_DEATH(cfs_cache_destroy(c), "busy_cache destroyed with 1 objects");
	cfs_cache_free(c, p);
	cfs_cache_destroy(c);
}

// ---- allocation failure ----

Result<> make_pair_well()
{
	void *a = cfs_alloc(CFS_S_LDLM, 10, 0);
	if (!a)
		return cfs::fail(cfs::err::NOMEM);
	void *b = cfs_alloc(CFS_S_LDLM, 20, 0);
	if (!b) {
		cfs_free(CFS_S_LDLM, a, 10);
		return cfs::fail(cfs::err::NOMEM);
	}
	cfs_free(CFS_S_LDLM, b, 20);
	cfs_free(CFS_S_LDLM, a, 10);
	return {};
}

TEST(AllocFault, NthAllocationFails)
{
	cfs::host::FailNth f(2);
	EXPECT_FALSE(make_pair_well());
	EXPECT_TRUE(f.fired());
	EXPECT_TRUE(make_pair_well());
}

TEST(AllocFault, NofaultAllocationsAreSpared)
{
	cfs::host::FailNth f(1);
	void *p = cfs_alloc(CFS_S_LDLM, 8, CFS_ALLOC_NOFAULT);
	EXPECT_NE(p, nullptr);
	cfs_free(CFS_S_LDLM, p, 8);
	EXPECT_FALSE(f.fired());
}

TEST(AllocFault, EachSiteFailsOnce)
{
	auto report = cfs::host::fail_each_site(make_pair_well);
	EXPECT_TRUE(report.all_good()) << report.complaints();
	EXPECT_EQ(report.runs.size(), 2u);
}

TEST(AllocFault, SitesInLoopsHaveOneTurn)
{
	auto report = cfs::host::fail_each_site([]() -> Result<> {
		for (int i = 0; i < 100; i++)
			TRY(make_pair_well());
		return {};
	});
	EXPECT_TRUE(report.all_good()) << report.complaints();
	EXPECT_EQ(report.runs.size(), 2u);
}

TEST(AllocFault, ALeakOnTheErrorPathIsFound)
{
	void *leaked = nullptr;
	auto report = cfs::host::fail_each_site([&]() -> Result<> {
		void *a = cfs_alloc(CFS_S_LDLM, 10, 0);
		if (!a)
			return cfs::fail(cfs::err::NOMEM);
		void *b = cfs_alloc(CFS_S_LDLM, 20, 0);
		if (!b) {
			leaked = a;
			return cfs::fail(cfs::err::NOMEM);
		}
		cfs_free(CFS_S_LDLM, b, 20);
		cfs_free(CFS_S_LDLM, a, 10);
		return {};
	});
	EXPECT_FALSE(report.all_good());
	EXPECT_NE(report.complaints().find("leak after"), std::string::npos) << report.complaints();
	cfs_free(CFS_S_LDLM, leaked, 10);
}

TEST(AllocFault, ASwallowedFailureIsFound)
{
	auto report = cfs::host::fail_each_site([]() -> Result<> {
		cfs_free(CFS_S_LDLM, cfs_alloc(CFS_S_LDLM, 10, 0), 10);
		return {};
	});
	EXPECT_FALSE(report.all_good());
	EXPECT_NE(report.complaints().find("no error came"), std::string::npos);
}

TEST(AllocFault, ThreadsQueuesAndFoldersFailToo)
{
	auto report = cfs::host::fail_each_site([]() -> Result<> {
		cfs::WorkQueue q;
		TRY(q.create(nullptr, "q"));
		cfs_pdir *d = nullptr;
		TRY(cfs::to_result(cfs_pdir_root(nullptr, CFS_PTREE_SYSFS, "fs/x", &d)));
		cfs_pdir_del(d);
		return {};
	});
	EXPECT_TRUE(report.all_good()) << report.complaints();
	EXPECT_EQ(report.runs.size(), 3u); // the queue, its first worker, the folder
}

// ---- pages ----

TEST(HostPages, LiveAsLongAsTheirReferences)
{
	auto before = usage(CFS_S_OST);
	cfs_page *p = cfs_page_alloc(CFS_S_OST, CFS_ALLOC_ZERO);
	ASSERT_NE(p, nullptr);
	EXPECT_EQ(usage(CFS_S_OST).bytes - before.bytes, 4096);
	cfs_page_get(p);
	cfs_page_free(CFS_S_OST, p);
	EXPECT_EQ(usage(CFS_S_OST).bytes, before.bytes);
	auto *data = static_cast<char *>(cfs_page_map(p));
	EXPECT_EQ(data[4095], 0);
	data[0] = 1;
	EXPECT_EQ(cfs_page_of(data + 100), p);
	cfs_page_unmap(data);
	cfs_page_put(p);
}

TEST(HostPages, AllocatedMemoryHasPagesToo)
{
	auto *m = static_cast<char *>(cfs_alloc(CFS_S_OST, 3 * 4096, CFS_ALLOC_LARGE));
	char *at = m + 5000;
	cfs_page *p = cfs_page_of(at);
	cfs_page_get(p);
	auto *mapped = static_cast<char *>(cfs_page_map(p));
	EXPECT_EQ(mapped + (reinterpret_cast<std::uintptr_t>(at) & 4095), at);
	cfs_page_unmap(mapped);
	cfs_page_put(p);
	cfs_free(CFS_S_OST, m, 3 * 4096);
}

TEST(HostPagesDeathTest, UnmappingOutOfOrderStops)
{
	cfs_page *a = cfs_page_alloc(CFS_S_OST, 0);
	cfs_page *b = cfs_page_alloc(CFS_S_OST, 0);
	void *ma = cfs_page_map(a);
	void *mb = cfs_page_map(b);
	EXPECT_DEATH(cfs_page_unmap(ma), "not the page this thread mapped last");
	cfs_page_unmap(mb);
	cfs_page_unmap(ma);
	cfs_page_free(CFS_S_OST, a);
	cfs_page_free(CFS_S_OST, b);
}

// ---- checksums: published check values of "123456789" ----

TEST(HostChecksums, MatchPublishedValues)
{
	const char *s = "123456789";
	EXPECT_EQ(cfs_crc32(~0u, s, 9) ^ ~0u, 0xcbf43926u);
	EXPECT_EQ(cfs_crc32c(~0u, s, 9) ^ ~0u, 0xe3069283u);
	EXPECT_EQ(cfs_adler32(1, s, 9), 0x091e01deu);
	EXPECT_EQ(cfs_crc_t10dif(0, s, 9), 0xd0dbu);
	// RFC 1071's example, as bytes on the wire: sum ddf2, inverted 220d.
	const unsigned char rfc[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
	EXPECT_EQ(cfs_ip_csum(rfc, 8), 0x0d22u); // as a little-endian load of 22 0d
}

TEST(HostChecksums, PiecesGiveTheWhole)
{
	std::vector<unsigned char> data(1000);
	for (std::size_t i = 0; i < data.size(); i++)
		data[i] = static_cast<unsigned char>(i * 37 + 11);
	for (std::size_t cut = 0; cut <= data.size(); cut += 13) {
		auto *p = data.data();
		auto rest = data.size() - cut;
		EXPECT_EQ(cfs_crc32(cfs_crc32(5, p, cut), p + cut, rest), cfs_crc32(5, p, 1000));
		EXPECT_EQ(cfs_crc32c(cfs_crc32c(5, p, cut), p + cut, rest), cfs_crc32c(5, p, 1000));
		EXPECT_EQ(cfs_adler32(cfs_adler32(1, p, cut), p + cut, rest),
			  cfs_adler32(1, p, 1000));
		EXPECT_EQ(cfs_crc_t10dif(cfs_crc_t10dif(9, p, cut), p + cut, rest),
			  cfs_crc_t10dif(9, p, 1000));
	}
}

// ---- locks ----

TEST(HostLocksDeathTest, MisuseStopsWithTheName)
{
	static constinit cfs_lock_class cls{"the lock", {}};
	cfs_spin_t l;
	cfs_spin_init(&l, &cls);
	EXPECT_DEATH(cfs_spin_unlock(&l), "\"the lock\" given back by a thread");
	cfs_spin_lock(&l, 0);
	EXPECT_DEATH(cfs_spin_lock(&l, 0), "\"the lock\" taken again");
	EXPECT_DEATH(cfs_spin_fini(&l), "\"the lock\" ended while held");
	EXPECT_DEATH(cfs_alloc(CFS_S_LDLM, 1, 0), "cfs_alloc\\(\\) with a spinlock held");
	cfs_spin_unlock(&l);
	cfs_spin_fini(&l);
	EXPECT_DEATH(cfs_spin_lock(&l, 0), "after its end");
}

TEST(HostLocksDeathTest, SleepingUnderRcuStops)
{
	cfs_rcu_read_lock();
	EXPECT_FALSE(cfs_may_sleep());
	EXPECT_DEATH(cfs_sleep_until(0), "with an RCU section open");
	cfs_rcu_read_unlock();
	EXPECT_TRUE(cfs_may_sleep());
}

TEST(HostLocks, AKillEndsAKillableMutexWait)
{
	static constinit cfs_lock_class cls{"m", {}};
	static cfs_mutex_t m;
	cfs_mutex_init(&m, &cls);
	cfs_mutex_lock(&m, 0);
	std::atomic<int> rc{1};
	cfs_thread *t = nullptr;
	ASSERT_EQ(cfs_thread_start(
			  nullptr, "waiter", CFS_CPT_ANY,
			  [](void *arg) {
				  *static_cast<std::atomic<int> *>(arg) =
					  cfs_mutex_lock_killable(&m, 0);
			  },
			  &rc, &t),
		  0);
	cfs::host::kill(t);
	cfs_thread_join(t);
	EXPECT_EQ(rc, -EINTR);
	cfs_mutex_unlock(&m);
	cfs_mutex_fini(&m);
}

TEST(HostLocks, ManyThreadsCountUnderEachLock)
{
	static cfs::SpinLock spin(CFS_LOCK_CLASS("spin"));
	static cfs::Mutex mutex(CFS_LOCK_CLASS("mutex"));
	static cfs::RwSem sem(CFS_LOCK_CLASS("sem"));
	struct Counts {
		long a = 0, b = 0, c = 0;
		void work()
		{
			for (int i = 0; i < 2000; i++) {
				{
					cfs::SpinGuard g(spin);
					a++;
				}
				{
					cfs::MutexGuard g(mutex);
					b++;
				}
				if (i % 2) {
					cfs::WriteGuard g(sem);
					c++;
				} else {
					cfs::ReadGuard g(sem);
					EXPECT_GE(c, 0);
				}
			}
		}
	} counts;
	{
		cfs::Thread t[4];
		for (auto &x : t)
			ASSERT_TRUE(x.start<&Counts::work>(nullptr, "count", &counts));
	}
	EXPECT_EQ(counts.a, 8000);
	EXPECT_EQ(counts.b, 8000);
	EXPECT_EQ(counts.c, 4000);
}

// The analysis can not follow a lock that changes its kind.
void downgrade_test(cfs::RwSem &sem) CFS_NO_TSA
{
	sem.lock();
	EXPECT_FALSE(sem.try_lock_shared());
	sem.downgrade();
	EXPECT_TRUE(sem.try_lock_shared());
	EXPECT_FALSE(sem.try_lock());
	sem.unlock_shared();
	sem.unlock_shared();
	EXPECT_TRUE(sem.try_lock());
	sem.unlock();
}

TEST(HostLocks, ADowngradedWriterSharesWithReadersOnly)
{
	cfs::RwSem sem(CFS_LOCK_CLASS("sem"));
	downgrade_test(sem);
}

// ---- waiting ----

struct Waiter {
	cfs::WaitQueue *q;
	cfs::WaitMode mode;
	std::atomic<bool> *cond;
	std::atomic<int> rc{1};
	void run()
	{
		rc = cfs::to_rc(q->wait(mode, cfs::Instant::never(), [&] { return cond->load(); }));
	}
};

TEST(HostWait, KillEndsKillableAndInterruptEndsInterruptibleOnly)
{
	cfs::WaitQueue q(CFS_LOCK_CLASS("q"));
	std::atomic<bool> cond{false};
	Waiter idle{&q, cfs::WaitMode::idle, &cond};
	Waiter killable{&q, cfs::WaitMode::killable, &cond};
	Waiter interruptible{&q, cfs::WaitMode::interruptible, &cond};
	auto run = [](void *w) { static_cast<Waiter *>(w)->run(); };
	cfs_thread *t[3];
	ASSERT_EQ(cfs_thread_start(nullptr, "i", -1, run, &idle, &t[0]), 0);
	ASSERT_EQ(cfs_thread_start(nullptr, "k", -1, run, &killable, &t[1]), 0);
	ASSERT_EQ(cfs_thread_start(nullptr, "n", -1, run, &interruptible, &t[2]), 0);
	cfs::host::kill(t[0]);
	cfs::host::interrupt(t[1]);
	cfs::host::interrupt(t[2]);
	cfs_thread_join(t[2]);
	EXPECT_EQ(interruptible.rc, -EINTR);
	cfs::host::kill(t[1]);
	cfs_thread_join(t[1]);
	EXPECT_EQ(killable.rc, -EINTR);
	EXPECT_EQ(idle.rc, 1);
	cond = true;
	q.wake_all();
	cfs_thread_join(t[0]);
	EXPECT_EQ(idle.rc, 0);
}

TEST(HostWait, ADeadlineEndsTheWait)
{
	cfs::WaitQueue q(CFS_LOCK_CLASS("q"));
	auto before = cfs_now_ns();
	auto r = q.wait(cfs::WaitMode::idle, cfs::Instant::from_ns(before + 5 * kMs),
			[] { return false; });
	EXPECT_EQ(cfs::to_rc(r), -ETIMEDOUT);
	EXPECT_GE(cfs_now_ns(), before + 5 * kMs);
}

// Producers hand out tokens one wake-up at a time; a lost one leaves a consumer asleep for ever.
TEST(HostWait, ExclusiveWakeUpsAreNotLost)
{
	struct Bed {
		cfs::SpinLock lock{CFS_LOCK_CLASS("tokens")};
		cfs::WaitQueue q{CFS_LOCK_CLASS("tokens")};
		int tokens = 0;
		void consume()
		{
			for (int i = 0; i < 1000; i++) {
				cfs::SpinGuard g(lock);
				auto r = q.wait(
					lock, cfs::WaitMode::idle, cfs::Instant::never(),
					[this] { return tokens > 0; }, true);
				EXPECT_TRUE(r);
				tokens--;
			}
		}
		void produce()
		{
			for (int i = 0; i < 1000; i++) {
				{
					cfs::SpinGuard g(lock);
					tokens++;
				}
				q.wake_one();
			}
		}
	} bed;
	{
		cfs::Thread c[3];
		cfs::Thread p[3];
		for (auto &x : c)
			ASSERT_TRUE(x.start<&Bed::consume>(nullptr, "c", &bed));
		for (auto &x : p)
			ASSERT_TRUE(x.start<&Bed::produce>(nullptr, "p", &bed));
	}
	EXPECT_EQ(bed.tokens, 0);
}

// ---- work ----

TEST(HostWork, OneAtATimeKeepsTheOrder)
{
	struct Step {
		cfs_work_t w; // first
		std::vector<int> *out;
		int n;
	};
	std::vector<int> out;
	cfs::WorkQueue q;
	ASSERT_TRUE(q.create(nullptr, "ordered", 1));
	std::vector<Step> steps(100);
	for (std::size_t i = 0; i < 100; i++) {
		steps[i].out = &out;
		steps[i].n = static_cast<int>(i);
		cfs_work_init(&steps[i].w, [](cfs_work_t *w) {
			auto *s = reinterpret_cast<Step *>(w);
			s->out->push_back(s->n);
		});
		EXPECT_TRUE(cfs_work_queue(q.raw(), &steps[i].w));
	}
	q.flush();
	ASSERT_EQ(out.size(), 100u);
	for (std::size_t i = 0; i < 100; i++)
		EXPECT_EQ(out[i], static_cast<int>(i));
}

TEST(HostWork, BlockedItemsDoNotStopOthers)
{
	struct Bed {
		cfs::Completion a{CFS_LOCK_CLASS("a")};
		cfs::Completion b{CFS_LOCK_CLASS("b")};
		void first()
		{
			(void)a.wait(cfs::WaitMode::idle, cfs::Instant::never());
			b.complete();
		}
		void second() { a.complete(); }
		cfs::Work<Bed, &Bed::first> wa{this};
		cfs::Work<Bed, &Bed::second> wb{this};
	} bed;
	cfs::WorkQueue q;
	ASSERT_TRUE(q.create(nullptr, "pair"));
	bed.wa.queue(q);
	bed.wb.queue(q);
	EXPECT_TRUE(bed.b.wait(cfs::WaitMode::idle, cfs::Instant::never()));
}

TEST(HostWork, AnItemNeverRunsTwiceAtOnce)
{
	struct Bed {
		std::atomic<int> inside{0};
		std::atomic<int> runs{0};
		std::atomic<bool> overlapped{false};
		void run()
		{
			if (inside.fetch_add(1))
				overlapped = true;
			std::this_thread::yield();
			runs++;
			inside--;
		}
		cfs::Work<Bed, &Bed::run> w{this};
	} bed;
	cfs::WorkQueue q;
	ASSERT_TRUE(q.create(nullptr, "same"));
	int queued = 0;
	for (int i = 0; i < 2000; i++)
		queued += bed.w.queue(q);
	q.flush();
	EXPECT_FALSE(bed.overlapped);
	EXPECT_EQ(bed.runs, queued);
}

TEST(HostWork, TimersRunAtTheirDeadlineAndCanBeCancelled)
{
	struct Bed {
		cfs::Completion done{CFS_LOCK_CLASS("done")};
		std::atomic<std::uint64_t> at{0};
		void fire()
		{
			at = cfs_now_ns();
			done.complete();
		}
		cfs::Timer<Bed, &Bed::fire> t{this};
	};
	Bed soon;
	Bed never;
	cfs::WorkQueue q;
	ASSERT_TRUE(q.create(nullptr, "timers"));
	auto now = cfs_now_ns();
	never.t.arm(q, cfs::Instant::from_ns(now + 3600'000 * kMs));
	soon.t.arm(q, cfs::Instant::from_ns(now + 3600'000 * kMs));
	soon.t.arm(q, cfs::Instant::from_ns(now + 3 * kMs)); // replaces
	EXPECT_TRUE(soon.done.wait(cfs::WaitMode::idle, cfs::Instant::never()));
	EXPECT_GE(soon.at, now + 3 * kMs);
	EXPECT_FALSE(soon.t.cancel_sync());
	EXPECT_TRUE(never.t.cancel_sync());
	EXPECT_FALSE(never.t.cancel_sync());
	EXPECT_EQ(never.at, 0u);
}

TEST(HostWork, CancelWaitsForTheRunningItem)
{
	struct Bed {
		cfs::Completion started{CFS_LOCK_CLASS("started")};
		std::atomic<bool> ended{false};
		void run()
		{
			started.complete();
			cfs_sleep_until(cfs_now_ns() + 5 * kMs);
			ended = true;
		}
		cfs::Work<Bed, &Bed::run> w{this};
	} bed;
	cfs::WorkQueue q;
	ASSERT_TRUE(q.create(nullptr, "cancel"));
	bed.w.queue(q);
	EXPECT_TRUE(bed.started.wait(cfs::WaitMode::idle, cfs::Instant::never()));
	EXPECT_FALSE(bed.w.cancel_sync());
	EXPECT_TRUE(bed.ended);
}

TEST(HostWork, AnItemMayFreeItself)
{
	struct Self {
		cfs_work_t w; // first
		std::atomic<int> *freed;
	};
	std::atomic<int> freed{0};
	cfs::WorkQueue q;
	ASSERT_TRUE(q.create(nullptr, "free"));
	for (int i = 0; i < 200; i++) {
		auto *s = static_cast<Self *>(cfs_alloc(CFS_S_LDLM, sizeof(Self), 0));
		s->freed = &freed;
		cfs_work_init(&s->w, [](cfs_work_t *w) {
			auto *self = reinterpret_cast<Self *>(w);
			self->freed->fetch_add(1);
			cfs_free(CFS_S_LDLM, self, sizeof(Self));
		});
		cfs_work_queue(q.raw(), &s->w);
	}
	q.destroy();
	EXPECT_EQ(freed, 200);
}

// ---- RCU ----

struct RcuBox {
	cfs_rcu head;
	std::uint64_t a;
	std::uint64_t b;
};

TEST(HostRcu, ReadersNeverSeeFreedMemory)
{
	struct Bed {
		std::atomic<RcuBox *> p{nullptr};
		std::atomic<bool> stop{false};
		static RcuBox *make(std::uint64_t v)
		{
			auto *b = static_cast<RcuBox *>(cfs_alloc(CFS_S_LDLM, sizeof(RcuBox), 0));
			b->a = v;
			b->b = ~v;
			return b;
		}
		void read()
		{
			while (!stop) {
				cfs::RcuGuard g;
				RcuBox *b = p.load(std::memory_order_acquire);
				ASSERT_EQ(b->a, ~b->b);
			}
		}
		void write()
		{
			for (std::uint64_t i = 1; i < 2000; i++) {
				RcuBox *old = p.exchange(make(i), std::memory_order_acq_rel);
				if (i % 50 == 0) {
					cfs_rcu_synchronize();
					cfs_free(CFS_S_LDLM, old, sizeof(*old));
				} else {
					cfs_free_rcu(CFS_S_LDLM, old, sizeof(*old), &old->head);
				}
			}
			stop = true;
		}
	} bed;
	bed.p = Bed::make(0);
	{
		cfs::Thread r[2];
		cfs::Thread w;
		for (auto &x : r)
			ASSERT_TRUE(x.start<&Bed::read>(nullptr, "r", &bed));
		ASSERT_TRUE(w.start<&Bed::write>(nullptr, "w", &bed));
	}
	cfs_rcu_barrier();
	cfs_free(CFS_S_LDLM, bed.p.load(), sizeof(RcuBox));
	EXPECT_EQ(usage(CFS_S_LDLM).objects, 0);
}

// ---- parameter files ----

const cfs_pfile_ops text_ops = {[](void *ctx, cfs_psink *s) {
					auto *t = static_cast<std::string *>(ctx);
					cfs_psink_write(s, t->data(), t->size());
					return 0;
				},
				[](void *ctx, const char *text, size_t n) {
					if (text[n] != '\0' || n == 0)
						return -EINVAL;
					static_cast<std::string *>(ctx)->assign(text, n);
					return 0;
				}};

TEST(HostParams, FilesAppearAreReadAndWritten)
{
	std::string value = "12\n";
	cfs_pdir *top = nullptr;
	cfs_pdir *again = nullptr;
	cfs_pdir *osc = nullptr;
	cfs_pfile *f = nullptr;
	ASSERT_EQ(cfs_pdir_root(nullptr, CFS_PTREE_SYSFS, "fs/lustre", &top), 0);
	ASSERT_EQ(cfs_pdir_root(nullptr, CFS_PTREE_SYSFS, "fs/lustre", &again), 0);
	ASSERT_EQ(cfs_pdir_add(top, "osc", &osc), 0);
	EXPECT_EQ(cfs_pdir_add(top, "osc", &osc), -EEXIST);
	ASSERT_EQ(cfs_pfile_add(osc, "max_rpcs", 0644, &text_ops, &value, &f), 0);

	auto files = cfs::host::param_list(nullptr, CFS_PTREE_SYSFS);
	ASSERT_EQ(files.size(), 1u);
	EXPECT_EQ(files[0].path, "fs/lustre/osc/max_rpcs");
	const char *path = "fs/lustre/osc/max_rpcs";
	EXPECT_EQ(cfs::host::param_get(nullptr, CFS_PTREE_SYSFS, path).value(), "12\n");
	EXPECT_TRUE(cfs::host::param_set(nullptr, CFS_PTREE_SYSFS, path, "13\n"));
	EXPECT_EQ(value, "13\n");
	EXPECT_EQ(cfs::host::param_get(nullptr, CFS_PTREE_DEBUGFS, path).error(), cfs::err::NOENT);

	value.assign(5000, 'x');
	EXPECT_EQ(cfs::host::param_get(nullptr, CFS_PTREE_SYSFS, path).error(), cfs::err::TOOBIG);

	cfs_pfile_del(f);
	EXPECT_EQ(cfs::host::param_get(nullptr, CFS_PTREE_SYSFS, path).error(), cfs::err::NOENT);
	cfs_pdir_del(osc);
	cfs_pdir_del(top);
	EXPECT_EQ(cfs::host::param_folders(nullptr, CFS_PTREE_SYSFS).size(), 2u);
	cfs_pdir_del(again);
	EXPECT_TRUE(cfs::host::param_folders(nullptr, CFS_PTREE_SYSFS).empty());
}

TEST(HostParams, NodesHaveTreesOfTheirOwn)
{
	cfs::host::HostNode n("mds1");
	std::string value = "x";
	cfs_pdir *d = nullptr;
	cfs_pfile *f = nullptr;
	ASSERT_EQ(cfs_pdir_root(n.get(), CFS_PTREE_DEBUGFS, "lnet", &d), 0);
	ASSERT_EQ(cfs_pfile_add(d, "peers", 0444, &text_ops, &value, &f), 0);
	EXPECT_TRUE(cfs::host::param_list(nullptr, CFS_PTREE_DEBUGFS).empty());
	EXPECT_EQ(cfs::host::param_list(n.get(), CFS_PTREE_DEBUGFS).size(), 1u);
	EXPECT_EQ(cfs::host::param_set(n.get(), CFS_PTREE_DEBUGFS, "lnet/peers", "y").error(),
		  cfs::err::ACCES);
	cfs_pfile_del(f);
	cfs_pdir_del(d);
}

// ---- nodes, console ----

TEST(HostNodeDeathTest, EndingWithAQueueLeftStopsWithItsName)
{
	EXPECT_DEATH(
		{
			cfs::host::HostNode n("mds1");
			cfs_workq *q = nullptr;
			cfs_workq_create(n.get(), "forgotten", 1, &q);
		},
		"node mds1 ended and left behind.*\n.*forgotten");
}

TEST(HostNode, ThreadsStartedInItBelongToIt)
{
	cfs::host::HostNode n("oss7");
	struct Bed {
		std::string seen;
		void run() { seen = cfs_node_name(cfs_node_current()); }
	} bed;
	cfs::Thread t;
	ASSERT_TRUE(t.start<&Bed::run>(n.get(), "x", &bed));
	t.join();
	EXPECT_EQ(bed.seen, "oss7");
	EXPECT_STREQ(cfs_node_name(cfs_node_current()), "localhost");
	cfs::host::NodeScope scope(n.get());
	EXPECT_STREQ(cfs_node_name(cfs_node_current()), "oss7");
}

TEST(HostConsole, LinesGoWhereTheTestWants)
{
	std::string got;
	cfs::host::set_console([&](cfs_console_level l, std::string_view s) {
		got = std::to_string(l) + ":" + std::string(s);
	});
	cfs_console(CFS_CONSOLE_WARNING, "hello world", 5);
	EXPECT_EQ(got, "4:hello");
	cfs_dump_stack();
	EXPECT_NE(got.find("HostConsole_LinesGoWhereTheTestWants"), std::string::npos) << got;
	cfs::host::set_console({});
}

[[gnu::noinline]] void function_that_fails()
{
	cfs_bug("a.cpp", 7, "f", "x == y");
	asm volatile("");
}

TEST(HostBugDeathTest, PrintsThePlaceAndTheStackOfEveryThread)
{
	GTEST_FLAG_SET(death_test_style, "threadsafe");
	EXPECT_DEATH(
		{
			cfs_thread *t = nullptr;
			cfs_thread_start(
				nullptr, "bystander", -1,
				[](void *) { cfs_sleep_until(CFS_NEVER); }, nullptr, &t);
			function_that_fails();
		},
		"BUG at a.cpp:7 f\\(\\): x == y(.|\n)*function_that_fails(.|\n)*bystander");
}

} // namespace
