// SPDX-License-Identifier: GPL-2.0
//
// lnetctl and lctl against LNet of simulated nodes: everything between the command line and the
// core but the kernel's socket. What is printed is compared with what stock's tools print (spec 08
// section 4).

#include <gtest/gtest.h>

#include "lctl/network.hpp"
#include "libcfs/sim/gtest.hpp"
#include "libcfs/sim/net.hpp"
#include "tests/sim/in_process.hpp"
#include "tests/sim/lnet_traffic.hpp"

namespace
{

using namespace cfs::sim;
using lnet_tools::lnetctl_run;
using lnet_tools::Result;

/// Runs `main` on one node whose LNet is not up.
void alone(const std::function<void()> &main, const lnet::sim::NodeConfig &config = {})
{
	run_seeds(1, [&](World &w) {
		auto nodes = lnet::sim::add_nodes(w, 1);
		lnet::sim::start_core(*nodes[0], main, config);
	});
}

void expect(const std::string &line, const std::string &out, int rc = 0)
{
	Result r = lnetctl_run(line);
	EXPECT_EQ(r.out, out) << line;
	EXPECT_EQ(r.rc, rc) << line << '\n' << r.err;
}

std::string error_block(const std::string &verb, const std::string &object, int rc,
			const std::string &text)
{
	return "---\n" + verb + ":\n-     " + object + ":\n      errno: " + std::to_string(rc) +
	       "\n      descr: ! \"" + text + "\"\n...\n";
}

void expect_error(const std::string &line, const std::string &block, int rc = -22)
{
	Result r = lnetctl_run(line);
	EXPECT_EQ(r.err, block) << line;
	EXPECT_EQ(r.out, "") << line;
	EXPECT_EQ(r.rc, rc) << line;
}

constexpr const char *kGlobals = "global:\n"
				 "    numa_range: 0\n"
				 "    max_interfaces: 200\n"
				 "    discovery: 1\n"
				 "    drop_asym_route: 0\n"
				 "    retry_count: 2\n"
				 "    transaction_timeout: 150\n"
				 "    health_sensitivity: 100\n"
				 "    recovery_interval: 1\n"
				 "    router_sensitivity: 100\n"
				 "    lnd_timeout: 49\n"
				 "    response_tracking: 3\n"
				 "    recovery_limit: 0\n"
				 "    max_recovery_ping_interval: 900\n";

TEST(SimLnetctl, NetworksAreAddedShownAndDeleted)
{
	alone([] {
		expect("lnet configure", "");
		expect("net show", "net:\n"
				   "-     net type: lo\n"
				   "      local NI(s):\n"
				   "      -     nid: 0@lo\n"
				   "            status: up\n");
		expect("net add --net tcp --if eth0", "");
		expect("net add --net tcp1 --if eth1", "");
		expect("net add --net tcp --if eth2", "");
		expect("net show --net tcp1", "net:\n"
					      "-     net type: tcp1\n"
					      "      local NI(s):\n"
					      "      -     nid: 10.1.0.1@tcp1\n"
					      "            status: up\n"
					      "            interfaces:\n"
					      "                  0: eth1\n");
		auto all = lnetctl_run("net show").out;
		EXPECT_NE(all.find("0: eth0"), all.npos);
		EXPECT_NE(all.find("0: eth2"), all.npos);
		expect("net del --net tcp --if eth2", "");
		EXPECT_EQ(lnetctl_run("net show").out.find("eth2"), std::string::npos);
		expect("net del --net tcp", "");
		EXPECT_EQ(lnetctl_run("net show --net tcp").rc, -22);
		expect("lnet unconfigure", "");
		expect("lnet unconfigure", "");
	});
}

TEST(SimLnetctl, NetworksOfTheModuleParametersComeWithAll)
{
	lnet::sim::NodeConfig config;
	config.ip2nets = "tcp7(eth1) 192.168.*.*; tcp3(eth0,eth2) 10.[0-3].*.[1,5] # all of us\n"
			 "tcp3(eth4) 10.*.*.*";
	alone(
		[] {
			expect("lnet configure --all", "");
			auto all = lnetctl_run("net show").out;
			EXPECT_NE(all.find("nid: 10.0.0.1@tcp3"), all.npos) << all;
			EXPECT_NE(all.find("nid: 10.2.0.1@tcp3"), all.npos) << all;
			EXPECT_EQ(all.find("tcp7"), all.npos) << all;
			EXPECT_EQ(all.find("eth4"), all.npos) << all;
		},
		[&] {
			config.networks = "";
			return config;
		}());
}

TEST(SimLnetctl, RoutesOfTheModuleParametersComeWithThem)
{
	lnet::sim::NodeConfig config;
	config.routes = "tcp2 10.0.0.[7-9/2]@tcp:3; tcp[4-5] 2 10.0.0.8@tcp; tcp6 1.1.1.1@o2ib";
	alone(
		[] {
			expect("lnet configure --all", "");
			expect("route show", "route:\n"
					     "-     net: tcp2\n"
					     "      gateway: 10.0.0.7@tcp\n"
					     "-     net: tcp2\n"
					     "      gateway: 10.0.0.9@tcp\n"
					     "-     net: tcp4\n"
					     "      gateway: 10.0.0.8@tcp\n"
					     "-     net: tcp5\n"
					     "      gateway: 10.0.0.8@tcp\n");
		},
		config);
}

TEST(SimLnetctl, DetailGrowsWithTheLevel)
{
	alone([] {
		expect("lnet configure", "");
		expect("net add --net tcp --if eth0 --credits 64 --peer-credits 4", "");
		expect("net show -v --net tcp", "net:\n"
						"-     net type: tcp\n"
						"      local NI(s):\n"
						"      -     nid: 10.0.0.1@tcp\n"
						"            status: up\n"
						"            interfaces:\n"
						"                  0: eth0\n"
						"            statistics:\n"
						"                  send_count: 0\n"
						"                  recv_count: 0\n"
						"                  drop_count: 0\n"
						"            tunables:\n"
						"                  peer_timeout: 180\n"
						"                  peer_credits: 4\n"
						"                  peer_buffer_credits: 0\n"
						"                  credits: 64\n"
						"            dev cpt: -1\n"
						"            CPT: \"[0,1]\"\n");
		EXPECT_EQ(lnetctl_run("net show --net tcp --verbose 1").out,
			  lnetctl_run("net show --net tcp -v").out);
		// All of it, as captured from a stock node; the loopback's counts are 0 there, too.
		expect("net show --net lo -v 4", "net:\n"
						 "-     net type: lo\n"
						 "      local NI(s):\n"
						 "      -     nid: 0@lo\n"
						 "            status: up\n"
						 "            statistics:\n"
						 "                  send_count: 0\n"
						 "                  recv_count: 0\n"
						 "                  drop_count: 0\n"
						 "            udsp info:\n"
						 "                  net priority: -1\n"
						 "                  nid priority: -1\n"
						 "            sent_stats:\n"
						 "                  put: 0\n"
						 "                  get: 0\n"
						 "                  reply: 0\n"
						 "                  ack: 0\n"
						 "                  hello: 0\n"
						 "            received_stats:\n"
						 "                  put: 0\n"
						 "                  get: 0\n"
						 "                  reply: 0\n"
						 "                  ack: 0\n"
						 "                  hello: 0\n"
						 "            dropped_stats:\n"
						 "                  put: 0\n"
						 "                  get: 0\n"
						 "                  reply: 0\n"
						 "                  ack: 0\n"
						 "                  hello: 0\n"
						 "            health stats:\n"
						 "                  fatal_error: 0\n"
						 "                  health value: 1000\n"
						 "                  interrupts: 0\n"
						 "                  dropped: 0\n"
						 "                  aborted: 0\n"
						 "                  no route: 0\n"
						 "                  timeouts: 0\n"
						 "                  error: 0\n"
						 "                  ping_count: 0\n"
						 "                  next_ping: 0\n"
						 "            tunables:\n"
						 "                  peer_timeout: 0\n"
						 "                  peer_credits: 0\n"
						 "                  peer_buffer_credits: 0\n"
						 "                  credits: 0\n"
						 "            dev cpt: 0\n"
						 "            CPT: \"[0,1]\"\n");
	});
}

TEST(SimLnetctl, WrongRequestsAreToldAsStockTellsThem)
{
	alone([] {
		expect_error("net show", error_block("show", "net", -100, "Network is down"));
		expect("lnet configure --all", "");
		expect_error("net show --net tcp9",
			     error_block("show", "net", -3, "Network is down"));
		expect_error("net add --net tcp --if eth0",
			     error_block("add", "net", -17, "cannot add LNet NI"));
		expect_error("net add --net tcp1 --if nosuch0",
			     error_block("add", "net", -100, "cannot add LNet NI"));
		expect_error("net add --net bogus1 --if eth0",
			     error_block("add", "net", -2, "cannot parse net"));
		expect_error("net del --net tcp7",
			     error_block("del", "net", -22, "cannot del network"));
		expect("net add", "missing mandatory parameters in NI config: 'network'\n", -22);
		expect("net add --net tcp", "creating a local NI needs at least one interface\n",
		       -22);
		expect("route add", "missing mandatory parameters:'net , gateway'\n", -22);
		expect_error("peer show --nid 9.9.9.9@tcp", "");
		expect_error("peer add --prim_nid bogus --nid 192.168.50.10@tcp", "");
		expect_error("peer del --prim_nid 192.168.50.9@tcp", "");
		expect_error("nosuch",
			     "lnetctl: 'nosuch' is not a valid command. See 'lnetctl "
			     "--list-commands'.\n",
			     -1);
		expect_error("net bogus",
			     "lnetctl: 'bogus' is not a valid command. See 'lnetctl "
			     "--list-commands'.\n",
			     -1);
		EXPECT_EQ(lnetctl_run("ping bogus").rc, -22);
		EXPECT_EQ(lnetctl_run("net set --nid 10.0.0.1@tcp --health 2000").rc, -22);
		EXPECT_EQ(lnetctl_run("udsp show").rc, -22);
	});
}

TEST(SimLnetctl, RoutesAreAddedShownAndDeleted)
{
	alone([] {
		expect("lnet configure --all", "");
		expect("route add --net tcp2 --gateway 10.0.0.9@tcp", "");
		expect("route show", "route:\n"
				     "-     net: tcp2\n"
				     "      gateway: 10.0.0.9@tcp\n");
		expect("route show -v", "route:\n"
					"-     net: tcp2\n"
					"      gateway: 10.0.0.9@tcp\n"
					"      hop: -1\n"
					"      priority: 0\n"
					"      state: up\n"
					"      type: single-hop\n");
		expect_error("route add --net tcp2 --gateway 10.0.0.9@tcp",
			     error_block("add", "route", -17,
					 "Route already exists or the specified network is local"));
		expect_error("route add --net tcp2 --gateway 10.9.9.9@tcp5",
			     error_block("add", "route", -113,
					 "No interface configured on the same net as gateway"));
		expect("route add --net tcp3 --gateway 10.0.0.9@tcp --hop 2 --prio 7", "");
		auto one = lnetctl_run("route show --net tcp3 -v").out;
		EXPECT_NE(one.find("hop: 2\n      priority: 7\n"), one.npos) << one;
		EXPECT_NE(one.find("type: multi-hop"), one.npos) << one;
		expect("route del --net tcp3 --gateway 10.0.0.9@tcp", "");
		expect("route del --net tcp2 --gateway 10.0.0.9@tcp", "");
		expect("route show", "");
		expect_error("route del --net tcp2 --gateway 10.0.0.9@tcp",
			     error_block("del", "route", -2, "failed to delete route"));
	});
}

TEST(SimLnetctl, SettingsAreShownSetAndRefused)
{
	alone([] {
		expect("lnet configure --all", "");
		expect("global show", kGlobals);
		expect("set discovery 0", "");
		expect("set retry_count 3", "");
		auto g = lnetctl_run("global show").out;
		EXPECT_NE(g.find("discovery: 0\n"), g.npos) << g;
		EXPECT_NE(g.find("retry_count: 3\n"), g.npos) << g;
		EXPECT_NE(g.find("lnd_timeout: 37\n"), g.npos) << g;
		EXPECT_FALSE(lnet::sim::control().settings().discovery);
		Result r = lnetctl_run("set transaction_timeout 0");
		EXPECT_EQ(r.rc, -61);
		EXPECT_EQ(r.err, "add:\n    - transaction_timeout:\n          errno: -61\n"
				 "          descr: \"cannot configure transaction timeout: Invalid "
				 "argument\"\n");
		EXPECT_EQ(lnetctl_run("set health_sensitivity 2000").rc, -61);
		EXPECT_EQ(lnetctl_run("set retry_count 300").rc, -61);
		// Routing and its buffers.
		expect("routing show", "");
		expect("set small_buffers 32", "");
		expect("set large_buffers 4", "");
		expect("set tiny_buffers 16", "");
		expect("set routing 1", "");
		expect("routing show", "routing:\n"
				       "    - cpt[0]:\n"
				       "          tiny:\n"
				       "              npages: 0\n"
				       "              nbuffers: 16\n"
				       "              credits: 16\n"
				       "              mincredits: 16\n"
				       "          small:\n"
				       "              npages: 1\n"
				       "              nbuffers: 32\n"
				       "              credits: 32\n"
				       "              mincredits: 32\n"
				       "          large:\n"
				       "              npages: 256\n"
				       "              nbuffers: 4\n"
				       "              credits: 4\n"
				       "              mincredits: 4\n"
				       "    - enable: 3\n"
				       "buffers:\n"
				       "    tiny: 16\n"
				       "    small: 32\n"
				       "    large: 4\n");
		expect("set routing 0", "");
		expect("routing show", "");
	});
}

TEST(SimLnetctl, StatisticsCountAndAreReset)
{
	alone([] {
		expect("lnet configure", "");
		auto s = lnetctl_run("stats show").out;
		EXPECT_TRUE(s.starts_with("statistics:\n    msgs_alloc: 0\n    msgs_max: 0\n"))
			<< s;
		EXPECT_NE(s.find("network_timeout_count: 0\n    failed_resends: 0\n    "
				 "successful_resends: 0\n    recv_count: 0\n"),
			  s.npos);
		EXPECT_TRUE(s.ends_with("    route_length: 0\n    drop_length: 0\n")) << s;
		EXPECT_EQ(lnetctl_run("ping 0@lo").rc, 0);
		s = lnetctl_run("stats show").out;
		EXPECT_EQ(s.find("    send_count: 0\n"), s.npos) << s;
		expect("stats reset", "");
		s = lnetctl_run("stats show").out;
		EXPECT_NE(s.find("    send_count: 0\n"), s.npos) << s;
	});
}

constexpr const char *kBackup = "net:\n"
				"-     net type: tcp\n"
				"      local NI(s):\n"
				"      -     interfaces:\n"
				"                  0: eth0\n"
				"            tunables:\n"
				"                  peer_timeout: 180\n"
				"                  peer_credits: 8\n"
				"                  peer_buffer_credits: 0\n"
				"                  credits: 256\n"
				"            CPT: \"[0,1]\"\n"
				"peer:\n"
				"-     primary nid: 10.0.0.77@tcp\n"
				"      Multi-Rail: true\n"
				"      peer ni:\n"
				"      -     nid: 10.0.0.77@tcp\n"
				"      -     nid: 10.0.0.78@tcp\n"
				"-     primary nid: 10.0.0.79@tcp\n"
				"      Multi-Rail: false\n"
				"      peer ni:\n"
				"      -     nid: 10.0.0.79@tcp\n";

TEST(SimLnetctl, ABackupBringsTheSameBack)
{
	alone([] {
		expect("lnet configure --all", "");
		expect("peer add --prim_nid 10.0.0.77@tcp --nid 10.0.0.78@tcp", "");
		expect("set recovery_limit 60", "");
		expect("peer add --prim_nid 10.0.0.79@tcp --non_mr", "");
		auto backup = lnetctl_run("export --backup");
		EXPECT_EQ(backup.rc, 0) << backup.err;
		EXPECT_TRUE(backup.out.starts_with(kBackup)) << backup.out;
		expect("lnet unconfigure", "");
		expect("set recovery_limit 0", "");
		expect("lnet configure", "");
		Result r = lnetctl_run("import", backup.out);
		EXPECT_EQ(r.rc, 0) << r.err;
		EXPECT_EQ(lnetctl_run("export --backup").out, backup.out);
		// What is only shown does not disturb: a whole export can be imported, too.
		auto whole = lnetctl_run("export").out;
		expect("lnet unconfigure", "");
		expect("lnet configure", "");
		r = lnetctl_run("import", whole);
		EXPECT_EQ(r.rc, 0) << r.err << whole;
		EXPECT_EQ(lnetctl_run("export --backup").out, backup.out);
		// Again: what is there already is told, and nothing is lost.
		EXPECT_NE(lnetctl_run("import", backup.out).rc, 0);
		EXPECT_EQ(lnetctl_run("import --del", backup.out).rc, 0);
		EXPECT_EQ(lnetctl_run("net show").out.find("tcp"), std::string::npos);
	});
}

TEST(SimLnetctl, FilesThatAreWrongAreRefused)
{
	alone([] {
		expect("lnet configure", "");
		Result r = lnetctl_run("import", "foo:\n  - bar\n");
		EXPECT_EQ(r.err, error_block("add", "import", -22, "invalid key 'foo'"));
		EXPECT_EQ(r.rc, -22);
		r = lnetctl_run("import", "net:\n    - net type: tcp1\n      local NI(s):\n"
					  "        - interfaces:\n              0: nosuch\n");
		EXPECT_EQ(r.err,
			  error_block("add", "import", -42, "No interface matching 'nosuch'"));
		EXPECT_EQ(r.rc, -42);
		EXPECT_EQ(lnetctl_run("import", "net: [").rc, -22);
		EXPECT_EQ(lnetctl_run("import", "just text").rc, -22);
		EXPECT_EQ(lnetctl_run("import", "").rc, 0);
		r = lnetctl_run("import", "net:\n    - net type: tcp1\n      local NI(s):\n"
					  "        - interfaces:\n              0: eth3\n");
		EXPECT_EQ(r.rc, 0) << r.err;
		EXPECT_EQ(lnetctl_run("import /nonexist").rc, -2);
	});
}

TEST(SimLnetctl, FilesAreNotNestedWithoutEnd)
{
	std::string error, deep(300, '[');
	EXPECT_EQ(lnetctl::parse("net: " + deep + std::string(300, ']'), error).kind(),
		  lnetctl::Node::Kind::null);
	EXPECT_NE(error, "");
	EXPECT_TRUE(lnetctl::parse("net: [[1]]", error).is_map());
	EXPECT_EQ(error, "");
}

TEST(SimLnetctl, HealthIsSetOnInterfacesAndPeers)
{
	alone([] {
		expect("lnet configure --all", "");
		expect("peer add --prim_nid 10.0.0.77@tcp", "");
		expect("net set --nid 10.0.0.1@tcp --health 300", "");
		auto s = lnetctl_run("net show --net tcp -v 2").out;
		EXPECT_NE(s.find("health value: 300"), s.npos) << s;
		expect("peer set --nid 10.0.0.77@tcp --health 200", "");
		s = lnetctl_run("peer show --nid 10.0.0.77@tcp -v 2").out;
		EXPECT_NE(s.find("health value: 200"), s.npos) << s;
		expect("net set --all --health 1000", "");
		s = lnetctl_run("net show --net tcp -v 2").out;
		EXPECT_NE(s.find("health value: 1000"), s.npos) << s;
		expect("peer set --all --health 1000", "");
	});
}

/// Words of lctl, with the network of --net.
Result lctl_run(const lnetctl::Words &words, const std::string &net = "")
{
	lnet_tools::InProcess sys;
	std::ostringstream out, err;
	std::istringstream in;
	lnetctl::Shell sh{sys, out, err, in};
	Result r;
	EXPECT_TRUE(lctl::network_command(sh, net, words, r.rc));
	r.out = out.str();
	r.err = err.str();
	return r;
}

TEST(SimLnetctl, LctlBringsLnetUpAndDownAndListsNids)
{
	alone([] {
		EXPECT_EQ(lctl_run({"network", "up"}).out, "LNET configured\n");
		EXPECT_EQ(lctl_run({"list_nids"}).out, "10.0.0.1@tcp\n");
		EXPECT_EQ(lctl_run({"list_nids", "all"}).out, "0@lo\n10.0.0.1@tcp\n");
		EXPECT_EQ(lctl_run({"which_nid", "10.0.0.9@tcp", "10.0.0.1@tcp"}).out,
			  "10.0.0.1@tcp\n");
		EXPECT_EQ(lctl_run({"which_nid", "1.1.1.1@o2ib", "bogus"}).rc, 1);
		EXPECT_EQ(lctl_run({"ping", "bogus"}).err, "Invalid NID argument \"bogus\"\n");
		EXPECT_EQ(lctl_run({"ping", "10.0.0.1@tcp"}).out, "12345-0@lo\n10.0.0.1@tcp\n");
		EXPECT_EQ(lctl_run({"add_route", "10.0.0.9@tcp"}, "tcp2").rc, 0);
		EXPECT_EQ(
			lctl_run({"route_list"}).out,
			"net               tcp2 hops -1 gw                     10.0.0.9@tcp up pri "
			"0\n");
		EXPECT_EQ(lctl_run({"del_route", "10.0.0.9@tcp"}, "tcp2").rc, 0);
		lnet_network *net = nullptr;
		ASSERT_EQ(lnet_network_hold(cfs_node_current(), &net), 0);
		EXPECT_EQ(lctl_run({"network", "down"}).err, "LNET busy\n");
		lnet_network_release(cfs_node_current());
		EXPECT_EQ(lctl_run({"network", "down"}).out, "LNET ready to unload\n");
		EXPECT_EQ(lctl_run({"list_nids"}).rc, 1);
	});
}

TEST(SimLnetctl, PeersAreReadFromTheTableOfSockets)
{
	std::istringstream table(
		"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt\n"
		"   0: 0A00000A:03FF 0B00000A:03DC 01 00000000:00000000 00:00000000 00000000\n"
		"   1: 0A00000A:03FE 0B00000A:03DC 01 00000000:00000000 00:00000000 00000000\n"
		"   2: 0A00000A:03DC 0B00000A:03FD 01 00000000:00000000 00:00000000 00000000\n"
		"   3: 0A00000A:03FC 0B00000A:03DC 06 00000000:00000000 00:00000000 00000000\n");
	auto c = lctl::connections_to(table, "10.0.0.11", 988);
	EXPECT_EQ(c.local, "10.0.0.10");
	EXPECT_EQ(c.remote, "10.0.0.11");
	EXPECT_EQ(c.port, 988u);
	EXPECT_EQ(c.count, 2u);
}

TEST(SimLnetctl, NodesPingAndDiscoverEachOther)
{
	run_seeds(3, [](World &w) {
		auto nodes = lnet::sim::add_nodes(w, 3); // the last one stays off
		lnet::sim::NodeConfig two;
		two.networks = "tcp(eth0,eth1)";
		auto done = std::make_shared<unsigned>(0);
		auto other = [=] {
			expect("lnet configure --all", "");
			while (*done == 0)
				sleep_for(100 * kMillisecond);
			// The push has taught this side.
			auto s = lnetctl_run("peer show").out;
			EXPECT_NE(s.find("primary nid: 10.0.0.1@tcp\n      Multi-Rail: true"),
				  s.npos)
				<< s;
			++*done;
		};
		auto self = [=] {
			sleep_for(5 * kSecond);
			expect("lnet configure --all", "");
			expect("ping 10.0.0.2@tcp", "ping:\n"
						    "- primary nid: 10.0.0.2@tcp\n"
						    "  Multi-Rail: true\n"
						    "  peer_ni:\n"
						    "  - nid: 10.0.0.2@tcp\n"
						    "  - nid: 10.1.0.2@tcp\n");
			expect("discover 10.1.0.2@tcp", "discover:\n"
							"- primary nid: 10.0.0.2@tcp\n"
							"  Multi-Rail: true\n"
							"  peer_ni:\n"
							"  - nid: 10.0.0.2@tcp\n"
							"  - nid: 10.1.0.2@tcp\n");
			auto shown = lnetctl_run("peer show --nid 10.1.0.2@tcp").out;
			EXPECT_EQ(shown, "peer:\n"
					 "-     primary nid: 10.0.0.2@tcp\n"
					 "      Multi-Rail: true\n"
					 "      peer ni:\n"
					 "      -     nid: 10.0.0.2@tcp\n"
					 "            state: NA\n"
					 "      -     nid: 10.1.0.2@tcp\n"
					 "            state: NA\n");
			Result r = lnetctl_run("ping --timeout 2 10.0.0.3@tcp");
			EXPECT_EQ(r.rc, -1);
			EXPECT_TRUE(r.out.starts_with("manage:\n- ping:\n  errno: -")) << r.out;
			EXPECT_NE(r.out.find("  descr: ! 'failed to ping 10.0.0.3@tcp: "),
				  r.out.npos)
				<< r.out;
			++*done;
			while (*done < 2)
				sleep_for(100 * kMillisecond);
		};
		lnet::sim::start_core(*nodes[0], self);
		lnet::sim::start_core(*nodes[1], other, two);
	});
}

TEST(SimLnetctl, HelpNamesEveryCommandAndLinesAreRead)
{
	alone([] {
		lnet_tools::InProcess sys;
		std::ostringstream out, err;
		std::istringstream in("lnet configure\nnet show\nquit\nnet bogus\n");
		lnetctl::Shell sh{sys, out, err, in};
		EXPECT_EQ(lnetctl::run_lines(sh, false), 0) << err.str();
		EXPECT_TRUE(out.str().starts_with("net:\n-     net type: lo\n")) << out.str();
		EXPECT_TRUE(lnetctl_run("--version").out.starts_with("lnetctl "));
		EXPECT_NE(lnetctl_run("--list-commands").out.find("cpt-of-nid"), std::string::npos);
		EXPECT_EQ(lnetctl_run("help nosuch").rc, 0);
		EXPECT_EQ(lnetctl_run("set discovery").rc, -22);
		EXPECT_EQ(lnetctl_run("set bogus 1").rc, -1);
		EXPECT_EQ(lnetctl_run("net").rc, -22);
		EXPECT_EQ(lnetctl_run("net show --bogus").rc, -22);
	});
}

} // namespace
