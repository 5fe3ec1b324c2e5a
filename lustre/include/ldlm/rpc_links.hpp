// SPDX-License-Identifier: GPL-2.0
//
// The lock manager's links over RPC: ImportLink carries a client namespace's requests, ExportLink a
// server's callbacks (spec 03 section 1). Header-only, since the modules that own imports and
// exports make them.
//
// A client has both in a ClientLocks:
//
//     ClientLocks locks;
//     TRY(locks.open(*ldlm, *import, name, user));        // then import->start()
//     locks.ns().enqueue(...)
//     ... in the ImportUser:  replay_locks() { return locks.ns().replay(); }
//                             on_evicted()   { locks.ns().on_evicted(); }
//                             on_lock_volume(slv, limit) { locks.ns().on_reply(slv, limit); }
//     import->disconnect(mode, deadline);                 // it speaks to the namespace until then
//     TRY(locks.close(false, mode, deadline));
//
// A target has a target::LockService (lustre/target/common.hpp).
#pragma once

#include <optional>

#include "ldlm/ldlm.hpp"
#include "rpc/export.hpp"
#include "rpc/format/ops_ldlm.hpp"
#include "rpc/request.hpp"
#include "rpc/service.hpp"

namespace ldlm
{

namespace detail
{

/// Puts a DLM_REQ, which is whole already, into its buffer of a message.
template <typename R>
inline void put_dlm_req(R &req, cfs::Bytes from) noexcept
{
	auto *to = reinterpret_cast<std::byte *>(req.template get<rpc::fld::DlmReq>().head);
	for (std::size_t i = 0; i < from.size(); i++)
		to[i] = from[i];
}
template <typename Format>
[[nodiscard]] inline rpc::RequestLengths<Format> dlm_lengths(cfs::Bytes dlm_req) noexcept
{
	rpc::RequestLengths<Format> n;
	n.template elements<rpc::fld::DlmReq>((dlm_req.size() - sizeof(wire::LdlmRequest)) /
					      sizeof(u64));
	return n;
}

/// The DLM_REQ of a request, as the namespaces take it.
template <typename V>
[[nodiscard]] inline cfs::Bytes bytes_of_dlm_req(const V &v) noexcept
{
	if (!v)
		return {};
	return {reinterpret_cast<const std::byte *>(v.head),
		sizeof(wire::LdlmRequest) + v.tail.size_bytes()};
}

} // namespace detail

/// A client's connection. The import must outlive it.
class ImportLink final : public ClientLink
{
	rpc::Import &import_;
	cfs::Duration enqueue_min_;

	template <typename Format>
	cfs::Result<rpc::Request<Format>> make(cfs::Bytes dlm_req,
					       const rpc::ReplyLengths<Format> &reply = {}) noexcept
	{
		auto req = TRY(rpc::Request<Format>::make(
			import_, detail::dlm_lengths<Format>(dlm_req), reply));
		detail::put_dlm_req(req, dlm_req);
		return req;
	}
	/// Cancels and converts go where no thread waits for locks.
	static void to_cancel_portal(rpc::ClientRequest &req) noexcept
	{
		req.options.request_portal = wire::Portal::LDLM_CANCEL_REQUEST_PORTAL;
		req.options.reply_portal = wire::Portal::LDLM_CANCEL_REPLY_PORTAL;
	}

public:
	explicit ImportLink(rpc::Import &import,
			    cfs::Duration enqueue_min = cfs::Duration::seconds(100)) noexcept
	    : import_(import), enqueue_min_(enqueue_min)
	{
	}

