/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How a driver's module makes itself known to lnet.ko.
 */
#ifndef LNET_LINUX_DRIVER_H
#define LNET_LINUX_DRIVER_H

#include <linux/list.h>
#include <linux/module.h>

#include "lnet/plat_driver.h"

/* lnet::LndType::tcp */
#define LNET_DRIVER_TCP 2

struct lnet_driver_entry {
	unsigned int type;
	struct module *owner;
	struct lnet_driver *driver;
	struct list_head link; /* lnet.ko's */
};

/* -EEXIST when there is one of that type. Both sleep. */
int lnet_driver_register(struct lnet_driver_entry *e);
/* From the module's exit: nobody uses it any more. */
void lnet_driver_unregister(struct lnet_driver_entry *e);

#endif
