// SPDX-License-Identifier: GPL-2.0
//
// The languages of LNet's module parameters (spec 01 section 15.1).

#include "lnet/config.hpp"

#include <string>
#include <vector>

#include "tests/unit/lnet_test.hpp"

namespace
{

using namespace lnet;

class Networks : public LnetTest
{
protected:
	/// "net(interface)" of each, with its CPU partitions if some are named, or the error's
	/// number.
	static std::string read(std::string_view text)
	{
		auto spec = parse_networks(text);
		if (!spec)
			return std::to_string(static_cast<int>(spec.error()));
		std::string out;
		for (std::size_t i = 0; i < spec->count; i++) {
			char one[64];
			const NetworkSpec &s = spec->list[i];
			cfs::format_cstr(one, "{}({})", s.net, s.if_name());
			out += (i ? " " : "") + std::string(one) + shown(s.cpts);
		}
		return out;
	}
	/// "[0,1]", or nothing for none.
	static std::string shown(const CptSet &cpts)
	{
		std::string out;
		for (unsigned n = 0; n < cpts.count(); n++)
			out += (n ? "," : "[") + std::to_string(cpts.nth(n));
		return out + (out.empty() ? "" : "]");
	}
	static std::string number(cfs::Errno e) { return std::to_string(static_cast<int>(e)); }
};

TEST_F(Networks, EmptyIsTcpOnTheInterfaceThatTheDriverChooses)
{
	EXPECT_EQ(read(""), "tcp()");
	EXPECT_EQ(read(" \n"), "tcp()");
}

TEST_F(Networks, ReadsNetworksAndTheirInterfacesInOrder)
{
	EXPECT_EQ(read("tcp(eth0)"), "tcp(eth0)");
	EXPECT_EQ(read("tcp0(eth0,eth1),o2ib3(ib0)"), "tcp(eth0) tcp(eth1) o2ib3(ib0)");
	EXPECT_EQ(read(" tcp1 , tcp2( eth0 , eth1 ) "), "tcp1() tcp2(eth0) tcp2(eth1)");
	EXPECT_EQ(read("tcp(eth0),tcp1"), "tcp(eth0) tcp1()");
}

TEST_F(Networks, IgnoresTheLoopbackNetwork)
{
	EXPECT_EQ(read("lo,tcp(eth0)"), "tcp(eth0)");
	EXPECT_EQ(read("lo"), "");
}

TEST_F(Networks, RefusesWhatIsNotOfTheForm)
{
	for (const char *bad : {"nonsense", "tcp(", "tcp()", "tcp(eth0", "tcp(eth0,)", "tcp(,eth0)",
				"tcp,", ",tcp", "tcp(eth0)x", "tcp(eth0),", "tcp(eth0)tcp1",
				"(eth0)", "tcp(an-interface-name-too-long)"})
		EXPECT_EQ(read(bad), number(cfs::err::INVAL)) << bad;
}

TEST_F(Networks, CpuPartitionsStandBehindTheNetworkOrAnInterface)
{
	EXPECT_EQ(read("o2ib3[0,1](ib1)"), "o2ib3(ib1)[0,1]");
	EXPECT_EQ(read("tcp(eth0)[0,1],tcp1"), "tcp(eth0)[0,1] tcp1()");
	EXPECT_EQ(read("tcp(eth0[3],eth1)[0-2/2]"), "tcp(eth0)[3] tcp(eth1)[0,2]");
	EXPECT_EQ(read("tcp[1] ( eth0 [ 2 , 5 ] , eth1 ) , tcp2 [63]"),
		  "tcp(eth0)[2,5] tcp(eth1)[1] tcp2()[63]");
	for (const char *bad : {"tcp[](eth0)", "tcp[0](eth0)[1]", "tcp[x](eth0)", "tcp[0(eth0)",
				"tcp(eth0[0)", "tcp(eth0)[2-1]", "tcp(eth0)[0]x", "tcp(eth0[0]x)",
				"tcp[0", "tcp]0[", "[0]", "tcp([0])", "tcp[0-1/0]"})
		EXPECT_EQ(read(bad), number(cfs::err::INVAL)) << bad;
	EXPECT_EQ(read("tcp(eth0)[64]"), number(cfs::err::RANGE));
}

TEST_F(Networks, SetsOfPartitionsCountAndChoose)
{
	auto set = parse_cpts("[1,4-6]");
	ASSERT_TRUE(set);
	EXPECT_EQ(set->count(), 4u);
	EXPECT_EQ(shown(*set), "[1,4,5,6]");
	EXPECT_TRUE(set->within(7) && !set->within(6) && !set->has(0) && !set->has(64));
	EXPECT_EQ(shown(*parse_cpts(" 3 ")), "[3]");
	EXPECT_EQ(CptSet::first(64).count(), 64u);
	EXPECT_EQ(CptSet::first(64).nth(63), 63u);
	EXPECT_TRUE(CptSet().within(0) && CptSet().empty());
	EXPECT_FALSE(parse_cpts(""));
	EXPECT_FALSE(parse_cpts("[0"));
	EXPECT_FALSE(parse_cpts("0-18446744073709551615/18446744073709551615"));
}

TEST_F(Networks, HasALimit)
{
	std::string text = "tcp(e0";
	for (std::size_t i = 1; i < NetworksSpec::kMax; i++)
		text += ",e" + std::to_string(i);
	EXPECT_EQ(read(text + ")").substr(0, 16), "tcp(e0) tcp(e1) ");
	EXPECT_EQ(read(text + ",one)"), number(cfs::err::NOSPC));
	EXPECT_EQ(read(text + "),tcp1"), number(cfs::err::NOSPC));
}

} // namespace

