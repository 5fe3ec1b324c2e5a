// SPDX-License-Identifier: GPL-2.0
// A node and its MGS: targets register, logs are read and followed (spec 02 section 9).
#include <algorithm>
#include <string>

#include "lustre/osd/mem/mem.hpp"
#include "mgc/mgc.hpp"
#include "mgs/mgs.hpp"
#include "tests/unit/rpc_test.hpp"

namespace
{

using namespace rpctest;

/// Remembers what a log says.
struct Seen final : llog::ConfigHandler {
	std::mutex m;
	std::vector<std::string> osts, mdts, uuids, params;
	cfs::Result<> add_ost(const Target &t) noexcept override
	{
		std::lock_guard g(m);
		osts.emplace_back(t.uuid);
		return {};
	}
	cfs::Result<> add_mdt(const Target &t) noexcept override
	{
		std::lock_guard g(m);
		mdts.emplace_back(t.uuid);
		return {};
	}
	cfs::Result<> add_uuid(std::string_view node, u64, std::string_view) noexcept override
	{
		std::lock_guard g(m);
		uuids.emplace_back(node);
		return {};
	}
	cfs::Result<> param(std::string_view device, std::string_view key,
			    std::string_view value) noexcept override
	{
		std::lock_guard g(m);
		params.push_back(std::string(device) + ":" + std::string(key) + "=" +
				 std::string(value));
		return {};
	}
	std::size_t count()
	{
		std::lock_guard g(m);
		return osts.size();
	}
};

class MgcTest : public RpcTest
{
protected:
	osd::mem::Disk disk_{{.svname = "MGS", .bytes = std::uint64_t{1} << 28}};
	std::unique_ptr<NodeBox> box_;
	ldlm::Ldlm *ldlm_ = nullptr;
	cfs::UniquePtr<mgs::Mgs> mgs_;
	cfs::UniquePtr<mgc::Mgc> mgc_;

	void SetUp() override
	{
		RpcTest::SetUp();
		box_ = std::make_unique<NodeBox>();
		ldlm_ = *ldlm::of(*box_->node);
		start_mgs();
		auto c = mgc::Mgc::create(*box_->rpc, *ldlm_,
					  {.device = "MGC0@lo", .uuid = "mgc-1"});
		ASSERT_TRUE(c);
		mgc_ = std::move(*c);
		ASSERT_TRUE(mgc_->add_node(std::array{Nid::lo()}));
		ASSERT_TRUE(
			mgc_->connect(cfs::WaitMode::idle, cfs::after(cfs::Duration::seconds(20))));
	}
	void TearDown() override
	{
		if (mgc_)
			mgc_->stop();
		mgc_.reset();
		stop_mgs();
		box_.reset();
		RpcTest::TearDown();
	}
	void start_mgs()
	{
		auto dev = osd::mem::mount(cfs_node_current(), disk_, "MGS");
		ASSERT_TRUE(dev);
		auto m = mgs::Mgs::start(*box_->rpc, *ldlm_, std::move(*dev), {});
		ASSERT_TRUE(m);
		mgs_ = std::move(*m);
	}
	void stop_mgs()
	{
		if (mgs_)
			mgs_->stop();
		mgs_.reset();
	}
	cfs::Result<wire::MgsTargetInfo> add(const char *name, u32 flags, u32 index,
					     const char *params = "")
	{
		wire::MgsTargetInfo mti{};
		mti.lustre_ver = wire::LUSTRE_VERSION_CODE;
		mti.flags = wire::LDD_F_OPC_REG | wire::LDD_F_VIRGIN | wire::LDD_F_UPDATE | flags;
		mti.stripe_index = index;
		EXPECT_TRUE(mti.fsname.set("tfs"));
		EXPECT_TRUE(mti.svname.set(name));
		EXPECT_TRUE(mti.params.set(params));
		Nid nid = Nid::ipv4(lnet::make_net(lnet::LndType::tcp, 0), 0x0a000001);
		TRY(mgc_->register_target(mti, std::array{nid, Nid::lo()}));
		return mti;
	}
};

TEST_F(MgcTest, ARegisteredTargetIsToldWhatToWrite)
{
	auto mti = add("tfs-MDT0000", wire::LDD_F_SV_TYPE_MDT, 0);
	ASSERT_TRUE(mti);
	EXPECT_TRUE(mti->flags & wire::LDD_F_REWRITE_LDD);
	EXPECT_FALSE(mti->flags & wire::LDD_F_VIRGIN);
	EXPECT_EQ(mti->uuid.view(), "tfs-MDT0000_UUID");
}

TEST_F(MgcTest, OneThatIsThereAlreadyIsRefused)
{
	ASSERT_TRUE(add("tfs-MDT0000", wire::LDD_F_SV_TYPE_MDT, 0));
	EXPECT_EQ(add("tfs-MDT0000", wire::LDD_F_SV_TYPE_MDT, 0).error(), cfs::err::ADDRINUSE);
}

TEST_F(MgcTest, LogsAreReadInWhole)
{
	ASSERT_TRUE(add("tfs-MDT0000", wire::LDD_F_SV_TYPE_MDT, 0));
	// More than one chunk.
	for (u32 i = 0; i < 30; i++)
		ASSERT_TRUE(add("", wire::LDD_F_SV_TYPE_OST, i, "osc.max_dirty_mb=64"));
	Seen client, mdt;
	auto r = mgc_->read_log("tfs-client", client);
	ASSERT_TRUE(r);
	EXPECT_EQ(r->corrupt, 0u);
	EXPECT_EQ(client.mdts, std::vector<std::string>{"tfs-MDT0000_UUID"});
	ASSERT_EQ(client.osts.size(), 30u);
	EXPECT_EQ(client.osts[29], "tfs-OST001d_UUID");
	EXPECT_EQ(client.uuids[0], "10.0.0.1@tcp");
	ASSERT_TRUE(mgc_->read_log("tfs-MDT0000", mdt));
	EXPECT_EQ(mdt.osts.size(), 30u);
	EXPECT_EQ(mgc_->read_log("other-client", client).error(), cfs::err::NOENT);
}

TEST_F(MgcTest, AFollowerHearsOfWhatIsAdded)
{
	ASSERT_TRUE(add("tfs-MDT0000", wire::LDD_F_SV_TYPE_MDT, 0));
	ASSERT_TRUE(add("tfs-OST0000", wire::LDD_F_SV_TYPE_OST, 0));
	Seen seen;
	EXPECT_EQ(mgc_->follow("none-client", mgc::Kind::MGS_CFG_T_CONFIG, seen).error(),
		  cfs::err::NOENT);
	ASSERT_TRUE(mgc_->follow("tfs-client", mgc::Kind::MGS_CFG_T_CONFIG, seen));
	EXPECT_EQ(seen.count(), 1u);
	ASSERT_TRUE(add("tfs-OST0001", wire::LDD_F_SV_TYPE_OST, 1));
	EXPECT_TRUE(eventually([&] { return seen.count() == 2; }));
	EXPECT_EQ(seen.mdts.size(), 1u); // nothing is told twice
	mgc_->unfollow("tfs-client", seen);
}

} // namespace
