// SPDX-License-Identifier: GPL-2.0
//
// Objects of a client's namespace and their ends; see client_ns.hpp.
#include "lustre/ldlm/client_ns.hpp"

#include "libcfs/parse.hpp"
#include "lustre/ldlm/client_walk.hpp"

namespace ldlm
{

using namespace cfs::err;

namespace
{

constexpr auto kLruPeriod = cfs::Duration::seconds(10);

constinit const cfs::ParamInfo kClientParams[] = {
	cfs::param_int<&ClientNs::show_lock_count>(
		{.name = "lock_count", .doc = "Locks held or asked for.", .unit = "locks"}),
	cfs::param_int<&ClientNs::show_unused>({.name = "lock_unused_count",
						.doc = "Locks cached but not in use.",
						.unit = "locks"}),
	cfs::param_int<&ClientNs::show_resource_count>(
		{.name = "resource_count", .doc = "Objects that have locks.", .unit = "objects"}),
	cfs::param_text<&ClientNs::show_lru_size, &ClientNs::set_lru_size>(
		{.name = "lru_size",
		 .doc = "Unused locks to keep: 0 leaves it to the server; writing clear gives all "
			"of them back."}),
	cfs::param_text<&ClientNs::show_max_age, &ClientNs::set_max_age>(
		{.name = "lru_max_age",
		 .doc = "Unused locks older than this are given back: milliseconds, or with a unit "
			"(s, ms, us, ns)."}),
	cfs::param_int<&ClientNs::cancel_batch_>(
		{.name = "lru_cancel_batch",
		 .doc = "Unused locks given back at least when there are too many.",
		 .unit = "locks",
		 .by_default = 16,
		 .min = 1}),
	cfs::param_duration<&ClientNs::dirty_age_ns_>(
		{.name = "dirty_age_limit",
		 .doc = "A write lock unused for so long goes after somebody asked for the size.",
		 .by_default = 10,
		 .scale = cfs::kScaleSec}),
	cfs::param_duration<&ClientNs::ctime_age_ns_>(
		{.name = "ctime_age_limit",
		 .doc = "Age from which a file counts as settled.",
		 .by_default = 10,
		 .scale = cfs::kScaleSec}),
	cfs::param_int<&ClientNs::recalc_percent_>(
		{.name = "ns_recalc_pct",
		 .doc = "Share of the unused locks looked at in one period.",
		 .unit = "%",
		 .by_default = 10,
		 .max = 100}),
	cfs::param_bool<&ClientNs::early_cancel_>(
		{.name = "early_lock_cancel",
		 .doc = "Whether locks that a request makes useless are given back inside it.",
		 .by_default = 1}),
};

constinit const cfs::ParamInfo kPoolParams[] = {
	cfs::param_int<&ClientNs::show_slv>(
		{.name = "server_lock_volume",
		 .doc = "What the server says the age and number of unused locks may come to.",
		 .unit = "lock seconds"}),
	cfs::param_int<&ClientNs::show_limit>(
		{.name = "limit", .doc = "Locks the server can grant.", .unit = "locks"}),
	cfs::param_int<&ClientNs::show_lock_count>(
		{.name = "granted", .doc = "Locks held here.", .unit = "locks"}),
	cfs::param_percent<&ClientNs::lock_volume_factor_>(
		{.name = "lock_volume_factor",
		 .doc = "Weight of this client's locks: more gives them back sooner.",
		 .by_default = 100}),
};

} // namespace

ClientLockImpl::~ClientLockImpl()
{
	ns.put_resource(*res);
}

ClientNamespace &ClientLockImpl::owner() const noexcept
{
	return ns;
}

LockDesc ClientLockImpl::desc() const noexcept
{
	cfs::MutexGuard s(ns.stripe(*this));
	cfs::MutexGuard g(res->lock);
	return desc_locked();
}

bool ClientLockImpl::valid() const noexcept
{
	cfs::MutexGuard s(ns.stripe(*this));
	cfs::MutexGuard g(res->lock);
	return state == State::granted && !lost;
}

bool ClientLockImpl::wanted_back() const noexcept
{
	cfs::MutexGuard s(ns.stripe(*this));
	cfs::MutexGuard g(res->lock);
	return full_cancel || cancel_bits != 0;
}

cfs::Result<cfs::UniquePtr<ClientNs>> ClientNs::make(LdlmNode &node,
						     const ClientSpec &spec) noexcept
{
	auto ns = TRY(cfs::try_make<ClientNs>(node));
	(void)cfs::format_to(ns->name_, "{}", spec.name);
	ns->user_ = spec.user;
	ns->link_ = spec.link;
	for (Worker &w : ns->workers_)
		w.ns = ns.get();
	TRY(ns->resources_.open(node.workq()));
	TRY(ns->by_handle_.open(kSubsys, &node.workq()));
	TRY(ns->params_.open(node.namespaces(), spec.name));
	TRY(ns->params_.add(kClientParams, ns.get()));
	TRY(ns->pool_params_.open(ns->params_, "pool"));
	TRY(ns->pool_params_.add(kPoolParams, ns.get()));
	ns->lru_timer_.arm(node.workq(), cfs::after(kLruPeriod));
	return ns;
}

void ClientNs::end_at_close(ClientLockImpl &l) noexcept
{
	cfs::MutexGuard s(stripe(l));
	if (l.state == State::waiting) {
		fail_lock(l, SHUTDOWN);
		return;
	}
	if (l.state != State::granted)
		return;
	cfs::MutexGuard g(l.res->lock);
	l.full_cancel = true;
	if (start_cancel(l, {CancelReason::user, false}))
		queue_cancel(l);
}

bool ClientNs::all_given_back() noexcept
{
	// In this order: a worker counts itself before the lock it took leaves.
	if (by_handle_.size() != 0)
		return false;
	if (!tell_server_.load())
		return true; // the disconnect ends what is still being sent
	cfs::SpinGuard g(todo_lock_);
	return working_ == 0;
}

cfs::Result<> ClientNs::close(bool tell_server, cfs::WaitMode mode, cfs::Instant deadline) noexcept
{
	gate_.shut();
	tell_server_.store(tell_server);
	for_all([this](ClientLockImpl &l) { end_at_close(l); });
	TRY(empty_.wait(mode, deadline, [this] { return all_given_back(); }));
	TRY(gate_.close(mode, deadline));
	return callbacks_.close(mode, deadline);
}

void ClientNs::destroy() noexcept
{
	{
		cfs::SpinGuard g(todo_lock_);
		closing_ = true;
	}
	lru_timer_.cancel_sync();
	trim_.cancel_sync();
	sender_timer_.cancel_sync();
	sender_.cancel_sync();
	for (Worker &w : workers_)
		if (w.ns)
			w.work.cancel_sync();
	worker(); // what was queued for a worker that had been stopped
	send_ready();
	pool_params_.close();
	params_.close();
	by_handle_.close();
	resources_.close();
	this->~ClientNs();
	cfs_free(kSubsys, this, sizeof(*this));
}

cfs::Result<ClientLockImplPtr> ClientNs::make_lock(const ResKey &key, bool flock_parts) noexcept
{
	ClientResourcePtr r = TRY(resources_.get(key));
	auto made = cfs::try_make_ref<ClientLockImpl>(*this, node_.new_cookie(), r);
	if (!made) {
		resources_.put(*r);
		return cfs::fail(made.error());
	}
	ClientLockImplPtr l = std::move(*made);
	if (flock_parts) {
		l->flock_part = TRY(cfs::try_make<FlockPart>(*l));
		l->spare_ref = TRY(make_lock(key, false));
		l->flock_part->spare = l->spare_ref.get();
		l->flock = l->flock_part.get();
	}
	return l;
}

void ClientNs::forget(ClientLockImpl &l) noexcept
{
	if (by_handle_.erase(l) && by_handle_.size() == 0)
		empty_.wake_all();
}

void ClientNs::leave(ClientLockImpl &l) noexcept
{
	{
		cfs::MutexGuard s(stripe(l));
		cfs::MutexGuard g(l.res->lock);
		l.res->table.remove(l);
		l.state = State::over;
	}
	forget(l);
}

void ClientNs::for_each(LockType type, const ResName &name, LockVisitor &v) noexcept
{
	ClientResourcePtr r = resources_.find({type, name});
	if (!r)
		return;
	cfs::MutexGuard g(r->lock);
	(void)r->table.for_granted([&](TableLock &t) {
		auto &l = static_cast<ClientLockImpl &>(t);
		return v.on_lock(l, l.desc_locked(), l.full_cancel || l.cancel_bits || l.canceling);
	});
}

void ClientNs::on_reply(u64 slv, u32 limit) noexcept
{
	if (slv == 0 || limit == 0)
		return;
	slv_.store(slv, std::memory_order_relaxed);
	limit_.store(limit, std::memory_order_relaxed);
}

// ---- parameters ----

void ClientNs::show_lru_size(cfs::FormatSink &out) noexcept
{
	u32 fixed = lru_size_.load(std::memory_order_relaxed);
	out.print("{}", fixed ? fixed : unused_count());
}

cfs::Result<> ClientNs::set_lru_size(std::string_view text) noexcept
{
	if (text == "clear") {
		(void)clear_unused();
		return {};
	}
	u64 n = TRY(cfs::parse_u64(text));
	if (n > UINT32_MAX)
		return cfs::fail(RANGE);
	lru_size_.store(static_cast<u32>(n), std::memory_order_relaxed);
	trim_.queue(node_.cancel_workq());
	return {};
}

void ClientNs::show_max_age(cfs::FormatSink &out) noexcept
{
	out.print("{}", max_age_ns_.load(std::memory_order_relaxed) / 1'000'000);
}

cfs::Result<> ClientNs::set_max_age(std::string_view text) noexcept
{
	u64 scale = 1'000'000;
	struct Unit {
		std::string_view suffix;
		u64 ns;
	};
	for (Unit u :
	     {Unit{"ms", 1'000'000}, Unit{"us", 1'000}, Unit{"ns", 1}, Unit{"s", 1'000'000'000}})
		if (text.ends_with(u.suffix)) {
			text.remove_suffix(u.suffix.size());
			scale = u.ns;
			break;
		}
	u64 v = TRY(cfs::parse_u64(text));
	if (__builtin_mul_overflow(v, scale, &v))
		return cfs::fail(RANGE);
	max_age_ns_.store(v, std::memory_order_relaxed);
	return {};
}

} // namespace ldlm