namespace
{

class Routes : public LnetTest
{
protected:
	/// "net gateway hops priority;" of each, or the error's number.
	static std::string read(std::string_view text)
	{
		auto spec = parse_routes(text);
		if (!spec)
			return std::to_string(static_cast<int>(spec.error()));
		std::string out;
		for (std::size_t i = 0; i < spec->count; i++) {
			char one[128];
			const RouteSpec &r = spec->list[i];
			cfs::format_cstr(one, "{} {} {} {};", r.net, r.gateway,
					 static_cast<std::int32_t>(r.hops), r.priority);
			out += one;
		}
		return out;
	}
};

TEST_F(Routes, OneOfEach)
{
	EXPECT_EQ(read(""), "");
	EXPECT_EQ(read("tcp1 10.0.0.1@tcp"), "tcp1 10.0.0.1@tcp -1 0;");
	EXPECT_EQ(read("tcp1 2 10.0.0.1@tcp:7"), "tcp1 10.0.0.1@tcp 2 7;");
	EXPECT_EQ(read("tcp1 fd00::1@tcp"), "tcp1 fd00::1@tcp -1 0;");
	EXPECT_EQ(read("; tcp1 10.0.0.1@tcp # a comment; with 2\n\n o2ib 1 10.0.0.2@tcp ;"),
		  "tcp1 10.0.0.1@tcp -1 0;o2ib 10.0.0.2@tcp 1 0;");
}

TEST_F(Routes, BracketsStandForSeveral)
{
	EXPECT_EQ(read("tcp1 1 192.168.1.[1-5/2,9]@tcp:2"),
		  "tcp1 192.168.1.1@tcp 1 2;tcp1 192.168.1.3@tcp 1 2;"
		  "tcp1 192.168.1.5@tcp 1 2;tcp1 192.168.1.9@tcp 1 2;");
	EXPECT_EQ(read("tcp[1-2] 10.[0-1].0.[1,2]@o2ib"),
		  "tcp1 10.0.0.1@o2ib -1 0;tcp1 10.0.0.2@o2ib -1 0;"
		  "tcp1 10.1.0.1@o2ib -1 0;tcp1 10.1.0.2@o2ib -1 0;"
		  "tcp2 10.0.0.1@o2ib -1 0;tcp2 10.0.0.2@o2ib -1 0;"
		  "tcp2 10.1.0.1@o2ib -1 0;tcp2 10.1.0.2@o2ib -1 0;");
	EXPECT_EQ(read("tcp1 10.0.0.1@tcp 10.0.0.2@tcp"),
		  "tcp1 10.0.0.1@tcp -1 0;tcp1 10.0.0.2@tcp -1 0;");
}

TEST_F(Routes, WrongOnesAreRefused)
{
	const std::string invalid = std::to_string(static_cast<int>(cfs::err::INVAL));
	for (const char *bad :
	     {"tcp1", "nonsense 10.0.0.1@tcp", "tcp1 nonsense", "tcp1 0 10.0.0.1@tcp",
	      "tcp1 256 10.0.0.1@tcp", "tcp1 10.0.0.[1@tcp", "tcp1 10.0.0.]1[@tcp",
	      "tcp1 10.0.0.[]@tcp", "tcp1 10.0.0.[4-2]@tcp", "tcp1 10.0.0.[1-2/0]@tcp",
	      "tcp1 10.0.0.1@tcp:x", "tcp1 1.[1].[1].[1].[1].[1]@tcp", "tcp1 10.0.0.[1-x]@tcp"})
		EXPECT_EQ(read(bad), invalid) << bad;
	EXPECT_EQ(read("tcp1 10.0.[0-255].[0-255]@tcp"),
		  std::to_string(static_cast<int>(cfs::err::NOSPC)));
}

class Ip2nets : public Networks
{
protected:
	static std::string match(std::string_view text, std::vector<std::uint32_t> own)
	{
		auto spec = parse_ip2nets(text, own);
		if (!spec)
			return number(spec.error());
		std::string out;
		for (std::size_t i = 0; i < spec->count; i++) {
			char one[64];
			cfs::format_cstr(one, "{}({})", spec->list[i].net, spec->list[i].if_name());
			out += (i ? " " : "") + std::string(one);
		}
		return out;
	}
};

TEST_F(Ip2nets, TheFirstEntryOfEachNetworkCounts)
{
	const std::uint32_t here = 0xc0a80104; // 192.168.1.4
	EXPECT_EQ(match("tcp(eth0) 192.168.1.[2-8/2]; o2ib 10.*.*.*", {here}), "tcp(eth0)");
	EXPECT_EQ(match("tcp(eth0) 192.168.1.[3-8/2]; o2ib 10.*.*.*", {here, 0x0a000001}),
		  "o2ib()");
	EXPECT_EQ(match("tcp(eth0) 192.168.*.*; tcp(eth1) 192.168.1.4", {here}), "tcp(eth0)");
	EXPECT_EQ(match("tcp(eth0, eth1) 1.2.3.4 192.168.1.4\ntcp2", {here}),
		  "tcp(eth0) tcp(eth1) tcp2()");
	EXPECT_EQ(match("tcp 1.2.3.4", {here}), "");
	EXPECT_EQ(match("", {here}), "");
}

TEST_F(Ip2nets, WrongOnesAreRefusedOnEveryNode)
{
	for (const char *bad : {"tcp 300.1.1.1", "tcp 1.1.1", "tcp 1.1.1.1.1", "tcp 1.1.1.x",
				"tcp 1.1.1.[5", "tcp 1.1.1.[]", "bogus 1.1.1.1", "tcp 1.1.1.[9-2]"})
		EXPECT_EQ(match(bad, {}), number(cfs::err::INVAL)) << bad;
}

class NidRanges : public LnetTest
{
protected:
	/// The NIDs, or the error's number.
	static std::string read(std::string_view text, std::uint64_t max = 8)
	{
		auto range = NidRange::make(text, max);
		if (!range)
			return std::to_string(static_cast<int>(range.error()));
		std::string out;
		do {
			auto nid = range->nid();
			if (!nid)
				return std::to_string(static_cast<int>(nid.error()));
			char one[LNET_NIDSTR_SIZE];
			cfs::format_cstr(one, "{}", *nid);
			out += (out.empty() ? "" : " ") + std::string(one);
		} while (range->next());
		return out;
	}
};

TEST_F(NidRanges, StandForEachOfTheirNids)
{
	EXPECT_EQ(read("10.0.0.1@tcp"), "10.0.0.1@tcp");
	EXPECT_EQ(read("fd00::1@tcp2"), "fd00::1@tcp2");
	EXPECT_EQ(read(" 10.[0-1].0.[1-5/2,9]@tcp1 "),
		  "10.0.0.1@tcp1 10.0.0.3@tcp1 10.0.0.5@tcp1 10.0.0.9@tcp1 "
		  "10.1.0.1@tcp1 10.1.0.3@tcp1 10.1.0.5@tcp1 10.1.0.9@tcp1");
	EXPECT_EQ(read("10.0.0.6/30@tcp"), "10.0.0.4@tcp 10.0.0.5@tcp 10.0.0.6@tcp 10.0.0.7@tcp");
	EXPECT_EQ(read("10.0.0.6/32@o2ib"), "10.0.0.6@o2ib");
	auto all = read("10.0.0.*@tcp", 256);
	EXPECT_TRUE(all.starts_with("10.0.0.0@tcp 10.0.0.1@tcp ")) << all;
	EXPECT_TRUE(all.ends_with(" 10.0.0.255@tcp")) << all;
}

TEST_F(NidRanges, AreBounded)
{
	const std::string many = std::to_string(static_cast<int>(cfs::err::NOSPC));
	EXPECT_EQ(read("10.0.0.[1-9]@tcp"), many);
	EXPECT_EQ(read("10.0.0.*@tcp", 255), many);
	EXPECT_EQ(read("*.*.*.*@tcp", 1u << 20), many);
	EXPECT_EQ(read("10.0.0.0/0@tcp"), many);
	EXPECT_EQ(read("[0-65535].[0-65535].[0-65535].[0-65535,0-65535]@tcp"), many);
}

TEST_F(NidRanges, WrongOnesAreRefused)
{
	const std::string invalid = std::to_string(static_cast<int>(cfs::err::INVAL));
	for (const char *bad :
	     {"", "@", "tcp", "*@tcp", "10.0.0.1*@tcp", "10.*5.0.1@tcp", "10.0.0.[1-2@tcp",
	      "10.0.0.]1[@tcp", "10.0.0.[]@tcp", "10.0.0.[255-256]@tcp", "10.0.0.1/33@tcp",
	      "10.0.0.1/x@tcp", "10.0.0/24@tcp", "fd00::1/127@tcp", "10.0.0.1@nonsense",
	      "[1].[1].[1].[1][1]@tcp", "10.0.0.1@tcp[1]", "10.0.0.1@tcp*", "10.0.0.1/24"})
		EXPECT_EQ(read(bad, 512), invalid) << bad;
}

} // namespace
