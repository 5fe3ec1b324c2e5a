// SPDX-License-Identifier: GPL-2.0
//
// Targets: what is promised to clients survives crashes, and recovery ends for everybody, whoever
// is missing.
#include <algorithm>
#include <memory>
#include <set>

#include "libcfs/plat/core.h"
#include "libcfs/sim/gtest.hpp"
#include "lustre/osd/mem/mem.hpp"
#include "target/commits.hpp"
#include "target/recovery.hpp"
#include "tests/sim/target_fake.hpp"

namespace
{

using namespace cfs::sim;
using namespace target_fake;
using target::Client;
using target::Commits;
using target::LastRcvd;
using target::Recovery;
using target::ReplyData;
using target::SavedReply;
using wire::u32;
using wire::u64;

constexpr unsigned kSeeds = 60;
constexpr const char *kTarget = "lfs1-MDT0000";
constexpr target::LastRcvdSpec kSpec{kTarget, "lfs1-MDT0000_UUID", 0, true};

void run_seeds(const Scenario &scenario)
{
	auto r = run_until_failure(kSeeds, {}, scenario);
	if (r.failure)
		FAIL() << r.failure->report;
}

osd::DeviceRef mount(osd::mem::Disk &disk)
{
	osd::mem::MountOptions o;
	o.commit_interval = cfs::Duration::seconds(1);
	o.commit_max = cfs::Duration::millis(300);
	auto d = osd::mem::mount(cfs_node_current(), disk, kTarget, o);
	this_world().check(d.has_value(), "cannot mount");
	return std::move(*d);
}

void check(bool ok, std::string_view what)
{
	this_world().check(ok, what);
}

// ---- what is on disk ----

/// What the world has been promised about each client.
struct Promises {
	u64 committed = 0;		 ///< numbers up to here were told to be durable
	std::vector<std::set<u64>> xids; ///< of requests with numbers up to there, by client
	std::vector<std::pair<u64, std::pair<unsigned, u64>>> made; ///< number, client, xid
	u64 instance = 0;
	u64 highest = 0; ///< ever given
};

struct Listener final : target::CommitUser {
	Promises &p;
	explicit Listener(Promises &promises) : p(promises) {}
	void committed(Transno upto) noexcept override
	{
		check(static_cast<u64>(upto) >= p.committed, "commits go back");
		p.committed = static_cast<u64>(upto);
	}
	void commit_failed(cfs::Errno) noexcept override {}
};

struct Loaded final : LastRcvd::Visitor, ReplyData::Visitor {
	std::vector<std::pair<u32, wire::LsdClientData>> slots;
	std::vector<ReplyData::Record> records;
	std::set<u32> generations;

	cfs::Result<> client(u32 slot, const wire::LsdClientData &d) noexcept override
	{
		slots.emplace_back(slot, d);
		generations.insert(d.generation.get());
		return {};
	}
	cfs::Result<bool> record(u32, const ReplyData::Record &r) noexcept override
	{
		bool live = generations.contains(r.generation);
		if (live)
			records.push_back(r);
		return live;
	}
};

/// Everything promised is there.
void check_loaded(const Promises &p, const LastRcvd &file, const Loaded &l)
{
	check(file.mount_count() == p.instance + 1, "instance is not counted");
	u64 last = static_cast<u64>(file.last_transno());
	for (const auto &r : l.records)
		last = std::max(last, static_cast<u64>(r.transno));
	check(last >= p.committed, "a committed number is forgotten");
	for (const auto &[number, who] : p.made) {
		if (number > p.committed)
			continue;
		bool newer = std::ranges::any_of(p.made, [&, w = who](const auto &m) {
			return m.second.first == w.first && m.first > number;
		});
		bool found = std::ranges::any_of(l.records, [&, x = who.second](const auto &r) {
			return static_cast<u64>(r.xid) == x;
		});
		// The newest answer of a client is always kept.
		check(found || newer, "the answer to a committed request is forgotten");
	}
}

struct Life {
	Promises &p;
	Rng &rng;
	osd::DeviceRef device;
	cfs::UniquePtr<LastRcvd> file;
	cfs::UniquePtr<ReplyData> replies;
	Listener listener;
	Commits commits;
	std::vector<cfs::RefPtr<FakeExport>> exports;
	u64 xid;

	Life(Promises &promises, osd::mem::Disk &disk)
	    : p(promises), rng(this_world().rng()), device(mount(disk)), listener(promises),
	      commits(listener), xid(promises.made.size() * 10 + 1000)
	{
	}

