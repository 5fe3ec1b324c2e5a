// SPDX-License-Identifier: GPL-2.0
//
// The machine: what is one for all nodes of a kernel (of a hosted process, of a simulated host),
// namely the debug log, fail points and the lists of nodes and parameters. Made by cfs_core_start()
// (plat/core.h). Only libcfs itself looks into it; other modules use
// libcfs/{log,fail,params,node}.hpp.
#pragma once

#include <atomic>
#include <string_view>

#include "libcfs/debug_log.hpp"
#include "libcfs/fail.hpp"
#include "libcfs/lock.hpp"
#include "libcfs/node.hpp"
#include "libcfs/param_group.hpp"
#include "libcfs/wait.hpp"

struct cfs_machine {
	static constexpr cfs_subsys kSubsys = CFS_S_LIBCFS;

	cfs::DebugLog log;
	cfs::FailPoints fail;

	std::atomic<bool> catastrophe{false}; ///< an assertion failed
	std::atomic<bool> panic_on_lbug{true};
	std::atomic<bool> stats_header{true};

	cfs::Mutex groups_lock{CFS_LOCK_CLASS("parameter folders")};
	cfs::ParamGroups groups CFS_GUARDED_BY(groups_lock);

	cfs::Mutex nodes_lock{CFS_LOCK_CLASS("nodes")};
	cfs::WaitQueue nodes_wait{CFS_LOCK_CLASS("nodes wait")};
	cfs::List<cfs::Node, &cfs::Node::in_machine> nodes CFS_GUARDED_BY(nodes_lock);

	cfs::ParamGroup lnet_params;   ///< the folder "lnet"
	cfs::ParamGroup lustre_params; ///< the folder "lustre"

	/// Makes the parameters of libcfs.
	[[nodiscard]] cfs::Result<> open_params() noexcept;

	// What those parameters do that is no one else's.
	void mark(std::string_view text) noexcept;
	void force_lbug(std::string_view text) noexcept;
	[[nodiscard]] std::int64_t lnet_memused() noexcept;
	[[nodiscard]] std::int64_t memused() noexcept;
	[[nodiscard]] std::int64_t memused_max() noexcept;
	void show_log_stats(cfs::FormatSink &out) noexcept;
};

namespace cfs
{
using Machine = ::cfs_machine;
}
