// SPDX-License-Identifier: GPL-2.0
//
// Errors as values. Every core function that can fail returns Result<T>, a std::expected whose
// error is Errno: a positive Linux error number behind a type of its own, so that an errno is
// never mistaken for a count or a status, and the compiler complains when a result is dropped.
//
// The boundary with C glue speaks plain `int` (0 or negative errno); to_result() and to_rc()
// convert, and they are the only places that do.
#pragma once

#include <expected>
#include <utility>

namespace cfs
{

/// A Linux error number, positive, as `errno` has it on x86-64. Never 0.
enum class Errno : int {};

/// The error numbers this system uses, under their usual names without the leading E. Only these
/// values are named; any other number a peer sends is still representable as an Errno.
namespace err
{
inline constexpr Errno PERM{1}, NOENT{2}, INTR{4}, IO{5}, NXIO{6}, BIG2{7}, BADF{9}, AGAIN{11},
	NOMEM{12}, ACCES{13}, FAULT{14}, BUSY{16}, EXIST{17}, XDEV{18}, NODEV{19}, NOTDIR{20},
	ISDIR{21}, INVAL{22}, NFILE{23}, NOTTY{25}, TXTBSY{26}, FBIG{27}, NOSPC{28}, SPIPE{29},
	ROFS{30}, MLINK{31}, PIPE{32}, DOM{33}, RANGE{34}, DEADLK{35}, NAMETOOLONG{36}, NOLCK{37},
	NOSYS{38}, NOTEMPTY{39}, LOOP{40}, NOMSG{42}, NODATA{61}, TIME{62}, NOTUNIQ{76}, REMCHG{78},
	PROTO{71}, BADMSG{74}, OVERFLOW_{75}, ILSEQ{84}, USERS{87}, MSGSIZE{90}, PROTONOSUPPORT{93},
	OPNOTSUPP{95}, ADDRINUSE{98}, ADDRNOTAVAIL{99}, NETDOWN{100}, NETUNREACH{101},
	CONNABORTED{103}, CONNRESET{104}, NOBUFS{105}, ISCONN{106}, NOTCONN{107}, SHUTDOWN{108},
	TIMEDOUT{110}, CONNREFUSED{111}, HOSTDOWN{112}, HOSTUNREACH{113}, ALREADY{114},
	INPROGRESS{115}, STALE{116}, UCLEAN{117}, DQUOT{122}, CANCELED{125}, NOKEY{126},
	KEYEXPIRED{127}, KEYREVOKED{128};
/// "Argument list too long"; also a buffer of the peer that is too small for the value.
inline constexpr Errno TOOBIG = BIG2;
/// "Value too large for defined data type".
inline constexpr Errno OVERFLOWED = OVERFLOW_;
} // namespace err

/// A value, or the reason there is none. A class of its own only because an alias can not be
/// [[nodiscard]].
template <typename T = void>
class [[nodiscard]] Result : public std::expected<T, Errno>
{
public:
	using std::expected<T, Errno>::expected;
	using std::expected<T, Errno>::operator=;
};

/// Success, or the reason for failure: one int, returned in a register.
template <>
class [[nodiscard]] Result<void>
{
	Errno e_{};

public:
	using value_type = void;
	using error_type = Errno;

	constexpr Result() noexcept = default;
	constexpr Result(const std::unexpected<Errno> &u) noexcept : e_(u.error()) {}

	[[nodiscard]] constexpr bool has_value() const noexcept { return e_ == Errno{}; }
	constexpr explicit operator bool() const noexcept { return has_value(); }
	/// Only after a failure.
	[[nodiscard]] constexpr Errno error() const noexcept { return e_; }
	constexpr void operator*() const noexcept {}
	friend constexpr bool operator==(const Result &, const Result &) = default;
};

/// Makes a failed Result of any type: `return fail(err::NOMEM);`.
[[nodiscard]] constexpr std::unexpected<Errno> fail(Errno e) noexcept
{
	return std::unexpected<Errno>(e);
}

/// A boundary return code (0 or a negative errno; positive counts as success) as a Result.
[[nodiscard]] constexpr Result<> to_result(int rc) noexcept
{
	if (rc < 0)
		return fail(Errno{-rc});
	return {};
}

/// The boundary form of a Result: 0, or the negative errno.
template <typename T>
[[nodiscard]] constexpr int to_rc(const Result<T> &r) noexcept
{
	return r ? 0 : -static_cast<int>(r.error());
}

/// The negative number the boundary and the wire use for an error.
[[nodiscard]] constexpr int to_rc(Errno e) noexcept
{
	return -static_cast<int>(e);
}

} // namespace cfs

/// Propagates an error to the caller, or yields the value: `auto x = TRY(get());`. For Result<>
/// it is a statement. A GNU statement expression; both supported compilers have it.
#define TRY(expr)                                                                                  \
	({                                                                                         \
		auto try_result_ = (expr);                                                         \
		if (!try_result_) [[unlikely]]                                                     \
			return ::std::unexpected(try_result_.error());                             \
		*::std::move(try_result_);                                                         \
	})
