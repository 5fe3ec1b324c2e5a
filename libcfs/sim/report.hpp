// SPDX-License-Identifier: GPL-2.0
//
// What a failure says, and the command that repeats it.
#pragma once

#include <cstdint>
#include <string>

namespace cfs::sim
{

/// The command line that runs one seed again; `{seed}` stands for the number. Set by the program's
/// main; without, reports name the seed only.
void set_replay_command(std::string command);
std::string replay_command(std::uint64_t seed);

/// Makes signals that end the process (SIGSEGV, SIGABRT and their like) say first which seed and
/// fiber ran, and that a stack overflowed if so. Once in a process; later calls do nothing.
void install_crash_reports();

} // namespace cfs::sim
