// SPDX-License-Identifier: GPL-2.0
//
// mgs.ko: code that the server mount (lustre_tgt.ko) uses; nothing runs until it does.
#include <linux/module.h>

#include "../../server/plat_server.h"
#include "libcfs/plat/lock.h"

EXPORT_SYMBOL_GPL(server_mgs_part);

static int __init mgs_init(void)
{
	return 0;
}

static void __exit mgs_exit(void)
{
	cfs_rcu_barrier();
}

module_init(mgs_init);
module_exit(mgs_exit);

MODULE_DESCRIPTION("Lustre management server");
MODULE_LICENSE("GPL");
