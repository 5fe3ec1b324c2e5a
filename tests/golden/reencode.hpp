// SPDX-License-Identifier: GPL-2.0
//
// Takes a message apart by its format and puts it together again, field by field and through typed
// access only. What comes out equals the input unless the input has bytes the format ignores.
#pragma once

#include <vector>

#include "rpc/format/registry.hpp"

namespace golden
{

/// Copies what one field holds; `to` has the length of `from` and is zero.
template <typename F>
void copy_field(rpc::Bytes from, rpc::MutBytes to)
{
	constexpr auto shape = F::desc.shape;
	if (from.empty())
		return;
	if constexpr (shape == rpc::Shape::structure) {
		*F::at(to) = *F::at(from);
	} else if constexpr (shape == rpc::Shape::array) {
		auto in = F::at(from);
		auto out = F::at(to);
		for (std::size_t i = 0; i < in.size(); i++)
			out[i] = in[i];
	} else if constexpr (shape == rpc::Shape::head_and_tail) {
		auto in = F::at(from);
		auto out = F::at(to);
		*out.head = *in.head;
		for (std::size_t i = 0; i < in.tail.size(); i++)
			out.tail[i] = in.tail[i];
	} else if constexpr (shape == rpc::Shape::text || shape == rpc::Shape::blob) {
		auto in = F::at(from);
		for (std::size_t i = 0; i < in.size(); i++)
			to[i] = static_cast<std::byte>(in[i]);
	}
}

/// The head and, for an RPC, the ptlrpc_body.
inline void copy_head(const rpc::MessageView &from, rpc::MessageWriter &to, bool nested)
{
	auto &h = to.header();
	h.secflvr = from.header().secflvr;
	h.repsize = from.header().repsize;
	h.cksum = from.header().cksum;
	h.flags = from.header().flags;
	h.opc = from.header().opc;
	auto *body = to.body();
	if (nested || !body)
		return;
	*body = from.body();
	to.set_jobid(from.jobid());
}

/// Empty when the message has buffers its format does not know, or is malformed.
template <rpc::MessageFormat Format, rpc::Side S>
std::vector<std::byte> reencode(const rpc::MessageView &msg, rpc::Defect *why = nullptr)
{
	using Fields = typename rpc::detail::SideOf<Format, S>::Fields;
	auto view = rpc::FormatView<Format, S>::parse(msg, why);
	constexpr rpc::u32 first = Format::info.nested ? 0 : 1;
	if (!view || msg.buffer_count() > first + Fields::count)
		return {};
	rpc::Lengths lengths;
	for (rpc::u32 i = 0; i < msg.buffer_count(); i++)
		lengths.set(i, msg.length(i));
	std::vector<std::byte> room(lengths.total());
	auto writer = rpc::MessageWriter::create(room, lengths);
	if (!writer)
		return {};
	copy_head(msg, *writer, Format::info.nested);
	Fields::for_each([&]<typename F, rpc::Presence>(std::size_t i) {
		rpc::u32 index = first + static_cast<rpc::u32>(i);
		copy_field<F>(msg.buffer(index), writer->buffer(index));
	});
	return room;
}

/// reencode() of a format chosen at run time.
struct Reencoder {
	const rpc::FormatDesc *desc;
	std::vector<std::byte> (*request)(const rpc::MessageView &, rpc::Defect *);
	std::vector<std::byte> (*reply)(const rpc::MessageView &, rpc::Defect *);
};

/// One per format, nested ones at the end. Made in one object file: it takes a compiler long.
const std::vector<Reencoder> &reencoders();

} // namespace golden
