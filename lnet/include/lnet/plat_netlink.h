/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Between the core and what carries administrators' requests to it: generic netlink and /dev/lnet
 * in the kernel, plain calls in tests. The carrier checks who asks; everything in a request is
 * checked here. All calls sleep, some for as long as a ping takes; a killed caller's call ends
 * soon.
 */
#ifndef LNET_PLAT_NETLINK_H
#define LNET_PLAT_NETLINK_H

#include "libcfs/plat/base.h"

CFS_DECLS_BEGIN

/* ---- generic netlink (spec 01 section 16.3) ---- */

struct lnet_nl_request {
	struct cfs_node *node; /* held by the caller until the request or dump ends */
	const void *attrs;     /* what follows the generic netlink header */
	size_t length;
	uint16_t flags; /* NLM_F_* */
	uint8_t command;
	uint8_t version; /* of the request's header: how much it wants to know */
};

/* Does what is asked: 0 or a negative errno. *message: a constant text for the administrator, or
 * NULL. */
int lnet_nl_do(const struct lnet_nl_request *r, const char **message) CFS_NOEXCEPT;

/* An answer of many messages. */
struct lnet_nl_dump;
int lnet_nl_dump_open(const struct lnet_nl_request *r, struct lnet_nl_dump **out,
		      const char **message) CFS_NOEXCEPT;
/* The attributes of the message that is next, valid until the dump is stepped or closed. *flags:
 * NLM_F_* beside MULTI. 1; 0 at the end; a negative errno. */
int lnet_nl_dump_peek(struct lnet_nl_dump *d, const void **attrs, size_t *length,
		      uint16_t *flags) CFS_NOEXCEPT;
void lnet_nl_dump_step(struct lnet_nl_dump *d) CFS_NOEXCEPT;
void lnet_nl_dump_close(struct lnet_nl_dump *d) CFS_NOEXCEPT;
/* No message of a dump is longer. */
#define LNET_NL_MESSAGE_MAX 16384

/* ---- /dev/lnet (spec 01 section 16.2) ---- */

#define LNET_IOCTL_MAX (128 * 1024)

/* buffer: the caller's argument, copied in, of the length its header says; what the call answers is
 * written over it. 0 or a negative errno; -ENOTTY for a number that is none. */
int lnet_ioctl(struct cfs_node *node, uint32_t number, void *buffer, size_t length) CFS_NOEXCEPT;

CFS_DECLS_END

#endif
