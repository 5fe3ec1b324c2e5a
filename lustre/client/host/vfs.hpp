// SPDX-License-Identifier: GPL-2.0
//
// The hosted virtual file system: what Linux's is to the client in a kernel, small enough for tests
// and the simulator, and as strict. It has names in memory that are believed as long as the core
// says so, inodes, and a page cache with dirty pages, write-back and read-ahead; it implements the
// vfs_* half of client/plat_vfs.h. Everything blocks through libcfs only, so it runs on threads and
// in the simulator alike.
//
//     auto vfs = TRY(host::Vfs::mount(cfs_node_current(), "device=10.0.0.1@tcp:/lustre"));
//     TRY(vfs->mkdir("/d", 0755));
//     auto f = TRY(vfs->open("/d/f", O_CREAT | O_RDWR, 0644));
//     TRY(f->write(0, bytes));
//     f.reset();                                       // closes
//     TRY(vfs->unmount());
//
// Paths begin at the mount's root, with or without a leading '/'; symbolic links are followed as
// open(2) and stat(2) do. Calls may be made from any threads of the node. The caller is root with
// umask 022 unless a host::As stands on its thread. Permission is checked by the server only.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "client/plat_vfs.h"
#include "libcfs/bytes.hpp"
#include "libcfs/mem.hpp"
#include "libcfs/result.hpp"

namespace client::host
{

class VfsImpl;

/// What stat(2) and statx(2) tell.
struct Stat {
	std::uint64_t ino = 0;
	std::uint32_t dev = 0;
	std::uint32_t mode = 0;
	std::uint32_t nlink = 0;
	std::uint32_t uid = 0, gid = 0;
	std::uint64_t rdev = 0;
	std::uint64_t size = 0;
	std::uint64_t blocks = 0; ///< of 512 bytes
	std::uint32_t blksize = 0;
	std::uint32_t flags = 0;
	std::int64_t atime = 0, mtime = 0, ctime = 0, btime = 0;
	lustre_fid fid{};
};

struct DirEntry {
	std::string name;
	std::uint64_t ino = 0;
	std::uint64_t pos = 0;
	unsigned type = 0; ///< DT_*
};

/// An open file or directory. Closed by close() or with the object.
class File
{
public:
	/// The number of bytes; 0 at the end of the file.
	virtual cfs::Result<std::size_t> read(std::uint64_t pos, cfs::MutBytes to) noexcept = 0;
	/// All of it, or an error (some of it may have been written then).
	virtual cfs::Result<std::size_t> write(std::uint64_t pos, cfs::Bytes from) noexcept = 0;
	/// At the end of the file, wherever that is; where it went.
	virtual cfs::Result<std::uint64_t> append(cfs::Bytes from) noexcept = 0;
	/// O_DIRECT: multiples of the page size.
	virtual cfs::Result<std::size_t> direct_read(std::uint64_t pos,
						     cfs::MutBytes to) noexcept = 0;
	virtual cfs::Result<std::size_t> direct_write(std::uint64_t pos,
						      cfs::Bytes from) noexcept = 0;
	virtual cfs::Result<> truncate(std::uint64_t size) noexcept = 0;
	virtual cfs::Result<> fsync(bool data_only = false) noexcept = 0;
	virtual cfs::Result<> fallocate(std::uint32_t mode, std::uint64_t pos,
					std::uint64_t len) noexcept = 0;
	virtual cfs::Result<std::uint64_t> seek(std::uint64_t pos, bool hole) noexcept = 0;
	virtual cfs::Result<Stat> stat() noexcept = 0;
	/// At most `max` entries from position *pos on, which is moved on.
	virtual cfs::Result<std::vector<DirEntry>> readdir(std::uint64_t *pos,
							   std::size_t max = ~std::size_t{0},
							   bool narrow = false) noexcept = 0;
	/// type 0 shared, 1 exclusive, 2 unlock, bytes [start, end].
	virtual cfs::Result<> lock(std::uint64_t owner, unsigned type, std::uint64_t start = 0,
				   std::uint64_t end = ~std::uint64_t{0},
				   bool wait = true) noexcept = 0;
	/// F_GETLK: the lock in the way, or type 2.
	virtual cfs::Result<struct lustre_flock>
	test_lock(const struct lustre_flock &wanted) noexcept = 0;
	/// arg is an address of this process.
	virtual cfs::Result<long> ioctl(unsigned cmd, void *arg) noexcept = 0;
	/// Errors of earlier writes, as close(2) tells them. Afterwards nothing else may be called.
	virtual cfs::Result<> close() noexcept = 0;
	virtual void destroy() noexcept = 0;

protected:
	~File() = default;
};
using FilePtr = cfs::UniquePtr<File>;

class Vfs
{
public:
	/// As mount(2) with these options, e.g. "user_xattr,device=10.0.0.1@tcp:/lustre". Sleeps.
	[[nodiscard]] static cfs::Result<cfs::UniquePtr<Vfs>>
	mount(cfs_node *node, std::string_view options, bool read_only = false) noexcept;
	/// err::BUSY while files are open. Dirty pages are written. Afterwards only destroy().
	virtual cfs::Result<> unmount() noexcept = 0;
	/// umount -f: whoever waits for a server gets an error; unmount() is still to be called.
	virtual void force() noexcept = 0;
	/// unmount(), if that has not been done; no file may be open.
	virtual void destroy() noexcept = 0;

