// SPDX-License-Identifier: GPL-2.0
//
// lnet.ko: module parameters, the registry of drivers, and what other modules may call. LNet itself
// comes up later, with its first user or by hand (Documentation/lnet.md).
//
// Invariant: the module of a driver that lnet_driver_get() has given out stays loaded until
// lnet_driver_put(), so whoever unregisters has no users.
#include <linux/inetdevice.h>
#include <linux/init.h>
#include <linux/kmod.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <linux/sysfs.h>
#include <net/net_namespace.h>

#include "../../libcfs/linux/node.h"
#include "control.h"
#include "driver.h"
#include "libcfs/plat/lock.h"

static char *networks = "";
module_param(networks, charp, 0444);
MODULE_PARM_DESC(networks, "local networks, e.g. \"tcp(eth0)\"; empty: tcp on the first interface");

static char *accept = "secure";
module_param(accept, charp, 0444);
MODULE_PARM_DESC(accept, "connections accepted: secure (privileged ports only), all, none");

static int accept_port = 988;
module_param(accept_port, int, 0444);
MODULE_PARM_DESC(accept_port, "TCP port that connections come to");

static int accept_backlog = 127;
module_param(accept_backlog, int, 0444);
MODULE_PARM_DESC(accept_backlog, "connections that may wait to be accepted");

static int accept_timeout = 5;
module_param(accept_timeout, int, 0444);
MODULE_PARM_DESC(accept_timeout, "seconds that a new connection has for its handshake");

static char *ip2nets = "";
module_param(ip2nets, charp, 0444);
MODULE_PARM_DESC(ip2nets, "networks by own address, e.g. \"tcp(eth0) 192.168.1.*; o2ib 10.*.*.*\"");

static char *routes = "";
module_param(routes, charp, 0444);
MODULE_PARM_DESC(routes, "ways to other networks, e.g. \"tcp1 1 192.168.1.[1-4]@tcp\"");

static char *forwarding = "";
module_param(forwarding, charp, 0444);
MODULE_PARM_DESC(forwarding, "enabled, disabled; empty: if `routes` names this node as a gateway");

static int tiny_router_buffers;
module_param(tiny_router_buffers, int, 0444);
MODULE_PARM_DESC(tiny_router_buffers, "buffers for messages without payload, 0: 2048");

static int small_router_buffers;
module_param(small_router_buffers, int, 0444);
MODULE_PARM_DESC(small_router_buffers, "buffers of a page, 0: 16384");

static int large_router_buffers;
module_param(large_router_buffers, int, 0444);
MODULE_PARM_DESC(large_router_buffers, "buffers of 1 MiB, 0: 1024");

/* ---- parameters that may change at any time ---- */

static struct lnet_config config;
/* NULL before LNet has started and when it ends; by the module's parameter lock. */
static struct lnet_core *core;

static int tunable_set(const char *text, const struct kernel_param *kp)
{
	unsigned int which = (unsigned long)kp->arg;
	s64 value;
	int rc = kstrtos64(text, 0, &value);

	if (!rc)
		rc = lnet_tunable_set(core, which, value);
	if (!rc) {
		config.tunables[which] = value;
		config.given |= 1u << which;
	}
	return rc;
}

static int tunable_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%lld\n", lnet_tunable_get(core, (unsigned long)kp->arg));
}

static const struct kernel_param_ops tunable_ops = {
	.set = tunable_set,
	.get = tunable_get,
};

