// SPDX-License-Identifier: GPL-2.0
//
// File handles (spec 06 section 2.3): the FID of the object, and of its parent or zeros. Used by
// name_to_handle_at(2), and so by `lfs path2fid`, and by NFS.
#include <linux/exportfs.h>

#include "llite.h"

#define LL_HANDLE_TYPE 0x97
#define LL_HANDLE_WORDS ((int)(sizeof(struct ll_handle) / sizeof(__u32)))

struct ll_handle {
	struct lustre_fid child;
	struct lustre_fid parent;
};

static int ll_encode_fh(struct inode *inode, __u32 *words, int *n, struct inode *parent)
{
	struct ll_handle h = {.child = ll_inode(inode)->fid};
	bool fits = *n >= LL_HANDLE_WORDS;

	*n = LL_HANDLE_WORDS;
	if (!fits)
		return FILEID_INVALID;
	if (parent)
		h.parent = ll_inode(parent)->fid;
	memcpy(words, &h, sizeof(h));
	return LL_HANDLE_TYPE;
}

static struct dentry *ll_by_fid(struct super_block *sb, const struct lustre_fid *fid)
{
	struct lustre_found found;
	struct dentry *dentry;
	int rc = lustre_lookup_fid(ll_super(sb)->mount, fid, &found);

	if (rc)
		return ERR_PTR(rc);
	dentry = d_obtain_alias(ll_kernel(found.inode));
	if (!IS_ERR(dentry))
		ll_set_stamp(dentry, found.stamp);
	return dentry;
}

static struct dentry *ll_decode(struct super_block *sb, struct fid *raw, int words, int type,
				bool parent)
{
	struct ll_handle h;

	if (type != LL_HANDLE_TYPE || words < LL_HANDLE_WORDS)
		return ERR_PTR(-EPROTO);
	memcpy(&h, raw, sizeof(h));
	return ll_by_fid(sb, parent ? &h.parent : &h.child);
}

static struct dentry *ll_fh_to_dentry(struct super_block *sb, struct fid *fid, int words, int type)
{
	return ll_decode(sb, fid, words, type, false);
}

static struct dentry *ll_fh_to_parent(struct super_block *sb, struct fid *fid, int words, int type)
{
	return ll_decode(sb, fid, words, type, true);
}

static struct dentry *ll_get_parent(struct dentry *child)
{
	struct lustre_found found;
	int rc = lustre_lookup(ll_core(d_inode(child)), "..", 2, 0, &found);

	if (rc || !found.inode)
		return ERR_PTR(rc ? rc : -ESTALE);
	return d_obtain_alias(ll_kernel(found.inode));
}

const struct export_operations ll_export_ops = {
	.encode_fh = ll_encode_fh,
	.fh_to_dentry = ll_fh_to_dentry,
	.fh_to_parent = ll_fh_to_parent,
	.get_parent = ll_get_parent,
};
