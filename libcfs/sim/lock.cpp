// SPDX-License-Identifier: GPL-2.0
//
// Locks of the simulator. A lock that is free is taken at once; otherwise the fiber joins the
// lock's list, and giving the lock back makes all of the list ready, so that who gets it is the
// scheduler's choice. Reader-writer semaphores let no new reader in while a writer waits.
//
// A spinlock's waiter blocks as well: the simulated CPUs are as many as fibers, and watching one
// spin would only take steps.
#include "libcfs/plat/lock.h"

#include <algorithm>
#include <cerrno>
#include <new>
#include <string>

#include "libcfs/sim/host_fiber.hpp"
#include "libcfs/sim/sched.hpp"

using namespace cfs::sim;
using cfs::hosted::misuse;

namespace
{

constexpr std::uint32_t kAlive = 0x6b636f6c;

struct SimLock {
	std::uint32_t alive;
	std::uint32_t readers;
	Fiber *owner; // the one writer, or the holder
	cfs_lock_class *cls;
	Fiber *first; // waiting, in order of arrival
	Fiber *last;
	std::uint32_t writers_waiting;
};
static_assert(sizeof(SimLock) <= CFS_SIZEOF_SPINLOCK && sizeof(SimLock) <= CFS_SIZEOF_MUTEX &&
	      sizeof(SimLock) <= CFS_SIZEOF_RWSEM);

template <typename L>
SimLock &sim(const L *l)
{
	return *reinterpret_cast<SimLock *>(const_cast<unsigned char *>(l->opaque));
}

[[noreturn, gnu::cold]] void lock_misuse(const SimLock &l, const char *what)
{
	misuse(std::string("lock \"") + (l.alive == kAlive && l.cls ? l.cls->name : "?") + "\" " +
	       what);
}

void init(SimLock &l, cfs_lock_class *c)
{
	new (&l) SimLock{kAlive, 0, nullptr, c, nullptr, nullptr, 0};
}

void fini(SimLock &l)
{
	if (l.alive != kAlive)
		lock_misuse(l, "ended twice or never initialised");
	if (l.owner || l.readers)
		lock_misuse(l, "ended while held");
	if (l.first)
		lock_misuse(l, "ended while a fiber waits for it");
	l.alive = 0;
}

void preempt()
{
	if (current_sched)
		current_sched->point();
}

void log_step(const char *what, const SimLock &l)
{
	if (current_sched)
		current_sched->step_note(what, l.cls ? l.cls->name : "");
}

bool holds(const Fiber *f, const SimLock &l)
{
	return std::any_of(f->held.begin(), f->held.end(),
			   [&l](const Held &h) { return h.lock == &l; });
}

bool available(const SimLock &l, bool shared)
{
	return !l.owner && (shared ? !l.writers_waiting : !l.readers);
}

void hold(SimLock &l, bool shared, unsigned nest)
{
	Fiber *me = current_fiber;
	if (shared)
		l.readers++;
	else
		l.owner = me;
	me->held.push_back({&l, l.cls, static_cast<std::uint8_t>(nest), shared});
}

void unwait(SimLock &l, Fiber *f)
{
	for (Fiber **at = &l.first, *before = nullptr; *at;
	     before = *at, at = &(*at)->next_waiter) {
		if (*at != f)
			continue;
		*at = f->next_waiter;
		if (l.last == f)
			l.last = before;
		f->next_waiter = nullptr;
		return;
	}
}

// ---- cycles of fibers that wait for each other's locks ----

bool waits_for_lock(const Fiber *f)
{
	return f->wait == Wait::spin || f->wait == Wait::mutex || f->wait == Wait::read ||
	       f->wait == Wait::write;
}

// Follows who waits for whom from f; true when the way leads back to `start`.
bool leads_back(const Fiber *f, const Fiber *start, std::vector<const Fiber *> &way)
{
	way.push_back(f);
	for (Fiber *o = current_sched->first_fiber(); o; o = o->next) {
		if (o == f)
			continue;
		// A reader also waits for the writers before it, who wait for the holders.
		const auto &l = *static_cast<const SimLock *>(f->wait_on);
		if (!holds(o, l))
			continue;
		if (o == start) {
			way.push_back(o);
			return true;
		}
		if (waits_for_lock(o) && std::find(way.begin(), way.end(), o) == way.end() &&
		    leads_back(o, start, way))
			return true;
	}
	way.pop_back();
	return false;
}

// Called by a fiber that is about to wait for l.
void check_cycle(Fiber *me)
{
	std::vector<const Fiber *> way;
	if (!leads_back(me, me, way))
		return;
	std::string text = "deadlock: locks in a cycle\n";
	for (std::size_t i = 0; i + 1 < way.size(); i++)
		text += "  " + way[i]->label() + " waits for \"" +
			(way[i]->wait_class ? way[i]->wait_class->name : "?") + "\", held by " +
			way[i + 1]->label() + "\n";
	current_sched->fail(Failure::deadlock, text);
}

// ---- taking and giving back ----

struct How {
	Wait wait;
	bool shared = false;
	bool killable = false;
};

void check_takable(SimLock &l, unsigned nest)
{
	if (l.alive != kAlive)
		lock_misuse(l, "taken without being initialised, or after its end");
	Fiber *me = current_fiber;
	if (holds(me, l))
		lock_misuse(l, "taken again by the thread that holds it");
	if (!current_sched || !current_sched->options.lock_order)
		return;
	std::string wrong = current_sched->lock_order.take(me->held, l.cls, nest);
	if (!wrong.empty())
		current_sched->fail(Failure::lock_order, wrong);
}

// Once around: waits until the lock was given back by someone.
int wait_turn(SimLock &l, const How &how)
{
	Fiber *me = current_fiber;
	if (!current_sched)
		lock_misuse(l, "is contended where no fiber runs");
	if (how.killable && cfs::hosted::signal_pending(*me, CFS_WAIT_KILLABLE))
		return -EINTR;
	me->next_waiter = nullptr;
	(l.last ? l.last->next_waiter : l.first) = me;
	l.last = me;
	if (how.wait == Wait::write)
		l.writers_waiting++;
	me->wait = how.wait;
	me->wait_on = &l;
	me->wait_class = l.cls;
	check_cycle(me);
	current_sched->block(how.wait, &l, l.cls, how.killable ? CFS_WAIT_KILLABLE : 0, UINT64_MAX);
	unwait(l, me); // still on the list when a signal woke it
	if (how.wait == Wait::write)
		l.writers_waiting--;
	return 0;
}

void wake_waiters(SimLock &l)
{
	Fiber *f = l.first;
	l.first = l.last = nullptr;
	while (f) {
		Fiber *next = f->next_waiter;
		f->next_waiter = nullptr;
		current_sched->make_ready(f);
		f = next;
	}
}

int take(SimLock &l, unsigned nest, const How &how)
{
	preempt();
	check_takable(l, nest);
	while (!available(l, how.shared)) {
		if (int rc = wait_turn(l, how))
			return rc;
	}
	hold(l, how.shared, nest);
	log_step("lock", l);
	return 0;
}

bool try_take(SimLock &l, bool shared)
{
	preempt();
	if (l.alive != kAlive)
		lock_misuse(l, "tried without being initialised, or after its end");
	if (!available(l, shared))
		return false;
	hold(l, shared, 0);
	log_step("trylock", l);
	return true;
}

void release(SimLock &l, bool shared)
{
	Fiber *me = current_fiber;
	if (l.alive != kAlive)
		lock_misuse(l, "given back after its end");
	auto at = std::find_if(me->held.rbegin(), me->held.rend(),
			       [&](const Held &h) { return h.lock == &l && h.shared == shared; });
	if (at == me->held.rend())
		lock_misuse(l, "given back by a thread that does not hold it");
	me->held.erase(std::next(at).base());
	if (shared)
		l.readers--;
	else
		l.owner = nullptr;
	log_step("unlock", l);
	if (l.first && (!shared || l.readers == 0))
		wake_waiters(l);
}

} // namespace

