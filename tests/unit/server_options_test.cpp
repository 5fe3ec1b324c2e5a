// SPDX-License-Identifier: GPL-2.0
// Options of a server mount (spec 07 section 4.3).
#include <gtest/gtest.h>

#include <string>

#include "server/options.hpp"

namespace
{

using server::TargetOptions;

cfs::Result<TargetOptions> parse(std::string_view text, std::string *bad = nullptr)
{
	TargetOptions o;
	std::string_view word;
	auto r = TargetOptions::parse(text, o, &word);
	if (bad)
		*bad = word;
	if (!r)
		return cfs::fail(r.error());
	return o;
}

std::string shown(const TargetOptions &o)
{
	char buf[512];
	cfs::FormatSink out(buf);
	o.show(out);
	return std::string(out.text());
}

TEST(ServerOptions, AnOstAsMountLustreDescribesIt)
{
	auto o = parse("errors=remount-ro,osd=osd-ldiskfs,mgsnode=10.0.0.1@tcp,virgin,update,"
		       "svname=lustre-OST0000,device=/dev/sdb");
	ASSERT_TRUE(o);
	EXPECT_EQ(o->svname, "lustre-OST0000");
	EXPECT_EQ(o->device, "/dev/sdb");
	EXPECT_EQ(o->osd, "osd-ldiskfs");
	ASSERT_EQ(o->mgs_node_count, 1u);
	EXPECT_EQ(o->mgs_nodes[0], "10.0.0.1@tcp");
	EXPECT_TRUE(o->virgin && o->update && !o->writeconf && !o->mgs);
	EXPECT_EQ(std::string_view(o->backing.data()), "errors=remount-ro");
	EXPECT_EQ(shown(*o), ",svname=lustre-OST0000,mgsnode=10.0.0.1@tcp,osd=osd-ldiskfs,"
			     "errors=remount-ro");
}

TEST(ServerOptions, ValuesOfNidsHaveCommas)
{
	auto o = parse("user_xattr,mgsnode=10.0.0.1@tcp,10.1.0.1@o2ib:10.0.0.2@tcp,"
		       "mgsnode=10.0.0.3@tcp,param=failover.node=10.0.0.4@tcp,10.1.0.4@o2ib,"
		       "param=failover.mode=failout,svname=lustre-MDT0000,device=/dev/sdc");
	ASSERT_TRUE(o);
	ASSERT_EQ(o->mgs_node_count, 2u);
	EXPECT_EQ(o->mgs_nodes[0], "10.0.0.1@tcp,10.1.0.1@o2ib:10.0.0.2@tcp");
	EXPECT_EQ(o->mgs_nodes[1], "10.0.0.3@tcp");
	ASSERT_EQ(o->param_count, 2u);
	EXPECT_EQ(o->params[0], "failover.node=10.0.0.4@tcp,10.1.0.4@o2ib");
	EXPECT_EQ(o->param("failover.mode="), "failout");
	EXPECT_EQ(o->param("failover.none="), "");
}

TEST(ServerOptions, AnMgsAlone)
{
	auto o = parse("osd=osd-ldiskfs,mgs,svname=MGS,device=/dev/sda");
	ASSERT_TRUE(o);
	EXPECT_TRUE(o->only_mgs());
	EXPECT_EQ(shown(*o), ",svname=MGS,nosvc,mgs,osd=osd-ldiskfs");
}

TEST(ServerOptions, WhatIsMissingOrImpossibleIsNamed)
{
	std::string bad;
	EXPECT_EQ(parse("svname=MGS").error(), cfs::err::NODEV);
	EXPECT_EQ(parse("device=/dev/sda").error(), cfs::err::INVAL);
	EXPECT_EQ(parse("no_create,svname=a-OST0000,device=x", &bad).error(), cfs::err::OPNOTSUPP);
	EXPECT_EQ(bad, "no_create");
	EXPECT_EQ(parse("recovery_time_soft=much,svname=a-OST0000,device=x", &bad).error(),
		  cfs::err::INVAL);
	EXPECT_EQ(bad, "recovery_time_soft=much");
	auto o = parse("recovery_time_soft=30,localrecov,svname=a-OST0000,device=x");
	EXPECT_TRUE(o && !o->no_ir);
	o = parse("noir,svname=a-OST0000,device=x");
	EXPECT_TRUE(o && o->no_ir);
	std::string many;
	for (int i = 0; i < 100; i++)
		many += "param=x.y=1,";
	EXPECT_EQ(parse(many + "svname=a-OST0000,device=x").error(), cfs::err::NOSPC);
	EXPECT_EQ(parse(std::string(600, 'x') + ",svname=a-OST0000,device=x").error(),
		  cfs::err::NOSPC);
}

} // namespace
