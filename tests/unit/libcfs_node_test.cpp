// SPDX-License-Identifier: GPL-2.0
//
// Nodes and the parts that modules hang on them.
#include <atomic>
#include <thread>

#include "libcfs/host/alloc_fault.hpp"
#include "libcfs/node.hpp"
#include "tests/unit/libcfs_machine.hpp"

using namespace cfs;

namespace
{

std::vector<std::string> events;
std::mutex events_lock;

void note(const char *what)
{
	std::lock_guard g(events_lock);
	events.emplace_back(what);
}

class Lower final : public NodePart
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_LNET;
	static constexpr NodeSlot kNodeSlot = NodeSlot::lnet;

	static Result<UniquePtr<Lower>> make(Node &) noexcept
	{
		note("make lower");
		return try_make<Lower>();
	}
	void destroy() noexcept override
	{
		note("end lower");
		this->~Lower();
		cfs_free(kSubsys, this, sizeof(*this));
	}
};

class Upper final : public NodePart
{
public:
	static constexpr cfs_subsys kSubsys = CFS_S_RPC;
	static constexpr NodeSlot kNodeSlot = NodeSlot::rpc;

	static Result<UniquePtr<Upper>> make(Node &node) noexcept
	{
		TRY(node.part<Lower>());
		note("make upper");
		return try_make<Upper>();
	}
	void destroy() noexcept override
	{
		note("end upper");
		this->~Upper();
		cfs_free(kSubsys, this, sizeof(*this));
	}
};

class NodeTest : public MachineTest
{
protected:
	void SetUp() override
	{
		events.clear();
		MachineTest::SetUp();
	}
};

TEST_F(NodeTest, OneObjectPerNode)
{
	cfs::host::HostNode a("a");
	cfs::host::HostNode b("b");
	EXPECT_FALSE(Node::find(a.get()));
	auto na = Node::get(a.get());
	auto nb = Node::get(b.get());
	ASSERT_TRUE(na && nb);
	EXPECT_FALSE(*na == *nb);
	EXPECT_TRUE(*Node::get(a.get()) == *na);
	EXPECT_TRUE(Node::find(a.get()) == *na);
	EXPECT_STREQ((*na)->name(), "a");
	EXPECT_EQ(to_rc(Node::get(nullptr)), -ESHUTDOWN);
}

TEST_F(NodeTest, PartsAreMadeOnceAndEndInReverse)
{
	cfs::host::HostNode a("a");
	{
		auto n = Node::get(a.get());
		ASSERT_TRUE(n);
		EXPECT_EQ((*n)->find_part<Upper>(), nullptr);
		auto u = (*n)->part<Upper>();
		ASSERT_TRUE(u);
		EXPECT_EQ(*(*n)->part<Upper>(), *u);
		EXPECT_NE((*n)->find_part<Lower>(), nullptr);
	}
	EXPECT_EQ(events,
		  (std::vector<std::string>{"make lower", "make upper", "end upper", "end lower"}));
}

TEST_F(NodeTest, AModuleDropsItsPartsEverywhere)
{
	cfs::host::HostNode a("a");
	cfs::host::HostNode b("b");
	auto na = Node::get(a.get());
	auto nb = Node::get(b.get());
	ASSERT_TRUE((*na)->part<Lower>() && (*nb)->part<Lower>());
	drop_node_parts(NodeSlot::lnet);
	EXPECT_EQ((*na)->find_part<Lower>(), nullptr);
	EXPECT_EQ((*nb)->find_part<Lower>(), nullptr);
	EXPECT_EQ(events.size(), 4u);
}

TEST_F(NodeTest, ManyThreadsShareOneMaking)
{
	cfs::host::HostNode a("a");
	for (int round = 0; round < 20; round++) {
		std::vector<std::thread> threads;
		for (int t = 0; t < 4; t++)
			threads.emplace_back([&] {
				for (int i = 0; i < 20; i++) {
					auto n = Node::get(a.get());
					ASSERT_TRUE(n);
					ASSERT_TRUE((*n)->part<Upper>());
				}
			});
		for (auto &t : threads)
			t.join();
	}
	int alive = 0;
	for (auto &e : events) {
		alive += e == "make lower" ? 1 : e == "end lower" ? -1 : 0;
		EXPECT_TRUE(alive == 0 || alive == 1);
	}
	EXPECT_EQ(alive, 0);
}

TEST_F(NodeTest, EveryAllocationMayFail)
{
	cfs::host::HostNode a("a");
	auto report = cfs::host::fail_each_site([&]() -> Result<> {
		auto n = TRY(Node::get(a.get()));
		TRY(n->part<Upper>());
		return {};
	});
	EXPECT_TRUE(report.all_good()) << report.complaints();
	EXPECT_GT(report.runs.size(), 3u);
}

} // namespace
