// SPDX-License-Identifier: GPL-2.0
//
// Recovery of a target after a restart (spec 02 section 8.5): the clients that the disk knows come
// back, their requests are executed again in the order of their transaction numbers, then their
// locks are made again, then everybody goes on.
//
//     idle -> connecting -> requests -> locks -> finishing -> complete
//
// A thread goes through the stages; service threads bring connects and requests. Whoever is late
// when the time is up is evicted, and the others finish: so recovery ends within the hard limit,
// and the time it takes is bounded by what it says in `recovery_status`.
//
// Invariants: a request in a queue is referenced by it and in no other; replays are executed one at
// a time, in ascending order of numbers; after complete no queue holds anything. A member (a client
// that is waited for) is counted in exactly the counters that its flags say.
#pragma once

#include "libcfs/thread.hpp"
#include "rpc/target.hpp"
#include "target/client.hpp"
#include "target/commits.hpp"

namespace target
{

/// The target, as recovery needs it. Calls come from recovery's thread, without locks.
class RecoveryUser
{
public:
	/// Every member that is left has replayed its locks: begin a new epoch, save it, let new
	/// clients in. Returns the last number used.
	virtual Transno on_recovered() noexcept = 0;

protected:
	~RecoveryUser() = default;
};

struct RecoverySpec {
	std::string_view name;				  ///< of the target
	cfs::Duration soft = cfs::Duration::seconds(300); ///< from the first connect
	cfs::Duration hard = cfs::Duration::seconds(900); ///< whatever happens
	/// Added when somebody was evicted because the time was up.
	cfs::Duration more = cfs::Duration::seconds(60);
};

/// A client that is waited for.
struct RecoveryMember {
	static constexpr cfs_subsys kSubsys = CFS_S_CLASS;
	cfs::ListHook hook;
	cfs::RefPtr<rpc::Export> exp;
	Client *client = nullptr;
};

class Recovery
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_CLASS;

	enum class Stage : wire::u8 { idle, connecting, requests, locks, finishing, complete };
	struct Counts {
		u32 expected = 0;  ///< when it began
		u32 members = 0;   ///< still waited for, or done
		u32 connected = 0; ///< of them
		u32 replaying = 0; ///< connected, with requests to replay
		u32 locking = 0;   ///< connected, with locks to replay
		u32 done = 0;
		u32 evicted = 0;
		u32 queued = 0;
		u64 replayed = 0;
	};

	explicit Recovery(RecoveryUser &user) noexcept : user_(user) {}
	~Recovery() { CFS_ASSERT(!thread_.started()); }

	/// Clients will be told of the start: they are waited for so long instead of spec.soft.
	/// What has been given to those that came meanwhile stays theirs. After start().
	void expect_soon(cfs::Duration soft) noexcept;
	/// How long that is now.
	[[nodiscard]] cfs::Duration soft() noexcept;

	/// A client to wait for; before start(). err::NOMEM.
	[[nodiscard]] cfs::Result<> expect(rpc::Export &e) noexcept;
	/// Begins, if anybody is expected; false if not: then nothing needs recovering. Sleeps.
	[[nodiscard]] cfs::Result<bool> start(cfs_node *node, const RecoverySpec &spec,
					      Transno last_committed) noexcept;
	/// Ends it where it stands: queued requests are refused, members stay as they are (a
	/// fail-over partner will recover them). Sleeps.
	void stop() noexcept;
	/// An administrator gives up on whoever is not done. Does not wait.
	void abort() noexcept;

	[[nodiscard]] bool active() const noexcept
	{
		return active_.load(std::memory_order_acquire);
	}
	[[nodiscard]] bool takes_part(rpc::Export &e) noexcept;
	/// Versions decide whether a replay may be executed (spec 02 8.5 rule 9).
	[[nodiscard]] bool checks_versions() const noexcept
	{
		return vbr_.load(std::memory_order_relaxed);
	}
	/// A replay of this client met another version than it remembers: it is evicted when all
	/// requests have been replayed.
	void versions_failed(rpc::Export &e) noexcept;

	/// Somebody wants to connect, member or not: the time runs from the first one on, or new
	/// clients would wait for ever for those that are gone.
	void begin_time() noexcept;
	/// A member has connected. first_replay: the first number it will replay, 0: not told.
	void connected(rpc::Export &e, Transno first_replay, u32 client_estimate) noexcept;
	/// The connection has ended: it is waited for no more.
	void gone(rpc::Export &e) noexcept;
	/// TargetOps::filter().
	[[nodiscard]] rpc::Filter filter(rpc::ServerRequest &req) noexcept;

