// SPDX-License-Identifier: GPL-2.0
//
// LNet's core over a driver that does what the test says: messages no honest peer sends, peers that
// do not read, interfaces that go down at the worst moment (spec 01 sections 4 to 6).

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <future>
#include <thread>
#include <vector>

#include "libcfs/node.hpp"
#include "lnet/core.hpp"
#include "tests/unit/lnet_test.hpp"

namespace
{

using namespace lnet;

const Nid kHere = *parse_nid("10.0.0.1@tcp");
const Nid kPeer = *parse_nid("10.0.0.2@tcp");

/// Keeps what is sent until the test completes it, and what LNet answers to what came in.
class FakeNi final : public NetworkInterface
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LND;

	struct Received {
		RxHandle rx;
		void *lnet_msg;
		std::uint32_t length;
	};
	FakeNi(Upcalls &u, FakeNi *&where, std::uint32_t peer_credits)
	    : up(u), peer_credits_(peer_credits)
	{
		where = this;
	}
	void destroy() noexcept override
	{
		this->~FakeNi();
		cfs_free(kSubsys, this, sizeof(*this));
	}
	Nid nid() const noexcept override { return kHere; }
	const char *if_name() const noexcept override { return "fake"; }
	NiTunables tunables() const noexcept override
	{
		NiTunables t;
		t.peer_credits = peer_credits_;
		return t;
	}
	cfs::Result<> open() noexcept override { return {}; }
	void send(TxMessage &m) noexcept override
	{
		if (at_send)
			at_send(m);
		else
			sent.push_back(&m);
	}
	void recv(RxHandle rx, void *lnet_msg, const Extent &to) noexcept override
	{
		answers.push_back({rx, lnet_msg, to.length});
		if (lnet_msg)
			up.recv_done(lnet_msg, cfs::Errno{});
	}
	bool rx_lost(RxHandle) noexcept override { return lost; }
	bool peer_usable(const Nid &) noexcept override { return true; }
	void shutdown() noexcept override
	{
		if (at_shutdown)
			at_shutdown();
		complete_all(cfs::err::SHUTDOWN);
	}
	void complete_all(cfs::Errno status)
	{
		while (!sent.empty()) {
			TxMessage &m = *sent.front();
			sent.pop_front();
			up.sent(m, status, SendStatus::ok);
		}
	}

	Upcalls &up;
	std::deque<TxMessage *> sent;
	std::vector<Received> answers;
	std::function<void()> at_shutdown;
	std::function<void(TxMessage &)> at_send;
	bool lost = false;

private:
	const std::uint32_t peer_credits_;
};

class FakeLnd final : public Lnd
{
public:
	FakeNi *ni = nullptr;
	std::uint32_t peer_credits = 8;
	LndType type() const noexcept override { return LndType::tcp; }
	cfs::Result<cfs::UniquePtr<NetworkInterface>> startup(cfs::Node &, Net, std::string_view,
							      Upcalls &up) noexcept override
	{
		auto made = cfs::try_make<FakeNi>(up, ni, peer_credits);
		if (!made)
			return cfs::fail(made.error());
		return cfs::UniquePtr<NetworkInterface>(std::move(*made));
	}
};

class Quiet final : public EventHandler
{
public:
	std::vector<Event> events;
	void on_event(const Event &ev) noexcept override { events.push_back(ev); }
};

