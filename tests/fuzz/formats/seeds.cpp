// SPDX-License-Identifier: GPL-2.0

#include "seeds.hpp"

#include <algorithm>
#include <set>

#include "capture.hpp"
#include "decode_one.hpp"

namespace fuzz
{

namespace
{

using Shape = std::vector<rpc::u32>;

/// Prefix and message.
Seed make_seed(const std::string &name, std::size_t format, bool reply, rpc::Bytes message)
{
	Seed s;
	s.name = name;
	std::ranges::replace(s.name, ' ', '_');
	s.input = {static_cast<std::byte>(format), static_cast<std::byte>(reply ? kModeReply : 0)};
	s.input.insert(s.input.end(), message.begin(), message.end());
	return s;
}

/// Zeroes in every buffer a format asks for, and the opcode.
std::vector<std::byte> smallest(const rpc::FormatDesc &d, bool reply)
{
	rpc::Lengths lengths;
	if (!d.info.nested)
		lengths.set(0, sizeof(wire::PtlrpcBody));
	auto slots = reply ? d.reply : d.request;
	for (std::size_t i = 0; i < slots.size(); i++)
		lengths.set(d.first() + static_cast<rpc::u32>(i), slots[i].field.min);
	std::vector<std::byte> room(std::max<std::size_t>(lengths.total(), 64));
	if (lengths.count() == 0)
		lengths.set(0, 0);
	auto w = rpc::MessageWriter::create(room, lengths);
	if (auto *body = w->body()) {
		body->opc = d.info.opcode;
		body->version = d.info.version | wire::PTLRPC_MSG_VERSION;
	}
	room.resize(w->size());
	return room;
}

const rpc::FormatDesc *format_of(const golden::Capture &c, const golden::CapturedMessage &m)
{
	const auto &request = m.request ? m : c.messages.at(m.request_index);
	return rpc::find_format(*rpc::MessageView::parse_rpc(request.bytes));
}

void add_captured(std::vector<Seed> &out)
{
	std::set<std::tuple<const rpc::FormatDesc *, bool, Shape>> known;
	for (const auto &c : golden::all_captures())
		for (const auto &m : c.messages) {
			const auto *d = format_of(c, m);
			auto v = *rpc::MessageView::parse_rpc(m.bytes);
			Shape shape;
			for (rpc::u32 i = 0; i < v.buffer_count(); i++)
				shape.push_back(v.length(i));
			if (!known.insert({d, m.request, shape}).second)
				continue;
			auto index = static_cast<std::size_t>(d - rpc::all_formats().data());
			out.push_back(make_seed(std::string(d->info.name) + "-" +
							(m.request ? "req-" : "rep-") +
							std::to_string(out.size()),
						index, !m.request, m.bytes));
		}
}

} // namespace

std::vector<Seed> seeds()
{
	std::vector<Seed> out;
	const auto &all = golden::reencoders();
	for (std::size_t i = 0; i < all.size(); i++)
		for (bool reply : {false, true})
			out.push_back(make_seed(std::string(all[i].desc->info.name) +
							(reply ? "-rep" : "-req"),
						i, reply, smallest(*all[i].desc, reply)));
	add_captured(out);
	return out;
}

} // namespace fuzz
