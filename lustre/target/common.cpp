// SPDX-License-Identifier: GPL-2.0
//
// What every server target shares; see common.hpp.
#include "target/common.hpp"

#include "libcfs/log.hpp"
#include "llog/config.hpp"

namespace target
{

using namespace cfs::err;

namespace
{

/// "Invalid request descriptor": what a reader gets behind the end of a log.
constexpr cfs::Errno kBehindEnd{53};

} // namespace

// ---- locks ----

/// A client's locks, on its export.
class LockService::PeerData final : public rpc::ExportData
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LDLM;

	PeerData(rpc::Export &e, cfs::Duration enqueue_min) noexcept : link(e, enqueue_min) {}
	[[nodiscard]] static PeerData *of(const rpc::Export &e) noexcept
	{
		return static_cast<PeerData *>(e.data(rpc::ExportSlot::locks));
	}
	void destroy() noexcept override
	{
		this->~PeerData();
		cfs_free(kSubsys, this, sizeof(*this));
	}

	ldlm::ExportLink link;
	ldlm::PeerPtr peer;
};

cfs::Result<> put_answer(rpc::ServerRequest &req, wire::LdlmReply &dlm_rep,
			 const ldlm::EnqueueAnswer &answer) noexcept
{
	dlm_rep = answer.rep;
	if (answer.status < 0)
		return cfs::fail(cfs::Errno{-answer.status});
	req.set_status(answer.status);
	return {};
}

cfs::Result<> LockService::open(rpc::Rpc &rpc, ldlm::Ldlm &ldlm, const ldlm::ServerSpec &spec,
				IntentServer *intents) noexcept
{
	CFS_ASSERT(!ns_);
	auto ns = TRY(ldlm.open_server(spec));
	if (auto r = ldlm.serve_cancels(rpc); !r) {
		(void)ns->close(cfs::WaitMode::idle, cfs::Instant::never());
		return r;
	}
	ldlm_ = &ldlm;
	intents_ = intents;
	ns_ = std::move(ns);
	return {};
}

void LockService::close() noexcept
{
	if (!ns_)
		return;
	(void)ns_->close(cfs::WaitMode::idle, cfs::Instant::never());
	ns_.reset();
	ldlm_->end_cancels();
}

cfs::Result<ldlm::PeerPtr> LockService::peer(rpc::Export &e) noexcept
{
	if (PeerData *d = PeerData::of(e))
		return d->peer;
	cfs::MutexGuard g(lock_);
	if (PeerData *d = PeerData::of(e))
		return d->peer;
	if (e.gone())
		return cfs::fail(NOTCONN);
	auto d = TRY(cfs::try_make<PeerData>(e, ldlm_->enqueue_min()));
	d->peer = TRY(ns_->attach(d->link));
	CFS_ASSERT(e.set_data(rpc::ExportSlot::locks, d.get()));
	return d.release()->peer;
}

void LockService::gone(rpc::Export &e) noexcept
{
	CFS_ASSERT(e.gone());
	{
		// Whoever is attaching now is seen below; later ones see that it is gone.
		cfs::MutexGuard g(lock_);
	}
	if (PeerData *d = PeerData::of(e))
		ns_->detach(*d->peer);
}

ldlm::IoLocks LockService::prolong(rpc::Export &e, const ldlm::IoSpan &io) noexcept
{
	auto p = peer(e);
	if (!p)
		return {};
	return ns_->prolong(**p, io);
}

void LockService::volume(rpc::Export &e, wire::u64 &slv, wire::u32 &limit) noexcept
{
	slv = 0;
	limit = 0;
	if (!e.has_flag(wire::OBD_CONNECT_LRU_RESIZE))
		return;
	slv = ns_->server_lock_volume();
	limit = ns_->pool_limit();
}

cfs::Result<> LockService::enqueue(rpc::ServerRequest &req) noexcept
{
	auto p = TRY(peer(*req.exp()));
	if (rpc::op::intent_of(req.message()) == 0)
		return ldlm::serve_enqueue(*ns_, *p, req);
	if (intents_)
		return intents_->serve_intent(req, *p);
	CWARN(kSubsys, "{}: intent {:#x} of {} is not served here", ns_->name(),
	      rpc::op::intent_of(req.message()), req.exp()->client_uuid());
	return cfs::fail(OPNOTSUPP);
}

cfs::Result<> LockService::convert(rpc::ServerRequest &req) noexcept
{
	auto p = TRY(peer(*req.exp()));
	return ldlm::serve_convert(*ns_, *p, req);
}

cfs::Result<> LockService::cancel(rpc::ServerRequest &req) noexcept
{
	auto p = TRY(peer(*req.exp()));
	return ldlm::serve_cancel(*ns_, *p, req);
}

// ---- named logs ----

cfs::Result<> NamedLogs::open(osd::DeviceRef device, std::string_view path) noexcept
{
	dir_ = TRY(osd::find_path(*device, path));
	TRY(ids_.open(*device, wire::FID_SEQ_LLOG_NAME, 1));
	device_ = std::move(device);
	return {};
}

void NamedLogs::close() noexcept
{
	{
		cfs::MutexGuard g(lock_);
		while (!entries_.empty()) {
			Entry &e = entries_.front();
			entries_.pop_front();
			cfs::UniquePtr<Entry>(&e).reset();
		}
	}
	ids_.close();
	dir_.reset();
	device_.reset();
}

NamedLogs::Entry *NamedLogs::find(std::string_view name) noexcept
{
	for (Entry &e : entries_)
		if (e.log->name() == name)
			return &e;
	return nullptr;
}

