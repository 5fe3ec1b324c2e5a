// SPDX-License-Identifier: GPL-2.0
//
// Callbacks to the holders of locks: from what a lock owes (bl_due, cp_due) to messages, and what
// their answers mean (spec 03 section 5). At most max_parallel_ast are on their way at once; the
// others wait in pending_. One thread at a time empties that list; whoever adds to it meanwhile
// leaves the work to that thread.
#include "lustre/ldlm/server_locked.hpp"

namespace ldlm
{

using namespace cfs::err;
using wire::LdlmError;

namespace
{

constexpr auto kRetry = cfs::Duration::millis(100);
constexpr u32 kBl = 104;
constexpr u32 kCp = 105;
constexpr u32 kGl = 106;

} // namespace

void AstMsg::fill(const LockDesc &desc, u64 flags) noexcept
{
	auto *req = reinterpret_cast<wire::LdlmRequest *>(req_);
	req->lock_flags = static_cast<u32>(flags);
	req->lock_desc = to_wire(desc);
	auto *handles = reinterpret_cast<cfs::le64 *>(req_ + sizeof(*req));
	handles[0] = lock_->client_handle;
	handles[1] = lock_->handle_;
}

void AstMsg::done(AstEnd end, int32_t status, cfs::Bytes lvb) noexcept
{
	lock_->ns.ast_done(*this, end, status, lvb);
}

void ServerNs::owe(ServerLockImpl &l) noexcept
{
	cfs::SpinGuard g(ast_lock_);
	if (l.in_pending.is_linked())
		return;
	l.get();
	pending_.push_back(l);
}

LockPtr ServerNs::next_pending() noexcept
{
	cfs::SpinGuard g(ast_lock_);
	if (pending_.empty() || asts_paused_.load(std::memory_order_relaxed) ||
	    asts_running_.load(std::memory_order_relaxed) >=
		    max_parallel_ast_.load(std::memory_order_relaxed))
		return nullptr;
	LockPtr l = LockPtr::adopt(&pending_.front());
	pending_.pop_front();
	return l;
}

/// Memory is short: no more callbacks for a moment.
void ServerNs::pause_asts() noexcept
{
	ast_retries_.fetch_add(1, std::memory_order_relaxed);
	cfs::SpinGuard g(timer_lock_);
	if (closing_)
		return;
	asts_paused_.store(true, std::memory_order_relaxed);
	ast_timer_.arm(node_.workq(), cfs::after(kRetry));
}

void ServerNs::drain_asts() noexcept
{
	if (drains_.fetch_add(1, std::memory_order_acq_rel) != 0)
		return;
	u32 n = 1;
	do {
		n = drains_.load(std::memory_order_acquire);
		while (LockPtr l = next_pending())
			send_due(l);
	} while (drains_.fetch_sub(n, std::memory_order_acq_rel) != n);
}

/// A local lock is in the way, or was granted (nobody needs to be told of that).
void ServerNs::tell_local(ServerLockImpl &l) noexcept
{
	LockDesc wanted;
	{
		cfs::MutexGuard g(l.res->lock);
		if (!std::exchange(l.bl_due, false) || l.dead)
			return;
		wanted = {l.res->key.type, l.res->key.name, l.wanted.req_mode,
			  l.wanted.granted_mode, l.wanted.policy};
	}
	if (l.user)
		l.user->on_blocking(l, wanted);
}

void ServerNs::fill_completion(AstMsg &m, ServerLockImpl &l) noexcept
{
	LockDesc d = l.desc_locked();
	u64 flags = 0;
	if (d.type == LDLM_FLOCK)
		d.policy = l.asked;
	if (l.place != TableLock::Place::granted && d.type == LDLM_FLOCK) {
		d.granted_mode = LCK_MODE_MIN;
		flags |= wire::LDLM_FL_AST_SENT;
	}
	if (l.deadlock)
		flags |= wire::LDLM_FL_FLOCK_DEADLOCK | wire::LDLM_FL_AST_SENT;
	if (l.asked_back)
		flags |= wire::LDLM_FL_AST_SENT;
	m.opcode_ = kCp;
	m.has_second_ = true;
	m.fill(d, flags);
}

void ServerNs::send_due(const LockPtr &l) noexcept
{
	cfs::RefPtr<PeerImpl> peer;
	{
		cfs::MutexGuard g(l->res->lock);
		peer = l->owner;
	}
	if (!peer) {
		tell_local(*l);
		return;
	}
	auto pass = peer->asts.enter();
	if (!pass)
		return; // the client has gone, and the lock goes
	auto made = cfs::try_make<AstMsg>(0u, l, peer, std::move(pass));
	if (!made) {
		owe(*l);
		pause_asts();
		return;
	}
	AstMsg &m = **made;
	// Before the resource is locked, as the order of locks wants it; a cancel that publishes a
	// size has done so before anyone is granted.
	if (lvb_ && l->res->key.type != LDLM_FLOCK)
		m.second_bytes_ = copy_lvb(*l->res, peer.get(), m.second_);
	bool timed = false;
	{
		cfs::MutexGuard g(l->res->lock);
		if (std::exchange(l->cp_due, false)) {
			l->bl_due = false; // said in the same message
			if (l->dead && l->place == TableLock::Place::none && !l->deadlock &&
			    l->res->key.type != LDLM_FLOCK)
				return;
			fill_completion(m, *l);
			timed = l->asked_back && !l->dead;
		} else if (std::exchange(l->bl_due, false) && !l->dead) {
			LockDesc d{l->res->key.type, l->res->key.name, l->wanted.req_mode,
				   l->wanted.granted_mode, l->wanted.policy};
			if (d.type == LDLM_IBITS)
				d.policy.ibits.try_bits = d.policy.ibits.bits;
			m.opcode_ = kBl;
			m.second_bytes_ = 0;
			m.fill(d, l->wanted.discard ? wire::LDLM_FL_DISCARD_DATA : 0);
			timed = true;
		} else {
			return;
		}
	}
	if (timed)
		start_timer(*l);
	peer->stats().count(m.opcode_ == kBl ? kPeerBlCallback : kPeerCpCallback);
	send(std::move(*made));
}

void ServerNs::send(cfs::UniquePtr<AstMsg> m) noexcept
{
	asts_running_.fetch_add(1, std::memory_order_relaxed);
	AstMsg *raw = m.release();
	raw->peer_->link().send(*raw);
}

/// A callback that could not be sent is due again, if what it was to say is still so. The client
/// does not know of it: its time has not begun.
void ServerNs::put_off(AstMsg &m) noexcept
{
	ServerLockImpl &l = *m.lock_;
	{
		cfs::MutexGuard g(l.res->lock);
		if (m.opcode_ == kCp)
			l.cp_due = true;
		else if (l.asked_back && !l.dead)
			l.bl_due = true;
		if (l.cp_due || l.bl_due)
			stop_timer(l);
	}
	owe(l);
	pause_asts();
}

namespace
{

/// What an answer to a callback says about its client.
enum class Judgement { fine, no_such_lock, bad };

Judgement judge(u32 opcode, AstEnd end, int32_t status) noexcept
{
	if (end == AstEnd::gone)
		return Judgement::fine;
	if (end == AstEnd::no_reply)
		return Judgement::bad;
	if (status == 0 ||
	    (opcode == kGl && status == -static_cast<int32_t>(LdlmError::ELDLM_NO_LOCK_DATA)))
		return Judgement::fine;
	if (status == cfs::to_rc(INVAL))
		return Judgement::no_such_lock;
	// Said by clients that are just going away.
	if (status == cfs::to_rc(NODEV) || status == cfs::to_rc(SHUTDOWN))
		return Judgement::fine;
	return Judgement::bad;
}

std::string_view callback_name(u32 opcode) noexcept
{
	return opcode == kBl ? "blocking" : opcode == kCp ? "completion" : "glimpse";
}

} // namespace

void ServerNs::ast_done(AstMsg &m, AstEnd end, int32_t status, cfs::Bytes lvb) noexcept
{
	// The namespace may end as soon as the pass is given back: that comes last.
	cfs::RefPtr<PeerImpl> peer = m.peer_;
	cfs::Gate::Pass pass = std::move(m.pass_);
	GlimpseBatch *batch = m.batch_;
	if (end == AstEnd::no_memory) {
		if (!batch)
			put_off(m);
		else
			batch->fail();
	} else {
		take_answer(m, end, status, lvb);
	}
	cfs::UniquePtr<AstMsg>(&m).reset();
	asts_running_.fetch_sub(1, std::memory_order_relaxed);
	if (batch)
		batch->one_done();
	drain_asts();
}

void ServerNs::take_answer(AstMsg &m, AstEnd end, int32_t status, cfs::Bytes lvb) noexcept
{
	LockPtr l = m.lock_;
	switch (judge(m.opcode_, end, status)) {
	case Judgement::fine:
		if (m.opcode_ == kGl && end == AstEnd::answered && status == 0 && lvb_) {
			cfs::MutexGuard g(l->res->lvb_lock);
			lvb_->merge(l->res->key.name, cfs::MutBytes(l->res->lvb), lvb);
		}
		break;
	case Judgement::no_such_lock:
		// It let go of the lock and we do not know yet (but what it wrote is on disk), or
		// its enqueue failed at its end.
		publish_size(*l);
		(void)end_lock(*l);
		break;
	case Judgement::bad:
		bool dead = false;
		{
			cfs::MutexGuard g(l->res->lock);
			dead = l->dead;
		}
		if (dead)
			break;
		char text[300];
		auto what = cfs::format_to(
			text, "{} callback for lock {} {}: {}", callback_name(m.opcode_), l->desc(),
			end == AstEnd::no_reply ? "was not answered" : "was refused",
			cfs::Errno{status < 0 ? -status : status});
		m.peer_->evict(what);
		break;
	}
}

} // namespace ldlm
