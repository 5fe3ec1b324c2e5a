// SPDX-License-Identifier: GPL-2.0
//
// File data of a mount, as the rest of the client sees it (spec 05, 06 sections 4 to 8): one
// DataSpace per mount has a connection to each OST; one FileData per inode of a regular file does
// what plat_vfs.h says about pages, sizes and ranges. The calls of plat_vfs.h go straight into
// members of the same name.
//
//     auto space = TRY(DataSpace::make(node, rpc, ldlm, spec));
//     // while the client's configuration log is read:
//     TRY(space->setup_osc("lustre-OST0000-osc", "lustre-OST0000_UUID", "10.0.0.1@tcp"));
//     TRY(space->add_conn("lustre-OST0000-osc", "10.0.0.2@tcp"));
//     TRY(space->add_ost(0, "lustre-OST0000_UUID", 1, true));      // connects
//     ...
//     auto data = TRY(FileData::make(*space, fid, vfs_inode, inode));
//     TRY(data->set_layout(layout));
//
// Invariants. Cached pages of a file are true: each is covered by an extent lock of this client on
// the object it lies in, and a lock is given back only when the pages that nothing else covers have
// been written and dropped. What a write told the application is in the pages or at the OST, until
// the OST has said that it failed. A size that is shown was true at a moment between question and
// answer.
//
// Order of locks that wait: layout of the file, then extent locks by component and stripe. No call
// into the VFS is made with one of this folder's mutexes held, but vfs_inode_attr() and
// vfs_inode_update(), which do not sleep.
#pragma once

#include "client/layout.hpp"
#include "client/plat_vfs.h"
#include "ldlm/ldlm.hpp"
#include "rpc/rpc.hpp"

/// One read, write or fault in progress, as plat_vfs.h calls it; FileData makes and ends them.
struct lustre_io {
};

namespace client
{

using cfs::Result;

class FileData;

/// A size of a server as the VFS takes it, which counts with signed numbers.
[[nodiscard]] constexpr u64 vfs_size(u64 size) noexcept
{
	constexpr u64 kMost = 0x7fffffffffffffff;
	return size < kMost ? size : kMost;
}

// ---- a mount ----

struct DataSpaceSpec {
	std::string_view fsname;
	/// What is put behind names of devices of the log: "lustre-OST0000-osc" becomes
	/// "lustre-OST0000-osc-INSTANCE". Copied, as is everything here.
	std::string_view instance;
	/// The uuid of the mount, by which servers know it (Rpc::new_uuid()).
	std::string_view client_uuid;
	bool checksum = true;	///< MountSwitch::checksum
	bool lazystatfs = true; ///< MountSwitch::lazystatfs
	bool read_only = false; ///< connect with OBD_CONNECT_RDONLY
	/// The folder that gets `osc` with one folder per OST; none when null. Outlives the space.
	cfs::ParamGroup *params = nullptr;
};

/// What OSTs know about a file, all objects merged (spec 06 4.3).
struct DataAttr {
	u64 size = 0;
	u64 blocks = 0; // 512-byte units
	std::int64_t mtime = 0, atime = 0, ctime = 0;
	/// There are objects. Without, size and blocks are 0 or the MDT's business.
	bool valid = false;
};

/// An OST as the parameter files and IOC_OBD_STATFS want it.
struct OstInfo {
	u32 index = 0;
	u32 gen = 0;
	bool active = false;
	char uuid[wire::UUID_MAX] = {};
	rpc::ImportState state{};
};

class DataSpace
{
public:
	/// rpc and ldlm outlive it. err::NOMEM. Sleeps.
	[[nodiscard]] static Result<cfs::UniquePtr<DataSpace>>
	make(cfs::Node &node, rpc::Rpc &rpc, ldlm::Ldlm &ldlm, const DataSpaceSpec &spec) noexcept;

