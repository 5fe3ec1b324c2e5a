// SPDX-License-Identifier: GPL-2.0
//
// Object storage on the wire: obdo, I/O descriptors, ladvise, fiemap (spec 05).
#pragma once

#include "wire/attr.hpp"
#include "wire/fid.hpp"
#include "wire/layout.hpp"

namespace wire
{

/// o_flags, but in OST_SETATTR, where it is the inode flags (05 3.2).
inline constexpr u32 OBD_FL_INLINEDATA = 0x1;	  // obsolete
inline constexpr u32 OBD_FL_OBDMDEXISTS = 0x2;	  // obsolete
inline constexpr u32 OBD_FL_DELORPHAN = 0x4;	  // create: destroy what is above the id
inline constexpr u32 OBD_FL_NORPC = 0x8;	  // I/O: do nothing, keep the lock alive
inline constexpr u32 OBD_FL_IDONLY = 0x10;	  // obsolete
inline constexpr u32 OBD_FL_RECREATE_OBJS = 0x20; // create: in recovery
inline constexpr u32 OBD_FL_DEBUG_CHECK = 0x40;	  // obsolete
inline constexpr u32 OBD_FL_NO_PRJQUOTA = 0x80;	  // reply: the project is at its limit
inline constexpr u32 OBD_FL_NO_USRQUOTA = 0x100;  // reply: the user
inline constexpr u32 OBD_FL_NO_GRPQUOTA = 0x200;  // reply: the group
inline constexpr u32 OBD_FL_CREATE_CROW = 0x400;  // obsolete
inline constexpr u32 OBD_FL_SRVLOCK = 0x800;	  // the server takes the lock
inline constexpr u32 OBD_FL_CKSUM_CRC32 = 0x1000;
inline constexpr u32 OBD_FL_CKSUM_ADLER = 0x2000;
inline constexpr u32 OBD_FL_CKSUM_CRC32C = 0x4000;
inline constexpr u32 OBD_FL_CKSUM_T10IP512 = 0x5000;
inline constexpr u32 OBD_FL_CKSUM_T10IP4K = 0x6000;
inline constexpr u32 OBD_FL_CKSUM_T10CRC512 = 0x7000;
inline constexpr u32 OBD_FL_CKSUM_T10CRC4K = 0x8000;
inline constexpr u32 OBD_FL_CKSUM_RSVD3 = 0x10000;
inline constexpr u32 OBD_FL_SHRINK_GRANT = 0x20000;    // o_grant is given back
inline constexpr u32 OBD_FL_MMAP = 0x40000;	       // obsolete
inline constexpr u32 OBD_FL_RECOV_RESEND = 0x80000;    // I/O again, already accounted
inline constexpr u32 OBD_FL_NOSPC_BLK = 0x100000;      // obsolete
inline constexpr u32 OBD_FL_FLUSH = 0x200000;	       // getattr: flush other clients' data
inline constexpr u32 OBD_FL_SHORT_IO = 0x400000;       // data in the message
inline constexpr u32 OBD_FL_ROOT_SQUASH = 0x800000;    // write reply
inline constexpr u32 OBD_FL_ROOT_PRJQUOTA = 0x1000000; // write reply

inline constexpr u32 OBD_FL_CKSUM_ALL = 0xf000; // the type is a number under it, not a bit
inline constexpr u32 OBD_FL_NO_QUOTA_ALL = 0x380;

/// rnb_flags (05 7.1).
inline constexpr u32 OBD_BRW_READ = 0x1;
inline constexpr u32 OBD_BRW_WRITE = 0x2;
inline constexpr u32 OBD_BRW_RWMASK = 0x3;
inline constexpr u32 OBD_BRW_NDELAY = 0x4;
inline constexpr u32 OBD_BRW_SYNC = 0x8;
inline constexpr u32 OBD_BRW_CHECK = 0x10;	// obsolete
inline constexpr u32 OBD_BRW_FROM_GRANT = 0x20; // space was reserved
inline constexpr u32 OBD_BRW_GRANTED = 0x40;	// server only
inline constexpr u32 OBD_BRW_NOCACHE = 0x80;
inline constexpr u32 OBD_BRW_NOQUOTA = 0x100;
inline constexpr u32 OBD_BRW_SRVLOCK = 0x200;
inline constexpr u32 OBD_BRW_ASYNC = 0x400; // commit may wait
inline constexpr u32 OBD_BRW_MEMALLOC = 0x800;
inline constexpr u32 OBD_BRW_OVER_USRQUOTA = 0x1000; // server only
inline constexpr u32 OBD_BRW_OVER_GRPQUOTA = 0x2000; // server only
inline constexpr u32 OBD_BRW_SOFT_SYNC = 0x4000;
inline constexpr u32 OBD_BRW_OVER_PRJQUOTA = 0x8000;  // server only
inline constexpr u32 OBD_BRW_ROOT_PRJQUOTA = 0x10000; // server only (2.17)
inline constexpr u32 OBD_BRW_RDMA_ONLY = 0x20000;
inline constexpr u32 OBD_BRW_SYS_RESOURCE = 0x40000;
inline constexpr u32 OBD_BRW_COMPRESSED = 0x80000;	   // 2.17
inline constexpr u32 OBD_BRW_SPECULATIVE_COMPR = 0x100000; // 2.17
inline constexpr u32 OBD_BRW_OVER_ALLQUOTA = 0xb000;
inline constexpr u32 OBD_BRW_DONE = 0x40000000;	  // local
inline constexpr u32 OBD_BRW_LOCAL1 = 0x80000000; // local
inline constexpr u32 OBD_BRW_LOCALS = 0xc0000000; // clear on input

/// Numbers.
inline constexpr u64 OBD_OBJECT_EOF = 0xffffffffffffffff;
inline constexpr u64 OBD_MAX_GRANT = 0x7fffffff;
inline constexpr u64 OST_MIN_PRECREATE = 32;
inline constexpr u64 OST_MAX_PRECREATE = 20000;
inline constexpr u64 IOOBJ_MAX_BRW_BITS = 16; // ioo_max_brw: descriptors less one above
inline constexpr u64 IOOBJ_OFFSET_BITS = 4;   // 2.17: in-page offset in the lowest bits
inline constexpr u64 IOOBJ_OFFSET_MASK = 0xf;

/// An object and its attributes: obdo, 208 bytes (05 3). Several fields have a second meaning in
/// I/O; the members at the end name those.
struct Obdo {
	le64 valid;	 // OBD_MD_*
	OstId oi;	 // the object
	le64 parent_seq; // with FLFID
	le64 size;	 // start of a range in punch, fallocate, sync, seek
	sle64 mtime;	 // seconds
	sle64 atime;
	sle64 ctime;
	le64 blocks; // 512-byte units; end of a range; dirty() in I/O
	le64 grant;  // bytes
	le32 blksize;
	le32 mode; // undirty() in I/O; whence in seek
	le32 uid;
	le32 gid;
	le32 flags;	 // OBD_FL_*
	le32 nlink;	 // cksum() in I/O; falloc_mode() in fallocate
	le32 parent_oid; // with FLPARENT
	le32 misc;	 // dropped() in I/O; count in destroy
	le64 ioepoch;
	le32 stripe_idx;
	le32 parent_ver;
	Le<LockHandle> handle; // with FLHANDLE: the server's handle
	OstLayout layout;      // with FLOSTLAYOUT
	le32 layout_version;   // with LAYOUT_VERSION
	le32 uid_h;
	le32 gid_h;
	le64 data_version; // with FLDATAVERSION; grant_used() in writes
	le32 projid;
	le32 padding_4;
	le64 padding_5;
	le64 padding_6;

