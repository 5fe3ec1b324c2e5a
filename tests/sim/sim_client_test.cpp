// SPDX-License-Identifier: GPL-2.0
//
// The client against real servers.
#include <algorithm>
#include <set>

#include "tests/sim/fs_world.hpp"

namespace
{

using namespace cfs::sim;
using cluster::check;
using cluster::must;
using fsworld::Client;

std::set<std::string> names(Client &c, std::string_view path)
{
	std::set<std::string> out;
	for (auto &e : must(c.vfs->readdir(path), "readdir"))
		out.insert(e.name);
	return out;
}

std::vector<std::byte> bytes(std::string_view s)
{
	auto b = cfs::as_bytes(s);
	return {b.begin(), b.end()};
}

TEST(SimClient, MountsAndUnmounts)
{
	run_seeds(2, [](World &w) {
		fsworld::run(w, {.osts = 0}, [](Client &c) {
			auto s = must(c.vfs->stat("/"), "stat root");
			check((s.mode & 0170000) == 0040000, "root is no directory");
			check(s.ino == 144115188193296385, "number of the root");
		});
	});
}

TEST(SimClient, NamesAreMadeMovedAndRemoved)
{
	run_seeds(5, [](World &w) {
		fsworld::run(w, {.osts = 0}, [](Client &c) {
			must(c.vfs->mkdir("/d", 0755), "mkdir");
			must(c.vfs->mkdir("/d/sub", 0700), "mkdir sub");
			check(c.vfs->mkdir("/d").error() == cfs::err::EXIST, "mkdir twice");
			must(c.vfs->symlink("sub", "/d/soft"), "symlink");
			check(must(c.vfs->readlink("/d/soft"), "readlink") == "sub", "link text");
			must(c.vfs->mknod("/d/null", 0020666, (1 << 20) | 3), "mknod");
			auto s = must(c.vfs->stat("/d/null"), "stat null");
			check(s.rdev == ((1 << 20) | 3), "device number");
			check(must(c.vfs->stat("/d"), "stat d").nlink == 3, "links of d");
			check(names(c, "/d") ==
				      std::set<std::string>{".", "..", "sub", "soft", "null"},
			      "names in d");
			must(c.vfs->rename("/d/null", "/d/sub/zero"), "rename");
			check(!must(c.vfs->exists("/d/null"), "exists"), "old name");
			check(must(c.vfs->exists("/d/soft/zero"), "exists"), "new name");
			must(c.vfs->link("/d/sub/zero", "/d/hard"), "link");
			check(must(c.vfs->stat("/d/hard"), "stat").nlink == 2, "links");
			must(c.vfs->unlink("/d/sub/zero"), "unlink");
			check(must(c.vfs->stat("/d/hard"), "stat").nlink == 1, "links after");
			check(c.vfs->rmdir("/d").error() == cfs::err::NOTEMPTY, "rmdir full");
			must(c.vfs->unlink("/d/hard"), "unlink");
			must(c.vfs->unlink("/d/soft"), "unlink");
			must(c.vfs->rmdir("/d/sub"), "rmdir");
			must(c.vfs->rmdir("/d"), "rmdir");
			check(c.vfs->stat("/d").error() == cfs::err::NOENT, "gone");
		});
	});
}

TEST(SimClient, FilesAreWrittenAndRead)
{
	run_seeds(3, [](World &w) {
		fsworld::run(w, {.osts = 2, .stripes = 2}, [](Client &c) {
			must(c.vfs->mkdir("/d"), "mkdir");
			must(c.vfs->write_file("/d/f", bytes("hello")), "write");
			check(must(c.vfs->stat("/d/f"), "stat").size == 5, "size");
			check(must(c.vfs->read_file("/d/f"), "read") == bytes("hello"), "cached");
			must(c.vfs->sync(), "sync");
			c.vfs->drop_caches();
			check(c.vfs->cached_pages() == 0, "pages are left");
			check(must(c.vfs->read_file("/d/f"), "read") == bytes("hello"), "read");
			std::vector<std::byte> big(3 << 20);
			for (std::size_t i = 0; i < big.size(); i++)
				big[i] = static_cast<std::byte>(i * 7 + i / 4096);
			must(c.vfs->write_file("/d/big", big), "write big");
			c.vfs->drop_caches();
			check(must(c.vfs->stat("/d/big"), "stat").size == big.size(), "size");
			check(must(c.vfs->read_file("/d/big"), "read big") == big, "big");
			must(c.vfs->truncate("/d/big", 100), "truncate");
			check(must(c.vfs->read_file("/d/big"), "read").size() == 100, "short");
			must(c.vfs->unlink("/d/big"), "unlink");
			must(c.vfs->unlink("/d/f"), "unlink");
			must(c.vfs->rmdir("/d"), "rmdir");
		});
	});
}

} // namespace
