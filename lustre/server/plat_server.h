/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The server mount, between modules and towards the file system glue. No C++ name crosses a
 * module's border; the structures are the classes of server/parts.hpp.
 */
#ifndef SERVER_PLAT_SERVER_H
#define SERVER_PLAT_SERVER_H

#include "libcfs/plat/base.h"
#include "plat_statfs.h"

CFS_DECLS_BEGIN

struct server_mgs_part;
struct server_mdt_part;
struct server_ost_part;

/* Exported by mgs.ko, mdt.ko and ost.ko. Always the same object, which lives as long as the module.
 */
const struct server_mgs_part *server_mgs_part(void) CFS_NOEXCEPT;
const struct server_mdt_part *server_mdt_part(void) CFS_NOEXCEPT;
const struct server_ost_part *server_ost_part(void) CFS_NOEXCEPT;

/* ---- called by the glue of the file system type ---- */

struct server_mount;

/* Starts what the options of mount(2) describe (spec 07 section 4.3), NUL-terminated, on this node.
 * 0 or a negative errno. Sleeps; killable. */
int server_mount(struct cfs_node *node, const char *options, bool read_only,
		 struct server_mount **out) CFS_NOEXCEPT;
/* Stops it; nothing of it is left at the return. Clients stay on disk, and are recovered by whoever
 * mounts it next. Sleeps. */
void server_umount(struct server_mount *m) CFS_NOEXCEPT;
int server_get_statfs(struct server_mount *m, struct lustre_statfs *out) CFS_NOEXCEPT;
/* What /proc/mounts shows behind "rw", with its leading comma, cut to `size` with the NUL. */
void server_show_options(struct server_mount *m, char *out, unsigned size) CFS_NOEXCEPT;
/* The module goes: nothing is mounted any more. */
void server_stop(void) CFS_NOEXCEPT;

CFS_DECLS_END

#endif
