// SPDX-License-Identifier: GPL-2.0
//
// Remaining state files: OI scrub, node maps, index backups (07 10.1, 13.6).
#pragma once

#include "wire/fid.hpp"

namespace wire
{

/// sf_magic.
inline constexpr u32 SCRUB_MAGIC_V1 = 0x4c5fd252; // oi_count is to be taken as 0
inline constexpr u32 SCRUB_MAGIC_V2 = 0x4c5fe253;

/// sf_status.
enum class ScrubStatus : u16 {
	SS_INIT = 0,
	SS_SCANNING = 1,
	SS_COMPLETED = 2,
	SS_FAILED = 3,
	SS_STOPPED = 4,
	SS_PAUSED = 5,
	SS_CRASHED = 6,
};

/// sf_flags.
inline constexpr u64 SF_RECREATED = 0x1;
inline constexpr u64 SF_INCONSISTENT = 0x2;
inline constexpr u64 SF_AUTO = 0x4;
inline constexpr u64 SF_UPGRADE = 0x8;

/// sf_param and sf_internal_flags.
inline constexpr u16 SP_FAILOUT = 0x1;
inline constexpr u16 SP_DRYRUN = 0x2;
inline constexpr u16 SIF_NO_HANDLE_OLD_FID = 0x1;

inline constexpr std::size_t SCRUB_OI_BITMAP_SIZE = 128;

/// OI_scrub: 400 bytes.
struct ScrubFile {
	u8 uuid[16]; // of the superblock
	le64 flags;
	le32 magic;
	Le<ScrubStatus> status;
	le16 param;
	sle64 time_last_complete;
	sle64 time_latest_start;
	sle64 time_last_checkpoint;
	le64 pos_latest_start;
	le64 pos_last_checkpoint;
	le64 pos_first_inconsistent;
	le64 items_checked;
	le64 items_updated;
	le64 items_failed;
	le64 items_updated_prior;
	le64 items_noscrub;
	le64 items_igif;
	le32 run_time;
	le32 success_count;
	le16 oi_count;
	le16 internal_flags;
	le32 reserved_1;
	le64 reserved_2[16];
	u8 oi_bitmap[128]; // bit i: oi.16.i was created anew
};
static_assert(sizeof(ScrubFile) == 400 && kOverlay<ScrubFile>);

/// Kind of a node map record: top 4 bits of nk_nodemap_id.
enum class NodemapIdx : u32 {
	NODEMAP_EMPTY_IDX = 0,
	NODEMAP_CLUSTER_IDX = 1,
	NODEMAP_RANGE_IDX = 2,
	NODEMAP_UIDMAP_IDX = 3,
	NODEMAP_GIDMAP_IDX = 4,
	NODEMAP_PROJIDMAP_IDX = 5,
	NODEMAP_NID_MASK_IDX = 6, // 2.17
	NODEMAP_GLOBAL_IDX = 15,
};

/// Parts of the key.
inline constexpr u32 NM_TYPE_MASK = 0xfffffff; // the id
inline constexpr u32 NM_TYPE_SHIFT = 28;

/// nk_cluster_subid of a cluster's records; all but the first are 2.17's.
inline constexpr u32 NODEMAP_CLUSTER_REC = 0x0;
inline constexpr u32 NODEMAP_CLUSTER_ROLES = 0x1;
inline constexpr u32 NODEMAP_CLUSTER_OFFSET = 0x2;
inline constexpr u32 NODEMAP_CLUSTER_CAPS = 0x3;
inline constexpr u32 NODEMAP_FILESET = 0x200; // first of the file sets

/// ncr_flags.
inline constexpr u8 NM_FL_ALLOW_ROOT_ACCESS = 0x1;
inline constexpr u8 NM_FL_TRUST_CLIENT_IDS = 0x2;
inline constexpr u8 NM_FL_DENY_UNKNOWN = 0x4;
inline constexpr u8 NM_FL_MAP_UID = 0x8;
inline constexpr u8 NM_FL_MAP_GID = 0x10;
inline constexpr u8 NM_FL_ENABLE_AUDIT = 0x20;
inline constexpr u8 NM_FL_FORBID_ENCRYPT = 0x40;
inline constexpr u8 NM_FL_MAP_PROJID = 0x80;

/// ncr_flags2, nfhr_flags, range kinds.
inline constexpr u8 NM_FL2_READONLY_MOUNT = 0x1;
inline constexpr u8 NM_FL2_DENY_MOUNT = 0x2;
inline constexpr u8 NM_FL2_FILESET_USE_IAM = 0x4;
inline constexpr u8 NM_FL2_GSS_IDENTIFY = 0x8;
inline constexpr u8 NM_FS_FL_READONLY = 0x1;
inline constexpr u8 NM_RANGE_FL_REG = 0x0;
inline constexpr u8 NM_RANGE_FL_BAN = 0x1;

inline constexpr std::size_t LUSTRE_NODEMAP_NAME_LENGTH = 16;
inline constexpr std::size_t LUSTRE_NODEMAP_FILESET_FRAGMENT_SIZE = 28;
inline constexpr std::size_t LUSTRE_NODEMAP_FILESET_SUBID_RANGE = 256;
inline constexpr std::size_t LUSTRE_NODEMAP_FILESET_NUM_MAX = 256;

/// Key of the node map index: 8 bytes.
struct NodemapKey {
	le32 nodemap_id; // NodemapIdx << NM_TYPE_SHIFT | id
	union {
		le32 cluster_subid;
		le32 range_id;
		le32 id_client;
		le32 unused;
	};
};
static_assert(sizeof(NodemapKey) == 8 && kOverlay<NodemapKey>);

/// A node map: 32 bytes. Stock declares the two flag bytes as bit fields of enums.
struct NodemapClusterRec {
	Chars<17> name;
	u8 flags;  // NM_FL_*
	u8 flags2; // NM_FL2_*; padding in 2.15
	u8 padding1;
	le32 squash_projid;
	le32 squash_uid;
	le32 squash_gid;
};
static_assert(sizeof(NodemapClusterRec) == 32 && kOverlay<NodemapClusterRec>);

/// NIDs of a node map, 4-byte form.
struct NodemapRangeRec {
	le64 start_nid;
	le64 end_nid;
	le64 padding1;
	le64 padding2;
};
static_assert(sizeof(NodemapRangeRec) == 32 && kOverlay<NodemapRangeRec>);

/// NIDs of a node map, large form (2.17).
struct NodemapRange2Rec {
	u8 nid_prefix[20]; // a large NID
	le32 padding1;
	le32 padding2;
	le16 padding3;
	u8 padding4;
	u8 netmask;
};
static_assert(sizeof(NodemapRange2Rec) == 32 && kOverlay<NodemapRange2Rec>);

/// Id in the file system; the client's is in the key.
struct NodemapIdRec {
	le32 id_fs;
	le32 padding1;
	le64 padding2;
	le64 padding3;
	le64 padding4;
};
static_assert(sizeof(NodemapIdRec) == 32 && kOverlay<NodemapIdRec>);

struct NodemapGlobalRec {
	u8 is_active;
	u8 padding1;
	le16 padding2;
	le32 padding3;
	le64 padding4;
	le64 padding5;
	le64 padding6;
};
static_assert(sizeof(NodemapGlobalRec) == 32 && kOverlay<NodemapGlobalRec>);

/// 2.17.
struct NodemapClusterRolesRec {
	le64 roles;
	le64 privs;
	le64 roles_raise;
	le64 unused1;
};
static_assert(sizeof(NodemapClusterRolesRec) == 32 && kOverlay<NodemapClusterRolesRec>);

/// 2.17.
struct NodemapOffsetRec {
	le32 start_uid;
	le32 limit_uid;
	le32 start_gid;
	le32 limit_gid;
	le32 start_projid;
	le32 limit_projid;
	le32 padding1;
	le32 padding2;
};
static_assert(sizeof(NodemapOffsetRec) == 32 && kOverlay<NodemapOffsetRec>);

/// 2.17.
struct NodemapFilesetHeaderRec {
	u8 flags; // NM_FS_FL_*
	u8 padding1;
	le16 padding2;
	le32 padding3;
	le64 padding4[3];
};
static_assert(sizeof(NodemapFilesetHeaderRec) == 32 && kOverlay<NodemapFilesetHeaderRec>);

/// A piece of a file set's path (2.17).
struct NodemapFilesetRec {
	Chars<28> path_fragment;
	le16 fragment_id;
	le16 padding1;
};
static_assert(sizeof(NodemapFilesetRec) == 32 && kOverlay<NodemapFilesetRec>);

/// 2.17.
struct NodemapUserCapabilitiesRec {
	le64 caps;
	u8 type;
	u8 padding1;
	le16 padding2;
	le32 padding3;
	le64 padding4;
	le64 padding5;
};
static_assert(sizeof(NodemapUserCapabilitiesRec) == 32 && kOverlay<NodemapUserCapabilitiesRec>);

inline constexpr u32 INDEX_BACKUP_MAGIC_V1 = 0x1e41f208;

/// Head of index_backup/*.lbx: 512 bytes, then keys and records.
struct LustreIndexBackupHeader {
	le32 magic;
	le32 count;
	le32 keysize;
	le32 recsize;
	Fid owner;
	le64 pad[60];
};
static_assert(sizeof(LustreIndexBackupHeader) == 512 && kOverlay<LustreIndexBackupHeader>);

} // namespace wire
