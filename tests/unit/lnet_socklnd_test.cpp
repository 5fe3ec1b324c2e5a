// SPDX-License-Identifier: GPL-2.0
//
// socklnd over real TCP on 127.0.0.0/8: two nodes of this process, each with an address and a port
// of its own, and peers that do not keep to the protocol (spec 01 sections 11 and 12).

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "libcfs/node.hpp"
#include "libcfs/plat/csum.h"
#include "lnet/core.hpp"
#include "lnet/socklnd/host/netif.hpp"
#include "lnet/socklnd/socklnd.hpp"
#include "tests/unit/lnet_nodes.hpp"

namespace
{

using namespace lnet;
using namespace lnet_test;
using lnet::sock::SockLnd;
using lnet::sock::Tunables;

class Socklnd : public LnetTest
{
protected:
	void SetUp() override
	{
		LnetTest::SetUp();
		start();
	}
	void TearDown() override
	{
		a.reset();
		b.reset();
		LnetTest::TearDown();
	}
	void start()
	{
		a.emplace(0x7f000001, test_tunables(port));
		b.emplace(0x7f000002, test_tunables(port));
	}
	/// A target on a node that any PUT of the portal matches.
	MdHandle target(Node &n, Waiter &w, std::span<std::byte> mem, std::uint32_t options,
			int threshold = 1, std::uint64_t bits = 1, std::uint64_t ignore = ~0ull)
	{
		MatchSpec m;
		m.portal = 4;
		m.match_bits = bits;
		m.ignore_bits = ignore;
		MdSpec md;
		md.buffer = {mem.data(), {}, static_cast<std::uint32_t>(mem.size())};
		md.threshold = threshold;
		md.options = options;
		md.handler = &w;
		auto h = n.core->attach(m, md);
		EXPECT_TRUE(h);
		return h ? *h : MdHandle{};
	}
	MdHandle source(Node &n, Waiter &w, std::span<std::byte> mem, int threshold)
	{
		MdSpec md;
		md.buffer = {mem.data(), {}, static_cast<std::uint32_t>(mem.size())};
		md.threshold = threshold;
		md.handler = &w;
		auto h = n.core->bind(md);
		EXPECT_TRUE(h);
		return h ? *h : MdHandle{};
	}
	/// A raw TCP connection to a node, from an address of its own.
	int dial(Node &n, std::uint32_t from = 0x7f000009)
	{
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		sockaddr_in sa{};
		sa.sin_family = AF_INET;
		sa.sin_addr.s_addr = htonl(from);
		EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr *>(&sa), sizeof(sa)), 0);
		sa.sin_port = htons(static_cast<std::uint16_t>(port));
		sa.sin_addr.s_addr = htonl(n.nid.addr4());
		EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr *>(&sa), sizeof(sa)), 0);
		timeval tv{10, 0};
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
		return fd;
	}
	/// Bytes until the peer closes.
	std::size_t drain(int fd)
	{
		std::size_t sum = 0;
		char buf[4096];
		for (ssize_t n; (n = read(fd, buf, sizeof(buf))) > 0;)
			sum += static_cast<std::size_t>(n);
		return sum;
	}
	void still_works()
	{
		EXPECT_TRUE(b->core->ping({a->nid}, Nid{}, cfs::after(cfs::Duration::seconds(10))));
	}

	std::uint32_t port = fresh_port();
	std::optional<Node> a, b;
};

TEST_F(Socklnd, NodesPingEachOtherAndSeeTheirNids)
{
	auto p = a->core->ping({b->nid}, Nid{}, cfs::after(cfs::Duration::seconds(10)));
	ASSERT_TRUE(p);
	ASSERT_EQ(p->nids.size(), 1u);
	EXPECT_EQ(p->nids[0].nid, b->nid);
	ASSERT_TRUE(b->core->ping({a->nid}, Nid{}, cfs::after(cfs::Duration::seconds(10))));
}

