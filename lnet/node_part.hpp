// SPDX-License-Identifier: GPL-2.0
//
// LNet as a part of its node: brings LNet up and down, with the drivers that the configured
// networks need, counts its users, and offers the parameter files in debugfs `lnet/` (spec 01
// section 16.4).
//
// LNet exists from the first user, or from `up` written to `network`, until `down`, or until the
// module goes. lock_ is held while it comes and goes and never while a message is waited for: who
// works with core_ is counted as a user.
#pragma once

#include "libcfs/node.hpp"
#include "lnet/config.hpp"
#include "lnet/core.hpp"
#include "lnet/plat_driver.h"

namespace lnet
{

class LnetNode final : public cfs::NodePart
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LNET;
	static constexpr cfs::NodeSlot kNodeSlot = cfs::NodeSlot::lnet;
	/// How long a ping asked for through the parameter file may take.
	static constexpr auto kPingTimeout = cfs::Duration::seconds(10);

	[[nodiscard]] static cfs::Result<cfs::UniquePtr<LnetNode>> make(cfs::Node &node) noexcept;
	void destroy() noexcept override;

	/// LNet, brought up if it is not, and up until release(). Sleeps.
	[[nodiscard]] cfs::Result<Core *> hold() noexcept;
	void release() noexcept;

	// ---- parameters ----
	void show_nis(cfs::FormatSink &out) noexcept;
	void show_peers(cfs::FormatSink &out) noexcept;
	void show_stats(cfs::FormatSink &out) noexcept;
	void show_network(cfs::FormatSink &out) noexcept;
	[[nodiscard]] cfs::Result<> set_network(std::string_view text) noexcept;
	void show_ping(cfs::FormatSink &out) noexcept;
	[[nodiscard]] cfs::Result<> ping(std::string_view text) noexcept;

	explicit LnetNode(cfs::Node &node) noexcept : node_(node) {}

private:
	/// A driver that is in use here.
	struct Slot {
		Driver *driver = nullptr;
		Lnd *lnd = nullptr; ///< its half for this node
	};
	static constexpr std::size_t kDriversMax = 8;

	[[nodiscard]] cfs::Result<> bring_up() noexcept CFS_REQUIRES(lock_);
	void take_down() noexcept CFS_REQUIRES(lock_);
	[[nodiscard]] cfs::Result<Lnd *> driver_for(LndType type) noexcept CFS_REQUIRES(lock_);
	/// LNet if it is up, as a user; null otherwise.
	[[nodiscard]] Core *hold_if_up() noexcept;
	void tick() noexcept;

	cfs::Node &node_;
	cfs::ParamGroup params_;
	cfs::Mutex lock_{CFS_LOCK_CLASS("lnet node")};
	cfs::UniquePtr<Core> core_ CFS_GUARDED_BY(lock_);
	unsigned users_ CFS_GUARDED_BY(lock_) = 0;
	std::array<Slot, kDriversMax> drivers_ CFS_GUARDED_BY(lock_);
	cfs::WorkQueue workq_; ///< tick()'s
	cfs::Timer<LnetNode, &LnetNode::tick> timer_{this};
	std::atomic<bool> ticking_{false};

	cfs::Mutex ping_lock_{CFS_LOCK_CLASS("lnet ping result")};
	ProcessId pinged_ CFS_GUARDED_BY(ping_lock_);
	cfs::Errno ping_status_ CFS_GUARDED_BY(ping_lock_) = cfs::err::NODATA;
	PingInfo ping_info_ CFS_GUARDED_BY(ping_lock_);
};

} // namespace lnet
