// SPDX-License-Identifier: GPL-2.0
//
// Threads, partitions, work queues, timers, clocks and randomness.
#include "libcfs/mem.hpp"
#include "libcfs/selftest/selftest.hpp"
#include "libcfs/wait.hpp"

namespace cfs::selftest
{

namespace
{

Result<> threads_have_identities(Run &run) noexcept
{
	const void *selves[3] = {};
	std::uint32_t pids[3] = {};
	cfs_node *nodes[3] = {};
	TRY(in_threads(run, 3, [&](unsigned i) -> Result<> {
		selves[i] = cfs_thread_self();
		pids[i] = cfs_thread_pid();
		nodes[i] = cfs_node_current();
		return {};
	}));
	for (unsigned i = 0; i < 3; i++) {
		CHECK(selves[i] && selves[i] != cfs_thread_self());
		CHECK(pids[i] != 0 && pids[i] != cfs_thread_pid());
		CHECK(nodes[i] == run.node());
	}
	return {};
}

Result<> names_are_cut(Run &run) noexcept
{
	struct Named {
		char comm[16] = {};
		void body() noexcept { cfs_thread_comm(comm); }
	} named;
	Thread t;
	TRY(t.start<&Named::body>(run.node(), "a_name_that_is_long", &named));
	t.join();
	CHECK(std::string_view(named.comm) == "a_name_that_is_");
	return {};
}

Result<> join_waits_for_the_end(Run &run) noexcept
{
	struct Slow {
		std::atomic<bool> ended{false};
		void body() noexcept
		{
			cfs_sleep_until(after(Duration::millis(5)).ns());
			ended.store(true);
		}
	} slow;
	Thread t;
	TRY(t.start<&Slow::body>(run.node(), "slow", &slow));
	t.join();
	CHECK(slow.ended.load());
	return {};
}

Result<> partitions_are_sound(Run &run) noexcept
{
	unsigned weight = 0;
	CHECK(cfs_cpt_count() >= 1 && cfs_cpt_count() <= 64);
	CHECK(cfs_cpt_current() < cfs_cpt_count());
	CHECK(cfs_cpu_count() >= 1);
	CHECK(cfs_cpu_current() < cfs_cpu_count());
	for (unsigned i = 0; i < cfs_cpt_count(); i++) {
		CHECK(cfs_cpt_weight(i) > 0);
		weight += cfs_cpt_weight(i);
	}
	CHECK(weight >= 1 && weight <= cfs_cpu_count());
	CHECK(cfs_cpt_weight(cfs_cpt_count()) == 0);
	struct Nothing {
		void body() noexcept {}
	} nothing;
	Thread t;
	auto nowhere = t.start<&Nothing::body>(run.node(), "nowhere", &nothing,
					       static_cast<int>(cfs_cpt_count()));
	CHECK(!nowhere && nowhere.error() == err::INVAL);
	return {};
}

Result<> threads_run_on_their_partition(Run &run) noexcept
{
	struct Placed {
		unsigned cpt = ~0u;
		void body() noexcept { cpt = cfs_cpt_current(); }
	};
	for (unsigned i = 0; i < cfs_cpt_count(); i++) {
		Placed placed;
		Thread t;
		TRY(t.start<&Placed::body>(run.node(), "placed", &placed, static_cast<int>(i)));
		t.join();
		CHECK(placed.cpt == i);
	}
	return {};
}

// Kernels check that work items and timers are not on a stack, so tests make theirs with try_make.

/// Items that note when they ran.
struct Job {
	static constexpr cfs_subsys kSubsys = CFS_S_LIBCFS;
	std::atomic<unsigned> *runs = nullptr;
	unsigned order = ~0u;
	void body() noexcept { order = runs->fetch_add(1); }

