/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of this folder share: the kernel's objects with the core's hung on them.
 * Everything here translates between Linux's VFS and client/plat_vfs.h; what to do is decided in
 * the core.
 */
#ifndef LLITE_H
#define LLITE_H

#include <linux/fs.h>
#include <linux/pagemap.h>

#include "client/plat_vfs.h"

struct ll_super {
	struct lustre_mount *mount;
	struct lustre_mount_info info;
	struct cfs_node *node;
	struct super_block *sb;
	char *options; /* as mount(2) brought them */
};

struct ll_inode {
	struct inode vfs;
	struct lustre_fid fid;
	struct lustre_inode *core;
	/* The write that holds the inode's lock, for write_begin and write_end. */
	struct lustre_io *write_io;
};

/* What inode operations take to map user ids: not used, file systems of ours are mounted in the
 * initial user namespace only. */
#ifdef HAVE_MNT_IDMAP
#define LL_IDMAP struct mnt_idmap
#define LL_NO_IDMAP (&nop_mnt_idmap)
#else
#define LL_IDMAP struct user_namespace
#define LL_NO_IDMAP (&init_user_ns)
#endif

/* The kernel's copies of ACLs come from here. */
#ifdef HAVE_GET_INODE_ACL
#define LL_ACL_OPS .get_inode_acl = ll_get_acl, .set_acl = ll_set_acl
#else
#define LL_ACL_OPS .get_acl = ll_get_acl
#endif

static inline struct ll_super *ll_super(const struct super_block *sb)
{
	return sb->s_fs_info;
}

static inline struct ll_inode *ll_inode(const struct inode *inode)
{
	return container_of(inode, struct ll_inode, vfs);
}

static inline struct lustre_inode *ll_core(const struct inode *inode)
{
	return ll_inode(inode)->core;
}

static inline struct lustre_open *ll_open(const struct file *file)
{
	return file->private_data;
}

static inline struct vfs_inode *ll_boundary(struct inode *inode)
{
	return (struct vfs_inode *)inode;
}

static inline struct inode *ll_kernel(struct vfs_inode *vi)
{
	return (struct inode *)vi;
}

/* The stamp of a name (struct lustre_found), kept in its dentry. */
static inline u32 ll_stamp(const struct dentry *dentry)
{
	return (u32)(unsigned long)READ_ONCE(dentry->d_fsdata);
}

static inline void ll_set_stamp(struct dentry *dentry, u32 stamp)
{
	WRITE_ONCE(dentry->d_fsdata, (void *)(unsigned long)stamp);
}

/* inode.c */
int ll_inodes_start(void);
void ll_inodes_stop(void);
struct inode *ll_alloc_inode(struct super_block *sb);
void ll_free_inode(struct inode *inode);
void ll_evict_inode(struct inode *inode);
void ll_attr_of(const struct iattr *from, struct lustre_attr *to);
int ll_getattr(LL_IDMAP *idmap, const struct path *path, struct kstat *stat, u32 mask,
	       unsigned int flags);
int ll_setattr(LL_IDMAP *idmap, struct dentry *dentry, struct iattr *attr);
int ll_permission(LL_IDMAP *idmap, struct inode *inode, int mask);
extern const struct inode_operations ll_file_iops;
extern const struct inode_operations ll_symlink_iops;

/* namei.c */
extern const struct inode_operations ll_dir_iops;
extern const struct dentry_operations ll_dentry_ops;
/* Makes dentry name what was found; like d_splice_alias(). */
struct dentry *ll_splice(struct dentry *dentry, const struct lustre_found *found);

/* file.c */
extern const struct file_operations ll_file_fops;
extern const struct file_operations ll_dir_fops;
/* finish_open()'s callback: the file is open at the server already. */
int ll_opened(struct inode *inode, struct file *file);

/* pages.c */
extern const struct address_space_operations ll_aops;
extern const struct vm_operations_struct ll_vm_ops;

/* xattr.c */
extern const struct xattr_handler *const ll_xattr_handlers[];
ssize_t ll_listxattr(struct dentry *dentry, char *buf, size_t n);
struct posix_acl *ll_get_acl(struct inode *inode, int type, bool rcu);
#ifdef HAVE_GET_INODE_ACL
int ll_set_acl(LL_IDMAP *idmap, struct dentry *dentry, struct posix_acl *acl, int type);
#endif

/* export.c */
extern const struct export_operations ll_export_ops;

#endif
