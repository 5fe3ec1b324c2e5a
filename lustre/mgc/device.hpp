// SPDX-License-Identifier: GPL-2.0
//
// An Mgc from inside. Each followed log has a lock of its own (and so has the table of where
// targets run, which is a log among others here); locks know their log by a number, since a lock
// may be lost at any time, even while its log is being let go. A thread takes lost locks again and
// reads what is new. A target that was announced is announced again by the same thread.
//
// Locking: lock_ holds the list and the states; it is not held over requests or calls of handlers.
// A log that is being read is `busy`, by follow()'s caller or by the thread, and stays in the list.
#pragma once

#include <algorithm>
#include <cstring>
#include <optional>

#include "ldlm/rpc_links.hpp"
#include "libcfs/containers.hpp"
#include "libcfs/gate.hpp"
#include "libcfs/thread.hpp"
#include "mgc/mgc.hpp"

namespace mgc
{

class MgcDevice final : public Mgc, private rpc::ImportUser, private ldlm::LockUser
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_MGC;

	/// From the loss of a lock to its return: the MGS is changing the log, and all of its
	/// clients are about to come back.
	static constexpr cfs::Duration kRequeue = cfs::Duration::seconds(5);
	/// Room for an answer about targets: so many units of so many bytes.
	static constexpr u32 kPlaceUnits = 16;
	static constexpr wire::u8 kPlaceUnitBits = 12;
	/// Answers to one reading: more than all targets that there can be need.
	static constexpr unsigned kPlaceAnswersMax = 4096;
	static constexpr cfs::Duration kGoodbye = cfs::Duration::seconds(5);
	/// Readings that failed make the next one wait twice as long, so many times.
	static constexpr unsigned kBackoffMax = 4;

	MgcDevice(rpc::Rpc &rpc, ldlm::Ldlm &ldlm) noexcept : rpc_(rpc), ldlm_(ldlm) {}
	[[nodiscard]] cfs::Result<> init(const MgcConfig &config) noexcept;

	// ---- Mgc ----
	cfs::Result<> add_node(std::span<const lnet::Nid> nids) noexcept override
	{
		return import_->add_connection(nids);
	}
	cfs::Result<> connect(cfs::WaitMode mode, cfs::Instant deadline) noexcept override;
	cfs::Result<llog::ProcessResult> read_log(std::string_view name,
						  llog::ConfigHandler &handler,
						  std::string_view excluded) noexcept override;
	cfs::Result<llog::ProcessResult> follow(std::string_view name, Kind kind,
						llog::ConfigHandler &handler, bool optional,
						std::string_view excluded) noexcept override;
	void unfollow(std::string_view name, llog::ConfigHandler &handler) noexcept override;
	cfs::Result<> follow_targets(std::string_view name, TargetFollower &follower,
				     std::string_view shown) noexcept override;
	void unfollow_targets(std::string_view name, TargetFollower &follower) noexcept override;
	cfs::Result<> register_target(wire::MgsTargetInfo &mti,
				      std::span<const lnet::Nid> nids) noexcept override;
	cfs::Result<> announce(wire::MgsTargetInfo &mti,
			       std::span<const lnet::Nid> nids) noexcept override;
	rpc::Import &import() noexcept override { return *import_; }
	void stop() noexcept override;
	void destroy() noexcept override;

	// ---- parameters ----
	void show_import(cfs::FormatSink &out) noexcept { import_->show(out); }
	void show_state(cfs::FormatSink &out) noexcept { import_->show_state(out); }
	[[nodiscard]] cfs::Result<> show_ir(cfs::FormatSink &out) noexcept;

private:
	struct Followed {
		static constexpr cfs_subsys kSubsys = CFS_S_MGC;
		Followed(std::string_view n, Kind k, llog::ConfigHandler &h,
			 std::string_view excluded) noexcept
		    : Followed(n, k, &h)
		{
			reader.emplace(h, view(), excluded);
		}
		Followed(std::string_view n, TargetFollower &t, std::string_view who) noexcept
		    : Followed(n, Kind::MGS_CFG_T_RECOVER, &t)
		{
			targets = &t;
			(void)cfs::format_cstr(shown, "{}", who);
		}
		Followed(std::string_view n, Kind k, const void *u) noexcept
		    : name_length(std::min(n.size(), sizeof(name))), kind(k), user(u)
		{
			std::memcpy(name, n.data(), name_length);
		}
		[[nodiscard]] std::string_view view() const noexcept { return {name, name_length}; }

		cfs::ListHook hook;
		char name[64];
		std::size_t name_length;
		Kind kind;
		const void *user;			  ///< whom it is told
		std::optional<llog::ConfigReader> reader; ///< of a log
		TargetFollower *targets = nullptr;	  ///< of the table of targets
		char shown[64] = {};			  ///< who follows it
		u64 version = 0;			  ///< of the table, as told last
		unsigned failures = 0;			  ///< since the last reading
		std::uintptr_t id = 0;
		ldlm::ClientLockPtr lock; ///< as long as it is not known to be lost
		bool busy = false;
		bool lost = false;
		cfs::Instant when; ///< of the next try
	};
	using List = cfs::List<Followed, &Followed::hook>;

