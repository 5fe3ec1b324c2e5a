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
	if (l.state == State::waiting) {
		l.lost = true;
		fail_lock(l, STALE);
		return;
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

cfs::Result<> ClientNs::replay_lock(ClientLockImpl &l) noexcept
{
	std::byte buf[dlm_request_bytes(2)] = {};
	auto *req = reinterpret_cast<wire::LdlmRequest *>(buf);
	{
		cfs::MutexGuard s(stripe(l));
		cfs::MutexGuard g(l.res->lock);
		u64 flags = wire::LDLM_FL_REPLAY;
		if (l.state == State::granted && !l.lost)
			flags |= wire::LDLM_FL_BLOCK_GRANTED;
		else if (l.state == State::waiting)
			flags |= wire::LDLM_FL_BLOCK_WAIT;
		else
			return {};
		req->lock_flags = static_cast<u32>(flags);
		req->lock_desc = to_wire(l.desc_locked());
		*reinterpret_cast<cfs::le64 *>(buf + sizeof(*req)) = l.handle_;
	}
	std::byte lvb[sizeof(wire::OstLvb)];
	ClientLink::EnqueueReply reply;
	reply.lvb = cfs::MutBytes(lvb);
	auto status = link_->enqueue(buf, reply, true, cfs::WaitMode::idle);
	if (status && *status == 0) {
		l.remote.store(static_cast<u64>(reply.rep.lock_handle.get()),
			       std::memory_order_relaxed);
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
	std::atomic<int> failed{0}; // an errno
	Job jobs[kThreads];

	void run() noexcept
	{
		for (;;) {
			std::size_t i = next.fetch_add(1, std::memory_order_relaxed);
			if (i >= locks.size() || failed.load(std::memory_order_relaxed))
				return;
			if (!locks[i])
				continue;
			if (auto r = ns->replay_lock(*locks[i]); !r)
				failed.store(static_cast<int>(r.error()),
					     std::memory_order_relaxed);
		}
	}
};

cfs::Result<> ClientNs::replay() noexcept
{
	auto pass = gate_.enter();
	if (!pass)
		return cfs::fail(SHUTDOWN);
	if (node_.cancel_before_replay())
		drop_before_replay();
	auto all = TRY(cfs::try_make<Replay>());
	all->ns = this;
	all->locks = TRY(cfs::Array<ClientLockImplPtr>::make(kSubsys, by_handle_.size()));
	std::size_t n = 0;
	// Whoever asks for a lock now asks after this recovery.
	by_handle_.for_each([&](ClientLockImpl &l) {
		if (n < all->locks.size())
			all->locks[n++] = ClientLockImplPtr::share(&l);
		return n < all->locks.size();
	});
	for (Replay::Job &j : all->jobs) {
		j.all = all.get();
		if (n > 1)
			j.work.queue(node_.cancel_workq());
	}
	all->run();
	for (Replay::Job &j : all->jobs)
		j.work.cancel_sync();
	int why = all->failed.load(std::memory_order_relaxed);
	return why ? cfs::Result<>(cfs::fail(cfs::Errno{why})) : cfs::Result<>{};
}

} // namespace ldlm
