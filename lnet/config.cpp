// SPDX-License-Identifier: GPL-2.0
//
// Parsers of module parameters; see config.hpp.

#include "lnet/config.hpp"

#include <algorithm>

#include "libcfs/parse.hpp"

namespace lnet
{

using namespace cfs::err;

namespace
{

cfs::Result<> add(NetworksSpec &out, Net net, std::string_view name) noexcept
{
	if (name.size() > NetworkSpec::kNameMax)
		return cfs::fail(INVAL);
	if (net_type(net) == LndType::lo)
		return {};
	if (out.count == NetworksSpec::kMax)
		return cfs::fail(NOSPC);
	NetworkSpec &s = out.list[out.count++];
	s.net = net;
	std::copy(name.begin(), name.end(), s.name.begin());
	return {};
}

/// The interfaces between the parentheses: at least one, none empty.
cfs::Result<> add_interfaces(NetworksSpec &out, Net net, std::string_view list) noexcept
{
	for (;;) {
		std::size_t comma = list.find(',');
		std::string_view name = cfs::trim(list.substr(0, comma));
		if (name.empty())
			return cfs::fail(INVAL);
		TRY(add(out, net, name));
		if (comma == std::string_view::npos)
			return {};
		list.remove_prefix(comma + 1);
	}
}

/// Takes one network off the front of `rest`, and the comma behind it.
cfs::Result<> take_network(NetworksSpec &out, std::string_view &rest) noexcept
{
	std::size_t end = rest.find_first_of(",(");
	Net net = TRY(parse_net(cfs::trim(rest.substr(0, end))));
	if (end == std::string_view::npos) {
		rest = {};
		return add(out, net, {});
	}
	if (rest[end] == '(') {
		std::size_t close = rest.find(')', end);
		if (close == std::string_view::npos)
			return cfs::fail(INVAL);
		std::string_view list = rest.substr(0, close);
		list.remove_prefix(end + 1);
		TRY(add_interfaces(out, net, list));
		rest.remove_prefix(close + 1);
		rest = cfs::trim(rest);
		if (rest.empty())
			return {};
		if (rest.front() != ',')
			return cfs::fail(INVAL);
		end = 0;
	} else {
		TRY(add(out, net, {}));
	}
	rest.remove_prefix(end + 1);
	rest = cfs::trim(rest);
	if (rest.empty()) // a comma with nothing behind it
		return cfs::fail(INVAL);
	return {};
}

} // namespace

cfs::Result<NetworksSpec> parse_networks(std::string_view text) noexcept
{
	NetworksSpec out;
	out.list = TRY(cfs::Array<NetworkSpec>::make(CFS_S_LNET, NetworksSpec::kMax));
	std::string_view rest = cfs::trim(text);
	if (rest.find_first_of("[]") != std::string_view::npos)
		return cfs::fail(OPNOTSUPP);
	if (rest.empty())
		TRY(add(out, make_net(LndType::tcp, 0), {}));
	while (!rest.empty())
		TRY(take_network(out, rest));
	return out;
}

} // namespace lnet
