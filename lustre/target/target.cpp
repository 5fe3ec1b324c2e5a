// SPDX-License-Identifier: GPL-2.0
#include "target/target.hpp"

#include <algorithm>

#include "libcfs/log.hpp"
#include "libcfs/node.hpp"
#include "osd/local.hpp"
#include "rpc/rpc.hpp"

namespace target
{

namespace
{

/// What clients that are told have at least.
constexpr cfs::Duration kToldMin = cfs::Duration::seconds(60);

constinit const cfs::ParamInfo kParams[] = {
	cfs::param_text<&Target::show_recovery>(
		{.name = "recovery_status", .doc = "How far recovery has come."}),
	cfs::param_int<&Target::window_soft>(
		{.name = "recovery_time_soft",
		 .doc = "How long clients are waited for after the first one has come.",
		 .unit = "s"}),
	cfs::param_int<&Target::window_hard>(
		{.name = "recovery_time_hard",
		 .doc = "How long recovery takes at most, whatever clients do.",
		 .unit = "s"}),
	cfs::param_int<&Target::ir_factor, &Target::set_ir_factor>(
		{.name = "ir_factor",
		 .doc = "How much of that time clients have that the MGS tells of the start. A "
			"minute is left in any case.",
		 .unit = "tenths",
		 .by_default = 5,
		 .min = 1,
		 .max = 10}),
};

bool has_multi(const rpc::ConnectRequest &r) noexcept
{
	return r.data.connect_flags.get() & wire::OBD_CONNECT_MULTIMODRPCS;
}

} // namespace

// ---- starting ----

cfs::Result<> Target::start(rpc::Rpc &rpc, osd::DeviceRef device,
			    const TargetConfig &config) noexcept
{
	rpc_ = &rpc;
	device_ = std::move(device);
	config_ = config;
	config_.name = cfs::format_cstr(name_, "{}", config.name);
	config_.uuid = cfs::format_cstr(uuid_, "{}", config.uuid);
	failout_ = config.failout;
	auto done = load();
	if (!done)
		stop(StopKind::failover);
	return done;
}

cfs::Result<> Target::load() noexcept
{
	last_rcvd_ = TRY(
		LastRcvd::open(*device_, {config_.name, config_.uuid, config_.index, config_.mdt}));
	if (config_.mdt)
		reply_data_ = TRY(ReplyData::open(*device_, config_.name));
	next_generation_ = last_rcvd_->last_generation() + 1;
	rpc::Target *registered = TRY(rpc_->register_target(
		{config_.name, config_.uuid, config_.supported, config_.supported2, false, this}));
	set_registration(registered);
	if (!failout_)
		TRY(load_clients());
	commits_.used(last_rcvd_->last_transno());
	if (reply_data_)
		TRY(load_replies());
	RecoverySpec spec{config_.name, config_.recovery_soft, config_.recovery_hard};
	if (!TRY(recovery_.start(rpc_->node().plat(), spec, commits_.last()))) {
		TRY(begin_epoch());
		recovered();
	}
	// All that was found is on disk, and clients that come back need not do it again.
	registration_->committed(commits_.last());
	loaded_.store(true, std::memory_order_release);
	return {};
}

/// Exports for the clients that the disk knows.
class Target::ClientLoader final : public LastRcvd::Visitor
{
	Target &t_;

public:
	explicit ClientLoader(Target &t) noexcept : t_(t) {}

