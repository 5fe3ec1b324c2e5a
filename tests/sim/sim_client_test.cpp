// SPDX-License-Identifier: GPL-2.0
//
// The client against real servers.
#include <algorithm>
#include <set>

#include "libcfs/sim/net.hpp"
#include "tests/sim/fs_world.hpp"
#include "tests/sim/victim.hpp"

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

TEST(SimClient, DirectoriesOfManyPagesAreReadWhole)
{
	run_seeds(2, [](World &w) {
		fsworld::run(w, {.osts = 0}, [](Client &c) {
			std::set<std::string> all{".", ".."};
			must(c.vfs->mkdir("/d"), "mkdir");
			for (unsigned i = 0; i < 300; i++) {
				std::string name = "a-name-of-some-length-" + std::to_string(i);
				must(c.vfs->mknod("/d/" + name, 0010644), "mknod");
				all.insert(name);
			}
			check(names(c, "/d") == all, "names");
			// In small pieces, with 64-bit and with 32-bit positions.
			for (bool narrow : {false, true}) {
				auto f = must(c.vfs->open("/d", O_RDONLY | O_DIRECTORY), "open");
				std::multiset<std::string> seen;
				std::uint64_t pos = 0;
				for (;;) {
					auto part = must(f->readdir(&pos, 7, narrow), "readdir");
					for (auto &e : part)
						seen.insert(e.name);
					if (part.empty())
						break;
				}
				check(seen.size() == all.size(), "entries in pieces");
				check(std::set(seen.begin(), seen.end()) == all, "names in pieces");
			}
		});
	});
}

TEST(SimClient, AttributesAreChanged)
{
	run_seeds(3, [](World &w) {
		fsworld::run(w, {.osts = 1}, [](Client &c) {
			must(c.vfs->write_file("/f", bytes("abc")), "write");
			must(c.vfs->chmod("/f", 0600), "chmod");
			must(c.vfs->chown("/f", 7, 8), "chown");
			must(c.vfs->utimes("/f", 1000, 2000), "utimes");
			auto look = [&c] {
				auto s = must(c.vfs->stat("/f"), "stat");
				check((s.mode & 07777) == 0600, "mode");
				check(s.uid == 7 && s.gid == 8, "owner");
				check(s.atime == 1000 && s.mtime == 2000, "times");
				check(s.size == 3 && s.nlink == 1, "size");
			};
			look();
			must(c.vfs->sync(), "sync");
			c.vfs->drop_caches();
			look();
			auto st = must(c.vfs->statfs(), "statfs");
			check(st.blocks > 0 && st.bfree <= st.blocks && st.files > 0, "statfs");
			check(st.namelen == 255, "longest name");
		});
	});
}

TEST(SimClient, WhatOneClientDoesAnotherSees)
{
	struct Turn {
		unsigned now = 0;
		void wait(unsigned n)
		{
			while (now < n)
				sleep_for(kMillisecond * 10);
		}
	};
	run_seeds(5, [](World &w) {
		auto turn = std::make_shared<Turn>();
		fsworld::run(w, {.osts = 1, .clients = 2}, [turn](Client &c) {
			auto &v = *c.vfs;
			if (c.number == 0) {
				must(v.mkdir("/d"), "mkdir");
				must(v.write_file("/d/f", bytes("one")), "write");
				check(!must(v.exists("/d/later"), "exists"), "too early");
				turn->now = 1;
				turn->wait(2);
				// A name that was missing, data that was cached, an owner, a name.
				check(must(v.exists("/d/later"), "exists"), "the new name");
				check(must(v.read_file("/d/f"), "read") == bytes("three"), "data");
				check(must(v.stat("/d/f"), "stat").uid == 5, "owner");
				check(names(c, "/d").contains("later"), "in the directory");
				turn->now = 3;
				turn->wait(4);
				check(!must(v.exists("/d/f"), "exists"), "a name that is gone");
				return;
			}
			turn->wait(1);
			check(must(v.stat("/d/f"), "stat").size == 3, "size of dirty data");
			check(must(v.read_file("/d/f"), "read") == bytes("one"), "dirty data");
			must(v.write_file("/d/f", bytes("three")), "write");
			must(v.chown("/d/f", 5, 5), "chown");
			must(v.create("/d/later"), "create");
			turn->now = 2;
			turn->wait(3);
			must(v.rename("/d/f", "/d/g"), "rename");
			turn->now = 4;
		});
	});
}

