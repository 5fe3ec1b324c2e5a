// SPDX-License-Identifier: GPL-2.0
//
// The simulated network: connections between nodes that carry whole messages, in order and once, or
// break. It is what a simulated network driver (simlnd) stands on.
//
// Everything that happens to a node's connections arrives in an Inbox, in order: one inbox may
// serve one connection or all of a driver's. Delay is drawn for each message, so that messages of
// different connections overtake each other; one connection never reorders.
//
// Faults: a partition holds messages back until it heals, as TCP's repetitions would; a reset
// breaks a connection and loses what is under way; a node that crashed answers with resets once it
// is up again (CrashKind::power) or at once (CrashKind::process).
//
// Handles: a Conn is the node's own end. It is valid until close() or until the node goes down.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "libcfs/host/common/task.hpp"
#include "libcfs/result.hpp"
#include "libcfs/sim/sched.hpp"
#include "libcfs/sim/sim.hpp"

namespace cfs::sim
{

class Conn;
class Net;
struct Link;

using Message = std::vector<std::byte>;

struct LinkOptions {
	Nanos delay_min = 20 * kMicrosecond;
	Nanos delay_max = 200 * kMicrosecond;
	/// One message in this many is much later than that, up to delay_rare; 0 never.
	std::uint32_t rare_one_in = 200;
	Nanos delay_rare = 50 * kMillisecond;
	std::uint64_t bytes_per_second = 10'000'000'000;
	/// Unreceived bytes that a connection holds in one direction before send() says err::AGAIN.
	std::size_t window_bytes = 16 << 20;
};

struct NetEvent {
	enum class Kind {
		accepted,  ///< a peer connected to a port; conn is new
		connected, ///< connect() has succeeded
		refused,   ///< connect() has failed: nobody listens. conn is to be closed
		message,   ///< one message
		closed,	  ///< the peer closed; all it sent has been delivered. conn is to be closed
		reset,	  ///< the connection broke. conn is to be closed
		writable, ///< after err::AGAIN: send() is worth trying again
	};
	Kind kind;
	Conn *conn;
	std::uint32_t peer = 0; ///< address of the other node
	std::uint16_t port = 0; ///< accepted: the port that listened
	Message message;
};

/// Where events wait for the node's fibers. Made, used and destroyed on the node; what delivers to
/// it must be closed and unlistened before it goes. A crash of the node takes it along.
class Inbox
{
	friend class Net;
	friend class Conn;
	struct State;
	State *state_;

public:
	Inbox();
	~Inbox();
	Inbox(const Inbox &) = delete;
	Inbox &operator=(const Inbox &) = delete;

	/// The next event; waits for one until the deadline (cfs_now_ns) passes. Several fibers may
	/// wait. Null after shutdown() as well.
	std::optional<NetEvent> next(std::uint64_t deadline_ns = CFS_NEVER);
	/// Ends all waits, now and later.
	void shutdown();
};

/// One end of a connection.
class Conn
{
public:
	/// Hands a message over. err::AGAIN when the window is full: a writable event follows.
	/// err::NOTCONN before connected; err::CONNRESET when it broke or was closed by the peer.
	/// The message is taken only on success.
	[[nodiscard]] Result<> send(Message &&m);
	/// Ends this side: what was sent is still delivered, then the peer sees `closed`. Events
	/// not yet fetched are dropped. The handle is gone.
	void close();
	/// Breaks the connection for both sides, losing what is under way. The handle stays until
	/// close(); no event comes to this side.
	void abort();

	[[nodiscard]] std::uint32_t peer() const noexcept;

	/// For the user: a driver's own structure.
	void *user = nullptr;

private:
	friend class Net;
	friend class Inbox;
	friend struct Link;

	enum class State { unborn, connecting, open, ended };
	enum class Kind { request, accept, refuse, data, fin, reset };
	struct Packet {
		Nanos at;
		Kind kind;
		bool through_cut; ///< a partition does not stop it
		Message message;
	};
	struct Deliver : Event {
		Conn *conn = nullptr;
	};

