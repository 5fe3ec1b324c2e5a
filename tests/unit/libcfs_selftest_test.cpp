// SPDX-License-Identifier: GPL-2.0
//
// The self-tests (libcfs/selftest/) on POSIX threads: each as it is, and with every allocation in
// it failing in turn.
#include "libcfs/host/alloc_fault.hpp"
#include "libcfs/selftest/run.h"
#include "tests/unit/libcfs_machine.hpp"

namespace
{

std::string name_of(unsigned test)
{
	char buf[100];
	cfs_selftest_name(test, buf, sizeof(buf));
	return buf;
}

class Selftest : public testing::WithParamInterface<unsigned>, public MachineTest
{
protected:
	std::string why_;

	int run(unsigned percent)
	{
		why_.clear();
		return cfs_selftest_run_one(
			cfs_node_current(), GetParam(), percent,
			[](void *ctx, const char *line, std::size_t n) {
				static_cast<std::string *>(ctx)->assign(line, n);
			},
			&why_);
	}
};

TEST_P(Selftest, Passes)
{
	EXPECT_EQ(run(100), 0) << why_;
}

TEST_P(Selftest, ReturnsAnErrorWhenMemoryIsRefused)
{
	auto report = cfs::host::fail_each_site([this]() -> cfs::Result<> {
		int rc = run(2);
		cfs_log_clear(); // what it said is no leak
		EXPECT_NE(rc, -EBADMSG) << why_;
		return cfs::to_result(rc);
	});
	EXPECT_TRUE(report.clean_run_ok && !report.gave_up) << why_;
	for (auto &r : report.runs) {
		EXPECT_EQ(r.leaks, "") << r.site;
		EXPECT_TRUE(r.failed_body || r.spare) << r.site;
	}
}

INSTANTIATE_TEST_SUITE_P(All, Selftest, testing::Range(0u, cfs_selftest_count()),
			 [](const testing::TestParamInfo<unsigned> &info) {
				 std::string name = name_of(info.param);
				 std::replace(name.begin(), name.end(), '.', '_');
				 return name;
			 });

TEST(SelftestRunner, ReportsEachAndCounts)
{
	ASSERT_EQ(cfs_core_start(), 0);
	std::vector<std::string> lines;
	unsigned failed = cfs_selftest_run(
		cfs_node_current(), "Page.", 1,
		[](void *ctx, const char *line, std::size_t n) {
			static_cast<std::vector<std::string> *>(ctx)->emplace_back(line, n);
		},
		&lines);
	cfs_core_stop();
	EXPECT_EQ(failed, 0u);
	EXPECT_EQ(lines, (std::vector<std::string>{
				 "ok Page.HoldsWhatIsWritten",
				 "ok Page.OfAllocatedMemory",
				 "2 passed, 0 failed",
			 }));
}

} // namespace
