// SPDX-License-Identifier: GPL-2.0
//
// What programs and the client exchange through ioctl: numbers and structures (06 15 and 16). The
// client's core answers them, utils/lfs asks them; stock's tools and client do the same.
//
// Structures cross this border in the machine's own byte order and LP64 layout. Only little-endian
// machines are served (see types.hpp), so they are made of the same fixed-order fields as
// everything here. Layouts of files and directories are those of layout.hpp: the user forms.
// Addresses are le64: the core never follows one, it hands them to vfs_copy_from_user() and
// vfs_copy_to_user().
#pragma once

#include "wire/attr.hpp"
#include "wire/layout.hpp"
#include "wire/mds.hpp"
#include "wire/ost.hpp"
#include "wire/quota.hpp"

namespace wire
{

/// Any file of the mount. LL_IOC_GETVERSION is also FS_IOC_GETVERSION, kIocFsGetVersion.
inline constexpr u32 LL_IOC_GETVERSION = 0x80086603;	    // out u32: generation
inline constexpr u32 LL_IOC_GETFLAGS = 0x80086697;	    // out u32: LL_FILE_* of the open file
inline constexpr u32 LL_IOC_SETFLAGS = 0x40086698;	    // in u32
inline constexpr u32 LL_IOC_CLRFLAGS = 0x40086699;	    // in u32
inline constexpr u32 LL_IOC_LOV_SETSTRIPE = 0x4008669a;	    // in LovUserMdV1/V3; out 32 bytes
inline constexpr u32 LL_IOC_LOV_SETSTRIPE_NEW = 0xc020669a; // the same
inline constexpr u32 LL_IOC_LOV_GETSTRIPE = 0x4008669b;	    // in/out LovUserMdV1 and objects
inline constexpr u32 LL_IOC_LOV_GETSTRIPE_NEW = 0x8020669b; // the same
inline constexpr u32 LL_IOC_LOV_SETEA = 0x4008669c;	    // in LovUserMdV1 and objects
inline constexpr u32 LL_IOC_GROUP_LOCK = 0x4008669e;	    // the argument is the group
inline constexpr u32 LL_IOC_GROUP_UNLOCK = 0x4008669f;
inline constexpr u32 IOC_OBD_STATFS = 0xc00866a4;     // ObdIoctlData, see LL_STATFS_*
inline constexpr u32 LL_IOC_FLUSHCTX = 0x400866a6;    // no argument
inline constexpr u32 LL_IOC_GETOBDCOUNT = 0x800866a8; // in u32: 0 OSTs, else MDT slots; out u32
inline constexpr u32 LL_IOC_PATH2FID = 0x800866ad;    // out Fid
inline constexpr u32 LL_IOC_GET_CONNECT_FLAGS = 0xc00866ae;	 // out u64 of MDT0
inline constexpr u32 LL_IOC_GET_MDTIDX = 0x800466af;		 // out u32
inline constexpr u32 LL_IOC_FUTIMES_3 = 0xc03066b0;		 // in LlFutimes3
inline constexpr u32 LL_IOC_FLR_SET_MIRROR = 0x400866b1;	 // the argument is the mirror id
inline constexpr u32 LL_IOC_DATA_VERSION = 0x801066da;		 // in/out IocDataVersion
inline constexpr u32 LL_IOC_LOV_SWAP_LAYOUTS = 0x402066db;	 // in LustreSwapLayouts
inline constexpr u32 LL_IOC_LMV_SETSTRIPE = 0xc03066f0;		 // in ObdIoctlData, on the parent
inline constexpr u32 LL_IOC_LMV_GETSTRIPE = 0xc03066f1;		 // in/out LmvUserMdV1 and its MDTs
inline constexpr u32 LL_IOC_REMOVE_ENTRY = 0xc00866f2;		 // in text: the name
inline constexpr u32 LL_IOC_RMFID = 0x801066f2;			 // in/out FidArray and FIDs
inline constexpr u32 LL_IOC_UNLOCK_FOREIGN = 0x66f2;		 // no argument
inline constexpr u32 LL_IOC_SET_LEASE = 0xc00c66f3;		 // in LlIocLease
inline constexpr u32 LL_IOC_SET_LEASE_OLD = 0xc00866f3;		 // the argument is the mode
inline constexpr u32 LL_IOC_GET_LEASE = 0x66f4;			 // returns LL_LEASE_*
inline constexpr u32 LL_IOC_LMV_SET_DEFAULT_STRIPE = 0xc03066f6; // in LmvUserMdV1
inline constexpr u32 LL_IOC_MIGRATE = 0x800466f7;		 // in ObdIoctlData, on the parent
inline constexpr u32 LL_IOC_FID2MDTIDX = 0xc01066f8;		 // in Fid; returns the index
inline constexpr u32 LL_IOC_GETPARENT = 0xc01866f9;		 // in/out GetParent and a name
inline constexpr u32 LL_IOC_LADVISE = 0x802066fa;		 // in LadviseHdr and LuLadvise
inline constexpr u32 LL_IOC_HEAT_GET = 0xc00866fb;		 // in/out LuHeat
inline constexpr u32 LL_IOC_HEAT_SET = 0x400866fb;		 // in u64: flags
inline constexpr u32 LL_IOC_PROJECT = 0x411066fd;		 // in/out LuProject
inline constexpr u32 LL_IOC_HSM_DATA_VERSION = 0x401066fe;	 // in IocDataVersion

/// On the mount, and shared with the control device. FID2PATH: on the root directory only.
inline constexpr u32 OBD_IOC_GETDTNAME = 0x8080667f; // out text: no more than its length + 1
inline constexpr u32 OBD_IOC_GETMDNAME = 0x80806683; // likewise
inline constexpr u32 OBD_IOC_GETUUID = 0x8028667f;   // out ObdUuid
inline constexpr u32 OBD_IOC_FID2PATH = 0xc0086696;  // in/out GetinfoFid2path and a path
inline constexpr u32 OBD_IOC_QUOTACTL = 0xc0b066a2;  // in/out IfQuotactl

/// On a directory, about itself (GETINFO) or an entry (the others: the argument begins as a name).
inline constexpr u32 IOC_MDC_TYPE = 0x69;
inline constexpr u32 IOC_MDC_LOOKUP = 0xc0086914;	  // in ObdIoctlData: inlbuf1 the name
inline constexpr u32 IOC_MDC_GETFILESTRIPE = 0xc0086915;  // in name, out LovUserMdV1 and objects
inline constexpr u32 IOC_MDC_GETFILEINFO_V1 = 0xc0086916; // in name, out LovUserMdsDataV1
inline constexpr u32 IOC_MDC_GETFILEINFO_V2 = 0xc1406916; // in name, out LovUserMdsDataV2
inline constexpr u32 LL_IOC_MDC_GETINFO_V1 = 0xc0086917;  // out LovUserMdsDataV1
inline constexpr u32 LL_IOC_MDC_GETINFO_V2 = 0xc1406917;  // out LovUserMdsDataV2

/// Linux's own, under names that its headers do not take.
inline constexpr u32 kIocFsGetFlags = 0x80086601;   // FS_IOC_GETFLAGS: out u32
inline constexpr u32 kIocFsSetFlags = 0x40086602;   // FS_IOC_SETFLAGS: in u32
inline constexpr u32 kIocFsGetVersion = 0x80087601; // FS_IOC_GETVERSION: out u32
inline constexpr u32 kIocFsGetXattr = 0x801c581f;   // FS_IOC_FSGETXATTR: out FsXattr
inline constexpr u32 kIocFsSetXattr = 0x401c5820;   // FS_IOC_FSSETXATTR: in FsXattr
inline constexpr u32 kIocFiemap = 0xc020660b;	    // FS_IOC_FIEMAP: in/out Fiemap

/// f_type of statfs(2).
inline constexpr u32 LL_SUPER_MAGIC = 0xbd00bd0;
/// open(2): make no objects yet. FASYNC and O_NOCTTY, which mean nothing on regular files.
inline constexpr u32 O_LOV_DELAY_CREATE = 0x2100;
/// open(2): data as it is stored (encrypted).
inline constexpr u32 O_CIPHERTEXT = 0x1900;

/// First inline buffer of IOC_OBD_STATFS, a u32; the second is the index, a u32. pbuf1 takes an
/// ObdStatfs, pbuf2 an ObdUuid.
inline constexpr u32 LL_STATFS_LMV = 0x1;
inline constexpr u32 LL_STATFS_LOV = 0x2;
inline constexpr u32 LL_STATFS_NODELAY = 0x4;

/// LL_IOC_GETFLAGS.
inline constexpr u32 LL_FILE_IGNORE_LOCK = 0x1;
inline constexpr u32 LL_FILE_GROUP_LOCKED = 0x2;
inline constexpr u32 LL_FILE_READAHEA = 0x4;
inline constexpr u32 LL_FILE_LOCKED_DIRECTIO = 0x8;
inline constexpr u32 LL_FILE_FLOCK_WARNING = 0x20;

inline constexpr u32 OBD_IOCTL_VERSION = 0x10004;
/// The largest ObdIoctlData with its buffers.
inline constexpr u32 kObdIoctlMax = 8192;

/// General argument: obd_ioctl_data, 576 bytes, then the inline buffers in order, each padded to a
/// multiple of 8. Inline text ends with a NUL that its length counts.
struct ObdIoctlData {
	le32 len;     // of all, 576 to kObdIoctlMax
	le32 version; // OBD_IOCTL_VERSION
	le64 cookie;
	le32 conn1; // also u32_1
	le32 conn2; // also u32_2
	Obdo obdo1;
	Obdo obdo2;
	le64 count;
	le64 offset;
	le32 dev;
	le32 command;
	le64 nid;
	le32 nal;
	le32 type;
	le32 plen1;
	le32 padding1;
	le64 pbuf1; // user addresses
	le32 plen2;
	le32 padding2;
	le64 pbuf2;
	le32 inllen1;
	le32 padding3;
	le64 inlbuf1; // as a program left them; the kernel goes by the lengths
	le32 inllen2;
	le32 padding4;
	le64 inlbuf2;
	le32 inllen3;
	le32 padding5;
	le64 inlbuf3;
	le32 inllen4;
	le32 padding6;
	le64 inlbuf4;
};
static_assert(sizeof(ObdIoctlData) == 576 && kOverlay<ObdIoctlData>);

/// struct stat of x86_64 Linux.
struct UserStat {
	le64 dev; // the kernel's own encoding, not stat(2)'s
	le64 ino;
	le64 nlink;
	le32 mode;
	le32 uid;
	le32 gid;
	le32 padding;
	le64 rdev;
	sle64 size;
	sle64 blksize;
	sle64 blocks;
	sle64 atime;
	le64 atime_nsec;
	sle64 mtime;
	le64 mtime_nsec;
	sle64 ctime;
	le64 ctime_nsec;
	le64 spare[3];
};
static_assert(sizeof(UserStat) == 144 && kOverlay<UserStat>);

/// struct statx_timestamp and struct statx of Linux, as of 5.8.
struct UserStatxTime {
	sle64 sec;
	le32 nsec;
	le32 padding;
};
static_assert(sizeof(UserStatxTime) == 16 && kOverlay<UserStatxTime>);

struct UserStatx {
	le32 mask;
	le32 blksize;
	le64 attributes; // here: the inode flags as they are stored
	le32 nlink;
	le32 uid;
	le32 gid;
	le16 mode;
	le16 padding;
	le64 ino;
	le64 size; // 0 where the file has objects: nobody asked them
	le64 blocks;
	le64 attributes_mask;
	UserStatxTime atime;
	UserStatxTime btime;
	UserStatxTime ctime;
	UserStatxTime mtime;
	le32 rdev_major;
	le32 rdev_minor;
	le32 dev_major;
	le32 dev_minor;
	le64 spare[14];
};
static_assert(sizeof(UserStatx) == 256 && kOverlay<UserStatx>);

/// What IOC_MDC_GETFILEINFO_V1 answers; the layout goes on behind it.
struct LovUserMdsDataV1 {
	UserStat st;
	LovUserMdV1 lmm;
};
static_assert(sizeof(LovUserMdsDataV1) == 176 && kOverlay<LovUserMdsDataV1>);

/// What IOC_MDC_GETFILEINFO_V2 answers; the layout, lmmsize bytes from `lmm` on, goes on behind it.
struct LovUserMdsDataV2 {
	Fid fid;
	UserStatx stx;
	le64 flags; // OBD_MD_*: what is valid
	le32 lmmsize;
	le32 padding;
	LovUserMdV1 lmm;
};
static_assert(sizeof(LovUserMdsDataV2) == 320 && kOverlay<LovUserMdsDataV2>);

/// LL_IOC_GETPARENT: 24 bytes, then name_size bytes for the name.
struct GetParent {
	Fid fid;     // out: the parent
	le32 linkno; // in: which of the names, from 0 on
	le32 name_size;
};
static_assert(sizeof(GetParent) == 24 && kOverlay<GetParent>);

/// LL_IOC_DATA_VERSION's flags.
inline constexpr u32 LL_DV_RD_FLUSH = 0x1;  // have others write what they hold
inline constexpr u32 LL_DV_WR_FLUSH = 0x2;  // and drop it
inline constexpr u32 LL_DV_SZ_UPDATE = 0x4; // 2.17

struct IocDataVersion {
	le64 version; // out
	le32 layout_version;
	le32 flags; // in: LL_DV_*
};
static_assert(sizeof(IocDataVersion) == 16 && kOverlay<IocDataVersion>);

/// LL_IOC_LOV_SWAP_LAYOUTS; flags SWAP_LAYOUTS_* (mds.hpp).
struct LustreSwapLayouts {
	le64 flags;
	le32 fd; // of the other file
	le32 gid;
	le64 dv1;
	le64 dv2;
};
static_assert(sizeof(LustreSwapLayouts) == 32 && kOverlay<LustreSwapLayouts>);

/// LL_IOC_SET_LEASE: mode, and what to do when it is given back.
inline constexpr u32 LL_LEASE_RDLCK = 0x1;
inline constexpr u32 LL_LEASE_WRLCK = 0x2;
inline constexpr u32 LL_LEASE_UNLCK = 0x4;
inline constexpr u32 LL_LEASE_RESYNC = 0x1;
inline constexpr u32 LL_LEASE_RESYNC_DONE = 0x2;
inline constexpr u32 LL_LEASE_LAYOUT_MERGE = 0x4;
inline constexpr u32 LL_LEASE_LAYOUT_SPLIT = 0x8;
inline constexpr u32 LL_LEASE_PCC_ATTACH = 0x10;
/// How many ids may follow.
inline constexpr u32 IOC_IDS_MAX = 0x1000;

struct LlIocLease {
	le32 mode;
	le32 flags;
	le32 count; // of le32 ids that follow
};
static_assert(sizeof(LlIocLease) == 12 && kOverlay<LlIocLease>);

/// The same with a mirror, for LL_LEASE_RESYNC.
struct LlIocLeaseId {
	le32 mode;
	le32 flags;
	le32 count;
	le16 mirror_id;
	le16 padding1;
	le64 padding2;
};
static_assert(sizeof(LlIocLeaseId) == 24 && kOverlay<LlIocLeaseId>);

/// LL_IOC_PROJECT: project id and inherit flag of an entry of the directory.
inline constexpr u32 LU_PROJECT_NONE = 0x0;
inline constexpr u32 LU_PROJECT_SET = 0x1;
inline constexpr u32 LU_PROJECT_GET = 0x2;

struct LuProject {
	le32 type; // LU_PROJECT_*
	le32 id;
	le32 xflags; // kFsXflagProjInherit
	le32 reserved;
	Chars<256> name;
};
static_assert(sizeof(LuProject) == 272 && kOverlay<LuProject>);

/// struct fsxattr of Linux.
inline constexpr u32 kFsXflagProjInherit = 0x200;

struct FsXattr {
	le32 xflags;
	le32 extsize;
	le32 nextents;
	le32 projid;
	le32 cowextsize;
	u8 pad[8];
};
static_assert(sizeof(FsXattr) == 28 && kOverlay<FsXattr>);

struct LlFutimes3 {
	le64 atime_sec;
	le64 atime_nsec;
	le64 mtime_sec;
	le64 mtime_nsec;
	le64 ctime_sec;
	le64 ctime_nsec;
};
static_assert(sizeof(LlFutimes3) == 48 && kOverlay<LlFutimes3>);

/// LL_IOC_HEAT_GET: 8 bytes, then count le64.
struct LuHeat {
	le32 count;
	le32 flags;
};
static_assert(sizeof(LuHeat) == 8 && kOverlay<LuHeat>);

/// OBD_IOC_QUOTACTL: whom to ask.
inline constexpr u32 QC_GENERAL = 0x0; // the master, and the sum of all
inline constexpr u32 QC_MDTIDX = 0x1;
inline constexpr u32 QC_OSTIDX = 0x2;
inline constexpr u32 QC_UUID = 0x3;

/// 176 bytes; pool commands have a 16-byte pool name behind it (06 16.5).
struct IfQuotactl {
	le32 cmd; // QuotaCmd
	le32 type;
	le32 id;
	le32 stat;
	le32 valid; // QC_*
	le32 idx;
	ObdDqinfo dqinfo;
	ObdDqblk dqblk;
	Chars<16> obd_type; // out
	ObdUuid obd_uuid;
};
static_assert(sizeof(IfQuotactl) == 176 && kOverlay<IfQuotactl>);

} // namespace wire
