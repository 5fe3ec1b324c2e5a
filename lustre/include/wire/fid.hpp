// SPDX-License-Identifier: GPL-2.0
//
// Identities: FIDs, OST object ids, sequences and their ranges, local object numbers, uuids
// (02 6.4, 04 2, 05 2, 07 5). A FID is little-endian in messages and in most xattrs, big-endian in
// the object index, in directory entries, in the link xattr and in the FLD (07 15.4).
#pragma once

#include <compare>

#include "wire/types.hpp"

namespace wire
{

/// FID sequences (04 2.1, 07 5.1).
inline constexpr u64 FID_SEQ_OST_MDT0 = 0x0;	 // objects MDT0 made before FIDs reached the OSTs
inline constexpr u64 FID_SEQ_LLOG = 0x1;	 // nameless logs
inline constexpr u64 FID_SEQ_ECHO = 0x2;	 // the echo (test) client
inline constexpr u64 FID_SEQ_UNUSED_START = 0x3; // 3-9: historic groups
inline constexpr u64 FID_SEQ_UNUSED_END = 0x9;
inline constexpr u64 FID_SEQ_LLOG_NAME = 0xa; // named logs
inline constexpr u64 FID_SEQ_RSVD = 0xb;
inline constexpr u64 FID_SEQ_IGIF = 0xc; // first of the inode-and-generation FIDs
inline constexpr u64 FID_SEQ_IGIF_MAX = 0xffffffff;
inline constexpr u64 FID_SEQ_IDIF = 0x100000000; // first of the (OST index, 48-bit id) FIDs
inline constexpr u64 FID_SEQ_IDIF_MAX = 0x1ffffffff;
inline constexpr u64 FID_SEQ_START = 0x200000000;	  // below: no allocated sequence
inline constexpr u64 FID_SEQ_LOCAL_FILE = 0x200000001;	  // files of one target, see LocalOid
inline constexpr u64 FID_SEQ_DOT_LUSTRE = 0x200000002;	  // .lustre and below
inline constexpr u64 FID_SEQ_LOCAL_NAME = 0x200000003;	  // local files with a dynamic oid
inline constexpr u64 FID_SEQ_SPECIAL = 0x200000004;	  // locks that are not files
inline constexpr u64 FID_SEQ_QUOTA = 0x200000005;	  // quota slave indices
inline constexpr u64 FID_SEQ_QUOTA_GLB = 0x200000006;	  // quota global indices
inline constexpr u64 FID_SEQ_ROOT = 0x200000007;	  // the root of the file system
inline constexpr u64 FID_SEQ_LAYOUT_RBTREE = 0x200000008; // LFSCK, temporary
inline constexpr u64 FID_SEQ_UPDATE_LOG = 0x200000009;	  // oid = MDT index
inline constexpr u64 FID_SEQ_UPDATE_LOG_DIR = 0x20000000a;
inline constexpr u64 FID_SEQ_NORMAL = 0x200000400; // first sequence ever granted to a client
inline constexpr u64 FID_SEQ_LOV_DEFAULT = 0xffffffffffffffff;

/// Object numbers with a meaning inside the sequences above.
inline constexpr u32 LUSTRE_FID_LASTID_OID = 0x0; // the LAST_ID file of a sequence, never an object
inline constexpr u32 LUSTRE_FID_INIT_OID = 0x1;	  // first object of a sequence
inline constexpr u32 FID_OID_SPECIAL_BFL = 0x1;	  // FID_SEQ_SPECIAL: the rename lock
inline constexpr u32 FID_OID_DOT_LUSTRE = 0x1;	  // FID_SEQ_DOT_LUSTRE: .lustre
inline constexpr u32 FID_OID_DOT_LUSTRE_OBF = 0x2; // .lustre/fid
inline constexpr u32 FID_OID_DOT_LUSTRE_LPF = 0x3; // .lustre/lost+found
inline constexpr u32 FID_OID_ROOT = 0x1;	   // FID_SEQ_ROOT
inline constexpr u32 FID_OID_ECHO_ROOT = 0x2;

/// Object numbers of FID_SEQ_LOCAL_FILE (07 5.2).
enum class LocalOid : u32 {
	FLD_INDEX_OID = 0x3,	   // fld
	FID_SEQ_CTL_OID = 0x4,	   // seq_ctl
	FID_SEQ_SRV_OID = 0x5,	   // seq_srv
	MDD_ROOT_INDEX_OID = 0x6,  // unused
	MDD_ORPHAN_OID = 0x7,	   // unused
	MDD_LOV_OBJ_OID = 0x8,	   // lov_objid
	MDD_CAPA_KEYS_OID = 0x9,   // unused
	LAST_RECV_OID = 0xb,	   // last_rcvd
	OSD_FS_ROOT_OID = 0xd,	   // root directory of the backing file system
	ACCT_USER_OID = 0xf,	   // accounting, virtual
	ACCT_GROUP_OID = 0x10,	   // accounting, virtual
	LFSCK_BOOKMARK_OID = 0x11, // lfsck_bookmark
	OTABLE_IT_OID = 0x12,	   // object table iterator, virtual
	OSD_LPF_OID = 0x13,	   // lost+found
	REPLY_DATA_OID = 0x15,	   // reply_data
	ACCT_PROJECT_OID = 0x16,   // accounting, virtual
	INDEX_BACKUP_OID = 0x1014, // index_backup
	OFD_LAST_GROUP_OID = 0x1015,
	LLOG_CATALOGS_OID = 0x1016, // CATALOGS
	MGS_CONFIGS_OID = 0x1017,   // CONFIGS
	OFD_HEALTH_CHECK_OID = 0x1018,
	MDD_LOV_OBJ_OSEQ = 0x1019, // lov_objseq
	LFSCK_NAMESPACE_OID = 0x101a,
	REMOTE_PARENT_DIR_OID = 0x101b,
	BATCHID_COMMITTED_OID = 0x101d,
};

/// How far object numbers go.
inline constexpr unsigned OBIF_OID_MAX_BITS = 32; // of a FID
inline constexpr unsigned IDIF_OID_MAX_BITS = 48; // of a legacy OST object
/// 2.15 wrote both limits one higher, as "first number that is too big".
inline constexpr u64 OBIF_MAX_OID = 0xffffffff;
inline constexpr u64 IDIF_MAX_OID = 0xffffffffffff;
/// Objects a granted sequence holds, and sequences a grant holds (04 2.2).
inline constexpr u64 LUSTRE_METADATA_SEQ_MAX_WIDTH = 0x20000;
inline constexpr u64 LUSTRE_DATA_SEQ_MAX_WIDTH = 0x1ffffff;
inline constexpr u64 LUSTRE_SEQ_META_WIDTH = 1;		  // a client gets one sequence at a time
inline constexpr u64 LUSTRE_SEQ_BATCH_WIDTH = 1000;	  // set aside on disk at a time
inline constexpr u64 LUSTRE_SEQ_SUPER_WIDTH = 0x40000000; // what the controller gives a server

/// A file identifier as it travels: lu_fid, 16 bytes, little-endian.
struct Fid {
	le64 seq;
	le32 oid;
	le32 ver; // 0 but for OST parents in trusted.fid, where it is the stripe number

