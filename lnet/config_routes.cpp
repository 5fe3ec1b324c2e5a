// SPDX-License-Identifier: GPL-2.0
//
// `ip2nets` and `routes`; see config.hpp.

#include <algorithm>

#include "libcfs/parse.hpp"
#include "lnet/config.hpp"

namespace lnet
{

using namespace cfs::err;

namespace
{

constexpr std::string_view kBlanks = " \t\r";

cfs::Result<> add_gateways(RoutesSpec &out, Net net, std::uint32_t hops,
			   std::string_view word) noexcept
{
	RouteSpec r;
	r.net = net;
	r.hops = hops;
	// Behind the last colon, unless that is part of an IPv6 address.
	auto at = word.rfind('@');
	auto colon = word.rfind(':');
	if (colon != std::string_view::npos && at != std::string_view::npos && colon > at) {
		std::string_view priority = word;
		priority.remove_prefix(colon + 1);
		auto p = TRY(cfs::parse_u64(priority));
		if (p > UINT32_MAX)
			return cfs::fail(INVAL);
		r.priority = static_cast<std::uint32_t>(p);
		word = word.substr(0, colon);
	}
	auto gateways = TRY(Expansion::make(word));
	do {
		r.gateway = TRY(parse_nid(gateways.text()));
		if (out.count == RoutesSpec::kMax)
			return cfs::fail(NOSPC);
		out.list[out.count++] = r;
	} while (gateways.next());
	return {};
}

cfs::Result<> add_route_entry(RoutesSpec &out, std::string_view entry) noexcept
{
	std::string_view nets = cfs::next_word(entry, kBlanks);
	std::uint32_t hops = RouteSpec::kHopsUnset;
	std::string_view rest = entry, word = cfs::next_word(rest, kBlanks);
	if (word.find('@') == std::string_view::npos) {
		auto h = TRY(cfs::parse_u64(word));
		if (h < 1 || h > 255)
			return cfs::fail(INVAL);
		hops = static_cast<std::uint32_t>(h);
		entry = rest;
	}
	auto net = TRY(Expansion::make(nets));
	do {
		Net n = TRY(parse_net(net.text()));
		std::string_view words = entry, gateway = cfs::next_word(words, kBlanks);
		if (gateway.empty())
			return cfs::fail(INVAL);
		for (; !gateway.empty(); gateway = cfs::next_word(words, kBlanks))
			TRY(add_gateways(out, n, hops, gateway));
	} while (net.next());
	return {};
}

} // namespace

cfs::Result<NetworksSpec> parse_ip2nets(std::string_view text,
					std::span<const std::uint32_t> own) noexcept
{
	NetworksSpec out;
	out.list = TRY(cfs::Array<NetworkSpec>::make(CFS_S_LNET, NetworksSpec::kMax));
	for (std::string_view e = next_entry(text); !e.empty(); e = next_entry(text)) {
		auto spec = TRY(parse_networks(take_nets(e)));
		if (!TRY(is_meant(e, own)))
			continue;
		std::size_t before = out.count;
		for (std::size_t i = 0; i < spec.count; i++) {
			auto same = [&](const NetworkSpec &s) { return s.net == spec.list[i].net; };
			if (std::any_of(out.list.begin(), out.list.begin() + before, same))
				continue;
			if (out.count == NetworksSpec::kMax)
				return cfs::fail(NOSPC);
			out.list[out.count++] = spec.list[i];
		}
	}
	return out;
}

cfs::Result<RoutesSpec> parse_routes(std::string_view text) noexcept
{
	RoutesSpec out;
	if (cfs::trim(text).empty())
		return out;
	out.list = TRY(cfs::Array<RouteSpec>::make(CFS_S_LNET, RoutesSpec::kMax));
	for (std::string_view e = next_entry(text); !e.empty(); e = next_entry(text))
		TRY(add_route_entry(out, e));
	return out;
}

} // namespace lnet
