// SPDX-License-Identifier: GPL-2.0
//
// What a client claims of an OST's grant for its dirty pages, and what it tells the server.
#include <gtest/gtest.h>

#include "client/osc_grant.hpp"
#include "libcfs/plat/core.h"

namespace
{

using namespace client;

constexpr u64 kPage = CFS_PAGE_SIZE;
constexpr GrantTerms kTerms{.tax = 6 * 4096, .extent_pages = 16384, .enabled = true};

class Grant : public testing::Test
{
protected:
	void SetUp() override { ASSERT_EQ(cfs_core_start(), 0); }
	void TearDown() override { cfs_core_stop(); }

	/// A page becomes dirty.
	bool dirty(u64 page)
	{
		u64 cost = map.cost(page, account.terms());
		if (cost == 0)
			return true;
		if (!account.take(cost))
			return false;
		return map.add(page, cost).has_value();
	}

	GrantAccount account;
	DirtyMap map;
};

TEST_F(Grant, AnExtentIsPaidOnceAndAPageOnce)
{
	account.connected(1 << 20, true, kTerms);
	EXPECT_EQ(map.cost(7, kTerms), kPage + kTerms.tax);
	ASSERT_TRUE(dirty(7));
	EXPECT_EQ(map.cost(7, kTerms), 0u);
	EXPECT_EQ(map.cost(8, kTerms), kPage);
	ASSERT_TRUE(dirty(8));
	EXPECT_EQ(account.avail(), (1u << 20) - 2 * kPage - kTerms.tax);
	EXPECT_EQ(account.dirty(), 2 * kPage + kTerms.tax);
	auto left = map.clear();
	EXPECT_EQ(left.first, account.dirty());
	account.give_back(left.first, left.second);
	EXPECT_EQ(account.avail(), 1u << 20);
}

TEST_F(Grant, AWriteTakesAlongWhatItsPagesHadClaimed)
{
	account.connected(1 << 20, true, kTerms);
	for (u64 i = 0; i < 256 - 64; i++)
		ASSERT_TRUE(dirty(i)) << i;
	u64 used = 0;
	for (u64 i = 0; i < 256 - 64; i++)
		used += map.take(i);
	EXPECT_EQ(used, 192 * kPage + kTerms.tax);
	EXPECT_EQ(map.count(), 0u);
	account.used(used, 192);
	EXPECT_EQ(account.dirty(), 0u);
	EXPECT_EQ(account.avail(), (1u << 20) - used);
	account.received(used);
	EXPECT_EQ(account.avail(), 1u << 20);
}

TEST_F(Grant, TheRestOfAnExtentPaysAgainWhenItGrows)
{
	account.connected(1 << 20, true, kTerms);
	ASSERT_TRUE(dirty(0) && dirty(1));
	u64 used = map.take(0);
	EXPECT_EQ(used, kPage + kTerms.tax);
	EXPECT_EQ(map.cost(2, kTerms), kPage + kTerms.tax);
	EXPECT_EQ(map.clean(1), kPage);
	EXPECT_EQ(map.clean(1), 0u);
}

TEST_F(Grant, WithoutGrantNothingBecomesDirty)
{
	account.connected(kPage, true, kTerms);
	EXPECT_FALSE(dirty(0));
	EXPECT_EQ(account.dirty(), 0u);
	account.received(kTerms.tax);
	EXPECT_TRUE(dirty(0));
	EXPECT_FALSE(dirty(1));
	auto left = map.clear();
	account.give_back(left.first, left.second);
}

TEST_F(Grant, TheDirtyLimitHolds)
{
	account.set_limit(3);
	account.connected(1 << 20, true, kTerms);
	EXPECT_TRUE(dirty(0) && dirty(1) && dirty(2));
	EXPECT_FALSE(dirty(3));
	EXPECT_FALSE(account.room_for(1));
	account.give_back(map.clean(1), 1);
	EXPECT_TRUE(dirty(3));
	auto left = map.clear();
	account.give_back(left.first, left.second);
}

TEST_F(Grant, AReconnectLeavesWhatIsDirty)
{
	account.connected(1 << 20, true, kTerms);
	ASSERT_TRUE(dirty(0));
	EXPECT_EQ(account.to_ask(1024), 1u << 20);
	account.connected(1 << 20, false, kTerms);
	EXPECT_EQ(account.avail() + account.dirty(), 1u << 20);
	auto left = map.clear();
	account.give_back(left.first, left.second);
	EXPECT_EQ(account.avail(), 1u << 20);
}

TEST_F(Grant, AnEvictionMakesOldClaimsWorthless)
{
	account.connected(1 << 20, true, kTerms);
	ASSERT_TRUE(dirty(0) && dirty(1));
	u64 in_flight = map.take(0);
	account.connected(1 << 19, true, kTerms);
	EXPECT_EQ(account.avail(), 1u << 19);
	EXPECT_EQ(account.dirty(), 0u);
	account.used(in_flight, 1);
	auto left = map.clear();
	account.give_back(left.first, left.second);
	EXPECT_EQ(account.avail(), 1u << 19);
	EXPECT_EQ(account.pages(), 0u);
}

TEST_F(Grant, WhatIsToldToTheServerIsAsStockClientsTell)
{
	// 05 8.3: dirty limit 179 MiB, three extents' tax.
	account.set_limit(u64{179} << 8);
	account.connected(8437760, true, kTerms);
	for (u64 i = 0; i < 256; i++)
		ASSERT_TRUE(dirty(i));
	u64 used = 0;
	for (u64 i = 0; i < 256; i++)
		used += map.take(i);
	EXPECT_EQ(used, 1073152u);
	wire::Obdo oa{};
	account.pack(oa, used, 1024, 8);
	EXPECT_EQ(oa.dirty().get(), 1073152u);
	EXPECT_EQ(oa.grant_used().get(), 1073152u);
	EXPECT_EQ(oa.grant.get(), 7364608u);
	EXPECT_EQ(oa.undirty().get(), 187768832u);
	EXPECT_EQ(oa.valid.get(), wire::OBD_MD_FLBLOCKS | wire::OBD_MD_FLGRANT);
	account.used(used, 256);
}

TEST_F(Grant, AServerWithoutGrantsIsToldNothing)
{
	account.connected(0, true, {});
	wire::Obdo oa{};
	account.pack(oa, 0, 1024, 8);
	EXPECT_EQ(oa.valid.get(), 0u);
	EXPECT_EQ(account.to_ask(16384), 134217728u);
}

} // namespace
