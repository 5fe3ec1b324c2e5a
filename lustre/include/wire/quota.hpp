// SPDX-License-Identifier: GPL-2.0
//
// Quota: administration (QUOTACTL), acquisition between servers (QUOTA_DQACQ and quota intents),
// and the records of the quota indices on disk (04 19.4, 05 5.11, 07 13.5).
#pragma once

#include "wire/fid.hpp"

namespace wire
{

/// Whose quota: qc_type, and the top of a quota index's oid.
enum class QuotaType : u32 {
	LQUOTA_TYPE_USR = 0x0,
	LQUOTA_TYPE_GRP = 0x1,
	LQUOTA_TYPE_PRJ = 0x2,
};

/// What is counted.
enum class QuotaResource : u32 {
	LQUOTA_RES_MD = 0x1, // inodes
	LQUOTA_RES_DT = 0x2, // space, KiB
};

/// qc_cmd.
enum class QuotaCmd : u32 {
	LUSTRE_Q_QUOTAON = 0x800002,  // obsolete
	LUSTRE_Q_QUOTAOFF = 0x800003, // obsolete
	LUSTRE_Q_GETINFO = 0x800005,  // grace times
	LUSTRE_Q_SETINFO = 0x800006,
	LUSTRE_Q_GETQUOTA = 0x800007, // limits of one id
	LUSTRE_Q_SETQUOTA = 0x800008,
	LUSTRE_Q_INVALIDATE = 0x80000b,	 // obsolete
	LUSTRE_Q_FINVALIDATE = 0x80000c, // obsolete
	LUSTRE_Q_GETDEFAULT = 0x80000d,
	LUSTRE_Q_SETDEFAULT = 0x80000e,
	LUSTRE_Q_GETQUOTAPOOL = 0x80000f, // with a pool name
	LUSTRE_Q_SETQUOTAPOOL = 0x800010,
	LUSTRE_Q_GETINFOPOOL = 0x800011,
	LUSTRE_Q_SETINFOPOOL = 0x800012,
	LUSTRE_Q_GETDEFAULT_POOL = 0x800013,
	LUSTRE_Q_SETDEFAULT_POOL = 0x800014,
	LUSTRE_Q_DELETEQID = 0x800015,
	LUSTRE_Q_RESETQID = 0x800016,	 // 2.17
	LUSTRE_Q_ITERQUOTA = 0x800017,	 // 2.17
	LUSTRE_Q_ITEROQUOTA = 0x800018,	 // 2.17
	LUSTRE_Q_GETALLQUOTA = 0x800019, // 2.17
	Q_QUOTACHECK = 0x800100,	 // obsolete
	Q_INITQUOTA = 0x800101,		 // obsolete
	Q_GETOINFO = 0x800102,		 // of the asked target alone
	Q_GETOQUOTA = 0x800103,		 // usage and granted space on the asked target alone
	Q_FINVALIDATE = 0x800104,	 // obsolete
};

/// Top 16 bits of a grace time hold LQUOTA_FLAG_*.
inline constexpr u64 LQUOTA_GRACE_BITS = 48;
inline constexpr u64 LQUOTA_GRACE_MASK = 0xffffffffffff;
inline constexpr u64 LQUOTA_GRACE_MAX = 0xffffffffffff;
inline constexpr u64 NOTIFY_GRACE_TIME = 0xffffffffffff; // never enforced, only told
inline constexpr u64 LQUOTA_FLAG_DEFAULT = 0x1;		 // follows the default limits
inline constexpr u64 LQUOTA_FLAG_DELETED = 0x2;
inline constexpr u64 LQUOTA_FLAG_RESET = 0x4;  // 2.17
inline constexpr u64 LQUOTA_FLAG_REVOKE = 0x8; // 2.17

struct ObdDqinfo {
	le64 bgrace; // seconds
	le64 igrace; // seconds
	le32 flags;
	le32 valid;
};
static_assert(sizeof(ObdDqinfo) == 24 && kOverlay<ObdDqinfo>);

/// Limits and usage of one id: obd_dqblk, 72 bytes.
struct ObdDqblk {
	le64 bhardlimit; // KiB
	le64 bsoftlimit; // KiB
	le64 curspace;	 // bytes
	le64 ihardlimit; // inodes
	le64 isoftlimit;
	le64 curinodes;
	le64 btime; // when the space grace ends
	le64 itime; // when the inode grace ends
	le32 valid;
	le32 padding;
};
static_assert(sizeof(ObdDqblk) == 72 && kOverlay<ObdDqblk>);

/// obd_quotactl, 112 bytes; pool commands have a 16-byte pool name behind it.
struct ObdQuotactl {
	Le<QuotaCmd> cmd;
	Le<QuotaType> type;
	le32 id; // uid, gid or project
	le32 stat;
	ObdDqinfo dqinfo;
	ObdDqblk dqblk;
};
static_assert(sizeof(ObdQuotactl) == 112 && kOverlay<ObdQuotactl>);

/// qb_flags: what a QUOTA_DQACQ wants.
inline constexpr u32 QUOTA_DQACQ_FL_ACQ = 0x1;	  // acquire
inline constexpr u32 QUOTA_DQACQ_FL_PREACQ = 0x2; // acquire ahead
inline constexpr u32 QUOTA_DQACQ_FL_REL = 0x4;	  // release
inline constexpr u32 QUOTA_DQACQ_FL_REPORT = 0x8; // report usage
inline constexpr u32 LQUOTA_FL_EDQUOT = 0x1;	  // lvb and glimpse: no space left

/// An id, or the FID of an object with quota of its own.
union LquotaId {
	Fid fid;
	le64 uid;
	le64 gid;
	le64 projid;
};
static_assert(sizeof(LquotaId) == 16 && kOverlay<LquotaId>);

/// Slave to master and back: quota_body, 112 bytes (03 2.4).
struct QuotaBody {
	Fid fid; // of the global index
	LquotaId id;
	le32 flags; // QUOTA_DQACQ_FL_*
	le32 padding;
	le64 count; // KiB or inodes
	le64 usage;
	le64 slv_ver;		  // version of the slave index
	Le<LockHandle> lockh;	  // per-id lock, the server's handle
	Le<LockHandle> glb_lockh; // global lock
	le64 padding1[4];
};
static_assert(sizeof(QuotaBody) == 112 && kOverlay<QuotaBody>);

/// Accounting: what an id uses.
struct LquotaAcctRec {
	le64 bspace; // bytes
	le64 ispace; // inodes
};
static_assert(sizeof(LquotaAcctRec) == 16 && kOverlay<LquotaAcctRec>);

/// Record of a global quota index; key is le64 id (07 13.5).
struct LquotaGlbRec {
	le64 hardlimit; // KiB or inodes
	le64 softlimit;
	le64 time;    // grace, or for id 0 the default grace
	le64 granted; // to all slaves
};
static_assert(sizeof(LquotaGlbRec) == 32 && kOverlay<LquotaGlbRec>);

/// Record of a slave's quota index.
struct LquotaSlvRec {
	le64 granted;
};
static_assert(sizeof(LquotaSlvRec) == 8 && kOverlay<LquotaSlvRec>);

/// Objects of FID_SEQ_QUOTA on a slave.
enum class LquotaLocalOid : u32 {
	LQUOTA_USR_OID = 0x1,
	LQUOTA_GRP_OID = 0x2,
	LQUOTA_PRJ_OID = 0x3,
	LQUOTA_GENERATED_OID = 0x1000, // first of the generated ones
};

} // namespace wire
