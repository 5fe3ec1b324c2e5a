// SPDX-License-Identifier: GPL-2.0
//
// Locks and their guards, annotated for clang's thread-safety analysis. A lock is made with a class
// (CFS_LOCK_CLASS) so that lockdep and the simulator can speak of the order between classes:
//
//     SpinLock lock_{CFS_LOCK_CLASS("lnet peer table")};
//     int count_ CFS_GUARDED_BY(lock_) = 0;
//
// Everything is taken through guards; lock()/unlock() exist for the guards and the rare hand-over.
#pragma once

#include "libcfs/plat/lock.h"
#include "libcfs/result.hpp"

/// A lock class: one static object per place in the source that creates locks.
#define CFS_LOCK_CLASS(cls_name)                                                                   \
	([]() noexcept -> ::cfs_lock_class * {                                                     \
		static constinit ::cfs_lock_class cls{cls_name, {}};                               \
		return &cls;                                                                       \
	}())

namespace cfs
{

/// Never held across anything that sleeps.
class CFS_CAPABILITY("spinlock") SpinLock
{
	cfs_spin_t l_;

public:
	explicit SpinLock(cfs_lock_class *c) noexcept { cfs_spin_init(&l_, c); }
	~SpinLock() { cfs_spin_fini(&l_); }
	SpinLock(const SpinLock &) = delete;
	SpinLock &operator=(const SpinLock &) = delete;

	void lock(unsigned nest = 0) noexcept CFS_ACQUIRE() CFS_NO_TSA { cfs_spin_lock(&l_, nest); }
	bool try_lock() noexcept CFS_TRY_ACQUIRE(true) CFS_NO_TSA { return cfs_spin_trylock(&l_); }
	void unlock() noexcept CFS_RELEASE() CFS_NO_TSA { cfs_spin_unlock(&l_); }
	[[nodiscard]] bool held() const noexcept { return cfs_spin_held(&l_); }
	/// Tells the analysis that the caller holds it, and checks that.
	void assert_held() const noexcept CFS_TSA(assert_capability(this));
};

/// May be held across sleeps.
class CFS_CAPABILITY("mutex") Mutex
{
	cfs_mutex_t l_;

public:
	explicit Mutex(cfs_lock_class *c) noexcept { cfs_mutex_init(&l_, c); }
	~Mutex() { cfs_mutex_fini(&l_); }
	Mutex(const Mutex &) = delete;
	Mutex &operator=(const Mutex &) = delete;

	void lock(unsigned nest = 0) noexcept CFS_ACQUIRE() CFS_NO_TSA
	{
		cfs_mutex_lock(&l_, nest);
	}
	/// err::INTR when the thread was killed while waiting; then the lock is not held.
	[[nodiscard]] Result<> lock_killable(unsigned nest = 0) noexcept CFS_NO_TSA
	{
		return to_result(cfs_mutex_lock_killable(&l_, nest));
	}
	bool try_lock() noexcept CFS_TRY_ACQUIRE(true) CFS_NO_TSA { return cfs_mutex_trylock(&l_); }
	void unlock() noexcept CFS_RELEASE() CFS_NO_TSA { cfs_mutex_unlock(&l_); }
	[[nodiscard]] bool held() const noexcept { return cfs_mutex_held(&l_); }
	void assert_held() const noexcept CFS_TSA(assert_capability(this));
};

/// Many readers or one writer; may be held across sleeps.
class CFS_CAPABILITY("rwsem") RwSem
{
	cfs_rwsem_t l_;

public:
	explicit RwSem(cfs_lock_class *c) noexcept { cfs_rwsem_init(&l_, c); }
	~RwSem() { cfs_rwsem_fini(&l_); }
	RwSem(const RwSem &) = delete;
	RwSem &operator=(const RwSem &) = delete;

	void lock_shared(unsigned nest = 0) noexcept CFS_ACQUIRE_SHARED() CFS_NO_TSA
	{
		cfs_rwsem_read_lock(&l_, nest);
	}
	bool try_lock_shared() noexcept CFS_TSA(try_acquire_shared_capability(true)) CFS_NO_TSA
	{
		return cfs_rwsem_read_trylock(&l_);
	}
	void unlock_shared() noexcept CFS_RELEASE_SHARED() CFS_NO_TSA
	{
		cfs_rwsem_read_unlock(&l_);
	}
	void lock(unsigned nest = 0) noexcept CFS_ACQUIRE() CFS_NO_TSA
	{
		cfs_rwsem_write_lock(&l_, nest);
	}
	bool try_lock() noexcept CFS_TRY_ACQUIRE(true) CFS_NO_TSA
	{
		return cfs_rwsem_write_trylock(&l_);
	}
	void unlock() noexcept CFS_RELEASE() CFS_NO_TSA { cfs_rwsem_write_unlock(&l_); }
	/// Writer to reader; the analysis can not follow it, so the caller is exempt from it.
	void downgrade() noexcept CFS_NO_TSA { cfs_rwsem_downgrade(&l_); }
	[[nodiscard]] bool held() const noexcept { return cfs_rwsem_held(&l_); }
};

/// Holds a SpinLock or Mutex for a scope; unlock() gives it back early.
template <typename Lock>
class CFS_SCOPED_CAPABILITY Guard
{
	Lock *l_;

public:
	explicit Guard(Lock &l, unsigned nest = 0) noexcept CFS_ACQUIRE(l) : l_(&l)
	{
		l.lock(nest);
	}
	~Guard() CFS_RELEASE() CFS_NO_TSA
	{
		if (l_)
			l_->unlock();
	}
	Guard(const Guard &) = delete;
	Guard &operator=(const Guard &) = delete;

	void unlock() noexcept CFS_RELEASE() CFS_NO_TSA
	{
		l_->unlock();
		l_ = nullptr;
	}
};
using SpinGuard = Guard<SpinLock>;
using MutexGuard = Guard<Mutex>;
using WriteGuard = Guard<RwSem>;

/// Holds a RwSem as a reader for a scope.
class CFS_SCOPED_CAPABILITY ReadGuard
{
	RwSem *l_;

public:
	explicit ReadGuard(RwSem &l, unsigned nest = 0) noexcept CFS_ACQUIRE_SHARED(l) : l_(&l)
	{
		l.lock_shared(nest);
	}
	~ReadGuard() CFS_RELEASE() CFS_NO_TSA
	{
		if (l_)
			l_->unlock_shared();
	}
	ReadGuard(const ReadGuard &) = delete;
	ReadGuard &operator=(const ReadGuard &) = delete;

	void unlock() noexcept CFS_RELEASE() CFS_NO_TSA
	{
		l_->unlock_shared();
		l_ = nullptr;
	}
};

/// An RCU read section for a scope. Nothing in it may sleep.
class RcuGuard
{
public:
	RcuGuard() noexcept { cfs_rcu_read_lock(); }
	~RcuGuard() { cfs_rcu_read_unlock(); }
	RcuGuard(const RcuGuard &) = delete;
	RcuGuard &operator=(const RcuGuard &) = delete;
};

} // namespace cfs

#include "libcfs/assert.hpp"

inline void cfs::SpinLock::assert_held() const noexcept
{
	CFS_ASSERT(held());
}

inline void cfs::Mutex::assert_held() const noexcept
{
	CFS_ASSERT(held());
}
