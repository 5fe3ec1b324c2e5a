// SPDX-License-Identifier: GPL-2.0
//
// The command lines of mkfs.lustre and tunefs.lustre (spec 07 sections 3.5 and 3.6, 08 section 5).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mkfs/disk_data.hpp"

namespace mkfs
{

enum class Tool { mkfs, tunefs };

/// A parameter as the command line asks for it; in the order of the command line.
struct ParamChange {
	enum class Kind { append, set } kind;
	std::string key; ///< empty: `value` stands as it is
	std::string value;
	bool sets_update = true;
};

struct Request {
	Tool tool = Tool::mkfs;
	std::string device;
	bool mgs = false, nomgs = false, mdt = false, ost = false;
	bool reformat = false, replace = false, dryrun = false, quiet = false;
	int verbose = 0;
	std::optional<std::string> fsname, mount_opts, comment;
	std::optional<std::uint32_t> index;
	std::string mkfs_options;
	std::uint64_t device_kb = 0;
	std::uint32_t stripe_count_hint = 0;
	bool failnode = false, servicenode = false;
	std::vector<ParamChange> params;
	// tunefs only
	bool erase_params = false, writeconf = false, nolocallogs = false;
	std::vector<std::string> erase;
	/// Help or version was asked for and printed.
	bool done = false;
};

/// Parses; messages of getopt go to stderr as users know them.
Outcome<Request> parse_command_line(Tool tool, int argc, char **argv);

/// A new target's configuration; warnings go to `warnings`, a line each.
Outcome<DiskData> new_target(const Request &r, std::string &warnings);

/// Changes an existing target's configuration, whose state is that of its label.
Outcome<> change_target(const Request &r, DiskData &data);

/// Prints one message of a tool.
void report_line(const char *tool, const Failure &f);
/// Prints why a tool ends; returns the exit status.
int report(const char *tool, const Failure &f);

} // namespace mkfs
