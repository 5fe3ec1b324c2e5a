// SPDX-License-Identifier: GPL-2.0
//
// Threads that a test kills: whether they end although nobody answers them.
#pragma once

#include <functional>

#include "libcfs/host/signals.hpp"
#include "libcfs/plat/thread.h"
#include "tests/sim/cluster.hpp"

namespace victim
{

/// Runs a function on a thread of its own, which ends before this object does.
class Thread
{
	std::function<void()> body_;
	cfs_thread *thread_ = nullptr;
	bool ended_ = false;

	static void run(void *self)
	{
		auto *t = static_cast<Thread *>(self);
		t->body_();
		t->ended_ = true;
	}

public:
	Thread(cfs_node *node, std::function<void()> body) : body_(std::move(body))
	{
		cluster::check(
			cfs_thread_start(node, "victim", CFS_CPT_ANY, &run, this, &thread_) == 0,
			"no thread");
	}
	~Thread() { cfs_thread_join(thread_); }
	Thread(const Thread &) = delete;
	Thread &operator=(const Thread &) = delete;

	[[nodiscard]] bool ended() const { return ended_; }
	/// Whether it ends when it is killed, within so much time; it must not have ended before.
	[[nodiscard]] bool ends_when_killed(cfs::sim::Nanos within = 2 * cfs::sim::kSecond)
	{
		if (ended_)
			return false;
		cfs::host::kill(thread_);
		cfs::sim::sleep_for(within);
		return ended_;
	}
};

} // namespace victim
