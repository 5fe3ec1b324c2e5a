// SPDX-License-Identifier: GPL-2.0
//
// The plain data that passes between an object store and its users (osd/osd.hpp): attributes, what
// a new object is to be, directory entries, extents, the pieces of a bulk transfer, and what a
// device says about itself. Nothing here allocates or locks. Everything is in host byte order and
// in the kernel's own units unless stated.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "libcfs/plat/page.h"
#include "libcfs/result.hpp"
#include "wire/fid.hpp"

namespace osd
{

using Fid = wire::Fid;

class Object;

/// File types, the S_IFMT bits of a mode.
inline constexpr std::uint32_t kTypeMask = 0170000;
inline constexpr std::uint32_t kTypeFifo = 0010000;
inline constexpr std::uint32_t kTypeChar = 0020000;
inline constexpr std::uint32_t kTypeDir = 0040000;
inline constexpr std::uint32_t kTypeBlock = 0060000;
inline constexpr std::uint32_t kTypeFile = 0100000;
inline constexpr std::uint32_t kTypeLink = 0120000;
inline constexpr std::uint32_t kTypeSocket = 0140000;

/// A moment as inodes keep it. Seconds may be negative (before 1970).
struct Time {
	std::int64_t sec = 0;
	std::uint32_t nsec = 0;

	bool operator==(const Time &) const = default;
};

/// Which fields of an Attr count.
inline constexpr std::uint32_t kAttrMode = 0x0001; ///< permissions, with the setuid to sticky bits
inline constexpr std::uint32_t kAttrType = 0x0002; ///< only told, never set
inline constexpr std::uint32_t kAttrUid = 0x0004;
inline constexpr std::uint32_t kAttrGid = 0x0008;
inline constexpr std::uint32_t kAttrProjid = 0x0010;
inline constexpr std::uint32_t kAttrFlags = 0x0020;
inline constexpr std::uint32_t kAttrAtime = 0x0040;
inline constexpr std::uint32_t kAttrMtime = 0x0080;
inline constexpr std::uint32_t kAttrCtime = 0x0100;
inline constexpr std::uint32_t kAttrBtime = 0x0200;  ///< told; set only as an object is created
inline constexpr std::uint32_t kAttrSize = 0x0400;   ///< told; changed by writes and punch
inline constexpr std::uint32_t kAttrBlocks = 0x0800; ///< only told
inline constexpr std::uint32_t kAttrNlink = 0x1000;  ///< told; changed by ref_add, ref_del
inline constexpr std::uint32_t kAttrRdev = 0x2000;   ///< told; set only as an object is created
inline constexpr std::uint32_t kAttrSettable = kAttrMode | kAttrUid | kAttrGid | kAttrProjid |
					       kAttrFlags | kAttrAtime | kAttrMtime | kAttrCtime;
inline constexpr std::uint32_t kAttrOwner = kAttrUid | kAttrGid | kAttrProjid;

struct Attr {
	std::uint32_t valid = 0; ///< kAttr*
	std::uint32_t mode = 0;	 ///< type and permissions
	std::uint32_t uid = 0;	 ///< with gid and projid, whose quota pays for it
	std::uint32_t gid = 0;
	std::uint32_t projid = 0;
	std::uint32_t flags = 0; ///< wire::LUSTRE_*_FL; those of LUSTRE_LMA_FL_MASKS are in the LMA
	std::uint32_t nlink = 0;
	std::uint32_t rdev = 0;	  ///< as in obdo and mdt_body: the kernel's 32-bit encoding
	std::uint64_t size = 0;	  ///< bytes
	std::uint64_t blocks = 0; ///< 512 bytes each
	Time atime, mtime, ctime, btime;
};

/// Shape of an index with keys and records of a fixed size (07 8). Keys order as memcmp does.
struct IndexSpec {
	std::uint16_t key_bytes = 0; ///< at most kIndexKeyMax
	std::uint16_t record_bytes = 0;

