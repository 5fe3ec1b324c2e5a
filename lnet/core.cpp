// SPDX-License-Identifier: GPL-2.0
//
// LNet of one node: life, configuration, MDs. The message path is in send.cpp and receive.cpp.

#include "lnet/core.hpp"

#include <algorithm>

#include "libcfs/node.hpp"

namespace lnet
{

using namespace cfs::err;

namespace
{

/// How long destroy() waits before it says what it is waiting for.
constexpr auto kIdleWarning = cfs::Duration::seconds(10);

} // namespace

Msg::Msg(Core &core) noexcept : core_(core) {}
Msg::~Msg() = default;

void Msg::destroy() noexcept
{
	core_.free_msg(*this);
}

cfs::Result<cfs::UniquePtr<Core>> Core::create(cfs::Node &node, std::uint64_t cookie) noexcept
{
	auto core = TRY(cfs::try_make<Core>(node, cookie));
	TRY(core->init());
	return core;
}

cfs::Result<> Core::init() noexcept
{
	TRY(cfs::to_result(
		cfs_cache_create(kSubsys, "lnet_msgs", sizeof(Msg), alignof(Msg), &msg_cache_)));
	TRY(mds_.init());
	TRY(peers_.init());
	portals_ = TRY(cfs::Array<cfs::UniquePtr<Portal>>::make(kSubsys, wire::LNET_MAX_PORTALS));
	for (std::uint32_t i = 0; i < portals_.size(); i++)
		portals_[i] = TRY(cfs::try_make<Portal>());
	TRY(set_lazy(wire::LNET_RESERVED_PORTAL, true));
	TRY(add_ni(loopback_, make_net(LndType::lo, 0), {}));
	TRY(discovery_.init());
	return monitor_.start<&Core::run_monitor>(node_.plat(), "lnet_monitor", this);
}

void Core::destroy() noexcept
{
	stop_monitor();
	stopping_.store(true, std::memory_order_release);
	discovery_.stop();
	HeldList held;
	for (auto &p : portals_)
		if (p)
			p->set_lazy(false, held);
	drop_held(held, "LNet is stopping");
	{
		cfs::MutexGuard g(config_lock_);
		if (ping_target_)
			ping_target_->withdraw(*this);
		ping_target_.reset();
	}
	for (auto &slot : nis_)
		if (Ni *ni = slot.load(std::memory_order_relaxed))
			take_down(*ni);
	auto idle = [this] { return msgs_live_.load(std::memory_order_acquire) == 0; };
	while (!idle_.wait(cfs::WaitMode::idle, cfs::after(kIdleWarning), idle))
		CWARN(kSubsys, "still {} messages in flight while LNet stops; waiting",
		      msgs_live_.load(std::memory_order_relaxed));
	cfs_rcu_synchronize(); // whoever freed the last one has left free_msg()
	router_.disable();
	routes_.clear();
	peers_.clear();
	if (msg_cache_)
		cfs_cache_destroy(msg_cache_);
	this->~Core();
	cfs_free(kSubsys, this, sizeof(*this));
}

cfs::UniquePtr<Msg> Core::new_msg() noexcept
{
	void *mem = stopping_.load(std::memory_order_acquire)
			    ? nullptr
			    : cfs_cache_alloc(msg_cache_, CFS_ALLOC_DEFAULT);
	if (!mem) {
		stats_.no_memory.fetch_add(1, std::memory_order_relaxed);
		return nullptr;
	}
	auto live = msgs_live_.fetch_add(1, std::memory_order_relaxed) + 1;
	auto max = stats_.msgs_max.load(std::memory_order_relaxed);
	while (live > max && !stats_.msgs_max.compare_exchange_weak(max, live)) {
	}
	auto *m = ::new (mem) Msg(*this);
	m->tx.lnet_private = m;
	return cfs::UniquePtr<Msg>(m);
}

void Core::free_msg(Msg &m) noexcept
{
	m.~Msg();
	cfs_cache_free(msg_cache_, &m);
	cfs::RcuGuard rcu; // destroy() waits for those who are here
	if (msgs_live_.fetch_sub(1, std::memory_order_acq_rel) == 1 &&
	    stopping_.load(std::memory_order_acquire))
		idle_.wake_all();
}

// ---- MDs ----

cfs::Result<MdHandle> Core::add_md(const MdSpec &spec, const MatchSpec *match) noexcept
{
	if (!extent_ok(spec.buffer, 0, spec.buffer.length))
		return cfs::fail(INVAL);
	if (stopping_.load(std::memory_order_acquire))
		return cfs::fail(SHUTDOWN);
	bool target = (spec.options & (LNET_MD_OP_PUT | LNET_MD_OP_GET)) != 0;
	if (target != (match != nullptr) || spec.threshold == 0)
		return cfs::fail(INVAL);
	if (!match && spec.buffer.length > wire::LNET_MTU)
		return cfs::fail(INVAL);

	auto md = TRY(cfs::try_make_ref<Md>(mds_.new_handle(), spec, match));
	mds_.insert(*md);
	if (!match)
		return md->handle();
	HeldList retry;
	auto r = portals_[match->portal]->attach(*md, retry);
	if (!r) {
		mds_.remove(*md);
		return cfs::fail(r.error());
	}
	MdHandle h = md->handle();
	retry_held(retry, *md, *r);
	return h;
}

cfs::Result<MdHandle> Core::attach(const MatchSpec &match, const MdSpec &md) noexcept
{
	if (match.portal >= wire::LNET_MAX_PORTALS)
		return cfs::fail(INVAL);
	return add_md(md, &match);
}

cfs::Result<MdHandle> Core::bind(const MdSpec &md) noexcept
{
	return add_md(md, nullptr);
}

cfs::Result<> Core::unlink(MdHandle h) noexcept
{
	auto md = mds_.find(h);
	if (!md)
		return cfs::fail(NOENT);
	mds_.remove(*md);
	if (md->attached())
		portals_[md->match_spec().portal]->detach(*md);
	return md->unlink();
}

cfs::Result<> Core::set_lazy(std::uint32_t portal, bool lazy) noexcept
{
	if (portal >= wire::LNET_MAX_PORTALS)
		return cfs::fail(INVAL);
	HeldList dropped;
	portals_[portal]->set_lazy(lazy, dropped);
	drop_held(dropped, "portal closed");
	return {};
}

void Core::drop_held(HeldList &list, const char *why) noexcept
{
	while (!list.empty()) {
		auto &m = static_cast<Msg &>(list.front());
		list.pop_front();
		drop_msg(m, why);
	}
}

// ---- interfaces ----

cfs::Result<Nid> Core::add_ni(Lnd &lnd, Net net, std::string_view if_name,
			      const NiWishes &wishes) noexcept
{
	auto ni = TRY(cfs::try_make_ref<Ni>(*this, net));
	TRY(ni->start(lnd, node_, if_name, wishes));
	auto stop = cfs::ScopeExit([&] { stop_ni(*ni); });
	cfs::MutexGuard g(config_lock_);
	if (ni_by_nid(ni->nid()))
		return cfs::fail(EXIST);
	if (!wishes.cpts.empty())
		some_bound_.store(true, std::memory_order_relaxed);
	auto *slot = std::find_if(std::begin(nis_), std::end(nis_),
				  [](auto &s) { return !s.load(std::memory_order_relaxed); });
	if (slot == std::end(nis_))
		return cfs::fail(NOSPC);
	ni->get();
	slot->store(ni.get(), std::memory_order_release);
	cfs::Result<> r = ni->driver().open();
	if (r)
		r = rebuild_ping_target();
	if (!r) {
		slot->store(nullptr, std::memory_order_release);
		cfs_rcu_synchronize();
		ni->put();
		return cfs::fail(r.error());
	}
	stop.dismiss();
	const NiTunables &t = ni->tunables();
	if (!ni->nid().is_lo())
		LCONSOLE_INFO(kSubsys, "Added LNI {} [{}/{}/{}/{}]", ni->nid(), t.peer_credits,
			      t.credits, t.peer_buffer_credits, t.peer_timeout);
	return ni->nid();
}

cfs::Result<> Core::del_ni(const Nid &nid) noexcept
{
	if (nid.is_lo())
		return cfs::fail(BUSY);
	auto ni = ni_by_nid(nid);
	if (!ni)
		return cfs::fail(NOENT);
	take_down(*ni);
	LCONSOLE_INFO(kSubsys, "Removed LNI {}", nid);
	cfs::MutexGuard g(config_lock_);
	return rebuild_ping_target();
}

void Core::take_down(Ni &ni) noexcept
{
	{
		cfs::MutexGuard g(config_lock_);
		auto *slot = std::find_if(std::begin(nis_), std::end(nis_), [&](auto &s) {
			return s.load(std::memory_order_relaxed) == &ni;
		});
		if (slot == std::end(nis_))
			return; // somebody else takes it down
		slot->store(nullptr, std::memory_order_release);
	}
	cfs_rcu_synchronize();
	stop_ni(ni);
	ni.put();
}

void Core::stop_ni(Ni &ni) noexcept
{
	// What a lazy portal holds is still with the driver, which waits for it. What waits for a
	// credit follows by itself: the driver gives back what it has, and fails at once whatever
	// then comes.
	ni.closing.store(true, std::memory_order_relaxed);
	HeldList held;
	for (auto &p : portals_)
		if (p)
			p->take_held_if(held, [&](HeldMessage &h) {
				return static_cast<Msg &>(h).ni.get() == &ni;
			});
	drop_held(held, "interface goes down");
	router_.drop_of(ni);
	ni.stop();
}

cfs::Result<> Core::rebuild_ping_target() noexcept
{
	std::array<PingEntryInfo, kNisMax> list;
	std::size_t n = 0;
	for (auto &slot : nis_) {
		Ni *ni = slot.load(std::memory_order_relaxed);
		if (ni && !ni->nid().is_lo())
			list[n++] = {ni->nid(), ni->announced_up() ? wire::LNET_NI_STATUS_UP
								   : wire::LNET_NI_STATUS_DOWN};
	}
	std::uint32_t features = wire::LNET_PING_FEAT_NI_STATUS | wire::LNET_PING_FEAT_MULTI_RAIL;
	if (!router_.enabled())
		features |= wire::LNET_PING_FEAT_RTE_DISABLED;
	if (settings_.discovery)
		features |= wire::LNET_PING_FEAT_DISCOVERY;
	auto buf = TRY(build_ping(features, ping_sequence_ + 1, std::span(list).first(n)));
	auto fresh = TRY(cfs::try_make_ref<PingTarget>(std::move(buf), ping_sequence_ + 1));
	TRY(fresh->publish(*this));
	ping_sequence_++;
	if (ping_target_)
		ping_target_->withdraw(*this);
	ping_target_ = std::move(fresh);
	discovery_.list_changed(ping_sequence_);
	return {};
}

void Core::local_state_changed() noexcept
{
	list_stale_.store(true, std::memory_order_release);
	kick();
}

cfs::RefPtr<PingTarget> Core::ping_list() noexcept
{
	cfs::MutexGuard g(config_lock_);
	return ping_target_;
}

cfs::Result<cfs::RefPtr<PeerNi>> Core::peer_ni(const Nid &nid) noexcept
{
	if (nid.is_any() || nid.is_none())
		return cfs::fail(INVAL);
	if (auto known = peers_.find(nid))
		return known;
	int credits = static_cast<int>(NiTunables{}.peer_credits);
	int router = 0;
	{
		cfs::RcuGuard rcu;
		for (auto &slot : nis_)
			if (Ni *ni = slot.load(std::memory_order_acquire);
			    ni && ni->net() == nid.net()) {
				credits = static_cast<int>(ni->tunables().peer_credits);
				router = static_cast<int>(ni->tunables().peer_buffer_credits);
			}
	}
	return peers_.get(nid, credits, router ? router : credits);
}

// ---- settings and routes ----

void Core::reset_statistics() noexcept
{
	for (auto *v : {&stats_.msgs_max, &stats_.errors, &stats_.send_count, &stats_.recv_count,
			&stats_.drop_count, &stats_.send_length, &stats_.recv_length,
			&stats_.drop_length, &stats_.no_memory, &stats_.resend_count,
			&stats_.response_timeout_count, &stats_.route_count, &stats_.route_length})
		v->store(0, std::memory_order_relaxed);
	for (auto &v : stats_.by_status)
		v.store(0, std::memory_order_relaxed);
}

Settings Core::settings() noexcept
{
	cfs::MutexGuard g(config_lock_);
	return settings_;
}

cfs::Result<> Core::set_settings(const Settings &s) noexcept
{
	TRY(check_settings(s));
	cfs::MutexGuard g(config_lock_);
	bool announce = settings_.discovery != s.discovery;
	settings_ = s;
	live_.drop_asym_route.store(s.drop_asym_route);
	live_.retry_count.store(s.retry_count);
	live_.health_sensitivity.store(s.health_sensitivity);
	live_.response_tracking.store(s.response_tracking);
	live_.transaction_timeout.store(s.transaction_timeout);
	live_.message_life.store(s.lnd_timeout() * (s.retry_count + 1) + 1);
	discovery_.enabled.store(s.discovery);
	return announce ? rebuild_ping_target() : cfs::Result<>{};
}

cfs::Result<> Core::add_route(const RouteSpec &s) noexcept
{
	constexpr std::uint32_t kHopsMax = 255;
	if (s.net == Net::any || net_type(s.net) == LndType::lo || s.gateway.is_any() ||
	    s.gateway.is_none() || s.gateway.is_lo() || s.gateway.net() == s.net ||
	    (s.hops != RouteSpec::kHopsUnset && (s.hops < 1 || s.hops > kHopsMax)))
		return cfs::fail(INVAL);
	if (on_net(s.net))
		return cfs::fail(EXIST);
	if (!on_net(s.gateway.net()))
		return cfs::fail(HOSTUNREACH);
	auto gw = TRY(peer_ni(s.gateway));
	TRY(routes_.add(TRY(cfs::try_make_ref<Route>(s, std::move(gw)))));
	kick();
	return {};
}

cfs::Result<> Core::del_route(Net net, const Nid &gateway) noexcept
{
	return routes_.remove(net, gateway);
}

cfs::Result<> Core::set_routing(bool on, const std::uint32_t (&counts)[Router::kPools]) noexcept
{
	if (on == router_.enabled())
		return {};
	if (on)
		TRY(router_.enable(counts));
	else
		router_.disable();
	auto now = cfs_now_ns();
	for_each_ni([&](Ni &ni) { ni.last_ping_ns.store(now, std::memory_order_relaxed); });
	cfs::MutexGuard g(config_lock_);
	return rebuild_ping_target();
}

// ---- services for users ----

Nid Core::primary_nid(const Nid &nid) noexcept
{
	if (nid.is_lo())
		return nid;
	auto ni = peer_ni(nid);
	if (!ni)
		return nid;
	// Of a peer from a server's list the primary is known; it is looked at in the background.
	auto p = (*ni)->peer();
	bool settled = !discovery_.enabled.load(std::memory_order_relaxed) ||
		       discovery_.up_to_date(*p) || is_local(nid);
	if (!settled && p->has(LNET_PEER_LOCK_PRIMARY))
		discovery_.start(*p, false);
	else if (!settled) // what is known will do when it fails
		(void)discovery_.wait(nid, false, cfs::WaitMode::killable, cfs::Instant::never());
	return (*ni)->primary();
}

cfs::Result<> Core::add_peer(std::span<const Nid> nids) noexcept
{
	return discovery_.add_peer(nids, settings().lock_prim_nid != 0);
}

cfs::Result<Distance> Core::distance(const Nid &nid) noexcept
{
	cfs::RcuGuard rcu;
	for (unsigned i = 0; i < kNisMax; i++) {
		Ni *ni = nis_[i].load(std::memory_order_acquire);
		if (ni && ni->nid() == nid)
			return Distance{0, nid.is_lo() ? 0u : 1u, nid};
	}
	for (unsigned i = 0; i < kNisMax; i++) {
		Ni *ni = nis_[i].load(std::memory_order_acquire);
		if (ni && ni->net() == nid.net())
			return Distance{1, 2 + i, ni->nid()};
	}
	cfs::RefPtr<Route> best = routes_.pick(nid.net(), [](Route &) { return true; });
	auto ni = best ? best_ni(best->spec.gateway.net()) : nullptr;
	if (!ni)
		return cfs::fail(HOSTUNREACH);
	return Distance{best->hops() + 1, static_cast<unsigned>(2 + kNisMax) + best->hops(),
			ni->nid()};
}

cfs::Result<Nid> Core::local_nid(unsigned n) noexcept
{
	cfs::RcuGuard rcu;
	for (auto &slot : nis_) {
		Ni *ni = slot.load(std::memory_order_acquire);
		if (ni && !ni->nid().is_lo() && n-- == 0)
			return ni->nid();
	}
	return cfs::fail(NOENT);
}

bool Core::is_local(const Nid &nid) noexcept
{
	return static_cast<bool>(ni_by_nid(nid));
}

unsigned Core::cpt_of(const Nid &nid) noexcept
{
	// Where an interface on its network works; anywhere when there is none.
	CptSet cpts;
	if (some_bound_.load(std::memory_order_relaxed)) {
		cfs::RcuGuard rcu;
		for (auto &slot : nis_)
			if (Ni *ni = slot.load(std::memory_order_acquire);
			    ni && ni->net() == nid.net())
				cpts.add(ni->cpts());
	}
	return cpts.empty() ? nid.hash() % cfs_cpt_count() : cpts.nth(nid.hash() % cpts.count());
}

void Core::peer_alive(const Nid &hop, bool alive) noexcept
{
	if (auto p = peers_.find(hop)) {
		p->alive.store(alive, std::memory_order_relaxed);
		if (alive)
			p->last_heard_ns.store(cfs_now_ns(), std::memory_order_relaxed);
	}
}

// ---- user ping ----

namespace
{

/// One ping under way. Shared by the waiter and the MD's events: whoever goes last frees it.
class PingWait final : public EventHandler, public cfs::RefCounted<PingWait>
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LNET;