class Driver : public LnetTest
{
protected:
	void SetUp() override
	{
		LnetTest::SetUp();
		node = *cfs::Node::get(cfs_node_current());
		core = std::move(*Core::create(*node, 4711));
		// The driver sees what the test sends, and nothing that LNet asks by itself.
		Settings quiet = core->settings();
		quiet.discovery = false;
		ASSERT_TRUE(core->set_settings(quiet));
	}
	void TearDown() override
	{
		core.reset();
		node.reset();
		LnetTest::TearDown();
	}
	FakeNi &up()
	{
		EXPECT_TRUE(core->add_ni(lnd, make_net(LndType::tcp, 0), "fake"));
		return *lnd.ni;
	}
	static Header put(std::uint32_t portal, std::uint32_t length = 0)
	{
		Header h{};
		h.dest = {kHere};
		h.src = {kPeer};
		h.type = wire::MsgType::put;
		h.payload_length = length;
		h.msg.put = {};
		h.msg.put.ptl_index = portal;
		return h;
	}
	static Header ping()
	{
		Header h = put(0);
		h.type = wire::MsgType::get;
		h.msg.get = {};
		h.msg.get.match_bits = wire::LNET_PROTO_PING_MATCHBITS;
		h.msg.get.sink_length = 272;
		return h;
	}
	MdHandle bind(std::span<std::byte> mem, int threshold)
	{
		MdSpec md;
		md.buffer = {mem.data(), {}, static_cast<std::uint32_t>(mem.size())};
		md.threshold = threshold;
		md.options = LNET_MD_TRUNCATE;
		md.handler = &log;
		return *core->bind(md);
	}
	std::uint64_t dropped() { return core->statistics().drop_count.load(); }

	FakeLnd lnd;
	Quiet log;
	cfs::RefPtr<cfs::Node> node;
	cfs::UniquePtr<Core> core;
};

TEST_F(Driver, ReplyToTheHandleOfAPutIsNotWrittenIntoItsMemory)
{
	FakeNi &ni = up();
	std::vector<std::byte> mem(100, std::byte{7});
	auto h = bind(mem, 2);
	ASSERT_TRUE(core->put(Nid{}, h, true, {kPeer}, 4, 1, 0, 0));
	wire::WireHandle handle = ni.sent.front()->header.msg.put.ack_wmd;
	ni.complete_all({});

	Header evil = put(0, 100);
	evil.type = wire::MsgType::reply;
	evil.msg.reply = {};
	evil.msg.reply.dst_wmd = handle;
	ASSERT_TRUE(ni.up.received(evil, kPeer, {}));
	ASSERT_EQ(ni.answers.size(), 1u);
	EXPECT_EQ(ni.answers[0].lnet_msg, nullptr);
	EXPECT_EQ(ni.answers[0].length, 0u);
	EXPECT_EQ(dropped(), 1u);

	Header ack = put(0);
	ack.type = wire::MsgType::ack;
	ack.msg.ack = {};
	ack.msg.ack.dst_wmd = handle;
	ack.msg.ack.mlength = 100u;
	ASSERT_TRUE(ni.up.received(ack, kPeer, {}));
	EXPECT_EQ(dropped(), 1u);
	ASSERT_EQ(log.events.size(), 2u);
	EXPECT_EQ(log.events[1].type, EventType::ack);
	EXPECT_TRUE(log.events[1].unlinked);
}

TEST_F(Driver, UnaskedAcknowledgementEndsNothing)
{
	FakeNi &ni = up();
	std::vector<std::byte> mem(100);
	auto h = bind(mem, 2);
	ASSERT_TRUE(core->put(Nid{}, h, false, {kPeer}, 4, 1, 0, 0));
	ni.complete_all({});
	Header ack = put(0);
	ack.type = wire::MsgType::ack;
	ack.msg.ack = {};
	ack.msg.ack.dst_wmd = {4711, h.cookie};
	ASSERT_TRUE(ni.up.received(ack, kPeer, {}));
	EXPECT_EQ(dropped(), 1u);
	EXPECT_EQ(log.events.size(), 1u);
	ASSERT_TRUE(core->unlink(h));
}

TEST_F(Driver, MessageThatComesWhileItsInterfaceGoesDownIsNotHeld)
{
	FakeNi &ni = up();
	ASSERT_TRUE(core->set_lazy(4, true));
	std::vector<FakeNi::Received> answers;
	ni.at_shutdown = [&] {
		ASSERT_TRUE(ni.up.received(put(4), kPeer, {}));
		answers = ni.answers;
	};
	ASSERT_TRUE(core->del_ni(kHere));
	EXPECT_EQ(answers.size(), 1u); // the driver would wait for this for ever
}

