// SPDX-License-Identifier: GPL-2.0
//
// Statistics: counters that many CPUs add to without meeting, and their text forms (spec 08
// sections 9.1, 9.4 and 9.5). Header-only; adding takes a few relaxed atomic operations, any
// context.
//
//     enum { kReadBytes, kOpen };
//     constexpr StatInfo kStats[] = {{"read_bytes", "bytes", StatKind::squares},
//                                    {"open", "usecs", StatKind::values}};
//     Stats stats_;                      // TRY(stats_.open(CFS_S_LLITE, kStats));
//     stats_.add(kReadBytes, n);
//     param_member<&Mount::stats_>({.name = "stats", .tree = CFS_PTREE_DEBUGFS, ...})
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>
#include <span>
#include <string_view>

#include "libcfs/format.hpp"
#include "libcfs/mem.hpp"
#include "libcfs/plat/core.h"
#include "libcfs/plat/thread.h"

namespace cfs
{

/// A counter that is added to from many CPUs and read seldom.
class ShardedCounter
{
	static constexpr unsigned kShards = 8;
	struct alignas(64) Shard {
		std::atomic<std::int64_t> v{0};
	};
	Shard shards_[kShards];

public:
	void add(std::int64_t n) noexcept
	{
		shards_[cfs_cpu_current() % kShards].v.fetch_add(n, std::memory_order_relaxed);
	}
	/// Exact when nobody adds meanwhile.
	[[nodiscard]] std::int64_t sum() const noexcept
	{
		std::int64_t s = 0;
		for (const Shard &shard : shards_)
			s += shard.v.load(std::memory_order_relaxed);
		return s;
	}
};

/// What a statistic keeps beside the number of samples.
enum class StatKind : std::uint8_t {
	events,	 // nothing: each sample is one event
	values,	 // least, greatest and sum of the samples
	squares, // and the sum of their squares
};

struct StatInfo {
	const char *name;
	const char *unit;
	StatKind kind;
};

struct StatValue {
	std::uint64_t count = 0;
	std::int64_t min = 0;
	std::int64_t max = 0;
	std::int64_t sum = 0;
	std::uint64_t sumsq = 0;
};

/// How much memory a set of statistics spends on being fast.
enum class StatShards : std::uint8_t {
	single,	 // what exists by the thousand: per client, per job
	per_cpu, // what exists once per mount or target
};

/// The lines that open files of statistics: "name" is padded to 25 characters.
inline void print_time_line(FormatSink &out, std::string_view name, std::uint64_t ns) noexcept
{
	out.print("{:<25} {} secs.nsecs\n", name, SecNsec{ns});
}

/// snapshot_time, and unless `enable_stats_header` is off start_time and elapsed_time. Files of
/// histograms have colons behind the names.
inline void print_stats_header(FormatSink &out, std::uint64_t start_ns, bool colons) noexcept
{
	std::uint64_t now = cfs_real_ns();
	print_time_line(out, colons ? "snapshot_time:" : "snapshot_time", now);
	if (!cfs_core_stats_header())
		return;
	print_time_line(out, colons ? "start_time:" : "start_time", start_ns);
	print_time_line(out, colons ? "elapsed_time:" : "elapsed_time",
			now > start_ns ? now - start_ns : 0);
}

/// A set of statistics that are shown together in one file.
class Stats
{
	static constexpr unsigned kShardsMax = 64;

	struct Cell {
		std::atomic<std::uint64_t> count{0};
		std::atomic<std::int64_t> min{INT64_MAX};
		std::atomic<std::int64_t> max{INT64_MIN};
		std::atomic<std::int64_t> sum{0};
		std::atomic<std::uint64_t> sumsq{0};

		void clear() noexcept
		{
			count.store(0, std::memory_order_relaxed);
			min.store(INT64_MAX, std::memory_order_relaxed);
			max.store(INT64_MIN, std::memory_order_relaxed);
			sum.store(0, std::memory_order_relaxed);
			sumsq.store(0, std::memory_order_relaxed);
		}
	};

	std::span<const StatInfo> infos_;
	Array<Cell> cells_;
	std::size_t stride_ = 0; // cells from one shard to the next
	unsigned shards_ = 0;
	std::atomic<std::uint64_t> start_ns_{0};