#define TUNABLE(name, doc)                                                                         \
	module_param_cb(name, &tunable_ops, (void *)LNET_TUNE_##name, 0644);                       \
	MODULE_PARM_DESC(name, doc);
LNET_TUNABLES(TUNABLE)

/* ---- drivers ---- */

static LIST_HEAD(drivers);
static DEFINE_MUTEX(drivers_lock);

/* What loads a driver that is not there, by lnet::LndType. */
static const char *module_of(unsigned int type)
{
	return type == LNET_DRIVER_TCP ? "ksocklnd" : NULL;
}

static struct lnet_driver_entry *find(unsigned int type)
{
	struct lnet_driver_entry *e;

	list_for_each_entry(e, &drivers, link) if (e->type == type) return e;
	return NULL;
}

int lnet_driver_register(struct lnet_driver_entry *e)
{
	int rc = 0;

	mutex_lock(&drivers_lock);
	if (find(e->type))
		rc = -EEXIST;
	else
		list_add(&e->link, &drivers);
	mutex_unlock(&drivers_lock);
	return rc;
}
EXPORT_SYMBOL_GPL(lnet_driver_register);

void lnet_driver_unregister(struct lnet_driver_entry *e)
{
	mutex_lock(&drivers_lock);
	list_del(&e->link);
	mutex_unlock(&drivers_lock);
}
EXPORT_SYMBOL_GPL(lnet_driver_unregister);

static struct lnet_driver *try_get(unsigned int type)
{
	struct lnet_driver *driver = NULL;
	struct lnet_driver_entry *e;

	mutex_lock(&drivers_lock);
	e = find(type);
	if (e && try_module_get(e->owner))
		driver = e->driver;
	mutex_unlock(&drivers_lock);
	return driver;
}

struct lnet_driver *lnet_driver_get(unsigned int type)
{
	struct lnet_driver *driver = try_get(type);

	if (driver || !module_of(type))
		return driver;
	request_module("%s", module_of(type));
	return try_get(type);
}

void lnet_driver_put(unsigned int type)
{
	struct lnet_driver_entry *e;

	mutex_lock(&drivers_lock);
	e = find(type);
	if (!WARN_ON(!e))
		module_put(e->owner);
	mutex_unlock(&drivers_lock);
}

/* ---- users ---- */

EXPORT_SYMBOL_GPL(lnet_network_hold);
EXPORT_SYMBOL_GPL(lnet_network_release);
EXPORT_SYMBOL_GPL(lnet_control_get);

/* ---- life ---- */

const struct lnet_config *lnet_config_get(void)
{
	return &config;
}

int lnet_addresses_get(struct cfs_node *node, uint32_t *out, unsigned int max)
{
	const struct in_ifaddr *a;
	struct net_device *dev;
	struct in_device *in;
	int n = 0;

	rtnl_lock();
	for_each_netdev(cfs_node_net(node), dev)
	{
		in = __in_dev_get_rtnl(dev);
		if (!in)
			continue;
		in_dev_for_each_ifa_rtnl(a, in) if (n < max) out[n++] = ntohl(a->ifa_local);
	}
	rtnl_unlock();
	return n;
}

static int start_core(void)
{
	struct cfs_node *node = cfs_node_for_net(&init_net);
	struct lnet_core *started;
	int rc = lnet_core_start(node, &started);

	/* The initial namespace stays by itself. */
	cfs_node_put(node);
	if (rc)
		return rc;
	kernel_param_lock(THIS_MODULE);
	core = started;
	kernel_param_unlock(THIS_MODULE);
	return 0;
}

static void stop_core(void)
{
	struct lnet_core *stopping = core;

	kernel_param_lock(THIS_MODULE);
	core = NULL;
	kernel_param_unlock(THIS_MODULE);
	lnet_core_stop(stopping);
	cfs_rcu_barrier();
}

static int __init lnet_init(void)
{
	int rc;

	if (accept_port < 1 || accept_port > 65535 || accept_backlog < 1 || accept_timeout < 1) {
		pr_err("LNetError: accept_port, accept_backlog or accept_timeout out of range\n");
		return -EINVAL;
	}
	config.networks = networks;
	config.accept = accept;
	config.accept_port = accept_port;
	config.accept_backlog = accept_backlog;
	config.accept_timeout = accept_timeout;
	config.ip2nets = ip2nets;
	config.routes = routes;
	config.forwarding = forwarding;
	config.router_buffers[0] = max(tiny_router_buffers, 0);
	config.router_buffers[1] = max(small_router_buffers, 0);
	config.router_buffers[2] = max(large_router_buffers, 0);
	rc = start_core();
	if (rc)
		return rc;
	rc = lnet_netlink_start();
	if (rc)
		goto no_netlink;
	rc = lnet_device_start();
	if (rc)
		goto no_device;
	return 0;

no_device:
	lnet_netlink_stop();
no_netlink:
	stop_core();
	return rc;
}

static void __exit lnet_exit(void)
{
	lnet_device_stop();
	lnet_netlink_stop();
	stop_core();
}

module_init(lnet_init);
module_exit(lnet_exit);

MODULE_DESCRIPTION("Lustre networking");
MODULE_LICENSE("GPL");
