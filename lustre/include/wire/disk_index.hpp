// SPDX-License-Identifier: GPL-2.0
//
// Index files of a target: the IAM containers, the records of the object index and of the FLD, and
// FIDs kept in directory entries (07 7, 8, 13.2).
#pragma once

#include "wire/fid.hpp"

namespace wire
{

inline constexpr u64 IAM_LFIX_ROOT_MAGIC = 0xbedabb1ed; // first 8 bytes of an lfix container

/// Other magics: an lvar container's first 4 bytes, leaves, idle tables.
inline constexpr u32 IAM_LVAR_ROOT_MAGIC = 0xb01dface;
inline constexpr u32 IAM_LEAF_HEADER_MAGIC = 0x1976; // 16 bits
inline constexpr u32 IAM_LVAR_LEAF_MAGIC = 0x1973;   // 16 bits
inline constexpr u32 IAM_IDLE_HEADER_MAGIC = 0x7903; // 16 bits

/// Bounds.
inline constexpr u32 DX_MAX_TREE_HEIGHT = 5;
inline constexpr u32 OSD_OI_FID_NR = 64; // object index files of a new target
inline constexpr u32 OSD_OI_FID_NR_MAX = 1024;
inline constexpr u32 LVAR_PAD = 4;
inline constexpr u32 HASH_GRAY_AREA = 0x400;	 // lvar
inline constexpr u32 HASH_MAX_SIZE = 0x7fffffff; // lvar

/// Block 0 of an lfix container: 16 bytes, then slots of key and pointer.
struct IamLfixRoot {
	le64 magic; // IAM_LFIX_ROOT_MAGIC
	le16 keysize;
	le16 recsize;
	le16 ptrsize;
	u8 indirect_levels;
	u8 padding;
};
static_assert(sizeof(IamLfixRoot) == 16 && kOverlay<IamLfixRoot>);

/// Slots of an index node: in place of slot 0.
struct IamCountLimit {
	le16 limit;
	le16 count; // slot 0 included
};
static_assert(sizeof(IamCountLimit) == 4 && kOverlay<IamCountLimit>);

/// Head of a leaf: 4 bytes, then count keys and records in memcmp order.
struct IamLeafHead {
	le16 magic; // IAM_LEAF_HEADER_MAGIC
	le16 count;
};
static_assert(sizeof(IamLeafHead) == 4 && kOverlay<IamLeafHead>);

/// Head of a table of free blocks; le32 block numbers follow.
struct IamIdleHead {
	le16 magic; // IAM_IDLE_HEADER_MAGIC
	le16 count;
	le32 next; // next table, 0 = none
};
static_assert(sizeof(IamIdleHead) == 8 && kOverlay<IamIdleHead>);

/// Block 0 of an lvar container.
struct LvarRoot {
	le32 magic;
	le16 recsize;
	le16 ptrsize;
	u8 indirect_levels;
	u8 padding0;
	le16 padding1;
};
static_assert(sizeof(LvarRoot) == 12 && kOverlay<LvarRoot>);

/// Slot of an lvar node.
struct LvarIndexEntry {
	le32 hash;
	le32 block;
};
static_assert(sizeof(LvarIndexEntry) == 8 && kOverlay<LvarIndexEntry>);

struct LvarLeafHeader {
	le16 magic;
	le16 used;
};
static_assert(sizeof(LvarLeafHeader) == 4 && kOverlay<LvarLeafHeader>);

/// Entry of an lvar leaf: 6 bytes, the key, the record; the size of the stock structure includes 2
/// bytes of padding.
struct LvarLeafEntry {
	le32 hash;
	le16 keysize;

	u8 stock_padding[2]; // the key begins here
};
static_assert(sizeof(LvarLeafEntry) == 8 && kOverlay<LvarLeafEntry>);

/// Record of the object index, big-endian; its key is FidBe (07 8.5).
struct OiRecord {
	be32 ino;
	be32 gen;
};
static_assert(sizeof(OiRecord) == 8 && kOverlay<OiRecord>);

/// Record of the FLD; its key is be64 start (07 13.2).
struct FldRecord {
	be64 start;
	be64 end; // exclusive
	be32 index;
	be32 flags; // LU_SEQ_RANGE_*
};
static_assert(sizeof(FldRecord) == 24 && kOverlay<FldRecord>);

/// A FID behind the name of a directory entry: 17 bytes (07 7.1).
struct DirentFid {
	u8 len; // 17
	FidBe fid;
};
static_assert(sizeof(DirentFid) == 17 && kOverlay<DirentFid>);

/// Incompatible feature bit of a backing file system whose directory entries carry FIDs, and the
/// bit of the entry's file type that says this one does.
inline constexpr u32 kIncompatDirdata = 0x1000;
inline constexpr u8 kDirentLuFid = 0x10;

} // namespace wire
