/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the glue files of libcfs share among themselves: their start and end in the order that
 * module.c keeps, and the few helpers that are no part of the boundary.
 */
#ifndef LIBCFS_LINUX_GLUE_H
#define LIBCFS_LINUX_GLUE_H

#include <linux/gfp.h>
#include <linux/types.h>

#include "libcfs/plat/subsys.h"

struct cfs_node;

int cfs_mem_init(void);
/* Says what was not freed. */
void cfs_mem_exit(void);
int cfs_node_init(void);
void cfs_node_exit(void);
int cfs_cpt_init(void);
void cfs_cpt_exit(void);
void cfs_csum_init(void);
void cfs_csum_exit(void);
/* Hands the core what module parameters said, once it runs; and before it ends. */
int cfs_modparam_start(void);
void cfs_modparam_stop(void);

/* Kernel allocation flags for boundary ones. */
gfp_t cfs_gfp(unsigned int flags);
/* Charges (or, negative, returns) memory. */
void cfs_mem_charge(enum cfs_subsys s, s64 bytes, s64 objects);
/* Whether this allocation is to fail on purpose; counts it if so. */
bool cfs_mem_refuse(enum cfs_subsys s, unsigned int flags);
void cfs_mem_failed(enum cfs_subsys s);
/* For the self-test module, one at a time: `refuse` is asked about every allocation, and those it
 * says true to fail. It is called in RCU read sections. NULL: no more calls once this has returned.
 * Sleeps. */
void cfs_mem_set_refuser(bool (*refuse)(void));

/* CPUs of a partition; NULL for a number that is none. */
const struct cpumask *cfs_cpt_mask(int cpt);
/* The NUMA node that most of a partition is on; NUMA_NO_NODE for CFS_CPT_ANY. */
int cfs_cpt_numa(int cpt);

/* Sleeps, in the task state the caller has set, until woken or the deadline; true when it passed.
 */
bool cfs_schedule_until(u64 deadline_ns);

/* The node of the calling thread if cfs_thread_start made it, else NULL. */
struct cfs_node *cfs_thread_node(void);

#endif
