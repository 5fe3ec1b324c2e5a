// SPDX-License-Identifier: GPL-2.0
//
// Two clients make, move, change and remove files in the same directories at the same time, each
// its own names, and read the directories while they change. Servers may lose their power
// meanwhile.
#include <algorithm>

#include "tests/sim/fs_tree.hpp"

namespace
{

using namespace cfs::sim;
using cluster::ClientNode;
using cluster::kFile;
using cluster::Model;
using cluster::must;
using cluster::Tree;

constexpr unsigned kSteps = 80;
const std::string kDirs[] = {"common", "common/a", "common/b"};

/// What the fibers of a run share.
struct Shared {
	Model models[2];
	unsigned steps = 0;
	bool made = false; // the directories
	unsigned working = 2;
	bool faults_over = true;
	bool ended[2] = {};
	bool lost = false; // client 1, with what it had not written
};
using SharedPtr = std::shared_ptr<Shared>;

class Churn
{
	Tree t_;
	Model &model_;
	Rng &rng_;
	std::string prefix_;
	unsigned number_ = 0;

	std::string dir() { return kDirs[rng_.below(std::size(kDirs))]; }
	std::string fresh() { return dir() + "/" + prefix_ + std::to_string(++number_); }
	/// One of the own files; empty when there is none.
	std::string own()
	{
		auto files = t_.below("common", kFile);
		return files.empty() ? "" : files[rng_.below(files.size())];
	}
	void change(const std::string &path)
	{
		switch (rng_.below(4)) {
		case 0:
			return t_.chmod(path, 0600 | static_cast<std::uint32_t>(rng_.below(0200)));
		case 1:
			return t_.set_time(path);
		default:
			// No shorter than before: it is written over.
			std::size_t n = model_.at(path)->data.size() + rng_.below(10'000);
			return t_.write(path, cluster::make_data(n, rng_.u64()));
		}
	}
	void move(const std::string &from)
	{
		std::string to = rng_.chance(3) ? own() : fresh();
		// Two names of one file: rename(2) does nothing.
		if (!model_.contains(to) || model_.at(to) != model_.at(from))
			t_.rename(from, to);
	}

public:
	Churn(client::host::Vfs &v, Shared &shared, unsigned client)
	    : t_(v, shared.models[client], this_world().rng(), [&shared] { shared.steps++; }),
	      model_(shared.models[client]), rng_(this_world().rng()),
	      prefix_("c" + std::to_string(client) + "-")
	{
	}
	Tree &tree() { return t_; }
	/// Whatever somebody else has left there.
	void verify_own()
	{
		for (auto &d : kDirs)
			t_.verify_names(d, prefix_);
		for (auto &path : t_.below("common", kFile))
			t_.look(path);
	}

	void step()
	{
		std::string path = own();
		switch (path.empty() ? 0 : rng_.below(10)) {
		case 0:
		case 1:
		case 2:
			return t_.write(fresh(),
					cluster::make_data(rng_.below(20'000), rng_.u64()));
		case 3:
			return t_.unlink(path);
		case 4:
			return t_.link(path, fresh());
		case 5:
			return move(path);
		case 6:
			return t_.verify_names(dir(), prefix_);
		case 7:
			return t_.look(path);
		default:
			return change(path);
		}
	}
};

void churn(ClientNode &c, Shared &shared, unsigned client)
{
	Churn work(*c.vfs, shared, client);
	if (client == 0) {
		for (auto &d : kDirs)
			work.tree().mkdir(d);
		shared.models[1] = shared.models[0];
		for (auto &[path, inode] : shared.models[1])
			inode = std::make_shared<cluster::Inode>(*inode);
		shared.made = true;
	}
	while (!shared.made)
		sleep_for(10 * kMillisecond);
	for (unsigned i = 0; i < kSteps; i++)
		work.step();
	shared.ended[client] = true;
	shared.working--;
	while (shared.working || !shared.faults_over)
		sleep_for(100 * kMillisecond);
	if (shared.lost) {
		work.verify_own();
		return;
	}
	Model all = shared.models[0];
	all.insert(shared.models[1].begin(), shared.models[1].end());
	Tree t(*c.vfs, all, this_world().rng());
	t.verify("common");
	t.make_durable("common");
}

cluster::FsPtr run(World &w, const SharedPtr &shared)
{
	auto fs = cluster::make_fs(w);
	for (unsigned n = 0; n < 2; n++)
		cluster::on_client(fs, n, [shared, n](ClientNode &c) { churn(c, *shared, n); });
	return fs;
}

/// For a number of clients' steps, unless something is over before.
void wait_steps(const Shared &shared, const std::function<bool()> &over)
{
	auto step = shared.steps + this_world().rng().below(kSteps);
	while (shared.steps < step && !over())
		sleep_for(kMillisecond);
}

TEST(SimFsChurn, TwoClientsInTheSameDirectories)
{
	run_seeds(200, [](World &w) { (void)run(w, std::make_shared<Shared>()); });
}

TEST(SimFsChurn, TheNetworkBreaksMeanwhile)
{
	run_seeds(100, [](World &w) {
		FaultPlan plan;
		plan.from = 5 * kSecond;
		plan.until = 60 * kSecond;
		plan.reset_every = kSecond;
		plan.partition_every = 4 * kSecond;
		plan.partition_max = 3 * kSecond; // nobody is evicted
		(void)run(w, std::make_shared<Shared>());
		w.inject(plan);
	});
}

TEST(SimFsChurn, TheOtherClientIsLostMeanwhile)
{
	run_seeds(100, [](World &w) {
		auto shared = std::make_shared<Shared>();
		shared->faults_over = false;
		auto fs = run(w, shared);
		w.spawn("power", [fs, shared] {
			while (!shared->made)
				sleep_for(kMillisecond);
			wait_steps(*shared, [&] { return shared->ended[1]; });
			fs->clients[1]->crash(CrashKind::power);
			shared->lost = true;
			shared->working -= !shared->ended[1];
			shared->faults_over = true;
			fs->clients_done++;
		});
	});
}

TEST(SimFsChurn, AServerLosesItsPowerMeanwhile)
{
	run_seeds(100, [](World &w) {
		auto shared = std::make_shared<Shared>();
		shared->faults_over = false;
		auto fs = run(w, shared);
		w.spawn("power", [fs, shared] {
			Rng &rng = this_world().rng();
			while (!shared->made)
				sleep_for(10 * kMillisecond);
			for (auto times = rng.between(1, 3); times && shared->working; times--) {
				wait_steps(*shared, [&] { return !shared->working; });
				cluster::lose_power(*fs);
			}
			shared->faults_over = true;
		});
	});
}

} // namespace
