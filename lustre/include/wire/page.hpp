// SPDX-License-Identifier: GPL-2.0
//
// Bulk contents of fixed page size: directory pages and index containers (04 12.2, 02 6.4). Both
// are little-endian always.
#pragma once

#include "wire/fid.hpp"

namespace wire
{

/// Pages are this big whatever the machine's are.
inline constexpr std::size_t LU_PAGE_SHIFT = 12;
inline constexpr std::size_t LU_PAGE_SIZE = 4096;

/// lde_attrs, and mbo_mode of a readdir request: what an entry carries.
inline constexpr u32 LUDA_FID = 0x1;
inline constexpr u32 LUDA_TYPE = 0x2; // the mode follows the name
inline constexpr u32 LUDA_64BITHASH = 0x4;

/// Local to an MDT and its checker; never sent.
inline constexpr u32 LU_DIRENT_ATTRS_MASK = 0xff00;
inline constexpr u32 LUDA_UNKNOWN = 0x400;
inline constexpr u32 LUDA_IGNORE = 0x800;
inline constexpr u32 LUDA_UPGRADE = 0x1000;
inline constexpr u32 LUDA_REPAIR = 0x2000;
inline constexpr u32 LUDA_VERIFY_DRYRUN = 0x4000;
inline constexpr u32 LUDA_VERIFY = 0x8000;

/// ldp_flags.
inline constexpr u32 LDF_EMPTY = 0x1;	// no entries
inline constexpr u32 LDF_COLLIDE = 0x2; // the last entry's hash goes on in the next page

inline constexpr u64 MDS_DIR_END_OFF = 0xfffffffffffffffe; // ldp_hash_end of the last page

/// Head of a directory page: 24 bytes, entries follow.
struct LuDirpage {
	le64 hash_start; // of the first entry; in the first page, what was asked for
	le64 hash_end;	 // of the first entry left out
	le32 flags;	 // LDF_*
	le32 pad0;
};
static_assert(sizeof(LuDirpage) == 24 && kOverlay<LuDirpage>);

/// An entry: 32 bytes, the name and its NUL, then with LUDA_TYPE a le16 mode at 32 + namelen
/// rounded up to 2; all rounded up to 8.
struct LuDirent {
	Fid fid;
	le64 hash;
	le16 reclen; // distance to the next; 0 in the last of a page
	le16 namelen;
	le32 attrs; // LUDA_*
};
static_assert(sizeof(LuDirent) == 32 && kOverlay<LuDirent>);

struct LudaType {
	le16 type; // S_IFMT bits
};
static_assert(sizeof(LudaType) == 2 && kOverlay<LudaType>);

/// ii_magic, and ii_flags: how keys and records lie.
inline constexpr u32 IDX_INFO_MAGIC = 0x3d37cc37;
inline constexpr u32 II_FL_NOHASH = 0x1; // no hash before each pair
inline constexpr u32 II_FL_VARKEY = 0x2;
inline constexpr u32 II_FL_VARREC = 0x4;
inline constexpr u32 II_FL_NONUNQ = 0x8;
inline constexpr u32 II_FL_NOKEY = 0x10;

inline constexpr u64 II_END_OFF = 0xfffffffffffffffe; // ii_hash_end when everything was returned

/// OBD_IDX_READ, both ways: 80 bytes.
struct IdxInfo {
	le32 magic;
	le32 flags;
	le16 count; // of LU_PAGE_SIZE containers
	le16 pad0;
	le32 attrs;
	Fid fid;
	le64 version;
	le64 hash_start;
	le64 hash_end;
	le16 keysize;
	le16 recsize;
	le32 pad1;
	le64 pad2;
	le64 pad3;
};
static_assert(sizeof(IdxInfo) == 80 && kOverlay<IdxInfo>);

inline constexpr u32 LIP_MAGIC = 0x8a6d6b6c;

inline constexpr std::size_t LIP_HDR_SIZE = 16;

/// Head of an index container: 16 bytes, then the pairs.
struct LuIdxpage {
	le32 magic;
	le16 flags;
	le16 nr; // of pairs
	le64 pad0;
};
static_assert(sizeof(LuIdxpage) == 16 && kOverlay<LuIdxpage>);

} // namespace wire
