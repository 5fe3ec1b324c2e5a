// SPDX-License-Identifier: GPL-2.0
//
// RPC of one node: what imports, services and targets share. See rpc/rpc.hpp for the contract.
//
// Threads. Requests complete in two queues of work: `completions_` runs what must not wait for
// other requests (callbacks of requests), `recovery_` what may (imports' state machines,
// evictions). Deadlines are watched by one thread (timer.hpp).
#pragma once

#include "libcfs/gate.hpp"
#include "libcfs/log.hpp"
#include "libcfs/node.hpp"
#include "lustre/rpc/estimate.hpp"
#include "lustre/rpc/jobid.hpp"
#include "lustre/rpc/timer.hpp"
#include "rpc/handle.hpp"
#include "rpc/rpc.hpp"

namespace rpc
{

using i64 = std::int64_t;

class ImportImpl;
class ExportImpl;
class TargetImpl;
class ServiceImpl;

/// Uuid text, NUL-terminated.
struct UuidText {
	char c[wire::UUID_MAX] = {};

	[[nodiscard]] std::string_view view() const noexcept { return c; }
	/// err::INVAL when it is empty, err::NAMETOOLONG.
	[[nodiscard]] cfs::Result<> set(std::string_view s) noexcept;
	bool operator==(const UuidText &o) const noexcept { return view() == o.view(); }
};

/// The NIDs of one server node.
struct UuidNids : cfs::RefCounted<UuidNids> {
	static constexpr cfs_subsys kSubsys = CFS_S_RPC;
	cfs::ListHook in_table;
	UuidText uuid;
	u32 count = 0;
	lnet::Nid nid[Rpc::kNidsPerUuid];
};

class Core final : public Rpc
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_RPC;

	/// Over a network that stays until destroy(), as the tunables and job ids do when they are
	/// somebody else's. Sleeps.
	[[nodiscard]] static cfs::Result<cfs::UniquePtr<Core>>
	create(cfs::Node &node, lnet::Network &net, Tunables *tunables = nullptr,
	       JobIds *jobids = nullptr) noexcept;
	/// Everything made of it has ended. Sleeps.
	void destroy() noexcept;

	// ---- Rpc ----
	cfs::Result<cfs::RefPtr<Import>> new_import(const ImportSpec &spec) noexcept override;
	cfs::RefPtr<Import> find_import(wire::ExportHandle cookie) noexcept override;
	cfs::Result<> add_uuid(std::string_view uuid, const lnet::Nid &nid) noexcept override;
	cfs::Result<> del_uuid(std::string_view uuid) noexcept override;
	std::size_t nids_of(std::string_view uuid, std::span<lnet::Nid> out) noexcept override;
	cfs::Result<Service *> start_service(const ServiceSpec &spec) noexcept override;
	cfs::Result<Target *> register_target(const TargetSpec &spec) noexcept override;
	cfs::RefPtr<Export> find_export(wire::ExportHandle cookie) noexcept override;
	cfs::Node &node() noexcept override { return node_; }
	lnet::Network &network() noexcept override { return net_; }
	Tunables &tunables() noexcept override { return *tunables_; }
	u64 new_cookie() noexcept override
	{
		return cookie_.fetch_add(kCookieStep, std::memory_order_relaxed);
	}
	wire::Xid new_xid() noexcept override
	{
		return wire::Xid{xid_.fetch_add(kXidStep, std::memory_order_relaxed)};
	}
	void new_uuid(char (&out)[wire::UUID_MAX]) noexcept override;

	// ---- inside ----
	/// Every XID leaves room for the match bits of a bulk.
	static constexpr u64 kXidStep = wire::PTLRPC_BULK_OPS_COUNT;
	static constexpr u64 kCookieStep = 0x1d;

	[[nodiscard]] cfs::WorkQueue &completions() noexcept { return completions_; }
	[[nodiscard]] cfs::WorkQueue &recovery() noexcept { return recovery_; }
	[[nodiscard]] TimerQueue &timers() noexcept { return timers_; }
	[[nodiscard]] JobIds &jobids() noexcept { return *jobids_; }

	// Exports and targets.
	[[nodiscard]] cfs::RefPtr<ExportImpl> export_of(u64 cookie) noexcept;
	[[nodiscard]] cfs::Result<> add_export(const cfs::RefPtr<ExportImpl> &e) noexcept;
	void remove_export(ExportImpl &e) noexcept;
	/// By name or uuid, with the target's gate entered in `pass`; null when there is none.
	[[nodiscard]] TargetImpl *enter_target(std::string_view name,
					       cfs::Gate::Pass &pass) noexcept;
	void remove_target(TargetImpl &t) noexcept;
	void remove_service(ServiceImpl &s) noexcept;
	/// Its callback cookie is not found any more.
	void forget_import(ImportImpl &i) noexcept;

	// Objects alive, so that the end can wait for them.
	void object_made() noexcept { objects_.fetch_add(1, std::memory_order_relaxed); }
	void object_gone() noexcept;

	Core(cfs::Node &node, lnet::Network &net, Tunables *tunables, JobIds *jobids) noexcept
	    : node_(node), net_(net), tunables_(tunables ? tunables : &own_tunables_),
	      jobids_(jobids ? jobids : &own_jobids_)
	{
	}

private:
	[[nodiscard]] cfs::Result<> init() noexcept;

	cfs::Node &node_;
	lnet::Network &net_;
	Tunables own_tunables_;
	JobIds own_jobids_;
	Tunables *const tunables_;
	JobIds *const jobids_;
	std::atomic<u64> xid_{0};
	std::atomic<u64> cookie_{0};
	cfs::WorkQueue completions_;
	cfs::WorkQueue recovery_;
	TimerQueue timers_;
	bool timers_started_ = false;

	std::atomic<u64> objects_{0};
	cfs::SpinLock end_lock_{CFS_LOCK_CLASS("rpc end")};
	cfs::WaitQueue end_waitq_{CFS_LOCK_CLASS("rpc end wait")};

	struct Tables; // what needs complete types
	Tables *tables_ = nullptr;

	cfs::Mutex uuid_lock_{CFS_LOCK_CLASS("rpc uuids")};
	cfs::List<UuidNids, &UuidNids::in_table> uuids_ CFS_GUARDED_BY(uuid_lock_);
	u32 uuid_count_ CFS_GUARDED_BY(uuid_lock_) = 0;
	static constexpr u32 kUuidsMax = 65536;
};

} // namespace rpc
