// SPDX-License-Identifier: GPL-2.0
//
// Two clients use a whole file system: MGS and MDT, two OSTs, each on its node.
#include <fcntl.h>

#include <algorithm>

#include "tests/sim/cluster_fs.hpp"

namespace
{

using namespace cfs::sim;
using cluster::check;
using cluster::ClientNode;
using cluster::must;

/// Bytes that say where they belong.
std::vector<std::byte> pattern(std::size_t n, unsigned seed)
{
	std::vector<std::byte> v(n);
	for (std::size_t i = 0; i < n; i++)
		v[i] = static_cast<std::byte>((i * 131 + (i >> 12) * 7 + seed) & 0xff);
	return v;
}

/// Clients that take turns.
struct Turns {
	unsigned now = 0;
	void wait(unsigned n) const
	{
		while (now < n)
			sleep_for(10 * kMillisecond);
	}
	void done() { now++; }
};

bool lists(client::host::Vfs &v, std::string_view dir, std::vector<std::string> names)
{
	std::vector<std::string> seen;
	for (auto &e : must(v.readdir(dir), "readdir"))
		if (e.name != "." && e.name != "..")
			seen.push_back(e.name);
	std::ranges::sort(seen);
	std::ranges::sort(names);
	return seen == names;
}

constexpr std::size_t kBig = (3u << 20) + 12345;

void first_client(ClientNode &c, Turns &t)
{
	auto &v = *c.vfs;
	must(v.mkdir("/d", 0750), "mkdir");
	must(v.create("/d/empty"), "create");
	must(v.write_file("/d/f", pattern(kBig, 1)), "write");
	must(v.symlink("f", "/d/s"), "symlink");
	must(v.sync(), "sync");
	t.done(); // 1
	t.wait(2);
	check(!must(v.exists("/d/f"), "stat"), "the old name is still there");
	check(must(v.read_file("/d/h"), "read") == pattern(kBig, 1), "content of h");
	check(must(v.read_file("/d/g"), "read") == pattern(70000, 2), "content of g");
	{
		auto f = must(v.open("/d/g", O_RDWR), "open");
		must(f->append(pattern(1000, 3)), "append");
		must(f->close(), "close");
	}
	check(must(v.stat("/d/g"), "stat").size == 71000, "size after append");
	t.done(); // 3
	t.wait(4);
	must(v.unlink("/d/empty"), "unlink");
	must(v.unlink("/d/g"), "unlink");
	must(v.unlink("/d/h"), "unlink");
	must(v.unlink("/d/l"), "unlink");
	must(v.unlink("/d/s"), "unlink");
	check(lists(v, "/d", {}), "the directory is not empty");
	must(v.rmdir("/d"), "rmdir");
	t.done(); // 5
}

void second_client(ClientNode &c, Turns &t)
{
	auto &v = *c.vfs;
	t.wait(1);
	check(lists(v, "/d", {"empty", "f", "s"}), "names");
	auto st = must(v.stat("/d/f"), "stat");
	check(st.size == kBig, "size of f");
	check((must(v.stat("/d"), "stat").mode & 07777) == 0750, "mode of d");
	check(must(v.readlink("/d/s"), "readlink") == "f", "target of s");
	check(must(v.read_file("/d/f"), "read") == pattern(kBig, 1), "content of f");
	must(v.write_file("/d/g", pattern(70000, 2)), "write");
	must(v.rename("/d/f", "/d/h"), "rename");
	must(v.link("/d/h", "/d/l"), "link");
	check(must(v.stat("/d/h"), "stat").nlink == 2, "links of h");
	t.done(); // 2
	t.wait(3);
	auto g = must(v.read_file("/d/g"), "read");
	check(g.size() == 71000, "what the other one appended");
	auto tail = pattern(1000, 3);
	check(std::equal(tail.begin(), tail.end(), g.end() - 1000), "content of the end of g");
	must(v.chmod("/d/g", 0600), "chmod");
	must(v.truncate("/d/g", 5), "truncate");
	check(must(v.stat("/d/g"), "stat").size == 5, "size after truncate");
	auto space = must(v.statfs(), "statfs");
	check(space.blocks > 0, "statfs");
	t.done(); // 4
	t.wait(5);
	check(!must(v.exists("/d"), "stat"), "the directory is still there");
}

TEST(SimFs, TwoClientsSeeEachOther)
{
	run_seeds(20, [](World &w) {
		auto fs = cluster::make_fs(w);
		auto turns = std::make_shared<Turns>();
		cluster::on_client(fs, 0, [turns](ClientNode &c) { first_client(c, *turns); });
		cluster::on_client(fs, 1, [turns](ClientNode &c) { second_client(c, *turns); });
		cluster::end_with_clients(w, fs);
	});
}

} // namespace
