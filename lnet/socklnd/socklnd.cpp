// SPDX-License-Identifier: GPL-2.0
//
// The driver of a node: its threads, its listener, its clock; see socklnd.hpp.

#include "lnet/socklnd/socklnd.hpp"

#include <algorithm>

namespace lnet::sock
{

using namespace cfs::err;

// ---- scheduler ----

namespace
{

constexpr std::size_t kScratchBytes = 4096;
constexpr unsigned kEventsMax = 32;
constexpr std::uint32_t kSchedulersPerCptMax = 16;

} // namespace

Scheduler::~Scheduler()
{
	stop();
	if (poller_)
		cfs_poller_destroy(poller_);
}

cfs::Result<> Scheduler::start(cfs_node *node, unsigned cpt, unsigned index) noexcept
{
	scratch_ = TRY(cfs::Array<std::byte>::make(kSubsys, kScratchBytes));
	TRY(cfs::to_result(cfs_poller_create(node, &poller_)));
	char name[16];
	cfs::format_cstr(name, "socknal_sd{:02}_{:02}", cpt, index);
	return thread_.start<&Scheduler::run>(node, name, this, static_cast<int>(cpt));
}

void Scheduler::stop() noexcept
{
	stop_.store(true, std::memory_order_release);
	if (poller_)
		cfs_poller_kick(poller_);
	thread_.join();
}

void Scheduler::post(Conn &c, std::uint32_t events) noexcept
{
	{
		cfs::SpinGuard g(lock_);
		c.pending |= events;
		if (c.scheduled)
			return;
		c.scheduled = true;
		c.get();
		ready_.push_back(c);
	}
	// The scheduler itself looks before it sleeps.
	if (cfs_thread_pid() != pid_.load(std::memory_order_relaxed))
		cfs_poller_kick(poller_);
}

cfs::RefPtr<Conn> Scheduler::next(std::uint32_t &events) noexcept
{
	cfs::SpinGuard g(lock_);
	if (ready_.empty())
		return nullptr;
	Conn &c = ready_.front();
	ready_.pop_front();
	// What is posted from here on queues it anew.
	c.scheduled = false;
	events = std::exchange(c.pending, 0u);
	return cfs::RefPtr<Conn>::adopt(&c);
}

bool Scheduler::has_ready() noexcept
{
	cfs::SpinGuard g(lock_);
	return !ready_.empty();
}

void Scheduler::run() noexcept
{
	cfs_poll_event ev[kEventsMax];
	pid_.store(cfs_thread_pid(), std::memory_order_relaxed);
	for (;;) {
		std::uint32_t events = 0;
		bool any = false;
		for (unsigned i = 0; i < kEventsMax; i++) {
			auto c = next(events);
			if (!c)
				break;
			any = true;
			c->process({scratch_.data(), scratch_.size()});
		}
		// Connections that still have something come first; then whatever the poller has by
		// now.
		bool stop = stop_.load(std::memory_order_acquire);
		if (stop && !any)
			return;
		bool more = has_ready();
		if (any || more)
			cfs_yield(); // under load there is more by then, and it never sleeps
		int n = cfs_poller_wait(poller_, ev, kEventsMax, more || stop ? 0 : CFS_NEVER);
		for (int i = 0; i < n; i++) {
			// The reference taken here keeps it when process() of an earlier one
			// removes it.
			static_cast<Conn *>(ev[i].ctx)->post(ev[i].events);
		}
	}
}

// ---- driver ----

SockLnd::~SockLnd()
{
	stop_.store(true, std::memory_order_release);
	if (watch_)
		cfs_netif_watch_stop(watch_);
	(void)check_.cancel_sync();
	if (listen_poller_)
		cfs_poller_kick(listen_poller_);
	acceptor_.join();
	(void)timer_.cancel_sync();
	accepts_.destroy();
	connds_.destroy();
	reaper_.destroy();
	for (auto &s : schedulers_)
		if (s)
			s->stop();
	if (listen_poller_)
		cfs_poller_destroy(listen_poller_);
}

cfs::Result<> SockLnd::start() noexcept
{
	incarnation_ = cfs_real_ns();
	unsigned cpts = cfs_cpt_count();
	std::uint32_t per = tunables.nscheds;
	if (per == 0) // half of the CPUs: the other half runs what the messages are for
		per = std::max(1u, cfs_cpt_weight(0) / 2);
	per = std::min(per, kSchedulersPerCptMax);
	per_cpt_ = per;
	schedulers_ = TRY(cfs::Array<cfs::UniquePtr<Scheduler>>::make(kSubsys, cpts * per));
	for (unsigned i = 0; i < schedulers_.size(); i++) {
		schedulers_[i] = TRY(cfs::try_make<Scheduler>());
		TRY(schedulers_[i]->start(node_, i / per, i % per));
	}
	TRY(connds_.create(node_, "socknal_cd", tunables.nconnds_max));
	TRY(accepts_.create(node_, "acceptor_hs", tunables.nconnds_max));
	TRY(reaper_.create(node_, "socknal_reaper", 1));
	TRY(cfs::to_result(cfs_poller_create(node_, &listen_poller_)));
	TRY(acceptor_.start<&SockLnd::accept_loop>(node_, "acceptor", this));
	TRY(cfs::to_result(cfs_netif_watch_start(node_, interfaces_changed, this, &watch_)));
	timer_.arm(reaper_, cfs::after(cfs::Duration::seconds(1)));
	return {};
}

Scheduler &SockLnd::scheduler_for(const Nid &peer, const CptSet &cpts) noexcept
{
	// Connections of one peer are spread: a bulk transfer must not hold up its control
	// messages.
	std::size_t n = peer.hash() + spread_.fetch_add(1, std::memory_order_relaxed);
	if (cpts.empty())
		return *schedulers_[n % schedulers_.size()];
	n %= cpts.count() * per_cpt_;
	auto cpt = cpts.nth(static_cast<unsigned>(n / per_cpt_));
	return *schedulers_[cpt * per_cpt_ + n % per_cpt_];
}

// ---- interfaces ----

namespace
{

/// The node's interfaces, an entry for each address.
struct Netifs {
	cfs::Array<cfs_netif> all;
	std::size_t count = 0;

