// SPDX-License-Identifier: GPL-2.0
//
// Simulated disks: sectors with a volatile write cache. A write is durable when a flush that began
// after it has ended; a crash before that leaves any subset of it, by the policy. Reads see the
// newest write. A disk belongs to the world and outlives the nodes that use it.
//
// A write that has been submitted and has not returned counts as not flushed: a crash in the middle
// may leave it or not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "libcfs/result.hpp"
#include "libcfs/sim/sim.hpp"

namespace cfs::sim
{

enum class CrashPolicy {
	any,	  ///< each crash draws one of the others
	lose_all, ///< nothing of the cache survives
	keep_all, ///< all of it does
	writes,	  ///< each write survives whole or not at all, whatever came before or after it
	sectors,  ///< each sector holds any of the versions since the last flush: torn writes
};

struct DiskOptions {
	std::uint64_t sectors = std::uint64_t{1} << 20;
	std::uint32_t sector_bytes = 512;
	Nanos read_min = 50 * kMicrosecond;
	Nanos read_max = 200 * kMicrosecond;
	Nanos write_min = 10 * kMicrosecond;
	Nanos write_max = 100 * kMicrosecond;
	Nanos flush_min = 200 * kMicrosecond;
	Nanos flush_max = 5 * kMillisecond;
	CrashPolicy crash_policy = CrashPolicy::any;
};

class Disk
{
public:
	Disk(Sched &sched, std::string name, const DiskOptions &options);

	// From fibers. They sleep. Offsets and lengths in whole sectors, or err::INVAL; beyond the
	// end err::NOSPC for writes and err::INVAL for reads; err::IO when made to fail.
	[[nodiscard]] Result<> read(std::uint64_t offset, std::span<std::byte> to);
	[[nodiscard]] Result<> write(std::uint64_t offset, std::span<const std::byte> from);
	[[nodiscard]] Result<> flush();

	/// Applies the crash policy to the cache: what a crash of its node does. A flush under way
	/// has made nothing durable.
	void crash();
	/// The next n operations fail with err::IO.
	void fail_next(unsigned n) { failing_ = n; }
	/// Operations take this much longer from now on.
	void slow_down(Nanos by) { slower_ = by; }

	[[nodiscard]] const std::string &name() const noexcept { return name_; }
	[[nodiscard]] const DiskOptions &options() const noexcept { return options_; }
	/// Sectors with writes not yet durable.
	[[nodiscard]] std::size_t dirty_sectors() const noexcept { return cache_.size(); }

private:
	using Sector = std::vector<std::byte>;
	struct Version {
		std::uint64_t write; ///< number of the write it came with
		Sector data;
	};

	[[nodiscard]] Result<> begin(std::uint64_t offset, std::size_t bytes, Nanos low,
				     Nanos high);
	void settle(std::map<std::uint64_t, bool> &kept_writes, CrashPolicy policy);

	Sched &sched_;
	std::string name_;
	DiskOptions options_;
	std::map<std::uint64_t, Sector> durable_;
	std::map<std::uint64_t, std::vector<Version>> cache_; ///< oldest version first
	std::uint64_t next_write_ = 1;
	unsigned crashes_ = 0;
	unsigned failing_ = 0;
	Nanos slower_ = 0;
};

} // namespace cfs::sim
