// SPDX-License-Identifier: GPL-2.0
//
// Extended attributes and ACLs. Every name goes to the core, which knows what the servers allow;
// the kernel keeps a copy of ACLs, dropped by vfs_acl_drop(). Also what the core asks about the
// caller.
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <linux/uaccess.h>
#include <linux/xattr.h>

#include "llite.h"

static int ll_xattr_get(const struct xattr_handler *h, struct dentry *dentry, struct inode *inode,
			const char *name, void *buf, size_t n)
{
	return lustre_getxattr(ll_core(inode), name, strlen(name), buf, n);
}

static int ll_xattr_set(const struct xattr_handler *h, LL_IDMAP *idmap, struct dentry *dentry,
			struct inode *inode, const char *name, const void *value, size_t n,
			int flags)
{
	if (!value)
		return lustre_removexattr(ll_core(inode), name, strlen(name));
	return lustre_setxattr(ll_core(inode), name, strlen(name), value, n, flags & XATTR_CREATE,
			       flags & XATTR_REPLACE);
}

/* The empty prefix takes all names. */
static const struct xattr_handler ll_xattr_handler = {
	.prefix = "",
	.get = ll_xattr_get,
	.set = ll_xattr_set,
};

const struct xattr_handler *const ll_xattr_handlers[] = {&ll_xattr_handler, NULL};

ssize_t ll_listxattr(struct dentry *dentry, char *buf, size_t n)
{
	return lustre_listxattr(ll_core(d_inode(dentry)), buf, n);
}

/* ---- ACLs ---- */

struct posix_acl *ll_get_acl(struct inode *inode, int type, bool rcu)
{
	struct posix_acl *acl;
	void *buf;
	long n;

	if (!IS_POSIXACL(inode))
		return NULL;
	if (rcu)
		return ERR_PTR(-ECHILD);
	buf = kmalloc(XATTR_SIZE_MAX, GFP_KERNEL | __GFP_NOWARN);
	if (!buf)
		return ERR_PTR(-ENOMEM);
	n = lustre_getacl(ll_core(inode), type == ACL_TYPE_DEFAULT, buf, XATTR_SIZE_MAX);
	if (n == -ENODATA || !n)
		acl = NULL;
	else
		acl = n < 0 ? ERR_PTR(n) : posix_acl_from_xattr(&init_user_ns, buf, n);
	kfree(buf);
	return acl;
}

#ifdef HAVE_GET_INODE_ACL
int ll_set_acl(LL_IDMAP *idmap, struct dentry *dentry, struct posix_acl *acl, int type)
{
	struct inode *inode = d_inode(dentry);
	const char *name = type == ACL_TYPE_DEFAULT ? XATTR_NAME_POSIX_ACL_DEFAULT
						    : XATTR_NAME_POSIX_ACL_ACCESS;
	size_t n;
	void *value;
	int rc;

	if (!acl)
		return lustre_removexattr(ll_core(inode), name, strlen(name));
	n = posix_acl_xattr_size(acl->a_count);
	value = kmalloc(n, GFP_KERNEL);
	if (!value)
		return -ENOMEM;
	rc = posix_acl_to_xattr(&init_user_ns, acl, value, n);
	if (rc >= 0)
		rc = lustre_setxattr(ll_core(inode), name, strlen(name), value, n, false, false);
	kfree(value);
	return rc;
}
#endif

/* ---- the caller ---- */

void vfs_cred(struct lustre_cred *out)
{
	const struct cred *c = current_cred();

	*out = (struct lustre_cred){
		.uid = from_kuid(&init_user_ns, c->uid),
		.gid = from_kgid(&init_user_ns, c->gid),
		.fsuid = from_kuid(&init_user_ns, c->fsuid),
		.fsgid = from_kgid(&init_user_ns, c->fsgid),
		/* A process that exits closes its files after it has given up its fs_struct. */
		.umask = current->fs ? current_umask() : 0,
	};
	BUILD_BUG_ON(sizeof(c->cap_effective) != sizeof(out->caps));
	memcpy(&out->caps, &c->cap_effective, sizeof(out->caps));
}

bool vfs_in_group(uint32_t gid)
{
	return in_group_p(make_kgid(&init_user_ns, gid));
}

bool vfs_exiting(void)
{
	return current->flags & PF_EXITING;
}

int64_t vfs_now(void)
{
	return ktime_get_real_seconds();
}

int vfs_copy_from_user(void *to, uint64_t from, size_t n)
{
	return copy_from_user(to, (const void __user *)(unsigned long)from, n) ? -EFAULT : 0;
}

int vfs_copy_to_user(uint64_t to, const void *from, size_t n)
{
	return copy_to_user((void __user *)(unsigned long)to, from, n) ? -EFAULT : 0;
}
