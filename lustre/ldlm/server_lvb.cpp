// SPDX-License-Identifier: GPL-2.0
//
// Value blocks and glimpses (spec 03 9.3, 05 section 10). A glimpse asks holders of write locks
// that may know a greater size than the block has, those that lie highest first: once one of them
// knows of bytes inside its own extent, those that lie below can not know more. In practice that is
// one.
#include "lustre/ldlm/server_locked.hpp"

namespace ldlm
{

using namespace cfs::err;

namespace
{

/// Holders asked at once.
constexpr unsigned kHoldersMax = 16;
constexpr ModeMask kWriters = modes(LCK_EX, LCK_PW, LCK_CW, LCK_GROUP);

bool has_block(LockType type, u64 bits) noexcept
{
	return type == LDLM_EXTENT || type == LDLM_PLAIN ||
	       (type == LDLM_IBITS && (bits & wire::MDS_INODELOCK_DOM));
}

} // namespace

cfs::Result<> ServerNs::load_lvb(Resource &r) noexcept
{
	if (!lvb_)
		return {};
	cfs::MutexGuard g(r.lvb_lock);
	if (r.lvb_loaded)
		return {};
	TRY(lvb_->load(r.key.name, cfs::MutBytes(r.lvb)));
	r.lvb_loaded = true;
	return {};
}

/// What of the block this client is sent: the first 40 bytes when it knows no more.
std::size_t ServerNs::copy_lvb(Resource &r, const PeerImpl *peer, cfs::MutBytes out) noexcept
{
	if (!lvb_)
		return 0;
	cfs::MutexGuard g(r.lvb_lock);
	if (!r.lvb_loaded)
		return 0;
	std::size_t n = lvb_->lvb_bytes();
	if (n == sizeof(wire::OstLvb) && peer && !peer->has(wire::OBD_CONNECT_LVB_TYPE))
		n = sizeof(wire::OstLvbV1);
	CFS_ASSERT(n <= out.size());
	for (std::size_t i = 0; i < n; i++)
		out[i] = r.lvb[i];
	return n;
}

void ServerNs::refresh_lvb(LockType type, const ResName &name, bool only_increase) noexcept
{
	if (!lvb_)
		return;
	ResourcePtr r = find_resource({type, name});
	if (!r)
		return;
	cfs::MutexGuard g(r->lvb_lock);
	if (r->lvb_loaded)
		lvb_->refresh(name, cfs::MutBytes(r->lvb), only_increase);
}

/// A client gives back a lock under which it has written: what it wrote is on disk now. Or it has
/// gone, and what it said it would write will never be.
void ServerNs::publish_size(ServerLockImpl &l, bool client_gone) noexcept
{
	if (!lvb_)
		return;
	bool wrote = false;
	{
		cfs::MutexGuard g(l.res->lock);
		wrote = l.place == TableLock::Place::granted &&
			(mode_bit(l.granted_mode) & kWriters) &&
			has_block(l.res->key.type, l.policy.ibits.bits) &&
			!(l.asked_back && l.wanted.discard);
	}
	if (!wrote)
		return;
	cfs::MutexGuard g(l.res->lvb_lock);
	if (l.res->lvb_loaded)
		lvb_->refresh(l.res->key.name, cfs::MutBytes(l.res->lvb), !client_gone);
}

/// The highest locks below a bound, in order: by start, then handle.
struct ServerNs::Holder {
	LockPtr lock;
	u64 start = 0;
	u64 handle = 0;
	[[nodiscard]] bool above(const Holder &o) const noexcept
	{
		return start != o.start ? start > o.start : handle > o.handle;
	}
};
struct ServerNs::Holders {
	static constexpr cfs_subsys kSubsys = CFS_S_LDLM;

