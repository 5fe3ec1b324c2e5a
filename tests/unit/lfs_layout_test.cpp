// SPDX-License-Identifier: GPL-2.0
//
// lfs getstripe: layouts as the kernel gives them, printed as the stock tool prints them (spec 08
// section 3.2). Each recorded command line is parsed and its output compared.

#include <getopt.h>

#include <cstring>
#include <map>

#include <gtest/gtest.h>

#include "lfs/getstripe_options.hpp"
#include "lfs/layout.hpp"
#include "lfs/layout_text.hpp"
#include "lfs_transcript.hpp"

namespace
{

using namespace lfs;
using lfs_test::recorded;
using lfs_test::Words;

using Bytes = std::vector<std::byte>;

template <typename T>
void append(Bytes &out, const T &t)
{
	auto b = cfs::bytes_of(t);
	out.insert(out.end(), b.begin(), b.end());
}

struct Stripe {
	std::uint32_t ost;
	std::uint64_t seq;
	std::uint32_t oid;
};

/// A plain layout with its objects.
Bytes plain(std::uint32_t pattern, std::uint32_t size, std::uint16_t count, std::uint16_t tail,
	    const std::vector<Stripe> &stripes, const char *pool = nullptr)
{
	wire::LovUserMdV3 md{};
	md.magic = pool ? wire::LOV_USER_MAGIC_V3 : wire::LOV_USER_MAGIC_V1;
	md.pattern = pattern;
	md.stripe_size = size;
	md.stripe_count = count;
	md.layout_gen = tail;
	EXPECT_TRUE(md.pool_name.set(pool ? pool : ""));
	Bytes out;
	append(out, md);
	if (!pool)
		out.resize(sizeof(wire::LovUserMdV1));
	for (const Stripe &s : stripes) {
		wire::LovUserOstData o{};
		o.ost_oi.oi_fid = wire::make_fid(s.seq, s.oid);
		o.ost_idx = s.ost;
		append(out, o);
	}
	return out;
}

struct Part {
	std::uint32_t id, flags;
	std::uint64_t start, end;
	Bytes body;
};

Bytes composite(std::uint32_t gen, std::uint16_t flags, std::uint16_t mirrors,
		const std::vector<Part> &parts)
{
	wire::LovCompMdV1 head{};
	auto at = sizeof(head) + parts.size() * sizeof(wire::LovCompMdEntryV1);
	Bytes entries, bodies, out;
	for (const Part &p : parts) {
		wire::LovCompMdEntryV1 e{};
		e.id = p.id;
		e.flags = p.flags;
		e.extent.start = p.start;
		e.extent.end = p.end;
		e.offset = static_cast<std::uint32_t>(at + bodies.size());
		e.size = static_cast<std::uint32_t>(p.body.size());
		append(entries, e);
		bodies.insert(bodies.end(), p.body.begin(), p.body.end());
	}
	head.magic = wire::LOV_USER_MAGIC_COMP_V1;
	head.size = static_cast<std::uint32_t>(at + bodies.size());
	head.layout_gen = gen;
	head.flags = flags;
	head.entry_count = static_cast<std::uint16_t>(parts.size());
	head.mirror_count = static_cast<std::uint16_t>(mirrors - 1);
	append(out, head);
	out.insert(out.end(), entries.begin(), entries.end());
	out.insert(out.end(), bodies.begin(), bodies.end());
	return out;
}

constexpr std::uint64_t kOst0 = 0x240000400, kOst1 = 0x280000400, kOst2 = 0x2c0000400;
constexpr std::uint64_t kFiles = 0x200001b73;
constexpr std::uint32_t kInit = wire::LCME_FL_INIT;
constexpr std::uint64_t kEof = wire::LUSTRE_EOF;
constexpr std::uint32_t kMiB = 1 << 20;

Bytes one_stripe(std::uint32_t ost, std::uint64_t seq, std::uint32_t oid,
		 std::uint32_t size = 4 * kMiB)
{
	return plain(1, size, 1, 0, {{ost, seq, oid}});
}

/// An uninstantiated component has room for one object, as servers leave it.
Bytes planned(std::uint16_t count, bool room)
{
	auto b = plain(1, 4 * kMiB, count, 0xffff, {});
	if (room)
		b.resize(b.size() + sizeof(wire::LovUserOstData));
	return b;
}

/// What the recorded commands were about.
struct Known {
	Subject subject;
	Bytes layout;
};

Known file(std::uint32_t oid, Bytes layout)
{
	Known k;
	k.subject.fid = wire::make_fid(kFiles, oid);
	k.layout = std::move(layout);
	return k;
}

Known directory(std::uint64_t seq, std::uint32_t oid, bool own, Bytes layout)
{
	Known k;
	k.subject.directory = true;
	k.subject.own_default = own;
	k.subject.fid = wire::make_fid(seq, oid);
	k.subject.default_count = 1;
	k.subject.default_size = 4 * kMiB;
	k.layout = std::move(layout);
	return k;
}

std::map<std::string, Known> known()
{
	std::map<std::string, Known> m;
	m["ga/plain2"] = file(7, plain(1, kMiB, 2, 0, {{0, kOst0, 0x347}, {2, kOst2, 0x267}}));
	m["ga/pfl"] = file(
		8, composite(4, 0, 1,
			     {{1, kInit, 0, kMiB, one_stripe(1, kOst1, 0x342, kMiB)},
			      {2, kInit, kMiB, 16 * kMiB,
			       plain(1, 4 * kMiB, 2, 0, {{0, kOst0, 0x34b}, {2, kOst2, 0x26a}})},
			      {3, 0, 16 * kMiB, kEof, planned(0xffff, true)}}));
	m["ga/dom"] = file(9, composite(2, 0, 1,
					{{1, kInit, 0, 65536, plain(0x100, 65536, 0, 0, {})},
					 {2, 0, 65536, kEof, planned(1, true)}}));
	m["ga/mir"] = file(14, composite(3, wire::LCM_FL_WRITE_PENDING, 2,
					 {{65537, kInit, 0, kEof, one_stripe(1, kOst1, 0x344)},
					  {131074, kInit | wire::LCME_FL_STALE, 0, kEof,
					   one_stripe(0, kOst0, 0x349)}}));
	m["ga/defdir"] = directory(kFiles, 11, true, plain(1, 2 * kMiB, 2, 0xffff, {}));
	m["ga/sd"] = directory(0x300000403, 9, false, plain(0, 0, 0, 0xffff, {}));
	m["d1"] = directory(0x200000401, 0x16, true, plain(1, 2 * kMiB, 2, 0xffff, {}));
	return m;
}

std::string run(const std::string &command, Known k)
{
	Words words(command);
	GetRequest r;
	optind = 0;
	EXPECT_TRUE(parse_getstripe(words.argc(), words.argv(), r)) << command;
	EXPECT_EQ(r.operands, std::vector<std::string>{words.last()}) << command;
	k.subject.path = words.last();
	auto l = decode_layout(k.layout, k.subject.directory ? Owner::directory : Owner::file);
	EXPECT_TRUE(l) << command << ": " << l.error();
	return l ? show_layout(*l, k.subject, r.show) : "";
}

TEST(LfsGetstripe, PrintsWhatStockPrints)
{
	auto files = known();
	unsigned compared = 0;
	for (const auto &block : lfs_test::transcript("getstripe.txt")) {
		Words words(block.command);
		auto k = files.find(words.last());
		if (!block.command.starts_with("lfs getstripe") || k == files.end() ||
		    block.command.find(" -r ") != std::string::npos ||
		    block.command.find(" -m ") != std::string::npos ||
		    block.command.find("--mdt-index") != std::string::npos)
			continue;
		EXPECT_EQ(run(block.command, k->second), block.output) << block.command;
		compared++;
	}
	EXPECT_EQ(compared, 84u);
}

TEST(LfsGetstripe, DefaultsOfDirectories)
{
	auto own = known()["d1"];
	auto none = directory(0x200000401, 0x16, false, plain(0, 0, 0, 0xffff, {}));
	auto golden = [](const char *command) { return recorded("layouts.txt", command); };
	EXPECT_EQ(run("getstripe -d d1", own),
		  golden("lfs setstripe -c 2 -S 2M d1; lfs getstripe -d d1"));
	EXPECT_EQ(run("getstripe -dv d1", own), golden("lfs getstripe -dv d1"));
	EXPECT_EQ(run("getstripe -dy d1", own), golden("lfs getstripe -dy d1"));
	EXPECT_EQ(run("getstripe -d d1", none), golden("lfs getstripe -d d1"));
	EXPECT_EQ(run("getstripe -dR d1", none), golden("lfs getstripe -dR d1"));
	auto pfl = directory(0x200000401, 0x16, true,
			     composite(0, 0, 1,
				       {{0, 0, 0, kMiB, plain(1, 0, 1, 0xffff, {})},
					{0, 0, kMiB, kEof, plain(1, 0, 2, 0xffff, {})}}));
	EXPECT_EQ(run("getstripe -d d1", pfl),
		  golden("lfs setstripe -E 1M -c1 -E eof -c2 d1; lfs getstripe -d d1"));
	auto dom = directory(0x200000401, 0x16, true,
			     composite(0, 0, 1,
				       {{0, 0, 0, kMiB, plain(0x100, kMiB, 0, 0xffff, {})},
					{0, 0, kMiB, kEof, plain(1, 0, 0, 0xffff, {})}}));
	EXPECT_EQ(run("getstripe -d d1", dom),
		  golden("lfs setstripe -E 1M -L mdt -E eof d1; lfs getstripe -d d1"));
}

TEST(LfsGetstripe, OtherKindsOfLayouts)
{
	auto golden = [](const char *command) { return recorded("layouts.txt", command); };
	constexpr std::uint64_t kA = 0x280000400, kB = 0x240000400;
	auto x9 = file(
		1, plain(0x201, 4 * kMiB, 4, 0, {{0, kA, 9}, {1, kB, 6}, {0, kA, 10}, {1, kB, 7}}));
	EXPECT_EQ(run("getstripe x9", x9), golden("lfs setstripe -C 4 x9; lfs getstripe x9"));
	auto x8 = file(1, plain(1, 4 * kMiB, 2, 0, {{1, kB, 5}, {0, kA, 8}}));
	EXPECT_EQ(run("getstripe -q x8", x8),
		  golden("lfs setstripe -o 1,0 x8; lfs getstripe -q x8"));
	auto p = file(1, plain(1, kMiB, 2, 0, {{0, kA, 4}, {1, kB, 3}}));
	EXPECT_EQ(run("getstripe -c -i -S plain", p), golden("lfs getstripe -c -i -S plain"));

	constexpr std::uint32_t kExt = wire::LCME_FL_EXTENSION;
	auto room = plain(1, 65536, 0, 0xffff, {});
	auto sel = file(1, composite(4, 0, 1,
				     {{1, kInit, 0, 64 * kMiB, one_stripe(0, kA, 0xe)},
				      {2, kExt, 64 * kMiB, 256 * kMiB, room},
				      {3, 0, 256 * kMiB, 256 * kMiB, planned(1, false)},
				      {4, kExt, 256 * kMiB, kEof, room}}));
	EXPECT_EQ(run("getstripe sel", sel),
		  golden("lfs setstripe -z 64M -E 256M -E -1 -z 64M sel; lfs getstripe sel"));

	wire::LovForeignMd md{};
	md.magic = wire::LOV_USER_MAGIC_FOREIGN;
	md.length = 3;
	md.type = wire::LU_FOREIGN_TYPE_SYMLINK;
	md.flags = 0xda08;
	Bytes foreign;
	append(foreign, md);
	for (char c : {'f', 'o', 'o'})
		foreign.push_back(static_cast<std::byte>(c));
	EXPECT_EQ(run("getstripe frn", file(1, foreign)) +
			  run("getstripe -v frn", file(1, foreign)),
		  golden("lfs setstripe --foreign=symlink -x foo --flags 0xda08 frn; lfs getstripe "
			 "frn; lfs getstripe -v frn"));
}

TEST(LfsGetstripe, FiltersChooseComponents)
{
	auto pfl = known()["ga/pfl"];
	EXPECT_EQ(run("getstripe -I1 -c f", pfl), "1\n\n");
	EXPECT_EQ(run("getstripe --component-id=3 --stripe-count f", pfl), "-1\n\n");
	EXPECT_EQ(run("getstripe --component-start=+0 -I f", pfl), "2\n\n3\n\n");
	EXPECT_EQ(run("getstripe -Eeof --component-flags f", pfl), "0\n\n");
	auto mir = known()["ga/mir"];
	EXPECT_EQ(run("getstripe --mirror-id=1 -I f", mir), "65537\n\n");
	EXPECT_EQ(run("getstripe ! --mirror-id=1 -I f", mir), "131074\n\n");
	EXPECT_EQ(run("getstripe --component-flags=stale -I f", mir), "131074\n\n");
	EXPECT_EQ(run("getstripe --component-flags=^stale -I f", mir), "65537\n\n");
	EXPECT_EQ(run("getstripe --mirror-count f", mir), "2\n\n");
}

TEST(LfsGetstripe, MarksTheOstThatWasAskedFor)
{
	auto k = known()["ga/plain2"];
	auto l = decode_layout(k.layout, Owner::file);
	ASSERT_TRUE(l);
	ShowOptions o;
	o.ost = 2;
	auto s = show_layout(*l, k.subject, o);
	EXPECT_NE(s.find("0x2c0000400 *\n"), s.npos);
	EXPECT_NE(s.find("0x240000400\n"), s.npos);
}

TEST(LfsGetstripe, PoolsAndOffsetsOfDefaults)
{
	auto d = directory(kFiles, 1, true, plain(1, kMiB, 2, 1, {}, "fast"));
	EXPECT_EQ(run("getstripe -d d", d),
		  "stripe_count:  2 stripe_size:   1048576 pattern:       raid0 stripe_offset: 1 "
		  "pool:          fast\n\n");
	auto f = file(1, plain(1, kMiB, 1, 0, {{0, kOst0, 1}}, "fast"));
	EXPECT_EQ(run("getstripe -p f", f), "fast\n\n");
	EXPECT_EQ(run("getstripe --pool ga/plain2", known()["ga/plain2"]), "\n\n");
}

TEST(LfsLayout, RefusesEveryCutShortLayout)
{
	for (const auto &[name, k] : known()) {
		if (k.subject.directory)
			continue;
		for (std::size_t n = 0; n < k.layout.size(); n++) {
			Bytes cut(k.layout.begin(),
				  k.layout.begin() + static_cast<std::ptrdiff_t>(n));
			EXPECT_FALSE(decode_layout(cut, Owner::file)) << name << " " << n;
		}
		EXPECT_TRUE(decode_layout(k.layout, Owner::file)) << name;
	}
}

TEST(LfsLayout, RefusesComponentsOutsideTheLayout)
{
	auto bytes = known()["ga/pfl"].layout;
	auto *e = reinterpret_cast<wire::LovCompMdEntryV1 *>(bytes.data() +
							     sizeof(wire::LovCompMdV1));
	e->offset = 0xfffffff0u;
	EXPECT_FALSE(decode_layout(bytes, Owner::file));
	e->offset = 0;
	e->size = 0xffffffffu;
	EXPECT_FALSE(decode_layout(bytes, Owner::file));
	// A component inside a component: its magic is not a plain layout's.
	e->size = static_cast<std::uint32_t>(bytes.size());
	EXPECT_FALSE(decode_layout(bytes, Owner::file));
}

TEST(LfsLayout, RefusesUnknownMagic)
{
	Bytes bytes(64);
	EXPECT_FALSE(decode_layout(bytes, Owner::file));
	EXPECT_FALSE(decode_layout({}, Owner::file));
}

} // namespace
