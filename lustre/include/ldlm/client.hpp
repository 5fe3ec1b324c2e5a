// SPDX-License-Identifier: GPL-2.0
//
// The lock manager as holders of locks see it: one ClientNamespace per import (an MDC, OSC or MGC;
// also the imports that servers have to each other). Spec 03 sections 4, 5, 8, 10, 11.
//
// Life of a lock
//
//     NEW ──begin()──► sent ──complete()──► WAITING ──completion AST──► GRANTED ──► CANCELING ──►
//     gone
//                        └──────────────────────────────────────────────►┘
//
// A granted lock is *in use* while someone holds a LockUse of it, and cached otherwise. It goes
// away when the server wants it (blocking AST), when the LRU is too long, when the user says so, or
// with the connection. Before it is given back LockUser::on_cancel() is called, once, without locks
// held: there the user writes out and drops whatever the lock protected. After its return nobody
// may use that data, and only then the CANCEL leaves. So: cached data is used only under a LockUse.
//
// The enqueue itself has two shapes.
//  - enqueue() does it all for locks without intent.
//  - A request that carries an intent, or that is to be sent asynchronously, is the user's own:
//
//        auto lock = TRY(ns.begin(spec));
//        // make the request; its DLM_REQ buffer is ns.request_bytes(*lock) long:
//        ns.pack(*lock, dlm_req);
//        // send it; then, whatever came of it, exactly once:
//        auto got = ns.complete(*lock, status, dlm_rep, lvb);
//        if (got && got->blocked)
//                TRY(ns.wait(*lock, WaitMode::killable));
//
//    Between begin() and complete() callbacks for the lock may arrive already; that is taken care
//    of. A resent message must carry the same DLM_REQ. When the server restarted or evicted us in
//    between, complete() says that there is no lock (ELDLM_LOCK_ABORTED) whatever the answer says.
//
// Context: every function may sleep unless it says otherwise, and none may be called with
// spinlocks held or from within LockUser calls, unless said there.
#pragma once

#include <cstdint>
#include <span>
#include <utility>

#include "ldlm/types.hpp"
#include "libcfs/bytes.hpp"
#include "libcfs/mem.hpp"
#include "libcfs/params.hpp"
#include "libcfs/time.hpp"
#include "libcfs/wait.hpp"

namespace ldlm
{

class ClientNamespace;
class ClientLock;

/// A counted reference to a lock object. It keeps the object, not the lock: see LockUse.
using ClientLockPtr = cfs::RefPtr<ClientLock>;

/// A lock of this client.
class ClientLock
{
public:
	/// RefPtr's.
	virtual void get() const noexcept = 0;
	virtual void put() const noexcept = 0;

	/// Our own name for it, what callbacks quote. Never changes, never 0.
	[[nodiscard]] virtual u64 handle() const noexcept = 0;
	/// The server's name for it; 0 until known; a replay changes it.
	[[nodiscard]] virtual u64 remote_handle() const noexcept = 0;
	/// What it is, at this moment. Does not sleep long: takes a short mutex.
	[[nodiscard]] virtual LockDesc desc() const noexcept = 0;
	[[nodiscard]] virtual ClientNamespace &owner() const noexcept = 0;
	/// Granted and not on its way out.
	[[nodiscard]] virtual bool valid() const noexcept = 0;
	/// The server wants it back (or some of its bits).
	[[nodiscard]] virtual bool wanted_back() const noexcept = 0;

	/// What the user hangs on it; ldlm only keeps it. Set it before others can match the lock
	/// (EnqueueSpec::user_data) or under the user's own lock.
	[[nodiscard]] virtual void *user_data() const noexcept = 0;
	virtual void set_user_data(void *p) noexcept = 0;

protected:
	~ClientLock() = default;
};

/// The right to use a granted lock and what it protects. Moves only.
class [[nodiscard]] LockUse
{
	ClientLockPtr lock_;

public:
	LockUse() = default;
	/// Takes over a use that ClientNamespace counted.
	explicit LockUse(ClientLockPtr lock) noexcept : lock_(std::move(lock)) {}
	LockUse(LockUse &&o) noexcept = default;
	inline LockUse &operator=(LockUse &&o) noexcept;
	inline ~LockUse();

