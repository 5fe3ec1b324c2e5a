// SPDX-License-Identifier: GPL-2.0
//
// Imperative recovery: a target that starts, wherever it does, has its clients back at once,
// because the MGS tells them. Left to themselves they try again at ever longer intervals, and only
// where the target has been before.
#include <fcntl.h>

#include "client/host/vfs.hpp"
#include "libcfs/host/params.hpp"
#include "mgc/mgc.hpp"
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
	Node *other = nullptr; ///< a client, too
	cluster::DiskPtr mgs_disk, mdt_disk, ost_disk;
	unsigned written = 0;	///< times that the client has had something written
	bool may_write = false; ///< again
	Nanos ost_up = 0, served = 0;
	std::string window; ///< for clients of the OST to come back, seconds
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

std::string ost_file(const char *name)
{
	return std::string("fs/lustre/obdfilter/tfs-OST0000/") + name;
}

/// On the node of the OST.
std::string ost_parameter(const char *name)
{
	return must(cfs::host::param_get(cfs_node_current(), CFS_PTREE_SYSFS, ost_file(name)),
		    name);
}

void mount_ost(const SitePtr &s, Node &n)
{
	cluster::start(n, [s](cluster::Stack &stack) {
		MountedTarget ost(stack, *s->ost_disk, "tfs-OST0000");
		s->window = ost_parameter("recovery_time_soft");
		s->ost_up = this_world().now();
		wait_stop();
	});
}

/// The client will write again, and the OST is not there.
void lose_ost(Site &s)
{
	s.first->crash(CrashKind::power);
	s.may_write = true;
}

void restart_ost(Site &s)
{
	s.ost_up = 0;
	s.first->restart();
}

void move_ost(const SitePtr &s)
{
	s->ost_up = 0;
	mount_ost(s, *s->second);
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
	auto nodes = lnet::sim::add_nodes(w, 6);
	s->mdt = nodes[1];
	s->mgs = own_mgs ? nodes[0] : s->mdt;
	s->first = nodes[2];
	s->second = nodes[3];
	s->client = nodes[4];
	s->other = nodes[5];
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
		for (Node *n : {s->client, s->other, s->first, s->second, s->mdt, s->mgs}) {
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
			lose_ost(*s);
			sleep_for(kDown + rng.below(30 * kSecond));
			restart_ost(*s);
			expect_at_once(*s);
		});
	});
}

/// One that does not want to be told is counted by the MGS.
void expect_window(const SitePtr &s, const char *option, const char *window)
{
	bool mounted = false;
	cluster::start(*s->other, [&](cluster::Stack &stack) {
		auto text = std::string(option) + "exclude=tfs-OST0000," + s->mount_text();
		auto v = must(client::host::Vfs::mount(stack.node, text), "mount");
		mounted = true;
		wait_stop();
		must(v->unmount(), "unmount");
	});
	while (!mounted)
		sleep_for(kSecond);
	sleep_for(400 * kSecond); // after which the MGS says that clients are there
	lose_ost(*s);
	restart_ost(*s);
	while (s->written < 2)
		sleep_for(kSecond);
	check(s->window == window, "window " + s->window);
}

TEST(SimServerRecovery, ATargetWaitsLessForClientsThatAreAllTold)
{
	run_seeds(10, [](World &w) {
		run_site(w, false, [](const SitePtr &s) { expect_window(s, "", "150\n"); });
	});
	run_seeds(10, [](World &w) {
		run_site(w, false, [](const SitePtr &s) { expect_window(s, "noir,", "300\n"); });
	});
}

/// Nobody but the MGS knows of the new place.
TEST(SimServerRecovery, ClientsFindATargetThatIsStartedElsewhere)
{
	run_seeds(40, [](World &w) {
		run_site(w, false, [](const SitePtr &s) {
			lose_ost(*s);
			sleep_for(kDown);
			move_ost(s);
			expect_at_once(*s);
		});
	});
}

/// It keeps the lock of the table until it is evicted.
TEST(SimServerRecovery, AClientThatIsDeadDoesNotHoldUpOthers)
{
	run_seeds(40, [](World &w) {
		run_site(w, false, [](const SitePtr &s) {
			bool mounted = false;
			cluster::start(*s->other, [s, &mounted](cluster::Stack &stack) {
				// Or the OST would wait for it.
				auto text = "exclude=tfs-OST0000," + s->mount_text();
				auto v = must(client::host::Vfs::mount(stack.node, text), "mount");
				mounted = true;
				wait_stop();
				must(v->unmount(), "unmount");
			});
			while (!mounted)
				sleep_for(kSecond);
			lose_ost(*s);
			sleep_for(kDown);
			s->other->crash(CrashKind::power);
			restart_ost(*s);
			expect_at_once(*s);
		});
	});
}

