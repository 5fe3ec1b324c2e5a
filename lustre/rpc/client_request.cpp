// SPDX-License-Identifier: GPL-2.0
//
// The life of a client's request: see client_request.hpp for phases and who may touch what.

#include "lustre/rpc/client_request.hpp"

#include <bit>

#include "libcfs/plat/csum.h"
#include "lustre/rpc/import_impl.hpp"
#include "rpc/format/ops_common.hpp"
#include "rpc/format/sec.hpp"

namespace rpc
{

using namespace cfs::err;

namespace
{

/// MdSpec::user of a request's descriptors: what they are for.
constexpr std::uintptr_t kRequestMd = 1, kReplyMd = 2, kBulkMd = 16;

void *tag_of(std::uintptr_t what) noexcept
{
	return reinterpret_cast<void *>(what); // never followed
}

} // namespace

const char *name_of(ImportState s) noexcept
{
	switch (s) {
	case ImportState::closed:
		return "CLOSED";
	case ImportState::fresh:
		return "NEW";
	case ImportState::disconnected:
		return "DISCONN";
	case ImportState::connecting:
		return "CONNECTING";
	case ImportState::replay:
		return "REPLAY";
	case ImportState::replay_locks:
		return "REPLAY_LOCKS";
	case ImportState::replay_wait:
		return "REPLAY_WAIT";
	case ImportState::recover:
		return "RECOVER";
	case ImportState::full:
		return "FULL";
	case ImportState::evicted:
		return "EVICTED";
	case ImportState::idle:
		return "IDLE";
	}
	return "?";
}

Req::Req(ImportImpl &imp, const FormatInfo &info) noexcept : ClientRequest(info), imp_(imp)
{
	imp_.get();
}

cfs::Result<cfs::RefPtr<Req>> Req::make(ImportImpl &imp, const FormatInfo &info,
					std::size_t request_bytes, std::size_t reply_bytes) noexcept
{
	auto r = TRY(cfs::try_make_ref<Req>(imp, info));
	std::size_t bytes = request_bytes;
	unsigned flags = bytes > CFS_PAGE_SIZE ? CFS_ALLOC_LARGE : CFS_ALLOC_DEFAULT;
	auto *room = static_cast<std::byte *>(cfs_alloc(kSubsys, bytes, flags));
	if (!room)
		return cfs::fail(NOMEM);
	r->room_ = {room, bytes};
	r->room_bytes_ = bytes;
	r->reply_expected_ = reply_bytes;
	return r;
}

void Req::destroy() noexcept
{
	CFS_ASSERT(mds_ == 0 && !in_replay_ && !in_committed_);
	if (!room_.empty())
		cfs_free(kSubsys, room_.data(), room_bytes_);
	while (ReplyRoom *r = rooms_) {
		rooms_ = r->before;
		cfs_free(kSubsys, r, r->bytes);
	}
	cfs::RefPtr<ImportImpl> imp = cfs::RefPtr<ImportImpl>::adopt(&imp_);
	this->~Req();
	cfs_free(kSubsys, this, sizeof(*this));
}

Import &Req::import() noexcept
{
	return imp_;
}

// ---- starting and waiting ----

void Req::begin(RequestUser *user, bool sync) noexcept
{
	user_ = user;
	sync_ = sync;
	pid_ = cfs_thread_pid();
	if (!options.jobid[0])
		imp_.core().jobids().fill(imp_.core().node().plat(), options, options.jobid);
	if (options.is_close)
		options.modifies = true;
	get(); // the import's
	cfs::Result<bool> go = false;
	{
		cfs::SpinGuard g(imp_.lock);
		CFS_ASSERT(phase == Phase::fresh);
		generation = imp_.generation();
		go = imp_.admit(*this);
	}
	if (!go)
		settle(cfs::fail(go.error()));
	else if (*go)
		send_now();
}

void Req::send(RequestUser &user) noexcept
{
	begin(&user, false);
}

cfs::Result<i32> Req::send_wait(cfs::WaitMode mode, RequestUser *user) noexcept
{
	begin(user, true);
	auto waited = done_.wait(mode, cfs::Instant::never());
	if (!waited) {
		interrupt();
		// The memory of a bulk is the caller's: LNet must be through with it.
		if (options.bulk.direction != Bulk::none || done_.done())
			(void)done_.wait(cfs::WaitMode::idle, cfs::Instant::never());
		else
			return cfs::fail(INTR);
	}
	return result_;
}

void Req::interrupt() noexcept
{
	bool settle_now = false;
	{
		cfs::SpinGuard g(imp_.lock);
		if (phase == Phase::slot_wait || phase == Phase::delayed ||
		    phase == Phase::pausing) {
			imp_.leave(*this);
			phase = Phase::complete;
			settle_now = true;
		}
	}
	if (settle_now)
		settle(cfs::fail(INTR));
	else
		take_back(false, INTR);
}

/// Its import's lock is held; where this is declared, the import is not whole.
void Req::release() noexcept CFS_NO_TSA
{
	imp_.leave(*this);
	phase = Phase::fresh;
	auto go = imp_.admit(*this);
	if (!go) {
		end_error_ = go.error();
		queue(kSettle);
	} else if (*go) {
		queue(kTransmit);
	}
}

void Req::queue(unsigned todo) noexcept
{
	if (todo & kNews)
		imp_.telling.fetch_add(1, std::memory_order_acq_rel);
	unsigned before = todo_.fetch_or(todo, std::memory_order_acq_rel);
	if ((todo & kNews) && (before & kNews)) // told together
		news_told();
	get();
	if (!work_.queue(imp_.core().completions()))
		put();
}

void Req::leave_user(unsigned todo) noexcept
{
	if (!user_)
		return;
	gone_ = replays_ > 0;
	if (!gone_)
		todo |= kGone;
	if (todo)
		queue(todo);
}

void Req::run() noexcept
{
	auto self = cfs::RefPtr<Req>::adopt(this); // what queue() took
	unsigned todo = todo_.exchange(0, std::memory_order_acq_rel);
	if (todo & kTransmit)
		send_now();
	if (todo & kSettle)
		settle(cfs::fail(end_error_));
	tell_user(todo);
	if (todo & kNews)
		news_told();
}

void Req::news_told() noexcept
{
	if (imp_.telling.fetch_sub(1, std::memory_order_acq_rel) == 1)
		imp_.kick();
}

void Req::tell_user(unsigned todo) noexcept
{
	RequestUser *u = user_;
	if (!u)
		return;
	if (todo & kComplete)
		u->on_complete(*this, result_);
	if (todo & kCommitted)
		u->on_committed(*this);
	if (todo & kGone)
		u->on_gone(*this);
}

// ---- sending ----

void Req::send_now() noexcept
{
	Ticket t{};
	{
		cfs::SpinGuard g(imp_.lock);
		CFS_ASSERT(phase == Phase::sending && mds_ == 0);
		if (!imp_.prepare(*this, t))
			return;
		got_reply_ = truncated_ = bulk_failed_ = abort_ = false;
		bulk_left_ = 0;
	}
	bulk_bytes_.store(0, std::memory_order_relaxed);
	compose(t);
	auto posted = post(t);
	if (posted)
		return;
	// Nothing was sent: what has been posted is taken back.
	{
		cfs::SpinGuard g(imp_.lock);
		if (phase == Phase::sending)
			phase = Phase::sent;
	}
	if (posted.error() == NOMEM)
		take_back(false, NOMEM);
	else
		lost(posted.error(), "cannot send");
}

void Req::compose(const Ticket &t) noexcept
{
	auto w = writer();
	CFS_ASSERT(w); // composed by a format, edited by our own kind
	wire::LustreMsgV2 &h = w->header();
	std::size_t early = t.msg_flags & wire::MSGHDR_AT_SUPPORT ? wire::kEarlyReplyNull : 0;
	if (!rooms_ || rooms_->room() < reply_expected_ + early || replaying)
		new_reply_room(reply_expected_ + early);
	h.secflvr = make_secflvr(wire::SPTLRPC_FLVR_NULL, imp_.spec_.part);
	h.repsize = static_cast<u32>(reply_expected_);
	h.flags = t.msg_flags;
	msg_flags_ = t.msg_flags;
	wire::PtlrpcBodyV2 &b = *w->body();
	b.handle = wire::ExportHandle{t.handle};
	b.status = static_cast<i32>(pid_);
	b.last_xid = wire::Xid{t.last_xid};
	if (!replaying)
		b.tag = t.tag;
	b.conn_cnt = t.conn_cnt;
	b.timeout = t.timeout;
	b.service_time = t.service_time;
	b.mbits = wire::MatchBits{t.mbits};
	u32 flags = b.flags;
	flags &= ~(wire::MSG_RESENT | wire::MSG_REPLAY);
	if (resend || options.resent)
		flags |= wire::MSG_RESENT;
	if (replaying)
		flags |= wire::MSG_REPLAY;
	if (options.lock_replay)
		flags |= wire::MSG_REQ_REPLAY_DONE;
	if (kind == Kind::final_ping)
		flags |= wire::MSG_REQ_REPLAY_DONE | wire::MSG_LOCK_REPLAY_DONE;
	if (options.has_ids) {
		flags |= wire::MSG_PACK_UID_GID;
		b.uid = options.uid;
		b.gid = options.gid;
	}
	if (options.has_projid) {
		flags |= wire::MSG_PACK_PROJID;
		b.projid = options.projid;
	}
	b.flags = flags;
	if (t.jobstats)
		w->set_jobid(options.jobid);
	request_portal_used_ = t.request_portal;
}

void Req::new_reply_room(std::size_t bytes) noexcept
{
	std::size_t n = std::bit_ceil(sizeof(ReplyRoom) + bytes);
	unsigned flags = n > CFS_PAGE_SIZE ? CFS_ALLOC_LARGE : CFS_ALLOC_DEFAULT;
	void *m = cfs_alloc(kSubsys, n, flags);
	if (!m)
		return; // post() sees that it is too short
	rooms_ = ::new (m) ReplyRoom{rooms_, n};
}

cfs::Result<> Req::post_reply(const Ticket &t) noexcept
{
	std::size_t early = t.msg_flags & wire::MSGHDR_AT_SUPPORT ? wire::kEarlyReplyNull : 0;
	if (!rooms_ || rooms_->room() < reply_expected_ + early)
		return cfs::fail(NOMEM);
	lnet::MatchSpec match;
	match.portal = static_cast<u32>(t.reply_portal);
	match.who = t.peer;
	match.match_bits = t.reply_bits;
	lnet::MdSpec md;
	md.buffer = {rooms_->data(), {}, static_cast<u32>(rooms_->room())};
	md.threshold = lnet::LNET_MD_THRESH_INF;
	md.options = lnet::LNET_MD_OP_PUT | lnet::LNET_MD_MANAGE_REMOTE | lnet::LNET_MD_TRUNCATE;
	md.handler = this;
	md.user = tag_of(kReplyMd);
	{
		cfs::SpinGuard g(imp_.lock);
		mds_++;
	}
	get();
	auto h = imp_.core().network().attach(match, md);
	if (!h) {
		descriptor_gone();
		return cfs::fail(h.error());
	}
	cfs::SpinGuard g(imp_.lock);
	reply_md_ = *h;
	return {};
}

cfs::Result<> Req::post_bulk(const Ticket &t) noexcept
{
	const BulkDesc &b = options.bulk;
	if (b.direction == Bulk::none)
		return {};
	std::size_t n = b.md_count();
	if (n > kMdsMax || (b.buffer.linear && b.buffer.length > kBytesPerMd))
		return cfs::fail(INVAL);
	if (bulk_mds_.size() != n)
		bulk_mds_ = TRY(cfs::Array<lnet::MdHandle>::make(kSubsys, n));
	{
		cfs::SpinGuard g(imp_.lock);
		for (lnet::MdHandle &h : bulk_mds_)
			h = {};
		bulk_left_ = static_cast<u32>(n);
	}
	for (std::size_t i = 0; i < n; i++) {
		lnet::MatchSpec match;
		match.portal = static_cast<u32>(b.portal);
		match.who = t.peer;
		match.match_bits = t.mbits - (n - 1) + i;
		lnet::MdSpec md;
		md.buffer = bulk_slice(b.buffer, i);
		md.options = b.direction == Bulk::to_client
				     ? lnet::LNET_MD_OP_PUT | lnet::LNET_MD_TRUNCATE
				     : lnet::LNET_MD_OP_GET;
		md.handler = this;
		md.user = tag_of(kBulkMd + i);
		{
			cfs::SpinGuard g(imp_.lock);
			mds_++;
		}
		get();
		auto h = imp_.core().network().attach(match, md);
		if (!h) {
			descriptor_gone();
			return cfs::fail(h.error());
		}
		cfs::SpinGuard g(imp_.lock);
		bulk_mds_[i] = *h;
	}
	return {};
}

cfs::Result<> Req::post(const Ticket &t) noexcept
{
	TRY(post_reply(t));
	TRY(post_bulk(t));
	Bytes msg = writer()->bytes();
	lnet::MdSpec md;
	// LNet does not write into what it sends.
	md.buffer = {const_cast<std::byte *>(msg.data()), {}, static_cast<u32>(msg.size())};
	md.handler = this;
	md.user = tag_of(kRequestMd);
	lnet::Network &net = imp_.core().network();
	{
		cfs::SpinGuard g(imp_.lock);
		mds_++;
	}
	get();
	auto h = net.bind(md);
	if (!h) {
		descriptor_gone();
		return cfs::fail(h.error());
	}
	bool stop = false;
	{
		cfs::SpinGuard g(imp_.lock);
		sent_ = cfs::Instant::now();
		if (first_sent_ == cfs::Instant{})
			first_sent_ = sent_;
		deadline_ = sent_ + cfs::Duration::seconds(t.wait);
		phase = Phase::sent;
		stop = abort_;
	}
	imp_.core().timers().arm(*this, deadline_);
	CDEBUG(CFS_S_RPC, CFS_D_RPCTRACE, "{}: sending {} x{} to {} portal {}{}{}", imp_.device(),
	       info_.name, xid_, t.peer, static_cast<u32>(t.request_portal),
	       resend ? ", resent" : "", replaying ? ", replay" : "");
	cfs::Result<> r{};
	if (!stop)
		r = net.put(lnet::Nid{}, *h, false, t.peer, static_cast<u32>(t.request_portal),
			    xid_, 0, 0);
	if (!r || stop)
		(void)net.unlink(*h);
	if (stop)
		take_back(after_resend_, end_error_);
	return r;
}

// ---- events ----

void Req::on_event(const lnet::Event &ev) noexcept
{
	auto what = reinterpret_cast<std::uintptr_t>(ev.user);
	if (ev.type != lnet::EventType::unlink) {
		if (what == kRequestMd)
			on_request_sent(ev);
		else if (what == kReplyMd)
			on_reply(ev);
		else
			on_bulk(ev, static_cast<unsigned>(what - kBulkMd));
	}
	if (!ev.unlinked)
		return;
	{
		cfs::SpinGuard g(imp_.lock);
		if (what == kReplyMd)
			reply_md_ = {};
		else if (what >= kBulkMd)
			bulk_mds_[what - kBulkMd] = {};
	}
	descriptor_gone();
}

void Req::on_request_sent(const lnet::Event &ev) noexcept
{
	if (ev.status != cfs::Errno{})
		lost(ev.status, "network error");
}

void Req::on_bulk(const lnet::Event &ev, unsigned) noexcept
{
	bool whole = false;
	{
		cfs::SpinGuard g(imp_.lock);
		if (ev.status != cfs::Errno{})
			bulk_failed_ = true;
		else
			bulk_bytes_.fetch_add(ev.mlength, std::memory_order_relaxed);
		if (bulk_left_ > 0)
			bulk_left_--;
		whole = bulk_left_ == 0 && got_reply_ && phase == Phase::sent;
	}
	if (whole)
		take_back(bulk_failed_, cfs::Errno{});
}

i32 Req::peek_status() noexcept
{
	Bytes b{rooms_->data() + reply_offset_, reply_length_};
	auto m = unwrap(b);
	return m ? m->message.body().status.get() : -1;
}

void Req::on_reply(const lnet::Event &ev) noexcept
{
	if (ev.status != cfs::Errno{})
		return; // the deadline or the connection's loss will tell
	if (ev.offset == 0 && (msg_flags_ & wire::MSGHDR_AT_SUPPORT)) {
		on_early_reply(ev);
		return;
	}
	bool end = false, again = false;
	{
		cfs::SpinGuard g(imp_.lock);
		if (phase != Phase::sent || got_reply_)
			return;
		reply_offset_ = ev.offset;
		reply_length_ = ev.mlength;
		if (ev.mlength < ev.rlength) {
			truncated_ = true;
			reply_expected_ = ev.rlength;
			end = again = true;
		} else {
			got_reply_ = true;
			end = bulk_left_ == 0 || peek_status() < 0;
			again = end && bulk_failed_ && bulk_left_ == 0 && peek_status() >= 0;
		}
	}
	if (!end)
		return;
	if (truncated_ && options.no_resend)
		take_back(false, OVERFLOWED);
	else
		take_back(again, cfs::Errno{});
}

void Req::on_early_reply(const lnet::Event &ev) noexcept
{
	// The final reply goes behind the room for early ones, so this stays as it is.
	auto m = unwrap(Bytes{rooms_->data(), ev.mlength});
	if (!m || m->message.length(0) < sizeof(wire::PtlrpcBodyV2))
		return;
	Bytes body = m->message.buffer(0);
	if (cfs_crc32(~0u, body.data(), body.size()) != m->message.header().cksum) {
		CDEBUG(CFS_S_RPC, CFS_D_RPCTRACE, "{}: early reply to x{} is damaged; ignored",
		       imp_.device(), xid_);
		return;
	}
	u32 timeout = m->message.body().timeout;
	cfs::Instant deadline;
	{
		cfs::SpinGuard g(imp_.lock);
		if (phase != Phase::sent || got_reply_)
			return;
		early_count_++;
		deadline = sent_ + cfs::Duration::seconds(i64{timeout} + latency_);
		if (deadline <= deadline_)
			return;
		deadline_ = deadline;
		imp_.core().timers().arm(*this, deadline);
	}
	CDEBUG(CFS_S_RPC, CFS_D_RPCTRACE,
	       "{}: Early reply #{} to {} x{}: the server asks for {} s in all", imp_.device(),
	       early_count_, info_.name, xid_, timeout);
}

void Req::on_timer() noexcept
{
	bool late = false;
	cfs::Result<bool> go = false;
	{
		cfs::SpinGuard g(imp_.lock);
		if (phase == Phase::pausing) {
			imp_.leave(*this);
			phase = Phase::fresh;
			go = imp_.admit(*this);
			if (go && *go)
				queue(kTransmit);
		} else {
			late = phase == Phase::sent && cfs::Instant::now() >= deadline_;
		}
	}
	if (!go)
		settle(cfs::fail(go.error()));
	else if (late)
		lost(TIMEDOUT, "timed out");
}

void Req::lost(cfs::Errno why, const char *what) noexcept
{
	u32 cnt = 0;
	{
		cfs::SpinGuard g(imp_.lock);
		if (phase != Phase::sent)
			return;
		cnt = conn_cnt;
	}
	bool quiet = kind == Kind::connect || kind == Kind::ping;
	if (!quiet && why == TIMEDOUT)
		CWARN(CFS_S_RPC,
		      "{}: {} x{} to {} was not answered within {} (early replies: {}); {}",
		      imp_.device(), info_.name, xid_, imp_.peer(), cfs::Instant::now() - sent_,
		      early_count_,
		      options.no_resend ? "it fails" : "it is sent again after a reconnect");
	else if (!quiet)
		CNETERR(CFS_S_RPC, "{}: {} x{} to {}: {}: {}", imp_.device(), info_.name, xid_,
			imp_.peer(), what, why);
	bool again = !options.no_resend && !replaying;
	if (!again)
		take_back(false, why);
	// Before it is sent again, so that it waits until the import is connected.
	if (kind != Kind::connect && kind != Kind::disconnect)
		imp_.connection_lost(cnt, what);
	if (again)
		take_back(true, why);
}

// ---- ending ----

void Req::take_back(bool again, cfs::Errno why) noexcept
{
	lnet::MdHandle reply;
	{
		cfs::SpinGuard g(imp_.lock);
		if (phase == Phase::sending) {
			abort_ = true;
			after_resend_ = again;
			end_error_ = why;
			return;
		}
		if (phase == Phase::ending) { // a failure beats being sent again
			if (!again && after_resend_) {
				after_resend_ = false;
				end_error_ = why;
			}
			return;
		}
		if (phase != Phase::sent)
			return;
		phase = Phase::ending;
		after_resend_ = again;
		end_error_ = why;
		if (again || why != cfs::Errno{})
			got_reply_ = false;
		reply = reply_md_;
		mds_++; // so that nobody finishes it while descriptors are taken back below
		get();
	}
	lnet::Network &net = imp_.core().network();
	if (reply)
		(void)net.unlink(reply);
	for (std::size_t i = 0; i < bulk_mds_.size(); i++) {
		lnet::MdHandle h;
		{
			cfs::SpinGuard g(imp_.lock);
			h = bulk_mds_[i];
		}
		if (h)
			(void)net.unlink(h);
	}
	descriptor_gone();
}

void Req::descriptor_gone() noexcept
{
	bool last = false;
	{
		cfs::SpinGuard g(imp_.lock);
		CFS_ASSERT(mds_ > 0);
		last = --mds_ == 0 && phase == Phase::ending;
	}
	if (last)
		ended();
	put();
}

void Req::ended() noexcept
{
	(void)imp_.core().timers().cancel(*this);
	if (!after_resend_) {
		finish();
		return;
	}
	cfs::Result<bool> go = false;
	{
		cfs::SpinGuard g(imp_.lock);
		imp_.leave(*this);
		resend = true;
		phase = Phase::fresh;
		go = imp_.admit(*this);
		if (go && *go)
			queue(kTransmit);
	}
	if (!go)
		settle(cfs::fail(go.error()));
}

void Req::finish() noexcept
{
	if (!got_reply_) {
		settle(cfs::fail(end_error_ == cfs::Errno{} ? IO : end_error_));
		return;
	}
	Defect why;
	auto u = unwrap(Bytes{rooms_->data() + reply_offset_, reply_length_}, &why);
	if (!u || (u->message.body().type != wire::MsgType::PTL_RPC_MSG_REPLY &&
		   u->message.body().type != wire::MsgType::PTL_RPC_MSG_ERR)) {
		CERROR(CFS_S_RPC, "{}: reply of {} to {} x{} refused: {}", imp_.device(),
		       imp_.peer(), info_.name, xid_, why);
		settle(cfs::fail(PROTO));
		return;
	}
	reply_ = u->message.bytes();
	const wire::PtlrpcBodyV2 &b = u->message.body();
	i32 status = b.status;
	bool error = b.type == wire::MsgType::PTL_RPC_MSG_ERR;
	if (error && status >= 0)
		status = -static_cast<i32>(PROTO);
	imp_.note_reply(*this, b);
	CDEBUG(CFS_S_RPC, CFS_D_RPCTRACE, "{}: {} x{}: status {} transno {}", imp_.device(),
	       info_.name, xid_, status, static_cast<u64>(wire::Transno{b.transno}));
	auto code = static_cast<cfs::Errno>(-status);
	bool plain = kind == Kind::normal && !replaying;
	if (status < 0 && (code == NOTCONN || code == NODEV) && kind != Kind::connect &&
	    kind != Kind::disconnect) {
		bool again = plain && !options.no_resend && !imp_.reverse();
		u32 cnt = conn_cnt;
		if (again) {
			cfs::SpinGuard g(imp_.lock);
			after_resend_ = true;
		}
		imp_.connection_lost(cnt, code == NODEV ? "the target is not there"
							: "the server does not know us");
		if (again) {
			ended();
			return;
		}
	}
	if (status < 0 && code == INPROGRESS && plain && !options.no_retry_inprogress &&
	    !options.no_resend) {
		cfs::SpinGuard g(imp_.lock);
		imp_.leave(*this);
		phase = Phase::pausing;
		imp_.enlist(*this, Home::active);
		resend = false;
		new_xid_ = true;
		reply_ = {};
		u32 pause = ++inprogress_ < 30 ? inprogress_ : 30;
		imp_.core().timers().arm(*this, cfs::after(cfs::Duration::seconds(pause)));
		return;
	}
	if (plain && b.transno != wire::Transno{} && !error && !options.no_replay)
		transno_ = b.transno;
	if (replaying && b.transno != transno_ && b.transno != wire::Transno{})
		CERROR(CFS_S_RPC, "{}: {} replayed {} x{} as transno {} instead of {}",
		       imp_.device(), imp_.peer(), info_.name, xid_,
		       static_cast<u64>(wire::Transno{b.transno}), static_cast<u64>(transno_));
	settle(status < 0 ? cfs::Result<i32>(cfs::fail(code)) : cfs::Result<i32>(status));
}

/// The request is complete: what was decided goes to its import and to its user.
void Req::settle(cfs::Result<i32> r) noexcept
{
	(void)imp_.core().timers().cancel(*this);
	if (replaying) {
		auto m = replied() && got_reply_ ? reply()
						 : cfs::Result<MessageView>(cfs::fail(NODATA));
		{
			cfs::SpinGuard g(imp_.lock);
			phase = Phase::complete;
			imp_.leave(*this);
		}
		result_ = r;
		imp_.replay_done(*this, r, m ? &m->body() : nullptr);
		put();
		return;
	}
	unsigned todo = sync_ ? 0u : static_cast<unsigned>(kComplete);
	bool may_keep = transno_ != wire::Transno{} && replied();
	if (may_keep && imp_.replayable()) {
		// What is needed for the replay goes into the message while nobody else sees it.
		auto w = writer();
		auto m = reply();
		if (w && m) {
			w->body()->transno = transno_;
			for (unsigned i = 0; i < wire::PTLRPC_NUM_VERSIONS; i++)
				w->body()->pre_versions[i] = m->body().pre_versions[i];
		}
		if (user_)
			user_->on_kept(*this);
	}
	{
		cfs::SpinGuard g(imp_.lock);
		phase = Phase::complete;
		imp_.leave(*this);
		finished_ = cfs::Instant::now();
		result_ = r;
		if (!may_keep)
			todo |= kGone;
		else if (!imp_.keep(*this))
			todo |= kCommitted | kGone;
		// Before anybody else has news of it: a commit must not be told first.
		if (user_ && todo)
			queue(todo);
	}
	if (sync_)
		done_.complete();
	put(); // the import's
}

void Req::drop_replay() noexcept
{
	bool out = false;
	{
		cfs::SpinGuard g(imp_.lock);
		dropped = true;
		if (in_committed_) {
			imp_.opens_.erase(imp_.opens_.iterator_to(*this));
			in_committed_ = false;
			leave_user(0);
			out = true;
		}
	}
	if (out)
		put(); // the list's
}

void Req::replay() noexcept
{
	get(); // the import's, as in begin()
	{
		cfs::SpinGuard g(imp_.lock);
		CFS_ASSERT(phase == Phase::complete);
		replaying = true;
		resend = false;
		phase = Phase::sending;
		imp_.enlist(*this, Home::active);
	}
	send_now();
}

} // namespace rpc
