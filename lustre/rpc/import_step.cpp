// SPDX-License-Identifier: GPL-2.0
//
// The state machine of an import: connecting, fail-over, replay, eviction, closing (spec 02 7.8,
// 8.6; Documentation/recovery.md). step() looks at what is, does one thing, and looks again.

#include <algorithm>

#include "lustre/rpc/import_impl.hpp"
#include "rpc/format/ops_common.hpp"

namespace rpc
{

using namespace cfs::err;

namespace
{

constexpr u32 kConnectLimitMin = 5, kConnectLimitStep = 5, kConnectLimitMax = 50; // seconds
constexpr u32 kPauseMax = 30; // seconds between rounds of connects
constexpr u32 kShortPing = 7; // seconds, while something is not committed
/// A connect that was not answered for so long need not be waited for, if there is a better one.
constexpr cfs::Duration kConnectAnswer = cfs::Duration::seconds(1);
constexpr std::size_t kConnectReply = 320; // room for connect_data, as stock reserves

/// Fractions of a second, so that a thousand clients do not come back in step.
cfs::Duration jitter(u32 seconds) noexcept
{
	u32 r = 0;
	cfs_random_bytes(&r, sizeof(r));
	u64 span = u64{seconds} * 250 + 1; // up to a quarter more, in ms
	return cfs::Duration::seconds(seconds) +
	       cfs::Duration::millis(static_cast<std::int64_t>(r % span));
}

} // namespace

void ImportImpl::set_state(ImportState s) noexcept
{
	ImportState was = state_.load(std::memory_order_relaxed);
	if (was == s)
		return;
	state_.store(s, std::memory_order_release);
	history_[history_next_] = {cfs::real_seconds(), s};
	history_next_ = (history_next_ + 1) % kHistory;
	CDEBUG(CFS_S_RPC, CFS_D_HA, "{}: {} -> {}", static_cast<const char *>(device_),
	       name_of(was), name_of(s));
	waitq_.wake_all();
}

void ImportImpl::kick() noexcept
{
	get();
	if (!work_.queue(core_.recovery()))
		put();
}

void ImportImpl::step() noexcept
{
	auto self = cfs::RefPtr<ImportImpl>::adopt(this); // what kick() took
	for (;;) {
		Act a = next_act();
		if (a == Act::nothing)
			return;
		act(a);
	}
}

void ImportImpl::act(Act a) noexcept
{
	switch (a) {
	case Act::nothing:
		return;
	case Act::tell_lost:
		return tell_lost();
	case Act::tell_full:
		if (user_)
			user_->on_full(*this);
		return;
	case Act::connect:
		return do_connect();
	case Act::connected:
		return do_connected();
	case Act::evict:
		return do_evict();
	case Act::replay:
		return do_replay();
	case Act::replay_locks:
		return do_replay_locks();
	case Act::final_ping:
		return do_final_ping();
	case Act::recover:
		return do_recover();
	case Act::close:
		return do_close();
	case Act::say_goodbye:
		return do_goodbye();
	}
}

ImportImpl::Act ImportImpl::next_act() noexcept
{
	cfs::SpinGuard g(lock);
	if (closed_ || reverse_)
		return Act::nothing;
	if (closing_)
		return std::exchange(goodbye_, false) ? Act::say_goodbye : Act::close;
	if (std::exchange(lost_news_, false))
		return Act::tell_lost;
	switch (state()) {
	case ImportState::disconnected:
		return next_disconnected();
	case ImportState::connecting:
		return connect_done_ ? Act::connected : Act::nothing;
	case ImportState::evicted:
		return Act::evict;
	case ImportState::replay:
		if (telling.load(std::memory_order_acquire) > 0)
			return Act::nothing; // kicks when they are told
		return replay_req_ && !replay_again_ ? Act::nothing : Act::replay;
	case ImportState::replay_locks:
		return next_replay_locks();
	case ImportState::replay_wait:
		if (final_ok_)
			return Act::recover;
		return final_ping_ ? Act::nothing : Act::final_ping;
	case ImportState::recover:
		return Act::recover;
	case ImportState::full:
		return std::exchange(full_news_, false) ? Act::tell_full : Act::nothing;
	default:
		return Act::nothing;
	}
}

ImportImpl::Act ImportImpl::next_disconnected() noexcept
{
	if (!active_on_ || !started_ || connect_req_)
		return Act::nothing;
	if (cfs::Instant::now() < next_attempt_) {
		core_.timers().arm(connect_timer_, next_attempt_);
		return Act::nothing;
	}
	return Act::connect;
}

ImportImpl::Act ImportImpl::next_replay_locks() noexcept
{
	if (!locks_sent_) {
		locks_sent_ = locks_telling_ = true;
		return Act::replay_locks;
	}
	if (locks_telling_ || locks_pending_ > 0)
		return Act::nothing;
	final_ok_ = false;
	set_state(ImportState::replay_wait);
	return Act::final_ping;
}

// ---- connecting ----

cfs::Result<> ImportImpl::start() noexcept
{
	{
		cfs::SpinGuard g(lock);
		if (started_)
			return cfs::fail(ALREADY);
		if (closing_ || closed_)
			return cfs::fail(SHUTDOWN);
		started_ = true;
		set_state(ImportState::disconnected);
	}
	kick();
	return {};
}

void ImportImpl::connection_lost(u32 cnt, const char *why) noexcept
{
	{
		cfs::SpinGuard g(lock);
		if (reverse_ || cnt != conn_cnt_ || closed_)
			return;
		switch (state()) {
		case ImportState::full:
		case ImportState::recover:
			resume_ = ImportState::full;
			break;
		case ImportState::replay:
		case ImportState::replay_locks:
		case ImportState::replay_wait:
			resume_ = state();
			break;
		default:
			return;
		}
		lost_news_ = true;
		rounds_ = tried_ = 0;
		connect_limit_ = kConnectLimitMin;
		next_attempt_ = cfs::Instant::now();
		set_state(ImportState::disconnected);
	}
	CDEBUG(CFS_S_RPC, CFS_D_HA, "{}: connection lost: {}", static_cast<const char *>(device_),
	       why);
	kick();
}

void ImportImpl::tell_lost() noexcept
{
	bool first = false;
	lnet::Nid nid;
	{
		cfs::SpinGuard g(lock);
		first = !std::exchange(told_lost_, true);
		nid = peer_;
	}
	bool mgc = spec_.part == wire::SecPart::LUSTRE_SP_MGC;
	if (first && mgc)
		LCONSOLE_ERROR(CFS_S_RPC,
			       "{}: Connection to {} (at {}) was lost; in progress operations "
			       "using this service will fail",
			       static_cast<const char *>(device_),
			       static_cast<const char *>(shown_), nid);
	else if (first)
		LCONSOLE_WARN(CFS_S_RPC,
			      "{}: Connection to {} (at {}) was lost; in progress operations "
			      "using this service will wait for recovery to complete",
			      static_cast<const char *>(device_), static_cast<const char *>(shown_),
			      nid);
	if (user_)
		user_->on_disconnected(*this);
}

cfs::Result<cfs::RefPtr<Req>> ImportImpl::own_request(const FormatInfo &info,
						      Req::Kind kind) noexcept
{
	RequestLengths<op::ObdPing> n;
	FormatInfo i = op::ObdPing::info;
	i.name = info.name;
	i.opcode = info.opcode;
	auto r = TRY(Req::make(*this, i, n.total(), n.total()));
	auto w = TRY(RequestWriter<op::ObdPing>::create(r->room(), n));
	w.body().opc = info.opcode;
	r->kind = kind;
	r->options.no_resend = r->options.no_delay = true;
	return r;
}

void ImportImpl::do_connect() noexcept
{
	lnet::Nid nid;
	if (!pick_peer(nid)) {
		cfs::SpinGuard g(lock);
		rounds_++;
		next_attempt_ =
			cfs::after(jitter(std::min(1u << std::min(rounds_, 5u), kPauseMax)));
		return;
	}
	wire::ObdConnectData wanted = spec_.wanted;
	if (user_)
		user_->on_connecting(*this, wanted);
	RequestLengths<op::OstConnect> n;
	n.text<fld::TgtUuid>(target_.view());
	n.text<fld::CluUuid>(client_uuid_.view());
	ReplyLengths<op::OstConnect> reply;
	reply.bytes<fld::ConnectData>(kConnectReply);
	// What a node sends to itself comes from 0@lo, whatever it was sent to.
	if (core_.network().is_local(nid))
		nid = lnet::Nid::lo();
	FormatInfo info = op::OstConnect::info;
	info.opcode = spec_.connect_op;
	info.name = "CONNECT";
	auto made = Req::make(*this, info, n.total(), reply.total());
	auto w = made ? RequestWriter<op::OstConnect>::create((*made)->room(), n)
		      : cfs::Result<RequestWriter<op::OstConnect>>(cfs::fail(made.error()));
	if (!w || !w->put<fld::TgtUuid>(target_.view()) ||
	    !w->put<fld::CluUuid>(client_uuid_.view())) {
		cfs::SpinGuard g(lock);
		next_attempt_ = cfs::after(cfs::Duration::seconds(1));
		return;
	}
	Req &r = **made;
	r.kind = Req::Kind::connect;
	r.options.no_resend = r.options.no_delay = true;
	w->body().opc = spec_.connect_op;
	w->get<fld::Conn>() = wire::ExportHandle{cookie};
	u32 op_flags = 0;
	{
		cfs::SpinGuard g(lock);
		if (closing_ || state() != ImportState::disconnected)
			return;
		peer_ = nid;
		initial_ = handle_ == 0;
		if (initial_)
			op_flags |= wire::MSG_CONNECT_INITIAL;
		u64 first = ~u64{0};
		for (TransnoSet *s : {&replay_, &opens_})
			if (!s->empty())
				first = std::min(first, static_cast<u64>(s->begin()->transno_));
		if (first != ~u64{0}) {
			op_flags |= wire::MSG_CONNECT_TRANSNO;
			wanted.transno = wire::Transno{first};
		}
		conn_cnt_++;
		attempts_++;
		connect_done_ = false;
		connect_sent_ = cfs::Instant::now();
		connect_req_ = *made;
		set_state(ImportState::connecting);
	}
	w->get<fld::ConnectData>() = wanted;
	w->body().op_flags = op_flags;
	r.send(own_);
}

void ImportImpl::own_done(Req &r, cfs::Result<i32> res) noexcept
{
	bool lost = false;
	u32 cnt = 0;
	{
		cfs::SpinGuard g(lock);
		switch (r.kind) {
		case Req::Kind::connect:
			if (connect_req_.get() != &r)
				break; // given up
			connect_done_ = true;
			connect_result_ = res;
			break;
		case Req::Kind::ping:
			pinging_ = false;
			break;
		case Req::Kind::final_ping:
			if (final_ping_.get() != &r)
				break;
			final_ping_.reset();
			final_ok_ = res.has_value();
			lost = !final_ok_;
			cnt = r.conn_cnt;
			break;
		default:
			break;
		}
	}
	if (r.kind == Req::Kind::ping)
		return;
	if (lost)
		connection_lost(cnt, "the end of recovery was not confirmed");
	kick();
}

void ImportImpl::connect_failed(cfs::Errno why) noexcept
{
	set_state(ImportState::disconnected);
	u32 pause = 0;
	if (why == BUSY || why == AGAIN || why == ALREADY) {
		pause = std::min(2 + rounds_, kPauseMax);
		rounds_++;
	} else {
		candidate_++;
		tried_++;
		connect_limit_ = std::min(connect_limit_ + kConnectLimitStep, kConnectLimitMax);
		// A whole round in vain, or the only one: wait a little longer each time.
		lock.unlock();
		auto nids = cfs::Array<lnet::Nid>::make(kSubsys, kPeersMax);
		std::size_t n = nids ? list_peers(*nids) : 1;
		lock.lock();
		if (tried_ >= n) {
			tried_ = 0;
			rounds_++;
			pause = std::min(1u << std::min(rounds_, 5u), kPauseMax);
		}
	}
	// What was announced since this connect began need not wait.
	if (!announced_.is_none())
		pause = 0;
	next_attempt_ = cfs::after(pause ? jitter(pause) : cfs::Duration{});
}

void ImportImpl::fatal(cfs::Errno why) noexcept
{
	closing_ = true;
	close_why_ = why;
}

cfs::Result<> ImportImpl::check_grant(const wire::ObdConnectData &g) const noexcept
{
	const wire::ObdConnectData &w = spec_.wanted;
	u64 flags = g.connect_flags, flags2 = g.connect_flags2;
	if (!(flags & wire::OBD_CONNECT_FLAGS2))
		flags2 = 0;
	bool more = (flags & ~u64{w.connect_flags}) || (flags2 & ~u64{w.connect_flags2});
	if (!more && (flags & spec_.required) == spec_.required)
		return {};
	LCONSOLE_ERROR(CFS_S_RPC,
		       "{}: {} granted flags {:#x}/{:#x}, asked for {:#x}/{:#x}, needed {:#x}; the "
		       "connection cannot be used: check the versions of both sides",
		       static_cast<const char *>(device_), static_cast<const char *>(shown_), flags,
		       flags2, u64{w.connect_flags}, u64{w.connect_flags2}, spec_.required);
	return cfs::fail(PROTO);
}

void ImportImpl::take_grant(const wire::ObdConnectData &g, u32 op_flags, u64 handle) noexcept
{
	granted_ = g;
	u64 flags = g.connect_flags;
	flags_.store(flags, std::memory_order_relaxed);
	flags2_.store(flags & wire::OBD_CONNECT_FLAGS2 ? u64{g.connect_flags2} : 0,
		      std::memory_order_relaxed);
	msg_flags_ = wire::MSGHDR_CKSUM_INCOMPAT18;
	if (flags & wire::OBD_CONNECT_AT)
		msg_flags_ |= wire::MSGHDR_AT_SUPPORT;
	if (initial_)
		replayable_.store((op_flags & wire::MSG_CONNECT_REPLAYABLE) != 0,
				  std::memory_order_relaxed);
	handle_ = handle;
	rounds_ = tried_ = 0;
	connect_limit_ = kConnectLimitMin;
}

/// Spec 02 7.8, the table of rule 2.
ImportState ImportImpl::state_after_connect(u32 op_flags, u64 handle) noexcept
{
	bool recovering = op_flags & wire::MSG_CONNECT_RECOVERING;
	bool again = op_flags & wire::MSG_CONNECT_RECONNECT;
	if (initial_)
		return recovering ? ImportState::replay_locks : ImportState::recover;
	if (again) {
		// It knows us from a connect whose answer was lost: a new one, from the beginning.
		if (recovering && handle != handle_)
			resume_ = ImportState::full;
		if (recovering)
			return resume_ == ImportState::full ? ImportState::replay : resume_;
		return handle == handle_ ? ImportState::recover : ImportState::evicted;
	}
	if (spec_.lightweight)
		return ImportState::recover;
	if (recovering && connected_once_) {
		resume_ = ImportState::full; // the server is a new one: from the beginning
		return ImportState::replay;
	}
	return had_state_ || !replay_.empty() || !opens_.empty() ? ImportState::evicted
								 : ImportState::recover;
}

void ImportImpl::do_connected() noexcept
{
	cfs::RefPtr<Req> r;
	cfs::Result<i32> res = 0;
	bool first = false;
	{
		cfs::SpinGuard g(lock);
		r = std::move(connect_req_);
		connect_done_ = false;
		res = connect_result_;
		first = !connected_once_;
	}
	auto reply = res ? reply_of<op::OstConnect>(*r)
			 : cfs::Result<ReplyView<op::OstConnect>>(cfs::fail(res.error()));
	cfs::Errno why = reply ? cfs::Errno{} : reply.error();
	if (reply && reply->body().handle == wire::ExportHandle{})
		why = NOTCONN;
	bool fatal_error = false;
	if (why == cfs::Errno{}) {
		const wire::ObdConnectData &g = reply->get<fld::ConnectData>();
		if (auto ok = check_grant(g); !ok) {
			why = ok.error();
		} else if (user_) {
			auto taken = user_->on_connected(*this, g, first);
			why = taken ? cfs::Errno{} : taken.error();
		}
		fatal_error = why == PROTO;
	}
	if (why == ACCES || why == ROFS)
		fatal_error = !spec_.lightweight;
	u64 last_committed = 0;
	u32 earlier = 0;
	cfs::RefPtr<Req> replay, ping; // go without the lock
	{
		cfs::SpinGuard g(lock);
		if (state() != ImportState::connecting)
			return;
		if (why == cfs::Errno{}) {
			replay = replay_req_;
			ping = final_ping_;
		}
		last_committed = why == cfs::Errno{}
					 ? connected(reply->body(), reply->get<fld::ConnectData>())
					 : not_connected(why, fatal_error);
		if (why == cfs::Errno{} && !answered_by(announced_instance_))
			earlier = conn_cnt_;
		announced_instance_ = why == cfs::Errno{} ? 0 : announced_instance_;
	}
	if (last_committed)
		committed(last_committed);
	if (earlier)
		connection_lost(earlier, "an earlier instance of the target answered");
}

u64 ImportImpl::not_connected(cfs::Errno why, bool fatal_error) noexcept
{
	CDEBUG(CFS_S_RPC, CFS_D_HA, "{}: connect to {} failed: {}",
	       static_cast<const char *>(device_), peer_, why);
	connect_failed(why);
	if (fatal_error)
		fatal(why);
	return 0;
}

u64 ImportImpl::connected(const wire::PtlrpcBodyV2 &body,
			  const wire::ObdConnectData &grant) noexcept
{
	u32 op_flags = body.op_flags;
	u64 handle = static_cast<u64>(wire::ExportHandle{body.handle});
	ImportState next = state_after_connect(op_flags, handle);
	take_grant(grant, op_flags, handle);
	connected_once_ = true;
	if (next == ImportState::replay && resume_ != ImportState::replay) {
		replay_pos_ = {};
		replaying_opens_ = true;
		locks_sent_ = false;
		replay_req_.reset();
		replay_again_ = false;
	}
	if (next == ImportState::replay && replay_req_)
		replay_again_ = true;
	if (next == ImportState::replay_locks && resume_ != ImportState::replay_locks)
		locks_sent_ = false;
	final_ping_.reset();
	final_ok_ = false;
	resume_ = ImportState::full;
	set_state(next);
	// After an eviction what others did is durable, and what we did is gone.
	return next == ImportState::evicted ? 0
					    : static_cast<u64>(wire::Transno{body.last_committed});
}

// ---- eviction ----

void ImportImpl::do_evict() noexcept
{
	lnet::Nid nid;
	{
		cfs::SpinGuard g(lock);
		generation_.fetch_add(1, std::memory_order_relaxed);
		committed_.store(0, std::memory_order_relaxed);
		had_state_ = vbr_failed_ = uncommitted_ = false;
		evictions_++;
		nid = peer_;
	}
	if (spec_.part == wire::SecPart::LUSTRE_SP_MGC)
		LCONSOLE_ERROR(CFS_S_RPC, "Evicted from MGS (at {}) after server handle changed",
			       nid);
	else
		LCONSOLE_ERROR(CFS_S_RPC,
			       "{}: This client was evicted by {}; in progress operations using "
			       "this service will fail.",
			       static_cast<const char *>(device_),
			       static_cast<const char *>(shown_));
	fail_all(IO, false);
	drop_replay_lists();
	if (user_)
		user_->on_evicted(*this);
	cfs::SpinGuard g(lock);
	if (state() == ImportState::evicted)
		set_state(ImportState::recover);
}

// ---- replay ----

Req *ImportImpl::next_to_replay() noexcept
{
	for (;;) {
		TransnoSet &s = replaying_opens_ ? opens_ : replay_;
		auto it = s.upper_bound(replay_pos_, Req::ByTransno{});
		if (it != s.end())
			return &*it;
		if (!replaying_opens_)
			return nullptr;
		replaying_opens_ = false;
		replay_pos_ = {};
	}
}

void ImportImpl::do_replay() noexcept
{
	cfs::RefPtr<Req> r, before; // go without the lock
	{
		cfs::SpinGuard g(lock);
		if (state() != ImportState::replay)
			return;
		if (std::exchange(replay_again_, false)) {
			r = replay_req_;
			if (r && r->phase != Req::Phase::complete)
				return; // comes back by itself
		}
		if (!r || !(r->in_replay_ || r->in_committed_)) {
			before = std::move(r);
			Req *next = next_to_replay();
			replay_req_ = next ? cfs::RefPtr<Req>::share(next) : cfs::RefPtr<Req>{};
			r = replay_req_;
		}
		if (!r) {
			locks_sent_ = false;
			set_state(ImportState::replay_locks);
			return;
		}
		if (r->phase != Req::Phase::complete)
			return; // still on its way to a server that has gone: comes back by itself
		r->replays_++;
	}
	r->replay();
}

void ImportImpl::replay_done(Req &r, cfs::Result<i32> result,
			     const wire::PtlrpcBodyV2 *body) noexcept
{
	bool answered = body != nullptr;
	cfs::Errno why = result ? cfs::Errno{} : result.error();
	bool lost = !answered || why == NOTCONN || why == NODEV;
	u32 cnt = 0;
	{
		cfs::SpinGuard g(lock);
		cnt = r.conn_cnt;
		lost = lost || cnt != conn_cnt_; // of a server that has gone meanwhile
		r.replaying = false;
		if (!lost && why == OVERFLOWED)
			vbr_failed_ = true;
	}
	if (!lost) {
		if (why != cfs::Errno{})
			CWARN(CFS_S_RPC, "{}: replay of {} x{} transno {} was answered {}",
			      static_cast<const char *>(device_), r.info().name, r.xid_,
			      static_cast<u64>(r.transno_), why);
		if (r.user_)
			r.user_->on_replayed(r, result);
	} else {
		connection_lost(cnt, "a replay was not answered");
	}
	{
		// Only now the next one may go: a close needs the handle that the user has just
		// got.
		cfs::SpinGuard g(lock);
		if (replay_req_.get() == &r) {
			if (lost) {
				replay_again_ = true;
			} else {
				replay_pos_ = Req::ByTransno::key(r);
				replay_req_.reset();
			}
		}
		if (--r.replays_ == 0 && r.gone_)
			r.leave_user(0);
	}
	kick();
}

void ImportImpl::do_replay_locks() noexcept
{
	fail_lock_replays();
	u32 cnt = 0;
	{
		cfs::SpinGuard g(lock);
		cnt = conn_cnt_;
	}
	bool told = !user_ || user_->replay_locks(*this);
	// Requests that may go during recovery.
	wake_delayed();
	{
		cfs::SpinGuard g(lock);
		locks_telling_ = false;
		locks_sent_ = told;
	}
	// Most of the time it is lost already, which is why.
	if (!told)
		connection_lost(cnt, "locks were not replayed");
}

/// Lock replays of an earlier recovery that ended in between: the user sends all of them anew.
void ImportImpl::fail_lock_replays() noexcept
{
	for (;;) {
		cfs::RefPtr<Req> old;
		{
			cfs::SpinGuard g(lock);
			for (Req &r : delayed_)
				if (r.options.lock_replay) {
					old = cfs::RefPtr<Req>::share(&r);
					break;
				}
		}
		if (!old)
			return;
		old->interrupt();
	}
}

void ImportImpl::lock_replay_done() noexcept
{
	CFS_ASSERT(locks_pending_ > 0);
	if (--locks_pending_ == 0)
		kick();
}

void ImportImpl::do_final_ping() noexcept
{
	auto made = own_request(op::ObdPing::info, Req::Kind::final_ping);
	if (!made) {
		cfs::SpinGuard g(lock);
		core_.timers().arm(connect_timer_, cfs::after(cfs::Duration::seconds(1)));
		return;
	}
	Req &r = **made;
	{
		cfs::SpinGuard g(lock);
		if (state() != ImportState::replay_wait)
			return;
		final_ping_ = *made;
	}
	r.send(own_);
}

void ImportImpl::do_recover() noexcept
{
	bool evicted = false;
	lnet::Nid nid;
	bool was_lost = false;
	{
		cfs::SpinGuard g(lock);
		if (state() != ImportState::recover && state() != ImportState::replay_wait)
			return;
		evicted = vbr_failed_;
		final_ok_ = false;
		set_state(evicted ? ImportState::evicted : ImportState::recover);
		nid = peer_;
	}
	if (evicted)
		return;
	resend_old();
	{
		cfs::SpinGuard g(lock);
		if (state() != ImportState::recover)
			return;
		was_lost = std::exchange(told_lost_, false);
		full_news_ = true;
		set_state(ImportState::full);
	}
	if (was_lost)
		LCONSOLE_WARN(CFS_S_RPC, "{}: Connection restored to {} (at {})",
			      static_cast<const char *>(device_), static_cast<const char *>(shown_),
			      nid);
	wake_delayed();
	arm_ping();
}

// ---- pings ----

void ImportImpl::arm_ping() noexcept
{
	if (spec_.no_ping || has_flag(wire::OBD_CONNECT_PINGLESS))
		return;
	cfs::SpinGuard g(lock);
	if (closed_ || closing_ || state() != ImportState::full)
		return;
	u32 interval = core_.tunables().ping_interval();
	if (uncommitted_)
		interval = std::min(interval, kShortPing);
	core_.timers().arm_by(ping_timer_, cfs::after(cfs::Duration::seconds(interval)));
}

void ImportImpl::ping_due() noexcept
{
	bool ping = false;
	{
		cfs::SpinGuard g(lock);
		u32 interval = core_.tunables().ping_interval();
		if (uncommitted_)
			interval = std::min(interval, kShortPing);
		cfs::Instant due = last_sent_ + cfs::Duration::seconds(interval);
		if (closed_ || closing_ || state() != ImportState::full)
			return; // armed again when it is full
		if (cfs::Instant::now() < due) {
			core_.timers().arm_by(ping_timer_, due);
			return;
		}
		ping = !pinging_;
		pinging_ = true;
	}
	if (ping) {
		auto r = own_request(op::ObdPing::info, Req::Kind::ping);
		if (r) {
			(*r)->send(own_);
		} else {
			cfs::SpinGuard g(lock);
			pinging_ = false;
		}
	}
	arm_ping();
}

void ImportImpl::ask_for_commit(wire::Transno upto) noexcept
{
	if (static_cast<u64>(upto) <= committed_.load(std::memory_order_relaxed))
		return;
	{
		cfs::SpinGuard g(lock);
		if (pinging_ || state() != ImportState::full)
			return;
		pinging_ = true;
	}
	auto r = own_request(op::ObdPing::info, Req::Kind::ping);
	if (r) {
		(*r)->send(own_);
		return;
	}
	cfs::SpinGuard g(lock);
	pinging_ = false;
}

// ---- waiting, closing ----

cfs::Result<> ImportImpl::wait_full(cfs::WaitMode mode, cfs::Instant deadline) noexcept
{
	cfs::SpinGuard g(lock);
	auto settled = [this]() CFS_NO_TSA { return state() == ImportState::full || closed_; };
	TRY(waitq_.wait(lock, mode, deadline, settled));
	if (closed_)
		return cfs::fail(close_why_ == cfs::Errno{} ? SHUTDOWN : close_why_);
	return {};
}

void ImportImpl::reconnect_now() noexcept
{
	u32 cnt = 0;
	bool wake = false;
	{
		cfs::SpinGuard g(lock);
		if (closed_ || closing_ || reverse_)
			return;
		cnt = conn_cnt_;
		rounds_ = tried_ = 0;
		next_attempt_ = cfs::Instant::now();
		wake = state() == ImportState::disconnected;
	}
	if (wake)
		kick();
	else
		connection_lost(cnt, "its state is in doubt");
}

/// Whether we have a connection to this instance of the target or a later one. One that says
/// nothing of instances cannot be told from its successor.
bool ImportImpl::answered_by(u32 instance) const noexcept
{
	switch (state()) {
	case ImportState::fresh:
	case ImportState::disconnected:
	case ImportState::connecting:
		return false;
	default:
		return granted_.instance == 0 || instance <= granted_.instance;
	}
}

void ImportImpl::target_moved(std::span<const lnet::Nid> nids, u32 instance) noexcept
{
	lnet::Nid nid = learn_peer(nids);
	bool here = core_.network().is_local(nid);
	u32 cnt = 0;
	cfs::RefPtr<Req> in_vain;
	{
		cfs::SpinGuard g(lock);
		if (closed_ || closing_ || reverse_ || answered_by(instance))
			return;
		announced_ = nid;
		announced_instance_ = instance;
		cnt = conn_cnt_;
		rounds_ = tried_ = 0;
		connect_limit_ = kConnectLimitMin;
		next_attempt_ = cfs::Instant::now();
		// One that has been answered is gone on with: the user may have been told.
		if (state() == ImportState::connecting && connect_req_ && !connect_done_) {
			// Its target has gone or was not up, unless it was sent only now. LNet
			// may hold it for a while, which is not waited for.
			bool there = peer_ == nid || (here && peer_.is_lo());
			if (!there || next_attempt_ - connect_sent_ > kConnectAnswer) {
				in_vain = std::move(connect_req_);
				set_state(ImportState::disconnected);
			}
		}
	}
	CDEBUG(CFS_S_RPC, CFS_D_HA, "{}: instance {} of {} runs at {}, says the MGS",
	       static_cast<const char *>(device_), instance, static_cast<const char *>(shown_),
	       nid);
	if (in_vain)
		in_vain->take_back(false, TIMEDOUT);
	connection_lost(cnt, "another instance of the target runs, says the MGS");
	kick();
}

void ImportImpl::set_active(bool active) noexcept
{
	{
		cfs::SpinGuard g(lock);
		if (active_on_ == active || closed_ || reverse_)
			return;
		active_on_ = active;
		if (active) {
			next_attempt_ = cfs::Instant::now();
		} else {
			generation_.fetch_add(1, std::memory_order_relaxed);
			if (state() != ImportState::fresh && !connect_req_)
				set_state(ImportState::disconnected);
		}
	}
	LCONSOLE_WARN(CFS_S_RPC, "setting import {} {} by administrator request", target_.view(),
		      active ? "ACTIVE" : "INACTIVE");
	if (!active) {
		fail_all(IO, false);
		drop_replay_lists();
	}
	kick();
}

cfs::Result<> ImportImpl::disconnect(cfs::WaitMode mode, cfs::Instant deadline) noexcept
{
	{
		cfs::SpinGuard g(lock);
		if (!closing_ && !closed_) {
			closing_ = true;
			goodbye_ = state() == ImportState::full;
			goodbye_until_ = deadline;
		}
	}
	(void)mode; // the good-bye's request is bounded by the deadline, the rest does not wait
	kick();
	cfs::SpinGuard g(lock);
	auto closed = [this]() CFS_NO_TSA { return closed_; };
	(void)waitq_.wait(lock, cfs::WaitMode::idle, cfs::Instant::never(), closed);
	return goodbye_result_;
}

void ImportImpl::do_goodbye() noexcept
{
	fail_all(SHUTDOWN, true);
	FormatInfo info = op::OstDisconnect::info;
	info.opcode = spec_.disconnect_op;
	info.name = "DISCONNECT";
	auto made = own_request(info, Req::Kind::disconnect);
	cfs::Result<> result{};
	if (made) {
		cfs::Duration left{};
		{
			cfs::SpinGuard g(lock);
			left = goodbye_until_.is_never() ? cfs::Duration::seconds(100)
							 : goodbye_until_ - cfs::Instant::now();
		}
		std::int64_t s = std::clamp<std::int64_t>(left.s(), 1, 100);
		u32 usual = timeout_of(portal_estimate(spec_.request_portal).get(core_.tunables()));
		(*made)->options.timeout = std::min(static_cast<u32>(s), usual);
		auto r = (*made)->send_wait(cfs::WaitMode::idle, nullptr);
		if (!r && r.error() != NOTCONN)
			result = cfs::fail(r.error());
	} else {
		result = cfs::fail(made.error());
	}
	cfs::SpinGuard g(lock);
	goodbye_result_ = result;
}

void ImportImpl::do_close() noexcept
{
	cfs::Errno why{};
	{
		cfs::SpinGuard g(lock);
		why = close_why_;
	}
	fail_all(why == cfs::Errno{} ? IO : why, true);
	{
		// The server did not hear the good-bye, or knows us no more.
		cfs::SpinGuard g(lock);
		if (!replay_.empty() && goodbye_result_)
			goodbye_result_ = cfs::fail(NOTCONN);
	}
	drop_replay_lists();
	(void)core_.timers().cancel(connect_timer_);
	(void)core_.timers().cancel(ping_timer_);
	core_.forget_import(*this);
	{
		// Replies that are being handled still speak to the user.
		cfs::SpinGuard g(lock);
		auto none = [this]() CFS_NO_TSA { return active_.empty(); };
		(void)waitq_.wait(lock, cfs::WaitMode::idle, cfs::Instant::never(), none);
	}
	if (user_)
		user_->on_closed(*this, why);
	cfs::RefPtr<Req> connect, replay, ping; // may be the last: they go without the lock
	cfs::SpinGuard g(lock);
	connect = std::move(connect_req_);
	replay = std::move(replay_req_);
	ping = std::move(final_ping_);
	closed_ = true;
	set_state(ImportState::closed);
	waitq_.wake_all();
}

} // namespace rpc
