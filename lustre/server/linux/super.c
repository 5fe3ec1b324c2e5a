// SPDX-License-Identifier: GPL-2.0
//
// lustre_tgt.ko: the file system type of servers. Its super block is a stub: an empty directory
// that nobody can write to, which stands for the targets of a device as long as it is mounted. The
// targets belong to the network namespace of the process that mounts.
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/nsproxy.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "../../../libcfs/linux/node.h"
#include "../../linux/statfs.h"
#include "../plat_server.h"
#include "libcfs/plat/lock.h"

#define SERVER_MAGIC 0x0bd00bd1

struct server_super {
	struct cfs_node *node;
	struct server_mount *mount;
};

static int server_super_statfs(struct dentry *dentry, struct kstatfs *to)
{
	struct server_super *s = dentry->d_sb->s_fs_info;
	struct lustre_statfs from;
	int rc = server_get_statfs(s->mount, &from);

	if (rc)
		return rc;
	lustre_fill_kstatfs(to, &from, SERVER_MAGIC);
	return 0;
}

static int server_super_show(struct seq_file *seq, struct dentry *root)
{
	struct server_super *s = root->d_sb->s_fs_info;
	char *buf = kmalloc(PAGE_SIZE, GFP_KERNEL);

	if (!buf)
		return -ENOMEM;
	server_show_options(s->mount, buf, PAGE_SIZE);
	seq_puts(seq, buf);
	kfree(buf);
	return 0;
}

static const struct super_operations server_super_ops = {
	.statfs = server_super_statfs,
	.show_options = server_super_show,
};

static int server_make_root(struct super_block *sb)
{
	struct inode *root = new_inode(sb);

	if (!root)
		return -ENOMEM;
	root->i_ino = 2;
	root->i_mode = S_IFDIR | 0755;
	root->i_op = &simple_dir_inode_operations;
	root->i_fop = &simple_dir_operations;
	set_nlink(root, 2);
	sb->s_root = d_make_root(root);
	return sb->s_root ? 0 : -ENOMEM;
}

static int server_fill_super(struct super_block *sb, void *data, int silent)
{
	struct server_super *s;
	int rc;

	if (!data)
		return -EINVAL;
	s = kzalloc(sizeof(*s), GFP_KERNEL);
	if (!s)
		return -ENOMEM;
	sb->s_fs_info = s;
	s->node = cfs_node_for_net(current->nsproxy->net_ns);
	rc = server_mount(s->node, data, sb_rdonly(sb), &s->mount);
	if (rc)
		return rc;
	sb->s_flags |= SB_RDONLY;
	sb->s_magic = SERVER_MAGIC;
	sb->s_maxbytes = 0;
	sb->s_blocksize = 4096;
	sb->s_blocksize_bits = 12;
	sb->s_op = &server_super_ops;
	return server_make_root(sb);
}

static struct dentry *server_do_mount(struct file_system_type *type, int flags, const char *source,
				      void *data)
{
	return mount_nodev(type, flags, data, server_fill_super);
}

static void server_kill_sb(struct super_block *sb)
{
	struct server_super *s = sb->s_fs_info;

	kill_anon_super(sb);
	if (!s)
		return;
	if (s->mount)
		server_umount(s->mount);
	if (s->node)
		cfs_node_put(s->node);
	kfree(s);
}

static struct file_system_type server_type = {
	.owner = THIS_MODULE,
	.name = "lustre_tgt",
	.mount = server_do_mount,
	.kill_sb = server_kill_sb,
};
MODULE_ALIAS_FS("lustre_tgt");

static int __init server_init(void)
{
	return register_filesystem(&server_type);
}

static void __exit server_exit(void)
{
	unregister_filesystem(&server_type);
	server_stop();
	cfs_rcu_barrier();
}

module_init(server_init);
module_exit(server_exit);

MODULE_DESCRIPTION("Lustre server mounts");
MODULE_LICENSE("GPL");
