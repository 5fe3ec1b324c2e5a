// SPDX-License-Identifier: GPL-2.0
//
// Which slots of a file of fixed-size records are taken: last_rcvd's and reply_data's. A bit for
// each.
#pragma once

#include <bit>

#include "libcfs/lock.hpp"
#include "libcfs/mem.hpp"
#include "wire/types.hpp"

namespace target
{

class SlotMap
{
public:
	/// slots: how many there may be, a multiple of 64. err::NOMEM.
	[[nodiscard]] cfs::Result<> open(cfs_subsys s, wire::u32 slots) noexcept
	{
		auto map = TRY(cfs::Array<wire::u64>::make(s, slots / 64));
		cfs::SpinGuard g(lock_);
		map_ = std::move(map);
		return {};
	}
	/// Takes a slot that was found to be in use. It must be free.
	void set(wire::u32 slot) noexcept
	{
		cfs::SpinGuard g(lock_);
		set_locked(slot);
	}
	/// The lowest free one; err::NOSPC.
	[[nodiscard]] cfs::Result<wire::u32> take() noexcept
	{
		cfs::SpinGuard g(lock_);
		for (; first_free_ < map_.size(); first_free_++) {
			wire::u64 word = map_[first_free_];
			if (word == ~wire::u64{0})
				continue;
			auto slot =
				first_free_ * 64 + static_cast<wire::u32>(std::countr_one(word));
			set_locked(slot);
			return slot;
		}
		return cfs::fail(cfs::err::NOSPC);
	}
	void release(wire::u32 slot) noexcept
	{
		cfs::SpinGuard g(lock_);
		CFS_ASSERT(map_[slot / 64] & bit(slot));
		map_[slot / 64] &= ~bit(slot);
		taken_--;
		if (slot / 64 < first_free_)
			first_free_ = slot / 64;
	}
	[[nodiscard]] wire::u32 taken() noexcept
	{
		cfs::SpinGuard g(lock_);
		return taken_;
	}

private:
	static constexpr wire::u64 bit(wire::u32 slot) noexcept
	{
		return wire::u64{1} << slot % 64;
	}
	void set_locked(wire::u32 slot) noexcept CFS_REQUIRES(lock_)
	{
		map_[slot / 64] |= bit(slot);
		taken_++;
	}

	cfs::SpinLock lock_{CFS_LOCK_CLASS("target slots")};
	cfs::Array<wire::u64> map_ CFS_GUARDED_BY(lock_);
	wire::u32 first_free_ CFS_GUARDED_BY(lock_) = 0; // no word before it has a free bit
	wire::u32 taken_ CFS_GUARDED_BY(lock_) = 0;
};

} // namespace target