TEST(SimClient, OpenFilesOutliveTheirNames)
{
	run_seeds(3, [](World &w) {
		fsworld::run(w, {.osts = 1}, [](Client &c) {
			auto f = must(c.vfs->open("/f", O_CREAT | O_RDWR), "open");
			must(f->write(0, bytes("data")), "write");
			must(c.vfs->unlink("/f"), "unlink");
			check(!must(c.vfs->exists("/f"), "exists"), "name");
			std::byte buf[8];
			check(must(f->read(0, buf), "read") == 4, "read");
			must(f->write(4, bytes("more")), "write");
			must(f->fsync(), "fsync");
			must(f->close(), "close");
		});
	});
}

TEST(SimClient, ExtendedAttributesAndFlocksAreKept)
{
	run_seeds(2, [](World &w) {
		fsworld::Options o{.osts = 0, .mount_options = "user_xattr,"};
		fsworld::run(w, o, [](Client &c) {
			must(c.vfs->mkdir("/d"), "mkdir");
			must(c.vfs->setxattr("/d", "user.k", bytes("value")), "setxattr");
			check(must(c.vfs->getxattr("/d", "user.k"), "getxattr") == bytes("value"),
			      "value");
			auto list = must(c.vfs->listxattr("/d"), "listxattr");
			check(std::ranges::find(list, "user.k") != list.end(), "list");
			check(c.vfs->setxattr("/d", "user.k", bytes("x"), true).error() ==
				      cfs::err::EXIST,
			      "create");
			must(c.vfs->removexattr("/d", "user.k"), "removexattr");
			check(c.vfs->getxattr("/d", "user.k").error() == cfs::err::NODATA, "gone");
			auto f = must(c.vfs->open("/d", O_RDONLY | O_DIRECTORY), "open");
			must(f->lock(1, 1), "lock");
			check(f->lock(2, 0, 0, ~std::uint64_t{0}, false).error() == cfs::err::AGAIN,
			      "conflict");
			struct lustre_flock probe{2, 0, 99, 1, 0, false};
			check(must(f->test_lock(probe), "test").type == 1, "who is in the way");
			must(f->lock(1, 2), "unlock");
			must(f->lock(2, 0, 0, 10, false), "lock");
			must(f->lock(2, 2), "unlock");
		});
	});
}

TEST(SimClient, AMountCanBeForcedWhenServersAreGone)
{
	run_seeds(2, [](World &w) {
		fsworld::run(w, {.osts = 1}, [](Client &c) {
			must(c.vfs->write_file("/f", bytes("abc")), "write");
			auto two = must(client::host::Vfs::mount(c.stack.node, c.device), "second");
			check(must(two->read_file("/f"), "read") == bytes("abc"), "second mount");
			two->force();
			check(!two->mkdir("/never"), "an answer from nobody");
			(void)two->unmount();
			two.reset();
			check(must(c.vfs->read_file("/f"), "read") == bytes("abc"), "first mount");
		});
	});
}

