// SPDX-License-Identifier: GPL-2.0
//
// An object of an OST as this client knows it: extent locks, attributes, known minimum size, dirty
// pages (spec 05 10.5, 06 sections 4.2 and 6.1). Private to this folder.
//
// Life. In the table of its Osc while somebody refers to it: the file it belongs to, each of its
// locks, each read and write. Locks therefore outlive the inode, and the next inode of that file
// finds what they guard still known.
//
// Invariant (known minimum size). No other client can make the object shorter than `kms` as long as
// the locks in `locks` are held: kms is at most the size when a lock was granted, cut at its end,
// or what this client itself has written or truncated to.
#pragma once

#include <atomic>

#include "client/osc_brw.hpp"
#include "client/osc_grant.hpp"

namespace client
{

/// Attributes of an object, as a lock value block has them.
struct ObjectAttr {
	u64 size = 0;
	u64 blocks = 0;
	std::int64_t mtime = 0, atime = 0, ctime = 0;
};

/// A granted lock. Linked from the grant to the end of its cancel.
struct LockRecord {
	static constexpr cfs_subsys kSubsys = CFS_S_OSC;

	cfs::ListHook in_object;
	cfs::RefPtr<OscObject> object;
	ldlm::ClientLock *lock = nullptr;
	ldlm::Extent extent;
	ldlm::Mode mode{};
	bool dying = false;   // being cancelled: guards nothing any more
	cfs::Errno missing{}; // what the server says of the object
};

/// The file an object belongs to. Called without locks, while the object is pinned.
class ObjectUser
{
public:
	/// Writes the dirty pages of these bytes of the object, and waits.
	virtual Result<> flush_object(OscObject &object, ldlm::Extent bytes) noexcept = 0;
	/// Takes the pages of these bytes out of the cache.
	virtual void drop_object(OscObject &object, ldlm::Extent bytes) noexcept = 0;
	/// Times as the inode has them. Must not sleep long.
	virtual void inode_times(ObjectAttr &attr) noexcept = 0;
	/// Data that was not written is lost with the locks.
	virtual void lost_data() noexcept = 0;

protected:
	~ObjectUser() = default;
};

class OscObject final : public cfs::RefCounted<OscObject>
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_OSC;

	OscObject(Osc &osc, const ldlm::ResName &n) noexcept;
	~OscObject();
	/// By the last reference.
	void destroy() noexcept;

	[[nodiscard]] Osc &osc() noexcept { return *osc_; }

	// ---- the file ----
	/// Waits a while until no other file has it. err::BUSY: two files claim it, which only a
	/// damaged layout does. err::INTR. Sleeps.
	[[nodiscard]] Result<> attach(ObjectUser &user) noexcept;
	/// Waits until no callback is at the file's pages; forgets what is dirty. Sleeps.
	void detach(ObjectUser &user) noexcept;

	// ---- locks ----
	/// A use of a lock of this mode or a stronger one that covers the extent: a cached one, or
	/// a new one, for which others may have to give up theirs. flags: LDLM_FL_*. err::AGAIN
	/// (nonblock), err::NOENT (no such object), err::INTR. Sleeps.
	[[nodiscard]] Result<ldlm::LockUse> lock(ldlm::Mode mode, ldlm::Extent extent, u64 flags,
						 bool nonblock) noexcept;
	/// A cached one, or none. Also one that is wanted back, if `any`.
	[[nodiscard]] ldlm::LockUse match(ldlm::Mode mode, ldlm::Extent extent, bool any) noexcept;
	/// The server's handle of a lock under which these bytes may be written: also one that is
	/// being cancelled. 0: none.
	[[nodiscard]] u64 write_handle(u64 first, u64 last) noexcept;
	/// How far from `offset` on bytes are covered by one lock for reading: the byte behind, or
	/// kEof, or 0 when it is not covered.
	[[nodiscard]] u64 covered_until(u64 offset) noexcept;

