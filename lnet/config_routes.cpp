// SPDX-License-Identifier: GPL-2.0
//
// `ip2nets` and `routes`; see config.hpp. Both are entries between semicolons or newlines, with
// comments from # to the end of the line.

#include <algorithm>

#include "libcfs/parse.hpp"
#include "lnet/config.hpp"

namespace lnet
{

using namespace cfs::err;

namespace
{

constexpr std::string_view kBlanks = " \t\r";

/// The next entry that is not empty; empty at the end.
std::string_view next_entry(std::string_view &rest) noexcept
{
	while (!rest.empty()) {
		std::string_view entry = rest.substr(0, rest.find_first_of("#;\n"));
		rest.remove_prefix(entry.size());
		if (!rest.empty() && rest.front() == '#')
			rest.remove_prefix(std::min(rest.find('\n'), rest.size()));
		if (!rest.empty())
			rest.remove_prefix(1);
		entry = cfs::trim(entry);
		if (!entry.empty())
			return entry;
	}
	return {};
}

/// Numbers from lo to hi in steps.
struct NumberRange {
	std::uint64_t lo = 0, hi = 0, step = 1;
};

/// `7`, `1-4` or `2-8/2`.
cfs::Result<NumberRange> parse_range(std::string_view s) noexcept
{
	NumberRange r;
	auto number = [](std::string_view t) { return cfs::detail::parse_digits(t, 10); };
	std::string_view first = s.substr(0, s.find('-'));
	r.lo = r.hi = TRY(number(cfs::trim(first)));
	s.remove_prefix(first.size());
	if (s.empty())
		return r;
	s.remove_prefix(1);
	std::string_view last = s.substr(0, s.find('/'));
	r.hi = TRY(number(cfs::trim(last)));
	s.remove_prefix(last.size());
	if (!s.empty()) {
		s.remove_prefix(1);
		r.step = TRY(number(cfs::trim(s)));
	}
	if (r.hi < r.lo || r.step == 0)
		return cfs::fail(INVAL);
	return r;
}

/// Takes the part up to the next dot outside of brackets off `rest`, and the dot.
std::string_view next_part(std::string_view &rest) noexcept
{
	std::size_t i = 0;
	for (bool inside = false; i < rest.size() && (inside || rest[i] != '.'); i++)
		inside = rest[i] == '[' || (inside && rest[i] != ']');
	std::string_view part = rest.substr(0, i);
	rest.remove_prefix(std::min(i + 1, rest.size()));
	return part;
}

/// Whether a number is one of `*`, `7` or `[1-2,7]`.
cfs::Result<bool> part_has(std::string_view part, std::uint32_t value) noexcept
{
	if (part == "*")
		return true;
	if (!part.empty() && part.front() == '[') {
		if (part.back() != ']')
			return cfs::fail(INVAL);
		part.remove_prefix(1);
		part.remove_suffix(1);
	}
	if (part.empty())
		return cfs::fail(INVAL);
	bool found = false;
	while (!part.empty()) {
		auto r = TRY(parse_range(cfs::next_word(part, ",")));
		if (r.hi > 255)
			return cfs::fail(INVAL);
		found = found || (value >= r.lo && value <= r.hi && (value - r.lo) % r.step == 0);
	}
	return found;
}

/// A text with bracket expressions, read as each of the texts that it stands for.
class Expansion
{
public:
	static constexpr unsigned kBracketsMax = 4;
	static constexpr std::size_t kTextMax = 128;

	[[nodiscard]] static cfs::Result<Expansion> make(std::string_view text) noexcept;
	/// The present one; the buffer is the object's.
	[[nodiscard]] std::string_view text() noexcept;
	/// Steps to the next; false behind the last.
	[[nodiscard]] bool next() noexcept;

private:
	struct Bracket {
		std::string_view before; ///< literal text in front of it
		std::string_view items;	 ///< that have not been begun
		std::string_view all;
		NumberRange range;
		std::uint64_t value = 0;
	};
	[[nodiscard]] static cfs::Result<> restart(Bracket &b) noexcept;