	// ---- rpc::ImportUser ----
	void on_full(rpc::Import &) noexcept override;
	bool replay_locks(rpc::Import &) noexcept override;
	void on_evicted(rpc::Import &) noexcept override;
	void on_lock_volume(rpc::Import &, u64 slv, u32 limit) noexcept override
	{
		if (auto pass = gate_.enter())
			locks_.ns().on_reply(slv, limit);
	}

	// ---- ldlm::LockUser ----
	void on_cancel(ldlm::ClientLock &lock, const ldlm::CancelInfo &info) noexcept override;
	bool on_drop_bits(ldlm::ClientLock &, u64) noexcept override { return false; }
	bool may_drop(ldlm::ClientLock &, ldlm::CancelReason) noexcept override { return false; }

	// ---- following ----
	[[nodiscard]] cfs::Result<llog::ProcessResult> update(Followed &f,
							      cfs::WaitMode mode) noexcept;
	[[nodiscard]] cfs::Result<llog::ProcessResult> read_first(Followed &f) noexcept;
	[[nodiscard]] cfs::Result<Followed *> add(cfs::UniquePtr<Followed> made) noexcept;
	void end_first_read(Followed &f) noexcept;
	[[nodiscard]] cfs::Result<> read_places(Followed &f) noexcept;
	[[nodiscard]] cfs::Result<bool> read_some_places(Followed &f, cfs::MutBytes room) noexcept;
	[[nodiscard]] bool has_table() noexcept
	{
		return import_->has_flag(wire::OBD_CONNECT_IMP_RECOV);
	}
	[[nodiscard]] cfs::Result<ldlm::ClientLockPtr> take_lock(const Followed &f,
								 cfs::WaitMode mode) noexcept;
	/// What its thread is to do; nothing: look again.
	struct Work {
		bool end = false;
		bool stale = false;
		bool announce = false;
		Followed *read = nullptr;
	};
	[[nodiscard]] Work next_work() noexcept;
	void run() noexcept;
	void reread(Followed &f) noexcept;
	void failed(Followed &f, cfs::Errno why) noexcept CFS_REQUIRES(lock_);
	[[nodiscard]] cfs::Result<> send_info(wire::MgsTargetInfo &mti, bool once) noexcept;
	[[nodiscard]] cfs::Result<> send_ready(wire::MgsTargetInfo &mti) noexcept;
	void announce_again() noexcept;
	template <typename F>
	[[nodiscard]] cfs::Result<> with_free_name(F open) noexcept;
	void publish(cfs::ParamGroup &params) noexcept;
	void drop_locks() noexcept;
	void forget_locks() noexcept;
	[[nodiscard]] Followed *due(cfs::Instant now) noexcept CFS_REQUIRES(lock_);
	[[nodiscard]] cfs::Instant next_time() noexcept CFS_REQUIRES(lock_);
	void remove(Followed &f) noexcept;
	void remove(std::string_view name, const void *user) noexcept;
	/// It is time to tell the MGS where the target runs.
	[[nodiscard]] bool announce_due() noexcept CFS_REQUIRES(lock_)
	{
		return announce_at_ <= cfs::Instant::now() &&
		       import_->state() == rpc::ImportState::full;
	}

	rpc::Rpc &rpc_;
	ldlm::Ldlm &ldlm_;
	cfs::RefPtr<rpc::Import> import_;
	ldlm::ClientLocks locks_;
	/// Of the locks' namespace, which ends while the import and the thread still run.
	cfs::Gate gate_{kSubsys, "mgc locks"};
	cfs::Thread thread_;
	char device_[64] = {};

	cfs::SpinLock lock_{CFS_LOCK_CLASS("mgc")};
	cfs::WaitQueue waitq_{CFS_LOCK_CLASS("mgc wait")};
	List list_ CFS_GUARDED_BY(lock_);
	std::uintptr_t last_id_ CFS_GUARDED_BY(lock_) = 0;
	bool closing_ CFS_GUARDED_BY(lock_) = false;
	/// Connected anew, to an MGS that may not know our locks.
	bool stale_ CFS_GUARDED_BY(lock_) = false;
	/// The thread is to look again when it has to do something.
	bool news_ CFS_GUARDED_BY(lock_) = false;
	bool was_full_ CFS_GUARDED_BY(lock_) = false;
	bool started_ = false; // connect()'s callers are one at a time
	bool no_ir_ = false;
	/// What announce() was given; as it is from then on.
	cfs::Array<wire::MgsTargetInfo> announced_;
	bool announcing_ CFS_GUARDED_BY(lock_) = false; ///< there is such a thing
	/// When the MGS is to be told.
	cfs::Instant announce_at_ CFS_GUARDED_BY(lock_) = cfs::Instant::never();
	cfs::ParamGroup params_;
	/// By servers that did not know us any more.
	std::atomic<u32> evictions_{0};
};

} // namespace mgc