cfs::Result<llog::LogRef> NamedLogs::keep(llog::LogRef log) noexcept
{
	auto e = TRY(cfs::try_make<Entry>());
	e->log = log;
	entries_.push_back(*e.release());
	return log;
}

cfs::Result<llog::LogRef> NamedLogs::find_log(std::string_view name) noexcept
{
	cfs::MutexGuard g(lock_);
	if (Entry *e = find(name))
		return e->log;
	return keep(TRY(llog::find_named(*dir_, name, llog::kConfigLog)));
}

cfs::Result<llog::LogRef> NamedLogs::make_log(std::string_view name,
					      const llog::LogSpec &spec) noexcept
{
	cfs::MutexGuard g(lock_);
	if (Entry *e = find(name))
		return e->log;
	return keep(TRY(llog::open_named(*dir_, name, spec, ids_)));
}

cfs::Result<> NamedLogs::erase_log(std::string_view name) noexcept
{
	cfs::MutexGuard g(lock_);
	TRY(llog::erase_named(*dir_, name));
	if (Entry *e = find(name)) {
		entries_.erase(entries_.iterator_to(*e));
		cfs::UniquePtr<Entry>(e).reset();
	}
	return {};
}

cfs::Result<llog::LogRef> NamedLogs::log_by_id(const wire::LlogLogid &id) noexcept
{
	wire::Fid fid = TRY(llog::to_fid(id));
	cfs::MutexGuard g(lock_);
	for (Entry &e : entries_)
		if (e.log->object().fid() == fid)
			return e.log;
	// Opened in an earlier life of this target: the reader has to begin anew.
	return cfs::fail(NOENT);
}

// ---- reading logs ----

cfs::Result<llog::LogRef> LogService::find(rpc::RequestView<rpc::op::LlogCreate> in) noexcept
{
	const wire::LlogdBody &body = in.get<rpc::fld::LlogdBody>();
	std::string_view name = in.get<rpc::fld::Name>();
	if (!name.empty())
		return finder_->log_by_name(name, body.ctxt_idx.get());
	return finder_->log_by_id(body.logid);
}

cfs::Result<> LogService::create(rpc::ServerRequest &req) noexcept
{
	auto in = TRY(req.as<rpc::op::LlogCreate>());
	auto out = TRY(req.reply<rpc::op::LlogCreate>());
	auto log = TRY(find(in));
	out.get<rpc::fld::LlogdBody>().logid = log->logid();
	return {};
}

cfs::Result<> LogService::read_header(rpc::ServerRequest &req) noexcept
{
	auto in = TRY(req.as<rpc::op::LlogReadHeader>());
	auto out = TRY(req.reply<rpc::op::LlogReadHeader>());
	auto log = TRY(finder_->log_by_id(in.get<rpc::fld::LlogdBody>().logid));
	wire::LlogLogHdr &h = out.get<rpc::fld::LlogHeader>();
	cfs::MutBytes room(reinterpret_cast<std::byte *>(&h), sizeof(h));
	std::size_t bytes = TRY(log->read_header(room));
	if (bytes > sizeof(h)) {
		CWARN(CFS_S_LOG,
		      "log {:e} has chunks of {} bytes, which readers of other nodes "
		      "do not know",
		      log->name(), bytes);
		return cfs::fail(OPNOTSUPP);
	}
	if (bytes)
		return {};
	// Nothing was written to it: a header without records.
	h.hdr.len = sizeof(h);
	h.hdr.type = wire::LlogRecType::LLOG_HDR_MAGIC;
	h.count = 1;
	h.bitmap_offset = llog::kHeadBytes;
	h.flags = wire::LLOG_F_IS_PLAIN;
	llog::HeaderView(room).set_bit(0, true);
	h.tail.len = sizeof(h);
	return {};
}

cfs::Result<> LogService::next_block(rpc::ServerRequest &req) noexcept
{
	auto in = TRY(req.as<rpc::op::LlogNextBlock>());
	const wire::LlogdBody &ask = in.get<rpc::fld::LlogdBody>();
	rpc::ReplyLengths<rpc::op::LlogNextBlock> lengths;
	lengths.bytes<rpc::fld::LlogBlock>(llog::kChunkMin);
	auto out = TRY(req.reply<rpc::op::LlogNextBlock>(lengths));
	wire::LlogdBody &body = out.get<rpc::fld::LlogdBody>();
	body = ask;
	auto log = TRY(finder_->log_by_id(ask.logid));
	auto block = log->next_block(ask.index, ask.saved_index, ask.cur_offset,
				     out.get<rpc::fld::LlogBlock>());
	// Behind the end: what stock of the same release says.
	if (!block)
		return cfs::fail(block.error() == NODATA ? kBehindEnd : block.error());
	body.saved_index = block->last_index;
	body.cur_offset = block->end;
	return {};
}

// ---- MDT and OST ----

cfs::Result<> CommonTarget::start(rpc::Rpc &rpc, ldlm::Ldlm &ldlm, osd::DeviceRef device,
				  const TargetConfig &config, const LockConfig &locks) noexcept
{
	TRY(locks_.open(rpc, ldlm, {locks.name, locks.lvb, true}, locks.intents));
	auto started = Target::start(rpc, std::move(device), config);
	if (!started)
		locks_.close();
	return started;
}

void CommonTarget::stop(StopKind kind) noexcept
{
	Target::stop(kind);
	locks_.close();
}

void CommonTarget::client_gone(rpc::Export &e, bool evicted) noexcept
{
	client_left(e, evicted);
	locks_.gone(e);
}

void CommonTarget::recovered() noexcept
{
	ready();
	locks_.ns().recovery_done();
}

} // namespace target
