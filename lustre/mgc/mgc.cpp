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

/// IMP_RECOV is not asked for: nobody here would read the tables that come with it.
constexpr u64 kWantedFlags = wire::OBD_CONNECT_VERSION | wire::OBD_CONNECT_AT |
			     wire::OBD_CONNECT_FULL20 | wire::OBD_CONNECT_BULK_MBITS |
			     wire::OBD_CONNECT_FLAGS2;

/// kRequeue, and up to as much again.
cfs::Instant requeue_time() noexcept
{
	u32 r = 0;
	cfs_random_bytes(&r, sizeof(r));
	return cfs::after(MgcDevice::kRequeue +
			  cfs::Duration::millis(r % MgcDevice::kRequeue.ms()));
}

} // namespace

// ---- life ----

cfs::Result<cfs::UniquePtr<Mgc>> Mgc::create(rpc::Rpc &rpc, ldlm::Ldlm &ldlm,
					     const MgcConfig &config) noexcept
{
	auto m = TRY(cfs::try_make<MgcDevice>(rpc, ldlm));
	TRY(m->init(config));
	return cfs::UniquePtr<Mgc>(std::move(m));
}

cfs::Result<> MgcDevice::init(const MgcConfig &config) noexcept
{
	std::string_view name = cfs::format_cstr(device_, "{}", config.device);
	rpc::ImportSpec s = rpc::mgs_import();
	s.device = name;
	s.target = "MGS";
	s.client_uuid = config.uuid;
	s.wanted.connect_flags = kWantedFlags;
	s.wanted.connect_flags2 = wire::OBD_CONNECT2_REP_MBITS;
	s.wanted.version = wire::LUSTRE_VERSION_CODE;
	s.required = wire::OBD_CONNECT_FULL20;
	s.user = this;
	import_ = TRY(rpc_.new_import(s));
	TRY(locks_.open(ldlm_, *import_, name, *this));
	auto started = thread_.start<&MgcDevice::run>(rpc_.node().plat(), "ll_cfg_requeue", this);
	if (!started)
		stop();
	return started;
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
	{
		cfs::SpinGuard g(lock_);
		closing_ = true;
		waitq_.wake_all();
	}
	forget_locks();
	bool reachable = import_->state() == rpc::ImportState::full;
	cfs::Instant until = cfs::after(kGoodbye);
	bool closed = reachable && locks_.close(true, cfs::WaitMode::idle, until);
	(void)import_->disconnect(cfs::WaitMode::idle, cfs::after(kGoodbye));
	thread_.join();
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
	waitq_.wake_all();
}

bool MgcDevice::replay_locks(rpc::Import &) noexcept
{
	return locks_.ns().replay();
}

void MgcDevice::on_evicted(rpc::Import &) noexcept
{
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
			f.when = requeue_time();
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
	auto lock = TRY(take_lock(f, mode));
	{
		// It may have been lost again already.
		cfs::SpinGuard g(lock_);
		if (!f.lost && !closing_)
			std::swap(f.lock, lock);
	}
	auto log = TRY(RemoteLog::open(*import_, f.view()));
	return f.reader.read(log);
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
	cfs::Instant soon = cfs::after(cfs::Duration::seconds(1));
	return t.is_never() ? t : std::max(t, soon);
}

/// Gives every lock back; they are taken again like any that was lost.
void MgcDevice::drop_locks() noexcept
{
	ldlm::DropSpec all;
	all.type = ldlm::LDLM_PLAIN;
	all.name_given = false;
	(void)locks_.ns().drop(all);
}

void MgcDevice::run() noexcept
{
	for (;;) {
		Followed *f = nullptr;
		bool stale = false;
		{
			cfs::SpinGuard g(lock_);
			auto ready = [this]() CFS_NO_TSA {
				return closing_ || stale_ || news_ || due(cfs::Instant::now());
			};
			(void)waitq_.wait(lock_, cfs::WaitMode::idle, next_time(), ready);
			news_ = false;
			if (closing_)
				return;
			stale = std::exchange(stale_, false);
			f = stale ? nullptr : due(cfs::Instant::now());
			if (f)
				f->busy = true;
		}
		if (stale)
			drop_locks();
		if (!f)
			continue;
		auto r = update(*f, cfs::WaitMode::idle);
		cfs::SpinGuard g(lock_);
		f->busy = false;
		if (!r && r.error() != NOENT && !closing_) {
			f->lost = true;
			f->when = requeue_time();
			CWARN(kSubsys, "{}: cannot read log {:e}: rc = {}; trying again",
			      static_cast<const char *>(device_), f->view(), r.error());
		}
		waitq_.wake_all();
	}
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
	{
		cfs::SpinGuard g(lock_);
		if (list_.size() >= kFollowedMax)
			return cfs::fail(NOSPC);
		made->id = ++last_id_;
		made->busy = true;
		list_.push_back(*made);
	}
	Followed &f = *made.release();
	auto r = update(f, cfs::WaitMode::killable);
	bool keep = r || (optional && r.error() == NOENT);
	{
		cfs::SpinGuard g(lock_);
		f.busy = false;
		waitq_.wake_all();
	}
	if (!keep)
		remove(f);
	return r;
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
		// It is being read from an MGS that does not answer, and an unmount must end: what
		// is under way fails, and others read their logs again.
		import_->set_active(false);
		import_->set_active(true);
	}
	if (lock)
		locks_.ns().cancel(*lock, false);
	cfs::UniquePtr<Followed>(&f).reset();
}

void MgcDevice::unfollow(std::string_view name, llog::ConfigHandler &handler) noexcept
{
	Followed *found = nullptr;
	{
		cfs::SpinGuard g(lock_);
		for (Followed &f : list_)
			if (f.view() == name && &f.handler == &handler)
				found = &f;
	}
	if (found)
		remove(*found);
}

// ---- registration ----

cfs::Result<> MgcDevice::register_target(wire::MgsTargetInfo &mti,
					 std::span<const lnet::Nid> nids) noexcept
{
	u32 n = 0;
	for (const lnet::Nid &nid : nids)
		if (nid.is_nid4() && !nid.is_lo() && n < wire::MTI_NIDS_MAX)
			mti.nids[n++] = nid.nid4();
	mti.nid_count = n;
	rpc::RequestLengths<op::MgsTargetReg> lengths;
	lengths.elements<fld::MgsTargetInfo>(0);
	rpc::ReplyLengths<op::MgsTargetReg> room;
	room.elements<fld::MgsTargetInfo>(0);
	auto req = TRY(rpc::Request<op::MgsTargetReg>::make(*import_, lengths, room));
	*req.get<fld::MgsTargetInfo>() = mti;
	auto sent = req.send_wait();
	if (auto reply = req.reply()) {
		auto answer = reply->get<fld::MgsTargetInfo>();
		if (answer)
			mti = *answer;
	}
	if (!sent)
		return cfs::fail(sent.error());
	if (mti.flags & wire::LDD_F_ERROR)
		return cfs::fail(INVAL);
	return {};
}

} // namespace mgc
