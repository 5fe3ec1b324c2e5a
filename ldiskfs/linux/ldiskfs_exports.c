// SPDX-License-Identifier: GPL-2.0
/*
 * The one file of ours in ldiskfs.ko: what ldiskfs_osd.h promises, on top of ext4.
 *
 * It is compiled as one unit with namei.c, because the directory code an object store needs is
 * static there; ldiskfs/prepare puts this file in namei.o's place.  Everything else it uses ext4
 * shows in its headers.
 *
 * What it adds to ext4 is little: it keeps ext4's hands off times and versions (struct
 * kept_stamps), it asks for more journal credits where ext4 would only refuse, and it hides where
 * kernels differ.
 */

#include "namei.c"

#include <linux/iversion.h>

#include "truncate.h"

#include "ldiskfs_dialect.h"
#include "ldiskfs_osd.h"

/*
 * Times and versions
 */

#ifdef LDISKFS_INODE_TIME_ACCESSORS
static void stamps_get(const struct inode *inode, struct ldiskfs_osd_times *times)
{
	times->atime = inode_get_atime(inode);
	times->mtime = inode_get_mtime(inode);
	times->ctime = inode_get_ctime(inode);
}

static void stamps_set(struct inode *inode, const struct ldiskfs_osd_times *times,
		       unsigned int which)
{
	if (which & LDISKFS_OSD_ATIME)
		inode_set_atime_to_ts(inode, times->atime);
	if (which & LDISKFS_OSD_MTIME)
		inode_set_mtime_to_ts(inode, times->mtime);
	if (which & LDISKFS_OSD_CTIME)
		inode_set_ctime_to_ts(inode, times->ctime);
}
#else
static void stamps_get(const struct inode *inode, struct ldiskfs_osd_times *times)
{
	times->atime = inode->i_atime;
	times->mtime = inode->i_mtime;
	times->ctime = inode->i_ctime;
}

static void stamps_set(struct inode *inode, const struct ldiskfs_osd_times *times,
		       unsigned int which)
{
	if (which & LDISKFS_OSD_ATIME)
		inode->i_atime = times->atime;
	if (which & LDISKFS_OSD_MTIME)
		inode->i_mtime = times->mtime;
	if (which & LDISKFS_OSD_CTIME)
		inode->i_ctime = times->ctime;
}
#endif

void ldiskfs_osd_get_times(const struct inode *inode, struct ldiskfs_osd_times *times)
{
	stamps_get(inode, times);
	times->crtime = LDISKFS_I((struct inode *)inode)->i_crtime;
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_get_times);

void ldiskfs_osd_set_times(struct inode *inode, const struct ldiskfs_osd_times *times,
			   unsigned int which)
{
	stamps_set(inode, times, which);
	if (which & LDISKFS_OSD_CRTIME)
		LDISKFS_I(inode)->i_crtime = times->crtime;
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_set_times);

u64 ldiskfs_osd_get_version(const struct inode *inode)
{
	return inode_peek_iversion(inode);
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_get_version);

void ldiskfs_osd_set_version(struct inode *inode, u64 version)
{
	inode_set_iversion_queried(inode, version);
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_set_version);

/* Times and version of an inode around a call of ext4 that would change them. */
struct kept_stamps {
	struct ldiskfs_osd_times times;
	u64 version;
};

static void keep_stamps(const struct inode *inode, struct kept_stamps *kept)
{
	stamps_get(inode, &kept->times);
	kept->version = inode_peek_iversion_raw(inode);
}

/* ext4 has put its own stamps into the inode's block as well, so that is written once more. */
static int restore_stamps(handle_t *handle, struct inode *inode, const struct kept_stamps *kept)
{
	stamps_set(inode, &kept->times, LDISKFS_OSD_MTIME | LDISKFS_OSD_CTIME);
	inode_set_iversion_raw(inode, kept->version);
	return ldiskfs_mark_inode_dirty(handle, inode);
}

/*
 * Super block
 */

int ldiskfs_osd_attach(struct super_block *sb)
{
	if (sb->s_type->owner != THIS_MODULE) {
		pr_err("LDISKFS-fs (%s): this is %s, not an ldiskfs file system\n", sb->s_id,
		       sb->s_type->name);
		return -EINVAL;
	}
	if (!LDISKFS_SB(sb)->s_journal) {
		ldiskfs_msg(sb, KERN_ERR, "a target needs a journal: tune2fs -O has_journal");
		return -EINVAL;
	}
	if (ldiskfs_has_feature_fast_commit(sb)) {
		ldiskfs_msg(sb, KERN_ERR,
			    "a target cannot use fast commits: tune2fs -O ^fast_commit");
		return -EOPNOTSUPP;
	}
	if (ldiskfs_has_feature_inline_data(sb)) {
		ldiskfs_msg(sb, KERN_ERR,
			    "a target cannot have the inline_data feature: format it anew");
		return -EOPNOTSUPP;
	}
	sb->s_flags &= ~(SB_I_VERSION | SB_POSIXACL);
	return 0;
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_attach);

static u32 feature_bits(struct super_block *sb)
{
	u32 bits = 0;

	bits |= ldiskfs_has_feature_extents(sb) ? LDISKFS_OSD_EXTENTS : 0;
	bits |= ldiskfs_has_feature_64bit(sb) ? LDISKFS_OSD_64BIT : 0;
	bits |= ldiskfs_has_feature_dirdata(sb) ? LDISKFS_OSD_DIRDATA : 0;
	bits |= ldiskfs_has_feature_ea_inode(sb) ? LDISKFS_OSD_EA_INODE : 0;
	bits |= ldiskfs_has_feature_largedir(sb) ? LDISKFS_OSD_LARGE_DIR : 0;
	bits |= ldiskfs_has_feature_dir_index(sb) ? LDISKFS_OSD_DIR_INDEX : 0;
	bits |= ldiskfs_has_feature_quota(sb) ? LDISKFS_OSD_QUOTA : 0;
	bits |= ldiskfs_has_feature_project(sb) ? LDISKFS_OSD_PROJECT : 0;
	bits |= ldiskfs_has_feature_mmp(sb) ? LDISKFS_OSD_MMP : 0;
	bits |= ldiskfs_has_feature_metadata_csum(sb) ? LDISKFS_OSD_METADATA_CSUM : 0;
	bits |= ldiskfs_has_feature_bigalloc(sb) ? LDISKFS_OSD_BIGALLOC : 0;
	return bits;
}

