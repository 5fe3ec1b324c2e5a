// SPDX-License-Identifier: GPL-2.0
//
// The network. Each side of a connection has a queue of packets under way to the other, and one
// event for the first of them. Packets of a side arrive in order because a packet is never due
// before the one in front of it.
#include "libcfs/sim/net.hpp"

#include <algorithm>
#include <string>

namespace cfs::sim
{

namespace
{

constexpr Nanos kRetry = kSecond; // a request to a node without power is repeated

} // namespace

/// A connection: both sides, which go together.
struct Link {
	Conn side[2];
	std::size_t index = 0; ///< in Net::all_
};

struct Inbox::State final : hosted::Owned {
	NodeImpl *node;
	std::deque<NetEvent> events;
	WaitList waiters;
	unsigned users = 0; ///< sides and ports that deliver here
	bool down = false;

	explicit State(NodeImpl *n) : Owned(n), node(n) {}
	std::string describe() const override { return "network inbox"; }
};

// ---- Inbox ----

Inbox::Inbox()
{
	if (!current_sched)
		hosted::misuse("a network inbox outside a simulation");
	state_ = new State(current_fiber->home);
}

Inbox::~Inbox()
{
	if (state_->users)
		hosted::misuse("a network inbox goes while connections or ports deliver to it");
	delete state_;
}

std::optional<NetEvent> Inbox::next(std::uint64_t deadline_ns)
{
	hosted::may_block("Inbox::next");
	State &s = *state_;
	Sched &sched = *current_sched;
	while (s.events.empty()) {
		auto now = sched.now();
		if (s.down || s.node->clock(now) >= deadline_ns)
			return {};
		sched.wait_on(s.waiters, Wait::net, s.node->when(now, deadline_ns));
	}
	NetEvent e = std::move(s.events.front());
	s.events.pop_front();
	if (e.kind == NetEvent::Kind::message) {
		Conn &from = *e.conn->other_;
		from.unreceived_ -= e.message.size();
		const LinkOptions &o = sched.net->link_options(from.node_->address(), e.peer);
		if (from.wants_writable_ && from.unreceived_ <= o.window_bytes / 2) {
			from.wants_writable_ = false;
			sched.net->post(from, NetEvent::Kind::writable);
		}
	}
	return e;
}

void Inbox::shutdown()
{
	state_->down = true;
	current_sched->wake(state_->waiters);
}

// ---- Conn ----

Result<> Conn::send(Message &&m)
{
	hosted::may_block("Conn::send");
	if (state_ == State::connecting)
		return fail(err::NOTCONN);
	if (state_ != State::open)
		return fail(err::CONNRESET);
	const LinkOptions &o = net_->link_options(node_->address(), peer());
	if (unreceived_ && unreceived_ + m.size() > o.window_bytes) {
		wants_writable_ = true;
		return fail(err::AGAIN);
	}
	unreceived_ += m.size();
	net_->transmit(*this, Kind::data, std::move(m));
	current_sched->point();
	return {};
}

void Conn::close()
{
	if (state_ == State::open || state_ == State::connecting)
		net_->transmit(*this, Kind::fin);
	state_ = State::ended;
	net_->release(*this);
	net_->collect(*link_);
	current_sched->point();
}

void Conn::abort()
{
	if (state_ == State::ended)
		return;
	state_ = State::ended;
	net_->lose(*this);
	net_->lose(*other_);
	net_->transmit(*this, Kind::reset);
	current_sched->point();
}

std::uint32_t Conn::peer() const noexcept
{
	return other_->node_->address();
}

// ---- Net: for nodes ----

Net::Net(Sched &sched) : sched_(sched) {}
Net::~Net() = default;

Result<> Net::listen(std::uint16_t port, Inbox &inbox)
{
	auto key = std::pair{current_fiber->home->address(), port};
	if (!listeners_.emplace(key, inbox.state_).second)
		return fail(err::ADDRINUSE);
	inbox.state_->users++;
	sched_.point();
	return {};
}

void Net::unlisten(std::uint16_t port)
{
	auto at = listeners_.find({current_fiber->home->address(), port});
	if (at == listeners_.end())
		return;
	at->second->users--;
	listeners_.erase(at);
	sched_.point();
}

Conn *Net::connect(std::uint32_t address, std::uint16_t port, Inbox &inbox)
{
	all_.push_back(std::make_unique<Link>());
	Link &l = *all_.back();
	l.index = all_.size() - 1;
	for (int i : {0, 1}) {
		Conn &c = l.side[i];
		c.net_ = this;
		c.link_ = &l;
		c.other_ = &l.side[1 - i];
		c.port_ = port;
		c.deliver_.conn = &c;
		c.deliver_.fire = [](Event &e) {
			Conn *from = static_cast<Conn::Deliver &>(e).conn;
			from->net_->arrive(*from);
		};
	}
	Conn &me = l.side[0];
	me.node_ = current_fiber->home;
	me.inbox_ = inbox.state_;
	me.inbox_->users++;
	me.state_ = Conn::State::connecting;
	me.other_->node_ = &node(address);
	transmit(me, Conn::Kind::request);
	sched_.point();
	return &me;
}

// ---- Net: packets ----

NodeImpl &Net::node(std::uint32_t address)
{
	if (address == 0 || address > sched_.nodes.size())
		hosted::misuse("no node has address " + std::to_string(address));
	return *sched_.nodes[address - 1];
}

const LinkOptions &Net::link_options(std::uint32_t a, std::uint32_t b) const
{
	if (links_.empty())
		return default_link_;
	auto at = links_.find({std::min(a, b), std::max(a, b)});
	return at == links_.end() ? default_link_ : at->second;
}

bool Net::is_cut(const Conn &from) const
{
	return !cut_.empty() && cut_.contains({from.node_->address(), from.peer()});
}

void Net::transmit(Conn &from, Conn::Kind kind, Message &&m, bool through_cut)
{
	const LinkOptions &o = link_options(from.node_->address(), from.peer());
	Rng &rng = sched_.faults;
	from.wire_free_ = std::max(from.wire_free_, sched_.now());
	if (!m.empty())
		from.wire_free_ += m.size() * kSecond / o.bytes_per_second;
	Nanos delay = rng.chance(o.rare_one_in)
			      ? rng.between(o.delay_max, std::max(o.delay_rare, o.delay_max))
			      : rng.between(o.delay_min, o.delay_max);
	Nanos at = from.wire_free_ + delay;
	if (!from.out_.empty())
		at = std::max(at, from.out_.back().at);
	from.out_.push_back({at, kind, through_cut, std::move(m)});
	if (from.out_.size() == 1)
		arm(from);
}

void Net::arm(Conn &from)
{
	if (!from.out_.empty())
		sched_.arm(from.deliver_, from.out_.front().at);
}

// Event: the first packet of a side is due.
void Net::arrive(Conn &from)
{
	Conn &to = *from.other_;
	Conn::Packet &first = from.out_.front();
	if (is_cut(from) && !first.through_cut)
		return; // until heal()
	bool dark = dark_.contains(to.node_->address());
	if (dark && first.kind == Conn::Kind::request && !from.released_) {
		first.at = sched_.now() + kRetry;
		arm(from);
		return;
	}
	Conn::Packet p = std::move(first);
	from.out_.pop_front();
	arm(from);
	delivered_++;
	if (!dark) {
		switch (p.kind) {
		case Conn::Kind::request:
			arrive_request(to);
			break;
		case Conn::Kind::accept:
			if (to.state_ == Conn::State::connecting) {
				to.state_ = Conn::State::open;
				post(to, NetEvent::Kind::connected);
			}
			break;
		case Conn::Kind::refuse:
			end_side(to, NetEvent::Kind::refused);
			break;
		case Conn::Kind::data:
			arrive_data(to, std::move(p.message));
			break;
		case Conn::Kind::fin:
			end_side(to, NetEvent::Kind::closed);
			break;
		case Conn::Kind::reset:
			end_side(to, NetEvent::Kind::reset);
			break;
		}
	}
	collect(*from.link_);
}

void Net::arrive_request(Conn &to)
{
	auto at = listeners_.find({to.node_->address(), to.port_});
	if (at == listeners_.end()) {
		to.state_ = Conn::State::ended;
		to.released_ = true;
		transmit(to, Conn::Kind::refuse);
		return;
	}
	to.inbox_ = at->second;
	to.inbox_->users++;
	to.state_ = Conn::State::open;
	transmit(to, Conn::Kind::accept);
	post(to, NetEvent::Kind::accepted);
}

void Net::arrive_data(Conn &to, Message &&m)
{
	if (to.state_ == Conn::State::open) {
		post(to, NetEvent::Kind::message, std::move(m));
		return;
	}
	to.other_->unreceived_ -= m.size();
	// Whoever sends to an end that is gone hears of it.
	if (to.released_ && !to.owes_reset_ && to.out_.empty())
		transmit(to, Conn::Kind::reset);
}

// The peer is gone, one way or another.
void Net::end_side(Conn &c, NetEvent::Kind kind)
{
	if (c.state_ == Conn::State::unborn)
		c.released_ = true; // the request was overtaken by the loss of its sender
	if (c.state_ == Conn::State::open || c.state_ == Conn::State::connecting)
		post(c, kind);
	c.state_ = Conn::State::ended;
}

void Net::post(Conn &c, NetEvent::Kind kind, Message &&m)
{
	if (c.released_)
		return;
	c.inbox_->events.push_back({kind, &c, c.peer(), c.port_, std::move(m)});
	sched_.wake(c.inbox_->waiters);
}

// ---- Net: ends ----

// Drops what is under way from a side.
void Net::lose(Conn &c)
{
	for (Conn::Packet &p : c.out_)
		c.unreceived_ -= p.message.size();
	c.out_.clear();
	sched_.disarm(c.deliver_);
}

// The handle goes; the connection may have things to deliver yet.
void Net::release(Conn &c)
{
	if (c.inbox_) {
		std::erase_if(c.inbox_->events, [&c](const NetEvent &e) { return e.conn == &c; });
		c.inbox_->users--;
		c.inbox_ = nullptr;
	}
	c.released_ = true;
}

// Frees a connection when neither side has a handle or a packet any more.
void Net::collect(Link &l)
{
	for (Conn &c : l.side) {
		bool idle = c.released_ || c.state_ == Conn::State::unborn;
		if (!idle || !c.out_.empty() || c.owes_reset_)
			return;
	}
	std::size_t i = l.index;
	all_[i].swap(all_.back());
	all_[i]->index = i;
	all_.pop_back();
}

void Net::node_down(NodeImpl &n, CrashKind kind)
{
	bool power = kind == CrashKind::power;
	if (power)
		dark_.insert(n.address());
	std::erase_if(listeners_, [&n](auto &l) {
		if (l.first.first != n.address())
			return false;
		l.second->users--;
		return true;
	});
	// Backwards: collect() moves the last one into the gap.
	for (std::size_t i = all_.size(); i-- > 0;) {
		Link &l = *all_[i];
		for (Conn &c : l.side) {
			if (c.node_ != &n || c.released_ || c.state_ == Conn::State::unborn)
				continue;
			bool ended = c.state_ == Conn::State::ended;
			c.state_ = Conn::State::ended;
			if (!ended && power) {
				lose(c);
				c.owes_reset_ = true;
			} else if (!ended) {
				transmit(c, Conn::Kind::reset);
			}
			release(c);
		}
		collect(l);
	}
}

void Net::node_up(NodeImpl &n)
{
	dark_.erase(n.address());
	for (std::size_t i = all_.size(); i-- > 0;) {
		for (Conn &c : all_[i]->side) {
			if (c.node_ != &n || !c.owes_reset_)
				continue;
			c.owes_reset_ = false;
			c.wire_free_ = sched_.now() + sched_.faults.below(kSecond);
			transmit(c, Conn::Kind::reset);
		}
	}
}

// ---- Net: the world's hand ----

void Net::set_default_link(const LinkOptions &o)
{
	default_link_ = o;
}

void Net::set_link(const Node &a, const Node &b, const LinkOptions &o)
{
	links_[{std::min(a.address(), b.address()), std::max(a.address(), b.address())}] = o;
}

void Net::partition_one_way(const Node &from, const Node &to)
{
	sched_.note("network: " + std::string(from.name()) + " -> " + std::string(to.name()) +
		    " is cut");
	cut_.insert({from.address(), to.address()});
}

void Net::partition(const Node &a, const Node &b)
{
	partition_one_way(a, b);
	partition_one_way(b, a);
}

void Net::isolate(const Node &n)
{
	for (Node *o : sched_.node_list)
		if (o != &n)
			partition(n, *o);
}

void Net::heal(const Node &a, const Node &b)
{
	sched_.note("network: " + std::string(a.name()) + " <-> " + std::string(b.name()) +
		    " is whole again");
	cut_.erase({a.address(), b.address()});
	cut_.erase({b.address(), a.address()});
	restart_held();
}

void Net::heal_all()
{
	if (!cut_.empty())
		sched_.note("network: whole again");
	cut_.clear();
	restart_held();
}

bool Net::reachable(const Node &from, const Node &to) const
{
	return !cut_.contains({from.address(), to.address()});
}

void Net::restart_held()
{
	for (auto &l : all_)
		for (Conn &c : l->side)
			if (!c.out_.empty() && !c.deliver_.armed() && !is_cut(c)) {
				c.out_.front().at =
					sched_.now() +
					sched_.faults.below(default_link_.delay_max + 1);
				arm(c);
			}
}

void Net::reset(const Node &a, const Node &b)
{
	sched_.note("network: connections " + std::string(a.name()) + " - " +
		    std::string(b.name()) + " are reset");
	for (auto &l : all_) {
		Conn &x = l->side[0];
		Conn &y = l->side[1];
		bool between = (x.node_ == &a && y.node_ == &b) || (x.node_ == &b && y.node_ == &a);
		if (!between || x.state_ != Conn::State::open || y.state_ != Conn::State::open)
			continue;
		lose(x);
		lose(y);
		transmit(x, Conn::Kind::reset, {}, true);
		transmit(y, Conn::Kind::reset, {}, true);
	}
}

} // namespace cfs::sim
