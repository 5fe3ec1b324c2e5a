// SPDX-License-Identifier: GPL-2.0
//
// The socket boundary (lnet/plat_socket.h) on the kernel's sockets.
//
// A socket in a poller has its callbacks replaced by ours. They run in soft interrupts and only put
// the socket on the poller's list of ready ones and wake a thread; everything else happens there.
//
// Invariants: sk_user_data names the cfs_sock from the moment the callbacks are ours until they are
// the kernel's again; both change under sk_callback_lock, under which the callbacks also read it. A
// child of a listener inherits the callbacks but not sk_user_data, so ours do nothing for it until
// cfs_sock_accept() gives it the kernel's. Lock order: sk_callback_lock > poller lock.
#include <linux/bvec.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/math64.h>
#include <linux/net.h>
#include <linux/spinlock.h>
#include <linux/tcp.h>
#include <linux/uio.h>
#include <linux/wait.h>
#include <net/ipv6.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "../../../libcfs/linux/node.h"
#include "libcfs/plat/mem.h"
#include "libcfs/plat/thread.h"
#include "lnet/plat_socket.h"

/* Pieces that one call of the kernel gets; callers come again with the rest. */
#define PIECES_MAX 32

struct callbacks {
	void (*data_ready)(struct sock *sk);
	void (*write_space)(struct sock *sk);
	void (*state_change)(struct sock *sk);
};

struct cfs_sock {
	struct socket *sock;
	bool shut;
	struct cfs_poller *poller; /* by sk_callback_lock */
	struct callbacks saved;	   /* valid while poller is set */
	void *ctx;
	struct list_head ready; /* by the poller's lock, as is events */
	unsigned int events;
};

struct cfs_poller {
	spinlock_t lock;
	struct list_head ready;
	bool kicked;
	wait_queue_head_t wait;
};

/* ---- addresses ---- */

static int to_native(const struct cfs_sockaddr *a, struct sockaddr_storage *out)
{
	memset(out, 0, sizeof(*out));
	if (a->length == 4) {
		struct sockaddr_in *v4 = (struct sockaddr_in *)out;

		v4->sin_family = AF_INET;
		v4->sin_port = htons(a->port);
		memcpy(&v4->sin_addr, a->bytes, 4);
		return sizeof(*v4);
	} else {
		struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;

		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(a->port);
		v6->sin6_scope_id = a->ifindex;
		memcpy(&v6->sin6_addr, a->bytes, 16);
		return sizeof(*v6);
	}
}

static void from_native(const struct sockaddr_storage *ss, struct cfs_sockaddr *out)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)ss;

	memset(out, 0, sizeof(*out));
	if (ss->ss_family == AF_INET) {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)ss;

		out->length = 4;
		out->port = ntohs(v4->sin_port);
		memcpy(out->bytes, &v4->sin_addr, 4);
		return;
	}
	if (ss->ss_family != AF_INET6)
		return;
	out->port = ntohs(v6->sin6_port);
	if (ipv6_addr_v4mapped(&v6->sin6_addr)) {
		out->length = 4;
		memcpy(out->bytes, v6->sin6_addr.s6_addr + 12, 4);
		return;
	}
	out->length = 16;
	if (ipv6_addr_type(&v6->sin6_addr) & IPV6_ADDR_LINKLOCAL)
		out->ifindex = v6->sin6_scope_id;
	memcpy(out->bytes, &v6->sin6_addr, 16);
}

/* ---- making and ending sockets ---- */

/* Memory that is reclaimed may have to be written through this socket, by a thread that is in the
 * middle of sending on another one: neither may reclaim wait for the file system, nor may the two
 * share the thread's own page fragment. */
static void make_safe_in_reclaim(struct sock *sk)
{
	sk->sk_allocation = GFP_NOFS;
	sk->sk_use_task_frag = false;
}

static int wrap(struct socket *sock, struct cfs_sock **out)
{
	struct cfs_sock *s = cfs_alloc(CFS_S_LND, sizeof(*s), CFS_ALLOC_ZERO);

	if (!s) {
		sock_release(sock);
		return -ENOMEM;
	}
	s->sock = sock;
	INIT_LIST_HEAD(&s->ready);
	*out = s;
	return 0;
}

