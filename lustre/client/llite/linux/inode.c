// SPDX-License-Identifier: GPL-2.0
//
// Inodes: their life, attributes and symbolic links.
//
// Invariants: an inode's FID never changes, and two inodes of a super block have different FIDs;
// `core` is set before the inode is unlocked and cleared by eviction; the core keeps the attributes
// true, the kernel's copy is what the last vfs_inode_update() said.
#include <linux/fs.h>
#include <linux/posix_acl.h>
#include <linux/slab.h>
#include <linux/xattr.h>

#include "llite.h"

static struct kmem_cache *ll_inode_cache;

/* ---- life ---- */

static void ll_inode_once(void *p)
{
	struct ll_inode *i = p;

	inode_init_once(&i->vfs);
}

int ll_inodes_start(void)
{
	ll_inode_cache = kmem_cache_create("lustre_inode_cache", sizeof(struct ll_inode), 0,
					   SLAB_RECLAIM_ACCOUNT | SLAB_ACCOUNT, ll_inode_once);
	return ll_inode_cache ? 0 : -ENOMEM;
}

void ll_inodes_stop(void)
{
	/* Inodes are freed after RCU read sections. */
	rcu_barrier();
	kmem_cache_destroy(ll_inode_cache);
}

struct inode *ll_alloc_inode(struct super_block *sb)
{
	struct ll_inode *i = alloc_inode_sb(sb, ll_inode_cache, GFP_KERNEL);

	if (!i)
		return NULL;
	i->fid = (struct lustre_fid){};
	i->core = NULL;
	i->write_io = NULL;
	return &i->vfs;
}

void ll_free_inode(struct inode *inode)
{
	kmem_cache_free(ll_inode_cache, ll_inode(inode));
}

void ll_evict_inode(struct inode *inode)
{
	truncate_inode_pages_final(&inode->i_data);
	clear_inode(inode);
	if (ll_core(inode))
		lustre_inode_evict(ll_core(inode));
}

static int ll_test_fid(struct inode *inode, void *fid)
{
	return !memcmp(&ll_inode(inode)->fid, fid, sizeof(struct lustre_fid));
}

static int ll_set_fid(struct inode *inode, void *fid)
{
	ll_inode(inode)->fid = *(const struct lustre_fid *)fid;
	inode->i_ino = lustre_ino(fid);
	inode->i_generation = lustre_generation(fid);
	return 0;
}

static void ll_set_ops(struct inode *inode)
{
	if (S_ISREG(inode->i_mode)) {
		inode->i_op = &ll_file_iops;
		inode->i_fop = &ll_file_fops;
		inode->i_mapping->a_ops = &ll_aops;
	} else if (S_ISDIR(inode->i_mode)) {
		inode->i_op = &ll_dir_iops;
		inode->i_fop = &ll_dir_fops;
	} else if (S_ISLNK(inode->i_mode)) {
		inode->i_op = &ll_symlink_iops;
	} else {
		inode->i_op = &ll_file_iops;
		init_special_inode(inode, inode->i_mode, inode->i_rdev);
	}
}

int vfs_iget(struct vfs_super *vs, const struct lustre_fid *fid, const struct lustre_attr *attr,
	     struct vfs_inode **out)
{
	struct super_block *sb = (struct super_block *)vs;
	struct inode *inode = iget5_locked(sb, (unsigned long)lustre_ino(fid), ll_test_fid,
					   ll_set_fid, (void *)fid);
	int rc;

	if (!inode)
		return -ENOMEM;
	*out = ll_boundary(inode);
	if (!(inode->i_state & I_NEW)) {
		if (inode_wrong_type(inode, attr->mode)) {
			iput(inode);
			return -ESTALE;
		}
		return 0;
	}
	inode->i_mode = attr->mode;
	inode->i_rdev = attr->valid & LUSTRE_ATTR_RDEV ? (dev_t)attr->rdev : 0;
	ll_set_ops(inode);
#ifdef CONFIG_FS_POSIX_ACL
	/* No lock tells when it changes. */
	inode->i_default_acl = ACL_DONT_CACHE;
#endif
	rc = lustre_inode_make(ll_super(sb)->mount, *out, fid, attr->mode, &ll_inode(inode)->core);
	if (rc) {
		iget_failed(inode);
		return rc;
	}
	vfs_inode_update(*out, attr, true);
	unlock_new_inode(inode);
	return 0;
}

