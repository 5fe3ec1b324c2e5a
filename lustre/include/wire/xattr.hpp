// SPDX-License-Identifier: GPL-2.0
//
// Extended attributes with a meaning to the file system: their names, and the ones that are not
// layouts (04 10, 07 9). All little-endian but the entries of the link xattr.
#pragma once

#include "wire/fid.hpp"
#include "wire/layout.hpp"

namespace wire
{

/// Names.
inline constexpr std::string_view XATTR_NAME_ACL_ACCESS = "system.posix_acl_access";
inline constexpr std::string_view XATTR_NAME_ACL_DEFAULT = "system.posix_acl_default";
inline constexpr std::string_view XATTR_USER_PREFIX = "user.";
inline constexpr std::string_view XATTR_TRUSTED_PREFIX = "trusted.";
inline constexpr std::string_view XATTR_SECURITY_PREFIX = "security.";
inline constexpr std::string_view XATTR_ENCRYPTION_PREFIX = "encryption.";
inline constexpr std::string_view XATTR_LUSTRE_PREFIX = "lustre.";
inline constexpr std::string_view XATTR_LUSTRE_LOV = "lustre.lov";
inline constexpr std::string_view XATTR_LUSTRE_PIN = "lustre.pin"; // 2.17
inline constexpr std::string_view XATTR_NAME_SOM = "trusted.som";
inline constexpr std::string_view XATTR_NAME_LOV = "trusted.lov";
inline constexpr std::string_view XATTR_NAME_LMA = "trusted.lma";
inline constexpr std::string_view XATTR_NAME_LMV = "trusted.lmv";
inline constexpr std::string_view XATTR_NAME_DEFAULT_LMV = "trusted.dmv";
inline constexpr std::string_view XATTR_NAME_LINK = "trusted.link";
inline constexpr std::string_view XATTR_NAME_FID = "trusted.fid";
inline constexpr std::string_view XATTR_NAME_VERSION = "trusted.version";
inline constexpr std::string_view XATTR_NAME_HSM = "trusted.hsm";
inline constexpr std::string_view XATTR_NAME_LFSCK_BITMAP = "trusted.lfsck_bitmap";
inline constexpr std::string_view XATTR_NAME_LFSCK_NAMESPACE = "trusted.lfsck_ns";
inline constexpr std::string_view XATTR_NAME_DUMMY = "trusted.dummy";
inline constexpr std::string_view XATTR_NAME_PROJID = "trusted.projid";
inline constexpr std::string_view XATTR_NAME_DATAVER = "trusted.dataver"; // 2.17
inline constexpr std::string_view XATTR_NAME_PIN = "trusted.pin";	  // 2.17
inline constexpr std::string_view XATTR_NAME_JOB_DEFAULT = "user.job";	  // 2.17
inline constexpr std::string_view XATTR_TARGET_RENAME = "trusted.rename_tgt";
inline constexpr std::string_view LL_XATTR_NAME_ENCRYPTION_CONTEXT_OLD = "security.c";
inline constexpr std::string_view LL_XATTR_NAME_ENCRYPTION_CONTEXT = "encryption.c";

inline constexpr std::size_t XATTR_NAME_MAX_LEN = 32;
inline constexpr std::size_t XATTR_JOB_MAX_LEN = 13;		// 2.17
inline constexpr std::size_t LUSTRE_POSIX_ACL_MAX_ENTRIES = 32; // without OBD_CONNECT_LARGE_ACL
inline constexpr std::size_t LUSTRE_POSIX_ACL_MAX_SIZE_OLD = 260;
inline constexpr std::size_t MAX_LINKEA_SIZE = 4096;

/// Value of the POSIX ACL xattrs as it travels: this, then the entries.
struct PosixAclHeader {
	le32 version; // kPosixAclVersion
};
static_assert(sizeof(PosixAclHeader) == 4 && kOverlay<PosixAclHeader>);

struct PosixAclEntry {
	le16 tag;
	le16 perm;
	le32 id; // all ones where the tag needs none
};
static_assert(sizeof(PosixAclEntry) == 8 && kOverlay<PosixAclEntry>);

inline constexpr u32 kPosixAclVersion = 2;

/// lma_compat.
inline constexpr u32 LMAC_HSM = 0x1;
inline constexpr u32 LMAC_NOT_IN_OI = 0x4;    // self FID is not in the object index
inline constexpr u32 LMAC_FID_ON_OST = 0x8;   // self FID is found by path
inline constexpr u32 LMAC_STRIPE_INFO = 0x10; // LustreOstAttrs: stripe fields are valid
inline constexpr u32 LMAC_COMP_INFO = 0x20;   // LustreOstAttrs: component fields are valid
inline constexpr u32 LMAC_IDX_BACKUP = 0x40;

/// lma_incompat: unknown bits make the object unusable.
inline constexpr u32 LMAI_RELEASED = 0x1;
inline constexpr u32 LMAI_AGENT = 0x2;
inline constexpr u32 LMAI_REMOTE_PARENT = 0x4;
inline constexpr u32 LMAI_STRIPED = 0x8;
inline constexpr u32 LMAI_ORPHAN = 0x10;
inline constexpr u32 LMAI_ENCRYPT = 0x20;
inline constexpr u32 LMA_INCOMPAT_SUPP = 0x3e;

inline constexpr std::size_t LMA_OLD_SIZE = 64;

/// trusted.lma: who the object is, 24 bytes (07 9.1).
struct LustreMdtAttrs {
	le32 compat;
	le32 incompat;
	Fid self_fid;
};
static_assert(sizeof(LustreMdtAttrs) == 24 && kOverlay<LustreMdtAttrs>);

/// The long form on OSTs with small inodes: 64 bytes.
struct LustreOstAttrs {
	LustreMdtAttrs lma;
	Fid parent_fid; // ver = stripe count << 16 | stripe index
	le32 stripe_size;
	le32 comp_id;
	le64 comp_start;
	le64 comp_end;
};
static_assert(sizeof(LustreOstAttrs) == 64 && kOverlay<LustreOstAttrs>);

/// Halves of loa_parent_fid's ver (2.17 names).
inline constexpr u32 PFID_STRIPE_IDX_BITS = 16;
inline constexpr u32 PFID_STRIPE_COUNT_MASK = 0xffff;

/// trusted.fid of an OST object: whose stripe it is, 52 bytes (07 9.2). Shorter ones were written
/// before 2.12; tell them by their size.
struct FilterFid {
	Fid parent; // ver = stripe index
	OstLayout layout;
	le32 layout_version;
	le32 range;
};
static_assert(sizeof(FilterFid) == 52 && kOverlay<FilterFid>);

/// 2.10 and 2.11.
struct FilterFid210 {
	Fid parent;
	OstLayout layout;
};
static_assert(sizeof(FilterFid210) == 44 && kOverlay<FilterFid210>);

/// 2.4 to 2.9.
struct FilterFid24 {
	Fid parent;
};
static_assert(sizeof(FilterFid24) == 16 && kOverlay<FilterFid24>);

/// 1.8 to 2.3.
struct FilterFid18 {
	Fid parent;
	le64 objid;
	le64 seq;
};
static_assert(sizeof(FilterFid18) == 32 && kOverlay<FilterFid18>);

inline constexpr u32 LINK_EA_MAGIC = 0x11eaf1df;

/// trusted.link: names of the object. 24 bytes in the writer's order, then entries (07 9.3).
struct LinkEaHeader {
	le32 magic;
	le32 reccount;
	le64 len;	    // of the whole
	le32 overflow_time; // not 0: names were lost then
	le32 padding;
};
static_assert(sizeof(LinkEaHeader) == 24 && kOverlay<LinkEaHeader>);

/// One name: 18 bytes, big-endian, then the name without NUL.
struct LinkEaEntry {
	be16 reclen; // 18 + length of the name
	FidBe parent_fid;
};
static_assert(sizeof(LinkEaEntry) == 18 && kOverlay<LinkEaEntry>);

/// lsa_valid.
inline constexpr u16 SOM_FL_UNKNOWN = 0x0;
inline constexpr u16 SOM_FL_STRICT = 0x1;
inline constexpr u16 SOM_FL_STALE = 0x2;
inline constexpr u16 SOM_FL_LAZY = 0x4;

/// trusted.som: size on the MDT, 24 bytes.
struct LustreSomAttrs {
	le16 valid; // SOM_FL_*
	le16 reserved[3];
	le64 size;
	le64 blocks; // 512-byte units
};
static_assert(sizeof(LustreSomAttrs) == 24 && kOverlay<LustreSomAttrs>);

} // namespace wire
