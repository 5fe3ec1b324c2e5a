// SPDX-License-Identifier: GPL-2.0
//
// What a target keeps for one client, on its export: the slot in last_rcvd, the answers that may be
// asked for again, and how far it is in recovery.
//
// A client may go while requests of it are still executed, with transactions that have declared its
// slot. So the slot is the client's until the last of them has let go of the export; from end() on
// nothing is written to it any more.
//
// Locking: `lock` orders what is written to the slot; it is taken inside transactions and held over
// writes to the object store. Recovery's fields are under recovery's lock.
#pragma once

#include <optional>

#include "rpc/service.hpp"
#include "target/reply_data.hpp"

namespace target
{

/// An answer to a modifying request, as it is given again when the request comes again.
struct SavedReply {
	Transno transno{};
	i32 result = 0;
	u64 data = 0; ///< whatever the operation needs to rebuild its reply
	bool has_versions = false;
	wire::ObjectVersion pre_versions[wire::PTLRPC_NUM_VERSIONS] = {};
};

struct RecoveryMember;

class Client final : public rpc::ExportData
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_CLASS;
	/// Answers that are kept for a client, at most. One that has a few requests at once, and
	/// says what it has seen, never has so many.
	static constexpr std::size_t kRepliesMax = 512;

	/// The client of an export; null for one that was never accepted.
	[[nodiscard]] static Client *of(const rpc::Export &e) noexcept
	{
		return static_cast<Client *>(e.data(rpc::ExportSlot::target));
	}

	/// The slot and its content as loaded, or a fresh one. files outlive it; replies may be
	/// null (OST).
	Client(LastRcvd &slots, ReplyData *replies, u32 slot,
	       const wire::LsdClientData &data) noexcept
	    : slots_(slots), replies_file_(replies), slot_(slot), data_(data)
	{
	}

	[[nodiscard]] u32 slot() const noexcept { return slot_; }
	[[nodiscard]] bool has_slot() const noexcept { return slot_ != kNoSlot; }
	/// Several modifying requests at once.
	[[nodiscard]] bool is_multi() const noexcept { return data_.generation.get() != 0; }
	[[nodiscard]] u32 generation() const noexcept { return data_.generation.get(); }
	/// The largest number that was given to it, as far as the disk knew at load.
	[[nodiscard]] Transno last_transno() noexcept;

	/// A live record of reply_data, found at load.
	[[nodiscard]] cfs::Result<> add_loaded(u32 disk_slot, const ReplyData::Record &r) noexcept;

	/// The answer to a request that came before.
	[[nodiscard]] std::optional<SavedReply> find(Xid xid) noexcept;

	/// Declares what record() writes.
	[[nodiscard]] cfs::Result<> declare(osd::Transaction &tx) noexcept;
	/// Keeps the answer to a request, in its transaction; of a client that has gone nothing is
	/// kept. tag 0: none. seen: the largest XID whose answer the client has.
	[[nodiscard]] cfs::Result<> record(osd::Transaction &tx, Xid xid, wire::u16 tag, Xid seen,
					   bool is_close, const SavedReply &r) noexcept;
	/// Makes the slot the client's on disk; or free, with `erase`.
	[[nodiscard]] cfs::Result<> write_slot(osd::Transaction &tx, bool erase = false) noexcept;

	/// The client has gone: nothing is recorded for it any more.
	void end() noexcept;
	/// Answers kept now.
	[[nodiscard]] u32 replies() noexcept;

	void destroy() noexcept override;

	/// Recovery's, under its lock.
	struct {
		bool expected = false; ///< known from disk: recovery waits for it
		bool connected = false;
		bool replaying = false; ///< requests
		bool locking = false;	///< locks
		bool done = false;
		bool vbr_failed = false;
		u32 queued = 0; ///< requests of it in recovery's queues
		RecoveryMember *member = nullptr;
	} recovery;

private:
	struct Reply {
		static constexpr cfs_subsys kSubsys = CFS_S_CLASS;
		cfs::ListHook hook;
		Xid xid{};
		wire::u16 tag = 0;
		u32 disk_slot = 0;
		SavedReply saved;
	};
	using Replies = cfs::List<Reply, &Reply::hook>;

	/// Gives the slots back.
	void release() noexcept;
	void drop(Reply &r) noexcept CFS_REQUIRES(lock_);
	void drop_oldest() noexcept CFS_REQUIRES(lock_);
	void drop_seen(wire::u16 tag, Xid xid, Xid seen) noexcept CFS_REQUIRES(lock_);
	[[nodiscard]] cfs::Result<> record_multi(osd::Transaction &tx, Xid xid, wire::u16 tag,
						 const SavedReply &r) noexcept CFS_REQUIRES(lock_);
	void record_single(Xid xid, bool is_close, const SavedReply &r) noexcept
		CFS_REQUIRES(lock_);

	LastRcvd &slots_;
	ReplyData *replies_file_;
	u32 slot_;
	cfs::Mutex lock_{CFS_LOCK_CLASS("target client")};
	wire::LsdClientData data_;
	Replies replies_ CFS_GUARDED_BY(lock_);
	bool gone_ CFS_GUARDED_BY(lock_) = false;
};

} // namespace target
