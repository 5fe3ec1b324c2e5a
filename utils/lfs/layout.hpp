// SPDX-License-Identifier: GPL-2.0
//
// The layout of a file or the default of a directory, decoded from what the kernel gave back: the
// user forms of wire/layout.hpp. Every length in them is checked against the buffer, because the
// bytes came from a server.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "libcfs/bytes.hpp"
#include "wire/layout.hpp"

namespace lfs
{

/// An object of a stripe.
struct Object {
	wire::OstId id;
	std::uint32_t ost;
};

/// A component. A plain layout is one, over the whole file.
struct Component {
	std::uint32_t id = 0;	 ///< mirror and number; 0: none yet
	std::uint32_t flags = 0; ///< LCME_FL_*
	std::uint64_t start = 0;
	std::uint64_t end = wire::LUSTRE_EOF;
	std::uint64_t timestamp = 0;
	std::uint32_t offset = 0; ///< of its layout in the whole
	std::uint32_t size = 0;	  ///< and its length
	std::uint32_t magic = wire::LOV_USER_MAGIC_V1;
	std::uint32_t pattern = 0;
	wire::OstId oi{};
	std::uint32_t stripe_size = 0;
	std::uint16_t stripe_count = 0;
	std::uint16_t generation = 0; ///< stripe offset where there are no objects
	std::string pool;
	std::vector<Object> objects;

	[[nodiscard]] bool instantiated() const { return (flags & wire::LCME_FL_INIT) != 0; }
	[[nodiscard]] bool extension() const { return (flags & wire::LCME_FL_EXTENSION) != 0; }
	[[nodiscard]] bool on_mdt() const { return (pattern & wire::LOV_PATTERN_MDT) != 0; }
	[[nodiscard]] std::uint32_t mirror() const
	{
		return (id & wire::MIRROR_ID_MASK) >> wire::MIRROR_ID_SHIFT;
	}
};

struct Layout {
	enum class Kind { plain, composite, foreign } kind = Kind::plain;
	/// Composite: lcm_*. mirrors counts them all.
	std::uint32_t magic = 0, size = 0, generation = 0;
	std::uint16_t flags = 0, mirrors = 1;
	std::vector<Component> components;
	/// Foreign: lfm_*.
	std::uint32_t foreign_type = 0, foreign_flags = 0;
	std::string foreign_value;

	/// The component that stands for a composite file where one value is wanted: the last one
	/// that has objects, else the first. Null only for foreign layouts.
	[[nodiscard]] const Component *representative() const;
};

/// What the bytes belong to. A directory's default has no objects behind it.
enum class Owner { file, directory };

/// Decodes the beginning of a buffer; it may be longer than the layout. The error says what is
/// wrong.
[[nodiscard]] std::expected<Layout, std::string> decode_layout(cfs::Bytes buffer, Owner owner);

} // namespace lfs
