/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Nodes in the kernel: a node is a network namespace. Its handle exists as long as the namespace
 * and libcfs do, so there is nothing to create; a reference keeps the namespace from going away
 * while something of ours (a mount, a configured network) lives in it. For glue of every module;
 * core code gets its node handed down.
 */
#ifndef LIBCFS_LINUX_NODE_H
#define LIBCFS_LINUX_NODE_H

#include <net/net_namespace.h>

#include "libcfs/plat/base.h"

/* The node of a namespace, with a reference for the caller. Any context. */
struct cfs_node *cfs_node_for_net(struct net *net);
void cfs_node_get(struct cfs_node *node);
void cfs_node_put(struct cfs_node *node);
/* The namespace of a node; lives as long as the reference the caller holds. */
struct net *cfs_node_net(const struct cfs_node *node);

#endif
