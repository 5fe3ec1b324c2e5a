// SPDX-License-Identifier: GPL-2.0
//
// RPC in simulations: a server of a small store and clients that write to it, while the network
// breaks and machines crash. Each write has a number of its own. The server keeps replies by XID,
// as targets do, commits after a while, and forgets at a crash what it had not committed.
//
// Checked: a write is never executed twice in one history of the server (resends, duplicates,
// replays); what a client was told is done is there in the end, unless that client was evicted
// after a crash; and everybody ends: no client waits for ever.

#include <map>
#include <memory>
#include <set>

#include "libcfs/sim/gtest.hpp"
#include "libcfs/sim/rng.hpp"
#include "lnet/simlnd/world.hpp"
#include "rpc/format/ops_ost.hpp"
#include "rpc/hold.hpp"

namespace
{

using namespace cfs::sim;
using namespace rpc;

void check(bool ok, const char *why)
{
	this_world().check(ok, why);
}

struct Done {
	u64 transno;
	std::string client;
	u64 xid;
};

/// What outlives nodes: the test's knowledge, and the server's disk.
struct Book {
	// The server's disk.
	std::map<u64, Done> durable; ///< writes by number
	std::set<std::string> known; ///< clients with a slot
	u64 durable_transno = 100;
	u32 boots = 0;
	// Of the test.
	std::map<u64, std::string> acked; ///< writes a client was told are done
	std::set<std::string> evicted;	  ///< clients that lost state
	u64 next_number = 1;
	unsigned clients_done = 0;
	unsigned failed = 0, reconstructed = 0, replays = 0;
};

class Store final : public TargetOps
{
	Book &book_;
	cfs::SpinLock lock_{CFS_LOCK_CLASS("test store")};
	std::map<u64, Done> done_; ///< durable and not
	u64 transno_;
	std::set<std::string> waiting_;		       ///< clients that recovery waits for
	std::vector<cfs::RefPtr<ServerRequest>> held_; ///< final pings
	std::atomic<bool> recovering_{false};
	bool commit_stop_ = false;
	bool committer_done_ = false;
	Target *target_ = nullptr;

public:
	explicit Store(Book &b) : book_(b), done_(b.durable), transno_(b.durable_transno)
	{
		// A new epoch: above everything of the life before.
		transno_ += 1000000;
		waiting_ = b.known;
		recovering_ = !waiting_.empty();
		b.boots++;
	}
	std::span<const Handler> handlers() noexcept override;
	void *handler_object() noexcept override { return this; }
	bool replayable() noexcept override { return true; }
	bool recovering() noexcept override { return recovering_; }
	bool in_recovery(Export &) noexcept override { return true; }
	u32 instance() noexcept override { return book_.boots; }

	cfs::Result<> on_connect(Export &e, ConnectRequest &c) noexcept override
	{
		c.data.maxmodrpcs = 4;
		book_.known.insert(e.client_uuid());
		return {};
	}
	void on_disconnect(Export &e, ServerRequest &) noexcept override
	{
		book_.known.erase(e.client_uuid());
		commit(); // who says good-bye will not replay
	}
	void on_gone(Export &e, bool evicted) noexcept override
	{
		if (!evicted)
			return;
		book_.evicted.insert(e.client_uuid());
		book_.known.erase(e.client_uuid());
		client_finished(e.client_uuid());
	}
	Filter filter(ServerRequest &r) noexcept override
	{
		if (r.has_flag(wire::MSG_LOCK_REPLAY_DONE)) {
			{
				cfs::SpinGuard g(lock_);
				held_.push_back(cfs::RefPtr<ServerRequest>::share(&r));
			}
			client_finished(r.exp()->client_uuid());
			return Filter::taken;
		}
		if (r.has_flag(wire::MSG_REPLAY) || r.has_flag(wire::MSG_REQ_REPLAY_DONE) ||
		    r.opcode() == wire::Opcode::OBD_PING)
			return Filter::process;
		return Filter::again;
	}
	void on_stop() noexcept override
	{
		for (auto &r : take_held())
			r->refuse(cfs::err::NODEV);
	}
	cfs::Result<> setattr(ServerRequest &req, RequestView<op::OstSetattr> in) noexcept
	{
		u64 number = in.get<fld::OstBody>().oa.blocks;
		std::string client = req.exp()->client_uuid();
		u64 xid = static_cast<u64>(req.xid());
		auto out = TRY(req.reply<op::OstSetattr>());
		out.get<fld::OstBody>().oa.blocks = number;
		sleep_for(this_world().rng().below(20 * kMillisecond));
		cfs::SpinGuard g(lock_);
		auto it = done_.find(number);
		if (it != done_.end()) {
			// Reply reconstruction: only for the very request, sent again.
			bool same = it->second.client == client && it->second.xid == xid;
			bool again =
				req.has_flag(wire::MSG_RESENT) || req.has_flag(wire::MSG_REPLAY);
			check(same && again, "a write was executed twice");
			book_.reconstructed++;
			req.set_transno(wire::Transno{it->second.transno});
			return {};
		}
		u64 t = static_cast<u64>(wire::Transno{req.body().transno});
		if (t)
			book_.replays++;
		else
			t = ++transno_;
		done_[number] = {t, client, xid};
		req.set_transno(wire::Transno{t});
		return {};
	}

