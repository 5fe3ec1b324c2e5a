// SPDX-License-Identifier: GPL-2.0
//
// The inside of a target's namespace: resources, locks, peers, callbacks on their way, timers.
//
// Locks of this code, in the order they are taken:
//     flock_lock_ (namespace)  >  Resource::lvb_lock  >  Resource::lock  >  PeerImpl::lock,
//     ast_lock_, timer_lock_, stripes of the hash tables (spinlocks; one at a time).
// Calls out are made without any of them, except LvbSource under lvb_lock.
//
// A lock object is *registered* (in the hashes, in its peer's list, a user of its resource) from
// its making until end_lock() or forget(); `dead` is set under Resource::lock exactly once.
// References to it may last longer.
//
// Callbacks are never lost for want of memory: what a lock owes its holder are flags in the lock
// (bl_due, cp_due), and a lock that owes something is in the namespace's queue until the message
// has been made and sent.
#pragma once

#include "ldlm/server.hpp"
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

class ServerNs;
class ServerLockImpl;
class PeerImpl;
class Resource;

/// Counters of exports/NID/ldlm_stats.
enum PeerStat : unsigned {
	kPeerEnqueue,
	kPeerConvert,
	kPeerCancel,
	kPeerBlCallback,
	kPeerCpCallback,
	kPeerGlCallback,
	kPeerStats
};

/// What is locked.
class Resource final : public ResourceBase<Resource>
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LDLM;

	Resource(const ResKey &k, FlockGraph *graph) noexcept
	    : ResourceBase(k, CFS_LOCK_CLASS("ldlm resource")), table(k.type, graph)
	{
	}

	cfs::HashHook in_table;
	cfs::ListHook in_recovery; // the namespace's recovery_lock_
	LockTable table CFS_GUARDED_BY(lock);
	u32 conflicts CFS_GUARDED_BY(lock) = 0;	     ///< in the present contention window
	cfs::Instant window CFS_GUARDED_BY(lock);    ///< its end
	cfs::Instant contended CFS_GUARDED_BY(lock); ///< until when
	/// Local requests wait here.
	cfs::WaitQueue granted_wait{CFS_LOCK_CLASS("ldlm local wait")};

	cfs::Mutex lvb_lock{CFS_LOCK_CLASS("ldlm lvb")};
	bool lvb_loaded CFS_GUARDED_BY(lvb_lock) = false;
	std::byte lvb[sizeof(wire::OstLvb)] CFS_GUARDED_BY(lvb_lock) = {};
};
using ResourcePtr = cfs::RefPtr<Resource>;

/// A lock on a server. What it owes (cp_due, bl_due) and `dead` are guarded by the resource's lock.
class ServerLockImpl final : public TableLock,
			     public ServerLock,
			     public cfs::RcuRefCounted<ServerLockImpl>
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LDLM;
	using Base = cfs::RcuRefCounted<ServerLockImpl>;

	ServerLockImpl(ServerNs &n, u64 handle, ResourcePtr r) noexcept
	    : ns(n), handle_(handle), res(std::move(r))
	{
	}
	~ServerLockImpl();

	void get() const noexcept override { Base::get(); }
	void put() const noexcept override { Base::put(); }
	[[nodiscard]] u64 handle() const noexcept override { return handle_; }
	[[nodiscard]] u64 remote_handle() const noexcept override { return client_handle; }
	[[nodiscard]] LockDesc desc() const noexcept override;
	[[nodiscard]] PeerPtr peer() const noexcept override;
	[[nodiscard]] bool granted() const noexcept override;
	/// With Resource::lock held.
	[[nodiscard]] LockDesc desc_locked() const noexcept
	{
		return {res->key.type, res->key.name, req_mode, granted_mode, policy};
	}

	cfs::HashHook by_handle;
	cfs::HashHook by_client;
	cfs::ListHook in_peer;	  // PeerImpl's lock
	cfs::ListHook in_pending; // ast_lock_
	cfs::SetHook in_timers;	  // timer_lock_
	cfs::Instant expires;	  // timer_lock_

	ServerNs &ns;
	const u64 handle_;
	u64 client_handle = 0; ///< set before it is in by_client
	ResourcePtr res;
	cfs::RefPtr<PeerImpl> owner; ///< set before it is seen, or by hand_over() under lock
	LocalUser *user = nullptr;
	cfs::UniquePtr<FlockPart> flock_part;
	cfs::RefPtr<ServerLockImpl> spare_ref; ///< keeps FlockPart::spare
	std::atomic<bool> registered{false};
	bool dead = false;
	bool replying = false; ///< its enqueue has not been answered: the answer will tell
	bool cp_due = false;
	bool bl_due = false;
	bool no_timer = false;		///< GROUP, or of another MDT
	bool destroying = false;	///< LocalSpec::destroying
	bool cancelled_request = false; ///< flock: an unlock took it back while it waited
};
using LockPtr = cfs::RefPtr<ServerLockImpl>;

