// SPDX-License-Identifier: GPL-2.0
//
// A set of CPU partitions (CPTs), such as those that an interface is bound to. A value of one word;
// whether a partition exists is not checked here.
#pragma once

#include <bit>
#include <cstdint>

namespace lnet
{

class CptSet
{
	std::uint64_t bits_ = 0;

public:
	/// As plat/thread.h has it.
	static constexpr unsigned kMax = 64;

	constexpr CptSet() = default;
	/// The first `count`.
	[[nodiscard]] static constexpr CptSet first(unsigned count) noexcept
	{
		CptSet s;
		s.bits_ = count >= kMax ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1;
		return s;
	}

	constexpr void add(unsigned cpt) noexcept { bits_ |= std::uint64_t{1} << cpt; }
	constexpr void add(const CptSet &o) noexcept { bits_ |= o.bits_; }
	[[nodiscard]] constexpr bool empty() const noexcept { return bits_ == 0; }
	[[nodiscard]] constexpr bool has(unsigned cpt) const noexcept
	{
		return cpt < kMax && (bits_ >> cpt & 1) != 0;
	}
	/// Whether all of them are among the first `count`.
	[[nodiscard]] constexpr bool within(unsigned count) const noexcept
	{
		return (bits_ & ~first(count).bits_) == 0;
	}
	[[nodiscard]] constexpr unsigned count() const noexcept
	{
		unsigned n = 0; // std::popcount may become a call that kernels do not have
		for (auto b = bits_; b; b &= b - 1)
			n++;
		return n;
	}
	/// The one with `n` of them below it; n < count().
	[[nodiscard]] constexpr unsigned nth(unsigned n) const noexcept
	{
		auto b = bits_;
		for (; n; n--)
			b &= b - 1;
		return static_cast<unsigned>(std::countr_zero(b));
	}
	constexpr bool operator==(const CptSet &) const = default;
};

} // namespace lnet
