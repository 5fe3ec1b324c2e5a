/* SPDX-License-Identifier: GPL-2.0 */
#ifndef LUSTRE_LINUX_STATFS_H
#define LUSTRE_LINUX_STATFS_H

#include <linux/kdev_t.h>
#include <linux/statfs.h>

#include "../include/plat_statfs.h"

static inline void lustre_fill_kstatfs(struct kstatfs *to, const struct lustre_statfs *from,
				       long magic)
{
	to->f_type = magic;
	to->f_bsize = from->bsize;
	to->f_frsize = from->bsize;
	to->f_blocks = from->blocks;
	to->f_bfree = from->bfree;
	to->f_bavail = from->bavail;
	to->f_files = from->files;
	to->f_ffree = from->ffree;
	to->f_namelen = from->namelen;
	to->f_fsid.val[0] = new_encode_dev(from->fsid);
	to->f_fsid.val[1] = 0;
}

#endif