TEST_F(Socklnd, NetworksOnOneAddressShareItsPort)
{
	auto second = [](Node &n) {
		return n.core->add_ni(*n.lo, make_net(LndType::tcp, 5), "lo");
	};
	auto deadline = cfs::after(cfs::Duration::seconds(20));
	auto a5 = second(*a), b5 = second(*b);
	ASSERT_TRUE(a5 && b5);
	EXPECT_TRUE(a->core->ping({*b5}, Nid{}, deadline));
	EXPECT_TRUE(b->core->ping({a->nid}, Nid{}, deadline));
	// The port stays as long as one of them does.
	ASSERT_TRUE(a->core->del_ni(a->nid));
	Node c(0x7f000003, test_tunables(port));
	auto c5 = second(c);
	ASSERT_TRUE(c5);
	EXPECT_TRUE(c.core->ping({*a5}, Nid{}, deadline));
	ASSERT_TRUE(a->core->del_ni(*a5));
	a5 = second(*a);
	ASSERT_TRUE(a5);
	bool reached = false; // the first may be lost on the connection that has just gone
	for (int i = 0; i < 10 && !reached; i++)
		reached = c.core->ping({*a5}, Nid{}, cfs::after(cfs::Duration::seconds(2)))
				  .has_value();
	EXPECT_TRUE(reached);
}

TEST_F(Socklnd, AnInterfaceMayHaveItsOwnNumberOfConnections)
{
	using namespace cfs::err;
	sock::SockNi &ni = *a->lo->last;
	auto error_of = [&](const LndWishes &w) {
		auto r = ni.change(w);
		return r ? cfs::Errno{} : r.error();
	};
	EXPECT_EQ(error_of({.conns_per_peer = 128}), RANGE);
	EXPECT_EQ(error_of({.conns_per_peer = 2, .timeout = 0}), RANGE);
	EXPECT_EQ(error_of({.tos = 256}), RANGE);
	EXPECT_EQ(ni.lnd_tunables().conns_per_peer, 1); // nothing of these
	EXPECT_EQ(error_of({.conns_per_peer = 3, .timeout = 9, .tos = 8}), cfs::Errno{});
	auto now = ni.lnd_tunables();
	EXPECT_TRUE(now.conns_per_peer == 3 && now.timeout == 9 && now.tos == 8);
	EXPECT_EQ(b->lo->last->lnd_tunables().conns_per_peer, 1);
	// One for control, three for bulk in each direction; some of them b opens. Of two that meet
	// one gives way, and is made up for with a later message.
	auto conns = [&] { return a->lnd->stats.connected + a->lnd->stats.accepted; };
	for (int i = 0; i < 400 && conns() < 7; i++) {
		EXPECT_TRUE(a->core->ping({b->nid}, Nid{}, cfs::after(cfs::Duration::seconds(10))));
		usleep(50000);
	}
	EXPECT_GE(conns(), 7u);
}

TEST_F(Socklnd, ThreadsOfOtherPartitionsDoNotServeABoundInterface)
{
	std::vector<sock::Scheduler *> seen;
	for (unsigned cpt = 0; cpt < cfs_cpt_count(); cpt++) {
		CptSet one;
		one.add(cpt);
		std::vector<sock::Scheduler *> mine;
		for (int i = 0; i < 64; i++)
			mine.push_back(&a->lnd->scheduler_for(b->nid, one));
		for (auto *s : mine)
			EXPECT_EQ(std::count(seen.begin(), seen.end(), s), 0);
		seen.insert(seen.end(), mine.begin(), mine.end());
	}
}

/// The machine's interfaces, if it had but one with that address.
std::vector<cfs_netif> one_interface(const Nid &nid, bool up, bool link)
{
	cfs_netif i{};
	strcpy(i.name, "eth7");
	auto bytes = nid.addr();
	i.addr.length = static_cast<std::uint32_t>(bytes.size());
	std::copy(bytes.begin(), bytes.end(), i.addr.bytes);
	i.up = up;
	i.link = link;
	return {i};
}

TEST_F(Socklnd, AnInterfaceWithoutLinkOrAddressIsToldAsDown)
{
	auto restore = cfs::ScopeExit([] { sock::host::pretend_netifs(std::nullopt); });
	auto deadline = cfs::after(cfs::Duration::seconds(30));
	// What b is told of a, once it is that.
	auto told = [&](std::uint32_t status) {
		for (int i = 0; i < 1000; i++) {
			auto p = b->core->ping({a->nid}, Nid{}, deadline);
			if (p && p->nids.size() == 1 && p->nids[0].status == status)
				return true;
			usleep(10000);
		}
		return false;
	};
	using namespace lnet::wire;
	EXPECT_TRUE(told(LNET_NI_STATUS_UP));
	struct {
		std::vector<cfs_netif> list;
		std::uint32_t status;
	} const steps[] = {
		{one_interface(a->nid, true, false), LNET_NI_STATUS_DOWN},
		{one_interface(a->nid, true, true), LNET_NI_STATUS_UP},
		{one_interface(a->nid, false, true), LNET_NI_STATUS_DOWN},
		{one_interface(a->nid, true, true), LNET_NI_STATUS_UP},
		{{}, LNET_NI_STATUS_DOWN},
	};
	// b keeps its own interface all the while.
	for (const auto &s : steps) {
		auto list = s.list;
		list.push_back(one_interface(b->nid, true, true)[0]);
		sock::host::pretend_netifs(list);
		EXPECT_TRUE(told(s.status)) << &s - steps;
	}
	// One that is brought up without a link is down from the first.
	auto without = one_interface(Nid::ipv4(make_net(LndType::tcp, 0), 0x7f000003), true, false);
	without.push_back(one_interface(b->nid, true, true)[0]);
	sock::host::pretend_netifs(without);
	a.emplace(0x7f000003, test_tunables(port));
	EXPECT_TRUE(told(LNET_NI_STATUS_DOWN));
	sock::host::pretend_netifs(std::nullopt);
	EXPECT_TRUE(told(LNET_NI_STATUS_UP));
}

