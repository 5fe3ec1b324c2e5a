// SPDX-License-Identifier: GPL-2.0
//
// A request of the client side: composed by a format, sent on an import, answered, and kept for
// replay until the server has committed it (spec 02 sections 1 to 3, 8.3).
//
//     RequestLengths<op::OstRead> lengths;
//     lengths.elements<fld::Niobufs>(n);
//     auto req = TRY(Request<op::OstRead>::make(import, lengths));
//     req.get<fld::OstBody>().oa.valid = OBD_MD_FLID;
//     req->options.request_portal = wire::Portal::OST_IO_PORTAL;
//     req->options.bulk = BulkDesc::pages(...);
//     i32 bytes = TRY(req.send_wait());                  // pb_status when it is not negative
//     auto reply = TRY(req.reply());
//     reply.get<fld::OstBody>() ...
//
// or req->send(user): RequestUser::on_complete() is then called once, in a thread that may sleep a
// little, whatever happens. Every request completes: with the server's status, with err::TIMEDOUT
// or what the network said (only when it may not be resent), err::IO when the import was evicted or
// closed meanwhile, err::AGAIN when it may not wait for a connection, err::INTR when its waiter was
// killed.
//
// Resending, waiting for the connection, early replies, bulk and truncated replies happen inside
// and are not seen here.
#pragma once

#include "libcfs/mem.hpp"
#include "libcfs/thread.hpp"
#include "libcfs/wait.hpp"
#include "rpc/bulk.hpp"

namespace rpc
{

class Import;
class ClientRequest;

using i32 = std::int32_t;

/// States of an import; the numbers are those of the stock state files (spec 02 7.8).
enum class ImportState : u8 {
	closed = 1,	  // no connection, and there will be none
	fresh = 2,	  // nothing tried yet
	disconnected = 3, // lost; a connect follows
	connecting = 4,
	replay = 5,	  // the server restarted: requests are sent again in their order
	replay_locks = 6, // ... and locks
	replay_wait = 7,  // ... and this client is done and waits for the others
	recover = 8,	  // what was in flight is sent again
	full = 9,
	evicted = 10, // the server has forgotten us: state is being dropped
	idle = 11,    // disconnected on purpose; connects when needed
};
/// "FULL"
[[nodiscard]] const char *name_of(ImportState s) noexcept;

/// What becomes of a request beside being answered. Calls for one request come one after the other,
/// never with locks held. Unless it says otherwise they come from a thread of rpc's that many
/// requests share: they may take mutexes, allocate and send, but must not wait for other requests.
class RequestUser
{
public:
	/// It has ended: the server's status (not negative), or an error, which is the server's
	/// when req.replied(). Not called for send_wait().
	virtual void on_complete(ClientRequest &, cfs::Result<i32>) noexcept {}
	/// A reply with a transno came and the request will be kept for replay. It may be edited
	/// now through writer(): an open stores the FID and old handle of the reply into itself.
	/// Before on_complete(). Must not sleep.
	virtual void on_kept(ClientRequest &) noexcept {}
	/// The server answered its replay; the new reply is in place (a new open handle). Comes for
	/// each replay, before others are sent. Must not sleep.
	virtual void on_replayed(ClientRequest &, cfs::Result<i32>) noexcept {}
	/// The server has its effects on disk: it will not be replayed for their sake any more. Of
	/// those with options.keep_committed, which stay, too.
	virtual void on_committed(ClientRequest &) noexcept {}
	/// The last call: rpc needs neither this object nor bulk memory any more. No replay begins
	/// while calls like this one are owed, so none may wait for the import.
	virtual void on_gone(ClientRequest &) noexcept {}

protected:
	~RequestUser() = default;
};

/// How a request is to be treated. Set between its making and its sending.
struct RequestOptions {
	/// Portal{}: the import's.
	wire::Portal request_portal{};
	wire::Portal reply_portal{};
	BulkDesc bulk{};
	/// Fails with err::TIMEDOUT or the network's error instead of being sent again.
	bool no_resend = false;
	/// Fails with err::AGAIN when the import is not FULL instead of waiting until it is.
	bool no_delay = false;
	/// Takes a modify slot and its tag, and waits for one if needed (spec 02 8.4).
	bool modifies = false;
	/// Uses the slot reserved for closes when there is no other. With modifies.
	bool is_close = false;
	/// May be sent although the import still recovers (FLD, sequences, and the like).
	bool during_recovery = false;
	/// An open: stays for replay after its commit, until drop_replay().
	bool keep_committed = false;
	/// Never kept for replay although its reply has a transno.
	bool no_replay = false;
	/// Sent by ImportUser::replay_locks(): goes while the import is in REPLAY_LOCKS, with
	/// MSG_REQ_REPLAY_DONE.
	bool lock_replay = false;
	/// Marked MSG_RESENT from the beginning: an earlier request asked for the same.
	bool resent = false;
	/// -EINPROGRESS goes to the caller instead of being tried again later.
	bool no_retry_inprogress = false;
	/// Seconds to wait instead of the import's estimate; 0: the estimate.
	u32 timeout = 0;
	/// pb_uid, pb_gid and pb_projid, with MSG_PACK_UID_GID and MSG_PACK_PROJID in pb_flags.
	bool has_ids = false;
	bool has_projid = false;
	u32 uid = 0, gid = 0, projid = 0;
	/// Job id instead of that of the sending thread; NUL-terminated, empty: the thread's.
	char jobid[wire::LUSTRE_JOBID_SIZE] = {};
};

/// A request without its types. Reference counted; made by Import::new_request(). Everything but
/// `options` and the writing of the message before it is sent is rpc's.
class ClientRequest : public cfs::RefCounted<ClientRequest>
{
public:
	RequestOptions options;

