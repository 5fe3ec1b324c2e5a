/* SPDX-License-Identifier: GPL-2.0 */
/* Between the conformance suite of object stores and the module that runs it in a kernel. */
#ifndef OSD_CONFORMANCE_SUITE_H
#define OSD_CONFORMANCE_SUITE_H

#include "libcfs/plat/base.h"

CFS_DECLS_BEGIN

struct osd_mount;

unsigned int osd_suite_count(void) CFS_NOEXCEPT;
/* "Suite.Name", cut to n bytes with the NUL. */
void osd_suite_name(unsigned int test, char *buf, size_t n) CFS_NOEXCEPT;
/* Mounts, runs one test, unmounts. 0, -EOPNOTSUPP when it cannot be run here, or what failed, which
 * `why` tells. first_oid: in, the first number to give to objects; out, the next one. */
int osd_suite_run(struct cfs_node *node, const struct osd_mount *mount, unsigned int test,
		  unsigned int percent, uint32_t *first_oid, char *why, size_t n) CFS_NOEXCEPT;
/* Writes files without end, each synced now and then, until the power goes; see the test script. */
int osd_suite_churn(struct cfs_node *node, const struct osd_mount *mount,
		    unsigned int rounds) CFS_NOEXCEPT;
/* Checks what osd_suite_churn() left: whatever it said was durable is there, whole. */
int osd_suite_verify(struct cfs_node *node, const struct osd_mount *mount, char *why,
		     size_t n) CFS_NOEXCEPT;

CFS_DECLS_END

#endif
