// SPDX-License-Identifier: GPL-2.0
//
// What the simulation's hand and a node's LNet share, apart from the node's life.
#pragma once

#include <cstdint>
#include <memory>

#include "lnet/simlnd/world.hpp"

namespace lnet::sim
{

struct NodeState {
	NodeConfig config;
	lnet_config parsed{};		   ///< points into config
	std::uint32_t interfaces_down = 0; ///< a bit each
};

/// Of the calling fiber's node, which start() or start_core() booted.
[[nodiscard]] NodeState &node_state();

/// The most interfaces a node may have.
inline constexpr unsigned kInterfacesMax = 10;

/// Of a NID that nid_of() made.
[[nodiscard]] inline std::uint32_t address_of(const Nid &nid) noexcept
{
	return nid.addr4() & 0xffff;
}
[[nodiscard]] inline unsigned interface_of(const Nid &nid) noexcept
{
	return nid.addr4() >> 16 & 0xff;
}

} // namespace lnet::sim
