// SPDX-License-Identifier: GPL-2.0
//
// The thin path of RPC: connect, ping, requests with replies, bulk both ways, disconnect; over the
// loopback of one node and over TCP between two.

#include "tests/unit/rpc_test.hpp"

using namespace rpctest;

namespace
{

class Thin : public RpcTest
{
};

TEST_F(Thin, ConnectPingDisconnectOverLoopback)
{
	NodeBox n;
	ServerBox s(*n.rpc);
	{
		ClientBox c(*n.rpc, {Nid::lo()});
		ASSERT_TRUE(c.connect());
		EXPECT_EQ(c.imp->state(), ImportState::full);
		EXPECT_TRUE(c.imp->has_flag(wire::OBD_CONNECT_AT));
		EXPECT_TRUE(c.imp->replayable());
		EXPECT_EQ(s.ops.target->export_count(), 1u);
		EXPECT_TRUE(c.ping());
		EXPECT_EQ(c.getattr(), 7);
		EXPECT_EQ(s.ops.getattrs, 1);
	}
	EXPECT_EQ(s.ops.disconnects, 1);
	EXPECT_TRUE(eventually([&] { return s.ops.target->export_count() == 0; }));
	EXPECT_EQ(s.ops.gone, 1);
	EXPECT_EQ(s.ops.evicted, 0);
}

TEST_F(Thin, TwoNodesOverTcp)
{
	auto port = fresh_port();
	NodeBox server(0x7f000001, port), client(0x7f000002, port);
	ServerBox s(*server.rpc);
	ClientBox c(*client.rpc, {server.nid});
	ASSERT_TRUE(c.connect());
	for (int i = 0; i < 100; i++)
		ASSERT_EQ(c.getattr(static_cast<u64>(i)), 7);
	EXPECT_EQ(s.ops.getattrs, 100);
	auto e = s.ops.target->find_export("client-1_UUID");
	ASSERT_TRUE(e);
	EXPECT_EQ(e->nid(), client.nid);
}

TEST_F(Thin, ServersErrorIsTheResultAndTheReplyStays)
{
	NodeBox n;
	ServerBox s(*n.rpc);
	ClientBox c(*n.rpc, {Nid::lo()});
	ASSERT_TRUE(c.connect());
	s.ops.fail_with = -2;
	auto r = *Request<op::OstGetattr>::make(*c.imp);
	auto status = r.send_wait();
	ASSERT_FALSE(status);
	EXPECT_EQ(status.error(), cfs::err::NOENT);
	EXPECT_TRUE(r->replied());
	auto v = r.reply();
	ASSERT_TRUE(v);
	EXPECT_EQ(v->body().type, wire::MsgType::PTL_RPC_MSG_REPLY);
}

TEST_F(Thin, RepliesNameTheOperationThatWasAsked)
{
	NodeBox n;
	ServerBox s(*n.rpc);
	ClientBox c(*n.rpc, {Nid::lo()});
	ASSERT_TRUE(c.connect());
	auto r = *Request<op::OstSync>::make(*c.imp);
	ASSERT_TRUE(r.send_wait());
	auto v = r.reply();
	ASSERT_TRUE(v);
	EXPECT_EQ(v->body().opc, wire::Opcode::OST_SYNC);
}

TEST_F(Thin, UnknownOperationIsRefusedByTheDispatcher)
{
	NodeBox n;
	ServerBox s(*n.rpc);
	ClientBox c(*n.rpc, {Nid::lo()});
	ASSERT_TRUE(c.connect());
	auto r = *Request<op::OstStatfs>::make(*c.imp);
	auto status = r.send_wait();
	ASSERT_FALSE(status);
	EXPECT_EQ(status.error(), cfs::err::OPNOTSUPP);
	EXPECT_EQ(r.reply()->body().type, wire::MsgType::PTL_RPC_MSG_ERR);
}

TEST_F(Thin, UnknownTargetIsNotConnectedTo)
{
	NodeBox n;
	ServerBox s(*n.rpc);
	ClientBox c(*n.rpc, {Nid::lo()}, "client-1_UUID",
		    [](ImportSpec &spec) { spec.target = "tfs-OST0009_UUID"; });
	ASSERT_TRUE(c.imp->start());
	auto r = c.imp->wait_full(cfs::WaitMode::idle, cfs::after(cfs::Duration::millis(500)));
	ASSERT_FALSE(r);
	EXPECT_EQ(r.error(), cfs::err::TIMEDOUT);
	EXPECT_EQ(s.ops.connects, 0);
}

TEST_F(Thin, MissingRequiredFlagClosesTheImport)
{
	NodeBox n;
	ServerBox s(*n.rpc);
	ClientBox c(*n.rpc, {Nid::lo()}, "client-1_UUID",
		    [](ImportSpec &spec) { spec.required |= wire::OBD_CONNECT_ACL; });
	ASSERT_TRUE(c.imp->start());
	auto r = c.imp->wait_full(cfs::WaitMode::idle, cfs::after(cfs::Duration::seconds(20)));
	ASSERT_FALSE(r);
	EXPECT_EQ(r.error(), cfs::err::PROTO);
}

struct Counter final : RequestUser {
	std::atomic<int> complete{0}, kept{0}, committed{0}, gone{0}, replayed{0};
	std::atomic<int> failed{0};
	void on_complete(ClientRequest &, cfs::Result<i32> r) noexcept override
	{
		complete++;
		failed += r ? 0 : 1;
	}
	void on_kept(ClientRequest &) noexcept override { kept++; }
	void on_committed(ClientRequest &) noexcept override { committed++; }
	void on_replayed(ClientRequest &, cfs::Result<i32>) noexcept override { replayed++; }
	void on_gone(ClientRequest &) noexcept override { gone++; }
};

TEST_F(Thin, ManyAsynchronousRequestsAllComplete)
{
	auto port = fresh_port();
	NodeBox server(0x7f000001, port), client(0x7f000002, port);
	ServerBox s(*server.rpc);
	ClientBox c(*client.rpc, {server.nid});
	ASSERT_TRUE(c.connect());
	Counter user;
	constexpr int kMany = 500;
	for (int i = 0; i < kMany; i++)
		(*Request<op::OstGetattr>::make(*c.imp))->send(user);
	EXPECT_TRUE(eventually([&] { return user.gone == kMany; }));
	EXPECT_EQ(user.complete, kMany);
	EXPECT_EQ(user.failed, 0);
	EXPECT_EQ(s.ops.getattrs, kMany);
}

TEST_F(Thin, RequestSetWaitsForAll)
{
	NodeBox n;
	ServerBox s(*n.rpc);
	ClientBox c(*n.rpc, {Nid::lo()});
	ASSERT_TRUE(c.connect());
	RequestSet set;
	for (int i = 0; i < 20; i++)
		set.send(**Request<op::OstGetattr>::make(*c.imp));
	EXPECT_TRUE(set.wait_all());
	EXPECT_EQ(s.ops.getattrs, 20);
}

TEST_F(Thin, TransactionsAreKeptUntilCommitted)
{
	NodeBox n;
	ServerBox s(*n.rpc);
	ClientBox c(*n.rpc, {Nid::lo()});
	ASSERT_TRUE(c.connect());
	Counter user;
	(*Request<op::OstSetattr>::make(*c.imp))->send(user);
	(*Request<op::OstSetattr>::make(*c.imp))->send(user);
	ASSERT_TRUE(eventually([&] { return user.complete == 2; }));
	EXPECT_EQ(user.kept, 2);
	EXPECT_EQ(user.committed, 0);
	s.ops.target->committed(wire::Transno{s.ops.transno.load()});
	EXPECT_TRUE(c.ping()); // brings pb_last_committed
	EXPECT_TRUE(eventually([&] { return user.gone == 2; }));
	EXPECT_EQ(user.committed, 2);
}

TEST_F(Thin, CommittedOpenStaysUntilDropped)
{
	NodeBox n;
	ServerBox s(*n.rpc);
	ClientBox c(*n.rpc, {Nid::lo()});
	ASSERT_TRUE(c.connect());
	Counter user;
	auto r = *Request<op::OstSetattr>::make(*c.imp);
	r->options.keep_committed = true;
	r->send(user);
	ASSERT_TRUE(eventually([&] { return user.complete == 1; }));
	s.ops.target->committed(wire::Transno{s.ops.transno.load()});
	EXPECT_TRUE(c.ping());
	EXPECT_TRUE(eventually([&] { return user.committed == 1; }));
	EXPECT_EQ(user.gone, 0);
	r->drop_replay();
	EXPECT_TRUE(eventually([&] { return user.gone == 1; }));
}

TEST_F(Thin, EveryExportIsVisitedOnceThoughSomeEndMeanwhile)
{
	NodeBox n;
	ServerBox s(*n.rpc);
	constexpr unsigned kClients = 100; // several pieces of the walk
	for (unsigned i = 0; i < kClients; i++)
		ASSERT_TRUE(s.ops.target->recreate_export("client-" + std::to_string(i) + "_UUID"));
	std::map<std::string, int> seen;
	s.ops.target->for_each_export([&](Export &e) {
		seen[e.client_uuid()]++;
		// What the walk has passed may go, also the one that marks its place.
		if (seen.size() % 2)
			e.evict("a test");
	});
	EXPECT_EQ(seen.size(), kClients);
	for (auto &[uuid, times] : seen)
		EXPECT_EQ(times, 1) << uuid;
	EXPECT_TRUE(eventually([&] { return s.ops.target->export_count() == kClients / 2; }));
}

TEST_F(Thin, HeldReplyIsReleasedByTheAcknowledgement)
{
	auto port = fresh_port();
	NodeBox server(0x7f000001, port), client(0x7f000002, port);
	ServerBox s(*server.rpc);
	ClientBox c(*client.rpc, {server.nid});
	ASSERT_TRUE(c.connect());
	auto r = *Request<op::OstPunch>::make(*c.imp);
	EXPECT_TRUE(r.send_wait());
	EXPECT_TRUE(eventually([&] { return s.ops.holds_released == 1; }));
}

// ---- bulk ----

class BulkMoves : public RpcTest, public ::testing::WithParamInterface<std::size_t>
{
};

struct Pages {
	std::vector<cfs_bvec> pieces;
	explicit Pages(std::size_t bytes) { TestTarget::pages_for(bytes, pieces); }
	~Pages()
	{
		for (cfs_bvec &v : pieces)
			cfs_page_free(CFS_S_OST, v.page);
	}
	template <typename F>
	void each(F f)
	{
		std::size_t at = 0;
		for (cfs_bvec &v : pieces) {
			auto *p = static_cast<std::byte *>(cfs_page_map(v.page));
			for (u32 i = 0; i < v.len; i++)
				f(at + i, p[v.offset + i]);
			cfs_page_unmap(p);
			at += v.len;
		}
	}
};

TEST_P(BulkMoves, WriteThenReadGivesTheSameBytes)
{
	auto port = fresh_port();
	NodeBox server(0x7f000001, port), client(0x7f000002, port);
	ServerBox s(*server.rpc);
	ClientBox c(*client.rpc, {server.nid});
	ASSERT_TRUE(c.connect());
	auto bytes = static_cast<u32>(GetParam());
	auto value = [](std::size_t i) { return static_cast<std::byte>(i * 7 + i / 4096); };

	Pages out(bytes);
	out.each([&](std::size_t i, std::byte &b) { b = value(i); });
	RequestLengths<op::OstWrite> wl;
	wl.elements<fld::Niobufs>(1);
	ReplyLengths<op::OstWrite> wr;
	wr.elements<fld::Rcs>(1);
	auto w = *Request<op::OstWrite>::make(*c.imp, wl, wr);
	w.get<fld::Niobufs>()[0].len = bytes;
	w->options.bulk = BulkDesc::pages(Bulk::from_client, wire::Portal::OST_BULK_PORTAL,
					  out.pieces, bytes);
	w->options.request_portal = wire::Portal::OST_IO_PORTAL;
	w.get<fld::IoObj>().max_brw = max_brw_of(w->options.bulk.md_count());
	auto ws = w.send_wait();
	ASSERT_TRUE(ws);
	EXPECT_EQ(w->bulk_bytes(), bytes);

	Pages in(bytes);
	RequestLengths<op::OstRead> rl;
	rl.elements<fld::Niobufs>(1);
	auto r = *Request<op::OstRead>::make(*c.imp, rl);
	r.get<fld::Niobufs>()[0].len = bytes;
	r->options.bulk =
		BulkDesc::pages(Bulk::to_client, wire::Portal::OST_BULK_PORTAL, in.pieces, bytes);
	r->options.request_portal = wire::Portal::OST_IO_PORTAL;
	r.get<fld::IoObj>().max_brw = max_brw_of(r->options.bulk.md_count());
	auto rs = r.send_wait();
	ASSERT_TRUE(rs);
	EXPECT_EQ(static_cast<u32>(*rs), bytes);
	EXPECT_EQ(r->bulk_bytes(), bytes);
	std::size_t wrong = 0;
	in.each([&](std::size_t i, std::byte &b) { wrong += b != value(i); });
	EXPECT_EQ(wrong, 0u);
}

INSTANTIATE_TEST_SUITE_P(Sizes, BulkMoves,
			 ::testing::Values(1u, 4096u, 5000u, 1u << 20, (1u << 20) + 4096, 3u << 20,
					   4u << 20));

} // namespace
