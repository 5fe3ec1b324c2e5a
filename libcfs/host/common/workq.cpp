// SPDX-License-Identifier: GPL-2.0
//
// Work queues over the boundary's own threads, locks and waits, so that both hosted back ends have
// the same ones and the simulator explores them like any other code.
//
// A queue starts with one worker. Before a worker runs an item it starts another one when none is
// idle, up to the limit; so while there is room, someone is always there to take the next item and
// to watch the timers. Workers stay until the queue is destroyed.
//
// An item is idle, armed (in `timers`), or pending (on a list). What is running is known by the
// worker, not the item, because the function may free the item. A pending item whose function runs
// on a worker goes to that worker's list, so that it never runs twice at once.
#include <cerrno>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "libcfs/host/common/task.hpp"
#include "libcfs/plat/lock.h"
#include "libcfs/plat/thread.h"
#include "libcfs/plat/wait.h"

using namespace cfs::hosted;

namespace
{

constexpr unsigned kDefaultActive = 32;

cfs_lock_class workq_class{"hosted work queue", {}};

struct Link {
	Link *prev = this;
	Link *next = this;

	[[nodiscard]] bool linked() const { return next != this; }
	void remove()
	{
		prev->next = next;
		next->prev = prev;
		prev = next = this;
	}
	void append(Link &l)
	{
		l.prev = prev;
		l.next = this;
		prev->next = &l;
		prev = &l;
	}
};

using TimerKey = std::pair<std::uint64_t, std::uint64_t>; // deadline, order of arming

/// Lives in cfs_work::opaque and cfs_dwork::opaque. All but `queue` under the queue's lock.
struct Item : Link {
	std::atomic<cfs_workq *> queue{nullptr}; ///< the last one it was given to
	TimerKey armed{CFS_NEVER, 0};		 ///< CFS_NEVER: not in `timers`
	std::uint64_t ticket = 0;		 ///< order of queueing, for flush
	bool delayed = false;			 ///< inside a cfs_dwork
	bool cancelling = false;		 ///< nobody may queue it meanwhile
};
static_assert(sizeof(Item) <= CFS_SIZEOF_WORK && sizeof(Item) <= CFS_SIZEOF_DWORK);
static_assert(offsetof(cfs_work_t, opaque) == offsetof(cfs_dwork_t, opaque));

using AnyFn = void (*)();

Item &item_of(cfs_work_t *w)
{
	return *reinterpret_cast<Item *>(w->opaque);
}
Item &item_of(cfs_dwork_t *w)
{
	return *reinterpret_cast<Item *>(w->opaque);
}
void *outer(Item &i)
{
	return reinterpret_cast<unsigned char *>(&i) - offsetof(cfs_work_t, opaque);
}
AnyFn fn_of(Item &i)
{
	return i.delayed ? reinterpret_cast<AnyFn>(static_cast<cfs_dwork_t *>(outer(i))->fn)
			 : reinterpret_cast<AnyFn>(static_cast<cfs_work_t *>(outer(i))->fn);
}

struct Worker {
	cfs_workq *queue = nullptr;
	cfs_thread *thread = nullptr;
	const Item *running = nullptr; ///< compared only: it may be freed
	AnyFn running_fn = nullptr;
	std::uint64_t ticket = 0; ///< of what it runs
	Link later;		  ///< items that wait for what it runs to end
};

class SpinScope
{
	cfs_spin_t &l_;

public:
	explicit SpinScope(cfs_spin_t &l) : l_(l) { cfs_spin_lock(&l_, 0); }
	~SpinScope() { cfs_spin_unlock(&l_); }
	SpinScope(const SpinScope &) = delete;
	SpinScope &operator=(const SpinScope &) = delete;
};

} // namespace

struct cfs_workq : Owned {
	cfs_node *node;
	std::string name;
	unsigned limit;
	cfs_spin_t lock;
	cfs_waitq_t work_waitq; // idle workers
	cfs_waitq_t done_waitq; // flush and cancel: woken at each item's end
	Link pending;
	std::map<TimerKey, Item *> timers;
	std::uint64_t next_ticket = 1;
	unsigned idle = 0;
	bool starting = false; // a worker is being started
	bool stopping = false;
	std::vector<std::unique_ptr<Worker>> workers; // grows only

	cfs_workq(cfs_node *n, const char *nm, unsigned max)
	    : Owned(n), node(owner()), name(nm), limit(max ? max : kDefaultActive)
	{
		cfs_spin_init(&lock, &workq_class);
		cfs_waitq_init(&work_waitq, &workq_class);
		cfs_waitq_init(&done_waitq, &workq_class);
		workers.reserve(limit);
	}
	std::string describe() const override { return "work queue " + name; }

	int start_worker();
	void run(Worker &w);
	Item *take(Worker &w);
	bool wait_for_work();
	void expire_timers();
	void enqueue(Item &i);
	Worker *runner_of(const Item &i, AnyFn fn);
	bool unqueue(Item &i);
	template <typename Done>
	void wait_until(Done done);
};

