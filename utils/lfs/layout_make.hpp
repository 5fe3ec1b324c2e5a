// SPDX-License-Identifier: GPL-2.0
//
// Layouts as setstripe asks for them: from options to the bytes that the kernel takes (06 16.3).
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "lfs/layout.hpp"

namespace lfs
{

/// Why a request is refused. `help`: wrong usage, the command's help is shown.
struct Refusal {
	int status;
	std::string message; ///< lines without the last newline
	bool help = false;
};

/// A component that is wanted; what is not set is left to the file system.
struct ComponentRequest {
	std::uint64_t start = 0;
	std::uint64_t end = wire::LUSTRE_EOF;
	std::optional<std::int64_t> count; ///< -1 all; overstriped: -1 to -32 per OST
	std::optional<std::uint64_t> size;
	std::optional<std::int64_t> index;
	std::vector<std::uint32_t> osts;
	std::string pool;
	std::uint32_t flags = 0;
	std::uint32_t id = 0;
	bool on_mdt = false, overstriped = false;
	std::optional<std::uint64_t> extension;
};

/// What a command line asks for.
struct LayoutRequest {
	std::vector<ComponentRequest> components; ///< a plain layout: one that is not `composite`
	bool composite = false;
	bool remove = false; ///< -d
	unsigned mirrors = 1;
	enum class Change { none, add, remove, flags } change = Change::none;
	std::optional<std::uint32_t> change_id;
	std::uint32_t set_flags = 0, cleared_flags = 0;
	bool foreign = false;
	std::uint32_t foreign_type = wire::LU_FOREIGN_TYPE_NONE, foreign_flags = 0;
	std::string foreign_value;
	unsigned mode = 0666;
	std::string copy_from;
	std::vector<std::string> operands;
};

/// Reads the command line of setstripe; `command` is the word that messages begin with.
[[nodiscard]] std::expected<LayoutRequest, Refusal> parse_setstripe(const char *command, int argc,
								    char **argv);
/// The bytes of a whole layout, or those of a change to one.
[[nodiscard]] std::vector<std::byte> encode_layout(const LayoutRequest &r);
/// The request that makes a file like another one; its objects do not count.
[[nodiscard]] LayoutRequest request_like(const Layout &l);

} // namespace lfs
