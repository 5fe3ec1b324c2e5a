// SPDX-License-Identifier: GPL-2.0
//
// OST pools and lists of targets, as the client's parameters have them.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "lfs/kernel.hpp"

namespace lfs
{

struct Pool {
	std::vector<std::string> members; ///< "lustre-OST0000_UUID"
	[[nodiscard]] bool contains(const std::string &uuid) const
	{
		return std::find(members.begin(), members.end(), uuid) != members.end();
	}
};

/// -ENOENT: no such pool. -ENXIO: this client does not tell about pools.
int read_pool(const std::string &fsname, const std::string &name, Pool &out);
int list_pools(const std::string &fsname, std::vector<std::string> &out);

/// A target as `lfs osts` lists it.
struct Target {
	std::uint32_t index;
	std::string uuid;
	bool active;
};
/// Lines "0: lustre-OST0000_UUID ACTIVE"; others are left out.
[[nodiscard]] std::vector<Target> parse_targets(const std::string &text);
/// The targets of a mount, from the parameter target_obd, or by asking for each in turn where that
/// is not to be read.
int list_targets(int fd, TargetKind kind, std::vector<Target> &out);
/// The first value of a parameter, by its pattern; false when there is none.
bool read_parameter(const std::string &pattern, std::string &out);

} // namespace lfs
