// SPDX-License-Identifier: GPL-2.0
//
// What this node knows of others: peer NIs (one remote NID each), grouped into peers (one remote
// node each) under a primary NID (spec 01 sections 7.5, 10).
//
// A peer NI lives from the first message to or from its NID until LNet ends or it is evicted as
// idle. Its peer may change: discovery finds that two NIDs are one node. The primary NID is kept in
// the peer NI as well, because every received message needs it.
//
// Locks: bucket lock > PeerNi::lock_; Peer::lock_ > PeerNi::lock_.
#pragma once

#include "libcfs/containers.hpp"
#include "libcfs/lock.hpp"
#include "libcfs/mem.hpp"
#include "libcfs/time.hpp"
#include "lnet/control.hpp"
#include "lnet/credits.hpp"
#include "lnet/nid.hpp"
#include "lnet/ping.hpp"

namespace lnet
{

class Peer;

/// Health of an interface, ours or a peer's (section 8.1).
inline constexpr int kHealthMax = 1000;

/// Messages of one entity since its start, by wire::MsgType, and sends of it that failed, by
/// SendStatus.
struct MessageCounts {
	using ByType = std::atomic<std::uint64_t>[Counts::kTypes];

	ByType sent = {}, received = {}, dropped = {};
	std::atomic<std::uint32_t> failed[kSendStatuses] = {};
	std::atomic<std::uint32_t> recovery_pings{0}; ///< since it was last whole

	static void add(ByType &which, wire::MsgType type) noexcept
	{
		which[static_cast<unsigned>(type) % Counts::kTypes].fetch_add(
			1, std::memory_order_relaxed);
	}
};

/// When an unhealthy NID is pinged next (section 8.3).
struct Recovery {
	cfs::Instant next{};
	cfs::Instant since{};
	std::uint32_t interval_s = 0;
};

class PeerNi final : public cfs::RefCounted<PeerNi>
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LNET;

	PeerNi(const Nid &nid, int credits, int from_it) noexcept
	    : tx_credits(credits), router_credits(from_it), nid_(nid), primary_(nid)
	{
	}

	[[nodiscard]] const Nid &nid() const noexcept { return nid_; }
	[[nodiscard]] Nid primary() noexcept
	{
		cfs::SpinGuard g(lock_);
		return primary_;
	}
	/// The peer it belongs to; a reference.
	[[nodiscard]] cfs::RefPtr<Peer> peer() noexcept;
	/// Puts it into a peer. The caller holds that peer's lock.
	void join(Peer &p, const Nid &primary) noexcept;
	void set_primary(const Nid &primary) noexcept
	{
		cfs::SpinGuard g(lock_);
		primary_ = primary;
	}

	/// The local NID that messages without a source of their own are sent from, so that this
	/// peer always sees the same one (section 6.2). Chosen once.
	[[nodiscard]] Nid preferred_local() noexcept
	{
		cfs::SpinGuard g(lock_);
		return preferred_;
	}
	void prefer_local(const Nid &local) noexcept
	{
		cfs::SpinGuard g(lock_);
		preferred_ = local;
	}

	CreditQueue tx_credits;
	CreditQueue router_credits; ///< its messages that this node forwards
	MessageCounts counts;
	std::atomic<int> health{kHealthMax};
	std::atomic<bool> alive{true};
	std::atomic<std::uint64_t> last_heard_ns{0};
	/// What its node last said of it: an LNET_NI_STATUS_.
	std::atomic<std::uint32_t> announced{wire::LNET_NI_STATUS_UP};
	std::atomic<std::uint32_t> uses{0}; ///< for taking turns

	// The monitor's.
	cfs::Instant last_check{}; ///< of a gateway that a route names by this NID
	cfs::ListHook recovery_hook;
	Recovery recovery;

	cfs::ListHook table_hook; // bucket lock
	cfs::ListHook peer_hook;  // Peer::lock_

private:
	const Nid nid_;
	cfs::SpinLock lock_{CFS_LOCK_CLASS("lnet peer ni")};
	Nid primary_ CFS_GUARDED_BY(lock_);
	Nid preferred_ CFS_GUARDED_BY(lock_);
	cfs::RefPtr<Peer> peer_ CFS_GUARDED_BY(lock_);
};

/// State bits of a peer, numbered as `lnetctl peer show` prints them.
enum PeerState : std::uint32_t {
	LNET_PEER_MULTI_RAIL = 1u << 0,
	LNET_PEER_NO_DISCOVERY = 1u << 1,
	LNET_PEER_ROUTER_ENABLED = 1u << 2,
	LNET_PEER_CONFIGURED = 1u << 3,
	LNET_PEER_DISCOVERED = 1u << 4,
	LNET_PEER_REDISCOVER = 1u << 5,
	LNET_PEER_DISCOVERING = 1u << 6,
	LNET_PEER_DATA_PRESENT = 1u << 7,
	LNET_PEER_NIDS_UPTODATE = 1u << 8,
	LNET_PEER_PING_SENT = 1u << 9,
	LNET_PEER_PUSH_SENT = 1u << 10,
	LNET_PEER_PING_FAILED = 1u << 11,
	LNET_PEER_PUSH_FAILED = 1u << 12,
	LNET_PEER_FORCE_PING = 1u << 13,
	LNET_PEER_FORCE_PUSH = 1u << 14,
	LNET_PEER_LOCK_PRIMARY = 1u << 20,
};

class Probe;

