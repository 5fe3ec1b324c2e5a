// SPDX-License-Identifier: GPL-2.0
//
// cfs_selftest.ko: the tests of the platform layer, inside a kernel. Not for production machines.
//
// It runs them as it loads, and does not load when one fails. /sys/kernel/debug/cfs_selftest/run
// has the results of the last run, and runs those whose name contains what is written to it.
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/string.h>

#include "../../linux/glue.h"
#include "../../linux/node.h"
#if __has_include("../run.h")
#include "../run.h"
#define HAVE_PORTABLE_TESTS
#endif
#include "boundary.h"
#include "libcfs/plat/mem.h"
#include "selftest.h"

#define RESULTS_BYTES (16 << 10)

static bool run = true;
module_param(run, bool, 0444);
MODULE_PARM_DESC(run, "run all tests at load, and fail to load when one fails");

static struct cfs_pdir *dir;
static struct cfs_pfile *warn_file, *run_file;

/* ---- the tests ---- */

static DEFINE_MUTEX(run_lock);
static char results[RESULTS_BYTES]; /* by run_lock, with the next two */
static size_t results_used;
static unsigned int tests;

void cfs_boundary_fail_alloc(long n)
{
	cfs_mem_fail_after(n);
}

bool cfs_boundary_alloc_failed(void)
{
	return cfs_mem_has_failed();
}

static void report(void *ctx, const struct cfs_boundary_result *r)
{
	char line[160];
	int n;

	if (r->failure)
		n = scnprintf(line, sizeof(line), "FAIL %s: %s (%d), out-of-memory run %u\n",
			      r->name, r->failure, r->line, r->oom_runs);
	else
		n = scnprintf(line, sizeof(line), "ok %s, %u out-of-memory runs\n", r->name,
			      r->oom_runs);
	pr_info("cfs_selftest: %s", line);
	n = min_t(size_t, n, sizeof(results) - results_used);
	memcpy(results + results_used, line, n);
	results_used += n;
	tests++;
}

#ifdef HAVE_PORTABLE_TESTS
/* Emulated machines run a tenth of the iterations. */
#define PERCENT 10
#define OOM_RUNS_MAX 1000

static void complain(void *ctx, const char *line, size_t n)
{
	pr_info("cfs_selftest: %.*s\n", (int)n, line);
}

/* Once as it is, then with each allocation failing in turn. */
static bool portable_test(struct cfs_node *node, unsigned int test, unsigned int *oom_runs)
{
	bool refused = true;
	int rc = cfs_selftest_run_one(node, test, PERCENT, complain, NULL);

	*oom_runs = 0;
	while (rc == 0 && refused && *oom_runs < OOM_RUNS_MAX) {
		cfs_mem_fail_after(++*oom_runs);
		rc = cfs_selftest_run_one(node, test, 1, complain, NULL);
		refused = cfs_mem_has_failed();
		cfs_mem_fail_after(0);
		if (refused && rc == -ENOMEM)
			rc = 0;
	}
	return rc == 0 && *oom_runs < OOM_RUNS_MAX;
}

static unsigned int portable_tests(struct cfs_node *node, const char *filter)
{
	struct cfs_boundary_result r = {};
	unsigned int i, failed = 0;
	char name[64];

	for (i = 0; i < cfs_selftest_count(); i++) {
		cfs_selftest_name(i, name, sizeof(name));
		if (!strstr(name, filter))
			continue;
		r.name = name;
		r.failure = portable_test(node, i, &r.oom_runs) ? NULL : "see above";
		failed += r.failure != NULL;
		report(NULL, &r);
	}
	return failed;
}
#else
static unsigned int portable_tests(struct cfs_node *node, const char *filter)
{
	return 0;
}
#endif

static int run_tests(const char *filter)
{
	struct cfs_node *node = cfs_node_for_net(&init_net);
	unsigned int failed;

	mutex_lock(&run_lock);
	results_used = 0;
	tests = 0;
	failed = cfs_boundary_run(node, filter, report, NULL);
	failed += portable_tests(node, filter);
	pr_info("cfs_selftest: %u passed, %u failed\n", tests - failed, failed);
	if (results_used < sizeof(results))
		results_used += scnprintf(results + results_used, sizeof(results) - results_used,
					  "%u passed, %u failed\n", tests - failed, failed);
	mutex_unlock(&run_lock);
	cfs_node_put(node);
	return failed ? -EIO : 0;
}

static int run_show(void *ctx, struct cfs_psink *s)
{
	mutex_lock(&run_lock);
	cfs_psink_write(s, results, results_used);
	mutex_unlock(&run_lock);
	return 0;
}

static int run_store(void *ctx, const char *text, size_t n)
{
	char filter[64];

	if (n >= sizeof(filter))
		return -EINVAL;
	strscpy(filter, text, sizeof(filter));
	return run_tests(strim(filter));
}

static const struct cfs_pfile_ops run_ops = {run_show, run_store};

/* ---- the warning ---- */

unsigned int cfs_selftest_warn_here(unsigned int v)
{
	WARN(1, "cfs_selftest: a warning on purpose\n");
	return v;
}

static int warn_store(void *ctx, const char *text, size_t n)
{
	unsigned int frames;
	int rc = kstrtouint(text, 0, &frames);

	if (!rc)
		cfs_selftest_warn(frames);
	return rc;
}

static const struct cfs_pfile_ops warn_ops = {.store = warn_store};

static int __init selftest_init(void)
{
	int rc = cfs_pdir_root(NULL, CFS_PTREE_DEBUGFS, "cfs_selftest", &dir);

	if (rc)
		return rc;
	rc = cfs_pfile_add(dir, "warn", 0200, &warn_ops, NULL, &warn_file);
	if (rc)
		goto folder;
	rc = cfs_pfile_add(dir, "run", 0600, &run_ops, NULL, &run_file);
	if (rc)
		goto warn;
	rc = cfs_selftest_params_start();
	if (rc)
		goto file;
	if (run)
		rc = run_tests("");
	if (rc == 0)
		return 0;
	cfs_selftest_params_stop();
file:
	cfs_pfile_del(run_file);
warn:
	cfs_pfile_del(warn_file);
folder:
	cfs_pdir_del(dir);
	return rc;
}

static void __exit selftest_exit(void)
{
	cfs_selftest_params_stop();
	cfs_pfile_del(run_file);
	cfs_pfile_del(warn_file);
	cfs_pdir_del(dir);
}

module_init(selftest_init);
module_exit(selftest_exit);

MODULE_DESCRIPTION("Tests of the Lustre platform layer");
MODULE_LICENSE("GPL");
