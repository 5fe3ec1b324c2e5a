// SPDX-License-Identifier: GPL-2.0
//
// Module parameters that are small languages (spec 01 section 15.1).
#pragma once

#include <string_view>

#include "libcfs/mem.hpp"
#include "lnet/config_text.hpp"
#include "lnet/control.hpp"
#include "lnet/nid.hpp"

namespace lnet
{

/// What `networks` says, in its order.
struct NetworksSpec {
	static constexpr std::size_t kMax = 32; ///< interfaces

	cfs::Array<NetworkSpec> list; ///< kMax entries
	std::size_t count = 0;
};

/// Reads `networks` (NetworksReader). An empty text is `tcp`. err::INVAL for what is not of that
/// form, err::RANGE for CPU partitions beyond CptSet::kMax, err::NOSPC for more than kMax
/// interfaces.
[[nodiscard]] cfs::Result<NetworksSpec> parse_networks(std::string_view text) noexcept;

/// Reads `ip2nets`: of entries like `tcp(eth0) 192.168.1.[2-8/2]; o2ib 10.*.*.*` the networks of
/// those that have one of the node's addresses (IPv4, host order); of each network the first entry
/// counts. An entry without an address is for every node. Errors as above.
[[nodiscard]] cfs::Result<NetworksSpec> parse_ip2nets(std::string_view text,
						      std::span<const std::uint32_t> own) noexcept;

/// What `routes` says, in its order.
struct RoutesSpec {
	static constexpr std::size_t kMax = 1024;

	cfs::Array<RouteSpec> list; ///< kMax entries
	std::size_t count = 0;
};

/// Reads entries like `tcp1 1 192.168.1.[1-4]@tcp:2; o2ib[0-1] 10.0.0.1@tcp`: network, hops (may be
/// left out), gateways with an optional priority. err::INVAL; err::NOSPC: more than kMax.
[[nodiscard]] cfs::Result<RoutesSpec> parse_routes(std::string_view text) noexcept;

} // namespace lnet
