// SPDX-License-Identifier: GPL-2.0
//
// The lock manager as targets see it: one ServerNamespace per target (MDT, OST, MGS), in which
// clients hold locks through their exports (a Peer each) and the target's own threads hold local
// ones. Spec 03 sections 4.2, 5 to 11.
//
// What runs where. enqueue(), cancel(), convert() and cancel_early() are called by the target's
// handlers with the wire buffers of the request and never wait for other clients, except in a
// glimpse (for the answers of the holders) and in whatever an IntentPolicy does. lock() waits for
// conflicting holders and therefore may only be called on threads that do not serve the cancel
// portal. Callbacks to clients (blocking, completion, glimpse) leave asynchronously through
// PeerLink::send(); no thread waits for their answers.
//
// Who is evicted: a peer that does not give back a lock within PeerLink::lock_timeout() of the
// blocking callback (prolonged by its I/O under the lock), or does not answer a callback. ldlm then
// calls PeerLink::evict() once; the export's end must lead to ServerNamespace::detach().
//
// Context: everything may sleep unless it says otherwise; nothing may be called with spinlocks
// held. Calls out (LvbSource, PeerLink, LocalUser, IntentPolicy) are made without locks of ldlm
// held unless said there.
#pragma once

#include <cstdint>
#include <span>
#include <utility>

#include "ldlm/types.hpp"
#include "libcfs/bytes.hpp"
#include "libcfs/mem.hpp"
#include "libcfs/params.hpp"
#include "libcfs/stats.hpp"
#include "libcfs/time.hpp"
#include "libcfs/wait.hpp"

namespace ldlm
{

class ServerNamespace;
class ServerLock;
class Peer;

using ServerLockPtr = cfs::RefPtr<ServerLock>;
using PeerPtr = cfs::RefPtr<Peer>;

/// A lock in a target's namespace, of a client or local.
class ServerLock
{
public:
	/// RefPtr's. Keeps the object, not the lock.
	virtual void get() const noexcept = 0;
	virtual void put() const noexcept = 0;