class Peer final : public cfs::RefCounted<Peer>
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LNET;

	explicit Peer(const Nid &primary) noexcept;
	~Peer();

	[[nodiscard]] Nid primary() noexcept
	{
		cfs::SpinGuard g(lock_);
		return primary_;
	}
	void add(PeerNi &ni) noexcept;
	void remove(PeerNi &ni) noexcept;
	void set_primary(const Nid &nid) noexcept;
	/// Calls f(PeerNi &) for each NID, under the lock.
	template <typename F>
	void for_each(F f) noexcept
	{
		cfs::SpinGuard g(lock_);
		for (PeerNi &n : nis_)
			f(n);
	}

	/// The first of its NIDs for which pred holds.
	template <typename Pred>
	[[nodiscard]] cfs::RefPtr<PeerNi> find_if(Pred pred) noexcept
	{
		cfs::SpinGuard g(lock_);
		for (PeerNi &n : nis_)
			if (pred(n))
				return cfs::RefPtr<PeerNi>::share(&n);
		return nullptr;
	}
	[[nodiscard]] bool has(std::uint32_t bits) const noexcept
	{
		return (state.load(std::memory_order_acquire) & bits) == bits;
	}
	[[nodiscard]] bool multi_rail() const noexcept { return has(LNET_PEER_MULTI_RAIL); }
	/// NIDs it has.
	[[nodiscard]] std::uint32_t count() const noexcept
	{
		return count_.load(std::memory_order_relaxed);
	}

	std::atomic<std::uint32_t> state{0}; ///< PeerState
	/// The version of our own list of NIDs that it has acknowledged.
	std::atomic<std::uint32_t> acknowledged{0};
	/// Whether it answered when it was last asked; true until it is first asked.
	std::atomic<bool> answers{true};

	// Discovery's, under its lock.
	cfs::ListHook discovery_hook;
	cfs::List<CreditWaiter, &CreditWaiter::credit_hook> waiting; ///< messages
	std::uint32_t attempts = 0;				     ///< that have ended
	cfs::Errno last_error{};				     ///< of the last one
	// Discovery's thread's.
	cfs::RefPtr<Probe> probe;   ///< a ping or push under way
	Nid contact;		    ///< where to ping it
	Nid reply_to;		    ///< our NID that its list came to
	std::uint32_t repeated = 0; ///< probes without an answer in this attempt
	std::uint32_t sink_bytes = 0;
	cfs::Instant last_check{}; ///< of a gateway

private:
	cfs::SpinLock lock_{CFS_LOCK_CLASS("lnet peer")};
	std::atomic<std::uint32_t> count_{0};
	Nid primary_ CFS_GUARDED_BY(lock_);
	cfs::List<PeerNi, &PeerNi::peer_hook> nis_ CFS_GUARDED_BY(lock_);
};

/// All peer NIs by NID.
class PeerTable
{
	struct Bucket {
		cfs::SpinLock lock{CFS_LOCK_CLASS("lnet peer table")};
		cfs::List<PeerNi, &PeerNi::table_hook> nis CFS_GUARDED_BY(lock);
	};
	static constexpr std::size_t kBuckets = 1024;
	cfs::Array<Bucket> buckets_;
	std::atomic<std::uint32_t> count_{0};
	std::atomic<std::uint64_t> refused_{0};

	Bucket &bucket(const Nid &nid) noexcept { return buckets_[nid.hash() % kBuckets]; }

public:
	/// NIDs known at once; more are refused with err::NOBUFS.
	static constexpr std::uint32_t kPeerNisMax = 1u << 20;

	[[nodiscard]] cfs::Result<> init() noexcept;
	[[nodiscard]] cfs::RefPtr<PeerNi> find(const Nid &nid) noexcept;
	/// Finds it or makes it, alone in a peer of its own. err::NOMEM, err::NOBUFS.
	[[nodiscard]] cfs::Result<cfs::RefPtr<PeerNi>> get(const Nid &nid, int credits,
							   int router_credits) noexcept;
	/// Forgets everything; nobody may be using the table.
	void clear() noexcept;
	[[nodiscard]] std::uint32_t count() const noexcept
	{
		return count_.load(std::memory_order_relaxed);
	}
	[[nodiscard]] std::uint64_t refused() const noexcept
	{
		return refused_.load(std::memory_order_relaxed);
	}
	/// Calls f(RefPtr<Peer>) without a lock, for the peer of each NID: more than once for one
	/// of several. NIDs that come meanwhile may be missed.
	template <typename F>
	void collect(F f) noexcept
	{
		collect_nis([&](PeerNi &n) { f(n.peer()); });
	}
	/// Calls f(PeerNi &) without a lock for each NID; the same holds.
	template <typename F>
	void collect_nis(F f) noexcept
	{
		for (Bucket &b : buckets_) {
			for (std::size_t i = 0;; i++) {
				cfs::RefPtr<PeerNi> n;
				{
					cfs::SpinGuard g(b.lock);
					std::size_t k = i;
					for (PeerNi &x : b.nis)
						if (k-- == 0)
							n = cfs::RefPtr<PeerNi>::share(&x);
				}
				if (!n)
					break;
				f(*n);
			}
		}
	}
	/// Calls f(PeerNi &) for each, with its bucket locked.
	template <typename F>
	void for_each(F f) noexcept
	{
		for (Bucket &b : buckets_) {
			cfs::SpinGuard g(b.lock);
			for (PeerNi &n : b.nis)
				f(n);
		}
	}
};

} // namespace lnet