TEST_F(Driver, HeldMessageGoesWhenItsConnectionIsGone)
{
	FakeNi &ni = up();
	ASSERT_TRUE(core->set_lazy(4, true));
	ASSERT_TRUE(ni.up.received(put(4), kPeer, {}));
	core->expire_queues(cfs::Instant::now());
	EXPECT_EQ(ni.answers.size(), 0u);
	ni.lost = true;
	core->expire_queues(cfs::Instant::now());
	EXPECT_EQ(ni.answers.size(), 1u);
	EXPECT_EQ(core->messages(), 0u);
}

TEST_F(Driver, OnlyPushesWaitOnTheReservedPortal)
{
	FakeNi &ni = up();
	ASSERT_TRUE(ni.up.received(put(0), kPeer, {}));
	EXPECT_EQ(ni.answers.size(), 1u);
	EXPECT_EQ(dropped(), 1u);
}

TEST_F(Driver, PeerCreditsOfTheInterfaceHoldForPeersThatWeAddressFirst)
{
	lnd.peer_credits = 3;
	FakeNi &ni = up();
	std::vector<std::byte> mem(10);
	auto h = bind(mem, 5);
	for (int i = 0; i < 5; i++)
		ASSERT_TRUE(core->put(Nid{}, h, false, {kPeer}, 4, 1, 0, 0));
	EXPECT_EQ(ni.sent.size(), 3u);
	ni.complete_all({});
}

TEST_F(Driver, GetOfMoreThanOneMessageCarriesIsDropped)
{
	FakeNi &ni = up();
	std::vector<std::byte> mem(2 * wire::LNET_MTU);
	MatchSpec m;
	m.portal = 4;
	MdSpec md;
	md.buffer = {mem.data(), {}, static_cast<std::uint32_t>(mem.size())};
	md.threshold = LNET_MD_THRESH_INF;
	md.options = LNET_MD_OP_GET | LNET_MD_TRUNCATE;
	md.handler = &log;
	auto h = core->attach(m, md);
	ASSERT_TRUE(h);
	Header get = ping();
	get.msg.get.match_bits = 0u;
	get.msg.get.ptl_index = 4u;
	get.msg.get.sink_length = ~0u;
	ASSERT_TRUE(ni.up.received(get, kPeer, {}));
	EXPECT_EQ(ni.sent.size(), 0u);
	EXPECT_EQ(dropped(), 1u);
	ASSERT_TRUE(core->unlink(*h));
}

TEST_F(Driver, NobodySpeaksForTheLoopbackButTheLoopback)
{
	FakeNi &ni = up();
	Header h = put(4);
	h.src.nid = Nid::lo();
	EXPECT_EQ(ni.up.received(h, kPeer, {}).error(), cfs::err::PROTO);
	h.src.nid = Nid{};
	EXPECT_EQ(ni.up.received(h, kPeer, {}).error(), cfs::err::PROTO);
}

TEST_F(Driver, PeerThatAsksWithoutReadingTheAnswersDoesNotFillOurMemory)
{
	FakeNi &ni = up();
	for (int i = 0; i < Core::kQueuedPerPeerMax + 1000; i++)
		ASSERT_TRUE(ni.up.received(ping(), kPeer, {}));
	EXPECT_LE(core->messages(), Core::kQueuedPerPeerMax + 20u);
	EXPECT_GT(dropped(), 900u);
	ni.complete_all({});
	EXPECT_EQ(core->messages(), 0u);
	ASSERT_TRUE(ni.up.received(ping(), kPeer, {}));
	EXPECT_EQ(ni.sent.size(), 1u);
}

TEST_F(Driver, NodeReachesItselfUnderEachOfItsNids)
{
	FakeNi &ni = up();
	auto p = core->ping({kHere}, Nid{}, cfs::after(cfs::Duration::seconds(5)));
	ASSERT_TRUE(p);
	ASSERT_EQ(p->nids.size(), 1u);
	EXPECT_EQ(p->nids[0].nid, kHere);
	EXPECT_EQ(ni.sent.size(), 0u);
}

