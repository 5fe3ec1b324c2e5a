// SPDX-License-Identifier: GPL-2.0
//
// Text formatting without allocation, floating point or a C library. The format string is checked
// against the arguments when it is compiled; the output goes to a buffer of the caller's and is cut
// at its end, or to a drain that takes it piece by piece.
//
//     char buf[64];
//     auto text = format_to(buf, "peer {} said {:#x} ({:<8}|{:5})", nid, v, name, n);
//
// A placeholder is {} or {:SPEC}, SPEC being, each part optional and in this order:
//
//     [<|>]   alignment (default: text left, numbers right)
//     #       0x before hexadecimal digits
//     0       pad numbers with zeroes
//     WIDTH   at least so many characters
//     .PREC   at most so many characters of a text
//     TYPE    integers: d (default), x, X, o, b, c (one character); bool: d (0 or 1) instead of
//             true or false; text: e (control and non-ASCII characters as \xHH: for names that
//             come from outside)
//
// {{ and }} print braces. Arguments are integers (fixed-order ones included), bool, char, text
// (const char *, std::string_view, char arrays) and every type with an overload found by ADL:
//
//     void format_value(cfs::FormatSink &out, const T &v) noexcept;
//
// Pointers are refused on purpose: they tell an attacker where things are.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <type_traits>

#include "libcfs/endian.hpp"
#include "libcfs/result.hpp"
#include "libcfs/time.hpp"

