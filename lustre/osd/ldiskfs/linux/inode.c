// SPDX-License-Identifier: GPL-2.0
//
// Inodes: references, attributes, links, blocks, symbolic links.
#include <linux/quotaops.h>
#include <linux/slab.h>
#include <linux/xattr.h>

#include "convert.h"

int ldi_iget(struct ldi_fs *fs, u32 ino, u32 generation, struct ldi_inode **out)
{
	struct inode *inode = ldiskfs_osd_iget(fs->sb, ino, LDISKFS_OSD_IGET_HANDLE);
	int rc;

	if (IS_ERR(inode))
		return PTR_ERR(inode);
	if ((generation && inode->i_generation != generation) || !inode->i_nlink)
		rc = -ESTALE;
	else /* without its quota records, what it gets and gives back would not be accounted */
		rc = dquot_initialize(inode);
	if (rc) {
		ldi_iput(fs, ldi_of(inode));
		return rc;
	}
	*out = ldi_of(inode);
	return 0;
}

struct ldi_inode *ldi_igrab(struct ldi_inode *inode)
{
	ihold(inode_of(inode));
	return inode;
}

/* A last reference that may not go where it is dropped. */
struct late_iput {
	struct work_struct work;
	struct inode *inode;
};

static void late_iput(struct work_struct *work)
{
	struct late_iput *late = container_of(work, struct late_iput, work);

	iput(late->inode);
	kfree(late);
}

void ldi_iput(struct ldi_fs *fs, struct ldi_inode *i)
{
	struct inode *inode = inode_of(i);
	struct late_iput *late;

	if (!inode || !journal_current_handle()) {
		iput(inode);
		return;
	}
	/* Not the last one: it can go here. */
	if (atomic_add_unless(&inode->i_count, -1, 1))
		return;
	late = kmalloc(sizeof(*late), GFP_NOFS | __GFP_NOFAIL);
	INIT_WORK(&late->work, late_iput);
	late->inode = inode;
	queue_work(fs->iput_queue, &late->work);
}

int ldi_new_inode(struct ldi_tx *tx, struct ldi_inode *dir, const struct ldi_new *what,
		  struct ldi_inode **out)
{
	struct ldiskfs_osd_new new = {
		.mode = what->mode,
		.uid = what->uid,
		.gid = what->gid,
		.rdev = new_decode_dev(what->rdev),
		.goal = what->goal,
		.block_mapped = what->block_mapped,
	};

	return give_inode(ldiskfs_osd_new_inode(handle_of(tx), inode_of(dir), &new), out);
}

void ldi_unlock_new(struct ldi_inode *inode)
{
	unlock_new_inode(inode_of(inode));
}

void ldi_discard_new(struct ldi_tx *tx, struct ldi_inode *inode)
{
	ldiskfs_osd_discard_new(handle_of(tx), inode_of(inode));
}

static struct ldi_time time_out(struct timespec64 t)
{
	return (struct ldi_time){.sec = t.tv_sec, .nsec = t.tv_nsec};
}

static struct timespec64 time_in(struct ldi_time t)
{
	return (struct timespec64){.tv_sec = t.sec, .tv_nsec = t.nsec};
}

void ldi_attr_get(struct ldi_inode *i, struct ldi_attr *out)
{
	struct inode *inode = inode_of(i);
	struct ldiskfs_osd_times times;

	ldiskfs_osd_get_times(inode, &times);
	out->ino = inode->i_ino;
	out->generation = inode->i_generation;
	out->mode = inode->i_mode;
	out->uid = i_uid_read(inode);
	out->gid = i_gid_read(inode);
	out->projid = ldiskfs_osd_get_projid(inode);
	out->flags = ldiskfs_osd_get_flags(inode);
	out->nlink = inode->i_nlink;
	out->rdev = new_encode_dev(inode->i_rdev);
	out->size = i_size_read(inode);
	out->blocks = inode->i_blocks;
	out->version = ldiskfs_osd_get_version(inode);
	out->atime = time_out(times.atime);
	out->mtime = time_out(times.mtime);
	out->ctime = time_out(times.ctime);
	out->crtime = time_out(times.crtime);
}

