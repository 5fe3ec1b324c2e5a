/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Boundary between the client's core (lustre/client, C++) and a virtual file system: Linux's
 * (lustre/client/llite/linux, C glue) or the small one that hosted tests and the simulator use
 * (lustre/client/host). Compiles as C11 and C++23.
 *
 * Who owns what. The VFS owns names in memory (dentries), inodes and file pages. The core owns what
 * makes them true: locks, layouts, connections, open handles at the server. Each VFS inode has one
 * core object (lustre_inode) from the moment it is made until it is evicted; the core never keeps a
 * VFS inode alive by itself, except between vfs_iget() and the return of the call that got it.
 *
 * Context. Everything here may sleep unless it says otherwise, and is called without spinlocks.
 * lustre_* functions are the core's and run in the thread of the system call, of write-back, or of
 * reclaim where it says so. vfs_* functions are the VFS's; the core calls them also from the
 * threads that handle lock callbacks, so they must not wait for a lock that a system call holds
 * while it waits for the core: no inode lock, no page lock of a page whose read has not been
 * submitted.
 *
 * Return codes are 0 (or a count) or a negative errno. Names are bytes with a length, no NUL.
 */
#ifndef LUSTRE_CLIENT_PLAT_VFS_H
#define LUSTRE_CLIENT_PLAT_VFS_H

#include "libcfs/plat/base.h"
#include "libcfs/plat/page.h"
#include "plat_statfs.h"

CFS_DECLS_BEGIN

struct lustre_mount; /* core: a mounted file system */
struct lustre_inode; /* core: an inode of it */
struct lustre_open;  /* core: an open file */
struct lustre_io;    /* core: one read, write or fault in progress */
struct vfs_super;    /* VFS: the super block */
struct vfs_inode;    /* VFS: the inode */

struct lustre_fid {
	uint64_t seq;
	uint32_t oid;
	uint32_t ver;
};

/* ---- attributes ---- */

enum lustre_attr_valid {
	LUSTRE_ATTR_TYPE = 1u << 0, /* the format bits of mode */
	LUSTRE_ATTR_MODE = 1u << 1, /* the permission bits of mode */
	LUSTRE_ATTR_UID = 1u << 2,
	LUSTRE_ATTR_GID = 1u << 3,
	LUSTRE_ATTR_NLINK = 1u << 4,
	LUSTRE_ATTR_RDEV = 1u << 5,
	LUSTRE_ATTR_SIZE = 1u << 6,
	LUSTRE_ATTR_BLOCKS = 1u << 7,
	LUSTRE_ATTR_ATIME = 1u << 8,
	LUSTRE_ATTR_MTIME = 1u << 9,
	LUSTRE_ATTR_CTIME = 1u << 10,
	LUSTRE_ATTR_BTIME = 1u << 11,
	LUSTRE_ATTR_FLAGS = 1u << 12,
	LUSTRE_ATTR_PROJID = 1u << 13,
	/* only in lustre_setattr() */
	LUSTRE_ATTR_ATIME_SET = 1u << 16, /* to the given time rather than to now */
	LUSTRE_ATTR_MTIME_SET = 1u << 17,
	LUSTRE_ATTR_KILL_SUID = 1u << 18,
	LUSTRE_ATTR_KILL_SGID = 1u << 19,
	LUSTRE_ATTR_OPEN = 1u << 20, /* the truncation of open(O_TRUNC) */
	LUSTRE_ATTR_FORCE = 1u << 21,
	LUSTRE_ATTR_FILE = 1u << 22, /* through an open file: ftruncate() */
};

/* Inode flags, the bits of FS_IOC_GETFLAGS. */
#define LUSTRE_INODE_SYNC 0x8u
#define LUSTRE_INODE_IMMUTABLE 0x10u
#define LUSTRE_INODE_APPEND 0x20u
#define LUSTRE_INODE_NODUMP 0x40u
#define LUSTRE_INODE_NOATIME 0x80u
#define LUSTRE_INODE_DIRSYNC 0x10000u
#define LUSTRE_INODE_PROJINHERIT 0x20000000u

