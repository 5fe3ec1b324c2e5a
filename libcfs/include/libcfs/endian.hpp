// SPDX-License-Identifier: GPL-2.0
//
// Integers of a fixed byte order, for wire and disk structures. They have alignment 1, so a
// structure made of them has no padding and may lie anywhere in a buffer; reading and writing go
// through get()/operator=, so a raw value can not be used by mistake without a conversion.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace cfs
{

/// An unsigned or signed integer T stored in byte order Order. Trivial, alignment 1.
template <typename T, std::endian Order>
class Fixed
{
	static_assert(std::is_integral_v<T>);
	unsigned char bytes_[sizeof(T)];

	static constexpr T swap_if(T v) noexcept
	{
		if constexpr (Order == std::endian::native || sizeof(T) == 1) {
			return v;
		} else {
			auto u = static_cast<std::make_unsigned_t<T>>(v);
			if constexpr (sizeof(T) == 2)
				u = __builtin_bswap16(u);
			else if constexpr (sizeof(T) == 4)
				u = __builtin_bswap32(u);
			else
				u = __builtin_bswap64(u);
			return static_cast<T>(u);
		}
	}

public:
	using value_type = T;

	Fixed() = default;
	constexpr Fixed(T v) noexcept { *this = v; }

	constexpr Fixed &operator=(T v) noexcept
	{
		struct Raw {
			unsigned char b[sizeof(T)];
		};
		auto raw = std::bit_cast<Raw>(swap_if(v));
		for (std::size_t i = 0; i < sizeof(T); i++)
			bytes_[i] = raw.b[i];
		return *this;
	}

	/// The value in the machine's own byte order.
	[[nodiscard]] constexpr T get() const noexcept
	{
		struct Raw {
			unsigned char b[sizeof(T)];
		} raw{};
		for (std::size_t i = 0; i < sizeof(T); i++)
			raw.b[i] = bytes_[i];
		return swap_if(std::bit_cast<T>(raw));
	}
	constexpr operator T() const noexcept { return get(); }

	constexpr Fixed &operator|=(T v) noexcept { return *this = static_cast<T>(get() | v); }
	constexpr Fixed &operator&=(T v) noexcept { return *this = static_cast<T>(get() & v); }
	constexpr Fixed &operator+=(T v) noexcept { return *this = static_cast<T>(get() + v); }
	constexpr Fixed &operator-=(T v) noexcept { return *this = static_cast<T>(get() - v); }
};

using le16 = Fixed<std::uint16_t, std::endian::little>;
using le32 = Fixed<std::uint32_t, std::endian::little>;
using le64 = Fixed<std::uint64_t, std::endian::little>;
using sle16 = Fixed<std::int16_t, std::endian::little>;
using sle32 = Fixed<std::int32_t, std::endian::little>;
using sle64 = Fixed<std::int64_t, std::endian::little>;
using be16 = Fixed<std::uint16_t, std::endian::big>;
using be32 = Fixed<std::uint32_t, std::endian::big>;
using be64 = Fixed<std::uint64_t, std::endian::big>;

static_assert(sizeof(le64) == 8 && alignof(le64) == 1 && std::is_trivial_v<le64>);

} // namespace cfs
