// SPDX-License-Identifier: GPL-2.0
//
// Between LNet and its network drivers (LNDs): socklnd, o2iblnd, simlnd. LNet calls Lnd and
// NetworkInterface; the driver calls Upcalls. No lock of LNet is held during calls down, none of
// the driver during calls up.
//
// Life of a message sent: Lnd::send(msg) takes it over; exactly one sent(msg, status) follows, from
// any thread, also from within send(). Life of one received: the driver reads a header, calls
// received(); LNet answers, now or later, with exactly one recv() of that RxHandle, telling where
// payload goes; the driver moves the bytes and calls done().
#pragma once

#include <cstdint>

#include "lnet/cpts.hpp"
#include "lnet/lnet.hpp"
#include "lnet/plat_driver.h"
#include "lnet/wire.hpp"

/// What plat_driver.h calls a Driver.
struct lnet_driver {
};

namespace lnet
{

/// A header as LNet works with it, whichever form it had on the wire. MsgBody is as on the wire.
struct Header {
	ProcessId dest;
	ProcessId src;
	wire::MsgType type;
	std::uint32_t payload_length;
	wire::MsgBody msg;
};
[[nodiscard]] wire::Header4 to_wire4(const Header &h) noexcept;
[[nodiscard]] wire::Header16 to_wire16(const Header &h) noexcept;
/// err::PROTO: unknown type, or a NID that cannot be.
[[nodiscard]] cfs::Result<Header> from_wire(const wire::Header4 &w) noexcept;
[[nodiscard]] cfs::Result<Header> from_wire(const wire::Header16 &w) noexcept;

/// How a send ended (section 8.2): decides about resending and about health.
enum class SendStatus : std::uint8_t {
	ok,
	local_interrupt,
	local_dropped,
	local_aborted,
	local_no_route,
	local_error,
	local_timeout,
	remote_error,
	remote_dropped,
	remote_timeout,
	network_timeout,
};
inline constexpr unsigned kSendStatuses = 11;

/// A piece of a Buffer: what a message carries.
struct Extent {
	Buffer buffer;
	std::uint32_t offset = 0;
	std::uint32_t length = 0;
};

/// What LNet hands to a driver to send. Owned by LNet; the driver may use `lnd_link` and
/// `lnd_private` until it calls sent(). The payload's memory stays until then.
struct TxMessage {
	Header header;
	Nid next_hop; ///< the driver's peer: destination or gateway
	Extent payload;
	cfs::Instant deadline; ///< fail it with network_timeout when not sent by then
	void *lnd_link[2] = {};
	void *lnd_private = nullptr;
	void *lnet_private = nullptr; ///< not the driver's
};

/// The driver's token of a message being received.
struct RxHandle {
	void *p = nullptr;
};

/// What the driver calls. Implemented by LNet, one per NI.
class Upcalls
{
public:
	/// A message header arrived from `from` (the hop). A failure means a protocol error: the
	/// driver closes the connection and no recv() follows. Success: a recv() follows, perhaps
	/// later; until then the driver reads nothing more from this connection.
	virtual cfs::Result<> received(const Header &h, const Nid &from, RxHandle rx) noexcept = 0;
	/// Payload of a recv() has been moved (status ok) or has failed. Ends the life of the
	/// message.
	virtual void recv_done(void *lnet_msg, cfs::Errno status) noexcept = 0;
	virtual void sent(TxMessage &msg, cfs::Errno status, SendStatus how) noexcept = 0;
	/// The driver knows that the hop lives or that its connections are gone.
	virtual void peer_alive(const Nid &hop, bool alive) noexcept = 0;
	/// The interface itself went down or came up (link state, address removed). Not from within
	/// open().
	virtual void ni_fatal(bool down) noexcept = 0;

protected:
	~Upcalls() = default;
};

struct NiTunables {
	std::uint32_t credits = 256;	///< messages in flight on the NI
	std::uint32_t peer_credits = 8; ///< per peer NI
	std::uint32_t peer_buffer_credits = 0;
	std::uint32_t peer_timeout = 180; ///< seconds
};

/// What only the driver knows of an interface. Negative: it has no such thing, or leaves it to the
/// system.
struct LndTunables {
	std::int32_t conns_per_peer = -1; ///< of each type
	std::int32_t timeout = -1;	  ///< seconds
	std::int32_t tos = -1;
};

/// Changes of them.
struct LndWishes {
	static constexpr std::int32_t kLeave = INT32_MIN; ///< as it is

