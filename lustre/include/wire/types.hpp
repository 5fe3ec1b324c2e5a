// SPDX-License-Identifier: GPL-2.0
//
// What every wire and disk structure is made of. Structures in this folder are overlaid on bytes a
// peer or a disk gave us, so they hold nothing but fixed-order integers, characters and each other:
// alignment 1, no padding, trivially copyable. A structure has the same fields in the same order on
// every machine, and its size is asserted beside it; tests/golden compares every offset, size and
// constant with the tables recorded from a stock system.
//
// Names. A field keeps its protocol name without the structure's prefix (`mbo_valid` is
// MdtBody::valid), a constant keeps its protocol name whole. Numbers that must not be mixed up have
// types of their own (Xid, Transno, LockHandle ...).
//
// Peers and disks of the other byte order are not served: see rpc/format/message.hpp for the wire
// and the magic numbers of the disk structures.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "libcfs/bytes.hpp"
#include "libcfs/endian.hpp"

namespace wire
{

/// Short names; this folder is full of them.
using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;

using cfs::be16;
using cfs::be32;
using cfs::be64;
using cfs::le16;
using cfs::le32;
using cfs::le64;
using cfs::sle16;
using cfs::sle32;
using cfs::sle64;

/// An enumeration, or a number with a type of its own, stored little-endian. Values a peer sends
/// need not be among the enumerators: compare, never index.
template <typename E>
	requires std::is_enum_v<E>
class Le
{
	cfs::Fixed<std::underlying_type_t<E>, std::endian::little> raw_;

public:
	using value_type = E;

	Le() = default;
	constexpr Le(E e) noexcept : raw_(static_cast<std::underlying_type_t<E>>(e)) {}

	constexpr Le &operator=(E e) noexcept
	{
		raw_ = static_cast<std::underlying_type_t<E>>(e);
		return *this;
	}
	[[nodiscard]] constexpr E get() const noexcept { return static_cast<E>(raw_.get()); }
	constexpr operator E() const noexcept { return get(); }
	/// The number itself, for printing and range checks.
	[[nodiscard]] constexpr std::underlying_type_t<E> raw() const noexcept
	{
		return raw_.get();
	}
};

/// Transfer identifier of an RPC: the match bits of its request, never inside the message (02 3).
enum class Xid : u64 {};
/// Transaction number: high half epoch, low half sequence; 0 = nothing was modified (02 8.2).
enum class Transno : u64 {};
/// Version of an object: the transno of its last change, for version based recovery (02 8.2).
enum class ObjectVersion : u64 {};
/// LNet match bits carried inside a message (bulk and reply bits, 02 1.7).
enum class MatchBits : u64 {};

/// Opaque 64-bit cookies. They are echoed as they came; which side made one is in its name.
enum class ExportHandle : u64 {}; ///< names a server's export, or a client's DLM export
enum class LockHandle : u64 {};	  ///< names a lock at the side that made it
enum class OpenHandle : u64 {};	  ///< names an open file at the MDT
enum class Cookie : u64 {};	  ///< any of the above, where the place decides

/// "Does not exist": what VBR stores for an absent object; 0 means "do not check".
inline constexpr ObjectVersion kVersionAbsent{1};
inline constexpr ObjectVersion kVersionUnchecked{0};

/// A text field of N bytes: NUL-terminated unless it fills the field, zero padded when we write it.
/// Bytes behind the NUL may be anything when we read it.
template <std::size_t N>
struct Chars {
	char c[N];

	[[nodiscard]] constexpr std::string_view view() const noexcept
	{
		std::string_view s(c, N);
		auto nul = s.find('\0');
		return nul == std::string_view::npos ? s : s.substr(0, nul);
	}
	/// True when there is a NUL inside the field; most readers must insist on it.
	[[nodiscard]] constexpr bool terminated() const noexcept
	{
		return std::string_view(c, N).find('\0') != std::string_view::npos;
	}
	/// Stores s, zero padded; false (and no change) when it does not fit with its NUL.
	[[nodiscard]] constexpr bool set(std::string_view s) noexcept
	{
		if (s.size() >= N)
			return false;
		for (std::size_t i = 0; i < N; i++)
			c[i] = i < s.size() ? s[i] : '\0';
		return true;
	}
};

/// Checked beside every structure: it may lie anywhere in a buffer, and is what sizeof says.
template <typename T>
inline constexpr bool kOverlay = cfs::Overlay<T> && std::is_standard_layout_v<T>;

static_assert(kOverlay<Le<Xid>> && sizeof(Le<Xid>) == 8);
static_assert(kOverlay<Chars<40>> && sizeof(Chars<40>) == 40);

/// Bytes a message or log occupies for n bytes of content: buffers start on 8-byte boundaries.
[[nodiscard]] constexpr std::size_t round8(std::size_t n) noexcept
{
	return (n + 7) & ~std::size_t{7};
}

} // namespace wire
