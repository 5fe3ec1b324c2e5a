// SPDX-License-Identifier: GPL-2.0
//
// Decoding of file layouts. Every number in an EA is the peer's: counts and offsets are compared
// with the bytes there are before anything is made of them.
#include "client/layout.hpp"

#include <algorithm>
#include <cstring>

#include "libcfs/bytes.hpp"

namespace client
{

using wire::LovCompMdEntryV1;
using wire::LovCompMdV1;
using wire::LovForeignMd;
using wire::LovMdsMdV1;
using wire::LovMdsMdV3;
using wire::LovOstData;

namespace
{

constexpr u32 kKnownPatterns = wire::LOV_PATTERN_RAID0 | wire::LOV_PATTERN_MDT |
			       wire::LOV_PATTERN_OVERSTRIPING | wire::LOV_PATTERN_F_HOLE |
			       wire::LOV_PATTERN_F_RELEASED;

u32 magic_of(cfs::Bytes ea) noexcept
{
	wire::le32 magic{};
	if (ea.size() < sizeof(magic))
		return 0;
	std::memcpy(&magic, ea.data(), sizeof(magic));
	return magic.get();
}

template <typename T>
const T *overlay(cfs::Bytes b) noexcept
{
	auto t = cfs::view_at<T>(b, 0);
	return t ? *t : nullptr;
}

} // namespace

struct Layout::Decoder {
	Layout &layout;
	std::size_t objects_used = 0;
	const char *why = "not a layout";

	cfs::Result<> refuse(const char *text, cfs::Errno e = cfs::err::INVAL) noexcept
	{
		why = text;
		return cfs::fail(e);
	}

	/// How many object entries a plain EA carries; it may be shorter than its stripe count when
	/// there are no objects yet.
	static std::size_t object_room(cfs::Bytes ea) noexcept
	{
		std::size_t head = magic_of(ea) == wire::LOV_MAGIC_V3 ? sizeof(LovMdsMdV3)
								      : sizeof(LovMdsMdV1);
		return ea.size() < head ? 0 : (ea.size() - head) / sizeof(LovOstData);
	}

	cfs::Result<> take_objects(cfs::Bytes entries, std::size_t n, Component &c) noexcept
	{
		if (entries.size() / sizeof(LovOstData) < n)
			return refuse("fewer objects than stripes");
		StripeObject *first = layout.objects_.data() + objects_used;
		for (std::size_t i = 0; i < n; i++) {
			auto *o = overlay<LovOstData>(entries);
			first[i] = {o->ost_oi, o->ost_idx.get(), o->ost_gen.get()};
			entries = entries.subspan(sizeof(LovOstData));
		}
		c.objects = {first, n};
		objects_used += n;
		return {};
	}

	cfs::Result<> check_stripes(const Component &c, u32 count) noexcept
	{
		if (c.pattern & ~kKnownPatterns)
			return refuse("unknown pattern", cfs::err::OPNOTSUPP);
		// A default leaves it open; an extension's is its own unit.
		bool open = c.stripes.size == 0 && !c.instantiated();
		if (!open && !c.is_extension() &&
		    (c.stripes.size == 0 || c.stripes.size % wire::LOV_MIN_STRIPE_SIZE != 0))
			return refuse("bad stripe size");
		if (c.on_mdt())
			return {};
		if (count == 0 || count > wire::LOV_MAX_STRIPE_COUNT)
			return c.instantiated() ? refuse("bad stripe count") : cfs::Result<>{};
		return {};
	}

	/// A v1 or v3 EA: the whole of a plain layout, or the blob of a component whose extent, id
	/// and flags are set.
	cfs::Result<> plain(cfs::Bytes ea, Component &c) noexcept
	{
		auto *v1 = overlay<LovMdsMdV1>(ea);
		auto *v3 = overlay<LovMdsMdV3>(ea);
		u32 magic = magic_of(ea);

		if (magic != wire::LOV_MAGIC_V1 && magic != wire::LOV_MAGIC_V3)
			return refuse("unknown magic", cfs::err::OPNOTSUPP);
		if (!v1 || (magic == wire::LOV_MAGIC_V3 && !v3))
			return refuse("cut short");
		c.pattern = v1->pattern.get();
		c.generation = v1->layout_gen.get();
		u32 count = v1->stripe_count.get();
		c.stripes = {v1->stripe_size.get(), count ? count : 1};
		cfs::Bytes entries = ea.subspan(sizeof(LovMdsMdV1));
		if (magic == wire::LOV_MAGIC_V3) {
			auto pool = v3->pool_name.view();
			std::memcpy(c.pool, pool.data(), std::min(pool.size(), sizeof(c.pool) - 1));
			entries = ea.subspan(sizeof(LovMdsMdV3));
		}
		TRY(check_stripes(c, count));
		if (c.on_mdt() || c.released() || !c.instantiated())
			return {};
		return take_objects(entries, count, c);
	}

	cfs::Result<> one_plain(cfs::Bytes ea) noexcept
	{
		layout.components_ = TRY(cfs::Array<Component>::make(kSubsys, 1));
		layout.objects_ = TRY(cfs::Array<StripeObject>::make(kSubsys, object_room(ea)));
		Component &c = layout.components_[0];
		c.extent = {0, kEof};
		c.flags = wire::LCME_FL_INIT;
		TRY(plain(ea, c));
		layout.generation_ = c.generation;
		return {};
	}

