// SPDX-License-Identifier: GPL-2.0
//
// Logs: the RPCs that read them and the records they hold (02 9.5, 07 12). A log written by a stock
// x86 server is little-endian; the record type of a log of the other byte order reads swapped, and
// such a log is refused.
#pragma once

#include "wire/fid.hpp"
#include "wire/mgs.hpp"

namespace wire
{

/// lgd_ctxt_idx: which log service of a target is meant.
enum class LlogContext : u32 {
	LLOG_CONFIG_ORIG_CTXT = 0x0,
	LLOG_CONFIG_REPL_CTXT = 0x1,
	LLOG_MDS_OST_ORIG_CTXT = 0x2,
	LLOG_MDS_OST_REPL_CTXT = 0x3,
	LLOG_SIZE_ORIG_CTXT = 0x4,
	LLOG_SIZE_REPL_CTXT = 0x5,
	LLOG_TEST_ORIG_CTXT = 0x8,
	LLOG_TEST_REPL_CTXT = 0x9,
	LLOG_CHANGELOG_ORIG_CTXT = 0xc,
	LLOG_CHANGELOG_REPL_CTXT = 0xd,
	LLOG_CHANGELOG_USER_ORIG_CTXT = 0xe,
	LLOG_AGENT_ORIG_CTXT = 0xf,
	LLOG_UPDATELOG_ORIG_CTXT = 0x10,
	LLOG_UPDATELOG_REPL_CTXT = 0x11,
};

/// lrh_type (07 12.2).
enum class LlogRecType : u32 {
	LLOG_PAD_MAGIC = 0x10600000,	  // fills a chunk
	OST_SZ_REC = 0x10600f00,	  // obsolete
	MDS_UNLINK_REC = 0x10612404,	  // obsolete
	MDS_UNLINK64_REC = 0x10692404,	  // LlogUnlink64Rec
	MDS_SETATTR64_REC = 0x10692401,	  // LlogSetattr64Rec or its V2, by length
	OBD_CFG_REC = 0x10620000,	  // LustreCfg
	LLOG_GEN_REC = 0x10640000,	  // LlogGenRec
	CHANGELOG_REC = 0x10660000,	  // ChangelogRec
	CHANGELOG_USER_REC = 0x10670000,  // LlogChangelogUserRec
	CHANGELOG_USER_REC2 = 0x10670002, // LlogChangelogUserRec2
	HSM_AGENT_REC = 0x10680000,	  // LlogAgentReqRec
	UPDATE_REC = 0x106a0000,	  // UpdateRecords
	LLOG_HDR_MAGIC = 0x10645539,	  // LlogLogHdr
	LLOG_LOGID_MAGIC = 0x1064553b,	  // LlogLogidRec
};

/// Every record type has this in its upper bits; swapped, it tells a log of the other byte order.
inline constexpr u32 LLOG_OP_MAGIC = 0x10600000;
inline constexpr u32 LLOG_OP_MASK = 0xfff00000;

/// llh_flags (07 12.1).
inline constexpr u32 LLOG_F_ZAP_WHEN_EMPTY = 0x1;
inline constexpr u32 LLOG_F_IS_CAT = 0x2;
inline constexpr u32 LLOG_F_IS_PLAIN = 0x4;
inline constexpr u32 LLOG_F_EXT_JOBID = 0x8;
inline constexpr u32 LLOG_F_IS_FIXSIZE = 0x10;
inline constexpr u32 LLOG_F_EXT_EXTRA_FLAGS = 0x20;
inline constexpr u32 LLOG_F_EXT_X_UIDGID = 0x40;
inline constexpr u32 LLOG_F_EXT_X_NID = 0x80;
inline constexpr u32 LLOG_F_EXT_X_OMODE = 0x100;
inline constexpr u32 LLOG_F_EXT_X_XATTR = 0x200;
inline constexpr u32 LLOG_F_RM_ON_ERR = 0x400;
inline constexpr u32 LLOG_F_MAX_AGE = 0x800;
inline constexpr u32 LLOG_F_EXT_X_NID_BE = 0x1000; // 2.17
inline constexpr u32 LLOG_F_UNLCK_SEM = 0x2000;	   // 2.17
inline constexpr u32 LLOG_F_EXT_MASK = 0x33e8;

/// Sizes: a record never crosses a chunk.
inline constexpr std::size_t LLOG_MIN_CHUNK_SIZE = 8192;
inline constexpr std::size_t LLOG_MIN_REC_SIZE = 24;

/// Names of the catalogs.
inline constexpr std::string_view CATLIST = "CATALOGS";
inline constexpr std::string_view CHANGELOG_CATALOG = "changelog_catalog";
inline constexpr std::string_view CHANGELOG_USERS = "changelog_users";
inline constexpr std::string_view HSM_ACTIONS = "hsm_actions";

/// Name of a log, opaque to those who only read it: 20 bytes.
struct LlogLogid {
	OstId oi;
	le32 ogen;
};
static_assert(sizeof(LlogLogid) == 20 && kOverlay<LlogLogid>);

/// Entry of CATALOGS and update_log: 32 bytes per target (07 13.4).
struct LlogCatid {
	LlogLogid logid;
	le32 padding1;
	le32 padding2;
	le32 padding3;
};
static_assert(sizeof(LlogCatid) == 32 && kOverlay<LlogCatid>);

/// Head of every record.
struct LlogRecHdr {
	le32 len; // with head and tail, a multiple of 8
	le32 index;
	Le<LlogRecType> type;
	le32 id;
};
static_assert(sizeof(LlogRecHdr) == 16 && kOverlay<LlogRecHdr>);

/// End of every record: repeats length and index.
struct LlogRecTail {
	le32 len;
	le32 index;
};
static_assert(sizeof(LlogRecTail) == 8 && kOverlay<LlogRecTail>);

inline constexpr std::size_t kLlogBitmapBytes = LLOG_MIN_CHUNK_SIZE - 88 - sizeof(LlogRecTail);

/// First record of every log, one chunk long: 8192 bytes. In logs with larger chunks the bitmap
/// goes on and the tail is at the chunk's end.
struct LlogLogHdr {
	LlogRecHdr hdr;
	sle64 timestamp; // seconds
	le32 count;	 // live records, this one included
	le32 bitmap_offset;
	le32 size;	 // of a record with IS_FIXSIZE, else of the shortest
	le32 flags;	 // LLOG_F_*
	le32 cat_idx;	 // plain log: its index in the catalog
	ObdUuid tgtuuid; // "config_uuid" in configuration logs
	le32 reserved[1];
	u8 bitmap[kLlogBitmapBytes]; // bit i: record i exists; bit 0 is this one
	LlogRecTail tail;	     // index = that of the last record
};
static_assert(sizeof(LlogLogHdr) == 8192 && kOverlay<LlogLogHdr>);

/// A plain log in a catalog.
struct LlogLogidRec {
	LlogRecHdr hdr;
	LlogLogid id;
	le32 padding1;
	le64 padding2;
	le64 padding3;
	LlogRecTail tail;
};
static_assert(sizeof(LlogLogidRec) == 64 && kOverlay<LlogLogidRec>);

/// Objects to destroy. The padding may hold stale bytes.
struct LlogUnlink64Rec {
	LlogRecHdr hdr;
	Fid fid;
	le32 count; // consecutive objects
	le32 padding1;
	le64 padding2;
	le64 padding3;
	LlogRecTail tail;
};
static_assert(sizeof(LlogUnlink64Rec) == 64 && kOverlay<LlogUnlink64Rec>);

/// Owner to set on an object, in the old form.
struct LlogSetattr64Rec {
	LlogRecHdr hdr;
	OstId oi;
	le32 uid;
	le32 uid_h;
	le32 gid;
	le32 gid_h;
	le64 valid; // OBD_MD_*
	LlogRecTail tail;
};
static_assert(sizeof(LlogSetattr64Rec) == 64 && kOverlay<LlogSetattr64Rec>);

/// Owner, project or layout version to set on an object.
struct LlogSetattr64RecV2 {
	LlogRecHdr hdr;
	OstId oi;
	le32 uid;
	le32 uid_h;
	le32 gid;
	le32 gid_h;
	le64 valid; // OBD_MD_*
	le32 projid;
	le32 layout_version;
	le64 padding2;
	le64 padding3;
	LlogRecTail tail;
};
static_assert(sizeof(LlogSetattr64RecV2) == 88 && kOverlay<LlogSetattr64RecV2>);

/// Generation of an OSP: two numbers, only compared.
struct LlogGen {
	le64 mnt_cnt;
	le64 conn_cnt;
};
static_assert(sizeof(LlogGen) == 16 && kOverlay<LlogGen>);

struct LlogGenRec {
	LlogRecHdr hdr;
	LlogGen gen;
	le64 padding1;
	le64 padding2;
	le64 padding3;
	LlogRecTail tail;
};
static_assert(sizeof(LlogGenRec) == 64 && kOverlay<LlogGenRec>);

/// A reader of the changelog, 2.15 form.
struct LlogChangelogUserRec {
	LlogRecHdr hdr;
	le32 id;
	le32 time;   // last activity, seconds
	le64 endrec; // cleared up to here
	LlogRecTail tail;
};
static_assert(sizeof(LlogChangelogUserRec) == 40 && kOverlay<LlogChangelogUserRec>);

/// A reader of the changelog.
struct LlogChangelogUserRec2 {
	LlogRecHdr hdr;
	le32 id;
	le32 time;
	le64 endrec;
	le32 mask;
	le32 padding1;
	Chars<16> name;
	le64 padding2;
	le64 padding3;
	LlogRecTail tail;
};
static_assert(sizeof(LlogChangelogUserRec2) == 80 && kOverlay<LlogChangelogUserRec2>);

/// LLOG_ORIGIN_HANDLE_*, both ways: 48 bytes.
struct LlogdBody {
	LlogLogid logid;
	Le<LlogContext> ctxt_idx;
	le32 llh_flags;	  // LLOG_F_*
	le32 index;	  // wanted
	le32 saved_index; // last one seen
	le32 len;
	le64 cur_offset; // where to look, or where reading ended
};
static_assert(sizeof(LlogdBody) == 48 && kOverlay<LlogdBody>);

} // namespace wire
