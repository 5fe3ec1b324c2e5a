// SPDX-License-Identifier: GPL-2.0
//
// socklnd: LNet over TCP (spec 01 sections 11 and 12).
//
//   SockLnd    the driver of a node: scheduler threads, the listener, handshakes, the reaper
//   SockNi     one configured interface
//   Peer       one remote NID as an NI sees it: its connections, and messages waiting for one
//   Conn       one TCP connection (conn.hpp)
//
// Messages go out on the thread that sends them, or on the scheduler thread of the connection when
// the socket was full; they come in on the scheduler thread. Handshakes, which wait for the peer,
// run on work queues of their own, nconnds_max at once, so that silent strangers and hosts that are
// down hold up nobody else for long.
#pragma once

#include "libcfs/log.hpp"
#include "libcfs/thread.hpp"
#include "libcfs/wait.hpp"
#include "lnet/peer.hpp"
#include "lnet/socklnd/conn.hpp"
#include "lnet/socklnd/tunables.hpp"

namespace lnet::sock
{

class SockLnd;

/// Where connections to one address come in. NIs of several networks may have the same address: a
/// connection says in its first bytes which of them it is for.
struct Listener {
	static constexpr cfs_subsys kSubsys = CFS_S_LND;

	explicit Listener(const cfs_sockaddr &a) noexcept : addr(a) {}
	~Listener();

	cfs::ListHook hook; // SockLnd::lock_, as is the rest
	const cfs_sockaddr addr;
	cfs_sock *sock = nullptr;
	cfs_poller *poller = nullptr; ///< that it is in
	unsigned users = 0;
};

/// Counters of the driver.
struct SockStats {
	std::atomic<std::uint64_t> accepted{0}, refused_port{0}, refused_busy{0}, refused_nid{0},
		bad_handshake{0}, lost_race{0}, connected{0}, connect_failed{0}, protocol_errors{0},
		conns_closed{0}, keepalives{0}, zc_acks_sent{0}, checksum_errors{0}, timeouts{0};
};

/// A thread that receives for a share of the connections, and sends what could not be sent at once.
class Scheduler
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LND;

	Scheduler() noexcept {}
	~Scheduler();
	[[nodiscard]] cfs::Result<> start(cfs_node *node, unsigned cpt, unsigned index) noexcept;
	void stop() noexcept;
	[[nodiscard]] cfs_poller *poller() noexcept { return poller_; }
	/// Queues a connection that has something pending. Any thread; does not sleep.
	void post(Conn &c, std::uint32_t events) noexcept;

private:
	void run() noexcept;
	[[nodiscard]] cfs::RefPtr<Conn> next(std::uint32_t &events) noexcept;
	[[nodiscard]] bool has_ready() noexcept;

	friend class Conn;
	cfs_poller *poller_ = nullptr;
	cfs::Thread thread_;
	cfs::SpinLock lock_{CFS_LOCK_CLASS("socklnd scheduler")};
	cfs::List<Conn, &Conn::ready_hook> ready_ CFS_GUARDED_BY(lock_);
	std::atomic<bool> stop_{false};
	std::atomic<std::uint32_t> pid_{0}; ///< of its thread
	cfs::Array<std::byte> scratch_;
};