	[[nodiscard]] constexpr bool operator==(const Fid &o) const noexcept
	{
		return seq.get() == o.seq.get() && oid.get() == o.oid.get() &&
		       ver.get() == o.ver.get();
	}
	[[nodiscard]] constexpr std::strong_ordering operator<=>(const Fid &o) const noexcept
	{
		if (auto c = seq.get() <=> o.seq.get(); c != 0)
			return c;
		if (auto c = oid.get() <=> o.oid.get(); c != 0)
			return c;
		return ver.get() <=> o.ver.get();
	}
	[[nodiscard]] constexpr bool is_zero() const noexcept
	{
		return seq.get() == 0 && oid.get() == 0;
	}
	/// Granted by the sequence service.
	[[nodiscard]] constexpr bool is_normal() const noexcept
	{
		return seq.get() >= FID_SEQ_NORMAL && seq.get() != FID_SEQ_LOV_DEFAULT;
	}
	[[nodiscard]] constexpr bool is_igif() const noexcept
	{
		return seq.get() >= FID_SEQ_IGIF && seq.get() <= FID_SEQ_IGIF_MAX;
	}
	[[nodiscard]] constexpr bool is_idif() const noexcept
	{
		return seq.get() >= FID_SEQ_IDIF && seq.get() <= FID_SEQ_IDIF_MAX;
	}
	/// What a peer may name at all (04 2.1).
	[[nodiscard]] constexpr bool is_sane() const noexcept
	{
		return (seq.get() >= FID_SEQ_START && ver.get() == 0) || is_igif() || is_idif() ||
		       (seq.get() >= FID_SEQ_LLOG && seq.get() <= FID_SEQ_RSVD);
	}
};
static_assert(sizeof(Fid) == 16 && kOverlay<Fid>);

/// A FID of host numbers, for tables and constants.
[[nodiscard]] constexpr Fid make_fid(u64 seq, u32 oid, u32 ver = 0) noexcept
{
	Fid f{};
	f.seq = seq;
	f.oid = oid;
	f.ver = ver;
	return f;
}

/// [0x200000007:1:0], the root of every file system.
inline constexpr Fid kRootFid = make_fid(FID_SEQ_ROOT, FID_OID_ROOT);

/// The same identifier big-endian, so that memcmp() order is numeric order: keys of the object
/// index, FIDs in directory entries and in the link xattr (07 7.1, 8.5, 9.3).
struct FidBe {
	be64 seq;
	be32 oid;
	be32 ver;

