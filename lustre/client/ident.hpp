// SPDX-License-Identifier: GPL-2.0
//
// What user space sees of a FID: inode numbers, generation; and of a file system: its device number
// (spec 06 sections 2.1, 2.2). Pure arithmetic, the same on every client.
#pragma once

#include <string_view>

#include "wire/fid.hpp"

namespace client
{

using wire::u16;
using wire::u32;
using wire::u64;
using wire::u8;

/// st_ino of a 64-bit process.
[[nodiscard]] constexpr u64 ino_of(const wire::Fid &fid) noexcept
{
	u64 seq = fid.seq.get();
	u32 oid = fid.oid.get();

	if (fid.is_igif())
		return seq;
	u64 ino = (seq << 24) + ((seq >> 24) & 0xffffff0000ull) + oid;
	return ino ? ino : oid;
}

/// st_ino of a 32-bit process, and of everyone under the option 32bitapi.
[[nodiscard]] constexpr u32 ino32_of(const wire::Fid &fid) noexcept
{
	u32 oid = fid.oid.get();

	if (fid.is_igif())
		return static_cast<u32>(fid.seq.get());
	u64 s = fid.seq.get() - wire::FID_SEQ_START;
	u64 ino = ((s & 0xfffff) << 12) + ((s >> 8) & 0xfffff000) + ((s >> 32) & 0xffffff00) +
		  (oid & 0xff000fff) + (u64{oid & 0xfff000} << 8);
	u32 low = static_cast<u32>(ino);
	return low ? low : oid;
}

/// i_generation.
[[nodiscard]] constexpr u32 generation_of(const wire::Fid &fid) noexcept
{
	return fid.is_igif() ? fid.oid.get() : static_cast<u32>(ino_of(fid) >> 32);
}

/// The kernel's device number of a file system, from the uuid of its first MDT
/// ("lustre-MDT0000_UUID"): 12 bits major, 20 bits minor.
[[nodiscard]] constexpr u32 device_of(std::string_view mdt0_uuid) noexcept
{
	u32 key0 = 0x12a3fe2d;
	u32 key1 = 0x37abe8f9;

	for (char c : mdt0_uuid) {
		u32 key = key1 + (key0 ^ (static_cast<u8>(c) * u32{7152373}));
		if (key & 0x80000000u)
			key -= 0x7fffffffu;
		key1 = key0;
		key0 = key;
	}
	return key0 << 1;
}

} // namespace client