struct lustre_attr {
	uint32_t valid; /* enum lustre_attr_valid */
	uint32_t mode;
	uint32_t uid; /* in the initial user namespace */
	uint32_t gid;
	uint32_t nlink;
	uint32_t flags;
	uint32_t projid;
	uint32_t blksize;
	uint64_t rdev;	 /* as the kernel's dev_t: driver << 20 | device */
	uint64_t size;	 /* bytes */
	uint64_t blocks; /* units of 512 bytes */
	int64_t atime;	 /* seconds since 1970 */
	int64_t mtime;
	int64_t ctime;
	int64_t btime;
};

/* Who asks: of the calling thread. */
struct lustre_cred {
	uint32_t uid;
	uint32_t gid;
	uint32_t fsuid;
	uint32_t fsgid;
	uint64_t caps; /* effective capabilities, bit n for capability n */
	uint32_t umask;
};

/* ---- mount ---- */

struct lustre_mount_info {
	struct lustre_fid root;
	uint32_t dev;	   /* kernel device number of all clients of the file system */
	uint32_t name_max; /* bytes of a name */
	uint64_t size_max; /* bytes of a file */
	bool read_only;	   /* the servers allow no more */
	bool acl;	   /* POSIX ACLs are in force */
	bool user_xattr;
	unsigned int read_pages; /* the largest read or write of one RPC, in pages */
};

/* Mounts: `options` as mount(2) brought them (spec 06 section 1.2), NUL-terminated. On success the
 * mount is connected and *out is to be ended by lustre_umount(). Killable. */
int lustre_mount(struct cfs_node *node, struct vfs_super *sb, const char *options, bool read_only,
		 struct lustre_mount **out, struct lustre_mount_info *info) CFS_NOEXCEPT;
/* The root inode, with a reference as vfs_iget() gives. */
int lustre_mount_root(struct lustre_mount *m, struct vfs_inode **out) CFS_NOEXCEPT;
/* umount -f: wake whoever waits for a server, let nobody wait again. Does not sleep for servers. */
void lustre_umount_begin(struct lustre_mount *m) CFS_NOEXCEPT;
/* Nobody uses the mount any more, and nothing in it is dirty: from here on locks that servers take
 * back reach no inode, and none is held for one that was taken back before. Sleeps. */
void lustre_umount_prepare(struct lustre_mount *m) CFS_NOEXCEPT;
/* Every inode is gone. Disconnects and frees. */
void lustre_umount(struct lustre_mount *m) CFS_NOEXCEPT;
int lustre_remount(struct lustre_mount *m, bool read_only) CFS_NOEXCEPT;
/* The module goes: no mount is left, and none comes. Ends what mounts shared. */
void lustre_core_stop(void) CFS_NOEXCEPT;
/* The options column of /proc/mounts, beginning with a comma; returns its length, at most n. */
size_t lustre_show_options(struct lustre_mount *m, char *buf, size_t n) CFS_NOEXCEPT;

int lustre_statfs(struct lustre_mount *m, struct lustre_statfs *out) CFS_NOEXCEPT;

/* ---- inodes: life ---- */

/* The VFS has made an inode for `fid`, and calls this before anyone else sees it. */
int lustre_inode_make(struct lustre_mount *m, struct vfs_inode *vi, const struct lustre_fid *fid,
		      uint32_t mode, struct lustre_inode **out) CFS_NOEXCEPT;
/* The VFS drops it: its pages are gone, nothing is open. Reclaim may call: memory that this takes
 * is allocated without recursion into file systems. Gives back locks and open handles.
 * What lustre_name_valid() and lustre_permission_cached() read stays in memory until the RCU read
 * sections of now have ended. */
void lustre_inode_evict(struct lustre_inode *i) CFS_NOEXCEPT;
/* Numbers of an inode (spec 06 section 2.1). No sleep. */
uint64_t lustre_ino(const struct lustre_fid *fid) CFS_NOEXCEPT;
uint32_t lustre_ino32(const struct lustre_fid *fid) CFS_NOEXCEPT;
uint32_t lustre_generation(const struct lustre_fid *fid) CFS_NOEXCEPT;
void lustre_inode_fid(const struct lustre_inode *i, struct lustre_fid *out) CFS_NOEXCEPT;

