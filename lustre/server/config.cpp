// SPDX-License-Identifier: GPL-2.0
//
// What a target's configuration log says (spec 02 section 9.6a): where an MDT's OSTs are, and
// parameters. Groups come one after the other, so one description is under way at a time.
#include <cstring>

#include "libcfs/log.hpp"
#include "server/mount.hpp"

namespace server
{

using namespace cfs::err;

namespace
{

cfs::Result<> keep(std::span<char> to, std::string_view text) noexcept
{
	if (text.size() >= to.size())
		return cfs::fail(NAMETOOLONG);
	std::memcpy(to.data(), text.data(), text.size());
	to[text.size()] = '\0';
	return {};
}

std::string_view kept(std::span<const char> from) noexcept
{
	return {from.data()};
}

} // namespace

cfs::Result<> TargetMount::attach(std::string_view device, std::string_view type,
				  std::string_view uuid) noexcept
{
	pending_.is_osc = type == "osc";
	pending_.node_count = 0;
	if (!pending_.is_osc)
		return {}; // the target itself, its lov: they are here already
	TRY(keep(pending_.device, device));
	return keep(pending_.owner_uuid, uuid);
}

cfs::Result<> TargetMount::setup(std::string_view device, std::span<const cfs::Bytes> args) noexcept
{
	if (!pending_.is_osc || device != kept(pending_.device))
		return {};
	if (args.size() < 2)
		return cfs::fail(PROTO);
	TRY(keep(pending_.target, cfs::as_string(args[0])));
	return add_conn(device, cfs::as_string(args[1]));
}

cfs::Result<> TargetMount::add_conn(std::string_view device, std::string_view node) noexcept
{
	if (!pending_.is_osc || device != kept(pending_.device))
		return {};
	if (pending_.node_count == kConnectionsMax)
		return cfs::fail(NOSPC);
	return keep(pending_.nodes[pending_.node_count++], node);
}

cfs::Result<> TargetMount::add_uuid(std::string_view node, wire::u64 nid4,
				    std::string_view nid_text) noexcept
{
	lnet::Nid nid = lnet::Nid::from_nid4(nid4);
	if (nid4 == 0)
		nid = TRY(lnet::parse_nid(nid_text));
	auto r = server_->rpc().add_uuid(node, nid);
	return r || r.error() == EXIST ? cfs::Result<>{} : r;
}

cfs::Result<> TargetMount::connect_ost(u32 index) noexcept
{
	osp::OspConfig c;
	c.device = kept(pending_.device);
	c.target = kept(pending_.target);
	c.client_uuid = kept(pending_.owner_uuid);
	c.ost_index = index;
	c.mdt_index = target_.index;
	// Until the MDT says how it is with it.
	c.recovering = true;
	c.params = server_->folder(ServerNode::Kind::osp);
	auto entry = TRY(cfs::try_make<OspEntry>());
	entry->osp = TRY(
		static_cast<const MdtPart *>(server_mdt_part())->osp(server_->rpc(), *device_, c));
	cfs::Result<> r{};
	for (std::size_t i = 0; r && i < pending_.node_count; i++)
		r = entry->osp->add_connection(kept(pending_.nodes[i]));
	if (r)
		r = entry->osp->start();
	if (r)
		r = mdt_->add_ost(*entry->osp);
	if (!r) {
		entry->osp->stop();
		return r;
	}
	cfs::MutexGuard g(lock_);
	osps_.push_back(*entry.release());
	return {};
}

cfs::Result<> TargetMount::add_ost(const Target &t) noexcept
{
	if (!mdt_ || !t.active)
		return {};
	if (!pending_.is_osc || t.uuid != kept(pending_.target)) {
		CERROR(kSubsys, "{}: the log adds {}, which it has not described", options_->svname,
		       t.uuid);
		return cfs::fail(PROTO);
	}
	pending_.is_osc = false;
	auto r = connect_ost(t.index);
	if (!r)
		LCONSOLE_ERROR(kSubsys, "{}: cannot use {}: rc = {}", options_->svname, t.uuid, r);
	return r;
}

cfs::Result<> TargetMount::param(std::string_view device, std::string_view key,
				 std::string_view value) noexcept
{
	// Parameters of targets are set with lctl on their nodes for now.
	CDEBUG(kSubsys, CFS_D_CONFIG, "{}: the log sets {} of {} to {}: left alone",
	       options_->svname, key, device, value);
	return {};
}

cfs::Result<> TargetMount::set_timeout(u32 seconds) noexcept
{
	server_->rpc().tunables().timeout.store(seconds, std::memory_order_relaxed);
	return {};
}

} // namespace server
