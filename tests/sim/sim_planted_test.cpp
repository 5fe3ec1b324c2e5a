// SPDX-License-Identifier: GPL-2.0
//
// Bugs planted on purpose, each of which the simulator must find within 10,000 seeds, and repeat
// exactly from the seed it prints. Beside each stands the same code without the bug, which must
// survive a good number of seeds.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstring>

#include "libcfs/lock.hpp"
#include "libcfs/sim/disk.hpp"
#include "libcfs/sim/gtest.hpp"
#include "libcfs/sim/net.hpp"
#include "libcfs/thread.hpp"
#include "libcfs/wait.hpp"

namespace
{

using namespace cfs::sim;

constexpr unsigned kSeeds = 10'000;
constexpr unsigned kSeedsWithoutBug = 2'000;

// ---- two locks taken in both orders ----

struct Bank {
	cfs::Mutex alice{CFS_LOCK_CLASS("alice")};
	cfs::Mutex bob{CFS_LOCK_CLASS("bob")};
	int balance_alice = 100;
	int balance_bob = 100;
	bool wrong_order;

	explicit Bank(bool wrong) : wrong_order(wrong) {}

	void alice_pays()
	{
		cfs::MutexGuard a(alice);
		cfs::MutexGuard b(bob);
		balance_alice--;
		balance_bob++;
	}
	void bob_pays()
	{
		if (!wrong_order)
			return alice_pays();
		cfs::MutexGuard b(bob);
		cfs::MutexGuard a(alice);
		balance_alice++;
		balance_bob--;
	}
};

void bank_scenario(World &w, bool wrong)
{
	Node &n = w.add_node("bank");
	n.start([wrong] {
		Bank bank(wrong);
		cfs::Thread a;
		cfs::Thread b;
		EXPECT_TRUE(a.start<&Bank::alice_pays>(cfs_node_current(), "alice", &bank));
		EXPECT_TRUE(b.start<&Bank::bob_pays>(cfs_node_current(), "bob", &bank));
		a.join();
		b.join();
		EXPECT_EQ(bank.balance_alice + bank.balance_bob, 200);
	});
}

Options without_lock_order()
{
	Options o;
	o.lock_order = false;
	return o;
}

TEST(PlantedBug, LockOrderDeadlockIsFound)
{
	expect_found(
		kSeeds, Failure::deadlock, [](World &w) { bank_scenario(w, true); },
		without_lock_order());
}

TEST(PlantedBug, LockOrderIsFoundEvenWithoutADeadlock)
{
	Options o;
	// One after the other: they never meet.
	o.policy = Policy::random_walk;
	o.switch_one_in = 1'000'000;
	expect_found(1, Failure::lock_order, [](World &w) { bank_scenario(w, true); }, o);
}

TEST(WithoutBug, OneLockOrderNeverDeadlocks)
{
	run_seeds(kSeedsWithoutBug, [](World &w) { bank_scenario(w, false); });
}

// ---- a condition that is looked at before the waiter stands on the queue ----

struct Door {
	cfs_waitq_t q;
	std::atomic<bool> open{false};
	bool look_first;

	explicit Door(bool wrong) : look_first(wrong)
	{
		cfs_waitq_init(&q, CFS_LOCK_CLASS("door"));
	}
	~Door() { cfs_waitq_fini(&q); }

