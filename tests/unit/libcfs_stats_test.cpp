// SPDX-License-Identifier: GPL-2.0
//
// Statistics and histograms, against text of a stock system (spec 08 section 9).
#include <sstream>
#include <thread>

#include "libcfs/stats.hpp"
#include "tests/unit/libcfs_machine.hpp"

using namespace cfs;

namespace
{

enum { kReadBytes, kOpen, kIoctl, kUnused };
constexpr StatInfo kInfos[] = {
	{"read_bytes", "bytes", StatKind::squares},
	{"open", "usecs", StatKind::values},
	{"ioctl", "reqs", StatKind::events},
	{"unused", "reqs", StatKind::squares},
};

template <typename F>
std::string text(F f)
{
	std::string all;
	char buf[64];
	FormatSink out(
		buf,
		[](void *ctx, const char *t, std::size_t n) noexcept {
			static_cast<std::string *>(ctx)->append(t, n);
		},
		&all);
	f(out);
	out.flush();
	return all;
}

std::string body(const Stats &s)
{
	std::string all = text([&](FormatSink &out) { s.show(out); });
	return all.substr(all.find("elapsed_time"));
}

class StatsTest : public MachineTest
{
protected:
	Stats stats_;
	void SetUp() override
	{
		MachineTest::SetUp();
		ASSERT_TRUE(stats_.open(CFS_S_LLITE, kInfos));
	}
	void TearDown() override
	{
		stats_.~Stats();
		new (&stats_) Stats;
		MachineTest::TearDown();
	}
};

TEST_F(StatsTest, LinesLookLikeStock)
{
	stats_.add(kReadBytes, 4096);
	stats_.add(kReadBytes, 1048576);
	stats_.add(kReadBytes, 1048576);
	stats_.add(kOpen, 12);
	stats_.add(kOpen, 300);
	stats_.count(kIoctl);
	stats_.count(kIoctl);
	auto lines = body(stats_);
	EXPECT_EQ(lines.substr(lines.find('\n') + 1),
		  "read_bytes                3 samples [bytes] 4096 1048576 2101248 2199040032768\n"
		  "open                      2 samples [usecs] 12 300 312\n"
		  "ioctl                     2 samples [reqs]\n");
}

TEST_F(StatsTest, TheHeaderSaysSinceWhen)
{
	std::string all = text([&](FormatSink &out) { stats_.show(out); });
	std::istringstream in(all);
	std::string line;
	for (const char *name : {"snapshot_time             ", "start_time                ",
				 "elapsed_time              "}) {
		ASSERT_TRUE(std::getline(in, line));
		EXPECT_EQ(line.substr(0, 26), name);
		EXPECT_EQ(line.substr(line.find(' ', 26)), " secs.nsecs");
		EXPECT_EQ(line.find('.') + 10, line.find(' ', 26));
	}
	machine().stats_header = false;
	all = text([&](FormatSink &out) { stats_.show(out); });
	EXPECT_EQ(std::count(all.begin(), all.end(), '\n'), 1);
}

TEST_F(StatsTest, WritingClears)
{
	stats_.add(kOpen, 7);
	auto before = stats_.start_ns();
	EXPECT_TRUE(stats_.store("clear"));
	EXPECT_EQ(stats_.value(kOpen).count, 0u);
	EXPECT_GE(stats_.start_ns(), before);
	stats_.add(kOpen, 9);
	EXPECT_EQ(stats_.value(kOpen).min, 9);
	EXPECT_EQ(stats_.value(kOpen).max, 9);
}

TEST_F(StatsTest, NegativeSamplesCount)
{
	stats_.add(kOpen, -5);
	stats_.add(kOpen, 3);
	auto v = stats_.value(kOpen);
	EXPECT_EQ(v.min, -5);
	EXPECT_EQ(v.max, 3);
	EXPECT_EQ(v.sum, -2);
}

TEST_F(StatsTest, ThreadsAddUp)
{
	ShardedCounter counter;
	std::vector<std::thread> threads;
	for (int t = 0; t < 4; t++)
		threads.emplace_back([&] {
			for (int i = 1; i <= 1000; i++) {
				stats_.add(kReadBytes, i);
				counter.add(i);
			}
		});
	for (auto &t : threads)
		t.join();
	auto v = stats_.value(kReadBytes);
	EXPECT_EQ(v.count, 4000u);
	EXPECT_EQ(v.min, 1);
	EXPECT_EQ(v.max, 1000);
	EXPECT_EQ(v.sum, 4 * 500500);
	EXPECT_EQ(v.sumsq, 4u * 333833500);
	EXPECT_EQ(counter.sum(), 4 * 500500);
}

TEST(StatsUnopened, IgnoreSamples)
{
	Stats s;
	s.add(0, 1);
	s.count(3);
	EXPECT_EQ(s.size(), 0u);
}

std::string rows(const HistogramRows &how, const Histogram &l, const Histogram *r = nullptr)
{
	return text([&](FormatSink &out) { print_histogram(out, how, l, r); });
}

TEST(HistogramTest, BucketsArePowersOfTwo)
{
	Histogram h;
	for (std::uint64_t v : {0u, 1u, 2u, 3u, 4u, 5u, 8u, 9u})
		h.add_log2(v);
	EXPECT_EQ(h.bucket(0), 2u);
	EXPECT_EQ(h.bucket(1), 1u);
	EXPECT_EQ(h.bucket(2), 2u);
	EXPECT_EQ(h.bucket(3), 2u);
	EXPECT_EQ(h.bucket(4), 1u);
	h.clear();
	for (std::uint64_t v : {0u, 1u, 2u, 3u, 4u, 7u, 8u})
		h.add_log2_zero(v);
	EXPECT_EQ(h.bucket(0), 1u);
	EXPECT_EQ(h.bucket(1), 1u);
	EXPECT_EQ(h.bucket(2), 2u);
	EXPECT_EQ(h.bucket(3), 2u);
	EXPECT_EQ(h.bucket(4), 1u);
	h.add_log2(UINT64_MAX);
	h.add(1000);
	EXPECT_EQ(h.bucket(31), 2u);
	EXPECT_EQ(h.total(), 9u);
}

// Rows of golden/admin/client-cmds/selected-params.txt.
TEST(HistogramTest, RpcStatsRowsLookLikeStock)
{
	Histogram read;
	Histogram write;
	EXPECT_EQ(rows(kRpcStatsRows, read, &write),
		  "1:\t\t         0   0   0   |          0   0   0\n");
	read.add_log2(32);
	write.add_log2(64);
	write.add_log2(3);
	EXPECT_EQ(rows(kRpcStatsRows, read, &write),
		  "1:\t\t         0   0   0   |          0   0   0\n"
		  "2:\t\t         0   0   0   |          0   0   0\n"
		  "4:\t\t         0   0   0   |          1  50  50\n"
		  "8:\t\t         0   0   0   |          0   0  50\n"
		  "16:\t\t         0   0   0   |          0   0  50\n"
		  "32:\t\t         1 100 100   |          0   0  50\n"
		  "64:\t\t         0   0 100   |          1  50 100\n");
	HistogramRows offset = kRpcStatsRows;
	offset.label = HistogramRows::Label::log2_zero;
	Histogram o;
	o.add_log2_zero(0);
	o.add_log2_zero(2);
	EXPECT_EQ(rows(offset, o, &o), "0:\t\t         1  50  50   |          1  50  50\n"
				       "1:\t\t         0   0  50   |          0   0  50\n"
				       "2:\t\t         1  50 100   |          1  50 100\n");
	HistogramRows flight = kRpcStatsRows;
	flight.label = HistogramRows::Label::number;
	flight.first = 1;
	Histogram f;
	f.add(0);
	f.add(2);
	EXPECT_EQ(rows(flight, f), "1:\t\t         0   0  50\n2:\t\t         1  50 100\n");
}

// Rows of golden/admin/server-mdt1-ost2-cmds/selected-params.txt.
TEST(HistogramTest, BrwStatsRowsLookLikeStock)
{
	Histogram read;
	Histogram write;
	EXPECT_EQ(rows(kBrwStatsRows, read, &write), "");
	for (int i = 0; i < 24; i++)
		read.add_log2(1);
	for (std::uint64_t v : {1u, 4u, 4u, 32u, 64u})
		write.add_log2(v);
	EXPECT_EQ(rows(kBrwStatsRows, read, &write),
		  "1:\t\t        24 100 100   |    1  20  20\n"
		  "2:\t\t         0   0 100   |    0   0  20\n"
		  "4:\t\t         0   0 100   |    2  40  60\n"
		  "8:\t\t         0   0 100   |    0   0  60\n"
		  "16:\t\t         0   0 100   |    0   0  60\n"
		  "32:\t\t         0   0 100   |    1  20  80\n"
		  "64:\t\t         0   0 100   |    1  20 100\n");
	HistogramRows size = kBrwStatsRows;
	size.first = 12;
	Histogram none;
	Histogram sizes;
	sizes.add_log2(4096);
	sizes.add_log2(5000);
	EXPECT_EQ(rows(size, none, &sizes), "4K:\t\t         0   0   0   |    1  50  50\n"
					    "8K:\t\t         0   0   0   |    1  50 100\n");
	size.first = 20;
	Histogram big;
	big.add_log2(1 << 20);
	EXPECT_EQ(rows(size, big, &none), "1M:\t\t         1 100 100   |    0   0   0\n");
}

} // namespace
