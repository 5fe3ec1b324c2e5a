// SPDX-License-Identifier: GPL-2.0
//
// A request of the client side; rpc/request.hpp has the contract.
//
// Phases. A request is `fresh` until it is sent. Then it belongs to its import (which holds a
// reference) and is in one of the import's lists until it is `complete`:
//
//     slot_wait   waits for a modify slot
//     delayed     waits for the import's state to allow it (again)
//     sending     one thread composes it and hands it to LNet
//     sent        LNet has it; a reply, its deadline, the network or the import end this
//     ending      its memory descriptors are being taken back; what comes next is in after_
//     pausing     answered -EINPROGRESS; goes again later
//     complete
//
// The import's lock protects phase and lists. The message and the reply buffer are touched only
// while LNet has no descriptor of them (mds_ == 0), by whoever moved the phase to sending or saw
// the last descriptor go in `ending`.
//
// Each descriptor holds a reference until its last event. The timer holds one while it is armed,
// the work item while it is queued, the import's replay list while it is in it.
#pragma once

#include "lustre/rpc/core.hpp"

namespace rpc
{

class ImportImpl;

class Req final : public ClientRequest, private lnet::EventHandler, private TimerEntry
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_RPC;

	/// What kind of message it is beside its opcode.
	enum class Kind : u8 { normal, connect, disconnect, ping, final_ping };
	enum class Phase : u8 {
		fresh,
		slot_wait,
		delayed,
		sending,
		sent,
		ending,
		pausing,
		complete
	};

	[[nodiscard]] static cfs::Result<cfs::RefPtr<Req>> make(ImportImpl &imp,
								const FormatInfo &info,
								std::size_t request_bytes,
								std::size_t reply_bytes) noexcept;

	// ---- ClientRequest ----
	void send(RequestUser &user) noexcept override;
	cfs::Result<i32> send_wait(cfs::WaitMode mode, RequestUser *user) noexcept override;
	void interrupt() noexcept override;
	void drop_replay() noexcept override;
	Import &import() noexcept override;
	wire::Xid xid() const noexcept override { return wire::Xid{xid_}; }
	wire::Transno transno() const noexcept override { return transno_; }
	u32 bulk_bytes() const noexcept override
	{
		return bulk_bytes_.load(std::memory_order_relaxed);
	}
	cfs::Duration elapsed() const noexcept override { return finished_ - first_sent_; }
	void destroy() noexcept override;

	// ---- for its import; all under the import's lock unless they say otherwise ----
	/// It may go on: from delayed or slot_wait. Queues work.
	void release() noexcept;
	/// Ends what is in flight, to be sent again or failed. Without the lock.
	void take_back(bool resend, cfs::Errno why) noexcept;
	/// Begins its replay; it is complete and in a replay list. Without the lock.
	void replay() noexcept;

	/// Which of the import's lists it is in.
	enum class Home : u8 { none, delayed, slot_wait, active };
	cfs::ListHook in_import;
	Home home = Home::none;
	cfs::SetHook by_xid;
	cfs::SetHook by_transno;
	Kind kind = Kind::normal;
	Phase phase = Phase::fresh;
	bool resend = false;	///< was sent before
	bool replaying = false; ///< is being replayed
	bool dropped = false;	///< drop_replay() was called
	u32 generation = 0;	///< of the import, when it was sent first
	u32 conn_cnt = 0;	///< of the import, when it was sent last
	u16 tag = 0;		///< modify slot, 0: none
	u64 xid_ = 0;
	wire::Transno transno_{};
	u32 sweep = 0;	      ///< the import's last walk that saw it
	bool counted = false; ///< among the lock replays that are awaited

	struct ByXid {
		bool operator()(const Req &a, const Req &b) const noexcept
		{
			return a.xid_ < b.xid_;
		}
	};
	struct TransnoKey {
		u64 transno, xid;
	};
	struct ByTransno {
		static TransnoKey key(const Req &r) noexcept
		{
			return {static_cast<u64>(r.transno_), r.xid_};
		}
		static TransnoKey key(const TransnoKey &k) noexcept { return k; }
		bool operator()(const auto &a, const auto &b) const noexcept
		{
			auto x = key(a), y = key(b);
			return x.transno != y.transno ? x.transno < y.transno : x.xid < y.xid;
		}
	};

