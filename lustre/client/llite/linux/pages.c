// SPDX-License-Identifier: GPL-2.0
//
// The page cache: which pages are read, dirtied and written, and what the core does with pages when
// locks go away.
//
// Invariants. A dirty page has its private mark, set when the core has claimed space for it and
// cleared when it has been written or lustre_page_clean() told that it will not be. A page is not
// changed while it is being written (its checksum is on the way). Pages are of one page size: large
// folios are not asked for.
#include <linux/mm.h>
#include <linux/pagevec.h>
#include <linux/writeback.h>

#include "llite.h"

/* Pages that go to the core in one call; and when there is no memory for more. */
#define LL_BATCH 256
#define LL_BATCH_LEAST 16

static struct cfs_page *ll_page_of(struct folio *folio)
{
	return (struct cfs_page *)folio_page(folio, 0);
}

static struct folio *ll_folio_of(struct cfs_page *page)
{
	return page_folio((struct page *)page);
}

/* ---- reading ---- */

static int ll_read_folio(struct file *file, struct folio *folio)
{
	struct cfs_page *page = ll_page_of(folio);

	lustre_read_pages(ll_core(folio->mapping->host), folio->index, &page, 1);
	return 0;
}

static void ll_readahead(struct readahead_control *rac)
{
	struct lustre_inode *core = ll_core(rac->mapping->host);
	unsigned int want = readahead_count(rac), n;
	u64 index = readahead_index(rac);
	struct cfs_page **pages;

	/* Folios that are not taken here are dropped by the caller. */
	if (!rac->file)
		return;
	want = min(lustre_readahead(ll_open(rac->file), index, want), want);
	pages = want ? kvmalloc_array(min(want, LL_BATCH), sizeof(*pages), GFP_NOFS) : NULL;
	if (!pages)
		return;
	for (; want; want -= n, index += n) {
		for (n = 0; n < min(want, LL_BATCH); n++) {
			struct folio *folio = readahead_folio(rac);

			if (!folio)
				break;
			pages[n] = ll_page_of(folio);
		}
		if (!n)
			break;
		lustre_read_pages(core, index, pages, n);
	}
	kvfree(pages);
}

void vfs_pages_read(struct vfs_inode *vi, struct cfs_page *const *pages, unsigned int n, int status)
{
	unsigned int k;

	for (k = 0; k < n; k++) {
		struct folio *folio = ll_folio_of(pages[k]);

		if (!status) {
			flush_dcache_folio(folio);
			folio_mark_uptodate(folio);
		}
		folio_unlock(folio);
	}
}

/* Reads a page that a write changes in part. Locked on entry and on success. */
static int ll_fill_folio(struct folio *folio)
{
	struct address_space *mapping = folio->mapping;

	ll_read_folio(NULL, folio);
	if (folio_lock_killable(folio))
		return -EINTR;
	if (folio->mapping == mapping && folio_test_uptodate(folio))
		return 0;
	folio_unlock(folio);
	/* It was dropped meanwhile: again. */
	return folio->mapping == mapping ? -EIO : -EAGAIN;
}

/* ---- becoming dirty ---- */

/* A locked page whose [from, to) is about to change, or has. */
static int ll_make_dirty(struct lustre_io *io, struct folio *folio, unsigned int from,
			 unsigned int to)
{
	int rc = lustre_page_dirty(io, folio->index, from, to);

	if (rc)
		return rc;
	if (!folio_test_private(folio))
		folio_attach_private(folio, (void *)1);
	filemap_dirty_folio(folio->mapping, folio);
	return 0;
}

/* Makes a locked page ready for a write of part of it. Unlocked on failure. */
static int ll_prepare_write(struct folio *folio, loff_t pos, unsigned int len)
{
	loff_t start = folio_pos(folio);
	unsigned int from = pos - start;

	/* A server that does not answer must not make its writers immortal. */
	if (folio_wait_writeback_killable(folio)) {
		folio_unlock(folio);
		return -EINTR;
	}
	if (folio_test_uptodate(folio) || len == PAGE_SIZE)
		return 0;
	if (start < i_size_read(folio->mapping->host))
		return ll_fill_folio(folio);
	folio_zero_segments(folio, 0, from, from + len, PAGE_SIZE);
	return 0;
}