	// ---- the message ----
	/// The memory of the request message, to compose it in; nobody may touch it from send() on
	/// but in the calls of RequestUser that say so.
	[[nodiscard]] MutBytes room() noexcept { return room_; }
	/// For edits of a message that is complete.
	[[nodiscard]] cfs::Result<MessageWriter> writer() noexcept
	{
		return MessageWriter::adopt(room_);
	}
	[[nodiscard]] const FormatInfo &info() const noexcept { return info_; }
	/// Whether the server answered, be it with an error.
	[[nodiscard]] bool replied() const noexcept { return !reply_.empty(); }
	/// The reply as it came: valid from completion on for as long as the request is referenced
	/// (until a replay brings another). err::NODATA when there was none.
	[[nodiscard]] cfs::Result<MessageView> reply(Defect *why = nullptr) const noexcept
	{
		if (reply_.empty())
			return cfs::fail(cfs::err::NODATA);
		return MessageView::parse_rpc(reply_, why);
	}

	// ---- sending ----
	/// Starts it. on_complete() of the user is called exactly once, possibly before this
	/// returns, in another thread. Never fails otherwise. Does not wait, but may allocate.
	virtual void send(RequestUser &user) noexcept = 0;
	/// Sends it and waits; user may be null. err::INTR when the waiter was killed: then the
	/// server may or may not have executed it, and no on_complete() follows; memory of a bulk
	/// is free at the return. Sleeps.
	[[nodiscard]] virtual cfs::Result<i32>
	send_wait(cfs::WaitMode mode = cfs::WaitMode::killable,
		  RequestUser *user = nullptr) noexcept = 0;
	/// Ends it with err::INTR at once if it has not been answered. Any thread; does not sleep.
	virtual void interrupt() noexcept = 0;
	/// Takes a committed open out of what is replayed: its close has been committed, or the
	/// file is gone. Before the commit it is dropped when that comes. Any thread, does not
	/// sleep.
	virtual void drop_replay() noexcept = 0;

	// ---- facts, once sent ----
	[[nodiscard]] virtual Import &import() noexcept = 0;
	[[nodiscard]] virtual wire::Xid xid() const noexcept = 0;
	/// From the reply, or what it is replayed with; 0: nothing was modified.
	[[nodiscard]] virtual wire::Transno transno() const noexcept = 0;
	/// Bytes that the server moved.
	[[nodiscard]] virtual u32 bulk_bytes() const noexcept = 0;
	/// From first sending to completion.
	[[nodiscard]] virtual cfs::Duration elapsed() const noexcept = 0;

	virtual void destroy() noexcept = 0;

protected:
	explicit ClientRequest(const FormatInfo &info) noexcept : info_(info) {}
	~ClientRequest() = default;

	MutBytes room_;
	Bytes reply_;
	FormatInfo info_;
};

/// A request of a format. Owns a reference; copies of it share the request.
template <MessageFormat Format>
class Request
{
	cfs::RefPtr<ClientRequest> req_;
	RequestWriter<Format> writer_;

