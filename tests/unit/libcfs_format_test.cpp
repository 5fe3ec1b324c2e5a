// SPDX-License-Identifier: GPL-2.0
//
// Formatting: every placeholder kind against what a reader expects, and the buffer's end.
#include <gtest/gtest.h>

#include <array>
#include <climits>
#include <cstring>
#include <string>

#include "libcfs/bytes.hpp"
#include "libcfs/format.hpp"

namespace
{

template <typename... Args>
std::string format(cfs::FormatString<Args...> fmt, const Args &...args)
{
	char buf[512];
	return std::string(cfs::format_to(buf, fmt, args...));
}

struct Nid {
	int host;
};
void format_value(cfs::FormatSink &out, const Nid &n) noexcept
{
	out.print("10.0.0.{}@tcp", n.host);
}

TEST(Format, PrintsIntegersOfEverySize)
{
	EXPECT_EQ(format("{} {} {}", 0, -1, 42u), "0 -1 42");
	EXPECT_EQ(format("{}", INT64_MIN), "-9223372036854775808");
	EXPECT_EQ(format("{}", UINT64_MAX), "18446744073709551615");
	EXPECT_EQ(format("{} {}", std::int8_t{-128}, std::uint8_t{255}), "-128 255");
	EXPECT_EQ(format("{}", cfs::le32(77)), "77");
	EXPECT_EQ(format("{:#x}", cfs::be64(0xabcdefull)), "0xabcdef");
}

TEST(Format, PrintsOtherBases)
{
	EXPECT_EQ(format("{:x} {:X} {:#x} {:o} {:b}", 255, 255, 255, 8, 5), "ff FF 0xff 10 101");
	EXPECT_EQ(format("{:x}", -1), "ffffffff");
	EXPECT_EQ(format("{:x}", std::int64_t{-2}), "fffffffffffffffe");
	EXPECT_EQ(format("{:x}", std::int8_t{-1}), "ff");
	EXPECT_EQ(format("{:08x}:{:#06x}", 0x80, 0x1a), "00000080:0x001a");
}

TEST(Format, PadsAndAligns)
{
	EXPECT_EQ(format("[{:5}] [{:<5}] [{:>5}] [{:05}]", 42, 42, 42, -42),
		  "[   42] [42   ] [   42] [-0042]");
	EXPECT_EQ(format("[{:5}] [{:>5}]", "ab", "ab"), "[ab   ] [   ab]");
	EXPECT_EQ(format("[{:2}]", 12345), "[12345]");
	EXPECT_EQ(format("[{:.3}] [{:5.2}]", "abcdef", "xyz"), "[abc] [xy   ]");
	EXPECT_EQ(format("[{:12}] [{:>14}]", Nid{1}, Nid{2}), "[10.0.0.1@tcp] [  10.0.0.2@tcp]");
	EXPECT_EQ(format("[{:<14}]", Nid{1}), "[10.0.0.1@tcp  ]");
}

TEST(Format, PrintsTextOfEveryKind)
{
	const char *null = nullptr;
	char array[8] = "abc";
	EXPECT_EQ(format("{} {} {} {}", "lit", std::string_view("view"), array, null),
		  "lit view abc (null)");
	std::array<char, 3> full = {'x', 'y', 'z'};
	char unterminated[3];
	std::memcpy(unterminated, full.data(), 3);
	EXPECT_EQ(format("{}", unterminated), "xyz");
	EXPECT_EQ(format("{}{}", 'a', 'b'), "ab");
	EXPECT_EQ(format("{:c}", 0x41), "A");
	EXPECT_EQ(format("{} {:d} {:d}", true, true, false), "true 1 0");
	EXPECT_EQ(format("{{}} {{{}}}", 1), "{} {1}");
}

TEST(Format, EscapesForeignText)
{
	EXPECT_EQ(format("{:e}", std::string_view("a\nb\\\x01\xff")), "a\\x0ab\\x5c\\x01\\xff");
	EXPECT_EQ(format("[{:6e}]", std::string_view("\t")), "[\\x09  ]");
}

TEST(Format, NamesErrors)
{
	EXPECT_EQ(format("{}", cfs::err::TIMEDOUT), "-110 (ETIMEDOUT)");
	EXPECT_EQ(format("{}", cfs::err::PERM), "-1 (EPERM)");
	EXPECT_EQ(format("{}", cfs::Errno{133}), "-133 (EHWPOISON)");
	EXPECT_EQ(format("{}", cfs::Errno{41}), "-41");
	EXPECT_EQ(format("{}", cfs::Errno{512}), "-512");
	EXPECT_EQ(format("{}", cfs::Result<>{}), "0");
	EXPECT_EQ(format("{}", cfs::Result<int>(cfs::fail(cfs::err::STALE))), "-116 (ESTALE)");
}

// The table is a list of words in order, so one slip would shift every name: compare with the
// library of the system.
TEST(Format, AgreesWithTheSystemOnEveryErrorName)
{
	for (int n = 1; n < 134; n++) {
		const char *name = strerrorname_np(n);
		std::string ours(cfs::errno_name(cfs::Errno{n}));
		EXPECT_EQ(ours.empty() ? "" : "E" + ours, name ? name : "") << n;
	}
}

TEST(Format, PrintsSizesAndTimes)
{
	EXPECT_EQ(format("{} {} {} {}", cfs::ByteSize{0}, cfs::ByteSize{1023}, cfs::ByteSize{4096},
			 cfs::ByteSize{1536ull << 10}),
		  "0 1023 4K 1.5M");
	EXPECT_EQ(format("{}", cfs::ByteSize{UINT64_MAX}), "15.9E");
	EXPECT_EQ(format("{}", cfs::SecNsec{1700000000123456789ull}), "1700000000.123456789");
	EXPECT_EQ(format("{} {} {} {} {}", cfs::Duration::seconds(7), cfs::Duration::millis(250),
			 cfs::Duration::millis(1250), cfs::Duration::micros(9), cfs::Duration{}),
		  "7s 250ms 1.250s 9us 0s");
	EXPECT_EQ(format("{}", cfs::Duration::millis(-1500)), "-1.500s");
	EXPECT_EQ(format("{}", cfs::HexBytes{cfs::as_bytes("\x01\xfe")}), "01fe");
}

TEST(Format, CutsAtTheEndOfTheBuffer)
{
	for (std::size_t size = 0; size < 24; size++) {
		char buf[25];
		std::memset(buf, '#', sizeof(buf));
		cfs::FormatSink out(std::span<char>(buf, size));
		out.print("{:>6}|{:x}|{}", "text", 0xbeef, Nid{7});
		std::string whole = "  text|beef|10.0.0.7@tcp";
		EXPECT_EQ(out.text(), whole.substr(0, size));
		EXPECT_EQ(out.truncated(), size < whole.size());
		EXPECT_EQ(buf[size], '#');
	}
}

TEST(Format, MakesCStrings)
{
	char buf[4];
	EXPECT_STREQ(cfs::format_cstr(buf, "{}", 12345), "123");
	char one[1];
	EXPECT_STREQ(cfs::format_cstr(one, "{}", 1), "");
}

TEST(Format, DrainsPieceByPiece)
{
	std::string all;
	char buf[3];
	cfs::FormatSink out(
		buf,
		[](void *ctx, const char *text, std::size_t n) noexcept {
			static_cast<std::string *>(ctx)->append(text, n);
		},
		&all);
	out.print("{} and {}", "a long text", 1234567);
	out.flush();
	EXPECT_EQ(all, "a long text and 1234567");
	EXPECT_FALSE(out.truncated());
}

} // namespace
