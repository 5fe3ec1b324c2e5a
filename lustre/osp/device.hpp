// SPDX-License-Identifier: GPL-2.0
//
// An Osp from inside. Everything is driven by one thread that looks at what is to be done and sends
// requests without waiting for them; answers come back as RequestUser calls and wake it.
//
// The pool. Numbers of the sequence: ... used_ | taken in order from here | ... created_. While the
// connection is lost nothing more is reserved, reservations that exist may still be taken, and when
// none is left the new connection begins with the destruction of what is above used_. epoch_ counts
// connections: an answer to a request of an earlier one says nothing about the pool.
//
// Locking, outer to inner: take_lock_ (inside a transaction, orders what is written to lov_objid),
// lock_ (all state). Nothing is sent under lock_.
#pragma once

#include "libcfs/containers.hpp"
#include "libcfs/thread.hpp"
#include "libcfs/wait.hpp"
#include "osp/osp.hpp"
#include "rpc/format/ops_ost.hpp"

namespace osp
{

namespace fld = rpc::fld;
namespace op = rpc::op;

class OspDevice final : public Osp, private rpc::ImportUser
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_OST;

	static constexpr u64 kCreateMin = wire::OST_MIN_PRECREATE;
	static constexpr u64 kCreateMax = wire::OST_MAX_PRECREATE / 2;
	/// Changes on their way to the OST at once, and with those that it has not committed.
	static constexpr u32 kChangesInFlight = 8;
	static constexpr u32 kChangesKept = 4096;
	/// How far the numbers that replays name may be from the last one on disk.
	static constexpr u64 kReplayedMax = u64{1} << 20;
	static constexpr cfs::Duration kStatfsInterval = cfs::Duration::seconds(5);
	static constexpr cfs::Duration kRetry = cfs::Duration::seconds(1);
	static constexpr cfs::Duration kChangeRetry = cfs::Duration::seconds(10);
	/// How long a stop waits for the OST to take what has been committed.
	static constexpr cfs::Duration kStopDrain = cfs::Duration::seconds(10);

	OspDevice(rpc::Rpc &rpc, osd::Device &device) noexcept
	    : rpc_(rpc), device_(osd::DeviceRef::share(&device))
	{
	}

	[[nodiscard]] cfs::Result<> init(const OspConfig &config) noexcept;

	// ---- Osp ----
	cfs::Result<> add_connection(std::string_view uuid) noexcept override
	{
		return import_->add_connection(uuid);
	}
	cfs::Result<> add_connection(std::span<const lnet::Nid> nids) noexcept override
	{
		return import_->add_connection(nids);
	}
	void target_moved(std::span<const lnet::Nid> nids, u32 instance) noexcept override
	{
		import_->target_moved(nids, instance);
	}
	cfs::Result<> start() noexcept override;
	void stop() noexcept override;
	u32 ost_index() const noexcept override { return ost_index_; }
	const char *name() const noexcept override { return name_; }
	bool usable() const noexcept override { return usable_.load(std::memory_order_relaxed); }
	u64 available() noexcept override;
	cfs::Result<wire::ObdStatfs> statfs() noexcept override;
	cfs::Result<Reservation> reserve(cfs::Instant deadline) noexcept override;
	cfs::Result<> declare_take(osd::Transaction &tx) noexcept override;
	cfs::Result<wire::Fid> take(osd::Transaction &tx, Reservation &r) noexcept override;
	cfs::Result<> note_used(osd::Transaction &tx, const wire::Fid &object) noexcept override;
	void set_recovering(bool yes) noexcept override;
	cfs::Result<> destroy_later(osd::Transaction &tx,
				    const wire::Fid &object) noexcept override;
	cfs::Result<> set_owner_later(osd::Transaction &tx, const wire::Fid &object,
				      const OwnerChange &to) noexcept override;
	cfs::Result<> drain(cfs::Instant deadline) noexcept override;
	void unreserve() noexcept override;
	void destroy() noexcept override;

