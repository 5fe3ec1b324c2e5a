// SPDX-License-Identifier: GPL-2.0
//
// The options of a server mount, as mount.lustre passes them to mount(2) (spec 07 section 4.3).
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "libcfs/format.hpp"
#include "libcfs/result.hpp"
#include "wire/types.hpp"

namespace server
{

using wire::u16;
using wire::u32;

struct TargetOptions {
	static constexpr std::size_t kNodesMax = 16;
	static constexpr std::size_t kParamsMax = 64;
	static constexpr std::size_t kBackingMax = 512;

	// Pieces of the text that was parsed.
	std::string_view svname; ///< "lustre-OST0000", or "MGS"
	std::string_view device; ///< the block device
	std::string_view osd;	 ///< "osd-ldiskfs"
	std::string_view exclude;
	std::array<std::string_view, kNodesMax> mgs_nodes; ///< NIDs by ',', nodes by ':'
	std::size_t mgs_node_count = 0;
	std::array<std::string_view, kParamsMax> params; ///< "key=value", to be registered
	std::size_t param_count = 0;

	bool mgs = false;    ///< the device has an MGS, too
	bool no_mgs = false; ///< ... which is not to be started
	bool no_service = false;
	bool virgin = false;
	bool update = false;
	bool writeconf = false;
	bool no_scrub = false;
	bool no_ir = false;    ///< clients are not told of the start
	u32 recovery_soft = 0; ///< seconds; 0: the usual
	u32 recovery_hard = 0;
	/// For the backing file system, comma separated.
	std::array<char, kBackingMax> backing{};
	std::size_t backing_length = 0;

	/// An MGS alone.
	[[nodiscard]] bool only_mgs() const noexcept { return svname == "MGS"; }
	[[nodiscard]] std::string_view param(std::string_view key) const noexcept;

	/// The text must outlive `out`. err::NODEV (no device=), err::INVAL (no svname=, a value
	/// that makes no sense), err::OPNOTSUPP (what is not built), err::NOSPC (too many values).
	/// *bad becomes the word at fault.
	[[nodiscard]] static cfs::Result<> parse(std::string_view text, TargetOptions &out,
						 std::string_view *bad) noexcept;
	/// ",svname=...,mgsnode=...,osd=..." as in /proc/mounts.
	void show(cfs::FormatSink &out) const noexcept;

private:
	/// What a word with commas in its value goes on with.
	enum class Open : wire::u8 { none, node, param };
	[[nodiscard]] cfs::Result<Open> word(std::string_view w) noexcept;
	[[nodiscard]] cfs::Result<bool> flag(std::string_view w) noexcept;
	[[nodiscard]] cfs::Result<> add_backing(std::string_view w) noexcept;
};

} // namespace server
