// SPDX-License-Identifier: GPL-2.0
//
// Pages, checksums, randomness: what file data goes through. Checksums are held against published
// check values and against a bit-by-bit calculation, over lengths and alignments where accelerated
// code changes its ways.
#include <cstring>

#include "boundary.hpp"
#include "libcfs/lock.hpp"
#include "libcfs/plat/csum.h"
#include "libcfs/plat/page.h"

namespace cfs::boundary
{
namespace
{

constexpr cfs_subsys kWho = CFS_S_ECHO;
constexpr std::size_t kSample = 3 * 4096;

std::uint32_t slow_crc(std::uint32_t poly, std::uint32_t crc, const unsigned char *p,
		       std::size_t n) noexcept
{
	for (std::size_t i = 0; i < n; i++) {
		crc ^= p[i];
		for (int k = 0; k < 8; k++)
			crc = crc >> 1 ^ (crc & 1 ? poly : 0);
	}
	return crc;
}

std::uint16_t slow_t10(std::uint32_t crc, const unsigned char *p, std::size_t n) noexcept
{
	for (std::size_t i = 0; i < n; i++) {
		crc ^= std::uint32_t{p[i]} << 8;
		for (int k = 0; k < 8; k++)
			crc = crc << 1 ^ (crc & 0x8000 ? 0x8bb7 : 0);
		crc &= 0xffff;
	}
	return static_cast<std::uint16_t>(crc);
}

std::uint32_t slow_adler(const unsigned char *p, std::size_t n) noexcept
{
	std::uint32_t a = 1, b = 0;
	for (std::size_t i = 0; i < n; i++) {
		a = (a + p[i]) % 65521;
		b = (b + a) % 65521;
	}
	return b << 16 | a;
}

Result<> known_checksums(Env &env) noexcept
{
	const char *t = "123456789";
	EXPECT(~cfs_crc32(~0u, t, 9) == 0xcbf43926);
	EXPECT(~cfs_crc32c(~0u, t, 9) == 0xe3069283);
	EXPECT(cfs_crc_t10dif(0, t, 9) == 0xd0db);
	EXPECT(cfs_adler32(1, "Wikipedia", 9) == 0x11e60398);
	// The example of RFC 1071, as it lies in memory on a little-endian machine.
	EXPECT(cfs_ip_csum("\x00\x01\xf2\x03\xf4\xf5\xf6\xf7", 8) == 0x0d22);
	EXPECT(cfs_crc32(5, t, 0) == 5 && cfs_crc32c(5, t, 0) == 5 && cfs_adler32(5, t, 0) == 5);
	return {};
}

Result<> compare_checksums(Env &env) noexcept
{
	auto data = TRY(Array<unsigned char>::make(kWho, kSample));
	for (std::size_t i = 0; i < kSample; i++)
		data[i] = static_cast<unsigned char>(i * i * 7 + i / 251);
	std::size_t n = 1;
	for (std::size_t off = 0; off < 24; off++, n = n * 3 / 2 + 1) {
		const unsigned char *p = data.data() + off;
		n = n > kSample - off ? kSample - off : n;
		EXPECT(cfs_crc32(9, p, n) == slow_crc(0xedb88320, 9, p, n));
		EXPECT(cfs_crc32c(9, p, n) == slow_crc(0x82f63b78, 9, p, n));
		EXPECT(cfs_crc_t10dif(9, p, n) == slow_t10(9, p, n));
		EXPECT(cfs_adler32(1, p, n) == slow_adler(p, n));
		// In two parts, and where nothing may sleep.
		std::size_t half = n / 2;
		RcuGuard g;
		EXPECT(cfs_crc32(cfs_crc32(9, p, half), p + half, n - half) == cfs_crc32(9, p, n));
		EXPECT(cfs_crc32c(cfs_crc32c(9, p, half), p + half, n - half) ==
		       cfs_crc32c(9, p, n));
		EXPECT(cfs_adler32(cfs_adler32(1, p, half), p + half, n - half) ==
		       cfs_adler32(1, p, n));
	}
	return {};
}

Result<> pages(Env &env) noexcept
{
	cfs_page *p = cfs_page_alloc(kWho, CFS_ALLOC_ZERO);
	if (!p)
		return fail(err::NOMEM);
	ScopeExit give_back([&] { cfs_page_free(kWho, p); });
	auto *m = static_cast<unsigned char *>(cfs_page_map(p));
	bool zero = m[0] == 0 && m[CFS_PAGE_SIZE - 1] == 0;
	m[100] = 42;
	cfs_page_unmap(m);
	cfs_page_get(p);
	cfs_page_put(p);
	m = static_cast<unsigned char *>(cfs_page_map(p));
	bool kept = m[100] == 42;
	cfs_page_unmap(m);
	EXPECT(zero);
	EXPECT(kept);
	return {};
}

/// The bytes of cfs_alloc memory are found again in its pages, however it was made.
Result<> pages_of_memory(Env &env) noexcept
{
	for (std::size_t n : {std::size_t{4096}, std::size_t{8 << 20}}) {
		unsigned flags = n > 4096 ? CFS_ALLOC_LARGE : CFS_ALLOC_DEFAULT;
		auto *mem = static_cast<unsigned char *>(cfs_alloc(kWho, n, flags));
		if (!mem)
			return fail(err::NOMEM);
		bool same = true;
		for (std::size_t at = 0; at < n; at += n / 4) {
			mem[at] = static_cast<unsigned char>(at / (n / 4) + 1);
			auto *m = static_cast<unsigned char *>(cfs_page_map(cfs_page_of(mem + at)));
			auto in_page = reinterpret_cast<std::uintptr_t>(mem + at) % CFS_PAGE_SIZE;
			same &= m[in_page] == mem[at];
			cfs_page_unmap(m);
		}
		cfs_free(kWho, mem, n);
		EXPECT(same);
	}
	return {};
}

Result<> randomness(Env &env) noexcept
{
	unsigned char a[32] = {}, b[32] = {};
	cfs_random_bytes(a, sizeof(a));
	cfs_random_bytes(b, sizeof(b));
	EXPECT(std::memcmp(a, b, sizeof(a)) != 0);
	return {};
}

constexpr Test kTests[] = {
	{"Csum.KnownValues", known_checksums},
	{"Csum.EqualsTheSlowWayAtEveryLength", compare_checksums},
	{"Page.KeepsWhatIsWritten", pages},
	{"Page.OfMemoryHoldsItsBytes", pages_of_memory},
	{"Random.DoesNotRepeat", randomness},
};

} // namespace

std::span<const Test> data_tests() noexcept
{
	return kTests;
}

} // namespace cfs::boundary