	// ---- parameters ----
	[[nodiscard]] u64 used_now() noexcept;
	[[nodiscard]] u64 created_now() noexcept;
	[[nodiscard]] u64 reserved_now() noexcept;
	[[nodiscard]] u64 create_count() noexcept;
	[[nodiscard]] u64 changes_waiting() noexcept;
	[[nodiscard]] bool active() noexcept { return usable(); }
	cfs::Result<> show_import(cfs::FormatSink &out) noexcept
	{
		import_->show(out);
		return {};
	}

private:
	/// What the thread may have to do.
	enum class Act : wire::u8 { nothing, end, ask_last, clean, create, statfs, change };

	/// The request for one of the pool's operations that is under way; at most one is.
	struct PoolUser final : rpc::RequestUser {
		OspDevice &osp;
		Act act = Act::nothing;
		u32 epoch = 0;
		explicit PoolUser(OspDevice &o) noexcept : osp(o) {}
		void on_complete(rpc::ClientRequest &req, cfs::Result<rpc::i32> r) noexcept override
		{
			osp.pool_answered(act, epoch, req, r);
		}
		void on_gone(rpc::ClientRequest &) noexcept override { osp.pool_done(); }
	};
	struct StatfsUser final : rpc::RequestUser {
		OspDevice &osp;
		explicit StatfsUser(OspDevice &o) noexcept : osp(o) {}
		void on_complete(rpc::ClientRequest &req, cfs::Result<rpc::i32> r) noexcept override
		{
			osp.statfs_answered(req, r);
		}
		void on_gone(rpc::ClientRequest &) noexcept override { osp.statfs_done(); }
	};
	/// Something to be done on the OST once the MDT has it on disk. Waits for the commit, then
	/// in changes_, then for the answer.
	struct Change final : osd::CommitCallback, rpc::RequestUser {
		static constexpr cfs_subsys kSubsys = CFS_S_OST;
		explicit Change(OspDevice &o) noexcept : osp(o) {}
		OspDevice &osp;
		cfs::ListHook hook;
		wire::Fid object{};
		bool is_destroy = true;
		OwnerChange owner;
		bool again = false;
		cfs::Instant not_before;

		void committed(cfs::Errno status) noexcept override
		{
			osp.committed(*this, status);
		}
		void on_complete(rpc::ClientRequest &, cfs::Result<rpc::i32> r) noexcept override
		{
			osp.change_answered(*this, r);
		}
		void on_gone(rpc::ClientRequest &) noexcept override { osp.change_done(*this); }
	};
	using Changes = cfs::List<Change, &Change::hook>;

	// ---- rpc::ImportUser ----
	void on_disconnected(rpc::Import &) noexcept override;
	void on_full(rpc::Import &) noexcept override;

	// ---- the thread ----
	void run() noexcept;
	[[nodiscard]] Act next_act(cfs::Instant now) noexcept CFS_REQUIRES(lock_);
	[[nodiscard]] cfs::Instant next_time() noexcept CFS_REQUIRES(lock_);
	[[nodiscard]] bool low() noexcept CFS_REQUIRES(lock_);
	[[nodiscard]] bool may_send_change() noexcept CFS_REQUIRES(lock_)
	{
		return !changes_.empty() && in_flight_ < kChangesInFlight && kept_ < kChangesKept;
	}
	[[nodiscard]] u64 available_locked() noexcept CFS_REQUIRES(lock_)
	{
		u64 taken = used_ + reserved_;
		return created_ > taken ? created_ - taken : 0;
	}
	void update_usable() noexcept CFS_REQUIRES(lock_);
	/// The thread is to look again what it has to do, and when.
	void wake_thread() noexcept CFS_REQUIRES(lock_)
	{
		news_ = true;
		work_.wake_one();
	}

