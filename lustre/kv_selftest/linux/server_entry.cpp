// SPDX-License-Identifier: GPL-2.0
//
// A kv::Server on an ldiskfs device, and its counters as the parameters kv_server.*.
#include "entry.h"
#include "libcfs/log.hpp"
#include "libcfs/node.hpp"
#include "lustre/kv_selftest/server.hpp"
#include "osd/plat_driver.h"
#include "rpc/hold.hpp"

namespace
{

struct Counters {
	std::atomic<kv::u64> appended{0}, replayed{0}, rebuilt{0}, evicted{0};
};

constinit const cfs::ParamInfo kParams[] = {
	cfs::param_int<&Counters::appended>(
		{.name = "appended", .doc = "Appends, replays not counted.", .read_only = true}),
	cfs::param_int<&Counters::replayed>(
		{.name = "replayed",
		 .doc = "Appends of a former life that clients brought again.",
		 .read_only = true}),
	cfs::param_int<&Counters::rebuilt>(
		{.name = "rebuilt",
		 .doc = "Appends that came again and were answered from the disk.",
		 .read_only = true}),
	cfs::param_int<&Counters::evicted>(
		{.name = "evicted", .doc = "Clients that were evicted.", .read_only = true}),
};

} // namespace

struct kv_server final : private kv::ServerObserver {
	static constexpr cfs_subsys kSubsys = CFS_S_CLASS;

	cfs::Result<> start(cfs_node *plat, const kv_server_config &c) noexcept
	{
		constexpr unsigned kRecoveryMax = 1000000; // seconds
		if (c.recovery > kRecoveryMax)
			return cfs::fail(cfs::err::RANGE);
		node_ = TRY(cfs::Node::get(plat));
		rpc_ = TRY(rpc::RpcHold::take(plat));
		auto *ldlm = TRY(ldlm::of(*node_));
		TRY(params_.open(node_->params(), "kv_server"));
		TRY(params_.add(kParams, &counters_));
		osd_mount m{};
		m.device = c.device;
		m.svname = c.target;
		osd_device *device = nullptr;
		TRY(cfs::to_result(osd_ldiskfs_mount(plat, &m, &device)));
		kv::ServerConfig config;
		config.name = c.target;
		config.recovery_soft = cfs::Duration::seconds(c.recovery);
		config.recovery_hard = cfs::Duration::seconds(3 * std::int64_t{c.recovery});
		return server_.open(*rpc_, *ldlm, osd::adopt_device(device), config);
	}
	void stop(target::StopKind kind) noexcept
	{
		server_.close(kind);
		params_.close();
		rpc_.reset();
		node_.reset();
	}

private:
	void appending(kv::u64, bool replay) noexcept override
	{
		auto &counter = replay ? counters_.replayed : counters_.appended;
		counter.fetch_add(1, std::memory_order_relaxed);
	}
	void rebuilt() noexcept override
	{
		counters_.rebuilt.fetch_add(1, std::memory_order_relaxed);
	}
	void evicted(const char *) noexcept override
	{
		counters_.evicted.fetch_add(1, std::memory_order_relaxed);
	}

	cfs::RefPtr<cfs::Node> node_;
	rpc::RpcHold rpc_;
	Counters counters_;
	cfs::ParamGroup params_;
	kv::Server server_{*this};
};

int kv_server_start(cfs_node *node, const kv_server_config *config, struct kv_server **out) noexcept
{
	auto s = cfs::try_make<struct kv_server>();
	if (!s)
		return cfs::to_rc(s);
	auto r = (*s)->start(node, *config);
	if (r) {
		*out = s->release();
		return 0;
	}
	LCONSOLE_ERROR(CFS_S_CLASS, "kv: {} on {} cannot be served: rc = {}", config->target,
		       config->device, r);
	(*s)->stop(target::StopKind::failover);
	return cfs::to_rc(r);
}

void kv_server_stop(struct kv_server *s, bool forget) noexcept
{
	s->stop(forget ? target::StopKind::final : target::StopKind::failover);
	cfs::UniquePtr<struct kv_server>(s).reset();
}