	cfs::Result<> client(u32 slot, const wire::LsdClientData &data) noexcept override
	{
		auto e = t_.registration_->recreate_export(data.uuid.view());
		if (!e) {
			CERROR(kSubsys, "{}: client {:e} of last_rcvd is forgotten: rc = {}",
			       t_.name_, data.uuid.view(), e.error());
			return e.error() == cfs::err::EXIST ? cfs::Result<>{}
							    : cfs::fail(e.error());
		}
		auto c = TRY(
			cfs::try_make<Client>(*t_.last_rcvd_, t_.reply_data_.get(), slot, data));
		CFS_ASSERT((*e)->set_data(rpc::ExportSlot::target, c.get()));
		(void)c.release();
		return t_.recovery_.expect(**e);
	}
};

/// The answers that were given to them. Records are found by their client's generation.
class Target::ReplyLoader final : public ReplyData::Visitor
{
	struct Entry {
		u32 generation = 0;
		Client *client = nullptr;
		bool operator<(const Entry &o) const noexcept { return generation < o.generation; }
	};
	Target &t_;
	cfs::Array<Entry> clients_;

public:
	explicit ReplyLoader(Target &t) noexcept : t_(t) {}

	cfs::Result<> index() noexcept
	{
		clients_ = TRY(cfs::Array<Entry>::make(kSubsys, t_.registration_->export_count()));
		std::size_t n = 0;
		t_.registration_->for_each_export([&](rpc::Export &e) {
			Client *c = Client::of(e);
			if (c && n < clients_.size())
				clients_[n++] = {c->generation(), c};
		});
		std::sort(clients_.begin(), clients_.end());
		return {};
	}

