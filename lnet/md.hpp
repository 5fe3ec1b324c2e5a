// SPDX-License-Identifier: GPL-2.0
//
// Memory descriptors and the delivery of their events (spec 01 sections 4.2, 4.5).
//
// Invariants. Every operation that was committed ends in finish(), exactly once. Events of one MD
// are delivered one after the other; the one after which the MD will never be touched again, and
// only that one, carries `unlinked`. Whoever finds an event to deliver while another thread is
// delivering leaves it to that thread, so a handler may call anything, unlink() of its own MD
// included, without recursion and without a lock held.
//
// Locks: Md::lock_ is innermost but for the handle table's bucket locks, which are never held with
// it.
#pragma once

#include "libcfs/containers.hpp"
#include "libcfs/lock.hpp"
#include "libcfs/mem.hpp"
#include "libcfs/plat/thread.h"
#include "lnet/lnet.hpp"
#include "lnet/peer.hpp"

namespace lnet
{

class Md;
class Portal;

/// An event on its way to a handler. Embedded in the message that caused it.
struct PendingEvent {
	cfs::ListHook event_hook;
	Event ev{};
	/// Called after the handler, last of all; may free the object this is part of.
	void (*delivered)(PendingEvent &p) noexcept = nullptr;
};

/// What a message asks of a target (section 4.3).
struct MatchInfo {
	ProcessId initiator; ///< with the primary NID
	Nid source;	     ///< the NID in the header
	std::uint64_t match_bits;
	std::uint32_t portal;
	std::uint32_t option; ///< LNET_MD_OP_PUT or LNET_MD_OP_GET
	std::uint32_t offset;
	std::uint32_t length;
};

/// Where a matched message goes.
struct MatchResult {
	cfs::RefPtr<Md> md;
	std::uint32_t offset = 0;
	std::uint32_t mlength = 0;
	bool exhausted = false; ///< the MD takes no further operation
};

enum class MatchVerdict : std::uint8_t { none, matched, drop };

/// How the other side may answer an operation. A peer knows the handle of the memory that a PUT is
/// sent from when it is to acknowledge it; with a REPLY to that handle it could write there.
enum class Answer : std::uint8_t { none, ack, reply };

class Md final : public cfs::RefCounted<Md>
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LNET;

	Md(MdHandle handle, const MdSpec &spec, const MatchSpec *match) noexcept;

	[[nodiscard]] MdHandle handle() const noexcept { return handle_; }
	[[nodiscard]] const Buffer &buffer() const noexcept { return spec_.buffer; }
	[[nodiscard]] bool has(std::uint32_t option) const noexcept
	{
		return (spec_.options & option) != 0;
	}
	[[nodiscard]] bool attached() const noexcept { return attached_; }
	[[nodiscard]] const MatchSpec &match_spec() const noexcept { return match_; }

	/// Tries one message against this attached MD and commits it when it fits. The caller holds
	/// the match list's lock, so that exhaustion and removal from the list are one step.
	[[nodiscard]] MatchVerdict try_match(const MatchInfo &info, MatchResult &out) noexcept;
	/// Commits one operation started from a bound MD, and the answer that it expects.
	/// err::NOENT when it takes no more.
	[[nodiscard]] cfs::Result<> commit(Answer expected) noexcept;
	/// Commits an answer that came. err::NOENT when none of that kind is expected (any more).
	[[nodiscard]] cfs::Result<> commit_answer(Answer got) noexcept;
	/// An operation has ended: its event goes to the handler, now or by the thread delivering
	/// already. Consumes the caller's hold on p; p.delivered runs even without a handler.
	void finish(PendingEvent &p) noexcept;
	/// No new operations; the last event follows. err::NOENT if it was ending already.
	/// why: the status of the UNLINK event, if there is one.
	[[nodiscard]] cfs::Result<> unlink(cfs::Errno why = {}) noexcept;
	/// The hop that is to bring the response, blamed when none comes.
	void set_asked(const cfs::RefPtr<PeerNi> &hop) noexcept
	{
		cfs::RefPtr<PeerNi> h = hop;
		cfs::SpinGuard g(lock_);
		std::swap(asked_, h);
		g.unlock();
	}
	[[nodiscard]] cfs::RefPtr<PeerNi> take_asked() noexcept
	{
		cfs::SpinGuard g(lock_);
		return std::move(asked_);
	}
	/// Whether unlink() was called.
	[[nodiscard]] bool unlinking() noexcept;
	/// Marks it as taking no more operations (exhausted and auto-unlink).
	[[nodiscard]] bool dead() noexcept;