	/// Ends the use; when the server wants the lock back and this was the last one, its cancel
	/// is started in the background. Does not wait for it.
	inline void release() noexcept;
	[[nodiscard]] ClientLock *get() const noexcept { return lock_.get(); }
	ClientLock *operator->() const noexcept { return lock_.get(); }
	ClientLock &operator*() const noexcept { return *lock_; }
	explicit operator bool() const noexcept { return static_cast<bool>(lock_); }
};

enum class CancelReason : std::uint8_t {
	blocking, ///< the server asked for it
	lru,	  ///< too many or too old
	early,	  ///< goes inside another request (ELC)
	user,	  ///< cancel() and its kind
	recovery, ///< unused when the server came back: not worth a replay; nothing to write
	evicted,  ///< it is lost already: drop the data, do not write
};

/// What a blocking or other cancel tells the user.
struct CancelInfo {
	CancelReason reason = CancelReason::user;
	/// The object is being destroyed or truncated: drop dirty data instead of writing it.
	bool discard = false;
};

/// Whoever owns what the locks of a namespace protect. One per namespace; it must outlive it. Calls
/// come on ldlm's own threads or on the thread that called into the namespace, without locks of
/// ldlm held; all of them may sleep.
class LockUser
{
public:
	/// The lock goes away when this returns: write out, wait for the writes, drop what it
	/// covered (03 8.1). For CancelReason::evicted only drop. Called once per granted lock;
	/// nobody uses the lock then and nobody can begin to. May use the namespace (match other
	/// locks), but not cancel or wait for locks.
	virtual void on_cancel(ClientLock &lock, const CancelInfo &info) noexcept = 0;
	/// The lock keeps its other bits; drop what `bits` covered. Called without uses of the
	/// lock. False: rather cancel all of it.
	virtual bool on_drop_bits(ClientLock &lock, u64 bits) noexcept = 0;
	/// The lock is being granted, by a reply or by a completion callback: its policy, mode and
	/// resource are final, and nobody can match it before this returns. `lvb` is what the
	/// server sent, possibly empty. Must not wait for I/O or for locks.
	virtual void on_granted(ClientLock &lock, cfs::Bytes lvb) noexcept
	{
		(void)lock;
		(void)lvb;
	}
	/// A glimpse: put the value block as the user knows it (56 bytes of wire::OstLvb for
	/// objects, 40 for quota) into `lvb` and return its size; err::NODATA when there is
	/// nothing to tell. `gl_desc` is the second buffer of quota glimpses. Must not wait for
	/// I/O; may come while the lock is being cancelled. Returning 56 where the connection has
	/// no LVB_TYPE is right: it is cut on the way.
	virtual cfs::Result<std::size_t> on_glimpse(ClientLock &lock, cfs::Bytes gl_desc,
						    cfs::MutBytes lvb) noexcept
	{
		(void)lock;
		(void)gl_desc;
		(void)lvb;
		return cfs::fail(cfs::err::NODATA);
	}
	/// Whether the LRU, an ELC or recovery may drop this unused lock just now: false for PW
	/// locks with dirty data before a replay, open locks with open files, and the like. Called
	/// with a mutex of ldlm held: must neither sleep nor call back into ldlm.
	virtual bool may_drop(ClientLock &lock, CancelReason why) noexcept
	{
		(void)lock;
		(void)why;
		return true;
	}
	/// LDLM_SET_INFO: a key and a value pushed by the server. Returns the status of the reply.
	virtual int32_t on_set_info(cfs::Bytes key, cfs::Bytes value) noexcept
	{
		(void)key;
		(void)value;
		return -static_cast<int32_t>(cfs::err::OPNOTSUPP);
	}

protected:
	~LockUser() = default;
};

/// The connection of a namespace to its server, as ldlm needs it. Implemented over an rpc::Import
/// (ldlm/rpc_links.hpp) and by tests. Must outlive the namespace. Buffers are whole wire
/// buffers (DLM_REQ and so on); replies go into memory of the caller.
class ClientLink
{
public:
	struct EnqueueReply {
		wire::LdlmReply rep{};
		std::size_t lvb_bytes = 0; ///< of the reply, in `lvb`
		cfs::MutBytes lvb;	   ///< in: room
	};
	/// Why an enqueue is sent.
	enum class Sending : std::uint8_t {
		first,
		/// The answer may have been a former server's: with MSG_RESENT, so that the server
		/// finds the lock if it has made it already.
		again,
		/// As part of lock replay: with MSG_REQ_REPLAY_DONE.
		replay,
	};

