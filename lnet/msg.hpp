// SPDX-License-Identifier: GPL-2.0
//
// A message on its way through LNet, in or out. One object serves a whole exchange on this node: a
// PUT that was received becomes the ACK that answers it, a GET becomes its REPLY. It is always in
// exactly one place: with a driver, in one queue, or with the thread that works on it.
#pragma once

#include "libcfs/mem.hpp"
#include "lnet/credits.hpp"
#include "lnet/lnd.hpp"
#include "lnet/md.hpp"
#include "lnet/peer.hpp"
#include "lnet/portal.hpp"

namespace lnet
{

class Core;
class Ni;
struct RouterBuffer;

class Msg final : public PendingEvent, public HeldMessage, public CreditWaiter
{
public:
	enum class Role : std::uint8_t {
		tx_put,
		tx_get,
		tx_ack,
		tx_reply,
		rx_put,
		rx_get,
		rx_reply,
		rx_ack,
		rx_forward, ///< for another node, being received
		tx_forward  ///< being sent on
	};

	// Where Ni is whole.
	explicit Msg(Core &core) noexcept;
	~Msg();
	/// Back to the slab cache.
	void destroy() noexcept;
	[[nodiscard]] Core &core() const noexcept { return core_; }

	Role role = Role::tx_put;
	bool ni_credit = false;	  ///< holds a credit of its NI's share
	bool peer_credit = false; ///< holds a credit of its hop
	std::uint8_t share = 0;	  ///< of its NI's credits
	std::uint8_t resends = 0;
	bool exact = false;	       ///< LNet's own: to this very NID, once
	TxMessage tx;		       ///< tx.header is the header of a received message too
	cfs::RefPtr<Md> md;	       ///< committed on it
	cfs::RefPtr<Ni> ni;	       ///< sent on, or received on
	cfs::RefPtr<PeerNi> hop;       ///< the next hop, or the last
	Nid self;		       ///< the NID the caller wants to speak from, if any
	cfs::RefPtr<PeerNi> came_from; ///< tx_forward: whose router credit it holds
	RouterBuffer *router_buffer = nullptr; ///< forwarding
	RxHandle rx;			       ///< the driver's, between received() and recv()
	wire::WireHandle ack_to;	       ///< of a received PUT
	cfs::ListHook queue_hook;	       ///< of an Ni::Submitter
	SendStatus how = SendStatus::ok;

private:
	Core &core_;
};

/// From the driver's view of a message to the whole.
[[nodiscard]] inline Msg &msg_of(TxMessage &tx) noexcept
{
	return *static_cast<Msg *>(tx.lnet_private);
}

} // namespace lnet
