/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Between the core of the object store on ldiskfs and its glue (linux/): opaque handles and thin
 * functions over ldiskfs_osd.h, the block layer and the quota code. The glue translates and decides
 * nothing; ldiskfs_osd.h has the contracts, and what differs from them is said here.
 *
 * Functions that return int give 0 or a negative errno. All of them sleep and run in a thread.
 * "Exclusive" and "shared" are the caller's to see to, per inode.
 */
#ifndef OSD_LDISKFS_GLUE_H
#define OSD_LDISKFS_GLUE_H

#include "libcfs/plat/base.h"
#include "libcfs/plat/page.h"

CFS_DECLS_BEGIN

/* ---- a mounted device ---- */

struct ldi_fs;
struct ldi_inode; /* the kernel's struct inode, with a reference */
struct ldi_tx;	  /* a running journal handle */

struct ldi_fs_info {
	uint32_t block_size;
	uint32_t inode_size;
	uint32_t first_inode;
	uint32_t features; /* LDI_F_* */
	uint32_t max_credits;
	uint32_t quota_init_credits;   /* for all types in use together */
	uint32_t quota_update_credits; /* likewise */
	uint64_t bytes_max;	       /* of a file, with extents */
	uint32_t link_max;
	bool rotational;
	bool read_only;
	uint8_t uuid[16];
	char label[17];
};
#define LDI_F_64BIT 0x1u
#define LDI_F_DIRDATA 0x2u
#define LDI_F_EA_INODE 0x4u
#define LDI_F_LARGE_DIR 0x8u
#define LDI_F_PROJECT 0x10u
#define LDI_F_QUOTA 0x20u

/* Mounts a device within the kernel. options may be NULL. */
int ldi_mount(const char *device, const char *options, bool read_only,
	      struct ldi_fs **out) CFS_NOEXCEPT;
/* Waits for inodes that are on their way out, then unmounts. */
void ldi_unmount(struct ldi_fs *fs) CFS_NOEXCEPT;
void ldi_info(struct ldi_fs *fs, struct ldi_fs_info *out) CFS_NOEXCEPT;
int ldi_enable_large_dir(struct ldi_fs *fs) CFS_NOEXCEPT;

struct ldi_space {
	uint64_t blocks, bfree, bavail, files, ffree;
};
int ldi_statfs(struct ldi_fs *fs, struct ldi_space *out) CFS_NOEXCEPT;
int ldi_sync(struct ldi_fs *fs) CFS_NOEXCEPT;
void ldi_start_commit(struct ldi_fs *fs) CFS_NOEXCEPT;
/* Ends the journal as if the device had failed; nothing more reaches the disk. */
void ldi_abort(struct ldi_fs *fs) CFS_NOEXCEPT;
/* Whether the journal has been aborted. */
bool ldi_aborted(struct ldi_fs *fs) CFS_NOEXCEPT;
/* type: 0 user, 1 group, 2 project. -EOPNOTSUPP: no accounting. */
int ldi_usage(struct ldi_fs *fs, unsigned int type, uint32_t id, uint64_t *bytes,
	      uint64_t *inodes) CFS_NOEXCEPT;

/* ---- transactions ---- */

/* A function to call when a transaction is on disk, in memory of the caller's. */
struct ldi_commit_cb {
	void *opaque[4];
	void (*committed)(struct ldi_commit_cb *cb, int error) CFS_NOEXCEPT;
};

/* Holds off freezing; ldi_tx_stop() ends that. */
int ldi_tx_start(struct ldi_fs *fs, int credits, int revokes, struct ldi_tx **out) CFS_NOEXCEPT;
/* cb may be NULL. */
int ldi_tx_stop(struct ldi_fs *fs, struct ldi_tx *tx, bool sync,
		struct ldi_commit_cb *cb) CFS_NOEXCEPT;
/* Room for so many more credits; 1: there is none in this transaction. */
int ldi_tx_ensure(struct ldi_tx *tx, int credits) CFS_NOEXCEPT;
/* Whether the calling thread runs a handle. */
bool ldi_in_tx(void) CFS_NOEXCEPT;

/* ---- inodes ---- */

/* A referenced inode, as from outside: -ESTALE when it is free or its generation differs
 * (generation 0: any). */
int ldi_iget(struct ldi_fs *fs, uint32_t ino, uint32_t generation,
	     struct ldi_inode **out) CFS_NOEXCEPT;
struct ldi_inode *ldi_igrab(struct ldi_inode *inode) CFS_NOEXCEPT;
/* Drops a reference. Within a handle, the last one goes from a work queue. NULL is fine. */
void ldi_iput(struct ldi_fs *fs, struct ldi_inode *inode) CFS_NOEXCEPT;