	Work<Job, &Job::body> work{this};
};

Result<> work_runs_in_order_one_at_a_time(Run &run) noexcept
{
	WorkQueue q;
	TRY(q.create(run.node(), "selftest_with_a_name_that_is_long", 1));
	std::atomic<unsigned> runs{0};
	auto jobs = TRY(Array<Job>::make(CFS_S_LIBCFS, 8));
	unsigned queued = 0;
	for (Job &j : jobs) {
		j.runs = &runs;
		queued += j.work.queue(q);
	}
	q.flush();
	CHECK(queued == 8 && runs.load() == 8);
	for (unsigned i = 0; i < 8; i++)
		CHECK(jobs[i].order == i);
	return {};
}

/// An item that holds the queue up until it is told to go on.
struct Plug {
	static constexpr cfs_subsys kSubsys = CFS_S_LIBCFS;
	std::atomic<bool> in{false};
	std::atomic<bool> go_on{false};
	void body() noexcept
	{
		in.store(true);
		(void)poll([this] { return go_on.load(); });
	}

	Work<Plug, &Plug::body> work{this};
};

Result<> queued_work_is_queued_once_and_can_be_cancelled(Run &run) noexcept
{
	WorkQueue q;
	TRY(q.create(run.node(), "selftest_cancel", 1));
	std::atomic<unsigned> runs{0};
	auto plug = TRY(try_make<Plug>());
	auto job = TRY(try_make<Job>());
	job->runs = &runs;
	CHECK(plug->work.queue(q));
	auto plugged = poll([&] { return plug->in.load(); });
	bool first = job->work.queue(q);
	bool second = job->work.queue(q);
	bool cancelled = job->work.cancel_sync();
	bool again = job->work.cancel_sync();
	plug->go_on.store(true);
	q.flush();
	TRY(plugged);
	CHECK(first && !second && cancelled && !again);
	CHECK(runs.load() == 0);
	CHECK(job->work.queue(q));
	q.flush();
	CHECK(runs.load() == 1);
	return {};
}

Result<> cancelling_waits_for_the_end(Run &run) noexcept
{
	WorkQueue q;
	TRY(q.create(run.node(), "selftest_sync"));
	auto plug = TRY(try_make<Plug>());
	CHECK(plug->work.queue(q));
	auto plugged = poll([&] { return plug->in.load(); });
	plug->go_on.store(true);
	bool was_pending = plug->work.cancel_sync();
	TRY(plugged);
	CHECK(!was_pending);
	return {};
}

/// An item that frees itself.
struct Mayfly {
	static constexpr cfs_subsys kSubsys = CFS_S_LIBCFS;
	std::atomic<unsigned> *ended;

	explicit Mayfly(std::atomic<unsigned> *e) noexcept : ended(e) {}
	~Mayfly() { ended->fetch_add(1); }
	void body() noexcept { UniquePtr<Mayfly>(this).reset(); }

	Work<Mayfly, &Mayfly::body> work{this};
};

Result<> work_may_free_its_item(Run &run) noexcept
{
	WorkQueue q;
	TRY(q.create(run.node(), "selftest_free"));
	std::atomic<unsigned> ended{0};
	unsigned n = run.scale(100);
	Result<> made_all;
	unsigned queued = 0;
	for (unsigned i = 0; i < n && made_all; i++) {
		auto m = try_make<Mayfly>(&ended);
		if (m) {
			Mayfly *raw = m->release();
			raw->work.queue(q);
			queued++;
		} else {
			made_all = fail(m.error());
		}
	}
	q.flush();
	TRY(made_all);
	CHECK(ended.load() == queued);
	return {};
}

Result<> queues_work_at_once(Run &run) noexcept
{
	WorkQueue q;
	TRY(q.create(run.node(), "selftest_many"));
	std::atomic<unsigned> runs{0};
	unsigned n = run.scale(500);
	TRY(in_threads(run, 3, [&](unsigned) -> Result<> {
		auto job = TRY(try_make<Job>());
		job->runs = &runs;
		for (unsigned i = 0; i < n; i++) {
			job->work.queue(q);
			if (i % 16 == 0)
				cfs_yield();
		}
		job->work.cancel_sync();
		return {};
	}));
	CHECK(runs.load() <= 3 * n);
	return {};
}

struct Alarm {
	static constexpr cfs_subsys kSubsys = CFS_S_LIBCFS;
	std::atomic<unsigned> rings{0};
	std::atomic<std::uint64_t> at{0};
	void body() noexcept
	{
		at.store(cfs_now_ns());
		rings.fetch_add(1);
	}

