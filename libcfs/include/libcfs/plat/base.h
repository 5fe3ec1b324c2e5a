/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Base of the platform boundary: fixed-width types, linkage and the annotations that both worlds
 * use. Every header in this folder compiles as C11 (kernel glue, hosted C) and as C++23 (core).
 *
 * The boundary has three implementations with the same symbols, one of which is linked:
 *   libcfs/linux/  the kernel (C glue; exported from libcfs.ko)
 *   libcfs/host/   POSIX threads
 *   libcfs/sim/    fibers under a deterministic scheduler with virtual time
 *
 * General contract:
 *  - Return codes are 0 or a negative errno.
 *  - Core code is never called in hard or soft interrupt context; glue defers to threads. So "may
 * not sleep" below always means: a spinlock or an RCU read section is held.
 *  - Names passed in are copied unless the comment says otherwise.
 *  - "The current node" is the node of the calling thread where the hosted world has several.
 */
#ifndef LIBCFS_PLAT_BASE_H
#define LIBCFS_PLAT_BASE_H

#if defined(__KERNEL__) && !defined(__cplusplus)
#include <linux/stddef.h>
#include <linux/types.h>
#else
#include <stddef.h>
#include <stdint.h>
#ifndef __cplusplus
#include <stdbool.h>
#endif
#endif

#ifdef __cplusplus
#define CFS_DECLS_BEGIN extern "C" {
#define CFS_DECLS_END }
#define CFS_NOEXCEPT noexcept
#define CFS_ALIGNAS(n) alignas(n)
#else
#define CFS_DECLS_BEGIN
#define CFS_DECLS_END
#define CFS_NOEXCEPT
#define CFS_ALIGNAS(n) _Alignas(n)
#endif

/* Clang thread-safety annotations; nothing for other compilers. */
#if defined(__clang__) && defined(__cplusplus)
#define CFS_TSA(x) __attribute__((x))
#else
#define CFS_TSA(x)
#endif
#define CFS_CAPABILITY(name) CFS_TSA(capability(name))
#define CFS_SCOPED_CAPABILITY CFS_TSA(scoped_lockable)
#define CFS_GUARDED_BY(l) CFS_TSA(guarded_by(l))
#define CFS_PT_GUARDED_BY(l) CFS_TSA(pt_guarded_by(l))
#define CFS_REQUIRES(...) CFS_TSA(requires_capability(__VA_ARGS__))
#define CFS_REQUIRES_SHARED(...) CFS_TSA(requires_shared_capability(__VA_ARGS__))
#define CFS_ACQUIRE(...) CFS_TSA(acquire_capability(__VA_ARGS__))
#define CFS_ACQUIRE_SHARED(...) CFS_TSA(acquire_shared_capability(__VA_ARGS__))
#define CFS_RELEASE(...) CFS_TSA(release_capability(__VA_ARGS__))
#define CFS_RELEASE_SHARED(...) CFS_TSA(release_shared_capability(__VA_ARGS__))
#define CFS_TRY_ACQUIRE(...) CFS_TSA(try_acquire_capability(__VA_ARGS__))
#define CFS_EXCLUDES(...) CFS_TSA(locks_excluded(__VA_ARGS__))
#define CFS_NO_TSA CFS_TSA(no_thread_safety_analysis)

/* Deadlines are absolute cfs_now_ns() values; this one never comes. */
#define CFS_NEVER 0xffffffffffffffffULL

CFS_DECLS_BEGIN

/* One node of the file system: a network namespace in the kernel, a simulated machine in sim, the
 * process in threads. Opaque; made by the back end's own API, which core code never calls. */
struct cfs_node;

/* The name of a node, for messages; lives as long as the node. */
const char *cfs_node_name(const struct cfs_node *node) CFS_NOEXCEPT;

/* Stops the machine with a message: an invariant of ours does not hold. In the kernel LBUG
 * semantics (catastrophe, panic_on_lbug), hosted it aborts with all stacks. Never returns; callers
 * go through CFS_ASSERT (libcfs/assert.hpp), which makes that visible to the compiler and objtool.
 */
void cfs_bug(const char *file, int line, const char *func, const char *what) CFS_NOEXCEPT;

CFS_DECLS_END

#endif
