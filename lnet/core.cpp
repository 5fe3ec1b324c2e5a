// SPDX-License-Identifier: GPL-2.0
//
// LNet of one node: life, configuration, MDs. The message path is in send.cpp and receive.cpp.

#include "lnet/core.hpp"

#include <algorithm>

namespace lnet
{

using namespace cfs::err;

namespace
{

/// How long destroy() waits before it says what it is waiting for.
constexpr auto kIdleWarning = cfs::Duration::seconds(10);

} // namespace

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
	return {};
}

void Core::destroy() noexcept
{
	stopping_.store(true, std::memory_order_release);
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

cfs::Result<Nid> Core::add_ni(Lnd &lnd, Net net, std::string_view if_name) noexcept
{
	auto ni = TRY(cfs::try_make_ref<Ni>(*this, net));
	TRY(ni->start(lnd, node_, if_name));
	auto stop = cfs::ScopeExit([&] { stop_ni(*ni); });
	cfs::MutexGuard g(config_lock_);
	if (ni_by_nid(ni->nid()))
		return cfs::fail(EXIST);
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
	ni.stop();
}

cfs::Result<> Core::rebuild_ping_target() noexcept
{
	std::array<PingEntryInfo, kNisMax> list;
	std::size_t n = 0;
	for (auto &slot : nis_) {
		Ni *ni = slot.load(std::memory_order_relaxed);
		if (ni && !ni->nid().is_lo())
			list[n++] = {ni->nid(), ni->up() ? wire::LNET_NI_STATUS_UP
							 : wire::LNET_NI_STATUS_DOWN};
	}
	// Multi-rail without discovery: peers use the NIDs they were told and push nothing
	// (section 7.4).
	constexpr std::uint32_t features = wire::LNET_PING_FEAT_NI_STATUS |
					   wire::LNET_PING_FEAT_RTE_DISABLED |
					   wire::LNET_PING_FEAT_MULTI_RAIL;
	auto buf = TRY(build_ping(features, ++ping_sequence_, std::span(list).first(n)));
	auto fresh = TRY(cfs::try_make_ref<PingTarget>(std::move(buf)));
	TRY(fresh->publish(*this));
	if (ping_target_)
		ping_target_->withdraw(*this);
	ping_target_ = std::move(fresh);
	return {};
}

void Core::local_state_changed() noexcept
{
	cfs::MutexGuard g(config_lock_);
	if (auto r = rebuild_ping_target(); !r)
		CERROR(kSubsys, "cannot announce the new interface state to peers: {}", r.error());
}

// ---- services for users ----

Nid Core::primary_nid(const Nid &nid) noexcept
{
	if (nid.is_lo())
		return nid;
	auto p = peers_.find(nid);
	return p ? p->primary() : nid;
}

cfs::Result<> Core::add_peer(std::span<const Nid> nids) noexcept
{
	for (const Nid &nid : nids) {
		if (nid.is_lo())
			continue;
		(void)TRY(peers_.get(nid, credits_for(nid)));
	}
	return {};
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
	return cfs::fail(HOSTUNREACH);
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
	return nid.hash() % cfs_cpt_count();
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

} // namespace lnet
