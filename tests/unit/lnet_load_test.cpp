// SPDX-License-Identifier: GPL-2.0
//
// The load generator and its sink, over the loopback.

#include "lnet/load.hpp"

#include <string>

#include "libcfs/node.hpp"
#include "lnet/core.hpp"
#include "tests/unit/lnet_test.hpp"

namespace
{

using namespace lnet;

class LoadTest : public LnetTest
{
protected:
	void SetUp() override
	{
		LnetTest::SetUp();
		node = *cfs::Node::get(cfs_node_current());
		core = std::move(*Core::create(*node, 4711));
	}
	void TearDown() override
	{
		core.reset();
		node.reset();
		LnetTest::TearDown();
	}
	static LoadSpec spec(bool get, std::uint32_t size, std::uint32_t concurrency)
	{
		LoadSpec s;
		s.target.nid = *parse_nid("0@lo");
		s.get = get;
		s.size = size;
		s.concurrency = concurrency;
		s.time = cfs::Duration::nanos(20000000);
		return s;
	}

	cfs::RefPtr<cfs::Node> node;
	cfs::UniquePtr<Core> core;
};

TEST_F(LoadTest, WhatIsSentIsWhatTheSinkCounts)
{
	auto sink = LoadSink::make(*core);
	ASSERT_TRUE(sink);
	std::uint64_t messages = 0, bytes = 0;
	for (bool get : {false, true}) {
		for (std::uint32_t size : {0u, 4097u, kLoadSizeMax}) {
			auto r = run_load(core->node(), *core, spec(get, size, 8));
			ASSERT_TRUE(r);
			EXPECT_GE(r->messages, 8u);
			EXPECT_EQ(r->failed, 0u);
			EXPECT_EQ(r->bytes, r->messages * size);
			std::uint64_t in_histogram = 0;
			for (auto n : r->latency)
				in_histogram += n;
			EXPECT_EQ(in_histogram, r->messages);
			messages += r->messages;
			bytes += r->bytes;
		}
	}
	EXPECT_EQ((*sink)->messages.load(), messages);
	EXPECT_EQ((*sink)->bytes.load(), bytes);
}

TEST_F(LoadTest, CheckedPayloadsArriveAndComeBackAsTheyWere)
{
	auto sink = LoadSink::make(*core);
	ASSERT_TRUE(sink);
	auto s = spec(false, kLoadSizeMax, 16); // 16 MiB under way
	s.check = true;
	auto r = run_load(core->node(), *core, s);
	ASSERT_TRUE(r);
	EXPECT_GE(r->messages, 16u);
	EXPECT_EQ(r->failed, 0u);
	EXPECT_EQ((*sink)->corrupt.load(), 0u);
	s.concurrency = 17; // more than the sink has room for
	EXPECT_FALSE(run_load(core->node(), *core, s));
}

TEST_F(LoadTest, EightThreadsHavePartsOfTheirOwn)
{
	auto sink = LoadSink::make(*core);
	ASSERT_TRUE(sink);
	auto s = spec(false, kLoadSizeMax, 13);
	s.check = true;
	s.threads = 8;
	auto r = run_load(core->node(), *core, s);
	ASSERT_TRUE(r);
	EXPECT_GE(r->messages, 13u);
	EXPECT_EQ(r->failed, 0u);
	EXPECT_EQ((*sink)->corrupt.load(), 0u);
	EXPECT_EQ((*sink)->messages.load(), r->messages);
	s.threads = 14; // more than messages
	EXPECT_FALSE(run_load(core->node(), *core, s));
}

TEST_F(LoadTest, TheSinkNoticesAPayloadThatIsNotWhatItsChecksumSays)
{
	auto sink = LoadSink::make(*core);
	ASSERT_TRUE(sink);
	std::byte text[100] = {};
	MdSpec md;
	md.buffer.linear = text;
	md.buffer.length = sizeof(text);
	for (std::uint64_t hdr_data : {std::uint64_t{0}, kLoadChecked | 1}) {
		auto h = core->bind(md);
		ASSERT_TRUE(h);
		ASSERT_TRUE(core->put(Nid{}, *h, false, {*parse_nid("0@lo")}, kLoadPortal,
				      kLoadMatchBits, 0, hdr_data));
	}
	EXPECT_EQ((*sink)->messages.load(), 1u);
	EXPECT_EQ((*sink)->corrupt.load(), 1u);
}

TEST_F(LoadTest, WithoutASinkTheRunEnds)
{
	// Nobody answers a PUT that matches nothing, so its time-out ends it.
	Settings s = core->settings();
	s.transaction_timeout = 1;
	s.retry_count = 0;
	ASSERT_TRUE(core->set_settings(s));
	auto r = run_load(core->node(), *core, spec(false, 16, 2));
	ASSERT_TRUE(r);
	EXPECT_EQ(r->messages, 0u);
	EXPECT_EQ(r->failed, 2u);
	EXPECT_NE(r->first_error, cfs::Errno{});
}

TEST_F(LoadTest, WhereThereIsNoWayNothingIsUnderWay)
{
	auto s = spec(true, 16, 4);
	s.target.nid = *parse_nid("10.1.2.3@o2ib");
	auto r = run_load(core->node(), *core, s);
	ASSERT_TRUE(r);
	EXPECT_EQ(r->messages, 0u);
	EXPECT_EQ(r->failed, 4u);
}

TEST_F(LoadTest, SpecsAreReadAndRefused)
{
	auto s = parse_load("10.0.0.2@tcp put 1M 16 10\n");
	ASSERT_TRUE(s);
	EXPECT_EQ(s->size, 1u << 20);
	EXPECT_EQ(s->concurrency, 16u);
	EXPECT_FALSE(s->get);
	EXPECT_TRUE(parse_load("0@lo get")->get);
	EXPECT_TRUE(parse_load("0@lo check 64K 8")->check);
	EXPECT_EQ(parse_load("0@lo check 64K 8 2 8")->threads, 8u);
	for (const char *bad : {"", "0@lo", "0@lo push", "bogus put", "0@lo put 2M", "0@lo put 0 0",
				"0@lo put 0 1000", "0@lo put 0 1 5000", "0@lo put 0 1 1 1 1",
				"0@lo put 0 1 1 2", "0@lo put 0 8 1 0", "0@lo put x"})
		EXPECT_FALSE(parse_load(bad)) << bad;
	auto bad = spec(false, kLoadSizeMax + 1, 1);
	EXPECT_FALSE(run_load(core->node(), *core, bad));
	EXPECT_FALSE(run_load(core->node(), *core, spec(false, 1, 0)));
}

TEST_F(LoadTest, ResultsAreYaml)
{
	LoadResult r;
	r.messages = 10;
	r.bytes = 1000;
	r.elapsed_ns = 500000000;
	r.latency[0] = 1;
	r.latency[5] = 9;
	char text[1024];
	cfs::FormatSink out(text);
	format_load(out, spec(false, 100, 1), r);
	EXPECT_EQ(std::string(out.text()),
		  "load:\n    target: 0@lo\n    operation: put\n    size: 100\n    concurrency: 1\n"
		  "    threads: 1\n"
		  "    messages: 10\n    failed: 0\n    bytes: 1000\n    milliseconds: 500\n"
		  "    messages_per_second: 20\n    bytes_per_second: 2000\n    latency_us:\n"
		  "        0: 1\n        32: 9\n");
}

} // namespace
