// SPDX-License-Identifier: GPL-2.0
//
// The machine's start and end, and the parameters of libcfs itself (spec 08 section 8.1).
#include "libcfs/machine.hpp"

#include "libcfs/log.hpp"
#include "libcfs/plat/mem.h"

namespace cfs
{

namespace
{

constexpr MaskRules kDebugRules{kDebugTypeNames, 0, kDebugDefault};
constexpr MaskRules kPrintkRules{kDebugTypeNames, kPrintkMinimum, kPrintkDefault};
constexpr MaskRules kSubsysRules{kSubsysNames, 0, kSubsysDefault};

constexpr auto kDebugfs = CFS_PTREE_DEBUGFS;

constinit const ParamInfo kLogParams[] = {
	param_mask<&DebugLog::debug_mask>(
		{.name = "debug",
		 .doc = "Types of messages that are recorded. Errors, warnings and messages to the "
			"console always are.",
		 .tree = kDebugfs,
		 .mask = &kDebugRules}),
	param_mask<&DebugLog::subsys_mask>({.name = "subsystem_debug",
					    .doc = "Subsystems whose messages are recorded.",
					    .tree = kDebugfs,
					    .mask = &kSubsysRules}),
	param_mask<&DebugLog::printk_mask>(
		{.name = "printk",
		 .doc = "Types of messages that are printed on the console.",
		 .tree = kDebugfs,
		 .mask = &kPrintkRules}),
	param_int<&DebugLog::subsys_printk>(
		{.name = "subsystem_printk",
		 .doc = "Subsystems (as a number) all of whose recorded messages are printed on "
			"the console.",
		 .tree = kDebugfs}),
	param_int<&DebugLog::mb, &DebugLog::set_mb>(
		{.name = "debug_mb",
		 .doc = "Memory for recorded messages, over all CPUs. Values out of bounds are "
			"moved to the bound.",
		 .unit = "MiB",
		 .by_default = DebugLog::kMbPerCpuDefault,
		 .tree = kDebugfs}),
	param_text<&DebugLog::show_path, &DebugLog::set_path>(
		{.name = "debug_path",
		 .doc = "Where the log is written when something goes wrong: the time and a "
			"process id are appended. NONE: nowhere.",
		 .tree = kDebugfs}),
	param_text<nullptr, &DebugLog::dump>(
		{.name = "dump_kernel",
		 .doc = "Writing the absolute path of a file moves the recorded messages there.",
		 .tree = kDebugfs}),
};

constinit const ParamInfo kDaemonParams[] = {
	param_text<&LogDaemon::show, &LogDaemon::command>(
		{.name = "daemon_file",
		 .doc = "An absolute path starts the debug daemon, which writes messages there as "
			"they come; size=MB sets how large the file may become; stop stops.",
		 .tree = kDebugfs}),
};

constinit const ParamInfo kConsoleParams[] = {
	param_bool<&LogConsole::ratelimit>(
		{.name = "console_ratelimit",
		 .doc = "Whether messages that repeat are kept from the console.",
		 .by_default = 1,
		 .tree = kDebugfs}),
	param_duration<&LogConsole::delay_max_ns>(
		{.name = "console_max_delay_centisecs",
		 .doc = "The longest time for which a repeated message is suppressed.",
		 .unit = "tenths of a second, in spite of the name",
		 .by_default = 6000,
		 .min = 1,
		 .max = 864000,
		 .scale = 100 * kScaleMsec,
		 .tree = kDebugfs}),
	param_duration<&LogConsole::delay_min_ns>(
		{.name = "console_min_delay_centisecs",
		 .doc = "The time for which a message is suppressed after it was first printed.",
		 .unit = "tenths of a second, in spite of the name",
		 .by_default = 5,
		 .min = 1,
		 .max = 864000,
		 .scale = 100 * kScaleMsec,
		 .tree = kDebugfs}),
	param_int<&LogConsole::backoff>(
		{.name = "console_backoff",
		 .doc = "The factor by which the suppression of a message that keeps coming grows.",
		 .by_default = 2,
		 .min = 1,
		 .max = 1000,
		 .tree = kDebugfs}),
};

constinit const ParamInfo kFailParams[] = {
	param_int<&FailPoints::loc, &FailPoints::set_loc>(
		{.name = "fail_loc",
		 .doc = "The fail point that is armed, with flags; 0 disarms.",
		 .tree = kDebugfs}),
	param_int<&FailPoints::val>({.name = "fail_val",
				     .doc = "The argument of the armed fail point.",
				     .tree = kDebugfs}),
	param_int<&FailPoints::err>({.name = "fail_err",
				     .doc = "The error that some fail points return.",
				     .min = INT32_MIN,
				     .tree = kDebugfs}),
};

constinit const ParamInfo kMachineParams[] = {
	param_bool<&Machine::catastrophe>({.name = "catastrophe",
					   .doc = "Whether an assertion has failed.",
					   .tree = kDebugfs,
					   .read_only = true}),
	param_bool<&Machine::panic_on_lbug>(
		{.name = "panic_on_lbug",
		 .doc = "Whether a failed assertion stops the whole machine.",
		 .by_default = 1,
		 .tree = kDebugfs}),
	param_text<nullptr, &Machine::force_lbug>({.name = "force_lbug",
						   .doc = "Writing anything fails an assertion.",
						   .tree = kDebugfs}),
	param_text<nullptr, &Machine::mark>({.name = "debug_marker",
					     .doc = "Writes a line to the log and the console.",
					     .tree = kDebugfs}),
	param_int<&Machine::lnet_memused>({.name = "lnet_memused",
					   .doc = "Memory that LNet and its drivers hold.",
					   .unit = "bytes",
					   .tree = kDebugfs}),
	param_text<&Machine::show_log_stats>(
		{.name = "debug_log_stats",
		 .doc = "What became of messages: recorded, overwritten by later ones, dropped for "
			"want of memory; printed on the console, suppressed there.",
		 .unit = "messages",
		 .tree = kDebugfs}),
};

constinit const ParamInfo kLustreParams[] = {
	param_bool<&Machine::stats_header>(
		{.name = "enable_stats_header",
		 .doc = "Whether statistics begin with the time they were cleared.",
		 .by_default = 1}),
	param_int<&Machine::memused>(
		{.name = "memused",
		 .doc = "Memory that the modules hold, LNet and its drivers excepted.",
		 .unit = "bytes"}),
	param_int<&Machine::memused_max>(
		{.name = "memused_max",
		 .doc = "The sum of the most that each subsystem has held.",
		 .unit = "bytes"}),
};

constexpr bool is_net(unsigned s) noexcept
{
	return s == CFS_S_LNET || s == CFS_S_LND;
}

using MemUsageField = decltype(&::cfs_mem_usage::bytes);

std::int64_t sum_usage(bool net, MemUsageField field) noexcept
{
	std::int64_t sum = 0;
	for (unsigned s = 0; s < CFS_S_COUNT; s++) {
		if (is_net(s) != net)
			continue;
		struct cfs_mem_usage u{};
		cfs_mem_usage(static_cast<cfs_subsys>(s), &u);
		sum += u.*field;
	}
	return sum;
}

} // namespace

} // namespace cfs