struct ldi_new {
	uint32_t mode, uid, gid, rdev;
	uint32_t goal;
	bool block_mapped;
};
/* The new inode is locked until ldi_unlock_new() or ldi_discard_new(), both of which it needs. */
int ldi_new_inode(struct ldi_tx *tx, struct ldi_inode *dir, const struct ldi_new *what,
		  struct ldi_inode **out) CFS_NOEXCEPT;
void ldi_unlock_new(struct ldi_inode *inode) CFS_NOEXCEPT;
void ldi_discard_new(struct ldi_tx *tx, struct ldi_inode *inode) CFS_NOEXCEPT;

struct ldi_time {
	int64_t sec;
	uint32_t nsec;
};
struct ldi_attr {
	uint32_t ino, generation, mode, uid, gid, projid, flags, nlink, rdev;
	uint64_t size, blocks, version;
	struct ldi_time atime, mtime, ctime, crtime;
};
void ldi_attr_get(struct ldi_inode *inode, struct ldi_attr *out) CFS_NOEXCEPT;
/* Sets what `which` names, in memory; ldi_dirty() brings it to disk. */
#define LDI_MODE 0x01u /* permissions */
#define LDI_ATIME 0x02u
#define LDI_MTIME 0x04u
#define LDI_CTIME 0x08u
#define LDI_CRTIME 0x10u
#define LDI_VERSION 0x20u
#define LDI_SIZE 0x40u
void ldi_attr_set(struct ldi_inode *inode, const struct ldi_attr *attr,
		  uint32_t which) CFS_NOEXCEPT;
/* which: 1 uid, 2 gid, 4 projid. Exclusive. */
int ldi_set_owner(struct ldi_tx *tx, struct ldi_inode *inode, const struct ldi_attr *attr,
		  uint32_t which) CFS_NOEXCEPT;
/* Exclusive. -EINVAL: flags that belong to the format of the inode. */
int ldi_set_flags(struct ldi_tx *tx, struct ldi_inode *inode, uint32_t set,
		  uint32_t clear) CFS_NOEXCEPT;
uint32_t ldi_settable_flags(void) CFS_NOEXCEPT;
int ldi_dirty(struct ldi_tx *tx, struct ldi_inode *inode) CFS_NOEXCEPT;
uint32_t ldi_ino(const struct ldi_inode *inode) CFS_NOEXCEPT;
uint32_t ldi_generation(const struct ldi_inode *inode) CFS_NOEXCEPT;
uint64_t ldi_size(const struct ldi_inode *inode) CFS_NOEXCEPT;

void ldi_inc_nlink(struct ldi_inode *inode) CFS_NOEXCEPT;
void ldi_dec_nlink(struct ldi_inode *inode) CFS_NOEXCEPT;
/* No link any more; the last reference frees it, or the next mount. Exclusive. */
int ldi_orphan(struct ldi_tx *tx, struct ldi_inode *inode) CFS_NOEXCEPT;
int ldi_orphan_add(struct ldi_tx *tx, struct ldi_inode *inode) CFS_NOEXCEPT;
int ldi_orphan_del(struct ldi_tx *tx, struct ldi_inode *inode) CFS_NOEXCEPT;

int ldi_set_symlink(struct ldi_tx *tx, struct ldi_inode *inode, const char *text,
		    unsigned int len) CFS_NOEXCEPT;
/* Its length, or -ERANGE. */
int ldi_get_symlink(struct ldi_inode *inode, char *buf, unsigned int size) CFS_NOEXCEPT;

/* ---- blocks ---- */

struct ldi_buf; /* the kernel's struct buffer_head */

/* *out is NULL for a hole. */
int ldi_read_block(struct ldi_inode *inode, uint32_t block, struct ldi_buf **out) CFS_NOEXCEPT;
int ldi_write_block(struct ldi_tx *tx, struct ldi_inode *inode, uint32_t block,
		    struct ldi_buf **out) CFS_NOEXCEPT;
int ldi_append_block(struct ldi_tx *tx, struct ldi_inode *inode, uint32_t *block,
		     struct ldi_buf **out) CFS_NOEXCEPT;
int ldi_get_write_access(struct ldi_tx *tx, struct ldi_inode *inode,
			 struct ldi_buf *buf) CFS_NOEXCEPT;
