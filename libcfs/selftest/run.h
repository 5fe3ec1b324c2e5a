/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Running the self-tests from outside: a GoogleTest program for each hosted back end, and
 * cfs_selftest.ko. The machine (cfs_core_start) is up while they run.
 */
#ifndef LIBCFS_SELFTEST_RUN_H
#define LIBCFS_SELFTEST_RUN_H

#include "libcfs/plat/base.h"

CFS_DECLS_BEGIN

/* Takes one line of a report, without newline. */
typedef void (*cfs_selftest_report)(void *ctx, const char *line, size_t n);

unsigned int cfs_selftest_count(void) CFS_NOEXCEPT;
/* "Suite.Name", NUL-terminated in buf. */
void cfs_selftest_name(unsigned int test, char *buf, size_t n) CFS_NOEXCEPT;

/* Runs one test on a node; percent scales the number of its iterations (100: as on a real machine).
 * 0 when it passed; -EBADMSG when it found something wrong, which is reported; another error when
 * the test could not be carried out (-ENOMEM). Sleeps. */
int cfs_selftest_run_one(struct cfs_node *node, unsigned int test, unsigned int percent,
			 cfs_selftest_report report, void *ctx) CFS_NOEXCEPT;

/* Runs all whose name begins with `prefix` (all when it is empty), reports each with "ok NAME" or
 * "not ok NAME: why", and at the end "N passed, N failed". The number that did not pass. Sleeps. */
unsigned int cfs_selftest_run(struct cfs_node *node, const char *prefix, unsigned int percent,
			      cfs_selftest_report report, void *ctx) CFS_NOEXCEPT;

CFS_DECLS_END

#endif