	[[nodiscard]] std::span<const cfs_netif> list() const noexcept
	{
		return {all.data(), count};
	}
};

/// err::NOSPC: more than anybody needs.
cfs::Result<Netifs> netifs_of(cfs_node *node) noexcept
{
	constexpr unsigned kFirst = 128, kMax = 8192;
	for (unsigned max = kFirst; max <= kMax; max *= 8) {
		Netifs out;
		out.all = TRY(cfs::Array<cfs_netif>::make(SockLnd::kSubsys, max));
		int n = cfs_netif_list(node, out.all.data(), max);
		TRY(cfs::to_result(n));
		out.count = static_cast<std::size_t>(n);
		if (out.count < max)
			return out;
	}
	return cfs::fail(NOSPC);
}

bool same_address(const cfs_sockaddr &a, const cfs_sockaddr &b) noexcept
{
	return a.length == b.length && a.ifindex == b.ifindex &&
	       std::equal(a.bytes, a.bytes + a.length, b.bytes);
}

/// Which of an interface's addresses is its NID: IPv4 is what every peer understands; a link-local
/// one means something else on every other node.
int preference(const cfs_netif &i) noexcept
{
	return i.addr.length == 4 ? 2 : i.addr.ifindex == 0 ? 1 : 0;
}

/// Whether an address of ours is on an interface with a link. The loopback interface has every
/// address of its network.
bool works(const cfs_netif &ours, std::span<const cfs_netif> list) noexcept
{
	return std::any_of(list.begin(), list.end(), [&](const cfs_netif &i) {
		bool ours_too = same_address(i.addr, ours.addr) ||
				(i.loopback && std::string_view(i.name) == ours.name);
		return ours_too && i.up && i.link;
	});
}

} // namespace

cfs::Result<cfs::UniquePtr<NetworkInterface>>
SockLnd::startup(cfs::Node &, Net net, std::string_view if_name, Upcalls &up) noexcept
{
	auto netifs = TRY(netifs_of(node_));
	const cfs_netif *found = nullptr;
	for (const cfs_netif &i : netifs.list()) {
		bool wanted = if_name.empty() ? i.up && !i.loopback : if_name == i.name;
		bool better = found && std::string_view(found->name) == i.name &&
			      preference(i) > preference(*found);
		if (wanted && (!found || better))
			found = &i;
	}
	if (!found || !found->up) {
		LCONSOLE_ERROR(kSubsys, "network {}: interface '{:e}' {}; see `ip address`", net,
			       if_name, found ? "is down" : "does not exist or has no address");
		return cfs::fail(found ? NETDOWN : NODEV);
	}
	return cfs::UniquePtr<NetworkInterface>(TRY(cfs::try_make<SockNi>(*this, up, net, *found)));
}

template <typename F>
void SockLnd::for_each_ni(F f) noexcept
{
	for (std::size_t i = 0;; i++) {
		SockNi *ni = nullptr;
		{
			cfs::MutexGuard g(lock_);
			std::size_t n = 0;
			for (SockNi &candidate : nis_)
				if (n++ == i)
					ni = &candidate;
			if (ni)
				ni->born(); // shutdown() waits until it is let go
		}
		if (!ni)
			break;
		f(*ni);
		ni->gone();
	}
}

void SockLnd::interfaces_changed(void *self) noexcept
{
	auto &lnd = *static_cast<SockLnd *>(self);
	lnd.check_.queue(lnd.reaper_);
}

void SockLnd::check_interfaces() noexcept
{
	auto netifs = netifs_of(node_);
	check_again_ = !netifs;
	if (!netifs) {
		CNETERR(kSubsys, "cannot look at the network interfaces: {}; trying again",
			netifs.error());
		return;
	}
	for_each_ni([&](SockNi &ni) { ni.set_down(!works(ni.netif(), netifs->list())); });
}

// ---- listening ----

Listener::~Listener()
{
	if (poller)
		cfs_poller_remove(poller, sock);
	if (sock)
		cfs_sock_close(sock);
}

cfs::Result<Listener *> SockLnd::listener_at(const cfs_sockaddr &addr) noexcept
{
	for (Listener &l : listeners_)
		if (same_address(l.addr, addr))
			return &l;
	auto fresh = TRY(cfs::try_make<Listener>(addr));
	TRY(cfs::to_result(cfs_sock_listen(node_, &addr, tunables.accept_port,
					   tunables.accept_backlog, &fresh->sock)));
	TRY(cfs::to_result(cfs_poller_add(listen_poller_, fresh->sock, fresh.get())));
	fresh->poller = listen_poller_;
	Listener *l = fresh.release();
	listeners_.push_back(*l);
	return l;
}

cfs::Result<> SockLnd::listen_for(SockNi &ni) noexcept
{
	auto l = listener_at(ni.netif().addr);
	if (!l) {
		LCONSOLE_ERROR(kSubsys,
			       "{}: cannot listen on TCP port {}: {}; is another service using it?",
			       ni.nid(), tunables.accept_port, l.error());
		return cfs::fail(l.error());
	}
	(*l)->users++;
	ni.listener = *l;
	return {};
}

cfs::Result<> SockLnd::add(SockNi &ni) noexcept
{
	{
		cfs::MutexGuard g(lock_);
		if (tunables.accept != Accept::none)
			TRY(listen_for(ni));
		nis_.push_back(ni);
	}
	check_.queue(reaper_); // it may have no link, or have lost it since it was found
	return {};
}

void SockLnd::remove(SockNi &ni) noexcept
{
	{
		cfs::MutexGuard g(lock_);
		if (!ni.lnd_hook.is_linked())
			return;
		nis_.erase(nis_.iterator_to(ni));
		Listener *l = std::exchange(ni.listener, nullptr);
		if (l && --l->users == 0) {
			listeners_.erase(listeners_.iterator_to(*l));
			cfs::UniquePtr<Listener>(l).reset();
		}
	}
	// Handshakes and attempts that found it before have ended after this; its peers are closed,
	// so that no new attempt follows.
	accepts_.flush();
	connds_.flush();
}

void SockLnd::accept_loop() noexcept
{
	while (!stop_.load(std::memory_order_acquire)) {
		cfs_poll_event ev[kEventsMax];
		int n = cfs_poller_wait(listen_poller_, ev, kEventsMax, CFS_NEVER);
		cfs::MutexGuard g(lock_);
		for (int i = 0; i < n; i++)
			for (Listener &l : listeners_) // it may have gone since
				if (&l == ev[i].ctx)
					accept_from(l);
	}
}

void SockLnd::accept_from(Listener &l) noexcept
{
	for (;;) {
		cfs_sock *s = nullptr;
		cfs_sockaddr from{};
		int rc = cfs_sock_accept(l.sock, &s, &from);
		if (rc == cfs::to_rc(AGAIN))
			return;
		if (rc != 0) {
			// Out of memory, mostly. Whoever waits is seen again with the next
			// connection.
			CNETERR(kSubsys, "cannot accept a connection on port {}: {}",
				tunables.accept_port, cfs::Errno{-rc});
			return;
		}
		accept_one(s, from);
	}
}

/// One accepted connection on its way to a handshake thread.
struct Handshake {
	static constexpr cfs_subsys kSubsys = CFS_S_LND;

