// SPDX-License-Identifier: GPL-2.0
//
// Services of the lock manager; see services.hpp.
#include "lustre/ldlm/services.hpp"

#include "ldlm/rpc_links.hpp"

namespace ldlm
{

using wire::Opcode;
using wire::Portal;

namespace
{

/// Bytes of requests and replies (02 1.5): 6 KiB is the most that is sent to these portals.
constexpr std::size_t kRequestMax = 5 << 10;
constexpr std::size_t kReplyMax = 1 << 10;

constexpr u32 kFlags = rpc::kHandlerCallback | rpc::kHandlerUrgent;
constexpr rpc::Handler kCallbacks[] = {
	rpc::raw_handler<Opcode::LDLM_BL_CALLBACK, &Services::callback>(kFlags),
	rpc::raw_handler<Opcode::LDLM_CP_CALLBACK, &Services::callback>(kFlags),
	rpc::raw_handler<Opcode::LDLM_GL_CALLBACK, &Services::callback>(kFlags),
	rpc::raw_handler<Opcode::LDLM_SET_INFO, &Services::callback>(kFlags),
};

} // namespace

cfs::Result<> Services::begin(Running &r, rpc::Rpc &rpc, const rpc::ServiceSpec &spec) noexcept
{
	if (r.users == 0)
		r.service = TRY(rpc.start_service(spec));
	r.users++;
	return {};
}

void Services::end(Running &r) noexcept
{
	CFS_ASSERT(r.users > 0);
	if (--r.users == 0)
		std::exchange(r.service, nullptr)->stop();
}

cfs::Result<> Services::serve_callbacks(rpc::Import &import, ClientNamespace &ns) noexcept
{
	u64 cookie = static_cast<u64>(import.callback_cookie());
	auto route = TRY(cfs::try_make_ref<Route>(cookie, ns));
	cfs::MutexGuard g(lock_);
	rpc::ServiceSpec spec;
	spec.name = "ldlm_cbd";
	spec.thread_name = "ldlm_cb";
	spec.portals[0] = Portal::LDLM_CB_REQUEST_PORTAL;
	spec.reply_portal = Portal::LDLM_CB_REPLY_PORTAL;
	spec.request_max = kRequestMax;
	spec.reply_max = kReplyMax;
	spec.handlers = kCallbacks;
	spec.object = this;
	TRY(begin(callbacks_, import.rpc(), spec));
	if (routes_.insert(route))
		return {};
	end(callbacks_);
	return cfs::fail(cfs::err::EXIST);
}

void Services::end_callbacks(rpc::Import &import) noexcept
{
	auto route = routes_.find(static_cast<u64>(import.callback_cookie()));
	CFS_ASSERT(route);
	routes_.erase(*route);
	(void)route->gate.close(cfs::WaitMode::idle, cfs::Instant::never());
	cfs::MutexGuard g(lock_);
	end(callbacks_);
}

cfs::Result<> Services::serve_cancels(rpc::Rpc &rpc) noexcept
{
	rpc::ServiceSpec spec;
	spec.name = "ldlm_canceld";
	spec.thread_name = "ldlm_cn";
	spec.portals[0] = Portal::LDLM_CANCEL_REQUEST_PORTAL;
	spec.reply_portal = Portal::LDLM_CANCEL_REPLY_PORTAL;
	spec.request_max = kRequestMax;
	spec.reply_max = kReplyMax;
	cfs::MutexGuard g(lock_);
	return begin(cancels_, rpc, spec);
}

void Services::end_cancels() noexcept
{
	cfs::MutexGuard g(lock_);
	end(cancels_);
}

cfs::Result<> Services::callback(rpc::ServerRequest &req) noexcept
{
	auto route = routes_.find(static_cast<u64>(req.import()->callback_cookie()));
	cfs::Gate::Pass pass;
	if (route)
		pass = route->gate.enter();
	if (!pass) {
		// Its locks are gone already, or it never had any.
		req.refuse_as_error();
		return cfs::fail(cfs::err::NOTCONN);
	}
	return serve_callback(route->ns, req);
}

} // namespace ldlm