	// ---- names ----
	virtual cfs::Result<> mkdir(std::string_view path, std::uint32_t mode = 0755) noexcept = 0;
	virtual cfs::Result<> rmdir(std::string_view path) noexcept = 0;
	/// O_CREAT|O_EXCL|O_WRONLY and close.
	virtual cfs::Result<> create(std::string_view path, std::uint32_t mode = 0644) noexcept = 0;
	virtual cfs::Result<> mknod(std::string_view path, std::uint32_t mode,
				    std::uint64_t rdev = 0) noexcept = 0;
	virtual cfs::Result<> symlink(std::string_view target, std::string_view path) noexcept = 0;
	virtual cfs::Result<> link(std::string_view from, std::string_view to) noexcept = 0;
	virtual cfs::Result<> unlink(std::string_view path) noexcept = 0;
	virtual cfs::Result<> rename(std::string_view from, std::string_view to) noexcept = 0;
	virtual cfs::Result<std::string> readlink(std::string_view path) noexcept = 0;
	/// All entries, "." and ".." too, in the directory's order.
	virtual cfs::Result<std::vector<DirEntry>> readdir(std::string_view path) noexcept = 0;
	/// Whether stat(2) finds it; other errors than err::NOENT are errors.
	virtual cfs::Result<bool> exists(std::string_view path) noexcept = 0;

	// ---- attributes ----
	virtual cfs::Result<Stat> stat(std::string_view path) noexcept = 0;
	virtual cfs::Result<Stat> lstat(std::string_view path) noexcept = 0;
	virtual cfs::Result<> chmod(std::string_view path, std::uint32_t mode) noexcept = 0;
	virtual cfs::Result<> chown(std::string_view path, std::uint32_t uid,
				    std::uint32_t gid) noexcept = 0;
	virtual cfs::Result<> utimes(std::string_view path, std::int64_t atime,
				     std::int64_t mtime) noexcept = 0;
	virtual cfs::Result<> truncate(std::string_view path, std::uint64_t size) noexcept = 0;
	virtual cfs::Result<> setxattr(std::string_view path, std::string_view name,
				       cfs::Bytes value, bool create = false,
				       bool replace = false) noexcept = 0;
	virtual cfs::Result<std::vector<std::byte>> getxattr(std::string_view path,
							     std::string_view name) noexcept = 0;
	virtual cfs::Result<> removexattr(std::string_view path,
					  std::string_view name) noexcept = 0;
	virtual cfs::Result<std::vector<std::string>> listxattr(std::string_view path) noexcept = 0;
	virtual cfs::Result<struct lustre_statfs> statfs() noexcept = 0;

	// ---- files ----
	/// flags: O_* of open(2).
	virtual cfs::Result<FilePtr> open(std::string_view path, int flags,
					  std::uint32_t mode = 0644) noexcept = 0;
	/// open, write everything from 0 on, close; and the other way round.
	virtual cfs::Result<> write_file(std::string_view path, cfs::Bytes data) noexcept = 0;
	virtual cfs::Result<std::vector<std::byte>> read_file(std::string_view path) noexcept = 0;

	// ---- caches ----
	/// sync(2): writes every dirty page.
	virtual cfs::Result<> sync() noexcept = 0;
	/// Forgets all names and evicts every inode that is not open, clean pages and all.
	virtual void drop_caches() noexcept = 0;
	[[nodiscard]] virtual std::size_t cached_inodes() noexcept = 0;
	[[nodiscard]] virtual std::size_t cached_pages() noexcept = 0;
	[[nodiscard]] virtual std::size_t dirty_pages() noexcept = 0;
	[[nodiscard]] virtual const lustre_mount_info &info() const noexcept = 0;
	/// The core's half, to reach what has no system call.
	[[nodiscard]] virtual struct lustre_mount *core() noexcept = 0;

protected:
	~Vfs() = default;
};
using VfsPtr = cfs::UniquePtr<Vfs>;

/// The calling thread is somebody else while this stands.
class As
{
	lustre_cred before_;

public:
	As(std::uint32_t uid, std::uint32_t gid, std::uint64_t caps = 0) noexcept;
	~As();
	As(const As &) = delete;
	As &operator=(const As &) = delete;
};

} // namespace client::host
