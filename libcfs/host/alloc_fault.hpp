// SPDX-License-Identifier: GPL-2.0
//
// Failing allocations on purpose, in both hosted back ends. Everything that allocates in the
// kernel is a target: cfs_alloc() and pages unless CFS_ALLOC_NOFAULT, slab objects, and the making
// of caches, threads, work queues and parameter files.
//
// A site is a place in the code: the return addresses of the innermost few callers, up to the start
// of the thread or the body under test. Two calls of one constructor from different places are two
// sites.
//
// One injector is armed at a time in a process. It may be armed while other threads run.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "libcfs/result.hpp"

namespace cfs::host
{

/// Fails the n-th allocation made after construction, counted over all threads (1 = the next one).
class FailNth
{
public:
	explicit FailNth(std::uint64_t n);
	~FailNth();
	FailNth(const FailNth &) = delete;
	FailNth &operator=(const FailNth &) = delete;
	/// Whether there was an n-th allocation.
	[[nodiscard]] bool fired() const;
};

/// Fails every allocation with a chance of one in `one_in`, by a generator seeded with `seed`.
class FailRandomly
{
public:
	FailRandomly(std::uint64_t seed, std::uint32_t one_in);
	~FailRandomly();
	FailRandomly(const FailRandomly &) = delete;
	FailRandomly &operator=(const FailRandomly &) = delete;
};

/// Lets each site fail once, in one run of the code under test after the other:
///
///     FailSites faults;
///     do {
///             faults.arm();
///             run();
///     } while (faults.disarm());
class FailSites
{
public:
	FailSites();
	~FailSites();
	FailSites(const FailSites &) = delete;
	FailSites &operator=(const FailSites &) = delete;

	/// From now on the first allocation from a site that has not had its turn fails, and no
	/// other. Sites of the calling thread (or fiber) end at the caller's frame.
	void arm();
	/// Whether one has failed since arm(). By the thread (or fiber) that armed it.
	bool disarm();
	/// Of the one that failed: its site, and whether the platform does without it (one more
	/// thread of a work queue), so that no error comes of it.
	[[nodiscard]] std::string site() const;
	[[nodiscard]] bool spare() const;
};

/// What became of one run of fail_each_site().
struct FaultRun {
	std::string site;	  ///< "make_peer < Table::add < main", innermost first
	bool spare = false;	  ///< FailSites::spare()
	bool failed_body = false; ///< the body returned an error
	std::string leaks;	  ///< memory held after the run and not before it; empty when none
};

struct FaultReport {
	std::vector<FaultRun> runs; ///< one for each site
	bool clean_run_ok = false;  ///< the last run, in which nothing failed, returned success
	bool gave_up = false;	    ///< max_sites was reached

	/// Every site's failure was reported by the body as an error (unless it is spare),
	/// nothing leaked, and the run without a failure succeeded.
	[[nodiscard]] bool all_good() const;
	/// One line for each run that was not good.
	[[nodiscard]] std::string complaints() const;
};

/// Runs `body` again and again. In each run the first allocation from a site that has not had its
/// turn fails, once; when a run meets no such site, it is over. `body` returns what the code under
/// test returned, and must have freed everything when it returns.
[[nodiscard]] FaultReport fail_each_site(const std::function<Result<>()> &body,
					 unsigned max_sites = 10000);

} // namespace cfs::host
