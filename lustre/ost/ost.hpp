// SPDX-License-Identifier: GPL-2.0
//
// An object storage target, as who starts it sees it (the server mount, tests). It serves objects
// to clients and MDTs over the services that an OSS node runs; see Documentation/ost.md.
//
//     auto oss = TRY(ost::Oss::start(rpc, &params));                  // once per node
//     auto t = TRY(ost::Ost::start(rpc, ldlm, device, {.name = "lustre-OST0000", .index = 0}));
//     ...
//     t->stop(target::StopKind::failover);                            // then the next ones
//     oss->stop();
#pragma once

#include "ldlm/ldlm.hpp"
#include "osd/osd.hpp"
#include "rpc/rpc.hpp"
#include "target/target.hpp"

namespace ost
{

struct OstConfig {
	std::string_view name; ///< "lustre-OST0000". Copied; the uuid is this and "_UUID".
	wire::u32 index = 0;   ///< number of the OST in its file system, as in the name
	/// Clients are not waited for after a restart, and do not keep requests.
	bool failout = false;
	cfs::Duration recovery_soft = cfs::Duration::seconds(300);
	cfs::Duration recovery_hard = cfs::Duration::seconds(900);
	/// Longest bulk I/O that clients are allowed, bytes: 1 to 64 MiB, a power of two.
	wire::u32 brw_bytes = 4u << 20;
	/// The folder that gets one of this name with the target's parameters (`obdfilter`); none
	/// when null. Stays open longer than the target.
	cfs::ParamGroup *params = nullptr;
};

/// A running target.
class Ost
{
public:
	/// Takes over the device. Clients can connect when it returns. err::INVAL: the device
	/// belongs to another target, err::EXIST: it runs already. Sleeps.
	[[nodiscard]] static cfs::Result<cfs::UniquePtr<Ost>>
	start(rpc::Rpc &rpc, ldlm::Ldlm &ldlm, osd::DeviceRef device,
	      const OstConfig &config) noexcept;
	/// Ends all connections, writes everything out, and lets the device go. Call it before the
	/// object is destroyed, once. Sleeps.
	virtual void stop(target::StopKind kind) noexcept = 0;

	/// How often it has been started: its ocd_instance.
	[[nodiscard]] virtual wire::u32 mount_count() noexcept = 0;
	/// As target::Target::clients_told().
	virtual void clients_told(bool yes) noexcept = 0;

	[[nodiscard]] virtual target::Target &target() noexcept = 0;
	[[nodiscard]] virtual osd::Device &device() noexcept = 0;
	virtual void destroy() noexcept = 0;

protected:
	~Ost() = default;
};

/// The services of a node that has OSTs (spec 05 section 1): ost, ost_create, ost_io. One set per
/// node, whatever the number of targets; requests find their target by the connection.
class Oss
{
	rpc::Service *ost_ = nullptr;
	rpc::Service *create_ = nullptr;
	rpc::Service *io_ = nullptr;

public:
	static constexpr cfs_subsys kSubsys = CFS_S_OST;

	Oss() = default;
	~Oss() { stop(); }

	/// params: the folder that gets `ost`, `ost_create` and `ost_io`; may be null. Sleeps.
	[[nodiscard]] static cfs::Result<cfs::UniquePtr<Oss>>
	start(rpc::Rpc &rpc, cfs::ParamGroup *params) noexcept;
	/// After the targets. Does nothing when it has been stopped. Sleeps.
	void stop() noexcept;
};

} // namespace ost
