// SPDX-License-Identifier: GPL-2.0
//
// Open files and directories: reading and writing pieces under the core's locks, direct I/O, locks
// of applications, ioctl.
//
// Invariant: bytes move between the page cache and a process only while a lustre_io of the core
// covers them. Writers of one inode take its lock first, so `write_io` has one owner.
#ifdef HAVE_FILE_LOCK_CORE
#include <linux/filelock.h>
#endif
#include <linux/compat.h>
#include <linux/mm.h>
#include <linux/sizes.h>
#include <linux/splice.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "llite.h"

/* What a direct transfer hands to the core at once. */
#define LL_DIRECT_PAGES 1024

/* ---- open and close ---- */

int ll_opened(struct inode *inode, struct file *file)
{
	return 0;
}

static int ll_file_open(struct inode *inode, struct file *file)
{
	struct lustre_open *o;
	int rc;

	if (S_ISREG(inode->i_mode)) {
		rc = generic_file_open(inode, file);
		if (rc)
			return rc;
	}
	rc = lustre_open_inode(ll_core(inode), file->f_flags, file->f_flags & __FMODE_EXEC, &o);
	if (!rc)
		file->private_data = o;
	return rc;
}

static int ll_release(struct inode *inode, struct file *file)
{
	lustre_close(ll_open(file));
	return 0;
}

static int ll_flush(struct file *file, fl_owner_t id)
{
	return lustre_flush(ll_open(file));
}

static int ll_fsync(struct file *file, loff_t start, loff_t end, int data_only)
{
	int rc = file_write_and_wait_range(file, start, end);
	int core = lustre_fsync(ll_open(file), start, end, data_only);

	return rc ? rc : core;
}

/* ---- direct I/O ---- */

static void ll_put_pages(struct page **pages, unsigned int n, bool dirty)
{
	unsigned int k;

	for (k = 0; k < n; k++) {
		if (dirty)
			set_page_dirty_lock(pages[k]);
		put_page(pages[k]);
	}
	kvfree(pages);
}

static unsigned int ll_pieces(struct page **pages, size_t offset, size_t len, struct cfs_bvec *out)
{
	unsigned int n = 0;

	while (len) {
		size_t part = min_t(size_t, PAGE_SIZE - offset, len);

		out[n].page = (struct cfs_page *)pages[n];
		out[n].offset = offset;
		out[n].len = part;
		len -= part;
		offset = 0;
		n++;
	}
	return n;
}

/* One batch: as much of iter as LL_DIRECT_PAGES pages hold. */
static ssize_t ll_direct_batch(struct kiocb *iocb, struct iov_iter *iter, struct cfs_bvec *pieces)
{
	bool write = iov_iter_rw(iter) == WRITE;
	struct page **pages = NULL;
	size_t offset;
	ssize_t got, done;
	unsigned int n;

	got = iov_iter_get_pages_alloc2(iter, &pages, (LL_DIRECT_PAGES - 1) * PAGE_SIZE, &offset);
	if (got <= 0)
		return got;
	n = ll_pieces(pages, offset, got, pieces);
	done = lustre_direct_io(ll_open(iocb->ki_filp), write, iocb->ki_pos, pieces, n, got);
	ll_put_pages(pages, n, !write && done > 0 && user_backed_iter(iter));
	if (done < got)
		iov_iter_revert(iter, got - (done > 0 ? done : 0));
	if (done > 0)
		iocb->ki_pos += done;
	return done;
}

static ssize_t ll_direct(struct kiocb *iocb, struct iov_iter *iter)
{
	struct cfs_bvec *pieces;
	ssize_t total = 0, done = 0;

	if ((iocb->ki_pos | iov_iter_count(iter) | iov_iter_alignment(iter)) & ~PAGE_MASK)
		return -EINVAL;
	pieces = kvmalloc_array(LL_DIRECT_PAGES, sizeof(*pieces), GFP_KERNEL);
	if (!pieces)
		return -ENOMEM;
	while (iov_iter_count(iter)) {
		size_t before = iov_iter_count(iter);

		done = ll_direct_batch(iocb, iter, pieces);
		if (done > 0)
			total += done;
		if (done <= 0 || (size_t)done != before - iov_iter_count(iter))
			break;
	}
	kvfree(pieces);
	return total ? total : done;
}

