// SPDX-License-Identifier: GPL-2.0
//
// Checksums of the hosted back ends: zlib for CRC-32 and Adler-32, tables made at compile time for
// the two it does not have.
#include "libcfs/plat/csum.h"

#include <zlib.h>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace
{

// Slicing by 8: table[k][b] is the effect of byte b followed by k zero bytes.
constexpr auto kCrc32c = [] {
	std::array<std::array<std::uint32_t, 256>, 8> t{};
	for (std::uint32_t b = 0; b < 256; b++) {
		std::uint32_t c = b;
		for (int i = 0; i < 8; i++)
			c = (c >> 1) ^ (c & 1 ? 0x82F63B78u : 0u);
		t[0][b] = c;
	}
	for (std::size_t k = 1; k < 8; k++)
		for (std::size_t b = 0; b < 256; b++)
			t[k][b] = (t[k - 1][b] >> 8) ^ t[0][t[k - 1][b] & 0xff];
	return t;
}();

constexpr auto kT10 = [] {
	std::array<std::uint16_t, 256> t{};
	for (unsigned b = 0; b < 256; b++) {
		unsigned c = b << 8;
		for (int i = 0; i < 8; i++)
			c = (c << 1) ^ (c & 0x8000 ? 0x8BB7u : 0u);
		t[b] = static_cast<std::uint16_t>(c);
	}
	return t;
}();

static_assert(std::endian::native == std::endian::little);

} // namespace

extern "C" {

uint32_t cfs_crc32(uint32_t seed, const void *p, size_t n) noexcept
{
	if (n == 0)
		return seed; // zlib takes a null pointer for "start over"
	// zlib inverts before and after; undo both.
	return ~static_cast<uint32_t>(
		crc32_z(~seed & 0xffffffffu, static_cast<const Bytef *>(p), n));
}

uint32_t cfs_crc32c(uint32_t seed, const void *p, size_t n) noexcept
{
	auto *b = static_cast<const unsigned char *>(p);
	std::uint32_t c = seed;
	for (; n >= 8; n -= 8, b += 8) {
		std::uint32_t lo = 0;
		std::uint32_t hi = 0;
		std::memcpy(&lo, b, 4);
		std::memcpy(&hi, b + 4, 4);
		lo ^= c;
		c = kCrc32c[7][lo & 0xff] ^ kCrc32c[6][lo >> 8 & 0xff] ^
		    kCrc32c[5][lo >> 16 & 0xff] ^ kCrc32c[4][lo >> 24] ^ kCrc32c[3][hi & 0xff] ^
		    kCrc32c[2][hi >> 8 & 0xff] ^ kCrc32c[1][hi >> 16 & 0xff] ^ kCrc32c[0][hi >> 24];
	}
	for (; n; n--, b++)
		c = (c >> 8) ^ kCrc32c[0][(c ^ *b) & 0xff];
	return c;
}

uint32_t cfs_adler32(uint32_t seed, const void *p, size_t n) noexcept
{
	if (n == 0)
		return seed; // zlib takes a null pointer for "start over"
	return static_cast<uint32_t>(adler32_z(seed, static_cast<const Bytef *>(p), n));
}

uint16_t cfs_crc_t10dif(uint16_t seed, const void *p, size_t n) noexcept
{
	auto *b = static_cast<const unsigned char *>(p);
	unsigned c = seed;
	for (; n; n--, b++)
		c = (c << 8 & 0xffff) ^ kT10[(c >> 8 ^ *b) & 0xff];
	return static_cast<uint16_t>(c);
}

uint16_t cfs_ip_csum(const void *p, size_t n) noexcept
{
	// Sums of 16-bit words as they lie in memory; RFC 1071 makes the byte order come out right.
	auto *b = static_cast<const unsigned char *>(p);
	std::uint64_t sum = 0;
	for (; n >= 2; n -= 2, b += 2) {
		std::uint16_t w = 0;
		std::memcpy(&w, b, 2);
		sum += w;
	}
	if (n)
		sum += *b;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return static_cast<uint16_t>(~sum);
}

} // extern "C"
