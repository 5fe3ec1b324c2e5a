// SPDX-License-Identifier: GPL-2.0
//
// NIDs and networks as text, both ways (spec 01 section 2.5). Pure functions over caller's memory;
// text comes from users and configuration logs, so every form that is not exactly right is refused.

#include "lnet/nid.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace lnet
{

using cfs::err::INVAL;
using cfs::err::PROTO;

namespace
{

/// Without its first n characters, which it has. (substr() would check, and throw.)
constexpr std::string_view skip(std::string_view s, std::size_t n) noexcept
{
	s.remove_prefix(n);
	return s;
}

struct LndName {
	std::string_view name;
	LndType type;
	bool ip;
};
// In the order in which prefixes are tried.
constexpr LndName kLndNames[] = {
	{"lo", LndType::lo, false},   {"tcp", LndType::tcp, true},    {"o2ib", LndType::o2ib, true},
	{"gni", LndType::gni, false}, {"ptlf", LndType::ptlf, false}, {"kfi", LndType::kfi, false},
	{"efa", LndType::efa, true},
};

const LndName *find_type(LndType t) noexcept
{
	for (const auto &l : kLndNames)
		if (l.type == t)
			return &l;
	return nullptr;
}

/// A whole string as one unsigned number of the base, at most max.
std::optional<std::uint32_t> number(std::string_view s, int base, std::uint32_t max) noexcept
{
	std::uint32_t v = 0;
	auto [end, ec] = std::from_chars(s.data(), s.data() + s.size(), v, base);
	if (ec != std::errc{} || end != s.data() + s.size() || v > max)
		return std::nullopt;
	return v;
}

std::optional<std::uint32_t> parse_ipv4(std::string_view s) noexcept
{
	std::uint32_t addr = 0;
	for (int part = 0; part < 4; part++) {
		auto dot = s.find('.');
		if ((dot == std::string_view::npos) != (part == 3))
			return std::nullopt;
		auto v = number(s.substr(0, dot), 10, 255);
		if (!v)
			return std::nullopt;
		addr = addr << 8 | *v;
		s = part == 3 ? std::string_view{} : skip(s, dot + 1);
	}
	return addr;
}

using Groups = std::array<std::uint16_t, 8>;

/// One side of "::": groups separated by colons, the last perhaps a dotted quad. Number of groups.
std::optional<std::size_t> parse_groups(std::string_view s, Groups &g) noexcept
{
	std::size_t n = 0;
	while (!s.empty()) {
		auto colon = s.find(':');
		auto word = s.substr(0, colon);
		if (n == 8)
			return std::nullopt;
		if (colon == std::string_view::npos && word.find('.') != word.npos) {
			auto v4 = parse_ipv4(word);
			if (!v4 || n > 6)
				return std::nullopt;
			g[n++] = static_cast<std::uint16_t>(*v4 >> 16);
			g[n++] = static_cast<std::uint16_t>(*v4);
			return n;
		}
		auto v = word.size() <= 4 ? number(word, 16, 0xffff) : std::nullopt;
		if (!v)
			return std::nullopt;
		g[n++] = static_cast<std::uint16_t>(*v);
		if (colon == std::string_view::npos)
			break;
		s = skip(s, colon + 1);
		if (s.empty()) // a colon with nothing after it
			return std::nullopt;
	}
	return n;
}

std::optional<std::array<std::uint8_t, 16>> parse_ipv6(std::string_view s) noexcept
{
	Groups head{}, tail{};
	std::size_t tail_n = 0;
	auto gap = s.find("::");
	auto head_n = parse_groups(s.substr(0, gap), head);
	if (!head_n)
		return std::nullopt;
	if (gap == std::string_view::npos) {
		if (*head_n != 8)
			return std::nullopt;
	} else {
		auto n = parse_groups(skip(s, gap + 2), tail);
		if (!n || *head_n + *n > 7)
			return std::nullopt;
		tail_n = *n;
	}
	std::array<std::uint8_t, 16> out{};
	for (std::size_t i = 0; i < 8; i++) {
		std::uint16_t v = i < *head_n	    ? head[i]
				  : i >= 8 - tail_n ? tail[i - (8 - tail_n)]
						    : 0;
		out[2 * i] = static_cast<std::uint8_t>(v >> 8);
		out[2 * i + 1] = static_cast<std::uint8_t>(v);
	}
	return out;
}

/// Text under construction in a buffer that is always long enough for what is written here.
class Text
{
	char buf_[LNET_NIDSTR_SIZE];
	std::size_t n_ = 0;

public:
	void str(std::string_view s) noexcept
	{
		for (char c : s)
			if (n_ < sizeof(buf_))
				buf_[n_++] = c;
	}
	void num(std::uint32_t v, int base = 10) noexcept
	{
		auto r = std::to_chars(buf_ + n_, buf_ + sizeof(buf_), v, base);
		if (r.ec == std::errc{})
			n_ = static_cast<std::size_t>(r.ptr - buf_);
	}
	[[nodiscard]] std::string_view view() const noexcept { return {buf_, n_}; }
};

void put_ipv4(Text &t, std::uint32_t a) noexcept
{
	for (unsigned shift = 24;; shift -= 8) {
		t.num(a >> shift & 0xff);
		if (shift == 0)
			break;
		t.str(".");
	}
}

/// The usual short form: the longest run of two or more zero groups, the first of equals, becomes
/// "::".
void put_ipv6(Text &t, std::span<const std::uint8_t> a) noexcept
{
	Groups g{};
	for (std::size_t i = 0; i < 8; i++)
		g[i] = static_cast<std::uint16_t>(a[2 * i] << 8 | a[2 * i + 1]);
	std::size_t best = 8, best_n = 1;
	for (std::size_t i = 0; i < 8; i++) {
		std::size_t n = 0;
		while (i + n < 8 && g[i + n] == 0)
			n++;
		if (n > best_n) {
			best = i;
			best_n = n;
		}
	}
	for (std::size_t i = 0; i < 8;) {
		if (i == best) {
			t.str("::");
			i += best_n;
			continue;
		}
		t.num(g[i], 16);
		i++;
		if (i < 8 && i != best)
			t.str(":");
	}
}

void put_net(Text &t, Net net) noexcept
{
	if (const LndName *l = find_type(net_type(net))) {
		t.str(l->name);
		if (net_number(net) != 0)
			t.num(net_number(net));
		return;
	}
	t.str("<");
	t.num(static_cast<std::uint32_t>(net_type(net)));
	t.str(":");
	t.num(net_number(net));
	t.str(">");
}

} // namespace

cfs::Result<Nid> Nid::from_wire(cfs::Bytes b) noexcept
{
	const Nid *w = TRY(cfs::view_at<Nid>(b, 0));
	if (w->is_any())
		return any();
	if (w->size_ != 0 && w->size_ != 12)
		return cfs::fail(PROTO);
	Nid n = *w;
	for (std::size_t i = 4u + n.size_; i < n.addr_.size(); i++)
		n.addr_[i] = 0;
	return n;
}

cfs::Result<Net> parse_net(std::string_view s) noexcept
{
	for (const auto &l : kLndNames) {
		if (!s.starts_with(l.name))
			continue;
		auto rest = skip(s, l.name.size());
		if (rest.empty())
			return make_net(l.type, 0);
		auto v = l.type == LndType::lo ? std::nullopt : number(rest, 10, 0xffff);
		if (!v)
			return cfs::fail(INVAL);
		return make_net(l.type, static_cast<std::uint16_t>(*v));
	}
	return cfs::fail(INVAL);
}

cfs::Result<Nid> parse_nid(std::string_view s) noexcept
{
	if (s == "*" || s == "<?>")
		return Nid::any();
	Net net = make_net(LndType::tcp, 0);
	auto at = s.find('@');
	if (at != std::string_view::npos) {
		net = TRY(parse_net(skip(s, at + 1)));
		s = s.substr(0, at);
	}
	if (net_type(net) == LndType::lo)
		return Nid::lo();
	if (find_type(net_type(net))->ip) {
		if (auto v4 = parse_ipv4(s))
			return Nid::ipv4(net, *v4);
		if (s.find(':') != std::string_view::npos)
			if (auto v6 = parse_ipv6(s))
				return Nid::ipv6(net, *v6);
		return cfs::fail(INVAL);
	}
	bool hex = s.starts_with("0x") || s.starts_with("0X");
	auto v = number(hex ? skip(s, 2) : s, hex ? 16 : 10, UINT32_MAX);
	if (!v)
		return cfs::fail(INVAL);
	return Nid::ipv4(net, *v);
}

void format_value(cfs::FormatSink &sink, const Nid &nid) noexcept
{
	Text t;
	if (nid.is_any()) {
		t.str("<?>");
	} else {
		const LndName *l = find_type(nid.type());
		if (!nid.is_nid4())
			put_ipv6(t, nid.addr());
		else if (l && l->ip)
			put_ipv4(t, nid.addr4());
		else
			t.num(nid.addr4(), l ? 10 : 16);
		t.str("@");
		put_net(t, nid.net());
	}
	sink.put(t.view());
}

void format_value(cfs::FormatSink &sink, Net net) noexcept
{
	Text t;
	if (net == Net::any)
		t.str("<?>");
	else
		put_net(t, net);
	sink.put(t.view());
}

void format_value(cfs::FormatSink &sink, const ProcessId &id) noexcept
{
	Text t;
	if (id.pid == LNET_PID_ANY) {
		t.str("LNET_PID_ANY");
	} else {
		if (id.pid & LNET_PID_USERFLAG)
			t.str("U");
		t.num(id.pid & ~LNET_PID_USERFLAG);
	}
	t.str("-");
	sink.put(t.view());
	format_value(sink, id.nid);
}

} // namespace lnet
