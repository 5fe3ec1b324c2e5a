// SPDX-License-Identifier: GPL-2.0
//
// An Mgc from inside. Each followed log has a lock of its own; locks know their log by a number,
// since a lock may be lost at any time, even while its log is being let go. A thread takes lost
// locks again and reads what is new.
//
// Locking: lock_ holds the list and the states; it is not held over requests or calls of handlers.
// A log that is being read is `busy`, by follow()'s caller or by the thread, and stays in the list.
#pragma once

#include <algorithm>
#include <cstring>

#include "ldlm/rpc_links.hpp"
#include "libcfs/containers.hpp"
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
	static constexpr cfs::Duration kGoodbye = cfs::Duration::seconds(5);

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
	cfs::Result<> register_target(wire::MgsTargetInfo &mti,
				      std::span<const lnet::Nid> nids) noexcept override;
	rpc::Import &import() noexcept override { return *import_; }
	void stop() noexcept override;
	void destroy() noexcept override;

private:
	struct Followed {
		static constexpr cfs_subsys kSubsys = CFS_S_MGC;
		Followed(std::string_view n, Kind k, llog::ConfigHandler &h,
			 std::string_view excluded) noexcept
		    : name_length(std::min(n.size(), sizeof(name))), kind(k), handler(h),
		      reader(h, view(), excluded)
		{
			std::memcpy(name, n.data(), name_length);
		}
		[[nodiscard]] std::string_view view() const noexcept { return {name, name_length}; }

		cfs::ListHook hook;
		char name[64];
		std::size_t name_length;
		Kind kind;
		llog::ConfigHandler &handler;
		llog::ConfigReader reader;
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
		locks_.ns().on_reply(slv, limit);
	}

	// ---- ldlm::LockUser ----
	void on_cancel(ldlm::ClientLock &lock, const ldlm::CancelInfo &info) noexcept override;
	bool on_drop_bits(ldlm::ClientLock &, u64) noexcept override { return false; }
	bool may_drop(ldlm::ClientLock &, ldlm::CancelReason) noexcept override { return false; }

	// ---- following ----
	[[nodiscard]] cfs::Result<llog::ProcessResult> update(Followed &f,
							      cfs::WaitMode mode) noexcept;
	[[nodiscard]] cfs::Result<ldlm::ClientLockPtr> take_lock(const Followed &f,
								 cfs::WaitMode mode) noexcept;
	void run() noexcept;
	void drop_locks() noexcept;
	void forget_locks() noexcept;
	[[nodiscard]] Followed *due(cfs::Instant now) noexcept CFS_REQUIRES(lock_);
	[[nodiscard]] cfs::Instant next_time() noexcept CFS_REQUIRES(lock_);
	void remove(Followed &f) noexcept;

	rpc::Rpc &rpc_;
	ldlm::Ldlm &ldlm_;
	cfs::RefPtr<rpc::Import> import_;
	ldlm::ClientLocks locks_;
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
};

} // namespace mgc