	cfs::Result<bool> record(u32 slot, const ReplyData::Record &r) noexcept override
	{
		if (r.generation == 0)
			return false;
		auto *e = std::lower_bound(clients_.begin(), clients_.end(),
					   Entry{r.generation, nullptr});
		if (e == clients_.end() || e->generation != r.generation)
			return false;
		t_.commits_.used(r.transno);
		TRY(e->client->add_loaded(slot, r));
		return true;
	}
};

cfs::Result<> Target::load_clients() noexcept
{
	ClientLoader loader(*this);
	return last_rcvd_->for_each_client(loader);
}

cfs::Result<> Target::load_replies() noexcept
{
	ReplyLoader loader(*this);
	TRY(loader.index());
	return reply_data_->for_each(loader);
}

/// Numbers of this life begin above all that were ever given.
cfs::Result<> Target::begin_epoch() noexcept
{
	return last_rcvd_->save_head(commits_.new_epoch(commits_.last()));
}

Transno Target::on_recovered() noexcept
{
	Transno last = commits_.last();
	if (auto r = begin_epoch(); !r)
		CERROR(kSubsys, "{}: cannot save the new epoch: rc = {}", name_, r);
	recovered();
	return last;
}

cfs::Duration Target::told_window() noexcept
{
	auto soft = config_.recovery_soft;
	auto part = cfs::Duration::millis(soft.ms() * ir_factor() / 10);
	return std::min(soft, std::max(part, kToldMin));
}

void Target::clients_told(bool yes) noexcept
{
	told_.store(yes, std::memory_order_relaxed);
	if (yes)
		recovery_.expect_soon(told_window());
	LCONSOLE_INFO(kSubsys, "{}: Imperative Recovery {}enabled: recovery window {}-{}", name_,
		      yes ? "" : "not ", window_soft(), window_hard());
}

void Target::set_ir_factor(u32 tenths) noexcept
{
	ir_factor_.store(tenths, std::memory_order_relaxed);
	if (told_.load(std::memory_order_relaxed))
		recovery_.expect_soon(told_window());
}

cfs::Result<> Target::add_params(cfs::ParamGroup &folder) noexcept
{
	return folder.add(kParams, this);
}

// ---- stopping ----

void Target::stop(StopKind kind) noexcept
{
	if (!device_)
		return;
	loaded_ = false;
	keep_clients_ = kind == StopKind::failover;
	if (registration_)
		registration_->stop();
	recovery_.stop();
	if (rpc::Target *t = set_registration(nullptr))
		t->unregister();
	if (auto r = device_->sync(); !r)
		CERROR(kSubsys, "{}: cannot sync at stop: rc = {}", name_, r);
	commits_.wait_idle();
	reply_data_.reset();
	last_rcvd_.reset();
	device_.reset();
}

// ---- commits ----

/// Returns what it was before. No commit is being told to that one when this returns.
rpc::Target *Target::set_registration(rpc::Target *t) noexcept
{
	cfs::SpinGuard g(registration_lock_);
	return std::exchange(registration_, t);
}

void Target::committed(Transno upto) noexcept
{
	cfs::SpinGuard g(registration_lock_);
	if (registration_)
		registration_->committed(upto);
}

void Target::commit_failed(cfs::Errno why) noexcept
{
	LCONSOLE_ERROR(kSubsys,
		       "{}: the device lost a transaction: rc = {}; stop the target and check it",
		       name_, why);
}

// ---- clients ----

u32 Target::instance() noexcept
{
	return static_cast<u32>(last_rcvd_->mount_count());
}

cfs::Result<> Target::may_connect(const rpc::ConnectRequest &) noexcept
{
	// What the disk knows of a client comes before what it says itself.
	if (!loaded_.load(std::memory_order_acquire))
		return cfs::fail(cfs::err::AGAIN);
	if (!device_->healthy())
		return cfs::fail(cfs::err::NODEV);
	if (recovery_.active())
		recovery_.begin_time();
	return {};
}

cfs::Result<> Target::save_slot(Client &c, bool erase) noexcept
{
	auto tx = TRY(device_->begin());
	// Who is answered is remembered: after a crash it may replay. Many wait for one commit.
	if (!erase)
		tx->set_sync();
	TRY(last_rcvd_->declare_slot(*tx, c.slot()));
	TRY(tx->start());
	auto written = c.write_slot(*tx, erase);
	return osd::stop(*tx, written);
}

/// The file is of no use to releases that know nothing of reply_data from now on.
void Target::mark_multi() noexcept
{
	if (multi_marked_.exchange(true))
		return;
	if (last_rcvd_->set_incompat(wire::OBD_INCOMPAT_MULTI_RPCS, true))
		if (auto r = last_rcvd_->save_head(commits_.last()); !r)
			CERROR(kSubsys, "{}: cannot mark last_rcvd: rc = {}", name_, r);
}

cfs::Result<> Target::add_client(rpc::Export &e, const rpc::ConnectRequest &r) noexcept
{
	wire::LsdClientData data{};
	u32 slot = kNoSlot;
	bool light = r.data.connect_flags.get() & wire::OBD_CONNECT_LIGHTWEIGHT;

	if (!data.uuid.set(r.client_uuid))
		return cfs::fail(cfs::err::NAMETOOLONG);
	bool multi = config_.mdt && has_multi(r);
	if (!light && !failout_) {
		slot = TRY(last_rcvd_->take());
		data.generation = multi ? next_generation_.fetch_add(1) : 0;
	}
	auto c = cfs::try_make<Client>(*last_rcvd_, reply_data_.get(), slot, data);
	if (!c) {
		if (slot != kNoSlot)
			last_rcvd_->release(slot);
		return cfs::fail(c.error());
	}
	if (slot != kNoSlot) {
		if (multi)
			mark_multi();
		if (auto saved = save_slot(**c, false); !saved) {
			(void)save_slot(**c, true);
			return saved;
		}
	}
	if (!e.set_data(rpc::ExportSlot::target, c->get()))
		return cfs::fail(cfs::err::EXIST);
	(void)c->release();
	return {};
}

cfs::Result<> Target::on_connect(rpc::Export &e, rpc::ConnectRequest &r) noexcept
{
	TRY(grant(e, r));
	if (r.kind == rpc::ConnectKind::fresh)
		return add_client(e, r);
	Transno first{};
	if (r.has_transno)
		first = r.data.transno.get();
	recovery_.connected(e, first, r.client_estimate);
	return {};
}

void Target::on_disconnect(rpc::Export &e, rpc::ServerRequest &req) noexcept
{
	// Who has gone does not come back to replay.
	Client *c = Client::of(e);
	if (c && c->last_transno() > commits_.committed())
		if (auto r = device_->sync(); !r)
			CERROR(kSubsys, "{}: cannot commit what client {} did: rc = {}", name_,
			       e.client_uuid(), r);
	// Clients expect a number here: what they did is committed when this is.
	req.set_transno(commits_.last());
}

void Target::on_gone(rpc::Export &e, bool evicted) noexcept
{
	Client *c = Client::of(e);
	recovery_.gone(e);
	client_gone(e, evicted);
	if (!c || !c->has_slot())
		return;
	// Requests of it may still be executed: what they change stays, and is not noted.
	c->end();
	if (!keep_clients_)
		if (auto r = save_slot(*c, true); !r)
			CERROR(kSubsys, "{}: cannot forget client {}: rc = {}", name_,
			       e.client_uuid(), r);
}

std::optional<SavedReply> Target::saved_reply(rpc::ServerRequest &req) noexcept
{
	Client *c = req.exp() ? Client::of(*req.exp()) : nullptr;
	if (!c || !(req.body().flags.get() & (wire::MSG_RESENT | wire::MSG_REPLAY)))
		return std::nullopt;
	auto saved = c->find(req.xid());
	if (!saved)
		return std::nullopt;
	req.set_transno(saved->transno);
	req.set_status(saved->result);
	for (unsigned k = 0; saved->has_versions && k < wire::PTLRPC_NUM_VERSIONS; k++)
		req.set_pre_version(k, saved->pre_versions[k]);
	return saved;
}

// ---- Modification ----

Modification::~Modification()
{
	// A transaction that was started and not finished is an error path of the caller.
	if (started_ && tx_)
		(void)finish(cfs::fail(cfs::err::CANCELED));
}

cfs::Result<> Modification::begin() noexcept
{
	if (req_ && req_->exp())
		client_ = Client::of(*req_->exp());
	tx_ = TRY(target_.device().begin());
	ticket_ = TRY(target_.commits().ticket());
	if (client_)
		return client_->declare(*tx_);
	return {};
}

cfs::Result<> Modification::start() noexcept
{
	TRY(tx_->start());
	started_ = true;
	return {};
}

cfs::Result<> Modification::check_version(unsigned n, osd::Object &o) noexcept
{
	wire::ObjectVersion now = wire::kVersionAbsent;
	if (o.exists())
		now = static_cast<wire::ObjectVersion>(TRY(o.version()));
	versions_[n] = now;
	if (!req_)
		return {};
	req_->set_pre_version(n, now);
	if (!req_->has_flag(wire::MSG_REPLAY) || !target_.recovery().checks_versions())
		return {};
	wire::ObjectVersion wanted = req_->body().pre_versions[n].get();
	if (wanted == wire::kVersionUnchecked || wanted == now)
		return {};
	target_.recovery().versions_failed(*req_->exp());
	return cfs::fail(cfs::err::OVERFLOWED);
}

u64 Modification::version() noexcept
{
	if (ticket_) {
		Transno replayed{};
		if (req_ && req_->has_flag(wire::MSG_REPLAY))
			replayed = req_->body().transno.get();
		transno_ = target_.commits().assign(*tx_, std::move(ticket_), replayed);
	}
	return static_cast<u64>(transno_);
}

cfs::Result<> Modification::finish(cfs::Result<> done, i32 result, u64 data) noexcept
{
	auto recorded = cfs::Result<>{};
	if (done) {
		(void)version();
		SavedReply r;
		r.transno = transno_;
		r.result = result;
		r.data = data;
		std::copy(std::begin(versions_), std::end(versions_), std::begin(r.pre_versions));
		if (client_)
			recorded = client_->record(*tx_, req_->xid(), req_->body().tag.get(),
						   req_->exp()->last_xid(),
						   req_->opcode() == wire::Opcode::MDS_CLOSE, r);
	}
	if (req_ && transno_ != Transno{})
		req_->set_transno(transno_);
	auto stopped = tx_->stop();
	tx_.reset();
	started_ = false;
	if (!done)
		return done;
	return recorded ? stopped : recorded;
}

} // namespace target
