// SPDX-License-Identifier: GPL-2.0
// Probe: HAVE_INODE_TIME_ACCESSORS
// Differs: times of inodes are read and set through functions.
// Absent: implicit declaration of function .inode_(set|get)_[amc]time
#include <linux/fs.h>

long long probe(struct inode *inode);
long long probe(struct inode *inode)
{
	inode_set_atime(inode, 0, 0);
	inode_set_ctime(inode, 0, 0);
	return inode_get_mtime_sec(inode);
}
