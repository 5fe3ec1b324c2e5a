// SPDX-License-Identifier: GPL-2.0
//
// The groups of records, one function for each kind.
#include "mgs/config_writer.hpp"

#include <algorithm>

namespace mgs
{

using wire::LcfgCommand;

namespace
{

/// Readers insist on a release; ours writes the logs of this one.
constexpr u32 kLogRelease = 0x02110000;

constexpr std::string_view kind_text(TargetKind kind) noexcept
{
	return kind == TargetKind::mdt ? "MDT" : "OST";
}

} // namespace

Name target_name(std::string_view fsname, TargetKind kind, u16 index) noexcept
{
	return Name("{}-{}{:04x}", fsname, kind_text(kind), index);
}

/// Brackets what is appended between open() and close().
struct ConfigWriter::Group {
	ConfigWriter &w;
	std::string_view log, target, comment;

	[[nodiscard]] cfs::Result<> open() noexcept
	{
		w.step_++;
		return w.marker(log, target, comment, wire::CM_START | w.skip_);
	}
	[[nodiscard]] cfs::Result<> close() noexcept
	{
		return w.marker(log, target, comment, wire::CM_END | w.skip_);
	}
};

cfs::Result<> ConfigWriter::marker(std::string_view log, std::string_view target,
				   std::string_view comment, u32 flags) noexcept
{
	wire::CfgMarker m{};
	m.step = step_;
	m.flags = flags;
	m.vers = kLogRelease;
	m.createtime = now_;
	m.canceltime = flags & wire::CM_SKIP ? now_ : 0;
	if (!m.tgtname.set(target) || !m.comment.set(comment))
		return cfs::fail(cfs::err::NAMETOOLONG);
	return record(log, LcfgCommand::LCFG_MARKER, {{}, cfs::bytes_of(m)});
}

cfs::Result<> ConfigWriter::record(std::string_view log, LcfgCommand command,
				   std::initializer_list<cfs::Bytes> buffers, u32 num,
				   u64 nid) noexcept
{
	ConfigRecord r{command, num, nid, {buffers.begin(), buffers.size()}};
	return sink_.append(log, r);
}

Name ConfigWriter::log_of(TargetKind kind, u16 index) const noexcept
{
	return target_name(fsname_, kind, index);
}

/// The NIDs of a node under its name.
cfs::Result<> ConfigWriter::add_uuids(std::string_view log, const ServerNode &node) noexcept
{
	if (node.nids.empty())
		return cfs::fail(cfs::err::INVAL);
	Name name("{}", node.nids[0]);
	for (const lnet::Nid &nid : node.nids) {
		Name text("{}", nid);
		if (nid.is_nid4())
			TRY(record(log, LcfgCommand::LCFG_ADD_UUID, {{}, name.bytes()}, 0,
				   nid.nid4()));
		else
			TRY(record(log, LcfgCommand::LCFG_ADD_UUID,
				   {{}, name.bytes(), text.bytes()}));
	}
	return {};
}

/// A device that connects to a target.
struct ConfigWriter::Connection {
	const TargetInfo &target;
	const Name &device;
	std::string_view type;
	const Name &owner_uuid;
	const Name &target_uuid;
};

cfs::Result<> ConfigWriter::connection(std::string_view log, const Connection &c) noexcept
{
	if (c.target.nodes.empty())
		return cfs::fail(cfs::err::INVAL);
	const ServerNode &first = c.target.nodes[0];
	TRY(add_uuids(log, first));
	Name type("{}", c.type);
	Name node("{}", first.nids[0]);
	TRY(record(log, LcfgCommand::LCFG_ATTACH,
		   {c.device.bytes(), type.bytes(), c.owner_uuid.bytes()}));
	TRY(record(log, LcfgCommand::LCFG_SETUP,
		   {c.device.bytes(), c.target_uuid.bytes(), node.bytes()}));
	for (const ServerNode &other : c.target.nodes.subspan(1)) {
		TRY(add_uuids(log, other));
		Name name("{}", other.nids[0]);
		TRY(record(log, LcfgCommand::LCFG_ADD_CONN, {c.device.bytes(), name.bytes()}));
	}
	return {};
}

cfs::Result<> ConfigWriter::lov_setup(std::string_view log, const Name &lov) noexcept
{
	Group g{*this, log, lov.view(), "lov setup"};
	Name type("lov");
	Name uuid("{}_UUID", lov.view());
	wire::LovDesc desc{};
	desc.active_tgt_count = wire::LOV_DESC_MAGIC;
	desc.default_stripe_count = 1;
	desc.pattern = wire::LOV_PATTERN_RAID0;
	desc.default_stripe_size = wire::LOV_DESC_STRIPE_SIZE_DEFAULT;
	desc.default_stripe_offset = -1;
	desc.qos_maxage = wire::LOV_DESC_QOS_MAXAGE_DEFAULT;
	if (!desc.uuid.uuid.set(uuid.view()))
		return cfs::fail(cfs::err::NAMETOOLONG);
	TRY(g.open());
	TRY(record(log, LcfgCommand::LCFG_ATTACH, {lov.bytes(), type.bytes(), uuid.bytes()}));
	TRY(record(log, LcfgCommand::LCFG_SETUP, {lov.bytes(), cfs::bytes_of(desc)}));
	return g.close();
}

cfs::Result<> ConfigWriter::lmv_setup(std::string_view log, const Name &lmv) noexcept
{
	Group g{*this, log, lmv.view(), "lmv setup"};
	Name type("lmv");
	Name uuid("{}_UUID", lmv.view());
	wire::LmvDesc desc{};
	if (!desc.uuid.uuid.set(uuid.view()))
		return cfs::fail(cfs::err::NAMETOOLONG);
	TRY(g.open());
	TRY(record(log, LcfgCommand::LCFG_ATTACH, {lmv.bytes(), type.bytes(), uuid.bytes()}));
	TRY(record(log, LcfgCommand::LCFG_SETUP, {lmv.bytes(), cfs::bytes_of(desc)}));
	return g.close();
}

cfs::Result<> ConfigWriter::mount_opts(std::string_view log) noexcept
{
	Name lov("{}-clilov", fsname_), lmv("{}-clilmv", fsname_), profile("{}-client", fsname_);
	Group g{*this, log, profile.view(), "mount opts"};
	TRY(g.open());
	TRY(record(log, LcfgCommand::LCFG_MOUNTOPT,
		   {{}, profile.bytes(), lov.bytes(), lmv.bytes()}));
	return g.close();
}

cfs::Result<> ConfigWriter::client_setup() noexcept
{
	Name log("{}-client", fsname_);
	TRY(lov_setup(log.view(), Name("{}-clilov", fsname_)));
	TRY(lmv_setup(log.view(), Name("{}-clilmv", fsname_)));
	return mount_opts(log.view());
}

cfs::Result<> ConfigWriter::mdt_setup(const TargetInfo &t) noexcept
{
	Name log = log_of(t.kind, t.index);
	Name lov("{}-mdtlov", log.view()), uuid("{}_UUID", log.view()), type("mdt");
	Name index("{}", t.index), mode("{}", t.failout ? "n" : "f");
	TRY(lov_setup(log.view(), lov));
	Group g{*this, log.view(), log.view(), "add mdt"};
	TRY(g.open());
	TRY(record(log.view(), LcfgCommand::LCFG_ATTACH,
		   {log.bytes(), type.bytes(), uuid.bytes()}));
	TRY(record(log.view(), LcfgCommand::LCFG_MOUNTOPT, {{}, log.bytes(), lov.bytes()}));
	TRY(record(log.view(), LcfgCommand::LCFG_SETUP,
		   {log.bytes(), uuid.bytes(), index.bytes(), lov.bytes(), mode.bytes()}));
	return g.close();
}

cfs::Result<> ConfigWriter::own_setup(const TargetInfo &t) noexcept
{
	if (t.kind == TargetKind::mdt)
		return mdt_setup(t);
	Name log = log_of(t.kind, t.index);
	Name uuid("{}_UUID", log.view()), type("obdfilter"), mode("{}", t.failout ? "n" : "f");
	Name device("dev"), fstype("type");
	Group g{*this, log.view(), log.view(), "add ost"};
	TRY(g.open());
	TRY(record(log.view(), LcfgCommand::LCFG_ATTACH,
		   {log.bytes(), type.bytes(), uuid.bytes()}));
	TRY(record(log.view(), LcfgCommand::LCFG_SETUP,
		   {log.bytes(), device.bytes(), fstype.bytes(), mode.bytes()}));
	return g.close();
}

cfs::Result<> ConfigWriter::add_to_client(const TargetInfo &t) noexcept
{
	bool mdt = t.kind == TargetKind::mdt;
	Name log("{}-client", fsname_), target = log_of(t.kind, t.index);
	Name owner("{}-{}", fsname_, mdt ? "clilmv" : "clilov"),
		owner_uuid("{}_UUID", owner.view());
	Name device("{}-{}", target.view(), mdt ? "mdc" : "osc"), uuid("{}_UUID", target.view());
	Name index("{}", t.index), generation("1"), device_uuid("{}_UUID", device.view());
	Group g{*this, log.view(), target.view(), mdt ? "add mdc" : "add osc"};
	TRY(g.open());
	TRY(connection(log.view(), {t, device, mdt ? "mdc" : "osc", owner_uuid, uuid}));
	if (mdt)
		TRY(record(log.view(), LcfgCommand::LCFG_ADD_MDC,
			   {owner.bytes(), uuid.bytes(), index.bytes(), generation.bytes(),
			    device_uuid.bytes()}));
	else
		TRY(record(log.view(), LcfgCommand::LCFG_LOV_ADD_OBD,
			   {owner.bytes(), uuid.bytes(), index.bytes(), generation.bytes()}));
	return g.close();
}

cfs::Result<> ConfigWriter::add_to_mdt(u16 mdt, const TargetInfo &t) noexcept
{
	std::string_view type = t.kind == TargetKind::mdt ? "osp" : "osc";
	Name log = log_of(TargetKind::mdt, mdt), target = log_of(t.kind, t.index);
	Name owner("{}-mdtlov", log.view()), owner_uuid("{}_UUID", owner.view());
	Name device("{}-{}-MDT{:04x}", target.view(), type, mdt), uuid("{}_UUID", target.view());
	Name index("{}", t.index), generation("1");
	Group g{*this, log.view(), target.view(),
		t.kind == TargetKind::mdt ? "add osp" : "add osc"};
	TRY(g.open());
	TRY(connection(log.view(), {t, device, type, owner_uuid, uuid}));
	TRY(record(log.view(),
		   t.kind == TargetKind::mdt ? LcfgCommand::LCFG_ADD_MDC
					     : LcfgCommand::LCFG_LOV_ADD_OBD,
		   {owner.bytes(), uuid.bytes(), index.bytes(), generation.bytes()}));
	return g.close();
}

cfs::Result<> ConfigWriter::param(std::string_view log, std::string_view target,
				  std::string_view device, std::string_view value) noexcept
{
	std::string_view key = value;
	key.remove_suffix(value.size() - std::min(value.find('='), value.size()));
	Name name("{}", device), text("{}", value);
	if (text.view().size() != value.size())
		return cfs::fail(cfs::err::NAMETOOLONG);
	Group g{*this, log, target, key};
	TRY(g.open());
	TRY(record(log, LcfgCommand::LCFG_PARAM, {name.bytes(), text.bytes()}));
	return g.close();
}

} // namespace mgs