TEST_F(Socklnd, PutArrivesWholeAtEverySizeAndIsAcknowledged)
{
	for (std::size_t size :
	     {0u, 1u, 100u, 951u, 952u, 4095u, 4096u, 16384u, 65537u, 1u << 20}) {
		auto data = pattern(size, static_cast<unsigned>(size));
		std::vector<std::byte> sink(size + 1);
		Waiter src, dst;
		target(*b, dst, sink, LNET_MD_OP_PUT | LNET_MD_TRUNCATE);
		auto h = source(*a, src, data, 2);
		ASSERT_TRUE(a->core->put(Nid{}, h, true, {b->nid}, 4, 7, 0, 42));
		ASSERT_TRUE(src.wait_unlinked()) << size;
		ASSERT_TRUE(dst.wait_unlinked()) << size;
		EXPECT_EQ(dst.events[0].mlength, size);
		EXPECT_EQ(dst.events[0].initiator.nid, a->nid);
		EXPECT_EQ(dst.events[0].hdr_data, 42u);
		EXPECT_TRUE(std::equal(data.begin(), data.end(), sink.begin())) << size;
	}
}

TEST_F(Socklnd, GetFetchesIntoPagePiecesAtOddOffsets)
{
	auto data = pattern(300000, 1);
	Waiter src, dst;
	target(*b, src, data, LNET_MD_OP_GET | LNET_MD_MANAGE_REMOTE);
	std::vector<cfs_bvec> pieces;
	std::uint32_t total = 0;
	for (unsigned i = 0; total < 200000; i++) {
		cfs_page *p = cfs_page_alloc(CFS_S_LNET, CFS_ALLOC_ZERO);
		ASSERT_TRUE(p);
		std::uint32_t off = i * 37 % 512, len = 4096 - off - i % 100;
		pieces.push_back({p, len, off});
		total += len;
	}
	MdSpec md;
	md.buffer = {nullptr, pieces, total};
	md.threshold = 2;
	md.handler = &dst;
	auto h = a->core->bind(md);
	ASSERT_TRUE(h);
	ASSERT_TRUE(a->core->get(Nid{}, *h, {b->nid}, 4, 1, 12345));
	ASSERT_TRUE(dst.wait_unlinked());
	std::size_t at = 12345;
	for (auto &v : pieces) {
		auto *m = static_cast<std::byte *>(cfs_page_map(v.page));
		EXPECT_TRUE(std::equal(m + v.offset, m + v.offset + v.len,
				       data.begin() + static_cast<long>(at)));
		cfs_page_unmap(m);
		at += v.len;
		cfs_page_free(CFS_S_LNET, v.page);
	}
}