	// ---- the server's own threads ----
	void set_target(Target *t) { target_ = t; }
	/// Commits what there is now and then; watches that recovery ends.
	void run_committer(Nanos pause)
	{
		Nanos recovery_ends = now() + 150 * kSecond;
		while (!commit_stop_) {
			sleep_for(pause / 2 + this_world().rng().below(pause));
			if (recovering_ && now() > recovery_ends)
				give_up_on_missing();
			commit();
		}
		commit();
		committer_done_ = true;
	}
	void stop_committer()
	{
		commit_stop_ = true;
		while (!committer_done_)
			sleep_for(10 * kMillisecond);
	}

private:
	static Nanos now() { return this_world().now(); }

	void commit()
	{
		if (recovering_) // what is replayed out of order would look committed
			return;
		u64 last = 0;
		{
			cfs::SpinGuard g(lock_);
			for (auto &[n, d] : done_)
				last = std::max(last, d.transno);
			book_.durable = done_;
			if (last > book_.durable_transno)
				book_.durable_transno = last;
		}
		if (last && target_ && !recovering_)
			target_->committed(wire::Transno{last});
	}
	std::vector<cfs::RefPtr<ServerRequest>> take_held()
	{
		std::vector<cfs::RefPtr<ServerRequest>> h;
		cfs::SpinGuard g(lock_);
		h.swap(held_);
		return h;
	}
	void client_finished(const std::string &uuid)
	{
		{
			cfs::SpinGuard g(lock_);
			waiting_.erase(uuid);
			if (!waiting_.empty())
				return;
		}
		recovering_ = false;
		for (auto &r : take_held())
			r->execute();
	}
	void give_up_on_missing()
	{
		std::set<std::string> missing;
		{
			cfs::SpinGuard g(lock_);
			missing = waiting_;
		}
		for (auto &uuid : missing)
			if (auto e = target_->find_export(uuid))
				e->evict("it did not take part in recovery");
			else
				client_finished(uuid);
	}
};

constexpr Handler kStoreHandlers[] = {handler<op::OstSetattr, &Store::setattr>()};
std::span<const Handler> Store::handlers() noexcept
{
	return kStoreHandlers;
}

void serve(Book &book, Nanos commit_every)
{
	auto rpc = *RpcHold::take(cfs_node_current());
	Store store(book);
	ServiceSpec s;
	s.name = "ost";
	s.thread_name = "ll_ost";
	s.portals[0] = wire::Portal::OST_REQUEST_PORTAL;
	s.reply_portal = wire::Portal::OSC_REPLY_PORTAL;
	s.threads_min = 2;
	s.threads_max = 4;
	TargetSpec t;
	t.name = "tfs-OST0000";
	t.uuid = "tfs-OST0000_UUID";
	t.supported = wire::OST_CONNECT_SUPPORTED | wire::OBD_CONNECT_MULTIMODRPCS;
	t.supported2 = wire::OST_CONNECT_SUPPORTED2;
	t.ops = &store;
	Target *target = *rpc->register_target(t);
	store.set_target(target);
	target->committed(wire::Transno{book.durable_transno});
	for (const std::string &uuid : std::set<std::string>(book.known)) {
		auto e = target->recreate_export(uuid);
		check(e.has_value(), "cannot recreate an export");
	}
	Service *service = *rpc->start_service(s);
	this_node().spawn("commit", [&] { store.run_committer(commit_every); });
	wait_stop();
	store.stop_committer();
	target->stop();
	target->unregister();
	service->stop();
}

struct User final : ImportUser {
	bool evicted = false;
	void on_evicted(Import &) noexcept override { evicted = true; }
};

struct Writer final : RequestUser {
	Book &book;
	std::string uuid;
	u64 number;
	int *pending;
	void on_complete(ClientRequest &, cfs::Result<i32> r) noexcept override
	{
		if (r)
			book.acked[number] = uuid;
		else
			book.failed++;
		--*pending;
	}
	Writer(Book &b, std::string u, u64 n, int *p)
	    : book(b), uuid(std::move(u)), number(n), pending(p)
	{
	}
};

/// A client: writes in small parallel groups until it has written enough.
void write_all(Book &book, lnet::Nid server, unsigned writes, bool last_life)
{
	auto rpc = *RpcHold::take(cfs_node_current());
	char uuid[wire::UUID_MAX];
	rpc->new_uuid(uuid);
	User user;
	ImportSpec s = ost_import();
	s.device = "tfs-OST0000-osc";
	s.target = "tfs-OST0000_UUID";
	s.client_uuid = uuid;
	s.wanted.connect_flags = wire::OBD_CONNECT_FULL20 | wire::OBD_CONNECT_VERSION |
				 wire::OBD_CONNECT_AT | wire::OBD_CONNECT_FID |
				 wire::OBD_CONNECT_FLAGS2 | wire::OBD_CONNECT_MULTIMODRPCS |
				 wire::OBD_CONNECT_BULK_MBITS;
	s.wanted.connect_flags2 = wire::OBD_CONNECT2_REP_MBITS | wire::OBD_CONNECT2_INC_XID;
	s.user = &user;
	auto imp = *rpc->new_import(s);
	check(imp->add_connection(std::span(&server, 1)).has_value(), "no connection");
	check(imp->start().has_value(), "cannot start");
	std::vector<std::unique_ptr<Writer>> writers;
	int pending = 0;
	for (unsigned i = 0; i < writes; i++) {
		auto r = Request<op::OstSetattr>::make(*imp);
		check(r.has_value(), "no request");
		u64 number = book.next_number++;
		r->get<fld::OstBody>().oa.blocks = number;
		(*r)->options.modifies = true;
		pending++;
		writers.push_back(std::make_unique<Writer>(book, uuid, number, &pending));
		(*r)->send(*writers.back());
		if (i % 4 == 3)
			while (pending > 0)
				sleep_for(10 * kMillisecond);
		if (this_world().rng().below(4) == 0)
			sleep_for(this_world().rng().below(2 * kSecond));
	}
	while (pending > 0)
		sleep_for(10 * kMillisecond);
	if (user.evicted)
		book.evicted.insert(uuid);
	(void)imp->disconnect(cfs::WaitMode::idle, cfs::after(cfs::Duration::seconds(20)));
	imp.reset();
	rpc.reset();
	if (last_life)
		book.clients_done++;
}

struct Scene {
	unsigned clients = 2;
	unsigned writes = 12;
	Nanos commit_every = kSecond;
};

void run_scene(World &w, Scene scene, FaultPlan plan)
{
	auto book = std::make_shared<Book>();
	auto servers = lnet::sim::add_nodes(w, 1, "oss");
	auto clients = lnet::sim::add_nodes(w, scene.clients, "c");
	Node *server = servers[0];
	lnet::Nid nid = lnet::sim::nid_of(*server);
	lnet::sim::start_core(*server, [book, scene] { serve(*book, scene.commit_every); });
	for (Node *c : clients)
		lnet::sim::start_core(
			*c, [book, nid, scene] { write_all(*book, nid, scene.writes, true); });
	if (plan.until)
		w.inject(plan);
	w.spawn("script", [book, server, clients, plan] {
		if (plan.until)
			sleep_for(plan.until + kSecond);
		for (Node *c : clients)
			c->wait_down();
		sleep_for(200 * kSecond); // longer than any recovery
		server->stop();
		server->wait_down();
		unsigned lost = 0;
		for (auto &[number, uuid] : book->acked)
			if (!book->durable.contains(number) && !book->evicted.contains(uuid))
				lost++;
		EXPECT_EQ(lost, 0u) << "writes that were acknowledged are gone";
	});
}

TEST(SimRpc, NobodyFailsOnAWholeNetwork)
{
	run_seeds(10, [](World &w) { run_scene(w, {}, {}); });
}

TEST(SimRpc, EveryWriteHappensOnceThroughResets)
{
	run_seeds(10, [](World &w) {
		FaultPlan plan;
		plan.from = kSecond;
		plan.until = 30 * kSecond;
		plan.reset_every = 2 * kSecond;
		run_scene(w, {}, plan);
	});
}

TEST(SimRpc, EveryWriteHappensOnceThroughPartitions)
{
	run_seeds(10, [](World &w) {
		FaultPlan plan;
		plan.from = kSecond;
		plan.until = 60 * kSecond;
		plan.partition_every = 8 * kSecond;
		run_scene(w, {}, plan);
	});
}

TEST(SimRpc, AcknowledgedWritesSurviveServerCrashes)
{
	run_seeds(10, [](World &w) {
		Scene scene;
		scene.commit_every = 5 * kSecond; // much to replay
		FaultPlan plan;
		plan.from = kSecond;
		plan.until = 60 * kSecond;
		plan.crash_every = 20 * kSecond;
		plan.down_max = 10 * kSecond;
		run_scene(w, scene, plan);
	});
}

TEST(SimRpc, EverythingAtOnce)
{
	run_seeds(10, [](World &w) {
		Scene scene;
		scene.clients = 3;
		scene.commit_every = 3 * kSecond;
		FaultPlan plan;
		plan.from = kSecond;
		plan.until = 80 * kSecond;
		plan.crash_every = 25 * kSecond;
		plan.partition_every = 15 * kSecond;
		plan.reset_every = 5 * kSecond;
		plan.clock_every = 20 * kSecond;
		run_scene(w, scene, plan);
	});
}

} // namespace
