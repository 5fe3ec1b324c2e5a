// SPDX-License-Identifier: GPL-2.0
//
// An open file or directory of the client: its handle at the MDT, and where a reader of a directory
// is.
#pragma once

#include "client/inode.hpp"

namespace client
{

class OpenFile final : public ::lustre_open
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LLITE;

	OpenFile(Inode &i, OpenHandleRef h, u32 flags) noexcept
	    : inode(i), flags(flags), handle(std::move(h))
	{
	}
	[[nodiscard]] static OpenFile &of(lustre_open *o) noexcept
	{
		return *static_cast<OpenFile *>(o);
	}

	Inode &inode;
	const u32 flags; ///< O_*
	OpenHandleRef handle;
	std::atomic<bool> written{false};
	DirReader reader; ///< readers of one file come one at a time
};

/// O_* as open(2) has them on x86.
inline constexpr u32 kOWronly = 01, kORdwr = 02, kOAccmode = 03, kOCreat = 0100, kOExcl = 0200,
		     kONoctty = 0400, kOTrunc = 01000, kOAppend = 02000, kONonblock = 04000,
		     kODsync = 010000, kOFasync = 020000, kODirectory = 0200000, kOSync = 04010000;

/// MDS_OPEN_* and MDS_FMODE_* of them.
[[nodiscard]] u64 open_flags(u32 flags, bool exec) noexcept;
/// Opens an inode by its FID. layout: with more MDS_OPEN_* in `extra`.
[[nodiscard]] Result<cfs::UniquePtr<OpenFile>> open_inode(Inode &i, u32 flags, u64 extra, bool exec,
							  cfs::Bytes layout) noexcept;
void close_file(cfs::UniquePtr<OpenFile> file) noexcept;

} // namespace client
