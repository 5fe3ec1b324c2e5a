// SPDX-License-Identifier: GPL-2.0
//
// Counters, lists and the leak report of a memory domain. The list functions touch block headers,
// which are poisoned, hence the attributes.
#include "libcfs/host/common/mem_domain.hpp"

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "libcfs/host/common/page_registry.hpp"
#include "libcfs/host/common/sanitizers.hpp"

#ifdef CFS_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace cfs::hosted
{

void MemDomain::charge(std::uint32_t subsys, std::int64_t bytes) noexcept
{
	Count &c = counts_[subsys];
	c.objects.fetch_add(1, std::memory_order_relaxed);
	auto now = c.bytes.fetch_add(bytes, std::memory_order_relaxed) + bytes;
	auto max = c.bytes_max.load(std::memory_order_relaxed);
	while (now > max &&
	       !c.bytes_max.compare_exchange_weak(max, now, std::memory_order_relaxed)) {
	}
}

void MemDomain::uncharge(std::uint32_t subsys, std::int64_t bytes) noexcept
{
	Count &c = counts_[subsys];
	c.objects.fetch_sub(1, std::memory_order_relaxed);
	c.bytes.fetch_sub(bytes, std::memory_order_relaxed);
}

void MemDomain::count_failure(std::uint32_t subsys) noexcept
{
	counts_[subsys].failed.fetch_add(1, std::memory_order_relaxed);
}

void MemDomain::usage(std::uint32_t subsys, struct cfs_mem_usage &out) const noexcept
{
	const Count &c = counts_[subsys];
	out.bytes = c.bytes.load(std::memory_order_relaxed);
	out.objects = c.objects.load(std::memory_order_relaxed);
	out.bytes_max = c.bytes_max.load(std::memory_order_relaxed);
	out.failed = c.failed.load(std::memory_order_relaxed);
}

std::int64_t MemDomain::objects() const noexcept
{
	std::int64_t n = 0;
	for (const Count &c : counts_)
		n += c.objects.load(std::memory_order_relaxed);
	return n;
}

MemDomain::Shard &MemDomain::shard_of(const void *p) noexcept
{
	return shards_[(reinterpret_cast<std::uintptr_t>(p) >> 7) % kShards];
}

[[gnu::no_sanitize_address]] void MemDomain::link(Block *b) noexcept
{
	Shard &s = shard_of(b);
	std::lock_guard g(s.lock);
	b->prev = nullptr;
	b->next = s.blocks;
	if (b->next)
		b->next->prev = b;
	s.blocks = b;
}

[[gnu::no_sanitize_address]] void MemDomain::unlink(Block *b) noexcept
{
	Shard &s = shard_of(b);
	std::lock_guard g(s.lock);
	if (b->prev)
		b->prev->next = b->next;
	else
		s.blocks = b->next;
	if (b->next)
		b->next->prev = b->prev;
}

void MemDomain::link(cfs_page *p) noexcept
{
	Shard &s = shard_of(p);
	std::lock_guard g(s.lock);
	p->prev = nullptr;
	p->next = s.pages;
	if (p->next)
		p->next->prev = p;
	s.pages = p;
}

void MemDomain::unlink(cfs_page *p) noexcept
{
	Shard &s = shard_of(p);
	std::lock_guard g(s.lock);
	if (p->prev)
		p->prev->next = p->next;
	else
		s.pages = p->next;
	if (p->next)
		p->next->prev = p->prev;
}

namespace
{

struct LeakGroup {
	std::uint64_t hash = 0;
	Site site;
	std::uint32_t subsys = 0;
	std::uint64_t objects = 0;
	std::uint64_t bytes = 0;
	bool pages = false;
};

// Headers are poisoned: everything below works on copies.
[[gnu::no_sanitize_address]] Site copy_site(const Site &from)
{
	Site s;
	s.n = from.n;
	for (unsigned i = 0; i < s.n && i < kSiteFramesMax; i++)
		s.pc[i] = from.pc[i];
	return s;
}

void add_leak(std::vector<LeakGroup> &groups, const Site &site, std::uint32_t subsys,
	      std::size_t bytes, bool page)
{
	auto hash = site_hash(site) ^ (page ? 1 : 0);
	for (LeakGroup &g : groups) {
		if (g.hash == hash && g.subsys == subsys) {
			g.objects++;
			g.bytes += bytes;
			return;
		}
	}
	groups.push_back({hash, site, subsys, 1, bytes, page});
}

} // namespace

[[gnu::no_sanitize_address]] std::string MemDomain::leaks() const
{
	std::vector<LeakGroup> groups;
	for (const Shard &s : shards_) {
		std::lock_guard g(s.lock);
		for (const Block *b = s.blocks; b; b = b->next)
			add_leak(groups, copy_site(b->site), b->subsys, b->bytes, false);
		for (const cfs_page *p = s.pages; p; p = p->next)
			add_leak(groups, p->site, p->subsys, CFS_PAGE_SIZE, true);
	}
	std::sort(groups.begin(), groups.end(), [](const LeakGroup &a, const LeakGroup &b) {
		return std::tie(b.bytes, a.hash) < std::tie(a.bytes, b.hash);
	});
	std::string out;
	for (const LeakGroup &g : groups) {
		out += "  " + std::to_string(g.objects) + (g.pages ? " page(s), " : " block(s), ") +
		       std::to_string(g.bytes) + " bytes of " + subsys_name(g.subsys) + " from " +
		       describe_site(g.site) + "\n";
	}
	return out;
}

[[gnu::no_sanitize_address]] void MemDomain::drop_all() noexcept
{
	for (Shard &s : shards_) {
		while (Block *b = s.blocks) {
			s.blocks = b->next;
			auto *start = reinterpret_cast<unsigned char *>(b) - b->lead;
#ifdef CFS_ASAN
			__asan_unpoison_memory_region(b, sizeof(*b));
#endif
			std::free(start);
		}
		while (cfs_page *p = s.pages) {
			s.pages = p->next;
			page_registry_remove(p->data);
			std::free(p->data);
			delete p;
		}
	}
	for (Count &c : counts_) {
		c.bytes = 0;
		c.objects = 0;
	}
}

const char *subsys_name(std::uint32_t subsys) noexcept
{
	static constexpr const char *kNames[CFS_S_COUNT] = {
		"undefined", "mdc",  "mds",    "osc",	"ost",	  "class",    "log",	"llite",
		"rpc",	     "mgmt", "lnet",   "lnd",	"pinger", "filter",   "libcfs", "echo",
		"ldlm",	     "lov",  "lquota", "osd",	"lfsck",  "snapshot", nullptr,	"lmv",
		nullptr,     "sec",  "gss",    nullptr, "mgc",	  "mgs",      "fid",	"fld"};
	const char *n = subsys < CFS_S_COUNT ? kNames[subsys] : nullptr;
	return n ? n : "unnamed";
}

} // namespace cfs::hosted
