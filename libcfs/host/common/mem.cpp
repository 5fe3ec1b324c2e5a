// SPDX-License-Identifier: GPL-2.0
//
// Allocation of the hosted back ends: checked frees, fixed fill patterns, caches, injected failure.
#include "libcfs/plat/mem.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "libcfs/host/common/mem_domain.hpp"
#include "libcfs/host/common/sanitizers.hpp"
#include "libcfs/host/common/task.hpp"

#ifdef CFS_ASAN
#include <sanitizer/asan_interface.h>
#endif

using namespace cfs::hosted;

struct cfs_cache : Owned {
	cfs_subsys subsys;
	std::string name;
	std::size_t bytes;
	std::size_t align;
	MemDomain *domain;
	unsigned users = 1; // under the domain's cache_lock
	std::atomic<std::int64_t> objects{0};

	cfs_cache(cfs_subsys s, const char *n, std::size_t b, std::size_t a, MemDomain *d)
	    : Owned(task().node), subsys(s), name(n), bytes(b), align(a), domain(d)
	{
	}
	~cfs_cache() override
	{
		std::lock_guard g(domain->cache_lock);
		auto it = domain->caches.find({name, bytes});
		if (it != domain->caches.end() && it->second == this)
			domain->caches.erase(it);
	}
	std::string describe() const override { return "slab cache " + name; }
};

namespace
{

constexpr std::uint32_t kMagicLive = 0x6c697665;
constexpr std::uint32_t kMagicFree = 0x66726565;
constexpr unsigned char kFillNew = 0xa5;  // never initialised
constexpr unsigned char kFillFree = 0x6b; // freed

void poison([[maybe_unused]] Block *b) noexcept
{
#ifdef CFS_ASAN
	__asan_poison_memory_region(b, sizeof(*b));
#endif
}

void unpoison([[maybe_unused]] Block *b) noexcept
{
#ifdef CFS_ASAN
	__asan_unpoison_memory_region(b, sizeof(*b));
#endif
}

Block *block_of(const void *p)
{
	return reinterpret_cast<Block *>(const_cast<void *>(p)) - 1;
}

void *payload(Block *b)
{
	return b + 1;
}

[[gnu::noinline]] void *block_alloc(std::uint32_t subsys, std::size_t bytes, std::size_t align,
				    unsigned flags)
{
	if (flags & CFS_ALLOC_ATOMIC)
		preempt_point();
	else
		may_block("cfs_alloc");
	MemDomain &domain = mem_domain();
	if (subsys >= CFS_S_COUNT || (flags & CFS_ALLOC_ATOMIC && flags & CFS_ALLOC_LARGE))
		misuse("cfs_alloc(): no such subsystem, or ATOMIC with LARGE");
	if (!(flags & CFS_ALLOC_NOFAULT) && inject_failure()) {
		domain.count_failure(subsys);
		return nullptr;
	}
	std::size_t lead = align > alignof(Block) ? align - sizeof(Block) % align : 0;
	std::size_t total = 0;
	void *start = nullptr;
	if (!__builtin_add_overflow(bytes, lead + sizeof(Block), &total) && total < std::size_t{1}
											    << 40)
		start = align > alignof(Block)
				? std::aligned_alloc(align, (total + align - 1) & ~(align - 1))
				: std::malloc(total);
	if (!start) {
		domain.count_failure(subsys);
		return nullptr;
	}
	auto *b = reinterpret_cast<Block *>(static_cast<unsigned char *>(start) + lead);
	b->domain = &domain;
	b->bytes = bytes;
	b->magic = kMagicLive;
	b->subsys = static_cast<std::uint8_t>(subsys);
	b->lead = static_cast<std::uint16_t>(lead);
	b->large = (flags & CFS_ALLOC_LARGE) != 0;
	if (flags & CFS_ALLOC_ZERO)
		std::memset(payload(b), 0, bytes);
	else if (mem_policy().fill)
		std::memset(payload(b), kFillNew, bytes);
	domain.charge(subsys, static_cast<std::int64_t>(bytes));
	if (mem_policy().track) {
		capture_site(b->site);
		domain.link(b);
	}
	poison(b);
	return payload(b);
}

void block_free(std::uint32_t subsys, const void *p, std::size_t bytes)
{
	Block *b = block_of(p);
	unpoison(b);
	if (b->magic != kMagicLive)
		misuse(b->magic == kMagicFree ? "cfs_free(): freed twice"
					      : "cfs_free(): not memory of cfs_alloc()");
	if (b->bytes != bytes || b->subsys != subsys)
		misuse("cfs_free(): allocated as " + std::to_string(b->bytes) + " bytes of " +
		       subsys_name(b->subsys) + ", freed as " + std::to_string(bytes) +
		       " bytes of " + subsys_name(subsys));
	MemDomain &domain = *b->domain;
	if (&domain != &mem_domain())
		misuse("cfs_free(): memory of node " + domain.name() + " freed by node " +
		       mem_domain().name());
	if (b->large)
		may_block("cfs_free() of CFS_ALLOC_LARGE memory");
	before_free(p, bytes);
	if (mem_policy().track)
		domain.unlink(b);
	domain.uncharge(subsys, static_cast<std::int64_t>(bytes));
	b->magic = kMagicFree;
	if (mem_policy().fill)
		std::memset(const_cast<void *>(p), kFillFree, bytes);
	// To the compiler, stores to memory that is about to be freed are dead.
	asm volatile("" : : "r"(b) : "memory");
	std::free(reinterpret_cast<unsigned char *>(b) - b->lead);
}

} // namespace

