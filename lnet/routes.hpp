// SPDX-License-Identifier: GPL-2.0
//
// Ways to networks that this node is not on (spec 01 sections 9.1 to 9.3).
//
// Messages look at a snapshot of the table under RCU; a change makes a new one.
#pragma once

#include "libcfs/lock.hpp"
#include "lnet/control.hpp"
#include "lnet/peer.hpp"

namespace lnet
{

struct Route : cfs::RefCounted<Route> {
	static constexpr cfs_subsys kSubsys = CFS_S_LNET;

	Route(const RouteSpec &s, cfs::RefPtr<PeerNi> gw) noexcept : spec(s), gateway(std::move(gw))
	{
	}
	const RouteSpec spec;
	const cfs::RefPtr<PeerNi> gateway;
	std::atomic<bool> alive{true};
	std::atomic<std::uint32_t> uses{0};
	/// What "unset" counts as.
	[[nodiscard]] std::uint32_t hops() const noexcept
	{
		return spec.hops == RouteSpec::kHopsUnset ? 1 : spec.hops;
	}
};

class RouteTable
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LNET;
	static constexpr std::size_t kMax = 1024;

	~RouteTable() { CFS_ASSERT(!routes_.load(std::memory_order_relaxed)); }

	/// err::EXIST, err::NOSPC, err::NOMEM. Sleeps.
	[[nodiscard]] cfs::Result<> add(cfs::RefPtr<Route> r) noexcept;
	/// Gateway none: all of that network. err::NOENT. Sleeps.
	[[nodiscard]] cfs::Result<> remove(Net net, const Nid &gateway) noexcept;
	void clear() noexcept;

	/// The best one alive to a network for which usable(Route &) holds; null when there is
	/// none.
	template <typename F>
	[[nodiscard]] cfs::RefPtr<Route> pick(Net net, F usable) noexcept
	{
		cfs::RcuGuard rcu;
		Route *best = nullptr;
		if (Snapshot *s = routes_.load(std::memory_order_acquire))
			for (auto &r : s->list)
				if (r->spec.net == net &&
				    r->alive.load(std::memory_order_relaxed) && usable(*r) &&
				    (!best || better(*r, *best)))
					best = r.get();
		if (best)
			best->uses.fetch_add(1, std::memory_order_relaxed);
		return cfs::RefPtr<Route>::share(best);
	}
	/// Calls f(Route &) -> bool for each under RCU, until it returns false.
	template <typename F>
	void for_each(F f) noexcept
	{
		cfs::RcuGuard rcu;
		if (Snapshot *s = routes_.load(std::memory_order_acquire))
			for (auto &r : s->list)
				if (!f(*r))
					return;
	}
	/// Whether there is any, alive or not.
	[[nodiscard]] bool leads_to(Net net) noexcept
	{
		bool found = false;
		for_each([&](Route &r) { return !(found = r.spec.net == net); });
		return found;
	}
	/// The n-th, for those who must sleep between; null past the end.
	[[nodiscard]] cfs::RefPtr<Route> at(std::size_t n) noexcept;

private:
	struct Snapshot {
		static constexpr cfs_subsys kSubsys = CFS_S_LNET;
		cfs::Array<cfs::RefPtr<Route>> list;
	};
	[[nodiscard]] static bool better(Route &a, Route &b) noexcept;
	void replace(cfs::UniquePtr<Snapshot> fresh) noexcept CFS_REQUIRES(lock_);

	cfs::Mutex lock_{CFS_LOCK_CLASS("lnet routes")};
	std::atomic<Snapshot *> routes_{nullptr};
};

} // namespace lnet
