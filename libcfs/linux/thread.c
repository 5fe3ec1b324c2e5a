// SPDX-License-Identifier: GPL-2.0
//
// Threads, time and randomness of the boundary (libcfs/plat/thread.h).
//
// A thread ends inside the kernel's own text (kthread_complete_and_exit), so the module whose
// function it ran may be unloaded as soon as it has been joined.
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/kthread.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/timekeeping.h>

#include "glue.h"
#include "libcfs/plat/mem.h"
#include "libcfs/plat/thread.h"
#include "node.h"

struct cfs_thread {
	void (*fn)(void *arg);
	void *arg;
	struct cfs_node *node;
	struct completion done;
};

static int thread_main(void *data)
{
	struct cfs_thread *t = data;

	t->fn(t->arg);
	/* The joiner frees t. */
	kthread_complete_and_exit(&t->done, 0);
}

/* Keeps the thread on its partition's CPUs while at least one of them is there. */
static void place(struct task_struct *task, int cpt)
{
	const struct cpumask *mask = cfs_cpt_mask(cpt);

	if (mask && cpumask_intersects(mask, cpu_active_mask))
		set_cpus_allowed_ptr(task, mask);
}

int cfs_thread_start(struct cfs_node *node, const char *name, int cpt, void (*fn)(void *arg),
		     void *arg, struct cfs_thread **out)
{
	struct task_struct *task;
	struct cfs_thread *t;

	if (cpt != CFS_CPT_ANY && !cfs_cpt_mask(cpt))
		return -EINVAL;
	t = cfs_alloc(CFS_S_LIBCFS, sizeof(*t), CFS_ALLOC_ZERO);
	if (!t)
		return -ENOMEM;
	t->fn = fn;
	t->arg = arg;
	t->node = node;
	init_completion(&t->done);
	task = kthread_create_on_node(thread_main, t, cfs_cpt_numa(cpt), "%.*s", TASK_COMM_LEN - 1,
				      name);
	if (IS_ERR(task)) {
		cfs_free(CFS_S_LIBCFS, t, sizeof(*t));
		return PTR_ERR(task);
	}
	if (node)
		cfs_node_get(node);
	place(task, cpt);
	*out = t;
	wake_up_process(task);
	return 0;
}

void cfs_thread_join(struct cfs_thread *t)
{
	wait_for_completion(&t->done);
	if (t->node)
		cfs_node_put(t->node);
	cfs_free(CFS_S_LIBCFS, t, sizeof(*t));
}

struct cfs_node *cfs_thread_node(void)
{
	struct cfs_thread *t;

	if (kthread_func(current) != thread_main)
		return NULL;
	t = kthread_data(current);
	return t->node;
}

const void *cfs_thread_self(void)
{
	return current;
}

uint32_t cfs_thread_pid(void)
{
	return current->pid;
}

void cfs_thread_comm(char buf[16])
{
	static_assert(TASK_COMM_LEN == 16);
	/* Our own name: at worst half of a rename is seen. */
	memcpy(buf, current->comm, TASK_COMM_LEN);
	buf[TASK_COMM_LEN - 1] = '\0';
}

bool cfs_thread_killed(void)
{
	return fatal_signal_pending(current);
}

void cfs_yield(void)
{
	cond_resched();
}

void cfs_sleep_until(uint64_t deadline_ns)
{
	bool passed;

	do {
		set_current_state(TASK_IDLE);
		passed = cfs_schedule_until(deadline_ns);
		__set_current_state(TASK_RUNNING);
	} while (!passed);
}

bool cfs_may_sleep(void)
{
#ifdef CONFIG_PREEMPT_COUNT
	return preemptible() && !rcu_preempt_depth();
#else
	return true;
#endif
}

uint64_t cfs_now_ns(void)
{
	return ktime_get_boottime_ns();
}

uint64_t cfs_real_ns(void)
{
	return ktime_get_real_ns();
}

void cfs_random_bytes(void *buf, size_t n)
{
	get_random_bytes(buf, n);
}
