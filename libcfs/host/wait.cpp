// SPDX-License-Identifier: GPL-2.0
//
// Wait queues: a list under a mutex. Whoever wakes takes entries off the list, sets their `woken`
// and tells their threads, all under the mutex; an entry's owner takes the same mutex in finish(),
// so a waker never touches an entry that is gone. The threads are woken after that, and after the
// waker has given back its spinlocks.
#include "libcfs/plat/wait.h"

#include <pthread.h>

#include <atomic>
#include <cerrno>
#include <new>
#include <string>

#include "libcfs/host/thread_ctl.hpp"
#include "libcfs/plat/thread.h"

using namespace cfs::hosted;

namespace
{

struct Entry {
	Entry *prev;
	Entry *next; // null: not on a list
	ThreadCtl *thread;
	std::atomic<bool> woken;
	bool exclusive;
};
static_assert(sizeof(Entry) <= CFS_SIZEOF_WAITENT);

struct Queue {
	pthread_mutex_t m;
	Entry *head; // a ring through a sentinel would need an Entry in here
	Entry *tail;
	cfs_lock_class *cls;
};
static_assert(sizeof(Queue) <= CFS_SIZEOF_WAITQ);

Queue &queue(cfs_waitq_t *q)
{
	return *reinterpret_cast<Queue *>(q->opaque);
}
Entry &entry(cfs_waitent_t *e)
{
	return *reinterpret_cast<Entry *>(e->opaque);
}

class QueueLock
{
	pthread_mutex_t &m_;

public:
	explicit QueueLock(Queue &q) : m_(q.m) { pthread_mutex_lock(&m_); }
	~QueueLock() { pthread_mutex_unlock(&m_); }
	QueueLock(const QueueLock &) = delete;
	QueueLock &operator=(const QueueLock &) = delete;
};

bool listed(const Queue &q, const Entry &e)
{
	return e.prev || e.next || q.head == &e;
}

// Exclusive waiters stand behind all others, so that waking may stop at the first of them.
void insert(Queue &q, Entry &e)
{
	Entry *after = e.exclusive ? q.tail : nullptr;
	e.prev = after;
	e.next = after ? after->next : q.head;
	(e.prev ? e.prev->next : q.head) = &e;
	(e.next ? e.next->prev : q.tail) = &e;
}

void remove(Queue &q, Entry &e)
{
	(e.prev ? e.prev->next : q.head) = e.next;
	(e.next ? e.next->prev : q.tail) = e.prev;
	e.prev = e.next = nullptr;
}

void wake(Queue &q, bool all)
{
	{
		QueueLock g(q);
		while (Entry *e = q.head) {
			bool last = e->exclusive && !all;
			ThreadCtl *t = e->thread;
			remove(q, *e);
			e->woken.store(true, std::memory_order_release);
			wake_later(*t);
			if (last)
				break;
		}
	}
	ThreadCtl &me = thread_ctl();
	if (me.spin_depth == 0)
		wake_now(me);
}

} // namespace

extern "C" {

void cfs_waitq_init(cfs_waitq_t *q, cfs_lock_class *c) noexcept
{
	new (&queue(q)) Queue{PTHREAD_MUTEX_INITIALIZER, nullptr, nullptr, c};
}

void cfs_waitq_fini(cfs_waitq_t *q) noexcept
{
	Queue &qu = queue(q);
	{
		// Also waits for a waker that is on its way out.
		QueueLock g(qu);
		if (qu.head)
			misuse(std::string("wait queue \"") + qu.cls->name +
			       "\" ended while a thread waits on it");
	}
	pthread_mutex_destroy(&qu.m);
}

void cfs_wait_prepare(cfs_waitq_t *q, cfs_waitent_t *e, unsigned int mode) noexcept
{
	Queue &qu = queue(q);
	Entry &en = entry(e);
	QueueLock g(qu);
	en.thread = &thread_ctl();
	en.exclusive = mode & CFS_WAIT_EXCLUSIVE;
	en.woken.store(false, std::memory_order_relaxed);
	if (!listed(qu, en))
		insert(qu, en);
}

int cfs_wait_block(cfs_waitent_t *e, unsigned int mode, uint64_t deadline_ns) noexcept
{
	may_block("cfs_wait_block");
	Entry &en = entry(e);
	ThreadCtl &me = thread_ctl();
	for (;;) {
		auto seen = me.park.load(std::memory_order_acquire);
		if (en.woken.load(std::memory_order_acquire))
			return 0;
		if (signal_pending(me, mode))
			return -EINTR;
		if (deadline_ns != CFS_NEVER && cfs_now_ns() >= deadline_ns)
			return -ETIMEDOUT;
		park(me, seen, deadline_ns);
	}
}

void cfs_wait_finish(cfs_waitq_t *q, cfs_waitent_t *e) noexcept
{
	Queue &qu = queue(q);
	Entry &en = entry(e);
	QueueLock g(qu);
	if (listed(qu, en))
		remove(qu, en);
}

void cfs_wake_one(cfs_waitq_t *q) noexcept
{
	wake(queue(q), false);
}

void cfs_wake_all(cfs_waitq_t *q) noexcept
{
	wake(queue(q), true);
}

} // extern "C"
