// SPDX-License-Identifier: GPL-2.0
//
// The debug log of a machine: which messages are wanted, the ring they are kept in, their copy on
// the console, and the ways they leave for a file (spec 08 sections 11 and 13). One object of this
// class belongs to the Machine; everyone reaches it through libcfs/log.hpp.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

#include "libcfs/debug_mask.hpp"
#include "libcfs/log_console.hpp"
#include "libcfs/log_daemon.hpp"
#include "libcfs/log_ring.hpp"

namespace cfs
{

class DebugLog
{
public:
	static constexpr std::uint64_t kMbPerCpuDefault = 5;
	static constexpr std::string_view kPathDefault = "/tmp/lustre-log";
	/// As `debug_path`: no dump is ever made unasked.
	static constexpr std::string_view kPathNone = "NONE";

	/// Sets up the ring; before it messages go to the console only. May sleep.
	[[nodiscard]] Result<> start() noexcept;
	/// Nobody may log any more.
	void stop() noexcept;

	[[nodiscard]] bool wanted(std::uint32_t subsys, std::uint32_t mask) const noexcept
	{
		return recorded(subsys, mask) || printed(subsys, mask);
	}
	void emit(const cfs_log_site &site, std::string_view text) noexcept;

	/// Empties the ring.
	void clear() noexcept;
	/// Empties the ring into a new file. Sleeps.
	[[nodiscard]] Result<> dump(std::string_view path) noexcept;
	/// Into `debug_path`.SEC.PID, unless that is "NONE". Sleeps.
	void dump_default() noexcept;

	/// Sets the size of the ring, over all CPUs. A value out of bounds is moved to the bound
	/// with a warning (spec 08 section 11.3).
	void set_mb(std::uint64_t mb) noexcept;
	/// The size in effect by stock's arithmetic, which is not what was set.
	[[nodiscard]] std::uint64_t mb() const noexcept;

	[[nodiscard]] Result<> set_path(std::string_view path) noexcept;
	[[nodiscard]] std::string_view path(std::span<char, kLogPathMax> buf) noexcept;
	void show_path(FormatSink &out) noexcept;

	std::atomic<std::uint32_t> debug_mask{kDebugDefault};
	std::atomic<std::uint32_t> subsys_mask{kSubsysDefault};
	std::atomic<std::uint32_t> printk_mask{kPrintkDefault};
	/// Subsystems whose recorded messages all go to the console as well.
	std::atomic<std::uint32_t> subsys_printk{0};

	LogRing ring;
	LogConsole console;
	LogDaemon daemon{ring};

private:
	[[nodiscard]] bool recorded(std::uint32_t subsys, std::uint32_t mask) const noexcept
	{
		return (mask & kDebugAlways) ||
		       ((mask & debug_mask.load(std::memory_order_relaxed)) &&
			(subsys_mask.load(std::memory_order_relaxed) >> (subsys & 31) & 1));
	}
	[[nodiscard]] bool printed(std::uint32_t subsys, std::uint32_t mask) const noexcept
	{
		return (mask & printk_mask.load(std::memory_order_relaxed)) ||
		       ((subsys_printk.load(std::memory_order_relaxed) >> (subsys & 31) & 1) &&
			recorded(subsys, mask));
	}

	Mutex path_lock_{CFS_LOCK_CLASS("debug log path")};
	char path_[kLogPathMax] CFS_GUARDED_BY(path_lock_) = "/tmp/lustre-log";
};

} // namespace cfs
