// SPDX-License-Identifier: GPL-2.0
//
// The languages of LNet's module parameters (spec 01 section 15.1).

#include "lnet/config.hpp"

#include <string>

#include "tests/unit/lnet_test.hpp"

namespace
{

using namespace lnet;

class Networks : public LnetTest
{
protected:
	/// "net(interface)" of each, or the error's number.
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
			out += (i ? " " : "") + std::string(one);
		}
		return out;
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
	EXPECT_EQ(read("tcp[0,1](eth0)"), number(cfs::err::OPNOTSUPP));
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
