// SPDX-License-Identifier: GPL-2.0
#include "target/commits.hpp"

#include <algorithm>

namespace target
{

Transno Commits::new_epoch(Transno last_used) noexcept
{
	u64 epoch = (static_cast<u64>(last_used) >> 32) + 1;
	cfs::SpinGuard g(lock_);
	last_ = std::max(last_, static_cast<Transno>(epoch << 32));
	return last_;
}

void Commits::used(Transno t) noexcept
{
	cfs::SpinGuard g(lock_);
	last_ = std::max(last_, t);
	// What was used before this life is on disk, or gone for good.
	if (pending_.empty())
		committed_ = std::max(committed_, t);
}

Transno Commits::last() noexcept
{
	cfs::SpinGuard g(lock_);
	return last_;
}

Transno Commits::committed() noexcept
{
	cfs::SpinGuard g(lock_);
	return committed_;
}

Transno Commits::assign(osd::Transaction &tx, cfs::UniquePtr<Ticket> t, Transno replayed) noexcept
{
	Ticket *ticket = t.release();
	{
		cfs::SpinGuard g(lock_);
		ticket->transno_ = static_cast<u64>(replayed) ? replayed : next_of(last_);
		last_ = std::max(last_, ticket->transno_);
		pending_.push_back(*ticket);
	}
	Transno number = ticket->transno_;
	tx.on_commit(*ticket);
	return number;
}

void Commits::ticket_committed(Ticket &t, cfs::Errno status) noexcept
{
	bool failed = status != cfs::Errno{};
	Transno upto{};
	cfs::List<Ticket, &Ticket::in_pending_> done;
	{
		cfs::SpinGuard g(lock_);
		t.on_disk_ = true;
		// One that was lost holds back those behind it for ever.
		lost_ = lost_ || failed;
		while (!pending_.empty() && pending_.front().on_disk_) {
			Ticket &first = pending_.front();
			pending_.pop_front();
			done.push_back(first);
			if (!lost_)
				committed_ = std::max(committed_, first.transno_);
		}
		upto = committed_;
		reporting_++;
	}
	bool news = !done.empty();
	done.clear_and_dispose([](Ticket *p) { cfs::UniquePtr<Ticket> end(p); });
	if (failed)
		user_.commit_failed(status);
	else if (news)
		user_.committed(upto);
	cfs::SpinGuard g(lock_);
	if (--reporting_ == 0 && pending_.empty())
		idle_.wake_all();
}

void Commits::wait_idle() noexcept
{
	cfs::SpinGuard g(lock_);
	(void)idle_.wait(lock_, cfs::WaitMode::idle, cfs::Instant::never(),
			 [this]() CFS_NO_TSA { return pending_.empty() && reporting_ == 0; });
}

} // namespace target
