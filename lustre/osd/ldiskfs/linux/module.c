// SPDX-License-Identifier: GPL-2.0
//
// osd_ldiskfs.ko: the object store on ldiskfs devices. Everything starts with osd_ldiskfs_mount(),
// which targets call (osd/plat_driver.h).
#include <linux/module.h>

#include "convert.h"
#include "libcfs/plat/lock.h"
#include "osd/plat_driver.h"

EXPORT_SYMBOL_GPL(osd_ldiskfs_mount);

static int __init osd_ldiskfs_init(void)
{
	return 0;
}

static void __exit osd_ldiskfs_exit(void)
{
	osd_ldiskfs_stop();
	cfs_rcu_barrier();
}

module_init(osd_ldiskfs_init);
module_exit(osd_ldiskfs_exit);

MODULE_DESCRIPTION("Lustre object store on ldiskfs");
MODULE_LICENSE("GPL");
MODULE_SOFTDEP("pre: ldiskfs quota_v2");
