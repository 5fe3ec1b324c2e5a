// SPDX-License-Identifier: GPL-2.0
//
// What mount.lustre gives to mount(2) (spec 06 section 1.2, 07 section 4.2). Pure text.
#pragma once

#include <string>

#include "mkfs/disk_data.hpp"

namespace mounting
{

/// The words of -o, sorted by who reads them.
struct Options {
	unsigned long flags = 0; ///< MS_*
	std::string kernel;	 ///< for the kernel's part of Lustre
	std::string user;	 ///< for utab: _netdev and the like
	int retries = 0;
	bool force = false;
	bool remount = false;
};

/// Sorts the words of -o; EINVAL with a message for a bad value.
mkfs::Outcome<Options> parse_options(const std::string &text);

/// A source that names a client mount: NIDs, ":/", file system.
bool is_client_source(const std::string &source);

/// A client's source with addresses for host names; `mgsname` is what stood there if that changed
/// anything, else empty.
struct ClientSource {
	std::string source, mgsname, fsname;
};
mkfs::Outcome<ClientSource> resolve_source(const std::string &source);

/// The option string of a client: `device=` last.
std::string client_options(const Options &o, const ClientSource &s);

/// The option string of a target; `svname=` behind everything but `device=`, because values have
/// commas in them and the kernel relies on this order. EINVAL: nobody said where the MGS is.
mkfs::Outcome<std::string> server_options(const Options &o, const mkfs::DiskData &d,
					  const std::string &device);

/// What to try when mount(2) failed with this error; lines, each with its end.
std::string advice(int error, const std::string &source, const std::string &fsname, bool client);

} // namespace mounting
