// SPDX-License-Identifier: GPL-2.0

#include "compare.hpp"

#include <algorithm>
#include <fstream>
#include <optional>
#include <sstream>

#include "reencode.hpp"
#include "rpc/format/sec.hpp"

namespace golden
{

/// A message, decoded as far as it can be.
struct Decoded {
	std::string kind;
	std::string defect; ///< empty: it was decoded whole
	const rpc::FormatDesc *format = nullptr;
	std::optional<rpc::MessageView> view;
	bool failed = false; ///< a reply that reports an error
};

namespace
{

using rpc::Side;

std::string text_of(const rpc::Defect &d)
{
	char text[100];
	return std::string(cfs::format_to(text, "{}", d));
}

std::optional<rpc::MessageView> unwrapped(const CapturedMessage &m, rpc::Defect *why)
{
	auto u = rpc::unwrap(m.bytes, why);
	if (!u)
		return std::nullopt;
	auto v = rpc::MessageView::parse_rpc(u->message.bytes(), why);
	if (!v)
		return std::nullopt;
	return *v;
}

/// Before the final reply to a request that takes long. It lies in front of where that will be.
bool is_early_reply(const CapturedMessage &m, const rpc::MessageView &v)
{
	return !m.request && m.offset == 0 && v.buffer_count() == 1 &&
	       v.header().flags & wire::MSGHDR_AT_SUPPORT;
}

Decoded decode(const Capture &c, const CapturedMessage &m)
{
	Decoded d;
	rpc::Defect why;
	d.kind = "portal " + std::to_string(m.portal);
	d.view = unwrapped(m, &why);
	if (!d.view) {
		d.defect = text_of(why);
		return d;
	}
	d.kind += " opcode " + std::to_string(d.view->body().opc.raw());
	if (is_early_reply(m, *d.view)) {
		d.kind = "early reply";
		return d;
	}
	std::optional<rpc::MessageView> request = d.view;
	if (!m.request && m.request_index == SIZE_MAX)
		d.defect = "answers nothing";
	else if (!m.request)
		request = unwrapped(c.messages[m.request_index], &why);
	if (d.defect.empty() && request)
		d.format = rpc::find_format(*request, &why);
	if (!d.format) {
		if (d.defect.empty())
			d.defect = text_of(why);
		return d;
	}
	d.failed = !m.request && d.view->body().status < 0;
	d.kind = std::string(d.format->info.name) + (m.request	? " request"
						     : d.failed ? " error"
								: " reply");
	auto index = static_cast<std::size_t>(d.format - rpc::all_formats().data());
	const auto &r = reencoders().at(index);
	auto again = (m.request ? r.request : r.reply)(*d.view, &why);
	auto bytes = d.view->bytes();
	if (again.empty())
		d.defect = text_of(why);
	else if (!std::ranges::equal(again, bytes))
		d.defect = "has bytes that its format does not know";
	return d;
}

/// Calls fn(name, bytes) for each structure that is part of it.
template <typename Fn>
void for_each_structure(const CapturedMessage &m, const Decoded &d, Fn fn)
{
	fn("ptlrpc_body", d.view->length(0));
	if (!d.format)
		return;
	auto slots = m.request ? d.format->request : d.format->reply;
	for (rpc::u32 i = 0; i < slots.size() && i + 1 < d.view->buffer_count(); i++)
		if (slots[i].field.shape == rpc::Shape::structure)
			fn(slots[i].field.name, d.view->length(i + 1));
}

/// The structures of a message that no stock one can be compared with.
std::string structures(const CapturedMessage &m, const Decoded &d)
{
	std::string out;
	for_each_structure(m, d, [&](const char *name, std::uint32_t bytes) {
		out += " " + std::string(name) + ":" + std::to_string(bytes);
	});
	return out;
}

void learn(Shapes &shapes, const CapturedMessage &m, const Decoded &d)
{
	Shape &s = shapes[d.kind];
	s.messages++;
	s.counts.insert(d.view->buffer_count());
	for_each_structure(
		m, d, [&](const char *name, std::uint32_t bytes) { s.sizes[name].insert(bytes); });
}

} // namespace

Comparison::Comparison(const std::vector<Capture> &stock)
{
	for (const auto &c : stock)
		for (const auto &m : c.messages)
			if (auto d = decode(c, m); d.view)
				learn(stock_, m, d);
	read_exceptions(data_dir().parent_path() / "exceptions.tsv");
}

void Comparison::read_exceptions(const std::filesystem::path &tsv)
{
	std::ifstream in(tsv);
	for (std::string line; std::getline(in, line);) {
		if (line.empty() || line.starts_with('#'))
			continue;
		std::istringstream s(line);
		std::string kind, what, reason;
		std::getline(s, kind, '\t');
		std::getline(s, what, '\t');
		std::getline(s, reason);
		if (!reason.empty())
			excused_.insert({kind, what});
	}
}

const Shape *Comparison::expected(const Decoded &d) const
{
	if (auto it = stock_.find(d.kind); it != stock_.end())
		return &it->second;
	if (!d.failed)
		return nullptr;
	auto it = stock_.find(std::string(d.format->info.name) + " reply");
	return it == stock_.end() ? nullptr : &it->second;
}

void Comparison::compare(const Capture &c, const CapturedMessage &m)
{
	auto d = decode(c, m);
	if (!d.defect.empty())
		found_[{d.kind, "malformed: " + d.defect}]++;
	if (!d.view)
		return;
	learn(ours_, m, d);
	auto count = d.view->buffer_count();
	const Shape *s = expected(d);
	if (!s) {
		found_[{d.kind, "not recorded: " + std::to_string(count) + " buffers" +
					structures(m, d)}]++;
		return;
	}
	// Errors are answered with all buffers or with the body alone, by whoever found them.
	if (!s->counts.contains(count) && !(d.failed && count == 1))
		found_[{d.kind, std::to_string(count) + " buffers"}]++;
	for_each_structure(m, d, [&](const char *name, std::uint32_t bytes) {
		auto known = s->sizes.find(name);
		if (known != s->sizes.end() && !known->second.contains(bytes) &&
		    !(d.failed && bytes == 0))
			found_[{d.kind,
				std::string(name) + " of " + std::to_string(bytes) + " bytes"}]++;
	});
}

void Comparison::add(const Capture &ours)
{
	for (const auto &m : ours.messages)
		compare(ours, m);
}

std::map<Difference, std::size_t> Comparison::differences() const
{
	auto out = found_;
	std::erase_if(out, [&](const auto &d) { return excused_.contains(d.first); });
	return out;
}

} // namespace golden
