// SPDX-License-Identifier: GPL-2.0
// Layouts of files, as stock MDTs wrote them (golden/disk), and as an enemy might.
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "client/layout.hpp"
#include "libcfs/host/host.hpp"
#include "libcfs/plat/core.h"

namespace
{

using client::kEof;
using client::Layout;
using client::LayoutKind;

// 1 stripe; [0,1M) and [1M,EOF) of which the second has no objects; data on the MDT first; two
// mirrors, one stale; a directory's default; three components of 1, 2 and no objects.
const char kPlain[] =
	"d00bd10b010000003901000000000000010400000200000000004000010000000004004002000000"
	"32010000000000000000000000000000";
const char kPfl[] =
	"d00bd60bf00000000200000000000200000000000000000000000000000000000100000010000000"
	"00000000000000000000100000000000800000003800000000000000000000000000000000000000"
	"02000000000000000000100000000000ffffffffffffffffb8000000380000000000000000000000"
	"0000000000000000d00bd10b01000000080000000000000001040000020000000000100001000000"
	"000400400200000004000000000000000000000000000000d00bd10b010000000800000000000000"
	"0104000002000000000040000100ffff0000000000000000000000000000000000000000ffffffff";
const char kDom[] =
	"d00bd60bd80000000200000000000200000000000000000000000000000000000100000010000000"
	"00000000000000000000010000000000800000002000000000000000000000000000000000000000"
	"02000000000000000000010000000000ffffffffffffffffa0000000380000000000000000000000"
	"0000000000000000d00bd10b00010000060000000000000001040000020000000000010000000000"
	"d00bd10b0100000006000000000000000104000002000000000040000100ffff0000000000000000"
	"000000000000000000000000ffffffff";
const char kMirrored[] =
	"d00bd60bf00000000300000002000200010000000000000000000000000000000100010010000000"
	"0000000000000000ffffffffffffffff800000003800000000000000000000000000000000000000"
	"02000200110000000000000000000000ffffffffffffffffb8000000380000000000000000000000"
	"0000000000000000d00bd10b010000005400000000000000a1130000020000000000400001000000"
	"010400c00200000024000000000000000000000001000000d00bd10b010000005400000000000000"
	"a1130000020000000000400001000000000400400200000045000000000000000000000000000000";
const char kDefault[] =
	"d00bd60bc00000000000000000000200000000000000000000000000000000000000000000000000"
	"00000000000000000000100000000000800000002000000000000000000000000000000000000000"
	"00000000000000000000100000000000ffffffffffffffffa0000000200000000000000000000000"
	"0000000000000000d00bd10b0100000081fb0100000000000000000000000000000000000100ffff"
	"d00bd10b0100000061fb0100000000000000000000000000000000000200ffff";
const char kThree[] =
	"d00bd60b700100000400000000000300000000000000000000000000000000000100000010000000"
	"00000000000000000000100000000000b00000003800000000000000000000000000000000000000"
	"020000001000000000001000000000000000000400000000e8000000500000000000000000000000"
	"000000000000000003000000000000000000000400000000ffffffffffffffff3801000038000000"
	"00000000000000000000000000000000d00bd10b010000005200000000000000a113000002000000"
	"0000100001000000000400400200000043000000000000000000000000000000d00bd10b01000000"
	"5200000000000000a1130000020000000000080002000000010400c0020000002300000000000000"
	"0000000001000000000400400200000044000000000000000000000000000000d00bd10b01000000"
	"5200000000000000a11300000200000000000800ffffffff00000000000000000000000000000000"
	"00000000ffffffff";

std::vector<std::byte> bytes(std::string_view hex)
{
	std::vector<std::byte> v;
	for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
		v.push_back(static_cast<std::byte>(
			std::stoul(std::string(hex.substr(i, 2)), nullptr, 16)));
	return v;
}

class ClientLayout : public ::testing::Test
{
protected:
	void SetUp() override { ASSERT_EQ(cfs_core_start(), 0); }
	void TearDown() override
	{
		cfs_core_stop();
		EXPECT_EQ(cfs::host::memory_held(), "");
	}
};

TEST_F(ClientLayout, PlainFileHasOneComponentToTheEnd)
{
	auto l = Layout::decode(bytes(kPlain));
	ASSERT_TRUE(l);
	EXPECT_EQ((*l)->kind(), LayoutKind::plain);
	ASSERT_EQ((*l)->components().size(), 1u);
	const auto &c = (*l)->components()[0];
	EXPECT_EQ(c.extent, (client::Range{0, kEof}));
	EXPECT_EQ(c.stripes.size, 4u << 20);
	ASSERT_EQ(c.objects.size(), 1u);
	EXPECT_EQ(c.objects[0].id.oi_fid, wire::make_fid(0x240000400, 0x132));
	EXPECT_EQ(c.objects[0].ost, 0u);
	EXPECT_TRUE((*l)->instantiated({0, kEof}));
	EXPECT_EQ((*l)->end(), kEof);
}

TEST_F(ClientLayout, LaterComponentsGetTheirObjectsWhenWritten)
{
	auto l = Layout::decode(bytes(kPfl));
	ASSERT_TRUE(l);
	EXPECT_EQ((*l)->generation(), 2u);
	EXPECT_EQ((*l)->at(0), &(*l)->components()[0]);
	EXPECT_EQ((*l)->at((1 << 20) - 1), &(*l)->components()[0]);
	EXPECT_EQ((*l)->at(1 << 20), &(*l)->components()[1]);
	EXPECT_TRUE((*l)->instantiated({0, 1 << 20}));
	EXPECT_FALSE((*l)->instantiated({0, (1 << 20) + 1}));
	EXPECT_TRUE((*l)->components()[1].objects.empty());
}

TEST_F(ClientLayout, DataOnTheMdtHasNoObjects)
{
	auto l = Layout::decode(bytes(kDom));
	ASSERT_TRUE(l);
	EXPECT_TRUE((*l)->components()[0].on_mdt());
	EXPECT_TRUE((*l)->components()[0].objects.empty());
	EXPECT_EQ((*l)->components()[0].stripes.size, 1u << 16);
}

TEST_F(ClientLayout, StaleMirrorsAreNotRead)
{
	auto ea = bytes(kMirrored);
	auto l = Layout::decode(ea);
	ASSERT_TRUE(l);
	EXPECT_EQ((*l)->mirrors(), 2u);
	EXPECT_EQ((*l)->components()[1].mirror(), 2u);
	EXPECT_TRUE((*l)->components()[1].stale());
	EXPECT_EQ((*l)->at(12345), &(*l)->components()[0]);
	ea[36] |= std::byte{1}; // both stale
	l = Layout::decode(ea);
	ASSERT_TRUE(l);
	EXPECT_EQ((*l)->at(12345), nullptr);
}

TEST_F(ClientLayout, DefaultsAndLongerLayoutsDecode)
{
	auto d = Layout::decode(bytes(kDefault));
	ASSERT_TRUE(d);
	EXPECT_FALSE((*d)->instantiated({0, 1}));
	auto l = Layout::decode(bytes(kThree));
	ASSERT_TRUE(l);
	ASSERT_EQ((*l)->components().size(), 3u);
	EXPECT_EQ((*l)->components()[1].objects.size(), 2u);
	EXPECT_EQ((*l)->components()[1].objects[1].ost, 0u);
	EXPECT_EQ((*l)->raw().size(), bytes(kThree).size());
}

/// Cut anywhere, a layout is refused, or is whole in itself; never read past its end (ASan).
TEST_F(ClientLayout, CutLayoutsAreRefused)
{
	for (const char *hex : {kPlain, kPfl, kMirrored, kThree})
		for (std::size_t n = bytes(hex).size(); n-- > 0;) {
			auto ea = bytes(hex);
			ea.resize(n);
			ea.shrink_to_fit();
			const char *why = nullptr;
			auto l = Layout::decode(ea, &why);
			EXPECT_FALSE(l) << n;
			EXPECT_NE(why, nullptr);
		}
}

/// Whatever the bytes are: an error, or a layout whose components can be walked.
TEST_F(ClientLayout, DamagedLayoutsDoNoHarm)
{
	std::mt19937 random(7);
	for (const char *hex : {kPlain, kPfl, kDom, kMirrored, kDefault, kThree})
		for (int n = 0; n < 20000; n++) {
			auto ea = bytes(hex);
			for (unsigned k = 1 + random() % 4; k-- > 0;)
				ea[random() % ea.size()] = static_cast<std::byte>(random());
			auto l = Layout::decode(ea);
			if (!l)
				continue;
			for (const auto &c : (*l)->components()) {
				if (c.instantiated() && !c.on_mdt() && !c.released()) {
					EXPECT_EQ(c.objects.size(), c.stripes.count);
				}
				EXPECT_LE(c.extent.start, c.extent.end);
			}
			(void)(*l)->instantiated({random(), kEof});
		}
}

TEST_F(ClientLayout, UnknownKindsAreToldApartFromGarbage)
{
	auto ea = bytes(kPlain);
	ea[3] = std::byte{0x77};
	EXPECT_EQ(Layout::decode(ea).error(), cfs::err::OPNOTSUPP);
	ea = bytes(kPlain);
	ea[24] = std::byte{1}; // stripe size
	EXPECT_EQ(Layout::decode(ea).error(), cfs::err::INVAL);
	EXPECT_EQ(Layout::decode({}).error(), cfs::err::INVAL);
}

TEST_F(ClientLayout, ForeignLayoutsHaveNoComponents)
{
	auto l = Layout::decode(bytes("d00bd70b04000000010000000000000061626364"));
	ASSERT_TRUE(l);
	EXPECT_EQ((*l)->kind(), LayoutKind::foreign);
	EXPECT_EQ((*l)->at(0), nullptr);
}

} // namespace
