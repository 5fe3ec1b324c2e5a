// SPDX-License-Identifier: GPL-2.0
//
// socklnd's parameters with the names, units and defaults of the kernel module's (spec 01
// section 15.2).
#pragma once

#include <cstdint>

namespace lnet::sock
{

/// Who may connect (module parameter `accept` of lnet).
enum class Accept : std::uint8_t { secure, all, none };

struct Tunables {
	std::uint32_t sock_timeout = 50; ///< seconds without progress that end a connection
	std::uint32_t credits = 256;
	std::uint32_t peer_credits = 8;
	std::uint32_t peer_buffer_credits = 0;
	std::uint32_t peer_timeout = 180;
	std::uint32_t nscheds = 0; ///< scheduler threads per CPU partition, 0: chosen
	std::uint32_t nconnds = 4; ///< without effect: threads come when there is work for them
	std::uint32_t nconnds_max = 64; ///< handshakes at once, in each direction
	std::uint32_t min_reconnectms = 1000;
	std::uint32_t max_reconnectms = 60000;
	std::uint32_t min_bulk = 1024; ///< bytes on the wire from which a message is bulk
	std::uint32_t keepalive = 30;  ///< seconds of silence before a NOOP is sent; 0: never
	std::uint32_t keepalive_idle = 30, keepalive_count = 5, keepalive_intvl = 5;
	std::uint32_t zc_min_payload = 16384;
	std::uint32_t conns_per_peer = 0; ///< of each bulk type; 0: from the link's speed
	std::int32_t tos = -1;
	std::uint32_t tx_buffer_size = 0, rx_buffer_size = 0;
	bool nagle = false;
	bool eager_ack = false;
	// lnet's acceptor
	Accept accept = Accept::secure;
	std::uint32_t accept_port = 988;
	std::uint32_t accept_backlog = 127;
	std::uint32_t accept_timeout = 5;
	/// First and last source port tried by connectors; peers with accept=secure want them
	/// privileged.
	std::uint32_t source_port_max = 1023, source_port_min = 512;
};

/// Connections of one type with one peer, at most: what a peer opens beyond it is refused.
inline constexpr unsigned kConnsPerTypeMax = 127;

/// Section 12.4: from the link's speed in Mbit/s.
[[nodiscard]] constexpr std::uint32_t conns_for_speed(std::uint32_t mbps) noexcept
{
	std::uint32_t gbps = mbps / 1000;
	if (gbps == 0)
		return 1;
	std::uint32_t log2 = 0;
	while (gbps >>= 1)
		log2++;
	return log2 / 2 + 1;
}
static_assert(conns_for_speed(0) == 1 && conns_for_speed(1000) == 1 &&
	      conns_for_speed(10000) == 2 && conns_for_speed(25000) == 3 &&
	      conns_for_speed(100000) == 4 && conns_for_speed(200000) == 4);

} // namespace lnet::sock
