// SPDX-License-Identifier: GPL-2.0
//
// An import: rpc/import.hpp has the contract, Documentation/recovery.md the states.
//
// All decisions are made by step(), which runs as a work item of its own, never twice at once, and
// may wait in calls of its user. Everything else only notes what happened and kicks it. What a
// request needs (may it go, its XID, its slot) is decided under lock_.
//
// Lock order: lock_ is innermost but for the timers' lock; nothing of LNet or of a user is called
// with it held.
#pragma once

#include "lustre/rpc/client_request.hpp"

namespace rpc
{

class ImportImpl final : public Import
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_RPC;
	static constexpr unsigned kConnectionsMax = 32;
	static constexpr unsigned kPeersMax = 64; ///< NIDs that are tried
	static constexpr unsigned kHistory = 16;
	static constexpr unsigned kSlotsMax = 256;
	static constexpr unsigned kPortals = 8;

	[[nodiscard]] static cfs::Result<cfs::RefPtr<ImportImpl>>
	make(Core &core, const ImportSpec &s) noexcept;
	/// The connection back to a client: FULL at once. name: for messages.
	[[nodiscard]] static cfs::Result<cfs::RefPtr<ImportImpl>>
	make_reverse(Core &core, std::string_view name, std::string_view client) noexcept;
	/// A reverse import's addressee, anew with each connect.
	void set_reverse_peer(const lnet::Nid &nid, u64 cookie, const wire::ObdConnectData &granted,
			      bool at) noexcept;
	/// A reverse import's end: everything on it fails with err::NOTCONN.
	void close_reverse() noexcept;

	// ---- Import ----
	cfs::Result<cfs::RefPtr<ClientRequest>>
	new_request(const FormatInfo &info, std::size_t request_bytes,
		    std::size_t reply_bytes) noexcept override;
	cfs::Result<> add_connection(std::string_view uuid) noexcept override;
	cfs::Result<> add_connection(std::span<const lnet::Nid> nids) noexcept override;
	cfs::Result<> start() noexcept override;
	cfs::Result<> wait_full(cfs::WaitMode mode, cfs::Instant deadline) noexcept override;
	cfs::Result<> disconnect(cfs::WaitMode mode, cfs::Instant deadline) noexcept override;
	void set_active(bool active) noexcept override;
	void reconnect_now() noexcept override;
	void target_moved(std::span<const lnet::Nid> nids, u32 instance) noexcept override;
	Rpc &rpc() noexcept override { return core_; }
	ImportState state() const noexcept override
	{
		return state_.load(std::memory_order_acquire);
	}
	const char *device() const noexcept override { return device_; }
	const char *target() const noexcept override { return target_.c; }
	wire::ObdConnectData granted() noexcept override;
	bool has_flag(u64 f) const noexcept override
	{
		return (flags_.load(std::memory_order_relaxed) & f) == f;
	}
	bool has_flag2(u64 f) const noexcept override
	{
		return (flags2_.load(std::memory_order_relaxed) & f) == f;
	}
	lnet::Nid peer() noexcept override;
	wire::ExportHandle callback_cookie() const noexcept override
	{
		return wire::ExportHandle{cookie};
	}
	u32 generation() const noexcept override
	{
		return generation_.load(std::memory_order_relaxed);
	}
	wire::Transno last_committed() const noexcept override
	{
		return wire::Transno{committed_.load(std::memory_order_relaxed)};
	}
	cfs::Duration service_estimate(wire::Portal portal) noexcept override;
	bool replayable() const noexcept override
	{
		return replayable_.load(std::memory_order_relaxed);
	}
	void ask_for_commit(wire::Transno upto) noexcept override;
	void show(cfs::FormatSink &out) noexcept override;
	void show_state(cfs::FormatSink &out) noexcept override;
	void show_timeouts(cfs::FormatSink &out) noexcept override;
	void destroy() noexcept override;

	// ---- for its requests ----
	[[nodiscard]] Core &core() noexcept { return core_; }
	[[nodiscard]] ImportUser *user() noexcept { return user_; }
	[[nodiscard]] bool reverse() const noexcept { return reverse_; }

	cfs::SpinLock lock{CFS_LOCK_CLASS("rpc import")};
	/// Requests whose users are still to be told of a commit. A close that is committed takes
	/// its open out of what is replayed, so no replay begins before.
	std::atomic<u32> telling{0};

