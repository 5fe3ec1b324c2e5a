// SPDX-License-Identifier: GPL-2.0
//
// RCU of each machine. A section's number is taken when its outermost part begins; a grace period
// of number n is over when no section with a smaller number is open. Memory given to cfs_free_rcu()
// goes some random time after its grace period.
#include <algorithm>

#include "libcfs/plat/lock.h"
#include "libcfs/plat/mem.h"
#include "libcfs/sim/host_fiber.hpp"
#include "libcfs/sim/sched.hpp"

using namespace cfs::sim;

namespace
{

constexpr Nanos kReclaimDelayMax = 20 * kMillisecond;

bool grace_over(const RcuState &r, std::uint64_t grace)
{
	return r.readers.empty() || r.readers.front()->rcu_since > grace;
}

void arm_reclaim(NodeImpl &n)
{
	Sched &s = *n.sched;
	if (!n.rcu.pending.empty() && !n.rcu.reclaim.armed())
		s.arm(n.rcu.reclaim, s.now() + 1 + s.choice.below(kReclaimDelayMax));
}

// Event: frees a random part of what may go.
void reclaim(Event &e)
{
	NodeImpl &n = *static_cast<RcuState::ReclaimEvent &>(e).node;
	RcuState &r = n.rcu;
	Fiber *context = current_fiber;
	auto *node_before = context->node;
	auto *home_before = context->home;
	context->node = context->home = &n;
	std::uint64_t left = 1 + n.sched->choice.below(r.pending.size());
	for (; left && !r.pending.empty() && grace_over(r, r.pending.front().grace); left--) {
		RcuPending p = r.pending.front();
		r.pending.pop_front();
		cfs_free(p.subsys, p.p, p.bytes);
		r.freed++;
	}
	context->node = node_before;
	context->home = home_before;
	n.sched->wake(r.waiters);
	arm_reclaim(n);
}

} // namespace

extern "C" {

void cfs_rcu_read_lock(void) noexcept
{
	Fiber *f = current_fiber;
	if (f->rcu_depth++ == 0 && current_sched) {
		current_sched->point();
		RcuState &r = f->home->rcu;
		f->rcu_since = ++r.counter;
		r.readers.push_back(f);
	}
}

void cfs_rcu_read_unlock(void) noexcept
{
	Fiber *f = current_fiber;
	if (f->rcu_depth == 0)
		cfs::hosted::misuse("cfs_rcu_read_unlock() outside a section");
	if (--f->rcu_depth == 0 && current_sched) {
		RcuState &r = f->home->rcu;
		std::erase(r.readers, f);
		current_sched->wake(r.waiters);
		current_sched->point();
	}
}

void cfs_rcu_synchronize(void) noexcept
{
	cfs::hosted::may_block("cfs_rcu_synchronize");
	if (!current_sched)
		return;
	RcuState &r = current_fiber->home->rcu;
	auto grace = ++r.counter;
	while (!grace_over(r, grace))
		current_sched->wait_on(r.waiters, Wait::rcu);
}

void cfs_rcu_barrier(void) noexcept
{
	cfs::hosted::may_block("cfs_rcu_barrier");
	if (!current_sched)
		return;
	RcuState &r = current_fiber->home->rcu;
	for (auto upto = r.queued; r.freed < upto;)
		current_sched->wait_on(r.waiters, Wait::rcu);
}

void cfs_free_rcu(enum cfs_subsys s, void *p, size_t bytes, struct cfs_rcu *) noexcept
{
	if (!p)
		return;
	if (!current_sched) {
		cfs_free(s, p, bytes); // nobody can be in a section
		return;
	}
	NodeImpl &n = *current_fiber->home;
	n.rcu.pending.push_back({++n.rcu.counter, s, p, bytes});
	n.rcu.queued++;
	n.rcu.reclaim.node = &n;
	n.rcu.reclaim.fire = reclaim;
	arm_reclaim(n);
	current_sched->point();
}

} // extern "C"
