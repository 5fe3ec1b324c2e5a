// SPDX-License-Identifier: GPL-2.0
//
// ost.ko: code that the server mount (lustre_tgt.ko) uses; nothing runs until it does.
#include <linux/module.h>

#include "../../server/plat_server.h"
#include "libcfs/plat/lock.h"

EXPORT_SYMBOL_GPL(server_ost_part);

static int __init ost_init(void)
{
	return 0;
}

static void __exit ost_exit(void)
{
	cfs_rcu_barrier();
}

module_init(ost_init);
module_exit(ost_exit);

MODULE_DESCRIPTION("Lustre object storage targets");
MODULE_LICENSE("GPL");
