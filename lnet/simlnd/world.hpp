// SPDX-License-Identifier: GPL-2.0
//
// LNet in simulations: gives every simulated node a whole LNet over the simulated network.
//
//     run_seeds(100, [](World &w) {
//             auto nodes = lnet::sim::add_nodes(w, 3);
//             for (Node *n : nodes)
//                     lnet::sim::start(*n, [=](lnet::Network &net) {
//                             net.attach(...);        // runs on the node, again at each boot
//                             wait_stop();
//                     });
//             w.spawn("script", [=] { nodes[0]->crash(); ... });
//     });
//
// A node's NIDs follow from its address in the world: nid_of(). What happens to the world's
// network (delay, partitions, resets, crashes) reaches LNet as its driver's events, so everything
// above works as on a real network.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "libcfs/sim/sim.hpp"
#include "lnet/control.hpp"
#include "lnet/lnet.hpp"

namespace lnet::sim
{

/// What the module parameters are on a real node. Read at each boot.
struct NodeConfig {
	/// As the module parameter; interfaces are called eth0 to eth9, no name means eth0.
	std::string networks = "tcp";
	std::string ip2nets, routes; ///< likewise
	/// Seconds without progress after which the driver gives a connection up.
	unsigned lnd_timeout = 10;
	unsigned credits = 256;
	unsigned peer_credits = 8;
};

/// Adds nodes called PREFIX0, PREFIX1...
std::vector<cfs::sim::Node *> add_nodes(cfs::sim::World &w, unsigned count,
					const std::string &prefix = "n");

/// Boots a node; at each boot, `main` runs with the node's libcfs and LNet started but LNet not up:
/// for what holds LNet itself (RPC). What main began it must have ended when it returns.
void start_core(cfs::sim::Node &n, std::function<void()> main, const NodeConfig &config = {});
/// Likewise with LNet up until main returns.
void start(cfs::sim::Node &n, std::function<void(Network &)> main, const NodeConfig &config = {});

/// The NID of a node's interface on a network.
[[nodiscard]] Nid nid_of(const cfs::sim::Node &n, Net net = make_net(LndType::tcp, 0),
			 unsigned interface = 0);

/// LNet's control of the calling fiber's node.
[[nodiscard]] Control &control();

/// Pulls the cable of an interface, or plugs it in again. Survives crashes. From drivers.
void set_interface(cfs::sim::Node &n, unsigned interface, bool up);

} // namespace lnet::sim
