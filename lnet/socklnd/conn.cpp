// SPDX-License-Identifier: GPL-2.0
//
// Connections; see conn.hpp for who may do what.

#include "lnet/socklnd/conn.hpp"

#include <algorithm>

#include "libcfs/plat/csum.h"
#include "lnet/socklnd/socklnd.hpp"

namespace lnet::sock
{

using namespace cfs::err;

namespace
{

/// Pieces handed to the socket at once.
constexpr unsigned kVecMax = 32;
/// Bytes a connection may receive before the next one gets its turn, and what a message or NOOP
/// counts beside its payload.
constexpr std::uint32_t kRxBudget = 4 << 20;
constexpr std::uint32_t kRxPerMessage = 4096;
/// Acknowledgements that may wait to be sent. A peer with more of them asks for acknowledgements
/// and does not read them.
constexpr std::uint32_t kNoopsMax = 4096;

cfs_sockvec vec_of(const Run &r) noexcept
{
	return {r.linear, r.page, r.linear ? 0 : r.offset, r.length};
}

/// Makes a run shorter from its front.
void advance(Run &r, std::uint32_t n) noexcept
{
	if (r.linear)
		r.linear += n;
	else
		r.offset += n;
	r.length -= n;
}

} // namespace

Conn::Conn(SockNi &ni, Scheduler &sched, cfs_sock *sock, const Hello &theirs,
	   ConnType type) noexcept
    : ni_(ni), sched_(sched), sock_(sock), type_(type), version_(theirs.version),
      peer_nid_(theirs.src), tx_moved_ns_(cfs_now_ns()), rx_moved_ns_(cfs_now_ns())
{
	cfs_sockaddr local{};
	cfs_sock_addresses(sock, &local, &remote_);
	ni.born();
}

Conn::~Conn()
{
	cfs_sock_close(sock_);
	ni_.lnd().stats.conns_closed.fetch_add(1, std::memory_order_relaxed);
	peer_.reset(); // counted as this is
	ni_.gone();
}

void Conn::set_peer(cfs::RefPtr<Peer> p) noexcept
{
	peer_ = std::move(p);
}

std::uint32_t Conn::header_bytes() const noexcept
{
	return version_ == 4 ? sizeof(wire::Header16) : sizeof(wire::Header4);
}

cfs::Result<> Conn::start() noexcept
{
	const Tunables &t = ni_.lnd().tunables;
	cfs_sock_options o{};
	o.keepalive_idle_s = t.keepalive_idle;
	o.keepalive_intvl_s = t.keepalive_intvl;
	o.keepalive_count = t.keepalive_count;
	o.sndbuf = t.tx_buffer_size;
	o.rcvbuf = t.rx_buffer_size;
	o.tos = ni_.tos();
	o.nodelay = !t.nagle;
	o.quickack = t.eager_ack;
	TRY(cfs::to_result(cfs_sock_configure(sock_, &o)));
	get(); // the poller's
	if (auto r = cfs::to_result(cfs_poller_add(sched_.poller(), sock_, this)); !r) {
		put();
		return r;
	}
	bool dead = false;
	{
		cfs::SpinGuard g(tx_lock_);
		in_poller_ = true;
		dead = dead_ != cfs::Errno{};
	}
	if (dead) // terminate() may have come too early to take it out again
		post(CFS_POLL_ERR);
	return {};
}

void Conn::post(std::uint32_t events) noexcept
{
	sched_.post(*this, events);
}

void Conn::process(std::span<std::byte> scratch) noexcept
{
	bool dead = false;
	{
		cfs::SpinGuard g(tx_lock_);
		dead = dead_ != cfs::Errno{};
	}
	if (dead) {
		terminate();
		return;
	}
	receive(scratch);
	push();
}

// ---- receiving ----

void Conn::receive(std::span<std::byte> scratch) noexcept
{
	std::uint32_t budget = kRxBudget;
	for (;;) {
		Rx state;
		{
			cfs::SpinGuard g(rx_lock_);
			state = rx_;
		}
		cfs::Result<bool> more = false;
		std::uint32_t before = place_left_ + skip_left_;
		switch (state) {
		case Rx::head:
			more = receive_head();
			budget -= std::min(budget, kRxPerMessage);
			break;
		case Rx::payload:
			more = receive_payload(scratch);
			before -= std::min(before, place_left_ + skip_left_);
			budget -= std::min(budget, before);
			break;
		case Rx::upcall:
		case Rx::held:
		case Rx::dead:
			return;
		}
		if (!more) {
			if (more.error() == PROTO)
				ni_.lnd().stats.protocol_errors.fetch_add(
					1, std::memory_order_relaxed);
			kill(more.error());
			return;
		}
		if (!*more)
			return;
		if (budget == 0) {
			post(CFS_POLL_IN); // come back after the others
			return;
		}
	}
}

/// Sees to it that `want` bytes stand in ahead_. False: the peer has not sent them yet.
cfs::Result<bool> Conn::receive_ahead(std::uint32_t want) noexcept
{
	// A short read does not tell that there is no more: an end of the stream may follow, of
	// which nobody tells again.
	while (ahead_to_ - ahead_from_ < want) {
		std::uint32_t have = ahead_to_ - ahead_from_;
		__builtin_memmove(ahead_, ahead_ + ahead_from_, have);
		ahead_from_ = 0;
		ahead_to_ = have;
		cfs_sockvec v{ahead_ + have, nullptr, 0, kAhead - have};
		long n = cfs_sock_recv(sock_, &v, 1);
		if (n == cfs::to_rc(AGAIN))
			return false;
		if (n <= 0)
			return cfs::fail(n == 0 ? CONNRESET : cfs::Errno{static_cast<int>(-n)});
		ahead_to_ += static_cast<std::uint32_t>(n);
		rx_moved_ns_.store(cfs_now_ns(), std::memory_order_relaxed);
		rx_started_.store(true, std::memory_order_relaxed);
		peer_->heard();
	}
	return true;
}

cfs::Result<bool> Conn::receive_head() noexcept
{
	if (!TRY(receive_ahead(sizeof(kh_))))
		return false;
	kh_ = **cfs::view_at<wire::KsockMsgHeader>(cfs::Bytes(ahead_, ahead_to_), ahead_from_);
	if (kh_.ksh_type == wire::KSOCK_MSG_NOOP) {
		ahead_from_ += static_cast<std::uint32_t>(sizeof(kh_));
		rx_started_.store(ahead_from_ != ahead_to_, std::memory_order_relaxed);
		TRY(noop_complete());
		return true;
	}
	if (kh_.ksh_type != wire::KSOCK_MSG_LNET) {
		CNETERR(kSubsys, "{}: message of unknown type {:#x}; closing its connections",
			peer_nid_, std::uint32_t{kh_.ksh_type});
		return cfs::fail(PROTO);
	}
	if (!TRY(receive_ahead(static_cast<std::uint32_t>(sizeof(kh_)) + header_bytes())))
		return false;
	cfs::Bytes header(ahead_ + ahead_from_ + sizeof(kh_), header_bytes());
	ahead_from_ += static_cast<std::uint32_t>(sizeof(kh_)) + header_bytes();
	TRY(head_complete(header));
	return true;
}

cfs::Result<> Conn::noop_complete() noexcept
{
	std::uint64_t a = kh_.ksh_zc_cookies[0], b = kh_.ksh_zc_cookies[1];
	if (a == 0 && b <= 1) // keepalive, or nothing at all
		return {};
	return peer_->acked(a, b);
}

void Conn::verify_update(cfs::Bytes b) noexcept
{
	if (kh_.ksh_csum != 0u)
		csum_ = cfs_crc32(csum_, b.data(), b.size());
}

cfs::Result<> Conn::head_complete(cfs::Bytes h) noexcept
{
	header_ = version_ == 4 ? TRY(from_wire(**cfs::view_at<wire::Header16>(h, 0)))
				: TRY(from_wire(**cfs::view_at<wire::Header4>(h, 0)));
	if (kh_.ksh_csum != 0u) {
		wire::KsockMsgHeader clean = kh_;
		clean.ksh_csum = 0u;
		csum_ = ~0u;
		verify_update(cfs::bytes_of(clean));
		verify_update(h);
	}
	if (kh_.ksh_zc_cookies[1] != 0u) // an acknowledgement rides along
		TRY(peer_->acked(0, kh_.ksh_zc_cookies[1]));
	{
		cfs::SpinGuard g(rx_lock_);
		rx_ = Rx::upcall;
	}
	get(); // until recv()
	auto r = ni_.up().received(header_, peer_nid_, RxHandle{this});
	if (!r) {
		put();
		return r;
	}
	cfs::SpinGuard g(rx_lock_);
	if (rx_ == Rx::upcall)
		rx_ = Rx::held; // recv() will post this connection
	return {};
}

void Conn::recv(void *lnet_msg, const Extent &to) noexcept
{
	bool dead = false, held = false;
	{
		cfs::SpinGuard g(rx_lock_);
		dead = rx_ == Rx::dead;
		held = rx_ == Rx::held;
		if (!dead) {
			lnet_msg_ = lnet_msg;
			target_ = to;
			cursor_ = Cursor(to);
			place_left_ = to.length;
			skip_left_ = header_.payload_length - to.length;
			run_ = {};
			// The peer is not to blame for the time that LNet took.
			rx_moved_ns_.store(cfs_now_ns(), std::memory_order_relaxed);
			rx_ = Rx::payload;
		}
	}
	if (dead)
		ni_.up().recv_done(lnet_msg, SHUTDOWN);
	else if (held)
		post(CFS_POLL_IN);
	put(); // of head_complete(); process() has another
}

cfs::Result<bool> Conn::receive_payload(std::span<std::byte> scratch) noexcept
{
	if (place_left_ == 0 && skip_left_ == 0) {
		TRY(payload_complete());
		return true;
	}
	bool placing = place_left_ > 0;
	std::uint32_t &left = placing ? place_left_ : skip_left_;
	const std::byte *from = scratch.data();
	std::uint32_t n = std::min(left, ahead_to_ - ahead_from_);
	if (n > 0) {
		from = ahead_ + ahead_from_;
		ahead_from_ += n;
	} else {
		auto got = receive_payload_part(scratch);
		if (!got && got.error() == AGAIN)
			return false;
		n = TRY(got);
		if (placing)
			from = nullptr; // it is where it belongs
	}
	left -= n;
	if (placing)
		place(n, from);
	else
		verify_update(cfs::Bytes(from, n));
	return true;
}

/// Receives into the target, or into `scratch` what nobody wants. err::AGAIN: nothing there.
cfs::Result<std::uint32_t> Conn::receive_payload_part(std::span<std::byte> scratch) noexcept
{
	cfs_sockvec v[kVecMax];
	unsigned n = 0;
	if (place_left_ > 0) {
		// Look ahead without moving: a Cursor is small.
		Cursor c = cursor_;
		Run r = run_.length ? run_ : c.next();
		for (; n < kVecMax && r.length > 0; r = c.next())
			v[n++] = vec_of(r);
	} else {
		v[n++] = {scratch.data(), nullptr, 0,
			  std::min(skip_left_, static_cast<std::uint32_t>(scratch.size()))};
	}
	long got = cfs_sock_recv(sock_, v, n);
	if (got <= 0)
		return cfs::fail(got == 0 ? CONNRESET : cfs::Errno{static_cast<int>(-got)});
	rx_moved_ns_.store(cfs_now_ns(), std::memory_order_relaxed);
	peer_->heard();
	return static_cast<std::uint32_t>(got);
}

/// The next n bytes of the target are there, or are to be copied `from`.
void Conn::place(std::uint32_t n, const std::byte *from) noexcept
{
	while (n > 0) {
		if (run_.length == 0)
			run_ = cursor_.next();
		std::uint32_t step = std::min(n, run_.length);
		if (from || kh_.ksh_csum != 0u) {
			void *map = run_.page ? cfs_page_map(run_.page) : nullptr;
			auto *p = map ? static_cast<std::byte *>(map) + run_.offset : run_.linear;
			if (from)
				__builtin_memcpy(p, std::exchange(from, from + step), step);
			verify_update(cfs::Bytes(p, step));
			if (map)
				cfs_page_unmap(map);
		}
		advance(run_, step);
		n -= step;
	}
}

cfs::Result<> Conn::payload_complete() noexcept
{
	cfs::Errno status{};
	if (kh_.ksh_csum != 0u && kh_.ksh_csum != csum_) {
		ni_.lnd().stats.checksum_errors.fetch_add(1, std::memory_order_relaxed);
		CNETERR(kSubsys,
			"{}: wrong checksum of a message of {} bytes; closing its connections",
			peer_nid_, header_.payload_length);
		status = IO;
	}
	void *msg = std::exchange(lnet_msg_, nullptr);
	{
		cfs::SpinGuard g(rx_lock_);
		rx_ = Rx::head;
	}
	rx_started_.store(ahead_from_ != ahead_to_, std::memory_order_relaxed);
	std::uint64_t cookie = kh_.ksh_zc_cookies[0];
	// The peer's pages first: its acknowledgement goes out before the answer of whoever gets
	// this message.
	if (cookie != 0 && status == cfs::Errno{})
		peer_->send_ack(*this, cookie);
	ni_.up().recv_done(msg, status);
	if (status != cfs::Errno{})
		return cfs::fail(status);
	return {};
}

// ---- sending ----

void Conn::send(Tx &tx) noexcept
{
	cfs::Errno dead{};
	bool flood = false;
	{
		cfs::SpinGuard g(tx_lock_);
		dead = dead_;
		if (dead == cfs::Errno{}) {
			if (tx_.empty() && !tx_busy_)
				tx_moved_ns_.store(cfs_now_ns(), std::memory_order_relaxed);
			tx_.push_back(tx);
			flood = tx.noop() && ++noops_ > kNoopsMax;
			queued_.fetch_add(tx.bytes_left(), std::memory_order_relaxed);
		}
	}
	if (dead != cfs::Errno{}) {
		ni_.finish(tx, dead);
		return;
	}
	if (flood) {
		CNETERR(kSubsys,
			"{}: asks for acknowledgements and does not read them; closing its "
			"connections",
			peer_nid_);
		kill(NOBUFS);
		return;
	}
	push();
}

void Conn::push() noexcept
{
	auto self = cfs::RefPtr<Conn>::share(this);
	{
		cfs::SpinGuard g(tx_lock_);
		if (tx_busy_) {
			tx_again_ = true;
			return;
		}
		tx_busy_ = true;
	}
	for (;;) {
		Tx *tx = nullptr;
		{
			cfs::SpinGuard g(tx_lock_);
			if (tx_.empty() || dead_ != cfs::Errno{}) {
				tx_busy_ = false;
				break;
			}
			tx = &tx_.front();
			tx_again_ = false;
		}
		auto done = push_one(*tx);
		if (!done) {
			kill(done.error());
			continue; // sees that it is dead
		}
		cfs::SpinGuard g(tx_lock_);
		// Of a death meanwhile nobody else tells the scheduler: terminate() leaves that to
		// whoever is busy.
		if (*done || tx_again_ || dead_ != cfs::Errno{})
			continue;
		tx_busy_ = false;
		return;
	}
	bool dead = false;
	{
		cfs::SpinGuard g(tx_lock_);
		dead = dead_ != cfs::Errno{};
	}
	if (dead)
		post(CFS_POLL_ERR); // terminate() may have gone by while this thread was busy
}

/// Sends as much of tx as the socket takes. True: all of it (and tx is gone).
cfs::Result<bool> Conn::push_one(Tx &tx) noexcept
{
	while (tx.bytes_left() > 0) {
		cfs_sockvec v[kVecMax];
		unsigned n = 0;
		if (tx.head_sent < sizeof(tx.kh))
			v[n++] = {reinterpret_cast<std::byte *>(&tx.kh) + tx.head_sent, nullptr, 0,
				  static_cast<std::uint32_t>(sizeof(tx.kh)) - tx.head_sent};
		if (tx.head_sent < tx.head_len() && tx.lnet_header_len > 0) {
			std::uint32_t skip =
				tx.head_sent > sizeof(tx.kh)
					? tx.head_sent - static_cast<std::uint32_t>(sizeof(tx.kh))
					: 0;
			v[n++] = {tx.lnet_header + skip, nullptr, 0, tx.lnet_header_len - skip};
		}
		Cursor c = tx.payload;
		Run r = tx.run.length ? tx.run : c.next();
		for (; n < kVecMax && r.length > 0; r = c.next())
			v[n++] = vec_of(r);
		unsigned flags = 0;
		if (c.left() > 0 || r.length > 0)
			flags |= CFS_SOCK_MORE;
		if (tx.zc_cookie)
			flags |= CFS_SOCK_ZEROCOPY;
		long sent = cfs_sock_send(sock_, v, n, flags);
		if (sent == cfs::to_rc(AGAIN))
			return false;
		if (sent < 0)
			return cfs::fail(cfs::Errno{static_cast<int>(-sent)});
		tx_moved_ns_.store(cfs_now_ns(), std::memory_order_relaxed);
		auto left = static_cast<std::uint32_t>(sent);
		queued_.fetch_sub(left, std::memory_order_relaxed);
		std::uint32_t head = std::min(left, tx.head_len() - tx.head_sent);
		tx.head_sent += head;
		left -= head;
		while (left > 0) {
			if (tx.run.length == 0) {
				tx.run = tx.payload.next();
				tx.payload_left -= tx.run.length;
			}
			std::uint32_t step = std::min(left, tx.run.length);
			advance(tx.run, step);
			left -= step;
		}
	}
	sent_whole(tx);
	return true;
}

void Conn::sent_whole(Tx &tx) noexcept
{
	{
		cfs::SpinGuard g(tx_lock_);
		tx_.erase(tx_.iterator_to(tx));
		noops_ -= tx.noop();
	}
	// With a cookie the pages belong to the socket until the peer has acknowledged it.
	if (tx.zc_cookie)
		peer_->sent_awaiting_ack(tx);
	else
		ni_.finish(tx, cfs::Errno{});
}

// ---- the end ----

void Conn::kill(cfs::Errno why) noexcept
{
	{
		cfs::SpinGuard g(tx_lock_);
		if (dead_ != cfs::Errno{})
			return;
		dead_ = why;
	}
	cfs_sock_shutdown(sock_);
	post(CFS_POLL_ERR);
}

void Conn::terminate() noexcept
{
	TxList failed;
	cfs::Errno why{};
	{
		cfs::SpinGuard g(tx_lock_);
		why = dead_;
		if (tx_busy_)
			return; // the thread that is sending posts again
		failed.splice(failed.end(), tx_);
	}
	void *msg = nullptr;
	{
		cfs::SpinGuard g(rx_lock_);
		if (rx_ == Rx::payload)
			msg = std::exchange(lnet_msg_, nullptr);
		rx_ = Rx::dead;
	}
	if (msg)
		ni_.up().recv_done(msg, why);
	auto peer = peer_;
	while (!failed.empty()) {
		Tx &tx = failed.front();
		failed.pop_front();
		ni_.finish(tx, why);
	}
	bool polled = false;
	{
		cfs::SpinGuard g(tx_lock_);
		polled = std::exchange(in_poller_, false);
	}
	if (polled) {
		cfs_poller_remove(sched_.poller(), sock_);
		// Section 12.9: one connection lost is all of them lost.
		peer->conn_died(*this, why);
		put(); // the poller's
	}
}

bool Conn::lost() noexcept
{
	cfs::SpinGuard g(rx_lock_);
	return rx_ == Rx::dead;
}

cfs::Result<> Conn::check_progress(cfs::Instant now, cfs::Duration limit) noexcept
{
	auto stuck = [&](const std::atomic<std::uint64_t> &moved) {
		return cfs::Instant::from_ns(moved.load(std::memory_order_relaxed)) + limit < now;
	};
	if (queued() > 0 && stuck(tx_moved_ns_))
		return cfs::fail(TIMEDOUT);
	{
		cfs::SpinGuard g(tx_lock_);
		if (!tx_.empty() && tx_.front().msg && tx_.front().msg->deadline < now)
			return cfs::fail(TIMEDOUT);
	}
	bool waiting = false; // for LNet, not for the peer
	{
		cfs::SpinGuard g(rx_lock_);
		waiting = rx_ == Rx::held || rx_ == Rx::upcall;
	}
	if (!waiting && rx_started_.load(std::memory_order_relaxed) && stuck(rx_moved_ns_))
		return cfs::fail(TIMEDOUT);
	return {};
}

} // namespace lnet::sock
