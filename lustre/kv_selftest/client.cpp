// SPDX-License-Identifier: GPL-2.0
#include "lustre/kv_selftest/client.hpp"

#include <algorithm>

namespace kv
{

namespace
{

/// How long close() waits for the server to hear its good-bye.
constexpr cfs::Duration kGoodbye = cfs::Duration::seconds(30);

void want(wire::ObdConnectData &w) noexcept
{
	using namespace wire;
	w.connect_flags = OBD_CONNECT_FULL20 | OBD_CONNECT_VERSION | OBD_CONNECT_AT |
			  OBD_CONNECT_FID | OBD_CONNECT_FLAGS2 | OBD_CONNECT_IBITS |
			  OBD_CONNECT_MULTIMODRPCS | OBD_CONNECT_BULK_MBITS |
			  OBD_CONNECT_CANCELSET | OBD_CONNECT_LRU_RESIZE;
	w.connect_flags2 =
		OBD_CONNECT2_REP_MBITS | OBD_CONNECT2_INC_XID | OBD_CONNECT2_LOCK_CONVERT;
	w.ibits_known = MDS_INODELOCK_FULL;
}

} // namespace

/// An append, as long as rpc keeps it.
struct Client::Appending final : rpc::RequestUser {
	static constexpr cfs_subsys kSubsys = Client::kSubsys;

	Appending(Client &c, u64 n) noexcept : client(c), number(n)
	{
		cfs::SpinGuard g(client.appending_lock_);
		client.appending_++;
	}
	/// Refused: what it depends on is lost. Whatever is committed later, this is not.
	void on_replayed(rpc::ClientRequest &, cfs::Result<rpc::i32> r) noexcept override
	{
		refused = refused || !r;
	}
	void on_committed(rpc::ClientRequest &) noexcept override
	{
		if (!refused)
			client.observer_.committed(number);
	}
	void on_gone(rpc::ClientRequest &) noexcept override
	{
		Client &c = client;
		cfs::UniquePtr<Appending>(this).reset();
		cfs::SpinGuard g(c.appending_lock_);
		if (--c.appending_ == 0)
			c.forgotten_.wake_all();
	}

