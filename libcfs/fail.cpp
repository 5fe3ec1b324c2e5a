// SPDX-License-Identifier: GPL-2.0
//
// Fail points; see libcfs/fail.hpp.
#include "libcfs/fail.hpp"

#include "libcfs/log.hpp"
#include "libcfs/machine.hpp"
#include "libcfs/plat/thread.h"

namespace cfs
{

namespace
{

bool is_at(std::uint64_t loc, std::uint32_t id) noexcept
{
	return loc != 0 &&
	       ((loc & kFailLocation) == (id & kFailLocation) || (loc & id & kFailFamily) != 0);
}

bool one_in(std::uint32_t n) noexcept
{
	std::uint32_t r = 0;
	cfs_random_bytes(&r, sizeof(r));
	return n != 0 && r % n == 0;
}

} // namespace

FailPoints::Outcome FailPoints::decide(std::uint32_t id, std::uint32_t value,
				       cfs_fail_kind kind) noexcept
{
	std::uint64_t loc = this->loc();
	std::uint32_t limit = val.load(std::memory_order_relaxed);
	constexpr std::uint64_t kSpent = kFailOnce | kFailFailed;

	if (!is_at(loc, id))
		return Outcome::elsewhere;
	if ((loc & kSpent) == kSpent)
		return Outcome::spared;
	if (kind == CFS_FAIL_VALUE && limit != value && limit != UINT32_MAX)
		return Outcome::spared;
	if ((loc & kFailRandom) && !one_in(limit))
		return Outcome::spared;
	if ((loc & kFailSkip) && calls_++ < limit)
		return Outcome::spared;
	if ((loc & kFailSome) && ++calls_ >= limit)
		loc |= kFailOnce;
	loc |= kFailFailed;
	if (kind == CFS_FAIL_ORSET)
		loc |= value & ~kFailLocation;
	if (kind == CFS_FAIL_SET) {
		loc = value;
		calls_ = 0;
	}
	loc_.store(loc, std::memory_order_relaxed);
	return Outcome::hit;
}

bool FailPoints::check(std::uint32_t id, std::uint32_t value, cfs_fail_kind kind) noexcept
{
	if (!is_at(loc(), id)) [[likely]]
		return false;
	{
		SpinGuard g(lock_);
		if (decide(id, value, kind) != Outcome::hit)
			return false;
	}
	LCONSOLE_INFO(CFS_S_LIBCFS, "*** cfs_fail_loc={:x}, val={}***", id, value);
	return true;
}

bool FailPoints::timeout(std::uint32_t id, Duration d) noexcept
{
	if (!check(id, 0, CFS_FAIL_PLAIN))
		return false;
	if (d == Duration{})
		d = Duration::seconds(val.load(std::memory_order_relaxed));
	CERROR(CFS_S_LIBCFS, "cfs_fail_timeout id {:x} sleeping for {}", id, d);
	(void)waitq_.wait(WaitMode::killable, after(d), [this] { return loc() == 0; });
	CERROR(CFS_S_LIBCFS, "cfs_fail_timeout id {:x} awake", id);
	return true;
}

void FailPoints::race(std::uint32_t id) noexcept
{
	if (!is_at(loc(), id)) [[likely]]
		return;
	std::uint32_t changes = 0;
	std::uint32_t wakes = 0;
	Outcome outcome;
	{
		SpinGuard g(lock_);
		outcome = decide(id, 0, CFS_FAIL_PLAIN);
		changes = loc_changes_.load(std::memory_order_relaxed);
		wakes = race_wakes_.load(std::memory_order_relaxed);
		if (outcome == Outcome::spared)
			race_wakes_.store(wakes + 1, std::memory_order_release);
	}
	if (outcome == Outcome::spared) {
		CERROR(CFS_S_LIBCFS, "cfs_fail_race id {:x} waking", id);
		waitq_.wake_all();
	}
	if (outcome != Outcome::hit)
		return;
	CERROR(CFS_S_LIBCFS, "cfs_race id {:x} sleeping", id);
	auto r = waitq_.wait(WaitMode::killable, Instant::never(), [&] {
		return race_wakes_.load(std::memory_order_acquire) != wakes ||
		       loc_changes_.load(std::memory_order_acquire) != changes;
	});
	CERROR(CFS_S_LIBCFS, "cfs_fail_race id {:x} awake: rc = {}", id, r);
}

void FailPoints::set_loc(std::uint64_t loc) noexcept
{
	{
		SpinGuard g(lock_);
		if (loc == this->loc())
			return;
		loc_.store(loc, std::memory_order_relaxed);
		calls_ = 0;
		loc_changes_.fetch_add(1, std::memory_order_release);
	}
	waitq_.wake_all();
}

} // namespace cfs

bool cfs_fail_check(std::uint32_t id, std::uint32_t value, unsigned int kind) noexcept
{
	cfs_machine *m = cfs_machine_get();
	return m && m->fail.check(id, value, static_cast<cfs_fail_kind>(kind));
}

bool cfs_fail_timeout(std::uint32_t id, std::uint64_t ns) noexcept
{
	cfs_machine *m = cfs_machine_get();
	return m && m->fail.timeout(id, cfs::Duration::nanos(static_cast<std::int64_t>(ns)));
}

void cfs_fail_race(std::uint32_t id) noexcept
{
	if (cfs_machine *m = cfs_machine_get())
		m->fail.race(id);
}

int cfs_fail_err() noexcept
{
	cfs_machine *m = cfs_machine_get();
	return m ? m->fail.err.load(std::memory_order_relaxed) : 0;
}