	/// The server's cookie: what clients cancel.
	[[nodiscard]] virtual u64 handle() const noexcept = 0;
	/// The client's cookie; 0 for local locks.
	[[nodiscard]] virtual u64 remote_handle() const noexcept = 0;
	[[nodiscard]] virtual LockDesc desc() const noexcept = 0;
	/// Null for local locks.
	[[nodiscard]] virtual PeerPtr peer() const noexcept = 0;
	[[nodiscard]] virtual bool granted() const noexcept = 0;

protected:
	~ServerLock() = default;
};

// ---- callbacks to clients ----

/// How a callback ended.
enum class AstEnd : std::uint8_t {
	answered,  ///< there was a reply with `status`
	no_reply,  ///< sent, and sent again, without an answer in time
	gone,	   ///< the export is being disconnected or evicted: nobody to ask
	no_memory, ///< it could not be sent; later perhaps
};

/// A callback on its way. Made by ldlm, given to PeerLink::send(), which calls done() exactly once,
/// from any thread that may sleep, possibly before send() returns.
class Ast
{
public:
	/// LDLM_BL_CALLBACK, LDLM_CP_CALLBACK or LDLM_GL_CALLBACK (104, 105, 106).
	[[nodiscard]] virtual u32 opcode() const noexcept = 0;
	/// The DLM_REQ buffer, 104 bytes.
	[[nodiscard]] virtual cfs::Bytes dlm_req() const noexcept = 0;
	/// The second buffer: LVB of a completion (present even when empty), GL_DESC of a quota
	/// glimpse; has_second() tells whether the message has one.
	[[nodiscard]] virtual bool has_second() const noexcept = 0;
	[[nodiscard]] virtual cfs::Bytes second() const noexcept = 0;
	/// Room for the LVB in the reply of a glimpse, else 0.
	[[nodiscard]] virtual std::size_t reply_lvb_max() const noexcept = 0;
	/// `status`: of the reply, when it was answered. `lvb`: of a glimpse's reply.
	virtual void done(AstEnd end, int32_t status, cfs::Bytes lvb) noexcept = 0;

protected:
	~Ast() = default;
};

/// A client's export as ldlm needs it. Implemented over an rpc::Export
/// (ldlm/rpc_links.hpp) and by tests. Must live until detach() has returned and no Ast is
/// under way.
class PeerLink
{
public:
	/// Sends a callback over the reverse import: pb_conn_cnt 0, resent by this code until the
	/// AST time-out. Does not wait; always ends in ast.done().
	virtual void send(Ast &ast) noexcept = 0;
	/// The client does not do its part: fail its export. `what` is for the console line and
	/// names the lock. Does not wait; detach() follows from the export's end. May be called
	/// several times.
	virtual void evict(std::string_view what) noexcept = 0;
	/// OBD_CONNECT_* granted to this client: LVB_TYPE, FLOCK_DEAD, CANCELSET, LRU_RESIZE...
	/// Does not sleep.
	[[nodiscard]] virtual u64 connect_flags() const noexcept = 0;
	[[nodiscard]] virtual u64 connect_flags2() const noexcept = 0;
	/// Inode bits it knows (ocd_ibits_known); the others are never granted.
	[[nodiscard]] virtual u64 ibits_known() const noexcept { return wire::MDS_INODELOCK_FULL; }
	/// How long it has for giving back a lock: 1.5 estimates of the callback service, at least
	/// ldlm_enqueue_min (03 5.2).
	[[nodiscard]] virtual cfs::Duration lock_timeout() const noexcept = 0;
	/// Whether a request of the client that refers to the lock (I/O on its extent, its cancel
	/// or convert) waits to be served or is being served: then the lock's time is extended
	/// instead of the client evicted.
	[[nodiscard]] virtual bool busy_under(const LockDesc &lock, u64 handle) noexcept
	{
		(void)lock;
		(void)handle;
		return false;
	}
	/// Locks of this peer are not timed: another MDT (03 6).
	[[nodiscard]] virtual bool untimed() const noexcept { return false; }
	/// "uuid@nid", for messages.
	virtual void describe(cfs::FormatSink &out) const noexcept = 0;

protected:
	~PeerLink() = default;
};

/// The locks of one client on one target.
class Peer
{
public:
	/// RefPtr's.
	virtual void get() const noexcept = 0;
	virtual void put() const noexcept = 0;
	[[nodiscard]] virtual PeerLink &link() noexcept = 0;
	[[nodiscard]] virtual std::size_t lock_count() const noexcept = 0;
	/// For exports/NID/ldlm_stats: enqueues, converts, cancels, callbacks.
	virtual cfs::Stats &stats() noexcept = 0;

protected:
	~Peer() = default;
};

// ---- value blocks ----

/// Where a target's value blocks come from. There is one block per resource, kept by ldlm and
/// filled when it is first wanted. Calls for one resource never run at once.
class LvbSource
{
public:
	/// Bytes of every block: 56, 40, or 0 for a namespace without (MDTs, MGS).
	[[nodiscard]] virtual std::size_t lvb_bytes() const noexcept = 0;
	/// Fills a block from disk. An object that does not exist is no error: the block says so
	/// (OST_LVB_ERR_INIT + errno); err::INPROGRESS refuses the enqueue for now.
	virtual cfs::Result<> load(const ResName &name, cfs::MutBytes lvb) noexcept = 0;
	/// Merges what a client answered to a glimpse; only increases.
	virtual void merge(const ResName &name, cfs::MutBytes lvb,
			   cfs::Bytes from_client) noexcept = 0;
	/// Reads the disk again; `only_increase` as 05 10.2.
	virtual void refresh(const ResName &name, cfs::MutBytes lvb,
			     bool only_increase) noexcept = 0;

protected:
	~LvbSource() = default;
};

/// The rules of OST value blocks over a function that reads an object's attributes.
class OstLvbSource : public LvbSource
{
public:
	/// Attributes of an object as they are on disk; blocks in 512-byte units. err::NOENT,
	/// err::INPROGRESS, other errors go into the block.
	virtual cfs::Result<> read(const ResName &name, wire::OstLvb &out) noexcept = 0;