/* Half a transaction: jbd2 keeps a part for its own blocks, and others want room besides us. */
static int max_credits(struct super_block *sb)
{
	return LDISKFS_SB(sb)->s_journal->j_max_transaction_buffers / 2;
}

void ldiskfs_osd_super_info(struct super_block *sb, struct ldiskfs_osd_super *info)
{
	struct ldiskfs_sb_info *sbi = LDISKFS_SB(sb);
	const struct ldiskfs_super_block *es = sbi->s_es;

	*info = (struct ldiskfs_osd_super){
		.features = feature_bits(sb),
		.inode_size = sbi->s_inode_size,
		.inodes_count = le32_to_cpu(es->s_inodes_count),
		.inodes_per_group = sbi->s_inodes_per_group,
		.first_inode = sbi->s_first_ino,
		.cluster_size = LDISKFS_CLUSTER_SIZE(sb),
		.quota_inode = {le32_to_cpu(es->s_usr_quota_inum),
				le32_to_cpu(es->s_grp_quota_inum),
				le32_to_cpu(es->s_prj_quota_inum)},
		.max_credits = max_credits(sb),
		.quota_init_credits = LDISKFS_QUOTA_INIT_BLOCKS(sb),
		.quota_update_credits = LDISKFS_QUOTA_TRANS_BLOCKS(sb),
	};
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_super_info);

int ldiskfs_osd_enable_large_dir(struct super_block *sb)
{
	struct buffer_head *bh = LDISKFS_SB(sb)->s_sbh;
	handle_t *handle;
	int err, err2;

	if (ldiskfs_has_feature_largedir(sb))
		return 0;
	handle = ldiskfs_osd_start(sb, 1, 0);
	if (IS_ERR(handle))
		return PTR_ERR(handle);
	err = ldiskfs_journal_get_write_access(handle, sb, bh, LDISKFS_JTR_NONE);
	if (!err) {
		lock_buffer(bh);
		ldiskfs_set_feature_largedir(sb);
		ldiskfs_superblock_csum_set(sb);
		unlock_buffer(bh);
		err = ldiskfs_handle_dirty_metadata(handle, NULL, bh);
	}
	err2 = ldiskfs_osd_stop(handle);
	return err ? err : err2;
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_enable_large_dir);

void ldiskfs_osd_error(struct super_block *sb, const char *where, unsigned int line, int error)
{
	__ldiskfs_std_error(sb, where, line, error);
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_error);

/*
 * Transactions
 */

handle_t *ldiskfs_osd_start(struct super_block *sb, int credits, int revokes)
{
	/* ext4 and jbd2 answer these with a WARN; for us they are ordinary errors. */
	if (sb_rdonly(sb))
		return ERR_PTR(-EROFS);
	if (credits > max_credits(sb))
		return ERR_PTR(-ENOSPC);
	return __ldiskfs_journal_start(d_inode(sb->s_root), __LINE__, LDISKFS_HT_MISC, credits, 0,
				       revokes);
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_start);

int ldiskfs_osd_stop(handle_t *handle)
{
	return ldiskfs_journal_stop(handle);
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_stop);

int ldiskfs_osd_ensure_credits(handle_t *handle, int credits, int revokes)
{
	return __ldiskfs_journal_ensure_credits(handle, credits, credits, revokes);
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_ensure_credits);

static_assert(sizeof_field(struct ldiskfs_osd_commit_cb, entry) ==
	      sizeof(struct ldiskfs_journal_cb_entry));
static_assert(__alignof__(struct ldiskfs_osd_commit_cb) >=
	      __alignof__(struct ldiskfs_journal_cb_entry));

static struct ldiskfs_journal_cb_entry *commit_cb_entry(struct ldiskfs_osd_commit_cb *cb)
{
	return (struct ldiskfs_journal_cb_entry *)&cb->entry;
}

static void run_commit_cb(struct super_block *sb, struct ldiskfs_journal_cb_entry *entry, int error)
{
	struct ldiskfs_osd_commit_cb *cb =
		(void *)((char *)entry - offsetof(struct ldiskfs_osd_commit_cb, entry));

	cb->committed(sb, cb, error);
}

void ldiskfs_osd_on_commit(handle_t *handle, struct ldiskfs_osd_commit_cb *cb)
{
	ldiskfs_journal_callback_add(handle, run_commit_cb, commit_cb_entry(cb));
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_on_commit);

int ldiskfs_osd_sync(struct super_block *sb)
{
	journal_t *journal = LDISKFS_SB(sb)->s_journal;
	bool flush = false;
	tid_t last;
	int err, err2;

	if (sb_rdonly(sb))
		return 0;
	/* Not ext4_sync_fs(): it wants s_umount, for quota files that are not journalled. */
	last = jbd2_get_latest_transaction(journal);
	if (journal->j_flags & JBD2_BARRIER)
		flush = !jbd2_trans_will_send_data_barrier(journal, last);
	err = jbd2_complete_transaction(journal, last);
	err2 = flush ? blkdev_issue_flush(sb->s_bdev) : 0;
	return err ? err : err2;
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_sync);

void ldiskfs_osd_start_commit(struct super_block *sb)
{
	jbd2_journal_start_commit(LDISKFS_SB(sb)->s_journal, NULL);
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_start_commit);

/*
 * Inodes
 */

