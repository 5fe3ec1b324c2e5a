/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Between ksocklnd.ko's glue and socklnd's core: module parameters (spec 01 section 15.2) and the
 * driver made of them.
 */
#ifndef LNET_SOCKLND_KSOCKLND_H
#define LNET_SOCKLND_KSOCKLND_H

#include "lnet/plat_driver.h"

/* X(name, default, unit and meaning). The defaults are those of lnet::sock::Tunables. */
#define KSOCKLND_PARAMS(X)                                                                         \
	X(sock_timeout, 50, "seconds without progress that end a connection")                      \
	X(credits, 256, "messages in flight on an interface")                                      \
	X(peer_credits, 8, "messages in flight to a peer")                                         \
	X(peer_buffer_credits, 0, "router buffers a peer may hold")                                \
	X(peer_timeout, 180, "seconds without news after which a peer is taken for dead")          \
	X(nscheds, 0, "threads for each CPU partition, 0: chosen")                                 \
	X(nconnds, 4, "without effect: threads come when there is work for them")                  \
	X(nconnds_max, 64, "handshakes at once, in each direction")                                \
	X(min_reconnectms, 1000, "first wait before connecting again, milliseconds")               \
	X(max_reconnectms, 60000, "longest wait before connecting again, milliseconds")            \
	X(min_bulk, 1024, "bytes from which a message is bulk")                                    \
	X(keepalive, 30, "seconds of silence before a peer is asked for a sign of life, 0: never") \
	X(keepalive_idle, 30, "seconds before TCP's own keepalive, 0: none")                       \
	X(keepalive_count, 5, "TCP keepalives that may go unanswered")                             \
	X(keepalive_intvl, 5, "seconds between TCP keepalives")                                    \
	X(zc_min_payload, 16384, "bytes from which a message is sent without a copy")              \
	X(conns_per_peer, 0, "bulk connections to a peer in each direction, 0: from the link")     \
	X(tx_buffer_size, 0, "socket send buffer in bytes, 0: TCP's choice")                       \
	X(rx_buffer_size, 0, "socket receive buffer in bytes, 0: TCP's choice")                    \
	X(nagle, 0, "whether small segments wait for more")                                        \
	X(eager_ack, 0, "whether TCP acknowledges at once")

#define KSOCKLND_FIELD(name, value, doc) uint32_t name;
struct ksocklnd_params {
	KSOCKLND_PARAMS(KSOCKLND_FIELD)
};

CFS_DECLS_BEGIN

/* -EINVAL for parameters out of range. */
int ksocklnd_driver_make(const struct ksocklnd_params *params,
			 struct lnet_driver **out) CFS_NOEXCEPT;
void ksocklnd_driver_free(struct lnet_driver *driver) CFS_NOEXCEPT;

CFS_DECLS_END

#endif
