// SPDX-License-Identifier: GPL-2.0
// Probe: HAVE_FILLATTR_MASK
// Differs: generic_fillattr() takes the mask of what statx(2) asked for.
// Absent: conflicting types for .probe.|incompatible pointer type|too many arguments
#include <linux/fs.h>

void probe(struct mnt_idmap *idmap, struct inode *inode, struct kstat *stat);
void probe(struct mnt_idmap *idmap, struct inode *inode, struct kstat *stat)
{
	generic_fillattr(idmap, 0u, inode, stat);
}
