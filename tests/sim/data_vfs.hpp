// SPDX-License-Identifier: GPL-2.0
//
// The smallest page cache that file data can be tested with: inodes of regular files, pages that
// are locked, read, dirtied and written in the order that Linux does it (client/plat_vfs.h), and
// reads and writes of bytes through them. One fiber or many. Names and attributes of other kinds
// there are none.
#pragma once

#include <map>
#include <span>
#include <vector>

#include "client/data.hpp"

namespace data_vfs
{

using client::FileData;
using client::u32;
using client::u64;
using client::u8;

struct Page {
	u64 index = 0;
	cfs_page *page = nullptr;
	bool locked = false, uptodate = false, dirty = false, writing = false;
	int error = 0;
};

} // namespace data_vfs

/// What the boundary calls an inode.
struct vfs_inode {
	vfs_inode() = default;
	~vfs_inode();

	cfs::Mutex lock{CFS_LOCK_CLASS("test inode pages")};
	cfs::WaitQueue waitq{CFS_LOCK_CLASS("test inode wait")};
	/// Writers of one inode take turns, as under Linux's inode lock.
	cfs::Mutex writers{CFS_LOCK_CLASS("test inode writers")};
	std::map<std::uint64_t, data_vfs::Page> pages; // lock
	lustre_attr attr{};
	client::FileData *data = nullptr;
	int write_error = 0;
	unsigned hits = 0; ///< pages found up to date
};

namespace data_vfs
{

/// Reads or writes bytes; the count, which is short at the end of the file.
cfs::Result<u64> read(vfs_inode &vi, u64 pos, std::span<u8> out);
cfs::Result<u64> write(vfs_inode &vi, u64 pos, std::span<const u8> in, bool append = false);
/// Where the last append went.
struct Appended {
	u64 pos = 0, bytes = 0;
};
cfs::Result<Appended> append(vfs_inode &vi, std::span<const u8> in);
/// Writes what is dirty, and makes it durable.
cfs::Result<> fsync(vfs_inode &vi);
/// What an eviction does before FileData ends.
void forget(vfs_inode &vi);

} // namespace data_vfs
