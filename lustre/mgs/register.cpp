// SPDX-License-Identifier: GPL-2.0
//
// MGS_TARGET_REG: a target starts (spec 02 section 9.8, 07 section 14.3).
#include <algorithm>

#include "libcfs/log.hpp"
#include "mgs/server.hpp"

namespace mgs
{

namespace fld = rpc::fld;
using namespace cfs::err;

/// One registration under way.
struct MgsServer::Registration {
	static constexpr cfs_subsys kSubsys = CFS_S_MGS;
	wire::MgsTargetInfo mti; ///< becomes the answer
	TargetKind kind = TargetKind::ost;
	cfs::UniquePtr<KnownTarget> target;
	bool skip = false; ///< running clients know it already: its groups are written as skipped

	[[nodiscard]] bool has(u32 flag) const noexcept { return (mti.flags & flag) != 0; }
	void set(u32 flags) noexcept { mti.flags = mti.flags | flags; }
	void clear(u32 flags) noexcept { mti.flags = mti.flags & ~flags; }
};

namespace
{

/// The NIDs of the target's node: strings of a 2.17 target, or the numbers of an older one.
cfs::Result<> take_nids(rpc::RequestView<rpc::op::MgsTargetReg> in, KnownTarget &t) noexcept
{
	const auto &mti = *in.get<fld::MgsTargetInfo>();
	auto list = in.get<fld::MgsTargetNidlist>();
	if (list && (list->flags & (wire::NIDLIST_IN_BULK | wire::NIDLIST_COMPRESSED)))
		return cfs::fail(OPNOTSUPP);
	if (list && list->nids) {
		if (list->nids > list.tail.size())
			return cfs::fail(PROTO);
		for (const wire::MgsNidString &s : list.tail.first(list->nids.get()))
			TRY(t.add_nid(TRY(lnet::parse_nid(s.nid.view()))));
		return {};
	}
	if (mti.nid_count > wire::MTI_NIDS_MAX)
		return cfs::fail(PROTO);
	for (u32 i = 0; i < mti.nid_count; i++)
		TRY(t.add_nid(lnet::Nid::from_nid4(mti.nids[i].get())));
	return {};
}

/// Calls f for each of the words of a text.
template <typename F>
cfs::Result<> for_each_word(std::string_view text, char separator, F f) noexcept
{
	while (!text.empty()) {
		std::size_t n = std::min(text.find(separator), text.size());
		std::string_view word(text.data(), n);
		text.remove_prefix(std::min(n + 1, text.size()));
		if (!word.empty())
			TRY(f(word));
	}
	return {};
}

/// "failover.node=10.0.0.2@tcp,10.1.0.2@o2ib:10.0.0.3@tcp": nodes by ':', their NIDs by ','.
cfs::Result<> add_failover(KnownTarget &t, std::string_view nodes) noexcept
{
	return for_each_word(nodes, ':', [&](std::string_view node) -> cfs::Result<> {
		TRY(t.begin_node());
		return for_each_word(node, ',', [&](std::string_view nid) -> cfs::Result<> {
			return t.add_nid(TRY(lnet::parse_nid(nid)));
		});
	});
}

/// What the parameters say about the target itself.
cfs::Result<> take_params(std::string_view params, KnownTarget &t) noexcept
{
	return for_each_word(params, ' ', [&](std::string_view p) -> cfs::Result<> {
		if (p.starts_with(wire::PARAM_FAILNODE)) {
			p.remove_prefix(wire::PARAM_FAILNODE.size());
			return add_failover(t, p);
		}
		if (p == "failover.mode=failout")
			t.failout = true;
		return {};
	});
}

/// For records that are only composed.
class Nowhere final : public ConfigSink
{
public:
	cfs::Result<> append(std::string_view, const ConfigRecord &) noexcept override
	{
		return {};
	}
};

/// Parameters that are not for a device.
bool is_own_word(std::string_view p) noexcept
{
	return p.starts_with(wire::PARAM_FAILNODE) || p.starts_with(wire::PARAM_FAILMODE) ||
	       p.starts_with(wire::PARAM_MGSNODE) || p.starts_with(wire::PARAM_NETWORK);
}

/// Parameters of clients' devices; the others are the target's own.
bool is_for_clients(std::string_view p) noexcept
{
	return p.starts_with(wire::PARAM_OSC) || p.starts_with(wire::PARAM_MDC) ||
	       p.starts_with(wire::PARAM_LLITE);
}

} // namespace

cfs::Result<> MgsServer::choose_index(Registration &r, FsDb &db) noexcept
{
	if (r.has(wire::LDD_F_NEED_INDEX)) {
		r.mti.stripe_index = TRY(db.free_index(r.kind));
		r.set(wire::LDD_F_WRITECONF);
	}
	if (r.mti.stripe_index >= 0xffff)
		return cfs::fail(RANGE);
	auto index = static_cast<u16>(r.mti.stripe_index.get());
	Name name = target_name(db.name(), r.kind, index);
	r.target->kind = r.kind;
	r.target->index = index;
	if (!r.has(wire::LDD_F_UPDATE | wire::LDD_F_WRITECONF)) {
		if (db.find(r.kind, index))
			return {};
		LCONSOLE_ERROR(kSubsys,
			       "{} claims to have registered, but this MGS does not know about it; "
			       "format it again, or write its configuration anew (--writeconf)",
			       name.view());
		return cfs::fail(NOENT);
	}
	// Nothing is erased on behalf of what will be refused.
	TRY(check_words(r, db));
	if (r.has(wire::LDD_F_WRITECONF) && !r.has(wire::LDD_F_NEED_INDEX))
		TRY(erase_logs(db, r.kind, index));
	if (db.find(r.kind, index)) {
		if (r.has(wire::LDD_F_VIRGIN) && !r.has(wire::LDD_F_WRITECONF)) {
			LCONSOLE_ERROR(kSubsys,
				       "{} is registered already; the new target needs "
				       "another index",
				       name.view());
			return cfs::fail(ADDRINUSE);
		}
		r.skip = true;
	}
	return {};
}

/// A target's configuration is made anew: MDT0's is that of the file system.
cfs::Result<> MgsServer::erase_logs(FsDb &db, TargetKind kind, u16 index) noexcept
{
	auto erase = [&](std::string_view log) -> cfs::Result<> {
		auto r = named_logs_.erase_log(log);
		return r || r.error() == NOENT ? cfs::Result<>{} : r;
	};
	if (kind != TargetKind::mdt || index != 0)
		return erase(target_name(db.name(), kind, index).view());
	for (const KnownTarget &t : db.targets())
		TRY(erase(target_name(db.name(), t.kind, t.index).view()));
	TRY(erase(target_name(db.name(), kind, index).view()));
	TRY(erase(Name("{}-client", db.name()).view()));
	db.clear();
	return {};
}

/// What the target says of itself, as far as it may be refused.
cfs::Result<> MgsServer::check_words(Registration &r, FsDb &db) noexcept
{
	Nowhere nowhere;
	if (r.target->nids() == 0)
		return cfs::fail(INVAL);
	TRY(take_params(r.mti.params.view(), *r.target));
	u32 step = db.step();
	auto done = write_params(r, db, nowhere);
	db.step() = step;
	return done;
}

cfs::Result<> MgsServer::write_params(Registration &r, FsDb &db, ConfigSink &sink) noexcept
{
	Name target = target_name(db.name(), r.kind, r.target->index);
	Name client("{}-client", db.name());
	ConfigWriter w(sink, db.name(), db.step(), cfs::real_seconds());
	auto write = [&](std::string_view p) -> cfs::Result<> {
		if (is_own_word(p))
			return {};
		if (!is_for_clients(p))
			return w.param(target.view(), target.view(), target.view(), p);
		Name device("{}-{}", target.view(), r.kind == TargetKind::mdt ? "mdc" : "osc");
		return w.param(client.view(), target.view(), device.view(), p);
	};
	return for_each_word(r.mti.params.view(), ' ', write);
}

/// All groups of a registration, in stock's order.
cfs::Result<> MgsServer::write_target(Registration &r, FsDb &db) noexcept
{
	LogSink sink(named_logs_);
	u32 step = db.step();
	ConfigWriter w(sink, db.name(), step, cfs::real_seconds());
	TargetInfo info = r.target->info();
	bool first = db.empty();

	TRY(w.own_setup(info));
	if (first)
		TRY(w.client_setup());
	if (r.kind == TargetKind::mdt) {
		for (const KnownTarget &t : db.targets())
			if (t.kind != r.kind || t.index != info.index)
				TRY(w.add_to_mdt(info.index, t.info()));
		w.set_skip(r.skip);
		TRY(w.add_to_client(info));
	}
	w.set_skip(r.skip);
	for (const KnownTarget &t : db.targets())
		if (t.kind == TargetKind::mdt && (t.kind != r.kind || t.index != info.index))
			TRY(w.add_to_mdt(t.index, info));
	if (r.kind == TargetKind::ost)
		TRY(w.add_to_client(info));
	std::swap(step, db.step());
	TRY(write_params(r, db, sink));
	return sink.commit(*device_);
}

cfs::Result<> MgsServer::run(Registration &r) noexcept
{
	FsDb *db = TRY(fs(r.mti.fsname.view()));
	auto done = write(r, *db);
	// Whoever made up its name does not leave it here.
	drop_empty(*db);
	return done;
}

cfs::Result<> MgsServer::write(Registration &r, FsDb &db) noexcept
{
	TRY(choose_index(r, db));
	Name name = target_name(db.name(), r.kind, r.target->index);
	Name uuid("{}_UUID", name.view());
	if (!r.mti.svname.set(name.view()) || !r.mti.uuid.set(uuid.view()))
		return cfs::fail(NAMETOOLONG);
	if (!r.has(wire::LDD_F_UPDATE | wire::LDD_F_WRITECONF))
		return {};
	Name client("{}-client", db.name());
	auto lock = TRY(revoke(client.view(), wire::MgsCfgType::MGS_CFG_T_CONFIG));
	TRY(write_target(r, db));
	if (r.skip)
		LCONSOLE_WARN(kSubsys,
			      "Client log for {} was not updated; clients keep what they have",
			      name.view());
	db.put(std::move(r.target));
	r.clear(wire::LDD_F_VIRGIN | wire::LDD_F_UPDATE | wire::LDD_F_NEED_INDEX |
		wire::LDD_F_WRITECONF);
	r.set(wire::LDD_F_REWRITE_LDD);
	LCONSOLE_INFO(kSubsys, "MGS: {} is registered", name.view());
	return {};
}

/// A target that is known takes connections from now on. Does not wait for a change, which may be
/// waiting for clients.
cfs::Result<> MgsServer::target_ready(Registration &r) noexcept
{
	if (r.mti.stripe_index >= 0xffff || r.target->nids() == 0)
		return cfs::fail(INVAL);
	auto index = static_cast<u16>(r.mti.stripe_index.get());
	std::string_view fs = r.mti.fsname.view();
	NidTable *table = TRY(table_of(Name("{}-cliir", fs).view()));
	(void)TRY(named_logs_.find_log(target_name(fs, r.kind, index).view()));
	TRY(table->put(r.kind, index, r.mti.instance, r.target->all_nids()));
	u32 others = 0;
	if (ir_state(*table, &others) == IrState::full)
		r.set(wire::LDD_F_IR_CAPABLE);
	return {};
}

cfs::Result<> MgsServer::target_reg(rpc::ServerRequest &req,
				    rpc::RequestView<rpc::op::MgsTargetReg> in) noexcept
{
	auto asked = in.get<fld::MgsTargetInfo>();
	auto made = TRY(cfs::try_make<Registration>());
	Registration &r = *made;
	r.mti = *asked;
	r.kind = r.has(wire::LDD_F_SV_TYPE_MDT) ? TargetKind::mdt : TargetKind::ost;
	auto out = TRY(req.reply<rpc::op::MgsTargetReg>());
	auto done = [&]() -> cfs::Result<> {
		bool kind_told = r.has(wire::LDD_F_SV_TYPE_MDT) != r.has(wire::LDD_F_SV_TYPE_OST);
		if (!kind_told || !r.mti.fsname.terminated() || !r.mti.params.terminated())
			return cfs::fail(INVAL);
		r.target = TRY(cfs::try_make<KnownTarget>());
		TRY(take_nids(in, *r.target));
		if (r.has(wire::LDD_F_OPC_READY))
			return target_ready(r);
		cfs::MutexGuard g(change_lock_);
		return run(r);
	}();
	if (!done)
		r.set(wire::LDD_F_ERROR);
	*out.get<fld::MgsTargetInfo>() = r.mti;
	return done;
}

} // namespace mgs
