// SPDX-License-Identifier: GPL-2.0
//
// The console, the machine pointer, and what happens when an invariant of ours turns out false: the
// core says so and decides (panic_on_lbug) whether the machine panics, or only the thread that
// found out stops for good and everything that does not need what it holds goes on.
#include <linux/kernel.h>
#include <linux/panic.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/sched/debug.h>

#include "libcfs/plat/log.h"
#include "libcfs/plat/thread.h"

static struct cfs_machine *machine;

void cfs_console(enum cfs_console_level level, const char *text, size_t n)
{
	int len = min_t(size_t, n, INT_MAX);

	switch (level) {
	case CFS_CONSOLE_EMERG:
		pr_emerg("%.*s\n", len, text);
		break;
	case CFS_CONSOLE_ERROR:
		pr_err("%.*s\n", len, text);
		break;
	case CFS_CONSOLE_WARNING:
		pr_warn("%.*s\n", len, text);
		break;
	case CFS_CONSOLE_NOTICE:
		pr_notice("%.*s\n", len, text);
		break;
	case CFS_CONSOLE_INFO:
		pr_info("%.*s\n", len, text);
		break;
	}
}

void cfs_dump_stack(void)
{
	dump_stack();
}

struct cfs_machine *cfs_machine_get(void)
{
	return smp_load_acquire(&machine);
}

void cfs_machine_set(struct cfs_machine *m)
{
	smp_store_release(&machine, m);
}

void cfs_bug(const char *file, int line, const char *func, const char *what)
{
	bool stop = cfs_log_lbug(file, line, func, what);

	dump_stack();
	/* A thread that may not sleep can not be parked either. */
	if (stop || !cfs_may_sleep())
		panic("LBUG");
	cfs_log_dump_default();
	for (;;) {
		set_current_state(TASK_UNINTERRUPTIBLE);
		schedule();
	}
}
