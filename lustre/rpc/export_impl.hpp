// SPDX-License-Identifier: GPL-2.0
//
// Exports and targets; rpc/export.hpp and rpc/target.hpp have the contracts.
//
// An export is in two tables: the node's by its handle, which requests use, and its target's by the
// client's uuid, which connects use. It leaves the first at once when it ends, and the second when
// TargetOps::on_gone() has returned, so that a client cannot come back while its old self is still
// being cleaned up.
//
// Lock order: target's list lock > export's lock. Nothing of a user is called with one held.
#pragma once

#include "lustre/rpc/import_impl.hpp"

namespace rpc
{

class ServerReq;
class TargetImpl;

class ExportImpl final : public Export
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_RPC;

	// ---- Export ----
	Target &target() noexcept override;
	const char *client_uuid() const noexcept override { return uuid.c; }
	lnet::Nid nid() noexcept override;
	wire::ExportHandle handle() const noexcept override { return wire::ExportHandle{cookie}; }
	wire::ObdConnectData granted() noexcept override;
	bool has_flag(u64 f) const noexcept override
	{
		return (flags_.load(std::memory_order_relaxed) & f) == f;
	}
	bool has_flag2(u64 f) const noexcept override
	{
		return (flags2_.load(std::memory_order_relaxed) & f) == f;
	}
	bool connected() const noexcept override
	{
		return conn_cnt_.load(std::memory_order_relaxed) != 0 && !gone();
	}
	bool gone() const noexcept override { return gone_.load(std::memory_order_acquire); }
	u32 conn_cnt() const noexcept override { return conn_cnt_.load(std::memory_order_acquire); }
	wire::Transno last_committed() const noexcept override;
	wire::Xid last_xid() const noexcept override
	{
		return wire::Xid{last_xid_.load(std::memory_order_relaxed)};
	}
	ReplyHold *steal_reply(wire::Xid xid) noexcept override;
	cfs::RefPtr<Import> reverse_import() noexcept override;
	void evict(const char *why) noexcept override;
	cfs::Instant last_request() const noexcept override
	{
		return cfs::Instant::from_ns(heard_ns_.load(std::memory_order_relaxed));
	}
	u32 active_requests() const noexcept override
	{
		return active_count_.load(std::memory_order_relaxed);
	}
	void destroy() noexcept override;

	// ---- for requests ----
	/// Whether the request may be processed. A resent one that is being processed already is
	/// not: its deadline and match bits go to the original. Then it is among the active ones.
	enum class Entry : u8 { fresh, duplicate, obsolete };
	[[nodiscard]] Entry enter(ServerReq &r) noexcept;
	void leave(ServerReq &r) noexcept;
	/// Likewise, when it has taken over from so many resent ones; false when there are more.
	/// What is sent again later is a request of its own.
	[[nodiscard]] bool leave_unless_copied(ServerReq &r, u32 copies) noexcept;
	/// pb_last_xid of a request.
	void saw_last_xid(u64 xid) noexcept;
	void heard() noexcept;
	/// A reply that holds something is about to go out; false when it need not hold it.
	[[nodiscard]] bool add_held(ServerReq &r) noexcept;
	/// Takes it out; false when somebody else did.
	[[nodiscard]] bool take_held(ServerReq &r) noexcept;
	/// Lets go what is held for transactions up to this one; false when nothing is held any
	/// more, and the export is to leave the target's list of those that hold something.
	[[nodiscard]] bool release_held(u64 transno) noexcept;
	/// Whether it is to enter that list.
	[[nodiscard]] bool enter_holders() noexcept;

