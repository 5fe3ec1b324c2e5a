// SPDX-License-Identifier: GPL-2.0
//
// Receiving: from the header a driver read to the event of the MD it went to (spec 01 sections 4
// and 5). Every field of the header is the peer's word: what is impossible closes the connection (a
// failure returned), what merely finds no target is dropped and counted.

#include "lnet/core.hpp"

#include <algorithm>

namespace lnet
{

using namespace cfs::err;
using wire::MsgType;

namespace
{

/// Section 5 steps 1 to 3.
cfs::Result<> check_header(const Header &h) noexcept
{
	switch (h.type) {
	case MsgType::ack:
	case MsgType::get:
		if (h.payload_length != 0)
			return cfs::fail(PROTO);
		return {};
	case MsgType::put:
	case MsgType::reply:
		if (h.payload_length > wire::LNET_MTU)
			return cfs::fail(PROTO);
		return {};
	case MsgType::hello:
		break;
	}
	return cfs::fail(PROTO);
}

Msg::Role role_of(MsgType t) noexcept
{
	switch (t) {
	case MsgType::put:
		return Msg::Role::rx_put;
	case MsgType::get:
		return Msg::Role::rx_get;
	case MsgType::reply:
		return Msg::Role::rx_reply;
	default:
		return Msg::Role::rx_ack;
	}
}

} // namespace

cfs::Result<> Core::received(Ni &ni, const Header &h, const Nid &from, RxHandle rx) noexcept
{
	if (auto r = check_header(h); !r) {
		CNETERR(kSubsys,
			"{}: impossible message of type {} with {} bytes; closing the connection",
			from, static_cast<std::uint32_t>(h.type), h.payload_length);
		return r;
	}
	MessageCounts::add(ni.counts.received, h.type);
	bool for_me = h.dest.nid == ni.nid() || (ni.nid().is_lo() && is_local(h.dest.nid));
	if (!for_me)
		TRY(not_for_me(ni, h, from));
	if (!for_me && !router_.enabled()) {
		drop(ni, h, rx, "not for this node, which does not route");
		return {};
	}
	// The loopback's NID names this node and nobody else.
	if ((h.src.nid.is_lo() && !ni.nid().is_lo()) || h.src.nid.is_none()) {
		CNETERR(kSubsys, "{}: message claims to come from {}; closing the connection", from,
			h.src.nid);
		return cfs::fail(PROTO);
	}
	auto hop = peer_ni(from);
	if (!hop) {
		drop(ni, h, rx, "no memory for another peer");
		return {};
	}
	(*hop)->last_heard_ns.store(cfs_now_ns(), std::memory_order_relaxed);
	(*hop)->alive.store(true, std::memory_order_relaxed);
	MessageCounts::add((*hop)->counts.received, h.type);
	account_receive(ni, **hop);
	if (live_.drop_asym_route.load(std::memory_order_relaxed) && asymmetric(ni, h, **hop)) {
		drop(ni, h, rx, "came by a gateway that is not on the way back");
		return {};
	}

	bool request = h.type == MsgType::put || h.type == MsgType::get;
	if (request && (*hop)->tx_credits.level().available < -kQueuedPerPeerMax) {
		drop(ni, h, rx, "too many answers wait to be sent to the same peer");
		return {};
	}
	auto m = new_msg();
	if (!m) {
		drop(ni, h, rx, "no memory");
		return {};
	}
	m->role = for_me ? role_of(h.type) : Msg::Role::rx_forward;
	m->tx.header = h;
	m->ni = cfs::RefPtr<Ni>::share(&ni);
	m->hop = std::move(*hop);
	m->rx = rx;
	m->barred = &ni.closing;
	if (!for_me)
		router_.take(*m.release());
	else if (request)
		receive_request(*m.release());
	else
		receive_response(*m.release());
	return {};
}

cfs::Result<> Core::not_for_me(Ni &ni, const Header &h, const Nid &from) noexcept
{
	if (h.dest.nid.net() != ni.net() && !is_local(h.dest.nid))
		return {};
	CNETERR(kSubsys,
		"{}: message for {} came to {}, to which it was not addressed; "
		"closing the connection",
		from, h.dest.nid, ni.nid());
	return cfs::fail(PROTO);
}

bool Core::asymmetric(Ni &ni, const Header &h, PeerNi &hop) noexcept
{
	Net origin = h.src.nid.net();
	if (origin == ni.net() || ni.nid().is_lo() || on_net(origin))
		return false;
	auto gateway = hop.peer();
	bool on_the_way = false;
	routes_.for_each([&](Route &r) {
		on_the_way = r.spec.net == origin && r.gateway->peer() == gateway;
		return !on_the_way;
	});
	return !on_the_way;
}

void Core::drop(Ni &ni, const Header &h, RxHandle rx, const char *why) noexcept
{
	stats_.drop_count.fetch_add(1, std::memory_order_relaxed);
	stats_.drop_length.fetch_add(h.payload_length, std::memory_order_relaxed);
	MessageCounts::add(ni.counts.dropped, h.type);
	CDEBUG(kSubsys, CFS_D_NET, "dropped message of {} bytes from {}: {}", h.payload_length,
	       h.src, why);
	ni.driver().recv(rx, nullptr, Extent{});
}

void Core::drop_msg(Msg &m, const char *why) noexcept
{
	// recv() may free what the driver keeps of the message, so it comes last but for our own.
	MessageCounts::add(m.hop->counts.dropped, m.tx.header.type);
	drop(*m.ni, m.tx.header, m.rx, why);
	m.destroy();
}

Nid Core::primary_of_source(const Nid &src, PeerNi &hop) noexcept
{
	if (src == hop.nid())
		return hop.primary();
	auto known = peers_.find(src);
	return known ? known->primary() : src;
}

// ---- requests: PUT and GET ----

void Core::receive_request(Msg &m) noexcept
{
	const Header &h = m.tx.header;
	MatchInfo info;
	info.initiator = {primary_of_source(h.src.nid, *m.hop), h.src.pid};
	info.source = h.src.nid;
	if (h.type == MsgType::put) {
		const wire::PutBody &b = h.msg.put;
		info.match_bits = b.match_bits;
		info.portal = b.ptl_index;
		info.offset = b.offset;
		info.length = h.payload_length;
		info.option = LNET_MD_OP_PUT;
		m.ack_to = b.ack_wmd;
		m.ev.hdr_data = b.hdr_data;
	} else {
		const wire::GetBody &b = h.msg.get;
		info.match_bits = b.match_bits;
		info.portal = b.ptl_index;
		info.offset = b.src_offset;
		info.length = b.sink_length;
		info.option = LNET_MD_OP_GET;
		m.ack_to = b.return_wmd;
		if (info.portal == wire::LNET_RESERVED_PORTAL && !is_local(h.src.nid))
			m.ni->last_ping_ns.store(cfs_now_ns(), std::memory_order_relaxed);
	}
	if (info.portal >= portals_.size()) {
		drop_msg(m, "no such portal");
		return;
	}
	if (info.option == LNET_MD_OP_GET && info.length > wire::LNET_MTU) {
		drop_msg(m, "asks for more than one message carries");
		return;
	}
	offer(m, info);
}

void Core::offer(Msg &m, const MatchInfo &info) noexcept
{
	MatchResult r;
	bool kept = false;
	// On LNet's own portal only a push waits, for the target that the one before it used up.
	bool may_wait =
		m.role == Msg::Role::rx_put && (info.portal != wire::LNET_RESERVED_PORTAL ||
						info.match_bits == wire::LNET_PROTO_PING_MATCHBITS);
	HeldMessage *held = may_wait ? &m : nullptr;
	switch (portals_[info.portal]->match(info, r, held, &kept)) {
	case MatchVerdict::matched:
		accept(m, info, r);
		return;
	case MatchVerdict::drop:
		drop_msg(m, "does not fit into its target");
		return;
	case MatchVerdict::none:
		if (!kept)
			drop_msg(m, "no target");
		return;
	}
}

void Core::retry_held(HeldList &list, Md &md, std::uint64_t attached) noexcept
{
	while (!list.empty()) {
		if (md.dead()) // the others wait for the next one
			portals_[md.match_spec().portal]->keep(list, attached);
		if (list.empty())
			return;
		auto &m = static_cast<Msg &>(list.front());
		list.pop_front();
		MatchInfo info = m.match;
		offer(m, info);
	}
}

void Core::accept(Msg &m, const MatchInfo &info, MatchResult &r) noexcept
{
	const Header &h = m.tx.header;
	m.md = std::move(r.md);
	m.ev.type = m.role == Msg::Role::rx_put ? EventType::put : EventType::get;
	m.ev.target = h.dest;
	m.ev.initiator = info.initiator;
	m.ev.source = h.src;
	m.ev.sender = m.hop->nid();
	m.ev.portal = info.portal;
	m.ev.match_bits = info.match_bits;
	m.ev.offset = r.offset;
	m.ev.rlength = info.length;
	m.ev.mlength = r.mlength;
	if (m.role == Msg::Role::rx_get) {
		reply_to_get(m, r.offset, r.mlength);
		return;
	}
	auto ni = m.ni; // m may be gone when recv() returns
	ni->driver().recv(m.rx, &m, Extent{m.md->buffer(), r.offset, r.mlength});
}

void Core::reply_to_get(Msg &m, std::uint32_t offset, std::uint32_t length) noexcept
{
	m.ni->driver().recv(m.rx, nullptr, Extent{}); // nothing follows a GET's header
	stats_.recv_count.fetch_add(1, std::memory_order_relaxed);
	wire::MsgBody body;
	body.reply = {};
	body.reply.dst_wmd = m.ack_to;
	m.role = Msg::Role::tx_reply;
	m.tx.header.payload_length = length;
	m.tx.payload = {m.md->buffer(), offset, length};
	respond(m, MsgType::reply, body);
}

// ---- responses: ACK and REPLY ----

void Core::receive_response(Msg &m) noexcept
{
	const Header &h = m.tx.header;
	bool reply = h.type == MsgType::reply;
	wire::WireHandle w = reply ? h.msg.reply.dst_wmd : h.msg.ack.dst_wmd;
	cfs::RefPtr<Md> md;
	if (w.wh_interface_cookie == cookie_)
		md = mds_.find(MdHandle{w.wh_object_cookie});
	if (!md || md->attached()) {
		drop_msg(m, "answers nothing of this node");
		return;
	}
	std::uint32_t size = md->buffer().length;
	if (reply && h.payload_length > size && !md->has(LNET_MD_TRUNCATE)) {
		drop_msg(m, "answer is longer than its buffer");
		return;
	}
	if (!md->commit_answer(reply ? Answer::reply : Answer::ack)) {
		drop_msg(m, "answer came too late or twice, or is none to what was asked");
		return;
	}
	md->response_due.store(0, std::memory_order_relaxed);
	m.md = std::move(md);
	m.ev.type = reply ? EventType::reply : EventType::ack;
	m.ev.target = h.dest;
	m.ev.source = h.src;
	m.ev.initiator = {primary_of_source(h.src.nid, *m.hop), h.src.pid};
	m.ev.sender = m.hop->nid();
	m.ev.rlength = reply ? h.payload_length : std::uint32_t{h.msg.ack.mlength};
	m.ev.mlength = std::min(m.ev.rlength, size);
	m.ev.match_bits = reply ? 0 : std::uint64_t{h.msg.ack.match_bits};
	auto ni = m.ni;
	Extent to{};
	if (reply)
		to = {m.md->buffer(), 0, m.ev.mlength};
	ni->driver().recv(m.rx, &m, to);
}

// ---- the end of receiving ----

namespace
{

/// A PUT that wants an ACK gets it when its event has been handled.
void ack_after_event(PendingEvent &p) noexcept
{
	auto &m = static_cast<Msg &>(p);
	m.core().send_ack(m);
}

void free_after_event(PendingEvent &p) noexcept
{
	static_cast<Msg &>(p).destroy();
}

} // namespace

void Core::recv_done(Msg &m, cfs::Errno status) noexcept
{
	bool ok = status == cfs::Errno{};
	if (m.role == Msg::Role::rx_forward) {
		if (ok)
			m.tx.deadline = cfs::after(cfs::Duration::seconds(
				live_.message_life.load(std::memory_order_relaxed)));
		router_.received(m, status);
		return;
	}
	if (ok) {
		stats_.recv_count.fetch_add(1, std::memory_order_relaxed);
		stats_.recv_length.fetch_add(m.ev.mlength, std::memory_order_relaxed);
	} else {
		stats_.errors.fetch_add(1, std::memory_order_relaxed);
	}
	bool ack = ok && m.role == Msg::Role::rx_put && !m.ack_to.none() &&
		   !m.md->has(LNET_MD_ACK_DISABLE);
	m.delivered = ack ? ack_after_event : free_after_event;
	finish_event(m, status);
}

void Core::send_ack(Msg &m) noexcept
{
	wire::MsgBody body;
	body.ack = {};
	body.ack.dst_wmd = m.ack_to;
	body.ack.match_bits = m.ev.match_bits;
	body.ack.mlength = m.ev.mlength;
	m.role = Msg::Role::tx_ack;
	m.tx.header.payload_length = 0;
	m.tx.payload = {};
	respond(m, MsgType::ack, body);
}

} // namespace lnet
