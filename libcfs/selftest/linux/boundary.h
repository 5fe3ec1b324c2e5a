/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How a world runs the tests (boundary.cpp), and what it has to offer for that.
 */
#ifndef LIBCFS_SELFTEST_LINUX_BOUNDARY_H
#define LIBCFS_SELFTEST_LINUX_BOUNDARY_H

#include "libcfs/plat/base.h"

CFS_DECLS_BEGIN

struct cfs_boundary_result {
	const char *name;
	const char *failure; /* the condition that did not hold, or NULL */
	int line;
	unsigned int oom_runs; /* how often it ran with an allocation failing */
};

/* Runs the tests whose name contains `filter` and reports each. Returns how many failed. Sleeps. */
unsigned int cfs_boundary_run(struct cfs_node *node, const char *filter,
			      void (*report)(void *ctx, const struct cfs_boundary_result *r),
			      void *ctx) CFS_NOEXCEPT;

/* Offered by the world: the n-th allocation from now fails (0: none); whether one has since. */
void cfs_boundary_fail_alloc(long n) CFS_NOEXCEPT;
bool cfs_boundary_alloc_failed(void) CFS_NOEXCEPT;

CFS_DECLS_END

#endif