/* What the cache has of the range is written, and for a write dropped. */
static int ll_direct_prepare(struct kiocb *iocb, size_t len, bool write)
{
	struct address_space *mapping = iocb->ki_filp->f_mapping;
	loff_t last = iocb->ki_pos + len - 1;
	int rc = filemap_write_and_wait_range(mapping, iocb->ki_pos, last);

	if (rc || !write)
		return rc;
	return invalidate_inode_pages2_range(mapping, iocb->ki_pos >> PAGE_SHIFT,
					     last >> PAGE_SHIFT);
}

/* ---- read and write ---- */

/* Memory of the process that is brought in at once. */
#define LL_FAULT_WINDOW SZ_4M

/*
 * Bytes are copied while locks of servers are held, and those may be wanted back. A page fault of
 * the process in the middle of it could need one of them anew, for a mapping of the same file or
 * through another thread that waits with the address space locked, and would wait for itself. So
 * faults are off while a piece is copied; what is missing is brought in between pieces, without
 * locks. Returns whether there is anything to go on with.
 */
static bool ll_fault_in(struct iov_iter *iter, size_t window)
{
	size_t n = min(iov_iter_count(iter), window);

	if (!user_backed_iter(iter) || fatal_signal_pending(current))
		return false;
	if (iov_iter_rw(iter) == WRITE)
		return fault_in_iov_iter_readable(iter, n) < n;
	return fault_in_iov_iter_writeable(iter, n) < n;
}

/*
 * Whether a piece that was read falls short of what the file has, because memory was missing. What
 * one call reads is to be of one moment: nothing of it has been read then.
 */
static bool ll_take_back(struct kiocb *iocb, struct iov_iter *iter, ssize_t rc, size_t piece)
{
	if (iov_iter_rw(iter) != READ || !user_backed_iter(iter) || (rc < 0 && rc != -EFAULT) ||
	    (rc > 0 && (size_t)rc >= piece) ||
	    iocb->ki_pos >= i_size_read(file_inode(iocb->ki_filp)))
		return false;
	if (rc > 0) {
		iov_iter_revert(iter, rc);
		iocb->ki_pos -= rc;
	}
	return true;
}

/* Reads or writes a request piece by piece, until one falls short. */
static ssize_t ll_in_pieces(struct kiocb *iocb, struct iov_iter *iter,
			    ssize_t (*do_piece)(struct kiocb *, struct iov_iter *, size_t *))
{
	bool from_user = iov_iter_rw(iter) == WRITE && user_backed_iter(iter);
	/* What is appended should be one piece. */
	size_t window = iocb->ki_flags & IOCB_APPEND ? MAX_RW_COUNT : LL_FAULT_WINDOW;
	ssize_t total = 0, rc = 0;
	bool taken_back = false;
	size_t piece;

	while (iov_iter_count(iter)) {
		/* A page of which only a part comes would have to be read first. */
		if (from_user && !ll_fault_in(iter, window)) {
			rc = -EFAULT;
			break;
		}
		rc = do_piece(iocb, iter, &piece);
		if (!taken_back && ll_take_back(iocb, iter, rc, piece)) {
			taken_back = true;
			rc = -EFAULT;
			if (!ll_fault_in(iter, MAX_RW_COUNT))
				break;
			continue;
		}
		if (rc > 0)
			total += rc;
		if (rc > 0 && (size_t)rc == piece)
			continue;
		if (rc <= 0 && rc != -EFAULT)
			break;
		/* No further than the next page, when it did not last until it was needed. */
		window = rc > 0 ? LL_FAULT_WINDOW : PAGE_SIZE;
		if (!ll_fault_in(iter, window))
			break;
	}
	return total ? total : rc;
}

/* One piece under the core's locks. *piece: bytes it was for, 0 at the end of the file. */
static ssize_t ll_read_piece(struct kiocb *iocb, struct iov_iter *iter, size_t *piece)
{
	struct lustre_io_range got;
	struct lustre_io *io;
	size_t whole = iov_iter_count(iter);
	ssize_t rc = lustre_io_begin(ll_open(iocb->ki_filp), LUSTRE_IO_READ, iocb->ki_pos, whole,
				     iocb->ki_flags & IOCB_NOWAIT, &got, &io);

	*piece = 0;
	if (rc)
		return rc;
	*piece = min_t(u64, got.len, whole);
	if (*piece) {
		iov_iter_truncate(iter, *piece);
		pagefault_disable();
		rc = generic_file_read_iter(iocb, iter);
		pagefault_enable();
		iov_iter_reexpand(iter, iov_iter_count(iter) + (whole - *piece));
	}
	lustre_io_end(io);
	return rc;
}

