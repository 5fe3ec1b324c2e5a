// SPDX-License-Identifier: GPL-2.0
//
// Locks of the boundary (libcfs/plat/lock.h) are the kernel's own. Lock classes carry the key and
// the name that lockdep knows a lock by; they are static objects of the module that makes the lock,
// so lockdep forgets them when that module goes. Without lockdep all of that compiles to nothing.
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>

#include "libcfs/plat/lock.h"
#include "objects.h"

static_assert(MAX_LOCKDEP_SUBCLASSES == 8, "the boundary promises nesting levels 0 to 7");

static_assert(sizeof(struct cfs_lock_keys) <= sizeof(((struct cfs_lock_class *)NULL)->key));

static spinlock_t *spin_of(const cfs_spin_t *l)
{
	return CFS_INNER(spinlock_t, (cfs_spin_t *)l);
}

static struct mutex *mutex_of(const cfs_mutex_t *l)
{
	return CFS_INNER(struct mutex, (cfs_mutex_t *)l);
}

static struct rw_semaphore *rwsem_of(const cfs_rwsem_t *l)
{
	return CFS_INNER(struct rw_semaphore, (cfs_rwsem_t *)l);
}

#define CLASS_KEY(c) (&((struct cfs_lock_keys *)(c)->key)->lock)

/* ---- spinlocks ---- */

void cfs_spin_init(cfs_spin_t *l, struct cfs_lock_class *c)
{
	spinlock_t *s = spin_of(l);

	spin_lock_init(s);
	lockdep_set_class_and_name(s, CLASS_KEY(c), c->name);
}

void cfs_spin_fini(cfs_spin_t *l) {}

void cfs_spin_lock(cfs_spin_t *l, unsigned int nest)
{
	spin_lock_nested(spin_of(l), nest);
}

bool cfs_spin_trylock(cfs_spin_t *l)
{
	return spin_trylock(spin_of(l));
}

void cfs_spin_unlock(cfs_spin_t *l)
{
	spin_unlock(spin_of(l));
}

bool cfs_spin_held(const cfs_spin_t *l)
{
#ifdef CONFIG_LOCKDEP
	return lockdep_is_held(spin_of(l)) != LOCK_STATE_NOT_HELD;
#else
	/* A uniprocessor kernel's spinlocks have no state to look at. */
	return !IS_ENABLED(CONFIG_SMP) || spin_is_locked(spin_of(l));
#endif
}

/* ---- mutexes ---- */

void cfs_mutex_init(cfs_mutex_t *l, struct cfs_lock_class *c)
{
	struct mutex *m = mutex_of(l);

	mutex_init(m);
	lockdep_set_class_and_name(m, CLASS_KEY(c), c->name);
}

void cfs_mutex_fini(cfs_mutex_t *l)
{
	mutex_destroy(mutex_of(l));
}

void cfs_mutex_lock(cfs_mutex_t *l, unsigned int nest)
{
	mutex_lock_nested(mutex_of(l), nest);
}

int cfs_mutex_lock_killable(cfs_mutex_t *l, unsigned int nest)
{
	return mutex_lock_killable_nested(mutex_of(l), nest);
}

bool cfs_mutex_trylock(cfs_mutex_t *l)
{
	return mutex_trylock(mutex_of(l));
}

void cfs_mutex_unlock(cfs_mutex_t *l)
{
	mutex_unlock(mutex_of(l));
}

bool cfs_mutex_held(const cfs_mutex_t *l)
{
#ifdef CONFIG_LOCKDEP
	return lockdep_is_held(mutex_of(l)) != LOCK_STATE_NOT_HELD;
#else
	return mutex_is_locked(mutex_of(l));
#endif
}

/* ---- readers and writers ---- */

void cfs_rwsem_init(cfs_rwsem_t *l, struct cfs_lock_class *c)
{
	struct rw_semaphore *s = rwsem_of(l);

	init_rwsem(s);
	lockdep_set_class_and_name(s, CLASS_KEY(c), c->name);
}

void cfs_rwsem_fini(cfs_rwsem_t *l) {}

void cfs_rwsem_read_lock(cfs_rwsem_t *l, unsigned int nest)
{
	down_read_nested(rwsem_of(l), nest);
}

bool cfs_rwsem_read_trylock(cfs_rwsem_t *l)
{
	return down_read_trylock(rwsem_of(l));
}

void cfs_rwsem_read_unlock(cfs_rwsem_t *l)
{
	up_read(rwsem_of(l));
}

void cfs_rwsem_write_lock(cfs_rwsem_t *l, unsigned int nest)
{
	down_write_nested(rwsem_of(l), nest);
}

bool cfs_rwsem_write_trylock(cfs_rwsem_t *l)
{
	return down_write_trylock(rwsem_of(l));
}

void cfs_rwsem_write_unlock(cfs_rwsem_t *l)
{
	up_write(rwsem_of(l));
}

void cfs_rwsem_downgrade(cfs_rwsem_t *l)
{
	downgrade_write(rwsem_of(l));
}

bool cfs_rwsem_held(const cfs_rwsem_t *l)
{
#ifdef CONFIG_LOCKDEP
	return lockdep_is_held(rwsem_of(l)) != LOCK_STATE_NOT_HELD;
#else
	return rwsem_is_locked(rwsem_of(l));
#endif
}

/* ---- RCU ---- */

void cfs_rcu_read_lock(void)
{
	rcu_read_lock();
}

void cfs_rcu_read_unlock(void)
{
	rcu_read_unlock();
}

void cfs_rcu_synchronize(void)
{
	synchronize_rcu();
}

void cfs_rcu_barrier(void)
{
	rcu_barrier();
}