void ldi_attr_set(struct ldi_inode *i, const struct ldi_attr *attr, u32 which)
{
	struct inode *inode = inode_of(i);
	struct ldiskfs_osd_times times = {
		.atime = time_in(attr->atime),
		.mtime = time_in(attr->mtime),
		.ctime = time_in(attr->ctime),
		.crtime = time_in(attr->crtime),
	};
	unsigned int set = 0;

	if (which & LDI_MODE)
		inode->i_mode = (inode->i_mode & S_IFMT) | (attr->mode & 07777);
	if (which & LDI_ATIME)
		set |= LDISKFS_OSD_ATIME;
	if (which & LDI_MTIME)
		set |= LDISKFS_OSD_MTIME;
	if (which & LDI_CTIME)
		set |= LDISKFS_OSD_CTIME;
	if (which & LDI_CRTIME)
		set |= LDISKFS_OSD_CRTIME;
	if (set)
		ldiskfs_osd_set_times(inode, &times, set);
	if (which & LDI_VERSION)
		ldiskfs_osd_set_version(inode, attr->version);
	if (which & LDI_SIZE)
		ldiskfs_osd_set_size(inode, attr->size);
}

static_assert(LDISKFS_OSD_UID == 1 && LDISKFS_OSD_GID == 2 && LDISKFS_OSD_PROJID == 4);

int ldi_set_owner(struct ldi_tx *tx, struct ldi_inode *inode, const struct ldi_attr *attr,
		  u32 which)
{
	struct ldiskfs_osd_owner owner = {
		.uid = attr->uid, .gid = attr->gid, .projid = attr->projid};

	return ldiskfs_osd_set_owner(handle_of(tx), inode_of(inode), &owner, which);
}

int ldi_set_flags(struct ldi_tx *tx, struct ldi_inode *inode, u32 set, u32 clear)
{
	return ldiskfs_osd_set_flags(handle_of(tx), inode_of(inode), set, clear);
}

u32 ldi_settable_flags(void)
{
	return LDISKFS_OSD_FLAGS_SETTABLE;
}

int ldi_dirty(struct ldi_tx *tx, struct ldi_inode *inode)
{
	return ldiskfs_osd_mark_inode_dirty(handle_of(tx), inode_of(inode));
}

u32 ldi_ino(const struct ldi_inode *inode)
{
	return const_inode_of(inode)->i_ino;
}

u32 ldi_generation(const struct ldi_inode *inode)
{
	return const_inode_of(inode)->i_generation;
}

u64 ldi_size(const struct ldi_inode *inode)
{
	return i_size_read(const_inode_of(inode));
}

void ldi_inc_nlink(struct ldi_inode *inode)
{
	ldiskfs_osd_inc_nlink(inode_of(inode));
}

void ldi_dec_nlink(struct ldi_inode *inode)
{
	ldiskfs_osd_dec_nlink(inode_of(inode));
}

int ldi_orphan(struct ldi_tx *tx, struct ldi_inode *i)
{
	struct inode *inode = inode_of(i);
	int rc;

	clear_nlink(inode);
	rc = ldiskfs_osd_orphan_add(handle_of(tx), inode);
	return rc ? rc : ldiskfs_osd_mark_inode_dirty(handle_of(tx), inode);
}

int ldi_orphan_add(struct ldi_tx *tx, struct ldi_inode *inode)
{
	return ldiskfs_osd_orphan_add(handle_of(tx), inode_of(inode));
}

int ldi_orphan_del(struct ldi_tx *tx, struct ldi_inode *inode)
{
	return ldiskfs_osd_orphan_del(handle_of(tx), inode_of(inode));
}

int ldi_set_symlink(struct ldi_tx *tx, struct ldi_inode *inode, const char *text, unsigned int len)
{
	return ldiskfs_osd_set_symlink(handle_of(tx), inode_of(inode), text, len);
}

