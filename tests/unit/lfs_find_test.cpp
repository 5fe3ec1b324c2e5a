// SPDX-License-Identifier: GPL-2.0
//
// lfs find: tests and what they say about entries (spec 08 section 3.10).

#include <getopt.h>

#include <cerrno>

#include <gtest/gtest.h>

#include "lfs/find.hpp"
#include "lfs_transcript.hpp"

namespace
{

using namespace lfs;
using lfs_test::Words;

constexpr std::int64_t kNow = 1'000'000'000;
constexpr std::int64_t kDay = 86400;

/// An entry that can be given a layout.
struct File {
	Entry e;
	Layout layout;
	bool has_layout = false;

	explicit File(const char *path, mode_t mode = S_IFREG | 0644)
	{
		e.path = path;
		std::string_view p = path;
		e.name = p.substr(p.rfind('/') + 1);
		e.st.st_mode = mode;
		e.st.st_nlink = 1;
		e.layout = [this] { return has_layout ? &layout : nullptr; };
		e.fid = [] { return std::optional(wire::make_fid(0x200000401, 7)); };
		e.mdt = [] { return std::optional<std::uint32_t>(0); };
		e.projid = [] { return std::optional<std::uint32_t>(0); };
	}
	File(const File &) = delete;
	Component &add(std::uint32_t pattern, std::uint16_t count, std::vector<std::uint32_t> osts)
	{
		has_layout = true;
		Component c;
		c.pattern = pattern;
		c.stripe_count = count;
		c.stripe_size = 4 << 20;
		c.flags = wire::LCME_FL_INIT;
		for (auto o : osts)
			c.objects.push_back({{}, o});
		layout.components.push_back(std::move(c));
		return layout.components.back();
	}
};

std::expected<FindRequest, Refusal> parse(const std::string &command)
{
	Words words(command);
	return parse_find(words.argc(), words.argv(), kNow);
}

bool found(const std::string &tests, const File &f)
{
	auto r = parse("find . " + tests);
	EXPECT_TRUE(r) << tests << ": " << r.error().message;
	return r && matches(*r, f.e);
}

TEST(LfsFind, NamesAndTypes)
{
	File f("./dir/plain");
	EXPECT_TRUE(found("", f));
	EXPECT_TRUE(found("-name p*", f));
	EXPECT_TRUE(found("--name plain --type f", f));
	EXPECT_FALSE(found("-name lain", f));
	EXPECT_FALSE(found("! -name p*", f));
	EXPECT_TRUE(found("! -type d", f));
	EXPECT_FALSE(found("! -type d ! -type f", f));
	EXPECT_TRUE(found("-t d", File("./d", S_IFDIR | 0755)));
}

TEST(LfsFind, Sizes)
{
	File f("f");
	f.e.st.st_size = 5;
	EXPECT_TRUE(found("-size 5", f));
	EXPECT_TRUE(found("-size +0", f));
	EXPECT_FALSE(found("-size +5", f));
	EXPECT_TRUE(found("-size -6", f));
	EXPECT_FALSE(found("-size 0", f));
	EXPECT_TRUE(found("-size 1k", f)); // rounded up
	EXPECT_TRUE(found("-size 1M", f));
	EXPECT_FALSE(found("-size 2k", f));
	f.e.st.st_size = 0;
	EXPECT_TRUE(found("-size 0", f));
	f.e.st.st_blocks = 2000;
	EXPECT_TRUE(found("-blocks +1000", f));
	EXPECT_TRUE(found("-blocks 2000", f));
}

TEST(LfsFind, Times)
{
	File f("f");
	f.e.st.st_mtime = kNow - kDay / 2;
	f.e.st.st_atime = kNow - 3 * kDay;
	f.e.st.st_ctime = kNow - 90;
	EXPECT_TRUE(found("-mtime -1", f));
	EXPECT_TRUE(found("-mtime 0", f));
	EXPECT_FALSE(found("-mtime +1", f));
	EXPECT_TRUE(found("-atime +2", f));
	EXPECT_TRUE(found("-atime 3", f));
	EXPECT_TRUE(found("-ctime -2m", f));
	EXPECT_FALSE(found("-ctime -60s", f));
}

TEST(LfsFind, OwnersAndModes)
{
	File f("f");
	f.e.st.st_uid = 500;
	EXPECT_TRUE(found("-uid 500", f));
	EXPECT_TRUE(found("-user 500", f));
	EXPECT_FALSE(found("-user root", f));
	EXPECT_TRUE(found("-uid +499", f));
	EXPECT_TRUE(found("-group root", f));
	EXPECT_TRUE(found("-perm 644", f));
	EXPECT_TRUE(found("-perm -600", f));
	EXPECT_TRUE(found("-perm /444", f));
	EXPECT_FALSE(found("-perm /111", f));
	EXPECT_FALSE(parse("find . -perm u+w"));
	EXPECT_FALSE(found("-perm 600", f));
	EXPECT_TRUE(found("-links 1", f));
	auto r = parse("find . -user nobodyhasthisname");
	ASSERT_FALSE(r);
	EXPECT_EQ(r.error().message, "invalid username/UID 'nobodyhasthisname'");
	EXPECT_EQ(r.error().status, 1);
}

TEST(LfsFind, Layouts)
{
	File f("f"), none("none"), composite("c");
	f.add(1, 2, {1, 0}).pool = "fast";
	composite.layout.kind = Layout::Kind::composite;
	composite.add(0x100, 0, {}).stripe_size = 1 << 20;
	composite.add(1, 1, {}).flags = 0;
	EXPECT_TRUE(found("--stripe-count 2", f));
	EXPECT_TRUE(found("-c 2", f));
	EXPECT_TRUE(found("-c +1", f));
	EXPECT_FALSE(found("-c 2", none));
	EXPECT_TRUE(found("! -c 2", none));
	EXPECT_TRUE(found("--ost 1", f));
	EXPECT_TRUE(found("--ost 7,0", f));
	EXPECT_FALSE(found("--ost 7", f));
	EXPECT_TRUE(found("--pool fast", f));
	EXPECT_TRUE(found("-i 1", f));
	EXPECT_TRUE(found("--stripe-size 4M", f));
	EXPECT_TRUE(found("--layout raid0", f));
	EXPECT_FALSE(found("--layout mdt", f));
	EXPECT_TRUE(found("--layout mdt", composite));
	EXPECT_TRUE(found("--stripe-size 1M", composite));
	EXPECT_TRUE(found("--component-count +1", composite));
	EXPECT_TRUE(found("--component-flags init", composite));
	EXPECT_FALSE(found("--component-count +1", f));
	EXPECT_TRUE(found("-mdt 0", f));
}

TEST(LfsFind, WrongUsage)
{
	auto message = [](const std::string &command) {
		auto r = parse(command);
		EXPECT_FALSE(r) << command;
		return r ? std::string() : r.error().message;
	};
	EXPECT_EQ(message("find . -bogus"), "error: bad blocks 'ogus'");
	EXPECT_EQ(parse("find . -bogus").error().status, EINVAL);
	EXPECT_EQ(message("find . -size abc"), "error: bad file size 'abc'");
	EXPECT_EQ(message("find . -name big -o -name plain"), "lfs: unrecognized option '-o'");
	EXPECT_EQ(parse("find . -name big -o -name plain").error().status, 4);
	EXPECT_EQ(message("find"), "error: find: no filename|pathname");
	EXPECT_EQ(parse("find . --mdt-hash crush").error().status, EOPNOTSUPP);
	EXPECT_FALSE(parse("find . -type x"));
	EXPECT_FALSE(parse("find . -mtime x"));
}

TEST(LfsFind, PathsDepthsAndOutput)
{
	auto r = parse("find a b -maxdepth 2 --mindepth 1 -print0");
	ASSERT_TRUE(r);
	EXPECT_EQ(r->paths, (std::vector<std::string>{"a", "b"}));
	EXPECT_EQ(r->max_depth, 2u);
	EXPECT_EQ(r->min_depth, 1u);
	EXPECT_EQ(r->output, FindRequest::Output::print0);
	auto names = parse("find . --ost lustre-OST0001,2");
	ASSERT_TRUE(names);
	ASSERT_EQ(names->names.size(), 1u);
	EXPECT_EQ(names->names[0].uuid, "lustre-OST0001");
	File f("f");
	f.add(1, 1, {1});
	EXPECT_FALSE(matches(*names, f.e));
	*names->names[0].index = 1;
	EXPECT_TRUE(matches(*names, f.e));
}

TEST(LfsFind, NewerThanAFile)
{
	File f("f");
	f.e.st.st_mtime = std::int64_t{1} << 40;
	EXPECT_TRUE(found("-newer /proc/self/exe", f));
	f.e.st.st_mtime = 1;
	EXPECT_FALSE(found("-newer /proc/self/exe", f));
	f.e.st.st_ctime = std::int64_t{1} << 40;
	EXPECT_TRUE(found("-newercm /proc/self/exe", f));
	EXPECT_FALSE(parse("find . -newer /no/such/file"));
}

TEST(LfsFind, Formats)
{
	setenv("TZ", "UTC", 1);
	File f("./plain");
	f.e.st.st_size = 6;
	f.e.st.st_ino = 144115205272502279ull;
	f.e.st.st_blocks = 8;
	f.e.st.st_mtime = 1795295256;
	f.add(1, 2, {1, 0});
	EXPECT_EQ(format_entry("%p %s %u %U %G %m %y %t %i %Lc %LF %LS %Li %Lo %Lp %LP %La %LA %Lh "
			       "%b %k %n\\n",
			       f.e),
		  "./plain 6 root 0 0 644 f Sat Nov 21 21:07:36 2026 144115205272502279 2 "
		  "0x200000401:0x7:0x0 4194304 1 [1,0]  0 --- ---  8 4 1\n");
	EXPECT_EQ(format_entry("%%|%q|\\t|%", f.e), "%|%q|\t|%");
	EXPECT_EQ(ls_entry(f.e), "144115205272502279\t4\t-rw-r--r--\t1\troot\troot\t6\tSat Nov 21 "
				 "21:07:36 2026\t./plain\n");
}

} // namespace
