// SPDX-License-Identifier: GPL-2.0
//
// Measures the target kernel's objects that core objects embed. It is compiled to assembly only;
// kbuild turns the marked lines into plat_sizes.h, as the kernel does for its own asm-offsets.h.
// Lock debugging makes these larger, so the header belongs to one kernel build.
#include <linux/completion.h>
#include <linux/kbuild.h>
#include <linux/lockdep.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "objects.h"

#define MEASURE(name, type)                                                                        \
	DEFINE(CFS_SIZEOF_##name, sizeof(type));                                                   \
	DEFINE(CFS_ALIGNOF_##name, __alignof__(type))

void cfs_plat_sizes(void);

void cfs_plat_sizes(void)
{
	MEASURE(SPINLOCK, spinlock_t);
	MEASURE(MUTEX, struct mutex);
	MEASURE(RWSEM, struct rw_semaphore);
	MEASURE(WAITQ, struct wait_queue_head);
	MEASURE(WAITENT, struct wait_queue_entry);
	MEASURE(COMPLETION, struct completion);
	MEASURE(WORK, struct work_struct);
	MEASURE(DWORK, struct delayed_work);
	MEASURE(TIMER, struct timer_list);
	MEASURE(RCU, struct rcu_head);
	MEASURE(ATOMIC64, atomic64_t);
	/* Empty without lockdep. */
	MEASURE(LOCKKEY, struct cfs_lock_keys);
}
