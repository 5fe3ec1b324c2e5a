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

/* Those that are numbers and may change at any time: X(name, what it is). Ranges and defaults are
 * in lnet/tunables.cpp. */
#define LNET_TUNABLES(X)                                                                           \
	X(lnet_peer_discovery_disabled, "1: peers are not asked for their NIDs")                   \
	X(lnet_transaction_timeout, "seconds that a message and its response may take")            \
	X(lnet_retry_count, "how often a message is sent again")                                   \
	X(lnet_health_sensitivity, "what a failure takes from an interface's health, 0: nothing")  \
	X(lnet_recovery_interval, "seconds before an unhealthy interface is pinged first")         \
	X(lnet_recovery_limit, "seconds after which pinging it ends, 0: never")                    \
	X(lnet_max_recovery_ping_interval, "seconds between pings of it, at most")                 \
	X(lnet_response_tracking, "responses that are awaited: 1 of GETs, 2 of PUTs")              \
	X(lnet_interfaces_max, "NIDs that a peer may have")                                        \
	X(lnet_numa_range, "without effect")                                                       \
	X(lnet_drop_asym_route, "1: drop what comes by another gateway than it would go back")     \
	X(lock_prim_nid, "1: a server's first NID stays the name of its node")                     \
	X(router_sensitivity_percentage, "health from which a gateway is used, in percent")        \
	X(avoid_asym_router_failure, "1: a route is down when the gateway's far side is")          \
	X(alive_router_check_interval, "seconds between pings of a gateway")                       \
	X(router_ping_timeout, "seconds that a gateway has to answer")

enum lnet_tunable {
#define LNET_TUNABLE_NUMBER(name, doc) LNET_TUNE_##name,
	LNET_TUNABLES(LNET_TUNABLE_NUMBER)
#undef LNET_TUNABLE_NUMBER
		LNET_TUNABLE_COUNT
};

struct lnet_config {
	const char *networks; /* never NULL; empty: "tcp", unless ip2nets is given */
	const char *accept;   /* secure, all, none */
	uint32_t accept_port;
	uint32_t accept_backlog;
	uint32_t accept_timeout; /* seconds */
	const char *ip2nets;	 /* this and the next two may be NULL */
	const char *routes;
	const char *forwarding;	    /* "", enabled, disabled */
	uint32_t router_buffers[3]; /* tiny, small, large; 0: the default */
	uint32_t given;		    /* a bit for each tunable that is not left to its default */
	int64_t tunables[LNET_TUNABLE_COUNT];
};
/* The back end's; always the same. */
const struct lnet_config *lnet_config_get(void) CFS_NOEXCEPT;

/* ---- the core's part (lnet/node_part.cpp), called by glue. All of them sleep. ---- */

/* Checks the configuration and offers LNet's parameter files on a node. -EINVAL. */
struct lnet_core;
int lnet_core_start(struct cfs_node *node, struct lnet_core **out) CFS_NOEXCEPT;
/* Ends LNet on every node. */
void lnet_core_stop(struct lnet_core *c) CFS_NOEXCEPT;

/* Whether a tunable may have that value, and if c is not NULL, gives it to c's node: -EINVAL,
 * -ERANGE. LNet of other nodes takes the back end's values when it is made. */
int lnet_tunable_set(struct lnet_core *c, unsigned int which, int64_t value) CFS_NOEXCEPT;
/* Its value on c's node; its default when c is NULL. */
int64_t lnet_tunable_get(struct lnet_core *c, unsigned int which) CFS_NOEXCEPT;

/* The IPv4 addresses of a node, in host order: the number written, at most max, or a negative
 * errno. The back end's. Sleeps. */
int lnet_addresses_get(struct cfs_node *node, uint32_t *out, unsigned int max) CFS_NOEXCEPT;

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