TEST_F(Socklnd, EightThreadsInBothDirectionsLoseNothing)
{
	constexpr int kThreads = 8, kEach = 60;
	struct Count final : EventHandler {
		std::atomic<int> puts{0}, acks{0}, failed{0}, unlinked{0};
		void on_event(const Event &ev) noexcept override
		{
			puts += ev.type == EventType::put;
			acks += ev.type == EventType::ack && ev.status == cfs::Errno{};
			failed += ev.status != cfs::Errno{};
			unlinked += ev.unlinked;
		}
	} src, dst;
	std::vector<std::byte> sink_a(1 << 20), sink_b(1 << 20);
	std::vector<std::pair<Node *, MdHandle>> targets;
	for (auto [n, mem] : {std::pair{&*a, &sink_a}, std::pair{&*b, &sink_b}}) {
		MatchSpec m;
		m.portal = 4;
		m.ignore_bits = ~0ull;
		MdSpec md;
		md.buffer = {mem->data(), {}, static_cast<std::uint32_t>(mem->size())};
		md.threshold = LNET_MD_THRESH_INF;
		md.options = LNET_MD_OP_PUT | LNET_MD_MANAGE_REMOTE;
		md.handler = &dst;
		auto h = n->core->attach(m, md);
		ASSERT_TRUE(h);
		targets.emplace_back(n, *h);
	}
	auto data = pattern(200000, 3);
	std::vector<std::thread> threads;
	for (int t = 0; t < kThreads; t++)
		threads.emplace_back([&, t] {
			Node &from = t % 2 ? *a : *b, &to = t % 2 ? *b : *a;
			std::mt19937 rng(static_cast<unsigned>(t));
			for (int i = 0; i < kEach; i++) {
				MdSpec s;
				s.buffer = {data.data(),
					    {},
					    static_cast<std::uint32_t>(rng() % data.size())};
				s.threshold = 2;
				s.handler = &src;
				auto h = from.core->bind(s);
				ASSERT_TRUE(h);
				ASSERT_TRUE(from.core->put(Nid{}, *h, true, {to.nid}, 4, 1, 0, 0));
			}
		});
	for (auto &t : threads)
		t.join();
	for (int i = 0; i < 2000 && src.unlinked < kThreads * kEach; i++)
		usleep(10000);
	EXPECT_EQ(src.unlinked, kThreads * kEach);
	EXPECT_EQ(src.acks, kThreads * kEach);
	EXPECT_EQ(src.failed, 0);
	EXPECT_EQ(dst.puts, kThreads * kEach);
	for (auto &[n, h] : targets)
		EXPECT_TRUE(n->core->unlink(h));
	EXPECT_EQ(dst.unlinked, 2);
}

TEST_F(Socklnd, LazyPortalStopsOnlyTheConnectionThatBroughtTheMessage)
{
	ASSERT_TRUE(b->core->set_lazy(4, true));
	auto data = pattern(100, 1);
	Waiter src, dst;
	auto h = source(*a, src, data, 2);
	ASSERT_TRUE(a->core->put(Nid{}, h, true, {b->nid}, 4, 7, 0, 0));
	usleep(200000); // it is on the control connection; bulk goes on
	auto big = pattern(100000, 2);
	std::vector<std::byte> sink(100000), late(100);
	Waiter bs, bd;
	MatchSpec m;
	m.portal = 5;
	m.ignore_bits = ~0ull;
	MdSpec md;
	md.buffer = {sink.data(), {}, 100000};
	md.options = LNET_MD_OP_PUT;
	md.handler = &bd;
	ASSERT_TRUE(b->core->attach(m, md));
	auto hb = source(*a, bs, big, 1);
	ASSERT_TRUE(a->core->put(Nid{}, hb, false, {b->nid}, 5, 7, 0, 0));
	ASSERT_TRUE(bd.wait_unlinked());
	target(*b, dst, late, LNET_MD_OP_PUT);
	ASSERT_TRUE(dst.wait_unlinked());
	ASSERT_TRUE(src.wait_unlinked());
	EXPECT_TRUE(std::equal(data.begin(), data.end(), late.begin()));
}

TEST_F(Socklnd, PeerThatIsNotThereFailsTheSend)
{
	Nid nobody = *parse_nid("127.0.0.77@tcp");
	std::byte x{};
	Waiter src;
	auto h = source(*a, src, {&x, 1}, 1);
	ASSERT_TRUE(a->core->put(Nid{}, h, false, {nobody}, 4, 7, 0, 0));
	ASSERT_TRUE(src.wait_unlinked());
	EXPECT_EQ(src.events[0].status, cfs::err::CONNREFUSED);
}

TEST_F(Socklnd, RestartedPeerIsReachedAgain)
{
	still_works();
	std::uint32_t addr = a->nid.addr4();
	for (int i = 0; i < 3; i++) {
		a.reset();
		a.emplace(addr, test_tunables(port));
		bool ok = false;
		for (int t = 0; t < 50 && !ok; t++) {
			ok = b->core->ping({a->nid}, Nid{}, cfs::after(cfs::Duration::seconds(5)))
				     .has_value();
			if (!ok)
				usleep(100000);
		}
		EXPECT_TRUE(ok) << i;
	}
}

TEST_F(Socklnd, BothConnectAtOnceAndBothGetThrough)
{
	for (int i = 0; i < 20; i++) {
		std::thread t([&] {
			EXPECT_TRUE(a->core->ping({b->nid}, Nid{},
						  cfs::after(cfs::Duration::seconds(10))));
		});
		EXPECT_TRUE(b->core->ping({a->nid}, Nid{}, cfs::after(cfs::Duration::seconds(10))));
		t.join();
		a.reset();
		b.reset();
		start();
	}
}