static int ll_begin(struct address_space *mapping, loff_t pos, unsigned int len, struct folio **out)
{
	struct folio *folio;
	int rc;

	do {
		folio = __filemap_get_folio(mapping, pos >> PAGE_SHIFT,
					    FGP_LOCK | FGP_WRITE | FGP_CREAT,
					    mapping_gfp_mask(mapping) & ~__GFP_FS);
		if (IS_ERR_OR_NULL(folio))
			return folio ? PTR_ERR(folio) : -ENOMEM;
		rc = ll_prepare_write(folio, pos, len);
		if (rc)
			folio_put(folio);
	} while (rc == -EAGAIN);
	*out = folio;
	return rc;
}

/* How much of a page belongs to a file that goes at least to `end`. */
static unsigned int ll_valid_bytes(struct folio *folio, loff_t end)
{
	loff_t size = max_t(loff_t, end, i_size_read(folio->mapping->host));

	return min_t(loff_t, PAGE_SIZE, size - folio_pos(folio));
}

static int ll_end(struct address_space *mapping, loff_t pos, unsigned int len, unsigned int copied,
		  struct folio *folio)
{
	struct inode *inode = mapping->host;
	struct lustre_io *io = ll_inode(inode)->write_io;
	unsigned int from = offset_in_page(pos);
	loff_t end = pos + copied;
	int rc = 0;

	/* A page that is new to us is right only if all of it came; behind the end of the file what
	 * did not come is nothing, not what the memory held before. */
	if (!folio_test_uptodate(folio)) {
		if (copied < len && len == PAGE_SIZE) {
			copied = 0;
		} else {
			folio_zero_segment(folio, from + copied, from + len);
			folio_mark_uptodate(folio);
		}
	}
	if (copied) {
		rc = ll_make_dirty(io, folio, from, from + copied);
		if (rc)
			rc = lustre_write_now(io, folio->index, ll_page_of(folio),
					      ll_valid_bytes(folio, end));
		if (!rc && end > i_size_read(inode)) {
			i_size_write(inode, end);
			lustre_size_grown(io, end);
		}
	}
	folio_unlock(folio);
	folio_put(folio);
	return rc ? rc : (int)copied;
}

#ifdef HAVE_FOLIO_WRITE_BEGIN
static int ll_write_begin(struct file *file, struct address_space *mapping, loff_t pos,
			  unsigned int len, struct folio **folio, void **private)
{
	return ll_begin(mapping, pos, len, folio);
}

static int ll_write_end(struct file *file, struct address_space *mapping, loff_t pos,
			unsigned int len, unsigned int copied, struct folio *folio, void *private)
{
	return ll_end(mapping, pos, len, copied, folio);
}
#else
static int ll_write_begin(struct file *file, struct address_space *mapping, loff_t pos,
			  unsigned int len, struct page **page, void **private)
{
	struct folio *folio;
	int rc = ll_begin(mapping, pos, len, &folio);

	if (!rc)
		*page = folio_page(folio, 0);
	return rc;
}

static int ll_write_end(struct file *file, struct address_space *mapping, loff_t pos,
			unsigned int len, unsigned int copied, struct page *page, void *private)
{
	return ll_end(mapping, pos, len, copied, page_folio(page));
}
#endif

/* ---- writing ---- */

struct ll_batch {
	struct inode *inode;
	struct cfs_page **pages;
	unsigned int room;
	u64 first;
	unsigned int n;
	u32 flags;
};

static void ll_batch_send(struct ll_batch *b)
{
	if (b->n)
		lustre_write_pages(ll_core(b->inode), b->first, b->pages, b->n,
				   i_size_read(b->inode), b->flags);
	b->n = 0;
}

/* One dirty page, locked, no longer marked dirty. */
static int ll_batch_add(struct folio *folio, struct ll_batch *b)
{
	if (b->n && (b->n == b->room || folio->index != b->first + b->n))
		ll_batch_send(b);
	if (!b->n)
		b->first = folio->index;
	folio_start_writeback(folio);
	folio_unlock(folio);
	b->pages[b->n++] = ll_page_of(folio);
	return 0;
}

