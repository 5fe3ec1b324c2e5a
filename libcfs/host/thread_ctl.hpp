// SPDX-License-Identifier: GPL-2.0
//
// A thread of the process as the threads back end knows it: the task, a futex to park on, and the
// RCU epoch it reads under. Threads that cfs_thread_start() did not make get one at first use.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

#include "libcfs/host/common/task.hpp"

namespace cfs::hosted
{

struct ThreadCtl : Task {
	std::atomic<std::uint32_t> park{0};	 ///< futex: changes whenever it should look again
	std::atomic<bool> parked{false};	 ///< it sleeps on the futex, or is about to
	std::atomic<std::uint64_t> rcu_epoch{0}; ///< 0: in no section

	/// Threads to be woken when it holds no spinlock any more; see wake_later().
	static constexpr unsigned kLaterMax = 8;
	std::atomic<std::uint32_t> *later[kLaterMax];
	unsigned later_count = 0;

	unsigned char random[256]; ///< drawn and not used yet: the first random_left
	std::size_t random_left = 0;

	ThreadCtl *prev = nullptr; ///< list of all threads
	ThreadCtl *next = nullptr;

	/// Makes the calling thread known; undone by leave(), on the same thread.
	void enter() noexcept;
	void leave() noexcept;
};

ThreadCtl &thread_ctl() noexcept;

/// Lets a parked thread look again.
void unpark(ThreadCtl &t) noexcept;
/// The same, but the caller goes on holding its spinlocks: a thread that is woken now would only
/// run into them. So the thread sees that it is to look again, and is woken when the last spinlock
/// has been given back. It may have ended by then, which does no harm: a futex is an address.
void wake_later(ThreadCtl &t) noexcept;
/// Wakes whom wake_later() has left asleep.
void wake_now(ThreadCtl &me) noexcept;
/// Sleeps while `park` is `seen`, at most until the deadline (cfs_now_ns).
void park(ThreadCtl &t, std::uint32_t seen, std::uint64_t deadline_ns) noexcept;

struct ThreadList {
	std::mutex lock;
	ThreadCtl *first = nullptr;
};
ThreadList &all_threads() noexcept;

/// Every thread's stack on stderr.
void print_all_stacks() noexcept;

} // namespace cfs::hosted
