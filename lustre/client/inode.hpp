// SPDX-License-Identifier: GPL-2.0
//
// An inode: what this client knows of an object, and under which locks it is true (spec 06
// section 3).
//
// Invariants. Attributes are true while a lock with UPDATE that they came with, and one with PERM,
// are held; a name while one with LOOKUP on its inode is; a missing name and directory pages while
// one with UPDATE on the directory is; a layout while one with LAYOUT is that it came with. An
// inode counts the locks it has adopted, per bit: a lock is adopted when what it protects is in
// place, while the lock is in use, and given up in its cancel; so a bit that is counted has been
// held without a gap since the count left 0.
//
// Order of locks: layout_lock_, then lock_ of one inode; lock_ is a spinlock under which nothing
// of the lock manager but user_data is called.
#pragma once

#include "client/data.hpp"
#include "client/dir.hpp"
#include "client/mdc.hpp"
#include "libcfs/hash.hpp"

/// What plat_vfs.h calls an inode, and an open file.
struct lustre_inode {
};
struct lustre_open {
};

namespace client
{

class Mount;

/// Inode bits by number.
enum class LockBit : unsigned { lookup, update, open, layout, perm, xattr, dom, attributes, count };

class Inode final : public ::lustre_inode, public FileOwner, public cfs::RcuRefCounted<Inode>
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LLITE;

	Inode(Mount &mount, vfs_inode *vi, const wire::Fid &fid, u32 mode, u64 serial) noexcept
	    : mount_(mount), vi_(vi), fid_(fid), type_(mode & 0170000), serial_(serial)
	{
	}
	[[nodiscard]] static Inode &of(lustre_inode *i) noexcept
	{
		return *static_cast<Inode *>(i);
	}

	// ---- facts that never change ----
	[[nodiscard]] Mount &mount() const noexcept { return mount_; }
	[[nodiscard]] const wire::Fid &fid() const noexcept { return fid_; }
	[[nodiscard]] vfs_inode *vi() const noexcept { return vi_; }
	[[nodiscard]] bool is_regular() const noexcept { return type_ == 0100000; }
	[[nodiscard]] bool is_dir() const noexcept { return type_ == 0040000; }
	[[nodiscard]] bool is_symlink() const noexcept { return type_ == 0120000; }
	/// Of regular files.
	[[nodiscard]] FileData &data() noexcept { return *data_; }
	[[nodiscard]] u32 gid() const noexcept;

	// ---- life ----
	[[nodiscard]] Result<> make_data() noexcept;
	/// From now on cancelled locks find nobody.
	void evict() noexcept;
	/// A reference of the VFS's, unless it is going.
	[[nodiscard]] bool grab() noexcept;

	// ---- locks ----
	/// What is cached under the locks that an answer brings. Any context.
	[[nodiscard]] bool name_valid(u32 stamp) const noexcept
	{
		return stamp && lookup_stamp_.load(std::memory_order_acquire) == stamp;
	}
	[[nodiscard]] bool missing_valid(u32 stamp) const noexcept
	{
		return stamp && update_stamp_.load(std::memory_order_acquire) == stamp;
	}
	[[nodiscard]] bool permission_known() const noexcept
	{
		return perm_known_.load(std::memory_order_acquire);
	}
	/// 0 when there is no such lock.
	[[nodiscard]] u32 name_stamp() const noexcept
	{
		return lookup_stamp_.load(std::memory_order_acquire);
	}
	[[nodiscard]] u32 missing_stamp() const noexcept
	{
		return update_stamp_.load(std::memory_order_acquire);
	}
	[[nodiscard]] bool attributes_known() noexcept;
	/// Takes over what an answer says about this inode, and the lock it came with, which must
	/// be in use.
	void take(MdReply &r) noexcept;
	/// A lock that came without attributes.
	void adopt(ldlm::ClientLock &lock, bool with_attributes) noexcept;
	/// The bits of a lock are going.
	void lose(ldlm::ClientLock &lock, u64 bits, bool all) noexcept;

	// ---- attributes ----
	/// Asks the MDT if need be.
	[[nodiscard]] Result<> refresh() noexcept;
	[[nodiscard]] Result<> getattr(u32 want, bool cached, lustre_attr &out) noexcept;
	[[nodiscard]] Result<> setattr(const lustre_attr &attr) noexcept;
	[[nodiscard]] u32 inode_flags() noexcept;
	/// What is known of the file without asking, for a close.
	[[nodiscard]] lustre_attr for_close() noexcept;

