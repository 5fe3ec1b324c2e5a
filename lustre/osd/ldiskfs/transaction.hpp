// SPDX-License-Identifier: GPL-2.0
//
// A transaction over one journal handle. Declaring adds up what the handle has to reserve; whatever
// must not happen within a handle (freeing blocks, waiting for locks of bodies) is noted here and
// done before start() or in stop().
//
// Invariants: data pages are on disk before the handle ends, so a commit never shows blocks without
// their data. Commit callbacks are registered last, with the transaction the handle ended in.
#pragma once

#include "inode.hpp"
#include "osd/osd.hpp"

namespace osd::ldiskfs
{

class DeviceImpl;
class ObjectImpl;
class BulkImpl;

/// Journal blocks that a directory's entry may change, quota left out.
inline constexpr unsigned kEntryCredits = 16;

class Tx final : public Transaction
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_OSD;

	explicit Tx(DeviceImpl &d) noexcept : dev_(d) {}
	[[nodiscard]] static cfs::Result<cfs::UniquePtr<Tx>> make(DeviceImpl &d) noexcept;

	cfs::Result<> start() noexcept override;
	[[nodiscard]] bool room_to_declare() const noexcept override;
	cfs::Result<> stop() noexcept override;
	void set_sync() noexcept override { sync_ = true; }
	void on_commit(CommitCallback &cb) noexcept override;
	Device &device() noexcept override;
	void destroy() noexcept override;

	/// Reserves journal blocks.
	void declare(unsigned credits) noexcept { credits_ += credits; }
	/// Reserves what the greatest of several operations needs at its worst, once.
	void declare_peak(unsigned credits) noexcept
	{
		if (credits > peak_)
			peak_ = credits;
	}
	/// Takes the lock of an object's body until the end. Not after start().
	cfs::Result<> hold_body(ObjectImpl &o, bool exclusive) noexcept;
	/// Makes room to note one range to be freed in stop().
	cfs::Result<> declare_free() noexcept;
	void free_later(InodeRef inode, std::uint32_t first, std::uint32_t end,
			bool orphan) noexcept;
	void add_bulk(BulkImpl &b) noexcept;
	void remove_bulk(BulkImpl &b) noexcept;
	/// Whether so many more blocks can be changed.
	[[nodiscard]] bool room(unsigned credits) noexcept;

	[[nodiscard]] ldi_tx *handle() noexcept
	{
		CFS_ASSERT(handle_);
		return handle_;
	}
	[[nodiscard]] bool started() const noexcept { return handle_ != nullptr; }

private:
	struct CommitRecord;
	struct BodyHold {
		static constexpr cfs_subsys kSubsys = CFS_S_OSD;
		cfs::ListHook link;
		ObjectImpl *object = nullptr;
		bool exclusive = false;
	};
	struct Freeing {
		static constexpr cfs_subsys kSubsys = CFS_S_OSD;
		cfs::ListHook link;
		InodeRef inode;
		std::uint32_t first = 0, end = 0;
		bool orphan = false;
	};

	/// Journal blocks of everything declared so far.
	[[nodiscard]] unsigned wanted() const noexcept;
	cfs::Result<> wait_bulk() noexcept;
	cfs::Result<> free_now() noexcept;
	cfs::Result<> take_off_orphans(Freeing &f) noexcept;
	void release_bodies() noexcept;

	DeviceImpl &dev_;
	ldi_tx *handle_ = nullptr;
	CommitRecord *record_ = nullptr;
	unsigned credits_ = 0, peak_ = 0;
	bool sync_ = false, used_ = false;
	cfs::List<BodyHold, &BodyHold::link> bodies_;
	cfs::List<Freeing, &Freeing::link> spare_, freeing_;
	BulkImpl *bulks_ = nullptr; // linked through BulkImpl::next_in_tx
};

/// The one of ours behind the interface.
[[nodiscard]] inline Tx &own(Transaction &tx) noexcept
{
	return static_cast<Tx &>(tx);
}

} // namespace osd::ldiskfs
