// SPDX-License-Identifier: GPL-2.0
//
// The debug daemon: a thread that moves records from the ring to a file as they come, for histories
// longer than memory holds (`lctl debug_daemon`, spec 08 section 2.6). When the file has reached
// its size the daemon starts over at its begin.
#pragma once

#include <string_view>

#include "libcfs/format.hpp"
#include "libcfs/lock.hpp"
#include "libcfs/log_ring.hpp"
#include "libcfs/plat/file.h"
#include "libcfs/thread.hpp"
#include "libcfs/wait.hpp"

namespace cfs
{

/// Longest path of a file that the log is written to, with its NUL.
inline constexpr std::size_t kLogPathMax = 256;

/// A file of records. Closes itself.
class LogFile
{
	cfs_file *f_ = nullptr;
	std::uint64_t offset_ = 0;

public:
	LogFile() = default;
	LogFile(const LogFile &) = delete;
	LogFile &operator=(const LogFile &) = delete;
	~LogFile() { (void)close(); }

	/// err::INVAL when the path is not absolute, err::NAMETOOLONG. Sleeps.
	[[nodiscard]] Result<> create(std::string_view path) noexcept;
	/// Writes the pages behind each other; starts over before it would pass `bytes_max`.
	[[nodiscard]] Result<> write(const LogPages &pages,
				     std::uint64_t bytes_max = UINT64_MAX) noexcept;
	Result<> close() noexcept;
};

class LogDaemon
{
public:
	static constexpr std::uint64_t kMbMin = 10;
	static constexpr std::uint64_t kMbMax = 20480;
	static constexpr std::uint64_t kMbDefault = 500;

	explicit LogDaemon(LogRing &ring) noexcept : ring_(ring) {}
	~LogDaemon() { stop(); }

	/// A command as written to `daemon_file`: an absolute path starts (or restarts), `size=MB`
	/// says how large the file may become from the next start on, `stop` stops. Sleeps.
	[[nodiscard]] Result<> command(std::string_view text) noexcept;
	/// Writes what is left and ends the thread. Sleeps.
	void stop() noexcept;
	/// Prints the path being written to, and a newline.
	void show(FormatSink &out) noexcept;

private:
	[[nodiscard]] Result<> start(std::string_view path) noexcept CFS_REQUIRES(control_);
	void stop_locked() noexcept CFS_REQUIRES(control_);
	void run() noexcept;

	LogRing &ring_;
	Mutex control_{CFS_LOCK_CLASS("debug daemon control")};
	std::uint64_t mb_ CFS_GUARDED_BY(control_) = kMbDefault;
	char path_[kLogPathMax] CFS_GUARDED_BY(control_) = {};
	Thread thread_ CFS_GUARDED_BY(control_);

	// The thread's own while it runs.
	LogFile file_;
	std::uint64_t bytes_max_ = 0;

	std::atomic<bool> stopping_{false};
	WaitQueue wake_{CFS_LOCK_CLASS("debug daemon wake")};
};

} // namespace cfs
