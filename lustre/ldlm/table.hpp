// SPDX-License-Identifier: GPL-2.0
//
// The locks of one resource: who holds what, who waits, and the rules by which a request is granted
// or queued (spec 03 section 7). Pure data: no messages, no threads, no clock, no memory of its
// own. The owner serialises all calls (the resource's mutex; for flocks also the namespace's flock
// mutex) and carries out the Work that comes out of them.
//
// Invariants:
//  - two granted locks never conflict, except those that a client replayed and says it had;
//  - a waiting lock is blocked by a granted lock or by an earlier waiting one;
//  - every granted lock that blocks a waiting one has been asked back (TableLock::asked_back), save
//    flocks, which nobody asks back, and GROUP locks on inodes.
//
// Cost. Granted locks live in one tree per mode, those that have been asked back in another: so a
// conflict is found in O(log n), and collecting the locks to ask back visits each of them once,
// ever, however often the queue is looked at. Inode locks are keyed by their bits, of which there
// are few different sets, and sets that do not matter are jumped over.
#pragma once

#include <array>
#include <cstdint>

#include "ldlm/types.hpp"
#include "libcfs/containers.hpp"
#include "libcfs/interval_tree.hpp"

namespace ldlm
{

class TableLock;
class LockTable;

/// What a flock needs beside: its place in the waits-for graph, and the lock object that a split
/// will need, made before because a split must not fail.
struct FlockPart {
	static constexpr cfs_subsys kSubsys = CFS_S_LDLM;

	explicit FlockPart(TableLock &l) noexcept : lock(&l) {}

	TableLock *lock;
	LockTable *table = nullptr; ///< where it waits
	cfs::SetHook in_graph;
	cfs::ListHook in_search;
	std::uint64_t visited = 0;
	TableLock *spare = nullptr;
};

/// What stood in the way: kept in the lock that is asked back, for the callback's message.
struct Wanted {
	Mode req_mode = LCK_MODE_MIN;
	Mode granted_mode = LCK_MODE_MIN;
	Policy policy;
	bool discard = false;
};

/// A lock in a LockTable.
class TableLock
{
public:
	TableLock() = default;
	TableLock(const TableLock &) = delete;
	TableLock &operator=(const TableLock &) = delete;

	enum class Place : std::uint8_t { none, granted, waiting };

	cfs::IntervalHook in_tree; ///< of the mode: granted, asked back, or waiting
	cfs::ListHook in_queue;	   ///< LockTable::waiting()
	cfs::ListHook in_work;	   ///< one of Work's lists
	cfs::ListHook in_dead;	   ///< Work::dead

	Policy policy;	    ///< held, or asked for while it waits
	Policy asked;	    ///< as the request had it
	Wanted wanted;	    ///< valid while asked_back
	u64 flags = 0;	    ///< LDLM_FL_* of the request that matter here
	u64 holder = 0;	    ///< the peer's number; 0 is the server itself
	u64 cos_client = 0; ///< see LocalSpec::client_cookie
	FlockPart *flock = nullptr;
	Mode req_mode = LCK_MODE_MIN;
	Mode granted_mode = LCK_MODE_MIN;
	Place place = Place::none;
	bool asked_back = false; ///< a blocking callback is due, sent, or implied
	bool granted_late =
		false;	       ///< in Work::granted of this pass: wanted already when it is told
	bool deadlock = false; ///< a flock refused while it waited
	bool hears_deadlock = false; ///< its client understands that
	bool local = false;	     ///< no expansion: the server's own

	[[nodiscard]] u64 bits_key() const noexcept
	{
		return (policy.ibits.bits | policy.ibits.try_bits) & wire::MDS_INODELOCK_FULL;
	}
};

/// What is to be done after a change, when the table is not locked any more. The owner empties
/// every list before he unlocks the table; the locks in them are the table's (or were, for dead).
struct Work {
	using List = cfs::List<TableLock, &TableLock::in_work>;

	List blocking; ///< granted locks to ask back
	List granted;  ///< waiting locks that were granted (or refused: deadlock), to be told
	List born;     ///< flocks made by a split: to be registered
	cfs::List<TableLock, &TableLock::in_dead> dead; ///< merged or cut away: to be forgotten

	[[nodiscard]] bool empty() const noexcept
	{
		return blocking.empty() && granted.empty() && born.empty() && dead.empty();
	}
};

/// The waits-for graph of a namespace's flocks. Guarded, as all flock tables of the namespace, by
/// the namespace's flock mutex.
class FlockGraph
{
public:
	struct Owner {
		u64 holder;
		u64 owner;
		auto operator<=>(const Owner &) const = default;
	};
	[[nodiscard]] static Owner owner_of(const TableLock &l) noexcept
	{
		return {l.holder, l.policy.flock.owner};
	}

