// SPDX-License-Identifier: GPL-2.0
//
// Fail points: places in the code that a test makes fail, stall or meet by writing the parameters
// fail_loc, fail_val and fail_err (spec 08 section 12). Each has a number, which the stock test
// suites know; the numbers are constants of the subsystem that has the point.
//
//     if (fail_check(kFailOstEnospc))               return fail(err::NOSPC);
//     if (fail_check_value(kFailMdsReq, opcode))    drop the request;
//     fail_timeout(kFailOstBrwPause);               // sleeps fail_val seconds
//     fail_race(kFailMdsRename3);                   // the first thread waits for the second
//
// All of them cost one load while fail_loc is 0.
#pragma once

#include <atomic>
#include <cstdint>

#include "libcfs/lock.hpp"
#include "libcfs/plat/core.h"
#include "libcfs/time.hpp"
#include "libcfs/wait.hpp"

namespace cfs
{

// Bits of fail_loc beside the number of the place.
inline constexpr std::uint32_t kFailLocation = 0x0000ffff;
inline constexpr std::uint32_t kFailFamily = 0x02000000; ///< any place that has this bit, too
inline constexpr std::uint32_t kFailUser1 = 0x04000000;	 ///< free for the test
inline constexpr std::uint32_t kFailRandom = 0x08000000; ///< once in fail_val calls
inline constexpr std::uint32_t kFailSome = 0x10000000;	 ///< fail_val times, then never again
inline constexpr std::uint32_t kFailSkip = 0x20000000;	 ///< not for the first fail_val calls
inline constexpr std::uint32_t kFailFailed = 0x40000000; ///< set here: it has failed
inline constexpr std::uint32_t kFailOnce = 0x80000000;

/// Whether the caller is to fail now. May be called with locks held, as the next three.
[[nodiscard]] inline bool fail_check(std::uint32_t id) noexcept
{
	return cfs_fail_check(id, 0, CFS_FAIL_PLAIN);
}
/// Only when fail_val is `value`, or -1.
[[nodiscard]] inline bool fail_check_value(std::uint32_t id, std::uint32_t value) noexcept
{
	return cfs_fail_check(id, value, CFS_FAIL_VALUE);
}
/// When hit, fail_loc becomes `next`: for chains of events.
[[nodiscard]] inline bool fail_check_set(std::uint32_t id, std::uint32_t next) noexcept
{
	return cfs_fail_check(id, next, CFS_FAIL_SET);
}
/// When hit, `flags` are added to fail_loc.
[[nodiscard]] inline bool fail_check_orset(std::uint32_t id, std::uint32_t flags) noexcept
{
	return cfs_fail_check(id, flags, CFS_FAIL_ORSET);
}
/// When hit, sleeps for d (by default fail_val seconds), or until fail_loc becomes 0. Returns
/// whether it was hit.
inline bool fail_timeout(std::uint32_t id, Duration d = {}) noexcept
{
	return cfs_fail_timeout(id, static_cast<std::uint64_t>(d.ns()));
}
/// When hit, sleeps until another thread comes here and is not hit (fail_loc has kFailOnce), or
/// fail_loc changes.
inline void fail_race(std::uint32_t id) noexcept
{
	cfs_fail_race(id);
}

/// The state behind them; part of the Machine.
class FailPoints
{
public:
	[[nodiscard]] bool check(std::uint32_t id, std::uint32_t value,
				 cfs_fail_kind kind) noexcept;
	bool timeout(std::uint32_t id, Duration d) noexcept;
	void race(std::uint32_t id) noexcept;

	/// A new value starts all counting anew and wakes whoever sleeps in a race or, when it is
	/// 0, in a timeout.
	void set_loc(std::uint64_t loc) noexcept;
	[[nodiscard]] std::uint64_t loc() const noexcept
	{
		return loc_.load(std::memory_order_relaxed);
	}

	std::atomic<std::uint32_t> val{0}; ///< fail_val
	std::atomic<std::int32_t> err{0};  ///< fail_err

private:
	enum class Outcome { elsewhere, spared, hit };
	Outcome decide(std::uint32_t id, std::uint32_t value, cfs_fail_kind kind) noexcept
		CFS_REQUIRES(lock_);

	std::atomic<std::uint64_t> loc_{0};
	SpinLock lock_{CFS_LOCK_CLASS("fail points")};
	std::uint32_t calls_ CFS_GUARDED_BY(lock_) = 0; // counted for skip and some
	std::atomic<std::uint32_t> loc_changes_{0};
	std::atomic<std::uint32_t> race_wakes_{0};
	WaitQueue waitq_{CFS_LOCK_CLASS("fail points wait")};
};

} // namespace cfs
