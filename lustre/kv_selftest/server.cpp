// SPDX-License-Identifier: GPL-2.0
#include "lustre/kv_selftest/server.hpp"

#include "osd/local.hpp"

namespace kv
{

namespace
{

constexpr auto kHandlers =
	target::with_locks<Server>({rpc::handler<rpc::op::OstSetattr, &Server::append>(),
				    rpc::handler<rpc::op::OstGetattr, &Server::length>()});

/// Modifying requests of a client at once.
constexpr wire::u16 kModifying = 4;

rpc::ServiceSpec service_spec() noexcept
{
	rpc::ServiceSpec s;
	s.name = "kv";
	s.thread_name = "kv";
	s.portals[0] = wire::Portal::OST_REQUEST_PORTAL;
	s.reply_portal = wire::Portal::OSC_REPLY_PORTAL;
	s.threads_min = 2;
	s.threads_max = 8;
	return s;
}

} // namespace

std::span<const rpc::Handler> Server::handlers() noexcept
{
	return kHandlers;
}

// ---- life ----

cfs::Result<> Server::bring_up(rpc::Rpc &rpc, ldlm::Ldlm &ldlm, osd::DeviceRef device,
			       const ServerConfig &config) noexcept
{
	char name[8], uuid[64], ns[80];
	for (unsigned k = 0; k < kKeys; k++)
		lists_[k] = TRY(osd::find_or_create_named(*device->root(),
							  cfs::format_to(name, "kv{}", k),
							  osd::local_file_spec(), key_fid(k)));
	service_ = TRY(rpc.start_service(service_spec()));
	target::TargetConfig t;
	t.name = config.name;
	t.uuid = cfs::format_to(uuid, "{}_UUID", config.name);
	t.mdt = true;
	t.supported = wire::MDT_CONNECT_SUPPORTED;
	t.supported2 = wire::MDT_CONNECT_SUPPORTED2;
	t.recovery_soft = config.recovery_soft;
	t.recovery_hard = config.recovery_hard;
	LockConfig locks;
	locks.name = cfs::format_to(ns, "mdt-{}_UUID", config.name);
	return start(rpc, ldlm, std::move(device), t, locks);
}

cfs::Result<> Server::open(rpc::Rpc &rpc, ldlm::Ldlm &ldlm, osd::DeviceRef device,
			   const ServerConfig &config) noexcept
{
	held_ = device;
	auto r = bring_up(rpc, ldlm, std::move(device), config);
	if (!r)
		close(target::StopKind::failover);
	return r;
}

void Server::close(target::StopKind kind) noexcept
{
	stop(kind);
	if (service_)
		std::exchange(service_, nullptr)->stop();
	for (auto &list : lists_)
		list.reset();
	held_.reset();
}

// ---- clients ----

cfs::Result<> Server::grant(rpc::Export &, rpc::ConnectRequest &c) noexcept
{
	c.data.maxmodrpcs = kModifying;
	c.data.ibits_known = wire::MDS_INODELOCK_FULL;
	return {};
}

void Server::client_left(rpc::Export &e, bool evicted) noexcept
{
	if (evicted)
		observer_.evicted(e.client_uuid());
}

// ---- operations ----

cfs::Result<> Server::append(rpc::ServerRequest &req,
			     rpc::RequestView<rpc::op::OstSetattr> in) noexcept
{
	const wire::Obdo &ask = in.get<rpc::fld::OstBody>().oa;
	u64 key = ask.oi.oi.oi_id;
	if (key >= kKeys)
		return cfs::fail(cfs::err::INVAL);
	auto out = TRY(req.reply<rpc::op::OstSetattr>());
	wire::Obdo &oa = out.get<rpc::fld::OstBody>().oa;
	oa.blocks = ask.blocks;
	if (auto saved = saved_reply(req)) {
		observer_.rebuilt();
		oa.size = saved->data;
		return {};
	}
	observer_.appending(ask.blocks, req.has_flag(wire::MSG_REPLAY));
	u64 place = TRY(do_append(req, *lists_[key], ask.blocks));
	oa.size = place;
	return {};
}

cfs::Result<u64> Server::do_append(rpc::ServerRequest &req, osd::Object &o, u64 number) noexcept
{
	target::Modification m(*this, &req);
	TRY(m.begin());
	auto *body = TRY(o.body());
	TRY(body->declare_write(m.tx(), osd::kEof, sizeof(u64)));
	TRY(o.declare_version_set(m.tx()));
	TRY(m.start());
	u64 place = 0;
	auto change = [&]() noexcept -> cfs::Result<> {
		osd::ObjectGuard g(o);
		TRY(m.check_version(0, o));
		osd::Attr attr;
		TRY(o.attr_get(attr));
		place = attr.size / sizeof(u64);
		cfs::le64 v{number};
		u64 version = m.version();
		TRY(body->write(m.tx(), attr.size, std::as_bytes(std::span(&v, 1))));
		return o.version_set(m.tx(), version);
	};
	auto done = change();
	TRY(m.finish(done, 0, place));
	return place;
}

cfs::Result<> Server::length(rpc::ServerRequest &req,
			     rpc::RequestView<rpc::op::OstGetattr> in) noexcept
{
	u64 key = in.get<rpc::fld::OstBody>().oa.oi.oi.oi_id;
	if (key >= kKeys)
		return cfs::fail(cfs::err::INVAL);
	auto out = TRY(req.reply<rpc::op::OstGetattr>());
	osd::ObjectReadGuard g(*lists_[key]);
	osd::Attr attr;
	TRY(lists_[key]->attr_get(attr));
	out.get<rpc::fld::OstBody>().oa.size = attr.size / sizeof(u64);
	return {};
}

} // namespace kv
