// SPDX-License-Identifier: GPL-2.0
//
// An import: this node's connection to one target, with everything that keeps it working (spec 02
// sections 7.8, 8.3, 8.6): the NIDs of the nodes that may serve it, the connect that negotiates
// features, time-outs, reconnecting, fail-over, replay, resending, and eviction.
//
//     fresh -> connecting -> full <-> disconnected -> connecting -> ...
//                          \-> replay -> replay_locks -> replay_wait -> recover -> full
//                          \-> evicted -> recover -> full
//
// Everything happens by itself once connect() was called; requests wait as long as it takes unless
// their options say otherwise. The ImportUser hears of it.
//
// The connections that servers use to call their clients back (Export::reverse_import()) are
// imports too: always FULL, never reconnected; their requests fail when the client is gone.
#pragma once

#include "rpc/request.hpp"

namespace rpc
{

class Rpc;

/// Who uses an import (the client half of a target, the lock manager behind it). Calls come one at
/// a time from a thread of that import's and may sleep, except where said.
class ImportUser
{
public:
	/// A connect was answered and the server granted `granted`. An error refuses it: the import
	/// is closed (err::PROTO) or tries again later (anything else). `first`: of this import, or
	/// since an eviction.
	virtual cfs::Result<> on_connected(Import &, const wire::ObdConnectData &granted,
					   bool first) noexcept
	{
		(void)granted, (void)first;
		return {};
	}
	/// The connection was lost.
	virtual void on_disconnected(Import &) noexcept {}
	/// FULL again, or for the first time; requests flow.
	virtual void on_full(Import &) noexcept {}
	/// State REPLAY_LOCKS: send every lock again, options.lock_replay set. The import goes on
	/// when this has returned and all those requests have completed. Whoever waits for answers
	/// here sets no_resend and no_delay, too: it is this thread that reconnects. False: not
	/// all were told, for want of a connection or of memory; it is asked again when there is a
	/// new connection.
	[[nodiscard]] virtual bool replay_locks(Import &) noexcept { return true; }
	/// Evicted: the server has dropped our locks, opens and unwritten data, and every request
	/// has been failed. Drop locks and caches; the import goes on when this returns.
	virtual void on_evicted(Import &) noexcept {}
	/// Closed by disconnect(), deactivation or a fatal refusal (why).
	virtual void on_closed(Import &, cfs::Errno why) noexcept { (void)why; }
	/// pb_slv and pb_limit of a reply, when there is a volume. Any thread; must not sleep.
	virtual void on_lock_volume(Import &, u64 slv, u32 limit) noexcept
	{
		(void)slv, (void)limit;
	}
	/// What to send as ocd_grant and the like in a reconnect: `wanted` begins as in ImportSpec.
	virtual void on_connecting(Import &, wire::ObdConnectData &wanted) noexcept
	{
		(void)wanted;
	}

protected:
	~ImportUser() = default;
};

struct ImportSpec {
	/// Its name in messages and parameter folders: "lustre-OST0000-osc-ffff8880". Copied.
	std::string_view device;
	/// Name or uuid of the target: "lustre-OST0000_UUID", "MGS". Copied.
	std::string_view target;
	/// Of this client (spec 02 7.9). Copied.
	std::string_view client_uuid;
	wire::Opcode connect_op = wire::Opcode::OST_CONNECT;
	wire::Opcode disconnect_op = wire::Opcode::OST_DISCONNECT;
	wire::Portal request_portal = wire::Portal::OST_REQUEST_PORTAL;
	wire::Portal reply_portal = wire::Portal::OSC_REPLY_PORTAL;
	wire::SecPart part = wire::SecPart::LUSTRE_SP_CLI;
	/// What is asked for; the same in every connect.
	wire::ObdConnectData wanted{};
	/// Flags without which the connection is of no use: err::PROTO, and the import is closed.
	u64 required = 0;
	/// Modifying requests at once, before the server's limit.
	u32 max_mod_rpcs = 7;
	/// No pings.
	bool no_ping = false;
	/// A server's import without a slot in last_rcvd (LIGHTWEIGHT).
	bool lightweight = false;
	/// When nothing has been sent for so long, disconnect until something is; 0: never.
	cfs::Duration idle_timeout{};
	ImportUser *user = nullptr; ///< outlives the import's close
};

/// The standard values for the kinds of targets (spec 02 1.6); device, target, client_uuid, wanted
/// and user are left to be filled in.
[[nodiscard]] constexpr ImportSpec mgs_import() noexcept
{
	ImportSpec s;
	s.connect_op = wire::Opcode::MGS_CONNECT;
	s.disconnect_op = wire::Opcode::MGS_DISCONNECT;
	s.request_portal = wire::Portal::MGS_REQUEST_PORTAL;
	s.reply_portal = wire::Portal::MGC_REPLY_PORTAL;
	s.part = wire::SecPart::LUSTRE_SP_MGC;
	return s;
}
[[nodiscard]] constexpr ImportSpec mdt_import() noexcept
{
	ImportSpec s;
	s.connect_op = wire::Opcode::MDS_CONNECT;
	s.disconnect_op = wire::Opcode::MDS_DISCONNECT;
	s.request_portal = wire::Portal::MDS_REQUEST_PORTAL;
	s.reply_portal = wire::Portal::MDC_REPLY_PORTAL;
	return s;
}
[[nodiscard]] constexpr ImportSpec ost_import() noexcept
{
	return {};
}

class Import : public cfs::RefCounted<Import>
{
public:
	// ---- making requests ----
	/// A request with room for a message of request_bytes; reply_bytes is the longest reply
	/// expected. Mostly called through Request<Format>::make(). err::NOMEM. May sleep.
	[[nodiscard]] virtual cfs::Result<cfs::RefPtr<ClientRequest>>
	new_request(const FormatInfo &info, std::size_t request_bytes,
		    std::size_t reply_bytes) noexcept = 0;

