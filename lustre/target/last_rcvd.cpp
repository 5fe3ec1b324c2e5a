// SPDX-License-Identifier: GPL-2.0
#include "target/last_rcvd.hpp"

#include <algorithm>

#include "libcfs/log.hpp"
#include "osd/local.hpp"

namespace target
{

using wire::LrServerData;
using wire::LsdClientData;

namespace
{

/// What a target of ours may find in a file (spec 07 11.1).
constexpr u32 kMdtIncompat = wire::OBD_INCOMPAT_MDT | wire::OBD_INCOMPAT_COMMON_LR |
			     wire::OBD_INCOMPAT_FID | wire::OBD_INCOMPAT_IAM_DIR |
			     wire::OBD_INCOMPAT_LMM_VER | wire::OBD_INCOMPAT_MULTI_OI |
			     wire::OBD_INCOMPAT_MULTI_RPCS;
constexpr u32 kOstIncompat =
	wire::OBD_INCOMPAT_OST | wire::OBD_INCOMPAT_COMMON_LR | wire::OBD_INCOMPAT_FID;
constexpr u32 kNewMdtIncompat = wire::OBD_INCOMPAT_MDT | wire::OBD_INCOMPAT_COMMON_LR |
				wire::OBD_INCOMPAT_FID | wire::OBD_INCOMPAT_MULTI_OI;
constexpr u32 kNewOstIncompat = wire::OBD_INCOMPAT_OST | wire::OBD_INCOMPAT_COMMON_LR;
/// Directories below O/<seq>.
constexpr unsigned kSubdirs = 32;

constexpr u64 slot_offset(u32 slot) noexcept
{
	return wire::LR_CLIENT_START + u64{slot} * wire::LR_CLIENT_SIZE;
}

} // namespace

cfs::Result<cfs::UniquePtr<LastRcvd>> LastRcvd::open(osd::Device &device,
						     const LastRcvdSpec &spec) noexcept
{
	auto file = TRY(osd::find_or_create(device, osd::local_fid(wire::LocalOid::LAST_RECV_OID),
					    osd::local_file_spec()));
	auto made = TRY(cfs::try_make<LastRcvd>(device, std::move(file)));
	TRY(made->load(spec));
	return made;
}

void LastRcvd::init_head(const LastRcvdSpec &spec) noexcept
{
	cfs::SpinGuard g(lock_);
	head_ = {};
	(void)head_.uuid.set(spec.uuid);
	head_.feature_compat = spec.mdt ? wire::OBD_COMPAT_20 : 0;
	head_.feature_rocompat =
		spec.mdt ? wire::OBD_ROCOMPAT_LOVOBJID : wire::OBD_ROCOMPAT_IDX_IN_IDIF;
	head_.feature_incompat = spec.mdt ? kNewMdtIncompat : kNewOstIncompat;
	head_.server_size = wire::LR_SERVER_SIZE;
	head_.client_start = wire::LR_CLIENT_START;
	head_.client_size = wire::LR_CLIENT_SIZE;
	head_.subdir_count = kSubdirs;
	head_.osd_index = spec.index;
}

/// The head is the disk's: whatever it says is checked before it is believed.
cfs::Result<> LastRcvd::check_head(const LastRcvdSpec &spec) noexcept
{
	cfs::SpinGuard g(lock_);
	if (head_.uuid.view() != spec.uuid) {
		CERROR(kSubsys, "{}: last_rcvd belongs to target '{:e}': wrong device mounted?",
		       spec.name, head_.uuid.view());
		return cfs::fail(cfs::err::INVAL);
	}
	u32 incompat = head_.feature_incompat.get() & ~(spec.mdt ? kMdtIncompat : kOstIncompat);
	u32 rocompat = head_.feature_rocompat.get() &
		       ~(spec.mdt ? wire::OBD_ROCOMPAT_LOVOBJID : wire::OBD_ROCOMPAT_IDX_IN_IDIF);
	if (incompat || rocompat) {
		CERROR(kSubsys,
		       "{}: last_rcvd has features {:#x}, read-only ones {:#x}, that this "
		       "release does not know",
		       spec.name, incompat, rocompat);
		return cfs::fail(cfs::err::INVAL);
	}
	if (head_.osd_index.get() != spec.index) {
		CERROR(kSubsys, "{}: last_rcvd is of the target with index {}", spec.name,
		       head_.osd_index.get());
		return cfs::fail(cfs::err::INVAL);
	}
	if (head_.server_size.get() != wire::LR_SERVER_SIZE ||
	    head_.client_start.get() != wire::LR_CLIENT_START ||
	    head_.client_size.get() != wire::LR_CLIENT_SIZE) {
		CERROR(kSubsys, "{}: last_rcvd has slots of {} bytes from {} on, not {} from {}",
		       spec.name, head_.client_size.get(), head_.client_start.get(),
		       wire::LR_CLIENT_SIZE, wire::LR_CLIENT_START);
		return cfs::fail(cfs::err::INVAL);
	}
	return {};
}

cfs::Result<> LastRcvd::load(const LastRcvdSpec &spec) noexcept
{
	body_ = TRY(file_->body());
	TRY(slots_.open(kSubsys, wire::LR_MAX_CLIENTS));
	LrServerData head{};
	std::size_t n = TRY(body_->read(0, std::as_writable_bytes(std::span(&head, 1))));
	if (n == 0) {
		init_head(spec);
	} else if (n < sizeof(head)) {
		CERROR(kSubsys, "{}: last_rcvd is cut after {} bytes", spec.name, n);
		return cfs::fail(cfs::err::INVAL);
	} else {
		{
			cfs::SpinGuard g(lock_);
			head_ = head;
		}
		TRY(check_head(spec));
		TRY(scan());
	}
	{
		cfs::SpinGuard g(lock_);
		mount_count_ = head_.mount_count.get() + 1;
		head_.mount_count = mount_count_;
		if (head_.last_transno.get() > last_transno_)
			last_transno_ = head_.last_transno.get();
		if (spec.mdt)
			head_.feature_incompat =
				head_.feature_incompat.get() | wire::OBD_INCOMPAT_FID;
	}
	// A crash now must not give the next start the same number.
	return save_head(last_transno_);
}

void LastRcvd::note(u32 slot, const LsdClientData &c) noexcept
{
	Transno t = std::max(c.last_transno.get(), c.last_close_transno.get());
	last_transno_ = std::max(last_transno_, t);
	last_generation_ = std::max(last_generation_, c.generation.get());
	slots_.set(slot);
}

cfs::Result<> LastRcvd::scan() noexcept
{
	struct Noter final : Visitor {
		LastRcvd &file;
		explicit Noter(LastRcvd &f) noexcept : file(f) {}
		cfs::Result<> client(u32 slot, const LsdClientData &c) noexcept override
		{
			file.note(slot, c);
			return {};
		}
	} noter(*this);
	return for_each_client(noter);
}

cfs::Result<> LastRcvd::for_each_client(Visitor &v) noexcept
{
	constexpr u32 kBatch = 32;
	auto batch = TRY(cfs::Array<LsdClientData>::make(kSubsys, kBatch));
	for (u32 first = 0; first < wire::LR_MAX_CLIENTS; first += kBatch) {
		auto room = std::as_writable_bytes(std::span(batch.data(), kBatch));
		std::size_t got = TRY(body_->read(slot_offset(first), room));
		for (u32 k = 0; k < got / sizeof(LsdClientData); k++) {
			const LsdClientData &c = batch[k];
			if (c.uuid.view().empty())
				continue;
			if (!c.uuid.terminated()) {
				CWARN(kSubsys, "last_rcvd: slot {} is damaged: client forgotten",
				      first + k);
				continue;
			}
			TRY(v.client(first + k, c));
		}
		if (got < room.size())
			break;
	}
	return {};
}

cfs::Result<u32> LastRcvd::take() noexcept
{
	auto slot = slots_.take();
	return slot ? slot : cfs::fail(cfs::err::USERS);
}

cfs::Result<> LastRcvd::declare_slot(osd::Transaction &tx, u32 slot) noexcept
{
	return body_->declare_write(tx, slot_offset(slot), wire::LR_CLIENT_SIZE);
}

cfs::Result<> LastRcvd::write_slot(osd::Transaction &tx, u32 slot,
				   const LsdClientData &data) noexcept
{
	return body_->write(tx, slot_offset(slot), cfs::bytes_of(data));
}

cfs::Result<> LastRcvd::declare_head(osd::Transaction &tx) noexcept
{
	return body_->declare_write(tx, 0, sizeof(LrServerData));
}

cfs::Result<> LastRcvd::write_head(osd::Transaction &tx, Transno last) noexcept
{
	LrServerData copy;
	{
		cfs::SpinGuard g(lock_);
		head_.last_transno = std::max(head_.last_transno.get(), last);
		head_.start_epoch = static_cast<u32>(static_cast<u64>(last) >> 32);
		copy = head_;
	}
	return body_->write(tx, 0, cfs::bytes_of(copy));
}

cfs::Result<> LastRcvd::save_head(Transno last) noexcept
{
	auto tx = TRY(device_.begin());
	TRY(declare_head(*tx));
	tx->set_sync();
	TRY(tx->start());
	auto written = write_head(*tx, last);
	return osd::stop(*tx, written);
}

bool LastRcvd::set_incompat(u32 bits, bool on) noexcept
{
	cfs::SpinGuard g(lock_);
	u32 old = head_.feature_incompat.get();
	head_.feature_incompat = on ? old | bits : old & ~bits;
	return head_.feature_incompat.get() != old;
}

bool LastRcvd::set_compat(u32 bits) noexcept
{
	cfs::SpinGuard g(lock_);
	u32 old = head_.feature_compat.get();
	head_.feature_compat = old | bits;
	return head_.feature_compat.get() != old;
}

} // namespace target
