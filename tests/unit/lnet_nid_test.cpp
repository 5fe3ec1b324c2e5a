// SPDX-License-Identifier: GPL-2.0
//
// NIDs as text and on the wire (spec 01 section 2), ping buffers (section 7.2), headers (section
// 3).

#include <gtest/gtest.h>

#include <string>

#include "lnet/lnd.hpp"
#include "lnet/nid.hpp"
#include "lnet/ping.hpp"

namespace
{

using namespace lnet;

std::string text(const Nid &n)
{
	char buf[LNET_NIDSTR_SIZE];
	return std::string(cfs::format_to(buf, "{}", n));
}

TEST(Nid, TextFormsThatAreTheirOwnCanonicalFormRoundTrip)
{
	for (const char *s :
	     {"192.168.1.10@tcp", "10.0.0.1@tcp3", "1.2.3.4@o2ib", "255.255.255.255@o2ib65535",
	      "0@lo", "17@gni", "fd00::1@tcp", "::1@tcp", "1:2:3:4:5:6:7:8@tcp",
	      "2001:db8::ff00:42:8329@tcp1", "1::@tcp", "1:0:0:2::@tcp"}) {
		auto n = parse_nid(s);
		ASSERT_TRUE(n) << s;
		EXPECT_EQ(text(*n), s);
	}
}

TEST(Nid, ShortFormsMeanTheDefaultNetwork)
{
	EXPECT_EQ(*parse_nid("10.0.0.1"), *parse_nid("10.0.0.1@tcp0"));
	EXPECT_EQ(*parse_nid("5@lo"), Nid::lo());
	EXPECT_TRUE(parse_nid("*")->is_any());
	EXPECT_EQ(text(Nid::any()), "<?>");
}

TEST(Nid, AnythingNotExactlyRightIsRefused)
{
	for (const char *s : {"",
			      "@tcp",
			      "1.2.3@tcp",
			      "1.2.3.4.5@tcp",
			      "1.2.3.256@tcp",
			      "1.2.3.-4@tcp",
			      "1.2.3.4@",
			      "1.2.3.4@tcpx",
			      "1.2.3.4@tcp65536",
			      "1.2.3.4@udp",
			      "host@tcp",
			      " 1.2.3.4@tcp",
			      "1.2.3.4 @tcp",
			      "1:2@tcp",
			      "1::2::3@tcp",
			      "12345::@tcp",
			      "1:2:3:4:5:6:7:8:9@tcp",
			      ":1@tcp",
			      "1:@tcp",
			      "0x@gni",
			      "4294967296@gni",
			      "0@lo0"})
		EXPECT_EQ(parse_nid(s).error(), cfs::err::INVAL) << s;
}

TEST(Nid, LegacyFormIsTheOneOfTheSpecification)
{
	EXPECT_EQ(parse_nid("192.168.1.10@tcp")->nid4(), 0x00020000C0A8010Aull);
	EXPECT_EQ(parse_nid("192.168.1.10@o2ib3")->nid4(), 0x00050003C0A8010Aull);
	EXPECT_EQ(Nid::lo().nid4(), 0x0009000000000000ull);
	EXPECT_TRUE(Nid::from_nid4(~0ull).is_any());
	EXPECT_EQ(Nid::any().nid4(), ~0ull);
	EXPECT_EQ(parse_nid("fd00::1@tcp")->nid4(), ~0ull);
}

TEST(Nid, LargeFormBeginsWithTheBigEndianLegacyForm)
{
	Nid n = *parse_nid("192.168.1.10@o2ib3");
	const unsigned char want[20] = {0, 5, 0, 3, 0xc0, 0xa8, 1, 10};
	EXPECT_EQ(memcmp(n.wire().data(), want, 20), 0);
}

TEST(Nid, UnusedAddressBytesFromTheWireAreCleared)
{
	std::array<std::byte, 20> b{};
	b[1] = std::byte{2};
	b[4] = std::byte{10};
	b[19] = std::byte{0xff};
	EXPECT_EQ(*Nid::from_wire(b), *parse_nid("10.0.0.0@tcp"));
	b[0] = std::byte{5}; // no address is nine bytes long
	EXPECT_EQ(Nid::from_wire(b).error(), cfs::err::PROTO);
	EXPECT_EQ(Nid::from_wire(std::span(b).first(19)).error(), cfs::err::PROTO);
}

TEST(Header, BothWireFormsCarryTheSame)
{
	Header h{};
	h.dest = {*parse_nid("192.168.1.10@tcp"), 12345};
	h.src = {*parse_nid("192.168.1.20@tcp"), 12345};
	h.type = wire::MsgType::get;
	h.msg.get.match_bits = wire::LNET_PROTO_PING_MATCHBITS;
	h.msg.get.sink_length = 272;
	auto a = from_wire(to_wire4(h));
	auto b = from_wire(to_wire16(h));
	ASSERT_TRUE(a && b);
	EXPECT_EQ(a->dest, b->dest);
	EXPECT_EQ(a->src, h.src);
	EXPECT_EQ(memcmp(&a->msg, &h.msg, sizeof(h.msg)), 0);
	EXPECT_EQ(memcmp(&b->msg, &h.msg, sizeof(h.msg)), 0);
}

TEST(Header, UnknownTypeAndWildcardAddressesAreRefused)
{
	Header h{};
	h.dest = h.src = {*parse_nid("192.168.1.10@tcp"), 12345};
	auto w = to_wire4(h);
	w.type = 5;
	EXPECT_EQ(from_wire(w).error(), cfs::err::PROTO);
	w = to_wire4(h);
	w.src_nid = ~0ull;
	EXPECT_EQ(from_wire(w).error(), cfs::err::PROTO);
}

TEST(Ping, BufferOfAnIpv4NodeIsByteForByteThatOfTheSpecification)
{
	PingEntryInfo e{*parse_nid("192.168.1.10@tcp")};
	auto b = build_ping(0x1e, 1, {&e, 1});
	ASSERT_TRUE(b);
	const unsigned char want[48] = {
		0x67, 0x6e, 0x69, 0x70, 0x1e, 0, 0, 0, 0x39, 0x30, 0,	 0,    2, 0, 0, 0,
		0,    0,    0,	  0,	0,    0, 9, 0, 1,    0,	   0,	 0,    0, 0, 0, 0,
		0x0a, 1,    0xa8, 0xc0, 0,    0, 2, 0, 0xde, 0xc0, 0xaa, 0x15, 0, 0, 0, 0};
	ASSERT_EQ(b->size(), sizeof(want));
	EXPECT_EQ(memcmp(b->data(), want, sizeof(want)), 0);
}

TEST(Ping, MixedAddressFamiliesRoundTripWithThePrimaryFirst)
{
	PingEntryInfo e[] = {{*parse_nid("fd00::1@tcp")},
			     {*parse_nid("10.0.0.1@tcp")},
			     {*parse_nid("fd00::2@tcp"), wire::LNET_NI_STATUS_DOWN}};
	auto b = build_ping(0x1e, 7, e);
	ASSERT_TRUE(b);
	auto p = parse_ping({b->data(), b->size()});
	ASSERT_TRUE(p);
	EXPECT_EQ(p->sequence, 7u);
	ASSERT_EQ(p->nids.size(), 3u);
	EXPECT_EQ(p->nids[0].nid, e[0].nid);
	EXPECT_EQ(p->nids[1].nid, e[1].nid);
	EXPECT_EQ(p->nids[2].nid, e[2].nid);
	EXPECT_EQ(p->nids[2].status, wire::LNET_NI_STATUS_DOWN);
}

TEST(Ping, EveryTruncationAndEveryFlippedByteIsSurvived)
{
	PingEntryInfo e[] = {{*parse_nid("fd00::1@tcp")}, {*parse_nid("10.0.0.1@tcp")}};
	auto b = build_ping(0x1e, 7, e);
	ASSERT_TRUE(b);
	for (std::size_t n = 0; n <= b->size(); n++) {
		auto p = parse_ping({b->data(), n});
		EXPECT_TRUE(n >= 32 || !p) << n;
	}
	for (std::size_t i = 0; i < b->size(); i++)
		for (unsigned v = 0; v < 256; v++) {
			std::byte old = (*b)[i];
			(*b)[i] = std::byte(v);
			auto p = parse_ping({b->data(), b->size()});
			EXPECT_TRUE(!p || p->nids.size() <= PingInfo::kNidsMax);
			(*b)[i] = old;
		}
}

} // namespace
