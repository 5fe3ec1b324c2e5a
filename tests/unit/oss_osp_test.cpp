// SPDX-License-Identifier: GPL-2.0
// An MDT's connection to an OST: objects ahead of their use, and what follows a commit.
#include <set>

#include "lustre/osd/mem/mem.hpp"
#include "osd/local.hpp"
#include "osp/osp.hpp"
#include "ost/object_id.hpp"
#include "ost/ost.hpp"
#include "tests/unit/rpc_test.hpp"

namespace
{

using namespace rpctest;

class OssOsp : public RpcTest
{
protected:
	osd::mem::Disk ost_disk_{{.svname = "tfs-OST0001", .bytes = std::uint64_t{1} << 28}};
	osd::mem::Disk mdt_disk_{{.svname = "tfs-MDT0000", .bytes = std::uint64_t{1} << 28}};
	std::unique_ptr<NodeBox> box_;
	ldlm::Ldlm *ldlm_ = nullptr;
	cfs::UniquePtr<ost::Oss> oss_;
	cfs::UniquePtr<ost::Ost> ost_;
	osd::DeviceRef mdt_;
	cfs::UniquePtr<osp::Osp> osp_;

	static osd::DeviceRef mount(osd::mem::Disk &disk, std::string_view name)
	{
		osd::mem::MountOptions o;
		o.commit_interval = cfs::Duration::millis(50);
		auto d = osd::mem::mount(cfs_node_current(), disk, name, o);
		EXPECT_TRUE(d);
		return std::move(*d);
	}
	void SetUp() override
	{
		RpcTest::SetUp();
		box_ = std::make_unique<NodeBox>();
		ldlm_ = *ldlm::of(*box_->node);
		oss_ = std::move(*ost::Oss::start(*box_->rpc, nullptr));
		start_ost();
		start_mdt();
	}
	void TearDown() override
	{
		stop_mdt();
		stop_ost();
		oss_.reset();
		box_.reset();
		RpcTest::TearDown();
	}
	void start_ost()
	{
		ost::OstConfig c;
		c.name = "tfs-OST0001";
		c.index = 1;
		c.recovery_soft = c.recovery_hard = cfs::Duration::seconds(10);
		auto t = ost::Ost::start(*box_->rpc, *ldlm_, mount(ost_disk_, "tfs-OST0001"), c);
		ASSERT_TRUE(t);
		ost_ = std::move(*t);
	}
	void stop_ost()
	{
		if (ost_)
			ost_->stop(target::StopKind::failover);
		ost_.reset();
	}
	void start_mdt()
	{
		mdt_ = mount(mdt_disk_, "tfs-MDT0000");
		osp::OspConfig c;
		c.device = "tfs-OST0001-osc-MDT0000";
		c.target = "tfs-OST0001_UUID";
		c.client_uuid = "tfs-MDT0000-mdtlov_UUID";
		c.ost_index = 1;
		auto o = osp::Osp::create(*box_->rpc, *mdt_, c);
		ASSERT_TRUE(o);
		osp_ = std::move(*o);
		ASSERT_TRUE(osp_->add_connection(std::array{Nid::lo()}));
		ASSERT_TRUE(osp_->start());
	}
	void stop_mdt()
	{
		if (osp_)
			osp_->stop();
		osp_.reset();
		mdt_.reset();
	}
	static cfs::Instant soon() { return cfs::after(cfs::Duration::seconds(20)); }

