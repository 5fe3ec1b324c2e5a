// SPDX-License-Identifier: GPL-2.0
//
// What the targets of a node share: RPC and lock manager, the services of MDTs and of OSTs, the
// folders of parameters. Services run from the first target of a kind to the last one.
#pragma once

#include "libcfs/node.hpp"
#include "rpc/hold.hpp"
#include "server/parts.hpp"

namespace server
{

using wire::u32;

class ServerNode final : public cfs::NodePart
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_CLASS;
	static constexpr cfs::NodeSlot kNodeSlot = cfs::NodeSlot::server;

	explicit ServerNode(cfs::Node &node) noexcept : node_(node) {}
	[[nodiscard]] static cfs::Result<cfs::UniquePtr<ServerNode>> make(cfs::Node &node) noexcept;
	void destroy() noexcept override;

	/// A mount begins: RPC, the lock manager and the folders are there until its release().
	/// Sleep.
	[[nodiscard]] cfs::Result<> hold() noexcept;
	void release() noexcept;

	[[nodiscard]] cfs::Node &node() noexcept { return node_; }
	[[nodiscard]] rpc::Rpc &rpc() noexcept { return *rpc_; }
	[[nodiscard]] ldlm::Ldlm &ldlm() noexcept { return *ldlm_; }

	/// The kinds of targets, and their folders.
	enum class Kind : wire::u8 { mgs, mdt, ost, osp, count };
	[[nodiscard]] cfs::ParamGroup *folder(Kind k) noexcept
	{
		return &folders_[static_cast<unsigned>(k)];
	}
	/// For MGCs; null when a client of this node has it.
	[[nodiscard]] cfs::ParamGroup *mgc_folder() noexcept
	{
		return mgc_folder_.is_open() ? &mgc_folder_ : nullptr;
	}
	/// A target of this kind (mdt, ost) begins: its services run until end(). Sleep.
	[[nodiscard]] cfs::Result<> begin(Kind k) noexcept;
	void end(Kind k) noexcept;

private:
	struct Shared {
		u32 users = 0;
		ServicesPtr services;
		cfs::ParamGroup folder; // "mds" or "ost"
		cfs::ParamGroup name;	// "MDS" or "OSS" in it
	};
	[[nodiscard]] cfs::Result<> open() noexcept CFS_REQUIRES(lock_);
	void close() noexcept CFS_REQUIRES(lock_);
	[[nodiscard]] cfs::Result<> start(Kind k, Shared &s) noexcept CFS_REQUIRES(lock_);

	cfs::Node &node_;
	rpc::RpcHold rpc_;
	ldlm::Ldlm *ldlm_ = nullptr;
	cfs::ParamGroup folders_[static_cast<unsigned>(Kind::count)];
	cfs::ParamGroup mgc_folder_;
	cfs::Mutex lock_{CFS_LOCK_CLASS("server node")};
	u32 mounts_ CFS_GUARDED_BY(lock_) = 0;
	Shared mds_ CFS_GUARDED_BY(lock_);
	Shared oss_ CFS_GUARDED_BY(lock_);
};

} // namespace server
