// SPDX-License-Identifier: GPL-2.0
//
// Data that moves beside the messages (spec 02 section 1.7). The client only offers memory; the
// server moves the data, between request and reply: it PUTs what the client reads, and GETs what
// the client writes.
//
// Both sides cut the data into memory descriptors at the same places, and nothing on the wire says
// where. The rule: one fragment per 4 KiB page of the file's grid, a new descriptor after 256
// fragments. So whoever has page pieces gives exactly one piece per page that is touched, in the
// order of the file; a first or last piece may be short. A linear buffer is one descriptor, at most
// 1 MiB.
#pragma once

#include "lnet/lnet.hpp"
#include "rpc/format/format.hpp"

namespace rpc
{

inline constexpr std::size_t kFragmentsPerMd = 256;
inline constexpr std::size_t kBytesPerMd = wire::ONE_MB_BRW_SIZE;
inline constexpr std::size_t kMdsMax = wire::PTLRPC_BULK_OPS_LIMIT;

/// Memory of a bulk. It and the array of pieces belong to whoever gave it, and stay until the
/// request is complete (client: its RequestUser::on_complete() or send_wait() has returned; when
/// the request is kept for replay, until on_gone(); server: the call that moves it has returned).
struct BulkDesc {
	Bulk direction = Bulk::none;
	wire::Portal portal = wire::Portal::OST_BULK_PORTAL;
	/// Linear (cfs_alloc memory) or pieces; length is the sum.
	lnet::Buffer buffer;

	/// A page piece per page, `length` bytes in all.
	[[nodiscard]] static BulkDesc pages(Bulk direction, wire::Portal portal,
					    std::span<const cfs_bvec> pieces, u32 length) noexcept
	{
		return {direction, portal, {nullptr, pieces, length}};
	}
	/// One run of memory, at most kBytesPerMd.
	[[nodiscard]] static BulkDesc linear(Bulk direction, wire::Portal portal,
					     MutBytes bytes) noexcept
	{
		return {direction, portal, {bytes.data(), {}, static_cast<u32>(bytes.size())}};
	}
	/// How many memory descriptors it is cut into, at least 1. A client of OST I/O announces
	/// (this - 1) << 16 in ioo_max_brw.
	[[nodiscard]] constexpr std::size_t md_count() const noexcept
	{
		return buffer.linear || buffer.pieces.empty()
			       ? 1
			       : (buffer.pieces.size() + kFragmentsPerMd - 1) / kFragmentsPerMd;
	}
};

/// The M of spec 02 1.7 rule 3 for OST I/O, from ioo_max_brw as received; 0 when it is not a power
/// of two, which a server answers with err::PROTO.
[[nodiscard]] constexpr u32 md_limit_of(u32 ioo_max_brw) noexcept
{
	u32 m = (ioo_max_brw >> 16) + 1;
	return (m & (m - 1)) == 0 ? m : 0;
}
/// ioo_max_brw for a bulk of so many descriptors: rounded up to a power of two.
[[nodiscard]] constexpr u32 max_brw_of(std::size_t mds) noexcept
{
	u32 m = 1;
	while (m < mds)
		m <<= 1;
	return (m - 1) << 16;
}

/// The part of a bulk's memory that is its n-th memory descriptor.
[[nodiscard]] constexpr lnet::Buffer bulk_slice(const lnet::Buffer &b, std::size_t n) noexcept
{
	if (b.linear || b.pieces.empty())
		return b;
	std::size_t from = n * kFragmentsPerMd;
	std::size_t count = b.pieces.size() - from;
	count = count < kFragmentsPerMd ? count : kFragmentsPerMd;
	lnet::Buffer s{nullptr, b.pieces.subspan(from, count), 0};
	for (const cfs_bvec &v : s.pieces)
		s.length += v.len;
	return s;
}

} // namespace rpc
