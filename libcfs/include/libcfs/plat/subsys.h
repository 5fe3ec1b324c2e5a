/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Subsystems: memory is charged to them and debug messages come from them. The numbers are the bit
 * positions of the debug mask `subsystem_debug` (spec 08 section 11.1).
 */
#ifndef LIBCFS_PLAT_SUBSYS_H
#define LIBCFS_PLAT_SUBSYS_H

enum cfs_subsys {
	CFS_S_UNDEFINED = 0,
	CFS_S_MDC = 1,
	CFS_S_MDS = 2,
	CFS_S_OSC = 3,
	CFS_S_OST = 4,
	CFS_S_CLASS = 5,
	CFS_S_LOG = 6,
	CFS_S_LLITE = 7,
	CFS_S_RPC = 8,
	CFS_S_MGMT = 9,
	CFS_S_LNET = 10,
	CFS_S_LND = 11,
	CFS_S_PINGER = 12,
	CFS_S_FILTER = 13,
	CFS_S_LIBCFS = 14,
	CFS_S_ECHO = 15,
	CFS_S_LDLM = 16,
	CFS_S_LOV = 17,
	CFS_S_LQUOTA = 18,
	CFS_S_OSD = 19,
	CFS_S_LFSCK = 20,
	CFS_S_SNAPSHOT = 21,
	CFS_S_LMV = 23,
	CFS_S_SEC = 25,
	CFS_S_GSS = 26,
	CFS_S_MGC = 28,
	CFS_S_MGS = 29,
	CFS_S_FID = 30,
	CFS_S_FLD = 31,
	CFS_S_COUNT = 32
};

/* Message types, the bits of the masks `debug` and `printk`. */
enum cfs_debug_mask {
	CFS_D_TRACE = 0x1,
	CFS_D_INODE = 0x2,
	CFS_D_SUPER = 0x4,
	CFS_D_IOTRACE = 0x8,
	CFS_D_MALLOC = 0x10,
	CFS_D_CACHE = 0x20,
	CFS_D_INFO = 0x40,
	CFS_D_IOCTL = 0x80,
	CFS_D_NETERROR = 0x100,
	CFS_D_NET = 0x200,
	CFS_D_WARNING = 0x400,
	CFS_D_BUFFS = 0x800,
	CFS_D_OTHER = 0x1000,
	CFS_D_DENTRY = 0x2000,
	CFS_D_NETTRACE = 0x4000,
	CFS_D_PAGE = 0x8000,
	CFS_D_DLMTRACE = 0x10000,
	CFS_D_ERROR = 0x20000,
	CFS_D_EMERG = 0x40000,
	CFS_D_HA = 0x80000,
	CFS_D_RPCTRACE = 0x100000,
	CFS_D_VFSTRACE = 0x200000,
	CFS_D_READA = 0x400000,
	CFS_D_MMAP = 0x800000,
	CFS_D_CONFIG = 0x1000000,
	CFS_D_CONSOLE = 0x2000000,
	CFS_D_QUOTA = 0x4000000,
	CFS_D_SEC = 0x8000000,
	CFS_D_LFSCK = 0x10000000,
	CFS_D_HSM = 0x20000000,
	CFS_D_SNAPSHOT = 0x40000000,
	CFS_D_LAYOUT = (int)0x80000000,
};

#endif
