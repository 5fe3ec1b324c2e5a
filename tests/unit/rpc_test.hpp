// SPDX-License-Identifier: GPL-2.0
//
// What tests of RPC share: nodes with LNet over the loopback or over TCP on 127.0.0.0/8, and a test
// target whose operations can be made slow, silent or failing. It serves a handful of OST
// operations: GETATTR (reads), SETATTR (a transaction), PUNCH (a transaction with a held reply),
// READ and WRITE (bulk), SYNC (commits everything).
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "libcfs/host/host.hpp"
#include "libcfs/node.hpp"
#include "lnet/core.hpp"
#include "lnet/socklnd/socklnd.hpp"
#include "lustre/rpc/core.hpp"
#include "lustre/rpc/import_impl.hpp"
#include "rpc/format/ops_common.hpp"
#include "rpc/format/ops_ldlm.hpp"
#include "rpc/format/ops_ost.hpp"
#include "rpc/rpc.hpp"
#include "tests/unit/lnet_nodes.hpp"

namespace rpctest
{

using namespace rpc;
using lnet::Nid;
using lnet_test::LoNi;
using namespace std::chrono_literals;

inline std::uint32_t fresh_port()
{
	static std::atomic<std::uint32_t> next{32000u +
					       static_cast<std::uint32_t>(getpid()) % 20000};
	return next++;
}

/// A node: LNet (with TCP when it has an address) and RPC.
struct NodeBox {
	std::unique_ptr<lnet::sock::SockLnd> lnd;
	std::unique_ptr<LoNi> lo;
	cfs::UniquePtr<lnet::Core> net;
	cfs::UniquePtr<rpc::Core> rpc;
	Nid nid = Nid::lo();
	cfs::RefPtr<cfs::Node> node = *cfs::Node::get(cfs_node_current());

	explicit NodeBox(std::uint32_t addr = 0, std::uint32_t port = 0)
	{
		if (addr) {
			lnet::sock::Tunables t;
			t.accept = lnet::sock::Accept::all;
			t.accept_port = port;
			t.source_port_max = 60999;
			t.source_port_min = 50000;
			t.sock_timeout = 5;
			t.min_reconnectms = 100;
			lnd = std::make_unique<lnet::sock::SockLnd>(cfs_node_current(), t);
			EXPECT_TRUE(lnd->start());
		}
		net = std::move(*lnet::Core::create(*node, cfs_real_ns()));
		if (addr) {
			lo = std::make_unique<LoNi>(*lnd, addr);
			auto n = net->add_ni(*lo, lnet::make_net(lnet::LndType::tcp, 0), "lo");
			EXPECT_TRUE(n);
			nid = *n;
		}
		rpc = std::move(*rpc::Core::create(*node, *net));
	}
	~NodeBox()
	{
		rpc.reset();
		net.reset();
		lnd.reset();
	}
};

/// A hold whose release can be seen.
struct SeenHold final : ReplyHold {
	std::atomic<int> *released;
	explicit SeenHold(std::atomic<int> *r) : released(r) {}
	void release() noexcept override
	{
		(*released)++;
		delete this;
	}
};

class TestTarget final : public TargetOps
{
public:
	std::atomic<int> getattrs{0}, setattrs{0}, gone{0}, evicted{0}, disconnects{0};
	std::atomic<int> connects{0}, holds_released{0};
	std::atomic<u64> transno{100};
	std::atomic<u64> last_committed{0};
	std::atomic<bool> is_replayable{true}, is_recovering{false};
	std::atomic<i32> fail_with{0};
	std::atomic<int> inprogress{0};
	std::atomic<u32> target_instance{1};
	/// Called by GETATTR before it answers.
	std::function<void(ServerRequest &)> on_getattr;
	std::function<Filter(ServerRequest &)> on_filter;
	std::mutex m;
	std::map<u64, int> executed; ///< SETATTRs by XID
	std::vector<std::byte> data = std::vector<std::byte>(8 << 20);
	Target *target = nullptr;

