/* SPDX-License-Identifier: GPL-2.0 */
/* Between the modules' C files and what they start. */
#ifndef KV_SELFTEST_ENTRY_H
#define KV_SELFTEST_ENTRY_H

#include "libcfs/plat/base.h"

CFS_DECLS_BEGIN

struct cfs_node;

/* ---- kv_server.ko ---- */

struct kv_server;
struct kv_server_config {
	const char *device;    /* path of the block device */
	const char *target;    /* "kv-MDT0000" */
	unsigned int recovery; /* seconds that clients get to come back */
};

/* Mounts the device and serves. 0 or a negative errno. Sleeps. */
int kv_server_start(struct cfs_node *node, const struct kv_server_config *config,
		    struct kv_server **out) CFS_NOEXCEPT;
/* forget: its clients are none any more; otherwise the next start waits for them. Sleeps. */
void kv_server_stop(struct kv_server *s, bool forget) CFS_NOEXCEPT;

/* ---- kv_client.ko ---- */

struct kv_client;
struct kv_client_config {
	const char *servers; /* NIDs of the server's node, by commas */
	const char *target;
	unsigned int id; /* of this client among others, from 1 on */
	unsigned int threads, steps, pause_ms;
	unsigned long long seed;
};

/* Starts the threads; does not wait for the server. The texts stay until the stop. Sleeps. */
int kv_client_start(struct cfs_node *node, const struct kv_client_config *config,
		    struct kv_client **out) CFS_NOEXCEPT;
/* Waits for the threads, and says good-bye to the server. Sleeps. */
void kv_client_stop(struct kv_client *c) CFS_NOEXCEPT;

CFS_DECLS_END

#endif
