/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel objects behind the opaque bytes of the boundary (plat_sizes.c measures these types, so
 * what is embedded in core objects always has their size). Each glue file turns its boundary type
 * into one of these with CFS_INNER.
 */
#ifndef LIBCFS_LINUX_OBJECTS_H
#define LIBCFS_LINUX_OBJECTS_H

#include <linux/lockdep.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

/* A class serves a lock and the wait queue beside it; the queue's own spinlock is taken inside the
 * lock, so lockdep must know them apart. Both are empty without lockdep. */
struct cfs_lock_keys {
	struct lock_class_key lock;
	struct lock_class_key queue;
};

/* The inner object of boundary object `p`, checked to fit exactly. */
#define CFS_INNER(type, p)                                                                         \
	({                                                                                         \
		static_assert(sizeof((p)->opaque) == sizeof(type));                                \
		static_assert(__alignof__(*(p)) >= __alignof__(type));                             \
		(type *)(p)->opaque;                                                               \
	})

#endif
