// SPDX-License-Identifier: GPL-2.0
//
// Memory, its accounting, pages, checksums.
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
	for (std::size_t n : {1ul, 7ul, 8ul, 16ul, 63ul, 64ul, 512ul, 4095ul, 4096ul, 8192ul}) {
		auto *p = static_cast<unsigned char *>(cfs_alloc(kOwn, n, CFS_ALLOC_ZERO));
		if (!p)
			return fail(err::NOMEM);
		bool zero = is_all(p, n, 0);
		__builtin_memset(p, 0x5a, n);
		auto address = reinterpret_cast<std::uintptr_t>(p);
		cfs_free(kOwn, p, n);
		CHECK(zero);
		CHECK(address % (n >= 16 ? 16 : n == 8 ? 8 : 1) == 0);
	}
	cfs_free(kOwn, nullptr, 10);
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
	CHECK(both.bytes - before.bytes >= 1100);
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

Result<> pages_of_allocated_memory(Run &run) noexcept
{
	auto *p = static_cast<unsigned char *>(cfs_alloc(kOwn, 256, CFS_ALLOC_DEFAULT));
	if (!p)
		return fail(err::NOMEM);
	__builtin_memset(p, 0x42, 256);
	cfs_page *page = cfs_page_of(p);
	auto *m = static_cast<unsigned char *>(cfs_page_map(page));
	bool same = is_all(m + reinterpret_cast<std::uintptr_t>(p) % CFS_PAGE_SIZE, 16, 0x42);
	cfs_page_unmap(m);
	cfs_free(kOwn, p, 256);
	CHECK(same);
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
	{"Memory", "AccountingBalances", accounting_balances},
	{"Memory", "CachesAreCounted", caches_are_counted},
	{"Memory", "ArraysValueInitialise", arrays_value_initialise},
	{"Memory", "ReferencesEndWithTheLast", references_end_with_the_last},
	{"Page", "HoldsWhatIsWritten", pages_hold_what_is_written},
	{"Page", "OfAllocatedMemory", pages_of_allocated_memory},
	{"Checksum", "OfTheCheckString", checksums_of_the_check_string},
	{"Checksum", "TheInternetOneOfItsRfc", the_internet_checksum_of_its_rfc},
	{"Checksum", "GoesOnFromAnyPoint", checksums_go_on_from_any_point},
};

} // namespace

std::span<const Test> memory_tests() noexcept
{
	return kTests;
}

} // namespace cfs::selftest
