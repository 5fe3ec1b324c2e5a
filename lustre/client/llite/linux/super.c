// SPDX-License-Identifier: GPL-2.0
//
// lustre.ko: the file system type and its super blocks. A mount belongs to the network namespace of
// the process that mounts: that is the node whose LNet it uses.
//
// Invariant: an ll_super exists from the first option to the end of kill_sb; `mount` is set exactly
// while the core is mounted.
#include <linux/backing-dev.h>
#include <linux/fs_context.h>
#include <linux/module.h>
#include <linux/nsproxy.h>
#include <linux/security.h>
#include <linux/seq_file.h>

#include "../../../../libcfs/linux/node.h"
#include "../../../linux/statfs.h"
#include "llite.h"

#define LL_MAGIC 0x0bd00bd0
/* mount(2) gives at most a page. */
#define LL_OPTIONS_MAX PAGE_SIZE

static void ll_super_free(struct ll_super *s)
{
	if (!s)
		return;
	if (s->node)
		cfs_node_put(s->node);
	kfree(s->options);
	kfree(s);
}

/* ---- super operations ---- */

static int ll_statfs(struct dentry *dentry, struct kstatfs *to)
{
	struct lustre_statfs from;
	int rc = lustre_statfs(ll_super(dentry->d_sb)->mount, &from);

	if (rc)
		return rc;
	lustre_fill_kstatfs(to, &from, LL_MAGIC);
	return 0;
}

static int ll_show_options(struct seq_file *seq, struct dentry *root)
{
	char *buf = kmalloc(LL_OPTIONS_MAX, GFP_KERNEL);
	size_t n;

	if (!buf)
		return -ENOMEM;
	n = lustre_show_options(ll_super(root->d_sb)->mount, buf, LL_OPTIONS_MAX);
	seq_write(seq, buf, n);
	kfree(buf);
	return 0;
}

static void ll_umount_begin(struct super_block *sb)
{
	lustre_umount_begin(ll_super(sb)->mount);
}

static void ll_put_super(struct super_block *sb)
{
	struct ll_super *s = ll_super(sb);

	lustre_umount(s->mount);
	s->mount = NULL;
}

static const struct super_operations ll_super_ops = {
	.alloc_inode = ll_alloc_inode,
	.free_inode = ll_free_inode,
	.evict_inode = ll_evict_inode,
	.put_super = ll_put_super,
	.statfs = ll_statfs,
	.umount_begin = ll_umount_begin,
	.show_options = ll_show_options,
};

/* ---- mounting ---- */

static int ll_mount_root(struct super_block *sb)
{
	struct vfs_inode *root;
	int rc = lustre_mount_root(ll_super(sb)->mount, &root);

	if (rc)
		return rc;
	sb->s_root = d_make_root(ll_kernel(root));
	return sb->s_root ? 0 : -ENOMEM;
}

static void ll_super_limits(struct super_block *sb, const struct lustre_mount_info *info)
{
	sb->s_maxbytes = min_t(u64, info->size_max, MAX_LFS_FILESIZE);
	sb->s_flags |= info->acl ? SB_POSIXACL : 0;
	sb->s_flags |= info->read_only ? SB_RDONLY : 0;
	sb->s_bdi->ra_pages = info->read_pages;
	sb->s_bdi->io_pages = info->read_pages;
}

static int ll_fill_super(struct super_block *sb, struct fs_context *fc)
{
	struct ll_super *s = sb->s_fs_info;
	int rc = super_setup_bdi(sb);

	if (rc)
		return rc;
	s->sb = sb;
	sb->s_magic = LL_MAGIC;
	sb->s_blocksize = PAGE_SIZE;
	sb->s_blocksize_bits = PAGE_SHIFT;
	sb->s_time_gran = 1;
	/* Data on its way is covered by a checksum. */
	sb->s_iflags |= SB_I_STABLE_WRITES;
	sb->s_op = &ll_super_ops;
	sb->s_d_op = &ll_dentry_ops;
	sb->s_xattr = (void *)ll_xattr_handlers;
	sb->s_export_op = &ll_export_ops;
	rc = lustre_mount(s->node, (struct vfs_super *)sb, s->options, sb_rdonly(sb), &s->mount,
			  &s->info);
	if (rc)
		return rc;
	ll_super_limits(sb, &s->info);
	rc = ll_mount_root(sb);
	/* Without a root, put_super does not come. */
	if (rc)
		ll_put_super(sb);
	return rc;
}

