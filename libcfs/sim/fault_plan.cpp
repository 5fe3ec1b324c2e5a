// SPDX-License-Identifier: GPL-2.0
//
// Carries out a FaultPlan with one driver fiber for each kind of fault.
#include <algorithm>
#include <memory>
#include <vector>

#include "libcfs/sim/net.hpp"
#include "libcfs/sim/sched.hpp"

namespace cfs::sim
{

namespace
{

/// What the drivers of one plan share.
struct Nemesis {
	World &world;
	Sched &sched;
	FaultPlan plan;
	unsigned down = 0; ///< nodes the plan keeps down now

	Rng &rng() { return sched.faults; }
	[[nodiscard]] bool over() const { return sched.now() >= plan.until; }
	/// Sleeps for a random time around the mean, not beyond the end; false at the end.
	bool pause(Nanos mean)
	{
		Nanos span = 1 + rng().below(2 * mean);
		span = std::min(span, plan.until > sched.now() ? plan.until - sched.now() : 0);
		sleep_for(span);
		return !over();
	}
	void sleep_until_start()
	{
		if (plan.from > sched.now())
			sleep_for(plan.from - sched.now());
	}
	Node &any_of(const std::vector<Node *> &nodes) { return *nodes[rng().below(nodes.size())]; }
};

using Shared = std::shared_ptr<Nemesis>;

void one_crash(const Shared &n, Node &victim)
{
	if (!victim.up() || n->down >= n->plan.down_together_max)
		return;
	n->down++;
	victim.crash();
	n->world.spawn("fault: boot", [n, &victim] {
		sleep_for(n->rng().between(n->plan.down_min, n->plan.down_max));
		n->down--;
		if (!victim.up())
			victim.restart();
	});
}

void crashes(const Shared &n)
{
	n->sleep_until_start();
	while (n->pause(n->plan.crash_every))
		one_crash(n, n->any_of(n->plan.crash_nodes));
}

void one_partition(const Shared &n)
{
	const auto &nodes = n->world.nodes();
	Node &a = n->any_of(nodes);
	Node &b = n->any_of(nodes);
	if (&a == &b)
		n->world.net().isolate(a);
	else if (n->rng().chance(4))
		n->world.net().partition_one_way(a, b);
	else
		n->world.net().partition(a, b);
	sleep_for(n->rng().between(n->plan.partition_min, n->plan.partition_max));
	n->world.net().heal_all();
}

void partitions(const Shared &n)
{
	n->sleep_until_start();
	while (n->pause(n->plan.partition_every))
		one_partition(n);
}

void resets(const Shared &n)
{
	n->sleep_until_start();
	while (n->pause(n->plan.reset_every)) {
		Node &a = n->any_of(n->world.nodes());
		Node &b = n->any_of(n->world.nodes());
		n->world.net().reset(a, b);
	}
}

void clocks(const Shared &n)
{
	n->sleep_until_start();
	while (n->pause(n->plan.clock_every)) {
		Node &a = n->any_of(n->world.nodes());
		a.set_clock_ppm(static_cast<std::int32_t>(n->rng().below(1001)) - 500);
		a.set_wall_clock_skew(static_cast<std::int64_t>(n->rng().below(20 * kSecond)) -
				      static_cast<std::int64_t>(10 * kSecond));
	}
}

} // namespace

void World::inject(const FaultPlan &plan)
{
	auto n = std::make_shared<Nemesis>(Nemesis{*this, *sched_, plan});
	if (n->plan.crash_nodes.empty())
		n->plan.crash_nodes = nodes();
	if (plan.crash_every)
		spawn("fault: crashes", [n] { crashes(n); });
	if (plan.partition_every)
		spawn("fault: partitions", [n] { partitions(n); });
	if (plan.reset_every)
		spawn("fault: resets", [n] { resets(n); });
	if (plan.clock_every)
		spawn("fault: clocks", [n] { clocks(n); });
}

} // namespace cfs::sim
