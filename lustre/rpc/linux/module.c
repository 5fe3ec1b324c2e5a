// SPDX-License-Identifier: GPL-2.0
//
// ptlrpc.ko: RPC comes up on a node with its first user, which gets it through rpc_hold(), the lock
// manager with its first through ldlm_node_get(). Until then there are the parameters of the
// initial network namespace only.
#include <linux/init.h>
#include <linux/module.h>
#include <net/net_namespace.h>

#include "../../../libcfs/linux/node.h"
#include "ldlm/plat_ldlm.h"
#include "libcfs/plat/lock.h"
#include "rpc/plat_rpc.h"

EXPORT_SYMBOL_GPL(rpc_hold);
EXPORT_SYMBOL_GPL(rpc_release);
EXPORT_SYMBOL_GPL(ldlm_node_get);

static struct rpc_core *core;
static struct ldlm_core *locks;

static int __init ptlrpc_init(void)
{
	struct cfs_node *node = cfs_node_for_net(&init_net);
	int rc = rpc_core_start(node, &core);

	if (rc == 0) {
		rc = ldlm_core_start(node, &locks);
		if (rc)
			rpc_core_stop(core);
	}
	/* The initial namespace stays by itself. */
	cfs_node_put(node);
	return rc;
}

static void __exit ptlrpc_exit(void)
{
	ldlm_core_stop(locks);
	rpc_core_stop(core);
	cfs_rcu_barrier();
}

module_init(ptlrpc_init);
module_exit(ptlrpc_exit);

MODULE_DESCRIPTION("Lustre request processing and lock management");
MODULE_LICENSE("GPL");
