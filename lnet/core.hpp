// SPDX-License-Identifier: GPL-2.0
//
// LNet of one node: sends and receives messages between the users' MDs and the drivers (spec 01
// sections 5, 6, 8).
//
// core.cpp has its life and configuration, path.cpp where a message goes, send.cpp and receive.cpp
// what happens to it, monitor.cpp what happens with time.
//
// The message path takes no lock of the whole node: local interfaces are found under RCU, peers,
// MDs and match lists in hashed buckets, credits per peer NI and per interface share. The
// configuration (which interfaces exist) changes under config_lock_, which is never taken by a
// message.
#pragma once

#include <atomic>

#include "libcfs/log.hpp"
#include "libcfs/thread.hpp"
#include "libcfs/wait.hpp"
#include "lnet/buffer.hpp"
#include "lnet/control.hpp"
#include "lnet/discovery.hpp"
#include "lnet/msg.hpp"
#include "lnet/ni.hpp"
#include "lnet/router.hpp"
#include "lnet/routes.hpp"

namespace lnet
{

/// Counters of the whole node (spec 01 section 16.7, `statistics`).
struct Statistics {
	std::atomic<std::uint64_t> msgs_alloc{0}, msgs_max{0}, errors{0}, send_count{0},
		recv_count{0}, drop_count{0}, send_length{0}, recv_length{0}, drop_length{0},
		no_memory{0}, resend_count{0}, response_timeout_count{0}, route_count{0},
		route_length{0};
	std::atomic<std::uint64_t> by_status[11] = {}; ///< failed sends by SendStatus
};

/// Settings as messages read them.
struct LiveSettings {
	std::atomic<bool> drop_asym_route{false};
	std::atomic<std::uint32_t> retry_count{2}, health_sensitivity{100}, response_tracking{3},
		transaction_timeout{150}, message_life{49 * 3 + 1};
};

class Core final : public Network
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LNET;
	static constexpr std::size_t kNisMax = 64;
	/// Messages that may wait for credits of one peer; while there are more, its requests are
	/// dropped: who asks without reading the answers must not fill our memory.
	static constexpr int kQueuedPerPeerMax = 4096;

	/// LNet of a node, configured with 0@lo only. cookie: differs from that of every earlier
	/// life (wall clock in ns). Sleeps.
	[[nodiscard]] static cfs::Result<cfs::UniquePtr<Core>>
	create(cfs::Node &node, std::uint64_t cookie) noexcept;
	/// Every user has gone before. Sleeps until all messages have ended.
	void destroy() noexcept;

	// ---- Network ----
	cfs::Result<MdHandle> attach(const MatchSpec &match, const MdSpec &md) noexcept override;
	cfs::Result<MdHandle> bind(const MdSpec &md) noexcept override;
	cfs::Result<> unlink(MdHandle md) noexcept override;
	cfs::Result<> put(const Nid &self, MdHandle md, bool want_ack, const ProcessId &target,
			  std::uint32_t portal, std::uint64_t match_bits, std::uint32_t offset,
			  std::uint64_t hdr_data) noexcept override;
	cfs::Result<> get(const Nid &self, MdHandle md, const ProcessId &target,
			  std::uint32_t portal, std::uint64_t match_bits,
			  std::uint32_t offset) noexcept override;
	cfs::Result<> set_lazy(std::uint32_t portal, bool lazy) noexcept override;
	Nid primary_nid(const Nid &nid) noexcept override;
	cfs::Result<> add_peer(std::span<const Nid> nids) noexcept override;
	cfs::Result<Distance> distance(const Nid &nid) noexcept override;
	cfs::Result<Nid> local_nid(unsigned n) noexcept override;
	[[nodiscard]] bool is_local(const Nid &nid) noexcept override;
	[[nodiscard]] unsigned cpt_of(const Nid &nid) noexcept override;

