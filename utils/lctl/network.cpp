// SPDX-License-Identifier: GPL-2.0
//
// See network.hpp.

#include "network.hpp"

#include <arpa/inet.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

namespace lctl
{

namespace nl = lnet::nl;
using lnetctl::Answer;
using lnetctl::Node;
using lnetctl::Outcome;
using lnetctl::Shell;
using lnetctl::Words;
using nl::Command;

namespace
{

constexpr int kCommandHelp = 4;

/// For the first error of a command; what the modules not being there exits with.
int no_family(Shell &sh)
{
	sh.err << "Writer error: failed to resolve Netlink family id\n";
	return EINVAL;
}

int network(Shell &sh, const std::string &, const Words &words)
{
	const std::string verb = words.size() > 1 ? words[1] : "";
	bool up = verb == "up" || verb == "configure";
	if (!up && verb != "down" && verb != "unconfigure") {
		sh.out << "usage: " << words[0] << " up|down [-l]\n"
		       << "  up: bring LNet up with the networks of its module parameters\n"
		       << "  down: take it down\n";
		return kCommandHelp;
	}
	auto done = sh.sys.request(Command::configure, up ? nl::kFlagCreate : std::uint16_t{0}, {});
	if (done) {
		sh.out << (up ? "LNET configured\n" : "LNET ready to unload\n");
		return 0;
	}
	int rc = -done.rc;
	if (done.rc == lnetctl::kNoFamily)
		rc = no_family(sh);
	if (!up && rc == EBUSY) {
		sh.err << "LNET busy\n";
		return 1;
	}
	sh.err << (up ? "LNET configure error " : "LNET unconfigure error ") << rc << ": "
	       << strerror(rc) << '\n';
	return rc;
}

/// All NIDs of this node, in LNet's order.
Outcome own_nids(Shell &sh, std::vector<std::string> &out)
{
	Answer answer;
	auto done = lnetctl::ask(sh, Command::nets, 0, 0, "net", Node(), answer);
	for (const Node &n : answer.entries())
		if (const Node *list = n.find("local NI(s)"))
			for (const Node &ni : list->items())
				out.push_back(ni.get("nid"));
	return done;
}

int list_nids(Shell &sh, const std::string &net, const Words &words)
{
	bool all = words.size() > 1 && words[1] == "all";
	std::vector<std::string> nids;
	auto done = own_nids(sh, nids);
	if (!done) {
		int rc = done.rc == lnetctl::kNoFamily ? no_family(sh) : -done.rc;
		sh.err << "IOC_LIBCFS_GET_NI error " << rc << ": " << strerror(rc) << '\n';
		return 1;
	}
	for (const auto &nid : nids)
		if ((all || nid != "0@lo") && (net.empty() || nid.ends_with("@" + net)))
			sh.out << nid << '\n';
	return 0;
}

Node nids_query(const std::vector<std::string> &nids)
{
	Node query = Node::map();
	Node &list = query.set("nids", Node::list());
	for (const auto &nid : nids)
		list.add(Node(nid));
	return query;
}

int ping(Shell &sh, const std::string &, const Words &words)
{
	if (words.size() < 2) {
		sh.err << "usage: ping id [timeout (secs)]\n";
		return EINVAL;
	}
	constexpr long kTimeoutMax = 120;
	long seconds = words.size() > 2 ? std::strtol(words[2].c_str(), nullptr, 0) : 1;
	if (seconds < 1 || seconds > kTimeoutMax) {
		sh.err << "Invalid timeout '" << words[2] << "'. Must be in 1-120\n";
		return EINVAL;
	}
	// A process id may be in front.
	auto nid = words[1].starts_with("12345-") ? words[1].substr(6) : words[1];
	Node query = nids_query({nid});
	query.set("timeout", Node::number(seconds * 1000));
	Answer answer;
	auto done = lnetctl::ask(sh, Command::ping, 0, 0, "ping", query, answer);
	if (done.rc == lnetctl::kNoFamily) {
		(void)no_family(sh);
		sh.err << "failed to ping " << nid << ": " << strerror(ENOENT) << '\n';
		return ENOENT;
	}
	if (done.rc == -EINVAL) {
		sh.err << "Invalid NID argument \"" << nid << "\"\n";
		return EINVAL;
	}
	int rc = -done.rc;
	for (const Node &d : answer.documents())
		if (const Node *failed = d.find("manage"); failed && !failed->items().empty())
			rc = std::abs(std::atoi(failed->items()[0].get("errno").c_str()));
	if (rc) {
		sh.out << "failed to ping " << nid << ": " << strerror(rc) << '\n';
		return rc;
	}
	sh.out << "12345-0@lo\n";
	for (const Node &a : answer.entries())
		if (const Node *list = a.find("peer_ni"))
			for (const Node &n : list->items())
				sh.out << n.get("nid") << '\n';
	return 0;
}

int which_nid(Shell &sh, const std::string &, const Words &words)
{
	if (words.size() < 2) {
		sh.err << "usage: which_nid NID [NID...]\n";
		return 0;
	}
	std::string best;
	unsigned long best_distance = 0, best_order = 0;
	for (std::size_t i = 1; i < words.size(); i++) {
		Answer answer;
		auto done = lnetctl::ask(sh, Command::peer_dist, 0, 0, "peer",
					 nids_query({words[i]}), answer);
		if (done.rc == lnetctl::kNoFamily)
			return no_family(sh);
		if (done.rc == -EINVAL) {
			sh.err << "Can't parse NID " << words[i] << '\n';
			return 1;
		}
		if (!done || answer.entries().empty()) {
			sh.err << "can't ask for " << words[i] << ": " << strerror(-done.rc)
			       << '\n';
			return 1;
		}
		const Node &e = answer.entries()[0];
		auto distance = std::strtoul(e.get("distance").c_str(), nullptr, 10);
		auto order = std::strtoul(e.get("order").c_str(), nullptr, 10);
		if (distance == UINT32_MAX)
			continue; // there is no way to it
		if (best.empty() || distance < best_distance ||
		    (distance == best_distance && order < best_order)) {
			best = words[i];
			best_distance = distance;
			best_order = order;
		}
	}
	if (best.empty()) {
		sh.err << "No reachable NID\n";
		return 1;
	}
	sh.out << best << '\n';
	return 0;
}

int route_list(Shell &sh, const std::string &, const Words &)
{
	Answer answer;
	auto done = lnetctl::ask(sh, Command::routes, 0, 1, "route", Node(), answer);
	if (done.rc == lnetctl::kNoFamily)
		return no_family(sh);
	if (!done) {
		sh.err << "error: route_list: " << strerror(-done.rc) << '\n';
		return -done.rc;
	}
	for (const Node &r : answer.entries()) {
		char line[160];
		snprintf(line, sizeof(line), "net %18s hops %s gw %32s %s pri %s\n",
			 r.get("net").c_str(), r.get("hop").c_str(), r.get("gateway").c_str(),
			 r.get("state").c_str(), r.get("priority").c_str());
		sh.out << line;
	}
	return 0;
}

int change_route(Shell &sh, const std::string &net, const Words &words)
{
	bool add = words[0] == "add_route";
	if (net.empty()) {
		sh.err << "You must run the 'network' command before '" << words[0]
		       << "', or give --net\n";
		return 1;
	}
	if (words.size() < 2) {
		sh.err << "usage: --net NET " << words[0] << " GATEWAY"
		       << (add ? " [HOPS [PRIORITY]]" : "") << '\n';
		return 0;
	}
	Node route = Node::map();
	route.set("net", Node(net));
	route.set("gateway", Node(words[1]));
	if (add && words.size() > 2)
		route.set("hop", Node(words[2]));
	if (add && words.size() > 3)
		route.set("priority", Node(words[3]));
	auto done = lnetctl::send(sh, Command::routes, add ? nl::kFlagCreate : std::uint16_t{0},
				  "route", route);
	if (done.rc == lnetctl::kNoFamily)
		return no_family(sh);
	if (!done) {
		sh.err << "error: " << words[0] << ": "
		       << (done.message.empty() ? "" : done.message + ": ") << strerror(-done.rc)
		       << '\n';
		return -done.rc;
	}
	return 0;
}

int peer_list(Shell &sh, const std::string &net, const Words &)
{
	Answer answer;
	auto done = lnetctl::ask(sh, Command::peers, 0, 0, "peer", Node(), answer);
	if (done.rc == lnetctl::kNoFamily)
		return no_family(sh);
	if (!done) {
		sh.err << "error: peer_list: " << strerror(-done.rc) << '\n';
		return -done.rc;
	}
	std::string port = "988";
	(void)sh.sys.read_param("accept_port", port);
	auto wanted = static_cast<unsigned>(std::atoi(port.c_str()));
	bool any = false;
	for (const Node &p : answer.entries()) {
		const Node *list = p.find("peer ni");
		for (const Node &n : list ? list->items() : std::vector<Node>{}) {
			auto nid = n.get("nid");
			if (!net.empty() && !nid.ends_with("@" + net))
				continue;
			std::ifstream tcp("/proc/net/tcp");
			auto c = connections_to(tcp, nid.substr(0, nid.find('@')), wanted);
			sh.out << "12345-" << nid << " [" << (c.count ? 1 : 0) << ']' << c.local
			       << "->" << c.remote << ':' << c.port << " #" << c.count << '\n';
			any = true;
		}
	}
	if (!any)
		sh.out << "<no peers>\n";
	return 0;
}

/// `0100007F:03DC` as text and number; false when it is not of that form.
bool parse_endpoint(const std::string &s, std::string &address, unsigned &port)
{
	auto colon = s.find(':');
	if (colon != 8)
		return false;
	in_addr a{static_cast<in_addr_t>(std::strtoul(s.substr(0, 8).c_str(), nullptr, 16))};
	char text[INET_ADDRSTRLEN];
	address = inet_ntop(AF_INET, &a, text, sizeof(text)) ? text : "";
	port = static_cast<unsigned>(std::strtoul(s.substr(9).c_str(), nullptr, 16));
	return true;
}

} // namespace

PeerConnections connections_to(std::istream &in, const std::string &address, unsigned port)
{
	PeerConnections found;
	for (std::string line; std::getline(in, line);) {
		std::istringstream words(line);
		std::string n, local, remote, state, from, to;
		unsigned from_port = 0, to_port = 0;
		constexpr const char *kEstablished = "01";
		if (!(words >> n >> local >> remote >> state) || state != kEstablished ||
		    !parse_endpoint(local, from, from_port) ||
		    !parse_endpoint(remote, to, to_port) || to != address || to_port != port)
			continue;
		found.local = from;
		found.remote = to;
		found.port = to_port;
		found.count++;
	}
	return found;
}

bool network_command(Shell &sh, const std::string &net, const Words &words, int &rc)
{
	static constexpr struct {
		const char *name;
		int (*run)(Shell &, const std::string &, const Words &);
	} kCommands[] = {
		{"network", network},	     {"net", network},
		{"list_nids", list_nids},    {"ping", ping},
		{"which_nid", which_nid},    {"route_list", route_list},
		{"show_route", route_list},  {"add_route", change_route},
		{"del_route", change_route}, {"peer_list", peer_list},
	};
	for (const auto &c : kCommands) {
		if (words[0] != c.name)
			continue;
		rc = c.run(sh, net, words);
		return true;
	}
	return false;
}

} // namespace lctl
