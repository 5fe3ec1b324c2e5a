// SPDX-License-Identifier: GPL-2.0
//
// Network interfaces for lnet/plat_socket.h: the machine's, or what a test says.

#include "lnet/socklnd/host/netif.hpp"

#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>

struct cfs_netif_watch {
	void (*changed)(void *ctx);
	void *ctx;
};

namespace
{

struct Pretence {
	std::mutex lock;
	std::optional<std::vector<cfs_netif>> list;
	std::vector<cfs_netif_watch *> watches;
};

Pretence &pretence()
{
	static Pretence p;
	return p;
}

/// In Mbit/s, 0 when the system does not know.
uint32_t link_speed(const char *name)
{
	std::string path = std::string("/sys/class/net/") + name + "/speed";
	int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	char buf[32];
	ssize_t n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	buf[n] = 0;
	long v = std::strtol(buf, nullptr, 10);
	return v > 0 ? static_cast<uint32_t>(v) : 0;
}

/// False when it is no address of IP.
bool read_address(const ifaddrs &i, cfs_sockaddr &out)
{
	int family = i.ifa_addr ? i.ifa_addr->sa_family : AF_UNSPEC;
	if (family == AF_INET) {
		const auto *a = reinterpret_cast<const sockaddr_in *>(i.ifa_addr);
		out.length = 4;
		std::memcpy(out.bytes, &a->sin_addr, out.length);
	} else if (family == AF_INET6) {
		const auto *a = reinterpret_cast<const sockaddr_in6 *>(i.ifa_addr);
		out.length = 16;
		std::memcpy(out.bytes, &a->sin6_addr, out.length);
		out.ifindex = IN6_IS_ADDR_LINKLOCAL(&a->sin6_addr) ? a->sin6_scope_id : 0;
	}
	return out.length != 0;
}

std::vector<cfs_netif> of_the_machine(const ifaddrs *list)
{
	std::vector<cfs_netif> out;
	for (const ifaddrs *i = list; i; i = i->ifa_next) {
		cfs_netif o{};
		if (!read_address(*i, o.addr))
			continue;
		std::strncpy(o.name, i->ifa_name, sizeof(o.name) - 1);
		o.ifindex = if_nametoindex(i->ifa_name);
		o.up = (i->ifa_flags & IFF_UP) != 0;
		o.link = (i->ifa_flags & IFF_RUNNING) != 0;
		o.loopback = (i->ifa_flags & IFF_LOOPBACK) != 0;
		o.speed_mbps = link_speed(i->ifa_name);
		out.push_back(o);
	}
	return out;
}

} // namespace

void lnet::sock::host::pretend_netifs(std::optional<std::vector<cfs_netif>> list)
{
	Pretence &p = pretence();
	std::lock_guard g(p.lock);
	p.list = std::move(list);
	for (const cfs_netif_watch *w : p.watches)
		w->changed(w->ctx);
}

extern "C" {

int cfs_netif_list(cfs_node *, cfs_netif *out, unsigned max) noexcept
{
	std::vector<cfs_netif> all;
	Pretence &p = pretence();
	std::unique_lock g(p.lock);
	if (p.list) {
		all = *p.list;
	} else {
		ifaddrs *list = nullptr;
		if (getifaddrs(&list))
			return -errno;
		all = of_the_machine(list);
		freeifaddrs(list);
	}
	auto n = std::min<std::size_t>(all.size(), max);
	std::copy_n(all.begin(), n, out);
	return static_cast<int>(n);
}

int cfs_netif_watch_start(cfs_node *, void (*changed)(void *), void *ctx,
			  cfs_netif_watch **out) noexcept
{
	Pretence &p = pretence();
	std::lock_guard g(p.lock);
	*out = new cfs_netif_watch{changed, ctx};
	p.watches.push_back(*out);
	return 0;
}

void cfs_netif_watch_stop(cfs_netif_watch *w) noexcept
{
	Pretence &p = pretence();
	std::lock_guard g(p.lock);
	std::erase(p.watches, w);
	delete w;
}

} // extern "C"