	void add(FlockPart &f) noexcept { waiters_.insert(f); }
	void remove(FlockPart &f) noexcept
	{
		if (f.in_graph.is_linked())
			waiters_.erase(waiters_.iterator_to(f));
	}
	/// Whether `l`, waiting in `table`, would wait for itself.
	[[nodiscard]] bool closes_cycle(LockTable &table, TableLock &l) noexcept;
	[[nodiscard]] std::size_t waiting() const noexcept { return waiters_.size(); }

private:
	struct Order {
		bool operator()(const FlockPart &a, const FlockPart &b) const noexcept
		{
			return owner_of(*a.lock) < owner_of(*b.lock);
		}
		bool operator()(const FlockPart &a, const Owner &b) const noexcept
		{
			return owner_of(*a.lock) < b;
		}
		bool operator()(const Owner &a, const FlockPart &b) const noexcept
		{
			return a < owner_of(*b.lock);
		}
	};
	using Search = cfs::List<FlockPart, &FlockPart::in_search>;

	/// Puts what the holders in the way of `l` wait for into the search; true when one of them
	/// is `start`.
	bool expand(LockTable &table, TableLock &l, Owner start, Search &todo) noexcept;

	cfs::OrderedMultiSet<FlockPart, &FlockPart::in_graph, Order> waiters_;
	std::uint64_t round_ = 0;
};

/// Numbers of a namespace that the rules use.
struct TableRules {
	u32 contended_locks = 32; ///< so many conflicts keep extents small
};

/// How a request came out.
enum class Verdict : std::uint8_t {
	granted,
	blocked_granted, ///< queued behind a granted lock
	blocked_waiting, ///< queued behind a waiting one only
	aborted,	 ///< inode bits: nothing left to grant
	refused,	 ///< would have to wait and must not: err::AGAIN
	deadlock,	 ///< flock: err::DEADLK
	tested,		 ///< flock TEST_LOCK: `asked`/req_mode tell the lock in the way, or NL
};
[[nodiscard]] constexpr bool is_blocked(Verdict v) noexcept
{
	return v == Verdict::blocked_granted || v == Verdict::blocked_waiting;
}

class LockTable
{
public:
	using Tree = cfs::IntervalTree<TableLock, &TableLock::in_tree>;
	using Queue = cfs::List<TableLock, &TableLock::in_queue>;

	/// `graph`: for flocks.
	LockTable(LockType type, FlockGraph *graph) noexcept : type_(type), graph_(graph) {}
	~LockTable() { CFS_ASSERT(count_ == 0 && waiting_.empty()); }

	/// A new request: grants it, queues it, or leaves it outside. `try_only`: never queues and
	/// asks nobody back. Fill in mode, policy, asked, flags, holder before.
	Verdict enqueue(TableLock &l, const TableRules &rules, bool try_only, Work &work) noexcept;
	/// Puts it into the granted ones without asking anybody: replay, unconditional locks, locks
	/// on a client.
	void insert_granted(TableLock &l) noexcept;
	/// Puts it at the end of the queue without looking: replay, recovery.
	void insert_waiting(TableLock &l) noexcept;
	/// Takes a lock out, granted or waiting. The caller reprocesses.
	void remove(TableLock &l) noexcept;
	/// Grants what can be granted now, asks back what newly stands in the way.
	void reprocess(const TableRules &rules, Work &work) noexcept;
	/// A granted lock gets a weaker mode or fewer bits; what it was asked for is forgotten, and
	/// the next reprocess() asks again if need be.
	void change_mode(TableLock &l, Mode mode) noexcept;
	void keep_bits(TableLock &l, u64 bits) noexcept;
	/// Forgets that it was asked back.
	void not_asked(TableLock &l) noexcept;

	/// Flock: merges the new lock with the owner's others, cuts those of the other mode, and
	/// makes it granted; mode NL only cuts. Also what clients do with their shadows.
	void apply_flock(TableLock &l, Work &work) noexcept;

	/// Whether two locks of this type may not be granted together.
	[[nodiscard]] bool conflicts(const TableLock &a, const TableLock &b) const noexcept;

	/// Calls f(TableLock &) -> bool for granted locks of the modes that share bytes (or bits)
	/// with the policy, until it returns false; returns whether it went to the end. f must not
	/// change the table.
	template <typename F>
	bool for_overlapping(ModeMask which, const Policy &p, F f) const noexcept
	{
		for (unsigned m = 0; m < kModes; m++) {
			if (!(which & (1u << m)))
				continue;
			if (!scan(granted_[m], mode_at(m), p, f) ||
			    !scan(asked_[m], mode_at(m), p, f))
				return false;
		}
		return true;
	}
	/// Likewise for all granted locks.
	template <typename F>
	bool for_granted(F f) const noexcept
	{
		for (unsigned m = 0; m < kModes; m++)
			for (const Tree *t : {&granted_[m], &asked_[m]})
				for (TableLock *l = t->first(), *n = nullptr; l; l = n) {
					n = t->next(*l);
					if (!f(*l))
						return false;
				}
		return true;
	}

	[[nodiscard]] LockType type() const noexcept { return type_; }
	[[nodiscard]] Queue &waiting() noexcept { return waiting_; }
	/// Granted and waiting.
	[[nodiscard]] std::size_t count() const noexcept { return count_; }
	[[nodiscard]] std::size_t granted(Mode m) const noexcept
	{
		return granted_[mode_index(m)].size() + asked_[mode_index(m)].size();
	}
	/// Asserts the invariants above; for tests. Linear.
	void verify() noexcept;

private:
	friend class FlockGraph;

