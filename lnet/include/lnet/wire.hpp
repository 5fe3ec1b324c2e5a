// SPDX-License-Identifier: GPL-2.0
//
// Bytes that LNet and socklnd put on the wire (spec 01 sections 3, 7, 11, 12). Only little-endian
// peers are spoken to; every magic is checked in both byte orders so that the other kind is refused
// by name. NIDs of 20 bytes are big-endian always.
#pragma once

#include <cstdint>

#include "libcfs/endian.hpp"
#include "lnet/nid.hpp"

namespace lnet::wire
{

using cfs::le16;
using cfs::le32;
using cfs::le64;

/// The largest payload of one message, bytes.
inline constexpr std::uint32_t LNET_MTU = 1 << 20;
inline constexpr std::uint32_t LNET_MAX_IOV = 256;
inline constexpr std::uint32_t LNET_MAX_PORTALS = 64;
inline constexpr std::uint32_t LNET_RESERVED_PORTAL = 0;
inline constexpr std::uint64_t LNET_PROTO_PING_MATCHBITS = 0x8000000000000000ull;

enum class MsgType : std::uint32_t { ack = 0, put = 1, get = 2, reply = 3, hello = 4 };

/// Names an MD of its maker; opaque to everybody else. All ones: none.
struct WireHandle {
	le64 wh_interface_cookie{~0ull};
	le64 wh_object_cookie{~0ull};

	[[nodiscard]] bool none() const noexcept
	{
		return wh_interface_cookie == ~0ull && wh_object_cookie == ~0ull;
	}
};
static_assert(sizeof(WireHandle) == 16);

struct AckBody {
	WireHandle dst_wmd;
	le64 match_bits;
	le32 mlength;
	std::uint8_t unused[12];
};
struct PutBody {
	WireHandle ack_wmd;
	le64 match_bits;
	le64 hdr_data;
	le32 ptl_index;
	le32 offset;
};
struct GetBody {
	WireHandle return_wmd;
	le64 match_bits;
	le32 ptl_index;
	le32 src_offset;
	le32 sink_length;
	std::uint8_t unused[4];
};
struct ReplyBody {
	WireHandle dst_wmd;
	std::uint8_t unused[24];
};
union MsgBody {
	std::uint8_t raw[40];
	AckBody ack;
	PutBody put;
	GetBody get;
	ReplyBody reply;

	constexpr MsgBody() noexcept : raw{} {}
};
static_assert(sizeof(AckBody) == 40 && sizeof(PutBody) == 40 && sizeof(GetBody) == 40 &&
	      sizeof(ReplyBody) == 40 && sizeof(MsgBody) == 40);

/// Header with legacy NIDs: socklnd v2 and v3, o2iblnd.
struct Header4 {
	le64 dest_nid;
	le64 src_nid;
	le32 dest_pid;
	le32 src_pid;
	le32 type;
	le32 payload_length;
	MsgBody msg;
};
static_assert(sizeof(Header4) == 72);

/// Header with large NIDs: socklnd v4.
struct Header16 {
	Nid dest_nid;
	Nid src_nid;
	le32 dest_pid;
	le32 src_pid;
	le32 type;
	le32 payload_length;
	MsgBody msg;
};
static_assert(sizeof(Header16) == 96);

/// Ping buffer (section 7.2).
inline constexpr std::uint32_t LNET_PROTO_PING_MAGIC = 0x70696E67;
struct PingHeader {
	le32 pi_magic;
	le32 pi_features;
	le32 pi_pid;
	le32 pi_nnis;
};
struct PingEntry {
	le64 ns_nid;
	le32 ns_status;
	le32 ns_msg_size;
};
struct PingLargeEntry {
	le32 ns_status;
	Nid ns_nid;
};
static_assert(sizeof(PingHeader) == 16 && sizeof(PingEntry) == 16 && sizeof(PingLargeEntry) == 24);
inline constexpr std::uint32_t LNET_PING_FEAT_BASE = 0x01, LNET_PING_FEAT_NI_STATUS = 0x02,
			       LNET_PING_FEAT_RTE_DISABLED = 0x04, LNET_PING_FEAT_MULTI_RAIL = 0x08,
			       LNET_PING_FEAT_DISCOVERY = 0x10, LNET_PING_FEAT_LARGE_ADDR = 0x20,
			       LNET_PING_FEAT_PRIMARY_LARGE = 0x40, LNET_PING_FEAT_METADATA = 0x80;
inline constexpr std::uint32_t LNET_NI_STATUS_INVALID = 0, LNET_NI_STATUS_UP = 0x15aac0de,
			       LNET_NI_STATUS_DOWN = 0xdeadface;

/// Acceptor request (section 11.2).
inline constexpr std::uint32_t LNET_PROTO_ACCEPTOR_MAGIC = 0xacce7100;
struct AcceptorRequest1 {
	le32 acr_magic;
	le32 acr_version;
	le64 acr_nid;
};
struct AcceptorRequest2 {
	le32 acr_magic;
	le32 acr_version;
	Nid acr_nid;
};
static_assert(sizeof(AcceptorRequest1) == 16 && sizeof(AcceptorRequest2) == 28);

/// socklnd handshake and framing (sections 12.2, 12.6).
inline constexpr std::uint32_t LNET_PROTO_MAGIC = 0x45726963;
inline constexpr std::uint32_t LNET_PROTO_TCP_MAGIC = 0xeebc0ded;
inline constexpr std::uint32_t KSOCK_MSG_NOOP = 0xc0, KSOCK_MSG_LNET = 0xc1;
struct Hello3 {
	le32 kshm_magic;
	le32 kshm_version;
	le64 kshm_src_nid;
	le64 kshm_dst_nid;
	le32 kshm_src_pid;
	le32 kshm_dst_pid;
	le64 kshm_src_incarnation;
	le64 kshm_dst_incarnation;
	le32 kshm_ctype;
	le32 kshm_nips;
};
struct Hello4 {
	le32 kshm_magic;
	le32 kshm_version;
	Nid kshm_src_nid;
	Nid kshm_dst_nid;
	le32 kshm_src_pid;
	le32 kshm_dst_pid;
	le64 kshm_src_incarnation;
	le64 kshm_dst_incarnation;
	le32 kshm_ctype;
	le32 kshm_nips;
};
struct KsockMsgHeader {
	le32 ksh_type;
	le32 ksh_csum;
	le64 ksh_zc_cookies[2];
};
static_assert(sizeof(Hello3) == 56 && sizeof(Hello4) == 80 && sizeof(KsockMsgHeader) == 24);

enum class ConnType : std::uint32_t {
	none = 0xffffffff,
	any = 0,
	control = 1,
	bulk_in = 2,
	bulk_out = 3
};

} // namespace lnet::wire
