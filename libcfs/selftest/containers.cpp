// SPDX-License-Identifier: GPL-2.0
//
// Intrusive lists and sets, and the interval tree against a list that is searched from end to end.
#include "libcfs/containers.hpp"
#include "libcfs/interval_tree.hpp"
#include "libcfs/mem.hpp"
#include "libcfs/selftest/selftest.hpp"

namespace cfs::selftest
{

namespace
{

struct Item {
	unsigned key = 0;
	ListHook in_list;
	SListHook in_queue;
	SetHook in_set;
	HashSetHook in_hash;
};

struct ByKey {
	bool operator()(const Item &a, const Item &b) const noexcept { return a.key < b.key; }
	bool operator()(unsigned a, const Item &b) const noexcept { return a < b.key; }
	bool operator()(const Item &a, unsigned b) const noexcept { return a.key < b; }
};
struct SameKey {
	bool operator()(const Item &a, const Item &b) const noexcept { return a.key == b.key; }
};
struct HashKey {
	std::size_t operator()(const Item &a) const noexcept { return a.key * 2654435761u; }
};

Result<> lists_keep_order(Run &run) noexcept
{
	Item items[5];
	List<Item, &Item::in_list> list;
	SList<Item, &Item::in_queue> queue;
	for (unsigned i = 0; i < 5; i++) {
		items[i].key = i;
		list.push_back(items[i]);
		queue.push_back(items[i]);
	}
	list.erase(list.iterator_to(items[2]));
	bool right = list.size() == 4 && !items[2].in_list.is_linked();
	unsigned expect[] = {0, 1, 3, 4};
	unsigned n = 0;
	for (Item &i : list)
		right = right && i.key == expect[n++];
	n = 0;
	for (Item &i : queue)
		right = right && i.key == n++;
	right = right && queue.front().key == 0;
	list.clear();
	queue.clear();
	CHECK(right && n == 5);
	return {};
}

Result<> sets_find_by_key(Run &run) noexcept
{
	Item items[16]; // kernel stacks are small
	OrderedSet<Item, &Item::in_set, ByKey> set;
	using Hashed = HashSet<Item, &Item::in_hash, HashKey, SameKey>;
	Hashed::bucket_type buckets[16];
	Hashed hashed(Hashed::bucket_traits(buckets, 16));
	bool right = true;
	for (unsigned i = 0; i < 16; i++) {
		items[i].key = i * 37 % 16;
		right = right && set.insert(items[i]).second;
		right = right && hashed.insert(items[i]).second;
	}
	Item twin;
	twin.key = 5;
	right = right && !set.insert(twin).second && !hashed.insert(twin).second;
	unsigned next = 0;
	for (Item &i : set)
		right = right && i.key == next++;
	auto it = set.find(7u, ByKey{});
	right = right && it != set.end() && it->key == 7;
	right = right && set.find(99u, ByKey{}) == set.end();
	right = right && hashed.find(twin)->key == 5;
	set.clear();
	hashed.clear();
	CHECK(right);
	return {};
}

// ---- the interval tree ----

struct Extent {
	std::uint64_t start = 0;
	std::uint64_t last = 0;
	unsigned id = 0;
	IntervalHook in_tree;
};

constexpr unsigned kExtents = 200;

/// The tree beside the plain array that it must agree with.
struct Model {
	static constexpr cfs_subsys kSubsys = CFS_S_LIBCFS;

	Extent extents[kExtents];
	IntervalTree<Extent, &Extent::in_tree> tree;

	~Model()
	{
		while (Extent *e = tree.first())
			tree.erase(*e);
	}

	[[nodiscard]] unsigned count_overlaps(std::uint64_t start,
					      std::uint64_t last) const noexcept
	{
		unsigned n = 0;
		for (const Extent &e : extents)
			n += e.in_tree.is_linked() && e.start <= last && e.last >= start;
		return n;
	}
	/// Whether a search gives the right extents, each once and in order.
	[[nodiscard]] bool search_is_right(std::uint64_t start, std::uint64_t last) const noexcept
	{
		unsigned n = 0;
		const Extent *before = nullptr;
		for (const Extent *e = tree.first_overlap(start, last); e;
		     e = tree.next_overlap(*e, start, last)) {
			if (e->start > last || e->last < start)
				return false;
			if (before && (before->start > e->start ||
				       (before->start == e->start && before->last > e->last)))
				return false;
			before = e;
			if (++n > kExtents)
				return false;
		}
		return n == count_overlaps(start, last);
	}
};

Result<> interval_tree_agrees_with_a_list(Run &run) noexcept
{
	auto m = TRY(try_make<Model>());
	unsigned steps = run.scale(4000);
	for (std::uint64_t span : {30u, 1000u, 1000000u}) {
		Numbers numbers(span);
		for (unsigned i = 0; i < steps; i++) {
			Extent &e = m->extents[numbers.below(kExtents)];
			if (e.in_tree.is_linked()) {
				m->tree.erase(e);
			} else {
				e.start = numbers.below(span);
				e.last = e.start + numbers.below(span / 5 + 1);
				m->tree.insert(e, e.start, e.last);
			}
			if (i % 16 == 0)
				m->tree.verify();
			std::uint64_t start = numbers.below(span);
			CHECK(m->search_is_right(start, start + numbers.below(span / 3 + 1)));
		}
	}
	return {};
}

Result<> interval_tree_takes_whole_range_and_twins(Run &run) noexcept
{
	auto m = TRY(try_make<Model>());
	for (unsigned i = 0; i < 10; i++) {
		m->extents[i].start = 0;
		m->extents[i].last = UINT64_MAX;
		m->extents[i].id = i;
		m->tree.insert(m->extents[i], 0, UINT64_MAX);
	}
	unsigned id = 0;
	for (Extent *e = m->tree.first(); e; e = m->tree.next(*e))
		CHECK(e->id == id++); // twins stay in order of insertion
	CHECK(id == 10);
	CHECK(m->search_is_right(UINT64_MAX, UINT64_MAX));
	CHECK(m->search_is_right(0, 0));
	m->tree.verify();
	return {};
}

/// A tree of sorted insertions stays shallow: this is what plain binary trees get wrong.
Result<> interval_tree_stays_balanced(Run &run) noexcept
{
	auto m = TRY(try_make<Model>());
	for (unsigned i = 0; i < kExtents; i++) {
		m->extents[i].start = m->extents[i].last = i;
		m->tree.insert(m->extents[i], i, i);
	}
	m->tree.verify();
	for (unsigned i = 0; i < kExtents; i += 2)
		m->tree.erase(m->extents[i]);
	m->tree.verify();
	CHECK(m->tree.size() == kExtents / 2);
	CHECK(!m->tree.first_overlap(kExtents, UINT64_MAX));
	CHECK(m->tree.first_overlap(0, UINT64_MAX)->start == 1);
	return {};
}

constexpr Test kTests[] = {
	{"List", "KeepsOrder", lists_keep_order},
	{"Set", "FindsByKey", sets_find_by_key},
	{"IntervalTree", "AgreesWithAList", interval_tree_agrees_with_a_list},
	{"IntervalTree", "TakesWholeRangeAndTwins", interval_tree_takes_whole_range_and_twins},
	{"IntervalTree", "StaysBalanced", interval_tree_stays_balanced},
};

} // namespace

std::span<const Test> container_tests() noexcept
{
	return kTests;
}

} // namespace cfs::selftest
