// SPDX-License-Identifier: GPL-2.0
//
// Decoding layouts; see layout.hpp.

#include "lfs/layout.hpp"

#include "lfs/text.hpp"

namespace lfs
{

namespace
{

using Error = std::unexpected<std::string>;
using Done = std::expected<void, std::string>;

bool has_objects(const Component &c, Owner owner, bool in_composite)
{
	return owner == Owner::file && (!in_composite || c.instantiated()) && !c.on_mdt() &&
	       !(c.pattern & wire::LOV_PATTERN_F_RELEASED);
}

/// A plain layout, alone or inside a composite, at the beginning of `b`.
Done decode_plain(cfs::Bytes b, Owner owner, bool in_composite, Component &c)
{
	auto v1 = cfs::view_at<wire::LovUserMdV1>(b, 0);
	if (!v1)
		return Error("layout is cut short");
	c.magic = (*v1)->magic;
	c.pattern = (*v1)->pattern;
	c.oi = (*v1)->oi;
	c.stripe_size = (*v1)->stripe_size;
	c.stripe_count = (*v1)->stripe_count;
	c.generation = (*v1)->layout_gen;
	std::size_t head = sizeof(wire::LovUserMdV1);
	if (c.magic == wire::LOV_USER_MAGIC_V3 || c.magic == wire::LOV_USER_MAGIC_SPECIFIC) {
		auto v3 = cfs::view_at<wire::LovUserMdV3>(b, 0);
		if (!v3)
			return Error("layout is cut short");
		c.pool = (*v3)->pool_name.view();
		head = sizeof(wire::LovUserMdV3);
	} else if (c.magic != wire::LOV_USER_MAGIC_V1) {
		return Error(text("unknown layout magic %#x", c.magic));
	}
	if (!has_objects(c, owner, in_composite))
		return {};
	cfs::Reader objects(b.subspan(head));
	auto list = objects.array<wire::LovUserOstData>(c.stripe_count);
	if (!list)
		return Error(text("layout has no room for its %u stripes", c.stripe_count));
	for (const auto &o : *list)
		c.objects.push_back({o.ost_oi, o.ost_idx});
	return {};
}

Done decode_entry(cfs::Bytes whole, const wire::LovCompMdEntryV1 &e, Owner owner, Component &c)
{
	c.id = e.id;
	c.flags = e.flags;
	c.start = e.extent.start;
	c.end = e.extent.end;
	c.timestamp = e.timestamp;
	c.offset = e.offset;
	c.size = e.size;
	if (c.offset > whole.size() || c.size > whole.size() - c.offset)
		return Error(text("component %#x lies outside of the layout", c.id));
	return decode_plain(whole.subspan(c.offset, c.size), owner, true, c);
}

std::expected<Layout, std::string> decode_composite(cfs::Bytes b, Owner owner)
{
	auto head = cfs::view_at<wire::LovCompMdV1>(b, 0);
	if (!head)
		return Error("layout is cut short");
	Layout l;
	l.kind = Layout::Kind::composite;
	l.magic = (*head)->magic;
	l.size = (*head)->size;
	l.generation = (*head)->layout_gen;
	l.flags = (*head)->flags;
	l.mirrors = static_cast<std::uint16_t>((*head)->mirror_count.get() + 1);
	if (l.size < sizeof(wire::LovCompMdV1) || l.size > b.size())
		return Error(
			text("composite layout says it has %u bytes of %zu", l.size, b.size()));
	b = b.first(l.size);
	cfs::Reader rest(b.subspan(sizeof(wire::LovCompMdV1)));
	auto entries = rest.array<wire::LovCompMdEntryV1>((*head)->entry_count);
	if (!entries)
		return Error("layout has no room for its components");
	for (const auto &e : *entries) {
		Component c;
		if (auto done = decode_entry(b, e, owner, c); !done)
			return Error(done.error());
		l.components.push_back(std::move(c));
	}
	return l;
}

std::expected<Layout, std::string> decode_foreign(cfs::Bytes b)
{
	auto head = cfs::view_at<wire::LovForeignMd>(b, 0);
	if (!head)
		return Error("layout is cut short");
	std::uint32_t length = (*head)->length;
	cfs::Reader rest(b.subspan(sizeof(wire::LovForeignMd)));
	auto value = rest.take(length);
	if (!value)
		return Error(text("foreign layout says it has %u bytes", length));
	Layout l;
	l.kind = Layout::Kind::foreign;
	l.magic = (*head)->magic;
	l.foreign_type = (*head)->type;
	l.foreign_flags = (*head)->flags;
	l.foreign_value.assign(reinterpret_cast<const char *>(value->data()), value->size());
	return l;
}

} // namespace

const Component *Layout::representative() const
{
	const Component *found = components.empty() ? nullptr : &components.front();
	if (kind == Kind::composite)
		for (const Component &c : components)
			if (c.instantiated())
				found = &c;
	return found;
}

std::expected<Layout, std::string> decode_layout(cfs::Bytes buffer, Owner owner)
{
	auto magic = cfs::view_at<cfs::le32>(buffer, 0);
	if (!magic)
		return Error("layout is cut short");
	switch ((*magic)->get()) {
	case wire::LOV_USER_MAGIC_COMP_V1:
	case wire::LOV_USER_MAGIC_SEL:
		return decode_composite(buffer, owner);
	case wire::LOV_USER_MAGIC_FOREIGN:
		return decode_foreign(buffer);
	default:
		break;
	}
	Layout l;
	Component c;
	c.flags = owner == Owner::file ? wire::LCME_FL_INIT : 0;
	if (auto done = decode_plain(buffer, owner, false, c); !done)
		return Error(done.error());
	l.magic = c.magic;
	l.components.push_back(std::move(c));
	return l;
}

} // namespace lfs
