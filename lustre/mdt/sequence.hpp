// SPDX-License-Identifier: GPL-2.0
//
// Sequences of FIDs (spec 04 section 2, 07 section 13.1). MDT0 is the controller: it gives every
// server a super range out of seq_ctl. Out of its own one (seq_srv) it gives clients one sequence
// at a time, each only once, also across crashes: what is given out lies below a mark on disk,
// which is moved on in batches.
#pragma once

#include "libcfs/lock.hpp"
#include "osd/local.hpp"

namespace mdt
{

using wire::u32;
using wire::u64;

class Sequences
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_MDS;

	/// Opens seq_ctl and seq_srv, or makes them. Sleeps.
	[[nodiscard]] cfs::Result<> open(osd::Device &device, u32 mdt_index) noexcept;
	void close() noexcept;

	/// A range of LUSTRE_SEQ_SUPER_WIDTH for a server; `range` says for whom, and becomes it.
	/// err::NOSPC. Sleeps.
	[[nodiscard]] cfs::Result<> allocate_super(wire::SeqRange &range) noexcept;
	/// One sequence for a client. Sleeps, now and then.
	[[nodiscard]] cfs::Result<> allocate_meta(wire::SeqRange &range) noexcept;
	/// Whose a sequence is. err::NOENT: nobody's.
	[[nodiscard]] cfs::Result<> look_up(wire::SeqRange &range) noexcept;

private:
	[[nodiscard]] cfs::Result<> open_file(osd::Device &device, wire::LocalOid oid,
					      osd::ObjectRef &file, wire::SeqRange &range) noexcept;
	[[nodiscard]] cfs::Result<> open_fld(osd::Device &device) noexcept;
	[[nodiscard]] cfs::Result<> add_to_fld(const wire::SeqRange &range) noexcept;
	/// Stores a file, and a new entry of the FLD with it.
	[[nodiscard]] cfs::Result<> store(osd::Object &file, const wire::SeqRange &range,
					  const wire::SeqRange *granted) noexcept
		CFS_REQUIRES(lock_);
	[[nodiscard]] cfs::Result<> super(wire::SeqRange &range) noexcept CFS_REQUIRES(lock_);
	[[nodiscard]] cfs::Result<> set_aside() noexcept CFS_REQUIRES(lock_);

	u32 index_ = 0;
	/// Held over the writes.
	cfs::Mutex lock_{CFS_LOCK_CLASS("mdt sequences")};
	osd::ObjectRef control_, server_, fld_;
	wire::SeqRange free_ CFS_GUARDED_BY(lock_){}; // seq_ctl as on disk
	wire::SeqRange own_ CFS_GUARDED_BY(lock_){};  // seq_srv as on disk
	u64 next_ CFS_GUARDED_BY(lock_) = 0;	      // given out next; below own_.start: set aside
};

} // namespace mdt
