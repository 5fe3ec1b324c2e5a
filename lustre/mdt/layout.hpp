// SPDX-License-Identifier: GPL-2.0
//
// Layouts of files on the MDT (spec 04 section 13): what a user asks for, on which OSTs a new file
// gets its objects, the LOV EA that says so, and what becomes of the objects when the file goes.
// Plain layouts (RAID 0, with or without a pool's name) are made; others, which a stock MDT may
// have left, are walked for their objects only.
#pragma once

#include "libcfs/lock.hpp"
#include "osp/osp.hpp"
#include "wire/layout.hpp"

namespace mdt
{

using osd::Fid;
using wire::u16;
using wire::u32;
using wire::u64;

/// What a file shall be striped like; what is 0 or absent is the default.
struct StripeWish {
	static constexpr u32 kAnyOst = ~u32{0};
	u32 count = 0; ///< kAll: one on every OST
	u32 bytes = 0;
	u32 first = kAnyOst; ///< index of the OST to begin with
	wire::Chars<16> pool{};
	static constexpr u32 kAll = wire::LOV_ALL_STRIPES;

	/// What is not set is taken from another one.
	void fill_from(const StripeWish &other) noexcept;
};

/// A user's EA, or the default of a directory; the bytes may be longer than the EA. err::INVAL: it
/// is none; err::OPNOTSUPP: a kind of layout that is not made yet.
[[nodiscard]] cfs::Result<StripeWish> parse_wish(cfs::Bytes ea) noexcept;
/// How long the EA at the front of these bytes is; 0 when there is none.
[[nodiscard]] std::size_t layout_bytes(cfs::Bytes ea) noexcept;

/// Told the objects of a layout.
class LayoutVisitor
{
public:
	virtual cfs::Result<> object(const Fid &object, u32 ost) noexcept = 0;

protected:
	~LayoutVisitor() = default;
};
/// err::UCLEAN: it makes no sense.
[[nodiscard]] cfs::Result<> for_each_object(cfs::Bytes ea, LayoutVisitor &v) noexcept;

/// The OSTs of the file system, as far as they are known.
class OstSet
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_MDS;
	static constexpr u32 kMax = wire::LOV_MAX_STRIPE_COUNT;

	[[nodiscard]] cfs::Result<> open() noexcept;
	/// err::EXIST, err::NOSPC. It stays until close().
	[[nodiscard]] cfs::Result<> add(osp::Osp &osp) noexcept;
	[[nodiscard]] u32 count() const noexcept { return count_.load(std::memory_order_acquire); }
	[[nodiscard]] osp::Osp &at(u32 i) noexcept { return *osts_[i]; }
	/// Null: there is none of that index.
	[[nodiscard]] osp::Osp *find(u32 index) noexcept;
	/// Where the next file begins.
	[[nodiscard]] u32 next() noexcept
	{
		u32 n = count();
		return n ? next_.fetch_add(1, std::memory_order_relaxed) % n : 0;
	}

	/// Told of all, now and as they are added: see Osp::set_recovering().
	void set_recovering(bool yes) noexcept;
	/// Whether all OSTs of a layout are in it.
	[[nodiscard]] bool knows(cfs::Bytes ea) noexcept;
	/// Objects of a layout are removed once the transaction is on disk; what cannot be is said
	/// on the console.
	void destroy_objects(osd::Transaction &tx, cfs::Bytes ea) noexcept;
	void set_owner(osd::Transaction &tx, cfs::Bytes ea, const osp::OwnerChange &to) noexcept;

private:
	cfs::Mutex add_lock_{CFS_LOCK_CLASS("mdt osts")};
	cfs::Array<osp::Osp *> osts_; // written below count_ + 1 by add() only
	std::atomic<u32> count_{0};
	std::atomic<u32> next_{0};
	bool recovering_ CFS_GUARDED_BY(add_lock_) = true;
};

/// A layout in the making: reserve(), then in a transaction declare() and make(). Reservations that
/// were not used are given back.
class NewLayout
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_MDS;

	/// Finds the objects' OSTs, waiting for one at most until the deadline; fewer stripes than
	/// wanted when there are not so many OSTs that take objects. err::NOSPC, err::TIMEDOUT,
	/// err::INVAL: the first OST that is asked for does not exist. Sleeps.
	[[nodiscard]] cfs::Result<> reserve(OstSet &osts, const StripeWish &wish,
					    cfs::Instant deadline) noexcept;
	/// Of a file that has objects already, as a replay says. err::INVAL: it is no layout.
	[[nodiscard]] cfs::Result<> adopt(OstSet &osts, cfs::Bytes ea) noexcept;
	[[nodiscard]] bool wanted() const noexcept { return stripes_ != 0 || !ea_.empty(); }
	[[nodiscard]] cfs::Result<> declare(osd::Transaction &tx, osd::Object &file) noexcept;
	/// Takes the objects and stores the EA.
	[[nodiscard]] cfs::Result<> make(osd::Transaction &tx, osd::Object &file) noexcept;

private:
	[[nodiscard]] bool has_object_of(const osp::Osp &osp) const noexcept;
	[[nodiscard]] cfs::Result<> collect(OstSet &osts, u32 start,
					    cfs::Instant deadline) noexcept;
	[[nodiscard]] cfs::Result<> build(osd::Transaction &tx, const Fid &file) noexcept;
	[[nodiscard]] std::size_t head_bytes() const noexcept;

	[[nodiscard]] cfs::Result<> note_used(osd::Transaction &tx) noexcept;

	StripeWish wish_;
	OstSet *adopted_from_ = nullptr;
	cfs::Array<osp::Reservation> reserved_;
	u32 stripes_ = 0;
	cfs::Array<std::byte> ea_;
};

/// An extended attribute of any length; empty when there is none.
[[nodiscard]] cfs::Result<cfs::Array<std::byte>> read_xattr(osd::Object &o,
							    std::string_view name) noexcept;
/// The LOV EA of a file, or the default of a directory.
[[nodiscard]] cfs::Result<cfs::Array<std::byte>> read_layout(osd::Object &o) noexcept;

} // namespace mdt
