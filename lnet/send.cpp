// SPDX-License-Identifier: GPL-2.0
//
// Sending: from put() and get() to the driver, and what happens when the driver is done (spec 01
// section 6).

#include "lnet/core.hpp"

namespace lnet
{

using namespace cfs::err;

cfs::Result<> Core::put(const Nid &self, MdHandle md, bool want_ack, const ProcessId &target,
			std::uint32_t portal, std::uint64_t match_bits, std::uint32_t offset,
			std::uint64_t hdr_data) noexcept
{
	if (portal >= wire::LNET_MAX_PORTALS)
		return cfs::fail(INVAL);
	wire::MsgBody body;
	body.put = {};
	if (want_ack) {
		body.put.ack_wmd.wh_interface_cookie = cookie_;
		body.put.ack_wmd.wh_object_cookie = md.cookie;
	}
	body.put.match_bits = match_bits;
	body.put.hdr_data = hdr_data;
	body.put.ptl_index = portal;
	body.put.offset = offset;
	return start_op(Msg::Role::tx_put, want_ack ? Answer::ack : Answer::none, self, md, target,
			body);
}

cfs::Result<> Core::get(const Nid &self, MdHandle md, const ProcessId &target, std::uint32_t portal,
			std::uint64_t match_bits, std::uint32_t offset) noexcept
{
	if (portal >= wire::LNET_MAX_PORTALS)
		return cfs::fail(INVAL);
	wire::MsgBody body;
	body.get = {};
	body.get.return_wmd.wh_interface_cookie = cookie_;
	body.get.return_wmd.wh_object_cookie = md.cookie;
	body.get.match_bits = match_bits;
	body.get.ptl_index = portal;
	body.get.src_offset = offset;
	return start_op(Msg::Role::tx_get, Answer::reply, self, md, target, body);
}

cfs::Result<> Core::start_op(Msg::Role role, Answer expected, const Nid &self, MdHandle h,
			     const ProcessId &target, const wire::MsgBody &body,
			     bool exact) noexcept
{
	if (target.nid.is_none() || target.nid.is_any())
		return cfs::fail(INVAL);
	if (!self.is_none() && !is_local(self))
		return cfs::fail(INVAL);
	auto md = mds_.find(h);
	if (!md)
		return cfs::fail(NOENT);
	if (md->attached())
		return cfs::fail(INVAL);
	auto m = new_msg();
	if (!m)
		return cfs::fail(stopping_.load() ? SHUTDOWN : NOMEM);
	TRY(md->commit(expected));

	bool put = role == Msg::Role::tx_put;
	std::uint32_t length = md->buffer().length;
	m->role = role;
	m->self = self;
	m->exact = exact;
	m->tx.deadline = cfs::after(
		cfs::Duration::seconds(live_.message_life.load(std::memory_order_relaxed)));
	Header &hdr = m->tx.header;
	hdr.dest = target;
	hdr.src = {self, LNET_PID_LUSTRE};
	hdr.type = put ? wire::MsgType::put : wire::MsgType::get;
	hdr.payload_length = put ? length : 0;
	hdr.msg = body;
	if (put)
		m->tx.payload = {md->buffer(), 0, length};
	else
		hdr.msg.get.sink_length = length;
	m->ev.portal = put ? body.put.ptl_index : body.get.ptl_index;
	m->ev.match_bits = put ? body.put.match_bits : body.get.match_bits;
	m->ev.offset = put ? body.put.offset : body.get.src_offset;
	m->ev.rlength = m->ev.mlength = length;
	expect_response(*md, put, put && !hdr.msg.put.ack_wmd.none());
	m->md = std::move(md);
	send(*m.release());
	return {};
}

cfs::Result<> Core::get_from(const Nid &source, MdHandle md, const Nid &target) noexcept
{
	wire::MsgBody body;
	body.get = {};
	body.get.return_wmd.wh_interface_cookie = cookie_;
	body.get.return_wmd.wh_object_cookie = md.cookie;
	body.get.match_bits = wire::LNET_PROTO_PING_MATCHBITS;
	body.get.ptl_index = wire::LNET_RESERVED_PORTAL;
	return start_op(Msg::Role::tx_get, Answer::reply, source, md, {target, LNET_PID_LUSTRE},
			body, true);
}

void Core::hurry(MdHandle h, cfs::Duration patience) noexcept
{
	auto md = mds_.find(h);
	if (!md)
		return;
	std::uint64_t due = cfs::after(patience).ns();
	// 0: the response is here already.
	auto now = md->response_due.load(std::memory_order_relaxed);
	if (now > due)
		mds_.expect(*md, due);
}

void Core::send(Msg &m) noexcept
{
	auto path = choose_path(m);
	if (!path)
		send_failed(m, path.error());
	else if (*path == Path::chosen)
		send_on(m);
}

void Core::send_failed(Msg &m, cfs::Errno why) noexcept
{
	m.how = why == TIMEDOUT ? SendStatus::network_timeout : SendStatus::local_no_route;
	m.resends = UINT8_MAX; // there is no other way: all have been looked at
	m.ni.reset();	       // which is not to blame
	send_done(m, why);
}

void Core::send_on(Msg &m) noexcept
{
	m.share = m.ni->share_for(m.tx.next_hop);
	if (m.ni->nid().is_lo()) {
		m.ni->submit(m);
		return;
	}
	if (m.md && m.md->response_due.load(std::memory_order_relaxed))
		m.md->set_asked(m.hop);
	if (m.hop->tx_credits.acquire(m)) {
		m.peer_credit = true;
		m.ni->launch(m);
	}
}

void Core::peer_credit_back(PeerNi &hop) noexcept
{
	if (auto *w = hop.tx_credits.release()) {
		auto &next = static_cast<Msg &>(*w);
		next.peer_credit = true;
		next.ni->launch(next);
	}
}

void Core::expect_response(Md &md, bool put, bool ack) noexcept
{
	auto tracking = live_.response_tracking.load(std::memory_order_relaxed);
	bool wanted = md.has(LNET_MD_TRACK_RESPONSE) ||
		      (!md.has(LNET_MD_NO_TRACK_RESPONSE) && tracking & (put ? 1u : 2u));
	if (!wanted || (put && !ack))
		return;
	auto patience =
		cfs::Duration::seconds(live_.transaction_timeout.load(std::memory_order_relaxed));
	mds_.expect(md, cfs::after(patience).ns());
}

void Core::respond(Msg &m, wire::MsgType type, const wire::MsgBody &body) noexcept
{
	// To the NID that asked, from the NID that was asked, back over the same hop (section 6.2
	// rule 5).
	Header &h = m.tx.header;
	std::swap(h.dest, h.src);
	h.type = type;
	h.msg = body;
	m.self = h.src.nid;
	m.tx.deadline = cfs::after(
		cfs::Duration::seconds(live_.message_life.load(std::memory_order_relaxed)));
	send(m);
}

namespace
{

void free_after_event(PendingEvent &p) noexcept
{
	auto &m = static_cast<Msg &>(p);
	m.destroy();
}

} // namespace

void Core::send_done(Msg &m, cfs::Errno status) noexcept
{
	account_send(m, status);
	if (try_resend(m, status))
		return;
	if (m.role == Msg::Role::tx_forward) {
		if (status == cfs::Errno{}) {
			stats_.route_count.fetch_add(1, std::memory_order_relaxed);
			stats_.route_length.fetch_add(m.tx.header.payload_length,
						      std::memory_order_relaxed);
		} else {
			stats_.errors.fetch_add(1, std::memory_order_relaxed);
		}
		router_.sent(m);
		return;
	}
	if (status == cfs::Errno{}) {
		stats_.send_count.fetch_add(1, std::memory_order_relaxed);
		stats_.send_length.fetch_add(m.tx.header.payload_length, std::memory_order_relaxed);
		MessageCounts::add(m.hop->counts.sent, m.tx.header.type);
	} else {
		stats_.errors.fetch_add(1, std::memory_order_relaxed);
		CDEBUG(kSubsys, CFS_D_NETERROR, "message to {} failed: {}", m.tx.header.dest,
		       status);
	}
	switch (m.role) {
	case Msg::Role::tx_put:
	case Msg::Role::tx_get:
		m.ev.type = EventType::send;
		m.ev.target = m.tx.header.dest;
		m.ev.initiator = m.ev.source = m.tx.header.src;
		break;
	case Msg::Role::tx_reply:
		m.ev.type = EventType::get;
		break;
	default: // an ACK: nobody waits for it
		m.destroy();
		return;
	}
	m.delivered = free_after_event;
	finish_event(m, status);
}

void Core::finish_event(Msg &m, cfs::Errno status) noexcept
{
	auto md = std::move(m.md);
	m.ev.status = status;
	if (md->dead())
		mds_.remove(*md);
	md->finish(m);
}

} // namespace lnet
