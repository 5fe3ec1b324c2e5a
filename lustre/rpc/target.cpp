// SPDX-License-Identifier: GPL-2.0
//
// Targets: their exports, and who may connect (spec 02 sections 7.7, 7.10).

#include <algorithm>

#include "lustre/rpc/service_impl.hpp"
#include "rpc/format/ops_common.hpp"

namespace rpc
{

using namespace cfs::err;

cfs::Result<cfs::UniquePtr<TargetImpl>> TargetImpl::make(Core &core, const TargetSpec &s) noexcept
{
	auto t = TRY(cfs::try_make<TargetImpl>(core));
	TRY(t->name_.set(s.name));
	TRY(t->uuid_.set(s.uuid));
	t->ops_ = s.ops;
	t->supported_ = s.supported;
	t->supported2_ = s.supported2;
	t->is_mgs_ = s.is_mgs;
	TRY(t->exports_.open(kSubsys, &core.completions()));
	t->evict_timer_.target = t.get();
	t->evicting_.store(true, std::memory_order_relaxed);
	core.timers().arm(t->evict_timer_, cfs::after(cfs::Duration::seconds(1)));
	return t;
}

void TargetImpl::destroy() noexcept
{
	evicting_.store(false, std::memory_order_release);
	core_.timers().cancel_sync(evict_timer_);
	exports_.close();
	this->~TargetImpl();
	cfs_free(kSubsys, this, sizeof(*this));
}

const Handler *TargetImpl::find_handler(wire::Opcode op) noexcept
{
	for (const Handler &h : ops_->handlers())
		if (h.opcode == op)
			return &h;
	return nullptr;
}

// ---- exports ----

cfs::RefPtr<ExportImpl> TargetImpl::find(const UuidText &uuid) noexcept
{
	return exports_.find(uuid);
}

cfs::RefPtr<Export> TargetImpl::find_export(std::string_view client) noexcept
{
	UuidText u;
	if (!u.set(client))
		return nullptr;
	return cfs::RefPtr<Export>(find(u));
}

cfs::Result<cfs::RefPtr<ExportImpl>> TargetImpl::add(const UuidText &uuid) noexcept
{
	auto e = TRY(cfs::try_make_ref<ExportImpl>(*this, core_.new_cookie()));
	e->uuid = uuid;
	{
		cfs::SpinGuard g(list_lock_);
		all_.push_back(*e);
	}
	exports_count_.fetch_add(1, std::memory_order_relaxed);
	if (!e->usable())
		return cfs::fail(NOMEM);
	if (!exports_.insert(e))
		return cfs::fail(ALREADY); // another connect of the same client was faster
	auto known = core_.add_export(e);
	if (!known) {
		exports_.erase(*e);
		return cfs::fail(known.error());
	}
	return e;
}

void TargetImpl::remove(ExportImpl &e) noexcept
{
	{
		cfs::SpinGuard g(list_lock_);
		if (e.in_target.is_linked())
			list_.erase(list_.iterator_to(e));
	}
	exports_.erase(e);
}

void TargetImpl::forget(ExportImpl &e) noexcept
{
	{
		cfs::SpinGuard g(list_lock_);
		if (e.in_all.is_linked())
			all_.erase(all_.iterator_to(e));
		if (e.in_target.is_linked())
			list_.erase(list_.iterator_to(e));
		if (e.in_holders.is_linked())
			holders_.erase(holders_.iterator_to(e));
	}
	cfs::SpinGuard g(end_lock_);
	if (exports_count_.fetch_sub(1, std::memory_order_relaxed) == 1)
		end_waitq_.wake_all();
}

void TargetImpl::refresh(ExportImpl &e) noexcept
{
	cfs::SpinGuard g(list_lock_);
	if (e.in_target.is_linked())
		list_.erase(list_.iterator_to(e));
	if (!e.gone())
		list_.push_back(e);
}

cfs::Result<cfs::RefPtr<Export>> TargetImpl::recreate_export(std::string_view client) noexcept
{
	UuidText u;
	TRY(u.set(client));
	if (find(u))
		return cfs::fail(EXIST);
	auto e = TRY(add(u));
	e->accepted = true;
	return cfs::RefPtr<Export>(std::move(e));
}

void TargetImpl::for_each_export(ExportVisitor &v) noexcept
{
	// The list is walked in pieces, so that the visitor is called without its lock. What has a
	// reference stays in the list, so the last one of a piece marks the place.
	constexpr std::size_t kBatch = 32;
	cfs::RefPtr<ExportImpl> last;
	for (;;) {
		cfs::RefPtr<ExportImpl> batch[kBatch];
		std::size_t n = 0;
		{
			cfs::SpinGuard g(list_lock_);
			auto it = last ? std::next(all_.iterator_to(*last)) : all_.begin();
			for (; it != all_.end() && n < kBatch; ++it)
				if (it->try_get())
					batch[n++] = cfs::RefPtr<ExportImpl>::adopt(&*it);
		}
		if (n == 0)
			return;
		for (std::size_t i = 0; i < n; i++)
			if (!batch[i]->gone())
				v.visit(*batch[i]);
		last = std::move(batch[n - 1]);
	}
}

u32 TargetImpl::evict(std::string_view whom) noexcept
{
	u32 n = 0;
	lnet::Nid nid;
	bool by_nid = whom.starts_with("nid:");
	if (by_nid) {
		whom.remove_prefix(4);
		auto parsed = lnet::parse_nid(whom);
		if (!parsed)
			return 0;
		nid = *parsed;
	}
	Target &self = *this;
	self.for_each_export([&](Export &e) {
		if (by_nid ? e.nid() != nid : whom != e.client_uuid())
			return;
		LCONSOLE_WARN(CFS_S_RPC, "{}: evicting {} at adminstrative request", name_.view(),
			      e.client_uuid());
		n += static_cast<ExportImpl &>(e).end(true) ? 1u : 0u;
	});
	return n;
}

void TargetImpl::committed(wire::Transno transno) noexcept
{
	u64 t = static_cast<u64>(transno);
	u64 had = committed_.load(std::memory_order_relaxed);
	while (t > had && !committed_.compare_exchange_weak(had, t, std::memory_order_acq_rel)) {
	}
	cfs::SpinGuard g(list_lock_);
	for (auto it = holders_.begin(); it != holders_.end();) {
		ExportImpl &e = *it;
		++it;
		if (!e.release_held(t))
			holders_.erase(holders_.iterator_to(e));
	}
}

void TargetImpl::add_holder(ExportImpl &e) noexcept
{
	cfs::SpinGuard g(list_lock_);
	if (!e.enter_holders())
		return;
	holders_.push_back(e);
	// A commit may have walked the list just before.
	if (!e.release_held(last_committed()))
		holders_.erase(holders_.iterator_to(e));
}

// ---- silence ----

cfs::Duration TargetImpl::silence_limit() noexcept
{
	const Tunables &t = core_.tunables();
	std::int64_t ping = t.ping_interval();
	if (t.at_max.load(std::memory_order_relaxed) == 0)
		return cfs::Duration::seconds(6 * ping);
	std::int64_t est = t.at_min.load(std::memory_order_relaxed);
	std::int64_t limit = 2 * ping + timeout_of(static_cast<u32>(est)) + 2 * est;
	return cfs::Duration::seconds(limit) * 17 / 16;
}

void TargetImpl::check_silent() noexcept
{
	cfs::Duration limit = silence_limit();
	cfs::Instant now = cfs::Instant::now();
	bool wait = core_.tunables().suppress_pings.load(std::memory_order_relaxed) ||
		    ops_->recovering() || stopping();
	for (unsigned n = 0; !wait && n < 1000; n++) {
		cfs::RefPtr<ExportImpl> late;
		{
			cfs::SpinGuard g(list_lock_);
			if (list_.empty() || now - list_.front().last_request() <= limit)
				break;
			ExportImpl &e = list_.front();
			list_.pop_front();
			if (!e.try_get())
				continue;
			late = cfs::RefPtr<ExportImpl>::adopt(&e);
		}
		if (late->has_flag(wire::OBD_CONNECT_PINGLESS) ||
		    late->has_flag(wire::OBD_CONNECT_MDS_MDS))
			continue; // back in the list when it is heard again
		LCONSOLE_WARN(
			CFS_S_RPC,
			"{}: haven't heard from client {} (at {}) in {} seconds. I think it's "
			"dead, and I am evicting it.",
			name_.view(), late->uuid.view(), late->nid(),
			(now - late->last_request()).s());
		(void)late->end(true);
	}
	if (evicting_.load(std::memory_order_acquire))
		core_.timers().arm(evict_timer_, cfs::after(limit / 8));
}

// ---- the end ----

void TargetImpl::stop() noexcept
{
	gate_.shut();
	ops_->on_stop();
	(void)gate_.close(cfs::WaitMode::idle, cfs::Instant::never());
}

void TargetImpl::unregister() noexcept
{
	if (!gate_.closed() || gate_.inside())
		stop();
	struct EndAll final : ExportVisitor {
		void visit(Export &e) noexcept override
		{
			(void)static_cast<ExportImpl &>(e).end(false);
		}
	} end;
	for_each_export(end);
	core_.remove_target(*this);
	{
		cfs::SpinGuard g(end_lock_);
		auto none = [this] { return exports_count_.load(std::memory_order_relaxed) == 0; };
		(void)end_waitq_.wait(end_lock_, cfs::WaitMode::idle, cfs::Instant::never(), none);
	}
	destroy();
}

// ---- connecting ----

/// A *_CONNECT on its way through spec 02 7.7.
struct TargetImpl::Connecting {
	RequestView<op::OstConnect> in;
	UuidText client;
	cfs::RefPtr<ExportImpl> exp;
	ConnectRequest ask;
	u32 op_flags;
	u32 cnt;
	u64 client_cookie;
	bool reconnect = false; ///< the genuine one: RECONNECT goes into the reply
	bool fresh = false;	///< exp was made here
};

cfs::Result<> TargetImpl::connect(ServerReq &r) noexcept
{
	auto in = TRY(r.as<op::OstConnect>());
	Connecting c{in, {}, nullptr, {}, in.body().op_flags, in.body().conn_cnt, 0};
	TRY(c.client.set(in.get<fld::CluUuid>()));
	c.client_cookie = static_cast<u64>(wire::ExportHandle{in.get<fld::Conn>()});
	c.ask.data = in.get<fld::ConnectData>();
	if (!(c.ask.data.connect_flags & wire::OBD_CONNECT_FLAGS2))
		c.ask.data.connect_flags2 = 0;
	if (!(c.ask.data.connect_flags & wire::OBD_CONNECT_FULL20) ||
	    (c.op_flags & wire::MSG_CONNECT_LIBCLIENT))
		return cfs::fail(PROTO);
	c.ask.nid = r.source().nid;
	c.ask.client_uuid = c.client.view();
	c.ask.has_transno = c.op_flags & wire::MSG_CONNECT_TRANSNO;
	c.ask.client_estimate = in.body().service_time;
	c.ask.kind = ConnectKind::fresh;
	TRY(ops_->may_connect(c.ask));
	c.exp = find(c.client);
	if (c.exp && !c.exp->begin_connect())
		return cfs::fail(ALREADY);
	auto done = decide(c, r);
	if (c.exp)
		c.exp->end_connect();
	return done;
}

cfs::Result<> TargetImpl::known_client(Connecting &c, ServerReq &r) noexcept
{
	ExportImpl &e = *c.exp;
	u64 flags = c.ask.data.connect_flags;
	bool initial = c.op_flags & wire::MSG_CONNECT_INITIAL;
	if (e.gone())
		return cfs::fail(ALREADY); // still being cleaned up
	if (!e.connected()) {
		c.ask.kind = ConnectKind::recovered;
		return {};
	}
	bool lightweight = flags & wire::OBD_CONNECT_LIGHTWEIGHT;
	bool between = flags & wire::OBD_CONNECT_MDS_MDS;
	bool server = (flags & wire::OBD_CONNECT_MDS) || (lightweight && initial) || between;
	bool same_cookie = e.client_cookie() == c.client_cookie;
	if (server && !same_cookie && !(between && e.nid() == c.ask.nid)) {
		// A server that restarted has the uuid it always had.
		LCONSOLE_WARN(CFS_S_RPC,
			      "{}: Received new connection from {} (at {}), remove "
			      "former export",
			      name_.view(), c.client.view(), c.ask.nid);
		e.end_connect();
		e.end_and_wait(true);
		c.exp.reset();
		return {};
	}
	if (initial && e.nid() != c.ask.nid && !same_cookie)
		return cfs::fail(ALREADY);
	if (!same_cookie && !is_mgs_)
		return cfs::fail(ALREADY); // another client of that name must go first
	// Whatever becomes of this: it is there.
	e.heard();
	if (e.active_requests() > 1 && r.exp() == nullptr &&
	    r.body().handle != wire::ExportHandle{}) {
		e.give_up_before(c.cnt);
		return cfs::fail(BUSY);
	}
	c.reconnect = same_cookie;
	c.ask.kind = ConnectKind::again;
	if (!c.reconnect && c.cnt == 1)
		return cfs::fail(ALREADY);
	if (e.conn_cnt() >= c.cnt)
		return cfs::fail(ALREADY);
	return {};
}

cfs::Result<> TargetImpl::decide(Connecting &c, ServerReq &r) noexcept
{
	if (c.exp)
		TRY(known_client(c, r));
	if (!c.exp) {
		u64 exempt = wire::OBD_CONNECT_LIGHTWEIGHT | wire::OBD_CONNECT_MDS_MDS;
		if (ops_->recovering() && !(c.ask.data.connect_flags & exempt))
			return cfs::fail(BUSY);
		c.exp = TRY(add(c.client));
		c.fresh = true;
		(void)c.exp->begin_connect();
	}
	auto done = grant(c, r);
	if (!done && c.fresh)
		(void)c.exp->end(false);
	return done;
}

cfs::Result<> TargetImpl::grant(Connecting &c, ServerReq &r) noexcept
{
	wire::ObdConnectData asked = c.ask.data;
	wire::ObdConnectData &d = c.ask.data;
	d.connect_flags = asked.connect_flags & supported_;
	d.connect_flags2 = asked.connect_flags & wire::OBD_CONNECT_FLAGS2
				   ? asked.connect_flags2 & supported2_
				   : 0;
	if (!core_.tunables().suppress_pings.load(std::memory_order_relaxed))
		d.connect_flags = d.connect_flags & ~wire::OBD_CONNECT_PINGLESS;
	if (core_.tunables().at_max.load(std::memory_order_relaxed) == 0)
		d.connect_flags = d.connect_flags & ~wire::OBD_CONNECT_AT;
	d.version = wire::LUSTRE_VERSION_CODE;
	d.instance = ops_->instance();
	c.exp->set_granted(d);
	TRY(ops_->on_connect(*c.exp, c.ask));
	c.exp->accepted = true;
	// Never a bit that was not asked for: stock clients drop the connection then.
	d.connect_flags = d.connect_flags & asked.connect_flags;
	d.connect_flags2 = d.connect_flags2 & asked.connect_flags2;
	if (!(d.connect_flags & wire::OBD_CONNECT_FLAGS2))
		d.connect_flags2 = 0;
	TRY(c.exp->set_connected(c.ask.nid, c.cnt, c.client_cookie, d));
	return answer(c, r);
}

cfs::Result<> TargetImpl::answer(Connecting &c, ServerReq &r) noexcept
{
	auto out = TRY(r.reply<op::OstConnect>());
	out.get<fld::ConnectData>() = c.ask.data;
	out.body().handle = c.exp->handle();
	u32 flags = 0;
	if (is_mgs_ ? c.cnt > 1 : c.reconnect)
		flags |= wire::MSG_CONNECT_RECONNECT;
	if (ops_->replayable())
		flags |= wire::MSG_CONNECT_REPLAYABLE;
	if (ops_->recovering() && ops_->in_recovery(*c.exp))
		flags |= wire::MSG_CONNECT_RECOVERING;
	out.body().op_flags = flags;
	r.answer_for(c.exp);
	if (c.reconnect)
		LCONSOLE_INFO(CFS_S_RPC, "{}: Client {} (at {}) reconnecting", name_.view(),
			      c.client.view(), c.ask.nid);
	else
		CDEBUG(CFS_S_RPC, CFS_D_HA, "{}: {} (at {}) connected", name_.view(),
		       c.client.view(), c.ask.nid);
	return {};
}

} // namespace rpc
