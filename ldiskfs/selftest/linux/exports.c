// SPDX-License-Identifier: GPL-2.0
/*
 * Tests what ldiskfs exports (ldiskfs_osd.h), the way an object store uses it: mounts the device
 * named by the parameter dev within the kernel, runs every function on it, unmounts.  Loading
 * succeeds if every check holds; else it fails with -EUCLEAN and a message per failed check.
 * tests/vm/ldiskfs then has e2fsck judge what is left on the device and compares some of it with
 * what ext4 shows.
 *
 * The device is freshly formatted, with the quota, project and ea_inode features; or without
 * dir_index: then only directories are tested, and with damage=1 also that a damaged one is an
 * error and nothing worse.
 */

#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/xattr.h>

#include "ldiskfs_osd.h"

static char *dev;
module_param(dev, charp, 0);
MODULE_PARM_DESC(dev, "the block device to test on; what is on it is lost");

static bool damage;
module_param(damage, bool, 0);
MODULE_PARM_DESC(damage, "end with damaging a directory");

/* Enough for anything a single step below does, without quota. */
#define STEP_CREDITS 100

#define ENTRIES 1500

struct test {
	struct super_block *sb;
	struct inode *root;
	struct ldiskfs_osd_super info;
	int credits; /* STEP_CREDITS and the quota's */
	unsigned int checks;
	unsigned int failures;
};

static bool check(struct test *t, bool holds, const char *what, int line)
{
	t->checks++;
	if (!holds) {
		t->failures++;
		pr_err("ldiskfs_selftest: line %d: failed: %s\n", line, what);
	}
	return holds;
}

/* A failed CHECK is counted; a failed NEED also ends the test function, which then returns false.
 */
#define CHECK(t, condition) check(t, condition, #condition, __LINE__)
#define NEED(t, condition)                                                                         \
	do {                                                                                       \
		if (!CHECK(t, condition))                                                          \
			return false;                                                              \
	} while (0)

static struct ldiskfs_osd_name name_of(const char *text)
{
	return (struct ldiskfs_osd_name){.name = text, .len = strlen(text)};
}

static handle_t *start(struct test *t)
{
	return ldiskfs_osd_start(t->sb, t->credits, 8);
}

static const struct ldiskfs_osd_times fixed_times = {
	.atime = {.tv_sec = 1000000001, .tv_nsec = 100},
	.mtime = {.tv_sec = 1000000002, .tv_nsec = 200},
	.ctime = {.tv_sec = 1000000003, .tv_nsec = 300},
	.crtime = {.tv_sec = 1000000004, .tv_nsec = 400},
};

#define ALL_TIMES (LDISKFS_OSD_ATIME | LDISKFS_OSD_MTIME | LDISKFS_OSD_CTIME | LDISKFS_OSD_CRTIME)

#define FIXED_VERSION 0x123456789abcdefULL

static bool stamps_are_fixed(const struct inode *inode)
{
	struct ldiskfs_osd_times now;

	ldiskfs_osd_get_times(inode, &now);
	return timespec64_equal(&now.mtime, &fixed_times.mtime) &&
	       timespec64_equal(&now.ctime, &fixed_times.ctime) &&
	       timespec64_equal(&now.crtime, &fixed_times.crtime) &&
	       ldiskfs_osd_get_version(inode) == FIXED_VERSION;
}

static void fix_stamps(struct inode *inode)
{
	ldiskfs_osd_set_times(inode, &fixed_times, ALL_TIMES);
	ldiskfs_osd_set_version(inode, FIXED_VERSION);
}

/*
 * Makes an object with fixed stamps and enters it in dir, in the handle given.  Returns it with a
 * reference, no longer new.
 */
static struct inode *make(struct test *t, handle_t *handle, struct inode *dir, const char *text,
			  const struct ldiskfs_osd_new *what)
{
	struct ldiskfs_osd_name name = name_of(text);
	struct inode *inode;
	int err = 0;

	inode = ldiskfs_osd_new_inode(handle, dir, what);
	if (IS_ERR(inode))
		return inode;
	if (S_ISDIR(what->mode))
		err = ldiskfs_osd_init_dir(handle, inode, dir->i_ino, NULL);
	fix_stamps(inode);
	if (!err)
		err = ldiskfs_osd_mark_inode_dirty(handle, inode);
	if (!err)
		err = ldiskfs_osd_add_entry(handle, dir, &name, inode);
	if (!err && S_ISDIR(what->mode)) {
		ldiskfs_osd_inc_nlink(dir);
		err = ldiskfs_osd_mark_inode_dirty(handle, dir);
	}
	CHECK(t, err == 0);
	unlock_new_inode(inode);
	return inode;
}

static struct inode *make_now(struct test *t, struct inode *dir, const char *text,
			      const struct ldiskfs_osd_new *what)
{
	handle_t *handle = start(t);
	struct inode *inode;

	if (IS_ERR(handle))
		return ERR_CAST(handle);
	inode = make(t, handle, dir, text, what);
	CHECK(t, ldiskfs_osd_stop(handle) == 0);
	return inode;
}

/*
 * Super block and transactions
 */

static bool attach(struct test *t)
{
	struct ldiskfs_osd_super *info = &t->info;

	NEED(t, ldiskfs_osd_attach(t->sb) == 0);
	ldiskfs_osd_super_info(t->sb, info);
	t->credits = STEP_CREDITS + 6 * (info->quota_init_credits + info->quota_update_credits);
	t->root = ldiskfs_osd_iget(t->sb, 2, 0);
	NEED(t, !IS_ERR(t->root));
	return true;
}

static bool test_super_info(struct test *t)
{
	struct ldiskfs_osd_super *info = &t->info;

	CHECK(t, info->features & LDISKFS_OSD_QUOTA);
	CHECK(t, info->features & LDISKFS_OSD_PROJECT);
	CHECK(t, info->features & LDISKFS_OSD_EA_INODE);
	CHECK(t, !(info->features & LDISKFS_OSD_DIRDATA));
	CHECK(t, info->first_inode == 11);
	CHECK(t, info->inodes_count >= info->inodes_per_group);
	CHECK(t, info->quota_inode[0] == 3 && info->quota_inode[1] == 4);
	CHECK(t, info->quota_inode[2] >= info->first_inode);
	CHECK(t, info->max_credits > t->credits);

	CHECK(t, !(info->features & LDISKFS_OSD_LARGE_DIR));
	CHECK(t, ldiskfs_osd_enable_large_dir(t->sb) == 0);
	ldiskfs_osd_super_info(t->sb, info);
	CHECK(t, info->features & LDISKFS_OSD_LARGE_DIR);
	return true;
}

