// SPDX-License-Identifier: GPL-2.0
// Options of client mounts (spec 06 sections 1.1 to 1.3).
#include <gtest/gtest.h>

#include "client/options.hpp"

namespace
{

using client::FlockMode;
using client::MountOptions;
using client::MountSwitch;

cfs::Result<MountOptions> parse(std::string_view text)
{
	std::string_view bad;
	return MountOptions::parse(text, &bad);
}

std::string shown(const MountOptions &o)
{
	char buf[400];
	cfs::FormatSink out(buf);
	o.show(out);
	return std::string(out.text());
}

TEST(ClientOptions, DeviceNamesMgsFileSystemAndDirectory)
{
	auto o = parse("flock,device=10.0.0.1@tcp,10.1.0.1@o2ib:10.0.0.2@tcp:/scratch/a/b//");
	ASSERT_TRUE(o);
	EXPECT_EQ(o->mgs, "10.0.0.1@tcp,10.1.0.1@o2ib:10.0.0.2@tcp");
	EXPECT_EQ(o->fsname, "scratch");
	EXPECT_EQ(o->fileset, "/a/b");
}

TEST(ClientOptions, DefaultsAreShownAsStockShowsThem)
{
	auto o = parse("device=1.2.3.4@tcp:/lustre");
	ASSERT_TRUE(o);
	EXPECT_EQ(shown(*o), ",checksum,noencrypt,flock,lazystatfs,lruresize,nolock,statfs_project,"
			     "nouser_fid2path,nouser_xattr,verbose");
}

TEST(ClientOptions, WhatIsShownParsesToTheSame)
{
	auto o = parse("nochecksum,localflock,user_xattr,noverbose,32bitapi,always_ping,"
		       "device=1.2.3.4@tcp:/lustre");
	ASSERT_TRUE(o);
	std::string again = shown(*o).substr(1) + ",device=1.2.3.4@tcp:/lustre";
	auto p = parse(again);
	ASSERT_TRUE(p);
	EXPECT_EQ(p->on, o->on);
}

TEST(ClientOptions, TheLastOfTheFlockWordsCounts)
{
	EXPECT_EQ(parse("flock,localflock,device=n:/f")->flock(), FlockMode::local);
	EXPECT_EQ(parse("localflock,flock,device=n:/f")->flock(), FlockMode::cluster);
	EXPECT_EQ(parse("flock,noflock,device=n:/f")->flock(), FlockMode::none);
}

TEST(ClientOptions, NoirIsForClientsToo)
{
	EXPECT_TRUE(parse("noir,device=n:/f")->has(MountSwitch::noir));
	EXPECT_FALSE(parse("device=n:/f")->has(MountSwitch::noir));
}

TEST(ClientOptions, WordsOfServersAreIgnored)
{
	auto o = parse("recovery_time_soft=30,nosvc,exclude=f-OST0001,device=n:/f");
	ASSERT_TRUE(o);
	EXPECT_EQ(o->exclude, "f-OST0001");
}

TEST(ClientOptions, WhatIsWrongIsNamed)
{
	struct {
		const char *text;
		cfs::Errno error;
		const char *bad;
	} const cases[] = {
		{"bogus,device=n:/f", cfs::err::INVAL, "bogus"},
		{"acl,device=n:/f", cfs::err::INVAL, "acl"},
		{"no32bitapi,device=n:/f", cfs::err::INVAL, "no32bitapi"},
		{"encrypt,device=n:/f", cfs::err::OPNOTSUPP, "encrypt"},
		{"flock", cfs::err::NODEV, "device"},
		{"", cfs::err::NODEV, "device"},
		{"device=/dev/sda", cfs::err::INVAL, "device=/dev/sda"},
		{"device=:/f", cfs::err::INVAL, "device=:/f"},
		{"device=n:/", cfs::err::INVAL, "device=n:/"},
		{"device=n:/a.b", cfs::err::INVAL, "device=n:/a.b"},
		{"device=n:/ninechars", cfs::err::NAMETOOLONG, "device=n:/ninechars"},
	};
	for (const auto &c : cases) {
		std::string_view bad;
		auto o = MountOptions::parse(c.text, &bad);
		ASSERT_FALSE(o) << c.text;
		EXPECT_EQ(o.error(), c.error) << c.text;
		EXPECT_EQ(bad, c.bad);
	}
}

} // namespace
