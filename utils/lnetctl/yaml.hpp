// SPDX-License-Identifier: GPL-2.0
//
// YAML as lnetctl needs it: a tree that keeps its keys' order, read with yaml-cpp and printed in
// the three layouts that scripts know (spec 08 section 4). They differ in indentation only.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lnetctl
{

class Node
{
public:
	enum class Kind { null, text, number, map, list };

	Node() = default;
	Node(std::string_view text) : kind_(Kind::text), text_(text) {}
	Node(const std::string &text) : Node(std::string_view(text)) {}
	Node(const char *text) : Node(std::string_view(text)) {}
	[[nodiscard]] static Node number(std::int64_t v);
	/// `true` or `false`, printed as these words.
	[[nodiscard]] static Node boolean(bool v) { return Node(v ? "true" : "false"); }
	[[nodiscard]] static Node map();
	[[nodiscard]] static Node list();

	[[nodiscard]] Kind kind() const { return kind_; }
	[[nodiscard]] bool is_map() const { return kind_ == Kind::map; }
	[[nodiscard]] bool is_list() const { return kind_ == Kind::list; }
	[[nodiscard]] bool is_scalar() const
	{
		return kind_ == Kind::text || kind_ == Kind::number;
	}
	[[nodiscard]] const std::string &text() const { return text_; }

	/// A map's entries, in their order.
	[[nodiscard]] const std::vector<std::pair<std::string, Node>> &entries() const
	{
		return map_;
	}
	[[nodiscard]] const Node *find(std::string_view key) const;
	[[nodiscard]] Node *find(std::string_view key)
	{
		return const_cast<Node *>(std::as_const(*this).find(key));
	}
	/// The value of a key as text; empty when it is not there or no scalar.
	[[nodiscard]] std::string get(std::string_view key) const;
	/// Adds a key, or replaces its value.
	Node &set(std::string key, Node value);

	[[nodiscard]] const std::vector<Node> &items() const { return list_; }
	[[nodiscard]] std::vector<Node> &items() { return list_; }
	Node &add(Node value);

private:
	Kind kind_ = Kind::null;
	std::string text_;
	std::vector<std::pair<std::string, Node>> map_;
	std::vector<Node> list_;
};

/// Columns by which things are indented.
struct Layout {
	unsigned step;	///< a mapping below its key
	unsigned dash;	///< the dash of a list's item, below its key
	unsigned width; ///< from the dash to the item
};
inline constexpr Layout kShowLayout{6, 0, 6};  ///< net, peer, route
inline constexpr Layout kPingLayout{2, 0, 2};  ///< ping, discover, cpt-of-nid
inline constexpr Layout kPlainLayout{4, 4, 2}; ///< global, stats, routing

void print(std::ostream &out, const Node &map, const Layout &layout);

/// Reads a document; on failure `error` says where and why, and the result is null.
[[nodiscard]] Node parse(const std::string &text, std::string &error);

} // namespace lnetctl