struct commit_probe {
	struct ldiskfs_osd_commit_cb cb;
	struct completion done;
	struct super_block *sb;
	atomic_t runs;
	int error;
};

static void note_commit(struct super_block *sb, struct ldiskfs_osd_commit_cb *cb, int error)
{
	struct commit_probe *probe = container_of(cb, struct commit_probe, cb);

	probe->sb = sb;
	probe->error = error;
	atomic_inc(&probe->runs);
	complete(&probe->done);
}

static bool test_transactions(struct test *t)
{
	struct commit_probe probe = {.cb.committed = note_commit, .error = -1};
	handle_t *handle, *nested;

	init_completion(&probe.done);
	CHECK(t, PTR_ERR(ldiskfs_osd_start(t->sb, t->info.max_credits + 1, 0)) == -ENOSPC);
	handle = ldiskfs_osd_start(t->sb, 1, 0);
	NEED(t, !IS_ERR(handle));
	nested = ldiskfs_osd_start(t->sb, 1, 0);
	CHECK(t, nested == handle);
	CHECK(t, ldiskfs_osd_stop(nested) == 0);
	CHECK(t, ldiskfs_osd_ensure_credits(handle, 50, 4) == 0);
	CHECK(t, jbd2_handle_buffer_credits(handle) >= 50);
	CHECK(t, ldiskfs_osd_ensure_credits(handle, 100000000, 0) > 0);
	CHECK(t, ldiskfs_osd_mark_inode_dirty(handle, t->root) == 0);
	ldiskfs_osd_on_commit(handle, &probe.cb);
	CHECK(t, ldiskfs_osd_stop(handle) == 0);
	ldiskfs_osd_start_commit(t->sb);
	CHECK(t, ldiskfs_osd_sync(t->sb) == 0);
	/* jbd2 may still be calling back when a waiter sees the commit. */
	NEED(t, wait_for_completion_timeout(&probe.done, 60 * HZ));
	CHECK(t, atomic_read(&probe.runs) == 1);
	CHECK(t, probe.sb == t->sb && probe.error == 0);
	return true;
}

/*
 * Inodes and names
 */

static bool check_fresh(struct test *t, struct inode *inode)
{
	struct ldiskfs_osd_times times;

	CHECK(t, inode->i_mode == (S_IFREG | 0666));
	CHECK(t, i_uid_read(inode) == 1000 && i_gid_read(inode) == 100);
	CHECK(t, inode->i_nlink == 1 && i_size_read(inode) == 0);
	CHECK(t, inode->i_state & I_NEW);
	CHECK(t, ldiskfs_osd_get_version(inode) == 0);
	ldiskfs_osd_get_times(inode, &times);
	CHECK(t, times.crtime.tv_sec > fixed_times.crtime.tv_sec);
	return true;
}

static bool test_object(struct test *t)
{
	const struct ldiskfs_osd_new what = {.mode = S_IFREG | 0666, .uid = 1000, .gid = 100};
	struct ldiskfs_osd_name name = name_of("object"), dirdata = name;
	struct ldiskfs_osd_entry entry;
	struct inode *inode, *again;
	handle_t *handle = start(t);
	u32 ino;

	NEED(t, !IS_ERR(handle));
	fix_stamps(t->root);
	CHECK(t, ldiskfs_osd_mark_inode_dirty(handle, t->root) == 0);
	inode = ldiskfs_osd_new_inode(handle, t->root, &what);
	NEED(t, !IS_ERR(inode));
	check_fresh(t, inode);
	ino = inode->i_ino;
	fix_stamps(inode);
	CHECK(t, ldiskfs_osd_mark_inode_dirty(handle, inode) == 0);
	dirdata.data = "x";
	dirdata.data_len = 1;
	CHECK(t, ldiskfs_osd_add_entry(handle, t->root, &dirdata, inode) == -EOPNOTSUPP);
	CHECK(t, ldiskfs_osd_find_entry(t->root, &name, &entry) == -ENOENT);
	CHECK(t, ldiskfs_osd_add_entry(handle, t->root, &name, inode) == 0);
	CHECK(t, ldiskfs_osd_add_entry(handle, t->root, &name, inode) == -EEXIST);
	CHECK(t, stamps_are_fixed(t->root));
	unlock_new_inode(inode);
	CHECK(t, ldiskfs_osd_stop(handle) == 0);
	CHECK(t, ldiskfs_osd_find_entry(t->root, &name, &entry) == 0);
	CHECK(t, entry.ino == ino && entry.type == DT_REG);

	again = ldiskfs_osd_iget(t->sb, ino, LDISKFS_OSD_IGET_HANDLE);
	CHECK(t, again == inode);
	iput(again);
	CHECK(t, stamps_are_fixed(inode));
	iput(inode);
	again = ldiskfs_osd_iget(t->sb, t->info.inodes_count, LDISKFS_OSD_IGET_HANDLE);
	CHECK(t, PTR_ERR(again) == -ESTALE);
	again = ldiskfs_osd_iget(t->sb, t->info.inodes_count + 1, LDISKFS_OSD_IGET_HANDLE);
	CHECK(t, PTR_ERR(again) == -ESTALE);
	again = ldiskfs_osd_iget(t->sb, 3, LDISKFS_OSD_IGET_HANDLE);
	CHECK(t, PTR_ERR(again) == -ESTALE);
	again = ldiskfs_osd_iget(t->sb, 3, LDISKFS_OSD_IGET_SPECIAL);
	NEED(t, !IS_ERR(again));
	CHECK(t, PTR_ERR(ldiskfs_osd_dir_open(again)) == -ENOTDIR);
	iput(again);
	return true;
}

