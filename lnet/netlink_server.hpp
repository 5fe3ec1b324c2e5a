// SPDX-License-Identifier: GPL-2.0
//
// What lnet.ko's half of the netlink interface shares among its files: netlink_server.cpp does what
// requests ask, netlink_dump.cpp answers those that ask for a listing.
#pragma once

#include "lnet/control.hpp"
#include "lnet/netlink_tree.hpp"
#include "lnet/plat_netlink.h"

namespace lnet::nl
{

/// The Linux error that says "no such process"; what stock says of a network that is not there.
inline constexpr cfs::Errno kSrch{3};

/// What the administrator is told beside the error: a constant text.
class Complaint
{
	const char **out_;

public:
	explicit Complaint(const char **out) noexcept : out_(out) { *out_ = nullptr; }
	/// The failure, with that text unless there is one already.
	[[nodiscard]] std::unexpected<cfs::Errno> say(cfs::Errno e, const char *text) noexcept
	{
		if (!*out_)
			*out_ = text;
		return cfs::fail(e);
	}
	/// r, with that text if it failed.
	template <typename T>
	[[nodiscard]] cfs::Result<T> note(cfs::Result<T> r, const char *text) noexcept
	{
		if (!r && !*out_)
			*out_ = text;
		return r;
	}
};

/// A text value of a mapping; err::NOENT when it is not there, err::INVAL when it is none.
[[nodiscard]] inline cfs::Result<std::string_view> text_of(const Item &mapping,
							   std::string_view key) noexcept
{
	const Item *v = mapping.find(key);
	if (!v)
		return cfs::fail(cfs::err::NOENT);
	if (!v->is_text())
		return cfs::fail(cfs::err::INVAL);
	return v->text();
}

/// A number of a mapping, or `otherwise`; err::INVAL, err::RANGE.
[[nodiscard]] inline cfs::Result<std::int64_t> number_of(const Item &mapping, std::string_view key,
							 std::int64_t otherwise, std::int64_t min,
							 std::int64_t max) noexcept
{
	const Item *v = mapping.find(key);
	if (!v)
		return otherwise;
	auto n = TRY(v->number());
	if (n < min || n > max)
		return cfs::fail(cfs::err::RANGE);
	return n;
}

[[nodiscard]] cfs::Result<Control *> control_of(cfs_node *node) noexcept;

} // namespace lnet::nl
