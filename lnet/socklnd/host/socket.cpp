// SPDX-License-Identifier: GPL-2.0
//
// The socket boundary (lnet/plat_socket.h) on POSIX sockets and epoll: a hosted LNet talks TCP to
// any other, hosted or in a kernel.

#include "lnet/plat_socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <string>

#include "libcfs/plat/thread.h"

struct cfs_sock {
	int fd;
};

struct cfs_poller {
	int epoll;
	int kick;
};

namespace
{

constexpr unsigned kVecMax = 128;

/// Milliseconds until a deadline, as poll() wants them.
int until(uint64_t deadline_ns)
{
	if (deadline_ns == CFS_NEVER)
		return -1;
	uint64_t now = cfs_now_ns();
	if (deadline_ns <= now)
		return 0;
	uint64_t ms = (deadline_ns - now + 999999) / 1000000;
	return ms > 1000000000 ? 1000000000 : static_cast<int>(ms);
}

socklen_t to_native(const cfs_sockaddr &a, sockaddr_storage &out)
{
	std::memset(&out, 0, sizeof(out));
	if (a.length == 4) {
		auto *v4 = reinterpret_cast<sockaddr_in *>(&out);
		v4->sin_family = AF_INET;
		v4->sin_port = htons(static_cast<uint16_t>(a.port));
		std::memcpy(&v4->sin_addr, a.bytes, 4);
		return sizeof(*v4);
	}
	auto *v6 = reinterpret_cast<sockaddr_in6 *>(&out);
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(static_cast<uint16_t>(a.port));
	v6->sin6_scope_id = a.ifindex;
	std::memcpy(&v6->sin6_addr, a.bytes, 16);
	return sizeof(*v6);
}

void from_native(const sockaddr *sa, cfs_sockaddr &out)
{
	std::memset(&out, 0, sizeof(out));
	if (sa->sa_family == AF_INET) {
		const auto *v4 = reinterpret_cast<const sockaddr_in *>(sa);
		out.length = 4;
		out.port = ntohs(v4->sin_port);
		std::memcpy(out.bytes, &v4->sin_addr, 4);
		return;
	}
	const auto *v6 = reinterpret_cast<const sockaddr_in6 *>(sa);
	out.port = ntohs(v6->sin6_port);
	const auto *raw = reinterpret_cast<const uint8_t *>(&v6->sin6_addr);
	if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
		out.length = 4;
		std::memcpy(out.bytes, raw + 12, 4);
		return;
	}
	out.length = 16;
	out.ifindex = IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr) ? v6->sin6_scope_id : 0;
	std::memcpy(out.bytes, raw, 16);
}

int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) ? -errno : 0;
}

/// The address of a page. Hosted pages stay where they are, mapped or not, so a vector of any
/// length needs only one mapping at a time.
char *address_of(cfs_page *p)
{
	void *a = cfs_page_map(p);
	cfs_page_unmap(a);
	return static_cast<char *>(a);
}

/// Pieces as system calls want them.
class Vectors
{
	iovec iov_[kVecMax];
	unsigned n_ = 0;

public:
	Vectors(const cfs_sockvec *v, unsigned n)
	{
		for (; n_ < n && n_ < kVecMax; n_++) {
			const cfs_sockvec &x = v[n_];
			char *base = x.linear ? static_cast<char *>(x.linear)
					      : address_of(x.page) + x.offset;
			iov_[n_] = {base, x.len};
		}
	}
	msghdr header()
	{
		msghdr m{};
		m.msg_iov = iov_;
		m.msg_iovlen = n_;
		return m;
	}
};

} // namespace

extern "C" {

int cfs_sock_listen(cfs_node *, const cfs_sockaddr *addr, uint32_t port, unsigned backlog,
		    cfs_sock **out) noexcept
{
	sockaddr_storage ss;
	cfs_sockaddr a = *addr;
	a.port = port;
	bool v6 = a.length != 4;
	int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 && v6 && a.length == 0) { // no IPv6 on this machine
		a.length = 4;
		v6 = false;
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	}
	if (fd < 0)
		return -errno;
	socklen_t len = to_native(a, ss);
	set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (v6)
		set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, a.length == 0 ? 0 : 1);
	if (bind(fd, reinterpret_cast<sockaddr *>(&ss), len) ||
	    listen(fd, static_cast<int>(backlog))) {
		int rc = -errno;
		close(fd);
		return rc;
	}
	*out = new cfs_sock{fd};
	return 0;
}

