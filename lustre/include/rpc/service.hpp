// SPDX-License-Identifier: GPL-2.0
//
// The server side: services (portals, buffers, threads), the requests they receive, and handlers
// (spec 02 sections 1.5, 3.4, 4).
//
// A service receives on its portals, finds the export of a request, drops what is obsolete or a
// duplicate, sorts by urgency, and gives it to a thread, which runs the handler and sends the
// reply. A handler is found by the opcode: in the service's own table, then in the table of the
// target that the export belongs to; so a target's operations are served on whatever portal they
// come. Connects, disconnects and pings are rpc's own.
//
//     cfs::Result<> Ost::read(ServerRequest &req, RequestView<op::OstRead> in) noexcept
//     {
//             auto out = TRY(req.reply<op::OstRead>());
//             TRY(req.bulk_put(...));
//             out.get<fld::OstBody>().oa = ...;
//             req.set_status(bytes);
//             return {};
//     }
//     constexpr Handler kHandlers[] = {handler<op::OstRead, &Ost::read>()};
//
// The result of the handler becomes pb_status: an error as its negative number, otherwise what
// set_status() said or 0.
#pragma once

#include "libcfs/containers.hpp"
#include "libcfs/params.hpp"
#include "rpc/export.hpp"

namespace rpc
{

class ServerRequest;
class Service;

/// Flags of a Handler.
enum HandlerFlags : u32 {
	/// No export is needed (SEC_CTX).
	kHandlerNoExport = 1 << 0,
	/// Comes from a server to its client: pb_handle is the callback cookie of an import.
	kHandlerCallback = 1 << 1,
	/// Goes to the high-priority queue, as whatever ends waiting must (cancel).
	kHandlerUrgent = 1 << 2,
	/// Executed although its deadline has passed (cancel).
	kHandlerEvenLate = 1 << 3,
	/// A resent copy is executed again even while the first one is being processed.
	kHandlerRepeatable = 1 << 4,
};

/// An operation that is served. Tables are constant and outlive the service or target.
struct Handler {
	wire::Opcode opcode;
	u32 flags;
	/// object: Service's or Target's, as given with the table.
	cfs::Result<> (*run)(void *object, ServerRequest &req) noexcept;
	/// Null: whatever kHandlerUrgent says. Else whether it is urgent; called when it has been
	/// received, must not sleep.
	bool (*is_urgent)(void *object, ServerRequest &req) noexcept = nullptr;
};

/// A request that a server has received. Reference counted; lives until its reply is on its way.
class ServerRequest : public cfs::RefCounted<ServerRequest>
{
public:
	// ---- what was asked ----
	/// The message, in its container no more.
	[[nodiscard]] const MessageView &message() const noexcept { return *message_; }
	[[nodiscard]] const wire::PtlrpcBodyV2 &body() const noexcept { return message_->body(); }
	[[nodiscard]] wire::Opcode opcode() const noexcept { return body().opc; }
	[[nodiscard]] wire::Xid xid() const noexcept { return xid_; }
	/// MSG_RESENT, MSG_REPLAY ...
	[[nodiscard]] bool has_flag(u32 msg_flag) const noexcept
	{
		return (body().flags & msg_flag) != 0;
	}
	/// Its typed form; a malformed one gives err::PROTO, fit to be returned by the handler.
	template <MessageFormat Format>
	[[nodiscard]] cfs::Result<RequestView<Format>> as(Defect *why = nullptr) const noexcept
	{
		return RequestView<Format>::parse(*message_, why);
	}

	// ---- who asks ----
	/// Null only for handlers with kHandlerNoExport or kHandlerCallback.
	[[nodiscard]] Export *exp() const noexcept { return export_.get(); }
	/// With kHandlerCallback: the import whose server calls.
	[[nodiscard]] Import *import() const noexcept { return import_.get(); }
	[[nodiscard]] const lnet::ProcessId &source() const noexcept { return source_; }
	/// This node's NID that it was sent to.
	[[nodiscard]] const lnet::Nid &self() const noexcept { return self_; }

