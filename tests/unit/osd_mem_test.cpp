// SPDX-License-Identifier: GPL-2.0
//
// osd/mem: failing disks, full disks, and disks of somebody else.
#include "lustre/osd/mem/mem.hpp"

#include "libcfs/fail.hpp"
#include "lustre/osd/conformance/conformance.hpp"
#include "tests/unit/libcfs_machine.hpp"

namespace
{

using cfs::err::AGAIN;
using cfs::err::IO;
using cfs::err::NOSPC;
using osd::conformance::in_tx;
using osd::mem::Disk;

constexpr const char *kTarget = "lfs1-OST000b";

class OsdMem : public MachineTest
{
protected:
	osd::mem::DiskOptions options_{.svname = kTarget};
	std::unique_ptr<Disk> disk_;
	osd::DeviceRef device_;

	void mount()
	{
		if (!disk_)
			disk_ = std::make_unique<Disk>(options_);
		auto d = osd::mem::mount(cfs_node_current(), *disk_, kTarget);
		ASSERT_TRUE(d);
		device_ = std::move(*d);
	}
	void fail_at(std::uint32_t point) { set("fail_loc", std::to_string(point)); }
	osd::ObjectRef file(std::uint32_t oid = 5)
	{
		auto o = osd::find_or_create(*device_, wire::make_fid(wire::FID_SEQ_NORMAL, oid),
					     osd::conformance::file_spec());
		EXPECT_TRUE(o);
		return *o;
	}
	void TearDown() override
	{
		fail_at(0);
		device_.reset();
		MachineTest::TearDown();
	}
};

TEST_F(OsdMem, KnowsItsName)
{
	mount();
	EXPECT_EQ(device_->info().type, osd::TargetType::ost);
	EXPECT_EQ(device_->info().index, 11u);
	EXPECT_STREQ(device_->info().name, kTarget);
}

TEST_F(OsdMem, RefusesTheDiskOfAnotherTarget)
{
	Disk disk(options_);
	auto d = osd::mem::mount(cfs_node_current(), disk, "lfs1-OST0000");
	ASSERT_FALSE(d);
	EXPECT_EQ(d.error(), cfs::err::INVAL);
}

TEST_F(OsdMem, GivesSpaceUntilItIsFull)
{
	options_.bytes = 1 << 20;
	mount();
	osd::ObjectRef o = file();
	std::vector<std::byte> chunk(65536);
	cfs::Result<> r;
	std::uint64_t at = 0;
	for (; r && at < 4 << 20; at += chunk.size())
		r = osd::conformance::put(*o, at, chunk);
	ASSERT_FALSE(r);
	EXPECT_EQ(r.error(), NOSPC);
	wire::ObdStatfs s{};
	ASSERT_TRUE(device_->statfs(s));
	EXPECT_TRUE(s.state & wire::OS_STATFS_ENOSPC);
	EXPECT_EQ(s.bavail, 0u);
	// What is there can be written over, and freed.
	EXPECT_TRUE(osd::conformance::put(*o, 0, chunk));
	EXPECT_TRUE(osd::conformance::punch(*o, 0, osd::kEof));
	EXPECT_TRUE(osd::conformance::put(*o, 0, chunk));
}

TEST_F(OsdMem, TellsWhichBulkPiecesHadNoSpace)
{
	options_.bytes = 1 << 20;
	mount();
	osd::ObjectRef o = file();
	osd::BulkRange all{0, 2 << 20};
	auto io = (*o->body())->bulk({&all, 1}, osd::Body::Direction::write);
	ASSERT_TRUE(io);
	auto r = in_tx(
		*device_, [&](osd::Transaction &tx) { return (*io)->declare_write_commit(tx); },
		[&](osd::Transaction &tx) { return (*io)->write_commit(tx); });
	EXPECT_TRUE(r);
	std::size_t failed = 0;
	for (auto &p : (*io)->pieces())
		failed += p.status == NOSPC;
	EXPECT_GT(failed, 256u);
	EXPECT_LT(failed, 512u);
	(*io).reset();
}

TEST_F(OsdMem, RunsOutOfInodes)
{
	options_.inodes = 8;
	mount();
	cfs::Result<> r;
	for (std::uint32_t i = 10; i < 20 && r; i++) {
		auto o = osd::find_or_create(*device_, wire::make_fid(wire::FID_SEQ_NORMAL, i),
					     osd::conformance::file_spec());
		if (!o)
			r = cfs::fail(o.error());
	}
	ASSERT_FALSE(r);
	EXPECT_EQ(r.error(), NOSPC);
}

TEST_F(OsdMem, FailsToStartToReadAndToWrite)
{
	mount();
	osd::ObjectRef o = file();
	std::byte b[8] = {};
	fail_at(osd::mem::kFailTxnStart);
	EXPECT_EQ(osd::conformance::put(*o, 0, b).error(), IO);
	fail_at(osd::mem::kFailMapblkEnospc);
	EXPECT_EQ(osd::conformance::put(*o, 0, b).error(), NOSPC);
	fail_at(osd::mem::kFailRead);
	EXPECT_EQ((*o->body())->read(0, b).error(), IO);
	fail_at(osd::mem::kFailMetaEnospc);
	EXPECT_EQ(osd::conformance::set_xattr(*o, "user.a", b).error(), NOSPC);
	fail_at(0);
	EXPECT_TRUE(osd::conformance::put(*o, 0, b));
	EXPECT_TRUE(device_->healthy());
}

TEST_F(OsdMem, BulkWriteGoesOnInAnotherTransaction)
{
	mount();
	osd::ObjectRef o = file();
	osd::BulkRange all{0, 40960};
	auto io = (*o->body())->bulk({&all, 1}, osd::Body::Direction::write);
	fail_at(osd::mem::kFailBulkRestart);
	auto commit = [&] {
		return in_tx(
			*device_,
			[&](osd::Transaction &tx) { return (*io)->declare_write_commit(tx); },
			[&](osd::Transaction &tx) { return (*io)->write_commit(tx); });
	};
	EXPECT_EQ(commit().error(), AGAIN);
	EXPECT_EQ((*io)->done(), 5u);
	EXPECT_TRUE(commit());
	EXPECT_EQ((*io)->done(), 10u);
	osd::Attr a;
	EXPECT_TRUE(o->attr_get(a));
	EXPECT_EQ(a.size, 40960u);
	(*io).reset();
}

TEST_F(OsdMem, AbortedJournalEndsAllChanges)
{
	mount();
	osd::ObjectRef o = file();
	EXPECT_TRUE(osd::conformance::set_version(*o, 1));
	EXPECT_TRUE(device_->sync());
	std::string before = disk_->dump();
	EXPECT_TRUE(osd::conformance::set_version(*o, 2));
	fail_at(osd::mem::kFailCommit);
	EXPECT_EQ(device_->sync().error(), IO);
	EXPECT_FALSE(device_->healthy());
	EXPECT_EQ(osd::conformance::set_version(*o, 3).error(), IO);
	fail_at(0);
	o.reset();
	device_.reset();
	mount();
	EXPECT_TRUE(device_->healthy());
	EXPECT_EQ(disk_->dump(), before);
}

TEST_F(OsdMem, UnsureLookupsAskToComeBack)
{
	mount();
	fail_at(osd::mem::kFailLookupUnsure);
	auto o = device_->object(wire::make_fid(wire::FID_SEQ_NORMAL, 1));
	ASSERT_FALSE(o);
	EXPECT_EQ(o.error(), cfs::err::INPROGRESS);
}

using OsdMemDeath = OsdMem;

TEST_F(OsdMemDeath, UndeclaredOperationIsABug)
{
	GTEST_FLAG_SET(death_test_style, "threadsafe");
	mount();
	osd::ObjectRef o = file();
	EXPECT_DEATH((void)in_tx(
			     *device_, [&](osd::Transaction &tx) { return o->declare_ref_add(tx); },
			     [&](osd::Transaction &tx) { return o->version_set(tx, 1); }),
		     "");
}

} // namespace
