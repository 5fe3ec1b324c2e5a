// SPDX-License-Identifier: GPL-2.0
//
// Changelog records (04 21). A record is a ChangelogRec, the extensions its flags announce in the
// order they stand here, and the names.
#pragma once

#include "wire/fid.hpp"

namespace wire
{

/// cr_type.
enum class ChangelogType : u32 {
	CL_MARK = 0,
	CL_CREATE = 1,
	CL_MKDIR = 2,
	CL_HARDLINK = 3,
	CL_SOFTLINK = 4,
	CL_MKNOD = 5,
	CL_UNLINK = 6,
	CL_RMDIR = 7,
	CL_RENAME = 8,
	CL_EXT = 9,
	CL_OPEN = 10,
	CL_CLOSE = 11,
	CL_LAYOUT = 12,
	CL_TRUNC = 13,
	CL_SETATTR = 14,
	CL_SETXATTR = 15,
	CL_HSM = 16,
	CL_MTIME = 17,
	CL_CTIME = 18,
	CL_ATIME = 19,
	CL_MIGRATE = 20,
	CL_FLRW = 21,
	CL_RESYNC = 22,
	CL_GETXATTR = 23,
	CL_DN_OPEN = 24,
};

/// Masks of record types (1 << type).
inline constexpr u32 CHANGELOG_MINMASK = 0x1;
inline constexpr u32 CHANGELOG_ALLMASK = 0x1ffffff;
inline constexpr u32 CHANGELOG_DEFMASK = 0x77fbff;

/// cr_flags: which extensions follow; the low 12 bits belong to the type.
inline constexpr u16 CLF_VERSION = 0x1000;
inline constexpr u16 CLF_RENAME = 0x2000;      // ChangelogExtRename
inline constexpr u16 CLF_JOBID = 0x4000;       // ChangelogExtJobid
inline constexpr u16 CLF_EXTRA_FLAGS = 0x8000; // ChangelogExtExtraFlags
inline constexpr u16 CLF_SUPPORTED = 0xf000;
inline constexpr u16 CLF_FLAGMASK = 0xfff; // the type's own bits

/// cr_extra_flags: which further extensions follow.
inline constexpr u64 CLFE_UIDGID = 0x1;	    // ChangelogExtUidgid
inline constexpr u64 CLFE_NID = 0x2;	    // ChangelogExtNid
inline constexpr u64 CLFE_OPEN = 0x4;	    // ChangelogExtOpenmode
inline constexpr u64 CLFE_XATTR = 0x8;	    // ChangelogExtXattr
inline constexpr u64 CLFE_NID_BE = 0x10;    // the NID is a large one (2.17)
inline constexpr u64 CLFE_SUPPORTED = 0x1f; // 2.15: 0xf

/// Own bits of some types.
inline constexpr u16 CLF_UNLINK_LAST = 0x1; // the last link
inline constexpr u16 CLF_UNLINK_HSM_EXISTS = 0x2;
inline constexpr u16 CLF_RENAME_LAST = 0x1; // the target's last link
inline constexpr u16 CLF_RENAME_LAST_EXISTS = 0x2;
inline constexpr u16 CLF_HSM_ERR_L = 0; // bit numbers
inline constexpr u16 CLF_HSM_ERR_H = 6;
inline constexpr u16 CLF_HSM_EVENT_L = 7;
inline constexpr u16 CLF_HSM_EVENT_H = 9;
inline constexpr u16 CLF_HSM_FLAG_L = 10;
inline constexpr u16 CLF_HSM_FLAG_H = 11;
inline constexpr u16 CLF_HSM_SUCCESS = 0;
inline constexpr u16 CLF_HSM_MAXERROR = 0x7e;
inline constexpr u16 CLF_HSM_ERROVERFLOW = 0x7f;
inline constexpr u16 CLF_HSM_DIRTY = 0x1;

/// What happened, in the event bits of a CL_HSM record.
enum class HsmEvent : u8 {
	HE_ARCHIVE = 0,
	HE_RESTORE = 1,
	HE_CANCEL = 2,
	HE_RELEASE = 3,
	HE_REMOVE = 4,
	HE_STATE = 5,
	HE_SPARE1 = 6,
	HE_SPARE2 = 7,
};

inline constexpr std::size_t CHANGELOG_USER_NAMELEN = 16;
inline constexpr std::size_t CHANGELOG_USER_NAMELEN_FULL = 30;

inline constexpr std::string_view CHANGELOG_USER_PREFIX = "cl";

struct ChangelogRec {
	le16 namelen; // all names together
	le16 flags;   // CLF_*
	Le<ChangelogType> type;
	le64 index;
	le64 prev; // last record of the same FID, or 0
	le64 time; // seconds << 30 | nanoseconds
	union {
		Fid tfid;
		le32 markerflags; // CL_MARK
	};
	Fid pfid;
};
static_assert(sizeof(ChangelogRec) == 64 && kOverlay<ChangelogRec>);

struct ChangelogExtRename {
	Fid sfid;  // what was renamed
	Fid spfid; // where it was
};
static_assert(sizeof(ChangelogExtRename) == 32 && kOverlay<ChangelogExtRename>);

struct ChangelogExtJobid {
	Chars<32> jobid;
};
static_assert(sizeof(ChangelogExtJobid) == 32 && kOverlay<ChangelogExtJobid>);

struct ChangelogExtExtraFlags {
	le64 extra_flags; // CLFE_*
};
static_assert(sizeof(ChangelogExtExtraFlags) == 8 && kOverlay<ChangelogExtExtraFlags>);

struct ChangelogExtUidgid {
	le64 uid;
	le64 gid;
};
static_assert(sizeof(ChangelogExtUidgid) == 16 && kOverlay<ChangelogExtUidgid>);

struct ChangelogExtNid {
	le64 nid; // with CLFE_NID_BE 20 bytes in network order begin here
	le64 extra;
	le32 padding;

	le32 padding2; // the compiler's, in stock
};
static_assert(sizeof(ChangelogExtNid) == 24 && kOverlay<ChangelogExtNid>);

struct ChangelogExtOpenmode {
	le32 openflags;
};
static_assert(sizeof(ChangelogExtOpenmode) == 4 && kOverlay<ChangelogExtOpenmode>);

struct ChangelogExtXattr {
	Chars<256> xattr;
};
static_assert(sizeof(ChangelogExtXattr) == 256 && kOverlay<ChangelogExtXattr>);

/// Value of MDS_SET_INFO "changelog_clear".
struct ChangelogSetinfo {
	le64 recno; // cleared up to here; 0 = all
	le32 id;
};
static_assert(sizeof(ChangelogSetinfo) == 12 && kOverlay<ChangelogSetinfo>);

} // namespace wire
