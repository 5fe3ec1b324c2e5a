// SPDX-License-Identifier: GPL-2.0
//
// The connection of a mount to one OST: import, lock namespace, grants, the queue of reads and
// writes, statfs (spec 05 sections 4, 5.5, 7.8, 8; 06 section 6). Private to this folder.
//
// Locks: a file's size_lock_, then OscObject::lock_, then Osc::lock_; none is held while waiting
// for the server or while the VFS is called.
#pragma once

#include <atomic>

#include "client/osc_object.hpp"
#include "ldlm/rpc_links.hpp"
#include "libcfs/log.hpp"
#include "libcfs/params.hpp"
#include "rpc/data_checksum.hpp"
#include "rpc/format/ops_ost.hpp"

namespace client
{

/// What readers and writers see of the connection.
struct OscNumbers {
	u32 max_pages = 1024; ///< per RPC
	rpc::ChecksumType checksum = rpc::ChecksumType::adler;
	bool short_io = false;
	bool server_locks = false; ///< SRVLOCK
	bool seeks = false;	   ///< LSEEK
	bool settled = false;	   ///< by a connect
};

class Osc final : public rpc::ImportUser, public ldlm::LockUser, public cfs::RefCounted<Osc>
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_OSC;
	static constexpr u32 kNoIndex = ~u32{0};
	static constexpr std::size_t kNameMax = 96;
	/// Data in the message instead of bulk, at most.
	static constexpr u32 kShortMax = 16384;
	static constexpr u32 kRpcsDefault = 8;
	/// A checksum that does not fit is worth so many new RPCs.
	static constexpr unsigned kRedoMax = 10;

	Osc() = default;
	~Osc();
	/// device: its whole name. The connection is not begun. Sleeps.
	[[nodiscard]] Result<> open(rpc::Rpc &rpc, ldlm::Ldlm &ldlm, std::string_view device,
				    std::string_view target, const DataSpaceSpec &spec,
				    cfs::ParamGroup *params) noexcept;
	[[nodiscard]] Result<> start() noexcept { return import_->start(); }
	/// Ends everything. No file uses it any more. Sleeps.
	void stop(cfs::WaitMode mode, cfs::Instant deadline) noexcept;

	// ---- facts ----
	[[nodiscard]] rpc::Import &import() noexcept { return *import_; }
	[[nodiscard]] ldlm::ClientNamespace &ns() noexcept { return locks_.ns(); }
	[[nodiscard]] const char *name() const noexcept { return name_; }
	[[nodiscard]] OscNumbers numbers() noexcept;
	[[nodiscard]] bool checksums() const noexcept { return checksums_; }
	[[nodiscard]] Result<> param(std::string_view key, std::string_view value) noexcept;

	// Of its place in layouts; the space's lock.
	u32 index = kNoIndex;
	u32 gen = 0;
	bool active = false;
	cfs::ListHook in_space;

	// ---- objects ----
	/// The object of that name, made when there is none. err::NOMEM.
	[[nodiscard]] Result<cfs::RefPtr<OscObject>> object(const ldlm::ResName &name) noexcept;
	[[nodiscard]] cfs::RefPtr<OscObject> find_object(const ldlm::ResName &name) noexcept;
	void forget(OscObject &o) noexcept;

	// ---- grants ----
	/// Claims for one page; waits for writes under way, if there are any, when there is none.
	[[nodiscard]] bool grant_take(u64 bytes) noexcept;
	void grant_give_back(u64 bytes, u64 pages) noexcept;
	[[nodiscard]] GrantTerms grant_terms() noexcept;
	[[nodiscard]] bool grant_room_for(u64 pages) noexcept;
	/// Waits until there is room for so many pages, or no write is under way that could make
	/// any. err::INTR.
	[[nodiscard]] Result<> grant_wait_for(u64 pages) noexcept;
	void grant_pack(wire::Obdo &oa, u64 used) noexcept;
	[[nodiscard]] u64 grant_avail() noexcept;
	[[nodiscard]] u64 dirty_bytes() noexcept;

	// ---- the queue ----
	/// Sends it, at once or when its turn comes. The user of the Brw is told how it went.
	void submit(cfs::RefPtr<Brw> brw) noexcept;
	/// Whoever waits for it gives up: it is ended before its turn comes, or interrupted.
	void withdraw(Brw &brw) noexcept;
	/// One has ended: its grant, and the turn of the next.
	void finished(bool write, u64 used, u64 pages, u64 granted) noexcept;
	void grant_received(u64 bytes) noexcept;
	/// A Brw was made or is gone.
	void count_brw(int n) noexcept;

