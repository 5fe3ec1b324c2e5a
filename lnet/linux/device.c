// SPDX-License-Identifier: GPL-2.0
//
// /dev/lnet (spec 01 section 16.2): checks the caller and the frame of a request, copies it in and
// its answer out. What it asks for is the core's matter.
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/ioctl.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/nsproxy.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <net/net_namespace.h>

#include "../../libcfs/linux/node.h"
#include "control.h"
#include "lnet/plat_netlink.h"

enum { IOCTL_TYPE = 'e' };

/* What every argument begins with. */
struct header {
	u32 length;
	u32 version;
};

static long run(unsigned int number, void __user *argument, size_t length)
{
	struct cfs_node *node;
	void *buffer = vmemdup_user(argument, length);
	long rc;

	if (IS_ERR(buffer))
		return PTR_ERR(buffer);
	/* The length has been read twice; only the first counts. */
	((struct header *)buffer)->length = length;
	node = cfs_node_for_net(current->nsproxy->net_ns);
	rc = lnet_ioctl(node, number, buffer, length);
	cfs_node_put(node);
	if (!rc && copy_to_user(argument, buffer, length))
		rc = -EFAULT;
	kvfree(buffer);
	return rc;
}

static long device_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
	struct header h;

	if (!capable(CAP_SYS_ADMIN))
		return -EACCES;
	if (_IOC_TYPE(command) != IOCTL_TYPE)
		return -ENOTTY;
	if (copy_from_user(&h, (void __user *)argument, sizeof(h)))
		return -EFAULT;
	if (h.length < sizeof(h) || h.length > LNET_IOCTL_MAX)
		return -EINVAL;
	return run(_IOC_NR(command), (void __user *)argument, h.length);
}

static const struct file_operations device_ops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = device_ioctl,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "lnet",
	.fops = &device_ops,
	.mode = 0600,
};

int lnet_device_start(void)
{
	return misc_register(&device);
}

void lnet_device_stop(void)
{
	misc_deregister(&device);
}
