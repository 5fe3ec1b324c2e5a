// SPDX-License-Identifier: GPL-2.0

#include "rpc/format/trace.hpp"

#include "wire/print.hpp"

namespace rpc
{

namespace
{

void trace_request_body(cfs::FormatSink &out, const wire::PtlrpcBodyV2 &b) noexcept
{
	out.print(" conn {}", b.conn_cnt);
	if (b.flags)
		out.print(" flags {:#x}", b.flags);
	if (b.op_flags)
		out.print(" op_flags {:#x}", b.op_flags);
	if (b.tag)
		out.print(" tag {}", b.tag);
	if (b.transno.raw())
		out.print(" transno {}", b.transno);
}

void trace_reply_body(cfs::FormatSink &out, const wire::PtlrpcBodyV2 &b) noexcept
{
	if (b.type == wire::MsgType::PTL_RPC_MSG_ERR)
		out.put(" refused");
	out.print(" status {}", b.status);
	if (b.transno.raw())
		out.print(" transno {}", b.transno);
	if (b.last_committed.raw())
		out.print(" committed {}", b.last_committed);
}

void trace_buffer(cfs::FormatSink &out, const FieldDesc *field, u32 index, Bytes b) noexcept
{
	if (field)
		out.print("{} {}", field->name, b.size());
	else
		out.print("#{} {}", index, b.size());
	if (!field || !field->show)
		return;
	out.put(" (");
	field->show(out, b);
	out.put(')');
}

} // namespace

void trace_message(cfs::FormatSink &out, const MessageView &msg, const FormatDesc *format,
		   Side side) noexcept
{
	bool request = side == Side::request;
	const wire::PtlrpcBodyV2 &body = msg.body();
	if (format)
		out.print("{}", format->info.name);
	else
		out.print("opcode {}", body.opc.raw());
	out.put(request ? " request" : " reply");
	bool nested = format && format->info.nested;
	if (!nested)
		request ? trace_request_body(out, body) : trace_reply_body(out, body);

	u32 first = nested ? 0 : 1;
	std::span<const SlotDesc> slots;
	if (format)
		slots = request ? format->request : format->reply;
	out.put(" [");
	const char *between = "";
	for (u32 i = first; i < msg.buffer_count(); i++) {
		Bytes b = msg.buffer(i);
		if (b.empty())
			continue;
		out.put(between);
		between = " ";
		std::size_t slot = i - first;
		trace_buffer(out, slot < slots.size() ? &slots[slot].field : nullptr, i, b);
	}
	out.put(']');
}

} // namespace rpc
