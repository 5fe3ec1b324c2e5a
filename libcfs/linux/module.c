// SPDX-License-Identifier: GPL-2.0
//
// libcfs.ko: brings up the platform layer, then the core that offers debug log, fail points and
// parameters on top of it. The end is the beginning backwards, after RCU has freed what it was
// given.
#include <linux/init.h>
#include <linux/module.h>
#include <linux/rcupdate.h>

#include "glue.h"
#include "libcfs/plat/core.h"

static int __init libcfs_init(void)
{
	int rc = cfs_mem_init();

	if (rc)
		return rc;
	rc = cfs_cpt_init();
	if (rc)
		goto mem;
	rc = cfs_node_init();
	if (rc)
		goto cpt;
	cfs_csum_init();
	rc = cfs_core_start();
	if (rc)
		goto csum;
	rc = cfs_modparam_start();
	if (rc == 0)
		return 0;
	cfs_core_stop();
csum:
	cfs_csum_exit();
	rcu_barrier();
	cfs_node_exit();
cpt:
	cfs_cpt_exit();
mem:
	cfs_mem_exit();
	return rc;
}

static void __exit libcfs_exit(void)
{
	cfs_modparam_stop();
	cfs_core_stop();
	cfs_csum_exit();
	rcu_barrier();
	cfs_node_exit();
	cfs_cpt_exit();
	cfs_mem_exit();
}

module_init(libcfs_init);
module_exit(libcfs_exit);

MODULE_DESCRIPTION("Lustre platform layer");
MODULE_LICENSE("GPL");
