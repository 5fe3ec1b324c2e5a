// SPDX-License-Identifier: GPL-2.0
//
// Services and the requests they receive; rpc/service.hpp has the contract.
//
// A request's way: LNet puts it into a posted buffer and tells on_event(), which makes a ServerReq
// and queues it with its partition. A thread of the partition checks it (its export, duplicates,
// recovery: prepare()), queues it by urgency, and runs what is most urgent. Of three threads or
// more one is kept from any work, so that what comes in is always looked at, and a further one from
// ordinary work, so that what others wait for (cancels, pings) always finds one.
#pragma once

#include "libcfs/stats.hpp"
#include "lustre/rpc/export_impl.hpp"

namespace rpc
{

/// Memory that requests are received into. Freed, or posted again, when LNet and all requests in it
/// are through.
struct ReceiveBuffer final : cfs::RefCounted<ReceiveBuffer> {
	static constexpr cfs_subsys kSubsys = CFS_S_RPC;
	ServiceImpl *service = nullptr;
	cfs::ListHook in_service; ///< posted ones; the service's lock
	std::byte *memory = nullptr;
	std::size_t bytes = 0;
	u32 portal = 0;
	lnet::MdHandle md;
	void destroy() noexcept;
};

class ServerReq final : public ServerRequest, private lnet::EventHandler, private TimerEntry
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_RPC;

	// ---- ServerRequest ----
	cfs::Instant deadline() noexcept override;
	void stop_early_replies() noexcept override;
	cfs::Result<MutBytes> reply_room(std::size_t bytes) noexcept override;
	void hold_until_ack(ReplyHold &hold) noexcept override;
	cfs::Result<> bulk_put(const BulkDesc &bulk, u32 md_limit) noexcept override;
	cfs::Result<> bulk_get(const BulkDesc &bulk, u32 md_limit) noexcept override;
	void execute() noexcept override;
	void refuse(cfs::Errno why) noexcept override;
	void destroy() noexcept override;

	// ---- for its service ----
	/// Checks it. False: it is not to be handled; whatever answer it gets has been given.
	[[nodiscard]] bool prepare() noexcept;
	[[nodiscard]] bool urgent() noexcept;
	/// A resent copy came: the reply goes to the copy's match bits, by the copy's deadline.
	void take_over(const ServerReq &copy) noexcept;
	/// Its holds are released.
	void release_holds() noexcept;
	/// Likewise in a thread of rpc's; takes over a reference. Does not sleep.
	void queue_release() noexcept;
	/// One of its holds, taken away from it; null when there is none.
	[[nodiscard]] ReplyHold *take_hold() noexcept;
	[[nodiscard]] bool holding() noexcept;
	/// A connect: whose reply this is.
	void answer_for(const cfs::RefPtr<ExportImpl> &e) noexcept;
	[[nodiscard]] Core &core() noexcept;
	[[nodiscard]] u32 message_flags() const noexcept { return message_->header().flags; }

	cfs::ListHook in_queue;
	cfs::SetHook in_active;
	cfs::ListHook in_held;
	bool is_active = false; ///< in_active is linked; the export's lock
	bool is_held = false;	///< in_held is linked; the export's lock
	std::atomic<bool> obsolete{false};

	struct ByXid {
		bool operator()(const ServerReq &a, const ServerReq &b) const noexcept
		{
			return a.xid_ < b.xid_;
		}
	};

	ServerReq(ServiceImpl &s, const lnet::Event &ev, cfs::RefPtr<ReceiveBuffer> b) noexcept;

private:
	friend class ServiceImpl;
	friend class TargetImpl;
	friend class ExportImpl;

	struct BulkRun;
	struct BulkPlace;
	struct EarlyReply;

	void on_event(const lnet::Event &ev) noexcept override;
	void on_timer() noexcept override { send_early_reply(); }
	void on_timer_get() noexcept override { get(); }
	void on_timer_put() noexcept override { put(); }

	[[nodiscard]] bool find_peer_state() noexcept;
	[[nodiscard]] bool drop() noexcept;
	[[nodiscard]] bool check_export() noexcept;
	[[nodiscard]] bool check_recovery() noexcept;
	[[nodiscard]] bool check_duplicate() noexcept;
	void find_handler() noexcept;
	[[nodiscard]] cfs::Result<> run_handler() noexcept;
	[[nodiscard]] cfs::Result<> run_common() noexcept;
	void arm_early() noexcept;
	void send_early_reply() noexcept;
	void finish(cfs::Result<> r) noexcept;
	void send_reply(i32 status, bool error) noexcept;
	[[nodiscard]] u64 reply_bits() noexcept;
	void done() noexcept;
	void free_reply() noexcept;
	void run_release() noexcept
	{
		release_holds();
		put();
	}
	[[nodiscard]] cfs::Result<> move_bulk(const BulkDesc &bulk, u32 md_limit,
					      bool to_client) noexcept;
	[[nodiscard]] bool given_up() noexcept;
	[[nodiscard]] cfs::Result<> try_bulk(const BulkDesc &bulk, const BulkPlace &at,
					     bool to_client) noexcept;
	[[nodiscard]] cfs::Result<> run_bulk(BulkRun &run, const BulkDesc &bulk, u64 first,
					     u32 count, bool to_client) noexcept;
	[[nodiscard]] cfs::Result<> wait_bulk(BulkRun &run) noexcept;