	cfs::Result<wire::Fid> take()
	{
		auto r = TRY(osp_->reserve(soon()));
		auto tx = TRY(mdt_->begin());
		TRY(osp_->declare_take(*tx));
		TRY(tx->start());
		auto fid = osp_->take(*tx, r);
		TRY(tx->stop());
		return fid;
	}
	template <typename F>
	cfs::Result<> in_transaction(F f)
	{
		auto tx = TRY(mdt_->begin());
		TRY(tx->start());
		auto done = f(*tx);
		TRY(tx->stop());
		return done;
	}
	/// As the OST has it.
	bool exists(const wire::Fid &fid)
	{
		auto o = ost_->device().object(fid);
		return o && (*o)->exists();
	}
};

TEST_F(OssOsp, ObjectsAreThereBeforeTheyAreTaken)
{
	std::set<wire::Fid> seen;
	u64 last = 1; // number 1 is never used
	for (int i = 0; i < 200; i++) {
		auto fid = take();
		ASSERT_TRUE(fid);
		EXPECT_EQ(fid->seq, 0x100010000u);
		EXPECT_EQ(fid->oid, ++last);
		EXPECT_TRUE(exists(*fid));
		EXPECT_TRUE(seen.insert(*fid).second);
	}
	EXPECT_TRUE(osp_->usable());
	EXPECT_TRUE(eventually([&] { return osp_->statfs().has_value(); }));
	EXPECT_GT(osp_->statfs()->blocks, 0u);
}

TEST_F(OssOsp, AReservationThatIsNotUsedCostsNothing)
{
	auto first = take();
	ASSERT_TRUE(first);
	{
		auto r = osp_->reserve(soon());
		ASSERT_TRUE(r);
		EXPECT_EQ(r->osp(), osp_.get());
	}
	auto second = take();
	ASSERT_TRUE(second);
	EXPECT_EQ(second->oid, first->oid + 1);
}

TEST_F(OssOsp, NobodyWaitsWhoDoesNotWantTo)
{
	stop_ost();
	while (osp_->usable())
		std::this_thread::sleep_for(1ms);
	EXPECT_EQ(osp_->reserve({}).error(), cfs::err::AGAIN);
	EXPECT_EQ(osp_->reserve(cfs::after(cfs::Duration::millis(50))).error(), cfs::err::TIMEDOUT);
}

TEST_F(OssOsp, WhatWasNotUsedIsDestroyedWhenTheMdtComesBack)
{
	wire::Fid last{};
	for (int i = 0; i < 5; i++)
		last = *take();
	ASSERT_TRUE(mdt_->sync());
	wire::Fid unused = last;
	unused.oid = last.oid + 1;
	EXPECT_TRUE(exists(unused));
	stop_mdt();
	start_mdt();
	auto next = take();
	ASSERT_TRUE(next);
	EXPECT_TRUE(exists(last));
	EXPECT_FALSE(exists(unused));
	EXPECT_GT(next->oid, unused.oid); // numbers are not used again
	EXPECT_TRUE(exists(*next));
}

TEST_F(OssOsp, ReplaysDoNotUseUpTheNumbersOfAnOst)
{
	auto note = [&](const wire::Fid &fid) {
		auto tx = mdt_->begin();
		EXPECT_TRUE(tx && osp_->declare_take(**tx) && (*tx)->start());
		EXPECT_TRUE(osp_->note_used(**tx, fid));
		EXPECT_TRUE((*tx)->stop());
	};
	ASSERT_TRUE(take());
	note(*ost::idif_of(std::uint64_t{1} << 47, 1));
	note(wire::make_fid(0x240000400, 500));
	auto next = take();
	ASSERT_TRUE(next);
	EXPECT_EQ(next->oid, 3u);
	note(*ost::idif_of(10, 1));
	next = take();
	ASSERT_TRUE(next);
	EXPECT_EQ(next->oid, 11u);
}

TEST_F(OssOsp, ARestartOfTheOstIsSurvived)
{
	auto before = take();
	ASSERT_TRUE(before);
	stop_ost();
	start_ost();
	auto after = take();
	ASSERT_TRUE(after);
	EXPECT_GT(after->oid, before->oid);
	EXPECT_TRUE(exists(*before));
	EXPECT_TRUE(exists(*after));
}

TEST_F(OssOsp, ObjectsGoAfterTheCommitThatSaysSo)
{
	std::vector<wire::Fid> gone;
	for (int i = 0; i < 40; i++)
		gone.push_back(*take());
	auto stays = take();
	ASSERT_TRUE(in_transaction([&](osd::Transaction &tx) -> cfs::Result<> {
		for (auto &f : gone)
			TRY(osp_->destroy_later(tx, f));
		return {};
	}));
	ASSERT_TRUE(mdt_->sync());
	ASSERT_TRUE(osp_->drain(soon()));
	for (auto &f : gone)
		EXPECT_FALSE(exists(f));
	EXPECT_TRUE(exists(*stays));
	// One that is gone already is no reason to go on for ever.
	ASSERT_TRUE(in_transaction(
		[&](osd::Transaction &tx) { return osp_->destroy_later(tx, gone[0]); }));
	ASSERT_TRUE(mdt_->sync());
	EXPECT_TRUE(osp_->drain(soon()));
}

TEST_F(OssOsp, OwnersFollow)
{
	auto fid = take();
	ASSERT_TRUE(fid);
	osp::OwnerChange to;
	to.has_uid = to.has_gid = true;
	to.uid = 1000;
	to.gid = 100;
	ASSERT_TRUE(in_transaction(
		[&](osd::Transaction &tx) { return osp_->set_owner_later(tx, *fid, to); }));
	ASSERT_TRUE(mdt_->sync());
	ASSERT_TRUE(osp_->drain(soon()));
	osd::Attr a;
	auto o = ost_->device().object(*fid);
	ASSERT_TRUE(o);
	ASSERT_TRUE((*o)->attr_get(a));
	EXPECT_EQ(a.uid, 1000u);
	EXPECT_EQ(a.gid, 100u);
	EXPECT_EQ(a.mode & 07000, 01000u); // the project is still open
}

} // namespace