struct inode *ldiskfs_osd_iget(struct super_block *sb, u32 ino, unsigned int flags)
{
	unsigned int how = 0;

	if (flags & ~(LDISKFS_OSD_IGET_SPECIAL | LDISKFS_OSD_IGET_HANDLE))
		return ERR_PTR(-EINVAL);
	if (flags & LDISKFS_OSD_IGET_SPECIAL)
		how |= LDISKFS_IGET_SPECIAL;
	if (flags & LDISKFS_OSD_IGET_HANDLE)
		how |= LDISKFS_IGET_HANDLE;
	return ldiskfs_iget(sb, ino, how);
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_iget);

static void set_operations(struct inode *inode, dev_t rdev)
{
	switch (inode->i_mode & S_IFMT) {
	case S_IFREG:
		inode->i_op = &ldiskfs_file_inode_operations;
		inode->i_fop = &ldiskfs_file_operations;
		ldiskfs_set_aops(inode);
		break;
	case S_IFDIR:
		inode->i_op = &ldiskfs_dir_inode_operations;
		inode->i_fop = &ldiskfs_dir_operations;
		break;
	case S_IFLNK:
		inode->i_op = &ldiskfs_symlink_inode_operations;
		inode_nohighmem(inode);
		break;
	default:
		init_special_inode(inode, inode->i_mode, rdev);
		inode->i_op = &ldiskfs_special_inode_operations;
	}
}

static void make_block_mapped(struct inode *inode)
{
	/* ext4 has put an empty extent root there. */
	ldiskfs_clear_inode_flag(inode, LDISKFS_INODE_EXTENTS);
	memset(LDISKFS_I(inode)->i_data, 0, sizeof(LDISKFS_I(inode)->i_data));
}

struct inode *ldiskfs_osd_new_inode(handle_t *handle, struct inode *dir,
				    const struct ldiskfs_osd_new *what)
{
	uid_t owner[2] = {what->uid, what->gid};
	struct inode *inode;

	inode = ldiskfs_new_inode(handle, dir, what->mode, NULL, what->goal, owner, 0);
	if (IS_ERR(inode))
		return inode;
	set_operations(inode, what->rdev);
	if (what->block_mapped)
		make_block_mapped(inode);
	ldiskfs_osd_set_version(inode, 0);
	return inode;
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_new_inode);

void ldiskfs_osd_discard_new(handle_t *handle, struct inode *inode)
{
	clear_nlink(inode);
	/* An error here is in the super block already; e2fsck then frees what is left over. */
	if (!ldiskfs_mark_inode_dirty(handle, inode))
		ldiskfs_orphan_add(handle, inode);
	unlock_new_inode(inode);
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_discard_new);

static int set_long_symlink(handle_t *handle, struct inode *inode, const char *target,
			    unsigned int len)
{
	struct buffer_head *bh;
	int err;

	inode->i_op = &ldiskfs_symlink_inode_operations;
	ldiskfs_set_inode_flag(inode, LDISKFS_INODE_JOURNAL_DATA);
	bh = ldiskfs_osd_write_block(handle, inode, 0);
	if (IS_ERR(bh))
		return PTR_ERR(bh);
	memset(bh->b_data, 0, bh->b_size);
	memcpy(bh->b_data, target, len);
	err = ldiskfs_osd_dirty_block(handle, inode, bh);
	brelse(bh);
	return err;
}

static void set_short_symlink(struct inode *inode, const char *target, unsigned int len)
{
	char *data = (char *)LDISKFS_I(inode)->i_data;

	make_block_mapped(inode);
	memcpy(data, target, len);
	inode->i_op = &ldiskfs_fast_symlink_inode_operations;
	inode->i_link = data;
}

int ldiskfs_osd_set_symlink(handle_t *handle, struct inode *inode, const char *target,
			    unsigned int len)
{
	int err = 0;

	if (!S_ISLNK(inode->i_mode) || inode->i_size != 0 || len == 0)
		return -EINVAL;
	if (len >= inode->i_sb->s_blocksize)
		return -ENAMETOOLONG;
	if (len >= sizeof(LDISKFS_I(inode)->i_data))
		err = set_long_symlink(handle, inode, target, len);
	else
		set_short_symlink(inode, target, len);
	if (err)
		return err;
	ldiskfs_osd_set_size(inode, len);
	return ldiskfs_mark_inode_dirty(handle, inode);
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_set_symlink);

int ldiskfs_osd_get_symlink(struct inode *inode, char *buf, unsigned int size)
{
	struct buffer_head *bh;
	loff_t len = i_size_read(inode);

	if (!S_ISLNK(inode->i_mode))
		return -EINVAL;
	if (len == 0 || len >= inode->i_sb->s_blocksize)
		return -EFSCORRUPTED;
	if (len > size)
		return -ERANGE;
	if (ldiskfs_inode_is_fast_symlink(inode)) {
		if (len >= sizeof(LDISKFS_I(inode)->i_data))
			return -EFSCORRUPTED;
		memcpy(buf, LDISKFS_I(inode)->i_data, len);
		return len;
	}
	bh = ldiskfs_osd_read_block(inode, 0);
	if (IS_ERR(bh))
		return PTR_ERR(bh);
	if (!bh)
		return -EFSCORRUPTED;
	memcpy(buf, bh->b_data, len);
	brelse(bh);
	return len;
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_get_symlink);

int ldiskfs_osd_mark_inode_dirty(handle_t *handle, struct inode *inode)
{
	return ldiskfs_mark_inode_dirty(handle, inode);
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_mark_inode_dirty);

u32 ldiskfs_osd_get_flags(const struct inode *inode)
{
	return LDISKFS_I((struct inode *)inode)->i_flags;
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_get_flags);