	Request(cfs::RefPtr<ClientRequest> r, const RequestWriter<Format> &w) noexcept
	    : req_(std::move(r)), writer_(w)
	{
	}

public:
	/// A request of zeroes with buffers of these lengths; the lengths of the reply say what is
	/// expected at most and become lm_repsize. err::NOMEM, err::INVAL (a buffer that must be
	/// there has no room). May sleep.
	[[nodiscard]] static cfs::Result<Request>
	make(Import &import, const RequestLengths<Format> &lengths = {},
	     const ReplyLengths<Format> &reply = {}) noexcept;

	/// A field of the request, as format.hpp presents it.
	template <typename F>
	[[nodiscard]] decltype(auto) get() noexcept
	{
		return writer_.template get<F>();
	}
	template <typename F, typename V>
	[[nodiscard]] cfs::Result<> put(const V &v) noexcept
	{
		return writer_.template put<F>(v);
	}
	template <typename F>
	[[nodiscard]] cfs::Result<> resize(std::size_t bytes) noexcept
	{
		return writer_.template resize<F>(bytes);
	}
	/// Buffer 0. What rpc itself fills in (handle, xid, counts, times) is overwritten.
	[[nodiscard]] wire::PtlrpcBodyV2 &body() noexcept { return writer_.body(); }

	[[nodiscard]] cfs::Result<i32>
	send_wait(cfs::WaitMode mode = cfs::WaitMode::killable) noexcept
	{
		return req_->send_wait(mode);
	}
	/// The reply, checked against the format; after completion.
	[[nodiscard]] cfs::Result<ReplyView<Format>> reply(Defect *why = nullptr) const noexcept
	{
		return ReplyView<Format>::parse(TRY(req_->reply(why)), why);
	}

	[[nodiscard]] ClientRequest *operator->() const noexcept { return req_.get(); }
	[[nodiscard]] ClientRequest &operator*() const noexcept { return *req_; }
	[[nodiscard]] const cfs::RefPtr<ClientRequest> &ref() const noexcept { return req_; }
};

/// The typed reply of a request in a RequestUser.
template <MessageFormat Format>
[[nodiscard]] cfs::Result<ReplyView<Format>> reply_of(const ClientRequest &req,
						      Defect *why = nullptr) noexcept
{
	return ReplyView<Format>::parse(TRY(req.reply(why)), why);
}

/// Many requests sent at once and waited for together. Must outlive them: wait_all() before it
/// goes.
class RequestSet final : private RequestUser
{
	cfs::SpinLock lock_{CFS_LOCK_CLASS("request set")};
	cfs::WaitQueue waitq_{CFS_LOCK_CLASS("request set wait")};
	u32 pending_ CFS_GUARDED_BY(lock_) = 0;
	cfs::Errno first_error_ CFS_GUARDED_BY(lock_){};
	RequestUser *user_;

	void on_complete(ClientRequest &req, cfs::Result<i32> r) noexcept override
	{
		if (user_)
			user_->on_complete(req, r);
		cfs::SpinGuard g(lock_);
		if (!r && first_error_ == cfs::Errno{})
			first_error_ = r.error();
	}
	/// Counted here, because this is the last that a set hears of a request.
	void on_gone(ClientRequest &) noexcept override
	{
		cfs::SpinGuard g(lock_);
		if (--pending_ == 0)
			waitq_.wake_all();
	}

public:
	/// user: told of each completion, and of nothing else.
	explicit RequestSet(RequestUser *user = nullptr) noexcept : user_(user) {}
	~RequestSet() { CFS_ASSERT(pending_now() == 0); }

	/// Sends a request as one of the set. Its options.no_replay must suit: a request that is
	/// kept for replay outlives the set and may not be in one.
	void send(ClientRequest &req) noexcept
	{
		req.options.no_replay = true;
		{
			cfs::SpinGuard g(lock_);
			pending_++;
		}
		req.send(*this);
	}
	[[nodiscard]] u32 pending_now() noexcept
	{
		cfs::SpinGuard g(lock_);
		return pending_;
	}
	/// Waits until all have ended; the first error if one failed. Requests end by themselves;
	/// there is no other limit. Sleeps.
	[[nodiscard]] cfs::Result<> wait_all() noexcept
	{
		cfs::SpinGuard g(lock_);
		auto done = [this]() CFS_NO_TSA { return pending_ == 0; };
		(void)waitq_.wait(lock_, cfs::WaitMode::idle, cfs::Instant::never(), done);
		if (first_error_ != cfs::Errno{})
			return cfs::fail(first_error_);
		return {};
	}
};

} // namespace rpc

// What a request is sent on; Request::make() is defined there.
#include "rpc/import.hpp"
