// SPDX-License-Identifier: GPL-2.0
//
// A target as rpc sees it: who may connect, what is granted, who its clients are, what happens in
// recovery (spec 02 sections 7.7, 8). The target (lustre/target) implements TargetOps and registers
// with Rpc::register_target(); rpc does the protocol of connecting, duplicates, ordering checks,
// eviction by silence, and asks TargetOps for decisions.
#pragma once

#include "rpc/service.hpp"

namespace rpc
{

/// How a client comes.
enum class ConnectKind : u8 {
	fresh,	   // not known so far
	recovered, // known from disk, first contact in this life of the target
	again,	   // reconnect of a connected client
};

/// A connect being decided. data is what the client asked for; on_connect() makes it what is
/// granted: rpc masks flags against those asked for afterwards, so a bit too many does no harm.
struct ConnectRequest {
	ConnectKind kind;
	wire::ObdConnectData data;
	lnet::Nid nid;
	std::string_view client_uuid;
	/// The client announced in data.transno what it will replay first.
	bool has_transno;
	/// The client's own estimate of a request, seconds (for the recovery window).
	u32 client_estimate;
};

/// What is done with a request while the target recovers (spec 02 8.5 rule 3).
enum class Filter : u8 {
	process, // now, as always
	taken,	 // TargetOps has it (it took a reference) and will execute() or refuse() it
	drop,	 // a duplicate
	again,	 // answered err::AGAIN
	evicted, // answered err::NOTCONN
};

/// What a target decides. Calls come from service threads, may sleep unless said otherwise, and
/// several may run at once. rpc holds no lock.
class TargetOps
{
public:
	/// Operations served; the object its handlers are given.
	[[nodiscard]] virtual std::span<const Handler> handlers() noexcept = 0;
	[[nodiscard]] virtual void *handler_object() noexcept = 0;

	/// Whether connects are possible at all: err::AGAIN (not yet), err::NODEV (stopping).
	[[nodiscard]] virtual cfs::Result<> may_connect(const ConnectRequest &) noexcept
	{
		return {};
	}
	/// Grants. Errors refuse the connect (spec 02 7.7 rule 5); then on_gone() is not called for
	/// a fresh client.
	[[nodiscard]] virtual cfs::Result<> on_connect(Export &, ConnectRequest &) noexcept = 0;
	/// The client says good-bye: release what it holds. transno for the reply may be set.
	virtual void on_disconnect(Export &, ServerRequest &) noexcept {}
	/// Its connection has ended, for whatever reason: release everything. Called once per
	/// export that on_connect() accepted or that was recreated.
	virtual void on_gone(Export &, bool evicted) noexcept { (void)evicted; }

	/// Clients keep requests for replay: must be the same for all connects of a target.
	[[nodiscard]] virtual bool replayable() noexcept { return false; }
	/// How often the target has been started (ocd_instance).
	[[nodiscard]] virtual u32 instance() noexcept { return 0; }
	/// Waiting for clients to come back. Asked for each request; must not sleep.
	[[nodiscard]] virtual bool recovering() noexcept { return false; }
	/// Whether this export takes part in the recovery that is going on.
	[[nodiscard]] virtual bool in_recovery(Export &) noexcept { return false; }
	/// A request that came while recovering(). Not for connects. Must not wait.
	[[nodiscard]] virtual Filter filter(ServerRequest &) noexcept { return Filter::process; }
	/// Target::stop() was called: refuse() every request that filter() took.
	virtual void on_stop() noexcept {}
	/// Seconds more that a client in recovery is given by an early reply (min(at_extra,
	/// recovery time / 4)); 0: as always.
	[[nodiscard]] virtual u32 recovery_extension() noexcept { return 0; }

	/// pb_slv and pb_limit of a reply. Must not sleep.
	virtual void lock_volume(Export &, u64 &slv, u32 &limit) noexcept { slv = 0, limit = 0; }
	/// A request was answered: counters by operation, job statistics. Must not sleep.
	virtual void on_replied(ServerRequest &, cfs::Duration took) noexcept { (void)took; }

protected:
	~TargetOps() = default;
};

struct TargetSpec {
	std::string_view name; ///< "lustre-OST0000". Copied, as the next.
	std::string_view uuid; ///< "lustre-OST0000_UUID"
	/// Flags that may be granted at all (spec 02 7.4).
	u64 supported = 0;
	u64 supported2 = 0;
	/// An MGS: every connect with conn_cnt > 1 is answered with RECONNECT.
	bool is_mgs = false;
	TargetOps *ops = nullptr; ///< outlives the registration
};

/// A registered target: its exports.
class Target
{
public:
	[[nodiscard]] virtual const char *name() const noexcept = 0;
	[[nodiscard]] virtual TargetOps &ops() noexcept = 0;

	/// An export for a client that the disk knows, with no connection yet. err::EXIST,
	/// err::NOMEM. Sleeps.
	[[nodiscard]] virtual cfs::Result<cfs::RefPtr<Export>>
	recreate_export(std::string_view client_uuid) noexcept = 0;
	[[nodiscard]] virtual cfs::RefPtr<Export>
	find_export(std::string_view client_uuid) noexcept = 0;
	[[nodiscard]] virtual u32 export_count() const noexcept = 0;
	/// f for each export; it may sleep and may evict.
	class ExportVisitor
	{
	public:
		virtual void visit(Export &) noexcept = 0;

	protected:
		~ExportVisitor() = default;
	};
	virtual void for_each_export(ExportVisitor &v) noexcept = 0;
	template <typename F>
	void for_each_export(F f) noexcept
	{
		struct V final : ExportVisitor {
			F *f;
			void visit(Export &e) noexcept override { (*f)(e); }
		} v;
		v.f = &f;
		for_each_export(static_cast<ExportVisitor &>(v));
	}
	/// Evicts by uuid or by "nid:NID"; how many. Sleeps.
	virtual u32 evict(std::string_view whom) noexcept = 0;
	/// Transactions up to here are durable. Goes into pb_last_committed of every reply, and
	/// only grows; releases the difficult replies up to it. Costs nothing for clients that
	/// hold none. Called from commit callbacks: does not sleep.
	virtual void committed(wire::Transno transno) noexcept = 0;

	/// No connects and requests any more (err::NODEV); returns when those running have ended.
	/// Exports stay: with fail-over their clients will find them again. Sleeps.
	virtual void stop() noexcept = 0;
	/// After stop(): ends all exports and frees the target. Sleeps.
	virtual void unregister() noexcept = 0;

protected:
	~Target() = default;
};

} // namespace rpc