	/// Where a request that wants to go ends up: in slot_wait, delayed, or sending (true: the
	/// caller sends it). An error: it may not go at all.
	[[nodiscard]] cfs::Result<bool> admit(Req &r) noexcept CFS_REQUIRES(lock);
	/// Fills the ticket of a request in `sending`: XID, last_xid, slot's tag, peer. False when
	/// the state changed since admit(); then it is delayed.
	[[nodiscard]] bool prepare(Req &r, Req::Ticket &t) noexcept CFS_REQUIRES(lock);
	/// Out of all lists but those of replay.
	void leave(Req &r) noexcept CFS_REQUIRES(lock);
	/// The connection that requests of conn_cnt were sent on does not work.
	void connection_lost(u32 conn_cnt, const char *why) noexcept;
	/// A reply came: estimates, what is committed, and the lock volume.
	void note_reply(Req &r, const wire::PtlrpcBodyV2 &b) noexcept;
	/// Keeps a request whose reply has a transno; false when it need not be.
	[[nodiscard]] bool keep(Req &r) noexcept CFS_REQUIRES(lock);
	void replay_done(Req &r, cfs::Result<i32> result, const wire::PtlrpcBodyV2 *b) noexcept;
	void lock_replay_done() noexcept CFS_REQUIRES(lock);
	/// What the server has committed; drops replay requests.
	void committed(u64 transno) noexcept;
	[[nodiscard]] Estimate &portal_estimate(wire::Portal p) noexcept;
	void kick() noexcept;

	// In the table of callback cookies.
	cfs::HashHook cookie_hook;
	const u64 cookie;

	ImportImpl(Core &core, u64 cookie_value) noexcept;

private:
	friend class Req;
	/// One node that may serve the target.
	struct Connection {
		UuidText uuid; ///< empty: NIDs of its own
		cfs::Array<lnet::Nid> nids;
		bool announced = false; ///< by the MGS; at most one is
	};
	struct ConnectTimer final : TimerEntry {
		ImportImpl *imp;
		void on_timer() noexcept override { imp->kick(); }
		void on_timer_get() noexcept override { imp->get(); }
		void on_timer_put() noexcept override { imp->put(); }
	};
	struct PingTimer final : TimerEntry {
		ImportImpl *imp;
		void on_timer() noexcept override { imp->ping_due(); }
		void on_timer_get() noexcept override { imp->get(); }
		void on_timer_put() noexcept override { imp->put(); }
	};
	/// Completions of the import's own requests.
	struct Own final : RequestUser {
		ImportImpl *imp;
		void on_complete(ClientRequest &r, cfs::Result<i32> res) noexcept override
		{
			imp->own_done(static_cast<Req &>(r), res);
		}
	};
	struct HistoryEntry {
		i64 when;
		ImportState state;
	};
	/// What step() does next.
	enum class Act : u8 {
		nothing,
		tell_lost,
		tell_full,
		connect,
		connected,
		evict,
		replay,
		replay_locks,
		final_ping,
		recover,
		close,
		say_goodbye,
	};

	[[nodiscard]] cfs::Result<> set_names(const ImportSpec &s) noexcept;
	void set_state(ImportState s) noexcept CFS_REQUIRES(lock);
	void enlist(Req &r, Req::Home home) noexcept CFS_REQUIRES(lock);
	[[nodiscard]] bool may_send(const Req &r) const noexcept CFS_REQUIRES(lock);
	[[nodiscard]] u16 take_slot(const Req &r) noexcept CFS_REQUIRES(lock);
	void free_slot(Req &r) noexcept CFS_REQUIRES(lock);
	[[nodiscard]] u32 slots() const noexcept CFS_REQUIRES(lock);
	void fill_times(Req &r, Req::Ticket &t) noexcept CFS_REQUIRES(lock);
	void assign_xid(Req &r) noexcept CFS_REQUIRES(lock);

	void step() noexcept;
	[[nodiscard]] Act next_act() noexcept;
	[[nodiscard]] Act next_disconnected() noexcept CFS_REQUIRES(lock);
	[[nodiscard]] Act next_replay_locks() noexcept CFS_REQUIRES(lock);
	void act(Act a) noexcept;
	void do_connect() noexcept;
	void do_connected() noexcept;
	/// What of ours the server says is durable; 0 when it says nothing, or of others only.
	u64 connected(const wire::PtlrpcBodyV2 &body, const wire::ObdConnectData &grant) noexcept
		CFS_REQUIRES(lock);
	u64 not_connected(cfs::Errno why, bool fatal_error) noexcept CFS_REQUIRES(lock);
	void do_evict() noexcept;
	void do_replay() noexcept;
	void do_replay_locks() noexcept;
	void fail_lock_replays() noexcept;
	void do_final_ping() noexcept;
	void do_recover() noexcept;
	void do_close() noexcept;
	void do_goodbye() noexcept;
	void tell_lost() noexcept;

