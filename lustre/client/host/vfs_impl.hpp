// SPDX-License-Identifier: GPL-2.0
//
// Inside the hosted VFS: inodes with their pages, names, and what they belong to. See vfs.hpp.
//
// Order of locks: an inode's write_lock, then VfsImpl::lock_, then an inode's lock. Neither of the
// last two is held across a call of the core but lustre_name_valid().
#pragma once

#include <map>
#include <optional>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "client/host/vfs.hpp"
#include "libcfs/lock.hpp"
#include "libcfs/wait.hpp"

/// What plat_vfs.h calls a super block.
struct vfs_super {
};

namespace client::host
{
using std::uint32_t;
using std::uint64_t;

/// A page of a file. Whoever has it locked may change what it holds; one that is being written
/// stays as it is.
struct Page {
	cfs_page *page = nullptr;
	bool locked = false;
	bool uptodate = false;
	bool dirty = false;   // to be written
	bool writing = false; // on its way
	bool claimed = false; // the core has been told that it will be written
	int error = 0;	      // of its last read
};

struct Dentry {
	vfs_inode *inode = nullptr; // with a reference; null: there is no such name
	uint32_t stamp = 0;
};

} // namespace client::host

/// What plat_vfs.h calls an inode.
struct vfs_inode {
	client::host::VfsImpl *vfs = nullptr;
	lustre_fid fid{};
	lustre_inode *core = nullptr;

	// VfsImpl::lock_
	unsigned refs = 0;
	bool fresh = true;
	bool dying = false;
	std::map<std::string, client::host::Dentry, std::less<>> names; // of a directory
	std::vector<std::pair<vfs_inode *, std::string>> aliases;	// names of this inode

	/// One writer at a time.
	cfs::Mutex write_lock{CFS_LOCK_CLASS("hosted inode write")};

	cfs::SpinLock lock{CFS_LOCK_CLASS("hosted inode")};
	cfs::WaitQueue changed{CFS_LOCK_CLASS("hosted inode wait")};
	lustre_attr attr{};					// lock
	std::map<std::uint64_t, client::host::Page> pages;	// lock
	std::unordered_map<cfs_page *, std::uint64_t> index_of; // lock
	int flush_error = 0;					// lock
	int sync_error = 0;					// lock

	[[nodiscard]] bool is(std::uint32_t type) const noexcept
	{
		return (attr.mode & 0170000) == type;
	}
};

namespace client::host
{

inline constexpr uint32_t kTypeDir = 0040000, kTypeLink = 0120000, kTypeFile = 0100000;

/// A reference to an inode.
class Ref
{
	vfs_inode *vi_ = nullptr;

public:
	Ref() = default;
	explicit Ref(vfs_inode *vi) noexcept : vi_(vi) {} // takes it over
	Ref(Ref &&o) noexcept : vi_(std::exchange(o.vi_, nullptr)) {}
	Ref &operator=(Ref &&o) noexcept
	{
		std::swap(vi_, o.vi_);
		return *this;
	}
	Ref(const Ref &o) noexcept;
	~Ref()
	{
		if (vi_)
			vfs_iput(vi_);
	}
	[[nodiscard]] vfs_inode *get() const noexcept { return vi_; }
	vfs_inode *operator->() const noexcept { return vi_; }
	explicit operator bool() const noexcept { return vi_ != nullptr; }
	[[nodiscard]] vfs_inode *release() noexcept { return std::exchange(vi_, nullptr); }
};

/// Where the last name of a path is.
struct Place {
	Ref dir;
	std::string name;
};

class VfsImpl final : public Vfs, public ::vfs_super
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LLITE;

	[[nodiscard]] cfs::Result<> start(cfs_node *node, std::string_view options,
					  bool read_only) noexcept;

	// ---- Vfs ----
	cfs::Result<> unmount() noexcept override;
	void force() noexcept override;
	void destroy() noexcept override;
	cfs::Result<> mkdir(std::string_view path, uint32_t mode) noexcept override;
	cfs::Result<> rmdir(std::string_view path) noexcept override;
	cfs::Result<> create(std::string_view path, uint32_t mode) noexcept override;
	cfs::Result<> mknod(std::string_view path, uint32_t mode, uint64_t rdev) noexcept override;
	cfs::Result<> symlink(std::string_view target, std::string_view path) noexcept override;
	cfs::Result<> link(std::string_view from, std::string_view to) noexcept override;
	cfs::Result<> unlink(std::string_view path) noexcept override;
	cfs::Result<> rename(std::string_view from, std::string_view to) noexcept override;
	cfs::Result<std::string> readlink(std::string_view path) noexcept override;
	cfs::Result<std::vector<DirEntry>> readdir(std::string_view path) noexcept override;
	cfs::Result<bool> exists(std::string_view path) noexcept override;
	cfs::Result<Stat> stat(std::string_view path) noexcept override;
	cfs::Result<Stat> lstat(std::string_view path) noexcept override;
	cfs::Result<> chmod(std::string_view path, uint32_t mode) noexcept override;
	cfs::Result<> chown(std::string_view path, uint32_t uid, uint32_t gid) noexcept override;
	cfs::Result<> utimes(std::string_view path, std::int64_t atime,
			     std::int64_t mtime) noexcept override;
	cfs::Result<> truncate(std::string_view path, uint64_t size) noexcept override;
	cfs::Result<> setxattr(std::string_view path, std::string_view name, cfs::Bytes value,
			       bool create, bool replace) noexcept override;
	cfs::Result<std::vector<std::byte>> getxattr(std::string_view path,
						     std::string_view name) noexcept override;
	cfs::Result<> removexattr(std::string_view path, std::string_view name) noexcept override;
	cfs::Result<std::vector<std::string>> listxattr(std::string_view path) noexcept override;
	cfs::Result<struct lustre_statfs> statfs() noexcept override;
	cfs::Result<FilePtr> open(std::string_view path, int flags,
				  uint32_t mode) noexcept override;
	cfs::Result<> write_file(std::string_view path, cfs::Bytes data) noexcept override;
	cfs::Result<std::vector<std::byte>> read_file(std::string_view path) noexcept override;
	cfs::Result<> sync() noexcept override;
	void drop_caches() noexcept override;
	std::size_t cached_inodes() noexcept override;
	std::size_t cached_pages() noexcept override;
	std::size_t dirty_pages() noexcept override;
	const lustre_mount_info &info() const noexcept override { return info_; }
	struct lustre_mount *core() noexcept override { return mount_; }

