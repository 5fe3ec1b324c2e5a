// SPDX-License-Identifier: GPL-2.0
//
// The generic netlink family "lnet" (spec 01 section 16.3): hands requests of each network
// namespace to the core (lnet/plat_netlink.h) and its answers back. Nothing here knows what is in
// them.
#include <linux/module.h>
#include <linux/netlink.h>
#include <net/genetlink.h>
#include <net/net_namespace.h>
#include <net/sock.h>

#include "../../libcfs/linux/node.h"
#include "control.h"
#include "lnet/plat_netlink.h"

enum { COMMAND_LAST = 15, FAMILY_VERSION = 5, ATTRIBUTES = 7 };

static struct genl_family family;

static void fill(struct lnet_nl_request *r, const struct nlmsghdr *nlh, struct cfs_node *node)
{
	const struct genlmsghdr *g = nlmsg_data(nlh);

	r->node = node;
	r->attrs = genlmsg_data(g);
	r->length = genlmsg_len(g) > 0 ? genlmsg_len(g) : 0;
	r->flags = nlh->nlmsg_flags;
	r->command = g->cmd;
	r->version = g->version;
}

static void complain(struct netlink_ext_ack *ack, const char *message)
{
	if (ack && message)
		ack->_msg = message;
}

static int doit(struct sk_buff *skb, struct genl_info *info)
{
	struct cfs_node *node = cfs_node_for_net(genl_info_net(info));
	struct lnet_nl_request r;
	const char *message = NULL;
	int rc;

	fill(&r, info->nlhdr, node);
	rc = lnet_nl_do(&r, &message);
	complain(info->extack, message);
	cfs_node_put(node);
	return rc;
}

/* A dump holds its node: in the callback's context are both. */
enum { ARG_DUMP, ARG_NODE };

static int start(struct netlink_callback *cb)
{
	struct cfs_node *node = cfs_node_for_net(sock_net(cb->skb->sk));
	struct lnet_nl_dump *dump = NULL;
	struct lnet_nl_request r;
	const char *message = NULL;
	int rc;

	fill(&r, cb->nlh, node);
	rc = lnet_nl_dump_open(&r, &dump, &message);
	complain(cb->extack, message);
	if (rc) {
		cfs_node_put(node);
		return rc;
	}
	cb->args[ARG_DUMP] = (long)dump;
	cb->args[ARG_NODE] = (long)node;
	cb->min_dump_alloc = LNET_NL_MESSAGE_MAX + NLMSG_HDRLEN + GENL_HDRLEN;
	return 0;
}

/* 1: sent; 0: no room left. */
static int put(struct sk_buff *skb, struct netlink_callback *cb, const void *attrs, size_t length,
	       uint16_t flags)
{
	const struct genlmsghdr *g = nlmsg_data(cb->nlh);
	void *header = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq, &family,
				   NLM_F_MULTI | flags, g->cmd);

	if (!header)
		return 0;
	if (nla_append(skb, length, attrs)) {
		genlmsg_cancel(skb, header);
		return 0;
	}
	genlmsg_end(skb, header);
	return 1;
}

static int dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct lnet_nl_dump *dump = (struct lnet_nl_dump *)cb->args[ARG_DUMP];
	const void *attrs;
	size_t length;
	uint16_t flags;
	int rc;

	for (;;) {
		rc = lnet_nl_dump_peek(dump, &attrs, &length, &flags);
		if (rc <= 0)
			return rc < 0 ? rc : skb->len;
		if (!put(skb, cb, attrs, length, flags))
			return skb->len ? skb->len : -EMSGSIZE;
		lnet_nl_dump_step(dump);
	}
}

static int done(struct netlink_callback *cb)
{
	struct cfs_node *node = (struct cfs_node *)cb->args[ARG_NODE];

	if (!node)
		return 0; /* it was never opened */
	lnet_nl_dump_close((struct lnet_nl_dump *)cb->args[ARG_DUMP]);
	cfs_node_put(node);
	return 0;
}

/* The form of requests is checked by the core, strictly; the kernel's own check would want to know
 * each nesting. */
#define NOT_HERE (GENL_DONT_VALIDATE_STRICT | GENL_DONT_VALIDATE_DUMP)
#define COMMAND(number, ...) {.cmd = number, .validate = NOT_HERE, __VA_ARGS__}
#define DO .doit = doit
#define SHOW .start = start, .dumpit = dumpit, .done = done
#define ADMIN .flags = GENL_ADMIN_PERM

static const struct genl_ops ops[] = {
	COMMAND(1, DO, ADMIN),	      /* CONFIGURE */
	COMMAND(2, DO, SHOW, ADMIN),  /* NETS */
	COMMAND(3, DO, SHOW, ADMIN),  /* PEERS */
	COMMAND(4, DO, SHOW, ADMIN),  /* ROUTES */
	COMMAND(6, SHOW, ADMIN),      /* PING */
	COMMAND(7, SHOW),	      /* CPT_OF_NID */
	COMMAND(8, SHOW),	      /* PEER_DIST */
	COMMAND(10, DO, ADMIN),	      /* PEER_FAIL */
	COMMAND(11, SHOW, ADMIN),     /* DBG_RECOV */
	COMMAND(12, DO, SHOW, ADMIN), /* FAULT */
	COMMAND(13, DO, SHOW, ADMIN), /* ROUTING */
	COMMAND(14, DO, SHOW, ADMIN), /* BUFFERS */
	COMMAND(15, DO, SHOW, ADMIN), /* NUMA */
};

static const struct nla_policy policy[ATTRIBUTES + 1];

static const struct genl_multicast_group groups[] = {
	{.name = "ip2net"}, {.name = "net"},	  {.name = "peer"},	  {.name = "route"},
	{.name = "ping"},   {.name = "discover"}, {.name = "cpt-of-nid"}, {.name = "dbg-recov"},
	{.name = "fault"},  {.name = "routing"},  {.name = "buffers"},	  {.name = "numa"},
};

static struct genl_family family = {
	.name = "lnet",
	.version = FAMILY_VERSION,
	.maxattr = ATTRIBUTES,
	.policy = policy,
	.module = THIS_MODULE,
	.netnsok = true,
	.parallel_ops = true, /* a ping takes its time; the core locks what it must */
	.ops = ops,
	.n_ops = ARRAY_SIZE(ops),
	.mcgrps = groups,
	.n_mcgrps = ARRAY_SIZE(groups),
	.resv_start_op = COMMAND_LAST + 1,
};

int lnet_netlink_start(void)
{
	return genl_register_family(&family);
}

void lnet_netlink_stop(void)
{
	genl_unregister_family(&family);
}