/// One remote NID. States: idle (no connection), connecting, connected; queued messages exist only
/// while a connection is being made.
class Peer final : public cfs::RefCounted<Peer>
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LND;

	Peer(SockNi &ni, const Nid &nid) noexcept;
	~Peer();

	[[nodiscard]] const Nid &nid() const noexcept { return nid_; }
	/// Sends on the best connection, or queues and connects. Takes over tx. `zerocopy`: ask the
	/// peer to acknowledge it.
	void send(Tx &tx, bool zerocopy) noexcept;
	/// Registers a handshaken connection and starts it. err::ALREADY: too many of its type;
	/// err::STALE: the peer has restarted, everything of its former life was closed;
	/// err::SHUTDOWN.
	[[nodiscard]] cfs::Result<> add(cfs::RefPtr<Conn> c, const Hello &theirs) noexcept;
	/// A connection that was added has been started: from here on messages take it, and what
	/// waited for one like it goes out.
	void started(Conn &c) noexcept;
	/// A connection that was added could not be started: it alone goes.
	void withdraw(Conn &c, cfs::Errno why) noexcept;
	/// A connection has died: all of this peer's go with it (section 12.9).
	void close_all(cfs::Errno why) noexcept;
	/// A zero-copy acknowledgement, or a range or pair of them. err::PROTO for a cookie nobody
	/// waits for.
	[[nodiscard]] cfs::Result<> acked(std::uint64_t a, std::uint64_t b) noexcept;
	/// A tx with a cookie has left: it is kept until acknowledged.
	void sent_awaiting_ack(Tx &tx) noexcept;
	/// A connection is gone and out of its poller.
	void conn_died(Conn &c, cfs::Errno why) noexcept;
	/// Tells the peer that a message with a cookie has been received, on the connection it came
	/// on.
	void send_ack(Conn &c, std::uint64_t cookie) noexcept;
	/// Whether an incoming connection has to give way to the attempt that is going on
	/// (section 12.7).
	[[nodiscard]] bool must_refuse() noexcept;
	/// Once a second: keepalive, stalled connections, overdue acknowledgements, reconnecting.
	void tick(cfs::Instant now) noexcept;
	/// No more connections. Waits for an attempt under way. Messages fail.
	void shutdown() noexcept;
	/// Whether the table may forget it: no connection, no message, no attempt, no back-off that
	/// is still to be kept.
	[[nodiscard]] bool idle(cfs::Instant now) noexcept;
	void heard() noexcept { heard_ns_.store(cfs_now_ns(), std::memory_order_relaxed); }
	[[nodiscard]] std::uint32_t expected_version() noexcept;
	/// How a refused handshake answer's version differs from ours: use it next time.
	void learn_version(std::uint32_t v) noexcept;

	cfs::ListHook table_hook; // SockNi::lock_

private:
	friend class SockNi;
	[[nodiscard]] cfs::RefPtr<Conn> pick(const Tx &tx) noexcept CFS_REQUIRES(lock_);
	[[nodiscard]] unsigned count(ConnType t) noexcept CFS_REQUIRES(lock_);
	[[nodiscard]] ConnType missing() noexcept CFS_REQUIRES(lock_);
	void want_connection() noexcept;
	void connect_work() noexcept;
	void attempt_failed(cfs::Errno why) noexcept;
	void fail_list(TxList &list, cfs::Errno why) noexcept;
	[[nodiscard]] bool note_early_acks(std::uint64_t lo, std::uint64_t hi, std::uint64_t extra,
					   TxList &done) noexcept CFS_REQUIRES(lock_);
	void send_keepalive() noexcept;

	/// An acknowledgement that came before the sending thread had noticed that the message was
	/// out. Each connection sends one message at a time, so there can not be more than
	/// connections.
	struct EarlyAck {
		std::uint64_t cookie = 0;
	};
	static constexpr std::uint64_t kAcksPerMessageMax = 4096;

	SockNi &ni_;
	const Nid nid_;
	cfs::SpinLock lock_{CFS_LOCK_CLASS("socklnd peer")};
	cfs::List<Conn, &Conn::peer_hook> conns_ CFS_GUARDED_BY(lock_);
	TxList waiting_ CFS_GUARDED_BY(lock_);
	TxList unacked_ CFS_GUARDED_BY(lock_); ///< wholly sent, in the order of leaving
	std::uint64_t next_cookie_ CFS_GUARDED_BY(lock_) = 2;
	std::array<EarlyAck, 16> early_ CFS_GUARDED_BY(lock_);
	std::uint64_t incarnation_ CFS_GUARDED_BY(lock_) = 0;
	std::uint32_t version_ CFS_GUARDED_BY(lock_) = 0; ///< 0: nothing known
	bool connecting_ CFS_GUARDED_BY(lock_) = false;
	bool closed_ CFS_GUARDED_BY(lock_) = false;
	unsigned surplus_refused_ CFS_GUARDED_BY(lock_) = 0;
	std::uint32_t backoff_ms_ CFS_GUARDED_BY(lock_) = 0;
	cfs::Instant next_attempt_ CFS_GUARDED_BY(lock_);
	cfs::Instant last_keepalive_ CFS_GUARDED_BY(lock_);
	std::atomic<std::uint64_t> heard_ns_{0};
	cfs::Work<Peer, &Peer::connect_work> connect_;
};