namespace cfs
{

class FormatSink;

namespace detail
{

/// A parsed {:SPEC}.
struct FormatSpec {
	char align = 0; // '<', '>' or 0 for the default
	char type = 0;
	bool alt = false;
	bool zero = false;
	std::uint16_t width = 0;
	std::uint16_t precision = UINT16_MAX;
};

enum class ArgKind : std::uint8_t { none, integer, boolean, character, text, custom };

/// One argument with its type erased. Lives as long as the formatting call.
struct FormatArg {
	ArgKind kind = ArgKind::none;
	bool negative = false;	// integer: value is the magnitude
	std::uint8_t bytes = 8; // integer: size of the type, for negative numbers in hex
	std::uint64_t value = 0;
	const void *ptr = nullptr; // text or object
	void (*custom)(FormatSink &out, const void *obj) noexcept = nullptr;
};

inline constexpr std::uint16_t kFormatWidthMax = 200;

/// Reads a decimal number at s[i]; false when it is above kFormatWidthMax.
constexpr bool parse_format_number(std::string_view s, std::size_t &i, std::uint16_t &out) noexcept
{
	unsigned v = 0;
	while (i < s.size() && s[i] >= '0' && s[i] <= '9') {
		v = v * 10 + static_cast<unsigned>(s[i++] - '0');
		if (v > kFormatWidthMax)
			return false;
	}
	out = static_cast<std::uint16_t>(v);
	return true;
}

/// Parses from after the '{' and leaves `i` after the '}'. False when it is malformed.
constexpr bool parse_format_spec(std::string_view s, std::size_t &i, FormatSpec &spec) noexcept
{
	auto at = [&](char c) { return i < s.size() && s[i] == c; };
	if (at(':')) {
		i++;
		if (at('<') || at('>'))
			spec.align = s[i++];
		if (at('#')) {
			spec.alt = true;
			i++;
		}
		if (at('0')) {
			spec.zero = true;
			i++;
		}
		if (!parse_format_number(s, i, spec.width))
			return false;
		if (at('.')) {
			i++;
			std::size_t before = i;
			if (!parse_format_number(s, i, spec.precision) || i == before)
				return false;
		}
		if (i < s.size() && s[i] != '}')
			spec.type = s[i++];
	}
	if (!at('}'))
		return false;
	i++;
	return true;
}

constexpr bool spec_fits(const FormatSpec &spec, ArgKind kind) noexcept
{
	auto type_is = [&](std::string_view set) {
		return spec.type == 0 || set.find(spec.type) != std::string_view::npos;
	};
	bool has_prec = spec.precision != UINT16_MAX;
	switch (kind) {
	case ArgKind::integer:
		return type_is("dxXobc") && !has_prec &&
		       (!spec.alt || spec.type == 'x' || spec.type == 'X');
	case ArgKind::boolean:
		return type_is("d") && !has_prec && !spec.alt && !spec.zero;
	case ArgKind::character:
		return type_is("c") && !has_prec && !spec.alt && !spec.zero;
	case ArgKind::text:
		return type_is("e") && !spec.alt && !spec.zero;
	case ArgKind::custom:
		return spec.type == 0 && !has_prec && !spec.alt && !spec.zero;
	case ArgKind::none:
		break;
	}
	return false;
}

// Never defined: reaching one of them in a constant evaluation is the error message.
void format_string_has_fewer_placeholders_than_arguments();
void format_string_has_more_placeholders_than_arguments();
void format_placeholder_is_malformed();
void format_placeholder_does_not_suit_its_argument();
void format_string_has_an_unpaired_closing_brace();

consteval void check_format(std::string_view s, const ArgKind *kinds, std::size_t n)
{
	std::size_t arg = 0;
	for (std::size_t i = 0; i < s.size();) {
		char c = s[i++];
		bool doubled = i < s.size() && s[i] == c;
		if ((c == '{' || c == '}') && doubled) {
			i++;
		} else if (c == '}') {
			format_string_has_an_unpaired_closing_brace();
		} else if (c == '{') {
			FormatSpec spec;
			if (!parse_format_spec(s, i, spec))
				format_placeholder_is_malformed();
			if (arg == n)
				format_string_has_more_placeholders_than_arguments();
			if (!spec_fits(spec, kinds[arg++]))
				format_placeholder_does_not_suit_its_argument();
		}
	}
	if (arg != n)
		format_string_has_fewer_placeholders_than_arguments();
}

template <typename T>
struct IsFixed : std::false_type {
};
template <typename T, std::endian O>
struct IsFixed<Fixed<T, O>> : std::true_type {
};

template <typename T>
concept HasFormatValue = requires(FormatSink &out, const T &v) { format_value(out, v); };

/// A type that turns into text: string_view, char arrays, const char *.
template <typename T>
concept TextLike =
	std::is_convertible_v<const T &, std::string_view> ||
	std::is_same_v<std::decay_t<T>, const char *> || std::is_same_v<std::decay_t<T>, char *>;

template <typename T>
consteval ArgKind arg_kind()
{
	if constexpr (HasFormatValue<T>)
		return ArgKind::custom;
	else if constexpr (std::is_same_v<T, bool>)
		return ArgKind::boolean;
	else if constexpr (std::is_same_v<T, char>)
		return ArgKind::character;
	else if constexpr (IsFixed<T>::value || std::is_integral_v<T>)
		return ArgKind::integer;
	else if constexpr (TextLike<T>)
		return ArgKind::text;
	else
		static_assert(!sizeof(T), "no format_value() for this type");
}

template <typename T>
constexpr FormatArg integer_arg(T v) noexcept
{
	FormatArg a;
	a.kind = ArgKind::integer;
	a.bytes = sizeof(T);
	a.value = static_cast<std::uint64_t>(v);
	if constexpr (std::is_signed_v<T>) {
		a.negative = v < 0;
		if (a.negative)
			a.value = 0 - a.value;
	}
	return a;
}

template <typename T>
FormatArg text_arg(const T &v) noexcept
{
	std::string_view s;
	if constexpr (std::is_pointer_v<T>) {
		s = v ? std::string_view(v) : std::string_view("(null)");
	} else if constexpr (std::is_array_v<T>) {
		s = std::string_view(v, sizeof(v));
		s = s.substr(0, s.find('\0'));
	} else {
		s = v;
	}
	FormatArg a;
	a.kind = ArgKind::text;
	a.ptr = s.data();
	a.value = s.size();
	return a;
}

template <typename T>
FormatArg make_format_arg(const T &v) noexcept
{
	constexpr ArgKind kind = arg_kind<T>();
	FormatArg a;
	a.kind = kind;
	if constexpr (kind == ArgKind::custom) {
		a.ptr = &v;
		a.custom = [](FormatSink &out, const void *obj) noexcept {
			format_value(out, *static_cast<const T *>(obj));
		};
	} else if constexpr (kind == ArgKind::integer) {
		if constexpr (IsFixed<T>::value)
			a = integer_arg(v.get());
		else
			a = integer_arg(v);
	} else if constexpr (kind == ArgKind::text) {
		a = text_arg(v);
	} else {
		a.value = static_cast<unsigned char>(v);
	}
	return a;
}

} // namespace detail

/// A format string checked against the argument types. Made implicitly from a literal.
template <typename... Args>
class BasicFormatString
{
	std::string_view s_;

public:
	template <std::size_t N>
	consteval BasicFormatString(const char (&s)[N]) : s_(s, N - 1)
	{
		constexpr detail::ArgKind kinds[sizeof...(Args) + 1] = {detail::arg_kind<Args>()...,
									detail::ArgKind::none};
		detail::check_format(s_, kinds, sizeof...(Args));
	}
	[[nodiscard]] constexpr std::string_view text() const noexcept { return s_; }
};
template <typename... Args>
using FormatString = BasicFormatString<std::type_identity_t<Args>...>;

/// Where formatted text goes. Without a drain the buffer's end cuts it; with one the sink hands
/// over each full buffer, and the owner calls flush() for the rest.
class FormatSink
{
public:
	using Drain = void (*)(void *ctx, const char *text, std::size_t n) noexcept;

private:
	char *buf_;
	std::size_t size_;
	std::size_t used_ = 0;
	bool truncated_ = false;
	Drain drain_ = nullptr;
	void *ctx_ = nullptr;

public:
	explicit constexpr FormatSink(std::span<char> buf) noexcept
	    : buf_(buf.data()), size_(buf.size())
	{
	}
	FormatSink(std::span<char> buf, Drain drain, void *ctx) noexcept
	    : buf_(buf.data()), size_(buf.size()), drain_(drain), ctx_(ctx)
	{
	}
	FormatSink(const FormatSink &) = delete;
	FormatSink &operator=(const FormatSink &) = delete;

