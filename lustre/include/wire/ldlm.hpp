// SPDX-License-Identifier: GPL-2.0
//
// The lock manager on the wire: resource names, modes, flags, lock descriptions, value blocks
// (spec 03).
#pragma once

#include "wire/fid.hpp"
#include "wire/quota.hpp"

namespace wire
{

/// lr_type (03 2.2).
enum class LockType : u32 {
	LDLM_PLAIN = 10,  // configuration and quota locks
	LDLM_EXTENT = 11, // object data
	LDLM_FLOCK = 12,  // fcntl and flock
	LDLM_IBITS = 13,  // everything about an inode
};

/// Lock modes; one bit each (03 2.3).
enum class LockMode : u32 {
	LCK_MODE_MIN = 0x0, // not granted
	LCK_EX = 0x1,	    // exclusive
	LCK_PW = 0x2,	    // protected write
	LCK_PR = 0x4,	    // protected read
	LCK_CW = 0x8,	    // concurrent write
	LCK_CR = 0x10,	    // concurrent read
	LCK_NL = 0x20,	    // null
	LCK_GROUP = 0x40,   // shared by holders of one group id
	LCK_COS = 0x80,	    // commit on share, inside an MDT
	LCK_TXN = 0x100,    // transaction, inside MDTs; 2.17
};

/// Modes that may be granted together with each mode. 2.15 has neither TXN nor its bit 0x100 here.
inline constexpr u32 LCK_COMPAT_EX = 0x20;
inline constexpr u32 LCK_COMPAT_PW = 0x30;
inline constexpr u32 LCK_COMPAT_PR = 0x134;
inline constexpr u32 LCK_COMPAT_CW = 0x38;
inline constexpr u32 LCK_COMPAT_CR = 0x13e;
inline constexpr u32 LCK_COMPAT_NL = 0x1ff;
inline constexpr u32 LCK_COMPAT_GROUP = 0x60; // same gid only
inline constexpr u32 LCK_COMPAT_COS = 0xa0;   // same client only
inline constexpr u32 LCK_COMPAT_TXN = 0x134;

/// Lock flags that travel, all in the low 32 bits (03 3). Who sends which: request, reply,
/// callback.
inline constexpr u64 LDLM_FL_LOCK_CHANGED = 0x1;  // reply: take mode, resource and policy from it
inline constexpr u64 LDLM_FL_BLOCK_GRANTED = 0x2; // reply: behind a granted one; replay: granted
inline constexpr u64 LDLM_FL_BLOCK_WAIT = 0x8;	  // reply: behind a waiting one; replay: waiting
inline constexpr u64 LDLM_FL_SPECULATIVE = 0x10;  // request: fail rather than wait
inline constexpr u64 LDLM_FL_AST_SENT = 0x20; // reply, completion: a blocking callback is implied
inline constexpr u64 LDLM_FL_REPLAY = 0x100;  // request: recovery
inline constexpr u64 LDLM_FL_INTENT_ONLY = 0x200;     // request: run the intent, grant nothing
inline constexpr u64 LDLM_FL_HAS_INTENT = 0x1000;     // request: an intent, a glimpse or a readdir
inline constexpr u64 LDLM_FL_FLOCK_DEADLOCK = 0x8000; // completion: -EDEADLK
inline constexpr u64 LDLM_FL_DISCARD_DATA = 0x10000;  // blocking: drop dirty data
inline constexpr u64 LDLM_FL_NO_TIMEOUT = 0x20000;    // reply: wait for the completion for ever
inline constexpr u64 LDLM_FL_BLOCK_NOWAIT = 0x40000;  // request: do not queue
inline constexpr u64 LDLM_FL_TEST_LOCK = 0x80000;     // request, reply: F_GETLK
inline constexpr u64 LDLM_FL_MATCH_LOCK = 0x100000;   // local
inline constexpr u64 LDLM_FL_CANCEL_ON_BLOCK = 0x800000; // request, reply: cancel without asking
inline constexpr u64 LDLM_FL_CONVERTING = 0x2000000;	 // local
inline constexpr u64 LDLM_FL_NO_EXPANSION = 0x20000000;	 // request: do not grow the extent
inline constexpr u64 LDLM_FL_DENY_ON_CONTENTION = 0x40000000; // request: refusal makes lockless I/O
inline constexpr u64 LDLM_FL_AST_DISCARD_DATA = 0x80000000;   // request: its callbacks discard

/// Sets of flags. 2.17 refuses an enqueue or a callback with flags outside the first two; 2.15
/// ignores them.
inline constexpr u64 LDLM_FL_WIRE_REQ_FLAGS_MASK = 0xe08c131a;
inline constexpr u64 LDLM_FL_WIRE_AST_FLAGS_MASK = 0x18020;
inline constexpr u64 LDLM_FL_BLOCKED_MASK = 0xa;	// reply: not granted yet
inline constexpr u64 LDLM_FL_INHERIT_MASK = 0x208a0000; // go from the request into the lock
inline constexpr u64 LDLM_FL_AST_MASK = 0x18000;

/// Codes above 0 that a lock reply has in pb_status; the first two never travel (03 3.1).
enum class LdlmError : std::int32_t {
	ELDLM_OK = 0,
	ELDLM_LOCK_MATCHED = 1,
	ELDLM_LOCK_CHANGED = 300,
	ELDLM_LOCK_ABORTED = 301, // no lock, but the reply counts
	ELDLM_LOCK_REPLACED = 302,
	ELDLM_NO_LOCK_DATA = 303, // no such lock, no value block
	ELDLM_LOCK_WOULDBLOCK = 304,
	ELDLM_NAMESPACE_EXISTS = 400,
	ELDLM_BAD_NAMESPACE = 401,
};

/// What the value block of a lock is (03 2.5). Not on the wire.
enum class LvbType : u32 {
	LVB_T_NONE = 0x0,
	LVB_T_OST = 0x1,    // OstLvb or OstLvbV1
	LVB_T_LQUOTA = 0x2, // LquotaLvb
	LVB_T_LAYOUT = 0x3, // a layout xattr
};

/// Inode lock bits (03 7.2).
inline constexpr u64 MDS_INODELOCK_NONE = 0x0;
inline constexpr u64 MDS_INODELOCK_LOOKUP = 0x1; // name to FID
inline constexpr u64 MDS_INODELOCK_UPDATE = 0x2; // size, times, link count, directory contents
inline constexpr u64 MDS_INODELOCK_OPEN = 0x4;	 // open handles
inline constexpr u64 MDS_INODELOCK_LAYOUT = 0x8;
inline constexpr u64 MDS_INODELOCK_PERM = 0x10;	 // mode, owner, ACL
inline constexpr u64 MDS_INODELOCK_XATTR = 0x20; // other extended attributes
inline constexpr u64 MDS_INODELOCK_DOM = 0x40;	 // data kept on the MDT
inline constexpr u64 MDS_INODELOCK_FULL = 0x7f;	 // all of the above
inline constexpr u64 MDS_INODELOCK_ELC = 0x3f;	 // those a client may give up unasked

/// ldlm_intent.opc: what is done under the lock (04 5.1).
inline constexpr u64 IT_OPEN = 0x1;
inline constexpr u64 IT_CREAT = 0x2; // alone: mkdir by intent, 2.17 only
inline constexpr u64 IT_OPEN_CREAT = 0x3;
inline constexpr u64 IT_READDIR = 0x4; // never sent
inline constexpr u64 IT_GETATTR = 0x8;
inline constexpr u64 IT_LOOKUP = 0x10;
inline constexpr u64 IT_GETXATTR = 0x80;
inline constexpr u64 IT_LAYOUT = 0x400;
inline constexpr u64 IT_QUOTA_DQACQ = 0x800;
inline constexpr u64 IT_QUOTA_CONN = 0x1000;
inline constexpr u64 IT_GLIMPSE = 0x4000;
inline constexpr u64 IT_BRW = 0x8000;

/// lock_policy_res1 of an intent's reply: how far it got (04 5.2).
inline constexpr u64 DISP_IT_EXECD = 0x1;
inline constexpr u64 DISP_LOOKUP_EXECD = 0x2;
inline constexpr u64 DISP_LOOKUP_NEG = 0x4;
inline constexpr u64 DISP_LOOKUP_POS = 0x8;
inline constexpr u64 DISP_OPEN_CREATE = 0x10;
inline constexpr u64 DISP_OPEN_OPEN = 0x20;
inline constexpr u64 DISP_ENQ_COMPLETE = 0x400000;    // local to clients
inline constexpr u64 DISP_ENQ_OPEN_REF = 0x800000;    // local to clients
inline constexpr u64 DISP_ENQ_CREATE_REF = 0x1000000; // local to clients
inline constexpr u64 DISP_OPEN_LOCK = 0x2000000;
inline constexpr u64 DISP_OPEN_LEASE = 0x4000000;
inline constexpr u64 DISP_OPEN_STRIPE = 0x8000000;
inline constexpr u64 DISP_OPEN_DENY = 0x10000000;

/// Handles that lock requests have room for at least: stock never sends fewer.
inline constexpr std::size_t LDLM_LOCKREQ_HANDLES = 2;
inline constexpr std::size_t LDLM_ENQUEUE_CANCEL_OFF = 1; // 0 is the new lock
inline constexpr std::size_t RES_NAME_SIZE = 4;		  // words of a resource name

/// Words of a resource name that is a FID (03 2.1).
inline constexpr std::size_t LUSTRE_RES_ID_SEQ_OFF = 0;
inline constexpr std::size_t LUSTRE_RES_ID_VER_OID_OFF = 1;
inline constexpr std::size_t LUSTRE_RES_ID_WAS_VER_OFF = 2;
inline constexpr std::size_t LUSTRE_RES_ID_QUOTA_SEQ_OFF = 2;
inline constexpr std::size_t LUSTRE_RES_ID_QUOTA_VER_OID_OFF = 3;
inline constexpr std::size_t LUSTRE_RES_ID_HSH_OFF = 3;

/// Name of a resource: ldlm_res_id, 32 bytes (03 2.1).
struct LdlmResId {
	le64 name[4];

