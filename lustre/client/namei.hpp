// SPDX-License-Identifier: GPL-2.0
//
// Names: lookup, making, moving and removing them.
#pragma once

#include "client/open_file.hpp"

namespace client
{

[[nodiscard]] Result<> lookup(Inode &dir, std::string_view name, u32 flags,
			      lustre_found &out) noexcept;
[[nodiscard]] Result<> lookup_fid(Mount &m, const wire::Fid &fid, lustre_found &out) noexcept;
/// rdev, target: of what has one.
[[nodiscard]] Result<> make_name(Inode &dir, std::string_view name, u32 mode, u64 rdev,
				 std::string_view target, lustre_found &out) noexcept;
[[nodiscard]] Result<> link(Inode &i, Inode &dir, std::string_view name) noexcept;
[[nodiscard]] Result<> unlink(Inode &dir, std::string_view name, Inode &victim,
			      bool is_dir) noexcept;
[[nodiscard]] Result<> rename(Inode &from, std::string_view name, Inode &i, Inode &to,
			      std::string_view new_name, Inode *target) noexcept;
/// Lookup, creation and opening at once. No file for what has no handle.
[[nodiscard]] Result<cfs::UniquePtr<OpenFile>> open_name(Inode &dir, std::string_view name,
							 u32 flags, u32 mode, lustre_found &out,
							 bool &created) noexcept;

} // namespace client