int ldiskfs_osd_set_flags(handle_t *handle, struct inode *inode, u32 set, u32 clear)
{
	struct ldiskfs_inode_info *info = LDISKFS_I(inode);
	bool journal_data = ldiskfs_test_inode_flag(inode, LDISKFS_INODE_JOURNAL_DATA);

	if ((set | clear) & ~LDISKFS_OSD_FLAGS_SETTABLE)
		return -EINVAL;
	/* Other bits of the low word change atomically and without the inode lock (orphan file). */
	set_mask_bits(&info->i_flags, (unsigned long)clear, (unsigned long)set);
	ldiskfs_set_inode_flags(inode, false);
	if (S_ISREG(inode->i_mode) &&
	    journal_data != ldiskfs_test_inode_flag(inode, LDISKFS_INODE_JOURNAL_DATA))
		ldiskfs_set_aops(inode);
	return ldiskfs_mark_inode_dirty(handle, inode);
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_set_flags);

u32 ldiskfs_osd_get_projid(const struct inode *inode)
{
	return from_kprojid(&init_user_ns, LDISKFS_I((struct inode *)inode)->i_projid);
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_get_projid);

/* Whether the inode on disk has a place for a project id. */
static int check_projid_fits(struct inode *inode)
{
	struct ldiskfs_iloc iloc;
	bool fits;
	int err;

	if (!ldiskfs_has_feature_project(inode->i_sb) ||
	    LDISKFS_INODE_SIZE(inode->i_sb) <= LDISKFS_GOOD_OLD_INODE_SIZE)
		return -EOPNOTSUPP;
	err = ldiskfs_get_inode_loc(inode, &iloc);
	if (err)
		return err;
	fits = LDISKFS_FITS_IN_INODE(ldiskfs_raw_inode(&iloc), LDISKFS_I(inode), i_projid);
	brelse(iloc.bh);
	return fits ? 0 : -EOPNOTSUPP;
}

/* Moves the inode's quota usage to the ids given; a quota type that is off is skipped. */
static int transfer_quota(struct inode *inode, const struct ldiskfs_osd_owner *owner,
			  unsigned int which)
{
	struct dquot *to[MAXQUOTAS] = {};
	struct kqid ids[MAXQUOTAS] = {
		[USRQUOTA] = make_kqid_uid(make_kuid(&init_user_ns, owner->uid)),
		[GRPQUOTA] = make_kqid_gid(make_kgid(&init_user_ns, owner->gid)),
		[PRJQUOTA] = make_kqid_projid(make_kprojid(&init_user_ns, owner->projid)),
	};
	int type, err;

	err = dquot_initialize(inode);
	for (type = 0; type < MAXQUOTAS && !err; type++) {
		if (!(which & (LDISKFS_OSD_UID << type)))
			continue;
		to[type] = dqget(inode->i_sb, ids[type]);
		if (!IS_ERR(to[type]))
			continue;
		if (PTR_ERR(to[type]) != -ESRCH)
			err = PTR_ERR(to[type]);
		to[type] = NULL;
	}
	if (!err) {
		/* The usage of attributes in inodes of their own is counted under this lock. */
		down_read(&LDISKFS_I(inode)->xattr_sem);
		err = __dquot_transfer(inode, to);
		up_read(&LDISKFS_I(inode)->xattr_sem);
	}
	for (type = 0; type < MAXQUOTAS; type++)
		dqput(to[type]);
	return err;
}
static_assert(LDISKFS_OSD_UID << USRQUOTA == LDISKFS_OSD_UID &&
	      LDISKFS_OSD_UID << GRPQUOTA == LDISKFS_OSD_GID &&
	      LDISKFS_OSD_UID << PRJQUOTA == LDISKFS_OSD_PROJID);

int ldiskfs_osd_set_owner(handle_t *handle, struct inode *inode,
			  const struct ldiskfs_osd_owner *owner, unsigned int which)
{
	int err;

	if ((which & LDISKFS_OSD_PROJID) && owner->projid == ldiskfs_osd_get_projid(inode))
		which &= ~LDISKFS_OSD_PROJID;
	if (which & LDISKFS_OSD_PROJID) {
		err = check_projid_fits(inode);
		if (err)
			return err;
	}
	err = transfer_quota(inode, owner, which);
	if (err)
		return err;
	if (which & LDISKFS_OSD_UID)
		i_uid_write(inode, owner->uid);
	if (which & LDISKFS_OSD_GID)
		i_gid_write(inode, owner->gid);
	if (which & LDISKFS_OSD_PROJID)
		LDISKFS_I(inode)->i_projid = make_kprojid(&init_user_ns, owner->projid);
	return ldiskfs_mark_inode_dirty(handle, inode);
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_set_owner);

void ldiskfs_osd_inc_nlink(struct inode *inode)
{
	ldiskfs_inc_count(inode);
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_inc_nlink);

void ldiskfs_osd_dec_nlink(struct inode *inode)
{
	ldiskfs_dec_count(inode);
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_dec_nlink);

/*
 * ext4 insists on i_rwsem around the orphan list's functions.  Nobody else takes it (the caller
 * excludes truncation and readdir), and to wait for it within a handle could deadlock.
 */
int ldiskfs_osd_orphan_add(handle_t *handle, struct inode *inode)
{
	bool locked = inode_trylock(inode);
	int err = ldiskfs_orphan_add(handle, inode);

	if (locked)
		inode_unlock(inode);
	return err;
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_orphan_add);

int ldiskfs_osd_orphan_del(handle_t *handle, struct inode *inode)
{
	bool locked = inode_trylock(inode);
	int err = ldiskfs_orphan_del(handle, inode);

	if (locked)
		inode_unlock(inode);
	return err;
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_orphan_del);

