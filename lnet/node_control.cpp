// SPDX-License-Identifier: GPL-2.0
//
// LNet's administration (lnet/control.hpp), by the node's part. Whoever works with LNet is a user
// of it meanwhile, so it cannot go away; lock_ is held only to bring it up, down, or into use.

#include "lnet/node_part.hpp"

namespace lnet
{

using namespace cfs::err;

namespace
{

Credits credits_of(const CreditQueue::Level &l) noexcept
{
	return {l.max, l.available, l.min};
}

Counts counts_of(const MessageCounts &c) noexcept
{
	Counts out;
	auto copy = [](const MessageCounts::ByType &from, std::uint64_t(&to)[Counts::kTypes]) {
		std::uint64_t sum = 0;
		for (unsigned t = 0; t < Counts::kTypes; t++)
			sum += to[t] = from[t].load(std::memory_order_relaxed);
		return sum;
	};
	out.sent = copy(c.sent, out.sent_by);
	out.received = copy(c.received, out.received_by);
	out.dropped = copy(c.dropped, out.dropped_by);
	for (unsigned i = 0; i < kSendStatuses; i++)
		out.failed_by[i] = c.failed[i].load(std::memory_order_relaxed);
	out.recovery_pings = c.recovery_pings.load(std::memory_order_relaxed);
	return out;
}

PeerNiInfo info_of(PeerNi &n, Peer &p) noexcept
{
	PeerNiInfo i;
	i.nid = n.nid();
	i.primary = n.primary();
	i.peer_state = p.state.load(std::memory_order_relaxed);
	i.multi_rail = p.multi_rail();
	i.alive = n.alive.load(std::memory_order_relaxed);
	if (auto heard = n.last_heard_ns.load(std::memory_order_relaxed))
		i.heard_seconds_ago = (cfs::Instant::now() - cfs::Instant::from_ns(heard)).s();
	i.refs = n.refs();
	i.health = n.health.load(std::memory_order_relaxed);
	i.tx = credits_of(n.tx_credits.level());
	i.router = credits_of(n.router_credits.level());
	i.counts = counts_of(n.counts);
	return i;
}

} // namespace

// ---- the whole ----

cfs::Result<> LnetNode::configure(bool with_parameters) noexcept
{
	cfs::MutexGuard g(lock_);
	return bring_up(with_parameters);
}

cfs::Result<> LnetNode::unconfigure() noexcept
{
	cfs::MutexGuard g(lock_);
	if (users_ > 0)
		return cfs::fail(BUSY);
	take_down();
	return {};
}

bool LnetNode::configured() noexcept
{
	cfs::MutexGuard g(lock_);
	return static_cast<bool>(core_);
}

Settings LnetNode::settings() noexcept
{
	cfs::MutexGuard g(lock_);
	return settings_;
}

cfs::Result<> LnetNode::set_settings(const Settings &s) noexcept
{
	TRY(check_settings(s));
	cfs::MutexGuard g(lock_);
	if (core_)
		TRY(core_->set_settings(s));
	settings_ = s;
	return {};
}

StatsInfo LnetNode::stats() noexcept
{
	StatsInfo out;
	Hold core(*this);
	if (!core)
		return out;
	const Statistics &s = core->statistics();
	auto v = [](const std::atomic<std::uint64_t> &a) {
		return a.load(std::memory_order_relaxed);
	};
	out.msgs_alloc = core->messages();
	out.msgs_max = v(s.msgs_max);
	out.errors = v(s.errors);
	out.send_count = v(s.send_count);
	out.resend_count = v(s.resend_count);
	out.response_timeout_count = v(s.response_timeout_count);
	out.recv_count = v(s.recv_count);
	out.route_count = v(s.route_count);
	out.drop_count = v(s.drop_count);
	out.send_length = v(s.send_length);
	out.recv_length = v(s.recv_length);
	out.route_length = v(s.route_length);
	out.drop_length = v(s.drop_length);
	for (std::size_t i = 0; i < std::size(s.by_status); i++)
		out.by_status[i] = v(s.by_status[i]);
	return out;
}

void LnetNode::reset_stats() noexcept
{
	if (Hold core(*this); core)
		core->reset_statistics();
}

// ---- interfaces ----

cfs::Result<Nid> LnetNode::add_ni(Net net, std::string_view if_name,
				  const NiWishes &wishes) noexcept
{
	constexpr std::int32_t kCreditsMax = 1 << 20;
	if (wishes.credits == 0 || wishes.peer_credits == 0 || wishes.credits > kCreditsMax ||
	    wishes.peer_credits > kCreditsMax || wishes.peer_buffer_credits > kCreditsMax)
		return cfs::fail(INVAL);
	cfs::MutexGuard g(lock_);
	TRY(bring_up(false));
	auto *lnd = TRY(driver_for(net_type(net)));
	return core_->add_ni(*lnd, net, if_name, wishes);
}

cfs::Result<> LnetNode::del_ni(const Nid &nid) noexcept
{
	Hold core(*this);
	if (!core)
		return cfs::fail(NETDOWN);
	return core->del_ni(nid);
}

cfs::Result<> LnetNode::list_nis(Listing<NiInfo> &out) noexcept
{
	Hold core(*this);
	if (!core)
		return cfs::fail(NETDOWN);
	bool more = true;
	core->for_each_ni([&](Ni &ni) {
		if (!more)
			return;
		NiInfo i;
		i.nid = ni.nid();
		cfs::format_cstr(i.if_name, "{}", ni.driver().if_name());
		i.up = ni.announced_up();
		i.fatal = !ni.up();
		i.tunables = ni.tunables();
		i.lnd = ni.driver().lnd_tunables();
		i.cpts = ni.cpts();
		i.credits = credits_of(ni.level());
		i.health = ni.health.load(std::memory_order_relaxed);
		i.counts = counts_of(ni.counts);
		i.refs = ni.refs() - 1;
		more = out.entry(i);
	});
	return {};
}

cfs::Result<> LnetNode::set_ni_health(const Nid &nid, int health) noexcept
{
	Hold core(*this);
	if (!core)
		return cfs::fail(NETDOWN);
	if (health < 0 || health > kHealthMax)
		return cfs::fail(INVAL);
	bool found = false;
	core->for_each_ni([&](Ni &ni) {
		if (ni.nid() != nid)
			return;
		found = true;
		core->set_health(ni, health);
	});
	return found ? cfs::Result<>{} : cfs::fail(NOENT);
}

cfs::Result<> LnetNode::set_ni_lnd(const Nid &nid, const LndWishes &wishes) noexcept
{
	Hold core(*this);
	if (!core)
		return cfs::fail(NETDOWN);
	cfs::Result<> r = cfs::fail(NOENT);
	core->for_each_ni([&](Ni &ni) {
		if (ni.nid() != nid)
			return;
		// What it has anyway is no change: any driver can import what it has exported.
		LndTunables have = ni.driver().lnd_tunables();
		LndWishes change = wishes;
		auto drop = [](std::int32_t &wish, std::int32_t has) {
			if (wish == has)
				wish = LndWishes::kLeave;
		};
		drop(change.conns_per_peer, have.conns_per_peer);
		drop(change.timeout, have.timeout);
		drop(change.tos, have.tos);
		r = change.any() ? ni.driver().change(change) : cfs::Result<>{};
	});
	return r;
}

// ---- peers ----

cfs::Result<> LnetNode::add_peer_nids(const Nid &primary, std::span<const Nid> nids,
				      bool multi_rail, bool lock_primary) noexcept
{
	Hold core(*this);
	if (!core)
		return cfs::fail(NETDOWN);
	return core->discovery().configure(primary, nids, multi_rail, lock_primary);
}

cfs::Result<> LnetNode::del_peer_nids(const Nid &primary, std::span<const Nid> nids) noexcept
{
	Hold core(*this);
	if (!core)
		return cfs::fail(NETDOWN);
	return core->discovery().forget(primary, nids);
}

cfs::Result<> LnetNode::list_peers(Listing<PeerNiInfo> &out) noexcept
{
	Hold core(*this);
	if (!core)
		return cfs::fail(NETDOWN);
	bool more = true;
	core->peers().collect_nis([&](PeerNi &first) {
		auto p = first.peer();
		if (!more || first.nid() != p->primary())
			return;
		more = out.entry(info_of(first, *p));
		// The others of the peer, one by one, because out may sleep.
		for (std::uint32_t k = 0; more; k++) {
			std::uint32_t n = 0;
			auto other = p->find_if([&](PeerNi &x) { return n++ == k; });
			if (!other)
				break;
			if (other.get() != &first)
				more = out.entry(info_of(*other, *p));
		}
	});
	return {};
}

cfs::Result<> LnetNode::set_peer_health(const Nid &nid, int health) noexcept
{
	Hold core(*this);
	if (!core)
		return cfs::fail(NETDOWN);
	auto p = core->peers().find(nid);
	if (!p)
		return cfs::fail(NOENT);
	if (health < 0 || health > kHealthMax)
		return cfs::fail(INVAL);
	core->set_health(*p, health);
	return {};
}

cfs::Result<> LnetNode::set_peer_state(const Nid &nid, std::uint32_t bits) noexcept
{
	constexpr std::uint32_t kUnderWay = LNET_PEER_DISCOVERING | LNET_PEER_DATA_PRESENT |
					    LNET_PEER_PING_SENT | LNET_PEER_PUSH_SENT |
					    LNET_PEER_PING_FAILED | LNET_PEER_PUSH_FAILED |
					    LNET_PEER_FORCE_PING | LNET_PEER_FORCE_PUSH;
	constexpr std::uint32_t kLasting = LNET_PEER_MULTI_RAIL | LNET_PEER_NO_DISCOVERY |
					   LNET_PEER_ROUTER_ENABLED | LNET_PEER_CONFIGURED |
					   LNET_PEER_DISCOVERED | LNET_PEER_REDISCOVER |
					   LNET_PEER_NIDS_UPTODATE | LNET_PEER_LOCK_PRIMARY;
	Hold core(*this);
	if (!core)
		return cfs::fail(NETDOWN);
	if (bits & ~(kUnderWay | kLasting))
		return cfs::fail(INVAL);
	auto ni = core->peers().find(nid);
	if (!ni)
		return cfs::fail(NOENT);
	auto p = ni->peer();
	auto old = p->state.load(std::memory_order_acquire);
	while (!p->state.compare_exchange_weak(old, (old & kUnderWay) | (bits & kLasting),
					       std::memory_order_acq_rel)) {
	}
	return {};
}

cfs::Result<PingInfo> LnetNode::ping(const ProcessId &target, const Nid &source,
				     cfs::Instant deadline) noexcept
{
	Hold core(*this);
	if (!core)
		return cfs::fail(NETDOWN);
	return core->ping(target, source, deadline);
}

cfs::Result<Nid> LnetNode::discover(const Nid &nid, bool force, cfs::Instant deadline) noexcept
{
	Hold core(*this);
	if (!core)
		return cfs::fail(NETDOWN);
	TRY(core->discovery().wait(nid, force, cfs::WaitMode::killable, deadline));
	auto p = core->peers().find(nid);
	return p ? p->primary() : nid;
}

// ---- routing ----

cfs::Result<> LnetNode::add_route(const RouteSpec &r) noexcept
{
	Hold core(*this);
	if (!core)
		return cfs::fail(NETDOWN);
	return core->add_route(r);
}

cfs::Result<> LnetNode::del_route(Net net, const Nid &gateway) noexcept
{
	Hold core(*this);
	if (!core)
		return cfs::fail(NETDOWN);
	return core->del_route(net, gateway);
}

cfs::Result<> LnetNode::list_routes(Listing<RouteInfo> &out) noexcept
{
	Hold core(*this);
	if (!core)
		return cfs::fail(NETDOWN);
	for (std::size_t n = 0;; n++) {
		auto r = core->routes().at(n);
		if (!r)
			return {};
		RouteInfo i;
		static_cast<RouteSpec &>(i) = r->spec;
		i.alive = r->alive.load(std::memory_order_relaxed);
		i.multi_hop = r->hops() > 1;
		if (!out.entry(i))
			return {};
	}
}

cfs::Result<> LnetNode::set_routing(bool enabled) noexcept
{
	std::uint32_t counts[Router::kPools];
	{
		cfs::MutexGuard g(lock_);
		for (unsigned p = 0; p < Router::kPools; p++)
			counts[p] = buffers_[p];
	}
	Hold core(*this);
	if (!core)
		return cfs::fail(NETDOWN);
	return core->set_routing(enabled, counts);
}

bool LnetNode::routing() noexcept
{
	Hold core(*this);
	return core && core->router().enabled();
}

cfs::Result<> LnetNode::set_router_buffers(std::uint32_t tiny, std::uint32_t small,
					   std::uint32_t large) noexcept
{
	constexpr std::uint32_t kMax = 1u << 20;
	if (tiny > kMax || small > kMax || large > kMax)
		return cfs::fail(INVAL);
	bool on = routing();
	{
		cfs::MutexGuard g(lock_);
		const std::uint32_t wanted[] = {tiny, small, large};
		for (unsigned p = 0; p < Router::kPools; p++)
			if (wanted[p])
				buffers_[p] = wanted[p];
	}
	if (!on)
		return {};
	TRY(set_routing(false));
	return set_routing(true);
}

cfs::Result<> LnetNode::list_router_pools(Listing<RouterPoolInfo> &out) noexcept
{
	Hold core(*this);
	if (!core)
		return cfs::fail(NETDOWN);
	for (unsigned p = 0; p < Router::kPools; p++)
		if (!out.entry(core->router().info(p)))
			break;
	return {};
}

} // namespace lnet
