// SPDX-License-Identifier: GPL-2.0
//
// Spinlocks and mutexes are pthread mutexes, which sanitizers know; a spinlock that sleeps serves
// better than one that spins where CPUs are few. Reader-writer semaphores are built here, because
// pthread ones can not be downgraded, and described to TSan by annotations.
//
// A thread that takes a lock it holds, or gives back one it does not, is stopped at once.
#include "libcfs/plat/lock.h"

#include <pthread.h>

#include <atomic>
#include <cerrno>
#include <ctime>
#include <new>
#include <string>

#include "libcfs/host/common/sanitizers.hpp"
#include "libcfs/host/thread_ctl.hpp"
#include "libcfs/plat/wait.h"

#ifdef CFS_TSAN
#include <sanitizer/tsan_interface.h>
#endif

using namespace cfs::hosted;

namespace
{

struct Plain {
	pthread_mutex_t m;
	cfs_lock_class *cls;
	std::atomic<std::uint32_t> owner; // pid, 0 when free
	std::uint32_t alive;
};
static_assert(sizeof(Plain) <= CFS_SIZEOF_SPINLOCK && sizeof(Plain) <= CFS_SIZEOF_MUTEX);

constexpr std::uint32_t kAlive = 0x6b636f6c;

struct Rwsem {
	pthread_mutex_t m; // guards the rest
	pthread_cond_t changed;
	cfs_lock_class *cls;
	std::uint32_t readers;
	std::uint32_t writers_waiting;
	std::uint32_t writer; // pid, 0 when none
	std::uint32_t alive;
};
static_assert(sizeof(Rwsem) <= CFS_SIZEOF_RWSEM);

Plain &plain(const cfs_spin_t *l)
{
	return *reinterpret_cast<Plain *>(const_cast<unsigned char *>(l->opaque));
}
Plain &plain(const cfs_mutex_t *l)
{
	return *reinterpret_cast<Plain *>(const_cast<unsigned char *>(l->opaque));
}
Rwsem &rwsem(const cfs_rwsem_t *l)
{
	return *reinterpret_cast<Rwsem *>(const_cast<unsigned char *>(l->opaque));
}

[[noreturn, gnu::cold]] void lock_misuse(const cfs_lock_class *c, const char *what)
{
	misuse(std::string("lock \"") + (c ? c->name : "?") + "\" " + what);
}

void plain_init(Plain &l, cfs_lock_class *c)
{
	new (&l) Plain{PTHREAD_MUTEX_INITIALIZER, c, {0}, kAlive};
}

void plain_fini(Plain &l)
{
	if (l.alive != kAlive)
		lock_misuse(nullptr, "ended twice or never initialised");
	if (l.owner.load(std::memory_order_relaxed))
		lock_misuse(l.cls, "ended while held");
	l.alive = 0;
	pthread_mutex_destroy(&l.m);
}

void check_takable(const Plain &l, std::uint32_t me)
{
	if (l.alive != kAlive)
		lock_misuse(nullptr, "taken without being initialised, or after its end");
	if (l.owner.load(std::memory_order_relaxed) == me)
		lock_misuse(l.cls, "taken again by the thread that holds it");
}

void plain_lock(Plain &l)
{
	auto me = task().pid;
	check_takable(l, me);
	pthread_mutex_lock(&l.m);
	l.owner.store(me, std::memory_order_relaxed);
}

bool plain_trylock(Plain &l)
{
	auto me = task().pid;
	if (l.alive != kAlive)
		lock_misuse(nullptr, "tried without being initialised, or after its end");
	if (pthread_mutex_trylock(&l.m))
		return false;
	l.owner.store(me, std::memory_order_relaxed);
	return true;
}

void plain_unlock(Plain &l)
{
	if (l.owner.load(std::memory_order_relaxed) != task().pid)
		lock_misuse(l.cls, "given back by a thread that does not hold it");
	l.owner.store(0, std::memory_order_relaxed);
	pthread_mutex_unlock(&l.m);
}

class Inner
{
	pthread_mutex_t &m_;

public:
	explicit Inner(pthread_mutex_t &m) : m_(m) { pthread_mutex_lock(&m_); }
	~Inner() { pthread_mutex_unlock(&m_); }
	Inner(const Inner &) = delete;
	Inner &operator=(const Inner &) = delete;
};

void rwsem_check(const Rwsem &l)
{
	if (l.alive != kAlive)
		lock_misuse(nullptr, "used without being initialised, or after its end");
}

// What TSan should see of a semaphore: the lock itself, not the mutex and condition inside it. It
// knows locks by address, and the first one is the mutex's.
#ifdef CFS_TSAN
void *tsan_name(Rwsem &l)
{
	return &l.cls;
}
unsigned tsan_read(bool read)
{
	return read ? __tsan_mutex_read_lock : 0;
}
void tsan_pre_lock(Rwsem &l, bool read)
{
	__tsan_mutex_pre_lock(tsan_name(l), tsan_read(read));
}
void tsan_post_lock(Rwsem &l, bool read)
{
	__tsan_mutex_post_lock(tsan_name(l), tsan_read(read), 0);
}
void tsan_pre_try(Rwsem &l, bool read)
{
	__tsan_mutex_pre_lock(tsan_name(l), tsan_read(read) | __tsan_mutex_try_lock);
}
void tsan_post_try(Rwsem &l, bool read, bool ok)
{
	unsigned how = __tsan_mutex_try_lock | (ok ? 0 : __tsan_mutex_try_lock_failed);
	__tsan_mutex_post_lock(tsan_name(l), tsan_read(read) | how, 0);
}
void tsan_pre_unlock(Rwsem &l, bool read)
{
	__tsan_mutex_pre_unlock(tsan_name(l), tsan_read(read));
}
void tsan_post_unlock(Rwsem &l, bool read)
{
	__tsan_mutex_post_unlock(tsan_name(l), tsan_read(read));
}
#else
void tsan_pre_lock(Rwsem &, bool) {}
void tsan_post_lock(Rwsem &, bool) {}
void tsan_pre_try(Rwsem &, bool) {}
void tsan_post_try(Rwsem &, bool, bool) {}
void tsan_pre_unlock(Rwsem &, bool) {}
void tsan_post_unlock(Rwsem &, bool) {}
#endif

} // namespace

