// SPDX-License-Identifier: GPL-2.0
//
// Requests: enqueues, converts and cancels of clients, locks that the target itself takes
// (spec 03 sections 4.2, 8, 9.2, 10, 11).
#include "lustre/ldlm/server_locked.hpp"

namespace ldlm
{

using namespace cfs::err;
using wire::LdlmError;

namespace
{

constexpr int32_t kAborted = static_cast<int32_t>(LdlmError::ELDLM_LOCK_ABORTED);
constexpr int32_t kNoLock = static_cast<int32_t>(LdlmError::ELDLM_NO_LOCK_DATA);
constexpr int32_t kStale = static_cast<int32_t>(STALE);
/// Flags of a request that the rules look at later.
constexpr u64 kKeptFlags = wire::LDLM_FL_BLOCK_NOWAIT | wire::LDLM_FL_SPECULATIVE |
			   wire::LDLM_FL_NO_EXPANSION | wire::LDLM_FL_AST_DISCARD_DATA |
			   wire::LDLM_FL_TEST_LOCK;

/// The handles of a DLM_REQ; fewer than the buffer could hold.
struct Handles {
	const wire::LdlmRequest *req;
	std::span<const cfs::le64> list;
};

/// err::PROTO when there is no room for one handle.
cfs::Result<Handles> read_request(cfs::Bytes dlm_req) noexcept
{
	cfs::Reader in(dlm_req);
	const auto *req = TRY(in.view<wire::LdlmRequest>());
	auto list = TRY(in.array<cfs::le64>(in.left() / sizeof(u64)));
	if (list.empty())
		return cfs::fail(PROTO);
	return Handles{req, list};
}

int32_t status_of(Verdict v) noexcept
{
	switch (v) {
	case Verdict::granted:
	case Verdict::blocked_granted:
	case Verdict::blocked_waiting:
	case Verdict::tested:
		return 0;
	case Verdict::aborted:
		return kAborted;
	case Verdict::refused:
		return cfs::to_rc(AGAIN);
	case Verdict::deadlock:
		return cfs::to_rc(DEADLK);
	}
	return cfs::to_rc(FAULT);
}

bool same_policy(LockType type, const Policy &a, const Policy &b) noexcept
{
	switch (type) {
	case LDLM_EXTENT:
		return a.extent == b.extent;
	case LDLM_IBITS:
		return a.ibits.bits == b.ibits.bits && a.ibits.try_bits == b.ibits.try_bits;
	default:
		return true; // flocks are answered as they were asked
	}
}

} // namespace

/// An enqueue on its way through the steps below.
struct ServerNs::Enqueue {
	LockDesc desc;
	u64 flags = 0;
	u64 client_handle = 0;
	LockPtr lock;
	Verdict verdict = Verdict::granted;
	bool waits = false; ///< only because the target recovers
};

/// Reads and checks the request, cancels what it brings along, finds what it has made before.
int32_t ServerNs::start_enqueue(PeerImpl &peer, const EnqueueCall &call, Enqueue &e) noexcept
{
	auto in = read_request(call.dlm_req);
	if (!in)
		return cfs::to_rc(in);
	e.flags = in->req->lock_flags.get();
	e.client_handle = in->list[0].get();
	if (e.client_handle == 0 || (e.flags & ~wire::LDLM_FL_WIRE_REQ_FLAGS_MASK))
		return cfs::to_rc(PROTO);
	bool replay = call.replay || (e.flags & wire::LDLM_FL_REPLAY);
	if (!replay && in->req->lock_count.get() > 1)
		(void)cancel_handles(peer, call.dlm_req, wire::LDLM_ENQUEUE_CANCEL_OFF);
	auto desc = from_wire(in->req->lock_desc);
	if (!desc)
		return cfs::to_rc(desc);
	e.desc = *desc;
	if (!(mode_bit(e.desc.req_mode) & kModesWire))
		return cfs::to_rc(FAULT);
	if (e.desc.type == LDLM_IBITS) {
		InodeBits &b = e.desc.policy.ibits;
		u64 known = peer.link().ibits_known() & wire::MDS_INODELOCK_FULL;
		b.bits &= known;
		b.try_bits &= known;
		if (e.desc.req_mode == LCK_GROUP && b.bits != wire::MDS_INODELOCK_DOM)
			return cfs::to_rc(PROTO);
	}
	if (call.resent || (e.flags & wire::LDLM_FL_REPLAY))
		e.lock = by_client_.find({peer.id(), e.client_handle});
	if (!e.lock && !replay && !node_.server_lock_room())
		return cfs::to_rc(INPROGRESS);
	return 0;
}

int32_t ServerNs::make_enqueue_lock(PeerImpl &peer, Enqueue &e) noexcept
{
	const ResKey key{e.desc.type, e.desc.name};
	auto made = make_lock(key, key.type == LDLM_FLOCK);
	if (!made)
		return cfs::to_rc(made);
	ServerLockImpl &l = **made;
	for (ServerLockImpl *x : {&l, l.spare_ref.get()}) {
		if (!x)
			continue;
		x->holder = peer.id();
		x->owner = cfs::RefPtr<PeerImpl>::share(&peer);
	}
	l.client_handle = e.client_handle;
	l.req_mode = e.desc.req_mode;
	l.policy = l.asked = e.desc.policy;
	l.flags = e.flags & kKeptFlags;
	l.no_timer = e.desc.req_mode == LCK_GROUP;
	l.hears_deadlock = peer.has(wire::OBD_CONNECT_FLOCK_DEAD);
	l.replying = true;
	if (auto r = add_lock(l); !r)
		return cfs::to_rc(r);
	e.lock = std::move(*made);
	return 0;
}

/// Whether the client is to do without a lock: many conflicts lately, and it has offered to.
bool ServerNs::contended(Resource &r, const ServerLockImpl &l) noexcept
{
	cfs::Instant now = cfs::Instant::now();
	auto span = cfs::Duration::nanos(static_cast<std::int64_t>(contention_ns_.load()));
	if (r.window < now) {
		r.window = now + span;
		r.conflicts = 0;
	}
	if (++r.conflicts > contended_locks_.load(std::memory_order_relaxed))
		r.contended = now + span;
	u64 bytes = l.policy.extent.end - l.policy.extent.start;
	return r.contended > now && bytes < max_nolock_bytes_.load(std::memory_order_relaxed);
}

int32_t ServerNs::run_policy(Enqueue &e) noexcept
{
	ServerLockImpl &l = *e.lock;
	Resource &r = *l.res;
	After after;
	int32_t rc = 0;
	{
		Locked g(*this, r);
		Work work;
		if (l.dead)
			return cfs::to_rc(NOTCONN);
		if (queue_for_recovery(r)) {
			r.table.insert_waiting(l);
			e.verdict = Verdict::blocked_granted;
			return 0;
		}
		e.verdict = r.table.enqueue(l, rules(), false, work);
		rc = status_of(e.verdict);
		if (is_blocked(e.verdict) && r.key.type == LDLM_EXTENT && contended(r, l) &&
		    (e.flags & wire::LDLM_FL_DENY_ON_CONTENTION)) {
			r.table.remove(l);
			rc = cfs::to_rc(USERS);
		}
		// An unlock, or a weaker lock over a stronger one, lets others in.
		if (r.key.type == LDLM_FLOCK && e.verdict == Verdict::granted)
			r.table.reprocess(rules(), work);
		take_work(r, work, after);
	}
	finish(after);
	return rc;
}

/// What a client says it had before the server went (03 11) is believed.
int32_t ServerNs::run_replay(Enqueue &e) noexcept
{
	ServerLockImpl &l = *e.lock;
	Locked g(*this, *l.res);
	if (l.dead)
		return cfs::to_rc(NOTCONN);
	if (l.place != TableLock::Place::none)
		return 0; // replayed twice
	if (e.flags & wire::LDLM_FL_BLOCK_WAIT) {
		(void)queue_for_recovery(*l.res);
		l.res->table.insert_waiting(l);
		l.replying = false;
	} else {
		l.res->table.insert_granted(l);
	}
	return 0;
}

/// A glimpse of a client (03 9.3): the lock if it is free, else only the value block.
int32_t ServerNs::run_glimpse(Enqueue &e, EnqueueAnswer &answer) noexcept
{
	ServerLockImpl &l = *e.lock;
	Resource &r = *l.res;
	{
		After after;
		Locked g(*this, r);
		Work work;
		if (l.dead)
			return cfs::to_rc(NOTCONN);
		e.verdict = recovering_.load() ? Verdict::refused
					       : r.table.enqueue(l, rules(), true, work);
		take_work(r, work, after);
		CFS_ASSERT(after.dead.empty());
		if (e.verdict == Verdict::granted)
			return 0;
	}
	if (!(e.flags & wire::LDLM_FL_BLOCK_NOWAIT)) {
		if (auto got = glimpse_resource(r); !got)
			answer.rep.lock_policy_res1 =
				static_cast<u64>(static_cast<std::int64_t>(cfs::to_rc(got)));
	}
	answer.lvb_bytes = copy_lvb(r, nullptr, answer.lvb);
	return kAborted;
}

void ServerNs::answer_lvb(ServerLockImpl &l, EnqueueAnswer &answer) noexcept
{
	if (l.res->key.type != LDLM_FLOCK)
		answer.lvb_bytes = copy_lvb(*l.res, l.owner.get(), answer.lvb);
}

/// Describes the lock in the answer. From here on callbacks are sent.
void ServerNs::answer_lock(ServerLockImpl &l, u64 flags, EnqueueAnswer &answer) noexcept
{
	bool timed = false;
	LockDesc d;
	u64 out = flags;
	{
		cfs::MutexGuard g(l.res->lock);
		l.replying = false;
		d = l.desc_locked();
		bool flock = d.type == LDLM_FLOCK;
		if (flock)
			d.policy = l.asked;
		if (d.req_mode == LCK_NL && flock)
			d.granted_mode = LCK_NL;
		if (l.dead && !flock) {
			answer.status = cfs::to_rc(NOTCONN);
			return;
		}
		bool granted = l.place == TableLock::Place::granted;
		if (!granted && !(flags & wire::LDLM_FL_REPLAY) && d.req_mode != LCK_NL) {
			out |= wire::LDLM_FL_BLOCK_GRANTED;
			if (!flock)
				out |= wire::LDLM_FL_NO_TIMEOUT;
		}
		if (granted && l.asked_back && !flock) {
			out |= wire::LDLM_FL_AST_SENT;
			if (d.type == LDLM_IBITS)
				d.policy.ibits.try_bits = l.wanted.policy.ibits.bits;
			l.bl_due = false;
			timed = true;
		}
		if (granted && !same_policy(d.type, l.policy, l.asked))
			out |= wire::LDLM_FL_LOCK_CHANGED;
	}
	if (timed)
		start_timer(l);
	answer.rep.lock_flags = static_cast<u32>(out);
	answer.rep.lock_desc = to_wire(d);
	answer.rep.lock_handle = wire::LockHandle{l.handle_};
	answer.lock = ServerLockPtr::share(&l);
}

/// The same request came before: the same lock, as it is now.
void ServerNs::answer_resent(ServerLockImpl &l, u64 flags, EnqueueAnswer &answer) noexcept
{
	answer_lock(l, flags | wire::LDLM_FL_LOCK_CHANGED, answer);
	if (answer.status == 0 && !(flags & wire::LDLM_FL_REPLAY))
		answer_lvb(l, answer);
}

void ServerNs::answer_tested(Enqueue &e, EnqueueAnswer &answer) noexcept
{
	LockDesc d = e.desc;
	d.req_mode = e.lock->req_mode;
	d.policy = e.lock->policy;
	answer.rep.lock_flags = static_cast<u32>(e.flags | wire::LDLM_FL_LOCK_CHANGED);
	answer.rep.lock_desc = to_wire(d);
	answer.rep.lock_handle = wire::LockHandle{e.lock->handle_};
}

int32_t ServerNs::serve_enqueue(PeerImpl &peer, const EnqueueCall &call, IntentPolicy *intent,
				Enqueue &e, EnqueueAnswer &answer) noexcept
{
	bool replay = e.flags & wire::LDLM_FL_REPLAY;
	bool has_intent = (e.flags & wire::LDLM_FL_HAS_INTENT) && !replay;
	(void)call;
	if (has_intent && intent) {
		switch (intent->run(*this, peer, e.desc, e.flags, e.client_handle, answer)) {
		case IntentVerdict::done:
			return answer.status ? answer.status : kAborted;
		case IntentVerdict::replaced:
			return 0;
		case IntentVerdict::plain:
			break;
		}
		if (e.flags & wire::LDLM_FL_INTENT_ONLY)
			return kAborted;
	}
	if (int32_t rc = make_enqueue_lock(peer, e))
		return rc;
	bool block =
		lvb_ && e.desc.type != LDLM_FLOCK &&
		(e.desc.type != LDLM_IBITS || (e.desc.policy.ibits.bits & wire::MDS_INODELOCK_DOM));
	if (block && !replay)
		if (auto r = load_lvb(*e.lock->res); !r)
			return cfs::to_rc(r);
	int32_t rc = 0;
	if (replay)
		rc = run_replay(e);
	else if (has_intent && !intent && block)
		rc = run_glimpse(e, answer);
	else
		rc = run_policy(e);
	if (rc)
		return rc;
	if (e.verdict == Verdict::tested) {
		answer_tested(e, answer);
		return 0;
	}
	answer_lock(*e.lock, e.flags, answer);
	if (answer.status == 0 && block && !replay)
		answer_lvb(*e.lock, answer);
	return answer.status;
}

void ServerNs::enqueue(Peer &peer, const EnqueueCall &call, IntentPolicy *intent,
		       EnqueueAnswer &answer) noexcept
{
	auto &p = static_cast<PeerImpl &>(peer);
	auto pass = gate_.enter();
	if (!pass) {
		answer.status = cfs::to_rc(SHUTDOWN);
		return;
	}
	p.stats().count(kPeerEnqueue);
	Enqueue e;
	answer.status = start_enqueue(p, call, e);
	if (answer.status)
		return;
	if (e.lock) {
		answer_resent(*e.lock, e.flags, answer);
		return;
	}
	answer.status = serve_enqueue(p, call, intent, e, answer);
	if (!e.lock)
		return;
	// Neither a refused request nor an unlock leaves a lock behind.
	bool kept = answer.status == 0 && e.verdict != Verdict::tested && e.desc.req_mode != LCK_NL;
	if (!kept && !end_lock(*e.lock))
		forget(*e.lock);
	if (answer.status)
		answer.lock.reset();
}

// ---- cancels ----

int32_t ServerNs::cancel_handles(PeerImpl &peer, cfs::Bytes dlm_req, unsigned first) noexcept
{
	auto in = read_request(dlm_req);
	if (!in)
		return 0;
	std::size_t n = in->req->lock_count.get();
	// A list that claims more than there is can not be believed in anything.
	if (n > in->list.size())
		return 0;
	int32_t found = 0;
	for (std::size_t i = first; i < n; i++) {
		LockPtr l = find_lock(&peer, in->list[i].get());
		if (!l)
			continue;
		publish_size(*l);
		found += cancel_one(peer, *l);
	}
	return found;
}

/// A client that gives up a flock it waited for may find it granted and merged with others of its
/// owner: then the range that was asked for is unlocked, not all of the lock.
bool ServerNs::cancel_one(PeerImpl &peer, ServerLockImpl &l) noexcept
{
	if (l.res->key.type != LDLM_FLOCK)
		return end_lock(l);
	FlockRange range;
	{
		cfs::MutexGuard g(l.res->lock);
		if (l.place != TableLock::Place::granted || l.policy.flock == l.asked.flock)
			range.end = 0;
		else
			range = l.asked.flock;
	}
	if (range.end == 0)
		return end_lock(l);
	Enqueue e;
	e.desc = {LDLM_FLOCK, l.res->key.name, LCK_NL, LCK_MODE_MIN, range};
	if (make_enqueue_lock(peer, e) == 0) {
		(void)run_policy(e);
		if (!end_lock(*e.lock))
			forget(*e.lock);
	}
	return true;
}

int32_t ServerNs::cancel(Peer &peer, cfs::Bytes dlm_req) noexcept
{
	auto pass = gate_.enter();
	if (!pass)
		return cfs::to_rc(SHUTDOWN);
	auto &p = static_cast<PeerImpl &>(peer);
	auto in = read_request(dlm_req);
	if (!in)
		return cfs::to_rc(in);
	p.stats().count(kPeerCancel);
	if (in->req->lock_count.get() == 0) { // means 1 here
		LockPtr l = find_lock(&peer, in->list[0].get());
		if (!l)
			return kStale;
		publish_size(*l);
		return cancel_one(p, *l) ? 0 : kStale;
	}
	return cancel_handles(p, dlm_req, 0) ? 0 : kStale;
}

void ServerNs::cancel_early(Peer &peer, cfs::Bytes dlm_req, unsigned first) noexcept
{
	auto pass = gate_.enter();
	if (pass && !dlm_req.empty())
		(void)cancel_handles(static_cast<PeerImpl &>(peer), dlm_req, first);
}

int32_t ServerNs::convert(Peer &peer, cfs::Bytes dlm_req, wire::LdlmReply &rep) noexcept
{
	auto pass = gate_.enter();
	if (!pass)
		return cfs::to_rc(SHUTDOWN);
	auto &p = static_cast<PeerImpl &>(peer);
	auto in = read_request(dlm_req);
	if (!in)
		return cfs::to_rc(in);
	p.stats().count(kPeerConvert);
	LockPtr l = find_lock(&peer, in->list[0].get());
	if (!l || l->res->key.type != LDLM_IBITS)
		return kNoLock;
	u64 keep = in->req->lock_desc.policy_data.inodebits.bits.get();
	After after;
	u64 kept = 0;
	{
		Locked g(*this, *l->res);
		if (l->dead || l->place != TableLock::Place::granted)
			return kNoLock;
		if (in->req->lock_desc.req_mode.get() != l->granted_mode)
			return cfs::to_rc(PROTO);
		kept = l->policy.ibits.bits & keep;
		if (kept != l->policy.ibits.bits && kept != 0) {
			Work work;
			stop_timer(*l);
			l->bl_due = false;
			l->res->table.keep_bits(*l, kept);
			if (!recovering_.load())
				l->res->table.reprocess(rules(), work);
			take_work(*l->res, work, after);
		}
	}
	if (kept == 0)
		(void)end_lock(*l);
	finish(after);
	rep = {};
	rep.lock_flags = in->req->lock_flags;
	rep.lock_desc.policy_data.inodebits.bits = kept;
	rep.lock_handle = wire::LockHandle{l->client_handle};
	return 0;
}

// ---- the target's own locks ----

cfs::Result<> ServerNs::wait_local(ServerLockImpl &l, const LocalSpec &spec) noexcept
{
	Resource &r = *l.res;
	cfs::Result<> rc;
	{
		cfs::MutexGuard g(r.lock);
		rc = r.granted_wait.wait(r.lock, spec.wait, spec.deadline, [&]() CFS_NO_TSA {
			return l.dead || l.place == TableLock::Place::granted;
		});
		if (l.dead)
			rc = cfs::fail(SHUTDOWN);
	}
	return rc;
}

cfs::Result<LocalLock> ServerNs::lock(const LocalSpec &spec) noexcept
{
	auto pass = gate_.enter();
	if (!pass)
		return cfs::fail(SHUTDOWN);
	if (spec.type == LDLM_FLOCK || !is_mode(spec.mode))
		return cfs::fail(INVAL);
	LockPtr l = TRY(make_lock({spec.type, spec.name}, false));
	l->local = true;
	l->req_mode = spec.mode;
	l->policy = l->asked = spec.policy;
	l->cos_client = spec.client_cookie;
	l->user = spec.user;
	l->destroying = spec.destroying;
	if (spec.destroying)
		l->flags |= wire::LDLM_FL_AST_DISCARD_DATA;
	TRY(add_lock(*l));
	After after;
	Verdict v = Verdict::granted;
	{
		Locked g(*this, *l->res);
		Work work;
		if (spec.unconditional)
			l->res->table.insert_granted(*l);
		else if (!spec.try_only && queue_for_recovery(*l->res)) {
			l->res->table.insert_waiting(*l);
			v = Verdict::blocked_granted;
		} else
			v = l->res->table.enqueue(*l, rules(), spec.try_only, work);
		take_work(*l->res, work, after);
	}
	finish(after);
	cfs::Result<> rc;
	if (is_blocked(v))
		rc = wait_local(*l, spec);
	else if (v != Verdict::granted)
		rc = cfs::fail(AGAIN);
	if (!rc) {
		if (!end_lock(*l))
			forget(*l);
		return cfs::fail(rc.error());
	}
	return LocalLock(*this, std::move(l));
}

void ServerNs::unlock(ServerLock &lock) noexcept
{
	(void)end_lock(static_cast<ServerLockImpl &>(lock));
}

void ServerNs::downgrade(ServerLock &lock, Mode mode) noexcept
{
	auto &l = static_cast<ServerLockImpl &>(lock);
	After after;
	{
		Locked g(*this, *l.res);
		if (l.dead || l.place != TableLock::Place::granted)
			return;
		Work work;
		l.bl_due = false;
		l.res->table.change_mode(l, mode);
		l.res->table.reprocess(rules(), work);
		take_work(*l.res, work, after);
	}
	finish(after);
}

cfs::Result<> ServerNs::hand_over(LocalLock lock, Peer &peer, u64 client_handle, u64 flags,
				  EnqueueAnswer &answer) noexcept
{
	auto &p = static_cast<PeerImpl &>(peer);
	if (LockPtr before = by_client_.find({p.id(), client_handle})) {
		answer_resent(*before, flags, answer);
		return cfs::to_result(answer.status < 0 ? answer.status : 0);
	}
	auto &l = static_cast<ServerLockImpl &>(*lock.get());
	u64 known = p.link().ibits_known() & wire::MDS_INODELOCK_FULL;
	After after;
	{
		Locked g(*this, *l.res);
		if (l.dead || l.place != TableLock::Place::granted)
			return cfs::fail(NOTCONN);
		Work work;
		if (l.res->key.type == LDLM_IBITS && (l.policy.ibits.bits & ~known)) {
			l.res->table.keep_bits(l, known);
			l.res->table.reprocess(rules(), work);
		}
		if (!p.add(l))
			return cfs::fail(NOTCONN);
		l.holder = p.id();
		l.client_handle = client_handle;
		l.owner = cfs::RefPtr<PeerImpl>::share(&p);
		l.local = false;
		l.user = nullptr;
		l.asked = l.policy;
		l.replying = true;
		take_work(*l.res, work, after);
	}
	ServerLockPtr given = lock.detach(); // it is the client's now
	node_.server_lock_added();
	if (!by_client_.insert(LockPtr::share(&l))) {
		(void)end_lock(l);
		return cfs::fail(PROTO);
	}
	finish(after);
	answer_lock(l, flags | wire::LDLM_FL_LOCK_CHANGED, answer);
	return cfs::to_result(answer.status < 0 ? answer.status : 0);
}

} // namespace ldlm
