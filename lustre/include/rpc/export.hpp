// SPDX-License-Identifier: GPL-2.0
//
// An export: the server's side of one client's connection to one target (spec 02 sections 7.7,
// 7.10). It names the client (uuid, NID), carries what was negotiated, and holds what servers keep
// per client. It costs a few hundred bytes: there may be 100,000 of them.
//
// Life: made by the client's first connect, or recreated from the target's disk for recovery;
// connected; reconnected any number of times; gone by disconnect or eviction. A gone export is no
// longer found by its handle, refuses requests with err::NOTCONN, and is freed when its last
// reference goes. TargetOps::on_gone() is called in between, once.
#pragma once

#include "rpc/import.hpp"

namespace rpc
{

class Target;

/// Something a server holds until the client has a reply for certain (it acknowledged it), or the
/// transaction behind it is committed, or the client is gone: "difficult replies", spec 02 1.8.
class ReplyHold
{
public:
	/// It need not be held any more. Called once, by a thread that may sleep a little; may free
	/// the object.
	virtual void release() noexcept = 0;

protected:
	~ReplyHold() = default;
};

/// Whose data ExportData is.
enum class ExportSlot : u8 { target, locks, upper, test, count };

/// Something a layer keeps for each export.
class ExportData
{
public:
	/// The export is freed: nobody uses it any more. May sleep.
	virtual void destroy() noexcept = 0;

protected:
	~ExportData() = default;
};

class Export : public cfs::RefCounted<Export>
{
public:
	// ---- who it is ----
	[[nodiscard]] virtual Target &target() noexcept = 0;
	/// Of the client: "mdt-lustre-..._UUID", a random one of a mount.
	[[nodiscard]] virtual const char *client_uuid() const noexcept = 0;
	/// Where the client connected from last; Nid{} when it has not in this life of the target.
	[[nodiscard]] virtual lnet::Nid nid() noexcept = 0;
	[[nodiscard]] virtual wire::ExportHandle handle() const noexcept = 0;
	/// What was granted. One request may see another grant than the next: clients reconnect.
	[[nodiscard]] virtual wire::ObdConnectData granted() noexcept = 0;
	[[nodiscard]] virtual bool has_flag(u64 connect_flag) const noexcept = 0;
	[[nodiscard]] virtual bool has_flag2(u64 connect_flag2) const noexcept = 0;
	/// Has a connection in this life of the target.
	[[nodiscard]] virtual bool connected() const noexcept = 0;
	/// Disconnected or evicted.
	[[nodiscard]] virtual bool gone() const noexcept = 0;
	[[nodiscard]] virtual u32 conn_cnt() const noexcept = 0;

	// ---- data of the layers above ----
	/// Any thread, no lock.
	[[nodiscard]] ExportData *data(ExportSlot slot) const noexcept
	{
		return data_[static_cast<unsigned>(slot)].load(std::memory_order_acquire);
	}
	/// Hangs data on it; false, and nothing is changed, when there is some. It stays until the
	/// export is freed.
	[[nodiscard]] bool set_data(ExportSlot slot, ExportData *d) noexcept
	{
		ExportData *none = nullptr;
		return data_[static_cast<unsigned>(slot)].compare_exchange_strong(
			none, d, std::memory_order_acq_rel);
	}

	// ---- transactions and replies ----
	/// What goes into pb_last_committed of every reply: the target's; see Target::committed().
	[[nodiscard]] virtual wire::Transno last_committed() const noexcept = 0;
	/// The largest pb_last_xid since it connected: the client has seen all replies up to here.
	[[nodiscard]] virtual wire::Xid last_xid() const noexcept = 0;
	/// One thing that the reply to this XID still holds, taken away from it: for a resent
	/// request whose new reply is to hold it. Called until it gives null.
	[[nodiscard]] virtual ReplyHold *steal_reply(wire::Xid xid) noexcept = 0;

	// ---- calling the client ----
	/// The connection to the client's callback service; null before it connected. Requests on
	/// it: no_resend unless the sender wants otherwise, portals 15/16.
	[[nodiscard]] virtual cfs::RefPtr<Import> reverse_import() noexcept = 0;

	/// Ends the connection as if the client had died; `why` for the message ("evicted by
	/// administrator"). Runs on in a thread of rpc's; does not sleep.
	virtual void evict(const char *why) noexcept = 0;
	/// When the client was heard last.
	[[nodiscard]] virtual cfs::Instant last_request() const noexcept = 0;
	/// Requests being processed.
	[[nodiscard]] virtual u32 active_requests() const noexcept = 0;

	virtual void destroy() noexcept = 0;

protected:
	Export() = default;
	~Export() = default;

	std::atomic<ExportData *> data_[static_cast<unsigned>(ExportSlot::count)] = {};
};

} // namespace rpc