/* ---- names ---- */

/*
 * What a lookup found. A VFS remembers `stamp` with the name; lustre_name_valid() tells later
 * whether that memory still holds, because the client kept the lock that guards it ever since.
 * Stamp 0 is never valid: use the answer once.
 */
struct lustre_found {
	struct vfs_inode *inode; /* NULL: no such name; else with a reference of vfs_iget() */
	uint32_t stamp;
};

enum lustre_lookup_flags {
	LUSTRE_LOOKUP_OPEN = 1u << 0,	/* the last part of open(2) */
	LUSTRE_LOOKUP_CREATE = 1u << 1, /* something is to be made under this name */
	LUSTRE_LOOKUP_EXCL = 1u << 2,
	LUSTRE_LOOKUP_PARENT = 1u << 3, /* on the way to another name */
};

/* Looks a name up in a directory. A missing name is success with no inode. */
int lustre_lookup(struct lustre_inode *dir, const char *name, size_t n, uint32_t flags,
		  struct lustre_found *out) CFS_NOEXCEPT;
/* By FID: for file handles. -ESTALE when there is no such object. */
int lustre_lookup_fid(struct lustre_mount *m, const struct lustre_fid *fid,
		      struct lustre_found *out) CFS_NOEXCEPT;
/* Whether a name found with that stamp still stands for inode i; for a missing name (negative)
 * i is the directory. Any context, RCU read sections included. */
bool lustre_name_valid(const struct lustre_inode *i, uint32_t stamp, bool negative) CFS_NOEXCEPT;

/* The new object is made with mode (umask not applied), owned by the calling thread's fsuid. */
int lustre_create(struct lustre_inode *dir, const char *name, size_t n, uint32_t mode,
		  struct lustre_found *out) CFS_NOEXCEPT;
int lustre_mkdir(struct lustre_inode *dir, const char *name, size_t n, uint32_t mode,
		 struct lustre_found *out) CFS_NOEXCEPT;
int lustre_mknod(struct lustre_inode *dir, const char *name, size_t n, uint32_t mode, uint64_t rdev,
		 struct lustre_found *out) CFS_NOEXCEPT;
int lustre_symlink(struct lustre_inode *dir, const char *name, size_t n, const char *target,
		   size_t target_n, struct lustre_found *out) CFS_NOEXCEPT;
int lustre_link(struct lustre_inode *i, struct lustre_inode *dir, const char *name,
		size_t n) CFS_NOEXCEPT;
/* victim: what the VFS believes is there. */
int lustre_unlink(struct lustre_inode *dir, const char *name, size_t n,
		  struct lustre_inode *victim) CFS_NOEXCEPT;
int lustre_rmdir(struct lustre_inode *dir, const char *name, size_t n,
		 struct lustre_inode *victim) CFS_NOEXCEPT;
/* target: what is under the new name, or NULL. */
int lustre_rename(struct lustre_inode *from, const char *name, size_t n, struct lustre_inode *i,
		  struct lustre_inode *to, const char *new_name, size_t new_n,
		  struct lustre_inode *target) CFS_NOEXCEPT;
/* Writes the target of a symbolic link, no NUL; returns its length, or -ERANGE. */
long lustre_readlink(struct lustre_inode *i, char *buf, size_t n) CFS_NOEXCEPT;

/* ---- directories ---- */

/* Gives one entry to the reader; false: it is full, this entry comes again next time. `pos` is
 * the position of this entry. */
typedef bool (*lustre_dirent_fn)(void *ctx, const char *name, size_t n, uint64_t pos, uint64_t ino,
				 unsigned int dt_type);
/* Reads entries from position *pos on until the reader is full or the directory ends; leaves the
 * next position there (spec 06 section 12). narrow: positions of 32 bits. */
int lustre_readdir(struct lustre_open *o, uint64_t *pos, bool narrow, lustre_dirent_fn emit,
		   void *ctx) CFS_NOEXCEPT;

/* ---- attributes ---- */

