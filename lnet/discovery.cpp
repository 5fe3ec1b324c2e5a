// SPDX-License-Identifier: GPL-2.0
//
// Discovery; see discovery.hpp for the rules.

#include "lnet/discovery.hpp"

#include <algorithm>

#include "lnet/core.hpp"

namespace lnet
{

using namespace cfs::err;

namespace
{

/// The smallest buffer that a ping offers (section 7.2).
constexpr std::uint32_t kSinkMin = 272;

constexpr ProcessId process(const Nid &nid) noexcept
{
	return {nid, LNET_PID_LUSTRE};
}

template <typename T>
void free_object(T *p) noexcept
{
	p->~T();
	cfs_free(T::kSubsys, p, sizeof(T));
}

} // namespace

// ---- what others read and write ----

void PingTarget::destroy() noexcept
{
	free_object(this);
}

cfs::Result<> PingTarget::publish(Network &net) noexcept
{
	MatchSpec match;
	match.portal = wire::LNET_RESERVED_PORTAL;
	match.match_bits = wire::LNET_PROTO_PING_MATCHBITS;
	match.auto_unlink = false;
	match.at_head = true; // before the version it replaces
	MdSpec md;
	md.buffer.linear = buffer_.data();
	md.buffer.length = static_cast<std::uint32_t>(buffer_.size());
	md.threshold = LNET_MD_THRESH_INF;
	md.options = LNET_MD_OP_GET | LNET_MD_TRUNCATE | LNET_MD_MANAGE_REMOTE;
	md.handler = this;
	get(); // the MD's
	auto h = net.attach(match, md);
	if (!h) {
		put();
		return cfs::fail(h.error());
	}
	md_ = *h;
	return {};
}

void PingTarget::withdraw(Network &net) noexcept
{
	// Being read right now only delays its last event.
	(void)net.unlink(md_);
}

void PingTarget::on_event(const Event &ev) noexcept
{
	if (ev.unlinked)
		put();
}

void PushTarget::destroy() noexcept
{
	free_object(this);
}

cfs::Result<> PushTarget::post() noexcept
{
	MatchSpec match;
	match.portal = wire::LNET_RESERVED_PORTAL;
	match.match_bits = wire::LNET_PROTO_PING_MATCHBITS;
	MdSpec md;
	md.buffer.linear = buffer_.data();
	md.buffer.length = kBytes;
	md.threshold = 1;
	md.options = LNET_MD_OP_PUT | LNET_MD_TRUNCATE;
	md.handler = this;
	{
		cfs::SpinGuard g(lock_);
		idle_ = arrived_ = false;
	}
	get(); // the MD's
	auto h = core_.attach(match, md);
	cfs::SpinGuard g(lock_);
	if (!h) {
		idle_ = true;
		g.unlock();
		put();
		return cfs::fail(h.error());
	}
	md_ = *h;
	return {};
}

void PushTarget::on_event(const Event &ev) noexcept
{
	{
		cfs::SpinGuard g(lock_);
		if (ev.type == EventType::put) {
			arrived_ = true;
			status_ = ev.status;
			length_ = ev.rlength > ev.mlength ? 0 : ev.mlength;
			source_ = ev.source.nid;
			target_ = ev.target.nid;
		}
		idle_ = ev.unlinked;
	}
	if (!ev.unlinked)
		return;
	core_.kick();
	put();
}

// ---- probes ----

void Probe::destroy() noexcept
{
	free_object(this);
}

void Probe::on_event(const Event &ev) noexcept
{
	bool ok = ev.status == cfs::Errno{};
	if (!ok && status_ == cfs::Errno{})
		status_ = ev.status;
	if (ok && ev.type == EventType::send)
		sent_ = true;
	if (ok && (ev.type == EventType::reply || ev.type == EventType::ack)) {
		answered_ = true;
		length_ = ev.mlength;
		from_ = ev.source.nid;
		to_ = ev.target.nid;
	}
	if (!ev.unlinked) {
		if (!ok) // no answer will come to what was not sent
			(void)core_.unlink(ev.md);
		return;
	}
	core_.discovery().probe_ended(*this);
	put(); // the MD's
}

void Discovery::probe_ended(Probe &probe) noexcept
{
	auto peer = probe.peer_;
	cfs::RefPtr<Probe> listed, kept;
	cfs::SpinGuard g(lock_);
	if (probe.hook.is_linked()) {
		probes_.erase(probes_.iterator_to(probe));
		listed = cfs::RefPtr<Probe>::adopt(&probe);
	}
	probe.ended_.store(true, std::memory_order_release);
	if (peer && stopping_)
		kept = std::move(peer->probe);
	else if (peer)
		enqueue(*peer);
	g.unlock();
}

cfs::Result<> Discovery::arm(Probe &probe, std::uint32_t options) noexcept
{
	MdSpec md;
	md.buffer.linear = probe.buffer_.data();
	md.buffer.length = static_cast<std::uint32_t>(probe.buffer_.size());
	md.threshold = 2; // SEND, and REPLY or ACK
	md.options = options | LNET_MD_TRACK_RESPONSE;
	md.handler = &probe;
	probe.get(); // the MD's
	auto h = core_.bind(md);
	if (!h) {
		probe.put();
		return cfs::fail(h.error());
	}
	probe.md_ = *h;
	bool late = false;
	{
		cfs::SpinGuard g(lock_);
		late = stopping_;
		if (!late) {
			probe.get(); // the list's
			probes_.push_back(probe);
		}
	}
	if (!late)
		return {};
	(void)core_.unlink(*h);
	return cfs::fail(SHUTDOWN);
}

// ---- life ----

cfs::Result<> Discovery::init() noexcept
{
	auto buffer = TRY(cfs::Array<std::byte>::make(kSubsys, PushTarget::kBytes));
	push_target_ = TRY(cfs::try_make_ref<PushTarget>(core_, std::move(buffer)));
	return push_target_->post();
}

void Discovery::stop() noexcept
{
	cfs::List<Peer, &Peer::discovery_hook> queue;
	{
		cfs::SpinGuard g(lock_);
		stopping_ = true;
		queue.swap(queue_);
	}
	for (;;) {
		cfs::RefPtr<Probe> probe;
		{
			cfs::SpinGuard g(lock_);
			if (probes_.empty())
				break;
			probe = cfs::RefPtr<Probe>::adopt(&probes_.front());
			probes_.pop_front();
		}
		(void)core_.unlink(probe->md_);
	}
	auto end = [&](cfs::RefPtr<Peer> p) {
		cfs::RefPtr<Probe> probe;
		cfs::List<CreditWaiter, &CreditWaiter::credit_hook> list;
		{
			cfs::SpinGuard g(lock_);
			list.swap(p->waiting);
			probe = std::move(p->probe);
		}
		release(list, SHUTDOWN);
	};
	while (!queue.empty()) {
		auto p = cfs::RefPtr<Peer>::adopt(&queue.front());
		queue.pop_front();
		end(std::move(p));
	}
	core_.peers().collect(end);
	if (push_target_) {
		MdHandle md;
		{
			cfs::SpinGuard g(push_target_->lock_);
			md = push_target_->md_;
		}
		if (md)
			(void)core_.unlink(md);
		push_target_.reset();
	}
	ended_.wake_all();
}

void Discovery::release(cfs::List<CreditWaiter, &CreditWaiter::credit_hook> &list,
			cfs::Errno why) noexcept
{
	while (!list.empty()) {
		auto &m = static_cast<Msg &>(list.front());
		list.pop_front();
		if (why == cfs::Errno{})
			core_.resume(m);
		else
			core_.send_failed(m, why);
	}
}

// ---- who waits ----

bool Discovery::up_to_date(const Peer &p) const noexcept
{
	std::uint32_t s = p.state.load(std::memory_order_acquire);
	constexpr std::uint32_t busy = LNET_PEER_DISCOVERING | LNET_PEER_FORCE_PING |
				       LNET_PEER_FORCE_PUSH | LNET_PEER_REDISCOVER;
	constexpr std::uint32_t known = LNET_PEER_DISCOVERED | LNET_PEER_NIDS_UPTODATE;
	if (s & busy || (s & known) != known)
		return false;
	bool push_to = s & LNET_PEER_MULTI_RAIL && !(s & LNET_PEER_NO_DISCOVERY);
	return !push_to || p.acknowledged.load(std::memory_order_acquire) ==
				   sequence_.load(std::memory_order_acquire);
}

void Discovery::enqueue(Peer &p) noexcept
{
	p.state.fetch_or(LNET_PEER_DISCOVERING, std::memory_order_acq_rel);
	if (p.discovery_hook.is_linked())
		return;
	p.get();
	queue_.push_back(p);
	core_.kick();
}

bool Discovery::hold_back(Msg &m, Peer &p) noexcept
{
	if (!enabled.load(std::memory_order_relaxed) || up_to_date(p))
		return false;
	cfs::SpinGuard g(lock_);
	if (stopping_ || up_to_date(p))
		return false;
	bool under_way = p.has(LNET_PEER_DISCOVERING);
	if (!under_way)
		p.contact = m.tx.header.dest.nid;
	p.waiting.push_back(m);
	if (!under_way)
		enqueue(p);
	return true;
}

void Discovery::start(Peer &p, bool force, const Nid &at) noexcept
{
	cfs::SpinGuard g(lock_);
	if (stopping_ || (!force && up_to_date(p)))
		return;
	if (!at.is_none() && !p.has(LNET_PEER_DISCOVERING))
		p.contact = at;
	if (force)
		p.state.fetch_or(LNET_PEER_FORCE_PING, std::memory_order_acq_rel);
	enqueue(p);
}

cfs::Result<> Discovery::wait(const Nid &nid, bool force, cfs::WaitMode mode,
			      cfs::Instant deadline) noexcept
{
	auto ni = TRY(core_.peer_ni(nid));
	auto p = ni->peer();
	if (!force && up_to_date(*p))
		return {};
	cfs::SpinGuard g(lock_);
	if (stopping_)
		return cfs::fail(SHUTDOWN);
	if (force)
		p->state.fetch_or(LNET_PEER_FORCE_PING, std::memory_order_acq_rel);
	if (!p->has(LNET_PEER_DISCOVERING))
		p->contact = nid;
	auto before = p->attempts;
	enqueue(*p);
	TRY(ended_.wait(lock_, mode, deadline,
			[&]() CFS_NO_TSA { return p->attempts != before || stopping_; }));
	if (p->attempts == before)
		return cfs::fail(SHUTDOWN);
	if (p->last_error != cfs::Errno{})
		return cfs::fail(p->last_error);
	return {};
}

void Discovery::finish(Peer &p, cfs::Errno why) noexcept
{
	cfs::List<CreditWaiter, &CreditWaiter::credit_hook> list;
	{
		cfs::SpinGuard g(lock_);
		constexpr std::uint32_t failed = LNET_PEER_PING_FAILED | LNET_PEER_PUSH_FAILED;
		p.state.fetch_and(~(LNET_PEER_DISCOVERING | LNET_PEER_FORCE_PING |
				    LNET_PEER_FORCE_PUSH | LNET_PEER_REDISCOVER | failed),
				  std::memory_order_acq_rel);
		p.state.fetch_or(why == cfs::Errno{} ? LNET_PEER_DISCOVERED : LNET_PEER_REDISCOVER,
				 std::memory_order_acq_rel);
		p.attempts++;
		p.repeated = 0;
		p.last_error = why;
		list.swap(p.waiting);
	}
	ended_.wake_all();
	if (why != cfs::Errno{})
		CDEBUG(kSubsys, CFS_D_NETERROR, "discovery of {} failed: {}", p.primary(), why);
	release(list, why);
}

// ---- the monitor's thread ----

void Discovery::work() noexcept
{
	push_arrived();
	for (;;) {
		cfs::RefPtr<Peer> p;
		{
			cfs::SpinGuard g(lock_);
			if (queue_.empty() || stopping_)
				return;
			p = cfs::RefPtr<Peer>::adopt(&queue_.front());
			queue_.pop_front();
		}
		step(*p);
	}
}

bool Discovery::lost(const Peer &p, const Probe &probe) noexcept
{
	if (probe.answered_)
		return false;
	// A gateway's state is decided by its ping, but by two where it has two ways.
	bool others = p.count() > 1;
	bool gateway = p.last_check != cfs::Instant{};
	std::uint32_t limit = gateway ? others : core_.settings().retry_count;
	return p.repeated < limit && (others || (probe.sent_ && probe.status_ == TIMEDOUT));
}

Nid Discovery::way_to(Peer &p) noexcept
{
	auto ni = core_.peers().find(p.contact);
	// What was lost on that way, or is ill, is not asked again: whichever is best.
	if (!p.repeated && ni && ni->peer().get() == &p &&
	    ni->health.load(std::memory_order_relaxed) == kHealthMax)
		return p.contact;
	Nid best = core_.best_nid(p);
	return best.is_none() ? p.primary() : best;
}

void Discovery::bound(Peer &p, const Probe &probe) noexcept
{
	Settings s = core_.settings();
	bool gateway = p.last_check != cfs::Instant{};
	core_.hurry(probe.md_,
		    cfs::Duration::seconds(gateway ? s.router_ping_timeout : s.lnd_timeout()));
}

void Discovery::step(Peer &p) noexcept
{
	if (p.count() == 0) { // another peer has absorbed it
		if (p.probe && p.probe->ended_.load(std::memory_order_acquire))
			p.probe.reset();
		finish(p, {});
		return;
	}
	if (p.probe) {
		if (!p.probe->ended_.load(std::memory_order_acquire))
			return; // it comes back when that ends
		auto probe = std::move(p.probe);
		p.state.fetch_and(~(LNET_PEER_PING_SENT | LNET_PEER_PUSH_SENT),
				  std::memory_order_acq_rel);
		cfs::Result<> r;
		bool again = lost(p, *probe);
		if (again)
			p.repeated++;
		else if (!probe->answered_)
			r = cfs::fail(probe->status_ == cfs::Errno{} ? TIMEDOUT : probe->status_);
		else if (probe->kind_ == Probe::Kind::ping)
			r = ping_ended(p, *probe);
		else
			p.acknowledged.store(probe->sequence_, std::memory_order_release);
		if (probe->kind_ == Probe::Kind::ping && !again)
			p.answers.store(probe->answered_ && r, std::memory_order_relaxed);
		else if (probe->answered_)
			p.state.fetch_and(~LNET_PEER_FORCE_PUSH, std::memory_order_acq_rel);
		if (!r) {
			finish(p, r.error());
			return;
		}
	}
	std::uint32_t s = p.state.load(std::memory_order_acquire);
	cfs::Result<> r;
	if (p.count() == 0) { // another peer has absorbed it
		finish(p, {});
		return;
	}
	if (s & LNET_PEER_FORCE_PING || !(s & LNET_PEER_NIDS_UPTODATE)) {
		r = send_ping(p);
	} else if (s & LNET_PEER_MULTI_RAIL && !(s & LNET_PEER_NO_DISCOVERY) &&
		   enabled.load(std::memory_order_relaxed) &&
		   (s & LNET_PEER_FORCE_PUSH ||
		    p.acknowledged.load(std::memory_order_acquire) !=
			    sequence_.load(std::memory_order_acquire))) {
		r = send_push(p);
	} else {
		finish(p, {});
		return;
	}
	if (!r)
		finish(p, r.error());
}

cfs::Result<> Discovery::send_ping(Peer &p) noexcept
{
	std::uint32_t bytes = std::max(kSinkMin, p.sink_bytes);
	auto buffer = TRY(cfs::Array<std::byte>::make(kSubsys, bytes));
	auto probe = TRY(cfs::try_make_ref<Probe>(core_, Probe::Kind::ping,
						  cfs::RefPtr<Peer>::share(&p), std::move(buffer)));
	TRY(arm(*probe, LNET_MD_TRUNCATE));
	p.state.fetch_or(LNET_PEER_PING_SENT, std::memory_order_acq_rel);
	p.probe = probe; // before its events
	// To that very NID: one that is announced as down is so until somebody pings it.
	auto r = core_.get_from(Nid{}, probe->md_, way_to(p));
	if (!r) {
		probe->status_ = r.error();
		(void)core_.unlink(probe->md_); // its last event takes it from here
	} else {
		bound(p, *probe);
	}
	return {};
}

cfs::Result<> Discovery::send_push(Peer &p) noexcept
{
	auto list = core_.ping_list();
	if (!list)
		return cfs::fail(SHUTDOWN);
	auto buffer = TRY(cfs::Array<std::byte>::make(kSubsys, list->bytes().size()));
	std::copy(list->bytes().begin(), list->bytes().end(), buffer.begin());
	auto probe = TRY(cfs::try_make_ref<Probe>(core_, Probe::Kind::push,
						  cfs::RefPtr<Peer>::share(&p), std::move(buffer)));
	probe->sequence_ = list->sequence();
	TRY(arm(*probe, 0));
	// Back over the way the peer's list came: there it is sure to be heard.
	Nid to = way_to(p);
	bool same = to == p.contact && !p.repeated && core_.is_local(p.reply_to);
	p.state.fetch_or(LNET_PEER_PUSH_SENT, std::memory_order_acq_rel);
	p.probe = probe;
	auto r = core_.put(same ? p.reply_to : Nid{}, probe->md_, true, process(to),
			   wire::LNET_RESERVED_PORTAL, wire::LNET_PROTO_PING_MATCHBITS, 0, 0);
	if (!r) {
		probe->status_ = r.error();
		(void)core_.unlink(probe->md_);
	} else {
		bound(p, *probe);
	}
	return {};
}

void Discovery::recover(const Nid &source, const Nid &nid) noexcept
{
	auto buffer = cfs::Array<std::byte>::make(kSubsys, kSinkMin);
	if (!buffer)
		return; // the next one may have memory
	auto probe =
		cfs::try_make_ref<Probe>(core_, Probe::Kind::recovery, nullptr, std::move(*buffer));
	if (!probe)
		return;
	if (!arm(**probe, LNET_MD_TRUNCATE))
		return;
	if (!core_.get_from(source, (*probe)->md_, nid))
		(void)core_.unlink((*probe)->md_);
}

// ---- what a peer says of itself ----

cfs::Result<> Discovery::ping_ended(Peer &p, Probe &probe) noexcept
{
	auto info = TRY(parse_ping({probe.buffer_.data(), probe.length_}));
	if (info.listed > info.nids.size() + 1 && probe.length_ == probe.buffer_.size()) {
		p.sink_bytes = static_cast<std::uint32_t>(sizeof(wire::PingHeader) +
							  info.listed * sizeof(wire::PingEntry));
		return {}; // asks again: NIDS_UPTODATE is not set
	}
	p.reply_to = probe.to_;
	p.contact = probe.from_;
	return learn(p, info, probe.from_);
}

void Discovery::push_arrived() noexcept
{
	PushTarget &t = *push_target_;
	bool arrived = false;
	{
		cfs::SpinGuard g(t.lock_);
		if (!t.idle_)
			return;
		arrived = std::exchange(t.arrived_, false);
	}
	auto ni = arrived ? core_.peers().find(t.source_) : nullptr;
	if (ni && enabled.load(std::memory_order_relaxed)) {
		auto p = ni->peer();
		cfs::Result<> r = cfs::fail(t.status_);
		if (t.status_ == cfs::Errno{}) {
			auto info = parse_ping({t.buffer_.data(), t.length_});
			r = info ? cfs::Result<>{} : cfs::fail(info.error());
			if (info && info->features & wire::LNET_PING_FEAT_MULTI_RAIL) {
				p->contact = t.source_;
				p->reply_to = t.target_;
				r = learn(*p, *info, t.source_);
			}
		}
		if (!r)
			p->state.fetch_and(~LNET_PEER_NIDS_UPTODATE, std::memory_order_acq_rel);
		// It may want our list in return; it may be another object now.
		start(*ni->peer(), !r);
	}
	(void)t.post(); // tried again at the next tick
}

cfs::Result<> Discovery::learn(Peer &p, const PingInfo &info, const Nid &from) noexcept
{
	bool can_discover = info.features & wire::LNET_PING_FEAT_DISCOVERY;
	bool multi_rail = can_discover && info.features & wire::LNET_PING_FEAT_MULTI_RAIL;
	bool routes = !(info.features & wire::LNET_PING_FEAT_RTE_DISABLED);
	std::uint32_t set = 0;
	set |= can_discover ? 0u : LNET_PEER_NO_DISCOVERY;
	set |= multi_rail ? LNET_PEER_MULTI_RAIL : 0u;
	set |= routes ? LNET_PEER_ROUTER_ENABLED : 0u;
	constexpr std::uint32_t all =
		LNET_PEER_NO_DISCOVERY | LNET_PEER_MULTI_RAIL | LNET_PEER_ROUTER_ENABLED;
	cfs::MutexGuard g(regroup_lock_);
	std::uint32_t keep =
		p.has(LNET_PEER_CONFIGURED) ? p.state.load() & LNET_PEER_MULTI_RAIL : 0;
	p.state.fetch_or(set | keep, std::memory_order_acq_rel);
	p.state.fetch_and(~(all & ~(set | keep)), std::memory_order_acq_rel);

	for (const PingEntryInfo &e : info.nids)
		if (auto ni = core_.peers().find(e.nid))
			ni->announced.store(e.status, std::memory_order_relaxed);
	cfs::Result<> r;
	if (enabled.load(std::memory_order_relaxed) && multi_rail)
		r = merge(p, info);
	else if (!multi_rail && p.count() > 1 && !p.has(LNET_PEER_CONFIGURED))
		split(p);
	if (r)
		p.state.fetch_or(LNET_PEER_NIDS_UPTODATE, std::memory_order_acq_rel);
	p.state.fetch_and(~LNET_PEER_FORCE_PING, std::memory_order_acq_rel);
	return r;
}

// ---- grouping ----

void Discovery::move(PeerNi &ni, Peer &to) noexcept
{
	auto keep = cfs::RefPtr<PeerNi>::share(&ni);
	auto old = ni.peer();
	if (old.get() == &to)
		return;
	if (old)
		old->remove(ni);
	to.add(ni);
	if (!old || old->count() > 0)
		return;
	// Whoever waits for the old one finds the new one.
	cfs::SpinGuard g(lock_);
	if (!stopping_)
		enqueue(*old);
}

cfs::Result<> Discovery::single_out(PeerNi &ni) noexcept
{
	auto own = TRY(cfs::try_make_ref<Peer>(ni.nid()));
	auto old = ni.peer();
	auto keep = cfs::RefPtr<PeerNi>::share(&ni);
	old->remove(ni);
	own->add(ni);
	return {};
}

void Discovery::split(Peer &p) noexcept
{
	Nid first = p.primary();
	while (auto ni = p.find_if([&](PeerNi &n) { return n.nid() != first; }))
		if (!single_out(*ni))
			return; // it stays for the next time
}

void Discovery::drop_unlisted(Peer &p, const PingInfo &info) noexcept
{
	bool fixed = p.has(LNET_PEER_LOCK_PRIMARY) || p.has(LNET_PEER_CONFIGURED);
	Nid primary = p.primary();
	auto surplus = [&](PeerNi &n) {
		if (fixed && n.nid() == primary)
			return false;
		return std::none_of(info.nids.begin(), info.nids.end(),
				    [&](const PingEntryInfo &e) { return e.nid == n.nid(); });
	};
	while (auto ni = p.find_if(surplus))
		if (!single_out(*ni))
			return;
}

cfs::Result<> Discovery::merge(Peer &p, const PingInfo &info) noexcept
{
	if (info.nids.size() == 0)
		return {};
	// The peer that has the listed primary NID, locked, takes this one in.
	auto first = core_.peers().find(info.nids[0].nid);
	auto other = first ? first->peer() : nullptr;
	cfs::RefPtr<Peer> into = cfs::RefPtr<Peer>::share(&p);
	if (other && other.get() != &p && other->has(LNET_PEER_LOCK_PRIMARY) &&
	    !p.has(LNET_PEER_LOCK_PRIMARY)) {
		into = other;
		into->contact = p.contact;
		into->reply_to = p.reply_to;
		into->acknowledged.store(p.acknowledged.load());
		constexpr std::uint32_t told =
			LNET_PEER_NO_DISCOVERY | LNET_PEER_MULTI_RAIL | LNET_PEER_ROUTER_ENABLED;
		into->state.fetch_or(p.state.load() & told, std::memory_order_acq_rel);
	}
	for (const PingEntryInfo &e : info.nids) {
		if (e.nid.is_lo() || e.nid.is_any() || e.nid.is_none() || core_.is_local(e.nid))
			continue;
		auto ni = TRY(core_.peer_ni(e.nid));
		ni->announced.store(e.status, std::memory_order_relaxed);
		auto has = ni->peer();
		// What an administrator or a server's list has put elsewhere stays there.
		if (has.get() != into.get() && has.get() != &p &&
		    (has->has(LNET_PEER_LOCK_PRIMARY) || has->has(LNET_PEER_CONFIGURED)))
			continue;
		move(*ni, *into);
	}
	drop_unlisted(*into, info);
	if (into.get() != &p) {
		while (auto ni = p.find_if([](PeerNi &) { return true; }))
			move(*ni, *into);
		into->state.fetch_or(LNET_PEER_NIDS_UPTODATE, std::memory_order_acq_rel);
		start(*into, false);
	}
	Nid listed = info.nids[0].nid;
	if (!into->has(LNET_PEER_LOCK_PRIMARY) &&
	    into->find_if([&](PeerNi &n) { return n.nid() == listed; }))
		into->set_primary(listed);
	return {};
}

cfs::Result<> Discovery::add_peer(std::span<const Nid> nids, bool lock_primary) noexcept
{
	cfs::RefPtr<Peer> first;
	bool on = enabled.load(std::memory_order_relaxed);
	for (const Nid &nid : nids) {
		if (nid.is_lo())
			continue;
		auto ni = TRY(core_.peer_ni(nid));
		auto p = ni->peer();
		if (!on)
			continue;
		if (!first) {
			first = p;
			if (lock_primary)
				p->state.fetch_or(LNET_PEER_LOCK_PRIMARY,
						  std::memory_order_acq_rel);
		}
		// In the background; what answers is merged under the first.
		start(*p, false);
	}
	return {};
}

cfs::Result<> Discovery::configure(const Nid &primary, std::span<const Nid> nids, bool multi_rail,
				   bool lock_primary) noexcept
{
	auto first = TRY(core_.peer_ni(primary));
	cfs::MutexGuard g(regroup_lock_);
	auto p = first->peer();
	if (p->primary() != primary)
		return cfs::fail(EXIST); // another peer's NID
	if (!nids.empty() && !multi_rail)
		return cfs::fail(INVAL);
	std::uint32_t set = LNET_PEER_CONFIGURED | (multi_rail ? LNET_PEER_MULTI_RAIL : 0u) |
			    (lock_primary ? LNET_PEER_LOCK_PRIMARY : 0u);
	p->state.fetch_or(set, std::memory_order_acq_rel);
	for (const Nid &nid : nids) {
		auto ni = TRY(core_.peer_ni(nid));
		if (ni->peer()->has(LNET_PEER_CONFIGURED) && ni->peer().get() != p.get())
			return cfs::fail(EXIST);
		move(*ni, *p);
	}
	return {};
}

cfs::Result<> Discovery::forget(const Nid &primary, std::span<const Nid> nids) noexcept
{
	auto first = core_.peers().find(primary);
	if (!first)
		return cfs::fail(NOENT);
	cfs::MutexGuard g(regroup_lock_);
	auto p = first->peer();
	if (p->primary() != primary)
		return cfs::fail(NOENT);
	for (const Nid &nid : nids) {
		auto ni = p->find_if([&](PeerNi &n) { return n.nid() == nid; });
		if (!ni)
			return cfs::fail(NOENT);
		if (nid == primary && p->count() > 1)
			return cfs::fail(BUSY);
		TRY(single_out(*ni));
	}
	if (nids.empty()) {
		p->state.fetch_and(~(LNET_PEER_CONFIGURED | LNET_PEER_LOCK_PRIMARY |
				     LNET_PEER_MULTI_RAIL | LNET_PEER_DISCOVERED |
				     LNET_PEER_NIDS_UPTODATE),
				   std::memory_order_acq_rel);
		split(*p);
	}
	return {};
}

void Discovery::list_changed(std::uint32_t sequence) noexcept
{
	sequence_.store(sequence, std::memory_order_release);
	if (!enabled.load(std::memory_order_relaxed))
		return;
	core_.peers().collect([&](cfs::RefPtr<Peer> p) {
		if (p->multi_rail() && p->has(LNET_PEER_DISCOVERED))
			start(*p, false);
	});
}

} // namespace lnet
