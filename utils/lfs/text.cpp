// SPDX-License-Identifier: GPL-2.0
//
// Text in and out; see text.hpp.

#include "lfs/text.hpp"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>

namespace lfs
{

namespace
{

void add_list(std::string &out, const char *format, va_list args)
{
	va_list again;
	va_copy(again, args);
	int n = vsnprintf(nullptr, 0, format, again);
	va_end(again);
	if (n <= 0)
		return;
	auto old = out.size();
	out.resize(old + static_cast<std::size_t>(n) + 1);
	vsnprintf(out.data() + old, static_cast<std::size_t>(n) + 1, format, args);
	out.pop_back();
}

/// A number without sign or blanks; false when there is none, or something behind it.
bool parse_u64(std::string_view s, std::uint64_t &out)
{
	if (s.empty() || s[0] < '0' || s[0] > '9')
		return false;
	std::string t(s);
	char *end;
	errno = 0;
	out = strtoull(t.c_str(), &end, 0);
	return *end == '\0' && errno == 0;
}

} // namespace

void add(std::string &out, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	add_list(out, format, args);
	va_end(args);
}

std::string text(const char *format, ...)
{
	std::string out;
	va_list args;
	va_start(args, format);
	add_list(out, format, args);
	va_end(args);
	return out;
}

std::string bare_fid_text(const wire::Fid &f)
{
	return text("%#llx:0x%x:0x%x", static_cast<unsigned long long>(f.seq.get()), f.oid.get(),
		    f.ver.get());
}

std::string fid_text(const wire::Fid &f)
{
	return "[" + bare_fid_text(f) + "]";
}

std::optional<wire::Fid> parse_fid(std::string_view s)
{
	if (s.starts_with('[')) {
		if (!s.ends_with(']') || s.size() < 2)
			return {};
		s = s.substr(1, s.size() - 2);
	}
	auto parts = split(s, ':');
	std::uint64_t seq, oid, ver;
	if (parts.size() != 3 || !parse_u64(parts[0], seq) || !parse_u64(parts[1], oid) ||
	    !parse_u64(parts[2], ver) || oid > UINT32_MAX || ver > UINT32_MAX)
		return {};
	return wire::make_fid(seq, static_cast<std::uint32_t>(oid),
			      static_cast<std::uint32_t>(ver));
}

std::optional<std::int64_t> parse_int(std::string_view s)
{
	bool negative = s.starts_with('-');
	if (negative)
		s.remove_prefix(1);
	std::uint64_t n;
	if (!parse_u64(s, n) || n > INT64_MAX)
		return {};
	auto v = static_cast<std::int64_t>(n);
	return negative ? -v : v;
}

std::optional<Size> parse_size(std::string_view s, std::uint64_t unit)
{
	if (s.empty())
		return {};
	constexpr std::string_view kLetters = "kmgtpe";
	char last = static_cast<char>(s.back() | 0x20);
	if (last == 'b' && !s.starts_with("0x")) {
		unit = 512;
		s.remove_suffix(1);
	} else if (auto at = kLetters.find(last); at != kLetters.npos && !s.starts_with("0x")) {
		unit = std::uint64_t{1} << (10 * (at + 1));
		s.remove_suffix(1);
	}
	std::uint64_t n, bytes;
	if (!parse_u64(s, n) || __builtin_mul_overflow(n, unit, &bytes))
		return {};
	return Size{bytes, unit};
}

std::vector<std::string> split(std::string_view s, char at)
{
	std::vector<std::string> out;
	for (;;) {
		auto end = s.find(at);
		out.emplace_back(s.substr(0, end));
		if (end == s.npos)
			return out;
		s.remove_prefix(end + 1);
	}
}

} // namespace lfs
