// SPDX-License-Identifier: GPL-2.0
//
// mdt.ko: code that the server mount (lustre_tgt.ko) uses; nothing runs until it does.
#include <linux/module.h>

#include "../../server/plat_server.h"
#include "libcfs/plat/lock.h"

EXPORT_SYMBOL_GPL(server_mdt_part);

static int __init mdt_init(void)
{
	return 0;
}

static void __exit mdt_exit(void)
{
	cfs_rcu_barrier();
}

module_init(mdt_init);
module_exit(mdt_exit);

MODULE_DESCRIPTION("Lustre metadata targets");
MODULE_LICENSE("GPL");
