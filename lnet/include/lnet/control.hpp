// SPDX-License-Identifier: GPL-2.0
//
// LNet as its administrator sees it: what netlink, ioctl, parameter files and module parameters are
// translated to. One object per node, got from lnet_control_get() (plat_driver.h); it lives as long
// as the node's object, whether LNet is up or not.
//
// Every call may sleep. Calls that change something exclude each other; reading goes on meanwhile,
// so a listing is consistent for each entry, not as a whole. Errors are those of spec 01 section
// 16, plus err::NETDOWN for what needs LNet up while it is down.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "lnet/cpts.hpp"
#include "lnet/lnd.hpp"
#include "lnet/ping.hpp"

/// What plat_driver.h calls a Control.
struct lnet_control {
};

namespace lnet
{

/// Messages of one entity since its start.
struct Counts {
	static constexpr unsigned kTypes = 4; ///< ACK, PUT, GET, REPLY, as wire::MsgType

	std::uint64_t sent = 0, received = 0, dropped = 0;
	std::uint64_t sent_by[kTypes] = {}, received_by[kTypes] = {}, dropped_by[kTypes] = {};
	std::uint32_t failed_by[kSendStatuses] = {}; ///< sends, by SendStatus
	std::uint32_t recovery_pings = 0;	     ///< since it was last whole
};

/// Credits of one queue.
struct Credits {
	int max = 0;
	int available = 0; ///< negative: that many messages wait
	int min = 0;	   ///< the lowest it ever was
};

/// A local interface.
struct NiInfo {
	Nid nid;
	char if_name[16] = {};
	bool up = false;    ///< as announced to peers
	bool fatal = false; ///< the driver says that it is down
	NiTunables tunables;
	LndTunables lnd;
	CptSet cpts; ///< partitions that serve it
	Credits credits;
	int health = 0; ///< 0 to 1000
	Counts counts;
	unsigned refs = 0;
};

/// Tunables that an interface is to have; negative: what its driver says.
struct NiWishes {
	std::int32_t credits = -1, peer_credits = -1, peer_buffer_credits = -1, peer_timeout = -1;
	CptSet cpts; ///< partitions that are to serve it; none: all
};

/// A remote NID.
struct PeerNiInfo {
	Nid nid;
	Nid primary;		      ///< of the peer it belongs to
	std::uint32_t peer_state = 0; ///< PeerState bits
	bool multi_rail = false;
	bool alive = false;
	std::int64_t heard_seconds_ago = -1; ///< -1: never
	std::uint32_t refs = 0;
	int health = 0;
	Credits tx;	///< messages to it
	Credits router; ///< messages from it that are being forwarded
	Counts counts;
};

/// One way to a network that this node is not on.
struct RouteSpec {
	static constexpr std::uint32_t kHopsUnset = 0xffffffff;

	Net net{};
	Nid gateway; ///< on a local network
	std::uint32_t hops = kHopsUnset;
	std::uint32_t priority = 0; ///< lower is better
};
struct RouteInfo : RouteSpec {
	bool alive = false;
	bool multi_hop = false;
};

/// Buffers of one size on a router.
struct RouterPoolInfo {
	std::uint32_t pages = 0; ///< of each buffer
	std::uint32_t buffers = 0;
	Credits credits;
};

/// What applies to the whole node, with stock names and defaults (`lnetctl global show`).
struct Settings {
	bool discovery = true;
	bool drop_asym_route = false;
	bool avoid_asym_router_failure = true;
	std::uint32_t retry_count = 2;
	std::uint32_t transaction_timeout = 150; ///< seconds
	std::uint32_t health_sensitivity = 100;	 ///< 0: no health
	std::uint32_t recovery_interval = 1;	 ///< seconds, the first
	std::uint32_t max_recovery_ping_interval = 900;
	std::uint32_t recovery_limit = 0; ///< seconds; 0: none
	std::uint32_t router_sensitivity = 100;
	std::uint32_t response_tracking = 3;	  ///< 1 PUT and ACK, 2 GET and REPLY
	std::uint32_t router_check_interval = 60; ///< alive_router_check_interval, seconds
	std::uint32_t router_ping_timeout = 50;
	std::uint32_t lock_prim_nid = 1;
	std::uint32_t interfaces_max = PingInfo::kNidsMax; ///< shown; the limit is fixed
	std::uint32_t numa_range = 0;			   ///< without effect

