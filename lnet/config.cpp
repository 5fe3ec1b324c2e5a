// SPDX-License-Identifier: GPL-2.0
//
// Parsers of module parameters; see config.hpp.

#include "lnet/config.hpp"

#include "libcfs/parse.hpp"

namespace lnet
{

using namespace cfs::err;

cfs::Result<NetworksSpec> parse_networks(std::string_view text) noexcept
{
	NetworksSpec out;
	out.list = TRY(cfs::Array<NetworkSpec>::make(CFS_S_LNET, NetworksSpec::kMax));
	NetworksReader reader(cfs::trim(text).empty() ? "tcp" : text);
	NetworkSpec one;
	while (TRY(reader.next(one))) {
		if (out.count == NetworksSpec::kMax)
			return cfs::fail(NOSPC);
		out.list[out.count++] = one;
	}
	return out;
}

} // namespace lnet