	void load()
	{
		auto f = LastRcvd::open(*device, kSpec);
		auto r = ReplyData::open(*device, kTarget);
		check(f && r, "cannot open");
		file = std::move(*f);
		replies = std::move(*r);
		Loaded l;
		check(file->for_each_client(l) && replies->for_each(l), "cannot read");
		check_loaded(p, *file, l);
		p.instance = file->mount_count();
		for (auto &[slot, data] : l.slots)
			file->release(slot);
		u64 epoch = static_cast<u64>(commits.new_epoch(static_cast<Transno>(p.highest)));
		check(file->save_head(static_cast<Transno>(epoch)).has_value(), "cannot save");
	}

	Client &add_client(unsigned n)
	{
		auto e = cfs::try_make_ref<FakeExport>(nullptr, "client" + std::to_string(n));
		wire::LsdClientData data{};
		check(data.uuid.set((*e)->client_uuid()), "name");
		data.generation = static_cast<u32>(p.instance * 100 + n + 1);
		auto slot = file->take();
		check(slot.has_value(), "no slot");
		auto c = cfs::try_make<Client>(*file, replies.get(), *slot, data);
		Client *client = c->release();
		check((*e)->set_data(rpc::ExportSlot::target, client), "data");
		exports.push_back(std::move(*e));
		auto tx = device->begin();
		check(tx && file->declare_slot(**tx, *slot) && (*tx)->start() &&
			      client->write_slot(**tx) && (*tx)->stop(),
		      "cannot write a slot");
		return *client;
	}

	void modify(Client &c, unsigned n, wire::u16 tag)
	{
		auto tx = device->begin();
		auto ticket = commits.ticket();
		check(tx && ticket && c.declare(**tx) && (*tx)->start(), "cannot start");
		SavedReply r;
		r.transno = commits.assign(**tx, std::move(*ticket));
		p.highest = static_cast<u64>(r.transno);
		u64 x = ++xid;
		p.made.push_back({p.highest, {n, x}});
		check(c.record(**tx, static_cast<Xid>(x), tag, Xid{}, false, r).has_value(),
		      "cannot record");
		check((*tx)->stop().has_value(), "cannot stop");
		auto again = c.find(static_cast<Xid>(x));
		check(again && again->transno == r.transno, "the answer is not kept");
	}

