// SPDX-License-Identifier: GPL-2.0
//
// The primitives under the simulator's schedules, and planted misuse of them that must be found.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <vector>

#include "libcfs/hash.hpp"
#include "libcfs/lock.hpp"
#include "libcfs/mem.hpp"
#include "libcfs/sim/gtest.hpp"
#include "libcfs/thread.hpp"
#include "libcfs/wait.hpp"

namespace
{

using namespace cfs::sim;

void on_node(World &w, std::function<void()> main)
{
	w.add_node("n").start(std::move(main));
}

/// Runs (bed.*Methods)() on a thread each, and joins them.
template <typename Bed, auto... Methods>
void together(Bed &bed)
{
	cfs::Thread t[sizeof...(Methods)];
	std::size_t i = 0;
	(void)(t[i++].template start<Methods>(cfs_node_current(), "t", &bed) && ...);
}

// ---- exclusion ----

TEST(SimLocks, ExcludeEachOther)
{
	struct Bed {
		cfs::SpinLock spin{CFS_LOCK_CLASS("spin")};
		cfs::Mutex mutex{CFS_LOCK_CLASS("mutex")};
		cfs::RwSem sem{CFS_LOCK_CLASS("sem")};
		int in_spin = 0;
		int in_mutex = 0;
		int readers = 0;
		int writers = 0;
		int most_readers = 0;
		void run()
		{
			for (int i = 0; i < 10; i++) {
				{
					cfs::SpinGuard g(spin);
					EXPECT_EQ(in_spin++, 0);
					point();
					in_spin--;
				}
				{
					cfs::MutexGuard g(mutex);
					EXPECT_EQ(in_mutex++, 0);
					sleep_for(10);
					in_mutex--;
				}
				{
					cfs::ReadGuard g(sem);
					EXPECT_EQ(writers, 0);
					most_readers = std::max(most_readers, ++readers);
					sleep_for(10);
					readers--;
				}
				write();
			}
		}
		// The analysis can not follow a downgrade.
		void write() CFS_NO_TSA
		{
			sem.lock();
			EXPECT_EQ(readers, 0);
			EXPECT_EQ(writers++, 0);
			sleep_for(10);
			writers--;
			readers++;
			sem.downgrade();
			EXPECT_EQ(writers, 0);
			point();
			readers--;
			sem.unlock_shared();
		}
	};
	int most_readers = 0;
	run_seeds(300, [&most_readers](World &w) {
		on_node(w, [&most_readers] {
			Bed bed;
			together<Bed, &Bed::run, &Bed::run, &Bed::run>(bed);
			most_readers = std::max(most_readers, bed.most_readers);
		});
	});
	EXPECT_GT(most_readers, 1) << "no schedule had two readers at once";
}

// ---- missing exclusion ----

TEST(PlantedBug, AnUpdateOutsideTheLockIsFound)
{
	struct Bed {
		cfs::SpinLock lock{CFS_LOCK_CLASS("lock")};
		int value = 0;
		void run()
		{
			int v = 0;
			{
				cfs::SpinGuard g(lock);
				v = value;
			}
			cfs::SpinGuard g(lock);
			value = v + 1;
		}
	};
	expect_found(
		1000, Failure::check,
		[](World &w) {
			on_node(w, [] {
				Bed bed;
				together<Bed, &Bed::run, &Bed::run>(bed);
				this_world().check(bed.value == 2, "an update was lost");
			});
		},
		{}, 1);
}

// ---- waiting ----

TEST(SimWait, ExclusiveWakeUpsAreNotLost)
{
	struct Bed {
		cfs::SpinLock lock{CFS_LOCK_CLASS("tokens")};
		cfs::WaitQueue q{CFS_LOCK_CLASS("tokens")};
		int tokens = 0;
		void consume()
		{
			for (int i = 0; i < 5; i++) {
				cfs::SpinGuard g(lock);
				EXPECT_TRUE(q.wait(
					lock, cfs::WaitMode::idle, cfs::Instant::never(),
					[this] { return tokens > 0; }, true));
				tokens--;
			}
		}
		/// Gives up now and then, and must pass on a wake-up it swallowed.
		void consume_impatiently()
		{
			for (int got = 0; got < 5;) {
				cfs::SpinGuard g(lock);
				auto r = q.wait(
					lock, cfs::WaitMode::idle,
					cfs::after(cfs::Duration::micros(1)),
					[this] { return tokens > 0; }, true);
				if (!r)
					continue;
				tokens--;
				got++;
			}
		}
		void produce()
		{
			for (int i = 0; i < 10; i++) {
				{
					cfs::SpinGuard g(lock);
					tokens++;
				}
				q.wake_one();
			}
		}
	};
	run_seeds(1000, [](World &w) {
		on_node(w, [] {
			Bed bed;
			together<Bed, &Bed::consume, &Bed::consume, &Bed::consume_impatiently,
				 &Bed::consume, &Bed::produce, &Bed::produce>(bed);
			EXPECT_EQ(bed.tokens, 0);
		});
	});
}

TEST(SimWait, ADeadlineIsNeverEarly)
{
	run_seeds(200, [](World &w) {
		on_node(w, [] {
			cfs::WaitQueue q(CFS_LOCK_CLASS("q"));
			auto deadline = cfs::after(cfs::Duration::millis(7));
			auto r = q.wait(cfs::WaitMode::idle, deadline, [] { return false; });
			EXPECT_EQ(cfs::to_rc(r), -ETIMEDOUT);
			EXPECT_GE(cfs::Instant::now(), deadline);
		});
	});
}

TEST(SimWait, ACompletionMayGoAsSoonAsItWasWaitedFor)
{
	struct Bed {
		cfs::Completion *c = nullptr;
		void complete() { c->complete(); }
	};
	run_seeds(500, [](World &w) {
		on_node(w, [] {
			Bed bed;
			auto *mem = cfs_alloc(CFS_S_LDLM, sizeof(cfs::Completion), 0);
			bed.c = new (mem) cfs::Completion(CFS_LOCK_CLASS("c"));
			cfs::Thread t;
			EXPECT_TRUE(t.start<&Bed::complete>(cfs_node_current(), "t", &bed));
			EXPECT_TRUE(bed.c->wait(cfs::WaitMode::idle, cfs::Instant::never()));
			bed.c->~Completion();
			cfs_free(CFS_S_LDLM, mem, sizeof(cfs::Completion));
		});
	});
}

// ---- RCU ----

struct RcuBox {
	static constexpr cfs_subsys kSubsys = CFS_S_LDLM;
	cfs_rcu head;
	int value;
	static RcuBox *make(int v)
	{
		auto *b = static_cast<RcuBox *>(cfs_alloc(kSubsys, sizeof(RcuBox), 0));
		b->value = v;
		return b;
	}
};

struct RcuBed {
	std::atomic<RcuBox *> p{RcuBox::make(0)};
	bool guard = true;
	bool done = false;
	void read()
	{
		while (!done) {
			if (guard)
				cfs_rcu_read_lock();
			RcuBox *b = p.load(std::memory_order_acquire);
			point();
			int v = b->value;
			if (guard)
				cfs_rcu_read_unlock();
			this_world().check(v >= 0 && v < 100, "freed memory was read");
			sleep_for(1000);
		}
	}
	void write()
	{
		for (int i = 1; i < 20; i++) {
			RcuBox *old = p.exchange(RcuBox::make(i));
			if (i % 3 == 0) {
				cfs_rcu_synchronize();
				cfs_free(CFS_S_LDLM, old, sizeof(RcuBox));
			} else {
				cfs_free_rcu(CFS_S_LDLM, old, sizeof(RcuBox), &old->head);
			}
			sleep_for(1000);
		}
		done = true;
	}
	~RcuBed()
	{
		cfs_rcu_barrier();
		cfs_free(CFS_S_LDLM, p.load(), sizeof(RcuBox));
		struct cfs_mem_usage u = {};
		cfs_mem_usage(CFS_S_LDLM, &u);
		EXPECT_EQ(u.objects, 0);
	}
};

TEST(SimRcu, ReadersNeverSeeFreedMemory)
{
	run_seeds(500, [](World &w) {
		on_node(w, [] {
			RcuBed bed;
			together<RcuBed, &RcuBed::read, &RcuBed::read, &RcuBed::write>(bed);
		});
	});
}

#ifndef __SANITIZE_ADDRESS__ // it would stop the process, rightly
TEST(PlantedBug, AReaderWithoutASectionIsFound)
{
	expect_found(
		1000, Failure::check,
		[](World &w) {
			on_node(w, [] {
				RcuBed bed;
				bed.guard = false;
				together<RcuBed, &RcuBed::read, &RcuBed::write>(bed);
			});
		},
		{}, 1);
}
#endif

// ---- hash tables ----

struct Hashed : cfs::RcuRefCounted<Hashed> {
	static constexpr cfs_subsys kSubsys = CFS_S_LIBCFS;
	explicit Hashed(std::uint32_t k) noexcept : key(k) {}
	cfs::HashHook in_table;
	std::uint32_t key;
};
struct HashedTraits {
	using Key = std::uint32_t;
	static const Key &key(const Hashed &h) noexcept { return h.key; }
	static std::uint32_t hash(const Key &k) noexcept { return k; }
};

TEST(SimHash, ItsSizeIsNeverMoreOrLessThanWhatIsIn)
{
	struct Bed {
		cfs::HashTable<Hashed, &Hashed::in_table, HashedTraits> table{
			CFS_LOCK_CLASS("hash")};
		bool ended = false;
		void put_in()
		{
			for (std::uint32_t i = 0; i < 20; i++)
				EXPECT_TRUE(table.insert(*cfs::try_make_ref<Hashed>(i)));
			ended = true;
		}
		void take_out()
		{
			for (std::uint32_t i = 0; i < 20;) {
				if (auto h = table.find(i); h && table.erase(*h))
					i++;
				else
					sleep_for(100);
				EXPECT_LE(table.size(), 20u - i);
			}
		}
		void look()
		{
			while (!ended) {
				EXPECT_LE(table.size(), 20u);
				sleep_for(100);
			}
		}
	};
	run_seeds(200, [](World &w) {
		on_node(w, [] {
			Bed bed;
			EXPECT_TRUE(bed.table.open(CFS_S_LIBCFS, nullptr));
			together<Bed, &Bed::put_in, &Bed::take_out, &Bed::look>(bed);
			EXPECT_EQ(bed.table.size(), 0u);
			bed.table.close();
			cfs_rcu_barrier();
		});
	});
}

// ---- work ----

TEST(SimWork, RunsEverythingOnceAndCancelsCleanly)
{
	struct Bed {
		std::array<int, 8> runs{};
		struct Item {
			cfs_work_t w; // first
			Bed *bed;
			std::size_t n;
		};
		std::array<Item, 8> items{};
		cfs_workq *q = nullptr;
		int queued = 0;
		int cancelled = 0;
		void feed()
		{
			for (std::size_t round = 0; round < 3; round++)
				for (auto &i : items)
					queued += cfs_work_queue(q, &i.w);
		}
		void cancel()
		{
			for (std::size_t i = 0; i < 8; i += 3)
				cancelled += cfs_work_cancel_sync(&items[i].w);
		}
	};
	run_seeds(500, [](World &w) {
		unsigned limit = static_cast<unsigned>(w.rng().below(4));
		on_node(w, [limit] {
			Bed bed;
			EXPECT_EQ(cfs_workq_create(cfs_node_current(), "w", limit, &bed.q), 0);
			for (std::size_t i = 0; i < 8; i++) {
				bed.items[i].bed = &bed;
				bed.items[i].n = i;
				cfs_work_init(&bed.items[i].w, [](cfs_work_t *work) {
					auto *item = reinterpret_cast<Bed::Item *>(work);
					item->bed->runs[item->n]++;
					cfs_yield();
				});
			}
			together<Bed, &Bed::feed, &Bed::feed, &Bed::cancel>(bed);
			cfs_workq_flush(bed.q);
			int total = 0;
			for (int r : bed.runs)
				total += r;
			EXPECT_EQ(total, bed.queued - bed.cancelled);
			cfs_workq_destroy(bed.q);
		});
	});
}

TEST(SimWork, TimersFireInOrderOfTheirDeadlines)
{
	struct Bed {
		struct T {
			cfs_dwork_t w; // first
			std::vector<int> *fired;
			int n;
		};
		std::vector<int> fired;
		std::array<T, 5> timers{};
	};
	run_seeds(300, [](World &w) {
		on_node(w, [] {
			Bed bed;
			cfs_workq *q = nullptr;
			EXPECT_EQ(cfs_workq_create(cfs_node_current(), "t", 1, &q), 0);
			auto now = cfs_now_ns();
			for (int i = 4; i >= 0; i--) {
				auto &t = bed.timers[static_cast<std::size_t>(i)];
				t.fired = &bed.fired;
				t.n = i;
				cfs_dwork_init(&t.w, [](cfs_dwork_t *work) {
					auto *self = reinterpret_cast<Bed::T *>(work);
					self->fired->push_back(self->n);
				});
				cfs_dwork_arm(q, &t.w,
					      now + static_cast<std::uint64_t>(i + 1) * kSecond);
			}
			EXPECT_TRUE(cfs_dwork_cancel_sync(&bed.timers[2].w));
			sleep_for(10 * kSecond);
			cfs_workq_destroy(q);
			EXPECT_EQ(bed.fired, (std::vector<int>{0, 1, 3, 4}));
		});
	});
}

} // namespace
