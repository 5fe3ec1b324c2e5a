// SPDX-License-Identifier: GPL-2.0
//
// The parameter files of a hosted node, as a user of sysfs and debugfs would see them. For tests
// and for hosted tools. Paths count from the root of the tree: "fs/lustre/version".
//
// All calls may sleep. Reading calls the show function twice with a buffer that is too small first,
// as the kernel may, so a show with side effects is found.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "libcfs/plat/param.h"
#include "libcfs/result.hpp"

namespace cfs::host
{

struct ParamFile {
	std::string path;
	unsigned mode = 0;
};

/// Every file at or below the folder `below` (all when empty), sorted by path. node: null for the
/// node of the calling thread.
[[nodiscard]] std::vector<ParamFile> param_list(cfs_node *node, cfs_ptree tree,
						std::string_view below = {});
/// Every folder likewise.
[[nodiscard]] std::vector<std::string> param_folders(cfs_node *node, cfs_ptree tree,
						     std::string_view below = {});

/// The text of a file. err::NOENT; err::ACCES for a mode without read; err::TOOBIG for a sysfs file
/// over a page; or what show returned.
[[nodiscard]] Result<std::string> param_get(cfs_node *node, cfs_ptree tree, std::string_view path);

/// Writes a file, as `echo text > path` does when text ends with a newline. err::NOENT; err::ACCES
/// for a mode without write; or what store returned.
[[nodiscard]] Result<> param_set(cfs_node *node, cfs_ptree tree, std::string_view path,
				 std::string_view text);

} // namespace cfs::host
