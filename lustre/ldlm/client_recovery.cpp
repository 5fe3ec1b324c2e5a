// SPDX-License-Identifier: GPL-2.0
//
// What becomes of a client's locks when the connection breaks (spec 03 section 11): after an
// eviction all are lost, after a restart of the server each is told again.
#include "lustre/ldlm/client_walk.hpp"

namespace ldlm
{

using namespace cfs::err;

namespace
{

/// Whether a replay failed for want of a connection (AGAIN: it was gone before the request left).
bool link_broke(cfs::Errno why) noexcept
{
	return why == NOTCONN || why == SHUTDOWN || why == TIMEDOUT || why == IO || why == INTR ||
	       why == AGAIN;
}

} // namespace

/// The server does not have it any more: it can not be used, and what it covered goes.
void ClientNs::lose(ClientLockImpl &l) noexcept
{
	cfs::MutexGuard s(stripe(l));
	switch (l.state) {
	case State::sent:
		l.unsure = true;
		return;
	case State::waiting:
		l.lost = true;
		fail_lock(l, STALE);
		return;
	case State::granting: // grant() goes on from here
		l.lost = true;
		l.full_cancel = true;
		return;
	default:
		break;
	}
	if (l.state != State::granted)
		return;
	cfs::MutexGuard g(l.res->lock);
	if (l.lost)
		return;
	l.lost = true;
	l.full_cancel = true;
	if (start_cancel(l, {CancelReason::evicted, true}))
		queue_cancel(l);
}

void ClientNs::on_evicted() noexcept
{
	for_all([this](ClientLockImpl &l) { lose(l); });
	// Help the workers, so that on return nothing unused is left but what they are at.
	worker();
}

void ClientNs::give_up_waiting() noexcept
{
	for_all([this](ClientLockImpl &l) {
		cfs::MutexGuard s(stripe(l));
		if (l.state == State::waiting)
			fail_lock(l, INTR);
	});
}

/// Unused locks that are not worth a message each.
void ClientNs::drop_before_replay() noexcept
{
	for_all([this](ClientLockImpl &l) {
		{
			cfs::MutexGuard g(l.res->lock);
			if (l.place != TableLock::Place::granted || l.uses > 0 || l.canceling ||
			    l.is_flock() || !user_->may_drop(l, CancelReason::recovery))
				return;
			l.full_cancel = true;
			if (!start_cancel(l, {CancelReason::recovery, false}))
				return;
		}
		do_cancel(l);
	});
}

/// Draws the line between the server that has gone and the next one: an answer that has not been
/// taken in yet is asked for again, what an answer brings about is waited for. Only when that is
/// done for all locks do they say what the server is to be told: an answer may change other locks
/// than its own, and a flock that has been given up must not be replayed.
void ClientNs::settle(ClientLockImpl &l) noexcept
{
	cfs::MutexGuard s(stripe(l));
	if (l.state == State::sent)
		l.unsure = true;
	(void)l.wait.wait(stripe(l), cfs::WaitMode::idle, cfs::Instant::never(),
			  [&]() CFS_NO_TSA { return l.state != State::granting; });
}

bool ClientNs::pack_replay(ClientLockImpl &l, cfs::MutBytes buf) noexcept
{
	auto *req = reinterpret_cast<wire::LdlmRequest *>(buf.data());
	cfs::MutexGuard s(stripe(l));
	cfs::MutexGuard g(l.res->lock);
	u64 flags = wire::LDLM_FL_REPLAY;
	if (l.state == State::granted && !l.lost)
		flags |= wire::LDLM_FL_BLOCK_GRANTED;
	else if (l.state == State::waiting)
		flags |= wire::LDLM_FL_BLOCK_WAIT;
	else
		return false;
	req->lock_flags = static_cast<u32>(flags);
	req->lock_desc = to_wire(l.desc_locked());
	*reinterpret_cast<cfs::le64 *>(buf.data() + sizeof(*req)) = l.handle_;
	return true;
}

/// The server has it under another name. A lock that has gone meanwhile was given back under the
/// old one, which the server did not know.
void ClientNs::took_replay(ClientLockImpl &l, u64 remote) noexcept
{
	bool gone = false;
	{
		cfs::MutexGuard s(stripe(l));
		l.remote.store(remote, std::memory_order_relaxed);
		gone = l.state == State::over && !l.lost;
	}
	if (gone)
		send_later(l);
}

cfs::Result<> ClientNs::replay_lock(ClientLockImpl &l) noexcept
{
	std::byte buf[dlm_request_bytes(2)] = {};
	if (!pack_replay(l, buf))
		return {};
	std::byte lvb[sizeof(wire::OstLvb)];
	ClientLink::EnqueueReply reply;
	reply.lvb = cfs::MutBytes(lvb);
	auto status = link_->enqueue(buf, reply, ClientLink::Sending::replay, cfs::WaitMode::idle);
	if (status && *status == 0) {
		took_replay(l, static_cast<u64>(reply.rep.lock_handle.get()));
		return {};
	}
	cfs::Errno why = status ? PROTO : status.error();
	// Without a connection there is another recovery; anything else is the server's word.
	if (link_broke(why))
		return cfs::fail(why);
	CWARN(CFS_S_LDLM, "{}: the server refuses the replay of lock {}: {}", name_, l.desc(), why);
	lose(l);
	return {};
}

/// The locks to tell, taken by several threads.
struct ClientNs::Replay {
	static constexpr cfs_subsys kSubsys = CFS_S_LDLM;
	static constexpr unsigned kThreads = 8;

