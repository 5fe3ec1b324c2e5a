// SPDX-License-Identifier: GPL-2.0
//
// Worlds: virtual time, determinism, nodes that crash, restart and end, and what a run complains
// about.
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "libcfs/host/alloc_fault.hpp"
#include "libcfs/host/params.hpp"
#include "libcfs/host/signals.hpp"
#include "libcfs/lock.hpp"
#include "libcfs/mem.hpp"
#include "libcfs/plat/log.h"
#include "libcfs/plat/page.h"
#include "libcfs/sim/gtest.hpp"
#include "libcfs/thread.hpp"
#include "libcfs/wait.hpp"

namespace
{

using namespace cfs::sim;

/// The outcome of one node that runs `main` and ends.
Outcome run_one(std::uint64_t seed, std::function<void()> main, const Options &options = {})
{
	World w(seed, options);
	w.add_node("n").start(std::move(main));
	return w.run();
}

// ---- time ----

TEST(World, AnEmptyOneEndsAtOnce)
{
	World w(1);
	EXPECT_TRUE(w.run().ok());
}

TEST(World, SleepingTakesVirtualTimeOnly)
{
	Outcome o = run_one(1, [] {
		auto before = this_world().now();
		auto clock = cfs_now_ns();
		sleep_for(3600 * kSecond);
		EXPECT_GE(this_world().now(), before + 3600 * kSecond);
		EXPECT_LT(this_world().now(), before + 3600 * kSecond + kMillisecond);
		EXPECT_GE(cfs_now_ns() - clock, 3600 * kSecond);
	});
	EXPECT_TRUE(o.ok()) << o.report;
}

TEST(World, ClocksOfNodesRunAtTheirOwnRates)
{
	World w(1);
	NodeOptions fast;
	fast.clock_ppm = 100'000;
	NodeOptions skewed;
	skewed.wall_clock_skew = -static_cast<std::int64_t>(kSecond);
	Node &a = w.add_node("fast", fast);
	Node &b = w.add_node("skewed", skewed);
	auto real = std::make_shared<std::uint64_t>(0);
	a.start([real] {
		*real = cfs_real_ns();
		auto t = cfs_now_ns();
		auto world = this_world().now();
		sleep_for(10 * kSecond);
		EXPECT_NEAR(static_cast<double>(cfs_now_ns() - t), 11e9, 1e6);
		// A deadline of its clock comes early for the world, never early for itself.
		auto deadline = cfs_now_ns() + 11 * kSecond;
		world = this_world().now();
		cfs_sleep_until(deadline);
		EXPECT_GE(cfs_now_ns(), deadline);
		EXPECT_NEAR(static_cast<double>(this_world().now() - world), 10e9, 1e6);
	});
	b.start([real] {
		sleep_for(kMillisecond);
		EXPECT_LT(cfs_real_ns(), *real);
	});
	EXPECT_TRUE(w.run().ok()) << w.outcome().report;
}

TEST(World, PollingUntilADeadlineEnds)
{
	run_seeds(20, [](World &w) {
		w.add_node("n").start([] {
			auto deadline = cfs_now_ns() + kMillisecond;
			while (cfs_now_ns() < deadline)
				cfs_yield();
		});
	});
}

// ---- determinism ----

/// Something with threads, locks, waits, work and timers.
void busy_node()
{
	struct Bed {
		cfs::Mutex m{CFS_LOCK_CLASS("bed")};
		cfs::WaitQueue q{CFS_LOCK_CLASS("bed")};
		int turns = 0;
		void run()
		{
			for (int i = 0; i < 20; i++) {
				cfs::MutexGuard g(m);
				turns++;
				q.wake_all();
			}
		}
		void fire() {}
		cfs::Timer<Bed, &Bed::fire> timer{this};
	} bed;
	cfs::WorkQueue work;
	EXPECT_TRUE(work.create(cfs_node_current(), "w"));
	bed.timer.arm(work, cfs::after(cfs::Duration::millis(1)));
	cfs::Thread t[3];
	for (auto &x : t)
		EXPECT_TRUE(x.start<&Bed::run>(cfs_node_current(), "t", &bed));
	EXPECT_TRUE(bed.q.wait(cfs::WaitMode::idle, cfs::Instant::never(), [&] {
		cfs::MutexGuard g(bed.m);
		return bed.turns == 60;
	}));
	for (auto &x : t)
		x.join();
	bed.timer.cancel_sync();
}

TEST(Determinism, EqualSeedsGiveEqualRunsAndOthersOtherRuns)
{
	std::set<std::uint64_t> hashes;
	for (std::uint64_t seed = 1; seed <= 50; seed++) {
		Outcome a = run_one(seed, busy_node);
		// Memory elsewhere, so that addresses differ.
		auto ballast = std::make_unique<char[]>(seed * 1000);
		Outcome b = run_one(seed, busy_node);
		ASSERT_TRUE(a.ok()) << a.report;
		EXPECT_EQ(a.trace_hash, b.trace_hash);
		EXPECT_EQ(a.steps, b.steps);
		EXPECT_EQ(a.time, b.time);
		hashes.insert(a.trace_hash);
	}
	EXPECT_EQ(hashes.size(), 50u);
}

TEST(Determinism, RandomBytesComeFromTheSeed)
{
	auto draw = [](std::uint64_t seed) {
		auto bytes = std::make_shared<std::string>(16, '\0');
		run_one(seed, [bytes] { cfs_random_bytes(bytes->data(), 16); });
		return *bytes;
	};
	EXPECT_EQ(draw(1), draw(1));
	EXPECT_NE(draw(1), draw(2));
}

TEST(Determinism, FreshMemoryAlwaysLooksTheSame)
{
	Outcome o = run_one(1, [] {
		for (int i = 0; i < 3; i++) {
			auto *p = static_cast<unsigned char *>(cfs_alloc(CFS_S_LDLM, 100, 0));
			for (int j = 0; j < 100; j++)
				EXPECT_EQ(p[j], 0xa5);
			cfs_free(CFS_S_LDLM, p, 100);
		}
	});
	EXPECT_TRUE(o.ok()) << o.report;
}

// ---- crash and restart ----

struct Unwound {
	bool *flag;
	~Unwound() { *flag = true; }
};

TEST(Crash, FibersVanishWithoutUnwindingAndMemoryGoes)
{
	run_seeds(50, [](World &w) {
		Node &n = w.add_node("n");
		auto unwound = std::make_shared<bool>(false);
		auto boots = std::make_shared<int>(0);
		n.start([unwound, boots] {
			if (++*boots == 2)
				return; // clean: nothing of the first life is left
			Unwound u{unwound.get()};
			cfs_alloc(CFS_S_LDLM, 1000, 0);
			cfs_page_alloc(CFS_S_OST, 0);
			cfs_workq *q = nullptr;
			EXPECT_EQ(cfs_workq_create(cfs_node_current(), "q", 0, &q), 0);
			cfs_pdir *d = nullptr;
			EXPECT_EQ(cfs_pdir_root(nullptr, CFS_PTREE_SYSFS, "fs/lustre", &d), 0);
			cfs_machine_set(reinterpret_cast<cfs_machine *>(&u));
			cfs_rcu_read_lock();
			cfs_rcu_read_unlock();
			wait_stop();
			ADD_FAILURE() << "it came back";
		});
		w.spawn("script", [&n, unwound, boots] {
			sleep_for(kSecond);
			n.crash();
			EXPECT_FALSE(n.up());
			EXPECT_TRUE(cfs::host::param_list(n.handle(), CFS_PTREE_SYSFS).empty());
			n.restart();
			EXPECT_EQ(n.incarnation(), 2u);
			n.wait_down();
			EXPECT_EQ(*boots, 2);
			EXPECT_FALSE(*unwound);
		});
	});
}

TEST(Crash, ANodeMayKillItself)
{
	run_seeds(20, [](World &w) {
		Node &n = w.add_node("n");
		n.start([&n] {
			cfs::Mutex m(CFS_LOCK_CLASS("m"));
			cfs::MutexGuard g(m);
			n.spawn("other", [] { sleep_for(CFS_NEVER / 2); });
			sleep_for(kMillisecond);
			n.crash();
			ADD_FAILURE() << "it came back";
		});
		w.spawn("script", [&n] {
			n.wait_down();
			EXPECT_FALSE(n.up());
		});
	});
}

TEST(Crash, AtAnyMomentLeavesTheWorldSound)
{
	run_seeds(300, [](World &w) {
		Node &n = w.add_node("n");
		n.start(busy_node);
		w.spawn("script", [&w, &n] {
			for (int i = 0; i < 5; i++) {
				sleep_for(w.rng().below(200 * kMicrosecond));
				n.crash();
				n.restart();
			}
		});
	});
}

TEST(Crash, EachBootHasAClockOfItsOwn)
{
	run_seeds(5, [](World &w) {
		Node &n = w.add_node("n");
		auto clocks = std::make_shared<std::vector<std::uint64_t>>();
		n.start([clocks] {
			clocks->push_back(cfs_now_ns());
			wait_stop();
		});
		w.spawn("script", [&n, clocks] {
			sleep_for(1);
			n.crash();
			n.restart();
			sleep_for(1);
			n.stop();
			n.wait_down();
			EXPECT_EQ(clocks->size(), 2u);
			EXPECT_NE(clocks->at(0), clocks->at(1));
		});
	});
}

// ---- nodes are machines ----

TEST(Node, HasMemoryMachineAndParametersOfItsOwn)
{
	World w(1);
	auto body = [] {
		EXPECT_EQ(cfs_machine_get(), nullptr);
		int x = 0;
		cfs_machine_set(reinterpret_cast<cfs_machine *>(&x));
		void *p = cfs_alloc(CFS_S_LDLM, 500, 0);
		struct cfs_mem_usage u = {};
		cfs_mem_usage(CFS_S_LDLM, &u);
		EXPECT_EQ(u.bytes, 500);
		sleep_for(kSecond);
		EXPECT_EQ(cfs_machine_get(), reinterpret_cast<cfs_machine *>(&x));
		cfs_mem_usage(CFS_S_LDLM, &u);
		EXPECT_EQ(u.bytes, 500);
		cfs_free(CFS_S_LDLM, p, 500);
	};
	w.add_node("a").start(body);
	w.add_node("b").start(body);
	EXPECT_TRUE(w.run().ok()) << w.outcome().report;
}

TEST(Node, PartitionsAndCpusAreAsConfigured)
{
	World w(1);
	NodeOptions o;
	o.cpus = 8;
	o.cpts = 4;
	w.add_node("a", o).start([] {
		EXPECT_EQ(cfs_cpu_count(), 8u);
		EXPECT_EQ(cfs_cpt_count(), 4u);
		std::set<unsigned> seen;
		for (int i = 0; i < 200; i++) {
			EXPECT_LT(cfs_cpu_current(), 8u);
			seen.insert(cfs_cpt_current());
		}
		EXPECT_GT(seen.size(), 1u);
		struct Bound {
			void run()
			{
				for (int i = 0; i < 100; i++)
					EXPECT_EQ(cfs_cpt_current(), 3u);
			}
		} bound;
		cfs::Thread t;
		EXPECT_TRUE(t.start<&Bound::run>(cfs_node_current(), "t", &bound, 3));
	});
	EXPECT_TRUE(w.run().ok()) << w.outcome().report;
}

TEST(Node, ManyFibersFit)
{
	Options o;
	o.stack_bytes = 64 * 1024;
	World w(1, o);
	auto ended = std::make_shared<int>(0);
	for (int i = 0; i < 5000; i++)
		w.spawn("f", [ended] {
			sleep_for(kSecond);
			++*ended;
		});
	EXPECT_TRUE(w.run().ok());
	EXPECT_EQ(*ended, 5000);
}

// ---- complaints ----

void expect_failure(const Outcome &o, Failure kind, std::string_view text)
{
	EXPECT_EQ(failure_name(o.failure), failure_name(kind)) << o.report;
	EXPECT_NE(o.report.find(text), std::string::npos) << "no \"" << text << "\" in:\n"
							  << o.report;
}

[[gnu::noinline]] void forget_memory()
{
	void *p = cfs_alloc(CFS_S_LDLM, 321, 0);
	asm volatile("" : "+r"(p));
}

TEST(Complaint, MemoryLeftByANode)
{
	Outcome o = run_one(1, [] { forget_memory(); });
	expect_failure(o, Failure::leftover, "321 bytes of ldlm from forget_memory");
}

TEST(Complaint, ThreadsLeftByANode)
{
	Outcome o = run_one(1, [] {
		cfs_thread *t = nullptr;
		EXPECT_EQ(cfs_thread_start(
				  cfs_node_current(), "stray", -1, [](void *) { wait_stop(); },
				  nullptr, &t),
			  0);
	});
	expect_failure(o, Failure::leftover, "fiber n/stray");
	expect_failure(o, Failure::leftover, "thread stray, not joined");
}

TEST(Complaint, QueuesAndFoldersLeftByANode)
{
	Outcome o = run_one(1, [] {
		cfs_workq *q = nullptr;
		EXPECT_EQ(cfs_workq_create(cfs_node_current(), "forgotten", 1, &q), 0);
		cfs_pdir *d = nullptr;
		EXPECT_EQ(cfs_pdir_root(nullptr, CFS_PTREE_DEBUGFS, "lustre", &d), 0);
	});
	expect_failure(o, Failure::leftover, "work queue forgotten");
	expect_failure(o, Failure::leftover, "parameter folder lustre");
}

TEST(Complaint, SleepingUnderASpinlock)
{
	Outcome o = run_one(1, [] {
		cfs::SpinLock l(CFS_LOCK_CLASS("hot lock"));
		cfs::SpinGuard g(l);
		cfs_alloc(CFS_S_LDLM, 8, 0);
	});
	expect_failure(o, Failure::atomic_sleep, "cfs_alloc() may sleep");
	expect_failure(o, Failure::atomic_sleep, "hot lock");
}

TEST(Complaint, SleepingInAnRcuSection)
{
	Outcome o = run_one(1, [] {
		cfs::RcuGuard g;
		sleep_for(0);
		cfs_sleep_until(0);
	});
	expect_failure(o, Failure::atomic_sleep, "RCU section");
}

TEST(Complaint, BusyWithoutEnd)
{
	Options options;
	options.busy_steps_max = 100'000;
	for (std::uint64_t seed = 1; seed <= 10; seed++) {
		Outcome o = run_one(
			seed,
			[] {
				cfs::SpinLock l(CFS_LOCK_CLASS("l"));
				for (;;)
					cfs::SpinGuard g(l);
			},
			options);
		expect_failure(o, Failure::livelock, "busy without end");
	}
}

TEST(Complaint, AWaitWithoutEndWhileOthersGoOn)
{
	World w(1);
	w.add_node("n").start([] {
		cfs::WaitQueue q(CFS_LOCK_CLASS("never woken"));
		(void)q.wait(cfs::WaitMode::killable, cfs::Instant::never(), [] { return false; });
	});
	w.spawn("ticker", [] {
		for (;;)
			sleep_for(kSecond);
	});
	expect_failure(w.run(), Failure::hung, "never woken");
}

TEST(Complaint, ADeadlockAmongOthersThatGoOn)
{
	Options options;
	options.lock_order = false;
	SeedResult r = run_until_failure(1000, options, [](World &w) {
		w.add_node("n").start([] {
			struct Bed {
				cfs::Mutex a{CFS_LOCK_CLASS("a")};
				cfs::RwSem b{CFS_LOCK_CLASS("b")};
				void one()
				{
					cfs::MutexGuard g(a);
					cfs::ReadGuard h(b);
				}
				void two()
				{
					cfs::WriteGuard h(b);
					cfs::MutexGuard g(a);
				}
			} bed;
			cfs::Thread s;
			cfs::Thread t;
			EXPECT_TRUE(s.start<&Bed::one>(cfs_node_current(), "one", &bed));
			EXPECT_TRUE(t.start<&Bed::two>(cfs_node_current(), "two", &bed));
		});
		w.spawn("ticker", [] {
			for (int i = 0; i < 100'000; i++)
				sleep_for(kSecond);
		});
	});
	ASSERT_TRUE(r.failure);
	expect_failure(*r.failure, Failure::deadlock, "locks in a cycle");
}

TEST(Complaint, ALockTakenTwiceOrGivenBackByOthers)
{
	Outcome o = run_one(1, []() CFS_NO_TSA {
		cfs::Mutex l(CFS_LOCK_CLASS("the lock"));
		cfs::MutexGuard g(l);
		l.lock();
	});
	expect_failure(o, Failure::bug, "\"the lock\" taken again");
	o = run_one(1, []() CFS_NO_TSA {
		cfs::Mutex l(CFS_LOCK_CLASS("the lock"));
		l.unlock();
	});
	expect_failure(o, Failure::bug, "\"the lock\" given back by a thread that does not hold");
}

TEST(Complaint, TwoLocksOfAClassNeedANest)
{
	auto body = [](unsigned nest) {
		return [nest] {
			auto *c = CFS_LOCK_CLASS("bucket");
			cfs::Mutex a(c);
			cfs::Mutex b(c);
			cfs::MutexGuard g(a);
			cfs::MutexGuard h(b, nest);
		};
	};
	expect_failure(run_one(1, body(0)), Failure::lock_order, "without a nest");
	EXPECT_TRUE(run_one(1, body(1)).ok());
}

TEST(Complaint, MemoryFreedWithAHeldLockInIt)
{
	struct Obj {
		cfs_mutex_t m;
	};
	Outcome o = run_one(1, [] {
		auto *p = static_cast<Obj *>(cfs_alloc(CFS_S_LDLM, sizeof(Obj), 0));
		cfs_mutex_init(&p->m, CFS_LOCK_CLASS("inside"));
		cfs_mutex_lock(&p->m, 0);
		cfs_free(CFS_S_LDLM, p, sizeof(Obj));
	});
	expect_failure(o, Failure::bug, "freed with lock \"inside\" in it");
}

TEST(Complaint, MemoryOfAnotherNode)
{
	World w(1);
	auto p = std::make_shared<void *>(nullptr);
	w.add_node("owner").start([p] {
		*p = cfs_alloc(CFS_S_LDLM, 10, 0);
		wait_stop();
	});
	w.add_node("thief").start([p] {
		sleep_for(kSecond);
		cfs_free(CFS_S_LDLM, *p, 10);
	});
	expect_failure(w.run(), Failure::bug, "memory of node owner freed by node thief");
}

TEST(Complaint, AnAssertionNamesPlaceAndFiber)
{
	Outcome o = run_one(7, [] { CFS_ASSERT(1 + 1 == 3); });
	expect_failure(o, Failure::bug, "1 + 1 == 3");
	expect_failure(o, Failure::bug, "n/main");
	expect_failure(o, Failure::bug, "seed 7");
}

TEST(Complaint, ConsoleLinesAreInTheReport)
{
	Outcome o = run_one(1, [] {
		cfs_console(CFS_CONSOLE_ERROR, "something smells", 16);
		this_world().fail("told so");
	});
	expect_failure(o, Failure::check, "told so");
	expect_failure(o, Failure::check, "something smells");
}

TEST(ComplaintDeathTest, AnOverflowingStackSaysSoAndNamesTheSeed)
{
#ifdef __SANITIZE_ADDRESS__
	const char *text = "stack-overflow";
#else
	const char *text = "a fiber's stack overflowed(.|\n)*of seed 5";
#endif
	EXPECT_DEATH(run_one(5,
			     [] {
				     struct Deep {
					     static int down(int n)
					     {
						     volatile char frame[4096];
						     frame[0] = static_cast<char>(n);
						     return n ? down(n - 1) + frame[0] : 0;
					     }
				     };
				     Deep::down(100'000);
			     }),
		     text);
}

// ---- injected failures, signals ----

TEST(AllocFault, EachSiteOfAWorldFailsInTurn)
{
	auto report = cfs::host::fail_each_site([]() -> cfs::Result<> {
		auto result = std::make_shared<cfs::Result<>>();
		World w(3);
		w.add_node("n").start([result] {
			auto all = []() -> cfs::Result<> {
				cfs::WorkQueue q;
				TRY(q.create(cfs_node_current(), "q"));
				void *p = cfs_alloc(CFS_S_LDLM, 10, 0);
				if (!p)
					return cfs::fail(cfs::err::NOMEM);
				cfs_free(CFS_S_LDLM, p, 10);
				return {};
			};
			*result = all();
		});
		Outcome o = w.run();
		EXPECT_TRUE(o.ok()) << o.report;
		return *result;
	});
	EXPECT_TRUE(report.all_good()) << report.complaints();
	EXPECT_EQ(report.runs.size(), 3u);
}

TEST(Signals, EndWaitsAsTheirModesSay)
{
	run_seeds(200, [](World &w) {
		w.add_node("n").start([] {
			struct Waiter {
				cfs::WaitQueue q{CFS_LOCK_CLASS("q")};
				cfs::Mutex m{CFS_LOCK_CLASS("m")};
				int rc = 1;
				bool interruptible = false;
				void wait()
				{
					rc = cfs::to_rc(q.wait(
						interruptible ? cfs::WaitMode::interruptible
							      : cfs::WaitMode::killable,
						cfs::Instant::never(), [] { return false; }));
				}
				void lock() { rc = cfs::to_rc(m.lock_killable()); }
			} bed;
			auto *node = cfs_node_current();
			cfs_thread *t = nullptr;
			bed.interruptible = true;
			auto wait = [](void *b) { static_cast<Waiter *>(b)->wait(); };
			EXPECT_EQ(cfs_thread_start(node, "t", -1, wait, &bed, &t), 0);
			cfs::host::interrupt(t);
			cfs_thread_join(t);
			EXPECT_EQ(bed.rc, -EINTR);

			bed.m.lock();
			auto lock = [](void *b) { static_cast<Waiter *>(b)->lock(); };
			EXPECT_EQ(cfs_thread_start(node, "t", -1, lock, &bed, &t), 0);
			cfs::host::interrupt(t); // not enough
			cfs::host::kill(t);
			cfs_thread_join(t);
			bed.m.unlock();
			EXPECT_EQ(bed.rc, -EINTR);
		});
	});
}

// ---- fault plans ----

TEST(FaultPlan, EndsWithEveryNodeUpAndTheNetworkWhole)
{
	run_seeds(50, [](World &w) {
		auto boots = std::make_shared<int>(0);
		for (const char *name : {"a", "b", "c"})
			w.add_node(name).start([boots] {
				++*boots;
				wait_stop();
			});
		FaultPlan plan;
		plan.until = 600 * kSecond;
		plan.crash_every = 20 * kSecond;
		plan.partition_every = 30 * kSecond;
		plan.reset_every = 10 * kSecond;
		plan.clock_every = 50 * kSecond;
		plan.down_together_max = 2;
		w.inject(plan);
		w.spawn("script", [&w, boots] {
			sleep_for(700 * kSecond);
			EXPECT_GT(*boots, 3);
			for (Node *n : w.nodes()) {
				EXPECT_TRUE(n->up());
				n->stop();
			}
		});
	});
}

} // namespace