	std::span<const Handler> handlers() noexcept override;
	void *handler_object() noexcept override { return this; }
	cfs::Result<> on_connect(Export &, ConnectRequest &c) noexcept override
	{
		connects++;
		if (c.data.connect_flags & wire::OBD_CONNECT_BRW_SIZE)
			c.data.brw_size = 4 << 20;
		c.data.maxmodrpcs = 8;
		return {};
	}
	void on_disconnect(Export &, ServerRequest &) noexcept override { disconnects++; }
	void on_gone(Export &, bool ev) noexcept override
	{
		gone++;
		evicted += ev ? 1 : 0;
	}
	bool replayable() noexcept override { return is_replayable; }
	bool recovering() noexcept override { return is_recovering; }
	bool in_recovery(Export &) noexcept override { return true; }
	u32 instance() noexcept override { return target_instance; }
	Filter filter(ServerRequest &r) noexcept override
	{
		return on_filter ? on_filter(r) : Filter::process;
	}

	cfs::Result<> getattr(ServerRequest &req, RequestView<op::OstGetattr> in) noexcept
	{
		getattrs++;
		if (on_getattr)
			on_getattr(req);
		if (inprogress > 0) {
			inprogress--;
			return cfs::fail(cfs::err::INPROGRESS);
		}
		auto out = TRY(req.reply<op::OstGetattr>());
		out.get<fld::OstBody>() = in.get<fld::OstBody>();
		if (fail_with)
			return cfs::fail(static_cast<cfs::Errno>(-fail_with.load()));
		req.set_status(7);
		return {};
	}
	cfs::Result<> setattr(ServerRequest &req, RequestView<op::OstSetattr> in) noexcept
	{
		setattrs++;
		{
			std::lock_guard g(m);
			executed[static_cast<u64>(req.xid())]++;
		}
		auto out = TRY(req.reply<op::OstSetattr>());
		out.get<fld::OstBody>() = in.get<fld::OstBody>();
		u64 replayed = static_cast<u64>(wire::Transno{req.body().transno});
		req.set_transno(wire::Transno{replayed ? replayed : ++transno});
		req.set_pre_version(0, wire::ObjectVersion{77});
		return {};
	}
	cfs::Result<> punch(ServerRequest &req, RequestView<op::OstPunch> in) noexcept
	{
		auto out = TRY(req.reply<op::OstPunch>());
		out.get<fld::OstBody>() = in.get<fld::OstBody>();
		req.set_transno(wire::Transno{++transno});
		req.hold_until_ack(*new SeenHold(&holds_released));
		return {};
	}
	cfs::Result<> read(ServerRequest &req, RequestView<op::OstRead> in) noexcept
	{
		auto n = in.get<fld::Niobufs>();
		if (n.empty() || u64{n[0].offset} + n[0].len > data.size())
			return cfs::fail(cfs::err::INVAL);
		(void)TRY(req.reply<op::OstRead>());
		std::vector<cfs_bvec> pieces;
		pages_for(n[0].len, pieces);
		std::size_t at = n[0].offset;
		for (cfs_bvec &v : pieces) {
			char *p = static_cast<char *>(cfs_page_map(v.page));
			memcpy(p + v.offset, data.data() + at, v.len);
			cfs_page_unmap(p);
			at += v.len;
		}
		auto b = BulkDesc::pages(Bulk::to_client, wire::Portal::OST_BULK_PORTAL, pieces,
					 n[0].len);
		auto r = req.bulk_put(b, md_limit_of(in.get<fld::IoObj>().max_brw));
		for (cfs_bvec &v : pieces)
			cfs_page_free(CFS_S_OST, v.page);
		TRY(std::move(r));
		req.set_status(static_cast<i32>(n[0].len));
		return {};
	}
	cfs::Result<> write(ServerRequest &req, RequestView<op::OstWrite> in) noexcept
	{
		auto n = in.get<fld::Niobufs>();
		if (n.empty() || u64{n[0].offset} + n[0].len > data.size())
			return cfs::fail(cfs::err::INVAL);
		ReplyLengths<op::OstWrite> lengths;
		lengths.elements<fld::Rcs>(1);
		(void)TRY(req.reply<op::OstWrite>(lengths));
		std::vector<cfs_bvec> pieces;
		pages_for(n[0].len, pieces);
		auto b = BulkDesc::pages(Bulk::from_client, wire::Portal::OST_BULK_PORTAL, pieces,
					 n[0].len);
		auto r = req.bulk_get(b, md_limit_of(in.get<fld::IoObj>().max_brw));
		std::size_t at = n[0].offset;
		for (cfs_bvec &v : pieces) {
			char *p = static_cast<char *>(cfs_page_map(v.page));
			if (r)
				memcpy(data.data() + at, p + v.offset, v.len);
			cfs_page_unmap(p);
			cfs_page_free(CFS_S_OST, v.page);
			at += v.len;
		}
		TRY(std::move(r));
		req.set_transno(wire::Transno{++transno});
		return {};
	}
	cfs::Result<> sync(ServerRequest &req, RequestView<op::OstSync>) noexcept
	{
		// As handlers do that serve several operations: in the format of one of them.
		(void)TRY(req.reply<op::OstSetattr>());
		target->committed(wire::Transno{transno.load()});
		return {};
	}
	static void pages_for(std::size_t bytes, std::vector<cfs_bvec> &out)
	{
		for (std::size_t at = 0; at < bytes; at += CFS_PAGE_SIZE) {
			auto n = std::min<std::size_t>(CFS_PAGE_SIZE, bytes - at);
			out.push_back({cfs_page_alloc(CFS_S_OST, CFS_ALLOC_DEFAULT),
				       static_cast<u32>(n), 0});
		}
	}
};

inline constexpr Handler kTestHandlers[] = {
	handler<op::OstGetattr, &TestTarget::getattr>(),
	handler<op::OstSetattr, &TestTarget::setattr>(),
	handler<op::OstPunch, &TestTarget::punch>(),
	handler<op::OstRead, &TestTarget::read>(),
	handler<op::OstWrite, &TestTarget::write>(),
	handler<op::OstSync, &TestTarget::sync>(),
};
inline std::span<const Handler> TestTarget::handlers() noexcept
{
	return kTestHandlers;
}

/// A server: a service on the OST's portals, and the target.
struct ServerBox {
	Rpc &rpc;
	Service *service = nullptr;
	TestTarget ops;

