// SPDX-License-Identifier: GPL-2.0
//
// Wait queues of the boundary (libcfs/plat/wait.h) are the kernel's. Deadlines are high-resolution
// timers on the boot-time clock, the one cfs_now_ns() reads.
//
// Invariants: a waiter that a wake-up took off the queue reports that (0), even when a signal or
// the deadline came at the same moment, so no exclusive wake-up is swallowed here. Waiters in idle
// mode are neither load nor "hung tasks".
#include <linux/hrtimer.h>
#include <linux/math64.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/timekeeping.h>
#include <linux/wait.h>

#include "glue.h"
#include "libcfs/plat/wait.h"
#include "objects.h"

static wait_queue_head_t *head_of(cfs_waitq_t *q)
{
	return CFS_INNER(wait_queue_head_t, q);
}

static wait_queue_entry_t *entry_of(cfs_waitent_t *e)
{
	return CFS_INNER(wait_queue_entry_t, e);
}

static unsigned int state_of(unsigned int mode)
{
	if (mode & CFS_WAIT_INTERRUPTIBLE)
		return TASK_INTERRUPTIBLE;
	return mode & CFS_WAIT_KILLABLE ? TASK_KILLABLE : TASK_IDLE;
}

void cfs_waitq_init(cfs_waitq_t *q, struct cfs_lock_class *c)
{
	__init_waitqueue_head(head_of(q), c->name, &((struct cfs_lock_keys *)c->key)->queue);
}

void cfs_waitq_fini(cfs_waitq_t *q)
{
	wait_queue_head_t *h = head_of(q);

	/* Whoever woke the last waiter may still be inside the lock, about to leave it. */
	spin_lock_irq(&h->lock);
	WARN_ON_ONCE(!list_empty(&h->head));
	spin_unlock_irq(&h->lock);
}

void cfs_wait_prepare(cfs_waitq_t *q, cfs_waitent_t *e, unsigned int mode)
{
	wait_queue_entry_t *we = entry_of(e);

	if (!we->func)
		init_wait(we);
	if (mode & CFS_WAIT_EXCLUSIVE)
		prepare_to_wait_exclusive(head_of(q), we, state_of(mode));
	else
		prepare_to_wait(head_of(q), we, state_of(mode));
}

/* How much later than asked a timer may fire, so that one interrupt serves several: under one per
 * cent of the wait, and never noticeable. */
static u64 slack_of(u64 left_ns)
{
	return min_t(u64, left_ns / 128, 4 * NSEC_PER_MSEC);
}

/* Sleeps in the state that is set already. Returns whether the deadline has passed. */
bool cfs_schedule_until(u64 deadline_ns)
{
	ktime_t expires;
	u64 now;

	if (deadline_ns >= KTIME_MAX) {
		schedule();
		return false;
	}
	now = ktime_get_boottime_ns();
	if (now >= deadline_ns)
		return true;
	expires = ns_to_ktime(deadline_ns);
	return !schedule_hrtimeout_range_clock(&expires, slack_of(deadline_ns - now),
					       HRTIMER_MODE_ABS, CLOCK_BOOTTIME);
}

int cfs_wait_block(cfs_waitent_t *e, unsigned int mode, u64 deadline_ns)
{
	wait_queue_entry_t *we = entry_of(e);
	unsigned int state = state_of(mode);
	int rc = 0;

	if (signal_pending_state(state, current))
		rc = -EINTR;
	else if (cfs_schedule_until(deadline_ns))
		rc = -ETIMEDOUT;
	else if (signal_pending_state(state, current))
		rc = -EINTR;
	__set_current_state(TASK_RUNNING);
	/* A wake-up takes the entry off the queue. */
	return list_empty_careful(&we->entry) ? 0 : rc;
}

void cfs_wait_finish(cfs_waitq_t *q, cfs_waitent_t *e)
{
	finish_wait(head_of(q), entry_of(e));
}

void cfs_wake_one(cfs_waitq_t *q)
{
	if (wq_has_sleeper(head_of(q)))
		wake_up(head_of(q));
}

void cfs_wake_all(cfs_waitq_t *q)
{
	if (wq_has_sleeper(head_of(q)))
		wake_up_all(head_of(q));
}