	ServiceImpl &service_;
	cfs::RefPtr<ReceiveBuffer> buffer_;
	Bytes raw_;
	const Handler *handler_ = nullptr;
	void *handler_object_ = nullptr;
	cfs::Gate::Pass pass_;	     ///< of the target
	u32 request_cnt_ = 0;	     ///< conn_cnt it came with
	std::atomic<u32> copies_{0}; ///< that it took over from; written under the export's lock

	cfs::SpinLock lock_{CFS_LOCK_CLASS("rpc server request")};
	cfs::Instant deadline_ CFS_GUARDED_BY(lock_);
	u64 mbits_ CFS_GUARDED_BY(lock_) = 0;
	bool early_off_ CFS_GUARDED_BY(lock_) = false;
	bool replied_ CFS_GUARDED_BY(lock_) = false;
	bool reply_sent_ CFS_GUARDED_BY(lock_) = false;
	bool at_ = false;
	bool dropped_ = false;
	bool bulk_lost_ = false;
	ReplyHold *holds_[kHoldsMax] CFS_GUARDED_BY(lock_) = {};
	u32 hold_count_ CFS_GUARDED_BY(lock_) = 0;
	std::byte *reply_memory_ = nullptr;
	std::size_t reply_bytes_ = 0;
	lnet::MdHandle reply_md_;
	u32 early_count_ = 0;
	u64 history_seq_ = 0;
	cfs::Instant started_;
	cfs::Work<ServerReq, &ServerReq::run_release> release_work_{this};
};

/// A request as the file req_history remembers it.
struct HistoryRecord {
	u64 seq = 0; ///< 0: free
	lnet::Nid self;
	lnet::ProcessId source;
	u64 xid = 0;
	u32 length = 0;
	u32 opcode = 0;
	i32 status = 0;
	std::int64_t arrival = 0; ///< seconds since 1970
	u32 took_ms = 0;
	u32 limit = 0; ///< seconds
	bool complete = false;
};

class ServiceImpl final : public Service, private lnet::EventHandler
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_RPC;
	static constexpr u32 kPartsMax = 64;
	static constexpr u32 kThreadsMax = 512;
	static constexpr u32 kHistory = 256;
	static constexpr u32 kBuffersPosted = 4;   ///< by portal, at least
	static constexpr u32 kBuffersMax = 1024;   ///< in all
	static constexpr u32 kQueueMax = 1u << 20; ///< requests received and not handled

	[[nodiscard]] static cfs::Result<ServiceImpl *> make(Core &core,
							     const ServiceSpec &s) noexcept;

	// ---- Service ----
	void stop() noexcept override;
	u32 threads() noexcept override;
	u64 received() noexcept override { return received_.load(std::memory_order_relaxed); }
	u32 queued() noexcept override;
	void show_history(cfs::FormatSink &out) noexcept override;
	void show_timeouts(cfs::FormatSink &out) noexcept override;

	// ---- for its requests ----
	[[nodiscard]] Core &core() noexcept { return core_; }
	[[nodiscard]] const ServiceSpec &spec() const noexcept { return spec_; }
	[[nodiscard]] const char *name() const noexcept { return name_; }
	[[nodiscard]] Estimate &estimate() noexcept { return estimate_; }
	[[nodiscard]] const Handler *find_handler(wire::Opcode op) const noexcept;
	void note_handled(ServerReq &r, cfs::Duration took, i32 status) noexcept;
	void request_gone() noexcept;
	void buffer_free(ReceiveBuffer &b) noexcept;

	// ---- parameters ----
	[[nodiscard]] u32 show_threads_min() noexcept;
	[[nodiscard]] u32 show_threads_max() noexcept;
	[[nodiscard]] cfs::Result<> set_threads_min(u32 n) noexcept;
	[[nodiscard]] cfs::Result<> set_threads_max(u32 n) noexcept;
	cfs::Stats stats_;

	cfs::ListHook in_core;

	explicit ServiceImpl(Core &core) noexcept : core_(core) {}
	void destroy() noexcept;

