// SPDX-License-Identifier: GPL-2.0
//
// Exports; see export_impl.hpp.

#include <algorithm>

#include "lustre/rpc/service_impl.hpp"

namespace rpc
{

using namespace cfs::err;

/// What needs ServerReq whole.
struct ExportImpl::Lists {
	static constexpr cfs_subsys kSubsys = CFS_S_RPC;
	/// Being processed, by XID.
	cfs::OrderedMultiSet<ServerReq, &ServerReq::in_active, ServerReq::ByXid> active;
	/// Replied, and holding something; in the order of replying.
	cfs::List<ServerReq, &ServerReq::in_held> held;
};

ExportImpl::ExportImpl(TargetImpl &t, u64 cookie_value) noexcept : cookie(cookie_value), target_(t)
{
	t.core().object_made();
	// Without memory the export is refused by TargetImpl::add().
	if (auto l = cfs::try_make<Lists>())
		lists_ = l->release();
}

void ExportImpl::destroy() noexcept
{
	for (auto &d : data_)
		if (ExportData *p = d.exchange(nullptr, std::memory_order_acq_rel))
			p->destroy();
	Core &core = target_.core();
	if (lists_) {
		CFS_ASSERT(lists_->active.empty() && lists_->held.empty());
		cfs::UniquePtr<Lists>(lists_).reset();
	}
	target_.forget(*this);
	cfs_rcu *head = &rcu_;
	this->~ExportImpl();
	cfs_free_rcu(kSubsys, this, sizeof(*this), head);
	core.object_gone();
}

Target &ExportImpl::target() noexcept
{
	return target_;
}

wire::Transno ExportImpl::last_committed() const noexcept
{
	return wire::Transno{target_.last_committed()};
}

lnet::Nid ExportImpl::nid() noexcept
{
	cfs::SpinGuard g(lock_);
	return nid_;
}

wire::ObdConnectData ExportImpl::granted() noexcept
{
	cfs::SpinGuard g(lock_);
	return granted_;
}

void ExportImpl::set_granted(const wire::ObdConnectData &granted) noexcept
{
	u64 flags = granted.connect_flags;
	flags_.store(flags, std::memory_order_relaxed);
	flags2_.store(flags & wire::OBD_CONNECT_FLAGS2 ? u64{granted.connect_flags2} : 0,
		      std::memory_order_relaxed);
	cfs::SpinGuard g(lock_);
	granted_ = granted;
}

u64 ExportImpl::client_cookie() noexcept
{
	cfs::SpinGuard g(lock_);
	return client_cookie_;
}

cfs::RefPtr<Import> ExportImpl::reverse_import() noexcept
{
	cfs::SpinGuard g(lock_);
	return cfs::RefPtr<Import>(reverse_);
}

cfs::Result<> ExportImpl::set_connected(const lnet::Nid &nid, u32 cnt, u64 client_cookie,
					const wire::ObdConnectData &granted) noexcept
{
	cfs::RefPtr<ImportImpl> reverse;
	{
		cfs::SpinGuard g(lock_);
		reverse = reverse_;
	}
	if (!reverse)
		reverse =
			TRY(ImportImpl::make_reverse(target_.core(), target_.name(), uuid.view()));
	{
		cfs::SpinGuard g(lock_);
		if (gone())
			return cfs::fail(NOTCONN);
		nid_ = nid;
		client_cookie_ = client_cookie;
		reverse_ = reverse;
		conn_cnt_.store(cnt, std::memory_order_release);
		last_xid_.store(0, std::memory_order_relaxed);
	}
	set_granted(granted);
	reverse->set_reverse_peer(nid, client_cookie, granted,
				  granted.connect_flags & wire::OBD_CONNECT_AT);
	heard();
	return {};
}

// ---- requests ----

ExportImpl::Entry ExportImpl::enter(ServerReq &r) noexcept
{
	bool resent = r.has_flag(wire::MSG_RESENT);
	u32 flags = r.handler_ ? r.handler_->flags : 0u;
	cfs::SpinGuard g(lock_);
	auto &active = lists_->active;
	if (resent && !(flags & kHandlerRepeatable)) {
		auto it = active.find(r);
		if (it != active.end()) {
			it->take_over(r);
			return Entry::duplicate;
		}
	}
	u16 tag = r.body().tag;
	if (resent && tag && has_flag2(wire::OBD_CONNECT2_INC_XID)) {
		// The client gave up on an older request of this slot.
		for (ServerReq &o : active)
			if (o.body().tag == tag && o.xid() < r.xid())
				o.obsolete.store(true, std::memory_order_relaxed);
	}
	active.insert(r);
	r.is_active = true;
	active_count_.fetch_add(1, std::memory_order_relaxed);
	return Entry::fresh;
}

void ExportImpl::leave(ServerReq &r) noexcept
{
	cfs::SpinGuard g(lock_);
	remove_active(r);
}

bool ExportImpl::leave_unless_copied(ServerReq &r, u32 copies) noexcept
{
	cfs::SpinGuard g(lock_);
	if (r.copies_.load(std::memory_order_relaxed) != copies)
		return false;
	remove_active(r);
	return true;
}

void ExportImpl::remove_active(ServerReq &r) noexcept
{
	if (!r.is_active)
		return;
	r.is_active = false;
	lists_->active.erase(lists_->active.iterator_to(r));
	active_count_.fetch_sub(1, std::memory_order_relaxed);
}

void ExportImpl::saw_last_xid(u64 xid) noexcept
{
	u64 had = last_xid_.load(std::memory_order_relaxed);
	while (xid > had && !last_xid_.compare_exchange_weak(had, xid, std::memory_order_relaxed)) {
	}
}

void ExportImpl::heard() noexcept
{
	// The order of the target's list is kept to a second: more would cost a lock per request.
	u64 now = cfs_now_ns();
	u64 before = heard_ns_.exchange(now, std::memory_order_relaxed);
	if (now - before >= 1000000000)
		target_.refresh(*this);
}

// ---- difficult replies ----

bool ExportImpl::add_held(ServerReq &r) noexcept
{
	u64 t = static_cast<u64>(r.transno());
	{
		cfs::SpinGuard g(lock_);
		if (gone() || (t && t <= target_.last_committed()))
			return false;
		r.get();
		r.is_held = true;
		lists_->held.push_back(r);
		if (holder_)
			return true;
	}
	target_.add_holder(*this);
	return true;
}

bool ExportImpl::enter_holders() noexcept
{
	cfs::SpinGuard g(lock_);
	return !gone() && !std::exchange(holder_, true);
}

bool ExportImpl::take_held(ServerReq &r) noexcept
{
	{
		cfs::SpinGuard g(lock_);
		if (!r.is_held)
			return false;
		r.is_held = false;
		lists_->held.erase(lists_->held.iterator_to(r));
	}
	return true;
}

bool ExportImpl::release_held(u64 transno) noexcept
{
	cfs::SpinGuard g(lock_);
	for (auto it = lists_->held.begin(); it != lists_->held.end();) {
		ServerReq &r = *it;
		++it;
		if (r.transno() == wire::Transno{} || static_cast<u64>(r.transno()) > transno)
			continue;
		r.is_held = false;
		lists_->held.erase(lists_->held.iterator_to(r));
		r.queue_release(); // takes over the list's reference
	}
	holder_ = !lists_->held.empty();
	return holder_;
}

ReplyHold *ExportImpl::steal_reply(wire::Xid xid) noexcept
{
	cfs::RefPtr<ServerReq> emptied;
	ReplyHold *h = nullptr;
	{
		cfs::SpinGuard g(lock_);
		for (ServerReq &r : lists_->held) {
			if (r.xid() != xid)
				continue;
			h = r.take_hold();
			if (!r.holding()) {
				r.is_held = false;
				lists_->held.erase(lists_->held.iterator_to(r));
				emptied = cfs::RefPtr<ServerReq>::adopt(&r);
			}
			break;
		}
	}
	return h;
}

// ---- the end ----

void ExportImpl::evict(const char *why) noexcept
{
	if (gone())
		return;
	LCONSOLE_WARN(CFS_S_RPC, "{}: evicting {} (at {}): {}", target_.name(), uuid.view(), nid(),
		      why);
	(void)end(true);
}

bool ExportImpl::end(bool evicted) noexcept
{
	if (gone_.exchange(true, std::memory_order_acq_rel))
		return false;
	evicted_ = evicted;
	target_.core().remove_export(*this);
	get();
	if (!gone_work_.queue(target_.core().recovery()))
		put();
	return true;
}

void ExportImpl::end_and_wait(bool evicted) noexcept
{
	(void)end(evicted);
	(void)gone_done_.wait(cfs::WaitMode::idle, cfs::Instant::never());
}

void ExportImpl::run_gone() noexcept
{
	auto self = cfs::RefPtr<ExportImpl>::adopt(this); // what end() took
	cfs::RefPtr<ImportImpl> reverse;
	{
		cfs::SpinGuard g(lock_);
		reverse = std::move(reverse_);
		while (!lists_->held.empty()) {
			ServerReq &r = lists_->held.front();
			lists_->held.pop_front();
			r.is_held = false;
			r.queue_release();
		}
	}
	if (reverse)
		reverse->close_reverse();
	if (accepted)
		target_.ops().on_gone(*this, evicted_);
	target_.remove(*this);
	gone_done_.complete();
}

} // namespace rpc