TEST_F(Driver, ThreadThatIsInTheDriverSendsItsOwnMessagesOnly)
{
	FakeNi &ni = up();
	std::vector<std::byte> mem(10);
	auto h = bind(mem, 2);
	std::promise<void> second;
	std::atomic<int> calls{0};
	ni.at_send = [&](TxMessage &m) {
		if (calls++ == 0)
			EXPECT_EQ(second.get_future().wait_for(std::chrono::seconds(10)),
				  std::future_status::ready);
		else
			second.set_value();
		ni.up.sent(m, {}, SendStatus::ok);
	};
	std::thread first([&] { EXPECT_TRUE(core->put(Nid{}, h, false, {kPeer}, 4, 1, 0, 0)); });
	while (calls == 0)
		std::this_thread::yield();
	EXPECT_TRUE(core->put(Nid{}, h, false, {kPeer}, 4, 1, 0, 0));
	first.join();
	EXPECT_EQ(calls, 2);
}

TEST_F(Driver, WhoSendsWhenToldOfASendDoesNotNestInTheDriver)
{
	FakeNi &ni = up();
	struct Again final : EventHandler {
		Core *core = nullptr;
		MdHandle md;
		int left = 1000;
		void on_event(const Event &) noexcept override
		{
			if (left-- > 0)
				(void)core->put(Nid{}, md, false, {kPeer}, 4, 1, 0, 0);
		}
	} again;
	std::byte x{};
	MdSpec md;
	md.buffer = {&x, {}, 1};
	md.threshold = LNET_MD_THRESH_INF;
	md.handler = &again;
	again.core = core.get();
	again.md = *core->bind(md);
	int depth = 0, deepest = 0;
	ni.at_send = [&](TxMessage &m) {
		deepest = std::max(deepest, ++depth);
		ni.up.sent(m, {}, SendStatus::ok);
		depth--;
	};
	ASSERT_TRUE(core->put(Nid{}, again.md, false, {kPeer}, 4, 1, 0, 0));
	EXPECT_EQ(deepest, 1);
	EXPECT_EQ(again.left, -1);
	ASSERT_TRUE(core->unlink(again.md));
}

TEST_F(Driver, TargetTakesWhatIsHeldUntilItIsFullAndLeavesTheRest)
{
	FakeNi &ni = up();
	ASSERT_TRUE(core->set_lazy(4, true));
	for (std::uint64_t i = 0; i < 5; i++) {
		Header h = put(4);
		h.msg.put.hdr_data = i;
		ASSERT_TRUE(ni.up.received(h, kPeer, {}));
	}
	MatchSpec m;
	m.portal = 4;
	MdSpec md;
	std::byte x{};
	md.buffer = {&x, {}, 1};
	md.threshold = 2;
	md.options = LNET_MD_OP_PUT;
	md.handler = &log;
	ASSERT_TRUE(core->attach(m, md));
	ASSERT_EQ(log.events.size(), 2u);
	Header late = put(4);
	late.msg.put.hdr_data = 5u;
	ASSERT_TRUE(ni.up.received(late, kPeer, {}));
	md.threshold = 4;
	ASSERT_TRUE(core->attach(m, md));
	ASSERT_EQ(log.events.size(), 6u);
	for (std::size_t i = 0; i < 6; i++)
		EXPECT_EQ(log.events[i].hdr_data, i);
	EXPECT_EQ(core->held(4), 6u); // each once
}

TEST_F(Driver, MessagesHeldOnTheLoopbackDoNotKeepOthersFromLeaving)
{
	ASSERT_TRUE(core->set_lazy(4, true));
	std::vector<std::byte> mem(10);
	auto h = bind(mem, 300);
	for (int i = 0; i < 300; i++)
		ASSERT_TRUE(core->put(Nid{}, h, false, {Nid::lo()}, 4, 1, 0, 0));
	EXPECT_EQ(log.events.size(), 0u); // all are held
	EXPECT_TRUE(core->ping({Nid::lo()}, Nid{}, cfs::after(cfs::Duration::seconds(2))));
	ASSERT_TRUE(core->set_lazy(4, false));
	EXPECT_EQ(log.events.size(), 300u);
}

} // namespace
