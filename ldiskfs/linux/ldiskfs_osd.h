/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What ldiskfs offers to an object store (spec 07, sections 1 and 2).
 *
 * ldiskfs.ko is the kernel's ext4 under another name (Documentation/ldiskfs.md).  An object store
 * works below the VFS: it runs many changes in one journal transaction, names inodes by number and
 * edits directories itself.  These functions let it do so.  They use only the kernel's own types,
 * so their users never see ext4's internals, and they are the same for every kernel.
 *
 * Rules that hold for all of them:
 *
 * - Every function may sleep and is called from process context.  A function that takes a handle
 *   must run in the task that started that handle.
 * - Functions that return int give 0 or a negative errno; functions that return a pointer give an
 *   ERR_PTR(), never NULL unless stated.
 * - Exclusion is the caller's: with a lock of its own it sees to it that a call marked "exclusive"
 *   is the only use of that inode, and that nothing changes the inode while one marked "shared"
 *   runs.  It never takes i_rwsem.  A lock that is taken inside handles must not be held when one
 *   is started; so truncation, which starts handles, needs a lock of its own, taken before.
 * - Nothing here changes an inode's times or version on its own account, except
 *   ldiskfs_osd_new_inode(), which sets them first, and ldiskfs_osd_truncate() as stated there.
 *   The object store owns both.  Changes it makes in memory reach the disk with
 *   ldiskfs_osd_mark_inode_dirty().
 * - A failed change does not undo the changes made before it in the same handle.
 */
#ifndef LDISKFS_OSD_H
#define LDISKFS_OSD_H

#include <linux/buffer_head.h>
#include <linux/fs.h>
#include <linux/jbd2.h>

/*
 * Super block
 */

/* Bits of ldiskfs_osd_super.features. */
#define LDISKFS_OSD_EXTENTS 0x0001u
#define LDISKFS_OSD_64BIT 0x0002u
#define LDISKFS_OSD_DIRDATA 0x0004u
#define LDISKFS_OSD_EA_INODE 0x0008u
#define LDISKFS_OSD_LARGE_DIR 0x0010u
#define LDISKFS_OSD_DIR_INDEX 0x0020u
#define LDISKFS_OSD_QUOTA 0x0040u
#define LDISKFS_OSD_PROJECT 0x0080u
#define LDISKFS_OSD_MMP 0x0100u
#define LDISKFS_OSD_METADATA_CSUM 0x0200u
#define LDISKFS_OSD_BIGALLOC 0x0400u

struct ldiskfs_osd_super {
	u32 features;	  /* LDISKFS_OSD_* */
	u32 inode_size;	  /* bytes of an inode on disk */
	u32 inodes_count; /* inode numbers are 1 to this, both included */
	u32 inodes_per_group;
	u32 first_inode;    /* below it inode numbers are reserved, except 2, the root */
	u32 cluster_size;   /* unit of block allocation in bytes; the block size without bigalloc */
	u32 quota_inode[3]; /* of the user, group and project quota files; 0: there is none */
	int max_credits;    /* most credits one handle can ask for, see ldiskfs_osd_start() */
	int quota_init_credits;	  /* first use of an id by an inode, per quota type in use */
	int quota_update_credits; /* change of a known id's usage, per quota type in use */
};

/*
 * Prepares a mounted file system for an object store and checks that it can carry one.  Call it
 * once, right after the mount and before anything else here.  From then on ext4 neither counts
 * i_version up nor applies POSIX ACLs or the umask of its own accord.
 *
 * -EINVAL: not an ldiskfs file system, or it has no journal; -EOPNOTSUPP: it has a feature an
 * object store cannot live with (fast_commit, inline_data).  Both with a message on the console.
 */
int ldiskfs_osd_attach(struct super_block *sb);

/* After ldiskfs_osd_attach(). */
void ldiskfs_osd_super_info(struct super_block *sb, struct ldiskfs_osd_super *info);

/* Sets the large_dir feature in the super block, in a transaction of its own, if it is missing. */
int ldiskfs_osd_enable_large_dir(struct super_block *sb);

/* Records an error in the super block and does what errors= says; where: __func__, line: __LINE__
 */
void ldiskfs_osd_error(struct super_block *sb, const char *where, unsigned int line, int error);

/*
 * Transactions
 */

