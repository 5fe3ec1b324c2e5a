// SPDX-License-Identifier: GPL-2.0
//
// The rules of flocks (spec 03 7.3). Owners are (peer, owner); the granted locks of one owner never
// overlap, and those of one mode never adjoin. A waiting lock waits for granted ones only, so an
// owner waits for other owners: the waits-for graph, which must stay without cycles. Its edges are
// not stored but read from the tables, which all flocks of a namespace guard with one mutex.
#include "lustre/ldlm/table.hpp"

namespace ldlm
{

bool FlockGraph::expand(LockTable &table, TableLock &l, Owner start, Search &todo) noexcept
{
	bool cycle = false;
	(void)table.for_overlapping(modes(LCK_PR, LCK_PW), l.policy, [&](TableLock &x) {
		if (!table.conflicts(l, x))
			return true;
		Owner holder = owner_of(x);
		if (holder == start) {
			cycle = true;
			return false;
		}
		auto [from, to] = waiters_.equal_range(holder, Order{});
		for (auto i = from; i != to; ++i) {
			if (i->visited == round_)
				continue;
			i->visited = round_;
			todo.push_back(*i);
		}
		return true;
	});
	return cycle;
}

bool FlockGraph::closes_cycle(LockTable &table, TableLock &l) noexcept
{
	round_++;
	Search todo;
	Owner start = owner_of(l);
	bool cycle = expand(table, l, start, todo);
	while (!cycle && !todo.empty()) {
		FlockPart &f = todo.front();
		todo.pop_front();
		cycle = expand(*f.table, *f.lock, start, todo);
	}
	todo.clear();
	return cycle;
}

TableLock *LockTable::first_flock_conflict(const TableLock &l) const noexcept
{
	TableLock *found = nullptr;
	(void)for_overlapping(rivals(l) & modes(LCK_PR, LCK_PW), l.policy, [&](TableLock &x) {
		found = conflicts(l, x) ? &x : nullptr;
		return found == nullptr;
	});
	return found;
}

TableLock *LockTable::first_own_flock(const TableLock &l, Mode m, Span s) const noexcept
{
	Policy p = FlockRange{s.start, s.last, 0, 0};
	TableLock *found = nullptr;
	(void)for_overlapping(mode_bit(m), p, [&](TableLock &x) {
		found = &x != &l && FlockGraph::owner_of(x) == FlockGraph::owner_of(l) ? &x
										       : nullptr;
		return found == nullptr;
	});
	return found;
}

/// Takes [hole] out of x. What is left of it may be nothing, one piece, or two.
void LockTable::cut_flock(TableLock &x, Span hole, TableLock &by, Work &work) noexcept
{
	FlockRange &r = x.policy.flock;
	granted_[mode_index(x.granted_mode)].erase(x);
	if (hole.start > r.start && hole.last < r.end) {
		CFS_ASSERT(by.flock && by.flock->spare);
		TableLock &right = *std::exchange(by.flock->spare, nullptr);
		right.policy = x.policy;
		right.policy.flock.start = hole.last + 1;
		right.asked = right.policy;
		right.holder = x.holder;
		right.req_mode = x.granted_mode;
		insert_granted(right);
		work.born.push_back(right);
		r.end = hole.start - 1;
	} else if (hole.start > r.start) {
		r.end = hole.start - 1;
	} else if (hole.last < r.end) {
		r.start = hole.last + 1;
	} else {
		x.place = TableLock::Place::none;
		count_--;
		work.dead.push_back(x);
		return;
	}
	reinsert(x);
}

void LockTable::apply_flock(TableLock &l, Work &work) noexcept
{
	Span asked = span(l.req_mode, l.policy);
	if (l.req_mode != LCK_NL) {
		Span near{asked.start ? asked.start - 1 : 0,
			  asked.last == kEof ? kEof : asked.last + 1};
		FlockRange &r = l.policy.flock;
		while (TableLock *x = first_own_flock(l, l.req_mode, near)) {
			const FlockRange &o = x->policy.flock;
			r.start = o.start < r.start ? o.start : r.start;
			r.end = o.end > r.end ? o.end : r.end;
			remove(*x);
			work.dead.push_back(*x);
		}
	}
	for (Mode m : {LCK_PR, LCK_PW})
		while (TableLock *x = m == l.req_mode ? nullptr : first_own_flock(l, m, asked))
			cut_flock(*x, asked, l, work);
	if (l.req_mode != LCK_NL)
		insert_granted(l);
}

/// An unlock takes back the same request that still waits: its client gave up waiting.
void LockTable::cancel_waiting_flock(const TableLock &nl, Work &work) noexcept
{
	for (TableLock &w : waiting_) {
		if (FlockGraph::owner_of(w) != FlockGraph::owner_of(nl) ||
		    w.policy.flock.start != nl.policy.flock.start ||
		    w.policy.flock.end != nl.policy.flock.end)
			continue;
		remove(w);
		work.granted.push_back(w);
		work.dead.push_back(w);
		return;
	}
}

Verdict LockTable::enqueue_flock(TableLock &l, bool try_only, Work &work) noexcept
{
	if (l.req_mode == LCK_NL) {
		cancel_waiting_flock(l, work);
		apply_flock(l, work);
		return Verdict::granted;
	}
	TableLock *other = first_flock_conflict(l);
	if (l.flags & wire::LDLM_FL_TEST_LOCK) {
		l.req_mode = other ? other->granted_mode : LCK_NL;
		if (other) {
			l.policy.flock.start = other->policy.flock.start;
			l.policy.flock.end = other->policy.flock.end;
			l.policy.flock.pid = other->policy.flock.pid;
		}
		return Verdict::tested;
	}
	if (other) {
		if (try_only || (l.flags & wire::LDLM_FL_BLOCK_NOWAIT))
			return Verdict::refused;
		if (graph_->closes_cycle(*this, l))
			return Verdict::deadlock;
		place_waiting(l, waiting_.end());
		return Verdict::blocked_granted;
	}
	apply_flock(l, work);
	return Verdict::granted;
}

bool LockTable::flock_round(Work &work) noexcept
{
	bool progress = false;
	for (auto i = waiting_.begin(); i != waiting_.end();) {
		TableLock &l = *i++;
		if (!first_flock_conflict(l)) {
			grant_waiting(l, work);
			progress = true;
		} else if (l.hears_deadlock && graph_->closes_cycle(*this, l)) {
			// It came to wait for someone else than when it was queued.
			remove(l);
			l.deadlock = true;
			work.granted.push_back(l);
			work.dead.push_back(l);
			progress = true;
		}
	}
	return progress;
}

/// A grant can weaken the owner's other lock and let an earlier one in, hence rounds.
void LockTable::reprocess_flock(Work &work) noexcept
{
	while (!waiting_.empty() && flock_round(work)) {
	}
}

} // namespace ldlm
