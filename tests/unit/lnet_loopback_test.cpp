// SPDX-License-Identifier: GPL-2.0
//
// MDs, portals and the message path of one node, over its loopback (spec 01 sections 4 and 5).

#include <gtest/gtest.h>

#include <mutex>
#include <thread>
#include <vector>

#include "libcfs/node.hpp"
#include "lnet/core.hpp"
#include "tests/unit/lnet_test.hpp"

namespace
{

using namespace lnet;
using cfs::err::NOENT;

/// Keeps what was delivered.
class EventLog final : public EventHandler
{
	std::mutex lock_;
	std::vector<Event> events_;

public:
	void on_event(const Event &ev) noexcept override
	{
		std::lock_guard g(lock_);
		events_.push_back(ev);
	}
	std::vector<Event> take()
	{
		std::lock_guard g(lock_);
		return std::exchange(events_, {});
	}
	/// The types in order, e.g. "PS!" for PUT, then SEND that unlinked.
	std::string types()
	{
		std::string s;
		for (const Event &e : take()) {
			s += "?GPRASU"[static_cast<int>(e.type)];
			if (e.unlinked)
				s += '!';
		}
		return s;
	}
};

/// Memory that MDs use.
struct Block {
	cfs::Array<std::byte> mem;
	explicit Block(std::size_t n, int fill = 0)
	    : mem(std::move(*cfs::Array<std::byte>::make(CFS_S_LNET, n)))
	{
		memset(mem.data(), fill, n);
	}
	Buffer buffer() { return {mem.data(), {}, static_cast<std::uint32_t>(mem.size())}; }
};

class Loopback : public LnetTest
{
protected:
	void SetUp() override
	{
		LnetTest::SetUp();
		node = *cfs::Node::get(cfs_node_current());
		auto c = Core::create(*node, 4711);
		ASSERT_TRUE(c);
		core = std::move(*c);
	}
	void TearDown() override
	{
		core.reset();
		node.reset();
		LnetTest::TearDown();
	}
	MdHandle attach(Block &b, EventLog &log, std::uint32_t options, std::uint64_t bits = 1,
			int threshold = 1, std::uint32_t portal = 4, std::uint64_t ignore = 0)
	{
		MatchSpec m;
		m.portal = portal;
		m.match_bits = bits;
		m.ignore_bits = ignore;
		MdSpec md;
		md.buffer = b.buffer();
		md.threshold = threshold;
		md.options = options;
		md.handler = &log;
		auto h = core->attach(m, md);
		EXPECT_TRUE(h);
		return h ? *h : MdHandle{};
	}
	MdHandle bind(Block &b, EventLog &log, int threshold, std::uint32_t options = 0)
	{
		MdSpec md;
		md.buffer = b.buffer();
		md.threshold = threshold;
		md.options = options;
		md.handler = &log;
		auto h = core->bind(md);
		EXPECT_TRUE(h);
		return h ? *h : MdHandle{};
	}
	cfs::Result<> put(MdHandle md, bool ack, std::uint64_t bits = 1, std::uint32_t portal = 4)
	{
		return core->put(Nid{}, md, ack, lo, portal, bits, 0, 99);
	}

