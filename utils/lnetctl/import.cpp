// SPDX-License-Identifier: GPL-2.0
//
// lnetctl import and export: the configuration as a file. Import does the blocks of a file in their
// order and goes on after a failure, so one interface that is not there does not cost the others;
// the first failure is what it exits with.

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>

#include "lnetctl/commands.hpp"
#include "lnetctl/options.hpp"
#include "lnetctl/usage.hpp"

namespace lnetctl
{

namespace nl = lnet::nl;
using nl::Command;

namespace
{

enum class Mode { add, del, show, exec };

int import_peer(Shell &sh, const Node &p, bool add)
{
	Node out = Node::map();
	out.set("primary nid", Node(p.get("primary nid")));
	if (add) {
		auto mr = p.get("Multi-Rail");
		out.set("Multi-Rail", Node::boolean(mr != "false" && mr != "False" && mr != "0"));
		Node &nids = out.set("peer ni", Node::list());
		if (const Node *list = p.find("peer ni"))
			for (const Node &n : list->items())
				if (auto nid = n.get("nid"); !nid.empty())
					nids.add(Node::map()).set("nid", Node(nid));
	}
	auto done = send(sh, Command::peers, add ? nl::kFlagCreate : std::uint16_t{0}, "peer", out);
	return done ? 0 : complain(sh, add ? "add" : "del", "peer", done);
}

int import_route(Shell &sh, const Node &r, bool add)
{
	Node out = Node::map();
	for (const char *key : {"net", "gateway", "hop", "priority"})
		if (const Node *v = r.find(key))
			out.set(key, *v);
	auto done =
		send(sh, Command::routes, add ? nl::kFlagCreate : std::uint16_t{0}, "route", out);
	return done ? 0 : complain(sh, add ? "add" : "del", "route", done);
}

int import_routing(Shell &sh, const Node &block, bool add)
{
	// A map, or the list that `routing show` prints.
	std::string enable = block.get("enable");
	for (const Node &i : block.items())
		if (auto e = i.get("enable"); !e.empty())
			enable = e;
	if (enable.empty())
		return 0;
	// The state word of an export: running is 1 or 3.
	bool on = enable == "1" || enable == "3";
	Node out = Node::map();
	out.set("enable", Node::number(add && on ? 1 : 0));
	auto done = send(sh, Command::routing, nl::kFlagCreate, "routing", out);
	return done ? 0 : complain(sh, add ? "add" : "del", "routing", done);
}

int import_buffers(Shell &sh, const Node &block)
{
	auto done = send(sh, Command::buffers, nl::kFlagCreate, "buffers", block);
	return done ? 0 : complain(sh, "add", "buffers", done);
}

/// Does an entry of `ping:` or `discover:`, as either command prints it.
int exec_entry(Shell &sh, const std::string &command, const Node &entry)
{
	Words words{command};
	for (const char *option : {"timeout", "source"})
		if (auto v = entry.get(option); !v.empty())
			words.insert(words.end(), {"--" + std::string(option), v});
	if (auto force = entry.get("force"); force == "1" || force == "true")
		words.emplace_back("--force");
	auto nid = entry.get("primary nid");
	if (nid.empty())
		return complain(sh, "exec", "import", -EINVAL,
				"an entry of '" + command + "' has no primary nid");
	words.push_back(nid);
	return run(sh, words);
}

int exec_block(Shell &sh, const std::string &key, const Node &block)
{
	if (key != "ping" && key != "discover")
		return complain(sh, "exec", "import", -EINVAL, "invalid key '" + key + "'");
	int rc = 0;
	for (const Node &n : block.items())
		if (int r = exec_entry(sh, key, n); r && !rc)
			rc = r;
	return rc;
}

int import_block(Shell &sh, const std::string &key, const Node &block, Mode mode)
{
	if (mode == Mode::exec)
		return exec_block(sh, key, block);
	bool add = mode == Mode::add;
	int rc = 0;
	auto each = [&](int (*f)(Shell &, const Node &, bool)) {
		for (const Node &n : block.items())
			if (int r = f(sh, n, add); r && !rc)
				rc = r;
	};
	if (key == "net")
		each(import_net);
	else if (key == "ip2nets")
		rc = import_ip2nets(sh, block, add);
	else if (key == "peer")
		each(import_peer);
	else if (key == "route")
		each(import_route);
	else if (key == "routing")
		rc = import_routing(sh, block, add);
	else if (key == "buffers")
		rc = add ? import_buffers(sh, block) : 0;
	else if (key == "global")
		rc = add ? set_globals(sh, block) : 0;
	else if (key != "statistics")
		rc = complain(sh, add ? "add" : "del", "import", -EINVAL,
			      "invalid key '" + key + "'");
	return rc;
}

/// The blocks of a file as they are now.
int show_block(Shell &sh, const std::string &key)
{
	if (key == "net" || key == "peer" || key == "route" || key == "routing" || key == "global")
		return run(sh, {key, "show"});
	if (key == "ip2nets")
		return run(sh, {"net", "show"});
	return key == "statistics" ? run(sh, {"stats", "show"}) : 0;
}

bool read_file(Shell &sh, const Options &o, std::string &text)
{
	if (o.operands().empty()) {
		text.assign(std::istreambuf_iterator<char>(sh.in), {});
		return true;
	}
	std::ifstream in(o.operands()[0]);
	if (!in) {
		sh.err << "yaml:\n    - builder:\n          errno: -1\n          descr: cannot "
			  "open '"
		       << o.operands()[0] << "': " << strerror(errno) << '\n';
		return false;
	}
	text.assign(std::istreambuf_iterator<char>(in), {});
	return true;
}

/// What an answer has, printed; nothing when LNet has none of it.
int export_part(Shell &sh, std::ostream &out, Command c, const char *name, bool backup,
		const Layout &layout)
{
	Answer answer;
	auto done = ask(sh, c, backup ? nl::kFlagFiltered : std::uint16_t{0}, backup ? 0 : 3, name,
			Node(), answer);
	if (!done)
		return complain(sh, "show", name, done);
	for (const Node &d : answer.documents()) {
		if (c == Command::routing && backup) {
			Node brief = Node::map();
			for (const Node &i : answer.entries())
				if (const Node *e = i.find("enable"))
					brief.set("routing", Node::map()).set("enable", *e);
			print(out, brief, layout);
		} else {
			print(out, d, layout);
		}
	}
	return 0;
}

int export_all(Shell &sh, std::ostream &out, bool backup)
{
	struct Part {
		Command command;
		const char *name;
		const Layout &layout;
	};
	const Part parts[] = {{Command::nets, "net", kShowLayout},
			      {Command::routes, "route", kShowLayout},
			      {Command::peers, "peer", kShowLayout},
			      {Command::routing, "routing", kPlainLayout},
			      {Command::buffers, "buffers", kPlainLayout}};
	int rc = 0;
	for (const Part &p : parts)
		if (int r = export_part(sh, out, p.command, p.name, backup, p.layout); r && !rc)
			rc = r;
	int r = 0;
	Node whole = Node::map();
	whole.set("global", global_node(sh, r));
	if (!r)
		print(out, whole, kPlainLayout);
	return rc ? rc : r;
}

} // namespace

int import_command(Shell &sh, const Words &words)
{
	Options o;
	if (!o.read(words, 1,
		    {{"add", 'a', false},
		     {"del", 'd', false},
		     {"show", 's', false},
		     {"exec", 'e', false},
		     {"help", 'h', false}}) ||
	    o.has("help") || o.operands().size() > 1)
		return usage(sh, "import");
	std::string text, error;
	if (!read_file(sh, o, text))
		return -2;
	Node file = parse(text, error);
	if (!error.empty() || (!file.is_map() && file.kind() != Node::Kind::null))
		return complain(sh, "add", "import", -EINVAL,
				error.empty() ? "the file is no mapping" : error);
	Mode mode = o.has("del")    ? Mode::del
		    : o.has("show") ? Mode::show
		    : o.has("exec") ? Mode::exec
				    : Mode::add;
	int rc = 0;
	for (const auto &[key, block] : file.entries()) {
		int r = mode == Mode::show ? show_block(sh, key)
					   : import_block(sh, key, block, mode);
		if (r && !rc)
			rc = r;
	}
	return rc;
}

int export_command(Shell &sh, const Words &words)
{
	Options o;
	if (!o.read(words, 1, {{"backup", 'b', false}, {"help", 'h', false}}) || o.has("help") ||
	    o.operands().size() > 1)
		return usage(sh, "export");
	if (o.operands().empty())
		return export_all(sh, sh.out, o.has("backup"));
	// Whole or not at all: what was there stays when something fails.
	std::ostringstream all;
	int rc = export_all(sh, all, o.has("backup"));
	if (rc)
		return rc;
	std::ofstream out(o.operands()[0]);
	out << all.str();
	out.close();
	if (!out) {
		sh.err << "cannot write '" << o.operands()[0] << "': " << strerror(errno) << '\n';
		return -errno;
	}
	return 0;
}

} // namespace lnetctl