int cfs_sock_accept(cfs_sock *l, cfs_sock **out, cfs_sockaddr *peer) noexcept
{
	sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int fd = accept4(l->fd, reinterpret_cast<sockaddr *>(&ss), &len,
			 SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return errno == ECONNABORTED || errno == EINTR ? -EAGAIN : -errno;
	from_native(reinterpret_cast<sockaddr *>(&ss), *peer);
	*out = new cfs_sock{fd};
	return 0;
}

int cfs_sock_connect(cfs_node *, const cfs_sockaddr *local, const cfs_sockaddr *remote,
		     uint64_t deadline_ns, cfs_sock **out) noexcept
{
	sockaddr_storage ss;
	int fd = socket(remote->length == 4 ? AF_INET : AF_INET6,
			SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	int rc = 0;
	socklen_t len = to_native(*local, ss);
	if (bind(fd, reinterpret_cast<sockaddr *>(&ss), len))
		rc = -errno;
	len = to_native(*remote, ss);
	if (rc == 0 && connect(fd, reinterpret_cast<sockaddr *>(&ss), len) && errno != EINPROGRESS)
		rc = -errno;
	if (rc == 0) {
		pollfd p{fd, POLLOUT, 0};
		int err = 0;
		socklen_t errlen = sizeof(err);
		if (poll(&p, 1, until(deadline_ns)) <= 0)
			rc = -ETIMEDOUT;
		else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &errlen) || err)
			rc = err ? -err : -errno;
	}
	if (rc) {
		close(fd);
		return rc;
	}
	*out = new cfs_sock{fd};
	return 0;
}

void cfs_sock_close(cfs_sock *s) noexcept
{
	close(s->fd);
	delete s;
}

void cfs_sock_shutdown(cfs_sock *s) noexcept
{
	shutdown(s->fd, SHUT_RDWR);
}

int cfs_sock_configure(cfs_sock *s, const cfs_sock_options *o) noexcept
{
	int rc = set_int(s->fd, IPPROTO_TCP, TCP_NODELAY, o->nodelay);
	if (!rc && o->keepalive_idle_s) {
		rc = set_int(s->fd, SOL_SOCKET, SO_KEEPALIVE, 1);
		rc = rc ? rc
			: set_int(s->fd, IPPROTO_TCP, TCP_KEEPIDLE,
				  static_cast<int>(o->keepalive_idle_s));
		rc = rc ? rc
			: set_int(s->fd, IPPROTO_TCP, TCP_KEEPINTVL,
				  static_cast<int>(o->keepalive_intvl_s));
		rc = rc ? rc
			: set_int(s->fd, IPPROTO_TCP, TCP_KEEPCNT,
				  static_cast<int>(o->keepalive_count));
	}
	if (!rc && o->sndbuf)
		rc = set_int(s->fd, SOL_SOCKET, SO_SNDBUF, static_cast<int>(o->sndbuf));
	if (!rc && o->rcvbuf)
		rc = set_int(s->fd, SOL_SOCKET, SO_RCVBUF, static_cast<int>(o->rcvbuf));
	if (!rc && o->quickack)
		rc = set_int(s->fd, IPPROTO_TCP, TCP_QUICKACK, 1);
	if (!rc && o->tos >= 0)
		rc = set_int(s->fd, IPPROTO_IP, IP_TOS, o->tos);
	return rc;
}

long cfs_sock_send(cfs_sock *s, const cfs_sockvec *v, unsigned n, unsigned flags) noexcept
{
	Vectors vec(v, n);
	msghdr m = vec.header();
	ssize_t r = sendmsg(s->fd, &m,
			    MSG_NOSIGNAL | MSG_DONTWAIT | (flags & CFS_SOCK_MORE ? MSG_MORE : 0));
	return r < 0 ? (errno == EINTR ? -EAGAIN : -errno) : r;
}

long cfs_sock_recv(cfs_sock *s, const cfs_sockvec *v, unsigned n) noexcept
{
	Vectors vec(v, n);
	msghdr m = vec.header();
	ssize_t r = recvmsg(s->fd, &m, MSG_DONTWAIT);
	return r < 0 ? (errno == EINTR ? -EAGAIN : -errno) : r;
}

