// SPDX-License-Identifier: GPL-2.0
//
// Pages of the boundary (libcfs/plat/page.h) are the kernel's struct page, and a struct cfs_bvec is
// a struct bio_vec under another name, so vectors pass between core and kernel as they are.
#include <linux/bvec.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/vmalloc.h>

#include "glue.h"
#include "libcfs/plat/mem.h"
#include "libcfs/plat/page.h"

static_assert(PAGE_SIZE == CFS_PAGE_SIZE, "only kernels with 4 KiB pages are supported");
static_assert(sizeof(struct cfs_bvec) == sizeof(struct bio_vec));
static_assert(offsetof(struct cfs_bvec, page) == offsetof(struct bio_vec, bv_page));
static_assert(offsetof(struct cfs_bvec, len) == offsetof(struct bio_vec, bv_len));
static_assert(offsetof(struct cfs_bvec, offset) == offsetof(struct bio_vec, bv_offset));

static struct page *page_of(struct cfs_page *p)
{
	return (struct page *)p;
}

struct cfs_page *cfs_page_alloc(enum cfs_subsys s, unsigned int flags)
{
	struct page *p;

	if (unlikely(cfs_mem_refuse(s, flags)))
		return NULL;
	p = alloc_page(cfs_gfp(flags));
	if (likely(p))
		cfs_mem_charge(s, PAGE_SIZE, 1);
	else
		cfs_mem_failed(s);
	return (struct cfs_page *)p;
}

void cfs_page_free(enum cfs_subsys s, struct cfs_page *p)
{
	cfs_mem_charge(s, -(s64)PAGE_SIZE, -1);
	put_page(page_of(p));
}

void cfs_page_get(struct cfs_page *p)
{
	get_page(page_of(p));
}

void cfs_page_put(struct cfs_page *p)
{
	put_page(page_of(p));
}

void *cfs_page_map(struct cfs_page *p)
{
	return kmap_local_page(page_of(p));
}

void cfs_page_unmap(void *addr)
{
	kunmap_local(addr);
}

struct cfs_page *cfs_page_of(const void *addr)
{
	return (struct cfs_page *)(is_vmalloc_addr(addr) ? vmalloc_to_page(addr)
							 : virt_to_page(addr));
}