extern "C" {

void cfs_spin_init(cfs_spin_t *l, cfs_lock_class *c) noexcept
{
	plain_init(plain(l), c);
}

void cfs_spin_fini(cfs_spin_t *l) noexcept
{
	plain_fini(plain(l));
}

void cfs_spin_lock(cfs_spin_t *l, unsigned int) noexcept
{
	plain_lock(plain(l));
	task().spin_depth++;
}

bool cfs_spin_trylock(cfs_spin_t *l) noexcept
{
	if (!plain_trylock(plain(l)))
		return false;
	task().spin_depth++;
	return true;
}

void cfs_spin_unlock(cfs_spin_t *l) noexcept
{
	plain_unlock(plain(l));
	ThreadCtl &me = thread_ctl();
	if (--me.spin_depth == 0 && me.later_count > 0)
		wake_now(me);
}

bool cfs_spin_held(const cfs_spin_t *l) noexcept
{
	return plain(l).owner.load(std::memory_order_relaxed) == task().pid;
}

void cfs_mutex_init(cfs_mutex_t *l, cfs_lock_class *c) noexcept
{
	plain_init(plain(l), c);
}

void cfs_mutex_fini(cfs_mutex_t *l) noexcept
{
	plain_fini(plain(l));
}

void cfs_mutex_lock(cfs_mutex_t *l, unsigned int) noexcept
{
	may_block("cfs_mutex_lock");
	plain_lock(plain(l));
}

int cfs_mutex_lock_killable(cfs_mutex_t *l, unsigned int) noexcept
{
	may_block("cfs_mutex_lock_killable");
	Plain &p = plain(l);
	auto me = task().pid;
	check_takable(p, me);
	// A kill is rare and may be noticed late: look for it now and then.
	constexpr long kPollNs = 20'000'000;
	while (pthread_mutex_trylock(&p.m)) {
		if (signal_pending(task(), CFS_WAIT_KILLABLE))
			return -EINTR;
		timespec until{};
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += kPollNs;
		until.tv_sec += until.tv_nsec / 1'000'000'000;
		until.tv_nsec %= 1'000'000'000;
		if (pthread_mutex_timedlock(&p.m, &until) == 0)
			break;
	}
	p.owner.store(me, std::memory_order_relaxed);
	return 0;
}

bool cfs_mutex_trylock(cfs_mutex_t *l) noexcept
{
	return plain_trylock(plain(l));
}

void cfs_mutex_unlock(cfs_mutex_t *l) noexcept
{
	plain_unlock(plain(l));
}

bool cfs_mutex_held(const cfs_mutex_t *l) noexcept
{
	return plain(l).owner.load(std::memory_order_relaxed) == task().pid;
}

void cfs_rwsem_init(cfs_rwsem_t *l, cfs_lock_class *c) noexcept
{
	new (&rwsem(l))
		Rwsem{PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, c, 0, 0, 0, kAlive};
#ifdef CFS_TSAN
	__tsan_mutex_create(tsan_name(rwsem(l)), __tsan_mutex_not_static);
#endif
}

void cfs_rwsem_fini(cfs_rwsem_t *l) noexcept
{
	Rwsem &r = rwsem(l);
	rwsem_check(r);
	if (r.readers || r.writer)
		lock_misuse(r.cls, "ended while held");
	r.alive = 0;
	pthread_cond_destroy(&r.changed);
	pthread_mutex_destroy(&r.m);
#ifdef CFS_TSAN
	__tsan_mutex_destroy(tsan_name(r), 0);
#endif
}

void cfs_rwsem_read_lock(cfs_rwsem_t *l, unsigned int) noexcept
{
	may_block("cfs_rwsem_read_lock");
	Rwsem &r = rwsem(l);
	auto me = task().pid;
	rwsem_check(r);
	tsan_pre_lock(r, true);
	{
		Inner g(r.m);
		if (r.writer == me)
			lock_misuse(r.cls, "taken again by the thread that holds it");
		// A waiting writer goes first, as in the kernel.
		while (r.writer || r.writers_waiting)
			pthread_cond_wait(&r.changed, &r.m);
		r.readers++;
	}
	tsan_post_lock(r, true);
}

bool cfs_rwsem_read_trylock(cfs_rwsem_t *l) noexcept
{
	Rwsem &r = rwsem(l);
	rwsem_check(r);
	tsan_pre_try(r, true);
	bool ok = false;
	{
		Inner g(r.m);
		ok = !r.writer && !r.writers_waiting;
		r.readers += ok;
	}
	tsan_post_try(r, true, ok);
	return ok;
}

void cfs_rwsem_read_unlock(cfs_rwsem_t *l) noexcept
{
	Rwsem &r = rwsem(l);
	rwsem_check(r);
	tsan_pre_unlock(r, true);
	{
		Inner g(r.m);
		if (!r.readers)
			lock_misuse(r.cls, "given back by a reader that does not hold it");
		if (--r.readers == 0)
			pthread_cond_broadcast(&r.changed);
	}
	tsan_post_unlock(r, true);
}

void cfs_rwsem_write_lock(cfs_rwsem_t *l, unsigned int) noexcept
{
	may_block("cfs_rwsem_write_lock");
	Rwsem &r = rwsem(l);
	auto me = task().pid;
	rwsem_check(r);
	tsan_pre_lock(r, false);
	{
		Inner g(r.m);
		if (r.writer == me)
			lock_misuse(r.cls, "taken again by the thread that holds it");
		r.writers_waiting++;
		while (r.writer || r.readers)
			pthread_cond_wait(&r.changed, &r.m);
		r.writers_waiting--;
		r.writer = me;
	}
	tsan_post_lock(r, false);
}

bool cfs_rwsem_write_trylock(cfs_rwsem_t *l) noexcept
{
	Rwsem &r = rwsem(l);
	auto me = task().pid;
	rwsem_check(r);
	tsan_pre_try(r, false);
	bool ok = false;
	{
		Inner g(r.m);
		ok = !r.writer && !r.readers;
		if (ok)
			r.writer = me;
	}
	tsan_post_try(r, false, ok);
	return ok;
}

void cfs_rwsem_write_unlock(cfs_rwsem_t *l) noexcept
{
	Rwsem &r = rwsem(l);
	auto me = task().pid;
	rwsem_check(r);
	tsan_pre_unlock(r, false);
	{
		Inner g(r.m);
		if (r.writer != me)
			lock_misuse(r.cls, "given back by a thread that does not hold it");
		r.writer = 0;
		pthread_cond_broadcast(&r.changed);
	}
	tsan_post_unlock(r, false);
}

void cfs_rwsem_downgrade(cfs_rwsem_t *l) noexcept
{
	Rwsem &r = rwsem(l);
	auto me = task().pid;
	rwsem_check(r);
	// TSan has no such step: to it the writer leaves and a reader enters.
	tsan_pre_unlock(r, false);
	{
		Inner g(r.m);
		if (r.writer != me)
			lock_misuse(r.cls, "downgraded by a thread that does not hold it");
		r.writer = 0;
		r.readers++;
		pthread_cond_broadcast(&r.changed);
	}
	tsan_post_unlock(r, false);
	tsan_pre_lock(r, true);
	tsan_post_lock(r, true);
}

bool cfs_rwsem_held(const cfs_rwsem_t *l) noexcept
{
	Rwsem &r = rwsem(l);
	Inner g(r.m);
	// Which threads read is not known.
	return r.readers || r.writer == task().pid;
}

} // extern "C"