	struct Span {
		u64 start;
		u64 last;
	};
	/// The key in the trees.
	[[nodiscard]] Span span(Mode mode, const Policy &p) const noexcept
	{
		switch (type_) {
		case LDLM_EXTENT:
			// GROUP locks are in everybody's way whatever they cover.
			if (mode == LCK_GROUP)
				return {0, kEof};
			return {p.extent.start, p.extent.end};
		case LDLM_FLOCK:
			return {p.flock.start, p.flock.end};
		case LDLM_IBITS: {
			u64 key = (p.ibits.bits | p.ibits.try_bits) & wire::MDS_INODELOCK_FULL;
			return {key, key};
		}
		case LDLM_PLAIN:
			break;
		}
		return {0, kEof};
	}

	/// f(lock) for the locks of one tree that share bytes or bits with p.
	template <typename F>
	bool scan(const Tree &t, Mode mode, const Policy &p, F &f) const noexcept
	{
		if (t.empty())
			return true;
		if (type_ == LDLM_IBITS)
			return scan_bits(t, p.ibits.bits | p.ibits.try_bits, f);
		Span s = span(mode, p);
		for (TableLock *x = t.first_overlap(s.start, s.last), *n = nullptr; x; x = n) {
			n = t.next_overlap(*x, s.start, s.last);
			if (!f(*x))
				return false;
		}
		return true;
	}
	/// Locks of one set of bits stand together; sets that share nothing are jumped over.
	template <typename F>
	static bool scan_bits(const Tree &t, u64 bits, F &f) noexcept
	{
		TableLock *x = t.first();
		while (x) {
			u64 key = x->in_tree.start();
			if (!(key & bits)) {
				x = t.first_overlap(key + 1, kEof);
				continue;
			}
			TableLock *n = t.next(*x);
			if (!f(*x))
				return false;
			x = n;
		}
		return true;
	}
	/// Modes among which `l` has to look for conflicts.
	[[nodiscard]] static ModeMask rivals(const TableLock &l) noexcept
	{
		ModeMask m = kModesAll & ~compatible_modes(l.req_mode);
		// Compatible by name, but only with the same gid or client.
		if (l.req_mode == LCK_GROUP || l.req_mode == LCK_COS)
			m |= mode_bit(l.req_mode);
		return m;
	}

	void place_granted(TableLock &l) noexcept;
	void place_waiting(TableLock &l, Queue::iterator where) noexcept;
	void reinsert(TableLock &l) noexcept;
	/// Asks x back on behalf of l.
	void ask_back(TableLock &x, const TableLock &l, Work &work) noexcept;
	/// Whether a granted lock is in the way; with `work`, all that are get asked back.
	bool blocked_by_granted(TableLock &l, Work *work) noexcept;
	using Trees = std::array<Tree, kModes>;
	bool blocked_by(const Trees &trees, const TableLock &l) noexcept;
	/// Moves a waiting lock to the granted ones and tells it.
	void grant_waiting(TableLock &l, Work &work) noexcept;

	Verdict enqueue_simple(TableLock &l, const TableRules &rules, bool try_only,
			       Work &work) noexcept;
	Verdict enqueue_ibits(TableLock &l, bool try_only, Work &work) noexcept;
	Verdict enqueue_flock(TableLock &l, bool try_only, Work &work) noexcept;
	/// Takes from l's try_bits what others have that it conflicts with.
	static void trim_try_bits(TableLock &l, const Trees &trees) noexcept;
	/// Takes what is left of them.
	static void take_try_bits(TableLock &l) noexcept;
	bool same_group_granted(const TableLock &l) const noexcept;
	Queue::iterator group_position(const TableLock &l) noexcept;

	/// Grows an extent that is about to be granted. `passed`: waiting locks that were taken out
	/// of the trees for a while, or null.
	void expand_extent(TableLock &l, const TableRules &rules, const Trees *passed) noexcept;
	std::size_t limit_by_granted(const TableLock &l, Extent &grown) noexcept;
	static std::size_t limit_by_waiting(const TableLock &l, const Trees &waiting,
					    Extent &grown) noexcept;

	void reprocess_simple(const TableRules &rules, Work &work) noexcept;
	void reprocess_ibits(Work &work) noexcept;
	void reprocess_flock(Work &work) noexcept;
	[[nodiscard]] bool head_blocks_all() noexcept;

	TableLock *first_flock_conflict(const TableLock &l) const noexcept;
	void cancel_waiting_flock(const TableLock &nl, Work &work) noexcept;
	TableLock *first_own_flock(const TableLock &l, Mode m, Span s) const noexcept;
	void cut_flock(TableLock &x, Span hole, TableLock &by, Work &work) noexcept;
	/// One look at every waiting flock; whether one was granted or refused.
	bool flock_round(Work &work) noexcept;

	LockType type_;
	FlockGraph *graph_;
	std::size_t count_ = 0;
	Trees granted_;
	Trees asked_;
	Trees waiting_trees_;
	Queue waiting_;
};

} // namespace ldlm
