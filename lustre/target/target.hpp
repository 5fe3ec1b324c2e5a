// SPDX-License-Identifier: GPL-2.0
//
// What MDT and OST have in common as targets: registration with rpc, their clients on disk,
// transaction numbers, commits, recovery. The MDT or OST derives from Target, serves its operations
// by handlers, and makes every change through a Modification:
//
//     Modification m(*this, &req);
//     TRY(m.begin());
//     TRY(object->declare_attr_set(m.tx(), attr));    // and whatever else
//     TRY(object->declare_version_set(m.tx()));
//     TRY(m.start());
//     TRY(m.check_version(0, *object));
//     auto done = object->attr_set(m.tx(), attr);
//     if (done)
//             done = object->version_set(m.tx(), m.version());
//     return m.finish(done);
//
// so that the change, its number, and the answer that is given if the request comes again, are on
// disk together or not at all (spec 02 sections 8.1, 8.2, 8.4).
#pragma once

#include "target/commits.hpp"
#include "target/recovery.hpp"

namespace target
{

struct TargetConfig {
	std::string_view name; ///< "lustre-MDT0000"
	std::string_view uuid; ///< "lustre-MDT0000_UUID"
	u32 index = 0;
	bool mdt = false;
	/// Connect flags that may be granted at all.
	u64 supported = 0;
	u64 supported2 = 0;
	/// Clients are not waited for after a restart, and do not keep requests.
	bool failout = false;
	cfs::Duration recovery_soft = cfs::Duration::seconds(300);
	cfs::Duration recovery_hard = cfs::Duration::seconds(900);
};

/// How a target is stopped.
enum class StopKind : wire::u8 {
	failover, ///< clients stay on disk, and will be recovered by whoever starts it next
	final,	  ///< clients are forgotten
};

class Target : public rpc::TargetOps, private RecoveryUser, private CommitUser
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_CLASS;

	Target() noexcept : commits_(*this), recovery_(*this) {}

	/// Reads what the device knows of clients, registers with rpc, and begins recovery if there
	/// is anybody to wait for. Sleeps.
	[[nodiscard]] cfs::Result<> start(rpc::Rpc &rpc, osd::DeviceRef device,
					  const TargetConfig &config) noexcept;
	/// Ends service and recovery; clients are gone when it returns. Does nothing when start()
	/// has failed. Sleeps.
	void stop(StopKind kind) noexcept;

	/// How the MGS answered to the start: whether clients are told of it (imperative recovery).
	/// Then they are waited for only so many tenths of the time as ir_factor says. Sleeps.
	void clients_told(bool yes) noexcept;

	// ---- parameters of every target ----
	/// Makes them in the folder of the target; after start(). Sleeps.
	[[nodiscard]] cfs::Result<> add_params(cfs::ParamGroup &folder) noexcept;
	void show_recovery(cfs::FormatSink &out) noexcept { recovery_.show(out); }
	[[nodiscard]] std::int64_t window_soft() noexcept { return recovery_.soft().s(); }
	[[nodiscard]] std::int64_t window_hard() noexcept { return config_.recovery_hard.s(); }
	[[nodiscard]] u32 ir_factor() noexcept
	{
		return ir_factor_.load(std::memory_order_relaxed);
	}
	void set_ir_factor(u32 tenths) noexcept;

	[[nodiscard]] const char *name() const noexcept { return name_; }
	[[nodiscard]] osd::Device &device() noexcept { return *device_; }
	[[nodiscard]] Recovery &recovery() noexcept { return recovery_; }
	[[nodiscard]] Commits &commits() noexcept { return commits_; }
	[[nodiscard]] rpc::Target *registration() noexcept { return registration_; }

	/// The answer to a request that comes again; nothing if it was never executed.
	[[nodiscard]] std::optional<SavedReply> saved_reply(rpc::ServerRequest &req) noexcept;

	// ---- rpc::TargetOps ----
	[[nodiscard]] cfs::Result<> may_connect(const rpc::ConnectRequest &) noexcept override;
	[[nodiscard]] cfs::Result<> on_connect(rpc::Export &, rpc::ConnectRequest &) noexcept final;
	void on_disconnect(rpc::Export &, rpc::ServerRequest &) noexcept final;
	void on_gone(rpc::Export &, bool evicted) noexcept final;
	[[nodiscard]] bool replayable() noexcept final { return !failout_; }
	[[nodiscard]] u32 instance() noexcept final;
	[[nodiscard]] bool recovering() noexcept final { return recovery_.active(); }
	[[nodiscard]] bool in_recovery(rpc::Export &e) noexcept final
	{
		return recovery_.takes_part(e);
	}
	[[nodiscard]] rpc::Filter filter(rpc::ServerRequest &req) noexcept final
	{
		return recovery_.filter(req);
	}

protected:
	~Target() = default;

