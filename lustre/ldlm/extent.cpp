// SPDX-License-Identifier: GPL-2.0
//
// How far an extent lock grows beyond what was asked for (spec 03 7.1): any superset of the request
// that conflicts with nothing granted is right; how much is a matter of not being in others' way.
// The more neighbours, the less.
#include <bit>

#include "lustre/ldlm/table.hpp"

namespace ldlm
{

namespace
{

/// Growth of a write lock among many others.
constexpr u64 kContendedGrowth = u64{32} << 20;
constexpr u64 kPage = 4096;
/// From so many waiting locks on, nothing grows downwards.
constexpr std::size_t kWaitingMany = 4;
/// Waiting locks looked at in search of the nearest one behind the request.
constexpr unsigned kLooks = 16;

/// The largest power of two that both ends of the request are multiples of, if those are whole
/// pages; grown extents keep to it.
u64 granule(const Extent &asked) noexcept
{
	u64 end = asked.end == kEof ? 0 : asked.end + 1;
	if (asked.start % kPage || end % kPage)
		return kPage;
	u64 both = asked.start | end;
	return both ? u64{1} << std::countr_zero(both) : kPage;
}

/// Never cuts into the request.
void align(Extent &grown, const Extent &asked) noexcept
{
	if (grown.start == 0 && grown.end == kEof)
		return;
	u64 g = granule(asked);
	u64 start = grown.start > kEof - (g - 1) ? grown.start : (grown.start + g - 1) & ~(g - 1);
	grown.start = start < asked.start ? start : asked.start;
	if (grown.end == kEof)
		return;
	u64 end = ((grown.end + 1) & ~(g - 1)) - 1;
	grown.end = end > asked.end && end != kEof ? end : asked.end;
}

} // namespace

/// Cuts `grown` so that it meets no granted lock that conflicts; returns how many of those there
/// are. (None overlaps the request itself.)
std::size_t LockTable::limit_by_granted(const TableLock &l, Extent &grown) noexcept
{
	std::size_t rivals_granted = 0;
	const Extent &asked = l.policy.extent;
	for (unsigned m = 0; m < kModes; m++) {
		if (!(rivals(l) & (1u << m)))
			continue;
		for (const Tree *t : {&granted_[m], &asked_[m]}) {
			if (t->empty())
				continue;
			rivals_granted += t->size();
			grown.start = asked.start;
			if (asked.end == kEof)
				continue;
			if (TableLock *next = t->first_overlap(asked.end + 1, kEof))
				if (next->in_tree.start() - 1 < grown.end)
					grown.end = next->in_tree.start() - 1;
		}
	}
	return rivals_granted;
}

/// Likewise for waiting locks; those that overlap the request are in its way whatever it does.
std::size_t LockTable::limit_by_waiting(const TableLock &l, const Trees &waiting,
					Extent &grown) noexcept
{
	std::size_t rivals_waiting = 0;
	const Extent &asked = l.policy.extent;
	for (unsigned m = 0; m < kModes; m++) {
		const Tree &t = waiting[m];
		if (!(rivals(l) & (1u << m)) || t.empty())
			continue;
		rivals_waiting += t.size();
		if (t.first()->in_tree.start() < asked.start)
			grown.start = asked.start;
		if (asked.end == kEof)
			continue;
		TableLock *next = t.first_overlap(asked.end + 1, kEof);
		for (unsigned i = 0; next && next->in_tree.start() <= asked.end; i++) {
			if (i == kLooks) {
				grown.end = asked.end;
				break;
			}
			next = t.next_overlap(*next, asked.end + 1, kEof);
		}
		if (next && next->in_tree.start() > asked.end &&
		    next->in_tree.start() - 1 < grown.end)
			grown.end = next->in_tree.start() - 1;
	}
	return rivals_waiting;
}

void LockTable::expand_extent(TableLock &l, const TableRules &rules, const Trees *passed) noexcept
{
	Extent &e = l.policy.extent;
	if (l.local || l.req_mode == LCK_GROUP || (l.flags & wire::LDLM_FL_NO_EXPANSION) ||
	    (e.start == 0 && e.end == kEof))
		return;
	Extent grown{0, kEof, e.gid};
	std::size_t n = limit_by_granted(l, grown);
	std::size_t waiting = limit_by_waiting(l, waiting_trees_, grown);
	if (passed)
		waiting += limit_by_waiting(l, *passed, grown);
	if (waiting > kWaitingMany)
		grown.start = e.start;
	if (n + waiting > rules.contended_locks && (l.req_mode == LCK_PW || l.req_mode == LCK_CW)) {
		u64 cap = e.start > kEof - kContendedGrowth ? kEof : e.start + kContendedGrowth - 1;
		if (cap < grown.end)
			grown.end = cap;
	}
	if (grown.end < e.end)
		grown.end = e.end;
	align(grown, e);
	e = grown;
}

} // namespace ldlm
