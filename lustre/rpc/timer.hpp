// SPDX-License-Identifier: GPL-2.0
//
// Deadlines: of requests, of early replies, of imports and targets. One ordered set and one thread
// for a node, because most timers are set and taken back without ever going off, which here costs
// two short critical sections and no wake-up.
//
// An armed timer holds a reference to its owner (on_timer_get/put), so it may go off at any time
// until cancel() said true. on_timer() runs in the timers' thread without locks and must not sleep
// long: it marks something and hands on.
#pragma once

#include "libcfs/containers.hpp"
#include "libcfs/lock.hpp"
#include "libcfs/thread.hpp"
#include "libcfs/wait.hpp"

namespace rpc
{

class TimerEntry
{
public:
	virtual void on_timer() noexcept = 0;
	virtual void on_timer_get() noexcept = 0;
	virtual void on_timer_put() noexcept = 0;

	// The queue's alone.
	cfs::SetHook in_timers;
	cfs::Instant when;

	struct Sooner {
		bool operator()(const TimerEntry &a, const TimerEntry &b) const noexcept
		{
			return a.when < b.when;
		}
	};

protected:
	~TimerEntry() = default;
};

class TimerQueue
{
public:
	[[nodiscard]] cfs::Result<> start(cfs_node *node, const char *name) noexcept
	{
		return thread_.start<&TimerQueue::run>(node, name, this);
	}
	/// Nothing may be armed any more. Sleeps.
	void stop() noexcept;

	/// (Re)arms. Any context.
	void arm(TimerEntry &t, cfs::Instant when) noexcept;
	/// Arms for `when` unless it goes off sooner anyway.
	void arm_by(TimerEntry &t, cfs::Instant when) noexcept;
	/// Disarms; false when it was not armed: then on_timer() may be running.
	bool cancel(TimerEntry &t) noexcept;
	/// Disarms and waits for its on_timer() if that is running. Sleeps; not from a timer.
	void cancel_sync(TimerEntry &t) noexcept;
	[[nodiscard]] bool empty() noexcept
	{
		cfs::SpinGuard g(lock_);
		return set_.empty();
	}

private:
	using Set = cfs::OrderedMultiSet<TimerEntry, &TimerEntry::in_timers, TimerEntry::Sooner>;

	void run() noexcept;
	void arm_locked(TimerEntry &t, cfs::Instant when) noexcept CFS_REQUIRES(lock_);

	cfs::SpinLock lock_{CFS_LOCK_CLASS("rpc timers")};
	cfs::WaitQueue waitq_{CFS_LOCK_CLASS("rpc timers wait")};
	Set set_ CFS_GUARDED_BY(lock_);
	/// What the thread sleeps until.
	cfs::Instant asleep_until_ CFS_GUARDED_BY(lock_);
	bool woken_ CFS_GUARDED_BY(lock_) = false;
	cfs::Instant woken_for_ CFS_GUARDED_BY(lock_);
	TimerEntry *running_ CFS_GUARDED_BY(lock_) = nullptr;
	cfs::WaitQueue ran_{CFS_LOCK_CLASS("rpc timers ran")};
	bool stopping_ CFS_GUARDED_BY(lock_) = false;
	cfs::Thread thread_;
};

} // namespace rpc
