// SPDX-License-Identifier: GPL-2.0
//
// Values as people write them (spec 08 sections 7.2 and 11.2).
#include <gtest/gtest.h>

#include <string>

#include "libcfs/debug_mask.hpp"
#include "libcfs/parse.hpp"

using namespace cfs;

namespace
{

template <typename T>
std::string show(const Result<T> &r)
{
	if (!r)
		return r.error() == err::RANGE ? "range" : r.error() == err::INVAL ? "inval" : "?";
	return std::to_string(*r);
}

TEST(Parse, NumbersInAnyBase)
{
	EXPECT_EQ(show(parse_u64("123\n")), "123");
	EXPECT_EQ(show(parse_u64(" 0x1F ")), "31");
	EXPECT_EQ(show(parse_u64("017")), "15");
	EXPECT_EQ(show(parse_u64("0")), "0");
	EXPECT_EQ(show(parse_u64("18446744073709551615")), "18446744073709551615");
	EXPECT_EQ(show(parse_u64("18446744073709551616")), "range");
	EXPECT_EQ(show(parse_i64("-9223372036854775808")), "-9223372036854775808");
	EXPECT_EQ(show(parse_i64("-9223372036854775809")), "range");
	EXPECT_EQ(show(parse_i64("9223372036854775808")), "range");
}

TEST(Parse, RefusesWhatIsNoNumber)
{
	for (const char *s :
	     {"", " ", "abc", "12a", "0x", "0xg", "08", "1 2", "--1", "-", "+-1", "-+1"})
		EXPECT_EQ(show(parse_i64(s)), "inval") << s;
	EXPECT_EQ(show(parse_u64("-1")), "inval");
}

TEST(Parse, Booleans)
{
	for (const char *s : {"1", "y", "Y", "yes", "on", "ON\n", "true", "t"})
		EXPECT_EQ(show(parse_bool(s)), "1") << s;
	for (const char *s : {"0", "n", "No", "off", "false", "f"})
		EXPECT_EQ(show(parse_bool(s)), "0") << s;
	for (const char *s : {"", "2", "o", "yess", "01"})
		EXPECT_EQ(show(parse_bool(s)), "inval") << s;
}

TEST(Parse, SizesWithFractionsAndUnits)
{
	EXPECT_EQ(show(parse_size("4096")), "4096");
	EXPECT_EQ(show(parse_size("4", 1 << 20)), "4194304");
	EXPECT_EQ(show(parse_size("1.5G", 1 << 20)), "1610612736");
	EXPECT_EQ(show(parse_size("0.25K")), "256");
	EXPECT_EQ(show(parse_size("64KiB")), "65536");
	EXPECT_EQ(show(parse_size("64kb")), "65536");
	EXPECT_EQ(show(parse_size("100B", 1 << 20)), "100");
	EXPECT_EQ(show(parse_size("1.999999999999999K")), "2047");
	EXPECT_EQ(show(parse_size("0x10")), "16");
	EXPECT_EQ(show(parse_size("15E")), "17293822569102704640");
	EXPECT_EQ(show(parse_size("16E")), "range");
	for (const char *s : {"", "K", "1.K", ".5K", "1.5.5K", "1KK", "1iB", "1Q", "-1", "1 K"})
		EXPECT_EQ(show(parse_size(s)), "inval") << s;
}

constexpr MaskRules kRules{kDebugTypeNames, 0, kDebugDefault};

std::string mask(const char *text, std::uint32_t current, MaskRules rules = kRules)
{
	ParsedMask p = parse_mask(text, rules, current);
	if (!p.ok)
		return "error " + std::string(p.unknown);
	char buf[400];
	FormatSink out(buf);
	print_mask(out, rules.names, p.mask);
	return std::string(out.text());
}

TEST(DebugMask, WordsReplaceAddAndRemove)
{
	EXPECT_EQ(mask("vfstrace rpctrace", CFS_D_INODE), "rpctrace vfstrace");
	EXPECT_EQ(mask("VFSTRACE,RpcTrace\n", CFS_D_INODE), "rpctrace vfstrace");
	EXPECT_EQ(mask("+trace", CFS_D_INODE), "trace inode");
	EXPECT_EQ(mask("-inode", CFS_D_INODE | CFS_D_TRACE), "trace");
	EXPECT_EQ(mask("+ trace - inode", CFS_D_INODE), "trace");
	EXPECT_EQ(mask("+trace-inode", CFS_D_INODE), "trace");
	EXPECT_EQ(mask("super -trace +inode", CFS_D_TRACE), "inode super");
}

TEST(DebugMask, KnowsAllAndDefault)
{
	EXPECT_EQ(mask("default", 0), "ioctl neterror warning error emerg ha config console lfsck");
	EXPECT_EQ(mask("-all +trace", 0xffff), "trace");
	EXPECT_EQ(mask("all -default", 0).find("error"), std::string::npos);
	EXPECT_EQ(mask("+default", CFS_D_TRACE).substr(0, 5), "trace");
}

TEST(DebugMask, TakesNumbers)
{
	EXPECT_EQ(mask("0x100", 7), "neterror");
	EXPECT_EQ(mask("0", 7), "");
	EXPECT_EQ(mask("-1", 0), mask("all", 0));
	EXPECT_EQ(mask("4294967295", 0), mask("all", 0));
	EXPECT_TRUE(parse_mask("0x100", kRules, 0).deprecated_number);
	EXPECT_FALSE(parse_mask("-1", kRules, 0).deprecated_number);
	EXPECT_FALSE(parse_mask("0", kRules, 0).deprecated_number);
}

TEST(DebugMask, RefusesUnknownWordsAndStraySigns)
{
	EXPECT_EQ(mask("foo", 0), "error foo");
	EXPECT_EQ(mask("+trace bar", 0), "error bar");
	EXPECT_EQ(mask("trace +", 0), "error ");
	EXPECT_EQ(mask("", 0), "error ");
	EXPECT_EQ(mask("0x1ffffffff", 0), "error 0x1ffffffff");
}

TEST(DebugMask, KeepsTheMinimum)
{
	MaskRules printk{kDebugTypeNames, kPrintkMinimum, kPrintkDefault};
	EXPECT_EQ(mask("trace", 0, printk), "trace emerg");
	EXPECT_EQ(mask("0", 0, printk), "emerg");
	EXPECT_EQ(mask("-all", 7, printk), "emerg");
}

// Stock prints a word for every set bit, an empty one for bits without a name.
TEST(DebugMask, PrintsSubsystemsAsStockDoes)
{
	char buf[400];
	FormatSink out(buf);
	print_mask(out, kSubsysNames, 0xffffffff);
	EXPECT_EQ(
		out.text(),
		"undefined mdc mds osc ost class log llite rpc mgmt lnet lnd pinger filter libcfs "
		"echo ldlm lov lquota osd lfsck snapshot  lmv  sec gss  mgc mgs fid fld");
}

} // namespace
