// SPDX-License-Identifier: GPL-2.0
//
// The lock manager of a node: where namespaces are made, and what all of them share (spec 08 8.5).
// Got by ldlm::of(node).
//
// Parameters. Each namespace is a folder `ldlm.namespaces.NAME` with
//   both sides: lock_count, lock_unused_count, resource_count, lru_size, lru_max_age,
//               lru_cancel_batch, dirty_age_limit, ctime_age_limit, ns_recalc_pct,
//               early_lock_cancel
//   servers:    max_parallel_ast, contended_locks, contention_seconds, max_nolock_bytes,
//               lock_timeouts
//   pool/:      limit, granted, grant_rate, cancel_rate, grant_speed, grant_plan,
//               server_lock_volume, client_lock_volume, lock_volume_factor, recalc_period,
//               recalc_time, state, stats
// and the node has `ldlm.`: cancel_unused_locks_before_replay, dump_granted_max,
// lock_reclaim_threshold_mb, lock_limit_mb, lock_granted_count, ldlm_enqueue_min, dump_namespaces.
#pragma once

#include "ldlm/client.hpp"
#include "ldlm/plat_ldlm.h"
#include "ldlm/server.hpp"
#include "libcfs/node.hpp"

/// What plat_ldlm.h calls the lock manager of a node.
struct ldlm_node {
};

namespace rpc
{
class Import;
class Rpc;
} // namespace rpc

namespace ldlm
{

using ClientNamespacePtr = cfs::UniquePtr<ClientNamespace>;
using ServerNamespacePtr = cfs::UniquePtr<ServerNamespace>;

class Ldlm : public ::ldlm_node
{
public:
	/// A namespace for an import. The name must be unique on the node: err::EXIST. Sleeps.
	virtual cfs::Result<ClientNamespacePtr> open_client(const ClientSpec &spec) noexcept = 0;
	/// A namespace for a target; likewise.
	virtual cfs::Result<ServerNamespacePtr> open_server(const ServerSpec &spec) noexcept = 0;

	/// From now on callbacks of this import's server (portal 15) reach the namespace. Before
	/// the import is started; end_callbacks() goes with it, before the namespace is destroyed,
	/// and returns when no callback is being served. A client's ClientLocks does both
	/// (ldlm/rpc_links.hpp). err::NOMEM, what rpc says. Sleep.
	virtual cfs::Result<> serve_callbacks(rpc::Import &import,
					      ClientNamespace &ns) noexcept = 0;
	virtual void end_callbacks(rpc::Import &import) noexcept = 0;
	/// Portal 17 is served on this node: for a target, whose handlers get what arrives there.
	/// As often ended as begun. Sleep.
	virtual cfs::Result<> serve_cancels(rpc::Rpc &rpc) noexcept = 0;
	virtual void end_cancels() noexcept = 0;

	/// ldlm_enqueue_min: the least time a client gets for anything about a lock.
	[[nodiscard]] virtual cfs::Duration enqueue_min() const noexcept = 0;

protected:
	~Ldlm() = default;
};

/// The lock manager of a node, which the caller must keep. err::NOMEM. Sleeps.
[[nodiscard]] inline cfs::Result<Ldlm *> of(cfs::Node &node) noexcept
{
	::ldlm_node *n = nullptr;
	TRY(cfs::to_result(ldlm_node_get(node.plat(), &n)));
	return static_cast<Ldlm *>(n);
}

} // namespace ldlm
