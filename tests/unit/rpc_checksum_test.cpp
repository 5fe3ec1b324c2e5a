// SPDX-License-Identifier: GPL-2.0
// Checksums of file data (vectors of spec 05 section 9.1).
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "rpc/data_checksum.hpp"

namespace
{

using rpc::ChecksumType;

constexpr ChecksumType kAll[] = {ChecksumType::crc32,	ChecksumType::crc32c,
				 ChecksumType::adler,	ChecksumType::t10ip512,
				 ChecksumType::t10ip4k, ChecksumType::t10crc512,
				 ChecksumType::t10crc4k};

std::vector<std::byte> counting(std::size_t n)
{
	std::vector<std::byte> v(n);
	for (std::size_t i = 0; i < n; i++)
		v[i] = static_cast<std::byte>(i);
	return v;
}

/// Page by page, as a transfer gives it.
std::uint32_t sum(ChecksumType t, std::uint64_t offset, cfs::Bytes data)
{
	rpc::DataChecksum c(t);
	while (!data.empty()) {
		std::size_t n = std::min<std::size_t>(data.size(), 4096 - offset % 4096);
		c.add(offset, data.first(n));
		offset += n;
		data = data.subspan(n);
	}
	return c.value();
}

TEST(RpcDataChecksum, VectorsOfTheSpecification)
{
	const char *digits = "123456789";
	cfs::Bytes text(reinterpret_cast<const std::byte *>(digits), 9);
	EXPECT_EQ(sum(ChecksumType::crc32, 0, text), 0x340bc6d9u);
	EXPECT_EQ(sum(ChecksumType::crc32c, 0, text), 0xe3069283u);
	EXPECT_EQ(sum(ChecksumType::adler, 0, text), 0x091e01deu);
	const std::uint32_t zeroes[] = {0x38e3ffee, 0x98f94189, 0x10000001, 0x87880ff1,
					0x02ff01ff, 0x00100001, 0x00020001};
	const std::uint32_t counted[] = {0x5d6edf7d, 0x9c71fe32, 0x60aef86a, 0x43c807f9,
					 0x01fd0100, 0x1a4802f9, 0x018d00fd};
	std::vector<std::byte> zero(4096);
	for (std::size_t k = 0; k < std::size(kAll); k++) {
		EXPECT_EQ(sum(kAll[k], 0, zero), zeroes[k]) << rpc::name_of(kAll[k]);
		EXPECT_EQ(sum(kAll[k], 0, counting(4096)), counted[k]) << rpc::name_of(kAll[k]);
	}
}

TEST(RpcDataChecksum, GuardsFollowTheSectorsOfTheObject)
{
	auto data = counting(1000);
	// The same bytes elsewhere in the object: other sectors, other guards.
	EXPECT_NE(sum(ChecksumType::t10crc512, 0, data), sum(ChecksumType::t10crc512, 100, data));
	EXPECT_EQ(sum(ChecksumType::t10crc512, 0, data), sum(ChecksumType::t10crc512, 512, data));
	EXPECT_EQ(sum(ChecksumType::crc32c, 0, data), sum(ChecksumType::crc32c, 100, data));
	// Two niobufs that meet in the middle of a sector have a guard each.
	rpc::DataChecksum one(ChecksumType::t10ip4k), two(ChecksumType::t10ip4k);
	one.add(0, cfs::Bytes(data).first(600));
	two.add(0, cfs::Bytes(data).first(300));
	two.add(300, cfs::Bytes(data).subspan(300, 300));
	EXPECT_NE(one.value(), two.value());
}

TEST(RpcDataChecksum, UnknownTypesAreAdler)
{
	EXPECT_EQ(rpc::checksum_type_of(0), ChecksumType::adler);
	EXPECT_EQ(rpc::checksum_type_of(0xf000), ChecksumType::adler);
	for (ChecksumType t : kAll)
		EXPECT_EQ(rpc::checksum_type_of(static_cast<std::uint32_t>(t) | 0x400820), t);
	EXPECT_EQ(rpc::checksum_bits(), 0xf7u);
}

} // namespace
