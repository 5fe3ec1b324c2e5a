// SPDX-License-Identifier: GPL-2.0
//
// Addresses of a node's network interfaces, for lnet/plat_socket.h.
#include <linux/ethtool.h>
#include <linux/inetdevice.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <net/addrconf.h>
#include <net/if_inet6.h>
#include <net/net_namespace.h>

#include "../../../libcfs/linux/node.h"
#include "lnet/plat_socket.h"

struct list {
	struct cfs_netif *out;
	unsigned int max;
	unsigned int n;
};

static u32 speed_of(struct net_device *dev)
{
	struct ethtool_link_ksettings ks;

	if (__ethtool_get_link_ksettings(dev, &ks) || ks.base.speed == (u32)SPEED_UNKNOWN)
		return 0;
	return ks.base.speed;
}

/* Sending by reference saves nothing where the kernel has to read every byte for the checksum, or
 * to put a packet together. */
static bool sends_by_reference(const struct net_device *dev)
{
	return dev->features & NETIF_F_SG && dev->features & NETIF_F_CSUM_MASK;
}

static void add(struct list *l, struct net_device *dev, const void *address, unsigned int length,
		bool link_local)
{
	struct cfs_netif *i;

	if (l->n == l->max)
		return;
	i = &l->out[l->n++];
	memset(i, 0, sizeof(*i));
	strscpy(i->name, dev->name, sizeof(i->name));
	memcpy(i->addr.bytes, address, length);
	i->addr.length = length;
	i->addr.ifindex = link_local ? dev->ifindex : 0;
	i->ifindex = dev->ifindex;
	i->mtu = dev->mtu;
	i->speed_mbps = speed_of(dev);
	i->up = !!(dev->flags & IFF_UP);
	i->loopback = !!(dev->flags & IFF_LOOPBACK);
	i->zerocopy = sends_by_reference(dev);
}

static void add_ipv4(struct list *l, struct net_device *dev)
{
	struct in_device *in = __in_dev_get_rtnl(dev);
	const struct in_ifaddr *a;

	if (!in)
		return;
	in_dev_for_each_ifa_rtnl(a, in) add(l, dev, &a->ifa_local, 4, false);
}

#if IS_ENABLED(CONFIG_IPV6)
/* Addresses change with the RTNL held, which the caller has, or with this lock alone (expiry). */
#define V6_MAX 16

static void add_ipv6(struct list *l, struct net_device *dev)
{
	struct in6_addr found[V6_MAX];
	struct inet6_ifaddr *a;
	struct inet6_dev *in = __in6_dev_get(dev);
	unsigned int n = 0, i;

	if (!in)
		return;
	read_lock_bh(&in->lock);
	list_for_each_entry(a, &in->addr_list,
			    if_list) if (n < V6_MAX && !(a->flags & IFA_F_TENTATIVE)) found[n++] =
		a->addr;
	read_unlock_bh(&in->lock);
	for (i = 0; i < n; i++)
		add(l, dev, &found[i], 16, ipv6_addr_type(&found[i]) & IPV6_ADDR_LINKLOCAL);
}
#else
static void add_ipv6(struct list *l, struct net_device *dev) {}
#endif

int cfs_netif_list(struct cfs_node *node, struct cfs_netif *out, unsigned int max)
{
	struct list l = {.out = out, .max = max};
	struct net_device *dev;

	rtnl_lock();
	for_each_netdev(cfs_node_net(node), dev)
	{
		add_ipv4(&l, dev);
		add_ipv6(&l, dev);
	}
	rtnl_unlock();
	return l.n;
}

/* Nobody asks for it yet. */
int cfs_netif_watch_start(struct cfs_node *node, void (*changed)(void *ctx), void *ctx,
			  struct cfs_netif_watch **out)
{
	return -EOPNOTSUPP;
}

void cfs_netif_watch_stop(struct cfs_netif_watch *w) {}
