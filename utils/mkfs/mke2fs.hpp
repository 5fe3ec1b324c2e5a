// SPDX-License-Identifier: GPL-2.0
//
// The mke2fs command that formats a target's backing file system (spec 07 section 3.3). Pure text.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "mkfs/disk_data.hpp"

namespace mkfs
{

/// Smallest device that can hold a target.
inline constexpr std::uint64_t kMinDeviceKb = 32384;

struct FormatRequest {
	std::uint64_t device_kb = 0;
	std::string user_options; ///< of --mkfsoptions
	std::uint32_t stripe_count_hint = 0;
	/// Whether the installed mke2fs knows a feature.
	std::function<bool(const std::string &)> knows;
};

struct FormatCommand {
	std::string label;
	std::uint32_t block_size = 4096;
	std::uint64_t kb = 0; ///< of the device that are used
	std::string options;  ///< each preceded by a blank, as shown to the user
	std::string shown(const std::string &device) const;
	/// What to execute.
	std::vector<std::string> argv(const std::string &device) const;
};

/// Composes the command; what the user gave comes first and in place of our own choice. EINVAL for
/// a device too small, options given twice, an impossible block size.
Outcome<FormatCommand> compose(const DiskData &target, const FormatRequest &request);

} // namespace mkfs
