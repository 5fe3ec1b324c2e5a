// SPDX-License-Identifier: GPL-2.0
//
// Names: lookup, creation and removal, and how long a dentry is believed. A dentry keeps the stamp
// that came with the answer (struct lustre_found); it is good while the core says that the stamp
// is, which a check of two words tells, so that cached paths are walked without a lock or an RPC.
#include <linux/namei.h>

#include "llite.h"

/* ---- dentries ---- */

static int ll_revalidate(struct dentry *dentry, unsigned int flags)
{
	struct inode *inode = d_inode_rcu(dentry);
	bool negative = !inode;
	int valid;

	/* A mount point must be found, and the way up is always true. */
	if (d_mountpoint(dentry))
		return 1;
	/* To create, only the server can say that there is nothing. */
	if (negative && flags & (LOOKUP_CREATE | LOOKUP_RENAME_TARGET))
		return 0;
	if (flags & LOOKUP_REVAL)
		return flags & LOOKUP_RCU ? -ECHILD : 0;
	rcu_read_lock();
	if (negative) {
		struct dentry *parent = READ_ONCE(dentry->d_parent);

		inode = d_inode_rcu(parent);
	}
	valid = inode && ll_core(inode) &&
		lustre_name_valid(ll_core(inode), ll_stamp(dentry), negative);
	rcu_read_unlock();
	return valid;
}

static int ll_delete(const struct dentry *dentry)
{
	const struct inode *inode = d_inode(dentry);

	/* Names that nobody may believe are not kept. */
	return inode && !lustre_name_valid(ll_core(inode), ll_stamp(dentry), false);
}

const struct dentry_operations ll_dentry_ops = {
	.d_revalidate = ll_revalidate,
	.d_delete = ll_delete,
};

struct dentry *ll_splice(struct dentry *dentry, const struct lustre_found *found)
{
	struct inode *inode = found->inode ? ll_kernel(found->inode) : NULL;
	struct dentry *alias = d_splice_alias(inode, dentry);

	if (!IS_ERR(alias))
		ll_set_stamp(alias ? alias : dentry, found->stamp);
	return alias;
}

/* A name just made: the dentry was negative and hashed, or being looked up. */
static int ll_instantiate(struct dentry *dentry, const struct lustre_found *found)
{
	ll_set_stamp(dentry, found->stamp);
	if (d_unhashed(dentry)) {
		struct dentry *alias = ll_splice(dentry, found);

		if (IS_ERR(alias))
			return PTR_ERR(alias);
		dput(alias);
		return 0;
	}
	d_instantiate(dentry, ll_kernel(found->inode));
	return 0;
}

/* ---- lookup and open ---- */

static struct dentry *ll_lookup(struct inode *dir, struct dentry *dentry, unsigned int flags)
{
	struct lustre_found found;
	u32 f = (flags & LOOKUP_OPEN ? LUSTRE_LOOKUP_OPEN : 0) |
		(flags & (LOOKUP_CREATE | LOOKUP_RENAME_TARGET) ? LUSTRE_LOOKUP_CREATE : 0) |
		(flags & LOOKUP_EXCL ? LUSTRE_LOOKUP_EXCL : 0) |
		(flags & LOOKUP_PARENT ? LUSTRE_LOOKUP_PARENT : 0);
	int rc;

	if (dentry->d_name.len > ll_super(dir->i_sb)->info.name_max)
		return ERR_PTR(-ENAMETOOLONG);
	rc = lustre_lookup(ll_core(dir), dentry->d_name.name, dentry->d_name.len, f, &found);
	return rc ? ERR_PTR(rc) : ll_splice(dentry, &found);
}

/* Gives the kernel's open file the core's. */
static int ll_finish_open(struct file *file, struct dentry *dentry, struct lustre_open *o)
{
	int rc;

	file->private_data = o;
	rc = finish_open(file, dentry, ll_opened);
	if (rc && !(file->f_mode & FMODE_OPENED)) {
		file->private_data = NULL;
		lustre_close(o);
	}
	return rc;
}

