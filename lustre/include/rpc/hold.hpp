// SPDX-License-Identifier: GPL-2.0
//
// A hold on RPC of a node, as an object.
#pragma once

#include "rpc/rpc.hpp"

namespace rpc
{

class RpcHold
{
	cfs_node *node_ = nullptr;
	Rpc *rpc_ = nullptr;

public:
	RpcHold() = default;
	RpcHold(RpcHold &&o) noexcept
	    : node_(std::exchange(o.node_, nullptr)), rpc_(std::exchange(o.rpc_, nullptr))
	{
	}
	RpcHold &operator=(RpcHold &&o) noexcept
	{
		if (this != &o) {
			reset();
			node_ = std::exchange(o.node_, nullptr);
			rpc_ = std::exchange(o.rpc_, nullptr);
		}
		return *this;
	}
	~RpcHold() { reset(); }

	/// Sleeps.
	[[nodiscard]] static cfs::Result<RpcHold> take(cfs_node *node) noexcept
	{
		rpc_node *n = nullptr;
		TRY(cfs::to_result(rpc_hold(node, &n)));
		RpcHold h;
		h.node_ = node;
		h.rpc_ = static_cast<Rpc *>(n);
		return h;
	}
	void reset() noexcept
	{
		if (std::exchange(rpc_, nullptr))
			rpc_release(std::exchange(node_, nullptr));
	}
	[[nodiscard]] Rpc *operator->() const noexcept { return rpc_; }
	[[nodiscard]] Rpc &operator*() const noexcept { return *rpc_; }
	[[nodiscard]] explicit operator bool() const noexcept { return rpc_ != nullptr; }
};

} // namespace rpc