struct HandleTraits {
	using Key = u64;
	static const Key &key(const ServerLockImpl &l) noexcept { return l.handle_; }
	static u32 hash(const Key &k) noexcept { return cfs::hash_u64(k); }
};
/// A lock as its client calls it.
struct ClientKey {
	u64 peer;
	u64 handle;
	bool operator==(const ClientKey &) const = default;
};
struct ClientTraits {
	using Key = ClientKey;
	static Key key(const ServerLockImpl &l) noexcept { return {l.holder, l.client_handle}; }
	static u32 hash(const Key &k) noexcept
	{
		return cfs::hash_add(cfs::hash_u64(k.handle), k.peer);
	}
};

class PeerImpl final : public Peer, public cfs::RefCounted<PeerImpl>
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LDLM;
	using Base = cfs::RefCounted<PeerImpl>;

	PeerImpl(u64 id, PeerLink &link) noexcept : id_(id), link_(link) {}

	void get() const noexcept override { Base::get(); }
	void put() const noexcept override { Base::put(); }
	[[nodiscard]] PeerLink &link() noexcept override { return link_; }
	[[nodiscard]] std::size_t lock_count() const noexcept override
	{
		return count_.load(std::memory_order_relaxed);
	}
	cfs::Stats &stats() noexcept override { return stats_; }
	[[nodiscard]] u64 id() const noexcept { return id_; }
	[[nodiscard]] bool has(u64 connect_flag) const noexcept
	{
		return (link_.connect_flags() & connect_flag) != 0;
	}

	/// Puts a lock into the list; false when the client has gone.
	bool add(ServerLockImpl &l) noexcept;
	void remove(ServerLockImpl &l) noexcept;
	/// Refuses further locks.
	void leave() noexcept;
	[[nodiscard]] bool gone() noexcept;
	/// One of its locks, or null.
	LockPtr any() noexcept;
	/// Asks for its eviction, once.
	void evict(std::string_view what) noexcept;

	/// Callbacks on their way.
	cfs::Gate asts{CFS_S_LDLM, "ldlm callbacks"};

private:
	friend class ServerNs;

	u64 id_;
	PeerLink &link_;
	cfs::SpinLock lock_{CFS_LOCK_CLASS("ldlm peer")};
	cfs::List<ServerLockImpl, &ServerLockImpl::in_peer> locks_ CFS_GUARDED_BY(lock_);
	bool gone_ CFS_GUARDED_BY(lock_) = false;
	std::atomic<bool> evicted_{false};
	std::atomic<std::size_t> count_{0};
	cfs::Stats stats_;
};

/// Waits for the answers of a batch of glimpses.
struct GlimpseBatch {
	cfs::SpinLock lock{CFS_LOCK_CLASS("ldlm glimpse")};
	cfs::WaitQueue wait{CFS_LOCK_CLASS("ldlm glimpse wait")};
	unsigned running CFS_GUARDED_BY(lock) = 0;
	bool failed CFS_GUARDED_BY(lock) = false; ///< somebody could not be asked

	void fail() noexcept
	{
		cfs::SpinGuard g(lock);
		failed = true;
	}
	void one_done() noexcept
	{
		cfs::SpinGuard g(lock);
		running--;
		wait.wake_all();
	}
};

/// One callback on its way.
class AstMsg final : public Ast
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LDLM;

	AstMsg(u32 opcode, LockPtr lock, cfs::RefPtr<PeerImpl> peer, cfs::Gate::Pass pass) noexcept
	    : opcode_(opcode), lock_(std::move(lock)), peer_(std::move(peer)),
	      pass_(std::move(pass))
	{
	}

	[[nodiscard]] u32 opcode() const noexcept override { return opcode_; }
	[[nodiscard]] cfs::Bytes dlm_req() const noexcept override { return req_; }
	[[nodiscard]] bool has_second() const noexcept override { return has_second_; }
	[[nodiscard]] cfs::Bytes second() const noexcept override
	{
		return cfs::Bytes(second_).first(second_bytes_);
	}
	[[nodiscard]] std::size_t reply_lvb_max() const noexcept override { return reply_lvb_; }
	void done(AstEnd end, int32_t status, cfs::Bytes lvb) noexcept override;

	/// Writes the DLM_REQ.
	void fill(const LockDesc &desc, u64 flags) noexcept;