	[[nodiscard]] std::size_t lvb_bytes() const noexcept override
	{
		return sizeof(wire::OstLvb);
	}
	cfs::Result<> load(const ResName &name, cfs::MutBytes lvb) noexcept override
	{
		wire::OstLvb fresh{};
		if (auto r = read(name, fresh); !r) {
			if (r.error() == cfs::err::INPROGRESS)
				return r;
			fresh = {};
			fresh.blocks = wire::OST_LVB_ERR_INIT +
				       static_cast<u64>(static_cast<std::int64_t>(cfs::to_rc(r)));
		}
		block(lvb) = fresh;
		return {};
	}
	void merge(const ResName &, cfs::MutBytes lvb, cfs::Bytes from_client) noexcept override
	{
		wire::OstLvb theirs{};
		if (from_client.size() < sizeof(wire::OstLvbV1))
			return;
		std::size_t n = from_client.size() < sizeof(theirs) ? sizeof(wire::OstLvbV1)
								    : sizeof(theirs);
		for (std::size_t i = 0; i < n; i++)
			reinterpret_cast<std::byte *>(&theirs)[i] = from_client[i];
		raise(block(lvb), theirs);
	}
	void refresh(const ResName &name, cfs::MutBytes lvb, bool only_increase) noexcept override
	{
		wire::OstLvb fresh{};
		if (auto r = read(name, fresh); !r)
			return;
		if (only_increase && !is_error(block(lvb)))
			raise(block(lvb), fresh);
		else
			block(lvb) = fresh;
	}
	[[nodiscard]] static bool is_error(const wire::OstLvb &l) noexcept
	{
		return (l.blocks.get() & wire::OST_LVB_ERR_MASK) ==
		       (wire::OST_LVB_ERR_INIT & wire::OST_LVB_ERR_MASK);
	}

protected:
	~OstLvbSource() = default;

private:
	static wire::OstLvb &block(cfs::MutBytes lvb) noexcept
	{
		CFS_ASSERT(lvb.size() >= sizeof(wire::OstLvb));
		return *reinterpret_cast<wire::OstLvb *>(lvb.data());
	}
	/// Every field of `to` becomes the greater of the two.
	static void raise(wire::OstLvb &to, const wire::OstLvb &from) noexcept
	{
		if (is_error(to) || is_error(from))
			return;
		if (from.size.get() > to.size.get())
			to.size = from.size;
		if (from.mtime.get() > to.mtime.get())
			to.mtime = from.mtime;
		if (from.atime.get() > to.atime.get())
			to.atime = from.atime;
		if (from.ctime.get() > to.ctime.get())
			to.ctime = from.ctime;
		if (from.blocks.get() > to.blocks.get())
			to.blocks = from.blocks;
	}
};

// ---- enqueues of clients ----

struct EnqueueAnswer;

/// An LDLM_ENQUEUE as a handler has it.
struct EnqueueCall {
	/// The DLM_REQ buffer as it came.
	cfs::Bytes dlm_req;
	/// The message has MSG_RESENT: a lock of this client handle may exist already.
	bool resent = false;
	/// The message has MSG_REPLAY (requests) or is part of lock replay: no early cancels.
	bool replay = false;
};

/// What the handler is to answer.
struct EnqueueAnswer {
	/// pb_status: 0, ELDLM_LOCK_ABORTED, or a negative errno. A negative one of a request
	/// without intent travels as an error reply (type 4712, 03 3.1).
	int32_t status = 0;
	wire::LdlmReply rep{};
	std::byte lvb[sizeof(wire::OstLvb)] = {};
	std::size_t lvb_bytes = 0; ///< length of the reply's DLM_LVB buffer
	/// The lock, when one was made.
	ServerLockPtr lock;
};

enum class IntentVerdict : std::uint8_t {
	plain,	  ///< go on with the ordinary enqueue
	replaced, ///< the policy took a lock of its own and gave it to the client by hand_over()
	done,	  ///< no lock; answer.status says why (ELDLM_LOCK_ABORTED, or an errno)
};

/// What a target does under HAS_INTENT, before or instead of the ordinary enqueue. Runs on the
/// handler's thread, may wait for locks. rep.lock_policy_res1 and res2 of the answer are the
/// policy's. Not called for the replay of a lock.
class IntentPolicy
{
public:
	virtual IntentVerdict run(ServerNamespace &ns, Peer &peer, const LockDesc &wanted,
				  u64 flags, u64 client_handle, EnqueueAnswer &answer) noexcept = 0;

protected:
	~IntentPolicy() = default;
};

// ---- local locks ----

/// Who holds local locks and wants to know when they are in the way: the MGS, commit-on-share.
class LocalUser
{
public:
	/// A conflicting request waits for this granted lock. Called once per lock, on some thread
	/// of ldlm or the conflicting request's: do not wait.
	virtual void on_blocking(ServerLock &lock, const LockDesc &wanted) noexcept = 0;

protected:
	~LocalUser() = default;
};

/// A lock that a thread of the target itself takes.
struct LocalSpec {
	LockType type = LDLM_IBITS;
	ResName name;
	Mode mode = LCK_PR;
	Policy policy;
	/// Fail with err::AGAIN instead of waiting.
	bool try_only = false;
	/// Holders drop their dirty data (AST_DISCARD_DATA), and a glimpse that meets this lock
	/// answers ENOENT: the object is being destroyed.
	bool destroying = false;
	/// Lock replay has not ended: grant without looking (used by recovery code only).
	bool unconditional = false;
	/// COS: the client on whose behalf it is held (export cookie); its own later requests do
	/// not conflict.
	u64 client_cookie = 0;
	LocalUser *user = nullptr;
	cfs::WaitMode wait = cfs::WaitMode::idle;
	cfs::Instant deadline = cfs::Instant::never();
};

/// Holds a granted local lock. Moves only.
class [[nodiscard]] LocalLock
{
	ServerNamespace *ns_ = nullptr;
	ServerLockPtr lock_;

public:
	LocalLock() = default;
	LocalLock(ServerNamespace &ns, ServerLockPtr lock) noexcept
	    : ns_(&ns), lock_(std::move(lock))
	{
	}
	LocalLock(LocalLock &&o) noexcept = default;
	inline LocalLock &operator=(LocalLock &&o) noexcept;
	inline ~LocalLock();

