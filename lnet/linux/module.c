// SPDX-License-Identifier: GPL-2.0
//
// lnet.ko: module parameters, the registry of drivers, and what other modules may call. LNet itself
// comes up later, with its first user or by hand (Documentation/lnet.md).
//
// Invariant: the module of a driver that lnet_driver_get() has given out stays loaded until
// lnet_driver_put(), so whoever unregisters has no users.
#include <linux/init.h>
#include <linux/kmod.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <net/net_namespace.h>

#include "../../libcfs/linux/node.h"
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

static struct lnet_config config;
static struct lnet_core *core;

const struct lnet_config *lnet_config_get(void)
{
	return &config;
}

static int __init lnet_init(void)
{
	struct cfs_node *node;
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
	node = cfs_node_for_net(&init_net);
	rc = lnet_core_start(node, &core);
	/* The initial namespace stays by itself. */
	cfs_node_put(node);
	return rc;
}

static void __exit lnet_exit(void)
{
	lnet_core_stop(core);
	cfs_rcu_barrier();
}

module_init(lnet_init);
module_exit(lnet_exit);

MODULE_DESCRIPTION("Lustre networking");
MODULE_LICENSE("GPL");
