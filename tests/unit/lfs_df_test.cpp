// SPDX-License-Identifier: GPL-2.0
//
// lfs df: statistics of targets, printed as the stock tool prints them (spec 08 section 3.4).

#include <getopt.h>

#include <cerrno>

#include <gtest/gtest.h>

#include "lfs/df.hpp"
#include "lfs_transcript.hpp"

namespace
{

using namespace lfs;
using lfs_test::recorded;
using lfs_test::Words;

struct Row {
	TargetKind kind;
	std::uint32_t index;
	std::uint64_t size, used, avail; ///< KiB
	std::uint64_t files, iused;
};

TargetState state(const Row &r)
{
	TargetState t{r.kind, r.index, {}, 0, {}};
	char name[40];
	snprintf(name, sizeof(name), "lustre-%s%04x_UUID",
		 r.kind == TargetKind::mdt ? "MDT" : "OST", r.index);
	t.uuid = name;
	t.stat.bsize = 4096;
	t.stat.blocks = r.size / 4;
	t.stat.bfree = (r.size - r.used) / 4;
	t.stat.bavail = r.avail / 4;
	t.stat.files = r.files;
	t.stat.ffree = r.files - r.iused;
	return t;
}

std::vector<TargetState> five_targets()
{
	return {state({TargetKind::mdt, 0, 159376, 2484, 136940, 122880, 2413}),
		state({TargetKind::mdt, 1, 159376, 1784, 137640, 122880, 275}),
		state({TargetKind::ost, 0, 411104, 4896, 370368, 128000, 1105}),
		state({TargetKind::ost, 1, 411104, 2960, 372304, 128000, 1115}),
		state({TargetKind::ost, 2, 321504, 1548, 292140, 102400, 945})};
}

std::vector<TargetState> three_targets()
{
	return {state({TargetKind::mdt, 0, 159376, 2140, 137284, 122880, 353}),
		state({TargetKind::ost, 0, 321504, 4464, 289224, 102400, 331}),
		state({TargetKind::ost, 1, 321504, 1396, 292292, 102400, 300})};
}

std::string run(const std::string &command, const std::vector<TargetState> &all)
{
	Words words(command);
	DfRequest r;
	optind = 0;
	EXPECT_TRUE(parse_df(words.argc(), words.argv(), r)) << command;
	std::vector<TargetState> asked;
	for (const TargetState &t : all) {
		bool mdt = t.kind == TargetKind::mdt;
		auto one = mdt ? r.mdt : r.ost;
		if ((mdt ? r.mdts : r.osts) && (!one || *one == t.index))
			asked.push_back(t);
	}
	return df_table(asked, "/mnt/lustre", r);
}

TEST(LfsDf, PrintsWhatStockPrints)
{
	unsigned compared = 0;
	for (const auto &b : lfs_test::transcript("df.txt")) {
		EXPECT_EQ(run(b.command, five_targets()), b.output) << b.command;
		compared++;
	}
	for (const auto &b : lfs_test::transcript("df-two-osts.txt")) {
		EXPECT_EQ(run(b.command, three_targets()), b.output) << b.command;
		compared++;
	}
	EXPECT_EQ(compared, 19u);
}

TEST(LfsDf, TargetsThatDoNotAnswerAreListed)
{
	auto all = std::vector{state({TargetKind::mdt, 0, 159376, 1912, 137512, 122880, 1}),
			       state({TargetKind::ost, 0, 321504, 1392, 292296, 102400, 1}),
			       state({TargetKind::ost, 1, 0, 0, 0, 0, 0})};
	all[2].error = ESHUTDOWN;
	EXPECT_EQ(run("lfs df", all), recorded("df-inactive.txt", "lfs df"));
	all[2].error = ENODATA;
	EXPECT_EQ(run("lfs df -v", all), recorded("df-inactive.txt", "lfs df -v"));
	EXPECT_EQ(run("lfs df", all).find("inactive"), std::string::npos);
}

TEST(LfsDf, StatesAreLetters)
{
	EXPECT_EQ(state_letters(0, true), "");
	EXPECT_EQ(state_letters(wire::OS_STATFS_DEGRADED | wire::OS_STATFS_READONLY, false), " DR");
	EXPECT_EQ(state_letters(wire::OS_STATFS_NONROT, false), "");
	EXPECT_EQ(state_letters(wire::OS_STATFS_NONROT, true), " f");
	EXPECT_EQ(state_letters(wire::OS_STATFS_ENOSPC | 0x1000, false), " S(010000)");
}

TEST(LfsDf, FewObjectsLimitTheFiles)
{
	auto all = std::vector{state({TargetKind::mdt, 0, 1024, 0, 1024, 1000, 100}),
			       state({TargetKind::ost, 0, 1024, 0, 1024, 50, 20})};
	auto s = run("lfs df -i -s", all);
	EXPECT_EQ(s,
		  "filesystem_summary:          130         100          30  77%  /mnt/lustre\n");
}

TEST(LfsDf, NumbersOfAnySizeAreShown)
{
	TargetState t = state({TargetKind::ost, 0, 0, 0, 0, 0, 0});
	t.stat.blocks = ~0ull;
	t.stat.bsize = ~0u;
	t.stat.bfree = ~0ull;
	t.stat.files = 1;
	t.stat.ffree = 5; // more free than there are
	for (const char *command : {"lfs df", "lfs df -h", "lfs df -H", "lfs df -i", "lfs df -ih"})
		EXPECT_NE(run(command, {t}).find("lustre-OST0000_UUID"), std::string::npos);
	EXPECT_EQ(human_number(1023, 1024), "       1023");
	EXPECT_EQ(human_number(1024, 1024), "     1.0K");
	EXPECT_EQ(human_number(~0ull, 1024), "    16.0E");
}

TEST(LfsDf, WrongUsageIsRefused)
{
	for (const char *command : {"df -Z", "df -mx", "df -o-1"}) {
		Words words(command);
		DfRequest r;
		optind = 0;
		EXPECT_FALSE(parse_df(words.argc(), words.argv(), r)) << command;
	}
}

} // namespace
