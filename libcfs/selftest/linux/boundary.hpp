// SPDX-License-Identifier: GPL-2.0
//
// Tests of the platform boundary that run in every world: as cfs_selftest.ko in a kernel, and
// linked into a hosted program. A test is a function; it says what it expects with EXPECT and hands
// errors on with TRY, and must leave nothing behind on either way out. Each is run once as it is,
// and then with its first, second, third... allocation failing, when it has to end with err::NOMEM.
//
// Work items and timers of a test live on the heap: kernels check that they are not on a stack.
#pragma once

#include <atomic>
#include <cstddef>
#include <span>

#include "libcfs/mem.hpp"
#include "libcfs/plat/thread.h"
#include "libcfs/result.hpp"

namespace cfs::boundary
{

/// What a test has: its node, and where it says that something is wrong. For all its threads.
class Env
{
	std::atomic<const char *> failure_{nullptr};
	std::atomic<int> line_{0};

public:
	cfs_node *const node;

	explicit Env(cfs_node *n) noexcept : node(n) {}

	/// Keeps the first failure.
	bool expect(bool ok, const char *what, int line) noexcept
	{
		const char *none = nullptr;
		if (!ok && failure_.compare_exchange_strong(none, what))
			line_.store(line);
		return ok;
	}
	[[nodiscard]] const char *failure() const noexcept { return failure_.load(); }
	[[nodiscard]] int line() const noexcept { return line_.load(); }
};

struct Test {
	const char *name;
	Result<> (*run)(Env &env) noexcept;
};

// One table for each file of tests.
std::span<const Test> mem_tests() noexcept;
std::span<const Test> lock_tests() noexcept;
std::span<const Test> wait_tests() noexcept;
std::span<const Test> thread_tests() noexcept;
std::span<const Test> data_tests() noexcept;

} // namespace cfs::boundary

/// Ends the test (a function of an Env `env` that returns Result<>) when cond is false.
#define EXPECT(cond)                                                                               \
	do {                                                                                       \
		if (!env.expect(static_cast<bool>(cond), #cond, __LINE__))                         \
			return ::cfs::fail(::cfs::err::INVAL);                                     \
	} while (0)
