// SPDX-License-Identifier: GPL-2.0
//
// The steps of tests/vm/mount in the simulator: a whole file system of two servers, one client that
// works on it, another one that verifies what it did.
#include <fcntl.h>

#include <algorithm>

#include "tests/sim/fs_tree.hpp"

namespace
{

using namespace cfs::sim;
using cluster::check;
using cluster::ClientNode;
using cluster::must;
using cluster::Tree;

constexpr unsigned kItems = 50;

/// What the fibers of a run share.
struct Shared {
	cluster::Model model;
	unsigned steps = 0; ///< that the first client has begun
	bool worked = false;
	bool faults_over = false;
};
using SharedPtr = std::shared_ptr<Shared>;

/// Waits for a moment while the first client works; false: it has done its work.
bool wait_step(const Shared &shared)
{
	constexpr unsigned kSteps = 500;
	Rng &rng = this_world().rng();
	unsigned step = shared.steps + static_cast<unsigned>(rng.below(kSteps));
	while (shared.steps < step && !shared.worked)
		sleep_for(kMillisecond);
	sleep_for(rng.below(10 * kMillisecond));
	return !shared.worked;
}

/// all_up: there was no fault. An OST that is away has no part in a new file.
void striped_file(Tree &t, Rng &rng, bool all_up)
{
	t.setstripe("work/striped", {"-c", "2", "-S", "64K"});
	t.write("work/striped", cluster::make_data(rng.between(300'000, 400'000), rng.u64()));
	auto osts = t.osts_of("work/striped");
	std::string text;
	std::ranges::sort(osts);
	for (auto o : osts)
		text += " " + std::to_string(o);
	check(!all_up || text == " 0 1", "objects are on the OSTs" + text);
}

void check_space(client::host::Vfs &v)
{
	auto s = must(v.statfs(), "statfs");
	check(s.blocks > 0 && s.bfree < s.blocks && s.bavail <= s.bfree, "free space");
	check(s.ffree < s.files, "free inodes");
}

/// Half of the files, and a directory with all that is in it.
void remove_half(Tree &t, const std::string &path)
{
	auto files = t.below(path, cluster::kFile);
	for (std::size_t i = 0; i < files.size(); i += 2)
		t.unlink(files[i]);
	if (auto dirs = t.below(path, cluster::kDir); !dirs.empty())
		t.remove_all(dirs.front());
}

void work(client::host::Vfs &v, Tree &t, Rng &rng, bool all_up)
{
	t.mkdir("work");
	t.make("work/tree", kItems);
	t.verify("work");
	striped_file(t, rng, all_up);
	if (rng.chance(2))
		v.drop_caches();
	t.verify("work");
	t.rename("work/tree", "work/moved");
	t.link("work/striped", "work/linked");
	t.symlink("moved/include", "work/soft");
	check_space(v);
	remove_half(t, "work/moved");
	t.verify("work");
}

/// The whole of tests/vm/mount.
void run_clients(World &w, const cluster::FsPtr &fs, const SharedPtr &shared)
{
	cluster::on_client(fs, 0, [shared](ClientNode &c) {
		Rng &rng = this_world().rng();
		Tree t(*c.vfs, shared->model, rng, [shared] { shared->steps++; });
		work(*c.vfs, t, rng, shared->faults_over);
		shared->worked = true;
		while (!shared->faults_over)
			sleep_for(100 * kMillisecond);
		t.make_durable("work");
	});
	auto verify = [shared](ClientNode &c) {
		while (!shared->worked)
			sleep_for(100 * kMillisecond);
		Tree t(*c.vfs, shared->model, this_world().rng());
		t.verify("work");
	};
	// It was there all the time, or comes when the work is done.
	bool early = w.rng().chance(2);
	cluster::on_client(fs, 1, verify, [=] { return early || shared->worked; });
}

TEST(SimFs, WhatOneClientDoesAnotherOneFinds)
{
	run_seeds(1000, [](World &w) {
		auto shared = std::make_shared<Shared>();
		shared->faults_over = true;
		run_clients(w, cluster::make_fs(w), shared);
	});
}

/// What was not durable then, clients do again.
TEST(SimFs, AServerLosesItsPowerAndTheWorkGoesOn)
{
	run_seeds(100, [](World &w) {
		auto shared = std::make_shared<Shared>();
		auto fs = cluster::make_fs(w);
		run_clients(w, fs, shared);
		w.spawn("power", [fs, shared] {
			Rng &rng = this_world().rng();
			while (!fs->ready)
				sleep_for(100 * kMillisecond);
			for (auto times = rng.between(1, 3); times && wait_step(*shared); times--)
				cluster::lose_power(*fs);
			shared->faults_over = true;
		});
	});
}

// ---- a client that dies ----

/// Files that are made durable one after the other, until the power is gone.
void write_durable(client::host::Vfs &v, Shared &shared, std::vector<cluster::Data> &durable)
{
	Rng &rng = this_world().rng();
	auto step = [&shared](auto r, std::string_view what) {
		shared.steps++;
		return must(std::move(r), what);
	};
	must(v.mkdir("/work"), "mkdir");
	for (;;) {
		auto data = cluster::make_data(rng.below(200'000), rng.u64());
		std::string name = "/work/f" + std::to_string(durable.size());
		auto f = step(v.open(name + ".new", O_CREAT | O_WRONLY), "open");
		step(f->write(0, data), "write");
		step(f->fsync(), "fsync");
		step(f->close(), "close");
		step(v.rename(name + ".new", name), "rename");
		auto dir = step(v.open("/work", O_RDONLY | O_DIRECTORY), "open");
		step(dir->fsync(), "fsync");
		step(dir->close(), "close");
		durable.push_back(std::move(data));
	}
}

/// What was durable is there, and nobody is in the way of its removal.
void clear_up(client::host::Vfs &v, const std::vector<cluster::Data> &durable)
{
	for (std::size_t i = 0; i < durable.size(); i++) {
		std::string name = "/work/f" + std::to_string(i);
		check(must(v.read_file(name), "read " + name) == durable[i], name + " differs");
	}
	for (auto &e : must(v.readdir("/work"), "readdir"))
		if (e.name != "." && e.name != "..")
			must(v.unlink("/work/" + e.name), "unlink " + e.name);
	must(v.rmdir("/work"), "rmdir");
}

TEST(SimFs, AClientLosesItsPowerAndTheOtherOneGoesOn)
{
	run_seeds(100, [](World &w) {
		auto shared = std::make_shared<Shared>();
		auto durable = std::make_shared<std::vector<cluster::Data>>();
		auto fs = cluster::make_fs(w);
		cluster::on_client(
			fs, 0, [=](ClientNode &c) { write_durable(*c.vfs, *shared, *durable); });
		cluster::on_client(fs, 1, [=](ClientNode &c) {
			while (!shared->faults_over)
				sleep_for(100 * kMillisecond);
			clear_up(*c.vfs, *durable);
		});
		w.spawn("power", [fs, shared] {
			while (shared->steps == 0)
				sleep_for(100 * kMillisecond);
			(void)wait_step(*shared);
			fs->clients[0]->crash(CrashKind::power);
			fs->clients_done++;
			shared->faults_over = true;
		});
	});
}

} // namespace
