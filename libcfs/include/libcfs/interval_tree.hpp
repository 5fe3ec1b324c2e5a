// SPDX-License-Identifier: GPL-2.0
//
// An ordered set of closed intervals [start, last] of 64-bit numbers that finds overlaps: extent
// locks, cached extents, byte-range locks. Intrusive, an AVL tree in which each node also knows the
// greatest `last` below it. Equal intervals may be in it any number of times, in order of
// insertion.
//
//     struct Extent { IntervalHook in_tree; ... };
//     IntervalTree<Extent, &Extent::in_tree> tree;
//     tree.insert(e, 0, 4095);
//     for (Extent *x = tree.first_overlap(s, l); x; x = tree.next_overlap(*x, s, l))
//
// Every operation takes logarithmic time. No locking. An object must be erased before it ends.
#pragma once

#include <cstddef>
#include <cstdint>

#include <boost/intrusive/parent_from_member.hpp>

#include "libcfs/assert.hpp"
#include "libcfs/containers.hpp"

namespace cfs
{

/// Links an object into an IntervalTree.
class IntervalHook
{
	friend class IntervalTreeCore;

	IntervalHook *parent_ = nullptr;
	IntervalHook *left_ = nullptr;
	IntervalHook *right_ = nullptr;
	std::uint64_t start_ = 0;
	std::uint64_t last_ = 0;
	std::uint64_t last_below_ = 0; // greatest last_ of the subtree
	std::int32_t height_ = 0;      // of the subtree; 0: in no tree

public:
	IntervalHook() = default;
	~IntervalHook() { CFS_ASSERT(!is_linked()); }
	IntervalHook(const IntervalHook &) = delete;
	IntervalHook &operator=(const IntervalHook &) = delete;

	[[nodiscard]] bool is_linked() const noexcept { return height_ != 0; }
	/// The interval it was inserted with.
	[[nodiscard]] std::uint64_t start() const noexcept { return start_; }
	[[nodiscard]] std::uint64_t last() const noexcept { return last_; }
};

/// The tree of hooks; use IntervalTree.
class IntervalTreeCore
{
protected:
	using Hook = IntervalHook;

	void insert(Hook &n, std::uint64_t start, std::uint64_t last) noexcept
	{
		CFS_ASSERT(!n.is_linked() && start <= last);
		Hook *parent = nullptr;
		Hook **link = &root_;
		while (*link) {
			parent = *link;
			link = before(start, last, *parent) ? &parent->left_ : &parent->right_;
		}
		n.parent_ = parent;
		n.left_ = n.right_ = nullptr;
		n.start_ = start;
		n.last_ = last;
		n.height_ = 1;
		*link = &n;
		size_++;
		balance_up(&n);
	}

	void erase(Hook &n) noexcept
	{
		CFS_ASSERT(n.is_linked());
		Hook *from = n.parent_; // where the shape changes first
		if (n.left_ && n.right_) {
			// The next node takes its place; it has no left child.
			Hook *s = leftmost(n.right_);
			from = s;
			if (s->parent_ != &n) {
				from = s->parent_;
				replace(*s, s->right_);
				s->right_ = n.right_;
				s->right_->parent_ = s;
			}
			s->left_ = n.left_;
			s->left_->parent_ = s;
			replace(n, s);
		} else {
			replace(n, n.left_ ? n.left_ : n.right_);
		}
		n.height_ = 0;
		size_--;
		balance_up(from);
	}

	[[nodiscard]] static Hook *next(const Hook &n) noexcept
	{
		if (n.right_)
			return leftmost(n.right_);
		const Hook *from = &n;
		Hook *up = n.parent_;
		while (up && up->right_ == from) {
			from = up;
			up = up->parent_;
		}
		return up;
	}

	[[nodiscard]] Hook *first() const noexcept { return root_ ? leftmost(root_) : nullptr; }

	[[nodiscard]] Hook *first_overlap(std::uint64_t start, std::uint64_t last) const noexcept
	{
		return search(root_, start, last);
	}

	[[nodiscard]] static Hook *next_overlap(const Hook &n, std::uint64_t start,
						std::uint64_t last) noexcept
	{
		const Hook *at = &n;
		if (at->right_ && at->right_->last_below_ >= start)
			return search(at->right_, start, last);
		for (;;) {
			const Hook *from = at;
			at = at->parent_;
			if (!at || at->start_ > last)
				return nullptr;
			if (at->right_ == from)
				continue; // seen before its right side
			if (at->last_ >= start)
				return const_cast<Hook *>(at);
			if (at->right_ && at->right_->last_below_ >= start)
				return search(at->right_, start, last);
		}
	}

	/// Checks every invariant; returns the number of nodes. For tests.
	[[nodiscard]] std::size_t verify() const noexcept
	{
		std::size_t n = 0;
		for (const Hook *h = first(); h; h = next(*h)) {
			n++;
			const Hook *after = next(*h);
			CFS_ASSERT(!after || !before(after->start_, after->last_, *h));
			CFS_ASSERT(!h->left_ || h->left_->parent_ == h);
			CFS_ASSERT(!h->right_ || h->right_->parent_ == h);
			int l = height(h->left_);
			int r = height(h->right_);
			CFS_ASSERT(l - r <= 1 && r - l <= 1);
			CFS_ASSERT(h->height_ == 1 + (l > r ? l : r));
			CFS_ASSERT(h->last_below_ == greatest_last(*h));
		}
		CFS_ASSERT(n == size_);
		return n;
	}