namespace
{

void worker_main(void *arg)
{
	auto *w = static_cast<Worker *>(arg);
	w->queue->run(*w);
}

} // namespace

int cfs_workq::start_worker()
{
	auto w = std::make_unique<Worker>();
	Worker *raw = w.get();
	raw->queue = this;
	{
		SpinScope g(lock);
		workers.push_back(std::move(w)); // capacity was reserved
		idle++;				 // it will be, in a moment
	}
	int rc = cfs_thread_start(node, name.c_str(), CFS_CPT_ANY, worker_main, raw, &raw->thread);
	if (rc == 0)
		return 0;
	SpinScope g(lock);
	idle--;
	std::erase_if(workers, [raw](auto &p) { return p.get() == raw; });
	return rc;
}

// Items whose time has come move to the pending list.
void cfs_workq::expire_timers()
{
	if (timers.empty())
		return;
	auto now = cfs_now_ns();
	while (!timers.empty() && timers.begin()->first.first <= now) {
		Item &i = *timers.begin()->second;
		timers.erase(timers.begin());
		i.armed = {CFS_NEVER, 0};
		enqueue(i);
	}
}

Worker *cfs_workq::runner_of(const Item &i, AnyFn fn)
{
	for (auto &w : workers)
		if (w->running == &i && w->running_fn == fn)
			return w.get();
	return nullptr;
}

void cfs_workq::enqueue(Item &i)
{
	i.ticket = next_ticket++;
	if (Worker *w = runner_of(i, fn_of(i)))
		w->later.append(i);
	else
		pending.append(i);
}

// The next item, with the worker marked as running it; null when there is none.
Item *cfs_workq::take(Worker &w)
{
	expire_timers();
	if (!pending.linked())
		return nullptr;
	auto *i = static_cast<Item *>(pending.next);
	i->remove();
	w.running = i;
	w.running_fn = fn_of(*i);
	w.ticket = i->ticket;
	return i;
}

// Sleeps until there may be work; false when the queue is to end and nothing is left.
bool cfs_workq::wait_for_work()
{
	cfs_waitent_t e{};
	constexpr unsigned mode = CFS_WAIT_IDLE | CFS_WAIT_EXCLUSIVE;
	for (;;) {
		cfs_wait_prepare(&work_waitq, &e, mode);
		std::uint64_t deadline = CFS_NEVER;
		bool work = false;
		bool stop = false;
		{
			SpinScope g(lock);
			expire_timers();
			work = pending.linked();
			stop = stopping;
			if (!timers.empty())
				deadline = timers.begin()->first.first;
		}
		if (work || stop) {
			cfs_wait_finish(&work_waitq, &e);
			return work;
		}
		cfs_wait_block(&e, mode, deadline);
	}
}

void cfs_workq::run(Worker &w)
{
	for (;;) {
		bool more = wait_for_work();
		Item *i = nullptr;
		bool another = false;
		{
			SpinScope g(lock);
			i = take(w);
			if (i) {
				idle--;
				another = idle == 0 && workers.size() < limit && !starting;
				starting = starting || another;
			}
		}
		if (!i) {
			if (!more)
				break;
			continue;
		}
		if (another) {
			// Without a further worker the queue is slower, not wrong.
			task().spare = true;
			(void)start_worker();
			task().spare = false;
			SpinScope g(lock);
			starting = false;
		}
		if (i->delayed) {
			auto *d = static_cast<cfs_dwork_t *>(outer(*i));
			d->fn(d);
		} else {
			auto *p = static_cast<cfs_work_t *>(outer(*i));
			p->fn(p);
		}
		{
			SpinScope g(lock);
			w.running = nullptr;
			idle++;
			while (w.later.linked()) {
				auto *l = static_cast<Item *>(w.later.next);
				l->remove();
				pending.append(*l);
			}
		}
		cfs_wake_all(&done_waitq);
	}
	// The next idle worker may wait for the same reason to end.
	cfs_wake_all(&work_waitq);
}

// Takes an item off whatever list or timer it is in; whether it was in one.
bool cfs_workq::unqueue(Item &i)
{
	if (i.linked()) {
		i.remove();
		cfs_wake_all(&done_waitq); // a flush may have waited for it
		return true;
	}
	if (i.armed.first == CFS_NEVER)
		return false;
	timers.erase(i.armed);
	i.armed = {CFS_NEVER, 0};
	return true;
}

// Blocks until done(), which is called with the lock held.
template <typename Done>
void cfs_workq::wait_until(Done done)
{
	cfs_waitent_t e{};
	for (;;) {
		cfs_wait_prepare(&done_waitq, &e, CFS_WAIT_IDLE);
		bool finished = false;
		{
			SpinScope g(lock);
			finished = done();
		}
		if (finished)
			break;
		cfs_wait_block(&e, CFS_WAIT_IDLE, CFS_NEVER);
	}
	cfs_wait_finish(&done_waitq, &e);
}

