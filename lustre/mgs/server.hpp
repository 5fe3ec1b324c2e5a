// SPDX-License-Identifier: GPL-2.0
//
// The MGS as a target of rpc (mgs.hpp is what others see of it). It keeps nothing of its clients:
// no slots, no recovery; a client that comes again takes its locks again.
//
// Where targets run, for imperative recovery, is kept by tables of their own (nid_table.hpp).
//
// Locking: registrations and parameters are changed one at a time (change_lock_), which is held
// while the configuration lock is called back from clients and while logs are written.
#pragma once

#include "mgs/fs_db.hpp"
#include "mgs/log_sink.hpp"
#include "mgs/mgs.hpp"
#include "mgs/nid_table.hpp"
#include "rpc/format/ops_mgs.hpp"
#include "target/common.hpp"

namespace mgs
{

class MgsServer final : public Mgs, private rpc::TargetOps, private TableOwner
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_MGS;
	/// Longest answer about where targets run, bytes.
	static constexpr std::size_t kTableAnswerMax = 1u << 20;
	/// After its start clients have so long to come back, seconds.
	static constexpr u32 kIrTimeout = 400;

	MgsServer() = default;
	~MgsServer();

	[[nodiscard]] cfs::Result<> open(rpc::Rpc &rpc, ldlm::Ldlm &ldlm, osd::DeviceRef device,
					 const MgsConfig &config) noexcept;

	// ---- Mgs ----
	void stop() noexcept override;
	[[nodiscard]] cfs::Result<> set_param(std::string_view device,
					      std::string_view value) noexcept override;
	void destroy() noexcept override;

	// ---- what the tables of handlers need ----
	[[nodiscard]] target::LockService &locks() noexcept { return locks_; }
	[[nodiscard]] target::LogService &logs() noexcept { return log_service_; }

	// ---- handlers ----
	[[nodiscard]] cfs::Result<> target_reg(rpc::ServerRequest &req,
					       rpc::RequestView<rpc::op::MgsTargetReg> in) noexcept;
	[[nodiscard]] cfs::Result<>
	config_read(rpc::ServerRequest &req, rpc::RequestView<rpc::op::MgsConfigRead> in) noexcept;
	[[nodiscard]] cfs::Result<> refused(rpc::ServerRequest &req) noexcept;

	// ---- parameters ----
	[[nodiscard]] u32 ir_timeout() noexcept
	{
		return ir_timeout_.load(std::memory_order_relaxed);
	}
	void set_ir_timeout(u32 seconds) noexcept
	{
		ir_timeout_.store(seconds, std::memory_order_relaxed);
	}

private:
	struct Registration;

	// ---- rpc::TargetOps ----
	[[nodiscard]] std::span<const rpc::Handler> handlers() noexcept override;
	[[nodiscard]] void *handler_object() noexcept override { return this; }
	[[nodiscard]] cfs::Result<> on_connect(rpc::Export &,
					       rpc::ConnectRequest &) noexcept override
	{
		return {};
	}
	void on_gone(rpc::Export &e, bool) noexcept override { locks_.gone(e); }
	void lock_volume(rpc::Export &e, u64 &slv, u32 &limit) noexcept override
	{
		locks_.volume(e, slv, limit);
	}

	// ---- TableOwner ----
	[[nodiscard]] cfs::Result<> tell_clients(NidTable &table) noexcept override;
	void show_state(NidTable &table, cfs::FormatSink &out) noexcept override;

	/// Whether targets may count on it that clients are told of their start.
	enum class IrState : wire::u8 { startup, partial, full, disabled };
	/// others: clients that cannot be told.
	[[nodiscard]] IrState ir_state(NidTable &table, u32 *others) noexcept;
	[[nodiscard]] cfs::Result<NidTable *> table_of(std::string_view log) noexcept;
	[[nodiscard]] cfs::Result<> target_ready(Registration &r) noexcept;

	[[nodiscard]] cfs::Result<FsDb *> fs(std::string_view name) noexcept
		CFS_REQUIRES(change_lock_);
	/// Forgets what fs() has read of a file system that has no targets.
	void drop_empty(FsDb &db) noexcept CFS_REQUIRES(change_lock_);
	/// Takes the configuration lock from everybody, for as long as the result lives.
	/// err::TIMEDOUT: not everybody has given it back yet.
	[[nodiscard]] cfs::Result<ldlm::LocalLock>
	revoke(std::string_view log, wire::MgsCfgType type,
	       cfs::Instant deadline = cfs::Instant::never()) noexcept;
	[[nodiscard]] cfs::Result<> erase_logs(FsDb &db, TargetKind kind, u16 index) noexcept;
	[[nodiscard]] cfs::Result<> run(Registration &r) noexcept CFS_REQUIRES(change_lock_);
	[[nodiscard]] cfs::Result<> write(Registration &r, FsDb &db) noexcept
		CFS_REQUIRES(change_lock_);
	[[nodiscard]] cfs::Result<> choose_index(Registration &r, FsDb &db) noexcept;
	[[nodiscard]] cfs::Result<> check_words(Registration &r, FsDb &db) noexcept;
	[[nodiscard]] cfs::Result<> write_target(Registration &r, FsDb &db) noexcept;
	[[nodiscard]] cfs::Result<> write_params(Registration &r, FsDb &db,
						 ConfigSink &sink) noexcept;

	rpc::Rpc *rpc_ = nullptr;
	osd::DeviceRef device_;
	rpc::Service *service_ = nullptr;
	rpc::Target *registration_ = nullptr;
	target::LockService locks_;
	target::LogService log_service_;
	target::NamedLogs named_logs_;
	cfs::ParamGroup params_;
	NidTables tables_{*this};
	cfs::Instant started_;
	std::atomic<u32> ir_timeout_{kIrTimeout};
	cfs::Mutex change_lock_{CFS_LOCK_CLASS("mgs change")};
	cfs::List<FsDb, &FsDb::hook> fs_ CFS_GUARDED_BY(change_lock_);
};

} // namespace mgs
