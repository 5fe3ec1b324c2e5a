// SPDX-License-Identifier: GPL-2.0
//
// The console copy of messages: how a line looks and how often a call site may print one (spec 08
// section 13).
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

#include "libcfs/lock.hpp"
#include "libcfs/log.hpp"
#include "libcfs/plat/log.h"
#include "libcfs/time.hpp"

namespace cfs
{

/// Decides which messages of a call site are printed: the first one, then none until a delay has
/// passed that grows by `backoff` from the least to the greatest delay. A site that stays quiet for
/// the greatest delay starts anew. Remembers a bounded number of sites; the one that may print
/// soonest is forgotten first.
class ConsoleLimiter
{
public:
	static constexpr unsigned kSites = 256; // a power of two
	static constexpr unsigned kProbes = 4;

	struct Settings {
		Duration delay_min;
		Duration delay_max;
		std::uint32_t backoff;
	};
	struct Verdict {
		bool print;
		std::uint32_t skipped; // messages of the site suppressed before this one
	};

	[[nodiscard]] Verdict ask(const cfs_log_site &site, Instant now,
				  const Settings &set) noexcept;

private:
	struct Site {
		std::uint64_t key = 0; // hash of file and line; 0 is free
		std::uint32_t skipped = 0;
		Instant next; // may print from then on
		Duration delay;
	};
	Site sites_[kSites];

	Site &find(const cfs_log_site &site) noexcept;
};

class LogConsole
{
public:
	struct Counters {
		std::uint64_t printed = 0;
		std::uint64_t suppressed = 0;
	};

	/// Prints one message, or not. Does not sleep.
	void print(const cfs_log_site &site, std::string_view text) noexcept;
	[[nodiscard]] Counters counters() noexcept;

	// Parameters (spec 08 section 8.1, console_*).
	std::atomic<bool> ratelimit{true};
	std::atomic<std::int64_t> delay_min_ns{500'000'000};
	std::atomic<std::int64_t> delay_max_ns{600'000'000'000};
	std::atomic<std::uint32_t> backoff{2};

private:
	/// A message and what stands before it.
	static constexpr std::size_t kLineMax = kLogTextMax + 200;

	void put_line(const cfs_log_site &site, std::string_view text) noexcept CFS_REQUIRES(lock_);

	SpinLock lock_{CFS_LOCK_CLASS("debug log console")};
	ConsoleLimiter limiter_ CFS_GUARDED_BY(lock_);
	Counters counters_ CFS_GUARDED_BY(lock_);
	char line_[kLineMax] CFS_GUARDED_BY(lock_);
};

/// Prints a message when there is no machine (before libcfs starts, after it stopped).
void print_unlogged(const cfs_log_site &site, std::string_view text) noexcept;

} // namespace cfs
