// SPDX-License-Identifier: GPL-2.0
//
// A kv::Load on a node, with the parameters kv_client.*.
#include "entry.h"
#include "libcfs/log.hpp"
#include "libcfs/node.hpp"
#include "lustre/kv_selftest/load.hpp"
#include "rpc/hold.hpp"

struct kv_client final {
	static constexpr cfs_subsys kSubsys = CFS_S_CLASS;

	cfs::Result<> start(cfs_node *plat, const kv_client_config &c) noexcept
	{
		lnet::Nid nids[rpc::Rpc::kNidsPerUuid];
		std::size_t count = 0;
		std::string_view rest = c.servers;
		while (!rest.empty()) {
			if (count == std::size(nids))
				return cfs::fail(cfs::err::NOSPC);
			nids[count++] = TRY(lnet::parse_nid(cfs::next_word(rest, ",")));
		}
		node_ = TRY(cfs::Node::get(plat));
		rpc_ = TRY(rpc::RpcHold::take(plat));
		auto *ldlm = TRY(ldlm::of(*node_));
		kv::LoadSpec spec;
		spec.client = {c.target, {nids, count}};
		spec.id = c.id;
		spec.threads = c.threads;
		spec.steps = c.steps;
		spec.seed = c.seed;
		spec.pause = cfs::Duration::millis(c.pause_ms);
		TRY(load_.start(plat, *rpc_, *ldlm, spec));
		TRY(params_.open(node_->params(), "kv_client"));
		return load_.add_params(params_);
	}
	void stop() noexcept
	{
		params_.close();
		load_.stop();
		rpc_.reset();
		node_.reset();
	}

private:
	cfs::RefPtr<cfs::Node> node_;
	rpc::RpcHold rpc_;
	kv::Load load_;
	cfs::ParamGroup params_;
};

int kv_client_start(cfs_node *node, const kv_client_config *config, struct kv_client **out) noexcept
{
	auto c = cfs::try_make<struct kv_client>();
	if (!c)
		return cfs::to_rc(c);
	auto r = (*c)->start(node, *config);
	if (r) {
		*out = c->release();
		return 0;
	}
	LCONSOLE_ERROR(CFS_S_CLASS, "kv: no client of {} at '{:e}': rc = {}", config->target,
		       config->servers, r);
	(*c)->stop();
	return cfs::to_rc(r);
}

void kv_client_stop(struct kv_client *c) noexcept
{
	c->stop();
	cfs::UniquePtr<struct kv_client>(c).reset();
}