TEST(SimClient, AForcedMountEndsWhoWaitsForALock)
{
	run_seeds(5, [](World &w) {
		fsworld::run(w, {.osts = 1}, [](Client &c) {
			must(c.vfs->mknod("/f", 0100644), "mknod");
			auto mine = must(c.vfs->open("/f", O_RDWR), "open");
			must(mine->lock(1, 1), "lock");
			auto two = must(client::host::Vfs::mount(c.stack.node, c.device), "second");
			auto theirs = must(two->open("/f", O_RDWR), "open");
			bool ended = false;
			this_node().spawn("waiter", [&] {
				check(!theirs->lock(2, 1), "a lock that somebody else has");
				ended = true;
			});
			sleep_for(2 * kSecond);
			check(!ended, "did not wait");
			two->force();
			for (int i = 0; i < 60 && !ended; i++)
				sleep_for(kSecond);
			check(ended, "waits for ever");
			theirs.reset();
			(void)two->unmount();
			two.reset();
			must(mine->lock(1, 2), "unlock");
		});
	});
}

TEST(SimClient, AStampOfANameSaysNothingOfAMissingOne)
{
	run_seeds(2, [](World &w) {
		fsworld::run(w, {.osts = 0}, [](Client &c) {
			must(c.vfs->mkdir("/d"), "mkdir");
			must(c.vfs->mkdir("/d/e"), "mkdir");
			(void)names(c, "/");
			vfs_inode *root = nullptr;
			check(lustre_mount_root(c.vfs->core(), &root) == 0, "root");
			lustre_inode *dir = vfs_inode_core(root);
			// The first lock of the directory and the first of the name in it.
			lustre_found found{};
			check(lustre_lookup(dir, "d", 1, 0, &found) == 0 && found.inode, "lookup");
			lustre_inode *child = vfs_inode_core(found.inode);
			check(lustre_name_valid(child, found.stamp, false), "a name not believed");
			// A removed name keeps its stamp, and is compared with its directory's.
			for (lustre_inode *i : {dir, child})
				check(!lustre_name_valid(i, found.stamp, true),
				      "taken for missing");
			vfs_iput(found.inode);
			vfs_iput(root);
		});
	});
}

TEST(SimClient, AWriteThatNeedsObjectsDoesNotWaitForItsReaders)
{
	run_seeds(20, [](World &w) {
		fsworld::run(w, {.osts = 1}, [](Client &c) {
			constexpr unsigned kFiles = 6;
			unsigned left = 0;
			for (unsigned i = 0; i < kFiles; i++) {
				std::string path = "/f" + std::to_string(i);
				must(c.vfs->mknod(path, 0100644), "mknod");
				bool written = false;
				for (unsigned t = 0; t < 2; t++, left++)
					this_node().spawn("reader", [&, path, t] {
						while (!written) {
							if (t)
								must(c.vfs->stat(path), "stat");
							else
								(void)must(
									c.vfs->open(path, O_RDONLY),
									"open");
							sleep_for(kMillisecond);
						}
						left--;
					});
				sleep_for(this_world().rng().below(3 * kMillisecond));
				auto before = cfs::Instant::now();
				must(c.vfs->write_file(path, bytes("abc")), "write");
				check(cfs::Instant::now() - before < cfs::Duration::seconds(20),
				      "a lock that was not given back");
				written = true;
				while (left)
					sleep_for(kMillisecond);
				check(must(c.vfs->read_file(path), "read") == bytes("abc"), "data");
			}
		});
	});
}

TEST(SimClient, AReaderOfALinkCanBeKilledWhileAnotherWaits)
{
	run_seeds(3, [](World &w) {
		fsworld::run(w, {.osts = 0}, [&w](Client &c) {
			must(c.vfs->symlink("target", "/link"), "symlink");
			must(c.vfs->lstat("/link"), "lstat");
			w.net().partition(c.node, c.server);
			auto read = [&] { (void)c.vfs->readlink("/link"); };
			victim::Thread one(c.stack.node, read), two(c.stack.node, read);
			sleep_for(kSecond);
			check(two.ends_when_killed(), "second reader");
			check(!one.ended(), "the first waits for the server");
			check(one.ends_when_killed(), "first reader");
			w.net().heal(c.node, c.server);
			check(must(c.vfs->readlink("/link"), "readlink") == "target", "link");
		});
	});
}

} // namespace