	void put(char c) noexcept
	{
		if (used_ == size_) {
			if (!drain_ || size_ == 0) {
				truncated_ = true;
				return;
			}
			flush();
		}
		buf_[used_++] = c;
	}
	void put(std::string_view s) noexcept
	{
		while (!s.empty()) {
			std::size_t n = s.size() < size_ - used_ ? s.size() : size_ - used_;
			__builtin_memcpy(buf_ + used_, s.data(), n);
			used_ += n;
			s.remove_prefix(n);
			if (!s.empty()) {
				put(s[0]);
				s.remove_prefix(1);
				if (truncated_)
					return;
			}
		}
	}
	void fill(char c, std::size_t n) noexcept
	{
		while (n-- > 0)
			put(c);
	}
	template <typename... Args>
	void print(FormatString<Args...> fmt, const Args &...args) noexcept;
	/// Hands what is buffered to the drain.
	void flush() noexcept
	{
		if (drain_ && used_) {
			drain_(ctx_, buf_, used_);
			used_ = 0;
		}
	}

	/// What is in the buffer (without a drain: all of it).
	[[nodiscard]] std::string_view text() const noexcept { return {buf_, used_}; }
	[[nodiscard]] std::size_t size() const noexcept { return used_; }
	[[nodiscard]] bool truncated() const noexcept { return truncated_; }
};

namespace detail
{

inline constexpr std::string_view kHexDigits = "0123456789abcdef";

/// Pads what `n` characters will be; the caller prints them between before() and after().
struct FormatPad {
	FormatSink &out;
	std::size_t left;
	std::size_t right;

