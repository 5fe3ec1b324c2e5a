// SPDX-License-Identifier: GPL-2.0
//
// LNet as its users (RPC above all) see it: one abstract interface per node, got from
// lnet_network_hold(node) (plat_driver.h).
//
// The model (spec 01 section 4). A target *attaches* an MD to a portal under match criteria and
// receives PUT or GET events on it. An initiator *binds* a free-floating MD and sends a PUT from it
// or a GET into it. Every MD has a threshold of operations; the last event of an MD carries
// `unlinked`, and exactly one event does. After that event returned, LNet touches neither the
// memory nor the handler again.
//
// Context. Every call may be made from any thread that may sleep unless it says otherwise. Handlers
// run in a thread, without LNet locks held; they may call LNet, take locks and allocate, but must
// not wait for other messages: the connection whose message they are handling is stopped meanwhile.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "libcfs/mem.hpp"
#include "libcfs/plat/page.h"
#include "libcfs/time.hpp"
#include "lnet/nid.hpp"
#include "lnet/plat_driver.h"

/// What plat_driver.h calls a Network.
struct lnet_network {
};

namespace cfs
{
class Node;
}

namespace lnet
{

/// Names an MD. Not reused: the counter in it goes around after a thousand million, and then the
/// rest differs.
struct MdHandle {
	std::uint64_t cookie = 0;

	[[nodiscard]] explicit operator bool() const noexcept { return cookie != 0; }
	bool operator==(const MdHandle &) const = default;
};

enum class EventType : std::uint8_t { get = 1, put = 2, reply = 3, ack = 4, send = 5, unlink = 6 };

struct Event {
	EventType type;
	bool unlinked;	     ///< the last event of this MD
	cfs::Errno status;   ///< Errno{0}, or why it failed
	ProcessId target;    ///< this node as it was addressed
	ProcessId initiator; ///< primary NID of who started the operation
	ProcessId source;    ///< as in the message header
	Nid sender;	     ///< the hop it came from
	std::uint32_t portal;
	std::uint32_t rlength; ///< bytes asked for
	std::uint32_t mlength; ///< bytes moved
	std::uint32_t offset;  ///< into the MD
	std::uint64_t match_bits;
	std::uint64_t hdr_data;
	MdHandle md;
	void *user; ///< MdSpec::user
};

/// Who is told about an MD. Must outlive it.
class EventHandler
{
public:
	virtual void on_event(const Event &ev) noexcept = 0;

protected:
	~EventHandler() = default;
};

enum MdOptions : std::uint32_t {
	LNET_MD_OP_PUT = 0x0001,
	LNET_MD_OP_GET = 0x0002,
	LNET_MD_MANAGE_REMOTE = 0x0004, ///< offsets come from the message
	LNET_MD_TRUNCATE = 0x0010,	///< cut what does not fit instead of dropping the message
	LNET_MD_ACK_DISABLE = 0x0020,
	LNET_MD_MAX_SIZE = 0x0080, ///< exhausted when less than max_size bytes are left
	LNET_MD_TRACK_RESPONSE = 0x0400,
	LNET_MD_NO_TRACK_RESPONSE = 0x0800,
};

/// Threshold without end.
inline constexpr int LNET_MD_THRESH_INF = -1;

/// The memory of an MD: either one linear buffer from cfs_alloc, or page pieces. Both belong to the
/// caller and stay until the event with `unlinked` has been handled; the array of pieces too.
struct Buffer {
	std::byte *linear = nullptr;
	std::span<const cfs_bvec> pieces{};
	std::uint32_t length = 0; ///< bytes in all
};

struct MdSpec {
	Buffer buffer;
	int threshold = 1;
	std::uint32_t max_size = 0;
	std::uint32_t options = 0;	 ///< MdOptions
	EventHandler *handler = nullptr; ///< none: no events
	void *user = nullptr;
};

struct MatchSpec {
	std::uint32_t portal = 0;
	ProcessId who{Nid::any(), LNET_PID_ANY};
	std::uint64_t match_bits = 0;
	std::uint64_t ignore_bits = 0;
	bool auto_unlink = true; ///< LNET_UNLINK: goes when its MD is exhausted
	bool at_head = false;	 ///< searched before those attached already
};

struct Distance {
	unsigned hops;	///< 0: this node
	unsigned order; ///< preference among equals, lower is better
	Nid local;	///< the NID to speak from
};

/// LNet of one node. It is up as long as someone holds it: lnet_network_hold() and
/// lnet_network_release() (plat_driver.h) are the only way to it and from it, and taking LNet down
/// is refused with err::BUSY meanwhile.
class Network : public ::lnet_network
{
public:
	/// Offers memory to peers. err::NOMEM, err::INVAL (bad spec), err::PERM (wildcard match on
	/// a unique portal or the reverse), err::SHUTDOWN. Does not sleep longer than an
	/// allocation.
	virtual cfs::Result<MdHandle> attach(const MatchSpec &match, const MdSpec &md) noexcept = 0;
	/// Memory for put() and get().
	virtual cfs::Result<MdHandle> bind(const MdSpec &md) noexcept = 0;
	/// Ends an MD: its last event comes before the return when nothing is in flight, later
	/// otherwise. err::NOENT when it has ended by itself. May be called with spinlocks held
	/// only if the handler allows it: an UNLINK event is delivered by the calling thread.
	virtual cfs::Result<> unlink(MdHandle md) noexcept = 0;

	/// Sends the MD's bytes. `self`: the NID to speak from, or Nid{} for LNet's choice. The
	/// result says only whether it was accepted; a SEND event (and with want_ack an ACK event)
	/// tells the rest, perhaps before the return and in this thread: no lock that the handler
	/// takes may be held. When it is refused there is no event and the MD stays.
	virtual cfs::Result<> put(const Nid &self, MdHandle md, bool want_ack,
				  const ProcessId &target, std::uint32_t portal,
				  std::uint64_t match_bits, std::uint32_t offset,
				  std::uint64_t hdr_data) noexcept = 0;
	/// Fetches into the MD; SEND and REPLY events.
	virtual cfs::Result<> get(const Nid &self, MdHandle md, const ProcessId &target,
				  std::uint32_t portal, std::uint64_t match_bits,
				  std::uint32_t offset) noexcept = 0;

	/// A lazy portal keeps PUTs that match nothing until something is attached (section 4.4).
	virtual cfs::Result<> set_lazy(std::uint32_t portal, bool lazy) noexcept = 0;

	/// Section 10. May wait for discovery.
	virtual Nid primary_nid(const Nid &nid) noexcept = 0;
	/// The NIDs of one server, primary first.
	virtual cfs::Result<> add_peer(std::span<const Nid> nids) noexcept = 0;
	/// err::HOSTUNREACH when there is no way there.
	virtual cfs::Result<Distance> distance(const Nid &nid) noexcept = 0;
	/// The n-th own NID (0@lo excluded); err::NOENT past the end.
	virtual cfs::Result<Nid> local_nid(unsigned n) noexcept = 0;
	[[nodiscard]] virtual bool is_local(const Nid &nid) noexcept = 0;
	/// A partition of this node's work by peer: the same for all messages of one peer.
	[[nodiscard]] virtual unsigned cpt_of(const Nid &nid) noexcept = 0;

protected:
	~Network() = default;
};

} // namespace lnet
