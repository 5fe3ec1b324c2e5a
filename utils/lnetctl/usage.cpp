// SPDX-License-Identifier: GPL-2.0
//
// See usage.hpp.

#include "lnetctl/usage.hpp"

#include <algorithm>
#include <cstdio>
#include <string_view>

namespace lnetctl
{

namespace
{

struct Text {
	std::string_view command;
	std::string_view text;
};

constexpr Text kTexts[] = {
	{"lnet configure", "lnet configure: bring LNet up\n"
			   "\t--all: with the networks of lnet's module parameters\n"
			   "\t--large: allow large NIDs (they are always allowed)\n"},
	{"lnet unconfigure", "lnet unconfigure: take LNet down\n"},
	{"net add", "net add: add interfaces to a network\n"
		    "\t--net: network, e.g. tcp0\n"
		    "\t--if: interfaces, e.g. eth0,eth1\n"
		    "\t--nid: the interface with this NID's address\n"
		    "\t--ip2net: instead of these: networks by the node's addresses, e.g. "
		    "\"tcp(eth0) 192.168.*.*; o2ib 10.0.[1-4].*\"\n"
		    "\t--cpt: CPU partitions that serve the interfaces, e.g. [0,1]\n"
		    "\t--peer-timeout: seconds after which a silent peer counts as dead\n"
		    "\t--peer-credits: messages in flight to one peer\n"
		    "\t--peer-buffer-credits: router buffers that one peer may hold\n"
		    "\t--credits: messages in flight on the interface\n"
		    "\t--conns-per-peer: connections to each peer\n"
		    "\t--tos: type of service of its packets\n"
		    "\t--skip-mr-route-setup: without effect, no route is ever changed\n"},
	{"net del", "net del: take a network, or some of its interfaces, away\n"
		    "\t--net: network\n"
		    "\t--if: interfaces\n"
		    "\t--nid: one NID\n"},
	{"net show", "net show: list networks and interfaces\n"
		     "\t--net: this network only\n"
		     "\t--verbose: more of each; a number up to 4 for even more\n"},
	{"net set", "net set: change a value of interfaces\n"
		    "\t--nid: of this NID\n"
		    "\t--net: of this network\n"
		    "\t--all: of all\n"
		    "\t--health: health, 0 to 1000\n"
		    "\t--conns-per-peer: connections to each peer\n"
		    "\t--lnd-timeout: seconds without progress that end a connection\n"},
	{"route add", "route add: add a way to another network\n"
		      "\t--net: that network\n"
		      "\t--gateway: NIDs of gateways, e.g. 10.1.1.2@tcp\n"
		      "\t--hop|hop-count: hops to it, 1 to 255\n"
		      "\t--priority: 0 is the best\n"
		      "\t--health_sensitivity: accepted, without effect\n"},
	{"route del", "route del: remove a way to another network\n"
		      "\t--net: that network\n"
		      "\t--gateway: NID of the gateway\n"},
	{"route show", "route show: list routes\n"
		       "\t--net, --gateway, --hop, --priority: only those\n"
		       "\t--verbose: more of each\n"},
	{"peer add", "peer add: add NIDs to a peer\n"
		     "\t--prim_nid: the peer's primary NID\n"
		     "\t--nid: NIDs, with commas between; also ranges, e.g. 10.0.[1-2].[1,7]@tcp\n"
		     "\t--ip2nets: likewise\n"
		     "\t--non_mr: it is not multi-rail\n"
		     "\t--lock_prim: its primary NID stays\n"},
	{"peer del", "peer del: remove NIDs of a peer, or the peer\n"
		     "\t--prim_nid: its primary NID\n"
		     "\t--nid, --ip2nets: NIDs, also ranges; without them, the peer\n"
		     "\t--force: even if its primary NID is locked\n"},
	{"peer show", "peer show: list peers\n"
		      "\t--nid: the peer with this NID\n"
		      "\t--verbose: more of each; a number up to 4 for even more\n"},
	{"peer list", "peer list: list the primary NIDs of peers\n"},
	{"peer set", "peer set: change a value of peers' NIDs\n"
		     "\t--nid: of this NID\n"
		     "\t--all: of all\n"
		     "\t--health: health, 0 to 1000\n"
		     "\t--state: the peer's state, as peer show -v 3 prints it\n"},
	{"routing show", "routing show: the buffers of this router\n"},
	{"set tiny_buffers",
	 "set tiny_buffers VALUE: router buffers for messages without payload\n"},
	{"set small_buffers", "set small_buffers VALUE: router buffers of a page\n"},
	{"set large_buffers", "set large_buffers VALUE: router buffers of 1 MiB\n"},
	{"set routing", "set routing 0|1: whether this node forwards for others\n"},
	{"set numa_range", "set numa_range VALUE: accepted, without effect\n"},
	{"set max_interfaces", "set max_interfaces VALUE: NIDs that a peer may have, 16 to 200\n"},
	{"set discovery", "set discovery 0|1: whether peers are asked for their NIDs\n"},
	{"set drop_asym_route",
	 "set drop_asym_route 0|1: whether to drop what comes by a gateway that is not on the way "
	 "back\n"},
	{"set retry_count", "set retry_count VALUE: how often a message is sent again, up to 5\n"},
	{"set transaction_timeout",
	 "set transaction_timeout VALUE: seconds that a message and its response may take\n"},
	{"set health_sensitivity", "set health_sensitivity VALUE: what a failure takes from the "
				   "health of 1000; 0: nothing\n"},
	{"set recovery_interval",
	 "set recovery_interval VALUE: seconds before an unhealthy NID is first pinged\n"},
	{"set router_sensitivity",
	 "set router_sensitivity VALUE: health from which gateways are used, percent\n"},
	{"set response_tracking",
	 "set response_tracking 0-3: responses that are awaited: 1 of GETs, 2 of PUTs\n"},
	{"set recovery_limit",
	 "set recovery_limit VALUE: seconds after which pinging an unhealthy NID ends; 0: never\n"},
	{"set max_recovery_ping_interval",
	 "set max_recovery_ping_interval VALUE: seconds between such pings, at most\n"},
	{"import",
	 "import [--add|--del|--show|--exec] [FILE]: read a configuration (standard input "
	 "without FILE)\n"
	 "\t--add: bring it up (the default)\n"
	 "\t--del: take it down\n"
	 "\t--show: show what there is of it\n"
	 "\t--exec: do the pings and discoveries that it lists\n"},
	{"export", "export [--backup] [FILE]: write the configuration\n"
		   "\t--backup: only what import needs\n"},
	{"stats show", "stats show: statistics of this node's LNet\n"},
	{"stats reset", "stats reset: begin them anew\n"},
	{"global show", "global show: settings of this node's LNet\n"},
	{"ping", "ping [--source NID] [--timeout SECONDS] NID...: ask nodes for their NIDs\n"},
	{"discover", "discover [--force] [--source NID] [--timeout SECONDS] NID...: bring what is "
		     "known of peers up to date\n"},
	{"cpt-of-nid", "cpt-of-nid NID...: the partition that serves a peer\n"},
	{"doctor", "doctor [--peer NID]...: look for what commonly goes wrong\n"
		   "\t--root DIR: read /proc and /sys below DIR\n"
		   "\t--offline: do not connect to anybody\n"},
	{"setup-mrrouting", "setup-mrrouting: does nothing; see doctor\n"},
	{"setup-sysctl", "setup-sysctl: does nothing; see doctor\n"},
	{"debug recovery", "debug recovery: not built\n"},
	{"service-id", "service-id: not built\n"},
	{"udsp", "udsp: not built\n"},
	{"fault", "fault: not built\n"},
};

constexpr std::string_view kCommands[] = {
	"quit",
	"exit",
	"help",
	"--help",
	"version",
	"--version",
	"list-commands",
	"--list-commands",
	"--ignore_errors",
	"ignore_errors",
	"lnet",
	"route",
	"net",
	"routing",
	"set",
	"import",
	"export",
	"stats",
	"debug",
	"global",
	"peer",
	"ping",
	"discover",
	"service-id",
	"udsp",
	"fault",
	"setup-mrrouting",
	"setup-sysctl",
	"cpt-of-nid",
	"doctor",
};

} // namespace

int usage(Shell &sh, const std::string &prefix)
{
	for (const Text &t : kTexts)
		if (t.command == prefix || t.command.starts_with(prefix + " "))
			sh.out << t.text << '\n';
	return kUsage;
}

int no_such_verb(Shell &sh, const std::string &command, const std::string &verb)
{
	if (verb.empty() || verb == "--help" || verb == "-h")
		return usage(sh, command);
	sh.err << "lnetctl: '" << verb
	       << "' is not a valid command. See 'lnetctl --list-commands'.\n";
	return -1;
}

void list_commands(Shell &sh)
{
	unsigned n = 0;
	for (auto c : kCommands) {
		sh.out << c << std::string(c.size() < 20 ? 20 - c.size() : 1, ' ');
		if (++n % 4 == 0)
			sh.out << '\n';
	}
	if (n % 4)
		sh.out << '\n';
}

bool is_command(const std::string &word)
{
	return std::find(std::begin(kCommands), std::end(kCommands), word) != std::end(kCommands);
}

} // namespace lnetctl