	/// Gives the lock back; waiting requests are granted.
	inline void release() noexcept;
	/// Gives up the ownership without giving back the lock: for locks kept until the reply is
	/// acknowledged. ServerNamespace::unlock() ends them.
	[[nodiscard]] ServerLockPtr detach() noexcept { return std::move(lock_); }
	[[nodiscard]] ServerLock *get() const noexcept { return lock_.get(); }
	ServerLock *operator->() const noexcept { return lock_.get(); }
	explicit operator bool() const noexcept { return static_cast<bool>(lock_); }
};

// ---- I/O under locks ----

/// An I/O request whose locks are to be prolonged.
struct IoSpan {
	ResName name;
	LockType type = LDLM_EXTENT; ///< or LDLM_IBITS, for data on an MDT
	Extent extent;
	bool write = false;
	/// Server handle that the request names (obdo.o_handle), or 0.
	u64 handle = 0;
	/// For how long from now; at least PeerLink::lock_timeout() is taken.
	cfs::Duration time;
};
struct IoLocks {
	unsigned found =
		0; ///< locks of the peer that cover or overlap it; 0: it has no business here
	unsigned wanted = 0; ///< of them, those with a blocking callback: serve it with priority
};

/// Fixed numbers and first values of a namespace.
struct ServerSpec {
	/// As in `ldlm.namespaces.NAME` (08 8.5): "filter-lustre-OST0000_UUID".
	std::string_view name;
	LvbSource *lvb = nullptr; ///< none: no value blocks
	/// The target starts in recovery: nothing is granted by policy until recovery_done().
	bool recovering = false;
};

/// The locks on one target.
class ServerNamespace
{
public:
	/// Refuses new work, waits until nothing is under way: err::TIMEDOUT, err::INTR. Peers must
	/// have been detached and local locks given back (or are reported and dropped).
	[[nodiscard]] virtual cfs::Result<> close(cfs::WaitMode mode,
						  cfs::Instant deadline) noexcept = 0;
	/// Frees it. After close() only.
	virtual void destroy() noexcept = 0;

	// ---- clients ----

	/// A client has connected. `link` must live until the peer is detached.
	virtual cfs::Result<PeerPtr> attach(PeerLink &link) noexcept = 0;
	/// It has disconnected or was evicted: all its locks go, waiters are granted. Later calls
	/// for this peer fail with err::NOTCONN. Returns when no callback to it is under way.
	virtual void detach(Peer &peer) noexcept = 0;

	// ---- handlers ----

	/// LDLM_ENQUEUE (03 4.2). `intent` may be null; without one an EXTENT request with
	/// HAS_INTENT is a glimpse and served here.
	virtual void enqueue(Peer &peer, const EnqueueCall &call, IntentPolicy *intent,
			     EnqueueAnswer &answer) noexcept = 0;
	/// LDLM_CONVERT. Returns pb_status: 0, 303, or an error.
	virtual int32_t convert(Peer &peer, cfs::Bytes dlm_req, wire::LdlmReply &rep) noexcept = 0;
	/// LDLM_CANCEL. Returns pb_status: 0, or +116 when no handle was known.
	virtual int32_t cancel(Peer &peer, cfs::Bytes dlm_req) noexcept = 0;
	/// Early cancels of a DLM_REQ inside another request: handles from `first` on (0 for REINT,
	/// DESTROY, PUNCH; enqueue() does its own). Unknown ones are skipped; an empty buffer is
	/// none.
	virtual void cancel_early(Peer &peer, cfs::Bytes dlm_req, unsigned first) noexcept = 0;

