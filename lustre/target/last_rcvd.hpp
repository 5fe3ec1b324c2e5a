// SPDX-License-Identifier: GPL-2.0
//
// The file last_rcvd of a target: who the target is, how often it was started, which clients it
// must wait for after a crash, and what it did for each of them last (spec 07 section 11).
//
// Invariant: a slot that is taken belongs to one client, from take() until release(); its bytes on
// disk are that client's, or those of a client before it that was erased. The head on disk is never
// ahead of what has been executed.
//
// Locking: the slot map and the head have a lock each, held for memory only. Writes go through the
// transaction of the caller.
#pragma once

#include "libcfs/lock.hpp"
#include "osd/osd.hpp"
#include "target/slot_map.hpp"
#include "wire/disk_target.hpp"

namespace target
{

using wire::Transno;
using wire::u32;
using wire::u64;

inline constexpr u32 kNoSlot = ~u32{0};

struct LastRcvdSpec {
	std::string_view name; ///< of the target, for messages
	std::string_view uuid; ///< "lustre-MDT0000_UUID"
	u32 index = 0;
	bool mdt = false; ///< an MDT's file, else an OST's
};

class LastRcvd
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_CLASS;

	/// Opens the file, or makes it on a new target, and counts this start. err::INVAL, with a
	/// message: it belongs to another target, or needs features that are not there. Sleeps.
	[[nodiscard]] static cfs::Result<cfs::UniquePtr<LastRcvd>>
	open(osd::Device &device, const LastRcvdSpec &spec) noexcept;

	/// How often the target was started, this time included.
	[[nodiscard]] u64 mount_count() const noexcept { return mount_count_; }
	/// The largest transno in head and slots, as they were read.
	[[nodiscard]] Transno last_transno() const noexcept { return last_transno_; }
	/// The largest generation of a client.
	[[nodiscard]] u32 last_generation() const noexcept { return last_generation_; }

	/// Clients that the file knows, as they were read; their slots are taken. The visitor may
	/// allocate, and ends the walk by an error. Only before the target serves requests. Sleeps.
	class Visitor
	{
	public:
		virtual cfs::Result<> client(u32 slot,
					     const wire::LsdClientData &data) noexcept = 0;

	protected:
		~Visitor() = default;
	};
	[[nodiscard]] cfs::Result<> for_each_client(Visitor &v) noexcept;

	// ---- slots ----
	/// The lowest free one; err::USERS when there are wire::LR_MAX_CLIENTS.
	[[nodiscard]] cfs::Result<u32> take() noexcept;
	void release(u32 slot) noexcept { slots_.release(slot); }
	[[nodiscard]] u32 taken() noexcept { return slots_.taken(); }

	[[nodiscard]] cfs::Result<> declare_slot(osd::Transaction &tx, u32 slot) noexcept;
	[[nodiscard]] cfs::Result<> write_slot(osd::Transaction &tx, u32 slot,
					       const wire::LsdClientData &data) noexcept;

	// ---- head ----
	[[nodiscard]] cfs::Result<> declare_head(osd::Transaction &tx) noexcept;
	/// Writes the head with this transno.
	[[nodiscard]] cfs::Result<> write_head(osd::Transaction &tx, Transno last) noexcept;
	/// In a transaction of its own, on disk at the return. Sleeps.
	[[nodiscard]] cfs::Result<> save_head(Transno last) noexcept;
	/// Sets or clears bits of feature_incompat, in memory: for the next write of the head.
	/// Returns whether something changed.
	bool set_incompat(u32 bits, bool on) noexcept;
	bool set_compat(u32 bits) noexcept;

	LastRcvd(osd::Device &device, osd::ObjectRef file) noexcept
	    : device_(device), file_(std::move(file))
	{
	}

private:
	[[nodiscard]] cfs::Result<> load(const LastRcvdSpec &spec) noexcept;
	[[nodiscard]] cfs::Result<> check_head(const LastRcvdSpec &spec) noexcept;
	[[nodiscard]] cfs::Result<> scan() noexcept;
	void init_head(const LastRcvdSpec &spec) noexcept;
	void note(u32 slot, const wire::LsdClientData &c) noexcept;

	osd::Device &device_;
	osd::ObjectRef file_;
	osd::Body *body_ = nullptr;
	u64 mount_count_ = 0;
	Transno last_transno_{};
	u32 last_generation_ = 0;

	cfs::SpinLock lock_{CFS_LOCK_CLASS("last_rcvd")};
	wire::LrServerData head_ CFS_GUARDED_BY(lock_){};
	SlotMap slots_;
};

} // namespace target
