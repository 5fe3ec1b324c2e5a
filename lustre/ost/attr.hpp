// SPDX-License-Identifier: GPL-2.0
//
// Attributes of OST objects: what messages say about them and what is stored (spec 05 sections 3,
// 7.10 and 8.4). An object is made long before anybody owns it; who writes first tells whose it is,
// and of which file it is a part.
#pragma once

#include <array>

#include "libcfs/lock.hpp"
#include "osd/osd.hpp"
#include "wire/ldlm.hpp"
#include "wire/ost.hpp"
#include "wire/xattr.hpp"

namespace ost
{

using wire::u32;
using wire::u64;

/// The attributes that put_attr() fills in.
inline constexpr u64 kObdoTimes =
	wire::OBD_MD_FLATIME | wire::OBD_MD_FLMTIME | wire::OBD_MD_FLCTIME;
inline constexpr u64 kObdoBasic = kObdoTimes | wire::OBD_MD_FLSIZE | wire::OBD_MD_FLBLOCKS |
				  wire::OBD_MD_FLMODE | wire::OBD_MD_FLTYPE;
inline constexpr u64 kObdoOwner = wire::OBD_MD_FLUID | wire::OBD_MD_FLGID | wire::OBD_MD_FLPROJID;

/// Fills in `which` of an obdo and marks them valid.
void put_attr(wire::Obdo &to, const osd::Attr &from, u64 which) noexcept;
/// The value block of an object.
[[nodiscard]] wire::OstLvb lvb_of(const osd::Attr &a) noexcept;

/// What a request asks to change beside the data. `explicitly`: a setattr, which may change an
/// owner; others only give one to an object that has none.
class AttrChange
{
	osd::Object &object_;
	const wire::Obdo &asked_;
	bool explicitly_;
	bool times_;

	[[nodiscard]] osd::Attr wanted(const osd::Attr &now) const noexcept;
	void owner(osd::Attr &to, const osd::Attr &now) const noexcept;
	[[nodiscard]] cfs::Result<> set_parent(osd::Transaction &tx) noexcept;
	[[nodiscard]] bool names_parent() const noexcept;

public:
	/// asked stays as long as this. times: whether those of the request count.
	AttrChange(osd::Object &object, const wire::Obdo &asked, bool explicitly,
		   bool times) noexcept
	    : object_(object), asked_(asked), explicitly_(explicitly), times_(times)
	{
	}
	[[nodiscard]] cfs::Result<> declare(osd::Transaction &tx) noexcept;
	[[nodiscard]] cfs::Result<> apply(osd::Transaction &tx) noexcept;
};

/// Which request of a client set the times of an object last: a write that was sent before it must
/// not turn them back (section 7.10). Remembers the last kMax objects.
class TimesMemory
{
	static constexpr std::size_t kMax = 128;
	struct Entry {
		wire::Fid fid{};
		u64 xid = 0;
	};
	struct Table {
		static constexpr cfs_subsys kSubsys = CFS_S_FILTER;
		std::array<Entry, kMax> entries{};
		std::size_t next = 0;
	};
	cfs::SpinLock lock_{CFS_LOCK_CLASS("ost times")};
	cfs::UniquePtr<Table> table_; // made at first need: most clients never set times

public:
	/// A setattr, punch or fallocate with times came. Sleeps.
	void note(const wire::Fid &fid, u64 xid) noexcept;
	/// Whether the times of this request count.
	[[nodiscard]] bool may_set(const wire::Fid &fid, u64 xid) noexcept;
};

} // namespace ost
