// SPDX-License-Identifier: GPL-2.0
//
// Clusters in the simulator; see cluster.hpp.
#include "tests/sim/cluster.hpp"

namespace cluster
{

namespace s = cfs::sim;

void check(bool ok, std::string_view what, std::source_location where)
{
	if (ok)
		return;
	std::string_view file = where.file_name();
	file.remove_prefix(file.rfind('/') + 1);
	s::this_world().fail(std::string(what) + " (" + std::string(file) + ":" +
			     std::to_string(where.line()) + ")");
}

void start(s::Node &n, std::function<void(Stack &)> main, const lnet::sim::NodeConfig &config)
{
	auto with_stack = [main = std::move(main)] {
		Stack stack;
		stack.node = cfs_node_current();
		stack.rpc = must(rpc::RpcHold::take(stack.node), "no RPC");
		auto node = must(cfs::Node::get(stack.node), "no node");
		stack.ldlm = must(ldlm::of(*node), "no lock manager");
		main(stack);
	};
	lnet::sim::start_core(n, with_stack, config);
}

DiskPtr make_disk(std::string_view target, std::uint64_t bytes)
{
	return std::make_shared<osd::mem::Disk>(
		osd::mem::DiskOptions{.svname = std::string(target), .bytes = bytes});
}

osd::DeviceRef mount(osd::mem::Disk &disk, std::string_view target, cfs::Duration commit_interval)
{
	osd::mem::MountOptions o;
	o.commit_interval = commit_interval;
	o.commit_max = cfs::Duration::millis(200);
	return must(osd::mem::mount(cfs_node_current(), disk, target, o), "cannot mount");
}

} // namespace cluster
