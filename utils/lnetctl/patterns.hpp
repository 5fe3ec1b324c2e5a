// SPDX-License-Identifier: GPL-2.0
//
// Texts that stand for several things: NID ranges, and networks by this node's addresses. The
// kernel is sent what they stand for.
#pragma once

#include <string>
#include <vector>

#include "lnetctl/commands.hpp"

namespace lnetctl
{

/// NIDs that one command may name: as many as a peer may have.
inline constexpr std::size_t kNidsMax = 200;

/// The NIDs of a list of NID ranges, with commas or blanks between, added to a list of maps with
/// `nid`. -EINVAL; -ENOSPC: more than kNidsMax.
[[nodiscard]] Outcome expand_nids(const std::string &text, Node &nids);

/// A text like the module parameter ip2nets, and what its interfaces are to have beside their name.
struct Ip2nets {
	std::string text;
	Node common = Node::map();
};

/// The networks that these give this node, as objects of a request, with the interfaces that have
/// the addresses where none is named. Of each network the first entry counts. -EINVAL; -ENODEV:
/// none is for this node.
[[nodiscard]] Outcome networks_by_address(Shell &sh, const std::vector<Ip2nets> &texts, Node &nets);

/// An entry of "local NI(s)" with one interface; no name: the kernel's choice.
[[nodiscard]] Node ni_node(const std::string &if_name, const Node &common);
/// A network in a request.
[[nodiscard]] Node net_node(const std::string &net, Node nis);

} // namespace lnetctl
