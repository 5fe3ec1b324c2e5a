// SPDX-License-Identifier: GPL-2.0
//
// What a log looks like on disk and on the wire (spec 07 section 12): a header of one chunk with a
// bitmap of the records that are still alive, then records, none of which crosses a chunk. This
// file has the checks that every reader makes; nothing here allocates, locks or does I/O.
//
// A log of the other byte order is refused, as everywhere (wire/types.hpp).
#pragma once

#include <bit>

#include "libcfs/assert.hpp"
#include "libcfs/bytes.hpp"
#include "wire/llog.hpp"

namespace llog
{

using cfs::Bytes;
using cfs::MutBytes;
using cfs::Result;
using wire::LlogRecType;

/// Sizes of chunks that are accepted; a power of two.
inline constexpr std::uint32_t kChunkMin = wire::LLOG_MIN_CHUNK_SIZE;
inline constexpr std::uint32_t kChunkMax = 65536;

[[nodiscard]] constexpr bool is_power_of_two(std::uint32_t n) noexcept
{
	return n && !(n & (n - 1));
}

/// Bytes a record has beside its body.
inline constexpr std::uint32_t kRecordFrame = sizeof(wire::LlogRecHdr) + sizeof(wire::LlogRecTail);
/// Where the bitmap begins, and the end of the fields that change with every record.
inline constexpr std::uint32_t kHeadBytes = 88;

/// Length of the record with this body.
[[nodiscard]] constexpr std::uint64_t record_bytes(std::uint64_t body) noexcept
{
	return wire::round8(body) + kRecordFrame;
}

/// A log's name as it is known to the protocol, and the FID behind it.
[[nodiscard]] constexpr wire::LlogLogid to_logid(const wire::Fid &fid) noexcept
{
	wire::LlogLogid id{};
	id.oi.oi.oi_id = fid.oid.get();
	id.oi.oi.oi_seq = fid.seq.get();
	id.ogen = 0;
	return id;
}
/// err::INVAL: no FID.
[[nodiscard]] constexpr Result<wire::Fid> to_fid(const wire::LlogLogid &id) noexcept
{
	std::uint64_t oid = id.oi.oi.oi_id.get();
	std::uint64_t seq = id.oi.oi.oi_seq.get();
	if (oid == 0 || oid > wire::OBIF_MAX_OID || seq == 0)
		return cfs::fail(cfs::err::INVAL);
	return wire::make_fid(seq, static_cast<std::uint32_t>(oid));
}

/// A record in somebody's buffer.
struct Record {
	std::uint32_t index = 0;
	LlogRecType type{};
	std::uint32_t id = 0;
	Bytes body;		  ///< between head and tail
	Bytes whole;		  ///< with both
	std::uint64_t offset = 0; ///< in the log
};

/// The header, in a buffer of one chunk.
class HeaderView
{
	MutBytes chunk_;

public:
	HeaderView() = default;
	explicit HeaderView(MutBytes chunk) noexcept : chunk_(chunk) {}

	/// Whether these bytes are the header of a log that can be read: err::PROTO, and what is
	/// wrong in *why. `chunk` may be longer than the header says.
	[[nodiscard]] static Result<> check(Bytes chunk, const char **why) noexcept;

	/// Its fields; `bitmap` and `tail` of the structure are right for chunks of 8 KiB only.
	[[nodiscard]] wire::LlogLogHdr &head() const noexcept
	{
		return *reinterpret_cast<wire::LlogLogHdr *>(chunk_.data());
	}
	[[nodiscard]] wire::LlogRecTail &tail() const noexcept
	{
		return *reinterpret_cast<wire::LlogRecTail *>(chunk_.data() + chunk_bytes() -
							      sizeof(wire::LlogRecTail));
	}
	[[nodiscard]] std::uint32_t chunk_bytes() const noexcept { return head().hdr.len.get(); }
	/// Bits there are: the highest index is one less.
	[[nodiscard]] std::uint32_t capacity() const noexcept { return capacity(chunk_bytes()); }
	[[nodiscard]] static constexpr std::uint32_t capacity(std::uint32_t chunk) noexcept
	{
		return (chunk - kHeadBytes -
			static_cast<std::uint32_t>(sizeof(wire::LlogRecTail))) *
		       8;
	}
	[[nodiscard]] std::uint32_t last_index() const noexcept { return tail().index.get(); }
	[[nodiscard]] bool is_catalog() const noexcept
	{
		return head().flags.get() & wire::LLOG_F_IS_CAT;
	}
	/// Records that all have the same length and lie where their index says.
	[[nodiscard]] bool is_fixed() const noexcept
	{
		return head().flags.get() & wire::LLOG_F_IS_FIXSIZE;
	}

	[[nodiscard]] bool bit(std::uint32_t i) const noexcept
	{
		return i < capacity() &&
		       (std::to_integer<unsigned>(chunk_[kHeadBytes + i / 8]) >> (i % 8) & 1);
	}
	void set_bit(std::uint32_t i, bool on) noexcept
	{
		std::byte &b = chunk_[kHeadBytes + i / 8];
		auto mask = static_cast<std::byte>(1u << (i % 8));
		b = on ? b | mask : b & ~mask;
	}
	/// The first set bit at or behind i; capacity() if there is none.
	[[nodiscard]] std::uint32_t next_bit(std::uint32_t i) const noexcept;
	[[nodiscard]] std::uint32_t count_bits() const noexcept;
};

/// Walks the records of one chunk.
class ChunkWalker
{
	Bytes chunk_;
	std::uint64_t file_offset_;
	std::size_t at_ = 0;

public:
	/// file_offset: of the chunk, in the log.
	ChunkWalker(Bytes chunk, std::uint64_t file_offset) noexcept
	    : chunk_(chunk), file_offset_(file_offset)
	{
	}
	enum class Step { record, end, corrupt };
	/// The next record into `out`; end where nothing more is in the chunk (a length of 0 too:
	/// some logs leave gaps); corrupt when what is there is no record, with the reason. After
	/// the last two it stays where it is.
	[[nodiscard]] Step next(Record &out, const char **why) noexcept;
	/// Where the next record would be, in the log.
	[[nodiscard]] std::uint64_t offset() const noexcept { return file_offset_ + at_; }
};

/// Writes a whole record into `out`, which is record_bytes(body) long: head, body, zeros, tail.
void write_record(MutBytes out, LlogRecType type, std::uint32_t id, std::uint32_t index,
		  std::span<const Bytes> body) noexcept;

} // namespace llog
