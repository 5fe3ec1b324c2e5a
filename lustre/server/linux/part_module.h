/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A module of code that the server mount (lustre_tgt.ko) uses; nothing runs until it does. Included
 * once, by the module's one C file.
 */
#ifndef LUSTRE_SERVER_LINUX_PART_MODULE_H
#define LUSTRE_SERVER_LINUX_PART_MODULE_H

#include <linux/module.h>

#include "../plat_server.h"
#include "libcfs/plat/lock.h"

static int __init part_init(void)
{
	return 0;
}

/* What the core still had to free after a grace period, it frees with code of this module. */
static void __exit part_exit(void)
{
	cfs_rcu_barrier();
}

module_init(part_init);
module_exit(part_exit);
MODULE_LICENSE("GPL");

#endif
