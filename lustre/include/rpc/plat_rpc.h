/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Between modules: how the modules above (lock manager, targets, client) get RPC of a node. No C++
 * name crosses a module's border; the object behind the opaque structure is the abstract class
 * rpc::Rpc (rpc/rpc.hpp).
 */
#ifndef RPC_PLAT_RPC_H
#define RPC_PLAT_RPC_H

#include "libcfs/plat/base.h"

CFS_DECLS_BEGIN

struct rpc_node;

/* RPC of a node (of which the caller holds a cfs::Node), with LNet brought up under it. It stays
 * until released as often as it was held; rpc_node is rpc::Rpc. 0 or a negative errno. Sleeps. */
int rpc_hold(struct cfs_node *node, struct rpc_node **out) CFS_NOEXCEPT;
/* Everything the holder made of it (imports, services, targets) has ended before. Sleeps. */
void rpc_release(struct cfs_node *node) CFS_NOEXCEPT;

/* ---- called by glue and by hosted start-up (lustre/rpc/node_part.cpp). All of them sleep. ---- */

/* Offers the parameter files of a node. */
struct rpc_core;
int rpc_core_start(struct cfs_node *node, struct rpc_core **out) CFS_NOEXCEPT;
/* Ends RPC on every node. */
void rpc_core_stop(struct rpc_core *c) CFS_NOEXCEPT;

CFS_DECLS_END

#endif
