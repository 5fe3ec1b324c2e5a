// SPDX-License-Identifier: GPL-2.0
//
// Memory of the boundary (libcfs/plat/mem.h): kmalloc, kvmalloc and slab caches, each allocation
// charged to a subsystem.
//
// Counters are per CPU; a CPU folds its bytes into the subsystem's total when they pass FOLD_BYTES,
// and only then is the maximum looked at. So totals are exact when nothing runs, the maximum is
// right to within FOLD_BYTES for each CPU, and charging costs two per-CPU additions.
//
// Allocations can be made to fail on purpose: alloc_fail_after lets the n-th from now fail,
// alloc_fail_every every n-th. (On kernels with fault injection, failslab works as well.)
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "glue.h"
#include "libcfs/plat/mem.h"

#define FOLD_BYTES (64 << 10)

struct usage_cpu {
	s64 bytes;
	s64 objects;
};

struct usage {
	atomic64_t bytes; /* folded so far */
	atomic64_t bytes_max;
	atomic64_t failed;
};

struct usage_cpus {
	struct usage_cpu s[CFS_S_COUNT];
};

static struct usage_cpus __percpu *usage_cpus;
static struct usage usage[CFS_S_COUNT];

static atomic_long_t fail_after;
static unsigned long fail_every;
static atomic_long_t fail_count;
static bool (*refuser)(void);

void cfs_mem_set_refuser(bool (*refuse)(void))
{
	WRITE_ONCE(refuser, refuse);
	synchronize_rcu();
}

static bool refuser_says_no(void)
{
	bool (*refuse)(void), no;

	rcu_read_lock();
	refuse = READ_ONCE(refuser);
	no = refuse && refuse();
	rcu_read_unlock();
	return no;
}

static int fail_after_set(const char *text, const struct kernel_param *kp)
{
	long n;
	int rc = kstrtol(text, 0, &n);

	if (!rc)
		atomic_long_set(&fail_after, max(n, 0L));
	return rc;
}

static int fail_after_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%ld\n", max(atomic_long_read(&fail_after), 0L));
}

static const struct kernel_param_ops fail_after_ops = {
	.set = fail_after_set,
	.get = fail_after_get,
};
module_param_cb(alloc_fail_after, &fail_after_ops, NULL, 0644);
MODULE_PARM_DESC(alloc_fail_after, "testing: the n-th allocation from now fails (0: none does)");
module_param_named(alloc_fail_every, fail_every, ulong, 0644);
MODULE_PARM_DESC(alloc_fail_every, "testing: every n-th allocation fails (0: none does)");

/* ---- accounting ---- */

static void raise_max(atomic64_t *max, s64 now)
{
	s64 old = atomic64_read(max);

	while (now > old && !atomic64_try_cmpxchg(max, &old, now))
		;
}

static void fold(enum cfs_subsys s)
{
	s64 v = this_cpu_xchg(usage_cpus->s[s].bytes, 0);

	raise_max(&usage[s].bytes_max, atomic64_add_return(v, &usage[s].bytes));
}

void cfs_mem_charge(enum cfs_subsys s, s64 bytes, s64 objects)
{
	s64 v = this_cpu_add_return(usage_cpus->s[s].bytes, bytes);

	this_cpu_add(usage_cpus->s[s].objects, objects);
	if (unlikely(v > FOLD_BYTES || v < -FOLD_BYTES))
		fold(s);
}

void cfs_mem_failed(enum cfs_subsys s)
{
	atomic64_inc(&usage[s].failed);
}

bool cfs_mem_refuse(enum cfs_subsys s, unsigned int flags)
{
	unsigned long every = READ_ONCE(fail_every);
	bool no = false;

	if (likely(!every && atomic_long_read(&fail_after) <= 0 && !READ_ONCE(refuser)))
		return false;
	if (flags & CFS_ALLOC_NOFAULT)
		return false;
	if (atomic_long_read(&fail_after) > 0)
		no = atomic_long_dec_return(&fail_after) == 0;
	if (every)
		no |= atomic_long_inc_return(&fail_count) % every == 0;
	no = no || refuser_says_no();
	if (no)
		cfs_mem_failed(s);
	return no;
}

