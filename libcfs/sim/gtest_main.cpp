// SPDX-License-Identifier: GPL-2.0
//
// main() of GoogleTest programs with simulations.
#include <gtest/gtest.h>

#include <cerrno>
#include <string>

#include "libcfs/sim/report.hpp"
#include "libcfs/sim/seeds.hpp"

namespace
{

// For tests that make their worlds themselves, with seeds of their own: repeating the test is the
// replay. run_seeds() says more.
class NameReplay : public testing::EmptyTestEventListener
{
	void OnTestStart(const testing::TestInfo &info) override
	{
		cfs::sim::set_replay_command(std::string(program_invocation_name) +
					     " --gtest_filter=" + info.test_suite_name() + "." +
					     info.name());
	}
};

} // namespace

int main(int argc, char **argv)
{
	cfs::sim::parse_seed_flags(argc, argv);
	testing::InitGoogleTest(&argc, argv);
	testing::UnitTest::GetInstance()->listeners().Append(new NameReplay);
	return RUN_ALL_TESTS();
}