int ldi_dirty_block(struct ldi_tx *tx, struct ldi_inode *inode, struct ldi_buf *buf) CFS_NOEXCEPT;
void *ldi_data(struct ldi_buf *buf) CFS_NOEXCEPT;
void ldi_release(struct ldi_buf *buf) CFS_NOEXCEPT;
int ldi_free_blocks(struct ldi_inode *inode, uint32_t first, uint32_t end) CFS_NOEXCEPT;

struct ldi_map {
	uint32_t logical, count;
	uint64_t physical;
	uint32_t state;
};
#define LDI_MAPPED 1u
#define LDI_UNWRITTEN 2u
#define LDI_NEW 4u
/* flags: as LDISKFS_OSD_MAP_*. */
#define LDI_CREATE 1u
#define LDI_CREATE_UNWRITTEN 3u
int ldi_map_blocks(struct ldi_tx *tx, struct ldi_inode *inode, struct ldi_map *map,
		   unsigned int flags) CFS_NOEXCEPT;
int ldi_chunk_credits(struct ldi_inode *inode, int blocks) CFS_NOEXCEPT;

/* ---- reading and writing pages, past the page cache ---- */

struct ldi_io;

/* NULL: no memory. */
struct ldi_io *ldi_io_begin(struct ldi_fs *fs, bool write) CFS_NOEXCEPT;
/* A piece of a page, and where on the device it is; whole sectors. Adjacent pieces travel together.
 */
int ldi_io_add(struct ldi_io *io, struct cfs_page *page, uint32_t offset, uint32_t len,
	       uint64_t disk_byte) CFS_NOEXCEPT;
/* Sends what has been gathered. */
void ldi_io_submit(struct ldi_io *io) CFS_NOEXCEPT;
/* Waits for all of it, gives the first error, and frees it. */
int ldi_io_wait(struct ldi_io *io) CFS_NOEXCEPT;

/* ---- directories ---- */

int ldi_init_dir(struct ldi_tx *tx, struct ldi_inode *dir, uint32_t parent_ino) CFS_NOEXCEPT;
int ldi_add_entry(struct ldi_tx *tx, struct ldi_inode *dir, const char *name, unsigned int len,
		  struct ldi_inode *inode) CFS_NOEXCEPT;
int ldi_find_entry(struct ldi_inode *dir, const char *name, unsigned int len,
		   uint32_t *ino) CFS_NOEXCEPT;
int ldi_delete_entry(struct ldi_tx *tx, struct ldi_inode *dir, const char *name,
		     unsigned int len) CFS_NOEXCEPT;
int ldi_set_dotdot(struct ldi_tx *tx, struct ldi_inode *dir, uint32_t parent_ino) CFS_NOEXCEPT;
bool ldi_dir_empty(struct ldi_inode *dir) CFS_NOEXCEPT;

struct ldi_dir;
struct ldi_entry {
	const char *name;
	uint32_t name_len;
	uint32_t ino;
	uint32_t mode; /* S_IFMT bits, 0 if not known */
	uint64_t pos;
};
typedef bool (*ldi_dir_fn)(void *arg, const struct ldi_entry *entry);

int ldi_dir_open(struct ldi_inode *dir, struct ldi_dir **out) CFS_NOEXCEPT;
void ldi_dir_close(struct ldi_dir *cursor) CFS_NOEXCEPT;
int ldi_dir_read(struct ldi_dir *cursor, uint64_t *pos, ldi_dir_fn fn, void *arg) CFS_NOEXCEPT;

/* ---- extended attributes ---- */

#define LDI_XATTR_USER 1
#define LDI_XATTR_ACL_ACCESS 2
#define LDI_XATTR_ACL_DEFAULT 3
#define LDI_XATTR_TRUSTED 4
#define LDI_XATTR_SECURITY 6
/* The size, or an errno; name is NUL-terminated. ACLs are in the disk's form. */
int ldi_xattr_get(struct ldi_inode *inode, int index, const char *name, void *value,
		  size_t size) CFS_NOEXCEPT;
/* value NULL: remove. flags: 1 create, 2 replace. */
int ldi_xattr_set(struct ldi_tx *tx, struct ldi_inode *inode, int index, const char *name,
		  const void *value, size_t size, int flags) CFS_NOEXCEPT;
long ldi_xattr_list(struct ldi_inode *inode, char *buf, size_t size) CFS_NOEXCEPT;
int ldi_xattr_credits(struct ldi_fs *fs, struct ldi_inode *inode, size_t size,
		      bool create) CFS_NOEXCEPT;

/* ---- the core's, called by glue ---- */

/* Before the module goes; no device is mounted. */
void osd_ldiskfs_stop(void) CFS_NOEXCEPT;

CFS_DECLS_END

#endif
