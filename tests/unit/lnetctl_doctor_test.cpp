// SPDX-License-Identifier: GPL-2.0
//
// lnetctl doctor over made-up /proc and /sys trees: each illness is found, with what to do, and a
// healthy system has none.

#include "lnetctl/doctor.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace
{

using namespace lnetctl;
using Level = Finding::Level;

class DoctorTest : public ::testing::Test
{
protected:
	void SetUp() override
	{
		char name[] = "/tmp/doctor-XXXXXX";
		ASSERT_NE(mkdtemp(name), nullptr);
		in.root = name;
		// Two interfaces on networks of their own, nothing wrong with them.
		interface("eth0");
		interface("eth1");
		for (const char *conf : {"all", "eth0", "eth1"}) {
			std::string dir = std::string("proc/sys/net/ipv4/conf/") + conf;
			file(dir + "/rp_filter", "0");
			file(dir + "/arp_ignore", "0");
			file(dir + "/arp_announce", "0");
		}
		routes({"eth0 0000000A 00000000 0001 0 0 0 00FFFFFF",
			"eth1 0001000A 00000000 0001 0 0 0 00FFFFFF"});
		file("proc/net/tcp", "  sl  local_address rem_address   st\n"
				     "   0: 00000000:03DC 00000000:0000 0A\n");
		in.nis = {{"10.0.0.1@tcp", "eth0", true, 256, 8},
			  {"10.0.1.1@tcp1", "eth1", true, 256, 8}};
		in.peers = {{"10.0.0.2@tcp", true, true, true, ""}};
		in.connect = [this](const std::string &address, unsigned port) {
			asked.push_back(address + ":" + std::to_string(port));
			return connect_rc;
		};
	}
	void TearDown() override { std::filesystem::remove_all(in.root); }

	void file(const std::string &path, const std::string &text)
	{
		auto full = std::filesystem::path(in.root) / path;
		std::filesystem::create_directories(full.parent_path());
		std::ofstream(full) << text << '\n';
	}
	void interface(const std::string &name, const std::string &mtu = "1500")
	{
		file("sys/class/net/" + name + "/mtu", mtu);
		file("sys/class/net/" + name + "/operstate", "up");
		file("sys/class/net/" + name + "/speed", "1000");
	}
	void routes(const std::vector<std::string> &lines)
	{
		std::string all = "Iface Destination Gateway Flags RefCnt Use Metric Mask\n";
		for (const auto &l : lines)
			all += l + "\n";
		file("proc/net/route", all);
	}
	/// Whether something of that level was found that says `what` and advises `change`.
	bool found(Level level, const std::string &what, const std::string &change = "")
	{
		for (const Finding &f : examine(in))
			if (f.level == level && f.what.find(what) != f.what.npos &&
			    f.change.find(change) != f.change.npos)
				return true;
		return false;
	}
	unsigned ill()
	{
		unsigned n = 0;
		for (const Finding &f : examine(in))
			if (f.level != Level::ok) {
				n++;
				last = f.what;
			}
		return n;
	}

	DoctorInput in;
	int connect_rc = 0;
	std::vector<std::string> asked;
	std::string last;
};

TEST_F(DoctorTest, NothingIsWrongWithAHealthySystem)
{
	EXPECT_EQ(ill(), 0u) << last;
	EXPECT_TRUE(found(Level::ok, "10.0.0.2@tcp answers"));
	EXPECT_EQ(asked.at(0), "10.0.0.2:988");
}

TEST_F(DoctorTest, InterfacesThatAreMissingOrDown)
{
	file("sys/class/net/eth1/operstate", "down");
	EXPECT_TRUE(found(Level::error, "eth1 has no link", "ip link set eth1 up"));
	std::filesystem::remove_all(in.root + "/sys/class/net/eth0");
	EXPECT_TRUE(found(Level::error, "eth0 is gone", "lnetctl net del --net tcp --if eth0"));
	in.nis.clear();
	EXPECT_TRUE(found(Level::error, "no network interface", "lnetctl net add"));
}

TEST_F(DoctorTest, MtusThatDifferOnOneNetwork)
{
	interface("eth1", "9000");
	EXPECT_EQ(ill(), 0u) << last; // on different networks they may
	in.nis[1].nid = "10.0.1.1@tcp";
	EXPECT_TRUE(found(Level::warning, "different MTUs, 1500 and 9000", "mtu"));
	file("sys/class/net/eth0/speed", "100000");
	EXPECT_TRUE(found(Level::note, "eth0 is fast", "mtu 9000"));
}

TEST_F(DoctorTest, TwoInterfacesInOneSubnetNeedSysctls)
{
	in.nis[1] = {"10.0.0.7@tcp", "eth1", true, 256, 8};
	EXPECT_TRUE(found(Level::warning, "ARP", "net.ipv4.conf.eth1.arp_ignore=1"));
	EXPECT_TRUE(found(Level::warning, "announce", "net.ipv4.conf.eth0.arp_announce=2"));
	EXPECT_FALSE(found(Level::error, "rp_filter"));
	file("proc/sys/net/ipv4/conf/all/rp_filter", "1");
	EXPECT_TRUE(found(Level::error, "strict rp_filter", "net.ipv4.conf.eth0.rp_filter=2"));
	file("proc/sys/net/ipv4/conf/all/arp_ignore", "1");
	file("proc/sys/net/ipv4/conf/all/arp_announce", "2");
	file("proc/sys/net/ipv4/conf/all/rp_filter", "2");
	EXPECT_EQ(ill(), 0u) << last;
}

TEST_F(DoctorTest, PathsBackThatDiffer)
{
	// A host route sends the peer's packets out of the other interface.
	routes({"eth0 0000000A 00000000 0001 0 0 0 00FFFFFF",
		"eth1 0001000A 00000000 0001 0 0 0 00FFFFFF",
		"eth1 0200000A 00000000 0005 0 0 0 FFFFFFFF"});
	EXPECT_TRUE(found(Level::error, "leave by eth1", "ip route add 10.0.0.2 dev eth0"));
	routes({"eth1 0001000A 00000000 0001 0 0 0 00FFFFFF"});
	EXPECT_TRUE(found(Level::error, "no route to 10.0.0.2@tcp", "ip route add 10.0.0.2"));
}

TEST_F(DoctorTest, PortsThatNobodyListensOnOrCannotBeReached)
{
	file("proc/net/tcp", "  sl  local_address rem_address   st\n"
			     "   0: 00000000:03DC 0100000A:0400 01\n");
	EXPECT_TRUE(found(Level::error, "nobody listens on TCP port 988"));
	in.accept = "none";
	EXPECT_TRUE(found(Level::warning, "accept=none", "accept=secure"));
	connect_rc = ECONNREFUSED;
	EXPECT_TRUE(found(Level::error, "refuses connections to TCP port 988", "lnetctl lnet"));
	connect_rc = ETIMEDOUT;
	EXPECT_TRUE(found(Level::error, "cannot be reached", "firewalls"));
}

TEST_F(DoctorTest, PeersThatDoNotAnswerOrAreOld)
{
	in.peers[0].multi_rail = false;
	EXPECT_TRUE(found(Level::note, "multi-rail", "--non_mr"));
	in.peers[0].answered = false;
	in.peers[0].error = "Connection timed out";
	EXPECT_TRUE(found(Level::error, "does not answer pings: Connection timed out"));
}

TEST_F(DoctorTest, FilesOfTheSystemMayBeMissing)
{
	std::filesystem::remove_all(in.root);
	EXPECT_TRUE(found(Level::error, "eth0 is gone"));
}

} // namespace
