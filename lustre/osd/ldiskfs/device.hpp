// SPDX-License-Identifier: GPL-2.0
//
// A mounted ldiskfs device: the objects in memory, the object index, and the folders of O/
// (07 4.4, 5, 6, 8.5).
//
// Locks, outer to inner, those of osd/osd.hpp left out: an object's load lock; an object's content
// lock (objects before the backing root); folders of O/; the object index; buckets of the table.
// All but the first may be taken within a transaction, and none of them is held while one is
// started or an inode is read.
#pragma once

#include "glue.h"
#include "inode.hpp"
#include "libcfs/containers.hpp"
#include "libcfs/lock.hpp"
#include "libcfs/node.hpp"
#include "osd/osd.hpp"
#include "osd/plat_driver.h"
#include "place.hpp"
#include "transaction.hpp"
#include "wire/xattr.hpp"

namespace osd::ldiskfs
{

class ObjectImpl;

/// A folder the store keeps for itself; entries of it are changed under its lock.
struct Folder {
	InodeRef inode;
	cfs::RwSem lock{CFS_LOCK_CLASS("osd folder")};
};

/// O/<seq>, with its subfolders.
struct SequenceDir {
	static constexpr cfs_subsys kSubsys = CFS_S_OSD;

	cfs::ListHook link;
	std::uint64_t seq = 0;
	Folder top;
	Folder sub[kSubdirs];
};

/// One file of the object index.
struct OiFile {
	static constexpr cfs_subsys kSubsys = CFS_S_OSD;

	InodeRef inode;
	cfs::RwSem lock{CFS_LOCK_CLASS("osd object index")};
};

/// Inode number and generation.
struct InodeId {
	std::uint32_t ino = 0, generation = 0;
	bool operator==(const InodeId &) const = default;
};

class DeviceImpl final : public Device
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_OSD;

	explicit DeviceImpl(cfs::RefPtr<cfs::Node> node) noexcept : node_(std::move(node)) {}
	[[nodiscard]] static cfs::Result<cfs::RefPtr<DeviceImpl>>
	open(cfs::RefPtr<cfs::Node> node, const osd_mount &mount) noexcept;

	void get() const noexcept override { refs_.fetch_add(1, std::memory_order_relaxed); }
	void put() const noexcept override;

	const DeviceInfo &info() const noexcept override { return info_; }
	cfs::Result<> statfs(wire::ObdStatfs &out) noexcept override;
	cfs::Result<QuotaUsage> usage(QuotaType type, std::uint32_t id) noexcept override;
	bool healthy() const noexcept override;
	void set_read_only() noexcept override;
	cfs::Result<TransactionPtr> begin() noexcept override;
	cfs::Result<> sync() noexcept override { return note(cfs::to_result(ldi_sync(fs_))); }
	void start_commit() noexcept override { ldi_start_commit(fs_); }
	cfs::Result<ObjectRef> object(const Fid &fid, unsigned flags) noexcept override;
	ObjectRef root() noexcept override;

	// ---- for the other files of this folder ----

	[[nodiscard]] ldi_fs *fs() const noexcept { return fs_; }
	[[nodiscard]] const ldi_fs_info &fs_info() const noexcept { return fs_info_; }
	[[nodiscard]] Place place(const Fid &fid) const noexcept
	{
		return place_of(fid, info_.type);
	}
	[[nodiscard]] cfs::Result<> check_writable() const noexcept;
	/// Passes a result on, and notes what makes the device unhealthy.
	cfs::Result<> note(cfs::Result<> r) noexcept;
	/// Drops an object without references, unless somebody took one meanwhile.
	void release(ObjectImpl &o) noexcept;

	/// The inode of a FID, checked against what it says of itself. err::NOENT.
	cfs::Result<InodeRef> find_inode(const Fid &fid, const Place &place,
					 wire::LustreMdtAttrs &lma) noexcept;
	/// The FID that an inode says it has. err::OPNOTSUPP: with features this code does not
	/// know.
	cfs::Result<Fid> fid_of(std::uint32_t ino) noexcept;
	/// Its trusted.lma, or an IGIF where it has none (then false).
	cfs::Result<bool> read_lma(ldi_inode *i, wire::LustreMdtAttrs &out) noexcept;
	cfs::Result<> write_lma(ldi_tx *tx, ldi_inode *i, const wire::LustreMdtAttrs &lma,
				bool create) noexcept;

	[[nodiscard]] unsigned oi_insert_credits() const noexcept;
	cfs::Result<InodeId> oi_lookup(const Fid &fid) noexcept;
	cfs::Result<> oi_insert(ldi_tx *tx, const Fid &fid, InodeId id) noexcept;
	cfs::Result<> oi_remove(ldi_tx *tx, const Fid &fid) noexcept;

