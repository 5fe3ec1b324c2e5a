// SPDX-License-Identifier: GPL-2.0
#include "mgc/places.hpp"

#include "libcfs/containers.hpp"
#include "libcfs/mem.hpp"
#include "wire/mgs.hpp"

namespace mgc
{

namespace
{

constexpr std::size_t kNidsMax = 255; // the count has a byte
constexpr u32 kIndexMax = 0xfffe;
constexpr std::size_t kRecordMax = 4096; // with NIDs and padding

struct Record {
	const wire::MgsNidtblEntry *head;
	cfs::Bytes nids;
};

std::size_t size_of(wire::NidtblNidType t) noexcept
{
	switch (t) {
	case wire::NidtblNidType::kNidtblNid4:
		return sizeof(u64);
	case wire::NidtblNidType::kNidtblNidLarge:
		return sizeof(lnet::Nid);
	default:
		return 0;
	}
}

/// The first record, which is cut from `rest`.
cfs::Result<Record> next(cfs::Bytes &rest, PlaceVersions v) noexcept
{
	const wire::MgsNidtblEntry *h = TRY(cfs::view_at<wire::MgsNidtblEntry>(rest, 0));
	std::size_t nids = std::size_t{h->nid_count} * h->nid_size;
	std::size_t length = h->length;
	if (length < sizeof(*h) + nids || length > kRecordMax || length > rest.size())
		return cfs::fail(cfs::err::PROTO);
	wire::NidtblTargetType type = h->type;
	if (type != wire::NidtblTargetType::kNidtblMdt &&
	    type != wire::NidtblTargetType::kNidtblOst)
		return cfs::fail(cfs::err::PROTO);
	std::size_t known = size_of(h->nid_type);
	if (h->version < v.first || h->version > v.last || h->version == ~u64{0} ||
	    h->index > kIndexMax || h->nid_count == 0 || (known && known != h->nid_size))
		return cfs::fail(cfs::err::PROTO);
	cfs::Bytes body = rest.subspan(sizeof(*h), nids);
	rest = rest.subspan(length);
	return Record{h, body};
}

/// NIDs of the record that lead to a node; none of a form that is not known here.
cfs::Result<std::size_t> take_nids(const Record &r, std::span<lnet::Nid> out) noexcept
{
	std::size_t size = size_of(r.head->nid_type);
	std::size_t n = 0;
	for (std::size_t at = 0; size && at < r.nids.size(); at += size) {
		lnet::Nid nid;
		if (size == sizeof(u64))
			nid = lnet::Nid::from_nid4(
				TRY(cfs::view_at<wire::le64>(r.nids, at))->get());
		else
			nid = TRY(lnet::Nid::from_wire(r.nids.subspan(at, size)));
		if (!nid.is_none() && !nid.is_any() && !nid.is_lo())
			out[n++] = nid;
	}
	return n;
}

/// Goes through an answer; tells nobody when there is no follower.
cfs::Result<> walk(cfs::Bytes answer, PlaceVersions v, std::span<lnet::Nid> room,
		   TargetFollower *follower, std::size_t *bad) noexcept
{
	cfs::Bytes rest = answer;
	while (!rest.empty()) {
		*bad = answer.size() - rest.size();
		Record r = TRY(next(rest, v));
		v.first = r.head->version + 1;
		std::size_t n = TRY(take_nids(r, room));
		if (!follower || n == 0)
			continue;
		bool mdt = r.head->type == wire::NidtblTargetType::kNidtblMdt;
		follower->target_at({mdt ? wire::TargetKind::mdt : wire::TargetKind::ost,
				     static_cast<u16>(r.head->index), r.head->instance,
				     room.first(n)});
	}
	return {};
}

} // namespace

cfs::Result<> tell_places(cfs::Bytes answer, PlaceVersions versions, TargetFollower &follower,
			  std::size_t *bad) noexcept
{
	auto room = TRY(cfs::Array<lnet::Nid>::make(CFS_S_MGC, kNidsMax));
	std::span<lnet::Nid> nids(room.data(), room.size());
	TRY(walk(answer, versions, nids, nullptr, bad));
	return walk(answer, versions, nids, &follower, bad);
}

} // namespace mgc
