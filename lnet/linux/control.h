/* SPDX-License-Identifier: GPL-2.0 */
/*
 * lnet.ko's own: the ways in which administrators' requests come to it.
 */
#ifndef LNET_LINUX_CONTROL_H
#define LNET_LINUX_CONTROL_H

/* The generic netlink family "lnet". 0 or a negative errno. stop: no request runs any more. */
int lnet_netlink_start(void);
void lnet_netlink_stop(void);

/* /dev/lnet, likewise. */
int lnet_device_start(void);
void lnet_device_stop(void);

#endif
