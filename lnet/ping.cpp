// SPDX-License-Identifier: GPL-2.0
//
// Ping buffers; see lnet/ping.hpp.

#include "lnet/ping.hpp"

#include <algorithm>

namespace lnet
{

using cfs::err::PROTO;
using cfs::err::RANGE;

namespace
{

/// Fills out.nids with as many entries as the buffer really holds.
cfs::Result<> read_entries(cfs::Reader &r, PingInfo &out, const wire::PingHeader &h) noexcept
{
	std::size_t small = std::min<std::size_t>(h.pi_nnis, r.left() / sizeof(wire::PingEntry));
	auto entries = TRY(r.array<wire::PingEntry>(small));
	if (entries.empty() || Nid::from_nid4(entries[0].ns_nid) != Nid::lo())
		return cfs::fail(PROTO);
	out.sequence = entries[0].ns_status;
	entries = entries.subspan(1);

	std::size_t large = 0;
	if (out.features & wire::LNET_PING_FEAT_LARGE_ADDR && small == h.pi_nnis)
		large = std::min(r.left() / sizeof(wire::PingLargeEntry), PingInfo::kNidsMax);
	out.nids = TRY(cfs::Array<PingEntryInfo>::make(CFS_S_LNET, entries.size() + large));
	std::size_t n = 0;
	auto take_large = [&](std::size_t count) noexcept -> cfs::Result<> {
		for (; count > 0; count--) {
			const auto *e = TRY(r.view<wire::PingLargeEntry>());
			Nid nid = TRY(Nid::from_wire(cfs::bytes_of(e->ns_nid)));
			out.nids[n++] = {nid, e->ns_status};
		}
		return {};
	};
	// The primary comes first whatever its size.
	bool primary_large = large > 0 && out.features & wire::LNET_PING_FEAT_PRIMARY_LARGE;
	if (primary_large)
		TRY(take_large(1));
	for (const auto &e : entries)
		out.nids[n++] = {Nid::from_nid4(e.ns_nid), e.ns_status};
	return take_large(primary_large ? large - 1 : large);
}

} // namespace

cfs::Result<PingInfo> parse_ping(cfs::Bytes b) noexcept
{
	cfs::Reader r(b);
	const auto *h = TRY(r.view<wire::PingHeader>());
	// The other byte order has the swapped magic: such a node is not spoken to.
	if (h->pi_magic != wire::LNET_PROTO_PING_MAGIC)
		return cfs::fail(PROTO);
	PingInfo out;
	out.features = h->pi_features;
	out.pid = h->pi_pid;
	out.listed = h->pi_nnis;
	if (!(out.features & wire::LNET_PING_FEAT_NI_STATUS) || h->pi_nnis < 1)
		return cfs::fail(PROTO);
	if (h->pi_nnis > PingInfo::kNidsMax)
		return cfs::fail(RANGE);
	TRY(read_entries(r, out, *h));
	return out;
}

cfs::Result<cfs::Array<std::byte>> build_ping(std::uint32_t features, std::uint32_t sequence,
					      std::span<const PingEntryInfo> nids) noexcept
{
	std::size_t large = 0;
	for (const auto &e : nids)
		large += !e.nid.is_nid4();
	std::size_t small = nids.size() - large + 1;
	std::size_t bytes = sizeof(wire::PingHeader) + small * sizeof(wire::PingEntry) +
			    large * sizeof(wire::PingLargeEntry);
	auto buf = TRY(cfs::Array<std::byte>::make(CFS_S_LNET, bytes));
	cfs::Writer w({buf.data(), buf.size()});
	if (large > 0)
		features |= wire::LNET_PING_FEAT_LARGE_ADDR;
	if (!nids.empty() && !nids[0].nid.is_nid4())
		features |= wire::LNET_PING_FEAT_PRIMARY_LARGE;
	TRY(w.put(wire::PingHeader{wire::LNET_PROTO_PING_MAGIC, features, LNET_PID_LUSTRE,
				   static_cast<std::uint32_t>(small)}));
	std::uint32_t total = large > 0 ? static_cast<std::uint32_t>(bytes) : 0;
	TRY(w.put(wire::PingEntry{Nid::lo().nid4(), sequence, total}));
	for (const auto &e : nids)
		if (e.nid.is_nid4())
			TRY(w.put(wire::PingEntry{e.nid.nid4(), e.status, 0u}));
	for (const auto &e : nids)
		if (!e.nid.is_nid4())
			TRY(w.put(wire::PingLargeEntry{e.status, e.nid}));
	return buf;
}

} // namespace lnet