static ssize_t ll_read_iter(struct kiocb *iocb, struct iov_iter *iter)
{
	ssize_t rc;

	if (iocb->ki_flags & IOCB_DIRECT) {
		rc = ll_direct_prepare(iocb, iov_iter_count(iter), false);
		return rc ? rc : ll_direct(iocb, iter);
	}
	return ll_in_pieces(iocb, iter, ll_read_piece);
}

/* Under the inode's lock. */
static ssize_t ll_write_piece(struct kiocb *iocb, struct iov_iter *iter, size_t *piece)
{
	struct ll_inode *i = ll_inode(file_inode(iocb->ki_filp));
	bool append = iocb->ki_flags & IOCB_APPEND;
	size_t whole = iov_iter_count(iter);
	struct lustre_io_range got;
	ssize_t rc = lustre_io_begin(ll_open(iocb->ki_filp),
				     append ? LUSTRE_IO_APPEND : LUSTRE_IO_WRITE, iocb->ki_pos,
				     whole, iocb->ki_flags & IOCB_NOWAIT, &got, &i->write_io);

	*piece = 0;
	if (rc)
		return rc;
	*piece = min_t(u64, got.len, whole);
	iocb->ki_pos = got.pos;
	iov_iter_truncate(iter, *piece);
	pagefault_disable();
	rc = generic_perform_write(iocb, iter);
	pagefault_enable();
	iov_iter_reexpand(iter, iov_iter_count(iter) + (whole - *piece));
	if (rc > 0)
		iocb->ki_pos = got.pos + rc;
	lustre_io_end(i->write_io);
	i->write_io = NULL;
	return rc;
}

static ssize_t ll_write_locked(struct kiocb *iocb, struct iov_iter *iter)
{
	ssize_t rc = generic_write_checks(iocb, iter);

	if (rc <= 0)
		return rc;
	rc = file_remove_privs(iocb->ki_filp);
	if (rc)
		return rc;
	if (iocb->ki_flags & IOCB_DIRECT) {
		rc = ll_direct_prepare(iocb, iov_iter_count(iter), true);
		return rc ? rc : ll_direct(iocb, iter);
	}
	return ll_in_pieces(iocb, iter, ll_write_piece);
}

static ssize_t ll_write_iter(struct kiocb *iocb, struct iov_iter *iter)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	ssize_t rc;

	if (iocb->ki_flags & IOCB_NOWAIT) {
		if (!inode_trylock(inode))
			return -EAGAIN;
	} else {
		inode_lock(inode);
	}
	rc = ll_write_locked(iocb, iter);
	inode_unlock(inode);
	return rc > 0 ? generic_write_sync(iocb, rc) : rc;
}

static ssize_t ll_splice_read(struct file *in, loff_t *pos, struct pipe_inode_info *pipe, size_t n,
			      unsigned int flags)
{
	/* Not the kernel's way from the cache, which knows nothing of our locks. */
#ifdef HAVE_COPY_SPLICE_READ
	return copy_splice_read(in, pos, pipe, n, flags);
#else
	return generic_file_splice_read(in, pos, pipe, n, flags);
#endif
}

static int ll_mmap(struct file *file, struct vm_area_struct *vma)
{
	int rc = generic_file_mmap(file, vma);

	if (!rc)
		vma->vm_ops = &ll_vm_ops;
	return rc;
}

static loff_t ll_llseek(struct file *file, loff_t offset, int whence)
{
	struct inode *inode = file_inode(file);
	struct lustre_attr a = {};
	loff_t at;
	int rc;

	if (whence == SEEK_DATA || whence == SEEK_HOLE) {
		if (offset < 0)
			return -ENXIO;
		at = lustre_seek(ll_open(file), offset, whence == SEEK_HOLE);
		return at < 0 ? at : vfs_setpos(file, at, inode->i_sb->s_maxbytes);
	}
	if (whence == SEEK_END) {
		rc = lustre_getattr(ll_core(inode), LUSTRE_ATTR_SIZE, 0, &a);
		if (rc)
			return rc;
	}
	return generic_file_llseek_size(file, offset, whence, inode->i_sb->s_maxbytes, a.size);
}

static long ll_fallocate(struct file *file, int mode, loff_t pos, loff_t len)
{
	struct inode *inode = file_inode(file);
	long rc;

	inode_lock(inode);
	rc = lustre_fallocate(ll_open(file), mode, pos, len);
	inode_unlock(inode);
	return rc;
}

