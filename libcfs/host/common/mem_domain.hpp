// SPDX-License-Identifier: GPL-2.0
//
// Accounting of hosted memory. A domain is what cfs_mem_usage() reports on: the process (threads)
// or one node (sim). Every block and page stands in its domain's lists with the place that
// allocated it, so leaks are reported by place, and a crashed node's memory can be dropped whole.
//
// A block is laid out [lead][Block header][payload]; the header is poisoned under ASan.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "libcfs/host/common/stacks.hpp"
#include "libcfs/plat/mem.h"
#include "libcfs/plat/page.h"

struct cfs_cache;

namespace cfs::hosted
{

class MemDomain;

/// Precedes every allocation. A multiple of 16 bytes, so the payload keeps malloc's alignment.
struct alignas(16) Block {
	Block *prev;
	Block *next;
	MemDomain *domain;
	std::size_t bytes;
	std::uint32_t magic;
	std::uint8_t subsys;
	bool large;	    ///< CFS_ALLOC_LARGE: freeing it may sleep
	std::uint16_t lead; ///< bytes between the start of the malloc block and this header
	Site site;
};

class MemDomain
{
public:
	explicit MemDomain(std::string name) : name_(std::move(name)) {}
	~MemDomain() { drop_all(); }
	MemDomain(const MemDomain &) = delete;
	MemDomain &operator=(const MemDomain &) = delete;

	void charge(std::uint32_t subsys, std::int64_t bytes) noexcept;
	void uncharge(std::uint32_t subsys, std::int64_t bytes) noexcept;
	void count_failure(std::uint32_t subsys) noexcept;
	void usage(std::uint32_t subsys, struct cfs_mem_usage &out) const noexcept;
	/// Blocks and pages held in all subsystems.
	[[nodiscard]] std::int64_t objects() const noexcept;

	void link(Block *b) noexcept;
	void unlink(Block *b) noexcept;
	void link(cfs_page *p) noexcept;
	void unlink(cfs_page *p) noexcept;

	/// What is held now, grouped by place, biggest first; empty when nothing is.
	[[nodiscard]] std::string leaks() const;
	/// Frees everything. Only when nothing can refer to it any more.
	void drop_all() noexcept;

	[[nodiscard]] const std::string &name() const noexcept { return name_; }

	std::mutex cache_lock;
	/// Slab caches by name and size.
	std::map<std::pair<std::string, std::size_t>, cfs_cache *> caches;

private:
	struct Count {
		std::atomic<std::int64_t> bytes{0};
		std::atomic<std::int64_t> objects{0};
		std::atomic<std::int64_t> bytes_max{0};
		std::atomic<std::uint64_t> failed{0};
	};
	struct Shard {
		mutable std::mutex lock;
		Block *blocks = nullptr;
		cfs_page *pages = nullptr;
	};
	static constexpr std::size_t kShards = 8;

	Shard &shard_of(const void *p) noexcept;

	std::string name_;
	std::array<Count, CFS_S_COUNT> counts_;
	std::array<Shard, kShards> shards_;
};

/// How much care memory gets; fixed for the life of the process.
struct MemPolicy {
	bool track; ///< lists of blocks with their places
	bool fill;  ///< patterns in fresh and freed memory
};
const MemPolicy &mem_policy() noexcept;

/// The name of a subsystem, for reports.
const char *subsys_name(std::uint32_t subsys) noexcept;

/// Called for every freed range before it goes (sim looks for locks and waiters in it).
void before_free(const void *p, std::size_t bytes) noexcept;

} // namespace cfs::hosted

/// A page: the block, and the references to it. In the address space of a test a "page" is also any
/// 4 KiB of allocated memory; cfs_page_of() of such returns its address with the lowest bit set.
struct cfs_page {
	std::atomic<std::uint32_t> refs{1};
	std::uint16_t subsys = 0;
	bool charged = true;
	unsigned char *data = nullptr;
	cfs::hosted::MemDomain *domain = nullptr;
	cfs_page *prev = nullptr;
	cfs_page *next = nullptr;
	cfs::hosted::Site site;
};
