// SPDX-License-Identifier: GPL-2.0
//
// RPC as a part of its node; see node_part.hpp.

#include "lustre/rpc/node_part.hpp"

#include "libcfs/log.hpp"
#include "lnet/lnet.hpp"
#include "lnet/plat_driver.h"

/// What one load of the module has: the node whose parameter files it offers.
struct rpc_core {
	static constexpr cfs_subsys kSubsys = CFS_S_RPC;

	cfs::RefPtr<cfs::Node> node;
};

namespace rpc
{

namespace
{

constexpr std::uint64_t kHour = 3600;

constinit const cfs::ParamInfo kTunables[] = {
	cfs::param_int<&Tunables::timeout>({.name = "timeout",
					    .doc = "How long a server may take when it gives no "
						   "estimate of its own; a quarter of it is the "
						   "interval of pings.",
					    .unit = "s",
					    .by_default = 100,
					    .min = 1,
					    .max = 100 * kHour}),
	cfs::param_int<&Tunables::at_min>({.name = "at_min",
					   .doc = "Least estimate of how long a request takes.",
					   .unit = "s",
					   .by_default = 5,
					   .max = kHour}),
	cfs::param_int<&Tunables::at_max>(
		{.name = "at_max",
		 .doc = "Greatest estimate of how long a request takes; 0 turns adaptive time-outs "
			"off.",
		 .unit = "s",
		 .by_default = 600,
		 .max = 10 * kHour}),
	cfs::param_int<&Tunables::at_history>(
		{.name = "at_history",
		 .doc = "How long a measurement counts in an estimate.",
		 .unit = "s",
		 .by_default = 600,
		 .min = 4,
		 .max = 100 * kHour}),
	cfs::param_int<&Tunables::at_early_margin>(
		{.name = "at_early_margin",
		 .doc = "How long before a request's deadline a server asks for more time.",
		 .unit = "s",
		 .by_default = 5,
		 .max = kHour}),
	cfs::param_int<&Tunables::at_extra>({.name = "at_extra",
					     .doc = "How much more time a server asks for at once.",
					     .unit = "s",
					     .by_default = 30,
					     .min = 1,
					     .max = kHour}),
	cfs::param_int<&Tunables::bulk_timeout>(
		{.name = "bulk_timeout",
		 .doc = "How long a server waits for the data of a request.",
		 .unit = "s",
		 .by_default = 100,
		 .min = 1,
		 .max = kHour}),
	cfs::param_bool<&Tunables::suppress_pings>(
		{.name = "suppress_pings",
		 .doc = "Whether targets tell clients not to ping, and do not evict silent ones."}),
	cfs::param_int<&Tunables::ping_interval>({.name = "ping_interval",
						  .doc = "How often an idle connection is pinged.",
						  .unit = "s",
						  .by_default = 25,
						  .read_only = true}),
};

constinit const cfs::ParamInfo kJobIds[] = {
	cfs::param_text<&JobIds::show_var, &JobIds::set_var>(
		{.name = "jobid_var",
		 .doc = "Where job ids come from: disable, procname_uid, nodelocal, session, or "
			"the "
			"name of a variable of the environment."}),
	cfs::param_text<&JobIds::show_name, &JobIds::set_name>(
		{.name = "jobid_name",
		 .doc = "How job ids look: %e program, %u user, %g group, %p process, %h host, %H "
			"host without domain, %j session."}),
	cfs::param_text<&JobIds::show_session, &JobIds::set_session>(
		{.name = "jobid_this_session",
		 .doc = "The job id of this node when jobid_var is session."}),
};

} // namespace

cfs::Result<cfs::UniquePtr<RpcPart>> RpcPart::make(cfs::Node &node) noexcept
{
	auto part = TRY(cfs::try_make<RpcPart>(node));
	TRY(part->params_.open_root(node.plat(), "lustre"));
	TRY(part->params_.add(kTunables, &part->tunables_));
	TRY(part->params_.add(kJobIds, &part->jobids_));
	return part;
}

void RpcPart::destroy() noexcept
{
	params_.close();
	{
		cfs::MutexGuard g(lock_);
		CFS_ASSERT(users_ == 0);
	}
	this->~RpcPart();
	cfs_free(kSubsys, this, sizeof(*this));
}

cfs::Result<Rpc *> RpcPart::hold() noexcept
{
	cfs::MutexGuard g(lock_);
	if (!core_) {
		lnet_network *net = nullptr;
		TRY(cfs::to_result(lnet_network_hold(node_.plat(), &net)));
		auto made = Core::create(node_, *static_cast<lnet::Network *>(net), &tunables_,
					 &jobids_);
		if (!made) {
			lnet_network_release(node_.plat());
			return cfs::fail(made.error());
		}
		core_ = std::move(*made);
	}
	users_++;
	return core_.get();
}

void RpcPart::release() noexcept
{
	cfs::MutexGuard g(lock_);
	CFS_ASSERT(users_ > 0);
	if (--users_ > 0)
		return;
	core_.reset();
	lnet_network_release(node_.plat());
}

} // namespace rpc

// ---- what glue and other modules call ----

int rpc_core_start(cfs_node *node, rpc_core **out) noexcept
{
	auto start = [&]() noexcept -> cfs::Result<> {
		auto made = TRY(cfs::try_make<rpc_core>());
		made->node = TRY(cfs::Node::get(node));
		(void)TRY(made->node->part<rpc::RpcPart>());
		*out = made.release();
		return {};
	};
	return cfs::to_rc(start());
}

void rpc_core_stop(rpc_core *c) noexcept
{
	cfs::drop_node_parts(cfs::NodeSlot::rpc);
	cfs::UniquePtr<rpc_core>(c).reset();
}

int rpc_hold(cfs_node *node, rpc_node **out) noexcept
{
	auto hold = [&]() noexcept -> cfs::Result<> {
		auto n = TRY(cfs::Node::get(node));
		auto *part = TRY(n->part<rpc::RpcPart>());
		*out = TRY(part->hold());
		return {};
	};
	return cfs::to_rc(hold());
}

void rpc_release(cfs_node *node) noexcept
{
	auto n = cfs::Node::find(node);
	CFS_ASSERT(n);
	auto *part = n->find_part<rpc::RpcPart>();
	CFS_ASSERT(part);
	part->release();
}
