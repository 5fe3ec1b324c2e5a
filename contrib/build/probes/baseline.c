// SPDX-License-Identifier: GPL-2.0
// Probe: HAVE_WORKING_KBUILD
// Differs: nothing; if this does not compile, no other probe means anything.
// Absent: (never)
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/workqueue.h>

static int __init probe_init(void)
{
	return 0;
}
module_init(probe_init);
