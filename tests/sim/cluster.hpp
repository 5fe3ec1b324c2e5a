// SPDX-License-Identifier: GPL-2.0
//
// Nodes of a cluster in the simulator: each has a whole LNet over the simulated network, RPC and
// the lock manager; disks are osd/mem and survive crashes.
//
// By hand:
//
//     run_seeds(50, [](World &w) {
//             auto disk = cluster::make_disk("tfs-OST0000");
//             auto nodes = lnet::sim::add_nodes(w, 2);
//             lnet::Nid nid = lnet::sim::nid_of(*nodes[0]);
//             cluster::start(*nodes[0], [disk](cluster::Stack &s) {       // again at each boot
//                     auto device = cluster::mount(*disk, "tfs-OST0000");
//                     ... a target, services ...
//                     wait_stop();
//                     ... everything that was begun is ended ...
//             });
//             cluster::start(*nodes[1], [nid](cluster::Stack &s) { ... an import ... });
//     });
//
// Errors of what a test needs to work go through must(), which ends the run with the place.
#pragma once

#include <functional>
#include <memory>
#include <source_location>
#include <string>
#include <string_view>

#include "ldlm/ldlm.hpp"
#include "libcfs/sim/gtest.hpp"
#include "lnet/simlnd/world.hpp"
#include "lustre/osd/mem/mem.hpp"
#include "rpc/hold.hpp"

namespace cluster
{

/// What a node has when it is up. Made before main and taken down after it.
struct Stack {
	cfs_node *node = nullptr;
	rpc::RpcHold rpc;
	ldlm::Ldlm *ldlm = nullptr;
};

/// Boots a node; at each boot, main runs with RPC and the lock manager. What it began it must have
/// ended when it returns.
void start(cfs::sim::Node &n, std::function<void(Stack &)> main,
	   const lnet::sim::NodeConfig &config = {});

/// A disk formatted for a target. Belongs to the test.
using DiskPtr = std::shared_ptr<osd::mem::Disk>;
[[nodiscard]] DiskPtr make_disk(std::string_view target,
				std::uint64_t bytes = std::uint64_t{1} << 30);
/// Mounts it on the calling fiber's node. With the default a change is durable within a second.
[[nodiscard]] osd::DeviceRef mount(osd::mem::Disk &disk, std::string_view target,
				   cfs::Duration commit_interval = cfs::Duration::seconds(1));

/// Fails the run when `ok` is false.
void check(bool ok, std::string_view what,
	   std::source_location where = std::source_location::current());
/// The value, or the end of the run.
template <typename T>
T must(cfs::Result<T> r, std::string_view what,
       std::source_location where = std::source_location::current())
{
	if (!r)
		check(false,
		      std::string(what) + ": error " + std::to_string(static_cast<int>(r.error())),
		      where);
	if constexpr (!std::is_void_v<T>)
		return std::move(*r);
}

} // namespace cluster