class SockNi final : public NetworkInterface
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LND;

	SockNi(SockLnd &lnd, Upcalls &up, Net net, const cfs_netif &netif) noexcept;
	void destroy() noexcept override;

	[[nodiscard]] Nid nid() const noexcept override { return nid_; }
	[[nodiscard]] const char *if_name() const noexcept override { return netif_.name; }
	[[nodiscard]] NiTunables tunables() const noexcept override;
	[[nodiscard]] LndTunables lnd_tunables() const noexcept override;
	cfs::Result<> change(const LndWishes &wishes) noexcept override;
	void bind(const CptSet &cpts) noexcept override { cpts_ = cpts; }
	cfs::Result<> open() noexcept override;
	void send(TxMessage &msg) noexcept override;
	void recv(RxHandle rx, void *lnet_msg, const Extent &to) noexcept override;
	[[nodiscard]] bool rx_lost(RxHandle rx) noexcept override;
	[[nodiscard]] bool peer_usable(const Nid &hop) noexcept override;
	void shutdown() noexcept override;

	[[nodiscard]] SockLnd &lnd() noexcept { return lnd_; }
	[[nodiscard]] Upcalls &up() noexcept { return up_; }
	[[nodiscard]] const cfs_netif &netif() const noexcept { return netif_; }
	/// Peers at once; more are refused with err::NOBUFS. Those without connections are soon
	/// forgotten.
	static constexpr std::uint32_t kPeersMax = 1u << 20;
	/// Finds or makes a peer. err::NOMEM, err::NOBUFS, err::SHUTDOWN.
	[[nodiscard]] cfs::Result<cfs::RefPtr<Peer>> peer(const Nid &nid) noexcept;
	/// A connection was accepted and asked for this NI; the handshake has until the deadline.
	/// Sleeps.
	void accepted(cfs_sock *s, const cfs_sockaddr &from, cfs::Instant deadline) noexcept;
	/// Connects and shakes hands for one connection of a type; registers it. err::ALREADY: the
	/// peer has refused because another connection wins; err::AGAIN: try again at once, with
	/// another version. Sleeps.
	[[nodiscard]] cfs::Result<> connect(Peer &p, ConnType type) noexcept;
	[[nodiscard]] std::uint32_t peer_count() const noexcept
	{
		return peer_count_.load(std::memory_order_relaxed);
	}
	void tick(cfs::Instant now) noexcept;
	/// Tells LNet whether its network interface works. The reaper's.
	void set_down(bool down) noexcept;
	void forget_idle_peers(cfs::Instant now) noexcept;
	[[nodiscard]] unsigned bulk_conns() const noexcept;
	/// Without progress for so long, a connection is closed.
	[[nodiscard]] cfs::Duration patience() const noexcept
	{
		return cfs::Duration::seconds(timeout_.load(std::memory_order_relaxed));
	}
	/// The type of service of its packets; -1: the system's.
	[[nodiscard]] std::int32_t tos() const noexcept
	{
		return tos_.load(std::memory_order_relaxed);
	}
	/// One of the threads that may serve its connections.
	[[nodiscard]] Scheduler &scheduler_for(const Nid &peer) noexcept;
	/// Writes the LNet header of a message in the form the connection's version has.
	void prepare(Tx &tx, std::uint32_t version) const noexcept;
	/// Ends a tx: tells LNet, if it was a message of LNet's, and frees it.
	void finish(Tx &tx, cfs::Errno status) noexcept;
	/// Peers and connections of this NI count themselves; shutdown() waits for the last.
	void born() noexcept;
	void gone() noexcept;
	[[nodiscard]] Hello hello_to(const Nid &peer, std::uint32_t version,
				     ConnType t) const noexcept;

	cfs::ListHook lnd_hook;	      // SockLnd::lock_
	Listener *listener = nullptr; // SockLnd::lock_; on the NI's own address

private:
	static constexpr std::size_t kBuckets = 4096;
	struct Bucket {
		cfs::SpinLock lock{CFS_LOCK_CLASS("socklnd peer table")};
		cfs::List<Peer, &Peer::table_hook> peers CFS_GUARDED_BY(lock);
	};
	Bucket &bucket(const Nid &nid) noexcept { return peers_[nid.hash() % kBuckets]; }
	template <typename F>
	void for_each_peer(F f) noexcept;
	[[nodiscard]] cfs::Result<cfs_sock *> dial(const Nid &nid, cfs::Instant deadline) noexcept;
	[[nodiscard]] cfs::Result<> answer(cfs_sock *s, const cfs_sockaddr &from, const Hello &h,
					   cfs::Instant deadline, bool *keep) noexcept;

	SockLnd &lnd_;
	Upcalls &up_;
	const cfs_netif netif_;
	Nid nid_;
	CptSet cpts_;	    ///< none: all
	bool down_ = false; ///< as LNet was told; the reaper's
	// What change() changes; connections made from then on have it.
	std::atomic<std::uint32_t> conns_per_peer_, timeout_;
	std::atomic<std::int32_t> tos_;
	cfs::Array<Bucket> peers_;
	std::atomic<std::uint32_t> peer_count_{0};
	std::atomic<bool> stopping_{false};
	cfs::SpinLock live_lock_{CFS_LOCK_CLASS("socklnd objects")};
	unsigned live_ CFS_GUARDED_BY(live_lock_) = 0;
	cfs::WaitQueue gone_{CFS_LOCK_CLASS("socklnd objects wait")};
};

