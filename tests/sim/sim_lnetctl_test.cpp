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
using lnet_tools::lnetctl_words;
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

TEST(SimLnetctl, NetworksAreAddedByTheNodesAddresses)
{
	alone([] {
		expect("lnet configure", "");
		Result r = lnetctl_words({"net", "add", "--ip2net",
					  "tcp7(eth1) 192.168.*.*; tcp3 10.[0,2].0.[1,5] # us\n"
					  "tcp3(eth3) 10.*.*.*; tcp4(eth2)[0],tcp5 10.1.0.1",
					  "--credits", "32", "--cpt", "[1]"});
		EXPECT_EQ(r.rc, 0) << r.err;
		auto all = lnetctl_run("net show").out;
		for (const char *nid :
		     {"10.0.0.1@tcp3", "10.2.0.1@tcp3", "10.2.0.1@tcp4", "10.1.0.1@tcp5"})
			EXPECT_NE(all.find("nid: " + std::string(nid) + "\n"), all.npos) << all;
		EXPECT_EQ(all.find("tcp7"), all.npos) << all;
		EXPECT_EQ(all.find("eth3"), all.npos) << all;
		auto one = lnetctl_run("net show --net tcp5 -v").out;
		EXPECT_NE(one.find("credits: 32\n"), one.npos) << one;
		EXPECT_NE(one.find("CPT: \"[1]\"\n"), one.npos) << one;
		one = lnetctl_run("net show --net tcp4 -v").out;
		EXPECT_NE(one.find("CPT: \"[0]\"\n"), one.npos) << one;

		r = lnetctl_words({"net", "add", "--ip2net", "tcp8 11.*.*.*"});
		EXPECT_EQ(r.err, error_block("add", "net", -19,
					     "no network is for an address of this node"));
		r = lnetctl_words({"net", "add", "--ip2net", "tcp8 300.1.1.1"});
		EXPECT_EQ(r.err, error_block("add", "net", -22,
					     "'tcp8 300.1.1.1' is not of the form NETWORKS "
					     "ADDRESSES"));
		r = lnetctl_words({"net", "add", "--net", "tcp8", "--ip2net", "tcp8 10.*.*.*"});
		EXPECT_EQ(r.rc, -22);
	});
}

TEST(SimLnetctl, NetworksByAddressAreImported)
{
	const std::string file = "ip2nets:\n"
				 "    - net-spec: tcp4\n"
				 "      interfaces:\n"
				 "          0: eth1\n"
				 "          1: eth2\n"
				 "      ip-range:\n"
				 "          0: 192.168.*.*\n"
				 "          1: 10.1.*.*\n"
				 "      tunables:\n"
				 "          credits: 16\n"
				 "    - net-spec: tcp4\n"
				 "      ip-range:\n"
				 "          0: 10.*.*.*\n";
	alone([&] {
		expect("lnet configure", "");
		Result r = lnetctl_run("import", file);
		EXPECT_EQ(r.rc, 0) << r.err;
		auto s = lnetctl_run("net show --net tcp4 -v").out;
		EXPECT_NE(s.find("nid: 10.1.0.1@tcp4"), s.npos) << s;
		EXPECT_NE(s.find("nid: 10.2.0.1@tcp4"), s.npos) << s;
		EXPECT_EQ(s.find("nid: 10.0.0.1@tcp4"), s.npos) << s;
		EXPECT_NE(s.find("credits: 16\n"), s.npos) << s;
		r = lnetctl_run("import --del", file);
		EXPECT_EQ(r.rc, 0) << r.err;
		EXPECT_EQ(lnetctl_run("net show").out.find("tcp4"), std::string::npos);
		r = lnetctl_run("import", "ip2nets:\n    - net-spec: tcp4\n      ip-range:\n"
					  "          0: 1.2.3.4\n");
		EXPECT_EQ(r.err, error_block("add", "ip2nets", -19,
					     "no network is for an address of this node"));
	});
}

