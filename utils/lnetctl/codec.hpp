// SPDX-License-Identifier: GPL-2.0
//
// Between YAML trees and netlink attributes (lnet/netlink.hpp): requests are coded as they are, and
// answers become trees with the names of their key tables, whatever they are of.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "lnet/netlink.hpp"
#include "lnetctl/yaml.hpp"

namespace lnetctl
{

/// A request about objects called `name`: a map, or a list of maps.
[[nodiscard]] std::vector<std::byte> encode(const std::string &name, const Node &objects);

/// Puts the messages of a dump together.
class Answer
{
public:
	/// False: the message is not of the form.
	[[nodiscard]] bool take(cfs::Bytes attrs, std::uint16_t flags);
	/// What has come, one tree for each key table there was.
	[[nodiscard]] const std::vector<Node> &documents() const { return documents_; }
	/// The first document's entries; none when nothing came.
	[[nodiscard]] const std::vector<Node> &entries() const;

private:
	struct Key {
		std::string name;
		std::uint16_t format = 0, type = 0;
		std::vector<Key> below;
	};
	static bool read_table(cfs::Bytes list, std::vector<Key> &out, unsigned depth);
	static bool read_map(cfs::Bytes attrs, const std::vector<Key> &keys, Node &out,
			     unsigned depth, bool top);
	static bool read_value(const lnet::nl::Attr &a, const Key &key, Node &map, unsigned depth);
	void merge(Node row);

	std::vector<Key> keys_;
	std::vector<Node> documents_;
};

} // namespace lnetctl