/* A bound TCP socket. */
static int make_bound(struct cfs_node *node, const struct cfs_sockaddr *local, struct socket **out)
{
	struct sockaddr_storage ss;
	int len = to_native(local, &ss);
	struct socket *sock;
	int rc =
		sock_create_kern(cfs_node_net(node), ss.ss_family, SOCK_STREAM, IPPROTO_TCP, &sock);

	if (rc)
		return rc;
	sock_set_reuseaddr(sock->sk);
	make_safe_in_reclaim(sock->sk);
	if (ss.ss_family == AF_INET6 && local->length)
		ip6_sock_set_v6only(sock->sk);
	rc = kernel_bind(sock, (struct sockaddr *)&ss, len);
	if (rc)
		sock_release(sock);
	else
		*out = sock;
	return rc;
}

int cfs_sock_listen(struct cfs_node *node, const struct cfs_sockaddr *addr, uint32_t port,
		    unsigned int backlog, struct cfs_sock **out)
{
	struct cfs_sockaddr local = *addr;
	struct socket *sock;
	int rc;

	local.port = port;
	rc = make_bound(node, &local, &sock);
	if (rc == -EAFNOSUPPORT && !local.length) {
		local.length = 4;
		rc = make_bound(node, &local, &sock);
	}
	if (rc)
		return rc;
	rc = kernel_listen(sock, backlog);
	if (rc) {
		sock_release(sock);
		return rc;
	}
	return wrap(sock, out);
}

/* Gives the child of a listener the callbacks that the listener had before it was ours. */
static void disinherit(struct sock *sk, const struct callbacks *from)
{
	write_lock_bh(&sk->sk_callback_lock);
	sk->sk_data_ready = from->data_ready;
	sk->sk_write_space = from->write_space;
	sk->sk_state_change = from->state_change;
	sk->sk_user_data = NULL;
	write_unlock_bh(&sk->sk_callback_lock);
}

int cfs_sock_accept(struct cfs_sock *l, struct cfs_sock **out, struct cfs_sockaddr *peer)
{
	struct sockaddr_storage ss;
	struct socket *sock;
	int rc = kernel_accept(l->sock, &sock, O_NONBLOCK);

	if (rc)
		return rc == -ECONNABORTED || rc == -EINTR ? -EAGAIN : rc;
	if (l->poller)
		disinherit(sock->sk, &l->saved);
	rc = kernel_getpeername(sock, (struct sockaddr *)&ss);
	if (rc < 0) { /* gone already */
		sock_release(sock);
		return -EAGAIN;
	}
	from_native(&ss, peer);
	make_safe_in_reclaim(sock->sk);
	return wrap(sock, out);
}

/* Jiffies until a deadline, at least one; 0 when it has passed. */
static long jiffies_until(u64 deadline_ns)
{
	u64 now = cfs_now_ns();

	if (deadline_ns == CFS_NEVER)
		return MAX_SCHEDULE_TIMEOUT;
	if (now >= deadline_ns)
		return 0;
	return min_t(u64, nsecs_to_jiffies64(deadline_ns - now) + 1, MAX_SCHEDULE_TIMEOUT - 1);
}

int cfs_sock_connect(struct cfs_node *node, const struct cfs_sockaddr *local,
		     const struct cfs_sockaddr *remote, uint64_t deadline_ns, struct cfs_sock **out)
{
	long wait = jiffies_until(deadline_ns);
	struct sockaddr_storage ss;
	struct socket *sock;
	int len, rc;

	if (!wait)
		return -ETIMEDOUT;
	rc = make_bound(node, local, &sock);
	if (rc)
		return rc;
	len = to_native(remote, &ss);
	WRITE_ONCE(sock->sk->sk_sndtimeo, wait);
	rc = kernel_connect(sock, (struct sockaddr *)&ss, len, 0);
	WRITE_ONCE(sock->sk->sk_sndtimeo, MAX_SCHEDULE_TIMEOUT);
	if (rc) {
		sock_release(sock);
		return rc == -EINPROGRESS || rc == -EAGAIN ? -ETIMEDOUT : rc;
	}
	return wrap(sock, out);
}

void cfs_sock_close(struct cfs_sock *s)
{
	WARN_ON(s->poller);
	sock_release(s->sock);
	cfs_free(CFS_S_LND, s, sizeof(*s));
}

