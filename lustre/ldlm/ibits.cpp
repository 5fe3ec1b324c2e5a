// SPDX-License-Identifier: GPL-2.0
//
// The rules of inode locks (spec 03 7.2): a conflict takes incompatible modes and common bits; a
// request may name bits that it takes only if they are free (try_bits).
#include "lustre/ldlm/table.hpp"

namespace ldlm
{

void LockTable::trim_try_bits(TableLock &l, const Trees &trees) noexcept
{
	InodeBits &b = l.policy.ibits;
	ModeMask among = rivals(l);
	for (unsigned m = 0; m < kModes && b.try_bits; m++) {
		if (!(among & (1u << m)))
			continue;
		TableLock *x = trees[m].first();
		while (x && b.try_bits) {
			u64 key = x->in_tree.start();
			b.try_bits &= ~key;
			// All locks of this key are alike.
			x = trees[m].first_overlap(key + 1, kEof);
		}
	}
}

void LockTable::take_try_bits(TableLock &l) noexcept
{
	l.policy.ibits.bits |= l.policy.ibits.try_bits;
	l.policy.ibits.try_bits = 0;
}

Verdict LockTable::enqueue_ibits(TableLock &l, bool try_only, Work &work) noexcept
{
	constexpr u64 nowait = wire::LDLM_FL_BLOCK_NOWAIT | wire::LDLM_FL_SPECULATIVE;
	InodeBits &b = l.policy.ibits;
	bool may_wait = !try_only && !(l.flags & nowait);
	u64 tried = b.try_bits;
	if ((b.bits | b.try_bits) == 0)
		return Verdict::aborted;
	if (!same_group_granted(l)) {
		trim_try_bits(l, granted_);
		trim_try_bits(l, asked_);
		trim_try_bits(l, waiting_trees_);
		if ((b.bits | b.try_bits) == 0)
			return Verdict::aborted;
		bool by_granted = blocked_by_granted(l, may_wait ? &work : nullptr);
		bool by_waiting =
			!by_granted && l.req_mode != LCK_GROUP && blocked_by(waiting_trees_, l);
		if (by_granted || by_waiting) {
			b.try_bits = tried;
			if (!may_wait)
				return Verdict::refused;
			place_waiting(l, group_position(l));
			return by_granted ? Verdict::blocked_granted : Verdict::blocked_waiting;
		}
	}
	take_try_bits(l);
	insert_granted(l);
	return Verdict::granted;
}

/// In order of arrival; whoever stays keeps his bits from those behind.
void LockTable::reprocess_ibits(Work &work) noexcept
{
	u64 kept[kModes] = {};
	for (auto i = waiting_.begin(); i != waiting_.end();) {
		TableLock &l = *i++;
		InodeBits &b = l.policy.ibits;
		bool blocked = false;
		if (!same_group_granted(l)) {
			ModeMask among = rivals(l);
			for (unsigned m = 0; m < kModes && !blocked; m++)
				blocked = (among & (1u << m)) && (kept[m] & b.bits);
			if (!blocked)
				blocked = blocked_by_granted(l, &work);
		}
		if (blocked) {
			kept[mode_index(l.req_mode)] |= b.bits;
			continue;
		}
		trim_try_bits(l, granted_);
		trim_try_bits(l, asked_);
		for (u64 bits : kept)
			b.try_bits &= ~bits;
		remove(l);
		take_try_bits(l);
		insert_granted(l);
		l.granted_late = true;
		work.granted.push_back(l);
	}
}

} // namespace ldlm