/*
 * Starts a handle that may dirty `credits` metadata blocks and revoke `revokes` of them.  If this
 * task already runs a handle, that one is returned with one more reference, its credits unchanged.
 * The caller holds freeze protection (sb_start_write()).
 *
 * More credits than ldiskfs_osd_super.max_credits give -ENOSPC; a read-only file system or an
 * aborted journal -EROFS.
 */
handle_t *ldiskfs_osd_start(struct super_block *sb, int credits, int revokes);

/* Ends the handle; with handle->h_sync set, waits until the transaction is on disk. */
int ldiskfs_osd_stop(handle_t *handle);

/*
 * Makes sure the handle has at least `credits` and `revokes` left, extending it if need be. Returns
 * 1 if the running transaction has no room: the caller has to stop the handle and start another.
 */
int ldiskfs_osd_ensure_credits(handle_t *handle, int credits, int revokes);

/*
 * A function to call after the transaction of a handle is on disk.  Embed it in an object that
 * lives until then.  It runs once, in the journal's commit thread: it must be short and must not
 * wait for the journal.  error is 0 or, if the journal was aborted and the transaction is lost,
 * negative. At unmount all callbacks have run before the super block goes away.
 */
struct ldiskfs_osd_commit_cb {
	struct {
		struct list_head list;
		void *func;
	} entry; /* private to ldiskfs */
	void (*committed)(struct super_block *sb, struct ldiskfs_osd_commit_cb *cb, int error);
};

/*
 * Registers the callback with the transaction the handle belongs to now.  A handle that is
 * restarted moves to another transaction: register last, just before ldiskfs_osd_stop().
 */
void ldiskfs_osd_on_commit(handle_t *handle, struct ldiskfs_osd_commit_cb *cb);

/* Commits everything and waits until the disk has it. */
int ldiskfs_osd_sync(struct super_block *sb);

/* Starts committing the running transaction, if there is one, and does not wait. */
void ldiskfs_osd_start_commit(struct super_block *sb);

/*
 * Inodes
 */

/* Flags of ldiskfs_osd_iget(). */
#define LDISKFS_OSD_IGET_SPECIAL 0x1u /* reserved inodes too, such as the quota files */
#define LDISKFS_OSD_IGET_HANDLE 0x2u  /* ino comes from outside: -ESTALE if free, no fs error */

/*
 * Gives a referenced inode; iput() it, outside of any handle if it may be its last reference and
 * nlink is 0.  Do not call it within a handle for an inode that may have to be read from disk.
 */
struct inode *ldiskfs_osd_iget(struct super_block *sb, u32 ino, unsigned int flags);

struct ldiskfs_osd_new {
	umode_t mode;	   /* type and permissions */
	u32 uid, gid;	   /* the quota of these is charged from the start */
	dev_t rdev;	   /* device nodes */
	u32 goal;	   /* inode number to start the search at; 0: choose by directory */
	bool block_mapped; /* use the old block map even if the file system has extents */
};

/*
 * Allocates an inode near `dir` without entering it anywhere.  `dir` has to be linked (nlink > 0);
 * the new inode gets its inheritable flags, and its project id if it has the PROJINHERIT flag.
 *
 * Returned with one reference, I_NEW, nlink 1, version 0, size 0, all times now.  The caller sets
 * what it wants, marks it dirty, enters it and ends with unlock_new_inode(); or gives up with
 * ldiskfs_osd_discard_new(), then stops the handle and calls iput().
 */
struct inode *ldiskfs_osd_new_inode(handle_t *handle, struct inode *dir,
				    const struct ldiskfs_osd_new *what);

void ldiskfs_osd_discard_new(handle_t *handle, struct inode *inode);

/*
 * Writes the target (no NUL, not empty, shorter than a block) into a new symlink: within the inode
 * up to 59 bytes, else into a block, for which the handle needs the credits of a one-block write.
 */
int ldiskfs_osd_set_symlink(handle_t *handle, struct inode *inode, const char *target,
			    unsigned int len);

/* Copies a symlink's target; returns its length, or -ERANGE if it is longer than size. */
int ldiskfs_osd_get_symlink(struct inode *inode, char *buf, unsigned int size);

int ldiskfs_osd_mark_inode_dirty(handle_t *handle, struct inode *inode);

