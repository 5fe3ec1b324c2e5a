// SPDX-License-Identifier: GPL-2.0
//
// Forwarding: messages for other nodes, received into buffers of this one and sent on (spec 01
// section 9.5).
//
// A message first takes one of the router credits of the hop it came from, then a buffer of the
// smallest pool that it fits in; while it waits for either, its connection is not read. Both are
// given back when it has been sent on or has failed.
//
// Giving back may let the next message in, whose receiving and sending may complete at once and
// give back again; so messages that got a buffer go through ready_, which one thread at a time
// empties.
#pragma once

#include "libcfs/plat/page.h"
#include "libcfs/wait.hpp"
#include "lnet/control.hpp"
#include "lnet/msg.hpp"

namespace lnet
{

class Core;

/// Memory for one message under way.
struct RouterBuffer {
	static constexpr cfs_subsys kSubsys = CFS_S_LNET;

	~RouterBuffer();
	[[nodiscard]] cfs::Result<> fill(std::uint32_t pages) noexcept;
	[[nodiscard]] Buffer buffer(std::uint32_t length) const noexcept
	{
		return {nullptr, {pieces.data(), pieces.size()}, length};
	}

	cfs::ListHook hook;
	unsigned pool = 0;
	cfs::Array<cfs_bvec> pieces;
};

class Router
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LNET;
	enum Size : unsigned { tiny, small, large, kPools };
	static constexpr std::uint32_t kPages[kPools] = {0, 1, 256};
	static constexpr std::uint32_t kDefault[kPools] = {2048, 16384, 1024};

	explicit Router(Core &core) noexcept : core_(core) {}
	/// Allocates buffers and begins to forward. err::NOMEM, err::ALREADY. Sleeps.
	[[nodiscard]] cfs::Result<> enable(const std::uint32_t (&counts)[kPools]) noexcept;
	/// Drops what waits, lets what is under way end, frees the buffers. Sleeps.
	void disable() noexcept;
	[[nodiscard]] bool enabled() const noexcept
	{
		return enabled_.load(std::memory_order_acquire);
	}

	/// A received header for another node: m has `ni`, `hop` and `rx`, and is the router's now.
	void take(Msg &m) noexcept;
	/// Its payload has arrived, or not.
	void received(Msg &m, cfs::Errno status) noexcept;
	/// It was sent on, or not; m ends.
	void sent(Msg &m) noexcept;
	/// Drops what waits and came over an interface.
	void drop_of(Ni &ni) noexcept;
	[[nodiscard]] RouterPoolInfo info(unsigned pool) noexcept;

private:
	using Waiting = cfs::List<CreditWaiter, &CreditWaiter::credit_hook>;
	struct Pool {
		cfs::List<RouterBuffer, &RouterBuffer::hook> free;
		Waiting waiting;
		std::uint32_t total = 0;
		int available = 0, min = 0; // negative: that many wait
	};

	[[nodiscard]] static unsigned pool_for(std::uint32_t payload) noexcept;
	void want_buffer(Msg &m) noexcept;
	void run_ready() noexcept;
	void give_back(Msg &m) noexcept;
	void drop_all(Waiting &list, const char *why) noexcept;

	Core &core_;
	std::atomic<bool> enabled_{false};
	cfs::SpinLock lock_{CFS_LOCK_CLASS("lnet router")};
	Pool pools_[kPools] CFS_GUARDED_BY(lock_);
	Waiting ready_ CFS_GUARDED_BY(lock_);
	bool running_ CFS_GUARDED_BY(lock_) = false;
	std::uint32_t out_ CFS_GUARDED_BY(lock_) = 0; // buffers in use
	cfs::WaitQueue idle_{CFS_LOCK_CLASS("lnet router idle")};
};

} // namespace lnet
