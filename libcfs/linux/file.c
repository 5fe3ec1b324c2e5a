// SPDX-License-Identifier: GPL-2.0
//
// Files written for the administrator (libcfs/plat/file.h): opened from the machine's own root with
// the machine's rights, wherever the calling process may be confined to. Only regular files are
// written, links are not followed in the last step, and a file that was there must be root's under
// this name only: dumps go to folders that anyone may write to.
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/fs_struct.h>
#include <linux/path.h>
#include <linux/sched/task.h>
#include <linux/uidgid.h>

#include "libcfs/plat/file.h"

#define CREATE_FLAGS (O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_LARGEFILE)

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

/* Empties a file unless somebody else could have put it, or another file's name, there: for us to
 * destroy, or to read what we write. */
static int take_over(struct file *file)
{
	const struct inode *inode = file_inode(file);

	if (!S_ISREG(inode->i_mode))
		return -EINVAL;
	if (file->f_mode & FMODE_CREATED)
		return 0;
	if (!uid_eq(inode->i_uid, GLOBAL_ROOT_UID) || inode->i_nlink != 1)
		return -EPERM;
	return vfs_truncate(&file->f_path, 0);
}

int cfs_file_create(const char *path, struct cfs_file **out)
{
	const struct cred *own;
	struct cred *machine;
	struct file *file;
	int rc;

	if (path[0] != '/')
		return -EINVAL;
	machine = prepare_kernel_cred(&init_task);
	if (!machine)
		return -ENOMEM;
	own = override_creds(machine);
	file = open_from_root(path);
	rc = IS_ERR(file) ? PTR_ERR(file) : take_over(file);
	if (rc && !IS_ERR(file))
		filp_close(file, NULL);
	revert_creds(own);
	put_cred(machine);
	if (!rc)
		*out = (struct cfs_file *)file;
	return rc;
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
