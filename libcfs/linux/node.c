// SPDX-License-Identifier: GPL-2.0
//
// Nodes (libcfs/linux/node.h) live in the per-module data that the kernel keeps for every network
// namespace. The initial namespace's node has the host's name, others the namespace's number, the
// one that `lsns -t net` prints.
#include <linux/nsproxy.h>
#include <linux/sched.h>
#include <linux/utsname.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>

#include "glue.h"
#include "libcfs/plat/thread.h"
#include "node.h"

struct cfs_node {
	struct net *net;
	char name[__NEW_UTS_LEN + 1];
};

static unsigned int node_net_id;

static struct cfs_node *node_of(struct net *net)
{
	return net_generic(net, node_net_id);
}

static int __net_init node_net_init(struct net *net)
{
	struct cfs_node *node = node_of(net);

	node->net = net;
	if (net_eq(net, &init_net))
		strscpy(node->name, init_utsname()->nodename, sizeof(node->name));
	else
		snprintf(node->name, sizeof(node->name), "net-%u", net->ns.inum);
	return 0;
}

static struct pernet_operations node_net_ops = {
	.init = node_net_init,
	.id = &node_net_id,
	.size = sizeof(struct cfs_node),
};

struct cfs_node *cfs_node_for_net(struct net *net)
{
	struct cfs_node *node = node_of(net);

	cfs_node_get(node);
	return node;
}

void cfs_node_get(struct cfs_node *node)
{
	get_net(node->net);
}

void cfs_node_put(struct cfs_node *node)
{
	put_net(node->net);
}

struct net *cfs_node_net(const struct cfs_node *node)
{
	return node->net;
}

const char *cfs_node_name(const struct cfs_node *node)
{
	return node->name;
}

struct cfs_node *cfs_node_current(void)
{
	if (current->flags & PF_KTHREAD)
		return cfs_thread_node();
	return current->nsproxy ? node_of(current->nsproxy->net_ns) : NULL;
}

int cfs_node_init(void)
{
	return register_pernet_subsys(&node_net_ops);
}

void cfs_node_exit(void)
{
	unregister_pernet_subsys(&node_net_ops);
}