	Req(ImportImpl &imp, const FormatInfo &info) noexcept;

private:
	friend class ImportImpl;
	/// What the user is to be told by run(), in this order.
	enum Todo : u8 {
		kTransmit = 1 << 0,
		kComplete = 1 << 1,
		kCommitted = 1 << 2,
		kGone = 1 << 3,
		kSettle = 1 << 4, ///< it may not go: fails with end_error_
	};
	static constexpr unsigned kNews = kCommitted | kGone;
	/// A reply buffer. Earlier ones stay while the request lives: somebody may still read them.
	struct ReplyRoom {
		ReplyRoom *before;
		std::size_t bytes; ///< of the whole
		[[nodiscard]] std::byte *data() noexcept
		{
			return reinterpret_cast<std::byte *>(this + 1);
		}
		[[nodiscard]] std::size_t room() const noexcept { return bytes - sizeof(*this); }
	};
	static_assert(sizeof(ReplyRoom) % 16 == 0);
	/// What send_now() needs of the import, taken under its lock.
	struct Ticket {
		lnet::ProcessId peer;
		u64 handle;
		u64 last_xid;
		u64 mbits; ///< last bulk match bits and reply bits; 0: none
		u64 reply_bits;
		u32 msg_flags;	  ///< MSGHDR_*
		u32 conn_cnt;	  ///< pb_conn_cnt
		u16 tag;	  ///< pb_tag
		u32 timeout;	  ///< pb_timeout
		u32 wait;	  ///< seconds until the deadline
		u32 service_time; ///< pb_service_time
		wire::Portal request_portal, reply_portal;
		bool jobstats;
	};

	// EventHandler, TimerEntry
	void on_event(const lnet::Event &ev) noexcept override;
	void on_timer() noexcept override;
	void on_timer_get() noexcept override { get(); }
	void on_timer_put() noexcept override { put(); }

	void begin(RequestUser *user, bool sync) noexcept;
	void queue(unsigned todo) noexcept;
	/// Out of the lists for replay: the user may go, but not before a replay on its way is
	/// done. Under the import's lock.
	void leave_user(unsigned todo) noexcept;
	void news_told() noexcept;
	void run() noexcept;
	void tell_user(unsigned todo) noexcept;

	void send_now() noexcept;
	void compose(const Ticket &t) noexcept;
	[[nodiscard]] cfs::Result<> post(const Ticket &t) noexcept;
	[[nodiscard]] cfs::Result<> post_reply(const Ticket &t) noexcept;
	[[nodiscard]] cfs::Result<> post_bulk(const Ticket &t) noexcept;
	void new_reply_room(std::size_t bytes) noexcept;

	void on_reply(const lnet::Event &ev) noexcept;
	void on_early_reply(const lnet::Event &ev) noexcept;
	void on_bulk(const lnet::Event &ev, unsigned n) noexcept;
	void on_request_sent(const lnet::Event &ev) noexcept;
	void descriptor_gone() noexcept;
	void lost(cfs::Errno why, const char *what) noexcept;

	void ended() noexcept;
	void finish() noexcept;
	void settle(cfs::Result<i32> r) noexcept;
	[[nodiscard]] i32 peek_status() noexcept;

	ImportImpl &imp_;
	RequestUser *user_ = nullptr;
	cfs::Work<Req, &Req::run> work_{this};
	cfs::Completion done_{CFS_LOCK_CLASS("rpc request done")};
	std::atomic<unsigned> todo_{0};
	u32 pid_ = 0;

	// The import's lock.
	bool sync_ = false;
	bool after_resend_ = false; ///< ending: what comes next
	cfs::Errno end_error_{};
	bool abort_ = false; ///< taken back while it was being sent
	u32 mds_ = 0;	     ///< descriptors LNet has
	u32 bulk_left_ = 0;  ///< of them for bulk, with no operation yet
	lnet::MdHandle reply_md_;
	bool got_reply_ = false;
	bool truncated_ = false;
	bool bulk_failed_ = false;
	u32 reply_offset_ = 0, reply_length_ = 0;
	bool in_replay_ = false;    ///< in the import's replay list
	bool in_committed_ = false; ///< in the import's list of committed opens
	u8 replays_ = 0;	    ///< replays on their way, the last call of the user included
	bool gone_ = false;	    ///< kGone is owed when they are done
	bool finished_once_ = false;
	bool new_xid_ = false; ///< the next sending takes another XID

	cfs::Result<i32> result_ = 0;
	cfs::Instant first_sent_, sent_, finished_;
	cfs::Instant deadline_;
	u64 bits_ = 0; ///< what mbits was drawn from in the last sending
	u32 latency_ = 0;
	u32 msg_flags_ = 0;
	u32 inprogress_ = 0; ///< times it was answered -EINPROGRESS
	wire::Portal request_portal_used_{};
	std::size_t reply_expected_ = 0;
	std::size_t room_bytes_ = 0;
	ReplyRoom *rooms_ = nullptr;
	cfs::Array<lnet::MdHandle> bulk_mds_;
	std::atomic<u32> bulk_bytes_{0};
	u32 early_count_ = 0;
};

} // namespace rpc
