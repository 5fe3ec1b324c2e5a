// SPDX-License-Identifier: GPL-2.0
//
// The debug log (libcfs/debug_log.hpp) and the functions by which every module logs (plat/log.h).
#include "libcfs/debug_log.hpp"
#include "libcfs/machine.hpp"
#include "libcfs/plat/mem.h"
#include "libcfs/plat/thread.h"

namespace cfs
{

namespace
{

constexpr std::uint64_t kPagesPerMb = (1 << 20) / LogPage::kBytes;

/// Stock splits a CPU's share between the contexts a message may come from; we have one context,
/// but the sum shows in `debug_mb`.
std::size_t pages_of_share(std::uint64_t mb_per_cpu) noexcept
{
	std::uint64_t pages = mb_per_cpu * kPagesPerMb;
	return pages * 80 / 100 + 2 * (pages * 10 / 100);
}

const char *base_name(const char *path) noexcept
{
	const char *base = path;
	for (; *path; path++)
		if (*path == '/')
			base = path + 1;
	return base;
}

} // namespace

Result<> DebugLog::start() noexcept
{
	return ring.start(pages_of_share(kMbPerCpuDefault));
}

void DebugLog::stop() noexcept
{
	daemon.stop();
	ring.stop();
}

void DebugLog::emit(const cfs_log_site &site, std::string_view text) noexcept
{
	if (recorded(site.subsys, site.mask))
		ring.append(site, text);
	if (printed(site.subsys, site.mask))
		console.print(site, text);
}

void DebugLog::clear() noexcept
{
	LogPages pages;
	ring.take(pages);
}

Result<> DebugLog::dump(std::string_view path) noexcept
{
	LogFile file;
	TRY(file.create(path));
	LogPages pages;
	ring.take(pages);
	auto written = file.write(pages);
	auto closed = file.close();
	return written ? closed : written;
}

void DebugLog::dump_default() noexcept
{
	char base[kLogPathMax];
	std::string_view p = path(base);
	if (p == kPathNone)
		return;
	char buf[kLogPathMax];
	std::string_view name =
		format_to(buf, "{}.{}.{}", p, cfs_real_ns() / 1000000000, cfs_thread_pid());
	if (auto r = dump(name))
		LCONSOLE_WARN(CFS_S_LIBCFS, "debug log written to {}", name);
	else
		LCONSOLE_ERROR(CFS_S_LIBCFS, "cannot write the debug log to {}: {}", name, r);
}

void DebugLog::set_mb(std::uint64_t mb) noexcept
{
	std::uint64_t cpus = cfs_cpu_count();
	std::uint64_t most = (cfs_mem_total() >> 20) * 4 / 5;
	most = most < 512 ? 512 : most;
	std::uint64_t asked = mb;
	mb = mb > most ? most : mb;
	mb = mb < cpus ? cpus : mb;
	if (mb != asked)
		LCONSOLE_WARN(CFS_S_LIBCFS, "debug_mb: {} is out of range {}..{}, using {}", asked,
			      cpus, most, mb);
	ring.set_limit(pages_of_share(mb / cpus));
}

std::uint64_t DebugLog::mb() const noexcept
{
	return ring.limit() * cfs_cpu_count() / kPagesPerMb + 1;
}

Result<> DebugLog::set_path(std::string_view path) noexcept
{
	// Room for the time and process id that dump_default() appends.
	if (path.size() + 32 > kLogPathMax)
		return fail(err::NAMETOOLONG);
	if (path != kPathNone && (path.empty() || path[0] != '/'))
		return fail(err::INVAL);
	MutexGuard g(path_lock_);
	format_cstr(path_, "{}", path);
	return {};
}

std::string_view DebugLog::path(std::span<char, kLogPathMax> buf) noexcept
{
	MutexGuard g(path_lock_);
	return format_to(buf, "{}", path_);
}

void DebugLog::show_path(FormatSink &out) noexcept
{
	char buf[kLogPathMax];
	out.print("{}", path(buf));
}

} // namespace cfs

bool cfs_log_wanted(std::uint32_t subsys, std::uint32_t mask) noexcept
{
	cfs_machine *m = cfs_machine_get();
	return m ? m->log.wanted(subsys, mask) : (mask & cfs::kDebugAlways) != 0;
}

void cfs_log_emit(const cfs_log_site *site, const char *text, std::size_t n) noexcept
{
	if (cfs_machine *m = cfs_machine_get())
		m->log.emit(*site, {text, n});
	else if (site->mask & cfs::kDebugAlways)
		cfs::print_unlogged(*site, {text, n});
}

bool cfs_log_lbug(const char *file, int line, const char *func, const char *what) noexcept
{
	cfs_machine *m = cfs_machine_get();
	if (m)
		m->catastrophe.store(true, std::memory_order_relaxed);
	const cfs_log_site site{cfs::base_name(file), func,	   static_cast<std::uint32_t>(line),
				CFS_S_LIBCFS,	      CFS_D_EMERG, CFS_SITE_UNLIMITED};
	char buf[400];
	std::string_view text = cfs::format_to(buf, "ASSERTION( {} ) failed", what);
	cfs_log_emit(&site, text.data(), text.size());
	cfs_log_emit(&site, "LBUG", 4);
	return !m || m->panic_on_lbug.load(std::memory_order_relaxed);
}

void cfs_log_dump_default() noexcept
{
	if (cfs_machine *m = cfs_machine_get())
		m->log.dump_default();
}
