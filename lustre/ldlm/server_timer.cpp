// SPDX-License-Identifier: GPL-2.0
//
// The time that clients have for giving back a lock (spec 03 section 6). It begins when the
// blocking callback is sent, or said together with the grant; I/O under the lock begins it anew;
// when it ends the client is evicted, unless it is seen to be working on it.
#include "lustre/ldlm/server_locked.hpp"

namespace ldlm
{

void ServerNs::rearm() noexcept
{
	if (!timers_.empty() && !closing_)
		timer_.arm(node_.workq(), timers_.begin()->expires);
}

void ServerNs::start_timer(ServerLockImpl &l) noexcept
{
	if (l.no_timer || !l.owner || l.owner->link().untimed())
		return;
	cfs::Instant when = cfs::after(l.owner->link().lock_timeout());
	{
		cfs::MutexGuard g(l.res->lock);
		if (l.dead || !l.asked_back)
			return;
		cfs::SpinGuard t(timer_lock_);
		if (!l.in_timers.is_linked()) {
			l.expires = when;
			timers_.insert(l);
			if (timers_.begin()->expires == when)
				rearm();
		}
	}
}

void ServerNs::stop_timer(ServerLockImpl &l) noexcept
{
	cfs::SpinGuard g(timer_lock_);
	if (l.in_timers.is_linked())
		timers_.erase(timers_.iterator_to(l));
}

/// Only later, never earlier.
void ServerNs::prolong_timer(ServerLockImpl &l, cfs::Duration d) noexcept
{
	cfs::Instant when = cfs::after(d);
	cfs::SpinGuard g(timer_lock_);
	if (!l.in_timers.is_linked() || l.expires >= when)
		return;
	timers_.erase(timers_.iterator_to(l));
	l.expires = when;
	timers_.insert(l);
}

LockPtr ServerNs::next_expired(cfs::Instant now) noexcept
{
	cfs::SpinGuard g(timer_lock_);
	if (timers_.empty())
		return nullptr;
	ServerLockImpl &l = *timers_.begin();
	if (l.expires > now) {
		rearm();
		return nullptr;
	}
	timers_.erase(timers_.begin());
	return LockPtr::share(&l);
}

void ServerNs::expire() noexcept
{
	cfs::Instant now = cfs::Instant::now();
	while (LockPtr l = next_expired(now))
		expired(*l);
}

void ServerNs::expired(ServerLockImpl &l) noexcept
{
	LockDesc d = l.desc();
	PeerImpl &peer = *l.owner;
	if (peer.link().busy_under(d, l.handle_)) {
		cfs::MutexGuard g(l.res->lock);
		if (l.dead)
			return;
		cfs::SpinGuard t(timer_lock_);
		l.expires = cfs::after(peer.link().lock_timeout() / 2);
		timers_.insert(l);
		return;
	}
	lock_timeouts_.fetch_add(1, std::memory_order_relaxed);
	char text[300];
	auto what = cfs::format_to(text, "lock {} was not given back within {}", d,
				   peer.link().lock_timeout());
	char who[120];
	cfs::FormatSink sink(who);
	peer.link().describe(sink);
	LCONSOLE_ERROR(CFS_S_LDLM,
		       "{}: client {} is evicted: {}. Look there for a hung or overloaded node, or "
		       "for lost messages between it and this server.",
		       name_, sink.text(), what);
	peer.evict(what);
}

IoLocks ServerNs::prolong(Peer &peer, const IoSpan &io) noexcept
{
	auto &p = static_cast<PeerImpl &>(peer);
	cfs::Duration least = p.link().lock_timeout();
	cfs::Duration time = io.time < least ? least : io.time;
	IoLocks found;
	ModeMask which = io.write ? modes(LCK_PW, LCK_EX, LCK_CW, LCK_GROUP)
				  : modes(LCK_PR, LCK_PW, LCK_EX, LCK_CW, LCK_CR, LCK_GROUP);
	auto take = [&](ServerLockImpl &l) {
		found.found++;
		if (l.asked_back) {
			found.wanted++;
			prolong_timer(l, time);
		}
	};
	if (LockPtr l = find_lock(&peer, io.handle)) {
		cfs::MutexGuard g(l->res->lock);
		bool covers = io.type != LDLM_EXTENT || l->policy.extent.covers(io.extent);
		if (!l->dead && l->res->key == ResKey{io.type, io.name} && covers &&
		    (mode_bit(l->granted_mode) & which)) {
			take(*l);
			return found;
		}
	}
	ResourcePtr r = find_resource({io.type, io.name});
	if (!r)
		return found;
	Policy probe = io.type == LDLM_EXTENT ? Policy(io.extent)
					      : Policy::of_bits(wire::MDS_INODELOCK_DOM);
	cfs::MutexGuard g(r->lock);
	(void)r->table.for_overlapping(which, probe, [&](TableLock &t) {
		if (t.holder == p.id())
			take(static_cast<ServerLockImpl &>(t));
		return true;
	});
	return found;
}

} // namespace ldlm
