// SPDX-License-Identifier: GPL-2.0
//
// Names of targets, "lustre-OST0003" (07 3.1): the name of the file system, what it is, and its
// index in four hexadecimal digits. The MGS's is "MGS" and is not of this form.
#pragma once

#include <string_view>

#include "libcfs/result.hpp"
#include "wire/types.hpp"

namespace wire
{

enum class TargetKind : u8 { mdt, ost };

struct TargetName {
	std::string_view fsname; ///< a piece of the name that was parsed
	TargetKind kind;
	u16 index;
};

/// err::INVAL for what is no such name.
[[nodiscard]] constexpr cfs::Result<TargetName> parse_target_name(std::string_view name) noexcept
{
	constexpr std::size_t kTail = sizeof("-OST0003") - 1;
	if (name.size() <= kTail)
		return cfs::fail(cfs::err::INVAL);
	TargetName t{name, TargetKind::mdt, 0};
	t.fsname.remove_suffix(kTail);
	name.remove_prefix(t.fsname.size());
	if (name.starts_with("-OST"))
		t.kind = TargetKind::ost;
	else if (!name.starts_with("-MDT"))
		return cfs::fail(cfs::err::INVAL);
	name.remove_prefix(4);
	for (char c : name) {
		bool digit = c >= '0' && c <= '9';
		if (!digit && !(c >= 'a' && c <= 'f'))
			return cfs::fail(cfs::err::INVAL);
		t.index = static_cast<u16>(t.index << 4 | (digit ? c - '0' : c - 'a' + 10));
	}
	return t;
}

} // namespace wire
