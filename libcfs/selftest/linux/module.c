// SPDX-License-Identifier: GPL-2.0
//
// cfs_selftest.ko: the tests of the platform layer, inside a kernel. Not for production machines.
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/module.h>

#include "selftest.h"

static struct cfs_pdir *dir;
static struct cfs_pfile *warn_file;

unsigned int cfs_selftest_warn_here(unsigned int v)
{
	WARN(1, "cfs_selftest: a warning on purpose\n");
	return v;
}

static int warn_store(void *ctx, const char *text, size_t n)
{
	unsigned int frames;
	int rc = kstrtouint(text, 0, &frames);

	if (!rc)
		cfs_selftest_warn(frames);
	return rc;
}

static const struct cfs_pfile_ops warn_ops = {.store = warn_store};

static int __init selftest_init(void)
{
	int rc = cfs_pdir_root(NULL, CFS_PTREE_DEBUGFS, "cfs_selftest", &dir);

	if (rc)
		return rc;
	rc = cfs_pfile_add(dir, "warn", 0200, &warn_ops, NULL, &warn_file);
	if (rc)
		goto folder;
	rc = cfs_selftest_params_start();
	if (rc)
		goto warn;
	return 0;

warn:
	cfs_pfile_del(warn_file);
folder:
	cfs_pdir_del(dir);
	return rc;
}

static void __exit selftest_exit(void)
{
	cfs_selftest_params_stop();
	cfs_pfile_del(warn_file);
	cfs_pdir_del(dir);
}

module_init(selftest_init);
module_exit(selftest_exit);

MODULE_DESCRIPTION("Tests of the Lustre platform layer");
MODULE_LICENSE("GPL");