	/// Sends LDLM_ENQUEUE and waits, through resends and reconnects, as the import does.
	/// The result is the reply's status, 0 or more (301: aborted, reply valid); errors are the
	/// server's errno or why there is no answer.
	virtual cfs::Result<int32_t> enqueue(cfs::Bytes dlm_req, EnqueueReply &reply, Sending how,
					     cfs::WaitMode mode) noexcept = 0;
	/// Sends LDLM_CONVERT on the cancel portal and waits.
	virtual cfs::Result<int32_t> convert(cfs::Bytes dlm_req, wire::LdlmReply &rep) noexcept = 0;
	/// Sends LDLM_CANCEL on the cancel portal and waits for the answer.
	virtual cfs::Result<int32_t> cancel(cfs::Bytes dlm_req) noexcept = 0;
	/// OBD_CONNECT_* that the server granted. Does not sleep.
	[[nodiscard]] virtual u64 connect_flags() const noexcept = 0;
	[[nodiscard]] virtual u64 connect_flags2() const noexcept = 0;
	/// How long an enqueue without NO_TIMEOUT may wait for its completion callback before the
	/// connection is suspect (03 4.3): at least three service estimates and ldlm_enqueue_min.
	[[nodiscard]] virtual cfs::Duration enqueue_timeout() const noexcept = 0;
	/// Such a wait has run out: the connection is to be checked and made anew. Does not wait.
	virtual void suspect() noexcept = 0;

protected:
	~ClientLink() = default;
};

/// An enqueue.
struct EnqueueSpec {
	LockType type = LDLM_PLAIN;
	ResName name;
	Mode mode = LCK_CR;
	Policy policy;
	/// LDLM_FL_* of direction C (03 3).
	u64 flags = 0;
	void *user_data = nullptr;
	/// Kind and greatest size of the value block that the reply may bring; more is refused.
	wire::LvbType lvb_type = wire::LvbType::LVB_T_NONE;
	std::size_t lvb_max = 0;
	/// Server handles of locks to cancel with this request (ELC), from collect(). At most
	/// kHandlesPerMessage - 1; the array must stay until pack().
	std::span<const u64> early_cancels = {};
	/// How enqueue() waits. Flocks: interruptible.
	cfs::WaitMode wait = cfs::WaitMode::killable;
};

/// What an enqueue brought.
struct EnqueueResult {
	LockUse use;	      ///< the lock; none when status is ELDLM_LOCK_ABORTED or for TEST_LOCK
	int32_t status = 0;   ///< 0 or ELDLM_LOCK_ABORTED: intent executed, no lock
	bool blocked = false; ///< complete() only: not granted yet, wait() for it
	u64 flags = 0;	      ///< LDLM_FL_* of the reply
	LockDesc desc;	      ///< of the reply; for TEST_LOCK the lock in the way, or mode NL
	u64 res1 = 0;	      ///< intent: DISP_*; glimpse: 0 or a negative errno
	u64 res2 = 0;	      ///< intent: status as negative errno
	/// Bytes of the LVB in the buffer that was given to enqueue() (LockUser::on_granted() has
	/// seen them if there is a lock); 0 when a completion callback was faster.
	std::size_t lvb_bytes = 0;
};

/// Which cached lock would do.
struct MatchSpec {
	LockType type = LDLM_PLAIN;
	ResName name;
	ModeMask modes = 0; ///< of the held lock; see satisfying_modes()
	/// The held lock must cover this extent, or have all these bits, or at least one of them
	/// when any_bits is set.
	Policy policy;
	bool any_bits = false;
	/// Also locks that the server wants back: for I/O that must go on under them.
	bool wanted_back_too = false;
	void *user_data = nullptr; ///< if set, only locks with this user_data
};

/// Which locks to drop. Locks in use are not touched unless `used_too`, which marks them so that
/// they go at the end of their use.
struct DropSpec {
	LockType type = LDLM_PLAIN;
	/// The resource; without `name_given`, all of the namespace.
	ResName name;
	bool name_given = true;
	ModeMask modes = kModesAll;
	u64 bits = 0; ///< IBITS: locks with any of them; 0: all
	/// EXTENT: locks that overlap it.
	Extent extent;
	bool used_too = false;
	bool discard = false;
	/// Do not tell the server (it has been told otherwise, or is gone).
	bool local_only = false;
};

/// Looks at locks, see for_each().
class LockVisitor
{
public:
	/// Called with a mutex of ldlm held: must not call back into ldlm. False ends the walk.
	virtual bool on_lock(ClientLock &lock, const LockDesc &desc, bool wanted_back) noexcept = 0;

protected:
	~LockVisitor() = default;
};

/// The second buffer or LVB of a callback's answer.
struct CallbackReply {
	std::byte lvb[sizeof(wire::OstLvb)];
	std::size_t lvb_bytes = 0;
};

/// The locks that one import's server has given us.
class ClientNamespace
{
public:
	/// Refuses new work, gives back every lock (`tell_server`: with CANCEL; otherwise the
	/// disconnect that follows does it) after LockUser::on_cancel(), and waits until that is
	/// done, with tell_server until the CANCELs are answered: err::TIMEDOUT or err::INTR, then
	/// call again. Afterwards nothing is left.
	[[nodiscard]] virtual cfs::Result<> close(bool tell_server, cfs::WaitMode mode,
						  cfs::Instant deadline) noexcept = 0;
	/// Frees it. After close() only, and after the disconnect unless close() told the server:
	/// waits for CANCELs that are still under way.
	virtual void destroy() noexcept = 0;