using cfs::Result;

Result<> cfs_machine::open_params() noexcept
{
	TRY(lnet_params.open_root(nullptr, "lnet"));
	TRY(lustre_params.open_root(nullptr, "lustre"));
	TRY(lnet_params.add(cfs::kLogParams, &log));
	TRY(lnet_params.add(cfs::kDaemonParams, &log.daemon));
	TRY(lnet_params.add(cfs::kConsoleParams, &log.console));
	TRY(lnet_params.add(cfs::kFailParams, &fail));
	TRY(lnet_params.add(cfs::kMachineParams, this));
	TRY(lustre_params.add(cfs::kLustreParams, this));
	return {};
}

void cfs_machine::mark(std::string_view text) noexcept
{
	LCONSOLE_MARK(CFS_S_LIBCFS, "DEBUG MARKER: {}", text);
}

void cfs_machine::force_lbug(std::string_view) noexcept
{
	CFS_UNREACHABLE("force_lbug");
}

std::int64_t cfs_machine::lnet_memused() noexcept
{
	return cfs::sum_usage(true, &cfs_mem_usage::bytes);
}

std::int64_t cfs_machine::memused() noexcept
{
	return cfs::sum_usage(false, &cfs_mem_usage::bytes);
}

std::int64_t cfs_machine::memused_max() noexcept
{
	return cfs::sum_usage(false, &cfs_mem_usage::bytes_max);
}

void cfs_machine::show_log_stats(cfs::FormatSink &out) noexcept
{
	auto ring = log.ring.counters();
	auto console = log.console.counters();
	out.print("recorded: {}\noverwritten: {}\ndropped: {}\n", ring.recorded, ring.overwritten,
		  ring.dropped);
	out.print("printed: {}\nsuppressed: {}\n", console.printed, console.suppressed);
}

int cfs_core_start() noexcept
{
	CFS_ASSERT(!cfs_machine_get());
	auto made = cfs::try_make<cfs_machine>();
	if (!made)
		return to_rc(made);
	if (auto started = (*made)->log.start(); !started)
		return to_rc(started);
	cfs_machine *m = made->release();
	cfs_machine_set(m);
	auto opened = m->open_params();
	if (!opened)
		cfs_core_stop();
	return to_rc(opened);
}

void cfs_core_stop() noexcept
{
	cfs_machine *m = cfs_machine_get();
	CFS_ASSERT(m);
	{
		cfs::MutexGuard g(m->nodes_lock);
		CFS_ASSERT(m->nodes.empty());
	}
	m->fail.set_loc(0);
	m->lustre_params.close();
	m->lnet_params.close();
	m->log.daemon.stop();
	cfs_machine_set(nullptr);
	m->log.stop();
	cfs::UniquePtr<cfs_machine>(m).reset();
}

bool cfs_core_catastrophe() noexcept
{
	cfs_machine *m = cfs_machine_get();
	return m && m->catastrophe.load(std::memory_order_relaxed);
}

bool cfs_core_stats_header() noexcept
{
	cfs_machine *m = cfs_machine_get();
	return !m || m->stats_header.load(std::memory_order_relaxed);
}

int cfs_core_param_set(const char *name, const char *value) noexcept
{
	cfs_machine *m = cfs_machine_get();
	if (!m)
		return to_rc(cfs::err::SHUTDOWN);
	return to_rc(m->lnet_params.set(name, value));
}

int cfs_core_param_get(const char *name, char *buf, std::size_t n) noexcept
{
	cfs_machine *m = cfs_machine_get();
	if (!m || n == 0)
		return to_rc(cfs::err::SHUTDOWN);
	cfs::FormatSink out(std::span<char>(buf, n - 1));
	auto shown = m->lnet_params.show(name, out);
	buf[out.size()] = '\0';
	return to_rc(shown);
}

void cfs_log_clear() noexcept
{
	if (cfs_machine *m = cfs_machine_get())
		m->log.clear();
}

void cfs_log_mark(const char *text, std::size_t n) noexcept
{
	if (cfs_machine *m = cfs_machine_get())
		m->mark({text, n});
}
