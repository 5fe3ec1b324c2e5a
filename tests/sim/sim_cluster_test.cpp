// SPDX-License-Identifier: GPL-2.0
//
// Whole clusters.
#include "tests/sim/cluster.hpp"

namespace
{

using namespace cfs::sim;

TEST(SimCluster, NodesComeUpWithRpcAndLocksAndDisks)
{
	run_seeds(5, [](World &w) {
		auto disk = cluster::make_disk("tfs-OST0000");
		auto nodes = lnet::sim::add_nodes(w, 2);
		for (Node *n : nodes)
			cluster::start(*n, [disk, first = n == nodes[0]](cluster::Stack &s) {
				cluster::check(s.rpc && s.ldlm, "incomplete");
				if (first)
					cluster::check(
						cluster::mount(*disk, "tfs-OST0000")->healthy(),
						"unhealthy");
				wait_stop();
			});
		w.spawn("script", [nodes] {
			sleep_for(kSecond);
			nodes[0]->crash();
			nodes[0]->restart();
			sleep_for(kSecond);
			for (Node *n : nodes)
				n->stop();
		});
	});
}

} // namespace