static bool test_bad_names(struct test *t)
{
	char long_text[257];
	struct ldiskfs_osd_name empty = name_of(""), too_long, dot = name_of("."),
				dotdot = name_of("..");
	struct ldiskfs_osd_entry entry;
	handle_t *handle = start(t);

	NEED(t, !IS_ERR(handle));
	memset(long_text, 'n', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = 0;
	too_long = name_of(long_text);
	CHECK(t, ldiskfs_osd_add_entry(handle, t->root, &empty, t->root) == -EINVAL);
	CHECK(t, ldiskfs_osd_add_entry(handle, t->root, &too_long, t->root) == -ENAMETOOLONG);
	CHECK(t, ldiskfs_osd_find_entry(t->root, &empty, &entry) == -EINVAL);
	CHECK(t, ldiskfs_osd_find_entry(t->root, &too_long, &entry) == -ENAMETOOLONG);
	CHECK(t, ldiskfs_osd_delete_entry(handle, t->root, &dot, 0) == -EINVAL);
	CHECK(t, ldiskfs_osd_delete_entry(handle, t->root, &dotdot, 0) == -EINVAL);
	CHECK(t, ldiskfs_osd_delete_entry(handle, t->root, &too_long, 0) == -ENAMETOOLONG);
	CHECK(t, ldiskfs_osd_find_entry(t->root, &dot, &entry) == 0 && entry.ino == 2);
	CHECK(t, ldiskfs_osd_find_entry(t->root, &dotdot, &entry) == 0 && entry.ino == 2);
	CHECK(t, ldiskfs_osd_stop(handle) == 0);
	return true;
}

static bool test_discard(struct test *t)
{
	const struct ldiskfs_osd_new what = {.mode = S_IFREG | 0600};
	struct inode *inode;
	handle_t *handle = start(t);
	u32 ino;

	NEED(t, !IS_ERR(handle));
	inode = ldiskfs_osd_new_inode(handle, t->root, &what);
	NEED(t, !IS_ERR(inode));
	ino = inode->i_ino;
	ldiskfs_osd_discard_new(handle, inode);
	CHECK(t, ldiskfs_osd_stop(handle) == 0);
	iput(inode);
	CHECK(t, PTR_ERR(ldiskfs_osd_iget(t->sb, ino, LDISKFS_OSD_IGET_HANDLE)) == -ESTALE);
	return true;
}

static bool test_flags(struct test *t, struct inode *inode)
{
	u32 before = ldiskfs_osd_get_flags(inode);
	handle_t *handle = start(t);

	NEED(t, !IS_ERR(handle));
	CHECK(t, ldiskfs_osd_set_flags(handle, inode, 0, 0x80000) == -EINVAL);
	CHECK(t, ldiskfs_osd_get_flags(inode) == before);
	CHECK(t, ldiskfs_osd_set_flags(handle, inode, FS_IMMUTABLE_FL | FS_NODUMP_FL, 0) == 0);
	CHECK(t, ldiskfs_osd_get_flags(inode) == (before | FS_IMMUTABLE_FL | FS_NODUMP_FL));
	CHECK(t, IS_IMMUTABLE(inode));
	CHECK(t, ldiskfs_osd_set_flags(handle, inode, 0, FS_IMMUTABLE_FL) == 0);
	CHECK(t, ldiskfs_osd_get_flags(inode) == (before | FS_NODUMP_FL) && !IS_IMMUTABLE(inode));
	CHECK(t, stamps_are_fixed(inode));
	CHECK(t, ldiskfs_osd_stop(handle) == 0);
	return true;
}

static bool test_owner(struct test *t, struct inode *inode)
{
	const struct ldiskfs_osd_owner owner = {.uid = 2001, .gid = 2002, .projid = 2003};
	handle_t *handle = start(t);

	NEED(t, !IS_ERR(handle));
	CHECK(t, ldiskfs_osd_get_projid(inode) == 0);
	CHECK(t, ldiskfs_osd_set_owner(handle, inode, &owner, LDISKFS_OSD_GID) == 0);
	CHECK(t, i_uid_read(inode) == 0 && i_gid_read(inode) == 2002);
	CHECK(t, ldiskfs_osd_set_owner(handle, inode, &owner,
				       LDISKFS_OSD_UID | LDISKFS_OSD_PROJID) == 0);
	CHECK(t, i_uid_read(inode) == 2001 && ldiskfs_osd_get_projid(inode) == 2003);
	CHECK(t, stamps_are_fixed(inode));
	CHECK(t, ldiskfs_osd_stop(handle) == 0);
	return true;
}

static bool test_attributes(struct test *t)
{
	const struct ldiskfs_osd_new what = {.mode = S_IFREG | 0640};
	struct inode *inode = make_now(t, t->root, "attributes", &what);
	bool ok;

	NEED(t, !IS_ERR(inode));
	ok = test_flags(t, inode) && test_owner(t, inode);
	iput(inode);
	return ok;
}

static bool test_symlink(struct test *t, const char *text, unsigned int len)
{
	const struct ldiskfs_osd_new what = {.mode = S_IFLNK | 0777};
	char target[200], back[200];
	handle_t *handle = start(t);
	struct inode *inode;

	NEED(t, !IS_ERR(handle));
	memset(target, 't', len);
	inode = make(t, handle, t->root, text, &what);
	NEED(t, !IS_ERR(inode));
	CHECK(t, ldiskfs_osd_set_symlink(handle, inode, target, 0) == -EINVAL);
	CHECK(t,
	      ldiskfs_osd_set_symlink(handle, inode, target, t->sb->s_blocksize) == -ENAMETOOLONG);
	CHECK(t, ldiskfs_osd_set_symlink(handle, inode, target, len) == 0);
	CHECK(t, ldiskfs_osd_set_symlink(handle, inode, target, len) == -EINVAL);
	CHECK(t, ldiskfs_osd_stop(handle) == 0);
	CHECK(t, ldiskfs_osd_get_symlink(inode, back, len - 1) == -ERANGE);
	CHECK(t, ldiskfs_osd_get_symlink(inode, back, sizeof(back)) == len);
	CHECK(t, memcmp(target, back, len) == 0);
	CHECK(t, stamps_are_fixed(inode));
	/* 59 bytes are the most that fit into the inode, as in stock. */
	CHECK(t, (ldiskfs_osd_get_flags(inode) == 0x84000) == (len >= 60));
	CHECK(t, (inode->i_blocks == 0) == (len < 60));
	iput(inode);
	return true;
}

static bool test_symlinks(struct test *t)
{
	return test_symlink(t, "symlink-1", 1) && test_symlink(t, "symlink-59", 59) &&
	       test_symlink(t, "symlink-60", 60) && test_symlink(t, "symlink-199", 199);
}

static bool test_device_node(struct test *t)
{
	const struct ldiskfs_osd_new what = {.mode = S_IFCHR | 0600, .rdev = MKDEV(10, 200)};
	struct inode *inode = make_now(t, t->root, "node", &what);

	NEED(t, !IS_ERR(inode));
	CHECK(t, S_ISCHR(inode->i_mode) && inode->i_rdev == MKDEV(10, 200));
	iput(inode);
	return true;
}

/* Removal through the orphan list: blocks, attribute and inode are free after the last iput(). */
static bool test_removal(struct test *t)
{
	const struct ldiskfs_osd_new what = {.mode = S_IFREG | 0600};
	struct ldiskfs_osd_map map = {.logical = 0, .count = 8};
	struct ldiskfs_osd_name name = name_of("removed");
	struct inode *inode = make_now(t, t->root, "removed", &what);
	handle_t *handle = start(t);
	u32 ino;

	NEED(t, !IS_ERR(inode) && !IS_ERR(handle));
	ino = inode->i_ino;
	CHECK(t, ldiskfs_osd_map_blocks(handle, inode, &map, LDISKFS_OSD_MAP_CREATE) == 0);
	ldiskfs_osd_set_size(inode, 8 * t->sb->s_blocksize);
	CHECK(t, ldiskfs_osd_mark_inode_dirty(handle, inode) == 0);
	CHECK(t, ldiskfs_osd_stop(handle) == 0);

	handle = start(t);
	NEED(t, !IS_ERR(handle));
	CHECK(t, ldiskfs_osd_delete_entry(handle, t->root, &name, 2) == -ESTALE);
	CHECK(t, ldiskfs_osd_delete_entry(handle, t->root, &name, ino) == 0);
	CHECK(t, ldiskfs_osd_delete_entry(handle, t->root, &name, 0) == -ENOENT);
	ldiskfs_osd_dec_nlink(inode);
	CHECK(t, inode->i_nlink == 0);
	CHECK(t, ldiskfs_osd_orphan_add(handle, inode) == 0);
	CHECK(t, ldiskfs_osd_mark_inode_dirty(handle, inode) == 0);
	CHECK(t, ldiskfs_osd_stop(handle) == 0);
	CHECK(t, stamps_are_fixed(t->root));
	iput(inode);
	CHECK(t, PTR_ERR(ldiskfs_osd_iget(t->sb, ino, LDISKFS_OSD_IGET_HANDLE)) == -ESTALE);
	return true;
}

/*
 * Directories
 */

static bool has_index(const struct test *t)
{
	return t->info.features & LDISKFS_OSD_DIR_INDEX;
}

static void entry_text(char *text, unsigned int number)
{
	sprintf(text, "entry-%05u", number);
}

/* Fills a directory with names of one file until it has an index of several blocks. */
static bool fill_directory(struct test *t, struct inode *dir, struct inode *file)
{
	char text[32];
	unsigned int i;

	for (i = 0; i < ENTRIES; i++) {
		struct ldiskfs_osd_name name;
		handle_t *handle = start(t);
		int err;

		NEED(t, !IS_ERR(handle));
		entry_text(text, i);
		name = name_of(text);
		err = ldiskfs_osd_add_entry(handle, dir, &name, file);
		ldiskfs_osd_inc_nlink(file);
		if (!err)
			err = ldiskfs_osd_mark_inode_dirty(handle, file);
		CHECK(t, ldiskfs_osd_stop(handle) == 0);
		NEED(t, err == 0);
	}
	CHECK(t, !(ldiskfs_osd_get_flags(dir) & FS_INDEX_FL) == !has_index(t));
	CHECK(t, stamps_are_fixed(dir));
	return true;
}

struct reading {
	struct test *t;
	struct inode *dir;
	u64 last_pos;
	unsigned int budget; /* entries to take before stopping */
	unsigned int dots;
	unsigned long seen[BITS_TO_LONGS(ENTRIES)];
};

static bool take_entry(void *arg, const struct ldiskfs_osd_entry *entry)
{
	struct reading *reading = arg;
	struct test *t = reading->t;
	struct ldiskfs_osd_name name = {.name = entry->name, .len = entry->name_len};
	unsigned int number;
	char text[32];
	u64 pos;

	if (reading->budget == 0)
		return false;
	reading->budget--;
	CHECK(t, entry->pos >= reading->last_pos);
	reading->last_pos = entry->pos;
	if (entry->name_len <= 2) {
		reading->dots++;
		CHECK(t, entry->type == DT_DIR);
		return true;
	}
	CHECK(t, entry->type == DT_REG && entry->name_len < sizeof(text));
	CHECK(t, ldiskfs_osd_name_position(reading->dir, &name, &pos) == 0);
	CHECK(t, pos == entry->pos || !has_index(t));
	memcpy(text, entry->name, entry->name_len);
	text[entry->name_len] = 0;
	if (CHECK(t, sscanf(text, "entry-%u", &number) == 1 && number < ENTRIES))
		CHECK(t, !test_and_set_bit(number, reading->seen));
	return true;
}

static bool delete_number(struct test *t, struct inode *dir, struct inode *file,
			  unsigned int number)
{
	handle_t *handle = start(t);
	struct ldiskfs_osd_name name;
	char text[32];
	int err;

	NEED(t, !IS_ERR(handle));
	entry_text(text, number);
	name = name_of(text);
	err = ldiskfs_osd_delete_entry(handle, dir, &name, file->i_ino);
	ldiskfs_osd_dec_nlink(file);
	if (!err)
		err = ldiskfs_osd_mark_inode_dirty(handle, file);
	CHECK(t, ldiskfs_osd_stop(handle) == 0);
	NEED(t, err == 0);
	return true;
}

/*
 * Reads a directory in pieces that end in the middle of blocks, and meanwhile deletes every name
 * that has been seen.  None may come twice, none may be missing.
 */
static bool read_and_delete(struct test *t, struct inode *dir, struct inode *file)
{
	struct reading *reading = kzalloc(sizeof(*reading), GFP_KERNEL);
	struct ldiskfs_osd_dir *cursor = ldiskfs_osd_dir_open(dir);
	unsigned int deleted = 0, number;
	u64 pos = 0;
	bool ok = true;

	NEED(t, reading && !IS_ERR(cursor));
	reading->t = t;
	reading->dir = dir;
	while (ok && pos != LDISKFS_OSD_DIR_END) {
		reading->budget = 37;
		ok = CHECK(t, ldiskfs_osd_dir_read(cursor, &pos, take_entry, reading) == 0);
		ok = ok && CHECK(t, pos == LDISKFS_OSD_DIR_END || reading->budget == 0);
		for_each_set_bit(number, reading->seen, ENTRIES)
		{
			struct ldiskfs_osd_entry entry;
			struct ldiskfs_osd_name name;
			char text[32];

			entry_text(text, number);
			name = name_of(text);
			if (!ok || ldiskfs_osd_find_entry(dir, &name, &entry))
				continue;
			ok = delete_number(t, dir, file, number);
			deleted++;
		}
	}
	ldiskfs_osd_dir_close(cursor);
	CHECK(t, reading->dots == 2);
	CHECK(t, bitmap_full(reading->seen, ENTRIES));
	CHECK(t, deleted == ENTRIES);
	kfree(reading);
	return ok;
}

/* Reads the first entries, then goes on at that position with another cursor. */
static bool read_with_two_cursors(struct test *t, struct inode *dir)
{
	struct reading *reading = kzalloc(sizeof(*reading), GFP_KERNEL);
	struct ldiskfs_osd_dir *cursor = ldiskfs_osd_dir_open(dir);
	u64 pos = 0;

	NEED(t, reading && !IS_ERR(cursor));
	reading->t = t;
	reading->dir = dir;
	reading->budget = ENTRIES / 3;
	CHECK(t, ldiskfs_osd_dir_read(cursor, &pos, take_entry, reading) == 0);
	ldiskfs_osd_dir_close(cursor);
	cursor = ldiskfs_osd_dir_open(dir);
	NEED(t, !IS_ERR(cursor));
	reading->budget = ENTRIES + 2;
	CHECK(t, ldiskfs_osd_dir_read(cursor, &pos, take_entry, reading) == 0);
	CHECK(t, pos == LDISKFS_OSD_DIR_END);
	CHECK(t, reading->dots == 2);
	CHECK(t, bitmap_full(reading->seen, ENTRIES));
	CHECK(t, ldiskfs_osd_dir_read(cursor, &pos, take_entry, reading) == 0);
	pos = ~0ULL;
	CHECK(t, ldiskfs_osd_dir_read(cursor, &pos, take_entry, reading) == 0);
	ldiskfs_osd_dir_close(cursor);
	kfree(reading);
	return true;
}

static bool test_dotdot(struct test *t, struct inode *dir, u32 parent)
{
	struct ldiskfs_osd_name dotdot = name_of("..");
	struct ldiskfs_osd_entry entry;
	handle_t *handle = start(t);

	NEED(t, !IS_ERR(handle));
	CHECK(t, ldiskfs_osd_set_dotdot(handle, dir, dir->i_ino, NULL) == 0);
	CHECK(t, ldiskfs_osd_find_entry(dir, &dotdot, &entry) == 0 && entry.ino == dir->i_ino);
	CHECK(t, ldiskfs_osd_set_dotdot(handle, dir, parent, NULL) == 0);
	CHECK(t, ldiskfs_osd_find_entry(dir, &dotdot, &entry) == 0 && entry.ino == parent);
	CHECK(t, stamps_are_fixed(dir));
	CHECK(t, ldiskfs_osd_stop(handle) == 0);
	return true;
}

static bool test_directory(struct test *t, const char *text, bool block_mapped)
{
	const struct ldiskfs_osd_new dir_what = {.mode = S_IFDIR | 0755,
						 .block_mapped = block_mapped};
	const struct ldiskfs_osd_new file_what = {.mode = S_IFREG | 0644};
	struct inode *dir, *file;
	unsigned int links = t->root->i_nlink;
	char file_text[32];
	bool ok;

	dir = make_now(t, t->root, text, &dir_what);
	NEED(t, !IS_ERR(dir));
	CHECK(t, dir->i_nlink == 2 && t->root->i_nlink == links + 1);
	CHECK(t, ldiskfs_osd_get_flags(dir) == (block_mapped ? 0 : 0x80000));
	CHECK(t, ldiskfs_osd_dir_is_empty(dir));
	snprintf(file_text, sizeof(file_text), "%s.file", text);
	file = make_now(t, t->root, file_text, &file_what);
	NEED(t, !IS_ERR(file));
	ok = test_dotdot(t, dir, 2) && fill_directory(t, dir, file) && test_dotdot(t, dir, 2);
	CHECK(t, !ldiskfs_osd_dir_is_empty(dir));
	ok = ok && read_with_two_cursors(t, dir) && read_and_delete(t, dir, file);
	CHECK(t, ldiskfs_osd_dir_is_empty(dir));
	CHECK(t, file->i_nlink == 1);
	iput(file);
	iput(dir);
	return ok;
}

static bool count_entry(void *arg, const struct ldiskfs_osd_entry *entry)
{
	++*(unsigned int *)arg;
	return true;
}

/* Makes an entry longer than its block.  The entries of the other blocks are still delivered. */
static bool test_damaged_directory(struct test *t)
{
	const struct ldiskfs_osd_new dir_what = {.mode = S_IFDIR | 0755};
	const struct ldiskfs_osd_new file_what = {.mode = S_IFREG | 0644};
	struct inode *dir = make_now(t, t->root, "damaged", &dir_what);
	struct inode *file = make_now(t, t->root, "damaged.file", &file_what);
	struct ldiskfs_osd_dir *cursor;
	struct buffer_head *bh;
	unsigned int count = 0;
	handle_t *handle;
	u64 pos = 0;

	NEED(t, !IS_ERR(dir) && !IS_ERR(file) && fill_directory(t, dir, file));
	iput(file);
	handle = start(t);
	NEED(t, !IS_ERR(handle));
	bh = ldiskfs_osd_write_block(handle, dir, 1);
	NEED(t, !IS_ERR_OR_NULL(bh));
	memset(bh->b_data + 4, 0x7f, 2);
	CHECK(t, ldiskfs_osd_dirty_block(handle, dir, bh) == 0);
	brelse(bh);
	CHECK(t, ldiskfs_osd_stop(handle) == 0);

	cursor = ldiskfs_osd_dir_open(dir);
	NEED(t, !IS_ERR(cursor));
	CHECK(t, ldiskfs_osd_dir_read(cursor, &pos, count_entry, &count) == 0);
	CHECK(t, pos == LDISKFS_OSD_DIR_END);
	CHECK(t, count > ENTRIES / 2 && count < ENTRIES);
	ldiskfs_osd_dir_close(cursor);
	iput(dir);
	return true;
}

static bool test_directories(struct test *t)
{
	return test_directory(t, "directory", false) && test_directory(t, "block-mapped", true);
}

/*
 * Blocks
 */

static bool write_pattern(struct test *t, handle_t *handle, struct inode *inode, u32 block)
{
	struct buffer_head *bh = ldiskfs_osd_write_block(handle, inode, block);

	NEED(t, !IS_ERR_OR_NULL(bh));
	memset(bh->b_data, 'A' + block, bh->b_size);
	CHECK(t, ldiskfs_osd_dirty_block(handle, inode, bh) == 0);
	brelse(bh);
	return true;
}

static bool check_pattern(struct test *t, struct inode *inode, u32 block, char byte)
{
	struct buffer_head *bh = ldiskfs_osd_read_block(inode, block);

	NEED(t, !IS_ERR_OR_NULL(bh));
	CHECK(t, !memchr_inv(bh->b_data, byte, bh->b_size));
	brelse(bh);
	return true;
}

/* Files the object store writes itself: journalled, with holes, growing by blocks. */
static bool test_journalled_file(struct test *t, const char *text, bool block_mapped)
{
	const struct ldiskfs_osd_new what = {.mode = S_IFREG | 0644, .block_mapped = block_mapped};
	struct inode *inode = make_now(t, t->root, text, &what);
	handle_t *handle = start(t);
	struct buffer_head *bh;
	u32 block;

	NEED(t, !IS_ERR(inode) && !IS_ERR(handle));
	CHECK(t, ldiskfs_osd_set_flags(handle, inode, FS_JOURNAL_DATA_FL, 0) == 0);
	CHECK(t, ldiskfs_osd_get_flags(inode) == (block_mapped ? 0x4000 : 0x84000));
	CHECK(t, write_pattern(t, handle, inode, 0) && write_pattern(t, handle, inode, 3));
	ldiskfs_osd_set_size(inode, 4 * t->sb->s_blocksize);
	bh = ldiskfs_osd_append_block(handle, inode, &block);
	NEED(t, !IS_ERR(bh));
	CHECK(t, block == 4 && i_size_read(inode) == 5 * t->sb->s_blocksize);
	CHECK(t, !memchr_inv(bh->b_data, 0, bh->b_size));
	CHECK(t, ldiskfs_osd_get_write_access(handle, t->sb, bh) == 0);
	memset(bh->b_data, 'E', bh->b_size);
	CHECK(t, ldiskfs_osd_dirty_block(handle, inode, bh) == 0);
	brelse(bh);
	CHECK(t, ldiskfs_osd_mark_inode_dirty(handle, inode) == 0);
	CHECK(t, ldiskfs_osd_stop(handle) == 0);

	CHECK(t, ldiskfs_osd_sync(t->sb) == 0);
	CHECK(t, check_pattern(t, inode, 0, 'A') && check_pattern(t, inode, 3, 'D') &&
			 check_pattern(t, inode, 4, 'E'));
	CHECK(t, !ldiskfs_osd_read_block(inode, 1));
	CHECK(t, !ldiskfs_osd_read_block(inode, 1000000));
	CHECK(t, stamps_are_fixed(inode));
	iput(inode);
	return true;
}

/* Freed blocks that come back as metadata read as zeroes, whatever a buffer still holds. */
static bool test_reused_block(struct test *t)
{
	const struct ldiskfs_osd_new what = {.mode = S_IFREG | 0644};
	struct inode *inode = make_now(t, t->root, "reused", &what);
	unsigned int round;

	NEED(t, !IS_ERR(inode));
	for (round = 0; round < 3; round++) {
		handle_t *handle = start(t);
		struct buffer_head *bh;

		NEED(t, !IS_ERR(handle));
		bh = ldiskfs_osd_write_block(handle, inode, 0);
		NEED(t, !IS_ERR_OR_NULL(bh));
		CHECK(t, !memchr_inv(bh->b_data, 0, bh->b_size));
		memset(bh->b_data, 0xa5, bh->b_size);
		CHECK(t, ldiskfs_osd_dirty_block(handle, inode, bh) == 0);
		brelse(bh);
		ldiskfs_osd_set_size(inode, t->sb->s_blocksize);
		CHECK(t, ldiskfs_osd_mark_inode_dirty(handle, inode) == 0);
		CHECK(t, ldiskfs_osd_stop(handle) == 0);
		ldiskfs_osd_set_size(inode, 0);
		CHECK(t, ldiskfs_osd_truncate(inode) == 0);
		CHECK(t, ldiskfs_osd_sync(t->sb) == 0);
	}
	CHECK(t, stamps_are_fixed(inode));
	iput(inode);
	return true;
}

static bool check_map(struct test *t, struct inode *inode, u32 logical, u32 want, u32 state,
		      u32 count)
{
	struct ldiskfs_osd_map map = {.logical = logical, .count = want};

	NEED(t, ldiskfs_osd_map_blocks(NULL, inode, &map, 0) == 0);
	CHECK(t, map.state == state);
	CHECK(t, map.count == count);
	CHECK(t, !state == !map.physical);
	return true;
}

static bool create_mappings(struct test *t, struct inode *inode)
{
	struct ldiskfs_osd_map map = {.logical = 0, .count = 16};
	handle_t *handle = start(t);

	NEED(t, !IS_ERR(handle));
	CHECK(t, ldiskfs_osd_map_blocks(NULL, inode, &map, LDISKFS_OSD_MAP_CREATE) == -EINVAL);
	CHECK(t, ldiskfs_osd_chunk_credits(inode, 16) > 0);
	CHECK(t, ldiskfs_osd_map_blocks(handle, inode, &map, LDISKFS_OSD_MAP_CREATE) == 0);
	CHECK(t, map.state == (LDISKFS_OSD_MAPPED | LDISKFS_OSD_IS_NEW) && map.count == 16);
	map = (struct ldiskfs_osd_map){.logical = 0, .count = 16};
	CHECK(t, ldiskfs_osd_map_blocks(handle, inode, &map, LDISKFS_OSD_MAP_CREATE) == 0);
	CHECK(t, map.state == LDISKFS_OSD_MAPPED && map.count == 16);
	map = (struct ldiskfs_osd_map){.logical = 32, .count = 4};
	CHECK(t, ldiskfs_osd_map_blocks(handle, inode, &map,
					LDISKFS_OSD_MAP_CREATE | LDISKFS_OSD_MAP_UNWRITTEN |
						LDISKFS_OSD_MAP_EXACT) == 0);
	CHECK(t, map.state & LDISKFS_OSD_IS_UNWRITTEN);
	ldiskfs_osd_set_size(inode, 64 * t->sb->s_blocksize);
	CHECK(t, ldiskfs_osd_mark_inode_dirty(handle, inode) == 0);
	CHECK(t, ldiskfs_osd_stop(handle) == 0);
	return true;
}

static bool test_mapping(struct test *t)
{
	const struct ldiskfs_osd_new what = {.mode = S_IFREG | 0644};
	struct inode *inode = make_now(t, t->root, "mapping", &what);
	handle_t *handle;

	NEED(t, !IS_ERR(inode));
	CHECK(t, ldiskfs_osd_attach_jinode(inode) == 0);
	NEED(t, create_mappings(t, inode));
	check_map(t, inode, 4, 100, LDISKFS_OSD_MAPPED, 12);
	check_map(t, inode, 16, 4, 0, 4);
	check_map(t, inode, 33, 9, LDISKFS_OSD_IS_UNWRITTEN, 3);
	CHECK(t, !ldiskfs_osd_read_block(inode, 33));

	/* Writing metadata into an unwritten block starts from zeroes and makes it written. */
	handle = start(t);
	NEED(t, !IS_ERR(handle));
	CHECK(t, write_pattern(t, handle, inode, 33));
	CHECK(t, ldiskfs_osd_stop(handle) == 0);
	check_map(t, inode, 33, 1, LDISKFS_OSD_MAPPED, 1);
	CHECK(t, check_pattern(t, inode, 33, 'A' + 33));

	handle = start(t);
	NEED(t, !IS_ERR(handle));
	ldiskfs_osd_set_size(inode, 8 * t->sb->s_blocksize);
	CHECK(t, ldiskfs_osd_orphan_add(handle, inode) == 0);
	CHECK(t, ldiskfs_osd_mark_inode_dirty(handle, inode) == 0);
	CHECK(t, ldiskfs_osd_stop(handle) == 0);
	CHECK(t, ldiskfs_osd_truncate(inode) == 0);
	check_map(t, inode, 0, 100, LDISKFS_OSD_MAPPED, 8);
	CHECK(t, inode->i_blocks == 8 * (t->sb->s_blocksize >> 9));
	CHECK(t, stamps_are_fixed(inode));
	handle = start(t);
	NEED(t, !IS_ERR(handle));
	CHECK(t, ldiskfs_osd_orphan_del(handle, inode) == 0);
	CHECK(t, ldiskfs_osd_stop(handle) == 0);
	iput(inode);
	return true;
}

/*
 * Extended attributes
 */

static const char lma[] = "0123456789abcdefghijklm";

static bool list_has(const char *list, ssize_t len, const char *name)
{
	const char *at;

	for (at = list; at < list + len; at += strlen(at) + 1)
		if (strcmp(at, name) == 0)
			return true;
	return false;
}

static bool check_list(struct test *t, struct inode *inode)
{
	ssize_t len = ldiskfs_osd_xattr_list(inode, NULL, 0);
	char list[256];

	NEED(t, len > 0 && len < sizeof(list));
	CHECK(t, ldiskfs_osd_xattr_list(inode, list, len - 1) == -ERANGE);
	CHECK(t, ldiskfs_osd_xattr_list(inode, list, sizeof(list)) == len);
	CHECK(t, list_has(list, len, "trusted.lma"));
	CHECK(t, list_has(list, len, "trusted.large"));
	CHECK(t, list_has(list, len, "user.note"));
	CHECK(t, list_has(list, len, "system.posix_acl_access"));
	CHECK(t, !list_has(list, len, "system.posix_acl_default"));
	CHECK(t, !list_has(list, len, "trusted.gone"));
	return true;
}

/* Starts with too few credits on purpose: the handle has to be extended. */
static bool set_xattr(struct test *t, struct inode *inode, int index, const char *name,
		      const void *value, size_t size, int flags, int expect)
{
	handle_t *handle = ldiskfs_osd_start(t->sb, 1, 0);

	NEED(t, !IS_ERR(handle));
	CHECK(t, ldiskfs_osd_xattr_set(handle, inode, index, name, value, size, flags) == expect);
	CHECK(t, ldiskfs_osd_stop(handle) == 0);
	return true;
}

static bool set_xattrs(struct test *t, struct inode *inode, const void *large, size_t large_size)
{
	/* An ACL in ext4's form: version 1; user::rw-, group::r--, other::--- */
	static const u8 acl[] = {1, 0, 0, 0, 1, 0, 6, 0, 4, 0, 4, 0, 0x20, 0, 0, 0};
	const int trusted = LDISKFS_OSD_XATTR_TRUSTED;

	return set_xattr(t, inode, trusted, "lma", lma, sizeof(lma), XATTR_CREATE, 0) &&
	       set_xattr(t, inode, trusted, "lma", lma, sizeof(lma), XATTR_CREATE, -EEXIST) &&
	       set_xattr(t, inode, trusted, "lma", lma, sizeof(lma), XATTR_REPLACE, 0) &&
	       set_xattr(t, inode, trusted, "none", lma, 1, XATTR_REPLACE, -ENODATA) &&
	       set_xattr(t, inode, trusted, "none", NULL, 0, 0, 0) &&
	       set_xattr(t, inode, trusted, "large", large, large_size, 0, 0) &&
	       set_xattr(t, inode, trusted, "gone", large, 3000, 0, 0) &&
	       set_xattr(t, inode, trusted, "gone", NULL, 0, 0, 0) &&
	       set_xattr(t, inode, LDISKFS_OSD_XATTR_USER, "note", "hello", 5, 0, 0) &&
	       set_xattr(t, inode, LDISKFS_OSD_XATTR_ACL_ACCESS, "", acl, sizeof(acl), 0, 0);
}

static bool test_xattrs(struct test *t)
{
	const struct ldiskfs_osd_new what = {.mode = S_IFREG | 0640};
	struct inode *inode = make_now(t, t->root, "xattrs", &what);
	const size_t large_size = 20000;
	u8 *large = kvmalloc(large_size, GFP_KERNEL), *back = kvmalloc(large_size, GFP_KERNEL);
	const int trusted = LDISKFS_OSD_XATTR_TRUSTED;
	size_t i;

	NEED(t, !IS_ERR(inode) && large && back);
	for (i = 0; i < large_size; i++)
		large[i] = i * 7 + i / 251;
	CHECK(t, ldiskfs_osd_xattr_credits(t->sb, NULL, 24, true) > 0);
	CHECK(t, ldiskfs_osd_xattr_credits(t->sb, inode, large_size, false) >
			 ldiskfs_osd_xattr_credits(t->sb, inode, 24, true));
	CHECK(t, set_xattrs(t, inode, large, large_size));
	CHECK(t, ldiskfs_osd_xattr_get(inode, trusted, "lma", NULL, 0) == sizeof(lma));
	CHECK(t, ldiskfs_osd_xattr_get(inode, trusted, "lma", back, 5) == -ERANGE);
	CHECK(t, ldiskfs_osd_xattr_get(inode, trusted, "lma", back, large_size) == sizeof(lma));
	CHECK(t, memcmp(back, lma, sizeof(lma)) == 0);
	CHECK(t, ldiskfs_osd_xattr_get(inode, trusted, "large", back, large_size) == large_size);
	CHECK(t, memcmp(back, large, large_size) == 0);
	CHECK(t, ldiskfs_osd_xattr_get(inode, trusted, "gone", NULL, 0) == -ENODATA);
	check_list(t, inode);
	CHECK(t, stamps_are_fixed(inode));
	/* Neither the umask nor the ACL have touched the mode. */
	CHECK(t, inode->i_mode == (S_IFREG | 0640));
	kvfree(large);
	kvfree(back);
	iput(inode);
	return true;
}

/*
 * The inode table
 */

static bool test_inode_table(struct test *t)
{
	struct ldiskfs_osd_name name = name_of("object");
	struct ldiskfs_osd_entry entry;
	unsigned int seen = 0, readable = 0;
	u32 ino = 0, from = 1;
	bool met = false;
	int err;

	NEED(t, ldiskfs_osd_find_entry(t->root, &name, &entry) == 0);
	while ((err = ldiskfs_osd_next_inode(t->sb, from, &ino)) == 0) {
		struct inode *inode;

		NEED(t, ino >= from && ino <= t->info.inodes_count);
		from = ino + 1;
		seen++;
		met |= ino == entry.ino;
		if (ino < t->info.first_inode)
			continue;
		inode = ldiskfs_osd_iget(t->sb, ino, LDISKFS_OSD_IGET_HANDLE);
		if (IS_ERR(inode))
			continue;
		readable++;
		iput(inode);
	}
	CHECK(t, err == -ENOENT);
	CHECK(t, met);
	/* 15 objects have been left, besides lost+found, reserved inodes and those of large
	 * attributes. */
	CHECK(t, readable >= 16 && seen >= readable + 10 && seen < 40);
	return true;
}

static void run_tests(struct test *t)
{
	static bool (*const tests[])(struct test *t) = {
		test_super_info, test_transactions, test_object,   test_bad_names,
		test_discard,	 test_attributes,   test_symlinks, test_device_node,
		test_removal,	 test_directories,  test_mapping,  test_reused_block,
		test_xattrs,
	};
	unsigned int i;

	if (!attach(t))
		return;
	if (has_index(t)) {
		for (i = 0; i < ARRAY_SIZE(tests); i++)
			tests[i](t);
		test_journalled_file(t, "journalled", false);
		test_journalled_file(t, "journalled-block-mapped", true);
		test_inode_table(t);
	} else {
		test_directories(t);
		if (damage)
			test_damaged_directory(t);
	}
	iput(t->root);
}

/* What is registered last has run when the file system is gone. */
static void test_unmount(struct test *t, struct vfsmount *mnt)
{
	struct commit_probe probe = {.cb.committed = note_commit, .error = -1};
	handle_t *handle = start(t);

	init_completion(&probe.done);
	if (CHECK(t, !IS_ERR(handle))) {
		ldiskfs_osd_on_commit(handle, &probe.cb);
		CHECK(t, ldiskfs_osd_stop(handle) == 0);
	}
	kern_unmount(mnt);
	CHECK(t, atomic_read(&probe.runs) == 1 && probe.error == 0);
}

static int __init ldiskfs_selftest_init(void)
{
	char options[] = "errors=continue,user_xattr,acl,nodelalloc,no_mbcache";
	struct file_system_type *type = get_fs_type("ldiskfs");
	struct test t = {};
	struct vfsmount *mnt;

	if (!dev || !type) {
		pr_err("ldiskfs_selftest: %s\n",
		       dev ? "no file system type ldiskfs" : "dev= is missing");
		return -EINVAL;
	}
	/* With SB_KERNMOUNT the unmount is complete when kern_unmount() returns. */
	mnt = vfs_kern_mount(type, SB_KERNMOUNT, dev, options);
	module_put(type->owner);
	if (IS_ERR(mnt)) {
		pr_err("ldiskfs_selftest: cannot mount %s: %ld\n", dev, PTR_ERR(mnt));
		return PTR_ERR(mnt);
	}
	t.sb = mnt->mnt_sb;
	run_tests(&t);
	test_unmount(&t, mnt);
	pr_info("ldiskfs_selftest: %u checks, %u failed\n", t.checks, t.failures);
	return t.failures || !t.checks ? -EUCLEAN : 0;
}

static void __exit ldiskfs_selftest_exit(void) {}

module_init(ldiskfs_selftest_init);
module_exit(ldiskfs_selftest_exit);
MODULE_DESCRIPTION("Test of what ldiskfs offers to an object store");
MODULE_LICENSE("GPL");
