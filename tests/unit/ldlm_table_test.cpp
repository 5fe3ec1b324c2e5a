// SPDX-License-Identifier: GPL-2.0
//
// The rules of locks, alone: what is granted, what waits, who is asked back, how extents grow, how
// flocks merge. The random tests compare with a naive model of the same rules.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "lustre/ldlm/table.hpp"

namespace
{

using namespace ldlm;
namespace w = wire;

/// Empties every list of a Work as an owner does.
struct Done {
	std::vector<TableLock *> blocking, granted, born, dead;

	explicit Done(Work &work)
	{
		drain(work.blocking, blocking);
		drain(work.granted, granted);
		drain(work.born, born);
		drain(work.dead, dead);
	}
	template <typename L>
	static void drain(L &list, std::vector<TableLock *> &to)
	{
		while (!list.empty()) {
			to.push_back(&list.front());
			list.pop_front();
		}
	}
};

class LdlmTable : public ::testing::Test
{
protected:
	TableRules rules;
	std::vector<std::unique_ptr<TableLock>> locks;
	std::vector<std::unique_ptr<FlockPart>> parts;

	TableLock &make(Mode m, Policy p, u64 holder = 1, u64 flags = 0)
	{
		auto &l = *locks.emplace_back(std::make_unique<TableLock>());
		l.req_mode = m;
		l.policy = l.asked = p;
		l.holder = holder;
		l.flags = flags;
		return l;
	}
	TableLock &flock(Mode m, u64 owner, u64 start, u64 end, u64 flags = 0)
	{
		TableLock &l = make(m, FlockRange{start, end, owner, 1}, 1, flags);
		auto &f = *parts.emplace_back(std::make_unique<FlockPart>(l));
		f.spare = locks.emplace_back(std::make_unique<TableLock>()).get();
		l.flock = &f;
		l.hears_deadlock = true;
		return l;
	}
	static void clear(LockTable &t)
	{
		std::vector<TableLock *> all;
		(void)t.for_granted([&](TableLock &l) {
			all.push_back(&l);
			return true;
		});
		for (TableLock &l : t.waiting())
			all.push_back(&l);
		for (TableLock *l : all)
			t.remove(*l);
	}
	Verdict put(LockTable &t, TableLock &l)
	{
		Work work;
		Verdict v = t.enqueue(l, rules, false, work);
		last = std::make_unique<Done>(work);
		return v;
	}
	void take(LockTable &t, TableLock &l)
	{
		Work work;
		t.remove(l);
		t.reprocess(rules, work);
		last = std::make_unique<Done>(work);
	}
	std::unique_ptr<Done> last;
};

TEST(LdlmModes, CompatibilityIsTheMatrixOfTheSpec)
{
	const char *matrix[kModes] = {"000001000", "000011000", "001011001",
				      "000111000", "011111001", "111111111",
				      "000001100", "000001010", "001011001"};
	for (unsigned a = 0; a < kModes; a++)
		for (unsigned b = 0; b < kModes; b++) {
			EXPECT_EQ(compatible(mode_at(a), mode_at(b)), matrix[a][b] == '1')
				<< mode_name(mode_at(a)) << " " << mode_name(mode_at(b));
			EXPECT_EQ(matrix[a][b], matrix[b][a]);
		}
}

TEST(LdlmNames, ConfigurationLogsFillTheNameFromItsLowByte)
{
	EXPECT_EQ(ResName::of_config("lustre-client", 0)->name[0], 0x000065727473756cu);
	EXPECT_EQ(ResName::of_config("params", 3)->name[1], 3u);
	EXPECT_EQ(ResName::of_config("verylongname-x", 0).error(), cfs::err::INVAL);
}

TEST(LdlmNames, LegacyObjectsAndIdifsHaveOneName)
{
	w::OstId legacy{};
	legacy.oi.oi_id = 0x500000007;
	legacy.oi.oi_seq = 0;
	w::OstId idif{};
	idif.oi_fid = w::make_fid(0x100000000 | 3u << 16 | 5, 7);
	EXPECT_EQ(ResName::of_object(legacy), ResName::of_object(idif));
}

TEST(LdlmDesc, BadTypesModesAndIntervalsAreRefused)
{
	LockDesc d{LDLM_EXTENT, {}, LCK_PR, LCK_MODE_MIN, Policy::of_extent(0, 10)};
	EXPECT_TRUE(from_wire(to_wire(d)));
	d.req_mode = static_cast<Mode>(6);
	EXPECT_EQ(from_wire(to_wire(d)).error(), cfs::err::FAULT);
	d.req_mode = LCK_PR;
	d.policy.extent.start = 11;
	EXPECT_EQ(from_wire(to_wire(d)).error(), cfs::err::INVAL);
	d.type = static_cast<LockType>(14);
	EXPECT_EQ(from_wire(to_wire(d)).error(), cfs::err::FAULT);
}

// ---- extents ----

TEST_F(LdlmTable, TheFirstWriterGetsTheWholeFile)
{
	LockTable t(LDLM_EXTENT, nullptr);
	TableLock &a = make(LCK_PW, Policy::of_extent(4096, 8191));
	EXPECT_EQ(put(t, a), Verdict::granted);
	EXPECT_EQ(a.policy.extent, (Extent{0, kEof, 0}));
	clear(t);
}

TEST_F(LdlmTable, AWriterBehindAnotherIsQueuedAndGrantedAfterwards)
{
	LockTable t(LDLM_EXTENT, nullptr);
	TableLock &a = make(LCK_PW, Policy::of_extent(0, 4095), 1);
	TableLock &b = make(LCK_PW, Policy::of_extent(4096, 8191), 2, w::LDLM_FL_AST_DISCARD_DATA);
	EXPECT_EQ(put(t, a), Verdict::granted);
	EXPECT_EQ(put(t, b), Verdict::blocked_granted);
	ASSERT_EQ(last->blocking, std::vector{&a});
	EXPECT_TRUE(a.wanted.discard);
	EXPECT_EQ(a.wanted.policy.extent.start, 4096u);
	take(t, a);
	EXPECT_EQ(last->granted, std::vector{&b});
	EXPECT_EQ(b.granted_mode, LCK_PW);
	clear(t);
}

TEST_F(LdlmTable, NobodyIsAskedBackTwice)
{
	LockTable t(LDLM_EXTENT, nullptr);
	TableLock &a = make(LCK_PW, Policy::of_extent(0, kEof), 1);
	EXPECT_EQ(put(t, a), Verdict::granted);
	EXPECT_EQ(put(t, make(LCK_PR, Policy::of_extent(0, 4095), 2)), Verdict::blocked_granted);
	EXPECT_EQ(last->blocking.size(), 1u);
	EXPECT_EQ(put(t, make(LCK_PR, Policy::of_extent(0, 4095), 3)), Verdict::blocked_granted);
	EXPECT_EQ(last->blocking.size(), 0u);
	take(t, a);
	EXPECT_EQ(last->granted.size(), 2u); // readers together
	clear(t);
}

TEST_F(LdlmTable, NeighboursThatWaitTogetherDoNotGrowIntoEachOther)
{
	LockTable t(LDLM_EXTENT, nullptr);
	TableLock &a = make(LCK_PW, Policy::of_extent(0, kEof), 1);
	(void)put(t, a);
	std::vector<TableLock *> waiters;
	for (u64 i = 0; i < 20; i++) {
		waiters.push_back(
			&make(LCK_PW, Policy::of_extent(i << 20, ((i + 1) << 20) - 1), 2 + i));
		EXPECT_TRUE(is_blocked(put(t, *waiters.back())));
	}
	take(t, a);
	EXPECT_EQ(last->granted.size(), 20u);
	EXPECT_TRUE(last->blocking.empty());
	t.verify();
	clear(t);
}

TEST_F(LdlmTable, GrowthStopsBeforeTheNextHolderAndIsAlignedToTheRequest)
{
	LockTable t(LDLM_EXTENT, nullptr);
	TableLock &a = make(LCK_PW, Policy::of_extent(10 << 20, (11 << 20) - 1), 1,
			    w::LDLM_FL_NO_EXPANSION);
	EXPECT_EQ(put(t, a), Verdict::granted);
	EXPECT_EQ(a.policy.extent.start, 10u << 20);
	TableLock &b = make(LCK_PW, Policy::of_extent(1 << 20, (2 << 20) - 1), 2);
	EXPECT_EQ(put(t, b), Verdict::granted);
	EXPECT_EQ(b.policy.extent, (Extent{1 << 20, (10 << 20) - 1, 0}));
	clear(t);
}

TEST_F(LdlmTable, ManyWritersKeepGrowthSmall)
{
	LockTable t(LDLM_EXTENT, nullptr);
	for (u64 i = 0; i < 40; i++) {
		TableLock &l = make(LCK_PW, Policy::of_extent(i << 30, (i << 30) + 4095), i,
				    w::LDLM_FL_NO_EXPANSION);
		EXPECT_EQ(put(t, l), Verdict::granted);
	}
	TableLock &l = make(LCK_PW, Policy::of_extent(100ull << 30, (100ull << 30) + 4095), 99);
	EXPECT_EQ(put(t, l), Verdict::granted);
	EXPECT_EQ(l.policy.extent.start, 100ull << 30);
	EXPECT_EQ(l.policy.extent.end, (100ull << 30) + (32 << 20) - 1);
	clear(t);
}

TEST_F(LdlmTable, ARequestThatMayNotWaitIsRefusedAndAsksNobody)
{
	LockTable t(LDLM_EXTENT, nullptr);
	TableLock &a = make(LCK_PW, Policy::of_extent(0, kEof), 1);
	(void)put(t, a);
	EXPECT_EQ(put(t, make(LCK_PR, Policy::of_extent(0, 1), 2, w::LDLM_FL_BLOCK_NOWAIT)),
		  Verdict::refused);
	EXPECT_TRUE(last->blocking.empty());
	EXPECT_FALSE(a.asked_back);
	clear(t);
}

TEST_F(LdlmTable, GroupsShareByGidAndExcludeOthers)
{
	LockTable t(LDLM_EXTENT, nullptr);
	TableLock &a = make(LCK_GROUP, Policy::of_extent(0, kEof, 7), 1);
	TableLock &b = make(LCK_GROUP, Policy::of_extent(0, kEof, 7), 2);
	TableLock &c = make(LCK_GROUP, Policy::of_extent(0, kEof, 8), 3);
	TableLock &d = make(LCK_CR, Policy::of_extent(0, 10), 4);
	EXPECT_EQ(put(t, a), Verdict::granted);
	EXPECT_EQ(put(t, b), Verdict::granted);
	EXPECT_EQ(put(t, d), Verdict::blocked_granted);
	EXPECT_EQ(put(t, c), Verdict::blocked_granted);
	EXPECT_EQ(&t.waiting().front(), &c); // before those that are no group
	take(t, a);
	EXPECT_TRUE(last->granted.empty());
	take(t, b);
	EXPECT_EQ(last->granted, std::vector{&c});
	take(t, c);
	EXPECT_EQ(last->granted, std::vector{&d});
	clear(t);
}

// ---- inode bits ----

TEST_F(LdlmTable, DifferentBitsDoNotConflict)
{
	LockTable t(LDLM_IBITS, nullptr);
	TableLock &a = make(LCK_PR, Policy::of_bits(w::MDS_INODELOCK_LOOKUP));
	TableLock &b = make(LCK_PW, Policy::of_bits(w::MDS_INODELOCK_UPDATE), 2);
	TableLock &c =
		make(LCK_EX, Policy::of_bits(w::MDS_INODELOCK_LOOKUP | w::MDS_INODELOCK_UPDATE), 3);
	EXPECT_EQ(put(t, a), Verdict::granted);
	EXPECT_EQ(put(t, b), Verdict::granted);
	EXPECT_EQ(put(t, c), Verdict::blocked_granted);
	EXPECT_EQ(last->blocking.size(), 2u);
	clear(t);
}

TEST_F(LdlmTable, OptionalBitsAreTakenWhenFree)
{
	LockTable t(LDLM_IBITS, nullptr);
	TableLock &a = make(LCK_PW, Policy::of_bits(w::MDS_INODELOCK_UPDATE));
	TableLock &b = make(LCK_PR,
			    Policy::of_bits(w::MDS_INODELOCK_LOOKUP,
					    w::MDS_INODELOCK_UPDATE | w::MDS_INODELOCK_LAYOUT),
			    2);
	TableLock &c = make(LCK_PR, Policy::of_bits(0, w::MDS_INODELOCK_UPDATE), 3);
	EXPECT_EQ(put(t, a), Verdict::granted);
	EXPECT_EQ(put(t, b), Verdict::granted);
	EXPECT_EQ(b.policy.ibits.bits, w::MDS_INODELOCK_LOOKUP | w::MDS_INODELOCK_LAYOUT);
	EXPECT_FALSE(a.asked_back);
	EXPECT_EQ(put(t, c), Verdict::aborted);
	clear(t);
}

TEST_F(LdlmTable, AConvertThatLeavesAnotherWaiterIsAskedAgain)
{
	LockTable t(LDLM_IBITS, nullptr);
	TableLock &a = make(LCK_PR, Policy::of_bits(0x1b), 1);
	TableLock &u = make(LCK_PW, Policy::of_bits(w::MDS_INODELOCK_UPDATE), 2);
	TableLock &l = make(LCK_EX, Policy::of_bits(w::MDS_INODELOCK_LOOKUP), 3);
	EXPECT_EQ(put(t, a), Verdict::granted);
	EXPECT_EQ(put(t, u), Verdict::blocked_granted);
	EXPECT_EQ(last->blocking.size(), 1u);
	EXPECT_EQ(put(t, l), Verdict::blocked_granted);
	EXPECT_EQ(last->blocking.size(), 0u);
	Work work;
	t.keep_bits(a, 0x19);
	t.reprocess(rules, work);
	Done done(work);
	EXPECT_EQ(done.granted, std::vector{&u});
	EXPECT_EQ(done.blocking, std::vector{&a}); // for LOOKUP now
	EXPECT_EQ(a.wanted.policy.ibits.bits, w::MDS_INODELOCK_LOOKUP);
	clear(t);
}

TEST_F(LdlmTable, AWaiterHoldsBackThoseBehindForItsBitsOnly)
{
	LockTable t(LDLM_IBITS, nullptr);
	TableLock &a = make(LCK_PR, Policy::of_bits(w::MDS_INODELOCK_UPDATE), 1);
	TableLock &b = make(LCK_PW, Policy::of_bits(w::MDS_INODELOCK_UPDATE), 2);
	TableLock &c = make(LCK_PR, Policy::of_bits(w::MDS_INODELOCK_UPDATE), 3);
	TableLock &d = make(LCK_PR, Policy::of_bits(w::MDS_INODELOCK_LOOKUP), 4);
	EXPECT_EQ(put(t, a), Verdict::granted);
	EXPECT_EQ(put(t, b), Verdict::blocked_granted);
	EXPECT_EQ(put(t, c), Verdict::blocked_waiting);
	EXPECT_EQ(put(t, d), Verdict::granted);
	take(t, a);
	EXPECT_EQ(last->granted, std::vector{&b});
	EXPECT_TRUE(b.asked_back); // c waits for it: told together with the grant
	EXPECT_TRUE(last->blocking.empty());
	clear(t);
}

TEST_F(LdlmTable, CommitOnShareDoesNotStopItsOwnClient)
{
	LockTable t(LDLM_IBITS, nullptr);
	TableLock &a = make(LCK_COS, Policy::of_bits(w::MDS_INODELOCK_UPDATE), 0);
	a.cos_client = 5;
	TableLock &b = make(LCK_PW, Policy::of_bits(w::MDS_INODELOCK_UPDATE), 0);
	b.cos_client = 5;
	TableLock &c = make(LCK_PR, Policy::of_bits(w::MDS_INODELOCK_UPDATE), 0);
	c.cos_client = 6;
	EXPECT_EQ(put(t, a), Verdict::granted);
	EXPECT_EQ(put(t, b), Verdict::granted);
	EXPECT_TRUE(is_blocked(put(t, c)));
	clear(t);
}

// ---- flocks ----

TEST_F(LdlmTable, FlocksOfOneOwnerMerge)
{
	FlockGraph graph;
	LockTable t(LDLM_FLOCK, &graph);
	TableLock &a = flock(LCK_PW, 1, 0, 9);
	TableLock &b = flock(LCK_PW, 1, 20, 29);
	TableLock &c = flock(LCK_PW, 1, 10, 19);
	EXPECT_EQ(put(t, a), Verdict::granted);
	EXPECT_EQ(put(t, b), Verdict::granted);
	EXPECT_EQ(put(t, c), Verdict::granted);
	EXPECT_EQ(last->dead.size(), 2u);
	EXPECT_EQ(t.count(), 1u);
	EXPECT_EQ(c.policy.flock.start, 0u);
	EXPECT_EQ(c.policy.flock.end, 29u);
	clear(t);
}

TEST_F(LdlmTable, AnUnlockInTheMiddleSplits)
{
	FlockGraph graph;
	LockTable t(LDLM_FLOCK, &graph);
	TableLock &a = flock(LCK_PW, 1, 0, 99);
	EXPECT_EQ(put(t, a), Verdict::granted);
	EXPECT_EQ(put(t, flock(LCK_NL, 1, 40, 59)), Verdict::granted);
	ASSERT_EQ(last->born.size(), 1u);
	EXPECT_EQ(a.policy.flock.end, 39u);
	EXPECT_EQ(last->born[0]->policy.flock.start, 60u);
	EXPECT_EQ(last->born[0]->policy.flock.end, 99u);
	EXPECT_EQ(t.count(), 2u);
	clear(t);
}

TEST_F(LdlmTable, AWeakerFlockInTheMiddleLetsReadersIn)
{
	FlockGraph graph;
	LockTable t(LDLM_FLOCK, &graph);
	EXPECT_EQ(put(t, flock(LCK_PW, 1, 0, 99)), Verdict::granted);
	TableLock &r = flock(LCK_PR, 2, 45, 50);
	EXPECT_EQ(put(t, r), Verdict::blocked_granted);
	EXPECT_EQ(put(t, flock(LCK_PR, 1, 40, 59)), Verdict::granted);
	Work work;
	t.reprocess(rules, work);
	Done done(work);
	EXPECT_EQ(done.granted, std::vector{&r});
	EXPECT_EQ(t.count(), 4u);
	clear(t);
}

TEST_F(LdlmTable, ATestTellsTheLockInTheWay)
{
	FlockGraph graph;
	LockTable t(LDLM_FLOCK, &graph);
	EXPECT_EQ(put(t, flock(LCK_PW, 1, 10, 19)), Verdict::granted);
	TableLock &q = flock(LCK_PR, 2, 0, 99, w::LDLM_FL_TEST_LOCK);
	EXPECT_EQ(put(t, q), Verdict::tested);
	EXPECT_EQ(q.req_mode, LCK_PW);
	EXPECT_EQ(q.policy.flock.start, 10u);
	EXPECT_EQ(q.policy.flock.owner, 2u);
	TableLock &free = flock(LCK_PR, 2, 50, 99, w::LDLM_FL_TEST_LOCK);
	EXPECT_EQ(put(t, free), Verdict::tested);
	EXPECT_EQ(free.req_mode, LCK_NL);
	clear(t);
}

TEST_F(LdlmTable, AnUnlockTakesBackTheSameRequestThatWaits)
{
	FlockGraph graph;
	LockTable t(LDLM_FLOCK, &graph);
	EXPECT_EQ(put(t, flock(LCK_PW, 1, 0, 9)), Verdict::granted);
	TableLock &waiter = flock(LCK_PW, 2, 0, 9);
	EXPECT_EQ(put(t, waiter), Verdict::blocked_granted);
	EXPECT_EQ(put(t, flock(LCK_NL, 2, 0, 9)), Verdict::granted);
	EXPECT_EQ(last->granted, std::vector{&waiter});
	EXPECT_EQ(waiter.granted_mode, LCK_MODE_MIN);
	EXPECT_EQ(graph.waiting(), 0u);
	clear(t);
}

TEST_F(LdlmTable, ACycleOfFlocksAcrossFilesIsRefused)
{
	FlockGraph graph;
	LockTable f(LDLM_FLOCK, &graph), g(LDLM_FLOCK, &graph), h(LDLM_FLOCK, &graph);
	EXPECT_EQ(put(f, flock(LCK_PW, 1, 0, 9)), Verdict::granted);
	EXPECT_EQ(put(g, flock(LCK_PW, 2, 0, 9)), Verdict::granted);
	EXPECT_EQ(put(h, flock(LCK_PW, 3, 0, 9)), Verdict::granted);
	EXPECT_EQ(put(g, flock(LCK_PW, 1, 0, 9)), Verdict::blocked_granted);
	EXPECT_EQ(put(h, flock(LCK_PW, 2, 5, 6)), Verdict::blocked_granted);
	EXPECT_EQ(put(f, flock(LCK_PR, 3, 0, 0)), Verdict::deadlock);
	EXPECT_EQ(put(f, flock(LCK_PR, 3, 20, 30)), Verdict::granted);
	for (LockTable *t : {&f, &g, &h})
		clear(*t);
}

TEST_F(LdlmTable, ACycleThatAGrantClosesIsFoundWhenTheQueueIsLookedAt)
{
	FlockGraph graph;
	LockTable f(LDLM_FLOCK, &graph), g(LDLM_FLOCK, &graph);
	TableLock &a = flock(LCK_PW, 1, 0, 9);
	EXPECT_EQ(put(f, a), Verdict::granted);
	EXPECT_EQ(put(g, flock(LCK_PW, 3, 0, 9)), Verdict::granted);
	// 2 is first in line for f, then 3; and 2's other thread waits for 3.
	EXPECT_EQ(put(f, flock(LCK_PW, 2, 0, 9)), Verdict::blocked_granted);
	TableLock &third = flock(LCK_PW, 3, 0, 9);
	EXPECT_EQ(put(f, third), Verdict::blocked_granted);
	EXPECT_EQ(put(g, flock(LCK_PW, 2, 0, 9)), Verdict::blocked_granted);
	take(f, a);
	EXPECT_EQ(last->granted.size(), 2u);
	EXPECT_TRUE(third.deadlock);
	clear(f);
	clear(g);
}

// ---- against a naive model ----

/// Random enqueues and cancels; after each the table's own invariants hold, nobody waits who need
/// not, and whoever blocks the head has been asked.
void random_walk(LockType type, unsigned seed, bool groups)
{
	std::mt19937 rng(seed);
	LockTable t(type, nullptr);
	TableRules rules;
	std::vector<std::unique_ptr<TableLock>> all;
	std::vector<TableLock *> in;
	for (int step = 0; step < 400; step++) {
		Work work;
		if (in.size() < 12 && rng() % 2) {
			auto &l = *all.emplace_back(std::make_unique<TableLock>());
			l.holder = 1 + rng() % 4;
			l.req_mode = mode_at(static_cast<unsigned>(rng() % (groups ? 7 : 6)));
			if (type == LDLM_EXTENT) {
				u64 start = rng() % 64 * 4096;
				l.policy = Policy::of_extent(start,
							     start + (1 + rng() % 8) * 4096 - 1);
				if (rng() % 8 == 0)
					l.policy.extent = {0, kEof, 0};
				if (l.req_mode == LCK_GROUP)
					l.policy.extent = {0, kEof, 1 + rng() % 2};
			} else {
				l.policy = Policy::of_bits(rng() % 128, rng() % 128);
				if (l.req_mode == LCK_GROUP)
					l.policy.ibits = {w::MDS_INODELOCK_DOM, 0, 1 + rng() % 2,
							  0};
			}
			l.asked = l.policy;
			if (rng() % 8 == 0)
				l.flags = w::LDLM_FL_BLOCK_NOWAIT;
			Verdict v = t.enqueue(l, rules, false, work);
			if (v == Verdict::granted || is_blocked(v))
				in.push_back(&l);
		} else if (!in.empty()) {
			std::size_t i = rng() % in.size();
			TableLock &l = *in[i];
			if (type == LDLM_IBITS && l.place == TableLock::Place::granted &&
			    rng() % 2) {
				t.keep_bits(l, rng());
			} else {
				t.remove(l);
				in.erase(in.begin() + static_cast<std::ptrdiff_t>(i));
			}
			t.reprocess(rules, work);
		}
		Done done(work);
		t.verify();
		for (TableLock *l : in) {
			bool extent = type == LDLM_EXTENT;
			ASSERT_TRUE(!extent || l->policy.extent.covers(l->asked.extent));
		}
	}
	for (TableLock *l : in)
		t.remove(*l);
}

TEST(LdlmTableRandom, ExtentsKeepTheInvariants)
{
	for (unsigned seed = 0; seed < 200; seed++)
		random_walk(LDLM_EXTENT, seed, seed % 2);
}

TEST(LdlmTableRandom, InodeBitsKeepTheInvariants)
{
	for (unsigned seed = 0; seed < 200; seed++)
		random_walk(LDLM_IBITS, seed, seed % 2);
}

/// Flocks against an array of who holds each byte.
TEST(LdlmTableRandom, FlocksAreWhatAnArrayOfBytesSays)
{
	constexpr u64 kBytes = 24;
	for (unsigned seed = 0; seed < 300; seed++) {
		std::mt19937 rng(seed);
		FlockGraph graph;
		LockTable t(LDLM_FLOCK, &graph);
		TableRules rules;
		std::vector<std::unique_ptr<TableLock>> all;
		std::vector<std::unique_ptr<FlockPart>> parts;
		std::map<u64, std::array<Mode, kBytes>> held; // by owner
		for (u64 o = 1; o <= 3; o++)
			held[o].fill(LCK_NL);
		for (int step = 0; step < 100; step++) {
			u64 owner = 1 + rng() % 3;
			u64 start = rng() % kBytes;
			u64 end = start + rng() % (kBytes - start);
			Mode m = std::array{LCK_PR, LCK_PW, LCK_NL}[rng() % 3];
			auto &l = *all.emplace_back(std::make_unique<TableLock>());
			auto &f = *parts.emplace_back(std::make_unique<FlockPart>(l));
			f.spare = all.emplace_back(std::make_unique<TableLock>()).get();
			l.flock = &f;
			l.req_mode = m;
			l.holder = 1;
			l.flags = w::LDLM_FL_BLOCK_NOWAIT;
			l.policy = l.asked = FlockRange{start, end, owner, 0};
			bool free = true;
			for (auto &[o, bytes] : held)
				for (u64 b = start; b <= end && o != owner; b++)
					free = free &&
					       (m == LCK_NL || (m == LCK_PR ? bytes[b] != LCK_PW
									    : bytes[b] == LCK_NL));
			Work work;
			Verdict v = t.enqueue(l, rules, false, work);
			Done done(work);
			ASSERT_EQ(v, free ? Verdict::granted : Verdict::refused);
			if (free)
				for (u64 b = start; b <= end; b++)
					held[owner][b] = m;
			// Each run of one mode is one lock.
			std::size_t runs = 0;
			for (auto &[o, bytes] : held)
				for (u64 b = 0; b < kBytes; b++)
					runs += bytes[b] != LCK_NL &&
						(b == 0 || bytes[b - 1] != bytes[b]);
			ASSERT_EQ(t.count(), runs);
			(void)t.for_granted([&](TableLock &g) {
				for (u64 b = g.policy.flock.start; b <= g.policy.flock.end; b++)
					EXPECT_EQ(held[g.policy.flock.owner][b], g.granted_mode);
				return true;
			});
		}
		std::vector<TableLock *> left;
		(void)t.for_granted([&](TableLock &g) {
			left.push_back(&g);
			return true;
		});
		for (TableLock *l : left)
			t.remove(*l);
	}
}

} // namespace