// ---- MGS and MGCs alone ----

struct Follower final : llog::ConfigHandler, mgc::TargetFollower {
	unsigned instance = 0;
	void target_at(const mgc::TargetPlace &p) noexcept override { instance = p.instance; }
};

class RunningMgc
{
	cfs::UniquePtr<mgc::Mgc> mgc_;

public:
	RunningMgc(cluster::Stack &stack, const Node &mgs)
	{
		char uuid[wire::UUID_MAX];
		stack.rpc->new_uuid(uuid);
		mgc_ = must(mgc::Mgc::create(*stack.rpc, *stack.ldlm,
					     {.device = "MGC", .uuid = std::string_view(uuid)}),
			    "mgc");
		lnet::Nid nid = lnet::sim::nid_of(mgs);
		must(mgc_->add_node({&nid, 1}), "node");
		must(mgc_->connect(cfs::WaitMode::idle, cfs::Instant::never()), "connect");
	}
	~RunningMgc() { stop(); }
	void stop()
	{
		if (mgc_)
			mgc_->stop();
		mgc_.reset();
	}
	mgc::Mgc *operator->() { return mgc_.get(); }
	mgc::Mgc &operator*() { return *mgc_; }
};

wire::MgsTargetInfo target_info(unsigned flags, unsigned index)
{
	wire::MgsTargetInfo mti{};
	mti.flags = flags | wire::LDD_F_SV_TYPE_OST;
	mti.stripe_index = index;
	mti.instance = 7;
	check(mti.fsname.set("tfs"), "name");
	return mti;
}

cfs::Result<> add_ost(mgc::Mgc &m, unsigned index, const lnet::Nid &nid)
{
	auto mti =
		target_info(wire::LDD_F_OPC_REG | wire::LDD_F_VIRGIN | wire::LDD_F_UPDATE, index);
	return m.register_target(mti, {&nid, 1});
}

struct MgsSite {
	cluster::DiskPtr disk;
	Node *mgs = nullptr;
	std::vector<Node *> clients;
};
using MgsSitePtr = std::shared_ptr<MgsSite>;

void run_mgs(World &w, const std::function<void(const MgsSitePtr &)> &script)
{
	auto s = std::make_shared<MgsSite>();
	s->clients = lnet::sim::add_nodes(w, 4);
	s->mgs = s->clients.back();
	s->clients.pop_back();
	w.spawn("script", [=, &w] {
		Node &bench = w.add_node("bench");
		bench.start([s] {
			check(cfs_core_start() == 0, "libcfs");
			s->disk = cluster::make_target_disk(mgs_request());
			cfs_core_stop();
		});
		bench.wait_down();
		cluster::start(*s->mgs, [s](cluster::Stack &stack) {
			MountedTarget m(stack, *s->disk, "MGS");
			wait_stop();
		});
		script(s);
		for (Node *n : s->clients) {
			n->stop();
			n->wait_down();
		}
		s->mgs->stop();
		s->mgs->wait_down();
	});
}

/// Long enough for whoever is dead to be noticed, were it waited for.
constexpr Nanos kPatience = 60 * kSecond;

/// No MGS keeps it, and a mount does not wait for one.
TEST(SimServerRecovery, AnAnnouncementIsMadeToEveryMgs)
{
	run_seeds(40, [](World &w) {
		run_mgs(w, [](const MgsSitePtr &s) {
			enum { begins, registered, away, tried, over } stage = begins;
			Node &t = *s->clients[0], &c = *s->clients[1];
			cluster::start(t, [&](cluster::Stack &stack) {
				RunningMgc m(stack, *s->mgs);
				lnet::Nid nid = lnet::sim::nid_of(t);
				must(add_ost(*m, 0, nid), "register");
				stage = registered;
				while (stage != away)
					sleep_for(kSecond);
				auto mti = target_info(wire::LDD_F_OPC_READY, 0);
				Nanos from = this_world().now();
				check(!m->announce(mti, {&nid, 1}), "announced to nobody");
				check(this_world().now() - from < kPatience, "late");
				stage = tried;
				wait_stop();
			});
			while (stage != registered)
				sleep_for(kSecond);
			s->mgs->crash(CrashKind::power);
			sleep_for(this_world().rng().below(30 * kSecond));
			stage = away;
			while (stage != tried)
				sleep_for(kSecond);
			for (int i = 0; i < 2; i++) {
				s->mgs->restart();
				Follower seen;
				cluster::start(c, [&](cluster::Stack &stack) {
					RunningMgc m(stack, *s->mgs);
					must(m->follow_targets("tfs-cliir", seen, "c"), "follow");
					while (seen.instance != 7)
						sleep_for(kSecond);
				});
				c.wait_down();
				s->mgs->crash(CrashKind::power);
			}
			s->mgs->restart();
		});
	});
}