	[[nodiscard]] constexpr Fid fid() const noexcept
	{
		return make_fid(seq.get(), oid.get(), ver.get());
	}
};
static_assert(sizeof(FidBe) == 16 && kOverlay<FidBe>);

[[nodiscard]] constexpr FidBe to_be(const Fid &f) noexcept
{
	FidBe b{};
	b.seq = f.seq.get();
	b.oid = f.oid.get();
	b.ver = f.ver.get();
	return b;
}

/// Who an OST object is: ost_id, 16 bytes. The second word decides: 0 is a legacy object named by
/// oi_id, all ones a placeholder, anything else makes it a FID (05 2.1).
struct OstId {
	union {
		struct {
			le64 oi_id;
			le64 oi_seq;
		} oi;
		Fid oi_fid;
	};

	[[nodiscard]] constexpr bool is_legacy() const noexcept { return oi.oi_seq.get() == 0; }
	[[nodiscard]] constexpr bool is_default() const noexcept
	{
		return oi.oi_seq.get() == FID_SEQ_LOV_DEFAULT;
	}
};
static_assert(sizeof(OstId) == 16 && kOverlay<OstId>);

/// A uuid as the protocol knows it: a string of at most 39 characters.
inline constexpr std::size_t UUID_MAX = 40;
struct ObdUuid {
	Chars<UUID_MAX> uuid;
};
static_assert(sizeof(ObdUuid) == 40 && kOverlay<ObdUuid>);

/// lsr_flags: what kind of server the range belongs to (02 6.4).
inline constexpr u32 LU_SEQ_RANGE_MDT = 0x0;
inline constexpr u32 LU_SEQ_RANGE_OST = 0x1;
inline constexpr u32 LU_SEQ_RANGE_ANY = 0x3;
inline constexpr u32 LU_SEQ_RANGE_MASK = 0x3;

/// A range of sequences and the server it lives on: lu_seq_range, 24 bytes. In SEQ_QUERY, FLD_QUERY
/// and FLD_READ, and as the whole content of seq_ctl and seq_srv (07 13.1).
struct SeqRange {
	le64 start;
	le64 end;   // exclusive
	le32 index; // of the MDT or OST
	le32 flags; // LU_SEQ_RANGE_*
};
static_assert(sizeof(SeqRange) == 24 && kOverlay<SeqRange>);

/// Head of the FLD_READ answer: so many SeqRange follow (04 2.3).
struct SeqRangeArray {
	le32 count;
	le32 padding;
};
static_assert(sizeof(SeqRangeArray) == 8 && kOverlay<SeqRangeArray>);

/// First word of SEQ_QUERY.
enum class SeqOp : u32 {
	SEQ_ALLOC_SUPER = 0x0, // server to controller, portal 32
	SEQ_ALLOC_META = 0x1,  // client to MDT, portal 30; MDT to OST, portal 31
};

/// First word of FLD_QUERY.
enum class FldOp : u32 {
	FLD_CREATE = 0x0,
	FLD_DELETE = 0x1,
	FLD_LOOKUP = 0x2,
};

} // namespace wire
