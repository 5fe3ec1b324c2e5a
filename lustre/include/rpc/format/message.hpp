// SPDX-License-Identifier: GPL-2.0
//
// The container of every RPC: a head, the lengths of up to 32 buffers, the buffers (spec 02 2.1).
// MessageView reads one, MessageWriter composes or edits one. Both work in memory of the caller's
// and never allocate. What the buffers mean is format.hpp's matter.
//
// A MessageView exists only for bytes that passed every check of the container, so reading through
// it can not leave the buffer. Whoever holds one must keep the bytes in place and unchanged.
//
// A message of the other byte order is refused, and so is everything malformed; the Defect says
// what was wrong in words fit for a log.
#pragma once

#include <array>

#include "libcfs/format.hpp"
#include "wire/rpc.hpp"

namespace rpc
{

using cfs::Bytes;
using cfs::MutBytes;
using wire::round8;
using wire::u16;
using wire::u32;
using wire::u64;
using wire::u8;

/// Why a message was refused. `field` is a literal, or null where no buffer is to blame.
struct Defect {
	enum class Kind : u8 {
		none,
		cut_off,	  // shorter than its head or its buffers say
		other_byte_order, // the sender is of the other byte order
		bad_magic,
		bad_buffer_count,
		short_body,    // no room for the smallest ptlrpc_body
		missing,       // a buffer that must be there is empty
		too_short,     // a buffer is shorter than its structure
		too_long,      // a buffer is longer than its limit
		not_a_string,  // a text lacks its NUL, or has one inside
		unknown_opcode // no format answers to the opcode and its variant
	};
	Kind kind = Kind::none;
	u8 buffer = 0;		     // index of the buffer to blame
	const char *field = nullptr; // and its name
	u32 have = 0;		     // what was found ...
	u32 want = 0;		     // ... and what was needed
};

/// "buffer 3 (name): not a string"
void format_value(cfs::FormatSink &out, const Defect &d) noexcept;

/// Fills *why, if there is one, and makes the failed Result: always err::PROTO, but
/// err::PROTONOSUPPORT for a message of the other byte order and err::OPNOTSUPP for an unknown
/// opcode, so that a caller without a Defect can still tell those.
[[nodiscard]] std::unexpected<cfs::Errno> refuse(Defect *why, Defect d) noexcept;

/// Bytes of the head and the table of lengths.
[[nodiscard]] constexpr std::size_t header_bytes(std::size_t buffers) noexcept
{
	return round8(sizeof(wire::LustreMsgV2) + sizeof(wire::le32) * buffers);
}

/// Reads a message in place. Cheap to copy; does not own the bytes.
class MessageView
{
	Bytes bytes_;

	explicit MessageView(Bytes bytes) noexcept : bytes_(bytes) {}
	[[nodiscard]] std::size_t offset(u32 index) const noexcept;
	friend class MessageWriter;

public:
	/// Checks the container. `received` may be longer than the message. For messages inside
	/// batches, which have no ptlrpc_body; RPCs go through parse_rpc().
	[[nodiscard]] static cfs::Result<MessageView> parse(Bytes received,
							    Defect *why = nullptr) noexcept;
	/// Likewise, and buffer 0 holds at least a PtlrpcBodyV2.
	[[nodiscard]] static cfs::Result<MessageView> parse_rpc(Bytes received,
								Defect *why = nullptr) noexcept;

	[[nodiscard]] const wire::LustreMsgV2 &header() const noexcept
	{
		return *reinterpret_cast<const wire::LustreMsgV2 *>(bytes_.data());
	}
	[[nodiscard]] u32 buffer_count() const noexcept { return header().bufcount; }
	/// Length of a buffer as sent; 0 when the message has fewer buffers.
	[[nodiscard]] u32 length(u32 index) const noexcept;
	/// A buffer, without its padding; empty when the message has fewer buffers.
	[[nodiscard]] Bytes buffer(u32 index) const noexcept;
	/// The message itself, padding of the last buffer included.
	[[nodiscard]] Bytes bytes() const noexcept { return bytes_; }
	[[nodiscard]] std::size_t size() const noexcept { return bytes_.size(); }

	/// Buffer 0. Zeroes when it is too short, which parse_rpc() excludes.
	[[nodiscard]] const wire::PtlrpcBodyV2 &body() const noexcept;
	/// The job id; empty when the peer sent the short body.
	[[nodiscard]] std::string_view jobid() const noexcept;
};

/// The lengths of the buffers of a message to be made.
class Lengths
{
	std::array<u32, wire::PTLRPC_MAX_BUFCOUNT> length_{};
	u32 count_ = 0;

public:
	[[nodiscard]] constexpr u32 count() const noexcept { return count_; }
	[[nodiscard]] constexpr u32 operator[](u32 index) const noexcept
	{
		return index < count_ ? length_[index] : 0;
	}
	/// Sets one length; the message has at least index + 1 buffers then. index < 32.
	constexpr void set(u32 index, std::size_t bytes) noexcept
	{
		length_[index] = static_cast<u32>(bytes);
		if (index >= count_)
			count_ = index + 1;
	}
	/// Adds empty buffers at the end, or cuts there.
	constexpr void set_count(u32 count) noexcept
	{
		for (u32 i = count_; i < count; i++)
			length_[i] = 0;
		count_ = count;
	}
	/// Bytes of the whole message.
	[[nodiscard]] constexpr std::size_t total() const noexcept
	{
		std::size_t n = header_bytes(count_);
		for (u32 i = 0; i < count_; i++)
			n += round8(length_[i]);
		return n;
	}
};

/// Composes a message in memory of the caller's, or edits one that is there. A buffer may change
/// its length at any time; those behind it move, and the room must suffice.
class MessageWriter
{
	MutBytes room_;
	std::size_t size_;

	MessageWriter(MutBytes room, std::size_t size) noexcept : room_(room), size_(size) {}

public:
	/// Lays out a message of zeroes with the given lengths and a valid head.
	/// err::OVERFLOWED when it does not fit into the room.
	[[nodiscard]] static cfs::Result<MessageWriter> create(MutBytes room,
							       const Lengths &lengths) noexcept;
	/// Takes over a message that fills the front of the room, e.g. one saved for replay.
	[[nodiscard]] static cfs::Result<MessageWriter> adopt(MutBytes room,
							      Defect *why = nullptr) noexcept;

	[[nodiscard]] wire::LustreMsgV2 &header() noexcept
	{
		return *reinterpret_cast<wire::LustreMsgV2 *>(room_.data());
	}
	[[nodiscard]] MutBytes buffer(u32 index) noexcept;
	/// Buffer 0 of a message that has at least the short body, else null.
	[[nodiscard]] wire::PtlrpcBodyV2 *body() noexcept;
	/// Stores the job id where the long body has it; cut to what fits.
	void set_jobid(std::string_view jobid) noexcept;

	/// Changes the length of a buffer the message has. New bytes are zero, the rest stays.
	/// err::INVAL: no such buffer; err::OVERFLOWED: the room does not suffice.
	[[nodiscard]] cfs::Result<> resize(u32 index, std::size_t bytes) noexcept;

	[[nodiscard]] MessageView view() const noexcept
	{
		return MessageView(Bytes(room_.data(), size_));
	}
	/// The message as it is to be sent.
	[[nodiscard]] Bytes bytes() const noexcept { return view().bytes(); }
	[[nodiscard]] std::size_t size() const noexcept { return size_; }
};

} // namespace rpc