	/// The OST's statfs, at most `age` old. Sleeps.
	[[nodiscard]] Result<wire::ObdStatfs> statfs(cfs::Duration age, bool lazy) noexcept;

	// ImportUser
	Result<> on_connected(rpc::Import &, const wire::ObdConnectData &granted,
			      bool first) noexcept override;
	void on_connecting(rpc::Import &, wire::ObdConnectData &wanted) noexcept override;
	bool replay_locks(rpc::Import &) noexcept override;
	void on_evicted(rpc::Import &) noexcept override;
	void on_lock_volume(rpc::Import &, u64 slv, u32 limit) noexcept override;

	// LockUser
	void on_cancel(ldlm::ClientLock &lock, const ldlm::CancelInfo &info) noexcept override;
	bool on_drop_bits(ldlm::ClientLock &, u64) noexcept override { return false; }
	void on_granted(ldlm::ClientLock &lock, cfs::Bytes lvb) noexcept override;
	Result<std::size_t> on_glimpse(ldlm::ClientLock &lock, cfs::Bytes gl_desc,
				       cfs::MutBytes lvb) noexcept override;
	bool may_drop(ldlm::ClientLock &lock, ldlm::CancelReason why) noexcept override;

private:
	friend struct OscParams;

	[[nodiscard]] cfs::RefPtr<Brw> next_turn() noexcept CFS_REQUIRES(lock_);
	void pump() noexcept;
	static void pick_checksum(const wire::ObdConnectData &granted, OscNumbers &n) noexcept;
	void show_import(cfs::FormatSink &out) noexcept { import_->show(out); }
	void show_state(cfs::FormatSink &out) noexcept { import_->show_state(out); }

	char name_[kNameMax] = {};
	cfs::RefPtr<rpc::Import> import_;
	ldlm::ClientLocks locks_;
	cfs::ParamGroup params_;
	bool checksums_ = true;
	std::atomic<u32> rpcs_max_{kRpcsDefault};
	std::atomic<u32> pages_max_{0}; // an administrator's; 0: the server's
	std::atomic<u32> dirty_mb_{64};

	cfs::SpinLock lock_{CFS_LOCK_CLASS("osc")};
	cfs::WaitQueue waitq_{CFS_LOCK_CLASS("osc wait")};
	GrantAccount grant_ CFS_GUARDED_BY(lock_);
	OscNumbers numbers_ CFS_GUARDED_BY(lock_);
	u32 in_flight_ CFS_GUARDED_BY(lock_) = 0;
	u32 writes_in_flight_ CFS_GUARDED_BY(lock_) = 0;
	u64 brws_ CFS_GUARDED_BY(lock_) = 0;
	using Queue = cfs::List<Brw, &Brw::in_queue>;
	Queue urgent_ CFS_GUARDED_BY(lock_);
	Queue waiting_ CFS_GUARDED_BY(lock_);

	cfs::SpinLock table_lock_{CFS_LOCK_CLASS("osc objects")};
	struct ByName {
		static bool less(const ldlm::ResName &a, const ldlm::ResName &b) noexcept
		{
			for (unsigned i = 0; i < 4; i++)
				if (a.name[i] != b.name[i])
					return a.name[i] < b.name[i];
			return false;
		}
		bool operator()(const OscObject &a, const OscObject &b) const noexcept
		{
			return less(a.name, b.name);
		}
		bool operator()(const ldlm::ResName &a, const OscObject &b) const noexcept
		{
			return less(a, b.name);
		}
		bool operator()(const OscObject &a, const ldlm::ResName &b) const noexcept
		{
			return less(a.name, b);
		}
	};
	// An object that ends may stand beside its successor.
	cfs::OrderedMultiSet<OscObject, &OscObject::in_table, ByName>
		objects_ CFS_GUARDED_BY(table_lock_);

	cfs::Mutex statfs_lock_{CFS_LOCK_CLASS("osc statfs")};
	wire::ObdStatfs statfs_{};
	cfs::Instant statfs_at_{};
	bool statfs_known_ = false;
};

} // namespace client