private:
	friend class ServerNs;

	u32 opcode_;
	LockPtr lock_;
	cfs::RefPtr<PeerImpl> peer_;
	cfs::Gate::Pass pass_;
	GlimpseBatch *batch_ = nullptr;
	bool has_second_ = false;
	std::size_t second_bytes_ = 0;
	std::size_t reply_lvb_ = 0;
	std::byte req_[dlm_request_bytes(2)] = {};
	std::byte second_[sizeof(wire::LdlmGlDesc)] = {};
};
static_assert(sizeof(wire::LdlmGlDesc) >= sizeof(wire::OstLvb));

class ServerNs final : public ServerNamespace
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LDLM;

	static cfs::Result<cfs::UniquePtr<ServerNs>> make(LdlmNode &node,
							  const ServerSpec &spec) noexcept;
	explicit ServerNs(LdlmNode &node) noexcept : node_(node) {}

	cfs::Result<> close(cfs::WaitMode mode, cfs::Instant deadline) noexcept override;
	void destroy() noexcept override;

	cfs::Result<PeerPtr> attach(PeerLink &link) noexcept override;
	void detach(Peer &peer) noexcept override;

	void enqueue(Peer &peer, const EnqueueCall &call, IntentPolicy *intent,
		     EnqueueAnswer &answer) noexcept override;
	int32_t convert(Peer &peer, cfs::Bytes dlm_req, wire::LdlmReply &rep) noexcept override;
	int32_t cancel(Peer &peer, cfs::Bytes dlm_req) noexcept override;
	void cancel_early(Peer &peer, cfs::Bytes dlm_req, unsigned first) noexcept override;

	cfs::Result<LocalLock> lock(const LocalSpec &spec) noexcept override;
	void unlock(ServerLock &lock) noexcept override;
	void downgrade(ServerLock &lock, Mode mode) noexcept override;
	cfs::Result<> hand_over(LocalLock lock, Peer &peer, u64 client_handle, u64 flags,
				EnqueueAnswer &answer) noexcept override;
	ServerLockPtr find_by_client(Peer &peer, u64 client_handle) noexcept override;
	ServerLockPtr find(Peer *peer, u64 handle) noexcept override;

	IoLocks prolong(Peer &peer, const IoSpan &io) noexcept override;
	cfs::Result<> glimpse(LockType type, const ResName &name,
			      cfs::MutBytes lvb) noexcept override;
	cfs::Result<> glimpse_all(LockType type, const ResName &name,
				  cfs::Bytes gl_desc) noexcept override;
	void refresh_lvb(LockType type, const ResName &name, bool only_increase) noexcept override;

	void recovery_begin() noexcept override { recovering_.store(true); }
	void recovery_done() noexcept override;

	[[nodiscard]] u64 server_lock_volume() const noexcept override
	{
		return slv_.load(std::memory_order_relaxed);
	}
	[[nodiscard]] u32 pool_limit() const noexcept override
	{
		return limit_.load(std::memory_order_relaxed);
	}
	[[nodiscard]] std::size_t lock_count() const noexcept override { return by_handle_.size(); }
	[[nodiscard]] std::size_t resource_count() const noexcept override
	{
		return resources_.size();
	}
	[[nodiscard]] std::string_view name() const noexcept override { return name_; }
	void dump(cfs::FormatSink &out, std::size_t max) noexcept override;

	// ---- for AstMsg and locks ----

	void ast_done(AstMsg &m, AstEnd end, int32_t status, cfs::Bytes lvb) noexcept;
	void take_answer(AstMsg &m, AstEnd end, int32_t status, cfs::Bytes lvb) noexcept;
	void put_resource(Resource &r) noexcept;

	// ---- parameters ----

	[[nodiscard]] u64 show_lock_count() noexcept { return lock_count(); }
	[[nodiscard]] u64 show_resource_count() noexcept { return resource_count(); }
	[[nodiscard]] u64 show_unused() noexcept { return 0; }
	[[nodiscard]] u64 show_lru_size() noexcept { return u64{100} * cfs_cpu_count(); }
	[[nodiscard]] u64 show_slv() noexcept { return server_lock_volume(); }
	[[nodiscard]] u64 show_limit() noexcept { return pool_limit(); }
	void show_state(cfs::FormatSink &out) noexcept;
	std::atomic<u32> contended_locks_{32};
	std::atomic<u64> contention_ns_{2'000'000'000};
	std::atomic<u64> max_nolock_bytes_{0};
	std::atomic<u32> max_parallel_ast_{1024};
	std::atomic<u64> lock_timeouts_{0};
	std::atomic<u64> ast_retries_{0};      ///< callbacks put off for want of memory
	std::atomic<bool> asts_paused_{false}; ///< until ast_timer_

private:
	/// What is left to do when the resource is unlocked again: locks to forget.
	struct After {
		cfs::List<TableLock, &TableLock::in_dead> dead;
	};
	/// Takes the flock mutex for flocks, then the resource's.
	class Locked;

	[[nodiscard]] TableRules rules() const noexcept
	{
		return {contended_locks_.load(std::memory_order_relaxed)};
	}

	// server_ns.cpp: objects
	cfs::Result<ResourcePtr> get_resource(const ResKey &key) noexcept;
	ResourcePtr find_resource(const ResKey &key) noexcept;
	cfs::Result<LockPtr> make_lock(const ResKey &key, bool flock_parts) noexcept;
	/// Into the hashes and the peer's list; err::NOTCONN.
	cfs::Result<> add_lock(ServerLockImpl &l) noexcept;
	/// The opposite. No lock of the resource held.
	void forget(ServerLockImpl &l) noexcept;
	/// Sorts out what a change of the table brought. Resource locked.
	void take_work(Resource &r, Work &work, After &after) noexcept CFS_REQUIRES(r.lock);
	/// Forgets what died, sends what is due. Resource unlocked.
	void finish(After &after) noexcept;
	/// Cancels a lock: out of the table, next ones in. False when it was dead already.
	bool end_lock(ServerLockImpl &l) noexcept;
	LockPtr find_lock(Peer *peer, u64 handle) noexcept;
	/// While the target recovers, remembers that the resource has something queued; false when
	/// recovery is over. Resource locked.
	bool queue_for_recovery(Resource &r) noexcept;

	// server_enqueue.cpp
	struct Enqueue;
	int32_t start_enqueue(PeerImpl &peer, const EnqueueCall &call, Enqueue &e) noexcept;
	int32_t serve_enqueue(PeerImpl &peer, const EnqueueCall &call, IntentPolicy *intent,
			      Enqueue &e, EnqueueAnswer &answer) noexcept;
	int32_t make_enqueue_lock(PeerImpl &peer, Enqueue &e) noexcept;
	int32_t run_policy(Enqueue &e) noexcept;
	int32_t run_replay(Enqueue &e) noexcept;
	int32_t run_glimpse(Enqueue &e, EnqueueAnswer &answer) noexcept;
	bool contended(Resource &r, const ServerLockImpl &l) noexcept CFS_REQUIRES(r.lock);
	void answer_resent(ServerLockImpl &l, u64 flags, EnqueueAnswer &answer) noexcept;
	void answer_lock(ServerLockImpl &l, u64 flags, EnqueueAnswer &answer) noexcept;
	void answer_lvb(ServerLockImpl &l, EnqueueAnswer &answer) noexcept;
	void answer_tested(Enqueue &e, EnqueueAnswer &answer) noexcept;
	int32_t cancel_handles(PeerImpl &peer, cfs::Bytes dlm_req, unsigned first) noexcept;
	bool cancel_one(PeerImpl &peer, ServerLockImpl &l) noexcept;
	void publish_size(ServerLockImpl &l, bool client_gone = false) noexcept;
	cfs::Result<> wait_local(ServerLockImpl &l, const LocalSpec &spec) noexcept;

	// server_lvb.cpp: value blocks and glimpses
	cfs::Result<> load_lvb(Resource &r) noexcept;
	std::size_t copy_lvb(Resource &r, const PeerImpl *peer, cfs::MutBytes out) noexcept;
	struct Holder;
	struct Holders;
	void find_holders(Resource &r, u64 size, Holders &h) noexcept;
	[[nodiscard]] cfs::Result<> ask_holders(Holders &h) noexcept;
	cfs::Result<> glimpse_resource(Resource &r) noexcept;
	[[nodiscard]] cfs::Result<> send_glimpse(const LockPtr &l, GlimpseBatch &batch,
						 cfs::Bytes gl_desc) noexcept;

	// server_ast.cpp
	/// A lock owes its holder something. Resource locked; finish() follows.
	void owe(ServerLockImpl &l) noexcept;
	void drain_asts() noexcept;
	LockPtr next_pending() noexcept;
	/// False when there was no memory: it is pending again.
	void send_due(const LockPtr &l) noexcept;
	void tell_local(ServerLockImpl &l) noexcept;
	void send(cfs::UniquePtr<AstMsg> m) noexcept;
	void put_off(AstMsg &m) noexcept;
	void pause_asts() noexcept;
	void retry_asts() noexcept
	{
		asts_paused_.store(false, std::memory_order_relaxed);
		drain_asts();
	}
	void fill_completion(AstMsg &m, ServerLockImpl &l) noexcept;

	// server_timer.cpp
	void start_timer(ServerLockImpl &l) noexcept;
	void stop_timer(ServerLockImpl &l) noexcept;
	void prolong_timer(ServerLockImpl &l, cfs::Duration d) noexcept;
	void expire() noexcept;
	LockPtr next_expired(cfs::Instant now) noexcept;
	void expired(ServerLockImpl &l) noexcept;
	void rearm() noexcept CFS_REQUIRES(timer_lock_);
	void recalc_pool() noexcept;

	struct ByExpiry {
		bool operator()(const ServerLockImpl &a, const ServerLockImpl &b) const noexcept
		{
			return a.expires < b.expires;
		}
	};

	LdlmNode &node_;
	char name_[128] = {};
	LvbSource *lvb_ = nullptr;
	cfs::Gate gate_{CFS_S_LDLM, "ldlm namespace"};
	std::atomic<bool> recovering_{false};
	std::atomic<u64> peers_{0};

	ResourceTable<Resource> resources_{CFS_LOCK_CLASS("ldlm resources")};
	cfs::HashTable<ServerLockImpl, &ServerLockImpl::by_handle, HandleTraits> by_handle_{
		CFS_LOCK_CLASS("ldlm handles")};
	cfs::HashTable<ServerLockImpl, &ServerLockImpl::by_client, ClientTraits> by_client_{
		CFS_LOCK_CLASS("ldlm client handles")};

	cfs::Mutex flock_lock_{CFS_LOCK_CLASS("ldlm flocks")};
	FlockGraph flocks_; // flock_lock_

	cfs::SpinLock recovery_lock_{CFS_LOCK_CLASS("ldlm recovery")};
	cfs::List<Resource, &Resource::in_recovery> queued_ CFS_GUARDED_BY(recovery_lock_);

	cfs::SpinLock ast_lock_{CFS_LOCK_CLASS("ldlm callbacks")};
	cfs::List<ServerLockImpl, &ServerLockImpl::in_pending> pending_ CFS_GUARDED_BY(ast_lock_);
	std::atomic<u32> asts_running_{0};
	std::atomic<u32> drains_{0};
	cfs::Timer<ServerNs, &ServerNs::retry_asts> ast_timer_{this};

	cfs::SpinLock timer_lock_{CFS_LOCK_CLASS("ldlm lock timers")};
	cfs::OrderedMultiSet<ServerLockImpl, &ServerLockImpl::in_timers, ByExpiry>
		timers_ CFS_GUARDED_BY(timer_lock_);
	bool closing_ CFS_GUARDED_BY(timer_lock_) = false;
	cfs::Timer<ServerNs, &ServerNs::expire> timer_{this};

	// The pool (03 8.5).
	std::atomic<u64> slv_{0};
	std::atomic<u32> limit_{0};
	std::atomic<u64> grants_{0};
	std::atomic<u64> cancels_{0};
	std::atomic<u64> grant_rate_{0};
	std::atomic<u64> cancel_rate_{0};
	u64 grants_seen_ = 0; // recalc_pool()'s alone, as the next two
	u64 cancels_seen_ = 0;
	u64 planned_ = 0;
	bool in_pool_ = false;
	cfs::Timer<ServerNs, &ServerNs::recalc_pool> pool_timer_{this};

	cfs::ParamGroup params_;
	cfs::ParamGroup pool_params_;
};

} // namespace ldlm
