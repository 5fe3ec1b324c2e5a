/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Files that a node writes for its administrator: dumps of the debug log. Not for file system data,
 * which never goes through here. All calls sleep.
 */
#ifndef LIBCFS_PLAT_FILE_H
#define LIBCFS_PLAT_FILE_H

#include "libcfs/plat/base.h"

CFS_DECLS_BEGIN

struct cfs_file;

/* Creates the file, or empties it, for writing by root alone (mode 0600), with the rights of the
 * node and not of the calling process. -EINVAL when the path is not absolute or names something
 * else than a file, -ELOOP when it names a link, -EPERM when the file is not our user's or has
 * further names, or what creating a file there gives. */
int cfs_file_create(const char *path, struct cfs_file **out) CFS_NOEXCEPT;
/* Writes all n bytes at `offset`, or fails. */
int cfs_file_write(struct cfs_file *f, uint64_t offset, const void *p, size_t n) CFS_NOEXCEPT;
/* 0, or the error of a write that failed late. The handle is gone either way. */
int cfs_file_close(struct cfs_file *f) CFS_NOEXCEPT;

CFS_DECLS_END

#endif
