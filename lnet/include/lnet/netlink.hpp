// SPDX-License-Identifier: GPL-2.0
//
// The generic-netlink interface of LNet (spec 01 section 16.3), as both ends of it see it: numbers,
// and attributes read and written with every length checked. lnet.ko's half is netlink_tree.hpp and
// netlink_server.cpp; the tools' half is utils/lnetctl.
//
// Requests are YAML trees of a few scalar attributes. Answers are tables: the first message of a
// dump is a key table, which names the attributes of those that follow, so a tool prints what it
// gets without knowing it.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

#include "libcfs/bytes.hpp"

namespace lnet::nl
{

inline constexpr const char *kFamily = "lnet";
inline constexpr std::uint8_t kFamilyVersion = 5;

enum class Command : std::uint8_t {
	configure = 1,
	nets,
	peers,
	routes,
	conns,
	ping,
	cpt_of_nid,
	peer_dist,
	udsp,
	peer_fail,
	dbg_recov,
	fault,
	routing,
	buffers,
	numa,
	max = numa,
};

/// Message flags with a meaning of LNet's own (linux/netlink.h has the numbers).
inline constexpr std::uint16_t kFlagFiltered = 0x20, ///< a dump of what recreates the
						     ///< configuration only
	kFlagReplace = 0x100, kFlagExcl = 0x200,     ///< neither is seen in requests for dumps
	kFlagCreate = 0x400, kFlagAppend = 0x800;

/// Attributes of requests and key tables.
enum Scalar : std::uint16_t {
	kList = 1,  ///< nested: a mapping or a sequence
	kListSize,  ///< u16
	kIndex,	    ///< u16: the attribute that a key table speaks of
	kNlaType,   ///< u16: the type of its value (NlaType)
	kValue,	    ///< text: a key, or a value
	kIntValue,  ///< s64; booleans as 0 and 1
	kKeyFormat, ///< u16, KeyFormat
	kScalarMax = kKeyFormat,
};

enum KeyFormat : std::uint16_t { kFlow = 1, kMapping = 2, kSequence = 4 };

/// Types of values, by the kernel's numbers.
enum NlaType : std::uint16_t {
	kNlaU8 = 1,
	kNlaU16 = 2,
	kNlaU32 = 3,
	kNlaU64 = 4,
	kNlaString = 5,
	kNlaFlag = 6,
	kNlaNested = 8,
	kNlaNulString = 10,
	kNlaS8 = 12,
	kNlaS16 = 13,
	kNlaS32 = 14,
	kNlaS64 = 15,
};

/// One attribute of a message.
struct Attr {
	std::uint16_t type = 0; ///< without the kernel's flag bits
	cfs::Bytes payload;

	/// The payload as an integer of its own size, sign-extended; err::PROTO for other sizes.
	[[nodiscard]] cfs::Result<std::int64_t> number() const noexcept
	{
		switch (payload.size()) {
		case 1:
			return as<std::int8_t>();
		case 2:
			return as<std::int16_t>();
		case 4:
			return as<std::int32_t>();
		case 8:
			return as<std::int64_t>();
		default:
			return cfs::fail(cfs::err::PROTO);
		}
	}
	[[nodiscard]] std::string_view text() const noexcept { return cfs::as_string(payload); }

private:
	template <typename T>
	[[nodiscard]] T as() const noexcept
	{
		T v;
		std::memcpy(&v, payload.data(), sizeof(v));
		return v;
	}
};

inline constexpr std::size_t kHeaderBytes = 4;
[[nodiscard]] constexpr std::size_t aligned(std::size_t n) noexcept
{
	return (n + 3) & ~std::size_t{3};
}

/// Walks the attributes of a message, or inside a nested one.
class AttrReader
{
	cfs::Bytes rest_;

public:
	explicit AttrReader(cfs::Bytes b) noexcept : rest_(b) {}
	[[nodiscard]] bool empty() const noexcept { return rest_.empty(); }
	/// err::PROTO when the next one does not fit into what is left.
	[[nodiscard]] cfs::Result<Attr> next() noexcept
	{
		std::uint16_t head[2];
		if (rest_.size() < kHeaderBytes)
			return cfs::fail(cfs::err::PROTO);
		std::memcpy(head, rest_.data(), sizeof(head));
		if (head[0] < kHeaderBytes || head[0] > rest_.size())
			return cfs::fail(cfs::err::PROTO);
		Attr a;
		a.type = static_cast<std::uint16_t>(head[1] & 0x3fff);
		a.payload = rest_.subspan(kHeaderBytes, head[0] - kHeaderBytes);
		auto step = aligned(head[0]);
		rest_ = rest_.subspan(step < rest_.size() ? step : rest_.size());
		return a;
	}
};

/// Writes attributes into a buffer. What does not fit makes ok() false, for good.
class AttrWriter
{
	cfs::MutBytes buffer_;
	std::size_t used_ = 0;
	bool ok_ = true;

public:
	explicit AttrWriter(cfs::MutBytes b) noexcept : buffer_(b) {}
	[[nodiscard]] bool ok() const noexcept { return ok_; }
	[[nodiscard]] cfs::Bytes done() const noexcept { return buffer_.first(used_); }

	void put(std::uint16_t type, cfs::Bytes payload) noexcept { put_padded(type, payload, 0); }
	/// Text, with the NUL that the kernel wants.
	void put_text(std::uint16_t type, std::string_view s) noexcept
	{
		put_padded(type, cfs::as_bytes(s), 1);
	}
	template <typename T>
	void put_int(std::uint16_t type, T v) noexcept
	{
		std::byte b[sizeof(T)];
		std::memcpy(b, &v, sizeof(v));
		put(type, b);
	}
	void put_u8(std::uint16_t t, std::uint8_t v) noexcept { put_int(t, v); }
	void put_u16(std::uint16_t t, std::uint16_t v) noexcept { put_int(t, v); }
	void put_u32(std::uint16_t t, std::uint32_t v) noexcept { put_int(t, v); }
	void put_s16(std::uint16_t t, std::int16_t v) noexcept { put_int(t, v); }
	void put_s32(std::uint16_t t, std::int32_t v) noexcept { put_int(t, v); }
	void put_s64(std::uint16_t t, std::int64_t v) noexcept { put_int(t, v); }

	/// Opens a nested attribute; give its result to end().
	[[nodiscard]] std::size_t begin(std::uint16_t type) noexcept
	{
		std::size_t at = used_;
		put_padded(static_cast<std::uint16_t>(type | kNested), {}, 0);
		return at;
	}
	void end(std::size_t at) noexcept
	{
		if (!ok_)
			return;
		std::size_t length = used_ - at;
		if (length > UINT16_MAX) {
			ok_ = false;
			return;
		}
		auto l = static_cast<std::uint16_t>(length);
		std::memcpy(buffer_.data() + at, &l, sizeof(l));
	}

private:
	static constexpr std::uint16_t kNested = 0x8000;

	void put_padded(std::uint16_t type, cfs::Bytes payload, std::size_t nul) noexcept
	{
		std::size_t length = kHeaderBytes + payload.size() + nul;
		if (!ok_ || length > UINT16_MAX || buffer_.size() - used_ < aligned(length)) {
			ok_ = false;
			return;
		}
		std::uint16_t head[2] = {static_cast<std::uint16_t>(length), type};
		std::byte *p = buffer_.data() + used_;
		std::memset(p, 0, aligned(length));
		std::memcpy(p, head, sizeof(head));
		if (!payload.empty())
			std::memcpy(p + kHeaderBytes, payload.data(), payload.size());
		used_ += aligned(length);
	}
};

} // namespace lnet::nl
