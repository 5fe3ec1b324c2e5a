// SPDX-License-Identifier: GPL-2.0
//
// osd_selftest.ko: the conformance suite of object stores on an ldiskfs device, inside a kernel.
// Not for production machines. It runs as it loads, and does not load when a test fails.
#include <linux/module.h>

#include "../../../../libcfs/linux/node.h"
#include "osd/plat_driver.h"
#include "suite.h"

static char *dev;
module_param(dev, charp, 0);
MODULE_PARM_DESC(dev, "the device of a target, formatted by mkfs.lustre; what is on it changes");

static char *target = "test-MDT0000";
module_param(target, charp, 0);
MODULE_PARM_DESC(target, "the name of the target");

static char *filter = "";
module_param(filter, charp, 0);
MODULE_PARM_DESC(filter, "run tests whose name contains this");

static char *mode = "suite";
module_param(mode, charp, 0);
MODULE_PARM_DESC(mode, "suite: the conformance suite; churn: change files until the power goes; "
		       "verify: what churn left");

static unsigned int percent = 10;
module_param(percent, uint, 0);
MODULE_PARM_DESC(percent, "how much of each test");

static unsigned int oid = 1000;
module_param(oid, uint, 0);
MODULE_PARM_DESC(oid, "number of the first object that the tests make");

static int run_suite(struct cfs_node *node, const struct osd_mount *mount)
{
	unsigned int i, ran = 0, failed = 0, skipped = 0;
	char name[64], why[200];
	int rc;

	for (i = 0; i < osd_suite_count(); i++) {
		osd_suite_name(i, name, sizeof(name));
		if (!strstr(name, filter))
			continue;
		why[0] = 0;
		rc = osd_suite_run(node, mount, i, percent, &oid, why, sizeof(why));
		ran++;
		skipped += rc == -EOPNOTSUPP;
		failed += rc && rc != -EOPNOTSUPP;
		pr_info("osd_selftest: %s %s (%d) %s\n",
			rc == -EOPNOTSUPP ? "skip"
			: rc		  ? "FAIL"
					  : "ok",
			name, rc, why);
	}
	pr_info("osd_selftest: %u tests, %u failed, %u skipped\n", ran, failed, skipped);
	return failed || !ran ? -EUCLEAN : 0;
}

static int __init osd_selftest_init(void)
{
	struct osd_mount mount = {.device = dev, .svname = target, .options = "errors=remount-ro"};
	struct cfs_node *node;
	char why[200] = "";
	int rc;

	if (!dev)
		return -EINVAL;
	node = cfs_node_for_net(&init_net);
	if (!strcmp(mode, "churn")) {
		rc = osd_suite_churn(node, &mount, percent);
	} else if (!strcmp(mode, "verify")) {
		rc = osd_suite_verify(node, &mount, why, sizeof(why));
		pr_info("osd_selftest: verify: %d %s\n", rc, why);
	} else {
		rc = run_suite(node, &mount);
	}
	cfs_node_put(node);
	return rc;
}

static void __exit osd_selftest_exit(void) {}

module_init(osd_selftest_init);
module_exit(osd_selftest_exit);

MODULE_DESCRIPTION("Lustre object store tests");
MODULE_LICENSE("GPL");
