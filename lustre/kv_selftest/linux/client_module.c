// SPDX-License-Identifier: GPL-2.0
//
// kv_client.ko: threads that work on the lists of a kv_server, from the load on until they have
// done their steps, are told to stop, or the module is unloaded. Not for production machines.
#include <linux/module.h>

#include "../../../libcfs/linux/node.h"
#include "entry.h"
#include "libcfs/plat/lock.h"

static char *server;
module_param(server, charp, 0444);
MODULE_PARM_DESC(server, "NIDs of the server's node, separated by commas");

static char *target = "kv-MDT0000";
module_param(target, charp, 0444);
MODULE_PARM_DESC(target, "name of the target");

static unsigned int id = 1;
module_param(id, uint, 0444);
MODULE_PARM_DESC(id, "number of this client among those of the server, from 1 on");

static unsigned int threads = 4;
module_param(threads, uint, 0444);
MODULE_PARM_DESC(threads, "threads that work at once");

static unsigned int steps = 1000;
module_param(steps, uint, 0444);
MODULE_PARM_DESC(steps, "operations of each thread");

static unsigned int pause_ms;
module_param(pause_ms, uint, 0444);
MODULE_PARM_DESC(pause_ms, "longest pause between two operations of a thread, milliseconds");

static unsigned long seed = 1;
module_param(seed, ulong, 0444);
MODULE_PARM_DESC(seed, "what the threads do follows from it");

static struct cfs_node *node;
static struct kv_client *client;

static int __init kv_client_init(void)
{
	struct kv_client_config config = {
		.servers = server,
		.target = target,
		.id = id,
		.threads = threads,
		.steps = steps,
		.pause_ms = pause_ms,
		.seed = seed,
	};
	int rc;

	if (!server)
		return -EINVAL;
	node = cfs_node_for_net(&init_net);
	rc = kv_client_start(node, &config, &client);
	if (rc)
		cfs_node_put(node);
	return rc;
}

static void __exit kv_client_exit(void)
{
	kv_client_stop(client);
	cfs_node_put(node);
	cfs_rcu_barrier();
}

module_init(kv_client_init);
module_exit(kv_client_exit);

MODULE_DESCRIPTION("Lustre RPC, lock and recovery test: client. Not for production machines");
MODULE_LICENSE("GPL");
