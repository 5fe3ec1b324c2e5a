// SPDX-License-Identifier: GPL-2.0
//
// Points in time and spans of time, as types of their own, over the platform's monotonic clock.
#pragma once

#include <compare>
#include <cstdint>

#include "libcfs/plat/thread.h"

namespace cfs
{

/// A span of time with nanosecond resolution. May be negative.
class Duration
{
	std::int64_t ns_ = 0;

public:
	constexpr Duration() = default;
	static constexpr Duration nanos(std::int64_t n) noexcept
	{
		Duration d;
		d.ns_ = n;
		return d;
	}
	static constexpr Duration micros(std::int64_t n) noexcept { return nanos(n * 1000); }
	static constexpr Duration millis(std::int64_t n) noexcept { return nanos(n * 1000000); }
	static constexpr Duration seconds(std::int64_t n) noexcept { return nanos(n * 1000000000); }

	[[nodiscard]] constexpr std::int64_t ns() const noexcept { return ns_; }
	[[nodiscard]] constexpr std::int64_t us() const noexcept { return ns_ / 1000; }
	[[nodiscard]] constexpr std::int64_t ms() const noexcept { return ns_ / 1000000; }
	/// Whole seconds, rounded towards zero.
	[[nodiscard]] constexpr std::int64_t s() const noexcept { return ns_ / 1000000000; }

	constexpr auto operator<=>(const Duration &) const = default;
	friend constexpr Duration operator+(Duration a, Duration b) noexcept
	{
		return nanos(a.ns_ + b.ns_);
	}
	friend constexpr Duration operator-(Duration a, Duration b) noexcept
	{
		return nanos(a.ns_ - b.ns_);
	}
	friend constexpr Duration operator*(Duration a, std::int64_t k) noexcept
	{
		return nanos(a.ns_ * k);
	}
	friend constexpr Duration operator/(Duration a, std::int64_t k) noexcept
	{
		return nanos(a.ns_ / k);
	}
};

/// A moment of the monotonic clock; also what deadlines are.
class Instant
{
	std::uint64_t ns_ = 0;

public:
	constexpr Instant() = default;
	static constexpr Instant from_ns(std::uint64_t n) noexcept
	{
		Instant i;
		i.ns_ = n;
		return i;
	}
	static Instant now() noexcept { return from_ns(cfs_now_ns()); }
	/// Later than any clock reading.
	static constexpr Instant never() noexcept { return from_ns(CFS_NEVER); }

	[[nodiscard]] constexpr std::uint64_t ns() const noexcept { return ns_; }
	[[nodiscard]] constexpr bool is_never() const noexcept { return ns_ == CFS_NEVER; }

	constexpr auto operator<=>(const Instant &) const = default;
	/// never() plus anything is never(); a sum before the clock's start is its start.
	friend constexpr Instant operator+(Instant i, Duration d) noexcept
	{
		if (i.is_never())
			return i;
		std::uint64_t r = 0;
		if (d.ns() >= 0) {
			if (__builtin_add_overflow(i.ns_, static_cast<std::uint64_t>(d.ns()), &r))
				return never();
		} else {
			std::uint64_t back = -static_cast<std::uint64_t>(d.ns());
			r = back > i.ns_ ? 0 : i.ns_ - back;
		}
		return from_ns(r);
	}
	friend constexpr Duration operator-(Instant a, Instant b) noexcept
	{
		return Duration::nanos(static_cast<std::int64_t>(a.ns_ - b.ns_));
	}
};

/// now() + d.
[[nodiscard]] inline Instant after(Duration d) noexcept
{
	return Instant::now() + d;
}

/// Wall-clock seconds since 1970.
[[nodiscard]] inline std::int64_t real_seconds() noexcept
{
	return static_cast<std::int64_t>(cfs_real_ns() / 1000000000);
}

} // namespace cfs