	/// The blob of an entry; empty when it is not inside the EA behind the entries.
	static cfs::Bytes blob(cfs::Bytes ea, const LovCompMdV1 &head,
			       const LovCompMdEntryV1 &e) noexcept
	{
		std::size_t least = sizeof(head) + head.entry_count.get() * sizeof(e);
		std::size_t from = e.offset.get(), n = e.size.get();
		if (from < least || from > ea.size() || n > ea.size() - from)
			return {};
		return ea.subspan(from, n);
	}

	/// A mirror begins where the extent does not follow the one before.
	cfs::Result<> check_order(const Component *before, const Component &c) noexcept
	{
		if (c.extent.start > c.extent.end ||
		    (c.extent.empty() && c.instantiated() && !c.is_extension()))
			return refuse("a component ends before it begins");
		if (before && before->mirror() == c.mirror() && c.extent.start < before->extent.end)
			return refuse("components overlap");
		return {};
	}

	cfs::Result<> component(cfs::Bytes ea, const LovCompMdV1 &head, std::size_t k) noexcept
	{
		auto *e = overlay<LovCompMdEntryV1>(
			ea.subspan(sizeof(head) + k * sizeof(LovCompMdEntryV1)));
		Component &c = layout.components_[k];

		c.extent = {e->extent.start.get(), e->extent.end.get()};
		c.id = e->id.get();
		c.flags = e->flags.get();
		TRY(check_order(k ? &layout.components_[k - 1] : nullptr, c));
		cfs::Bytes b = blob(ea, head, *e);
		if (b.empty())
			return refuse("a component lies outside");
		return plain(b, c);
	}

	cfs::Result<> composite(cfs::Bytes ea) noexcept
	{
		auto *head = overlay<LovCompMdV1>(ea);
		if (!head)
			return refuse("cut short");
		std::size_t n = head->entry_count.get();
		if (n == 0 || n > kComponentsMax ||
		    (ea.size() - sizeof(*head)) / sizeof(LovCompMdEntryV1) < n)
			return refuse("bad number of components");
		if (head->size.get() > ea.size())
			return refuse("cut short");
		layout.kind_ = LayoutKind::composite;
		layout.generation_ = head->layout_gen.get();
		layout.flags_ = head->flags.get();
		layout.mirrors_ = static_cast<u16>(head->mirror_count.get() + 1);
		if (layout.mirrors_ == 0 || layout.mirrors_ > wire::LUSTRE_MIRROR_COUNT_MAX)
			return refuse("too many mirrors");
		layout.components_ = TRY(cfs::Array<Component>::make(kSubsys, n));
		// Blobs may overlap as far as we care, so each object entry can count once for
		// each component.
		std::size_t objects = 0;
		for (std::size_t k = 0; k < n; k++) {
			auto *e = overlay<LovCompMdEntryV1>(
				ea.subspan(sizeof(*head) + k * sizeof(LovCompMdEntryV1)));
			objects += object_room(blob(ea, *head, *e));
		}
		if (objects > ea.size())
			return refuse("components overlap");
		layout.objects_ = TRY(cfs::Array<StripeObject>::make(kSubsys, objects));
		for (std::size_t k = 0; k < n; k++)
			TRY(component(ea, *head, k));
		return {};
	}

	cfs::Result<> foreign(cfs::Bytes ea) noexcept
	{
		auto *head = overlay<LovForeignMd>(ea);
		if (!head || head->length.get() > ea.size() - sizeof(*head))
			return refuse("cut short");
		layout.kind_ = LayoutKind::foreign;
		layout.mirrors_ = 0;
		return {};
	}

	cfs::Result<> run(cfs::Bytes ea) noexcept
	{
		if (ea.size() > kBytesMax)
			return refuse("too long");
		layout.raw_ = TRY(cfs::Array<std::byte>::make(kSubsys, ea.size()));
		std::memcpy(layout.raw_.data(), ea.data(), ea.size());
		switch (magic_of(ea)) {
		case wire::LOV_MAGIC_V1:
		case wire::LOV_MAGIC_V3:
			return one_plain(ea);
		case wire::LOV_MAGIC_COMP_V1:
			return composite(ea);
		case wire::LOV_MAGIC_FOREIGN:
			return foreign(ea);
		default:
			return refuse("unknown magic", cfs::err::OPNOTSUPP);
		}
	}
};

cfs::Result<cfs::RefPtr<const Layout>> Layout::decode(cfs::Bytes ea, const char **why) noexcept
{
	auto made = TRY(cfs::try_make_ref<Layout>());
	Decoder d{*made};
	auto r = ea.empty() ? d.refuse("empty") : d.run(ea);
	if (!r) {
		if (why)
			*why = d.why;
		return cfs::fail(r.error());
	}
	return cfs::RefPtr<const Layout>::share(made.get());
}

const Component *Layout::at(u64 offset) const noexcept
{
	for (const Component &c : components_)
		if (c.extent.contains(offset) && !c.stale() && !c.is_extension())
			return &c;
	return nullptr;
}

bool Layout::instantiated(Range r) const noexcept
{
	for (u64 at = r.start; at < r.end;) {
		const Component *c = this->at(at);
		if (!c || !c->instantiated())
			return false;
		at = c->extent.end;
	}
	return true;
}

u64 Layout::end() const noexcept
{
	u64 end = 0;
	for (const Component &c : components_)
		if (!c.is_extension() && c.extent.end > end)
			end = c.extent.end;
	return end;
}

} // namespace client
