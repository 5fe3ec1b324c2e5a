// SPDX-License-Identifier: GPL-2.0
//
// The driver of simulated nodes; see lnd.hpp for the rules.

#include "lnet/simlnd/lnd.hpp"

#include <algorithm>

#include "lnet/buffer.hpp"

namespace lnet::sim
{

using namespace cfs::err;
using State = Channel::State;
using EventKind = cfs::sim::NetEvent::Kind;

namespace
{

enum class FrameKind : std::uint32_t { hello = 1, message = 2, ack = 3 };

/// In front of everything that travels.
struct Frame {
	cfs::le32 kind;
	cfs::le32 unused;
	cfs::le64 fetched;     // messages taken from the connection by the sender of this
	cfs::le64 processed;   // messages its LNet is done with
	cfs::le64 incarnation; // of the sender
};
struct HelloBody {
	Nid src;
	Nid dst;
};

unsigned draw(unsigned n) noexcept
{
	std::uint32_t v = 0;
	cfs_random_bytes(&v, sizeof(v));
	return v % n;
}

template <typename T>
void append(cfs::sim::Message &m, const T &t)
{
	auto b = cfs::bytes_of(t);
	m.insert(m.end(), b.begin(), b.end());
}

cfs::sim::Message frame(FrameKind kind, const Channel &c, std::uint64_t incarnation)
{
	cfs::sim::Message m;
	append(m, Frame{static_cast<std::uint32_t>(kind), 0u, c.fetched, c.processed, incarnation});
	return m;
}

} // namespace

// ---- interfaces ----

SimNi::SimNi(SimLnd &lnd, const Nid &nid, Upcalls &up) noexcept
    : lnd_(lnd), up_(up), nid_(nid),
      timeout_(static_cast<std::int32_t>(lnd.state_.config.lnd_timeout))
{
	cfs::format_cstr(name_, "eth{}", interface_of(nid));
}

void SimNi::destroy() noexcept
{
	{
		cfs::MutexGuard g(lnd_.lock_);
		if (hook_.is_linked())
			lnd_.nis_.erase(lnd_.nis_.iterator_to(*this));
	}
	this->~SimNi();
	cfs_free(kSubsys, this, sizeof(*this));
}

NiTunables SimNi::tunables() const noexcept
{
	const NodeConfig &c = lnd_.state_.config;
	return {.credits = c.credits, .peer_credits = c.peer_credits};
}

LndTunables SimNi::lnd_tunables() const noexcept
{
	return {.timeout = timeout_.load(std::memory_order_relaxed)};
}

cfs::Result<> SimNi::change(const LndWishes &w) noexcept
{
	if (w.conns_per_peer != LndWishes::kLeave || w.tos != LndWishes::kLeave)
		return cfs::fail(OPNOTSUPP);
	if (w.timeout < 1)
		return cfs::fail(RANGE);
	timeout_.store(w.timeout, std::memory_order_relaxed);
	return {};
}

cfs::Result<> SimNi::open() noexcept
{
	cfs::MutexGuard g(lnd_.lock_);
	opened_ = true;
	return {};
}

void SimNi::send(TxMessage &msg) noexcept
{
	auto tx = cfs::try_make<Tx>(*this, msg);
	if (!tx) {
		up_.sent(msg, NOMEM, SendStatus::local_error);
		return;
	}
	Tx &t = *tx->release();
	t.wants_ack = msg.payload.length >= 4096 || draw(4) == 0;
	{
		cfs::MutexGuard g(lnd_.lock_);
		uses_++;
		Channel *c = nullptr;
		t.status = SHUTDOWN;
		t.how = SendStatus::local_error;
		if (down_) {
			t.status = NETDOWN;
			t.how = SendStatus::local_dropped;
		} else if (!stopping_) {
			t.status = NOMEM;
			c = lnd_.channel_to(*this, msg.next_hop);
		}
		if (c) {
			if (c->queue.empty() && c->unacked.empty())
				c->progress = cfs::Instant::now();
			c->queue.push_back(t);
			lnd_.pump(*c);
		} else {
			lnd_.done_.push_back(t);
		}
	}
	lnd_.report();
}

void SimNi::recv(RxHandle h, void *lnet_msg, const Extent &to) noexcept
{
	auto &rx = *static_cast<Rx *>(h.p);
	rx.lnet_msg = lnet_msg;
	rx.to = to;
	if (draw(4) != 0) {
		lnd_.finish_recv(rx);
		return;
	}
	cfs::MutexGuard g(lnd_.lock_);
	lnd_.deferred_.push_back(rx);
	lnd_.wait_.wake_all();
}

void SimNi::shutdown() noexcept
{
	cfs::MutexGuard g(lnd_.lock_);
	stopping_ = true;
	for (Channel &c : lnd_.channels_)
		if (c.ni == this)
			c.condemned = true;
	// The engine ends them at its next tick.
	(void)lnd_.wait_.wait(lnd_.lock_, cfs::WaitMode::idle, cfs::Instant::never(),
			      [this] { return uses_ == 0; });
}

// ---- the driver's life ----

cfs::Result<> SimLnd::start(cfs::Node &node) noexcept
{
	incarnation_ = cfs_real_ns();
	TRY(cfs::sim::this_world().net().listen(kPort, inbox_));
	auto undo = cfs::ScopeExit([this] { stop(); });
	TRY(engine_.start<&SimLnd::run_engine>(node.plat(), "simlnd", this));
	for (auto &w : workers_)
		TRY(w.start<&SimLnd::run_worker>(node.plat(), "simlnd_rx", this));
	undo.dismiss();
	return {};
}

void SimLnd::stop() noexcept
{
	{
		cfs::MutexGuard g(lock_);
		if (stopping_)
			return;
		stopping_ = true;
		wait_.wake_all();
	}
	inbox_.shutdown();
	engine_.join();
	for (auto &w : workers_)
		w.join();
	{
		cfs::MutexGuard g(lock_);
		while (!channels_.empty()) // those that never said whom they want
			end(channels_.front(), SHUTDOWN);
	}
	cfs::sim::this_world().net().unlisten(kPort);
	// Who connected when nobody looked any more; nothing else is left.
	while (auto e = inbox_.next(0))
		e->conn->close();
}

void SimLnd::destroy() noexcept
{
	stop();
	CFS_ASSERT(nis_.empty());
	this->~SimLnd();
	cfs_free(kSubsys, this, sizeof(*this));
}

cfs::Result<cfs::UniquePtr<NetworkInterface>>
SimLnd::startup(cfs::Node &, Net net, std::string_view if_name, Upcalls &up) noexcept
{
	unsigned interface = 0;
	if (!if_name.empty()) {
		if (if_name.size() != 4 || !if_name.starts_with("eth") || if_name[3] < '0' ||
		    if_name[3] > '9')
			return cfs::fail(NODEV);
		interface = static_cast<unsigned>(if_name[3] - '0');
	}
	Nid nid = nid_of(cfs::sim::this_node(), net, interface);
	auto ni = TRY(cfs::try_make<SimNi>(*this, nid, up));
	cfs::MutexGuard g(lock_);
	nis_.push_back(*ni);
	return cfs::UniquePtr<NetworkInterface>(std::move(ni));
}

void SimLnd::drop_use(SimNi &ni) noexcept
{
	if (--ni.uses_ == 0)
		wait_.wake_all();
}

void SimLnd::report() noexcept
{
	for (;;) {
		Tx *tx = nullptr;
		{
			cfs::MutexGuard g(lock_);
			if (done_.empty())
				return;
			tx = &done_.front();
			done_.pop_front();
		}
		SimNi &ni = tx->ni;
		ni.up_.sent(tx->msg, tx->status, tx->how);
		cfs::UniquePtr<Tx>(tx).reset();
		cfs::MutexGuard g(lock_);
		drop_use(ni);
	}
}

// ---- sending ----

Channel *SimLnd::channel_to(SimNi &ni, const Nid &peer) noexcept
{
	Channel *best = nullptr;
	for (Channel &c : channels_) {
		if (c.ni != &ni || c.peer != peer || c.condemned)
			continue;
		if (c.state == State::open)
			return &c;
		best = &c;
	}
	if (best)
		return best;
	auto made = cfs::try_make_ref<Channel>();
	if (!made)
		return nullptr;
	Channel &c = *made->release();
	c.ni = &ni;
	c.peer = peer;
	c.progress = cfs::Instant::now();
	c.conn = cfs::sim::this_world().net().connect(address_of(peer), kPort, inbox_);
	c.conn->user = &c;
	ni.uses_++;
	channels_.push_back(c);
	return &c;
}

cfs::Result<> SimLnd::greet(Channel &c) noexcept
{
	auto m = frame(FrameKind::hello, c, incarnation_);
	append(m, HelloBody{c.ni->nid_, c.peer});
	return c.conn->send(std::move(m));
}

void SimLnd::pump(Channel &c) noexcept
{
	while (c.state == State::open && !c.queue.empty() &&
	       c.sent - c.peer_processed < Channel::kWindow) {
		Tx &tx = c.queue.front();
		auto m = frame(FrameKind::message, c, incarnation_);
		append(m, to_wire16(tx.msg.header));
		std::size_t at = m.size();
		m.resize(at + tx.msg.payload.length);
		copy_out(cfs::MutBytes(m).subspan(at), tx.msg.payload);
		auto r = c.conn->send(std::move(m));
		if (!r)
			return; // writable or the end of the connection is announced
		if (c.sent++ == c.peer_fetched)
			c.progress = cfs::Instant::now();
		c.queue.pop_front();
		tx.number = c.sent;
		if (tx.wants_ack) {
			c.unacked.push_back(tx);
			continue;
		}
		tx.status = {};
		tx.how = SendStatus::ok;
		done_.push_back(tx);
	}
}

void SimLnd::ack(Channel &c) noexcept
{
	if (c.state != State::open)
		return;
	c.owes_ack = !c.conn->send(frame(FrameKind::ack, c, incarnation_));
}

// ---- the engine ----

void SimLnd::run_engine() noexcept
{
	cfs::Instant next_tick = cfs::after(kTick);
	for (;;) {
		auto e = inbox_.next(next_tick.ns());
		if (e)
			handle(*e);
		cfs::Instant now = cfs::Instant::now();
		if (now >= next_tick) {
			check_cables();
			cfs::MutexGuard g(lock_);
			tick(done_);
			next_tick = now + kTick;
		}
		report();
		cfs::MutexGuard g(lock_);
		if (stopping_)
			return;
	}
}

void SimLnd::handle(cfs::sim::NetEvent &e) noexcept
{
	cfs::MutexGuard g(lock_);
	if (e.kind == EventKind::accepted) {
		accepted(*e.conn);
		return;
	}
	auto &c = *static_cast<Channel *>(e.conn->user);
	if (c.condemned) // tick() ends it
		return;
	switch (e.kind) {
	case EventKind::connected:
		c.state = State::open;
		c.progress = cfs::Instant::now();
		if (greet(c))
			pump(c);
		break;
	case EventKind::refused:
		end(c, CONNREFUSED);
		break;
	case EventKind::closed:
	case EventKind::reset:
		end(c, CONNRESET);
		break;
	case EventKind::writable:
		if (c.owes_ack)
			ack(c);
		pump(c);
		break;
	default:
		message(c, e.message);
	}
}

void SimLnd::accepted(cfs::sim::Conn &conn) noexcept
{
	auto made = cfs::try_make_ref<Channel>();
	if (!made) {
		conn.close();
		return;
	}
	Channel &c = *made->release();
	c.state = State::greeting;
	c.progress = cfs::Instant::now();
	c.conn = &conn;
	conn.user = &c;
	channels_.push_back(c);
}

void SimLnd::message(Channel &c, cfs::Bytes b) noexcept
{
	cfs::Reader r(b);
	auto f = r.view<Frame>();
	cfs::Result<> ok = cfs::fail(PROTO);
	if (f) {
		std::uint64_t processed = (*f)->processed, fetched = (*f)->fetched;
		c.incarnation = (*f)->incarnation;
		if (processed > c.peer_processed || fetched > c.peer_fetched)
			c.progress = cfs::Instant::now();
		c.peer_fetched = std::max(c.peer_fetched, fetched);
		c.peer_processed = std::max(c.peer_processed, processed);
		while (!c.unacked.empty() && c.unacked.front().number <= c.peer_processed) {
			Tx &tx = c.unacked.front();
			c.unacked.pop_front();
			tx.status = {};
			tx.how = SendStatus::ok;
			done_.push_back(tx);
		}
		bool greeting = c.state == State::greeting;
		switch (static_cast<FrameKind>(static_cast<std::uint32_t>((*f)->kind))) {
		case FrameKind::hello:
			if (greeting)
				ok = hello(c, r);
			break;
		case FrameKind::message:
			if (!greeting)
				ok = lnet_message(c, r);
			break;
		case FrameKind::ack:
			ok = {};
			break;
		}
	}
	if (!ok)
		c.condemned = true;
	else
		pump(c);
}

cfs::Result<> SimLnd::hello(Channel &c, cfs::Reader &r) noexcept
{
	const auto *h = TRY(r.view<HelloBody>());
	auto ni =
		std::find_if(nis_.begin(), nis_.end(), [&](SimNi &n) { return n.nid_ == h->dst; });
	if (ni == nis_.end() || !ni->opened_ || ni->stopping_ || ni->down_)
		return cfs::fail(PERM);
	c.ni = &*ni;
	c.ni->uses_++;
	c.peer = h->src;
	c.state = State::open;
	// The peer's earlier life is over.
	for (Channel &old : channels_)
		if (&old != &c && old.ni == c.ni && old.peer == c.peer && old.incarnation &&
		    old.incarnation != c.incarnation)
			old.condemned = true;
	return {};
}

cfs::Result<> SimLnd::lnet_message(Channel &c, cfs::Reader &r) noexcept
{
	const auto *w = TRY(r.view<wire::Header16>());
	auto rx = TRY(cfs::try_make<Rx>());
	rx->header = TRY(from_wire(*w));
	if (rx->header.payload_length != r.left())
		return cfs::fail(PROTO);
	rx->payload = TRY(cfs::Array<std::byte>::make(CFS_S_LND, r.left()));
	auto rest = TRY(r.take(r.left()));
	std::copy(rest.begin(), rest.end(), rx->payload.begin());
	rx->channel = cfs::RefPtr<Channel>::share(&c);
	c.fetched++;
	c.inbound.push_back(*rx.release());
	if (c.busy)
		ack(c);
	make_ready(c);
	return {};
}

void SimLnd::tick(TxList &) noexcept
{
	for (auto it = channels_.begin(); it != channels_.end();) {
		Channel &c = *it;
		++it;
		check_channel(c);
	}
}

void SimLnd::check_channel(Channel &c) noexcept
{
	if (c.condemned) {
		end(c, c.ni && c.ni->stopping_ ? SHUTDOWN : CONNRESET);
		return;
	}
	cfs::Instant now = cfs::Instant::now();
	for (auto it = c.queue.begin(); it != c.queue.end();) {
		Tx &tx = *it;
		++it;
		if (tx.msg.deadline > now)
			continue;
		c.queue.erase(c.queue.iterator_to(tx));
		tx.status = TIMEDOUT;
		tx.how = SendStatus::network_timeout;
		done_.push_back(tx);
	}
	bool waits = c.state != State::open || c.sent > c.peer_fetched || !c.queue.empty() ||
		     !c.unacked.empty();
	auto seconds = c.ni ? c.ni->timeout_.load(std::memory_order_relaxed)
			    : static_cast<std::int32_t>(state_.config.lnd_timeout);
	auto limit = cfs::Duration::seconds(seconds);
	if (waits && now - c.progress > limit)
		end(c, TIMEDOUT);
}

void SimLnd::end(Channel &c, cfs::Errno why) noexcept
{
	// What was not sent may be sent again; of what was sent only the peer knows.
	while (!c.queue.empty()) {
		Tx &tx = c.queue.front();
		c.queue.pop_front();
		tx.status = why;
		tx.how = why == SHUTDOWN   ? SendStatus::local_error
			 : why == TIMEDOUT ? SendStatus::network_timeout
					   : SendStatus::remote_dropped;
		done_.push_back(tx);
	}
	while (!c.unacked.empty()) {
		Tx &tx = c.unacked.front();
		c.unacked.pop_front();
		tx.status = why;
		tx.how = why == TIMEDOUT ? SendStatus::remote_timeout : SendStatus::remote_error;
		done_.push_back(tx);
	}
	RxList lost;
	lost.swap(c.inbound);
	while (!lost.empty()) {
		Rx &rx = lost.front();
		lost.pop_front();
		cfs::UniquePtr<Rx>(&rx).reset();
	}
	if (c.ready_hook.is_linked())
		ready_.erase(ready_.iterator_to(c));
	c.state = State::dead;
	c.conn->close();
	c.conn = nullptr;
	channels_.erase(channels_.iterator_to(c));
	if (c.ni)
		drop_use(*c.ni);
	c.put();
}

void SimLnd::check_cables() noexcept
{
	for (;;) {
		SimNi *changed = nullptr;
		bool down = false;
		{
			cfs::MutexGuard g(lock_);
			for (SimNi &ni : nis_) {
				down = state_.interfaces_down >> interface_of(ni.nid_) & 1;
				if (!ni.opened_ || ni.stopping_ || ni.down_ == down)
					continue;
				changed = &ni;
				ni.down_ = down;
				ni.uses_++;
				break;
			}
			if (!changed)
				return;
			for (Channel &c : channels_)
				if (down && c.ni == changed)
					c.condemned = true;
		}
		changed->up_.ni_fatal(down);
		cfs::MutexGuard g(lock_);
		drop_use(*changed);
	}
}

// ---- receiving ----

void SimLnd::make_ready(Channel &c) noexcept
{
	if (c.busy || c.inbound.empty() || c.ready_hook.is_linked())
		return;
	ready_.push_back(c);
	wait_.wake_all();
}

void SimLnd::run_worker() noexcept
{
	for (;;) {
		Rx *finish = nullptr, *rx = nullptr;
		{
			cfs::MutexGuard g(lock_);
			(void)wait_.wait(lock_, cfs::WaitMode::idle, cfs::Instant::never(),
					 [this]() CFS_NO_TSA {
						 return stopping_ || !ready_.empty() ||
							!deferred_.empty();
					 });
			if (!deferred_.empty()) {
				finish = &deferred_.front();
				deferred_.pop_front();
			} else if (!ready_.empty()) {
				Channel &c = ready_.front();
				ready_.pop_front();
				rx = &c.inbound.front();
				c.inbound.pop_front();
				c.busy = true;
				c.ni->uses_++;
			} else {
				return;
			}
		}
		if (finish) {
			finish_recv(*finish);
			continue;
		}
		auto c = rx->channel; // rx is LNet's in the call
		if (c->ni->up_.received(rx->header, c->peer, RxHandle{rx}))
			continue;
		cfs::UniquePtr<Rx>(rx).reset();
		cfs::MutexGuard g(lock_);
		c->condemned = true;
		drop_use(*c->ni);
	}
}

void SimLnd::finish_recv(Rx &rx) noexcept
{
	Channel &c = *rx.channel;
	SimNi &ni = *c.ni;
	bool lost = false;
	{
		cfs::MutexGuard g(lock_);
		// As if the connection had broken in the midst of the payload.
		lost = c.state == State::dead && draw(2) == 0;
	}
	if (rx.lnet_msg) {
		copy_in(rx.to, {rx.payload.data(), rx.payload.size()});
		ni.up_.recv_done(rx.lnet_msg, lost ? CONNRESET : cfs::Errno{});
	}
	cfs::UniquePtr<Rx> mine(&rx);
	auto keep = rx.channel;
	cfs::MutexGuard g(lock_);
	c.busy = false;
	c.processed++;
	ack(c);
	if (c.state != State::dead)
		make_ready(c);
	drop_use(ni);
}

} // namespace lnet::sim
