// SPDX-License-Identifier: GPL-2.0
//
// Files that a node writes for its administrator (libcfs/plat/file.h).
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/sched.h>

#include "libcfs/plat/file.h"

/* A cfs_file is the kernel's struct file. */
static struct file *file_of(struct cfs_file *f)
{
	return (struct file *)f;
}

int cfs_file_create(const char *path, struct cfs_file **out)
{
	const struct cred *before;
	struct cred *rights;
	struct file *f;

	if (path[0] != '/')
		return -EINVAL;
	rights = prepare_kernel_cred(&init_task);
	if (!rights)
		return -ENOMEM;
	before = override_creds(rights);
	f = filp_open(path, O_CREAT | O_WRONLY | O_TRUNC | O_LARGEFILE, 0600);
	revert_creds(before);
	put_cred(rights);
	if (IS_ERR(f))
		return PTR_ERR(f);
	*out = (struct cfs_file *)f;
	return 0;
}

int cfs_file_write(struct cfs_file *f, uint64_t offset, const void *p, size_t n)
{
	loff_t pos = offset;

	while (n > 0) {
		ssize_t done = kernel_write(file_of(f), p, n, &pos);

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
	return filp_close(file_of(f), NULL);
}