extern "C" {

void *cfs_alloc(enum cfs_subsys s, size_t bytes, unsigned int flags) noexcept
{
	return block_alloc(s, bytes, 0, flags);
}

void cfs_free(enum cfs_subsys s, const void *p, size_t bytes) noexcept
{
	if (!p)
		return;
	preempt_point();
	block_free(s, p, bytes);
}

int cfs_cache_create(enum cfs_subsys s, const char *name, size_t bytes, size_t align,
		     cfs_cache **out) noexcept
{
	may_block("cfs_cache_create");
	if (bytes == 0 || (align & (align - 1)) != 0 || align > CFS_PAGE_SIZE)
		return -EINVAL;
	if (inject_failure())
		return -ENOMEM;
	MemDomain &domain = mem_domain();
	std::lock_guard g(domain.cache_lock);
	auto it = domain.caches.find({name, bytes});
	if (it != domain.caches.end()) {
		it->second->users++;
		*out = it->second;
		return 0;
	}
	auto *c = new cfs_cache(s, name, bytes, align, &domain);
	domain.caches[{name, bytes}] = c;
	*out = c;
	return 0;
}

void cfs_cache_destroy(cfs_cache *c) noexcept
{
	if (!c)
		return;
	may_block("cfs_cache_destroy");
	{
		std::lock_guard g(c->domain->cache_lock);
		if (--c->users)
			return;
		c->domain->caches.erase({c->name, c->bytes});
	}
	if (auto n = c->objects.load(std::memory_order_acquire))
		misuse("slab cache " + c->name + " destroyed with " + std::to_string(n) +
		       " objects in use:\n" + c->domain->leaks());
	delete c;
}

void *cfs_cache_alloc(cfs_cache *c, unsigned int flags) noexcept
{
	void *p = block_alloc(c->subsys, c->bytes, c->align, flags);
	if (p)
		c->objects.fetch_add(1, std::memory_order_relaxed);
	return p;
}

void cfs_cache_free(cfs_cache *c, void *p) noexcept
{
	if (!p)
		return;
	preempt_point();
	c->objects.fetch_sub(1, std::memory_order_release);
	block_free(c->subsys, p, c->bytes);
}

void cfs_mem_usage(enum cfs_subsys s, struct cfs_mem_usage *out) noexcept
{
	mem_domain().usage(s, *out);
}

} // extern "C"