	// ---- whom to connect to ----
	/// Adds a node that may serve the target, by the uuid its NIDs were made known under
	/// (Rpc::add_uuid()) or by its NIDs. The first one added is tried first; fail-over goes in
	/// order. err::NOENT (uuid unknown), err::NOSPC.
	[[nodiscard]] virtual cfs::Result<> add_connection(std::string_view uuid) noexcept = 0;
	[[nodiscard]] virtual cfs::Result<>
	add_connection(std::span<const lnet::Nid> nids) noexcept = 0;

	// ---- life ----
	/// Starts to connect and goes on for ever; returns at once. err::ALREADY when started.
	[[nodiscard]] virtual cfs::Result<> start() noexcept = 0;
	/// Waits until it is FULL. The reason when it was closed, err::TIMEDOUT, err::INTR. Sleeps.
	[[nodiscard]] virtual cfs::Result<> wait_full(cfs::WaitMode mode,
						      cfs::Instant deadline) noexcept = 0;
	/// Tells the server good-bye, if it can be reached before the deadline, and closes: waiting
	/// requests fail with err::IO, and no call to the user comes after the return. Always
	/// succeeds in closing; the error tells how the good-bye went, err::NOTCONN also that the
	/// server may have lost what it had answered and not committed. Sleeps.
	virtual cfs::Result<> disconnect(cfs::WaitMode mode, cfs::Instant deadline) noexcept = 0;
	/// Administratively off (requests fail with err::IO, nothing is tried) and on again.
	/// Sleeps.
	virtual void set_active(bool active) noexcept = 0;
	/// Connects at once, instead of when the time comes, to where it was or could be.
	virtual void reconnect_now() noexcept = 0;
	/// The MGS announces where the target runs now (imperative recovery, spec 02 8.7): these
	/// NIDs, of which those that were not known so far are added, are connected to at once,
	/// unless we are connected to this instance of the target or to a later one. Sleeps.
	virtual void target_moved(std::span<const lnet::Nid> nids, u32 instance) noexcept = 0;

	// ---- facts ----
	[[nodiscard]] virtual Rpc &rpc() noexcept = 0;
	[[nodiscard]] virtual ImportState state() const noexcept = 0;
	[[nodiscard]] virtual const char *device() const noexcept = 0;
	[[nodiscard]] virtual const char *target() const noexcept = 0;
	/// What the server granted last; zeroes before the first connect.
	[[nodiscard]] virtual wire::ObdConnectData granted() noexcept = 0;
	[[nodiscard]] virtual bool has_flag(u64 connect_flag) const noexcept = 0;
	[[nodiscard]] virtual bool has_flag2(u64 connect_flag2) const noexcept = 0;
	/// The NID in use, or Nid{}.
	[[nodiscard]] virtual lnet::Nid peer() noexcept = 0;
	/// Quoted by the server in its callbacks: find_import() of Rpc finds the import by it.
	[[nodiscard]] virtual wire::ExportHandle callback_cookie() const noexcept = 0;
	/// Counts connections to new instances of the server and evictions: handles that the server
	/// gave out under another generation are void.
	[[nodiscard]] virtual u32 generation() const noexcept = 0;
	[[nodiscard]] virtual wire::Transno last_committed() const noexcept = 0;
	/// The estimate of how long the server takes, by request portal.
	[[nodiscard]] virtual cfs::Duration service_estimate(wire::Portal portal) noexcept = 0;
	[[nodiscard]] virtual bool replayable() const noexcept = 0;
	/// Sends a ping when the server is not known to have committed up to this, so that
	/// last_committed gets on. Does not wait.
	virtual void ask_for_commit(wire::Transno upto) noexcept = 0;

	/// The file `import` of stock: state, connection, counters (spec 08). Also `state` history.
	virtual void show(cfs::FormatSink &out) noexcept = 0;
	virtual void show_state(cfs::FormatSink &out) noexcept = 0;
	/// The file `timeouts`.
	virtual void show_timeouts(cfs::FormatSink &out) noexcept = 0;

	virtual void destroy() noexcept = 0;

protected:
	~Import() = default;
};

} // namespace rpc

template <rpc::MessageFormat Format>
cfs::Result<rpc::Request<Format>>
rpc::Request<Format>::make(Import &import, const RequestLengths<Format> &lengths,
			   const ReplyLengths<Format> &reply) noexcept
{
	auto req = TRY(import.new_request(Format::info, lengths.total(), reply.total()));
	auto writer = TRY(RequestWriter<Format>::create(req->room(), lengths));
	return Request(std::move(req), writer);
}
