// SPDX-License-Identifier: GPL-2.0
//
// What lfs getstripe prints (spec 08 section 3.2).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "lfs/layout.hpp"

namespace lfs
{

/// Fields, in the order of printing.
enum Field : unsigned {
	kHeader = 1u << 0, ///< lcm_layout_gen and the others of a composite
	kComponentCount = 1u << 1,
	kMirrorCount = 1u << 2,
	kId = 1u << 3,
	kMirrorId = 1u << 4,
	kFlags = 1u << 5,
	kStart = 1u << 6,
	kEnd = 1u << 7,
	kMagic = 1u << 8, ///< also the identity of the object, and a component's place
	kFid = 1u << 9,
	kCount = 1u << 10,
	kSize = 1u << 11,
	kExtension = 1u << 12,
	kPattern = 1u << 13,
	kGeneration = 1u << 14,
	kOffset = 1u << 15,
	kPool = 1u << 16,
	kObjects = 1u << 17,
};

inline constexpr unsigned kDefaultFields = kHeader | kComponentCount | kMirrorCount | kId |
					   kMirrorId | kFlags | kStart | kEnd | kCount | kSize |
					   kPattern | kGeneration | kOffset | kPool | kObjects;
inline constexpr unsigned kVerboseFields = kDefaultFields | kMagic | kFid;
inline constexpr unsigned kQuietFields = kObjects;

/// An end of a component as an option asks for it.
struct Bound {
	int sign = 0; ///< -1 less, +1 more, 0 equal
	std::uint64_t bytes = 0;
	[[nodiscard]] bool holds(std::uint64_t v) const
	{
		return sign < 0 ? v < bytes : sign > 0 ? v > bytes : v == bytes;
	}
};

/// Which components are wanted; all that is set must hold.
struct ComponentFilter {
	std::optional<std::uint32_t> id;
	std::optional<Bound> start, end, mirror_id, mirror_index;
	bool not_mirror = false;
	std::uint32_t flags = 0, not_flags = 0;

	[[nodiscard]] bool any() const
	{
		return id || start || end || mirror_id || mirror_index || flags || not_flags;
	}
	/// `mirror_number` counts mirrors in their order, from 1.
	[[nodiscard]] bool matches(const Component &c, unsigned mirror_number) const;
};

struct ShowOptions {
	unsigned fields = kDefaultFields;
	bool selected = false; ///< by options: no path, and a single field without its label
	bool verbose = false;
	bool yaml = false;
	bool hex_index = false;
	bool raw = false;	///< directories: as stored, without the file system's default
	bool only_self = false; ///< -d
	ComponentFilter filter;
	std::optional<std::uint32_t> ost; ///< mark its objects
};

/// Whose layout it is.
struct Subject {
	std::string path;
	bool directory = false;
	bool own_default = true; ///< directories: it has a layout of its own
	wire::Fid fid{};
	std::uint32_t mdt = 0;
	std::uint32_t default_count = 1, default_size = 1 << 20; ///< of the file system
};

/// "raid0", "mdt", "raid0,overstriped", or the number.
[[nodiscard]] std::string pattern_text(std::uint32_t pattern);
/// "init,stale"; "0" for none.
[[nodiscard]] std::string component_flags_text(std::uint32_t flags);
/// The other way: names joined by commas, each perhaps with ^ before it. False: an unknown one.
[[nodiscard]] bool parse_component_flags(const std::string &s, std::uint32_t &set,
					 std::uint32_t &cleared);
/// Where the first object lies, or shall lie; -1: anywhere.
[[nodiscard]] std::int64_t stripe_offset(const Component &c);
/// 0xffff is -1, and so on.
[[nodiscard]] std::int64_t stripe_count(const Component &c);
/// Stripe size in bytes; an extension component's is stored in another unit.
[[nodiscard]] std::uint64_t stripe_size(const Component &c);

/// Everything getstripe prints for one file or directory.
[[nodiscard]] std::string show_layout(const Layout &l, const Subject &s, const ShowOptions &o);

} // namespace lfs
