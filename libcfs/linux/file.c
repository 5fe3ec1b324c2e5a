// SPDX-License-Identifier: GPL-2.0
//
// Files written for the administrator (libcfs/plat/file.h): opened from the machine's own root with
// the machine's rights, wherever the calling process may be confined to. Only regular files are
// written, and links are not followed in the last step: dumps go to folders that anyone may write
// to.
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/fs_struct.h>
#include <linux/path.h>
#include <linux/sched/task.h>

#include "libcfs/plat/file.h"

#define CREATE_FLAGS (O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_LARGEFILE)

static struct file *open_from_root(const char *path)
{
	struct path root;
	struct file *file;

	task_lock(&init_task);
	get_fs_root(init_task.fs, &root);
	task_unlock(&init_task);
	file = file_open_root(&root, path, CREATE_FLAGS, 0600);
	path_put(&root);
	return file;
}

int cfs_file_create(const char *path, struct cfs_file **out)
{
	const struct cred *own;
	struct cred *machine;
	struct file *file;

	if (path[0] != '/')
		return -EINVAL;
	machine = prepare_kernel_cred(&init_task);
	if (!machine)
		return -ENOMEM;
	own = override_creds(machine);
	file = open_from_root(path);
	revert_creds(own);
	put_cred(machine);
	if (IS_ERR(file))
		return PTR_ERR(file);
	if (!S_ISREG(file_inode(file)->i_mode)) {
		filp_close(file, NULL);
		return -EINVAL;
	}
	*out = (struct cfs_file *)file;
	return 0;
}

int cfs_file_write(struct cfs_file *f, uint64_t offset, const void *p, size_t n)
{
	loff_t pos = offset;

	while (n) {
		ssize_t done = kernel_write((struct file *)f, p, n, &pos);

		if (done < 0)
			return done;
		if (done == 0)
			return -EIO;
		p += done;
		n -= done;
	}
	return 0;
}

int cfs_file_close(struct cfs_file *f)
{
	return filp_close((struct file *)f, NULL);
}
