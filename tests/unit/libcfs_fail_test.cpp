// SPDX-License-Identifier: GPL-2.0
//
// Fail points (spec 08 section 12).
#include <atomic>
#include <thread>

#include "libcfs/fail.hpp"
#include "tests/unit/libcfs_machine.hpp"

using namespace cfs;

namespace
{

constexpr std::uint32_t kHere = 0x119;
constexpr std::uint32_t kElsewhere = 0x11a;

class Fail : public MachineTest
{
protected:
	/// How often the point is hit in n visits, as a string of 0 and 1.
	static std::string visits(unsigned n, std::uint32_t id = kHere)
	{
		std::string s;
		while (n-- > 0)
			s += fail_check(id) ? '1' : '0';
		return s;
	}
	void arm(const std::string &loc, const std::string &val = "0")
	{
		EXPECT_EQ(set("fail_val", val), 0);
		EXPECT_EQ(set("fail_loc", loc), 0);
	}
	static std::uint64_t loc() { return machine().fail.loc(); }
};

TEST_F(Fail, PlainPointsFailEveryTime)
{
	EXPECT_EQ(visits(3), "000");
	arm("0x119");
	EXPECT_EQ(visits(3), "111");
	EXPECT_EQ(visits(3, kElsewhere), "000");
	EXPECT_EQ(loc(), 0x119u | kFailFailed);
	arm("0");
	EXPECT_EQ(visits(3), "000");
}

TEST_F(Fail, AHitIsAnnounced)
{
	arm("0x119", "7");
	EXPECT_TRUE(fail_check_value(kHere, 7));
	EXPECT_EQ(console(), (std::vector<std::string>{"Lustre: *** cfs_fail_loc=119, val=7***"}));
}

TEST_F(Fail, OnceFailsOnceUntilWrittenAgain)
{
	arm("0x80000119");
	EXPECT_EQ(visits(4), "1000");
	EXPECT_EQ(get("fail_loc"), std::to_string(0x119u | kFailOnce | kFailFailed) + "\n");
	arm("0x80000119");
	EXPECT_EQ(visits(4), "1000");
}

TEST_F(Fail, SkipSparesTheFirstVisits)
{
	arm("0x20000119", "3");
	EXPECT_EQ(visits(6), "000111");
	arm("0xa0000119", "2"); // and then once
	EXPECT_EQ(visits(6), "001000");
}

TEST_F(Fail, SomeFailsSoManyTimes)
{
	arm("0x10000119", "3");
	EXPECT_EQ(visits(6), "111000");
	arm("0x90000119", "3"); // once is stronger
	EXPECT_EQ(visits(6), "100000");
}

TEST_F(Fail, RandomFailsNowAndThen)
{
	arm("0x8000119", "4");
	auto s = visits(4000);
	auto hits = std::count(s.begin(), s.end(), '1');
	EXPECT_GT(hits, 700);
	EXPECT_LT(hits, 1300);
	arm("0x8000119", "1");
	EXPECT_EQ(visits(3), "111");
	arm("0x8000119", "0");
	EXPECT_EQ(visits(3), "000");
}

TEST_F(Fail, ValuesMustMatch)
{
	arm("0x119", "36");
	EXPECT_FALSE(fail_check_value(kHere, 35));
	EXPECT_TRUE(fail_check_value(kHere, 36));
	arm("0x119", "4294967295");
	EXPECT_TRUE(fail_check_value(kHere, 35));
	// A mismatch does not use up a single shot.
	arm("0", "36");
	arm("0x80000119", "36");
	EXPECT_FALSE(fail_check_value(kHere, 1));
	EXPECT_TRUE(fail_check_value(kHere, 36));
	EXPECT_FALSE(fail_check_value(kHere, 36));
}

TEST_F(Fail, PointsCanChain)
{
	arm("0x119");
	EXPECT_TRUE(fail_check_set(kHere, kFailOnce | kElsewhere));
	EXPECT_EQ(loc(), kFailOnce | kElsewhere);
	EXPECT_EQ(visits(2, kHere), "00");
	EXPECT_EQ(visits(2, kElsewhere), "10");
	arm("0x119");
	EXPECT_TRUE(fail_check_orset(kHere, kFailOnce | 0xffff));
	EXPECT_EQ(loc(), kFailOnce | kFailFailed | kHere);
	EXPECT_EQ(visits(2), "00");
}

TEST_F(Fail, FamiliesMatchByTheirBit)
{
	arm("0x2000001");
	EXPECT_EQ(visits(1, kFailFamily | 0x999), "1");
	EXPECT_EQ(visits(1, 0x999), "0");
}

TEST_F(Fail, TimeoutsEndWhenDisarmed)
{
	EXPECT_FALSE(fail_timeout(kHere));
	arm("0x119", "3600");
	std::atomic<bool> hit{false};
	std::thread sleeper([&] { hit = fail_timeout(kHere); });
	while (console().empty())
		std::this_thread::yield();
	arm("0");
	sleeper.join();
	EXPECT_TRUE(hit);
	arm("0x119", "3600");
	EXPECT_TRUE(fail_timeout(kHere, Duration::millis(1)));
}

TEST_F(Fail, RacesLetTheSecondWakeTheFirst)
{
	arm("0x80000119");
	std::thread first([] { fail_race(kHere); });
	auto sleeping = [&] {
		for (auto &l : console())
			if (l.find("sleeping") != std::string::npos)
				return true;
		return false;
	};
	while (!sleeping())
		std::this_thread::yield();
	fail_race(kElsewhere); // no one's business
	fail_race(kHere);
	first.join();
}

TEST_F(Fail, RacesEndWhenFailLocChanges)
{
	arm("0x80000119");
	std::thread first([] { fail_race(kHere); });
	while (!(loc() & kFailFailed))
		std::this_thread::yield();
	arm("0x80000999");
	first.join();
}

TEST_F(Fail, OnlyOneOfManyThreadsGetsASingleShot)
{
	arm("0x80000119");
	std::atomic<int> hits{0};
	std::vector<std::thread> threads;
	for (int t = 0; t < 4; t++)
		threads.emplace_back([&] {
			for (int i = 0; i < 1000; i++)
				hits += fail_check(kHere) ? 1 : 0;
		});
	for (auto &t : threads)
		t.join();
	EXPECT_EQ(hits, 1);
}

} // namespace
