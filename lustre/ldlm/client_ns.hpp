// SPDX-License-Identifier: GPL-2.0
//
// The inside of a client's namespace.
//
// Guards. Until a lock is granted its state belongs to its stripe (one of a few mutexes, by
// handle); its resource may still change. When it is granted, with the stripe and the resource both
// locked, it enters the resource's table, stays with that resource, and the fields marked `res`
// belong to the resource's mutex. Order: stripe > ClientResource::lock > spinlocks of lists and
// hashes. LockUser and ClientLink are called without any of them, but for LockUser::may_drop().
//
// Ends. A granted lock leaves by being marked `canceling` (by one thread: nobody matches it any
// more), LockUser::on_cancel(), leaving table and hash, and then CANCEL. A lock is in by_handle_
// from begin() until it is over; close() waits for that, and when the server is told for the
// workers (working_), whose CANCELs may still be under way: destroy() waits for them without a
// deadline.
#pragma once

#include "ldlm/client.hpp"
#include "libcfs/gate.hpp"
#include "libcfs/hash.hpp"
#include "libcfs/log.hpp"
#include "libcfs/thread.hpp"
#include "lustre/ldlm/node_part.hpp"
#include "lustre/ldlm/resource.hpp"
#include "lustre/ldlm/table.hpp"
#include "wire/rpc.hpp"

namespace ldlm
{

class ClientNs;

class ClientResource final : public ResourceBase<ClientResource>
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LDLM;

	explicit ClientResource(const ResKey &k) noexcept
	    : ResourceBase(k, CFS_LOCK_CLASS("ldlm client resource")), table(k.type, nullptr)
	{
	}
	cfs::HashHook in_table;
	LockTable table CFS_GUARDED_BY(lock); ///< granted locks only
};
using ClientResourcePtr = cfs::RefPtr<ClientResource>;

class ClientLockImpl final : public TableLock,
			     public ClientLock,
			     public cfs::RcuRefCounted<ClientLockImpl>
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LDLM;
	using Base = cfs::RcuRefCounted<ClientLockImpl>;

	enum class State : std::uint8_t {
		sent,	  ///< begin() was called, complete() was not
		waiting,  ///< queued at the server
		granting, ///< what the answer brings about is being done: the user is told, an
			  ///< unlock takes away what it covers
		granted,
		failed, ///< `failure` says why; the user still has to release it
		over,
	};

	ClientLockImpl(ClientNs &n, u64 handle, ClientResourcePtr r) noexcept
	    : ns(n), handle_(handle), res(std::move(r))
	{
	}
	~ClientLockImpl();

	void get() const noexcept override { Base::get(); }
	void put() const noexcept override { Base::put(); }
	[[nodiscard]] u64 handle() const noexcept override { return handle_; }
	[[nodiscard]] u64 remote_handle() const noexcept override
	{
		return remote.load(std::memory_order_relaxed);
	}
	[[nodiscard]] LockDesc desc() const noexcept override;
	[[nodiscard]] ClientNamespace &owner() const noexcept override;
	[[nodiscard]] bool valid() const noexcept override;
	[[nodiscard]] bool wanted_back() const noexcept override;
	[[nodiscard]] void *user_data() const noexcept override
	{
		return data.load(std::memory_order_relaxed);
	}
	void set_user_data(void *p) noexcept override { data.store(p, std::memory_order_relaxed); }

	[[nodiscard]] LockDesc desc_locked() const noexcept
	{
		return {res->key.type, res->key.name, req_mode, granted_mode, policy};
	}
	/// What kind of lock the server has been asked for says how long the use lasts.
	[[nodiscard]] bool is_flock() const noexcept { return res->key.type == LDLM_FLOCK; }

	cfs::HashHook by_handle;
	cfs::ListHook in_lru;	     // lru_lock_
	std::atomic<u32> visited{0}; ///< for_all()
	cfs::ListHook in_todo;	     // todo_lock_: to be cancelled, or its CANCEL to be sent
	cfs::Instant last_used;	     // lru_lock_

	ClientNs &ns;
	const u64 handle_;
	std::atomic<u64> remote{0};
	std::atomic<void *> data{nullptr};
	ClientResourcePtr res;
	State state = State::sent; // stripe
	cfs::Errno failure{};	   // stripe
	/// stripe: a recovery or an eviction went by while it was `sent`, so that the answer may be
	/// one that the server knows nothing of any more.
	bool unsure = false;
	cfs::WaitQueue wait{CFS_LOCK_CLASS("ldlm lock wait")};
	cfs::UniquePtr<FlockPart> flock_part;
	cfs::RefPtr<ClientLockImpl> spare_ref;
	u64 wire_flags = 0;
	wire::LvbType lvb_type{};
	std::size_t lvb_max = 0;
	std::span<const u64> early;

	// res, once granted; the stripe before:
	unsigned uses = 0;
	u64 cancel_bits = 0;	  ///< what the server wants back of it...
	bool full_cancel = false; ///< ...or all of it
	bool canceling = false;	  ///< nobody may begin to use it
	bool lost = false;	  ///< the server does not know it any more
	CancelInfo why;
};
using ClientLockImplPtr = cfs::RefPtr<ClientLockImpl>;

