// SPDX-License-Identifier: GPL-2.0
//
// Messages of core code. For developers:
//
//     CDEBUG(CFS_S_RPC, CFS_D_RPCTRACE, "sending x{} to {}", xid, nid);
//     CERROR(CFS_S_OSD, "{}: cannot read object {}: rc = {}", name, fid, error);
//
// go to the debug log when the masks want them (errors and warnings always) and, with file, line
// and function before the text, to the console as `printk` says. For users,
//
//     LCONSOLE_WARN(CFS_S_RPC, "{}: Connection to {} was lost; ...", device, target);
//
// go to both with the text alone: it names the node, the target, what failed and what to do. The
// console copy is rate-limited per call site. Arguments are evaluated only when the message is
// wanted; format strings are those of libcfs/format.hpp. May be used with spinlocks held.
#pragma once

#include "libcfs/format.hpp"
#include "libcfs/plat/log.h"

namespace cfs
{

/// A message is cut here; the rest of a console line comes on top.
inline constexpr std::size_t kLogTextMax = 1000;

namespace detail
{

[[gnu::__noinline__, gnu::__cold__]] inline void
log_vformat(const cfs_log_site *site, std::string_view fmt, const FormatArg *args) noexcept
{
	char buf[kLogTextMax];
	FormatSink out(buf);
	vformat(out, fmt, args);
	cfs_log_emit(site, out.text().data(), out.size());
}

template <typename... Args>
[[gnu::__cold__]] inline void log_format(const cfs_log_site *site, FormatString<Args...> fmt,
					 const Args &...args) noexcept
{
	const FormatArg a[sizeof...(Args) + 1] = {make_format_arg(args)..., {}};
	log_vformat(site, fmt.text(), a);
}

} // namespace detail
} // namespace cfs

/// The call site of a message; `log_mask` must be constant.
#define CFS_LOG_AT(log_subsys, log_mask, log_flags, ...)                                           \
	do {                                                                                       \
		static constexpr ::cfs_log_site log_site_{                                         \
			__FILE_NAME__,                                                             \
			__func__,                                                                  \
			__LINE__,                                                                  \
			static_cast<::std::uint32_t>(log_subsys),                                  \
			static_cast<::std::uint32_t>(log_mask),                                    \
			static_cast<::std::uint32_t>(log_flags)};                                  \
		if (::cfs_log_wanted(log_site_.subsys, log_site_.mask))                            \
			::cfs::detail::log_format(&log_site_, __VA_ARGS__);                        \
	} while (0)

/// A message of one type of enum cfs_debug_mask.
#define CDEBUG(subsys, mask, ...) CFS_LOG_AT(subsys, mask, 0, __VA_ARGS__)
/// For developers: something failed, is odd, a peer misbehaves, the end is near.
#define CERROR(subsys, ...) CFS_LOG_AT(subsys, CFS_D_ERROR, 0, __VA_ARGS__)
#define CWARN(subsys, ...) CFS_LOG_AT(subsys, CFS_D_WARNING, 0, __VA_ARGS__)
#define CNETERR(subsys, ...) CFS_LOG_AT(subsys, CFS_D_NETERROR, 0, __VA_ARGS__)
#define CEMERG(subsys, ...) CFS_LOG_AT(subsys, CFS_D_EMERG, CFS_SITE_UNLIMITED, __VA_ARGS__)
/// For users.
#define LCONSOLE_ERROR(subsys, ...) CFS_LOG_AT(subsys, CFS_D_CONSOLE | CFS_D_ERROR, 0, __VA_ARGS__)
#define LCONSOLE_WARN(subsys, ...) CFS_LOG_AT(subsys, CFS_D_CONSOLE | CFS_D_WARNING, 0, __VA_ARGS__)
#define LCONSOLE_INFO(subsys, ...) CFS_LOG_AT(subsys, CFS_D_CONSOLE, 0, __VA_ARGS__)
/// For users, never suppressed: only what a person's single act causes.
#define LCONSOLE_MARK(subsys, ...)                                                                 \
	CFS_LOG_AT(subsys, CFS_D_CONSOLE | CFS_D_WARNING, CFS_SITE_UNLIMITED, __VA_ARGS__)