static int ll_get_tree(struct fs_context *fc)
{
	struct ll_super *s = fc->s_fs_info;

	if (!s->options)
		return invalf(fc, "lustre: no options: use mount.lustre, which adds device=");
	return get_tree_nodev(fc, ll_fill_super);
}

/* mount(2): all options in one text. */
static int ll_parse_monolithic(struct fs_context *fc, void *data)
{
	struct ll_super *s = fc->s_fs_info;

	int rc;

	if (!data)
		return 0;
	/* context= and the like are not ours. */
	rc = security_sb_eat_lsm_opts(data, &fc->security);
	if (rc)
		return rc;
	kfree(s->options);
	s->options = kstrndup(data, LL_OPTIONS_MAX, GFP_KERNEL);
	return s->options ? 0 : -ENOMEM;
}

/* fsconfig(2): one at a time, gathered into the same text. */
static int ll_parse_param(struct fs_context *fc, struct fs_parameter *param)
{
	struct ll_super *s = fc->s_fs_info;
	const char *old = s->options ? s->options : "";
	char *text;

	if (param->type != fs_value_is_string && param->type != fs_value_is_flag)
		return invalf(fc, "lustre: %s: not a text", param->key);
	/* What mount(2) gives as its source; the option device= says the same. */
	if (!strcmp(param->key, "source"))
		return vfs_parse_fs_param_source(fc, param);
	text = kasprintf(GFP_KERNEL, "%s%s%s%s%s", old, *old ? "," : "", param->key,
			 param->type == fs_value_is_string ? "=" : "",
			 param->type == fs_value_is_string ? param->string : "");
	if (!text)
		return -ENOMEM;
	kfree(s->options);
	s->options = text;
	return strlen(text) < LL_OPTIONS_MAX ? 0 : invalf(fc, "lustre: options too long");
}

static int ll_reconfigure(struct fs_context *fc)
{
	struct super_block *sb = fc->root->d_sb;
	bool read_only = fc->sb_flags & SB_RDONLY;

	if (read_only == sb_rdonly(sb))
		return 0;
	return lustre_remount(ll_super(sb)->mount, read_only);
}

static void ll_free_fc(struct fs_context *fc)
{
	/* The super block has taken it over, if there is one. */
	ll_super_free(fc->s_fs_info);
}

static const struct fs_context_operations ll_context_ops = {
	.free = ll_free_fc,
	.parse_monolithic = ll_parse_monolithic,
	.parse_param = ll_parse_param,
	.get_tree = ll_get_tree,
	.reconfigure = ll_reconfigure,
};

static int ll_init_fs_context(struct fs_context *fc)
{
	struct ll_super *s = kzalloc(sizeof(*s), GFP_KERNEL);

	if (!s)
		return -ENOMEM;
	s->node = cfs_node_for_net(current->nsproxy->net_ns);
	fc->s_fs_info = s;
	fc->ops = &ll_context_ops;
	return 0;
}

static void ll_kill_sb(struct super_block *sb)
{
	struct ll_super *s = sb->s_fs_info;

	/* Evicting inodes passes over those that are held, and a lock that is being taken back
	 * holds one. After the preparation such a lock leaves its inode alone, so what is dirty
	 * under it goes out first. */
	if (s && s->mount) {
		sync_filesystem(sb);
		lustre_umount_prepare(s->mount);
	}
	kill_anon_super(sb);
	ll_super_free(s);
}

static struct file_system_type ll_type = {
	.owner = THIS_MODULE,
	.name = "lustre",
	.init_fs_context = ll_init_fs_context,
	.kill_sb = ll_kill_sb,
	.fs_flags = FS_RENAME_DOES_D_MOVE,
};
MODULE_ALIAS_FS("lustre");

static int __init ll_start(void)
{
	int rc = ll_inodes_start();

	if (rc)
		return rc;
	rc = register_filesystem(&ll_type);
	if (rc)
		ll_inodes_stop();
	return rc;
}

static void __exit ll_stop(void)
{
	unregister_filesystem(&ll_type);
	lustre_core_stop();
	ll_inodes_stop();
}

module_init(ll_start);
module_exit(ll_stop);
MODULE_DESCRIPTION("Lustre client file system");
MODULE_LICENSE("GPL");