TEST_F(Socklnd, GarbageOnThePortIsClosedAndHarmsNobody)
{
	std::mt19937 rng(5);
	for (int i = 0; i < 50; i++) {
		int fd = dial(*a);
		std::vector<unsigned char> junk(rng() % 200 + 16);
		for (auto &c : junk)
			c = static_cast<unsigned char>(rng());
		(void)!write(fd, junk.data(), junk.size());
		shutdown(fd, SHUT_WR);
		drain(fd);
		close(fd);
	}
	EXPECT_GE(a->lnd->stats.bad_handshake.load(), 50u);
	still_works();
}

TEST_F(Socklnd, OldLnetMagicGetsTheVersionAnswer)
{
	int fd = dial(*a);
	cfs::le32 magic{wire::LNET_PROTO_MAGIC};
	ASSERT_EQ(write(fd, &magic, 4), 4);
	EXPECT_EQ(drain(fd), sizeof(wire::AcceptorRequest1));
	close(fd);
}

TEST_F(Socklnd, SilentStrangersDoNotKeepOthersOut)
{
	std::vector<int> fds;
	for (int i = 0; i < 100; i++)
		fds.push_back(dial(*a)); // more than wait for a handshake at once
	bool ok = false;
	for (int t = 0; t < 20 && !ok; t++)
		ok = b->core->ping({a->nid}, Nid{}, cfs::after(cfs::Duration::seconds(10)))
			     .has_value();
	EXPECT_TRUE(ok);
	for (int fd : fds)
		close(fd);
}

/// A peer that shakes hands properly and then does what the test says.
class BadPeer
{
public:
	int fd;
	explicit BadPeer(int socket, const Nid &to, const Nid &from = *parse_nid("127.0.0.9@tcp"))
	    : fd(socket)
	{
		std::byte buf[128];
		std::size_t n = sock::encode_acceptor_request(to, buf);
		EXPECT_EQ(write(fd, buf, n), static_cast<ssize_t>(n));
		sock::Hello h;
		h.src = from;
		h.dst = to;
		h.src_incarnation = 77;
		h.type = wire::ConnType::control;
		n = sock::encode_hello(h, buf);
		EXPECT_EQ(write(fd, buf, n), static_cast<ssize_t>(n));
		EXPECT_EQ(recv(fd, buf, n, MSG_WAITALL), static_cast<ssize_t>(n));
		std::uint32_t addresses = 0;
		auto answer = sock::decode_hello(cfs::Bytes(buf, n), addresses);
		EXPECT_TRUE(answer);
		EXPECT_EQ(answer->type, wire::ConnType::control);
	}
	~BadPeer() { close(fd); }
	/// Frames and sends a header, with a checksum when asked.
	void send(const Header &h, std::uint32_t type = wire::KSOCK_MSG_LNET)
	{
		wire::KsockMsgHeader k{};
		k.ksh_type = type;
		auto w = to_wire4(h);
		EXPECT_EQ(write(fd, &k, sizeof(k)), static_cast<ssize_t>(sizeof(k)));
		EXPECT_EQ(write(fd, &w, sizeof(w)), static_cast<ssize_t>(sizeof(w)));
	}
	void noop(std::uint64_t c0, std::uint64_t c1)
	{
		wire::KsockMsgHeader k{};
		k.ksh_type = wire::KSOCK_MSG_NOOP;
		k.ksh_zc_cookies[0] = c0;
		k.ksh_zc_cookies[1] = c1;
		EXPECT_EQ(write(fd, &k, sizeof(k)), static_cast<ssize_t>(sizeof(k)));
	}
};

