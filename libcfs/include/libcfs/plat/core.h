/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What libcfs core offers to the other modules and to glue, beside the debug log (plat/log.h): no
 * mangled C++ name is exported between modules, so machine-wide services are these functions. Core
 * code uses the C++ faces of them, libcfs/{machine,node,fail,params}.hpp.
 */
#ifndef LIBCFS_PLAT_CORE_H
#define LIBCFS_PLAT_CORE_H

#include "libcfs/plat/base.h"

CFS_DECLS_BEGIN

/* ---- start and end of the machine's libcfs object (libcfs/machine.cpp) ---- */

/* Called once by glue when libcfs.ko has set up the platform, by tests, and by every simulated
 * machine as it boots. Sleeps. */
int cfs_core_start(void) CFS_NOEXCEPT;
/* Nothing of ours runs any more. Reports memory that was not freed. Sleeps. */
void cfs_core_stop(void) CFS_NOEXCEPT;
/* Whether an assertion has failed since the start (`catastrophe`). */
bool cfs_core_catastrophe(void) CFS_NOEXCEPT;

/* ---- fail points (libcfs/fail.cpp; spec 08 section 12) ---- */

enum cfs_fail_kind {
	CFS_FAIL_PLAIN = 0, /* fail now */
	CFS_FAIL_VALUE = 1, /* only when fail_val is `value` or -1 */
	CFS_FAIL_SET = 2,   /* and then fail_loc becomes `value` */
	CFS_FAIL_ORSET = 3, /* and then the flags in `value` are added to fail_loc */
};

/* Whether the caller is to fail now. Fast while fail_loc is 0. May be called with locks held. */
bool cfs_fail_check(uint32_t id, uint32_t value, unsigned int kind) CFS_NOEXCEPT;
/* When hit, sleeps for `ns`, or fail_val seconds when that is 0, or until fail_loc becomes 0.
 * Returns whether it was hit. Sleeps. */
bool cfs_fail_timeout(uint32_t id, uint64_t ns) CFS_NOEXCEPT;
/* The first thread that hits it sleeps until a second one comes or fail_loc changes. Sleeps. */
void cfs_fail_race(uint32_t id) CFS_NOEXCEPT;
/* The value of fail_err, for points that ask which error to return. */
int cfs_fail_err(void) CFS_NOEXCEPT;

CFS_DECLS_END

#endif