	void enter()
	{
		cfs_waitent_t e{};
		for (;;) {
			bool was_open = open.load();
			cfs_wait_prepare(&q, &e, CFS_WAIT_IDLE);
			if (!look_first)
				was_open = open.load();
			if (was_open)
				break;
			cfs_wait_block(&e, CFS_WAIT_IDLE, CFS_NEVER);
		}
		cfs_wait_finish(&q, &e);
	}
	void unlock()
	{
		cfs::sim::point(); // a plain store is no preemption point by itself
		open.store(true);
		cfs_wake_all(&q);
	}
};

void door_scenario(World &w, bool wrong)
{
	Node &n = w.add_node("house");
	n.start([wrong] {
		Door door(wrong);
		cfs::Thread in;
		cfs::Thread out;
		EXPECT_TRUE(in.start<&Door::enter>(cfs_node_current(), "guest", &door));
		EXPECT_TRUE(out.start<&Door::unlock>(cfs_node_current(), "host", &door));
		in.join();
		out.join();
	});
}

TEST(PlantedBug, LostWakeUpIsFound)
{
	expect_found(kSeeds, Failure::deadlock, [](World &w) { door_scenario(w, true); });
}

TEST(WithoutBug, TheWaitProtocolLosesNoWakeUp)
{
	run_seeds(kSeedsWithoutBug, [](World &w) { door_scenario(w, false); });
}

// ---- a server that acknowledges before it has flushed ----

constexpr std::size_t kSector = 512;
constexpr std::uint16_t kPort = 988;
using Sector = std::array<std::byte, kSector>;

std::uint64_t load_counter(Disk &d)
{
	Sector s{};
	EXPECT_TRUE(d.read(0, s));
	std::uint64_t v = 0;
	std::memcpy(&v, s.data(), sizeof(v));
	return v;
}

cfs::Result<> store_counter(Disk &d, std::uint64_t v)
{
	Sector s{};
	std::memcpy(s.data(), &v, sizeof(v));
	return d.write(0, s);
}

Message number(std::uint64_t v)
{
	Message m(sizeof(v));
	std::memcpy(m.data(), &v, sizeof(v));
	return m;
}

// Counts requests on disk and answers each with the new count.
void counting_server(Disk &d, bool flush_first)
{
	Inbox inbox;
	ASSERT_TRUE(this_world().net().listen(kPort, inbox));
	std::uint64_t count = load_counter(d);
	for (;;) {
		auto e = inbox.next();
		if (!e || e->kind == NetEvent::Kind::closed || e->kind == NetEvent::Kind::reset) {
			if (e)
				e->conn->close();
			break;
		}
		if (e->kind != NetEvent::Kind::message)
			continue;
		ASSERT_TRUE(store_counter(d, ++count));
		if (flush_first) {
			ASSERT_TRUE(d.flush());
		}
		(void)e->conn->send(number(count));
		if (!flush_first) {
			ASSERT_TRUE(d.flush());
		}
	}
	this_world().net().unlisten(kPort);
}

void durability_scenario(World &w, bool wrong)
{
	Disk &d = w.add_disk("d", {});
	Node &server = w.add_node("server");
	Node &client = w.add_node("client");
	server.attach(d);
	auto acknowledged = std::make_shared<std::uint64_t>(0);

	server.start([&d, wrong] { counting_server(d, !wrong); });
	client.start([&w, &server, acknowledged] {
		Inbox inbox;
		Conn *c = w.net().connect(server.address(), kPort, inbox);
		for (int i = 0; i < 5; i++) {
			auto e = inbox.next();
			if (e->kind == NetEvent::Kind::message)
				std::memcpy(acknowledged.get(), e->message.data(), 8);
			else if (e->kind != NetEvent::Kind::connected)
				break;
			if (!c->send(number(0)))
				break;
		}
		c->close();
	});
	w.spawn("script", [&w, &d, &server, &client, acknowledged] {
		sleep_for(w.rng().below(20 * kMillisecond));
		server.crash(CrashKind::process);
		client.wait_down();
		auto on_disk = load_counter(d);
		w.check(on_disk >= *acknowledged, "acknowledged " + std::to_string(*acknowledged) +
							  ", but the disk has " +
							  std::to_string(on_disk));
	});
}

TEST(PlantedBug, AcknowledgingBeforeTheFlushIsFound)
{
	expect_found(kSeeds, Failure::check, [](World &w) { durability_scenario(w, true); });
}

TEST(WithoutBug, FlushingFirstLosesNothing)
{
	run_seeds(kSeedsWithoutBug, [](World &w) { durability_scenario(w, false); });
}

} // namespace
