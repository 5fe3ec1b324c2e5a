// SPDX-License-Identifier: GPL-2.0
//
// Disks.
#include "libcfs/sim/disk.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "libcfs/sim/sched.hpp"

namespace cfs::sim
{

Disk::Disk(Sched &sched, std::string name, const DiskOptions &options)
    : sched_(sched), name_(std::move(name)), options_(options)
{
}

Result<> Disk::begin(std::uint64_t offset, std::size_t bytes, Nanos low, Nanos high)
{
	hosted::may_block("a disk operation");
	if (offset % options_.sector_bytes || bytes % options_.sector_bytes)
		return cfs::fail(err::INVAL);
	std::uint64_t end = options_.sectors * options_.sector_bytes;
	if (offset > end || bytes > end - offset)
		return cfs::fail(err::NOSPC);
	sched_.block(Wait::disk, nullptr, nullptr, 0,
		     sched_.now() + sched_.faults.between(low, high) + slower_);
	if (failing_) {
		failing_--;
		return cfs::fail(err::IO);
	}
	return {};
}

Result<> Disk::read(std::uint64_t offset, std::span<std::byte> to)
{
	auto r = begin(offset, to.size(), options_.read_min, options_.read_max);
	if (!r)
		return r.error() == err::NOSPC ? cfs::fail(err::INVAL) : r;
	auto sector = offset / options_.sector_bytes;
	for (std::size_t at = 0; at < to.size(); at += options_.sector_bytes, sector++) {
		const Sector *s = nullptr;
		if (auto c = cache_.find(sector); c != cache_.end())
			s = &c->second.back().data;
		else if (auto d = durable_.find(sector); d != durable_.end())
			s = &d->second;
		if (s)
			std::memcpy(to.data() + at, s->data(), s->size());
		else
			std::memset(to.data() + at, 0, options_.sector_bytes);
	}
	return {};
}

Result<> Disk::write(std::uint64_t offset, std::span<const std::byte> from)
{
	// It enters the cache first and takes its time after: a crash meanwhile may keep it.
	bool valid = offset % options_.sector_bytes == 0 &&
		     from.size() % options_.sector_bytes == 0 &&
		     offset / options_.sector_bytes + from.size() / options_.sector_bytes <=
			     options_.sectors;
	if (valid && !failing_) {
		auto write = next_write_++;
		auto sector = offset / options_.sector_bytes;
		for (std::size_t at = 0; at < from.size(); at += options_.sector_bytes, sector++)
			cache_[sector].push_back(
				{write,
				 Sector(from.begin() + static_cast<std::ptrdiff_t>(at),
					from.begin() + static_cast<std::ptrdiff_t>(
							       at + options_.sector_bytes))});
	}
	return begin(offset, from.size(), options_.write_min, options_.write_max);
}

Result<> Disk::flush()
{
	auto upto = next_write_;
	auto crashes = crashes_;
	TRY(begin(0, 0, options_.flush_min, options_.flush_max));
	if (crashes != crashes_)
		return cfs::fail(err::IO); // the cache it was to write out is gone
	for (auto at = cache_.begin(); at != cache_.end();) {
		auto &versions = at->second;
		auto newer = std::find_if(versions.begin(), versions.end(),
					  [upto](const Version &v) { return v.write >= upto; });
		if (newer != versions.begin())
			durable_[at->first] = std::move(std::prev(newer)->data);
		versions.erase(versions.begin(), newer);
		at = versions.empty() ? cache_.erase(at) : std::next(at);
	}
	return {};
}

void Disk::crash()
{
	CrashPolicy policy = options_.crash_policy;
	if (policy == CrashPolicy::any)
		policy = static_cast<CrashPolicy>(1 + sched_.faults.below(4));
	crashes_++;
	if (!cache_.empty())
		sched_.note("disk " + name_ + ": crash with " + std::to_string(cache_.size()) +
			    " dirty sectors");
	std::map<std::uint64_t, bool> kept_writes;
	settle(kept_writes, policy);
	cache_.clear();
}

void Disk::settle(std::map<std::uint64_t, bool> &kept_writes, CrashPolicy policy)
{
	auto survives = [&](const Version &v) {
		auto [at, fresh] = kept_writes.try_emplace(v.write, false);
		if (fresh)
			at->second = sched_.faults.chance(2);
		return at->second;
	};
	for (auto &[sector, versions] : cache_) {
		Version *last = nullptr;
		if (policy == CrashPolicy::keep_all)
			last = &versions.back();
		if (policy == CrashPolicy::sectors)
			if (auto n = sched_.faults.below(versions.size() + 1))
				last = &versions[n - 1];
		if (policy == CrashPolicy::writes)
			for (Version &v : versions)
				if (survives(v))
					last = &v;
		if (last)
			durable_[sector] = std::move(last->data);
	}
}

} // namespace cfs::sim