	// ---- the pool (pool.cpp) ----
	void send_pool(Act act) noexcept;
	[[nodiscard]] cfs::Result<> send_create(Act act, u64 upto) noexcept;
	[[nodiscard]] cfs::Result<> send_ask_last() noexcept;
	void pool_answered(Act act, u32 epoch, rpc::ClientRequest &req,
			   cfs::Result<rpc::i32> r) noexcept;
	[[nodiscard]] cfs::Result<u64> number_in(Act act, rpc::ClientRequest &req) noexcept;
	void pool_news(Act act, u64 number) noexcept CFS_REQUIRES(lock_);
	void pool_failed(Act act, cfs::Errno why) noexcept CFS_REQUIRES(lock_);
	void pool_done() noexcept;
	void send_statfs() noexcept;
	void statfs_answered(rpc::ClientRequest &req, cfs::Result<rpc::i32> r) noexcept;
	void statfs_done() noexcept;

	// ---- changes (changes.cpp) ----
	[[nodiscard]] cfs::Result<> later(osd::Transaction &tx, cfs::UniquePtr<Change> c) noexcept;
	void committed(Change &c, cfs::Errno status) noexcept;
	void send_change() noexcept;
	[[nodiscard]] cfs::Result<cfs::RefPtr<rpc::ClientRequest>>
	compose(const Change &c) noexcept;
	void change_answered(Change &c, cfs::Result<rpc::i32> r) noexcept;
	void change_done(Change &c) noexcept;
	void wait_committed() noexcept;

	rpc::Rpc &rpc_;
	osd::DeviceRef device_;
	cfs::RefPtr<rpc::Import> import_;
	cfs::Thread thread_;
	cfs::ParamGroup params_;
	char name_[64] = {};
	u32 ost_index_ = 0;
	/// Numbers used last and their sequences, by OST index.
	osd::ObjectRef objid_, objseq_;
	std::atomic<bool> usable_{false};

	cfs::Mutex take_lock_{CFS_LOCK_CLASS("osp take")};
	cfs::SpinLock lock_{CFS_LOCK_CLASS("osp")};
	cfs::WaitQueue work_{CFS_LOCK_CLASS("osp work")};
	cfs::WaitQueue objects_{CFS_LOCK_CLASS("osp objects")};
	bool closing_ CFS_GUARDED_BY(lock_) = false;
	bool news_ CFS_GUARDED_BY(lock_) = false;
	bool full_ CFS_GUARDED_BY(lock_) = false;
	u32 epoch_ CFS_GUARDED_BY(lock_) = 0;

	u64 used_ CFS_GUARDED_BY(lock_) = 0;
	u64 created_ CFS_GUARDED_BY(lock_) = 0;
	u64 reserved_ CFS_GUARDED_BY(lock_) = 0;
	u64 create_count_ CFS_GUARDED_BY(lock_) = kCreateMin;
	bool last_known_ CFS_GUARDED_BY(lock_) = false; // used_ is not just a new MDT's
	bool clean_ CFS_GUARDED_BY(lock_) = false;	// orphans of this connection are gone
	bool recovering_ CFS_GUARDED_BY(lock_) = false; // the MDT's clients replay
	bool no_space_ CFS_GUARDED_BY(lock_) = false;
	bool pool_busy_ CFS_GUARDED_BY(lock_) = false;
	cfs::Instant pool_retry_ CFS_GUARDED_BY(lock_);
	PoolUser pool_user_{*this};

	wire::ObdStatfs statfs_ CFS_GUARDED_BY(lock_){};
	bool statfs_busy_ CFS_GUARDED_BY(lock_) = false;
	cfs::Instant statfs_due_ CFS_GUARDED_BY(lock_);
	StatfsUser statfs_user_{*this};

	u32 uncommitted_ CFS_GUARDED_BY(lock_) = 0;
	u32 in_flight_ CFS_GUARDED_BY(lock_) = 0; // not answered
	u32 kept_ CFS_GUARDED_BY(lock_) = 0;	  // sent, and rpc has not let go of them
	Changes changes_ CFS_GUARDED_BY(lock_);
};

} // namespace osp