	void end()
	{
		check(device->sync().has_value(), "cannot sync");
		commits.wait_idle();
		check(p.committed == p.highest || p.made.empty(), "something was never committed");
		exports.clear();
		replies.reset();
		file.reset();
		device.reset();
	}
};

/// Clients modify in parallel, each with three tags; the node crashes at any point.
TEST(SimTarget, WhatWasCommittedSurvivesCrashes)
{
	run_seeds([](World &w) {
		auto disk =
			std::make_shared<osd::mem::Disk>(osd::mem::DiskOptions{.svname = kTarget});
		auto promises = std::make_shared<Promises>();
		Node &n = w.add_node("mds");
		n.start([disk, promises] {
			check(cfs_core_start() == 0, "core");
			{
				Life life(*promises, *disk);
				life.load();
				std::vector<Client *> clients;
				for (unsigned k = 0; k < 3; k++)
					clients.push_back(&life.add_client(k));
				auto running = std::make_shared<int>(0);
				for (unsigned k = 0; k < 3; k++)
					for (wire::u16 tag = 1; tag <= 2; tag++) {
						++*running;
						this_node().spawn("client", [&, k, tag, running] {
							for (int i = 0; i < 6; i++) {
								life.modify(*clients[k], k, tag);
								sleep_for(life.rng.below(kSecond));
							}
							--*running;
						});
					}
				while (*running)
					sleep_for(100 * kMillisecond);
				life.end();
			}
			cfs_core_stop();
		});
		FaultPlan plan;
		plan.until = 8 * kSecond;
		plan.crash_every = 3 * kSecond;
		plan.down_max = kSecond;
		w.inject(plan);
	});
}

/// One client on a fresh disk: what a test of the client alone needs.
void with_life(const std::function<void(Life &, Client &)> &script,
	       const std::function<void(Loaded &)> &after)
{
	auto r = run_until_failure(3, {}, [=](World &w) {
		w.add_node("mds").start([=] {
			check(cfs_core_start() == 0, "core");
			{
				osd::mem::Disk disk(osd::mem::DiskOptions{.svname = kTarget});
				Promises p;
				{
					Life life(p, disk);
					life.load();
					script(life, life.add_client(0));
					life.end();
				}
				osd::DeviceRef device = mount(disk);
				auto f = LastRcvd::open(*device, kSpec);
				auto d = ReplyData::open(*device, kTarget);
				Loaded l;
				check(f && d && (*f)->for_each_client(l) && (*d)->for_each(l),
				      "cannot read");
				after(l);
				d->reset();
				f->reset();
			}
			cfs_core_stop();
		});
	});
	if (r.failure)
		FAIL() << r.failure->report;
}

TEST(SimTarget, AClientThatNeverSaysWhatItHasSeenCostsNoMoreThanOthers)
{
	auto script = [](Life &life, Client &c) {
		for (unsigned i = 0; i < 2 * Client::kRepliesMax; i++)
			life.modify(c, 0, 0);
		check(c.replies() == Client::kRepliesMax, "answers are kept without a bound");
	};
	with_life(script, [](Loaded &l) {
		check(l.records.size() <= Client::kRepliesMax + 1, "on disk too");
	});
}

/// Requests that are executed when their client goes: they may have declared its slot.
TEST(SimTarget, NothingIsNotedForAClientThatHasGone)
{
	auto script = [](Life &life, Client &c) {
		life.modify(c, 0, 1);
		bool going = false, gone = false, ended = false;
		this_node().spawn("late request", [&] {
			auto tx = life.device->begin();
			check(tx && c.declare(**tx) && (*tx)->start(), "cannot start");
			going = true;
			while (!gone)
				sleep_for(kMillisecond);
			auto done = c.record(**tx, static_cast<Xid>(999), 2, Xid{}, false, {});
			check(done && (*tx)->stop(), "cannot finish");
			ended = true;
		});
		while (!going)
			sleep_for(kMillisecond);
		c.end();
		auto erase = life.device->begin();
		check(erase && life.file->declare_slot(**erase, c.slot()) && (*erase)->start() &&
			      c.write_slot(**erase, true) && (*erase)->stop(),
		      "cannot erase");
		gone = true;
		while (!ended)
			sleep_for(kMillisecond);
		auto next = life.file->take();
		check(next && *next != c.slot(), "the slot is given away while it is used");
		life.file->release(*next);
	};
	with_life(script, [](Loaded &l) {
		check(l.slots.empty() && l.records.empty(), "the client is back");
	});
}

// ---- recovery ----

/// How a client behaves when its server comes back.
enum class Manner { good, absent, stops_in_requests, stops_in_locks };

struct Guest {
	Manner manner = Manner::good;
	cfs::RefPtr<FakeExport> exp;
	std::vector<u64> replays;
	unsigned locks = 0;
	Nanos comes = 0;
	unsigned estimate = 5; ///< seconds it thinks a request takes
	bool finished = false;
	u64 next_xid = 0;
};

struct Scene final : target::RecoveryUser {
	Recovery recovery{*this};
	std::vector<Guest> guests;
	std::vector<u64> executed;
	unsigned locks_made = 0;
	bool recovered = false;
	int running = 0;

	Transno on_recovered() noexcept override
	{
		recovered = true;
		return static_cast<Transno>(executed.empty() ? 0 : executed.back());
	}

	/// Sends a request and waits for its end.
	End ask(Guest &g, const FakeRequest::Spec &spec, std::function<void(FakeRequest &)> run)
	{
		auto made = cfs::try_make_ref<FakeRequest>(*g.exp, spec, std::move(run));
		FakeRequest &req = **made;
		if (!recovery.active()) {
			req.execute();
			return req.end;
		}
		switch (recovery.filter(req)) {
		case rpc::Filter::process:
			req.execute();
			break;
		case rpc::Filter::taken:
			req.wait();
			break;
		case rpc::Filter::drop:
		case rpc::Filter::again:
			req.finish(End::dropped);
			break;
		case rpc::Filter::evicted:
			req.finish(End::refused);
			break;
		}
		return req.end;
	}

	bool replay(Guest &g)
	{
		std::size_t count = g.manner == Manner::stops_in_requests
					    ? this_world().rng().below(g.replays.size() + 1)
					    : g.replays.size();
		for (std::size_t k = 0; k < count; k++) {
			FakeRequest::Spec spec{Opcode::MDS_REINT, static_cast<Xid>(++g.next_xid),
					       wire::MSG_REPLAY,
					       static_cast<Transno>(g.replays[k])};
			End e = ask(g, spec, [&, t = g.replays[k]](FakeRequest &) {
				check(!recovered, "a replay after recovery");
				check(executed.empty() || executed.back() < t,
				      "replays out of order");
				check(locks_made == 0, "a replay after a lock");
				executed.push_back(t);
				sleep_for(this_world().rng().below(2 * kMillisecond));
			});
			if (e != End::executed)
				return false;
		}
		return g.manner != Manner::stops_in_requests;
	}

