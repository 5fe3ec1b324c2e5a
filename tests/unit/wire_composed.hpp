// SPDX-License-Identifier: GPL-2.0
//
// Messages for the tests of formats: composed by a format, or made of zeroed buffers.
#pragma once

#include <initializer_list>
#include <vector>

#include "rpc/format/registry.hpp"

namespace rpc
{

/// A message composed by a format, for tests that then damage or read it.
template <MessageFormat F, Side S>
struct Composed {
	std::vector<std::byte> room;
	FormatWriter<F, S> writer;

	explicit Composed(const FormatLengths<F, S> &lengths, std::size_t spare = 0)
	    : room(lengths.total() + spare), writer(*FormatWriter<F, S>::create(room, lengths))
	{
	}
	MessageView view() { return *MessageView::parse(writer.bytes()); }
};
template <MessageFormat F>
using ComposedRequest = Composed<F, Side::request>;
template <MessageFormat F>
using ComposedReply = Composed<F, Side::reply>;

/// A request of an opcode with zeroed buffers.
inline std::vector<std::byte> request(wire::Opcode opcode,
				      std::initializer_list<std::size_t> lengths)
{
	Lengths l;
	l.set(0, sizeof(wire::PtlrpcBody));
	u32 i = 1;
	for (auto n : lengths)
		l.set(i++, n);
	std::vector<std::byte> room(l.total());
	auto w = MessageWriter::create(room, l);
	w->body()->opc = opcode;
	w->body()->type = wire::MsgType::PTL_RPC_MSG_REQUEST;
	return room;
}

} // namespace rpc
