// SPDX-License-Identifier: GPL-2.0
//
// Random traffic between simulated nodes, and the book that checks it: what was sent where, what
// arrived, which MD had which events.
//
// The book belongs to the test and survives crashes; entries of a node's earlier life are
// forgotten when it boots.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "lnet/core.hpp"
#include "lnet/simlnd/world.hpp"

namespace lnet_traffic
{

using namespace lnet;
using cfs::sim::kMillisecond;
using cfs::sim::kSecond;
using cfs::sim::World;

constexpr std::uint32_t kPutPortal = 4;	 // one MD for everybody
constexpr std::uint32_t kGetPortal = 5;	 // likewise, to read from
constexpr std::uint32_t kLazyPortal = 6; // single-use MDs, posted again and again

/// What all nodes share.
struct Book {
	std::uint64_t next_id = 1;
	std::map<std::uint64_t, unsigned> delivered; ///< PUTs by id: how often they arrived
	std::set<std::uint64_t> acked;
	std::map<std::string, unsigned> counts; ///< of kinds of outcome
	bool stop = false;			///< no new messages
	bool healed = false;			///< from now on everything must succeed
	unsigned quiet = 0;			///< nodes that have nothing under way
	unsigned done = 0;
	bool duplicates_allowed = false; ///< where resends may repeat a message
};

inline std::byte pattern(std::uint64_t id, std::size_t i)
{
	return static_cast<std::byte>(id * 37 + i * 11 + (i >> 8));
}
/// What `id` sends, from byte `first` of it.
inline void fill(std::span<std::byte> to, std::uint64_t id, std::size_t first = 0)
{
	for (std::size_t i = 0; i < to.size(); i++)
		to[i] = pattern(id, i + first);
}
inline bool is_of(std::span<const std::byte> b, std::uint64_t id, std::size_t first = 0)
{
	unsigned wrong = 0; // no way out, so that compilers look at many bytes at once
	for (std::size_t i = 0; i < b.size(); i++)
		wrong |= b[i] != pattern(id, i + first);
	return !wrong;
}

/// One MD and its events. Lives in memory of the node.
class Memo final : public EventHandler
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LNET;

	Memo(Book &b, cfs::Array<std::byte> m) noexcept : book(b), mem(std::move(m)) {}
	Buffer buffer() { return {mem.data(), {}, static_cast<std::uint32_t>(mem.size())}; }

	void on_event(const Event &ev) noexcept override
	{
		auto &w = cfs::sim::this_world();
		w.check(!ended, "an MD has an event after its last one");
		events++;
		bool ok = ev.status == cfs::Errno{};
		if (ev.type == EventType::put && ok)
			arrived(ev);
		if (ev.type == EventType::send)
			sent = ok;
		if (ev.type == EventType::ack && ok)
			answered = true;
		if (ev.type == EventType::reply && ok) {
			answered = true;
			w.check(is_of({mem.data(), ev.mlength}, 7, get_offset),
				"a GET fetched other bytes than were offered");
		}
		if (ev.unlinked) {
			last_status = ev.status;
			ended = true;
			over.complete(); // this may be gone now
		}
	}
	void arrived(const Event &ev)
	{
		auto &w = cfs::sim::this_world();
		unsigned n = ++book.delivered[ev.hdr_data];
		w.check(n == 1 || book.duplicates_allowed, "a PUT was delivered twice");
		// Where everybody writes, somebody else may have since.
		w.check(ev.portal != kLazyPortal ||
				is_of({mem.data() + ev.offset, ev.mlength}, ev.hdr_data),
			"a PUT delivered other bytes than were sent");
	}

	Book &book;
	cfs::Array<std::byte> mem;
	cfs::Completion over{CFS_LOCK_CLASS("traffic md")};
	unsigned events = 0;
	cfs::Errno last_status{};
	std::uint32_t get_offset = 0;
	bool sent = false, answered = false, ended = false;
};

/// A node's part in the traffic, during one life.
class Traffic
{
public:
	static constexpr std::size_t kTargetBytes = 1 << 16;
	static constexpr std::size_t kLazyMds = 3;

	Traffic(Network &net, std::shared_ptr<Book> book, std::vector<Nid> peers)
	    : net_(net), book_(std::move(book)), peers_(std::move(peers))
	{
	}

