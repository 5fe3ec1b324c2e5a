// SPDX-License-Identifier: GPL-2.0
//
// Start and stop of an MDT, what a fresh device is given (spec 07 sections 6, 14.4), and its table
// of handlers.
#include "libcfs/log.hpp"
#include "libcfs/node.hpp"
#include "mdt/target.hpp"

namespace mdt
{

using wire::Opcode;

namespace
{

constexpr auto kHandlers = target::with_locks<MdtTarget>({
	rpc::handler<op::MdsGetRoot, &MdtTarget::get_root>(),
	rpc::raw_handler<Opcode::MDS_STATFS, &MdtTarget::statfs>(),
	rpc::handler<op::MdsSync, &MdtTarget::sync>(),
	rpc::handler<op::MdsGetattr, &MdtTarget::getattr>(),
	rpc::handler<op::MdsGetattrName, &MdtTarget::getattr_name>(),
	rpc::handler<op::MdsGetxattr, &MdtTarget::getxattr>(),
	rpc::handler<op::MdsReadpage, &MdtTarget::readpage>(),
	rpc::raw_handler<Opcode::MDS_CLOSE, &MdtTarget::close>(),
	rpc::raw_handler<Opcode::MDS_REINT, &MdtTarget::reint>(),
	rpc::handler<op::SeqQuery, &MdtTarget::seq_query>(),
	rpc::handler<op::FldQuery, &MdtTarget::fld_query>(),
	rpc::raw_handler<Opcode::FLD_READ, &MdtTarget::not_served>(),
	rpc::raw_handler<Opcode::MDS_SET_INFO, &MdtTarget::not_served>(),
	rpc::raw_handler<Opcode::MDS_GET_INFO, &MdtTarget::not_served>(),
	rpc::raw_handler<Opcode::MDS_QUOTACTL, &MdtTarget::not_served>(),
	rpc::raw_handler<Opcode::MDS_SWAP_LAYOUTS, &MdtTarget::not_served>(),
	rpc::raw_handler<Opcode::MDS_RMFID, &MdtTarget::not_served>(),
	rpc::raw_handler<Opcode::OUT_UPDATE, &MdtTarget::not_served>(),
});

osd::CreateSpec directory_spec(u32 mode) noexcept
{
	osd::CreateSpec s;
	s.attr.valid = osd::kAttrMode | osd::kAttrType;
	s.attr.mode = osd::kTypeDir | mode;
	return s;
}

} // namespace

cfs::Result<cfs::UniquePtr<Mdt>> Mdt::start(rpc::Rpc &rpc, ldlm::Ldlm &ldlm, osd::DeviceRef device,
					    const MdtConfig &config) noexcept
{
	auto t = TRY(cfs::try_make<MdtTarget>());
	if (auto r = t->open(rpc, ldlm, std::move(device), config); !r) {
		t->stop(target::StopKind::failover);
		return cfs::fail(r.error());
	}
	return cfs::UniquePtr<Mdt>(std::move(t));
}

void MdtTarget::destroy() noexcept
{
	this->~MdtTarget();
	cfs_free(kSubsys, this, sizeof(*this));
}

/// The root directory, and the place for files that are open and have no name.
cfs::Result<> MdtTarget::make_tree(osd::Device &d) noexcept
{
	TRY(sequences_.open(d, config_.index));
	(void)TRY(
		osd::find_or_create_named(*d.root(), "ROOT", directory_spec(0755), wire::kRootFid));
	pending_ = TRY(osd::find_or_create_named(*d.root(), "PENDING", directory_spec(0755)));
	return {};
}

cfs::Result<> MdtTarget::open(rpc::Rpc &rpc, ldlm::Ldlm &ldlm, osd::DeviceRef device,
			      const MdtConfig &config) noexcept
{
	if (config.index != 0) {
		CERROR(kSubsys, "{}: file systems with several MDTs are not supported yet",
		       config.name);
		return cfs::fail(cfs::err::OPNOTSUPP);
	}
	rpc_ = &rpc;
	config_ = config;
	osts_complete_ = !config.osts_follow;
	char uuid[64], ns[80];
	target::TargetConfig t;
	t.name = config.name;
	t.uuid = cfs::format_cstr(uuid, "{}_UUID", config.name);
	t.index = config.index;
	t.mdt = true;
	t.supported = kSupported;
	t.supported2 = kSupported2;
	t.failout = config.failout;
	t.recovery_soft = config.recovery_soft;
	t.recovery_hard = config.recovery_hard;
	LockConfig locks;
	locks.name = cfs::format_cstr(ns, "mdt-{}_UUID", config.name);
	locks.intents = this;
	if (config.params)
		TRY(params_.open(*config.params, config.name));
	TRY(osts_.open());
	// Before clients can come, and before orphans of the last life are looked for.
	held_ = device;
	TRY(make_tree(*device));
	TRY(CommonTarget::start(rpc, ldlm, std::move(device), t, locks));
	return config.params ? add_params(params_) : cfs::Result<>{};
}

void MdtTarget::stop(target::StopKind kind) noexcept
{
	params_.close();
	CommonTarget::stop(kind);
	// The last reference of the device goes when those of its objects have gone.
	pending_.reset();
	sequences_.close();
	held_.reset();
}

cfs::Result<> MdtTarget::add_ost(osp::Osp &osp) noexcept
{
	TRY(osts_.add(osp));
	// Files that could not be destroyed without it.
	if (recovered_.load(std::memory_order_acquire))
		sweep_pending();
	return {};
}

std::span<const rpc::Handler> MdtTarget::handlers() noexcept
{
	return kHandlers;
}

/// What is part of the protocol and has not been built.
cfs::Result<> MdtTarget::not_served(rpc::ServerRequest &req) noexcept
{
	CWARN(kSubsys, "{}: {} asks for opcode {}, which is not served yet", name(),
	      req.exp()->client_uuid(), static_cast<u32>(req.opcode()));
	return cfs::fail(cfs::err::OPNOTSUPP);
}

} // namespace mdt