#ifdef HAVE_FOLIO_WRITEPAGE_T
static int ll_write_one(struct folio *folio, struct writeback_control *wbc, void *batch)
{
	return ll_batch_add(folio, batch);
}
#else
static int ll_write_one(struct page *page, struct writeback_control *wbc, void *batch)
{
	return ll_batch_add(page_folio(page), batch);
}
#endif

static int ll_writepages(struct address_space *mapping, struct writeback_control *wbc)
{
	struct cfs_page *few[LL_BATCH_LEAST];
	struct ll_batch b = {
		.inode = mapping->host,
		.room = LL_BATCH,
		.flags = (wbc->sync_mode == WB_SYNC_ALL ? LUSTRE_WRITE_SYNC : 0) |
			 (current->flags & PF_MEMALLOC ? LUSTRE_WRITE_RECLAIM : 0),
	};
	int rc;

	/* Not a reason to fail: when a lock goes, what is not written now is lost. */
	b.pages = kmalloc_array(LL_BATCH, sizeof(*b.pages), GFP_NOFS | __GFP_NOWARN);
	if (!b.pages) {
		b.pages = few;
		b.room = LL_BATCH_LEAST;
	}
	rc = write_cache_pages(mapping, wbc, ll_write_one, &b);
	ll_batch_send(&b);
	lustre_write_kick(ll_core(mapping->host));
	if (b.pages != few)
		kfree(b.pages);
	return rc;
}

void vfs_pages_written(struct vfs_inode *vi, struct cfs_page *const *pages, unsigned int n,
		       int status)
{
	struct address_space *mapping = ll_kernel(vi)->i_mapping;
	unsigned int k;

	if (status)
		mapping_set_error(mapping, status);
	for (k = 0; k < n; k++) {
		struct folio *folio = ll_folio_of(pages[k]);

		folio_detach_private(folio);
		folio_end_writeback(folio);
	}
}

/* ---- leaving the cache ---- */

static void ll_invalidate(struct folio *folio, size_t offset, size_t len)
{
	if (offset || len < folio_size(folio))
		return;
	folio_wait_writeback(folio);
	if (!folio_test_private(folio))
		return;
	lustre_page_clean(ll_core(folio->mapping->host), folio->index);
	folio_detach_private(folio);
}

static bool ll_release_folio(struct folio *folio, gfp_t gfp)
{
	/* Marked pages are dirty, or on their way. */
	return !folio_test_private(folio);
}

bool vfs_page_next(struct vfs_inode *vi, uint64_t *index, uint64_t last, bool dirty)
{
	struct xarray *pages = &ll_kernel(vi)->i_mapping->i_pages;
	unsigned long at = *index;
	void *entry;

	rcu_read_lock();
	entry = xa_find(pages, &at, last, dirty ? PAGECACHE_TAG_DIRTY : XA_PRESENT);
	/* Values are shadows of pages that were reclaimed. */
	while (entry && xa_is_value(entry))
		entry = xa_find_after(pages, &at, last, dirty ? PAGECACHE_TAG_DIRTY : XA_PRESENT);
	rcu_read_unlock();
	*index = at;
	return entry;
}

/* Bytes of pages [first, last]; the end is inclusive. */
static loff_t ll_last_byte(u64 last)
{
	return last >= (u64)LLONG_MAX >> PAGE_SHIFT ? LLONG_MAX
						    : ((loff_t)last << PAGE_SHIFT) | ~PAGE_MASK;
}

int vfs_pages_flush(struct vfs_inode *vi, uint64_t first, uint64_t last)
{
	return filemap_write_and_wait_range(ll_kernel(vi)->i_mapping, (loff_t)first << PAGE_SHIFT,
					    ll_last_byte(last));
}

void vfs_pages_send(struct vfs_inode *vi)
{
	filemap_fdatawrite(ll_kernel(vi)->i_mapping);
}