enum lustre_getattr_flags {
	LUSTRE_GETATTR_CACHED = 1u << 0, /* AT_STATX_DONT_SYNC: no RPC when anything is known */
};
/* `want` (lustre_attr_valid) decides what is asked: without size, blocks and mtime no object
 * server is. */
int lustre_getattr(struct lustre_inode *i, uint32_t want, uint32_t flags,
		   struct lustre_attr *out) CFS_NOEXCEPT;
/* Changes what attr->valid names; the VFS has checked permission. o: the open file it came
 * through, or NULL. Truncation takes its locks and drops the pages itself. */
int lustre_setattr(struct lustre_inode *i, struct lustre_open *o,
		   const struct lustre_attr *attr) CFS_NOEXCEPT;
/* Makes sure that owner, mode and ACL, as the VFS has them, may be used for a permission check. */
int lustre_permission(struct lustre_inode *i) CFS_NOEXCEPT;
/* The same, if no RPC is needed. Any context, RCU read sections included. */
bool lustre_permission_cached(const struct lustre_inode *i) CFS_NOEXCEPT;

/* ---- extended attributes; full names ("user.x"). Values: length returned, n == 0 asks it. ---- */

long lustre_getxattr(struct lustre_inode *i, const char *name, size_t name_n, void *buf,
		     size_t n) CFS_NOEXCEPT;
int lustre_setxattr(struct lustre_inode *i, const char *name, size_t name_n, const void *value,
		    size_t n, bool create, bool replace) CFS_NOEXCEPT;
int lustre_removexattr(struct lustre_inode *i, const char *name, size_t name_n) CFS_NOEXCEPT;
long lustre_listxattr(struct lustre_inode *i, char *buf, size_t n) CFS_NOEXCEPT;
/* The access (or default) ACL in its xattr form, from the permission cache where possible;
 * -ENODATA when there is none. */
long lustre_getacl(struct lustre_inode *i, bool dflt, void *buf, size_t n) CFS_NOEXCEPT;

/* ---- open files ---- */

/* Lookup, creation and opening in one RPC: open(2)'s last name. flags: O_* as in open(2).
 * Without an inode in *out the name does not exist (and O_CREAT was not given). *o is NULL when
 * the inode is neither a regular file nor a directory: the VFS opens it its own way. */
int lustre_open_name(struct lustre_inode *dir, const char *name, size_t n, uint32_t flags,
		     uint32_t mode, struct lustre_found *out, struct lustre_open **o,
		     bool *created) CFS_NOEXCEPT;
/* Opens what is known. exec: to run it. */
int lustre_open_inode(struct lustre_inode *i, uint32_t flags, bool exec,
		      struct lustre_open **o) CFS_NOEXCEPT;
/* The last close. Never waits for data to be written. */
void lustre_close(struct lustre_open *o) CFS_NOEXCEPT;
/* Each close(2): errors of earlier writes, once. */
int lustre_flush(struct lustre_open *o) CFS_NOEXCEPT;
/* Pages of the range have been written; makes them durable at the servers, and the metadata too
 * unless `data_only`. */
int lustre_fsync(struct lustre_open *o, uint64_t start, uint64_t end, bool data_only) CFS_NOEXCEPT;

/* ---- file data through pages ---- */

enum lustre_io_kind {
	LUSTRE_IO_READ,
	LUSTRE_IO_WRITE,
	LUSTRE_IO_APPEND, /* pos is ignored: it becomes the size of the file */
	LUSTRE_IO_FAULT,
	LUSTRE_IO_MKWRITE,
};

/* The piece that may be done now. */
struct lustre_io_range {
	uint64_t pos;
	uint64_t len;  /* 0: end of file (reads) */
	uint64_t size; /* of the file, true while the I/O lasts */
};

/* Takes the locks for [pos, pos + len), or for a first piece of it; the VFS does that piece through
 * its pages, ends the I/O and begins the next. Killable. */
int lustre_io_begin(struct lustre_open *o, enum lustre_io_kind kind, uint64_t pos, uint64_t len,
		    bool nonblock, struct lustre_io_range *got, struct lustre_io **io) CFS_NOEXCEPT;
void lustre_io_end(struct lustre_io *io) CFS_NOEXCEPT;

