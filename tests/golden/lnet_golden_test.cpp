// SPDX-License-Identifier: GPL-2.0
//
// Everything that LNet and socklnd of a stock system put on the wire in the recorded captures:
// taken apart and put together again it is the same bytes.

#include <cstring>
#include <map>

#include <gtest/gtest.h>

#include "capture.hpp"
#include "lnet/ping.hpp"
#include "lnet/socklnd/hello.hpp"

namespace golden
{

namespace
{

using Kind = LnetPiece::Kind;
using Bytes = std::vector<std::byte>;

template <typename T>
Bytes bytes_of(const T &t)
{
	auto b = cfs::bytes_of(t);
	return {b.begin(), b.end()};
}

/// Calls fn(piece) for all pieces of a kind; their number.
template <typename Fn>
std::size_t for_each_piece(Kind kind, Fn fn)
{
	std::size_t n = 0;
	for (const auto &c : all_captures())
		for (const auto &p : c.pieces)
			if (p.kind == kind) {
				fn(p);
				n++;
			}
	return n;
}

const lnet::wire::Header4 *header_of(const LnetPiece &p)
{
	auto h = cfs::view_at<lnet::wire::Header4>(p.bytes, sizeof(lnet::wire::KsockMsgHeader));
	return h ? *h : nullptr;
}

} // namespace

TEST(LnetGolden, AcceptorRequestsAreReencoded)
{
	auto n = for_each_piece(Kind::acceptor, [](const LnetPiece &p) {
		auto w = cfs::view_at<lnet::wire::AcceptorRequest1>(p.bytes, 0);
		ASSERT_TRUE(w);
		std::byte out[sizeof(lnet::wire::AcceptorRequest2)];
		auto size = lnet::sock::encode_acceptor_request(lnet::Nid::from_nid4((*w)->acr_nid),
								out);
		EXPECT_EQ(Bytes(out, out + size), p.bytes) << p.file;
	});
	EXPECT_EQ(n, 15u); // connections
}

TEST(LnetGolden, HellosAreReencoded)
{
	auto n = for_each_piece(Kind::hello, [](const LnetPiece &p) {
		std::uint32_t addresses = 99;
		auto h = lnet::sock::decode_hello(p.bytes, addresses);
		ASSERT_TRUE(h) << p.file;
		EXPECT_EQ(addresses, 0u);
		std::byte out[sizeof(lnet::wire::Hello4)];
		auto size = lnet::sock::encode_hello(*h, out);
		EXPECT_EQ(Bytes(out, out + size), p.bytes) << p.file;
	});
	EXPECT_EQ(n, 30u);
}

TEST(LnetGolden, MessagesAreReencoded)
{
	std::map<lnet::wire::MsgType, unsigned> types;
	for_each_piece(Kind::message, [&](const LnetPiece &p) {
		auto k = cfs::view_at<lnet::wire::KsockMsgHeader>(p.bytes, 0);
		const auto *w = header_of(p);
		ASSERT_TRUE(k && w);
		EXPECT_EQ((*k)->ksh_type, lnet::wire::KSOCK_MSG_LNET);
		auto h = lnet::from_wire(*w);
		ASSERT_TRUE(h) << p.file;
		types[h->type]++;
		Bytes again = bytes_of(**k);
		Bytes header = bytes_of(lnet::to_wire4(*h));
		again.insert(again.end(), header.begin(), header.end());
		EXPECT_EQ(again, p.bytes) << p.file;
		EXPECT_EQ(h->payload_length, p.payload.size());
		// The large form carries the same.
		auto large = lnet::from_wire(lnet::to_wire16(*h));
		ASSERT_TRUE(large);
		EXPECT_EQ(bytes_of(lnet::to_wire4(*large)), header);
	});
	using lnet::wire::MsgType;
	for (MsgType t : {MsgType::ack, MsgType::put, MsgType::get, MsgType::reply})
		EXPECT_GT(types[t], 0u);
	EXPECT_EQ(types.size(), 4u);
	std::cout << "  " << types[MsgType::put] << " PUT, " << types[MsgType::ack] << " ACK, "
		  << types[MsgType::get] << " GET, " << types[MsgType::reply] << " REPLY\n";
}

TEST(LnetGolden, NoopsAreReencoded)
{
	auto n = for_each_piece(Kind::noop, [](const LnetPiece &p) {
		auto k = cfs::view_at<lnet::wire::KsockMsgHeader>(p.bytes, 0);
		ASSERT_TRUE(k);
		EXPECT_EQ((*k)->ksh_type, lnet::wire::KSOCK_MSG_NOOP);
		lnet::wire::KsockMsgHeader out{(*k)->ksh_type,
					       (*k)->ksh_csum,
					       {(*k)->ksh_zc_cookies[0], (*k)->ksh_zc_cookies[1]}};
		EXPECT_EQ(bytes_of(out), p.bytes);
	});
	std::cout << "  " << n << " NOOP\n";
}

TEST(LnetGolden, PingBuffersAreReencoded)
{
	unsigned replies = 0, pushes = 0;
	for_each_piece(Kind::message, [&](const LnetPiece &p) {
		auto magic = cfs::view_at<cfs::le32>(p.payload, 0);
		if (!magic || **magic != lnet::wire::LNET_PROTO_PING_MAGIC)
			return;
		auto h = lnet::from_wire(*header_of(p));
		ASSERT_TRUE(h);
		(h->type == lnet::wire::MsgType::put ? pushes : replies)++;
		auto info = lnet::parse_ping(p.payload);
		ASSERT_TRUE(info) << p.file;
		EXPECT_EQ(info->features, 0x1eu);
		EXPECT_EQ(info->listed, info->nids.size() + 1);
		auto again = lnet::build_ping(info->features, info->sequence,
					      {info->nids.data(), info->nids.size()});
		ASSERT_TRUE(again);
		EXPECT_EQ(Bytes(again->begin(), again->end()), p.payload) << p.file;
	});
	std::cout << "  " << replies << " replies, " << pushes << " pushes\n";
	EXPECT_GT(replies, 0u);
	EXPECT_GT(pushes, 0u);
}

} // namespace golden