/* The first inode in use of a group from `bit` on; 0-based, inodes_per_group if there is none. */
static int next_in_group(struct super_block *sb, ldiskfs_group_t group, u32 *bit)
{
	u32 per_group = LDISKFS_INODES_PER_GROUP(sb), used;
	struct ldiskfs_group_desc *desc;
	struct buffer_head *bh;

	desc = ldiskfs_get_group_desc(sb, group, NULL);
	if (!desc)
		return -EFSCORRUPTED;
	used = per_group;
	if (ldiskfs_has_group_desc_csum(sb)) {
		/* Without these marks a group's bitmap and table may never have been written. */
		if (desc->bg_flags & cpu_to_le16(LDISKFS_BG_INODE_UNINIT))
			used = 0;
		else
			used -= min(per_group, ldiskfs_itable_unused_count(sb, desc));
	}
	if (*bit >= used) {
		*bit = per_group;
		return 0;
	}
	bh = sb_bread(sb, ldiskfs_inode_bitmap(sb, desc));
	if (!bh)
		return -EIO;
	*bit = find_next_bit_le(bh->b_data, used, *bit);
	if (*bit >= used)
		*bit = per_group;
	brelse(bh);
	return 0;
}

int ldiskfs_osd_next_inode(struct super_block *sb, u32 from, u32 *ino)
{
	u32 per_group = LDISKFS_INODES_PER_GROUP(sb);
	ldiskfs_group_t group, groups = ldiskfs_get_groups_count(sb);
	u32 bit;
	int err;

	if (from == 0)
		from = 1;
	bit = (from - 1) % per_group;
	for (group = (from - 1) / per_group; group < groups; group++, bit = 0) {
		err = next_in_group(sb, group, &bit);
		if (err)
			return err;
		if (bit < per_group) {
			*ino = group * per_group + bit + 1;
			return 0;
		}
		cond_resched();
	}
	return -ENOENT;
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_next_inode);

/*
 * Blocks
 */

void ldiskfs_osd_set_size(struct inode *inode, loff_t size)
{
	down_write(&LDISKFS_I(inode)->i_data_sem);
	LDISKFS_I(inode)->i_disksize = size;
	i_size_write(inode, size);
	up_write(&LDISKFS_I(inode)->i_data_sem);
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_set_size);

int ldiskfs_osd_truncate(struct inode *inode)
{
	struct kept_stamps kept;
	handle_t *handle;
	int err, err2;

	keep_stamps(inode, &kept);
	inode_lock(inode);
	err = ldiskfs_truncate(inode);
	inode_unlock(inode);
	handle = ldiskfs_osd_start(inode->i_sb, 1, 0);
	if (IS_ERR(handle))
		return err ? err : PTR_ERR(handle);
	err2 = restore_stamps(handle, inode, &kept);
	if (!err)
		err = err2;
	err2 = ldiskfs_osd_stop(handle);
	return err ? err : err2;
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_truncate);

/* As ext4 does for a hole or at the end of a file, without its handling of cached pages. */
static int free_range(handle_t *handle, struct inode *inode, u32 first, u32 end)
{
	int err;

	down_write(&LDISKFS_I(inode)->i_data_sem);
	ldiskfs_es_remove_extent(inode, first, end - first);
	if (ldiskfs_test_inode_flag(inode, LDISKFS_INODE_EXTENTS))
		err = ldiskfs_ext_remove_space(inode, first, end - 1);
	else
		err = ldiskfs_ind_remove_space(handle, inode, first, end);
	up_write(&LDISKFS_I(inode)->i_data_sem);
	return err;
}

int ldiskfs_osd_free_blocks(struct inode *inode, u32 first, u32 end)
{
	struct kept_stamps kept;
	handle_t *handle;
	int credits, err, err2;

	if (!end)
		end = EXT_MAX_BLOCKS;
	if (first >= end)
		return 0;
	if (ldiskfs_test_inode_flag(inode, LDISKFS_INODE_EXTENTS))
		credits = ldiskfs_writepage_trans_blocks(inode);
	else
		credits = ldiskfs_blocks_for_truncate(inode);
	handle = ldiskfs_journal_start(inode, LDISKFS_HT_TRUNCATE, credits);
	if (IS_ERR(handle))
		return PTR_ERR(handle);
	keep_stamps(inode, &kept);
	err = free_range(handle, inode, first, end);
	err2 = restore_stamps(handle, inode, &kept);
	if (!err)
		err = err2;
	err2 = ldiskfs_osd_stop(handle);
	return err ? err : err2;
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_free_blocks);

static int map_flags_of(unsigned int flags)
{
	int how = 0;

	if (flags & LDISKFS_OSD_MAP_CREATE)
		how |= LDISKFS_GET_BLOCKS_CREATE;
	if (flags & LDISKFS_OSD_MAP_UNWRITTEN)
		how |= LDISKFS_GET_BLOCKS_CREATE_UNWRIT_EXT;
	if (flags & LDISKFS_OSD_MAP_EXACT)
		how |= LDISKFS_GET_BLOCKS_NO_NORMALIZE;
	return how;
}

static u32 map_state_of(const struct ldiskfs_map_blocks *map)
{
	u32 state = 0;

	if (map->m_flags & LDISKFS_MAP_MAPPED)
		state |= LDISKFS_OSD_MAPPED;
	if (map->m_flags & LDISKFS_MAP_UNWRITTEN)
		state |= LDISKFS_OSD_IS_UNWRITTEN;
	if (map->m_flags & LDISKFS_MAP_NEW)
		state |= LDISKFS_OSD_IS_NEW;
	return state;
}

int ldiskfs_osd_map_blocks(handle_t *handle, struct inode *inode, struct ldiskfs_osd_map *request,
			   unsigned int flags)
{
	struct ldiskfs_map_blocks map = {.m_lblk = request->logical, .m_len = request->count};
	bool create = flags & LDISKFS_OSD_MAP_CREATE;
	int got;

	if (request->count == 0 || (create && !handle) || (!create && flags))
		return -EINVAL;
	if (create) {
		/* In data=ordered mode ext4 takes for granted that the opener did this. */
		int err = ldiskfs_inode_attach_jinode(inode);

		if (err)
			return err;
	}
	got = ldiskfs_map_blocks(handle, inode, &map, map_flags_of(flags));
	if (got < 0)
		return got;
	if (got == 0 && create)
		return -ENOSPC;
	if (map.m_flags & LDISKFS_MAP_NEW)
		clean_bdev_aliases(inode->i_sb->s_bdev, map.m_pblk, map.m_len);
	/* The length of a hole is a hint that some mappings do not give. */
	request->count = clamp_t(u32, map.m_len, 1, request->count);
	request->state = got ? map_state_of(&map) : 0;
	request->physical = got ? map.m_pblk : 0;
	return 0;
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_map_blocks);