static long ll_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return lustre_ioctl(ll_core(file_inode(file)), ll_open(file), cmd, arg);
}

/* ---- locks of applications ---- */

#ifdef HAVE_FILE_LOCK_CORE
#define LL_FL(fl, field) ((fl)->c.flc_##field)
#else
#define LL_FL(fl, field) ((fl)->fl_##field)
#endif

static void ll_flock_of(struct file_lock *fl, bool wait, struct lustre_flock *out)
{
	*out = (struct lustre_flock){
		.owner = (unsigned long)LL_FL(fl, owner),
		.start = fl->fl_start,
		.end = fl->fl_end == OFFSET_MAX ? ~0ull : fl->fl_end,
		.pid = LL_FL(fl, pid),
		.type = LL_FL(fl, type) == F_RDLCK   ? 0
			: LL_FL(fl, type) == F_WRLCK ? 1
						     : 2,
		.wait = wait,
	};
}

static int ll_lock_test(struct file *file, struct file_lock *fl)
{
	struct lustre_flock lock;
	int rc;

	ll_flock_of(fl, false, &lock);
	rc = lustre_flock_test(ll_open(file), &lock);
	if (rc)
		return rc;
	LL_FL(fl, type) = lock.type == 0 ? F_RDLCK : lock.type == 1 ? F_WRLCK : F_UNLCK;
	if (lock.type == 2)
		return 0;
	fl->fl_start = lock.start;
	fl->fl_end = lock.end > OFFSET_MAX ? OFFSET_MAX : lock.end;
	LL_FL(fl, pid) = -(pid_t)lock.pid;
	return 0;
}

static int ll_lock(struct file *file, int cmd, struct file_lock *fl)
{
	struct lustre_flock lock;
	int rc = 0;

	if (IS_GETLK(cmd))
		return ll_lock_test(file, fl);
	ll_flock_of(fl, IS_SETLKW(cmd) || cmd == F_SETLKW, &lock);
	/* What is given up goes here first, what is taken at the server first: so nobody here holds
	 * what another client was given. */
	if (lock.type == 2)
		rc = locks_lock_file_wait(file, fl);
	if (!rc)
		rc = lustre_flock(ll_open(file), &lock);
	if (!rc && lock.type != 2) {
		rc = locks_lock_file_wait(file, fl);
		if (rc) {
			lock.type = 2;
			lustre_flock(ll_open(file), &lock);
		}
	}
	return rc;
}

/* ---- directories ---- */

static bool ll_emit(void *ctx, const char *name, size_t n, uint64_t pos, uint64_t ino,
		    unsigned int type)
{
	struct dir_context *kernel = ctx;

	kernel->pos = pos;
	return dir_emit(kernel, name, n, ino, type);
}

static int ll_iterate(struct file *file, struct dir_context *ctx)
{
	u64 pos = ctx->pos;
	bool narrow = file->f_mode & FMODE_32BITHASH || in_compat_syscall();
	int rc = lustre_readdir(ll_open(file), &pos, narrow, ll_emit, ctx);

	ctx->pos = pos;
	return rc;
}

static loff_t ll_dir_llseek(struct file *file, loff_t offset, int whence)
{
	return generic_file_llseek_size(file, offset, whence, LLONG_MAX, LLONG_MAX);
}

static int ll_dir_fsync(struct file *file, loff_t start, loff_t end, int data_only)
{
	return lustre_fsync(ll_open(file), start, end, data_only);
}

const struct file_operations ll_file_fops = {
	.owner = THIS_MODULE,
	.open = ll_file_open,
	.release = ll_release,
	.flush = ll_flush,
	.read_iter = ll_read_iter,
	.write_iter = ll_write_iter,
	.splice_read = ll_splice_read,
	.splice_write = iter_file_splice_write,
	.mmap = ll_mmap,
	.llseek = ll_llseek,
	.fsync = ll_fsync,
	.fallocate = ll_fallocate,
	.lock = ll_lock,
	.flock = ll_lock,
	.unlocked_ioctl = ll_ioctl,
};

const struct file_operations ll_dir_fops = {
	.owner = THIS_MODULE,
	.open = ll_file_open,
	.release = ll_release,
	.iterate_shared = ll_iterate,
	.llseek = ll_dir_llseek,
	.read = generic_read_dir,
	.fsync = ll_dir_fsync,
	.unlocked_ioctl = ll_ioctl,
};
