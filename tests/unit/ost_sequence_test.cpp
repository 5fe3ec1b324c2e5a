// SPDX-License-Identifier: GPL-2.0
// Names of OST objects, and how they are made ahead and cleared away (spec 05 sections 2 and 6).
#include "lustre/osd/mem/mem.hpp"
#include "ost/sequence.hpp"
#include "tests/unit/libcfs_machine.hpp"

namespace
{

using ost::Sequence;
using ost::Sequences;
using wire::make_fid;
using wire::OstId;

OstId legacy(std::uint64_t id)
{
	OstId o{};
	o.oi.oi_id = id;
	return o;
}

OstId as_fid(const wire::Fid &f)
{
	OstId o{};
	o.oi_fid = f;
	return o;
}

TEST(OstObjectId, LegacyIdsCarryTheIndexOfTheOst)
{
	EXPECT_EQ(*ost::fid_of(legacy(5), 1), make_fid(0x100010000, 5));
	EXPECT_EQ(*ost::fid_of(legacy(0x123456789), 3), make_fid(0x100030001, 0x23456789));
	EXPECT_EQ(ost::idif_id(make_fid(0x100030001, 0x23456789)), 0x123456789u);
	EXPECT_EQ(ost::fid_of(legacy(1ull << 48), 0).error(), cfs::err::BADF);
	EXPECT_EQ(ost::fid_of(legacy(1), 0x10000).error(), cfs::err::BADF);
}

TEST(OstObjectId, FormsLeadBackToTheSameObject)
{
	for (const wire::Fid &f : {make_fid(0x100010000, 5), make_fid(0x100030001, 0x23456789),
				   make_fid(0x240000401, 77), make_fid(2, 9)}) {
		std::uint32_t index = f.is_idif() ? (f.seq.get() >> 16) & 0xffff : 8;
		EXPECT_EQ(*ost::fid_of(*ost::ost_id_of(f), index), f);
		EXPECT_EQ(*ost::fid_of(ost::resource_of(f), index), f);
	}
}

TEST(OstObjectId, WhatNoPeerMayNameIsRefused)
{
	EXPECT_EQ(ost::fid_of(as_fid(make_fid(1, 5)), 0).error(), cfs::err::PROTO);
	EXPECT_EQ(ost::fid_of(as_fid(make_fid(0x200000007, 1)), 0).error(), cfs::err::PROTO);
	EXPECT_EQ(ost::fid_of(as_fid(make_fid(0x240000401, 1, 3)), 0).error(), cfs::err::BADF);
	OstId all{};
	all.oi.oi_id = ~0ull;
	all.oi.oi_seq = ~0ull;
	EXPECT_EQ(ost::fid_of(all, 0).error(), cfs::err::PROTO);
	EXPECT_EQ(ost::ost_id_of(make_fid(12345, 1)).error(), cfs::err::BADF);
	wire::LdlmResId r{};
	r.name[0] = 0x200000007;
	r.name[1] = 1;
	EXPECT_EQ(ost::fid_of(r, 0).error(), cfs::err::BADF);
}

constexpr std::uint64_t kSeq = 0x240000401;

class OstSequence : public MachineTest
{
protected:
	osd::mem::Disk disk_{{.svname = "lfs1-OST0000"}};
	osd::DeviceRef device_;
	std::unique_ptr<Sequences> all_;

