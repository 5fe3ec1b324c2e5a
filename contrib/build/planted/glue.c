// SPDX-License-Identifier: GPL-2.0
//
// The glue of every planted module: just enough platform for it to link.
#include <linux/bug.h>
#include <linux/module.h>

int planted_run(int n);
void cfs_bug(const char *file, int line, const char *func, const char *what);

void cfs_bug(const char *file, int line, const char *func, const char *what)
{
	pr_emerg("%s:%d: %s: %s\n", file, line, func, what);
	BUG();
}

static int __init planted_init(void)
{
	return planted_run(3) ? 0 : -EINVAL;
}
module_init(planted_init);

MODULE_LICENSE("GPL");