	Net *net_ = nullptr;
	Link *link_ = nullptr;
	Conn *other_ = nullptr;
	NodeImpl *node_ = nullptr;
	Inbox::State *inbox_ = nullptr; ///< null when released
	State state_ = State::unborn;
	bool released_ = false;	  ///< no handle is out there, or the node is gone
	bool owes_reset_ = false; ///< lost its power: the peer learns at the next boot
	bool wants_writable_ = false;
	std::uint16_t port_ = 0;
	std::size_t unreceived_ = 0; ///< bytes sent and not yet fetched
	Nanos wire_free_ = 0;	     ///< bandwidth: when the wire has taken what was sent
	std::deque<Packet> out_;
	Deliver deliver_;
};

class Net
{
public:
	explicit Net(Sched &sched);
	~Net();
	Net(const Net &) = delete;
	Net &operator=(const Net &) = delete;

	// ---- from fibers of nodes ----

	/// Connections to this port of the calling node are accepted into the inbox, until
	/// unlisten() or the node goes down. err::ADDRINUSE.
	[[nodiscard]] Result<> listen(std::uint16_t port, Inbox &inbox);
	void unlisten(std::uint16_t port);
	/// Begins to connect; the inbox gets connected or refused, or nothing for as long as the
	/// other node is cut off.
	[[nodiscard]] Conn *connect(std::uint32_t address, std::uint16_t port, Inbox &inbox);

	// ---- the world's hand: from drivers, or before the run ----

	/// What links without options of their own are like.
	void set_default_link(const LinkOptions &o);
	void set_link(const Node &a, const Node &b, const LinkOptions &o);
	/// Holds all messages between the two, in both directions, until heal().
	void partition(const Node &a, const Node &b);
	/// In one direction only.
	void partition_one_way(const Node &from, const Node &to);
	/// Cuts a node off from all others.
	void isolate(const Node &n);
	void heal(const Node &a, const Node &b);
	void heal_all();
	[[nodiscard]] bool reachable(const Node &from, const Node &to) const;
	/// Breaks all connections between the two; each side learns of it on its own.
	void reset(const Node &a, const Node &b);

	/// Messages delivered since the start.
	[[nodiscard]] std::uint64_t delivered() const noexcept { return delivered_; }

	/// The scheduler's: the node is gone, by a crash or in order; it boots.
	void node_down(NodeImpl &n, CrashKind kind);
	void node_up(NodeImpl &n);

private:
	friend class Conn;
	friend class Inbox;

	using Pair = std::pair<std::uint32_t, std::uint32_t>;

	[[nodiscard]] const LinkOptions &link_options(std::uint32_t a, std::uint32_t b) const;
	[[nodiscard]] bool is_cut(const Conn &from) const;
	NodeImpl &node(std::uint32_t address);
	void transmit(Conn &from, Conn::Kind kind, Message &&m = {}, bool through_cut = false);
	void arm(Conn &from);
	void arrive(Conn &from);
	void arrive_request(Conn &to);
	void arrive_data(Conn &to, Message &&m);
	void end_side(Conn &c, NetEvent::Kind kind);
	void post(Conn &c, NetEvent::Kind kind, Message &&m = {});
	void release(Conn &c);
	void collect(Link &l);
	void restart_held();
	void lose(Conn &c);

	Sched &sched_;
	LinkOptions default_link_;
	std::map<Pair, LinkOptions> links_; ///< by (smaller, larger) address
	std::set<Pair> cut_;		    ///< (from, to)
	std::set<std::uint32_t> dark_;	    ///< nodes without power
	std::map<std::pair<std::uint32_t, std::uint16_t>, Inbox::State *> listeners_;
	std::vector<std::unique_ptr<Link>> all_;
	std::uint64_t delivered_ = 0;
};

} // namespace cfs::sim
