/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory. Every allocation is charged to a subsystem, every one may fail, and every free names the
 * size it had. Leaks are found by the counters (and by the back ends: slab checks, ASan).
 */
#ifndef LIBCFS_PLAT_MEM_H
#define LIBCFS_PLAT_MEM_H

#include "libcfs/plat/base.h"
#include "libcfs/plat/sizes.h"
#include "libcfs/plat/subsys.h"

CFS_DECLS_BEGIN

enum cfs_alloc_flags {
	CFS_ALLOC_DEFAULT =
		0, /* may sleep, may not re-enter file systems (GFP_NOFS); contents unspecified */
	CFS_ALLOC_ATOMIC =
		1 << 0,		  /* may not sleep (GFP_ATOMIC without reserves being counted on) */
	CFS_ALLOC_ZERO = 1 << 1,  /* zeroed */
	CFS_ALLOC_LARGE = 1 << 2, /* over a page; may be only virtually contiguous (kvmalloc); not
				     with ATOMIC */
	CFS_ALLOC_NOFAULT =
		1 << 3, /* not a target of fault injection: start-up of the test itself */
};

/* NULL when there is no memory. Alignment: 16, or the size when that is a smaller power of two. */
void *cfs_alloc(enum cfs_subsys s, size_t bytes, unsigned int flags) CFS_NOEXCEPT;
/* p may be NULL. bytes is what was asked for. May not sleep only if it was not CFS_ALLOC_LARGE. */
void cfs_free(enum cfs_subsys s, const void *p, size_t bytes) CFS_NOEXCEPT;

/* An embedded RCU head, and freeing memory after a grace period. Does not sleep. */
struct cfs_rcu {
	CFS_ALIGNAS(CFS_ALIGNOF_RCU) unsigned char opaque[CFS_SIZEOF_RCU];
	void *p;
	size_t bytes;
	uint32_t subsys;
};
void cfs_free_rcu(enum cfs_subsys s, void *p, size_t bytes, struct cfs_rcu *head) CFS_NOEXCEPT;

/* Slab caches: for objects that come by the thousand. One cache per (name, size) in a machine,
 * shared and counted, so that several nodes may ask for the same one. May sleep. Destroying the
 * last reference while objects are allocated is a leak: reported with the cache's name and their
 * number. */
struct cfs_cache;
int cfs_cache_create(enum cfs_subsys s, const char *name, size_t bytes, size_t align,
		     struct cfs_cache **out) CFS_NOEXCEPT;
void cfs_cache_destroy(struct cfs_cache *c) CFS_NOEXCEPT;
void *cfs_cache_alloc(struct cfs_cache *c, unsigned int flags) CFS_NOEXCEPT;
void cfs_cache_free(struct cfs_cache *c, void *p) CFS_NOEXCEPT;

/* What a subsystem holds now on the current machine: the kernel, the process (threads), or the node
 * (sim). */
struct cfs_mem_usage {
	int64_t bytes;
	int64_t objects;
	int64_t bytes_max;
	uint64_t failed; /* allocations refused, injected ones included */
};
void cfs_mem_usage(enum cfs_subsys s, struct cfs_mem_usage *out) CFS_NOEXCEPT;

/* Physical memory of the machine in bytes; what limits of caches are computed from. */
uint64_t cfs_mem_total(void) CFS_NOEXCEPT;

CFS_DECLS_END

#endif
