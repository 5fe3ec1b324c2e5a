// SPDX-License-Identifier: GPL-2.0
// Probe: HAVE_MNT_IDMAP
// Differs: inode operations take struct mnt_idmap where they took struct user_namespace.
// Absent: incompatible pointer type|declared inside parameter list
#include <linux/fs.h>

int probe(struct mnt_idmap *idmap, struct dentry *dentry, struct iattr *attr);
const struct inode_operations probe_iops = {.setattr = probe};