	// ---- configuration ----
	/// Brings up an interface of a network. err::EXIST when that NID is up already, err::NOSPC,
	/// err::RANGE for a CPU partition that is not there, or what the driver says. Sleeps.
	[[nodiscard]] cfs::Result<Nid> add_ni(Lnd &lnd, Net net, std::string_view if_name,
					      const NiWishes &wishes = {}) noexcept;
	/// Takes one down and waits for its messages. err::NOENT; err::BUSY for 0@lo.
	[[nodiscard]] cfs::Result<> del_ni(const Nid &nid) noexcept;
	/// Asks a node for its NIDs (`lnetctl ping`). err::TIMEDOUT, err::PROTO, err::HOSTUNREACH.
	/// Sleeps.
	[[nodiscard]] cfs::Result<PingInfo> ping(const ProcessId &target, const Nid &source,
						 cfs::Instant deadline) noexcept;
	/// LNet's own ping of exactly this NID, from `source` if that is one.
	[[nodiscard]] cfs::Result<> get_from(const Nid &source, MdHandle md,
					     const Nid &target) noexcept;
	/// Awaits the response to an MD's operation no longer than that.
	void hurry(MdHandle md, cfs::Duration patience) noexcept;
	/// err::INVAL for what makes no sense together.
	[[nodiscard]] cfs::Result<> set_settings(const Settings &s) noexcept;
	[[nodiscard]] Settings settings() noexcept;
	/// Spec 01 section 9.1.
	[[nodiscard]] cfs::Result<> add_route(const RouteSpec &s) noexcept;
	[[nodiscard]] cfs::Result<> del_route(Net net, const Nid &gateway) noexcept;
	/// counts: buffers by Router::Size. Sleeps.
	[[nodiscard]] cfs::Result<>
	set_routing(bool on, const std::uint32_t (&counts)[Router::kPools]) noexcept;
	void set_health(Ni &ni, int health) noexcept;
	void set_health(PeerNi &p, int health) noexcept;
	[[nodiscard]] const Statistics &statistics() const noexcept { return stats_; }
	void reset_statistics() noexcept;
	/// Gives up what waited too long, and what is held of connections that are gone. The
	/// monitor does this every second. Sleeps.
	void expire_queues(cfs::Instant now) noexcept;
	/// Messages there are now.
	[[nodiscard]] std::uint64_t messages() const noexcept
	{
		return msgs_live_.load(std::memory_order_relaxed);
	}
	/// Calls f(Ni &) for each interface, 0@lo too. f may sleep.
	template <typename F>
	void for_each_ni(F f) noexcept
	{
		for (auto &slot : nis_) {
			cfs::RefPtr<Ni> ni;
			{
				cfs::RcuGuard rcu;
				Ni *p = slot.load(std::memory_order_acquire);
				if (p && p->try_get())
					ni = cfs::RefPtr<Ni>::adopt(p);
			}
			if (ni)
				f(*ni);
		}
	}
	/// Messages that a lazy portal has held since the start.
	[[nodiscard]] std::uint64_t held(std::uint32_t portal) const noexcept
	{
		return portals_[portal]->held_total();
	}
	[[nodiscard]] PeerTable &peers() noexcept { return peers_; }
	[[nodiscard]] Discovery &discovery() noexcept { return discovery_; }
	[[nodiscard]] RouteTable &routes() noexcept { return routes_; }
	[[nodiscard]] Router &router() noexcept { return router_; }
	/// The peer NI of a NID, made with the credits that its network's interface says.
	[[nodiscard]] cfs::Result<cfs::RefPtr<PeerNi>> peer_ni(const Nid &nid) noexcept;
	/// The peer's NID that is reached best from interfaces of ours, the one whose turn it is of
	/// equals; none: all are behind gateways.
	[[nodiscard]] Nid best_nid(Peer &peer) noexcept;
	/// Our list of NIDs as peers get it.
	[[nodiscard]] cfs::RefPtr<PingTarget> ping_list() noexcept;
	[[nodiscard]] cfs::Node &node() noexcept { return node_; }

