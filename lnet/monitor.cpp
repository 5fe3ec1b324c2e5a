// SPDX-License-Identifier: GPL-2.0
//
// What happens with time, all on one thread: messages and responses that are overdue, messages to
// be sent again, the health of NIDs and their recovery, the state of routes, and the steps of
// discovery (spec 01 sections 8, 9.3, 9.4).

#include <algorithm>

#include "lnet/core.hpp"

namespace lnet
{

using namespace cfs::err;

namespace
{

constexpr auto kTick = cfs::Duration::seconds(1);

/// Whose fault a failed send is (section 8.2).
bool local_fault(SendStatus s) noexcept
{
	switch (s) {
	case SendStatus::local_interrupt:
	case SendStatus::local_dropped:
	case SendStatus::local_aborted:
	case SendStatus::local_no_route:
	case SendStatus::local_error:
	case SendStatus::local_timeout:
	case SendStatus::network_timeout:
		return true;
	default:
		return false;
	}
}

bool remote_fault(SendStatus s) noexcept
{
	switch (s) {
	case SendStatus::remote_error:
	case SendStatus::remote_dropped:
	case SendStatus::remote_timeout:
	case SendStatus::network_timeout:
		return true;
	default:
		return false;
	}
}

bool repeatable(SendStatus s) noexcept
{
	switch (s) {
	case SendStatus::local_interrupt:
	case SendStatus::local_dropped:
	case SendStatus::local_aborted:
	case SendStatus::local_no_route:
	case SendStatus::local_timeout:
	case SendStatus::remote_dropped:
		return true;
	default:
		return false;
	}
}

/// Adds within the bounds; the new value.
int add_health(std::atomic<int> &health, int by) noexcept
{
	int old = health.load(std::memory_order_relaxed);
	int fresh = 0;
	do
		fresh = std::clamp(old + by, 0, kHealthMax);
	while (old != fresh &&
	       !health.compare_exchange_weak(old, fresh, std::memory_order_relaxed));
	return fresh;
}

} // namespace

// ---- the thread ----

void Core::kick() noexcept
{
	cfs::SpinGuard g(monitor_lock_);
	kicked_ = true;
	monitor_wait_.wake_all();
}

void Core::run_monitor() noexcept
{
	cfs::Instant next = cfs::after(kTick);
	for (;;) {
		{
			cfs::SpinGuard g(monitor_lock_);
			(void)monitor_wait_.wait(
				monitor_lock_, cfs::WaitMode::idle, next,
				[this]() CFS_NO_TSA { return kicked_ || monitor_stops_; });
			if (monitor_stops_)
				return;
			kicked_ = false;
		}
		if (list_stale_.exchange(false, std::memory_order_acq_rel)) {
			cfs::MutexGuard g(config_lock_);
			if (auto r = rebuild_ping_target(); !r) {
				CERROR(kSubsys,
				       "cannot tell peers the new state of the interfaces: {}; "
				       "trying again",
				       r.error());
				list_stale_.store(true, std::memory_order_relaxed);
			}
		}
		discovery_.work();
		resend_queued();
		cfs::Instant now = cfs::Instant::now();
		if (now >= next) {
			tick(now);
			next = now + kTick;
		}
	}
}

void Core::stop_monitor() noexcept
{
	{
		cfs::SpinGuard g(monitor_lock_);
		monitor_stops_ = true;
		monitor_wait_.wake_all();
	}
	monitor_.join();
	cfs::List<PeerNi, &PeerNi::recovery_hook> ailing;
	{
		cfs::SpinGuard g(monitor_lock_);
		ailing.swap(ailing_);
	}
	while (!ailing.empty()) {
		PeerNi &p = ailing.front();
		ailing.pop_front();
		p.put();
	}
	resend_queued();
}

void Core::tick(cfs::Instant now) noexcept
{
	expire_queues(now);
	expire_responses(now);
	recover_nis(now);
	recover_peers(now);
	check_routes(now);
	check_own_nis(now);
}

// ---- what is overdue ----

void Core::expire_queues(cfs::Instant now) noexcept
{
	HeldList lost;
	for (auto &p : portals_)
		p->take_held_if(lost, [](HeldMessage &h) {
			auto &m = static_cast<Msg &>(h);
			return m.ni->driver().rx_lost(m.rx);
		});
	drop_held(lost, "its connection is gone");
	cfs::List<CreditWaiter, &CreditWaiter::credit_hook> late;
	auto is_late = [&](CreditWaiter &w) { return static_cast<Msg &>(w).tx.deadline <= now; };
	auto keep = [&](CreditWaiter &w) { late.push_back(w); };
	peers_.for_each([&](PeerNi &p) { p.tx_credits.cancel_if(is_late, keep); });
	for_each_ni([&](Ni &ni) { ni.cancel_if(is_late, keep); });
	while (!late.empty()) {
		auto &m = static_cast<Msg &>(late.front());
		late.pop_front();
		m.how = SendStatus::network_timeout;
		bool had_peer = std::exchange(m.peer_credit, false);
		auto hop = m.hop;
		send_done(m, TIMEDOUT);
		if (had_peer)
			peer_credit_back(*hop);
	}
}

void Core::expire_responses(cfs::Instant now) noexcept
{
	mds_.overdue(now.ns(), [&](Md &md) {
		stats_.response_timeout_count.fetch_add(1, std::memory_order_relaxed);
		CDEBUG(kSubsys, CFS_D_NETERROR, "no response to MD {} within {} s",
		       md.handle().cookie, live_.transaction_timeout.load());
		if (auto hop = md.take_asked())
			change_health(*hop, -static_cast<int>(live_.health_sensitivity.load()));
		mds_.remove(md);
		(void)md.unlink(TIMEDOUT);
	});
}

// ---- sending again ----

bool Core::try_resend(Msg &m, cfs::Errno status) noexcept
{
	if (m.role != Msg::Role::tx_put && m.role != Msg::Role::tx_get)
		return false;
	if (status == cfs::Errno{} || m.exact || !m.self.is_none() || !repeatable(m.how) ||
	    stopping_.load(std::memory_order_acquire) ||
	    m.resends >= live_.retry_count.load(std::memory_order_relaxed) ||
	    cfs::Instant::now() >= m.tx.deadline || m.md->unlinking())
		return false;
	// Only if there is another way.
	auto peer = m.hop ? m.hop->peer() : nullptr;
	bool other = local_fault(m.how) ? ni_count() > 1 : peer && peer->count() > 1;
	if (!other)
		return false;
	m.resends++;
	m.ni.reset();
	m.hop.reset();
	m.tx.header.src.nid = Nid{};
	stats_.resend_count.fetch_add(1, std::memory_order_relaxed);
	cfs::SpinGuard g(monitor_lock_);
	if (monitor_stops_)
		return false;
	resends_.push_back(m);
	kicked_ = true;
	monitor_wait_.wake_all();
	return true;
}

void Core::resend_queued() noexcept
{
	cfs::List<CreditWaiter, &CreditWaiter::credit_hook> list;
	{
		cfs::SpinGuard g(monitor_lock_);
		list.swap(resends_);
	}
	while (!list.empty()) {
		auto &m = static_cast<Msg &>(list.front());
		list.pop_front();
		send(m);
	}
}

// ---- health ----

void Core::set_health(Ni &ni, int health) noexcept
{
	change_health(ni, health - ni.health.load(std::memory_order_relaxed));
}

void Core::set_health(PeerNi &p, int health) noexcept
{
	change_health(p, health - p.health.load(std::memory_order_relaxed));
}

void Core::change_health(Ni &ni, int by) noexcept
{
	if (ni.nid().is_lo() || by == 0)
		return;
	int now = add_health(ni.health, by);
	if (now == 0 && !ni.ailing.exchange(true, std::memory_order_relaxed))
		local_state_changed();
	if (now == kHealthMax && ni.ailing.load(std::memory_order_relaxed) &&
	    ni.ailing.exchange(false, std::memory_order_relaxed))
		local_state_changed();
}

void Core::change_health(PeerNi &p, int by) noexcept
{
	if (p.nid().is_lo() || by == 0)
		return;
	if (add_health(p.health, by) == kHealthMax || by > 0)
		return;
	cfs::SpinGuard g(monitor_lock_);
	if (monitor_stops_ || p.recovery_hook.is_linked())
		return;
	p.get();
	ailing_.push_back(p);
}

void Core::account_send(Msg &m, cfs::Errno status) noexcept
{
	auto by = static_cast<int>(live_.health_sensitivity.load(std::memory_order_relaxed));
	if (status == cfs::Errno{}) {
		if (m.ni && m.ni->health.load(std::memory_order_relaxed) < kHealthMax)
			change_health(*m.ni, by);
		return;
	}
	auto how = static_cast<unsigned>(m.how);
	stats_.by_status[how].fetch_add(1, std::memory_order_relaxed);
	if (m.ni)
		m.ni->counts.failed[how].fetch_add(1, std::memory_order_relaxed);
	if (m.hop)
		m.hop->counts.failed[how].fetch_add(1, std::memory_order_relaxed);
	if (!m.ni || !m.hop || stopping_.load(std::memory_order_acquire))
		return;
	if (local_fault(m.how) && ni_count() > 1)
		change_health(*m.ni, -by);
	auto peer = m.hop->peer();
	bool other = peer && (peer->count() > 1 || peer->has(LNET_PEER_ROUTER_ENABLED));
	if (remote_fault(m.how) && other)
		change_health(*m.hop, -by);
}

void Core::account_receive(Ni &ni, PeerNi &hop) noexcept
{
	auto by = static_cast<int>(live_.health_sensitivity.load(std::memory_order_relaxed));
	if (ni.health.load(std::memory_order_relaxed) < kHealthMax)
		change_health(ni, by);
	if (hop.health.load(std::memory_order_relaxed) == kHealthMax)
		return;
	auto peer = hop.peer();
	bool routes = router_.enabled() || (peer && peer->has(LNET_PEER_ROUTER_ENABLED));
	change_health(hop, routes ? kHealthMax : by);
}

bool Core::recovery_due(Recovery &r, cfs::Instant now, bool listed) noexcept
{
	Settings s = settings();
	if (!listed) {
		r.interval_s = s.recovery_interval;
		r.since = now;
	} else if (now < r.next) {
		return false;
	} else if (s.recovery_limit && now - r.since > cfs::Duration::seconds(s.recovery_limit)) {
		return false;
	}
	r.next = now + cfs::Duration::seconds(r.interval_s);
	r.interval_s = std::min(r.interval_s * 2, s.max_recovery_ping_interval);
	return listed;
}

void Core::recover_nis(cfs::Instant now) noexcept
{
	for_each_ni([&](Ni &ni) {
		if (ni.health.load(std::memory_order_relaxed) == kHealthMax) {
			ni.recovery.interval_s = 0;
			ni.counts.recovery_pings.store(0, std::memory_order_relaxed);
			return;
		}
		// It pings itself.
		if (recovery_due(ni.recovery, now, ni.recovery.interval_s != 0)) {
			ni.counts.recovery_pings.fetch_add(1, std::memory_order_relaxed);
			discovery_.recover(ni.nid(), ni.nid());
		}
	});
}

void Core::recover_peers(cfs::Instant now) noexcept
{
	// One turn: each is looked at once, and goes to the back.
	std::size_t n = 0;
	{
		cfs::SpinGuard g(monitor_lock_);
		n = ailing_.size();
	}
	while (n-- > 0) {
		cfs::RefPtr<PeerNi> p;
		{
			cfs::SpinGuard g(monitor_lock_);
			if (ailing_.empty())
				return;
			p = cfs::RefPtr<PeerNi>::adopt(&ailing_.front());
			ailing_.pop_front();
			if (p->health.load(std::memory_order_relaxed) < kHealthMax) {
				p->get();
				ailing_.push_back(*p);
			}
		}
		if (p->health.load(std::memory_order_relaxed) == kHealthMax) {
			p->recovery.interval_s = 0;
			p->counts.recovery_pings.store(0, std::memory_order_relaxed);
		} else if (recovery_due(p->recovery, now, p->recovery.interval_s != 0)) {
			p->counts.recovery_pings.fetch_add(1, std::memory_order_relaxed);
			discovery_.recover(Nid{}, p->nid());
		}
	}
}

// ---- routes ----

bool Core::route_works(Route &r) noexcept
{
	auto peer = r.gateway->peer();
	Settings s = settings();
	if (!peer->answers.load(std::memory_order_relaxed))
		return false;
	if (!peer->has(LNET_PEER_DISCOVERED) && !peer->has(LNET_PEER_NIDS_UPTODATE))
		return true; // not asked yet
	if (!peer->has(LNET_PEER_ROUTER_ENABLED))
		return false;
	auto health = r.gateway->health.load(std::memory_order_relaxed);
	if (health * 100 < static_cast<int>(s.router_sensitivity) * kHealthMax &&
	    s.router_sensitivity < 100)
		return false;
	if (r.gateway->announced.load(std::memory_order_relaxed) == wire::LNET_NI_STATUS_DOWN)
		return false;
	bool known = false, up = false;
	peer->for_each([&](PeerNi &n) {
		if (n.nid().net() != r.spec.net)
			return;
		known = true;
		up = up || n.announced.load(std::memory_order_relaxed) != wire::LNET_NI_STATUS_DOWN;
	});
	bool single_hop = r.spec.hops == 1 || (r.spec.hops == RouteSpec::kHopsUnset && known);
	return !s.avoid_asym_router_failure || !single_hop || up;
}

void Core::check_routes(cfs::Instant now) noexcept
{
	auto every = cfs::Duration::seconds(settings().router_check_interval);
	for (std::size_t i = 0;; i++) {
		auto r = routes_.at(i);
		if (!r)
			return;
		// At each NID that a route names: a router calls those down that nobody pings.
		PeerNi &gateway = *r->gateway;
		auto peer = gateway.peer();
		bool first = gateway.last_check == cfs::Instant{};
		bool due = every.ns() > 0 && (first || now - gateway.last_check >= every);
		if (due)
			peer->last_check = now; // also a check that is under way is a gateway's
		if (due && !peer->has(LNET_PEER_DISCOVERING)) {
			gateway.last_check = now;
			discovery_.start(*peer, true, gateway.nid());
		}
		bool works = route_works(*r);
		if (r->alive.exchange(works, std::memory_order_relaxed) != works)
			LCONSOLE_INFO(kSubsys, "route to {} by {} is {}", r->spec.net,
				      r->spec.gateway, works ? "up" : "down");
	}
}

void Core::check_own_nis(cfs::Instant now) noexcept
{
	if (!router_.enabled())
		return;
	Settings s = settings();
	auto patience = cfs::Duration::seconds(s.router_check_interval + s.router_ping_timeout);
	for_each_ni([&](Ni &ni) {
		if (ni.nid().is_lo() || s.router_check_interval == 0)
			return;
		auto last = cfs::Instant::from_ns(ni.last_ping_ns.load(std::memory_order_relaxed));
		bool unused = now > last + patience;
		if (ni.unused.exchange(unused, std::memory_order_relaxed) != unused)
			local_state_changed();
	});
}

} // namespace lnet
