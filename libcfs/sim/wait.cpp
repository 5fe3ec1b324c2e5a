// SPDX-License-Identifier: GPL-2.0
//
// Wait queues of the simulator: lists of entries, exclusive ones behind the others.
#include "libcfs/plat/wait.h"

#include <cerrno>
#include <new>
#include <string>

#include "libcfs/sim/host_fiber.hpp"
#include "libcfs/sim/sched.hpp"

using namespace cfs::sim;
using cfs::hosted::misuse;

namespace
{

constexpr std::uint32_t kAlive = 0x74696177;

struct Queue;

struct Entry {
	Entry *prev;
	Entry *next;
	Fiber *fiber;
	Queue *queue;
	bool listed;
	bool woken;
	bool exclusive;
};
static_assert(sizeof(Entry) <= CFS_SIZEOF_WAITENT);

struct Queue {
	std::uint32_t alive;
	cfs_lock_class *cls;
	Entry *head;
	Entry *tail;
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

void check_alive(const Queue &q)
{
	if (q.alive != kAlive)
		misuse("wait queue used without being initialised, or after its end");
}

void insert(Queue &q, Entry &e)
{
	Entry *after = e.exclusive ? q.tail : nullptr;
	e.prev = after;
	e.next = after ? after->next : q.head;
	(e.prev ? e.prev->next : q.head) = &e;
	(e.next ? e.next->prev : q.tail) = &e;
	e.listed = true;
}

void remove(Queue &q, Entry &e)
{
	(e.prev ? e.prev->next : q.head) = e.next;
	(e.next ? e.next->prev : q.tail) = e.prev;
	e.listed = false;
}

void preempt()
{
	if (current_sched)
		current_sched->point();
}

void wake(Queue &q, bool all)
{
	preempt();
	check_alive(q);
	while (Entry *e = q.head) {
		bool last = e->exclusive && !all;
		remove(q, *e);
		e->woken = true;
		Fiber *f = e->fiber;
		if (f->wait == Wait::queue && f->wait_on == e)
			current_sched->make_ready(f);
		if (last)
			break;
	}
	if (current_sched)
		current_sched->step_note(all ? "wake all" : "wake one", q.cls ? q.cls->name : "");
	preempt();
}

} // namespace

extern "C" {

void cfs_waitq_init(cfs_waitq_t *q, cfs_lock_class *c) noexcept
{
	new (&queue(q)) Queue{kAlive, c, nullptr, nullptr};
}

void cfs_waitq_fini(cfs_waitq_t *q) noexcept
{
	Queue &qu = queue(q);
	check_alive(qu);
	if (qu.head)
		misuse(std::string("wait queue \"") + (qu.cls ? qu.cls->name : "?") +
		       "\" ended while " + qu.head->fiber->label() + " waits on it");
	qu.alive = 0;
}

void cfs_wait_prepare(cfs_waitq_t *q, cfs_waitent_t *e, unsigned int mode) noexcept
{
	preempt();
	Queue &qu = queue(q);
	Entry &en = entry(e);
	check_alive(qu);
	en.fiber = current_fiber;
	en.queue = &qu;
	en.exclusive = mode & CFS_WAIT_EXCLUSIVE;
	en.woken = false;
	if (!en.listed)
		insert(qu, en);
	preempt();
}

int cfs_wait_block(cfs_waitent_t *e, unsigned int mode, uint64_t deadline_ns) noexcept
{
	cfs::hosted::may_block("cfs_wait_block");
	Entry &en = entry(e);
	Fiber *me = current_fiber;
	Sched *s = current_sched;
	while (!en.woken) {
		if (cfs::hosted::signal_pending(*me, mode))
			return -EINTR;
		if (!s)
			misuse("a wait where no fiber runs");
		auto clock = me->home->clock(s->now());
		if (clock >= deadline_ns)
			return -ETIMEDOUT;
		if (s->spurious_one_in && s->choice.chance(s->spurious_one_in))
			return 0;
		s->step_note("wait", en.queue->cls ? en.queue->cls->name : "");
		s->block(Wait::queue, &en, en.queue->cls, mode,
			 me->home->when(s->now(), deadline_ns));
	}
	return 0;
}

void cfs_wait_finish(cfs_waitq_t *q, cfs_waitent_t *e) noexcept
{
	Queue &qu = queue(q);
	Entry &en = entry(e);
	check_alive(qu);
	if (en.listed)
		remove(qu, en);
	preempt();
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
