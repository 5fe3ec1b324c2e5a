// SPDX-License-Identifier: GPL-2.0
// A node and its MGS: targets register, logs are read and followed (spec 02 section 9).
#include <algorithm>
#include <string>

#include "libcfs/host/params.hpp"
#include "lustre/osd/mem/mem.hpp"
#include "mgc/mgc.hpp"
#include "mgs/mgs.hpp"
#include "rpc/format/ops_mgs.hpp"
#include "tests/unit/rpc_test.hpp"

namespace
{

using namespace rpctest;
namespace fld = rpc::fld;
namespace op = rpc::op;

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

/// Remembers where targets run.
struct SeenTargets final : mgc::TargetFollower {
	std::mutex m;
	std::map<std::pair<bool, u32>, std::pair<u32, Nid>> at;
	void target_at(const mgc::TargetPlace &p) noexcept override
	{
		std::lock_guard g(m);
		at[{p.kind == wire::TargetKind::mdt, p.index}] = {p.instance, p.nids.front()};
	}
	u32 instance(bool mdt, u32 index)
	{
		std::lock_guard g(m);
		auto i = at.find({mdt, index});
		return i == at.end() ? 0 : i->second.first;
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
	/// A target takes connections.
	cfs::Result<wire::MgsTargetInfo> ready(u32 type, u32 index, u32 instance)
	{
		wire::MgsTargetInfo mti{};
		mti.flags = wire::LDD_F_OPC_READY | type;
		mti.stripe_index = index;
		mti.instance = instance;
		EXPECT_TRUE(mti.fsname.set("tfs"));
		Nid nid = Nid::ipv4(lnet::make_net(lnet::LndType::tcp, 0), 0x0a000007);
		TRY(mgc_->register_target(mti, std::array{nid}));
		return mti;
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

TEST_F(MgcTest, WhereTargetsRunIsFollowed)
{
	SeenTargets early, seen;
	ASSERT_TRUE(mgc_->follow_targets("tfs-cliir", early,
					 "tfs-client")); // there is no such file system yet
	ASSERT_TRUE(add("tfs-MDT0000", wire::LDD_F_SV_TYPE_MDT, 0));
	ASSERT_TRUE(add("tfs-OST0000", wire::LDD_F_SV_TYPE_OST, 0));
	EXPECT_EQ(ready(wire::LDD_F_SV_TYPE_OST, 5, 1).error(), cfs::err::NOENT);
	auto mti = ready(wire::LDD_F_SV_TYPE_OST, 0, 3);
	ASSERT_TRUE(mti);
	// So soon after its start the MGS promises nothing.
	EXPECT_FALSE(mti->flags & wire::LDD_F_IR_CAPABLE);
	ASSERT_TRUE(mgc_->follow_targets("tfs-cliir", seen, "tfs-client"));
	EXPECT_EQ(seen.instance(false, 0), 3u);
	EXPECT_EQ(seen.at.begin()->second.second,
		  Nid::ipv4(lnet::make_net(lnet::LndType::tcp, 0), 0x0a000007));
	ASSERT_TRUE(ready(wire::LDD_F_SV_TYPE_MDT, 0, 8));
	EXPECT_TRUE(eventually([&] { return seen.instance(true, 0) == 8; }));
	EXPECT_TRUE(eventually([&] { return early.instance(true, 0) == 8; }));
	mgc_->unfollow_targets("tfs-cliir", seen);
	mgc_->unfollow_targets("tfs-cliir", early);
}

TEST_F(MgcTest, FilesSayWhatHasBeenTold)
{
	ASSERT_TRUE(add("tfs-OST0000", wire::LDD_F_SV_TYPE_OST, 0));
	ASSERT_TRUE(ready(wire::LDD_F_SV_TYPE_OST, 0, 3));
	cfs::ParamGroup folder;
	ASSERT_TRUE(folder.open(box_->node->params(), "mgc"));
	// Two of one name, of which one does not want to be told.
	mgc::MgcConfig c{.device = "MGC0@lo", .uuid = "mgc-2", .params = &folder};
	auto first = *mgc::Mgc::create(*box_->rpc, *ldlm_, c);
	c.uuid = "mgc-3";
	c.no_ir = true;
	auto second = *mgc::Mgc::create(*box_->rpc, *ldlm_, c);
	SeenTargets seen, none;
	for (auto [m, follower] : {std::pair{first.get(), &seen}, {second.get(), &none}}) {
		ASSERT_TRUE(m->add_node(std::array{Nid::lo()}));
		ASSERT_TRUE(
			m->connect(cfs::WaitMode::idle, cfs::after(cfs::Duration::seconds(20))));
		ASSERT_TRUE(m->follow_targets("tfs-cliir", *follower, "tfs-client"));
	}
	EXPECT_TRUE(none.at.empty());
	auto state = [&](const char *name) {
		auto r = cfs::host::param_get(cfs_node_current(), CFS_PTREE_DEBUGFS,
					      std::string("lustre/mgc/") + name + "/ir_state");
		return r ? *r : "error " + std::to_string(cfs::to_rc(r));
	};
	EXPECT_EQ(state("MGC0@lo"), "imperative_recovery: ENABLED\nclient_state:\n"
				    "    - { client: tfs-client, nidtbl_version: 3 }\n");
	EXPECT_EQ(state("MGC0@lo-2"), "imperative_recovery: DISABLED\nclient_state:\n"
				      "    - { client: tfs-client, nidtbl_version: 0 }\n");
	first->stop();
	second->stop();
}

TEST_F(MgcTest, AnotherMgsGoesOnWhereTheFormerOneWas)
{
	ASSERT_TRUE(add("tfs-OST0000", wire::LDD_F_SV_TYPE_OST, 0));
	SeenTargets seen;
	for (u32 i = 1; i <= 5; i++)
		ASSERT_TRUE(ready(wire::LDD_F_SV_TYPE_OST, 0, i));
	ASSERT_TRUE(mgc_->follow_targets("tfs-mdtir", seen, "tfs-client"));
	EXPECT_EQ(seen.instance(false, 0), 5u);
	stop_mgs();
	start_mgs();
	// Who asks the next life of the MGS is told once that it is not known there.
	EXPECT_TRUE(eventually([&] { return ready(wire::LDD_F_SV_TYPE_OST, 0, 6).has_value(); }));
	EXPECT_TRUE(eventually([&] { return seen.instance(false, 0) == 6; }));
	mgc_->unfollow_targets("tfs-mdtir", seen);
}

TEST_F(MgcTest, QuestionsWithoutSenseAreRefused)
{
	ASSERT_TRUE(add("tfs-OST0000", wire::LDD_F_SV_TYPE_OST, 0));
	auto ask = [&](const char *name, wire::MgsCfgType type, u64 offset, wire::u8 bits,
		       u32 units) {
		auto req = rpc::Request<op::MgsConfigRead>::make(mgc_->import());
		EXPECT_TRUE(req);
		auto &b = req->template get<fld::MgsConfigBody>();
		EXPECT_TRUE(b.name.set(name));
		b.type = type;
		b.offset = offset;
		b.bits = bits;
		b.units = units;
		std::vector<std::byte> room(4096);
		(*req)->options.bulk = rpc::BulkDesc::linear(rpc::Bulk::to_client,
							     wire::Portal::MGS_BULK_PORTAL, room);
		auto r = req->send_wait();
		return r ? cfs::Errno{} : r.error();
	};
	using enum wire::MgsCfgType;
	EXPECT_EQ(ask("tfs-cliir", MGS_CFG_T_RECOVER, 1, 12, 1), cfs::Errno{});
	EXPECT_EQ(ask("tfs-cliir", MGS_CFG_T_RECOVER, ~u64{0}, 16, ~0u), cfs::Errno{});
	EXPECT_EQ(ask("tfs-client", MGS_CFG_T_RECOVER, 1, 12, 1), cfs::err::INVAL);
	EXPECT_EQ(ask("../x-cliir", MGS_CFG_T_RECOVER, 1, 12, 1), cfs::err::INVAL);
	EXPECT_EQ(ask("none-cliir", MGS_CFG_T_RECOVER, 1, 12, 1), cfs::err::NOENT);
	EXPECT_EQ(ask("tfs-cliir", MGS_CFG_T_RECOVER, 0, 12, 1), cfs::err::INVAL);
	EXPECT_EQ(ask("tfs-cliir", MGS_CFG_T_RECOVER, 1, 11, 1), cfs::err::INVAL);
	EXPECT_EQ(ask("tfs-cliir", MGS_CFG_T_RECOVER, 1, 63, 1), cfs::err::INVAL);
	EXPECT_EQ(ask("tfs-cliir", MGS_CFG_T_RECOVER, 1, 12, 0), cfs::err::INVAL);
	EXPECT_EQ(ask("tfs-client", MGS_CFG_T_CONFIG, 1, 12, 1), cfs::err::OPNOTSUPP);
	EXPECT_EQ(ask("nodemap", MGS_CFG_T_NODEMAP, 0, 12, 1), cfs::err::OPNOTSUPP);
	EXPECT_EQ(ask("tfs-cliir", MGS_CFG_T_BARRIER, 1, 12, 1), cfs::err::INVAL);
}

} // namespace
