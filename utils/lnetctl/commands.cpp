// SPDX-License-Identifier: GPL-2.0
//
// lnetctl's commands but for those that have files of their own: net, set, import, doctor.

#include "lnetctl/commands.hpp"

#include <cerrno>
#include <cstring>
#include <sstream>

#include "lnetctl/options.hpp"
#include "lnetctl/patterns.hpp"
#include "lnetctl/usage.hpp"

namespace lnetctl
{

namespace nl = lnet::nl;
using nl::Command;

std::vector<std::string> split(const std::string &s, char separator)
{
	std::vector<std::string> out;
	std::istringstream in(s);
	for (std::string word; std::getline(in, word, separator);)
		if (!word.empty())
			out.push_back(word);
	return out;
}

int complain(Shell &sh, const std::string &verb, const std::string &object, int rc,
	     const std::string &text)
{
	sh.err << "---\n"
	       << verb << ":\n"
	       << "-     " << object << ":\n"
	       << "      errno: " << rc << '\n'
	       << "      descr: ! \"" << text << "\"\n"
	       << "...\n";
	return object == "import" ? rc : kUsage;
}

int complain(Shell &sh, const std::string &verb, const std::string &object, const Outcome &o,
	     bool quiet)
{
	if (o.rc == kNoFamily)
		sh.err << "Writer error: failed to resolve Netlink family id\n";
	else if (!o.message.empty())
		(void)complain(sh, verb, object, o.rc, o.message);
	else if (!quiet)
		(void)complain(sh, verb, object, o.rc, strerror(-o.rc));
	return kUsage;
}

int complain_plain(Shell &sh, const std::string &verb, const std::string &object, int rc,
		   const std::string &text)
{
	sh.err << verb << ":\n"
	       << "    - " << object << ":\n"
	       << "          errno: " << rc << '\n'
	       << "          descr: \"" << text << "\"\n";
	return rc;
}

Outcome send(Shell &sh, Command c, std::uint16_t flags, const std::string &name,
	     const Node &objects)
{
	auto attrs = encode(name, objects);
	if (attrs.empty())
		return {-E2BIG, "the request is too long"};
	return sh.sys.request(c, flags, attrs);
}

Outcome ask(Shell &sh, Command c, std::uint16_t flags, unsigned verbosity, const std::string &name,
	    const Node &filter, Answer &answer)
{
	std::vector<std::byte> attrs;
	if (filter.is_map())
		attrs = encode(name, filter);
	bool good = true;
	auto done = sh.sys.dump(
		c, flags, static_cast<std::uint8_t>(verbosity), attrs,
		[&](cfs::Bytes b, std::uint16_t f) { good = good && answer.take(b, f & 0x0f00); });
	if (done && !good)
		return {-EPROTO, "the kernel's answer cannot be understood"};
	return done;
}

namespace
{

std::string verb_of(const Words &words)
{
	return words.size() > 1 ? words[1] : std::string();
}

// ---- lnet ----

int lnet_command(Shell &sh, const Words &words)
{
	auto verb = verb_of(words);
	bool up = verb == "configure";
	if (!up && verb != "unconfigure")
		return no_such_verb(sh, "lnet", verb);
	Options o;
	if (!o.read(words, 2, {{"all", 'a', false}, {"large", 'l', false}}))
		return usage(sh, "lnet");
	std::uint16_t flags = 0;
	if (up)
		flags = o.has("all") ? nl::kFlagCreate : nl::kFlagCreate | nl::kFlagExcl;
	auto done = sh.sys.request(Command::configure, flags, {});
	if (done)
		return 0;
	if (done.rc == kNoFamily)
		return complain(sh, "configure", "lnet", done);
	return complain(
		sh, up ? "configure" : "unconfigure", "lnet", done.rc,
		(done.message.empty() ? std::string("LNet configure error") : done.message) + ": " +
			strerror(-done.rc));
}

// ---- peers ----

Node peer_node(const std::string &primary, const Node &nids)
{
	Node p = Node::map();
	if (!primary.empty())
		p.set("primary nid", Node(primary));
	if (!nids.items().empty())
		p.set("peer ni", nids);
	return p;
}

int peer_change(Shell &sh, const Words &words, bool add)
{
	Options o;
	const char *what = add ? "peer add" : "peer del";
	if (!o.read(words, 2,
		    {{"prim_nid", 'k', true},
		     {"nid", 'n', true},
		     {"non_mr", 'm', false},
		     {"ip2nets", 'i', true},
		     {"lock_prim", 'l', false},
		     {"force", 'f', false}}) ||
	    (!o.has("prim_nid") && !o.has("nid") && !o.has("ip2nets")))
		return usage(sh, what);
	Node nids = Node::list();
	for (const char *option : {"nid", "ip2nets"})
		if (auto done = expand_nids(o.get(option), nids); !done)
			return complain(sh, add ? "add" : "del", "peer", done, done.rc == -EINVAL);
	Node p = peer_node(o.get("prim_nid"), nids);
	if (o.has("non_mr"))
		p.set("Multi-Rail", Node::boolean(false));
	auto flags = static_cast<std::uint16_t>(
		(add ? nl::kFlagCreate : 0) |
		(o.has("lock_prim") || o.has("force") ? nl::kFlagExcl : 0));
	auto done = send(sh, Command::peers, flags, "peer", p);
	return done ? 0 : complain(sh, add ? "add" : "del", "peer", done, done.rc == -EINVAL);
}

int peer_show(Shell &sh, const Words &words)
{
	Options o;
	if (!o.read(words, 2, {{"nid", 'n', true}, {"verbose", 'v', false}}))
		return usage(sh, "peer show");
	Node filter;
	if (o.has("nid"))
		filter.set("primary nid", Node(o.get("nid")));
	Answer answer;
	auto done = ask(sh, Command::peers, 0, o.verbosity(), "peer", filter, answer);
	if (!done)
		return complain(sh, "show", "peer", done, done.rc == -EINVAL);
	for (const Node &d : answer.documents())
		print(sh.out, d, kShowLayout);
	return 0;
}

int peer_list(Shell &sh)
{
	Answer answer;
	auto done = ask(sh, Command::peers, 0, 0, "peer", Node(), answer);
	if (!done)
		return complain(sh, "show", "peer", done);
	Node out = Node::map();
	Node &list = out.set("peer list", Node::list());
	for (const Node &p : answer.entries())
		list.add(Node::map()).set("nid", Node(p.get("primary nid")));
	if (!list.items().empty())
		print(sh.out, out, kShowLayout);
	return 0;
}

int peer_set(Shell &sh, const Words &words)
{
	Options o;
	long long health = 0, state = 0;
	if (!o.read(words, 2,
		    {{"nid", 'n', true},
		     {"health", 't', true},
		     {"all", 'a', false},
		     {"state", 's', true}}) ||
	    !o.number("health", health) || !o.number("state", state) ||
	    (!o.has("nid") && !o.has("all")) || (!o.has("health") && !o.has("state")))
		return usage(sh, "peer set");
	Node nids = Node::list();
	if (auto done = expand_nids(o.get("nid"), nids); !done)
		return complain(sh, "set", "peer", done, done.rc == -EINVAL);
	if (o.has("all")) {
		Answer answer;
		auto done = ask(sh, Command::peers, 0, 0, "peer", Node(), answer);
		if (!done)
			return complain(sh, "set", "peer", done);
		for (const Node &p : answer.entries())
			if (const Node *list = p.find("peer ni"))
				for (const Node &n : list->items())
					nids.add(Node::map()).set("nid", Node(n.get("nid")));
	}
	if (o.has("health"))
		for (Node &n : nids.items())
			n.set("health stats", Node::map())
				.set("health value", Node::number(health));
	Node p = peer_node("", nids);
	if (o.has("state"))
		p.set("peer state", Node::number(state));
	auto done = send(sh, Command::peers, nl::kFlagReplace, "peer", p);
	return done ? 0 : complain(sh, "set", "peer", done);
}

int peer_command(Shell &sh, const Words &words)
{
	auto verb = verb_of(words);
	if (verb == "add" || verb == "del")
		return peer_change(sh, words, verb == "add");
	if (verb == "show")
		return peer_show(sh, words);
	if (verb == "list")
		return peer_list(sh);
	if (verb == "set")
		return peer_set(sh, words);
	return no_such_verb(sh, "peer", verb);
}

// ---- routes ----

const std::vector<Options::Spec> kRouteOptions = {
	{"net", 'n', true},	{"gateway", 'g', true},	 {"hop-count", 'c', true},
	{"hop", 'C', true},	{"priority", 'p', true}, {"health_sensitivity", 's', true},
	{"verbose", 'v', false}};

/// The route that the options describe; false when a number is none.
bool route_node(const Options &o, Node &route)
{
	route = Node::map();
	long long v = 0;
	if (o.has("net"))
		route.set("net", Node(o.get("net")));
	if (o.has("gateway"))
		route.set("gateway", Node(o.get("gateway")));
	for (auto [option, key] : {std::pair{"hop-count", "hop"}, std::pair{"hop", "hop"},
				   std::pair{"priority", "priority"}}) {
		if (!o.number(option, v))
			return false;
		if (o.has(option))
			route.set(key, Node::number(v));
	}
	return true;
}

int route_change(Shell &sh, const Words &words, bool add)
{
	Options o;
	Node route;
	const std::string verb = add ? "add" : "del";
	if (!o.read(words, 2, kRouteOptions))
		return usage(sh, "route " + verb);
	if (!o.has("net") || !o.has("gateway")) {
		sh.out << "missing mandatory parameters:'"
		       << (!o.has("net") && !o.has("gateway") ? "net , gateway"
			   : o.has("net")		      ? "gateway"
							      : "net")
		       << "'\n";
		return kUsage;
	}
	if (!route_node(o, route))
		return complain(sh, verb, "route", -EINVAL, "a value is not a number");
	Node routes = Node::list();
	for (const auto &gateway : split(o.get("gateway"), ',')) {
		Node one = route;
		one.set("gateway", Node(gateway));
		routes.add(std::move(one));
	}
	auto done = send(sh, Command::routes, add ? nl::kFlagCreate : std::uint16_t{0}, "route",
			 routes);
	return done ? 0 : complain(sh, verb, "route", done);
}

int route_show(Shell &sh, const Words &words)
{
	Options o;
	Node filter;
	if (!o.read(words, 2, kRouteOptions))
		return usage(sh, "route show");
	if (!route_node(o, filter))
		return complain(sh, "show", "route", -EINVAL, "a value is not a number");
	Answer answer;
	auto done = ask(sh, Command::routes, 0, o.verbosity(), "route",
			filter.entries().empty() ? Node() : filter, answer);
	if (!done)
		return complain(sh, "show", "route", done);
	for (const Node &d : answer.documents())
		print(sh.out, d, kShowLayout);
	return 0;
}

int route_command(Shell &sh, const Words &words)
{
	auto verb = verb_of(words);
	if (verb == "add" || verb == "del")
		return route_change(sh, words, verb == "add");
	if (verb == "show")
		return route_show(sh, words);
	return no_such_verb(sh, "route", verb);
}

int routing_command(Shell &sh, const Words &words)
{
	auto verb = verb_of(words);
	if (verb != "show")
		return no_such_verb(sh, "routing", verb);
	for (auto command : {Command::routing, Command::buffers}) {
		Answer answer;
		auto done = ask(sh, command, 0, 0, "routing", Node(), answer);
		if (!done)
			return complain(sh, "show", "routing", done);
		for (const Node &d : answer.documents())
			print(sh.out, d, kPlainLayout);
	}
	return 0;
}

// ---- ping, discover ----

/// The answers of each NID; those that failed make it fail at the end.
int print_answers(Shell &sh, Answer &answer)
{
	int rc = 0;
	for (Node d : answer.documents()) {
		if (Node *failed = d.find("manage")) {
			rc = -1;
			for (Node &item : failed->items())
				if (auto e = item.get("errno"); !e.empty())
					item.set("descr", Node(item.get("descr") + ": " +
							       strerror(-std::stoi(e))));
		}
		print(sh.out, d, kPingLayout);
	}
	return rc;
}

int ping_command(Shell &sh, const Words &words)
{
	bool discover = words[0] == "discover";
	Options o;
	long long timeout = 0;
	if (!o.read(words, 1,
		    {{"source", 's', true}, {"timeout", 't', true}, {"force", 'f', false}}) ||
	    !o.number("timeout", timeout) || o.operands().empty())
		return usage(sh, words[0]);
	Node query = Node::map();
	if (o.has("timeout"))
		query.set("timeout", Node::number(timeout * 1000));
	if (o.has("source"))
		query.set("source", Node(o.get("source")));
	if (o.has("force"))
		query.set("force", Node::number(1));
	Node &nids = query.set("nids", Node::list());
	for (const auto &word : o.operands())
		for (const auto &nid : split(word, ','))
			nids.add(Node(nid));
	Answer answer;
	auto done = ask(sh, Command::ping, discover ? nl::kFlagCreate : std::uint16_t{0}, 0, "ping",
			query, answer);
	if (!done)
		return complain(sh, "manage", words[0], done);
	return print_answers(sh, answer);
}

int cpt_command(Shell &sh, const Words &words)
{
	if (words.size() < 2)
		return usage(sh, "cpt-of-nid");
	Node query = Node::map();
	Node &nids = query.set("nids", Node::list());
	for (std::size_t i = 1; i < words.size(); i++)
		for (const auto &nid : split(words[i], ','))
			nids.add(Node(nid));
	Answer answer;
	auto done = ask(sh, Command::cpt_of_nid, 0, 0, "cpt-of-nid", query, answer);
	if (!done)
		return complain(sh, "show", "cpt-of-nid", done);
	for (const Node &d : answer.documents())
		print(sh.out, d, kPingLayout);
	return 0;
}

int not_built(Shell &sh, const Words &words)
{
	return complain(sh, words.size() > 1 ? words[1] : "manage", words[0], -EOPNOTSUPP,
			words[0] + " is not built");
}

int help(Shell &sh, const Words &words)
{
	if (words.size() > 1 && !is_command(words[1])) {
		sh.err << "lnetctl: '" << words[1]
		       << "' is not a valid command. See 'lnetctl --list-commands'.\n";
	} else if (words.size() > 1) {
		Shell to_err{sh.sys, sh.err, sh.err, sh.in};
		(void)usage(to_err, words[1]);
	} else {
		sh.out << "usage: lnetctl COMMAND [OPTIONS]... [ARGS]\n"
			  "Commands come from standard input when none is given.\n"
			  "'lnetctl help COMMAND' tells more; 'lnetctl --list-commands' lists "
			  "them.\n";
	}
	return 0;
}

struct Entry {
	const char *name;
	int (*run)(Shell &, const Words &);
};

int global_command(Shell &sh, const Words &words)
{
	auto verb = verb_of(words);
	return verb == "show" ? global_show(sh) : no_such_verb(sh, "global", verb);
}

int version(Shell &sh, const Words &)
{
	sh.out << "lnetctl " CFS_VERSION "\n";
	return 0;
}

int list(Shell &sh, const Words &)
{
	list_commands(sh);
	return 0;
}

int nothing(Shell &, const Words &)
{
	return 0; // udev calls it; routes and sysctls are the administrator's, doctor looks at them
}

constexpr Entry kEntries[] = {
	{"lnet", lnet_command},
	{"net", net_command},
	{"peer", peer_command},
	{"route", route_command},
	{"routing", routing_command},
	{"set", set_command},
	{"global", global_command},
	{"stats", stats_command},
	{"import", import_command},
	{"export", export_command},
	{"ping", ping_command},
	{"discover", ping_command},
	{"cpt-of-nid", cpt_command},
	{"doctor", doctor_command},
	{"setup-mrrouting", nothing},
	{"setup-sysctl", nothing},
	{"debug", not_built},
	{"service-id", not_built},
	{"udsp", not_built},
	{"fault", not_built},
	{"help", help},
	{"--help", help},
	{"version", version},
	{"--version", version},
	{"list-commands", list},
	{"--list-commands", list},
};

} // namespace

int run(Shell &sh, const Words &words)
{
	for (const Entry &e : kEntries)
		if (words[0] == e.name)
			return e.run(sh, words);
	sh.err << "lnetctl: '" << words[0]
	       << "' is not a valid command. See 'lnetctl --list-commands'.\n";
	return -1;
}

int run_lines(Shell &sh, bool prompt)
{
	bool go_on = false;
	for (std::string line;
	     (prompt ? void(sh.out << "> " << std::flush) : void()), std::getline(sh.in, line);) {
		std::istringstream in(line);
		Words words;
		for (std::string w; in >> w;)
			words.push_back(w);
		if (words.empty())
			continue;
		if (words[0] == "quit" || words[0] == "exit")
			break;
		if (words[0] == "ignore_errors" || words[0] == "--ignore_errors") {
			go_on = true;
			continue;
		}
		if (!is_command(words[0])) {
			(void)help(sh, {"help"});
			continue;
		}
		int rc = run(sh, words);
		if (rc && !go_on && !prompt)
			return rc;
	}
	return 0;
}

} // namespace lnetctl