	Timer<Alarm, &Alarm::body> timer{this};
};

Result<> timers_ring_after_their_deadline(Run &run) noexcept
{
	WorkQueue q;
	TRY(q.create(run.node(), "selftest_timer"));
	auto alarm = TRY(try_make<Alarm>());
	Instant when = after(Duration::millis(5));
	alarm->timer.arm(q, when);
	auto rang = poll([&] { return alarm->rings.load() == 1; });
	alarm->timer.cancel_sync();
	TRY(rang);
	CHECK(alarm->at.load() >= when.ns());
	return {};
}

Result<> timers_forget_what_they_were_armed_for(Run &run) noexcept
{
	WorkQueue q;
	TRY(q.create(run.node(), "selftest_rearm"));
	auto alarm = TRY(try_make<Alarm>());
	alarm->timer.arm(q, Instant::never());
	alarm->timer.arm(q, after(Duration::seconds(3600)));
	alarm->timer.arm(q, Instant::now());
	auto rang = poll([&] { return alarm->rings.load() == 1; });
	alarm->timer.arm(q, after(Duration::seconds(3600)));
	bool was_armed = alarm->timer.cancel_sync();
	bool still_armed = alarm->timer.cancel_sync();
	TRY(rang);
	CHECK(was_armed && !still_armed);
	CHECK(alarm->rings.load() == 1);
	return {};
}

Result<> clocks_go_forward(Run &run) noexcept
{
	Instant last = Instant::now();
	for (unsigned i = 0; i < 100; i++) {
		Instant now = Instant::now();
		CHECK(now >= last);
		last = now;
	}
	Instant end = after(Duration::millis(2));
	cfs_sleep_until(end.ns());
	CHECK(Instant::now() >= end);
	CHECK(cfs_real_ns() > 1'000'000'000);
	return {};
}

Result<> randomness_varies(Run &run) noexcept
{
	std::uint64_t a[4] = {};
	std::uint64_t b[4] = {};
	cfs_random_bytes(a, sizeof(a));
	cfs_random_bytes(b, sizeof(b));
	CHECK(__builtin_memcmp(a, b, sizeof(a)) != 0);
	return {};
}

constexpr Test kTests[] = {
	{"Thread", "HaveIdentities", threads_have_identities},
	{"Thread", "NamesAreCut", names_are_cut},
	{"Thread", "JoinWaitsForTheEnd", join_waits_for_the_end},
	{"Thread", "PartitionsAreSound", partitions_are_sound},
	{"Thread", "RunOnTheirPartition", threads_run_on_their_partition},
	{"Work", "RunsInOrderOneAtATime", work_runs_in_order_one_at_a_time},
	{"Work", "IsQueuedOnceAndCanBeCancelled", queued_work_is_queued_once_and_can_be_cancelled},
	{"Work", "CancellingWaitsForTheEnd", cancelling_waits_for_the_end},
	{"Work", "MayFreeItsItem", work_may_free_its_item},
	{"Work", "QueuesFromManyThreads", queues_work_at_once},
	{"Timer", "RingsAfterItsDeadline", timers_ring_after_their_deadline},
	{"Timer", "ForgetsWhatItWasArmedFor", timers_forget_what_they_were_armed_for},
	{"Time", "GoesForward", clocks_go_forward},
	{"Random", "Varies", randomness_varies},
};

} // namespace

std::span<const Test> thread_tests() noexcept
{
	return kTests;
}

} // namespace cfs::selftest
