// SPDX-License-Identifier: GPL-2.0
//
// See config_text.hpp.

#include "lnet/config_text.hpp"

#include <algorithm>

#include "libcfs/parse.hpp"

namespace lnet
{

using namespace cfs::err;

namespace
{

constexpr std::string_view kWhitespace = " \t\r\n";
constexpr auto kNone = std::string_view::npos;

cfs::Result<std::uint64_t> parse_number(std::string_view s) noexcept
{
	return cfs::detail::parse_digits(cfs::trim(s), 10);
}

/// Takes `[...]` off the front, and the blanks around it; an empty set when there is none.
cfs::Result<CptSet> take_cpts(std::string_view &rest) noexcept
{
	rest = cfs::trim(rest);
	if (rest.empty() || rest.front() != '[')
		return CptSet{};
	auto close = rest.find(']');
	if (close == kNone)
		return cfs::fail(INVAL);
	auto set = TRY(parse_cpts(rest.substr(0, close + 1)));
	rest.remove_prefix(close + 1);
	rest = cfs::trim(rest);
	return set;
}

/// Takes the comma between two members of a list off the front; something must follow it.
cfs::Result<> take_comma(std::string_view &rest) noexcept
{
	rest = cfs::trim(rest);
	if (rest.empty())
		return {};
	if (rest.front() != ',')
		return cfs::fail(INVAL);
	rest.remove_prefix(1);
	rest = cfs::trim(rest);
	return rest.empty() ? cfs::fail(INVAL) : cfs::Result<>{};
}

/// Takes everything up to one of the characters off the front.
std::string_view take_until(std::string_view &rest, std::string_view ends) noexcept
{
	std::string_view part = rest.substr(0, rest.find_first_of(ends));
	rest.remove_prefix(part.size());
	return cfs::trim(part);
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

} // namespace

cfs::Result<NumberRange> parse_range(std::string_view s) noexcept
{
	NumberRange r;
	std::string_view first = s.substr(0, s.find('-'));
	r.lo = r.hi = TRY(parse_number(first));
	s.remove_prefix(first.size());
	if (s.empty())
		return r;
	s.remove_prefix(1);
	std::string_view last = s.substr(0, s.find('/'));
	r.hi = TRY(parse_number(last));
	s.remove_prefix(last.size());
	if (!s.empty()) {
		s.remove_prefix(1);
		r.step = TRY(parse_number(s));
	}
	if (r.hi < r.lo || r.step == 0 || r.step > UINT32_MAX)
		return cfs::fail(INVAL);
	return r;
}

cfs::Result<CptSet> parse_cpts(std::string_view text) noexcept
{
	text = cfs::trim(text);
	if (!text.empty() && text.front() == '[') {
		if (text.back() != ']')
			return cfs::fail(INVAL);
		text.remove_prefix(1);
		text.remove_suffix(1);
	}
	CptSet set;
	while (!cfs::trim(text).empty()) {
		auto r = TRY(parse_range(cfs::next_word(text, ",")));
		if (r.hi >= CptSet::kMax)
			return cfs::fail(RANGE);
		for (; r.lo <= r.hi; r.lo += r.step)
			set.add(static_cast<unsigned>(r.lo));
	}
	return set.empty() ? cfs::fail(INVAL) : cfs::Result<CptSet>(set);
}

// ---- networks ----

NetworksReader::NetworksReader(std::string_view text) noexcept : rest_(cfs::trim(text)) {}

cfs::Result<> NetworksReader::take_interface(NetworkSpec &out) noexcept
{
	std::string_view name = take_until(list_, ",[");
	if (name.empty() || name.size() > NetworkSpec::kNameMax)
		return cfs::fail(INVAL);
	out = {};
	out.net = net_;
	std::copy(name.begin(), name.end(), out.name.begin());
	out.cpts = TRY(take_cpts(list_));
	if (out.cpts.empty())
		out.cpts = cpts_;
	return take_comma(list_);
}

cfs::Result<> NetworksReader::take_network(NetworkSpec &out) noexcept
{
	net_ = TRY(parse_net(take_until(rest_, ",([")));
	cpts_ = TRY(take_cpts(rest_));
	if (rest_.empty() || rest_.front() != '(') {
		out = {};
		out.net = net_;
		out.cpts = cpts_;
		return take_comma(rest_);
	}
	auto close = rest_.find(')');
	if (close == kNone)
		return cfs::fail(INVAL);
	list_ = rest_.substr(0, close);
	list_.remove_prefix(1);
	list_ = cfs::trim(list_);
	rest_.remove_prefix(close + 1);
	CptSet behind = TRY(take_cpts(rest_));
	if (list_.empty() || (!behind.empty() && !cpts_.empty()))
		return cfs::fail(INVAL);
	cpts_.add(behind);
	TRY(take_comma(rest_));
	return take_interface(out);
}

cfs::Result<bool> NetworksReader::next(NetworkSpec &out) noexcept
{
	while (!list_.empty() || !rest_.empty()) {
		if (!list_.empty())
			TRY(take_interface(out));
		else
			TRY(take_network(out));
		if (net_type(out.net) != LndType::lo)
			return true;
	}
	return false;
}

// ---- entries and addresses ----

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

std::string_view take_nets(std::string_view &entry) noexcept
{
	// They end where the addresses begin: at a blank outside of parentheses and brackets.
	std::size_t i = 0;
	char inside = 0;
	for (; i < entry.size() && (inside || !cfs::is_blank(entry[i])); i++) {
		if (!inside && (entry[i] == '(' || entry[i] == '['))
			inside = entry[i] == '(' ? ')' : ']';
		else if (entry[i] == inside)
			inside = 0;
	}
	std::string_view nets = entry.substr(0, i);
	entry.remove_prefix(i);
	return nets;
}

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

cfs::Result<bool> is_meant(std::string_view ranges, std::span<const std::uint32_t> own) noexcept
{
	bool meant = cfs::trim(ranges).empty();
	while (!ranges.empty()) {
		std::string_view range = cfs::next_word(ranges, kWhitespace);
		if (range.empty())
			break;
		(void)TRY(in_ip_range(range, 0)); // what is wrong is wrong on every node
		for (std::uint32_t a : own)
			meant = TRY(in_ip_range(range, a)) || meant;
	}
	return meant;
}

// ---- expansions ----

cfs::Result<> Expansion::restart(Bracket &b) noexcept
{
	b.items = b.all;
	b.range = TRY(parse_range(cfs::next_word(b.items, ",")));
	b.value = b.range.lo;
	return {};
}

cfs::Result<> Expansion::add(std::string_view before, std::string_view items) noexcept
{
	constexpr std::uint64_t kNumberMax = 65535;
	if (count_ == kBracketsMax || cfs::trim(items).empty())
		return cfs::fail(INVAL);
	Bracket &b = brackets_[count_++];
	b.before = before;
	b.all = items;
	// All of it is checked here; next() only steps.
	while (!items.empty())
		if (TRY(parse_range(cfs::next_word(items, ","))).hi > kNumberMax)
			return cfs::fail(INVAL);
	return restart(b);
}

cfs::Result<Expansion> Expansion::make(std::string_view text, Stars stars) noexcept
{
	Expansion e;
	if (text.size() > kTextMax)
		return cfs::fail(INVAL);
	for (;;) {
		auto open = text.find_first_of(stars == Stars::octets ? "[*" : "[");
		if (open == kNone)
			break;
		std::string_view before = text.substr(0, open);
		if (text[open] == '*') {
			TRY(e.add(before, "0-255"));
			text.remove_prefix(open + 1);
			continue;
		}
		auto close = text.find(']');
		if (close == kNone || close < open)
			return cfs::fail(INVAL);
		std::string_view items = text.substr(0, close);
		items.remove_prefix(open + 1);
		TRY(e.add(before, items));
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

std::uint64_t Expansion::size() const noexcept
{
	std::uint64_t all = 1;
	for (unsigned i = 0; i < count_; i++) {
		std::uint64_t n = 0;
		for (std::string_view items = brackets_[i].all; !items.empty();) {
			auto r = *parse_range(cfs::next_word(items, ","));
			n += (r.hi - r.lo) / r.step + 1;
		}
		// Four of at most 128 / 2 items of 65536 numbers fit; beyond that it is not exact.
		all = all > UINT64_MAX / n ? UINT64_MAX : all * n;
	}
	return all;
}

// ---- NID ranges ----

cfs::Result<> NidRange::make_prefix(std::string_view text) noexcept
{
	auto slash = text.find('/'), at = text.find('@');
	std::string_view length = text.substr(0, at);
	length.remove_prefix(slash + 1);
	auto bits = TRY(parse_number(length));
	// The address as a NID of its network.
	char buffer[LNET_NIDSTR_SIZE];
	cfs::FormatSink one(buffer);
	one.put(text.substr(0, slash));
	text.remove_prefix(at);
	one.put(text);
	first_ = TRY(parse_nid(one.text()));
	if (!first_.is_nid4() || first_.is_none() || bits > 32)
		return cfs::fail(INVAL);
	count_ = std::uint64_t{1} << (32 - bits);
	auto mask = static_cast<std::uint32_t>(~(count_ - 1));
	first_ = Nid::ipv4(first_.net(), first_.addr4() & mask);
	return {};
}

cfs::Result<NidRange> NidRange::make(std::string_view text, std::uint64_t max) noexcept
{
	NidRange r;
	text = cfs::trim(text);
	auto at = text.find('@');
	std::string_view address = text.substr(0, at), net = text;
	net.remove_prefix(address.size());
	if (net.find_first_of("[*") != kNone) // it is one network's
		return cfs::fail(INVAL);
	if (at != kNone && address.find('[') == kNone && address.find('/') != kNone) {
		TRY(r.make_prefix(text));
	} else {
		// A star is a whole part of an address that has several.
		for (std::string_view rest = address; rest.find('*') != kNone;) {
			std::string_view part = next_part(rest);
			if (address.find('.') == kNone || (part != "*" && part.find('*') != kNone))
				return cfs::fail(INVAL);
		}
		r.expansion_ = TRY(Expansion::make(text, Expansion::Stars::octets));
		r.count_ = r.expansion_.size();
	}
	if (r.count_ > max)
		return cfs::fail(NOSPC);
	return r;
}

cfs::Result<Nid> NidRange::nid() noexcept
{
	if (first_.is_none())
		return parse_nid(expansion_.text());
	return Nid::ipv4(first_.net(), first_.addr4() + static_cast<std::uint32_t>(index_));
}

bool NidRange::next() noexcept
{
	return first_.is_none() ? expansion_.next() : ++index_ < count_;
}

} // namespace lnet