	Bracket brackets_[kBracketsMax];
	unsigned count_ = 0;
	std::string_view tail_;
	char buffer_[kTextMax];
};

cfs::Result<> Expansion::restart(Bracket &b) noexcept
{
	b.items = b.all;
	b.range = TRY(parse_range(cfs::next_word(b.items, ",")));
	b.value = b.range.lo;
	return {};
}

cfs::Result<Expansion> Expansion::make(std::string_view text) noexcept
{
	constexpr std::uint64_t kNumberMax = 65535;
	Expansion e;
	if (text.size() > kTextMax / 2)
		return cfs::fail(INVAL);
	for (;;) {
		auto open = text.find('[');
		if (open == std::string_view::npos)
			break;
		auto close = text.find(']');
		if (close == std::string_view::npos || close < open || e.count_ == kBracketsMax)
			return cfs::fail(INVAL);
		Bracket &b = e.brackets_[e.count_++];
		b.before = text.substr(0, open);
		b.all = text.substr(0, close);
		b.all.remove_prefix(open + 1);
		// All of it is checked here; next() only steps.
		std::string_view items = b.all;
		if (cfs::trim(items).empty())
			return cfs::fail(INVAL);
		while (!items.empty())
			if (TRY(parse_range(cfs::next_word(items, ","))).hi > kNumberMax)
				return cfs::fail(INVAL);
		TRY(restart(b));
		text.remove_prefix(close + 1);
	}
	e.tail_ = text;
	return e;
}

std::string_view Expansion::text() noexcept
{
	cfs::FormatSink out(buffer_);
	for (unsigned i = 0; i < count_; i++)
		out.print("{}{}", brackets_[i].before, brackets_[i].value);
	out.put(tail_);
	return out.text();
}

bool Expansion::next() noexcept
{
	for (unsigned i = count_; i-- > 0;) {
		Bracket &b = brackets_[i];
		b.value += b.range.step;
		if (b.value <= b.range.hi)
			return true;
		if (!b.items.empty()) {
			b.range = *parse_range(cfs::next_word(b.items, ","));
			b.value = b.range.lo;
			return true;
		}
		(void)restart(b);
	}
	return false;
}

cfs::Result<> add_gateways(RoutesSpec &out, Net net, std::uint32_t hops,
			   std::string_view word) noexcept
{
	RouteSpec r;
	r.net = net;
	r.hops = hops;
	// Behind the last colon, unless that is part of an IPv6 address.
	auto at = word.rfind('@');
	auto colon = word.rfind(':');
	if (colon != std::string_view::npos && at != std::string_view::npos && colon > at) {
		std::string_view priority = word;
		priority.remove_prefix(colon + 1);
		auto p = TRY(cfs::parse_u64(priority));
		if (p > UINT32_MAX)
			return cfs::fail(INVAL);
		r.priority = static_cast<std::uint32_t>(p);
		word = word.substr(0, colon);
	}
	auto gateways = TRY(Expansion::make(word));
	do {
		r.gateway = TRY(parse_nid(gateways.text()));
		if (out.count == RoutesSpec::kMax)
			return cfs::fail(NOSPC);
		out.list[out.count++] = r;
	} while (gateways.next());
	return {};
}

cfs::Result<> add_route_entry(RoutesSpec &out, std::string_view entry) noexcept
{
	std::string_view nets = cfs::next_word(entry, kBlanks);
	std::uint32_t hops = RouteSpec::kHopsUnset;
	std::string_view rest = entry, word = cfs::next_word(rest, kBlanks);
	if (word.find('@') == std::string_view::npos) {
		auto h = TRY(cfs::parse_u64(word));
		if (h < 1 || h > 255)
			return cfs::fail(INVAL);
		hops = static_cast<std::uint32_t>(h);
		entry = rest;
	}
	auto net = TRY(Expansion::make(nets));
	do {
		Net n = TRY(parse_net(net.text()));
		std::string_view words = entry, gateway = cfs::next_word(words, kBlanks);
		if (gateway.empty())
			return cfs::fail(INVAL);
		for (; !gateway.empty(); gateway = cfs::next_word(words, kBlanks))
			TRY(add_gateways(out, n, hops, gateway));
	} while (net.next());
	return {};
}

/// Whether one of the addresses is in one of the ranges; with none, every node is meant.
cfs::Result<bool> is_meant(std::string_view ranges, std::span<const std::uint32_t> own) noexcept
{
	bool meant = cfs::trim(ranges).empty();
	while (!ranges.empty()) {
		std::string_view range = cfs::next_word(ranges, kBlanks);
		if (range.empty())
			break;
		(void)TRY(in_ip_range(range, 0)); // what is wrong is wrong on every node
		for (std::uint32_t a : own)
			meant = TRY(in_ip_range(range, a)) || meant;
	}
	return meant;
}

/// The nets of an entry end where its addresses begin: at a blank outside of parentheses.
std::size_t nets_end(std::string_view entry) noexcept
{
	bool inside = false;
	for (std::size_t i = 0; i < entry.size(); i++) {
		inside = entry[i] == '(' || (inside && entry[i] != ')');
		if (!inside && cfs::is_blank(entry[i]))
			return i;
	}
	return entry.size();
}

} // namespace

cfs::Result<bool> in_ip_range(std::string_view range, std::uint32_t addr) noexcept
{
	bool in = true;
	for (int shift = 24; shift >= 0; shift -= 8) {
		if (range.empty())
			return cfs::fail(INVAL);
		bool has = TRY(part_has(next_part(range), addr >> shift & 0xff));
		in = in && has;
	}
	if (!range.empty())
		return cfs::fail(INVAL);
	return in;
}

cfs::Result<NetworksSpec> parse_ip2nets(std::string_view text,
					std::span<const std::uint32_t> own) noexcept
{
	NetworksSpec out;
	out.list = TRY(cfs::Array<NetworkSpec>::make(CFS_S_LNET, NetworksSpec::kMax));
	for (std::string_view e = next_entry(text); !e.empty(); e = next_entry(text)) {
		std::string_view nets = e.substr(0, nets_end(e));
		e.remove_prefix(nets.size());
		auto spec = TRY(parse_networks(nets));
		if (!TRY(is_meant(e, own)))
			continue;
		std::size_t before = out.count;
		for (std::size_t i = 0; i < spec.count; i++) {
			auto same = [&](const NetworkSpec &s) { return s.net == spec.list[i].net; };
			if (std::any_of(out.list.begin(), out.list.begin() + before, same))
				continue;
			if (out.count == NetworksSpec::kMax)
				return cfs::fail(NOSPC);
			out.list[out.count++] = spec.list[i];
		}
	}
	return out;
}

cfs::Result<RoutesSpec> parse_routes(std::string_view text) noexcept
{
	RoutesSpec out;
	if (cfs::trim(text).empty())
		return out;
	out.list = TRY(cfs::Array<RouteSpec>::make(CFS_S_LNET, RoutesSpec::kMax));
	for (std::string_view e = next_entry(text); !e.empty(); e = next_entry(text))
		TRY(add_route_entry(out, e));
	return out;
}

} // namespace lnet
