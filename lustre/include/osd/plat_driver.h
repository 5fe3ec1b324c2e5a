/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Between modules: how a target gets its device. The object behind osd_device is an osd::Device
 * (osd/osd.hpp); no C++ name crosses a module's border.
 */
#ifndef OSD_PLAT_DRIVER_H
#define OSD_PLAT_DRIVER_H

#include "libcfs/plat/base.h"

CFS_DECLS_BEGIN

struct osd_device;

/* What to mount (spec 07 sections 4.3, 14.1). Strings are NUL-terminated and copied. */
struct osd_mount {
	const char *device;  /* path of the block device */
	const char *options; /* for the backing file system, comma separated; may be NULL */
	const char *svname;  /* the target, with '-': "lfs1-OST0000"; "MGS" for an MGS alone */
	bool read_only;
	bool no_scrub; /* do not repair the object index by itself */
};

/* Mounts an ldiskfs device and gives it with one reference (osd::adopt_device). The same device
 * under the same name gives the same object again, so an MGS and an MDT can share one. Exported by
 * osd_ldiskfs.ko. Sleeps.
 *
 * -EINVAL: a bad name or option, or no ldiskfs file system with a journal; -EBUSY: in use under
 * another name, or by another node (MMP); -EOPNOTSUPP: features that this code does not know; each
 * with a message on the console. */
int osd_ldiskfs_mount(struct cfs_node *node, const struct osd_mount *mount,
		      struct osd_device **out) CFS_NOEXCEPT;

CFS_DECLS_END

#endif
