// SPDX-License-Identifier: GPL-2.0
//
// Parameter files of the boundary (libcfs/plat/param.h) in sysfs and debugfs.
//
// Roots are shared: one folder for each path, which lives as long as somebody has it open. In sysfs
// the kernel keeps apart what lies in a root by network namespace, so each node sees only its own
// parameters there, under the same names. debugfs has no such thing: there the root of a node that
// is not the initial namespace has "@" and the node's name behind its own.
//
// Invariants: no show or store runs after cfs_pfile_del() has returned (both file systems wait for
// the running ones); a folder with something in it is never taken away, but reported and kept. A
// store must not remove its own file or folder: it would wait for itself.
#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/kobject.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <linux/uaccess.h>

#include "libcfs/plat/mem.h"
#include "libcfs/plat/param.h"
#include "node.h"

/* The longest text one write(2) to a debugfs file may carry. */
#define STORE_BYTES_MAX (1 << 20)

struct root {
	struct list_head link; /* in roots */
	enum cfs_ptree tree;
	unsigned int users; /* by roots_lock */
	struct kset kset;   /* sysfs */
	struct completion gone;
	struct dentry *dentry; /* debugfs */
	char path[64];
};

struct cfs_pdir {
	enum cfs_ptree tree;
	atomic_t children;
	struct root *root;	 /* what this is a handle of, or NULL */
	struct cfs_pdir *parent; /* NULL for a root */
	struct net *net;	 /* whose; valid in handles of a root and directly below */
	struct kobject kobj;	 /* sysfs, not in roots */
	struct completion gone;
	struct dentry *dentry; /* debugfs */
};

struct cfs_pfile {
	struct attribute attr; /* sysfs; also the name */
	struct cfs_pdir *dir;
	const struct cfs_pfile_ops *ops;
	void *ctx;
	struct dentry *dentry;
	size_t bytes; /* of this structure with the name behind it */
	char name[];
};

struct cfs_psink {
	struct seq_file *seq; /* debugfs */
	char *buf;	      /* sysfs: a page */
	size_t used;
	bool overflow;
};

static LIST_HEAD(roots);
static DEFINE_MUTEX(roots_lock);

void cfs_psink_write(struct cfs_psink *s, const char *text, size_t n)
{
	if (s->seq) {
		seq_write(s->seq, text, n);
	} else if (n > PAGE_SIZE - s->used) {
		s->overflow = true;
	} else {
		memcpy(s->buf + s->used, text, n);
		s->used += n;
	}
}

/* ---- sysfs ---- */

static ssize_t sysfs_show(struct kobject *kobj, struct attribute *attr, char *buf)
{
	struct cfs_pfile *f = container_of(attr, struct cfs_pfile, attr);
	struct cfs_psink sink = {.buf = buf};
	int rc;

	if (!f->ops->show)
		return -EACCES;
	rc = f->ops->show(f->ctx, &sink);
	if (rc)
		return rc;
	return sink.overflow ? -EFBIG : sink.used;
}

static ssize_t sysfs_store(struct kobject *kobj, struct attribute *attr, const char *buf, size_t n)
{
	struct cfs_pfile *f = container_of(attr, struct cfs_pfile, attr);
	int rc;

	if (!f->ops->store)
		return -EACCES;
	rc = f->ops->store(f->ctx, buf, n);
	return rc ? rc : n;
}

static const struct sysfs_ops sysfs_file_ops = {
	.show = sysfs_show,
	.store = sysfs_store,
};

static void kset_released(struct kobject *kobj)
{
	complete(&container_of(kobj, struct root, kset.kobj)->gone);
}

static void dir_released(struct kobject *kobj)
{
	complete(&container_of(kobj, struct cfs_pdir, kobj)->gone);
}

/* What lies in a root belongs to namespaces; deeper folders are reached through those. */
#ifdef HAVE_KOBJ_TYPE_CONST
#define KOBJ_ARG const struct kobject
#else
#define KOBJ_ARG struct kobject
#endif

static const struct kobj_ns_type_operations *root_child_ns(KOBJ_ARG *kobj)
{
	return &net_ns_type_operations;
}

static const void *dir_namespace(KOBJ_ARG *kobj)
{
	return container_of(kobj, struct cfs_pdir, kobj)->net;
}

static const struct kobj_type root_ktype = {
	.release = kset_released,
	.sysfs_ops = &sysfs_file_ops,
	.child_ns_type = root_child_ns,
};

static const struct kobj_type dir_ktype = {
	.release = dir_released,
	.sysfs_ops = &sysfs_file_ops,
	.namespace = dir_namespace,
};

/* The tag that entries of this folder carry. */
static struct net *entry_ns(const struct cfs_pdir *d)
{
	return d->root ? d->net : NULL;
}

