// SPDX-License-Identifier: GPL-2.0
//
// Names that outlive what they came from.
#pragma once

#include <algorithm>
#include <string_view>

#include "libcfs/result.hpp"

namespace client
{

/// A copy with a NUL at its end; err::NAMETOOLONG when there is no room, and nothing is changed.
template <std::size_t N>
[[nodiscard]] cfs::Result<> copy_text(char (&to)[N], std::string_view from) noexcept
{
	if (from.size() >= N)
		return cfs::fail(cfs::err::NAMETOOLONG);
	*std::copy(from.begin(), from.end(), to) = '\0';
	return {};
}

} // namespace client
