/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Between modules: how drivers (ksocklnd) come to LNet, how its users (RPC) get LNet of a node, and
 * what LNet's core needs of its glue. No C++ name crosses a module's border; the objects behind the
 * opaque structures are abstract classes: lnet_driver is lnet::Driver (lnet/lnd.hpp), lnet_network
 * is lnet::Network (lnet/lnet.hpp).
 */
#ifndef LNET_PLAT_DRIVER_H
#define LNET_PLAT_DRIVER_H

#include "libcfs/plat/base.h"

CFS_DECLS_BEGIN

/* ---- drivers: the registry is the back end's ---- */

struct lnet_driver;

/* A driver of a type (lnet::LndType), with a reference that keeps its module loaded; NULL when
 * there is none and none can be loaded. Sleeps. */
struct lnet_driver *lnet_driver_get(unsigned int type) CFS_NOEXCEPT;
void lnet_driver_put(unsigned int type) CFS_NOEXCEPT;

/* ---- module parameters (spec 01 section 15.1) ---- */

struct lnet_config {
	const char *networks; /* never NULL; empty: "tcp" */
	const char *accept;   /* secure, all, none */
	uint32_t accept_port;
	uint32_t accept_backlog;
	uint32_t accept_timeout; /* seconds */
};
/* The back end's; always the same. */
const struct lnet_config *lnet_config_get(void) CFS_NOEXCEPT;

/* ---- the core's part (lnet/node_part.cpp), called by glue. All of them sleep. ---- */

/* Checks the configuration and offers LNet's parameter files on a node. -EINVAL. */
struct lnet_core;
int lnet_core_start(struct cfs_node *node, struct lnet_core **out) CFS_NOEXCEPT;
/* Ends LNet on every node. */
void lnet_core_stop(struct lnet_core *c) CFS_NOEXCEPT;

/* ---- users ---- */

struct lnet_network;

/* LNet of a node (of which the caller holds a cfs::Node), brought up as the module parameters say
 * when it is not up. It stays up until released. Sleeps. */
int lnet_network_hold(struct cfs_node *node, struct lnet_network **out) CFS_NOEXCEPT;
void lnet_network_release(struct cfs_node *node) CFS_NOEXCEPT;

/* ---- administration ---- */

struct lnet_control;

/* LNet's control of a node (lnet::Control, lnet/control.hpp); valid as long as the caller holds the
 * cfs::Node. Sleeps. */
int lnet_control_get(struct cfs_node *node, struct lnet_control **out) CFS_NOEXCEPT;

CFS_DECLS_END

#endif
