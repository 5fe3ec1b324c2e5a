// SPDX-License-Identifier: GPL-2.0
//
// Locks, sizes and dirty pages of an object. See osc_object.hpp for what holds when.
#include "client/osc_object.hpp"

#include <cstring>

#include "client/osc.hpp"

namespace client
{

using namespace cfs::err;
using namespace wire;
using ldlm::Extent;
using ldlm::Mode;

namespace
{

constexpr ldlm::ModeMask kWriteModes =
	ldlm::modes(LockMode::LCK_PW, LockMode::LCK_EX, LockMode::LCK_GROUP);
constexpr ldlm::ModeMask kReadModes = kWriteModes | ldlm::mode_bit(LockMode::LCK_PR);
/// Our own locks that a request for another may take along.
constexpr std::size_t kEarlyMax = 8;
/// How often a lock that turns out to be of no use is replaced.
constexpr unsigned kLockTries = 4;
/// How long another file may take to let an object go.
constexpr auto kAttachWait = cfs::Duration::seconds(10);

} // namespace

Result<OstLvb> parse_lvb(cfs::Bytes b) noexcept
{
	OstLvb lvb{};
	if (b.size() != sizeof(OstLvb) && b.size() != sizeof(OstLvbV1))
		return cfs::fail(PROTO);
	std::memcpy(&lvb, b.data(), b.size());
	u64 blocks = lvb.blocks.get();
	if ((blocks & OST_LVB_ERR_MASK) == OST_LVB_ERR_MASK) {
		int rc = static_cast<int>(static_cast<std::int64_t>(blocks - OST_LVB_ERR_INIT));
		return cfs::fail(rc < 0 ? cfs::Errno{-rc} : PROTO);
	}
	return lvb;
}

OscObject::OscObject(Osc &osc, const ldlm::ResName &n) noexcept
    : name(n), osc_(cfs::RefPtr<Osc>::share(&osc))
{
}

OscObject::~OscObject()
{
	CFS_ASSERT(locks_.empty() && !user_ && !gather);
}

void OscObject::destroy() noexcept
{
	cfs::RefPtr<Osc> osc = osc_;
	osc->forget(*this);
	this->~OscObject();
	cfs_free(kSubsys, this, sizeof(*this));
}

// ---- the file ----

Result<> OscObject::attach(ObjectUser &user) noexcept
{
	cfs::MutexGuard g(lock_);
	auto free = [&]() CFS_NO_TSA { return user_ == &user || (!user_ && busy_ == 0); };
	auto r = waitq_.wait(lock_, cfs::WaitMode::killable, cfs::after(kAttachWait), free);
	if (!r)
		return cfs::fail(r.error() == TIMEDOUT ? BUSY : r.error());
	user_ = &user;
	return {};
}

void OscObject::detach(ObjectUser &user) noexcept
{
	std::pair<u64, u64> left{0, 0};
	{
		cfs::MutexGuard g(lock_);
		if (user_ != &user)
			return;
		user_ = nullptr;
		(void)waitq_.wait(lock_, cfs::WaitMode::idle, cfs::Instant::never(),
				  [this]() CFS_NO_TSA { return busy_ == 0; });
		left = dirty_.clear();
		dirty_count.store(0, std::memory_order_relaxed);
		waitq_.wake_all();
	}
	if (left.second)
		osc_->grant_give_back(left.first, left.second);
}

ObjectUser *OscObject::pin() noexcept
{
	cfs::MutexGuard g(lock_);
	if (user_)
		busy_++;
	return user_;
}

void OscObject::unpin() noexcept
{
	cfs::MutexGuard g(lock_);
	busy_--;
	waitq_.wake_all();
}

// ---- getting locks ----

ldlm::LockUse OscObject::match(Mode mode, Extent extent, bool any) noexcept
{
	ldlm::MatchSpec m;
	m.type = ldlm::LDLM_EXTENT;
	m.name = name;
	m.modes = mode == LockMode::LCK_PR ? kReadModes : kWriteModes;
	m.policy = extent;
	m.wanted_back_too = any;
	return osc_->ns().match(m);
}

Result<ldlm::LockUse> OscObject::lock(Mode mode, Extent extent, u64 flags, bool nonblock) noexcept
{
	for (unsigned i = 0; i < kLockTries; i++) {
		ldlm::LockUse use = match(mode, extent, false);
		if (!use) {
			if (nonblock)
				return cfs::fail(AGAIN);
			use = TRY(enqueue(mode, extent, flags));
		}
		auto *rec = static_cast<LockRecord *>(use->user_data());
		if (rec && rec->missing == cfs::Errno{})
			return use;
		cfs::Errno why = rec ? rec->missing : NOMEM;
		osc_->ns().cancel(*use, false);
		use.release();
		if (rec)
			return cfs::fail(why);
	}
	return cfs::fail(NOMEM);
}

Result<ldlm::LockUse> OscObject::enqueue(Mode mode, Extent extent, u64 flags) noexcept
{
	ldlm::EnqueueSpec spec;
	u64 early[kEarlyMax];
	std::size_t n = 0;

	spec.type = ldlm::LDLM_EXTENT;
	spec.name = name;
	spec.mode = mode;
	spec.policy = extent;
	spec.flags = flags;
	spec.lvb_type = LvbType::LVB_T_OST;
	spec.lvb_max = sizeof(OstLvb);
	if (mode == LockMode::LCK_PW) {
		// Read locks of ours are in the way of a write lock: they go with the request
		// instead of being called back for it.
		ldlm::DropSpec drop;
		drop.type = ldlm::LDLM_EXTENT;
		drop.name = name;
		drop.modes = ldlm::mode_bit(LockMode::LCK_PR);
		drop.extent = extent;
		n = osc_->ns().collect(drop, early);
		spec.early_cancels = {early, n};
	}
	std::byte lvb[sizeof(OstLvb)];
	auto got = osc_->ns().enqueue(spec, lvb);
	if (!got) {
		if (n)
			osc_->ns().cancel_handles({early, n});
		// Lost in an eviction: to who reads or writes it is as any other call that was in
		// progress.
		return cfs::fail(got.error() == STALE ? IO : got.error());
	}
	if (!got->use)
		return cfs::fail(PROTO);
	return std::move(got->use);
}

u64 OscObject::write_handle(u64 first, u64 last) noexcept
{
	cfs::MutexGuard g(lock_);
	u64 dying = 0;
	for (LockRecord &r : locks_) {
		if (!(ldlm::mode_bit(r.mode) & kWriteModes) ||
		    !r.extent.covers(Extent{first, last, 0}))
			continue;
		if (!r.dying)
			return r.lock->remote_handle();
		dying = r.lock->remote_handle();
	}
	return dying;
}

u64 OscObject::covered_until(u64 offset) noexcept
{
	cfs::MutexGuard g(lock_);
	u64 until = 0;
	for (LockRecord &r : locks_)
		if (!r.dying && (ldlm::mode_bit(r.mode) & kReadModes) && r.extent.start <= offset &&
		    offset <= r.extent.end) {
			u64 end = r.extent.end == ldlm::kEof ? kEof : r.extent.end + 1;
			until = std::max(until, end);
		}
	return until;
}

// ---- what ldlm tells ----

void OscObject::adopt(const OstLvb &lvb) noexcept
{
	attr_ = {lvb.size.get(), lvb.blocks.get(), lvb.mtime.get(), lvb.atime.get(),
		 lvb.ctime.get()};
}

void OscObject::granted(ldlm::ClientLock &lock, cfs::Bytes lvb) noexcept
{
	auto rec = cfs::try_make<LockRecord>();
	if (!rec) {
		// Whoever finds the lock without a record gives it back.
		CERROR(CFS_S_OSC, "{}: no memory to remember a lock of object {}", osc_->name(),
		       name);
		return;
	}
	LockRecord &r = **rec;
	ldlm::LockDesc d = lock.desc();
	auto value = parse_lvb(lvb);
	r.object = cfs::RefPtr<OscObject>::share(this);
	r.lock = &lock;
	r.extent = d.policy.extent;
	r.mode = d.req_mode;
	if (!value)
		r.missing = value.error();
	cfs::MutexGuard g(lock_);
	if (value) {
		adopt(*value);
		u64 end = r.extent.end == ldlm::kEof ? kEof : r.extent.end + 1;
		kms_ = std::max(kms_, std::min(value->size.get(), end));
	}
	locks_.push_back(*rec->release());
	lock.set_user_data(&r);
}

bool OscObject::uncovered(u64 from, u64 last, Extent &out) noexcept
{
	cfs::MutexGuard g(lock_);
	for (bool moved = true; moved && from <= last;) {
		moved = false;
		for (LockRecord &r : locks_) {
			if (r.dying || r.extent.start > from || r.extent.end < from)
				continue;
			if (r.extent.end >= last)
				return false;
			from = r.extent.end + 1;
			moved = true;
		}
	}
	if (from > last)
		return false;
	u64 to = last;
	for (LockRecord &r : locks_)
		if (!r.dying && r.extent.start > from && r.extent.start <= to)
			to = r.extent.start - 1;
	out = Extent{from, to, 0};
	return true;
}

void OscObject::drop_uncovered(ObjectUser &user, const Extent &of) noexcept
{
	Extent part;
	for (u64 from = of.start; uncovered(from, of.end, part); from = part.end + 1) {
		user.drop_object(*this, part);
		if (part.end == of.end)
			return;
	}
}

void OscObject::cancelled(ldlm::ClientLock &lock, const ldlm::CancelInfo &info) noexcept
{
	auto *rec = static_cast<LockRecord *>(lock.user_data());
	Extent extent = lock.desc().policy.extent;
	Mode mode = lock.desc().granted_mode;
	if (rec) {
		cfs::MutexGuard g(lock_);
		rec->dying = true;
		extent = rec->extent;
		mode = rec->mode;
	}
	bool write_out = !info.discard && info.reason != ldlm::CancelReason::evicted &&
			 (ldlm::mode_bit(mode) & kWriteModes);
	if (ObjectUser *user = pin()) {
		if (info.reason == ldlm::CancelReason::evicted && has_dirty())
			user->lost_data();
		// Also when no page has claimed anything: the VFS may have dirty ones that did not.
		if (write_out)
			(void)user->flush_object(*this, extent); // recorded against the file
		drop_uncovered(*user, extent);
		unpin();
	}
	if (!rec)
		return;
	cfs::UniquePtr<LockRecord> end;
	cfs::MutexGuard g(lock_);
	locks_.erase(locks_.iterator_to(*rec));
	lock.set_user_data(nullptr);
	end.reset(rec);
	// Those that are being cancelled, too: what they guard may not have been written yet.
	u64 justified = 0;
	for (LockRecord &r : locks_)
		justified =
			std::max(justified, r.extent.end == ldlm::kEof ? kEof : r.extent.end + 1);
	kms_ = std::min(kms_, justified);
}

Result<std::size_t> OscObject::glimpsed(cfs::MutBytes out) noexcept
{
	ObjectAttr a;
	{
		cfs::MutexGuard g(lock_);
		if (locks_.empty())
			return cfs::fail(NODATA);
		a = attr_;
		a.size = kms_;
	}
	if (ObjectUser *user = pin()) {
		if (has_dirty()) {
			ObjectAttr inode = a;
			user->inode_times(inode);
			a.mtime = std::max(a.mtime, inode.mtime);
			a.ctime = std::max(a.ctime, inode.ctime);
			// Not sparse, only not written yet.
			a.blocks = a.blocks ? a.blocks : 1;
		}
		unpin();
	}
	OstLvb lvb{};
	lvb.size = a.size;
	lvb.mtime = a.mtime;
	lvb.atime = a.atime;
	lvb.ctime = a.ctime;
	lvb.blocks = a.blocks;
	if (out.size() < sizeof(lvb))
		return cfs::fail(NODATA);
	std::memcpy(out.data(), &lvb, sizeof(lvb));
	return sizeof(lvb);
}

// ---- sizes ----

u64 OscObject::known_size() noexcept
{
	cfs::MutexGuard g(lock_);
	return kms_;
}

void OscObject::grow_to(u64 end) noexcept
{
	cfs::MutexGuard g(lock_);
	kms_ = std::max(kms_, end);
	attr_.size = std::max(attr_.size, end);
}

void OscObject::set_size(u64 size) noexcept
{
	cfs::MutexGuard g(lock_);
	kms_ = attr_.size = size;
}

void OscObject::learn(const OstLvb &lvb) noexcept
{
	cfs::MutexGuard g(lock_);
	adopt(lvb);
}

ObjectAttr OscObject::attr() noexcept
{
	cfs::MutexGuard g(lock_);
	ObjectAttr a = attr_;
	a.size = std::max(a.size, kms_);
	return a;
}

void OscObject::set_blocks(u64 blocks) noexcept
{
	cfs::MutexGuard g(lock_);
	attr_.blocks = blocks;
}

void OscObject::set_times(std::int64_t mtime, std::int64_t atime, std::int64_t ctime) noexcept
{
	cfs::MutexGuard g(lock_);
	attr_.mtime = mtime ? mtime : attr_.mtime;
	attr_.atime = atime ? atime : attr_.atime;
	attr_.ctime = ctime ? ctime : attr_.ctime;
}

bool OscObject::size_exact(Extent share, u64 *size) noexcept
{
	cfs::MutexGuard g(lock_);
	u64 known = std::max(attr_.size, kms_);
	for (LockRecord &r : locks_)
		if (!r.dying && r.extent.end >= share.end &&
		    r.extent.start <= std::max(known, share.start) &&
		    (ldlm::mode_bit(r.mode) & kReadModes) && r.missing == cfs::Errno{}) {
			*size = known;
			return true;
		}
	return false;
}

bool OscObject::all_covered(Extent share) noexcept
{
	cfs::MutexGuard g(lock_);
	for (LockRecord &r : locks_)
		if (!r.dying && (ldlm::mode_bit(r.mode) & kReadModes) && r.extent.covers(share) &&
		    r.missing == cfs::Errno{})
			return true;
	return false;
}

// ---- dirty pages ----

Result<> OscObject::make_dirty(u64 page) noexcept
{
	// The cost may change while grant is waited for: another page may pay the extent.
	for (;;) {
		u64 cost = 0;
		{
			cfs::MutexGuard g(lock_);
			cost = dirty_.cost(page, osc_->grant_terms());
		}
		if (cost == 0)
			return {};
		if (!osc_->grant_take(cost))
			return cfs::fail(AGAIN);
		bool again = false;
		Result<> r;
		{
			cfs::MutexGuard g(lock_);
			u64 now = dirty_.cost(page, osc_->grant_terms());
			again = now != cost;
			if (!again)
				r = dirty_.add(page, cost);
			if (!again && r)
				dirty_count.store(dirty_.count(), std::memory_order_relaxed);
		}
		if (!again && r)
			return {};
		osc_->grant_give_back(cost, 1);
		if (!r)
			return cfs::fail(AGAIN);
	}
}

void OscObject::make_clean(u64 page) noexcept
{
	u64 bytes = 0;
	{
		cfs::MutexGuard g(lock_);
		bytes = dirty_.clean(page);
		dirty_count.store(dirty_.count(), std::memory_order_relaxed);
	}
	if (bytes)
		osc_->grant_give_back(bytes, 1);
}

bool OscObject::is_dirty(u64 page) noexcept
{
	cfs::MutexGuard g(lock_);
	return dirty_.has(page);
}

bool OscObject::take_dirty(u64 page, Brw &into) noexcept
{
	cfs::MutexGuard g(lock_);
	u64 bytes = dirty_.take(page);
	dirty_count.store(dirty_.count(), std::memory_order_relaxed);
	into.grant_used += bytes;
	into.grant_pages += bytes ? 1 : 0;
	return bytes != 0;
}

} // namespace client
