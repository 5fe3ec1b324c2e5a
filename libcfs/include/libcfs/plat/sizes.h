/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sizes and alignments of platform objects that core objects embed. In the kernel world they come
 * from plat_sizes.h, generated from the target kernel by the build (debug kernels have larger
 * locks); hosted back ends share one set, wide enough for both, checked by static_assert in each
 * back end.
 */
#ifndef LIBCFS_PLAT_SIZES_H
#define LIBCFS_PLAT_SIZES_H

#ifdef __KERNEL__
#include "plat_sizes.h"
#else
#define CFS_SIZEOF_SPINLOCK 64
#define CFS_ALIGNOF_SPINLOCK 8
#define CFS_SIZEOF_MUTEX 128
#define CFS_ALIGNOF_MUTEX 8
#define CFS_SIZEOF_RWSEM 128
#define CFS_ALIGNOF_RWSEM 8
#define CFS_SIZEOF_WAITQ 96
#define CFS_ALIGNOF_WAITQ 8
#define CFS_SIZEOF_WAITENT 128
#define CFS_ALIGNOF_WAITENT 8
#define CFS_SIZEOF_WORK 64
#define CFS_ALIGNOF_WORK 8
#define CFS_SIZEOF_DWORK 96
#define CFS_ALIGNOF_DWORK 8
#define CFS_SIZEOF_RCU 32
#define CFS_ALIGNOF_RCU 8
#define CFS_SIZEOF_LOCKKEY 16
#endif

#endif
