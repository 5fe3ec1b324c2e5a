// SPDX-License-Identifier: GPL-2.0
//
// Unused locks, the least recently used first, and when they are too many (spec 03 8.5): a fixed
// number, an age, or the volume of locks and seconds that the server allows each client.
#include "lustre/ldlm/client_ns.hpp"

namespace ldlm
{

namespace
{

constexpr auto kPeriod = cfs::Duration::seconds(10);
/// Without a word of the server.
constexpr u32 kPerCpu = 100;

} // namespace

u64 ClientNs::lru_limit() noexcept
{
	u32 fixed = lru_size_.load(std::memory_order_relaxed);
	if (fixed)
		return fixed;
	if (slv_.load(std::memory_order_relaxed) && server_has(wire::OBD_CONNECT_LRU_RESIZE))
		return UINT64_MAX;
	return u64{kPerCpu} * cfs_cpu_count();
}

/// Resource locked, as for the next.
void ClientNs::lru_add(ClientLockImpl &l) noexcept
{
	cfs::Instant now = cfs::Instant::now();
	{
		cfs::SpinGuard g(lru_lock_);
		if (l.in_lru.is_linked())
			return;
		l.last_used = now;
		lru_.push_back(l);
	}
	if (unused_.fetch_add(1, std::memory_order_relaxed) + 1 > lru_limit())
		trim_.queue(node_.cancel_workq());
}

void ClientNs::lru_remove(ClientLockImpl &l) noexcept
{
	cfs::SpinGuard g(lru_lock_);
	if (!l.in_lru.is_linked())
		return;
	lru_.erase(lru_.iterator_to(l));
	unused_.fetch_sub(1, std::memory_order_relaxed);
}

bool ClientNs::too_old(const ClientLockImpl &l, cfs::Instant now) noexcept
{
	cfs::Duration idle = now - l.last_used;
	if (static_cast<u64>(idle.ns()) > max_age_ns_.load(std::memory_order_relaxed))
		return true;
	u64 unused = unused_.load(std::memory_order_relaxed);
	if (unused > lru_limit())
		return true;
	u64 slv = slv_.load(std::memory_order_relaxed);
	if (!slv || lru_size_.load(std::memory_order_relaxed) ||
	    !server_has(wire::OBD_CONNECT_LRU_RESIZE))
		return false;
	u64 seconds = static_cast<u64>(idle.s());
	return seconds * unused / 100 * lock_volume_factor_.load(std::memory_order_relaxed) > slv;
}

ClientLockImplPtr ClientNs::oldest(cfs::Instant now) noexcept
{
	cfs::SpinGuard g(lru_lock_);
	if (lru_.empty() || !too_old(lru_.front(), now))
		return nullptr;
	return ClientLockImplPtr::share(&lru_.front());
}

void ClientNs::trim_lru() noexcept
{
	cfs::Instant now = cfs::Instant::now();
	// Each is looked at once, whatever the user says about it.
	for (std::size_t n = unused_count(); n > 0; n--) {
		ClientLockImplPtr l = oldest(now);
		if (!l)
			return;
		cfs::MutexGuard g(l->res->lock);
		if (l->uses > 0 || l->canceling)
			continue;
		if (!user_->may_drop(*l, CancelReason::lru)) {
			lru_remove(*l);
			lru_add(*l);
			continue;
		}
		l->full_cancel = true;
		if (start_cancel(*l, {CancelReason::lru, false}))
			queue_cancel(*l);
	}
}

void ClientNs::recalc_lru() noexcept
{
	trim_.queue(node_.cancel_workq());
	cfs::SpinGuard g(todo_lock_);
	if (!closing_)
		lru_timer_.arm(node_.workq(), cfs::after(kPeriod));
}

} // namespace ldlm
