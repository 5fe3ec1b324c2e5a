// SPDX-License-Identifier: GPL-2.0
//
// Callbacks of the server (spec 03 section 5). Each is answered at once; what it causes happens on
// workers. A lock that is not known any more is answered with -EINVAL, which is an ordinary race.
#include "lustre/ldlm/client_ns.hpp"

namespace ldlm
{

using namespace cfs::err;
using wire::LdlmError;

namespace
{

constexpr u32 kBlCallback = 104;
constexpr u32 kCpCallback = 105;
constexpr u32 kGlCallback = 106;
constexpr u32 kSetInfo = 107;
constexpr int32_t kUnknown = cfs::to_rc(INVAL);
constexpr int32_t kNoData = -static_cast<int32_t>(LdlmError::ELDLM_NO_LOCK_DATA);

} // namespace

void ClientNs::want_back(ClientLockImpl &l, const ResName &name, u64 bits, bool discard) noexcept
{
	l.why.discard |= discard;
	if (l.res->key.type == LDLM_IBITS && bits && name == l.res->key.name && !l.full_cancel)
		l.cancel_bits |= bits;
	else
		l.full_cancel = true;
}

int32_t ClientNs::blocking(const wire::LdlmRequest &req, u64 handle, u64 remote) noexcept
{
	ClientLockImplPtr l = by_handle_.find(handle);
	if (!l)
		return kUnknown;
	u64 bits = req.lock_desc.policy_data.inodebits.cancel_bits.get();
	ResName name = from_wire(req.lock_desc.resource.name);
	bool discard = req.lock_flags.get() & wire::LDLM_FL_DISCARD_DATA;
	cfs::MutexGuard s(stripe(*l));
	if (l->state == State::failed || l->state == State::over)
		return kUnknown;
	if (!l->remote_handle())
		l->remote.store(remote, std::memory_order_relaxed);
	if (l->state != State::granted) {
		want_back(*l, name, bits, discard);
		return 0;
	}
	cfs::MutexGuard g(l->res->lock);
	if (l->lost)
		return kUnknown;
	want_back(*l, name, bits, discard);
	if (start_cancel(*l, {CancelReason::blocking, l->why.discard}))
		queue_cancel(*l);
	return 0;
}

int32_t ClientNs::completion(const wire::LdlmRequest &req, u64 handle, u64 remote,
			     cfs::Bytes lvb) noexcept
{
	ClientLockImplPtr l = by_handle_.find(handle);
	if (!l)
		return kUnknown;
	u32 flags = req.lock_flags.get();
	{
		cfs::MutexGuard s(stripe(*l));
		if (l->state == State::failed || l->state == State::over)
			return kUnknown;
		if (l->state != State::sent && l->state != State::waiting)
			return 0; // a second time
		l->remote.store(remote, std::memory_order_relaxed);
		if (l->is_flock() && ((flags & wire::LDLM_FL_FLOCK_DEADLOCK) ||
				      req.lock_desc.granted_mode.get() == LCK_MODE_MIN)) {
			l->lost = true; // the server has dropped it
			fail_lock(*l, flags & wire::LDLM_FL_FLOCK_DEADLOCK ? DEADLK : INTR);
			return 0;
		}
		auto d = from_wire(req.lock_desc);
		if (!d || !check_lvb(*l, lvb) || !adopt(*l, *d)) {
			fail_lock(*l, PROTO);
			return d ? 0 : cfs::to_rc(d);
		}
		if (flags & wire::LDLM_FL_AST_SENT)
			want_back(*l, l->res->key.name, 0, false);
		l->state = State::granting;
	}
	grant(*l, lvb);
	return 0;
}

int32_t ClientNs::glimpsed(u64 handle, cfs::Bytes gl_desc, CallbackReply &reply) noexcept
{
	ClientLockImplPtr l = by_handle_.find(handle);
	if (!l)
		return kUnknown;
	{
		cfs::MutexGuard s(stripe(*l));
		if (l->state == State::failed || l->state == State::over)
			return kUnknown;
		// Faster than the answer to the enqueue. Not "unknown": the server would drop a
		// lock that is about to be used.
		if (l->state != State::granted)
			return kNoData;
		cfs::MutexGuard g(l->res->lock);
		if (l->lost)
			return kUnknown;
	}
	auto n = user_->on_glimpse(*l, gl_desc, reply.lvb);
	if (!n)
		return kNoData;
	reply.lvb_bytes = *n;
	if (*n == sizeof(wire::OstLvb) && !server_has(wire::OBD_CONNECT_LVB_TYPE))
		reply.lvb_bytes = sizeof(wire::OstLvbV1);
	// A write lock that rests is given back, so that the next glimpse need not come here.
	cfs::MutexGuard s(stripe(*l));
	if (l->state != State::granted)
		return 0;
	cfs::MutexGuard g(l->res->lock);
	auto rest = cfs::Duration::nanos(static_cast<std::int64_t>(dirty_age_ns_.load()));
	bool rests = l->granted_mode == LCK_PW && l->in_lru.is_linked() &&
		     cfs::Instant::now() - l->last_used > rest;
	if (rests) {
		l->full_cancel = true;
		if (start_cancel(*l, {CancelReason::lru, false}))
			queue_cancel(*l);
	}
	return 0;
}

int32_t ClientNs::callback(u32 opcode, cfs::Bytes first, cfs::Bytes second,
			   CallbackReply &reply) noexcept
{
	auto pass = callbacks_.enter();
	if (!pass)
		return cfs::to_rc(NOTCONN);
	if (opcode == kSetInfo)
		return user_->on_set_info(first, second);
	cfs::Reader in(first);
	auto req = in.view<wire::LdlmRequest>();
	auto handles = in.array<cfs::le64>(2);
	if (!req || !handles)
		return cfs::to_rc(PROTO);
	if ((*req)->lock_flags.get() & ~wire::LDLM_FL_WIRE_AST_FLAGS_MASK)
		return cfs::to_rc(PROTO);
	u64 handle = (*handles)[0].get();
	u64 remote = (*handles)[1].get();
	CDEBUG(CFS_S_LDLM, CFS_D_DLMTRACE, "{}: callback {} for lock {:#x}/{:#x}", name_, opcode,
	       handle, remote);
	switch (opcode) {
	case kBlCallback:
		return blocking(**req, handle, remote);
	case kCpCallback:
		return completion(**req, handle, remote, second);
	case kGlCallback:
		return glimpsed(handle, second, reply);
	default:
		return cfs::to_rc(PROTO);
	}
}

} // namespace ldlm
