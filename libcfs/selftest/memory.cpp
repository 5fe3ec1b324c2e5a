// SPDX-License-Identifier: GPL-2.0
//
// Memory, its accounting, pages, checksums.
#include "libcfs/lock.hpp"
#include "libcfs/mem.hpp"
#include "libcfs/plat/csum.h"
#include "libcfs/plat/page.h"
#include "libcfs/selftest/selftest.hpp"

namespace cfs::selftest
{

namespace
{

/// Nothing of ours charges this one, so the counters are the test's alone.
constexpr cfs_subsys kOwn = CFS_S_SNAPSHOT;

struct cfs_mem_usage usage() noexcept
{
	struct cfs_mem_usage u{};
	cfs_mem_usage(kOwn, &u);
	return u;
}

bool is_all(const unsigned char *p, std::size_t n, unsigned char v) noexcept
{
	for (std::size_t i = 0; i < n; i++)
		if (p[i] != v)
			return false;
	return true;
}

Result<> allocations_of_every_size(Run &run) noexcept
{
	for (std::size_t n : {1ul, 5ul, 8ul, 16ul, 24ul, 63ul, 96ul, 100ul, 192ul, 512ul, 4095ul,
			      4096ul, 20000ul}) {
		for (unsigned flags : {0u + CFS_ALLOC_DEFAULT, 0u + CFS_ALLOC_ATOMIC}) {
			auto *p = static_cast<unsigned char *>(
				cfs_alloc(kOwn, n, flags | CFS_ALLOC_ZERO));
			if (!p)
				return fail(err::NOMEM);
			bool zero = is_all(p, n, 0);
			__builtin_memset(p, 0x5a, n);
			auto address = reinterpret_cast<std::uintptr_t>(p);
			cfs_free(kOwn, p, n);
			CHECK(zero);
			CHECK(address % (n >= 16 ? 16 : n == 8 ? 8 : 1) == 0);
		}
	}
	cfs_free(kOwn, nullptr, 10);
	return {};
}

Result<> absurd_sizes_are_refused(Run &run) noexcept
{
	constexpr std::size_t kAbsurd = std::size_t{1} << 40;
	auto before = usage();
	for (unsigned flags : {0u + CFS_ALLOC_DEFAULT, 0u + CFS_ALLOC_LARGE})
		CHECK(!cfs_alloc(kOwn, kAbsurd, flags | CFS_ALLOC_NOFAULT));
	auto end = usage();
	CHECK(end.failed == before.failed + 2);
	CHECK(end.bytes == before.bytes && end.objects == before.objects);
	return {};
}

Result<> large_allocations(Run &run) noexcept
{
	constexpr std::size_t kBytes = 3 << 20;
	auto *p = static_cast<unsigned char *>(
		cfs_alloc(kOwn, kBytes, CFS_ALLOC_LARGE | CFS_ALLOC_ZERO));
	if (!p)
		return fail(err::NOMEM);
	bool zero = is_all(p, kBytes, 0);
	p[0] = p[kBytes - 1] = 1;
	cfs_free(kOwn, p, kBytes);
	CHECK(zero);
	return {};
}

Result<> accounting_balances(Run &run) noexcept
{
	auto before = usage();
	void *a = cfs_alloc(kOwn, 100, CFS_ALLOC_DEFAULT);
	if (!a)
		return fail(err::NOMEM);
	void *b = cfs_alloc(kOwn, 1000, CFS_ALLOC_ATOMIC);
	auto both = usage();
	if (b)
		cfs_free(kOwn, b, 1000);
	cfs_free(kOwn, a, 100);
	auto end = usage();
	if (!b)
		return fail(err::NOMEM);
	CHECK(both.bytes - before.bytes == 1100);
	CHECK(both.objects - before.objects == 2);
	CHECK(both.bytes_max >= both.bytes);
	CHECK(end.bytes == before.bytes && end.objects == before.objects);
	return {};
}

Result<> caches_are_counted(Run &run) noexcept
{
	cfs_cache *c = nullptr;
	TRY(to_result(cfs_cache_create(kOwn, "selftest_cache", 200, 64, &c)));
	auto before = usage();
	void *p[16] = {};
	unsigned made = 0;
	bool aligned = true;
	for (auto &x : p) {
		x = cfs_cache_alloc(c, CFS_ALLOC_ZERO);
		if (!x)
			break;
		made++;
		aligned = aligned && reinterpret_cast<std::uintptr_t>(x) % 64 == 0;
		aligned = aligned && is_all(static_cast<unsigned char *>(x), 200, 0);
		__builtin_memset(x, 0x5a, 200);
	}
	auto full = usage();
	for (unsigned i = 0; i < made; i++)
		cfs_cache_free(c, p[i]);
	auto end = usage();
	cfs_cache_destroy(c);
	if (made < 16)
		return fail(err::NOMEM);
	CHECK(aligned);
	CHECK(full.objects - before.objects == 16);
	CHECK(end.objects == before.objects);
	return {};
}

/// One cache for each name and size: nodes and modules that ask for the same one share it.
Result<> caches_are_shared(Run &run) noexcept
{
	cfs_cache *a = nullptr;
	cfs_cache *b = nullptr;
	cfs_cache *c = nullptr;
	TRY(to_result(cfs_cache_create(kOwn, "selftest shared", 72, 8, &a)));
	ScopeExit end_a([&] { cfs_cache_destroy(a); });
	TRY(to_result(cfs_cache_create(kOwn, "selftest shared", 72, 8, &b)));
	ScopeExit end_b([&] { cfs_cache_destroy(b); });
	TRY(to_result(cfs_cache_create(kOwn, "selftest shared", 80, 16, &c)));
	ScopeExit end_c([&] { cfs_cache_destroy(c); });
	CHECK(a == b);
	CHECK(a != c);
	void *p = cfs_cache_alloc(a, CFS_ALLOC_ATOMIC);
	if (!p)
		return fail(err::NOMEM);
	cfs_cache_free(b, p);
	return {};
}

Result<> arrays_value_initialise(Run &run) noexcept
{
	auto a = TRY(Array<std::uint64_t>::make(kOwn, 1000));
	for (std::uint64_t v : a)
		CHECK(v == 0);
	auto none = TRY(Array<std::uint64_t>::make(kOwn, 0));
	CHECK(none.empty());
	auto absurd = Array<std::uint64_t>::make(kOwn, SIZE_MAX / 4);
	CHECK(!absurd && absurd.error() == err::OVERFLOWED);
	Array<std::uint64_t> b(std::move(a));
	CHECK(b.size() == 1000 && a.empty());
	return {};
}

struct Node : RefCounted<Node> {
	static constexpr cfs_subsys kSubsys = kOwn;
	unsigned *ended;
	explicit Node(unsigned *e) noexcept : ended(e) {}
	~Node() { ++*ended; }
};

Result<> references_end_with_the_last(Run &run) noexcept
{
	unsigned ended = 0;
	{
		RefPtr<Node> a = TRY(try_make_ref<Node>(&ended));
		RefPtr<Node> b = a;
		CHECK(a->refs() == 2);
		a.reset();
		CHECK(ended == 0);
		RefPtr<Node> c = std::move(b);
		CHECK(!b && c->refs() == 1);
		CHECK(c->try_get());
		c->put();
	}
	CHECK(ended == 1);
	UniquePtr<Node> u = TRY(try_make<Node>(&ended));
	u.reset();
	CHECK(ended == 2);
	return {};
}

Result<> pages_hold_what_is_written(Run &run) noexcept
{
	cfs_page *p = cfs_page_alloc(kOwn, CFS_ALLOC_ZERO);
	if (!p)
		return fail(err::NOMEM);
	auto *m = static_cast<unsigned char *>(cfs_page_map(p));
	bool zero = is_all(m, CFS_PAGE_SIZE, 0);
	__builtin_memset(m, 0x77, CFS_PAGE_SIZE);
	cfs_page_unmap(m);
	cfs_page_get(p);
	m = static_cast<unsigned char *>(cfs_page_map(p));
	bool kept = is_all(m, CFS_PAGE_SIZE, 0x77);
	cfs_page_unmap(m);
	auto held = usage();
	cfs_page_put(p);
	cfs_page_free(kOwn, p);
	CHECK(zero && kept);
	CHECK(held.bytes - usage().bytes == CFS_PAGE_SIZE);
	return {};
}

/// The bytes of allocated memory are found again in its pages, however it was made.
Result<> pages_of_allocated_memory(Run &run) noexcept
{
	for (std::size_t n : {256ul, 4096ul, 2ul << 20}) {
		unsigned flags = n > 4096 ? CFS_ALLOC_LARGE : CFS_ALLOC_DEFAULT;
		auto *p = static_cast<unsigned char *>(cfs_alloc(kOwn, n, flags));
		if (!p)
			return fail(err::NOMEM);
		bool same = true;
		for (std::size_t at = 0; at < n; at += n / 4) {
			p[at] = static_cast<unsigned char>(at / (n / 4) + 1);
			auto *m = static_cast<unsigned char *>(cfs_page_map(cfs_page_of(p + at)));
			auto in_page = reinterpret_cast<std::uintptr_t>(p + at) % CFS_PAGE_SIZE;
			same = same && m[in_page] == p[at];
			cfs_page_unmap(m);
		}
		cfs_free(kOwn, p, n);
		CHECK(same);
	}
	return {};
}

constexpr char kDigits[] = "123456789";

Result<> checksums_of_the_check_string(Run &run) noexcept
{
	CHECK((cfs_crc32(0xffffffff, kDigits, 9) ^ 0xffffffff) == 0xcbf43926);
	CHECK((cfs_crc32c(0xffffffff, kDigits, 9) ^ 0xffffffff) == 0xe3069283);
	CHECK(cfs_adler32(1, kDigits, 9) == 0x091e01de);
	CHECK(cfs_crc_t10dif(0, kDigits, 9) == 0xd0db);
	return {};
}

/// RFC 1071's example: the words 0001 f203 f4f5 f6f7 add up to ddf2. The result is in the order of
/// the bytes, as it would lie in a packet.
Result<> the_internet_checksum_of_its_rfc(Run &run) noexcept
{
	const unsigned char data[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
	std::uint16_t sum = cfs_ip_csum(data, sizeof(data));
	const unsigned char *bytes = reinterpret_cast<const unsigned char *>(&sum);
	CHECK(bytes[0] == 0x22 && bytes[1] == 0x0d);
	return {};
}

// ---- checksums as their definitions have them, bit by bit ----

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

std::uint16_t slow_t10dif(std::uint32_t crc, const unsigned char *p, std::size_t n) noexcept
{
	for (std::size_t i = 0; i < n; i++) {
		crc ^= std::uint32_t{p[i]} << 8;
		for (int k = 0; k < 8; k++)
			crc = crc << 1 ^ (crc & 0x8000 ? 0x8bb7 : 0);
		crc &= 0xffff;
	}
	return static_cast<std::uint16_t>(crc);
}

std::uint32_t slow_adler32(const unsigned char *p, std::size_t n) noexcept
{
	std::uint32_t a = 1;
	std::uint32_t b = 0;
	for (std::size_t i = 0; i < n; i++) {
		a = (a + p[i]) % 65521;
		b = (b + a) % 65521;
	}
	return b << 16 | a;
}

/// Accelerated code goes other ways by length and alignment.
Result<> checksums_equal_their_definitions(Run &run) noexcept
{
	constexpr std::size_t kBytes = 3 * 4096;
	auto data = TRY(Array<unsigned char>::make(kOwn, kBytes));
	Numbers numbers(9);
	for (unsigned char &c : data)
		c = static_cast<unsigned char>(numbers.next());
	std::size_t n = 1;
	for (std::size_t offset = 0; offset < 24; offset++, n = n * 3 / 2 + 1) {
		const unsigned char *p = data.data() + offset;
		n = n > kBytes - offset ? kBytes - offset : n;
		RcuGuard nothing_may_sleep;
		CHECK(cfs_crc32(9, p, n) == slow_crc(0xedb88320, 9, p, n));
		CHECK(cfs_crc32c(9, p, n) == slow_crc(0x82f63b78, 9, p, n));
		CHECK(cfs_crc_t10dif(9, p, n) == slow_t10dif(9, p, n));
		CHECK(cfs_adler32(1, p, n) == slow_adler32(p, n));
	}
	CHECK(cfs_crc32(5, data.data(), 0) == 5 && cfs_crc32c(5, data.data(), 0) == 5);
	CHECK(cfs_crc_t10dif(5, data.data(), 0) == 5 && cfs_adler32(5, data.data(), 0) == 5);
	return {};
}

Result<> checksums_go_on_from_any_point(Run &run) noexcept
{
	unsigned char data[300];
	Numbers numbers(7);
	for (unsigned char &c : data)
		c = static_cast<unsigned char>(numbers.next());
	for (std::size_t cut = 0; cut <= sizeof(data); cut += 37) {
		const unsigned char *rest = data + cut;
		std::size_t n = sizeof(data) - cut;
		CHECK(cfs_crc32(cfs_crc32(9, data, cut), rest, n) ==
		      cfs_crc32(9, data, sizeof(data)));
		CHECK(cfs_crc32c(cfs_crc32c(9, data, cut), rest, n) ==
		      cfs_crc32c(9, data, sizeof(data)));
		CHECK(cfs_adler32(cfs_adler32(1, data, cut), rest, n) ==
		      cfs_adler32(1, data, sizeof(data)));
		CHECK(cfs_crc_t10dif(cfs_crc_t10dif(0, data, cut), rest, n) ==
		      cfs_crc_t10dif(0, data, sizeof(data)));
	}
	return {};
}

constexpr Test kTests[] = {
	{"Memory", "OfEverySize", allocations_of_every_size},
	{"Memory", "Large", large_allocations},
	{"Memory", "AbsurdSizesAreRefused", absurd_sizes_are_refused},
	{"Memory", "AccountingBalances", accounting_balances},
	{"Memory", "CachesAreCounted", caches_are_counted},
	{"Memory", "CachesAreShared", caches_are_shared},
	{"Memory", "ArraysValueInitialise", arrays_value_initialise},
	{"Memory", "ReferencesEndWithTheLast", references_end_with_the_last},
	{"Page", "HoldsWhatIsWritten", pages_hold_what_is_written},
	{"Page", "OfAllocatedMemory", pages_of_allocated_memory},
	{"Checksum", "OfTheCheckString", checksums_of_the_check_string},
	{"Checksum", "TheInternetOneOfItsRfc", the_internet_checksum_of_its_rfc},
	{"Checksum", "EqualsItsDefinition", checksums_equal_their_definitions},
	{"Checksum", "GoesOnFromAnyPoint", checksums_go_on_from_any_point},
};

} // namespace

std::span<const Test> memory_tests() noexcept
{
	return kTests;
}

} // namespace cfs::selftest
