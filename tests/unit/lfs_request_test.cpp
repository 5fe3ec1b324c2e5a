// SPDX-License-Identifier: GPL-2.0
//
// lfs setstripe and mkdir: command lines become the bytes that the kernel takes (06 16.3), or are
// refused with the words and statuses that scripts know (08 3.1).

#include <getopt.h>

#include <cerrno>

#include <gtest/gtest.h>

#include "lfs/dir_text.hpp"
#include "lfs/kernel.hpp"
#include "lfs/layout_make.hpp"
#include "lfs/layout_text.hpp"
#include "lfs/pools.hpp"
#include "lfs/text.hpp"
#include "lfs_transcript.hpp"

namespace
{

using namespace lfs;
using lfs_test::recorded;
using lfs_test::Words;

std::expected<LayoutRequest, Refusal> parse(const std::string &command)
{
	Words words(command);
	optind = 0;
	return parse_setstripe("setstripe", words.argc(), words.argv());
}

std::vector<std::byte> encode(const std::string &command)
{
	auto r = parse(command);
	EXPECT_TRUE(r) << command << ": " << r.error().message;
	return r ? encode_layout(*r) : std::vector<std::byte>();
}

Layout decoded(const std::string &command)
{
	auto l = decode_layout(encode(command), Owner::directory);
	EXPECT_TRUE(l) << command << ": " << l.error();
	return l.value_or(Layout{});
}

Refusal refused(const std::string &command)
{
	auto r = parse(command);
	EXPECT_FALSE(r) << command;
	return r ? Refusal{} : r.error();
}

std::string hex(const std::vector<std::byte> &b)
{
	std::string s;
	for (auto x : b)
		s += text("%02x", static_cast<unsigned>(x));
	return s;
}

TEST(LfsSetstripe, PlainLayouts)
{
	EXPECT_EQ(hex(encode("setstripe -c 2 -S 1M f")),
		  "d00bd10b00000000000000000000000000000000000000000000100002"
		  "00ffff");
	auto all = decoded("setstripe -c -1 -i 3 f");
	EXPECT_EQ(all.components[0].stripe_count, 0xffff);
	EXPECT_EQ(stripe_offset(all.components[0]), 3);
	auto pool = decoded("setstripe -p lustre.fast f");
	EXPECT_EQ(pool.magic, wire::LOV_USER_MAGIC_V3);
	EXPECT_EQ(pool.components[0].pool, "fast");
	auto over = decoded("setstripe -C 4 f");
	EXPECT_EQ(over.components[0].pattern, 0x201u);
	// Everything left to the file system is what deletes a default.
	EXPECT_EQ(hex(encode("setstripe -d d")), "d00bd10b000000000000000000000000"
						 "0000000000000000"
						 "000000000000ffff");
}

TEST(LfsSetstripe, ListsOfOsts)
{
	auto b = encode("setstripe -o 1,0,4-5 f");
	auto l = decode_layout(b, Owner::file);
	ASSERT_TRUE(l);
	EXPECT_EQ(l->magic, wire::LOV_USER_MAGIC_SPECIFIC);
	std::vector<std::uint32_t> osts;
	for (const Object &o : l->components[0].objects)
		osts.push_back(o.ost);
	EXPECT_EQ(osts, (std::vector<std::uint32_t>{1, 0, 4, 5}));
	EXPECT_EQ(l->components[0].generation, 1);
	EXPECT_EQ(l->components[0].pattern, 0u);
	auto twice = decode_layout(encode("setstripe -o 0,0 f"), Owner::file);
	EXPECT_EQ(twice->components[0].pattern, 0x201u);
}

TEST(LfsSetstripe, ComponentsTakeOverFromTheOneBefore)
{
	auto l = decoded("setstripe -E 1M -c 1 -S 1M -E 16M -c 2 -E -1 -c -1 -S 4M f");
	ASSERT_EQ(l.components.size(), 3u);
	EXPECT_EQ(l.magic, wire::LOV_USER_MAGIC_COMP_V1);
	EXPECT_EQ(l.components[1].start, 1u << 20);
	EXPECT_EQ(l.components[1].end, 16u << 20);
	EXPECT_EQ(l.components[1].stripe_size, 1u << 20);
	EXPECT_EQ(l.components[1].stripe_count, 2);
	EXPECT_EQ(l.components[2].end, wire::LUSTRE_EOF);
	EXPECT_EQ(l.components[2].stripe_count, 0xffff);
	EXPECT_EQ(l.components[2].stripe_size, 4u << 20);
	EXPECT_EQ(l.components[2].pattern, 1u);
}

TEST(LfsSetstripe, DataOnTheMdt)
{
	auto l = decoded("setstripe -E 1M -L mdt -E eof f");
	ASSERT_EQ(l.components.size(), 2u);
	EXPECT_TRUE(l.components[0].on_mdt());
	EXPECT_EQ(l.components[0].stripe_size, 1u << 20);
	EXPECT_EQ(l.components[0].stripe_count, 0);
	EXPECT_FALSE(l.components[1].on_mdt());
	EXPECT_EQ(l.components[1].stripe_size, 0u);
}

TEST(LfsSetstripe, ExtensionsFollowWhatTheyExtend)
{
	auto l = decoded("setstripe -z 64M -E 256M -E -1 -z 64M f");
	EXPECT_EQ(l.magic, wire::LOV_USER_MAGIC_SEL);
	ASSERT_EQ(l.components.size(), 4u);
	constexpr std::uint64_t kM = 1 << 20;
	std::vector<std::pair<std::uint64_t, std::uint64_t>> got,
		want = {{0, 64 * kM}, {64 * kM, 256 * kM}, {256 * kM, 256 * kM}, {256 * kM, ~0ull}};
	for (const Component &c : l.components)
		got.emplace_back(c.start, c.end);
	EXPECT_EQ(got, want);
	EXPECT_TRUE(l.components[1].extension());
	EXPECT_EQ(stripe_size(l.components[1]), 64 * kM);
	EXPECT_EQ(l.components[1].stripe_count, 0);
	EXPECT_EQ(refused("setstripe -E 64M -z 16M f").status, EINVAL);
}

TEST(LfsSetstripe, Mirrors)
{
	auto two = decoded("setstripe -N2 -c1 f");
	EXPECT_EQ(two.mirrors, 2);
	ASSERT_EQ(two.components.size(), 2u);
	EXPECT_EQ(two.components[1].stripe_count, 1);
	EXPECT_EQ(two.components[1].start, 0u);
	auto different = decoded("setstripe -N -c1 -N -E 1M -c2 -E eof -c 3 f");
	EXPECT_EQ(different.mirrors, 2);
	ASSERT_EQ(different.components.size(), 3u);
	EXPECT_EQ(different.components[0].stripe_count, 1);
	EXPECT_EQ(different.components[1].end, 1u << 20);
	EXPECT_EQ(different.components[2].stripe_count, 3);
}

TEST(LfsSetstripe, ChangesNameComponents)
{
	auto b = encode("setstripe --component-del -I 2 f");
	ASSERT_EQ(b.size(), sizeof(wire::LovCompMdV1) + sizeof(wire::LovCompMdEntryV1));
	auto *e = reinterpret_cast<wire::LovCompMdEntryV1 *>(b.data() + sizeof(wire::LovCompMdV1));
	EXPECT_EQ(e->id.get(), 2u);
	b = encode("setstripe --comp-set -I 65537 --comp-flags=^prefer f");
	e = reinterpret_cast<wire::LovCompMdEntryV1 *>(b.data() + sizeof(wire::LovCompMdV1));
	EXPECT_EQ(e->flags.get(), wire::LCME_FL_NEG | wire::LCME_FL_PREF_RW);
	EXPECT_EQ(refused("setstripe --component-del f").status, EINVAL);
}

TEST(LfsSetstripe, ForeignLayouts)
{
	EXPECT_EQ(hex(encode("setstripe --foreign=symlink -x foo --flags 0xda08 f")),
		  "d00bd70b0300000005da000008da0000666f6f");
}

TEST(LfsSetstripe, RefusesAsStockDoes)
{
	struct Case {
		const char *command, *message;
		int status;
		bool help;
	};
	constexpr Case kCases[] = {
		{"setstripe -c 3000 x", "lfs setstripe setstripe: invalid stripe count '3000'", 4,
		 true},
		{"setstripe -c abc x", "lfs setstripe setstripe: invalid stripe count 'abc'", 4,
		 true},
		{"setstripe -S 100 x", "lfs setstripe setstripe: invalid stripe size '100'", 4,
		 true},
		{"setstripe -i 70000 x", "lfs setstripe setstripe: invalid stripe offset '70000'",
		 4, true},
		{"setstripe -E 100 x", "lfs setstripe setstripe: invalid component end '100'", 4,
		 true},
		{"setstripe", "lfs setstripe setstripe: FILE must be specified", 4, true},
		{"setstripe -S 4G x",
		 "lfs setstripe: error: stripe size '4294967296' over 4GB limit: Invalid argument "
		 "(22)",
		 22, false},
		{"setstripe -E 1M -E 512K x",
		 "Set extent [1048576, 524288) failed. Invalid argument\n"
		 "error: lfs setstripe: invalid layout",
		 22, false},
		{"setstripe -L mdt x",
		 "lfs setstripe: Invalid pattern: '-L mdt', must be specified with -E: Invalid "
		 "argument (22)",
		 22, false},
	};
	for (const Case &c : kCases) {
		Refusal r = refused(c.command);
		EXPECT_EQ(r.message, c.message);
		EXPECT_EQ(r.status, c.status) << c.command;
		EXPECT_EQ(r.help, c.help) << c.command;
	}
	EXPECT_EQ(refused("setstripe -L bogus x").status, EINVAL);
	EXPECT_EQ(refused("setstripe -o 1,0 -i 5 x").status, 4);
	EXPECT_EQ(refused("setstripe -c 1 -o 1,0 x").status, 4);
	EXPECT_EQ(refused("setstripe -p sixteencharacters x").status, 4);
	EXPECT_EQ(refused("setstripe -N17 x").status, 4);
	EXPECT_EQ(refused("setstripe -c 1 --nosuch x").status, 4);
}

TEST(LfsSetstripe, AbbreviatedOptionsAreTaken)
{
	EXPECT_EQ(decoded("setstripe --stripe-cou 3 --stripe-s 64k f").components[0].stripe_count,
		  3);
}

TEST(LfsSetstripe, CopiesAskForTheSame)
{
	auto l = decoded("setstripe -E 1M -L mdt -E 64M -c 2 -S 1M -E eof -c -1 -p fast f");
	auto again = decode_layout(encode_layout(request_like(l)), Owner::directory);
	ASSERT_TRUE(again);
	EXPECT_EQ(encode_layout(request_like(*again)), encode_layout(request_like(l)));
	ASSERT_EQ(again->components.size(), 3u);
	EXPECT_EQ(again->components[2].pool, "fast");
	EXPECT_EQ(stripe_count(again->components[2]), -1);
}

DirLayout unstriped()
{
	DirLayout l;
	l.head.magic = wire::LMV_MAGIC_V1;
	return l;
}

std::string getdirstripe(const std::string &command, const DirLayout &l, const wire::Fid &fid)
{
	Words words(command);
	GetDirRequest r;
	optind = 0;
	EXPECT_TRUE(parse_getdirstripe(words.argc(), words.argv(), r)) << command;
	return show_dir(l, fid, r);
}

TEST(LfsGetdirstripe, PrintsWhatStockPrints)
{
	auto golden = [](const char *c) { return recorded("getstripe.txt", c); };
	DirLayout sd = unstriped();
	sd.head.stripe_count = 2;
	sd.head.stripe_offset = 1;
	sd.head.hash_type = wire::LMV_HASH_TYPE_FNV_1A_64;
	wire::LmvUserMdsData s{};
	s.mds = 1;
	s.fid = wire::make_fid(0x300000400, 4);
	sd.stripes.push_back(s);
	s.mds = 0;
	s.fid = wire::make_fid(0x200001b72, 4);
	sd.stripes.push_back(s);
	wire::Fid fid = wire::make_fid(0x300000403, 9);
	EXPECT_EQ(getdirstripe("getdirstripe ga/sd", sd, fid), golden("lfs getdirstripe ga/sd"));
	EXPECT_EQ(getdirstripe("getdirstripe -c ga/sd", sd, fid),
		  golden("lfs getdirstripe -c ga/sd"));
	auto ga =
		getdirstripe("getdirstripe -r -v ga", unstriped(), wire::make_fid(0x200001b73, 6));
	auto striped = getdirstripe("getdirstripe -r -v ga", sd, fid);
	EXPECT_TRUE(golden("lfs getdirstripe -r -v ga")
			    .starts_with("ga\n" + ga + "ga/sd\n" + striped + "ga/defdir\n"));

	DirLayout dflt;
	dflt.head.magic = wire::LMV_USER_MAGIC;
	dflt.head.stripe_count = 1;
	dflt.head.stripe_offset = wire::LMV_OFFSET_DEFAULT;
	dflt.head.max_inherit_rr = 1;
	EXPECT_EQ(getdirstripe("getdirstripe -D ga/defdir", dflt, fid),
		  golden("lfs getdirstripe -D ga/defdir"));
}

TEST(LfsGetdirstripe, SingleFieldsAndYaml)
{
	auto fid = wire::make_fid(0x200000401, 0x16);
	EXPECT_EQ(getdirstripe("getdirstripe -i d1", unstriped(), fid), "0\n");
	EXPECT_EQ(getdirstripe("getdirstripe -H d1", unstriped(), fid), "none\n");
	EXPECT_EQ(getdirstripe("getdirstripe -X d1", unstriped(), fid), "\n");
	EXPECT_EQ(getdirstripe("getdirstripe -y d1", unstriped(), fid),
		  "lmv_stripe_count:  0\nlmv_stripe_offset: 0\nlmv_hash_type:     none\n"
		  "lmv_objects:\n      - l_mdt_idx: 0\n        l_fid:     "
		  "0x200000401:0x16:0x0\n");
	EXPECT_EQ(hash_text(wire::LMV_HASH_TYPE_CRUSH | wire::LMV_HASH_FLAG_MIGRATION),
		  "crush,migrating");
}

std::expected<DirRequest, Refusal> parse_dir(const std::string &command)
{
	Words words(command);
	optind = 0;
	return parse_setdirstripe("mkdir", words.argc(), words.argv());
}

TEST(LfsMkdir, RequestsOneMdt)
{
	auto r = parse_dir("mkdir -i 0 -c 1 -H crush d");
	ASSERT_TRUE(r);
	auto h = dir_head(*r);
	EXPECT_EQ(h.magic.get(), wire::LMV_USER_MAGIC);
	EXPECT_EQ(h.stripe_count.get(), 1u);
	EXPECT_EQ(h.stripe_offset.get(), 0u);
	EXPECT_EQ(h.hash_type.get(), wire::LMV_HASH_TYPE_CRUSH);
	EXPECT_EQ(encode_dir(*r).size(), sizeof(h));
	r = parse_dir("mkdir -i 2,0 d");
	ASSERT_TRUE(r);
	EXPECT_EQ(encode_dir(*r).size(), sizeof(h) + 2 * sizeof(wire::LmvUserMdsData));
	EXPECT_EQ(dir_head(*r).magic.get(), wire::LMV_USER_MAGIC_SPECIFIC);
	EXPECT_EQ(dir_head(*r).stripe_count.get(), 2u);
}

TEST(LfsMkdir, DefaultsSayHowDeepTheyGo)
{
	auto r = parse_dir("setdirstripe -D -c 1 -i 0 -X 3 m1");
	ASSERT_TRUE(r);
	EXPECT_EQ(dir_head(*r).max_inherit, 3);
	EXPECT_EQ(dir_head(*r).max_inherit_rr, 0);
	r = parse_dir("setdirstripe -D -c 1 -X -1 --max-inherit-rr -1 m1");
	ASSERT_TRUE(r);
	EXPECT_EQ(dir_head(*r).max_inherit, wire::LMV_INHERIT_UNLIMITED);
	EXPECT_EQ(dir_head(*r).max_inherit_rr, wire::LMV_INHERIT_RR_UNLIMITED);
	EXPECT_EQ(inherit_shown(wire::LMV_INHERIT_NONE), 0);
	auto gone = parse_dir("setdirstripe -D -d m1");
	ASSERT_TRUE(gone);
	EXPECT_EQ(dir_head(*gone).stripe_count.get(), 0u);
	EXPECT_EQ(dir_head(*gone).stripe_offset.get(), wire::LMV_OFFSET_DEFAULT);
}

TEST(LfsMkdir, RefusesAsStockDoes)
{
	EXPECT_EQ(parse_dir("mkdir -H bogus m4").error().message,
		  "lfs mkdir: bad directory hash type 'bogus'");
	EXPECT_EQ(parse_dir("mkdir").error().message, "lfs mkdir: DIR must be specified");
	EXPECT_FALSE(parse_dir("mkdir -i x d"));
	EXPECT_FALSE(parse_dir("mkdir -c 3000 d"));
	EXPECT_FALSE(parse_dir("mkdir -X 251 d"));
}

TEST(LfsText, Fids)
{
	auto f = parse_fid("[0x200000401:0x1:0x0]");
	ASSERT_TRUE(f);
	EXPECT_EQ(fid_text(*f), "[0x200000401:0x1:0x0]");
	EXPECT_EQ(parse_fid("0x200000401:1:0"), f);
	for (const char *bad : {"bogus", "[0x1:0x1:0x0", "0x1:0x1", "0x1:0x1:0x0:0x0",
				"0x1:0x100000000:0x0", "-1:1:1", "", "[]", "0x1:0x1:0x0]"})
		EXPECT_FALSE(parse_fid(bad)) << bad;
}

TEST(LfsText, Sizes)
{
	EXPECT_EQ(parse_size("64k")->bytes, 65536u);
	EXPECT_EQ(parse_size("1M")->unit, 1u << 20);
	EXPECT_EQ(parse_size("3", 512)->bytes, 1536u);
	EXPECT_EQ(parse_size("2b")->bytes, 1024u);
	EXPECT_EQ(parse_size("0x10000")->bytes, 65536u);
	for (const char *bad : {"", "M", "-1", "1X", "16E", "1 "})
		EXPECT_FALSE(parse_size(bad)) << bad;
}

TEST(LfsMounts, ClientsAreTold)
{
	auto m = parse_mounts("proc /proc proc rw 0 0\n"
			      "10.0.0.1@tcp:/lustre /mnt/lustre lustre rw 0 0\n"
			      "/dev/vdb /mnt/mdt lustre rw 0 0\n"
			      "10.0.0.1@tcp:10.0.0.2@tcp:/fs2/sub /mnt/a\\040b lustre rw 0 0\n");
	ASSERT_EQ(m.size(), 2u);
	EXPECT_EQ(m[0].fsname, "lustre");
	EXPECT_EQ(m[0].dir, "/mnt/lustre");
	EXPECT_EQ(m[1].fsname, "fs2");
	EXPECT_EQ(m[1].dir, "/mnt/a b");
}

TEST(LfsMounts, TargetLists)
{
	auto t = parse_targets(
		"0: lustre-OST0000_UUID ACTIVE\n1: lustre-OST0001_UUID INACTIVE\nx\n");
	ASSERT_EQ(t.size(), 2u);
	EXPECT_TRUE(t[0].active);
	EXPECT_FALSE(t[1].active);
	EXPECT_EQ(t[1].uuid, "lustre-OST0001_UUID");
	EXPECT_EQ(split_path("/a/b//").dir, "/a");
	EXPECT_EQ(split_path("/a/b//").name, "b");
	EXPECT_EQ(split_path("b").dir, ".");
	EXPECT_EQ(split_path("/b").dir, "/");
}

} // namespace
