/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where parameters become files. Core code declares parameters in libcfs/params.hpp; this is what
 * that needs of the platform: folders and files in sysfs (/sys/fs/lustre), debugfs
 * (/sys/kernel/debug/lustre and
 * .../lnet) and procfs, whichever has the parameter on a stock system (spec 08 section 7). Hosted
 * back ends keep the same tree in memory (libcfs/host/params.hpp) for tests. All calls sleep.
 */
#ifndef LIBCFS_PLAT_PARAM_H
#define LIBCFS_PLAT_PARAM_H

#include "libcfs/plat/base.h"

CFS_DECLS_BEGIN

enum cfs_ptree {
	CFS_PTREE_SYSFS = 0,   /* one value per file, at most a page */
	CFS_PTREE_DEBUGFS = 1, /* text of any length */
	CFS_PTREE_COUNT
};

struct cfs_pdir;
struct cfs_pfile;
struct cfs_psink; /* where a show function writes */

void cfs_psink_write(struct cfs_psink *s, const char *text, size_t n) CFS_NOEXCEPT;

struct cfs_pfile_ops {
	/* Writes the whole text with cfs_psink_write (which may be called again from the start with
	 * a larger buffer: no side effects). 0 or a negative errno. */
	int (*show)(void *ctx, struct cfs_psink *s);
	/* Text as the user wrote it, NUL-terminated at text[n], trailing newline included. 0 or
	 * errno. */
	int (*store)(void *ctx, const char *text, size_t n);
};

/* A top folder by its path below the tree's root, e.g. "fs/lustre" in sysfs or "lustre" in debugfs;
 * created on first use and shared, removed with its last user. */
int cfs_pdir_root(struct cfs_node *node, enum cfs_ptree tree, const char *path,
		  struct cfs_pdir **out) CFS_NOEXCEPT;
int cfs_pdir_add(struct cfs_pdir *parent, const char *name, struct cfs_pdir **out) CFS_NOEXCEPT;
/* The folder must be empty. Waits until no show or store runs in it. */
void cfs_pdir_del(struct cfs_pdir *d) CFS_NOEXCEPT;
/* mode: 0444, 0644 or 0200. ops and ctx must live until cfs_pfile_del has returned. */
int cfs_pfile_add(struct cfs_pdir *d, const char *name, unsigned int mode,
		  const struct cfs_pfile_ops *ops, void *ctx, struct cfs_pfile **out) CFS_NOEXCEPT;
void cfs_pfile_del(struct cfs_pfile *f) CFS_NOEXCEPT;

CFS_DECLS_END

#endif
