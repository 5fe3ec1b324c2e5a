// SPDX-License-Identifier: GPL-2.0

#include "rpc/format/message.hpp"

#include <algorithm>

namespace rpc
{

namespace
{

/// Index of nothing: for defects of the container itself.
constexpr u8 kNoBuffer = 0;

const wire::PtlrpcBodyV2 kEmptyBody{};

std::string_view text(Defect::Kind kind) noexcept
{
	switch (kind) {
	case Defect::Kind::none:
		return "no defect";
	case Defect::Kind::cut_off:
		return "message cut off";
	case Defect::Kind::other_byte_order:
		return "sender has the other byte order, which is not supported";
	case Defect::Kind::bad_magic:
		return "not a Lustre message";
	case Defect::Kind::bad_buffer_count:
		return "bad number of buffers";
	case Defect::Kind::short_body:
		return "ptlrpc_body too short";
	case Defect::Kind::missing:
		return "missing";
	case Defect::Kind::too_short:
		return "too short";
	case Defect::Kind::too_long:
		return "too long";
	case Defect::Kind::not_a_string:
		return "not a string";
	case Defect::Kind::unknown_opcode:
		return "unknown operation";
	}
	return "?";
}

/// The length table of bytes that hold at least the head and the table.
const wire::le32 *length_table(const std::byte *message) noexcept
{
	return reinterpret_cast<const wire::le32 *>(message + sizeof(wire::LustreMsgV2));
}

} // namespace

void format_value(cfs::FormatSink &out, const Defect &d) noexcept
{
	if (d.field)
		out.print("buffer {} ({}): ", d.buffer, d.field);
	out.print("{}", text(d.kind));
	if (d.kind == Defect::Kind::bad_magic || d.kind == Defect::Kind::unknown_opcode)
		out.print(" ({:#x})", d.have);
	else if (d.want)
		out.print(" ({}, need {})", d.have, d.want);
}

std::unexpected<cfs::Errno> refuse(Defect *why, Defect d) noexcept
{
	if (why)
		*why = d;
	switch (d.kind) {
	case Defect::Kind::other_byte_order:
		return cfs::fail(cfs::err::PROTONOSUPPORT);
	case Defect::Kind::unknown_opcode:
		return cfs::fail(cfs::err::OPNOTSUPP);
	default:
		return cfs::fail(cfs::err::PROTO);
	}
}

cfs::Result<MessageView> MessageView::parse(Bytes received, Defect *why) noexcept
{
	using Kind = Defect::Kind;
	auto have = static_cast<u32>(std::min<std::size_t>(received.size(), UINT32_MAX));
	if (received.size() < sizeof(wire::LustreMsgV2))
		return refuse(why,
			      {Kind::cut_off, kNoBuffer, nullptr, have, sizeof(wire::LustreMsgV2)});
	const auto &head = *reinterpret_cast<const wire::LustreMsgV2 *>(received.data());
	if (head.magic == wire::LUSTRE_MSG_MAGIC_V2_SWABBED)
		return refuse(why, {Kind::other_byte_order});
	if (head.magic != wire::LUSTRE_MSG_MAGIC_V2)
		return refuse(why, {Kind::bad_magic, kNoBuffer, nullptr, head.magic});
	u32 count = head.bufcount;
	if (count < 1 || count > wire::PTLRPC_MAX_BUFCOUNT)
		return refuse(why, {Kind::bad_buffer_count, kNoBuffer, nullptr, count,
				    wire::PTLRPC_MAX_BUFCOUNT});
	std::size_t need = header_bytes(count);
	if (received.size() >= need) {
		const wire::le32 *lengths = length_table(received.data());
		for (u32 i = 0; i < count; i++)
			need += round8(lengths[i].get());
	}
	if (received.size() < need) {
		auto want = static_cast<u32>(std::min<std::size_t>(need, UINT32_MAX));
		return refuse(why, {Kind::cut_off, kNoBuffer, nullptr, have, want});
	}
	return MessageView(received.first(need));
}

cfs::Result<MessageView> MessageView::parse_rpc(Bytes received, Defect *why) noexcept
{
	auto view = TRY(parse(received, why));
	if (view.length(0) < sizeof(wire::PtlrpcBodyV2))
		return refuse(why, {Defect::Kind::short_body, 0, "ptlrpc_body", view.length(0),
				    sizeof(wire::PtlrpcBodyV2)});
	return view;
}

u32 MessageView::length(u32 index) const noexcept
{
	return index < buffer_count() ? length_table(bytes_.data())[index].get() : 0;
}

std::size_t MessageView::offset(u32 index) const noexcept
{
	const wire::le32 *lengths = length_table(bytes_.data());
	std::size_t at = header_bytes(buffer_count());
	for (u32 i = 0; i < index; i++)
		at += round8(lengths[i].get());
	return at;
}

Bytes MessageView::buffer(u32 index) const noexcept
{
	if (index >= buffer_count())
		return {};
	return bytes_.subspan(offset(index), length(index));
}

const wire::PtlrpcBodyV2 &MessageView::body() const noexcept
{
	Bytes b = buffer(0);
	if (b.size() < sizeof(wire::PtlrpcBodyV2))
		return kEmptyBody;
	return *reinterpret_cast<const wire::PtlrpcBodyV2 *>(b.data());
}

std::string_view MessageView::jobid() const noexcept
{
	Bytes b = buffer(0);
	if (b.size() < sizeof(wire::PtlrpcBody))
		return {};
	return reinterpret_cast<const wire::PtlrpcBody *>(b.data())->jobid.view();
}

cfs::Result<MessageWriter> MessageWriter::create(MutBytes room, const Lengths &lengths) noexcept
{
	std::size_t size = lengths.total();
	if (lengths.count() < 1)
		return cfs::fail(cfs::err::INVAL);
	if (size > room.size())
		return cfs::fail(cfs::err::OVERFLOWED);
	std::fill(room.begin(), room.begin() + static_cast<std::ptrdiff_t>(size), std::byte{0});
	MessageWriter w(room, size);
	w.header().magic = wire::LUSTRE_MSG_MAGIC;
	w.header().bufcount = lengths.count();
	auto *table = reinterpret_cast<wire::le32 *>(room.data() + sizeof(wire::LustreMsgV2));
	for (u32 i = 0; i < lengths.count(); i++)
		table[i] = lengths[i];
	return w;
}

cfs::Result<MessageWriter> MessageWriter::adopt(MutBytes room, Defect *why) noexcept
{
	auto view = TRY(MessageView::parse(room, why));
	return MessageWriter(room, view.size());
}

MutBytes MessageWriter::buffer(u32 index) noexcept
{
	MessageView v = view();
	if (index >= v.buffer_count())
		return {};
	return room_.subspan(v.offset(index), v.length(index));
}

wire::PtlrpcBodyV2 *MessageWriter::body() noexcept
{
	MutBytes b = buffer(0);
	if (b.size() < sizeof(wire::PtlrpcBodyV2))
		return nullptr;
	return reinterpret_cast<wire::PtlrpcBodyV2 *>(b.data());
}

void MessageWriter::set_jobid(std::string_view jobid) noexcept
{
	MutBytes b = buffer(0);
	if (b.size() < sizeof(wire::PtlrpcBody))
		return;
	auto &field = reinterpret_cast<wire::PtlrpcBody *>(b.data())->jobid;
	(void)field.set(jobid.substr(0, wire::LUSTRE_JOBID_SIZE - 1));
}

cfs::Result<> MessageWriter::resize(u32 index, std::size_t bytes) noexcept
{
	MessageView v = view();
	if (index >= v.buffer_count() || bytes > UINT32_MAX)
		return cfs::fail(cfs::err::INVAL);
	std::size_t at = v.offset(index);
	std::size_t old_length = v.length(index);
	std::size_t old_end = at + round8(old_length);
	std::size_t new_end = at + round8(bytes);
	std::size_t behind = size_ - old_end;
	if (new_end > room_.size() || behind > room_.size() - new_end)
		return cfs::fail(cfs::err::OVERFLOWED);
	if (behind)
		__builtin_memmove(room_.data() + new_end, room_.data() + old_end, behind);
	std::size_t keep = at + std::min(old_length, bytes);
	__builtin_memset(room_.data() + keep, 0, new_end - keep);
	auto *table = reinterpret_cast<wire::le32 *>(room_.data() + sizeof(wire::LustreMsgV2));
	table[index] = static_cast<u32>(bytes);
	size_ = new_end + behind;
	return {};
}

} // namespace rpc