extern "C" {

void cfs_spin_init(cfs_spin_t *l, cfs_lock_class *c) noexcept
{
	init(sim(l), c);
}

void cfs_spin_fini(cfs_spin_t *l) noexcept
{
	fini(sim(l));
}

void cfs_spin_lock(cfs_spin_t *l, unsigned int nest) noexcept
{
	take(sim(l), nest, {.wait = Wait::spin});
	current_fiber->spin_depth++;
}

bool cfs_spin_trylock(cfs_spin_t *l) noexcept
{
	if (!try_take(sim(l), false))
		return false;
	current_fiber->spin_depth++;
	return true;
}

void cfs_spin_unlock(cfs_spin_t *l) noexcept
{
	release(sim(l), false);
	current_fiber->spin_depth--;
	preempt();
}

bool cfs_spin_held(const cfs_spin_t *l) noexcept
{
	return sim(l).owner == current_fiber;
}

void cfs_mutex_init(cfs_mutex_t *l, cfs_lock_class *c) noexcept
{
	init(sim(l), c);
}

void cfs_mutex_fini(cfs_mutex_t *l) noexcept
{
	fini(sim(l));
}

void cfs_mutex_lock(cfs_mutex_t *l, unsigned int nest) noexcept
{
	cfs::hosted::may_block("cfs_mutex_lock");
	take(sim(l), nest, {.wait = Wait::mutex});
}

int cfs_mutex_lock_killable(cfs_mutex_t *l, unsigned int nest) noexcept
{
	cfs::hosted::may_block("cfs_mutex_lock_killable");
	return take(sim(l), nest, {.wait = Wait::mutex, .killable = true});
}

bool cfs_mutex_trylock(cfs_mutex_t *l) noexcept
{
	return try_take(sim(l), false);
}

void cfs_mutex_unlock(cfs_mutex_t *l) noexcept
{
	release(sim(l), false);
	preempt();
}

bool cfs_mutex_held(const cfs_mutex_t *l) noexcept
{
	return sim(l).owner == current_fiber;
}

void cfs_rwsem_init(cfs_rwsem_t *l, cfs_lock_class *c) noexcept
{
	init(sim(l), c);
}

void cfs_rwsem_fini(cfs_rwsem_t *l) noexcept
{
	fini(sim(l));
}

void cfs_rwsem_read_lock(cfs_rwsem_t *l, unsigned int nest) noexcept
{
	cfs::hosted::may_block("cfs_rwsem_read_lock");
	take(sim(l), nest, {.wait = Wait::read, .shared = true});
}

bool cfs_rwsem_read_trylock(cfs_rwsem_t *l) noexcept
{
	return try_take(sim(l), true);
}

void cfs_rwsem_read_unlock(cfs_rwsem_t *l) noexcept
{
	release(sim(l), true);
	preempt();
}

void cfs_rwsem_write_lock(cfs_rwsem_t *l, unsigned int nest) noexcept
{
	cfs::hosted::may_block("cfs_rwsem_write_lock");
	take(sim(l), nest, {.wait = Wait::write});
}

bool cfs_rwsem_write_trylock(cfs_rwsem_t *l) noexcept
{
	return try_take(sim(l), false);
}

void cfs_rwsem_write_unlock(cfs_rwsem_t *l) noexcept
{
	release(sim(l), false);
	preempt();
}

void cfs_rwsem_downgrade(cfs_rwsem_t *l) noexcept
{
	SimLock &s = sim(l);
	Fiber *me = current_fiber;
	if (s.owner != me)
		lock_misuse(s, "downgraded by a thread that does not hold it");
	for (Held &h : me->held)
		if (h.lock == &s)
			h.shared = true;
	s.owner = nullptr;
	s.readers = 1;
	if (s.first)
		wake_waiters(s);
	preempt();
}

bool cfs_rwsem_held(const cfs_rwsem_t *l) noexcept
{
	return holds(current_fiber, sim(l));
}

} // extern "C"
