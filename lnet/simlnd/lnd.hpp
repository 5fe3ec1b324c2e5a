// SPDX-License-Identifier: GPL-2.0
//
// simlnd: the network driver of simulated nodes, over cfs::sim::Net. Behaves towards LNet as
// socklnd does: sends complete when the network has taken the bytes, or, for some, when the peer
// has taken the message; a connection that makes no progress is given up; a message held by LNet
// stops its connection and no other.
//
// Invariants. Every message comes back exactly once. A send fails in a way that LNet may repeat
// (local_dropped, remote_dropped) only if the peer surely has not got it. Connections end on the
// engine's fiber only, because it looks at their events without a lock.
//
// Locks: SimLnd::lock_ guards everything here; it is not held during upcalls.
#pragma once

#include "libcfs/containers.hpp"
#include "libcfs/lock.hpp"
#include "libcfs/node.hpp"
#include "libcfs/sim/net.hpp"
#include "libcfs/thread.hpp"
#include "libcfs/wait.hpp"
#include "lnet/lnd.hpp"
#include "lnet/simlnd/state.hpp"

namespace lnet::sim
{

class SimLnd;
class SimNi;
struct Channel;

/// A message being sent.
struct Tx {
	static constexpr cfs_subsys kSubsys = CFS_S_LND;

	explicit Tx(SimNi &n, TxMessage &m) noexcept : ni(n), msg(m) {}
	cfs::ListHook hook;
	SimNi &ni;
	TxMessage &msg;
	std::uint64_t number = 0; ///< on its channel
	bool wants_ack = false;	  ///< done when the peer has taken it
	cfs::Errno status{};
	SendStatus how = SendStatus::ok;
};
using TxList = cfs::List<Tx, &Tx::hook>;

/// A message received.
struct Rx {
	static constexpr cfs_subsys kSubsys = CFS_S_LND;

	cfs::ListHook hook;
	cfs::RefPtr<Channel> channel;
	Header header{};
	cfs::Array<std::byte> payload;
	// Of a recv() that a worker finishes.
	void *lnet_msg = nullptr;
	Extent to{};
};
using RxList = cfs::List<Rx, &Rx::hook>;

/// A connection to a peer's NID.
struct Channel : cfs::RefCounted<Channel> {
	static constexpr cfs_subsys kSubsys = CFS_S_LND;
	/// Messages that the peer has not processed yet.
	static constexpr std::uint64_t kWindow = 16;
	enum class State : std::uint8_t { connecting, greeting, open, dead };

	cfs::ListHook hook;	  ///< SimLnd::channels_
	cfs::ListHook ready_hook; ///< SimLnd::ready_
	cfs::sim::Conn *conn = nullptr;
	SimNi *ni = nullptr; ///< none while greeting
	Nid peer;
	State state = State::connecting;
	bool condemned = false;	       ///< the engine is to end it
	cfs::Instant progress{};       ///< last time the peer showed that it lives
	std::uint64_t incarnation = 0; ///< the peer's; 0 until something came from it
	// sending
	TxList queue;
	TxList unacked;
	std::uint64_t sent = 0, peer_fetched = 0, peer_processed = 0;
	// receiving
	RxList inbound;
	bool busy = false; ///< LNet has a message of it
	bool owes_ack = false;
	std::uint64_t fetched = 0, processed = 0;
};

class SimNi final : public NetworkInterface
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LND;

	SimNi(SimLnd &lnd, const Nid &nid, Upcalls &up) noexcept;
	void destroy() noexcept override;

	[[nodiscard]] Nid nid() const noexcept override { return nid_; }
	[[nodiscard]] const char *if_name() const noexcept override { return name_; }
	[[nodiscard]] NiTunables tunables() const noexcept override;
	[[nodiscard]] LndTunables lnd_tunables() const noexcept override;
	cfs::Result<> change(const LndWishes &wishes) noexcept override;
	cfs::Result<> open() noexcept override;
	void send(TxMessage &msg) noexcept override;
	void recv(RxHandle rx, void *lnet_msg, const Extent &to) noexcept override;
	[[nodiscard]] bool peer_usable(const Nid &) noexcept override { return true; }
	void shutdown() noexcept override;

private:
	friend class SimLnd;