void cfs_mem_usage(enum cfs_subsys s, struct cfs_mem_usage *out)
{
	int cpu;

	*out = (struct cfs_mem_usage){.bytes = atomic64_read(&usage[s].bytes)};
	for_each_possible_cpu(cpu)
	{
		const struct usage_cpu *u = &per_cpu_ptr(usage_cpus, cpu)->s[s];

		out->bytes += READ_ONCE(u->bytes);
		out->objects += READ_ONCE(u->objects);
	}
	raise_max(&usage[s].bytes_max, out->bytes);
	out->bytes_max = atomic64_read(&usage[s].bytes_max);
	out->failed = atomic64_read(&usage[s].failed);
}

uint64_t cfs_mem_total(void)
{
	return (u64)totalram_pages() << PAGE_SHIFT;
}

/* ---- plain memory ---- */

gfp_t cfs_gfp(unsigned int flags)
{
	/* Atomic allocations are expected to fail now and then: no report on the console. */
	gfp_t gfp = flags & CFS_ALLOC_ATOMIC ? GFP_ATOMIC | __GFP_NOWARN : GFP_NOFS;

	return flags & CFS_ALLOC_ZERO ? gfp | __GFP_ZERO : gfp;
}

/* The kernel aligns to the size only for powers of two; the two other size classes (96, 192) happen
 * to be aligned to 32 unless slab debugging puts something in front of each object. */
static void *alloc_small(size_t bytes, gfp_t gfp)
{
	size_t align = bytes < 16 ? rounddown_pow_of_two(bytes) : 16;
	void *p = kmalloc(bytes, gfp);

	if (likely(IS_ALIGNED((unsigned long)p, align)))
		return p;
	kfree(p);
	return kmalloc(roundup_pow_of_two(bytes), gfp);
}

static void *alloc_large(size_t bytes, unsigned int flags)
{
	unsigned int nofs = memalloc_nofs_save();
	void *p = kvmalloc(bytes, flags & CFS_ALLOC_ZERO ? GFP_KERNEL | __GFP_ZERO : GFP_KERNEL);

	memalloc_nofs_restore(nofs);
	return p;
}

void *cfs_alloc(enum cfs_subsys s, size_t bytes, unsigned int flags)
{
	void *p = NULL;

	if (unlikely(cfs_mem_refuse(s, flags)))
		return NULL;
	bytes = max_t(size_t, bytes, 1);
	if (flags & CFS_ALLOC_LARGE && bytes <= INT_MAX)
		p = alloc_large(bytes, flags);
	else if (!(flags & CFS_ALLOC_LARGE) && bytes <= KMALLOC_MAX_SIZE)
		p = alloc_small(bytes, cfs_gfp(flags));
	if (likely(p))
		cfs_mem_charge(s, bytes, 1);
	else
		cfs_mem_failed(s);
	return p;
}

void cfs_free(enum cfs_subsys s, const void *p, size_t bytes)
{
	if (!p)
		return;
	cfs_mem_charge(s, -(s64)max_t(size_t, bytes, 1), -1);
	kvfree(p);
}

static void free_after_grace(struct rcu_head *rcu)
{
	struct cfs_rcu *head = container_of((void *)rcu, struct cfs_rcu, opaque);

	cfs_free(head->subsys, head->p, head->bytes);
}

void cfs_free_rcu(enum cfs_subsys s, void *p, size_t bytes, struct cfs_rcu *head)
{
	static_assert(sizeof(head->opaque) == sizeof(struct rcu_head));

	head->p = p;
	head->bytes = bytes;
	head->subsys = s;
	call_rcu((struct rcu_head *)head->opaque, free_after_grace);
}

/* ---- slab caches ---- */

struct cfs_cache {
	struct list_head link; /* in caches */
	struct kmem_cache *slab;
	enum cfs_subsys subsys;
	unsigned int users; /* by caches_lock */
	size_t bytes;
	size_t align;
	s64 __percpu *objects;
	char *name;   /* behind this structure */
	size_t whole; /* bytes of both */
};

static LIST_HEAD(caches);
static DEFINE_MUTEX(caches_lock);

static struct cfs_cache *find_cache(const char *name, size_t bytes, size_t align)
{
	struct cfs_cache *c;

	list_for_each_entry(c, &caches, link) if (c->bytes == bytes && c->align == align &&
						  !strcmp(c->name, name)) return c;
	return NULL;
}

static bool name_taken(const char *name)
{
	struct cfs_cache *c;

	list_for_each_entry(c, &caches, link) if (!strcmp(c->name, name)) return true;
	return false;
}

