// SPDX-License-Identifier: GPL-2.0

#include "rpc/format/sec.hpp"

namespace rpc
{

namespace
{

cfs::Result<Unwrapped> unwrap_plain(const MessageView &outer, Flavour flavour, Defect *why) noexcept
{
	if (outer.length(plain_header) < sizeof(wire::PlainHeader))
		return refuse(why, {Defect::Kind::too_short, plain_header, "plain_header",
				    outer.length(plain_header), sizeof(wire::PlainHeader)});
	auto message = TRY(MessageView::parse_rpc(outer.buffer(plain_message), why));
	Bytes user = outer.buffer(plain_user);
	if (!user.empty() && user.size() < sizeof(wire::PtlrpcUserDesc))
		return refuse(why, {Defect::Kind::too_short, plain_user, "user_desc",
				    outer.length(plain_user), sizeof(wire::PtlrpcUserDesc)});
	Bytes bulk = outer.buffer(plain_bulk);
	if (!bulk.empty() && bulk.size() < sizeof(wire::PtlrpcBulkSecDesc))
		return refuse(why, {Defect::Kind::too_short, plain_bulk, "bulk_desc",
				    outer.length(plain_bulk), sizeof(wire::PtlrpcBulkSecDesc)});
	return Unwrapped{message, flavour, user, bulk};
}

} // namespace

cfs::Result<Unwrapped> unwrap(Bytes received, Defect *why) noexcept
{
	auto outer = TRY(MessageView::parse(received, why));
	Flavour flavour(outer.header().secflvr);
	switch (flavour.policy()) {
	case wire::SecPolicy::SPTLRPC_POLICY_NULL:
		return Unwrapped{TRY(MessageView::parse_rpc(received, why)), flavour, {}, {}};
	case wire::SecPolicy::SPTLRPC_POLICY_PLAIN:
		return unwrap_plain(outer, flavour, why);
	default:
		return cfs::fail(cfs::err::OPNOTSUPP);
	}
}

} // namespace rpc
