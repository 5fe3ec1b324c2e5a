// SPDX-License-Identifier: GPL-2.0
#include "server/mount.hpp"

#include "libcfs/log.hpp"
#include "osd/local.hpp"

namespace server
{

using namespace cfs::err;

// ---- start ----

cfs::Result<> TargetMount::start(cfs::Node &node, osd::DeviceRef device,
				 const TargetOptions &options) noexcept
{
	node_ = TRY(cfs::Node::get(node.plat()));
	device_ = std::move(device);
	options_ = &options;
	auto *server = TRY(node.part<ServerNode>());
	TRY(server->hold());
	server_ = server;
	if (options.only_mgs() || (options.mgs && !options.no_mgs))
		TRY(start_mgs());
	if (options.only_mgs() || options.no_service)
		return {};
	target_ = TRY(wire::parse_target_name(options.svname));
	TRY(connect_mgs());
	TRY(register_target());
	TRY(start_target());
	TRY(follow_logs());
	if (mdt_) {
		mdt_->osts_complete();
		follow_osts();
	}
	auto told = announce();
	if (!told)
		LCONSOLE_WARN(kSubsys,
			      "{}: the MGS cannot be told of this start now: rc = {}; until it is, "
			      "clients come when their requests time out",
			      options.svname, told.error());
	if (mdt_)
		mdt_->clients_told(told && *told);
	else
		ost_->clients_told(told && *told);
	return {};
}

cfs::Result<> TargetMount::start_mgs() noexcept
{
	mgs::MgsConfig c;
	c.params = server_->folder(ServerNode::Kind::mgs);
	mgs_ = TRY(static_cast<const MgsPart *>(server_mgs_part())
			   ->start(server_->rpc(), server_->ldlm(), device_, c));
	return {};
}

/// "10.0.0.1@tcp,10.1.0.1@o2ib:10.0.0.2@tcp": nodes by ':', their NIDs by ','.
cfs::Result<> TargetMount::add_mgs_nodes(std::string_view value) noexcept
{
	while (!value.empty()) {
		lnet::Nid nids[rpc::Rpc::kNidsPerUuid];
		std::size_t n = 0;
		bool more = true;
		while (more && !value.empty()) {
			std::size_t end = std::min(value.find_first_of(",:"), value.size());
			if (n == std::size(nids))
				return cfs::fail(NOSPC);
			nids[n++] = TRY(lnet::parse_nid({value.data(), end}));
			more = end < value.size() && value[end] == ',';
			value.remove_prefix(std::min(end + 1, value.size()));
		}
		TRY(mgc_->add_node({nids, n}));
	}
	return {};
}

cfs::Result<> TargetMount::connect_mgs() noexcept
{
	char uuid[wire::UUID_MAX], name[80];
	server_->rpc().new_uuid(uuid);
	std::string_view first = options_->mgs_node_count ? options_->mgs_nodes[0] : "0@lo";
	first = {first.data(), std::min(first.find_first_of(",:"), first.size())};
	mgc::MgcConfig c;
	c.device = cfs::format_to(name, "MGC{}", first);
	c.uuid = uuid;
	c.params = server_->mgc_folder();
	mgc_ = TRY(mgc::Mgc::create(server_->rpc(), server_->ldlm(), c));
	if (mgs_) {
		lnet::Nid here = lnet::Nid::lo();
		TRY(mgc_->add_node({&here, 1}));
	}
	for (std::size_t i = 0; i < options_->mgs_node_count; i++)
		TRY(add_mgs_nodes(options_->mgs_nodes[i]));
	if (!mgs_ && options_->mgs_node_count == 0) {
		LCONSOLE_ERROR(kSubsys, "{}: the mount names no MGS: give mgsnode=NID",
			       options_->svname);
		return cfs::fail(INVAL);
	}
	auto r = mgc_->connect(cfs::WaitMode::killable, cfs::after(kMgsWait));
	if (!r)
		LCONSOLE_ERROR(kSubsys, "{}: cannot reach the MGS at {}: rc = {}", options_->svname,
			       first, r);
	return r;
}

// ---- registration ----

cfs::Result<> TargetMount::put_registration(wire::MgsTargetInfo &mti) noexcept
{
	u32 flags = wire::LDD_F_OPC_REG |
		    (is_mdt() ? wire::LDD_F_SV_TYPE_MDT : wire::LDD_F_SV_TYPE_OST);
	if (options_->virgin)
		flags |= wire::LDD_F_VIRGIN | wire::LDD_F_UPDATE;
	if (options_->update)
		flags |= wire::LDD_F_UPDATE;
	if (options_->writeconf)
		flags |= wire::LDD_F_WRITECONF | wire::LDD_F_UPDATE;
	mti.flags = flags;
	mti.lustre_ver = wire::LUSTRE_VERSION_CODE;
	mti.stripe_index = target_.index;
	if (!mti.fsname.set(target_.fsname) || !mti.svname.set(options_->svname))
		return cfs::fail(NAMETOOLONG);
	auto text = TRY(cfs::Array<char>::make(kSubsys, wire::MTI_PARAM_MAXLEN));
	cfs::FormatSink out(std::span<char>(text.data(), text.size() - 1));
	for (std::size_t i = 0; i < options_->param_count; i++)
		out.print("{}{}", i ? " " : "", options_->params[i]);
	if (out.size() > wire::MTI_PARAM_MAXLEN - 1 || !mti.params.set(out.text()))
		return cfs::fail(TOOBIG);
	return {};
}

/// Of this node.
std::span<lnet::Nid> TargetMount::own_nids(std::span<lnet::Nid> out) noexcept
{
	std::size_t n = 0;
	lnet::Network &net = server_->rpc().network();
	for (unsigned i = 0; n < out.size(); i++) {
		auto nid = net.local_nid(i);
		if (!nid)
			break;
		if (!nid->is_lo())
			out[n++] = *nid;
	}
	return out.first(n);
}

cfs::Result<> TargetMount::send_registration(wire::MgsTargetInfo &mti) noexcept
{
	lnet::Nid room[wire::MTI_NIDS_MAX];
	auto nids = own_nids(room);
	for (unsigned tries = 1;; tries++) {
		auto r = mgc_->register_target(mti, nids);
		// An MGS that has restarted does not know this node at first.
		if (r || tries == kTries || (r.error() != IO && r.error() != SHUTDOWN))
			return r;
		cfs_sleep_until((cfs::Instant::now() + kTryAgain).ns());
	}
}

cfs::Result<> TargetMount::register_target() noexcept
{
	auto mti = TRY(cfs::Array<wire::MgsTargetInfo>::make(kSubsys, 1));
	TRY(put_registration(mti[0]));
	auto r = send_registration(mti[0]);
	if (!r) {
		LCONSOLE_ERROR(kSubsys, "{}: the MGS refuses the registration: rc = {}",
			       options_->svname, r);
		return r;
	}
	if (mti[0].flags & wire::LDD_F_REWRITE_LDD)
		return rewrite_mount_data(mti[0]);
	return {};
}

/// Clients can connect: the MGS tells them. Whether the target may count on all of them to hear it.
cfs::Result<bool> TargetMount::announce() noexcept
{
	if (options_->no_ir)
		return false;
	auto mti = TRY(cfs::Array<wire::MgsTargetInfo>::make(kSubsys, 1));
	TRY(put_registration(mti[0]));
	mti[0].flags = (mti[0].flags & ~wire::LDD_F_OPC_MASK) | wire::LDD_F_OPC_READY;
	mti[0].instance = mdt_ ? mdt_->mount_count() : ost_->mount_count();
	lnet::Nid room[wire::MTI_NIDS_MAX];
	auto r = mgc_->announce(mti[0], own_nids(room));
	if (!r && r.error() == OPNOTSUPP)
		return false; // it tells nobody
	TRY(r);
	return (mti[0].flags & wire::LDD_F_IR_CAPABLE) != 0;
}

/// The target is registered: the next mount says so.
cfs::Result<> TargetMount::rewrite_mount_data(const wire::MgsTargetInfo &mti) noexcept
{
	constexpr u32 kDone = wire::LDD_F_VIRGIN | wire::LDD_F_UPDATE | wire::LDD_F_WRITECONF |
			      wire::LDD_F_NEED_INDEX;
	auto data = TRY(cfs::Array<wire::LustreDiskData>::make(kSubsys, 1));
	auto r = osd::read_mount_data(*device_, data[0]);
	if (!r)
		return r.error() == NOENT ? cfs::Result<>{} : r; // a device without one works, too
	data[0].flags = data[0].flags & wire::LDD_F_MASK & ~kDone;
	data[0].svindex = mti.stripe_index;
	data[0].svname = mti.svname;
	data[0].uuid = mti.uuid;
	auto file = TRY(osd::find_path(*device_, wire::MOUNT_DATA_FILE));
	osd::Body *body = TRY(file->body());
	auto tx = TRY(device_->begin());
	TRY(body->declare_write(*tx, 0, sizeof(data[0])));
	tx->set_sync();
	TRY(tx->start());
	return osd::stop(*tx, body->write(*tx, 0, cfs::bytes_of(data[0])));
}

// ---- the target ----

cfs::Result<> TargetMount::start_target() noexcept
{
	auto kind = is_mdt() ? ServerNode::Kind::mdt : ServerNode::Kind::ost;
	TRY(server_->begin(kind));
	services_ = true;
	auto r = is_mdt() ? start_mdt() : start_ost();
	if (!r)
		LCONSOLE_ERROR(kSubsys, "{}: cannot be started: rc = {}", options_->svname, r);
	return r;
}

cfs::Result<> TargetMount::start_mdt() noexcept
{
	mdt::MdtConfig c;
	c.name = options_->svname;
	c.index = target_.index;
	c.failout = failout();
	c.osts_follow = true;
	c.params = server_->folder(ServerNode::Kind::mdt);
	if (options_->recovery_soft)
		c.recovery_soft = cfs::Duration::seconds(options_->recovery_soft);
	if (options_->recovery_hard)
		c.recovery_hard = cfs::Duration::seconds(options_->recovery_hard);
	mdt_ = TRY(static_cast<const MdtPart *>(server_mdt_part())
			   ->start(server_->rpc(), server_->ldlm(), device_, c));
	return {};
}

cfs::Result<> TargetMount::start_ost() noexcept
{
	ost::OstConfig c;
	c.name = options_->svname;
	c.index = target_.index;
	c.failout = failout();
	c.params = server_->folder(ServerNode::Kind::ost);
	if (options_->recovery_soft)
		c.recovery_soft = cfs::Duration::seconds(options_->recovery_soft);
	if (options_->recovery_hard)
		c.recovery_hard = cfs::Duration::seconds(options_->recovery_hard);
	ost_ = TRY(static_cast<const OstPart *>(server_ost_part())
			   ->start(server_->rpc(), server_->ldlm(), device_, c));
	return {};
}

cfs::Result<> TargetMount::follow_logs() noexcept
{
	auto r = mgc_->follow(options_->svname, mgc::Kind::MGS_CFG_T_CONFIG, *this, false,
			      options_->exclude);
	if (!r) {
		LCONSOLE_ERROR(kSubsys, "{}: cannot read the configuration log: rc = {}",
			       options_->svname, r.error());
		return cfs::fail(r.error());
	}
	return {};
}

/// Where OSTs run, for the MDT's connections to them.
void TargetMount::follow_osts() noexcept
{
	char log[32];
	auto r = mgc_->follow_targets(cfs::format_to(log, "{}-mdtir", target_.fsname), *this,
				      options_->svname);
	if (!r)
		CWARN(kSubsys, "{}: the MGS cannot be asked where OSTs run: rc = {}",
		      options_->svname, r);
}

void TargetMount::target_at(const mgc::TargetPlace &place) noexcept
{
	if (place.kind != wire::TargetKind::ost)
		return;
	cfs::MutexGuard g(lock_);
	for (OspEntry &e : osps_)
		if (e.osp->ost_index() == place.index)
			e.osp->target_moved(place.nids, place.instance);
}

// ---- stop ----

void TargetMount::stop(target::StopKind kind) noexcept
{
	// The log says nothing more.
	if (mgc_)
		mgc_->stop();
	mgc_.reset();
	if (mdt_)
		mdt_->stop(kind);
	mdt_.reset();
	if (ost_)
		ost_->stop(kind);
	ost_.reset();
	Osps gone;
	{
		cfs::MutexGuard g(lock_);
		gone.swap(osps_);
	}
	gone.clear_and_dispose([](OspEntry *e) {
		e->osp->stop();
		cfs::UniquePtr<OspEntry>(e).reset();
	});
	if (mgs_)
		mgs_->stop();
	mgs_.reset();
	device_.reset();
	if (std::exchange(services_, false))
		server_->end(is_mdt() ? ServerNode::Kind::mdt : ServerNode::Kind::ost);
	if (ServerNode *s = std::exchange(server_, nullptr))
		s->release();
	node_.reset();
}

std::size_t TargetMount::osps() noexcept
{
	cfs::MutexGuard g(lock_);
	return osps_.size();
}

} // namespace server