	// Ldlm's calls.
	void granted(ldlm::ClientLock &lock, cfs::Bytes lvb) noexcept;
	void cancelled(ldlm::ClientLock &lock, const ldlm::CancelInfo &info) noexcept;
	[[nodiscard]] Result<std::size_t> glimpsed(cfs::MutBytes lvb) noexcept;

	// ---- sizes; `lock_` taken inside ----
	[[nodiscard]] u64 known_size() noexcept;
	/// This client has written up to `end`.
	void grow_to(u64 end) noexcept;
	/// This client has truncated it.
	void set_size(u64 size) noexcept;
	/// What the server tells of it now, in answer to a glimpse.
	void learn(const wire::OstLvb &lvb) noexcept;
	/// Attributes to be shown: the size is the larger of what was learnt and what is known.
	[[nodiscard]] ObjectAttr attr() noexcept;
	void set_blocks(u64 blocks) noexcept;
	/// Times that this client has set; 0: as it was.
	void set_times(std::int64_t mtime, std::int64_t atime, std::int64_t ctime) noexcept;
	/// Whether locks say that the size is exactly this, as far as the file uses the object:
	/// nobody else can change it.
	[[nodiscard]] bool size_exact(ldlm::Extent share, u64 *size) noexcept;
	/// Whether this client's locks make everything known, times included.
	[[nodiscard]] bool all_covered(ldlm::Extent share) noexcept;

	// ---- dirty pages, by number in the object ----
	/// Claims grant. err::AGAIN: none to be had now. Sleeps while writes are under way.
	[[nodiscard]] Result<> make_dirty(u64 page) noexcept;
	void make_clean(u64 page) noexcept;
	[[nodiscard]] bool is_dirty(u64 page) noexcept;
	/// The page goes into a write. False: it had not claimed anything.
	[[nodiscard]] bool take_dirty(u64 page, Brw &into) noexcept;
	/// No data is on its way to the server, or waits to be.
	[[nodiscard]] bool all_written() const noexcept
	{
		return !has_dirty() && writes.load(std::memory_order_relaxed) == 0;
	}
	[[nodiscard]] bool has_dirty() const noexcept
	{
		return dirty_count.load(std::memory_order_relaxed) != 0;
	}

	const ldlm::ResName name;
	cfs::SetHook in_table; ///< the Osc's table_lock_
	std::atomic<u64> dirty_count{0};
	std::atomic<u64> writes{0}; ///< made and not ended

	// Pages on their way into a write: gather_lock.
	cfs::Mutex gather_lock{CFS_LOCK_CLASS("osc gather")};
	cfs::RefPtr<Brw> gather CFS_GUARDED_BY(gather_lock);

private:
	[[nodiscard]] ObjectUser *pin() noexcept;
	void unpin() noexcept;
	[[nodiscard]] Result<ldlm::LockUse> enqueue(ldlm::Mode mode, ldlm::Extent extent,
						    u64 flags) noexcept;
	/// The first part of [from, last] that no living lock covers.
	[[nodiscard]] bool uncovered(u64 from, u64 last, ldlm::Extent &out) noexcept;
	void drop_uncovered(ObjectUser &user, const ldlm::Extent &of) noexcept;
	void adopt(const wire::OstLvb &lvb) noexcept CFS_REQUIRES(lock_);

	cfs::RefPtr<Osc> osc_;
	cfs::Mutex lock_{CFS_LOCK_CLASS("osc object")};
	cfs::WaitQueue waitq_{CFS_LOCK_CLASS("osc object wait")};
	ObjectUser *user_ CFS_GUARDED_BY(lock_) = nullptr;
	u32 busy_ CFS_GUARDED_BY(lock_) = 0;
	cfs::List<LockRecord, &LockRecord::in_object> locks_ CFS_GUARDED_BY(lock_);
	ObjectAttr attr_ CFS_GUARDED_BY(lock_);
	u64 kms_ CFS_GUARDED_BY(lock_) = 0;
	DirtyMap dirty_ CFS_GUARDED_BY(lock_);
};

/// Reads a value block of either size. An error that it carries, or err::PROTO.
[[nodiscard]] Result<wire::OstLvb> parse_lvb(cfs::Bytes lvb) noexcept;

} // namespace client
