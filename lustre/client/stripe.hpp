// SPDX-License-Identifier: GPL-2.0
//
// Where a byte of a file lies: arithmetic of one striped component (spec 06 section 5). Offsets are
// those of the file, also in components that do not begin at 0. Nothing here overflows for offsets
// up to the largest file size, 2^63 - 1; kEof stands for "to the end" and stays kEof.
#pragma once

#include <optional>

#include "client/ident.hpp"
#include "wire/layout.hpp"

namespace client
{

inline constexpr u64 kEof = wire::LUSTRE_EOF;

/// Bytes [start, end), end exclusive or kEof.
struct Range {
	u64 start = 0;
	u64 end = 0;

	[[nodiscard]] constexpr bool empty() const noexcept { return start >= end; }
	[[nodiscard]] constexpr bool contains(u64 at) const noexcept
	{
		return at >= start && (at < end || end == kEof);
	}
	bool operator==(const Range &) const = default;
};

struct Stripes {
	u32 size;  // bytes of a stripe, not 0
	u32 count; // not 0

	[[nodiscard]] constexpr u64 width() const noexcept { return u64{size} * count; }

	/// The stripe that holds a byte.
	[[nodiscard]] constexpr u32 index(u64 at) const noexcept
	{
		return static_cast<u32>(at % width() / size);
	}
	/// Its place in that stripe's object.
	[[nodiscard]] constexpr u64 object_offset(u64 at) const noexcept
	{
		return at / width() * size + at % size;
	}
	/// The place in the file of a byte of stripe i's object; kEof when there is no such place.
	[[nodiscard]] constexpr u64 file_offset(u32 i, u64 in_object) const noexcept
	{
		u64 at = 0;
		if (__builtin_mul_overflow(in_object / size, width(), &at) ||
		    __builtin_add_overflow(at, u64{i} * size + in_object % size, &at))
			return kEof;
		return at;
	}
	/// How long a file is in which stripe i's object has this size.
	[[nodiscard]] constexpr u64 file_size(u32 i, u64 object_size) const noexcept
	{
		if (object_size == 0)
			return 0;
		u64 last = file_offset(i, object_size - 1);
		return last == kEof ? kEof : last + 1;
	}
	/// How long stripe i's object is in a file of this size.
	[[nodiscard]] constexpr u64 object_size(u32 i, u64 file_size) const noexcept
	{
		u64 rounds = file_size / width();
		u64 rest = file_size % width();
		u64 before = u64{i} * size;
		u64 part = rest <= before ? 0 : rest - before < size ? rest - before : size;
		return rounds * size + part;
	}
	/// The part of a range of the file that lies in stripe i, in the object's offsets; none
	/// when no byte of it does. A range to kEof gives one to kEof.
	[[nodiscard]] constexpr std::optional<Range> object_range(u32 i, Range file) const noexcept
	{
		if (file.empty())
			return std::nullopt;
		u64 start = object_size(i, file.start);
		u64 end = file.end == kEof ? kEof : object_size(i, file.end);
		if (start >= end)
			return std::nullopt;
		return Range{start, end};
	}
};

} // namespace client
