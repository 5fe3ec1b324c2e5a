// SPDX-License-Identifier: GPL-2.0
//
// How a client gives locks back (spec 03 section 8): blocking callbacks and LRU through workers,
// early cancels and drops on the caller's thread. What was cached goes first (LockUser::on_cancel),
// then the lock leaves the table, then CANCEL is sent, as many handles in one message as have
// gathered.
#include "lustre/ldlm/client_ns.hpp"

namespace ldlm
{

using namespace cfs::err;

namespace
{

/// CANCEL messages on their way at once.
constexpr unsigned kSendersMax = 8;
/// Locks that drop() and its kind take at a time.
constexpr std::size_t kDropBatch = 16;
/// A CANCEL for which there is no memory is sent later. A thread of the user's tries for ten
/// seconds.
constexpr auto kCancelRetry = cfs::Duration::millis(100);
constexpr unsigned kCancelTries = 100;

} // namespace

bool ClientNs::start_cancel(ClientLockImpl &l, const CancelInfo &why) noexcept
{
	if (l.canceling || l.uses > 0 || l.place != TableLock::Place::granted)
		return false;
	l.canceling = true;
	l.why = why;
	lru_remove(l);
	return true;
}

void ClientNs::queue_cancel(ClientLockImpl &l) noexcept
{
	{
		cfs::SpinGuard g(todo_lock_);
		CFS_ASSERT(!l.in_todo.is_linked());
		l.get();
		todo_.push_back(l);
	}
	unsigned w = next_worker_.fetch_add(1, std::memory_order_relaxed) % kWorkers;
	workers_[w].work.queue(node_.cancel_workq());
}

void ClientNs::worker() noexcept
{
	for (bool counted = false;; counted = true) {
		ClientLockImplPtr l;
		{
			cfs::SpinGuard g(todo_lock_);
			if (todo_.empty()) {
				if (counted && --working_ == 0 && by_handle_.size() == 0)
					empty_.wake_all();
				return;
			}
			l = ClientLockImplPtr::adopt(&todo_.front());
			todo_.pop_front();
			working_ += counted ? 0 : 1;
		}
		work_on(*l);
	}
}

void ClientNs::work_on(ClientLockImpl &l) noexcept
{
	if (try_convert(l))
		return;
	do_cancel(l);
	queue_send(l);
}

void ClientNs::do_cancel(ClientLockImpl &l) noexcept
{
	CancelInfo why;
	{
		cfs::MutexGuard g(l.res->lock);
		if (l.lost)
			l.why.reason = CancelReason::evicted;
		why = l.why;
	}
	if (!l.is_flock())
		user_->on_cancel(l, why);
	leave(l);
}

// ---- converts ----

int32_t ClientNs::send_convert(ClientLockImpl &l, u64 keep) noexcept
{
	std::byte buf[dlm_request_bytes(1)] = {};
	auto *req = reinterpret_cast<wire::LdlmRequest *>(buf);
	req->lock_count = 1;
	req->lock_desc.req_mode = l.granted_mode;
	req->lock_desc.granted_mode = l.granted_mode;
	req->lock_desc.policy_data.inodebits.bits = keep;
	*reinterpret_cast<cfs::le64 *>(buf + sizeof(*req)) = l.remote_handle();
	wire::LdlmReply rep{};
	auto status = link_->convert(buf, rep);
	return status ? *status : cfs::to_rc(status);
}

/// Gives back some of the bits instead of the lock; false when all of it has to go. The lock is
/// `canceling` meanwhile: nobody uses it.
bool ClientNs::try_convert(ClientLockImpl &l) noexcept
{
	for (;;) {
		u64 drop = 0;
		u64 keep = 0;
		{
			cfs::MutexGuard g(l.res->lock);
			if (l.res->key.type != LDLM_IBITS || l.full_cancel || l.lost ||
			    !l.remote_handle() ||
			    !(link_->connect_flags2() & wire::OBD_CONNECT2_LOCK_CONVERT))
				return false;
			drop = l.policy.ibits.bits & l.cancel_bits;
			keep = l.policy.ibits.bits & ~l.cancel_bits;
			if (drop == 0) { // it has not, or not any more
				l.cancel_bits = 0;
				l.canceling = false;
				lru_add(l);
				return true;
			}
			if (keep == 0)
				return false;
		}
		bool sent = user_->on_drop_bits(l, drop);
		if (sent) {
			{
				cfs::MutexGuard g(l.res->lock);
				l.res->table.keep_bits(l, keep);
			}
			sent = send_convert(l, keep) == 0;
		}
		cfs::MutexGuard g(l.res->lock);
		l.cancel_bits &= ~drop;
		if (!sent)
			l.full_cancel = true;
	}
}

cfs::Result<> ClientNs::convert(ClientLock &lock, u64 drop_bits) noexcept
{
	auto pass = gate_.enter();
	if (!pass)
		return cfs::fail(SHUTDOWN);
	ClientLockImpl &l = impl(lock);
	{
		cfs::MutexGuard s(stripe(l));
		if (l.state != State::granted)
			return cfs::fail(STALE);
		cfs::MutexGuard g(l.res->lock);
		want_back(l, l.res->key.name, drop_bits, false);
		if (!start_cancel(l, {CancelReason::user, false}))
			return {}; // at the end of its use, or under way
	}
	work_on(l);
	return {};
}

// ---- CANCEL ----

void ClientNs::queue_send(ClientLockImpl &l) noexcept
{
	if (!tell_server_.load() || l.lost || !l.remote_handle())
		return;
	if (make_ready(l))
		send_ready();
}

void ClientNs::send_later(ClientLockImpl &l) noexcept
{
	if (tell_server_.load() && make_ready(l))
		sender_.queue(node_.cancel_workq());
}

bool ClientNs::make_ready(ClientLockImpl &l) noexcept
{
	cfs::SpinGuard g(todo_lock_);
	if (l.in_todo.is_linked())
		return false;
	l.get();
	ready_.push_back(l);
	return true;
}

/// The next locks to send for; 0 ends the sender's turn.
std::size_t ClientNs::next_ready(std::span<ClientLockImplPtr> locks) noexcept
{
	std::size_t most = server_has(wire::OBD_CONNECT_CANCELSET) ? locks.size() : 1;
	std::size_t n = 0;
	cfs::SpinGuard g(todo_lock_);
	while (n < most && !ready_.empty()) {
		locks[n++] = ClientLockImplPtr::adopt(&ready_.front());
		ready_.pop_front();
	}
	if (n == 0)
		senders_--;
	return n;
}

/// There was no memory for the CANCEL: ends the sender's turn, and somebody else tries later. False
/// at the end, when nobody will.
bool ClientNs::put_back(std::span<ClientLockImplPtr> locks) noexcept
{
	cfs::SpinGuard g(todo_lock_);
	if (closing_ || !tell_server_.load())
		return false;
	senders_--;
	for (ClientLockImplPtr &l : locks)
		if (!l->in_todo.is_linked())
			ready_.push_back(*l.release());
	sender_timer_.arm(node_.cancel_workq(), cfs::after(kCancelRetry));
	return true;
}

void ClientNs::send_ready() noexcept
{
	{
		cfs::SpinGuard g(todo_lock_);
		if (senders_ >= kSendersMax)
			return; // they will see it
		senders_++;
	}
	ClientLockImplPtr locks[kBatch];
	u64 handles[kBatch];
	while (std::size_t n = next_ready(locks)) {
		auto taken = std::span(locks).first(n);
		for (std::size_t i = 0; i < n; i++)
			handles[i] = taken[i]->remote_handle();
		if (!send_cancel(std::span(handles).first(n)) && put_back(taken))
			return;
		for (ClientLockImplPtr &l : taken)
			l.reset();
	}
}

/// Whatever the answer, the locks are not ours any more: ESTALE, and a server that has forgotten
/// us, are as good as success. False: there was no memory to send it; a server that is not told
/// evicts us in the end.
bool ClientNs::send_cancel(std::span<const u64> handles) noexcept
{
	std::byte buf[dlm_request_bytes(kBatch)];
	cfs::MutBytes req = cfs::MutBytes(buf).first(dlm_request_bytes(handles.size()));
	pack_cancels(handles, req);
	auto r = link_->cancel(req);
	if (!r)
		CDEBUG(CFS_S_LDLM, CFS_D_DLMTRACE, "{}: cancel of {} locks: {}", name_,
		       handles.size(), r.error());
	return r || r.error() != NOMEM;
}

void ClientNs::cancel_handles(std::span<const u64> handles) noexcept
{
	std::size_t most = server_has(wire::OBD_CONNECT_CANCELSET) ? kBatch : 1;
	while (!handles.empty()) {
		std::size_t n = handles.size() < most ? handles.size() : most;
		for (unsigned tries = 1; !send_cancel(handles.first(n)); tries++) {
			if (!tell_server_.load() || tries == kCancelTries)
				break;
			cfs_sleep_until(cfs::after(kCancelRetry).ns());
		}
		handles = handles.subspan(n);
	}
}

// ---- on request ----

void ClientNs::cancel(ClientLock &lock, bool sync) noexcept
{
	ClientLockImpl &l = impl(lock);
	ClientLockImplPtr keep = ClientLockImplPtr::share(&l);
	{
		cfs::MutexGuard s(stripe(l));
		if (l.state != State::granted)
			return;
		cfs::MutexGuard g(l.res->lock);
		l.full_cancel = true;
		if (!start_cancel(l, {CancelReason::user, false}))
			return;
		if (!sync) {
			queue_cancel(l);
			return;
		}
	}
	(void)run_cancels({&keep, 1}, true);
}

/// Ends locks that start_cancel() has marked, on this thread.
std::size_t ClientNs::run_cancels(std::span<ClientLockImplPtr> locks, bool tell) noexcept
{
	u64 handles[kBatch];
	std::size_t n = 0;
	CFS_ASSERT(locks.size() <= kBatch);
	for (ClientLockImplPtr &l : locks) {
		do_cancel(*l);
		if (tell && tell_server_.load() && !l->lost && l->remote_handle())
			handles[n++] = l->remote_handle();
		l.reset();
	}
	cancel_handles(std::span(handles).first(n));
	return locks.size();
}

bool ClientNs::matches(const ClientLockImpl &l, const DropSpec &spec) const noexcept
{
	if (l.res->key.type != spec.type || !(mode_bit(l.granted_mode) & spec.modes))
		return false;
	if (spec.type == LDLM_IBITS && spec.bits)
		return (l.policy.ibits.bits & spec.bits) != 0;
	return spec.type != LDLM_EXTENT || l.policy.extent.overlaps(spec.extent);
}

/// Marks unused locks for their end.
std::size_t ClientNs::pick_unused(const DropSpec &spec, CancelReason why,
				  std::span<ClientLockImplPtr> out) noexcept
{
	std::size_t n = 0;
	auto take = [&](ClientLockImpl &l) {
		if (!matches(l, spec) || l.uses > 0 || l.canceling || l.is_flock() ||
		    (why == CancelReason::early && !user_->may_drop(l, why)))
			return;
		// Those that the server has asked for go their own way (03 8.3).
		if (why == CancelReason::early && (l.full_cancel || l.cancel_bits))
			return;
		l.full_cancel = true;
		if (start_cancel(l, {why, spec.discard}))
			out[n++] = ClientLockImplPtr::share(&l);
	};
	if (spec.name_given) {
		ClientResourcePtr r = resources_.find({spec.type, spec.name});
		if (!r)
			return 0;
		cfs::MutexGuard g(r->lock);
		(void)r->table.for_granted([&](TableLock &t) {
			take(static_cast<ClientLockImpl &>(t));
			return n < out.size();
		});
		return n;
	}
	while (n < out.size()) {
		ClientLockImplPtr l;
		{
			cfs::SpinGuard g(lru_lock_);
			for (ClientLockImpl &x : lru_)
				if (x.res->key.type == spec.type) {
					l = ClientLockImplPtr::share(&x);
					break;
				}
			if (!l)
				return n;
			// To the end, in case it does not match.
			lru_.erase(lru_.iterator_to(*l));
			lru_.push_back(*l);
		}
		std::size_t before = n;
		cfs::MutexGuard g(l->res->lock);
		take(*l);
		if (n == before)
			return n;
	}
	return n;
}

void ClientNs::mark_used(const DropSpec &spec) noexcept
{
	ClientResourcePtr r = resources_.find({spec.type, spec.name});
	if (!r)
		return;
	cfs::MutexGuard g(r->lock);
	(void)r->table.for_granted([&](TableLock &t) {
		auto &l = static_cast<ClientLockImpl &>(t);
		if (matches(l, spec) && l.uses > 0) {
			l.full_cancel = true;
			l.why.discard |= spec.discard;
		}
		return true;
	});
}

std::size_t ClientNs::drop(const DropSpec &spec) noexcept
{
	auto pass = gate_.enter();
	if (!pass)
		return 0;
	ClientLockImplPtr batch[kDropBatch];
	std::size_t total = 0;
	while (std::size_t n = pick_unused(spec, CancelReason::user, batch))
		total += run_cancels(std::span(batch).first(n), !spec.local_only);
	if (spec.used_too && spec.name_given)
		mark_used(spec);
	return total;
}

std::size_t ClientNs::collect(const DropSpec &spec, std::span<u64> handles) noexcept
{
	auto pass = gate_.enter();
	if (!pass || !server_has(wire::OBD_CONNECT_CANCELSET) ||
	    !early_cancel_.load(std::memory_order_relaxed) || !spec.name_given)
		return 0;
	ClientLockImplPtr batch[kDropBatch];
	std::size_t total = 0;
	while (total < handles.size()) {
		std::size_t most =
			handles.size() - total < kDropBatch ? handles.size() - total : kDropBatch;
		std::size_t n =
			pick_unused(spec, CancelReason::early, std::span(batch).first(most));
		for (std::size_t i = 0; i < n; i++) {
			do_cancel(*batch[i]);
			if (u64 h = batch[i]->remote_handle(); h && !batch[i]->lost)
				handles[total++] = h;
			batch[i].reset();
		}
		if (n < most)
			break;
	}
	return total;
}

std::size_t ClientNs::clear_unused() noexcept
{
	std::size_t total = 0;
	for (LockType t : {LDLM_PLAIN, LDLM_EXTENT, LDLM_IBITS}) {
		DropSpec all;
		all.type = t;
		all.name_given = false;
		total += drop(all);
	}
	return total;
}

} // namespace ldlm
