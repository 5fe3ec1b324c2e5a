// SPDX-License-Identifier: GPL-2.0
//
// Running a scenario under many seeds, and the flags that say which ones.
//
//     --sim-seed=N     only this seed: the replay
//     --sim-seeds=N    this many instead of what the test asks for
//     --sim-first=N    beginning with this one (1)
//     --sim-trace      print the event log while it runs
//     --sim-twice      run each seed twice and fail if the runs differ
//     --sim-report=F   write the report of a failure to a file
//
// or, in the environment, CFS_SIM_SEED, CFS_SIM_SEEDS, CFS_SIM_FIRST, CFS_SIM_TRACE=1,
// CFS_SIM_TWICE=1.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "libcfs/sim/sim.hpp"

namespace cfs::sim
{

struct SeedFlags {
	std::optional<std::uint64_t> only;
	std::optional<unsigned> count;
	std::uint64_t first = 1;
	bool trace = false;
	bool twice = false;
	std::string report_file;
};
/// The flags of this process.
SeedFlags &seed_flags();
/// Takes the flags above out of a command line. Ends the process with a message on a bad one.
void parse_seed_flags(int &argc, char **argv);

/// Sets up a world. It may call World::run() and look at the result, with World::fail() or check();
/// otherwise it is run after it.
using Scenario = std::function<void(World &)>;

Outcome run_seed(std::uint64_t seed, const Options &options, const Scenario &scenario);

struct SeedResult {
	unsigned runs = 0;
	std::optional<Outcome> failure; ///< of the first seed that failed
};
/// Runs up to `count` seeds, or those the flags say, until one fails. `after_each` may end it by
/// returning false.
SeedResult run_until_failure(unsigned count, const Options &options, const Scenario &scenario,
			     const std::function<bool(const Outcome &)> &after_each = {});

} // namespace cfs::sim