namespace
{

// The queue an item belongs to; it stays with one while it is pending or running.
void adopt(Item &i, cfs_workq *q)
{
	cfs_workq *old = i.queue.load(std::memory_order_acquire);
	if (old && old != q) {
		SpinScope g(old->lock);
		if (i.linked() || i.armed.first != CFS_NEVER || old->runner_of(i, fn_of(i)))
			misuse("a work item of queue " + old->name + " was given to queue " +
			       q->name + " while pending or running");
	}
	i.queue.store(q, std::memory_order_release);
}

bool cancel(Item &i)
{
	cfs_workq *q = i.queue.load(std::memory_order_acquire);
	if (!q)
		return false;
	AnyFn fn = fn_of(i);
	bool was = false;
	{
		SpinScope g(q->lock);
		was = q->unqueue(i);
		if (!q->runner_of(i, fn))
			return was;
		i.cancelling = true;
	}
	q->wait_until([&] {
		if (q->runner_of(i, fn))
			return false;
		i.cancelling = false;
		return true;
	});
	return was;
}

} // namespace

extern "C" {

int cfs_workq_create(cfs_node *node, const char *name, unsigned int max_active,
		     cfs_workq **out) noexcept
{
	may_block("cfs_workq_create");
	if (inject_failure())
		return -ENOMEM;
	auto *q = new cfs_workq(node, name, max_active);
	if (int rc = q->start_worker()) {
		cfs_waitq_fini(&q->work_waitq);
		cfs_waitq_fini(&q->done_waitq);
		cfs_spin_fini(&q->lock);
		delete q;
		return rc;
	}
	*out = q;
	return 0;
}

void cfs_workq_flush(cfs_workq *q) noexcept
{
	may_block("cfs_workq_flush");
	std::uint64_t upto = 0;
	q->wait_until([&] {
		if (!upto)
			upto = q->next_ticket;
		for (Link *l = q->pending.next; l != &q->pending; l = l->next)
			if (static_cast<Item *>(l)->ticket < upto)
				return false;
		for (auto &w : q->workers) {
			if (w->running && w->ticket < upto)
				return false;
			for (Link *l = w->later.next; l != &w->later; l = l->next)
				if (static_cast<Item *>(l)->ticket < upto)
					return false;
		}
		return true;
	});
}

void cfs_workq_destroy(cfs_workq *q) noexcept
{
	if (!q)
		return;
	may_block("cfs_workq_destroy");
	// Items may queue further items while they run.
	q->wait_until([&] {
		bool busy = q->pending.linked();
		for (auto &w : q->workers)
			busy = busy || w->running || w->later.linked();
		if (!busy && !q->timers.empty())
			misuse("work queue " + q->name + " destroyed with armed delayed work");
		q->stopping = !busy;
		return !busy;
	});
	cfs_wake_all(&q->work_waitq);
	// No worker starts another one any more: nothing runs.
	for (auto &w : q->workers)
		cfs_thread_join(w->thread);
	cfs_waitq_fini(&q->work_waitq);
	cfs_waitq_fini(&q->done_waitq);
	cfs_spin_fini(&q->lock);
	delete q;
}

void cfs_work_init(cfs_work_t *w, void (*fn)(cfs_work_t *w)) noexcept
{
	w->fn = fn;
	new (w->opaque) Item;
}

bool cfs_work_queue(cfs_workq *q, cfs_work_t *w) noexcept
{
	Item &i = item_of(w);
	adopt(i, q);
	{
		SpinScope g(q->lock);
		if (i.linked() || i.cancelling)
			return false;
		q->enqueue(i);
		// With the lock held: the queue may be destroyed as soon as the item has run.
		cfs_wake_one(&q->work_waitq);
	}
	return true;
}

bool cfs_work_cancel_sync(cfs_work_t *w) noexcept
{
	may_block("cfs_work_cancel_sync");
	return cancel(item_of(w));
}

void cfs_dwork_init(cfs_dwork_t *w, void (*fn)(cfs_dwork_t *w)) noexcept
{
	w->fn = fn;
	new (w->opaque) Item;
	item_of(w).delayed = true;
}

void cfs_dwork_arm(cfs_workq *q, cfs_dwork_t *w, uint64_t deadline_ns) noexcept
{
	Item &i = item_of(w);
	adopt(i, q);
	SpinScope g(q->lock);
	q->unqueue(i);
	if (deadline_ns == CFS_NEVER || i.cancelling)
		return;
	i.armed = {deadline_ns, q->next_ticket++};
	q->timers.emplace(i.armed, &i);
	// Every idle worker sleeps until the first timer.
	if (q->timers.begin()->second == &i)
		cfs_wake_all(&q->work_waitq);
}

bool cfs_dwork_cancel_sync(cfs_dwork_t *w) noexcept
{
	may_block("cfs_dwork_cancel_sync");
	return cancel(item_of(w));
}

} // extern "C"