/// A connection that was accepted and whose handshake waits for its turn.
struct Handshake;

class SockLnd final : public Lnd
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LND;

	SockLnd(cfs_node *node, const Tunables &t) noexcept : tunables(t), node_(node) {}
	/// Stops everything; all NIs have been shut down before.
	~SockLnd();
	/// Starts threads. Sleeps.
	[[nodiscard]] cfs::Result<> start() noexcept;

	[[nodiscard]] LndType type() const noexcept override { return LndType::tcp; }
	cfs::Result<cfs::UniquePtr<NetworkInterface>>
	startup(cfs::Node &node, Net net, std::string_view if_name, Upcalls &up) noexcept override;

	[[nodiscard]] cfs_node *node() noexcept { return node_; }
	/// cpts: whose threads it may be; none: anyone's.
	[[nodiscard]] Scheduler &scheduler_for(const Nid &peer, const CptSet &cpts) noexcept;
	[[nodiscard]] cfs::WorkQueue &connds() noexcept { return connds_; }
	[[nodiscard]] std::uint64_t incarnation() const noexcept { return incarnation_; }
	[[nodiscard]] cfs::Result<> add(SockNi &ni) noexcept;
	void remove(SockNi &ni) noexcept;

	const Tunables tunables;
	SockStats stats;

private:
	friend struct Handshake;
	void accept_loop() noexcept;
	void accept_one(cfs_sock *s, const cfs_sockaddr &from) noexcept;
	void handshake(cfs_sock *s, const cfs_sockaddr &from) noexcept;
	void tick() noexcept;
	/// Calls f(SockNi &) for each interface, without a lock. On the reaper.
	template <typename F>
	void for_each_ni(F f) noexcept;
	/// Looks which interfaces have a link and their address. On the reaper.
	void check_interfaces() noexcept;
	static void interfaces_changed(void *self) noexcept;
	void accept_from(Listener &l) noexcept;
	[[nodiscard]] cfs::Result<> listen_for(SockNi &ni) noexcept CFS_REQUIRES(lock_);
	[[nodiscard]] cfs::Result<Listener *> listener_at(const cfs_sockaddr &addr) noexcept
		CFS_REQUIRES(lock_);

	cfs_node *const node_;
	std::uint64_t incarnation_ = 0;
	cfs::Array<cfs::UniquePtr<Scheduler>> schedulers_; ///< by CPU partition
	std::size_t per_cpt_ = 0;			   ///< of them
	cfs::WorkQueue connds_;				   // outgoing handshakes
	cfs::WorkQueue accepts_;			   // incoming ones
	cfs::WorkQueue reaper_;				   // one thread
	cfs_netif_watch *watch_ = nullptr;
	cfs::Work<SockLnd, &SockLnd::check_interfaces> check_{this};
	bool check_again_ = false; ///< the last check failed; the reaper's
	cfs::Timer<SockLnd, &SockLnd::tick> timer_{this};

	cfs_poller *listen_poller_ = nullptr; // contexts are Listener
	cfs::Thread acceptor_;
	std::atomic<bool> stop_{false};
	/// Accepted connections whose handshake waits or runs; more are closed at once.
	static constexpr std::uint32_t kHandshakesMax = 4096;
	std::atomic<std::uint32_t> handshakes_{0};
	std::atomic<std::uint32_t> spread_{0};

	cfs::Mutex lock_{CFS_LOCK_CLASS("socklnd interfaces")};
	cfs::List<SockNi, &SockNi::lnd_hook> nis_ CFS_GUARDED_BY(lock_);
	cfs::List<Listener, &Listener::hook> listeners_ CFS_GUARDED_BY(lock_);
};

/// How LNet is told of an error of a socket (section 12.5, "Health status").
[[nodiscard]] SendStatus send_status(cfs::Errno e) noexcept;

} // namespace lnet::sock