	explicit ServerBox(Rpc &r) : rpc(r)
	{
		start_service();
		register_target();
	}
	void start_service()
	{
		ServiceSpec s;
		s.name = "ost";
		s.thread_name = "ll_ost";
		s.portals[0] = wire::Portal::OST_REQUEST_PORTAL;
		s.portals[1] = wire::Portal::OST_IO_PORTAL;
		s.reply_portal = wire::Portal::OSC_REPLY_PORTAL;
		s.threads_min = 2;
		s.threads_max = 8;
		auto made = rpc.start_service(s);
		EXPECT_TRUE(made);
		service = *made;
	}
	void register_target()
	{
		TargetSpec t;
		t.name = "tfs-OST0000";
		t.uuid = "tfs-OST0000_UUID";
		t.supported = wire::OST_CONNECT_SUPPORTED | wire::OBD_CONNECT_MULTIMODRPCS;
		t.supported2 = wire::OST_CONNECT_SUPPORTED2;
		t.ops = &ops;
		auto made = rpc.register_target(t);
		EXPECT_TRUE(made);
		ops.target = *made;
	}
	/// The server's process dies and comes back: exports are gone, handles unknown.
	void lose_exports()
	{
		ops.target->stop();
		ops.target->unregister();
	}
	~ServerBox()
	{
		if (ops.target) {
			ops.target->stop();
			ops.target->unregister();
		}
		service->stop();
	}
};

/// Notes what an import tells.
struct SeenUser final : ImportUser {
	std::atomic<int> full{0}, lost{0}, evicted{0}, closed{0}, lock_replays{0};
	std::function<bool(Import &)> on_replay_locks;
	std::atomic<int> connected{0};
	std::function<void(Import &)> when_connected;
	cfs::Result<> on_connected(Import &i, const wire::ObdConnectData &, bool) noexcept override
	{
		connected++;
		if (when_connected)
			when_connected(i);
		return {};
	}
	void on_full(Import &) noexcept override { full++; }
	void on_disconnected(Import &) noexcept override { lost++; }
	void on_evicted(Import &) noexcept override { evicted++; }
	void on_closed(Import &, cfs::Errno) noexcept override { closed++; }
	bool replay_locks(Import &i) noexcept override
	{
		lock_replays++;
		return !on_replay_locks || on_replay_locks(i);
	}
};

struct ClientBox {
	SeenUser user;
	cfs::RefPtr<Import> imp;