/// Somebody who is dead has a lock that the MGS wants, and another client queues behind the MGS.
void queue_for_lock(const MgsSitePtr &s, const std::function<void(RunningMgc &, Follower &)> &end)
{
	enum { begins, registered, followed, queued, over } stage = begins;
	unsigned following = 0;
	lnet::Nid nid = lnet::sim::nid_of(*s->clients[0]);
	cluster::start(*s->clients[0], [&](cluster::Stack &stack) {
		RunningMgc m(stack, *s->mgs);
		must(add_ost(*m, 0, nid), "register");
		stage = registered;
		while (stage < followed)
			sleep_for(kSecond);
		(void)add_ost(*m, 1, nid);
	});
	auto follow = [&](RunningMgc &m, Follower &f) {
		while (stage != registered)
			sleep_for(kSecond);
		must(m->follow("tfs-client", mgc::Kind::MGS_CFG_T_CONFIG, f), "follow");
		following++;
	};
	cluster::start(*s->clients[1], [&](cluster::Stack &stack) {
		RunningMgc m(stack, *s->mgs);
		Follower f;
		follow(m, f);
		wait_stop();
	});
	cluster::start(*s->clients[2], [&](cluster::Stack &stack) {
		RunningMgc m(stack, *s->mgs);
		Follower f;
		follow(m, f);
		while (stage != queued)
			sleep_for(kMillisecond);
		Nanos from = this_world().now();
		end(m, f);
		check(this_world().now() - from < kPatience, "late");
	});
	while (following < 2)
		sleep_for(kSecond);
	s->clients[1]->crash(CrashKind::power);
	stage = followed;
	sleep_for(this_world().rng().below(14 * kSecond));
	stage = queued;
	s->clients[2]->wait_down();
}

TEST(SimServerRecovery, AnMgcThatWaitsForALockCanBeStopped)
{
	run_seeds(100, [](World &w) {
		run_mgs(w, [](const MgsSitePtr &s) {
			queue_for_lock(s, [](RunningMgc &m, Follower &) { m.stop(); });
		});
	});
}

TEST(SimServerRecovery, ALogCanBeLeftWhileItsLockIsWaitedFor)
{
	run_seeds(100, [](World &w) {
		run_mgs(w, [](const MgsSitePtr &s) {
			queue_for_lock(s, [&](RunningMgc &m, Follower &f) {
				s->mgs->crash(CrashKind::power);
				m->unfollow("tfs-client", f);
				s->mgs->restart();
			});
		});
	});
}

/// Its table begins anew, the versions in it do not.
TEST(SimServerRecovery, AnMgsThatHasRestartedTellsClientsToo)
{
	run_seeds(40, [](World &w) {
		run_site(w, true, [](const SitePtr &s) {
			Rng &rng = this_world().rng();
			lose_ost(*s);
			s->mgs->crash(CrashKind::power);
			sleep_for(rng.below(20 * kSecond));
			s->mgs->restart();
			// Until everybody has found the MGS again.
			sleep_for(2 * kDown);
			move_ost(s);
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
			lose_ost(*s);
			sleep_for(rng.below(60 * kSecond));
			restart_ost(*s);
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

/// The next MGS knows nobody, and what the target had asked fails: it asks again.
TEST(SimServerRecovery, ATargetMountsAlthoughItsMgsIsLostMeanwhile)
{
	run_seeds(100, [](World &w) {
		run_site(w, true, [](const SitePtr &s) {
			Rng &rng = this_world().rng();
			lose_ost(*s);
			sleep_for(kDown);
			s->first->restart();
			sleep_for(rng.below(20 * kMillisecond));
			s->mgs->crash(CrashKind::power);
			sleep_for(rng.below(30 * kSecond));
			s->mgs->restart();
			while (s->written < 2)
				sleep_for(kSecond);
		});
	});
}

} // namespace
