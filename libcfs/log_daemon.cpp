// SPDX-License-Identifier: GPL-2.0
//
// The debug daemon and files of records; see libcfs/log_daemon.hpp.
#include "libcfs/log_daemon.hpp"

#include "libcfs/log.hpp"
#include "libcfs/parse.hpp"

namespace cfs
{

namespace
{

constexpr Duration kInterval = Duration::seconds(1);

} // namespace

Result<> LogFile::create(std::string_view path) noexcept
{
	char name[kLogPathMax];
	if (path.empty() || path[0] != '/')
		return fail(err::INVAL);
	if (path.size() >= sizeof(name))
		return fail(err::NAMETOOLONG);
	__builtin_memcpy(name, path.data(), path.size());
	name[path.size()] = '\0';
	(void)close();
	offset_ = 0;
	return to_result(cfs_file_create(name, &f_));
}

Result<> LogFile::write(const LogPages &pages, std::uint64_t bytes_max) noexcept
{
	return pages.for_each([&](Bytes b) -> Result<> {
		if (offset_ && offset_ + b.size() > bytes_max)
			offset_ = 0;
		TRY(to_result(cfs_file_write(f_, offset_, b.data(), b.size())));
		offset_ += b.size();
		return {};
	});
}

Result<> LogFile::close() noexcept
{
	if (!f_)
		return {};
	cfs_file *f = f_;
	f_ = nullptr;
	return to_result(cfs_file_close(f));
}

Result<> LogDaemon::command(std::string_view text) noexcept
{
	constexpr std::string_view kSize = "size=";
	std::string_view s = trim(text);
	MutexGuard g(control_);
	if (s == "stop") {
		stop_locked();
		return {};
	}
	if (s.starts_with(kSize)) {
		std::uint64_t mb = TRY(parse_u64(s.substr(kSize.size())));
		mb_ = mb < kMbMin || mb > kMbMax ? kMbDefault : mb;
		return {};
	}
	stop_locked();
	return start(s);
}

Result<> LogDaemon::start(std::string_view path) noexcept
{
	TRY(file_.create(path));
	bytes_max_ = mb_ << 20;
	stopping_.store(false, std::memory_order_relaxed);
	auto started = thread_.start<&LogDaemon::run>(cfs_node_current(), "lustre_debugd", this);
	if (!started) {
		(void)file_.close();
		return started;
	}
	format_cstr(path_, "{}", path);
	LCONSOLE_MARK(CFS_S_LIBCFS, "debug daemon will attempt to start writing to {} ({}kB max)",
		      path, mb_ << 10);
	return {};
}

void LogDaemon::stop_locked() noexcept
{
	if (!thread_.started())
		return;
	LCONSOLE_MARK(CFS_S_LIBCFS, "shutting down debug daemon thread...");
	stopping_.store(true, std::memory_order_release);
	wake_.wake_all();
	thread_.join();
	path_[0] = '\0';
}

void LogDaemon::stop() noexcept
{
	MutexGuard g(control_);
	stop_locked();
}

void LogDaemon::show(FormatSink &out) noexcept
{
	MutexGuard g(control_);
	out.print("{}\n", path_);
}

void LogDaemon::run() noexcept
{
	bool stop = false;
	Result<> written;
	while (!stop && written) {
		(void)wake_.wait(WaitMode::idle, after(kInterval),
				 [this] { return stopping_.load(std::memory_order_acquire); });
		stop = stopping_.load(std::memory_order_acquire);
		LogPages pages;
		ring_.take(pages);
		written = file_.write(pages, bytes_max_);
	}
	auto closed = file_.close();
	if (!written || !closed)
		LCONSOLE_ERROR(CFS_S_LIBCFS, "debug daemon cannot write its file and ends: {}",
			       written ? closed : written);
}

} // namespace cfs
