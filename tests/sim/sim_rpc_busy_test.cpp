// SPDX-License-Identifier: GPL-2.0
//
// Servers whose threads are all at work. Whatever they wait for must find its way to them: what
// comes in is received although nobody has time for it, and a client that comes back is let in
// although the server still waits for data that was lost with the old connection.

#include <functional>
#include <memory>

#include "libcfs/sim/gtest.hpp"
#include "libcfs/sim/net.hpp"
#include "libcfs/sim/rng.hpp"
#include "lnet/simlnd/world.hpp"
#include "rpc/format/ops_ost.hpp"
#include "rpc/hold.hpp"

namespace
{

using namespace cfs::sim;
using namespace rpc;

constexpr u32 kBytes = 4 * CFS_PAGE_SIZE;

void check(bool ok, const char *why)
{
	this_world().check(ok, why);
}

void wait_until(const std::function<bool()> &there)
{
	while (!there())
		sleep_for(10 * kMillisecond);
}

/// What server, client and driver tell each other.
struct Talk {
	unsigned parked = 0;   ///< punches whose thread waits
	bool go_on = false;    ///< they need not wait any more
	unsigned writes = 0;   ///< that a thread has begun with
	Nanos healed = 0;      ///< when the network was whole again
	bool finished = false; ///< the client is through
};

struct Pages {
	cfs_bvec piece[kBytes / CFS_PAGE_SIZE];

	Pages()
	{
		for (cfs_bvec &v : piece)
			v = {cfs_page_alloc(CFS_S_OST, CFS_ALLOC_ZERO), CFS_PAGE_SIZE, 0};
	}
	~Pages()
	{
		for (cfs_bvec &v : piece)
			cfs_page_free(CFS_S_OST, v.page);
	}
	[[nodiscard]] BulkDesc bulk() const
	{
		return BulkDesc::pages(Bulk::from_client, wire::Portal::OST_BULK_PORTAL, piece,
				       kBytes);
	}
};

class Ost final : public TargetOps
{
	Talk &talk_;

public:
	explicit Ost(Talk &t) : talk_(t) {}
	std::span<const Handler> handlers() noexcept override;
	void *handler_object() noexcept override { return this; }
	cfs::Result<> on_connect(Export &, ConnectRequest &c) noexcept override
	{
		c.data.maxmodrpcs = 8;
		return {};
	}
	void on_gone(Export &, bool evicted) noexcept override
	{
		check(!evicted, "a client that was there all the time is evicted");
	}