	// ---- the configuration log; names of devices without the instance ----
	/// LCFG_SETUP of an osc: the target's uuid and the node that serves it, whose NIDs were
	/// made known with Rpc::add_uuid(). err::EXIST, err::NOENT (node).
	[[nodiscard]] virtual Result<> setup_osc(std::string_view device, std::string_view target,
						 std::string_view node) noexcept = 0;
	/// LCFG_ADD_CONN: one more node that may serve it. err::NOENT.
	[[nodiscard]] virtual Result<> add_conn(std::string_view device,
						std::string_view node) noexcept = 0;
	/// LCFG_LOV_ADD_OBD (active) or LOV_ADD_INA: the osc of this target gets its place in
	/// layouts, and connects, without waiting. err::NOENT, err::EXIST, err::INVAL.
	[[nodiscard]] virtual Result<> add_ost(u32 index, std::string_view target, u32 gen,
					       bool active) noexcept = 0;
	/// LCFG_LOV_DEL_OBD. Its I/O fails from now on. err::NOENT.
	[[nodiscard]] virtual Result<> del_ost(u32 index) noexcept = 0;
	/// LCFG_PARAM: "max_dirty_mb" and the like of an osc. err::NOENT: unknown parameter.
	[[nodiscard]] virtual Result<> param(std::string_view device, std::string_view key,
					     std::string_view value) noexcept = 0;
	/// What the MGS announced of where an OST runs (imperative recovery).
	virtual void target_moved(u32 index, std::span<const lnet::Nid> nids,
				  u32 instance) noexcept = 0;

	// ---- life ----
	/// Waits until every active OST is connected; the first reason otherwise. Mounts need not.
	[[nodiscard]] virtual Result<> wait_connected(cfs::WaitMode mode,
						      cfs::Instant deadline) noexcept = 0;
	/// umount -f: whoever waits for an OST gets an error, and nobody waits again. Any context
	/// that may sleep shortly.
	virtual void abort() noexcept = 0;
	/// No FileData is left. Disconnects and ends everything. Once. Sleeps.
	virtual void close(cfs::WaitMode mode, cfs::Instant deadline) noexcept = 0;
	virtual void destroy() noexcept = 0;

	// ---- facts ----
	/// Adds up the OSTs into `out` (blocks, bfree, bavail, files, ffree of the objects; bsize),
	/// asking those whose answer is older than a second. err::IO: no OST at all answers; with
	/// lazystatfs those that are away are left out. Sleeps.
	[[nodiscard]] virtual Result<> statfs(struct ::lustre_statfs &out) noexcept = 0;
	/// One OST's, for ioctl. err::NODEV: behind the last index; err::AGAIN: no such index;
	/// err::NODATA: not active; what the connection says. `lazy`: do not wait for it.
	[[nodiscard]] virtual Result<wire::ObdStatfs> ost_statfs(u32 index, bool lazy) noexcept = 0;
	/// err::NODEV and err::AGAIN as above.
	[[nodiscard]] virtual Result<OstInfo> ost_info(u32 index) noexcept = 0;
	/// Indices in use are below this.
	[[nodiscard]] virtual u32 ost_end() noexcept = 0;
	/// Pages of the longest read or write RPC of any OST: lustre_mount_info::read_pages.
	[[nodiscard]] virtual unsigned rpc_pages() noexcept = 0;

protected:
	~DataSpace() = default;
};

// ---- a file ----

/// What the data of a file needs of its inode.
class FileOwner
{
public:
	/// Bytes of the range have no objects yet, or the layout is not known: asks the MDT (layout
	/// intent LAYOUT_INTENT_WRITE, or _TRUNC) and calls FileData::set_layout() before it
	/// returns. Called without locks of the data. err::ROFS, err::NOSPC, err::INTR...
	virtual Result<> need_objects(Range file, bool truncate) noexcept = 0;
	/// The layout is valid still; otherwise fetches it and calls set_layout(). Called at the
	/// beginning of each I/O, without locks of the data: cheap when the layout lock is held.
	virtual Result<> need_layout() noexcept = 0;

protected:
	~FileOwner() = default;
};

class FileData
{
public:
	/// Of the inode `vi` with this FID; both outlive it. It has no layout yet. err::NOMEM.
	[[nodiscard]] static Result<cfs::UniquePtr<FileData>>
	make(DataSpace &space, const wire::Fid &fid, vfs_inode *vi, FileOwner &owner) noexcept;
	/// lustre_inode_evict(): pages are gone and no I/O runs. Locks stay cached. Waits for lock
	/// callbacks that are at its pages.
	virtual void destroy() noexcept = 0;