	// ---- called by Ni and Msg ----
	[[nodiscard]] cfs::Result<> received(Ni &ni, const Header &h, const Nid &from,
					     RxHandle rx) noexcept;
	void recv_done(Msg &m, cfs::Errno status) noexcept;
	void send_done(Msg &m, cfs::Errno status) noexcept;
	void peer_credit_back(PeerNi &hop) noexcept;
	void peer_alive(const Nid &hop, bool alive) noexcept;
	void local_state_changed() noexcept;
	void send_ack(Msg &m) noexcept;
	void free_msg(Msg &m) noexcept;

	// ---- called by Discovery and Router ----
	/// Something for the monitor's thread. With spinlocks held, too.
	void kick() noexcept;
	/// A message that was held back goes on, or fails.
	void resume(Msg &m) noexcept { send(m); }
	void send_failed(Msg &m, cfs::Errno why) noexcept;
	/// A message of another node has been received and is to be sent on.
	void forward(Msg &m) noexcept { send(m); }
	void drop_msg(Msg &m, const char *why) noexcept;

private:
	friend class cfs::UniquePtr<Core>;
	Core(cfs::Node &node, std::uint64_t cookie) noexcept : node_(node), cookie_(cookie) {}
	template <typename T, typename... Args>
	friend cfs::Result<cfs::UniquePtr<T>> cfs::try_make_flags(unsigned, Args &&...) noexcept;

	[[nodiscard]] cfs::Result<> init() noexcept;
	[[nodiscard]] cfs::UniquePtr<Msg> new_msg() noexcept;
	[[nodiscard]] cfs::Result<MdHandle> add_md(const MdSpec &spec, const MatchSpec *m) noexcept;
	[[nodiscard]] cfs::Result<> start_op(Msg::Role role, Answer expected, const Nid &self,
					     MdHandle md, const ProcessId &target,
					     const wire::MsgBody &body,
					     bool exact = false) noexcept;
	void expect_response(Md &md, bool put, bool ack) noexcept;

	void take_down(Ni &ni) noexcept;
	void stop_ni(Ni &ni) noexcept;
	void drop_held(HeldList &list, const char *why) noexcept;

	// sending
	void send(Msg &m) noexcept;
	void send_on(Msg &m) noexcept;
	void respond(Msg &m, wire::MsgType type, const wire::MsgBody &body) noexcept;
	[[nodiscard]] bool try_resend(Msg &m, cfs::Errno status) noexcept;

	// where to (path.cpp)
	enum class Path : std::uint8_t { chosen, held_back };
	[[nodiscard]] cfs::Result<Path> choose_path(Msg &m) noexcept;
	[[nodiscard]] cfs::Result<> choose_for_dest(Msg &m, PeerNi &dest) noexcept;
	[[nodiscard]] cfs::Result<> choose_rail(Msg &m, Peer &peer) noexcept;
	[[nodiscard]] cfs::Result<> choose_gateway(Msg &m, Net net) noexcept;
	[[nodiscard]] cfs::RefPtr<PeerNi> nid_of_gateway(Route &r, Msg &m) noexcept;
	[[nodiscard]] cfs::RefPtr<Ni> ni_by_nid(const Nid &nid) noexcept;
	[[nodiscard]] cfs::RefPtr<Ni> best_ni(Net net) noexcept;
	[[nodiscard]] cfs::RefPtr<Ni> ni_for(Net net, PeerNi *remember) noexcept;
	[[nodiscard]] bool on_net(Net net) noexcept;
	/// Of the healthiest interface on a network that is up; -1: none is.
	[[nodiscard]] int net_health(Net net) noexcept;
	[[nodiscard]] unsigned ni_count() noexcept;

