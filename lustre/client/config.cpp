// SPDX-License-Identifier: GPL-2.0
//
// The configuration log of a client, carried out (spec 06 section 1.5), and the MGCs of a node.
#include <algorithm>

#include "client/mount_impl.hpp"
#include "client/text.hpp"
#include "libcfs/log.hpp"
#include "lnet/nid.hpp"

namespace client
{

using namespace cfs::err;
using namespace wire;

// ---- the log ----

namespace
{

std::string_view text(std::span<const cfs::Bytes> args, std::size_t i) noexcept
{
	return i < args.size() ? cfs::as_string(args[i]) : std::string_view{};
}

} // namespace

Result<> ClientConfig::attach(std::string_view device, std::string_view type,
			      std::string_view uuid) noexcept
{
	(void)device, (void)uuid;
	return copy_text(type_, type);
}

Result<> ClientConfig::setup(std::string_view device, std::span<const cfs::Bytes> args) noexcept
{
	return connect(device, text(args, 0), text(args, 1));
}

Result<> ClientConfig::connect(std::string_view device, std::string_view target,
			       std::string_view node) noexcept
{
	std::string_view type(type_);
	if (type == "osc")
		return mount_.data().setup_osc(device, target, node);
	if (type != "mdc")
		return {}; // lov and lmv are not devices of their own here
	if (mount_.has_mdc()) {
		LCONSOLE_ERROR(CFS_S_LLITE,
			       "{}: {}: more than one MDT is not supported by this client",
			       mount_.fsname(), device);
		return cfs::fail(OPNOTSUPP);
	}
	TRY(copy_text(mdc_, device));
	TRY(copy_text(mdt_, target));
	TRY(mount_.make_mdc(device, target));
	mount_.mdc().expect_osts(osts_);
	return mount_.mdt().add_connection(node);
}

Result<> ClientConfig::add_uuid(std::string_view node, u64 nid4, std::string_view nid_text) noexcept
{
	lnet::Nid nid;
	if (nid4)
		nid = lnet::Nid::from_nid4(nid4);
	else
		nid = TRY(lnet::parse_nid(nid_text));
	auto r = mount_.rpc().add_uuid(node, nid);
	if (!r && r.error() != EXIST)
		return r;
	return {};
}

Result<> ClientConfig::add_conn(std::string_view device, std::string_view node) noexcept
{
	if (mount_.has_mdc() && device == std::string_view(mdc_))
		return mount_.mdt().add_connection(node);
	return mount_.data().add_conn(device, node);
}

Result<> ClientConfig::add_ost(const Target &t) noexcept
{
	osts_ = std::max(osts_, t.index + 1);
	if (mount_.has_mdc())
		mount_.mdc().expect_osts(osts_);
	return mount_.data().add_ost(t.index, t.uuid, t.gen, t.active);
}

Result<> ClientConfig::del_ost(const Target &t) noexcept
{
	return mount_.data().del_ost(t.index);
}

Result<> ClientConfig::add_mdt(const Target &t) noexcept
{
	if (t.index == 0 && t.uuid == std::string_view(mdt_))
		return {};
	LCONSOLE_ERROR(CFS_S_LLITE, "{}: {}: more than one MDT is not supported by this client",
		       mount_.fsname(), t.uuid);
	return cfs::fail(OPNOTSUPP);
}

Result<> ClientConfig::param(std::string_view device, std::string_view key,
			     std::string_view value) noexcept
{
	auto r = mount_.data().param(device, key, value);
	if (!r)
		CDEBUG(CFS_S_LLITE, CFS_D_CONFIG, "{}: {}.{}={}: {}", mount_.fsname(), device, key,
		       value, r);
	return {};
}

Result<> ClientConfig::set_timeout(u32 seconds) noexcept
{
	mount_.rpc().tunables().timeout.store(seconds, std::memory_order_relaxed);
	return {};
}

void ClientConfig::target_at(const mgc::TargetPlace &place) noexcept
{
	char buf[UUID_MAX];
	if (place.kind == TargetKind::ost)
		return mount_.data().target_moved(place.index, place.nids, place.instance);
	auto uuid = cfs::format_to(buf, "{}-MDT{:04x}_UUID", mount_.fsname(), place.index);
	if (mount_.has_mdc() && uuid == std::string_view(mdt_))
		mount_.mdt().target_moved(place.nids, place.instance);
}

// ---- MGCs ----

Result<cfs::UniquePtr<ClientNode>> ClientNode::make(cfs::Node &node) noexcept
{
	return cfs::try_make<ClientNode>(node);
}

void ClientNode::destroy() noexcept
{
	this->~ClientNode();
	cfs_free(kSubsys, this, sizeof(*this));
}

namespace
{

/// The next word of a list, which is cut from it.
std::string_view word(std::string_view &list, char separator) noexcept
{
	std::size_t n = list.find(separator);
	std::string_view w = list;
	if (n == std::string_view::npos) {
		list = {};
		return w;
	}
	w.remove_suffix(list.size() - n);
	list.remove_prefix(n + 1);
	return w;
}

Result<> add_nodes(mgc::Mgc &mgc, std::string_view list) noexcept
{
	while (!list.empty()) {
		std::string_view node = word(list, ':');
		lnet::Nid nids[rpc::Rpc::kNidsPerUuid];
		std::size_t n = 0;
		while (!node.empty()) {
			if (n == std::size(nids))
				return cfs::fail(NOSPC);
			nids[n++] = TRY(lnet::parse_nid(word(node, ',')));
		}
		if (n)
			TRY(mgc.add_node({nids, n}));
	}
	return {};
}

} // namespace

Result<cfs::UniquePtr<ClientNode::SharedMgc>> ClientNode::start_mgc(std::string_view name,
								    std::string_view mgs,
								    std::string_view more,
								    bool no_ir) noexcept
{
	auto m = TRY(cfs::try_make<SharedMgc>());
	TRY(copy_text(m->name, name));
	m->no_ir = no_ir;
	m->rpc = TRY(rpc::RpcHold::take(node_.plat()));
	char uuid[UUID_MAX];
	m->rpc->new_uuid(uuid);
	auto *ldlm = TRY(ldlm::of(node_));
	mgc::MgcConfig c{name, std::string_view(uuid), no_ir,
			 folder_.is_open() ? &folder_ : nullptr};
	m->mgc = TRY(mgc::Mgc::create(*m->rpc, *ldlm, c));
	auto stop = cfs::ScopeExit([&] { m->mgc->stop(); });
	TRY(add_nodes(*m->mgc, mgs));
	TRY(add_nodes(*m->mgc, more));
	auto wait =
		cfs::Duration::seconds(m->rpc->tunables().timeout.load(std::memory_order_relaxed));
	auto connected = m->mgc->connect(cfs::WaitMode::killable, cfs::after(wait));
	if (!connected) {
		LCONSOLE_ERROR(CFS_S_LLITE,
			       "{}: the MGS does not answer: {}. Is it running, and is "
			       "its NID right?",
			       name, connected);
		return cfs::fail(connected.error());
	}
	stop.dismiss();
	return m;
}

Result<ClientNode::SharedMgc *> ClientNode::take_mgc(std::string_view mgs, std::string_view more,
						     bool no_ir) noexcept
{
	char buf[64];
	std::string_view rest = mgs;
	std::string_view node = word(rest, ':');
	std::string_view name = cfs::format_to(buf, "MGC{}", word(node, ','));
	cfs::MutexGuard g(lock_);
	for (SharedMgc &m : mgcs_)
		if (name == std::string_view(m.name) && m.no_ir == no_ir) {
			m.users++;
			return &m;
		}
	if (folder_users_++ == 0)
		(void)folder_.open(node_.params(), "mgc");
	auto fresh = start_mgc(name, mgs, more, no_ir);
	if (!fresh) {
		drop_folder();
		return cfs::fail(fresh.error());
	}
	(*fresh)->users = 1;
	mgcs_.push_back(**fresh);
	return fresh->release();
}

void ClientNode::drop_folder() noexcept
{
	if (--folder_users_ == 0)
		folder_.close();
}

void ClientNode::put_mgc(SharedMgc *m) noexcept
{
	{
		cfs::MutexGuard g(lock_);
		if (--m->users)
			return;
		mgcs_.erase(mgcs_.iterator_to(*m));
	}
	m->mgc->stop();
	m->mgc.reset();
	cfs::UniquePtr<SharedMgc>(m).reset();
	cfs::MutexGuard g(lock_);
	drop_folder();
}

} // namespace client
