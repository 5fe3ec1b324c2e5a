// SPDX-License-Identifier: GPL-2.0
//
// RCU by epochs. A reader publishes the global epoch when it enters its outermost section and 0
// when it leaves; a grace period raises the global epoch and waits for every thread that is in a
// section of an older one. Plain atomics, so TSan follows it. Entering costs a full barrier, which
// keeps the reader's loads behind its publication.
//
// cfs_free_rcu() queues; one thread, started at first use, waits for grace periods and frees.
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "libcfs/host/thread_ctl.hpp"
#include "libcfs/plat/lock.h"
#include "libcfs/plat/mem.h"

using namespace cfs::hosted;

namespace
{

std::atomic<std::uint64_t> global_epoch{1};

void wait_grace_period()
{
	auto epoch = global_epoch.fetch_add(1, std::memory_order_seq_cst) + 1;
	std::lock_guard g(all_threads().lock);
	for (ThreadCtl *t = all_threads().first; t; t = t->next) {
		for (unsigned spins = 0;; spins++) {
			auto e = t->rcu_epoch.load(std::memory_order_seq_cst);
			if (e == 0 || e >= epoch)
				break;
			if (spins < 100)
				std::this_thread::yield();
			else
				std::this_thread::sleep_for(std::chrono::microseconds(50));
		}
	}
}

struct Freed {
	cfs_subsys subsys;
	void *p;
	std::size_t bytes;
};

class Reclaimer
{
	std::mutex lock_;
	std::condition_variable changed_;
	std::deque<Freed> queue_;
	std::uint64_t queued_ = 0; // ever
	std::uint64_t freed_ = 0;  // ever
	bool stop_ = false;
	std::thread thread_;

	void run()
	{
		std::unique_lock g(lock_);
		for (;;) {
			changed_.wait(g, [this] { return stop_ || !queue_.empty(); });
			if (queue_.empty())
				return;
			std::deque<Freed> batch;
			batch.swap(queue_);
			g.unlock();
			wait_grace_period();
			for (const Freed &f : batch)
				cfs_free(f.subsys, f.p, f.bytes);
			g.lock();
			freed_ += batch.size();
			changed_.notify_all();
		}
	}

public:
	~Reclaimer()
	{
		{
			std::lock_guard g(lock_);
			stop_ = true;
		}
		changed_.notify_all();
		if (thread_.joinable())
			thread_.join();
	}
	void add(Freed f)
	{
		std::lock_guard g(lock_);
		queue_.push_back(f);
		queued_++;
		if (!thread_.joinable())
			thread_ = std::thread([this] { run(); });
		changed_.notify_all();
	}
	void barrier()
	{
		std::unique_lock g(lock_);
		changed_.wait(g, [this, upto = queued_] { return freed_ >= upto; });
	}
};

Reclaimer &reclaimer()
{
	static Reclaimer r;
	return r;
}

} // namespace

extern "C" {

void cfs_rcu_read_lock(void) noexcept
{
	ThreadCtl &t = thread_ctl();
	if (t.rcu_depth++ == 0)
		t.rcu_epoch.store(global_epoch.load(std::memory_order_seq_cst),
				  std::memory_order_seq_cst);
}

void cfs_rcu_read_unlock(void) noexcept
{
	ThreadCtl &t = thread_ctl();
	if (t.rcu_depth == 0)
		misuse("cfs_rcu_read_unlock() outside a section");
	if (--t.rcu_depth == 0)
		t.rcu_epoch.store(0, std::memory_order_release);
}

void cfs_rcu_synchronize(void) noexcept
{
	may_block("cfs_rcu_synchronize");
	wait_grace_period();
}

void cfs_rcu_barrier(void) noexcept
{
	may_block("cfs_rcu_barrier");
	reclaimer().barrier();
}

void cfs_free_rcu(enum cfs_subsys s, void *p, size_t bytes, struct cfs_rcu *) noexcept
{
	if (p)
		reclaimer().add({s, p, bytes});
}

} // extern "C"