	[[nodiscard]] constexpr bool operator==(const LdlmResId &o) const noexcept
	{
		return name[0].get() == o.name[0].get() && name[1].get() == o.name[1].get() &&
		       name[2].get() == o.name[2].get() && name[3].get() == o.name[3].get();
	}
};
static_assert(sizeof(LdlmResId) == 32 && kOverlay<LdlmResId>);

/// Policy of an extent lock: ldlm_extent, 24 bytes.
struct LdlmExtent {
	le64 start;
	le64 end; // inclusive; all ones = end of file
	le64 gid; // of a group lock, else 0
};
static_assert(sizeof(LdlmExtent) == 24 && kOverlay<LdlmExtent>);

/// Policy of an inode lock: ldlm_inodebits, 32 bytes. 2.15 ends it after li_gid and has zeros in
/// the rest of the union.
struct LdlmInodebits {
	le64 bits; // MDS_INODELOCK_* wanted or held
	union {
		le64 try_bits;	  // request: granted if free
		le64 cancel_bits; // callback: what is in the way
	};
	le64 li_gid; // of a group lock on DOM
	le32 li_padding;
	le32 li_initiator_id; // between MDTs: MDT index (2.17); ignore it elsewhere
};
static_assert(sizeof(LdlmInodebits) == 32 && kOverlay<LdlmInodebits>);

/// Policy of a flock: ldlm_flock_wire, 32 bytes.
struct LdlmFlock {
	le64 start;
	le64 end;   // inclusive
	le64 owner; // the client's name for the owner
	le32 padding;
	le32 pid;
};
static_assert(sizeof(LdlmFlock) == 32 && kOverlay<LdlmFlock>);

/// What is locked in the resource; the resource's type says which member it is.
union LdlmPolicy {
	LdlmExtent extent;
	LdlmFlock flock;
	LdlmInodebits inodebits;
};
static_assert(sizeof(LdlmPolicy) == 32 && kOverlay<LdlmPolicy>);

struct LdlmResourceDesc {
	Le<LockType> type;
	le32 pad;
	LdlmResId name;
};
static_assert(sizeof(LdlmResourceDesc) == 40 && kOverlay<LdlmResourceDesc>);

/// A lock: ldlm_lock_desc, 80 bytes (03 2.4).
struct LdlmLockDesc {
	LdlmResourceDesc resource;
	Le<LockMode> req_mode;
	Le<LockMode> granted_mode; // LCK_MODE_MIN while it waits
	LdlmPolicy policy_data;
};
static_assert(sizeof(LdlmLockDesc) == 80 && kOverlay<LdlmLockDesc>);

/// Head of every lock request: ldlm_request, 88 bytes, then lock handles. What the handles are, and
/// how many lock_count stands for, depends on the message (03 4.1, 5, 8).
struct LdlmRequest {
	le32 lock_flags; // low half of LDLM_FL_*
	le32 lock_count; // 0 means 1 in CANCEL and CONVERT
	LdlmLockDesc lock_desc;
};
static_assert(sizeof(LdlmRequest) == 88 && kOverlay<LdlmRequest>);

/// Answer to an enqueue: ldlm_reply, 112 bytes.
struct LdlmReply {
	le32 lock_flags;
	le32 lock_padding;
	LdlmLockDesc lock_desc;	    // what the server holds
	Le<LockHandle> lock_handle; // the server's name for it, 0 if none
	le64 lock_policy_res1;	    // intent: DISP_*; glimpse: 0 or a negative errno
	le64 lock_policy_res2;	    // intent: negative errno, sign extended
};
static_assert(sizeof(LdlmReply) == 112 && kOverlay<LdlmReply>);

struct LdlmIntent {
	le64 opc; // IT_*
};
static_assert(sizeof(LdlmIntent) == 8 && kOverlay<LdlmIntent>);

/// How lvb_blocks tells that the value could not be had: the low half is the negative errno.
inline constexpr u64 OST_LVB_ERR_INIT = 0xffbadbad80000000;
inline constexpr u64 OST_LVB_ERR_MASK = 0xffbadbad00000000;

/// Value block of an object's lock without OBD_CONNECT_LVB_TYPE: 40 bytes.
struct OstLvbV1 {
	le64 size;
	sle64 mtime;
	sle64 atime;
	sle64 ctime;
	le64 blocks; // 512-byte units, or an error (OST_LVB_ERR_MASK)
};
static_assert(sizeof(OstLvbV1) == 40 && kOverlay<OstLvbV1>);

/// Value block of an object's lock: ost_lvb, 56 bytes (03 2.4).
struct OstLvb {
	le64 size;
	sle64 mtime; // seconds
	sle64 atime;
	sle64 ctime;
	le64 blocks; // 512-byte units, or an error (OST_LVB_ERR_MASK)
	le32 mtime_ns;
	le32 atime_ns;
	le32 ctime_ns;
	le32 padding;
};
static_assert(sizeof(OstLvb) == 56 && kOverlay<OstLvb>);

/// Value block of a quota lock: lquota_lvb, 40 bytes.
struct LquotaLvb {
	le64 flags;	 // LQUOTA_FL_EDQUOT
	le64 id_may_rel; // space that might be released later
	le64 id_rel;	 // space that could be released at once
	le64 id_qunit;	 // current granularity of space
	le64 pad1;
};
static_assert(sizeof(LquotaLvb) == 40 && kOverlay<LquotaLvb>);

struct BarrierLvb {
	le32 status;
	le32 index;
	le64 padding;
};
static_assert(sizeof(BarrierLvb) == 16 && kOverlay<BarrierLvb>);

/// What a glimpse of a quota lock announces: 64 bytes (03 2.4).
struct LdlmGlLquotaDesc {
	LquotaId id;	// 0 on a per-id lock
	le64 flags;	// LQUOTA_FL_EDQUOT
	le64 ver;	// of the global index; 0 on a per-id lock
	le64 hardlimit; // or the new qunit, on a per-id lock
	le64 softlimit;
	le64 time;
	le64 pad2;
};
static_assert(sizeof(LdlmGlLquotaDesc) == 64 && kOverlay<LdlmGlLquotaDesc>);

struct LdlmGlBarrierDesc {
	le32 status;
	le32 timeout;
	le64 padding;
};
static_assert(sizeof(LdlmGlBarrierDesc) == 16 && kOverlay<LdlmGlBarrierDesc>);

/// Second buffer of a glimpse callback, for quota and barrier locks only.
union LdlmGlDesc {
	LdlmGlLquotaDesc lquota_desc;
	LdlmGlBarrierDesc barrier_desc;
};
static_assert(sizeof(LdlmGlDesc) == 64 && kOverlay<LdlmGlDesc>);

} // namespace wire
