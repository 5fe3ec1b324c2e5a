/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Threads, CPU partitions, work queues, time, randomness.
 *
 * A CPU partition (CPT) is a set of CPUs that share a cache and memory; services have one pool per
 * partition and keep a message in the partition it arrived in.
 */
#ifndef LIBCFS_PLAT_THREAD_H
#define LIBCFS_PLAT_THREAD_H

#include "libcfs/plat/base.h"
#include "libcfs/plat/sizes.h"

CFS_DECLS_BEGIN

/* ---- threads ---- */

struct cfs_thread;
#define CFS_CPT_ANY (-1)

/* Starts fn(arg) on a new thread of the node. Names are cut to 15 characters. Sleeps. The thread
 * ends by returning; the caller must join it, which frees the handle. -EINVAL: no such partition.
 */
int cfs_thread_start(struct cfs_node *node, const char *name, int cpt, void (*fn)(void *arg),
		     void *arg, struct cfs_thread **out) CFS_NOEXCEPT;
void cfs_thread_join(struct cfs_thread *t) CFS_NOEXCEPT;
/* An identity of the calling thread for comparisons; never NULL, never 0 in the log. */
const void *cfs_thread_self(void) CFS_NOEXCEPT;
uint32_t cfs_thread_pid(void) CFS_NOEXCEPT;
/* The command name of the calling thread, NUL-terminated, at most 16 bytes with the NUL. */
void cfs_thread_comm(char buf[16]) CFS_NOEXCEPT;
/* Whether a fatal signal waits for the calling thread. */
bool cfs_thread_killed(void) CFS_NOEXCEPT;
/* Lets others run; sleeps at most until the deadline; never returns early but for the yield. */
void cfs_yield(void) CFS_NOEXCEPT;
void cfs_sleep_until(uint64_t deadline_ns) CFS_NOEXCEPT;
/* The node of the calling thread, NULL for a kernel thread that is no node's. */
struct cfs_node *cfs_node_current(void) CFS_NOEXCEPT;
/* May the caller sleep? Exact in sim and on debug kernels, true elsewhere. */
bool cfs_may_sleep(void) CFS_NOEXCEPT;

/* ---- CPUs and partitions ---- */

unsigned int cfs_cpu_count(void) CFS_NOEXCEPT;	 /* possible CPUs, at least 1 */
unsigned int cfs_cpu_current(void) CFS_NOEXCEPT; /* a hint: the thread may move at once */
unsigned int cfs_cpt_count(void) CFS_NOEXCEPT;	 /* at least 1, at most 64 */
unsigned int cfs_cpt_current(void) CFS_NOEXCEPT;
/* CPUs in a partition; 0 for a number that is none. */
unsigned int cfs_cpt_weight(unsigned int cpt) CFS_NOEXCEPT;

/* ---- work ---- */

struct cfs_workq;
typedef struct cfs_work {
	void (*fn)(struct cfs_work *w);
	CFS_ALIGNAS(CFS_ALIGNOF_WORK) unsigned char opaque[CFS_SIZEOF_WORK];
} cfs_work_t;
typedef struct cfs_dwork {
	void (*fn)(struct cfs_dwork *w);
	CFS_ALIGNAS(CFS_ALIGNOF_DWORK) unsigned char opaque[CFS_SIZEOF_DWORK];
} cfs_dwork_t;

/* max_active: items running at once; 0 is the platform's default, 1 keeps the order of queueing.
 * Sleeps. */
int cfs_workq_create(struct cfs_node *node, const char *name, unsigned int max_active,
		     struct cfs_workq **out) CFS_NOEXCEPT;
/* Waits for everything queued, then frees. No delayed work may be armed on it. */
void cfs_workq_destroy(struct cfs_workq *q) CFS_NOEXCEPT;
void cfs_workq_flush(struct cfs_workq *q) CFS_NOEXCEPT;

void cfs_work_init(cfs_work_t *w, void (*fn)(cfs_work_t *w)) CFS_NOEXCEPT;
/* An item stays with one queue while it is queued, armed or running.
 * False when it was queued already. An item never runs twice at once. fn may free the item. */
bool cfs_work_queue(struct cfs_workq *q, cfs_work_t *w) CFS_NOEXCEPT;
/* Takes it off the queue or waits for its end; true when it had been pending. While it waits, the
 * item can not be queued: not by its own function either. Sleeps. */
bool cfs_work_cancel_sync(cfs_work_t *w) CFS_NOEXCEPT;

void cfs_dwork_init(cfs_dwork_t *w, void (*fn)(cfs_dwork_t *w)) CFS_NOEXCEPT;
/* (Re)arms: fn runs on q at the deadline or soon after. Whatever it was armed for is forgotten. */
void cfs_dwork_arm(struct cfs_workq *q, cfs_dwork_t *w, uint64_t deadline_ns) CFS_NOEXCEPT;
bool cfs_dwork_cancel_sync(cfs_dwork_t *w) CFS_NOEXCEPT;

/* ---- time and randomness ---- */

/* Monotonic nanoseconds since some moment before the start; counts suspend time. */
uint64_t cfs_now_ns(void) CFS_NOEXCEPT;
/* Wall clock, nanoseconds since 1970 UTC; may jump. */
uint64_t cfs_real_ns(void) CFS_NOEXCEPT;
/* Unpredictable bytes (sim: from the seed). Does not sleep. */
void cfs_random_bytes(void *buf, size_t n) CFS_NOEXCEPT;

CFS_DECLS_END

#endif