	// ---- for connects ----
	/// One connect at a time; false when there is one.
	[[nodiscard]] bool begin_connect() noexcept
	{
		return !connecting_.exchange(true, std::memory_order_acq_rel);
	}
	void end_connect() noexcept { connecting_.store(false, std::memory_order_release); }
	/// The client wants this connection: no data will come for what it asked on earlier ones.
	/// One connect at a time.
	void give_up_before(u32 cnt) noexcept { wanted_cnt_.store(cnt, std::memory_order_release); }
	/// Whether the client has given up requests of this connection.
	[[nodiscard]] bool is_past(u32 cnt) const noexcept
	{
		return conn_cnt() > cnt || wanted_cnt_.load(std::memory_order_acquire) > cnt;
	}
	[[nodiscard]] u64 client_cookie() noexcept;
	[[nodiscard]] cfs::Result<> set_connected(const lnet::Nid &nid, u32 cnt, u64 client_cookie,
						  const wire::ObdConnectData &granted) noexcept;
	/// For on_connect(): what is granted must be visible to it.
	void set_granted(const wire::ObdConnectData &granted) noexcept;
	/// Ends it; TargetOps hears of it in a thread of rpc's. False when it had ended.
	bool end(bool evicted) noexcept;
	/// Likewise, and returns when the target has cleaned up. Sleeps.
	void end_and_wait(bool evicted) noexcept;

	cfs::HashHook by_cookie;
	cfs::HashHook by_uuid;
	cfs::ListHook in_all;	  ///< the target's list lock, as the next
	cfs::ListHook in_target;  ///< least recently heard first; the target's list lock
	cfs::ListHook in_holders; ///< the target's list lock; has held replies, or had some
	const u64 cookie;
	UuidText uuid;
	[[nodiscard]] bool usable() const noexcept { return lists_ != nullptr; }
	bool accepted = false; ///< on_gone() is owed; set before others see it

	ExportImpl(TargetImpl &t, u64 cookie_value) noexcept;

private:
	void run_gone() noexcept;
	void remove_active(ServerReq &r) noexcept CFS_REQUIRES(lock_);

	TargetImpl &target_;
	std::atomic<u64> flags_{0}, flags2_{0};
	std::atomic<u32> conn_cnt_{0}, wanted_cnt_{0};
	std::atomic<bool> gone_{false};
	std::atomic<bool> connecting_{false};
	std::atomic<u64> last_xid_{0};
	std::atomic<u64> heard_ns_{0};
	std::atomic<u32> active_count_{0};
	bool evicted_ = false;
	bool holder_ CFS_GUARDED_BY(lock_) = false; ///< in_holders is linked

	cfs::SpinLock lock_{CFS_LOCK_CLASS("rpc export")};
	lnet::Nid nid_ CFS_GUARDED_BY(lock_);
	u64 client_cookie_ CFS_GUARDED_BY(lock_) = 0;
	wire::ObdConnectData granted_ CFS_GUARDED_BY(lock_){};
	cfs::RefPtr<ImportImpl> reverse_ CFS_GUARDED_BY(lock_);
	struct Lists;
	Lists *lists_ = nullptr; // needs ServerReq whole
	cfs::Work<ExportImpl, &ExportImpl::run_gone> gone_work_{this};
	cfs::Completion gone_done_{CFS_LOCK_CLASS("rpc export gone")};
	cfs_rcu rcu_;
};

