// SPDX-License-Identifier: GPL-2.0
//
// The security container: null as it is, plain as an outer message, everything else refused.

#include <algorithm>
#include <cstring>
#include <vector>

#include <gtest/gtest.h>

#include "rpc/format/sec.hpp"

namespace rpc
{

namespace
{

using wire::SecPart;
using wire::SecPolicy;

std::vector<std::byte> ping()
{
	Lengths l;
	l.set(0, sizeof(wire::PtlrpcBody));
	std::vector<std::byte> room(l.total());
	auto w = *MessageWriter::create(room, l);
	w.body()->opc = wire::Opcode::OBD_PING;
	return room;
}

std::vector<std::byte> wrap_plain(const std::vector<std::byte> &inner, std::size_t user)
{
	Lengths l;
	l.set(plain_header, sizeof(wire::PlainHeader));
	l.set(plain_message, inner.size());
	l.set(plain_user, user);
	l.set(plain_bulk, 0);
	std::vector<std::byte> room(l.total());
	auto w = *MessageWriter::create(room, l);
	w.header().secflvr = make_secflvr(wire::SPTLRPC_FLVR_PLAIN, SecPart::LUSTRE_SP_MDT);
	std::ranges::copy(inner, w.buffer(plain_message).begin());
	return room;
}

} // namespace

TEST(Flavour, TakesTheWordApart)
{
	Flavour plain(make_secflvr(wire::SPTLRPC_FLVR_PLAIN, SecPart::LUSTRE_SP_OST));
	EXPECT_EQ(plain.id(), wire::SPTLRPC_FLVR_PLAIN);
	EXPECT_EQ(plain.policy(), SecPolicy::SPTLRPC_POLICY_PLAIN);
	EXPECT_EQ(plain.part(), SecPart::LUSTRE_SP_OST);
	EXPECT_EQ(plain.early_reply_bytes(), 272u);
	Flavour null(0x03000000);
	EXPECT_EQ(null.policy(), SecPolicy::SPTLRPC_POLICY_NULL);
	EXPECT_EQ(null.part(), SecPart::LUSTRE_SP_MGC);
	EXPECT_EQ(null.early_reply_bytes(), 224u);
}

TEST(Unwrap, NullIsTheMessageItself)
{
	auto m = ping();
	auto u = unwrap(m);
	ASSERT_TRUE(u);
	EXPECT_EQ(u->message.bytes().data(), m.data());
	EXPECT_EQ(u->message.body().opc, wire::Opcode::OBD_PING);
	EXPECT_TRUE(u->user_desc.empty());
	EXPECT_EQ(wrap_overhead(wire::SPTLRPC_FLVR_NULL, m.size()), 0u);
}

TEST(Unwrap, PlainIsTheSecondSegment)
{
	auto m = wrap_plain(ping(), sizeof(wire::PtlrpcUserDesc));
	auto u = unwrap(m);
	ASSERT_TRUE(u);
	EXPECT_EQ(u->message.body().opc, wire::Opcode::OBD_PING);
	EXPECT_EQ(u->message.size(), 224u);
	EXPECT_EQ(u->user_desc.size(), sizeof(wire::PtlrpcUserDesc));
	EXPECT_TRUE(u->bulk_desc.empty());
	// An early reply of 224 bytes with an empty container around it takes 272 + ... bytes.
	EXPECT_EQ(wrap_overhead(wire::SPTLRPC_FLVR_PLAIN, 224), 56u);
}

TEST(Unwrap, PlainSegmentsMayNotBeTooShort)
{
	Defect why;
	auto m = wrap_plain(ping(), 23);
	EXPECT_FALSE(unwrap(m, &why));
	EXPECT_STREQ(why.field, "user_desc");
	m = wrap_plain({}, 0);
	EXPECT_FALSE(unwrap(m, &why));
	EXPECT_EQ(why.kind, Defect::Kind::cut_off);
}

TEST(Unwrap, OtherPoliciesAreNotSupported)
{
	auto m = ping();
	auto w = *MessageWriter::adopt(m);
	for (u32 policy : {2u, 3u, 15u}) {
		w.header().secflvr = policy;
		auto u = unwrap(m);
		ASSERT_FALSE(u);
		EXPECT_EQ(u.error(), cfs::err::OPNOTSUPP);
	}
}

} // namespace rpc
