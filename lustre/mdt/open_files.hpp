// SPDX-License-Identifier: GPL-2.0
//
// What clients have open (spec 04 sections 7, 8). An OpenFile is what an open handle names; it
// belongs to the client that opened it. For each object that anybody has open there is one
// OpenObject, which counts: who asks whether an object may be executed, written or destroyed asks
// it.
//
// Invariants: an OpenObject is in the table as long as a handle refers to it, and holds a reference
// of the object, so that an open file that was removed stays. Whether an object without a name is
// destroyed or kept for whoever has it open is decided under the lock of the object (osd), as is
// the drop of its last handle: see Orphans.
#pragma once

#include "libcfs/containers.hpp"
#include "osd/osd.hpp"
#include "rpc/export.hpp"
#include "wire/mds.hpp"

namespace mdt
{

using osd::Fid;
using wire::u32;
using wire::u64;

/// Opened to be executed, not only read.
inline constexpr u64 kOpenExec = wire::MDS_FMODE_EXEC | wire::MDS_FMODE_EXECUTE;

struct OpenObject {
	static constexpr cfs_subsys kSubsys = CFS_S_MDS;
	cfs::SetHook hook;
	Fid fid{};
	osd::ObjectRef object;
	u32 handles = 0;
	u32 writers = 0;
	u32 executers = 0;
	std::int64_t atime_set = 0; ///< an explicit setattr gave this access time
};

struct OpenFile {
	static constexpr cfs_subsys kSubsys = CFS_S_MDS;
	cfs::SetHook hook; ///< the client's
	cfs::SetHook by_xid;
	wire::OpenHandle handle{};
	u64 flags = 0; ///< MDS_FMODE_*, MDS_OPEN_*
	wire::Xid xid{};
	OpenObject *of = nullptr;
};

class OpenFiles;

/// The handles of a client, on its export.
class ClientFiles final : public rpc::ExportData
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_MDS;
	/// Files a client may have open at once.
	static constexpr std::size_t kMax = 1u << 20;

	[[nodiscard]] static ClientFiles *of(const rpc::Export &e) noexcept
	{
		return static_cast<ClientFiles *>(e.data(rpc::ExportSlot::upper));
	}
	void destroy() noexcept override
	{
		this->~ClientFiles();
		cfs_free(kSubsys, this, sizeof(*this));
	}

private:
	friend class OpenFiles;
	struct ByHandle {
		bool operator()(const OpenFile &a, const OpenFile &b) const noexcept
		{
			return a.handle < b.handle;
		}
		bool operator()(const OpenFile &a, wire::OpenHandle b) const noexcept
		{
			return a.handle < b;
		}
		bool operator()(wire::OpenHandle a, const OpenFile &b) const noexcept
		{
			return a < b.handle;
		}
	};
	struct ByXid {
		bool operator()(const OpenFile &a, const OpenFile &b) const noexcept
		{
			return a.xid < b.xid;
		}
		bool operator()(const OpenFile &a, wire::Xid b) const noexcept { return a.xid < b; }
		bool operator()(wire::Xid a, const OpenFile &b) const noexcept { return a < b.xid; }
	};
	void remove(OpenFile &f) noexcept;

	/// All of it under the lock of OpenFiles.
	cfs::OrderedSet<OpenFile, &OpenFile::hook, ByHandle> files_;
	cfs::OrderedMultiSet<OpenFile, &OpenFile::by_xid, ByXid> xids_;
};

/// All of an MDT. Calls do not sleep, but for memory.
class OpenFiles
{
public:
	~OpenFiles() { CFS_ASSERT(objects_.empty()); }

	/// A new handle. It belongs to the client, which may close it, or be gone and with it the
	/// handle, at any time from now on. err::TXTBSY: to be written while it is executed or the
	/// reverse; err::NFILE: too many; err::NOTCONN: the client is gone.
	[[nodiscard]] cfs::Result<> open(rpc::Export &e, osd::ObjectRef object,
					 wire::OpenHandle handle, u64 flags,
					 wire::Xid xid) noexcept;
	/// Takes a handle away from the client: the caller must end it with drop(). Null: unknown.
	[[nodiscard]] OpenFile *take(rpc::Export &e, wire::OpenHandle handle) noexcept;
	/// The handle that a request opened before, and of what; none: handle 0.
	[[nodiscard]] wire::OpenHandle find(rpc::Export &e, wire::Xid xid,
					    osd::ObjectRef &object) noexcept;
	/// Any handle of a client that is gone; null when none is left, and there will be none any
	/// more.
	[[nodiscard]] OpenFile *take_any(rpc::Export &e) noexcept;
	/// Frees it. Whether it was the last one of its object. Under the object's lock.
	bool drop(OpenFile *f) noexcept;

	/// Handles of an object.
	[[nodiscard]] u32 handles(const Fid &fid) noexcept;
	/// err::TXTBSY: the object is executed.
	[[nodiscard]] cfs::Result<> may_write(const Fid &fid) noexcept;
	void note_atime(const Fid &fid, std::int64_t atime) noexcept;
	[[nodiscard]] std::int64_t noted_atime(const Fid &fid) noexcept;

private:
	struct ByFid {
		bool operator()(const OpenObject &a, const OpenObject &b) const noexcept
		{
			return a.fid < b.fid;
		}
		bool operator()(const OpenObject &a, const Fid &b) const noexcept
		{
			return a.fid < b;
		}
		bool operator()(const Fid &a, const OpenObject &b) const noexcept
		{
			return a < b.fid;
		}
	};
	[[nodiscard]] static cfs::Result<> make_files(rpc::Export &e) noexcept;
	[[nodiscard]] OpenObject *find_object(const Fid &fid) noexcept CFS_REQUIRES(lock_);
	[[nodiscard]] cfs::Result<> enter(rpc::Export &e, OpenFile &f,
					  cfs::UniquePtr<OpenObject> &fresh) noexcept
		CFS_REQUIRES(lock_);

	cfs::SpinLock lock_{CFS_LOCK_CLASS("mdt open files")};
	cfs::OrderedSet<OpenObject, &OpenObject::hook, ByFid> objects_ CFS_GUARDED_BY(lock_);
};

} // namespace mdt
