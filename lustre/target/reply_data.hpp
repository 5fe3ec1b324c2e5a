// SPDX-License-Identifier: GPL-2.0
//
// The file reply_data of an MDT: what was answered to modifying requests of clients that may have
// several of them under way, so that a request which comes again is not executed again (spec 07
// section 11.3, 02 section 8.4).
//
// A record on disk belongs to a client only while its generation is that client's; slots are reused
// without being erased.
#pragma once

#include "target/last_rcvd.hpp"

namespace target
{

using wire::Xid;
using i32 = std::int32_t;

class ReplyData
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_CLASS;
	/// Records at most: eight for each client there may be.
	static constexpr u32 kSlotsMax = 1 << 20;

	struct Record {
		Transno transno{};
		Xid xid{};
		u64 data = 0;
		i32 result = 0;
		u32 generation = 0;
	};

	/// Opens the file, or makes it. err::INVAL, with a message: it is of another form. Sleeps.
	[[nodiscard]] static cfs::Result<cfs::UniquePtr<ReplyData>>
	open(osd::Device &device, std::string_view target) noexcept;

	/// All records of the file, live or not. The visitor says which ones are live; their slots
	/// are taken. Only before the target serves requests. Sleeps.
	class Visitor
	{
	public:
		virtual cfs::Result<bool> record(u32 slot, const Record &r) noexcept = 0;

	protected:
		~Visitor() = default;
	};
	[[nodiscard]] cfs::Result<> for_each(Visitor &v) noexcept;

	/// The lowest free slot; err::NOSPC.
	[[nodiscard]] cfs::Result<u32> take() noexcept { return slots_.take(); }
	void release(u32 slot) noexcept { slots_.release(slot); }
	[[nodiscard]] u32 taken() noexcept { return slots_.taken(); }

	[[nodiscard]] cfs::Result<> declare(osd::Transaction &tx) noexcept;
	[[nodiscard]] cfs::Result<> write(osd::Transaction &tx, u32 slot, const Record &r) noexcept;

	explicit ReplyData(osd::ObjectRef file) noexcept : file_(std::move(file)) {}

private:
	[[nodiscard]] cfs::Result<> load(osd::Device &device, std::string_view target) noexcept;
	[[nodiscard]] u64 offset(u32 slot) const noexcept
	{
		return sizeof(wire::LsdReplyHeader) + u64{slot} * record_bytes_;
	}

	osd::ObjectRef file_;
	osd::Body *body_ = nullptr;
	u32 record_bytes_ = sizeof(wire::LsdReplyDataV1);
	SlotMap slots_;
};

} // namespace target
