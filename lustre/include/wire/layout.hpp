// SPDX-License-Identifier: GPL-2.0
//
// Layouts of files (LOV) and directories (LMV): extended attributes kept little-endian on the wire
// and on disk (04 13 to 15). "User" forms are what setstripe sends; they differ in the meaning of a
// field or two.
#pragma once

#include "wire/fid.hpp"

namespace wire
{

/// First word of a file layout.
inline constexpr u32 LOV_MAGIC_MAGIC = 0xbd0; // low 16 bits of them all
inline constexpr u32 LOV_MAGIC_MASK = 0xffff;
inline constexpr u32 LOV_MAGIC_V1 = 0xbd10bd0;	     // plain
inline constexpr u32 LOV_MAGIC_JOIN_V1 = 0xbd20bd0;  // obsolete
inline constexpr u32 LOV_MAGIC_V3 = 0xbd30bd0;	     // plain, with a pool
inline constexpr u32 LOV_MAGIC_MIGRATE = 0xbd40bd0;  // obsolete
inline constexpr u32 LOV_MAGIC_SPECIFIC = 0xbd50bd0; // request only: objects on given OSTs
inline constexpr u32 LOV_MAGIC_COMP_V1 = 0xbd60bd0;  // composite
inline constexpr u32 LOV_MAGIC_FOREIGN = 0xbd70bd0;
inline constexpr u32 LOV_MAGIC_SEL = 0xbd80bd0; // request only: self-extending
inline constexpr u32 LOV_MAGIC_BAD = 0xbad0bd0; // 2.17
inline constexpr u32 LOV_MAGIC = 0xbd10bd0;
inline constexpr u32 LOV_MAGIC_DEFINED = 0x10000000; // bit: striping was given, objects not made
inline constexpr u32 LOV_MAGIC_V1_DEFINED = 0x1bd10bd0;
inline constexpr u32 LOV_MAGIC_V3_DEFINED = 0x1bd30bd0;
inline constexpr u32 LOV_MAGIC_COMP_V1_DEFINED = 0x1bd60bd0;

/// The same magics under the names of the user forms.
inline constexpr u32 LOV_USER_MAGIC_V1 = 0xbd10bd0;
inline constexpr u32 LOV_USER_MAGIC = 0xbd10bd0;
inline constexpr u32 LOV_USER_MAGIC_JOIN_V1 = 0xbd20bd0;
inline constexpr u32 LOV_USER_MAGIC_V3 = 0xbd30bd0;
inline constexpr u32 LOV_USER_MAGIC_SPECIFIC = 0xbd50bd0;
inline constexpr u32 LOV_USER_MAGIC_COMP_V1 = 0xbd60bd0;
inline constexpr u32 LOV_USER_MAGIC_FOREIGN = 0xbd70bd0;
inline constexpr u32 LOV_USER_MAGIC_SEL = 0xbd80bd0;

/// lmm_pattern. PARITY, COMPRESS and the mask of bad ones are 2.17's.
inline constexpr u32 LOV_PATTERN_NONE = 0x0;
inline constexpr u32 LOV_PATTERN_RAID0 = 0x1;
inline constexpr u32 LOV_PATTERN_RAID1 = 0x2;
inline constexpr u32 LOV_PATTERN_PARITY = 0x4;
inline constexpr u32 LOV_PATTERN_MDT = 0x100;	       // data on the MDT
inline constexpr u32 LOV_PATTERN_OVERSTRIPING = 0x200; // several stripes on one OST
inline constexpr u32 LOV_PATTERN_FOREIGN = 0x400;
inline constexpr u32 LOV_PATTERN_COMPRESS = 0x800;
inline constexpr u32 LOV_PATTERN_BAD = 0x502;
inline constexpr u32 LOV_PATTERN_F_MASK = 0xffff0000;
inline constexpr u32 LOV_PATTERN_F_HOLE = 0x40000000;	  // a stripe is known to be missing
inline constexpr u32 LOV_PATTERN_F_RELEASED = 0x80000000; // data is in the archive
inline constexpr u32 LOV_PATTERN_DEFAULT = 0xffffffff;

/// lcme_flags of a component; PARITY and above, but NEG, are 2.17's.
inline constexpr u32 LCME_FL_STALE = 0x1;
inline constexpr u32 LCME_FL_PREF_RD = 0x2;
inline constexpr u32 LCME_FL_PREF_WR = 0x4;
inline constexpr u32 LCME_FL_PREF_RW = 0x6;
inline constexpr u32 LCME_FL_OFFLINE = 0x8;
inline constexpr u32 LCME_FL_INIT = 0x10; // has its objects
inline constexpr u32 LCME_FL_NOSYNC = 0x20;
inline constexpr u32 LCME_FL_EXTENSION = 0x40; // virtual component of a self-extending layout
inline constexpr u32 LCME_FL_PARITY = 0x80;
inline constexpr u32 LCME_FL_COMPRESS = 0x100;
inline constexpr u32 LCME_FL_PARTIAL = 0x200;
inline constexpr u32 LCME_FL_NOCOMPR = 0x400;
inline constexpr u32 LCME_FL_NEG = 0x80000000; // requests: not having the flags

/// Sets of them (2.17's values).
inline constexpr u32 LCME_KNOWN_FLAGS = 0x800000f7;
inline constexpr u32 LCME_USER_COMP_FLAGS = 0xe6;
inline constexpr u32 LCME_USER_MIRROR_FLAGS = 0x406;
inline constexpr u32 LCME_CL_COMP_FLAGS = 0x4c6;
inline constexpr u32 LCME_MIRROR_FLAGS = 0x20;
inline constexpr u32 LCME_TEMPLATE_FLAGS = 0x66;

/// lcme_id: mirror id in bits 16 to 30, component number below.
inline constexpr u32 LCME_ID_INVAL = 0x0;
inline constexpr u32 LCME_ID_MAX = 0x7fffffff;
inline constexpr u32 LCME_ID_ALL = 0xffffffff;	  // requests: all components
inline constexpr u32 LCME_ID_NOT_ID = 0x80000000; // requests: all but the id
inline constexpr u32 LCME_ID_MASK = 0x7fffffff;
inline constexpr u32 SEQ_ID_MAX = 0xffff;
inline constexpr u32 SEQ_ID_MASK = 0xffff;
inline constexpr u32 MIRROR_ID_MASK = 0x7fff0000;
inline constexpr u32 MIRROR_ID_NEG = 0x8000;
inline constexpr u32 MIRROR_ID_SHIFT = 16;

/// lcm_flags: state of a mirrored file (04 13.4).
inline constexpr u16 LCM_FL_NONE = 0x0;
inline constexpr u16 LCM_FL_RDONLY = 0x1;	 // mirrors agree
inline constexpr u16 LCM_FL_WRITE_PENDING = 0x2; // written, others stale
inline constexpr u16 LCM_FL_SYNC_PENDING = 0x3;	 // being synchronised
inline constexpr u16 LCM_FL_PCC_RDONLY = 0x8;
inline constexpr u16 LCM_FL_FLR_MASK = 0xb;

/// Bits beside a layout generation in o_layout_version (05 5.3); HIGEN is 2.17's.
inline constexpr u32 LU_LAYOUT_HIGEN = 0x40000000;
inline constexpr u32 LU_LAYOUT_RESYNC = 0x80000000;

/// Bounds.
inline constexpr u64 LOV_MIN_STRIPE_BITS = 16;
inline constexpr u64 LOV_MIN_STRIPE_SIZE = 0x10000;
inline constexpr u64 LOV_MAX_STRIPE_COUNT = 2000;
inline constexpr u64 LOV_MAX_STRIPE_COUNT_OLD = 160;
inline constexpr u64 LOV_ALL_STRIPES = 0xffff;		  // stripe count: all OSTs
inline constexpr u64 LOV_ALL_STRIPES_WIDE = 0xffe0;	  // 2.17
inline constexpr u64 LOV_V1_INSANE_STRIPE_INDEX = 0xffdf; // 2.17
inline constexpr u64 LOV_V1_INSANE_STRIPE_COUNT = 0xffdf; // 0xfffc in 2.15
inline constexpr u64 LOV_OFFSET_DEFAULT = 0xffff;	  // stripe offset: any OST
inline constexpr u64 LOV_MAXPOOLNAME = 15;
inline constexpr u64 LUSTRE_MIRROR_COUNT_MAX = 16;
inline constexpr u64 SEL_UNIT_SIZE = 0x400; // unit of the stripe size of an extension component
inline constexpr u64 LUSTRE_EOF = 0xffffffffffffffff;
inline constexpr u64 MAX_MD_SIZE_OLD = 128;
inline constexpr u64 MAX_MD_SIZE = 736;
inline constexpr u64 MIN_MD_SIZE = 56;
inline constexpr u64 DEF_REP_MD_SIZE = 2432; // room for a layout in a stock intent reply

/// Pool names with a meaning.
inline constexpr std::string_view LOV_POOL_IGNORE = "ignore";
inline constexpr std::string_view LOV_POOL_INHERIT = "inherit";
inline constexpr std::string_view LOV_POOL_NONE = "none";

/// A range of a file.
struct LuExtent {
	le64 start;
	le64 end; // exclusive; LUSTRE_EOF = to the end
};
static_assert(sizeof(LuExtent) == 16 && kOverlay<LuExtent>);

/// One object of a stripe: 24 bytes.
struct LovOstData {
	OstId ost_oi;
	union {
		le32 ost_type;
		le32 ost_gen;
	};
	le32 ost_idx; // all ones in a component without objects
};
static_assert(sizeof(LovOstData) == 24 && kOverlay<LovOstData>);

/// Plain layout: 32 bytes, then stripe_count LovOstData (04 13.2).
struct LovMdsMdV1 {
	le32 magic;	  // LOV_MAGIC_V1
	le32 pattern;	  // LOV_PATTERN_*
	OstId oi;	  // id = the file's oid, seq = its sequence: not a FID view
	le32 stripe_size; // multiple of LOV_MIN_STRIPE_SIZE
	le16 stripe_count;
	le16 layout_gen;
};
static_assert(sizeof(LovMdsMdV1) == 32 && kOverlay<LovMdsMdV1>);

/// Plain layout with a pool: 48 bytes, then the objects.
struct LovMdsMdV3 {
	le32 magic; // LOV_MAGIC_V3
	le32 pattern;
	OstId oi;
	le32 stripe_size;
	le16 stripe_count;
	le16 layout_gen;
	Chars<16> pool_name;
};
static_assert(sizeof(LovMdsMdV3) == 48 && kOverlay<LovMdsMdV3>);

struct LovUserOstData {
	OstId ost_oi;
	union {
		le32 ost_type;
		le32 ost_gen;
	};
	le32 ost_idx;
};
static_assert(sizeof(LovUserOstData) == 24 && kOverlay<LovUserOstData>);

/// What setstripe asks for: like LovMdsMdV1, with a wish in place of the generation.
struct LovUserMdV1 {
	le32 magic;
	le32 pattern;
	OstId oi;
	le32 stripe_size;
	le16 stripe_count;
	union {
		le16 stripe_offset; // OST to begin with, LOV_OFFSET_DEFAULT
		le16 layout_gen;
	};
};
static_assert(sizeof(LovUserMdV1) == 32 && kOverlay<LovUserMdV1>);

struct LovUserMdV3 {
	le32 magic;
	le32 pattern;
	OstId oi;
	le32 stripe_size;
	le16 stripe_count;
	union {
		le16 stripe_offset;
		le16 layout_gen;
	};
	Chars<16> pool_name;
};
static_assert(sizeof(LovUserMdV3) == 48 && kOverlay<LovUserMdV3>);

/// lfm_type. NONE and the symlink type are 2.15's too.
inline constexpr u32 LU_FOREIGN_TYPE_NONE = 0x0;
inline constexpr u32 LU_FOREIGN_TYPE_POSIX = 0x1;
inline constexpr u32 LU_FOREIGN_TYPE_PCCRW = 0x2;
inline constexpr u32 LU_FOREIGN_TYPE_PCCRO = 0x3;
inline constexpr u32 LU_FOREIGN_TYPE_S3 = 0x4;
inline constexpr u32 LU_FOREIGN_TYPE_SYMLINK = 0xda05;
inline constexpr u32 LU_FOREIGN_TYPE_UNKNOWN = 0xffffffff;

/// Layout the file system does not understand: 16 bytes and a value.
struct LovForeignMd {
	le32 magic;
	le32 length; // of the value
	le32 type;
	le32 flags;
};
static_assert(sizeof(LovForeignMd) == 16 && kOverlay<LovForeignMd>);

/// A component: 48 bytes. The last four bytes are padding in 2.15.
struct LovCompMdEntryV1 {
	le32 id;    // mirror and component number
	le32 flags; // LCME_FL_*
	LuExtent extent;
	le32 offset; // of the component's own layout, from the composite's start
	le32 size;   // and its length
	le32 layout_gen;
	le64 timestamp;
	u8 dstripe_count;
	u8 cstripe_count;
	u8 compr_type;
	u8 compr; // level in the low 4 bits, log2 of the chunk in the high 4 (2.17)
};
static_assert(sizeof(LovCompMdEntryV1) == 48 && kOverlay<LovCompMdEntryV1>);

/// Composite layout: 32 bytes, entries, then the components' layouts (04 13.4).
struct LovCompMdV1 {
	le32 magic;
	le32 size; // of the whole
	le32 layout_gen;
	le16 flags; // LCM_FL_*
	le16 entry_count;
	le16 mirror_count; // mirrors less one
	u8 ec_count;	   // 2.17; padding in 2.15
	u8 padding3[1];
	le16 padding1[2];
	le64 padding2;
};
static_assert(sizeof(LovCompMdV1) == 32 && kOverlay<LovCompMdV1>);

/// 2.17.
struct LovHsmBase {
	le64 archive_id;
	le64 archive_ver;
	Chars<40> uuid;
};
static_assert(sizeof(LovHsmBase) == 56 && kOverlay<LovHsmBase>);

/// Foreign layout that points into an archive (2.17).
struct LovHsmMd {
	le32 magic;
	le32 length;
	le32 type;
	le32 flags;
	LovHsmBase hsm;
};
static_assert(sizeof(LovHsmMd) == 72 && kOverlay<LovHsmMd>);

/// What an OST object knows of its file's layout: 28 bytes (05 3, 07 9.2).
struct OstLayout {
	le32 stripe_size;
	le32 stripe_count;
	le64 comp_start; // 0..0 in a plain layout
	le64 comp_end;
	le32 comp_id;
};
static_assert(sizeof(OstLayout) == 28 && kOverlay<OstLayout>);

/// lai_opc (04 14). 2.15 ends at RESTORE.
enum class LayoutIntentOp : u32 {
	LAYOUT_INTENT_ACCESS = 0x0, // fetch
	LAYOUT_INTENT_READ = 0x1,
	LAYOUT_INTENT_WRITE = 0x2, // make objects for the extent
	LAYOUT_INTENT_GLIMPSE = 0x3,
	LAYOUT_INTENT_TRUNC = 0x4,
	LAYOUT_INTENT_RELEASE = 0x5,
	LAYOUT_INTENT_RESTORE = 0x6,
	LAYOUT_INTENT_PCCRO_SET = 0x7,
	LAYOUT_INTENT_PCCRO_CLEAR = 0x8,
	LAYOUT_INTENT_CHANGE = 0x9, // 2.17
};

inline constexpr u32 LAIF_INCOMPRESSIBLE = 0x1; // lai_flags, 2.17

struct LayoutIntent {
	Le<LayoutIntentOp> opc;
	le32 flags;
	LuExtent extent;
};
static_assert(sizeof(LayoutIntent) == 24 && kOverlay<LayoutIntent>);

/// First word of a directory layout.
inline constexpr u32 LMV_MAGIC_V1 = 0xcd20cd0; // striped directory; also a user form's old magic
inline constexpr u32 LMV_MAGIC = 0xcd20cd0;
inline constexpr u32 LMV_MAGIC_STRIPE = 0xcd40cd0; // on a stripe
inline constexpr u32 LMV_MAGIC_FOREIGN = 0xcd50cd0;
inline constexpr u32 LMV_USER_MAGIC = 0xcd30cd0; // requests and defaults
inline constexpr u32 LMV_USER_MAGIC_V0 = 0xcd20cd0;
inline constexpr u32 LMV_USER_MAGIC_SPECIFIC = 0xcd40cd0; // MDTs are given

/// lmv_hash_type: low 16 bits (04 15.2).
inline constexpr u32 LMV_HASH_TYPE_UNKNOWN = 0x0;
inline constexpr u32 LMV_HASH_TYPE_ALL_CHARS = 0x1;
inline constexpr u32 LMV_HASH_TYPE_FNV_1A_64 = 0x2;
inline constexpr u32 LMV_HASH_TYPE_CRUSH = 0x3;
inline constexpr u32 LMV_HASH_TYPE_CRUSH2 = 0x4; // 2.17
inline constexpr u32 LMV_HASH_TYPE_DEFAULT = 0x2;
inline constexpr u32 LMV_HASH_TYPE_MASK = 0xffff;

/// lmv_hash_type: flags above.
inline constexpr u32 LMV_HASH_FLAG_OVERSTRIPED = 0x1000000; // 2.17
inline constexpr u32 LMV_HASH_FLAG_FIXED = 0x2000000;
inline constexpr u32 LMV_HASH_FLAG_MERGE = 0x4000000;
inline constexpr u32 LMV_HASH_FLAG_SPLIT = 0x8000000;
inline constexpr u32 LMV_HASH_FLAG_LOST_LMV = 0x10000000;
inline constexpr u32 LMV_HASH_FLAG_BAD_TYPE = 0x20000000;
inline constexpr u32 LMV_HASH_FLAG_MIGRATION = 0x80000000;
inline constexpr u32 LMV_HASH_FLAG_LAYOUT_CHANGE = 0x8c000000;
inline constexpr u32 LMV_HASH_FLAG_KNOWN = 0xbf000000; // 2.15: 0xbe000000

/// Numbers of the hashes.
inline constexpr u64 LUSTRE_FNV_1A_64_PRIME = 0x100000001b3;
inline constexpr u64 LUSTRE_FNV_1A_64_OFFSET_BIAS = 0xcbf29ce484222325;
inline constexpr u64 LMV_CRUSH_PG_COUNT = 4096;

/// Stripes, MDTs, and how far a default layout is inherited.
inline constexpr u32 LMV_MAX_STRIPE_COUNT = 2000;
inline constexpr u32 LMV_MAX_STRIPES_PER_MDT = 5;     // 2.17
inline constexpr u32 LMV_OFFSET_DEFAULT = 0xffffffff; // any MDT
inline constexpr u32 LMV_TYPE_DEFAULT = 0x0;
inline constexpr u32 LMV_TYPE_RAW = 0x1; // 2.17
inline constexpr u32 LMV_INHERIT_UNLIMITED = 0;
inline constexpr u32 LMV_INHERIT_END = 1; // no further
inline constexpr u32 LMV_INHERIT_MAX = 250;
inline constexpr u32 LMV_INHERIT_NONE = 255;
inline constexpr u32 LMV_INHERIT_DEFAULT_PLAIN = 0;
inline constexpr u32 LMV_INHERIT_DEFAULT_STRIPED = 3;
inline constexpr u32 LMV_INHERIT_DEFAULT_OVERSTRIPED = 2; // 2.17
inline constexpr u32 LMV_INHERIT_RR_UNLIMITED = 255;
inline constexpr u32 LMV_INHERIT_RR_NONE = 0;
inline constexpr u32 LMV_INHERIT_RR_DEFAULT = 0;
inline constexpr u32 LMV_INHERIT_RR_END = 1;
inline constexpr u32 LMV_INHERIT_RR_ROOT = 3;
inline constexpr u32 LMV_INHERIT_RR_MAX = 250;

/// Striped directory: 56 bytes; on the wire the stripes' FIDs follow, on disk they do not (04 15.1,
/// 07 9.4).
struct LmvMdsMdV1 {
	le32 magic; // LMV_MAGIC or LMV_MAGIC_STRIPE
	le32 stripe_count;
	le32 master_mdt_index; // on a stripe: its number
	le32 hash_type;	       // LMV_HASH_*
	le32 layout_version;
	le32 migrate_offset;
	le32 migrate_hash;
	le32 padding2;
	le64 padding3;
	Chars<16> pool_name;
};
static_assert(sizeof(LmvMdsMdV1) == 56 && kOverlay<LmvMdsMdV1>);

struct LmvUserMdsData {
	Fid fid;
	le32 padding;
	le32 mds;
};
static_assert(sizeof(LmvUserMdsData) == 24 && kOverlay<LmvUserMdsData>);

/// What mkdir asks for, and a directory's default: 48 bytes, then the MDTs if they are given.
struct LmvUserMdV1 {
	le32 magic; // LMV_USER_MAGIC*
	le32 stripe_count;
	le32 stripe_offset; // first MDT, LMV_OFFSET_DEFAULT
	le32 hash_type;
	le32 type;
	u8 max_inherit;
	u8 max_inherit_rr;
	le16 padding1;
	le32 padding2;
	le32 padding3;
	Chars<16> pool_name;
};
static_assert(sizeof(LmvUserMdV1) == 48 && kOverlay<LmvUserMdV1>);

struct LmvForeignMd {
	le32 magic;
	le32 length;
	le32 type;
	le32 flags;
};
static_assert(sizeof(LmvForeignMd) == 16 && kOverlay<LmvForeignMd>);

/// A directory layout, to be told apart by its first word.
union LmvMdsMd {
	le32 magic;
	LmvMdsMdV1 md_v1;
	LmvUserMdV1 user_md_v1;
	LmvForeignMd foreign_md;
};
static_assert(sizeof(LmvMdsMd) == 56 && kOverlay<LmvMdsMd>);

} // namespace wire
