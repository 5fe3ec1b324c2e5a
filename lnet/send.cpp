// SPDX-License-Identifier: GPL-2.0
//
// Sending: from put() and get() to the driver, and what happens when the driver is done (spec 01
// section 6).

#include "lnet/core.hpp"

namespace lnet
{

using namespace cfs::err;

namespace
{

/// LND time-out and retries make up how long a message may wait (section 6.4).
constexpr auto kMessageLife = cfs::Duration::seconds(49 * 3 + 1);

} // namespace

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
			     const ProcessId &target, const wire::MsgBody &body) noexcept
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
	m->md = std::move(md);
	send(*m.release());
	return {};
}

void Core::send(Msg &m) noexcept
{
	if (auto r = choose_path(m); !r) {
		m.how = SendStatus::local_no_route;
		send_done(m, r.error());
		return;
	}
	send_on(m);
}

cfs::RefPtr<Ni> Core::ni_by_net(Net net, PeerNi *remember) noexcept
{
	if (remember) {
		Nid preferred = remember->preferred_local();
		if (!preferred.is_none())
			if (auto ni = ni_by_nid(preferred))
				return ni;
	}
	cfs::RcuGuard rcu;
	for (auto &slot : nis_) {
		Ni *ni = slot.load(std::memory_order_acquire);
		if (!ni || ni->net() != net || !ni->up() || !ni->try_get())
			continue;
		if (remember)
			remember->prefer_local(ni->nid());
		return cfs::RefPtr<Ni>::adopt(ni);
	}
	return nullptr;
}

int Core::credits_for(const Nid &hop) noexcept
{
	std::uint32_t credits = NiTunables{}.peer_credits;
	cfs::RcuGuard rcu;
	for (auto &slot : nis_) {
		Ni *ni = slot.load(std::memory_order_acquire);
		if (ni && ni->net() == hop.net()) {
			credits = ni->tunables().peer_credits;
			break;
		}
	}
	return static_cast<int>(credits);
}

cfs::Result<> Core::choose_path(Msg &m) noexcept
{
	const Nid &dest = m.tx.header.dest.nid;
	// What this node sends to itself needs no driver, whichever of its NIDs it is sent to.
	if (!m.ni && (dest.is_lo() || (m.self.is_none() && is_local(dest))))
		m.ni = ni_by_nid(Nid::lo());
	if (!m.hop)
		m.hop = TRY(peers_.get(dest, credits_for(dest)));
	if (!m.ni && !m.self.is_none())
		m.ni = ni_by_nid(m.self);
	if (!m.ni)
		m.ni = ni_by_net(dest.net(), m.hop.get());
	if (!m.ni)
		return cfs::fail(HOSTUNREACH);
	bool to_self = m.ni->nid().is_lo() && is_local(dest);
	if (m.ni->net() != dest.net() && m.hop->nid() == dest && !to_self)
		return cfs::fail(HOSTUNREACH); // another network, and no router
	if (m.tx.header.src.nid.is_none() || m.ni->nid().is_lo())
		m.tx.header.src.nid = m.ni->nid();
	m.tx.next_hop = m.hop->nid();
	if (!m.ni->driver().peer_usable(m.tx.next_hop))
		return cfs::fail(HOSTUNREACH);
	return {};
}

void Core::send_on(Msg &m) noexcept
{
	m.cpt = static_cast<std::uint8_t>(cpt_of(m.tx.next_hop));
	m.tx.deadline = cfs::after(kMessageLife);
	if (m.ni->nid().is_lo()) {
		m.ni->submit(m);
		return;
	}
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

void Core::respond(Msg &m, wire::MsgType type, const wire::MsgBody &body) noexcept
{
	// To the NID that asked, from the NID that was asked, back over the same hop (section 6.2
	// rule 5).
	Header &h = m.tx.header;
	std::swap(h.dest, h.src);
	h.type = type;
	h.msg = body;
	m.self = h.src.nid;
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
	if (status == cfs::Errno{}) {
		stats_.send_count.fetch_add(1, std::memory_order_relaxed);
		stats_.send_length.fetch_add(m.tx.header.payload_length, std::memory_order_relaxed);
		m.hop->counts.sent.fetch_add(1, std::memory_order_relaxed);
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
