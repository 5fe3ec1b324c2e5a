// SPDX-License-Identifier: GPL-2.0
//
// Routers between networks: forwarding, buffers, aliveness.

#include "libcfs/sim/gtest.hpp"
#include "libcfs/sim/net.hpp"
#include "tests/sim/lnet_traffic.hpp"

namespace
{

using namespace cfs::sim;
using namespace lnet_traffic;
using lnet::sim::nid_of;

constexpr unsigned kSeeds = 12;

lnet::Net tcp(unsigned n)
{
	return make_net(LndType::tcp, static_cast<std::uint16_t>(n));
}

lnet::sim::NodeConfig on(const char *networks)
{
	lnet::sim::NodeConfig c;
	c.networks = networks;
	return c;
}

/// Checks that take seconds instead of minutes.
void quick(Control &c)
{
	Settings s = c.settings();
	s.router_check_interval = 4;
	s.router_ping_timeout = 4;
	s.transaction_timeout = 30;
	EXPECT_TRUE(c.set_settings(s));
}

std::function<void(Control &)> route(lnet::Net net, std::vector<Nid> gateways)
{
	return [=](Control &c) {
		quick(c);
		for (const Nid &gw : gateways)
			EXPECT_TRUE(c.add_route({.net = net, .gateway = gw}));
	};
}

/// A router with few buffers, so that messages wait for them.
void router(Control &c)
{
	quick(c);
	EXPECT_TRUE(c.set_router_buffers(6, 6, 2));
	EXPECT_TRUE(c.set_routing(true));
}

/// Two nodes on two networks, with routers between them: a, b, then the routers.
std::vector<Member> two_networks(World &w, unsigned routers)
{
	auto n = lnet::sim::add_nodes(w, 2 + routers);
	std::vector<Nid> near, far;
	for (unsigned i = 0; i < routers; i++) {
		near.push_back(nid_of(*n[2 + i], tcp(0)));
		far.push_back(nid_of(*n[2 + i], tcp(1), 1));
	}
	std::vector<Member> m;
	m.push_back({n[0], nid_of(*n[0], tcp(0)), on("tcp"), route(tcp(1), near)});
	m.push_back({n[1], nid_of(*n[1], tcp(1)), on("tcp1"), route(tcp(0), far)});
	for (unsigned i = 0; i < routers; i++)
		m.push_back({n[2 + i], Nid{}, on("tcp(eth0),tcp1(eth1)"), router});
	return m;
}

TEST(SimLnetRoutes, MessagesCrossARouter)
{
	run_seeds(kSeeds, [](World &w) { storm(w, two_networks(w, 1), {}); });
}

TEST(SimLnetRoutes, TrafficThroughARouterSurvivesFaults)
{
	run_seeds(kSeeds, [](World &w) {
		FaultPlan plan;
		plan.reset_every = 3 * kSecond;
		plan.partition_every = 10 * kSecond;
		storm(w, two_networks(w, 1), plan);
	});
}

TEST(SimLnetRoutes, RoutersMayCrash)
{
	run_seeds(kSeeds, [](World &w) {
		auto members = two_networks(w, 2);
		FaultPlan plan;
		plan.crash_every = 10 * kSecond;
		plan.down_max = 15 * kSecond;
		plan.reset_every = 10 * kSecond;
		plan.crash_nodes = {members[2].node, members[3].node};
		storm(w, members, plan);
	});
}

TEST(SimLnetRoutes, AChainOfNetworksIsCrossed)
{
	run_seeds(kSeeds, [](World &w) {
		// a - tcp - r0 - tcp1 - r1 - tcp2 - b
		auto n = lnet::sim::add_nodes(w, 4);
		Nid r0_near = nid_of(*n[2], tcp(0)), r0_far = nid_of(*n[2], tcp(1), 1);
		Nid r1_near = nid_of(*n[3], tcp(1)), r1_far = nid_of(*n[3], tcp(2), 1);
		std::vector<Member> m;
		auto hops2 = [](lnet::Net net, Nid gw) {
			return [=](Control &c) {
				quick(c);
				EXPECT_TRUE(c.add_route({.net = net, .gateway = gw, .hops = 2}));
			};
		};
		m.push_back({n[0], nid_of(*n[0], tcp(0)), on("tcp"), hops2(tcp(2), r0_near)});
		m.push_back({n[1], nid_of(*n[1], tcp(2)), on("tcp2"), hops2(tcp(0), r1_far)});
		m.push_back({n[2], Nid{}, on("tcp(eth0),tcp1(eth1)"), [=](Control &c) {
				     router(c);
				     EXPECT_TRUE(c.add_route({.net = tcp(2), .gateway = r1_near}));
			     }});
		m.push_back({n[3], Nid{}, on("tcp1(eth0),tcp2(eth1)"), [=](Control &c) {
				     router(c);
				     EXPECT_TRUE(c.add_route({.net = tcp(0), .gateway = r0_far}));
			     }});
		FaultPlan plan;
		plan.reset_every = w.seed() % 2 ? 5 * kSecond : 0;
		storm(w, m, plan);
	});
}

/// Whether the last route is.
bool alive(Control &c)
{
	struct One final : Listing<RouteInfo> {
		bool alive = false;
		bool entry(const RouteInfo &r) noexcept override
		{
			alive = r.alive;
			return true;
		}
	} one;
	EXPECT_TRUE(c.list_routes(one));
	return one.alive;
}

void becomes(Control &c, bool want)
{
	for (int i = 0; i < 900 && alive(c) != want; i++)
		sleep_for(100 * kMillisecond);
	EXPECT_EQ(alive(c), want);
}

TEST(SimLnetRoutes, ARailThatComesBackBringsItsRouteBackForGood)
{
	run_seeds(10, [](World &w) {
		auto n = lnet::sim::add_nodes(w, 3);
		auto end = std::make_shared<bool>(false);
		Nid near = nid_of(*n[2], tcp(0)), far = nid_of(*n[2], tcp(2), 2);
		Node *loser = n[w.rng().below(2) * 2];
		lnet::sim::start(
			*n[0],
			[=](Network &) {
				auto &c = lnet::sim::control();
				route(tcp(2), {near})(c);
				sleep_for(10 * kSecond);
				becomes(c, true);
				lnet::sim::set_interface(*loser, 0, false);
				becomes(c, false);
				lnet::sim::set_interface(*loser, 0, true);
				becomes(c, true);
				for (int i = 0; i < 600; i++) {
					EXPECT_TRUE(alive(c)) << i;
					sleep_for(100 * kMillisecond);
				}
				*end = true;
			},
			on("tcp(eth0),tcp1(eth1)"));
		auto stay = [end](const std::function<void(Control &)> &setup) {
			return [=](Network &) {
				setup(lnet::sim::control());
				while (!*end)
					sleep_for(100 * kMillisecond);
			};
		};
		lnet::sim::start(*n[1], stay(route(tcp(0), {far})), on("tcp2(eth2)"));
		lnet::sim::start(*n[2], stay(router), on("tcp(eth0),tcp1(eth1),tcp2(eth2)"));
	});
}

TEST(SimLnetRoutes, RouteOfADeadGatewayGoesDownAndComesBack)
{
	run_seeds(10, [](World &w) {
		auto m = two_networks(w, 1);
		auto state = std::make_shared<std::string>();
		lnet::sim::start(
			*m[0].node,
			[=](Network &) {
				auto &c = lnet::sim::control();
				m[0].setup(c);
				sleep_for(10 * kSecond);
				becomes(c, true);
				*state = "crash";
				becomes(c, false);
				*state = "restart";
				becomes(c, true);
				EXPECT_TRUE(c.ping({m[1].nid}, Nid{},
						   cfs::after(cfs::Duration::seconds(60))));
				*state = "end";
			},
			m[0].config);
		auto stay = [state](const Member &x) {
			return [state, x](Network &) {
				x.setup(lnet::sim::control());
				while (*state != "end")
					sleep_for(100 * kMillisecond);
			};
		};
		lnet::sim::start(*m[1].node, stay(m[1]), m[1].config);
		lnet::sim::start(*m[2].node, stay(m[2]), m[2].config);
		w.spawn("script", [state, m] {
			while (*state != "crash")
				sleep_for(100 * kMillisecond);
			m[2].node->crash();
			while (*state != "restart")
				sleep_for(100 * kMillisecond);
			m[2].node->restart();
		});
	});
}

TEST(SimLnetRoutes, NobodyRoutesUnasked)
{
	run_seeds(5, [](World &w) {
		auto m = two_networks(w, 1);
		auto over = std::make_shared<bool>(false);
		lnet::sim::start(
			*m[0].node,
			[=](Network &) {
				auto &c = lnet::sim::control();
				m[0].setup(c);
				EXPECT_FALSE(c.ping({m[1].nid}, Nid{},
						    cfs::after(cfs::Duration::seconds(60))));
				*over = true;
			},
			m[0].config);
		for (int i : {1, 2})
			lnet::sim::start(
				*m[static_cast<unsigned>(i)].node,
				[=](Network &) {
					while (!*over)
						sleep_for(kSecond);
				},
				m[static_cast<unsigned>(i)].config);
	});
}

TEST(SimLnetRoutes, RoutesThatMakeNoSenseAreRefused)
{
	run_seeds(1, [](World &w) {
		auto n = lnet::sim::add_nodes(w, 1);
		lnet::sim::start(*n[0], [](Network &) {
			using namespace cfs::err;
			auto &c = lnet::sim::control();
			Nid near = *parse_nid("10.0.0.9@tcp"), far = *parse_nid("10.0.0.9@tcp2");
			auto add = [&](lnet::Net net, Nid gw, std::uint32_t hops = 1) {
				auto r = c.add_route({.net = net, .gateway = gw, .hops = hops});
				return r ? cfs::Errno{} : r.error();
			};
			EXPECT_EQ(add(tcp(1), far), HOSTUNREACH);
			EXPECT_EQ(add(tcp(2), far), INVAL);
			EXPECT_EQ(add(tcp(0), far), EXIST);
			EXPECT_EQ(add(tcp(1), near, 256), INVAL);
			EXPECT_EQ(add(lnet::Net::any, near), INVAL);
			EXPECT_EQ(add(tcp(1), Nid::lo()), INVAL);
			EXPECT_EQ(add(tcp(1), near), cfs::Errno{});
			EXPECT_EQ(add(tcp(1), near), EXIST);
			EXPECT_TRUE(c.del_route(tcp(1), near));
			EXPECT_EQ(c.del_route(tcp(1), near).error(), NOENT);
		});
	});
}

} // namespace
