// SPDX-License-Identifier: GPL-2.0
#include "mgs/fs_db.hpp"

#include <algorithm>

namespace mgs
{

cfs::Result<> KnownTarget::begin_node() noexcept
{
	if (nodes_count_ == kNodesMax)
		return cfs::fail(cfs::err::NOSPC);
	nodes_[nodes_count_++] = {{nid_.data() + nids_, 0}};
	return {};
}

cfs::Result<> KnownTarget::add_nid(const lnet::Nid &nid) noexcept
{
	if (nids_ == kNidsMax)
		return cfs::fail(cfs::err::NOSPC);
	if (nodes_count_ == 0)
		TRY(begin_node());
	nid_[nids_++] = nid;
	ServerNode &node = nodes_[nodes_count_ - 1];
	node.nids = {node.nids.data(), node.nids.size() + 1};
	return {};
}

namespace
{

/// Finds the targets in a client log: the NIDs of a group, then the record that adds it.
class ClientLogReader final : public llog::ConfigHandler
{
	FsDb &db_;
	cfs::UniquePtr<KnownTarget> now_;
	char node_[lnet::LNET_NIDSTR_SIZE] = {};

	cfs::Result<> end_group(TargetKind kind, u32 index) noexcept
	{
		if (!now_)
			return {}; // a target without NIDs cannot be told to others
		now_->kind = kind;
		now_->index = static_cast<u16>(index);
		db_.put(std::move(now_));
		return {};
	}

public:
	explicit ClientLogReader(FsDb &db) noexcept : db_(db) {}

	cfs::Result<> add_uuid(std::string_view node, std::uint64_t nid4,
			       std::string_view text) noexcept override
	{
		lnet::Nid nid = nid4 ? lnet::Nid::from_nid4(nid4) : TRY(lnet::parse_nid(text));
		if (!now_)
			now_ = TRY(cfs::try_make<KnownTarget>());
		else if (node != std::string_view(node_))
			TRY(now_->begin_node());
		(void)cfs::format_cstr(node_, "{}", node);
		return now_->add_nid(nid);
	}
	cfs::Result<> add_ost(const Target &t) noexcept override
	{
		return end_group(TargetKind::ost, t.index);
	}
	cfs::Result<> add_mdt(const Target &t) noexcept override
	{
		return end_group(TargetKind::mdt, t.index);
	}
};

/// The highest number of a group.
class StepReader final : public llog::RecordVisitor
{
	u32 &step_;

public:
	explicit StepReader(u32 &step) noexcept : step_(step) {}

	llog::Result<Next> record(const llog::Record &r) noexcept override
	{
		auto c = llog::parse_cfg(r.body);
		if (!c || c->command != wire::LcfgCommand::LCFG_MARKER || c->count < 2)
			return Next::go_on;
		if (auto m = cfs::view_at<wire::CfgMarker>(c->buffers[1], 0))
			step_ = std::max(step_, (*m)->step.get());
		return Next::go_on;
	}
};

cfs::Result<> read_step(target::NamedLogs &logs, std::string_view log, u32 &step) noexcept
{
	auto l = logs.find_log(log);
	if (!l)
		return l.error() == cfs::err::NOENT ? cfs::Result<>{} : cfs::fail(l.error());
	StepReader r(step);
	(void)TRY(llog::process(**l, log, r));
	return {};
}

} // namespace

bool FsDb::is_name(std::string_view fsname) noexcept
{
	auto fits = [](char c) {
		return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		       c == '_' || c == '-';
	};
	return !fsname.empty() && fsname.size() <= wire::LUSTRE_MAXFSNAME &&
	       std::ranges::all_of(fsname, fits);
}

cfs::Result<cfs::UniquePtr<FsDb>> FsDb::load(target::NamedLogs &logs,
					     std::string_view fsname) noexcept
{
	if (!is_name(fsname))
		return cfs::fail(cfs::err::INVAL);
	auto db = TRY(cfs::try_make<FsDb>());
	db->name_ = Name("{}", fsname);
	Name client("{}-client", fsname);
	auto log = logs.find_log(client.view());
	if (!log) {
		if (log.error() == cfs::err::NOENT)
			return db;
		return cfs::fail(log.error());
	}
	ClientLogReader handler(*db);
	llog::ConfigReader reader(handler, client.view());
	(void)TRY(reader.read(**log));
	TRY(read_step(logs, client.view(), db->step_));
	for (const KnownTarget &t : db->targets_)
		TRY(read_step(logs, target_name(fsname, t.kind, t.index).view(), db->step_));
	return db;
}

KnownTarget *FsDb::find(TargetKind kind, u16 index) noexcept
{
	for (KnownTarget &t : targets_)
		if (t.kind == kind && t.index == index)
			return &t;
	return nullptr;
}

cfs::Result<u16> FsDb::free_index(TargetKind kind) noexcept
{
	for (u32 i = 0; i < 0xffff; i++)
		if (!find(kind, static_cast<u16>(i)))
			return static_cast<u16>(i);
	return cfs::fail(cfs::err::NOSPC);
}

void FsDb::put(cfs::UniquePtr<KnownTarget> t) noexcept
{
	if (KnownTarget *old = find(t->kind, t->index)) {
		targets_.erase(targets_.iterator_to(*old));
		cfs::UniquePtr<KnownTarget>(old).reset();
	}
	targets_.push_back(*t.release());
}

void FsDb::clear() noexcept
{
	targets_.clear_and_dispose([](KnownTarget *t) { cfs::UniquePtr<KnownTarget>(t).reset(); });
}

} // namespace mgs
