// SPDX-License-Identifier: GPL-2.0
//
// LockTable: the trees and the queue, and what the types have in common. The rules of each type are
// in extent.cpp, ibits.cpp and flock.cpp; plain locks are extents that always cover everything.
#include "lustre/ldlm/table.hpp"

namespace ldlm
{

bool LockTable::conflicts(const TableLock &a, const TableLock &b) const noexcept
{
	Mode am = a.req_mode;
	Mode bm = b.place == TableLock::Place::granted ? b.granted_mode : b.req_mode;
	if (am == LCK_GROUP && bm == LCK_GROUP) {
		u64 ag = type_ == LDLM_EXTENT ? a.policy.extent.gid : a.policy.ibits.gid;
		u64 bg = type_ == LDLM_EXTENT ? b.policy.extent.gid : b.policy.ibits.gid;
		return ag != bg && (type_ != LDLM_IBITS || (a.bits_key() & b.bits_key()));
	}
	bool by_mode = !compatible(am, bm);
	if (am == LCK_COS || bm == LCK_COS) {
		// A commit-on-share lock is only in the way of other clients.
		if (a.cos_client != 0 && a.cos_client == b.cos_client)
			return false;
		by_mode = by_mode || am == bm;
	}
	if (!by_mode)
		return false;
	switch (type_) {
	case LDLM_EXTENT: {
		Span s = span(am, a.policy);
		Span t = span(bm, b.policy);
		return s.start <= t.last && t.start <= s.last;
	}
	case LDLM_IBITS:
		if (a.policy.ibits.initiator && (am == LCK_TXN || bm == LCK_TXN) &&
		    a.policy.ibits.initiator == b.policy.ibits.initiator)
			return false;
		return (a.policy.ibits.bits & b.policy.ibits.bits) != 0;
	case LDLM_FLOCK:
		return FlockGraph::owner_of(a) != FlockGraph::owner_of(b) &&
		       a.policy.flock.start <= b.policy.flock.end &&
		       b.policy.flock.start <= a.policy.flock.end;
	case LDLM_PLAIN:
		break;
	}
	return true;
}

void LockTable::place_granted(TableLock &l) noexcept
{
	l.granted_mode = l.req_mode;
	l.place = TableLock::Place::granted;
	Span s = span(l.granted_mode, l.policy);
	auto &trees = l.asked_back ? asked_ : granted_;
	trees[mode_index(l.granted_mode)].insert(l, s.start, s.last);
}

void LockTable::place_waiting(TableLock &l, Queue::iterator where) noexcept
{
	l.place = TableLock::Place::waiting;
	Span s = span(l.req_mode, l.policy);
	waiting_trees_[mode_index(l.req_mode)].insert(l, s.start, s.last);
	waiting_.insert(where, l);
	count_++;
	if (l.flock) {
		l.flock->table = this;
		graph_->add(*l.flock);
	}
}

void LockTable::insert_granted(TableLock &l) noexcept
{
	place_granted(l);
	count_++;
}

void LockTable::insert_waiting(TableLock &l) noexcept
{
	place_waiting(l, waiting_.end());
}

void LockTable::remove(TableLock &l) noexcept
{
	switch (l.place) {
	case TableLock::Place::none:
		return;
	case TableLock::Place::granted:
		(l.asked_back ? asked_ : granted_)[mode_index(l.granted_mode)].erase(l);
		break;
	case TableLock::Place::waiting:
		waiting_trees_[mode_index(l.req_mode)].erase(l);
		waiting_.erase(waiting_.iterator_to(l));
		if (l.flock)
			graph_->remove(*l.flock);
		break;
	}
	l.place = TableLock::Place::none;
	count_--;
}

/// After a granted lock's key has changed; it is in no tree.
void LockTable::reinsert(TableLock &l) noexcept
{
	Span s = span(l.granted_mode, l.policy);
	(l.asked_back ? asked_ : granted_)[mode_index(l.granted_mode)].insert(l, s.start, s.last);
}

void LockTable::not_asked(TableLock &l) noexcept
{
	if (!l.asked_back)
		return;
	if (l.place == TableLock::Place::granted)
		asked_[mode_index(l.granted_mode)].erase(l);
	l.asked_back = false;
	if (l.place == TableLock::Place::granted)
		reinsert(l);
}

void LockTable::change_mode(TableLock &l, Mode mode) noexcept
{
	CFS_ASSERT(l.place == TableLock::Place::granted);
	(l.asked_back ? asked_ : granted_)[mode_index(l.granted_mode)].erase(l);
	l.asked_back = false;
	l.req_mode = l.granted_mode = mode;
	reinsert(l);
}

void LockTable::keep_bits(TableLock &l, u64 bits) noexcept
{
	CFS_ASSERT(type_ == LDLM_IBITS && l.place == TableLock::Place::granted);
	(l.asked_back ? asked_ : granted_)[mode_index(l.granted_mode)].erase(l);
	l.asked_back = false;
	l.policy.ibits.bits &= bits;
	l.policy.ibits.try_bits = 0;
	reinsert(l);
}

void LockTable::ask_back(TableLock &x, const TableLock &l, Work &work) noexcept
{
	if (x.asked_back)
		return;
	unsigned m = mode_index(x.granted_mode);
	granted_[m].erase(x);
	x.asked_back = true;
	x.wanted = {l.req_mode, l.granted_mode, l.policy,
		    (l.flags & wire::LDLM_FL_AST_DISCARD_DATA) != 0};
	reinsert(x);
	// One that is about to be told that it is granted is told both at once.
	if (!x.granted_late)
		work.blocking.push_back(x);
}

bool LockTable::blocked_by_granted(TableLock &l, Work *work) noexcept
{
	bool blocked = false;
	ModeMask among = rivals(l);
	for (unsigned m = 0; m < kModes; m++) {
		if (!(among & (1u << m)))
			continue;
		auto first = [&](TableLock &x) { return !(blocked = conflicts(l, x)); };
		// Asked back already: one is enough to know.
		if (!blocked)
			(void)scan(asked_[m], l.req_mode, l.policy, first);
		if (!work) {
			if (!blocked)
				(void)scan(granted_[m], l.req_mode, l.policy, first);
			if (blocked)
				return true;
			continue;
		}
		// Nobody answers a callback for a group lock on an inode: its holder lets go by
		// himself.
		bool silent = type_ == LDLM_IBITS && mode_at(m) == LCK_GROUP;
		auto each = [&](TableLock &x) {
			if (!conflicts(l, x))
				return true;
			blocked = true;
			if (silent)
				return false;
			ask_back(x, l, *work);
			return true;
		};
		(void)scan(granted_[m], l.req_mode, l.policy, each);
	}
	return blocked;
}

bool LockTable::blocked_by(const Trees &trees, const TableLock &l) noexcept
{
	bool blocked = false;
	auto first = [&](TableLock &x) { return !(blocked = conflicts(l, x)); };
	ModeMask among = rivals(l);
	for (unsigned m = 0; m < kModes && !blocked; m++)
		if (among & (1u << m))
			(void)scan(trees[m], l.req_mode, l.policy, first);
	return blocked;
}

void LockTable::grant_waiting(TableLock &l, Work &work) noexcept
{
	remove(l);
	if (type_ == LDLM_FLOCK) {
		apply_flock(l, work);
	} else {
		place_granted(l);
		count_++;
	}
	l.granted_late = true;
	work.granted.push_back(l);
}

bool LockTable::same_group_granted(const TableLock &l) const noexcept
{
	if (l.req_mode != LCK_GROUP)
		return false;
	bool found = false;
	(void)for_overlapping(mode_bit(LCK_GROUP), l.policy, [&](TableLock &x) {
		found = !conflicts(l, x);
		return false;
	});
	return found;
}

/// Group locks wait before all others, those of one gid next to each other.
LockTable::Queue::iterator LockTable::group_position(const TableLock &l) noexcept
{
	auto at = waiting_.end();
	if (l.req_mode != LCK_GROUP)
		return at;
	u64 gid = type_ == LDLM_EXTENT ? l.policy.extent.gid : l.policy.ibits.gid;
	auto after_groups = waiting_.begin();
	for (auto i = waiting_.begin(); i != waiting_.end() && i->req_mode == LCK_GROUP; ++i) {
		u64 g = type_ == LDLM_EXTENT ? i->policy.extent.gid : i->policy.ibits.gid;
		after_groups = std::next(i);
		if (g == gid)
			at = after_groups;
	}
	return at == waiting_.end() ? after_groups : at;
}

Verdict LockTable::enqueue(TableLock &l, const TableRules &rules, bool try_only,
			   Work &work) noexcept
{
	CFS_ASSERT(l.place == TableLock::Place::none);
	switch (type_) {
	case LDLM_IBITS:
		return enqueue_ibits(l, try_only, work);
	case LDLM_FLOCK:
		return enqueue_flock(l, try_only, work);
	default:
		return enqueue_simple(l, rules, try_only, work);
	}
}

/// Extent and plain locks.
Verdict LockTable::enqueue_simple(TableLock &l, const TableRules &rules, bool try_only,
				  Work &work) noexcept
{
	constexpr u64 nowait = wire::LDLM_FL_BLOCK_NOWAIT | wire::LDLM_FL_SPECULATIVE;
	bool may_wait = !try_only && !(l.flags & nowait);
	if (!same_group_granted(l)) {
		bool by_granted = blocked_by_granted(l, may_wait ? &work : nullptr);
		// Group locks overtake those that wait for other modes.
		bool by_waiting =
			!by_granted && l.req_mode != LCK_GROUP && blocked_by(waiting_trees_, l);
		if (by_granted || by_waiting) {
			if (!may_wait)
				return Verdict::refused;
			place_waiting(l, group_position(l));
			return by_granted ? Verdict::blocked_granted : Verdict::blocked_waiting;
		}
	}
	if (type_ == LDLM_EXTENT)
		expand_extent(l, rules, nullptr);
	insert_granted(l);
	// A group lock may have joined its group before those that wait for the group to end.
	if (l.req_mode == LCK_GROUP)
		reprocess(rules, work);
	return Verdict::granted;
}

void LockTable::reprocess(const TableRules &rules, Work &work) noexcept
{
	if (waiting_.empty())
		return;
	switch (type_) {
	case LDLM_IBITS:
		reprocess_ibits(work);
		break;
	case LDLM_FLOCK:
		reprocess_flock(work);
		break;
	default:
		reprocess_simple(rules, work);
	}
	for (TableLock &l : work.granted)
		l.granted_late = false;
}

/// Whether the first in the queue still waits for a granted lock and keeps all others waiting too:
/// the usual state of a much wanted resource, worth not walking the queue for.
bool LockTable::head_blocks_all() noexcept
{
	TableLock &head = waiting_.front();
	Span s = span(head.req_mode, head.policy);
	if (s.start != 0 || s.last != kEof)
		return false;
	for (unsigned m = 0; m < kModes; m++)
		if (!waiting_trees_[m].empty() && compatible(head.req_mode, mode_at(m)) &&
		    !(mode_at(m) == head.req_mode && waiting_trees_[m].size() == 1))
			return false;
	return blocked_by_granted(head, nullptr);
}

/// In order of arrival, each against what is granted and what stays before it. Those that stay move
/// to trees of their own meanwhile, so that the ones behind can be told from the ones before.
void LockTable::reprocess_simple(const TableRules &rules, Work &work) noexcept
{
	if (head_blocks_all()) {
		(void)blocked_by_granted(waiting_.front(), &work);
		return;
	}
	Trees passed;
	auto move = [](TableLock &l, Trees &from, Trees &to) {
		unsigned m = mode_index(l.req_mode);
		u64 start = l.in_tree.start();
		u64 last = l.in_tree.last();
		from[m].erase(l);
		to[m].insert(l, start, last);
	};
	for (auto i = waiting_.begin(); i != waiting_.end();) {
		TableLock &l = *i++;
		if (!same_group_granted(l) &&
		    (blocked_by(passed, l) || blocked_by_granted(l, &work))) {
			move(l, waiting_trees_, passed);
			continue;
		}
		if (type_ == LDLM_EXTENT)
			expand_extent(l, rules, &passed);
		grant_waiting(l, work);
	}
	for (TableLock &l : waiting_)
		move(l, passed, waiting_trees_);
}

void LockTable::verify() noexcept
{
	std::size_t n = waiting_.size();
	for (unsigned m = 0; m < kModes; m++) {
		granted_[m].verify();
		asked_[m].verify();
		waiting_trees_[m].verify();
		n += granted_[m].size() + asked_[m].size();
	}
	CFS_ASSERT(n == count_);
	(void)for_granted([&](TableLock &a) {
		(void)for_granted([&](TableLock &b) {
			CFS_ASSERT(&a == &b || !conflicts(a, b));
			return true;
		});
		return true;
	});
	for (auto i = waiting_.begin(); i != waiting_.end(); ++i) {
		bool blocked = blocked_by_granted(*i, nullptr);
		for (auto j = waiting_.begin(); j != i && !blocked; ++j)
			blocked = type_ != LDLM_FLOCK && conflicts(*i, *j);
		CFS_ASSERT(blocked);
		if (type_ == LDLM_FLOCK)
			continue;
		// Who blocks it has been asked, unless it only blocks those behind the first.
		for (unsigned m = 0; m < kModes && i == waiting_.begin(); m++)
			for (TableLock *x = granted_[m].first(); x; x = granted_[m].next(*x))
				CFS_ASSERT(!conflicts(*i, *x) ||
					   (type_ == LDLM_IBITS && mode_at(m) == LCK_GROUP));
	}
}

} // namespace ldlm
