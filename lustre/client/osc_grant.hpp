// SPDX-License-Identifier: GPL-2.0
//
// Grants as a client counts them (spec 05 section 8): GrantAccount is what one OST has promised and
// what of it is spoken for; DirtyMap tells for one object which pages have claimed their part. Pure
// arithmetic; the owner locks.
//
// Every dirty page costs a page, and every window of an object that has dirty pages costs one
// extent's tax more, if the server counts extents. A write takes along what its pages had claimed:
// that is o_grant_used, and the server takes exactly this off its own count.
//
// Invariant: avail + dirty - dead is what the server believes this client to have, but for what is
// on its way.
#pragma once

#include <algorithm>
#include <bit>

#include "libcfs/containers.hpp"
#include "libcfs/mem.hpp"
#include "libcfs/plat/page.h"
#include "wire/ost.hpp"

namespace client
{

using wire::u32;
using wire::u64;

/// How the server counts, from its connect reply.
struct GrantTerms {
	u32 tax = 0; ///< bytes per extent; 0 without GRANT_PARAM
	u32 extent_pages = 16384;
	bool enabled = false; ///< the connection has grants at all
};

class GrantAccount
{
	GrantTerms terms_;
	u64 avail_ = 0; // ours and free
	u64 dirty_ = 0; // claimed by dirty pages and by writes under way
	u64 dead_ = 0;	// the part of dirty_ that the server does not know of any more
	u64 lost_ = 0;	// to be told as o_dropped
	u64 pages_ = 0; // dirty or being written
	u64 pages_max_ = u64{64} << (20 - CFS_PAGE_SHIFT);

	void settle(u64 bytes, u64 pages) noexcept
	{
		CFS_ASSERT(bytes <= dirty_ && pages <= pages_);
		dirty_ -= bytes;
		pages_ -= pages;
	}

public:
	/// A connect was answered. fresh: the server knew nothing of us before.
	void connected(u64 granted, bool fresh, const GrantTerms &terms) noexcept
	{
		terms_ = terms;
		lost_ = 0;
		if (fresh) {
			dead_ = dirty_;
			avail_ = granted;
			return;
		}
		u64 claimed = dirty_ - dead_;
		avail_ = granted > claimed ? granted - claimed : 0;
	}
	/// Claims grant for a page that becomes dirty; false when there is none, or too much is
	/// dirty already.
	[[nodiscard]] bool take(u64 bytes) noexcept
	{
		if (bytes > avail_ || pages_ >= pages_max_)
			return false;
		avail_ -= bytes;
		dirty_ += bytes;
		pages_++;
		return true;
	}
	/// A claim that was not needed: pages that will not be written.
	void give_back(u64 bytes, u64 pages) noexcept
	{
		settle(bytes, pages);
		u64 gone = std::min(dead_, bytes);
		dead_ -= gone;
		avail_ += bytes - gone;
	}
	/// A write with that o_grant_used has ended.
	void used(u64 bytes, u64 pages) noexcept
	{
		settle(bytes, pages);
		dead_ -= std::min(dead_, bytes);
	}
	/// o_grant of a reply.
	void received(u64 bytes) noexcept { avail_ += bytes; }
	void set_limit(u64 pages) noexcept { pages_max_ = pages ? pages : 1; }

	[[nodiscard]] const GrantTerms &terms() const noexcept { return terms_; }
	[[nodiscard]] u64 avail() const noexcept { return avail_; }
	[[nodiscard]] u64 dirty() const noexcept { return dirty_ - dead_; }
	[[nodiscard]] u64 pages() const noexcept { return pages_; }
	[[nodiscard]] u64 pages_max() const noexcept { return pages_max_; }
	/// Whether so many more pages can become dirty, counted generously.
	[[nodiscard]] bool room_for(u64 pages) const noexcept
	{
		return pages_ + pages <= pages_max_ && pages * CFS_PAGE_SIZE + terms_.tax <= avail_;
	}
	/// All the grant this client would like to have, as o_undirty says it (05 8.3).
	[[nodiscard]] u64 wanted(u64 rpc_pages, u64 rpcs) const noexcept
	{
		u64 pages = std::max(rpc_pages * (rpcs + 1), pages_max_);
		u64 bytes = pages * CFS_PAGE_SIZE;
		if (terms_.tax && terms_.extent_pages)
			bytes += (pages + terms_.extent_pages - 1) / terms_.extent_pages *
				 terms_.tax;
		return std::min(bytes, wire::OBD_MAX_GRANT - (u64{256} << 20));
	}
	/// What a connect asks for (05 8.2).
	[[nodiscard]] u64 to_ask(u64 rpc_pages) const noexcept
	{
		u64 have = avail_ + dirty();
		return have ? have : 2 * rpc_pages * CFS_PAGE_SIZE;
	}
	/// The grant fields of a read or write; what is reported lost is forgotten.
	void pack(wire::Obdo &oa, u64 used, u64 rpc_pages, u64 rpcs) noexcept
	{
		if (!terms_.enabled)
			return;
		oa.valid = oa.valid.get() | wire::OBD_MD_FLBLOCKS | wire::OBD_MD_FLGRANT;
		oa.dirty() = dirty();
		oa.undirty() = static_cast<u32>(wanted(rpc_pages, rpcs));
		oa.grant = avail_;
		u64 lost = std::min(lost_, wire::OBD_MAX_GRANT);
		oa.dropped() = static_cast<u32>(lost);
		lost_ -= lost;
		if (used)
			oa.grant_used() = used;
	}
};

/// The dirty pages of an object that have not been handed to a write yet, by number of the page.
class DirtyMap
{
public:
	static constexpr u64 kWindowPages = 1024;

private:
	struct Window {
		static constexpr cfs_subsys kSubsys = CFS_S_OSC;
		explicit Window(u64 n) noexcept : number(n) {}

