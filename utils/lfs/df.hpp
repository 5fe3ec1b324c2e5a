// SPDX-License-Identifier: GPL-2.0
//
// The table of lfs df (spec 08 section 3.4): from statistics of targets to text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lfs/kernel.hpp"

namespace lfs
{

enum class Column { source, inodes, iused, ifree, ipercent, size, used, avail, percent, target };

struct DfOptions {
	bool inodes = false;
	unsigned human = 0; ///< 1024 or 1000: with letters; 0: plain
	bool lazy = false;  ///< ask no server
	bool verbose = false;
	bool header = true, summary = true, only_summary = false;
	bool mdts = true, osts = true;
	std::optional<std::uint32_t> mdt, ost; ///< that one only
	std::string fsname, pool;
	std::vector<Column> columns; ///< empty: the usual ones
};

/// A command line of lfs df.
struct DfRequest : DfOptions {
	bool only_mdts = false, only_osts = false;
};
/// False: wrong usage. Leaves optind at the first operand.
[[nodiscard]] bool parse_df(int argc, char **argv, DfRequest &r);

/// What became of one target.
struct TargetState {
	TargetKind kind;
	std::uint32_t index;
	std::string uuid; ///< empty where it is not known
	int error = 0;	  ///< 0, or a positive errno: ENODATA is an inactive one
	wire::ObdStatfs stat{};
};

/// Columns by the names of df(1); empty when one is unknown.
[[nodiscard]] std::vector<Column> parse_columns(const std::string &list);
/// A number as -h shows it: as wide as a column, or bare where no letter is wanted.
[[nodiscard]] std::string human_number(std::uint64_t v, unsigned base);
/// "DR", and so on; letters behind `verbose` ones only then.
[[nodiscard]] std::string state_letters(std::uint32_t state, bool verbose);
/// The whole table of a mount.
[[nodiscard]] std::string df_table(const std::vector<TargetState> &targets,
				   const std::string &mount_dir, const DfOptions &o);

} // namespace lfs
