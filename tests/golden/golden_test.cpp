// SPDX-License-Identifier: GPL-2.0
//
// Every RPC message of the recorded captures: it has a format, its buffers are what an independent
// decoder found, and taken apart and put together again it is the same bytes.

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <sstream>

#include <gtest/gtest.h>

#include "capture.hpp"
#include "reencode.hpp"
#include "rpc/format/sec.hpp"
#include "rpc/format/trace.hpp"

namespace golden
{

namespace
{

using rpc::Side;

rpc::MessageView view_of(const CapturedMessage &m)
{
	rpc::Defect why;
	auto v = rpc::MessageView::parse_rpc(m.bytes, &why);
	char text[100];
	EXPECT_TRUE(v) << m.file << ": " << cfs::format_to(text, "{}", why);
	return *v;
}

/// The format of a captured message: a reply's is that of its request.
const rpc::FormatDesc *format_of(const Capture &c, const CapturedMessage &m)
{
	if (m.request)
		return rpc::find_format(view_of(m));
	if (m.request_index == SIZE_MAX)
		return nullptr;
	return rpc::find_format(view_of(c.messages[m.request_index]));
}

const Reencoder &reencoder_for(const rpc::FormatDesc *format)
{
	auto index = static_cast<std::size_t>(format - rpc::all_formats().data());
	return reencoders().at(index);
}

std::string text_of(const rpc::Defect &d)
{
	char text[100];
	return std::string(cfs::format_to(text, "{}", d));
}

/// Calls fn(capture, message, format) for every message.
template <typename Fn>
void for_each_message(Fn fn)
{
	for (const auto &c : all_captures())
		for (const auto &m : c.messages)
			fn(c, m, format_of(c, m));
}

/// The line of messages.tsv that a message should have.
std::string line_of(const CapturedMessage &m, const rpc::FormatDesc &format)
{
	auto v = view_of(m);
	const auto &b = v.body();
	std::ostringstream s;
	s << m.file << '\t' << m.from << '>' << m.to << '\t' << (m.request ? "req" : "rep") << '\t'
	  << b.opc.raw() << std::hex << "\t0x" << m.match_bits << std::dec << '\t' << b.type.raw()
	  << '\t' << b.status << std::hex << "\t0x" << b.transno.raw() << std::dec << '\t' << b.tag
	  << '\t' << "ptlrpc_body:" << v.length(0);
	auto slots = m.request ? format.request : format.reply;
	for (rpc::u32 i = 1; i < v.buffer_count(); i++)
		s << ' ' << (i <= slots.size() ? slots[i - 1].field.name : "?") << ':'
		  << v.length(i);
	return s.str();
}

/// Re-encodes the messages inside a batch; returns how many there were.
template <typename Head, Side S>
std::size_t check_nested(rpc::Bytes batch)
{
	cfs::Reader r(batch);
	auto head = r.view<Head>();
	EXPECT_TRUE(head);
	for (unsigned i = 0; head && i < (*head)->count; i++) {
		rpc::Defect why;
		auto msg = rpc::MessageView::parse(r.rest(), &why);
		EXPECT_TRUE(msg) << text_of(why);
		if (!msg)
			return i;
		auto again = reencode<rpc::op::BatchGetattr, S>(*msg, &why);
		EXPECT_TRUE(std::ranges::equal(again, msg->bytes())) << text_of(why);
		EXPECT_TRUE(r.skip(msg->size()));
	}
	return (*head)->count;
}

} // namespace

TEST(GoldenCapture, EveryByteIsUnderstood)
{
	ASSERT_EQ(all_captures().size(), 14u);
	for (const auto &c : all_captures())
		for (const auto &p : c.problems)
			ADD_FAILURE() << p;
}

TEST(GoldenCapture, MessagesAreThoseOfAnIndependentDecoder)
{
	std::ifstream in(data_dir() / "messages.tsv");
	std::multiset<std::string> want, have;
	for (std::string line; std::getline(in, line);)
		if (!line.starts_with('#'))
			want.insert(line);
	for_each_message([&](const Capture &, const CapturedMessage &m, const auto *format) {
		if (format)
			have.insert(line_of(m, *format));
	});
	EXPECT_EQ(want.size(), 2084u);
	std::vector<std::string> missing, extra;
	std::set_difference(want.begin(), want.end(), have.begin(), have.end(),
			    std::back_inserter(missing));
	std::set_difference(have.begin(), have.end(), want.begin(), want.end(),
			    std::back_inserter(extra));
	for (const auto &l : missing)
		ADD_FAILURE() << "missing: " << l;
	for (const auto &l : extra)
		ADD_FAILURE() << "extra:   " << l;
}

TEST(GoldenCapture, EveryMessageIsReencodedByteForByte)
{
	std::map<std::string, std::pair<int, int>> counts;
	int messages = 0, requests_without_reply = 0;
	for_each_message([&](const Capture &c, const CapturedMessage &m, const auto *format) {
		messages++;
		ASSERT_TRUE(format) << m.file << " portal " << m.portal << " no format";
		rpc::Defect why;
		const auto &r = reencoder_for(format);
		auto again = (m.request ? r.request : r.reply)(view_of(m), &why);
		EXPECT_EQ(again, m.bytes)
			<< m.file << " " << format->info.name << " " << text_of(why);
		auto &count = counts[format->info.name];
		(m.request ? count.first : count.second)++;
		(void)c;
	});
	for (const auto &[name, n] : counts) {
		requests_without_reply += n.first - n.second;
		std::cout << "  " << name
			  << std::string(34 - std::min<std::size_t>(33, name.size()), ' ')
			  << n.first << " requests, " << n.second << " replies\n";
	}
	std::cout << "  " << messages << " messages, " << counts.size() << " formats\n";
	EXPECT_EQ(messages, 2084);
	// Two servers that were not up yet, one power loss.
	EXPECT_EQ(requests_without_reply, 4);
}

TEST(GoldenCapture, MessagesInsideBatchesToo)
{
	std::size_t requests = 0, replies = 0;
	for_each_message([&](const Capture &, const CapturedMessage &m, const auto *format) {
		if (format != &rpc::kFormatDesc<rpc::op::MdsBatch> &&
		    format->info.opcode != wire::Opcode::MDS_BATCH)
			return;
		if (m.request) {
			auto v = rpc::RequestView<rpc::op::MdsBatch>::parse(view_of(m));
			ASSERT_TRUE(v);
			auto head = v->get<rpc::fld::ButHeader>();
			requests += check_nested<wire::BatchUpdateRequest, Side::request>(
				std::as_bytes(head.tail).first(head->inline_length));
		} else {
			auto v = rpc::ReplyView<rpc::op::MdsBatch>::parse(view_of(m));
			ASSERT_TRUE(v);
			replies += check_nested<wire::BatchUpdateReply, Side::reply>(
				v->raw<rpc::fld::ButReply>());
		}
	});
	std::cout << "  " << requests << " requests, " << replies << " replies in batches\n";
	EXPECT_GT(requests, 0u);
	EXPECT_GT(replies, 0u);
}

TEST(GoldenCapture, EveryMessageIsUnderTheNullFlavour)
{
	for_each_message([&](const Capture &, const CapturedMessage &m, const auto *) {
		auto u = rpc::unwrap(m.bytes);
		ASSERT_TRUE(u);
		EXPECT_EQ(u->flavour.policy(), wire::SecPolicy::SPTLRPC_POLICY_NULL);
		EXPECT_EQ(u->message.size(), m.bytes.size());
		// Replies to messages that can not have an early reply lie at the front.
		EXPECT_TRUE(m.request || m.offset == 0 ||
			    m.offset == u->flavour.early_reply_bytes());
	});
}

TEST(GoldenCapture, VersionIsThatOfTheFormat)
{
	for_each_message([&](const Capture &, const CapturedMessage &m, const auto *format) {
		auto v = view_of(m);
		std::uint32_t want =
			wire::PTLRPC_MSG_VERSION | (m.request ? format->info.version : 0);
		EXPECT_EQ(v.body().version, want) << format->info.name;
	});
}

TEST(GoldenCapture, EveryMessageCanBeTraced)
{
	for_each_message([&](const Capture &, const CapturedMessage &m, const auto *format) {
		char text[2000];
		cfs::FormatSink out(text);
		trace_message(out, view_of(m), format, m.request ? Side::request : Side::reply);
		EXPECT_TRUE(out.text().starts_with(format->info.name));
		EXPECT_TRUE(out.text().ends_with(']')) << out.text();
	});
}

} // namespace golden
