// SPDX-License-Identifier: GPL-2.0
//
// Imperative recovery: a target that starts, wherever it does, has its clients back at once,
// because the MGS tells them. Left to themselves they try again at ever longer intervals, and only
// where the target has been before.
#include <fcntl.h>

#include "client/host/vfs.hpp"
#include "tests/sim/cluster_fs.hpp"

namespace
{

using namespace cfs::sim;
using cluster::check;
using cluster::MountedTarget;
using cluster::must;

/// From the announcement to the end of recovery: the MGS gathers for half a second, clients come
/// within five, and what is left is for requests. A client that waits for its own time-outs then
/// tries every 30 s and more.
constexpr Nanos kAtOnce = 8 * kSecond;
/// Long enough for those intervals to have grown.
constexpr Nanos kDown = 90 * kSecond;

/// MGS and MDT, or the MGS alone; two servers that can have the OST; a client.
struct Site {
	Node *mgs = nullptr, *mdt = nullptr, *first = nullptr, *second = nullptr, *client = nullptr;
	cluster::DiskPtr mgs_disk, mdt_disk, ost_disk;
	unsigned written = 0;	///< times that the client has had something written
	bool may_write = false; ///< again
	Nanos ost_up = 0, served = 0;
	bool over = false;

	[[nodiscard]] std::string mount_text() const
	{
		char buf[80];
		return std::string(cfs::format_to(buf, "device={}:/tfs", lnet::sim::nid_of(*mgs)));
	}
};
using SitePtr = std::shared_ptr<Site>;

mkfs::Request mgs_request()
{
	mkfs::Request r;
	r.mgs = true;
	return r;
}

void mount_ost(const SitePtr &s, Node &n)
{
	cluster::start(n, [s](cluster::Stack &stack) {
		MountedTarget ost(stack, *s->ost_disk, "tfs-OST0000");
		s->ost_up = this_world().now();
		wait_stop();
	});
}

/// Writes to the OST; returns when that is on its disk.
void write_something(client::host::Vfs &v, Site &s)
{
	auto f = must(v.open("/f", O_CREAT | O_RDWR, 0644), "open");
	std::string data(1000 + s.written, 'x');
	must(f->write(0, cfs::as_bytes(data)), "write");
	must(f->fsync(), "fsync");
	must(f->close(), "close");
	s.served = this_world().now();
	s.written++;
}

void run_client(const SitePtr &s)
{
	cluster::start(*s->client, [s](cluster::Stack &stack) {
		while (!s->ost_up)
			sleep_for(kSecond);
		sleep_for(10 * kSecond); // the MDT has heard of the OST
		auto v = must(client::host::Vfs::mount(stack.node, s->mount_text()), "mount");
		write_something(*v, *s);
		while (!s->may_write)
			sleep_for(kSecond);
		write_something(*v, *s);
		must(v->unmount(), "unmount");
		v.reset();
		s->over = true;
	});
}

void make_disks(Site &s, World &w, bool own_mgs)
{
	Node &bench = w.add_node("bench");
	bench.start([&s, own_mgs] {
		check(cfs_core_start() == 0, "libcfs");
		if (own_mgs) {
			s.mgs_disk = cluster::make_target_disk(mgs_request());
			auto mdt = cluster::mdt_request();
			mdt.mgs = false;
			auto with_mgs = cluster::ost_request(0, lnet::sim::nid_of(*s.mgs));
			mdt.params = with_mgs.params;
			s.mdt_disk = cluster::make_target_disk(mdt);
		} else {
			s.mdt_disk = cluster::make_target_disk(cluster::mdt_request());
		}
		s.ost_disk = cluster::make_target_disk(
			cluster::ost_request(0, lnet::sim::nid_of(*s.mgs)));
		cfs_core_stop();
	});
	bench.wait_down();
}

/// All of it; `fail` is what happens to the OST after the first write, until it is up again.
void run_site(World &w, bool own_mgs, const std::function<void(const SitePtr &)> &fail)
{
	auto s = std::make_shared<Site>();
	auto nodes = lnet::sim::add_nodes(w, 5);
	s->mdt = nodes[1];
	s->mgs = own_mgs ? nodes[0] : s->mdt;
	s->first = nodes[2];
	s->second = nodes[3];
	s->client = nodes[4];
	w.spawn("script", [=, &w] {
		make_disks(*s, w, own_mgs);
		if (own_mgs)
			cluster::start(*s->mgs, [s](cluster::Stack &stack) {
				MountedTarget m(stack, *s->mgs_disk, "MGS");
				wait_stop();
			});
		cluster::start(*s->mdt, [s](cluster::Stack &stack) {
			MountedTarget m(stack, *s->mdt_disk, "tfs-MDT0000");
			wait_stop();
		});
		mount_ost(s, *s->first);
		run_client(s);
		while (s->written == 0)
			sleep_for(kSecond);
		fail(s);
		s->may_write = true;
		while (!s->over)
			sleep_for(kSecond);
		for (Node *n : {s->client, s->first, s->second, s->mdt, s->mgs}) {
			n->stop();
			n->wait_down();
		}
	});
}

/// Waits for the client's second write, which waits for the OST.
void expect_at_once(const Site &s)
{
	while (s.written < 2)
		sleep_for(100 * kMillisecond);
	check(s.ost_up && s.served > s.ost_up && s.served - s.ost_up < kAtOnce, "late");
}

TEST(SimServerRecovery, ClientsComeBackAtOnceWhenATargetHasRestarted)
{
	run_seeds(40, [](World &w) {
		run_site(w, false, [](const SitePtr &s) {
			Rng &rng = this_world().rng();
			sleep_for(rng.below(30 * kSecond));
			s->first->crash(CrashKind::power);
			s->may_write = true;
			sleep_for(kDown + rng.below(30 * kSecond));
			s->ost_up = 0;
			s->first->restart();
			expect_at_once(*s);
		});
	});
}

/// Nobody but the MGS knows of the new place.
TEST(SimServerRecovery, ClientsFindATargetThatIsStartedElsewhere)
{
	run_seeds(40, [](World &w) {
		run_site(w, false, [](const SitePtr &s) {
			s->first->crash(CrashKind::power);
			s->may_write = true;
			sleep_for(kDown);
			s->ost_up = 0;
			mount_ost(s, *s->second);
			expect_at_once(*s);
		});
	});
}

/// Its table begins anew, the versions in it do not.
TEST(SimServerRecovery, AnMgsThatHasRestartedTellsClientsToo)
{
	run_seeds(40, [](World &w) {
		run_site(w, true, [](const SitePtr &s) {
			Rng &rng = this_world().rng();
			s->first->crash(CrashKind::power);
			s->may_write = true;
			s->mgs->crash(CrashKind::power);
			sleep_for(rng.below(20 * kSecond));
			s->mgs->restart();
			// Until everybody has found the MGS again.
			sleep_for(2 * kDown);
			s->ost_up = 0;
			mount_ost(s, *s->second);
			expect_at_once(*s);
		});
	});
}

/// The MGS is lost while it tells them.
TEST(SimServerRecovery, AnMgsThatIsLostMeanwhileDelaysClientsOnly)
{
	run_seeds(40, [](World &w) {
		run_site(w, true, [](const SitePtr &s) {
			Rng &rng = this_world().rng();
			s->first->crash(CrashKind::power);
			s->may_write = true;
			sleep_for(rng.below(60 * kSecond));
			s->ost_up = 0;
			s->first->restart();
			while (!s->ost_up)
				sleep_for(10 * kMillisecond);
			sleep_for(rng.below(6 * kSecond));
			s->mgs->crash(CrashKind::power);
			sleep_for(rng.below(60 * kSecond));
			s->mgs->restart();
			while (s->written < 2)
				sleep_for(kSecond);
		});
	});
}

} // namespace
