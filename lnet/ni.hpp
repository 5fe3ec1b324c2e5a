// SPDX-License-Identifier: GPL-2.0
//
// A network interface of this node: the driver's half, and LNet's accounting of it. Sending is
// spread over one credit queue for each CPU partition that serves the interface.
//
// A driver may complete a send at once, from within send(), and whoever is told may send again:
// such a message waits until the thread has left the driver, so calls of a driver never nest.
#pragma once

#include "libcfs/wait.hpp"
#include "lnet/msg.hpp"

namespace lnet
{

class Ni final : public Upcalls, public cfs::RefCounted<Ni>
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LNET;

	Ni(Core &core, Net net) noexcept : core_(core), net_(net) {}
	void destroy() noexcept;

	/// Starts the driver's half. Once.
	[[nodiscard]] cfs::Result<> start(Lnd &lnd, cfs::Node &node, std::string_view if_name,
					  const NiWishes &wishes) noexcept;
	/// Stops it: everything it held has come back when this returns. Sleeps.
	void stop() noexcept;

	[[nodiscard]] const Nid &nid() const noexcept { return nid_; }
	[[nodiscard]] Net net() const noexcept { return net_; }
	[[nodiscard]] NetworkInterface &driver() noexcept { return *driver_; }
	[[nodiscard]] const NiTunables &tunables() const noexcept { return tunables_; }
	/// The CPU partitions that serve it.
	[[nodiscard]] const CptSet &cpts() const noexcept { return cpts_; }
	/// Which of its shares a hop's messages take.
	[[nodiscard]] std::uint8_t share_for(const Nid &hop) const noexcept
	{
		return static_cast<std::uint8_t>(hop.hash() % shares_.size());
	}
	/// Whether messages may be sent through it.
	[[nodiscard]] bool up() const noexcept { return !fatal.load(std::memory_order_relaxed); }
	/// Whether peers are told that it is up.
	[[nodiscard]] bool announced_up() const noexcept
	{
		return up() && !ailing.load(std::memory_order_relaxed) &&
		       !unused.load(std::memory_order_relaxed);
	}

	/// Sends a message that has its peer's credit: takes a credit of its own, or waits for one.
	void launch(Msg &m) noexcept;
	/// Takes messages for which pred holds out of the credit queues into `out`.
	template <typename Pred, typename Take>
	void cancel_if(Pred pred, Take take) noexcept
	{
		for (Share &s : shares_)
			s.credits.cancel_if(pred, take);
	}
	[[nodiscard]] CreditQueue::Level level() noexcept;
	/// Sends without a credit.
	void submit(Msg &m) noexcept;

	cfs::Result<> received(const Header &h, const Nid &from, RxHandle rx) noexcept override;
	void recv_done(void *lnet_msg, cfs::Errno status) noexcept override;
	void sent(TxMessage &msg, cfs::Errno status, SendStatus how) noexcept override;
	void peer_alive(const Nid &hop, bool alive) noexcept override;
	void ni_fatal(bool down) noexcept override;

	MessageCounts counts;
	std::atomic<int> health{kHealthMax};
	std::atomic<bool> fatal{false};	  ///< the driver says so
	std::atomic<bool> closing{false}; ///< lazy portals hold nothing more of it
	std::atomic<bool> ailing{false};  ///< health was 0 and is not whole again
	std::atomic<bool> unused{false};  ///< on a router: nobody pings this node over it
	std::atomic<std::uint64_t> last_ping_ns{0};
	std::atomic<std::uint32_t> uses{0}; ///< for taking turns
	Recovery recovery;		    ///< the monitor's

private:
	using SubmitQueue = cfs::List<Msg, &Msg::queue_hook>;
	/// A thread that is in the driver, and what it has been given meanwhile. On its stack.
	struct Submitter {
		explicit Submitter(const void *t) noexcept : thread(t) {}
		cfs::ListHook hook;
		const void *const thread;
		SubmitQueue queue; ///< that thread's own
	};
	struct Share {
		CreditQueue credits;
		cfs::SpinLock lock{CFS_LOCK_CLASS("lnet ni submit")};
		cfs::List<Submitter, &Submitter::hook> submitters CFS_GUARDED_BY(lock);
	};

	Core &core_;
	const Net net_;
	Nid nid_;
	NiTunables tunables_;
	CptSet cpts_;
	cfs::Array<Share> shares_; // one for each of cpts_
	cfs::UniquePtr<NetworkInterface> driver_;
};

/// The loopback driver: 0@lo, memory to memory.
class LoopbackLnd final : public Lnd
{
public:
	[[nodiscard]] LndType type() const noexcept override { return LndType::lo; }
	cfs::Result<cfs::UniquePtr<NetworkInterface>>
	startup(cfs::Node &node, Net net, std::string_view if_name, Upcalls &up) noexcept override;
};

} // namespace lnet
