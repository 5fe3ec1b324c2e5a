// SPDX-License-Identifier: GPL-2.0
//
// The hash table: as a map, while it is resized, and under many threads.
#include "libcfs/hash.hpp"
#include "libcfs/selftest/selftest.hpp"

namespace cfs::selftest
{

namespace
{

struct Entry : RcuRefCounted<Entry> {
	static constexpr cfs_subsys kSubsys = CFS_S_LIBCFS;
	std::uint64_t key;
	HashHook in_table;

	explicit Entry(std::uint64_t k) noexcept : key(k) {}
};

struct EntryTraits {
	using Key = std::uint64_t;
	static const Key &key(const Entry &e) noexcept { return e.key; }
	static std::uint32_t hash(const Key &k) noexcept { return hash_u64(k); }
};

/// All keys meet in a few buckets.
struct BadTraits : EntryTraits {
	static std::uint32_t hash(const Key &k) noexcept
	{
		return static_cast<std::uint32_t>(k % 3);
	}
};

/// A table that closes itself, so that a test may end anywhere. It has a work item, which kernels
/// do not want on a stack.
template <typename Traits>
struct Scoped {
	static constexpr cfs_subsys kSubsys = CFS_S_LIBCFS;

	HashTable<Entry, &Entry::in_table, Traits> table{CFS_LOCK_CLASS("selftest hash")};

