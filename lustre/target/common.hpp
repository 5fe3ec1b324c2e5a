// SPDX-License-Identifier: GPL-2.0
//
// What every server target serves in the same way: locks of clients, and the reading of logs by
// other nodes (spec 02 sections 6.3, 6.6, 9.5; spec 03). An MGS, MDT or OST has a LockService, and
// a LogService if it has logs for others; their operations are put behind its own ones:
//
//     class Ost final : public target::CommonTarget {
//             cfs::Result<> read(rpc::ServerRequest &, rpc::RequestView<op::OstRead>) noexcept;
//             ...
//     };
//     constexpr auto kHandlers = target::with_locks<Ost>({
//             rpc::handler<op::OstRead, &Ost::read>(), ...});
//     std::span<const rpc::Handler> Ost::handlers() noexcept { return kHandlers; }
//     void *Ost::handler_object() noexcept { return this; }
//
// MDT and OST derive from CommonTarget, which ties the locks to the life of clients and to
// recovery. The MGS, which keeps nothing of its clients, derives from rpc::TargetOps and has the
// members itself: LockService::gone() in on_gone(), and locks().volume() in lock_volume().
//
// Invariants: a client (export) has at most one Peer in the namespace; it is attached by its first
// request about locks, and detached when the export goes, after which none is attached any more.
#pragma once

#include <array>

#include "ldlm/ldlm.hpp"
#include "ldlm/rpc_links.hpp"
#include "llog/log.hpp"
#include "rpc/format/ops_mgs.hpp"
#include "target/target.hpp"

namespace target
{

// ---- locks ----

/// An enqueue that carries an intent buffer (lookup, open, layout...): the target's own business.
class IntentServer
{
public:
	/// Serves it whole: makes the reply by the variant's format, runs
	/// locks().ns().enqueue(peer, enqueue_call(req, dlm_req), &policy, answer) or takes a lock
	/// itself, and puts the outcome into the reply by put_answer(). Which variant it is says
	/// rpc::op::intent_of(req.message()). Resent and replayed requests come here too.
	virtual cfs::Result<> serve_intent(rpc::ServerRequest &req, ldlm::Peer &peer) noexcept = 0;

protected:
	~IntentServer() = default;
};

/// The DLM_REQ of a request as the lock manager takes it: to be used while the request lives.
template <typename DlmReqView>
[[nodiscard]] inline ldlm::EnqueueCall enqueue_call(rpc::ServerRequest &req,
						    const DlmReqView &dlm_req) noexcept
{
	ldlm::EnqueueCall call;
	call.dlm_req = ldlm::detail::bytes_of_dlm_req(dlm_req);
	call.resent = req.has_flag(wire::MSG_RESENT);
	call.replay = req.has_flag(wire::MSG_REPLAY | wire::MSG_REQ_REPLAY_DONE);
	return call;
}
/// Puts what the lock manager said into DLM_REP and the status of the reply. A negative status is
/// returned as the handler's error: with an intent the reply keeps its buffers.
[[nodiscard]] cfs::Result<> put_answer(rpc::ServerRequest &req, wire::LdlmReply &dlm_rep,
				       const ldlm::EnqueueAnswer &answer) noexcept;

class LockService
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LDLM;

	LockService() = default;
	~LockService() { CFS_ASSERT(!ns_); }
	LockService(const LockService &) = delete;
	LockService &operator=(const LockService &) = delete;

	/// Makes the namespace, and sees to it that the node serves cancels (portal 17). `intents`
	/// may be null: then enqueues with an intent are answered with err::OPNOTSUPP. With
	/// spec.recovering nothing is granted until recovery_done(). err::EXIST. Sleeps.
	[[nodiscard]] cfs::Result<> open(rpc::Rpc &rpc, ldlm::Ldlm &ldlm,
					 const ldlm::ServerSpec &spec,
					 IntentServer *intents = nullptr) noexcept;
	/// When every export is gone and local locks are given back. Does nothing when it is not
	/// open. Sleeps.
	void close() noexcept;
	[[nodiscard]] bool is_open() const noexcept { return static_cast<bool>(ns_); }

	[[nodiscard]] ldlm::ServerNamespace &ns() noexcept { return *ns_; }
	/// The client's locks; made when it has none so far. err::NOTCONN: it is gone. Sleeps.
	[[nodiscard]] cfs::Result<ldlm::PeerPtr> peer(rpc::Export &e) noexcept;
	/// TargetOps::on_gone(): all locks of the client go. Sleeps.
	void gone(rpc::Export &e) noexcept;