	cfs::Result<int32_t> enqueue(cfs::Bytes dlm_req, EnqueueReply &reply, Sending how,
				     cfs::WaitMode mode) noexcept override
	{
		const bool replay = how == Sending::replay;
		using Format = rpc::op::LdlmEnqueue;
		rpc::ReplyLengths<Format> lengths;
		lengths.template bytes<rpc::fld::Lvb>(reply.lvb.size());
		auto req = TRY(make<Format>(dlm_req, lengths));
		const auto *head = reinterpret_cast<const wire::LdlmRequest *>(dlm_req.data());
		// A flock changes what the server remembers; a test of one does not.
		req->options.modifies = head->lock_desc.resource.type.get() == LDLM_FLOCK &&
					!replay &&
					!(head->lock_flags.get() & wire::LDLM_FL_TEST_LOCK);
		req->options.lock_replay = replay;
		req->options.resent = how == Sending::again;
		// The thread that replays is the import's own: when the connection breaks it must
		// come back to find a new one, and then all locks are replayed again.
		req->options.no_resend = req->options.no_delay = replay;
		int32_t status = TRY(req.send_wait(mode));
		auto got = TRY(req.reply());
		reply.rep = got.template get<rpc::fld::DlmRep>();
		cfs::Bytes lvb = got.template get<rpc::fld::Lvb>();
		if (lvb.size() > reply.lvb.size())
			return cfs::fail(cfs::err::PROTO);
		reply.lvb_bytes = lvb.size();
		for (std::size_t i = 0; i < lvb.size(); i++)
			reply.lvb[i] = lvb[i];
		return status;
	}
	cfs::Result<int32_t> convert(cfs::Bytes dlm_req, wire::LdlmReply &rep) noexcept override
	{
		auto req = TRY(make<rpc::op::LdlmConvert>(dlm_req));
		to_cancel_portal(*req);
		int32_t status = TRY(req.send_wait(cfs::WaitMode::idle));
		auto got = TRY(req.reply());
		rep = got.template get<rpc::fld::DlmRep>();
		return status;
	}
	cfs::Result<int32_t> cancel(cfs::Bytes dlm_req) noexcept override
	{
		auto req = TRY(make<rpc::op::LdlmCancel>(dlm_req));
		to_cancel_portal(*req);
		return req.send_wait(cfs::WaitMode::idle);
	}
	[[nodiscard]] u64 connect_flags() const noexcept override
	{
		return import_.granted().connect_flags.get();
	}
	[[nodiscard]] u64 connect_flags2() const noexcept override
	{
		return import_.granted().connect_flags2.get();
	}
	[[nodiscard]] cfs::Duration enqueue_timeout() const noexcept override
	{
		auto estimate = import_.service_estimate(wire::Portal::LDLM_CANCEL_REQUEST_PORTAL);
		return estimate * 3 < enqueue_min_ ? enqueue_min_ : estimate * 3;
	}
	void suspect() noexcept override { import_.reconnect_now(); }
};

/// A client's locks on one target: link, namespace, and callbacks. Not movable; one thread opens
/// and closes it.
class ClientLocks
{
	Ldlm *ldlm_ = nullptr;
	cfs::RefPtr<rpc::Import> import_;
	std::optional<ImportLink> link_;
	ClientNamespacePtr ns_;

	void end() noexcept
	{
		ns_.reset();
		link_.reset();
		import_.reset();
	}

public:
	ClientLocks() = default;
	~ClientLocks() { CFS_ASSERT(!ns_); }
	ClientLocks(const ClientLocks &) = delete;
	ClientLocks &operator=(const ClientLocks &) = delete;

	/// Before the import is started. name: of the namespace, mostly the import's device.
	/// Sleeps.
	[[nodiscard]] cfs::Result<> open(Ldlm &ldlm, rpc::Import &import, std::string_view name,
					 LockUser &user) noexcept
	{
		ldlm_ = &ldlm;
		import_ = cfs::RefPtr<rpc::Import>::share(&import);
		link_.emplace(import, ldlm.enqueue_min());
		auto ns = ldlm.open_client({name, &user, &*link_});
		cfs::Result<> done{};
		if (ns) {
			ns_ = std::move(*ns);
			done = ldlm.serve_callbacks(import, *ns_);
		} else {
			done = cfs::fail(ns.error());
		}
		if (!done) {
			if (ns_)
				(void)ns_->close(false, cfs::WaitMode::idle, cfs::Instant::never());
			end();
		}
		return done;
	}
	[[nodiscard]] bool is_open() const noexcept { return static_cast<bool>(ns_); }
	[[nodiscard]] ClientNamespace &ns() noexcept { return *ns_; }

