// SPDX-License-Identifier: GPL-2.0
//
// The handshake of a connection (spec 01 sections 11.2, 12.2, 12.5) as plain functions over bytes
// and a socket. What a peer sends is taken apart here and nowhere else.
#pragma once

#include "lnet/lnd.hpp"
#include "lnet/plat_socket.h"
#include "lnet/wire.hpp"

namespace lnet::sock
{

using wire::ConnType;

/// A HELLO of any version that is spoken.
struct Hello {
	std::uint32_t version = 3;
	Nid src, dst;
	std::uint32_t src_pid = LNET_PID_LUSTRE;
	std::uint64_t src_incarnation = 0;
	std::uint64_t dst_incarnation = 0;
	ConnType type = ConnType::control;
};

inline constexpr std::uint32_t kVersionMin = 2, kVersionMax = 4;
/// Bytes of a HELLO of a version that is spoken, addresses not counted.
[[nodiscard]] constexpr std::size_t hello_bytes(std::uint32_t version) noexcept
{
	return version == 4 ? sizeof(wire::Hello4) : sizeof(wire::Hello3);
}
/// The version to begin with when nothing is known of a peer.
[[nodiscard]] inline std::uint32_t first_version(const Nid &nid) noexcept
{
	return nid.is_nid4() ? 3 : 4;
}
/// How the other side of a connection calls its type.
[[nodiscard]] constexpr ConnType invert(ConnType t) noexcept
{
	if (t == ConnType::bulk_in)
		return ConnType::bulk_out;
	if (t == ConnType::bulk_out)
		return ConnType::bulk_in;
	return t;
}

/// Writes h in its version; the bytes used. Buffer of at least sizeof(Hello4).
[[nodiscard]] std::size_t encode_hello(const Hello &h, cfs::MutBytes out) noexcept;
/// Reads a whole HELLO without its addresses; `addresses` gets how many follow. err::PROTO: wrong
/// magic, unknown version, impossible NID or type, too many addresses.
[[nodiscard]] cfs::Result<Hello> decode_hello(cfs::Bytes b, std::uint32_t &addresses) noexcept;

/// How the first eight bytes of a HELLO look.
enum class HelloPrefix : std::uint8_t { ours, other_version, other_byte_order, garbage };
[[nodiscard]] HelloPrefix classify_hello(cfs::Bytes first8) noexcept;

/// The acceptor's request for a NID.
[[nodiscard]] std::size_t encode_acceptor_request(const Nid &target, cfs::MutBytes out) noexcept;

/// Reads a HELLO from a socket. *unknown_version: the peer speaks a version that is not spoken here
/// (and should be told so); the result is then err::PROTO. Sleeps.
[[nodiscard]] cfs::Result<Hello> read_hello(cfs_sock *s, cfs::Instant deadline,
					    bool *unknown_version) noexcept;
/// Sends one. Sleeps.
[[nodiscard]] cfs::Result<> send_hello(cfs_sock *s, const Hello &h, cfs::Instant deadline) noexcept;
/// Reads an acceptor request; the NID the connector wants. On an unknown magic or version the
/// answer of section 11.4 is sent where it is due. err::PROTO and what the socket says. Sleeps.
[[nodiscard]] cfs::Result<Nid> read_acceptor_request(cfs_sock *s, cfs::Instant deadline) noexcept;

} // namespace lnet::sock