int ldi_get_symlink(struct ldi_inode *inode, char *buf, unsigned int size)
{
	return ldiskfs_osd_get_symlink(inode_of(inode), buf, size);
}

/* ---- blocks ---- */

static int give_buffer(struct buffer_head *bh, struct ldi_buf **out)
{
	if (IS_ERR(bh))
		return PTR_ERR(bh);
	*out = (struct ldi_buf *)bh;
	return 0;
}

int ldi_read_block(struct ldi_inode *inode, u32 block, struct ldi_buf **out)
{
	return give_buffer(ldiskfs_osd_read_block(inode_of(inode), block), out);
}

int ldi_write_block(struct ldi_tx *tx, struct ldi_inode *inode, u32 block, struct ldi_buf **out)
{
	return give_buffer(ldiskfs_osd_write_block(handle_of(tx), inode_of(inode), block), out);
}

int ldi_append_block(struct ldi_tx *tx, struct ldi_inode *inode, u32 *block, struct ldi_buf **out)
{
	return give_buffer(ldiskfs_osd_append_block(handle_of(tx), inode_of(inode), block), out);
}

int ldi_get_write_access(struct ldi_tx *tx, struct ldi_inode *inode, struct ldi_buf *buf)
{
	return ldiskfs_osd_get_write_access(handle_of(tx), inode_of(inode)->i_sb, bh_of(buf));
}

int ldi_dirty_block(struct ldi_tx *tx, struct ldi_inode *inode, struct ldi_buf *buf)
{
	return ldiskfs_osd_dirty_block(handle_of(tx), inode_of(inode), bh_of(buf));
}

void *ldi_data(struct ldi_buf *buf)
{
	return bh_of(buf)->b_data;
}

void ldi_release(struct ldi_buf *buf)
{
	brelse(bh_of(buf));
}

int ldi_free_blocks(struct ldi_inode *inode, u32 first, u32 end)
{
	return ldiskfs_osd_free_blocks(inode_of(inode), first, end);
}

static_assert(LDI_CREATE == LDISKFS_OSD_MAP_CREATE);
static_assert(LDI_CREATE_UNWRITTEN == (LDISKFS_OSD_MAP_CREATE | LDISKFS_OSD_MAP_UNWRITTEN));
static_assert(LDI_MAPPED == LDISKFS_OSD_MAPPED && LDI_UNWRITTEN == LDISKFS_OSD_IS_UNWRITTEN &&
	      LDI_NEW == LDISKFS_OSD_IS_NEW);

int ldi_map_blocks(struct ldi_tx *tx, struct ldi_inode *inode, struct ldi_map *map,
		   unsigned int flags)
{
	struct ldiskfs_osd_map m = {.logical = map->logical, .count = map->count};
	int rc = ldiskfs_osd_map_blocks(handle_of(tx), inode_of(inode), &m, flags);

	map->count = m.count;
	map->physical = m.physical;
	map->state = m.state;
	return rc;
}

int ldi_chunk_credits(struct ldi_inode *inode, int blocks)
{
	return ldiskfs_osd_chunk_credits(inode_of(inode), blocks);
}

/* ---- extended attributes ---- */

static_assert(XATTR_CREATE == 1 && XATTR_REPLACE == 2);

int ldi_xattr_get(struct ldi_inode *inode, int index, const char *name, void *value, size_t size)
{
	return ldiskfs_osd_xattr_get(inode_of(inode), index, name, value, size);
}

int ldi_xattr_set(struct ldi_tx *tx, struct ldi_inode *inode, int index, const char *name,
		  const void *value, size_t size, int flags)
{
	return ldiskfs_osd_xattr_set(handle_of(tx), inode_of(inode), index, name, value, size,
				     flags);
}

long ldi_xattr_list(struct ldi_inode *inode, char *buf, size_t size)
{
	return ldiskfs_osd_xattr_list(inode_of(inode), buf, size);
}

int ldi_xattr_credits(struct ldi_fs *fs, struct ldi_inode *inode, size_t size, bool create)
{
	return ldiskfs_osd_xattr_credits(fs->sb, inode_of(inode), size, create);
}