	[[nodiscard]] cfs::Result<> room_for_connection() noexcept CFS_REQUIRES(conn_lock_);
	[[nodiscard]] bool pick_peer(lnet::Nid &out) noexcept;
	/// The announced NID that can be reached from here, made one of those that are tried in
	/// place of what was announced before; Nid{} if there is none.
	[[nodiscard]] lnet::Nid learn_peer(std::span<const lnet::Nid> nids) noexcept;
	[[nodiscard]] cfs::Result<> add_announced(const lnet::Nid &nid) noexcept;
	[[nodiscard]] bool answered_by(u32 instance) const noexcept CFS_REQUIRES(lock);
	[[nodiscard]] std::size_t list_peers(std::span<lnet::Nid> out) noexcept;
	void connect_failed(cfs::Errno why) noexcept CFS_REQUIRES(lock);
	[[nodiscard]] cfs::Result<> check_grant(const wire::ObdConnectData &g) const noexcept;
	void take_grant(const wire::ObdConnectData &g, u32 op_flags, u64 handle) noexcept
		CFS_REQUIRES(lock);
	[[nodiscard]] ImportState state_after_connect(u32 op_flags, u64 handle) noexcept
		CFS_REQUIRES(lock);
	void fatal(cfs::Errno why) noexcept CFS_REQUIRES(lock);

	[[nodiscard]] cfs::Result<cfs::RefPtr<Req>> own_request(const FormatInfo &info,
								Req::Kind kind) noexcept;
	void own_done(Req &r, cfs::Result<i32> res) noexcept;
	void ping_due() noexcept;
	void arm_ping() noexcept;
	void fail_all(cfs::Errno why, bool all) noexcept;
	void wake_delayed() noexcept;
	void resend_old() noexcept;
	void drop_replay_lists() noexcept;
	[[nodiscard]] Req *next_to_replay() noexcept CFS_REQUIRES(lock);

	using Queue = cfs::List<Req, &Req::in_import>;
	using XidSet = cfs::OrderedSet<Req, &Req::by_xid, Req::ByXid>;
	using TransnoSet = cfs::OrderedMultiSet<Req, &Req::by_transno, Req::ByTransno>;

	Core &core_;
	ImportUser *user_ = nullptr;
	bool reverse_ = false;
	char device_[128] = {};
	UuidText target_, client_uuid_;
	char shown_[wire::UUID_MAX] = {}; ///< the target without _UUID
	ImportSpec spec_;

	std::atomic<ImportState> state_{ImportState::fresh};
	std::atomic<u64> flags_{0}, flags2_{0};
	std::atomic<u32> generation_{1};
	std::atomic<u64> committed_{0};
	std::atomic<bool> replayable_{false};

	Queue delayed_ CFS_GUARDED_BY(lock);
	Queue slot_wait_ CFS_GUARDED_BY(lock);
	Queue active_ CFS_GUARDED_BY(lock);
	XidSet unreplied_ CFS_GUARDED_BY(lock);
	TransnoSet replay_ CFS_GUARDED_BY(lock);
	TransnoSet opens_ CFS_GUARDED_BY(lock); ///< committed, kept for replay
	u64 slot_map_[kSlotsMax / 64] CFS_GUARDED_BY(lock) = {};
	u32 sweep_ CFS_GUARDED_BY(lock) = 0;

	u64 handle_ CFS_GUARDED_BY(lock) = 0; ///< the server's export
	u32 conn_cnt_ CFS_GUARDED_BY(lock) = 0;
	wire::ObdConnectData granted_ CFS_GUARDED_BY(lock){};
	u32 msg_flags_ CFS_GUARDED_BY(lock) = 0;
	lnet::Nid peer_ CFS_GUARDED_BY(lock);
	bool initial_ CFS_GUARDED_BY(lock) = true;    ///< the running connect is initial
	bool had_state_ CFS_GUARDED_BY(lock) = false; ///< the server may hold something of ours
	bool vbr_failed_ CFS_GUARDED_BY(lock) = false;
	bool connected_once_ CFS_GUARDED_BY(lock) = false;
	u32 evictions_ CFS_GUARDED_BY(lock) = 0;
	u32 attempts_ CFS_GUARDED_BY(lock) = 0;