TEST_F(Socklnd, ImpossibleMessagesCloseTheConnectionOfWhoSentThem)
{
	Nid from = *parse_nid("127.0.0.9@tcp");
	Header good{};
	good.dest = {a->nid};
	good.src = {from};
	good.type = wire::MsgType::put;
	good.msg.put.ptl_index = 4;

	std::vector<std::function<void(BadPeer &)>> crimes = {
		[&](BadPeer &p) { p.send(good, 0xc2); },
		[&](BadPeer &p) {
			Header h = good;
			h.payload_length = wire::LNET_MTU + 1;
			p.send(h);
		},
		[&](BadPeer &p) {
			Header h = good;
			h.type = wire::MsgType::get;
			h.payload_length = 1;
			p.send(h);
		},
		[&](BadPeer &p) {
			Header h = good;
			h.type = wire::MsgType::hello;
			p.send(h);
		},
		[&](BadPeer &p) {
			Header h = good;
			h.dest.nid = *parse_nid("127.0.0.200@tcp");
			p.send(h);
		},
		[&](BadPeer &p) { p.noop(0, 5); },
		[&](BadPeer &p) { p.noop(2, ~0ull); },
	};
	for (std::size_t i = 0; i < crimes.size(); i++) {
		BadPeer p(dial(*a), a->nid);
		crimes[i](p);
		drain(p.fd);
		still_works();
	}
	EXPECT_GE(a->lnd->stats.protocol_errors.load(), crimes.size());
}

TEST_F(Socklnd, UnmatchedMessagesAreSkippedAndTheConnectionGoesOn)
{
	BadPeer p(dial(*a), a->nid);
	Header h{};
	h.dest = {a->nid};
	h.src = {*parse_nid("127.0.0.9@tcp")};
	h.type = wire::MsgType::put;
	h.payload_length = 10000;
	h.msg.put.ptl_index = 9;
	std::vector<char> body(10000, 'z');
	for (int i = 0; i < 3; i++) {
		p.send(h);
		ASSERT_EQ(write(p.fd, body.data(), body.size()), 10000);
	}
	h.msg.put.ptl_index = 64;
	p.send(h);
	ASSERT_EQ(write(p.fd, body.data(), body.size()), 10000);
	h.type = wire::MsgType::reply; // answers nothing
	p.send(h);
	ASSERT_EQ(write(p.fd, body.data(), body.size()), 10000);
	p.noop(0, 1); // keepalive
	h.type = wire::MsgType::get;
	h.payload_length = 0;
	h.msg.get = {};
	h.msg.get.ptl_index = wire::LNET_RESERVED_PORTAL;
	h.msg.get.match_bits = wire::LNET_PROTO_PING_MATCHBITS;
	h.msg.get.sink_length = 272;
	p.send(h);
	std::byte answer[24 + 72 + 48];
	EXPECT_EQ(recv(p.fd, answer, sizeof(answer), MSG_WAITALL),
		  static_cast<ssize_t>(sizeof(answer)));
	EXPECT_EQ(a->core->statistics().drop_count.load(), 5u);
}

TEST_F(Socklnd, HalfAMessageAndSilenceEndsAfterTheTimeout)
{
	BadPeer p(dial(*a), a->nid);
	wire::KsockMsgHeader k{};
	k.ksh_type = wire::KSOCK_MSG_LNET;
	ASSERT_EQ(write(p.fd, &k, 20), 20);
	drain(p.fd); // returns when the node closes
	EXPECT_GE(a->lnd->stats.timeouts.load(), 1u);
	still_works();
}

TEST_F(Socklnd, StreamThatEndsWithinAHeadIsClosedAtOnce)
{
	BadPeer p(dial(*a), a->nid);
	wire::KsockMsgHeader k{};
	k.ksh_type = wire::KSOCK_MSG_LNET;
	// Bytes and end travel in one segment: the node is told once.
	int one = 1;
	ASSERT_EQ(setsockopt(p.fd, IPPROTO_TCP, TCP_CORK, &one, sizeof(one)), 0);
	ASSERT_EQ(write(p.fd, &k, 20), 20);
	ASSERT_EQ(shutdown(p.fd, SHUT_WR), 0);
	drain(p.fd);
	EXPECT_EQ(a->lnd->stats.timeouts.load(), 0u);
	still_works();
}

TEST_F(Socklnd, ZeroCopyRequestsAreAcknowledgedOnce)
{
	BadPeer p(dial(*a), a->nid);
	Header h{};
	h.dest = {a->nid};
	h.src = {*parse_nid("127.0.0.9@tcp")};
	h.type = wire::MsgType::put;
	h.payload_length = 100;
	h.msg.put.ptl_index = 9; // dropped, and acknowledged all the same
	wire::KsockMsgHeader k{};
	k.ksh_type = wire::KSOCK_MSG_LNET;
	k.ksh_zc_cookies[0] = 2ull;
	auto w = to_wire4(h);
	char body[100] = {};
	ASSERT_EQ(write(p.fd, &k, sizeof(k)), static_cast<ssize_t>(sizeof(k)));
	ASSERT_EQ(write(p.fd, &w, sizeof(w)), static_cast<ssize_t>(sizeof(w)));
	ASSERT_EQ(write(p.fd, body, sizeof(body)), static_cast<ssize_t>(sizeof(body)));
	wire::KsockMsgHeader ack;
	ASSERT_EQ(recv(p.fd, &ack, sizeof(ack), MSG_WAITALL), static_cast<ssize_t>(sizeof(ack)));
	EXPECT_EQ(ack.ksh_type, wire::KSOCK_MSG_NOOP);
	EXPECT_EQ(ack.ksh_zc_cookies[0], 0u);
	EXPECT_EQ(ack.ksh_zc_cookies[1], 2u);
}

