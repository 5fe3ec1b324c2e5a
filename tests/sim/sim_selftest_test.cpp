// SPDX-License-Identifier: GPL-2.0
//
// The self-tests (libcfs/selftest/) in the simulator: each under many schedules, and with every
// place in it that allocates failing in turn.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>

#include "libcfs/host/alloc_fault.hpp"
#include "libcfs/machine.hpp"
#include "libcfs/selftest/run.h"
#include "libcfs/sim/gtest.hpp"

namespace
{

using namespace cfs::sim;

constexpr unsigned kSeeds = 100;
constexpr unsigned kPercent = 2; // of the iterations: chance is in the schedules here

struct Verdict {
	int rc = 1;
	std::string why;
};

int run_test(unsigned test, Verdict &v)
{
	return cfs_selftest_run_one(
		cfs_node_current(), test, kPercent,
		[](void *ctx, const char *line, std::size_t n) {
			static_cast<Verdict *>(ctx)->why.assign(line, n);
		},
		&v);
}

/// A node that starts the machine, runs `body` and ends; the simulator sees that nothing is left.
void on_a_node(World &w, std::function<void()> body)
{
	w.add_node("n").start([body = std::move(body)] {
		EXPECT_EQ(cfs_core_start(), 0);
		body();
		cfs_core_stop();
	});
}

class Selftest : public testing::TestWithParam<unsigned>
{
};

TEST_P(Selftest, PassesUnderEverySchedule)
{
	run_seeds(kSeeds, [](World &w) {
		auto v = std::make_shared<Verdict>();
		on_a_node(w, [v] { v->rc = run_test(GetParam(), *v); });
		if (w.run().ok())
			w.check(v->rc == 0, v->why);
	});
}

TEST_P(Selftest, ReturnsAnErrorWhenMemoryIsRefused)
{
	cfs::host::FailSites faults;
	bool refused = true;
	for (std::uint64_t seed = 1; refused; seed++) {
		ASSERT_LT(seed, 500u) << "places that allocate without end";
		auto v = std::make_shared<Verdict>();
		World w(seed);
		on_a_node(w, [v, &faults, &refused] {
			faults.arm();
			v->rc = run_test(GetParam(), *v);
			refused = faults.disarm();
		});
		Outcome o = w.run();
		std::string what = refused ? faults.site() + " was refused" : "nothing was refused";
		ASSERT_TRUE(o.ok()) << what << "\n" << o.report;
		ASSERT_NE(v->rc, -EBADMSG) << what << ": " << v->why;
		EXPECT_EQ(v->rc == 0, !refused || faults.spare()) << what << ": " << v->rc;
	}
}

INSTANTIATE_TEST_SUITE_P(All, Selftest, testing::Range(0u, cfs_selftest_count()),
			 [](const testing::TestParamInfo<unsigned> &info) {
				 char buf[100];
				 cfs_selftest_name(info.param, buf, sizeof(buf));
				 std::string name = buf;
				 std::replace(name.begin(), name.end(), '.', '_');
				 return name;
			 });

} // namespace
