// SPDX-License-Identifier: GPL-2.0
//
// See yaml.hpp.

#include "lnetctl/yaml.hpp"

#include <charconv>

#include <yaml-cpp/yaml.h>

namespace lnetctl
{

Node Node::number(std::int64_t v)
{
	Node n;
	n.kind_ = Kind::number;
	n.text_ = std::to_string(v);
	return n;
}

Node Node::map()
{
	Node n;
	n.kind_ = Kind::map;
	return n;
}

Node Node::list()
{
	Node n;
	n.kind_ = Kind::list;
	return n;
}

const Node *Node::find(std::string_view key) const
{
	for (const auto &[k, v] : map_)
		if (k == key)
			return &v;
	return nullptr;
}

std::string Node::get(std::string_view key) const
{
	const Node *n = find(key);
	return n && n->is_scalar() ? n->text() : std::string();
}

Node &Node::set(std::string key, Node value)
{
	kind_ = Kind::map;
	if (Node *old = find(key)) {
		*old = std::move(value);
		return *old;
	}
	map_.emplace_back(std::move(key), std::move(value));
	return map_.back().second;
}

Node &Node::add(Node value)
{
	kind_ = Kind::list;
	list_.push_back(std::move(value));
	return list_.back();
}

namespace
{

std::string escaped(const std::string &s, char quote)
{
	std::string out;
	for (char c : s) {
		if (quote == '\'' && c == '\'')
			out += c;
		if (quote == '"' && (c == '"' || c == '\\'))
			out += '\\';
		out += c;
	}
	return quote + out + quote;
}

/// As stock's printers have it: flow-like texts in double quotes, sentences as tagged strings.
std::string shown(const Node &n)
{
	const std::string &s = n.text();
	if (n.kind() != Node::Kind::text || s.empty())
		return s;
	if (s.find(": ") != s.npos)
		return "! " + escaped(s, '\'');
	if (std::string_view("[]{}#&*!|>'\"%@`").find(s[0]) != std::string_view::npos)
		return escaped(s, '"');
	return s;
}

class Printer
{
public:
	Printer(std::ostream &out, const Layout &layout) : out_(out), layout_(layout) {}

	/// Entries of a map at a column; `placed`: the first one's key is where the cursor is.
	void print_map(const Node &map, unsigned column, bool placed)
	{
		for (const auto &[key, value] : map.entries()) {
			if (!placed)
				indent(column);
			placed = false;
			out_ << key << ':';
			if (value.is_map() && !value.entries().empty()) {
				out_ << '\n';
				print_map(value, column + layout_.step, false);
			} else if (value.is_list() && !value.items().empty()) {
				out_ << '\n';
				print_list(value, column + layout_.dash);
			} else {
				auto s = shown(value);
				out_ << (s.empty() ? "" : " ") << s << '\n';
			}
		}
	}

private:
	void indent(unsigned n) { out_ << std::string(n, ' '); }
	void print_list(const Node &list, unsigned column)
	{
		for (const Node &item : list.items()) {
			indent(column);
			out_ << '-' << std::string(layout_.width - 1, ' ');
			if (item.is_map() && !item.entries().empty())
				print_map(item, column + layout_.width, true);
			else
				out_ << shown(item) << '\n';
		}
	}

	std::ostream &out_;
	const Layout layout_;
};

constexpr unsigned kDepthMax = 32;

/// What yaml-cpp read, as ours. False when it is deeper than anything of LNet's.
bool convert(const YAML::Node &from, Node &to, unsigned depth)
{
	if (depth > kDepthMax)
		return false;
	if (from.IsMap()) {
		to = Node::map();
		for (const auto &e : from) {
			Node v;
			if (!convert(e.second, v, depth + 1))
				return false;
			to.set(e.first.IsScalar() ? e.first.Scalar() : std::string(), std::move(v));
		}
	} else if (from.IsSequence()) {
		to = Node::list();
		for (const auto &e : from) {
			Node v;
			if (!convert(e, v, depth + 1))
				return false;
			to.add(std::move(v));
		}
	} else if (from.IsScalar()) {
		const std::string &s = from.Scalar();
		std::int64_t v = 0;
		auto [end, ec] = std::from_chars(s.data(), s.data() + s.size(), v);
		bool plain = from.Tag() == "?" && !s.empty() && ec == std::errc() &&
			     end == s.data() + s.size();
		to = plain ? Node::number(v) : Node(s);
	}
	return true;
}

} // namespace

void print(std::ostream &out, const Node &map, const Layout &layout)
{
	Printer(out, layout).print_map(map, 0, false);
}

Node parse(const std::string &text, std::string &error)
{
	Node out;
	error.clear();
	try {
		if (!convert(YAML::Load(text), out, 0))
			error = "nested too deeply";
	} catch (const YAML::Exception &e) {
		error = e.what();
	}
	return error.empty() ? out : Node();
}

} // namespace lnetctl