	// The connect that is under way, and when the next one is due.
	cfs::RefPtr<Req> connect_req_ CFS_GUARDED_BY(lock);
	bool connect_done_ CFS_GUARDED_BY(lock) = false;
	cfs::Result<i32> connect_result_ CFS_GUARDED_BY(lock) = 0;
	cfs::Instant next_attempt_ CFS_GUARDED_BY(lock);
	u32 candidate_ CFS_GUARDED_BY(lock) = 0;
	u32 tried_ CFS_GUARDED_BY(lock) = 0;  ///< candidates in this round
	u32 rounds_ CFS_GUARDED_BY(lock) = 0; ///< rounds that failed
	u32 connect_limit_ CFS_GUARDED_BY(lock) = 5;
	cfs::Instant connect_sent_ CFS_GUARDED_BY(lock);
	lnet::Nid announced_ CFS_GUARDED_BY(lock); ///< by the MGS: tried next
	/// What runs there, while a connect is under way that may be answered by another one.
	u32 announced_instance_ CFS_GUARDED_BY(lock) = 0;

	// Recovery.
	ImportState resume_ CFS_GUARDED_BY(lock) = ImportState::full;
	Req::TransnoKey replay_pos_ CFS_GUARDED_BY(lock){};
	bool replaying_opens_ CFS_GUARDED_BY(lock) = false;
	cfs::RefPtr<Req> replay_req_ CFS_GUARDED_BY(lock); ///< being replayed
	bool replay_again_ CFS_GUARDED_BY(lock) = false;   ///< it must go once more
	bool locks_sent_ CFS_GUARDED_BY(lock) = false;
	bool locks_telling_ CFS_GUARDED_BY(lock) = false;
	u32 locks_pending_ CFS_GUARDED_BY(lock) = 0;
	cfs::RefPtr<Req> final_ping_ CFS_GUARDED_BY(lock);
	bool final_ok_ CFS_GUARDED_BY(lock) = false;

	bool started_ CFS_GUARDED_BY(lock) = false;
	bool active_on_ CFS_GUARDED_BY(lock) = true;
	bool lost_news_ CFS_GUARDED_BY(lock) = false; ///< the user is to be told
	bool full_news_ CFS_GUARDED_BY(lock) = false;
	bool told_lost_ CFS_GUARDED_BY(lock) = false; ///< the console was told
	bool closing_ CFS_GUARDED_BY(lock) = false;
	bool goodbye_ CFS_GUARDED_BY(lock) = false; ///< wanted before the close
	bool closed_ CFS_GUARDED_BY(lock) = false;  ///< nothing follows
	cfs::Errno close_why_ CFS_GUARDED_BY(lock){};
	cfs::Instant goodbye_until_ CFS_GUARDED_BY(lock);
	cfs::Result<> goodbye_result_ CFS_GUARDED_BY(lock);

	cfs::Instant last_sent_ CFS_GUARDED_BY(lock), last_reply_ CFS_GUARDED_BY(lock);
	bool pinging_ CFS_GUARDED_BY(lock) = false;
	bool uncommitted_ CFS_GUARDED_BY(lock) = false;
	bool in_table_ = false;

	struct PortalEstimate {
		std::atomic<u32> portal{0};
		Estimate estimate;
	};
	PortalEstimate portals_[kPortals];
	Estimate latency_;

	HistoryEntry history_[kHistory] CFS_GUARDED_BY(lock) = {};
	u32 history_next_ CFS_GUARDED_BY(lock) = 0;

	cfs::WaitQueue waitq_{CFS_LOCK_CLASS("rpc import wait")};
	cfs::Work<ImportImpl, &ImportImpl::step> work_{this};
	ConnectTimer connect_timer_;
	PingTimer ping_timer_;
	Own own_;

	cfs::Mutex conn_lock_{CFS_LOCK_CLASS("rpc import connections")};
	/// Made with the first one: reverse imports have none, and there are many of them.
	cfs::Array<Connection> conns_ CFS_GUARDED_BY(conn_lock_);
	u32 conn_count_ CFS_GUARDED_BY(conn_lock_) = 0;
	cfs_rcu rcu_;
};

} // namespace rpc