	// Membership in a match list; protected by that list's lock.
	cfs::ListHook match_hook;
	Portal *portal = nullptr;
	// Membership in the handle table; protected by its bucket lock.
	cfs::ListHook table_hook;
	/// When its response is overdue (cfs_now_ns); 0: none is awaited.
	std::atomic<std::uint64_t> response_due{0};

private:
	void deliver() noexcept;
	void take_threshold() noexcept CFS_REQUIRES(lock_);
	[[nodiscard]] bool exhausted() const noexcept CFS_REQUIRES(lock_);

	const MdHandle handle_;
	const MdSpec spec_;
	const MatchSpec match_;
	const bool attached_;

	cfs::SpinLock lock_{CFS_LOCK_CLASS("lnet md")};
	int threshold_ CFS_GUARDED_BY(lock_);
	std::uint32_t local_offset_ CFS_GUARDED_BY(lock_) = 0;
	std::uint32_t in_flight_ CFS_GUARDED_BY(lock_) = 0;
	std::uint32_t acks_due_ CFS_GUARDED_BY(lock_) = 0;
	std::uint32_t replies_due_ CFS_GUARDED_BY(lock_) = 0;
	bool dead_ CFS_GUARDED_BY(lock_) = false;
	bool delivering_ CFS_GUARDED_BY(lock_) = false;
	bool last_sent_ CFS_GUARDED_BY(lock_) = false;
	cfs::RefPtr<PeerNi> asked_ CFS_GUARDED_BY(lock_);
	cfs::List<PendingEvent, &PendingEvent::event_hook> events_ CFS_GUARDED_BY(lock_);
	PendingEvent unlink_event_;
};

/// All MDs of a node by handle: what ACKs and REPLYs are looked up in.
class MdTable
{
	struct Bucket {
		cfs::SpinLock lock{CFS_LOCK_CLASS("lnet md table")};
		cfs::List<Md, &Md::table_hook> mds CFS_GUARDED_BY(lock);
		/// No response of its MDs is due before; CFS_NEVER for none.
		std::atomic<std::uint64_t> next_due{CFS_NEVER};
	};
	static constexpr std::size_t kBuckets = 4096;
	static constexpr std::uint64_t kCountMask = (1u << 30) - 1;
	cfs::Array<Bucket> buckets_;
	std::atomic<std::uint64_t> next_{3};

	Bucket &bucket(MdHandle h) noexcept { return buckets_[(h.cookie >> 2) % kBuckets]; }
	[[nodiscard]] cfs::RefPtr<Md> take_overdue(Bucket &b, std::uint64_t now) noexcept;

public:
	[[nodiscard]] cfs::Result<> init() noexcept;
	/// A handle for an MD. The low two bits say "MD" (spec 01 section 3.5), then comes a
	/// counter, and then what no peer can guess: answers are taken from whoever knows the
	/// handle, and every peer that was sent one would know the next.
	[[nodiscard]] MdHandle new_handle() noexcept
	{
		std::uint32_t secret = 0;
		cfs_random_bytes(&secret, sizeof(secret));
		std::uint64_t count = next_.fetch_add(1, std::memory_order_relaxed) & kCountMask;
		return {std::uint64_t{secret} << 32 | count << 2 | 1};
	}
	/// Takes a reference.
	void insert(Md &md) noexcept;
	/// Gives that reference back; does nothing the second time.
	void remove(Md &md) noexcept;
	[[nodiscard]] cfs::RefPtr<Md> find(MdHandle h) noexcept;
	/// A response to this MD is expected until then.
	void expect(Md &md, std::uint64_t due) noexcept;
	/// Calls f(Md &) without a lock for each MD whose response is overdue, once.
	template <typename F>
	void overdue(std::uint64_t now, F f) noexcept
	{
		for (Bucket &b : buckets_) {
			if (b.next_due.load(std::memory_order_acquire) > now)
				continue;
			while (auto md = take_overdue(b, now))
				f(*md);
		}
	}
};

} // namespace lnet