	void run(unsigned workers)
	{
		offer();
		unsigned running = workers;
		for (unsigned i = 0; i < workers; i++)
			cfs::sim::this_node().spawn("traffic", [this, &running] {
				while (!book_->stop || !book_->healed)
					one_message();
				running--;
			});
		while (running)
			cfs::sim::sleep_for(50 * kMillisecond);
		book_->quiet++;
		while (!book_->done)
			cfs::sim::sleep_for(50 * kMillisecond);
		withdraw();
	}
	/// A PUT with ACK to each peer and a ping of it; all must succeed.
	void everyone_answers()
	{
		auto &w = cfs::sim::this_world();
		patient_ = true;
		for (const Nid &p : peers_) {
			auto info = static_cast<Core &>(net_).ping(
				{p}, Nid{}, cfs::after(cfs::Duration::seconds(60)));
			w.check(info.has_value(), "a ping fails although the network is whole");
			w.check(put(p, kPutPortal, 1000, true),
				"a PUT is not acknowledged although the network is whole");
		}
	}

private:
	static cfs::sim::Rng &rng() { return cfs::sim::this_world().rng(); }

	cfs::UniquePtr<Memo> memo(std::size_t bytes)
	{
		auto mem = cfs::Array<std::byte>::make(CFS_S_LNET, bytes);
		auto m = cfs::try_make<Memo>(*book_, std::move(*mem));
		return std::move(*m);
	}
	MdHandle attach(Memo &m, std::uint32_t portal, std::uint32_t options, int threshold)
	{
		MatchSpec match;
		match.portal = portal;
		match.ignore_bits = ~0ull;
		MdSpec md;
		md.buffer = m.buffer();
		md.threshold = threshold;
		md.options = options;
		md.handler = &m;
		auto h = net_.attach(match, md);
		cfs::sim::this_world().check(h.has_value(), "attach failed");
		return *h;
	}
	void offer()
	{
		put_ = memo(kTargetBytes);
		put_md_ = attach(*put_, kPutPortal, LNET_MD_OP_PUT | LNET_MD_MANAGE_REMOTE,
				 LNET_MD_THRESH_INF);
		get_ = memo(kTargetBytes);
		fill({get_->mem.data(), get_->mem.size()}, 7);
		get_md_ = attach(*get_, kGetPortal, LNET_MD_OP_GET | LNET_MD_MANAGE_REMOTE,
				 LNET_MD_THRESH_INF);
		(void)net_.set_lazy(kLazyPortal, true);
		for (std::size_t i = 0; i < kLazyMds; i++)
			cfs::sim::this_node().spawn("server", [this] { serve(); });
		servers_ = kLazyMds;
	}
	/// Posts single-use buffers, as a service does, with pauses.
	void serve()
	{
		while (!book_->done) {
			auto m = memo(4096);
			auto h = attach(*m, kLazyPortal, LNET_MD_OP_PUT, 1);
			while (!book_->done && !m->over.done())
				(void)m->over.wait(cfs::WaitMode::idle,
						   cfs::after(cfs::Duration::millis(200)));
			end(*m, h);
			if (rng().chance(4))
				cfs::sim::sleep_for(rng().below(300 * kMillisecond));
		}
		servers_--;
	}
	void withdraw()
	{
		while (servers_)
			cfs::sim::sleep_for(50 * kMillisecond);
		(void)net_.set_lazy(kLazyPortal, false);
		end(*put_, put_md_);
		end(*get_, get_md_);
	}
	/// Unlinks an MD and waits for its last event.
	void end(Memo &m, MdHandle h)
	{
		(void)net_.unlink(h);
		auto r = m.over.wait(cfs::WaitMode::idle, cfs::after(cfs::Duration::seconds(600)));
		cfs::sim::this_world().check(r.has_value(), "an MD never had its last event");
		cfs::sim::point();
	}

