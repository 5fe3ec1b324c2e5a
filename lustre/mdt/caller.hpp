// SPDX-License-Identifier: GPL-2.0
//
// Who asks: the credentials that every metadata request carries, and what they allow (spec 04
// section 6.6). Ids are taken as they come, as a stock MDT without an identity upcall does.
#pragma once

#include "osd/types.hpp"
#include "wire/mds.hpp"

namespace mdt
{

using wire::u16;
using wire::u32;
using wire::u64;

/// Bits of mbo_capability and rr_cap, as Linux numbers them.
enum class Cap : unsigned {
	chown = 0,
	dac_override = 1,
	dac_read_search = 2,
	fowner = 3,
	fsetid = 4,
	linux_immutable = 9,
	sys_admin = 21,
	sys_resource = 24,
};

/// What permission is asked for; the bits of one class of a mode.
inline constexpr u32 kMayRead = 4;
inline constexpr u32 kMayWrite = 2;
inline constexpr u32 kMayExec = 1;

struct Caller {
	u32 uid = 0;
	u32 gid = 0;
	u32 groups[2] = {wire::MDT_INVALID_GID, wire::MDT_INVALID_GID};
	u32 caps = 0;

	[[nodiscard]] static Caller of(const wire::MdtBody &b) noexcept
	{
		return {b.fsuid.get(),
			b.fsgid.get(),
			{b.suppgid.get(), wire::MDT_INVALID_GID},
			b.capability.get()};
	}
	/// Of any reint record: their heads are alike.
	template <typename Record>
	[[nodiscard]] static Caller of_record(const Record &rec) noexcept
	{
		static_assert(sizeof(Record) == sizeof(wire::MdtRecReint));
		const auto &r = reinterpret_cast<const wire::MdtRecReint &>(rec);
		return {r.fsuid.get(),
			r.fsgid.get(),
			{r.suppgid1.get(), r.suppgid2.get()},
			r.cap.get()};
	}

	[[nodiscard]] bool can(Cap c) const noexcept
	{
		return (caps >> static_cast<unsigned>(c) & 1) != 0;
	}
	/// Supplementary groups come as far as the client thought they matter; 0 there says
	/// nothing.
	[[nodiscard]] bool in_group(u32 g) const noexcept
	{
		return g == gid || (g != 0 && (g == groups[0] || g == groups[1]));
	}
	[[nodiscard]] bool owns(const osd::Attr &a) const noexcept
	{
		return uid == a.uid || can(Cap::fowner);
	}
};

[[nodiscard]] constexpr bool is_dir(const osd::Attr &a) noexcept
{
	return (a.mode & osd::kTypeMask) == osd::kTypeDir;
}
[[nodiscard]] constexpr bool is_file(const osd::Attr &a) noexcept
{
	return (a.mode & osd::kTypeMask) == osd::kTypeFile;
}
[[nodiscard]] constexpr bool is_link(const osd::Attr &a) noexcept
{
	return (a.mode & osd::kTypeMask) == osd::kTypeLink;
}
/// What every directory has, and nobody moves or removes: what is found there is locked already, or
/// may not be locked behind the directory.
[[nodiscard]] constexpr bool is_dots(std::string_view name) noexcept
{
	return name == "." || name == "..";
}
/// Without a name, kept for whoever has it open.
[[nodiscard]] constexpr bool is_orphan(const osd::Attr &a) noexcept
{
	return (a.flags & wire::LUSTRE_ORPHAN_FL) != 0;
}

/// err::ACCES; err::PERM: writing what is immutable.
[[nodiscard]] inline cfs::Result<> check_access(const osd::Attr &a, const Caller &c,
						u32 wanted) noexcept
{
	u32 granted = a.mode;
	if ((wanted & kMayWrite) && (a.flags & wire::LUSTRE_IMMUTABLE_FL))
		return cfs::fail(cfs::err::PERM);
	if (c.uid == a.uid)
		granted = a.mode >> 6;
	else if (c.in_group(a.gid))
		granted = a.mode >> 3;
	if ((granted & wanted) == wanted)
		return {};
	bool executable = is_dir(a) || (a.mode & 0111);
	if (c.can(Cap::dac_override) && (!(wanted & kMayExec) || executable))
		return {};
	if (c.can(Cap::dac_read_search) &&
	    (wanted == kMayRead || (is_dir(a) && !(wanted & kMayWrite))))
		return {};
	return cfs::fail(cfs::err::ACCES);
}

/// Whether entries of a directory may be made or removed.
[[nodiscard]] inline cfs::Result<> check_modify(const osd::Attr &dir, const Caller &c) noexcept
{
	return check_access(dir, c, kMayWrite | kMayExec);
}

/// Whether an entry may be removed, or replaced: err::PERM for append-only directories and
/// objects, immutable objects, and what is another's in a sticky directory.
[[nodiscard]] inline cfs::Result<> check_remove(const osd::Attr &dir, const osd::Attr &victim,
						const Caller &c) noexcept
{
	constexpr u32 kFixed = wire::LUSTRE_APPEND_FL | wire::LUSTRE_IMMUTABLE_FL;
	if (auto r = check_modify(dir, c); !r)
		return r;
	bool sticky = (dir.mode & 01000) && c.uid != victim.uid && c.uid != dir.uid &&
		      !c.can(Cap::fowner);
	if ((dir.flags & wire::LUSTRE_APPEND_FL) || sticky || (victim.flags & kFixed))
		return cfs::fail(cfs::err::PERM);
	return {};
}

} // namespace mdt