	/// What is left for each attempt to send.
	[[nodiscard]] std::uint32_t lnd_timeout() const noexcept
	{
		return (transaction_timeout - 1) / (retry_count + 1);
	}
};

/// err::INVAL for values out of range, or that make no sense together.
[[nodiscard]] cfs::Result<> check_settings(const Settings &s) noexcept;

/// `lnetctl stats show`.
struct StatsInfo {
	std::uint64_t msgs_alloc = 0, msgs_max = 0, errors = 0, send_count = 0, resend_count = 0,
		      response_timeout_count = 0, recv_count = 0, route_count = 0, drop_count = 0,
		      send_length = 0, recv_length = 0, route_length = 0, drop_length = 0;
	/// Failed sends by SendStatus.
	std::uint64_t by_status[kSendStatuses] = {};
};

/// Who is told the entries of a listing; false ends it. May not call Control.
template <typename T>
class Listing
{
public:
	virtual bool entry(const T &t) noexcept = 0;

protected:
	~Listing() = default;
};

class Control : public ::lnet_control
{
public:
	// ---- the whole ----
	/// Brings LNet up with what the module parameters say, or without any network but 0@lo.
	virtual cfs::Result<> configure(bool with_parameters) noexcept = 0;
	/// err::BUSY while it has users.
	virtual cfs::Result<> unconfigure() noexcept = 0;
	[[nodiscard]] virtual bool configured() noexcept = 0;
	[[nodiscard]] virtual Settings settings() noexcept = 0;
	/// err::INVAL for what makes no sense together.
	virtual cfs::Result<> set_settings(const Settings &s) noexcept = 0;
	[[nodiscard]] virtual StatsInfo stats() noexcept = 0;
	virtual void reset_stats() noexcept = 0;

	// ---- interfaces ----
	/// if_name empty: the driver's choice. err::EXIST, err::NODEV, err::NOSPC, err::RANGE for a
	/// CPU partition that is not there, the driver's.
	virtual cfs::Result<Nid> add_ni(Net net, std::string_view if_name,
					const NiWishes &wishes = {}) noexcept = 0;
	virtual cfs::Result<> del_ni(const Nid &nid) noexcept = 0;
	virtual cfs::Result<> list_nis(Listing<NiInfo> &out) noexcept = 0;
	virtual cfs::Result<> set_ni_health(const Nid &nid, int health) noexcept = 0;
	/// Changes what only the driver knows of an interface. err::NOENT; err::OPNOTSUPP when the
	/// driver cannot; err::RANGE.
	virtual cfs::Result<> set_ni_lnd(const Nid &nid, const LndWishes &wishes) noexcept = 0;

	// ---- peers ----
	/// Adds NIDs to the peer with that primary NID, made when there is none.
	virtual cfs::Result<> add_peer_nids(const Nid &primary, std::span<const Nid> nids,
					    bool multi_rail, bool lock_primary) noexcept = 0;
	/// Takes NIDs from a peer; without any, forgets the peer. err::NOENT.
	virtual cfs::Result<> del_peer_nids(const Nid &primary,
					    std::span<const Nid> nids) noexcept = 0;
	/// By peer, its primary NID first.
	virtual cfs::Result<> list_peers(Listing<PeerNiInfo> &out) noexcept = 0;
	virtual cfs::Result<> set_peer_health(const Nid &nid, int health) noexcept = 0;
	/// Gives the peer of a NID those PeerState bits. What is under way with it is not changed
	/// by this, so those bits stay as they are. err::NOENT; err::INVAL for bits without a
	/// meaning.
	virtual cfs::Result<> set_peer_state(const Nid &nid, std::uint32_t bits) noexcept = 0;
	/// Asks a node for its NIDs. err::TIMEDOUT, err::PROTO, err::HOSTUNREACH.
	virtual cfs::Result<PingInfo> ping(const ProcessId &target, const Nid &source,
					   cfs::Instant deadline) noexcept = 0;
	/// Brings what is known of a peer up to date, by force if asked; its primary NID.
	virtual cfs::Result<Nid> discover(const Nid &nid, bool force,
					  cfs::Instant deadline) noexcept = 0;

	// ---- routing ----
	/// err::INVAL, err::EXIST, err::HOSTUNREACH (spec 01 section 9.1).
	virtual cfs::Result<> add_route(const RouteSpec &r) noexcept = 0;
	virtual cfs::Result<> del_route(Net net, const Nid &gateway) noexcept = 0;
	virtual cfs::Result<> list_routes(Listing<RouteInfo> &out) noexcept = 0;
	/// Whether this node forwards. err::NOMEM for the buffers.
	virtual cfs::Result<> set_routing(bool enabled) noexcept = 0;
	[[nodiscard]] virtual bool routing() noexcept = 0;
	/// Buffers in all, by size; 0 keeps the number.
	virtual cfs::Result<> set_router_buffers(std::uint32_t tiny, std::uint32_t small,
						 std::uint32_t large) noexcept = 0;
	virtual cfs::Result<> list_router_pools(Listing<RouterPoolInfo> &out) noexcept = 0;

protected:
	~Control() = default;
};

} // namespace lnet
