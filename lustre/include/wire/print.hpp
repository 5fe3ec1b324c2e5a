// SPDX-License-Identifier: GPL-2.0
//
// How identities and typed numbers read in messages: FIDs as [0x200000007:0x1:0x0], as every tool
// and log of the field writes them; the rest as numbers. Include this where one is printed.
#pragma once

#include "libcfs/format.hpp"
#include "wire/fid.hpp"
#include "wire/ldlm.hpp"

namespace wire
{

inline void format_value(cfs::FormatSink &out, const Fid &f) noexcept
{
	out.print("[{:#x}:{:#x}:{:#x}]", f.seq, f.oid, f.ver);
}

inline void format_value(cfs::FormatSink &out, const FidBe &f) noexcept
{
	format_value(out, f.fid());
}

/// 0x23:0x0 for a legacy object, a FID otherwise.
inline void format_value(cfs::FormatSink &out, const OstId &o) noexcept
{
	if (o.is_legacy())
		out.print("{:#x}:0x0", o.oi.oi_id);
	else
		format_value(out, o.oi_fid);
}

inline void format_value(cfs::FormatSink &out, const LdlmResId &r) noexcept
{
	out.print("[{:#x}:{:#x}:{:#x}].{:#x}", r.name[0], r.name[1], r.name[2], r.name[3]);
}

/// Strong numbers and enumerations, in messages (Le) and out of them.
template <typename E>
	requires std::is_enum_v<E>
inline void format_value(cfs::FormatSink &out, E e) noexcept
{
	out.print("{:#x}", static_cast<u64>(e));
}

template <typename E>
inline void format_value(cfs::FormatSink &out, const Le<E> &e) noexcept
{
	out.print("{:#x}", static_cast<u64>(e.raw()));
}

} // namespace wire
