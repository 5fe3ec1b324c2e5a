// SPDX-License-Identifier: GPL-2.0
//
// ksocklnd.ko: module parameters, and the registration with LNet.
#include <linux/init.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/rcupdate.h>

#include "../../linux/driver.h"
#include "../ksocklnd.h"
#include "libcfs/plat/lock.h"

static struct ksocklnd_params params = {
#define DEFAULT(name, value, doc) .name = value,
	KSOCKLND_PARAMS(DEFAULT)};

#define PARAM(name, value, doc)                                                                    \
	module_param_named(name, params.name, uint, 0444);                                         \
	MODULE_PARM_DESC(name, doc);
KSOCKLND_PARAMS(PARAM)

static struct lnet_driver_entry entry = {
	.type = LNET_DRIVER_TCP,
	.owner = THIS_MODULE,
};

static int __init ksocklnd_init(void)
{
	int rc = ksocklnd_driver_make(&params, &entry.driver);

	if (rc)
		return rc;
	rc = lnet_driver_register(&entry);
	if (rc)
		ksocklnd_driver_free(entry.driver);
	return rc;
}

static void __exit ksocklnd_exit(void)
{
	lnet_driver_unregister(&entry);
	ksocklnd_driver_free(entry.driver);
	cfs_rcu_barrier();
	/* A packet that found a callback of ours just before it was replaced may still be in it. */
	synchronize_rcu();
}

module_init(ksocklnd_init);
module_exit(ksocklnd_exit);

MODULE_DESCRIPTION("Lustre networking over TCP");
MODULE_LICENSE("GPL");
