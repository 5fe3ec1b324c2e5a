// SPDX-License-Identifier: GPL-2.0
//
// Network identifiers (spec 01 section 2). A Nid is held in its 20-byte wire form, big-endian, with
// unused address bytes zero, so equality is byte equality and it is copied to the wire as it is.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "libcfs/bytes.hpp"
#include "libcfs/endian.hpp"
#include "libcfs/format.hpp"
#include "libcfs/result.hpp"

namespace lnet
{

/// LND types as they stand in NIDs.
enum class LndType : std::uint8_t {
	tcp = 2,
	o2ib = 5,
	lo = 9,
	gni = 13,
	ptlf = 15,
	kfi = 16,
	efa = 18
};

/// A network: LND type in the upper half, number in the lower.
enum class Net : std::uint32_t { any = 0xffffffff };

[[nodiscard]] constexpr Net make_net(LndType t, std::uint16_t number) noexcept
{
	return static_cast<Net>(static_cast<std::uint32_t>(t) << 16 | number);
}
[[nodiscard]] constexpr LndType net_type(Net n) noexcept
{
	return static_cast<LndType>(static_cast<std::uint32_t>(n) >> 16);
}
[[nodiscard]] constexpr std::uint16_t net_number(Net n) noexcept
{
	return static_cast<std::uint16_t>(static_cast<std::uint32_t>(n));
}

/// Every process of this system.
inline constexpr std::uint32_t LNET_PID_LUSTRE = 12345;
inline constexpr std::uint32_t LNET_PID_USERFLAG = 0x80000000;
inline constexpr std::uint32_t LNET_PID_ANY = 0xffffffff;
/// The longest text form of a NID, NUL included.
inline constexpr std::size_t LNET_NIDSTR_SIZE = 64;

class Nid
{
	std::uint8_t size_ = 0; // address bytes minus 4
	std::uint8_t type_ = 0;
	cfs::be16 number_{0};
	std::array<std::uint8_t, 16> addr_{};

public:
	/// All zero: no NID at all. Not ANY.
	constexpr Nid() = default;

	/// The wildcard.
	[[nodiscard]] static constexpr Nid any() noexcept
	{
		Nid n;
		n.size_ = 0xff;
		n.type_ = 0xff;
		n.number_ = 0xffff;
		n.addr_.fill(0xff);
		return n;
	}
	/// 0@lo.
	[[nodiscard]] static constexpr Nid lo() noexcept
	{
		return ipv4(make_net(LndType::lo, 0), 0);
	}
	/// A 4-byte address, given as an integer: 192.168.1.10 is 0xc0a8010a.
	[[nodiscard]] static constexpr Nid ipv4(Net net, std::uint32_t addr) noexcept
	{
		Nid n;
		n.type_ = static_cast<std::uint8_t>(net_type(net));
		n.number_ = net_number(net);
		for (unsigned i = 0; i < 4; i++)
			n.addr_[i] = static_cast<std::uint8_t>(addr >> (24 - 8 * i));
		return n;
	}
	/// A 16-byte address in network order.
	[[nodiscard]] static constexpr Nid ipv6(Net net,
						const std::array<std::uint8_t, 16> &a) noexcept
	{
		Nid n;
		n.size_ = 12;
		n.type_ = static_cast<std::uint8_t>(net_type(net));
		n.number_ = net_number(net);
		n.addr_ = a;
		return n;
	}
	/// From the legacy 64-bit form; of LND type 0xff it is any(). The upper byte is ignored.
	[[nodiscard]] static constexpr Nid from_nid4(std::uint64_t v) noexcept
	{
		if ((v >> 48 & 0xff) == 0xff)
			return any();
		return ipv4(static_cast<Net>(v >> 32 & 0xffffff), static_cast<std::uint32_t>(v));
	}
	/// From 20 foreign bytes; clears what the size says is unused. err::PROTO for an impossible
	/// size.
	[[nodiscard]] static cfs::Result<Nid> from_wire(cfs::Bytes b) noexcept;

	/// The legacy form; any() when it has none (spec 01 section 2.3).
	[[nodiscard]] constexpr std::uint64_t nid4() const noexcept
	{
		if (!is_nid4())
			return ~0ull;
		return static_cast<std::uint64_t>(net()) << 32 | addr4();
	}
	[[nodiscard]] constexpr bool is_nid4() const noexcept { return size_ == 0; }
	[[nodiscard]] constexpr bool is_any() const noexcept { return type_ == 0xff; }
	[[nodiscard]] constexpr bool is_none() const noexcept { return type_ == 0; }
	[[nodiscard]] constexpr bool is_lo() const noexcept
	{
		return type_ == static_cast<std::uint8_t>(LndType::lo);
	}
	[[nodiscard]] constexpr LndType type() const noexcept
	{
		return static_cast<LndType>(type_);
	}
	/// Its network; Net::any for any().
	[[nodiscard]] constexpr Net net() const noexcept
	{
		return is_any() ? Net::any : make_net(type(), number_.get());
	}
	[[nodiscard]] constexpr std::uint32_t addr4() const noexcept
	{
		return static_cast<std::uint32_t>(addr_[0]) << 24 |
		       static_cast<std::uint32_t>(addr_[1]) << 16 |
		       static_cast<std::uint32_t>(addr_[2]) << 8 | addr_[3];
	}
	/// The address bytes that count, 4 or 16, in network order.
	[[nodiscard]] constexpr std::span<const std::uint8_t> addr() const noexcept
	{
		return std::span(addr_).first(is_any() ? 0u : 4u + size_);
	}
	/// The 20 bytes of the wire form.
	[[nodiscard]] cfs::Bytes wire() const noexcept { return cfs::bytes_of(*this); }

	/// Byte order: also what decides connection races (spec 01 section 12.7).
	constexpr auto operator<=>(const Nid &o) const noexcept
	{
		if (auto c = size_ <=> o.size_; c != 0)
			return c;
		if (auto c = type_ <=> o.type_; c != 0)
			return c;
		if (auto c = number_.get() <=> o.number_.get(); c != 0)
			return c;
		return addr_ <=> o.addr_;
	}
	constexpr bool operator==(const Nid &o) const noexcept { return (*this <=> o) == 0; }

	/// For hash tables; the same on every run.
	[[nodiscard]] constexpr std::uint32_t hash() const noexcept
	{
		std::uint32_t h = 2166136261u ^ type_;
		h = (h ^ number_.get()) * 16777619u;
		for (auto b : addr_)
			h = (h ^ b) * 16777619u;
		return h ^ h >> 15;
	}
};
static_assert(sizeof(Nid) == 20 && alignof(Nid) == 1);

/// Text to NID: `addr@net`, no host names (spec 01 section 2.5). err::INVAL.
[[nodiscard]] cfs::Result<Nid> parse_nid(std::string_view s) noexcept;
/// Text to network: `tcp`, `o2ib3`. err::INVAL.
[[nodiscard]] cfs::Result<Net> parse_net(std::string_view s) noexcept;
/// Writes the text form without NUL; at most LNET_NIDSTR_SIZE - 1 characters.
void format_value(cfs::FormatSink &sink, const Nid &nid) noexcept;
void format_value(cfs::FormatSink &sink, Net net) noexcept;

/// A process: where messages go and come from.
struct ProcessId {
	Nid nid;
	std::uint32_t pid = LNET_PID_LUSTRE;

	bool operator==(const ProcessId &) const = default;
};
/// `12345-192.168.1.10@tcp`.
void format_value(cfs::FormatSink &sink, const ProcessId &id) noexcept;

} // namespace lnet
