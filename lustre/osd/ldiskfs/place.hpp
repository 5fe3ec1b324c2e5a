// SPDX-License-Identifier: GPL-2.0
//
// Where the object of a FID is on disk: in the object index, or below O/ by name (07 5.3, 5.4).
#pragma once

#include <string_view>

#include "osd/types.hpp"

namespace osd::ldiskfs
{

inline constexpr unsigned kSubdirs = 32; ///< below O/<sequence>, on every device

enum class Where : std::uint8_t {
	nowhere,  ///< not a FID this device can hold
	root,	  ///< the backing root directory
	index,	  ///< in the object index
	sequence, ///< below O/<sequence>: found by name
	inode,	  ///< an IGIF: in the object index, or else the inode it names
};

struct Place {
	Where where = Where::nowhere;
	bool last_id = false;	 ///< O/<sequence>/LAST_ID
	std::uint64_t seq = 0;	 ///< whose folder it is in; 0 for all legacy ids
	unsigned subdir = 0;	 ///< d0 to d31
	char name_text[24] = {}; ///< in there
	std::uint8_t name_len = 0;
	std::uint32_t compat = 0; ///< wire::LMAC_* of a new object

	[[nodiscard]] std::string_view name() const noexcept { return {name_text, name_len}; }
};

[[nodiscard]] Place place_of(const Fid &fid, TargetType target) noexcept;

/// The name of a sequence's folder in O/, in buf.
[[nodiscard]] std::string_view sequence_name(std::uint64_t seq, std::span<char, 24> buf) noexcept;

} // namespace osd::ldiskfs