	Cell &cell(unsigned stat) noexcept
	{
		unsigned shard = shards_ > 1 ? cfs_cpu_current() % shards_ : 0;
		return cells_[shard * stride_ + stat];
	}
	static void lower(std::atomic<std::int64_t> &a, std::int64_t v) noexcept
	{
		auto old = a.load(std::memory_order_relaxed);
		while (v < old && !a.compare_exchange_weak(old, v, std::memory_order_relaxed)) {
		}
	}
	static void raise(std::atomic<std::int64_t> &a, std::int64_t v) noexcept
	{
		auto old = a.load(std::memory_order_relaxed);
		while (v > old && !a.compare_exchange_weak(old, v, std::memory_order_relaxed)) {
		}
	}
	void show_line(FormatSink &out, unsigned stat) const noexcept
	{
		const StatInfo &info = infos_[stat];
		StatValue v = value(stat);
		if (v.count == 0)
			return;
		out.print("{:<25} {} samples [{}]", info.name, v.count, info.unit);
		if (info.kind != StatKind::events)
			out.print(" {} {} {}", v.min, v.max, v.sum);
		if (info.kind == StatKind::squares)
			out.print(" {}", v.sumsq);
		out.put('\n');
	}

public:
	Stats() = default;

	/// `infos` must stay. err::NOMEM. May sleep.
	[[nodiscard]] Result<> open(cfs_subsys s, std::span<const StatInfo> infos,
				    StatShards shards = StatShards::per_cpu) noexcept
	{
		infos_ = infos;
		unsigned cpus = cfs_cpu_count();
		shards_ = shards == StatShards::single ? 1 : cpus < kShardsMax ? cpus : kShardsMax;
		// Shards start on cache lines of their own, give or take the array's alignment.
		constexpr std::size_t kLine = 64 / 8;
		stride_ = (infos.size() + kLine - 1) / kLine * kLine;
		cells_ = TRY(Array<Cell>::make(s, shards_ * stride_));
		start_ns_.store(cfs_real_ns(), std::memory_order_relaxed);
		return {};
	}

	/// One event: a sample of 1.
	void count(unsigned stat) noexcept { add(stat, 1); }
	/// One sample. Does nothing before open().
	void add(unsigned stat, std::int64_t v) noexcept
	{
		if (cells_.empty())
			return;
		Cell &c = cell(stat);
		c.count.fetch_add(1, std::memory_order_relaxed);
		StatKind kind = infos_[stat].kind;
		if (kind == StatKind::events)
			return;
		c.sum.fetch_add(v, std::memory_order_relaxed);
		lower(c.min, v);
		raise(c.max, v);
		if (kind == StatKind::squares)
			c.sumsq.fetch_add(static_cast<std::uint64_t>(v) *
						  static_cast<std::uint64_t>(v),
					  std::memory_order_relaxed);
	}

	[[nodiscard]] std::size_t size() const noexcept { return infos_.size(); }
	/// Exact when nobody adds meanwhile.
	[[nodiscard]] StatValue value(unsigned stat) const noexcept
	{
		StatValue v;
		std::int64_t min = INT64_MAX;
		std::int64_t max = INT64_MIN;
		for (unsigned i = 0; i < shards_; i++) {
			const Cell &c = cells_[i * stride_ + stat];
			v.count += c.count.load(std::memory_order_relaxed);
			v.sum += c.sum.load(std::memory_order_relaxed);
			v.sumsq += c.sumsq.load(std::memory_order_relaxed);
			auto lo = c.min.load(std::memory_order_relaxed);
			auto hi = c.max.load(std::memory_order_relaxed);
			min = lo < min ? lo : min;
			max = hi > max ? hi : max;
		}
		if (min <= max) {
			v.min = min;
			v.max = max;
		}
		return v;
	}
	/// Back to nothing. Samples added at the same time may count half.
	void clear() noexcept
	{
		for (Cell &c : cells_)
			c.clear();
		start_ns_.store(cfs_real_ns(), std::memory_order_relaxed);
	}

	/// The file `stats` (spec 08 section 9.1); statistics without samples are left out.
	void show(FormatSink &out) const noexcept
	{
		print_stats_header(out, start_ns_.load(std::memory_order_relaxed), false);
		for (unsigned i = 0; i < infos_.size(); i++)
			show_line(out, i);
	}
	/// Writing anything clears.
	[[nodiscard]] Result<> store(std::string_view) noexcept
	{
		clear();
		return {};
	}
	[[nodiscard]] std::uint64_t start_ns() const noexcept
	{
		return start_ns_.load(std::memory_order_relaxed);
	}
};

/// Counts by bucket. What a bucket stands for is the user's choice, usually powers of two.
class Histogram
{
public:
	static constexpr unsigned kBuckets = 32;