	/// I/O: bytes of grant that dirty pages hold.
	[[nodiscard]] constexpr le64 &dirty() noexcept { return blocks; }
	[[nodiscard]] constexpr const le64 &dirty() const noexcept { return blocks; }
	/// I/O: grant the client would like to have.
	[[nodiscard]] constexpr le32 &undirty() noexcept { return mode; }
	[[nodiscard]] constexpr const le32 &undirty() const noexcept { return mode; }
	/// I/O: grant the client lost.
	[[nodiscard]] constexpr le32 &dropped() noexcept { return misc; }
	[[nodiscard]] constexpr const le32 &dropped() const noexcept { return misc; }
	/// I/O: checksum of the data.
	[[nodiscard]] constexpr le32 &cksum() noexcept { return nlink; }
	[[nodiscard]] constexpr const le32 &cksum() const noexcept { return nlink; }
	/// Write: grant this request uses.
	[[nodiscard]] constexpr le64 &grant_used() noexcept { return data_version; }
	[[nodiscard]] constexpr const le64 &grant_used() const noexcept { return data_version; }
	/// Fallocate: FALLOC_FL_*.
	[[nodiscard]] constexpr le32 &falloc_mode() noexcept { return nlink; }
	[[nodiscard]] constexpr const le32 &falloc_mode() const noexcept { return nlink; }
};
static_assert(sizeof(Obdo) == 208 && kOverlay<Obdo>);

/// The first buffer of most OST messages is one obdo.
struct OstBody {
	Obdo oa;
};
static_assert(sizeof(OstBody) == 208 && kOverlay<OstBody>);

/// The object of an I/O: 24 bytes; one per request.
struct ObdIoobj {
	OstId oid;    // ignored by servers: the obdo counts
	le32 max_brw; // memory descriptors less one in the high half
	le32 bufcnt;  // niobufs that follow
};
static_assert(sizeof(ObdIoobj) == 24 && kOverlay<ObdIoobj>);

/// A piece of an I/O: 16 bytes.
struct NiobufRemote {
	le64 offset;
	le32 len;
	le32 flags; // OBD_BRW_*
};
static_assert(sizeof(NiobufRemote) == 16 && kOverlay<NiobufRemote>);

/// ladvise (05 5.8).
inline constexpr u32 LADVISE_MAGIC = 0x1adf1ce0;
inline constexpr u32 LAH_COUNT_MAX = 1024;
inline constexpr u32 LF_ASYNC = 0x1;
inline constexpr u32 LF_UNSET = 0x2;

enum class LadviseAdvice : u16 {
	LU_LADVISE_INVALID = 0x0,
	LU_LADVISE_WILLREAD = 0x1,
	LU_LADVISE_DONTNEED = 0x2,
	LU_LADVISE_LOCKNOEXPAND = 0x3, // the client's matter
	LU_LADVISE_LOCKAHEAD = 0x4,    // the lock manager's matter
	LU_LADVISE_AHEAD = 0x5,	       // the client's matter (2.17)
};

struct LuLadvise {
	Le<LadviseAdvice> advice;
	le16 value1;
	le32 value2;
	le64 start;
	le64 end;
	le32 value3;
	le32 value4;
};
static_assert(sizeof(LuLadvise) == 32 && kOverlay<LuLadvise>);

/// Head of the advice; count LuLadvise follow.
struct LadviseHdr {
	le32 magic;
	le32 count;
	le64 flags;
	le32 value1;
	le32 value2;
	le64 value3;
};
static_assert(sizeof(LadviseHdr) == 32 && kOverlay<LadviseHdr>);

/// The kernel's fiemap header and extent, as they travel in OST_GET_INFO "fiemap" (05 5.9).
struct Fiemap {
	le64 start;
	le64 length;
	le32 flags;
	le32 mapped_extents;
	le32 extent_count;
	le32 reserved;
};
static_assert(sizeof(Fiemap) == 32 && kOverlay<Fiemap>);

struct FiemapExtent {
	le64 logical;
	le64 physical;
	le64 length;
	le64 reserved64[2];
	le32 flags;
	le32 device;
	le32 reserved[2];
};
static_assert(sizeof(FiemapExtent) == 56 && kOverlay<FiemapExtent>);

inline constexpr u32 FIEMAP_FLAG_DEVICE_ORDER = 0x40000000; // extents of one OST after the other
inline constexpr u32 FIEMAP_EXTENT_NET = 0x80000000;	    // the extent is on another node
inline constexpr u32 LUSTRE_FIEMAP_FLAGS_COMPAT = 0x40000001;

/// Key of OST_GET_INFO "fiemap": 248 bytes.
struct LlFiemapInfoKey {
	Chars<8> name;
	Obdo oa;
	Fiemap fiemap;
};
static_assert(sizeof(LlFiemapInfoKey) == 248 && kOverlay<LlFiemapInfoKey>);

} // namespace wire