TEST_F(Socklnd, WrongChecksumIsNoticed)
{
	BadPeer p(dial(*a), a->nid);
	Header h{};
	h.dest = {a->nid};
	h.src = {*parse_nid("127.0.0.9@tcp")};
	h.type = wire::MsgType::put;
	h.payload_length = 100;
	h.msg.put.ptl_index = 9;
	char body[100] = {1, 2, 3};
	for (bool good : {true, false}) {
		wire::KsockMsgHeader k{};
		k.ksh_type = wire::KSOCK_MSG_LNET;
		auto w = to_wire4(h);
		std::uint32_t crc = cfs_crc32(~0u, &k, sizeof(k));
		crc = cfs_crc32(crc, &w, sizeof(w));
		crc = cfs_crc32(crc, body, sizeof(body));
		k.ksh_csum = good ? crc : crc + 1;
		ASSERT_EQ(write(p.fd, &k, sizeof(k)), static_cast<ssize_t>(sizeof(k)));
		ASSERT_EQ(write(p.fd, &w, sizeof(w)), static_cast<ssize_t>(sizeof(w)));
		ASSERT_EQ(write(p.fd, body, sizeof(body)), static_cast<ssize_t>(sizeof(body)));
		if (!good)
			drain(p.fd);
	}
	EXPECT_EQ(a->lnd->stats.checksum_errors.load(), 1u);
}

/// HELLOs of a stranger who is somewhere else; what the node answers.
TEST_F(Socklnd, UnprivilegedPeerSpeaksForItsOwnAddressOnly)
{
	int fd = dial(*a, 0x7f000008);
	std::byte buf[128];
	std::size_t n = sock::encode_acceptor_request(a->nid, buf);
	ASSERT_EQ(write(fd, buf, n), static_cast<ssize_t>(n));
	sock::Hello h;
	h.src = *parse_nid("127.0.0.9@tcp");
	h.dst = a->nid;
	h.src_incarnation = 77;
	n = sock::encode_hello(h, buf);
	ASSERT_EQ(write(fd, buf, n), static_cast<ssize_t>(n));
	ASSERT_EQ(recv(fd, buf, n, MSG_WAITALL), static_cast<ssize_t>(n));
	std::uint32_t addresses = 0;
	auto answer = sock::decode_hello(cfs::Bytes(buf, n), addresses);
	ASSERT_TRUE(answer);
	EXPECT_EQ(answer->type, wire::ConnType::none);
	close(fd);
}

TEST_F(Socklnd, PeerWhoDoesNotReadItsAcknowledgementsIsLeft)
{
	Tunables t = test_tunables(port);
	t.tx_buffer_size = 4096; // what the socket takes does not wait
	t.sock_timeout = 60;
	a.reset();
	a.emplace(0x7f000001, t);
	BadPeer p(dial(*a), a->nid);
	Header h{};
	h.dest = {a->nid};
	h.src = {*parse_nid("127.0.0.9@tcp")};
	h.type = wire::MsgType::put;
	h.msg.put.ptl_index = 9;
	struct {
		wire::KsockMsgHeader k{};
		wire::Header4 w;
	} m;
	m.k.ksh_type = wire::KSOCK_MSG_LNET;
	m.w = to_wire4(h);
	bool left = false;
	for (std::uint64_t i = 2; i < 100000 && !left; i++) {
		m.k.ksh_zc_cookies[0] = i;
		left = ::send(p.fd, &m, sizeof(m), MSG_NOSIGNAL) < 0;
	}
	EXPECT_TRUE(left);
	EXPECT_EQ(a->lnd->stats.timeouts.load(), 0u);
	still_works();
}

