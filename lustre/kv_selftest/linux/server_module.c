// SPDX-License-Identifier: GPL-2.0
//
// kv_server.ko: serves the lists of lustre/kv_selftest/kv.hpp from a device, from its load on until
// it is unloaded. Not for production machines.
#include <linux/module.h>

#include "../../../libcfs/linux/node.h"
#include "entry.h"
#include "libcfs/plat/lock.h"

static char *device;
module_param(device, charp, 0444);
MODULE_PARM_DESC(device, "block device, formatted by mkfs.lustre as an MDT");

static char *target = "kv-MDT0000";
module_param(target, charp, 0444);
MODULE_PARM_DESC(target, "name of the target, as it was formatted");

static unsigned int recovery = 300;
module_param(recovery, uint, 0444);
MODULE_PARM_DESC(recovery, "seconds that clients get to come back after a restart");

static bool forget;
module_param(forget, bool, 0644);
MODULE_PARM_DESC(forget,
		 "the unloading forgets clients, instead of leaving them to the next start");

static struct cfs_node *node;
static struct kv_server *server;

static int __init kv_server_init(void)
{
	struct kv_server_config config = {.device = device, .target = target, .recovery = recovery};
	int rc;

	if (!device)
		return -EINVAL;
	node = cfs_node_for_net(&init_net);
	rc = kv_server_start(node, &config, &server);
	if (rc)
		cfs_node_put(node);
	return rc;
}

static void __exit kv_server_exit(void)
{
	kv_server_stop(server, forget);
	cfs_node_put(node);
	cfs_rcu_barrier();
}

module_init(kv_server_init);
module_exit(kv_server_exit);

MODULE_DESCRIPTION("Lustre RPC, lock and recovery test: server. Not for production machines");
MODULE_LICENSE("GPL");