	struct Job {
		Replay *all = nullptr;
		void run() noexcept { all->run(); }
		cfs::Work<Job, &Job::run> work{this};
	};

	ClientNs *ns = nullptr;
	cfs::Array<ClientLockImplPtr> locks;
	std::atomic<std::size_t> next{0};
	std::atomic<bool> failed{false};
	Job jobs[kThreads];

	void run() noexcept
	{
		for (;;) {
			std::size_t i = next.fetch_add(1, std::memory_order_relaxed);
			if (i >= locks.size() || failed.load(std::memory_order_relaxed))
				return;
			if (!locks[i])
				continue;
			if (!ns->replay_lock(*locks[i]))
				failed.store(true, std::memory_order_relaxed);
		}
	}
};

/// Every lock there is; whoever asks for one now asks after this recovery. There may be empty
/// places.
cfs::Result<cfs::Array<ClientLockImplPtr>> ClientNs::all_locks() noexcept
{
	constexpr std::size_t kSlack = 16;
	for (;;) {
		auto out = TRY(
			cfs::Array<ClientLockImplPtr>::make(kSubsys, by_handle_.size() + kSlack));
		std::size_t n = 0;
		bool fits = true;
		by_handle_.for_each([&](ClientLockImpl &l) {
			fits = n < out.size();
			if (fits)
				out[n++] = ClientLockImplPtr::share(&l);
			return fits;
		});
		if (fits)
			return out;
	}
}

bool ClientNs::replay() noexcept
{
	auto pass = gate_.enter();
	if (!pass)
		return true; // it is being closed: there is nothing to keep
	if (node_.cancel_before_replay())
		drop_before_replay();
	auto all = cfs::try_make<Replay>();
	auto locks = all_locks();
	if (!all || !locks)
		return false;
	return replay_all(**all, std::move(*locks));
}

bool ClientNs::replay_all(Replay &all, cfs::Array<ClientLockImplPtr> locks) noexcept
{
	all.ns = this;
	all.locks = std::move(locks);
	std::size_t n = all.locks.size();
	for (ClientLockImplPtr &l : all.locks)
		if (l)
			settle(*l);
	for (Replay::Job &j : all.jobs) {
		j.all = &all;
		if (n > 1)
			j.work.queue(node_.cancel_workq());
	}
	all.run();
	for (Replay::Job &j : all.jobs)
		j.work.cancel_sync();
	return !all.failed.load(std::memory_order_relaxed);
}

} // namespace ldlm
