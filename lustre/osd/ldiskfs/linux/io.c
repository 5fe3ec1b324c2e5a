// SPDX-License-Identifier: GPL-2.0
//
// Pages to and from the device, straight past the page cache: bios over the pages given, as large
// as the pieces are adjacent.
#include <linux/bio.h>
#include <linux/completion.h>
#include <linux/slab.h>

#include "convert.h"

struct ldi_io {
	struct block_device *bdev;
	struct bio *bio;  /* being gathered */
	sector_t end;	  /* of it on the device */
	atomic_t pending; /* bios under way, and one for the submitter */
	int error;	  /* the first one */
	bool write;
	struct completion done;
};

struct ldi_io *ldi_io_begin(struct ldi_fs *fs, bool write)
{
	struct ldi_io *io = kzalloc(sizeof(*io), GFP_NOFS);

	if (!io)
		return NULL;
	io->bdev = fs->sb->s_bdev;
	io->write = write;
	atomic_set(&io->pending, 1);
	init_completion(&io->done);
	return io;
}

static void put_pending(struct ldi_io *io)
{
	if (atomic_dec_and_test(&io->pending))
		complete(&io->done);
}

static void end_io(struct bio *bio)
{
	struct ldi_io *io = bio->bi_private;

	if (bio->bi_status)
		cmpxchg(&io->error, 0, blk_status_to_errno(bio->bi_status));
	bio_put(bio);
	put_pending(io);
}

void ldi_io_submit(struct ldi_io *io)
{
	struct bio *bio = io->bio;

	if (!bio)
		return;
	io->bio = NULL;
	atomic_inc(&io->pending);
	submit_bio(bio);
}

static int new_bio(struct ldi_io *io, sector_t sector)
{
	struct bio *bio =
		bio_alloc(io->bdev, BIO_MAX_VECS,
			  io->write ? REQ_OP_WRITE | REQ_SYNC | REQ_IDLE : REQ_OP_READ, GFP_NOFS);

	if (!bio)
		return -ENOMEM;
	bio->bi_iter.bi_sector = sector;
	bio->bi_private = io;
	bio->bi_end_io = end_io;
	io->bio = bio;
	io->end = sector;
	return 0;
}

int ldi_io_add(struct ldi_io *io, struct cfs_page *page, u32 offset, u32 len, u64 disk_byte)
{
	sector_t sector = disk_byte >> SECTOR_SHIFT;
	int rc;

	if (io->bio && io->end == sector &&
	    bio_add_page(io->bio, (struct page *)page, len, offset) == len) {
		io->end += len >> SECTOR_SHIFT;
		return 0;
	}
	ldi_io_submit(io);
	rc = new_bio(io, sector);
	if (rc)
		return rc;
	if (bio_add_page(io->bio, (struct page *)page, len, offset) != len) {
		bio_put(io->bio);
		io->bio = NULL;
		return -EIO;
	}
	io->end += len >> SECTOR_SHIFT;
	return 0;
}

int ldi_io_wait(struct ldi_io *io)
{
	int error;

	ldi_io_submit(io);
	put_pending(io);
	wait_for_completion_io(&io->done);
	error = io->error;
	kfree(io);
	return error;
}
