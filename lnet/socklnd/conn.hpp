// SPDX-License-Identifier: GPL-2.0
//
// One TCP connection with a peer (spec 01 sections 12.3, 12.6, 12.8).
//
// Receiving is done only by the connection's scheduler thread, so its state needs no lock; the one
// thing that other threads do to it is to answer a message LNet held back (recv()). Sending is done
// by whoever has set tx_busy_, usually the thread that had something to send: a message leaves
// without a thread switch.
//
// Locks: Peer::lock_ > Conn::tx_lock_. rx_lock_ is innermost.
#pragma once

#include "libcfs/containers.hpp"
#include "libcfs/lock.hpp"
#include "libcfs/mem.hpp"
#include "lnet/buffer.hpp"
#include "lnet/socklnd/hello.hpp"

namespace lnet::sock
{

class Peer;
class Scheduler;
class SockNi;

/// A message, or a NOOP, on its way out.
struct Tx {
	static constexpr cfs_subsys kSubsys = CFS_S_LND;

	explicit Tx(TxMessage *m) noexcept
	    : msg(m), payload(m ? m->payload : Extent{}), payload_left(payload.left())
	{
	}

	cfs::ListHook hook;
	TxMessage *msg;		     ///< none: a NOOP
	std::uint64_t zc_cookie = 0; ///< the peer acknowledges it
	cfs::Instant sent_at{};	     ///< when it had left, if it has a cookie
	wire::KsockMsgHeader kh{};   ///< what goes out before the payload: this ...
	std::byte lnet_header[sizeof(wire::Header16)]; ///< ... and this
	std::uint32_t lnet_header_len = 0;
	std::uint32_t head_sent = 0;
	Cursor payload;
	std::uint32_t payload_left;
	Run run{}; ///< piece being sent

	[[nodiscard]] std::uint32_t head_len() const noexcept
	{
		return static_cast<std::uint32_t>(sizeof(kh)) + lnet_header_len;
	}
	[[nodiscard]] std::uint64_t bytes_left() const noexcept
	{
		return head_len() - head_sent + payload_left + run.length;
	}
	[[nodiscard]] bool noop() const noexcept { return !msg; }
};
using TxList = cfs::List<Tx, &Tx::hook>;

class Conn final : public cfs::RefCounted<Conn>
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LND;

	/// Takes over the socket.
	Conn(SockNi &ni, Scheduler &sched, cfs_sock *sock, const Hello &theirs,
	     ConnType type) noexcept;
	~Conn();

	[[nodiscard]] ConnType type() const noexcept { return type_; }
	[[nodiscard]] std::uint32_t version() const noexcept { return version_; }
	[[nodiscard]] cfs_sock *sock() noexcept { return sock_; }
	[[nodiscard]] const cfs_sockaddr &remote() const noexcept { return remote_; }
	void set_peer(cfs::RefPtr<Peer> p) noexcept;

	/// Hands over to the scheduler: from here on it receives.
	[[nodiscard]] cfs::Result<> start() noexcept;
	/// Queues a message or a NOOP and sends what can be sent now. Takes over tx. After the
	/// connection has died the tx fails with what it died of.
	void send(Tx &tx) noexcept;
	/// Bytes waiting to go out.
	[[nodiscard]] std::uint64_t queued() const noexcept
	{
		return queued_.load(std::memory_order_relaxed);
	}
	/// Where the payload of a message goes that received() announced.
	void recv(void *lnet_msg, const Extent &to) noexcept;
	/// No more messages: whatever is queued fails with `why`, the socket closes when the last
	/// reference goes. Any thread, any number of times. Sleeps for the socket's lock.
	void kill(cfs::Errno why) noexcept;
	/// Looks for a stalled peer: err::TIMEDOUT when nothing moved for `limit`, or the message
	/// that is next has not left by its deadline.
	[[nodiscard]] cfs::Result<> check_progress(cfs::Instant now, cfs::Duration limit) noexcept;

