// SPDX-License-Identifier: GPL-2.0
//
// Memory: plain, large, freed after a grace period, in caches; what is charged for it.
#include <cstring>

#include "boundary.hpp"
#include "libcfs/lock.hpp"

namespace cfs::boundary
{
namespace
{

constexpr cfs_subsys kWho = CFS_S_ECHO;

struct cfs_mem_usage usage() noexcept
{
	struct cfs_mem_usage u{};
	cfs_mem_usage(kWho, &u);
	return u;
}

bool all_zero(const unsigned char *p, std::size_t n) noexcept
{
	for (std::size_t i = 0; i < n; i++)
		if (p[i])
			return false;
	return true;
}

Result<> sizes_and_flags(Env &env) noexcept
{
	for (std::size_t n : {1, 5, 8, 16, 24, 96, 100, 192, 200, 1000, 4096, 20000}) {
		for (unsigned flags : {0u, 0u + CFS_ALLOC_ATOMIC}) {
			void *p = cfs_alloc(kWho, n, flags | CFS_ALLOC_ZERO);
			if (!p)
				return fail(err::NOMEM);
			bool zero = all_zero(static_cast<unsigned char *>(p), n);
			auto at = reinterpret_cast<std::uintptr_t>(p);
			std::memset(p, 0xa5, n);
			cfs_free(kWho, p, n);
			EXPECT(zero);
			EXPECT(n < 16 || at % 16 == 0);
			EXPECT(n != 8 || at % 8 == 0);
		}
	}
	cfs_free(kWho, nullptr, 10);
	return {};
}

Result<> large(Env &env) noexcept
{
	constexpr std::size_t n = 3 << 20;
	auto *p =
		static_cast<unsigned char *>(cfs_alloc(kWho, n, CFS_ALLOC_LARGE | CFS_ALLOC_ZERO));
	if (!p)
		return fail(err::NOMEM);
	bool zero = all_zero(p, n);
	std::memset(p, 0x5a, n);
	cfs_free(kWho, p, n);
	EXPECT(zero);
	return {};
}

Result<> absurd_sizes(Env &env) noexcept
{
	auto before = usage();
	EXPECT(!cfs_alloc(kWho, std::size_t{1} << 40, CFS_ALLOC_LARGE));
	EXPECT(!cfs_alloc(kWho, std::size_t{1} << 40, CFS_ALLOC_DEFAULT));
	EXPECT(usage().failed >= before.failed + 2);
	EXPECT(usage().bytes == before.bytes);
	return {};
}

Result<> charges(Env &env) noexcept
{
	auto before = usage();
	void *p = cfs_alloc(kWho, 1 << 20, CFS_ALLOC_LARGE);
	if (!p)
		return fail(err::NOMEM);
	auto during = usage();
	cfs_free(kWho, p, 1 << 20);
	auto after = usage();
	EXPECT(during.bytes - before.bytes == 1 << 20);
	EXPECT(during.objects - before.objects == 1);
	EXPECT(after.bytes == before.bytes);
	EXPECT(after.objects == before.objects);
	EXPECT(after.bytes_max >= during.bytes);
	return {};
}

struct Graced {
	struct cfs_rcu rcu;
	int v;
};

Result<> grace(Env &env) noexcept
{
	auto before = usage();
	auto *g = static_cast<Graced *>(cfs_alloc(kWho, sizeof(Graced), CFS_ALLOC_DEFAULT));
	if (!g)
		return fail(err::NOMEM);
	g->v = 7;
	int seen = 0;
	std::int64_t held = 0;
	{
		RcuGuard r;
		cfs_free_rcu(kWho, g, sizeof(*g), &g->rcu);
		// Nothing may be freed while this section lasts.
		seen = g->v;
		held = usage().bytes;
	}
	cfs_rcu_barrier();
	EXPECT(seen == 7);
	EXPECT(held == before.bytes + static_cast<std::int64_t>(sizeof(Graced)));
	EXPECT(usage().bytes == before.bytes);
	return {};
}

Result<> caches(Env &env) noexcept
{
	cfs_cache *a = nullptr, *b = nullptr, *c = nullptr;
	TRY(to_result(cfs_cache_create(kWho, "cfs selftest", 72, 8, &a)));
	ScopeExit free_a([&] { cfs_cache_destroy(a); });
	TRY(to_result(cfs_cache_create(kWho, "cfs selftest", 72, 8, &b)));
	ScopeExit free_b([&] { cfs_cache_destroy(b); });
	TRY(to_result(cfs_cache_create(kWho, "cfs selftest", 80, 16, &c)));
	ScopeExit free_c([&] { cfs_cache_destroy(c); });
	EXPECT(a == b);
	EXPECT(a != c);
	void *p = cfs_cache_alloc(a, CFS_ALLOC_ZERO);
	if (!p)
		return fail(err::NOMEM);
	bool zero = all_zero(static_cast<unsigned char *>(p), 72);
	cfs_cache_free(b, p);
	EXPECT(zero);
	p = cfs_cache_alloc(c, CFS_ALLOC_ATOMIC);
	if (!p)
		return fail(err::NOMEM);
	auto at = reinterpret_cast<std::uintptr_t>(p);
	cfs_cache_free(c, p);
	EXPECT(at % 16 == 0);
	return {};
}

constexpr Test kTests[] = {
	{"Mem.IsAlignedAndZeroedWhenAsked", sizes_and_flags},
	{"Mem.LargeMemoryIsWhole", large},
	{"Mem.AbsurdSizesAreRefusedAndCounted", absurd_sizes},
	{"Mem.IsChargedUntilFreed", charges},
	{"Mem.OutlivesRcuSections", grace},
	{"Mem.CachesAreSharedByNameAndSize", caches},
};

} // namespace

std::span<const Test> mem_tests() noexcept
{
	return kTests;
}

} // namespace cfs::boundary
