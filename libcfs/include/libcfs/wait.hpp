// SPDX-License-Identifier: GPL-2.0
//
// Waiting for conditions. Every wait names how it can be ended (WaitMode) and until when; there is
// no way to wait without saying both.
#pragma once

#include <concepts>

#include "libcfs/lock.hpp"
#include "libcfs/plat/wait.h"
#include "libcfs/time.hpp"

namespace cfs
{

enum class WaitMode : unsigned {
	/// Service threads waiting for work: ended only by a wake-up or the deadline.
	idle = CFS_WAIT_IDLE,
	/// On behalf of a user, who may kill the process: err::INTR.
	killable = CFS_WAIT_KILLABLE,
	/// Where POSIX wants any signal to end it: err::INTR.
	interruptible = CFS_WAIT_INTERRUPTIBLE,
};

class WaitQueue
{
	cfs_waitq_t q_;

public:
	explicit WaitQueue(cfs_lock_class *c) noexcept { cfs_waitq_init(&q_, c); }
	~WaitQueue() { cfs_waitq_fini(&q_); }
	WaitQueue(const WaitQueue &) = delete;
	WaitQueue &operator=(const WaitQueue &) = delete;

	void wake_one() noexcept { cfs_wake_one(&q_); }
	void wake_all() noexcept { cfs_wake_all(&q_); }

	/// Sleeps until cond() is true. cond is called without locks, must not sleep, and whoever
	/// makes it true must wake the queue afterwards. err::TIMEDOUT or err::INTR when it is
	/// still false. `exclusive` waiters are woken one at a time by wake_one, first come first
	/// served.
	template <std::predicate Cond>
	[[nodiscard]] Result<> wait(WaitMode mode, Instant deadline, Cond cond,
				    bool exclusive = false) noexcept
	{
		if (cond())
			return {};
		unsigned m = static_cast<unsigned>(mode);
		if (exclusive)
			m |= CFS_WAIT_EXCLUSIVE;
		cfs_waitent_t e{};
		int rc = 0;
		for (;;) {
			cfs_wait_prepare(&q_, &e, m);
			if (cond()) {
				rc = 0;
				break;
			}
			if (rc)
				break;
			rc = cfs_wait_block(&e, m, deadline.ns());
		}
		cfs_wait_finish(&q_, &e);
		// Whoever gives up may have swallowed the wake-up of one exclusive waiter.
		if (rc && exclusive)
			wake_one();
		return to_result(rc);
	}

	/// Likewise with a condition that `lock` protects: cond() is called with it held, and it is
	/// held again at the return. Lock is SpinLock or Mutex.
	template <typename Lock, std::predicate Cond>
	[[nodiscard]] Result<> wait(Lock &lock, WaitMode mode, Instant deadline, Cond cond,
				    bool exclusive = false) noexcept CFS_REQUIRES(lock) CFS_NO_TSA
	{
		if (cond())
			return {};
		unsigned m = static_cast<unsigned>(mode);
		if (exclusive)
			m |= CFS_WAIT_EXCLUSIVE;
		cfs_waitent_t e{};
		int rc = 0;
		for (;;) {
			cfs_wait_prepare(&q_, &e, m);
			lock.unlock();
			if (!rc)
				rc = cfs_wait_block(&e, m, deadline.ns());
			cfs_wait_finish(&q_, &e);
			lock.lock();
			if (cond())
				return {};
			if (rc)
				break;
		}
		if (exclusive)
			wake_one();
		return to_result(rc);
	}
};

/// Something that happens once. The waiter may destroy it as soon as its wait has returned, even
/// though complete() is still on its way out.
class Completion
{
	SpinLock lock_;
	WaitQueue waitq_;
	bool done_ CFS_GUARDED_BY(lock_) = false;

public:
	explicit Completion(cfs_lock_class *c) noexcept : lock_(c), waitq_(c) {}

	void complete() noexcept
	{
		SpinGuard g(lock_);
		done_ = true;
		waitq_.wake_all();
	}
	[[nodiscard]] bool done() noexcept
	{
		SpinGuard g(lock_);
		return done_;
	}
	[[nodiscard]] Result<> wait(WaitMode mode, Instant deadline) noexcept
	{
		SpinGuard g(lock_);
		return waitq_.wait(lock_, mode, deadline, [this]() CFS_NO_TSA { return done_; });
	}
	/// For reuse, when no one waits and no complete() is under way.
	void reset() noexcept
	{
		SpinGuard g(lock_);
		done_ = false;
	}
};

} // namespace cfs
