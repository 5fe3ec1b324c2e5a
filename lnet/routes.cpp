// SPDX-License-Identifier: GPL-2.0
//
// Routes; see routes.hpp for the rules.

#include "lnet/routes.hpp"

#include <algorithm>

namespace lnet
{

using namespace cfs::err;

bool RouteTable::better(Route &a, Route &b) noexcept
{
	if (a.spec.priority != b.spec.priority)
		return a.spec.priority < b.spec.priority;
	if (a.hops() != b.hops())
		return a.hops() < b.hops();
	int ha = a.gateway->health.load(std::memory_order_relaxed);
	int hb = b.gateway->health.load(std::memory_order_relaxed);
	if (ha != hb)
		return ha > hb;
	// Waiting messages count, free credits do not: those are used in turn.
	int qa = std::min(0, a.gateway->tx_credits.level().available);
	int qb = std::min(0, b.gateway->tx_credits.level().available);
	if (qa != qb)
		return qa > qb;
	return a.uses.load(std::memory_order_relaxed) < b.uses.load(std::memory_order_relaxed);
}

void RouteTable::replace(cfs::UniquePtr<Snapshot> fresh) noexcept
{
	cfs::UniquePtr<Snapshot> old(routes_.exchange(fresh.release(), std::memory_order_acq_rel));
	cfs_rcu_synchronize();
}

cfs::Result<> RouteTable::add(cfs::RefPtr<Route> r) noexcept
{
	cfs::MutexGuard g(lock_);
	Snapshot *now = routes_.load(std::memory_order_relaxed);
	std::size_t n = now ? now->list.size() : 0;
	if (n >= kMax)
		return cfs::fail(NOSPC);
	auto fresh = TRY(cfs::try_make<Snapshot>());
	fresh->list = TRY(cfs::Array<cfs::RefPtr<Route>>::make(kSubsys, n + 1));
	for (std::size_t i = 0; i < n; i++) {
		const RouteSpec &s = now->list[i]->spec;
		if (s.net == r->spec.net && s.gateway == r->spec.gateway)
			return cfs::fail(EXIST);
		fresh->list[i] = now->list[i];
	}
	fresh->list[n] = std::move(r);
	replace(std::move(fresh));
	return {};
}

cfs::Result<> RouteTable::remove(Net net, const Nid &gateway) noexcept
{
	cfs::MutexGuard g(lock_);
	Snapshot *now = routes_.load(std::memory_order_relaxed);
	if (!now)
		return cfs::fail(NOENT);
	auto goes = [&](const cfs::RefPtr<Route> &r) {
		return r->spec.net == net && (gateway.is_none() || r->spec.gateway == gateway);
	};
	auto gone =
		static_cast<std::size_t>(std::count_if(now->list.begin(), now->list.end(), goes));
	if (gone == 0)
		return cfs::fail(NOENT);
	auto fresh = TRY(cfs::try_make<Snapshot>());
	fresh->list = TRY(cfs::Array<cfs::RefPtr<Route>>::make(kSubsys, now->list.size() - gone));
	std::size_t n = 0;
	for (auto &r : now->list)
		if (!goes(r))
			fresh->list[n++] = r;
	replace(std::move(fresh));
	return {};
}

void RouteTable::clear() noexcept
{
	cfs::MutexGuard g(lock_);
	if (routes_.load(std::memory_order_relaxed))
		replace(nullptr);
}

cfs::RefPtr<Route> RouteTable::at(std::size_t n) noexcept
{
	cfs::RcuGuard rcu;
	Snapshot *s = routes_.load(std::memory_order_acquire);
	if (!s || n >= s->list.size())
		return nullptr;
	return s->list[n];
}

} // namespace lnet