	/// Early cancels in the DLM_REQ of another request (REINT, DESTROY, PUNCH: first 0).
	template <typename DlmReqView>
	void cancel_early(rpc::Export &e, const DlmReqView &dlm_req, unsigned first = 0) noexcept
	{
		cfs::Bytes bytes = ldlm::detail::bytes_of_dlm_req(dlm_req);
		if (bytes.empty())
			return;
		if (auto p = peer(e))
			ns_->cancel_early(**p, bytes, first);
	}
	/// The locks that I/O of a client runs under get more time: at its begin, and for long ones
	/// again. io.time may be left 0.
	ldlm::IoLocks prolong(rpc::Export &e, const ldlm::IoSpan &io) noexcept;
	/// TargetOps::lock_volume().
	void volume(rpc::Export &e, wire::u64 &slv, wire::u32 &limit) noexcept;

	// ---- handlers ----
	[[nodiscard]] cfs::Result<> enqueue(rpc::ServerRequest &req) noexcept;
	[[nodiscard]] cfs::Result<> convert(rpc::ServerRequest &req) noexcept;
	[[nodiscard]] cfs::Result<> cancel(rpc::ServerRequest &req) noexcept;

private:
	class PeerData;

	ldlm::Ldlm *ldlm_ = nullptr;
	rpc::Rpc *rpc_ = nullptr;
	IntentServer *intents_ = nullptr;
	ldlm::ServerNamespacePtr ns_;
	/// Orders attaching against the end of the export.
	cfs::Mutex lock_{CFS_LOCK_CLASS("target locks")};
};

// ---- logs ----

/// Which logs a target lets others read.
class LogFinder
{
public:
	/// err::NOENT: there is none of that name.
	[[nodiscard]] virtual cfs::Result<llog::LogRef>
	log_by_name(std::string_view name, wire::LlogContext context) noexcept = 0;
	/// By what Log::logid() said to the reader before. err::NOENT.
	[[nodiscard]] virtual cfs::Result<llog::LogRef>
	log_by_id(const wire::LlogLogid &id) noexcept = 0;

protected:
	~LogFinder() = default;
};

/// The logs of one directory (CONFIGS), each open once, so that readers and writers use the same
/// Log.
class NamedLogs final : public LogFinder
{
	struct Entry {
		static constexpr cfs_subsys kSubsys = CFS_S_LOG;
		cfs::ListHook hook;
		llog::LogRef log;
	};
	using Entries = cfs::List<Entry, &Entry::hook>;

	osd::DeviceRef device_;
	osd::ObjectRef dir_;
	osd::LastId ids_;
	cfs::Mutex lock_{CFS_LOCK_CLASS("target named logs")};
	Entries entries_ CFS_GUARDED_BY(lock_);

	[[nodiscard]] Entry *find(std::string_view name) noexcept CFS_REQUIRES(lock_);
	[[nodiscard]] cfs::Result<llog::LogRef> keep(llog::LogRef log) noexcept CFS_REQUIRES(lock_);

public:
	static constexpr cfs_subsys kSubsys = CFS_S_LOG;

	NamedLogs() = default;
	~NamedLogs() { close(); }
	NamedLogs(const NamedLogs &) = delete;
	NamedLogs &operator=(const NamedLogs &) = delete;

	/// path: of the directory, from the root of the backing file system on. Sleeps.
	[[nodiscard]] cfs::Result<> open(osd::DeviceRef device,
					 std::string_view path = "CONFIGS") noexcept;
	void close() noexcept;

	/// err::NOENT.
	[[nodiscard]] cfs::Result<llog::LogRef> find_log(std::string_view name) noexcept;
	/// Made with `spec` when there is none; its header is written with the first record. Not
	/// within a transaction.
	[[nodiscard]] cfs::Result<llog::LogRef> make_log(std::string_view name,
							 const llog::LogSpec &spec) noexcept;
	/// Removes it. Who reads it gets err::NOENT from now on. Not within a transaction.
	[[nodiscard]] cfs::Result<> erase_log(std::string_view name) noexcept;

	[[nodiscard]] cfs::Result<llog::LogRef> log_by_name(std::string_view name,
							    wire::LlogContext) noexcept override
	{
		return find_log(name);
	}
	[[nodiscard]] cfs::Result<llog::LogRef>
	log_by_id(const wire::LlogLogid &id) noexcept override;
};

/// LLOG_ORIGIN_HANDLE_CREATE, NEXT_BLOCK and READ_HEADER: a handle-less protocol, every request
/// names the log.
class LogService
{
	LogFinder *finder_ = nullptr;

	[[nodiscard]] cfs::Result<llog::LogRef>
	find(rpc::RequestView<rpc::op::LlogCreate> in) noexcept;

public:
	/// finder outlives the service.
	void open(LogFinder &finder) noexcept { finder_ = &finder; }

