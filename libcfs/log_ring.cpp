// SPDX-License-Identifier: GPL-2.0
//
// The ring of the debug log; see libcfs/log_ring.hpp.
#include "libcfs/log_ring.hpp"

#include "libcfs/plat/mem.h"
#include "libcfs/plat/thread.h"

namespace cfs
{

namespace
{

/// Not a target of fault injection: otherwise how much is logged would change which allocation of a
/// test fails.
constexpr unsigned kPageFlags = CFS_ALLOC_ATOMIC | CFS_ALLOC_NOFAULT;

void put(std::byte *&to, std::string_view s) noexcept
{
	__builtin_memcpy(to, s.data(), s.size());
	to += s.size();
}

LogRecordHeader stamp(const cfs_log_site &site, unsigned cpu) noexcept
{
	std::uint64_t now = cfs_real_ns();
	LogRecordHeader h{};
	h.subsys = 1u << (site.subsys & 31);
	h.mask = site.mask;
	h.cpu = static_cast<std::uint16_t>(cpu);
	h.sec = static_cast<std::uint32_t>(now / 1000000000);
	h.usec = now % 1000000000 / 1000;
	h.pid = cfs_thread_pid();
	h.line = site.line < kLogLineMax ? site.line : kLogLineMax;
	return h;
}

} // namespace

void LogPage::append(const LogRecordHeader &head, const cfs_log_site &site,
		     std::string_view text) noexcept
{
	CFS_ASSERT(head.len <= room());
	std::byte *to = data + used;
	__builtin_memcpy(to, &head, sizeof(head));
	to += sizeof(head);
	put(to, {site.file, __builtin_strlen(site.file) + 1});
	put(to, {site.func, __builtin_strlen(site.func) + 1});
	put(to, text);
	put(to, "\n");
	used += head.len;
	records++;
}

bool LogPages::allocate() noexcept
{
	void *m = cfs_alloc(CFS_S_LIBCFS, sizeof(LogPage), kPageFlags);
	if (!m)
		return false;
	push_back(::new (m) LogPage);
	return true;
}

void LogPages::push_back(LogPage *p) noexcept
{
	p->next = nullptr;
	(tail_ ? tail_->next : head_) = p;
	tail_ = p;
	count_++;
}

LogPage *LogPages::pop_front() noexcept
{
	LogPage *p = head_;
	if (!p)
		return nullptr;
	head_ = p->next;
	if (!head_)
		tail_ = nullptr;
	count_--;
	return p;
}

void LogPages::splice_back(LogPages &o) noexcept
{
	if (o.empty())
		return;
	(tail_ ? tail_->next : head_) = o.head_;
	tail_ = o.tail_;
	count_ += o.count_;
	o.head_ = o.tail_ = nullptr;
	o.count_ = 0;
}

void LogPages::clear() noexcept
{
	while (LogPage *p = pop_front())
		cfs_free(CFS_S_LIBCFS, p, sizeof(*p));
}

Result<> LogRing::start(std::size_t pages_per_cpu) noexcept
{
	CFS_ASSERT(pages_per_cpu > 0);
	limit_.store(pages_per_cpu, std::memory_order_relaxed);
	shards_ = TRY(Array<Shard>::make(CFS_S_LIBCFS, cfs_cpu_count()));
	return {};
}

void LogRing::stop() noexcept
{
	shards_.clear();
}

/// The page that the next record goes to. Null when a new one is wanted, but not if there is
/// `no_memory` for one and an old one can be had.
LogPage *LogRing::Shard::page_for(std::size_t bytes, std::size_t limit, LogPages &spare,
				  bool no_memory) noexcept
{
	if (pages.back() && pages.back()->room() >= bytes)
		return pages.back();
	if (pages.count() < limit && !spare.empty()) {
		pages.push_back(spare.pop_front());
		return pages.back();
	}
	if (pages.empty() || (pages.count() < limit && !no_memory))
		return nullptr;
	LogPage *oldest = pages.pop_front();
	counters.overwritten += oldest->records;
	oldest->used = 0;
	oldest->records = 0;
	pages.push_back(oldest);
	return oldest;
}

void LogRing::append(const cfs_log_site &site, std::string_view text) noexcept
{
	if (shards_.empty())
		return;
	unsigned cpu = cfs_cpu_current();
	LogRecordHeader head = stamp(site, cpu);
	std::size_t names =
		sizeof(head) + __builtin_strlen(site.file) + __builtin_strlen(site.func) + 3;
	CFS_ASSERT(names < sizeof(LogPage::data));
	text = text.substr(0, sizeof(LogPage::data) - names);
	head.len = static_cast<std::uint32_t>(names + text.size());

	Shard &s = shards_[cpu % shards_.size()];
	LogPages spare;
	bool no_memory = false;
	for (;;) {
		SpinGuard g(s.lock);
		if (LogPage *p = s.page_for(head.len, limit(), spare, no_memory)) {
			head.flags = s.fresh ? kLogFirstRecord : 0;
			s.fresh = false;
			p->append(head, site, text);
			s.counters.recorded++;
			return;
		}
		if (no_memory) {
			s.counters.dropped++;
			return;
		}
		g.unlock();
		no_memory = !spare.allocate();
	}
}

void LogRing::take(LogPages &out) noexcept
{
	for (Shard &s : shards_) {
		SpinGuard g(s.lock);
		out.splice_back(s.pages);
		s.fresh = true;
	}
}

void LogRing::set_limit(std::size_t pages_per_cpu) noexcept
{
	CFS_ASSERT(pages_per_cpu > 0);
	limit_.store(pages_per_cpu, std::memory_order_relaxed);
	LogPages surplus;
	for (Shard &s : shards_) {
		SpinGuard g(s.lock);
		while (s.pages.count() > pages_per_cpu) {
			LogPage *p = s.pages.pop_front();
			s.counters.overwritten += p->records;
			surplus.push_back(p);
		}
	}
}

LogRing::Counters LogRing::counters() noexcept
{
	Counters sum;
	for (Shard &s : shards_) {
		SpinGuard g(s.lock);
		sum.recorded += s.counters.recorded;
		sum.overwritten += s.counters.overwritten;
		sum.dropped += s.counters.dropped;
	}
	return sum;
}

} // namespace cfs
