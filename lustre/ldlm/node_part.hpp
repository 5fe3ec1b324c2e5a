// SPDX-License-Identifier: GPL-2.0
//
// The lock manager as a part of its node: cookies, work queues, and the sum of all namespaces.
//
// Invariant: no cookie is given out twice, nor again after a restart (but for a chance in 2^64): a
// cookie that a peer remembers from before never names another lock.
#pragma once

#include <atomic>

#include "ldlm/ldlm.hpp"
#include "libcfs/lock.hpp"
#include "libcfs/thread.hpp"
#include "lustre/ldlm/services.hpp"

namespace ldlm
{

class ServerNs;

class LdlmNode final : public Ldlm, public cfs::NodePart
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LDLM;
	static constexpr cfs::NodeSlot kNodeSlot = cfs::NodeSlot::ldlm;

	static cfs::Result<cfs::UniquePtr<LdlmNode>> make(cfs::Node &node) noexcept;
	void destroy() noexcept override;

	cfs::Result<ClientNamespacePtr> open_client(const ClientSpec &spec) noexcept override;
	cfs::Result<ServerNamespacePtr> open_server(const ServerSpec &spec) noexcept override;
	cfs::Result<> serve_callbacks(rpc::Import &import, ClientNamespace &ns) noexcept override
	{
		return services_.serve_callbacks(import, ns);
	}
	void end_callbacks(rpc::Import &import) noexcept override
	{
		services_.end_callbacks(import);
	}
	cfs::Result<> serve_cancels(rpc::Rpc &rpc) noexcept override
	{
		return services_.serve_cancels(rpc);
	}
	void end_cancels() noexcept override { services_.end_cancels(); }
	[[nodiscard]] cfs::Duration enqueue_min() const noexcept override
	{
		return cfs::Duration::nanos(
			static_cast<std::int64_t>(enqueue_min_ns_.load(std::memory_order_relaxed)));
	}

	explicit LdlmNode(cfs::Node &node) noexcept : node_(node) {}

	/// A name for a lock.
	[[nodiscard]] u64 new_cookie() noexcept;
	/// Timers, and callbacks to send: nothing on it waits for a peer.
	[[nodiscard]] cfs::WorkQueue &workq() noexcept { return workq_; }
	/// Cancels of clients: their items wait for I/O and for servers.
	[[nodiscard]] cfs::WorkQueue &cancel_workq() noexcept { return cancel_workq_; }
	[[nodiscard]] cfs::Node &node() noexcept { return node_; }
	/// The folder ldlm.namespaces.
	[[nodiscard]] cfs::ParamGroup &namespaces() noexcept { return namespaces_; }
	[[nodiscard]] bool cancel_before_replay() const noexcept
	{
		return cancel_before_replay_.load(std::memory_order_relaxed);
	}

	// ---- what all server namespaces have together ----

	/// Whether there is room for one more client's lock.
	[[nodiscard]] bool server_lock_room() const noexcept;
	void server_lock_added() noexcept { server_locks_.fetch_add(1, std::memory_order_relaxed); }
	void server_lock_gone() noexcept { server_locks_.fetch_sub(1, std::memory_order_relaxed); }
	/// The share of one busy namespace in the locks this node can have.
	[[nodiscard]] u32 pool_share() const noexcept;
	void pool_joined() noexcept { pools_.fetch_add(1, std::memory_order_relaxed); }
	void pool_left() noexcept { pools_.fetch_sub(1, std::memory_order_relaxed); }

	// Parameters.
	[[nodiscard]] std::int64_t lock_granted_count() noexcept
	{
		return server_locks_.load(std::memory_order_relaxed);
	}
	std::atomic<bool> cancel_before_replay_{true};
	std::atomic<u32> dump_granted_max_{256};
	std::atomic<u64> lock_limit_bytes_{0};
	std::atomic<u64> enqueue_min_ns_{100'000'000'000};

private:
	cfs::Node &node_;
	cfs::WorkQueue workq_;
	cfs::WorkQueue cancel_workq_;
	Services services_;
	cfs::ParamGroup params_;
	cfs::ParamGroup namespaces_;
	std::atomic<u64> cookies_{0};
	std::atomic<std::int64_t> server_locks_{0};
	std::atomic<u32> pools_{0};
};

} // namespace ldlm
