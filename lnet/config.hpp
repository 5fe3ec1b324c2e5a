// SPDX-License-Identifier: GPL-2.0
//
// Module parameters that are small languages (spec 01 section 15.1).
#pragma once

#include <array>
#include <string_view>

#include "libcfs/mem.hpp"
#include "lnet/nid.hpp"

namespace lnet
{

/// One interface to bring up.
struct NetworkSpec {
	static constexpr std::size_t kNameMax = 15; ///< of a network interface

	Net net{};
	std::array<char, kNameMax + 1> name{}; ///< NUL-terminated; empty: the driver's choice
	[[nodiscard]] std::string_view if_name() const noexcept { return name.data(); }
};

/// What `networks` says, in its order.
struct NetworksSpec {
	static constexpr std::size_t kMax = 32; ///< interfaces

	cfs::Array<NetworkSpec> list; ///< kMax entries
	std::size_t count = 0;
};

/// Reads `tcp0(eth0,eth1),o2ib(ib0)`. Entries of network `lo` count for nothing; an empty text is
/// `tcp`. err::INVAL for what is not of that form, err::OPNOTSUPP for CPT lists (`tcp[0,1](eth0)`),
/// err::NOSPC for more than kMax interfaces.
[[nodiscard]] cfs::Result<NetworksSpec> parse_networks(std::string_view text) noexcept;

} // namespace lnet