	/// Gives every lock back, after LockUser::on_cancel(); without tell_server the disconnect
	/// does it for the server, and should come first: CANCELs under way, which it ends, are
	/// waited for without a deadline. err::TIMEDOUT, err::INTR: call again. Does nothing when
	/// it is not open. Sleeps.
	[[nodiscard]] cfs::Result<> close(bool tell_server, cfs::WaitMode mode,
					  cfs::Instant deadline) noexcept
	{
		if (!ns_)
			return {};
		TRY(ns_->close(tell_server, mode, deadline));
		ldlm_->end_callbacks(*import_);
		end();
		return {};
	}
};

/// A client's export on a target. The export must outlive it.
class ExportLink final : public PeerLink
{
	rpc::Export &export_;
	cfs::Duration enqueue_min_;

	/// Times a callback is sent before the client counts as silent.
	static constexpr unsigned kTries = 3;

	/// A callback as a request; ends with the answer.
	struct Call final : rpc::RequestUser {
		static constexpr cfs_subsys kSubsys = CFS_S_LDLM;

		Call(ExportLink &l, Ast &a) noexcept : link(l), ast(a) {}
		ExportLink &link;
		Ast &ast;
		unsigned tries = 0;
		bool again = false;

		void on_complete(rpc::ClientRequest &req, cfs::Result<rpc::i32> r) noexcept override
		{
			if (req.replied()) {
				cfs::Bytes lvb;
				if (ast.reply_lvb_max() && r)
					if (auto got = rpc::reply_of<rpc::op::LdlmGlCallback>(req))
						lvb = got->template get<rpc::fld::Lvb>();
				ast.done(AstEnd::answered, r ? *r : cfs::to_rc(r), lvb);
				return;
			}
			if (link.export_.gone()) {
				ast.done(AstEnd::gone, 0, {});
				return;
			}
			if (!r && r.error() == cfs::err::NOMEM) {
				ast.done(AstEnd::no_memory, 0, {});
				return;
			}
			again = ++tries < kTries;
			if (!again)
				ast.done(AstEnd::no_reply, cfs::to_rc(r), {});
		}
		void on_gone(rpc::ClientRequest &) noexcept override
		{
			if (std::exchange(again, false))
				link.start(*this);
			else
				cfs::UniquePtr<Call>(this).reset();
		}
	};

	template <typename Format>
	cfs::Result<cfs::RefPtr<rpc::ClientRequest>> compose(rpc::Import &import, Ast &ast) noexcept
	{
		auto lengths = detail::dlm_lengths<Format>(ast.dlm_req());
		rpc::ReplyLengths<Format> reply;
		if constexpr (std::is_same_v<Format, rpc::op::LdlmCpCallback>)
			lengths.template bytes<rpc::fld::Lvb>(ast.second().size());
		if constexpr (std::is_same_v<Format, rpc::op::LdlmGlCallback>)
			reply.template bytes<rpc::fld::Lvb>(ast.reply_lvb_max());
		auto req = TRY(rpc::Request<Format>::make(import, lengths, reply));
		detail::put_dlm_req(req, ast.dlm_req());
		if constexpr (std::is_same_v<Format, rpc::op::LdlmCpCallback>) {
			cfs::MutBytes to = req.template get<rpc::fld::Lvb>();
			for (std::size_t i = 0; i < ast.second().size(); i++)
				to[i] = ast.second()[i];
		}
		return req.ref();
	}
	cfs::Result<cfs::RefPtr<rpc::ClientRequest>> compose(rpc::Import &import, Ast &ast) noexcept
	{
		switch (ast.opcode()) {
		case static_cast<u32>(wire::Opcode::LDLM_BL_CALLBACK):
			return compose<rpc::op::LdlmBlCallback>(import, ast);
		case static_cast<u32>(wire::Opcode::LDLM_CP_CALLBACK):
			return compose<rpc::op::LdlmCpCallback>(import, ast);
		default:
			// The descriptors of quota and barrier glimpses are not sent yet.
			if (ast.has_second())
				return cfs::fail(cfs::err::OPNOTSUPP);
			return compose<rpc::op::LdlmGlCallback>(import, ast);
		}
	}
	void start(Call &call) noexcept
	{
		auto import = export_.reverse_import();
		cfs::Result<cfs::RefPtr<rpc::ClientRequest>> req = cfs::fail(cfs::err::NOTCONN);
		if (import)
			req = compose(*import, call.ast);
		if (!req) {
			AstEnd end = req.error() == cfs::err::NOTCONN ? AstEnd::gone
				     : req.error() == cfs::err::NOMEM ? AstEnd::no_memory
								      : AstEnd::no_reply;
			call.ast.done(end, cfs::to_rc(req), {});
			cfs::UniquePtr<Call>(&call).reset();
			return;
		}
		(*req)->options.no_resend = true;
		(*req)->options.no_replay = true;
		(*req)->send(call);
	}

public:
	/// enqueue_min: Ldlm::enqueue_min().
	explicit ExportLink(rpc::Export &e,
			    cfs::Duration enqueue_min = cfs::Duration::seconds(100)) noexcept
	    : export_(e), enqueue_min_(enqueue_min)
	{
	}

