// SPDX-License-Identifier: GPL-2.0
//
// The options of a client mount, as mount.lustre passes them to mount(2), and their form in
// /proc/mounts (spec 06 sections 1.1 to 1.3).
#pragma once

#include <string_view>

#include "client/ident.hpp"
#include "libcfs/format.hpp"
#include "libcfs/result.hpp"

namespace client
{

/// What can be switched on and off; a bit each in MountOptions::on.
enum class MountSwitch : u32 {
	api32,	     // 32bitapi
	always_ping, // although servers do not want it
	checksum,    // of bulk data
	flock,	     // locks of applications hold for all clients
	localflock,  // ... or on this node only
	lazystatfs,  // statfs does not wait for servers that are away
	lruresize,   // servers decide how many locks are kept
	noir,	     // is not told where targets run
	statfs_project,
	user_fid2path,
	user_xattr,
	verbose, // mount and umount are told on the console
};

enum class FlockMode : u8 { none, local, cluster };

struct MountOptions {
	static constexpr std::size_t kFsnameMax = 8;

	// Pieces of the text that was parsed.
	std::string_view device;    ///< all of device=
	std::string_view mgs;	    ///< its nodes: NIDs by ',', fail-over nodes by ':'
	std::string_view extra_mgs; ///< mgsnode=, or empty
	std::string_view mgs_name;  ///< mgsname=, what /proc/mounts shows, or empty
	std::string_view fsname;    ///< 1 to 8 letters, digits, '_', '-'
	std::string_view fileset;   ///< the directory to mount, with its leading '/', or empty
	std::string_view exclude;   ///< exclude=, OST names by ':', or empty
	std::string_view network;   ///< network=, or empty
	u32 on = kDefault;

	[[nodiscard]] static constexpr u32 bit(MountSwitch s) noexcept
	{
		return u32{1} << static_cast<u32>(s);
	}
	static constexpr u32 kDefault = u32{1} << static_cast<u32>(MountSwitch::checksum) |
					u32{1} << static_cast<u32>(MountSwitch::flock) |
					u32{1} << static_cast<u32>(MountSwitch::lazystatfs) |
					u32{1} << static_cast<u32>(MountSwitch::lruresize) |
					u32{1} << static_cast<u32>(MountSwitch::statfs_project) |
					u32{1} << static_cast<u32>(MountSwitch::verbose);

	[[nodiscard]] constexpr bool has(MountSwitch s) const noexcept { return on & bit(s); }
	[[nodiscard]] constexpr FlockMode flock() const noexcept
	{
		return has(MountSwitch::localflock) ? FlockMode::local
		       : has(MountSwitch::flock)    ? FlockMode::cluster
						    : FlockMode::none;
	}

	/// The text must outlive the result. err::NODEV (no device=), err::INVAL (unknown word, bad
	/// device), err::NAMETOOLONG (fsname), err::OPNOTSUPP (encryption). *bad becomes the word
	/// at fault.
	[[nodiscard]] static cfs::Result<MountOptions> parse(std::string_view text,
							     std::string_view *bad) noexcept;
	/// ",checksum,noencrypt,flock..." as in /proc/mounts, behind "rw".
	void show(cfs::FormatSink &out) const noexcept;
};

} // namespace client
