// SPDX-License-Identifier: GPL-2.0
//
// The threads back end as its users see it: tests, benchmarks, hosted servers. Core code never
// includes this.
//
// The process is one machine. It has a default node, "localhost", to which every thread belongs
// that was not started for another one; further nodes are made with HostNode.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "libcfs/host/signals.hpp"
#include "libcfs/plat/log.h"
#include "libcfs/plat/thread.h"

namespace cfs::host
{

/// A further node of the process. While it lives, threads enter it with NodeScope, and what they
/// start belongs to it. Its end is a failure (cfs_bug) when work queues, threads, caches or
/// parameter files of it are left.
class HostNode
{
	cfs_node *node_;

public:
	explicit HostNode(std::string name);
	~HostNode();
	HostNode(const HostNode &) = delete;
	HostNode &operator=(const HostNode &) = delete;
	[[nodiscard]] cfs_node *get() const noexcept { return node_; }
};

/// Makes the calling thread one of the node's for a scope.
class NodeScope
{
	cfs_node *before_;

public:
	explicit NodeScope(cfs_node *node) noexcept;
	~NodeScope();
	NodeScope(const NodeScope &) = delete;
	NodeScope &operator=(const NodeScope &) = delete;
};

/// Blocks and pages of cfs_alloc() and cfs_page_alloc() held now, in all subsystems.
[[nodiscard]] std::int64_t memory_objects() noexcept;
/// What is held now by place, one line each; empty when nothing is.
[[nodiscard]] std::string memory_held();
/// For benchmarks, before the first allocation: no record of places (memory_held() is empty then)
/// and no patterns in fresh and freed memory.
void spare_memory_checks() noexcept;

/// Where console lines go instead of stderr; an empty function restores stderr. Called from any
/// thread, with no lock held. The default writes "level: text".
using ConsoleSink = std::function<void(cfs_console_level, std::string_view)>;
void set_console(ConsoleSink sink);

} // namespace cfs::host
