// SPDX-License-Identifier: GPL-2.0
#include "target/client.hpp"

#include <algorithm>

#include "rpc/format/message.hpp"

namespace target
{

Transno Client::last_transno() noexcept
{
	cfs::MutexGuard g(lock_);
	Transno last = std::max(data_.last_transno.get(), data_.last_close_transno.get());
	for (const Reply &r : replies_)
		last = std::max(last, r.saved.transno);
	return last;
}

cfs::Result<> Client::add_loaded(u32 disk_slot, const ReplyData::Record &r) noexcept
{
	auto reply = TRY(cfs::try_make<Reply>());
	reply->xid = r.xid;
	reply->disk_slot = disk_slot;
	reply->saved.transno = r.transno;
	reply->saved.result = r.result;
	reply->saved.data = r.data;
	cfs::MutexGuard g(lock_);
	replies_.push_back(*reply.release());
	return {};
}

std::optional<SavedReply> Client::find(Xid xid) noexcept
{
	cfs::MutexGuard g(lock_);
	for (const Reply &r : replies_)
		if (r.xid == xid)
			return r.saved;
	SavedReply s;
	if (data_.last_xid.get() == xid && xid != Xid{}) {
		s.transno = data_.last_transno.get();
		s.result = data_.last_result.get();
		s.data = data_.last_data.get();
		s.has_versions = true;
		for (unsigned k = 0; k < wire::PTLRPC_NUM_VERSIONS; k++)
			s.pre_versions[k] = data_.pre_versions[k].get();
		return s;
	}
	if (data_.last_close_xid.get() == xid && xid != Xid{}) {
		s.transno = data_.last_close_transno.get();
		s.result = data_.last_close_result.get();
		s.data = data_.last_close_data.get();
		return s;
	}
	return std::nullopt;
}

cfs::Result<> Client::declare(osd::Transaction &tx) noexcept
{
	if (!has_slot())
		return slots_.declare_head(tx);
	TRY(slots_.declare_slot(tx, slot_));
	return replies_file_ && is_multi() ? replies_file_->declare(tx) : cfs::Result<>{};
}

void Client::drop(Reply &r) noexcept
{
	replies_.erase(Replies::s_iterator_to(r));
	replies_file_->release(r.disk_slot);
	cfs::UniquePtr<Reply> end(&r);
}

/// The client has the answers that it reuses the tag of, or tells so. The one with its largest
/// number stays: after a restart it tells how far the client was.
void Client::drop_seen(wire::u16 tag, Xid xid, Xid seen) noexcept
{
	Transno last{};
	for (const Reply &r : replies_)
		last = std::max(last, r.saved.transno);
	for (auto i = replies_.begin(); i != replies_.end();) {
		Reply &r = *i++;
		bool reused = tag != 0 && r.tag == tag && r.xid < xid;
		if ((reused || r.xid <= seen) && r.saved.transno != last)
			drop(r);
	}
}

/// Of a client that never says what it has seen. The largest number stays, as above.
void Client::drop_oldest() noexcept
{
	Reply &first = replies_.front();
	Reply &second = *std::next(replies_.begin());
	drop(first.saved.transno < second.saved.transno ? first : second);
}

cfs::Result<> Client::record_multi(osd::Transaction &tx, Xid xid, wire::u16 tag,
				   const SavedReply &saved) noexcept
{
	auto reply = TRY(cfs::try_make<Reply>());
	reply->disk_slot = TRY(replies_file_->take());
	ReplyData::Record on_disk{saved.transno, xid, saved.data, saved.result,
				  data_.generation.get()};
	if (auto r = replies_file_->write(tx, reply->disk_slot, on_disk); !r) {
		replies_file_->release(reply->disk_slot);
		return r;
	}
	reply->xid = xid;
	reply->tag = tag;
	reply->saved = saved;
	replies_.push_back(*reply.release());
	return {};
}

void Client::record_single(Xid xid, bool is_close, const SavedReply &r) noexcept
{
	if (is_close) {
		data_.last_close_transno = r.transno;
		data_.last_close_xid = xid;
		data_.last_close_result = r.result;
		data_.last_close_data = static_cast<u32>(r.data);
		return;
	}
	data_.last_transno = r.transno;
	data_.last_xid = xid;
	data_.last_result = r.result;
	data_.last_data = static_cast<u32>(r.data);
	for (unsigned k = 0; k < wire::PTLRPC_NUM_VERSIONS; k++)
		data_.pre_versions[k] = r.pre_versions[k];
}

cfs::Result<> Client::record(osd::Transaction &tx, Xid xid, wire::u16 tag, Xid seen, bool is_close,
			     const SavedReply &r) noexcept
{
	if (!has_slot())
		return slots_.write_head(tx, r.transno);
	cfs::MutexGuard g(lock_);
	if (gone_)
		return {};
	if (!replies_file_) {
		// An OST keeps the number alone: its operations may be repeated.
		data_.last_transno = std::max(data_.last_transno.get(), r.transno);
		return slots_.write_slot(tx, slot_, data_);
	}
	if (!is_multi()) {
		record_single(xid, is_close, r);
		return slots_.write_slot(tx, slot_, data_);
	}
	TRY(record_multi(tx, xid, tag, r));
	drop_seen(tag, xid, seen);
	if (replies_.size() > kRepliesMax)
		drop_oldest();
	return {};
}

cfs::Result<> Client::write_slot(osd::Transaction &tx, bool erase) noexcept
{
	CFS_ASSERT(has_slot());
	cfs::MutexGuard g(lock_);
	return slots_.write_slot(tx, slot_, erase ? wire::LsdClientData{} : data_);
}

void Client::end() noexcept
{
	cfs::MutexGuard g(lock_);
	gone_ = true;
}

void Client::release() noexcept
{
	cfs::MutexGuard g(lock_);
	while (!replies_.empty())
		drop(replies_.front());
	if (has_slot())
		slots_.release(std::exchange(slot_, kNoSlot));
}

u32 Client::replies() noexcept
{
	cfs::MutexGuard g(lock_);
	return static_cast<u32>(replies_.size());
}

void Client::destroy() noexcept
{
	release();
	this->~Client();
	cfs_free(kSubsys, this, sizeof(*this));
}

} // namespace target
