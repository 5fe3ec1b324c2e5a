// SPDX-License-Identifier: GPL-2.0
//
// The lock manager as a part of its node; see node_part.hpp.
#include "lustre/ldlm/node_part.hpp"

#include "lustre/ldlm/client_ns.hpp"
#include "lustre/ldlm/server_ns.hpp"

/// What one load of the module has: the node whose parameter files it offers.
struct ldlm_core {
	static constexpr cfs_subsys kSubsys = CFS_S_LDLM;

	cfs::RefPtr<cfs::Node> node;
};

namespace ldlm
{

namespace
{

/// Locks that a node holds for clients, per MiB of its memory (03 8.5).
constexpr u64 kPoolLocksPerMiB = 50;
/// Share of the memory that they may take before enqueues are put off.
constexpr u64 kLimitPercent = 30;

constinit const cfs::ParamInfo kNodeParams[] = {
	cfs::param_bool<&LdlmNode::cancel_before_replay_>(
		{.name = "cancel_unused_locks_before_replay",
		 .doc = "Whether a client drops unused locks instead of replaying them.",
		 .by_default = 1}),
	cfs::param_int<&LdlmNode::dump_granted_max_>(
		{.name = "dump_granted_max",
		 .doc = "Locks of a namespace that a dump lists.",
		 .unit = "locks",
		 .by_default = 256}),
	cfs::param_size<&LdlmNode::lock_limit_bytes_>(
		{.name = "lock_limit_mb",
		 .doc = "Memory of clients' locks beyond which enqueues are put off; 0: no limit.",
		 .scale = cfs::kScaleMiB}),
	cfs::param_int<&LdlmNode::lock_granted_count>({.name = "lock_granted_count",
						       .doc = "Locks that clients hold here.",
						       .unit = "locks"}),
	cfs::param_duration<&LdlmNode::enqueue_min_ns_>(
		{.name = "ldlm_enqueue_min",
		 .doc = "The least time a client gets for giving back a lock.",
		 .by_default = 100,
		 .min = 1,
		 .scale = cfs::kScaleSec}),
};

} // namespace

cfs::Result<cfs::UniquePtr<LdlmNode>> LdlmNode::make(cfs::Node &node) noexcept
{
	auto part = TRY(cfs::try_make<LdlmNode>(node));
	u64 first = 0;
	cfs_random_bytes(&first, sizeof(first));
	part->cookies_.store(first, std::memory_order_relaxed);
	part->lock_limit_bytes_.store(cfs_mem_total() / 100 * kLimitPercent,
				      std::memory_order_relaxed);
	TRY(part->workq_.create(node.plat(), "ldlm"));
	TRY(part->cancel_workq_.create(node.plat(), "ldlm_bl"));
	TRY(part->services_.open(part->workq_));
	TRY(part->params_.open(node.params(), "ldlm"));
	TRY(part->params_.add(kNodeParams, part.get()));
	TRY(part->namespaces_.open(part->params_, "namespaces"));
	return part;
}

void LdlmNode::destroy() noexcept
{
	namespaces_.close();
	params_.close();
	this->~LdlmNode();
	cfs_free(kSubsys, this, sizeof(*this));
}

/// A bijection of a counter that starts anywhere: unique, and without a pattern to guess.
u64 LdlmNode::new_cookie() noexcept
{
	for (;;) {
		u64 v = cookies_.fetch_add(1, std::memory_order_relaxed);
		v = (v ^ (v >> 30)) * 0xbf58476d1ce4e5b9u;
		v = (v ^ (v >> 27)) * 0x94d049bb133111ebu;
		v ^= v >> 31;
		if (v != 0)
			return v;
	}
}

bool LdlmNode::server_lock_room() const noexcept
{
	auto n = static_cast<u64>(server_locks_.load(std::memory_order_relaxed));
	u64 limit = lock_limit_bytes_.load(std::memory_order_relaxed);
	return limit == 0 || n * sizeof(ServerLockImpl) <= limit;
}

u32 LdlmNode::pool_share() const noexcept
{
	u64 all = (cfs_mem_total() >> 20) * kPoolLocksPerMiB;
	u32 n = pools_.load(std::memory_order_relaxed);
	u64 share = n ? all / n : all;
	return share < 1 ? 1 : share > UINT32_MAX ? UINT32_MAX : static_cast<u32>(share);
}

cfs::Result<ServerNamespacePtr> LdlmNode::open_server(const ServerSpec &spec) noexcept
{
	return TRY(ServerNs::make(*this, spec));
}

cfs::Result<ClientNamespacePtr> LdlmNode::open_client(const ClientSpec &spec) noexcept
{
	return TRY(ClientNs::make(*this, spec));
}

} // namespace ldlm

int ldlm_core_start(cfs_node *node, ldlm_core **out) noexcept
{
	auto start = [&]() noexcept -> cfs::Result<> {
		auto made = TRY(cfs::try_make<ldlm_core>());
		made->node = TRY(cfs::Node::get(node));
		(void)TRY(made->node->part<ldlm::LdlmNode>());
		*out = made.release();
		return {};
	};
	return cfs::to_rc(start());
}

void ldlm_core_stop(ldlm_core *c) noexcept
{
	cfs::drop_node_parts(cfs::NodeSlot::ldlm);
	cfs::UniquePtr<ldlm_core>(c).reset();
}

extern "C" int ldlm_node_get(struct cfs_node *plat, struct ldlm_node **out) CFS_NOEXCEPT
{
	auto node = cfs::Node::get(plat);
	if (!node)
		return cfs::to_rc(node);
	auto part = (*node)->part<ldlm::LdlmNode>();
	if (!part)
		return cfs::to_rc(part);
	*out = static_cast<ldlm::Ldlm *>(*part);
	return 0;
}
