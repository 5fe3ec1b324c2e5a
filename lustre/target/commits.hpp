// SPDX-License-Identifier: GPL-2.0
//
// Transaction numbers of a target, and which of them are durable (spec 02 section 8.2).
//
// A number is given inside the transaction it is for, in the order 1, 2, 3 within an epoch.
// committed() is the largest number such that it and all smaller ones are on disk: what clients may
// forget. Transactions may reach the disk in another order than their numbers; the tracker holds
// back what has a hole before it.
#pragma once

#include "libcfs/containers.hpp"
#include "libcfs/lock.hpp"
#include "libcfs/wait.hpp"
#include "osd/osd.hpp"
#include "wire/types.hpp"

namespace target
{

using wire::Transno;
using wire::u64;

/// The number that follows.
[[nodiscard]] constexpr Transno next_of(Transno t) noexcept
{
	return static_cast<Transno>(static_cast<u64>(t) + 1);
}

/// Who hears of commits. Called without locks from the thread of the back end: must be quick.
class CommitUser
{
public:
	virtual void committed(Transno upto) noexcept = 0;
	/// The device lost a transaction: nothing more will be committed.
	virtual void commit_failed(cfs::Errno why) noexcept = 0;

protected:
	~CommitUser() = default;
};

class Commits
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_CLASS;

	explicit Commits(CommitUser &user) noexcept : user_(user) {}
	/// wait_idle() first.
	~Commits() { CFS_ASSERT(pending_.empty()); }

	/// What one transaction needs to be followed. Made before it starts.
	class Ticket final : public osd::CommitCallback
	{
		friend class Commits;
		Commits &commits_;
		Transno transno_{};
		bool on_disk_ = false;
		cfs::ListHook in_pending_;

		void committed(cfs::Errno status) noexcept override
		{
			commits_.ticket_committed(*this, status);
		}

	public:
		static constexpr cfs_subsys kSubsys = CFS_S_CLASS;
		explicit Ticket(Commits &c) noexcept : commits_(c) {}
		/// Own destruction of one that assign() was not called for.
		~Ticket() = default;
	};
	[[nodiscard]] cfs::Result<cfs::UniquePtr<Ticket>> ticket() noexcept
	{
		return cfs::try_make<Ticket>(*this);
	}

	/// After a start: the numbers of this life are above whatever was used before; the first
	/// one is (epoch << 32) + 1. Returns epoch << 32, for the head of last_rcvd.
	[[nodiscard]] Transno new_epoch(Transno last_used) noexcept;
	/// While old numbers are replayed: at least this has been used.
	void used(Transno t) noexcept;
	[[nodiscard]] Transno last() noexcept;
	/// All up to here are on disk.
	[[nodiscard]] Transno committed() noexcept;

	/// Between start() and stop(): gives the transaction its number, the next one or (replay)
	/// an old one, and follows it to the disk. The ticket is taken over.
	Transno assign(osd::Transaction &tx, cfs::UniquePtr<Ticket> t,
		       Transno replayed = {}) noexcept;

	/// Waits until nothing is under way any more; sync the device before. Sleeps.
	void wait_idle() noexcept;

private:
	void ticket_committed(Ticket &t, cfs::Errno status) noexcept;

	CommitUser &user_;
	cfs::SpinLock lock_{CFS_LOCK_CLASS("target commits")};
	cfs::WaitQueue idle_{CFS_LOCK_CLASS("target commits wait")};
	Transno last_ CFS_GUARDED_BY(lock_){};
	Transno committed_ CFS_GUARDED_BY(lock_){};
	bool lost_ CFS_GUARDED_BY(lock_) = false;
	u64 reporting_ CFS_GUARDED_BY(lock_) = 0;
	/// In the order of assignment.
	cfs::List<Ticket, &Ticket::in_pending_> pending_ CFS_GUARDED_BY(lock_);
};

} // namespace target
