// SPDX-License-Identifier: GPL-2.0
//
// The ping buffer: a node's list of its own NIDs, offered for reading at portal 0 (spec 01
// sections 7.1 to 7.3).
#pragma once

#include "libcfs/mem.hpp"
#include "lnet/lnet.hpp"
#include "lnet/wire.hpp"

namespace lnet
{

/// What a node says of itself.
struct PingEntryInfo {
	Nid nid;
	std::uint32_t status = wire::LNET_NI_STATUS_UP;
};
struct PingInfo {
	static constexpr std::size_t kNidsMax = 200; ///< lnet_interfaces_max

	std::uint32_t features = 0;
	std::uint32_t pid = LNET_PID_LUSTRE;
	std::uint32_t sequence = 0; ///< an opaque number; a higher one may be newer
	std::uint32_t listed =
		0; ///< entries the node has, even if the buffer was too short for all
	cfs::Array<PingEntryInfo> nids; ///< 0@lo left out; the first is the primary
};

/// Reads a peer's buffer. err::PROTO: not a ping buffer or one that no receiver may accept;
/// err::RANGE: too many entries. A buffer cut short gives what was there, with `listed` larger than
/// `nids`.
[[nodiscard]] cfs::Result<PingInfo> parse_ping(cfs::Bytes b) noexcept;

/// Builds our own. nids[0] is the primary; 0@lo is added here.
[[nodiscard]] cfs::Result<cfs::Array<std::byte>>
build_ping(std::uint32_t features, std::uint32_t sequence,
	   std::span<const PingEntryInfo> nids) noexcept;

} // namespace lnet
