// SPDX-License-Identifier: GPL-2.0
//
// Extended attributes by their full names (spec 06 section 11).
#pragma once

#include "client/inode.hpp"

namespace client
{

/// The length; `to` empty asks for it. err::NODATA, err::RANGE, err::OPNOTSUPP...
[[nodiscard]] Result<std::size_t> get_xattr(Inode &i, std::string_view name,
					    cfs::MutBytes to) noexcept;
[[nodiscard]] Result<> set_xattr(Inode &i, std::string_view name, cfs::Bytes value, bool create,
				 bool replace) noexcept;
[[nodiscard]] Result<> remove_xattr(Inode &i, std::string_view name) noexcept;
[[nodiscard]] Result<std::size_t> list_xattr(Inode &i, std::span<char> to) noexcept;

} // namespace client
