/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How the modules above ptlrpc.ko come to the lock manager of a node. The object behind ldlm_node
 * is ldlm::Ldlm (ldlm/ldlm.hpp).
 */
#ifndef LDLM_PLAT_LDLM_H
#define LDLM_PLAT_LDLM_H

#include "libcfs/plat/base.h"

CFS_DECLS_BEGIN

struct cfs_node;
struct ldlm_node;

/* The lock manager of a node, of which the caller holds a cfs::Node; made when there is none. It
 * stays while the node does. 0, -ENOMEM. Sleeps. */
int ldlm_node_get(struct cfs_node *node, struct ldlm_node **out) CFS_NOEXCEPT;

/* ---- called by glue (lustre/ldlm/node_part.cpp). All of them sleep. ---- */

/* Offers the parameter files of a node. */
struct ldlm_core;
int ldlm_core_start(struct cfs_node *node, struct ldlm_core **out) CFS_NOEXCEPT;
/* Ends the lock manager on every node; nobody has a namespace any more. Before rpc_core_stop(). */
void ldlm_core_stop(struct ldlm_core *c) CFS_NOEXCEPT;

CFS_DECLS_END

#endif
