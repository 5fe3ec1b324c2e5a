// SPDX-License-Identifier: GPL-2.0
#include "mgs/server.hpp"

#include <algorithm>

#include "libcfs/log.hpp"
#include "libcfs/node.hpp"

namespace mgs
{

using wire::Opcode;

namespace
{

constexpr u64 kSupported = wire::OBD_CONNECT_VERSION | wire::OBD_CONNECT_AT |
			   wire::OBD_CONNECT_FULL20 | wire::OBD_CONNECT_IMP_RECOV |
			   wire::OBD_CONNECT_BULK_MBITS | wire::OBD_CONNECT_FLAGS2;
constexpr u64 kSupported2 = wire::OBD_CONNECT2_REP_MBITS;

constexpr auto kHandlers = target::with_locks_and_logs<MgsServer>({
	rpc::handler<rpc::op::MgsTargetReg, &MgsServer::target_reg>(),
	rpc::handler<rpc::op::MgsConfigRead, &MgsServer::config_read>(),
	rpc::raw_handler<Opcode::MGS_SET_INFO, &MgsServer::refused>(),
	rpc::raw_handler<Opcode::MGS_TARGET_DEL, &MgsServer::refused>(),
	rpc::raw_handler<Opcode::MGS_EXCEPTION, &MgsServer::refused>(),
});

constinit const cfs::ParamInfo kParams[] = {
	cfs::param_int<&MgsServer::ir_timeout, &MgsServer::set_ir_timeout>(
		{.name = "ir_timeout",
		 .doc = "How long after its own start the MGS does not let targets count on "
			"imperative recovery.",
		 .unit = "seconds",
		 .by_default = MgsServer::kIrTimeout,
		 .max = 86400}),
};

} // namespace

cfs::Result<cfs::UniquePtr<Mgs>> Mgs::start(rpc::Rpc &rpc, ldlm::Ldlm &ldlm, osd::DeviceRef device,
					    const MgsConfig &config) noexcept
{
	auto s = TRY(cfs::try_make<MgsServer>());
	if (auto r = s->open(rpc, ldlm, std::move(device), config); !r) {
		s->stop();
		return cfs::fail(r.error());
	}
	return cfs::UniquePtr<Mgs>(std::move(s));
}

MgsServer::~MgsServer()
{
	CFS_ASSERT(!service_ && !registration_);
}

void MgsServer::destroy() noexcept
{
	this->~MgsServer();
	cfs_free(kSubsys, this, sizeof(*this));
}

cfs::Result<> MgsServer::open(rpc::Rpc &rpc, ldlm::Ldlm &ldlm, osd::DeviceRef device,
			      const MgsConfig &config) noexcept
{
	rpc_ = &rpc;
	device_ = std::move(device);
	osd::CreateSpec dir;
	dir.attr.valid = osd::kAttrMode | osd::kAttrType;
	dir.attr.mode = osd::kTypeDir | 0755;
	(void)TRY(osd::find_or_create_named(*device_->root(), "CONFIGS", dir, osd::kConfigsFid));
	TRY(named_logs_.open(device_));
	(void)TRY(named_logs_.make_log("params", llog::kConfigLog));
	log_service_.open(named_logs_);
	TRY(locks_.open(rpc, ldlm, {.name = "MGS"}));
	if (config.params) {
		TRY(params_.open(*config.params, "MGS"));
		TRY(params_.add(kParams, this));
	}
	started_ = cfs::Instant::now();
	TRY(tables_.open(device_, rpc.node().plat(), config.params ? &params_ : nullptr));
	registration_ =
		TRY(rpc.register_target({"MGS", "MGS", kSupported, kSupported2, true, this}));
	rpc::ServiceSpec spec;
	spec.name = "mgs";
	spec.thread_name = "ll_mgs";
	spec.portals[0] = wire::Portal::MGS_REQUEST_PORTAL;
	spec.reply_portal = wire::Portal::MGC_REPLY_PORTAL;
	spec.request_max = wire::MGS_MAXREQSIZE;
	spec.reply_max = wire::MGS_MAXREPSIZE;
	spec.params = config.params ? &params_ : nullptr;
	service_ = TRY(rpc.start_service(spec));
	return {};
}

void MgsServer::stop() noexcept
{
	tables_.hide();
	if (registration_)
		registration_->stop();
	if (service_)
		std::exchange(service_, nullptr)->stop();
	if (registration_)
		std::exchange(registration_, nullptr)->unregister();
	// No client is left that its threads could wait for.
	tables_.close();
	locks_.close();
	params_.close();
	{
		cfs::MutexGuard g(change_lock_);
		fs_.clear_and_dispose([](FsDb *db) { cfs::UniquePtr<FsDb>(db).reset(); });
	}
	named_logs_.close();
	device_.reset();
}

std::span<const rpc::Handler> MgsServer::handlers() noexcept
{
	return kHandlers;
}

/// What no client asks for as long as the flags for it are not granted.
cfs::Result<> MgsServer::refused(rpc::ServerRequest &req) noexcept
{
	CWARN(kSubsys, "MGS: {} asks for opcode {}, which this MGS does not serve", req.source(),
	      static_cast<u32>(req.opcode()));
	return cfs::fail(cfs::err::OPNOTSUPP);
}

cfs::Result<FsDb *> MgsServer::fs(std::string_view name) noexcept
{
	for (FsDb &db : fs_)
		if (db.name() == name)
			return &db;
	auto db = TRY(FsDb::load(named_logs_, name));
	fs_.push_back(*db.get());
	return db.release();
}

void MgsServer::drop_empty(FsDb &db) noexcept
{
	if (!db.empty())
		return;
	fs_.erase(fs_.iterator_to(db));
	cfs::UniquePtr<FsDb>(&db).reset();
}

cfs::Result<ldlm::LocalLock> MgsServer::revoke(std::string_view log, wire::MgsCfgType type,
					       cfs::Instant deadline) noexcept
{
	ldlm::LocalSpec spec;
	spec.type = ldlm::LDLM_PLAIN;
	spec.name = TRY(ldlm::ResName::of_config(log, static_cast<u32>(type)));
	spec.mode = ldlm::LCK_EX;
	spec.deadline = deadline;
	return locks_.ns().lock(spec);
}

cfs::Result<> MgsServer::set_param(std::string_view device, std::string_view value) noexcept
{
	// "lustre-OST0000" is the target itself, what follows a second '-' is a client's device.
	auto dash = device.find('-', device.find('-') + 1);
	std::string_view target = device;
	target.remove_suffix(device.size() - std::min(dash, device.size()));
	auto name = TRY(wire::parse_target_name(target));
	cfs::MutexGuard g(change_lock_);
	FsDb *db = TRY(fs(name.fsname));
	if (!db->find(name.kind, name.index)) {
		drop_empty(*db);
		return cfs::fail(cfs::err::NOENT);
	}
	Name client("{}-client", name.fsname);
	std::string_view log = target.size() == device.size() ? target : client.view();
	LogSink sink(named_logs_);
	TRY(ConfigWriter(sink, name.fsname, db->step(), cfs::real_seconds())
		    .param(log, target, device, value));
	auto lock = TRY(revoke(client.view(), wire::MgsCfgType::MGS_CFG_T_CONFIG));
	return sink.commit(*device_);
}

} // namespace mgs