	void SetUp() override
	{
		MachineTest::SetUp();
		mount();
	}
	void TearDown() override
	{
		all_.reset();
		device_.reset();
		MachineTest::TearDown();
	}
	void mount()
	{
		auto d = osd::mem::mount(cfs_node_current(), disk_, "lfs1-OST0000");
		ASSERT_TRUE(d);
		device_ = std::move(*d);
		all_ = std::make_unique<Sequences>(*device_, 0);
	}
	void crash()
	{
		device_->set_read_only();
		all_.reset();
		device_.reset();
		mount();
	}
	Sequence &seq(std::uint64_t s = kSeq)
	{
		auto found = all_->find(s);
		EXPECT_TRUE(found);
		return **found;
	}
	bool exists(std::uint64_t number, std::uint64_t s = kSeq)
	{
		return (*device_->object(*seq(s).fid(number)))->exists();
	}
	std::uint64_t create(std::uint64_t upto, std::uint64_t s = kSeq)
	{
		auto r = seq(s).create_to(upto, cfs::Instant::never());
		EXPECT_TRUE(r);
		return r.value_or(0);
	}
};

TEST_F(OstSequence, BeginsBehindOneInTheFidFormAndBehindNoneInTheOldOne)
{
	EXPECT_EQ(seq().last(), 1u);
	EXPECT_FALSE(exists(1));
	EXPECT_EQ(seq(0).last(), 0u);
}

TEST_F(OstSequence, MakesObjectsUpToTheNumberAsked)
{
	EXPECT_EQ(create(300), 300u);
	for (std::uint64_t k : {2u, 129u, 300u})
		EXPECT_TRUE(exists(k)) << k;
	EXPECT_FALSE(exists(301));
	EXPECT_EQ(create(200), 300u);
	osd::Attr a;
	ASSERT_TRUE((*device_->object(*seq().fid(2)))->attr_get(a));
	EXPECT_EQ(a.mode, 0107666u);
	EXPECT_EQ(a.mtime.sec, 0);
	EXPECT_EQ(a.size, 0u);
}

TEST_F(OstSequence, LegacyObjectsAreIdifs)
{
	EXPECT_EQ(create(3, 0), 3u);
	EXPECT_TRUE((*device_->object(make_fid(0x100000000, 3)))->exists());
}

TEST_F(OstSequence, NumbersAreNotUsedTwiceAfterACrash)
{
	create(10);
	ASSERT_TRUE(device_->sync());
	create(50);
	crash();
	// Whether the second lot survived or not, LAST_ID and objects agree.
	std::uint64_t last = seq().last();
	EXPECT_GE(last, 10u);
	EXPECT_TRUE(exists(last));
	EXPECT_FALSE(exists(last + 1));
}

TEST_F(OstSequence, OrphansGoAndTheirNumbersStayUsed)
{
	create(40);
	EXPECT_EQ(*seq().destroy_above(25, false), 40u);
	EXPECT_TRUE(exists(25));
	EXPECT_FALSE(exists(26));
	EXPECT_FALSE(exists(40));
	EXPECT_EQ(create(41), 41u);
	EXPECT_FALSE(exists(40));
	EXPECT_TRUE(exists(41));
}

TEST_F(OstSequence, AnOldMdtGetsTheNumbersBack)
{
	create(40);
	EXPECT_EQ(*seq().destroy_above(25, true), 25u);
	EXPECT_EQ(seq().last(), 25u);
	crash();
	EXPECT_EQ(create(26), 26u);
	EXPECT_TRUE(exists(26));
}

TEST_F(OstSequence, TooManyOrphansAreNoOrphans)
{
	create(30000);
	EXPECT_EQ(*seq().destroy_above(5, false), 30001u);
	EXPECT_TRUE(exists(6));
}

TEST_F(OstSequence, AReplacedOstCatchesUpWithoutMakingEverything)
{
	EXPECT_EQ(create(1000000), 1000000u);
	EXPECT_FALSE(exists(1000000 - wire::OST_MAX_PRECREATE));
	EXPECT_TRUE(exists(1000000 - wire::OST_MAX_PRECREATE + 1));
}

TEST_F(OstSequence, EndsWhereItsNumbersEnd)
{
	auto r = seq().create_to((1ull << 32) + 5, cfs::Instant::never());
	ASSERT_FALSE(r);
	EXPECT_EQ(r.error(), cfs::err::NOSPC);
}

TEST_F(OstSequence, StopsInTimeWithWhatThereIs)
{
	auto r = seq().create_to(500, cfs::Instant::now());
	ASSERT_TRUE(r);
	EXPECT_EQ(*r, 1u);
}

TEST_F(OstSequence, NoneIsMadeForWhoOnlyAsksForIt)
{
	EXPECT_EQ(all_->find(kSeq, Sequences::Which::existing).error(), cfs::err::NOENT);
	EXPECT_FALSE((*device_->object(osd::last_id_fid(kSeq)))->exists());
	create(5);
	crash();
	// Its objects are gone, and it is not: what is missing will be made anew.
	auto found = all_->find(kSeq, Sequences::Which::existing);
	ASSERT_TRUE(found);
	EXPECT_TRUE((*found)->may_return(5));
	create(5);
	ASSERT_TRUE(device_->sync());
	crash();
	found = all_->find(kSeq, Sequences::Which::existing);
	ASSERT_TRUE(found);
	EXPECT_EQ((*found)->last(), 5u);
}

TEST_F(OstSequence, SequencesOfOthersAreRefused)
{
	for (std::uint64_t s : {1ull, 0x100000000ull, 0x200000007ull, ~0ull})
		EXPECT_EQ(all_->find(s).error(), cfs::err::INVAL) << s;
}

} // namespace
