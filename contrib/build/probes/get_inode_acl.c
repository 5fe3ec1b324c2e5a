// SPDX-License-Identifier: GPL-2.0
// Probe: HAVE_GET_INODE_ACL
// Differs: ACLs have inode operations of their own for reading, get_inode_acl, and setting.
// Absent: has no member named .get_inode_acl.|incompatible pointer type
#include <linux/fs.h>

struct posix_acl *probe(struct inode *inode, int type, bool rcu);
const struct inode_operations probe_iops = {.get_inode_acl = probe};