/*
 * Reads whole pages of a file: n pages with consecutive indices from `index` on, locked by the VFS,
 * not up to date. The core takes all of them over: for each there will be one call of
 * vfs_pages_read(), perhaps before the return. o may be NULL. The locks are those of a running
 * lustre_io, or the core's look-ahead: it takes no locks, and reads what it has no right to as an
 * error (-EAGAIN), which the VFS answers by dropping the page.
 */
void lustre_read_pages(struct lustre_inode *i, uint64_t index, struct cfs_page *const *pages,
		       unsigned int n) CFS_NOEXCEPT;
/* How far it is worth reading ahead from page `index` on, and allowed by the locks held: pages,
 * 0 when none. `asked`: pages the reader wants now. */
unsigned int lustre_readahead(struct lustre_open *o, uint64_t index,
			      unsigned int asked) CFS_NOEXCEPT;

/*
 * A page is about to become dirty under a running write: claims space at the servers. Success must
 * be followed by lustre_write_pages() or lustre_page_clean() of that page some day. Further calls
 * for a page already dirty cost nothing. -EDQUOT, -ENOSPC, -EAGAIN: lustre_write_now() it instead.
 */
int lustre_page_dirty(struct lustre_io *io, uint64_t index, unsigned int from,
		      unsigned int to) CFS_NOEXCEPT;
/* Writes the first `len` bytes of a page under a running write and waits until the server has it:
 * the true error, if any. */
int lustre_write_now(struct lustre_io *io, uint64_t index, struct cfs_page *page,
		     unsigned int len) CFS_NOEXCEPT;
/* A dirty page will not be written: it was truncated or dropped. */
void lustre_page_clean(struct lustre_inode *i, uint64_t index) CFS_NOEXCEPT;
/* The file has grown under a running write. */
void lustre_size_grown(struct lustre_io *io, uint64_t size) CFS_NOEXCEPT;

enum lustre_write_flags {
	LUSTRE_WRITE_SYNC = 1u << 0, /* somebody waits: send now, and report the true error */
	LUSTRE_WRITE_RECLAIM = 1u << 1,
};
/* Writes whole pages, consecutive from `index` on, the last cut at `size` bytes of the file; in
 * write-back state. One call of vfs_pages_written() for each, perhaps before the return. */
void lustre_write_pages(struct lustre_inode *i, uint64_t index, struct cfs_page *const *pages,
			unsigned int n, uint64_t size, uint32_t flags) CFS_NOEXCEPT;
/* No more pages will come for now: what has been gathered is sent. */
void lustre_write_kick(struct lustre_inode *i) CFS_NOEXCEPT;

/* Past the page cache (O_DIRECT): moves len bytes at pos to or from pieces. Cached pages of the
 * range have been written and dropped. Returns the bytes moved. */
long lustre_direct_io(struct lustre_open *o, bool write, uint64_t pos,
		      const struct cfs_bvec *pieces, unsigned int n, uint64_t len) CFS_NOEXCEPT;

/* ---- the rest ---- */

struct lustre_flock {
	uint64_t owner;
	uint64_t start, end; /* bytes, both included; end ~0: to infinity */
	uint32_t pid;
	uint8_t type; /* 0 read, 1 write, 2 unlock */
	bool wait;
};
/* Takes or drops a lock for all clients; the VFS records it locally afterwards. Killable. */
int lustre_flock(struct lustre_open *o, const struct lustre_flock *lock) CFS_NOEXCEPT;
/* F_GETLK: *lock becomes the one in the way, or type 2. */
int lustre_flock_test(struct lustre_open *o, struct lustre_flock *lock) CFS_NOEXCEPT;

int lustre_fallocate(struct lustre_open *o, uint32_t mode, uint64_t pos, uint64_t len) CFS_NOEXCEPT;
/* SEEK_DATA or SEEK_HOLE: the offset found, or -ENXIO. */
int64_t lustre_seek(struct lustre_open *o, uint64_t pos, bool hole) CFS_NOEXCEPT;
/* ioctl(2); arg is a user-space address, reached by vfs_copy_*. -ENOTTY for unknown ones. */
long lustre_ioctl(struct lustre_inode *i, struct lustre_open *o, unsigned int cmd,
		  uint64_t arg) CFS_NOEXCEPT;