static int ll_atomic_open(struct inode *dir, struct dentry *dentry, struct file *file,
			  unsigned int flags, umode_t mode)
{
	struct lustre_found found;
	struct lustre_open *o = NULL;
	struct dentry *alias = NULL;
	bool created = false;
	int rc;

	if (dentry->d_name.len > ll_super(dir->i_sb)->info.name_max)
		return -ENAMETOOLONG;
	rc = lustre_open_name(ll_core(dir), dentry->d_name.name, dentry->d_name.len, flags, mode,
			      &found, &o, &created);
	if (rc)
		return rc;
	/* A hashed negative dentry is replaced by what the server has. */
	if (!d_in_lookup(dentry))
		d_drop(dentry);
	alias = ll_splice(dentry, &found);
	if (IS_ERR(alias)) {
		if (o)
			lustre_close(o);
		return PTR_ERR(alias);
	}
	if (created)
		file->f_mode |= FMODE_CREATED;
	if (!o)
		return finish_no_open(file, alias);
	rc = ll_finish_open(file, alias ? alias : dentry, o);
	dput(alias);
	return rc;
}

/* ---- making names ---- */

static int ll_create(LL_IDMAP *idmap, struct inode *dir, struct dentry *dentry, umode_t mode,
		     bool excl)
{
	struct lustre_found found;
	int rc = lustre_create(ll_core(dir), dentry->d_name.name, dentry->d_name.len, mode, &found);

	return rc ? rc : ll_instantiate(dentry, &found);
}

static int ll_mkdir(LL_IDMAP *idmap, struct inode *dir, struct dentry *dentry, umode_t mode)
{
	struct lustre_found found;
	int rc = lustre_mkdir(ll_core(dir), dentry->d_name.name, dentry->d_name.len, S_IFDIR | mode,
			      &found);

	return rc ? rc : ll_instantiate(dentry, &found);
}

static int ll_mknod(LL_IDMAP *idmap, struct inode *dir, struct dentry *dentry, umode_t mode,
		    dev_t rdev)
{
	struct lustre_found found;
	int rc = lustre_mknod(ll_core(dir), dentry->d_name.name, dentry->d_name.len, mode, rdev,
			      &found);

	return rc ? rc : ll_instantiate(dentry, &found);
}

static int ll_symlink(LL_IDMAP *idmap, struct inode *dir, struct dentry *dentry, const char *target)
{
	struct lustre_found found;
	int rc = lustre_symlink(ll_core(dir), dentry->d_name.name, dentry->d_name.len, target,
				strlen(target), &found);

	return rc ? rc : ll_instantiate(dentry, &found);
}

static int ll_link(struct dentry *from, struct inode *dir, struct dentry *dentry)
{
	struct inode *inode = d_inode(from);
	int rc = lustre_link(ll_core(inode), ll_core(dir), dentry->d_name.name, dentry->d_name.len);

	/* The next lookup asks the server. */
	if (!rc)
		d_drop(dentry);
	return rc;
}

/* ---- removing and moving ---- */

static int ll_unlink(struct inode *dir, struct dentry *dentry)
{
	return lustre_unlink(ll_core(dir), dentry->d_name.name, dentry->d_name.len,
			     ll_core(d_inode(dentry)));
}

static int ll_rmdir(struct inode *dir, struct dentry *dentry)
{
	return lustre_rmdir(ll_core(dir), dentry->d_name.name, dentry->d_name.len,
			    ll_core(d_inode(dentry)));
}

static int ll_rename(LL_IDMAP *idmap, struct inode *from, struct dentry *dentry, struct inode *to,
		     struct dentry *target, unsigned int flags)
{
	int rc;

	if (flags)
		return -EINVAL;
	rc = lustre_rename(ll_core(from), dentry->d_name.name, dentry->d_name.len,
			   ll_core(d_inode(dentry)), ll_core(to), target->d_name.name,
			   target->d_name.len,
			   d_is_positive(target) ? ll_core(d_inode(target)) : NULL);
	if (!rc)
		d_move(dentry, target);
	return rc;
}

const struct inode_operations ll_dir_iops = {
	.lookup = ll_lookup,
	.atomic_open = ll_atomic_open,
	.create = ll_create,
	.mkdir = ll_mkdir,
	.mknod = ll_mknod,
	.symlink = ll_symlink,
	.link = ll_link,
	.unlink = ll_unlink,
	.rmdir = ll_rmdir,
	.rename = ll_rename,
	.getattr = ll_getattr,
	.setattr = ll_setattr,
	.permission = ll_permission,
	.listxattr = ll_listxattr,
	LL_ACL_OPS,
};