	// ---- getting locks ----

	/// A use of a cached lock that satisfies the spec, or none. Cheap.
	virtual LockUse match(const MatchSpec &spec) noexcept = 0;
	/// Enqueue without intent buffers (also glimpse and readdir): asks the server, waits for
	/// the lock. err::DEADLK, err::AGAIN (BLOCK_NOWAIT, TEST_LOCK aside), err::INTR, and
	/// whatever the link or the server say; err::SHUTDOWN after close().
	virtual cfs::Result<EnqueueResult> enqueue(const EnqueueSpec &spec,
						   cfs::MutBytes lvb) noexcept = 0;

	/// The three parts of an enqueue whose message is the caller's; see the head of the file.
	virtual cfs::Result<ClientLockPtr> begin(const EnqueueSpec &spec) noexcept = 0;
	[[nodiscard]] virtual std::size_t request_bytes(ClientLock &lock) noexcept = 0;
	virtual void pack(ClientLock &lock, cfs::MutBytes dlm_req) noexcept = 0;
	/// `status`: of the reply (0 or positive), or the error; without a reply `rep` is null. An
	/// LVB in the reply is given as it came. When it returns an error, or a result without
	/// lock, the lock object is dead and the caller only drops his reference.
	virtual cfs::Result<EnqueueResult> complete(ClientLock &lock, cfs::Result<int32_t> status,
						    const wire::LdlmReply *rep,
						    cfs::Bytes lvb) noexcept = 0;
	/// Waits for a lock that complete() left blocked. On success the use that complete()
	/// returned is good. On failure (err::INTR, err::DEADLK, err::STALE when the lock was lost
	/// with the connection) the lock is being given up: release the use.
	[[nodiscard]] virtual cfs::Result<> wait(ClientLock &lock, cfs::WaitMode mode) noexcept = 0;

	/// One more use of a lock that the caller keeps alive; none when it is going away.
	virtual LockUse use(ClientLock &lock) noexcept = 0;
	/// LockUse's. Any context that may take a mutex.
	virtual void unuse(ClientLock &lock) noexcept = 0;

	// ---- giving locks back ----

	/// Cancels one lock, now if it is not in use, else when its use ends. `sync`: returns after
	/// the server's answer (if it was unused).
	virtual void cancel(ClientLock &lock, bool sync) noexcept = 0;
	/// Drops the locks that the spec describes; returns after on_cancel() of all of them and
	/// after the CANCELs were answered. Returns their number.
	virtual std::size_t drop(const DropSpec &spec) noexcept = 0;
	/// Early lock cancel (03 8.3): drops unused locks of one resource after on_cancel() and
	/// puts their server handles into `handles`, for a request that is about to be sent to this
	/// server. Returns how many; 0 when the server does not want them (no CANCELSET). If that
	/// request then is never sent, cancel_handles() must be called.
	virtual std::size_t collect(const DropSpec &spec, std::span<u64> handles) noexcept = 0;
	/// Sends CANCEL for handles that collect() gave out.
	virtual void cancel_handles(std::span<const u64> handles) noexcept = 0;
	/// Gives back bits of a lock by LDLM_CONVERT (or all of it where the server knows no
	/// convert), as if a blocking callback had asked for them. Waits for the answer.
	virtual cfs::Result<> convert(ClientLock &lock, u64 drop_bits) noexcept = 0;
	/// Cancels every lock that is unused, as writing `clear` to lru_size does.
	virtual std::size_t clear_unused() noexcept = 0;

