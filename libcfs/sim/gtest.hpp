// SPDX-License-Identifier: GPL-2.0
//
// Simulations as GoogleTest tests. Programs link sim_gtest_main, whose main() takes the --sim-
// flags.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

#include "libcfs/sim/report.hpp"
#include "libcfs/sim/seeds.hpp"

extern char **environ;

namespace cfs::sim
{

namespace detail
{

inline std::string test_name()
{
	const auto *info = testing::UnitTest::GetInstance()->current_test_info();
	return std::string(info->test_suite_name()) + "." + info->name();
}

inline void name_replay()
{
	set_replay_command(std::string(program_invocation_name) + " --gtest_filter=" + test_name() +
			   " --sim-seed={seed}");
}

/// Runs this test once more in a process of its own, with one seed; the report it wrote.
inline std::string replay_elsewhere(std::uint64_t seed)
{
	std::string file = testing::TempDir() + "sim-replay-" + std::to_string(getpid());
	std::string args[] = {program_invocation_name, "--gtest_filter=" + test_name(),
			      "--sim-seed=" + std::to_string(seed), "--sim-report=" + file,
			      "--gtest_output="};
	char *argv[] = {args[0].data(), args[1].data(), args[2].data(),
			args[3].data(), args[4].data(), nullptr};
	posix_spawn_file_actions_t quiet;
	posix_spawn_file_actions_init(&quiet);
	posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
	pid_t pid = 0;
	int rc = posix_spawn(&pid, "/proc/self/exe", &quiet, nullptr, argv, environ);
	posix_spawn_file_actions_destroy(&quiet);
	if (rc)
		return "the replay did not start";
	int status = 0;
	waitpid(pid, &status, 0);
	std::ifstream in(file);
	std::string text{std::istreambuf_iterator<char>(in), {}};
	std::remove(file.c_str());
	return text;
}

} // namespace detail

/// Runs the scenario under `count` seeds (or those of the flags). The test fails at the first seed
/// that fails, or in which an EXPECT failed, with the full report.
inline void run_seeds(unsigned count, const Scenario &scenario, const Options &options = {})
{
	detail::name_replay();
	auto r = run_until_failure(count, options, scenario, [](const Outcome &o) {
		if (o.ok() && testing::Test::HasFailure())
			ADD_FAILURE() << "expectations failed under seed " << o.seed
				      << "\nreplay: " << replay_command(o.seed);
		return !testing::Test::HasFailure();
	});
	if (r.failure)
		ADD_FAILURE() << r.failure->report;
}

/// For tests of the simulator and of checkers: the scenario has a bug planted, and the test passes
/// only if one of `seeds_max` seeds finds it as a failure of this kind, and the printed seed
/// repeats the very same report in `replays` processes of their own.
inline void expect_found(unsigned seeds_max, Failure kind, const Scenario &scenario,
			 const Options &options = {}, unsigned replays = 10)
{
	detail::name_replay();
	auto r = run_until_failure(seeds_max, options, scenario);
	if (!r.failure) {
		ADD_FAILURE() << "not found within " << r.runs << " seeds";
		return;
	}
	EXPECT_EQ(failure_name(r.failure->failure), failure_name(kind)) << r.failure->report;
	if (seed_flags().only) {
		std::fputs(r.failure->report.c_str(), stdout);
		return;
	}
	std::printf("found by seed %llu of %u: %s\n",
		    static_cast<unsigned long long>(r.failure->seed), r.runs,
		    r.failure->title.c_str());
	for (unsigned i = 0; i < replays; i++)
		ASSERT_EQ(detail::replay_elsewhere(r.failure->seed), r.failure->report)
			<< "replay " << i + 1 << " differs";
}

} // namespace cfs::sim