	// health and time (monitor.cpp)
	void account_send(Msg &m, cfs::Errno status) noexcept;
	void account_receive(Ni &ni, PeerNi &hop) noexcept;
	void change_health(Ni &ni, int by) noexcept;
	void change_health(PeerNi &p, int by) noexcept;
	void run_monitor() noexcept;
	void stop_monitor() noexcept;
	void tick(cfs::Instant now) noexcept;
	void expire_responses(cfs::Instant now) noexcept;
	void resend_queued() noexcept;
	void recover_nis(cfs::Instant now) noexcept;
	void recover_peers(cfs::Instant now) noexcept;
	void check_routes(cfs::Instant now) noexcept;
	void check_own_nis(cfs::Instant now) noexcept;
	[[nodiscard]] bool route_works(Route &r) noexcept;
	[[nodiscard]] bool recovery_due(Recovery &r, cfs::Instant now, bool listed) noexcept;

	// receiving
	void drop(Ni &ni, const Header &h, RxHandle rx, const char *why) noexcept;
	[[nodiscard]] cfs::Result<> not_for_me(Ni &ni, const Header &h, const Nid &from) noexcept;
	[[nodiscard]] bool asymmetric(Ni &ni, const Header &h, PeerNi &hop) noexcept;
	void receive_request(Msg &m) noexcept;
	void receive_response(Msg &m) noexcept;
	void offer(Msg &m, const MatchInfo &info) noexcept;
	void accept(Msg &m, const MatchInfo &info, MatchResult &r) noexcept;
	void reply_to_get(Msg &m, std::uint32_t offset, std::uint32_t length) noexcept;
	[[nodiscard]] Nid primary_of_source(const Nid &src, PeerNi &hop) noexcept;
	void finish_event(Msg &m, cfs::Errno status) noexcept;
	void retry_held(HeldList &list, Md &md, std::uint64_t attached) noexcept;
	[[nodiscard]] cfs::Result<> rebuild_ping_target() noexcept CFS_REQUIRES(config_lock_);

	cfs::Node &node_;
	const std::uint64_t cookie_; // wh_interface_cookie of this life
	cfs_cache *msg_cache_ = nullptr;
	std::atomic<std::uint64_t> msgs_live_{0};
	cfs::WaitQueue idle_{CFS_LOCK_CLASS("lnet idle")};

	MdTable mds_;
	cfs::Array<cfs::UniquePtr<Portal>> portals_;
	PeerTable peers_;
	Statistics stats_;

	std::atomic<Ni *> nis_[kNisMax] = {}; // RCU; each holds a reference
	std::atomic<bool> some_bound_{false}; ///< an interface was bound to CPU partitions
	LoopbackLnd loopback_;
	cfs::Mutex config_lock_{CFS_LOCK_CLASS("lnet configuration")};
	std::uint32_t ping_sequence_ CFS_GUARDED_BY(config_lock_) = 0;
	cfs::RefPtr<PingTarget> ping_target_ CFS_GUARDED_BY(config_lock_);
	Settings settings_ CFS_GUARDED_BY(config_lock_);
	LiveSettings live_;
	std::atomic<bool> stopping_{false};

	Discovery discovery_{*this};
	RouteTable routes_;
	Router router_{*this};

	// The monitor: one thread for all that happens with time.
	cfs::SpinLock monitor_lock_{CFS_LOCK_CLASS("lnet monitor")};
	cfs::WaitQueue monitor_wait_{CFS_LOCK_CLASS("lnet monitor wait")};
	bool kicked_ CFS_GUARDED_BY(monitor_lock_) = false;
	bool monitor_stops_ CFS_GUARDED_BY(monitor_lock_) = false;
	cfs::List<CreditWaiter, &CreditWaiter::credit_hook> resends_ CFS_GUARDED_BY(monitor_lock_);
	cfs::List<PeerNi, &PeerNi::recovery_hook> ailing_ CFS_GUARDED_BY(monitor_lock_); // refs
	std::atomic<bool> list_stale_{false}; // what peers are told of our interfaces
	cfs::Thread monitor_;
};

} // namespace lnet