class TargetImpl final : public Target
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_RPC;

	[[nodiscard]] static cfs::Result<cfs::UniquePtr<TargetImpl>>
	make(Core &core, const TargetSpec &spec) noexcept;

	// ---- Target ----
	const char *name() const noexcept override { return name_.c; }
	TargetOps &ops() noexcept override { return *ops_; }
	cfs::Result<cfs::RefPtr<Export>> recreate_export(std::string_view client) noexcept override;
	cfs::RefPtr<Export> find_export(std::string_view client) noexcept override;
	u32 export_count() const noexcept override
	{
		return exports_count_.load(std::memory_order_relaxed);
	}
	void for_each_export(ExportVisitor &v) noexcept override;
	u32 evict(std::string_view whom) noexcept override;
	void committed(wire::Transno transno) noexcept override;
	[[nodiscard]] u64 last_committed() const noexcept
	{
		return committed_.load(std::memory_order_acquire);
	}
	void stop() noexcept override;
	void unregister() noexcept override;

	// ---- inside ----
	[[nodiscard]] Core &core() noexcept { return core_; }
	[[nodiscard]] cfs::Gate &gate() noexcept { return gate_; }
	[[nodiscard]] bool is(std::string_view name_or_uuid) const noexcept
	{
		return name_or_uuid == name_.view() || name_or_uuid == uuid_.view();
	}
	[[nodiscard]] cfs::RefPtr<ExportImpl> find(const UuidText &uuid) noexcept;
	[[nodiscard]] cfs::Result<cfs::RefPtr<ExportImpl>> add(const UuidText &uuid) noexcept;
	void remove(ExportImpl &e) noexcept;
	/// It is being freed.
	void forget(ExportImpl &e) noexcept;
	/// It holds a reply.
	void add_holder(ExportImpl &e) noexcept;
	/// It was heard: to the end of the list.
	void refresh(ExportImpl &e) noexcept;
	/// Spec 02 7.7. The request is a *_CONNECT for this target.
	[[nodiscard]] cfs::Result<> connect(ServerReq &r) noexcept;
	[[nodiscard]] const Handler *find_handler(wire::Opcode op) noexcept;
	[[nodiscard]] bool stopping() const noexcept { return gate_.closed(); }

	cfs::ListHook in_core;

	TargetImpl(Core &core) noexcept : core_(core) {}
	void destroy() noexcept;

private:
	struct EvictTimer final : TimerEntry {
		TargetImpl *target;
		void on_timer() noexcept override { target->check_silent(); }
		void on_timer_get() noexcept override {}
		void on_timer_put() noexcept override {}
	};
	struct UuidTraits {
		using Key = UuidText;
		static const UuidText &key(const ExportImpl &e) noexcept { return e.uuid; }
		static u32 hash(const UuidText &u) noexcept { return cfs::hash_text(u.view()); }
	};
	struct Connecting;

	void check_silent() noexcept;
	[[nodiscard]] cfs::Duration silence_limit() noexcept;
	[[nodiscard]] cfs::Result<> known_client(Connecting &c, ServerReq &r) noexcept;
	[[nodiscard]] cfs::Result<> decide(Connecting &c, ServerReq &r) noexcept;
	[[nodiscard]] cfs::Result<> grant(Connecting &c, ServerReq &r) noexcept;
	[[nodiscard]] cfs::Result<> answer(Connecting &c, ServerReq &r) noexcept;

	Core &core_;
	UuidText name_, uuid_;
	TargetOps *ops_ = nullptr;
	u64 supported_ = 0, supported2_ = 0;
	bool is_mgs_ = false;
	cfs::Gate gate_{CFS_S_RPC, "target"};
	cfs::HashTable<ExportImpl, &ExportImpl::by_uuid, UuidTraits> exports_{
		CFS_LOCK_CLASS("rpc target exports")};
	std::atomic<u32> exports_count_{0};
	std::atomic<u64> committed_{0};
	cfs::SpinLock list_lock_{CFS_LOCK_CLASS("rpc target export list")};
	cfs::List<ExportImpl, &ExportImpl::in_all> all_ CFS_GUARDED_BY(list_lock_);
	cfs::List<ExportImpl, &ExportImpl::in_target> list_ CFS_GUARDED_BY(list_lock_);
	cfs::List<ExportImpl, &ExportImpl::in_holders> holders_ CFS_GUARDED_BY(list_lock_);
	EvictTimer evict_timer_;
	std::atomic<bool> evicting_{false};
	cfs::SpinLock end_lock_{CFS_LOCK_CLASS("rpc target end")};
	cfs::WaitQueue end_waitq_{CFS_LOCK_CLASS("rpc target end wait")};
};

} // namespace rpc
