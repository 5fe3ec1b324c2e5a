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
#include "lnet/control.hpp"
#include "lnet/core.hpp"
#include "lnet/load.hpp"
#include "lnet/plat_driver.h"
#include "lnet/tunables.hpp"

namespace lnet
{

class LnetNode final : public cfs::NodePart, public Control
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

	// ---- Control (node_control.cpp) ----
	cfs::Result<> configure(bool with_parameters) noexcept override;
	cfs::Result<> unconfigure() noexcept override;
	[[nodiscard]] bool configured() noexcept override;
	[[nodiscard]] Settings settings() noexcept override;
	cfs::Result<> set_settings(const Settings &s) noexcept override;
	[[nodiscard]] StatsInfo stats() noexcept override;
	void reset_stats() noexcept override;
	cfs::Result<Nid> add_ni(Net net, std::string_view if_name,
				const NiWishes &wishes) noexcept override;
	cfs::Result<> del_ni(const Nid &nid) noexcept override;
	cfs::Result<> list_nis(Listing<NiInfo> &out) noexcept override;
	cfs::Result<> set_ni_health(const Nid &nid, int health) noexcept override;
	cfs::Result<> set_ni_lnd(const Nid &nid, const LndWishes &wishes) noexcept override;
	cfs::Result<> add_peer_nids(const Nid &primary, std::span<const Nid> nids, bool multi_rail,
				    bool lock_primary) noexcept override;
	cfs::Result<> del_peer_nids(const Nid &primary,
				    std::span<const Nid> nids) noexcept override;
	cfs::Result<> list_peers(Listing<PeerNiInfo> &out) noexcept override;
	cfs::Result<> set_peer_health(const Nid &nid, int health) noexcept override;
	cfs::Result<> set_peer_state(const Nid &nid, std::uint32_t bits) noexcept override;
	cfs::Result<PingInfo> ping(const ProcessId &target, const Nid &source,
				   cfs::Instant deadline) noexcept override;
	cfs::Result<Nid> discover(const Nid &nid, bool force,
				  cfs::Instant deadline) noexcept override;
	cfs::Result<> add_route(const RouteSpec &r) noexcept override;
	cfs::Result<> del_route(Net net, const Nid &gateway) noexcept override;
	cfs::Result<> list_routes(Listing<RouteInfo> &out) noexcept override;
	cfs::Result<> set_routing(bool enabled) noexcept override;
	[[nodiscard]] bool routing() noexcept override;
	cfs::Result<> set_router_buffers(std::uint32_t tiny, std::uint32_t small,
					 std::uint32_t large) noexcept override;
	cfs::Result<> list_router_pools(Listing<RouterPoolInfo> &out) noexcept override;

	// ---- parameters ----
	void show_nis(cfs::FormatSink &out) noexcept;
	void show_peers(cfs::FormatSink &out) noexcept;
	void show_stats(cfs::FormatSink &out) noexcept;
	void show_network(cfs::FormatSink &out) noexcept;
	[[nodiscard]] cfs::Result<> set_network(std::string_view text) noexcept;
	void show_sink(cfs::FormatSink &out) noexcept;
	[[nodiscard]] cfs::Result<> write_sink(std::string_view text) noexcept;
	void show_load(cfs::FormatSink &out) noexcept;
	[[nodiscard]] cfs::Result<> write_load(std::string_view text) noexcept;
	void show_ping(cfs::FormatSink &out) noexcept;
	[[nodiscard]] cfs::Result<> write_ping(std::string_view text) noexcept;

	explicit LnetNode(cfs::Node &node) noexcept : node_(node) {}

private:
	/// A driver that is in use here.
	struct Slot {
		Driver *driver = nullptr;
		Lnd *lnd = nullptr; ///< its half for this node
	};
	static constexpr std::size_t kDriversMax = 8;

	/// LNet while it is looked at or changed: a user for that long. False when it is down.
	class Hold
	{
		LnetNode &node_;
		Core *core_;

	public:
		explicit Hold(LnetNode &n) noexcept : node_(n), core_(n.hold_if_up()) {}
		~Hold()
		{
			if (core_)
				node_.release();
		}
		Hold(const Hold &) = delete;
		Hold &operator=(const Hold &) = delete;
		explicit operator bool() const noexcept { return core_ != nullptr; }
		Core *operator->() const noexcept { return core_; }
		Core &operator*() const noexcept { return *core_; }
	};

	void take_config() noexcept;
	void drop_sink() noexcept;
	[[nodiscard]] cfs::Result<NetworksSpec> own_networks() noexcept;
	[[nodiscard]] cfs::Result<> apply_parameters(Core &core) noexcept CFS_REQUIRES(lock_);
	[[nodiscard]] cfs::Result<> bring_up(bool with_parameters) noexcept CFS_REQUIRES(lock_);
	[[nodiscard]] cfs::Result<> start_ni(Core &core, const NetworkSpec &spec) noexcept
		CFS_REQUIRES(lock_);
	void take_down() noexcept CFS_REQUIRES(lock_);
	[[nodiscard]] cfs::Result<Lnd *> driver_for(LndType type) noexcept CFS_REQUIRES(lock_);
	/// LNet if it is up, as a user; null otherwise.
	[[nodiscard]] Core *hold_if_up() noexcept;

	cfs::Node &node_;
	cfs::ParamGroup params_;
	cfs::Mutex lock_{CFS_LOCK_CLASS("lnet node")};
	cfs::UniquePtr<Core> core_ CFS_GUARDED_BY(lock_);
	unsigned users_ CFS_GUARDED_BY(lock_) = 0;
	std::array<Slot, kDriversMax> drivers_ CFS_GUARDED_BY(lock_);
	Settings settings_ CFS_GUARDED_BY(lock_); ///< kept while LNet is down
	std::uint32_t buffers_[Router::kPools] CFS_GUARDED_BY(lock_) = {
		Router::kDefault[0], Router::kDefault[1], Router::kDefault[2]};

	cfs::Mutex load_lock_{CFS_LOCK_CLASS("lnet load result")}; ///< before lock_
	cfs::UniquePtr<LoadSink> sink_ CFS_GUARDED_BY(load_lock_); ///< while there is one, a user
	bool loaded_ CFS_GUARDED_BY(load_lock_) = false;
	LoadSpec load_spec_ CFS_GUARDED_BY(load_lock_);
	LoadResult load_result_ CFS_GUARDED_BY(load_lock_);

	cfs::Mutex ping_lock_{CFS_LOCK_CLASS("lnet ping result")};
	ProcessId pinged_ CFS_GUARDED_BY(ping_lock_);
	cfs::Errno ping_status_ CFS_GUARDED_BY(ping_lock_) = cfs::err::NODATA;
	PingInfo ping_info_ CFS_GUARDED_BY(ping_lock_);
};

} // namespace lnet