int ldiskfs_osd_chunk_credits(struct inode *inode, int blocks)
{
	return ldiskfs_chunk_trans_blocks(inode, blocks);
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_chunk_credits);

int ldiskfs_osd_attach_jinode(struct inode *inode)
{
	return ldiskfs_inode_attach_jinode(inode);
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_attach_jinode);

struct buffer_head *ldiskfs_osd_read_block(struct inode *inode, u32 block)
{
	struct ldiskfs_osd_map map = {.logical = block, .count = 1};
	int err;

	err = ldiskfs_osd_map_blocks(NULL, inode, &map, 0);
	if (err)
		return ERR_PTR(err);
	/* ext4_bread() would hand out the garbage below an unwritten extent. */
	if (!(map.state & LDISKFS_OSD_MAPPED))
		return NULL;
	return ldiskfs_bread(NULL, inode, block, 0);
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_read_block);

int ldiskfs_osd_get_write_access(handle_t *handle, struct super_block *sb, struct buffer_head *bh)
{
	return ldiskfs_journal_get_write_access(handle, sb, bh, LDISKFS_JTR_NONE);
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_get_write_access);

struct buffer_head *ldiskfs_osd_write_block(handle_t *handle, struct inode *inode, u32 block)
{
	struct buffer_head *bh;
	bool missing;
	int err;

	bh = ldiskfs_osd_read_block(inode, block);
	if (IS_ERR(bh))
		return bh;
	missing = !bh;
	if (missing) {
		err = ldiskfs_inode_attach_jinode(inode);
		if (err)
			return ERR_PTR(err);
		bh = ldiskfs_bread(handle, inode, block, LDISKFS_GET_BLOCKS_CREATE);
		if (IS_ERR(bh))
			return bh;
	}
	err = ldiskfs_osd_get_write_access(handle, inode->i_sb, bh);
	if (err) {
		brelse(bh);
		return ERR_PTR(err);
	}
	/* A buffer left over from the block's former life keeps its content in ext4_bread(). */
	if (missing)
		memset(bh->b_data, 0, bh->b_size);
	return bh;
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_write_block);

struct buffer_head *ldiskfs_osd_append_block(handle_t *handle, struct inode *inode, u32 *block)
{
	struct buffer_head *bh;
	int err;

	err = ldiskfs_inode_attach_jinode(inode);
	if (err)
		return ERR_PTR(err);
	bh = ldiskfs_append(handle, inode, block);
	if (!IS_ERR(bh))
		memset(bh->b_data, 0, bh->b_size);
	return bh;
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_append_block);

int ldiskfs_osd_dirty_block(handle_t *handle, struct inode *inode, struct buffer_head *bh)
{
	return ldiskfs_handle_dirty_metadata(handle, inode, bh);
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_dirty_block);

/*
 * Directories
 */

static int check_name(const struct ldiskfs_osd_name *name)
{
	if (name->len == 0)
		return -EINVAL;
	if (name->len > LDISKFS_NAME_LEN)
		return -ENAMETOOLONG;
	/* The place where dirdata goes in, once the directory code knows it. */
	return name->data_len ? -EOPNOTSUPP : 0;
}

static bool is_dot_or_dotdot(const struct ldiskfs_osd_name *name)
{
	return name->name[0] == '.' && (name->len == 1 || (name->len == 2 && name->name[1] == '.'));
}

int ldiskfs_osd_init_dir(handle_t *handle, struct inode *dir, u32 parent_ino,
			 const struct ldiskfs_osd_name *dotdot)
{
	unsigned int blocksize = dir->i_sb->s_blocksize;
	unsigned int tail = 0;
	struct buffer_head *bh;
	u32 block;
	int err;

	if (!S_ISDIR(dir->i_mode) || dir->i_size != 0)
		return -EINVAL;
	if (dotdot && dotdot->data_len)
		return -EOPNOTSUPP;
	bh = ldiskfs_osd_append_block(handle, dir, &block);
	if (IS_ERR(bh))
		return PTR_ERR(bh);
	if (ldiskfs_has_metadata_csum(dir->i_sb))
		tail = sizeof(struct ldiskfs_dir_entry_tail);
	ldiskfs_init_dot_dotdot(dir, (struct ldiskfs_dir_entry_2 *)bh->b_data, blocksize, tail,
				parent_ino, 0);
	if (tail)
		ldiskfs_initialize_dirent_tail(bh, blocksize);
	err = ldiskfs_handle_dirty_dirblock(handle, dir, bh);
	if (!err)
		set_buffer_verified(bh);
	brelse(bh);
	if (err)
		return err;
	set_nlink(dir, 2);
	return ldiskfs_mark_inode_dirty(handle, dir);
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_init_dir);

int ldiskfs_osd_add_entry(handle_t *handle, struct inode *dir, const struct ldiskfs_osd_name *name,
			  struct inode *inode)
{
	/* ext4 wants a dentry; of it and its parent it looks at no more than this. */
	struct dentry parent = {.d_inode = dir, .d_sb = dir->i_sb};
	struct dentry dentry = {
		.d_name = QSTR_INIT(name->name, name->len),
		.d_parent = &parent,
		.d_sb = dir->i_sb,
	};
	struct kept_stamps kept;
	int err, err2;