void vfs_iput(struct vfs_inode *vi)
{
	iput(ll_kernel(vi));
}

bool vfs_igrab(struct vfs_inode *vi)
{
	return igrab(ll_kernel(vi));
}

struct lustre_inode *vfs_inode_core(struct vfs_inode *vi)
{
	return ll_core(ll_kernel(vi));
}

/* ---- attributes ---- */

static void ll_set_flags(struct inode *inode, u32 flags)
{
	inode_set_flags(inode,
			(flags & LUSTRE_INODE_SYNC ? S_SYNC : 0) |
				(flags & LUSTRE_INODE_IMMUTABLE ? S_IMMUTABLE : 0) |
				(flags & LUSTRE_INODE_APPEND ? S_APPEND : 0) |
				(flags & LUSTRE_INODE_NOATIME ? S_NOATIME : 0) |
				(flags & LUSTRE_INODE_DIRSYNC ? S_DIRSYNC : 0),
			S_SYNC | S_IMMUTABLE | S_APPEND | S_NOATIME | S_DIRSYNC);
}

static void ll_set_times(struct inode *inode, const struct lustre_attr *a)
{
#ifdef HAVE_INODE_TIME_ACCESSORS
	if (a->valid & LUSTRE_ATTR_ATIME)
		inode_set_atime(inode, a->atime, 0);
	if (a->valid & LUSTRE_ATTR_MTIME)
		inode_set_mtime(inode, a->mtime, 0);
	if (a->valid & LUSTRE_ATTR_CTIME)
		inode_set_ctime(inode, a->ctime, 0);
#else
	if (a->valid & LUSTRE_ATTR_ATIME)
		inode->i_atime = (struct timespec64){.tv_sec = a->atime};
	if (a->valid & LUSTRE_ATTR_MTIME)
		inode->i_mtime = (struct timespec64){.tv_sec = a->mtime};
	if (a->valid & LUSTRE_ATTR_CTIME)
		inode->i_ctime = (struct timespec64){.tv_sec = a->ctime};
#endif
}

void vfs_inode_update(struct vfs_inode *vi, const struct lustre_attr *a, bool size_too)
{
	struct inode *inode = ll_kernel(vi);

	spin_lock(&inode->i_lock);
	if (a->valid & LUSTRE_ATTR_MODE)
		inode->i_mode = (inode->i_mode & S_IFMT) | (a->mode & ~S_IFMT);
	if (a->valid & LUSTRE_ATTR_UID)
		inode->i_uid = make_kuid(&init_user_ns, a->uid);
	if (a->valid & LUSTRE_ATTR_GID)
		inode->i_gid = make_kgid(&init_user_ns, a->gid);
	if (a->valid & LUSTRE_ATTR_NLINK)
		set_nlink(inode, a->nlink);
	if (a->valid & LUSTRE_ATTR_FLAGS)
		ll_set_flags(inode, a->flags);
	if (a->valid & LUSTRE_ATTR_BLOCKS)
		inode->i_blocks = a->blocks;
	ll_set_times(inode, a);
	if (size_too && a->valid & LUSTRE_ATTR_SIZE)
		i_size_write(inode, a->size);
	spin_unlock(&inode->i_lock);
}

