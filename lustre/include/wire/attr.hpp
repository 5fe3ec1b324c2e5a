// SPDX-License-Identifier: GPL-2.0
//
// Attributes and statistics that MDT and OST messages share: the "valid" bits of mdt_body and obdo,
// inode flags, obd_statfs (04 3.2, 05 3.1 and 5.5).
#pragma once

#include "wire/types.hpp"

namespace wire
{

/// mbo_valid and o_valid: which fields are asked for, or present. Some bits mean different things
/// to an MDT and to an OST.
inline constexpr u64 OBD_MD_FLID = 0x1; // the object's identity
inline constexpr u64 OBD_MD_FLATIME = 0x2;
inline constexpr u64 OBD_MD_FLMTIME = 0x4;
inline constexpr u64 OBD_MD_FLCTIME = 0x8;
inline constexpr u64 OBD_MD_FLSIZE = 0x10;
inline constexpr u64 OBD_MD_FLBLOCKS = 0x20; // OST I/O: o_dirty
inline constexpr u64 OBD_MD_FLBLKSZ = 0x40;
inline constexpr u64 OBD_MD_FLMODE = 0x80;  // permission bits
inline constexpr u64 OBD_MD_FLTYPE = 0x100; // file type bits
inline constexpr u64 OBD_MD_FLUID = 0x200;
inline constexpr u64 OBD_MD_FLGID = 0x400;
inline constexpr u64 OBD_MD_FLFLAGS = 0x800;   // MDT: inode flags; OST: OBD_FL_*
inline constexpr u64 OBD_MD_DOM_SIZE = 0x1000; // MDT: Data-on-MDT size and blocks
inline constexpr u64 OBD_MD_FLNLINK = 0x2000;
inline constexpr u64 OBD_MD_FLPARENT = 0x4000; // OST: o_parent_oid
inline constexpr u64 OBD_MD_LAYOUT_VERSION = 0x8000;
inline constexpr u64 OBD_MD_FLRDEV = 0x10000;
inline constexpr u64 OBD_MD_FLEASIZE = 0x20000;	      // the layout is in the reply
inline constexpr u64 OBD_MD_LINKNAME = 0x40000;	      // the symlink's text is in the reply
inline constexpr u64 OBD_MD_FLHANDLE = 0x80000;	      // OST: o_handle is a lock
inline constexpr u64 OBD_MD_FLCKSUM = 0x100000;	      // OST: o_cksum
inline constexpr u64 OBD_MD_FLPRJQUOTA = 0x400000;    // OST reply: project over-quota bit is valid
inline constexpr u64 OBD_MD_FLGROUP = 0x1000000;      // OST: sequence of the object is valid
inline constexpr u64 OBD_MD_FLFID = 0x2000000;	      // OST: parent FID
inline constexpr u64 OBD_MD_FLGRANT = 0x8000000;      // OST: grant fields
inline constexpr u64 OBD_MD_FLDIREA = 0x10000000;     // directory layout
inline constexpr u64 OBD_MD_FLUSRQUOTA = 0x20000000;  // OST reply: likewise user
inline constexpr u64 OBD_MD_FLGRPQUOTA = 0x40000000;  // OST reply: likewise group
inline constexpr u64 OBD_MD_FLMODEASIZE = 0x80000000; // mbo_max_mdsize is valid
inline constexpr u64 OBD_MD_MDS = 0x100000000;	      // the object lives on another MDT
inline constexpr u64 OBD_MD_MEA = 0x400000000;	      // striped directory
inline constexpr u64 OBD_MD_TSTATE = 0x800000000;     // mbo_t_state is valid
inline constexpr u64 OBD_MD_FLXATTR = 0x1000000000;   // one extended attribute
inline constexpr u64 OBD_MD_FLXATTRLS = 0x2000000000; // names of the extended attributes
inline constexpr u64 OBD_MD_FLXATTRRM = 0x4000000000; // remove one
inline constexpr u64 OBD_MD_FLACL = 0x8000000000;     // the access ACL
inline constexpr u64 OBD_MD_FLAGSTATFS = 0x10000000000;	      // statfs over all targets
inline constexpr u64 OBD_MD_FLCROSSREF = 0x100000000000;      // fid1 is the child, on this MDT
inline constexpr u64 OBD_MD_FLGETATTRLOCK = 0x200000000000;   // local to clients
inline constexpr u64 OBD_MD_FLOBJCOUNT = 0x400000000000;      // OST destroy: o_misc is a count
inline constexpr u64 OBD_MD_FLDATAVERSION = 0x10000000000000; // OST: o_data_version
inline constexpr u64 OBD_MD_CLOSE_INTENT_EXECED = 0x20000000000000; // close intent was carried out
inline constexpr u64 OBD_MD_DEFAULT_MEA = 0x40000000000000;	    // default directory layout
inline constexpr u64 OBD_MD_FLOSTLAYOUT = 0x80000000000000;	    // OST: o_layout
inline constexpr u64 OBD_MD_FLPROJID = 0x100000000000000;
inline constexpr u64 OBD_MD_SECCTX = 0x200000000000000;	      // security context
inline constexpr u64 OBD_MD_FLLAZYSIZE = 0x400000000000000;   // size is a hint
inline constexpr u64 OBD_MD_FLLAZYBLOCKS = 0x800000000000000; // blocks are a hint
inline constexpr u64 OBD_MD_FLBTIME = 0x1000000000000000;     // birth time
inline constexpr u64 OBD_MD_ENCCTX = 0x2000000000000000;      // encryption context
inline constexpr u64 OBD_MD_NAMEHASH = 0x4000000000000000;

/// Sets of the above.
inline constexpr u64 OBD_MD_FLALLQUOTA = 0x60400000;
inline constexpr u64 OBD_MD_FLGETATTR = 0x1100000001016fdf; // what a stock getattr asks for
inline constexpr u64 OBD_MD_FLXATTRALL = 0x3000000000;	    // names and values in one

/// Inode flags: mbo_flags, sa_attr_flags, o_flags of OST_SETATTR. The numbers are those of ext4.
inline constexpr u32 LUSTRE_UNRM_FL = 0x2;
inline constexpr u32 LUSTRE_COMPR_FL = 0x4;
inline constexpr u32 LUSTRE_SYNC_FL = 0x8;
inline constexpr u32 LUSTRE_IMMUTABLE_FL = 0x10;
inline constexpr u32 LUSTRE_APPEND_FL = 0x20;
inline constexpr u32 LUSTRE_NODUMP_FL = 0x40;
inline constexpr u32 LUSTRE_NOATIME_FL = 0x80;
inline constexpr u32 LUSTRE_NOCOMPR_FL = 0x400;
inline constexpr u32 COMPAT_ENCRYPT_FL = 0x800; // the backing file system's own encryption bit
inline constexpr u32 LUSTRE_INDEX_FL = 0x1000;
inline constexpr u32 LUSTRE_JOURNAL_DATA_FL = 0x4000;
inline constexpr u32 LUSTRE_DIRSYNC_FL = 0x10000;
inline constexpr u32 LUSTRE_TOPDIR_FL = 0x20000;
inline constexpr u32 LUSTRE_EXTENTS_FL = 0x80000;
inline constexpr u32 LUSTRE_VERITY_FL = 0x100000;
inline constexpr u32 LUSTRE_INLINE_DATA_FL = 0x10000000;
inline constexpr u32 LUSTRE_PROJINHERIT_FL = 0x20000000;
inline constexpr u32 LUSTRE_CASEFOLD_FL = 0x40000000;
inline constexpr u32 LUSTRE_ORPHAN_FL = 0x2000; // kept in the LMA, shown as a flag
inline constexpr u32 LUSTRE_SET_SYNC_FL = 0x40000;
inline constexpr u32 LUSTRE_ENCRYPT_FL = 0x800000;	     // kept in the LMA, shown as a flag
inline constexpr u32 LUSTRE_LMA_FL_MASKS = 0x802000;	     // those kept in the LMA
inline constexpr u32 LUSTRE_FL_USER_VISIBLE = 0x709b5cfe;    // others are refused (2.17)
inline constexpr u32 LUSTRE_FL_USER_MODIFIABLE = 0x200304f8; // others are ignored (2.17)

/// os_state.
inline constexpr u32 OS_STATFS_DEGRADED = 0x1; // avoid
inline constexpr u32 OS_STATFS_READONLY = 0x2;
inline constexpr u32 OS_STATFS_NOCREATE = 0x4; // no new objects; NOPRECREATE in 2.15
inline constexpr u32 OS_STATFS_UNUSED1 = 0x8;
inline constexpr u32 OS_STATFS_UNUSED2 = 0x10;
inline constexpr u32 OS_STATFS_ENOSPC = 0x20;
inline constexpr u32 OS_STATFS_ENOINO = 0x40;
inline constexpr u32 OS_STATFS_SUM = 0x100; // aggregated by an MDT
inline constexpr u32 OS_STATFS_NONROT = 0x200;
inline constexpr u32 OS_STATFS_DOWNGRADE = 0x67; // bits that make a sum worse (2.17)
inline constexpr u32 OS_STATFS_UPGRADE = 0x200;	 // bits that a sum needs from all (2.17)

/// Answer of OST_STATFS and MDS_STATFS: obd_statfs, 144 bytes (05 5.5).
struct ObdStatfs {
	le64 type;   // magic of the backing file system, not 0
	le64 blocks; // in bsize units
	le64 bfree;
	le64 bavail; // for users, less what is promised
	le64 files;
	le64 ffree;
	u8 fsid[40]; // opaque
	le32 bsize;  // not 0
	le32 namelen;
	le64 maxbytes;	  // of one object
	le32 state;	  // OS_STATFS_*
	le32 fprecreated; // objects ready for the asking MDT
	le32 granted;	  // blocks reserved for precreation
	le32 spare3;
	le32 spare4;
	le32 spare5;
	le32 spare6;
	le32 spare7;
	le32 spare8;
	le32 spare9;
};
static_assert(sizeof(ObdStatfs) == 144 && kOverlay<ObdStatfs>);

} // namespace wire
