// SPDX-License-Identifier: GPL-2.0
//
// The simulated network.
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <set>

#include "libcfs/sim/gtest.hpp"
#include "libcfs/sim/net.hpp"

namespace
{

using namespace cfs::sim;
using Kind = NetEvent::Kind;

constexpr std::uint16_t kPort = 988;

Message numbered(std::uint64_t v, std::size_t bytes = 8)
{
	Message m(bytes);
	std::memcpy(m.data(), &v, 8);
	return m;
}

std::uint64_t number_of(const Message &m)
{
	std::uint64_t v = 0;
	std::memcpy(&v, m.data(), 8);
	return v;
}

/// What a server got, by the order of arrival.
struct Got {
	std::vector<std::uint64_t> numbers;
	int accepted = 0;
	int closed = 0;
	int reset = 0;
};

/// Takes everything until stopped.
void sink(const std::shared_ptr<Got> &got)
{
	Inbox inbox;
	ASSERT_TRUE(this_world().net().listen(kPort, inbox));
	this_node().spawn("stopper", [&inbox] {
		wait_stop();
		inbox.shutdown();
	});
	std::set<Conn *> open;
	while (auto e = inbox.next()) {
		if (e->kind == Kind::accepted) {
			got->accepted++;
			open.insert(e->conn);
		} else if (e->kind == Kind::message) {
			got->numbers.push_back(number_of(e->message));
		} else {
			(e->kind == Kind::closed ? got->closed : got->reset)++;
			open.erase(e->conn);
			e->conn->close();
		}
	}
	this_world().net().unlisten(kPort);
	for (Conn *c : open)
		c->close();
}

Conn *connect_to(Node &server, Inbox &inbox)
{
	Conn *c = this_world().net().connect(server.address(), kPort, inbox);
	auto e = inbox.next();
	EXPECT_TRUE(e && e->kind == Kind::connected);
	return c;
}

TEST(SimNet, AConnectionKeepsOrderAndLosesNothing)
{
	run_seeds(100, [](World &w) {
		Node &server = w.add_node("server");
		Node &client = w.add_node("client");
		auto got = std::make_shared<Got>();
		server.start([got] { sink(got); });
		client.start([&server] {
			Inbox inbox;
			Conn *c = connect_to(server, inbox);
			for (std::uint64_t i = 0; i < 50; i++)
				EXPECT_TRUE(c->send(numbered(i, 8 + i * 100)));
			c->close();
		});
		w.spawn("script", [&server, &client, got] {
			client.wait_down();
			sleep_for(10 * kSecond);
			server.stop();
			server.wait_down();
			EXPECT_EQ(got->numbers.size(), 50u);
			for (std::uint64_t i = 0; i < got->numbers.size(); i++)
				EXPECT_EQ(got->numbers[i], i);
			EXPECT_EQ(got->accepted, 1);
			EXPECT_EQ(got->closed, 1);
			EXPECT_EQ(got->reset, 0);
		});
	});
}

TEST(SimNet, ConnectionsOvertakeEachOther)
{
	bool in_order = false;
	bool overtaken = false;
	run_seeds(100, [&](World &w) {
		Node &server = w.add_node("server");
		auto got = std::make_shared<Got>();
		server.start([got] { sink(got); });
		for (std::uint64_t i = 0; i < 2; i++)
			w.add_node("client" + std::to_string(i)).start([&server, i] {
				Inbox inbox;
				Conn *c = connect_to(server, inbox);
				// Both at the same moment.
				sleep_for(kSecond - this_world().now() % kSecond);
				EXPECT_TRUE(c->send(numbered(i)));
				c->close();
			});
		w.spawn("script", [&, got] {
			sleep_for(100 * kSecond);
			server.stop();
			server.wait_down();
			EXPECT_EQ(got->numbers.size(), 2u);
			(got->numbers[0] == 0 ? in_order : overtaken) = true;
		});
	});
	EXPECT_TRUE(in_order);
	EXPECT_TRUE(overtaken);
}

TEST(SimNet, NobodyListeningRefuses)
{
	run_seeds(20, [](World &w) {
		Node &server = w.add_node("server");
		Node &client = w.add_node("client");
		server.start([] { wait_stop(); });
		client.start([&server] {
			Inbox inbox;
			Conn *c = this_world().net().connect(server.address(), kPort, inbox);
			auto e = inbox.next();
			EXPECT_TRUE(e && e->kind == Kind::refused);
			EXPECT_EQ(c->send({}).error(), cfs::err::CONNRESET);
			c->close();
			server.stop();
		});
	});
}

TEST(SimNet, APartitionHoldsMessagesUntilItHeals)
{
	run_seeds(50, [](World &w) {
		Node &server = w.add_node("server");
		Node &client = w.add_node("client");
		auto got = std::make_shared<Got>();
		server.start([got] { sink(got); });
		client.start([&server] {
			Inbox inbox;
			Conn *c = connect_to(server, inbox);
			for (std::uint64_t i = 0; i < 100; i++) {
				EXPECT_TRUE(c->send(numbered(i)));
				sleep_for(100 * kMillisecond);
			}
			c->close();
		});
		w.spawn("script", [&w, &server, &client, got] {
			sleep_for(kSecond);
			w.net().partition(server, client);
			EXPECT_FALSE(w.net().reachable(client, server));
			auto seen = got->numbers.size();
			sleep_for(5 * kSecond);
			EXPECT_EQ(got->numbers.size(), seen);
			w.net().heal_all();
			client.wait_down();
			sleep_for(kSecond);
			EXPECT_EQ(got->numbers.size(), 100u);
			server.stop();
		});
	});
}

TEST(SimNet, AResetIsSeenByBothSidesAndLosesOnlyATail)
{
	run_seeds(100, [](World &w) {
		Node &server = w.add_node("server");
		Node &client = w.add_node("client");
		auto got = std::make_shared<Got>();
		server.start([got] { sink(got); });
		client.start([&server] {
			Inbox inbox;
			Conn *c = connect_to(server, inbox);
			std::uint64_t i = 0;
			while (c->send(numbered(i))) {
				i++;
				if (auto e = inbox.next(cfs_now_ns() + kMillisecond)) {
					EXPECT_EQ(static_cast<int>(e->kind),
						  static_cast<int>(Kind::reset));
					break;
				}
			}
			c->close();
		});
		w.spawn("script", [&w, &server, &client, got] {
			sleep_for(kSecond);
			w.net().reset(client, server);
			client.wait_down();
			sleep_for(kSecond);
			EXPECT_EQ(got->reset, 1);
			for (std::uint64_t i = 0; i < got->numbers.size(); i++)
				EXPECT_EQ(got->numbers[i], i);
			server.stop();
		});
	});
}

TEST(SimNet, ACrashedProcessResetsAndALostMachineKeepsSilentUntilItBoots)
{
	for (CrashKind kind : {CrashKind::process, CrashKind::power}) {
		run_seeds(50, [kind](World &w) {
			Node &server = w.add_node("server");
			Node &client = w.add_node("client");
			auto got = std::make_shared<Got>();
			auto reset_at = std::make_shared<Nanos>(0);
			server.start([got] { sink(got); });
			client.start([&server, reset_at] {
				Inbox inbox;
				Conn *c = connect_to(server, inbox);
				auto e = inbox.next();
				EXPECT_TRUE(e && e->kind == Kind::reset);
				*reset_at = this_world().now();
				c->close();
			});
			w.spawn("script", [kind, &w, &server, &client, reset_at] {
				sleep_for(10 * kSecond);
				server.crash(kind);
				auto crashed = w.now();
				sleep_for(100 * kSecond);
				server.restart();
				client.wait_down();
				if (kind == CrashKind::process)
					EXPECT_LT(*reset_at, crashed + kSecond);
				else
					EXPECT_GT(*reset_at, crashed + 100 * kSecond);
				server.stop();
			});
		});
	}
}

TEST(SimNet, AConnectToALostMachineSucceedsAfterItsBoot)
{
	run_seeds(20, [](World &w) {
		Node &server = w.add_node("server");
		Node &client = w.add_node("client");
		auto got = std::make_shared<Got>();
		server.start([got] { sink(got); });
		w.spawn("script", [&server, &client, got] {
			sleep_for(kSecond);
			server.crash(CrashKind::power);
			client.start([&server] {
				Inbox inbox;
				Conn *c = connect_to(server, inbox);
				c->close();
			});
			sleep_for(100 * kSecond);
			EXPECT_TRUE(client.up());
			server.restart();
			client.wait_down();
			sleep_for(kSecond);
			EXPECT_EQ(got->accepted, 1);
			server.stop();
		});
	});
}

TEST(SimNet, AFullWindowSaysAgainAndThenWritable)
{
	run_seeds(20, [](World &w) {
		LinkOptions link;
		link.window_bytes = 1000;
		w.net().set_default_link(link);
		Node &server = w.add_node("server");
		Node &client = w.add_node("client");
		auto got = std::make_shared<Got>();
		server.start([got] { sink(got); });
		client.start([&server] {
			Inbox inbox;
			Conn *c = connect_to(server, inbox);
			int full = 0;
			for (std::uint64_t i = 0; i < 50;) {
				if (auto r = c->send(numbered(i, 100))) {
					i++;
					continue;
				} else {
					EXPECT_EQ(r.error(), cfs::err::AGAIN);
				}
				full++;
				auto e = inbox.next();
				EXPECT_TRUE(e && e->kind == Kind::writable);
			}
			EXPECT_GT(full, 0);
			c->close();
		});
		w.spawn("script", [&server, &client, got] {
			client.wait_down();
			sleep_for(kSecond);
			EXPECT_EQ(got->numbers.size(), 50u);
			server.stop();
		});
	});
}

TEST(SimNet, BandwidthTakesTime)
{
	LinkOptions link;
	link.bytes_per_second = 1'000'000;
	World w(1);
	Node &server = w.add_node("server");
	Node &client = w.add_node("client");
	w.net().set_link(server, client, link);
	auto got = std::make_shared<Got>();
	server.start([got] { sink(got); });
	client.start([&server] {
		Inbox inbox;
		Conn *c = connect_to(server, inbox);
		EXPECT_TRUE(c->send(numbered(0, 5'000'000)));
		c->close();
	});
	w.spawn("script", [&server, got] {
		sleep_for(4 * kSecond);
		EXPECT_TRUE(got->numbers.empty());
		sleep_for(2 * kSecond);
		EXPECT_EQ(got->numbers.size(), 1u);
		server.stop();
	});
	EXPECT_TRUE(w.run().ok()) << w.outcome().report;
}

/// Clients that connect again and again while everything fails around them.
TEST(SimNet, FaultsOfAllKindsNeitherHangNorCorrupt)
{
	run_seeds(200, [](World &w) {
		std::vector<Node *> servers;
		for (int i = 0; i < 2; i++) {
			servers.push_back(&w.add_node("server" + std::to_string(i)));
			servers.back()->start([] { sink(std::make_shared<Got>()); });
		}
		for (int i = 0; i < 2; i++)
			w.add_node("client" + std::to_string(i)).start([servers] {
				Rng &rng = this_world().rng();
				while (this_world().now() < 100 * kSecond) {
					Inbox inbox;
					Node &s = *servers[rng.below(2)];
					Conn *c = this_world().net().connect(s.address(), kPort,
									     inbox);
					auto deadline = cfs_now_ns() + 5 * kSecond;
					for (int n = 0; n < 20; n++) {
						auto e = inbox.next(deadline);
						if (!e || e->kind != Kind::connected)
							break;
						while (c->send(numbered(1, 1000)) && n++ < 20)
							sleep_for(rng.below(kSecond));
					}
					c->close();
				}
			});
		FaultPlan plan;
		plan.until = 90 * kSecond;
		plan.crash_every = 5 * kSecond;
		plan.crash_nodes = servers;
		plan.partition_every = 5 * kSecond;
		plan.reset_every = 2 * kSecond;
		w.inject(plan);
		w.spawn("script", [servers] {
			sleep_for(200 * kSecond);
			for (Node *s : servers)
				s->stop();
		});
	});
}

} // namespace