void vfs_inode_attr(struct vfs_inode *vi, struct lustre_attr *out)
{
	struct inode *inode = ll_kernel(vi);

	*out = (struct lustre_attr){
		.valid = LUSTRE_ATTR_TYPE | LUSTRE_ATTR_MODE | LUSTRE_ATTR_UID | LUSTRE_ATTR_GID |
			 LUSTRE_ATTR_NLINK | LUSTRE_ATTR_SIZE | LUSTRE_ATTR_BLOCKS |
			 LUSTRE_ATTR_ATIME | LUSTRE_ATTR_MTIME | LUSTRE_ATTR_CTIME,
		.mode = inode->i_mode,
		.uid = from_kuid(&init_user_ns, inode->i_uid),
		.gid = from_kgid(&init_user_ns, inode->i_gid),
		.nlink = inode->i_nlink,
		.size = i_size_read(inode),
		.blocks = inode->i_blocks,
#ifdef HAVE_INODE_TIME_ACCESSORS
		.atime = inode_get_atime_sec(inode),
		.mtime = inode_get_mtime_sec(inode),
		.ctime = inode_get_ctime_sec(inode),
#else
		.atime = inode->i_atime.tv_sec,
		.mtime = inode->i_mtime.tv_sec,
		.ctime = inode->i_ctime.tv_sec,
#endif
	};
}

/* What statx(2) asks for, as the core names it. */
static u32 ll_wanted(u32 mask)
{
	u32 want = LUSTRE_ATTR_TYPE | LUSTRE_ATTR_MODE | LUSTRE_ATTR_UID | LUSTRE_ATTR_GID |
		   LUSTRE_ATTR_NLINK | LUSTRE_ATTR_FLAGS;

	want |= mask & STATX_SIZE ? LUSTRE_ATTR_SIZE : 0;
	want |= mask & STATX_BLOCKS ? LUSTRE_ATTR_BLOCKS : 0;
	want |= mask & STATX_ATIME ? LUSTRE_ATTR_ATIME : 0;
	want |= mask & STATX_MTIME ? LUSTRE_ATTR_MTIME : 0;
	want |= mask & STATX_CTIME ? LUSTRE_ATTR_CTIME : 0;
	want |= mask & STATX_BTIME ? LUSTRE_ATTR_BTIME : 0;
	return want;
}

static void ll_fill_stat(struct inode *inode, u32 mask, const struct lustre_attr *a,
			 struct kstat *stat)
{
#ifdef HAVE_FILLATTR_MASK
	generic_fillattr(LL_NO_IDMAP, mask, inode, stat);
#else
	generic_fillattr(LL_NO_IDMAP, inode, stat);
#endif
	/* The device of every client of the file system, not this mount's own. */
	stat->dev = ll_super(inode->i_sb)->info.dev;
	stat->ino = lustre_ino(&ll_inode(inode)->fid);
	stat->blksize = a->blksize;
	if (a->valid & LUSTRE_ATTR_SIZE)
		stat->size = a->size;
	if (a->valid & LUSTRE_ATTR_BLOCKS)
		stat->blocks = a->blocks;
	if (a->valid & LUSTRE_ATTR_BTIME) {
		stat->result_mask |= STATX_BTIME;
		stat->btime.tv_sec = a->btime;
		stat->btime.tv_nsec = 0;
	}
	stat->attributes_mask = STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND | STATX_ATTR_NODUMP;
	stat->attributes |= a->flags & LUSTRE_INODE_IMMUTABLE ? STATX_ATTR_IMMUTABLE : 0;
	stat->attributes |= a->flags & LUSTRE_INODE_APPEND ? STATX_ATTR_APPEND : 0;
	stat->attributes |= a->flags & LUSTRE_INODE_NODUMP ? STATX_ATTR_NODUMP : 0;
}

int ll_getattr(LL_IDMAP *idmap, const struct path *path, struct kstat *stat, u32 mask,
	       unsigned int flags)
{
	struct inode *inode = d_inode(path->dentry);
	struct lustre_attr a = {};
	int rc = lustre_getattr(ll_core(inode), ll_wanted(mask),
				flags & AT_STATX_DONT_SYNC ? LUSTRE_GETATTR_CACHED : 0, &a);

	if (!rc)
		ll_fill_stat(inode, mask, &a, stat);
	return rc;
}