	ClientBox(Rpc &rpc, std::vector<Nid> nids, const char *uuid = "client-1_UUID",
		  std::function<void(ImportSpec &)> change = {})
	{
		ImportSpec s = ost_import();
		s.device = "tfs-OST0000-osc";
		s.target = "tfs-OST0000_UUID";
		s.client_uuid = uuid;
		s.wanted.connect_flags = wire::OBD_CONNECT_FULL20 | wire::OBD_CONNECT_VERSION |
					 wire::OBD_CONNECT_AT | wire::OBD_CONNECT_FID |
					 wire::OBD_CONNECT_BRW_SIZE | wire::OBD_CONNECT_BULK_MBITS |
					 wire::OBD_CONNECT_FLAGS2 | wire::OBD_CONNECT_MULTIMODRPCS;
		s.wanted.connect_flags2 = wire::OBD_CONNECT2_REP_MBITS | wire::OBD_CONNECT2_INC_XID;
		s.wanted.brw_size = 4 << 20;
		s.wanted.version = wire::LUSTRE_VERSION_CODE;
		s.required = wire::OBD_CONNECT_FULL20;
		s.user = &user;
		if (change)
			change(s);
		imp = *rpc.new_import(s);
		EXPECT_TRUE(imp->add_connection(nids));
	}
	bool connect(int seconds = 30)
	{
		EXPECT_TRUE(imp->start());
		auto r = imp->wait_full(cfs::WaitMode::idle,
					cfs::after(cfs::Duration::seconds(seconds)));
		return r.has_value();
	}
	void close()
	{
		if (imp)
			(void)imp->disconnect(cfs::WaitMode::idle,
					      cfs::after(cfs::Duration::seconds(5)));
		imp.reset();
	}
	~ClientBox() { close(); }

	cfs::Result<i32> getattr(u64 oid = 5)
	{
		auto r = TRY(Request<op::OstGetattr>::make(*imp));
		r.get<fld::OstBody>().oa.blocks = oid;
		i32 status = TRY(r.send_wait());
		auto reply = TRY(r.reply());
		if (reply.get<fld::OstBody>().oa.blocks != oid)
			return cfs::fail(cfs::err::IO);
		return status;
	}
	cfs::Result<Request<op::OstSetattr>> setattr(bool modifies = false)
	{
		auto r = TRY(Request<op::OstSetattr>::make(*imp));
		r->options.modifies = modifies;
		(void)TRY(r.send_wait());
		return r;
	}
	cfs::Result<i32> ping() { return TRY(Request<op::ObdPing>::make(*imp)).send_wait(); }
};

template <typename Pred>
bool eventually(Pred p, int seconds = 30)
{
	for (int i = 0; i < seconds * 100; i++) {
		if (p())
			return true;
		cfs_sleep_until(cfs::after(cfs::Duration::millis(10)).ns());
	}
	return p();
}

class RpcTest : public ::testing::Test
{
protected:
	void SetUp() override { ASSERT_EQ(cfs_core_start(), 0); }
	void TearDown() override
	{
		cfs_core_stop();
		EXPECT_EQ(cfs::host::memory_held(), "");
	}
};

} // namespace rpctest