private:
	struct Part;
	/// A thread of a partition.
	struct Worker {
		static constexpr cfs_subsys kSubsys = CFS_S_RPC;
		Part *part = nullptr;
		cfs::Thread thread;
		cfs::ListHook in_part;
		cfs::ListHook in_asleep;
		cfs::WaitQueue waitq{CFS_LOCK_CLASS("rpc service worker wait")};
		bool called = false; ///< it is to look, and counted among p.looking
		bool exited = false;
		void run() noexcept;
	};
	struct Part {
		ServiceImpl *service = nullptr;
		u32 index = 0;
		cfs::SpinLock lock{CFS_LOCK_CLASS("rpc service part")};
		cfs::WaitQueue waitq{CFS_LOCK_CLASS("rpc service part wait")}; ///< stop()
		cfs::List<ServerReq, &ServerReq::in_queue> incoming CFS_GUARDED_BY(lock);
		cfs::List<ServerReq, &ServerReq::in_queue> urgent CFS_GUARDED_BY(lock);
		cfs::List<ServerReq, &ServerReq::in_queue> normal CFS_GUARDED_BY(lock);
		u32 threads CFS_GUARDED_BY(lock) = 0;
		u32 busy CFS_GUARDED_BY(lock) = 0;	  ///< handling
		u32 busy_normal CFS_GUARDED_BY(lock) = 0; ///< handling what is not urgent
		/// Neither asleep nor at work: they look at the queues before they sleep, so that
		/// nobody need be called for what comes in.
		u32 looking CFS_GUARDED_BY(lock) = 0;
		u32 next_number CFS_GUARDED_BY(lock) = 0;
		bool starting CFS_GUARDED_BY(lock) = false;
		bool cannot_grow CFS_GUARDED_BY(lock) = false; ///< no memory for a thread
		bool stopping CFS_GUARDED_BY(lock) = false;
		cfs::List<Worker, &Worker::in_part> workers CFS_GUARDED_BY(lock);
		/// Whoever fell asleep last is called first: its caches are warm, and those that
		/// are not needed sleep long enough to end.
		cfs::List<Worker, &Worker::in_asleep> asleep CFS_GUARDED_BY(lock);
	};

	void on_event(const lnet::Event &ev) noexcept override;
	[[nodiscard]] cfs::Result<> init(const ServiceSpec &s) noexcept;
	[[nodiscard]] cfs::Result<> open_params() noexcept;
	[[nodiscard]] cfs::Result<> post_buffer(u32 portal) noexcept;
	[[nodiscard]] cfs::Result<> attach(ReceiveBuffer &b) noexcept;
	void refill() noexcept;
	[[nodiscard]] cfs::Result<> start_worker(Part &p) noexcept;
	void reap(Part &p) noexcept;
	void work(Worker &w) noexcept;
	[[nodiscard]] bool can_take(Part &p) const noexcept CFS_REQUIRES(p.lock);
	[[nodiscard]] bool wants_thread(Part &p) const noexcept CFS_REQUIRES(p.lock);
	[[nodiscard]] bool something(Part &p) const noexcept CFS_REQUIRES(p.lock);
	[[nodiscard]] bool drained(Part &p) const noexcept CFS_REQUIRES(p.lock);
	void call_one(Part &p) noexcept CFS_REQUIRES(p.lock);
	void call_if_needed(Part &p) noexcept CFS_REQUIRES(p.lock);
	void leave(Part &p) noexcept CFS_REQUIRES(p.lock);
	[[nodiscard]] bool sleep(Part &p, Worker &w) noexcept CFS_REQUIRES(p.lock);
	void grow(Part &p) noexcept;
	[[nodiscard]] bool do_incoming(Part &p) noexcept;
	[[nodiscard]] bool do_one(Part &p) noexcept;
	[[nodiscard]] u32 min_per_part() const noexcept;
	[[nodiscard]] u32 max_per_part() const noexcept;
	void remember(ServerReq &r) noexcept;

	Core &core_;
	ServiceSpec spec_;
	char name_[32] = {};
	char thread_name_[16] = {};
	cfs::Array<Part> parts_;
	std::atomic<u32> threads_min_{1}, threads_max_{1};
	Estimate estimate_;
	std::atomic<u64> received_{0};
	std::atomic<u64> requests_{0}; ///< that live
	std::atomic<u64> no_memory_{0};
	std::atomic<u32> waiting_{0};

	cfs::SpinLock lock_{CFS_LOCK_CLASS("rpc service buffers")};
	cfs::WaitQueue waitq_{CFS_LOCK_CLASS("rpc service wait")};
	cfs::List<ReceiveBuffer, &ReceiveBuffer::in_service> posted_ CFS_GUARDED_BY(lock_);
	u32 posted_by_[2] CFS_GUARDED_BY(lock_) = {};
	u32 buffers_ CFS_GUARDED_BY(lock_) = 0;
	bool stopping_ CFS_GUARDED_BY(lock_) = false;
	std::atomic<bool> short_{false}; ///< buffers are to be posted
	cfs::Work<ServiceImpl, &ServiceImpl::refill> refill_work_{this};

	cfs::SpinLock history_lock_{CFS_LOCK_CLASS("rpc service history")};
	cfs::Array<HistoryRecord> history_ CFS_GUARDED_BY(history_lock_);
	u64 history_seq_ CFS_GUARDED_BY(history_lock_) = 0;
	cfs::ParamGroup params_;
};

} // namespace rpc
