// SPDX-License-Identifier: GPL-2.0
//
// Local objects: what a target keeps for itself (07 5.2, 6). Which FIDs the well-known ones have
// and under which names they appear, numbers for those that get a FID when they are made (LAST_ID),
// and finding or making them. Everything here is written over osd/osd.hpp and is the same for every
// back end; it is linked into each module that uses it.
//
// The functions that make something use a transaction of their own: not within another one.
#pragma once

#include "libcfs/lock.hpp"
#include "osd/osd.hpp"
#include "wire/disk_target.hpp"

namespace osd
{

[[nodiscard]] constexpr Fid local_fid(wire::LocalOid oid) noexcept
{
	return wire::make_fid(wire::FID_SEQ_LOCAL_FILE, static_cast<std::uint32_t>(oid));
}

inline constexpr Fid kBackingRootFid = local_fid(wire::LocalOid::OSD_FS_ROOT_OID);
inline constexpr Fid kConfigsFid = local_fid(wire::LocalOid::MGS_CONFIGS_OID);

/// A file that a target keeps for itself.
[[nodiscard]] constexpr CreateSpec local_file_spec() noexcept
{
	CreateSpec s;
	s.attr.valid = kAttrMode | kAttrType;
	s.attr.mode = kTypeFile | 0644;
	return s;
}

/// Stops a transaction. `done`: how what was done in it went; its error counts before that of the
/// stop.
[[nodiscard]] inline cfs::Result<> stop(Transaction &tx, cfs::Result<> done) noexcept
{
	auto stopped = tx.stop();
	return done ? stopped : done;
}

/// The name under which the back end shows an object in the root directory as it is created, or an
/// empty one (07 5.3).
[[nodiscard]] constexpr std::string_view root_name(const Fid &fid) noexcept
{
	using wire::LocalOid;
	if (fid.seq != wire::FID_SEQ_LOCAL_FILE || fid.ver != 0)
		return {};
	switch (static_cast<LocalOid>(fid.oid.get())) {
	case LocalOid::FLD_INDEX_OID:
		return "fld";
	case LocalOid::FID_SEQ_CTL_OID:
		return wire::LUSTRE_SEQ_CTL_NAME;
	case LocalOid::FID_SEQ_SRV_OID:
		return wire::LUSTRE_SEQ_SRV_NAME;
	case LocalOid::MDD_LOV_OBJ_OID:
		return wire::LOV_OBJID;
	case LocalOid::MDD_LOV_OBJ_OSEQ:
		return wire::LOV_OBJSEQ;
	case LocalOid::LAST_RECV_OID:
		return wire::LAST_RCVD;
	case LocalOid::REPLY_DATA_OID:
		return wire::REPLY_DATA;
	case LocalOid::OFD_LAST_GROUP_OID:
		return "LAST_GROUP";
	case LocalOid::LLOG_CATALOGS_OID:
		return "CATALOGS";
	case LocalOid::OFD_HEALTH_CHECK_OID:
		return wire::HEALTH_CHECK;
	case LocalOid::BATCHID_COMMITTED_OID:
		return "BATCHID";
	default:
		return {};
	}
}

/// The LAST_ID object of a sequence.
[[nodiscard]] constexpr Fid last_id_fid(std::uint64_t seq) noexcept
{
	return wire::make_fid(seq, wire::LUSTRE_FID_LASTID_OID);
}

/// The object under a path of names, from the root of the backing file system on; empty names are
/// skipped. err::NOENT, err::NOTDIR.
[[nodiscard]] cfs::Result<ObjectRef> find_path(Device &device, std::string_view path) noexcept;

/// Reads exactly to.size() bytes; err::NODATA when the object is shorter.
[[nodiscard]] cfs::Result<> read_exactly(Body &body, std::uint64_t offset,
					 cfs::MutBytes to) noexcept;

/// CONFIGS/mountdata (07 3.2). err::NOENT; err::INVAL: not what it should be.
[[nodiscard]] cfs::Result<> read_mount_data(Device &device, wire::LustreDiskData &out) noexcept;

/// The object with this FID, made if it does not exist. One with a well-known name gets it.
[[nodiscard]] cfs::Result<ObjectRef> find_or_create(Device &device, const Fid &fid,
						    const CreateSpec &spec) noexcept;

/// The highest object number of a sequence, kept in its LAST_ID object (07 13.3), and numbers above
/// it. A sequence has one of these at a time. An object number is never used twice: the file is
/// written in the transaction that makes the object.
///
///     Fid fid = TRY(ids.reserve());
///     ObjectRef o = TRY(device.object(fid, kNew));
///     ...                                             // declare, ids.declare(*tx), start
///     TRY(ids.store(*tx));
///     TRY(o->create(*tx, spec));
class LastId
{
	ObjectRef file_;
	std::uint64_t seq_ = 0;
	/// Taken inside transactions, so that the file never goes back.
	cfs::Mutex lock_{CFS_LOCK_CLASS("osd last id")};
	std::uint64_t last_ CFS_GUARDED_BY(lock_) = 0;	 // given out
	std::uint64_t stored_ CFS_GUARDED_BY(lock_) = 0; // in the file

public:
	LastId() = default;

