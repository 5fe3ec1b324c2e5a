// SPDX-License-Identifier: GPL-2.0
//
// What the fuzz target, the corpus test and the corruption tests do with one message: everything a
// receiver could, through one format and through dispatch. Aborts when a promise is broken: a view
// that leaves its buffer (by AddressSanitizer or a guard page), a message that changes when it is
// taken apart and put together twice, a format found for a message that then has another opcode.
//
// A fuzz input is a format's number, a mode byte and the rest. Mode bit 0: reply. Mode bit 1 clear:
// the rest is the message; set: the rest are buffers, each two bytes of length and the contents,
// that are laid out as a valid container, so that the fields are reached without guessing it.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "reencode.hpp"
#include "rpc/format/sec.hpp"
#include "rpc/format/trace.hpp"

namespace fuzz
{

inline void require(bool promise)
{
	if (!promise)
		std::abort();
}

inline constexpr std::size_t kPrefixBytes = 2;
inline constexpr unsigned kModeReply = 1, kModeBuffers = 2;

/// Both directions of one format on one message; reads every byte the format gives access to.
inline void decode_with(const golden::Reencoder &r, const rpc::MessageView &msg, bool reply)
{
	auto reencode = reply ? r.reply : r.request;
	rpc::Defect why;
	auto once = reencode(msg, &why);
	char text[512];
	(void)cfs::format_to(text, "{}", why);
	cfs::FormatSink out(text);
	trace_message(out, msg, r.desc, reply ? rpc::Side::reply : rpc::Side::request);
	if (once.empty())
		return;
	auto again = rpc::MessageView::parse(once);
	require(again.has_value());
	require(reencode(*again, nullptr) == once);
}

/// Everything, on bytes as they would come from the network.
inline void decode_bytes(std::size_t format, bool reply, rpc::Bytes bytes)
{
	const auto &all = golden::reencoders();
	const auto &r = all[format % all.size()];
	rpc::Defect why;
	auto unwrapped = rpc::unwrap(bytes, &why);
	char text[128];
	(void)cfs::format_to(text, "{}", why);
	if (unwrapped) {
		const auto *found = rpc::find_format(unwrapped->message);
		require(!found || found->info.opcode == unwrapped->message.body().opc);
		if (found)
			decode_with(
				all[static_cast<std::size_t>(found - rpc::all_formats().data())],
				unwrapped->message, false);
	}
	if (auto msg = rpc::MessageView::parse(bytes, &why))
		decode_with(r, *msg, reply);
}

/// Lays out a container from the buffers described in `input`.
inline std::vector<std::byte> container_of(rpc::Bytes input)
{
	rpc::Lengths lengths;
	std::vector<rpc::Bytes> contents;
	cfs::Reader in(input);
	while (contents.size() < wire::PTLRPC_MAX_BUFCOUNT) {
		auto length = in.view<wire::le16>();
		if (!length)
			break;
		std::size_t n = std::min<std::size_t>((*length)->get(), in.left());
		lengths.set(static_cast<rpc::u32>(contents.size()), n);
		contents.push_back(*in.take(n));
	}
	std::vector<std::byte> room(lengths.total());
	auto writer = rpc::MessageWriter::create(room, lengths);
	if (!writer)
		return {};
	for (std::size_t i = 0; i < contents.size(); i++)
		std::ranges::copy(contents[i], writer->buffer(static_cast<rpc::u32>(i)).begin());
	return room;
}

/// One fuzz input.
inline void decode_one(rpc::Bytes input)
{
	if (input.size() < kPrefixBytes)
		return;
	auto format = std::to_integer<std::size_t>(input[0]);
	auto mode = std::to_integer<unsigned>(input[1]);
	rpc::Bytes rest = input.subspan(kPrefixBytes);
	if (mode & kModeBuffers)
		decode_bytes(format, mode & kModeReply, container_of(rest));
	else
		decode_bytes(format, mode & kModeReply, rest);
}

} // namespace fuzz
