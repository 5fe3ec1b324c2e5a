// SPDX-License-Identifier: GPL-2.0
//
// The message container: what is refused and how, layout, editing in place.

#include <cstring>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "rpc/format/message.hpp"

namespace rpc
{

namespace
{

using Kind = Defect::Kind;

std::vector<std::byte> bytes(std::initializer_list<unsigned> v)
{
	std::vector<std::byte> out;
	for (unsigned b : v)
		out.push_back(static_cast<std::byte>(b));
	return out;
}

/// A message with buffers of the given lengths, each filled with its index + 1.
std::vector<std::byte> message(std::initializer_list<u32> lengths)
{
	Lengths l;
	u32 i = 0;
	for (u32 n : lengths)
		l.set(i++, n);
	std::vector<std::byte> room(l.total());
	auto w = MessageWriter::create(room, l);
	EXPECT_TRUE(w);
	for (i = 0; i < l.count(); i++)
		for (auto &b : w->buffer(i))
			b = static_cast<std::byte>(i + 1);
	return room;
}

Kind defect_of(Bytes b)
{
	Defect why;
	EXPECT_FALSE(MessageView::parse(b, &why));
	return why.kind;
}

std::string text_of(const Defect &d)
{
	char text[128];
	return std::string(cfs::format_to(text, "{}", d));
}

void set_le32(std::vector<std::byte> &m, std::size_t at, u32 v)
{
	wire::le32 le = v;
	std::memcpy(m.data() + at, &le, 4);
}

} // namespace

TEST(MessageView, ReadsTheSpecifiedPing)
{
	// The worked example of spec 02 2.6, up to the padding behind mbits.
	auto m = bytes({0x01, 0,    0, 0, 0,	0,    0,    0,	  0xd3, 0x0b, 0xd0, 0x0b,
			0xe0, 0,    0, 0, 0,	0,    0,    0,	  0x03, 0,    0,    0,
			0,    0,    0, 0, 0,	0,    0,    0,	  0xb8, 0,    0,    0,
			0,    0,    0, 0, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11,
			0x67, 0x12, 0, 0, 0x03, 0,    0x01, 0,	  0x90, 0x01, 0,    0,
			0x92, 0x10, 0, 0, 0x7f, 0x00, 0x10, 0x3b, 0x1a, 0x4e, 0x06, 0});
	m.resize(224);
	m[0x60 + 8] = std::byte{1};
	m[0x60 + 12] = std::byte{10};
	auto v = MessageView::parse_rpc(m);
	ASSERT_TRUE(v);
	const auto &b = v->body();
	EXPECT_EQ(v->size(), 224u);
	EXPECT_EQ(v->header().repsize, 224u);
	EXPECT_EQ(v->header().flags, wire::MSGHDR_AT_SUPPORT | wire::MSGHDR_CKSUM_INCOMPAT18);
	EXPECT_EQ(b.handle, wire::ExportHandle{0x1122334455667788});
	EXPECT_EQ(b.type, wire::MsgType::PTL_RPC_MSG_REQUEST);
	EXPECT_EQ(b.version, wire::LUSTRE_OBD_VERSION | wire::PTLRPC_MSG_VERSION);
	EXPECT_EQ(b.opc, wire::Opcode::OBD_PING);
	EXPECT_EQ(b.status, 4242);
	EXPECT_EQ(b.last_xid, wire::Xid{0x64e1a3b10007f});
	EXPECT_EQ(b.conn_cnt, 1u);
	EXPECT_EQ(b.timeout, 10u);
	EXPECT_EQ(v->jobid(), "");
}

TEST(MessageView, BuffersLieOnEightByteBoundariesWithTheirTrueLengths)
{
	auto m = message({184, 5, 0, 8, 1});
	EXPECT_EQ(m.size(), 56u + 184 + 8 + 0 + 8 + 8);
	auto v = MessageView::parse(m);
	ASSERT_TRUE(v);
	EXPECT_EQ(v->buffer_count(), 5u);
	EXPECT_EQ(v->buffer(1).size(), 5u);
	EXPECT_EQ(v->buffer(1).data() - m.data(), 56 + 184);
	EXPECT_EQ(v->buffer(3).data() - m.data(), 56 + 184 + 8);
	EXPECT_EQ(v->buffer(4)[0], std::byte{5});
	EXPECT_TRUE(v->buffer(2).empty());
}

TEST(MessageView, BuffersThatAreNotThereAreEmpty)
{
	auto m = message({184});
	auto v = MessageView::parse(m);
	ASSERT_TRUE(v);
	EXPECT_TRUE(v->buffer(1).empty());
	EXPECT_TRUE(v->buffer(31).empty());
	EXPECT_TRUE(v->buffer(UINT32_MAX).empty());
	EXPECT_EQ(v->length(UINT32_MAX), 0u);
}

TEST(MessageView, TheOtherByteOrderIsRefusedByName)
{
	auto m = message({184});
	std::memcpy(m.data() + 8, "\x0b\xd0\x0b\xd3", 4);
	Defect why;
	auto v = MessageView::parse(m, &why);
	ASSERT_FALSE(v);
	EXPECT_EQ(v.error(), cfs::err::PROTONOSUPPORT);
	EXPECT_EQ(why.kind, Kind::other_byte_order);
	EXPECT_NE(text_of(why).find("byte order"), std::string::npos);
}

TEST(MessageView, MalformedContainersAreRefused)
{
	auto m = message({184, 8});
	set_le32(m, 8, 0x12345678);
	EXPECT_EQ(defect_of(m), Kind::bad_magic);
	m = message({184, 8});
	set_le32(m, 0, 0);
	EXPECT_EQ(defect_of(m), Kind::bad_buffer_count);
	set_le32(m, 0, 33);
	EXPECT_EQ(defect_of(m), Kind::bad_buffer_count);
	set_le32(m, 0, 32);
	EXPECT_EQ(defect_of(m), Kind::cut_off);
	EXPECT_EQ(defect_of({}), Kind::cut_off);
}

TEST(MessageView, LengthsThatAddUpToMoreThanThirtyTwoBitsAreRefused)
{
	auto m = message({184, 8, 8});
	set_le32(m, 36, 0xffffffff);
	EXPECT_EQ(defect_of(m), Kind::cut_off);
	set_le32(m, 40, 0xffffffff);
	EXPECT_EQ(defect_of(m), Kind::cut_off);
	// Sums to the right size if computed in 32 bits.
	set_le32(m, 36, 0xfffffff8);
	set_le32(m, 40, 0x18);
	EXPECT_EQ(defect_of(m), Kind::cut_off);
}

TEST(MessageView, AnRpcNeedsAtLeastTheShortBody)
{
	auto m = message({151});
	EXPECT_TRUE(MessageView::parse(m));
	Defect why;
	EXPECT_FALSE(MessageView::parse_rpc(m, &why));
	EXPECT_EQ(why.kind, Kind::short_body);
	m = message({152});
	auto v = MessageView::parse_rpc(m);
	ASSERT_TRUE(v);
	EXPECT_EQ(v->jobid(), "");
}

TEST(MessageView, BytesBehindTheMessageAreNotPartOfIt)
{
	auto m = message({184, 3});
	std::size_t size = m.size();
	m.resize(size + 100);
	auto v = MessageView::parse(m);
	ASSERT_TRUE(v);
	EXPECT_EQ(v->size(), size);
}

TEST(Lengths, TotalIsHeadTableAndPaddedBuffers)
{
	Lengths l;
	l.set(0, 184);
	EXPECT_EQ(l.total(), 224u);
	// The connect request of spec 02 section 10.
	l.set(1, 39);
	l.set(2, 39);
	l.set(3, 8);
	l.set(4, 192);
	l.set(5, 0);
	EXPECT_EQ(l.count(), 6u);
	EXPECT_EQ(l.total(), 520u);
	l.set_count(2);
	EXPECT_EQ(l.total(), 40u + 184 + 40);
	l.set_count(3);
	EXPECT_EQ(l[2], 0u);
}

TEST(MessageWriter, CreateRefusesARoomThatIsTooSmall)
{
	Lengths l;
	l.set(0, 184);
	std::vector<std::byte> room(223);
	auto w = MessageWriter::create(room, l);
	ASSERT_FALSE(w);
	EXPECT_EQ(w.error(), cfs::err::OVERFLOWED);
}

TEST(MessageWriter, CreateClearsTheMessageAndNothingElse)
{
	Lengths l;
	l.set(0, 184);
	l.set(1, 3);
	std::vector<std::byte> room(l.total() + 8, std::byte{0xaa});
	auto w = MessageWriter::create(room, l);
	ASSERT_TRUE(w);
	for (std::byte b : w->buffer(1))
		EXPECT_EQ(b, std::byte{0});
	EXPECT_EQ(room[l.total() - 1], std::byte{0});
	EXPECT_EQ(room[l.total()], std::byte{0xaa});
	EXPECT_TRUE(MessageView::parse_rpc(w->bytes()));
}

TEST(MessageWriter, ResizeMovesWhatIsBehindAndClearsWhatIsNew)
{
	auto m = message({184, 5, 9});
	m.resize(m.size() + 32);
	auto w = MessageWriter::adopt(m);
	ASSERT_TRUE(w);
	ASSERT_TRUE(w->resize(1, 20));
	EXPECT_EQ(w->buffer(1).size(), 20u);
	EXPECT_EQ(w->buffer(1)[4], std::byte{2});
	EXPECT_EQ(w->buffer(1)[5], std::byte{0});
	EXPECT_EQ(w->buffer(1)[19], std::byte{0});
	EXPECT_EQ(w->buffer(2)[0], std::byte{3});
	EXPECT_EQ(w->buffer(2)[8], std::byte{3});
	ASSERT_TRUE(w->resize(1, 0));
	EXPECT_EQ(w->size(), header_bytes(3) + 184 + 16);
	EXPECT_EQ(w->buffer(2)[8], std::byte{3});
	auto v = MessageView::parse_rpc(w->bytes());
	ASSERT_TRUE(v);
	EXPECT_EQ(v->buffer(2).size(), 9u);
}

TEST(MessageWriter, ResizeNeverLeavesOldBytesInThePadding)
{
	auto m = message({184, 8});
	auto w = MessageWriter::adopt(m);
	ASSERT_TRUE(w->resize(1, 3));
	for (std::size_t i = 3; i < 8; i++)
		EXPECT_EQ(w->bytes()[header_bytes(2) + 184 + i], std::byte{0});
}

TEST(MessageWriter, ResizeRefusesWhatDoesNotFit)
{
	auto m = message({184, 8, 8});
	auto w = MessageWriter::adopt(m);
	EXPECT_EQ(w->resize(1, 9).error(), cfs::err::OVERFLOWED);
	EXPECT_EQ(w->resize(1, SIZE_MAX).error(), cfs::err::INVAL);
	EXPECT_EQ(w->resize(1, UINT32_MAX).error(), cfs::err::OVERFLOWED);
	EXPECT_EQ(w->resize(3, 8).error(), cfs::err::INVAL);
	EXPECT_EQ(w->buffer(1).size(), 8u);
	EXPECT_TRUE(w->resize(1, 7));
}

TEST(MessageWriter, AdoptRefusesWhatIsNoMessage)
{
	std::vector<std::byte> m(100);
	Defect why;
	EXPECT_FALSE(MessageWriter::adopt(m, &why));
	EXPECT_EQ(why.kind, Kind::bad_magic);
}

TEST(MessageWriter, TheJobIdIsCutToItsField)
{
	auto m = message({184});
	auto w = MessageWriter::adopt(m);
	w->set_jobid(std::string(100, 'j'));
	EXPECT_EQ(w->view().jobid(), std::string(31, 'j'));
	w->set_jobid("x");
	EXPECT_EQ(w->view().jobid(), "x");
	auto small = message({152});
	auto s = MessageWriter::adopt(small);
	s->set_jobid("x");
	EXPECT_EQ(s->view().jobid(), "");
}

TEST(Defect, SaysWhichBufferAndWhatItNeeds)
{
	Defect d{Kind::too_short, 3, "obd_ioobj", 5, 24};
	EXPECT_EQ(text_of(d), "buffer 3 (obd_ioobj): too short (5, need 24)");
	EXPECT_EQ(text_of({Kind::missing, 1, "ost_body", 0, 208}),
		  "buffer 1 (ost_body): missing (0, need 208)");
	EXPECT_EQ(text_of({Kind::unknown_opcode, 0, nullptr, 0x99}), "unknown operation (0x99)");
}

} // namespace rpc