	// ---- what MDT and OST add ----
	/// Connect data: masks flags, sets sizes. An error refuses the client.
	[[nodiscard]] virtual cfs::Result<> grant(rpc::Export &,
						  rpc::ConnectRequest &) noexcept = 0;
	/// Open files, locks, grants of a client that is gone.
	virtual void client_gone(rpc::Export &, bool evicted) noexcept = 0;
	/// Every client that will come back has come, new requests begin: orphans. Once per
	/// start(), be there a recovery or not; clients can not connect before it.
	virtual void recovered() noexcept {}

private:
	class ClientLoader;
	class ReplyLoader;

	Transno on_recovered() noexcept override;
	void committed(Transno upto) noexcept override;
	void commit_failed(cfs::Errno why) noexcept override;

	[[nodiscard]] cfs::Duration told_window() noexcept;
	[[nodiscard]] cfs::Result<> load() noexcept;
	[[nodiscard]] cfs::Result<> load_clients() noexcept;
	[[nodiscard]] cfs::Result<> load_replies() noexcept;
	[[nodiscard]] cfs::Result<> add_client(rpc::Export &e,
					       const rpc::ConnectRequest &r) noexcept;
	[[nodiscard]] cfs::Result<> save_slot(Client &c, bool erase) noexcept;
	[[nodiscard]] cfs::Result<> begin_epoch() noexcept;
	void mark_multi() noexcept;
	rpc::Target *set_registration(rpc::Target *t) noexcept;

	rpc::Rpc *rpc_ = nullptr;
	osd::DeviceRef device_;
	/// Held over what the thread of a commit does with the registration, which stop() ends.
	cfs::SpinLock registration_lock_{CFS_LOCK_CLASS("target registration")};
	rpc::Target *registration_ = nullptr; // set and cleared under the lock
	cfs::UniquePtr<LastRcvd> last_rcvd_;
	cfs::UniquePtr<ReplyData> reply_data_;
	Commits commits_;
	Recovery recovery_;
	char name_[64] = {};
	char uuid_[64] = {};
	TargetConfig config_{};
	bool failout_ = false;
	std::atomic<bool> loaded_{false};
	std::atomic<bool> keep_clients_{false};
	std::atomic<bool> multi_marked_{false};
	std::atomic<bool> told_{false}; ///< clients_told()
	std::atomic<u32> ir_factor_{5};
	std::atomic<u32> next_generation_{1};
};

/// One change of a target's objects on behalf of a request, or (req null) of the target itself.
/// Used by one thread; ends by finish(), or does nothing to the disk when it goes before start().
class Modification
{
	Target &target_;
	rpc::ServerRequest *req_;
	Client *client_ = nullptr;
	osd::TransactionPtr tx_;
	cfs::UniquePtr<Commits::Ticket> ticket_;
	Transno transno_{};
	bool started_ = false;
	wire::ObjectVersion versions_[wire::PTLRPC_NUM_VERSIONS] = {};

public:
	Modification(Target &t, rpc::ServerRequest *req) noexcept : target_(t), req_(req) {}
	~Modification();
	Modification(const Modification &) = delete;
	Modification &operator=(const Modification &) = delete;

	/// A transaction, with what the target writes declared.
	[[nodiscard]] cfs::Result<> begin() noexcept;
	[[nodiscard]] osd::Transaction &tx() noexcept { return *tx_; }
	[[nodiscard]] cfs::Result<> start() noexcept;

	/// Notes the version that object n of the request has before the change; in a replay that
	/// is checked, err::OVERFLOWED when somebody else has changed it meanwhile. After start().
	[[nodiscard]] cfs::Result<> check_version(unsigned n, osd::Object &o) noexcept;
	/// The number of this change, for the versions of what it changes. After start().
	[[nodiscard]] u64 version() noexcept;

	/// Ends the transaction. done: how the change went; a failed one that has changed nothing
	/// takes no number. result: pb_status of a success. data: what the operation needs to
	/// rebuild its reply. Returns `done`, or why the transaction failed.
	[[nodiscard]] cfs::Result<> finish(cfs::Result<> done, i32 result = 0,
					   u64 data = 0) noexcept;
};

} // namespace target