int cfs_sock_recv_all(cfs_sock *s, void *buf, size_t len, uint64_t deadline_ns) noexcept
{
	char *p = static_cast<char *>(buf);
	while (len > 0) {
		ssize_t r = recv(s->fd, p, len, MSG_DONTWAIT);
		if (r == 0)
			return -ECONNRESET;
		if (r > 0) {
			p += r;
			len -= static_cast<size_t>(r);
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;
		pollfd pf{s->fd, POLLIN, 0};
		if (poll(&pf, 1, until(deadline_ns)) == 0)
			return -ETIMEDOUT;
	}
	return 0;
}

int cfs_sock_send_all(cfs_sock *s, const void *buf, size_t len, uint64_t deadline_ns) noexcept
{
	const char *p = static_cast<const char *>(buf);
	while (len > 0) {
		ssize_t r = send(s->fd, p, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (r >= 0) {
			p += r;
			len -= static_cast<size_t>(r);
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;
		pollfd pf{s->fd, POLLOUT, 0};
		if (poll(&pf, 1, until(deadline_ns)) == 0)
			return -ETIMEDOUT;
	}
	return 0;
}

uint32_t cfs_sock_unacked(cfs_sock *s) noexcept
{
	int n = 0;
	if (ioctl(s->fd, SIOCOUTQ, &n))
		return 0;
	return static_cast<uint32_t>(n);
}

void cfs_sock_addresses(cfs_sock *s, cfs_sockaddr *local, cfs_sockaddr *remote) noexcept
{
	sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	*local = {};
	*remote = {};
	if (!getsockname(s->fd, reinterpret_cast<sockaddr *>(&ss), &len))
		from_native(reinterpret_cast<sockaddr *>(&ss), *local);
	len = sizeof(ss);
	if (!getpeername(s->fd, reinterpret_cast<sockaddr *>(&ss), &len))
		from_native(reinterpret_cast<sockaddr *>(&ss), *remote);
}

// ---- pollers ----

int cfs_poller_create(cfs_node *, cfs_poller **out) noexcept
{
	int e = epoll_create1(EPOLL_CLOEXEC);
	int k = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	epoll_event ev{};
	ev.events = EPOLLIN; // level-triggered: stays until somebody has read it
	ev.data.ptr = nullptr;
	if (e < 0 || k < 0 || epoll_ctl(e, EPOLL_CTL_ADD, k, &ev)) {
		int rc = -errno;
		if (e >= 0)
			close(e);
		if (k >= 0)
			close(k);
		return rc;
	}
	*out = new cfs_poller{e, k};
	return 0;
}

void cfs_poller_destroy(cfs_poller *p) noexcept
{
	close(p->epoll);
	close(p->kick);
	delete p;
}

int cfs_poller_add(cfs_poller *p, cfs_sock *s, void *ctx) noexcept
{
	epoll_event ev{};
	ev.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
	ev.data.ptr = ctx;
	return epoll_ctl(p->epoll, EPOLL_CTL_ADD, s->fd, &ev) ? -errno : 0;
}

void cfs_poller_remove(cfs_poller *p, cfs_sock *s) noexcept
{
	epoll_ctl(p->epoll, EPOLL_CTL_DEL, s->fd, nullptr);
}

int cfs_poller_wait(cfs_poller *p, cfs_poll_event *out, unsigned max, uint64_t deadline_ns) noexcept
{
	epoll_event ev[64];
	int n = epoll_wait(p->epoll, ev, static_cast<int>(max < 64 ? max : 64), until(deadline_ns));
	int used = 0;
	for (int i = 0; i < n; i++) {
		if (!ev[i].data.ptr) {
			uint64_t v;
			if (read(p->kick, &v, sizeof(v)) < 0)
				continue; // another thread took it
			continue;
		}
		uint32_t e = 0;
		if (ev[i].events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
			e |= CFS_POLL_IN;
		if (ev[i].events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
			e |= CFS_POLL_OUT;
		if (ev[i].events & (EPOLLHUP | EPOLLERR))
			e |= CFS_POLL_ERR;
		out[used++] = {ev[i].data.ptr, e};
	}
	return used;
}

void cfs_poller_kick(cfs_poller *p) noexcept
{
	uint64_t one = 1;
	if (write(p->kick, &one, sizeof(one)) < 0)
		return; // it is kicked already
}

} // extern "C"
