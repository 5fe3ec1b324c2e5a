// SPDX-License-Identifier: GPL-2.0
//
// What tests/vm/libcfs-params looks at from user space. A slab cache "cfs selftest", with the name
// that the kernel shows; and parameter files in sysfs and in debugfs:
//
//	value	read and written back, at most 15 characters
//	poke	write only
//	fails	errors of show and store reach the reader and the writer
//	large	(debugfs) a text that no page holds
//	toobig	(sysfs) likewise: an error, not a cut text
//	dir/value
//	churn	(debugfs) a number: adds and removes `dir` with its file so often, while others read
//
// Nodes other than the first get the same tree when a process of theirs writes to `join` (debugfs
// of the first node), and lose it at `leave`.
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "../../linux/node.h"
#include "libcfs/plat/mem.h"
#include "libcfs/plat/thread.h"
#include "selftest.h"

#define NAME "cfs_selftest"
#define FILES_MAX 8
#define LARGE_LINES 20000

struct tree {
	enum cfs_ptree kind;
	struct cfs_pdir *root;
	struct cfs_pdir *dir;
	struct cfs_pfile *dir_file;
	struct cfs_pfile *files[FILES_MAX];
	unsigned int count;
	struct mutex lock; /* of value */
	char value[16];
};

struct trees {
	struct cfs_node *node;
	struct tree tree[CFS_PTREE_COUNT];
};

static struct cfs_cache *cache;
static struct trees *first, *second;
static DEFINE_MUTEX(second_lock);

/* ---- the files ---- */

static int value_show(void *ctx, struct cfs_psink *s)
{
	struct tree *t = ctx;

	mutex_lock(&t->lock);
	cfs_psink_write(s, t->value, strlen(t->value));
	mutex_unlock(&t->lock);
	cfs_psink_write(s, "\n", 1);
	return 0;
}

static int value_store(void *ctx, const char *text, size_t n)
{
	struct tree *t = ctx;

	if (n && text[n - 1] == '\n')
		n--;
	if (n >= sizeof(t->value))
		return -EINVAL;
	mutex_lock(&t->lock);
	memcpy(t->value, text, n);
	t->value[n] = '\0';
	mutex_unlock(&t->lock);
	return 0;
}

static int fails_show(void *ctx, struct cfs_psink *s)
{
	cfs_psink_write(s, "never seen\n", 11);
	return -ENODEV;
}

static int fails_store(void *ctx, const char *text, size_t n)
{
	return -ERANGE;
}

static int large_show(void *ctx, struct cfs_psink *s)
{
	char line[32];
	int i;

	for (i = 0; i < LARGE_LINES; i++)
		cfs_psink_write(s, line, scnprintf(line, sizeof(line), "line %d\n", i));
	return 0;
}

static const struct cfs_pfile_ops value_ops = {value_show, value_store};
static const struct cfs_pfile_ops poke_ops = {NULL, value_store};
static const struct cfs_pfile_ops fails_ops = {fails_show, fails_store};
static const struct cfs_pfile_ops large_ops = {large_show, NULL};

static int add_dir(struct tree *t)
{
	int rc = cfs_pdir_add(t->root, "dir", &t->dir);

	if (rc)
		return rc;
	rc = cfs_pfile_add(t->dir, "value", 0644, &value_ops, t, &t->dir_file);
	if (rc) {
		cfs_pdir_del(t->dir);
		t->dir = NULL;
	}
	return rc;
}

static void del_dir(struct tree *t)
{
	cfs_pfile_del(t->dir_file);
	cfs_pdir_del(t->dir);
	t->dir = NULL;
}

static int churn_store(void *ctx, const char *text, size_t n)
{
	struct trees *ts = ctx;
	unsigned int rounds, i, k;
	int rc = kstrtouint(text, 0, &rounds);

	for (i = 0; !rc && i < rounds; i++) {
		for (k = 0; k < CFS_PTREE_COUNT; k++) {
			if (ts->tree[k].dir)
				del_dir(&ts->tree[k]);
			/* Readers are inside, or find nothing, now. */
			cfs_yield();
			rc = rc ?: add_dir(&ts->tree[k]);
		}
	}
	return rc;
}