int cfs_sock_configure(struct cfs_sock *s, const struct cfs_sock_options *o)
{
	struct sock *sk = s->sock->sk;
	int rc = 0;

	if (o->nodelay)
		tcp_sock_set_nodelay(sk);
	if (o->keepalive_idle_s) {
		sock_set_keepalive(sk);
		rc = tcp_sock_set_keepidle(sk, o->keepalive_idle_s);
		rc = rc ?: tcp_sock_set_keepintvl(sk, o->keepalive_intvl_s);
		rc = rc ?: tcp_sock_set_keepcnt(sk, o->keepalive_count);
	}
	if (o->sndbuf) {
		lock_sock(sk);
		sk->sk_userlocks |= SOCK_SNDBUF_LOCK;
		WRITE_ONCE(sk->sk_sndbuf,
			   max_t(int, min_t(u32, o->sndbuf, INT_MAX / 2) * 2, SOCK_MIN_SNDBUF));
		release_sock(sk);
	}
	if (o->rcvbuf)
		sock_set_rcvbuf(sk, min_t(u32, o->rcvbuf, INT_MAX / 2));
	if (o->quickack)
		tcp_sock_set_quickack(sk, 1);
	if (o->tos >= 0 && sk->sk_family == AF_INET)
		ip_sock_set_tos(sk, o->tos);
	return rc;
}

void cfs_sock_addresses(struct cfs_sock *s, struct cfs_sockaddr *local, struct cfs_sockaddr *remote)
{
	struct sockaddr_storage ss;

	memset(local, 0, sizeof(*local));
	memset(remote, 0, sizeof(*remote));
	if (kernel_getsockname(s->sock, (struct sockaddr *)&ss) >= 0)
		from_native(&ss, local);
	if (kernel_getpeername(s->sock, (struct sockaddr *)&ss) >= 0)
		from_native(&ss, remote);
}

/* ---- data ---- */

union pieces {
	struct kvec linear[PIECES_MAX];
	struct bio_vec page[PIECES_MAX];
};

/* An iterator takes memory of one kind: as many of the first pieces as are of the same. */
static unsigned int take_pieces(union pieces *p, const struct cfs_sockvec *v, unsigned int n,
				struct msghdr *m, unsigned int direction)
{
	bool linear = v[0].linear;
	size_t bytes = 0;
	unsigned int i;

	for (i = 0; i < n && i < PIECES_MAX && !!v[i].linear == linear; i++) {
		if (linear) {
			p->linear[i].iov_base = v[i].linear;
			p->linear[i].iov_len = v[i].len;
		} else {
			p->page[i].bv_page = (struct page *)v[i].page;
			p->page[i].bv_offset = v[i].offset;
			p->page[i].bv_len = v[i].len;
		}
		bytes += v[i].len;
	}
	if (linear)
		iov_iter_kvec(&m->msg_iter, direction, p->linear, i, bytes);
	else
		iov_iter_bvec(&m->msg_iter, direction, p->page, i, bytes);
	return i;
}

/* Whether these pieces may be sent by reference: pages whose references count (slab pages' do not).
 */
static bool by_reference(const struct cfs_sockvec *v, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (v[i].linear || !sendpage_ok((struct page *)v[i].page))
			return false;
	return true;
}

#ifdef HAVE_MSG_SPLICE_PAGES
static int send_pages(struct socket *sock, struct msghdr *m)
{
	m->msg_flags |= MSG_SPLICE_PAGES;
	return sock_sendmsg(sock, m);
}
#else
static int send_pages(struct socket *sock, struct msghdr *m)
{
	const struct bio_vec *v = m->msg_iter.bvec;
	unsigned int n = m->msg_iter.nr_segs, i;
	int sent = 0;

	for (i = 0; i < n; i++) {
		int more = i + 1 < n ? MSG_MORE | MSG_SENDPAGE_NOTLAST : 0;
		int rc = kernel_sendpage(sock, v[i].bv_page, v[i].bv_offset, v[i].bv_len,
					 m->msg_flags | more);

		if (rc <= 0)
			return sent ?: rc;
		sent += rc;
		if (rc < v[i].bv_len)
			break;
	}
	return sent;
}
#endif

long cfs_sock_send(struct cfs_sock *s, const struct cfs_sockvec *v, unsigned int n,
		   unsigned int flags)
{
	struct msghdr m = {.msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL};
	unsigned int taken;
	union pieces p;
	int rc;

	if (READ_ONCE(s->shut))
		return -ESHUTDOWN;
	if (!n)
		return 0;
	taken = take_pieces(&p, v, n, &m, WRITE);
	if (taken < n || flags & CFS_SOCK_MORE)
		m.msg_flags |= MSG_MORE;
	if (flags & CFS_SOCK_ZEROCOPY && by_reference(v, taken))
		rc = send_pages(s->sock, &m);
	else
		rc = sock_sendmsg(s->sock, &m);
	return rc == -EINTR ? -EAGAIN : rc;
}

