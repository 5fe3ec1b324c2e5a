// SPDX-License-Identifier: GPL-2.0
// Grants (spec 05 section 8): numbers seen on stock servers, and sums that hold whatever clients
// say.
#include <gtest/gtest.h>

#include <deque>
#include <random>
#include <vector>

#include "ost/grant.hpp"

namespace
{

using ost::ClientGrant;
using ost::GrantRange;
using ost::Grants;
using ost::WriteGrant;

constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kPlenty = 100ull << 30;

ClientGrant stock_client()
{
	ClientGrant c;
	c.params = true;
	c.brw_bytes = 4 * kMiB;
	return c;
}

wire::Obdo claim(std::uint64_t grant, std::uint32_t undirty, std::uint64_t dirty = 0,
		 std::uint32_t dropped = 0)
{
	wire::Obdo o{};
	o.valid = wire::OBD_MD_FLBLOCKS | wire::OBD_MD_FLGRANT;
	o.grant = grant;
	o.undirty() = undirty;
	o.dirty() = dirty;
	o.dropped() = dropped;
	return o;
}

TEST(OstGrant, FirstGrantIsTwoLargeWrites)
{
	Grants g({});
	ClientGrant c = stock_client();
	EXPECT_EQ(g.chunk(c), 8437760u);
	EXPECT_EQ(g.connect(c, 134217728, kPlenty, true), 8437760u);
	ClientGrant mdt = stock_client();
	mdt.brw_bytes = kMiB;
	EXPECT_EQ(g.connect(mdt, 134217728, kPlenty, true), 2146304u);
	g.release(c);
	g.release(mdt);
}

TEST(OstGrant, AReconnectKeepsWhatTheClientHolds)
{
	Grants g({});
	ClientGrant c = stock_client();
	EXPECT_EQ(g.connect(c, 28672, kPlenty, false), 28672u);
	EXPECT_EQ(g.connect(c, 100, kPlenty, false), 28672u);
	g.release(c);
}

TEST(OstGrant, AWriteUsesItsGrantUntilItIsCommitted)
{
	Grants g({});
	ClientGrant c = stock_client();
	(void)g.connect(c, 134217728, kPlenty, true);
	EXPECT_TRUE(g.incoming(c, claim(8437760, 187768832, 28672)));
	EXPECT_EQ(g.totals().dirty, 28672u);
	GrantRange r{0, 6, true};
	WriteGrant w;
	g.write(c, {&r, 1}, 28672, kPlenty, w);
	EXPECT_TRUE(r.covered);
	EXPECT_EQ(w.pending, 28672u);
	EXPECT_EQ(c.granted, 8437760u - 28672);
	EXPECT_EQ(g.totals().granted, 8437760u);
	EXPECT_EQ(g.totals().dirty, 0u);
	g.done(c, w, false);
	EXPECT_EQ(g.totals().granted, 8437760u - 28672);
	g.release(c);
}

TEST(OstGrant, AWriteWithoutGrantGetsSpaceIfThereIsAny)
{
	Grants g({});
	ClientGrant c = stock_client();
	GrantRange r{4000, 200, false};
	WriteGrant w;
	g.write(c, {&r, 1}, 0, kPlenty, w);
	EXPECT_TRUE(r.covered);
	EXPECT_EQ(w.pending, 2 * 4096u + 24576);
	g.done(c, w, false);
	r.covered = false;
	g.write(c, {&r, 1}, 0, 1000, w);
	EXPECT_FALSE(r.covered);
	EXPECT_EQ(w.pending, 0u);
	g.done(c, w, false);
	g.release(c);
}

TEST(OstGrant, AFailedWriteTakesBackWhatItsReplyWouldHaveGiven)
{
	Grants g({});
	ClientGrant c = stock_client();
	WriteGrant w;
	g.replenish(c, claim(0, 187768832), kPlenty, w);
	EXPECT_EQ(w.returned, 8437760u);
	g.done(c, w, true);
	EXPECT_EQ(g.totals().granted, 0u);
	g.release(c);
}

TEST(OstGrant, ShrinkingIsRefusedWhileThereIsPlentyOfSpace)
{
	Grants g({});
	ClientGrant c = stock_client();
	(void)g.connect(c, 134217728, kPlenty, false);
	EXPECT_FALSE(g.shrink(c, 33554432, kPlenty));
	EXPECT_TRUE(g.shrink(c, 33554432, 150 * kMiB));
	EXPECT_EQ(c.granted, 134217728u - 33554432);
	g.release(c);
}

/// Clients that say anything: sums hold, nothing is promised twice, nothing goes below zero.
TEST(OstGrant, SumsHoldWhateverClientsClaim)
{
	std::mt19937_64 random(11);
	auto any = [&] { return random() >> random() % 64; };
	for (int run = 0; run < 200; run++) {
		Grants g({});
		std::vector<ClientGrant> clients(3, stock_client());
		clients[2].params = false;
		std::deque<std::pair<std::size_t, WriteGrant>> open;
		std::uint64_t space = any() % (1ull << 40);
		for (int step = 0; step < 300; step++) {
			std::size_t k = random() % clients.size();
			ClientGrant &c = clients[k];
			WriteGrant w;
			GrantRange r[2] = {{any(),
					    static_cast<std::uint32_t>(1 + any() % (4 * kMiB)),
					    bool(random() % 2)},
					   {any(), 4096, bool(random() % 2)}};
			r[0].offset %= 1ull << 60;
			r[1].offset %= 1ull << 60;
			auto o = claim(any(), static_cast<std::uint32_t>(any()), any(),
				       static_cast<std::uint32_t>(any()));
			switch (random() % 6) {
			case 0:
				(void)g.connect(c, any(), space, random() % 2);
				break;
			case 1:
				(void)g.incoming(c, o);
				break;
			case 2:
				g.write(c, r, any(), space, w);
				g.replenish(c, o, space, w);
				open.emplace_back(k, w);
				break;
			case 3:
				(void)g.shrink(c, any(), space);
				break;
			case 4:
				if (!open.empty()) {
					g.done(clients[open[0].first], open[0].second,
					       random() % 2);
					open.pop_front();
				}
				break;
			case 5:
				g.release(c);
				break;
			}
			std::uint64_t granted = 0, dirty = 0, pending = 0;
			for (const ClientGrant &x : clients) {
				granted += x.granted + x.pending;
				dirty += x.dirty;
				pending += x.pending;
			}
			auto t = g.totals();
			ASSERT_EQ(t.granted, granted);
			ASSERT_EQ(t.dirty, dirty);
			ASSERT_EQ(t.pending, pending);
			ASSERT_LE(t.granted, space);
		}
		for (auto &[k, w] : open)
			g.done(clients[k], w, false);
		for (ClientGrant &c : clients)
			g.release(c);
	}
}

} // namespace
