// SPDX-License-Identifier: GPL-2.0
//
// Eight clients and a server that lose each other, crash, and come back: see kv.hpp for what is
// checked all the time, and check_end() for what is in the end.
#include <sstream>

#include "lustre/kv_selftest/load.hpp"
#include "tests/sim/kv.hpp"

namespace
{

using namespace cfs::sim;
using kv::Book;
using kv::u32;
using kv::u64;

struct Scene {
	unsigned clients = 8;
	unsigned steps = 6; ///< of each of a client's two threads
	cfs::Duration commit_interval = cfs::Duration::seconds(1);
	Nanos pause = 4 * kSecond; ///< between steps, at most
};

/// One life of a client's node.
void run_client(cluster::Stack &s, Book &book, lnet::Nid server, const Scene &scene)
{
	std::string node(this_node().name());
	book.finished.erase(node); // another life
	if (auto it = book.running.find(node); it != book.running.end())
		book.lost.insert(it->second); // its memory went with the crash
	kv::ClientKeeper client(s, book, server);
	book.running[node] = client.uuid();
	int threads = 2;
	for (int t = 0; t < 2; t++)
		this_node().spawn("worker", [&] {
			for (unsigned i = 0; i < scene.steps; i++) {
				client.step();
				sleep_for(this_world().rng().below(scene.pause));
			}
			threads--;
		});
	while (threads > 0)
		sleep_for(50 * kMillisecond);
	client.close();
	book.running.erase(node);
	book.finished.insert(node);
}

/// What is on the disk against what clients were told.
void check_end(const Book &book, osd::mem::Disk &disk)
{
	auto device = cluster::mount(disk, kv::kTarget);
	std::map<u64, std::pair<unsigned, u64>> found;
	for (unsigned k = 0; k < kv::kKeys; k++) {
		auto list = kv::list_on(*device, k);
		for (u64 place = 0; place < list.size(); place++) {
			u64 n = list[place];
			cluster::check(book.tried.contains(n), "a number that nobody appended");
			cluster::check(found.try_emplace(n, k, place).second,
				       "an append was executed twice");
		}
	}
	for (const auto &[number, told] : book.told) {
		auto it = found.find(number);
		if (it == found.end()) {
			std::string who = std::to_string(number) + " of " + told.client;
			if (!book.lost.contains(told.client))
				cluster::check(false, "answered and gone: " + who);
			cluster::check(!told.committed, "committed and gone: " + who);
			continue;
		}
		cluster::check(it->second == std::pair(told.key, told.place),
			       "an append is not where its client was told");
	}
}

struct World2 {
	std::shared_ptr<Book> book;
	Node *server;
	std::vector<Node *> clients;
};

/// Who crashes.
enum class Whom { everybody, server, clients };

World2 make_world(World &w, const Scene &scene, FaultPlan plan = {}, Whom whom = Whom::everybody)
{
	World2 v{std::make_shared<Book>(), &w.add_node("server"), {}};
	v.clients = lnet::sim::add_nodes(w, scene.clients, "c");
	auto disk = cluster::make_disk(kv::kTarget, 64 << 20);
	lnet::Nid nid = lnet::sim::nid_of(*v.server);
	cluster::start(*v.server, [=, book = v.book](cluster::Stack &s) {
		kv::serve(s, *book, *disk, scene.commit_interval);
	});
	for (Node *c : v.clients)
		cluster::start(*c, [=, book = v.book](cluster::Stack &s) {
			run_client(s, *book, nid, scene);
		});
	if (whom != Whom::clients)
		plan.crash_nodes = {v.server};
	if (whom != Whom::server)
		plan.crash_nodes.insert(plan.crash_nodes.end(), v.clients.begin(), v.clients.end());
	if (plan.until)
		w.inject(plan);
	Node &judge = w.add_node("judge");
	w.spawn("script", [v, disk, &judge, until = plan.until] {
		// What crashes at the very end boots within down_max; also what had ended before.
		sleep_for(until + 45 * kSecond);
		while (v.book->finished.size() < v.clients.size()) {
			sleep_for(kSecond);
			for (Node *c : v.clients)
				c->wait_down();
		}
		while (!v.server->up())
			sleep_for(kSecond);
		v.server->stop();
		v.server->wait_down();
		judge.start([book = v.book, disk] {
			cluster::check(cfs_core_start() == 0, "core");
			check_end(*book, *disk);
			cfs_core_stop();
		});
	});
	return v;
}

TEST(SimKv, EightClientsOnAWholeNetwork)
{
	run_seeds(20, [](World &w) {
		auto v = make_world(w, {});
		w.spawn("check", [v] {
			while (v.book->finished.size() < v.clients.size())
				sleep_for(kSecond);
			EXPECT_EQ(v.book->failed, 0u);
			EXPECT_EQ(v.book->evictions, 0u);
		});
	});
}

TEST(SimKv, ResetsAndPartitions)
{
	run_seeds(30, [](World &w) {
		FaultPlan plan;
		plan.from = kSecond;
		plan.until = 40 * kSecond;
		plan.reset_every = 3 * kSecond;
		plan.partition_every = 8 * kSecond;
		(void)make_world(w, {}, plan);
	});
}

TEST(SimKv, AnswersAreLostAndGivenAgain)
{
	unsigned rebuilt = 0, runs = 0;
	run_seeds(30, [&](World &w) {
		Scene scene;
		scene.clients = 3;
		scene.steps = 60;
		scene.pause = kMillisecond;
		FaultPlan plan;
		plan.from = kSecond / 10;
		plan.until = 20 * kSecond;
		plan.reset_every = 10 * kMillisecond;
		auto v = make_world(w, scene, plan);
		runs++;
		w.spawn("count", [v, &rebuilt] {
			while (v.book->finished.size() < v.clients.size())
				sleep_for(kSecond);
			rebuilt += v.book->rebuilt;
		});
	});
	// Every second run has one.
	if (runs >= 10) {
		EXPECT_GT(rebuilt, 0u);
	}
}

TEST(SimKv, TheServerCrashes)
{
	run_seeds(30, [](World &w) {
		Scene scene;
		scene.commit_interval = cfs::Duration::seconds(5); // much to replay
		FaultPlan plan;
		plan.from = kSecond;
		plan.until = 60 * kSecond;
		plan.crash_every = 20 * kSecond;
		(void)make_world(w, scene, plan, Whom::server);
	});
}

TEST(SimKv, ClientsCrash)
{
	run_seeds(30, [](World &w) {
		FaultPlan plan;
		plan.from = kSecond;
		plan.until = 40 * kSecond;
		plan.crash_every = 6 * kSecond;
		plan.down_together_max = 3;
		(void)make_world(w, {}, plan, Whom::clients);
	});
}

TEST(SimKv, EverythingAtOnce)
{
	run_seeds(30, [](World &w) {
		Scene scene;
		scene.steps = 8;
		scene.commit_interval = cfs::Duration::seconds(3);
		FaultPlan plan;
		plan.from = kSecond;
		plan.until = 80 * kSecond;
		plan.crash_every = 15 * kSecond;
		plan.down_together_max = 2;
		plan.partition_every = 15 * kSecond;
		plan.reset_every = 5 * kSecond;
		plan.clock_every = 20 * kSecond;
		(void)make_world(w, scene, plan);
	});
}

// ---- the load that kv_client.ko runs ----

/// What the loads of two nodes showed at their ends.
struct Shown {
	Book book;
	std::string told[2];
	unsigned ended = 0;
};

void run_load(cluster::Stack &s, Shown &shown, lnet::Nid server, u32 id)
{
	kv::Load load;
	kv::LoadSpec spec;
	spec.client = {kv::kTarget, {&server, 1}};
	spec.id = id;
	spec.threads = 3;
	spec.steps = 15;
	spec.seed = this_world().rng().below(1000);
	spec.pause = cfs::Duration::seconds(4);
	cluster::must(load.start(s.node, *s.rpc, *s.ldlm, spec), "no load");
	while (load.running() > 0)
		sleep_for(kSecond);
	char text[4096];
	cfs::FormatSink out(text);
	load.show_told(out);
	shown.told[id - 1] = std::string(text, out.size());
	const auto &c = load.counters();
	cluster::check(c.failed == 0 && c.wrong == 0 && c.evicted == 0, "a client came to harm");
	cluster::check(c.appended + c.reads == u64{spec.threads} * spec.steps, "steps are missing");
	load.stop();
	shown.ended++;
}

/// Every line of a load names a number of that client, which is at that place.
void check_told(const Shown &shown, osd::mem::Disk &disk)
{
	auto device = cluster::mount(disk, kv::kTarget);
	std::vector<u64> lists[kv::kKeys];
	std::size_t on_disk = 0, lines = 0;
	for (unsigned k = 0; k < kv::kKeys; k++) {
		lists[k] = kv::list_on(*device, k);
		on_disk += lists[k].size();
	}
	for (u64 id = 1; id <= 2; id++) {
		std::istringstream in(shown.told[id - 1]);
		u64 number = 0, key = 0, place = 0, committed = 0;
		while (in >> number >> key >> place >> committed) {
			cluster::check(number >> 32 == id && key < kv::kKeys, "a strange line");
			cluster::check(place < lists[key].size() && lists[key][place] == number,
				       "an append is not where its client was told");
			lines++;
		}
	}
	cluster::check(lines == on_disk && lines > 0, "appended and not told");
}

TEST(SimKv, WhatALoadShowsIsOnTheDisk)
{
	run_seeds(20, [](World &w) {
		auto shown = std::make_shared<Shown>();
		auto disk = cluster::make_disk(kv::kTarget, 64 << 20);
		Node &server = w.add_node("server");
		lnet::Nid nid = lnet::sim::nid_of(server);
		cluster::start(server, [=](cluster::Stack &s) {
			kv::serve(s, shown->book, *disk, cfs::Duration::seconds(3));
		});
		auto clients = lnet::sim::add_nodes(w, 2, "c");
		for (u32 i = 0; i < 2; i++)
			cluster::start(*clients[i],
				       [=](cluster::Stack &s) { run_load(s, *shown, nid, i + 1); });
		FaultPlan plan;
		plan.from = kSecond;
		plan.until = 25 * kSecond;
		plan.crash_every = 10 * kSecond;
		plan.crash_nodes = {&server};
		w.inject(plan);
		Node &judge = w.add_node("judge");
		w.spawn("script", [=, &server, &judge] {
			while (shown->ended < 2)
				sleep_for(kSecond);
			while (!server.up())
				sleep_for(kSecond);
			server.stop();
			server.wait_down();
			judge.start([=] {
				cluster::check(cfs_core_start() == 0, "core");
				check_told(*shown, *disk);
				cfs_core_stop();
			});
		});
	});
}

TEST(SimKv, ALoadEndsWithoutItsServer)
{
	run_seeds(20, [](World &w) {
		auto book = std::make_shared<Book>();
		auto disk = cluster::make_disk(kv::kTarget, 64 << 20);
		Node &server = w.add_node("server");
		lnet::Nid nid = lnet::sim::nid_of(server);
		cluster::start(server, [=](cluster::Stack &s) {
			kv::serve(s, *book, *disk, cfs::Duration::seconds(3));
		});
		auto ended = std::make_shared<unsigned>(0);
		auto clients = lnet::sim::add_nodes(w, 2, "c");
		for (u32 i = 0; i < 2; i++)
			cluster::start(*clients[i], [=](cluster::Stack &s) {
				kv::Load load;
				kv::LoadSpec spec;
				spec.client = {kv::kTarget, {&nid, 1}};
				spec.id = i + 1;
				spec.steps = 10000;
				cluster::must(load.start(s.node, *s.rpc, *s.ldlm, spec), "no load");
				sleep_for(8 * kSecond);
				load.stop();
				++*ended;
			});
		w.spawn("script", [=, &server, &w] {
			sleep_for(2 * kSecond + w.rng().below(kSecond));
			server.crash();
			while (*ended < 2)
				sleep_for(kSecond);
		});
	});
}

} // namespace
