/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a mount, of a client or of servers, answers to statfs(2); between core and file system glue.
 */
#ifndef LUSTRE_PLAT_STATFS_H
#define LUSTRE_PLAT_STATFS_H

#include "libcfs/plat/base.h"

struct lustre_statfs {
	uint64_t blocks, bfree, bavail; /* units of bsize */
	uint64_t files, ffree;
	uint32_t bsize, namelen;
	uint32_t fsid; /* 0 where the kernel has none to tell */
};

#endif