/* The 64-bit version kept in the inode's i_version words; the top bit does not survive. */
u64 ldiskfs_osd_get_version(const struct inode *inode);
void ldiskfs_osd_set_version(struct inode *inode, u64 version);

struct ldiskfs_osd_times {
	struct timespec64 atime, mtime, ctime, crtime;
};

void ldiskfs_osd_get_times(const struct inode *inode, struct ldiskfs_osd_times *times);

#define LDISKFS_OSD_ATIME 0x1u
#define LDISKFS_OSD_MTIME 0x2u
#define LDISKFS_OSD_CTIME 0x4u
#define LDISKFS_OSD_CRTIME 0x8u

/* Sets the times named in `which` in memory. */
void ldiskfs_osd_set_times(struct inode *inode, const struct ldiskfs_osd_times *times,
			   unsigned int which);

/* The flags as on disk: FS_*_FL of linux/fs.h, with FS_INDEX_FL and FS_EXTENT_FL among them. */
u32 ldiskfs_osd_get_flags(const struct inode *inode);

/*
 * Sets and clears flags, and marks the inode dirty.  Only flags without a meaning for the inode's
 * format can be changed (see LDISKFS_OSD_FLAGS_SETTABLE); others give -EINVAL.  Exclusive; the
 * journal data flag only while nothing of the inode is in the page cache.
 */
#define LDISKFS_OSD_FLAGS_SETTABLE                                                                 \
	(FS_SECRM_FL | FS_UNRM_FL | FS_SYNC_FL | FS_IMMUTABLE_FL | FS_APPEND_FL | FS_NODUMP_FL |   \
	 FS_NOATIME_FL | FS_JOURNAL_DATA_FL | FS_DIRSYNC_FL | FS_TOPDIR_FL | FS_PROJINHERIT_FL)
int ldiskfs_osd_set_flags(handle_t *handle, struct inode *inode, u32 set, u32 clear);

u32 ldiskfs_osd_get_projid(const struct inode *inode);

/* Fields of ldiskfs_osd_owner to change. */
#define LDISKFS_OSD_UID 0x1u
#define LDISKFS_OSD_GID 0x2u
#define LDISKFS_OSD_PROJID 0x4u

struct ldiskfs_osd_owner {
	u32 uid, gid, projid;
};

/*
 * Gives the inode to others, moves its quota usage along and marks it dirty.  Per type the handle
 * needs quota_init_credits for the new id and quota_update_credits for the old one.  Exclusive.
 * -EOPNOTSUPP: a project id, and the file system or this inode has no room for one.
 */
int ldiskfs_osd_set_owner(handle_t *handle, struct inode *inode,
			  const struct ldiskfs_osd_owner *owner, unsigned int which);

/* Count links in memory; a directory's stay 1 once they passed 65000, and never fall below 2. */
void ldiskfs_osd_inc_nlink(struct inode *inode);
void ldiskfs_osd_dec_nlink(struct inode *inode);

/*
 * The list of inodes whose truncation or removal a crash must not forget.  Exclusive.  Taking an
 * inode with nlink 0 off the list is the business of its last iput(), which frees it.
 */
int ldiskfs_osd_orphan_add(handle_t *handle, struct inode *inode);
int ldiskfs_osd_orphan_del(handle_t *handle, struct inode *inode);

/*
 * The next inode in use with a number of at least `from`, by the inode bitmaps: 0, or -ENOENT after
 * the last.  Reserved inodes are reported like others.  The inode may be gone when it is looked up.
 */
int ldiskfs_osd_next_inode(struct super_block *sb, u32 from, u32 *ino);

/*
 * Blocks
 */

/* Sets the size in memory, both the VFS's and the one that goes to disk.  Exclusive. */
void ldiskfs_osd_set_size(struct inode *inode, loff_t size);

/*
 * Frees the blocks behind i_size in transactions of its own, and takes the inode off the orphan
 * list. Exclusive; no handle running.  The caller has set the size and cut the page cache.  The
 * times stay as they are, but a crash may leave the moment of the truncation on disk.
 */
int ldiskfs_osd_truncate(struct inode *inode);

/*
 * Frees the blocks from `first` to before `end` of the file in transactions of its own; end 0: all
 * from `first` on.  Unlike ldiskfs_osd_truncate() it leaves alone what i_size cuts a block into,
 * the page cache, the times, and the orphan list.  Exclusive; no handle running.
 */
