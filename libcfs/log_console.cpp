// SPDX-License-Identifier: GPL-2.0
//
// Console lines; see libcfs/log_console.hpp.
#include "libcfs/log_console.hpp"

#include "libcfs/plat/thread.h"

namespace cfs
{

namespace
{

cfs_console_level level_of(const cfs_log_site &site) noexcept
{
	if (site.mask & CFS_D_EMERG)
		return CFS_CONSOLE_EMERG;
	if (site.mask & CFS_D_ERROR)
		return CFS_CONSOLE_ERROR;
	if (site.mask & CFS_D_WARNING)
		return CFS_CONSOLE_WARNING;
	return CFS_CONSOLE_INFO;
}

/// "LustreError: 123:0:(file.cpp:45:func()) text"; users' messages without the middle part.
std::string_view compose(std::span<char> buf, const cfs_log_site &site,
			 std::string_view text) noexcept
{
	FormatSink out(buf);
	bool net = site.subsys == CFS_S_LNET || site.subsys == CFS_S_LND;
	bool error = site.mask & (CFS_D_EMERG | CFS_D_ERROR);
	out.print("{}{}: ", net ? "LNet" : "Lustre", error ? "Error" : "");
	if (!(site.mask & CFS_D_CONSOLE))
		out.print("{}:0:({}:{}:{}()) ", cfs_thread_pid(), site.file, site.line, site.func);
	out.put(text);
	return out.text();
}

/// FNV-1a over the names, not the addresses: those change from run to run, and outlive a module.
std::uint64_t key_of(const cfs_log_site &site) noexcept
{
	constexpr std::uint64_t kPrime = 1099511628211u;
	std::uint64_t h = 14695981039346656037u;
	for (const char *c = site.file; *c; c++)
		h = (h ^ static_cast<unsigned char>(*c)) * kPrime;
	h = (h ^ site.line) * kPrime;
	return h ? h : 1;
}

} // namespace

ConsoleLimiter::Site &ConsoleLimiter::find(const cfs_log_site &site) noexcept
{
	std::uint64_t key = key_of(site);
	Site *victim = nullptr;
	for (unsigned i = 0; i < kProbes; i++) {
		Site &s = sites_[(key + i) % kSites];
		if (s.key == key)
			return s;
		if (!victim || s.next < victim->next)
			victim = &s;
	}
	*victim = Site{};
	victim->key = key;
	return *victim;
}

ConsoleLimiter::Verdict ConsoleLimiter::ask(const cfs_log_site &site, Instant now,
					    const Settings &set) noexcept
{
	Site &s = find(site);
	if (now < s.next) {
		s.skipped++;
		return {false, s.skipped};
	}
	bool quiet = now - s.next > set.delay_max;
	Duration delay = quiet ? set.delay_min : s.delay * set.backoff;
	delay = delay < set.delay_min ? set.delay_min : delay;
	s.delay = delay > set.delay_max ? set.delay_max : delay;
	s.next = now + s.delay;
	std::uint32_t skipped = s.skipped;
	s.skipped = 0;
	return {true, skipped};
}

void LogConsole::put_line(const cfs_log_site &site, std::string_view text) noexcept
{
	std::string_view line = compose(line_, site, text);
	cfs_console(level_of(site), line.data(), line.size());
	counters_.printed++;
}

void LogConsole::print(const cfs_log_site &site, std::string_view text) noexcept
{
	ConsoleLimiter::Settings set{
		Duration::nanos(delay_min_ns.load(std::memory_order_relaxed)),
		Duration::nanos(delay_max_ns.load(std::memory_order_relaxed)),
		backoff.load(std::memory_order_relaxed),
	};
	bool limited =
		ratelimit.load(std::memory_order_relaxed) && !(site.flags & CFS_SITE_UNLIMITED);
	Instant now = Instant::now();

	SpinGuard g(lock_);
	ConsoleLimiter::Verdict v{true, 0};
	if (limited)
		v = limiter_.ask(site, now, set);
	if (!v.print) {
		counters_.suppressed++;
		return;
	}
	put_line(site, text);
	if (v.skipped) {
		char buf[64];
		put_line(site, format_to(buf, "Skipped {} previous similar message{}", v.skipped,
					 v.skipped == 1 ? "" : "s"));
	}
}

LogConsole::Counters LogConsole::counters() noexcept
{
	SpinGuard g(lock_);
	return counters_;
}

void print_unlogged(const cfs_log_site &site, std::string_view text) noexcept
{
	char buf[400];
	std::string_view line = compose(buf, site, text);
	cfs_console(level_of(site), line.data(), line.size());
}

} // namespace cfs
