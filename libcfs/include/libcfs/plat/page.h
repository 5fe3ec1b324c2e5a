/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Pages and vectors of page pieces: how file data travels without being copied. A cfs_page is the
 * kernel's struct page (hosted: a 4 KiB aligned block with a reference count). struct cfs_bvec has
 * the layout of the kernel's struct bio_vec, so arrays of it are handed on as they are.
 */
#ifndef LIBCFS_PLAT_PAGE_H
#define LIBCFS_PLAT_PAGE_H

#include "libcfs/plat/base.h"
#include "libcfs/plat/subsys.h"

CFS_DECLS_BEGIN

#define CFS_PAGE_SIZE 4096u
#define CFS_PAGE_SHIFT 12

struct cfs_page;

struct cfs_bvec {
	struct cfs_page *page;
	uint32_t len; /* bytes; offset + len may pass the page's end only for compound kernel pages
		       */
	uint32_t offset; /* bytes into the page */
};

/* A fresh page with one reference, charged to the subsystem until cfs_page_free(), even if further
 * references keep it. flags as cfs_alloc (ATOMIC, ZERO). NULL when there is none. */
struct cfs_page *cfs_page_alloc(enum cfs_subsys s, unsigned int flags) CFS_NOEXCEPT;
/* Gives back a page of cfs_page_alloc: uncharges it and drops the reference. */
void cfs_page_free(enum cfs_subsys s, struct cfs_page *p) CFS_NOEXCEPT;
/* Further references, for pages of any origin (the network stack, the page cache). */
void cfs_page_get(struct cfs_page *p) CFS_NOEXCEPT;
void cfs_page_put(struct cfs_page *p) CFS_NOEXCEPT;
/* The page's address for a short while; unmapped by the same thread in reverse order. Between the
 * two the thread may sleep (kmap_local semantics). */
void *cfs_page_map(struct cfs_page *p) CFS_NOEXCEPT;
void cfs_page_unmap(void *addr) CFS_NOEXCEPT;
/* The page an address of cfs_alloc memory (not stack, not module data) lies in. */
struct cfs_page *cfs_page_of(const void *addr) CFS_NOEXCEPT;

CFS_DECLS_END

#endif
