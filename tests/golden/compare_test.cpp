// SPDX-License-Identifier: GPL-2.0
//
// The comparison of our messages with stock ones: stock's own captures pass, and what is made
// different in them is found.

#include <fstream>

#include <gtest/gtest.h>

#include "compare.hpp"
#include "rpc/format/message.hpp"

namespace golden
{

namespace
{

/// Two messages of a stock capture that has both: a request with structures, and its reply.
Capture exchange(wire::Opcode opcode)
{
	for (const auto &c : all_captures())
		for (const auto &m : c.messages) {
			if (m.request || m.request_index == SIZE_MAX)
				continue;
			auto view = rpc::MessageView::parse_rpc(m.bytes);
			if (!view || view->body().opc != opcode || view->body().status != 0)
				continue;
			Capture out;
			out.messages = {c.messages[m.request_index], m};
			out.messages[1].request_index = 0;
			return out;
		}
	ADD_FAILURE() << "no such exchange";
	return {};
}

/// The same message with one buffer's length changed, or one more buffer.
std::vector<std::byte> reshaped(const std::vector<std::byte> &bytes, rpc::u32 buffer, int by)
{
	auto v = rpc::MessageView::parse_rpc(bytes);
	rpc::Lengths lengths;
	for (rpc::u32 i = 0; i < v->buffer_count(); i++)
		lengths.set(i, v->length(i) + (i == buffer ? static_cast<rpc::u32>(by) : 0));
	if (buffer >= v->buffer_count())
		lengths.set(buffer, static_cast<rpc::u32>(by));
	std::vector<std::byte> out(lengths.total());
	auto w = rpc::MessageWriter::create(out, lengths);
	EXPECT_TRUE(w);
	w->header().flags = v->header().flags;
	w->header().secflvr = v->header().secflvr;
	for (rpc::u32 i = 0; i < v->buffer_count(); i++) {
		auto from = v->buffer(i);
		auto to = w->buffer(i);
		std::copy_n(from.begin(), std::min(from.size(), to.size()), to.begin());
	}
	return out;
}

std::map<Difference, std::size_t> differences(const Capture &c)
{
	Comparison all(all_captures());
	all.add(c);
	return all.differences();
}

} // namespace

TEST(GoldenCompare, StockIsLikeStock)
{
	Comparison all(all_captures());
	for (const auto &c : all_captures())
		all.add(c);
	for (const auto &[d, n] : all.differences())
		ADD_FAILURE() << d.kind << ": " << d.what << ", " << n << " messages";
	EXPECT_GT(all.seen().size(), 60u);
}

TEST(GoldenCompare, AStructureOfAnotherSizeIsFound)
{
	auto c = exchange(wire::Opcode::OST_SETATTR);
	ASSERT_EQ(c.messages.size(), 2u);
	EXPECT_TRUE(differences(c).empty());
	c.messages[1].bytes = reshaped(c.messages[1].bytes, 1, 8);
	auto found = differences(c);
	EXPECT_TRUE(found.contains({"OST_SETATTR reply", "ost_body of 216 bytes"}));
	EXPECT_FALSE(found.contains({"OST_SETATTR request", "ost_body of 216 bytes"}));
}

TEST(GoldenCompare, AnotherNumberOfBuffersIsFound)
{
	auto c = exchange(wire::Opcode::OST_STATFS);
	ASSERT_EQ(c.messages.size(), 2u);
	auto n = rpc::MessageView::parse_rpc(c.messages[1].bytes)->buffer_count();
	c.messages[1].bytes = reshaped(c.messages[1].bytes, n, 16);
	EXPECT_TRUE(
		differences(c).contains({"OST_STATFS reply", std::to_string(n + 1) + " buffers"}));
}

TEST(GoldenCompare, AMessageThatIsCutIsMalformed)
{
	auto c = exchange(wire::Opcode::OST_STATFS);
	ASSERT_EQ(c.messages.size(), 2u);
	c.messages[0].bytes.resize(100);
	auto found = differences(c);
	ASSERT_FALSE(found.empty());
	EXPECT_TRUE(found.begin()->first.what.starts_with("malformed"));
}

TEST(GoldenCompare, AnAnswerToNothingIsFound)
{
	auto c = exchange(wire::Opcode::OBD_PING);
	ASSERT_EQ(c.messages.size(), 2u);
	c.messages.erase(c.messages.begin());
	c.messages[0].request_index = SIZE_MAX;
	auto found = differences(c);
	ASSERT_FALSE(found.empty());
	EXPECT_EQ(found.begin()->first.what, "malformed: answers nothing");
}

TEST(GoldenCompare, ExceptionsHaveReasonsAndExcuseNothingElse)
{
	auto file = std::filesystem::path(::testing::TempDir()) / "exceptions.tsv";
	auto c = exchange(wire::Opcode::OST_SETATTR);
	ASSERT_EQ(c.messages.size(), 2u);
	c.messages[1].bytes = reshaped(c.messages[1].bytes, 1, 8);
	Comparison all(all_captures());
	all.add(c);
	std::ofstream(file) << "OST_SETATTR reply\tost_body of 216 bytes\t\n";
	all.read_exceptions(file);
	EXPECT_EQ(all.differences().size(), 1u);
	std::ofstream(file) << "OST_SETATTR reply\tost_body of 224 bytes\twrong size\n";
	all.read_exceptions(file);
	EXPECT_EQ(all.differences().size(), 1u);
	std::ofstream(file) << "OST_SETATTR reply\tost_body of 216 bytes\ta reason\n";
	all.read_exceptions(file);
	EXPECT_TRUE(all.differences().empty());
	std::filesystem::remove(file);
}

} // namespace golden