	[[nodiscard]] Stage stage() noexcept;
	[[nodiscard]] Counts counts() noexcept;
	/// The file recovery_status.
	void show(cfs::FormatSink &out) noexcept;

private:
	using Member = RecoveryMember;
	struct ByTransno {
		bool operator()(const rpc::ServerRequest &a,
				const rpc::ServerRequest &b) const noexcept
		{
			return a.body().transno.get() < b.body().transno.get();
		}
	};
	using Members = cfs::List<Member, &Member::hook>;
	using Replays =
		cfs::OrderedSet<rpc::ServerRequest, &rpc::ServerRequest::taken_set_hook, ByTransno>;
	using Queue = cfs::List<rpc::ServerRequest, &rpc::ServerRequest::taken_hook>;
	using ServerRequest = rpc::ServerRequest;
	enum class Whom : wire::u8 { absent, late, versions, unfinished };

	void run() noexcept;
	void wait_connected() noexcept;
	void replay_requests() noexcept;
	void replay_locks() noexcept;
	void finish() noexcept;
	void set_stage(Stage s) noexcept;
	template <typename Change>
	[[nodiscard]] bool wait_in_time(Change change) noexcept CFS_REQUIRES(lock_);

	[[nodiscard]] bool ending() const noexcept CFS_REQUIRES(lock_) { return stop_ || abort_; }
	[[nodiscard]] bool may_replay() const noexcept CFS_REQUIRES(lock_);
	[[nodiscard]] cfs::Instant deadline() const noexcept CFS_REQUIRES(lock_);
	void extend(cfs::Duration d) noexcept CFS_REQUIRES(lock_);
	void extend_for_the_rest() noexcept CFS_REQUIRES(lock_);
	/// When so much of the hard limit has passed.
	[[nodiscard]] cfs::Instant sixths(std::int64_t n) const noexcept CFS_REQUIRES(lock_);
	void leave(Client &c) noexcept CFS_REQUIRES(lock_);
	[[nodiscard]] bool matches(const Member &m, Whom whom) noexcept CFS_REQUIRES(lock_);
	void evict(Whom whom, const char *why) noexcept;
	void take_queued(const rpc::Export *of, Queue &out) noexcept CFS_REQUIRES(lock_);
	void queued(const ServerRequest &r) noexcept CFS_REQUIRES(lock_);
	void unqueued(const ServerRequest &r) noexcept CFS_REQUIRES(lock_);
	static void refuse(Queue &q, cfs::Errno why) noexcept;
	void refuse_all(cfs::Errno why) noexcept;
	[[nodiscard]] rpc::Filter take_replay(rpc::ServerRequest &req, Client &c) noexcept
		CFS_REQUIRES(lock_);
	[[nodiscard]] rpc::Filter take_done(rpc::ServerRequest &req, Client &c,
					    Queue &replaced) noexcept CFS_REQUIRES(lock_);

	RecoveryUser &user_;
	cfs::Thread thread_;
	std::atomic<bool> active_{false};
	std::atomic<bool> vbr_{false};
	char name_[64] = {};
	RecoverySpec spec_{};

	cfs::SpinLock lock_{CFS_LOCK_CLASS("target recovery")};
	cfs::WaitQueue waitq_{CFS_LOCK_CLASS("target recovery wait")};
	Stage stage_ CFS_GUARDED_BY(lock_) = Stage::idle;
	bool stop_ CFS_GUARDED_BY(lock_) = false;
	bool abort_ CFS_GUARDED_BY(lock_) = false;
	Counts counts_ CFS_GUARDED_BY(lock_);
	Transno next_ CFS_GUARDED_BY(lock_){};
	Transno last_ CFS_GUARDED_BY(lock_){};
	bool timed_ CFS_GUARDED_BY(lock_) = false;    // somebody has connected
	cfs::Instant extended_ CFS_GUARDED_BY(lock_); // for those that have come
	bool soon_ CFS_GUARDED_BY(lock_) = false;
	cfs::Instant timed_from_ CFS_GUARDED_BY(lock_);
	cfs::Instant stage_end_ CFS_GUARDED_BY(lock_);
	cfs::Instant began_ CFS_GUARDED_BY(lock_);
	cfs::Instant ended_ CFS_GUARDED_BY(lock_);
	std::int64_t began_real_ CFS_GUARDED_BY(lock_) = 0;
	Members members_ CFS_GUARDED_BY(lock_);
	Replays replays_ CFS_GUARDED_BY(lock_);
	Queue locks_ CFS_GUARDED_BY(lock_);
	Queue final_ CFS_GUARDED_BY(lock_);
};

/// "RECOVERING" and so on, as recovery_status says it.
[[nodiscard]] const char *name_of(Recovery::Stage s) noexcept;

} // namespace target
