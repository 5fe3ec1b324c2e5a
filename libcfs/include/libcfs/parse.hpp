// SPDX-License-Identifier: GPL-2.0
//
// Reading values that people write into parameters and options: numbers in any base, booleans,
// sizes with units, words. Every parser takes the whole text (blanks and a newline around it do not
// count) or fails with err::INVAL, and with err::RANGE when the value does not fit (spec 08
// section 7.2).
#pragma once

#include <cstdint>
#include <string_view>

#include "libcfs/result.hpp"

namespace cfs
{

[[nodiscard]] constexpr bool is_blank(char c) noexcept
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/// Without the blanks around it.
[[nodiscard]] constexpr std::string_view trim(std::string_view s) noexcept
{
	while (!s.empty() && is_blank(s.front()))
		s.remove_prefix(1);
	while (!s.empty() && is_blank(s.back()))
		s.remove_suffix(1);
	return s;
}

[[nodiscard]] constexpr char to_lower(char c) noexcept
{
	return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

/// Whether a and b are the same but for case (ASCII).
[[nodiscard]] constexpr bool same_word(std::string_view a, std::string_view b) noexcept
{
	if (a.size() != b.size())
		return false;
	for (std::size_t i = 0; i < a.size(); i++)
		if (to_lower(a[i]) != to_lower(b[i]))
			return false;
	return true;
}

/// The next word of `rest` up to a character of `separators`; both are cut off `rest`. Empty words
/// between separators are skipped; empty at the end.
[[nodiscard]] constexpr std::string_view next_word(std::string_view &rest,
						   std::string_view separators) noexcept
{
	while (!rest.empty() && separators.find(rest.front()) != std::string_view::npos)
		rest.remove_prefix(1);
	std::size_t n = rest.find_first_of(separators);
	std::string_view word = rest.substr(0, n);
	rest.remove_prefix(word.size());
	return word;
}

namespace detail
{

constexpr unsigned digit_value(char c) noexcept
{
	if (c >= '0' && c <= '9')
		return static_cast<unsigned>(c - '0');
	char l = to_lower(c);
	return l >= 'a' && l <= 'f' ? static_cast<unsigned>(l - 'a') + 10 : 99;
}

/// Digits only; at least one.
constexpr Result<std::uint64_t> parse_digits(std::string_view s, unsigned base) noexcept
{
	if (s.empty())
		return fail(err::INVAL);
	std::uint64_t v = 0;
	bool fits = true;
	for (char c : s) {
		unsigned d = digit_value(c);
		if (d >= base)
			return fail(err::INVAL);
		fits = fits && !__builtin_mul_overflow(v, base, &v) &&
		       !__builtin_add_overflow(v, d, &v);
	}
	if (!fits)
		return fail(err::RANGE);
	return v;
}

} // namespace detail

/// An unsigned number: decimal, 0x hexadecimal or 0 octal.
[[nodiscard]] constexpr Result<std::uint64_t> parse_u64(std::string_view text) noexcept
{
	std::string_view s = trim(text);
	if (!s.empty() && s[0] == '+')
		s.remove_prefix(1);
	if (s.size() > 2 && s[0] == '0' && to_lower(s[1]) == 'x')
		return detail::parse_digits(s.substr(2), 16);
	if (s.size() > 1 && s[0] == '0')
		return detail::parse_digits(s.substr(1), 8);
	return detail::parse_digits(s, 10);
}

/// A signed number, likewise.
[[nodiscard]] constexpr Result<std::int64_t> parse_i64(std::string_view text) noexcept
{
	std::string_view s = trim(text);
	bool negative = !s.empty() && s[0] == '-';
	if (negative)
		s.remove_prefix(1);
	if (negative && (s.empty() || detail::digit_value(s[0]) > 9))
		return fail(err::INVAL);
	auto v = parse_u64(s);
	if (!v)
		return fail(v.error());
	constexpr std::uint64_t kMin = std::uint64_t{1} << 63;
	if (*v > (negative ? kMin : kMin - 1))
		return fail(err::RANGE);
	return static_cast<std::int64_t>(negative ? 0 - *v : *v);
}

/// 0 1 n y no yes f t false true off on, in any case.
[[nodiscard]] constexpr Result<bool> parse_bool(std::string_view text) noexcept
{
	constexpr std::string_view kWords[][2] = {
		{"0", "1"}, {"n", "y"}, {"no", "yes"}, {"f", "t"}, {"false", "true"}, {"off", "on"},
	};
	std::string_view s = trim(text);
	for (const auto &pair : kWords)
		for (bool v : {false, true})
			if (same_word(s, pair[v ? 1 : 0]))
				return v;
	return fail(err::INVAL);
}

namespace detail
{

/// B K M G T P E with an optional iB or B behind; the whole of `s`. Empty: the default unit.
constexpr Result<std::uint64_t> parse_size_unit(std::string_view s,
						std::uint64_t default_unit) noexcept
{
	if (s.empty())
		return default_unit;
	constexpr std::string_view kUnits = "bkmgtpe";
	std::size_t i = kUnits.find(to_lower(s[0]));
	std::string_view tail = s.substr(1);
	if (i == std::string_view::npos ||
	    !(tail.empty() || (i > 0 && same_word(tail, "b")) || (i > 0 && same_word(tail, "ib"))))
		return fail(err::INVAL);
	return std::uint64_t{1} << (10 * i);
}

/// 0.`digits` times unit (a power of two), cut to a whole number. Digits after the twelfth are too
/// small to count.
constexpr Result<std::uint64_t> parse_fraction(std::string_view digits, std::uint64_t unit) noexcept
{
	if (digits.empty())
		return fail(err::INVAL);
	std::uint64_t num = 0;
	std::uint64_t den = 1;
	for (char c : digits.substr(0, 12)) {
		num = num * 10 + digit_value(c);
		den *= 10;
	}
	// Binary long division: num * unit would not fit.
	std::uint64_t value = 0;
	for (; unit > 1; unit /= 2) {
		num *= 2;
		value = value * 2 + (num >= den ? 1 : 0);
		if (num >= den)
			num -= den;
	}
	return value;
}

} // namespace detail

/// A size in bytes: a number with an optional fraction and unit, e.g. 4096, 64K, 1.5GiB. A number
/// without a unit counts `default_unit` bytes, a power of two.
[[nodiscard]] constexpr Result<std::uint64_t> parse_size(std::string_view text,
							 std::uint64_t default_unit = 1) noexcept
{
	std::string_view s = trim(text);
	bool hex = s.size() > 2 && s[0] == '0' && to_lower(s[1]) == 'x';
	std::size_t n = hex ? s.size() : s.find_first_not_of("0123456789");
	std::string_view number = s.substr(0, n);
	s.remove_prefix(number.size());
	std::string_view fraction;
	bool has_fraction = !s.empty() && s[0] == '.';
	if (has_fraction) {
		s.remove_prefix(1);
		fraction = s.substr(0, s.find_first_not_of("0123456789"));
		s.remove_prefix(fraction.size());
	}
	std::uint64_t unit = TRY(detail::parse_size_unit(s, default_unit));
	std::uint64_t v = TRY(hex ? parse_u64(number) : detail::parse_digits(number, 10));
	std::uint64_t part = 0;
	if (has_fraction)
		part = TRY(detail::parse_fraction(fraction, unit));
	if (__builtin_mul_overflow(v, unit, &v) || __builtin_add_overflow(v, part, &v))
		return fail(err::RANGE);
	return v;
}

} // namespace cfs
