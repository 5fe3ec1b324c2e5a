// SPDX-License-Identifier: GPL-2.0
//
// Metadata operations on the wire: mdt_body, the reint records, open and close, and the small
// structures of the other MDS messages (spec 04). What each message carries is in
// rpc/format/ops_mds.hpp and ops_ldlm.hpp (intents).
#pragma once

#include "wire/attr.hpp"
#include "wire/fid.hpp"
#include "wire/layout.hpp"

namespace wire
{

/// First word of a reint record: which operation, and thereby which record (04 1.2).
enum class ReintOp : u32 {
	REINT_SETATTR = 1,  // MdtRecSetattr
	REINT_CREATE = 2,   // MdtRecCreate
	REINT_LINK = 3,	    // MdtRecLink
	REINT_UNLINK = 4,   // MdtRecUnlink
	REINT_RENAME = 5,   // MdtRecRename
	REINT_OPEN = 6,	    // MdtRecCreate; only inside an intent, or replayed
	REINT_SETXATTR = 7, // MdtRecSetxattr
	REINT_RMENTRY = 8,  // MdtRecUnlink
	REINT_MIGRATE = 9,  // MdtRecRename
	REINT_RESYNC = 10,  // MdtRecResync
};

/// sa_valid: what a setattr or close record sets (04 3.3). A time is stored as given only with its
/// _SET bit.
inline constexpr u64 MDS_ATTR_MODE = 0x1;
inline constexpr u64 MDS_ATTR_UID = 0x2;
inline constexpr u64 MDS_ATTR_GID = 0x4;
inline constexpr u64 MDS_ATTR_SIZE = 0x8;
inline constexpr u64 MDS_ATTR_ATIME = 0x10;
inline constexpr u64 MDS_ATTR_MTIME = 0x20;
inline constexpr u64 MDS_ATTR_CTIME = 0x40;
inline constexpr u64 MDS_ATTR_ATIME_SET = 0x80;
inline constexpr u64 MDS_ATTR_MTIME_SET = 0x100;
inline constexpr u64 MDS_ATTR_FORCE = 0x200;
inline constexpr u64 MDS_ATTR_ATTR_FLAG = 0x400; // sa_attr_flags
inline constexpr u64 MDS_ATTR_KILL_SUID = 0x800;
inline constexpr u64 MDS_ATTR_KILL_SGID = 0x1000;
inline constexpr u64 MDS_ATTR_CTIME_SET = 0x2000;
inline constexpr u64 MDS_ATTR_FROM_OPEN = 0x4000; // truncate by open
inline constexpr u64 MDS_ATTR_BLOCKS = 0x8000;
inline constexpr u64 MDS_ATTR_PROJID = 0x10000;
inline constexpr u64 MDS_ATTR_LSIZE = 0x20000;	 // lazy size
inline constexpr u64 MDS_ATTR_LBLOCKS = 0x40000; // lazy blocks
inline constexpr u64 MDS_ATTR_OVERRIDE = 0x2000000;

/// The bias words of the records: side conditions of an operation (04 3.3).
inline constexpr u32 MDS_CROSS_REF = 0x2;
inline constexpr u32 MDS_PERM_BYPASS = 0x8;
inline constexpr u32 MDS_QUOTA_IGNORE = 0x20;
inline constexpr u32 MDS_KEEP_ORPHAN = 0x80;
inline constexpr u32 MDS_RECOV_OPEN = 0x100;
inline constexpr u32 MDS_DATA_MODIFIED = 0x200; // close, setattr: data was written
inline constexpr u32 MDS_CREATE_VOLATILE = 0x400;
inline constexpr u32 MDS_OWNEROVERRIDE = 0x800;
inline constexpr u32 MDS_HSM_RELEASE = 0x1000;	       // close intent
inline constexpr u32 MDS_CLOSE_MIGRATE = 0x2000;       // close intent
inline constexpr u32 MDS_CLOSE_LAYOUT_SWAP = 0x4000;   // close intent
inline constexpr u32 MDS_CLOSE_LAYOUT_MERGE = 0x8000;  // close intent
inline constexpr u32 MDS_CLOSE_RESYNC_DONE = 0x10000;  // close intent
inline constexpr u32 MDS_CLOSE_LAYOUT_SPLIT = 0x20000; // close intent
inline constexpr u32 MDS_TRUNC_KEEP_LEASE = 0x40000;
inline constexpr u32 MDS_PCC_ATTACH = 0x80000; // close intent
inline constexpr u32 MDS_CLOSE_UPDATE_TIMES = 0x100000;
inline constexpr u32 MDS_SETSTRIPE_CREATE = 0x200000; // mkdir with an explicit layout
inline constexpr u32 MDS_FID_OP = 0x400000;	      // ul_fid2 is meant
inline constexpr u32 MDS_MIGRATE_NSONLY = 0x800000;
inline constexpr u32 MDS_CREATE_DEFAULT_LMV = 0x1000000; // mkdir with the parent's default layout
inline constexpr u32 MDS_CLOSE_LAYOUT_SWAP_HSM = 0x2000000; // close intent
inline constexpr u32 MDS_CLOSE_INTENT = 0x3d000;	    // stock's set of the close intents

/// cr_flags_l | cr_flags_h << 32 of an open (04 7.1); "2.17" marks what 2.15 does not know.
inline constexpr u64 MDS_FMODE_CLOSED = 0x0;
inline constexpr u64 MDS_FMODE_READ = 0x1;
inline constexpr u64 MDS_FMODE_WRITE = 0x2;
inline constexpr u64 MDS_FMODE_EXEC = 0x4;
inline constexpr u64 MDS_OPEN_CREATED = 0x8;
inline constexpr u64 MDS_FMODE_EXECUTE = 0x10; // 2.17
inline constexpr u64 MDS_OPEN_CREAT = 0x40;
inline constexpr u64 MDS_OPEN_EXCL = 0x80;
inline constexpr u64 MDS_OPEN_NOCTTY = 0x100; // 2.17
inline constexpr u64 MDS_OPEN_TRUNC = 0x200;
inline constexpr u64 MDS_OPEN_APPEND = 0x400;
inline constexpr u64 MDS_OPEN_NONBLOCK = 0x800; // 2.17
inline constexpr u64 MDS_OPEN_SYNC = 0x1000;
inline constexpr u64 MDS_OPEN_FASYNC = 0x2000;	  // 2.17
inline constexpr u64 MDS_OPEN_LARGEFILE = 0x8000; // 2.17
inline constexpr u64 MDS_OPEN_DIRECTORY = 0x10000;
inline constexpr u64 MDS_OPEN_NOFOLLOW = 0x20000;	// 2.17
inline constexpr u64 MDS_OPEN_BY_FID = 0x800000;	// fid2 names the file
inline constexpr u64 MDS_OPEN_DELAY_CREATE = 0x1000000; // no objects yet
inline constexpr u64 MDS_OPEN_OWNEROVERRIDE = 0x2000000;
inline constexpr u64 MDS_OPEN_LOCK = 0x20000000;     // an open lock is wanted
inline constexpr u64 MDS_OPEN_HAS_EA = 0x40000000;   // the layout buffer counts
inline constexpr u64 MDS_OPEN_HAS_OBJS = 0x80000000; // the objects exist
inline constexpr u64 MDS_OPEN_NORESTORE = 0x200000000;
inline constexpr u64 MDS_OPEN_NEWSTRIPE = 0x400000000;
inline constexpr u64 MDS_OPEN_VOLATILE = 0x800000000;
inline constexpr u64 MDS_OPEN_LEASE = 0x1000000000;
inline constexpr u64 MDS_OPEN_RELEASE = 0x2000000000;
inline constexpr u64 MDS_OPEN_RESYNC = 0x4000000000;
inline constexpr u64 MDS_MKDIR_LMV = 0x4000000000; // the same bit, in a mkdir (2.17)
inline constexpr u64 MDS_OPEN_PCC = 0x8000000000;
inline constexpr u64 MDS_OP_WITH_FID = 0x10000000000;
inline constexpr u64 MDS_OPEN_DEFAULT_LMV = 0x20000000000; // 2.17
inline constexpr u64 MDS_OPEN_FL_INTERNAL = 0x3f0e2800000; // 2.15: 0x1f0e2800000

/// mbo_t_state.
inline constexpr u64 MS_RESTORE = 0x1; // an HSM restore is running

/// msl_flags and sl_flags.
inline constexpr u64 SWAP_LAYOUTS_CHECK_DV1 = 0x1;
inline constexpr u64 SWAP_LAYOUTS_CHECK_DV2 = 0x2;
inline constexpr u64 SWAP_LAYOUTS_KEEP_MTIME = 0x4;
inline constexpr u64 SWAP_LAYOUTS_KEEP_ATIME = 0x8;
inline constexpr u64 SWAP_LAYOUTS_CLOSE = 0x10;
inline constexpr u64 SWAP_LAYOUTS_MDS_RELEASE = 0xffffffff80000000; // 2.17

/// "No supplementary group", "unchanged".
inline constexpr u32 MDT_INVALID_UID = 0xffffffff;
inline constexpr u32 MDT_INVALID_GID = 0xffffffff;
inline constexpr u32 MDT_INVALID_PROJID = 0xffffffff;

/// Selector in requests, attributes in replies: mdt_body, 216 bytes (04 3.1).
struct MdtBody {
	Fid fid1;		    // the object, or the parent
	Fid fid2;		    // request: the child
	Le<OpenHandle> open_handle; // request: open file; reply: the new handle
	le64 valid;		    // OBD_MD_*: wanted, or present
	le64 size;		    // readdir request: hash to start at
	sle64 mtime;		    // seconds
	sle64 atime;
	sle64 ctime;
	le64 blocks;  // 512-byte units
	le64 version; // 0
	le64 t_state; // MS_RESTORE
	le32 fsuid;   // request: the caller
	le32 fsgid;
	le32 capability; // request: effective capabilities, low half
	le32 mode;	 // readdir request: LUDA_*
	le32 uid;	 // request: real uid; reply: the owner
	le32 gid;
	le32 flags; // inode flags
	le32 rdev;
	le32 nlink; // readdir request: bytes of room
	le32 layout_gen;
	le32 suppgid;	 // a supplementary group, MDT_INVALID_GID if none
	le32 eadatasize; // room for, or length of, the layout
	le32 aclsize;	 // length of the ACL
	le32 max_mdsize; // largest layout the MDT has met
	le32 unused3;
	le32 uid_h; // 0
	le32 gid_h; // 0
	le32 projid;
	le64 dom_size; // with OBD_MD_DOM_SIZE
	le64 dom_blocks;
	le64 btime; // seconds
	le64 padding_9;
	le64 padding_10;
};
static_assert(sizeof(MdtBody) == 216 && kOverlay<MdtBody>);

/// What all reint records have in common, and how the protocol lays out one whose operation it does
/// not know: mdt_rec_reint, 136 bytes. Use it for the head only; setattr, link, unlink, rename and
/// setxattr differ from offset 40 on (04 3.3).
struct MdtRecReint {
	Le<ReintOp> opcode;
	le32 cap; // the caller's capabilities
	le32 fsuid;
	le32 fsuid_h;
	le32 fsgid;
	le32 fsgid_h;
	le32 suppgid1; // for fid1 or the parent, MDT_INVALID_GID if none
	le32 suppgid1_h;
	le32 suppgid2; // for fid2
	le32 suppgid2_h;
	Fid fid1;
	Fid fid2;
	sle64 mtime;
	sle64 atime;
	sle64 ctime;
	le64 size;
	le64 blocks;
	le32 bias;
	le32 mode;
	le32 flags;
	le32 flags_h;
	le32 umask;
	le16 mirror_id_old; // 2.15: the mirror id itself
	le16 padding_4;
};
static_assert(sizeof(MdtRecReint) == 136 && kOverlay<MdtRecReint>);

/// REINT_SETATTR, and the attributes of a close.
struct MdtRecSetattr {
	Le<ReintOp> opcode;
	le32 cap;
	le32 fsuid;
	le32 fsuid_h;
	le32 fsgid;
	le32 fsgid_h;
	le32 suppgid;
	le32 suppgid_h;
	le32 padding_1;
	le32 padding_1_h;
	Fid fid;
	le64 valid; // MDS_ATTR_*
	le32 uid;
	le32 gid;
	le64 size;
	le64 blocks;
	sle64 mtime;
	sle64 atime;
	sle64 ctime;
	le32 attr_flags; // inode flags
	le32 mode;
	le32 bias; // MDS_* bias bits
	le32 projid;
	le32 padding_4;
	le32 padding_5;
};
static_assert(sizeof(MdtRecSetattr) == 136 && kOverlay<MdtRecSetattr>);

/// REINT_CREATE and REINT_OPEN.
struct MdtRecCreate {
	Le<ReintOp> opcode;
	le32 cap;
	le32 fsuid;
	le32 fsuid_h;
	le32 fsgid;
	le32 fsgid_h;
	le32 suppgid1;
	le32 suppgid1_h;
	le32 suppgid2;
	le32 suppgid2_h;
	Fid fid1;			// the parent
	Fid fid2;			// the new object, or the known child
	Le<OpenHandle> open_handle_old; // replay and lease: the handle so far
	sle64 time;
	union {
		le64 rdev;
		le32 archive_id;
	};
	le64 ioepoch;
	le64 padding_1;
	le32 mode; // with the file type
	le32 bias;
	le32 flags_l; // MDS_OPEN_*, low half
	le32 flags_h;
	le32 umask; // the server applies it
	le32 padding_4;
};
static_assert(sizeof(MdtRecCreate) == 136 && kOverlay<MdtRecCreate>);

/// REINT_LINK.
struct MdtRecLink {
	Le<ReintOp> opcode;
	le32 cap;
	le32 fsuid;
	le32 fsuid_h;
	le32 fsgid;
	le32 fsgid_h;
	le32 suppgid1;
	le32 suppgid1_h;
	le32 suppgid2;
	le32 suppgid2_h;
	Fid fid1; // the existing object
	Fid fid2; // the directory
	sle64 time;
	le64 padding_1;
	le64 padding_2;
	le64 padding_3;
	le64 padding_4;
	le32 bias;
	le32 padding_5;
	le32 padding_6;
	le32 padding_7;
	le32 padding_8;
	le32 padding_9;
};
static_assert(sizeof(MdtRecLink) == 136 && kOverlay<MdtRecLink>);

/// REINT_UNLINK and REINT_RMENTRY.
struct MdtRecUnlink {
	Le<ReintOp> opcode;
	le32 cap;
	le32 fsuid;
	le32 fsuid_h;
	le32 fsgid;
	le32 fsgid_h;
	le32 suppgid1;
	le32 suppgid1_h;
	le32 suppgid2;
	le32 suppgid2_h;
	Fid fid1; // the parent
	Fid fid2; // the child as known, may be zero
	sle64 time;
	le64 padding_2;
	le64 padding_3;
	le64 padding_4;
	le64 padding_5;
	le32 bias;
	le32 mode; // S_IFDIR for rmdir, else 0
	le32 padding_6;
	le32 padding_7;
	le32 padding_8;
	le32 padding_9;
};
static_assert(sizeof(MdtRecUnlink) == 136 && kOverlay<MdtRecUnlink>);

/// REINT_RENAME and REINT_MIGRATE.
struct MdtRecRename {
	Le<ReintOp> opcode;
	le32 cap;
	le32 fsuid;
	le32 fsuid_h;
	le32 fsgid;
	le32 fsgid_h;
	le32 suppgid1;
	le32 suppgid1_h;
	le32 suppgid2;
	le32 suppgid2_h;
	Fid fid1; // source directory
	Fid fid2; // target directory
	sle64 time;
	le64 padding_1;
	le64 padding_2;
	le64 padding_3;
	le64 padding_4;
	le32 bias;
	le32 mode; // of the source
	le32 padding_5;
	le32 padding_6;
	le32 padding_7;
	le32 padding_8;
};
static_assert(sizeof(MdtRecRename) == 136 && kOverlay<MdtRecRename>);

/// REINT_SETXATTR.
struct MdtRecSetxattr {
	Le<ReintOp> opcode;
	le32 cap;
	le32 fsuid;
	le32 fsuid_h;
	le32 fsgid;
	le32 fsgid_h;
	le32 suppgid1;
	le32 suppgid1_h;
	le32 suppgid2;
	le32 suppgid2_h;
	Fid fid;
	le64 padding_1;
	le32 padding_2;
	le32 padding_3;
	le64 valid; // OBD_MD_FLXATTR or OBD_MD_FLXATTRRM, | OBD_MD_FLCTIME
	sle64 time;
	le64 padding_5;
	le64 padding_6;
	le64 padding_7;
	le32 size;  // of the value
	le32 flags; // 1 must not exist, 2 must exist
	le32 padding_8;
	le32 padding_9;
	le32 padding_10;
	le32 padding_11;
};
static_assert(sizeof(MdtRecSetxattr) == 136 && kOverlay<MdtRecSetxattr>);

/// REINT_RESYNC.
struct MdtRecResync {
	Le<ReintOp> opcode;
	le32 cap;
	le32 fsuid;
	le32 fsuid_h;
	le32 fsgid;
	le32 fsgid_h;
	le32 suppgid1;
	le32 suppgid1_h;
	le32 suppgid2;
	le32 suppgid2_h;
	Fid fid;
	u8 padding0[16];
	Le<LockHandle> lease_handle; // the lease's lock
	sle64 padding1;
	sle64 padding2;
	le64 padding3;
	le64 padding4;
	le32 bias;
	le32 padding5;
	le32 padding6;
	le32 padding7;
	le32 mirror_id_new; // with MIRROR_ID_FIX (2.17; padding in 2.15)
	le16 mirror_id_old; // 2.15: the mirror id itself
	le16 padding9;
};
static_assert(sizeof(MdtRecResync) == 136 && kOverlay<MdtRecResync>);

/// A reint record, to be picked by its first word.
union MdtRec {
	MdtRecReint reint;
	MdtRecSetattr setattr;
	MdtRecCreate create;
	MdtRecLink link;
	MdtRecUnlink unlink;
	MdtRecRename rename;
	MdtRecSetxattr setxattr;
	MdtRecResync resync;
};
static_assert(sizeof(MdtRec) == 136 && kOverlay<MdtRec>);

/// First buffer of a close.
struct MdtIoepoch {
	Le<OpenHandle> open_handle; // what is closed
	le64 unused1;
	le32 unused2;
	le32 padding;
};
static_assert(sizeof(MdtIoepoch) == 24 && kOverlay<MdtIoepoch>);

inline constexpr std::size_t INLINE_RESYNC_ARRAY_SIZE = 15; // ids inside close_data

/// Which components have been synchronised; more ids go into a buffer of their own.
struct CloseDataResyncDone {
	le32 count;
	le32 ids_inline[15];
};
static_assert(sizeof(CloseDataResyncDone) == 64 && kOverlay<CloseDataResyncDone>);

/// What a close with an intent carries: close_data, 96 bytes (04 3.4).
struct CloseData {
	Le<LockHandle> handle; // the lease's lock
	Fid fid;	       // the other file
	le64 data_version;
	union {
		le64 reserved[8];
		CloseDataResyncDone resync;
		le16 mirror_id;
		le32 archive_id;
		le64 data_version2;
	};
};
static_assert(sizeof(CloseData) == 96 && kOverlay<CloseData>);

struct MdcSwapLayouts {
	le64 flags; // SWAP_LAYOUTS_*
};
static_assert(sizeof(MdcSwapLayouts) == 8 && kOverlay<MdcSwapLayouts>);

/// In the key and the answer of "fid2path"; the path or the root FID follows (04 17).
struct GetinfoFid2path {
	Fid fid;
	le64 recno;   // all ones: current
	le32 linkno;  // which hard link; incremented when there are more
	le32 pathlen; // room for the path
};
static_assert(sizeof(GetinfoFid2path) == 32 && kOverlay<GetinfoFid2path>);

/// Key of the MDS_GET_INFO "fid2path", 64 bytes (02 6.7).
struct Fid2pathKey {
	Chars<16> key; // "fid2path"
	GetinfoFid2path info;
	Fid root; // of the client's mount
};
static_assert(sizeof(Fid2pathKey) == 64 && kOverlay<Fid2pathKey>);

/// Head of a list of FIDs (MDS_RMFID); the FIDs follow.
struct FidArray {
	le32 nr;
	le32 padding0;
	le64 padding1;
};
static_assert(sizeof(FidArray) == 16 && kOverlay<FidArray>);

} // namespace wire
