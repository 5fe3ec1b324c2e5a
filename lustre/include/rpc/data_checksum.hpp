// SPDX-License-Identifier: GPL-2.0
//
// Checksums of file data on its way between client and OST (spec 05 section 9). Computed by both
// sides over the bytes of a bulk (or of an inline transfer), in the order of the request. The type
// is a number in the mask OBD_FL_CKSUM_ALL of o_flags; both sides agree on a set of them when they
// connect (ocd_cksum_types).
#pragma once

#include "libcfs/bytes.hpp"
#include "wire/ost.hpp"

namespace rpc
{

using wire::u32;
using wire::u64;

enum class ChecksumType : u32 {
	crc32 = wire::OBD_FL_CKSUM_CRC32,
	adler = wire::OBD_FL_CKSUM_ADLER,
	crc32c = wire::OBD_FL_CKSUM_CRC32C,
	t10ip512 = wire::OBD_FL_CKSUM_T10IP512,
	t10ip4k = wire::OBD_FL_CKSUM_T10IP4K,
	t10crc512 = wire::OBD_FL_CKSUM_T10CRC512,
	t10crc4k = wire::OBD_FL_CKSUM_T10CRC4K,
};

/// The type that o_flags asks for; adler when it names none that exists.
[[nodiscard]] ChecksumType checksum_type_of(u32 obdo_flags) noexcept;
/// The bit of ocd_cksum_types that stands for it.
[[nodiscard]] u32 checksum_bit(ChecksumType t) noexcept;
/// All bits that this code can compute.
[[nodiscard]] u32 checksum_bits() noexcept;
/// "crc32c", as the parameter checksum_type says it.
[[nodiscard]] const char *name_of(ChecksumType t) noexcept;

/// One checksum, fed piece by piece.
class DataChecksum
{
	ChecksumType type_;
	u32 sum_;

	void add_guards(u64 offset, cfs::Bytes data) noexcept;

public:
	explicit DataChecksum(ChecksumType t) noexcept;

	/// The next bytes: what a transfer has of one page of the object, from byte `offset` of the
	/// object on. A piece ends where its niobuf does, too.
	void add(u64 offset, cfs::Bytes data) noexcept;
	/// o_cksum.
	[[nodiscard]] u32 value() const noexcept;
};

} // namespace rpc
