// SPDX-License-Identifier: GPL-2.0
//
// Deadlines; see timer.hpp.

#include "lustre/rpc/timer.hpp"

namespace rpc
{

void TimerQueue::arm_locked(TimerEntry &t, cfs::Instant when) noexcept
{
	if (t.in_timers.is_linked())
		set_.erase(set_.iterator_to(t));
	else
		t.on_timer_get();
	t.when = when;
	set_.insert(t);
	if (when < asleep_until_ && !woken_) {
		woken_ = true;
		woken_for_ = when;
		waitq_.wake_all();
	}
}

void TimerQueue::arm(TimerEntry &t, cfs::Instant when) noexcept
{
	cfs::SpinGuard g(lock_);
	arm_locked(t, when);
}

void TimerQueue::arm_by(TimerEntry &t, cfs::Instant when) noexcept
{
	cfs::SpinGuard g(lock_);
	if (t.in_timers.is_linked() && t.when <= when)
		return;
	arm_locked(t, when);
}

bool TimerQueue::cancel(TimerEntry &t) noexcept
{
	{
		cfs::SpinGuard g(lock_);
		if (!t.in_timers.is_linked())
			return false;
		set_.erase(set_.iterator_to(t));
	}
	t.on_timer_put();
	return true;
}

void TimerQueue::cancel_sync(TimerEntry &t) noexcept
{
	while (!cancel(t)) {
		cfs::SpinGuard g(lock_);
		auto over = [&]() CFS_NO_TSA { return running_ != &t; };
		(void)ran_.wait(lock_, cfs::WaitMode::idle, cfs::Instant::never(), over);
		if (!t.in_timers.is_linked())
			return;
	}
}

void TimerQueue::stop() noexcept
{
	{
		cfs::SpinGuard g(lock_);
		CFS_ASSERT(set_.empty());
		stopping_ = true;
		waitq_.wake_all();
	}
	thread_.join();
}

void TimerQueue::run() noexcept
{
	cfs::SpinGuard g(lock_);
	while (!stopping_) {
		cfs::Instant now = cfs::Instant::now();
		if (!set_.empty() && set_.begin()->when <= now) {
			TimerEntry &t = *set_.begin();
			set_.erase(set_.begin());
			running_ = &t;
			lock_.unlock();
			t.on_timer();
			t.on_timer_put();
			lock_.lock();
			running_ = nullptr;
			ran_.wake_all();
			continue;
		}
		asleep_until_ = set_.empty() ? cfs::Instant::never() : set_.begin()->when;
		// What it was woken for may be disarmed again by now, and something like it armed
		// next: most requests are answered long before their time. Waking once in vain is
		// cheaper than being woken for each.
		if (std::exchange(woken_, false) && now < woken_for_ && woken_for_ < asleep_until_)
			asleep_until_ = woken_for_;
		(void)waitq_.wait(lock_, cfs::WaitMode::idle, asleep_until_,
				  [this]() CFS_NO_TSA { return woken_ || stopping_; });
		asleep_until_ = cfs::Instant{};
	}
}

} // namespace rpc
