// SPDX-License-Identifier: GPL-2.0
//
// Credits: how many messages may be with a driver at once, for one peer NI or for one share of an
// NI (spec 01 section 6.3). Whoever finds none left waits in a queue, first come first served.
#pragma once

#include "libcfs/containers.hpp"
#include "libcfs/lock.hpp"

namespace lnet
{

/// What can wait for a credit.
struct CreditWaiter {
	cfs::ListHook credit_hook;
};

class CreditQueue
{
	cfs::SpinLock lock_{CFS_LOCK_CLASS("lnet credits")};
	int credits_ CFS_GUARDED_BY(lock_);
	int min_ CFS_GUARDED_BY(lock_);
	int max_ CFS_GUARDED_BY(lock_);
	cfs::List<CreditWaiter, &CreditWaiter::credit_hook> waiting_ CFS_GUARDED_BY(lock_);

public:
	explicit CreditQueue(int credits = 0) noexcept
	    : credits_(credits), min_(credits), max_(credits)
	{
	}
	/// Before first use only.
	void set(int credits) noexcept
	{
		cfs::SpinGuard g(lock_);
		credits_ = min_ = max_ = credits;
	}

	/// True: the caller has a credit. False: it waits, and release() will hand it out.
	[[nodiscard]] bool acquire(CreditWaiter &w) noexcept
	{
		cfs::SpinGuard g(lock_);
		credits_--;
		if (credits_ < min_)
			min_ = credits_;
		if (credits_ >= 0)
			return true;
		waiting_.push_back(w);
		return false;
	}
	/// Gives a credit back; who gets it, if anybody waits.
	[[nodiscard]] CreditWaiter *release() noexcept
	{
		cfs::SpinGuard g(lock_);
		credits_++;
		if (waiting_.empty())
			return nullptr;
		CreditWaiter &w = waiting_.front();
		waiting_.pop_front();
		return &w;
	}
	/// Takes out every waiter for which pred holds, calling take(w) under the lock.
	template <typename Pred, typename Take>
	void cancel_if(Pred pred, Take take) noexcept
	{
		cfs::SpinGuard g(lock_);
		for (auto it = waiting_.begin(); it != waiting_.end();) {
			CreditWaiter &w = *it;
			++it;
			if (!pred(w))
				continue;
			waiting_.erase(waiting_.iterator_to(w));
			credits_++;
			take(w);
		}
	}
	struct Level {
		int available; ///< negative: that many wait
		int min;
		int max;
	};
	[[nodiscard]] Level level() noexcept
	{
		cfs::SpinGuard g(lock_);
		return {credits_, min_, max_};
	}
};

} // namespace lnet
