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

/// Runs `body` on a mounted client in one world after the other, in each of which one more place is
/// refused memory; then `after` sees that the client works.
void refuse_each_place(const fsworld::Options &options, std::function<void(Client &)> body,
		       std::function<void(Client &)> after)
{
	auto faults = std::make_shared<cfs::host::FailSites>();
	auto refused = std::make_shared<bool>(true);
	std::uint64_t seed = 0;
	while (*refused) {
		ASSERT_LT(++seed, kPlacesMax) << "places that allocate without end";
		World w(seed);
		fsworld::run(w, options, [&](Client &c) {
			faults->arm();
			body(c);
			*refused = faults->disarm();
			after(c);
		});
		Outcome o = w.run();
		ASSERT_TRUE(o.ok()) << "seed " << seed << ": "
				    << (*refused ? faults->site() : "nothing") << " was refused\n"
				    << o.report;
	}
	std::printf("%llu places\n", static_cast<unsigned long long>(seed - 1));
	EXPECT_GT(seed, 20u);
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

} // namespace
