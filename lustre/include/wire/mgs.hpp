// SPDX-License-Identifier: GPL-2.0
//
// The configuration service: MGS messages, configuration log records and what they set up (02 9,
// 07 12.3).
#pragma once

#include "wire/fid.hpp"

namespace wire
{

/// Sizes of the texts.
inline constexpr std::size_t MTI_NAME_MAXLEN = 64;
inline constexpr std::size_t MTI_PARAM_MAXLEN = 4096;
inline constexpr std::size_t MTI_NIDS_MAX = 32;
inline constexpr std::size_t MTN_NIDSTR_SIZE = 64; // 2.17
inline constexpr std::size_t MGS_PARAM_MAXLEN = 1024;
inline constexpr std::size_t LUSTRE_MAXFSNAME = 8;
inline constexpr std::size_t LUSTRE_MAXINSTANCE = 16;

/// mti_flags, and ldd_flags of the disk (02 9.8, 07 3.2). Only the low 16 bits live on disk.
inline constexpr u32 LDD_F_SV_TYPE_MDT = 0x1;
inline constexpr u32 LDD_F_SV_TYPE_OST = 0x2;
inline constexpr u32 LDD_F_SV_TYPE_MGS = 0x4;
inline constexpr u32 LDD_F_SV_TYPE_MASK = 0x7;
inline constexpr u32 LDD_F_SV_ALL = 0x8;
inline constexpr u32 LDD_F_NEED_INDEX = 0x10;
inline constexpr u32 LDD_F_VIRGIN = 0x20; // never registered
inline constexpr u32 LDD_F_UPDATE = 0x40;
inline constexpr u32 LDD_F_REWRITE_LDD = 0x80;	 // reply: write mountdata
inline constexpr u32 LDD_F_WRITECONF = 0x100;	 // make the logs anew
inline constexpr u32 LDD_F_PARAM = 0x400;	 // parameters only
inline constexpr u32 LDD_F_NO_PRIMNODE = 0x1000; // NIDs come from the service nodes only
inline constexpr u32 LDD_F_IR_CAPABLE = 0x2000;	 // reply: imperative recovery
inline constexpr u32 LDD_F_ERROR = 0x4000;	 // reply: refused
inline constexpr u32 LDD_F_PARAM2 = 0x8000;
inline constexpr u32 LDD_F_NO_LOCAL_LOGS = 0x10000;
inline constexpr u32 LDD_F_LARGE_NID = 0x20000;	   // targets send NID strings (2.17)
inline constexpr u32 LDD_F_OPC_REG = 0x10000000;   // phase: start
inline constexpr u32 LDD_F_OPC_UNREG = 0x20000000; // phase: never sent
inline constexpr u32 LDD_F_OPC_READY = 0x40000000; // phase: started
inline constexpr u32 LDD_F_OPC_MASK = 0xf0000000;
inline constexpr u32 LDD_F_MASK = 0xffff; // what may be kept on disk

/// MGS_TARGET_REG, both ways: 4544 bytes; 2.17 may have NID strings behind it.
struct MgsTargetInfo {
	le32 lustre_ver; // release of the target
	le32 stripe_index;
	le32 config_ver;
	le32 flags; // LDD_F_*
	le32 nid_count;
	le32 instance;
	Chars<64> fsname;
	Chars<64> svname;
	Chars<40> uuid;
	le64 nids[32]; // 4-byte NIDs in 64 bits
	Chars<4096> params;
};
static_assert(sizeof(MgsTargetInfo) == 4544 && kOverlay<MgsTargetInfo>);

/// mtn_flags (2.17).
inline constexpr u32 NIDLIST_APPEND = 0x1;
inline constexpr u32 NIDLIST_IN_BULK = 0x2; // the list is fetched from portal 33
inline constexpr u32 NIDLIST_COMPRESSED = 0x4;

/// Second buffer of MGS_TARGET_REG with OBD_CONNECT_MGS_NIDLIST (2.17): 8 bytes, then nids strings
/// of MTN_NIDSTR_SIZE.
struct MgsTargetNidlist {
	le32 flags;
	le32 nids;
};
static_assert(sizeof(MgsTargetNidlist) == 8 && kOverlay<MgsTargetNidlist>);

/// One NID of MgsTargetNidlist.
struct MgsNidString {
	Chars<MTN_NIDSTR_SIZE> nid;
};
static_assert(sizeof(MgsNidString) == 64 && kOverlay<MgsNidString>);

/// MGS_SET_INFO; obsolete.
struct MgsSendParam {
	Chars<1024> param;
};
static_assert(sizeof(MgsSendParam) == 1024 && kOverlay<MgsSendParam>);

/// mcb_type, and word 1 of a configuration lock's name (02 9.2).
enum class MgsCfgType : u16 {
	MGS_CFG_T_CONFIG = 0x0,
	MGS_CFG_T_SPTLRPC = 0x1,
	MGS_CFG_T_RECOVER = 0x2,
	MGS_CFG_T_PARAMS = 0x3,
	MGS_CFG_T_NODEMAP = 0x4,
	MGS_CFG_T_BARRIER = 0x5,
};

/// MGS_CONFIG_READ (02 9.7).
struct MgsConfigBody {
	Chars<64> name; // of the log
	le64 offset;	// first version wanted
	Le<MgsCfgType> type;
	union {
		u8 nm_cur_pass;
		u8 rec_nid_size; // 0: 4-byte NIDs; 20: large ones (2.17)
	};
	u8 bits;    // log2 of the unit
	le32 units; // of room
};
static_assert(sizeof(MgsConfigBody) == 80 && kOverlay<MgsConfigBody>);

struct MgsConfigRes {
	le64 offset; // last version in the answer
	union {
		le64 size; // newest version there is
		le64 nm_cur_pass;
	};
};
static_assert(sizeof(MgsConfigRes) == 16 && kOverlay<MgsConfigRes>);

/// mne_type.
enum class NidtblTargetType : u8 {
	kNidtblMdt = 1,
	kNidtblOst = 2,
};

/// mne_nid_type: how the NIDs that follow an entry are written.
enum class NidtblNidType : u8 {
	kNidtblNid4 = 0,     // le64 each
	kNidtblNidLarge = 1, // 20 bytes each (2.17)
	kNidtblNidText = 2,  // (2.17)
};

/// Where a target is, for imperative recovery: 24 bytes, then the NIDs.
struct MgsNidtblEntry {
	le64 version;  // grows from entry to entry
	le32 instance; // the target's mount count
	le32 index;
	le32 length; // of the entry with NIDs and padding
	Le<NidtblTargetType> type;
	Le<NidtblNidType> nid_type;
	u8 nid_size; // 8 or 20
	u8 nid_count;
};
static_assert(sizeof(MgsNidtblEntry) == 24 && kOverlay<MgsNidtblEntry>);

/// cm_flags.
inline constexpr u32 CM_START = 0x1;
inline constexpr u32 CM_END = 0x2;
inline constexpr u32 CM_SKIP = 0x4; // the records between do not count any more
inline constexpr u32 CM_UPGRADE146 = 0x8;
inline constexpr u32 CM_EXCLUDE = 0x10;
inline constexpr u32 CM_START_SKIP = 0x5;

/// Brackets a group of configuration records: 160 bytes. Bytes behind the NULs may be stale.
struct CfgMarker {
	le32 step;  // the same in START and END
	le32 flags; // CM_*
	le32 vers;  // release that wrote it
	le32 padding;
	sle64 createtime;
	sle64 canceltime; // 0 while valid
	Chars<64> tgtname;
	Chars<64> comment;
};
static_assert(sizeof(CfgMarker) == 160 && kOverlay<CfgMarker>);

/// lcfg_version, and the bit of a command that must be understood.
inline constexpr u32 LUSTRE_CFG_VERSION = 0x1cf60001;
inline constexpr u32 LCFG_REQUIRED = 0x1000;
inline constexpr u32 LUSTRE_CFG_MAX_BUFCOUNT = 8;

inline constexpr std::string_view LUSTRE_CFG_ALL_TARGETS = "general"; // buffer 0 of LCFG_SET_PARAM

/// lcfg_command (02 9.6, 07 12.3). Those of node maps are ioctl only.
enum class LcfgCommand : u32 {
	LCFG_ATTACH = 0xcf001,
	LCFG_DETACH = 0xcf002,
	LCFG_SETUP = 0xcf003,
	LCFG_CLEANUP = 0xcf004,
	LCFG_ADD_UUID = 0xcf005,
	LCFG_DEL_UUID = 0xcf006,
	LCFG_MOUNTOPT = 0xcf007,
	LCFG_DEL_MOUNTOPT = 0xcf008,
	LCFG_SET_TIMEOUT = 0xcf009,
	LCFG_SET_UPCALL = 0xcf00a,
	LCFG_ADD_CONN = 0xcf00b,
	LCFG_DEL_CONN = 0xcf00c,
	LCFG_LOV_ADD_OBD = 0xcf00d,
	LCFG_LOV_DEL_OBD = 0xcf00e,
	LCFG_PARAM = 0xcf00f,
	LCFG_MARKER = 0xcf010,
	LCFG_LOG_START = 0xce011,
	LCFG_LOG_END = 0xce012,
	LCFG_LOV_ADD_INA = 0xce013,
	LCFG_ADD_MDC = 0xcf014,
	LCFG_DEL_MDC = 0xcf015,
	LCFG_SPTLRPC_CONF = 0xce016,
	LCFG_POOL_NEW = 0xce020,
	LCFG_POOL_ADD = 0xce021,
	LCFG_POOL_REM = 0xce022,
	LCFG_POOL_DEL = 0xce023,
	LCFG_SET_LDLM_TIMEOUT = 0xce030,
	LCFG_PRE_CLEANUP = 0xcf031,
	LCFG_SET_PARAM = 0xce032,
	LCFG_NODEMAP_ADD = 0xce040,
	LCFG_NODEMAP_DEL = 0xce041,
	LCFG_NODEMAP_ADD_RANGE = 0xce042,
	LCFG_NODEMAP_DEL_RANGE = 0xce043,
	LCFG_NODEMAP_ADD_UIDMAP = 0xce044,
	LCFG_NODEMAP_DEL_UIDMAP = 0xce045,
	LCFG_NODEMAP_ADD_GIDMAP = 0xce046,
	LCFG_NODEMAP_DEL_GIDMAP = 0xce047,
	LCFG_NODEMAP_ACTIVATE = 0xce048,
	LCFG_NODEMAP_ADMIN = 0xce049,
	LCFG_NODEMAP_ADD_PROJIDMAP = 0xce04a,
	LCFG_NODEMAP_DEL_PROJIDMAP = 0xce04b,
	LCFG_NODEMAP_ADD_OFFSET = 0xce04c,
	LCFG_NODEMAP_DEL_OFFSET = 0xce04d,
	LCFG_NODEMAP_TRUSTED = 0xce050,
	LCFG_NODEMAP_SQUASH_UID = 0xce051,
	LCFG_NODEMAP_SQUASH_GID = 0xce052,
	LCFG_NODEMAP_ADD_SHKEY = 0xce053,
	LCFG_NODEMAP_DEL_SHKEY = 0xce054,
	LCFG_NODEMAP_TEST_NID = 0xce055,
	LCFG_NODEMAP_TEST_ID = 0xce056,
	LCFG_NODEMAP_SET_FILESET = 0xce057,
	LCFG_NODEMAP_DENY_UNKNOWN = 0xce058,
	LCFG_NODEMAP_MAP_MODE = 0xce059,
	LCFG_NODEMAP_AUDIT_MODE = 0xce05a,
	LCFG_NODEMAP_SET_SEPOL = 0xce05b,
	LCFG_NODEMAP_FORBID_ENCRYPT = 0xce05c,
	LCFG_NODEMAP_SQUASH_PROJID = 0xce05d,
	LCFG_NODEMAP_READONLY_MOUNT = 0xce05e,
	LCFG_NODEMAP_RBAC = 0xce05f,
	LCFG_NODEMAP_DENY_MOUNT = 0xce060,
	LCFG_NODEMAP_RAISE_PRIVS = 0xce061,
	LCFG_NODEMAP_FILESET_ADD = 0xce062,
	LCFG_NODEMAP_SET_CAPS = 0xce063,
	LCFG_NODEMAP_FILESET_DEL = 0xce064,
	LCFG_NODEMAP_GSS_IDENTIFY = 0xce065,
	LCFG_NODEMAP_LOOKUP_SHA = 0xce066,
	LCFG_NODEMAP_FILESET_MODIFY = 0xce067,
	LCFG_NODEMAP_BANLIST_ADD = 0xce068,
	LCFG_NODEMAP_BANLIST_DEL = 0xce069,
};

/// A configuration command: 32 bytes, bufcount lengths, padding to 8, and the buffers, each padded
/// to 8. Body of a log record and of an ioctl.
struct LustreCfg {
	le32 version; // LUSTRE_CFG_VERSION
	Le<LcfgCommand> command;
	le32 num;
	le32 flags;
	le64 nid;      // LCFG_ADD_UUID: a 4-byte NID, or 0
	le32 nal;      // 0
	le32 bufcount; // at most LUSTRE_CFG_MAX_BUFCOUNT
};
static_assert(sizeof(LustreCfg) == 32 && kOverlay<LustreCfg>);

/// Words of the parameters that ldd_params, registrations and configuration logs carry (02 9.6a, 07
/// 3.5): those that end in '=' are whole names, those that end in '.' name a layer.
inline constexpr std::string_view PARAM_TIMEOUT = "timeout=";
inline constexpr std::string_view PARAM_LDLM_TIMEOUT = "ldlm_timeout=";
inline constexpr std::string_view PARAM_AT_MIN = "at_min=";
inline constexpr std::string_view PARAM_AT_MAX = "at_max=";
inline constexpr std::string_view PARAM_AT_EXTRA = "at_extra=";
inline constexpr std::string_view PARAM_AT_EARLY_MARGIN = "at_early_margin=";
inline constexpr std::string_view PARAM_AT_HISTORY = "at_history=";
inline constexpr std::string_view PARAM_JOBID_VAR = "jobid_var=";
inline constexpr std::string_view PARAM_MGSNODE = "mgsnode=";
inline constexpr std::string_view PARAM_FAILNODE = "failover.node=";
inline constexpr std::string_view PARAM_FAILMODE = "failover.mode=";
inline constexpr std::string_view PARAM_ACTIVE = "active=";
inline constexpr std::string_view PARAM_NETWORK = "network=";
inline constexpr std::string_view PARAM_ID_UPCALL = "identity_upcall=";
inline constexpr std::string_view PARAM_ROOTSQUASH = "root_squash=";
inline constexpr std::string_view PARAM_NOSQUASHNIDS = "nosquash_nids=";
inline constexpr std::string_view PARAM_AUTODEGRADE = "autodegrade=";
inline constexpr std::string_view PARAM_TBFRULES = "nrs_tbf_rule="; // 2.17
inline constexpr std::string_view PARAM_PCC = "pcc=";		    // 2.17
inline constexpr std::string_view PARAM_WBC = "wbc=";		    // 2.17
inline constexpr std::string_view PARAM_OST = "ost.";
inline constexpr std::string_view PARAM_OSD = "osd.";
inline constexpr std::string_view PARAM_OSC = "osc.";
inline constexpr std::string_view PARAM_MDT = "mdt.";
inline constexpr std::string_view PARAM_HSM = "mdt.hsm.";
inline constexpr std::string_view PARAM_MDD = "mdd.";
inline constexpr std::string_view PARAM_MDC = "mdc.";
inline constexpr std::string_view PARAM_LLITE = "llite.";
inline constexpr std::string_view PARAM_LOV = "lov.";
inline constexpr std::string_view PARAM_LOD = "lod.";
inline constexpr std::string_view PARAM_OSP = "osp.";
inline constexpr std::string_view PARAM_SYS = "sys.";
inline constexpr std::string_view PARAM_SRPC = "srpc.";
inline constexpr std::string_view PARAM_SRPC_FLVR = "srpc.flavor.";
inline constexpr std::string_view PARAM_SRPC_UDESC = "srpc.udesc.cli2mdt";
inline constexpr std::string_view PARAM_SEC = "security.";
inline constexpr std::string_view PARAM_QUOTA = "quota.";

inline constexpr std::size_t LDD_PARAM_LEN = 4096;

/// Defaults in the descriptors below.
inline constexpr u32 LOV_DESC_MAGIC = 0xb0ccde5c;
inline constexpr u32 LOV_DESC_STRIPE_SIZE_DEFAULT = 0x400000; // 1 MiB in 2.15
inline constexpr u32 LOV_DESC_QOS_MAXAGE_DEFAULT = 5;
inline constexpr u32 LMV_DESC_QOS_MAXAGE_DEFAULT = 60;

/// Argument of a lov's LCFG_SETUP: 88 bytes.
struct LovDesc {
	le32 tgt_count;
	le32 active_tgt_count;
	sle32 default_stripe_count;
	le32 pattern;
	le64 default_stripe_size;
	sle64 default_stripe_offset;
	le32 padding_0;
	le32 qos_maxage; // seconds
	le32 padding_1;
	le32 padding_2;
	ObdUuid uuid;
};
static_assert(sizeof(LovDesc) == 88 && kOverlay<LovDesc>);

/// Argument of an lmv's LCFG_SETUP: 88 bytes, zero but for the uuid.
struct LmvDesc {
	le32 tgt_count;
	le32 active_tgt_count;
	le32 default_stripe_count;
	le32 pattern;
	le64 default_hash_size;
	le64 padding_1;
	le32 padding_2;
	le32 qos_maxage;
	le32 padding_3;
	le32 padding_4;
	ObdUuid uuid;
};
static_assert(sizeof(LmvDesc) == 88 && kOverlay<LmvDesc>);

} // namespace wire
