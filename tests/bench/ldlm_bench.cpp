// SPDX-License-Identifier: GPL-2.0
//
// Lock tables with many extent locks on one resource, against a mutex around a std::multimap that
// makes the same conflict check: one lock taken in a gap and given back. Compare the times of one
// run: with 100,000 locks the table, which knows modes, queues and overlaps beside, stays within
// three times the map, and its cost grows with the logarithm of the number.
#include <benchmark/benchmark.h>

#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <vector>

#include "lustre/ldlm/table.hpp"

namespace
{

using namespace ldlm;

constexpr u64 kStride = 1 << 20; // every lock covers the first half of its stretch

void table(benchmark::State &state)
{
	auto n = static_cast<u64>(state.range(0));
	LockTable t(LDLM_EXTENT, nullptr);
	TableRules rules;
	std::vector<std::unique_ptr<TableLock>> locks;
	std::mutex mutex; // the resource's
	auto take = [&](TableLock &l, u64 start) {
		l.req_mode = LCK_PW;
		l.flags = wire::LDLM_FL_NO_EXPANSION;
		l.policy = l.asked = Policy::of_extent(start, start + kStride / 2 - 1);
		Work work;
		std::lock_guard g(mutex);
		return t.enqueue(l, rules, false, work);
	};
	for (u64 i = 0; i < n; i++)
		if (take(*locks.emplace_back(std::make_unique<TableLock>()), i * kStride) !=
		    Verdict::granted)
			state.SkipWithError("refused");
	std::mt19937_64 rng(1);
	TableLock probe;
	for (auto _ : state) {
		Verdict v = take(probe, rng() % n * kStride + kStride / 2);
		benchmark::DoNotOptimize(v);
		std::lock_guard g(mutex);
		t.remove(probe);
		Work work;
		t.reprocess(rules, work);
	}
	state.SetItemsProcessed(state.iterations());
	for (auto &l : locks)
		t.remove(*l);
}

void multimap(benchmark::State &state)
{
	auto n = static_cast<u64>(state.range(0));
	std::multimap<u64, u64> m; // start, end; disjoint, as write locks are
	std::mutex mutex;
	auto free = [&](u64 start, u64 end) {
		auto after = m.upper_bound(end);
		return after == m.begin() || std::prev(after)->second < start;
	};
	for (u64 i = 0; i < n; i++)
		m.emplace(i * kStride, i * kStride + kStride / 2 - 1);
	std::mt19937_64 rng(1);
	for (auto _ : state) {
		u64 start = rng() % n * kStride + kStride / 2;
		std::multimap<u64, u64>::iterator at;
		{
			std::lock_guard g(mutex);
			bool ok = free(start, start + kStride / 2 - 1);
			benchmark::DoNotOptimize(ok);
			at = m.emplace(start, start + kStride / 2 - 1);
		}
		std::lock_guard g(mutex);
		m.erase(at);
	}
	state.SetItemsProcessed(state.iterations());
}

BENCHMARK(table)->Arg(100)->Arg(10'000)->Arg(100'000);
BENCHMARK(multimap)->Arg(100)->Arg(10'000)->Arg(100'000);

} // namespace

BENCHMARK_MAIN();
