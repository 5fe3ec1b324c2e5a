/* SPDX-License-Identifier: GPL-2.0 */
/* The opaque types of glue.h are the kernel's own. */
#ifndef OSD_LDISKFS_CONVERT_H
#define OSD_LDISKFS_CONVERT_H

#include <linux/blkdev.h>
#include <linux/fs.h>
#include <linux/jbd2.h>
#include <linux/mount.h>
#include <linux/workqueue.h>

#include "../glue.h"
#include "ldiskfs_osd.h"

struct ldi_fs {
	struct vfsmount *mnt;
	struct super_block *sb;
	journal_t *journal;
	struct workqueue_struct *iput_queue;
};

static inline struct inode *inode_of(struct ldi_inode *i)
{
	return (struct inode *)i;
}

static inline const struct inode *const_inode_of(const struct ldi_inode *i)
{
	return (const struct inode *)i;
}

static inline struct ldi_inode *ldi_of(struct inode *i)
{
	return (struct ldi_inode *)i;
}

static inline handle_t *handle_of(struct ldi_tx *tx)
{
	return (handle_t *)tx;
}

static inline struct buffer_head *bh_of(struct ldi_buf *b)
{
	return (struct buffer_head *)b;
}

/* An inode, or an error, as the caller wants it. */
static inline int give_inode(struct inode *inode, struct ldi_inode **out)
{
	if (IS_ERR(inode))
		return PTR_ERR(inode);
	*out = ldi_of(inode);
	return 0;
}

#endif
