// SPDX-License-Identifier: GPL-2.0
//
// A portal: what is attached to it, and on a lazy portal the messages that wait for something to be
// attached (spec 01 sections 4.1, 4.3, 4.4).
//
// The first attach decides for good whether a portal is unique (every entry has a specific id and
// no ignore bits: a hash by match bits) or wildcard (two ordered lists, entries with ignore bits
// searched first).
//
// Locks: hold_lock_ > a bucket's lock > Md::lock_. A message that found nothing is looked up once
// more under hold_lock_ before it is held, and attach() takes hold_lock_ after it has linked its
// entry, so one of the two always sees the other.
#pragma once

#include "libcfs/containers.hpp"
#include "libcfs/lock.hpp"
#include "lnet/md.hpp"

namespace lnet
{

/// A message waiting on a lazy portal.
struct HeldMessage {
	cfs::ListHook held_hook;
	MatchInfo match;
	/// Set when it must not be held any more (its interface goes down): read under the
	/// portal's hold_lock_, so whoever sets it and then takes out what is held misses nothing.
	const std::atomic<bool> *barred = nullptr;
};
using HeldList = cfs::List<HeldMessage, &HeldMessage::held_hook>;

class Portal
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LNET;

	/// Messages held at once; more are dropped. Each keeps one connection of a peer waiting.
	static constexpr std::uint32_t kHeldMax = 1u << 16;

	/// Links an MD; takes a reference. The messages that were held come back in `retry`, in
	/// their order: the caller offers each to match() again, and may keep() the rest once the
	/// MD takes no more. Returns a number for keep(). err::PERM for the other kind of entry,
	/// err::NOMEM.
	[[nodiscard]] cfs::Result<std::uint64_t> attach(Md &md, HeldList &retry) noexcept;
	/// Holds messages of attach() again, before all others, if nothing has been attached since;
	/// otherwise, and of those that must not be held any more, they stay in `rest`.
	void keep(HeldList &rest, std::uint64_t attached) noexcept;
	/// Unlinks an MD; false when it was not linked any more.
	bool detach(Md &md) noexcept;
	/// Looks for a target. On a lazy portal a PUT (held given) that finds none is held: verdict
	/// `none` with *kept = true, and `held` belongs to the portal.
	[[nodiscard]] MatchVerdict match(const MatchInfo &info, MatchResult &out, HeldMessage *held,
					 bool *kept) noexcept;
	/// Turning it off gives back what is held, to be dropped.
	void set_lazy(bool lazy, HeldList &dropped) noexcept;
	/// Takes out the held messages for which pred holds.
	template <typename Pred>
	void take_held_if(HeldList &out, Pred pred) noexcept
	{
		cfs::SpinGuard g(hold_lock_);
		for (auto it = held_.begin(); it != held_.end();) {
			HeldMessage &h = *it;
			++it;
			if (!pred(h))
				continue;
			held_.erase(held_.iterator_to(h));
			held_now_--;
			out.push_back(h);
		}
	}
	/// Messages held since the start.
	[[nodiscard]] std::uint64_t held_total() const noexcept
	{
		return held_total_.load(std::memory_order_relaxed);
	}
	/// Messages that found kHeldMax held already.
	[[nodiscard]] std::uint64_t held_refused() const noexcept
	{
		return held_refused_.load(std::memory_order_relaxed);
	}

private:
	enum class Kind : std::uint8_t { open, unique, wildcard };
	struct Bucket {
		cfs::SpinLock lock{CFS_LOCK_CLASS("lnet match list")};
		cfs::List<Md, &Md::match_hook> ignoring CFS_GUARDED_BY(lock);
		cfs::List<Md, &Md::match_hook> exact CFS_GUARDED_BY(lock);
	};
	static constexpr std::size_t kBuckets = 256;

	[[nodiscard]] cfs::Result<> settle_kind(bool unique) noexcept;
	[[nodiscard]] Bucket *bucket_for(std::uint64_t match_bits) noexcept;
	[[nodiscard]] MatchVerdict search(const MatchInfo &info, MatchResult &out) noexcept;

	std::atomic<Kind> kind_{Kind::open};
	std::atomic<bool> lazy_{false};
	cfs::Array<Bucket> buckets_; // set before kind_ leaves `open`
	cfs::SpinLock hold_lock_{CFS_LOCK_CLASS("lnet lazy portal")};
	HeldList held_ CFS_GUARDED_BY(hold_lock_);
	std::uint32_t held_now_ CFS_GUARDED_BY(hold_lock_) = 0;
	std::uint64_t attached_ CFS_GUARDED_BY(hold_lock_) = 0; // while lazy
	std::atomic<std::uint64_t> held_total_{0};
	std::atomic<std::uint64_t> held_refused_{0};
	cfs::Mutex kind_lock_{CFS_LOCK_CLASS("lnet portal kind")};
};

} // namespace lnet
