/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What libcfs core offers to the other modules and to glue, beside the debug log (plat/log.h): no
 * mangled C++ name is exported between modules, so machine-wide services are these functions. Core
 * code uses the C++ faces of them, libcfs/{machine,node,fail,params}.hpp.
 */
#ifndef LIBCFS_PLAT_CORE_H
#define LIBCFS_PLAT_CORE_H

#include "libcfs/plat/base.h"

CFS_DECLS_BEGIN

/* ---- start and end of the machine's libcfs object (libcfs/machine.cpp) ---- */

/* Called once by glue when libcfs.ko has set up the platform, by tests, and by every simulated
 * machine as it boots. Sleeps. */
int cfs_core_start(void) CFS_NOEXCEPT;
/* Nothing of ours runs any more. Reports memory that was not freed. Sleeps. */
void cfs_core_stop(void) CFS_NOEXCEPT;
/* Whether an assertion has failed since the start (`catastrophe`). */
bool cfs_core_catastrophe(void) CFS_NOEXCEPT;
/* Whether statistics begin with the time they were cleared (`enable_stats_header`). */
bool cfs_core_stats_header(void) CFS_NOEXCEPT;

/* ---- fail points (libcfs/fail.cpp; spec 08 section 12) ---- */

enum cfs_fail_kind {
	CFS_FAIL_PLAIN = 0, /* fail now */
	CFS_FAIL_VALUE = 1, /* only when fail_val is `value` or -1 */
	CFS_FAIL_SET = 2,   /* and then fail_loc becomes `value` */
	CFS_FAIL_ORSET = 3, /* and then the flags in `value` are added to fail_loc */
};

/* Whether the caller is to fail now. Fast while fail_loc is 0. May be called with locks held. */
bool cfs_fail_check(uint32_t id, uint32_t value, unsigned int kind) CFS_NOEXCEPT;
/* When hit, sleeps for `ns`, or fail_val seconds when that is 0, or until fail_loc becomes 0.
 * Returns whether it was hit. Sleeps. */
bool cfs_fail_timeout(uint32_t id, uint64_t ns) CFS_NOEXCEPT;
/* The first thread that hits it sleeps until a second one comes or fail_loc changes. Sleeps. */
void cfs_fail_race(uint32_t id) CFS_NOEXCEPT;
/* The value of fail_err, for points that ask which error to return. */
int cfs_fail_err(void) CFS_NOEXCEPT;

/* ---- parameters (libcfs/params.cpp); core code uses libcfs/params.hpp, which has the contracts.
 * All of them sleep. ---- */

struct cfs_param_group;
struct cfs_param_info;

int cfs_param_root_open(struct cfs_node *node, const char *name, size_t n,
			struct cfs_param_group **out) CFS_NOEXCEPT;
int cfs_param_group_open(struct cfs_param_group *parent, const char *name, size_t n,
			 struct cfs_param_group **out) CFS_NOEXCEPT;
void cfs_param_group_close(struct cfs_param_group *g) CFS_NOEXCEPT;
int cfs_param_add(struct cfs_param_group *g, const struct cfs_param_info *params, size_t count,
		  void *obj) CFS_NOEXCEPT;
int cfs_param_set(struct cfs_param_group *g, const char *name, size_t n, const char *value,
		  size_t value_n) CFS_NOEXCEPT;
int cfs_param_find(struct cfs_param_group *g, const char *name, size_t n,
		   const struct cfs_param_info **info, void **obj) CFS_NOEXCEPT;
/* Changes *mask as the text says, or -EINVAL; tells the console what is wrong, as stock does. */
int cfs_param_parse_mask(const struct cfs_param_info *info, const char *text, size_t n,
			 uint32_t *mask) CFS_NOEXCEPT;

/* The parameters of libcfs itself (debug, debug_mb, panic_on_lbug...) by name, for the module
 * parameters of the same meaning. set: value is NUL-terminated. get: writes at most n bytes with
 * the NUL. 0 or a negative errno. */
int cfs_core_param_set(const char *name, const char *value) CFS_NOEXCEPT;
int cfs_core_param_get(const char *name, char *buf, size_t n) CFS_NOEXCEPT;

/* Empties the debug log; writes a marker to it and to the console. */
void cfs_log_clear(void) CFS_NOEXCEPT;
void cfs_log_mark(const char *text, size_t n) CFS_NOEXCEPT;

/* ---- per-node objects (libcfs/node.cpp); core code uses libcfs/node.hpp. All of them sleep. ----
 */

/* The core's object of a node (cfs::Node), with a reference for the caller; made when there is
 * none. */
struct cfs_core_node;
int cfs_core_node_get(struct cfs_node *node, struct cfs_core_node **out) CFS_NOEXCEPT;
/* The one that exists, with a reference, or NULL. */
struct cfs_core_node *cfs_core_node_find(struct cfs_node *node) CFS_NOEXCEPT;
void cfs_core_node_put(struct cfs_core_node *node) CFS_NOEXCEPT;
/* What dropping the last reference calls. */
void cfs_core_node_free(struct cfs_core_node *node) CFS_NOEXCEPT;
/* Ends the part `slot` (cfs::NodeSlot) of every node: before the module that made it goes. */
void cfs_core_nodes_drop(unsigned int slot) CFS_NOEXCEPT;

CFS_DECLS_END

#endif
