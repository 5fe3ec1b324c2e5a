// SPDX-License-Identifier: GPL-2.0
//
// Where a message goes: the interface it leaves by and the next hop (spec 01 sections 6.2, 9.2).
//
// A response goes back the way its request came. A message with a source is sent from that to the
// NID named. Anything else goes to whichever of the peer's NIDs is best, over the best interface on
// that network; and to a network that this node is not on, over a gateway.

#include <algorithm>

#include "lnet/core.hpp"

namespace lnet
{

using namespace cfs::err;

cfs::RefPtr<Ni> Core::ni_by_nid(const Nid &nid) noexcept
{
	cfs::RcuGuard rcu;
	for (auto &slot : nis_) {
		Ni *ni = slot.load(std::memory_order_acquire);
		if (ni && ni->nid() == nid && ni->try_get())
			return cfs::RefPtr<Ni>::adopt(ni);
	}
	return nullptr;
}

cfs::RefPtr<Ni> Core::best_ni(Net net) noexcept
{
	cfs::RcuGuard rcu;
	Ni *best = nullptr;
	auto rank = [](Ni &ni) {
		return std::pair(ni.health.load(std::memory_order_relaxed),
				 std::min(0, ni.level().available));
	};
	for (auto &slot : nis_) {
		Ni *ni = slot.load(std::memory_order_acquire);
		if (!ni || ni->net() != net || !ni->up())
			continue;
		if (best) {
			auto a = rank(*ni), b = rank(*best);
			bool in_turn = ni->uses.load(std::memory_order_relaxed) <
				       best->uses.load(std::memory_order_relaxed);
			if (a < b || (a == b && !in_turn))
				continue;
		}
		best = ni;
	}
	if (!best || !best->try_get())
		return nullptr;
	best->uses.fetch_add(1, std::memory_order_relaxed);
	return cfs::RefPtr<Ni>::adopt(best);
}

cfs::RefPtr<Ni> Core::ni_for(Net net, PeerNi *remember) noexcept
{
	if (remember) {
		Nid preferred = remember->preferred_local();
		if (!preferred.is_none())
			if (auto ni = ni_by_nid(preferred); ni && ni->net() == net && ni->up())
				return ni;
	}
	auto ni = best_ni(net);
	if (ni && remember)
		remember->prefer_local(ni->nid());
	return ni;
}

bool Core::on_net(Net net) noexcept
{
	cfs::RcuGuard rcu;
	for (auto &slot : nis_)
		if (Ni *ni = slot.load(std::memory_order_acquire); ni && ni->net() == net)
			return true;
	return false;
}

int Core::net_health(Net net) noexcept
{
	cfs::RcuGuard rcu;
	int best = -1;
	for (auto &slot : nis_)
		if (Ni *ni = slot.load(std::memory_order_acquire);
		    ni && ni->net() == net && ni->up())
			best = std::max(best, ni->health.load(std::memory_order_relaxed));
	return best;
}

unsigned Core::ni_count() noexcept
{
	cfs::RcuGuard rcu;
	unsigned n = 0;
	for (auto &slot : nis_)
		if (Ni *ni = slot.load(std::memory_order_acquire); ni && !ni->nid().is_lo())
			n += ni->up();
	return n;
}

cfs::RefPtr<PeerNi> Core::nid_of_gateway(Route &r, Msg &m) noexcept
{
	auto usable = [&](PeerNi &n) {
		return m.ni ? n.nid().net() == m.ni->net() : on_net(n.nid().net());
	};
	auto peer = r.gateway->peer();
	if (!peer || !peer->multi_rail())
		return usable(*r.gateway) ? r.gateway : nullptr;
	PeerNi *best = nullptr;
	cfs::RefPtr<PeerNi> found;
	peer->for_each([&](PeerNi &n) {
		if (usable(n) && (!best || n.health.load() > best->health.load()))
			best = &n;
	});
	if (best)
		found = peer->find_if([&](PeerNi &n) { return &n == best; });
	return found;
}

cfs::Result<> Core::choose_gateway(Msg &m, Net net) noexcept
{
	auto route = routes_.pick(net, [&](Route &r) {
		return !m.ni || r.spec.gateway.net() == m.ni->net() ||
		       r.gateway->peer()->multi_rail();
	});
	if (!route)
		return cfs::fail(HOSTUNREACH);
	m.hop = nid_of_gateway(*route, m);
	if (m.hop && !m.ni)
		m.ni = ni_for(m.hop->nid().net(), nullptr);
	if (!m.hop || !m.ni)
		return cfs::fail(HOSTUNREACH);
	return {};
}

Nid Core::best_nid(Peer &peer) noexcept
{
	// A router says that a NID is down when nobody pings it there: that decides between equals.
	struct Rank {
		int health = -1;
		bool up = false;
		int queue = 0;
		auto operator<=>(const Rank &) const noexcept = default;
	} best_rank;
	std::uint32_t best_uses = 0;
	Nid best;
	peer.for_each([&](PeerNi &n) {
		int ours = net_health(n.nid().net());
		if (ours < 0)
			return;
		auto uses = n.uses.load(std::memory_order_relaxed);
		Rank rank{std::min(ours, n.health.load(std::memory_order_relaxed)),
			  n.announced.load(std::memory_order_relaxed) != wire::LNET_NI_STATUS_DOWN,
			  std::min(0, n.tx_credits.level().available)};
		if (rank < best_rank || (rank == best_rank && uses >= best_uses))
			return;
		best = n.nid();
		best_rank = rank;
		best_uses = uses;
	});
	return best;
}

cfs::Result<> Core::choose_rail(Msg &m, Peer &peer) noexcept
{
	Nid asked = m.tx.header.dest.nid;
	Nid best = best_nid(peer);
	if (best.is_none()) // none of them is near: by a gateway, to the one asked for
		return choose_gateway(m, asked.net());
	m.tx.header.dest.nid = best;
	m.hop = TRY(peer_ni(best));
	m.hop->uses.fetch_add(1, std::memory_order_relaxed);
	m.ni = best_ni(best.net());
	if (!m.ni)
		return cfs::fail(HOSTUNREACH);
	return {};
}

cfs::Result<> Core::choose_for_dest(Msg &m, PeerNi &dest) noexcept
{
	Net net = dest.nid().net();
	bool near = m.ni ? m.ni->net() == net : on_net(net);
	if (!near)
		return choose_gateway(m, net);
	m.hop = cfs::RefPtr<PeerNi>::share(&dest);
	if (!m.ni)
		m.ni = ni_for(net, &dest);
	if (!m.ni)
		return cfs::fail(HOSTUNREACH);
	return {};
}

cfs::Result<Core::Path> Core::choose_path(Msg &m) noexcept
{
	const Nid &dest = m.tx.header.dest.nid;
	bool request = m.role == Msg::Role::tx_put || m.role == Msg::Role::tx_get;
	if (m.hop && m.ni) { // a response: back where it came from
	} else if (dest.is_lo() || (m.self.is_none() && is_local(dest))) {
		// What this node sends to itself needs no driver, whichever of its NIDs it is sent
		// to.
		m.ni = ni_by_nid(Nid::lo());
		m.hop = TRY(peer_ni(dest));
		if (!m.ni)
			return cfs::fail(SHUTDOWN);
	} else {
		auto to = TRY(peer_ni(dest));
		auto peer = to->peer();
		// Without any way there is nothing to wait for.
		if (peer->count() <= 1 && !on_net(dest.net()) && !routes_.leads_to(dest.net()))
			return cfs::fail(HOSTUNREACH);
		bool own = m.exact || m.ev.portal == wire::LNET_RESERVED_PORTAL;
		if (request && !own && discovery_.hold_back(m, *peer))
			return Path::held_back;
		if (!m.self.is_none()) {
			m.ni = ni_by_nid(m.self);
			if (!m.ni)
				return cfs::fail(HOSTUNREACH);
		}
		if (request && !m.exact && !m.ni && peer->multi_rail() && peer->count() > 0)
			TRY(choose_rail(m, *peer));
		else
			TRY(choose_for_dest(m, *to));
	}
	if (m.tx.header.src.nid.is_none() || m.ni->nid().is_lo())
		m.tx.header.src.nid = m.ni->nid();
	m.tx.next_hop = m.hop->nid();
	if (!m.ni->driver().peer_usable(m.tx.next_hop))
		return cfs::fail(HOSTUNREACH);
	return Path::chosen;
}

} // namespace lnet
