// SPDX-License-Identifier: GPL-2.0
//
// Threads, CPU partitions, work queues and timers.
#include "libcfs/thread.hpp"

#include <cstring>
#include <string_view>

#include "boundary.hpp"
#include "libcfs/wait.hpp"

namespace cfs::boundary
{
namespace
{

constexpr unsigned kItems = 8;

struct Who {
	static constexpr cfs_subsys kSubsys = CFS_S_ECHO;

	std::atomic<bool> ended{false};
	cfs_node *node = nullptr;
	unsigned cpt = 0;
	char comm[16] = {};
	Thread thread;

	void run() noexcept
	{
		node = cfs_node_current();
		cpt = cfs_cpt_current();
		cfs_thread_comm(comm);
		cfs_sleep_until(after(Duration::millis(10)).ns());
		ended = true;
	}
};

Result<> join(Env &env) noexcept
{
	for (unsigned c = 0; c < cfs_cpt_count(); c++) {
		auto s = TRY(try_make<Who>());
		TRY(s->thread.start<&Who::run>(env.node, "st_a_name_that_is_long", s.get(),
					       static_cast<int>(c)));
		s->thread.join();
		EXPECT(s->ended);
		EXPECT(s->node == env.node);
		EXPECT(s->cpt == c);
		EXPECT(std::string_view(s->comm) == "st_a_name_that_");
	}
	return {};
}

Result<> partitions(Env &env) noexcept
{
	EXPECT(cfs_cpt_count() >= 1 && cfs_cpt_count() <= 64);
	unsigned cpus = 0;
	for (unsigned c = 0; c < cfs_cpt_count(); c++) {
		EXPECT(cfs_cpt_weight(c) > 0);
		cpus += cfs_cpt_weight(c);
	}
	EXPECT(cpus <= cfs_cpu_count());
	EXPECT(cfs_cpt_weight(cfs_cpt_count()) == 0);
	EXPECT(cfs_cpu_current() < cfs_cpu_count());
	EXPECT(cfs_cpt_current() < cfs_cpt_count());
	auto s = TRY(try_make<Who>());
	auto r = s->thread.start<&Who::run>(env.node, "st_none", s.get(),
					    static_cast<int>(cfs_cpt_count()));
	EXPECT(!r && (r.error() == err::INVAL || r.error() == err::NOMEM));
	return {};
}

struct Items;

struct Item {
	Items *all = nullptr;
	unsigned number = 0;
	void run() noexcept;
	Work<Item, &Item::run> work{this};
};

struct Items {
	static constexpr cfs_subsys kSubsys = CFS_S_ECHO;

	WorkQueue q;
	Completion gate{CFS_LOCK_CLASS("selftest items")};
	std::atomic<unsigned> runs{0};
	std::atomic<bool> in_order{true};
	Item items[kItems];
};

void Item::run() noexcept
{
	if (number == 0)
		(void)all->gate.wait(WaitMode::idle, Instant::never());
	if (all->runs.fetch_add(1) != number)
		all->in_order = false;
}

Result<> ordered_work(Env &env) noexcept
{
	auto s = TRY(try_make<Items>());
	TRY(s->q.create(env.node, "st_ordered_with_a_long_name", 1));
	bool first = true, again = false;
	for (unsigned i = 0; i < kItems; i++) {
		s->items[i].all = s.get();
		s->items[i].number = i;
		first &= s->items[i].work.queue(s->q);
	}
	// Item 0 waits for the gate, so the last one is surely still queued.
	again = s->items[kItems - 1].work.queue(s->q);
	s->gate.complete();
	s->q.flush();
	bool idle = !s->items[0].work.cancel_sync();
	EXPECT(first);
	EXPECT(!again);
	EXPECT(idle);
	EXPECT(s->runs == kItems);
	EXPECT(s->in_order);
	return {};
}

Result<> cancelled_work(Env &env) noexcept
{
	auto s = TRY(try_make<Items>());
	TRY(s->q.create(env.node, "st_cancel", 1));
	for (unsigned i = 0; i < 2; i++) {
		s->items[i].all = s.get();
		s->items[i].number = i;
		s->items[i].work.queue(s->q);
	}
	bool pending = s->items[1].work.cancel_sync();
	s->gate.complete();
	s->q.flush();
	EXPECT(pending);
	EXPECT(s->runs == 1);
	return {};
}

/// Work that frees the object it is in.
struct SelfEnding {
	static constexpr cfs_subsys kSubsys = CFS_S_ECHO;

	std::atomic<unsigned> *gone;
	explicit SelfEnding(std::atomic<unsigned> *g) noexcept : gone(g) {}
	void run() noexcept
	{
		std::atomic<unsigned> *g = gone;
		UniquePtr<SelfEnding>(this).reset();
		g->fetch_add(1);
	}
	Work<SelfEnding, &SelfEnding::run> work{this};
};

Result<> self_ending_work(Env &env) noexcept
{
	std::atomic<unsigned> gone{0};
	WorkQueue q;
	TRY(q.create(env.node, "st_selfend"));
	unsigned queued = 0;
	Result<> r;
	for (unsigned i = 0; i < kItems; i++) {
		auto made = try_make<SelfEnding>(&gone);
		if (!made) {
			r = fail(made.error());
			break;
		}
		SelfEnding *s = made->release();
		s->work.queue(q);
		queued++;
	}
	q.destroy();
	EXPECT(gone == queued);
	return r;
}

struct Clock {
	static constexpr cfs_subsys kSubsys = CFS_S_ECHO;

	WorkQueue q;
	Completion done{CFS_LOCK_CLASS("selftest timer")};
	std::atomic<unsigned> runs{0};
	Instant ran;

	void run() noexcept
	{
		ran = Instant::now();
		runs++;
		done.complete();
	}
	Timer<Clock, &Clock::run> timer{this};
};

Result<> timers(Env &env) noexcept
{
	auto s = TRY(try_make<Clock>());
	TRY(s->q.create(env.node, "st_timer"));
	Instant until = after(Duration::millis(30));
	// Only the last arming counts.
	s->timer.arm(s->q, Instant::never());
	s->timer.arm(s->q, after(Duration::seconds(100)));
	s->timer.arm(s->q, until);
	auto r = s->done.wait(WaitMode::idle, after(Duration::seconds(100)));
	bool armed = s->timer.cancel_sync();
	EXPECT(r);
	EXPECT(!armed);
	EXPECT(s->ran >= until);
	EXPECT(s->runs == 1);
	s->timer.arm(s->q, after(Duration::seconds(1000)));
	armed = s->timer.cancel_sync();
	EXPECT(armed);
	EXPECT(s->runs == 1);
	return {};
}

constexpr Test kTests[] = {
	{"Thread.IsJoinedAtItsEndOnItsPartition", join},
	{"Thread.PartitionsHoldTheCpus", partitions},
	{"Work.OrderedQueueKeepsTheOrder", ordered_work},
	{"Work.CancelTakesItOffTheQueue", cancelled_work},
	{"Work.MayFreeItsObject", self_ending_work},
	{"Timer.IsNotEarlyAndRearmsAndStops", timers},
};

} // namespace

std::span<const Test> thread_tests() noexcept
{
	return kTests;
}

} // namespace cfs::boundary