	void send(Ast &ast) noexcept override
	{
		if (auto call = cfs::try_make<Call>(*this, ast))
			start(*call->release());
		else
			ast.done(AstEnd::no_memory, 0, {});
	}
	void evict(std::string_view what) noexcept override
	{
		(void)what; // ldlm has said it on the console
		export_.evict("lock not given back or callback not answered");
	}
	[[nodiscard]] u64 connect_flags() const noexcept override
	{
		return export_.granted().connect_flags.get();
	}
	[[nodiscard]] u64 connect_flags2() const noexcept override
	{
		return export_.granted().connect_flags2.get();
	}
	[[nodiscard]] u64 ibits_known() const noexcept override
	{
		return export_.granted().ibits_known.get();
	}
	[[nodiscard]] cfs::Duration lock_timeout() const noexcept override
	{
		auto import = export_.reverse_import();
		if (!import)
			return enqueue_min_;
		auto estimate = import->service_estimate(wire::Portal::LDLM_CB_REQUEST_PORTAL);
		auto limit = estimate * 3 / 2;
		return limit < enqueue_min_ ? enqueue_min_ : limit;
	}
	void describe(cfs::FormatSink &out) const noexcept override
	{
		out.print("{:e}@{}", std::string_view(export_.client_uuid()), export_.nid());
	}
};

/// LDLM_ENQUEUE without an intent of the target's own, as a handler of a target: plain locks,
/// extents and their glimpses, flocks.
[[nodiscard]] inline cfs::Result<> serve_enqueue(ServerNamespace &ns, Peer &peer,
						 rpc::ServerRequest &req) noexcept
{
	using Format = rpc::op::LdlmEnqueue;
	auto in = TRY(req.as<Format>());
	EnqueueAnswer answer;
	EnqueueCall call;
	call.dlm_req = detail::bytes_of_dlm_req(in.template get<rpc::fld::DlmReq>());
	call.resent = req.has_flag(wire::MSG_RESENT);
	call.replay = req.has_flag(wire::MSG_REPLAY);
	ns.enqueue(peer, call, nullptr, answer);
	rpc::ReplyLengths<Format> lengths;
	lengths.template bytes<rpc::fld::Lvb>(answer.lvb_bytes);
	auto out = TRY(req.reply<Format>(lengths));
	out.template get<rpc::fld::DlmRep>() = answer.rep;
	cfs::MutBytes lvb = out.template get<rpc::fld::Lvb>();
	for (std::size_t i = 0; i < answer.lvb_bytes; i++)
		lvb[i] = answer.lvb[i];
	if (answer.status < 0) {
		req.refuse_as_error();
		return cfs::fail(cfs::Errno{-answer.status});
	}
	req.set_status(answer.status);
	return {};
}

/// LDLM_CANCEL, as a handler of a target; with kHandlerUrgent | kHandlerEvenLate.
[[nodiscard]] inline cfs::Result<> serve_cancel(ServerNamespace &ns, Peer &peer,
						rpc::ServerRequest &req) noexcept
{
	auto in = TRY(req.as<rpc::op::LdlmCancel>());
	int32_t status =
		ns.cancel(peer, detail::bytes_of_dlm_req(in.template get<rpc::fld::DlmReq>()));
	// Without room of its own the answer is the body, which is all of this one.
	(void)req.reply<rpc::op::LdlmCancel>();
	if (status < 0)
		return cfs::fail(cfs::Errno{-status});
	req.set_status(status);
	return {};
}

/// LDLM_CONVERT, likewise.
[[nodiscard]] inline cfs::Result<> serve_convert(ServerNamespace &ns, Peer &peer,
						 rpc::ServerRequest &req) noexcept
{
	using Format = rpc::op::LdlmConvert;
	auto in = TRY(req.as<Format>());
	wire::LdlmReply rep{};
	int32_t status = ns.convert(
		peer, detail::bytes_of_dlm_req(in.template get<rpc::fld::DlmReq>()), rep);
	auto out = TRY(req.reply<Format>());
	out.template get<rpc::fld::DlmRep>() = rep;
	if (status < 0)
		return cfs::fail(cfs::Errno{-status});
	req.set_status(status);
	return {};
}

/// A callback of a server, as a handler with kHandlerCallback of the service on portal 15. A client
/// short of memory does not answer with an error, for which it would be evicted: without an answer
/// the server asks again, a few times.
[[nodiscard]] inline cfs::Result<> serve_callback(ClientNamespace &ns,
						  rpc::ServerRequest &req) noexcept
{
	CallbackReply answer;
	auto opcode = static_cast<u32>(req.opcode());
	int32_t status = 0;
	if (req.opcode() == wire::Opcode::LDLM_CP_CALLBACK) {
		auto in = TRY(req.as<rpc::op::LdlmCpCallback>());
		status = ns.callback(opcode,
				     detail::bytes_of_dlm_req(in.template get<rpc::fld::DlmReq>()),
				     in.template get<rpc::fld::Lvb>(), answer);
		(void)req.reply<rpc::op::LdlmCpCallback>();
	} else if (req.opcode() == wire::Opcode::LDLM_GL_CALLBACK) {
		auto in = TRY(req.as<rpc::op::LdlmGlCallback>());
		status = ns.callback(opcode,
				     detail::bytes_of_dlm_req(in.template get<rpc::fld::DlmReq>()),
				     {}, answer);
		rpc::ReplyLengths<rpc::op::LdlmGlCallback> lengths;
		lengths.template bytes<rpc::fld::Lvb>(answer.lvb_bytes);
		auto out = req.reply<rpc::op::LdlmGlCallback>(lengths);
		if (!out) {
			if (status == 0)
				req.leave_unanswered();
			return cfs::fail(status < 0 ? cfs::Errno{-status} : out.error());
		}
		cfs::MutBytes lvb = out->template get<rpc::fld::Lvb>();
		for (std::size_t i = 0; i < answer.lvb_bytes; i++)
			lvb[i] = answer.lvb[i];
	} else if (req.opcode() == wire::Opcode::LDLM_BL_CALLBACK) {
		auto in = TRY(req.as<rpc::op::LdlmBlCallback>());
		status = ns.callback(opcode,
				     detail::bytes_of_dlm_req(in.template get<rpc::fld::DlmReq>()),
				     {}, answer);
		(void)req.reply<rpc::op::LdlmBlCallback>();
	} else {
		return cfs::fail(cfs::err::OPNOTSUPP);
	}
	if (status < 0)
		return cfs::fail(cfs::Errno{-status});
	return {};
}

} // namespace ldlm