	/// Reads the file, or makes it with `initial`. err::UCLEAN: it has no sense in it.
	[[nodiscard]] cfs::Result<> open(Device &device, std::uint64_t seq,
					 std::uint64_t initial) noexcept;
	void close() noexcept { file_.reset(); }
	[[nodiscard]] bool is_open() const noexcept { return static_cast<bool>(file_); }
	[[nodiscard]] std::uint64_t seq() const noexcept { return seq_; }
	[[nodiscard]] std::uint64_t last() noexcept
	{
		cfs::MutexGuard g(lock_);
		return last_;
	}

	/// The FID of a new object. It is lost if nothing is made of it. err::NOSPC: the sequence
	/// is used up.
	[[nodiscard]] cfs::Result<Fid> reserve() noexcept;
	/// For one call of store() or raise().
	[[nodiscard]] cfs::Result<> declare(Transaction &tx) noexcept;
	/// Writes what has been given out so far.
	[[nodiscard]] cfs::Result<> store(Transaction &tx) noexcept;
	/// Makes `last` the highest number, if it is higher than what there is.
	[[nodiscard]] cfs::Result<> raise(Transaction &tx, std::uint64_t last) noexcept;
	/// Makes `last` the highest number though it was higher: only when nothing above it exists
	/// or was ever told to anybody who may come back with it.
	[[nodiscard]] cfs::Result<> lower(Transaction &tx, std::uint64_t last) noexcept;

private:
	cfs::Result<> store_locked(Transaction &tx) noexcept CFS_REQUIRES(lock_);
};

/// The FID of a new object that is found by its name, of FID_SEQ_LOCAL_NAME. Whoever has something
/// on the device takes from this sequence, so nothing of it is kept between calls; a number that is
/// not used is lost. err::NOSPC; err::UCLEAN as LastId::open().
[[nodiscard]] cfs::Result<Fid> claim_local_name(Device &device) noexcept;

/// The object under a name in a directory, made with the next FID of a sequence if there is none.
/// The new object has its parent there; links of the parent are counted.
[[nodiscard]] cfs::Result<ObjectRef> find_or_create_named(Object &dir, std::string_view name,
							  const CreateSpec &spec,
							  LastId &ids) noexcept;
/// Likewise with a FID of claim_local_name().
[[nodiscard]] cfs::Result<ObjectRef> find_or_create_named(Object &dir, std::string_view name,
							  const CreateSpec &spec) noexcept;
/// Likewise with a FID of its own.
[[nodiscard]] cfs::Result<ObjectRef> find_or_create_named(Object &dir, std::string_view name,
							  const CreateSpec &spec,
							  const Fid &fid) noexcept;

} // namespace osd
