// SPDX-License-Identifier: GPL-2.0
//
// Grants: space of the device promised to clients, so that what they have cached cannot fail for
// want of it (spec 05 section 8). Arithmetic and counters only; the OST brings requests and the
// device's free space.
//
// Invariants, under the lock:
//   total granted = sum of granted + pending over all exports;
//   total dirty = sum of dirty; total pending = sum of pending;
//   no counter is ever negative, whatever clients claim.
#pragma once

#include <span>

#include "libcfs/lock.hpp"
#include "ost/object_id.hpp"
#include "wire/ost.hpp"

namespace ost
{

/// Of the device, and what was settled with all clients.
struct GrantParams {
	u32 block_bytes = 4096;
	/// Bytes that one more extent may take of metadata.
	u32 extent_tax = 6 * 4096;
	u32 extent_blocks_max = 16384;
};

/// One client's.
struct ClientGrant {
	u64 granted = 0; ///< promised and not used
	u64 dirty = 0;	 ///< what the client says it has cached
	u64 pending = 0; ///< of writes that are not committed
	/// What it negotiated.
	bool params = false; ///< GRANT_PARAM: it knows of extents and blocks
	u32 brw_bytes = 1 << 20;
};

/// A write being accounted: what it was given, to be released.
struct WriteGrant {
	u64 pending = 0;       ///< until commit
	u64 returned = 0;      ///< new grant for the reply
	bool in_reply = false; ///< the reply says something about grants
};

/// A niobuf, for the accounting of a write.
struct GrantRange {
	u64 offset = 0;
	u32 length = 0;
	bool from_grant = false;
	bool covered = false; ///< result: space is promised; else it may overwrite only
};

class Grants
{
public:
	explicit Grants(const GrantParams &p) noexcept : params_(p) {}
	/// Every client has been released.
	~Grants() { CFS_ASSERT(total_granted_ == 0 && total_dirty_ == 0); }

	/// Connect or reconnect: the client wants or claims `wanted` bytes. free: of the device,
	/// as statfs has it. Returns what it holds now.
	[[nodiscard]] u64 connect(ClientGrant &c, u64 wanted, u64 free, bool fresh) noexcept;
	/// The client is gone.
	void release(ClientGrant &c) noexcept;

	/// What a request says of its client's cache (section 8.3), in a read, a write or a
	/// shrink; o.grant_used is not looked at. False: it says nothing.
	bool incoming(ClientGrant &c, const wire::Obdo &o) noexcept;
	/// Accounts a write after incoming(): which ranges have space. used: o_grant_used, 0 when
	/// the client does not say.
	void write(ClientGrant &c, std::span<GrantRange> ranges, u64 used, u64 free,
		   WriteGrant &w) noexcept;
	/// Gives more, as far as the client wants it: for the reply of a write.
	void replenish(ClientGrant &c, const wire::Obdo &o, u64 free, WriteGrant &w) noexcept;
	/// A client gives back `bytes`; false: keep it, there is enough space.
	bool shrink(ClientGrant &c, u64 bytes, u64 free) noexcept;
	/// The write is committed, or has failed (then what replenish() gave is taken back, as the
	/// client will not see it).
	void done(ClientGrant &c, WriteGrant &w, bool failed) noexcept;

	struct Totals {
		u64 granted, dirty, pending;
	};
	[[nodiscard]] Totals totals() noexcept;
	/// What one client may gain at once: two of its largest writes.
	[[nodiscard]] u64 chunk(const ClientGrant &c) const noexcept;

private:
	[[nodiscard]] u64 left(u64 free) const noexcept CFS_REQUIRES(lock_);
	[[nodiscard]] u64 round_up(u64 bytes) const noexcept
	{
		return (bytes + params_.block_bytes - 1) / params_.block_bytes *
		       params_.block_bytes;
	}
	void give(ClientGrant &c, u64 bytes) noexcept CFS_REQUIRES(lock_);
	void set_dirty(ClientGrant &c, u64 bytes) noexcept CFS_REQUIRES(lock_);
	[[nodiscard]] u64 need(const GrantRange &r) const noexcept;

	GrantParams params_;
	cfs::SpinLock lock_{CFS_LOCK_CLASS("ost grants")};
	u64 total_granted_ CFS_GUARDED_BY(lock_) = 0; // with pending
	u64 total_dirty_ CFS_GUARDED_BY(lock_) = 0;
	u64 total_pending_ CFS_GUARDED_BY(lock_) = 0;
};

} // namespace ost