int ldiskfs_osd_free_blocks(struct inode *inode, u32 first, u32 end);

/*
 * Flags of ldiskfs_osd_map_blocks().  CREATE allocates what is missing and makes unwritten blocks
 * written.  With CREATE and UNWRITTEN, what is missing is allocated as unwritten and nothing else
 * changes.  EXACT: do not preallocate beyond the request.
 */
#define LDISKFS_OSD_MAP_CREATE 0x1u
#define LDISKFS_OSD_MAP_UNWRITTEN 0x2u
#define LDISKFS_OSD_MAP_EXACT 0x4u

/*
 * What a range is.  Neither MAPPED nor UNWRITTEN: a hole.  UNWRITTEN: allocated, reads as zero.
 * NEW: allocated just now; the block device's own buffers of these blocks are gone.
 */
#define LDISKFS_OSD_MAPPED 0x1u
#define LDISKFS_OSD_IS_UNWRITTEN 0x2u
#define LDISKFS_OSD_IS_NEW 0x4u

struct ldiskfs_osd_map {
	u32 logical;  /* in: first block of the file */
	u32 count;    /* in: blocks wanted; out: blocks this answer is about, at least 1 */
	u64 physical; /* out: first block on disk, if mapped */
	u32 state;    /* out: LDISKFS_OSD_MAPPED etc. */
};

/*
 * Maps a range of the file to one range of the disk, or reports the hole there.  handle may be NULL
 * without CREATE.  Does not change i_size.
 */
int ldiskfs_osd_map_blocks(handle_t *handle, struct inode *inode, struct ldiskfs_osd_map *map,
			   unsigned int flags);

/* Credits for allocating `blocks` adjacent blocks that come as one extent. */
int ldiskfs_osd_chunk_credits(struct inode *inode, int blocks);

/* Gives the inode what jbd2 needs to order its data before a commit. */
int ldiskfs_osd_attach_jinode(struct inode *inode);

/* Reads block `block` of the file: a referenced buffer, or NULL for a hole. */
struct buffer_head *ldiskfs_osd_read_block(struct inode *inode, u32 block);

/*
 * Gives a block of the file to be changed under the handle, as journalled metadata: a referenced,
 * up to date buffer with write access.  A missing block is allocated and zeroed.  Does not change
 * i_size. After changing b_data: ldiskfs_osd_dirty_block(), then brelse().
 */
struct buffer_head *ldiskfs_osd_write_block(handle_t *handle, struct inode *inode, u32 block);

/* The same for a new block at the end of the file; the size grows by one block.  Exclusive. */
struct buffer_head *ldiskfs_osd_append_block(handle_t *handle, struct inode *inode, u32 *block);

/* Asks for write access to a buffer the caller holds. */
int ldiskfs_osd_get_write_access(handle_t *handle, struct super_block *sb, struct buffer_head *bh);

int ldiskfs_osd_dirty_block(handle_t *handle, struct inode *inode, struct buffer_head *bh);

/*
 * Directories
 *
 * Names are byte strings of 1 to 255 bytes, not NUL-terminated.  `data` is what the dirdata feature
 * stores behind a name; without the feature it has to be empty (-EOPNOTSUPP otherwise).
 */

struct ldiskfs_osd_name {
	const char *name;
	unsigned int len;
	const void *data;
	unsigned int data_len;
};

struct ldiskfs_osd_entry {
	const char *name; /* only while iterating */
	unsigned int name_len;
	u32 ino;
	unsigned int type; /* DT_*, DT_UNKNOWN without the filetype feature */
	u64 pos;	   /* only while iterating: the position of this entry */
	const void *data;  /* with dirdata: what is stored behind the name */
	unsigned int data_len;
};

/* Writes "." and ".." into a new directory and sets its size and nlink 2. */
int ldiskfs_osd_init_dir(handle_t *handle, struct inode *dir, u32 parent_ino,
			 const struct ldiskfs_osd_name *dotdot);

/* Enters `inode` under a name.  The caller has made sure that the name is free.  Exclusive. */
int ldiskfs_osd_add_entry(handle_t *handle, struct inode *dir, const struct ldiskfs_osd_name *name,
			  struct inode *inode);