	~Scoped()
	{
		table.close();
		cfs_rcu_barrier();
	}
	[[nodiscard]] Result<> add(std::uint64_t key) noexcept
	{
		RefPtr<Entry> e = TRY(try_make_ref<Entry>(key));
		return table.insert(e) ? Result<>{} : Result<>(fail(err::EXIST));
	}
	/// Counts the entries one by one.
	[[nodiscard]] std::size_t walk() noexcept
	{
		std::size_t n = 0;
		table.for_each([&](Entry &) {
			n++;
			return true;
		});
		return n;
	}
};

template <typename Traits>
Result<> works_as_a_map(Run &run) noexcept
{
	auto s = TRY(try_make<Scoped<Traits>>());
	TRY(s->table.open(CFS_S_LIBCFS, nullptr));
	unsigned n = run.scale(600);
	for (unsigned i = 0; i < n; i++)
		TRY(s->add(i));
	CHECK(s->table.size() == n && s->walk() == n);
	RefPtr<Entry> twin = TRY(try_make_ref<Entry>(1u));
	CHECK(!s->table.insert(twin));
	CHECK(s->table.find_or_insert(twin)->key == 1);
	CHECK(!(s->table.find_or_insert(twin) == twin));
	for (unsigned i = 0; i < n; i++) {
		auto e = s->table.find(i);
		CHECK(e && e->key == i && e->refs() == 2);
	}
	CHECK(!s->table.find(n));
	auto one = s->table.find(1);
	CHECK(s->table.erase(*one));
	CHECK(!s->table.erase(*one));
	CHECK(one->refs() == 1 && !s->table.find(1));
	CHECK(s->table.erase_if([](const Entry &e) { return e.key % 2 == 0; }) == (n + 1) / 2);
	CHECK(s->table.size() == s->walk());
	return {};
}

Result<> grows_and_shrinks(Run &run) noexcept
{
	auto s = TRY(try_make<Scoped<EntryTraits>>());
	TRY(s->table.open(CFS_S_LIBCFS, nullptr));
	unsigned n = 1000;
	for (unsigned i = 0; i < n; i++)
		TRY(s->add(i));
	auto small = s->table.bucket_count();
	TRY(s->table.resize());
	CHECK(s->table.bucket_count() >= n && s->table.bucket_count() > small);
	for (unsigned i = 0; i < n; i++)
		CHECK(s->table.find(i));
	CHECK(s->walk() == n);
	CHECK(s->table.erase_if([](const Entry &e) { return e.key >= 5; }) == n - 5);
	TRY(s->table.resize());
	CHECK(s->table.bucket_count() == small);
	for (unsigned i = 0; i < 5; i++)
		CHECK(s->table.find(i));
	CHECK(s->walk() == 5);
	return {};
}

/// Resizes itself on a work queue.
Result<> grows_by_itself(Run &run) noexcept
{
	WorkQueue q;
	TRY(q.create(run.node(), "selftest_hash"));
	auto s = TRY(try_make<Scoped<EntryTraits>>());
	TRY(s->table.open(CFS_S_LIBCFS, &q));
	auto small = s->table.bucket_count();
	for (unsigned i = 0; i < 500; i++)
		TRY(s->add(i));
	q.flush();
	if (s->table.resize_failures())
		return fail(err::NOMEM);
	CHECK(s->table.bucket_count() > small);
	CHECK(s->walk() == 500);
	return {};
}

constexpr std::uint64_t kStay = 100;

/// Entries that are never taken out are always found, whatever the table goes through.
Result<> lookups_miss_nothing_during_resizes(Run &run) noexcept
{
	auto s = TRY(try_make<Scoped<EntryTraits>>());
	TRY(s->table.open(CFS_S_LIBCFS, nullptr));
	for (std::uint64_t i = 0; i < kStay; i++)
		TRY(s->add(i));
	std::atomic<bool> done{false};
	unsigned rounds = run.scale(20);
	TRY(in_threads(run, 4, [&](unsigned index) -> Result<> {
		if (index == 0) {
			Result<> r;
			for (unsigned i = 0; i < rounds && r; i++) {
				for (std::uint64_t k = kStay; k < kStay + 300 && r; k++)
					r = s->add(k);
				if (r)
					r = s->table.resize();
				s->table.erase_if([](const Entry &e) { return e.key >= kStay; });
				if (r)
					r = s->table.resize();
			}
			done.store(true);
			return r;
		}
		Numbers numbers(index);
		while (!done.load()) {
			std::uint64_t key = numbers.below(kStay);
			auto e = s->table.find(key);
			CHECK(e && e->key == key);
			cfs_yield();
		}
		return {};
	}));
	CHECK(s->walk() == kStay);
	return {};
}

/// Threads fight over a few keys: each insertion that won is one that somebody takes out again.
Result<> insertions_and_removals_pair_up(Run &run) noexcept
{
	WorkQueue q;
	TRY(q.create(run.node(), "selftest_pairs"));
	auto s = TRY(try_make<Scoped<EntryTraits>>());
	TRY(s->table.open(CFS_S_LIBCFS, &q));
	std::atomic<std::int64_t> balance{0};
	unsigned n = run.scale(2000);
	TRY(in_threads(run, 4, [&](unsigned index) -> Result<> {
		Numbers numbers(index + 77);
		for (unsigned i = 0; i < n; i++) {
			std::uint64_t key = numbers.below(300);
			if (auto e = s->table.find(key)) {
				CHECK(e->key == key);
				if (s->table.erase(*e))
					balance.fetch_sub(1);
			} else {
				RefPtr<Entry> fresh = TRY(try_make_ref<Entry>(key));
				if (s->table.insert(fresh))
					balance.fetch_add(1);
			}
		}
		return {};
	}));
	q.flush();
	if (s->table.resize_failures())
		return fail(err::NOMEM);
	CHECK(balance.load() == static_cast<std::int64_t>(s->walk()));
	CHECK(s->table.size() == s->walk());
	return {};
}

constexpr Test kTests[] = {
	{"Hash", "WorksAsAMap", works_as_a_map<EntryTraits>},
	{"Hash", "WorksWithABadHash", works_as_a_map<BadTraits>},
	{"Hash", "GrowsAndShrinks", grows_and_shrinks},
	{"Hash", "GrowsByItself", grows_by_itself},
	{"Hash", "LookupsMissNothingDuringResizes", lookups_miss_nothing_during_resizes},
	{"Hash", "InsertionsAndRemovalsPairUp", insertions_and_removals_pair_up},
};

} // namespace

std::span<const Test> hash_tests() noexcept
{
	return kTests;
}

} // namespace cfs::selftest