	void one_message()
	{
		Nid to = peers_[rng().below(peers_.size())];
		std::size_t bytes = rng().chance(8) ? rng().below(16384) : rng().below(2000);
		bool ok = true;
		switch (rng().below(4)) {
		case 0:
			ok = put(to, kPutPortal, bytes, false);
			break;
		case 1:
			ok = put(to, kPutPortal, bytes, true);
			break;
		case 2:
			ok = get(to, bytes);
			break;
		default:
			ok = put(to, kLazyPortal, bytes % 4097, rng().chance(2));
		}
		if (!ok) // as everybody does who was refused
			cfs::sim::sleep_for(rng().below(kSecond));
		else if (rng().chance(2))
			cfs::sim::sleep_for(rng().below(400 * kMillisecond));
	}
	bool put(const Nid &to, std::uint32_t portal, std::size_t bytes, bool ack)
	{
		auto id = book_->next_id++;
		auto m = memo(bytes);
		fill({m->mem.data(), bytes}, id);
		MdSpec md;
		md.buffer = m->buffer();
		md.threshold = ack ? 2 : 1;
		md.handler = m.get();
		auto h = net_.bind(md);
		auto offset = portal == kPutPortal ? rng().below(kTargetBytes - bytes) : 0;
		auto r = net_.put(Nid{}, *h, ack, {to}, portal, id,
				  static_cast<std::uint32_t>(offset), id);
		settle(*m, *h, r.has_value());
		bool ok = ack ? m->answered : m->sent;
		if (m->answered) {
			cfs::sim::this_world().check(book_->delivered.contains(id),
						     "a PUT was acknowledged but not delivered");
			book_->acked.insert(id);
		}
		book_->counts[ok ? "put" : "put failed"]++;
		return ok;
	}
	bool get(const Nid &to, std::size_t bytes)
	{
		auto m = memo(bytes);
		MdSpec md;
		md.buffer = m->buffer();
		md.threshold = 2;
		md.handler = m.get();
		auto h = net_.bind(md);
		m->get_offset = static_cast<std::uint32_t>(rng().below(kTargetBytes - bytes));
		auto r = net_.get(Nid{}, *h, {to}, kGetPortal, 1, m->get_offset);
		settle(*m, *h, r.has_value());
		book_->counts[m->answered ? "get" : "get failed"]++;
		return m->answered;
	}
	/// Waits for the answer, for as long as the user of a file system might, and ends the MD.
	void settle(Memo &m, MdHandle h, bool under_way)
	{
		auto patience = cfs::Duration::millis(
			patient_ ? 120'000 : static_cast<int>(rng().between(1, 30'000)));
		if (under_way)
			(void)m.over.wait(cfs::WaitMode::idle, cfs::after(patience));
		end(m, h);
	}

	Network &net_;
	std::shared_ptr<Book> book_;
	std::vector<Nid> peers_;
	cfs::UniquePtr<Memo> put_, get_;
	MdHandle put_md_, get_md_;
	unsigned servers_ = 0;
	bool patient_ = false; ///< waits for every answer
};

/// What holds a credit or a message; none: nothing.
inline const char *busy(Core &core)
{
	const char *who = core.messages() == 0 ? nullptr : "a message is left";
	core.for_each_ni([&](Ni &ni) {
		if (ni.level().available != static_cast<int>(ni.tunables().credits))
			who = "an interface has lost or won credits";
	});
	core.peers().for_each([&](PeerNi &p) {
		auto tx = p.tx_credits.level(), router = p.router_credits.level();
		if (tx.available != tx.max)
			who = "a peer has lost or won credits";
		if (router.available != router.max)
			who = "a peer has lost or won credits of the router";
	});
	for (unsigned i = 0; i < Router::kPools; i++) {
		auto pool = core.router().info(i);
		if (pool.credits.available != static_cast<int>(pool.buffers))
			who = "a router has lost or won buffers";
	}
	return who;
}

/// That nothing is lost: LNet may be pinging somebody right now, but not all the time.
inline void check_idle(Core &core)
{
	const char *who = busy(core);
	for (int i = 0; who && i < 100; i++) {
		cfs::sim::sleep_for(37 * kMillisecond);
		who = busy(core);
	}
	cfs::sim::this_world().check(!who, who ? who : "");
}

/// A node of a storm.
struct Member {
	cfs::sim::Node *node;
	Nid nid; ///< others send to it; none: it only routes
	lnet::sim::NodeConfig config{};
	std::function<void(Control &)> setup{}; ///< at each boot
};

/// Random traffic between members while the plan happens, for 40 s; then everything must succeed.
inline void storm(World &w, const std::vector<Member> &members, cfs::sim::FaultPlan plan)
{
	auto book = std::make_shared<Book>();
	std::vector<Nid> nids;
	for (const Member &m : members)
		if (!m.nid.is_none())
			nids.push_back(m.nid);
	auto count = static_cast<unsigned>(nids.size());
	for (const Member &m : members) {
		auto main = [m, book, nids, count](Network &net) {
			if (m.setup)
				m.setup(lnet::sim::control());
			if (!m.nid.is_none()) {
				Traffic t(net, book, nids);
				cfs::sim::this_node().spawn("final", [&t, book, count] {
					while (book->quiet < count)
						cfs::sim::sleep_for(50 * kMillisecond);
					t.everyone_answers();
					cfs::sim::sleep_for(60 * kSecond);
					book->done++;
				});
				t.run(3);
			}
			while (book->done < count)
				cfs::sim::sleep_for(50 * kMillisecond);
			cfs::sim::sleep_for(kSecond);
			check_idle(static_cast<Core &>(net));
		};
		lnet::sim::start(*m.node, main, m.config);
	}
	plan.from = kSecond;
	plan.until = 40 * kSecond;
	w.inject(plan);
	w.spawn("script", [book, plan] {
		cfs::sim::sleep_for(plan.until + 30 * kSecond);
		book->healed = true;
		cfs::sim::sleep_for(5 * kSecond);
		book->stop = true;
	});
}

} // namespace lnet_traffic
