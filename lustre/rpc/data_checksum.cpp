// SPDX-License-Identifier: GPL-2.0
#include "rpc/data_checksum.hpp"

#include <algorithm>
#include <iterator>

#include "libcfs/plat/csum.h"

namespace rpc
{

namespace
{

struct Known {
	ChecksumType type;
	u32 bit;
	const char *name;
	u32 sector; // bytes per guard, 0: no guards
	bool ip;    // guards are internet checksums, else CRCs
};

constexpr Known kKnown[] = {
	{ChecksumType::crc32, 0x1, "crc32", 0, false},
	{ChecksumType::adler, 0x2, "adler", 0, false},
	{ChecksumType::crc32c, 0x4, "crc32c", 0, false},
	{ChecksumType::t10ip512, 0x10, "t10ip512", 512, true},
	{ChecksumType::t10ip4k, 0x20, "t10ip4K", 4096, true},
	{ChecksumType::t10crc512, 0x40, "t10crc512", 512, false},
	{ChecksumType::t10crc4k, 0x80, "t10crc4K", 4096, false},
};

const Known &known(ChecksumType t) noexcept
{
	for (const Known &k : kKnown)
		if (k.type == t)
			return k;
	return kKnown[1];
}

} // namespace

ChecksumType checksum_type_of(u32 obdo_flags) noexcept
{
	return known(static_cast<ChecksumType>(obdo_flags & wire::OBD_FL_CKSUM_ALL)).type;
}

u32 checksum_bit(ChecksumType t) noexcept
{
	return known(t).bit;
}

u32 checksum_bits() noexcept
{
	u32 all = 0;
	for (const Known &k : kKnown)
		all |= k.bit;
	return all;
}

const char *name_of(ChecksumType t) noexcept
{
	return known(t).name;
}

DataChecksum::DataChecksum(ChecksumType t) noexcept : type_(known(t).type), sum_(1)
{
	if (type_ == ChecksumType::crc32 || type_ == ChecksumType::crc32c)
		sum_ = ~u32{0};
}

/// A guard per sector of the object, partial ones too; the sum is over the guards.
void DataChecksum::add_guards(u64 offset, cfs::Bytes data) noexcept
{
	const Known &k = known(type_);
	while (!data.empty()) {
		std::size_t n = std::min<std::size_t>(data.size(), k.sector - offset % k.sector);
		unsigned guard =
			k.ip ? cfs_ip_csum(data.data(), n) : cfs_crc_t10dif(0, data.data(), n);
		auto low = static_cast<unsigned char>(guard);
		auto high = static_cast<unsigned char>(guard >> 8);
		// As they would lie in a packet, and in a T10 tuple.
		const unsigned char bytes[2] = {k.ip ? low : high, k.ip ? high : low};
		sum_ = cfs_adler32(sum_, bytes, sizeof(bytes));
		offset += n;
		data = data.subspan(n);
	}
}

void DataChecksum::add(u64 offset, cfs::Bytes data) noexcept
{
	switch (type_) {
	case ChecksumType::crc32:
		sum_ = cfs_crc32(sum_, data.data(), data.size());
		return;
	case ChecksumType::crc32c:
		sum_ = cfs_crc32c(sum_, data.data(), data.size());
		return;
	case ChecksumType::adler:
		sum_ = cfs_adler32(sum_, data.data(), data.size());
		return;
	default:
		add_guards(offset, data);
	}
}

u32 DataChecksum::value() const noexcept
{
	return type_ == ChecksumType::crc32c ? ~sum_ : sum_;
}

} // namespace rpc
