// SPDX-License-Identifier: GPL-2.0
//
// Formats: composing and reading by type, what may be missing, which format a request has.

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "rpc/format/trace.hpp"
#include "wire_composed.hpp"

namespace rpc
{

namespace
{

using wire::Opcode;

template <typename View>
std::string defect_of(const MessageView &m)
{
	Defect why;
	EXPECT_FALSE(View::parse(m, &why));
	char text[128];
	return std::string(cfs::format_to(text, "{}", why));
}

std::string format_name(std::vector<std::byte> &m)
{
	const auto *d = find_format(*MessageView::parse_rpc(m));
	return d ? d->info.name : "none";
}

template <typename T>
T &structure(std::vector<std::byte> &m, u32 index)
{
	auto w = *MessageWriter::adopt(m);
	return *reinterpret_cast<T *>(w.buffer(index).data());
}

} // namespace

TEST(Format, ARequestIsComposedAndReadByType)
{
	RequestLengths<op::OstWrite> lengths;
	lengths.elements<fld::Niobufs>(2);
	lengths.bytes<fld::ShortIo>(7);
	ComposedRequest<op::OstWrite> c(lengths);
	EXPECT_EQ(c.writer.size(), lengths.total());
	c.writer.get<fld::OstBody>().oa.valid = wire::OBD_MD_FLID;
	c.writer.get<fld::Niobufs>()[1].len = 4096;
	EXPECT_TRUE(c.writer.put<fld::ShortIo>("content"));

	auto r = RequestView<op::OstWrite>::parse(c.view());
	ASSERT_TRUE(r);
	EXPECT_EQ(r->body().opc, Opcode::OST_WRITE);
	EXPECT_EQ(r->body().version, wire::LUSTRE_OST_VERSION | wire::PTLRPC_MSG_VERSION);
	EXPECT_EQ(r->get<fld::OstBody>().oa.valid, wire::OBD_MD_FLID);
	ASSERT_EQ(r->get<fld::Niobufs>().size(), 2u);
	EXPECT_EQ(r->get<fld::Niobufs>()[1].len, 4096u);
	EXPECT_EQ(cfs::as_string(r->get<fld::ShortIo>()), "content");
	EXPECT_EQ(r->message().length(4), 0u); // the capability's slot
}

TEST(Format, ReplyBodiesCarryTypeAndOpcodeButNoSubsystem)
{
	ComposedReply<op::OstStatfs> c{ReplyLengths<op::OstStatfs>{}};
	auto r = ReplyView<op::OstStatfs>::parse(c.view());
	ASSERT_TRUE(r);
	EXPECT_EQ(r->body().type, wire::MsgType::PTL_RPC_MSG_REPLY);
	EXPECT_EQ(r->body().version, wire::PTLRPC_MSG_VERSION);
}

TEST(Format, MessagesHaveTheSpecifiedSizes)
{
	EXPECT_EQ(RequestLengths<op::ObdPing>{}.total(), 224u);
	EXPECT_EQ(RequestLengths<op::MdsConnect>{}.total(), 520u);
	EXPECT_EQ(ReplyLengths<op::MdsConnect>{}.total(), 416u);
	// An enqueue never has room for fewer than two handles.
	EXPECT_EQ(RequestLengths<op::LdlmEnqueue>{}[1], 104u);
	RequestLengths<op::LdlmCancel> cancel;
	cancel.elements<fld::DlmReq>(1);
	EXPECT_EQ(cancel[1], 104u);
	cancel.elements<fld::DlmReq>(3);
	EXPECT_EQ(cancel[1], 112u);
}

TEST(Format, TrailingBuffersAreMadeOnlyWhenUsed)
{
	RequestLengths<op::LdlmIntentGetattr> l;
	EXPECT_EQ(l.count(), 6u);
	l.text<fld::SecCtxName>("security.selinux");
	EXPECT_EQ(l.count(), 7u);
	EXPECT_EQ(l[6], 17u);
	// Optional ones always have their slot.
	EXPECT_EQ(RequestLengths<op::LdlmIntentOpen>{}.count(), 12u);
	EXPECT_EQ(RequestLengths<op::MdsStatfs>{}.count(), 1u);
}

TEST(Format, OptionalStructuresArePointers)
{
	RequestLengths<op::MdsReintUnlink> with;
	with.text<fld::Name>("f");
	with.elements<fld::DlmReq>(3);
	ComposedRequest<op::MdsReintUnlink> c(with);
	ASSERT_TRUE(c.writer.put<fld::Name>(std::string_view("f")));
	c.writer.get<fld::DlmReq>()->lock_count = 3;
	c.writer.get<fld::DlmReq>().tail[2] = wire::LockHandle{77};
	auto r = RequestView<op::MdsReintUnlink>::parse(c.view());
	ASSERT_TRUE(r);
	auto locks = r->get<fld::DlmReq>();
	ASSERT_TRUE(locks);
	EXPECT_EQ(locks->lock_count, 3u);
	ASSERT_EQ(locks.tail.size(), 3u);
	EXPECT_EQ(locks.tail[2], wire::LockHandle{77});

	RequestLengths<op::MdsReintUnlink> without;
	ComposedRequest<op::MdsReintUnlink> d(without);
	auto s = RequestView<op::MdsReintUnlink>::parse(d.view());
	ASSERT_TRUE(s);
	EXPECT_FALSE(s->get<fld::DlmReq>());
	EXPECT_TRUE(s->get<fld::DlmReq>().tail.empty());

	RequestLengths<op::MdsStatfs> plain, sum;
	sum.present<fld::MdtBody>();
	ComposedRequest<op::MdsStatfs> p(plain), q(sum);
	EXPECT_EQ(RequestView<op::MdsStatfs>::parse(p.view())->get<fld::MdtBody>(), nullptr);
	EXPECT_NE(RequestView<op::MdsStatfs>::parse(q.view())->get<fld::MdtBody>(), nullptr);
}

TEST(Format, AMissingStructureIsNamed)
{
	auto m = request(Opcode::OST_READ, {208, 0, 16});
	EXPECT_EQ(defect_of<RequestView<op::OstRead>>(*MessageView::parse_rpc(m)),
		  "buffer 2 (obd_ioobj): missing (0, need 24)");
}

TEST(Format, AShortStructureIsNamedEvenWhereItIsOptional)
{
	auto m = request(Opcode::OST_GETATTR, {207});
	EXPECT_EQ(defect_of<RequestView<op::OstGetattr>>(*MessageView::parse_rpc(m)),
		  "buffer 1 (ost_body): too short (207, need 208)");
	m = request(Opcode::OST_DESTROY, {208, 87, 0});
	EXPECT_EQ(defect_of<RequestView<op::OstDestroy>>(*MessageView::parse_rpc(m)),
		  "buffer 2 (dlm_req): too short (87, need 88)");
}

TEST(Format, LongerStructuresAndFurtherBuffersAreAccepted)
{
	auto m = request(Opcode::OST_GETATTR, {300, 16, 4});
	auto r = RequestView<op::OstGetattr>::parse(*MessageView::parse_rpc(m));
	ASSERT_TRUE(r);
	EXPECT_EQ(r->raw<fld::OstBody>().size(), 300u);
}

TEST(Format, AnArrayIgnoresAPartialElement)
{
	auto m = request(Opcode::OST_READ, {208, 24, 39});
	auto r = RequestView<op::OstRead>::parse(*MessageView::parse_rpc(m));
	ASSERT_TRUE(r);
	EXPECT_EQ(r->get<fld::Niobufs>().size(), 2u);
}

TEST(Format, NamesEndWithTheirOnlyNul)
{
	auto with_name = [](std::string_view name) {
		auto m = request(Opcode::MDS_GETATTR_NAME, {216, 0, name.size()});
		auto w = *MessageWriter::adopt(m);
		std::ranges::copy(std::as_bytes(std::span(name)), w.buffer(3).begin());
		return m;
	};
	using View = RequestView<op::MdsGetattrName>;
	auto m = with_name(std::string_view("file\0", 5));
	EXPECT_EQ(View::parse(*MessageView::parse_rpc(m))->get<fld::Name>(), "file");
	m = with_name(std::string_view("\0", 1));
	EXPECT_EQ(View::parse(*MessageView::parse_rpc(m))->get<fld::Name>(), "");
	m = with_name("");
	EXPECT_EQ(View::parse(*MessageView::parse_rpc(m))->get<fld::Name>(), "");
	for (std::string_view bad : {std::string_view("file"), std::string_view("fi\0e\0", 5),
				     std::string_view("file\0\0", 6)}) {
		m = with_name(bad);
		EXPECT_NE(defect_of<View>(*MessageView::parse_rpc(m)).find("not a string"),
			  std::string::npos);
	}
	m = with_name(std::string(4097, 'x') + '\0');
	EXPECT_NE(defect_of<View>(*MessageView::parse_rpc(m)).find("too long"), std::string::npos);
}

TEST(Format, UuidsMayHaveAnythingBehindTheirNul)
{
	auto with_uuid = [](std::string_view uuid, std::size_t length) {
		auto m = request(Opcode::MDS_CONNECT, {length, 39, 8, 192, 0});
		auto w = *MessageWriter::adopt(m);
		std::ranges::copy(std::as_bytes(std::span(uuid)), w.buffer(1).begin());
		return m;
	};
	using View = RequestView<op::MdsConnect>;
	auto m = with_uuid(std::string_view("tfs-MDT0000_UUID\0junk", 21), 39);
	EXPECT_EQ(View::parse(*MessageView::parse_rpc(m))->get<fld::TgtUuid>(), "tfs-MDT0000_UUID");
	m = with_uuid(std::string(39, 'u'), 60);
	EXPECT_EQ(View::parse(*MessageView::parse_rpc(m))->get<fld::TgtUuid>().size(), 39u);
	m = with_uuid(std::string(40, 'u'), 60);
	EXPECT_NE(defect_of<View>(*MessageView::parse_rpc(m)).find("tgtuuid"), std::string::npos);
	m = with_uuid(std::string(39, 'u'), 39);
	EXPECT_NE(defect_of<View>(*MessageView::parse_rpc(m)).find("not a string"),
		  std::string::npos);
}

TEST(Format, SymlinkTargetsMayContainNuls)
{
	auto m = request(Opcode::MDS_REINT, {136, 0, 2, 5, 0});
	auto w = *MessageWriter::adopt(m);
	std::string_view target("a\0b\0", 5); // the literal's own NUL is the fifth
	std::ranges::copy(std::as_bytes(std::span(target)), w.buffer(4).begin());
	w.buffer(3)[0] = std::byte{'l'};
	auto r = RequestView<op::MdsReintSymlink>::parse(w.view());
	ASSERT_TRUE(r);
	EXPECT_EQ(r->get<fld::SymTgt>(), std::string_view("a\0b\0", 4));
	w.buffer(4)[4] = std::byte{'c'};
	EXPECT_FALSE(RequestView<op::MdsReintSymlink>::parse(w.view()));
}

TEST(Format, AFailedReplyMayLackItsBuffers)
{
	Lengths l;
	l.set(0, sizeof(wire::PtlrpcBody));
	std::vector<std::byte> room(l.total());
	auto w = *MessageWriter::create(room, l);
	w.body()->status = -2;
	using View = ReplyView<op::MdsGetattr>;
	auto r = View::parse(w.view());
	ASSERT_TRUE(r);
	EXPECT_TRUE(r->get<fld::MdtBody>().fid1.is_zero());
	EXPECT_EQ(r->get<fld::MdtBody>().valid, 0u);
	w.body()->status = 0;
	EXPECT_NE(defect_of<View>(w.view()).find("mdt_body"), std::string::npos);
	w.body()->status = 301;
	EXPECT_FALSE(View::parse(w.view()));
}

TEST(Format, AFailedReplyMayNotBeMalformed)
{
	auto m = request(Opcode::MDS_GETATTR, {10});
	auto w = *MessageWriter::adopt(m);
	w.body()->status = -2;
	EXPECT_FALSE(ReplyView<op::MdsGetattr>::parse(w.view()));
}

TEST(Format, CreateRefusesLengthsWithoutWhatMustBeThere)
{
	RequestLengths<op::OstGetattr> l;
	l.bytes<fld::OstBody>(100);
	std::vector<std::byte> room(1000);
	auto w = RequestWriter<op::OstGetattr>::create(room, l);
	ASSERT_FALSE(w);
	EXPECT_EQ(w.error(), cfs::err::INVAL);
}

TEST(Format, AReplyShrinksToWhatItTurnedOutToBe)
{
	ReplyLengths<op::LdlmIntentGetattr> l;
	l.bytes<fld::MdtMd>(2432);
	l.bytes<fld::Acl>(260);
	ComposedReply<op::LdlmIntentGetattr> c(l);
	ASSERT_TRUE(c.writer.put<fld::MdtMd>(std::string_view("layout")));
	ASSERT_TRUE(c.writer.put<fld::Acl>(std::string_view("acl!")));
	ASSERT_TRUE(c.writer.resize<fld::MdtMd>(6));
	ASSERT_TRUE(c.writer.resize<fld::Acl>(4));
	ReplyLengths<op::LdlmIntentGetattr> want;
	want.bytes<fld::MdtMd>(6);
	want.bytes<fld::Acl>(4);
	EXPECT_EQ(c.writer.size(), want.total());
	auto r = ReplyView<op::LdlmIntentGetattr>::parse(c.view());
	ASSERT_TRUE(r);
	EXPECT_EQ(cfs::as_string(r->get<fld::MdtMd>()), "layout");
	EXPECT_EQ(cfs::as_string(r->get<fld::Acl>()), "acl!");
}

TEST(Format, PutRefusesMoreThanThereIsRoomFor)
{
	RequestLengths<op::MdsGetattrName> l;
	l.text<fld::Name>("abc");
	ComposedRequest<op::MdsGetattrName> c(l);
	EXPECT_TRUE(c.writer.put<fld::Name>(std::string_view("abc")));
	EXPECT_EQ(c.writer.put<fld::Name>(std::string_view("abcde")).error(), cfs::err::OVERFLOWED);
}

TEST(Format, MessagesInsideBatchesHaveNoBody)
{
	RequestLengths<op::BatchGetattr> l;
	l.text<fld::Name>("f");
	EXPECT_EQ(l[0], 104u);
	ComposedRequest<op::BatchGetattr> c(l);
	c.writer.header().opc = static_cast<u32>(wire::BatchOp::BUT_GETATTR);
	EXPECT_TRUE(c.writer.put<fld::Name>(std::string_view("f")));
	auto r = RequestView<op::BatchGetattr>::parse(c.view());
	ASSERT_TRUE(r);
	EXPECT_EQ(r->get<fld::Name>(), "f");
}

TEST(FindFormat, ReintsGoByTheirRecord)
{
	using wire::ReintOp;
	const std::pair<ReintOp, const char *> ops[] = {
		{ReintOp::REINT_SETATTR, "MDS_REINT setattr"},
		{ReintOp::REINT_CREATE, "MDS_REINT create"},
		{ReintOp::REINT_LINK, "MDS_REINT link"},
		{ReintOp::REINT_UNLINK, "MDS_REINT unlink"},
		{ReintOp::REINT_RENAME, "MDS_REINT rename"},
		{ReintOp::REINT_OPEN, "MDS_REINT open"},
		{ReintOp::REINT_SETXATTR, "MDS_REINT setxattr"},
		{ReintOp::REINT_RMENTRY, "MDS_REINT rmentry"},
		{ReintOp::REINT_MIGRATE, "MDS_REINT migrate"},
		{ReintOp::REINT_RESYNC, "MDS_REINT resync"},
	};
	auto m = request(Opcode::MDS_REINT, {136, 0, 2});
	for (auto [op, name] : ops) {
		structure<wire::MdtRecReint>(m, 1).opcode = op;
		EXPECT_EQ(format_name(m), name);
	}
	structure<wire::MdtRecReint>(m, 1).opcode = ReintOp{11};
	EXPECT_EQ(format_name(m), "none");
	structure<wire::MdtRecCreate>(m, 1).opcode = ReintOp::REINT_CREATE;
	structure<wire::MdtRecCreate>(m, 1).mode = 0120777;
	EXPECT_EQ(format_name(m), "MDS_REINT symlink");
	m = request(Opcode::MDS_REINT, {3});
	EXPECT_EQ(format_name(m), "none");
}

TEST(FindFormat, EnqueuesGoByTheirIntent)
{
	const std::pair<u64, const char *> intents[] = {
		{wire::IT_OPEN, "LDLM_ENQUEUE open"},
		{wire::IT_OPEN_CREAT, "LDLM_ENQUEUE open"},
		{wire::IT_CREAT, "LDLM_ENQUEUE create"},
		{wire::IT_GETATTR, "LDLM_ENQUEUE getattr"},
		{wire::IT_LOOKUP, "LDLM_ENQUEUE getattr"},
		{wire::IT_GETXATTR, "LDLM_ENQUEUE getxattr"},
		{wire::IT_LAYOUT, "LDLM_ENQUEUE layout"},
		{wire::IT_QUOTA_DQACQ, "LDLM_ENQUEUE quota"},
		{wire::IT_QUOTA_CONN, "LDLM_ENQUEUE quota"},
		{wire::IT_GLIMPSE, "LDLM_ENQUEUE glimpse"},
		{wire::IT_BRW, "LDLM_ENQUEUE glimpse"},
		{0x10000000, "none"},
	};
	auto m = request(Opcode::LDLM_ENQUEUE, {104, 8});
	for (auto [intent, name] : intents) {
		structure<wire::LdlmIntent>(m, 2).opc = intent;
		EXPECT_EQ(format_name(m), name) << intent;
	}
	// A glimpse or readdir has the flag but no intent buffer.
	m = request(Opcode::LDLM_ENQUEUE, {104});
	structure<wire::LdlmRequest>(m, 1).lock_flags = wire::LDLM_FL_HAS_INTENT;
	EXPECT_EQ(format_name(m), "LDLM_ENQUEUE");
	m = request(Opcode::LDLM_ENQUEUE, {104, 4});
	EXPECT_EQ(format_name(m), "none");
}

TEST(FindFormat, InfoRequestsGoByTheirKey)
{
	auto with_key = [](Opcode opcode, std::string_view key) {
		auto m = request(opcode, {key.size(), 16});
		auto w = *MessageWriter::adopt(m);
		std::ranges::copy(std::as_bytes(std::span(key)), w.buffer(1).begin());
		return format_name(m);
	};
	EXPECT_EQ(with_key(Opcode::OST_GET_INFO, std::string_view("last_fid\0", 9)),
		  "OST_GET_INFO last_fid");
	EXPECT_EQ(with_key(Opcode::OST_GET_INFO, "last_id"), "OST_GET_INFO last_id");
	EXPECT_EQ(with_key(Opcode::OST_GET_INFO, "nothing"), "OST_GET_INFO");
	EXPECT_EQ(with_key(Opcode::OST_SET_INFO, "grant_shrink"), "OST_SET_INFO grant_shrink");
	EXPECT_EQ(with_key(Opcode::MDS_SET_INFO, "changelog_clear"),
		  "MDS_SET_INFO changelog_clear");
	EXPECT_EQ(with_key(Opcode::MDS_SET_INFO, "read-only"), "MDS_SET_INFO");
	EXPECT_EQ(with_key(Opcode::MDS_GET_INFO, std::string_view("fid2path\0", 9)),
		  "MDS_GET_INFO fid2path");
}

TEST(FindFormat, ClosesGoByTheirBias)
{
	auto m = request(Opcode::MDS_CLOSE, {24, 136});
	EXPECT_EQ(format_name(m), "MDS_CLOSE");
	structure<wire::MdtRecSetattr>(m, 2).bias = wire::MDS_DATA_MODIFIED;
	EXPECT_EQ(format_name(m), "MDS_CLOSE");
	structure<wire::MdtRecSetattr>(m, 2).bias = wire::MDS_CLOSE_RESYNC_DONE;
	EXPECT_EQ(format_name(m), "MDS_CLOSE intent");
	EXPECT_FALSE(RequestView<op::MdsCloseIntent>::parse(*MessageView::parse_rpc(m)));
}

TEST(FindFormat, UnknownOpcodesAreNamed)
{
	auto m = request(Opcode{4000}, {});
	Defect why;
	EXPECT_EQ(find_format(*MessageView::parse_rpc(m), &why), nullptr);
	EXPECT_EQ(why.kind, Defect::Kind::unknown_opcode);
	EXPECT_EQ(why.have, 4000u);
	EXPECT_FALSE(known_opcode(Opcode{4000}));
	EXPECT_TRUE(known_opcode(Opcode::MDS_REINT));
}

TEST(Trace, ShowsNameBodyAndBuffers)
{
	RequestLengths<op::MdsGetattrName> l;
	l.text<fld::Name>("a\nb");
	ComposedRequest<op::MdsGetattrName> c(l);
	c.writer.body().conn_cnt = 3;
	c.writer.get<fld::MdtBody>().fid1 = wire::kRootFid;
	EXPECT_TRUE(c.writer.put<fld::Name>(std::string_view("a\nb")));
	char text[500];
	cfs::FormatSink out(text);
	trace_message(out, c.view(), &kFormatDesc<op::MdsGetattrName>, Side::request);
	std::string s(out.text());
	EXPECT_TRUE(s.starts_with("MDS_GETATTR_NAME request conn 3 [mdt_body 216 (fid "
				  "[0x200000007:0x1:0x0]"))
		<< s;
	EXPECT_TRUE(s.ends_with("name 4 (\"a\\x0ab\")]")) << s;
}

TEST(Trace, ShowsWhatHasNoFormatByNumbers)
{
	auto m = request(Opcode{4000}, {16});
	char text[100];
	cfs::FormatSink out(text);
	trace_message(out, *MessageView::parse_rpc(m), nullptr, Side::reply);
	EXPECT_EQ(out.text(), "opcode 4000 reply status 0 [#1 16]");
}

} // namespace rpc