	cfs::Result<> setattr(ServerRequest &req, RequestView<op::OstSetattr>) noexcept
	{
		(void)TRY(req.reply<op::OstSetattr>());
		return {};
	}
	cfs::Result<> punch(ServerRequest &req, RequestView<op::OstPunch>) noexcept
	{
		talk_.parked++;
		wait_until([this] { return talk_.go_on; });
		(void)TRY(req.reply<op::OstPunch>());
		return {};
	}
	cfs::Result<> write(ServerRequest &req, RequestView<op::OstWrite> in) noexcept
	{
		talk_.writes++;
		sleep_for(100 * kMillisecond);
		ReplyLengths<op::OstWrite> lengths;
		lengths.elements<fld::Rcs>(1);
		(void)TRY(req.reply<op::OstWrite>(lengths));
		Pages pages;
		return req.bulk_get(pages.bulk(), md_limit_of(in.get<fld::IoObj>().max_brw));
	}
};

constexpr Handler kHandlers[] = {
	handler<op::OstSetattr, &Ost::setattr>(),
	handler<op::OstPunch, &Ost::punch>(kHandlerUrgent),
	handler<op::OstWrite, &Ost::write>(kHandlerUrgent),
};
std::span<const Handler> Ost::handlers() noexcept
{
	return kHandlers;
}

ServiceSpec service(std::string_view name, wire::Portal portal)
{
	ServiceSpec s;
	s.name = s.thread_name = name;
	s.portals[0] = portal;
	s.reply_portal = wire::Portal::OSC_REPLY_PORTAL;
	// A receive buffer has room for one request.
	s.request_max = 64 << 10;
	s.threads_min = 2;
	return s;
}

void serve(Talk &talk, unsigned io_threads)
{
	auto rpc = *RpcHold::take(cfs_node_current());
	Ost ost(talk);
	TargetSpec t;
	t.name = "tfs-OST0000";
	t.uuid = "tfs-OST0000_UUID";
	t.supported = wire::OST_CONNECT_SUPPORTED;
	t.supported2 = wire::OST_CONNECT_SUPPORTED2;
	t.ops = &ost;
	Target *target = *rpc->register_target(t);
	auto io = service("ost_io", wire::Portal::OST_IO_PORTAL);
	io.threads_max = io_threads;
	Service *services[] = {
		*rpc->start_service(service("ost", wire::Portal::OST_REQUEST_PORTAL)),
		*rpc->start_service(io),
	};
	wait_stop();
	target->stop();
	target->unregister();
	for (Service *s : services)
		s->stop();
}

struct Counter final : RequestUser {
	unsigned pending = 0;
	void on_complete(ClientRequest &, cfs::Result<i32> r) noexcept override
	{
		check(r.has_value(), "a request failed");
	}
	void on_gone(ClientRequest &) noexcept override { pending--; }
};

void work_with(lnet::Nid server, const std::function<void(Import &)> &work)
{
	auto rpc = *RpcHold::take(cfs_node_current());
	char uuid[wire::UUID_MAX];
	rpc->new_uuid(uuid);
	struct User final : ImportUser {
	} user;
	ImportSpec s = ost_import();
	s.device = "tfs-OST0000-osc";
	s.target = "tfs-OST0000_UUID";
	s.client_uuid = uuid;
	s.wanted.connect_flags = wire::OBD_CONNECT_FULL20 | wire::OBD_CONNECT_VERSION |
				 wire::OBD_CONNECT_AT | wire::OBD_CONNECT_FID |
				 wire::OBD_CONNECT_FLAGS2 | wire::OBD_CONNECT_BULK_MBITS;
	s.wanted.connect_flags2 = wire::OBD_CONNECT2_REP_MBITS;
	s.user = &user;
	auto imp = *rpc->new_import(s);
	check(imp->add_connection(std::span(&server, 1)).has_value(), "no connection");
	check(imp->start().has_value(), "cannot start");
	work(*imp);
	(void)imp->disconnect(cfs::WaitMode::idle, cfs::after(cfs::Duration::seconds(20)));
}

/// A server `oss` and a client `c`; the script runs beside them.
void play(World &w, unsigned io_threads, void (*client)(Talk &, Import &),
	  std::function<void(Talk &, Node &oss, Node &c)> script)
{
	auto talk = std::make_shared<Talk>();
	Node &oss = *lnet::sim::add_nodes(w, 1, "oss")[0];
	Node &c = *lnet::sim::add_nodes(w, 1, "c")[0];
	lnet::Nid nid = lnet::sim::nid_of(oss);
	lnet::sim::start_core(oss, [talk, io_threads] { serve(*talk, io_threads); });
	lnet::sim::start_core(c, [talk, nid, client] {
		work_with(nid, [&](Import &imp) { client(*talk, imp); });
		talk->finished = true;
	});
	w.spawn("script", [talk, &oss, &c, script = std::move(script)] {
		script(*talk, oss, c);
		c.wait_down();
		check(talk->finished, "the client did not get through");
		oss.stop();
		oss.wait_down();
	});
}

// ---- threads that wait for something ----

/// More than there are threads and receive buffers; then something for another service, which comes
/// by the same way.
void ask_for_much(Talk &talk, Import &imp)
{
	Counter done;
	for (unsigned i = 0; i < 40; i++) {
		auto r = *Request<op::OstPunch>::make(imp);
		r->options.request_portal = wire::Portal::OST_IO_PORTAL;
		done.pending++;
		r->send(done);
	}
	wait_until([&] { return talk.parked > 0; });
	sleep_for(kSecond);
	check(done.pending == 40, "parked requests are answered");
	auto r = *Request<op::OstSetattr>::make(imp);
	r->options.no_resend = true;
	check(r.send_wait().has_value(), "no way through to a server whose threads are at work");
	talk.go_on = true;
	wait_until([&] { return done.pending == 0; });
}

TEST(SimRpcBusy, WhatComesInIsReceivedAlthoughAllThreadsWait)
{
	// With few threads none is kept free; with more, one of each CPU partition.
	for (unsigned threads : {2u, 16u})
		run_seeds(10, [threads](World &w) {
			play(w, threads, ask_for_much, [](Talk &, Node &, Node &) {});
		});
}

// ---- data that was lost ----

void write_twice(Talk &talk, Import &imp)
{
	Counter done;
	Pages pages;
	for (unsigned i = 0; i < 2; i++) {
		RequestLengths<op::OstWrite> lengths;
		lengths.elements<fld::Niobufs>(1);
		ReplyLengths<op::OstWrite> back;
		back.elements<fld::Rcs>(1);
		auto r = *Request<op::OstWrite>::make(imp, lengths, back);
		r.get<fld::Niobufs>()[0].len = kBytes;
		r->options.bulk = pages.bulk();
		r->options.request_portal = wire::Portal::OST_IO_PORTAL;
		r.get<fld::IoObj>().max_brw = max_brw_of(r->options.bulk.md_count());
		done.pending++;
		r->send(done);
	}
	wait_until([&] { return done.pending == 0; });
	check(this_world().now() < talk.healed + 40 * kSecond, "a client was kept out for long");
}

TEST(SimRpcBusy, AClientThatComesBackIsLetInAlthoughItsDataWasLost)
{
	run_seeds(20, [](World &w) {
		play(w, 16, write_twice, [&w](Talk &talk, Node &oss, Node &c) {
			wait_until([&] { return talk.writes == 2; });
			// Nothing comes through for longer than the client waits for an answer, and
			// what was under way is lost.
			w.net().partition(oss, c);
			sleep_for(15 * kSecond);
			w.net().reset(oss, c);
			w.net().heal(oss, c);
			talk.healed = w.now();
		});
	});
}

} // namespace