TEST_F(Socklnd, OnePeersStreamOfNoopsLeavesTurnsToOthers)
{
	Tunables t = test_tunables(port);
	t.nscheds = 1;
	a.reset();
	a.emplace(0x7f000001, t);
	BadPeer p(dial(*a), a->nid);
	std::atomic<bool> stop{false};
	std::thread flood([&] {
		std::vector<wire::KsockMsgHeader> many(1000);
		for (auto &k : many) {
			k = {};
			k.ksh_type = wire::KSOCK_MSG_NOOP;
			k.ksh_zc_cookies[1] = 1u;
		}
		while (!stop)
			(void)!::send(p.fd, many.data(), many.size() * sizeof(many[0]),
				      MSG_NOSIGNAL);
	});
	for (int i = 0; i < 5; i++)
		still_works();
	stop = true;
	flood.join();
}

TEST_F(Socklnd, PeersWithoutConnectionsAreForgotten)
{
	for (int i = 0; i < 20; i++) {
		Nid from = Nid::ipv4(make_net(LndType::tcp, 0),
				     0x7f000100u + static_cast<unsigned>(i));
		BadPeer p(dial(*a, from.addr4()), a->nid, from);
	}
	auto &ni = *a->lo->last;
	EXPECT_GE(ni.peer_count(), 1u);
	for (int i = 0; i < 100 && ni.peer_count() > 0; i++)
		usleep(100000);
	EXPECT_EQ(ni.peer_count(), 0u);
}

/// A listener on which the test plays a peer that nodes connect to.
class BadListener
{
public:
	int fd;
	Nid nid;
	BadListener(std::uint32_t addr, std::uint32_t port)
	    : fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)),
	      nid(Nid::ipv4(make_net(LndType::tcp, 0), addr))
	{
		sockaddr_in sa{};
		sa.sin_family = AF_INET;
		sa.sin_port = htons(static_cast<std::uint16_t>(port));
		sa.sin_addr.s_addr = htonl(addr);
		int one = 1;
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr *>(&sa), sizeof(sa)), 0);
		EXPECT_EQ(listen(fd, 100), 0);
	}
	~BadListener() { close(fd); }
	/// Accepts one connection, reads the HELLO, answers with `answer` and closes. The HELLO;
	/// nothing when nobody came within the time.
	std::optional<sock::Hello> refuse(std::uint32_t version, int ms)
	{
		timeval tv{ms / 1000, ms % 1000 * 1000};
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
		int c = accept(fd, nullptr, nullptr);
		if (c < 0)
			return std::nullopt;
		std::byte buf[128];
		EXPECT_EQ(recv(c, buf, sizeof(wire::AcceptorRequest1), MSG_WAITALL),
			  static_cast<ssize_t>(sizeof(wire::AcceptorRequest1)));
		EXPECT_EQ(recv(c, buf, 8, MSG_WAITALL), 8);
		std::size_t n = sock::hello_bytes(**cfs::view_at<cfs::le32>(cfs::Bytes(buf, 8), 4));
		EXPECT_EQ(recv(c, buf + 8, n - 8, MSG_WAITALL), static_cast<ssize_t>(n - 8));
		std::uint32_t addresses = 0;
		auto theirs = sock::decode_hello(cfs::Bytes(buf, n), addresses);
		EXPECT_TRUE(theirs);
		sock::Hello h;
		h.version = version == 0 ? (theirs->version == 3 ? 2 : 3) : version;
		h.src = nid;
		h.dst = theirs->src;
		h.src_incarnation = 5;
		h.type = wire::ConnType::none;
		n = sock::encode_hello(h, buf);
		EXPECT_EQ(write(c, buf, n), static_cast<ssize_t>(n));
		close(c);
		return *theirs;
	}
};

TEST_F(Socklnd, PeerThatGoesOnChangingItsVersionIsLeftAlone)
{
	BadListener l(0x7f00000a, port);
	std::byte x{};
	Waiter src;
	auto h = source(*a, src, {&x, 1}, 1);
	ASSERT_TRUE(a->core->put(Nid{}, h, false, {l.nid}, 4, 7, 0, 0));
	int attempts = 0;
	while (attempts < 50 && l.refuse(0, 1000))
		attempts++;
	EXPECT_LT(attempts, 10);
	ASSERT_TRUE(src.wait_unlinked(1));
	EXPECT_EQ(src.events[0].status, cfs::err::PROTO);
}

class SocklndLife : public LnetTest
{
};

TEST_F(SocklndLife, UpAndDownAgainAndAgainLeavesNothing)
{
	std::uint32_t port = fresh_port();
	int cycles = getenv("LNET_TEST_CYCLES") ? atoi(getenv("LNET_TEST_CYCLES")) : 200;
	for (int i = 0; i < cycles; i++)
		Node n(0x7f000003, test_tunables(port));
}

} // namespace