	std::size_t size_ = 0;

private:
	Hook *root_ = nullptr;

	[[nodiscard]] static bool before(std::uint64_t start, std::uint64_t last,
					 const Hook &b) noexcept
	{
		return start < b.start_ || (start == b.start_ && last < b.last_);
	}
	[[nodiscard]] static int height(const Hook *n) noexcept { return n ? n->height_ : 0; }
	[[nodiscard]] static Hook *leftmost(Hook *n) noexcept
	{
		while (n->left_)
			n = n->left_;
		return n;
	}
	[[nodiscard]] static std::uint64_t greatest_last(const Hook &n) noexcept
	{
		std::uint64_t m = n.last_;
		for (const Hook *c : {n.left_, n.right_})
			if (c && c->last_below_ > m)
				m = c->last_below_;
		return m;
	}

	/// The first overlap below `at` in order. Where the left side has an interval that ends
	/// late enough, the answer is there or nowhere: what follows starts later still.
	[[nodiscard]] static Hook *search(Hook *at, std::uint64_t start,
					  std::uint64_t last) noexcept
	{
		while (at && at->last_below_ >= start) {
			if (at->left_ && at->left_->last_below_ >= start)
				at = at->left_;
			else if (at->start_ > last)
				return nullptr;
			else if (at->last_ >= start)
				return at;
			else
				at = at->right_;
		}
		return nullptr;
	}

	static void update(Hook &n) noexcept
	{
		int l = height(n.left_);
		int r = height(n.right_);
		n.height_ = 1 + (l > r ? l : r);
		n.last_below_ = greatest_last(n);
	}

	/// Puts c (or nothing) where n hangs.
	void replace(Hook &n, Hook *c) noexcept
	{
		Hook *up = n.parent_;
		(!up ? root_ : up->left_ == &n ? up->left_ : up->right_) = c;
		if (c)
			c->parent_ = up;
	}

	/// Lifts a child over n; returns the child.
	Hook *rotate(Hook &n, bool lift_left) noexcept
	{
		Hook *c = lift_left ? n.left_ : n.right_;
		Hook *middle = lift_left ? c->right_ : c->left_;
		replace(n, c);
		(lift_left ? c->right_ : c->left_) = &n;
		n.parent_ = c;
		(lift_left ? n.left_ : n.right_) = middle;
		if (middle)
			middle->parent_ = &n;
		update(n);
		update(*c);
		return c;
	}

	void balance_up(Hook *n) noexcept
	{
		while (n) {
			update(*n);
			int lean = height(n->left_) - height(n->right_);
			if (lean > 1) {
				if (height(n->left_->left_) < height(n->left_->right_))
					rotate(*n->left_, false);
				n = rotate(*n, true);
			} else if (lean < -1) {
				if (height(n->right_->right_) < height(n->right_->left_))
					rotate(*n->right_, true);
				n = rotate(*n, false);
			}
			n = n->parent_;
		}
	}
};

template <typename T, IntervalHook T::*Member>
class IntervalTree : private IntervalTreeCore
{
	static T *object(IntervalHook *h) noexcept
	{
		return h ? boost::intrusive::get_parent_from_member<T, IntervalHook>(h, Member)
			 : nullptr;
	}

public:
	IntervalTree() = default;
	~IntervalTree() { CFS_ASSERT(empty()); }
	IntervalTree(const IntervalTree &) = delete;
	IntervalTree &operator=(const IntervalTree &) = delete;

	void insert(T &t, std::uint64_t start, std::uint64_t last) noexcept
	{
		IntervalTreeCore::insert(t.*Member, start, last);
	}
	void erase(T &t) noexcept { IntervalTreeCore::erase(t.*Member); }

	/// By start, then last.
	[[nodiscard]] T *first() const noexcept { return object(IntervalTreeCore::first()); }
	[[nodiscard]] T *next(const T &t) const noexcept
	{
		return object(IntervalTreeCore::next(t.*Member));
	}
	/// In the same order, those that share a number with [start, last]. Between the calls the
	/// tree may not change.
	[[nodiscard]] T *first_overlap(std::uint64_t start, std::uint64_t last) const noexcept
	{
		return object(IntervalTreeCore::first_overlap(start, last));
	}
	[[nodiscard]] T *next_overlap(const T &t, std::uint64_t start,
				      std::uint64_t last) const noexcept
	{
		return object(IntervalTreeCore::next_overlap(t.*Member, start, last));
	}

	[[nodiscard]] std::size_t size() const noexcept { return size_; }
	[[nodiscard]] bool empty() const noexcept { return size_ == 0; }
	/// Asserts every invariant of the tree; for tests.
	void verify() const noexcept { (void)IntervalTreeCore::verify(); }
};

} // namespace cfs
