// SPDX-License-Identifier: GPL-2.0
//
// The MGS's part in imperative recovery: whoever reads the tables, and whether targets may count on
// them (spec 02 section 9.7, 07 section 14).
#include <algorithm>

#include "libcfs/log.hpp"
#include "mgs/server.hpp"

namespace mgs
{

namespace fld = rpc::fld;
using namespace cfs::err;

namespace
{

/// Units of answers: pages of clients.
constexpr unsigned kUnitBitsMin = 12, kUnitBitsMax = 16;
/// How long clients are waited for that have been asked for the lock of a table.
constexpr cfs::Duration kCallWait = cfs::Duration::seconds(1);

} // namespace

/// log: "lustre-cliir", or "lustre-mdtir".
cfs::Result<NidTable *> MgsServer::table_of(std::string_view log) noexcept
{
	constexpr std::string_view kClients = "-cliir", kMdts = "-mdtir";
	if (!log.ends_with(kClients) && !log.ends_with(kMdts))
		return cfs::fail(INVAL);
	log.remove_suffix(kClients.size());
	if (!FsDb::is_name(log))
		return cfs::fail(INVAL);
	(void)TRY(named_logs_.find_log(Name("{}-client", log).view()));
	return tables_.of(log);
}

cfs::Result<> MgsServer::config_read(rpc::ServerRequest &req,
				     rpc::RequestView<rpc::op::MgsConfigRead> in) noexcept
{
	using Type = wire::MgsCfgType;
	const wire::MgsConfigBody &b = in.get<fld::MgsConfigBody>();
	Type type = b.type;
	if (type == Type::MGS_CFG_T_CONFIG || type == Type::MGS_CFG_T_NODEMAP)
		return refused(req);
	if (type != Type::MGS_CFG_T_RECOVER || !b.name.terminated() || b.bits < kUnitBitsMin ||
	    b.bits > kUnitBitsMax || b.units == 0 || b.offset == 0)
		return cfs::fail(INVAL);
	NidTable *table = TRY(table_of(b.name.view()));
	TableQuery q{b.offset, std::size_t{1} << b.bits, b.rec_nid_size == sizeof(lnet::Nid)};
	std::size_t most = std::min<u64>(u64{b.units} << b.bits, kTableAnswerMax);
	auto out = TRY(req.reply<rpc::op::MgsConfigRead>());
	auto room = TRY(cfs::Array<std::byte>::make(kSubsys, std::min(table->room(q), most)));
	cfs::MutBytes bytes(room.data(), room.size());
	TableAnswer a = table->read(q, bytes);
	wire::MgsConfigRes &res = out.get<fld::MgsConfigRes>();
	res.offset = a.last;
	res.size = a.newest;
	return req.bulk_put(rpc::BulkDesc::linear(
		rpc::Bulk::to_client, wire::Portal::MGS_BULK_PORTAL, bytes.first(a.bytes)));
}

/// A client that will not be told comes back only when its requests have timed out, and one that
/// has not come back to this MGS yet will not be told either.
MgsServer::IrState MgsServer::ir_state(NidTable &table, u32 *others) noexcept
{
	u32 n = 0;
	registration_->for_each_export([&n](rpc::Export &e) {
		n += e.connected() && !e.has_flag(wire::OBD_CONNECT_IMP_RECOV);
	});
	*others = n;
	if (table.disabled())
		return IrState::disabled;
	if (cfs::Instant::now() < started_ + cfs::Duration::seconds(ir_timeout()))
		return IrState::startup;
	return n ? IrState::partial : IrState::full;
}

/// Nothing is changed under the lock. So it is waited for only as long as clients need that are
/// there: those have given it back, and ask for it again, which must not wait for those that are
/// dead.
cfs::Result<> MgsServer::tell_clients(NidTable &table) noexcept
{
	Name log("{}-cliir", table.name());
	auto lock = revoke(log.view(), wire::MgsCfgType::MGS_CFG_T_RECOVER, cfs::after(kCallWait));
	if (lock || lock.error() == TIMEDOUT)
		return {};
	return cfs::fail(lock.error());
}

void MgsServer::show_state(NidTable &table, cfs::FormatSink &out) noexcept
{
	constexpr std::string_view kNames[] = {"startup", "partial", "full", "disabled"};
	u32 others = 0;
	auto state = ir_state(table, &others);
	out.print("    state: {}\n    nonir_clients: {}\n", kNames[static_cast<unsigned>(state)],
		  others);
}

} // namespace mgs