static const struct cfs_pfile_ops churn_ops = {NULL, churn_store};

/* ---- trees ---- */

static int add_file(struct tree *t, const char *name, unsigned int mode,
		    const struct cfs_pfile_ops *ops, void *ctx)
{
	int rc;

	if (WARN_ON(t->count == FILES_MAX))
		return -ENOSPC;
	rc = cfs_pfile_add(t->root, name, mode, ops, ctx, &t->files[t->count]);
	if (!rc)
		t->count++;
	return rc;
}

static void tree_del(struct tree *t)
{
	if (!t->root)
		return;
	if (t->dir)
		del_dir(t);
	while (t->count)
		cfs_pfile_del(t->files[--t->count]);
	cfs_pdir_del(t->root);
	t->root = NULL;
}

static int tree_add(struct trees *ts, struct tree *t, enum cfs_ptree kind)
{
	bool sysfs = kind == CFS_PTREE_SYSFS;
	int rc = cfs_pdir_root(ts->node, kind, sysfs ? "fs/" NAME : NAME, &t->root);

	if (rc)
		return rc;
	t->kind = kind;
	mutex_init(&t->lock);
	strscpy(t->value, cfs_node_name(ts->node), sizeof(t->value));
	rc = add_file(t, "value", 0644, &value_ops, t);
	rc = rc ?: add_file(t, "poke", 0200, &poke_ops, t);
	rc = rc ?: add_file(t, "fails", 0644, &fails_ops, t);
	rc = rc ?: add_file(t, sysfs ? "toobig" : "large", 0444, &large_ops, t);
	if (!sysfs)
		rc = rc ?: add_file(t, "churn", 0200, &churn_ops, ts);
	return rc ?: add_dir(t);
}

static void trees_del(struct trees *ts)
{
	int k;

	for (k = 0; k < CFS_PTREE_COUNT; k++)
		tree_del(&ts->tree[k]);
	cfs_node_put(ts->node);
	cfs_free(CFS_S_LIBCFS, ts, sizeof(*ts));
}

/* Takes over the reference to `node`. */
static int trees_add(struct cfs_node *node, struct trees **out)
{
	struct trees *ts = cfs_alloc(CFS_S_LIBCFS, sizeof(*ts), CFS_ALLOC_ZERO);
	int k, rc = 0;

	if (!ts) {
		cfs_node_put(node);
		return -ENOMEM;
	}
	ts->node = node;
	for (k = 0; !rc && k < CFS_PTREE_COUNT; k++)
		rc = tree_add(ts, &ts->tree[k], k);
	if (rc)
		trees_del(ts);
	else
		*out = ts;
	return rc;
}

/* ---- another node ---- */

static int join_store(void *ctx, const char *text, size_t n)
{
	struct cfs_node *node = cfs_node_current();
	int rc = -EBUSY;

	mutex_lock(&second_lock);
	if (!second && node != first->node) {
		cfs_node_get(node);
		rc = trees_add(node, &second);
	}
	mutex_unlock(&second_lock);
	return rc;
}

static int leave_store(void *ctx, const char *text, size_t n)
{
	mutex_lock(&second_lock);
	if (second)
		trees_del(second);
	second = NULL;
	mutex_unlock(&second_lock);
	return 0;
}

static const struct cfs_pfile_ops join_ops = {NULL, join_store};
static const struct cfs_pfile_ops leave_ops = {NULL, leave_store};

int cfs_selftest_params_start(void)
{
	struct tree *t;
	int rc = cfs_cache_create(CFS_S_LIBCFS, "cfs selftest", 136, 8, &cache);

	if (rc)
		return rc;
	rc = trees_add(cfs_node_for_net(&init_net), &first);
	if (rc) {
		cfs_cache_destroy(cache);
		return rc;
	}
	t = &first->tree[CFS_PTREE_DEBUGFS];
	rc = add_file(t, "join", 0200, &join_ops, NULL);
	rc = rc ?: add_file(t, "leave", 0200, &leave_ops, NULL);
	if (rc)
		cfs_selftest_params_stop();
	return rc;
}

void cfs_selftest_params_stop(void)
{
	leave_store(NULL, "", 0);
	trees_del(first);
	cfs_cache_destroy(cache);
}
