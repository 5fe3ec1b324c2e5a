// SPDX-License-Identifier: GPL-2.0
//
// Tests that run wherever the core runs: on POSIX threads, in the simulator and in the kernel. They
// are freestanding, leave nothing behind, and return an error instead of crashing when memory is
// refused: each is also run with every allocation failing in turn.
//
//     Result<> counts(Run &run) noexcept
//     {
//             ...
//             CHECK(n == 4);
//             return {};
//     }
//     constexpr Test kTests[] = {{"Lock", "CountsEveryThread", counts}};
//
// A test must end by itself whatever fails in it, so a thread never waits for one that may not have
// started. A loop until another thread has done something yields in each turn: most kernels do not
// take a CPU away from a thread of their own, and no RCU grace period ends while it runs.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string_view>

#include "libcfs/format.hpp"
#include "libcfs/lock.hpp"
#include "libcfs/result.hpp"
#include "libcfs/selftest/run.h"
#include "libcfs/thread.hpp"
#include "libcfs/time.hpp"

namespace cfs::selftest
{

/// What CHECK returns.
inline constexpr Errno kWrong = err::BADMSG;

/// The longest a test waits for something that should happen at once.
inline constexpr Duration kPatience = Duration::seconds(120);

/// One run of one test.
class Run
{
	cfs_node *node_;
	unsigned percent_;
	SpinLock lock_{CFS_LOCK_CLASS("selftest run")};
	char why_[200] CFS_GUARDED_BY(lock_) = {};

public:
	Run(cfs_node *node, unsigned percent) noexcept : node_(node), percent_(percent) {}

	[[nodiscard]] cfs_node *node() const noexcept { return node_; }
	/// n iterations on a real machine, fewer under emulation; at least 2.
	[[nodiscard]] unsigned scale(unsigned n) const noexcept
	{
		unsigned s = static_cast<unsigned>(std::uint64_t{n} * percent_ / 100);
		return s < 2 ? 2 : s;
	}
	/// Notes the first thing that was wrong. Any thread.
	[[nodiscard]] std::unexpected<Errno> wrong(const char *file, int line,
						   const char *what) noexcept
	{
		SpinGuard g(lock_);
		if (!why_[0])
			format_cstr(why_, "{}:{}: {} is not so", file, line, what);
		return fail(kWrong);
	}
	void why(FormatSink &out) noexcept
	{
		SpinGuard g(lock_);
		out.print("{}", why_);
	}
};

struct Test {
	const char *suite;
	const char *name;
	Result<> (*run)(Run &run) noexcept;
};

inline void format_value(FormatSink &out, const Test &t) noexcept
{
	out.print("{}.{}", t.suite, t.name);
}

/// The tests of each file.
std::span<const Test> lock_tests() noexcept;
std::span<const Test> wait_tests() noexcept;
std::span<const Test> thread_tests() noexcept;
std::span<const Test> memory_tests() noexcept;
std::span<const Test> container_tests() noexcept;
std::span<const Test> hash_tests() noexcept;
std::span<const Test> gate_tests() noexcept;
std::span<const Test> service_tests() noexcept;

/// A small generator of numbers that look random and are the same in every run.
class Numbers
{
	std::uint64_t state_;

public:
	explicit constexpr Numbers(std::uint64_t seed) noexcept : state_(seed * 2 + 1) {}
	constexpr std::uint64_t next() noexcept
	{
		state_ = state_ * 6364136223846793005u + 1442695040888963407u;
		return state_ >> 29;
	}
	constexpr std::uint64_t below(std::uint64_t n) noexcept { return next() % n; }
};

/// Several threads that call work(index) each; join() gives the first error.
template <typename F>
class Crew
{
public:
	static constexpr unsigned kMax = 8;

	explicit Crew(F &work) noexcept : work_(work) {}
	~Crew() { (void)join(); }
	Crew(const Crew &) = delete;
	Crew &operator=(const Crew &) = delete;

	[[nodiscard]] Result<> start(Run &run, unsigned n) noexcept
	{
		CFS_ASSERT(n <= kMax);
		for (unsigned i = 0; i < n; i++) {
			members_[i].crew = this;
			members_[i].index = i;
			TRY(members_[i].thread.template start<&Member::run>(run.node(), "selftest",
									    &members_[i]));
		}
		return {};
	}
	[[nodiscard]] Result<> join() noexcept
	{
		Result<> first;
		for (Member &m : members_) {
			m.thread.join();
			if (first && !m.result)
				first = m.result;
		}
		return first;
	}

private:
	struct Member {
		Crew *crew = nullptr;
		unsigned index = 0;
		Result<> result;
		Thread thread;

		void run() noexcept { result = crew->work_(index); }
	};
	F &work_;
	Member members_[kMax];
};

/// n threads at once, from start to end.
template <typename F>
[[nodiscard]] Result<> in_threads(Run &run, unsigned n, F work) noexcept
{
	Crew<F> crew(work);
	auto started = crew.start(run, n);
	auto done = crew.join();
	return started ? done : started;
}

/// Lets others run until cond() is true; err::TIMEDOUT when that takes absurdly long.
template <typename Cond>
[[nodiscard]] Result<> poll(Cond cond) noexcept
{
	Instant end = after(kPatience);
	while (!cond()) {
		if (Instant::now() > end)
			return fail(err::TIMEDOUT);
		cfs_sleep_until(after(Duration::micros(100)).ns());
	}
	return {};
}

} // namespace cfs::selftest

/// Ends the test with a complaint unless cond is true.
#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond)) [[unlikely]]                                                          \
			return run.wrong(__FILE_NAME__, __LINE__, #cond);                          \
	} while (0)
