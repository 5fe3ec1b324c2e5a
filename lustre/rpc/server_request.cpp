// SPDX-License-Identifier: GPL-2.0
//
// A request at the server: checks, handling, replies (spec 02 sections 1.2, 1.8, 3.4, 4.4). Bulk is
// in server_bulk.cpp.
//
// The request itself carries its reply: it lives until LNet is through with it, and longer while
// the reply holds something (difficult replies).

#include <algorithm>

#include "libcfs/plat/csum.h"
#include "lustre/rpc/service_impl.hpp"
#include "rpc/format/ops_common.hpp"
#include "rpc/format/sec.hpp"

namespace rpc
{

using namespace cfs::err;
using wire::Opcode;

namespace
{

bool is_connect(Opcode op) noexcept
{
	return op == Opcode::OST_CONNECT || op == Opcode::MDS_CONNECT || op == Opcode::MGS_CONNECT;
}

bool is_disconnect(Opcode op) noexcept
{
	return op == Opcode::OST_DISCONNECT || op == Opcode::MDS_DISCONNECT ||
	       op == Opcode::MGS_DISCONNECT;
}

/// What rpc answers itself.
bool is_common(Opcode op) noexcept
{
	return is_connect(op) || is_disconnect(op) || op == Opcode::OBD_PING;
}

constexpr u32 kRecoveryFlags =
	wire::MSG_REPLAY | wire::MSG_REQ_REPLAY_DONE | wire::MSG_LOCK_REPLAY_DONE;

} // namespace

ServerReq::ServerReq(ServiceImpl &s, const lnet::Event &ev, cfs::RefPtr<ReceiveBuffer> b) noexcept
    : service_(s), buffer_(std::move(b))
{
	raw_ = Bytes{buffer_->memory + ev.offset, ev.mlength};
	source_ = ev.initiator;
	self_ = ev.target.nid;
	xid_ = wire::Xid{ev.match_bits};
	arrival_ = cfs::Instant::now();
}

Core &ServerReq::core() noexcept
{
	return service_.core();
}

void ServerReq::destroy() noexcept
{
	CFS_ASSERT(!is_active && !is_held && !reply_md_);
	release_holds();
	free_reply();
	ServiceImpl &s = service_;
	this->~ServerReq();
	cfs_free(kSubsys, this, sizeof(*this));
	s.request_gone();
}

cfs::Instant ServerReq::deadline() noexcept
{
	cfs::SpinGuard g(lock_);
	return deadline_;
}

void ServerReq::stop_early_replies() noexcept
{
	{
		cfs::SpinGuard g(lock_);
		early_off_ = true;
	}
	(void)core().timers().cancel(*this);
}

void ServerReq::answer_for(const cfs::RefPtr<ExportImpl> &e) noexcept
{
	export_ = cfs::RefPtr<Export>(e);
}

// ---- checks ----

bool ServerReq::drop() noexcept
{
	dropped_ = true;
	done();
	return false;
}

bool ServerReq::prepare() noexcept
{
	Defect why;
	auto u = unwrap(raw_, &why);
	if (!u || u->message.length(0) < sizeof(wire::PtlrpcBodyV2) ||
	    u->message.body().type != wire::MsgType::PTL_RPC_MSG_REQUEST ||
	    (u->message.body().version & 0xffff) != wire::PTLRPC_MSG_VERSION) {
		CNETERR(CFS_S_RPC, "{}: message from {} x{} dropped: {}", service_.name(), source_,
			static_cast<u64>(xid_), why);
		return false;
	}
	message_ = u->message;
	at_ = message_flags() & wire::MSGHDR_AT_SUPPORT;
	request_cnt_ = body().conn_cnt;
	u32 limit = at_ || is_connect(opcode()) ? u32{body().timeout}
						: core().tunables().timeout.load();
	if (body().timeout == 0)
		return drop();
	{
		cfs::SpinGuard g(lock_);
		mbits_ = static_cast<u64>(wire::MatchBits{body().mbits});
		deadline_ = arrival_ + cfs::Duration::seconds(limit);
	}
	CDEBUG(CFS_S_RPC, CFS_D_RPCTRACE, "{}: got opcode {} x{} from {} flags {:#x} conn {}",
	       service_.name(), static_cast<u32>(opcode()), static_cast<u64>(xid_), source_,
	       u32{body().flags}, request_cnt_);
	return find_peer_state();
}

bool ServerReq::find_peer_state() noexcept
{
	u64 cookie = static_cast<u64>(wire::ExportHandle{body().handle});
	cfs::RefPtr<ExportImpl> e;
	if (cookie)
		e = core().export_of(cookie);
	export_ = cfs::RefPtr<Export>(e);
	find_handler();
	u32 flags = handler_ ? handler_->flags : 0u;
	if (is_connect(opcode())) {
		export_.reset(); // found by uuid, not by handle
		return true;
	}
	if ((flags & kHandlerCallback) && !e) {
		import_ = core().find_import(wire::ExportHandle{cookie});
		if (!import_) {
			finish(cfs::fail(NOTCONN));
			return false;
		}
		arm_early();
		return true;
	}
	if (!e) {
		if (flags & kHandlerNoExport)
			return true;
		refuse(NOTCONN);
		return false;
	}
	arm_early();
	return check_export();
}

bool ServerReq::check_export() noexcept
{
	auto &e = static_cast<ExportImpl &>(*export_);
	auto &t = static_cast<TargetImpl &>(e.target());
	if (request_cnt_ < e.conn_cnt() && request_cnt_ != 0) {
		CDEBUG(CFS_S_RPC, CFS_D_RPCTRACE, "{}: x{} is of an earlier connection: dropped",
		       t.name(), static_cast<u64>(xid_));
		return drop();
	}
	pass_ = t.gate().enter();
	if (!pass_) {
		refuse(NODEV);
		return false;
	}
	if (e.gone()) {
		refuse(NOTCONN);
		return false;
	}
	e.heard();
	bool replayed = has_flag(kRecoveryFlags) || body().transno != wire::Transno{};
	bool recovering = t.ops().recovering();
	if (replayed && !recovering) {
		e.evict("it replays although the target does not recover");
		refuse(NODEV);
		return false;
	}
	if (recovering)
		return check_recovery();
	return check_duplicate();
}

bool ServerReq::check_recovery() noexcept
{
	auto &t = static_cast<TargetImpl &>(export_->target());
	if (is_disconnect(opcode()))
		return check_duplicate();
	switch (t.ops().filter(*this)) {
	case Filter::process:
		return check_duplicate();
	case Filter::taken:
		return false;
	case Filter::drop:
		return drop();
	case Filter::again:
		refuse(AGAIN);
		return false;
	case Filter::evicted:
		refuse(NOTCONN);
		return false;
	}
	return false;
}

bool ServerReq::check_duplicate() noexcept
{
	auto &e = static_cast<ExportImpl &>(*export_);
	if (e.enter(*this) == ExportImpl::Entry::duplicate) {
		CDEBUG(CFS_S_RPC, CFS_D_RPCTRACE, "x{} resent while it is being processed",
		       static_cast<u64>(xid_));
		return drop();
	}
	u64 last = static_cast<u64>(wire::Xid{body().last_xid});
	u64 own = static_cast<u64>(xid_);
	bool replay = has_flag(wire::MSG_REPLAY) || body().transno != wire::Transno{};
	if (!replay && own <= static_cast<u64>(e.last_xid()) && !is_disconnect(opcode())) {
		CNETERR(CFS_S_RPC, "{}: {} sends x{}, below x{} which it declared answered",
			export_->target().name(), source_, own, static_cast<u64>(e.last_xid()));
		refuse(PROTO);
		return false;
	}
	if (last)
		e.saw_last_xid(last);
	return true;
}

void ServerReq::find_handler() noexcept
{
	handler_ = service_.find_handler(opcode());
	handler_object_ = service_.spec().object;
	if (handler_ || !export_)
		return;
	auto &t = static_cast<TargetImpl &>(export_->target());
	handler_ = t.find_handler(opcode());
	handler_object_ = t.ops().handler_object();
}

bool ServerReq::urgent() noexcept
{
	if (is_common(opcode()))
		return true;
	if (!handler_)
		return true; // it only fails
	if (handler_->is_urgent)
		return handler_->is_urgent(handler_object_, *this);
	return handler_->flags & kHandlerUrgent;
}

void ServerReq::take_over(const ServerReq &copy) noexcept
{
	// The copy is new and nobody else has it.
	u64 mbits = static_cast<u64>(wire::MatchBits{copy.body().mbits});
	cfs::Instant until = copy.arrival_ + cfs::Duration::seconds(u32{copy.body().timeout});
	cfs::SpinGuard g(lock_);
	mbits_ = mbits;
	deadline_ = std::max(deadline_, until);
	request_cnt_ = copy.request_cnt_;
	copies_.fetch_add(1, std::memory_order_release); // after all of it
}

// ---- handling ----

void ServerReq::execute() noexcept
{
	if (!is_active && export_ && !check_duplicate())
		return;
	finish(run_handler());
}

cfs::Result<> ServerReq::run_handler() noexcept
{
	started_ = cfs::Instant::now();
	u32 flags = handler_ ? handler_->flags : 0u;
	if (!is_connect(opcode()) && !(flags & kHandlerEvenLate) && started_ > deadline()) {
		CWARN(CFS_S_RPC,
		      "{}: dropping opcode {} x{} from {}: it waited {}, its client has given up; "
		      "the server is overloaded or stuck",
		      service_.name(), static_cast<u32>(opcode()), static_cast<u64>(xid_), source_,
		      started_ - arrival_);
		dropped_ = true;
		return cfs::fail(TIMEDOUT);
	}
	if (obsolete.load(std::memory_order_relaxed))
		return cfs::fail(STALE);
	if (is_common(opcode()))
		return run_common();
	if (!handler_) {
		as_error_ = true;
		return cfs::fail(OPNOTSUPP);
	}
	return handler_->run(handler_object_, *this);
}

cfs::Result<> ServerReq::run_common() noexcept
{
	if (opcode() == Opcode::OBD_PING) {
		(void)TRY(reply<op::ObdPing>());
		return {};
	}
	if (is_disconnect(opcode())) {
		auto &e = static_cast<ExportImpl &>(*export_);
		(void)TRY(reply<op::OstDisconnect>());
		e.target().ops().on_disconnect(e, *this);
		(void)e.end(false);
		return {};
	}
	as_error_ = true; // what fails here is refused
	auto in = TRY(as<op::OstConnect>());
	std::string_view name = in.get<fld::TgtUuid>();
	TargetImpl *t = core().enter_target(name, pass_);
	if (!t) {
		CDEBUG(CFS_S_RPC, CFS_D_HA, "{} asks for '{:e}', which is not here", source_, name);
		return cfs::fail(NODEV);
	}
	TRY(t->connect(*this));
	as_error_ = false;
	return {};
}

void ServerReq::refuse(cfs::Errno why) noexcept
{
	if (why == TIMEDOUT) {
		(void)drop();
		return;
	}
	as_error_ = true;
	finish(cfs::fail(why));
}

void ServerReq::finish(cfs::Result<> r) noexcept
{
	(void)core().timers().cancel(*this);
	i32 status = r ? status_ : cfs::to_rc(r.error());
	// A bulk that failed: the client learns it by its deadline, and asks again.
	if ((!r && bulk_lost_) || unanswered_)
		dropped_ = true;
	if (dropped_)
		stop_early_replies();
	else
		send_reply(status, as_error_ && !r);
	done();
}

/// It is answered or dropped: out of everything but what sends the reply.
void ServerReq::done() noexcept
{
	(void)core().timers().cancel(*this);
	if (export_ && is_active)
		static_cast<ExportImpl &>(*export_).leave(*this);
	pass_.leave();
}

// ---- replying ----

void ServerReq::free_reply() noexcept
{
	if (reply_memory_)
		cfs_free(kSubsys, reply_memory_, reply_bytes_);
	reply_memory_ = nullptr;
	reply_ = {};
}

cfs::Result<MutBytes> ServerReq::reply_room(std::size_t bytes) noexcept
{
	constexpr std::size_t kMax = std::size_t{1} << 20;
	if (bytes > kMax)
		return cfs::fail(OVERFLOWED);
	free_reply();
	unsigned flags = CFS_ALLOC_ZERO;
	if (bytes > CFS_PAGE_SIZE)
		flags |= CFS_ALLOC_LARGE;
	reply_memory_ = static_cast<std::byte *>(cfs_alloc(kSubsys, bytes, flags));
	if (!reply_memory_)
		return cfs::fail(NOMEM);
	reply_bytes_ = bytes;
	reply_ = {reply_memory_, bytes};
	return reply_;
}

u64 ServerReq::reply_bits() noexcept
{
	bool rep_mbits = false;
	if (!is_connect(opcode())) {
		if (export_)
			rep_mbits = export_->has_flag2(wire::OBD_CONNECT2_REP_MBITS);
		else if (import_)
			rep_mbits = import_->has_flag2(wire::OBD_CONNECT2_REP_MBITS);
	}
	cfs::SpinGuard g(lock_);
	return rep_mbits && mbits_ ? mbits_ : static_cast<u64>(xid_);
}

void ServerReq::send_reply(i32 status, bool error) noexcept
{
	// A refusal has the body only, unless the handler had made a reply already.
	auto w = MessageWriter::adopt(reply_);
	if (reply_.empty() || !w || !w->body()) {
		Lengths n;
		n.set(0, sizeof(wire::PtlrpcBody));
		auto room = reply_room(n.total());
		if (!room)
			return; // the client asks again
		w = MessageWriter::create(*room, n);
		CFS_ASSERT(w);
		w->body()->version = wire::PTLRPC_MSG_VERSION;
	}
	wire::PtlrpcBodyV2 &b = *w->body();
	// The format may be one that several opcodes share: OST_CONNECT's answers MGS_CONNECT, too.
	b.opc = opcode();
	const Tunables &tun = core().tunables();
	cfs::Duration took = cfs::Instant::now() - arrival_;
	u32 seconds = static_cast<u32>(std::max<std::int64_t>(1, took.s()));
	bool measure = !error && !has_flag(kRecoveryFlags | wire::MSG_RESENT);
	if (measure)
		service_.estimate().measure(tun, seconds);
	b.type = error ? wire::MsgType::PTL_RPC_MSG_ERR : wire::MsgType::PTL_RPC_MSG_REPLY;
	b.status = status;
	b.transno = transno_;
	for (unsigned i = 0; i < wire::PTLRPC_NUM_VERSIONS; i++)
		b.pre_versions[i] = pre_versions_[i];
	b.service_time = seconds;
	b.timeout = error && !export_ ? 0 : service_.estimate().get(tun);
	if (export_) {
		auto &e = static_cast<ExportImpl &>(*export_);
		auto &ops = e.target().ops();
		b.last_committed = e.last_committed();
		if (e.has_flag(wire::OBD_CONNECT_LRU_RESIZE)) {
			u64 slv = 0;
			u32 limit = 0;
			ops.lock_volume(e, slv, limit);
			b.slv = slv;
			b.limit = limit;
		}
		ops.on_replied(*this, took);
	}
	service_.note_handled(*this, took, status);
	bool hold = false;
	{
		cfs::SpinGuard g(lock_);
		replied_ = true;
		hold = hold_count_ > 0 && export_;
	}
	lnet::MdSpec md;
	md.buffer = {reply_memory_, {}, static_cast<u32>(w->size())};
	md.threshold = hold ? 2 : 1; // sent, acknowledged
	md.handler = this;
	lnet::Network &net = core().network();
	get(); // LNet's
	auto h = net.bind(md);
	if (!h) {
		put();
		release_holds();
		return;
	}
	{
		cfs::SpinGuard g(lock_);
		reply_md_ = *h;
	}
	bool held = hold && static_cast<ExportImpl &>(*export_).add_held(*this);
	u32 offset = at_ ? wire::kEarlyReplyNull : 0u;
	auto sent =
		net.put(self_, *h, hold, source_, static_cast<u32>(service_.spec().reply_portal),
			reply_bits(), offset, 0);
	if (!sent)
		(void)net.unlink(*h);
	if (hold && !held)
		release_holds();
}

void ServerReq::on_event(const lnet::Event &ev) noexcept
{
	bool failed = ev.type == lnet::EventType::send && ev.status != cfs::Errno{};
	if (failed)
		CNETERR(CFS_S_RPC, "{}: reply to {} x{} was not sent: {}", service_.name(), source_,
			static_cast<u64>(xid_), ev.status);
	if (ev.type == lnet::EventType::ack && export_ &&
	    static_cast<ExportImpl &>(*export_).take_held(*this))
		queue_release();
	lnet::MdHandle over;
	{
		cfs::SpinGuard g(lock_);
		if (ev.type == lnet::EventType::send)
			reply_sent_ = true;
		// Nobody waits for the acknowledgement, or none will come.
		if (!ev.unlinked && (failed || hold_count_ == 0))
			over = reply_md_;
		if (ev.unlinked)
			reply_md_ = {};
	}
	if (over)
		(void)core().network().unlink(over);
	if (ev.unlinked)
		put();
}

// ---- difficult replies ----

void ServerReq::hold_until_ack(ReplyHold &hold) noexcept
{
	{
		cfs::SpinGuard g(lock_);
		if (hold_count_ < kHoldsMax) {
			holds_[hold_count_++] = &hold;
			return;
		}
	}
	hold.release();
}

ReplyHold *ServerReq::take_hold() noexcept
{
	cfs::SpinGuard g(lock_);
	return hold_count_ ? holds_[--hold_count_] : nullptr;
}

bool ServerReq::holding() noexcept
{
	cfs::SpinGuard g(lock_);
	return hold_count_ > 0;
}

void ServerReq::release_holds() noexcept
{
	while (ReplyHold *h = take_hold())
		h->release();
	lnet::MdHandle md;
	{
		cfs::SpinGuard g(lock_);
		if (reply_sent_)
			md = reply_md_;
	}
	if (md)
		(void)core().network().unlink(md); // the acknowledgement is not awaited any more
}

void ServerReq::queue_release() noexcept
{
	if (!release_work_.queue(core().completions()))
		put(); // it is queued already, with a reference of its own
}

// ---- early replies ----

void ServerReq::arm_early() noexcept
{
	if (!at_)
		return;
	i64 margin = core().tunables().at_early_margin.load(std::memory_order_relaxed);
	cfs::Instant until;
	{
		cfs::SpinGuard g(lock_);
		if (early_off_ || replied_)
			return;
		until = deadline_;
	}
	core().timers().arm(*this, until + cfs::Duration::seconds(-margin));
}

/// Of an early reply: its message, until LNet has sent it.
struct ServerReq::EarlyReply final : lnet::EventHandler {
	static constexpr cfs_subsys kSubsys = CFS_S_RPC;
	std::byte message[wire::kEarlyReplyNull];
	void on_event(const lnet::Event &ev) noexcept override
	{
		if (ev.unlinked)
			cfs::UniquePtr<EarlyReply>(this).reset();
	}
};

void ServerReq::send_early_reply() noexcept
{
	const Tunables &tun = core().tunables();
	cfs::Instant now = cfs::Instant::now();
	u32 elapsed = static_cast<u32>((now - arrival_).s());
	u32 extra = tun.at_extra.load(std::memory_order_relaxed);
	if (export_ && export_->target().ops().recovering())
		if (u32 more = export_->target().ops().recovery_extension())
			extra = std::min(extra, more);
	u32 limit = std::min(elapsed + extra, tun.at_max.load(std::memory_order_relaxed));
	{
		cfs::SpinGuard g(lock_);
		cfs::Instant until = arrival_ + cfs::Duration::seconds(limit);
		if (early_off_ || replied_ || now >= deadline_ || until <= deadline_)
			return;
		deadline_ = until;
	}
	auto made = cfs::try_make<EarlyReply>();
	if (!made)
		return;
	if (!export_ || !export_->target().ops().recovering())
		service_.estimate().measure(tun, limit);
	Lengths n;
	n.set(0, sizeof(wire::PtlrpcBody));
	auto w = MessageWriter::create((*made)->message, n);
	CFS_ASSERT(w && w->size() == wire::kEarlyReplyNull);
	wire::PtlrpcBodyV2 &b = *w->body();
	b.type = wire::MsgType::PTL_RPC_MSG_REPLY;
	b.version = wire::PTLRPC_MSG_VERSION;
	b.opc = opcode();
	b.timeout = limit;
	b.service_time = std::max(1u, elapsed);
	Bytes body = w->buffer(0);
	w->header().cksum = cfs_crc32(~0u, body.data(), body.size());
	CDEBUG(CFS_S_RPC, CFS_D_RPCTRACE, "{}: Early reply #{} to x{}: {} s in all",
	       service_.name(), ++early_count_, static_cast<u64>(xid_), limit);
	lnet::MdSpec md;
	md.buffer = {(*made)->message, {}, static_cast<u32>(w->size())};
	EarlyReply *e = made->release();
	md.handler = e;
	lnet::Network &net = core().network();
	auto h = net.bind(md);
	if (!h) {
		cfs::UniquePtr<EarlyReply>(e).reset();
	} else if (!net.put(self_, *h, false, source_,
			    static_cast<u32>(service_.spec().reply_portal), reply_bits(), 0, 0)) {
		(void)net.unlink(*h);
	}
	arm_early();
}

} // namespace rpc
