// SPDX-License-Identifier: GPL-2.0
//
// cfs_selftest.ko: the self-tests (libcfs/selftest/) inside a kernel. Not for production machines.
//
// It runs them as it loads, and does not load when one fails: each once as it is, and again with
// each place in it that allocates failing once, when it has to end with -ENOMEM. After every run
// memory must be what it was before. /sys/kernel/debug/cfs_selftest/run has the results of the last
// run, and runs those whose name contains what is written to it.
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/string.h>

#include "../../linux/glue.h"
#include "../../linux/node.h"
#include "../run.h"
#include "libcfs/plat/core.h"
#include "libcfs/plat/lock.h"
#include "libcfs/plat/mem.h"
#include "selftest.h"

#define RESULTS_BYTES (16 << 10)
#define COMPLAINT_BYTES 256

static bool run = true;
module_param(run, bool, 0444);
MODULE_PARM_DESC(run, "run all tests at load, and fail to load when one fails");

static unsigned int percent = 10;
module_param(percent, uint, 0644);
MODULE_PARM_DESC(percent, "iterations of each test; emulated machines run a tenth of them");

static struct cfs_pdir *dir;
static struct cfs_pfile *warn_file, *run_file;

/* ---- one test ---- */

/* What is allocated, but for messages in the log. */
static s64 objects_held(void)
{
	struct cfs_mem_usage u;
	s64 sum = 0;
	int s;

	cfs_log_clear();
	for (s = 0; s < CFS_S_COUNT; s++) {
		cfs_mem_usage(s, &u);
		sum += u.objects;
	}
	return sum;
}

/* Keeps what a test complains of until it is known whether it should. */
static void complain(void *ctx, const char *line, size_t n)
{
	strscpy(ctx, line, min_t(size_t, n + 1, COMPLAINT_BYTES));
}

/* Whether a run went as it has to: 0, or -ENOMEM if an allocation of it was refused. */
static bool run_once(struct cfs_node *node, unsigned int test, bool with_faults, bool *refused)
{
	char complaint[COMPLAINT_BYTES] = "";
	s64 before = objects_held(), left;
	int rc;

	if (with_faults)
		cfs_selftest_faults_arm();
	rc = cfs_selftest_run_one(node, test, with_faults ? 1 : percent, complain, complaint);
	*refused = with_faults && cfs_selftest_faults_disarm();
	left = objects_held() - before;
	if (left) {
		cfs_rcu_barrier();
		left = objects_held() - before;
	}
	if (rc != (*refused ? -ENOMEM : 0))
		pr_info("cfs_selftest: %d, %s refused memory: %s\n", rc,
			*refused ? "a place" : "nothing", complaint);
	else if (left)
		pr_info("cfs_selftest: %lld objects of memory are left\n", left);
	else
		return true;
	return false;
}

static bool run_test(struct cfs_node *node, unsigned int test, unsigned int *places)
{
	bool refused, ok = run_once(node, test, false, &refused);

	*places = 0;
	cfs_selftest_faults_forget();
	while (ok) {
		ok = run_once(node, test, true, &refused);
		if (!refused)
			break;
		++*places;
	}
	return ok;
}

/* ---- all of them ---- */

static DEFINE_MUTEX(run_lock);
static char results[RESULTS_BYTES]; /* by run_lock, with the next one */
static size_t results_used;

__printf(1, 2) static void report(const char *format, ...)
{
	va_list args;
	char line[160];
	int n;

	va_start(args, format);
	n = vscnprintf(line, sizeof(line), format, args);
	va_end(args);
	pr_info("cfs_selftest: %s", line);
	n = min_t(size_t, n, sizeof(results) - results_used);
	memcpy(results + results_used, line, n);
	results_used += n;
}

static int run_tests(const char *filter)
{
	struct cfs_node *node = cfs_node_for_net(&init_net);
	unsigned int i, places, passed = 0, failed = 0;
	char name[64];
	u64 start;
	bool ok;

	mutex_lock(&run_lock);
	results_used = 0;
	cfs_selftest_faults_start();
	for (i = 0; i < cfs_selftest_count(); i++) {
		cfs_selftest_name(i, name, sizeof(name));
		if (!strstr(name, filter))
			continue;
		start = ktime_get_ns();
		ok = run_test(node, i, &places);
		ok ? passed++ : failed++;
		report("%s %s, %u places refused memory, %llu ms\n", ok ? "ok" : "FAIL", name,
		       places, div_u64(ktime_get_ns() - start, NSEC_PER_MSEC));
	}
	cfs_selftest_faults_stop();
	report("%u passed, %u failed\n", passed, failed);
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
