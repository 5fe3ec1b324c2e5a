/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Messages: the console, and the debug log that libcfs itself offers to every module. Core code
 * uses libcfs/log.hpp.
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

/* ---- offered by libcfs core (libcfs/log.cpp), callable from every module ---- */

enum cfs_site_flags {
	/* Every message goes to the console, whatever came before: markers, assertions. */
	CFS_SITE_UNLIMITED = 1 << 0,
};

/* A place that logs: a constant, one per call site. Core code makes it with the macros of
 * libcfs/log.hpp. How often a site has been heard of lately is the machine's business, so that
 * several machines in one process (sim) do not share it. */
struct cfs_log_site {
	const char *file; /* without folders */
	const char *func;
	uint32_t line;
	uint32_t subsys; /* bit position */
	uint32_t mask;	 /* CFS_D_ bits: one type, and CFS_D_CONSOLE for messages to users */
	uint32_t flags;
};

/* Whether a message of this kind is wanted anywhere; cheap. */
bool cfs_log_wanted(uint32_t subsys, uint32_t mask) CFS_NOEXCEPT;
/* Stores one formatted line (without newline) in the ring and, as `printk` mask and rate limit say,
 * prints it. May be called with spinlocks held, not from inside cfs_alloc or cfs_console. */
void cfs_log_emit(const struct cfs_log_site *site, const char *text, size_t n) CFS_NOEXCEPT;

/* What cfs_bug() calls first: sets `catastrophe`, logs and prints the message. True when the
 * machine is to be stopped at once (`panic_on_lbug`); false when the caller has to park the thread
 * for ever after cfs_log_dump_default(). Any context, also before the core has started. */
bool cfs_log_lbug(const char *file, int line, const char *func, const char *what) CFS_NOEXCEPT;
/* Writes the debug log to `debug_path`.SEC.PID. Sleeps. */
void cfs_log_dump_default(void) CFS_NOEXCEPT;

CFS_DECLS_END

#endif
