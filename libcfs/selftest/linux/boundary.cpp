// SPDX-License-Identifier: GPL-2.0
//
// Runs the tests; see boundary.hpp. After every run, memory must be what it was before.
#include "boundary.h"

#include <string_view>

#include "boundary.hpp"
#include "libcfs/lock.hpp"

namespace cfs::boundary
{
namespace
{

/// No test allocates more often; one that seems to is not ending.
constexpr unsigned kOomRunsMax = 1000;

struct Held {
	std::int64_t bytes = 0;
	std::int64_t objects = 0;
	bool operator==(const Held &) const = default;
};

Held held_now() noexcept
{
	cfs_rcu_barrier();
	Held h;
	for (unsigned s = 0; s < CFS_S_COUNT; s++) {
		// Messages that tests cause stay in the log.
		if (s == CFS_S_LOG)
			continue;
		struct cfs_mem_usage u{};
		cfs_mem_usage(static_cast<cfs_subsys>(s), &u);
		h.bytes += u.bytes;
		h.objects += u.objects;
	}
	return h;
}

struct Outcome {
	const char *failure = nullptr;
	int line = 0;
	bool starved = false; // an allocation was refused
};

/// One run, with the n-th allocation failing unless n is 0.
Outcome run_once(cfs_node *node, const Test &t, long n) noexcept
{
	Env env(node);
	Held before = held_now();
	cfs_boundary_fail_alloc(n);
	Result<> r = t.run(env);
	bool starved = n && cfs_boundary_alloc_failed();
	cfs_boundary_fail_alloc(0);
	if (env.failure())
		return {env.failure(), env.line(), starved};
	if (!r && !(starved && r.error() == err::NOMEM))
		return {"the test ended with an error", -to_rc(r.error()), starved};
	if (held_now() != before)
		return {n ? "memory is left when an allocation fails" : "memory is left", 0,
			starved};
	return {nullptr, 0, starved};
}

cfs_boundary_result run_test(cfs_node *node, const Test &t) noexcept
{
	cfs_boundary_result res{.name = t.name, .failure = nullptr, .line = 0, .oom_runs = 0};
	Outcome o = run_once(node, t, 0);
	bool starved = true;
	while (!o.failure && starved && res.oom_runs < kOomRunsMax) {
		o = run_once(node, t, static_cast<long>(++res.oom_runs));
		starved = o.starved;
	}
	if (!o.failure && res.oom_runs == kOomRunsMax)
		o = {"it does not stop allocating", 0, true};
	res.failure = o.failure;
	res.line = o.line;
	return res;
}

} // namespace
} // namespace cfs::boundary

unsigned int cfs_boundary_run(struct cfs_node *node, const char *filter,
			      void (*report)(void *ctx, const struct cfs_boundary_result *r),
			      void *ctx) noexcept
{
	using namespace cfs::boundary;
	unsigned failed = 0;
	for (auto table : {mem_tests(), lock_tests(), wait_tests(), thread_tests(), data_tests()}) {
		for (const Test &t : table) {
			if (!std::string_view(t.name).contains(filter))
				continue;
			cfs_boundary_result r = run_test(node, t);
			failed += r.failure != nullptr;
			report(ctx, &r);
		}
	}
	return failed;
}