	// ---- when ----
	[[nodiscard]] cfs::Instant arrival() const noexcept { return arrival_; }
	/// When the client will give up, early replies considered.
	[[nodiscard]] virtual cfs::Instant deadline() noexcept = 0;
	/// No early reply is sent any more: whoever waits is to learn that this hangs.
	virtual void stop_early_replies() noexcept = 0;

	// ---- the answer ----
	/// Memory for a reply of so many bytes, zeroed; a second call starts the reply anew. Mostly
	/// through reply<Format>(). err::NOMEM, err::OVERFLOWED. May sleep.
	[[nodiscard]] virtual cfs::Result<MutBytes> reply_room(std::size_t bytes) noexcept = 0;
	/// The reply, laid out with these lengths; shrink what is shorter in the end.
	template <MessageFormat Format>
	[[nodiscard]] cfs::Result<ReplyWriter<Format>>
	reply(const ReplyLengths<Format> &lengths = {}) noexcept
	{
		return ReplyWriter<Format>::create(TRY(reply_room(lengths.total())), lengths);
	}
	/// The room of the reply that has been made, empty before: for layers that add to it.
	[[nodiscard]] MutBytes reply_made() noexcept { return reply_; }
	/// How long a reply the client has room for, in the container; a longer one makes it ask
	/// again.
	[[nodiscard]] u32 reply_limit() const noexcept { return message_->header().repsize; }

	/// pb_status on success: a count, or a code above 0.
	void set_status(i32 status) noexcept { status_ = status; }
	[[nodiscard]] i32 status() const noexcept { return status_; }
	/// The transaction that this request made; goes into the reply.
	void set_transno(wire::Transno t) noexcept { transno_ = t; }
	[[nodiscard]] wire::Transno transno() const noexcept { return transno_; }
	/// Version of an object before the operation, n < 4 (spec 02 8.2).
	void set_pre_version(unsigned n, wire::ObjectVersion v) noexcept
	{
		CFS_ASSERT(n < wire::PTLRPC_NUM_VERSIONS);
		pre_versions_[n] = v;
	}
	/// An error of this handler is the dispatcher's kind (type 4712), not a result.
	void refuse_as_error() noexcept { as_error_ = true; }
	/// No reply is sent, whatever the handler returns: who asks will ask again.
	void leave_unanswered() noexcept { unanswered_ = true; }
	/// Held until the client has the reply, or this request's transno is committed. Takes over
	/// `hold`; at most kHoldsMax per request, more are released at once.
	virtual void hold_until_ack(ReplyHold &hold) noexcept = 0;
	static constexpr unsigned kHoldsMax = 16;

	// ---- bulk ----
	/// Moves data to the client (spec 02 1.7) and waits until the client has it. md_limit: M of
	/// rule 3. Sends an empty message for each descriptor the client waits for beyond the data.
	/// err::TIMEDOUT or err::NOTCONN when the client is gone or has reconnected: then the
	/// handler returns that and no reply is sent. Sleeps.
	[[nodiscard]] virtual cfs::Result<> bulk_put(const BulkDesc &bulk,
						     u32 md_limit = 1) noexcept = 0;
	/// Fetches data from the client. Sleeps.
	[[nodiscard]] virtual cfs::Result<> bulk_get(const BulkDesc &bulk,
						     u32 md_limit = 1) noexcept = 0;
	/// M for OUT_UPDATE, MDS_BATCH and MGS_TARGET_REG.
	static constexpr u32 kMdLimitXid = wire::PTLRPC_BULK_OPS_COUNT;

	// ---- recovery ----
	/// Runs the handler and sends the reply, in this thread: for a request that
	/// TargetOps::filter() took. Sleeps.
	virtual void execute() noexcept = 0;
	/// Answers a taken request with an error (type 4712), or drops it: err::TIMEDOUT.
	virtual void refuse(cfs::Errno why) noexcept = 0;
	/// For whoever took it: a link in their queues.
	cfs::ListHook taken_hook;
	cfs::SetHook taken_set_hook;