	bool operator==(const IndexSpec &) const = default;
};
inline constexpr std::size_t kIndexKeyMax = 64;
inline constexpr std::size_t kIndexRecordMax = 256;

/// What a new object is to be.
struct CreateSpec {
	/// Mode with type, uid, gid, times, flags and projid are taken as far as attr.valid names
	/// them; kAttrMode | kAttrType are required. An absent owner is root, absent times are now
	/// except that a file with mode 0107666, a precreated OST object, has 0 (07 9.5).
	Attr attr{};
	/// The directory it will be entered in: where to look for free blocks, what ".." of a new
	/// directory will be, whose PROJINHERIT flag counts. Required for directories; other
	/// objects may have none, and lie where the back end keeps such FIDs (07 5.3).
	Object *parent = nullptr;
	/// Not empty for an index file; the type is then kTypeFile.
	IndexSpec index{};
	/// Text of a symbolic link, without NUL.
	std::string_view symlink{};
};

/// Longest text of a symbolic link.
inline constexpr std::size_t kSymlinkMax = 4095;
/// Longest name in a directory.
inline constexpr std::size_t kNameMax = 255;
/// Longest name of an extended attribute, and the most that a value can be anywhere; a device may
/// take less (DeviceInfo::xattr_max).
inline constexpr std::size_t kXattrNameMax = 255;
inline constexpr std::size_t kXattrSizeMax = 65536;

/// An entry of a directory. `name` belongs to whoever gave the item.
struct DirItem {
	Fid fid{};
	/// The place in the directory, for wire::LuDirent::hash: below kDirEnd, ascending, the same
	/// for a name as long as the directory lives. Names may share one. The upper 32 bits alone
	/// order names too, so for clients with 32-bit positions `cookie >> 32` is a position, and
	/// seek(position << 32) goes there.
	std::uint64_t cookie = 0;
	std::uint32_t type = 0; ///< kTypeDir etc.
	std::string_view name{};
};

/// Behind the last entry. It is below 2^63 and thus below the protocol's MDS_DIR_END_OFF.
inline constexpr std::uint64_t kDirEnd = (std::uint64_t{1} << 63) - 1;

/// A range's end that means: however long the object is or gets.
inline constexpr std::uint64_t kEof = ~std::uint64_t{0};

/// fallocate modes, with the numbers of the kernel and of the wire.
inline constexpr std::uint32_t kFallocKeepSize = 0x01;
inline constexpr std::uint32_t kFallocPunchHole = 0x02;
inline constexpr std::uint32_t kFallocZeroRange = 0x10;

/// Where data is, for fiemap. Flags are FIEMAP_EXTENT_*.
struct Extent {
	std::uint64_t logical = 0;  ///< bytes
	std::uint64_t physical = 0; ///< bytes on the device
	std::uint64_t length = 0;   ///< bytes
	std::uint32_t flags = 0;
};
inline constexpr std::uint32_t kExtentLast = 0x0001;
inline constexpr std::uint32_t kExtentUnwritten = 0x0800;

/// What somebody's objects take.
struct QuotaUsage {
	std::uint64_t bytes = 0;
	std::uint64_t inodes = 0;
};
enum class QuotaType : std::uint8_t { user, group, project };

/// Range of a bulk transfer, one niobuf of a request: any offset and length.
struct BulkRange {
	std::uint64_t offset = 0; ///< bytes
	std::uint32_t length = 0; ///< bytes, not 0
	/// The space was promised before (grant): for BulkPiece::granted.
	bool granted = false;
};

/// One piece of a bulk transfer: what of a range lies in one page. Piece i is about the page in
/// cfs_bvec i of the transfer.
struct BulkPiece {
	std::uint64_t offset = 0; ///< in the object, bytes
	std::uint32_t length = 0; ///< wanted, bytes; never crosses a page
	/// Read: bytes the answer has, `length` or (in pieces at or beyond the end of the object)
	/// 0.
	std::uint32_t got = 0;
	/// Why it failed, or Errno{0}. Write: the user sets it for pieces that must not be written
	/// (the network did not deliver them); write_commit() sets it for those that could not be.
	cfs::Errno status{};
	std::uint16_t range = 0; ///< which BulkRange it comes from
	bool granted = false;
	/// Write, after write_prep(): all of its blocks exist, so writing takes no space.
	bool mapped = false;
};

/// Who is over quota, told by write_commit(): bits 1 << QuotaType.
using QuotaMask = std::uint8_t;

/// What a target is, from its name.
enum class TargetType : std::uint8_t { mgs, mdt, ost };

/// What a device says about itself; constant while it is mounted.
struct DeviceInfo {
	char name[64] = {};	    ///< of the target, for messages: "lfs1-OST0000", "MGS"
	char label[17] = {};	    ///< as it is on the device, with its state character (07 3.1)
	char fstype[16] = {};	    ///< "ldiskfs", "mem"
	std::uint8_t uuid[16] = {}; ///< of the backing file system
	TargetType type = TargetType::ost;
	std::uint32_t index = 0;	    ///< of the target, from its name; 0 for the MGS
	std::uint64_t statfs_type = 0xef53; ///< wire::ObdStatfs::type
	std::uint32_t block_bytes = 4096;
	std::uint64_t object_max = 0; ///< most bytes an object can have
	std::uint32_t link_max = 0;   ///< most links of a file
	std::uint32_t xattr_max = 0;  ///< most bytes a value can have
	// Parameters of grants (05 8.1).
	std::uint32_t inode_bytes = 0;	     ///< space one object takes without data
	std::uint32_t extent_blocks_max = 0; ///< blocks in one extent, at most
	std::uint32_t extent_tax_bytes = 0;  ///< space one more extent can take
	std::uint32_t bulk_bytes = 0;	     ///< best size of a bulk transfer
	bool rotational = false;
	bool read_only = false; ///< mounted so
	bool project_quota = false;
};

} // namespace osd
