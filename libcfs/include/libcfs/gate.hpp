// SPDX-License-Identifier: GPL-2.0
//
// The gate of a service: work enters it with a pass, and closing it refuses new work and waits for
// the work inside. Every service, connection and cache ends through its gate, which is why an
// unmount always ends: the wait has a deadline, can be killed, and says who is late.
//
//     Gate gate_{CFS_S_OSC, "osc import", kKinds};     // names of kinds of work: {"read", "ping"}
//     ...
//     auto pass = gate_.enter(kRead);
//     if (!pass)
//             return fail(err::SHUTDOWN);
//     ...                                              // leaves when pass goes
//
//     TRY(gate_.close(WaitMode::killable, after(Duration::seconds(100))));
//
// Entering and leaving an open gate takes two atomic additions each. Once close() has returned
// success no pass exists, and the gate may be destroyed as soon as nobody can call enter() any
// more. After a failure it stays closed, and close() may be called again.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <utility>

#include "libcfs/lock.hpp"
#include "libcfs/log.hpp"
#include "libcfs/time.hpp"
#include "libcfs/wait.hpp"

namespace cfs
{

class Gate
{
public:
	static constexpr unsigned kKindsMax = 8;
	/// How often close() says what it is waiting for.
	static constexpr Duration kLateAfter = Duration::seconds(10);

	/// The right to be inside. False when the gate was closed.
	class [[nodiscard]] Pass
	{
		friend class Gate;
		Gate *gate_ = nullptr;
		unsigned kind_ = 0;

		Pass(Gate *g, unsigned kind) noexcept : gate_(g), kind_(kind) {}

	public:
		Pass() = default;
		Pass(Pass &&o) noexcept : gate_(std::exchange(o.gate_, nullptr)), kind_(o.kind_) {}
		Pass &operator=(Pass &&o) noexcept
		{
			if (this != &o) {
				leave();
				gate_ = std::exchange(o.gate_, nullptr);
				kind_ = o.kind_;
			}
			return *this;
		}
		~Pass() { leave(); }
		explicit operator bool() const noexcept { return gate_ != nullptr; }
		/// Leaves before the end of the scope.
		void leave() noexcept
		{
			if (Gate *g = std::exchange(gate_, nullptr))
				g->leave(kind_);
		}
	};

	/// name and kinds must stay. Without kinds all work is "work".
	explicit Gate(cfs_subsys s, const char *name,
		      std::span<const char *const> kinds = {}) noexcept
	    : name_(name), kinds_(kinds), subsys_(s)
	{
		CFS_ASSERT(kinds.size() <= kKindsMax);
	}
	~Gate() { CFS_ASSERT(inside() == 0); }
	Gate(const Gate &) = delete;
	Gate &operator=(const Gate &) = delete;

	/// Any context.
	[[nodiscard]] Pass enter(unsigned kind = 0) noexcept
	{
		CFS_ASSERT(kind < (kinds_.empty() ? 1 : kinds_.size()));
		inside_[kind].fetch_add(1, std::memory_order_relaxed);
		auto before = state_.fetch_add(1, std::memory_order_acquire);
		CFS_ASSERT((before & kCount) < kCount);
		if (before & kClosed) [[unlikely]] {
			refused_.fetch_add(1, std::memory_order_relaxed);
			leave(kind);
			return {};
		}
		return Pass(this, kind);
	}

	/// Refuses new work and waits until nobody is inside: err::TIMEDOUT or err::INTR when
	/// somebody still is. Not from inside. Sleeps.
	[[nodiscard]] Result<> close(WaitMode mode, Instant deadline) noexcept
	{
		state_.fetch_or(kClosed, std::memory_order_acq_rel);
		Instant from = Instant::now();
		for (;;) {
			Instant next = after(kLateAfter);
			next = next < deadline ? next : deadline;
			auto r = wait_empty(mode, next);
			if (r)
				return r;
			report(Instant::now() - from, r);
			if (r.error() != err::TIMEDOUT || next == deadline)
				return r;
		}
	}
	/// Refuses new work, without waiting.
	void shut() noexcept { state_.fetch_or(kClosed, std::memory_order_acq_rel); }
	/// Lets work in again after close() has succeeded.
	void reopen() noexcept
	{
		auto before = state_.fetch_and(~kClosed, std::memory_order_acq_rel);
		CFS_ASSERT(before & kClosed);
	}

	[[nodiscard]] bool closed() const noexcept
	{
		return state_.load(std::memory_order_acquire) & kClosed;
	}
	/// How many are inside, at this moment.
	[[nodiscard]] std::uint32_t inside() const noexcept
	{
		return state_.load(std::memory_order_acquire) & kCount;
	}
	[[nodiscard]] std::uint32_t inside(unsigned kind) const noexcept
	{
		return inside_[kind].load(std::memory_order_relaxed);
	}
	/// How many found it closed.
	[[nodiscard]] std::uint64_t refused() const noexcept
	{
		return refused_.load(std::memory_order_relaxed);
	}

private:
	static constexpr std::uint32_t kClosed = 1u << 31;
	static constexpr std::uint32_t kCount = kClosed - 1;

	void leave(unsigned kind) noexcept
	{
		inside_[kind].fetch_sub(1, std::memory_order_relaxed);
		auto s = state_.load(std::memory_order_relaxed);
		while (!(s & kClosed))
			if (state_.compare_exchange_weak(s, s - 1, std::memory_order_release,
							 std::memory_order_relaxed))
				return;
		// Someone may wait for us and destroy the gate as soon as we are out, so the last
		// step is to give back the lock, which they take.
		SpinGuard g(lock_);
		if ((state_.fetch_sub(1, std::memory_order_acq_rel) & kCount) == 1)
			empty_.wake_all();
	}
	Result<> wait_empty(WaitMode mode, Instant until) noexcept
	{
		SpinGuard g(lock_);
		return empty_.wait(lock_, mode, until, [this] { return inside() == 0; });
	}
	/// Says who is late, and how the wait stands.
	void report(Duration waited, Result<> r) noexcept
	{
		char buf[200];
		FormatSink who(buf);
		std::size_t n = kinds_.empty() ? 1 : kinds_.size();
		for (unsigned k = 0; k < n; k++)
			if (std::uint32_t count = inside(k))
				who.print("{}{} {}", who.size() ? ", " : "", count,
					  kinds_.empty() ? "work" : kinds_[k]);
		// One call site serves all subsystems, so it is made here.
		const cfs_log_site site{__FILE_NAME__, __func__,      __LINE__,
					subsys_,       CFS_D_WARNING, 0};
		char line[300];
		auto text = format_to(line, "{}: waited {} for {} to finish: {}", name_, waited,
				      who.text(), r);
		cfs_log_emit(&site, text.data(), text.size());
	}

	const char *name_;
	std::span<const char *const> kinds_;
	cfs_subsys subsys_;
	std::atomic<std::uint32_t> state_{0}; // kClosed and the number inside
	std::atomic<std::uint32_t> inside_[kKindsMax] = {};
	std::atomic<std::uint64_t> refused_{0};
	SpinLock lock_{CFS_LOCK_CLASS("gate")};
	WaitQueue empty_{CFS_LOCK_CLASS("gate wait")};
};

} // namespace cfs
