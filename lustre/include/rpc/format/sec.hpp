// SPDX-License-Identifier: GPL-2.0
//
// The security container: how a message is wrapped before it goes to LNet (spec 02 section 5). The
// flavour is in the low 24 bits of lm_secflvr. Under null the message is sent as it is. Under plain
// it is the second of four segments of an outer message. gss is not built; unwrap() refuses it.
//
// lm_cksum of an early reply is cfs_crc32(~0u, ...) over the 184 bytes of its buffer 0 under null,
// over segment 1 under plain (02 4.4, 5.3).
//
// Everything here works in place. A new flavour is a case in unwrap() and wrap_overhead().
#pragma once

#include "rpc/format/message.hpp"

namespace rpc
{

/// lm_secflvr taken apart.
class Flavour
{
	u32 word_;

	[[nodiscard]] constexpr u32 bits(u32 at) const noexcept { return word_ >> at & 0xf; }

public:
	/// Takes the whole of lm_secflvr.
	explicit constexpr Flavour(u32 secflvr) noexcept : word_(secflvr) {}

	/// The flavour without the sender: what rules compare.
	[[nodiscard]] constexpr u32 id() const noexcept { return word_ & 0xffffff; }
	[[nodiscard]] constexpr wire::SecPolicy policy() const noexcept
	{
		return static_cast<wire::SecPolicy>(bits(wire::FLVR_POLICY_OFFSET));
	}
	[[nodiscard]] constexpr wire::SecService service() const noexcept
	{
		return static_cast<wire::SecService>(bits(wire::FLVR_SVC_OFFSET));
	}
	[[nodiscard]] constexpr wire::SecPart part() const noexcept
	{
		return static_cast<wire::SecPart>(word_ >> 24);
	}
	/// Bytes before the final reply in the client's buffer, when it has MSGHDR_AT_SUPPORT; an
	/// early reply fits into them (02 1.2).
	[[nodiscard]] constexpr std::size_t early_reply_bytes() const noexcept
	{
		return policy() == wire::SecPolicy::SPTLRPC_POLICY_PLAIN ? wire::kEarlyReplyPlain
									 : wire::kEarlyReplyNull;
	}
};

/// lm_secflvr for a flavour and a sender.
[[nodiscard]] constexpr u32 make_secflvr(u32 flavour, wire::SecPart part) noexcept
{
	return (flavour & 0xffffff) | u32{static_cast<u8>(part)} << 24;
}

/// What unwrap() finds.
struct Unwrapped {
	MessageView message; // the RPC itself
	Flavour flavour;
	Bytes user_desc; // plain: PtlrpcUserDesc and groups; empty when there is none
	Bytes bulk_desc; // plain: PtlrpcBulkSecDesc and checksum; empty when there is none
};

/// Takes a received message out of its container. err::PROTO and *why for a malformed one,
/// err::PROTONOSUPPORT for the other byte order, err::OPNOTSUPP for a policy that is not built.
[[nodiscard]] cfs::Result<Unwrapped> unwrap(Bytes received, Defect *why = nullptr) noexcept;

/// Segments of an outer message under plain.
enum PlainSegment : u32 { plain_header, plain_message, plain_user, plain_bulk, plain_segments };

/// Bytes that wrapping adds to a message of `bytes`, without descriptors; 0 under null.
[[nodiscard]] constexpr std::size_t wrap_overhead(u32 flavour, std::size_t bytes) noexcept
{
	if (Flavour(flavour).policy() != wire::SecPolicy::SPTLRPC_POLICY_PLAIN)
		return 0;
	Lengths n;
	n.set(plain_header, sizeof(wire::PlainHeader));
	n.set(plain_message, bytes);
	n.set_count(plain_segments);
	return n.total() - bytes;
}

} // namespace rpc
