// SPDX-License-Identifier: GPL-2.0
//
// lnetctl net: networks and interfaces of this node.

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "lnetctl/commands.hpp"
#include "lnetctl/options.hpp"
#include "lnetctl/patterns.hpp"
#include "lnetctl/usage.hpp"

namespace lnetctl
{

namespace nl = lnet::nl;
using nl::Command;

namespace
{

/// The name of the interface that has the address of a NID; empty when none has.
std::string interface_of(Shell &sh, const std::string &nid)
{
	auto address = nid.substr(0, nid.find('@'));
	for (const Interface &i : sh.sys.interfaces())
		if (i.address == address)
			return i.name;
	return {};
}

bool has_interface(Shell &sh, const std::string &name)
{
	auto all = sh.sys.interfaces();
	return std::any_of(all.begin(), all.end(), [&](auto &i) { return i.name == name; });
}

/// The tunables and partitions among the options; false when one is no number.
bool wishes(const Options &o, Node &out)
{
	static constexpr const char *kOfLnet[][2] = {{"peer-timeout", "peer_timeout"},
						     {"peer-credits", "peer_credits"},
						     {"peer-buffer-credits", "peer_buffer_credits"},
						     {"credits", "credits"}};
	static constexpr const char *kOfLnd[][2] = {{"conns-per-peer", "conns_per_peer"},
						    {"tos", "tos"}};
	Node lnet_ones, lnd_ones;
	auto take = [&](const char *const(&names)[2], Node &to) {
		long long v = 0;
		if (!o.number(names[0], v))
			return false;
		if (o.has(names[0]))
			to.set(names[1], Node::number(v));
		return true;
	};
	for (auto &names : kOfLnet)
		if (!take(names, lnet_ones))
			return false;
	for (auto &names : kOfLnd)
		if (!take(names, lnd_ones))
			return false;
	if (lnet_ones.is_map())
		out.set("tunables", lnet_ones);
	if (lnd_ones.is_map())
		out.set("lnd tunables", lnd_ones);
	if (o.has("cpt"))
		out.set("CPT", Node(o.get("cpt")));
	return true;
}

int bad_number(Shell &sh, const std::string &verb)
{
	return complain(sh, verb, "net", -EINVAL, "a value is not a number");
}

/// The interface and the network of --nid, unless these are given.
bool from_nid(Shell &sh, const std::string &nid, std::string &net, std::string &names)
{
	names = interface_of(sh, nid);
	if (net.empty() && nid.find('@') != nid.npos)
		net = nid.substr(nid.find('@') + 1);
	return !names.empty();
}

int net_add_by_address(Shell &sh, const Options &o, const Node &common)
{
	for (const char *other : {"net", "if", "nid"})
		if (o.has(other))
			return complain(sh, "add", "net", -EINVAL,
					"--ip2net names networks and interfaces itself");
	Node nets;
	auto done = networks_by_address(sh, {{o.get("ip2net"), common}}, nets);
	if (done)
		done = send(sh, Command::nets, nl::kFlagCreate, "net", nets);
	return done ? 0 : complain(sh, "add", "net", done);
}

int net_add(Shell &sh, const Words &words)
{
	Options o;
	if (!o.read(words, 2,
		    {{"net", 'n', true},
		     {"if", 'i', true},
		     {"nid", 'N', true},
		     {"ip2net", 'p', true},
		     {"peer-timeout", 't', true},
		     {"peer-credits", 'c', true},
		     {"peer-buffer-credits", 'b', true},
		     {"credits", 'r', true},
		     {"cpt", 's', true},
		     {"conns-per-peer", 'm', true},
		     {"skip-mr-route-setup", 'S', false},
		     {"auth-key", 'a', true},
		     {"traffic-class", 'T', true},
		     {"tos", 'o', true}}))
		return usage(sh, "net add");
	for (const char *no : {"auth-key", "traffic-class"})
		if (o.has(no))
			return complain(sh, "add", "net", -EOPNOTSUPP,
					"--" + std::string(no) +
						" is of kfilnd, which is not built");
	Node common = Node::map();
	if (!wishes(o, common))
		return bad_number(sh, "add");
	if (o.has("ip2net"))
		return net_add_by_address(sh, o, common);
	auto net = o.get("net"), names = o.get("if"), nid = o.get("nid");
	if (!nid.empty() && !from_nid(sh, nid, net, names))
		return complain(sh, "add", "net", -ENODEV, "no interface has the NID's address");
	if (net.empty()) {
		sh.out << "missing mandatory parameters in NI config: 'network'\n";
		return kUsage;
	}
	if (names.empty()) {
		sh.out << "creating a local NI needs at least one interface\n";
		return kUsage;
	}
	Node nis = Node::list();
	for (const auto &name : split(names, ','))
		nis.add(ni_node(name, common));
	auto done = send(sh, Command::nets, nl::kFlagCreate, "net", net_node(net, std::move(nis)));
	return done ? 0 : complain(sh, "add", "net", done);
}

int net_del(Shell &sh, const Words &words)
{
	Options o;
	if (!o.read(words, 2, {{"net", 'n', true}, {"if", 'i', true}, {"nid", 'N', true}}))
		return usage(sh, "net del");
	auto net = o.get("net"), nid = o.get("nid");
	if (net.empty() && nid.find('@') != nid.npos)
		net = nid.substr(nid.find('@') + 1);
	if (net.empty()) {
		sh.out << "missing mandatory parameter: 'net'\n";
		return kUsage;
	}
	Node nis = Node::list();
	if (!nid.empty())
		nis.add(Node::map()).set("nid", Node(nid));
	for (const auto &name : split(o.get("if"), ','))
		nis.add(ni_node(name, Node::map()));
	auto done = send(sh, Command::nets, 0, "net", net_node(net, std::move(nis)));
	return done ? 0 : complain(sh, "del", "net", done);
}

int net_show(Shell &sh, const Words &words)
{
	Options o;
	if (!o.read(words, 2, {{"net", 'n', true}, {"verbose", 'v', false}}))
		return usage(sh, "net show");
	Node filter;
	if (o.has("net"))
		filter.set("net type", Node(o.get("net")));
	Answer answer;
	auto done = ask(sh, Command::nets, 0, o.verbosity(), "net", filter, answer);
	if (!done)
		return complain(sh, "show", "net", done);
	for (const Node &d : answer.documents())
		print(sh.out, d, kShowLayout);
	return 0;
}

/// Each NID of this node, with its network; only of `net` unless that is empty.
Outcome all_nis(Shell &sh, const std::string &net, Node &nets)
{
	Answer answer;
	auto done = ask(sh, Command::nets, 0, 0, "net", Node(), answer);
	for (const Node &n : answer.entries()) {
		auto type = n.get("net type");
		if (type == "lo" || (!net.empty() && net != type))
			continue;
		Node nis = Node::list();
		if (const Node *list = n.find("local NI(s)"))
			for (const Node &ni : list->items())
				nis.add(Node::map()).set("nid", Node(ni.get("nid")));
		nets.add(net_node(type, std::move(nis)));
	}
	return done;
}

int net_set(Shell &sh, const Words &words)
{
	Options o;
	if (!o.read(words, 2,
		    {{"nid", 'n', true},
		     {"net", 'N', true},
		     {"lnd-timeout", 'T', true},
		     {"health", 't', true},
		     {"conns-per-peer", 'm', true},
		     {"all", 'a', false}}) ||
	    (!o.has("nid") && !o.has("net") && !o.has("all")))
		return usage(sh, "net set");
	Node change = Node::map();
	long long v = 0;
	if (!o.number("health", v))
		return bad_number(sh, "set");
	if (o.has("health"))
		change.set("health stats", Node::map()).set("health value", Node::number(v));
	Node lnd;
	for (auto [option, key] :
	     {std::pair{"conns-per-peer", "conns_per_peer"}, std::pair{"lnd-timeout", "timeout"}}) {
		if (!o.number(option, v))
			return bad_number(sh, "set");
		if (o.has(option))
			lnd.set(key, Node::number(v));
	}
	if (lnd.is_map())
		change.set("lnd tunables", lnd);
	Node nets = Node::list();
	auto nid = o.get("nid");
	if (!nid.empty()) {
		Node nis = Node::list();
		nis.add(Node::map()).set("nid", Node(nid));
		auto at = nid.find('@');
		nets.add(net_node(at == nid.npos ? "tcp" : nid.substr(at + 1), std::move(nis)));
	} else if (auto done = all_nis(sh, o.get("net"), nets); !done) {
		return complain(sh, "set", "net", done);
	} else if (nets.items().empty() && o.has("net")) {
		return complain(sh, "set", "net", -ENODEV, "there is no network " + o.get("net"));
	}
	for (Node &n : nets.items())
		if (Node *nis = n.find("local NI(s)"))
			for (Node &ni : nis->items())
				for (const auto &[key, value] : change.entries())
					ni.set(key, value);
	auto done = send(sh, Command::nets, nl::kFlagReplace, "net", nets);
	return done ? 0 : complain(sh, "set", "net", done);
}

} // namespace

int net_command(Shell &sh, const Words &words)
{
	const std::string verb = words.size() > 1 ? words[1] : "";
	if (verb == "add")
		return net_add(sh, words);
	if (verb == "del")
		return net_del(sh, words);
	if (verb == "show")
		return net_show(sh, words);
	if (verb == "set")
		return net_set(sh, words);
	return no_such_verb(sh, "net", verb);
}

namespace
{

/// CPU partitions as an export has them, or written as a list.
std::string cpts_of(const Node &ni)
{
	const Node *n = ni.find("CPT");
	if (!n || !n->is_list())
		return n && n->is_scalar() ? n->text() : std::string();
	std::string out;
	for (const Node &i : n->items())
		out += (out.empty() ? "[" : ",") + i.text();
	return out.empty() ? out : out + "]";
}

/// What an interface of a file is to have beside its name.
Node wishes_in(const Node &ni)
{
	Node common = Node::map();
	for (const char *key : {"tunables", "lnd tunables"})
		if (const Node *t = ni.find(key))
			common.set(key, *t);
	if (auto cpts = cpts_of(ni); !cpts.empty())
		common.set("CPT", Node(cpts));
	return common;
}

/// Values of a map like {0: eth0, 1: eth1}, with that between them.
std::string values(const Node *map, const char *between)
{
	std::string out;
	if (map)
		for (const auto &[key, value] : map->entries())
			out += (out.empty() ? "" : between) + value.text();
	return out;
}

} // namespace

int import_net(Shell &sh, const Node &entry, bool add)
{
	auto net = entry.get("net type");
	if (net == "lo")
		return 0;
	Node nis = Node::list();
	const Node *list = entry.find("local NI(s)");
	for (const Node &from : list ? list->items() : std::vector<Node>{}) {
		std::string name;
		const Node *ifs = from.find("interfaces");
		if (ifs && !ifs->entries().empty())
			name = ifs->entries()[0].second.text();
		else if (!from.get("nid").empty())
			name = interface_of(sh, from.get("nid"));
		if (add && !has_interface(sh, name))
			return complain(sh, "add", "import", -ENOMSG,
					"No interface matching '" + name + "'");
		nis.add(ni_node(name, add ? wishes_in(from) : Node::map()));
	}
	if (add && nis.items().empty())
		return complain(sh, "add", "import", -EINVAL,
				"no interface is given for net '" + net + "'");
	auto done = send(sh, Command::nets, add ? nl::kFlagCreate : std::uint16_t{0}, "net",
			 net_node(net, std::move(nis)));
	return done ? 0 : complain(sh, add ? "add" : "del", "net", done);
}

int import_ip2nets(Shell &sh, const Node &entries, bool add)
{
	std::vector<Ip2nets> texts;
	for (const Node &e : entries.items()) {
		auto names = values(e.find("interfaces"), ",");
		texts.push_back({e.get("net-spec") + (names.empty() ? "" : "(" + names + ")") +
					 " " + values(e.find("ip-range"), " "),
				 add ? wishes_in(e) : Node::map()});
	}
	const char *verb = add ? "add" : "del";
	Node nets;
	auto done = networks_by_address(sh, texts, nets);
	if (done)
		done = send(sh, Command::nets, add ? nl::kFlagCreate : std::uint16_t{0}, "net",
			    nets);
	return done ? 0 : complain(sh, verb, "ip2nets", done);
}

} // namespace lnetctl