	Handshake(SockLnd &l, cfs_sock *s, const cfs_sockaddr &f) noexcept
	    : lnd(l), sock(s), from(f)
	{
	}
	void run() noexcept
	{
		SockLnd &l = lnd;
		l.handshake(sock, from);
		cfs::UniquePtr<Handshake>(this).reset();
		l.handshakes_.fetch_sub(1, std::memory_order_relaxed);
	}

	SockLnd &lnd;
	cfs_sock *sock;
	cfs_sockaddr from;
	cfs::Work<Handshake, &Handshake::run> work{this};
};

void SockLnd::accept_one(cfs_sock *s, const cfs_sockaddr &from) noexcept
{
	if (tunables.accept == Accept::secure && from.port > 1023) {
		stats.refused_port.fetch_add(1, std::memory_order_relaxed);
		CNETERR(kSubsys, "refused a connection from unprivileged port {}", from.port);
		cfs_sock_close(s);
		return;
	}
	if (handshakes_.fetch_add(1, std::memory_order_relaxed) >= kHandshakesMax) {
		handshakes_.fetch_sub(1, std::memory_order_relaxed);
		stats.refused_busy.fetch_add(1, std::memory_order_relaxed);
		CNETERR(kSubsys, "refused a connection: {} handshakes are waiting", kHandshakesMax);
		cfs_sock_close(s);
		return;
	}
	auto h = cfs::try_make<Handshake>(*this, s, from);
	if (!h) {
		handshakes_.fetch_sub(1, std::memory_order_relaxed);
		cfs_sock_close(s);
		return;
	}
	auto *p = h->release();
	p->work.queue(accepts_);
}

void SockLnd::handshake(cfs_sock *s, const cfs_sockaddr &from) noexcept
{
	auto deadline = cfs::after(cfs::Duration::seconds(tunables.accept_timeout));
	auto nid = read_acceptor_request(s, deadline);
	SockNi *ni = nullptr;
	if (nid) {
		cfs::MutexGuard g(lock_);
		for (SockNi &n : nis_)
			if (n.nid() == *nid)
				ni = &n; // remove() waits for this work item
	}
	if (!ni) {
		auto &counter = nid ? stats.refused_nid : stats.bad_handshake;
		counter.fetch_add(1, std::memory_order_relaxed);
		if (nid)
			CNETERR(kSubsys,
				"refused a connection for {}, which is not a NID of this node",
				*nid);
		cfs_sock_close(s);
		return;
	}
	ni->accepted(s, from, deadline);
}

void SockLnd::tick() noexcept
{
	auto now = cfs::Instant::now();
	for_each_ni([&](SockNi &ni) { ni.tick(now); });
	if (check_again_)
		check_interfaces();
	if (!stop_.load(std::memory_order_acquire))
		timer_.arm(reaper_, cfs::after(cfs::Duration::seconds(1)));
}

} // namespace lnet::sock