		cfs::SetHook in_map;
		u64 number;
		u64 bits[kWindowPages / 64] = {};
		u32 count = 0;
		u32 tax = 0; // held for the extent; 0 when a write has taken it along
	};
	struct Order {
		bool operator()(const Window &a, const Window &b) const noexcept
		{
			return a.number < b.number;
		}
		bool operator()(u64 a, const Window &b) const noexcept { return a < b.number; }
		bool operator()(const Window &a, u64 b) const noexcept { return a.number < b; }
	};

	cfs::OrderedSet<Window, &Window::in_map, Order> windows_;
	u64 count_ = 0;

	[[nodiscard]] Window *find(u64 page) noexcept
	{
		auto it = windows_.find(page / kWindowPages, Order{});
		return it == windows_.end() ? nullptr : &*it;
	}
	static u64 &word(Window &w, u64 page) noexcept { return w.bits[page % kWindowPages / 64]; }
	static u64 bit(u64 page) noexcept { return u64{1} << (page % 64); }

	void drop_if_empty(Window &w) noexcept
	{
		if (w.count == 0) {
			windows_.erase(windows_.iterator_to(w));
			cfs::UniquePtr<Window>(&w).reset();
		}
	}
	/// Takes a page out; what it had claimed.
	u64 remove(u64 page, bool keep_tax) noexcept
	{
		Window *w = find(page);
		if (!w || !(word(*w, page) & bit(page)))
			return 0;
		word(*w, page) &= ~bit(page);
		w->count--;
		count_--;
		u64 bytes = CFS_PAGE_SIZE;
		if (!keep_tax || w->count == 0) {
			bytes += w->tax;
			w->tax = 0;
		}
		drop_if_empty(*w);
		return bytes;
	}

public:
	DirtyMap() = default;
	~DirtyMap() { CFS_ASSERT(windows_.empty()); }
	DirtyMap(const DirtyMap &) = delete;
	DirtyMap &operator=(const DirtyMap &) = delete;

	[[nodiscard]] bool has(u64 page) noexcept
	{
		Window *w = find(page);
		return w && (word(*w, page) & bit(page));
	}
	/// What it costs to make this page dirty: 0 when it is.
	[[nodiscard]] u64 cost(u64 page, const GrantTerms &terms) noexcept
	{
		Window *w = find(page);
		if (w && (word(*w, page) & bit(page)))
			return 0;
		return CFS_PAGE_SIZE + (w && w->tax ? 0 : terms.tax);
	}
	/// Puts a page in that has paid `paid` by cost(). err::NOMEM. May sleep.
	[[nodiscard]] cfs::Result<> add(u64 page, u64 paid) noexcept
	{
		Window *w = find(page);
		if (!w) {
			w = TRY(cfs::try_make<Window>(page / kWindowPages)).release();
			(void)windows_.insert(*w);
		}
		CFS_ASSERT(!(word(*w, page) & bit(page)));
		word(*w, page) |= bit(page);
		w->tax += static_cast<u32>(paid - CFS_PAGE_SIZE);
		w->count++;
		count_++;
		return {};
	}
	/// The page goes into a write: what the write takes along for it. 0: it was not dirty.
	[[nodiscard]] u64 take(u64 page) noexcept { return remove(page, false); }
	/// The page will not be written: what is free again. 0: it was not dirty.
	[[nodiscard]] u64 clean(u64 page) noexcept { return remove(page, true); }
	/// Forgets all; what is free again, in bytes and pages.
	[[nodiscard]] std::pair<u64, u64> clear() noexcept
	{
		u64 bytes = count_ * CFS_PAGE_SIZE;
		u64 pages = count_;
		while (!windows_.empty()) {
			Window &w = *windows_.begin();
			bytes += w.tax;
			w.count = 0;
			drop_if_empty(w);
		}
		count_ = 0;
		return {bytes, pages};
	}
	[[nodiscard]] u64 count() const noexcept { return count_; }
};

} // namespace client
