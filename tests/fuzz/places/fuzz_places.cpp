// SPDX-License-Identifier: GPL-2.0
//
// Fuzzes what a client makes of the MGS's answers about where targets run (spec 02 9.7). An input
// is the two versions that the answer is about, and the answer.
#include <cstdlib>

#include "libcfs/host/host.hpp"
#include "libcfs/plat/core.h"
#include "mgc/places.hpp"

namespace
{

class Checker final : public mgc::TargetFollower
{
public:
	void target_at(const mgc::TargetPlace &p) noexcept override
	{
		if (p.nids.empty() || p.nids.size() > 255 || p.index == 0xffff)
			std::abort();
		for (const lnet::Nid &n : p.nids)
			if (n.is_lo() || n.is_none() || n.is_any())
				std::abort();
	}
};

void tell_one(cfs::Bytes input)
{
	cfs::Reader in(input);
	auto first = in.view<wire::le64>();
	auto last = in.view<wire::le64>();
	if (!first || !last)
		return;
	Checker checker;
	std::size_t bad = 0;
	cfs::Bytes rest = input.subspan(2 * sizeof(wire::le64));
	auto r = mgc::tell_places(rest, {(*first)->get(), (*last)->get()}, checker, &bad);
	if (!r && bad >= rest.size())
		std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char *data, std::size_t size)
{
	static bool started = [] {
		cfs::host::spare_memory_checks();
		return cfs_core_start() == 0;
	}();
	if (started)
		tell_one({reinterpret_cast<const std::byte *>(data), size});
	return 0;
}