long cfs_sock_recv(struct cfs_sock *s, const struct cfs_sockvec *v, unsigned int n)
{
	struct msghdr m = {};
	union pieces p;
	int rc;

	if (READ_ONCE(s->shut))
		return -ESHUTDOWN;
	if (!n)
		return 0;
	take_pieces(&p, v, n, &m, READ);
	rc = sock_recvmsg(s->sock, &m, MSG_DONTWAIT);
	return rc == -EINTR ? -EAGAIN : rc;
}

int cfs_sock_recv_all(struct cfs_sock *s, void *buf, size_t len, uint64_t deadline_ns)
{
	while (len) {
		struct kvec v = {.iov_base = buf, .iov_len = len};
		struct msghdr m = {};
		long wait = jiffies_until(deadline_ns);
		int rc;

		if (READ_ONCE(s->shut))
			return -ESHUTDOWN;
		if (!wait)
			return -ETIMEDOUT;
		WRITE_ONCE(s->sock->sk->sk_rcvtimeo, wait);
		rc = kernel_recvmsg(s->sock, &m, &v, 1, len, 0);
		if (!rc)
			return -ECONNRESET;
		if (rc == -EAGAIN || rc == -EINTR)
			continue; /* the deadline decides */
		if (rc < 0)
			return rc;
		buf += rc;
		len -= rc;
	}
	return 0;
}

int cfs_sock_send_all(struct cfs_sock *s, const void *buf, size_t len, uint64_t deadline_ns)
{
	while (len) {
		struct kvec v = {.iov_base = (void *)buf, .iov_len = len};
		struct msghdr m = {.msg_flags = MSG_NOSIGNAL};
		long wait = jiffies_until(deadline_ns);
		int rc;

		if (READ_ONCE(s->shut))
			return -ESHUTDOWN;
		if (!wait)
			return -ETIMEDOUT;
		WRITE_ONCE(s->sock->sk->sk_sndtimeo, wait);
		rc = kernel_sendmsg(s->sock, &m, &v, 1, len);
		if (rc == -EAGAIN || rc == -EINTR)
			continue;
		if (rc < 0)
			return rc;
		buf += rc;
		len -= rc;
	}
	return 0;
}

uint32_t cfs_sock_unacked(struct cfs_sock *s)
{
	const struct tcp_sock *tp = tcp_sk(s->sock->sk);

	return READ_ONCE(tp->write_seq) - READ_ONCE(tp->snd_una);
}

/* ---- pollers ---- */

/* Any context but hard interrupts. */
static void report(struct cfs_poller *p, struct cfs_sock *s, unsigned int events)
{
	unsigned long flags;

	spin_lock_irqsave(&p->lock, flags);
	s->events |= events;
	if (list_empty(&s->ready))
		list_add_tail(&s->ready, &p->ready);
	spin_unlock_irqrestore(&p->lock, flags);
	if (wq_has_sleeper(&p->wait))
		wake_up(&p->wait);
}

/* With sk_callback_lock held; NULL for a child that nobody has accepted. */
static struct cfs_sock *sock_of(struct sock *sk)
{
	return __locked_read_sk_user_data_with_flags(sk, SK_USER_DATA_NOCOPY);
}

static void on_data_ready(struct sock *sk)
{
	struct cfs_sock *s;

	read_lock_bh(&sk->sk_callback_lock);
	s = sock_of(sk);
	if (s)
		report(s->poller, s, CFS_POLL_IN);
	read_unlock_bh(&sk->sk_callback_lock);
}

static void on_write_space(struct sock *sk)
{
	struct cfs_sock *s;

	read_lock_bh(&sk->sk_callback_lock);
	s = sock_of(sk);
	if (s) {
		if (sk_stream_is_writeable(sk))
			report(s->poller, s, CFS_POLL_OUT);
		s->saved.write_space(sk);
	}
	read_unlock_bh(&sk->sk_callback_lock);
}

static void on_state_change(struct sock *sk)
{
	struct cfs_sock *s;

	read_lock_bh(&sk->sk_callback_lock);
	s = sock_of(sk);
	if (s) {
		unsigned int events = CFS_POLL_IN | CFS_POLL_OUT;

		if (sk->sk_state == TCP_CLOSE || sk->sk_shutdown == SHUTDOWN_MASK)
			events |= CFS_POLL_ERR;
		report(s->poller, s, events);
		s->saved.state_change(sk);
	}
	read_unlock_bh(&sk->sk_callback_lock);
}

