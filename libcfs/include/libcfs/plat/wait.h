/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Wait queues. The protocol is the usual one that loses no wake-up:
 *
 *     cfs_wait_prepare(q, &e, mode);        on the queue from here on
 *     if (!condition)
 *             rc = cfs_wait_block(&e, mode, deadline);
 *     cfs_wait_finish(q, &e);               and look at the condition again
 *
 * Core code uses WaitQueue::wait (libcfs/wait.hpp), which is this loop.
 */
#ifndef LIBCFS_PLAT_WAIT_H
#define LIBCFS_PLAT_WAIT_H

#include "libcfs/plat/base.h"
#include "libcfs/plat/lock.h"

CFS_DECLS_BEGIN

typedef struct cfs_waitq {
	CFS_ALIGNAS(CFS_ALIGNOF_WAITQ) unsigned char opaque[CFS_SIZEOF_WAITQ];
} cfs_waitq_t;

typedef struct cfs_waitent {
	CFS_ALIGNAS(CFS_ALIGNOF_WAITENT) unsigned char opaque[CFS_SIZEOF_WAITENT];
} cfs_waitent_t;

enum cfs_wait_mode {
	CFS_WAIT_IDLE =
		0, /* service threads: nothing wakes it but a wake-up or the deadline; not "hung" */
	CFS_WAIT_KILLABLE = 1,	    /* a fatal signal ends it with -EINTR */
	CFS_WAIT_INTERRUPTIBLE = 2, /* any signal ends it with -EINTR */
	CFS_WAIT_EXCLUSIVE = 4, /* flag: woken one at a time by cfs_wake_one, in order of arrival */
};

void cfs_waitq_init(cfs_waitq_t *q, struct cfs_lock_class *c) CFS_NOEXCEPT;
/* No thread may be on it. */
void cfs_waitq_fini(cfs_waitq_t *q) CFS_NOEXCEPT;
/* May be repeated with the same entry in a loop. The first call initialises the entry when it is
 * zeroed memory. */
void cfs_wait_prepare(cfs_waitq_t *q, cfs_waitent_t *e, unsigned int mode) CFS_NOEXCEPT;
/* Sleeps until woken (0, possibly spuriously), killed (-EINTR) or the deadline (-ETIMEDOUT). */
int cfs_wait_block(cfs_waitent_t *e, unsigned int mode, uint64_t deadline_ns) CFS_NOEXCEPT;
void cfs_wait_finish(cfs_waitq_t *q, cfs_waitent_t *e) CFS_NOEXCEPT;

/* Wake every non-exclusive waiter and one exclusive one / everyone. Full barrier before looking at
 * the queue, so a condition stored before is seen by whoever is woken. May be called with spinlocks
 * held. */
void cfs_wake_one(cfs_waitq_t *q) CFS_NOEXCEPT;
void cfs_wake_all(cfs_waitq_t *q) CFS_NOEXCEPT;

CFS_DECLS_END

#endif