	explicit PingWait(cfs::Array<std::byte> sink) noexcept : sink_(std::move(sink)) {}
	void destroy() noexcept
	{
		this->~PingWait();
		cfs_free(kSubsys, this, sizeof(*this));
	}
	void on_event(const Event &ev) noexcept override
	{
		bool failed = ev.status != cfs::Errno{};
		if (ev.type == EventType::reply && !failed)
			length_ = ev.mlength;
		if (failed && status_ == cfs::Errno{})
			status_ = ev.status;
		if (ev.type == EventType::reply || failed)
			answered_.complete();
		if (ev.unlinked) {
			ended_.complete();
			put();
		}
	}
	cfs::Array<std::byte> sink_;
	cfs::Completion answered_{CFS_LOCK_CLASS("lnet ping answer")};
	cfs::Completion ended_{CFS_LOCK_CLASS("lnet ping end")};
	cfs::Errno status_{};
	std::uint32_t length_ = 0;
};

/// As much as `lnetctl ping` offers (section 7.2).
constexpr std::size_t kPingSink = 3960;

} // namespace

cfs::Result<PingInfo> Core::ping(const ProcessId &target, const Nid &source,
				 cfs::Instant deadline) noexcept
{
	auto sink = TRY(cfs::Array<std::byte>::make(kSubsys, kPingSink));
	auto wait = TRY(cfs::try_make_ref<PingWait>(std::move(sink)));
	MdSpec md;
	md.buffer.linear = wait->sink_.data();
	md.buffer.length = kPingSink;
	md.threshold = 2; // SEND and REPLY
	md.options = LNET_MD_TRUNCATE;
	md.handler = wait.get();
	wait->get(); // the MD's
	auto h = bind(md);
	if (!h) {
		wait->put();
		return cfs::fail(h.error());
	}
	auto sent = get(source, *h, target, wire::LNET_RESERVED_PORTAL,
			wire::LNET_PROTO_PING_MATCHBITS, 0);
	cfs::Result<> answered = sent;
	if (sent)
		answered = wait->answered_.wait(cfs::WaitMode::killable, deadline);
	(void)unlink(*h); // it may have ended by itself
	// The driver still owns the message of a send that has not completed; its time-out ends
	// that.
	TRY(wait->ended_.wait(cfs::WaitMode::idle, cfs::Instant::never()));
	TRY(answered);
	if (wait->status_ != cfs::Errno{})
		return cfs::fail(wait->status_);
	return parse_ping(cfs::Bytes(wait->sink_.data(), wait->length_));
}

} // namespace lnet
