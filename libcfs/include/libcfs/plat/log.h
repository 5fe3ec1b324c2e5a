/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Messages: the console, and the machine-wide services that libcfs itself offers to every module
 * (debug log, fail points). Core code uses libcfs/log.hpp and libcfs/fail.hpp.
 */
#ifndef LIBCFS_PLAT_LOG_H
#define LIBCFS_PLAT_LOG_H

#include "libcfs/plat/base.h"
#include "libcfs/plat/subsys.h"

CFS_DECLS_BEGIN

enum cfs_console_level {
	CFS_CONSOLE_EMERG = 0,
	CFS_CONSOLE_ERROR = 3,
	CFS_CONSOLE_WARNING = 4,
	CFS_CONSOLE_NOTICE = 5,
	CFS_CONSOLE_INFO = 6,
};

/* One line (without newline) to the console of the machine: printk, stderr, or the sim's event log.
 * Any context. */
void cfs_console(enum cfs_console_level level, const char *text, size_t n) CFS_NOEXCEPT;

/* Dumps the calling thread's stack to the console. */
void cfs_dump_stack(void) CFS_NOEXCEPT;

/* The machine's libcfs object (cfs::Machine), owner of debug log, masks and fail points. Set once
 * by libcfs when it starts and cleared when it stops; in sim each node is a machine. NULL before
 * and after. */
struct cfs_machine;
struct cfs_machine *cfs_machine_get(void) CFS_NOEXCEPT;
void cfs_machine_set(struct cfs_machine *m) CFS_NOEXCEPT;

/* ---- offered by libcfs core (libcfs/log.cpp, libcfs/fail.cpp), callable from every module ---- */

/* A place that logs: constant-initialised static, one per call site. `last_ns` and `skipped`
 * rate-limit the console copy. */
struct cfs_log_site {
	const char *file;
	const char *func;
	uint32_t line;
	uint32_t subsys; /* bit position */
	uint32_t mask;	 /* one CFS_D_ bit */
	uint32_t skipped;
	uint64_t last_ns;
};

/* Whether a message of this kind is wanted anywhere; cheap. */
bool cfs_log_wanted(uint32_t subsys, uint32_t mask) CFS_NOEXCEPT;
/* Stores one formatted line in the ring and, as `printk` mask and rate limit say, prints it. Any
 * context. */
void cfs_log_emit(struct cfs_log_site *site, const char *text, size_t n) CFS_NOEXCEPT;

/* Fail points (spec 08 section 12). Fast when fail_loc is 0. check: plain point, true = fail now.
 */
bool cfs_fail_check(uint32_t id, uint32_t value, unsigned int kind) CFS_NOEXCEPT;

CFS_DECLS_END

#endif
