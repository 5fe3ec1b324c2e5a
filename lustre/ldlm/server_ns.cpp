// SPDX-License-Identifier: GPL-2.0
//
// Objects of a target's namespace: how resources, locks and peers come and go. See server_ns.hpp.
#include "lustre/ldlm/server_ns.hpp"

#include "lustre/ldlm/server_locked.hpp"

namespace ldlm
{

using namespace cfs::err;

namespace
{

constexpr auto kPoolPeriod = cfs::Duration::seconds(1);

constinit const cfs::StatInfo kPeerStatInfos[kPeerStats] = {
	{"ldlm_enqueue", "reqs", cfs::StatKind::events},
	{"ldlm_convert", "reqs", cfs::StatKind::events},
	{"ldlm_cancel", "reqs", cfs::StatKind::events},
	{"ldlm_bl_callback", "reqs", cfs::StatKind::events},
	{"ldlm_cp_callback", "reqs", cfs::StatKind::events},
	{"ldlm_gl_callback", "reqs", cfs::StatKind::events},
};

constinit const cfs::ParamInfo kServerParams[] = {
	cfs::param_int<&ServerNs::show_lock_count>(
		{.name = "lock_count", .doc = "Locks there are.", .unit = "locks"}),
	cfs::param_int<&ServerNs::show_unused>({.name = "lock_unused_count",
						.doc = "Unused locks; servers have none.",
						.unit = "locks"}),
	cfs::param_int<&ServerNs::show_resource_count>(
		{.name = "resource_count", .doc = "Objects that have locks.", .unit = "objects"}),
	cfs::param_int<&ServerNs::show_lru_size>(
		{.name = "lru_size", .doc = "Without meaning on servers.", .unit = "locks"}),
	cfs::param_int<&ServerNs::max_parallel_ast_>(
		{.name = "max_parallel_ast",
		 .doc = "Callbacks to clients that may be on their way at once.",
		 .unit = "callbacks",
		 .by_default = 1024,
		 .min = 1}),
	cfs::param_int<&ServerNs::contended_locks_>(
		{.name = "contended_locks",
		 .doc = "Conflicting locks from which an object counts as contended.",
		 .unit = "locks",
		 .by_default = 32}),
	cfs::param_duration<&ServerNs::contention_ns_>({.name = "contention_seconds",
							.doc = "For how long.",
							.by_default = 2,
							.scale = cfs::kScaleSec}),
	cfs::param_int<&ServerNs::max_nolock_bytes_>(
		{.name = "max_nolock_bytes",
		 .doc = "Requests on contended objects up to this size are told to do without "
			"locks.",
		 .unit = "bytes"}),
	cfs::param_int<&ServerNs::lock_timeouts_>(
		{.name = "lock_timeouts",
		 .doc = "Clients asked to be evicted because they kept a lock too long.",
		 .unit = "locks",
		 .read_only = true}),
};

constinit const cfs::ParamInfo kPoolParams[] = {
	cfs::param_int<&ServerNs::show_limit>({.name = "limit",
					       .doc = "Locks this namespace may have granted.",
					       .unit = "locks"}),
	cfs::param_int<&ServerNs::show_lock_count>(
		{.name = "granted", .doc = "Locks granted.", .unit = "locks"}),
	cfs::param_int<&ServerNs::show_slv>(
		{.name = "server_lock_volume",
		 .doc = "What clients measure the age and number of their unused locks by.",
		 .unit = "lock seconds"}),
	cfs::param_text<&ServerNs::show_state>(
		{.name = "state", .doc = "The pool at a glance.", .tree = CFS_PTREE_DEBUGFS}),
};

} // namespace

// ---- peers ----

bool PeerImpl::add(ServerLockImpl &l) noexcept
{
	cfs::SpinGuard g(lock_);
	if (gone_)
		return false;
	locks_.push_back(l);
	count_.fetch_add(1, std::memory_order_relaxed);
	return true;
}

void PeerImpl::remove(ServerLockImpl &l) noexcept
{
	cfs::SpinGuard g(lock_);
	if (!l.in_peer.is_linked())
		return;
	locks_.erase(locks_.iterator_to(l));
	count_.fetch_sub(1, std::memory_order_relaxed);
}

void PeerImpl::leave() noexcept
{
	cfs::SpinGuard g(lock_);
	gone_ = true;
}

bool PeerImpl::gone() noexcept
{
	cfs::SpinGuard g(lock_);
	return gone_;
}

LockPtr PeerImpl::any() noexcept
{
	cfs::SpinGuard g(lock_);
	return locks_.empty() ? nullptr : LockPtr::share(&locks_.front());
}

void PeerImpl::evict(std::string_view what) noexcept
{
	if (!evicted_.exchange(true, std::memory_order_relaxed))
		link_.evict(what);
}

// ---- locks ----

ServerLockImpl::~ServerLockImpl()
{
	ns.put_resource(*res);
}

LockDesc ServerLockImpl::desc() const noexcept
{
	cfs::MutexGuard g(res->lock);
	return desc_locked();
}

PeerPtr ServerLockImpl::peer() const noexcept
{
	cfs::MutexGuard g(res->lock);
	return owner;
}

bool ServerLockImpl::granted() const noexcept
{
	cfs::MutexGuard g(res->lock);
	return place == Place::granted;
}

// ---- the namespace ----

cfs::Result<cfs::UniquePtr<ServerNs>> ServerNs::make(LdlmNode &node,
						     const ServerSpec &spec) noexcept
{
	auto ns = TRY(cfs::try_make<ServerNs>(node));
	(void)cfs::format_to(ns->name_, "{}", spec.name);
	ns->lvb_ = spec.lvb;
	ns->recovering_.store(spec.recovering);
	CFS_ASSERT(!spec.lvb || spec.lvb->lvb_bytes() <= sizeof(wire::OstLvb));
	TRY(ns->resources_.open(node.workq()));
	TRY(ns->by_handle_.open(kSubsys, &node.workq()));
	TRY(ns->by_client_.open(kSubsys, &node.workq()));
	TRY(ns->params_.open(node.namespaces(), spec.name));
	TRY(ns->params_.add(kServerParams, ns.get()));
	TRY(ns->pool_params_.open(ns->params_, "pool"));
	TRY(ns->pool_params_.add(kPoolParams, ns.get()));
	node.pool_joined();
	ns->in_pool_ = true;
	ns->recalc_pool();
	return ns;
}

cfs::Result<> ServerNs::close(cfs::WaitMode mode, cfs::Instant deadline) noexcept
{
	TRY(gate_.close(mode, deadline));
	recovering_.store(false);
	// What is left is a bug of the target's, but must not keep it from ending.
	for (;;) {
		LockPtr left;
		by_handle_.for_each([&](ServerLockImpl &l) {
			left = LockPtr::share(&l);
			return false;
		});
		if (!left)
			break;
		CWARN(CFS_S_LDLM, "{}: a lock is left at the end: {}", name_, left->desc());
		(void)end_lock(*left);
	}
	{
		cfs::SpinGuard g(timer_lock_);
		closing_ = true;
	}
	pool_timer_.cancel_sync();
	timer_.cancel_sync();
	ast_timer_.cancel_sync();
	asts_paused_.store(false, std::memory_order_relaxed);
	drain_asts();
	CFS_ASSERT(asts_running_.load() == 0);
	return {};
}

void ServerNs::destroy() noexcept
{
	{
		cfs::SpinGuard g(timer_lock_);
		closing_ = true;
	}
	pool_timer_.cancel_sync();
	timer_.cancel_sync();
	ast_timer_.cancel_sync();
	pool_params_.close();
	params_.close();
	by_client_.close();
	by_handle_.close();
	resources_.close();
	if (in_pool_)
		node_.pool_left();
	this->~ServerNs();
	cfs_free(kSubsys, this, sizeof(*this));
}

cfs::Result<PeerPtr> ServerNs::attach(PeerLink &link) noexcept
{
	auto pass = gate_.enter();
	if (!pass)
		return cfs::fail(SHUTDOWN);
	u64 id = peers_.fetch_add(1, std::memory_order_relaxed) + 1;
	auto peer = TRY(cfs::try_make_ref<PeerImpl>(id, link));
	TRY(peer->stats_.open(kSubsys, kPeerStatInfos, cfs::StatShards::single));
	return PeerPtr(std::move(peer));
}

void ServerNs::detach(Peer &peer) noexcept
{
	auto &p = static_cast<PeerImpl &>(peer);
	p.leave();
	p.asts.shut();
	while (LockPtr l = p.any()) {
		publish_size(*l, true);
		if (!end_lock(*l))
			p.remove(*l); // somebody else is ending it
	}
	// The answers come: a dying export ends what is under way.
	(void)p.asts.close(cfs::WaitMode::idle, cfs::Instant::never());
}

// ---- resources ----

ResourcePtr ServerNs::find_resource(const ResKey &key) noexcept
{
	return resources_.find(key);
}

cfs::Result<ResourcePtr> ServerNs::get_resource(const ResKey &key) noexcept
{
	return resources_.get(key, &flocks_);
}

void ServerNs::put_resource(Resource &r) noexcept
{
	resources_.put(r);
}

// ---- making and forgetting locks ----

cfs::Result<LockPtr> ServerNs::make_lock(const ResKey &key, bool flock_parts) noexcept
{
	ResourcePtr r = TRY(get_resource(key));
	auto made = cfs::try_make_ref<ServerLockImpl>(*this, node_.new_cookie(), r);
	if (!made) {
		put_resource(*r);
		return cfs::fail(made.error());
	}
	LockPtr l = std::move(*made);
	if (flock_parts) {
		l->flock_part = TRY(cfs::try_make<FlockPart>(*l));
		l->spare_ref = TRY(make_lock(key, false));
		l->flock_part->spare = l->spare_ref.get();
		l->flock = l->flock_part.get();
	}
	return l;
}

cfs::Result<> ServerNs::add_lock(ServerLockImpl &l) noexcept
{
	CFS_ASSERT(!l.registered.load(std::memory_order_relaxed));
	if (l.owner && !l.owner->add(l))
		return cfs::fail(NOTCONN);
	// From here on it can be found, and its client may be detached.
	(void)by_handle_.insert(LockPtr::share(&l));
	if (l.client_handle && !by_client_.insert(LockPtr::share(&l))) {
		// A client may not use a name twice.
		(void)by_handle_.erase(l);
		l.owner->remove(l);
		return cfs::fail(PROTO);
	}
	if (l.owner)
		node_.server_lock_added();
	grants_.fetch_add(1, std::memory_order_relaxed);
	l.registered.store(true, std::memory_order_release);
	return {};
}

void ServerNs::forget(ServerLockImpl &l) noexcept
{
	if (!l.registered.exchange(false, std::memory_order_acq_rel))
		return;
	stop_timer(l);
	(void)by_handle_.erase(l);
	(void)by_client_.erase(l);
	if (l.owner) {
		l.owner->remove(l);
		node_.server_lock_gone();
	}
	cancels_.fetch_add(1, std::memory_order_relaxed);
}

void ServerNs::take_work(Resource &r, Work &work, After &after) noexcept
{
	while (!work.born.empty()) {
		auto &l = static_cast<ServerLockImpl &>(work.born.front());
		work.born.pop_front();
		if (add_lock(l))
			continue;
		r.table.remove(l);
		l.dead = true;
	}
	while (!work.blocking.empty()) {
		auto &l = static_cast<ServerLockImpl &>(work.blocking.front());
		work.blocking.pop_front();
		// The answer to its enqueue will tell.
		if (l.replying)
			continue;
		l.bl_due = true;
		owe(l);
	}
	bool wake = false;
	while (!work.granted.empty()) {
		auto &l = static_cast<ServerLockImpl &>(work.granted.front());
		work.granted.pop_front();
		bool refused = l.place != TableLock::Place::granted;
		if (!l.owner) {
			wake = true;
		} else if (!l.replying || refused) {
			l.cp_due = true;
			owe(l);
		}
	}
	if (wake)
		r.granted_wait.wake_all();
	while (!work.dead.empty()) {
		auto &l = static_cast<ServerLockImpl &>(work.dead.front());
		work.dead.pop_front();
		CFS_ASSERT(!l.dead);
		l.dead = true;
		l.get();
		after.dead.push_back(l);
	}
}

void ServerNs::finish(After &after) noexcept
{
	while (!after.dead.empty()) {
		LockPtr l = LockPtr::adopt(static_cast<ServerLockImpl *>(&after.dead.front()));
		after.dead.pop_front();
		forget(*l);
	}
	drain_asts();
}

bool ServerNs::end_lock(ServerLockImpl &l) noexcept
{
	After after;
	LockPtr keep = LockPtr::share(&l);
	{
		Locked g(*this, *l.res);
		if (l.dead)
			return false;
		l.dead = true;
		Work work;
		l.res->table.remove(l);
		if (!recovering_.load())
			l.res->table.reprocess(rules(), work);
		take_work(*l.res, work, after);
		if (!l.owner)
			l.res->granted_wait.wake_all();
	}
	forget(l);
	finish(after);
	return true;
}

LockPtr ServerNs::find_lock(Peer *peer, u64 handle) noexcept
{
	LockPtr l = handle ? by_handle_.find(handle) : nullptr;
	if (!l || !peer)
		return l;
	// Handles are only good for who got them.
	cfs::MutexGuard g(l->res->lock);
	return l->owner.get() == static_cast<PeerImpl *>(peer) ? l : nullptr;
}

ServerLockPtr ServerNs::find(Peer *peer, u64 handle) noexcept
{
	return find_lock(peer, handle);
}

ServerLockPtr ServerNs::find_by_client(Peer &peer, u64 client_handle) noexcept
{
	return by_client_.find({static_cast<PeerImpl &>(peer).id(), client_handle});
}

// ---- recovery ----

bool ServerNs::queue_for_recovery(Resource &r) noexcept
{
	cfs::SpinGuard g(recovery_lock_);
	if (!recovering_.load())
		return false;
	if (!r.in_recovery.is_linked()) {
		r.get();
		queued_.push_back(r);
	}
	return true;
}

void ServerNs::recovery_done() noexcept
{
	for (;;) {
		ResourcePtr r;
		{
			cfs::SpinGuard g(recovery_lock_);
			recovering_.store(false);
			if (queued_.empty())
				return;
			r = ResourcePtr::adopt(&queued_.front());
			queued_.pop_front();
		}
		After after;
		{
			Locked g(*this, *r);
			Work work;
			r->table.reprocess(rules(), work);
			take_work(*r, work, after);
		}
		finish(after);
	}
}

// ---- looking ----

void ServerNs::dump(cfs::FormatSink &out, std::size_t max) noexcept
{
	auto locks = cfs::Array<LockPtr>::make(kSubsys, max);
	if (!locks)
		return;
	std::size_t n = 0;
	by_handle_.for_each([&](ServerLockImpl &l) {
		if (n == locks->size())
			return false;
		(*locks)[n++] = LockPtr::share(&l);
		return true;
	});
	out.print("{}: {} locks on {} objects\n", name_, lock_count(), resource_count());
	for (std::size_t i = 0; i < n; i++) {
		ServerLockImpl &l = *(*locks)[i];
		cfs::MutexGuard g(l.res->lock);
		out.print("{:#x}/{:#x} {}{}{} ", l.handle_, l.client_handle, l.desc_locked(),
			  l.asked_back ? " wanted back" : "",
			  l.place == TableLock::Place::waiting ? " waiting" : "");
		if (l.owner)
			l.owner->link().describe(out);
		else
			out.put("local");
		out.put('\n');
	}
}

void ServerNs::recalc_pool() noexcept
{
	// So that a client's unused lock of full age costs exactly what there is.
	constexpr u64 kMaxAge = 36000;
	u64 limit = node_.pool_share();
	u64 granted = lock_count();
	u64 slv = slv_.load(std::memory_order_relaxed);
	if (slv == 0) {
		slv = limit * kMaxAge;
	} else {
		// More granted than planned shrinks the volume, fewer let it grow.
		std::int64_t over =
			static_cast<std::int64_t>(granted) - static_cast<std::int64_t>(planned_);
		std::int64_t part = 1000 - over * 1000 / static_cast<std::int64_t>(limit);
		u64 factor = part < 1 ? 1 : static_cast<u64>(part);
		slv = slv / 1000 * factor + slv % 1000 * factor / 1000;
	}
	slv = slv < 1 ? 1 : slv > limit * kMaxAge ? limit * kMaxAge : slv;
	planned_ = granted + (limit > granted ? (limit - granted) / 4 : 0);
	slv_.store(slv, std::memory_order_relaxed);
	limit_.store(static_cast<u32>(limit), std::memory_order_relaxed);
	u64 grants = grants_.load(std::memory_order_relaxed);
	u64 cancels = cancels_.load(std::memory_order_relaxed);
	grant_rate_.store(grants - grants_seen_, std::memory_order_relaxed);
	cancel_rate_.store(cancels - cancels_seen_, std::memory_order_relaxed);
	grants_seen_ = grants;
	cancels_seen_ = cancels;
	cfs::SpinGuard g(timer_lock_);
	if (!closing_)
		pool_timer_.arm(node_.workq(), cfs::after(kPoolPeriod));
}

void ServerNs::show_state(cfs::FormatSink &out) noexcept
{
	u64 gr = grant_rate_.load(std::memory_order_relaxed);
	u64 cr = cancel_rate_.load(std::memory_order_relaxed);
	out.print("LDLM pool state (ldlm-pool-{}-0):\n  SLV: {}\n  CLV: 0\n  LVF: 0\n  GR:  {}\n"
		  "  CR:  {}\n  GS:  {}\n  G:   {}\n  L:   {}\n",
		  name_, server_lock_volume(), gr, cr,
		  static_cast<std::int64_t>(gr) - static_cast<std::int64_t>(cr), lock_count(),
		  pool_limit());
}

} // namespace ldlm
