// SPDX-License-Identifier: GPL-2.0
#include "mgc/mgc.hpp"

#include <algorithm>

#include "libcfs/log.hpp"
#include "libcfs/node.hpp"
#include "mgc/device.hpp"
#include "mgc/remote_log.hpp"
#include "rpc/format/ops_mgs.hpp"

namespace mgc
{

using namespace cfs::err;
namespace fld = rpc::fld;
namespace op = rpc::op;

namespace
{

constexpr u64 kWantedFlags = wire::OBD_CONNECT_VERSION | wire::OBD_CONNECT_AT |
			     wire::OBD_CONNECT_FULL20 | wire::OBD_CONNECT_IMP_RECOV |
			     wire::OBD_CONNECT_BULK_MBITS | wire::OBD_CONNECT_FLAGS2;

/// kRequeue, and up to as much again, which spreads the clients. What tells where targets run is in
/// a hurry, and the target that caused it is there already.
cfs::Instant requeue_time(Kind kind) noexcept
{
	u32 r = 0;
	cfs_random_bytes(&r, sizeof(r));
	cfs::Duration spread = cfs::Duration::millis(r % MgcDevice::kRequeue.ms());
	return cfs::after(kind == Kind::MGS_CFG_T_RECOVER ? spread : MgcDevice::kRequeue + spread);
}

/// Of what an MGS could not be asked, or gave no answer that makes sense to.
cfs::Instant retry_time(unsigned failures) noexcept
{
	cfs::Instant t = requeue_time(Kind::MGS_CFG_T_CONFIG);
	unsigned doublings = std::min(failures, MgcDevice::kBackoffMax);
	return t + cfs::Duration::millis(MgcDevice::kRequeue.ms() * ((1 << doublings) - 1));
}

constinit const cfs::ParamInfo kParams[] = {
	cfs::param_text<&MgcDevice::show_ir>(
		{.name = "ir_state",
		 .doc = "Whether the MGS tells where targets run (imperative recovery), and which "
			"version of its table each mount has seen.",
		 .tree = CFS_PTREE_DEBUGFS}),
	cfs::param_text<&MgcDevice::show_import>(
		{.name = "import", .doc = "The connection to the MGS.", .tree = CFS_PTREE_DEBUGFS}),
	cfs::param_text<&MgcDevice::show_state>(
		{.name = "state", .doc = "Its states, and since when.", .tree = CFS_PTREE_DEBUGFS}),
};

} // namespace

// ---- life ----

cfs::Result<cfs::UniquePtr<Mgc>> Mgc::create(rpc::Rpc &rpc, ldlm::Ldlm &ldlm,
					     const MgcConfig &config) noexcept
{
	auto m = TRY(cfs::try_make<MgcDevice>(rpc, ldlm));
	TRY(m->init(config));
	return cfs::UniquePtr<Mgc>(std::move(m));
}

/// Targets of a node have an Mgc each, and those are of one name when their MGS is the same.
template <typename F>
cfs::Result<> MgcDevice::with_free_name(F open) noexcept
{
	constexpr unsigned kTries = 1024;
	char name[80];
	auto r = open(std::string_view(device_));
	for (unsigned i = 2; !r && r.error() == EXIST && i < kTries; i++)
		r = open(cfs::format_to(name, "{}-{}", static_cast<const char *>(device_), i));
	return r;
}

cfs::Result<> MgcDevice::init(const MgcConfig &config) noexcept
{
	std::string_view name = cfs::format_cstr(device_, "{}", config.device);
	rpc::ImportSpec s = rpc::mgs_import();
	s.device = name;
	s.target = "MGS";
	s.client_uuid = config.uuid;
	no_ir_ = config.no_ir;
	s.wanted.connect_flags = kWantedFlags & ~(no_ir_ ? wire::OBD_CONNECT_IMP_RECOV : 0);
	s.wanted.connect_flags2 = wire::OBD_CONNECT2_REP_MBITS;
	s.wanted.version = wire::LUSTRE_VERSION_CODE;
	s.required = wire::OBD_CONNECT_FULL20;
	s.user = this;
	import_ = TRY(rpc_.new_import(s));
	TRY(with_free_name(
		[&](std::string_view n) { return locks_.open(ldlm_, *import_, n, *this); }));
	auto started = thread_.start<&MgcDevice::run>(rpc_.node().plat(), "ll_cfg_requeue", this);
	if (!started)
		stop();
	else if (config.params)
		publish(*config.params);
	return started;
}

/// Its files are of use, but not necessary.
void MgcDevice::publish(cfs::ParamGroup &params) noexcept
{
	auto opened = with_free_name([&](std::string_view n) {
		auto r = params_.open(params, n);
		if (r)
			r = params_.add(kParams, this);
		if (!r)
			params_.close();
		return r;
	});
	if (!opened)
		CWARN(kSubsys, "{}: no files of it: rc = {}", static_cast<const char *>(device_),
		      opened);
}

cfs::Result<> MgcDevice::show_ir(cfs::FormatSink &out) noexcept
{
	struct Line {
		char who[sizeof(Followed::shown)];
		u64 version;
	};
	auto lines = TRY(cfs::Array<Line>::make(kSubsys, kFollowedMax));
	std::size_t n = 0;
	{
		cfs::SpinGuard g(lock_);
		for (Followed &f : list_)
			if (f.targets) {
				std::ranges::copy(f.shown, lines[n].who);
				lines[n++].version = f.version;
			}
	}
	out.print("imperative_recovery: {}\nclient_state:\n", has_table() ? "ENABLED" : "DISABLED");
	for (std::size_t i = 0; i < n; i++)
		out.print("    - {{ client: {}, nidtbl_version: {} }}\n",
			  static_cast<const char *>(lines[i].who), lines[i].version);
	return {};
}

cfs::Result<> MgcDevice::connect(cfs::WaitMode mode, cfs::Instant deadline) noexcept
{
	if (!std::exchange(started_, true))
		TRY(import_->start());
	return import_->wait_full(mode, deadline);
}

/// Lock objects must not outlive their namespace.
void MgcDevice::forget_locks() noexcept
{
	for (bool more = true; more;) {
		ldlm::ClientLockPtr lock;
		cfs::SpinGuard g(lock_);
		more = false;
		for (Followed &f : list_)
			if (f.lock) {
				lock = std::move(f.lock);
				more = true;
				break;
			}
		g.unlock();
	}
}

void MgcDevice::stop() noexcept
{
	List left;
	params_.close();
	{
		cfs::SpinGuard g(lock_);
		closing_ = true;
		waitq_.wake_all();
	}
	forget_locks();
	bool reachable = import_->state() == rpc::ImportState::full;
	cfs::Instant until = cfs::after(reachable ? kGoodbye : cfs::Duration{});
	// The thread may wait for a lock that somebody does not give back.
	(void)locks_.ns().close(reachable, cfs::WaitMode::idle, cfs::Instant::now());
	bool idle = gate_.close(cfs::WaitMode::idle, until).has_value();
	bool closed = idle && reachable && locks_.close(true, cfs::WaitMode::idle, until);
	(void)import_->disconnect(cfs::WaitMode::idle, cfs::after(kGoodbye));
	thread_.join();
	(void)gate_.close(cfs::WaitMode::idle, cfs::Instant::never());
	forget_locks();
	if (!closed)
		(void)locks_.close(false, cfs::WaitMode::idle, cfs::Instant::never());
	{
		cfs::SpinGuard g(lock_);
		left.swap(list_);
	}
	left.clear_and_dispose([](Followed *f) { cfs::UniquePtr<Followed>(f).reset(); });
}

void MgcDevice::destroy() noexcept
{
	this->~MgcDevice();
	cfs_free(kSubsys, this, sizeof(*this));
}

// ---- the connection ----

void MgcDevice::on_full(rpc::Import &) noexcept
{
	cfs::SpinGuard g(lock_);
	stale_ = std::exchange(was_full_, true);
	if (announcing_)
		announce_at_ = cfs::Instant::now();
	waitq_.wake_all();
}

bool MgcDevice::replay_locks(rpc::Import &) noexcept
{
	auto pass = gate_.enter();
	return !pass || locks_.ns().replay();
}

void MgcDevice::on_evicted(rpc::Import &) noexcept
{
	evictions_.fetch_add(1, std::memory_order_release);
	if (auto pass = gate_.enter())
		locks_.ns().on_evicted();
}

// ---- locks ----

void MgcDevice::on_cancel(ldlm::ClientLock &lock, const ldlm::CancelInfo &) noexcept
{
	auto id = reinterpret_cast<std::uintptr_t>(lock.user_data());
	ldlm::ClientLockPtr gone;
	cfs::SpinGuard g(lock_);
	for (Followed &f : list_)
		if (f.id == id) {
			f.lost = !closing_;
			f.when = requeue_time(f.kind);
			gone = std::move(f.lock);
			news_ = true;
			waitq_.wake_all();
		}
	g.unlock();
}

cfs::Result<ldlm::ClientLockPtr> MgcDevice::take_lock(const Followed &f,
						      cfs::WaitMode mode) noexcept
{
	ldlm::EnqueueSpec s;
	s.type = ldlm::LDLM_PLAIN;
	s.name = TRY(ldlm::ResName::of_config(f.view(), static_cast<u32>(f.kind)));
	s.mode = ldlm::LCK_CR;
	s.user_data = reinterpret_cast<void *>(f.id);
	s.wait = mode;
	auto got = TRY(locks_.ns().enqueue(s, {}));
	if (!got.use)
		return cfs::fail(PROTO);
	return ldlm::ClientLockPtr::share(got.use.get());
}

/// Takes the lock and reads what is new. The log is busy.
cfs::Result<llog::ProcessResult> MgcDevice::update(Followed &f, cfs::WaitMode mode) noexcept
{
	{
		cfs::SpinGuard g(lock_);
		f.lost = false;
	}
	if (f.targets && !has_table())
		return llog::ProcessResult{};
	auto pass = gate_.enter();
	if (!pass)
		return cfs::fail(SHUTDOWN);
	auto lock = TRY(take_lock(f, mode));
	{
		// It may have been lost again already.
		cfs::SpinGuard g(lock_);
		if (!f.lost && !closing_)
			std::swap(f.lock, lock);
	}
	lock.reset();
	pass.leave();
	if (f.targets) {
		TRY(read_places(f));
		return llog::ProcessResult{};
	}
	auto log = TRY(RemoteLog::open(*import_, f.view()));
	return f.reader->read(log);
}

/// One answer; whether there is more.
cfs::Result<bool> MgcDevice::read_some_places(Followed &f, cfs::MutBytes room) noexcept
{
	PlaceVersions versions{f.version + 1, 0};
	auto req = TRY(rpc::Request<op::MgsConfigRead>::make(*import_));
	wire::MgsConfigBody &b = req.get<fld::MgsConfigBody>();
	if (!b.name.set(f.view()))
		return cfs::fail(NAMETOOLONG);
	b.offset = versions.first;
	b.type = f.kind;
	b.rec_nid_size = sizeof(lnet::Nid);
	b.bits = kPlaceUnitBits;
	b.units = kPlaceUnits;
	req->options.bulk =
		rpc::BulkDesc::linear(rpc::Bulk::to_client, wire::Portal::MGS_BULK_PORTAL, room);
	(void)TRY(req.send_wait());
	auto reply = TRY(req.reply());
	const wire::MgsConfigRes &res = reply.get<fld::MgsConfigRes>();
	std::size_t got = req->bulk_bytes();
	std::size_t bad = 0;
	u64 newest = res.size;
	versions.last = res.offset;
	auto told = got > room.size() || newest < versions.last || newest == ~u64{0}
			    ? cfs::Result<>(cfs::fail(PROTO))
			    : tell_places(room.first(got), versions, *f.targets, &bad);
	if (!told) {
		CERROR(kSubsys,
		       "{}: {:e}: bad answer about versions {} to {} of {}: {} bytes, wrong at {}: "
		       "rc = {}",
		       static_cast<const char *>(device_), f.view(), versions.first, versions.last,
		       newest, got, bad, told);
		return cfs::fail(told.error());
	}
	bool more = got > 0 && versions.last < newest;
	if (more && versions.last < versions.first)
		return cfs::fail(PROTO);
	// One that has begun anew is read from its beginning.
	cfs::SpinGuard g(lock_);
	bool anew = newest < f.version;
	f.version = anew ? 0 : std::max(f.version, versions.last);
	return more || (anew && newest > 0);
}

/// What is new in the table of where targets run. It is busy.
cfs::Result<> MgcDevice::read_places(Followed &f) noexcept
{
	std::size_t bytes = std::size_t{kPlaceUnits} << kPlaceUnitBits;
	auto room = TRY(cfs::Array<std::byte>::make(kSubsys, bytes));
	for (unsigned i = 0; i < kPlaceAnswersMax; i++)
		if (!TRY(read_some_places(f, {room.data(), bytes})))
			return {};
	CERROR(kSubsys, "{}: {:e} has no end after {} answers", static_cast<const char *>(device_),
	       f.view(), kPlaceAnswersMax);
	return cfs::fail(PROTO);
}

// ---- the thread ----

MgcDevice::Followed *MgcDevice::due(cfs::Instant now) noexcept
{
	if (import_->state() != rpc::ImportState::full)
		return nullptr;
	for (Followed &f : list_)
		if (f.lost && !f.busy && now >= f.when)
			return &f;
	return nullptr;
}

cfs::Instant MgcDevice::next_time() noexcept
{
	cfs::Instant t = cfs::Instant::never();
	for (Followed &f : list_)
		if (f.lost && !f.busy)
			t = std::min(t, f.when);
	t = std::min(t, announce_at_);
	cfs::Instant soon = cfs::after(cfs::Duration::seconds(1));
	return t.is_never() ? t : std::max(t, soon);
}

/// Gives every lock back; they are taken again like any that was lost.
void MgcDevice::drop_locks() noexcept
{
	ldlm::DropSpec all;
	all.type = ldlm::LDLM_PLAIN;
	all.name_given = false;
	if (auto pass = gate_.enter())
		(void)locks_.ns().drop(all);
}

MgcDevice::Work MgcDevice::next_work() noexcept
{
	Work w;
	cfs::SpinGuard g(lock_);
	auto ready = [this]() CFS_NO_TSA {
		return closing_ || stale_ || news_ || announce_due() || due(cfs::Instant::now());
	};
	(void)waitq_.wait(lock_, cfs::WaitMode::idle, next_time(), ready);
	news_ = false;
	w.end = closing_;
	w.stale = std::exchange(stale_, false);
	// Another MGS may have what its predecessor lacked.
	for (Followed &t : list_)
		if (w.stale && t.targets && !t.lock && !t.lost) {
			t.lost = true;
			t.when = requeue_time(t.kind);
		}
	if (w.end || w.stale)
		return w;
	w.announce = announce_due();
	if (w.announce)
		return w;
	w.read = due(cfs::Instant::now());
	if (w.read)
		w.read->busy = true;
	return w;
}

void MgcDevice::run() noexcept
{
	for (;;) {
		Work w = next_work();
		if (w.end)
			return;
		if (w.stale)
			drop_locks();
		if (w.announce)
			announce_again();
		if (w.read)
			reread(*w.read);
	}
}

void MgcDevice::reread(Followed &f) noexcept
{
	auto r = update(f, cfs::WaitMode::idle);
	cfs::SpinGuard g(lock_);
	f.busy = false;
	if (r)
		f.failures = 0;
	else if (!closing_)
		failed(f, r.error());
	waitq_.wake_all();
}

/// It could not be read. What is not there is not an error: its lock tells when it comes.
void MgcDevice::failed(Followed &f, cfs::Errno why) noexcept
{
	if (why == NOENT || (f.targets && why == OPNOTSUPP))
		return;
	f.lost = true;
	f.when = retry_time(f.failures++);
	CWARN(kSubsys, "{}: cannot read log {:e}: rc = {}; trying again",
	      static_cast<const char *>(device_), f.view(), why);
}

// ---- logs ----

cfs::Result<llog::ProcessResult> MgcDevice::read_log(std::string_view name,
						     llog::ConfigHandler &handler,
						     std::string_view excluded) noexcept
{
	auto log = TRY(RemoteLog::open(*import_, name));
	llog::ConfigReader reader(handler, name, excluded);
	return reader.read(log);
}

cfs::Result<llog::ProcessResult> MgcDevice::follow(std::string_view name, Kind kind,
						   llog::ConfigHandler &handler, bool optional,
						   std::string_view excluded) noexcept
{
	if (name.size() > sizeof(Followed::name))
		return cfs::fail(NAMETOOLONG);
	auto made = TRY(cfs::try_make<Followed>(name, kind, handler, excluded));
	Followed &f = *TRY(add(std::move(made)));
	auto r = read_first(f);
	bool keep = r || (optional && r.error() == NOENT);
	end_first_read(f);
	if (!keep)
		remove(f);
	return r;
}

/// An MGS that has restarted knows nobody, and what was under way fails: then it is read again.
cfs::Result<llog::ProcessResult> MgcDevice::read_first(Followed &f) noexcept
{
	for (;;) {
		u32 before = evictions_.load(std::memory_order_acquire);
		auto r = update(f, cfs::WaitMode::killable);
		if (r || (r.error() != IO && r.error() != STALE))
			return r;
		if (import_->state() == rpc::ImportState::full &&
		    evictions_.load(std::memory_order_acquire) == before)
			return r; // the MGS's own word
		TRY(import_->wait_full(cfs::WaitMode::killable, cfs::Instant::never()));
	}
}

/// It is busy until end_first_read().
cfs::Result<MgcDevice::Followed *> MgcDevice::add(cfs::UniquePtr<Followed> made) noexcept
{
	cfs::SpinGuard g(lock_);
	if (list_.size() >= kFollowedMax)
		return cfs::fail(NOSPC);
	made->id = ++last_id_;
	made->busy = true;
	list_.push_back(*made);
	return made.release();
}

void MgcDevice::end_first_read(Followed &f) noexcept
{
	cfs::SpinGuard g(lock_);
	f.busy = false;
	waitq_.wake_all();
}

cfs::Result<> MgcDevice::follow_targets(std::string_view name, TargetFollower &follower,
					std::string_view shown) noexcept
{
	if (name.size() >= sizeof(Followed::name))
		return cfs::fail(NAMETOOLONG);
	auto made = TRY(cfs::try_make<Followed>(name, follower, shown));
	Followed &f = *TRY(add(std::move(made)));
	auto r = update(f, cfs::WaitMode::killable);
	if (!r) {
		cfs::SpinGuard g(lock_);
		failed(f, r.error());
	}
	end_first_read(f);
	return {};
}

/// Of a log that is not busy, or will not be for long.
void MgcDevice::remove(Followed &f) noexcept
{
	ldlm::ClientLockPtr lock;
	auto idle = [&f]() CFS_NO_TSA { return !f.busy; };
	for (bool out = false; !out;) {
		{
			cfs::SpinGuard g(lock_);
			out = waitq_.wait(lock_, cfs::WaitMode::idle, cfs::after(kGoodbye), idle)
				      .has_value();
			if (out) {
				list_.erase(list_.iterator_to(f));
				lock = std::move(f.lock);
			}
		}
		if (out)
			break;
		// It is being read from an MGS that does not answer, or waits for a lock that
		// another client holds, and an unmount must end: what is under way fails, and
		// others read their logs again.
		if (auto pass = gate_.enter())
			locks_.ns().give_up_waiting();
		import_->set_active(false);
		import_->set_active(true);
	}
	if (lock)
		locks_.ns().cancel(*lock, false);
	cfs::UniquePtr<Followed>(&f).reset();
}

void MgcDevice::remove(std::string_view name, const void *user) noexcept
{
	Followed *found = nullptr;
	{
		cfs::SpinGuard g(lock_);
		for (Followed &f : list_)
			if (f.view() == name && f.user == user)
				found = &f;
	}
	if (found)
		remove(*found);
}

void MgcDevice::unfollow(std::string_view name, llog::ConfigHandler &handler) noexcept
{
	remove(name, &handler);
}

void MgcDevice::unfollow_targets(std::string_view name, TargetFollower &follower) noexcept
{
	remove(name, &follower);
}

} // namespace mgc
