// SPDX-License-Identifier: GPL-2.0
//
// The RPC layer on the wire: portals, opcodes, the message container, the ptlrpc body, connect data
// and the security words (spec 02 sections 1 to 7). The classes that read and write whole messages
// are in rpc/format/.
#pragma once

#include "wire/fid.hpp"

namespace wire
{

/// LNet portals (02 1.4). A service listens on a request portal; its clients post reply buffers on
/// the reply portal and bulk buffers on the bulk portal.
enum class Portal : u32 {
	CONNMGR_REQUEST_PORTAL = 1,  // unused
	CONNMGR_REPLY_PORTAL = 2,    // unused
	OSC_REPLY_PORTAL = 4,	     // replies of OST services, OUT, data sequences
	OST_IO_PORTAL = 6,	     // read, write, punch, fallocate, ladvise
	OST_CREATE_PORTAL = 7,	     // statfs; serve OST_CREATE on it too
	OST_BULK_PORTAL = 8,	     // data of OST and Data-on-MDT I/O
	MDC_REPLY_PORTAL = 10,	     // replies of MDT services, FLD, metadata sequences
	MDS_REQUEST_PORTAL = 12,     // MDT, general
	MDS_IO_PORTAL = 13,	     // Data-on-MDT I/O; rename from 2.17 clients
	MDS_BULK_PORTAL = 14,	     // readdir, index read, OUT, batch
	LDLM_CB_REQUEST_PORTAL = 15, // lock callbacks, server to client
	LDLM_CB_REPLY_PORTAL = 16,
	LDLM_CANCEL_REQUEST_PORTAL = 17, // lock cancel and convert
	LDLM_CANCEL_REPLY_PORTAL = 18,
	MDS_READPAGE_PORTAL = 23, // readdir, close, getattr, getxattr, quota
	OUT_PORTAL = 24,	  // MDT to MDT updates, batch, remote index read
	MGC_REPLY_PORTAL = 25,	  // replies of the MGS
	MGS_REQUEST_PORTAL = 26,
	MGS_REPLY_PORTAL = 27,	 // unused
	OST_REQUEST_PORTAL = 28, // OST, general
	FLD_REQUEST_PORTAL = 29,
	SEQ_METADATA_PORTAL = 30,   // sequences for clients
	SEQ_DATA_PORTAL = 31,	    // sequences for MDTs, asked of OSTs
	SEQ_CONTROLLER_PORTAL = 32, // super sequences for servers
	MGS_BULK_PORTAL = 33,	    // MGS_CONFIG_READ, target NID lists
};

/// Every opcode the protocol has names for (02 6). rpc/format/ops_*.hpp says what each carries;
/// those marked "never sent" have no format.
enum class Opcode : u32 {
	OST_REPLY = 0, // never sent
	OST_GETATTR = 1,
	OST_SETATTR = 2,
	OST_READ = 3,
	OST_WRITE = 4,
	OST_CREATE = 5,
	OST_DESTROY = 6,
	OST_GET_INFO = 7,
	OST_CONNECT = 8,
	OST_DISCONNECT = 9,
	OST_PUNCH = 10,
	OST_OPEN = 11,	// never sent
	OST_CLOSE = 12, // never sent
	OST_STATFS = 13,
	OST_SYNC = 16,
	OST_SET_INFO = 17,
	OST_QUOTACHECK = 18, // never sent
	OST_QUOTACTL = 19,
	OST_QUOTA_ADJUST_QUNIT = 20, // never sent
	OST_LADVISE = 21,
	OST_FALLOCATE = 22,
	OST_SEEK = 23,
	MDS_GETATTR = 33,
	MDS_GETATTR_NAME = 34,
	MDS_CLOSE = 35,
	MDS_REINT = 36, // the operation is a ReintOp in the record
	MDS_READPAGE = 37,
	MDS_CONNECT = 38,
	MDS_DISCONNECT = 39,
	MDS_GET_ROOT = 40,
	MDS_STATFS = 41,
	MDS_PIN = 42,	// never sent
	MDS_UNPIN = 43, // never sent
	MDS_SYNC = 44,
	MDS_DONE_WRITING = 45, // never sent
	MDS_SET_INFO = 46,
	MDS_QUOTACHECK = 47, // never sent
	MDS_QUOTACTL = 48,
	MDS_GETXATTR = 49,
	MDS_SETXATTR = 50,  // never sent: a reint
	MDS_WRITEPAGE = 51, // never sent
	MDS_IS_SUBDIR = 52, // never sent
	MDS_GET_INFO = 53,
	MDS_HSM_STATE_GET = 54,
	MDS_HSM_STATE_SET = 55,
	MDS_HSM_ACTION = 56,
	MDS_HSM_PROGRESS = 57,
	MDS_HSM_REQUEST = 58,
	MDS_HSM_CT_REGISTER = 59,
	MDS_HSM_CT_UNREGISTER = 60,
	MDS_SWAP_LAYOUTS = 61,
	MDS_RMFID = 62,
	MDS_BATCH = 63,		   // 2.17
	MDS_HSM_DATA_VERSION = 64, // 2.17
	LDLM_ENQUEUE = 101,
	LDLM_CONVERT = 102,
	LDLM_CANCEL = 103,
	LDLM_BL_CALLBACK = 104,
	LDLM_CP_CALLBACK = 105,
	LDLM_GL_CALLBACK = 106,
	LDLM_SET_INFO = 107,
	MGS_CONNECT = 250,
	MGS_DISCONNECT = 251,
	MGS_EXCEPTION = 252, // never sent
	MGS_TARGET_REG = 253,
	MGS_TARGET_DEL = 254,
	MGS_SET_INFO = 255,
	MGS_CONFIG_READ = 256,
	OBD_PING = 400,
	OBD_IDX_READ = 403,
	LLOG_ORIGIN_HANDLE_CREATE = 501,
	LLOG_ORIGIN_HANDLE_NEXT_BLOCK = 502,
	LLOG_ORIGIN_HANDLE_READ_HEADER = 503,
	LLOG_ORIGIN_HANDLE_PREV_BLOCK = 508,
	LLOG_ORIGIN_HANDLE_DESTROY = 509, // never sent
	QUOTA_DQACQ = 601,
	QUOTA_DQREL = 602, // never sent
	SEQ_QUERY = 700,
	SEC_CTX_INIT = 801,
	SEC_CTX_INIT_CONT = 802,
	SEC_CTX_FINI = 803,
	FLD_QUERY = 900,
	FLD_READ = 901,
	OUT_UPDATE = 1000,
	LFSCK_NOTIFY = 1101,
	LFSCK_QUERY = 1102,
};

/// lm_magic. The swapped value is what a peer of the other byte order sends; it is refused.
inline constexpr u32 LUSTRE_MSG_MAGIC_V2 = 0xbd00bd3;
inline constexpr u32 LUSTRE_MSG_MAGIC_V2_SWABBED = 0xd30bd00b;
inline constexpr u32 LUSTRE_MSG_MAGIC = 0xbd00bd3; // what is sent

/// lm_flags.
inline constexpr u32 MSGHDR_AT_SUPPORT = 0x1;	    // decides where replies go (02 1.2)
inline constexpr u32 MSGHDR_CKSUM_INCOMPAT18 = 0x2; // historic, ignored

/// pb_type (02 2.7).
enum class MsgType : u32 {
	PTL_RPC_MSG_REQUEST = 4711,
	PTL_RPC_MSG_ERR = 4712,	  // refused before or instead of being executed
	PTL_RPC_MSG_REPLY = 4713, // executed; pb_status is the result
};

/// pb_version: the subsystem in the high half, PTLRPC_MSG_VERSION in the low one (02 2.4). Stock
/// servers refuse a wrong subsystem with -EINVAL and drop a wrong low half.
inline constexpr u32 PTLRPC_MSG_VERSION = 0x3;
inline constexpr u32 LUSTRE_VERSION_MASK = 0xffff0000; // the subsystem's half
inline constexpr u32 LUSTRE_OBD_VERSION = 0x10000;     // connect, disconnect, ping, index read
inline constexpr u32 LUSTRE_MDS_VERSION = 0x20000;
inline constexpr u32 LUSTRE_OST_VERSION = 0x30000;
inline constexpr u32 LUSTRE_DLM_VERSION = 0x40000;
inline constexpr u32 LUSTRE_LOG_VERSION = 0x50000;
inline constexpr u32 LUSTRE_MGS_VERSION = 0x60000;

/// pb_flags (02 2.3). Bits not listed are obsolete or unknown and must be ignored.
inline constexpr u32 MSG_RESENT = 0x2;		 // look for the reply or the running original first
inline constexpr u32 MSG_REPLAY = 0x4;		 // recovery: pb_transno is the original one
inline constexpr u32 MSG_REQ_REPLAY_DONE = 0x40; // this client has no more requests to replay
inline constexpr u32 MSG_LOCK_REPLAY_DONE = 0x80; // ... and no more locks
inline constexpr u32 MSG_CLIENT_BANNED = 0x100;	  // reply: refused by the administrator (2.17)
inline constexpr u32 MSG_PACK_UID_GID = 0x200;	  // pb_uid and pb_gid are valid (2.17)
inline constexpr u32 MSG_PACK_PROJID = 0x400;	  // pb_projid is valid (2.17)

/// pb_op_flags, in connects only (02 2.3, 7).
inline constexpr u32 MSG_CONNECT_RECOVERING = 0x1; // reply: the target is in recovery
inline constexpr u32 MSG_CONNECT_RECONNECT = 0x2;  // reply: the export existed already
inline constexpr u32 MSG_CONNECT_REPLAYABLE = 0x4; // reply: the target can recover
inline constexpr u32 MSG_CONNECT_LIBCLIENT = 0x10; // obsolete: refuse
inline constexpr u32 MSG_CONNECT_INITIAL = 0x20;   // request: the client has no handle yet
inline constexpr u32 MSG_CONNECT_NEXT_VER = 0x80;  // obsolete: ignore
inline constexpr u32 MSG_CONNECT_TRANSNO = 0x100;  // request: ocd_transno is valid

/// Limits and positions of the container (02 2.1, 1.2).
inline constexpr std::size_t PTLRPC_MAX_BUFCOUNT = 32; // buffers of one message
inline constexpr std::size_t MSG_PTLRPC_BODY_OFF = 0;  // buffer 0 is the body
inline constexpr std::size_t LUSTRE_JOBID_SIZE = 32;
inline constexpr std::size_t PTLRPC_NUM_VERSIONS = 4; // objects of a request with versions

/// Bulk geometry (02 1.7).
inline constexpr std::size_t PTLRPC_MAX_BRW_SIZE = 0x4000000; // bytes of one bulk at most
inline constexpr std::size_t ONE_MB_BRW_SIZE = 0x100000;  // bytes of one memory descriptor at most
inline constexpr std::size_t MD_MAX_BRW_SIZE = 0x100000;  // readdir and other bulks with an MDT
inline constexpr std::size_t DT_DEF_BRW_SIZE = 0x400000;  // what a stock OST grants
inline constexpr std::size_t PTLRPC_BULK_OPS_COUNT = 128; // XID step of 2.17; 2.15 uses 64
inline constexpr std::size_t PTLRPC_BULK_OPS_LIMIT = 65;  // memory descriptors of one bulk at most
inline constexpr std::size_t PTLRPC_BULK_INTEROP_PAGE_SIZE = 0x1000; // unit of fragments (2.17)

/// Sizes of requests and replies by service (02 1.5). Stock drops, silently, a request more than 1
/// KiB above its service's limit.
inline constexpr std::size_t LDLM_MAXREQSIZE = 5120;
inline constexpr std::size_t LDLM_MAXREPSIZE = 1024;
inline constexpr std::size_t MDS_MAXREQSIZE = 5120; // the readpage service
inline constexpr std::size_t MDS_MAXREPSIZE = 9216;
inline constexpr std::size_t MDS_EA_MAXREQSIZE = 66288; // the general MDT service
inline constexpr std::size_t OUT_MAXREQSIZE = 1024000;
inline constexpr std::size_t OUT_MAXREPSIZE = 9216;
inline constexpr std::size_t BUT_MAXREQSIZE = 1024000;
inline constexpr std::size_t BUT_MAXREPSIZE = 1024000;
inline constexpr std::size_t FLD_MAXREQSIZE = 160;
inline constexpr std::size_t FLD_MAXREPSIZE = 152;
inline constexpr std::size_t SEQ_MAXREQSIZE = 160;
inline constexpr std::size_t SEQ_MAXREPSIZE = 152;
inline constexpr std::size_t MGS_MAXREQSIZE = 7168;
inline constexpr std::size_t MGS_MAXREPSIZE = 9216;
inline constexpr std::size_t OST_MAXREQSIZE = 16384;
inline constexpr std::size_t OST_MAXREPSIZE = 9216;
inline constexpr std::size_t OST_IO_MAXREPSIZE = 9216;

/// Head of every message: lustre_msg_v2, 32 bytes, then bufcount u32 lengths, padding to 8, and the
/// buffers, each padded to 8 (02 2.1).
struct LustreMsgV2 {
	le32 bufcount; // 1 to PTLRPC_MAX_BUFCOUNT
	le32 secflvr;  // flavour in the low 24 bits, sender's SecPart above
	le32 magic;    // LUSTRE_MSG_MAGIC
	le32 repsize;  // request: reply size the sender expects; reply: 0
	le32 cksum;    // of the body, in early replies only
	le32 flags;    // MSGHDR_*
	le32 opc;      // batch sub-message: its opcode or result (2.17; padding in 2.15)
	le32 padding_3;
};
static_assert(sizeof(LustreMsgV2) == 32 && kOverlay<LustreMsgV2>);

/// Buffer 0 of every RPC, in the shortest form that may arrive: ptlrpc_body_v2, 152 bytes (02 2.2).
struct PtlrpcBodyV2 {
	Le<ExportHandle> handle; // request: the server's export; connect reply: the new one
	Le<MsgType> type;
	le32 version; // subsystem | PTLRPC_MSG_VERSION
	Le<Opcode> opc;
	sle32 status;	  // request: thread id; reply: result, negative errno or a code above 0
	Le<Xid> last_xid; // all up to here have been answered
	le16 tag;	  // slot of a modifying request, 0 = none
	le16 padding0;
	le32 projid;		    // with MSG_PACK_PROJID (2.17; padding in 2.15)
	Le<Transno> last_committed; // reply: what is durable for this client
	Le<Transno> transno;	    // reply: assigned; request: in replay only
	le32 flags;		    // MSG_*
	le32 op_flags;		    // MSG_CONNECT_*
	le32 conn_cnt;		    // the client's connection generation; 0 in callbacks
	le32 timeout;		    // seconds: request: what the client waits; reply: the estimate
	le32 service_time;	    // seconds
	le32 limit;		    // reply: lock LRU limit
	le64 slv;		    // reply: server lock volume, 0 = none
	Le<ObjectVersion> pre_versions[4]; // VBR: versions before the operation
	Le<MatchBits> mbits;		   // request: last bulk match bits and reply match bits
	le64 padding64_0;
	le64 padding64_1;
	le32 uid; // with MSG_PACK_UID_GID (2.17; padding in 2.15)
	le32 gid; // likewise
};
static_assert(sizeof(PtlrpcBodyV2) == 152 && kOverlay<PtlrpcBodyV2>);

/// Buffer 0 as it is sent: ptlrpc_body_v3, 184 bytes; its first 152 are PtlrpcBodyV2.
struct PtlrpcBody {
	Le<ExportHandle> handle;
	Le<MsgType> type;
	le32 version;
	Le<Opcode> opc;
	sle32 status;
	Le<Xid> last_xid;
	le16 tag;
	le16 padding0;
	le32 projid; // 2.17; padding in 2.15
	Le<Transno> last_committed;
	Le<Transno> transno;
	le32 flags;
	le32 op_flags;
	le32 conn_cnt;
	le32 timeout;
	le32 service_time;
	le32 limit;
	le64 slv;
	Le<ObjectVersion> pre_versions[4];
	Le<MatchBits> mbits;
	le64 padding64_0;
	le64 padding64_1;
	le32 uid;	 // 2.17; padding in 2.15
	le32 gid;	 // 2.17; padding in 2.15
	Chars<32> jobid; // with OBD_CONNECT_JOBSTATS
};
static_assert(sizeof(PtlrpcBody) == 184 && kOverlay<PtlrpcBody>);

/// ocd_connect_flags: what two peers may use with each other (02 7.4). A server grants a subset of
/// what was asked; a bit granted unasked makes a stock client drop the connection.
inline constexpr u64 OBD_CONNECT_RDONLY = 0x1;		     // client will not modify
inline constexpr u64 OBD_CONNECT_INDEX = 0x2;		     // ocd_index is valid
inline constexpr u64 OBD_CONNECT_MDS = 0x4;		     // the client is an MDT
inline constexpr u64 OBD_CONNECT_GRANT = 0x8;		     // write-back grant wanted
inline constexpr u64 OBD_CONNECT_SRVLOCK = 0x10;	     // server may lock for the client
inline constexpr u64 OBD_CONNECT_VERSION = 0x20;	     // ocd_version is valid
inline constexpr u64 OBD_CONNECT_MGS_NIDLIST = 0x40;	     // 2.17; 2.15 OSTs: another meaning
inline constexpr u64 OBD_CONNECT_ACL = 0x80;		     // POSIX ACLs
inline constexpr u64 OBD_CONNECT_XATTR = 0x100;		     // user.* attributes
inline constexpr u64 OBD_CONNECT_LARGE_ACL = 0x200;	     // more than 32 ACL entries
inline constexpr u64 OBD_CONNECT_OLD_FALLOC = 0x400;	     // set by clients before 2.15
inline constexpr u64 OBD_CONNECT_TRANSNO = 0x800;	     // historic
inline constexpr u64 OBD_CONNECT_IBITS = 0x1000;	     // inode bits locks
inline constexpr u64 OBD_CONNECT_BARRIER = 0x2000;	     // write barrier
inline constexpr u64 OBD_CONNECT_ATTRFID = 0x4000;	     // getattr by FID; clients insist on it
inline constexpr u64 OBD_CONNECT_NODEVOH = 0x8000;	     // no open handle for special files
inline constexpr u64 OBD_CONNECT_RMT_CLIENT = 0x10000;	     // never asked for
inline constexpr u64 OBD_CONNECT_RMT_CLIENT_FORCE = 0x20000; // never asked for
inline constexpr u64 OBD_CONNECT_BRW_SIZE = 0x40000;	     // ocd_brw_size is valid
inline constexpr u64 OBD_CONNECT_QUOTA64 = 0x80000;	     // never asked for
inline constexpr u64 OBD_CONNECT_MDS_CAPA = 0x100000;	     // asked for, never granted
inline constexpr u64 OBD_CONNECT_OSS_CAPA = 0x200000;	     // asked for, never granted
inline constexpr u64 OBD_CONNECT_CANCELSET = 0x400000; // lists of locks to cancel in other requests
inline constexpr u64 OBD_CONNECT_SOM = 0x800000;       // never asked for
inline constexpr u64 OBD_CONNECT_AT = 0x1000000;       // adaptive time-outs
inline constexpr u64 OBD_CONNECT_LRU_RESIZE = 0x2000000;       // lock volume in replies
inline constexpr u64 OBD_CONNECT_MDS_MDS = 0x4000000;	       // connection between MDTs
inline constexpr u64 OBD_CONNECT_REAL = 0x8000000;	       // never asked for
inline constexpr u64 OBD_CONNECT_CHANGE_QS = 0x10000000;       // never asked for
inline constexpr u64 OBD_CONNECT_CKSUM = 0x20000000;	       // ocd_cksum_types is valid
inline constexpr u64 OBD_CONNECT_FID = 0x40000000;	       // required
inline constexpr u64 OBD_CONNECT_VBR = 0x80000000;	       // version based recovery
inline constexpr u64 OBD_CONNECT_LOV_V3 = 0x100000000;	       // layouts with pools
inline constexpr u64 OBD_CONNECT_GRANT_SHRINK = 0x200000000;   // client gives unused grant back
inline constexpr u64 OBD_CONNECT_SKIP_ORPHAN = 0x400000000;    // MDT: orphan ids are not used again
inline constexpr u64 OBD_CONNECT_MAX_EASIZE = 0x800000000;     // ocd_max_easize is valid
inline constexpr u64 OBD_CONNECT_FULL20 = 0x1000000000;	       // required
inline constexpr u64 OBD_CONNECT_LAYOUTLOCK = 0x2000000000;    // layout locks
inline constexpr u64 OBD_CONNECT_64BITHASH = 0x4000000000;     // 64-bit directory positions
inline constexpr u64 OBD_CONNECT_MAXBYTES = 0x8000000000;      // ocd_maxbytes is valid
inline constexpr u64 OBD_CONNECT_IMP_RECOV = 0x10000000000;    // imperative recovery
inline constexpr u64 OBD_CONNECT_JOBSTATS = 0x20000000000;     // pb_jobid is valid
inline constexpr u64 OBD_CONNECT_UMASK = 0x40000000000;	       // server applies the umask
inline constexpr u64 OBD_CONNECT_EINPROGRESS = 0x80000000000;  // client retries -EINPROGRESS
inline constexpr u64 OBD_CONNECT_GRANT_PARAM = 0x100000000000; // grant parameters are valid
inline constexpr u64 OBD_CONNECT_FLOCK_OWNER = 0x200000000000; // never asked for
inline constexpr u64 OBD_CONNECT_LVB_TYPE = 0x400000000000;    // large lock value blocks
inline constexpr u64 OBD_CONNECT_NANOSEC_TIME = 0x800000000000; // never asked for
inline constexpr u64 OBD_CONNECT_LIGHTWEIGHT = 0x1000000000000; // a server's, without a slot
inline constexpr u64 OBD_CONNECT_SHORTIO = 0x2000000000000;	// data inside messages
inline constexpr u64 OBD_CONNECT_PINGLESS = 0x4000000000000;	// client need not ping
inline constexpr u64 OBD_CONNECT_FLOCK_DEAD = 0x8000000000000; // flock deadlocks are told by a flag
inline constexpr u64 OBD_CONNECT_DISP_STRIPE = 0x10000000000000; // DISP_OPEN_STRIPE is used
inline constexpr u64 OBD_CONNECT_OPEN_BY_FID = 0x20000000000000; // open without a name
inline constexpr u64 OBD_CONNECT_LFSCK = 0x40000000000000;
inline constexpr u64 OBD_CONNECT_UNLINK_CLOSE = 0x100000000000000; // never asked for
inline constexpr u64 OBD_CONNECT_MULTIMODRPCS = 0x200000000000000; // many modifying requests
inline constexpr u64 OBD_CONNECT_DIR_STRIPE = 0x400000000000000;   // striped directories
inline constexpr u64 OBD_CONNECT_SUBTREE = 0x800000000000000;	   // mount of a subdirectory
inline constexpr u64 OBD_CONNECT_BULK_MBITS = 0x2000000000000000;  // pb_mbits: bulk match bits
inline constexpr u64 OBD_CONNECT_OBDOPACK = 0x4000000000000000;	   // never asked for
inline constexpr u64 OBD_CONNECT_FLAGS2 = 0x8000000000000000;	   // ocd_connect_flags2 is valid

/// ocd_connect_flags2 (02 7.5); "2.17" marks what 2.15 does not know.
inline constexpr u64 OBD_CONNECT2_FILE_SECCTX = 0x1; // security context in create and getattr
inline constexpr u64 OBD_CONNECT2_LOCKAHEAD = 0x2;
inline constexpr u64 OBD_CONNECT2_DIR_MIGRATE = 0x4;
inline constexpr u64 OBD_CONNECT2_SUM_STATFS = 0x8; // MDT sums the OSTs' statfs
inline constexpr u64 OBD_CONNECT2_OVERSTRIPING = 0x10;
inline constexpr u64 OBD_CONNECT2_FLR = 0x20;	       // mirrored layouts
inline constexpr u64 OBD_CONNECT2_WBC_INTENTS = 0x40;  // never asked for
inline constexpr u64 OBD_CONNECT2_LOCK_CONVERT = 0x80; // inode bits may be dropped singly
inline constexpr u64 OBD_CONNECT2_ARCHIVE_ID_ARRAY = 0x100;
inline constexpr u64 OBD_CONNECT2_INC_XID = 0x200; // XIDs of one tag only grow
inline constexpr u64 OBD_CONNECT2_SELINUX_POLICY = 0x400;
inline constexpr u64 OBD_CONNECT2_LSOM = 0x800; // lazy size on the MDT
inline constexpr u64 OBD_CONNECT2_PCC = 0x1000;
inline constexpr u64 OBD_CONNECT2_CRUSH = 0x2000; // crush directory hash
inline constexpr u64 OBD_CONNECT2_ASYNC_DISCARD = 0x4000;
inline constexpr u64 OBD_CONNECT2_ENCRYPT = 0x8000;
inline constexpr u64 OBD_CONNECT2_FIDMAP = 0x10000; // never asked for
inline constexpr u64 OBD_CONNECT2_GETATTR_PFID = 0x20000;
inline constexpr u64 OBD_CONNECT2_LSEEK = 0x40000;	// OST_SEEK
inline constexpr u64 OBD_CONNECT2_DOM_LVB = 0x80000;	// Data-on-MDT size in the lock value block
inline constexpr u64 OBD_CONNECT2_REP_MBITS = 0x100000; // replies go to pb_mbits
inline constexpr u64 OBD_CONNECT2_MODE_CONVERT = 0x200000;     // never asked for
inline constexpr u64 OBD_CONNECT2_BATCH_RPC = 0x400000;	       // MDS_BATCH (2.17)
inline constexpr u64 OBD_CONNECT2_PCCRO = 0x800000;	       // 2.17
inline constexpr u64 OBD_CONNECT2_MNE_TYPE = 0x1000000;	       // never asked for (2.17)
inline constexpr u64 OBD_CONNECT2_LOCK_CONTENTION = 0x2000000; // never asked for (2.17)
inline constexpr u64 OBD_CONNECT2_ATOMIC_OPEN_LOCK = 0x4000000;
inline constexpr u64 OBD_CONNECT2_ENCRYPT_NAME = 0x8000000;
inline constexpr u64 OBD_CONNECT2_DMV_IMP_INHERIT = 0x20000000;	 // 2.17
inline constexpr u64 OBD_CONNECT2_ENCRYPT_FID2PATH = 0x40000000; // 2.17
inline constexpr u64 OBD_CONNECT2_REPLAY_CREATE = 0x80000000;	 // MDT may replay OST_CREATE (2.17)
inline constexpr u64 OBD_CONNECT2_LARGE_NID = 0x100000000;	 // 2.17
inline constexpr u64 OBD_CONNECT2_COMPRESS = 0x200000000;	 // never asked for (2.17)
inline constexpr u64 OBD_CONNECT2_UNALIGNED_DIO = 0x400000000;	 // 2.17
inline constexpr u64 OBD_CONNECT2_CONN_POLICY = 0x800000000;	 // never asked for (2.17)
inline constexpr u64 OBD_CONNECT2_SPARSE = 0x1000000000;	 // never asked for (2.17)
inline constexpr u64 OBD_CONNECT2_MIRROR_ID_FIX = 0x2000000000;	 // 2.17
inline constexpr u64 OBD_CONNECT2_UPDATE_LAYOUT = 0x4000000000;	 // never asked for (2.17)
inline constexpr u64 OBD_CONNECT2_READDIR_OPEN = 0x8000000000;	 // 2.17
inline constexpr u64 OBD_CONNECT2_FLR_EC = 0x10000000000;	 // never asked for (2.17)
inline constexpr u64 OBD_CONNECT2_FLR_IMMED_MIRROR = 0x20000000000; // never asked for (2.17)
inline constexpr u64 OBD_CONNECT2_NO_APPEND = 0x40000000000;	    // never asked for (2.17)

/// What stock 2.17 servers are able to grant, without encryption. 2.15 differs: MDT flags2
/// 0xc1effbd, OST flags ...7e and flags2 0x148202, MGS flags ...20 and flags2 0x100000.
inline constexpr u64 MDT_CONNECT_SUPPORTED = 0xae7f5e7be744d3b9;
inline constexpr u64 MDT_CONNECT_SUPPORTED2 = 0x246cdeffbd;
inline constexpr u64 OST_CONNECT_SUPPORTED = 0xa0475afee344003e;
inline constexpr u64 OST_CONNECT_SUPPORTED2 = 0x480148202;
inline constexpr u64 MGS_CONNECT_SUPPORTED = 0xa004011001002060;
inline constexpr u64 MGS_CONNECT_SUPPORTED2 = 0x100100000;
inline constexpr u64 CLIENT_CONNECT_MDT_REQD = 0x1040004000; // or a stock client does not mount

/// ocd_cksum_types, and OSTs' choice of it (02 7.2, 05 9).
inline constexpr u32 OBD_CKSUM_CRC32 = 0x1;
inline constexpr u32 OBD_CKSUM_ADLER = 0x2;
inline constexpr u32 OBD_CKSUM_CRC32C = 0x4;
inline constexpr u32 OBD_CKSUM_RESERVED = 0x8;
inline constexpr u32 OBD_CKSUM_T10IP512 = 0x10;
inline constexpr u32 OBD_CKSUM_T10IP4K = 0x20;
inline constexpr u32 OBD_CKSUM_T10CRC512 = 0x40;
inline constexpr u32 OBD_CKSUM_T10CRC4K = 0x80;
inline constexpr u32 OBD_CKSUM_T10_ALL = 0xf0;
inline constexpr u32 OBD_CKSUM_ALL = 0xf7;

/// What two peers tell each other at connect: obd_connect_data, 192 bytes (02 7.2). A field is
/// valid only when its flag is set; peers send left-overs in the others.
struct ObdConnectData {
	le64 connect_flags;  // OBD_CONNECT_*
	le32 version;	     // with VERSION: major << 24 | minor << 16 | patch << 8 | fix
	le32 grant;	     // with GRANT: bytes
	le32 index;	     // with INDEX
	le32 brw_size;	     // with BRW_SIZE: bytes of one bulk, never 0 in a reply
	le64 ibits_known;    // with IBITS: MDS_INODELOCK_*
	u8 grant_blkbits;    // with GRANT_PARAM: log2 of the block size
	u8 grant_inobits;    // with GRANT_PARAM: log2 of the bytes a new inode costs
	le16 grant_tax_kb;   // with GRANT_PARAM: KiB an extent costs
	le32 grant_max_blks; // with GRANT_PARAM: blocks of an extent at most
	Le<Transno> transno; // with MSG_CONNECT_TRANSNO: first one to be replayed
	le32 group;	     // with MDS: MDT index
	le32 cksum_types;    // with CKSUM: OBD_CKSUM_*
	le32 max_easize;     // with MAX_EASIZE
	le32 instance;	     // reply: how often the target has been mounted
	le64 maxbytes;	     // with MAXBYTES
	le16 maxmodrpcs;     // with MULTIMODRPCS
	u8 conn_policy;	     // 2.17, with CONN_POLICY; padding in 2.15
	u8 padding0;
	le32 padding1;
	le64 connect_flags2; // with FLAGS2: OBD_CONNECT2_*
	le64 compr_type;     // 2.17, with COMPRESS; padding in 2.15
	le64 padding4;
	le64 padding5;
	le64 padding6;
	le64 padding7;
	le64 padding8;
	le64 padding9;
	le64 paddingA;
	le64 paddingB;
	le64 paddingC;
	le64 paddingD;
	le64 paddingE;
	le64 paddingF;
};
static_assert(sizeof(ObdConnectData) == 192 && kOverlay<ObdConnectData>);

/// The release whose structures these are: 2.17.0. What we announce in ocd_version is decided
/// elsewhere.
inline constexpr u32 LUSTRE_VERSION_CODE = 0x2110000;

/// Who sends a message, in the top byte of lm_secflvr (02 5.1).
enum class SecPart : u8 {
	LUSTRE_SP_CLI = 0x0, // client mount, every callback, every reply
	LUSTRE_SP_MDT = 0x1,
	LUSTRE_SP_OST = 0x2,
	LUSTRE_SP_MGC = 0x3, // any node's configuration client
	LUSTRE_SP_MGS = 0x4,
	LUSTRE_SP_ANY = 0xff, // rules only
};

/// Low 4 bits of the flavour: how messages are wrapped (02 5).
enum class SecPolicy : u8 {
	SPTLRPC_POLICY_NULL = 0x0,  // as they are
	SPTLRPC_POLICY_PLAIN = 0x1, // in an outer message, checksummed
	SPTLRPC_POLICY_GSS = 0x2,   // in an outer message, signed or sealed
};

/// Bits 8 to 11 of the flavour.
enum class SecService : u8 {
	SPTLRPC_SVC_NULL = 0x0,
	SPTLRPC_SVC_AUTH = 0x1,
	SPTLRPC_SVC_INTG = 0x2,
	SPTLRPC_SVC_PRIV = 0x3,
};

/// Bits 12 to 15 of the flavour.
enum class SecBulkType : u8 {
	SPTLRPC_BULK_DEFAULT = 0x0,
	SPTLRPC_BULK_HASH = 0x1,
};

/// Bits 16 to 19 of the flavour.
enum class SecBulkService : u8 {
	SPTLRPC_BULK_SVC_NULL = 0x0,
	SPTLRPC_BULK_SVC_AUTH = 0x1,
	SPTLRPC_BULK_SVC_INTG = 0x2,
	SPTLRPC_BULK_SVC_PRIV = 0x3,
};

/// How a bulk is hashed under the plain policy.
enum class BulkHash : u8 {
	BULK_HASH_ALG_NULL = 0x0,
	BULK_HASH_ALG_ADLER32 = 0x1,
	BULK_HASH_ALG_CRC32 = 0x2,
	BULK_HASH_ALG_MD5 = 0x3,
	BULK_HASH_ALG_SHA1 = 0x4,
	BULK_HASH_ALG_SHA256 = 0x5,
	BULK_HASH_ALG_SHA384 = 0x6,
	BULK_HASH_ALG_SHA512 = 0x7,
};

/// Positions in the flavour word.
inline constexpr u32 FLVR_POLICY_OFFSET = 0;
inline constexpr u32 FLVR_MECH_OFFSET = 4;
inline constexpr u32 FLVR_SVC_OFFSET = 8;
inline constexpr u32 FLVR_BULK_TYPE_OFFSET = 12;
inline constexpr u32 FLVR_BULK_SVC_OFFSET = 16;

/// The flavours that have names without gss: what lm_secflvr holds in its low 24 bits.
inline constexpr u32 SPTLRPC_FLVR_NULL = 0x0;
inline constexpr u32 SPTLRPC_FLVR_PLAIN = 0x21001;

/// Where a reply lies in the client's buffer when the request had MSGHDR_AT_SUPPORT: behind the
/// room for an early reply of that flavour (02 1.2).
inline constexpr std::size_t kEarlyReplyNull = 224;
inline constexpr std::size_t kEarlyReplyPlain = 272;

/// First segment of a message under the plain policy, 8 bytes (02 5.3).
struct PlainHeader {
	u8 version; // 0
	u8 flags;   // kPlainUserDesc, kPlainBulk
	Le<SecPart> part;
	Le<BulkHash> hash;
	u8 padding[4];
};
static_assert(sizeof(PlainHeader) == 8 && kOverlay<PlainHeader>);
inline constexpr u8 kPlainUserDesc = 0x1;
inline constexpr u8 kPlainBulk = 0x2;

/// Third segment under the plain policy: who asks; ngroups u32 follow.
struct PtlrpcUserDesc {
	le32 uid;
	le32 gid;
	le32 fsuid;
	le32 fsgid;
	le32 cap;
	le32 ngroups;
};
static_assert(sizeof(PtlrpcUserDesc) == 24 && kOverlay<PtlrpcUserDesc>);

/// Fourth segment under the plain policy: checksum of the bulk follows.
struct PtlrpcBulkSecDesc {
	u8 version; // 0
	u8 type;    // SecBulkType
	u8 svc;	    // SecBulkService
	u8 flags;   // BSD_FL_ERR
	le32 nob;   // bytes of the bulk
};
static_assert(sizeof(PtlrpcBulkSecDesc) == 8 && kOverlay<PtlrpcBulkSecDesc>);

inline constexpr u8 BSD_FL_ERR = 0x1; // the sender found its bulk damaged

} // namespace wire