	// ---- the target's own ----

	/// Takes a local lock, waiting for conflicting holders. err::AGAIN (try_only),
	/// err::TIMEDOUT, err::INTR, err::NOMEM, err::SHUTDOWN.
	virtual cfs::Result<LocalLock> lock(const LocalSpec &spec) noexcept = 0;
	/// Gives back a local lock.
	virtual void unlock(ServerLock &lock) noexcept = 0;
	/// Changes a local lock to a weaker mode (PW to COS or TXN, EX to CR ...).
	virtual void downgrade(ServerLock &lock, Mode mode) noexcept = 0;
	/// Makes a granted local lock the client's (03 9.2) and describes it in `answer`: status 0,
	/// LOCK_CHANGED, the handle; AST_SENT when somebody wants it already. Inode bits that the
	/// client does not know are dropped first. A resent request whose lock exists gets that
	/// lock and the local one is given back. err::NOTCONN when the peer is gone.
	virtual cfs::Result<> hand_over(LocalLock lock, Peer &peer, u64 client_handle, u64 flags,
					EnqueueAnswer &answer) noexcept = 0;
	/// The lock that a resent request of this client handle made before, or null.
	virtual ServerLockPtr find_by_client(Peer &peer, u64 client_handle) noexcept = 0;
	/// The lock of this server handle if it is the peer's (null peer: local or any), or null.
	virtual ServerLockPtr find(Peer *peer, u64 handle) noexcept = 0;

	/// I/O of a client begins or ends: the locks it runs under get more time (03 6.1). Cheap
	/// when no lock is wanted back.
	virtual IoLocks prolong(Peer &peer, const IoSpan &io) noexcept = 0;
	/// Size and times as the holders of write locks know them: asks those that reach beyond the
	/// block's size, waits for the answers, merges. err::NOENT when the object is being
	/// destroyed. `lvb` has LvbSource::lvb_bytes().
	virtual cfs::Result<> glimpse(LockType type, const ResName &name,
				      cfs::MutBytes lvb) noexcept = 0;
	/// Sends a glimpse with a descriptor to every client lock on the resource and waits (quota,
	/// barrier). Answers are merged as usual.
	virtual cfs::Result<> glimpse_all(LockType type, const ResName &name,
					  cfs::Bytes gl_desc) noexcept = 0;
	/// The object was changed by the target itself (setattr, punch, server-locked write): reads
	/// its block anew if there is one.
	virtual void refresh_lvb(LockType type, const ResName &name,
				 bool only_increase) noexcept = 0;

	// ---- recovery ----

	/// The target waits for clients to replay: requests are queued, no callback is sent.
	virtual void recovery_begin() noexcept = 0;
	/// Recovery has ended: every queue is looked at.
	virtual void recovery_done() noexcept = 0;

	// ---- looking ----

	/// What every reply to a client with LRU_RESIZE says; 0 until the pool has begun. Any
	/// thread.
	[[nodiscard]] virtual u64 server_lock_volume() const noexcept = 0;
	[[nodiscard]] virtual u32 pool_limit() const noexcept = 0;
	[[nodiscard]] virtual std::size_t lock_count() const noexcept = 0;
	[[nodiscard]] virtual std::size_t resource_count() const noexcept = 0;
	[[nodiscard]] virtual std::string_view name() const noexcept = 0;
	/// One line per lock, for dump_namespaces; at most `max` locks.
	virtual void dump(cfs::FormatSink &out, std::size_t max) noexcept = 0;

protected:
	~ServerNamespace() = default;
};

inline void LocalLock::release() noexcept
{
	if (lock_) {
		ns_->unlock(*lock_);
		lock_.reset();
	}
}
inline LocalLock::~LocalLock()
{
	release();
}
inline LocalLock &LocalLock::operator=(LocalLock &&o) noexcept
{
	if (this != &o) {
		release();
		ns_ = o.ns_;
		lock_ = std::move(o.lock_);
	}
	return *this;
}

} // namespace ldlm
