// SPDX-License-Identifier: GPL-2.0

#include "rpc/format/format.hpp"

namespace rpc
{

namespace
{

/// Whether a text has its NUL where its rule wants it. An empty buffer is no text at all.
bool is_text(const FieldDesc &field, Bytes b) noexcept
{
	std::string_view s(reinterpret_cast<const char *>(b.data()), b.size());
	std::size_t nul = s.find('\0');
	switch (field.rule) {
	case TextRule::exact:
		return nul == s.size() - 1;
	case TextRule::last:
		return s.back() == '\0';
	case TextRule::padded:
		return nul <= field.max;
	case TextRule::bytes:
		return true;
	}
	return false;
}

/// What is wrong with a buffer that has some bytes.
Defect::Kind check_buffer(const FieldDesc &field, Bytes b) noexcept
{
	if (b.size() < field.min)
		return Defect::Kind::too_short;
	if (b.size() > field.max && field.rule != TextRule::padded)
		return Defect::Kind::too_long;
	if (field.shape == Shape::text && !is_text(field, b))
		return Defect::Kind::not_a_string;
	return Defect::Kind::none;
}

} // namespace

cfs::Result<> check_fields(std::span<const SlotDesc> slots, u32 first, const MessageView &msg,
			   Strictness strictness, Defect *why) noexcept
{
	for (std::size_t i = 0; i < slots.size(); i++) {
		const SlotDesc &slot = slots[i];
		u32 index = first + static_cast<u32>(i);
		Bytes b = msg.buffer(index);
		Defect::Kind kind = Defect::Kind::none;
		bool needed = slot.presence == Presence::required && slot.field.min != 0;
		if (!b.empty())
			kind = check_buffer(slot.field, b);
		else if (needed && strictness == Strictness::complete)
			kind = Defect::Kind::missing;
		if (kind == Defect::Kind::none)
			continue;
		bool long_one = kind == Defect::Kind::too_long;
		return refuse(why, {kind, static_cast<u8>(index), slot.field.name,
				    static_cast<u32>(b.size()),
				    long_one ? slot.field.max : slot.field.min});
	}
	return {};
}

bool lengths_suffice(std::span<const SlotDesc> slots, u32 first, const Lengths &lengths) noexcept
{
	for (std::size_t i = 0; i < slots.size(); i++)
		if (slots[i].presence == Presence::required &&
		    lengths[first + static_cast<u32>(i)] < slots[i].field.min)
			return false;
	return first == 0 || lengths[0] >= sizeof(wire::PtlrpcBodyV2);
}

} // namespace rpc
