// SPDX-License-Identifier: GPL-2.0
//
// The names of message types and subsystems, and the text form of the masks made of them (spec 08
// sections 11.1 and 11.2). Shared by the parameters of the kernel modules and by lctl.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "libcfs/format.hpp"
#include "libcfs/parse.hpp"
#include "libcfs/plat/subsys.h"

namespace cfs
{

using MaskNames = std::span<const std::string_view, 32>;

/// By bit of `debug` and `printk`.
inline constexpr std::string_view kDebugTypeNames[32] = {
	"trace",    "inode",   "super",	  "iotrace", "malloc",	 "cache",    "info",	 "ioctl",
	"neterror", "net",     "warning", "buffs",   "other",	 "dentry",   "nettrace", "page",
	"dlmtrace", "error",   "emerg",	  "ha",	     "rpctrace", "vfstrace", "reada",	 "mmap",
	"config",   "console", "quota",	  "sec",     "lfsck",	 "hsm",	     "snapshot", "layout",
};

/// By bit of `subsystem_debug`; bits that mean nothing have empty names.
inline constexpr std::string_view kSubsysNames[32] = {
	"undefined", "mdc",  "mds",    "osc", "ost",	"class",    "log",    "llite",
	"rpc",	     "mgmt", "lnet",   "lnd", "pinger", "filter",   "libcfs", "echo",
	"ldlm",	     "lov",  "lquota", "osd", "lfsck",	"snapshot", "",	      "lmv",
	"",	     "sec",  "gss",    "",    "mgc",	"mgs",	    "fid",    "fld",
};

/// Always recorded, whatever `debug` says.
inline constexpr std::uint32_t kDebugAlways =
	CFS_D_ERROR | CFS_D_EMERG | CFS_D_WARNING | CFS_D_CONSOLE;
inline constexpr std::uint32_t kDebugDefault =
	kDebugAlways | CFS_D_NETERROR | CFS_D_HA | CFS_D_CONFIG | CFS_D_IOCTL | CFS_D_LFSCK;
inline constexpr std::uint32_t kPrintkDefault = kDebugAlways;
/// What `printk` always keeps.
inline constexpr std::uint32_t kPrintkMinimum = CFS_D_EMERG;
inline constexpr std::uint32_t kSubsysDefault = 0xffffffff;

/// How one mask is read: its names, the bits it never loses, what `default` means.
struct MaskRules {
	MaskNames names;
	std::uint32_t minimum = 0;
	std::uint32_t by_default = 0;
};

/// The mask a text asks for, and what there is to say about the text.
struct ParsedMask {
	std::uint32_t mask = 0;
	bool ok = false;
	bool deprecated_number = false; // a number other than 0 and -1
	std::string_view unknown;	// the word that is no name
};

/// The names of the set bits, blank separated. Nameless bits leave an empty word, as stock does.
inline void print_mask(FormatSink &out, MaskNames names, std::uint32_t mask) noexcept
{
	bool first = true;
	for (unsigned i = 0; i < 32; i++) {
		if (!(mask >> i & 1))
			continue;
		if (!first)
			out.put(' ');
		first = false;
		out.put(names[i]);
	}
}

namespace detail
{

/// The bits of one word.
constexpr Result<std::uint32_t> mask_word(std::string_view word, const MaskRules &rules) noexcept
{
	if (same_word(word, "all"))
		return 0xffffffffu;
	if (same_word(word, "default"))
		return rules.by_default;
	for (unsigned i = 0; i < 32; i++)
		if (!rules.names[i].empty() && same_word(word, rules.names[i]))
			return 1u << i;
	return fail(err::INVAL);
}

} // namespace detail

/// Reads a mask as it is written to `debug` and its like: words separated by blanks or commas, each
/// with an optional + or - before it (which may stand apart). A first word without a sign starts
/// from the minimum, otherwise `current` is changed. Or one number.
[[nodiscard]] inline ParsedMask parse_mask(std::string_view text, const MaskRules &rules,
					   std::uint32_t current) noexcept
{
	constexpr std::string_view kSeparators = " \t\r\n,";
	ParsedMask r;
	if (auto n = parse_i64(text); n && *n >= INT32_MIN && *n <= UINT32_MAX) {
		r.mask = static_cast<std::uint32_t>(*n) | rules.minimum;
		r.deprecated_number = *n != 0 && *n != -1;
		r.ok = true;
		return r;
	}
	std::uint32_t mask = current;
	char sign = 0;
	bool first = true;
	bool dangling = false;
	while (!text.empty()) {
		if (kSeparators.find(text[0]) != std::string_view::npos) {
			text.remove_prefix(1);
			continue;
		}
		if (text[0] == '+' || text[0] == '-') {
			sign = text[0];
			dangling = true;
			text.remove_prefix(1);
			continue;
		}
		std::string_view word = next_word(text, " \t\r\n,+-");
		auto bits = detail::mask_word(word, rules);
		if (!bits) {
			r.unknown = word;
			return r;
		}
		if (first && sign == 0)
			mask = rules.minimum;
		mask = sign == '-' ? mask & ~*bits : mask | *bits;
		first = false;
		dangling = false;
		sign = 0;
	}
	r.mask = mask | rules.minimum;
	r.ok = !first && !dangling;
	return r;
}

} // namespace cfs
