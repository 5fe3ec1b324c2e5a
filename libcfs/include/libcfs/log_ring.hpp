// SPDX-License-Identifier: GPL-2.0
//
// The memory of the debug log: per CPU a list of pages full of records (libcfs/log_record.hpp).
// Pages are allocated as messages come, up to a limit, after which the oldest page of the CPU is
// used again. Nobody ever waits here: without memory the oldest page goes early, or the message is
// counted as dropped.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "libcfs/bytes.hpp"
#include "libcfs/lock.hpp"
#include "libcfs/log_record.hpp"
#include "libcfs/mem.hpp"
#include "libcfs/plat/log.h"

namespace cfs
{

/// A page of whole records.
struct LogPage {
	static constexpr std::size_t kBytes = 4096;

	LogPage *next = nullptr;
	std::uint32_t used = 0; // bytes of data
	std::uint32_t records = 0;
	std::byte data[kBytes - 16];

	[[nodiscard]] std::size_t room() const noexcept { return sizeof(data) - used; }
	/// Appends one record, whose length is head.len and fits.
	void append(const LogRecordHeader &head, const cfs_log_site &site,
		    std::string_view text) noexcept;
};
static_assert(sizeof(LogPage) == LogPage::kBytes);

/// Owns pages, oldest first.
class LogPages
{
	LogPage *head_ = nullptr;
	LogPage *tail_ = nullptr;
	std::size_t count_ = 0;

public:
	LogPages() = default;
	LogPages(const LogPages &) = delete;
	LogPages &operator=(const LogPages &) = delete;
	~LogPages() { clear(); }

	/// A page without records; never waits, may fail.
	bool allocate() noexcept;
	void push_back(LogPage *p) noexcept;
	LogPage *pop_front() noexcept;
	/// Takes over all pages of `o`.
	void splice_back(LogPages &o) noexcept;
	void clear() noexcept;

	[[nodiscard]] LogPage *back() const noexcept { return tail_; }
	[[nodiscard]] std::size_t count() const noexcept { return count_; }
	[[nodiscard]] bool empty() const noexcept { return count_ == 0; }

	/// Calls f(Bytes) -> Result<> with the records of each page until it fails.
	template <typename F>
	[[nodiscard]] Result<> for_each(F f) const noexcept
	{
		for (const LogPage *p = head_; p; p = p->next)
			TRY(f(Bytes(p->data, p->used)));
		return {};
	}
};

class LogRing
{
public:
	struct Counters {
		std::uint64_t recorded = 0;
		std::uint64_t overwritten = 0; ///< lost because the ring was full
		std::uint64_t dropped = 0;     ///< lost because there was no memory at all
	};

	/// One list per CPU; nothing is recorded before. May sleep.
	[[nodiscard]] Result<> start(std::size_t pages_per_cpu) noexcept;
	/// Frees everything. Nobody may record any more.
	void stop() noexcept;

	/// Records one message; cut when it does not fit a page. Does not sleep.
	void append(const cfs_log_site &site, std::string_view text) noexcept;
	/// Moves everything recorded so far to `out`, CPU by CPU.
	void take(LogPages &out) noexcept;

	/// Frees what is above the new limit, oldest first.
	void set_limit(std::size_t pages_per_cpu) noexcept;
	[[nodiscard]] std::size_t limit() const noexcept
	{
		return limit_.load(std::memory_order_relaxed);
	}
	[[nodiscard]] std::size_t cpus() const noexcept { return shards_.size(); }
	[[nodiscard]] Counters counters() noexcept;

private:
	struct Shard {
		SpinLock lock{CFS_LOCK_CLASS("debug log ring")};
		LogPages pages CFS_GUARDED_BY(lock);
		bool fresh CFS_GUARDED_BY(lock) = true; // nothing recorded since it was emptied
		Counters counters CFS_GUARDED_BY(lock);
		char pad[64]; // neighbours are written by other CPUs

		LogPage *page_for(std::size_t bytes, std::size_t limit, LogPages &spare,
				  bool no_memory) noexcept CFS_REQUIRES(lock);
	};

	Array<Shard> shards_;
	std::atomic<std::size_t> limit_{0};
};

} // namespace cfs