	// ---- layout ----
	Result<> need_objects(Range file, bool truncate) noexcept override;
	Result<> need_layout() noexcept override;
	/// Puts a layout in place that an answer brought; empty: there is none.
	[[nodiscard]] Result<> put_layout(cfs::Bytes ea) noexcept;

	// ---- other contents ----
	[[nodiscard]] Result<std::size_t> readlink(std::span<char> to) noexcept;
	[[nodiscard]] Result<> readdir(DirReader &reader, u64 *pos, bool narrow,
				       lustre_dirent_fn emit, void *ctx) noexcept;
	/// The access ACL as it came, if that is known.
	[[nodiscard]] Result<std::size_t> access_acl(cfs::MutBytes to) noexcept;
	std::atomic<bool> no_capabilities{false}; ///< there is no security.capability

	/// Bytes of a symbolic link with its NUL.
	static constexpr u32 kTextMax = 4097;
	cfs::HashHook in_table; ///< Mount's

private:
	[[nodiscard]] void *tag(bool with_attributes) const noexcept
	{
		return reinterpret_cast<void *>(serial_ << 1 | (with_attributes ? 1 : 0));
	}
	u32 &count(LockBit b) noexcept CFS_REQUIRES(lock_)
	{
		return counts_[static_cast<unsigned>(b)];
	}
	void show_counts() noexcept CFS_REQUIRES(lock_);
	void take_attributes(const MdReply &r) noexcept;
	void take_acl(const MdReply &r) noexcept;
	[[nodiscard]] Result<> fetch_layout() noexcept CFS_REQUIRES(layout_lock_);
	[[nodiscard]] Result<> put_layout_locked(cfs::Bytes ea) noexcept CFS_REQUIRES(layout_lock_);
	void take_layout(const MdReply &r) noexcept;
	[[nodiscard]] Result<> fetch_objects(Range file, bool truncate) noexcept
		CFS_REQUIRES(layout_lock_);
	[[nodiscard]] Result<cfs::RefPtr<DirChunk>> dir_chunk(u64 hash) noexcept;
	[[nodiscard]] Result<cfs::Array<char>> fetch_link() noexcept;

	Mount &mount_;
	vfs_inode *const vi_;
	const wire::Fid fid_;
	const u32 type_;
	const u64 serial_; // unlike all other inodes there have been

	// What dentries are checked against, without locks; 0: not valid. Those of names are odd
	// and those of missing names even: a dentry whose file was removed has the file's, and must
	// not be taken for the directory's word.
	std::atomic<u32> lookup_stamp_{0};
	std::atomic<u32> update_stamp_{0};
	std::atomic<bool> perm_known_{false};

	cfs::SpinLock lock_{CFS_LOCK_CLASS("client inode")};
	u32 counts_[static_cast<unsigned>(LockBit::count)] CFS_GUARDED_BY(lock_) = {};
	u32 last_stamp_ CFS_GUARDED_BY(lock_) = 0; // even
	bool evicted_ CFS_GUARDED_BY(lock_) = false;
	lustre_attr md_ CFS_GUARDED_BY(lock_){}; // as the MDT said last

	cfs::Mutex layout_lock_{CFS_LOCK_CLASS("client inode layout")};
	/// The layout in place came with the LAYOUT locks that are counted.
	bool layout_true_ CFS_GUARDED_BY(lock_) = false;
	cfs::UniquePtr<FileData> data_;

	cfs::Mutex contents_lock_{CFS_LOCK_CLASS("client inode contents")};
	cfs::Array<std::byte> acl_ CFS_GUARDED_BY(contents_lock_);
	bool acl_known_ CFS_GUARDED_BY(contents_lock_) = false;
	cfs::Array<char> link_ CFS_GUARDED_BY(contents_lock_);
	DirCache dir_;
};

struct InodeTraits {
	using Key = wire::Fid;
	static const wire::Fid &key(const Inode &i) noexcept { return i.fid(); }
	static u32 hash(const wire::Fid &f) noexcept
	{
		return cfs::hash_add(cfs::hash_u64(f.seq.get()),
				     u64{f.ver.get()} << 32 | f.oid.get());
	}
};

/// FIDs of the boundary.
[[nodiscard]] constexpr wire::Fid fid_of(const lustre_fid &f) noexcept
{
	return wire::make_fid(f.seq, f.oid, f.ver);
}
[[nodiscard]] constexpr lustre_fid plat_fid(const wire::Fid &f) noexcept
{
	return {f.seq.get(), f.oid.get(), f.ver.get()};
}
/// What a body says, with the bits of plat_vfs.h for what it has.
[[nodiscard]] lustre_attr attr_of(const wire::MdtBody &b) noexcept;

} // namespace client