	Holder list[kHoldersMax];
	unsigned count = 0;
	unsigned want = 1; ///< how many are looked for
	Holder bound;	   ///< those asked so far are at or above it
	bool bounded = false;
	bool destroying = false; ///< the object is about to go
};

void ServerNs::find_holders(Resource &r, u64 size, Holders &h) noexcept
{
	h.count = 0;
	Policy probe = r.key.type == LDLM_EXTENT ? Policy::of_extent(size, kEof)
						 : Policy::of_bits(wire::MDS_INODELOCK_DOM);
	cfs::MutexGuard g(r.lock);
	(void)r.table.for_overlapping(kWriters, probe, [&](TableLock &t) {
		auto &l = static_cast<ServerLockImpl &>(t);
		if (l.destroying) {
			h.destroying = true;
			return false;
		}
		u64 start = r.key.type == LDLM_EXTENT ? l.policy.extent.start : 0;
		Holder x{nullptr, start, l.handle_};
		// A thread of ours knows nothing that the disk does not.
		if (!l.owner || (h.bounded && !h.bound.above(x)))
			return true;
		unsigned at = h.count;
		while (at > 0 && x.above(h.list[at - 1]))
			at--;
		if (at == h.want)
			return true;
		if (h.count == h.want)
			h.list[--h.count].lock.reset();
		for (unsigned i = h.count; i > at; i--)
			h.list[i] = std::move(h.list[i - 1]);
		x.lock = LockPtr::share(&l);
		h.list[at] = std::move(x);
		h.count++;
		return true;
	});
}

/// A client that has gone is not asked.
cfs::Result<> ServerNs::send_glimpse(const LockPtr &l, GlimpseBatch &batch,
				     cfs::Bytes gl_desc) noexcept
{
	auto pass = l->owner->asts.enter();
	if (!pass)
		return {};
	auto m = TRY(cfs::try_make<AstMsg>(106u, l, l->owner, std::move(pass)));
	AstMsg &msg = *m;
	msg.batch_ = &batch;
	msg.reply_lvb_ = lvb_ ? lvb_->lvb_bytes() : 0;
	msg.has_second_ = !gl_desc.empty();
	msg.second_bytes_ =
		gl_desc.size() < sizeof(msg.second_) ? gl_desc.size() : sizeof(msg.second_);
	for (std::size_t i = 0; i < msg.second_bytes_; i++)
		msg.second_[i] = gl_desc[i];
	msg.fill(l->desc(), 0);
	{
		cfs::SpinGuard g(batch.lock);
		batch.running++;
	}
	l->owner->stats().count(kPeerGlCallback);
	send(std::move(m));
	return {};
}

/// Asks the holders found and waits for the answers, which are merged as they come. err::NOMEM: not
/// all were asked.
cfs::Result<> ServerNs::ask_holders(Holders &h) noexcept
{
	GlimpseBatch batch;
	cfs::Result<> sent{};
	for (unsigned i = 0; i < h.count && sent; i++)
		sent = send_glimpse(h.list[i].lock, batch, {});
	if (h.count > 0) {
		h.bound = {nullptr, h.list[h.count - 1].start, h.list[h.count - 1].handle};
		h.bounded = true;
	}
	for (unsigned i = 0; i < h.count; i++)
		h.list[i].lock.reset();
	cfs::SpinGuard g(batch.lock);
	// Every callback ends: with an answer, or with the client's eviction.
	(void)batch.wait.wait(batch.lock, cfs::WaitMode::idle, cfs::Instant::never(),
			      [&]() CFS_NO_TSA { return batch.running == 0; });
	return sent && batch.failed ? cfs::fail(NOMEM) : sent;
}

cfs::Result<> ServerNs::glimpse_resource(Resource &r) noexcept
{
	auto h = TRY(cfs::try_make<Holders>());
	for (;;) {
		u64 size = 0;
		{
			cfs::MutexGuard g(r.lvb_lock);
			size = reinterpret_cast<wire::OstLvb *>(r.lvb)->size.get();
		}
		find_holders(r, size, *h);
		if (h->destroying)
			return cfs::fail(NOENT);
		if (h->count == 0)
			break;
		TRY(ask_holders(*h));
		// Whoever had nothing to say has written it out; and what was written since the
		// block was filled counts as well.
		cfs::MutexGuard g(r.lvb_lock);
		lvb_->refresh(r.key.name, cfs::MutBytes(r.lvb), true);
		h->want = kHoldersMax;
	}
	return {};
}

cfs::Result<> ServerNs::glimpse(LockType type, const ResName &name, cfs::MutBytes lvb) noexcept
{
	auto pass = gate_.enter();
	if (!pass)
		return cfs::fail(SHUTDOWN);
	if (!lvb_)
		return cfs::fail(OPNOTSUPP);
	if (lvb.size() < lvb_->lvb_bytes())
		return cfs::fail(OVERFLOWED);
	ResourcePtr r = TRY(get_resource({type, name}));
	cfs::ScopeExit drop([&] { put_resource(*r); });
	TRY(load_lvb(*r));
	TRY(glimpse_resource(*r));
	(void)copy_lvb(*r, nullptr, lvb);
	return {};
}

cfs::Result<> ServerNs::glimpse_all(LockType type, const ResName &name, cfs::Bytes gl_desc) noexcept
{
	auto pass = gate_.enter();
	if (!pass)
		return cfs::fail(SHUTDOWN);
	ResourcePtr r = find_resource({type, name});
	if (!r)
		return {};
	TRY(load_lvb(*r));
	std::size_t n = 0;
	{
		cfs::MutexGuard g(r->lock);
		n = r->table.count();
	}
	auto locks = TRY(cfs::Array<LockPtr>::make(kSubsys, n));
	n = 0;
	{
		cfs::MutexGuard g(r->lock);
		(void)r->table.for_granted([&](TableLock &t) {
			auto &l = static_cast<ServerLockImpl &>(t);
			if (l.owner && n < locks.size())
				locks[n++] = LockPtr::share(&l);
			return n < locks.size();
		});
	}
	u32 most = max_parallel_ast_.load(std::memory_order_relaxed);
	GlimpseBatch batch;
	cfs::Result<> sent{};
	for (std::size_t i = 0; i < n && sent; i++) {
		sent = send_glimpse(locks[i], batch, gl_desc);
		cfs::SpinGuard g(batch.lock);
		(void)batch.wait.wait(batch.lock, cfs::WaitMode::idle, cfs::Instant::never(),
				      [&]() CFS_NO_TSA { return batch.running < most; });
	}
	cfs::SpinGuard g(batch.lock);
	(void)batch.wait.wait(batch.lock, cfs::WaitMode::idle, cfs::Instant::never(),
			      [&]() CFS_NO_TSA { return batch.running == 0; });
	return sent && batch.failed ? cfs::fail(NOMEM) : sent;
}

} // namespace ldlm
