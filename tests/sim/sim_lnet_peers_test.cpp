// SPDX-License-Identifier: GPL-2.0
//
// What nodes learn of each other: discovery, push, primary NIDs; and what they do with several
// interfaces when one fails.

#include "libcfs/sim/gtest.hpp"
#include "libcfs/sim/net.hpp"
#include "lnet/load.hpp"
#include "tests/sim/lnet_traffic.hpp"

namespace
{

using namespace cfs::sim;
using namespace lnet_traffic;
using lnet::sim::nid_of;

const lnet::Net kTcp = make_net(LndType::tcp, 0);

constexpr unsigned kSeeds = 12;

lnet::sim::NodeConfig two_rails()
{
	lnet::sim::NodeConfig c;
	c.networks = "tcp(eth0,eth1)";
	return c;
}

cfs::Instant within(std::int64_t seconds)
{
	return cfs::after(cfs::Duration::seconds(seconds));
}

/// The peers of the calling node by NID.
std::map<std::string, PeerNiInfo> peers_of(Control &c)
{
	struct All final : Listing<PeerNiInfo> {
		std::map<std::string, PeerNiInfo> out;
		bool entry(const PeerNiInfo &i) noexcept override
		{
			char text[64];
			out[std::string(cfs::format_to(text, "{}", i.nid))] = i;
			return true;
		}
	} all;
	EXPECT_TRUE(c.list_peers(all));
	return all.out;
}

std::string name_of(const Nid &nid)
{
	char text[64];
	return std::string(cfs::format_to(text, "{}", nid));
}

/// Waits up to a minute for something to become true.
template <typename Pred>
void expect_soon(Pred pred, const char *what)
{
	for (int i = 0; i < 600 && !pred(); i++)
		sleep_for(100 * kMillisecond);
	this_world().check(pred(), what);
}

/// Until every node has booted.
void settle()
{
	sleep_for(10 * kSecond);
}

/// Keeps nodes up until all have got somewhere.
struct Meeting {
	unsigned want, there = 0;
	void wait()
	{
		there++;
		while (there < want)
			sleep_for(100 * kMillisecond);
	}
};

TEST(SimLnetPeers, DiscoveryGroupsTheNidsOfANode)
{
	run_seeds(30, [](World &w) {
		auto nodes = lnet::sim::add_nodes(w, 2);
		auto end = std::make_shared<Meeting>(2);
		Nid b0 = nid_of(*nodes[1]), b1 = nid_of(*nodes[1], kTcp, 1);
		auto main = [=](Network &net) {
			if (&this_node() == nodes[0]) {
				settle();
				auto &c = lnet::sim::control();
				auto primary = c.discover(b1, false, within(60));
				EXPECT_TRUE(primary);
				EXPECT_EQ(*primary, b0);
				EXPECT_EQ(net.primary_nid(b1), b0);
				auto peers = peers_of(c);
				EXPECT_TRUE(peers[name_of(b0)].multi_rail);
				EXPECT_EQ(peers[name_of(b1)].primary, b0);
			} else {
				// The push tells this side without a ping of its own.
				auto &c = lnet::sim::control();
				expect_soon(
					[&] {
						auto p = peers_of(c);
						return p[name_of(nid_of(*nodes[0], kTcp, 1))]
							       .primary == nid_of(*nodes[0]);
					},
					"a push did not teach the other side");
			}
			end->wait();
		};
		for (Node *n : nodes)
			lnet::sim::start(*n, main, two_rails());
	});
}

TEST(SimLnetPeers, ANewInterfaceIsPushedToThoseWhoKnowTheOldList)
{
	run_seeds(20, [](World &w) {
		auto nodes = lnet::sim::add_nodes(w, 2);
		auto end = std::make_shared<Meeting>(2);
		auto known = std::make_shared<bool>(false);
		lnet::sim::start(*nodes[0], [=](Network &) {
			settle();
			auto &c = lnet::sim::control();
			EXPECT_TRUE(c.discover(nid_of(*nodes[1]), false, within(60)));
			*known = true;
			expect_soon(
				[&] {
					auto p = peers_of(c);
					return p[name_of(nid_of(*nodes[1], kTcp, 1))].primary ==
					       nid_of(*nodes[1]);
				},
				"a new interface was not pushed");
			EXPECT_TRUE(c.ping({nid_of(*nodes[1], kTcp, 1)}, Nid{}, within(60)));
			end->wait();
		});
		lnet::sim::start(*nodes[1], [=](Network &) {
			while (!*known)
				sleep_for(100 * kMillisecond);
			EXPECT_TRUE(lnet::sim::control().add_ni(kTcp, "eth1"));
			end->wait();
		});
	});
}

TEST(SimLnetPeers, WithDiscoveryOffEachNidIsItsOwnPeer)
{
	run_seeds(10, [](World &w) {
		auto nodes = lnet::sim::add_nodes(w, 2);
		auto end = std::make_shared<Meeting>(2);
		lnet::sim::start(
			*nodes[0],
			[=](Network &net) {
				settle();
				auto &c = lnet::sim::control();
				Settings s = c.settings();
				s.discovery = false;
				EXPECT_TRUE(c.set_settings(s));
				auto info = c.ping({nid_of(*nodes[1])}, Nid{}, within(60));
				EXPECT_TRUE(info);
				EXPECT_EQ(info->features, 0x1eu);
				info = c.ping({nid_of(*nodes[0])}, Nid{}, within(60));
				EXPECT_TRUE(info);
				EXPECT_EQ(info->features, 0x0eu);
				Nid b1 = nid_of(*nodes[1], kTcp, 1);
				EXPECT_EQ(net.primary_nid(b1), b1);
				end->wait();
			},
			two_rails());
		lnet::sim::start(*nodes[1], [=](Network &) { end->wait(); }, two_rails());
	});
}

TEST(SimLnetPeers, TheFirstNidOfAServerStaysItsPrimary)
{
	run_seeds(20, [](World &w) {
		auto nodes = lnet::sim::add_nodes(w, 2);
		auto end = std::make_shared<Meeting>(2);
		lnet::sim::start(
			*nodes[0],
			[=](Network &net) {
				settle();
				// The server itself would name them the other way round.
				Nid list[] = {nid_of(*nodes[1], kTcp, 1), nid_of(*nodes[1])};
				EXPECT_TRUE(net.add_peer(list));
				EXPECT_EQ(net.primary_nid(list[0]), list[0]);
				expect_soon([&] { return net.primary_nid(list[1]) == list[0]; },
					    "the NIDs of a server were not grouped");
				end->wait();
			},
			two_rails());
		lnet::sim::start(*nodes[1], [=](Network &) { end->wait(); }, two_rails());
	});
}

TEST(SimLnetPeers, SilenceEndsADiscovery)
{
	run_seeds(10, [](World &w) {
		auto nodes = lnet::sim::add_nodes(w, 2);
		lnet::sim::start(*nodes[0], [=](Network &) {
			auto r = lnet::sim::control().discover(nid_of(*nodes[1]), false,
							       cfs::Instant::never());
			EXPECT_FALSE(r);
		});
		w.net().partition(*nodes[0], *nodes[1]);
	});
}

TEST(SimLnetPeers, AMissingResponseUnlinksItsMd)
{
	run_seeds(10, [](World &w) {
		auto nodes = lnet::sim::add_nodes(w, 2);
		auto end = std::make_shared<Meeting>(2);
		lnet::sim::start(*nodes[0], [=](Network &net) {
			settle();
			auto book = std::make_shared<Book>();
			auto mem = cfs::Array<std::byte>::make(CFS_S_LNET, 100);
			auto m = cfs::try_make<Memo>(*book, std::move(*mem));
			MdSpec md;
			md.buffer = (*m)->buffer();
			md.threshold = 2;
			md.handler = m->get();
			auto h = net.bind(md);
			// Nobody has attached anything there: it is dropped.
			EXPECT_TRUE(net.get(Nid{}, *h, {nid_of(*nodes[1])}, 9, 1, 0));
			EXPECT_TRUE((*m)->over.wait(cfs::WaitMode::idle, within(200)));
			EXPECT_EQ((*m)->last_status, cfs::err::TIMEDOUT);
			EXPECT_EQ(lnet::sim::control().stats().response_timeout_count, 1u);
			end->wait();
		});
		lnet::sim::start(*nodes[1], [=](Network &) { end->wait(); });
	});
}

/// Attaches memory for everybody's PUTs.
cfs::UniquePtr<Memo> offer_memory(Network &net, Book &book, MdHandle &h)
{
	auto m = cfs::try_make<Memo>(book, std::move(*cfs::Array<std::byte>::make(CFS_S_LNET, 64)));
	MatchSpec match;
	match.portal = kPutPortal;
	match.ignore_bits = ~0ull;
	MdSpec md;
	md.buffer = (*m)->buffer();
	md.threshold = LNET_MD_THRESH_INF;
	md.options = LNET_MD_OP_PUT | LNET_MD_MANAGE_REMOTE;
	md.handler = m->get();
	h = *net.attach(match, md);
	return std::move(*m);
}

/// Whether a PUT is acknowledged within `seconds`.
bool put_is_answered(Network &net, Book &book, const Nid &to, std::int64_t seconds)
{
	auto m = cfs::try_make<Memo>(book, std::move(*cfs::Array<std::byte>::make(CFS_S_LNET, 64)));
	MdSpec md;
	md.buffer = (*m)->buffer();
	md.threshold = 2;
	md.handler = m->get();
	auto h = *net.bind(md);
	auto id = book.next_id++;
	(void)net.put(Nid{}, h, true, {to}, kPutPortal, 0, 0, id);
	(void)(*m)->over.wait(cfs::WaitMode::idle, within(seconds));
	bool answered = (*m)->answered;
	(void)net.unlink(h);
	(void)(*m)->over.wait(cfs::WaitMode::idle, within(600));
	return answered;
}

// Connections to its earlier life are still there, and what goes into them is lost: also what
// discovery says, for which everything else waits.
TEST(SimLnetPeers, APeerThatCameBackIsReachedSoon)
{
	run_seeds(40, [](World &w) {
		auto nodes = lnet::sim::add_nodes(w, 2);
		auto end = std::make_shared<Meeting>(2);
		auto book = std::make_shared<Book>();
		auto life = std::make_shared<unsigned>(0);
		Node *stays = nodes[0], *goes = nodes[1];
		lnet::sim::start(
			*stays,
			[=](Network &net) {
				MdHandle h;
				auto memory = offer_memory(net, *book, h);
				settle();
				for (unsigned i = 0; i < 4; i++) // over all pairs of interfaces
					EXPECT_TRUE(lnet::sim::control().ping(
						{nid_of(*goes, kTcp, i % 2)},
						nid_of(*stays, kTcp, i / 2), within(60)));
				*life = 1;
				while (*life < 3)
					sleep_for(100 * kMillisecond);
				sleep_for(kSecond);
				bool ok = put_is_answered(net, *book, nid_of(*goes), 100);
				this_world().check(ok, "a peer that came back is not reached");
				end->wait();
				(void)net.unlink(h);
				(void)memory->over.wait(cfs::WaitMode::idle, within(600));
			},
			two_rails());
		lnet::sim::start(
			*goes,
			[=](Network &net) {
				MdHandle h;
				auto memory = offer_memory(net, *book, h);
				if (*life == 1) {
					*life = 3;
					auto eth =
						static_cast<unsigned>(this_world().rng().below(2));
					(void)put_is_answered(net, *book, nid_of(*stays, kTcp, eth),
							      5);
					end->wait();
				} else {
					wait_stop();
				}
				(void)net.unlink(h);
				(void)memory->over.wait(cfs::WaitMode::idle, within(600));
			},
			two_rails());
		w.spawn("script", [goes, life] {
			while (*life < 1)
				sleep_for(100 * kMillisecond);
			goes->crash(CrashKind::power);
			sleep_for(this_world().rng().between(kSecond, 9 * kSecond));
			goes->restart();
		});
	});
}

// ---- several rails ----

TEST(SimLnetPeers, TrafficSurvivesTheLossOfARail)
{
	run_seeds(kSeeds, [](World &w) {
		std::vector<Member> members;
		auto nodes = lnet::sim::add_nodes(w, 2);
		for (Node *n : nodes)
			members.push_back({n, nid_of(*n), two_rails()});
		storm(w, members, {});
		w.spawn("cables", [nodes] {
			auto &rng = this_world().rng();
			for (int i = 0; i < 6; i++) {
				sleep_for(rng.between(kSecond, 5 * kSecond));
				Node &n = *nodes[rng.below(2)];
				auto eth = static_cast<unsigned>(rng.below(2));
				lnet::sim::set_interface(n, eth, false);
				sleep_for(rng.between(kSecond, 5 * kSecond));
				lnet::sim::set_interface(n, eth, true);
			}
		});
	});
}

/// Some messages: how many of them failed.
std::uint64_t failures(Network &net, const Nid &to)
{
	LoadSpec load;
	load.target = {to};
	load.size = 4096;
	load.concurrency = 4;
	load.time = cfs::Duration::millis(20);
	auto r = run_load(static_cast<Core &>(net).node(), net, load);
	EXPECT_TRUE(r);
	EXPECT_TRUE(r->messages > 0 || r->failed > 0);
	return r->failed;
}

TEST(SimLnetPeers, ARailOfAGatewayStaysDownAndItsTrafficGoesOn)
{
	run_seeds(kSeeds, [](World &w) {
		auto nodes = lnet::sim::add_nodes(w, 2);
		auto end = std::make_shared<Meeting>(2);
		auto setup = [] {
			auto &c = lnet::sim::control();
			Settings s = c.settings();
			s.router_check_interval = 4;
			s.router_ping_timeout = 4;
			s.transaction_timeout = 30;
			EXPECT_TRUE(c.set_settings(s));
		};
		lnet::sim::NodeConfig near, gateway;
		near.networks = "tcp(eth0),tcp1(eth1)";
		gateway.networks = "tcp(eth0),tcp1(eth1),tcp2(eth2)";
		Nid gw = nid_of(*nodes[1]);
		unsigned eth = static_cast<unsigned>(w.rng().below(2));
		Node *loser = nodes[w.rng().below(2)];
		lnet::sim::start(
			*nodes[0],
			[=](Network &net) {
				setup();
				auto &c = lnet::sim::control();
				EXPECT_TRUE(c.add_route(
					{.net = make_net(LndType::tcp, 2), .gateway = gw}));
				settle();
				EXPECT_EQ(failures(net, gw), 0u);
				sleep_for(this_world().rng().below(10 * kSecond));
				lnet::sim::set_interface(*loser, eth, false);
				// What was under way on it is lost, and until then, what follows.
				(void)failures(net, gw);
				sleep_for(40 * kSecond);
				for (int i = 0; i < 40; i++) {
					EXPECT_EQ(failures(net, gw), 0u);
					sleep_for(this_world().rng().below(3 * kSecond));
				}
				end->wait();
			},
			near);
		lnet::sim::start(
			*nodes[1],
			[=](Network &net) {
				setup();
				auto &c = lnet::sim::control();
				EXPECT_TRUE(c.set_router_buffers(6, 6, 2)); // not gigabytes
				EXPECT_TRUE(c.set_routing(true));
				auto sink = LoadSink::make(net);
				EXPECT_TRUE(sink);
				end->wait();
			},
			gateway);
	});
}

TEST(SimLnetPeers, SeveralRailsSurviveEverything)
{
	run_seeds(kSeeds, [](World &w) {
		std::vector<Member> members;
		for (Node *n : lnet::sim::add_nodes(w, 3))
			members.push_back({n, nid_of(*n), two_rails()});
		FaultPlan plan;
		plan.crash_every = 12 * kSecond;
		plan.partition_every = 12 * kSecond;
		plan.reset_every = 4 * kSecond;
		storm(w, members, plan);
	});
}

} // namespace
