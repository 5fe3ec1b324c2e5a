// SPDX-License-Identifier: GPL-2.0
//
// The server of kv.hpp: a target with the lists, and the service that its requests come to.
#pragma once

#include "lustre/kv_selftest/kv.hpp"
#include "lustre/target/common.hpp"
#include "rpc/format/ops_ost.hpp"
#include "rpc/rpc.hpp"

namespace kv
{

/// Hears what a server does. Calls come from threads of the service, several at once, and must not
/// sleep.
class ServerObserver
{
public:
	/// A number is about to be appended; `replay`: it was before, by a former life of the
	/// server.
	virtual void appending(u64 number, bool replay) noexcept { (void)number, (void)replay; }
	/// A request came again that had been executed, and got the answer from the disk.
	virtual void rebuilt() noexcept {}
	virtual void evicted(const char *client) noexcept { (void)client; }

protected:
	~ServerObserver() = default;
};

struct ServerConfig {
	std::string_view name; ///< of the target, "kv-MDT0000"; its uuid is this and "_UUID"
	cfs::Duration recovery_soft = cfs::Duration::seconds(300);
	cfs::Duration recovery_hard = cfs::Duration::seconds(900);
};

class Server final : public target::CommonTarget
{
public:
	/// The observer outlives it.
	explicit Server(ServerObserver &observer) noexcept : observer_(observer) {}
	~Server() { CFS_ASSERT(!held_); }

	/// Takes over the device, makes the lists that are missing, and serves. Sleeps.
	[[nodiscard]] cfs::Result<> open(rpc::Rpc &rpc, ldlm::Ldlm &ldlm, osd::DeviceRef device,
					 const ServerConfig &config) noexcept;
	/// Ends it and lets the device go. Does nothing when it is not open. Sleeps.
	void close(target::StopKind kind) noexcept;

	// ---- operations ----
	[[nodiscard]] cfs::Result<> append(rpc::ServerRequest &req,
					   rpc::RequestView<rpc::op::OstSetattr> in) noexcept;
	[[nodiscard]] cfs::Result<> length(rpc::ServerRequest &req,
					   rpc::RequestView<rpc::op::OstGetattr> in) noexcept;

	// ---- target::Target ----
	std::span<const rpc::Handler> handlers() noexcept override;
	void *handler_object() noexcept override { return this; }

protected:
	cfs::Result<> grant(rpc::Export &e, rpc::ConnectRequest &c) noexcept override;
	void client_left(rpc::Export &e, bool evicted) noexcept override;

private:
	[[nodiscard]] cfs::Result<> bring_up(rpc::Rpc &rpc, ldlm::Ldlm &ldlm, osd::DeviceRef device,
					     const ServerConfig &config) noexcept;
	[[nodiscard]] cfs::Result<u64> do_append(rpc::ServerRequest &req, osd::Object &o,
						 u64 number) noexcept;

	ServerObserver &observer_;
	rpc::Service *service_ = nullptr;
	osd::DeviceRef held_; ///< its last reference goes when those of its objects have gone
	osd::ObjectRef lists_[kKeys];
};

} // namespace kv
