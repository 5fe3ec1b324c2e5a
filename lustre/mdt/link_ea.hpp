// SPDX-License-Identifier: GPL-2.0
//
// trusted.link: under which names an object is found (spec 07 section 9.3). Its names are changed
// under the object's locks, so it is read and made anew before the transaction that stores it.
#pragma once

#include "osd/osd.hpp"
#include "wire/xattr.hpp"

namespace mdt
{

using osd::Fid;

class LinkEa
{
	cfs::Array<std::byte> bytes_; // MAX_LINKEA_SIZE, of which used_ count
	std::size_t used_ = 0;

	[[nodiscard]] wire::LinkEaHeader &head() noexcept
	{
		return *reinterpret_cast<wire::LinkEaHeader *>(bytes_.data());
	}

public:
	/// Of an object without names so far.
	[[nodiscard]] cfs::Result<> make() noexcept;
	/// As it is; one that makes no sense counts as empty.
	[[nodiscard]] cfs::Result<> read(osd::Object &o) noexcept;
	/// A name that does not fit any more is noted as lost, with the time.
	void add(const Fid &parent, std::string_view name, std::int64_t now) noexcept;
	/// Nothing happens if it is not there.
	void remove(const Fid &parent, std::string_view name) noexcept;
	[[nodiscard]] bool empty() noexcept { return head().reccount == 0; }

	[[nodiscard]] cfs::Result<> declare(osd::Transaction &tx, osd::Object &o) noexcept
	{
		return o.declare_xattr_set(tx, wire::XATTR_NAME_LINK, used_);
	}
	[[nodiscard]] cfs::Result<> store(osd::Transaction &tx, osd::Object &o) noexcept
	{
		return o.xattr_set(tx, wire::XATTR_NAME_LINK, {bytes_.data(), used_});
	}
};

} // namespace mdt
