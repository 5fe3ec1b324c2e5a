// SPDX-License-Identifier: GPL-2.0
// Probe: HAVE_MSG_SPLICE_PAGES
// Differs: sendmsg() takes pages without a copy (MSG_SPLICE_PAGES); before, sendpage() did.
// Absent: implicit declaration of function .skb_splice_from_iter
//
// The flag alone says nothing: stable updates of older kernels define it and copy the pages.
#include <linux/skbuff.h>

long probe(struct sk_buff *skb, struct iov_iter *iter);
long probe(struct sk_buff *skb, struct iov_iter *iter)
{
	return skb_splice_from_iter(skb, iter, 1, GFP_KERNEL) + MSG_SPLICE_PAGES;
}
