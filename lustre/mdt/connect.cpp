// SPDX-License-Identifier: GPL-2.0
//
// Who may connect, and what is granted (spec 04 section 20).
#include <algorithm>

#include "mdt/target.hpp"
#include "wire/xattr.hpp"

namespace mdt
{

namespace
{

/// "Invalid exchange": what stock answers to who does not know FIDs.
constexpr cfs::Errno kBadExchange{52};
/// Modifying requests a client may have under way.
constexpr u32 kModRpcsMax = 8;
/// Longest value of an extended attribute that travels.
constexpr u32 kEaBytesMax = osd::kXattrSizeMax;

} // namespace

cfs::Result<> MdtTarget::may_connect(const rpc::ConnectRequest &r) noexcept
{
	bool server = r.data.connect_flags & wire::OBD_CONNECT_LIGHTWEIGHT;
	TRY(Target::may_connect(r));
	// A client that creates a file would wait, and one that replays may name any OST; they ask
	// again.
	bool any = osts_.count() != 0 || config_.without_osts;
	if (!server && !(any && osts_complete_.load(std::memory_order_acquire)))
		return cfs::fail(cfs::err::AGAIN);
	return {};
}

cfs::Result<> MdtTarget::grant(rpc::Export &, rpc::ConnectRequest &r) noexcept
{
	wire::ObdConnectData &d = r.data;
	u64 flags = d.connect_flags;

	if (!(flags & wire::OBD_CONNECT_FID))
		return cfs::fail(kBadExchange);
	if (flags & wire::OBD_CONNECT_BRW_SIZE) {
		if (d.brw_size == 0)
			return cfs::fail(cfs::err::PROTO);
		d.brw_size = std::min<u32>(d.brw_size, config_.brw_bytes);
	}
	if (Target::device().info().read_only && !(flags & wire::OBD_CONNECT_RDONLY))
		return cfs::fail(cfs::err::ACCES);
	// One without the other makes clients fail every refresh of a layout.
	constexpr u64 kLayout = wire::OBD_CONNECT_LAYOUTLOCK | wire::OBD_CONNECT_LVB_TYPE;
	if ((flags & kLayout) != kLayout)
		flags &= ~wire::OBD_CONNECT_LAYOUTLOCK;
	d.connect_flags = flags | wire::OBD_CONNECT_IBITS;
	// Data is not kept here, so there is nothing to lock by the DOM bit.
	d.ibits_known = d.ibits_known & wire::MDS_INODELOCK_FULL & ~wire::MDS_INODELOCK_DOM;
	if (flags & wire::OBD_CONNECT_MAX_EASIZE)
		d.max_easize = std::min({d.max_easize ? d.max_easize.get() : kEaBytesMax,
					 kEaBytesMax, Target::device().info().xattr_max});
	if (flags & wire::OBD_CONNECT_MULTIMODRPCS)
		d.maxmodrpcs = kModRpcsMax;
	return {};
}

cfs::Result<> MdtTarget::may_change(rpc::ServerRequest &req) noexcept
{
	if (req.exp()->has_flag(wire::OBD_CONNECT_RDONLY) || Target::device().info().read_only)
		return cfs::fail(cfs::err::ROFS);
	return {};
}

} // namespace mdt
