// SPDX-License-Identifier: GPL-2.0

#include "transaction.hpp"

#include "bulk.hpp"
#include "device.hpp"
#include "libcfs/log.hpp"
#include "object.hpp"

namespace osd::ldiskfs
{

using namespace cfs::err;
using cfs::Errno;
using cfs::fail;
using cfs::Result;
using cfs::to_result;

namespace
{

/// Blocks that may be freed after they were journalled, beyond what ldiskfs itself sees to.
constexpr int kRevokes = 8;
/// Changes of the super block's list of orphans, of quota, of what was forgotten.
constexpr unsigned kSpareCredits = 6;

} // namespace

/// Lives from begin() until the commit; the glue's part comes first.
struct Tx::CommitRecord {
	static constexpr cfs_subsys kSubsys = CFS_S_OSD;

	ldi_commit_cb cb{};
	cfs::List<CommitCallback, &CommitCallback::in_transaction> callbacks;

	static void committed(ldi_commit_cb *cb, int error) noexcept
	{
		auto *r = reinterpret_cast<CommitRecord *>(cb);
		while (!r->callbacks.empty()) {
			CommitCallback &c = r->callbacks.front();
			r->callbacks.pop_front();
			c.committed(Errno{-error});
		}
		cfs::UniquePtr<CommitRecord> end(r);
	}
};

Result<cfs::UniquePtr<Tx>> Tx::make(DeviceImpl &d) noexcept
{
	auto tx = TRY(cfs::try_make<Tx>(d));
	auto record = TRY(cfs::try_make<CommitRecord>());
	record->cb.committed = CommitRecord::committed;
	tx->record_ = record.release();
	return tx;
}

Device &Tx::device() noexcept
{
	return dev_;
}

void Tx::destroy() noexcept
{
	if (handle_) {
		auto stopped = stop();
		if (!stopped)
			LCONSOLE_ERROR(kSubsys, "{}: a transaction ended with {}", dev_.info().name,
				       stopped.error());
	}
	release_bodies();
	spare_.clear_and_dispose([](Freeing *f) { cfs::UniquePtr<Freeing> end(f); });
	cfs::UniquePtr<CommitRecord> end(record_);
	this->~Tx();
	cfs_free(kSubsys, this, sizeof(*this));
}

unsigned Tx::wanted() const noexcept
{
	return credits_ + peak_ + kSpareCredits;
}

Result<> Tx::start() noexcept
{
	CFS_ASSERT(!used_);
	TRY(dev_.check_writable());
	unsigned want = wanted(), most = dev_.fs_info().max_credits;
	if (want > most) {
		CWARN(kSubsys,
		      "{}: a transaction wants {} journal blocks, which is more than {}: "
		      "format the target with a larger journal (-J size=)",
		      dev_.info().name, want, most);
		want = most;
	}
	auto r = to_result(ldi_tx_start(dev_.fs(), static_cast<int>(want), kRevokes, &handle_));
	used_ = static_cast<bool>(r);
	return dev_.note(r);
}

bool Tx::room_to_declare() const noexcept
{
	return wanted() < dev_.fs_info().max_credits / 2;
}

void Tx::on_commit(CommitCallback &cb) noexcept
{
	CFS_ASSERT(handle_ && record_);
	record_->callbacks.push_back(cb);
}

Result<> Tx::stop() noexcept
{
	CFS_ASSERT(handle_);
	Result<> data = wait_bulk();
	ldi_commit_cb *cb = nullptr;
	if (!record_->callbacks.empty())
		cb = &std::exchange(record_, nullptr)->cb;
	ldi_tx *h = std::exchange(handle_, nullptr);
	Result<> stopped = dev_.note(to_result(ldi_tx_stop(dev_.fs(), h, sync_, cb)));
	Result<> freed = free_now();
	release_bodies();
	if (!data)
		return data;
	return stopped ? freed : stopped;
}

bool Tx::room(unsigned credits) noexcept
{
	return ldi_tx_ensure(handle(), static_cast<int>(credits + kSpareCredits)) == 0;
}

// ---- bulk data ----

void Tx::add_bulk(BulkImpl &b) noexcept
{
	b.in_tx = this;
	b.next_in_tx = bulks_;
	bulks_ = &b;
}

void Tx::remove_bulk(BulkImpl &b) noexcept
{
	for (BulkImpl **link = &bulks_; *link; link = &(*link)->next_in_tx) {
		if (*link == &b) {
			*link = b.next_in_tx;
			break;
		}
	}
	b.in_tx = nullptr;
}

Result<> Tx::wait_bulk() noexcept
{
	Result<> first;
	while (BulkImpl *b = bulks_) {
		bulks_ = std::exchange(b->next_in_tx, nullptr);
		b->in_tx = nullptr;
		Result<> r = b->wait();
		if (!r && first)
			first = dev_.note(r);
	}
	return first;
}

// ---- bodies ----

Result<> Tx::hold_body(ObjectImpl &o, bool exclusive) noexcept
{
	CFS_ASSERT(!handle_);
	for (BodyHold &h : bodies_)
		if (h.object == &o)
			return exclusive && !h.exclusive ? fail(DEADLK) : Result<>();
	auto hold = TRY(cfs::try_make<BodyHold>());
	o.get();
	hold->object = &o;
	hold->exclusive = exclusive;
	// Held until release_bodies(), which clang cannot follow.
	[&]() CFS_NO_TSA { exclusive ? o.body_lock().lock() : o.body_lock().lock_shared(); }();
	bodies_.push_back(*hold.release());
	return {};
}

void Tx::release_bodies() noexcept
{
	bodies_.clear_and_dispose([](BodyHold *h) CFS_NO_TSA {
		h->exclusive ? h->object->body_lock().unlock()
			     : h->object->body_lock().unlock_shared();
		h->object->put();
		cfs::UniquePtr<BodyHold> end(h);
	});
}

Result<> Tx::declare_free() noexcept
{
	spare_.push_back(*TRY(cfs::try_make<Freeing>()).release());
	return {};
}

void Tx::free_later(InodeRef inode, std::uint32_t first, std::uint32_t end, bool orphan) noexcept
{
	CFS_ASSERT(!spare_.empty());
	Freeing &f = spare_.front();
	spare_.pop_front();
	f.inode = std::move(inode);
	f.first = first;
	f.end = end;
	f.orphan = orphan;
	freeing_.push_back(f);
}

Result<> Tx::take_off_orphans(Freeing &f) noexcept
{
	ldi_tx *h = nullptr;
	TRY(to_result(ldi_tx_start(dev_.fs(), 6, 0, &h)));
	Result<> r = to_result(ldi_orphan_del(h, f.inode.get()));
	Result<> s = to_result(ldi_tx_stop(dev_.fs(), h, false, nullptr));
	return r ? s : r;
}

Result<> Tx::free_now() noexcept
{
	Result<> first;
	while (!freeing_.empty()) {
		Freeing &f = freeing_.front();
		freeing_.pop_front();
		Result<> r = to_result(ldi_free_blocks(f.inode.get(), f.first, f.end));
		if (r && f.orphan)
			r = take_off_orphans(f);
		if (!r && first)
			first = dev_.note(r);
		cfs::UniquePtr<Freeing> end(&f);
	}
	return first;
}

} // namespace osd::ldiskfs
