// SPDX-License-Identifier: GPL-2.0
/*
 * Commits, on purpose, one fault of each kind that the debug kernel must report. Loading the module
 * with fault=<name> commits that fault; ../check compares the console with what each must print.
 *
 * Invariant: every fault is survivable, so that one boot can try them all: reads only of memory
 * that is not ours, no lock left held, no list or timer left broken.
 */
#include <linux/delay.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/timer.h>
#include <linux/vmalloc.h>

static char *fault = "";
module_param(fault, charp, 0444);
MODULE_PARM_DESC(fault, "name of the fault to commit");

/* Read at run time, so that the compiler cannot see which index is wrong. */
static int one = 1;
module_param(one, int, 0444);

static char global_bytes[10];
static int sink;

static void slab_overrun(void)
{
	char *p = kmalloc(40, GFP_KERNEL);

	if (!p)
		return;
	OPTIMIZER_HIDE_VAR(p);
	sink += READ_ONCE(p[39 + one]);
	kfree(p);
}

static void use_after_free(void)
{
	char *p = kmalloc(40, GFP_KERNEL);

	if (!p)
		return;
	kfree(p);
	OPTIMIZER_HIDE_VAR(p);
	sink += READ_ONCE(p[8]);
}

static void stack_overrun(void)
{
	char bytes[10] = {0};
	char *p = bytes;

	OPTIMIZER_HIDE_VAR(p);
	sink += READ_ONCE(p[9 + one]);
}

static void global_overrun(void)
{
	char *p = global_bytes;

	OPTIMIZER_HIDE_VAR(p);
	sink += READ_ONCE(p[9 + one]);
}

static void vmalloc_overrun(void)
{
	char *p = vmalloc(PAGE_SIZE - 8);

	if (!p)
		return;
	OPTIMIZER_HIDE_VAR(p);
	sink += READ_ONCE(p[PAGE_SIZE - 9 + one]);
	vfree(p);
}

static void array_index(void)
{
	struct {
		int first[4];
		int second[4];
	} pair = {{0}, {0}};

	sink += pair.first[3 + one];
	OPTIMIZER_HIDE_VAR(sink);
}

static void shift_too_wide(void)
{
	sink += one << (31 + one);
	OPTIMIZER_HIDE_VAR(sink);
}

static void sleep_in_atomic(void)
{
	static DEFINE_SPINLOCK(lock);

	spin_lock(&lock);
	might_sleep();
	spin_unlock(&lock);
}

static void lock_order(void)
{
	static DEFINE_MUTEX(a);
	static DEFINE_MUTEX(b);

	mutex_lock(&a);
	mutex_lock(&b);
	mutex_unlock(&b);
	mutex_unlock(&a);

	mutex_lock(&b);
	mutex_lock(&a);
	mutex_unlock(&a);
	mutex_unlock(&b);
}

static void preemptible_cpu_id(void)
{
	sink += smp_processor_id();
}

static void list_corruption(void)
{
	static LIST_HEAD(head);
	static LIST_HEAD(other);
	LIST_HEAD(entry);

	head.next = &other;
	list_add(&entry, &head);
	INIT_LIST_HEAD(&head);
}

static void refcount_revival(void)
{
	refcount_t count = REFCOUNT_INIT(0);

	refcount_inc(&count);
}

static void on_timer(struct timer_list *unused) {}

/* Debug objects stops the timer when it reports it, so no callback runs on the freed memory. */
static void free_active_timer(void)
{
	struct timer_list *timer = kmalloc(sizeof(*timer), GFP_KERNEL);

	if (!timer)
		return;
	timer_setup(timer, on_timer, 0);
	mod_timer(timer, jiffies + 3600 * HZ);
	kfree(timer);
}

static void leak(void)
{
	char *p = kmalloc(1234, GFP_KERNEL);

	if (!p)
		return;
	strscpy(p, "dk_selftest: lost on purpose", 1234);
	OPTIMIZER_HIDE_VAR(p);
}

/* The limit is an argument of the test: it sets kernel.hung_task_timeout_secs to a few seconds. */
static void hang(void)
{
	set_current_state(TASK_UNINTERRUPTIBLE);
	schedule_timeout(12 * HZ);
}

/* Commits nothing: the fault-injection test makes this allocation fail. Its size has a cache
 * (kmalloc-8k) that nothing else in loading a module uses. */
static noinline int allocate(void)
{
	void *p = kmalloc(6000, GFP_KERNEL);

	kfree(p);
	return p ? 0 : -ENOMEM;
}

static const struct {
	const char *name;
	void (*commit)(void);
} faults[] = {
	{"slab-overrun", slab_overrun},
	{"use-after-free", use_after_free},
	{"stack-overrun", stack_overrun},
	{"global-overrun", global_overrun},
	{"vmalloc-overrun", vmalloc_overrun},
	{"array-index", array_index},
	{"shift", shift_too_wide},
	{"sleep-in-atomic", sleep_in_atomic},
	{"lock-order", lock_order},
	{"preemptible-cpu-id", preemptible_cpu_id},
	{"list-corruption", list_corruption},
	{"refcount", refcount_revival},
	{"active-timer", free_active_timer},
	{"leak", leak},
	{"hang", hang},
};

static int __init dk_selftest_init(void)
{
	size_t i;

	if (strcmp(fault, "allocation") == 0)
		return allocate();
	for (i = 0; i < ARRAY_SIZE(faults); i++) {
		if (strcmp(fault, faults[i].name) == 0) {
			faults[i].commit();
			return 0;
		}
	}
	pr_err("dk_selftest: unknown fault '%s'\n", fault);
	return -EINVAL;
}

static void __exit dk_selftest_exit(void) {}

module_init(dk_selftest_init);
module_exit(dk_selftest_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Faults that the debug kernel must report");
