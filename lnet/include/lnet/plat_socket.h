/* SPDX-License-Identifier: GPL-2.0 */
/*
 * TCP sockets for socklnd, part of the platform boundary (see libcfs/plat/base.h for the general
 * contract). Implementations: lnet/socklnd/linux/ (kernel sockets), lnet/socklnd/host/ (POSIX),
 * lnet/socklnd/sim/ (streams of the simulated network).
 *
 * All data calls are non-blocking; a thread waits for many sockets at once in a poller. Readiness
 * is a hint: the caller tries and gets -EAGAIN. After -EAGAIN the socket will be reported again
 * when that changes (edge-triggered), so whoever stops for another reason before -EAGAIN must come
 * back by itself.
 */
#ifndef LNET_PLAT_SOCKET_H
#define LNET_PLAT_SOCKET_H

#include "libcfs/plat/base.h"
#include "libcfs/plat/page.h"

CFS_DECLS_BEGIN

struct cfs_sock;
struct cfs_poller;

/* An address: 4 bytes (IPv4) or 16 (IPv6) in network order; port in host order. */
struct cfs_sockaddr {
	uint8_t bytes[16];
	uint32_t length; /* 4 or 16 */
	uint32_t port;
	uint32_t ifindex; /* scope of a link-local IPv6 address, else 0 */
};

/* A piece of what is sent or received: plain memory, or part of a page. */
struct cfs_sockvec {
	void *linear;	       /* when not NULL */
	struct cfs_page *page; /* else: len bytes at offset */
	uint32_t offset;
	uint32_t len;
};

enum cfs_sock_flags {
	CFS_SOCK_MORE = 1,     /* more follows at once: do not push out a small segment */
	CFS_SOCK_ZEROCOPY = 2, /* page pieces may be sent by reference: they stay unchanged until
				  the peer has them */
};

/* ---- interfaces ---- */

struct cfs_netif {
	char name[16];
	struct cfs_sockaddr addr; /* one entry per address; port 0 */
	uint32_t ifindex;
	uint32_t mtu;
	uint32_t speed_mbps; /* 0: unknown */
	uint8_t up;	     /* the administrator says so */
	uint8_t link;	     /* and there is somebody at the other end of the cable */
	uint8_t loopback;
	uint8_t zerocopy; /* scatter-gather and checksum offload */
};
/* Fills up to max entries for the node; the number there are, or an errno. Sleeps. */
int cfs_netif_list(struct cfs_node *node, struct cfs_netif *out, unsigned int max) CFS_NOEXCEPT;
/* Calls changed(ctx) from a thread whenever a link or address of the node has changed, also from
 * within the start, and not after the stop has returned. Start and stop sleep. */
struct cfs_netif_watch;
int cfs_netif_watch_start(struct cfs_node *node, void (*changed)(void *ctx), void *ctx,
			  struct cfs_netif_watch **out) CFS_NOEXCEPT;
void cfs_netif_watch_stop(struct cfs_netif_watch *w) CFS_NOEXCEPT;

/* ---- sockets ---- */

/* A listening socket; addr of length 0 is every address. Accepting is by cfs_sock_accept when it is
 * readable. */
int cfs_sock_listen(struct cfs_node *node, const struct cfs_sockaddr *addr, uint32_t port,
		    unsigned int backlog, struct cfs_sock **out) CFS_NOEXCEPT;
/* -EAGAIN when nobody waits. */
int cfs_sock_accept(struct cfs_sock *listener, struct cfs_sock **out,
		    struct cfs_sockaddr *peer) CFS_NOEXCEPT;
/* Connects from (local, local port) and waits for the result until the deadline. -EADDRINUSE,
 * -EADDRNOTAVAIL: try another port. Sleeps. */
int cfs_sock_connect(struct cfs_node *node, const struct cfs_sockaddr *local,
		     const struct cfs_sockaddr *remote, uint64_t deadline_ns,
		     struct cfs_sock **out) CFS_NOEXCEPT;
/* Nothing may use it any more; it has left its poller. Sleeps. */
void cfs_sock_close(struct cfs_sock *s) CFS_NOEXCEPT;
/* Makes every later call fail with -ESHUTDOWN and tells the peer; the socket is reported as
 * readable. */
void cfs_sock_shutdown(struct cfs_sock *s) CFS_NOEXCEPT;

struct cfs_sock_options {
	uint32_t keepalive_idle_s; /* 0: no TCP keepalive */
	uint32_t keepalive_intvl_s;
	uint32_t keepalive_count;
	uint32_t sndbuf; /* bytes, 0: left to the system */
	uint32_t rcvbuf;
	int32_t tos; /* -1: leave */
	uint8_t nodelay;
	uint8_t quickack;
};
int cfs_sock_configure(struct cfs_sock *s, const struct cfs_sock_options *o) CFS_NOEXCEPT;

/* Bytes taken (possibly fewer than given), -EAGAIN, or what ended the connection. Threads must not
 * send on one socket at the same time, nor receive on one; one may send while another receives. */
long cfs_sock_send(struct cfs_sock *s, const struct cfs_sockvec *v, unsigned int n,
		   unsigned int flags) CFS_NOEXCEPT;
/* Bytes received, 0 at the end of the stream, -EAGAIN, or an error. Data goes straight into the
 * pieces. */
long cfs_sock_recv(struct cfs_sock *s, const struct cfs_sockvec *v, unsigned int n) CFS_NOEXCEPT;
/* Receives exactly len bytes into plain memory, waiting until the deadline: for handshakes. 0 or an
 * errno
 * (-ECONNRESET when the stream ends before). Not for sockets in a poller. Sleeps. */
int cfs_sock_recv_all(struct cfs_sock *s, void *buf, size_t len, uint64_t deadline_ns) CFS_NOEXCEPT;
int cfs_sock_send_all(struct cfs_sock *s, const void *buf, size_t len,
		      uint64_t deadline_ns) CFS_NOEXCEPT;
/* Bytes accepted by the socket that the peer has not acknowledged yet. */
uint32_t cfs_sock_unacked(struct cfs_sock *s) CFS_NOEXCEPT;
void cfs_sock_addresses(struct cfs_sock *s, struct cfs_sockaddr *local,
			struct cfs_sockaddr *remote) CFS_NOEXCEPT;

/* ---- pollers ---- */

enum cfs_poll_events {
	CFS_POLL_IN = 1,
	CFS_POLL_OUT = 2,
	CFS_POLL_ERR = 4, /* reset, shut down; IN is set as well */
};
struct cfs_poll_event {
	void *ctx;
	uint32_t events;
};
int cfs_poller_create(struct cfs_node *node, struct cfs_poller **out) CFS_NOEXCEPT;
void cfs_poller_destroy(struct cfs_poller *p) CFS_NOEXCEPT;
/* A socket belongs to at most one poller. Its present state is reported first. */
int cfs_poller_add(struct cfs_poller *p, struct cfs_sock *s, void *ctx) CFS_NOEXCEPT;
/* After this no wait returns ctx (a call that has returned already may have). Sleeps. */
void cfs_poller_remove(struct cfs_poller *p, struct cfs_sock *s) CFS_NOEXCEPT;
/* Waits for events, a kick or the deadline; the number of events, 0 for the other two. Several
 * threads may wait; each event goes to one. */
int cfs_poller_wait(struct cfs_poller *p, struct cfs_poll_event *ev, unsigned int max,
		    uint64_t deadline_ns) CFS_NOEXCEPT;
/* Makes one wait return, now or the next. Does not sleep. */
void cfs_poller_kick(struct cfs_poller *p) CFS_NOEXCEPT;

CFS_DECLS_END

#endif