static struct kobject *kobj_of(struct cfs_pdir *d)
{
	return d->root ? &d->root->kset.kobj : &d->kobj;
}

static int sysfs_root_add(struct root *r)
{
	const char *name = r->path;
	int rc;

	/* What we have there is below /sys/fs. */
	if (strncmp(name, "fs/", 3) || strchr(name + 3, '/'))
		return -EINVAL;
	rc = kobject_set_name(&r->kset.kobj, "%s", name + 3);
	if (rc)
		return rc;
	r->kset.kobj.ktype = &root_ktype;
	r->kset.kobj.parent = fs_kobj;
	rc = kset_register(&r->kset);
	/* Not every kernel frees the name itself; those that do leave NULL. */
	if (rc)
		kfree_const(r->kset.kobj.name);
	return rc;
}

static int sysfs_dir_add(struct cfs_pdir *d, const char *name)
{
	int rc;

	/* Members of the set can send uevents. */
	for (struct cfs_pdir *up = d->parent; up; up = up->parent)
		if (up->root)
			d->kobj.kset = &up->root->kset;
	rc = kobject_init_and_add(&d->kobj, &dir_ktype, kobj_of(d->parent), "%s", name);
	if (rc) {
		kobject_put(&d->kobj);
		wait_for_completion(&d->gone);
	}
	return rc;
}

/* ---- debugfs ---- */

static int debugfs_show(struct seq_file *seq, void *unused)
{
	struct cfs_pfile *f = seq->private;
	struct cfs_psink sink = {.seq = seq};

	return f->ops->show(f->ctx, &sink);
}

static int debugfs_open(struct inode *inode, struct file *file)
{
	struct cfs_pfile *f = inode->i_private;

	/* Root passes the mode's check, but there is nothing to read or write. */
	if ((file->f_mode & FMODE_READ && !f->ops->show) ||
	    (file->f_mode & FMODE_WRITE && !f->ops->store))
		return -EACCES;
	return single_open(file, debugfs_show, f);
}

static ssize_t debugfs_store(struct file *file, const char __user *user, size_t n, loff_t *pos)
{
	struct cfs_pfile *f = ((struct seq_file *)file->private_data)->private;
	char *text;
	int rc;

	if (n > STORE_BYTES_MAX)
		return -EFBIG;
	text = kvmalloc(n + 1, GFP_KERNEL);
	if (!text)
		return -ENOMEM;
	if (copy_from_user(text, user, n)) {
		rc = -EFAULT;
	} else {
		text[n] = '\0';
		rc = f->ops->store(f->ctx, text, n);
	}
	kvfree(text);
	if (rc)
		return rc;
	*pos += n;
	return n;
}

static const struct file_operations debugfs_file_ops = {
	.owner = THIS_MODULE,
	.open = debugfs_open,
	.read = seq_read,
	.write = debugfs_store,
	.llseek = seq_lseek,
	.release = single_release,
};

static struct dentry *dentry_of(struct cfs_pdir *d)
{
	return d->root ? d->root->dentry : d->dentry;
}

/* ---- roots ---- */

static int root_add(struct root *r)
{
	if (r->tree == CFS_PTREE_SYSFS)
		return sysfs_root_add(r);
	r->dentry = debugfs_create_dir(r->path, NULL);
	return PTR_ERR_OR_ZERO(r->dentry);
}

static void root_del(struct root *r)
{
	if (r->tree == CFS_PTREE_SYSFS) {
		kset_unregister(&r->kset);
		wait_for_completion(&r->gone);
	} else {
		debugfs_remove(r->dentry);
	}
}

/* The root of that name with one more user; made if it is not there. */
static struct root *root_get(enum cfs_ptree tree, const char *path)
{
	struct root *r;
	int rc;

	list_for_each_entry(r, &roots, link)
	{
		if (r->tree == tree && !strcmp(r->path, path)) {
			r->users++;
			return r;
		}
	}
	r = cfs_alloc(CFS_S_LIBCFS, sizeof(*r), CFS_ALLOC_ZERO);
	if (!r)
		return ERR_PTR(-ENOMEM);
	r->tree = tree;
	r->users = 1;
	init_completion(&r->gone);
	strscpy(r->path, path, sizeof(r->path));
	rc = root_add(r);
	if (rc) {
		cfs_free(CFS_S_LIBCFS, r, sizeof(*r));
		return ERR_PTR(rc);
	}
	list_add(&r->link, &roots);
	return r;
}

static void root_put(struct root *r)
{
	mutex_lock(&roots_lock);
	if (--r->users) {
		mutex_unlock(&roots_lock);
		return;
	}
	list_del(&r->link);
	/* With the lock held, so that nobody makes the same folder anew before it is gone. */
	root_del(r);
	mutex_unlock(&roots_lock);
	cfs_free(CFS_S_LIBCFS, r, sizeof(*r));
}

