// SPDX-License-Identifier: GPL-2.0
#include "lustre/kv_selftest/load.hpp"

#include "libcfs/log.hpp"

namespace kv
{

namespace
{

using C = LoadCounters;

constinit const cfs::ParamInfo kCounters[] = {
	cfs::param_int<&C::appended>(
		{.name = "appended", .doc = "Appends that were answered.", .read_only = true}),
	cfs::param_int<&C::reads>(
		{.name = "reads", .doc = "Reads that were answered.", .read_only = true}),
	cfs::param_int<&C::kept>({.name = "kept",
				  .doc = "Of them, those answered from what a lock keeps.",
				  .read_only = true}),
	cfs::param_int<&C::failed>(
		{.name = "failed", .doc = "Operations that failed.", .read_only = true}),
	cfs::param_int<&C::wrong>({.name = "wrong",
				   .doc = "Reads that found less than had been answered before.",
				   .read_only = true}),
	cfs::param_int<&C::evicted>(
		{.name = "evicted", .doc = "Evictions by the server.", .read_only = true}),
};

constinit const cfs::ParamInfo kParams[] = {
	cfs::param_int<&Load::running>({.name = "running", .doc = "Threads that are not done."}),
	cfs::param_bool<nullptr, &Load::ask_stop>(
		{.name = "stop", .doc = "Threads end after what they are doing."}),
	cfs::param_text<&Load::show_told>({.name = "told",
					   .doc = "Each append that was answered: number, key, "
						  "place, whether it is known to be on disk.",
					   .tree = CFS_PTREE_DEBUGFS}),
};

/// After a failure.
constexpr cfs::Duration kRetry = cfs::Duration::millis(500);

u64 next_random(u64 &x) noexcept
{
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

/// Bits of a seed and a thread, never 0.
u64 mix(u64 seed, u64 thread) noexcept
{
	u64 x = (seed + 1) * 0x9e3779b97f4a7c15ULL + (thread + 1) * 0xc4ceb9fe1a85ec53ULL;
	return (x ^ x >> 31) | 1;
}

} // namespace

// ---- life ----

cfs::Result<> Load::start(cfs_node *node, rpc::Rpc &rpc, ldlm::Ldlm &ldlm,
			  const LoadSpec &spec) noexcept
{
	if (spec.id == 0 || spec.threads == 0 || spec.threads > kThreadsMax || spec.steps == 0 ||
	    spec.steps > kAppendsMax / spec.threads) {
		CERROR(kSubsys, "kv: no load with id {}, {} threads, {} steps", spec.id,
		       spec.threads, spec.steps);
		return cfs::fail(cfs::err::INVAL);
	}
	spec_ = spec;
	records_ = TRY(cfs::Array<Record>::make(kSubsys, std::size_t{spec.threads} * spec.steps));
	workers_ = TRY(cfs::Array<Worker>::make(kSubsys, spec.threads));
	spec_.client.server = {};
	TRY(client_.open(rpc, ldlm, spec.client));
	return start_threads(node);
}

cfs::Result<> Load::start_threads(cfs_node *node) noexcept
{
	char name[16];
	for (u32 i = 0; i < workers_.size(); i++) {
		Worker &w = workers_[i];
		w.load = this;
		w.random = mix(spec_.seed, i);
		running_.fetch_add(1, std::memory_order_relaxed);
		auto r = w.thread.start<&Worker::run>(node, cfs::format_cstr(name, "kv_{}", i), &w);
		if (!r) {
			running_.fetch_sub(1, std::memory_order_relaxed);
			return r;
		}
	}
	return {};
}

void Load::stop() noexcept
{
	ask_stop();
	auto done = [this] { return running() == 0; };
	if (!ended_.wait(cfs::WaitMode::idle, cfs::after(kStopWait), done)) {
		LCONSOLE_WARN(kSubsys, "kv: {} does not answer and is left", spec_.client.target);
		client_.give_up();
	}
	workers_.clear();
	if (auto r = client_.close(); !r)
		LCONSOLE_WARN(kSubsys, "kv: {} has not heard the good-bye: rc = {}",
			      spec_.client.target, r);
}

cfs::Result<> Load::add_params(cfs::ParamGroup &folder) noexcept
{
	TRY(folder.add(kCounters, &counters_));
	return folder.add(kParams, this);
}

// ---- threads ----

void Load::pause(Worker &w, cfs::Duration most) noexcept
{
	if (most.ns() > 0) {
		auto ns = next_random(w.random) % static_cast<u64>(most.ns());
		cfs_sleep_until(cfs_now_ns() + ns);
	}
}

void Load::work(Worker &w) noexcept
{
	for (u32 i = 0; i < spec_.steps && !stopping_.load(std::memory_order_relaxed); i++) {
		u64 r = next_random(w.random);
		auto key = static_cast<unsigned>((r >> 8) % kKeys);
		auto done = (r >> 40) % 2 ? client_.append(key) : client_.read(key);
		if (!done) {
			counters_.failed.fetch_add(1, std::memory_order_relaxed);
			CWARN(kSubsys, "kv: an operation on key {} failed: rc = {}", key, done);
			cfs_sleep_until(cfs::after(kRetry).ns());
		}
		pause(w, spec_.pause);
	}
	running_.fetch_sub(1, std::memory_order_relaxed);
	ended_.wake_all();
}

// ---- the book ----

u64 Load::trying(unsigned key) noexcept
{
	cfs::SpinGuard g(lock_);
	if (tried_ == records_.size())
		return 0;
	records_[tried_].key = static_cast<wire::u8>(key);
	return numbers() + ++tried_;
}

void Load::told(const Told &t) noexcept
{
	counters_.appended.fetch_add(1, std::memory_order_relaxed);
	cfs::SpinGuard g(lock_);
	Record &r = records_[t.number - numbers() - 1];
	r.place = t.place;
	r.answered = true;
	r.committed = r.committed || t.committed;
	if (t.place + 1 > length_[t.key])
		length_[t.key] = t.place + 1;
}

void Load::committed(u64 number) noexcept
{
	cfs::SpinGuard g(lock_);
	records_[number - numbers() - 1].committed = true;
}

u64 Load::least(unsigned key) noexcept
{
	cfs::SpinGuard g(lock_);
	return length_[key];
}

void Load::read(unsigned key, u64 length, u64 least, bool kept) noexcept
{
	counters_.reads.fetch_add(1, std::memory_order_relaxed);
	if (kept)
		counters_.kept.fetch_add(1, std::memory_order_relaxed);
	if (length < least) {
		counters_.wrong.fetch_add(1, std::memory_order_relaxed);
		CERROR(kSubsys, "kv: list {} has {} numbers{}, and had {}", key, length,
		       kept ? " under a lock" : "", least);
	}
	cfs::SpinGuard g(lock_);
	if (length > length_[key])
		length_[key] = length;
}

void Load::evicted() noexcept
{
	counters_.evicted.fetch_add(1, std::memory_order_relaxed);
}

void Load::show_told(cfs::FormatSink &out) noexcept
{
	for (u32 i = 0;; i++) {
		Record r;
		{
			cfs::SpinGuard g(lock_);
			if (i == tried_)
				return;
			r = records_[i];
		}
		if (r.answered)
			out.print("{} {} {} {:d}\n", numbers() + i + 1, u32{r.key}, r.place,
				  r.committed);
	}
}

} // namespace kv
