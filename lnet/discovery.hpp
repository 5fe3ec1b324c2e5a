// SPDX-License-Identifier: GPL-2.0
//
// Discovery: learns which NIDs a peer has, tells it ours, and groups peer NIs into peers (spec 01
// section 7). Also the targets at portal 0 through which others do the same to us.
//
// An attempt to discover a peer is a few steps, taken one after the other by the monitor's thread:
// ping it, merge the answer, push our list if it has not acknowledged the present one. Between the
// steps it waits for the events of a Probe. Messages to a peer that is not up to date wait in
// Peer::waiting and go on, or fail, when the attempt ends. A probe that left and was not answered
// within the driver's time-out is repeated, on another way if there is one, at most retry_count
// times: a peer that rebooted must not hold up everybody's messages for a whole transaction
// time-out.
//
// Invariants. A peer with waiting messages has DISCOVERING set, and one with DISCOVERING set is in
// the queue, with the thread, or has a probe whose end puts it into the queue; probes end within
// the transaction time-out. Only the monitor's thread and add_peer() regroup NIDs, under
// regroup_lock_.
//
// Locks: regroup_lock_ > lock_ > Peer::lock_ > PeerNi::lock_. The peer table's buckets > lock_.
#pragma once

#include "libcfs/wait.hpp"
#include "lnet/msg.hpp"
#include "lnet/ping.hpp"

namespace lnet
{

class Core;
class Discovery;

/// One version of the ping buffer, attached at portal 0; lives until its MD's last event.
class PingTarget final : public EventHandler, public cfs::RefCounted<PingTarget>
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LNET;

	PingTarget(cfs::Array<std::byte> buffer, std::uint32_t sequence) noexcept
	    : buffer_(std::move(buffer)), sequence_(sequence)
	{
	}
	void destroy() noexcept;
	/// Attaches it; the MD takes a reference of its own.
	[[nodiscard]] cfs::Result<> publish(Network &net) noexcept;
	void withdraw(Network &net) noexcept;
	void on_event(const Event &ev) noexcept override;
	[[nodiscard]] cfs::Bytes bytes() const noexcept { return {buffer_.data(), buffer_.size()}; }
	[[nodiscard]] std::uint32_t sequence() const noexcept { return sequence_; }

private:
	cfs::Array<std::byte> buffer_;
	const std::uint32_t sequence_;
	MdHandle md_;
};

/// Where peers push their ping buffers to. Posted again by the monitor's thread after each push;
/// until then the lazy portal holds the next one.
class PushTarget final : public EventHandler, public cfs::RefCounted<PushTarget>
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LNET;
	/// Holds as many NIDs as PingInfo, of either size.
	static constexpr std::uint32_t kBytes = 8192;

	PushTarget(Core &core, cfs::Array<std::byte> buffer) noexcept
	    : core_(core), buffer_(std::move(buffer))
	{
	}
	void destroy() noexcept;
	[[nodiscard]] cfs::Result<> post() noexcept;
	void on_event(const Event &ev) noexcept override;

private:
	friend class Discovery;
	Core &core_;
	cfs::Array<std::byte> buffer_;
	cfs::SpinLock lock_{CFS_LOCK_CLASS("lnet push target")};
	MdHandle md_ CFS_GUARDED_BY(lock_);
	bool arrived_ CFS_GUARDED_BY(lock_) = false; ///< a push is in the buffer
	bool idle_ CFS_GUARDED_BY(lock_) = true;     ///< no MD
	cfs::Errno status_{};
	std::uint32_t length_ = 0;
	Nid source_, target_;
};

/// A ping or push of LNet's own. Holds the memory until the MD's last event.
class Probe final : public EventHandler, public cfs::RefCounted<Probe>
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LNET;
	enum class Kind : std::uint8_t { ping, push, recovery };

	/// peer: none for recovery.
	Probe(Core &core, Kind kind, cfs::RefPtr<Peer> peer, cfs::Array<std::byte> buffer) noexcept
	    : core_(core), kind_(kind), peer_(std::move(peer)), buffer_(std::move(buffer))
	{
	}
	void destroy() noexcept;
	void on_event(const Event &ev) noexcept override;

	cfs::ListHook hook; ///< Discovery::probes_

private:
	friend class Discovery;
	Core &core_;
	const Kind kind_;
	cfs::RefPtr<Peer> peer_;
	cfs::Array<std::byte> buffer_;
	std::uint32_t sequence_ = 0; ///< of what is pushed
	MdHandle md_;
	// Written by events, which come one at a time; read when ended_.
	bool sent_ = false, answered_ = false;
	cfs::Errno status_{};
	std::uint32_t length_ = 0;
	Nid from_, to_;
	std::atomic<bool> ended_{false};
};

