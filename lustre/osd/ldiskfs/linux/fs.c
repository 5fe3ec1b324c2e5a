// SPDX-License-Identifier: GPL-2.0
//
// Mounting a device within the kernel, its transactions, and what it says about itself.
#include <linux/quotaops.h>
#include <linux/slab.h>
#include <linux/statfs.h>

#include "convert.h"

static struct vfsmount *mount_device(const char *device, const char *options, bool read_only)
{
	struct file_system_type *type = get_fs_type("ldiskfs");
	struct vfsmount *mnt;
	char *copy = NULL;

	if (!type)
		return ERR_PTR(-ENODEV);
	if (options && *options) {
		copy = kstrdup(options, GFP_KERNEL);
		if (!copy) {
			module_put(type->owner);
			return ERR_PTR(-ENOMEM);
		}
	}
	mnt = vfs_kern_mount(type, SB_KERNMOUNT | (read_only ? SB_RDONLY : 0), device, copy);
	module_put(type->owner);
	kfree(copy);
	return mnt;
}

/* The journal itself is only within reach through a handle. */
static int find_journal(struct ldi_fs *fs)
{
	handle_t *handle;

	if (sb_rdonly(fs->sb))
		return 0;
	handle = ldiskfs_osd_start(fs->sb, 1, 0);
	if (IS_ERR(handle))
		return PTR_ERR(handle);
	fs->journal = handle->h_transaction->t_journal;
	return ldiskfs_osd_stop(handle);
}

