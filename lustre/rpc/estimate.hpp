// SPDX-License-Identifier: GPL-2.0
//
// Adaptive time-outs: an estimate is the worst measurement of the last at_history seconds, kept in
// four bins of a quarter each, within at_min and at_max (spec 02 section 4). Seconds throughout.
#pragma once

#include "libcfs/lock.hpp"
#include "libcfs/time.hpp"
#include "rpc/rpc.hpp"

namespace rpc
{

/// How long to wait for something that is estimated to take `estimate`.
[[nodiscard]] constexpr u32 timeout_of(u32 estimate) noexcept
{
	return estimate + estimate / 4 + 5;
}

class Estimate
{
public:
	static constexpr unsigned kBins = 4;

	/// Takes a measurement into account.
	void measure(const Tunables &t, u32 seconds) noexcept
	{
		cfs::SpinGuard g(lock_);
		advance(t);
		bin_[0] = bin_[0] > seconds ? bin_[0] : seconds;
		worst_ever_ = worst_ever_ > seconds ? worst_ever_ : seconds;
	}
	/// The estimate, bounded; at_min when nothing was measured.
	[[nodiscard]] u32 get(const Tunables &t) noexcept
	{
		cfs::SpinGuard g(lock_);
		advance(t);
		u32 worst = 0;
		for (u32 b : bin_)
			worst = worst > b ? worst : b;
		u32 low = t.at_min.load(std::memory_order_relaxed);
		u32 high = t.at_max.load(std::memory_order_relaxed);
		worst = worst < low ? low : worst;
		return high && worst > high ? high : worst;
	}
	struct View {
		u32 worst_ever;
		u32 bin[kBins];
	};
	[[nodiscard]] View view() noexcept
	{
		cfs::SpinGuard g(lock_);
		View v{worst_ever_, {}};
		for (unsigned i = 0; i < kBins; i++)
			v.bin[i] = bin_[i];
		return v;
	}

private:
	void advance(const Tunables &t) noexcept CFS_REQUIRES(lock_)
	{
		cfs::Instant now = cfs::Instant::now();
		std::int64_t history = t.at_history.load(std::memory_order_relaxed);
		auto width = cfs::Duration::seconds(history) / kBins;
		if (width.ns() <= 0)
			width = cfs::Duration::seconds(1);
		if (bin_start_ == cfs::Instant{})
			bin_start_ = now;
		for (unsigned i = 0; i < kBins && now - bin_start_ >= width; i++) {
			for (unsigned b = kBins - 1; b > 0; b--)
				bin_[b] = bin_[b - 1];
			bin_[0] = 0;
			bin_start_ = bin_start_ + width;
		}
		if (now - bin_start_ >= width) // nothing for longer than the history
			bin_start_ = now;
	}

	cfs::SpinLock lock_{CFS_LOCK_CLASS("rpc estimate")};
	u32 bin_[kBins] CFS_GUARDED_BY(lock_) = {};
	u32 worst_ever_ CFS_GUARDED_BY(lock_) = 0;
	cfs::Instant bin_start_ CFS_GUARDED_BY(lock_);
};

} // namespace rpc