	// ---- for vfs_* ----
	int iget(const lustre_fid &fid, const lustre_attr &attr, vfs_inode **out) noexcept;
	void iput(vfs_inode *vi) noexcept;
	bool igrab(vfs_inode *vi) noexcept;
	void names_drop(vfs_inode *vi) noexcept;

	// ---- for files ----
	[[nodiscard]] Stat to_stat(const vfs_inode &vi, const lustre_attr &a) const noexcept;
	[[nodiscard]] cfs::Result<Stat> stat_of(vfs_inode *vi) noexcept;
	void file_opened() noexcept;
	void file_closed() noexcept;
	/// Ends inodes that have no name any more and that nobody uses. Not from callbacks.
	void reap() noexcept;

private:
	using FidKey = std::tuple<uint64_t, uint32_t, uint32_t>;
	static FidKey key_of(const lustre_fid &f) noexcept { return {f.seq, f.oid, f.ver}; }

	// names
	[[nodiscard]] cfs::Result<Ref> lookup(const Ref &dir, std::string_view name,
					      uint32_t flags) noexcept;
	[[nodiscard]] std::optional<Ref> cached(const Ref &dir, std::string_view name,
						bool creating) noexcept;
	void remember(vfs_inode *dir, std::string_view name, const lustre_found &found) noexcept;
	void forget(vfs_inode *dir, std::string_view name) noexcept;
	void forget_locked(vfs_inode *dir, std::string_view name) noexcept CFS_REQUIRES(lock_);
	[[nodiscard]] cfs::Result<Ref> walk(std::string_view path, bool follow) noexcept;
	[[nodiscard]] cfs::Result<Place> place(std::string_view path) noexcept;
	[[nodiscard]] cfs::Result<Ref> go(std::vector<std::string> parts, bool follow,
					  Place *stop_at, bool keep_last) noexcept;
	[[nodiscard]] cfs::Result<> make(std::string_view path, uint32_t mode, uint64_t rdev,
					 std::string_view target) noexcept;
	[[nodiscard]] cfs::Result<> remove(std::string_view path, bool dir) noexcept;
	[[nodiscard]] cfs::Result<> change(std::string_view path, const lustre_attr &a) noexcept;
	[[nodiscard]] cfs::Result<FilePtr> open_at(Place at, int flags, uint32_t mode,
						   unsigned depth) noexcept;
	[[nodiscard]] cfs::Result<FilePtr> opened(Ref inode, lustre_open *o, int flags,
						  bool created) noexcept;

	void evict_idle(bool nameless_only) noexcept;
	void evict(vfs_inode *vi) noexcept;
	void ref_locked(vfs_inode *vi) noexcept CFS_REQUIRES(lock_) { vi->refs++; }

	struct lustre_mount *mount_ = nullptr;
	lustre_mount_info info_{};
	Ref root_;

	cfs::SpinLock lock_{CFS_LOCK_CLASS("hosted vfs")};
	cfs::WaitQueue changed_{CFS_LOCK_CLASS("hosted vfs wait")};
	std::map<FidKey, std::unique_ptr<vfs_inode>> inodes_ CFS_GUARDED_BY(lock_);
	unsigned open_files_ CFS_GUARDED_BY(lock_) = 0;
	bool mounted_ = false;
};

// ---- pages.cpp ----

/// Copies [pos, pos + to.size()) out of pages under a running read.
[[nodiscard]] cfs::Result<> read_through(vfs_inode &vi, lustre_open *o, uint64_t pos,
					 cfs::MutBytes to) noexcept;
/// Into pages, under a running write.
[[nodiscard]] cfs::Result<> write_through(vfs_inode &vi, lustre_io *io, uint64_t pos,
					  cfs::Bytes from) noexcept;
/// The error of a write-back since the last call.
[[nodiscard]] cfs::Result<> take_sync_error(vfs_inode &vi) noexcept;

[[nodiscard]] FilePtr make_file(VfsImpl &vfs, Ref inode, lustre_open *o, int flags) noexcept;

} // namespace client::host
