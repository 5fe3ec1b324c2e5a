// SPDX-License-Identifier: GPL-2.0
//
// RPC as a part of its node: exists from the first user on, holds LNet while it has users, and
// offers the parameters of the whole node (spec 08 section 8.1).
#pragma once

#include "lustre/rpc/core.hpp"

namespace rpc
{

class RpcPart final : public cfs::NodePart
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_RPC;
	static constexpr cfs::NodeSlot kNodeSlot = cfs::NodeSlot::rpc;

	[[nodiscard]] static cfs::Result<cfs::UniquePtr<RpcPart>> make(cfs::Node &node) noexcept;
	void destroy() noexcept override;

	/// RPC, with LNet under it. Sleeps.
	[[nodiscard]] cfs::Result<Rpc *> hold() noexcept;
	void release() noexcept;

	explicit RpcPart(cfs::Node &node) noexcept : node_(node) {}

private:
	cfs::Node &node_;
	cfs::Mutex lock_{CFS_LOCK_CLASS("rpc node")};
	cfs::UniquePtr<Core> core_ CFS_GUARDED_BY(lock_);
	u32 users_ CFS_GUARDED_BY(lock_) = 0;
	/// They live longer than the core, which comes and goes with its users.
	Tunables tunables_;
	JobIds jobids_;
	cfs::ParamGroup params_;
};

} // namespace rpc
