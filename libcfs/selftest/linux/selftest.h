/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Between the files of cfs_selftest.ko that only a kernel has: the module (module.c), allocations
 * that fail on purpose (faults.c), the parameter tree that user space tries out (params.c), and the
 * warning on purpose (warn.cpp).
 */
#ifndef LIBCFS_SELFTEST_LINUX_SELFTEST_H
#define LIBCFS_SELFTEST_LINUX_SELFTEST_H

#include "libcfs/plat/param.h"

CFS_DECLS_BEGIN

/* Makes and removes the parameter files of the test `tests/vm/libcfs-params`. */
int cfs_selftest_params_start(void) CFS_NOEXCEPT;
void cfs_selftest_params_stop(void) CFS_NOEXCEPT;

/* Between start and stop (which sleep), allocations of this module may be told to fail: arm() lets
 * the first one fail that comes from a place in the code that has not had its turn since forget().
 * disarm() says whether one has. */
void cfs_selftest_faults_start(void) CFS_NOEXCEPT;
void cfs_selftest_faults_stop(void) CFS_NOEXCEPT;
void cfs_selftest_faults_forget(void) CFS_NOEXCEPT;
void cfs_selftest_faults_arm(void) CFS_NOEXCEPT;
bool cfs_selftest_faults_disarm(void) CFS_NOEXCEPT;

/* Core code that calls cfs_selftest_warn_here() some frames deep. */
void cfs_selftest_warn(unsigned int frames) CFS_NOEXCEPT;
/* Glue: a kernel WARN. Returns `v`, so that the caller is not left by a jump. */
unsigned int cfs_selftest_warn_here(unsigned int v) CFS_NOEXCEPT;

CFS_DECLS_END

#endif
