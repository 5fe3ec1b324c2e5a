// SPDX-License-Identifier: GPL-2.0
//
// Names and paths of parameters (spec 08 section 2.3).

#include "params.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace
{

namespace fs = std::filesystem;

TEST(LctlParams, DotsBecomeSlashesButNotInNids)
{
	EXPECT_EQ(lctl::slashed("osc.*.max_dirty_mb"), "osc/*/max_dirty_mb");
	EXPECT_EQ(lctl::slashed("mdt.fs-MDT0000.exports.10.0.0.1@tcp.uuid"),
		  "mdt/fs-MDT0000/exports/10.0.0.1@tcp/uuid");
	EXPECT_EQ(lctl::slashed("mgc.MGC10.0.0.1@tcp.uuid"), "mgc/MGC10.0.0.1@tcp/uuid");
	EXPECT_EQ(lctl::slashed("a\\.b"), "a/b");
}

TEST(LctlParams, NamesAreWhatFollowsTheRoot)
{
	EXPECT_EQ(lctl::dotted("/sys/fs/lustre/osc/x/max_dirty_mb"), "osc.x.max_dirty_mb");
	EXPECT_EQ(lctl::dotted("/sys/kernel/debug/lnet/peers"), "peers");
}

class LctlTree : public testing::Test
{
protected:
	void SetUp() override
	{
		root = fs::temp_directory_path() / ("lctl-test-" + std::to_string(getpid()));
		fs::create_directories(root / "sys/fs/lustre/osc/a");
		fs::create_directories(root / "sys/fs/lustre/osc/b");
		fs::create_directories(root / "sys/kernel/debug/lnet");
		write("sys/fs/lustre/osc/a/active", "1\n");
		write("sys/fs/lustre/osc/b/active", "0\n");
		write("sys/kernel/debug/lnet/stats", "0 1 2\n");
	}
	void TearDown() override { fs::remove_all(root); }
	void write(const char *where, const char *what) { std::ofstream(root / where) << what; }
	std::vector<std::string> names(const char *pattern, bool recursive = false)
	{
		std::vector<std::string> out;
		for (auto &m : lctl::find(pattern, recursive, root.string() + "/"))
			out.push_back(m.name);
		return out;
	}
	fs::path root;
};

TEST_F(LctlTree, PatternsMatchBelowEveryRoot)
{
	EXPECT_EQ(names("osc.*.active"),
		  (std::vector<std::string>{"osc.a.active", "osc.b.active"}));
	EXPECT_EQ(names("osc.{a,b}.active").size(), 2u);
	EXPECT_EQ(names("stats"), (std::vector<std::string>{"stats"}));
	EXPECT_TRUE(names("nothing").empty());
	EXPECT_EQ(names("osc", true), (std::vector<std::string>{"osc", "osc.a", "osc.a.active",
								"osc.b", "osc.b.active"}));
}

TEST_F(LctlTree, ValuesAreReadAndWritten)
{
	auto m = lctl::find("osc.a.active", false, root.string() + "/");
	ASSERT_EQ(m.size(), 1u);
	EXPECT_EQ(lctl::write_value(m[0].path, "7"), 0);
	std::string v;
	EXPECT_EQ(lctl::read_value(m[0].path, v), 0);
	EXPECT_EQ(v.substr(0, 1), "7");
	EXPECT_EQ(lctl::read_value(m[0].path + "x", v), ENOENT);
}

} // namespace