	// ---- for the scheduler ----
	/// Notes what happened; queues it for process().
	void post(std::uint32_t events) noexcept;
	/// Works on what was posted. Scheduler thread only.
	void process(std::span<std::byte> scratch) noexcept;
	/// Whether it has died: a message of it that LNet holds has nobody left to answer.
	[[nodiscard]] bool lost() noexcept;
	cfs::ListHook ready_hook;  // Scheduler::lock_
	cfs::ListHook peer_hook;   // Peer::lock_
	bool usable = false;	   // Peer::lock_; the handshake is over, messages may be sent
	std::uint32_t pending = 0; // Scheduler::lock_
	bool scheduled = false;	   // Scheduler::lock_

private:
	/// Where reception stands. `upcall`: LNet has been told and has not answered yet, and the
	/// scheduler thread is still in that call; `held`: likewise, and the thread has gone.
	enum class Rx : std::uint8_t { head, upcall, held, payload, dead };

	void receive(std::span<std::byte> scratch) noexcept;
	[[nodiscard]] cfs::Result<bool> receive_ahead(std::uint32_t want) noexcept;
	[[nodiscard]] cfs::Result<bool> receive_head() noexcept;
	[[nodiscard]] cfs::Result<bool> receive_payload(std::span<std::byte> scratch) noexcept;
	[[nodiscard]] cfs::Result<std::uint32_t>
	receive_payload_part(std::span<std::byte> scratch) noexcept;
	void place(std::uint32_t n, const std::byte *from) noexcept;
	[[nodiscard]] cfs::Result<> head_complete(cfs::Bytes header) noexcept;
	[[nodiscard]] cfs::Result<> noop_complete() noexcept;
	[[nodiscard]] cfs::Result<> payload_complete() noexcept;
	void push() noexcept;
	[[nodiscard]] cfs::Result<bool> push_one(Tx &tx) noexcept;
	void sent_whole(Tx &tx) noexcept;
	void terminate() noexcept;
	[[nodiscard]] std::uint32_t header_bytes() const noexcept;
	void verify_update(cfs::Bytes b) noexcept;

	SockNi &ni_;
	Scheduler &sched_;
	cfs_sock *const sock_;
	const ConnType type_; // as we name it
	const std::uint32_t version_;
	const Nid peer_nid_;
	cfs_sockaddr remote_{};
	cfs::RefPtr<Peer> peer_;

	// Receiving; scheduler thread.
	/// What was received and not looked at yet. A small message comes with its head and often
	/// with the next one in one call; of a big one no more than this is copied twice.
	static constexpr std::uint32_t kAhead = 1024;
	static_assert(kAhead >= sizeof(wire::KsockMsgHeader) + sizeof(wire::Header16));
	std::byte ahead_[kAhead];
	std::uint32_t ahead_from_ = 0, ahead_to_ = 0;
	wire::KsockMsgHeader kh_{};
	Header header_{};
	std::uint32_t skip_left_ = 0;  // payload that nobody wants
	std::uint32_t place_left_ = 0; // payload that goes to target_
	Run run_{};
	std::uint32_t csum_ = 0;

	cfs::SpinLock rx_lock_{CFS_LOCK_CLASS("socklnd rx")};
	Rx rx_ CFS_GUARDED_BY(rx_lock_) = Rx::head;
	void *lnet_msg_ = nullptr; // written by recv() in state upcall or held
	Extent target_{};
	Cursor cursor_{Extent{}};

	// Sending.
	cfs::SpinLock tx_lock_{CFS_LOCK_CLASS("socklnd tx")};
	TxList tx_ CFS_GUARDED_BY(tx_lock_);
	std::uint32_t noops_ CFS_GUARDED_BY(tx_lock_) = 0; // of tx_
	bool tx_busy_ CFS_GUARDED_BY(tx_lock_) = false;
	bool tx_again_ CFS_GUARDED_BY(tx_lock_) = false; // writable again while busy
	cfs::Errno dead_ CFS_GUARDED_BY(tx_lock_){};
	bool in_poller_ CFS_GUARDED_BY(tx_lock_) = false;
	std::atomic<std::uint64_t> queued_{0};

	// Progress, for time-outs.
	std::atomic<std::uint64_t> tx_moved_ns_;
	std::atomic<std::uint64_t> rx_moved_ns_;
	std::atomic<bool> rx_started_{false};
};

} // namespace lnet::sock
