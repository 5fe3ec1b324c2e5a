// SPDX-License-Identifier: GPL-2.0
//
// Simulated disks and what crashes leave of them.
#include <gtest/gtest.h>

#include <array>
#include <set>
#include <vector>

#include "libcfs/sim/disk.hpp"
#include "libcfs/sim/gtest.hpp"

namespace
{

using namespace cfs::sim;

constexpr std::size_t kSector = 512;

std::vector<std::byte> filled(unsigned char v, std::size_t sectors = 1)
{
	return std::vector<std::byte>(sectors * kSector, std::byte{v});
}

/// The first byte of each sector.
std::vector<int> contents(Disk &d, std::size_t sectors)
{
	std::vector<std::byte> all(sectors * kSector);
	EXPECT_TRUE(d.read(0, all));
	std::vector<int> out;
	for (std::size_t i = 0; i < sectors; i++) {
		out.push_back(static_cast<int>(all[i * kSector]));
		EXPECT_EQ(all[i * kSector], all[(i + 1) * kSector - 1]) << "a torn sector";
	}
	return out;
}

/// Writes, crashes, and says what was left of `sectors` sectors.
std::vector<int> after_crash(std::uint64_t seed, CrashPolicy policy, std::size_t sectors,
			     const std::function<void(Disk &)> &writes)
{
	std::vector<int> left;
	World w(seed);
	DiskOptions o;
	o.crash_policy = policy;
	Disk &d = w.add_disk("d", o);
	Node &n = w.add_node("n");
	n.attach(d);
	n.start([&] {
		writes(d);
		wait_stop();
	});
	w.spawn("script", [&] {
		sleep_for(kSecond);
		n.crash();
		left = contents(d, sectors);
	});
	EXPECT_TRUE(w.run().ok()) << w.outcome().report;
	return left;
}

TEST(SimDisk, ReadsSeeTheNewestWrite)
{
	run_seeds(20, [](World &w) {
		Disk &d = w.add_disk("d", {});
		w.add_node("n").start([&d] {
			EXPECT_EQ(contents(d, 2), (std::vector<int>{0, 0}));
			EXPECT_TRUE(d.write(kSector, filled(1)));
			EXPECT_EQ(contents(d, 2), (std::vector<int>{0, 1}));
			EXPECT_TRUE(d.flush());
			EXPECT_TRUE(d.write(0, filled(2, 2)));
			EXPECT_EQ(contents(d, 2), (std::vector<int>{2, 2}));
			EXPECT_EQ(d.dirty_sectors(), 2u);
			EXPECT_TRUE(d.flush());
			EXPECT_EQ(d.dirty_sectors(), 0u);
			EXPECT_EQ(contents(d, 2), (std::vector<int>{2, 2}));
		});
	});
}

TEST(SimDisk, RefusesWhatIsNotWholeSectorsOrOutside)
{
	run_seeds(1, [](World &w) {
		DiskOptions o;
		o.sectors = 10;
		Disk &d = w.add_disk("d", o);
		w.add_node("n").start([&d] {
			std::vector<std::byte> odd(100);
			EXPECT_EQ(d.write(0, odd).error(), cfs::err::INVAL);
			EXPECT_EQ(d.write(100, filled(1)).error(), cfs::err::INVAL);
			EXPECT_EQ(d.write(9 * kSector, filled(1, 2)).error(), cfs::err::NOSPC);
			auto to = filled(1, 2);
			EXPECT_EQ(d.read(9 * kSector, to).error(), cfs::err::INVAL);
			d.fail_next(1);
			EXPECT_EQ(d.flush().error(), cfs::err::IO);
			EXPECT_TRUE(d.flush());
		});
	});
}

TEST(SimDisk, WhatWasFlushedSurvivesEveryCrash)
{
	for (std::uint64_t seed = 1; seed <= 50; seed++)
		EXPECT_EQ(after_crash(seed, CrashPolicy::any, 3,
				      [](Disk &d) {
					      EXPECT_TRUE(d.write(0, filled(7, 3)));
					      EXPECT_TRUE(d.flush());
				      }),
			  (std::vector<int>{7, 7, 7}));
}

TEST(SimDisk, EachPolicyLeavesWhatItSays)
{
	auto two_writes = [](Disk &d) {
		EXPECT_TRUE(d.write(0, filled(1, 2)));
		EXPECT_TRUE(d.write(0, filled(2, 2)));
	};
	std::set<std::vector<int>> writes;
	std::set<std::vector<int>> sectors;
	for (std::uint64_t seed = 1; seed <= 100; seed++) {
		EXPECT_EQ(after_crash(seed, CrashPolicy::lose_all, 2, two_writes),
			  (std::vector<int>{0, 0}));
		EXPECT_EQ(after_crash(seed, CrashPolicy::keep_all, 2, two_writes),
			  (std::vector<int>{2, 2}));
		writes.insert(after_crash(seed, CrashPolicy::writes, 2, two_writes));
		sectors.insert(after_crash(seed, CrashPolicy::sectors, 2, two_writes));
	}
	EXPECT_EQ(writes, (std::set<std::vector<int>>{{0, 0}, {1, 1}, {2, 2}}));
	EXPECT_EQ(sectors.size(), 9u) << "each sector has any of three versions";
}

TEST(SimDisk, AFlushUnderWayHasPromisedNothing)
{
	std::set<std::vector<int>> seen;
	for (std::uint64_t seed = 1; seed <= 50; seed++) {
		std::vector<int> left;
		World w(seed);
		DiskOptions o;
		o.crash_policy = CrashPolicy::lose_all;
		o.flush_min = o.flush_max = 10 * kSecond;
		Disk &d = w.add_disk("d", o);
		Node &n = w.add_node("n");
		n.attach(d);
		n.start([&d] {
			EXPECT_TRUE(d.write(0, filled(1)));
			(void)d.flush();
			ADD_FAILURE() << "the flush ended";
		});
		w.spawn("script", [&] {
			sleep_for(5 * kSecond);
			n.crash();
			sleep_for(60 * kSecond);
			left = contents(d, 1);
		});
		EXPECT_TRUE(w.run().ok()) << w.outcome().report;
		seen.insert(left);
	}
	EXPECT_EQ(seen, (std::set<std::vector<int>>{{0}}));
}

} // namespace