	// ---- handlers ----
	[[nodiscard]] cfs::Result<> create(rpc::ServerRequest &req) noexcept;
	[[nodiscard]] cfs::Result<> next_block(rpc::ServerRequest &req) noexcept;
	[[nodiscard]] cfs::Result<> read_header(rpc::ServerRequest &req) noexcept;
};

// ---- tables of handlers ----

namespace detail
{

/// A handler of T's LockService, T::locks().
template <typename T, wire::Opcode Op, auto Method>
[[nodiscard]] consteval rpc::Handler lock_handler(wire::u32 flags) noexcept
{
	return {Op, flags, [](void *object, rpc::ServerRequest &req) noexcept -> cfs::Result<> {
			return (static_cast<T *>(object)->locks().*Method)(req);
		}};
}
template <typename T, wire::Opcode Op, auto Method>
[[nodiscard]] consteval rpc::Handler log_handler() noexcept
{
	return {Op, 0, [](void *object, rpc::ServerRequest &req) noexcept -> cfs::Result<> {
			return (static_cast<T *>(object)->logs().*Method)(req);
		}};
}

} // namespace detail

/// Own handlers, and those of the locks behind them. T has `LockService &locks()`, and its
/// handler_object() is the T.
template <typename T, std::size_t N>
[[nodiscard]] consteval std::array<rpc::Handler, N + 3>
with_locks(const rpc::Handler (&own)[N]) noexcept
{
	using wire::Opcode;
	std::array<rpc::Handler, N + 3> all{};
	for (std::size_t i = 0; i < N; i++)
		all[i] = own[i];
	constexpr wire::u32 kLate = rpc::kHandlerUrgent | rpc::kHandlerEvenLate;
	all[N] = detail::lock_handler<T, Opcode::LDLM_ENQUEUE, &LockService::enqueue>(0);
	all[N + 1] = detail::lock_handler<T, Opcode::LDLM_CONVERT, &LockService::convert>(kLate);
	all[N + 2] = detail::lock_handler<T, Opcode::LDLM_CANCEL, &LockService::cancel>(kLate);
	return all;
}
/// Likewise those of locks and logs. T has `LogService &logs()` too.
template <typename T, std::size_t N>
[[nodiscard]] consteval std::array<rpc::Handler, N + 6>
with_locks_and_logs(const rpc::Handler (&own)[N]) noexcept
{
	using wire::Opcode;
	std::array<rpc::Handler, N + 6> all{};
	auto some = with_locks<T>(own);
	for (std::size_t i = 0; i < N + 3; i++)
		all[i] = some[i];
	all[N + 3] =
		detail::log_handler<T, Opcode::LLOG_ORIGIN_HANDLE_CREATE, &LogService::create>();
	all[N + 4] = detail::log_handler<T, Opcode::LLOG_ORIGIN_HANDLE_NEXT_BLOCK,
					 &LogService::next_block>();
	all[N + 5] = detail::log_handler<T, Opcode::LLOG_ORIGIN_HANDLE_READ_HEADER,
					 &LogService::read_header>();
	return all;
}

// ---- MDT and OST ----

/// A target with locks: opens them before clients can come, ends them after the last one, and
/// takes them through recovery.
class CommonTarget : public Target
{
public:
	struct LockConfig {
		std::string_view name; ///< of the namespace: "filter-lustre-OST0000_UUID"
		ldlm::LvbSource *lvb = nullptr;
		IntentServer *intents = nullptr;
	};

	/// As Target::start(), with locks.
	[[nodiscard]] cfs::Result<> start(rpc::Rpc &rpc, ldlm::Ldlm &ldlm, osd::DeviceRef device,
					  const TargetConfig &config,
					  const LockConfig &locks) noexcept;
	void stop(StopKind kind) noexcept;

	[[nodiscard]] LockService &locks() noexcept { return locks_; }

	void lock_volume(rpc::Export &e, wire::u64 &slv, wire::u32 &limit) noexcept override
	{
		locks_.volume(e, slv, limit);
	}

protected:
	~CommonTarget() = default;

	/// Open files and grants of a client that is gone; its locks go afterwards.
	virtual void client_left(rpc::Export &, bool evicted) noexcept { (void)evicted; }
	/// Every client that will come back has come: orphans. Once per start(), be there a
	/// recovery or not; locks are granted after it.
	virtual void ready() noexcept {}

private:
	void client_gone(rpc::Export &e, bool evicted) noexcept final;
	void recovered() noexcept final;

	LockService locks_;
};

} // namespace target