void ll_attr_of(const struct iattr *from, struct lustre_attr *to)
{
	static const struct {
		unsigned int kernel, core;
	} bits[] = {
		{ATTR_MODE, LUSTRE_ATTR_MODE},
		{ATTR_UID, LUSTRE_ATTR_UID},
		{ATTR_GID, LUSTRE_ATTR_GID},
		{ATTR_SIZE, LUSTRE_ATTR_SIZE},
		{ATTR_ATIME, LUSTRE_ATTR_ATIME},
		{ATTR_MTIME, LUSTRE_ATTR_MTIME},
		{ATTR_CTIME, LUSTRE_ATTR_CTIME},
		{ATTR_ATIME_SET, LUSTRE_ATTR_ATIME_SET},
		{ATTR_MTIME_SET, LUSTRE_ATTR_MTIME_SET},
		{ATTR_FORCE, LUSTRE_ATTR_FORCE},
		{ATTR_KILL_SUID, LUSTRE_ATTR_KILL_SUID},
		{ATTR_KILL_SGID, LUSTRE_ATTR_KILL_SGID},
		{ATTR_OPEN, LUSTRE_ATTR_OPEN},
		{ATTR_FILE, LUSTRE_ATTR_FILE},
	};
	unsigned int k;

	*to = (struct lustre_attr){
		.mode = from->ia_mode,
		.size = from->ia_size,
		.atime = from->ia_atime.tv_sec,
		.mtime = from->ia_mtime.tv_sec,
		.ctime = from->ia_ctime.tv_sec,
	};
	if (from->ia_valid & ATTR_UID)
		to->uid = from_kuid(&init_user_ns, from->ia_uid);
	if (from->ia_valid & ATTR_GID)
		to->gid = from_kgid(&init_user_ns, from->ia_gid);
	for (k = 0; k < ARRAY_SIZE(bits); k++)
		if (from->ia_valid & bits[k].kernel)
			to->valid |= bits[k].core;
}

int ll_setattr(LL_IDMAP *idmap, struct dentry *dentry, struct iattr *attr)
{
	struct inode *inode = d_inode(dentry);
	struct lustre_attr a;
	int rc = lustre_permission(ll_core(inode));

	if (!rc)
		rc = setattr_prepare(idmap, dentry, attr);
	if (rc)
		return rc;
	ll_attr_of(attr, &a);
	return lustre_setattr(ll_core(inode),
			      attr->ia_valid & ATTR_FILE ? ll_open(attr->ia_file) : NULL, &a);
}

int ll_permission(LL_IDMAP *idmap, struct inode *inode, int mask)
{
	int rc = 0;

	if (mask & MAY_NOT_BLOCK) {
		if (!lustre_permission_cached(ll_core(inode)))
			return -ECHILD;
	} else {
		rc = lustre_permission(ll_core(inode));
	}
	return rc ? rc : generic_permission(idmap, inode, mask);
}

void vfs_acl_drop(struct vfs_inode *vi)
{
#ifdef CONFIG_FS_POSIX_ACL
	forget_cached_acl(ll_kernel(vi), ACL_TYPE_ACCESS);
#endif
}

void vfs_names_drop(struct vfs_inode *vi)
{
	d_prune_aliases(ll_kernel(vi));
}

/* ---- symbolic links ---- */

static const char *ll_get_link(struct dentry *dentry, struct inode *inode,
			       struct delayed_call *done)
{
	char *buf;
	long n;

	if (!dentry)
		return ERR_PTR(-ECHILD);
	buf = kmalloc(PATH_MAX, GFP_KERNEL);
	if (!buf)
		return ERR_PTR(-ENOMEM);
	n = lustre_readlink(ll_core(inode), buf, PATH_MAX - 1);
	if (n < 0) {
		kfree(buf);
		return ERR_PTR(n);
	}
	buf[n] = 0;
	set_delayed_call(done, kfree_link, buf);
	return buf;
}

/* Of regular files, devices, pipes and sockets. */
const struct inode_operations ll_file_iops = {
	.getattr = ll_getattr,
	.setattr = ll_setattr,
	.permission = ll_permission,
	.listxattr = ll_listxattr,
	LL_ACL_OPS,
};

const struct inode_operations ll_symlink_iops = {
	.get_link = ll_get_link,
	.getattr = ll_getattr,
	.setattr = ll_setattr,
	.permission = ll_permission,
	.listxattr = ll_listxattr,
};
