// SPDX-License-Identifier: GPL-2.0
//
// Pages: 4 KiB blocks with a reference count, and stand-ins for the pages that ordinary
// allocations lie in.
#include "libcfs/plat/page.h"

#include <array>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <unordered_map>

#include "libcfs/host/common/mem_domain.hpp"
#include "libcfs/host/common/page_registry.hpp"
#include "libcfs/host/common/task.hpp"

using namespace cfs::hosted;

namespace cfs::hosted
{

namespace
{

struct RegistryShard {
	std::mutex lock;
	std::unordered_map<std::uintptr_t, cfs_page *> pages;
};

RegistryShard &registry_shard(std::uintptr_t addr)
{
	static std::array<RegistryShard, 16> shards;
	return shards[(addr >> CFS_PAGE_SHIFT) % shards.size()];
}

std::uintptr_t page_base(const void *addr)
{
	return reinterpret_cast<std::uintptr_t>(addr) & ~std::uintptr_t{CFS_PAGE_SIZE - 1};
}

// A page that is only a piece of address space: the lowest bit tells.
bool stand_in(const cfs_page *p)
{
	return reinterpret_cast<std::uintptr_t>(p) & 1;
}

} // namespace

void page_registry_add(const void *data, cfs_page *p)
{
	auto base = page_base(data);
	auto &s = registry_shard(base);
	std::lock_guard g(s.lock);
	s.pages[base] = p;
}

void page_registry_remove(const void *data) noexcept
{
	auto base = page_base(data);
	auto &s = registry_shard(base);
	std::lock_guard g(s.lock);
	s.pages.erase(base);
}

} // namespace cfs::hosted

extern "C" {

cfs_page *cfs_page_alloc(enum cfs_subsys s, unsigned int flags) noexcept
{
	if (flags & CFS_ALLOC_ATOMIC)
		preempt_point();
	else
		may_block("cfs_page_alloc");
	MemDomain &domain = mem_domain();
	if (!(flags & CFS_ALLOC_NOFAULT) && inject_failure()) {
		domain.count_failure(s);
		return nullptr;
	}
	auto *p = new cfs_page;
	p->data = static_cast<unsigned char *>(std::aligned_alloc(CFS_PAGE_SIZE, CFS_PAGE_SIZE));
	if (!p->data) {
		domain.count_failure(s);
		delete p;
		return nullptr;
	}
	// A fresh page holds whatever; a fixed pattern keeps runs alike and shows who reads it.
	std::memset(p->data, flags & CFS_ALLOC_ZERO ? 0 : 0xa5, CFS_PAGE_SIZE);
	p->subsys = static_cast<std::uint16_t>(s);
	p->domain = &domain;
	capture_site(p->site);
	domain.charge(s, CFS_PAGE_SIZE);
	domain.link(p);
	page_registry_add(p->data, p);
	return p;
}

void cfs_page_free(enum cfs_subsys s, cfs_page *p) noexcept
{
	if (stand_in(p) || !p->charged || p->subsys != s)
		misuse("cfs_page_free() of a page that is not this subsystem's, or a second time");
	p->charged = false;
	p->domain->uncharge(s, CFS_PAGE_SIZE);
	cfs_page_put(p);
}

void cfs_page_get(cfs_page *p) noexcept
{
	if (stand_in(p))
		return;
	if (p->refs.fetch_add(1, std::memory_order_relaxed) == 0)
		misuse("cfs_page_get() of a page without references");
}

void cfs_page_put(cfs_page *p) noexcept
{
	if (stand_in(p))
		return;
	if (p->refs.fetch_sub(1, std::memory_order_acq_rel) != 1)
		return;
	if (p->charged)
		misuse("the last reference to a page went before cfs_page_free()");
	before_free(p->data, CFS_PAGE_SIZE);
	page_registry_remove(p->data);
	p->domain->unlink(p);
	std::free(p->data);
	delete p;
}

void *cfs_page_map(cfs_page *p) noexcept
{
	Task &t = task();
	void *addr = stand_in(p) ? reinterpret_cast<void *>(page_base(p)) : p->data;
	if (t.maps == std::size(t.mapped))
		misuse("cfs_page_map(): too many pages mapped at once");
	t.mapped[t.maps++] = addr;
	return addr;
}

void cfs_page_unmap(void *addr) noexcept
{
	Task &t = task();
	auto base = reinterpret_cast<const void *>(page_base(addr));
	if (t.maps == 0 || t.mapped[t.maps - 1] != base)
		misuse("cfs_page_unmap(): not the page this thread mapped last");
	t.maps--;
}

cfs_page *cfs_page_of(const void *addr) noexcept
{
	auto base = page_base(addr);
	auto &s = registry_shard(base);
	std::lock_guard g(s.lock);
	auto it = s.pages.find(base);
	return it != s.pages.end() ? it->second : reinterpret_cast<cfs_page *>(base | 1);
}

} // extern "C"