	std::int32_t conns_per_peer = kLeave, timeout = kLeave, tos = kLeave;

	[[nodiscard]] bool any() const noexcept
	{
		return conns_per_peer != kLeave || timeout != kLeave || tos != kLeave;
	}
};

/// One configured interface of a driver.
class NetworkInterface
{
public:
	[[nodiscard]] virtual Nid nid() const noexcept = 0;
	[[nodiscard]] virtual const char *if_name() const noexcept = 0;
	[[nodiscard]] virtual NiTunables tunables() const noexcept = 0;
	[[nodiscard]] virtual LndTunables lnd_tunables() const noexcept { return {}; }
	/// All of the changes, or none: err::OPNOTSUPP for what it has not, err::RANGE. At any
	/// time.
	virtual cfs::Result<> change(const LndWishes &) noexcept
	{
		return cfs::fail(cfs::err::OPNOTSUPP);
	}
	/// Only these CPU partitions are to work for it. At most once, before open(); without it,
	/// all of them.
	virtual void bind(const CptSet &) noexcept {}
	/// From now on peers are accepted and upcalls are made; none before. Called once, when LNet
	/// is ready.
	virtual cfs::Result<> open() noexcept = 0;
	/// Takes over msg; see above. May sleep for memory, not for the peer.
	virtual void send(TxMessage &msg) noexcept = 0;
	/// Tells where the payload of rx goes: `to` gets the first to.length bytes, the rest up to
	/// the header's payload_length is discarded. lnet_msg comes back in recv_done().
	virtual void recv(RxHandle rx, void *lnet_msg, const Extent &to) noexcept = 0;
	/// Whether the connection that a message came on has gone before recv() was called: LNet
	/// asks now and then for those that wait on lazy portals, and drops the lost. Called with a
	/// spinlock held.
	[[nodiscard]] virtual bool rx_lost(RxHandle) noexcept { return false; }
	/// Whether sending to that hop is worth trying; false fails messages at once.
	[[nodiscard]] virtual bool peer_usable(const Nid &hop) noexcept = 0;
	/// Stops everything; all messages come back through sent()/recv_done() before it returns.
	/// Then destroyed.
	virtual void shutdown() noexcept = 0;
	virtual void destroy() noexcept = 0;

protected:
	~NetworkInterface() = default;
};

/// A driver.
class Lnd
{
public:
	[[nodiscard]] virtual LndType type() const noexcept = 0;
	/// Brings up an interface. if_name empty: the driver's default choice. err::NODEV,
	/// err::ADDRINUSE...
	virtual cfs::Result<cfs::UniquePtr<NetworkInterface>>
	startup(cfs::Node &node, Net net, std::string_view if_name, Upcalls &up) noexcept = 0;

protected:
	~Lnd() = default;
};

/// A driver as its module offers it: makes the driver of each node (plat_driver.h).
class Driver : public ::lnet_driver
{
public:
	[[nodiscard]] virtual LndType type() const noexcept = 0;
	/// Starts the driver on a node, with LNet's module parameters. Sleeps.
	virtual cfs::Result<Lnd *> start(cfs::Node &node, const lnet_config &config) noexcept = 0;
	/// Stops it there; all its interfaces have been shut down. Sleeps.
	virtual void stop(Lnd *lnd) noexcept = 0;

protected:
	~Driver() = default;
};

} // namespace lnet