	bool replay_locks(Guest &g)
	{
		for (unsigned k = 0; k < g.locks; k++) {
			FakeRequest::Spec spec{Opcode::LDLM_ENQUEUE, static_cast<Xid>(++g.next_xid),
					       wire::MSG_REQ_REPLAY_DONE};
			if (ask(g, spec, [&](FakeRequest &) { locks_made++; }) != End::executed)
				return false;
			if (g.manner == Manner::stops_in_locks)
				return false;
		}
		return g.manner != Manner::stops_in_locks;
	}

	void visit(Guest &g)
	{
		sleep_for(g.comes);
		if (g.manner == Manner::absent || g.exp->evicted || !recovery.active())
			return;
		Transno first{};
		if (!g.replays.empty())
			first = static_cast<Transno>(g.replays[0]);
		recovery.connected(*g.exp, first, g.estimate);
		// Who waits for long looks now and then whether the server is still there.
		if (g.estimate > 5) {
			running++;
			this_node().spawn("reconnects", [this, &g, first] {
				while (recovery.active() && !g.exp->evicted) {
					recovery.connected(*g.exp, first, g.estimate);
					sleep_for(100 * kSecond);
				}
				running--;
			});
		}
		if (!replay(g) || !replay_locks(g))
			return;
		FakeRequest::Spec ping{Opcode::OBD_PING, static_cast<Xid>(++g.next_xid),
				       wire::MSG_REQ_REPLAY_DONE | wire::MSG_LOCK_REPLAY_DONE};
		End e = ask(g, ping, [&](FakeRequest &) {
			check(recovered, "released before recovery was over");
		});
		g.finished = e == End::executed;
	}
};

/// Numbers 101 and up, each of some client; some of them nobody has any more.
void deal(Scene &s, Rng &rng)
{
	unsigned count = 1 + static_cast<unsigned>(rng.below(6));
	for (unsigned k = 0; k < count; k++) {
		Guest g;
		g.manner = rng.below(3) ? Manner::good : static_cast<Manner>(rng.below(4));
		g.locks = static_cast<unsigned>(rng.below(4));
		g.comes = rng.below(60 * kSecond);
		g.estimate = rng.below(4) ? 5 : 600;
		s.guests.push_back(std::move(g));
	}
	for (u64 t = 101; t < 101 + rng.below(30); t++)
		if (rng.below(8))
			s.guests[rng.below(count)].replays.push_back(t);
}

void join(Scene &s, LastRcvd &file)
{
	for (std::size_t k = 0; k < s.guests.size(); k++) {
		auto e = cfs::try_make_ref<FakeExport>(nullptr, "client" + std::to_string(k));
		auto c = cfs::try_make<Client>(file, nullptr, target::kNoSlot,
					       wire::LsdClientData{});
		check((*e)->set_data(rpc::ExportSlot::target, c->release()), "data");
		s.guests[k].exp = std::move(*e);
		check(s.recovery.expect(*s.guests[k].exp).has_value(), "expect");
	}
}

void check_ended(Scene &s)
{
	auto c = s.recovery.counts();
	check(s.recovery.stage() == Recovery::Stage::complete, "recovery does not end");
	check(c.queued == 0, "something is left in a queue");
	unsigned finished = 0;
	for (Guest &g : s.guests) {
		finished += g.finished;
		check(g.finished || g.manner != Manner::good, "a client in time was not recovered");
		check(g.finished || g.exp->evicted, "a client is neither recovered nor evicted");
		check(!g.finished || !g.exp->evicted, "a recovered client was evicted");
	}
	check(c.done == finished && c.done + c.evicted == c.expected, "counters do not add up");
	for (Guest &g : s.guests)
		if (g.manner == Manner::good)
			for (u64 t : g.replays)
				check(std::ranges::count(s.executed, t) == 1,
				      "a replay was not executed once");
}

/// Plays on a target's node, with what the disk knows of clients.
void on_scene(World &w, std::function<void(Scene &, LastRcvd &)> play)
{
	auto disk = std::make_shared<osd::mem::Disk>(osd::mem::DiskOptions{.svname = kTarget});
	w.add_node("mds").start([disk, play = std::move(play)] {
		check(cfs_core_start() == 0, "core");
		{
			osd::DeviceRef device = mount(*disk);
			auto file = LastRcvd::open(*device, kSpec);
			auto s = std::make_unique<Scene>();
			play(*s, **file);
			s.reset();
			file->reset();
		}
		cfs_core_stop();
	});
}

TEST(SimTarget, RecoveryEndsForEverybodyInTime)
{
	run_seeds([](World &w) {
		on_scene(w, [](Scene &s, LastRcvd &file) {
			deal(s, this_world().rng());
			join(s, file);
			target::RecoverySpec spec{kTarget};
			auto on = s.recovery.start(cfs_node_current(), spec,
						   static_cast<Transno>(100));
			check(on && *on, "recovery does not begin");
			for (Guest &g : s.guests) {
				s.running++;
				this_node().spawn("client", [&s, &g] {
					s.visit(g);
					s.running--;
				});
			}
			auto begin = this_world().now();
			bool someone = std::ranges::any_of(s.guests, [](const Guest &g) {
				return g.manner != Manner::absent;
			});
			// Without anybody the time never begins: an administrator ends it.
			if (!someone) {
				sleep_for(100 * kSecond);
				s.recovery.abort();
			}
			while (s.running || s.recovery.active())
				sleep_for(kSecond);
			check(this_world().now() - begin < 1100 * kSecond,
			      "recovery took longer than its hard limit");
			check_ended(s);
			s.recovery.stop();
		});
	});
}

/// Of a life that ended with number 100.
void begin_recovery(Scene &s)
{
	auto r = s.recovery.start(cfs_node_current(), {kTarget}, static_cast<Transno>(100));
	check(r.has_value(), "start");
}

/// It would become the number of the next life, and there is none behind the last one.
TEST(SimTarget, NumbersThatNobodyGaveAreNotReplayed)
{
	run_seeds([](World &w) {
		on_scene(w, [](Scene &s, LastRcvd &file) {
			s.guests.resize(1);
			s.guests[0].replays = {101, ~u64{0} - 1};
			join(s, file);
			begin_recovery(s);
			s.visit(s.guests[0]);
			check(s.executed == std::vector<u64>{101}, "executed");
			check(s.guests[0].exp->evicted, "not evicted");
			s.recovery.gone(*s.guests[0].exp);
			while (s.recovery.active())
				sleep_for(kSecond);
			check(s.recovery.counts().queued == 0, "something is left");
			s.recovery.stop();
		});
	});
}

/// One client is gone for good; the other one waits for it no longer than it must.
TEST(SimTarget, ClientsThatAreToldAreWaitedForLess)
{
	run_seeds([](World &w) {
		on_scene(w, [](Scene &s, LastRcvd &file) {
			s.guests.resize(2);
			s.guests[0].replays = {101};
			s.guests[1].manner = Manner::absent;
			join(s, file);
			begin_recovery(s);
			auto begin = this_world().now();
			s.running++;
			this_node().spawn("client", [&s] {
				s.visit(s.guests[0]);
				s.running--;
			});
			sleep_for(this_world().rng().below(20 * kSecond));
			s.recovery.expect_soon(cfs::Duration::seconds(150));
			check(s.recovery.soft() == cfs::Duration::seconds(150), "the window");
			while (s.running || s.recovery.active())
				sleep_for(kSecond);
			auto took = this_world().now() - begin;
			check(took >= 150 * kSecond && took < 290 * kSecond, "the wrong time");
			check_ended(s);
			s.recovery.stop();
		});
	});
}

TEST(SimTarget, AbortReleasesWhoeverWaits)
{
	run_seeds([](World &w) {
		on_scene(w, [](Scene &s, LastRcvd &file) {
			deal(s, this_world().rng());
			join(s, file);
			target::RecoverySpec spec{kTarget};
			check(s.recovery.start(cfs_node_current(), spec, static_cast<Transno>(100))
				      .has_value(),
			      "start");
			for (Guest &g : s.guests) {
				s.running++;
				this_node().spawn("client", [&s, &g] {
					s.visit(g);
					s.running--;
				});
			}
			sleep_for(this_world().rng().below(70 * kSecond));
			bool stop = this_world().rng().below(2);
			if (stop)
				s.recovery.stop();
			else
				s.recovery.abort();
			auto begin = this_world().now();
			while (s.recovery.active())
				sleep_for(kMillisecond);
			check(this_world().now() - begin < 5 * kSecond, "abort waits");
			while (s.running)
				sleep_for(kSecond);
			check(s.recovery.counts().queued == 0, "something is left");
			if (!stop)
				s.recovery.stop();
		});
	});
}

} // namespace
