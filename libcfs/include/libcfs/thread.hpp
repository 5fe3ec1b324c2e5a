// SPDX-License-Identifier: GPL-2.0
//
// Threads, work items and work queues with owners.
#pragma once

#include <utility>

#include "libcfs/assert.hpp"
#include "libcfs/plat/thread.h"
#include "libcfs/result.hpp"
#include "libcfs/time.hpp"

namespace cfs
{

/// A thread that is joined when its owner goes. Whoever owns it must have told it to end before.
class Thread
{
	cfs_thread *t_ = nullptr;

public:
	Thread() = default;
	Thread(Thread &&o) noexcept : t_(std::exchange(o.t_, nullptr)) {}
	Thread &operator=(Thread &&o) noexcept
	{
		join();
		t_ = std::exchange(o.t_, nullptr);
		return *this;
	}
	~Thread() { join(); }

	/// Runs (obj.*Method)() on a new thread; obj must outlive it. May sleep.
	template <auto Method, typename T>
	[[nodiscard]] Result<> start(cfs_node *node, const char *name, T *obj,
				     int cpt = CFS_CPT_ANY) noexcept
	{
		CFS_ASSERT(!t_);
		auto run = [](void *arg) { (static_cast<T *>(arg)->*Method)(); };
		return to_result(cfs_thread_start(node, name, cpt, run, obj, &t_));
	}
	/// Waits for its end. Does nothing when none was started.
	void join() noexcept
	{
		if (cfs_thread *t = std::exchange(t_, nullptr))
			cfs_thread_join(t);
	}
	[[nodiscard]] bool started() const noexcept { return t_ != nullptr; }
};

/// A queue of work run by threads of the platform.
class WorkQueue
{
	cfs_workq *q_ = nullptr;

public:
	WorkQueue() = default;
	WorkQueue(const WorkQueue &) = delete;
	WorkQueue &operator=(const WorkQueue &) = delete;
	~WorkQueue() { destroy(); }

	/// max_active: items at once, 0 = the platform's choice, 1 = strictly in order. May sleep.
	[[nodiscard]] Result<> create(cfs_node *node, const char *name,
				      unsigned max_active = 0) noexcept
	{
		CFS_ASSERT(!q_);
		return to_result(cfs_workq_create(node, name, max_active, &q_));
	}
	/// Waits for everything queued.
	void destroy() noexcept
	{
		if (cfs_workq *q = std::exchange(q_, nullptr))
			cfs_workq_destroy(q);
	}
	void flush() noexcept { cfs_workq_flush(q_); }
	[[nodiscard]] cfs_workq *raw() const noexcept { return q_; }
};

/// A work item inside an object: runs (obj->*Method)(). The owner cancels it before it goes, unless
/// Method itself ends the owner.
template <typename T, auto Method>
class Work
{
	cfs_work_t w_; // first: the callback casts back
	T *obj_;

	static void run(cfs_work_t *w) noexcept
	{
		auto *self = reinterpret_cast<Work *>(w);
		(self->obj_->*Method)();
	}

public:
	explicit Work(T *obj) noexcept : obj_(obj) { cfs_work_init(&w_, run); }
	Work(const Work &) = delete;
	Work &operator=(const Work &) = delete;

	/// False when it was already queued.
	bool queue(WorkQueue &q) noexcept { return cfs_work_queue(q.raw(), &w_); }
	bool cancel_sync() noexcept { return cfs_work_cancel_sync(&w_); }
};

/// A timer inside an object: runs (obj->*Method)() on a work queue at a deadline. Re-arming
/// replaces.
template <typename T, auto Method>
class Timer
{
	cfs_dwork_t w_; // first: the callback casts back
	T *obj_;

	static void run(cfs_dwork_t *w) noexcept
	{
		auto *self = reinterpret_cast<Timer *>(w);
		(self->obj_->*Method)();
	}

public:
	explicit Timer(T *obj) noexcept : obj_(obj) { cfs_dwork_init(&w_, run); }
	Timer(const Timer &) = delete;
	Timer &operator=(const Timer &) = delete;

	void arm(WorkQueue &q, Instant deadline) noexcept
	{
		cfs_dwork_arm(q.raw(), &w_, deadline.ns());
	}
	/// Afterwards it is neither armed nor running. Sleeps; not from Method itself.
	bool cancel_sync() noexcept { return cfs_dwork_cancel_sync(&w_); }
};

} // namespace cfs
