// SPDX-License-Identifier: GPL-2.0
//
// Peers of socklnd: which connection a message takes, and how connections come to be (spec 01
// sections 12.4 to 12.9).

#include <algorithm>

#include "lnet/socklnd/socklnd.hpp"

namespace lnet::sock
{

using namespace cfs::err;

namespace
{

/// A connector that was refused this often because the peer has enough stops asking (section 12.4).
constexpr unsigned kSurplusRefusalsMax = 3;
/// Versions that an attempt follows a peer through; one that goes on changing its mind is left.
constexpr unsigned kVersionsMax = 2;
constexpr auto kKeepaliveRepeat = cfs::Duration::seconds(10);

/// How good a connection is for a message: section 12.6's table. 0: never.
int suitability(ConnType conn, const Tx &tx, std::uint32_t min_bulk) noexcept
{
	if (tx.noop())
		return conn == ConnType::bulk_in ? 2 : 1;
	bool bulk = tx.bytes_left() >= min_bulk;
	switch (conn) {
	case ConnType::control:
		return bulk ? 1 : 2;
	case ConnType::bulk_out:
		return bulk ? 2 : 1;
	default:
		return 0;
	}
}

} // namespace

Peer::Peer(SockNi &ni, const Nid &nid) noexcept : ni_(ni), nid_(nid), connect_(this)
{
	ni.born();
}

Peer::~Peer()
{
	ni_.gone();
}

cfs::RefPtr<Conn> Peer::pick(const Tx &tx) noexcept
{
	Conn *best = nullptr;
	int best_fit = 0;
	std::uint32_t min_bulk = ni_.lnd().tunables.min_bulk;
	for (Conn &c : conns_) {
		if (!c.usable)
			continue;
		int fit = suitability(c.type(), tx, min_bulk);
		if (fit == 0 || fit < best_fit)
			continue;
		if (best && fit == best_fit && c.queued() >= best->queued())
			continue;
		best = &c;
		best_fit = fit;
	}
	return cfs::RefPtr<Conn>::share(best);
}

unsigned Peer::count(ConnType t) noexcept
{
	unsigned n = 0;
	for (Conn &c : conns_)
		n += c.type() == t;
	return n;
}

/// The type of connection to open next, or none.
ConnType Peer::missing() noexcept
{
	if (count(ConnType::control) == 0)
		return ConnType::control;
	unsigned in = count(ConnType::bulk_in), out = count(ConnType::bulk_out);
	unsigned want = surplus_refused_ >= kSurplusRefusalsMax && in && out ? 1 : ni_.bulk_conns();
	if (in < want && in <= out)
		return ConnType::bulk_in;
	if (out < want)
		return ConnType::bulk_out;
	return ConnType::none;
}

void Peer::send(Tx &tx, bool zerocopy) noexcept
{
	cfs::RefPtr<Conn> c;
	bool closed = false;
	{
		cfs::SpinGuard g(lock_);
		closed = closed_;
		if (!closed) {
			if (zerocopy) {
				tx.zc_cookie = next_cookie_++;
				tx.kh.ksh_zc_cookies[0] = tx.zc_cookie;
			}
			c = pick(tx);
			if (!c)
				waiting_.push_back(tx);
		}
	}
	if (closed) {
		ni_.finish(tx, SHUTDOWN);
		return;
	}
	if (c) {
		ni_.prepare(tx, c->version());
		c->send(tx);
	}
	want_connection();
}

void Peer::want_connection() noexcept
{
	{
		cfs::SpinGuard g(lock_);
		if (connecting_ || closed_ || missing() == ConnType::none)
			return;
		if (cfs::Instant::now() < next_attempt_)
			return; // tick() comes back to it
		connecting_ = true;
		get(); // connect_work()'s
	}
	connect_.queue(ni_.lnd().connds());
}

void Peer::connect_work() noexcept
{
	auto self = cfs::RefPtr<Peer>::adopt(this);
	unsigned versions = 0;
	for (;;) {
		ConnType t;
		{
			cfs::SpinGuard g(lock_);
			t = closed_ ? ConnType::none : missing();
			if (t == ConnType::none) {
				connecting_ = false;
				backoff_ms_ = 0;
				return;
			}
		}
		auto r = ni_.connect(*this, t);
		if (!r && r.error() == AGAIN && versions++ < kVersionsMax)
			continue;
		if (!r) {
			attempt_failed(r.error() == AGAIN ? PROTO : r.error());
			return;
		}
	}
}

void Peer::attempt_failed(cfs::Errno why) noexcept
{
	const Tunables &t = ni_.lnd().tunables;
	TxList failed;
	{
		cfs::SpinGuard g(lock_);
		connecting_ = false;
		// After a lost race the winner brings the connection that messages wait for; a peer
		// that has restarted is called again.
		bool lost_race = why == ALREADY || why == STALE;
		if (why == ALREADY && !conns_.empty())
			surplus_refused_++;
		if (lost_race || backoff_ms_ == 0)
			backoff_ms_ = t.min_reconnectms;
		else
			backoff_ms_ = std::min(backoff_ms_ * 2, t.max_reconnectms);
		next_attempt_ = cfs::after(cfs::Duration::millis(backoff_ms_));
		if (!lost_race && conns_.empty())
			failed.splice(failed.end(), waiting_);
	}
	if (!failed.empty())
		ni_.up().peer_alive(nid_, false);
	fail_list(failed, why);
}

void Peer::fail_list(TxList &list, cfs::Errno why) noexcept
{
	while (!list.empty()) {
		Tx &tx = list.front();
		list.pop_front();
		ni_.finish(tx, why);
	}
}

cfs::Result<> Peer::add(cfs::RefPtr<Conn> c, const Hello &theirs) noexcept
{
	TxList queued;
	{
		cfs::SpinGuard g(lock_);
		if (closed_)
			return cfs::fail(SHUTDOWN);
		bool first = conns_.empty();
		if (!first &&
		    (theirs.src_incarnation != incarnation_ || theirs.version != version_)) {
			g.unlock();
			close_all(STALE);
			return cfs::fail(STALE);
		}
		if (count(c->type()) >= kConnsPerTypeMax)
			return cfs::fail(ALREADY);
		incarnation_ = theirs.src_incarnation;
		version_ = theirs.version;
		c->set_peer(cfs::RefPtr<Peer>::share(this));
		c->get();
		conns_.push_back(*c);
	}
	return {};
}

void Peer::withdraw(Conn &c, cfs::Errno why) noexcept
{
	bool listed = false;
	{
		cfs::SpinGuard g(lock_);
		if (c.peer_hook.is_linked()) {
			conns_.erase(conns_.iterator_to(c));
			listed = true;
		}
		if (conns_.empty()) {
			version_ = 0;
			incarnation_ = 0;
		}
	}
	c.kill(why);
	if (listed)
		c.put();
}

void Peer::started(Conn &c) noexcept
{
	heard();
	{
		cfs::SpinGuard g(lock_);
		c.usable = true;
	}
	ni_.up().peer_alive(nid_, true);
	// Each goes to whichever connection is best by now. Whoever left some to another connection
	// that comes up at the same time might find that it had left them to this one.
	for (;;) {
		Tx *tx = nullptr;
		cfs::RefPtr<Conn> best;
		{
			cfs::SpinGuard g(lock_);
			if (waiting_.empty())
				return;
			tx = &waiting_.front();
			best = pick(*tx);
			if (!best) // it has died meanwhile: the next one takes them
				return;
			waiting_.pop_front();
		}
		ni_.prepare(*tx, best->version());
		best->send(*tx);
	}
}

void Peer::close_all(cfs::Errno why) noexcept
{
	for (;;) {
		cfs::RefPtr<Conn> c;
		{
			cfs::SpinGuard g(lock_);
			if (conns_.empty())
				break;
			c = cfs::RefPtr<Conn>::adopt(&conns_.front());
			conns_.pop_front();
			if (conns_.empty()) {
				version_ = 0;
				incarnation_ = 0;
			}
		}
		c->kill(why);
	}
	// Whoever has received a message but not acknowledged it will not do so any more.
	TxList unacked;
	{
		cfs::SpinGuard g(lock_);
		unacked.splice(unacked.end(), unacked_);
		early_ = {};
	}
	fail_list(unacked, why);
}

void Peer::conn_died(Conn &c, cfs::Errno why) noexcept
{
	bool listed = false;
	{
		cfs::SpinGuard g(lock_);
		if (c.peer_hook.is_linked()) {
			conns_.erase(conns_.iterator_to(c));
			listed = true;
		}
	}
	// One that close_all() has taken out needs nothing more; what is there by now may be newer.
	if (listed) {
		c.put();
		close_all(why);
	}
	bool waiting = false;
	{
		cfs::SpinGuard g(lock_);
		waiting = !waiting_.empty();
	}
	if (waiting)
		want_connection();
}

// ---- acknowledgements ----

void Peer::send_ack(Conn &c, std::uint64_t cookie) noexcept
{
	auto tx = cfs::try_make<Tx>(nullptr);
	if (!tx) { // the peer would wait for ever: let it start again
		c.kill(NOMEM);
		return;
	}
	(*tx)->kh.ksh_type = wire::KSOCK_MSG_NOOP;
	(*tx)->kh.ksh_zc_cookies[1] = cookie;
	ni_.lnd().stats.zc_acks_sent.fetch_add(1, std::memory_order_relaxed);
	c.send(*tx->release());
}

void Peer::sent_awaiting_ack(Tx &tx) noexcept
{
	bool acked = false;
	{
		cfs::SpinGuard g(lock_);
		// The answer can overtake the news that the socket has taken the last byte.
		for (EarlyAck &e : early_) {
			if (e.cookie == tx.zc_cookie) {
				e.cookie = 0;
				acked = true;
				break;
			}
		}
		if (!acked) {
			tx.sent_at = cfs::Instant::now();
			unacked_.push_back(tx);
		}
	}
	if (acked)
		ni_.finish(tx, cfs::Errno{});
}

cfs::Result<> Peer::acked(std::uint64_t a, std::uint64_t b) noexcept
{
	// {0, c}: one; {a > b}: two; {a < b}: a range (section 12.8).
	std::uint64_t lo = b, hi = b, extra = 0;
	if (a != 0 && a < b)
		lo = a;
	else if (a > b)
		extra = a;
	if (hi - lo >= kAcksPerMessageMax)
		return cfs::fail(PROTO);
	TxList done;
	bool unknown = false;
	{
		cfs::SpinGuard g(lock_);
		std::uint64_t found = 0, wanted = hi - lo + 1 + (extra ? 1 : 0);
		for (auto it = unacked_.begin(); it != unacked_.end();) {
			Tx &tx = *it;
			++it;
			if ((tx.zc_cookie < lo || tx.zc_cookie > hi) && tx.zc_cookie != extra)
				continue;
			unacked_.erase(unacked_.iterator_to(tx));
			done.push_back(tx);
			found++;
		}
		if (found != wanted)
			unknown = !note_early_acks(lo, hi, extra, done);
	}
	while (!done.empty()) {
		Tx &tx = done.front();
		done.pop_front();
		ni_.finish(tx, cfs::Errno{});
	}
	if (!unknown)
		return {};
	CNETERR(kSubsys,
		"{}: acknowledged messages {}, {} that were not sent; closing its connections",
		nid_, a, b);
	return cfs::fail(PROTO);
}

/// Cookies of messages whose last byte is just being handed to the socket. False: too many, or
/// impossible.
bool Peer::note_early_acks(std::uint64_t lo, std::uint64_t hi, std::uint64_t extra,
			   TxList &done) noexcept
{
	auto known = [&](std::uint64_t c) {
		for (Tx &tx : done)
			if (tx.zc_cookie == c)
				return true;
		return false;
	};
	auto note = [&](std::uint64_t c) CFS_NO_TSA {
		if (c == 0 || known(c))
			return true;
		if (c < 2 || c >= next_cookie_)
			return false;
		for (EarlyAck &e : early_) {
			if (e.cookie == 0) {
				e.cookie = c;
				return true;
			}
		}
		return false;
	};
	for (std::uint64_t c = lo; c <= hi; c++)
		if (!note(c))
			return false;
	return note(extra);
}

// ---- the rest ----

bool Peer::idle(cfs::Instant now) noexcept
{
	cfs::SpinGuard g(lock_);
	return conns_.empty() && waiting_.empty() && unacked_.empty() && !connecting_ &&
	       next_attempt_ <= now;
}

bool Peer::must_refuse() noexcept
{
	cfs::SpinGuard g(lock_);
	return connecting_ && nid_ < ni_.nid();
}

std::uint32_t Peer::expected_version() noexcept
{
	cfs::SpinGuard g(lock_);
	return version_ ? version_ : first_version(nid_);
}

void Peer::learn_version(std::uint32_t v) noexcept
{
	cfs::SpinGuard g(lock_);
	if (conns_.empty())
		version_ = v;
}

void Peer::tick(cfs::Instant now) noexcept
{
	const Tunables &t = ni_.lnd().tunables;
	auto limit = ni_.patience();
	bool stalled = false, quiet = false, retry = false;
	TxList late;
	{
		cfs::SpinGuard g(lock_);
		while (!waiting_.empty() && waiting_.front().msg->deadline < now) {
			Tx &tx = waiting_.front();
			waiting_.pop_front();
			late.push_back(tx);
		}
		for (Conn &c : conns_)
			stalled |= !c.check_progress(now, limit);
		if (!unacked_.empty())
			stalled |= unacked_.front().sent_at + limit < now;
		auto heard = cfs::Instant::from_ns(heard_ns_.load(std::memory_order_relaxed));
		quiet = t.keepalive && !conns_.empty() &&
			heard + cfs::Duration::seconds(t.keepalive) < now &&
			last_keepalive_ + kKeepaliveRepeat < now;
		if (quiet)
			last_keepalive_ = now;
		retry = !waiting_.empty() && !connecting_;
	}
	fail_list(late, TIMEDOUT);
	if (stalled) {
		ni_.lnd().stats.timeouts.fetch_add(1, std::memory_order_relaxed);
		CNETERR(kSubsys, "{}: no progress for {} s; closing its connections", nid_,
			limit.s());
		ni_.up().peer_alive(nid_, false);
		close_all(TIMEDOUT);
		return;
	}
	if (quiet)
		send_keepalive();
	if (retry)
		want_connection();
}

void Peer::send_keepalive() noexcept
{
	auto tx = cfs::try_make<Tx>(nullptr);
	if (!tx)
		return; // the next tick tries again
	(*tx)->kh.ksh_type = wire::KSOCK_MSG_NOOP;
	(*tx)->kh.ksh_zc_cookies[1] = 1u;
	cfs::RefPtr<Conn> c;
	{
		cfs::SpinGuard g(lock_);
		c = pick(**tx);
	}
	if (!c)
		return;
	ni_.lnd().stats.keepalives.fetch_add(1, std::memory_order_relaxed);
	c->send(*tx->release());
}

void Peer::shutdown() noexcept
{
	TxList failed;
	{
		cfs::SpinGuard g(lock_);
		closed_ = true;
		failed.splice(failed.end(), waiting_);
	}
	fail_list(failed, SHUTDOWN);
	close_all(SHUTDOWN);
}

} // namespace lnet::sock