void vfs_pages_drop(struct vfs_inode *vi, uint64_t first, uint64_t last)
{
	struct address_space *mapping = ll_kernel(vi)->i_mapping;
	loff_t end = ll_last_byte(last);

	unmap_mapping_range(mapping, (loff_t)first << PAGE_SHIFT,
			    end == LLONG_MAX ? 0 : end + 1 - ((loff_t)first << PAGE_SHIFT), 0);
	truncate_inode_pages_range(mapping, (loff_t)first << PAGE_SHIFT,
				   end == LLONG_MAX ? -1 : end);
}

void vfs_pages_truncate(struct vfs_inode *vi, uint64_t size)
{
	truncate_setsize(ll_kernel(vi), size);
}

const struct address_space_operations ll_aops = {
	.read_folio = ll_read_folio,
	.readahead = ll_readahead,
	.writepages = ll_writepages,
	.dirty_folio = filemap_dirty_folio,
	.write_begin = ll_write_begin,
	.write_end = ll_write_end,
	.invalidate_folio = ll_invalidate,
	.release_folio = ll_release_folio,
	.direct_IO = noop_direct_IO,
#ifdef CONFIG_MIGRATION
	.migrate_folio = filemap_migrate_folio,
#endif
};

/* ---- mappings ---- */

static vm_fault_t ll_fault(struct vm_fault *vmf)
{
	struct lustre_io_range got;
	struct lustre_io *io;
	vm_fault_t rc;
	int err = lustre_io_begin(ll_open(vmf->vma->vm_file), LUSTRE_IO_FAULT,
				  (u64)vmf->pgoff << PAGE_SHIFT, PAGE_SIZE, false, &got, &io);

	if (err)
		return vmf_error(err);
	/* Comes back with the page locked: whoever drops it waits until it is mapped. */
	rc = filemap_fault(vmf);
	lustre_io_end(io);
	return rc;
}

/* A locked page of a shared mapping becomes writable. */
static int ll_mkwrite_locked(struct vm_fault *vmf, struct lustre_io *io, struct folio *folio)
{
	struct inode *inode = file_inode(vmf->vma->vm_file);
	loff_t size = i_size_read(inode), start = folio_pos(folio);
	unsigned int n;
	int rc;

	if (folio->mapping != inode->i_mapping || !folio_test_uptodate(folio))
		return -EAGAIN;
	if (start >= size)
		return -EFAULT;
	if (folio_wait_writeback_killable(folio))
		return -EINTR;
	n = min_t(loff_t, PAGE_SIZE, size - start);
	rc = ll_make_dirty(io, folio, 0, n);
	if (!rc)
		return 0;
	/* Nothing is promised for it: it gets its place at the server now, or the true error is
	 * known, and then it may be written there again at any time. */
	rc = lustre_write_now(io, folio->index, ll_page_of(folio), n);
	if (rc)
		return rc == -EAGAIN ? -EIO : rc;
	filemap_dirty_folio(folio->mapping, folio);
	return 0;
}

static vm_fault_t ll_page_mkwrite(struct vm_fault *vmf)
{
	struct file *file = vmf->vma->vm_file;
	struct folio *folio = page_folio(vmf->page);
	struct lustre_io_range got;
	struct lustre_io *io;
	int rc;

	sb_start_pagefault(file_inode(file)->i_sb);
	rc = lustre_io_begin(ll_open(file), LUSTRE_IO_MKWRITE, (u64)vmf->pgoff << PAGE_SHIFT,
			     PAGE_SIZE, false, &got, &io);
	if (rc)
		goto out;
	folio_lock(folio);
	rc = ll_mkwrite_locked(vmf, io, folio);
	if (rc)
		folio_unlock(folio);
	lustre_io_end(io);
out:
	sb_end_pagefault(file_inode(file)->i_sb);
	if (!rc)
		return VM_FAULT_LOCKED;
	return rc == -EAGAIN ? VM_FAULT_NOPAGE : vmf_error(rc);
}

const struct vm_operations_struct ll_vm_ops = {
	.fault = ll_fault,
	.page_mkwrite = ll_page_mkwrite,
};