	// ---- looking ----

	virtual void for_each(LockType type, const ResName &name, LockVisitor &v) noexcept = 0;
	[[nodiscard]] virtual std::size_t lock_count() const noexcept = 0;
	[[nodiscard]] virtual std::size_t unused_count() const noexcept = 0;
	[[nodiscard]] virtual std::size_t resource_count() const noexcept = 0;
	[[nodiscard]] virtual std::string_view name() const noexcept = 0;

	// ---- what the import tells ----

	/// A callback of the server, whole: opcode LDLM_BL_CALLBACK, LDLM_CP_CALLBACK,
	/// LDLM_GL_CALLBACK or LDLM_SET_INFO; `first` is DLM_REQ (KEY), `second` the LVB, the
	/// GL_DESC (VAL) or empty. Returns the status of the reply: 0, negative errno, or -303 for
	/// a glimpse without data. Returns quickly: cancels run in the background.
	virtual int32_t callback(u32 opcode, cfs::Bytes first, cfs::Bytes second,
				 CallbackReply &reply) noexcept = 0;
	/// pb_slv and pb_limit of a reply of this import. Any thread; does not sleep.
	virtual void on_reply(u64 slv, u32 limit) noexcept = 0;
	/// The server has evicted us: all locks are lost. Drops them with CancelReason::evicted;
	/// locks in use become invalid at once (valid() is false) and go at the end of their use.
	/// Waiting enqueues fail with err::STALE. Returns when every unused lock is gone.
	virtual void on_evicted() noexcept = 0;
	/// Enqueues that wait because somebody else has the lock fail with err::INTR, as if their
	/// callers had been killed. Those that wait for an answer do not.
	virtual void give_up_waiting() noexcept = 0;
	/// Recovery has come to the locks (03 11): drops what may be dropped, replays the others,
	/// a few at a time, waits. A lock that the server refuses is lost as at an eviction.
	/// False: not all were told, because the connection broke or memory is short: call again
	/// when there is a new connection, be it to the same server; what it knows already it
	/// takes as told.
	[[nodiscard]] virtual bool replay() noexcept = 0;

protected:
	~ClientNamespace() = default;
};

inline void LockUse::release() noexcept
{
	if (lock_) {
		lock_->owner().unuse(*lock_);
		lock_.reset();
	}
}
inline LockUse::~LockUse()
{
	release();
}
inline LockUse &LockUse::operator=(LockUse &&o) noexcept
{
	if (this != &o) {
		release();
		lock_ = std::move(o.lock_);
	}
	return *this;
}

/// Writes a DLM_REQ that only names locks: CANCEL, or the ELC buffer of REINT, DESTROY, PUNCH (with
/// no handles: the 104 zero bytes that mean none). `out` must have dlm_request_bytes(n) bytes.
inline void pack_cancels(std::span<const u64> handles, cfs::MutBytes out) noexcept
{
	CFS_ASSERT(out.size() >= dlm_request_bytes(handles.size()));
	for (std::byte &b : out)
		b = {};
	auto *req = reinterpret_cast<wire::LdlmRequest *>(out.data());
	req->lock_count = static_cast<u32>(handles.size());
	auto *h = reinterpret_cast<cfs::le64 *>(out.data() + sizeof(*req));
	for (std::size_t i = 0; i < handles.size(); i++)
		h[i] = handles[i];
}

/// Makes a namespace.
struct ClientSpec {
	/// As `ldlm.namespaces.NAME` is to be called (08 8.5): "lustre-OST0000-osc-ffff8881".
	std::string_view name;
	LockUser *user = nullptr;
	ClientLink *link = nullptr;
};

} // namespace ldlm
