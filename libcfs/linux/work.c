// SPDX-License-Identifier: GPL-2.0
//
// Work queues, work items and timers of the boundary (libcfs/plat/thread.h) over the kernel's
// workqueues. All queues make progress when memory is short (each has a rescuer thread), because
// writing back dirty pages depends on them.
//
// Once an item's function has been called its memory belongs to that function; nothing here touches
// it afterwards. Timers are never early; on the timer wheel they may be late by up to an eighth of
// the time left.
#include <linux/jiffies.h>
#include <linux/math64.h>
#include <linux/sched.h>
#include <linux/timekeeping.h>
#include <linux/workqueue.h>

#include "glue.h"
#include "libcfs/plat/mem.h"
#include "libcfs/plat/thread.h"
#include "node.h"
#include "objects.h"

/* Longer names are cut with a warning by the kernel. */
#define WORKQ_NAME_MAX 23

struct cfs_workq {
	struct workqueue_struct *wq;
	struct cfs_node *node;
};

int cfs_workq_create(struct cfs_node *node, const char *name, unsigned int max_active,
		     struct cfs_workq **out)
{
	struct cfs_workq *q = cfs_alloc(CFS_S_LIBCFS, sizeof(*q), CFS_ALLOC_ZERO);

	if (!q)
		return -ENOMEM;
	if (max_active == 1)
		q->wq = alloc_ordered_workqueue("%.*s", WQ_MEM_RECLAIM, WORKQ_NAME_MAX, name);
	else
		q->wq = alloc_workqueue("%.*s", WQ_MEM_RECLAIM | WQ_UNBOUND,
					min_t(unsigned int, max_active, WQ_MAX_ACTIVE),
					WORKQ_NAME_MAX, name);
	if (!q->wq) {
		cfs_free(CFS_S_LIBCFS, q, sizeof(*q));
		return -ENOMEM;
	}
	q->node = node;
	if (node)
		cfs_node_get(node);
	*out = q;
	return 0;
}

void cfs_workq_destroy(struct cfs_workq *q)
{
	destroy_workqueue(q->wq);
	if (q->node)
		cfs_node_put(q->node);
	cfs_free(CFS_S_LIBCFS, q, sizeof(*q));
}

void cfs_workq_flush(struct cfs_workq *q)
{
	flush_workqueue(q->wq);
}

/* ---- items ---- */

static struct work_struct *work_of(cfs_work_t *w)
{
	return CFS_INNER(struct work_struct, w);
}

static struct delayed_work *dwork_of(cfs_dwork_t *w)
{
	return CFS_INNER(struct delayed_work, w);
}

static void run_work(struct work_struct *work)
{
	cfs_work_t *w = container_of((void *)work, cfs_work_t, opaque);

	w->fn(w);
}

static void run_dwork(struct work_struct *work)
{
	cfs_dwork_t *w = container_of((void *)to_delayed_work(work), cfs_dwork_t, opaque);

	w->fn(w);
}

/* Lockdep sees "wait for this item" and "inside this item" as a lock. Its class must be the
 * function's, not ours, or cancelling one item from another would look like a deadlock; a
 * function's address is as static as any key. */
#define WORK_KEY(fn) ((struct lock_class_key *)(fn))

void cfs_work_init(cfs_work_t *w, void (*fn)(cfs_work_t *w))
{
	w->fn = fn;
	__INIT_WORK_KEY(work_of(w), run_work, 0, WORK_KEY(fn));
}

bool cfs_work_queue(struct cfs_workq *q, cfs_work_t *w)
{
	return queue_work(q->wq, work_of(w));
}

bool cfs_work_cancel_sync(cfs_work_t *w)
{
	return cancel_work_sync(work_of(w));
}

void cfs_dwork_init(cfs_dwork_t *w, void (*fn)(cfs_dwork_t *w))
{
	struct delayed_work *d = dwork_of(w);

	w->fn = fn;
	INIT_DELAYED_WORK(d, run_dwork);
	__INIT_WORK_KEY(&d->work, run_dwork, 0, WORK_KEY(fn));
}

/* Jiffies until the deadline has surely passed: the current one is already part gone. */
static unsigned long jiffies_until(uint64_t deadline_ns)
{
	u64 now = ktime_get_boottime_ns(), ticks;

	if (deadline_ns <= now)
		return 0;
	ticks = div_u64(deadline_ns - now, NSEC_PER_SEC / HZ) + 2;
	return min_t(u64, ticks, MAX_JIFFY_OFFSET);
}

void cfs_dwork_arm(struct cfs_workq *q, cfs_dwork_t *w, uint64_t deadline_ns)
{
	mod_delayed_work(q->wq, dwork_of(w), jiffies_until(deadline_ns));
}

bool cfs_dwork_cancel_sync(cfs_dwork_t *w)
{
	return cancel_delayed_work_sync(dwork_of(w));
}
