// SPDX-License-Identifier: GPL-2.0
//
// Parameters as files: from the dotted names that users write to paths, and back (spec 08
// section 2.3).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lctl
{

/// A parameter, or a folder of them, that a pattern matched.
struct Match {
	std::string path; ///< in sysfs, debugfs or procfs
	std::string name; ///< dotted, without the root
	bool directory = false;
	bool link = false;
	bool readable = false; ///< by its owner
	bool writable = false;
};

/// A pattern's path form: dots become slashes, but not those of a NID.
[[nodiscard]] std::string slashed(std::string_view pattern);
/// The dotted name of a path: what follows the first /lustre/ or /lnet/.
[[nodiscard]] std::string dotted(std::string_view path);
/// Everything the pattern matches below any root, in the order of roots. `root` replaces "/" in
/// tests.
[[nodiscard]] std::vector<Match> find(std::string_view pattern, bool recursive,
				      const std::string &root);

/// 0 or an errno; the text with its newlines.
[[nodiscard]] int read_value(const std::string &path, std::string &out);
/// One write of the whole text. 0 or an errno.
[[nodiscard]] int write_value(const std::string &path, std::string_view value);

} // namespace lctl