	const ProcessId lo{Nid::lo(), LNET_PID_LUSTRE};
	cfs::RefPtr<cfs::Node> node;
	cfs::UniquePtr<Core> core;
};

TEST_F(Loopback, PutMovesBytesAndTellsBothEnds)
{
	Block from(100, 'x'), to(200);
	EventLog src, dst;
	attach(to, dst, LNET_MD_OP_PUT);
	ASSERT_TRUE(put(bind(from, src, 2), true));

	auto ev = dst.take();
	ASSERT_EQ(ev.size(), 1u);
	EXPECT_EQ(ev[0].type, EventType::put);
	EXPECT_EQ(ev[0].mlength, 100u);
	EXPECT_EQ(ev[0].hdr_data, 99u);
	EXPECT_EQ(ev[0].initiator, lo);
	EXPECT_TRUE(ev[0].unlinked);
	EXPECT_EQ(memcmp(to.mem.data(), from.mem.data(), 100), 0);
	EXPECT_EQ(to.mem[100], std::byte{0});

	auto sent = src.take();
	ASSERT_EQ(sent.size(), 2u); // SEND and ACK in whatever order
	EXPECT_NE(sent[0].type, sent[1].type);
	EXPECT_FALSE(sent[0].unlinked);
	EXPECT_TRUE(sent[1].unlinked);
	for (const auto &e : sent)
		EXPECT_EQ(e.status, cfs::Errno{});
}

TEST_F(Loopback, GetFetchesWithTheOffsetTheRequesterNamed)
{
	Block from(100, 'a'), to(10);
	for (int i = 0; i < 100; i++)
		from.mem[static_cast<std::size_t>(i)] = std::byte(i);
	EventLog src, dst;
	attach(from, src, LNET_MD_OP_GET | LNET_MD_MANAGE_REMOTE);
	auto h = bind(to, dst, 2);
	ASSERT_TRUE(core->get(Nid{}, h, lo, 4, 1, 50));
	EXPECT_EQ(src.types(), "G!");
	auto ev = dst.take();
	ASSERT_EQ(ev.size(), 2u);
	EXPECT_TRUE(ev[1].unlinked);
	EXPECT_EQ(to.mem[0], std::byte{50});
	EXPECT_EQ(to.mem[9], std::byte{59});
}

TEST_F(Loopback, HandleSaysNothingOfTheNextOne)
{
	Block b(1);
	EventLog log;
	std::vector<MdHandle> all;
	for (int i = 0; i < 8; i++)
		all.push_back(bind(b, log, 1));
	int steps = 0;
	for (std::size_t i = 1; i < all.size(); i++)
		steps += all[i].cookie - all[i - 1].cookie == 4;
	EXPECT_EQ(steps, 0);
	for (MdHandle h : all)
		EXPECT_TRUE(core->unlink(h));
}

TEST_F(Loopback, PutWithoutTargetIsDroppedAndCounted)
{
	Block from(100);
	EventLog src;
	ASSERT_TRUE(put(bind(from, src, 1), false));
	EXPECT_EQ(src.types(), "S!");
	EXPECT_EQ(core->statistics().drop_count.load(), 1u);
}

TEST_F(Loopback, LazyPortalKeepsPutsInOrderUntilSomethingIsAttached)
{
	ASSERT_TRUE(core->set_lazy(4, true));
	Block a(1, 'a'), b(1, 'b'), to(16);
	EventLog src, dst;
	ASSERT_TRUE(put(bind(a, src, 1), false));
	ASSERT_TRUE(put(bind(b, src, 1), false));
	EXPECT_EQ(src.types(), ""); // the sender's memory is still in use
	auto h = attach(to, dst, LNET_MD_OP_PUT, 0, LNET_MD_THRESH_INF, 4, ~0ull);
	EXPECT_EQ(dst.types(), "PP");
	EXPECT_EQ(src.types(), "S!S!");
	EXPECT_EQ(to.mem[0], std::byte{'a'});
	EXPECT_EQ(to.mem[1], std::byte{'b'});
	EXPECT_TRUE(core->unlink(h));
	EXPECT_EQ(dst.types(), "U!");
}

TEST_F(Loopback, TooLongIsDroppedUnlessTheTargetTruncates)
{
	Block from(100, 'x'), small(10);
	EventLog src, dst;
	auto h = attach(small, dst, LNET_MD_OP_PUT);
	ASSERT_TRUE(put(bind(from, src, 1), false));
	EXPECT_EQ(dst.types(), "");
	ASSERT_TRUE(core->unlink(h));
	EXPECT_EQ(dst.types(), "U!");
	attach(small, dst, LNET_MD_OP_PUT | LNET_MD_TRUNCATE);
	ASSERT_TRUE(put(bind(from, src, 1), false));
	auto ev = dst.take();
	ASSERT_EQ(ev.size(), 1u);
	EXPECT_EQ(ev[0].rlength, 100u);
	EXPECT_EQ(ev[0].mlength, 10u);
}

TEST_F(Loopback, OffsetBeyondTheTargetIsDropped)
{
	Block from(1), to(10);
	EventLog src, dst;
	auto h = attach(to, dst, LNET_MD_OP_PUT | LNET_MD_MANAGE_REMOTE | LNET_MD_TRUNCATE);
	auto md = bind(from, src, 1);
	ASSERT_TRUE(core->put(Nid{}, md, false, lo, 4, 1, 11, 0));
	EXPECT_EQ(dst.types(), "");
	EXPECT_EQ(core->statistics().drop_count.load(), 1u);
	ASSERT_TRUE(core->unlink(h));
}

TEST_F(Loopback, MaxSizeExhaustsATargetBeforeItIsFull)
{
	Block from(40), to(100);
	EventLog src, dst;
	MatchSpec m;
	m.portal = 4;
	m.ignore_bits = ~0ull;
	MdSpec md;
	md.buffer = to.buffer();
	md.threshold = LNET_MD_THRESH_INF;
	md.max_size = 50;
	md.options = LNET_MD_OP_PUT | LNET_MD_MAX_SIZE;
	md.handler = &dst;
	ASSERT_TRUE(core->attach(m, md));
	ASSERT_TRUE(put(bind(from, src, 1), false));
	EXPECT_EQ(dst.types(), "P");
	ASSERT_TRUE(put(bind(from, src, 1), false)); // 80 used, 20 left, below max_size
	EXPECT_EQ(dst.types(), "P!");
	ASSERT_TRUE(put(bind(from, src, 1), false));
	EXPECT_EQ(dst.types(), "");
}

TEST_F(Loopback, EntriesWithIgnoreBitsAreSearchedFirst)
{
	Block from(1), exact(1), wild(1);
	EventLog src, e, w;
	auto he = attach(exact, e, LNET_MD_OP_PUT, 1);
	attach(wild, w, LNET_MD_OP_PUT, 0, 1, 4, ~0ull);
	ASSERT_TRUE(put(bind(from, src, 1), false));
	EXPECT_EQ(w.types(), "P!");
	EXPECT_EQ(e.types(), "");
	ASSERT_TRUE(core->unlink(he));
}

TEST_F(Loopback, UniquePortalRefusesWildcardsForGood)
{
	Block b(1);
	EventLog log;
	MatchSpec m;
	m.portal = 5;
	m.who = lo;
	MdSpec md;
	md.buffer = b.buffer();
	md.options = LNET_MD_OP_PUT;
	md.handler = &log;
	auto h = core->attach(m, md);
	ASSERT_TRUE(h);
	ASSERT_TRUE(core->unlink(*h));
	m.who = {Nid::any(), LNET_PID_ANY};
	EXPECT_EQ(core->attach(m, md).error(), cfs::err::PERM);
}

TEST_F(Loopback, BadUseIsRefusedWithoutAnEvent)
{
	Block b(1);
	EventLog log;
	auto h = bind(b, log, 1);
	EXPECT_EQ(core->put(*parse_nid("1.2.3.4@tcp"), h, false, lo, 4, 1, 0, 0).error(),
		  cfs::err::INVAL);
	EXPECT_EQ(core->put(Nid{}, h, false, lo, 64, 1, 0, 0).error(), cfs::err::INVAL);
	EXPECT_EQ(core->put(Nid{}, h, false, {Nid::any()}, 4, 1, 0, 0).error(), cfs::err::INVAL);
	EXPECT_EQ(core->put(Nid{}, MdHandle{12345}, false, lo, 4, 1, 0, 0).error(), NOENT);
	EXPECT_EQ(log.types(), "");
	EXPECT_TRUE(core->unlink(h));
	EXPECT_EQ(log.types(), "U!");
	EXPECT_EQ(core->unlink(h).error(), NOENT);
}

TEST_F(Loopback, NetworkNobodyIsOnFailsTheSendAndSaysSo)
{
	Block b(1);
	EventLog log;
	auto h = bind(b, log, 1);
	ASSERT_TRUE(core->put(Nid{}, h, false, {*parse_nid("1.2.3.4@tcp")}, 4, 1, 0, 0));
	auto ev = log.take();
	ASSERT_EQ(ev.size(), 1u);
	EXPECT_EQ(ev[0].status, cfs::err::HOSTUNREACH);
	EXPECT_TRUE(ev[0].unlinked);
}

TEST_F(Loopback, NodePingsItself)
{
	auto p = core->ping(lo, Nid{}, cfs::after(cfs::Duration::seconds(5)));
	ASSERT_TRUE(p);
	EXPECT_TRUE(p->features & wire::LNET_PING_FEAT_NI_STATUS);
	EXPECT_EQ(p->listed, 1u);
	EXPECT_EQ(p->nids.size(), 0u);
}

TEST_F(Loopback, HandlerMayUnlinkItsOwnMd)
{
	struct Unlinker final : EventHandler {
		Core *core;
		int events = 0, unlinked = 0;
		void on_event(const Event &ev) noexcept override
		{
			events++;
			unlinked += ev.unlinked;
			if (ev.type == EventType::put)
				(void)core->unlink(ev.md);
		}
	} u;
	u.core = core.get();
	Block from(1), to(10);
	EventLog src;
	MatchSpec m;
	m.portal = 4;
	m.match_bits = 1;
	MdSpec md;
	md.buffer = to.buffer();
	md.threshold = LNET_MD_THRESH_INF;
	md.options = LNET_MD_OP_PUT;
	md.handler = &u;
	ASSERT_TRUE(core->attach(m, md));
	ASSERT_TRUE(put(bind(from, src, 1), false));
	EXPECT_EQ(u.unlinked, 1);
	EXPECT_EQ(u.events, 2);
}

TEST_F(Loopback, ManyThreadsLoseNoMessageAndUnlinkEveryMdOnce)
{
	constexpr int kThreads = 8, kEach = 500;
	struct Counter final : EventHandler {
		std::atomic<int> puts{0}, sends{0}, acks{0}, unlinked{0};
		void on_event(const Event &ev) noexcept override
		{
			puts += ev.type == EventType::put;
			sends += ev.type == EventType::send;
			acks += ev.type == EventType::ack;
			unlinked += ev.unlinked;
		}
	} src, dst;
	Block from(64, 'q'), to(64 * kThreads); // a place of its own for each thread
	MatchSpec m;
	m.portal = 4;
	m.ignore_bits = ~0ull;
	MdSpec md;
	md.buffer = to.buffer();
	md.threshold = LNET_MD_THRESH_INF;
	md.options = LNET_MD_OP_PUT | LNET_MD_MANAGE_REMOTE;
	md.handler = &dst;
	auto target = core->attach(m, md);
	ASSERT_TRUE(target);
	std::vector<std::thread> threads;
	for (int t = 0; t < kThreads; t++)
		threads.emplace_back([&, t] {
			for (int i = 0; i < kEach; i++) {
				MdSpec s;
				s.buffer = from.buffer();
				s.threshold = 2;
				s.handler = &src;
				auto h = core->bind(s);
				ASSERT_TRUE(h);
				ASSERT_TRUE(core->put(Nid{}, *h, true, lo, 4, 1,
						      static_cast<unsigned>(t) * 64, 0));
			}
		});
	for (auto &t : threads)
		t.join();
	ASSERT_TRUE(core->unlink(*target));
	core.reset(); // waits for whatever is under way
	EXPECT_EQ(dst.puts, kThreads * kEach);
	EXPECT_EQ(dst.unlinked, 1);
	EXPECT_EQ(src.sends, kThreads * kEach);
	EXPECT_EQ(src.acks, kThreads * kEach);
	EXPECT_EQ(src.unlinked, kThreads * kEach);
}

} // namespace
