// SPDX-License-Identifier: GPL-2.0
//
// An object store in memory, for the hosted world: tests, simulations, benchmarks. It behaves like
// a journalling file system. Changes are visible at once and durable only when the journal commits,
// all those of a transaction together and transactions in their order; a crash takes back the rest.
//
// A Disk is what survives. It belongs to the test, like cfs::sim::Disk, and lives in ordinary
// memory. A mount is what a node has of it and is made of the node's memory: in the simulator it
// vanishes with the node, on threads Device::set_read_only() and dropping it have the same effect.
// The next mount finds what was committed. Of bulk data that was written over existing blocks
// without being committed it finds, page by page, any of the versions since the last commit, as on
// a disk.
//
// How it works: every change is made in place and leaves behind how to undo it, marked with the
// number of the journal's group it belongs to. A commit forgets the undo records of a group; a
// mount carries out, newest first, those it finds.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "libcfs/time.hpp"
#include "osd/osd.hpp"

namespace osd::mem
{

struct DiskOptions {
	std::string svname = "lfs1-OST0000"; ///< the target it is formatted for
	std::uint64_t bytes = std::uint64_t{1} << 30;
	std::uint64_t inodes = 1 << 20;
	/// Bits of the hash that orders directories; few of them make many names share a cookie.
	unsigned hash_bits = 63;
	/// Links a file can have, and a directory counts.
	std::uint32_t link_max = 65000;
};

class Image;

/// What a mount stores everything in. Not for two mounts at once: a later one fences the earlier
/// one off, which from then on gets err::IO for everything.
class Disk
{
	std::unique_ptr<Image> image_;

public:
	explicit Disk(const DiskOptions &options = {});
	~Disk();
	[[nodiscard]] Image &image() noexcept { return *image_; }

	/// For tests, while nothing is mounted and after a recovery: everything there is, as text
	/// in a fixed order. Equal texts, equal disks.
	[[nodiscard]] std::string dump() const;
	/// Undo records of changes that are not durable.
	[[nodiscard]] std::size_t uncommitted() const noexcept;
};

struct MountOptions {
	/// How long a change may wait for its commit, unless somebody asks for it.
	cfs::Duration commit_interval = cfs::Duration::seconds(5);
	/// What a commit takes, drawn anew each time.
	cfs::Duration commit_min = {};
	cfs::Duration commit_max = {};
	/// What reading and writing bulk data takes, likewise.
	cfs::Duration io_min = {};
	cfs::Duration io_max = {};
};

/// Mounts it on the calling thread's node: takes back what was not committed, and starts the
/// journal's thread. err::INVAL: it was formatted for another target.
[[nodiscard]] cfs::Result<DeviceRef> mount(cfs_node *node, Disk &disk, std::string_view svname,
					   const MountOptions &options = {}) noexcept;

/// Fail points. The first two are stock's.
inline constexpr std::uint32_t kFailTxnStart = 0x19a;	   ///< start() gives err::IO
inline constexpr std::uint32_t kFailMapblkEnospc = 0x228;  ///< no space for data
inline constexpr std::uint32_t kFailRead = 0x2381;	   ///< reading gives err::IO
inline constexpr std::uint32_t kFailBulkWrite = 0x2382;	   ///< stop() gives err::IO
inline constexpr std::uint32_t kFailCommit = 0x2383;	   ///< the journal is aborted
inline constexpr std::uint32_t kFailMetaEnospc = 0x2384;   ///< no space for an object or entry
inline constexpr std::uint32_t kFailBulkRestart = 0x2385;  ///< write_commit() gives err::AGAIN
inline constexpr std::uint32_t kFailLookupUnsure = 0x2386; ///< object() gives err::INPROGRESS

} // namespace osd::mem
