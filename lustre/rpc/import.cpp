// SPDX-License-Identifier: GPL-2.0
//
// An import: making it, whom it connects to, which requests may go, and what replies bring. The
// state machine is in import_step.cpp.

#include "lustre/rpc/import_impl.hpp"

#include <algorithm>

namespace rpc
{

using namespace cfs::err;

namespace
{

/// pb_timeout of every connect.
constexpr u32 kDefaultConnectLimit = 5;

} // namespace

ImportImpl::ImportImpl(Core &core, u64 cookie_value) noexcept : cookie(cookie_value), core_(core)
{
	connect_timer_.imp = this;
	ping_timer_.imp = this;
	own_.imp = this;
	core_.object_made();
}

/// Nobody else knows it any more.
void ImportImpl::destroy() noexcept CFS_NO_TSA
{
	CFS_ASSERT(delayed_.empty() && slot_wait_.empty() && active_.empty());
	CFS_ASSERT(replay_.empty() && opens_.empty());
	Core &core = core_;
	cfs_rcu *head = &rcu_;
	this->~ImportImpl();
	cfs_free_rcu(kSubsys, this, sizeof(*this), head);
	core.object_gone();
}

cfs::Result<> ImportImpl::set_names(const ImportSpec &s) noexcept
{
	if (s.device.empty() || s.device.size() >= sizeof(device_))
		return cfs::fail(NAMETOOLONG);
	std::copy(s.device.begin(), s.device.end(), device_);
	TRY(target_.set(s.target));
	TRY(client_uuid_.set(s.client_uuid));
	std::string_view shown = target_.view();
	if (shown.ends_with("_UUID"))
		shown.remove_suffix(5);
	std::copy(shown.begin(), shown.end(), shown_);
	spec_ = s;
	spec_.device = device_;
	spec_.target = target_.view();
	spec_.client_uuid = client_uuid_.view();
	user_ = s.user;
	return {};
}

cfs::Result<cfs::RefPtr<ImportImpl>> ImportImpl::make(Core &core, const ImportSpec &s) noexcept
{
	auto imp = TRY(cfs::try_make_ref<ImportImpl>(core, core.new_cookie()));
	TRY(imp->set_names(s));
	return imp;
}

cfs::Result<cfs::RefPtr<ImportImpl>> ImportImpl::make_reverse(Core &core, std::string_view name,
							      std::string_view client) noexcept
{
	auto imp = TRY(cfs::try_make_ref<ImportImpl>(core, core.new_cookie()));
	ImportSpec s;
	s.device = name;
	s.target = client;
	s.client_uuid = name;
	s.request_portal = wire::Portal::LDLM_CB_REQUEST_PORTAL;
	s.reply_portal = wire::Portal::LDLM_CB_REPLY_PORTAL;
	s.no_ping = true;
	TRY(imp->set_names(s));
	imp->reverse_ = true;
	return imp;
}

void ImportImpl::set_reverse_peer(const lnet::Nid &nid, u64 cookie_of_client,
				  const wire::ObdConnectData &granted, bool at) noexcept
{
	{
		cfs::SpinGuard g(lock);
		peer_ = nid;
		handle_ = cookie_of_client;
		granted_ = granted;
		conn_cnt_++;
		msg_flags_ = wire::MSGHDR_CKSUM_INCOMPAT18 | (at ? wire::MSGHDR_AT_SUPPORT : 0);
		u64 flags2 = granted.connect_flags & wire::OBD_CONNECT_FLAGS2
				     ? u64{granted.connect_flags2}
				     : 0;
		flags_.store(granted.connect_flags, std::memory_order_relaxed);
		flags2_.store(flags2, std::memory_order_relaxed);
		set_state(ImportState::full);
	}
	resend_old();
	wake_delayed();
}

void ImportImpl::close_reverse() noexcept
{
	{
		cfs::SpinGuard g(lock);
		if (closed_)
			return;
		closed_ = true;
		close_why_ = NOTCONN;
		set_state(ImportState::closed);
	}
	fail_all(NOTCONN, true);
}

cfs::Result<cfs::RefPtr<ClientRequest>> ImportImpl::new_request(const FormatInfo &info,
								std::size_t request_bytes,
								std::size_t reply_bytes) noexcept
{
	auto r = TRY(Req::make(*this, info, request_bytes, reply_bytes));
	if (reverse_)
		r->options.no_resend = true;
	return cfs::RefPtr<ClientRequest>(std::move(r));
}

// ---- whom to connect to ----

cfs::Result<> ImportImpl::room_for_connection() noexcept
{
	if (conns_.empty())
		conns_ = TRY(cfs::Array<Connection>::make(kSubsys, kConnectionsMax));
	if (conn_count_ == kConnectionsMax)
		return cfs::fail(NOSPC);
	return {};
}

cfs::Result<> ImportImpl::add_connection(std::string_view uuid) noexcept
{
	lnet::Nid none[1];
	if (core_.nids_of(uuid, none) == 0)
		return cfs::fail(NOENT);
	cfs::MutexGuard g(conn_lock_);
	for (u32 i = 0; i < conn_count_; i++)
		if (conns_[i].uuid.view() == uuid)
			return {};
	TRY(room_for_connection());
	TRY(conns_[conn_count_].uuid.set(uuid));
	conn_count_++;
	return {};
}

cfs::Result<> ImportImpl::add_connection(std::span<const lnet::Nid> nids) noexcept
{
	if (nids.empty())
		return cfs::fail(INVAL);
	auto copy = TRY(cfs::Array<lnet::Nid>::make(kSubsys, nids.size()));
	std::copy(nids.begin(), nids.end(), copy.begin());
	cfs::MutexGuard g(conn_lock_);
	TRY(room_for_connection());
	conns_[conn_count_++].nids = std::move(copy);
	return {};
}

cfs::Result<> ImportImpl::add_announced(const lnet::Nid &nid) noexcept
{
	auto copy = TRY(cfs::Array<lnet::Nid>::make(kSubsys, 1));
	copy[0] = nid;
	cfs::MutexGuard g(conn_lock_);
	for (u32 i = 0; i < conn_count_; i++)
		if (conns_[i].announced) {
			conns_[i].nids = std::move(copy);
			return {};
		}
	TRY(room_for_connection());
	conns_[conn_count_].announced = true;
	conns_[conn_count_++].nids = std::move(copy);
	return {};
}

/// Every NID at which the target may be, in the order of trying.
std::size_t ImportImpl::list_peers(std::span<lnet::Nid> out) noexcept
{
	cfs::MutexGuard g(conn_lock_);
	std::size_t n = 0;
	for (u32 i = 0; i < conn_count_ && n < out.size(); i++) {
		Connection &c = conns_[i];
		if (c.uuid.c[0]) {
			std::size_t found = core_.nids_of(c.uuid.view(), out.subspan(n));
			n += std::min(found, out.size() - n);
			continue;
		}
		for (const lnet::Nid &nid : c.nids)
			if (n < out.size())
				out[n++] = nid;
	}
	return n;
}

bool ImportImpl::pick_peer(lnet::Nid &out) noexcept
{
	auto nids = cfs::Array<lnet::Nid>::make(kSubsys, kPeersMax);
	if (!nids)
		return false;
	std::size_t n = list_peers(*nids);
	if (n == 0)
		return false;
	cfs::SpinGuard g(lock);
	if (!announced_.is_none()) {
		for (u32 i = 0; i < n; i++)
			if ((*nids)[i] == announced_)
				candidate_ = i;
		announced_ = {};
	}
	// Those of networks that this node is not on are passed over.
	for (u32 i = 0; i < n; i++) {
		const lnet::Nid &nid = (*nids)[candidate_ % n];
		lock.unlock();
		bool reachable = core_.network().distance(nid).has_value();
		lock.lock();
		if (reachable) {
			out = nid;
			tried_ = tried_ < n ? tried_ : static_cast<u32>(n);
			return true;
		}
		candidate_++;
	}
	return false;
}

lnet::Nid ImportImpl::learn_peer(std::span<const lnet::Nid> nids) noexcept
{
	auto reachable = [this](const lnet::Nid &n) {
		return core_.network().distance(n).has_value();
	};
	auto chosen = std::ranges::find_if(nids, reachable);
	auto known = cfs::Array<lnet::Nid>::make(kSubsys, kPeersMax);
	if (chosen == nids.end() || !known)
		return {};
	std::span<const lnet::Nid> all(known->data(), list_peers(*known));
	if (std::ranges::find(all, *chosen) == all.end())
		if (auto r = all.size() < kPeersMax ? add_announced(*chosen) : cfs::fail(NOSPC);
		    !r) {
			CWARN(kSubsys,
			      "{}: {} is announced to be at {}, which is left out: rc = {}",
			      static_cast<const char *>(device_), static_cast<const char *>(shown_),
			      *chosen, r);
			return {};
		}
	return *chosen;
}

// ---- which requests may go ----

bool ImportImpl::may_send(const Req &r) const noexcept
{
	if (r.replaying)
		return state() == ImportState::replay;
	switch (r.kind) {
	case Req::Kind::connect:
		return state() == ImportState::connecting;
	case Req::Kind::disconnect:
		return true;
	case Req::Kind::ping:
		return state() == ImportState::full;
	case Req::Kind::final_ping:
		return state() == ImportState::replay_wait;
	case Req::Kind::normal:
		break;
	}
	switch (state()) {
	case ImportState::full:
		return true;
	case ImportState::replay_locks:
		return r.options.lock_replay || r.options.during_recovery;
	case ImportState::replay:
	case ImportState::replay_wait:
	case ImportState::recover:
		return r.options.during_recovery;
	default:
		return false;
	}
}

void ImportImpl::enlist(Req &r, Req::Home home) noexcept
{
	CFS_ASSERT(r.home == Req::Home::none);
	r.home = home;
	switch (home) {
	case Req::Home::delayed:
		r.phase = Req::Phase::delayed;
		delayed_.push_back(r);
		break;
	case Req::Home::slot_wait:
		r.phase = Req::Phase::slot_wait;
		slot_wait_.push_back(r);
		break;
	default:
		active_.push_back(r);
	}
}

cfs::Result<bool> ImportImpl::admit(Req &r) noexcept
{
	bool normal = r.kind == Req::Kind::normal;
	if (closed_)
		return cfs::fail(close_why_ == cfs::Errno{} ? IO : close_why_);
	if (closing_ && r.kind != Req::Kind::disconnect)
		return cfs::fail(SHUTDOWN);
	if (normal && !active_on_)
		return cfs::fail(IO);
	if (normal && !r.replaying && r.generation != generation())
		return cfs::fail(IO); // evicted since
	if (!may_send(r)) {
		if (!normal || r.options.no_delay)
			return cfs::fail(AGAIN);
		enlist(r, Req::Home::delayed);
		return false;
	}
	if (r.options.modifies && r.tag == 0 && !reverse_) {
		r.tag = take_slot(r);
		if (r.tag == 0) {
			enlist(r, Req::Home::slot_wait);
			return false;
		}
	}
	if (r.options.lock_replay && !r.counted) {
		r.counted = true;
		locks_pending_++;
	}
	r.phase = Req::Phase::sending;
	enlist(r, Req::Home::active);
	return true;
}

void ImportImpl::leave(Req &r) noexcept
{
	switch (std::exchange(r.home, Req::Home::none)) {
	case Req::Home::delayed:
		delayed_.erase(delayed_.iterator_to(r));
		break;
	case Req::Home::slot_wait:
		slot_wait_.erase(slot_wait_.iterator_to(r));
		break;
	case Req::Home::active:
		active_.erase(active_.iterator_to(r));
		if (closing_ && active_.empty())
			waitq_.wake_all();
		break;
	case Req::Home::none:
		break;
	}
	if (r.phase != Req::Phase::complete)
		return;
	if (r.by_xid.is_linked())
		unreplied_.erase(unreplied_.iterator_to(r));
	if (r.tag)
		free_slot(r);
	if (std::exchange(r.counted, false))
		lock_replay_done();
}

u32 ImportImpl::slots() const noexcept
{
	if (!has_flag(wire::OBD_CONNECT_MULTIMODRPCS))
		return 1;
	u32 server = granted_.maxmodrpcs;
	u32 n = std::min(spec_.max_mod_rpcs, server ? server : 1);
	return std::clamp(n, 1u, kSlotsMax - 1);
}

u16 ImportImpl::take_slot(const Req &r) noexcept
{
	// One slot more than granted is for closes alone, so that they cannot starve.
	u32 n = slots() + (r.options.is_close ? 1 : 0);
	for (u32 i = 0; i < n; i++) {
		u64 bit = u64{1} << i % 64;
		if (slot_map_[i / 64] & bit)
			continue;
		slot_map_[i / 64] |= bit;
		return static_cast<u16>(i + 1);
	}
	return 0;
}

void ImportImpl::free_slot(Req &r) noexcept
{
	u32 i = r.tag - 1u;
	r.tag = 0;
	slot_map_[i / 64] &= ~(u64{1} << i % 64);
	for (Req &w : slot_wait_) {
		u16 tag = take_slot(w);
		if (tag == 0)
			continue;
		w.tag = tag;
		w.release();
		return;
	}
}

void ImportImpl::assign_xid(Req &r) noexcept
{
	bool own_bits = has_flag(wire::OBD_CONNECT_BULK_MBITS);
	bool bulk = r.options.bulk.direction != Bulk::none;
	bool fresh = r.xid_ == 0 || r.new_xid_ || (r.resend && bulk && !own_bits);
	bool listed = r.kind != Req::Kind::connect && r.kind != Req::Kind::disconnect;
	if (fresh) {
		if (r.by_xid.is_linked())
			unreplied_.erase(unreplied_.iterator_to(r));
		r.new_xid_ = false;
		r.xid_ = static_cast<u64>(core_.new_xid());
		// Without match bits of its own the XID is the last of the bulk's.
		if (bulk && !own_bits)
			r.xid_ += r.options.bulk.md_count() - 1;
	}
	if (listed && !r.by_xid.is_linked())
		unreplied_.insert(r);
}

void ImportImpl::fill_times(Req &r, Req::Ticket &t) noexcept
{
	const Tunables &tun = core_.tunables();
	bool at = (t.msg_flags & wire::MSGHDR_AT_SUPPORT) && tun.at_max.load();
	u32 latency = latency_.get(tun);
	if (r.kind == Req::Kind::connect) {
		u32 est = portal_estimate(spec_.request_portal).get(tun);
		t.timeout = kDefaultConnectLimit;
		t.wait = connect_limit_;
		t.service_time = est - est / 5;
		return;
	}
	u32 est = portal_estimate(t.request_portal).get(tun);
	t.timeout = at ? timeout_of(est) : tun.timeout.load();
	if (r.options.timeout)
		t.timeout = r.options.timeout;
	t.wait = t.timeout + latency;
	r.latency_ = latency;
	t.service_time = r.replaying ? latency : 0;
}

bool ImportImpl::prepare(Req &r, Req::Ticket &t) noexcept
{
	bool failed = closed_ ||
		      (r.kind == Req::Kind::normal && !r.replaying && r.generation != generation());
	if (failed || !may_send(r)) {
		leave(r);
		r.phase = Req::Phase::fresh;
		auto again = failed || r.replaying ? cfs::Result<bool>(cfs::fail(IO)) : admit(r);
		if (!again) {
			r.got_reply_ = false;
			r.end_error_ = again.error();
			r.queue(Req::kSettle);
		}
		return false;
	}
	bool connect = r.kind == Req::Kind::connect;
	bool goodbye = r.kind == Req::Kind::disconnect;
	bool rep_bits = !connect && has_flag2(wire::OBD_CONNECT2_REP_MBITS);
	assign_xid(r);
	std::size_t n = 1;
	bool bulk = r.options.bulk.direction != Bulk::none;
	if (bulk)
		n = r.options.bulk.md_count();
	bool own_bits = bulk && has_flag(wire::OBD_CONNECT_BULK_MBITS);
	u64 base = r.xid_;
	if (r.resend && (rep_bits || own_bits))
		base = static_cast<u64>(core_.new_xid());
	if (bulk && !own_bits)
		t.mbits = r.xid_;
	else if (own_bits || rep_bits)
		t.mbits = base + n - 1;
	t.reply_bits = rep_bits ? t.mbits : r.xid_;
	t.last_xid = 0;
	if (!connect && !goodbye && !unreplied_.empty())
		t.last_xid = unreplied_.begin()->xid_ - 1;
	t.peer = {peer_, lnet::LNET_PID_LUSTRE};
	t.handle = handle_;
	t.msg_flags = connect ? 0 : msg_flags_;
	t.conn_cnt = reverse_ ? 0 : conn_cnt_;
	t.tag = has_flag(wire::OBD_CONNECT_MULTIMODRPCS) ? r.tag : u16{0};
	t.jobstats = has_flag(wire::OBD_CONNECT_JOBSTATS);
	r.conn_cnt = conn_cnt_;
	t.request_portal = r.options.request_portal == wire::Portal{} ? spec_.request_portal
								      : r.options.request_portal;
	t.reply_portal = r.options.reply_portal == wire::Portal{} ? spec_.reply_portal
								  : r.options.reply_portal;
	fill_times(r, t);
	last_sent_ = cfs::Instant::now();
	return true;
}

// ---- replies ----

Estimate &ImportImpl::portal_estimate(wire::Portal p) noexcept
{
	u32 number = static_cast<u32>(p);
	for (PortalEstimate &e : portals_) {
		u32 have = e.portal.load(std::memory_order_relaxed);
		if (have == number)
			return e.estimate;
		if (have == 0 && e.portal.compare_exchange_strong(have, number))
			return e.estimate;
		if (have == number)
			return e.estimate;
	}
	return portals_[kPortals - 1].estimate; // more portals than slots share the last
}

cfs::Duration ImportImpl::service_estimate(wire::Portal portal) noexcept
{
	return cfs::Duration::seconds(portal_estimate(portal).get(core_.tunables()));
}

void ImportImpl::note_reply(Req &r, const wire::PtlrpcBodyV2 &b) noexcept
{
	const Tunables &tun = core_.tunables();
	cfs::Instant now = cfs::Instant::now();
	if (b.timeout != 0)
		portal_estimate(r.request_portal_used_).measure(tun, b.timeout);
	i64 took = (now - r.sent_).s();
	if (i64{b.service_time} <= took + 3) {
		i64 latency = took - i64{b.service_time};
		latency_.measure(tun, static_cast<u32>(latency > 0 ? latency : 0) + 1);
	}
	u64 transno = static_cast<u64>(wire::Transno{b.transno});
	u64 last = static_cast<u64>(wire::Transno{b.last_committed});
	{
		cfs::SpinGuard g(lock);
		last_reply_ = now;
		if (b.type == wire::MsgType::PTL_RPC_MSG_REPLY &&
		    (transno || r.info().opcode == wire::Opcode::LDLM_ENQUEUE))
			had_state_ = true;
		if (transno > last)
			uncommitted_ = true;
	}
	// What an answer to a connect says may be of a server that has forgotten us and what we
	// did: do_connected() knows.
	bool believed = r.kind != Req::Kind::connect && b.type == wire::MsgType::PTL_RPC_MSG_REPLY;
	if (last && believed && r.generation == generation())
		committed(last);
	if (user_ && b.slv != 0)
		user_->on_lock_volume(*this, b.slv, b.limit);
	if (!reverse_)
		arm_ping();
}

bool ImportImpl::keep(Req &r) noexcept
{
	if (!replayable() || r.generation != generation() || closed_)
		return false;
	bool done = static_cast<u64>(r.transno_) <= committed_.load(std::memory_order_relaxed);
	if (done && (!r.options.keep_committed || r.dropped))
		return false;
	r.get();
	if (done) {
		r.in_committed_ = true;
		opens_.insert(r);
		if (r.user_)
			r.queue(Req::kCommitted);
	} else {
		r.in_replay_ = true;
		replay_.insert(r);
	}
	return true;
}

void ImportImpl::committed(u64 transno) noexcept
{
	for (;;) {
		Req *out = nullptr;
		{
			cfs::SpinGuard g(lock);
			if (transno > committed_.load(std::memory_order_relaxed))
				committed_.store(transno, std::memory_order_relaxed);
			if (replay_.empty() ||
			    static_cast<u64>(replay_.begin()->transno_) > transno) {
				uncommitted_ = !replay_.empty();
				return;
			}
			Req &r = *replay_.begin();
			replay_.erase(replay_.begin());
			r.in_replay_ = false;
			if (r.options.keep_committed && !r.dropped) {
				r.in_committed_ = true;
				opens_.insert(r);
				if (r.user_)
					r.queue(Req::kCommitted);
				continue;
			}
			r.leave_user(Req::kCommitted);
			out = &r;
		}
		out->put();
	}
}

void ImportImpl::drop_replay_lists() noexcept
{
	for (;;) {
		Req *out = nullptr;
		{
			cfs::SpinGuard g(lock);
			TransnoSet &s = replay_.empty() ? opens_ : replay_;
			if (s.empty())
				return;
			out = &*s.begin();
			s.erase(s.begin());
			out->in_replay_ = out->in_committed_ = false;
			out->leave_user(0);
		}
		out->put();
	}
}

// ---- walks over all requests ----

void ImportImpl::wake_delayed() noexcept
{
	for (bool resent : {true, false}) {
		cfs::SpinGuard g(lock);
		std::size_t n = delayed_.size();
		while (n-- > 0 && !delayed_.empty()) {
			Req &r = delayed_.front();
			if (r.resend == resent) {
				r.release();
			} else { // to the end, for the other pass
				delayed_.pop_front();
				delayed_.push_back(r);
			}
		}
	}
}

void ImportImpl::resend_old() noexcept
{
	cfs::RefPtr<Req> r;
	do {
		bool again = false;
		r.reset();
		{
			cfs::SpinGuard g(lock);
			for (Req &a : active_) {
				if (a.phase != Req::Phase::sent || a.conn_cnt == conn_cnt_ ||
				    a.kind == Req::Kind::connect)
					continue;
				r = cfs::RefPtr<Req>::share(&a);
				again = !a.options.no_resend && !a.replaying;
				break;
			}
		}
		if (r)
			r->take_back(again, again ? cfs::Errno{} : NOTCONN);
	} while (r);
}

void ImportImpl::fail_all(cfs::Errno why, bool all) noexcept
{
	u32 sweep = 0;
	{
		cfs::SpinGuard g(lock);
		sweep = ++sweep_;
	}
	auto wanted = [&](Req &r) CFS_NO_TSA {
		return r.sweep != sweep && r.kind != Req::Kind::disconnect &&
		       (all || (r.kind == Req::Kind::normal && r.generation != generation()));
	};
	auto find = [&](Queue &q) CFS_NO_TSA {
		for (Req &r : q)
			if (wanted(r))
				return &r;
		return static_cast<Req *>(nullptr);
	};
	for (;;) {
		cfs::RefPtr<Req> ref;
		bool idle = false;
		{
			cfs::SpinGuard g(lock);
			Req *r = find(delayed_);
			r = r ? r : find(slot_wait_);
			r = r ? r : find(active_);
			if (!r)
				return;
			r->sweep = sweep;
			idle = r->home != Req::Home::active || r->phase == Req::Phase::pausing;
			if (idle) {
				leave(*r);
				r->phase = Req::Phase::complete;
			}
			ref = cfs::RefPtr<Req>::share(r);
		}
		if (idle)
			ref->settle(cfs::fail(why));
		else
			ref->take_back(false, why);
	}
}

// ---- facts ----

wire::ObdConnectData ImportImpl::granted() noexcept
{
	cfs::SpinGuard g(lock);
	return granted_;
}

lnet::Nid ImportImpl::peer() noexcept
{
	cfs::SpinGuard g(lock);
	return peer_;
}

void ImportImpl::show_state(cfs::FormatSink &out) noexcept
{
	HistoryEntry h[kHistory];
	u32 next = 0;
	{
		cfs::SpinGuard g(lock);
		std::copy(std::begin(history_), std::end(history_), h);
		next = history_next_;
	}
	out.print("current_state: {}\nstate_history:\n", name_of(state()));
	for (u32 i = 0; i < kHistory; i++) {
		const HistoryEntry &e = h[(next + i) % kHistory];
		if (e.when)
			out.print(" - [ {}, {} ]\n", e.when, name_of(e.state));
	}
}

void ImportImpl::show_timeouts(cfs::FormatSink &out) noexcept
{
	const Tunables &t = core_.tunables();
	cfs::Duration ago;
	{
		cfs::SpinGuard g(lock);
		if (last_reply_ != cfs::Instant{})
			ago = cfs::Instant::now() - last_reply_;
	}
	i64 now = cfs::real_seconds();
	out.print("last reply : {}, {}s ago\n", now - ago.s(), ago.s());
	auto line = [&](Estimate &e) {
		auto v = e.view();
		out.print(": cur {:3}  worst {:3} (at {}, {}s ago) ", e.get(t), v.worst_ever, now,
			  0);
		for (u32 b : v.bin)
			out.print("{:3} ", b);
		out.put('\n');
	};
	out.put("network    ");
	line(latency_);
	for (PortalEstimate &e : portals_) {
		u32 p = e.portal.load(std::memory_order_relaxed);
		if (!p)
			break;
		out.print("portal {:<3} ", p);
		line(e.estimate);
	}
}

void ImportImpl::show(cfs::FormatSink &out) noexcept
{
	wire::ObdConnectData data;
	u32 inflight = 0, cnt = 0, attempts = 0;
	lnet::Nid peer;
	{
		cfs::SpinGuard g(lock);
		data = granted_;
		inflight = static_cast<u32>(active_.size());
		cnt = conn_cnt_;
		attempts = attempts_;
		peer = peer_;
	}
	out.print("import:\n    name: {}\n    target: {}\n    state: {}\n    instance: {}\n",
		  device_, target_.view(), name_of(state()), u32{data.instance});
	out.print("    connect_data:\n       flags: {:#x}\n       instance: {}\n"
		  "       target_version: {}.{}.{}.{}\n",
		  u64{data.connect_flags}, u32{data.instance}, data.version >> 24,
		  data.version >> 16 & 0xff, data.version >> 8 & 0xff, data.version & 0xff);
	out.print("    import_flags: [ {}{}connect_tried ]\n", replayable() ? "replayable, " : "",
		  spec_.no_ping ? "" : "pingable, ");
	out.print("    connection:\n       failover_nids: [");
	auto nids = cfs::Array<lnet::Nid>::make(kSubsys, kPeersMax);
	std::size_t n = nids ? list_peers(*nids) : 0;
	for (std::size_t i = 0; i < n; i++)
		out.print("{} {}", i ? "," : "", (*nids)[i]);
	out.print(" ]\n       current_connection: {}\n       connection_attempts: {}\n"
		  "       generation: {}\n       in-progress_invalidations: 0\n",
		  peer, attempts, generation());
	out.print("    rpcs:\n       inflight: {}\n       unregistering: 0\n       timeouts: 0\n",
		  inflight);
	out.print("       conn_cnt: {}\n    transactions:\n       last_replay: {}\n"
		  "       peer_committed: {}\n       last_checked: 0\n",
		  cnt, 0, committed_.load());
}

} // namespace rpc
