// SPDX-License-Identifier: GPL-2.0
//
// How long random damage goes on where there is no fuzzer.
#pragma once

#include <chrono>
#include <cstdlib>

namespace fuzz
{

/// One round, which is always the same, and more of them, each another one, until FUZZ_SECONDS (in
/// the environment) are over: `for (Rounds r; r.next();)`.
class Rounds
{
	using Clock = std::chrono::steady_clock;

	static Clock::time_point end()
	{
		const char *seconds = std::getenv("FUZZ_SECONDS");
		return Clock::now() + std::chrono::seconds(seconds ? std::atoi(seconds) : 0);
	}

	Clock::time_point end_ = end();
	bool first_ = true;

public:
	bool next()
	{
		bool more = first_ || Clock::now() < end_;
		first_ = false;
		return more;
	}
};

} // namespace fuzz