int ldi_mount(const char *device, const char *options, bool read_only, struct ldi_fs **out)
{
	struct ldi_fs *fs = kzalloc(sizeof(*fs), GFP_KERNEL);
	int rc;

	if (!fs)
		return -ENOMEM;
	fs->mnt = mount_device(device, options, read_only);
	if (IS_ERR(fs->mnt)) {
		rc = PTR_ERR(fs->mnt);
		kfree(fs);
		return rc;
	}
	fs->sb = fs->mnt->mnt_sb;
	/* A second mount of a device gives the same super block: that of somebody else's. */
	if (atomic_read(&fs->sb->s_active) != 1) {
		pr_err("osd_ldiskfs: %s is mounted already\n", device);
		ldi_unmount(fs);
		return -EBUSY;
	}
	fs->iput_queue = alloc_workqueue("osd_iput", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	rc = fs->iput_queue ? ldiskfs_osd_attach(fs->sb) : -ENOMEM;
	if (!rc)
		rc = find_journal(fs);
	if (rc) {
		ldi_unmount(fs);
		return rc;
	}
	*out = fs;
	return 0;
}

void ldi_unmount(struct ldi_fs *fs)
{
	if (fs->iput_queue)
		destroy_workqueue(fs->iput_queue);
	kern_unmount(fs->mnt);
	kfree(fs);
}

static u32 features_of(u32 f)
{
	return (f & LDISKFS_OSD_64BIT ? LDI_F_64BIT : 0) |
	       (f & LDISKFS_OSD_DIRDATA ? LDI_F_DIRDATA : 0) |
	       (f & LDISKFS_OSD_EA_INODE ? LDI_F_EA_INODE : 0) |
	       (f & LDISKFS_OSD_LARGE_DIR ? LDI_F_LARGE_DIR : 0) |
	       (f & LDISKFS_OSD_PROJECT ? LDI_F_PROJECT : 0) |
	       (f & LDISKFS_OSD_QUOTA ? LDI_F_QUOTA : 0);
}

/* The label is in the super block's buffer only. */
static void read_label(struct super_block *sb, char *label)
{
	struct buffer_head *bh;
	u64 block = sb->s_blocksize > 1024 ? 0 : 1;
	unsigned int offset = sb->s_blocksize > 1024 ? 1024 : 0;

	bh = sb_bread(sb, block);
	if (!bh)
		return;
	memcpy(label, bh->b_data + offset + 120, 16);
	brelse(bh);
}

void ldi_info(struct ldi_fs *fs, struct ldi_fs_info *out)
{
	struct ldiskfs_osd_super super;
	int types = 0, i;

	ldiskfs_osd_super_info(fs->sb, &super);
	for (i = 0; i < 3; i++)
		types += super.quota_inode[i] != 0;
	memset(out, 0, sizeof(*out));
	out->block_size = fs->sb->s_blocksize;
	out->inode_size = super.inode_size;
	out->first_inode = super.first_inode;
	out->features = features_of(super.features);
	out->max_credits = super.max_credits;
	out->quota_init_credits = super.quota_init_credits * types;
	out->quota_update_credits = super.quota_update_credits * types;
	out->bytes_max = fs->sb->s_maxbytes;
	out->link_max = 65000;
	out->rotational = !bdev_nonrot(fs->sb->s_bdev);
	out->read_only = sb_rdonly(fs->sb);
	memcpy(out->uuid, &fs->sb->s_uuid, 16);
	read_label(fs->sb, out->label);
}

int ldi_enable_large_dir(struct ldi_fs *fs)
{
	return ldiskfs_osd_enable_large_dir(fs->sb);
}

int ldi_statfs(struct ldi_fs *fs, struct ldi_space *out)
{
	struct kstatfs s;
	int rc = fs->sb->s_op->statfs(fs->mnt->mnt_root, &s);

	if (rc)
		return rc;
	out->blocks = s.f_blocks;
	out->bfree = s.f_bfree;
	out->bavail = s.f_bavail;
	out->files = s.f_files;
	out->ffree = s.f_ffree;
	return 0;
}

int ldi_sync(struct ldi_fs *fs)
{
	return ldiskfs_osd_sync(fs->sb);
}

void ldi_start_commit(struct ldi_fs *fs)
{
	ldiskfs_osd_start_commit(fs->sb);
}

void ldi_abort(struct ldi_fs *fs)
{
	if (fs->journal)
		jbd2_journal_abort(fs->journal, -EROFS);
}

bool ldi_aborted(struct ldi_fs *fs)
{
	return fs->journal && is_journal_aborted(fs->journal);
}

int ldi_usage(struct ldi_fs *fs, unsigned int type, u32 id, u64 *bytes, u64 *inodes)
{
	static const enum quota_type types[] = {USRQUOTA, GRPQUOTA, PRJQUOTA};
	struct qc_dqblk dq = {};
	struct kqid qid;
	int rc;

	if (type > 2 || !sb_has_quota_usage_enabled(fs->sb, types[type]) || !fs->sb->s_qcop ||
	    !fs->sb->s_qcop->get_dqblk)
		return -EOPNOTSUPP;
	qid = make_kqid(&init_user_ns, types[type], id);
	if (!qid_valid(qid))
		return -EINVAL;
	rc = fs->sb->s_qcop->get_dqblk(fs->sb, qid, &dq);
	if (rc)
		return rc;
	*bytes = dq.d_space;
	*inodes = dq.d_ino_count;
	return 0;
}

/* ---- transactions ---- */

struct commit_cb {
	struct ldiskfs_osd_commit_cb cb;
};
static_assert(sizeof(struct commit_cb) <= sizeof(((struct ldi_commit_cb *)NULL)->opaque));

static void committed(struct super_block *sb, struct ldiskfs_osd_commit_cb *cb, int error)
{
	struct ldi_commit_cb *outer = (struct ldi_commit_cb *)cb;

	outer->committed(outer, error);
}

int ldi_tx_start(struct ldi_fs *fs, int credits, int revokes, struct ldi_tx **out)
{
	handle_t *handle;

	if (WARN_ON_ONCE(journal_current_handle()))
		return -EDEADLK;
	sb_start_write(fs->sb);
	handle = ldiskfs_osd_start(fs->sb, credits, revokes);
	if (IS_ERR(handle)) {
		sb_end_write(fs->sb);
		return PTR_ERR(handle);
	}
	*out = (struct ldi_tx *)handle;
	return 0;
}

int ldi_tx_stop(struct ldi_fs *fs, struct ldi_tx *tx, bool sync, struct ldi_commit_cb *cb)
{
	handle_t *handle = handle_of(tx);
	int rc;

	if (cb) {
		struct ldiskfs_osd_commit_cb *inner = (struct ldiskfs_osd_commit_cb *)cb->opaque;

		inner->committed = committed;
		ldiskfs_osd_on_commit(handle, inner);
	}
	if (sync)
		handle->h_sync = 1;
	rc = ldiskfs_osd_stop(handle);
	sb_end_write(fs->sb);
	return rc;
}

int ldi_tx_ensure(struct ldi_tx *tx, int credits)
{
	return ldiskfs_osd_ensure_credits(handle_of(tx), credits, 0);
}

bool ldi_in_tx(void)
{
	return journal_current_handle() != NULL;
}