	err = check_name(name);
	if (err)
		return err;
	keep_stamps(dir, &kept);
	err = ldiskfs_add_entry(handle, &dentry, inode);
	err2 = restore_stamps(handle, dir, &kept);
	return err ? err : err2;
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_add_entry);

/* Looks a name up; the entry is valid while the buffer is held. */
static struct buffer_head *find_name(struct inode *dir, const struct ldiskfs_osd_name *name,
				     struct ldiskfs_dir_entry_2 **entry)
{
	struct qstr qstr = QSTR_INIT(name->name, name->len);
	struct buffer_head *bh;

	bh = ldiskfs_find_entry(dir, &qstr, entry, NULL);
	return bh ? bh : ERR_PTR(-ENOENT);
}

int ldiskfs_osd_find_entry(struct inode *dir, const struct ldiskfs_osd_name *name,
			   struct ldiskfs_osd_entry *entry)
{
	struct ldiskfs_dir_entry_2 *de;
	struct buffer_head *bh;

	if (name->len == 0)
		return -EINVAL;
	if (name->len > LDISKFS_NAME_LEN)
		return -ENAMETOOLONG;
	bh = find_name(dir, name, &de);
	if (IS_ERR(bh))
		return PTR_ERR(bh);
	*entry = (struct ldiskfs_osd_entry){
		.ino = le32_to_cpu(de->inode),
		.type = get_dtype(dir->i_sb, de->file_type),
	};
	brelse(bh);
	return 0;
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_find_entry);

int ldiskfs_osd_delete_entry(handle_t *handle, struct inode *dir,
			     const struct ldiskfs_osd_name *name, u32 ino)
{
	struct ldiskfs_dir_entry_2 *de;
	struct buffer_head *bh;
	struct kept_stamps kept;
	int err, err2;

	if (name->len == 0 || is_dot_or_dotdot(name))
		return -EINVAL;
	if (name->len > LDISKFS_NAME_LEN)
		return -ENAMETOOLONG;
	bh = find_name(dir, name, &de);
	if (IS_ERR(bh))
		return PTR_ERR(bh);
	if (ino && le32_to_cpu(de->inode) != ino) {
		brelse(bh);
		return -ESTALE;
	}
	keep_stamps(dir, &kept);
	err = ldiskfs_delete_entry(handle, dir, de, bh);
	brelse(bh);
	ldiskfs_update_dx_flag(dir);
	err2 = restore_stamps(handle, dir, &kept);
	return err ? err : err2;
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_delete_entry);

int ldiskfs_osd_set_dotdot(handle_t *handle, struct inode *dir, u32 parent_ino,
			   const struct ldiskfs_osd_name *dotdot)
{
	struct ldiskfs_dir_entry_2 *de;
	struct buffer_head *bh;
	int inlined = 0, err = -EFSCORRUPTED;

	if (dotdot && dotdot->data_len)
		return -EOPNOTSUPP;
	bh = ldiskfs_get_first_dir_block(handle, dir, &err, &de, &inlined);
	if (!bh)
		return err;
	err = ldiskfs_osd_get_write_access(handle, dir->i_sb, bh);
	if (!err) {
		de->inode = cpu_to_le32(parent_ino);
		/* The first block of an indexed directory is its index root: another checksum. */
		if (is_dx(dir))
			err = ldiskfs_handle_dirty_dx_node(handle, dir, bh);
		else
			err = ldiskfs_handle_dirty_dirblock(handle, dir, bh);
	}
	brelse(bh);
	return err;
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_set_dotdot);

bool ldiskfs_osd_dir_is_empty(struct inode *dir)
{
	return ldiskfs_empty_dir(dir);
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_dir_is_empty);

int ldiskfs_osd_name_position(struct inode *dir, const struct ldiskfs_osd_name *name, u64 *pos)
{
	struct ldiskfs_sb_info *sbi = LDISKFS_SB(dir->i_sb);
	struct dx_hash_info hash = {
		.hash_version = sbi->s_def_hash_version,
		.seed = sbi->s_hash_seed,
	};
	int err;

	if (hash.hash_version <= DX_HASH_TEA)
		hash.hash_version += sbi->s_hash_unsigned;
	err = ldiskfsfs_dirhash(dir, name->name, name->len, &hash);
	if (err)
		return err;
	*pos = (u64)(hash.hash >> 1) << 32 | hash.minor_hash;
	return 0;
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_name_position);

/*
 * ext4's readdir works on an open file.  This is as much of one as it looks at: what it would print
 * in a message about a damaged directory comes from the dentry.
 */
struct ldiskfs_osd_dir {
	struct file file;
	struct dentry dentry;
};

static char *cursor_name(struct dentry *dentry, char *buffer, int buflen)
{
	snprintf(buffer, buflen, "<inode %lu>", d_inode(dentry)->i_ino);
	return buffer;
}

static const struct dentry_operations cursor_dentry_operations = {
	.d_dname = cursor_name,
};

struct ldiskfs_osd_dir *ldiskfs_osd_dir_open(struct inode *dir)
{
	struct ldiskfs_osd_dir *cursor;
	struct file *file;
	int err;

	if (!S_ISDIR(dir->i_mode))
		return ERR_PTR(-ENOTDIR);
	cursor = kzalloc(sizeof(*cursor), GFP_NOFS);
	if (!cursor)
		return ERR_PTR(-ENOMEM);
	cursor->dentry.d_op = &cursor_dentry_operations;
	cursor->dentry.d_inode = dir;
	cursor->dentry.d_sb = dir->i_sb;
	/* Not its own parent: d_path() asks a file system's root by another way. */
	cursor->dentry.d_parent = dir->i_sb->s_root;

	file = &cursor->file;
	file->f_inode = dir;
	file->f_mapping = dir->i_mapping;
	file->f_path.dentry = &cursor->dentry;
	file->f_op = &ldiskfs_dir_operations;
	file->f_mode = FMODE_READ | FMODE_64BITHASH;
	file_ra_state_init(&file->f_ra, dir->i_mapping);
	err = file->f_op->open ? file->f_op->open(dir, file) : 0;
	if (err) {
		kfree(cursor);
		return ERR_PTR(err);
	}
	return cursor;
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_dir_open);