	/// The folder that a place is in. make: also when that means to make it, in transactions of
	/// its own.
	cfs::Result<Folder *> folder(const Place &place, bool make) noexcept;

	[[nodiscard]] ObjectImpl &root_object() noexcept { return *root_; }

	cfs::ListHook in_node; ///< OsdNode's lock
	char path[256] = {};   ///< of the block device

	/// Drops a reference that may be the last; true if it was.
	[[nodiscard]] bool drop_last() noexcept
	{
		return refs_.fetch_sub(1, std::memory_order_acq_rel) == 1;
	}
	/// Unmounts and frees, after the last reference.
	void close() noexcept;

private:
	// mount.cpp
	cfs::Result<> mount(const osd_mount &mount) noexcept;
	cfs::Result<> set_name(const char *svname) noexcept;
	void fill_info() noexcept;
	cfs::Result<> set_up() noexcept;
	cfs::Result<> set_up_root() noexcept;
	cfs::Result<> set_up_scrub_file() noexcept;
	cfs::Result<> set_up_oi() noexcept;
	cfs::Result<> open_oi_file(unsigned n) noexcept;
	cfs::Result<unsigned> count_oi_files() noexcept;
	cfs::Result<> adopt_local_files() noexcept;
	cfs::Result<> adopt(std::uint32_t ino, const Fid &fid) noexcept;
	cfs::Result<> adopt_configs() noexcept;
	struct Special;
	cfs::Result<InodeRef> make_special(Folder &in, std::string_view name, const Special &what,
					   bool *made = nullptr) noexcept;
	cfs::Result<InodeRef> create_special(ldi_tx *tx, ldi_inode *dir, std::string_view name,
					     const Special &what) noexcept;
	[[nodiscard]] SequenceDir *find_sequence(std::uint64_t seq) noexcept;
	[[nodiscard]] cfs::Result<SequenceDir *> add_sequence(std::uint64_t seq,
							      bool make) noexcept;
	cfs::Result<cfs::UniquePtr<SequenceDir>> load_sequence(std::uint64_t seq,
							       bool make) noexcept;

	// device.cpp
	bool make_table() noexcept;
	cfs::Result<cfs::RefPtr<ObjectImpl>> find_or_add(const Fid &fid) noexcept;
	cfs::Result<InodeRef> check_inode(const Fid &fid, InodeId id,
					  wire::LustreMdtAttrs &lma) noexcept;
	cfs::Result<InodeRef> find_by_name(const Fid &fid, const Place &place,
					   wire::LustreMdtAttrs &lma) noexcept;
	[[nodiscard]] OiFile &oi_file(const Fid &fid) noexcept;

	mutable std::atomic<std::uint32_t> refs_{1};
	cfs::RefPtr<cfs::Node> node_;
	ldi_fs *fs_ = nullptr;
	ldi_fs_info fs_info_{};
	DeviceInfo info_;
	std::atomic<bool> failed_{false}, read_only_{false};
	bool oi_trusted_ = true; ///< whether what is not in the index does not exist

	struct Table;
	Table *table_ = nullptr;
	cfs::Array<OiFile> oi_;
	ObjectImpl *root_ = nullptr;
	Folder root_folder_; ///< for what is made at mount, before there are users
	Folder top_;	     ///< O/
	/// Taken without a transaction, and transactions run within it.
	cfs::Mutex loading_lock_{CFS_LOCK_CLASS("osd sequence loading")};
	cfs::SpinLock sequences_lock_{CFS_LOCK_CLASS("osd sequences")};
	/// Only grows until the device is closed.
	cfs::List<SequenceDir, &SequenceDir::link> sequences_ CFS_GUARDED_BY(sequences_lock_);
};

/// The devices of a node.
class OsdNode final : public cfs::NodePart
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_OSD;
	static constexpr cfs::NodeSlot kNodeSlot = cfs::NodeSlot::osd;

	static cfs::Result<cfs::UniquePtr<OsdNode>> make(cfs::Node &node) noexcept;
	void destroy() noexcept override;

	cfs::Result<DeviceRef> mount(cfs::RefPtr<cfs::Node> node, const osd_mount &m) noexcept;
	/// Gives up a reference; the last one takes the device out.
	void put(const DeviceImpl &d) noexcept;

private:
	cfs::Mutex lock_{CFS_LOCK_CLASS("osd devices")};
	cfs::List<DeviceImpl, &DeviceImpl::in_node> devices_ CFS_GUARDED_BY(lock_);
};

} // namespace osd::ldiskfs