/// What a user's lock is inside.
inline ClientLockImpl &impl(ClientLock &l) noexcept
{
	return static_cast<ClientLockImpl &>(l);
}

struct ClientHandleTraits {
	using Key = u64;
	static const Key &key(const ClientLockImpl &l) noexcept { return l.handle_; }
	static u32 hash(const Key &k) noexcept { return cfs::hash_u64(k); }
};

class ClientNs final : public ClientNamespace
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LDLM;
	using State = ClientLockImpl::State;

	static cfs::Result<cfs::UniquePtr<ClientNs>> make(LdlmNode &node,
							  const ClientSpec &spec) noexcept;
	explicit ClientNs(LdlmNode &node) noexcept : node_(node) {}

	cfs::Result<> close(bool tell_server, cfs::WaitMode mode,
			    cfs::Instant deadline) noexcept override;
	void destroy() noexcept override;

	LockUse match(const MatchSpec &spec) noexcept override;
	cfs::Result<EnqueueResult> enqueue(const EnqueueSpec &spec,
					   cfs::MutBytes lvb) noexcept override;
	cfs::Result<ClientLockPtr> begin(const EnqueueSpec &spec) noexcept override;
	[[nodiscard]] std::size_t request_bytes(ClientLock &lock) noexcept override;
	void pack(ClientLock &lock, cfs::MutBytes dlm_req) noexcept override;
	cfs::Result<EnqueueResult> complete(ClientLock &lock, cfs::Result<int32_t> status,
					    const wire::LdlmReply *rep,
					    cfs::Bytes lvb) noexcept override;
	cfs::Result<> wait(ClientLock &lock, cfs::WaitMode mode) noexcept override;
	LockUse use(ClientLock &lock) noexcept override;
	void unuse(ClientLock &lock) noexcept override;

	void cancel(ClientLock &lock, bool sync) noexcept override;
	std::size_t drop(const DropSpec &spec) noexcept override;
	std::size_t collect(const DropSpec &spec, std::span<u64> handles) noexcept override;
	void cancel_handles(std::span<const u64> handles) noexcept override;
	cfs::Result<> convert(ClientLock &lock, u64 drop_bits) noexcept override;
	std::size_t clear_unused() noexcept override;

	void for_each(LockType type, const ResName &name, LockVisitor &v) noexcept override;
	[[nodiscard]] std::size_t lock_count() const noexcept override { return by_handle_.size(); }
	[[nodiscard]] std::size_t unused_count() const noexcept override
	{
		return unused_.load(std::memory_order_relaxed);
	}
	[[nodiscard]] std::size_t resource_count() const noexcept override
	{
		return resources_.size();
	}
	[[nodiscard]] std::string_view name() const noexcept override { return name_; }

	int32_t callback(u32 opcode, cfs::Bytes first, cfs::Bytes second,
			 CallbackReply &reply) noexcept override;
	void on_reply(u64 slv, u32 limit) noexcept override;
	void on_evicted() noexcept override;
	void give_up_waiting() noexcept override;
	bool replay() noexcept override;

	[[nodiscard]] cfs::Mutex &stripe(const ClientLockImpl &l) noexcept
	{
		return stripes_[cfs::hash_u64(l.handle_) % kStripes].lock;
	}
	void put_resource(ClientResource &r) noexcept { resources_.put(r); }

	// ---- parameters ----

	[[nodiscard]] u64 show_lock_count() noexcept { return lock_count(); }
	[[nodiscard]] u64 show_unused() noexcept { return unused_count(); }
	[[nodiscard]] u64 show_resource_count() noexcept { return resource_count(); }
	void show_lru_size(cfs::FormatSink &out) noexcept;
	cfs::Result<> set_lru_size(std::string_view text) noexcept;
	[[nodiscard]] u64 show_slv() noexcept { return slv_.load(std::memory_order_relaxed); }
	[[nodiscard]] u32 show_limit() noexcept { return limit_.load(std::memory_order_relaxed); }
	void show_max_age(cfs::FormatSink &out) noexcept;
	cfs::Result<> set_max_age(std::string_view text) noexcept;
	std::atomic<u32> cancel_batch_{16};
	std::atomic<u32> lock_volume_factor_{100};
	std::atomic<u64> dirty_age_ns_{10'000'000'000};
	std::atomic<u64> ctime_age_ns_{10'000'000'000};
	std::atomic<u32> recalc_percent_{10};
	std::atomic<bool> early_cancel_{true};

private:
	static constexpr unsigned kStripes = 16;
	static constexpr unsigned kWorkers = 8;
	/// Handles in one CANCEL.
	static constexpr std::size_t kBatch = 64;
	struct Stripe {
		cfs::Mutex lock{CFS_LOCK_CLASS("ldlm client lock")};
	};
	[[nodiscard]] bool server_has(u64 connect_flag) const noexcept
	{
		return (link_->connect_flags() & connect_flag) != 0;
	}

	// client_ns.cpp: objects
	cfs::Result<ClientLockImplPtr> make_lock(const ResKey &key, bool flock_parts) noexcept;
	void forget(ClientLockImpl &l) noexcept;
	/// Takes a granted lock out of its table and forgets it.
	void leave(ClientLockImpl &l) noexcept;
	/// f(ClientLockImpl &) for every lock there is at the time, without any lock held.
	template <typename F>
	void for_all(F f) noexcept;
	/// The namespace ends: a lock that is not in use goes now, another at the end of its use.
	void end_at_close(ClientLockImpl &l) noexcept;
	/// No lock is left nor, when the server is told, a CANCEL without its answer.
	[[nodiscard]] bool all_given_back() noexcept;

	// client_enqueue.cpp
	cfs::Result<> adopt(ClientLockImpl &l, const LockDesc &d) noexcept;
	/// Tells the user, puts the lock into its table, wakes waiters. Stripe not held; the state
	/// is `granting`.
	void grant(ClientLockImpl &l, cfs::Bytes lvb) noexcept;
	void fail_lock(ClientLockImpl &l, cfs::Errno why) noexcept;
	cfs::Result<> check_lvb(const ClientLockImpl &l, cfs::Bytes lvb) noexcept;
	cfs::Result<EnqueueResult> give_up(ClientLockImpl &l, cfs::Errno why) noexcept;
	/// What a reply makes of a lock. Stripe held.
	enum class Fate { keep, wait, grant, drop, refuse, ask_again };
	/// An enqueue's request and room for its value block.
	struct Question {
		cfs::Bytes req;
		cfs::MutBytes lvb;
		cfs::WaitMode mode;
	};
	struct Answer {
		const wire::LdlmReply &rep;
		cfs::Bytes lvb;
	};
	cfs::Result<EnqueueResult> ask(ClientLockImpl &l, const Question &q) noexcept;
	Fate judge_reply(ClientLockImpl &l, const Answer &a, EnqueueResult &out) noexcept;
	/// Registers and forgets the shadows that a flock split and merged. Resource locked.
	void take_shadow_work(Work &work, Work &after) noexcept;
	void forget_shadows(Work &after) noexcept;
	void unlock_shadows(ClientLockImpl &l) noexcept;
	void end_use(ClientLockImpl &l) noexcept;
	/// Takes in an answer of status 0.
	Fate take_reply(ClientLockImpl &l, const Answer &a, EnqueueResult &out) noexcept;
	/// Tells the user what came of it.
	cfs::Result<EnqueueResult> conclude(ClientLockImpl &l, Fate fate,
					    EnqueueResult out) noexcept;

	// client_cancel.cpp
	/// Marks a granted lock as leaving if that is possible now. Resource locked.
	bool start_cancel(ClientLockImpl &l, const CancelInfo &why) noexcept;
	void queue_cancel(ClientLockImpl &l) noexcept;
	void worker() noexcept;
	void work_on(ClientLockImpl &l) noexcept;
	bool try_convert(ClientLockImpl &l) noexcept;
	/// on_cancel() and out; what remains is to send CANCEL.
	void do_cancel(ClientLockImpl &l) noexcept;
	void queue_send(ClientLockImpl &l) noexcept;
	/// The same for a thread that may not wait for the answer.
	void send_later(ClientLockImpl &l) noexcept;
	/// False when the lock is among those already.
	bool make_ready(ClientLockImpl &l) noexcept;
	void send_ready() noexcept;
	std::size_t next_ready(std::span<ClientLockImplPtr> locks) noexcept;
	[[nodiscard]] bool put_back(std::span<ClientLockImplPtr> locks) noexcept;
	[[nodiscard]] bool send_cancel(std::span<const u64> handles) noexcept;
	std::size_t run_cancels(std::span<ClientLockImplPtr> locks, bool tell) noexcept;
	bool matches(const ClientLockImpl &l, const DropSpec &spec) const noexcept;
	std::size_t pick_unused(const DropSpec &spec, CancelReason why,
				std::span<ClientLockImplPtr> out) noexcept;
	void mark_used(const DropSpec &spec) noexcept;
	int32_t send_convert(ClientLockImpl &l, u64 keep) noexcept;

	// client_lru.cpp
	void lru_add(ClientLockImpl &l) noexcept;
	void lru_remove(ClientLockImpl &l) noexcept;
	void recalc_lru() noexcept;
	void trim_work() noexcept { trim_lru(); }
	void trim_lru() noexcept;
	ClientLockImplPtr oldest(cfs::Instant now) noexcept;
	[[nodiscard]] bool too_old(const ClientLockImpl &l, cfs::Instant now) noexcept;
	[[nodiscard]] u64 lru_limit() noexcept;

	// client_callback.cpp
	int32_t blocking(const wire::LdlmRequest &req, u64 handle, u64 remote) noexcept;
	int32_t completion(const wire::LdlmRequest &req, u64 handle, u64 remote,
			   cfs::Bytes lvb) noexcept;
	int32_t glimpsed(u64 handle, cfs::Bytes gl_desc, CallbackReply &reply) noexcept;
	/// Notes what the server wants: the stripe or, when it is granted, its resource is locked.
	void want_back(ClientLockImpl &l, const ResName &name, u64 bits, bool discard) noexcept;

	// client_recovery.cpp
	struct Replay;
	cfs::Result<cfs::Array<ClientLockImplPtr>> all_locks() noexcept;
	void settle(ClientLockImpl &l) noexcept;
	/// What to tell of a lock; false when it is not to be told.
	bool pack_replay(ClientLockImpl &l, cfs::MutBytes buf) noexcept;
	void took_replay(ClientLockImpl &l, u64 remote) noexcept;
	void lose(ClientLockImpl &l) noexcept;
	void drop_before_replay() noexcept;
	bool replay_all(Replay &all, cfs::Array<ClientLockImplPtr> locks) noexcept;
	cfs::Result<> replay_lock(ClientLockImpl &l) noexcept;

	LdlmNode &node_;
	char name_[128] = {};
	LockUser *user_ = nullptr;
	ClientLink *link_ = nullptr;
	cfs::Gate gate_{CFS_S_LDLM, "ldlm client namespace"};
	/// Callbacks of the server go on while the locks are being given back.
	cfs::Gate callbacks_{CFS_S_LDLM, "ldlm client callbacks"};
	std::atomic<bool> tell_server_{true};
	std::atomic<u32> rounds_{0};
	Stripe stripes_[kStripes];

	ResourceTable<ClientResource> resources_{CFS_LOCK_CLASS("ldlm client resources")};
	cfs::HashTable<ClientLockImpl, &ClientLockImpl::by_handle, ClientHandleTraits> by_handle_{
		CFS_LOCK_CLASS("ldlm client handles")};
	cfs::WaitQueue empty_{CFS_LOCK_CLASS("ldlm client end")};

	cfs::SpinLock lru_lock_{CFS_LOCK_CLASS("ldlm lru")};
	cfs::List<ClientLockImpl, &ClientLockImpl::in_lru> lru_ CFS_GUARDED_BY(lru_lock_);
	std::atomic<std::size_t> unused_{0};
	std::atomic<u32> lru_size_{0};
	std::atomic<u64> max_age_ns_{600'000'000'000};
	std::atomic<u64> slv_{0};
	std::atomic<u32> limit_{0};

	cfs::SpinLock todo_lock_{CFS_LOCK_CLASS("ldlm cancels")};
	using Todo = cfs::List<ClientLockImpl, &ClientLockImpl::in_todo>;
	Todo todo_ CFS_GUARDED_BY(todo_lock_);	///< to be given back
	Todo ready_ CFS_GUARDED_BY(todo_lock_); ///< only the CANCEL is missing
	unsigned senders_ CFS_GUARDED_BY(todo_lock_) = 0;
	unsigned working_ CFS_GUARDED_BY(todo_lock_) = 0; ///< workers that are at a lock
	bool closing_ CFS_GUARDED_BY(todo_lock_) = false;

	struct Worker {
		explicit Worker() noexcept = default;
		ClientNs *ns = nullptr;
		void run() noexcept { ns->worker(); }
		cfs::Work<Worker, &Worker::run> work{this};
	};
	Worker workers_[kWorkers];
	std::atomic<unsigned> next_worker_{0};
	cfs::Work<ClientNs, &ClientNs::send_ready> sender_{this};
	cfs::Timer<ClientNs, &ClientNs::send_ready> sender_timer_{this};
	cfs::Work<ClientNs, &ClientNs::trim_work> trim_{this};
	cfs::Timer<ClientNs, &ClientNs::recalc_lru> lru_timer_{this};

	cfs::ParamGroup params_;
	cfs::ParamGroup pool_params_;
};

} // namespace ldlm
