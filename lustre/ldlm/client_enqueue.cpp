// SPDX-License-Identifier: GPL-2.0
//
// How a client gets locks: matching cached ones, asking the server, taking in what it says, waiting
// (spec 03 sections 4.1, 4.3, 10).
#include "lustre/ldlm/client_ns.hpp"

namespace ldlm
{

using namespace cfs::err;

namespace
{

constexpr u64 kBlocked = wire::LDLM_FL_BLOCKED_MASK;

bool covers(const ClientLockImpl &l, const MatchSpec &m) noexcept
{
	switch (m.type) {
	case LDLM_EXTENT:
		return l.policy.extent.covers(m.policy.extent) &&
		       (l.granted_mode != LCK_GROUP || l.policy.extent.gid == m.policy.extent.gid);
	case LDLM_IBITS: {
		u64 common = l.policy.ibits.bits & m.policy.ibits.bits;
		return m.any_bits ? common != 0 : common == m.policy.ibits.bits;
	}
	default:
		return true;
	}
}

} // namespace

LockUse ClientNs::match(const MatchSpec &m) noexcept
{
	ClientResourcePtr r = resources_.find({m.type, m.name});
	if (!r || m.type == LDLM_FLOCK)
		return {};
	ClientLockImpl *found = nullptr;
	cfs::MutexGuard g(r->lock);
	(void)r->table.for_overlapping(m.modes, m.policy, [&](TableLock &t) {
		auto &l = static_cast<ClientLockImpl &>(t);
		bool wanted = l.full_cancel || l.cancel_bits;
		if (l.canceling || l.lost || (wanted && !m.wanted_back_too) || !covers(l, m) ||
		    (m.user_data && m.user_data != l.user_data()))
			return true;
		found = &l;
		return false;
	});
	if (!found)
		return {};
	if (found->uses++ == 0)
		lru_remove(*found);
	return LockUse(ClientLockPtr::share(found));
}

LockUse ClientNs::use(ClientLock &lock) noexcept
{
	ClientLockImpl &l = impl(lock);
	cfs::MutexGuard s(stripe(l));
	if (l.state != State::granted)
		return {};
	cfs::MutexGuard g(l.res->lock);
	if (l.canceling || l.lost)
		return {};
	if (l.uses++ == 0)
		lru_remove(l);
	return LockUse(ClientLockPtr::share(&l));
}

// ---- asking ----

cfs::Result<ClientLockPtr> ClientNs::begin(const EnqueueSpec &spec) noexcept
{
	auto pass = gate_.enter();
	if (!pass)
		return cfs::fail(SHUTDOWN);
	if (!is_type(spec.type) || !is_mode(spec.mode) ||
	    spec.early_cancels.size() >= kHandlesPerMessage)
		return cfs::fail(INVAL);
	auto l = TRY(make_lock({spec.type, spec.name}, spec.type == LDLM_FLOCK));
	l->req_mode = spec.mode;
	l->policy = l->asked = spec.policy;
	l->wire_flags = spec.flags;
	l->set_user_data(spec.user_data);
	l->lvb_type = spec.lvb_type;
	l->lvb_max = spec.lvb_max;
	l->early = spec.early_cancels;
	l->uses = 1;
	(void)by_handle_.insert(l);
	return ClientLockPtr(std::move(l));
}

std::size_t ClientNs::request_bytes(ClientLock &lock) noexcept
{
	return dlm_request_bytes(1 + impl(lock).early.size());
}

void ClientNs::pack(ClientLock &lock, cfs::MutBytes dlm_req) noexcept
{
	ClientLockImpl &l = impl(lock);
	CFS_ASSERT(dlm_req.size() >= request_bytes(lock));
	for (std::byte &b : dlm_req)
		b = {};
	auto *req = reinterpret_cast<wire::LdlmRequest *>(dlm_req.data());
	auto *handles = reinterpret_cast<cfs::le64 *>(dlm_req.data() + sizeof(*req));
	LockDesc d;
	{
		cfs::MutexGuard s(stripe(l));
		d = l.desc_locked();
	}
	// As it was asked for, also when a callback was faster than the message.
	d.granted_mode = LCK_MODE_MIN;
	d.policy = l.asked;
	req->lock_flags = static_cast<u32>(l.wire_flags);
	// What stock sends for plain locks; to servers 0 and 1 are the same.
	bool none = d.type == LDLM_PLAIN && l.early.empty();
	req->lock_count = none ? 0 : static_cast<u32>(1 + l.early.size());
	req->lock_desc = to_wire(d);
	handles[0] = l.handle_;
	for (std::size_t i = 0; i < l.early.size(); i++)
		handles[1 + i] = l.early[i];
}

/// Sends the request until there is an answer of the server that there is now.
cfs::Result<EnqueueResult> ClientNs::ask(ClientLockImpl &l, const Question &q) noexcept
{
	auto how = ClientLink::Sending::first;
	for (;;) {
		ClientLink::EnqueueReply reply;
		reply.lvb = q.lvb;
		auto status = link_->enqueue(q.req, reply, how, q.mode);
		std::size_t room = q.lvb.size();
		cfs::Bytes lvb = q.lvb.first(reply.lvb_bytes < room ? reply.lvb_bytes : room);
		if (!status || *status != 0)
			return complete(l, status, status ? &reply.rep : nullptr, lvb);
		EnqueueResult out;
		Fate fate = take_reply(l, {reply.rep, lvb}, out);
		if (fate != Fate::ask_again)
			return conclude(l, fate, std::move(out));
		how = ClientLink::Sending::again;
	}
}

cfs::Result<EnqueueResult> ClientNs::enqueue(const EnqueueSpec &spec, cfs::MutBytes lvb) noexcept
{
	ClientLockPtr lock = TRY(begin(spec));
	std::byte small[dlm_request_bytes(2)];
	cfs::Array<std::byte> large;
	cfs::MutBytes req(small);
	std::size_t n = request_bytes(*lock);
	if (n > req.size()) {
		auto made = cfs::Array<std::byte>::make(kSubsys, n);
		if (!made)
			return complete(*lock, cfs::fail(made.error()), nullptr, {});
		large = std::move(*made);
		req = cfs::MutBytes(large.data(), n);
	}
	pack(*lock, req);
	// An answer that nobody waits for any more would leave a flock behind.
	cfs::WaitMode mode = spec.type == LDLM_FLOCK ? cfs::WaitMode::killable : spec.wait;
	auto out = ask(impl(*lock), {req, lvb, mode});
	if (out && out->blocked) {
		TRY(wait(*lock, spec.wait));
		out->blocked = false;
	}
	return out;
}

// ---- what the server says ----

/// Takes over mode, policy and resource. Stripe held; not granted yet.
cfs::Result<> ClientNs::adopt(ClientLockImpl &l, const LockDesc &d) noexcept
{
	if (d.type != l.res->key.type)
		return cfs::fail(PROTO);
	if (d.name != l.res->key.name) {
		ClientResourcePtr to = TRY(resources_.get({d.type, d.name}));
		std::swap(l.res, to);
		resources_.put(*to);
	}
	l.req_mode = d.req_mode;
	if (d.type == LDLM_EXTENT)
		l.policy.extent = d.policy.extent;
	if (d.type == LDLM_IBITS) {
		l.policy.ibits = d.policy.ibits;
		l.policy.ibits.try_bits = 0;
	}
	return {};
}

cfs::Result<> ClientNs::check_lvb(const ClientLockImpl &l, cfs::Bytes lvb) noexcept
{
	if (lvb.size() > l.lvb_max)
		return cfs::fail(INVAL);
	if (lvb.empty())
		return {};
	using enum wire::LvbType;
	bool good = true;
	if (l.lvb_type == LVB_T_OST)
		good = lvb.size() == sizeof(wire::OstLvb) || lvb.size() == sizeof(wire::OstLvbV1);
	else if (l.lvb_type == LVB_T_LQUOTA)
		good = lvb.size() == sizeof(wire::LquotaLvb);
	return good ? cfs::Result<>{} : cfs::Result<>(cfs::fail(PROTO));
}

/// The lock will not be: the user is told why, the server is told if it may have it.
void ClientNs::fail_lock(ClientLockImpl &l, cfs::Errno why) noexcept
{
	l.state = State::failed;
	l.failure = why;
	l.wait.wake_all();
}

cfs::Result<EnqueueResult> ClientNs::give_up(ClientLockImpl &l, cfs::Errno why) noexcept
{
	bool granted = false;
	{
		cfs::MutexGuard s(stripe(l));
		// A completion callback came before.
		granted = l.state == State::granted || l.state == State::granting;
		if (granted)
			l.full_cancel = true;
		else if (l.state != State::failed)
			fail_lock(l, why);
	}
	end_use(l);
	return cfs::fail(why);
}

ClientNs::Fate ClientNs::judge_reply(ClientLockImpl &l, const Answer &a,
				     EnqueueResult &out) noexcept
{
	const wire::LdlmReply &rep = a.rep;
	// What a callback or a replay has said since is newer.
	if (auto h = rep.lock_handle.get();
	    h != wire::LockHandle{} && (l.state == State::sent || !l.remote_handle()))
		l.remote.store(static_cast<u64>(h), std::memory_order_relaxed);
	if (l.state != State::sent) // a callback was faster
		return l.state == State::granted ? Fate::keep : Fate::wait;
	if (std::exchange(l.unsure, false))
		return Fate::ask_again;
	auto d = from_wire(rep.lock_desc);
	if (!d)
		return Fate::refuse;
	out.desc = *d;
	if (l.wire_flags & wire::LDLM_FL_TEST_LOCK)
		return Fate::drop;
	if ((out.flags & wire::LDLM_FL_LOCK_CHANGED) && !adopt(l, *d))
		return Fate::refuse;
	if (out.flags & wire::LDLM_FL_AST_SENT)
		want_back(l, l.res->key.name, d->type == LDLM_IBITS ? d->policy.ibits.try_bits : 0,
			  false);
	if (out.flags & kBlocked) {
		l.state = State::waiting;
		// The close has been to all those that wait already.
		if (gate_.closed())
			fail_lock(l, SHUTDOWN);
		return Fate::wait;
	}
	if (l.is_flock() && l.req_mode == LCK_NL) {
		l.state = State::granting;
		return Fate::drop;
	}
	if (!check_lvb(l, a.lvb))
		return Fate::refuse;
	l.state = State::granting;
	return Fate::grant;
}

cfs::Result<EnqueueResult> ClientNs::complete(ClientLock &lock, cfs::Result<int32_t> status,
					      const wire::LdlmReply *rep, cfs::Bytes lvb) noexcept
{
	ClientLockImpl &l = impl(lock);
	if (!status)
		return give_up(l, status.error());
	if (!rep)
		return give_up(l, PROTO);
	EnqueueResult out;
	out.status = *status;
	if (*status != 0) {
		out.res1 = rep->lock_policy_res1.get();
		out.res2 = rep->lock_policy_res2.get();
		out.lvb_bytes = lvb.size();
		(void)give_up(l, CANCELED);
		return out;
	}
	Fate fate = take_reply(l, {*rep, lvb}, out);
	return conclude(l, fate, std::move(out));
}

ClientNs::Fate ClientNs::take_reply(ClientLockImpl &l, const Answer &a, EnqueueResult &out) noexcept
{
	out.res1 = a.rep.lock_policy_res1.get();
	out.res2 = a.rep.lock_policy_res2.get();
	out.lvb_bytes = a.lvb.size();
	// Flags of the request come back and mean nothing here.
	out.flags = a.rep.lock_flags.get();
	Fate fate{};
	{
		cfs::MutexGuard s(stripe(l));
		fate = judge_reply(l, a, out);
	}
	if (fate == Fate::grant)
		grant(l, a.lvb);
	return fate;
}

cfs::Result<EnqueueResult> ClientNs::conclude(ClientLockImpl &l, Fate fate,
					      EnqueueResult out) noexcept
{
	switch (fate) {
	case Fate::refuse:
		return give_up(l, PROTO);
	case Fate::drop:
		if (l.req_mode == LCK_NL)
			unlock_shadows(l);
		l.lost = true; // nothing of it is left at the server
		(void)give_up(l, CANCELED);
		return out;
	case Fate::ask_again:
		// The intent has been executed; only the lock is in doubt, and can be done without.
		out.status = static_cast<int32_t>(wire::LdlmError::ELDLM_LOCK_ABORTED);
		(void)give_up(l, CANCELED);
		return out;
	case Fate::keep:
		out.lvb_bytes = 0;
		break;
	case Fate::wait:
		out.blocked = true;
		out.lvb_bytes = 0;
		break;
	case Fate::grant:
		break;
	}
	out.use = LockUse(ClientLockPtr::share(&l));
	return out;
}

void ClientNs::grant(ClientLockImpl &l, cfs::Bytes lvb) noexcept
{
	user_->on_granted(l, lvb);
	Work after;
	{
		cfs::MutexGuard s(stripe(l));
		cfs::MutexGuard g(l.res->lock);
		Work work;
		if (l.is_flock())
			l.res->table.apply_flock(l, work);
		else
			l.res->table.insert_granted(l);
		take_shadow_work(work, after);
		l.state = State::granted;
		l.granted_mode = l.req_mode;
		l.wait.wake_all();
		bool wanted = l.full_cancel || l.cancel_bits;
		auto why = l.lost ? CancelReason::evicted : CancelReason::blocking;
		if (l.uses == 0 && wanted && start_cancel(l, {why, l.why.discard}))
			queue_cancel(l);
	}
	forget_shadows(after);
}

void ClientNs::take_shadow_work(Work &work, Work &after) noexcept
{
	while (!work.born.empty()) {
		auto &l = static_cast<ClientLockImpl &>(work.born.front());
		work.born.pop_front();
		l.state = State::granted;
		(void)by_handle_.insert(ClientLockImplPtr::share(&l));
	}
	while (!work.dead.empty()) {
		auto &l = static_cast<ClientLockImpl &>(work.dead.front());
		work.dead.pop_front();
		l.canceling = l.lost = true;
		l.get();
		after.dead.push_back(l);
	}
}

void ClientNs::forget_shadows(Work &after) noexcept
{
	while (!after.dead.empty()) {
		auto l = ClientLockImplPtr::adopt(
			static_cast<ClientLockImpl *>(&after.dead.front()));
		after.dead.pop_front();
		forget(*l);
	}
}

/// An unlock has been done at the server: the shadows follow. Its state is `granting` meanwhile.
void ClientNs::unlock_shadows(ClientLockImpl &l) noexcept
{
	Work after;
	{
		cfs::MutexGuard g(l.res->lock);
		Work work;
		l.res->table.apply_flock(l, work);
		take_shadow_work(work, after);
	}
	forget_shadows(after);
	cfs::MutexGuard s(stripe(l));
	l.state = State::sent; // give_up() follows
}

// ---- waiting, and the end of use ----

cfs::Result<> ClientNs::wait(ClientLock &lock, cfs::WaitMode mode) noexcept
{
	ClientLockImpl &l = impl(lock);
	cfs::MutexGuard s(stripe(l));
	for (;;) {
		cfs::Instant deadline =
			l.is_flock() ? cfs::Instant::never() : cfs::after(link_->enqueue_timeout());
		auto r = l.wait.wait(stripe(l), mode, deadline, [&]() CFS_NO_TSA {
			return l.state != State::waiting && l.state != State::granting &&
			       l.state != State::sent;
		});
		if (l.state == State::granted)
			return {};
		if (l.state == State::failed)
			return cfs::fail(l.failure);
		if (r.error() == TIMEDOUT) {
			// The lock stays queued at the server and survives a new connection.
			link_->suspect();
			continue;
		}
		if (l.state == State::waiting)
			fail_lock(l, r.error());
		return r;
	}
}

void ClientNs::unuse(ClientLock &lock) noexcept
{
	end_use(impl(lock));
}

void ClientNs::end_use(ClientLockImpl &l) noexcept
{
	bool over = false;
	{
		cfs::MutexGuard s(stripe(l));
		if (l.state == State::waiting)
			fail_lock(l, INTR);
		if (l.state == State::granted) {
			cfs::MutexGuard g(l.res->lock);
			CFS_ASSERT(l.uses > 0);
			if (--l.uses > 0)
				return;
			bool wanted = l.full_cancel || l.cancel_bits || l.lost ||
				      l.granted_mode == LCK_GROUP || gate_.closed();
			if (!wanted) {
				if (!l.is_flock())
					lru_add(l);
				return;
			}
			if (!l.cancel_bits || gate_.closed())
				l.full_cancel = true;
			if (start_cancel(l,
					 {l.lost ? CancelReason::evicted : CancelReason::blocking,
					  l.why.discard}))
				queue_cancel(l);
			return;
		}
		CFS_ASSERT(l.uses > 0);
		l.uses--;
		if (l.state == State::granting) {
			l.full_cancel = true;
		} else if (l.state == State::failed && l.uses == 0) {
			l.state = State::over;
			over = true;
		}
	}
	if (!over)
		return;
	forget(l);
	// The server may have it, queued or granted.
	queue_send(l);
}

} // namespace ldlm
