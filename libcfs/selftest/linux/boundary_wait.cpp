// SPDX-License-Identifier: GPL-2.0
//
// Waiting: deadlines, wake-ups that are not lost, exclusive waiters, completions on the stack.
#include "libcfs/wait.hpp"

#include "boundary.hpp"
#include "libcfs/thread.hpp"

namespace cfs::boundary
{
namespace
{

constexpr unsigned kWaiters = 4;
constexpr unsigned kRounds = 300;

struct Queue {
	static constexpr cfs_subsys kSubsys = CFS_S_ECHO;
	WaitQueue q{CFS_LOCK_CLASS("selftest queue")};
};

Result<> deadlines(Env &env) noexcept
{
	auto s = TRY(try_make<Queue>());
	for (auto mode : {WaitMode::idle, WaitMode::killable, WaitMode::interruptible}) {
		Instant until = after(Duration::millis(20));
		auto r = s->q.wait(mode, until, [] { return false; });
		EXPECT(!r && r.error() == err::TIMEDOUT);
		EXPECT(Instant::now() >= until);
		r = s->q.wait(mode, Instant::from_ns(1), [] { return false; });
		EXPECT(!r && r.error() == err::TIMEDOUT);
		EXPECT(s->q.wait(mode, Instant::from_ns(1), [] { return true; }));
	}
	return {};
}

/// Two threads hand a turn to each other: a single lost wake-up stops both for good, which the
/// deadline turns into a failure.
struct PingPong {
	static constexpr cfs_subsys kSubsys = CFS_S_ECHO;

	Env &env;
	WaitQueue q{CFS_LOCK_CLASS("selftest ping-pong")};
	std::atomic<unsigned> turn{0};
	Thread other;

	explicit PingPong(Env &e) noexcept : env(e) {}

	void play(unsigned parity) noexcept
	{
		Instant limit = after(Duration::seconds(120));
		for (unsigned i = parity; i < 2 * kRounds; i += 2) {
			auto r = q.wait(WaitMode::idle, limit, [&] { return turn >= i; });
			if (!env.expect(r.has_value(), "a wake-up was lost", __LINE__))
				return;
			turn = i + 1;
			q.wake_all();
		}
	}
	void odd() noexcept { play(1); }
};

Result<> ping_pong(Env &env) noexcept
{
	auto s = TRY(try_make<PingPong>(env));
	TRY(s->other.start<&PingPong::odd>(env.node, "st_pong", s.get()));
	s->play(0);
	s->other.join();
	EXPECT(s->turn == 2 * kRounds);
	return {};
}

/// Waiters that each take one of the tokens that are given one by one.
struct Tokens {
	static constexpr cfs_subsys kSubsys = CFS_S_ECHO;

	Env &env;
	SpinLock lock{CFS_LOCK_CLASS("selftest tokens")};
	WaitQueue q{CFS_LOCK_CLASS("selftest tokens wait")};
	unsigned tokens CFS_GUARDED_BY(lock) = 0;
	unsigned waiting CFS_GUARDED_BY(lock) = 0;
	unsigned taken CFS_GUARDED_BY(lock) = 0;
	Thread threads[kWaiters];

	explicit Tokens(Env &e) noexcept : env(e) {}

	void take() noexcept
	{
		SpinGuard g(lock);
		waiting++;
		auto r = q.wait(
			lock, WaitMode::idle, after(Duration::seconds(120)),
			[this]() CFS_NO_TSA { return tokens > 0; }, true);
		env.expect(r.has_value(), "an exclusive waiter was forgotten", __LINE__);
		if (r) {
			tokens--;
			taken++;
		}
	}
	unsigned all_waiting() noexcept
	{
		SpinGuard g(lock);
		return waiting;
	}
	void give() noexcept
	{
		SpinGuard g(lock);
		tokens++;
		q.wake_one();
	}
	unsigned count_taken() noexcept
	{
		SpinGuard g(lock);
		return taken;
	}
};

Result<> exclusive(Env &env) noexcept
{
	auto s = TRY(try_make<Tokens>(env));
	unsigned started = 0;
	Result<> r;
	for (Thread &t : s->threads) {
		r = t.start<&Tokens::take>(env.node, "st_token", s.get());
		if (!r)
			break;
		started++;
	}
	while (s->all_waiting() < started)
		cfs_sleep_until(after(Duration::millis(1)).ns());
	for (unsigned i = 0; i < started; i++)
		s->give();
	for (Thread &t : s->threads)
		t.join();
	EXPECT(s->count_taken() == started);
	return r;
}

struct Completer {
	static constexpr cfs_subsys kSubsys = CFS_S_ECHO;

	WaitQueue q{CFS_LOCK_CLASS("selftest completer")};
	std::atomic<Completion *> what{nullptr};
	std::atomic<bool> stop{false};
	Thread thread;

	void run() noexcept
	{
		while (!stop) {
			(void)q.wait(WaitMode::idle, Instant::never(),
				     [this] { return what.load() || stop.load(); });
			if (Completion *c = what.exchange(nullptr))
				c->complete();
		}
	}
};

/// Each completion is gone as soon as the wait returns; KASAN and lockdep watch.
Result<> completions(Env &env) noexcept
{
	auto s = TRY(try_make<Completer>());
	TRY(s->thread.start<&Completer::run>(env.node, "st_complete", s.get()));
	bool ok = true;
	for (unsigned i = 0; ok && i < kRounds; i++) {
		Completion c{CFS_LOCK_CLASS("selftest completion")};
		s->what = &c;
		s->q.wake_all();
		ok = c.wait(WaitMode::idle, after(Duration::seconds(120))).has_value();
	}
	s->stop = true;
	s->q.wake_all();
	s->thread.join();
	EXPECT(ok);
	return {};
}

constexpr Test kTests[] = {
	{"Wait.EndsAtTheDeadlineAndNotBefore", deadlines},
	{"Wait.LosesNoWakeUp", ping_pong},
	{"Wait.EachTokenWakesOneExclusiveWaiter", exclusive},
	{"Completion.MayGoWhenTheWaitIsOver", completions},
};

} // namespace

std::span<const Test> wait_tests() noexcept
{
	return kTests;
}

} // namespace cfs::boundary