	/// One sample in the bucket; the last one takes everything beyond.
	void add(unsigned bucket) noexcept
	{
		bucket = bucket < kBuckets ? bucket : kBuckets - 1;
		buckets_[bucket].fetch_add(1, std::memory_order_relaxed);
	}
	/// Bucket b counts values over 2^(b-1) up to 2^b; 0 is in bucket 0.
	void add_log2(std::uint64_t v) noexcept
	{
		add(v > 1 ? static_cast<unsigned>(std::bit_width(v - 1)) : 0);
	}
	/// Bucket 0 counts zeroes, bucket b values from 2^(b-1) to below 2^b.
	void add_log2_zero(std::uint64_t v) noexcept
	{
		add(static_cast<unsigned>(std::bit_width(v)));
	}
	[[nodiscard]] std::uint64_t bucket(unsigned b) const noexcept
	{
		return buckets_[b].load(std::memory_order_relaxed);
	}
	[[nodiscard]] std::uint64_t total() const noexcept
	{
		std::uint64_t n = 0;
		for (const auto &b : buckets_)
			n += b.load(std::memory_order_relaxed);
		return n;
	}
	void clear() noexcept
	{
		for (auto &b : buckets_)
			b.store(0, std::memory_order_relaxed);
	}

private:
	std::atomic<std::uint64_t> buckets_[kBuckets] = {};
};

/// How the rows of a histogram are labelled and laid out.
struct HistogramRows {
	enum class Label : std::uint8_t {
		log2,	   // 1: 2: 4:, for add_log2()
		log2_zero, // 0: 1: 2: 4:, for add_log2_zero()
		number,	   // the bucket's number
	};
	Label label = Label::log2;
	bool units = false;	// 1K: for 1024: and so on
	bool one_row = true;	// an empty histogram has one row, of zeroes
	bool narrow = false;	// the right-hand count is 4 wide, not 10
	std::uint8_t first = 0; // bucket of the first row
};
/// As the files rpc_stats of clients, and brw_stats of servers have them.
inline constexpr HistogramRows kRpcStatsRows{};
inline constexpr HistogramRows kBrwStatsRows{HistogramRows::Label::log2, true, false, true, 0};

namespace detail
{

inline void print_bucket_label(FormatSink &out, const HistogramRows &rows, unsigned b) noexcept
{
	constexpr std::string_view kUnits = "KMG";
	std::uint64_t v = b;
	if (rows.label == HistogramRows::Label::log2)
		v = std::uint64_t{1} << b;
	else if (rows.label == HistogramRows::Label::log2_zero && b > 0)
		v = std::uint64_t{1} << (b - 1);
	unsigned unit = 0;
	while (rows.units && unit < kUnits.size() && v >= 1024) {
		v /= 1024;
		unit++;
	}
	out.print("{}", v);
	if (unit)
		out.put(kUnits[unit - 1]);
	out.put(":\t\t");
}

/// One side of a row, counting on from row to row.
class HistogramSide
{
	const Histogram *h_;
	std::uint64_t total_;
	std::uint64_t seen_ = 0;

	[[nodiscard]] std::uint64_t percent(std::uint64_t n) const noexcept
	{
		return total_ ? n * 100 / total_ : 0;
	}

public:
	HistogramSide(const Histogram *h, unsigned first) noexcept
	    : h_(h), total_(h ? h->total() : 0)
	{
		for (unsigned b = 0; h && b < first; b++)
			seen_ += h->bucket(b);
	}
	[[nodiscard]] bool complete() const noexcept { return seen_ >= total_; }
	void print(FormatSink &out, unsigned b, bool narrow) noexcept
	{
		std::uint64_t n = h_->bucket(b);
		seen_ += n;
		if (narrow)
			out.print("{:4} {:3} {:3}", n, percent(n), percent(seen_));
		else
			out.print("{:10} {:3} {:3}", n, percent(n), percent(seen_));
	}
};

} // namespace detail

/// The rows of a histogram, or of two side by side (reads and writes), up to the last bucket that
/// counts something. The heading is the caller's.
inline void print_histogram(FormatSink &out, const HistogramRows &rows, const Histogram &left,
			    const Histogram *right = nullptr) noexcept
{
	detail::HistogramSide l(&left, rows.first);
	detail::HistogramSide r(right, rows.first);
	for (unsigned b = rows.first; b < Histogram::kBuckets; b++) {
		bool done = l.complete() && r.complete();
		if (done && (b != rows.first || !rows.one_row))
			break;
		detail::print_bucket_label(out, rows, b);
		l.print(out, b, false);
		if (right) {
			out.put("   | ");
			r.print(out, b, rows.narrow);
		}
		out.put('\n');
	}
}

} // namespace cfs
