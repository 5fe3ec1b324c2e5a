// SPDX-License-Identifier: GPL-2.0
//
// Memory is refused to a whole file system in use: each place that allocates, on clients and
// servers, has its turn to fail once. What was asked for may fail with an error then. Nothing
// crashes, hangs or leaks, what was done before is still there, and everything works again
// afterwards.
#include <gtest/gtest.h>

#include "libcfs/host/alloc_fault.hpp"
#include "tests/sim/fs_world.hpp"

namespace
{

using namespace cfs::sim;
using cluster::check;
using cluster::must;
using fsworld::Client;

constexpr std::uint64_t kPlacesMax = 5000;

/// Runs one world after the other, in each of which one more place is refused memory between arm()
/// and disarm(), until there is none left. `prepare` makes the world's nodes.
class EachPlace
{
	cfs::host::FailSites faults_;
	bool refused_ = true;

public:
	void arm() { faults_.arm(); }
	void disarm() { refused_ = faults_.disarm(); }
	void run(const std::function<void(World &)> &prepare)
	{
		std::uint64_t seed = 0;
		while (refused_) {
			ASSERT_LT(++seed, kPlacesMax) << "places that allocate without end";
			World w(seed);
			prepare(w);
			Outcome o = w.run();
			ASSERT_TRUE(o.ok())
				<< "seed " << seed << ": "
				<< (refused_ ? faults_.site() : "nothing") << " was refused\n"
				<< o.report;
		}
		EXPECT_GT(seed, 20u);
	}
};

/// Refuses memory while `body` runs on a mounted client; then `after` sees that the client works.
void refuse_each_place(const fsworld::Options &options, const std::function<void(Client &)> &body,
		       const std::function<void(Client &)> &after)
{
	EachPlace places;
	places.run([&](World &w) {
		fsworld::run(w, options, [&](Client &c) {
			places.arm();
			body(c);
			places.disarm();
			after(c);
		});
	});
}

std::vector<std::byte> bytes(std::string_view s)
{
	auto b = cfs::as_bytes(s);
	return {b.begin(), b.end()};
}

/// What a client must always be able to do.
void works(Client &c)
{
	must(c.vfs->mkdir("/after"), "mkdir");
	check(must(c.vfs->exists("/after"), "exists"), "what was just made");
	must(c.vfs->rmdir("/after"), "rmdir");
}

TEST(SimOom, NamesAreMadeMovedAndRemoved)
{
	refuse_each_place(
		{.osts = 0},
		[](Client &c) {
			(void)c.vfs->mkdir("/d");
			(void)c.vfs->create("/d/file");
			(void)c.vfs->symlink("file", "/d/soft");
			(void)c.vfs->link("/d/file", "/d/hard");
			(void)c.vfs->chmod("/d/file", 0600);
			(void)c.vfs->setxattr("/d/file", "user.note", bytes("hello"), 0);
			(void)c.vfs->listxattr("/d/file");
			(void)c.vfs->readdir("/d");
			c.vfs->drop_caches();
			(void)c.vfs->stat("/d/soft");
			(void)c.vfs->rename("/d/file", "/d/moved");
			(void)c.vfs->unlink("/d/hard");
			(void)c.vfs->unlink("/d/soft");
			(void)c.vfs->unlink("/d/moved");
			(void)c.vfs->rmdir("/d");
			(void)c.vfs->statfs();
		},
		works);
}

TEST(SimOom, FilesAreWrittenAndRead)
{
	refuse_each_place(
		{.osts = 2, .stripes = 2},
		[](Client &c) {
			std::vector<std::byte> big(2 << 20, std::byte{42});
			bool written = c.vfs->write_file("/big", big).has_value();
			(void)c.vfs->stat("/big");
			written = c.vfs->sync() && written;
			c.vfs->drop_caches();
			if (auto r = c.vfs->read_file("/big"); r && written)
				check(*r == big, "data that is lost, and nobody said so");
			(void)c.vfs->truncate("/big", 100);
			(void)c.vfs->unlink("/big");
		},
		[](Client &c) {
			works(c);
			must(c.vfs->write_file("/small", bytes("hello")), "write");
			must(c.vfs->sync(), "sync");
			c.vfs->drop_caches();
			check(must(c.vfs->read_file("/small"), "read") == bytes("hello"), "data");
		});
}

TEST(SimOom, ASecondMount)
{
	refuse_each_place(
		{.osts = 1},
		[](Client &c) {
			auto again = client::host::Vfs::mount(c.stack.node, c.device);
			if (again)
				(void)(*again)->unmount();
		},
		works);
}

/// Two mounts that take each other's locks away.
void contend(client::host::Vfs &a, client::host::Vfs &b)
{
	for (auto *v : {&a, &b}) {
		auto &other = v == &a ? b : a;
		(void)v->mkdir("/d");
		(void)v->write_file("/d/f", bytes("one"));
		(void)other.stat("/d/f");
		(void)other.write_file("/d/f", bytes("three"));
		(void)v->read_file("/d/f");
		(void)v->chmod("/d/f", 0600);
		(void)other.rename("/d/f", "/d/g");
		(void)v->readdir("/d");
		(void)v->unlink("/d/g");
		(void)other.rmdir("/d");
	}
}

TEST(SimOom, LocksAreTakenBack)
{
	EachPlace places;
	places.run([&](World &w) {
		fsworld::run(w, {.osts = 1}, [&](Client &c) {
			auto other =
				must(client::host::Vfs::mount(c.stack.node, c.device), "mount");
			places.arm();
			contend(*c.vfs, *other);
			places.disarm();
			must(c.vfs->write_file("/after", bytes("hello")), "write");
			check(must(other->read_file("/after"), "read") == bytes("hello"), "data");
			must(other->unmount(), "unmount");
		});
	});
}

/// As a server node does it when each of its targets is mounted, one after the other.
void try_servers(fsworld::Shared &shared, cluster::Stack &s, EachPlace &places)
{
	auto mgs_device = cluster::mount(*shared.mgs, "MGS");
	auto mdt_device = cluster::mount(*shared.mdt, "tfs-MDT0000");
	auto ost_device = cluster::mount(*shared.osts[0], "tfs-OST0000");
	places.arm();
	if (auto mgs = mgs::Mgs::start(*s.rpc, *s.ldlm, std::move(mgs_device), {}))
		(*mgs)->stop();
	auto oss = ost::Oss::start(*s.rpc, nullptr);
	ost::OstConfig ost_config;
	ost_config.name = "tfs-OST0000";
	if (auto ost = ost::Ost::start(*s.rpc, *s.ldlm, std::move(ost_device), ost_config))
		(*ost)->stop(target::StopKind::failover);
	if (oss)
		(*oss)->stop();
	auto mds = mdt::Mds::start(*s.rpc, nullptr);
	mdt::MdtConfig mdt_config;
	mdt_config.name = "tfs-MDT0000";
	if (auto mdt = mdt::Mdt::start(*s.rpc, *s.ldlm, std::move(mdt_device), mdt_config))
		(*mdt)->stop(target::StopKind::failover);
	if (mds)
		(*mds)->stop();
	places.disarm();
}

TEST(SimOom, ServersAreStarted)
{
	EachPlace places;
	places.run([&](World &w) {
		auto shared = std::make_shared<fsworld::Shared>();
		shared->mgs = cluster::make_disk("MGS");
		shared->mdt = cluster::make_disk("tfs-MDT0000");
		shared->osts.push_back(cluster::make_disk("tfs-OST0000"));
		auto nodes = lnet::sim::add_nodes(w, 1);
		shared->server = lnet::sim::nid_of(*nodes[0]);
		cluster::start(*nodes[0], [shared, &places](cluster::Stack &s) {
			try_servers(*shared, s, places);
			fsworld::Server server(*shared, s, true);
		});
	});
}

} // namespace
