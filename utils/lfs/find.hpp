// SPDX-License-Identifier: GPL-2.0
//
// The tests of lfs find (spec 08 section 3.10): parsing them, and deciding about one entry. No file
// is touched here; the walk (cmd_find.cpp) fetches what a test says it needs.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lfs/layout.hpp"
#include "lfs/layout_make.hpp"

namespace lfs
{

/// An object of the walk. The functions fetch on demand, and may be called again and again.
struct Entry {
	std::string path, name;
	struct stat st{};
	std::int64_t birth = 0; ///< seconds; 0: not known
	/// The layout; null when there is none.
	std::function<const Layout *()> layout;
	std::function<std::optional<wire::Fid>()> fid;
	std::function<std::optional<std::uint32_t>()> mdt;
	std::function<std::optional<std::uint32_t>()> projid;
};

using Test = std::function<bool(const Entry &)>;

struct FindRequest {
	std::vector<std::string> paths;
	std::vector<Test> tests; ///< all must hold
	std::optional<unsigned> max_depth, min_depth;
	enum class Output { print, print0, printf, ls } output = Output::print;
	std::string format;
	bool lazy = false;	  ///< sizes as the MDT knows them
	bool wants_sizes = false; ///< some test or the output looks at size or blocks
	/// OSTs and MDTs named by uuid: the walk replaces them by indices before it begins.
	struct Names {
		bool ost;
		std::string uuid;
		std::shared_ptr<std::uint32_t> index;
	};
	std::vector<Names> names;
};

/// `now` in seconds since 1970.
[[nodiscard]] std::expected<FindRequest, Refusal> parse_find(int argc, char **argv,
							     std::int64_t now);
[[nodiscard]] bool matches(const FindRequest &r, const Entry &e);
/// The output of -printf and of -ls for an entry.
[[nodiscard]] std::string format_entry(const std::string &format, const Entry &e);
[[nodiscard]] std::string ls_entry(const Entry &e);

} // namespace lfs