	SimLnd &lnd_;
	Upcalls &up_;
	const Nid nid_;
	char name_[8] = {};
	std::atomic<std::int32_t> timeout_; ///< seconds without progress that end a channel
	cfs::ListHook hook_;		    ///< SimLnd::nis_
	bool opened_ = false;
	bool stopping_ = false;
	bool down_ = false; ///< as LNet was told
	/// Channels, messages with LNet and threads inside: shutdown() waits for their end.
	unsigned uses_ = 0;
};

class SimLnd final : public Lnd
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LND;
	static constexpr std::uint16_t kPort = 988;
	static constexpr unsigned kWorkers = 2;
	static constexpr auto kTick = cfs::Duration::millis(500);

	explicit SimLnd(NodeState &state) noexcept : state_(state) {}
	[[nodiscard]] cfs::Result<> start(cfs::Node &node) noexcept;
	/// All interfaces have been shut down.
	void destroy() noexcept;

	[[nodiscard]] LndType type() const noexcept override { return LndType::tcp; }
	cfs::Result<cfs::UniquePtr<NetworkInterface>>
	startup(cfs::Node &node, Net net, std::string_view if_name, Upcalls &up) noexcept override;

private:
	friend class SimNi;

	void run_engine() noexcept;
	void run_worker() noexcept;
	void stop() noexcept;
	void handle(cfs::sim::NetEvent &e) noexcept;
	void accepted(cfs::sim::Conn &conn) noexcept CFS_REQUIRES(lock_);
	void message(Channel &c, cfs::Bytes b) noexcept CFS_REQUIRES(lock_);
	[[nodiscard]] cfs::Result<> hello(Channel &c, cfs::Reader &r) noexcept CFS_REQUIRES(lock_);
	[[nodiscard]] cfs::Result<> lnet_message(Channel &c, cfs::Reader &r) noexcept
		CFS_REQUIRES(lock_);
	void tick(TxList &done) noexcept CFS_REQUIRES(lock_);
	void check_channel(Channel &c) noexcept CFS_REQUIRES(lock_);
	void check_cables() noexcept;
	/// Ends a channel; what it had to send goes to done_.
	void end(Channel &c, cfs::Errno why) noexcept CFS_REQUIRES(lock_);

	[[nodiscard]] Channel *channel_to(SimNi &ni, const Nid &peer) noexcept CFS_REQUIRES(lock_);
	[[nodiscard]] cfs::Result<> greet(Channel &c) noexcept CFS_REQUIRES(lock_);
	void pump(Channel &c) noexcept CFS_REQUIRES(lock_);
	void ack(Channel &c) noexcept CFS_REQUIRES(lock_);
	void make_ready(Channel &c) noexcept CFS_REQUIRES(lock_);
	void finish_recv(Rx &rx) noexcept;
	void drop_use(SimNi &ni) noexcept CFS_REQUIRES(lock_);
	/// Tells LNet what is in done_.
	void report() noexcept;

	NodeState &state_;
	std::uint64_t incarnation_ = 0;
	cfs::sim::Inbox inbox_;
	cfs::Mutex lock_{CFS_LOCK_CLASS("simlnd")};
	cfs::WaitQueue wait_{CFS_LOCK_CLASS("simlnd wait")};
	cfs::List<SimNi, &SimNi::hook_> nis_;
	cfs::List<Channel, &Channel::hook> channels_;
	cfs::List<Channel, &Channel::ready_hook> ready_; ///< have a message for LNet
	RxList deferred_;				 ///< recv() that a worker is to finish
	TxList done_;
	bool stopping_ = false;
	cfs::Thread engine_;
	cfs::Thread workers_[kWorkers];
};

} // namespace lnet::sim
