// SPDX-License-Identifier: GPL-2.0
//
// Directories, without data behind the names.
#include "convert.h"

static struct ldiskfs_osd_name name_of(const char *name, unsigned int len)
{
	return (struct ldiskfs_osd_name){.name = name, .len = len};
}

int ldi_init_dir(struct ldi_tx *tx, struct ldi_inode *dir, u32 parent_ino)
{
	return ldiskfs_osd_init_dir(handle_of(tx), inode_of(dir), parent_ino, NULL);
}

int ldi_add_entry(struct ldi_tx *tx, struct ldi_inode *dir, const char *name, unsigned int len,
		  struct ldi_inode *inode)
{
	struct ldiskfs_osd_name n = name_of(name, len);

	return ldiskfs_osd_add_entry(handle_of(tx), inode_of(dir), &n, inode_of(inode));
}

int ldi_find_entry(struct ldi_inode *dir, const char *name, unsigned int len, u32 *ino)
{
	struct ldiskfs_osd_name n = name_of(name, len);
	struct ldiskfs_osd_entry entry;
	int rc = ldiskfs_osd_find_entry(inode_of(dir), &n, &entry);

	if (!rc)
		*ino = entry.ino;
	return rc;
}

int ldi_delete_entry(struct ldi_tx *tx, struct ldi_inode *dir, const char *name, unsigned int len)
{
	struct ldiskfs_osd_name n = name_of(name, len);

	return ldiskfs_osd_delete_entry(handle_of(tx), inode_of(dir), &n, 0);
}

int ldi_set_dotdot(struct ldi_tx *tx, struct ldi_inode *dir, u32 parent_ino)
{
	return ldiskfs_osd_set_dotdot(handle_of(tx), inode_of(dir), parent_ino, NULL);
}

bool ldi_dir_empty(struct ldi_inode *dir)
{
	return ldiskfs_osd_dir_is_empty(inode_of(dir));
}

int ldi_dir_open(struct ldi_inode *dir, struct ldi_dir **out)
{
	struct ldiskfs_osd_dir *cursor = ldiskfs_osd_dir_open(inode_of(dir));

	if (IS_ERR(cursor))
		return PTR_ERR(cursor);
	*out = (struct ldi_dir *)cursor;
	return 0;
}

void ldi_dir_close(struct ldi_dir *cursor)
{
	ldiskfs_osd_dir_close((struct ldiskfs_osd_dir *)cursor);
}

struct deliver {
	ldi_dir_fn fn;
	void *arg;
};

static bool deliver(void *arg, const struct ldiskfs_osd_entry *entry)
{
	struct deliver *d = arg;
	struct ldi_entry e = {
		.name = entry->name,
		.name_len = entry->name_len,
		.ino = entry->ino,
		.mode = entry->type << 12, /* DT_* are the S_IFMT bits */
		.pos = entry->pos,
	};

	return d->fn(d->arg, &e);
}

int ldi_dir_read(struct ldi_dir *cursor, u64 *pos, ldi_dir_fn fn, void *arg)
{
	struct deliver d = {.fn = fn, .arg = arg};

	return ldiskfs_osd_dir_read((struct ldiskfs_osd_dir *)cursor, pos, deliver, &d);
}
