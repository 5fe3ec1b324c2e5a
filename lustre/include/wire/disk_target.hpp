// SPDX-License-Identifier: GPL-2.0
//
// Files every server target keeps: mountdata, last_rcvd, reply_data, and the names of the rest
// (07 3.2, 6, 11).
#pragma once

#include "wire/mgs.hpp"
#include "wire/types.hpp"

namespace wire
{

/// Names in the root of the backing file system.
inline constexpr std::string_view MOUNT_CONFIGS_DIR = "CONFIGS";
inline constexpr std::string_view CONFIGS_FILE = "mountdata";
inline constexpr std::string_view MOUNT_DATA_FILE = "CONFIGS/mountdata";
inline constexpr std::string_view LAST_RCVD = "last_rcvd";
inline constexpr std::string_view REPLY_DATA = "reply_data";
inline constexpr std::string_view LOV_OBJID = "lov_objid";
inline constexpr std::string_view LOV_OBJSEQ = "lov_objseq";
inline constexpr std::string_view HEALTH_CHECK = "health_check";
inline constexpr std::string_view CAPA_KEYS = "capa_keys";
inline constexpr std::string_view MGS_NIDTBL_DIR = "NIDTBL_VERSIONS";
inline constexpr std::string_view QMT_DIR = "quota_master";
inline constexpr std::string_view QSD_DIR = "quota_slave";
inline constexpr std::string_view QSD_DIR_DT = "quota_slave_dt";
inline constexpr std::string_view QSD_DIR_MD = "quota_slave_md";
inline constexpr std::string_view LFSCK_DIR = "LFSCK";
inline constexpr std::string_view LFSCK_BOOKMARK = "lfsck_bookmark";
inline constexpr std::string_view LFSCK_LAYOUT = "lfsck_layout";
inline constexpr std::string_view LFSCK_NAMESPACE = "lfsck_namespace";
inline constexpr std::string_view REMOTE_PARENT_DIR = "REMOTE_PARENT_DIR";
inline constexpr std::string_view INDEX_BACKUP_DIR = "index_backup";
inline constexpr std::string_view MDT_ORPHAN_DIR = "PENDING";
inline constexpr std::string_view MDT_LOGS_DIR = "LOGS";
inline constexpr std::string_view LUSTRE_SEQ_SRV_NAME = "seq_srv";
inline constexpr std::string_view LUSTRE_SEQ_CTL_NAME = "seq_ctl";
inline constexpr std::string_view LUSTRE_NODEMAP_NAME = "nodemap";

inline constexpr u32 LDD_MAGIC = 0x1dd00001; // mountdata of the other byte order reads swapped

/// ldd_mount_type.
enum class LddMountType : u32 {
	LDD_MT_EXT3 = 0,
	LDD_MT_LDISKFS = 1,
	LDD_MT_REISERFS = 3,
	LDD_MT_LDISKFS2 = 4,
	LDD_MT_ZFS = 5,
	LDD_MT_WBCFS = 6, // 2.17
};

/// CONFIGS/mountdata: 12288 bytes.
struct LustreDiskData {
	le32 magic; // LDD_MAGIC
	le32 feature_compat;
	le32 feature_rocompat;
	le32 feature_incompat;
	le32 config_ver;
	le32 flags;   // LDD_F_*
	le32 svindex; // 0xffff = not assigned
	Le<LddMountType> mount_type;
	Chars<64> fsname;
	Chars<64> svname; // the label counts, not this
	Chars<40> uuid;
	Chars<824> userdata;
	u8 padding[3072];
	Chars<4096> mount_opts;
	Chars<4096> params; // " key=value" items; stale bytes may follow the NUL
};
static_assert(sizeof(LustreDiskData) == 12288 && kOverlay<LustreDiskData>);

/// Numbers of last_rcvd.
inline constexpr u32 LR_SERVER_SIZE = 512;
inline constexpr u32 LR_CLIENT_START = 8192;
inline constexpr u32 LR_CLIENT_SIZE = 128;
inline constexpr u32 LR_EXPIRE_INTERVALS = 16;
inline constexpr u32 LR_MAX_CLIENTS = 131072;

/// lsd_feature_compat, _rocompat and _incompat (07 11.1).
inline constexpr u32 OBD_COMPAT_OST = 0x2;
inline constexpr u32 OBD_COMPAT_MDT = 0x4;
inline constexpr u32 OBD_COMPAT_20 = 0x8;
inline constexpr u32 OBD_ROCOMPAT_LOVOBJID = 0x1;
inline constexpr u32 OBD_ROCOMPAT_IDX_IN_IDIF = 0x2;
inline constexpr u32 OBD_INCOMPAT_GROUPS = 0x1;
inline constexpr u32 OBD_INCOMPAT_OST = 0x2;
inline constexpr u32 OBD_INCOMPAT_MDT = 0x4;
inline constexpr u32 OBD_INCOMPAT_COMMON_LR = 0x8;
inline constexpr u32 OBD_INCOMPAT_FID = 0x10;
inline constexpr u32 OBD_INCOMPAT_SOM = 0x20;
inline constexpr u32 OBD_INCOMPAT_IAM_DIR = 0x40;
inline constexpr u32 OBD_INCOMPAT_LMA = 0x80;
inline constexpr u32 OBD_INCOMPAT_LMM_VER = 0x100;
inline constexpr u32 OBD_INCOMPAT_MULTI_OI = 0x200;
inline constexpr u32 OBD_INCOMPAT_MULTI_RPCS = 0x400;

/// Head of last_rcvd: 512 bytes.
struct LrServerData {
	Chars<40> uuid;		  // of the target
	Le<Transno> last_transno; // at the last write of this head
	le64 compat14;
	le64 mount_count; // the target's instance
	le32 feature_compat;
	le32 feature_rocompat;
	le32 feature_incompat;
	le32 server_size;
	le32 client_start;
	le16 client_size;
	le16 subdir_count; // directories below O/<seq>
	le64 catalog_oid;
	le32 catalog_ogen;
	Chars<40> peeruuid;
	le32 osd_index; // the target's index
	le32 padding1;
	le32 start_epoch;
	le64 trans_table[16];
	le32 trans_table_time;
	le32 expire_intervals;
	u8 padding[224];
};
static_assert(sizeof(LrServerData) == 512 && kOverlay<LrServerData>);

/// A client's slot of last_rcvd: 128 bytes; an empty uuid is a free slot.
struct LsdClientData {
	Chars<40> uuid;
	Le<Transno> last_transno;
	Le<Xid> last_xid;
	sle32 last_result;
	le32 last_data;
	Le<Transno> last_close_transno;
	Le<Xid> last_close_xid;
	sle32 last_close_result;
	le32 last_close_data;
	Le<ObjectVersion> pre_versions[4];
	le32 last_epoch;
	le32 generation; // ties reply_data records to this client
};
static_assert(sizeof(LsdClientData) == 128 && kOverlay<LsdClientData>);

/// lrh_magic of reply_data. Stock 2.17 writes V1 and reads both; 2.15 knows V1 only.
inline constexpr u32 LRH_MAGIC_V1 = 0xbdabda01;
inline constexpr u32 LRH_MAGIC_V2 = 0xbdabda02;
inline constexpr u32 LRH_MAGIC = 0xbdabda01; // what is written

/// Head of reply_data: 32 bytes, records follow.
struct LsdReplyHeader {
	le32 magic;
	le32 header_size;
	le32 reply_size;
	u8 pad[20];
};
static_assert(sizeof(LsdReplyHeader) == 32 && kOverlay<LsdReplyHeader>);

/// A reply to be rebuilt: 32 bytes.
struct LsdReplyDataV1 {
	Le<Transno> transno;
	Le<Xid> xid;
	le64 data;    // disposition of an intent
	sle32 result; // in the numbers of the wire
	le32 client_gen;
};
static_assert(sizeof(LsdReplyDataV1) == 32 && kOverlay<LsdReplyDataV1>);

/// The same with the place in a batch: 64 bytes (2.17 reads it).
struct LsdReplyDataV2 {
	Le<Transno> transno;
	Le<Xid> xid;
	le64 data;
	sle32 result;
	le32 client_gen;
	le32 batch_idx;
	le32 padding[7];
};
static_assert(sizeof(LsdReplyDataV2) == 64 && kOverlay<LsdReplyDataV2>);

} // namespace wire