void cfs_sock_shutdown(struct cfs_sock *s)
{
	struct sock *sk = s->sock->sk;

	WRITE_ONCE(s->shut, true);
	kernel_sock_shutdown(s->sock, SHUT_RDWR);
	read_lock_bh(&sk->sk_callback_lock);
	if (s->poller)
		report(s->poller, s, CFS_POLL_IN | CFS_POLL_ERR);
	read_unlock_bh(&sk->sk_callback_lock);
}

int cfs_poller_create(struct cfs_node *node, struct cfs_poller **out)
{
	struct cfs_poller *p = cfs_alloc(CFS_S_LND, sizeof(*p), CFS_ALLOC_ZERO);

	if (!p)
		return -ENOMEM;
	spin_lock_init(&p->lock);
	INIT_LIST_HEAD(&p->ready);
	init_waitqueue_head(&p->wait);
	*out = p;
	return 0;
}

void cfs_poller_destroy(struct cfs_poller *p)
{
	WARN_ON(!list_empty(&p->ready));
	/* Whoever woke the last waiter may still be inside. */
	synchronize_rcu();
	cfs_free(CFS_S_LND, p, sizeof(*p));
}

int cfs_poller_add(struct cfs_poller *p, struct cfs_sock *s, void *ctx)
{
	struct sock *sk = s->sock->sk;

	write_lock_bh(&sk->sk_callback_lock);
	s->poller = p;
	s->ctx = ctx;
	s->saved.data_ready = sk->sk_data_ready;
	s->saved.write_space = sk->sk_write_space;
	s->saved.state_change = sk->sk_state_change;
	sk->sk_data_ready = on_data_ready;
	sk->sk_write_space = on_write_space;
	sk->sk_state_change = on_state_change;
	__rcu_assign_sk_user_data_with_flags(sk, s, SK_USER_DATA_NOCOPY);
	/* Its present state, as a hint. */
	report(p, s, CFS_POLL_IN | CFS_POLL_OUT);
	write_unlock_bh(&sk->sk_callback_lock);
	return 0;
}

void cfs_poller_remove(struct cfs_poller *p, struct cfs_sock *s)
{
	struct sock *sk = s->sock->sk;

	write_lock_bh(&sk->sk_callback_lock);
	sk->sk_data_ready = s->saved.data_ready;
	sk->sk_write_space = s->saved.write_space;
	sk->sk_state_change = s->saved.state_change;
	sk->sk_user_data = NULL;
	s->poller = NULL;
	write_unlock_bh(&sk->sk_callback_lock);
	spin_lock_irq(&p->lock);
	list_del_init(&s->ready);
	spin_unlock_irq(&p->lock);
}

static int take_ready(struct cfs_poller *p, struct cfs_poll_event *ev, unsigned int max)
{
	unsigned int n = 0;
	bool more;

	spin_lock_irq(&p->lock);
	while (n < max && !list_empty(&p->ready)) {
		struct cfs_sock *s = list_first_entry(&p->ready, struct cfs_sock, ready);

		list_del_init(&s->ready);
		ev[n].ctx = s->ctx;
		ev[n++].events = s->events;
		s->events = 0;
	}
	more = !list_empty(&p->ready);
	spin_unlock_irq(&p->lock);
	if (more && wq_has_sleeper(&p->wait))
		wake_up(&p->wait);
	return n;
}

static bool something(struct cfs_poller *p)
{
	return READ_ONCE(p->kicked) || !list_empty_careful(&p->ready);
}

int cfs_poller_wait(struct cfs_poller *p, struct cfs_poll_event *ev, unsigned int max,
		    uint64_t deadline_ns)
{
	for (;;) {
		int n = take_ready(p, ev, max);
		long wait;

		if (n || xchg(&p->kicked, false))
			return n;
		wait = jiffies_until(deadline_ns);
		if (!wait)
			return 0;
		if (wait == MAX_SCHEDULE_TIMEOUT)
			wait_event_idle_exclusive(p->wait, something(p));
		else
			wait_event_idle_exclusive_timeout(p->wait, something(p), wait);
	}
}

void cfs_poller_kick(struct cfs_poller *p)
{
	WRITE_ONCE(p->kicked, true);
	if (wq_has_sleeper(&p->wait))
		wake_up(&p->wait);
}