	FormatPad(FormatSink &o, const FormatSpec &spec, std::size_t n, char by_default) noexcept
	    : out(o), left(0), right(0)
	{
		std::size_t pad = spec.width > n ? spec.width - n : 0;
		((spec.align ? spec.align : by_default) == '<' ? right : left) = pad;
	}
	void before() noexcept { out.fill(' ', left); }
	void after() noexcept { out.fill(' ', right); }
};

inline void print_text(FormatSink &out, const FormatSpec &spec, std::string_view s,
		       char by_default = '<') noexcept
{
	if (spec.precision != UINT16_MAX)
		s = s.substr(0, spec.precision);
	auto plain = [](char c) { return c >= 0x20 && c < 0x7f && c != '\\'; };
	std::size_t n = s.size();
	if (spec.type == 'e')
		for (char c : s)
			n += plain(c) ? 0 : 3;
	FormatPad pad(out, spec, n, by_default);
	pad.before();
	for (char c : s) {
		if (spec.type != 'e' || plain(c)) {
			out.put(c);
			continue;
		}
		auto byte = static_cast<unsigned char>(c);
		out.put("\\x");
		out.put(kHexDigits[byte >> 4]);
		out.put(kHexDigits[byte & 15]);
	}
	pad.after();
}

[[gnu::__noinline__]] inline void print_integer(FormatSink &out, const FormatSpec &spec,
						const FormatArg &arg) noexcept
{
	std::uint64_t v = arg.value;
	bool negative = arg.negative;
	unsigned base = spec.type == 'x' || spec.type == 'X' ? 16
			: spec.type == 'o'		     ? 8
			: spec.type == 'b'		     ? 2
							     : 10;
	if (negative && base != 10) {
		v = (0 - v) & (UINT64_MAX >> (64 - 8 * arg.bytes));
		negative = false;
	}
	std::string_view digits = spec.type == 'X' ? "0123456789ABCDEF" : kHexDigits;
	char buf[64];
	std::size_t n = 0;
	do {
		buf[sizeof(buf) - ++n] = digits[v % base];
		v /= base;
	} while (v);
	std::size_t sign = (negative ? 1u : 0u) + (spec.alt ? 2u : 0u);
	std::size_t zeroes = spec.zero && spec.width > n + sign ? spec.width - n - sign : 0;
	FormatPad pad(out, spec, n + sign + zeroes, '>');
	pad.before();
	if (negative)
		out.put('-');
	if (spec.alt)
		out.put("0x");
	out.fill('0', zeroes);
	out.put(std::string_view(buf + sizeof(buf) - n, n));
	pad.after();
}

[[gnu::__noinline__]] inline void print_custom(FormatSink &out, const FormatSpec &spec,
					       const FormatArg &arg) noexcept
{
	if (spec.width == 0) {
		arg.custom(out, arg.ptr);
		return;
	}
	char buf[kFormatWidthMax];
	FormatSink piece(buf);
	arg.custom(piece, arg.ptr);
	print_text(out, spec, piece.text());
}

inline void print_arg(FormatSink &out, const FormatSpec &spec, const FormatArg &arg) noexcept
{
	char c = static_cast<char>(arg.value);
	switch (arg.kind) {
	case ArgKind::integer:
		if (spec.type == 'c')
			print_text(out, spec, {&c, 1});
		else
			print_integer(out, spec, arg);
		break;
	case ArgKind::boolean:
		if (spec.type == 'd')
			print_text(out, {spec.align, 0, false, false, spec.width},
				   arg.value ? "1" : "0", '>');
		else
			print_text(out, spec, arg.value ? "true" : "false");
		break;
	case ArgKind::character:
		print_text(out, spec, {&c, 1});
		break;
	case ArgKind::text:
		print_text(out, spec, {static_cast<const char *>(arg.ptr), arg.value});
		break;
	case ArgKind::custom:
		print_custom(out, spec, arg);
		break;
	case ArgKind::none:
		break;
	}
}

/// The engine. `fmt` has been checked against `args` when it was compiled.
[[gnu::__noinline__]] inline void vformat(FormatSink &out, std::string_view fmt,
					  const FormatArg *args) noexcept
{
	for (std::size_t i = 0; i < fmt.size();) {
		char c = fmt[i++];
		if ((c == '{' || c == '}') && i < fmt.size() && fmt[i] == c) {
			i++;
			out.put(c);
		} else if (c == '{') {
			FormatSpec spec;
			if (parse_format_spec(fmt, i, spec))
				print_arg(out, spec, *args++);
		} else {
			out.put(c);
		}
	}
}

} // namespace detail

template <typename... Args>
void FormatSink::print(FormatString<Args...> fmt, const Args &...args) noexcept
{
	const detail::FormatArg a[sizeof...(Args) + 1] = {detail::make_format_arg(args)..., {}};
	detail::vformat(*this, fmt.text(), a);
}

/// Formats into `buf`, cut at its end, without a NUL. Returns what was written.
template <typename... Args>
std::string_view format_to(std::span<char> buf, FormatString<Args...> fmt,
			   const Args &...args) noexcept
{
	FormatSink out(buf);
	out.print(fmt, args...);
	return out.text();
}

/// Likewise with a NUL at the end, for what wants a C string. buf must not be empty.
template <typename... Args>
const char *format_cstr(std::span<char> buf, FormatString<Args...> fmt,
			const Args &...args) noexcept
{
	auto s = format_to(buf.first(buf.size() - 1), fmt, args...);
	buf[s.size()] = '\0';
	return buf.data();
}

/// The symbolic name of a Linux error number without its E ("TIMEDOUT"), empty when it has none.
[[nodiscard, gnu::__noinline__]] inline std::string_view errno_name(Errno e) noexcept
{
	// Error numbers 1 to 133 of Linux in order, with x86-64's gaps (41 and 58) left empty.
	static constexpr std::string_view kNames =
		"PERM NOENT SRCH INTR IO NXIO 2BIG NOEXEC BADF CHILD AGAIN NOMEM ACCES FAULT "
		"NOTBLK BUSY EXIST XDEV NODEV NOTDIR ISDIR INVAL NFILE MFILE NOTTY TXTBSY FBIG "
		"NOSPC SPIPE ROFS MLINK PIPE DOM RANGE DEADLK NAMETOOLONG NOLCK NOSYS NOTEMPTY "
		"LOOP  NOMSG IDRM CHRNG L2NSYNC L3HLT L3RST LNRNG UNATCH NOCSI L2HLT BADE BADR "
		"XFULL NOANO BADRQC BADSLT  BFONT NOSTR NODATA TIME NOSR NONET NOPKG REMOTE "
		"NOLINK ADV SRMNT COMM PROTO MULTIHOP DOTDOT BADMSG OVERFLOW NOTUNIQ BADFD REMCHG "
		"LIBACC LIBBAD LIBSCN LIBMAX LIBEXEC ILSEQ RESTART STRPIPE USERS NOTSOCK "
		"DESTADDRREQ MSGSIZE PROTOTYPE NOPROTOOPT PROTONOSUPPORT SOCKTNOSUPPORT OPNOTSUPP "
		"PFNOSUPPORT AFNOSUPPORT ADDRINUSE ADDRNOTAVAIL NETDOWN NETUNREACH NETRESET "
		"CONNABORTED CONNRESET NOBUFS ISCONN NOTCONN SHUTDOWN TOOMANYREFS TIMEDOUT "
		"CONNREFUSED HOSTDOWN HOSTUNREACH ALREADY INPROGRESS STALE UCLEAN NOTNAM NAVAIL "
		"ISNAM REMOTEIO DQUOT NOMEDIUM MEDIUMTYPE CANCELED NOKEY KEYEXPIRED KEYREVOKED "
		"KEYREJECTED OWNERDEAD NOTRECOVERABLE RFKILL HWPOISON ";
	std::string_view rest = kNames;
	for (int n = 1; !rest.empty(); n++) {
		std::size_t len = rest.find(' ');
		if (n == static_cast<int>(e))
			return rest.substr(0, len);
		rest.remove_prefix(len + 1);
	}
	return {};
}

/// -110 (ETIMEDOUT)
[[gnu::__noinline__]] inline void format_value(FormatSink &out, Errno e) noexcept
{
	out.print("{}", to_rc(e));
	if (auto name = errno_name(e); !name.empty())
		out.print(" (E{})", name);
}

/// 0, or the error as above.
template <typename T>
inline void format_value(FormatSink &out, const Result<T> &r) noexcept
{
	if (r)
		out.put('0');
	else
		format_value(out, r.error());
}

/// 250ms, 7s, 1.250s
inline void format_value(FormatSink &out, Duration d) noexcept
{
	bool negative = d.ns() < 0;
	auto ns = static_cast<std::uint64_t>(d.ns());
	if (negative) {
		out.put('-');
		ns = 0 - ns;
	}
	std::uint64_t ms = ns / 1000000;
	if (ms >= 1000 && ms % 1000)
		out.print("{}.{:03}s", ms / 1000, ms % 1000);
	else if (ms >= 1000 || ns == 0)
		out.print("{}s", ms / 1000);
	else if (ms)
		out.print("{}ms", ms);
	else
		out.print("{}us", ns / 1000);
}

/// Bytes as people write them: 512, 4K, 1.5M. Cut, not rounded, to one decimal.
struct ByteSize {
	std::uint64_t bytes;
};
inline void format_value(FormatSink &out, ByteSize b) noexcept
{
	constexpr std::string_view kUnits = "KMGTPE";
	unsigned unit = 0;
	while (unit < kUnits.size() && (b.bytes >> (10 * (unit + 1))) != 0)
		unit++;
	if (unit == 0) {
		out.print("{}", b.bytes);
		return;
	}
	unsigned shift = 10 * unit;
	std::uint64_t tenth = ((b.bytes >> (shift - 10)) & 1023) * 10 / 1024;
	out.print("{}", b.bytes >> shift);
	if (tenth)
		out.print(".{}", tenth);
	out.put(kUnits[unit - 1]);
}

/// A time in nanoseconds as SEC.NNNNNNNNN.
struct SecNsec {
	std::uint64_t ns;
};
inline void format_value(FormatSink &out, SecNsec t) noexcept
{
	out.print("{}.{:09}", t.ns / 1000000000, t.ns % 1000000000);
}

/// Bytes as hexadecimal digits.
struct HexBytes {
	std::span<const std::byte> bytes;
};
inline void format_value(FormatSink &out, HexBytes h) noexcept
{
	for (std::byte b : h.bytes)
		out.print("{:02x}", static_cast<unsigned>(b));
}

} // namespace cfs