class Discovery
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LNET;

	explicit Discovery(Core &core) noexcept : core_(core) {}
	[[nodiscard]] cfs::Result<> init() noexcept;
	/// Ends everything: what waits fails. The monitor's thread has ended.
	void stop() noexcept;

	/// True: the message waits until `p` is discovered, and is discovery's.
	[[nodiscard]] bool hold_back(Msg &m, Peer &p) noexcept;
	[[nodiscard]] bool up_to_date(const Peer &p) const noexcept;
	/// Begins an attempt unless one is under way. force: even if it is up to date. at: with
	/// that NID of its, if there is one.
	void start(Peer &p, bool force, const Nid &at = {}) noexcept;
	/// Waits for the end of an attempt with the peer of that NID.
	[[nodiscard]] cfs::Result<> wait(const Nid &nid, bool force, cfs::WaitMode mode,
					 cfs::Instant deadline) noexcept;
	/// Groups the NIDs of one server (section 10 point 4).
	[[nodiscard]] cfs::Result<> add_peer(std::span<const Nid> nids, bool lock_primary) noexcept;
	/// Likewise by an administrator.
	[[nodiscard]] cfs::Result<> configure(const Nid &primary, std::span<const Nid> nids,
					      bool multi_rail, bool lock_primary) noexcept;
	[[nodiscard]] cfs::Result<> forget(const Nid &primary, std::span<const Nid> nids) noexcept;
	/// Pings a NID to see whether it is well again.
	void recover(const Nid &source, const Nid &nid) noexcept;
	/// Our list has changed: those who have the old one get the new.
	void list_changed(std::uint32_t sequence) noexcept;

	// ---- the monitor's thread ----
	/// Does what there is to do.
	void work() noexcept;

	// ---- events ----
	void probe_ended(Probe &p) noexcept;

	std::atomic<bool> enabled{true};

private:
	void enqueue(Peer &p) noexcept CFS_REQUIRES(lock_);
	/// Binds a probe's buffer and keeps it in mind.
	[[nodiscard]] cfs::Result<> arm(Probe &probe, std::uint32_t options) noexcept;
	void step(Peer &p) noexcept;
	/// No answer came, and another probe may have one: this one's connection had died
	/// unnoticed, or there is another way.
	[[nodiscard]] bool lost(const Peer &p, const Probe &probe) noexcept;
	/// The peer's NID that a probe is sent to.
	[[nodiscard]] Nid way_to(Peer &p) noexcept;
	/// Bounds the wait for a probe's answer.
	void bound(Peer &p, const Probe &probe) noexcept;
	void finish(Peer &p, cfs::Errno why) noexcept;
	[[nodiscard]] cfs::Result<> send_ping(Peer &p) noexcept;
	[[nodiscard]] cfs::Result<> send_push(Peer &p) noexcept;
	[[nodiscard]] cfs::Result<> ping_ended(Peer &p, Probe &probe) noexcept;
	void push_arrived() noexcept;
	[[nodiscard]] cfs::Result<> learn(Peer &p, const PingInfo &info, const Nid &from) noexcept;
	[[nodiscard]] cfs::Result<> merge(Peer &p, const PingInfo &info) noexcept
		CFS_REQUIRES(regroup_lock_);
	void drop_unlisted(Peer &p, const PingInfo &info) noexcept CFS_REQUIRES(regroup_lock_);
	void split(Peer &p) noexcept CFS_REQUIRES(regroup_lock_);
	void move(PeerNi &ni, Peer &to) noexcept CFS_REQUIRES(regroup_lock_);
	[[nodiscard]] cfs::Result<> single_out(PeerNi &ni) noexcept CFS_REQUIRES(regroup_lock_);
	void release(cfs::List<CreditWaiter, &CreditWaiter::credit_hook> &list,
		     cfs::Errno why) noexcept;

	Core &core_;
	cfs::Mutex regroup_lock_{CFS_LOCK_CLASS("lnet peer groups")};
	cfs::SpinLock lock_{CFS_LOCK_CLASS("lnet discovery")};
	cfs::List<Peer, &Peer::discovery_hook> queue_ CFS_GUARDED_BY(lock_); // with references
	cfs::List<Probe, &Probe::hook> probes_ CFS_GUARDED_BY(lock_);	     // all, with references
	cfs::WaitQueue ended_{CFS_LOCK_CLASS("lnet discovery end")};
	bool stopping_ CFS_GUARDED_BY(lock_) = false;
	std::atomic<std::uint32_t> sequence_{0}; // of our own list
	cfs::RefPtr<PushTarget> push_target_;
};

} // namespace lnet