	Client &client;
	u64 number;
	bool refused = false;
};

// ---- life ----

cfs::Result<> Client::bring_up(rpc::Rpc &rpc, ldlm::Ldlm &ldlm, const ClientSpec &spec) noexcept
{
	char device[80], target[64];
	rpc.new_uuid(uuid_);
	rpc::ImportSpec s = rpc::ost_import();
	s.device = cfs::format_to(device, "{}-kv", spec.target);
	s.target = cfs::format_to(target, "{}_UUID", spec.target);
	s.client_uuid = uuid_;
	want(s.wanted);
	s.user = this;
	import_ = TRY(rpc.new_import(s));
	TRY(import_->add_connection(spec.server));
	TRY(locks_.open(ldlm, *import_, uuid_, *this));
	return import_->start();
}

cfs::Result<> Client::open(rpc::Rpc &rpc, ldlm::Ldlm &ldlm, const ClientSpec &spec) noexcept
{
	auto r = bring_up(rpc, ldlm, spec);
	if (!r)
		(void)close();
	return r;
}

cfs::Result<> Client::close() noexcept
{
	if (!import_)
		return {};
	// Who can not say good-bye leaves what is not committed behind.
	bool full = import_->state() == rpc::ImportState::full;
	auto heard = import_->disconnect(cfs::WaitMode::idle, cfs::after(kGoodbye));
	// Only now: until it is closed the import speaks to the locks.
	(void)locks_.close(false, cfs::WaitMode::idle, cfs::Instant::never());
	import_.reset();
	cfs::SpinGuard g(appending_lock_);
	(void)forgotten_.wait(appending_lock_, cfs::WaitMode::idle, cfs::Instant::never(),
			      [this]() CFS_NO_TSA { return appending_ == 0; });
	if (!full)
		return cfs::fail(cfs::err::NOTCONN);
	return heard;
}

void Client::give_up() noexcept
{
	import_->set_active(false);
	// Whoever waits for a lock is told nothing by the connection.
	locks_.ns().on_evicted();
}

void Client::on_evicted(rpc::Import &) noexcept
{
	observer_.evicted();
	locks_.ns().on_evicted();
}

void Client::on_lock_volume(rpc::Import &, u64 slv, u32 limit) noexcept
{
	if (locks_.is_open())
		locks_.ns().on_reply(slv, limit);
}

// ---- locks, and what is kept under them ----

cfs::Result<ldlm::LockUse> Client::lock(unsigned key, ldlm::Mode mode) noexcept
{
	ldlm::MatchSpec m;
	m.type = ldlm::LDLM_IBITS;
	m.name = ldlm::ResName::of_fid(key_fid(key));
	m.modes = ldlm::satisfying_modes(mode);
	m.policy = ldlm::Policy::of_bits(wire::MDS_INODELOCK_UPDATE);
	if (auto use = locks_.ns().match(m))
		return use;
	ldlm::EnqueueSpec e;
	e.type = m.type;
	e.name = m.name;
	e.mode = mode;
	e.policy = m.policy;
	auto got = TRY(locks_.ns().enqueue(e, {}));
	if (!got.use)
		return cfs::fail(cfs::err::NOLCK);
	if (got.use->desc().name != e.name)
		return cfs::fail(cfs::err::PROTO);
	return std::move(got.use);
}

void Client::on_cancel(ldlm::ClientLock &lock, const ldlm::CancelInfo &) noexcept
{
	u64 oid = lock.desc().name.name[1];
	if (oid < 1 || oid > kKeys)
		return; // the server gave another one than was asked for: nothing is kept under it
	cfs::MutexGuard g(kept_lock_);
	kept_[oid - 1].reset();
}

std::optional<u64> Client::kept(const ldlm::LockUse &use, unsigned key) noexcept
{
	cfs::MutexGuard g(kept_lock_);
	if (!use->valid())
		return std::nullopt;
	return kept_[key];
}

void Client::keep(const ldlm::LockUse &use, unsigned key, u64 length) noexcept
{
	cfs::MutexGuard g(kept_lock_);
	// The answer to another thread may have been faster.
	if (use->valid())
		kept_[key] = std::max(kept_[key].value_or(0), length);
}

// ---- operations ----

cfs::Result<> Client::append(unsigned key) noexcept
{
	auto use = TRY(lock(key, ldlm::LCK_EX));
	auto req = TRY(rpc::Request<rpc::op::OstSetattr>::make(*import_));
	u64 number = observer_.trying(key);
	if (number == 0)
		return cfs::fail(cfs::err::NOSPC);
	auto &ask = req.get<rpc::fld::OstBody>().oa;
	ask.oi.oi.oi_id = key;
	ask.blocks = number;
	req->options.modifies = true;
	auto user = TRY(cfs::try_make<Appending>(*this, number));
	TRY(req->send_wait(cfs::WaitMode::idle, user.release()));
	Told t;
	t.number = number;
	t.key = key;
	t.place = TRY(req.reply()).get<rpc::fld::OstBody>().oa.size;
	t.transno = static_cast<u64>(req->transno());
	t.committed = import_->last_committed() >= req->transno();
	// First: whoever has heard of the number finds it in what is kept.
	keep(use, key, t.place + 1);
	observer_.told(t);
	return {};
}

cfs::Result<> Client::read(unsigned key) noexcept
{
	auto use = TRY(lock(key, ldlm::LCK_PR));
	// Another thread may append under the same lock meanwhile, and be answered first.
	u64 least = observer_.least(key);
	if (auto length = kept(use, key)) {
		observer_.read(key, *length, least, true);
		return {};
	}
	auto req = TRY(rpc::Request<rpc::op::OstGetattr>::make(*import_));
	req.get<rpc::fld::OstBody>().oa.oi.oi.oi_id = key;
	TRY(req.send_wait(cfs::WaitMode::idle));
	u64 length = TRY(req.reply()).get<rpc::fld::OstBody>().oa.size;
	keep(use, key, length);
	observer_.read(key, length, least, false);
	return {};
}

} // namespace kv