/* Finds a name, "." and ".." included; -ENOENT if there is none.  Shared. */
int ldiskfs_osd_find_entry(struct inode *dir, const struct ldiskfs_osd_name *name,
			   struct ldiskfs_osd_entry *entry);

/*
 * Removes a name, but not "." or "..".  If ino is not 0 and the name stands for another inode
 * nothing is done: -ESTALE.  Exclusive.
 */
int ldiskfs_osd_delete_entry(handle_t *handle, struct inode *dir,
			     const struct ldiskfs_osd_name *name, u32 ino);

/* Points ".." of a directory to another parent.  Exclusive. */
int ldiskfs_osd_set_dotdot(handle_t *handle, struct inode *dir, u32 parent_ino,
			   const struct ldiskfs_osd_name *dotdot);

/* Whether a directory holds nothing but "." and "..".  Shared. */
bool ldiskfs_osd_dir_is_empty(struct inode *dir);

/*
 * The position a name has in an indexed directory: its hash, (major >> 1) << 32 | minor.  It does
 * not depend on what else is in the directory.
 */
int ldiskfs_osd_name_position(struct inode *dir, const struct ldiskfs_osd_name *name, u64 *pos);

/* The position behind the last entry. */
#define LDISKFS_OSD_DIR_END ((1ULL << 63) - 1)

/* A reader's place in a directory; not for use by two tasks at once.  Holds no inode reference. */
struct ldiskfs_osd_dir;

/* Called for each entry; false stops the iteration, and the entry then counts as not delivered. */
typedef bool (*ldiskfs_osd_dir_fn)(void *arg, const struct ldiskfs_osd_entry *entry);

struct ldiskfs_osd_dir *ldiskfs_osd_dir_open(struct inode *dir);
void ldiskfs_osd_dir_close(struct ldiskfs_osd_dir *cursor);

/*
 * Delivers the entries from *pos on, in order of their positions, and leaves in *pos where to go
 * on: LDISKFS_OSD_DIR_END at the end.  Names with the same position form a group, which is repeated
 * if the iteration stops within it and goes on with another cursor.
 *
 * Shared, and not within a handle.  Between two calls the directory may change: what is added or
 * removed then may or may not be seen, all else is seen once.
 */
int ldiskfs_osd_dir_read(struct ldiskfs_osd_dir *cursor, u64 *pos, ldiskfs_osd_dir_fn fn,
			 void *arg);

/*
 * Extended attributes
 *
 * `index` is the number the disk format has for a name space; `name` is the rest of the name, such
 * as "lma" of "trusted.lma", and "" for the two ACLs.  ACL values are in the disk's compact form.
 */
#define LDISKFS_OSD_XATTR_USER 1
#define LDISKFS_OSD_XATTR_ACL_ACCESS 2
#define LDISKFS_OSD_XATTR_ACL_DEFAULT 3
#define LDISKFS_OSD_XATTR_TRUSTED 4
#define LDISKFS_OSD_XATTR_SECURITY 6

/* Returns the size of the value; -ENODATA: there is none; -ERANGE: size is not 0 but too small. */
int ldiskfs_osd_xattr_get(struct inode *inode, int index, const char *name, void *value,
			  size_t size);

/*
 * Sets an attribute, or removes it if value is NULL (removing what is not there is no error). flags
 * may be XATTR_CREATE or XATTR_REPLACE.  Exclusive.
 *
 * If the handle has too few credits left it is extended; if that cannot be done the result is
 * -ENOSPC and nothing has changed.  Ask ldiskfs_osd_xattr_credits() when the transaction is
 * planned.
 */
int ldiskfs_osd_xattr_set(handle_t *handle, struct inode *inode, int index, const char *name,
			  const void *value, size_t size, int flags);

/*
 * Full names ("trusted.lma"), each with its NUL; returns their total length.  size 0 only counts;
 * -ERANGE: size is too small.
 */
ssize_t ldiskfs_osd_xattr_list(struct inode *inode, char *buf, size_t size);

/*
 * Most credits that setting one attribute of `size` bytes can take.  inode NULL: for an inode yet
 * to be made; create: the attribute is known not to exist.
 */
int ldiskfs_osd_xattr_credits(struct super_block *sb, struct inode *inode, size_t size,
			      bool create);

#endif /* LDISKFS_OSD_H */
