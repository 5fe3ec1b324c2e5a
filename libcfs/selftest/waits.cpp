// SPDX-License-Identifier: GPL-2.0
//
// Wait queues and completions.
#include "libcfs/selftest/selftest.hpp"
#include "libcfs/wait.hpp"

namespace cfs::selftest
{

namespace
{

Result<> condition_true_at_once(Run &) noexcept
{
	WaitQueue q(CFS_LOCK_CLASS("selftest at once"));
	return q.wait(WaitMode::killable, Instant::from_ns(0), [] { return true; });
}

Result<> deadlines_end_waits(Run &run) noexcept
{
	WaitQueue q(CFS_LOCK_CLASS("selftest deadline"));
	for (WaitMode mode : {WaitMode::idle, WaitMode::killable, WaitMode::interruptible}) {
		Instant end = after(Duration::millis(3));
		auto r = q.wait(mode, end, [] { return false; });
		CHECK(!r && r.error() == err::TIMEDOUT);
		CHECK(Instant::now() >= end);
		r = q.wait(mode, Instant::from_ns(1), [] { return false; });
		CHECK(!r && r.error() == err::TIMEDOUT);
		CHECK(q.wait(mode, Instant::from_ns(1), [] { return true; }));
	}
	return {};
}

/// Two threads hand a number to and fro: one lost wake-up and it stands still.
Result<> wake_ups_are_not_lost(Run &run) noexcept
{
	WaitQueue q(CFS_LOCK_CLASS("selftest ping pong"));
	std::atomic<unsigned> turn{0};
	std::atomic<bool> gave_up{false};
	unsigned n = run.scale(5000);
	auto play = [&](unsigned me) -> Result<> {
		for (unsigned i = 0; i < n; i++) {
			auto r = q.wait(WaitMode::idle, after(kPatience), [&] {
				return turn.load() == 2 * i + me || gave_up.load();
			});
			CHECK(r);
			if (gave_up.load())
				return {};
			turn.fetch_add(1);
			q.wake_all();
		}
		return {};
	};
	Crew<decltype(play)> crew(play);
	auto started = crew.start(run, 2);
	if (!started) {
		gave_up.store(true);
		q.wake_all();
	}
	auto done = crew.join();
	return started ? done : started;
}

Result<> wake_all_wakes_everyone(Run &run) noexcept
{
	WaitQueue q(CFS_LOCK_CLASS("selftest everyone"));
	std::atomic<bool> go{false};
	auto work = [&](unsigned index) -> Result<> {
		auto r = q.wait(
			WaitMode::idle, after(kPatience), [&] { return go.load(); },
			index % 2 == 1);
		CHECK(r);
		return {};
	};
	Crew<decltype(work)> crew(work);
	auto started = crew.start(run, 4);
	go.store(true);
	q.wake_all();
	auto done = crew.join();
	return started ? done : started;
}

/// Each token wakes one exclusive waiter, which takes it; no token and no waiter is left over.
Result<> wake_one_hands_out_one_at_a_time(Run &run) noexcept
{
	struct Tokens {
		SpinLock lock{CFS_LOCK_CLASS("selftest tokens")};
		WaitQueue q{CFS_LOCK_CLASS("selftest tokens wait")};
		unsigned left CFS_GUARDED_BY(lock) = 0;
		bool over CFS_GUARDED_BY(lock) = false;
	} t;
	std::atomic<unsigned> taken{0};
	auto take = [&](unsigned) -> Result<> {
		for (;;) {
			SpinGuard g(t.lock);
			auto r = t.q.wait(
				t.lock, WaitMode::idle, after(kPatience),
				[&]() CFS_NO_TSA { return t.left > 0 || t.over; }, true);
			CHECK(r);
			if (t.left == 0)
				return {};
			t.left--;
			taken.fetch_add(1);
		}
	};
	Crew<decltype(take)> crew(take);
	auto started = crew.start(run, 3);
	unsigned n = started ? run.scale(1000) : 0;
	for (unsigned i = 0; i < n; i++) {
		SpinGuard g(t.lock);
		t.left++;
		t.q.wake_one();
	}
	auto all_taken = poll([&] { return taken.load() == n; });
	{
		SpinGuard g(t.lock);
		t.over = true;
		t.q.wake_all();
	}
	auto done = crew.join();
	TRY(started);
	TRY(done);
	return all_taken;
}

Result<> waits_with_a_lock_hold_it_for_the_condition(Run &run) noexcept
{
	Mutex m(CFS_LOCK_CLASS("selftest cond lock"));
	WaitQueue q(CFS_LOCK_CLASS("selftest cond wait"));
	MutexGuard g(m);
	bool held = false;
	auto r = q.wait(m, WaitMode::killable, after(Duration::millis(1)), [&] {
		held = m.held();
		return false;
	});
	CHECK(!r && r.error() == err::TIMEDOUT);
	CHECK(held && m.held());
	return {};
}

/// The waiter may destroy a completion as soon as its wait has returned.
Result<> completions_may_end_at_once(Run &run) noexcept
{
	struct Slot {
		alignas(Completion) unsigned char room[sizeof(Completion)];
		std::atomic<Completion *> c{nullptr};
	} slot;
	std::atomic<bool> over{false};
	auto complete = [&](unsigned) -> Result<> {
		while (!over.load())
			if (Completion *c = slot.c.exchange(nullptr))
				c->complete();
			else
				cfs_yield();
		return {};
	};
	Crew<decltype(complete)> crew(complete);
	auto started = crew.start(run, 1);
	Result<> waited;
	unsigned n = started ? run.scale(1000) : 0;
	for (unsigned i = 0; i < n && waited; i++) {
		auto *c = ::new (slot.room) Completion(CFS_LOCK_CLASS("selftest completion"));
		slot.c.store(c);
		waited = c->wait(WaitMode::idle, after(kPatience));
		c->~Completion();
		__builtin_memset(slot.room, 0xee, sizeof(slot.room));
	}
	over.store(true);
	auto done = crew.join();
	TRY(started);
	TRY(done);
	return waited;
}

Result<> completions_time_out_and_can_be_reset(Run &run) noexcept
{
	Completion c(CFS_LOCK_CLASS("selftest reset"));
	auto r = c.wait(WaitMode::killable, after(Duration::millis(1)));
	CHECK(!r && r.error() == err::TIMEDOUT);
	CHECK(!c.done());
	c.complete();
	CHECK(c.done());
	TRY(c.wait(WaitMode::killable, Instant::from_ns(0)));
	c.reset();
	CHECK(!c.done());
	return {};
}

constexpr Test kTests[] = {
	{"Wait", "ConditionTrueAtOnce", condition_true_at_once},
	{"Wait", "DeadlinesEndWaits", deadlines_end_waits},
	{"Wait", "WakeUpsAreNotLost", wake_ups_are_not_lost},
	{"Wait", "WakeAllWakesEveryone", wake_all_wakes_everyone},
	{"Wait", "WakeOneHandsOutOneAtATime", wake_one_hands_out_one_at_a_time},
	{"Wait", "WithALockItIsHeldForTheCondition", waits_with_a_lock_hold_it_for_the_condition},
	{"Completion", "MayEndAtOnce", completions_may_end_at_once},
	{"Completion", "TimesOutAndCanBeReset", completions_time_out_and_can_be_reset},
};

} // namespace

std::span<const Test> wait_tests() noexcept
{
	return kTests;
}

} // namespace cfs::selftest
