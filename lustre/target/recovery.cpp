// SPDX-License-Identifier: GPL-2.0
#include "target/recovery.hpp"

#include <algorithm>

#include "libcfs/log.hpp"

namespace target
{

using rpc::Filter;
using rpc::ServerRequest;
using wire::Opcode;

namespace
{

/// Waiting for who does not come leaves time for what the others have to replay: what may have
/// passed of the hard limit when all have to be connected, and when their requests are replayed.
constexpr std::int64_t kConnectingSixths = 4, kRequestsSixths = 5;

/// What recovery does with an operation.
enum class Sort : wire::u8 { pass, queue, later };

Sort sort_of(Opcode op) noexcept
{
	switch (op) {
	case Opcode::MDS_DISCONNECT:
	case Opcode::OST_DISCONNECT:
	case Opcode::OBD_IDX_READ:
		return Sort::pass;
	case Opcode::MDS_CLOSE:
	case Opcode::MDS_SYNC:
	case Opcode::MDS_REINT:
	case Opcode::MDS_HSM_PROGRESS:
	case Opcode::MDS_HSM_STATE_SET:
	case Opcode::MDS_HSM_REQUEST:
	case Opcode::OBD_PING:
	case Opcode::OUT_UPDATE:
	case Opcode::SEQ_QUERY:
	case Opcode::FLD_QUERY:
	case Opcode::FLD_READ:
	case Opcode::LDLM_ENQUEUE:
	case Opcode::OST_CREATE:
	case Opcode::OST_DESTROY:
	case Opcode::OST_PUNCH:
	case Opcode::OST_SETATTR:
	case Opcode::OST_SYNC:
	case Opcode::OST_WRITE:
	case Opcode::OST_FALLOCATE:
		return Sort::queue;
	default:
		return Sort::later;
	}
}

/// Which life of the target gave the number.
constexpr wire::u64 epoch_of(Transno t) noexcept
{
	return static_cast<wire::u64>(t) >> 32;
}

} // namespace

const char *name_of(Recovery::Stage s) noexcept
{
	switch (s) {
	case Recovery::Stage::idle:
		return "INACTIVE";
	case Recovery::Stage::connecting:
	case Recovery::Stage::requests:
	case Recovery::Stage::locks:
	case Recovery::Stage::finishing:
		return "RECOVERING";
	case Recovery::Stage::complete:
		return "COMPLETE";
	}
	return "?";
}

// ---- beginning and end ----

cfs::Result<> Recovery::expect(rpc::Export &e) noexcept
{
	auto m = TRY(cfs::try_make<Member>());
	m->exp = cfs::RefPtr<rpc::Export>::share(&e);
	m->client = Client::of(e);
	CFS_ASSERT(m->client);
	cfs::SpinGuard g(lock_);
	m->client->recovery.expected = true;
	m->client->recovery.member = m.get();
	counts_.expected++;
	counts_.members++;
	members_.push_back(*m.release());
	return {};
}

cfs::Result<bool> Recovery::start(cfs_node *node, const RecoverySpec &spec,
				  Transno last_committed) noexcept
{
	spec_ = spec;
	spec_.name = cfs::format_cstr(name_, "{}", spec.name);
	u32 expected = 0;
	{
		cfs::SpinGuard g(lock_);
		expected = counts_.expected;
		next_ = next_of(last_committed);
		last_ = last_committed;
		if (expected == 0)
			return false;
		stage_ = Stage::connecting;
		began_real_ = cfs::real_seconds();
		began_ = cfs::Instant::now();
	}
	active_.store(true, std::memory_order_release);
	auto started = thread_.start<&Recovery::run>(node, "tgt_recover", this);
	if (!started) {
		active_.store(false, std::memory_order_release);
		return cfs::fail(started.error());
	}
	LCONSOLE_INFO(kSubsys, "{}: in recovery, waiting for {} clients; see recovery_status",
		      name_, expected);
	return true;
}

void Recovery::stop() noexcept
{
	{
		cfs::SpinGuard g(lock_);
		stop_ = true;
		waitq_.wake_all();
	}
	thread_.join();
	active_.store(false, std::memory_order_release);
	// Unanswered: whoever takes over will be asked again.
	refuse_all(cfs::err::TIMEDOUT);
	Members ended;
	{
		cfs::SpinGuard g(lock_);
		ended.swap(members_);
		for (Member &m : ended)
			m.client->recovery.member = nullptr;
	}
	ended.clear_and_dispose([](Member *m) { cfs::UniquePtr<Member> end(m); });
}

void Recovery::abort() noexcept
{
	cfs::SpinGuard g(lock_);
	abort_ = true;
	waitq_.wake_all();
}

void Recovery::expect_soon(cfs::Duration soft) noexcept
{
	cfs::SpinGuard g(lock_);
	soon_ = true;
	spec_.soft = soft;
	waitq_.wake_all();
}

cfs::Duration Recovery::soft() noexcept
{
	cfs::SpinGuard g(lock_);
	return spec_.soft;
}

// ---- members ----

bool Recovery::takes_part(rpc::Export &e) noexcept
{
	Client *c = Client::of(e);
	cfs::SpinGuard g(lock_);
	return c && c->recovery.expected && active();
}

void Recovery::versions_failed(rpc::Export &e) noexcept
{
	Client *c = Client::of(e);
	cfs::SpinGuard g(lock_);
	if (c)
		c->recovery.vbr_failed = true;
}

cfs::Instant Recovery::deadline() const noexcept
{
	return timed_ ? std::min(std::max(timed_from_ + spec_.soft, extended_), stage_end_)
		      : cfs::Instant::never();
}

cfs::Instant Recovery::sixths(std::int64_t n) const noexcept
{
	return timed_from_ + cfs::Duration::seconds(spec_.hard.s() * n / 6);
}

void Recovery::extend(cfs::Duration d) noexcept
{
	extended_ = std::max(extended_, cfs::after(d));
}

/// Somebody was evicted because the time was up: the others get some anew.
void Recovery::extend_for_the_rest() noexcept
{
	extend(spec_.more);
	stage_end_ = std::min(std::max(stage_end_, cfs::after(spec_.more)), sixths(6));
}

void Recovery::begin_time() noexcept
{
	cfs::SpinGuard g(lock_);
	if (timed_ || stage_ == Stage::idle || stage_ == Stage::complete)
		return;
	timed_ = true;
	timed_from_ = cfs::Instant::now();
	stage_end_ = sixths(kConnectingSixths);
	waitq_.wake_all();
}

void Recovery::connected(rpc::Export &e, Transno first_replay, u32 client_estimate) noexcept
{
	begin_time();
	Client *c = Client::of(e);
	cfs::SpinGuard g(lock_);
	if (!c || !c->recovery.expected || stage_ == Stage::idle || stage_ == Stage::complete)
		return;
	// Twice the time its request takes, and what it takes to find the way back. A client that
	// only looks whether the server is still there does not make the others wait for longer.
	if (!c->recovery.connected || stage_ != Stage::connecting)
		extend(cfs::Duration::seconds(std::min<u32>(client_estimate, 600) * 5 / 4 + 5 +
					      2 * 5 + 2 * (50 + 5)));
	if (last_ < first_replay && first_replay < next_)
		next_ = first_replay;
	if (!c->recovery.connected) {
		c->recovery.connected = c->recovery.replaying = c->recovery.locking = true;
		counts_.connected++;
		counts_.replaying++;
		counts_.locking++;
	}
	waitq_.wake_all();
}

/// Takes a member out of all counters but those that say how it ended.
void Recovery::leave(Client &c) noexcept
{
	if (!c.recovery.expected)
		return;
	counts_.members--;
	counts_.connected -= c.recovery.connected;
	counts_.replaying -= c.recovery.replaying;
	counts_.locking -= c.recovery.locking;
	counts_.done -= c.recovery.done;
	c.recovery = {};
	waitq_.wake_all();
}

void Recovery::gone(rpc::Export &e) noexcept
{
	Queue refused;
	cfs::UniquePtr<Member> member;
	{
		cfs::SpinGuard g(lock_);
		Client *c = Client::of(e);
		if (!c)
			return;
		take_queued(&e, refused);
		if (Member *m = c->recovery.member) {
			members_.erase(Members::s_iterator_to(*m));
			member.reset(m);
		}
		leave(*c);
	}
	refuse(refused, cfs::err::NOTCONN);
}

bool Recovery::matches(const Member &m, Whom whom) noexcept
{
	const auto &r = m.client->recovery;
	if (!r.expected)
		return false;
	switch (whom) {
	case Whom::absent:
		return !r.connected;
	case Whom::late:
		return !r.connected || (r.replaying && !r.queued);
	case Whom::versions:
		return r.vbr_failed;
	case Whom::unfinished:
		return !r.done;
	}
	return false;
}

void Recovery::evict(Whom whom, const char *why) noexcept
{
	Queue refused;
	Members victims;
	{
		cfs::SpinGuard g(lock_);
		for (auto i = members_.begin(); i != members_.end();) {
			Member &m = *i++;
			if (!matches(m, whom))
				continue;
			members_.erase(Members::s_iterator_to(m));
			victims.push_back(m);
			take_queued(m.exp.get(), refused);
			leave(*m.client);
			counts_.evicted++;
		}
	}
	refuse(refused, cfs::err::NOTCONN);
	while (!victims.empty()) {
		cfs::UniquePtr<Member> victim(&victims.front());
		victims.pop_front();
		LCONSOLE_WARN(kSubsys, "{}: evicting client {} during recovery: {}", name_,
			      victim->exp->client_uuid(), why);
		victim->exp->evict(why);
	}
}

// ---- requests ----

void Recovery::queued(const ServerRequest &r) noexcept
{
	counts_.queued++;
	Client::of(*r.exp())->recovery.queued++;
}

void Recovery::unqueued(const ServerRequest &r) noexcept
{
	counts_.queued--;
	// What is queued when recovery ends outlives the counts of its clients.
	auto &c = Client::of(*r.exp())->recovery;
	c.queued -= c.queued ? 1u : 0u;
}

/// Moves the queued requests of one export, or (null) of all, to `out`.
void Recovery::take_queued(const rpc::Export *of, Queue &out) noexcept
{
	if (of && !Client::of(*of)->recovery.queued)
		return;
	for (auto i = replays_.begin(); i != replays_.end();) {
		ServerRequest &r = *i++;
		if (of && r.exp() != of)
			continue;
		replays_.erase(Replays::s_iterator_to(r));
		unqueued(r);
		out.push_back(r);
	}
	for (Queue *q : {&locks_, &final_})
		for (auto i = q->begin(); i != q->end();) {
			ServerRequest &r = *i++;
			if (of && r.exp() != of)
				continue;
			q->erase(Queue::s_iterator_to(r));
			unqueued(r);
			out.push_back(r);
		}
}

void Recovery::refuse(Queue &q, cfs::Errno why) noexcept
{
	while (!q.empty()) {
		auto r = cfs::RefPtr<ServerRequest>::adopt(&q.front());
		q.pop_front();
		r->refuse(why);
	}
}

void Recovery::refuse_all(cfs::Errno why) noexcept
{
	Queue q;
	{
		cfs::SpinGuard g(lock_);
		take_queued(nullptr, q);
	}
	refuse(q, why);
}

Filter Recovery::take_replay(ServerRequest &req, Client &c) noexcept
{
	// Clients replay one request at a time.
	auto same = [&](const ServerRequest &r) {
		return r.exp() == req.exp() && r.xid() == req.xid();
	};
	if (c.recovery.queued && std::ranges::any_of(replays_, same))
		return Filter::drop;
	if (!replays_.insert(req).second)
		return Filter::drop;
	return Filter::taken;
}

/// A request that says its client has replayed everything, perhaps but for locks.
Filter Recovery::take_done(ServerRequest &req, Client &c, Queue &replaced) noexcept
{
	counts_.replaying -= c.recovery.replaying;
	c.recovery.replaying = false;
	if (!(req.body().flags.get() & wire::MSG_LOCK_REPLAY_DONE)) {
		locks_.push_back(req);
		return Filter::taken;
	}
	counts_.locking -= c.recovery.locking;
	c.recovery.locking = false;
	counts_.done += !c.recovery.done;
	c.recovery.done = true;
	for (auto i = final_.begin(); c.recovery.queued && i != final_.end(); ++i)
		if (i->exp() == req.exp()) {
			ServerRequest &r = *i;
			final_.erase(i);
			unqueued(r);
			replaced.push_back(r);
			break;
		}
	final_.push_back(req);
	return Filter::taken;
}

Filter Recovery::filter(ServerRequest &req) noexcept
{
	Sort sort = sort_of(req.opcode());
	u32 flags = req.body().flags.get();
	Transno transno = req.body().transno.get();
	bool done = flags & (wire::MSG_REQ_REPLAY_DONE | wire::MSG_LOCK_REPLAY_DONE);
	Client *c = req.exp() ? Client::of(*req.exp()) : nullptr;
	if (sort == Sort::pass)
		return Filter::process;
	if (sort == Sort::later)
		return Filter::again;
	Filter f = Filter::process;
	Queue replaced;
	bool foreign = false;
	{
		cfs::SpinGuard g(lock_);
		if (stage_ == Stage::idle || stage_ == Stage::complete)
			return Filter::process;
		if (!done && transno == Transno{})
			return Filter::process;
		if (!c || !c->recovery.expected)
			return Filter::evicted;
		if (ending())
			return Filter::drop;
		foreign = !done && epoch_of(transno) > epoch_of(last_);
		if (foreign)
			f = Filter::evicted;
		else if (done)
			f = take_done(req, *c, replaced);
		else if (transno < next_)
			f = Filter::process;
		else
			f = take_replay(req, *c);
		if (f == Filter::taken) {
			req.get();
			queued(req);
		}
		waitq_.wake_all();
	}
	if (foreign)
		req.exp()->evict("it replays what this target has never numbered");
	// The client has given up on those.
	while (!replaced.empty()) {
		auto r = cfs::RefPtr<ServerRequest>::adopt(&replaced.front());
		replaced.pop_front();
		r->refuse(cfs::err::TIMEDOUT);
	}
	return f;
}

// ---- the stages ----

void Recovery::set_stage(Stage s) noexcept
{
	cfs::SpinGuard g(lock_);
	stage_ = s;
	stage_end_ = std::max(stage_end_, sixths(s == Stage::requests ? kRequestsSixths : 6));
}

void Recovery::run() noexcept
{
	wait_connected();
	replay_requests();
	replay_locks();
	finish();
}

/// Waits until a change comes; false when the time was up before. The deadline moves as clients
/// connect and replay, and is not known before the first one has connected: it is looked at anew
/// each second.
template <typename Change>
bool Recovery::wait_in_time(Change change) noexcept
{
	while (!change()) {
		cfs::Instant until = std::min(deadline(), cfs::after(cfs::Duration::seconds(1)));
		(void)waitq_.wait(lock_, cfs::WaitMode::idle, until, change);
		if (!change() && cfs::Instant::now() >= deadline())
			return false;
	}
	return true;
}

void Recovery::wait_connected() noexcept
{
	{
		cfs::SpinGuard g(lock_);
		bool in_time = wait_in_time([this]() CFS_NO_TSA {
			return ending() || counts_.connected >= counts_.members;
		});
		if (stop_ || (in_time && !abort_))
			return;
	}
	vbr_.store(true, std::memory_order_relaxed);
	evict(Whom::absent, "it did not reconnect in time");
	cfs::SpinGuard g(lock_);
	extend_for_the_rest();
}

/// Whether the lowest replay is the next one: by its number, or because nobody can bring a lower
/// one, every client that still replays having one queued.
bool Recovery::may_replay() const noexcept
{
	if (replays_.empty())
		return false;
	return replays_.begin()->body().transno.get() <= next_ ||
	       replays_.size() >= counts_.replaying;
}

void Recovery::replay_requests() noexcept
{
	set_stage(Stage::requests);
	for (;;) {
		cfs::RefPtr<ServerRequest> req;
		{
			cfs::SpinGuard g(lock_);
			auto change = [this]() CFS_NO_TSA {
				return ending() || may_replay() ||
				       (counts_.replaying == 0 && replays_.empty());
			};
			(void)wait_in_time(change);
			if (ending() || (counts_.replaying == 0 && replays_.empty()))
				break;
			if (may_replay()) {
				req = cfs::RefPtr<ServerRequest>::adopt(&*replays_.begin());
				replays_.erase(replays_.begin());
				unqueued(*req);
				counts_.replayed++;
				next_ = std::max(next_, next_of(req->body().transno.get()));
				extend(cfs::Duration::seconds(5));
			}
		}
		if (req) {
			req->execute();
			continue;
		}
		vbr_.store(true, std::memory_order_relaxed);
		evict(Whom::late, "it did not replay its requests in time");
		cfs::SpinGuard g(lock_);
		bool past = cfs::Instant::now() >= sixths(6);
		abort_ = abort_ || past;
		extend_for_the_rest();
	}
	bool stopping = false, aborting = false;
	{
		cfs::SpinGuard g(lock_);
		stopping = stop_;
		aborting = abort_;
	}
	if (stopping)
		return;
	if (aborting)
		evict(Whom::unfinished, "recovery was aborted");
	evict(Whom::versions, "what it changed has been changed by others");
}

void Recovery::replay_locks() noexcept
{
	set_stage(Stage::locks);
	for (;;) {
		cfs::RefPtr<ServerRequest> req;
		{
			cfs::SpinGuard g(lock_);
			auto change = [this]() CFS_NO_TSA {
				return ending() || !locks_.empty() || counts_.locking == 0;
			};
			(void)wait_in_time(change);
			if (ending() || (locks_.empty() && counts_.locking == 0))
				break;
			if (!locks_.empty()) {
				req = cfs::RefPtr<ServerRequest>::adopt(&locks_.front());
				locks_.pop_front();
				unqueued(*req);
			}
		}
		if (req) {
			req->execute();
			continue;
		}
		evict(Whom::unfinished, "it did not replay its locks in time");
	}
	bool aborting = false;
	{
		cfs::SpinGuard g(lock_);
		aborting = abort_ && !stop_;
	}
	if (aborting)
		evict(Whom::unfinished, "recovery was aborted");
}

void Recovery::finish() noexcept
{
	{
		cfs::SpinGuard g(lock_);
		if (stop_)
			return;
		stage_ = Stage::finishing;
	}
	Transno last = user_.on_recovered();
	Queue waiting;
	Members ended;
	Counts c;
	{
		cfs::SpinGuard g(lock_);
		stage_ = Stage::complete;
		ended_ = cfs::Instant::now();
		last_ = last;
		waiting.swap(final_);
		counts_.queued -= static_cast<u32>(waiting.size());
		ended.swap(members_);
		for (Member &m : ended)
			m.client->recovery = {};
		c = counts_;
	}
	active_.store(false, std::memory_order_release);
	while (!waiting.empty()) {
		auto r = cfs::RefPtr<ServerRequest>::adopt(&waiting.front());
		waiting.pop_front();
		r->execute();
	}
	// What came in between stages belongs to nobody any more.
	refuse_all(cfs::err::NOTCONN);
	ended.clear_and_dispose([](Member *m) { cfs::UniquePtr<Member> end(m); });
	LCONSOLE_INFO(kSubsys, "{}: recovery over: {} of {} clients recovered, {} evicted", name_,
		      c.done, c.expected, c.evicted);
}

// ---- for people ----

Recovery::Stage Recovery::stage() noexcept
{
	cfs::SpinGuard g(lock_);
	return stage_;
}

Recovery::Counts Recovery::counts() noexcept
{
	cfs::SpinGuard g(lock_);
	return counts_;
}

void Recovery::show(cfs::FormatSink &out) noexcept
{
	Counts c;
	Stage s = Stage::idle;
	Transno next{}, last{};
	std::int64_t began = 0, took = 0, left = 0;
	bool soon = false;
	{
		cfs::SpinGuard g(lock_);
		c = counts_;
		s = stage_;
		next = next_;
		last = last_;
		began = began_real_;
		soon = soon_;
		took = (ended_ - began_).s();
		left = timed_ ? std::max<std::int64_t>(0, (deadline() - cfs::Instant::now()).s())
			      : spec_.soft.s();
	}
	out.print("status: {}\n", name_of(s));
	if (s == Stage::idle)
		return;
	out.print("recovery_start: {}\n", began);
	if (s == Stage::complete) {
		out.print("recovery_duration: {}\ncompleted_clients: {}/{}\n"
			  "replayed_requests: {}\nlast_transno: {}\nVBR: {}\nIR: {}\n",
			  took, c.done, c.expected, c.replayed, static_cast<u64>(last),
			  checks_versions() ? "ENABLED" : "DISABLED",
			  soon ? "ENABLED" : "DISABLED");
		return;
	}
	out.print("time_remaining: {}\nconnected_clients: {}/{}\nreq_replay_clients: {}\n"
		  "lock_repay_clients: {}\ncompleted_clients: {}\nevicted_clients: {}\n"
		  "replayed_requests: {}\nqueued_requests: {}\nnext_transno: {}\n",
		  left, c.connected, c.expected, c.replaying, c.locking, c.done, c.evicted,
		  c.replayed, c.queued, static_cast<u64>(next));
}

} // namespace target
