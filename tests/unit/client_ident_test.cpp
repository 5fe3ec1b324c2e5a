// SPDX-License-Identifier: GPL-2.0
// Inode and device numbers (spec 06 sections 2.1 and 2.2, values seen on stock clients).
#include <gtest/gtest.h>

#include "client/ident.hpp"

namespace
{

using client::device_of;
using client::generation_of;
using client::ino32_of;
using client::ino_of;
using wire::make_fid;

struct Numbers {
	wire::Fid fid;
	std::uint64_t ino;
	std::uint32_t ino32;
	std::uint32_t generation;
};

const Numbers kSeen[] = {
	{make_fid(0x200000007, 0x1), 144115188193296385, 28673, 0x2000000},
	{make_fid(0x200000400, 0x1), 144115205255725057, 4194305, 0x2000004},
	{make_fid(0x200000401, 0x1234), 144115205272506932, 5247540, 0x2000004},
	{make_fid(0x200000bd0, 0x1abcd), 144115238810266573, 39652301, 0x200000b},
	{make_fid(0x240000404, 0x10), 162129603832315920, 8405008, 0x2400004},
	{make_fid(0x280000402, 0x1ffff), 180144002308374527, 45101055, 0x2800004},
	{make_fid(0x3039, 0x6789), 12345, 12345, 0x6789},
};

TEST(ClientIdent, InodeNumbersAreStocks)
{
	for (const Numbers &n : kSeen) {
		EXPECT_EQ(ino_of(n.fid), n.ino);
		EXPECT_EQ(ino32_of(n.fid), n.ino32);
		EXPECT_EQ(generation_of(n.fid), n.generation);
	}
}

TEST(ClientIdent, DeviceComesFromTheFirstMdt)
{
	EXPECT_EQ(device_of("lustre-MDT0000_UUID"), 0x4f92c566u);
	EXPECT_NE(device_of("lustre-MDT0001_UUID"), device_of("lustre-MDT0000_UUID"));
}

} // namespace