int cfs_pdir_root(struct cfs_node *node, enum cfs_ptree tree, const char *path,
		  struct cfs_pdir **out)
{
	struct net *net = node ? cfs_node_net(node) : &init_net;
	char full[sizeof(((struct root *)0)->path)];
	bool suffix = tree == CFS_PTREE_DEBUGFS && !net_eq(net, &init_net);
	struct cfs_pdir *d;
	struct root *r;

	if (snprintf(full, sizeof(full), "%s%s%s", path, suffix ? "@" : "",
		     suffix ? cfs_node_name(node) : "") >= sizeof(full))
		return -ENAMETOOLONG;
	d = cfs_alloc(CFS_S_LIBCFS, sizeof(*d), CFS_ALLOC_ZERO);
	if (!d)
		return -ENOMEM;
	mutex_lock(&roots_lock);
	r = root_get(tree, full);
	mutex_unlock(&roots_lock);
	if (IS_ERR(r)) {
		cfs_free(CFS_S_LIBCFS, d, sizeof(*d));
		return PTR_ERR(r);
	}
	d->tree = tree;
	d->root = r;
	d->net = net;
	*out = d;
	return 0;
}

/* ---- folders ---- */

int cfs_pdir_add(struct cfs_pdir *parent, const char *name, struct cfs_pdir **out)
{
	struct cfs_pdir *d = cfs_alloc(CFS_S_LIBCFS, sizeof(*d), CFS_ALLOC_ZERO);
	int rc;

	if (!d)
		return -ENOMEM;
	d->tree = parent->tree;
	d->parent = parent;
	d->net = entry_ns(parent);
	init_completion(&d->gone);
	if (d->tree == CFS_PTREE_SYSFS) {
		rc = sysfs_dir_add(d, name);
	} else {
		d->dentry = debugfs_create_dir(name, dentry_of(parent));
		rc = PTR_ERR_OR_ZERO(d->dentry);
	}
	if (rc) {
		cfs_free(CFS_S_LIBCFS, d, sizeof(*d));
		return rc;
	}
	atomic_inc(&parent->children);
	*out = d;
	return 0;
}

void cfs_pdir_del(struct cfs_pdir *d)
{
	if (WARN(atomic_read(&d->children),
		 "libcfs: a parameter folder is removed before its files\n"))
		return;
	if (d->root) {
		root_put(d->root);
	} else if (d->tree == CFS_PTREE_SYSFS) {
		kobject_del(&d->kobj);
		kobject_put(&d->kobj);
		wait_for_completion(&d->gone);
	} else {
		debugfs_remove(d->dentry);
	}
	if (d->parent)
		atomic_dec(&d->parent->children);
	cfs_free(CFS_S_LIBCFS, d, sizeof(*d));
}

/* ---- files ---- */

static int file_add(struct cfs_pfile *f, unsigned int mode)
{
	struct cfs_pdir *d = f->dir;

	if (d->tree == CFS_PTREE_SYSFS) {
		sysfs_attr_init(&f->attr);
		f->attr.name = f->name;
		f->attr.mode = mode;
		return sysfs_create_file_ns(kobj_of(d), &f->attr, entry_ns(d));
	}
	f->dentry = debugfs_create_file(f->name, mode, dentry_of(d), f, &debugfs_file_ops);
	return PTR_ERR_OR_ZERO(f->dentry);
}

int cfs_pfile_add(struct cfs_pdir *d, const char *name, unsigned int mode,
		  const struct cfs_pfile_ops *ops, void *ctx, struct cfs_pfile **out)
{
	size_t bytes = struct_size((struct cfs_pfile *)NULL, name, strlen(name) + 1);
	struct cfs_pfile *f = cfs_alloc(CFS_S_LIBCFS, bytes, CFS_ALLOC_ZERO);
	int rc;

	if (!f)
		return -ENOMEM;
	f->bytes = bytes;
	f->dir = d;
	f->ops = ops;
	f->ctx = ctx;
	strcpy(f->name, name);
	rc = file_add(f, mode);
	if (rc) {
		cfs_free(CFS_S_LIBCFS, f, bytes);
		return rc;
	}
	atomic_inc(&d->children);
	*out = f;
	return 0;
}

void cfs_pfile_del(struct cfs_pfile *f)
{
	struct cfs_pdir *d = f->dir;

	if (d->tree == CFS_PTREE_SYSFS)
		sysfs_remove_file_ns(kobj_of(d), &f->attr, entry_ns(d));
	else
		debugfs_remove(f->dentry);
	atomic_dec(&d->children);
	cfs_free(CFS_S_LIBCFS, f, f->bytes);
}