void ldiskfs_osd_dir_close(struct ldiskfs_osd_dir *cursor)
{
	cursor->file.f_op->release(cursor->file.f_inode, &cursor->file);
	kfree(cursor);
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_dir_close);

struct dir_read {
	struct dir_context ctx;
	ldiskfs_osd_dir_fn fn;
	void *arg;
};

/* Whether positions are hashes; else they are byte offsets.  As ext4_readdir() decides it. */
static bool has_hash_positions(struct inode *dir)
{
	return ldiskfs_has_feature_dir_index(dir->i_sb) &&
	       (ldiskfs_test_inode_flag(dir, LDISKFS_INODE_INDEX) ||
		i_size_read(dir) == dir->i_sb->s_blocksize);
}

static bool deliver_entry(struct dir_context *ctx, const char *name, int len, loff_t pos, u64 ino,
			  unsigned int type)
{
	struct dir_read *read = container_of(ctx, struct dir_read, ctx);
	struct ldiskfs_osd_entry entry = {
		.name = name,
		.name_len = len,
		.ino = ino,
		.type = type,
		.pos = pos,
	};

	return read->fn(read->arg, &entry);
}

int ldiskfs_osd_dir_read(struct ldiskfs_osd_dir *cursor, u64 *pos, ldiskfs_osd_dir_fn fn, void *arg)
{
	struct dir_read read = {.ctx.actor = deliver_entry, .fn = fn, .arg = arg};
	struct file *file = &cursor->file;
	struct inode *dir = file->f_inode;
	loff_t at;
	int err;

	if (*pos >= LDISKFS_OSD_DIR_END)
		return 0;
	/* For ext4, which lets go of it now and then; it keeps nobody out. */
	err = down_read_killable(&dir->i_rwsem);
	if (err)
		return err;
	/*
	 * ext4 notices by i_version that a directory changed since the last call.  We leave
	 * i_version alone, so say that it changed: that is what a seek does.
	 */
	at = file->f_op->llseek(file, *pos, SEEK_SET);
	if (at < 0) {
		err = at;
	} else {
		read.ctx.pos = at;
		err = file->f_op->iterate_shared(file, &read.ctx);
		file->f_pos = read.ctx.pos;
		*pos = read.ctx.pos;
		if (!has_hash_positions(dir) && read.ctx.pos >= i_size_read(dir))
			*pos = LDISKFS_OSD_DIR_END;
	}
	inode_unlock_shared(dir);
	return err;
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_dir_read);

/*
 * Extended attributes
 */

int ldiskfs_osd_xattr_get(struct inode *inode, int index, const char *name, void *value,
			  size_t size)
{
	return ldiskfs_xattr_get(inode, index, name, size ? value : NULL, size);
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_xattr_get);

int ldiskfs_osd_xattr_credits(struct super_block *sb, struct inode *inode, size_t size, bool create)
{
	int credits, err;

	if (!inode)
		return __ldiskfs_xattr_set_credits(sb, NULL, NULL, size, create);
	err = ldiskfs_xattr_set_credits(inode, size, create, &credits);
	return err ? err : credits;
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_xattr_credits);

int ldiskfs_osd_xattr_set(handle_t *handle, struct inode *inode, int index, const char *name,
			  const void *value, size_t size, int flags)
{
	struct kept_stamps kept;
	int credits, err, err2;

	credits = ldiskfs_osd_xattr_credits(inode->i_sb, inode, size, flags & XATTR_CREATE);
	if (credits < 0)
		return credits;
	/* What becomes free is revoked; ext4 itself asks for as many. */
	err = ldiskfs_osd_ensure_credits(handle, credits,
					 ldiskfs_trans_default_revoke_credits(inode->i_sb));
	if (err)
		return err > 0 ? -ENOSPC : err;
	keep_stamps(inode, &kept);
	err = ldiskfs_xattr_set_handle(handle, inode, index, name, value, size, flags);
	if (err)
		return err;
	err2 = restore_stamps(handle, inode, &kept);
	return err ? err : err2;
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_xattr_set);

/* Adds an ACL's name to a list: ext4 leaves it out, as ldiskfs_osd_attach() hides ACLs from it. */
static ssize_t list_acl(struct inode *inode, int index, const char *name, char *buf, size_t size)
{
	size_t len = strlen(name) + 1;
	int err;

	err = ldiskfs_xattr_get(inode, index, "", NULL, 0);
	if (err < 0)
		return err == -ENODATA ? 0 : err;
	if (!buf)
		return len;
	if (len > size)
		return -ERANGE;
	memcpy(buf, name, len);
	return len;
}

ssize_t ldiskfs_osd_xattr_list(struct inode *inode, char *buf, size_t size)
{
	static const char *const acl_names[] = {
		[LDISKFS_OSD_XATTR_ACL_ACCESS] = "system.posix_acl_access",
		[LDISKFS_OSD_XATTR_ACL_DEFAULT] = "system.posix_acl_default",
	};
	struct dentry dentry = {.d_inode = inode, .d_sb = inode->i_sb};
	ssize_t total, len;
	int index;

	if (size == 0)
		buf = NULL;
	total = ldiskfs_listxattr(&dentry, buf, size);
	for (index = LDISKFS_OSD_XATTR_ACL_ACCESS; index <= LDISKFS_OSD_XATTR_ACL_DEFAULT;
	     index++) {
		if (total < 0)
			break;
		len = list_acl(inode, index, acl_names[index], buf ? buf + total : NULL,
			       buf ? size - total : 0);
		total = len < 0 ? len : total + len;
	}
	return total;
}
EXPORT_SYMBOL_GPL(ldiskfs_osd_xattr_list);
