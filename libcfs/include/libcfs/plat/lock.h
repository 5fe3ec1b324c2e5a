/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Locks of the platform. Core code uses the annotated C++ wrappers in libcfs/lock.hpp.
 *
 * A lock belongs to a class, a static object that names it: lockdep in the kernel and the simulator
 * learn the order between classes from it. Spinlocks may not be held across anything that sleeps
 * (sim checks it, DEBUG_ATOMIC_SLEEP checks it). None of them is recursive.
 */
#ifndef LIBCFS_PLAT_LOCK_H
#define LIBCFS_PLAT_LOCK_H

#include "libcfs/plat/base.h"
#include "libcfs/plat/sizes.h"

CFS_DECLS_BEGIN

/* Must be a constant-initialised static; see CFS_LOCK_CLASS in libcfs/lock.hpp. */
struct cfs_lock_class {
	const char *name;
	CFS_ALIGNAS(8) unsigned char key[CFS_SIZEOF_LOCKKEY ? CFS_SIZEOF_LOCKKEY : 8];
};

typedef struct cfs_spin {
	CFS_ALIGNAS(CFS_ALIGNOF_SPINLOCK) unsigned char opaque[CFS_SIZEOF_SPINLOCK];
} cfs_spin_t;

void cfs_spin_init(cfs_spin_t *l, struct cfs_lock_class *c) CFS_NOEXCEPT;
void cfs_spin_fini(cfs_spin_t *l) CFS_NOEXCEPT;
/* `nest` (0 to 7) tells apart several locks of one class taken in a documented order. */
void cfs_spin_lock(cfs_spin_t *l, unsigned int nest) CFS_NOEXCEPT;
bool cfs_spin_trylock(cfs_spin_t *l) CFS_NOEXCEPT;
void cfs_spin_unlock(cfs_spin_t *l) CFS_NOEXCEPT;
/* For assertions: false only if the caller certainly does not hold it. */
bool cfs_spin_held(const cfs_spin_t *l) CFS_NOEXCEPT;

typedef struct cfs_mutex {
	CFS_ALIGNAS(CFS_ALIGNOF_MUTEX) unsigned char opaque[CFS_SIZEOF_MUTEX];
} cfs_mutex_t;

void cfs_mutex_init(cfs_mutex_t *l, struct cfs_lock_class *c) CFS_NOEXCEPT;
void cfs_mutex_fini(cfs_mutex_t *l) CFS_NOEXCEPT;
void cfs_mutex_lock(cfs_mutex_t *l, unsigned int nest) CFS_NOEXCEPT;
/* -EINTR when the thread was killed while waiting. */
int cfs_mutex_lock_killable(cfs_mutex_t *l, unsigned int nest) CFS_NOEXCEPT;
bool cfs_mutex_trylock(cfs_mutex_t *l) CFS_NOEXCEPT;
void cfs_mutex_unlock(cfs_mutex_t *l) CFS_NOEXCEPT;
bool cfs_mutex_held(const cfs_mutex_t *l) CFS_NOEXCEPT;

typedef struct cfs_rwsem {
	CFS_ALIGNAS(CFS_ALIGNOF_RWSEM) unsigned char opaque[CFS_SIZEOF_RWSEM];
} cfs_rwsem_t;

void cfs_rwsem_init(cfs_rwsem_t *l, struct cfs_lock_class *c) CFS_NOEXCEPT;
void cfs_rwsem_fini(cfs_rwsem_t *l) CFS_NOEXCEPT;
void cfs_rwsem_read_lock(cfs_rwsem_t *l, unsigned int nest) CFS_NOEXCEPT;
bool cfs_rwsem_read_trylock(cfs_rwsem_t *l) CFS_NOEXCEPT;
void cfs_rwsem_read_unlock(cfs_rwsem_t *l) CFS_NOEXCEPT;
void cfs_rwsem_write_lock(cfs_rwsem_t *l, unsigned int nest) CFS_NOEXCEPT;
bool cfs_rwsem_write_trylock(cfs_rwsem_t *l) CFS_NOEXCEPT;
void cfs_rwsem_write_unlock(cfs_rwsem_t *l) CFS_NOEXCEPT;
/* The writer becomes a reader without letting another writer in. */
void cfs_rwsem_downgrade(cfs_rwsem_t *l) CFS_NOEXCEPT;
bool cfs_rwsem_held(const cfs_rwsem_t *l) CFS_NOEXCEPT;

/* RCU: readers see either the old or the new of a pointer and what it points to stays until they
 * leave. Pointers are std::atomic with release stores and consume/acquire loads. Sections nest. */
void cfs_rcu_read_lock(void) CFS_NOEXCEPT;
void cfs_rcu_read_unlock(void) CFS_NOEXCEPT;
/* Waits until every section running now has ended. Sleeps. */
void cfs_rcu_synchronize(void) CFS_NOEXCEPT;
/* Waits until every cfs_free_rcu() made so far has freed: before a module goes. Sleeps. */
void cfs_rcu_barrier(void) CFS_NOEXCEPT;

CFS_DECLS_END

#endif
