// SPDX-License-Identifier: GPL-2.0
//
// Stacks of hosted code: cheap capture of a few return addresses (allocation sites, fault
// injection), and readable traces for reports. Capture walks frame pointers, which every hosted
// target is compiled with (see CMakeLists.txt). The walk ends where the code under test begins
// (Task::site_end): what called that, a sanitizer or the C library, need not keep frame pointers,
// and what it left in the register would make the same place look like another one in each run.
//
// Text holds no addresses, so that the same failure prints the same text in every run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace cfs::hosted
{

inline constexpr unsigned kSiteFramesMax = 7;

/// Where something happened: the innermost return addresses.
struct Site {
	unsigned n = 0;
	std::uintptr_t pc[kSiteFramesMax];
};

/// The callers of the function that calls this, innermost first.
void capture_site(Site &out) noexcept;

/// A number that is the same in every run of a binary: addresses count from where it was loaded.
std::uint64_t site_hash(const Site &s) noexcept;

/// "a < b < c": the functions of a site, innermost first, those of the back end left out.
std::string describe_site(const Site &s);

/// The calling thread's (or fiber's) stack, one "  #n function file:line" per line; `skip`
/// innermost frames left out.
std::string current_stack(int skip);

} // namespace cfs::hosted