TEST(SimLnetctl, InterfacesAreBoundToCpuPartitions)
{
	lnet::sim::NodeConfig config;
	config.networks = "tcp(eth0)[1],tcp1[0](eth1,eth2[0,1])";
	alone(
		[] {
			expect("lnet configure --all", "");
			auto cpts = [](const std::string &net) {
				std::string all = lnetctl_run("net show -v --net " + net).out, out;
				for (auto at = all.find("CPT: "); at != all.npos;
				     at = all.find("CPT: ", at + 1))
					out += all.substr(at + 5, all.find('\n', at) - at - 5);
				return out;
			};
			EXPECT_EQ(cpts("tcp"), "\"[1]\"");
			EXPECT_EQ(cpts("tcp1"), "\"[0]\"\"[0,1]\"");
			expect("net add --net tcp2 --if eth3 --cpt 0", "");
			EXPECT_EQ(cpts("tcp2"), "\"[0]\"");
			for (unsigned n = 2; n < 12; n++) {
				auto nid = "10.0.0." + std::to_string(n) + "@tcp";
				expect("cpt-of-nid " + nid,
				       "cpt-of-nid:\n- nid: " + nid + "\n  cpt: 1\n");
			}
			expect_error(
				"net add --net tcp3 --if eth3 --cpt [0,7]",
				error_block("add", "net", -34, "there is no such CPU partition"));
			expect_error("net add --net tcp3 --if eth3 --cpt [0",
				     error_block("add", "net", -22,
						 "CPT is a list of CPU partitions such as [0,1]"));

			auto backup = lnetctl_run("export --backup").out;
			EXPECT_NE(backup.find("CPT: \"[1]\"\n"), backup.npos) << backup;
			expect("lnet unconfigure", "");
			expect("lnet configure", "");
			Result r = lnetctl_run("import", backup);
			EXPECT_EQ(r.rc, 0) << r.err;
			EXPECT_EQ(lnetctl_run("export --backup").out, backup);
			r = lnetctl_run("import", "net:\n  - net type: tcp5\n    local NI(s):\n"
						  "      - interfaces:\n          0: eth1\n"
						  "        CPT: [0, 1]\n");
			EXPECT_EQ(r.rc, 0) << r.err;
			EXPECT_EQ(cpts("tcp5"), "\"[0,1]\"");
		},
		config);
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
						"            lnd tunables:\n"
						"                  timeout: 10\n"
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
		r = lnetctl_run("import --exec", "net:\n    - net type: tcp\n");
		EXPECT_EQ(r.err, error_block("exec", "import", -22, "invalid key 'net'"));
		r = lnetctl_run("import --exec", "ping:\n    - timeout: 1\n");
		EXPECT_EQ(r.err, error_block("exec", "import", -22,
					     "an entry of 'ping' has no primary nid"));
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

TEST(SimLnetctl, TheDriversTimeOutIsSetForOneInterface)
{
	alone([] {
		expect("lnet configure --all", "");
		expect("net add --net tcp1 --if eth1", "");
		expect("net set --net tcp1 --lnd-timeout 7", "");
		auto timeout = [](const char *net) {
			auto s = lnetctl_run("net show -v --net " + std::string(net)).out;
			auto at = s.find(" timeout: ");
			return at == s.npos ? s : s.substr(at + 10, s.find('\n', at) - at - 10);
		};
		EXPECT_EQ(timeout("tcp1"), "7");
		EXPECT_EQ(timeout("tcp"), "10");
		expect_error("net set --net tcp9 --lnd-timeout 7",
			     error_block("set", "net", -19, "there is no network tcp9"));
		expect_error("net set --nid 10.0.0.1@tcp --lnd-timeout 0",
			     error_block("set", "net", -34,
					 "conns_per_peer is from 0 (by the link's speed) to 127, "
					 "timeout at least 1, tos from -1 to 255"));
		// The simulated network has no connections to count.
		expect_error(
			"net set --all --conns-per-peer 2",
			error_block("set", "net", -95, "the network's driver has no such tunable"));
		expect_error(
			"net add --net tcp2 --if eth2 --tos 8",
			error_block("add", "net", -95, "the network's driver has no such tunable"));
		EXPECT_EQ(lnetctl_run("net show").out.find("tcp2"), std::string::npos);
		expect_error("net add --net tcp2 --if eth2 --traffic-class x",
			     error_block("add", "net", -95,
					 "--traffic-class is of kfilnd, which is not built"));
	});
}

TEST(SimLnetctl, AnInterfaceWhoseLinkIsLostIsShownDown)
{
	run_seeds(3, [](World &w) {
		auto nodes = lnet::sim::add_nodes(w, 1);
		auto step = std::make_shared<unsigned>(0);
		auto next = [step] {
			++*step;
			for (unsigned wanted = *step + 1; *step < wanted;)
				sleep_for(100 * kMillisecond);
			sleep_for(5 * kSecond);
		};
		lnet::sim::NodeConfig two;
		two.networks = "tcp(eth0,eth1)";
		lnet::sim::start_core(
			*nodes[0],
			[next] {
				auto shown = [](const char *status, const char *fatal) {
					auto s = lnetctl_run("net show -v 2").out;
					auto at = s.find("nid: 10.1.0.1@tcp");
					EXPECT_NE(at, s.npos) << s;
					auto one = s.substr(at);
					EXPECT_NE(one.find(status), one.npos) << s;
					EXPECT_NE(one.find(fatal), one.npos) << s;
					return s.find("status: down") < at;
				};
				expect("lnet configure --all", "");
				EXPECT_FALSE(shown("status: up", "fatal_error: 0"));
				next();
				EXPECT_FALSE(shown("status: down", "fatal_error: 1"));
				next();
				EXPECT_FALSE(shown("status: up", "fatal_error: 0"));
			},
			two);
		w.spawn("cable", [nodes, step] {
			for (unsigned i = 0; i < 2; i++) {
				while (*step != 2 * i + 1)
					sleep_for(100 * kMillisecond);
				lnet::sim::set_interface(*nodes[0], 1, i == 1);
				++*step;
			}
		});
	});
}

TEST(SimLnetctl, PeersAreAddedAndDeletedByRanges)
{
	alone([] {
		expect("lnet configure --all", "");
		expect("peer add --prim_nid 10.0.0.77@tcp --nid 10.0.0.[78,80]@tcp,10.1.0.77@tcp "
		       "--ip2nets 10.2.0.[1-5/2]@tcp",
		       "");
		std::string all =
			"peer:\n-     primary nid: 10.0.0.77@tcp\n      Multi-Rail: true\n"
			"      peer ni:\n";
		for (const char *nid : {"10.0.0.77", "10.0.0.78", "10.0.0.80", "10.1.0.77",
					"10.2.0.1", "10.2.0.3", "10.2.0.5"})
			all += "      -     nid: " + std::string(nid) +
			       "@tcp\n            state: NA\n";
		expect("peer show", all);
		expect("peer set --nid 10.2.0.[1,3]@tcp --health 900", "");
		auto s = lnetctl_run("peer show -v 2").out;
		EXPECT_NE(s.find("health value: 900"), s.rfind("health value: 900")) << s;
		expect("peer del --prim_nid 10.0.0.77@tcp --nid 10.2.0.[1,3,5]@tcp", "");
		EXPECT_EQ(lnetctl_run("peer show --nid 10.0.0.77@tcp").out.find("10.2.0."),
			  std::string::npos);
		for (const char *option : {"--nid", "--ip2nets"})
			expect_error("peer add --prim_nid 10.0.0.7@tcp " + std::string(option) +
					     " 10.3.0.*@tcp",
				     error_block("add", "peer", -28, "too many NIDs for one peer"));
		expect_error("peer add --prim_nid 10.0.0.7@tcp --nid "
			     "10.3.0.[1-150]@tcp,10.4.0.[1-150]@tcp",
			     error_block("add", "peer", -28, "too many NIDs for one peer"));
		expect_error("peer add --prim_nid 10.0.0.7@tcp --nid *@tcp", "");
	});
}

TEST(SimLnetctl, ThePeersStateIsSet)
{
	alone([] {
		expect("lnet configure --all", "");
		expect("peer add --prim_nid 10.0.0.77@tcp --nid 10.0.0.78@tcp", "");
		auto state = [] {
			auto s = lnetctl_run("peer show -v 3").out;
			auto at = s.find("peer state: ");
			return at == s.npos ? s : s.substr(at + 12, s.find('\n', at) - at - 12);
		};
		EXPECT_EQ(state(), "9"); // multi-rail, configured
		expect("peer set --nid 10.0.0.78@tcp --state 25", "");
		EXPECT_EQ(state(), "25"); // and discovered
		expect("peer set --all --state 9 --health 500", "");
		EXPECT_EQ(state(), "9");
		auto s = lnetctl_run("peer show -v 2").out;
		EXPECT_NE(s.find("health value: 500"), s.npos) << s;
		// That something is under way cannot be decreed.
		expect("peer set --all --state 73", "");
		EXPECT_EQ(state(), "9");
		expect_error(
			"peer set --all --state 0x80000009",
			error_block("set", "peer", -22, "the state has bits without a meaning"));
		expect_error("peer set --all --state -1",
			     error_block("set", "peer", -34, "a peer's state is a number"));
		expect_error("peer set --nid 10.0.0.9@tcp --state 9",
			     error_block("set", "peer", -2, "there is no such peer"));
		EXPECT_EQ(lnetctl_run("peer set --all").rc, -22);
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
			// As a list in a file, which may be what the commands printed.
			Result listed = lnetctl_run("import --exec",
						    "ping:\n- primary nid: 10.0.0.2@tcp\n"
						    "  timeout: 20\n"
						    "discover:\n- primary nid: 10.1.0.2@tcp\n"
						    "  force: 1\n");
			EXPECT_EQ(listed.rc, 0) << listed.err;
			EXPECT_EQ(listed.out, lnetctl_run("ping 10.0.0.2@tcp").out +
						      lnetctl_run("discover 10.1.0.2@tcp").out);
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