	// ---- the layout ----
	/// Takes a layout into use; null: the file has none. Waits until no I/O runs under the old
	/// one; when objects change, what was cached of them is written and dropped. err::INTR;
	/// err::OPNOTSUPP for a kind of layout that is not built: data calls then fail likewise.
	[[nodiscard]] virtual Result<> set_layout(cfs::RefPtr<const Layout> layout) noexcept = 0;
	[[nodiscard]] virtual cfs::RefPtr<const Layout> layout() noexcept = 0;

	// ---- I/O through pages: plat_vfs.h tells what each does ----
	[[nodiscard]] virtual Result<lustre_io *> io_begin(lustre_io_kind kind, u64 pos, u64 len,
							   bool nonblock,
							   lustre_io_range &got) noexcept = 0;
	static void io_end(lustre_io *io) noexcept;
	virtual void read_pages(u64 index, std::span<cfs_page *const> pages) noexcept = 0;
	[[nodiscard]] virtual unsigned readahead(u64 index, unsigned asked) noexcept = 0;
	[[nodiscard]] static Result<> page_dirty(lustre_io *io, u64 index, unsigned from,
						 unsigned to) noexcept;
	[[nodiscard]] static Result<> write_now(lustre_io *io, u64 index, cfs_page *page,
						unsigned len) noexcept;
	virtual void page_clean(u64 index) noexcept = 0;
	static void size_grown(lustre_io *io, u64 size) noexcept;
	virtual void write_pages(u64 index, std::span<cfs_page *const> pages, u64 size,
				 u32 flags) noexcept = 0;
	virtual void write_kick() noexcept = 0;
	/// Bytes moved.
	[[nodiscard]] virtual Result<u64>
	direct_io(bool write, u64 pos, std::span<const cfs_bvec> pieces, u64 len) noexcept = 0;

	// ---- the rest ----
	/// The OSTs' half of fsync: OST_SYNC of every object. Pages have been written. The error
	/// of an earlier write counts, too, and is told once.
	[[nodiscard]] virtual Result<> sync(u64 start, u64 end) noexcept = 0;
	/// lustre_flush(): the error of an earlier write, once.
	[[nodiscard]] virtual Result<> take_error() noexcept = 0;
	/// Truncates or extends, after the MDT was told: locks, vfs_pages_truncate(), OST_PUNCH.
	/// Sets the size of the VFS inode. mtime and ctime are sent along.
	[[nodiscard]] virtual Result<> truncate(u64 size, std::int64_t mtime,
						std::int64_t ctime) noexcept = 0;
	/// OST_SETATTR of every object: the times that attr.valid names (LUSTRE_ATTR_ATIME, _MTIME,
	/// _CTIME). Times of the past stay: dirty data is written first.
	[[nodiscard]] virtual Result<> set_times(const lustre_attr &attr) noexcept = 0;
	/// Size, blocks and times by glimpse, or from locks; `cached`: what is known, no RPC.
	/// Brings the size of the VFS inode up to date.
	[[nodiscard]] virtual Result<DataAttr> attributes(bool cached) noexcept = 0;
	/// mode: FALLOC_FL_*. err::OPNOTSUPP.
	[[nodiscard]] virtual Result<> fallocate(u32 mode, u64 pos, u64 len) noexcept = 0;
	/// err::NXIO.
	[[nodiscard]] virtual Result<u64> seek(u64 pos, bool hole) noexcept = 0;

protected:
	~FileData() = default;
};

} // namespace client
