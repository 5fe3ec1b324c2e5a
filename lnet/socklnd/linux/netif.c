// SPDX-License-Identifier: GPL-2.0
//
// Addresses of a node's network interfaces, and news of them, for lnet/plat_socket.h.
#include <linux/ethtool.h>
#include <linux/inetdevice.h>
#include <linux/netdevice.h>
#include <linux/notifier.h>
#include <linux/rtnetlink.h>
#include <linux/workqueue.h>
#include <net/addrconf.h>
#include <net/if_inet6.h>
#include <net/net_namespace.h>

#include "../../../libcfs/linux/node.h"
#include "libcfs/plat/mem.h"
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
	i->link = netif_carrier_ok(dev);
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

/* ---- news ---- */

/* Those who tell us hold the RTNL, or may not sleep; a work item asks what has changed. */
struct cfs_netif_watch {
	struct net *net;
	void (*changed)(void *ctx);
	void *ctx;
	struct work_struct work;
	struct notifier_block dev;
	struct notifier_block ipv4;
	struct notifier_block ipv6;
};

static void tell(struct work_struct *work)
{
	struct cfs_netif_watch *w = container_of(work, struct cfs_netif_watch, work);

	w->changed(w->ctx);
}

static int note(struct cfs_netif_watch *w, const struct net_device *dev)
{
	if (net_eq(dev_net(dev), w->net))
		schedule_work(&w->work);
	return NOTIFY_DONE;
}

static int dev_event(struct notifier_block *b, unsigned long event, void *info)
{
	return note(container_of(b, struct cfs_netif_watch, dev),
		    netdev_notifier_info_to_dev(info));
}

static int ipv4_event(struct notifier_block *b, unsigned long event, void *address)
{
	const struct in_ifaddr *a = address;

	return note(container_of(b, struct cfs_netif_watch, ipv4), a->ifa_dev->dev);
}

#if IS_ENABLED(CONFIG_IPV6)
static int ipv6_event(struct notifier_block *b, unsigned long event, void *address)
{
	const struct inet6_ifaddr *a = address;

	return note(container_of(b, struct cfs_netif_watch, ipv6), a->idev->dev);
}

static int watch_ipv6(struct cfs_netif_watch *w)
{
	w->ipv6.notifier_call = ipv6_event;
	return register_inet6addr_notifier(&w->ipv6);
}

static void unwatch_ipv6(struct cfs_netif_watch *w)
{
	unregister_inet6addr_notifier(&w->ipv6);
}
#else
static int watch_ipv6(struct cfs_netif_watch *w)
{
	return 0;
}
static void unwatch_ipv6(struct cfs_netif_watch *w) {}
#endif

static int watch(struct cfs_netif_watch *w)
{
	int rc;

	w->dev.notifier_call = dev_event;
	rc = register_netdevice_notifier(&w->dev);
	if (rc)
		return rc;
	w->ipv4.notifier_call = ipv4_event;
	rc = register_inetaddr_notifier(&w->ipv4);
	if (rc)
		goto no_ipv4;
	rc = watch_ipv6(w);
	if (!rc)
		return 0;
	unregister_inetaddr_notifier(&w->ipv4);
no_ipv4:
	unregister_netdevice_notifier(&w->dev);
	return rc;
}

static void free_watch(struct cfs_netif_watch *w)
{
	cancel_work_sync(&w->work);
	cfs_free(CFS_S_LND, w, sizeof(*w));
}

int cfs_netif_watch_start(struct cfs_node *node, void (*changed)(void *ctx), void *ctx,
			  struct cfs_netif_watch **out)
{
	struct cfs_netif_watch *w = cfs_alloc(CFS_S_LND, sizeof(*w), CFS_ALLOC_ZERO);
	int rc;

	if (!w)
		return -ENOMEM;
	w->net = cfs_node_net(node);
	w->changed = changed;
	w->ctx = ctx;
	INIT_WORK(&w->work, tell);
	rc = watch(w);
	if (rc)
		free_watch(w);
	else
		*out = w;
	return rc;
}

void cfs_netif_watch_stop(struct cfs_netif_watch *w)
{
	unwatch_ipv6(w);
	unregister_inetaddr_notifier(&w->ipv4);
	unregister_netdevice_notifier(&w->dev);
	free_watch(w);
}
