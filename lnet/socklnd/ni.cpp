// SPDX-License-Identifier: GPL-2.0
//
// An interface of socklnd: messages to peers, and the two sides of a handshake (spec 01 sections 11
// and 12.5).

#include <algorithm>

#include "lnet/socklnd/socklnd.hpp"

namespace lnet::sock
{

using namespace cfs::err;

namespace
{

constexpr auto kGoneWarning = cfs::Duration::seconds(10);
/// Source ports that only the administrator of a host may use.
constexpr std::uint32_t kPrivilegedPortMax = 1023;

Nid nid_of(Net net, const cfs_sockaddr &a) noexcept
{
	if (a.length == 4)
		return Nid::ipv4(net, static_cast<std::uint32_t>(a.bytes[0]) << 24 |
					      static_cast<std::uint32_t>(a.bytes[1]) << 16 |
					      static_cast<std::uint32_t>(a.bytes[2]) << 8 |
					      a.bytes[3]);
	std::array<std::uint8_t, 16> v6;
	std::copy(std::begin(a.bytes), std::end(a.bytes), v6.begin());
	return Nid::ipv6(net, v6);
}

cfs_sockaddr address_of(const Nid &nid, std::uint32_t port) noexcept
{
	cfs_sockaddr a{};
	auto bytes = nid.addr();
	a.length = static_cast<std::uint32_t>(bytes.size());
	std::copy(bytes.begin(), bytes.end(), std::begin(a.bytes));
	a.port = port;
	return a;
}

} // namespace

SendStatus send_status(cfs::Errno e) noexcept
{
	if (e == cfs::Errno{})
		return SendStatus::ok;
	if (e == TIMEDOUT)
		return SendStatus::network_timeout;
	if (e == NETDOWN || e == HOSTUNREACH || e == NETUNREACH || e == CONNREFUSED ||
	    e == CONNRESET)
		return SendStatus::remote_dropped;
	return SendStatus::local_error;
}

SockNi::SockNi(SockLnd &lnd, Upcalls &up, Net net, const cfs_netif &netif) noexcept
    : lnd_(lnd), up_(up), netif_(netif), nid_(nid_of(net, netif.addr)),
      conns_per_peer_(lnd.tunables.conns_per_peer), timeout_(lnd.tunables.sock_timeout),
      tos_(lnd.tunables.tos)
{
}

void SockNi::destroy() noexcept
{
	this->~SockNi();
	cfs_free(kSubsys, this, sizeof(*this));
}

NiTunables SockNi::tunables() const noexcept
{
	const Tunables &t = lnd_.tunables;
	return {t.credits, t.peer_credits, t.peer_buffer_credits, t.peer_timeout};
}

LndTunables SockNi::lnd_tunables() const noexcept
{
	return {static_cast<std::int32_t>(bulk_conns()),
		static_cast<std::int32_t>(timeout_.load(std::memory_order_relaxed)), tos()};
}

cfs::Result<> SockNi::change(const LndWishes &w) noexcept
{
	constexpr std::int32_t kSecondsMax = 1000000, kTosMax = 255;
	auto fits = [](std::int32_t wish, std::int32_t min, std::int32_t max) {
		return wish == LndWishes::kLeave || (wish >= min && wish <= max);
	};
	if (!fits(w.conns_per_peer, 0, static_cast<std::int32_t>(kConnsPerTypeMax)) ||
	    !fits(w.timeout, 1, kSecondsMax) || !fits(w.tos, -1, kTosMax))
		return cfs::fail(RANGE);
	if (w.conns_per_peer != LndWishes::kLeave)
		conns_per_peer_.store(static_cast<std::uint32_t>(w.conns_per_peer),
				      std::memory_order_relaxed);
	if (w.timeout != LndWishes::kLeave)
		timeout_.store(static_cast<std::uint32_t>(w.timeout), std::memory_order_relaxed);
	if (w.tos != LndWishes::kLeave)
		tos_.store(w.tos, std::memory_order_relaxed);
	return {};
}

cfs::Result<> SockNi::open() noexcept
{
	peers_ = TRY(cfs::Array<Bucket>::make(kSubsys, kBuckets));
	return lnd_.add(*this);
}

unsigned SockNi::bulk_conns() const noexcept
{
	std::uint32_t n = conns_per_peer_.load(std::memory_order_relaxed);
	return std::min<std::uint32_t>(n ? n : conns_for_speed(netif_.speed_mbps),
				       kConnsPerTypeMax);
}

Scheduler &SockNi::scheduler_for(const Nid &peer) noexcept
{
	return lnd_.scheduler_for(peer, cpts_);
}

Hello SockNi::hello_to(const Nid &peer, std::uint32_t version, ConnType t) const noexcept
{
	Hello h;
	h.version = version;
	h.src = nid_;
	h.dst = peer;
	h.src_incarnation = lnd_.incarnation();
	h.type = t;
	return h;
}

cfs::Result<cfs::RefPtr<Peer>> SockNi::peer(const Nid &nid) noexcept
{
	Bucket &b = bucket(nid);
	for (cfs::RefPtr<Peer> fresh;;) {
		{
			cfs::SpinGuard g(b.lock);
			if (stopping_.load(std::memory_order_acquire))
				return cfs::fail(SHUTDOWN);
			for (Peer &p : b.peers)
				if (p.nid() == nid)
					return cfs::RefPtr<Peer>::share(&p);
			if (fresh) {
				fresh->get();
				b.peers.push_back(*fresh);
				peer_count_.fetch_add(1, std::memory_order_relaxed);
				return fresh;
			}
		}
		if (peer_count_.load(std::memory_order_relaxed) >= kPeersMax)
			return cfs::fail(NOBUFS);
		fresh = TRY(cfs::try_make_ref<Peer>(*this, nid));
	}
}

template <typename F>
void SockNi::for_each_peer(F f) noexcept
{
	// f may sleep and may drop the peer: one at a time is taken out of the lock.
	for (Bucket &b : peers_) {
		for (std::size_t skip = 0;; skip++) {
			cfs::RefPtr<Peer> p;
			{
				cfs::SpinGuard g(b.lock);
				std::size_t i = 0;
				for (Peer &q : b.peers) {
					if (i++ < skip)
						continue;
					p = cfs::RefPtr<Peer>::share(&q);
					break;
				}
			}
			if (!p)
				break;
			f(*p);
		}
	}
}

void SockNi::forget_idle_peers(cfs::Instant now) noexcept
{
	for (Bucket &b : peers_) {
		for (;;) {
			cfs::RefPtr<Peer> idle;
			{
				// With the only reference in the table, and the table locked,
				// nobody has it and nobody gets it.
				cfs::SpinGuard g(b.lock);
				for (Peer &p : b.peers) {
					if (p.refs() != 1 || !p.idle(now))
						continue;
					idle = cfs::RefPtr<Peer>::adopt(&p);
					b.peers.erase(b.peers.iterator_to(p));
					break;
				}
			}
			if (!idle)
				break;
			peer_count_.fetch_sub(1, std::memory_order_relaxed);
		}
	}
}

void SockNi::prepare(Tx &tx, std::uint32_t version) const noexcept
{
	if (tx.noop())
		return;
	if (version == 4) {
		::new (static_cast<void *>(tx.lnet_header))
			wire::Header16(to_wire16(tx.msg->header));
		tx.lnet_header_len = sizeof(wire::Header16);
	} else {
		::new (static_cast<void *>(tx.lnet_header)) wire::Header4(to_wire4(tx.msg->header));
		tx.lnet_header_len = sizeof(wire::Header4);
	}
}

void SockNi::send(TxMessage &msg) noexcept
{
	auto tx = cfs::try_make<Tx>(&msg);
	if (!tx) {
		up_.sent(msg, NOMEM, SendStatus::local_error);
		return;
	}
	Tx &t = **tx;
	t.kh.ksh_type = wire::KSOCK_MSG_LNET;
	auto p = peer(msg.next_hop);
	if (!p) {
		finish(*tx->release(), p.error());
		return;
	}
	prepare(t, (*p)->expected_version());
	bool zc = netif_.zerocopy && msg.payload.length >= lnd_.tunables.zc_min_payload;
	(*p)->send(*tx->release(), zc);
}

void SockNi::finish(Tx &tx, cfs::Errno status) noexcept
{
	TxMessage *msg = tx.msg;
	cfs::UniquePtr<Tx>(&tx).reset();
	if (msg)
		up_.sent(*msg, status, send_status(status));
}

void SockNi::recv(RxHandle rx, void *lnet_msg, const Extent &to) noexcept
{
	static_cast<Conn *>(rx.p)->recv(lnet_msg, to);
}

bool SockNi::rx_lost(RxHandle rx) noexcept
{
	return static_cast<Conn *>(rx.p)->lost();
}

bool SockNi::peer_usable(const Nid &hop) noexcept
{
	return hop.type() == LndType::tcp && hop != nid_ && !hop.is_any();
}

// ---- connecting ----

cfs::Result<cfs_sock *> SockNi::dial(const Nid &nid, cfs::Instant deadline) noexcept
{
	const Tunables &t = lnd_.tunables;
	cfs_sockaddr local = netif_.addr;
	cfs_sockaddr remote = address_of(nid, t.accept_port);
	for (std::uint32_t port = t.source_port_max; port >= t.source_port_min; port--) {
		local.port = port;
		cfs_sock *s = nullptr;
		int rc = cfs_sock_connect(lnd_.node(), &local, &remote, deadline.ns(), &s);
		if (rc == 0)
			return s;
		if (rc != cfs::to_rc(ADDRINUSE) && rc != cfs::to_rc(ADDRNOTAVAIL))
			return cfs::fail(cfs::Errno{-rc});
	}
	LCONSOLE_ERROR(
		kSubsys,
		"{}: no free source port in {}..{} for a connection to {}; other services use them",
		nid_, t.source_port_min, t.source_port_max, nid);
	return cfs::fail(ADDRINUSE);
}

cfs::Result<> SockNi::connect(Peer &p, ConnType type) noexcept
{
	auto deadline = cfs::after(patience());
	auto dialed = dial(p.nid(), deadline);
	if (!dialed) {
		lnd_.stats.connect_failed.fetch_add(1, std::memory_order_relaxed);
		CDEBUG(kSubsys, CFS_D_NETERROR, "{}: cannot connect to {}: {}", nid_, p.nid(),
		       dialed.error());
		return cfs::fail(dialed.error());
	}
	cfs_sock *s = *dialed;
	auto close = cfs::ScopeExit([&] { cfs_sock_close(s); });

	std::uint32_t version = p.expected_version();
	std::byte request[sizeof(wire::AcceptorRequest2)];
	std::size_t n = encode_acceptor_request(p.nid(), request);
	TRY(cfs::to_result(cfs_sock_send_all(s, request, n, deadline.ns())));
	TRY(send_hello(s, hello_to(p.nid(), version, type), deadline));
	bool unknown_version = false;
	Hello theirs = TRY(read_hello(s, deadline, &unknown_version));
	if (theirs.src != p.nid() || theirs.src_pid != LNET_PID_LUSTRE) {
		lnd_.stats.bad_handshake.fetch_add(1, std::memory_order_relaxed);
		LCONSOLE_ERROR(kSubsys,
			       "connected to {} but they claimed to be {}-{}: check for address "
			       "translation, or NIDs configured on the wrong host",
			       p.nid(), theirs.src_pid, theirs.src);
		return cfs::fail(PROTO);
	}
	if (theirs.type == ConnType::none) {
		lnd_.stats.lost_race.fetch_add(1, std::memory_order_relaxed);
		if (theirs.version == version)
			return cfs::fail(ALREADY);
		p.learn_version(theirs.version);
		return cfs::fail(AGAIN);
	}
	if (invert(theirs.type) != type || theirs.version != version)
		return cfs::fail(PROTO);

	auto conn = TRY(cfs::try_make_ref<Conn>(*this, scheduler_for(p.nid()), s, theirs, type));
	close.dismiss(); // the connection's now
	TRY(p.add(conn, theirs));
	if (auto r = conn->start(); !r) {
		p.withdraw(*conn, r.error());
		return r;
	}
	lnd_.stats.connected.fetch_add(1, std::memory_order_relaxed);
	p.started(*conn);
	return {};
}

// ---- being connected to ----

void SockNi::accepted(cfs_sock *s, const cfs_sockaddr &from, cfs::Instant deadline) noexcept
{
	auto close = cfs::ScopeExit([&] { cfs_sock_close(s); });
	bool unknown_version = false;
	auto theirs = read_hello(s, deadline, &unknown_version);
	if (!theirs) {
		lnd_.stats.bad_handshake.fetch_add(1, std::memory_order_relaxed);
		if (unknown_version)
			(void)send_hello(s, hello_to(Nid{}, first_version(nid_), ConnType::none),
					 deadline);
		CNETERR(kSubsys, "{}: refused the handshake of {}: {}", nid_,
			nid_of(nid_.net(), from), theirs.error());
		return;
	}
	bool keep = false;
	if (auto r = answer(s, from, *theirs, deadline, &keep); !r)
		CDEBUG(kSubsys, CFS_D_NET, "{}: refused a connection of {}: {}", nid_, theirs->src,
		       r.error());
	if (keep)
		close.dismiss();
}

cfs::Result<> SockNi::answer(cfs_sock *s, const cfs_sockaddr &from, const Hello &h,
			     cfs::Instant deadline, bool *keep) noexcept
{
	auto refuse = [&](cfs::Errno why) -> cfs::Result<> {
		(void)send_hello(s, hello_to(h.src, h.version, ConnType::none), deadline);
		return cfs::fail(why);
	};
	ConnType type = invert(h.type);
	if (type == ConnType::none)
		return cfs::fail(PROTO);
	if (type == ConnType::any) // nothing is ever sent on one, and none of our versions has it
		return refuse(PROTO);
	// With accept=all any process of a host may connect: it speaks for its own host only.
	bool other_host = from.port > kPrivilegedPortMax && h.src != nid_of(nid_.net(), from);
	if (h.src == nid_ || h.src.net() != nid_.net() || h.src_pid != LNET_PID_LUSTRE ||
	    other_host) {
		CNETERR(kSubsys, "{}: {} claims to be {}-{}; refused", nid_,
			nid_of(nid_.net(), from), h.src_pid, h.src);
		return refuse(PROTO);
	}
	auto p = peer(h.src);
	if (!p)
		return refuse(p.error());
	if ((*p)->must_refuse()) {
		lnd_.stats.lost_race.fetch_add(1, std::memory_order_relaxed);
		return refuse(ALREADY);
	}
	auto conn = cfs::try_make_ref<Conn>(*this, scheduler_for(h.src), s, h, type);
	if (!conn)
		return refuse(NOMEM);
	*keep = true; // the connection closes it
	if (auto r = (*p)->add(*conn, h); !r)
		return refuse(r.error());
	auto sent = send_hello(s, hello_to(h.src, h.version, type), deadline);
	if (!sent) {
		(*p)->withdraw(**conn, sent.error());
		return sent;
	}
	if (auto r = (*conn)->start(); !r) {
		(*p)->withdraw(**conn, r.error());
		return r;
	}
	lnd_.stats.accepted.fetch_add(1, std::memory_order_relaxed);
	(*p)->started(**conn);
	return {};
}

// ---- time and the end ----

void SockNi::tick(cfs::Instant now) noexcept
{
	for_each_peer([&](Peer &p) { p.tick(now); });
	forget_idle_peers(now);
}

void SockNi::set_down(bool down) noexcept
{
	if (std::exchange(down_, down) == down)
		return;
	LCONSOLE_WARN(kSubsys, "{}: interface '{}' {}", nid_,
		      static_cast<const char *>(netif_.name),
		      down ? "is down: it lost its link or its address; see `ip address`"
			   : "is up again");
	up_.ni_fatal(down);
}

void SockNi::shutdown() noexcept
{
	stopping_.store(true, std::memory_order_release);
	// Attempts that have not begun then end at once; the others when their sockets do.
	for_each_peer([](Peer &p) { p.shutdown(); });
	lnd_.remove(*this);
	for (Bucket &b : peers_) {
		for (;;) {
			cfs::RefPtr<Peer> p;
			{
				cfs::SpinGuard g(b.lock);
				if (b.peers.empty())
					break;
				p = cfs::RefPtr<Peer>::adopt(&b.peers.front());
				b.peers.pop_front();
			}
			p->shutdown();
		}
	}
	// Connections and handshakes hold peers, and the last one to go says so.
	cfs::SpinGuard g(live_lock_);
	auto none = [this]() CFS_NO_TSA { return live_ == 0; };
	while (!gone_.wait(live_lock_, cfs::WaitMode::idle, cfs::after(kGoneWarning), none))
		CWARN(kSubsys, "{}: still waiting for {} connections to close", nid_, live_);
}

void SockNi::born() noexcept
{
	cfs::SpinGuard g(live_lock_);
	live_++;
}

void SockNi::gone() noexcept
{
	// Under the lock: shutdown() returns, and the NI may go, once it has taken the lock again.
	cfs::SpinGuard g(live_lock_);
	if (--live_ == 0)
		gone_.wake_all();
}

} // namespace lnet::sock