	virtual void destroy() noexcept = 0;

protected:
	ServerRequest() = default;
	~ServerRequest() = default;

	std::optional<MessageView> message_;
	cfs::RefPtr<Export> export_;
	cfs::RefPtr<Import> import_;
	lnet::ProcessId source_;
	lnet::Nid self_;
	cfs::Instant arrival_;
	wire::Xid xid_{};
	MutBytes reply_;
	i32 status_ = 0;
	wire::Transno transno_{};
	wire::ObjectVersion pre_versions_[wire::PTLRPC_NUM_VERSIONS] = {};
	bool as_error_ = false;
	bool unanswered_ = false;
};

namespace detail
{
template <auto Method>
struct HandlerMethod;
template <typename T, typename V, cfs::Result<> (T::*Method)(ServerRequest &, V) noexcept>
struct HandlerMethod<Method> {
	using Object = T;
};
template <typename T, cfs::Result<> (T::*Method)(ServerRequest &) noexcept>
struct HandlerMethod<Method> {
	using Object = T;
};
} // namespace detail

/// The Handler of a format: its request is parsed before the method is called.
///     cfs::Result<> T::method(ServerRequest &, RequestView<Format>) noexcept
template <MessageFormat Format, auto Method>
[[nodiscard]] consteval Handler handler(u32 flags = 0) noexcept
{
	using T = typename detail::HandlerMethod<Method>::Object;
	return {Format::info.opcode, flags,
		[](void *object, ServerRequest &req) noexcept -> cfs::Result<> {
			auto in = TRY(req.as<Format>());
			return (static_cast<T *>(object)->*Method)(req, in);
		}};
}
/// The Handler of an opcode whose variants the method tells apart itself.
///     cfs::Result<> T::method(ServerRequest &) noexcept
template <wire::Opcode Op, auto Method>
[[nodiscard]] consteval Handler raw_handler(u32 flags = 0) noexcept
{
	using T = typename detail::HandlerMethod<Method>::Object;
	return {Op, flags, [](void *object, ServerRequest &req) noexcept -> cfs::Result<> {
			return (static_cast<T *>(object)->*Method)(req);
		}};
}

struct ServiceSpec {
	/// "ost_io": the parameter folder. Copied, as the next.
	std::string_view name;
	/// "ll_ost_io": threads are ll_ost_io00_000.
	std::string_view thread_name;
	wire::Portal portals[2] = {}; ///< Portal{}: none
	wire::Portal reply_portal{};
	/// Bytes of the longest request; 1 KiB more is accepted.
	std::size_t request_max = wire::OST_MAXREQSIZE;
	/// A hint.
	std::size_t reply_max = wire::OST_MAXREPSIZE;
	/// Bytes of a receive buffer; 0: chosen from request_max.
	std::size_t buffer_bytes = 0;
	/// Per service; 0: chosen by the number of CPUs. They grow as needed and stay.
	u32 threads_min = 0;
	u32 threads_max = 0;
	/// The folder that gets one of this service's name, with its parameters (`ost.OSS`); none
	/// when null. Stays open longer than the service.
	cfs::ParamGroup *params = nullptr;
	/// Looked up before the target's.
	std::span<const Handler> handlers{};
	void *object = nullptr;
};

/// A running service. stop() it before its object goes.
class Service
{
public:
	/// Takes no more requests, waits for those being processed, frees. Sleeps.
	virtual void stop() noexcept = 0;
	[[nodiscard]] virtual u32 threads() noexcept = 0;
	/// Requests received so far, waiting now.
	[[nodiscard]] virtual u64 received() noexcept = 0;
	[[nodiscard]] virtual u32 queued() noexcept = 0;
	/// The stock files `req_history`, `timeouts`, `stats`.
	virtual void show_history(cfs::FormatSink &out) noexcept = 0;
	virtual void show_timeouts(cfs::FormatSink &out) noexcept = 0;

protected:
	~Service() = default;
};

} // namespace rpc
