// SPDX-License-Identifier: GPL-2.0
//
// LNet on simulated nodes: random traffic while the network breaks and nodes crash. Every message
// is delivered at most once, every MD has exactly one last event, credits come back, and when the
// network is whole everything succeeds.

#include "libcfs/sim/gtest.hpp"
#include "libcfs/sim/net.hpp"
#include "tests/sim/lnet_traffic.hpp"

namespace
{

using namespace cfs::sim;
using namespace lnet_traffic;

/// Seeds of each test of random traffic; --sim-seeds or CFS_SIM_SEEDS ask for more.
constexpr unsigned kSeeds = 12;

TEST(SimLnet, NodesPingEachOther)
{
	run_seeds(30, [](World &w) {
		auto nodes = lnet::sim::add_nodes(w, 3);
		auto done = std::make_shared<unsigned>(0);
		for (Node *n : nodes)
			lnet::sim::start(*n, [nodes, done](Network &net) {
				auto &core = static_cast<Core &>(net);
				sleep_for(10 * kSecond); // until all are up
				for (Node *to : nodes) {
					auto ping = [&] {
						return core.ping(
							{lnet::sim::nid_of(*to)}, Nid{},
							cfs::after(cfs::Duration::seconds(60)));
					};
					auto r = ping();
					for (int i = 0; !r && i < 10; i++) { // it may still boot
						sleep_for(kSecond);
						r = ping();
					}
					ASSERT_TRUE(r);
					ASSERT_EQ(r->nids.size(), 1u);
					EXPECT_EQ(r->nids[0].nid, lnet::sim::nid_of(*to));
				}
				++*done;
				while (*done < nodes.size())
					sleep_for(kSecond);
			});
	});
}

TEST(SimLnet, NobodyAnswersForANodeThatIsOff)
{
	run_seeds(10, [](World &w) {
		auto nodes = lnet::sim::add_nodes(w, 2);
		lnet::sim::start(*nodes[0], [nodes](Network &net) {
			auto r = static_cast<Core &>(net).ping(
				{lnet::sim::nid_of(*nodes[1])}, Nid{},
				cfs::after(cfs::Duration::seconds(30)));
			EXPECT_FALSE(r);
		});
	});
}

TEST(SimLnet, ANodeStopsWhileAnotherOneConnects)
{
	run_seeds(100, [](World &w) {
		Node *server = lnet::sim::add_nodes(w, 1).front();
		lnet::sim::start(*server, [](Network &) {
			sleep_for(kSecond + this_world().rng().below(kMillisecond));
		});
		w.add_node("caller").start([server] {
			Inbox inbox;
			sleep_for(kSecond);
			while (server->up()) {
				Conn *c = this_world().net().connect(server->address(), 988, inbox);
				sleep_for(this_world().rng().below(200 * kMicrosecond));
				c->close();
			}
		});
	});
}

/// A world of nodes on one network.
void flat_storm(World &w, unsigned count, const FaultPlan &plan)
{
	std::vector<Member> members;
	for (Node *n : lnet::sim::add_nodes(w, count))
		members.push_back({n, lnet::sim::nid_of(*n)});
	storm(w, members, plan);
}

TEST(SimLnet, TrafficSurvivesResets)
{
	run_seeds(kSeeds, [](World &w) {
		FaultPlan plan;
		plan.reset_every = 2 * kSecond;
		flat_storm(w, 3, plan);
	});
}

TEST(SimLnet, TrafficSurvivesPartitions)
{
	run_seeds(kSeeds, [](World &w) {
		FaultPlan plan;
		plan.partition_every = 5 * kSecond;
		flat_storm(w, 3, plan);
	});
}

TEST(SimLnet, TrafficSurvivesEverything)
{
	run_seeds(kSeeds, [](World &w) {
		FaultPlan plan;
		plan.crash_every = 10 * kSecond;
		plan.down_max = 20 * kSecond;
		plan.partition_every = 10 * kSecond;
		plan.reset_every = 5 * kSecond;
		plan.clock_every = 20 * kSecond;
		flat_storm(w, 2 + static_cast<unsigned>(w.seed() % 3), plan);
	});
}

} // namespace
