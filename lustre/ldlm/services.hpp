// SPDX-License-Identifier: GPL-2.0
//
// The services of the lock manager on a node (spec 02 1.5): ldlm_cbd on portal 15, where servers
// call their clients, and ldlm_canceld on portal 17, where clients give locks back. Each runs while
// somebody needs it.
//
// A callback names an import; its namespace is found in a table by the import's cookie. A Route
// stays in the table from serve_callbacks() to end_callbacks(), which waits at the route's gate, so
// no callback reaches a namespace that is being destroyed.
#pragma once

#include "ldlm/ldlm.hpp"
#include "libcfs/gate.hpp"
#include "rpc/handle.hpp"
#include "rpc/rpc.hpp"

namespace ldlm
{

class Services
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LDLM;

	Services() = default;
	~Services() { routes_.close(); }

	/// queue: for the table's own work.
	cfs::Result<> open(cfs::WorkQueue &queue) noexcept { return routes_.open(kSubsys, &queue); }

	cfs::Result<> serve_callbacks(rpc::Import &import, ClientNamespace &ns) noexcept;
	void end_callbacks(rpc::Import &import) noexcept;
	cfs::Result<> serve_cancels(rpc::Rpc &rpc) noexcept;
	void end_cancels() noexcept;

	/// The handler of all callbacks.
	cfs::Result<> callback(rpc::ServerRequest &req) noexcept;

private:
	struct Route : cfs::RcuRefCounted<Route> {
		static constexpr cfs_subsys kSubsys = CFS_S_LDLM;
		explicit Route(u64 c, ClientNamespace &n) noexcept : cookie(c), ns(n) {}
		const u64 cookie;
		ClientNamespace &ns;
		cfs::HashHook in_table;
		cfs::Gate gate{CFS_S_LDLM, "lock callbacks"};
	};
	struct Running {
		rpc::Service *service = nullptr;
		u32 users = 0;
	};

	cfs::Result<> begin(Running &r, rpc::Rpc &rpc, const rpc::ServiceSpec &spec) noexcept
		CFS_REQUIRES(lock_);
	void end(Running &r) noexcept CFS_REQUIRES(lock_);

	cfs::Mutex lock_{CFS_LOCK_CLASS("ldlm services")};
	Running callbacks_ CFS_GUARDED_BY(lock_);
	Running cancels_ CFS_GUARDED_BY(lock_);
	rpc::CookieTable<Route, &Route::in_table, &Route::cookie> routes_{
		CFS_LOCK_CLASS("ldlm routes")};
};

} // namespace ldlm
