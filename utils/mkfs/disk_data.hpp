// SPDX-License-Identifier: GPL-2.0
//
// What the tools know of a target: its CONFIGS/mountdata and its label (spec 07 sections 3.1, 3.2).
// Text and bytes only; backing.hpp brings them from and to a device.
//
// Invariant: the label decides whether a target is registered; the flags of a mountdata that was
// read are brought in line with it by adopt_label() before anything looks at them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mkfs/failure.hpp"
#include "wire/disk_target.hpp"

namespace mkfs
{

/// Index of a target that has none yet.
inline constexpr std::uint32_t kNoIndex = 0xffff;
/// Indices that tools accept are below this.
inline constexpr std::uint32_t kMaxIndex = 65504;

/// A target's configuration as the tools work on it.
struct DiskData {
	std::uint32_t flags = 0; ///< wire::LDD_F_*
	std::uint32_t index = kNoIndex;
	std::string fsname, uuid, comment, mount_opts;
	std::string svname; ///< as stored: with the character of the registration state
	std::uint32_t mount_type = static_cast<std::uint32_t>(wire::LddMountType::LDD_MT_LDISKFS);
	std::uint32_t config_ver = 1;
	std::vector<std::string> params; ///< "key=value", in order

	[[nodiscard]] bool is(std::uint32_t flag) const { return flags & flag; }
	[[nodiscard]] bool is_mgs() const { return is(wire::LDD_F_SV_TYPE_MGS); }
	[[nodiscard]] bool is_mdt() const { return is(wire::LDD_F_SV_TYPE_MDT); }
	[[nodiscard]] bool is_ost() const { return is(wire::LDD_F_SV_TYPE_OST); }
	/// An MGS that is nothing else.
	[[nodiscard]] bool only_mgs() const { return is_mgs() && !is_mdt() && !is_ost(); }

	/// The target's name with the separator for its state: '-' registered, ':' new,
	/// '=' logs to be written anew, '+' no local logs. "MGS" for an MGS alone.
	[[nodiscard]] std::string make_label() const;
	/// The name under which it is known: the label with '-'.
	[[nodiscard]] std::string server_name() const;

	/// Takes name and state from a label; -> false: it is not one of ours.
	bool adopt_label(std::string_view label);

	/// Values of all `key=` parameters.
	[[nodiscard]] std::vector<std::string> values(std::string_view key) const;
	/// Adds a value to the one parameter `key`, separated by ':'.
	void append_param(std::string_view key, std::string_view value);
	/// Removes every `key=`.
	void erase_param(std::string_view key);
};

/// Reads the 12288 bytes of a mountdata file; a wrong size, magic or text without an end fails.
Outcome<DiskData> decode(std::string_view bytes);
/// The 12288 bytes. Fails for texts that do not fit.
Outcome<std::string> encode(const DiskData &data);

/// The block that both tools print, e.g. under "Permanent disk data".
std::string describe(const DiskData &data, std::string_view heading);

/// 1 to 8 of [A-Za-z0-9_-].
Outcome<> check_fsname(std::string_view name);
/// A decimal number or a hexadecimal one with 0x.
Outcome<std::uint32_t> parse_index(const std::string &text);

} // namespace mkfs
