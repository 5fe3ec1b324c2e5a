// SPDX-License-Identifier: GPL-2.0
//
// MDT layouts of directories: what getdirstripe prints and what mkdir asks for (spec 08 section
// 3.3).
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "lfs/kernel.hpp"
#include "lfs/layout_make.hpp"

namespace lfs
{

struct DirShow {
	bool count = false, index = false, hash = false, fid = false; ///< selected fields
	bool inherit = false, inherit_rr = false;
	bool defaults = false; ///< -D
	bool verbose = false, yaml = false, hex_index = false;

	[[nodiscard]] bool selected() const
	{
		return count || index || hash || fid || inherit || inherit_rr;
	}
};

/// A command line of getdirstripe.
struct GetDirRequest : DirShow {
	bool recursive = false, raw = false;
};
/// False: an unknown option. Leaves optind at the first operand.
[[nodiscard]] bool parse_getdirstripe(int argc, char **argv, GetDirRequest &r);

/// "fnv_1a_64", "crush,migrating".
[[nodiscard]] std::string hash_text(std::uint32_t hash);
/// The type by its name, or its number; flags are not set by users.
[[nodiscard]] std::optional<std::uint32_t> parse_hash(const std::string &s);
/// How deep a default is inherited, as users count: -1 without end, 0 not at all.
[[nodiscard]] int inherit_shown(std::uint8_t stored);
[[nodiscard]] int inherit_rr_shown(std::uint8_t stored);

/// Everything for one directory; `fid` is its own.
[[nodiscard]] std::string show_dir(const DirLayout &l, const wire::Fid &fid, const DirShow &o);

struct DirRequest {
	bool defaults = false, remove = false;
	std::uint32_t count = 0;
	bool overstriped = false;
	std::vector<std::uint32_t> mdts; ///< empty: any
	std::uint32_t hash = 0;
	std::optional<int> inherit, inherit_rr;
	std::optional<unsigned> mode;
	bool foreign = false;
	std::uint32_t foreign_type = 0, foreign_flags = 0;
	std::string foreign_value;
	std::vector<std::string> operands;
};

[[nodiscard]] std::expected<DirRequest, Refusal> parse_setdirstripe(const char *command, int argc,
								    char **argv);
/// Head and MDTs as the kernel takes them.
[[nodiscard]] wire::LmvUserMdV1 dir_head(const DirRequest &r);
[[nodiscard]] std::vector<wire::LmvUserMdsData> dir_mdts(const DirRequest &r);
/// Both in one block, or the foreign layout.
[[nodiscard]] std::vector<std::byte> encode_dir(const DirRequest &r);

} // namespace lfs