/* ---- what the VFS offers to the core ---- */

/* The inode of a FID, made when there is none (lustre_inode_make() follows before the return), with
 * a reference that vfs_iput() drops. attr gives at least the type. -ESTALE when the FID is known
 * with another type. */
int vfs_iget(struct vfs_super *sb, const struct lustre_fid *fid, const struct lustre_attr *attr,
	     struct vfs_inode **out) CFS_NOEXCEPT;
void vfs_iput(struct vfs_inode *vi) CFS_NOEXCEPT;
/* Another reference to the inode of a core object, if it is not being evicted. No sleep. */
bool vfs_igrab(struct vfs_inode *vi) CFS_NOEXCEPT;
struct lustre_inode *vfs_inode_core(struct vfs_inode *vi) CFS_NOEXCEPT;
/* Takes over what attr->valid names; a size only when `size_too`. No sleep. */
void vfs_inode_update(struct vfs_inode *vi, const struct lustre_attr *attr,
		      bool size_too) CFS_NOEXCEPT;
/* The attributes as the VFS has them: mode, owner, times, size. No sleep. */
void vfs_inode_attr(struct vfs_inode *vi, struct lustre_attr *out) CFS_NOEXCEPT;
/* Names of the inode are no longer known to be true: drops unused ones. Their stamps are invalid
 * already, so this only gives memory back. */
void vfs_names_drop(struct vfs_inode *vi) CFS_NOEXCEPT;
/* Cached ACLs are no longer true. */
void vfs_acl_drop(struct vfs_inode *vi) CFS_NOEXCEPT;

/* Reads have ended: the pages become up to date (status 0) or failed, and are unlocked. Not in
 * interrupt context; may be called from a daemon thread. */
void vfs_pages_read(struct vfs_inode *vi, struct cfs_page *const *pages, unsigned int n,
		    int status) CFS_NOEXCEPT;
/* Writes have ended. A failure is recorded against the file, for fsync(); also without pages. */
void vfs_pages_written(struct vfs_inode *vi, struct cfs_page *const *pages, unsigned int n,
		       int status) CFS_NOEXCEPT;
/* The first page at or after *index, and not after last, that is in the cache (dirty: and dirty).
 * Leaves its index there; false when there is none. */
bool vfs_page_next(struct vfs_inode *vi, uint64_t *index, uint64_t last, bool dirty) CFS_NOEXCEPT;
/* Writes the dirty pages [first, last] through lustre_write_pages() and waits for them. Mappings
 * are made read-only first, so that they dirty nothing meanwhile. */
int vfs_pages_flush(struct vfs_inode *vi, uint64_t first, uint64_t last) CFS_NOEXCEPT;
/* Hands all dirty pages to lustre_write_pages(), and does not wait for them. */
void vfs_pages_send(struct vfs_inode *vi) CFS_NOEXCEPT;
/* Takes pages [first, last] out of the cache and out of every mapping; dirty ones are lost
 * (lustre_page_clean() is called for them). Waits for reads and writes of them that are under way.
 */
void vfs_pages_drop(struct vfs_inode *vi, uint64_t first, uint64_t last) CFS_NOEXCEPT;
/* Cuts the cache at a size, and zeroes the rest of the page that holds it. */
void vfs_pages_truncate(struct vfs_inode *vi, uint64_t size) CFS_NOEXCEPT;

void vfs_cred(struct lustre_cred *out) CFS_NOEXCEPT;
bool vfs_in_group(uint32_t gid) CFS_NOEXCEPT;
/* The calling process ends: no signal reaches it any more, so a killable wait is none. */
bool vfs_exiting(void) CFS_NOEXCEPT;
/* Seconds since 1970, of the calling node. */
int64_t vfs_now(void) CFS_NOEXCEPT;
/* To and from the memory of the calling process; -EFAULT. */
int vfs_copy_from_user(void *to, uint64_t from, size_t n) CFS_NOEXCEPT;
int vfs_copy_to_user(uint64_t to, const void *from, size_t n) CFS_NOEXCEPT;

CFS_DECLS_END

#endif
