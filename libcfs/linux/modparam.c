// SPDX-License-Identifier: GPL-2.0
//
// Module parameters that are other names of parameters which the core has (spec 08 section 15).
// What is given at load waits here until the core has started; from then on both names are one
// value.
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "glue.h"
#include "libcfs/plat/core.h"

struct alias {
	const char *core_name;
	char *waiting; /* given before the core ran */
};

static DEFINE_MUTEX(alias_lock);
static bool core_runs; /* by alias_lock */

static int alias_set(const char *text, const struct kernel_param *kp)
{
	struct alias *a = kp->arg;
	char *copy;
	int rc = 0;

	mutex_lock(&alias_lock);
	if (core_runs) {
		rc = cfs_core_param_set(a->core_name, text);
	} else {
		copy = kstrdup(text, GFP_KERNEL);
		if (copy) {
			kfree(a->waiting);
			a->waiting = copy;
		} else {
			rc = -ENOMEM;
		}
	}
	mutex_unlock(&alias_lock);
	return rc;
}

static int alias_get(char *buf, const struct kernel_param *kp)
{
	struct alias *a = kp->arg;
	int rc = -ESHUTDOWN;

	mutex_lock(&alias_lock);
	if (core_runs)
		rc = cfs_core_param_get(a->core_name, buf, PAGE_SIZE);
	mutex_unlock(&alias_lock);
	return rc ? rc : strlen(buf);
}

static void alias_free(void *arg)
{
	struct alias *a = arg;

	kfree(a->waiting);
	a->waiting = NULL;
}

static const struct kernel_param_ops alias_ops = {
	.set = alias_set,
	.get = alias_get,
	.free = alias_free,
};

enum alias_number {
	DEBUG,
	SUBSYSTEM_DEBUG,
	PRINTK,
	DEBUG_MB,
	DEBUG_PATH,
	PANIC_ON_LBUG,
	CONSOLE_RATELIMIT,
	CONSOLE_MAX_DELAY,
	CONSOLE_MIN_DELAY,
	CONSOLE_BACKOFF,
	ALIASES
};

static struct alias aliases[ALIASES] = {
	[DEBUG] = {"debug"},
	[SUBSYSTEM_DEBUG] = {"subsystem_debug"},
	[PRINTK] = {"printk"},
	[DEBUG_MB] = {"debug_mb"},
	[DEBUG_PATH] = {"debug_path"},
	[PANIC_ON_LBUG] = {"panic_on_lbug"},
	[CONSOLE_RATELIMIT] = {"console_ratelimit"},
	[CONSOLE_MAX_DELAY] = {"console_max_delay_centisecs"},
	[CONSOLE_MIN_DELAY] = {"console_min_delay_centisecs"},
	[CONSOLE_BACKOFF] = {"console_backoff"},
};

#define ALIAS(name, number, doc)                                                                   \
	module_param_cb(name, &alias_ops, &aliases[number], 0644);                                 \
	MODULE_PARM_DESC(name, doc)

ALIAS(libcfs_debug, DEBUG, "types of messages that are recorded");
ALIAS(libcfs_subsystem_debug, SUBSYSTEM_DEBUG, "subsystems whose messages are recorded");
ALIAS(libcfs_printk, PRINTK, "types of messages that are printed on the console");
ALIAS(libcfs_debug_mb, DEBUG_MB, "memory for recorded messages, MiB");
ALIAS(libcfs_debug_file_path, DEBUG_PATH, "where the log is dumped, or NONE");
ALIAS(libcfs_panic_on_lbug, PANIC_ON_LBUG, "panic when an internal check fails");
ALIAS(libcfs_console_ratelimit, CONSOLE_RATELIMIT, "suppress repeated console messages");
ALIAS(libcfs_console_max_delay, CONSOLE_MAX_DELAY, "longest suppression, tenths of a second");
ALIAS(libcfs_console_min_delay, CONSOLE_MIN_DELAY, "first suppression, tenths of a second");
ALIAS(libcfs_console_backoff, CONSOLE_BACKOFF, "growth of the suppression");

int cfs_modparam_start(void)
{
	int i, rc = 0;

	mutex_lock(&alias_lock);
	core_runs = true;
	for (i = 0; !rc && i < ALIASES; i++) {
		if (!aliases[i].waiting)
			continue;
		rc = cfs_core_param_set(aliases[i].core_name, aliases[i].waiting);
		if (rc)
			pr_err("LNetError: libcfs: bad value '%s' for module parameter of %s: rc = "
			       "%d\n",
			       aliases[i].waiting, aliases[i].core_name, rc);
		kfree(aliases[i].waiting);
		aliases[i].waiting = NULL;
	}
	core_runs = !rc;
	mutex_unlock(&alias_lock);
	return rc;
}

void cfs_modparam_stop(void)
{
	mutex_lock(&alias_lock);
	core_runs = false;
	mutex_unlock(&alias_lock);
}
