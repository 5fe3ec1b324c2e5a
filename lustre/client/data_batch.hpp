// SPDX-License-Identifier: GPL-2.0
//
// Requests to several OSTs at once, waited for together. Unlike rpc::RequestSet it may hold
// requests that are kept for replay: it lives until the last of them is let go. Private to this
// folder.
#pragma once

#include "libcfs/mem.hpp"
#include "rpc/rpc.hpp"

namespace client
{

using wire::u32;

class Batch final : public rpc::RequestUser, public cfs::RefCounted<Batch>
{
	struct Slot {
		cfs::RefPtr<rpc::ClientRequest> req;
		cfs::Result<rpc::i32> result{0};
	};

	cfs::SpinLock lock_{CFS_LOCK_CLASS("client batch")};
	cfs::WaitQueue waitq_{CFS_LOCK_CLASS("client batch wait")};
	u32 pending_ CFS_GUARDED_BY(lock_) = 0;
	cfs::Array<Slot> slots_;

	void on_complete(rpc::ClientRequest &req, cfs::Result<rpc::i32> r) noexcept override
	{
		cfs::SpinGuard g(lock_);
		for (Slot &s : slots_)
			if (s.req.get() == &req)
				s.result = r;
		pending_--;
		waitq_.wake_all();
	}
	void on_gone(rpc::ClientRequest &) noexcept override { put(); }

public:
	static constexpr cfs_subsys kSubsys = CFS_S_OSC;

	/// For at most n requests. err::NOMEM.
	[[nodiscard]] static cfs::Result<cfs::RefPtr<Batch>> make(std::size_t n) noexcept
	{
		auto b = TRY(cfs::try_make_ref<Batch>());
		b->slots_ = TRY(cfs::Array<Slot>::make(kSubsys, n));
		return b;
	}
	/// Sends a request as number i. Numbers may be left out.
	void send(std::size_t i, const cfs::RefPtr<rpc::ClientRequest> &req) noexcept
	{
		slots_[i].req = req;
		{
			cfs::SpinGuard g(lock_);
			pending_++;
		}
		get(); // until on_gone()
		req->send(*this);
	}
	[[nodiscard]] bool sent(std::size_t i) const noexcept
	{
		return static_cast<bool>(slots_[i].req);
	}
	/// Until all have ended. When the waiter is killed those that are left are interrupted.
	void wait() noexcept
	{
		auto done = [this]() CFS_NO_TSA { return pending_ == 0; };
		{
			cfs::SpinGuard g(lock_);
			if (waitq_.wait(lock_, cfs::WaitMode::killable, cfs::Instant::never(),
					done))
				return;
		}
		for (Slot &s : slots_)
			if (s.req)
				s.req->interrupt();
		cfs::SpinGuard g(lock_);
		(void)waitq_.wait(lock_, cfs::WaitMode::idle, cfs::Instant::never(), done);
	}
	/// After wait().
	[[nodiscard]] cfs::Result<rpc::i32> result(std::size_t i) const noexcept
	{
		return slots_[i].result;
	}
	[[nodiscard]] rpc::ClientRequest &request(std::size_t i) noexcept { return *slots_[i].req; }
	/// Lets the requests go; those that are kept for replay stay with rpc.
	void clear() noexcept
	{
		for (Slot &s : slots_)
			s.req.reset();
	}
};

} // namespace client
