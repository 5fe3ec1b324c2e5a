// SPDX-License-Identifier: GPL-2.0
//
// The objects of one sequence of an OST: made ahead of their use for an MDT, and cleared away when
// the MDT has not used them (spec 05 section 6, 07 section 13.3).
//
// Invariant: LAST_ID on disk is never below the highest object that exists, and a number that was
// given to an MDT is never used again: objects are made in the transaction that raises LAST_ID,
// after it.
#pragma once

#include <atomic>

#include "libcfs/containers.hpp"
#include "libcfs/time.hpp"
#include "osd/local.hpp"
#include "ost/object_id.hpp"
#include "wire/ost.hpp"

namespace ost
{

class Sequence
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_FILTER;
	/// An MDT that asks for more than this beyond LAST_ID knows another OST than this one.
	static constexpr u64 kGapMax = 5 * wire::OST_MAX_PRECREATE;
	/// Objects of one transaction, at most: fewer where the journal is small.
	static constexpr u32 kBatch = 128;

	/// Opens LAST_ID of the sequence, or makes it. Sleeps.
	[[nodiscard]] static cfs::Result<cfs::UniquePtr<Sequence>>
	open(osd::Device &device, u32 ost_index, u64 seq) noexcept;

	[[nodiscard]] u64 seq() const noexcept { return seq_; }
	/// The highest number ever made.
	[[nodiscard]] u64 last() noexcept { return ids_.last(); }
	/// An MDT has said how far it got since the target started: what a crash took exists again.
	void set_complete() noexcept { complete_.store(true, std::memory_order_release); }
	/// Whether an object that does not exist may be one that a crash took, and will come back.
	[[nodiscard]] bool may_return(u64 number) noexcept
	{
		u64 last = ids_.last();
		return number > last && number - last <= kGapMax &&
		       !complete_.load(std::memory_order_acquire);
	}
	/// The object of a number. err::BADF.
	[[nodiscard]] cfs::Result<wire::Fid> fid(u64 number) const noexcept
	{
		return numbered(seq_, number, ost_index_);
	}

	/// Makes objects up to `wanted`, until `deadline`. Returns the highest number that exists
	/// now, less than wanted if it got late or space ran out in between; an error only when
	/// nothing was made. err::NOSPC. For each transaction `each` is called between its start
	/// and its stop (a transaction number), null: nothing. Sleeps.
	class Each
	{
	public:
		virtual cfs::Result<> declare(osd::Transaction &tx) noexcept = 0;
		virtual cfs::Result<> done(osd::Transaction &tx) noexcept = 0;

	protected:
		~Each() = default;
	};
	[[nodiscard]] cfs::Result<u64> create_to(u64 wanted, cfs::Instant deadline,
						 Each *each = nullptr) noexcept;
	/// If the object of this number is just being made, until it is: LAST_ID is ahead of it.
	/// Sleeps.
	void wait_created(u64 number) noexcept
	{
		if (number >= making_from_.load(std::memory_order_acquire))
			cfs::MutexGuard g(create_lock_);
	}
	/// Destroys what is above `used`: an MDT that comes back says how far it got. LAST_ID stays
	/// unless `lower`. It is durable when this returns the number to go on from. What cannot be
	/// destroyed is logged. Sleeps.
	[[nodiscard]] cfs::Result<u64> destroy_above(u64 used, bool lower) noexcept;

	cfs::SetHook hook;

	Sequence(osd::Device &device, u32 ost_index, u64 seq) noexcept
	    : device_(device), seq_(seq), ost_index_(ost_index)
	{
	}

private:
	/// Makes objects from `first` on, to `last` or as many as one transaction holds; returns
	/// the highest.
	[[nodiscard]] cfs::Result<u64> create_batch(u64 first, u64 last, Each *each) noexcept
		CFS_REQUIRES(create_lock_);
	[[nodiscard]] cfs::Result<u64> create_from(u64 last, u64 wanted, cfs::Instant deadline,
						   Each *each) noexcept CFS_REQUIRES(create_lock_);
	[[nodiscard]] cfs::Result<> destroy_one(u64 number) noexcept CFS_REQUIRES(create_lock_);

	osd::Device &device_;
	u64 seq_;
	u32 ost_index_;
	osd::LastId ids_;
	std::atomic<bool> complete_{false};
	/// The first number of the creation under way.
	std::atomic<u64> making_from_{kIdle};
	static constexpr u64 kIdle = ~u64{0};
	/// One creation or clean-up at a time; taken before transactions.
	cfs::Mutex create_lock_{CFS_LOCK_CLASS("ost sequence")};
};

/// The sequences that an OST has met.
class Sequences
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_FILTER;

	Sequences(osd::Device &device, u32 ost_index) noexcept
	    : device_(device), ost_index_(ost_index)
	{
	}
	~Sequences();
	/// Which ones: a client must not fill the device with sequences.
	enum class Which : wire::u8 { existing, any };
	/// `any`: made, on disk too, if there is none. err::NOENT: there is none; err::INVAL: OSTs
	/// have no such sequence; err::NOSPC: too many of them. It stays as long as this does.
	/// Sleeps.
	[[nodiscard]] cfs::Result<Sequence *> find(u64 seq, Which which = Which::any) noexcept;
	static constexpr std::size_t kMax = 65536;

private:
	struct BySeq {
		bool operator()(const Sequence &a, const Sequence &b) const noexcept
		{
			return a.seq() < b.seq();
		}
		bool operator()(const Sequence &a, u64 b) const noexcept { return a.seq() < b; }
		bool operator()(u64 a, const Sequence &b) const noexcept { return a < b.seq(); }
	};
	osd::Device &device_;
	u32 ost_index_;
	cfs::Mutex lock_{CFS_LOCK_CLASS("ost sequences")};
	cfs::OrderedSet<Sequence, &Sequence::hook, BySeq> all_ CFS_GUARDED_BY(lock_);
};

} // namespace ost
