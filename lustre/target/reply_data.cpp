// SPDX-License-Identifier: GPL-2.0
#include "target/reply_data.hpp"

#include "libcfs/log.hpp"
#include "osd/local.hpp"
#include "wire/disk_target.hpp"

namespace target
{

using wire::LsdReplyDataV1;
using wire::LsdReplyHeader;

namespace
{

/// V2 records begin like V1.
ReplyData::Record record_of(const LsdReplyDataV1 &d) noexcept
{
	return {d.transno.get(), d.xid.get(), d.data.get(), d.result.get(), d.client_gen.get()};
}

} // namespace

cfs::Result<cfs::UniquePtr<ReplyData>> ReplyData::open(osd::Device &device,
						       std::string_view target) noexcept
{
	auto file = TRY(osd::find_or_create(device, osd::local_fid(wire::LocalOid::REPLY_DATA_OID),
					    osd::local_file_spec()));
	auto made = TRY(cfs::try_make<ReplyData>(std::move(file)));
	TRY(made->load(device, target));
	return made;
}

cfs::Result<> ReplyData::load(osd::Device &device, std::string_view target) noexcept
{
	body_ = TRY(file_->body());
	TRY(slots_.open(kSubsys, kSlotsMax));
	LsdReplyHeader head{};
	std::size_t n = TRY(body_->read(0, std::as_writable_bytes(std::span(&head, 1))));
	if (n == 0) {
		head.magic = wire::LRH_MAGIC;
		head.header_size = sizeof(head);
		head.reply_size = sizeof(LsdReplyDataV1);
		auto tx = TRY(device.begin());
		TRY(body_->declare_write(*tx, 0, sizeof(head)));
		TRY(tx->start());
		auto written = body_->write(*tx, 0, cfs::bytes_of(head));
		return osd::stop(*tx, written);
	}
	record_bytes_ = head.magic.get() == wire::LRH_MAGIC_V2 ? sizeof(wire::LsdReplyDataV2)
							       : sizeof(LsdReplyDataV1);
	if (n < sizeof(head) ||
	    (head.magic.get() != wire::LRH_MAGIC_V1 && head.magic.get() != wire::LRH_MAGIC_V2) ||
	    head.header_size.get() != sizeof(head) || head.reply_size.get() != record_bytes_) {
		CERROR(kSubsys, "{}: reply_data has magic {:#x} and records of {} bytes: unknown",
		       target, head.magic.get(), head.reply_size.get());
		return cfs::fail(cfs::err::INVAL);
	}
	return {};
}

cfs::Result<> ReplyData::for_each(Visitor &v) noexcept
{
	constexpr std::size_t kBytes = 4096;
	auto batch = TRY(cfs::Array<std::byte>::make(kSubsys, kBytes));
	u32 per_batch = static_cast<u32>(kBytes / record_bytes_);
	for (u32 first = 0; first < kSlotsMax; first += per_batch) {
		std::size_t got = TRY(body_->read(offset(first), batch));
		for (u32 k = 0; k < got / record_bytes_ && first + k < kSlotsMax; k++) {
			auto *d = TRY(cfs::view_at<LsdReplyDataV1>(
				cfs::Bytes(batch.data(), batch.size()), k * record_bytes_));
			if (!TRY(v.record(first + k, record_of(*d))))
				continue;
			slots_.set(first + k);
		}
		if (got < kBytes)
			break;
	}
	return {};
}

cfs::Result<> ReplyData::declare(osd::Transaction &tx) noexcept
{
	return body_->declare_write(tx, osd::kEof, record_bytes_);
}

cfs::Result<> ReplyData::write(osd::Transaction &tx, u32 slot, const Record &r) noexcept
{
	wire::LsdReplyDataV2 d{};
	d.transno = r.transno;
	d.xid = r.xid;
	d.data = r.data;
	d.result = r.result;
	d.client_gen = r.generation;
	return body_->write(tx, offset(slot), cfs::bytes_of(d).first(record_bytes_));
}

} // namespace target
