// SPDX-License-Identifier: GPL-2.0
//
// What happens when things go wrong, on the threads back end with short time-outs: slow servers,
// duplicates, lost connections, evictions, servers that come back with and without their memory.

#include <thread>

#include "lustre/rpc/service_impl.hpp"
#include "tests/unit/rpc_test.hpp"

using namespace rpctest;

namespace
{

class Trouble : public RpcTest
{
protected:
	std::unique_ptr<NodeBox> node;
	std::unique_ptr<ServerBox> server;

	void SetUp() override
	{
		RpcTest::SetUp();
		node = std::make_unique<NodeBox>();
		server = std::make_unique<ServerBox>(*node->rpc);
		auto &t = node->rpc->tunables();
		t.at_min = 1;
		t.at_early_margin = 1;
		t.at_extra = 2;
		t.timeout = 4;
		t.bulk_timeout = 2;
	}
	void TearDown() override
	{
		server.reset();
		node.reset();
		RpcTest::TearDown();
	}
	/// Holds every GETATTR at the server until open() is called.
	struct Door {
		std::mutex m;
		std::condition_variable cv;
		bool is_open = false;
		std::atomic<int> waiting{0};
		void wait()
		{
			std::unique_lock g(m);
			waiting++;
			cv.wait(g, [&] { return is_open; });
			waiting--;
		}
		void open()
		{
			std::lock_guard g(m);
			is_open = true;
			cv.notify_all();
		}
	};
};

struct Result {
	std::atomic<bool> done{false};
	cfs::Result<i32> r = 0;
};

struct Async final : RequestUser {
	std::atomic<int> complete{0}, gone{0}, replayed{0}, kept{0};
	std::atomic<int> last_error{0};
	void on_complete(ClientRequest &, cfs::Result<i32> r) noexcept override
	{
		last_error = r ? 0 : static_cast<int>(r.error());
		complete++;
	}
	void on_kept(ClientRequest &) noexcept override { kept++; }
	void on_replayed(ClientRequest &, cfs::Result<i32>) noexcept override { replayed++; }
	void on_gone(ClientRequest &) noexcept override { gone++; }
};

TEST_F(Trouble, SlowServerIsWaitedForThroughEarlyReplies)
{
	ClientBox c(*node->rpc, {Nid::lo()});
	ASSERT_TRUE(c.connect());
	Door door;
	server->ops.on_getattr = [&](ServerRequest &) { door.wait(); };
	Async a;
	auto r = *Request<op::OstGetattr>::make(*c.imp);
	r->send(a);
	// est 1 -> 6 s; early replies at 5 s and on.
	ASSERT_TRUE(eventually([&] { return door.waiting == 1; }));
	cfs_sleep_until(cfs::after(cfs::Duration::seconds(9)).ns());
	EXPECT_EQ(a.complete, 0);
	EXPECT_EQ(server->ops.getattrs, 1);
	EXPECT_EQ(c.imp->state(), ImportState::full);
	door.open();
	EXPECT_TRUE(eventually([&] { return a.gone == 1; }));
	EXPECT_EQ(a.last_error, 0);
	EXPECT_EQ(c.user.lost, 0);
}

TEST_F(Trouble, ResentRequestDoesNotRunTwice)
{
	ClientBox c(*node->rpc, {Nid::lo()});
	ASSERT_TRUE(c.connect());
	Door door;
	server->ops.on_getattr = [&](ServerRequest &req) {
		req.stop_early_replies(); // the client gives up and asks again
		door.wait();
	};
	Async a;
	(*Request<op::OstGetattr>::make(*c.imp))->send(a);
	// The client loses patience, reconnects and sends it again: a duplicate.
	ASSERT_TRUE(eventually([&] { return c.user.lost >= 1 && c.user.full >= 2; }));
	cfs_sleep_until(cfs::after(cfs::Duration::millis(300)).ns());
	EXPECT_EQ(server->ops.getattrs, 1);
	EXPECT_EQ(a.complete, 0);
	door.open();
	EXPECT_TRUE(eventually([&] { return a.gone == 1; }));
	EXPECT_EQ(a.last_error, 0);
	EXPECT_EQ(server->ops.getattrs, 1); // the reply went to the resent one's match bits
}

TEST_F(Trouble, NoResendFailsInstead)
{
	ClientBox c(*node->rpc, {Nid::lo()});
	ASSERT_TRUE(c.connect());
	Door door;
	server->ops.on_getattr = [&](ServerRequest &req) {
		req.stop_early_replies();
		door.wait();
	};
	auto r = *Request<op::OstGetattr>::make(*c.imp);
	r->options.no_resend = true;
	auto status = r.send_wait();
	ASSERT_FALSE(status);
	EXPECT_EQ(status.error(), cfs::err::TIMEDOUT);
	door.open();
}

TEST_F(Trouble, InprogressIsTriedAgainWithAnotherXid)
{
	ClientBox c(*node->rpc, {Nid::lo()});
	ASSERT_TRUE(c.connect());
	server->ops.inprogress = 1;
	std::vector<u64> xids;
	server->ops.on_getattr = [&](ServerRequest &req) {
		xids.push_back(static_cast<u64>(req.xid()));
		EXPECT_FALSE(req.has_flag(wire::MSG_RESENT));
	};
	EXPECT_EQ(c.getattr(), 7);
	ASSERT_EQ(xids.size(), 2u);
	EXPECT_NE(xids[0], xids[1]);
}

TEST_F(Trouble, InterruptedWaiterReturns)
{
	ClientBox c(*node->rpc, {Nid::lo()});
	ASSERT_TRUE(c.connect());
	Door door;
	server->ops.on_getattr = [&](ServerRequest &) { door.wait(); };
	Async a;
	auto r = *Request<op::OstGetattr>::make(*c.imp);
	r->send(a);
	ASSERT_TRUE(eventually([&] { return door.waiting == 1; }));
	r->interrupt();
	EXPECT_TRUE(eventually([&] { return a.gone == 1; }));
	EXPECT_EQ(a.last_error, static_cast<int>(cfs::err::INTR));
	door.open();
}

TEST_F(Trouble, EvictedClientDropsItsStateAndGoesOn)
{
	ClientBox c(*node->rpc, {Nid::lo()});
	ASSERT_TRUE(c.connect());
	Async kept;
	(*Request<op::OstSetattr>::make(*c.imp))->send(kept);
	ASSERT_TRUE(eventually([&] { return kept.complete == 1; }));
	u32 before = c.imp->generation();
	EXPECT_EQ(server->ops.target->evict("client-1_UUID"), 1u);
	// The next request finds out, and fails: it was sent under the old state.
	auto r = c.getattr();
	EXPECT_FALSE(r);
	EXPECT_EQ(r.error(), cfs::err::IO);
	EXPECT_TRUE(eventually([&] { return c.user.evicted == 1; }));
	EXPECT_TRUE(eventually([&] { return kept.gone == 1; }));
	EXPECT_GT(c.imp->generation(), before);
	EXPECT_EQ(c.getattr(), 7);
	EXPECT_EQ(server->ops.evicted, 1);
}

TEST_F(Trouble, ClientWithoutStateReconnectsSilently)
{
	ClientBox c(*node->rpc, {Nid::lo()});
	ASSERT_TRUE(c.connect());
	EXPECT_EQ(c.getattr(), 7); // no transaction, no lock
	server->ops.target->evict("client-1_UUID");
	EXPECT_EQ(c.getattr(), 7);
	EXPECT_EQ(c.user.evicted, 0);
	EXPECT_GE(c.user.lost, 1);
}

TEST_F(Trouble, RestartedServerGetsReplaysInOrder)
{
	ClientBox c(*node->rpc, {Nid::lo()});
	ASSERT_TRUE(c.connect());
	Async a;
	std::vector<u64> order;
	for (int i = 0; i < 5; i++) {
		(*Request<op::OstSetattr>::make(*c.imp))->send(a);
		ASSERT_TRUE(eventually([&] { return a.complete == i + 1; }));
	}
	EXPECT_EQ(a.kept, 5);
	// The server comes back, knowing the client from its disk; all but two are committed.
	server->lose_exports();
	auto &ops = server->ops;
	ops.executed.clear();
	ops.setattrs = 0;
	std::atomic<int> pings{0};
	ops.is_recovering = true;
	ops.target_instance = 2;
	ops.on_filter = [&](ServerRequest &r) {
		if (r.has_flag(wire::MSG_REPLAY))
			order.push_back(static_cast<u64>(wire::Transno{r.body().transno}));
		if (r.has_flag(wire::MSG_LOCK_REPLAY_DONE)) {
			pings++;
			ops.is_recovering = false;
		}
		return Filter::process;
	};
	server->register_target();
	auto e = ops.target->recreate_export("client-1_UUID");
	ASSERT_TRUE(e);
	ops.target->committed(wire::Transno{103});
	EXPECT_EQ(c.getattr(), 7); // waits for the recovery
	EXPECT_EQ(c.imp->state(), ImportState::full);
	EXPECT_EQ(order, (std::vector<u64>{104, 105}));
	EXPECT_EQ(a.replayed, 2);
	EXPECT_EQ(ops.setattrs, 2);
	EXPECT_EQ(pings, 1);
	EXPECT_EQ(c.user.lock_replays, 1);
	EXPECT_EQ(c.user.evicted, 0);
	ops.target->committed(wire::Transno{105});
	EXPECT_TRUE(c.ping());
	EXPECT_TRUE(eventually([&] { return a.gone == 5; }));
}

TEST_F(Trouble, LockReplaysGoBetweenReplayAndTheEnd)
{
	ClientBox c(*node->rpc, {Nid::lo()});
	ASSERT_TRUE(c.connect());
	ASSERT_TRUE(c.setattr());
	Async locks;
	c.user.on_replay_locks = [&](Import &imp) {
		for (int i = 0; i < 3; i++) {
			auto r = *Request<op::OstGetattr>::make(imp);
			r->options.lock_replay = true;
			r->send(locks);
		}
		return true;
	};
	server->lose_exports();
	auto &ops = server->ops;
	ops.is_recovering = true;
	std::atomic<int> lock_replays{0}, after{0};
	ops.on_filter = [&](ServerRequest &r) {
		bool done = r.has_flag(wire::MSG_LOCK_REPLAY_DONE);
		if (done) {
			after = lock_replays.load();
			ops.is_recovering = false;
		} else if (r.has_flag(wire::MSG_REQ_REPLAY_DONE)) {
			lock_replays++;
		}
		return Filter::process;
	};
	server->register_target();
	ASSERT_TRUE(ops.target->recreate_export("client-1_UUID"));
	EXPECT_EQ(c.getattr(), 7);
	EXPECT_EQ(locks.complete, 3);
	EXPECT_EQ(after, 3);
	EXPECT_TRUE(eventually([&] { return locks.gone == 3; }));
}

TEST_F(Trouble, LocksThatWereNotToldAreToldOnTheNextConnection)
{
	ClientBox c(*node->rpc, {Nid::lo()});
	ASSERT_TRUE(c.connect());
	ASSERT_TRUE(c.setattr());
	c.user.on_replay_locks = [&](Import &imp) {
		auto r = *Request<op::OstGetattr>::make(imp);
		r->options.lock_replay = r->options.no_resend = r->options.no_delay = true;
		return r.send_wait().has_value();
	};
	server->lose_exports();
	auto &ops = server->ops;
	ops.is_recovering = true;
	std::atomic<int> asked{0}, told{0}, told_at_the_end{-1};
	ops.on_filter = [&](ServerRequest &r) {
		if (r.has_flag(wire::MSG_LOCK_REPLAY_DONE)) {
			told_at_the_end = told.load();
			ops.is_recovering = false;
		} else if (r.has_flag(wire::MSG_REQ_REPLAY_DONE)) {
			if (++asked == 1)
				return Filter::drop; // the client loses patience, and reconnects
			told++;
		}
		return Filter::process;
	};
	server->register_target();
	ASSERT_TRUE(ops.target->recreate_export("client-1_UUID"));
	EXPECT_EQ(c.getattr(), 7);
	EXPECT_EQ(c.user.lock_replays, 2);
	EXPECT_EQ(told_at_the_end, 1);
}

TEST_F(Trouble, RestartWithoutRecoveryEvicts)
{
	ClientBox c(*node->rpc, {Nid::lo()});
	ASSERT_TRUE(c.connect());
	ASSERT_TRUE(c.setattr());
	server->lose_exports();
	server->register_target();
	auto r = c.getattr();
	EXPECT_FALSE(r);
	EXPECT_TRUE(eventually([&] { return c.user.evicted == 1; }));
	EXPECT_EQ(c.getattr(), 7);
}

TEST_F(Trouble, TakenRequestsAreExecutedLater)
{
	ClientBox c(*node->rpc, {Nid::lo()});
	ASSERT_TRUE(c.connect());
	ASSERT_TRUE(c.setattr());
	server->lose_exports();
	auto &ops = server->ops;
	ops.is_recovering = true;
	std::mutex m;
	std::vector<cfs::RefPtr<ServerRequest>> taken;
	ops.on_filter = [&](ServerRequest &r) {
		std::lock_guard g(m);
		taken.push_back(cfs::RefPtr<ServerRequest>::share(&r));
		return Filter::taken;
	};
	server->register_target();
	ASSERT_TRUE(ops.target->recreate_export("client-1_UUID"));
	std::atomic<bool> stop{false};
	std::thread recovery([&] {
		while (!stop) {
			std::vector<cfs::RefPtr<ServerRequest>> now;
			{
				std::lock_guard g(m);
				now.swap(taken);
			}
			for (auto &r : now) {
				if (r->has_flag(wire::MSG_LOCK_REPLAY_DONE))
					ops.is_recovering = false;
				r->execute();
			}
			cfs_sleep_until(cfs::after(cfs::Duration::millis(5)).ns());
		}
	});
	EXPECT_EQ(c.getattr(), 7);
	EXPECT_EQ(ops.setattrs, 2); // once, and its replay
	stop = true;
	recovery.join();
}

TEST_F(Trouble, ReconnectAfterFailoverUsesTheNextNid)
{
	auto port = fresh_port();
	NodeBox a(0x7f000001, port), b(0x7f000002, port), client(0x7f000003, port);
	ServerBox on_b(*b.rpc);
	ClientBox c(*client.rpc, {a.nid, b.nid});
	EXPECT_TRUE(c.connect());
	EXPECT_EQ(c.imp->peer(), b.nid);
}

TEST_F(Trouble, TheLastAnnouncedPlaceIsTriedHoweverManyThereWere)
{
	auto port = fresh_port();
	NodeBox b(0x7f000002, port), client(0x7f000003, port);
	ServerBox on_b(*b.rpc);
	auto somewhere = [](u32 n) {
		return Nid::ipv4(lnet::make_net(lnet::LndType::tcp, 0), 0x7f000100 + n);
	};
	ClientBox c(*client.rpc, {somewhere(0)});
	for (u32 i = 1; i < 50; i++)
		c.imp->target_moved(std::array{somewhere(i)}, i);
	c.imp->target_moved(std::array{b.nid}, 50);
	EXPECT_TRUE(c.connect());
	EXPECT_EQ(c.imp->peer(), b.nid);
}

/// What the user was told of a connection is so: it was there.
TEST_F(Trouble, AnAnnouncementDuringAConnectIsNotLost)
{
	auto port = fresh_port();
	NodeBox a(0x7f000001, port), b(0x7f000002, port), client(0x7f000003, port);
	ServerBox on_a(*a.rpc), on_b(*b.rpc);
	on_b.ops.target_instance = 2;
	ClientBox c(*client.rpc, {a.nid});
	c.user.when_connected = [&](Import &i) {
		if (c.user.connected == 1)
			i.target_moved(std::array{b.nid}, 2);
	};
	EXPECT_TRUE(c.connect());
	EXPECT_TRUE(eventually(
		[&] { return c.imp->peer() == b.nid && c.imp->state() == ImportState::full; }));
	EXPECT_EQ(c.user.connected, 2);
	EXPECT_EQ(c.user.lost, 1);
}

TEST_F(Trouble, ModifySlotsLimitParallelModifications)
{
	ClientBox c(*node->rpc, {Nid::lo()}, "client-1_UUID",
		    [](ImportSpec &s) { s.max_mod_rpcs = 2; });
	ASSERT_TRUE(c.connect());
	Door door;
	std::mutex m;
	std::vector<u16> tags;
	server->ops.on_getattr = [&](ServerRequest &r) {
		{
			std::lock_guard g(m);
			tags.push_back(r.body().tag);
		}
		door.wait();
	};
	Async a;
	for (int i = 0; i < 5; i++) {
		auto r = *Request<op::OstGetattr>::make(*c.imp);
		r->options.modifies = true;
		r->send(a);
	}
	ASSERT_TRUE(eventually([&] { return door.waiting == 2; }));
	cfs_sleep_until(cfs::after(cfs::Duration::millis(200)).ns());
	EXPECT_EQ(door.waiting, 2);
	auto close = *Request<op::OstGetattr>::make(*c.imp);
	close->options.is_close = true;
	close->send(a); // has a slot of its own
	EXPECT_TRUE(eventually([&] { return door.waiting == 3; }));
	door.open();
	EXPECT_TRUE(eventually([&] { return a.gone == 6; }));
	std::lock_guard g(m);
	for (u16 t : tags)
		EXPECT_TRUE(t >= 1 && t <= 3) << t;
}

TEST_F(Trouble, MoreThreadsServeWhatWaitsAsSoonAsTheyAreAllowed)
{
	node->rpc->tunables().timeout = 100; // no ping makes the service look
	ClientBox c(*node->rpc, {Nid::lo()});
	ASSERT_TRUE(c.connect());
	Door door;
	server->ops.on_getattr = [&](ServerRequest &) { door.wait(); };
	auto &service = static_cast<ServiceImpl &>(*server->service);
	int most = static_cast<int>(service.show_threads_max()) - 2; // kept back: service_impl.hpp
	Async a;
	for (int i = 0; i < most + 3; i++)
		(*Request<op::OstGetattr>::make(*c.imp))->send(a);
	ASSERT_TRUE(eventually([&] { return door.waiting == most; }));
	cfs_sleep_until(cfs::after(cfs::Duration::millis(200)).ns());
	EXPECT_EQ(door.waiting, most);
	ASSERT_TRUE(service.set_threads_max(service.show_threads_max() + 3));
	EXPECT_TRUE(eventually([&] { return door.waiting == most + 3; }, 10));
	door.open();
	EXPECT_TRUE(eventually([&] { return a.gone == most + 3; }));
}

TEST_F(Trouble, SilentClientIsEvicted)
{
	// The server expects a ping each second; the client pings every 25 s.
	auto port = fresh_port();
	NodeBox s(0x7f000001, port), cl(0x7f000002, port);
	s.rpc->tunables().timeout = 4;
	s.rpc->tunables().at_min = 1;
	ServerBox box(*s.rpc);
	ClientBox c(*cl.rpc, {s.nid});
	ASSERT_TRUE(c.connect());
	EXPECT_TRUE(eventually([&] { return box.ops.evicted == 1; }, 40));
}

TEST_F(Trouble, PingsKeepAnIdleClientAlive)
{
	ClientBox c(*node->rpc, {Nid::lo()});
	ASSERT_TRUE(c.connect());
	u64 before = server->service->received();
	EXPECT_TRUE(eventually([&] { return server->service->received() >= before + 3; }));
	EXPECT_EQ(server->ops.evicted, 0);
	EXPECT_EQ(c.user.lost, 0);
}

TEST_F(Trouble, StoppedTargetIsWaitedFor)
{
	ClientBox c(*node->rpc, {Nid::lo()});
	ASSERT_TRUE(c.connect());
	server->ops.target->stop();
	Async a;
	(*Request<op::OstGetattr>::make(*c.imp))->send(a);
	cfs_sleep_until(cfs::after(cfs::Duration::millis(500)).ns());
	EXPECT_EQ(a.complete, 0); // -ENODEV is no result
	server->ops.target->unregister();
	server->register_target();
	EXPECT_TRUE(eventually([&] { return a.gone == 1; }));
	EXPECT_EQ(a.last_error, 0);
}

TEST_F(Trouble, InactiveImportFailsAtOnceAndComesBack)
{
	ClientBox c(*node->rpc, {Nid::lo()});
	ASSERT_TRUE(c.connect());
	c.imp->set_active(false);
	auto r = c.getattr();
	ASSERT_FALSE(r);
	EXPECT_EQ(r.error(), cfs::err::IO);
	c.imp->set_active(true);
	EXPECT_TRUE(eventually([&] { return c.imp->state() == ImportState::full; }));
	EXPECT_EQ(c.getattr(), 7);
}

TEST_F(Trouble, ServerCallsItsClientBack)
{
	// What the lock manager does: a service for callbacks on the client's node.
	struct Callbacks {
		std::atomic<int> calls{0};
		Import *from = nullptr;
		cfs::Result<> call(ServerRequest &r, RequestView<op::LdlmBlCallback>) noexcept
		{
			calls++;
			from = r.import();
			(void)TRY(r.reply<op::LdlmBlCallback>());
			return {};
		}
	} cb;
	static constexpr Handler kCalls[] = {
		handler<op::LdlmBlCallback, &Callbacks::call>(kHandlerCallback)};
	ServiceSpec spec;
	spec.name = "ldlm_cbd";
	spec.thread_name = "ldlm_cb";
	spec.portals[0] = wire::Portal::LDLM_CB_REQUEST_PORTAL;
	spec.reply_portal = wire::Portal::LDLM_CB_REPLY_PORTAL;
	spec.request_max = wire::LDLM_MAXREQSIZE;
	spec.handlers = kCalls;
	spec.object = &cb;
	Service *calls = *node->rpc->start_service(spec);
	{
		ClientBox c(*node->rpc, {Nid::lo()});
		ASSERT_TRUE(c.connect());
		auto e = server->ops.target->find_export("client-1_UUID");
		auto back = e->reverse_import();
		ASSERT_TRUE(back);
		auto r = Request<op::LdlmBlCallback>::make(*back);
		ASSERT_TRUE(r);
		auto status = r->send_wait();
		ASSERT_TRUE(status);
		EXPECT_EQ(cb.calls, 1);
		EXPECT_EQ(cb.from, c.imp.get());
	}
	calls->stop();
}

} // namespace
