// SPDX-License-Identifier: GPL-2.0
//
// The generator of every choice in a simulation: xoshiro256**, seeded by splitmix64. Our own code
// rather than <random>, because what a seed means may not differ between libraries.
#pragma once

#include <cstdint>

namespace cfs::sim
{

class Rng
{
	std::uint64_t s_[4];

	static constexpr std::uint64_t rotl(std::uint64_t x, int k) noexcept
	{
		return (x << k) | (x >> (64 - k));
	}

public:
	/// `stream` tells apart independent generators of one seed.
	explicit constexpr Rng(std::uint64_t seed, std::uint64_t stream = 0) noexcept : s_{}
	{
		std::uint64_t x = seed ^ (stream * 0xd1342543de82ef95u);
		for (auto &word : s_) {
			x += 0x9e3779b97f4a7c15u;
			std::uint64_t z = x;
			z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
			z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
			word = z ^ (z >> 31);
		}
	}

	constexpr std::uint64_t u64() noexcept
	{
		std::uint64_t result = rotl(s_[1] * 5, 7) * 9;
		std::uint64_t t = s_[1] << 17;
		s_[2] ^= s_[0];
		s_[3] ^= s_[1];
		s_[1] ^= s_[2];
		s_[0] ^= s_[3];
		s_[2] ^= t;
		s_[3] = rotl(s_[3], 45);
		return result;
	}
	/// 0 to n - 1; n is not 0.
	constexpr std::uint64_t below(std::uint64_t n) noexcept
	{
		return static_cast<std::uint64_t>((static_cast<unsigned __int128>(u64()) * n) >>
						  64);
	}
	/// low to high, both included.
	constexpr std::uint64_t between(std::uint64_t low, std::uint64_t high) noexcept
	{
		return low + (high == UINT64_MAX && low == 0 ? u64() : below(high - low + 1));
	}
	/// True once in `one_in` times; never when it is 0.
	constexpr bool chance(std::uint64_t one_in) noexcept
	{
		return one_in && below(one_in) == 0;
	}
	/// 1 to 2^bits, every order of magnitude as likely as any other.
	constexpr std::uint64_t magnitude(unsigned bits) noexcept
	{
		std::uint64_t top = std::uint64_t{1} << below(bits + 1);
		return between(top / 2 + (top == 1), top);
	}
};

} // namespace cfs::sim
