// SPDX-License-Identifier: GPL-2.0
//
// mkfs.lustre, tunefs.lustre and mount.lustre below their main programs: what they write is
// compared with mountdata files that stock tools wrote, and e2fsck has the last word on the file
// system.

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "mkfs/backing.hpp"
#include "mkfs/mke2fs.hpp"
#include "mkfs/nids.hpp"
#include "mkfs/options.hpp"
#include "mount/options.hpp"

using namespace mkfs;

namespace
{

std::string slurp(const std::filesystem::path &p)
{
	std::ifstream f(p, std::ios::binary);
	return {std::istreambuf_iterator<char>(f), {}};
}

std::string golden(const std::string &name)
{
	auto s = slurp(std::filesystem::path(CFS_GOLDEN_DATA) / "disk" / name);
	EXPECT_FALSE(s.empty()) << name;
	return s;
}

Outcome<Request> command(Tool tool, std::vector<std::string> words)
{
	words.insert(words.begin(), tool == Tool::mkfs ? "mkfs.lustre" : "tunefs.lustre");
	std::vector<char *> argv;
	for (auto &w : words)
		argv.push_back(w.data());
	argv.push_back(nullptr);
	return parse_command_line(tool, static_cast<int>(words.size()), argv.data());
}

Outcome<DiskData> target(std::vector<std::string> words)
{
	auto r = TRY(command(Tool::mkfs, std::move(words)));
	std::string warnings;
	return new_target(r, warnings);
}

std::string bytes_of_target(std::vector<std::string> words)
{
	auto d = target(std::move(words));
	EXPECT_TRUE(d) << d.error().message;
	return d ? encode(*d).value_or("") : "";
}

std::string message(const Outcome<DiskData> &d)
{
	return d ? "no error" : d.error().message;
}

/// A sparse file that goes with the test.
struct Image {
	std::string path;
	explicit Image(std::uint64_t kb)
	{
		char name[] = "/tmp/mkfs_test_XXXXXX";
		int fd = mkstemp(name);
		path = name;
		EXPECT_EQ(ftruncate(fd, static_cast<off_t>(kb * 1024)), 0);
		close(fd);
	}
	~Image() { unlink(path.c_str()); }
};

FormatRequest size(std::uint64_t kb)
{
	FormatRequest f;
	f.device_kb = kb;
	f.knows = [](const std::string &) { return true; };
	return f;
}

std::string options(std::vector<std::string> words, std::uint64_t kb, std::string user = "")
{
	auto d = target(std::move(words));
	auto f = size(kb);
	f.user_options = user;
	auto c = compose(*d, f);
	return c ? c->options : c.error().message;
}

void format(const Image &image, std::uint64_t kb, const DiskData &d)
{
	auto f = size(kb);
	f.knows = knows_feature;
	auto c = compose(d, f);
	ASSERT_TRUE(c) << c.error().message;
	std::string output;
	ASSERT_EQ(run(c->argv(image.path), output), 0) << output;
	auto fs = Backing::open(image.path, Backing::Mode::write_fresh);
	ASSERT_TRUE(fs) << fs.error().message;
	auto bytes = encode(d);
	ASSERT_TRUE(bytes);
	auto wrote = fs->write_mountdata(*bytes);
	ASSERT_TRUE(wrote) << wrote.error().message;
	ASSERT_TRUE(fs->close());
}

void expect_clean(const Image &image)
{
	std::string output;
	EXPECT_EQ(run({"e2fsck", "-fn", image.path}, output), 0) << output;
	EXPECT_EQ(output.find("QUOTA"), std::string::npos) << output;
}

const std::vector<std::string> kGoldMdt = {"--mdt", "--fsname=gold", "--index=0",
					   "--mgsnode=192.168.50.9@tcp", "/dev/x"};
const std::vector<std::string> kGoldOst = {"--ost", "--fsname=gold", "--index=0",
					   "--mgsnode=192.168.50.9@tcp", "/dev/x"};

TEST(Mountdata, IsWhatStockWrites)
{
	EXPECT_EQ(bytes_of_target({"--mgs", "/dev/x"}), golden("mountdata-fresh-MGS"));
	EXPECT_EQ(bytes_of_target(kGoldMdt), golden("mountdata-fresh-MDT0000"));
	EXPECT_EQ(bytes_of_target(kGoldOst), golden("mountdata-fresh-OST0000"));
	EXPECT_EQ(bytes_of_target({"--mgs", "--mdt", "--fsname=comb", "--index=0", "/dev/x"}),
		  golden("mountdata-fresh-MGS+MDT0000-combined"));
}

TEST(Mountdata, ReadsWhatTunefsLeftWithStaleTextBehindTheParameters)
{
	auto d = decode(golden("mountdata-after-tunefs"));
	ASSERT_TRUE(d) << d.error().message;
	EXPECT_EQ(d->flags, 0x1142u);
	EXPECT_EQ(d->svname, "dk=OST0005");
	EXPECT_EQ(d->index, 5u);
	EXPECT_EQ(d->params,
		  (std::vector<std::string>{"failover.node=10.0.0.5@tcp", "mgsnode=10.0.0.9@tcp"}));
	EXPECT_EQ(d->comment, "a comment");
}

TEST(Mountdata, RefusesWhatIsNone)
{
	auto good = golden("mountdata-fresh-OST0000");
	EXPECT_FALSE(decode(""));
	EXPECT_FALSE(decode(good.substr(0, 12287)));
	auto bad = good;
	bad[0] = 2;
	EXPECT_FALSE(decode(bad));
	bad = good;
	std::fill(bad.begin() + 8192, bad.end(), 'x');
	EXPECT_FALSE(decode(bad));
}

TEST(Mountdata, RefusesTextsThatDoNotFit)
{
	auto d = target(kGoldOst);
	ASSERT_TRUE(d);
	auto long_one = *d;
	long_one.params.push_back("a.b=" + std::string(4096, 'x'));
	EXPECT_FALSE(encode(long_one));
	long_one = *d;
	long_one.comment = std::string(824, 'x');
	EXPECT_FALSE(encode(long_one));
}

TEST(Label, TellsTheStateAndIsMadeFromIt)
{
	auto d = *target(kGoldOst);
	EXPECT_EQ(d.svname, "gold:OST0000");
	EXPECT_TRUE(d.adopt_label("gold-OST0000"));
	EXPECT_FALSE(d.is(wire::LDD_F_VIRGIN));
	EXPECT_EQ(d.make_label(), "gold-OST0000");
	EXPECT_TRUE(d.adopt_label("gold=OST0000"));
	EXPECT_TRUE(d.is(wire::LDD_F_WRITECONF));
	EXPECT_EQ(d.svname, "gold-OST0000");
	EXPECT_TRUE(d.adopt_label("gold+OST0000"));
	EXPECT_TRUE(d.is(wire::LDD_F_NO_LOCAL_LOGS));
	EXPECT_EQ(d.make_label(), "gold+OST0000");
	EXPECT_FALSE(d.adopt_label("home"));
	EXPECT_FALSE(d.adopt_label("gold.OST0000"));
	auto mgs = *target({"--mgs", "/dev/x"});
	EXPECT_TRUE(mgs.adopt_label("MGS"));
	EXPECT_EQ(mgs.flags, 0x44u);
}

TEST(Describe, IsTheBlockThatScriptsRead)
{
	auto d = target({"--ost", "--fsname=dk", "--index=0", "--mgsnode=192.168.50.9@tcp",
			 "--servicenode=192.168.50.9@tcp", "--servicenode=192.168.50.8@tcp",
			 "/dev/x"});
	ASSERT_TRUE(d) << d.error().message;
	EXPECT_EQ(
		describe(*d, "Permanent disk data"),
		"\n   Permanent disk data:\nTarget:     dk:OST0000\nIndex:      0\nLustre FS:  dk\n"
		"Mount type: ldiskfs\nFlags:      0x1062\n"
		"              (OST first_time update no_primnode )\n"
		"Persistent mount opts: ,errors=remount-ro\nParameters: "
		"mgsnode=192.168.50.9@tcp failover.node=192.168.50.9@tcp:192.168.50.8@tcp\n\n");
	auto mgs = target({"--mgs", "/dev/x"});
	EXPECT_EQ(
		describe(*mgs, "Permanent disk data"),
		"\n   Permanent disk data:\nTarget:     MGS\nIndex:      unassigned\nLustre FS:  \n"
		"Mount type: ldiskfs\nFlags:      0x64\n              (MGS first_time update )\n"
		"Persistent mount opts: user_xattr,errors=remount-ro\nParameters:\n\n");
}

TEST(CommandLine, RefusesAsStockDoes)
{
	EXPECT_EQ(message(target({"/dev/x"})), "must set target type: MDT,OST,MGS");
	EXPECT_EQ(message(target({"--mgs", "--ost", "--fsname=l", "/dev/x"})),
		  "OST type is exclusive with MDT,MGS");
	EXPECT_EQ(message(target({"--mdt", "--mgs", "/dev/x"})),
		  "Must specify --fsname for MDT/OST device");
	EXPECT_EQ(message(target({"--mdt", "--fsname=l", "--index=0", "/dev/x"})),
		  "Must specify --mgs or --mgsnode");
	EXPECT_EQ(message(target({"--mgs", "--fsname=toolongname", "/dev/x"})),
		  "filesystem name must be 1-8 chars");
	EXPECT_EQ(message(target({"--mgs", "--fsname=a/b", "/dev/x"})),
		  "char '/' not allowed in filesystem name");
	EXPECT_EQ(message(target({"--mgs", "--index=70000", "/dev/x"})),
		  "wrong index 70000. Target index must be less than 65504.");
	EXPECT_EQ(message(target({"--mgs", "--index=-1", "/dev/x"})),
		  "wrong index 4294967295. Target index must be less than 65504.");
	EXPECT_EQ(message(target({"--mgs", "--index=abc", "/dev/x"})),
		  "wrong index abc. Target index must be decimal or hexadecimal.");
	EXPECT_EQ(
		message(target({"--ost", "--mgsnode=bogusnid", "/dev/x"})),
		"Unsupported NID 'bogusnid': rc = Unknown error -22.\nmkfs.lustre: Can't parse NID "
		"'bogusnid'");
	EXPECT_EQ(message(target({"--ost", "--failnode=1.1.1.1@tcp", "--servicenode=1.1.1.2@tcp",
				  "/dev/x"})),
		  "servicenode cannot use with --failnode");
	EXPECT_EQ(target({"--mdt", "--mgs", "--fsname=l", "-o", "errors=panic", "/dev/x"})
			  .error()
			  .status,
		  EINVAL);
}

TEST(CommandLine, KeepsParametersInOrder)
{
	auto d = target({"--ost", "--mgsnode=1.2.3.4@tcp", "--mgsnode=1.2.3.6@tcp",
			 "--fsname=lustre", "--index=0x1f", "--servicenode=1.1.1.1@tcp:1.1.1.2@tcp",
			 "--param", "ost.quota_type=ug", "--param", "sys.timeout=20",
			 "--network=tcp1", "/dev/x"});
	ASSERT_TRUE(d) << d.error().message;
	EXPECT_EQ(d->params, (std::vector<std::string>{"mgsnode=1.2.3.4@tcp:1.2.3.6@tcp",
						       "failover.node=1.1.1.1@tcp:1.1.1.2@tcp",
						       "ost.quota_type=ug", "sys.timeout=20",
						       "network=tcp1"}));
	EXPECT_EQ(d->svname, "lustre:OST001f");
	EXPECT_EQ(d->flags, 0x1062u);
}

TEST(CommandLine, TakesHostNamesAndBareAddresses)
{
	EXPECT_EQ(resolve_nids("127.0.0.1,localhost@tcp1:10.0.0.2@o2ib", "t").value_or("?"),
		  "127.0.0.1,127.0.0.1@tcp1:10.0.0.2@o2ib");
	EXPECT_FALSE(resolve_nids("no.such.host.invalid@tcp", "t"));
	EXPECT_FALSE(resolve_nids("1.2.3.4@foo", "t"));
}

TEST(Tunefs, ChangesWhatItIsTold)
{
	auto d = *target(kGoldOst);
	ASSERT_TRUE(d.adopt_label("gold-OST0000"));
	d.flags &= ~wire::LDD_F_UPDATE;
	auto tune = [&](std::vector<std::string> words) {
		words.push_back("/dev/x");
		auto r = command(Tool::tunefs, std::move(words));
		ASSERT_TRUE(r);
		auto done = change_target(*r, d);
		ASSERT_TRUE(done) << done.error().message;
	};
	tune({"--servicenode=10.0.0.5@tcp", "--erase-params", "--mgsnode=10.0.0.9@tcp"});
	EXPECT_EQ(d.flags, 0x1042u);
	EXPECT_EQ(d.params,
		  (std::vector<std::string>{"failover.node=10.0.0.5@tcp", "mgsnode=10.0.0.9@tcp"}));
	tune({"--param=a.b=c", "--writeconf"});
	tune({"--param=a.b=d", "--mgsnode=10.0.0.8@tcp"});
	EXPECT_EQ(d.svname, "gold=OST0000");
	EXPECT_EQ(d.params.back(), "a.b=d");
	EXPECT_EQ(d.params.size(), 3u);
	EXPECT_EQ(d.values("mgsnode")[0], "10.0.0.9@tcp:10.0.0.8@tcp");
	tune({"--erase-param", "a.b", "--index=5"});
	EXPECT_EQ(d.params.size(), 2u);
	EXPECT_EQ(d.svname, "gold=OST0005");
}

TEST(Tunefs, LeavesARegisteredTargetItsIndex)
{
	auto d = *target(kGoldOst);
	ASSERT_TRUE(d.adopt_label("gold-OST0000"));
	auto r = command(Tool::tunefs, {"--index=5", "/dev/x"});
	auto done = change_target(*r, d);
	ASSERT_FALSE(done);
	EXPECT_EQ(done.error().message, "cannot change the index of a registered target");
	EXPECT_EQ(done.error().status, 1);
}

TEST(Mke2fs, GetsTheOptionsOfStockWithoutDirdata)
{
	std::string tail = " -E lazy_journal_init,lazy_itable_init=\"0\",packed_meta_blocks -F";
	EXPECT_EQ(options({"--mgs", "/dev/x"}, 307200),
		  " -q -O uninit_bg,extents,dir_nlink,quota,project,huge_file,large_dir,"
		  "^fast_commit,flex_bg" +
			  tail);
	EXPECT_EQ(options(kGoldMdt, 307200),
		  " -I 1024 -i 2560 -q -O uninit_bg,extents,dir_nlink,quota,project,huge_file,"
		  "ea_inode,large_dir,^fast_commit,flex_bg" +
			  tail);
	EXPECT_EQ(options(kGoldOst, 512000),
		  " -I 512 -q -O uninit_bg,extents,dir_nlink,quota,project,huge_file,large_dir,"
		  "^fast_commit,flex_bg -G 256 -E resize=\"4290772992\",lazy_journal_init,"
		  "lazy_itable_init=\"0\",packed_meta_blocks -F");
	EXPECT_TRUE(options(kGoldOst, 209715200).starts_with(" -J size=1024 -I 512 -i 69905 -q"));
}

TEST(Mke2fs, LetsTheUserDecide)
{
	auto s = options(kGoldOst, 512000, "-i 65536 -O ^quota,64bit -b 1024");
	EXPECT_TRUE(s.starts_with(" -i 65536 -I 512 -q -O ^quota,64bit,uninit_bg,")) << s;
	EXPECT_EQ(s.find(",quota"), std::string::npos) << s;
	EXPECT_NE(s.find(" -G 1024 "), std::string::npos) << s;
	EXPECT_NE(options(kGoldOst, 512000, "-O a -O b").find("twice"), std::string::npos);
	EXPECT_NE(options(kGoldOst, 512000, "-b 1000").find("bad block size"), std::string::npos);
	EXPECT_EQ(options(kGoldOst, 100),
		  "size of filesystem must be larger than 32MB, but is set to 100KB");
}

TEST(Mke2fs, NamesLargeDevicesWith64Bits)
{
	EXPECT_NE(options(kGoldOst, std::uint64_t{32} << 30).find("64bit,^resize_inode"),
		  std::string::npos);
	auto slightly = options(kGoldOst, (std::uint64_t{1} << 34) + 4096);
	EXPECT_EQ(slightly.find("64bit"), std::string::npos) << slightly;
}

TEST(Format, LeavesAFileSystemThatE2fsckLikes)
{
	for (const auto &words : {kGoldMdt, kGoldOst, {"--mgs", "/dev/x"}}) {
		Image image(60 * 1024);
		auto d = *target(words);
		format(image, 60 * 1024, d);
		expect_clean(image);
		EXPECT_TRUE(has_lustre_data(image.path));
		auto fs = Backing::open(image.path, Backing::Mode::read);
		ASSERT_TRUE(fs);
		EXPECT_EQ(fs->label(), d.svname);
		EXPECT_EQ(fs->read("CONFIGS/mountdata", 1 << 20).value_or(""),
			  encode(d).value_or("x"));
	}
}

TEST(Format, MountdataCanBeWrittenAgain)
{
	Image image(60 * 1024);
	auto d = *target(kGoldOst);
	format(image, 60 * 1024, d);
	ASSERT_TRUE(set_label(image.path, "gold-OST0000"));
	d.flags &= ~wire::LDD_F_UPDATE;
	auto fs = Backing::open(image.path, Backing::Mode::write);
	ASSERT_TRUE(fs);
	ASSERT_TRUE(fs->write_mountdata(*encode(d)));
	ASSERT_TRUE(fs->close());
	expect_clean(image);
	auto again = Backing::open(image.path, Backing::Mode::read);
	ASSERT_TRUE(again);
	EXPECT_EQ(again->label(), "gold-OST0000");
	EXPECT_EQ(again->read("CONFIGS/mountdata", 1 << 20).value_or(""), *encode(d));
}

TEST(Format, WhatIsNoTargetIsNotTakenForOne)
{
	Image image(1024);
	EXPECT_FALSE(has_lustre_data(image.path));
	EXPECT_FALSE(has_lustre_data("/no/such/file"));
}

TEST(Mount, ServerOptionsEndWithTheNameAndTheDevice)
{
	auto d = *target({"--ost", "--fsname=lfs1", "--index=0", "--mgsnode=10.0.0.1@tcp",
			  "--param", "ost.x=1", "/dev/x"});
	auto o = mounting::parse_options("abort_recov,noatime,_netdev,retry=2");
	ASSERT_TRUE(o);
	EXPECT_EQ(o->retries, 2);
	EXPECT_EQ(o->user, "_netdev");
	EXPECT_EQ(
		mounting::server_options(*o, d, "/dev/sdb").value_or("?"),
		",errors=remount-ro,abort_recov,osd=osd-ldiskfs,mgsnode=10.0.0.1@tcp,virgin,update,"
		"param=ost.x=1,svname=lfs1-OST0000,device=/dev/sdb");
	auto given = mounting::parse_options("mgsnode=1.1.1.1@tcp");
	EXPECT_EQ(mounting::server_options(*given, d, "/dev/sdb").value_or("?"),
		  ",errors=remount-ro,mgsnode=1.1.1.1@tcp,osd=osd-ldiskfs,virgin,update,param=ost."
		  "x=1,"
		  "svname=lfs1-OST0000,device=/dev/sdb");
}

TEST(Mount, ServerOptionsOfAnMgs)
{
	auto d = *target({"--mgs", "/dev/x"});
	auto o = mounting::parse_options("");
	EXPECT_EQ(
		mounting::server_options(*o, d, "/dev/sdb").value_or("?"),
		"user_xattr,errors=remount-ro,osd=osd-ldiskfs,mgs,virgin,update,svname=MGS,device=/"
		"dev/sdb");
	d.flags |= wire::LDD_F_NEED_INDEX;
	EXPECT_FALSE(mounting::server_options(*o, d, "/dev/sdb"));
}

TEST(Mount, ClientSourceBecomesTheLastOption)
{
	EXPECT_TRUE(mounting::is_client_source("10.0.0.1@tcp:/lustre"));
	EXPECT_FALSE(mounting::is_client_source("10.0.0.1@tcp:lustre"));
	auto s = mounting::resolve_source("localhost@tcp,10.0.0.1@tcp1:10.0.0.2@tcp:/lustre/sub");
	ASSERT_TRUE(s) << s.error().message;
	EXPECT_EQ(s->fsname, "lustre");
	auto o = mounting::parse_options("flock,ro,user_xattr");
	EXPECT_EQ(mounting::client_options(*o, *s), "flock,user_xattr,mgsname=localhost@tcp,10.0.0."
						    "1@tcp1:10.0.0.2@tcp,device=127.0.0.1@"
						    "tcp,10.0.0.1@tcp1:10.0.0.2@tcp:/lustre/sub");
	EXPECT_FALSE(mounting::resolve_source("badhost.invalid@tcp:/lustre"));
}

} // namespace