/* The kernel wants names to be unique; tools that read them want no blanks. */
static struct kmem_cache *make_slab(const char *name, size_t bytes, size_t align)
{
	struct kmem_cache *slab;
	char *unique;

	unique = kasprintf(GFP_NOFS, name_taken(name) ? "%s-%zu-%zu" : "%s", name, bytes, align);
	if (!unique)
		return NULL;
	/* What strreplace() returns is not the same in every kernel. */
	strreplace(unique, ' ', '_');
	slab = kmem_cache_create(unique, bytes, align, 0, NULL);
	kfree(unique);
	return slab;
}

static struct cfs_cache *make_cache(enum cfs_subsys s, const char *name, size_t bytes, size_t align)
{
	size_t whole = sizeof(struct cfs_cache) + strlen(name) + 1;
	struct cfs_cache *c = cfs_alloc(CFS_S_LIBCFS, whole, CFS_ALLOC_ZERO);

	if (!c)
		return NULL;
	c->name = strcpy((char *)(c + 1), name);
	c->whole = whole;
	c->subsys = s;
	c->bytes = bytes;
	c->align = align;
	c->objects = alloc_percpu_gfp(s64, GFP_NOFS);
	if (c->objects)
		c->slab = make_slab(name, bytes, align);
	if (c->slab)
		return c;
	free_percpu(c->objects);
	cfs_free(CFS_S_LIBCFS, c, whole);
	return NULL;
}

int cfs_cache_create(enum cfs_subsys s, const char *name, size_t bytes, size_t align,
		     struct cfs_cache **out)
{
	struct cfs_cache *c;

	if (align & (align - 1))
		return -EINVAL;
	mutex_lock(&caches_lock);
	c = find_cache(name, bytes, align);
	if (!c) {
		c = make_cache(s, name, bytes, align);
		if (c)
			list_add(&c->link, &caches);
	}
	if (c)
		c->users++;
	mutex_unlock(&caches_lock);
	*out = c;
	return c ? 0 : -ENOMEM;
}

void cfs_cache_destroy(struct cfs_cache *c)
{
	s64 left = 0;
	int cpu;

	mutex_lock(&caches_lock);
	if (--c->users) {
		mutex_unlock(&caches_lock);
		return;
	}
	list_del(&c->link);
	for_each_possible_cpu(cpu) left += *per_cpu_ptr(c->objects, cpu);
	if (left)
		pr_err("LustreError: libcfs: memory leaked: %lld objects of %zu bytes in cache "
		       "%s\n",
		       left, c->bytes, c->name);
	/* The kernel keeps a cache that is not empty, and says so too. With the lock held, so that
	 * nobody makes one of the same name before this one is gone. */
	kmem_cache_destroy(c->slab);
	mutex_unlock(&caches_lock);
	free_percpu(c->objects);
	cfs_free(CFS_S_LIBCFS, c, c->whole);
}

void *cfs_cache_alloc(struct cfs_cache *c, unsigned int flags)
{
	void *p;

	if (unlikely(cfs_mem_refuse(c->subsys, flags)))
		return NULL;
	p = kmem_cache_alloc(c->slab, cfs_gfp(flags));
	if (unlikely(!p)) {
		cfs_mem_failed(c->subsys);
		return NULL;
	}
	this_cpu_inc(*c->objects);
	cfs_mem_charge(c->subsys, c->bytes, 1);
	return p;
}

void cfs_cache_free(struct cfs_cache *c, void *p)
{
	if (!p)
		return;
	this_cpu_dec(*c->objects);
	cfs_mem_charge(c->subsys, -(s64)c->bytes, -1);
	kmem_cache_free(c->slab, p);
}

/* ---- start and end ---- */

int cfs_mem_init(void)
{
	usage_cpus = alloc_percpu(struct usage_cpus);
	return usage_cpus ? 0 : -ENOMEM;
}

void cfs_mem_exit(void)
{
	struct cfs_mem_usage left;
	int s;

	for (s = 0; s < CFS_S_COUNT; s++) {
		cfs_mem_usage(s, &left);
		if (left.bytes || left.objects)
			pr_err("LustreError: libcfs: memory leaked: %lld bytes in %lld objects of "
			       "subsystem %d\n",
			       left.bytes, left.objects, s);
	}
	free_percpu(usage_cpus);
}
