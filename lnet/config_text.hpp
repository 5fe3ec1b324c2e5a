// SPDX-License-Identifier: GPL-2.0
//
// The small languages of LNet's configuration, read piece by piece (spec 01 sections 2.6, 15.1):
// networks, address patterns, NIDs and numbers in brackets. Nothing here allocates, so the tools
// use it too. Texts given must outlive what reads them.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "libcfs/format.hpp"
#include "lnet/cpts.hpp"
#include "lnet/nid.hpp"

namespace lnet
{

/// Numbers from lo to hi in steps.
struct NumberRange {
	std::uint64_t lo = 0, hi = 0, step = 1;
};
/// `7`, `1-4` or `2-8/2`. err::INVAL.
[[nodiscard]] cfs::Result<NumberRange> parse_range(std::string_view s) noexcept;

/// CPU partitions: `[0,2-3]`, also without the brackets. At least one. err::INVAL; err::RANGE:
/// beyond CptSet::kMax.
[[nodiscard]] cfs::Result<CptSet> parse_cpts(std::string_view text) noexcept;

/// One interface to bring up.
struct NetworkSpec {
	static constexpr std::size_t kNameMax = 15; ///< of a network interface

	Net net{};
	std::array<char, kNameMax + 1> name{}; ///< NUL-terminated; empty: the driver's choice
	CptSet cpts;			       ///< that are to serve it; none: all
	[[nodiscard]] std::string_view if_name() const noexcept { return name.data(); }
};

/// Reads `networks`, e.g. `tcp0(eth0,eth1[2]),o2ib[0,1](ib0)`, one interface at a time. CPU
/// partitions stand behind the network or its interfaces, or behind an interface, which then has
/// those. Entries of network `lo` count for nothing.
class NetworksReader
{
	std::string_view rest_; ///< networks that have not been begun
	std::string_view list_; ///< of the present one, interfaces
	Net net_{};
	CptSet cpts_;

public:
	explicit NetworksReader(std::string_view text) noexcept;
	/// False at the end. err::INVAL: it is not of that form; err::RANGE as parse_cpts().
	[[nodiscard]] cfs::Result<bool> next(NetworkSpec &out) noexcept;

private:
	[[nodiscard]] cfs::Result<> take_interface(NetworkSpec &out) noexcept;
	[[nodiscard]] cfs::Result<> take_network(NetworkSpec &out) noexcept;
};

/// The next entry of `rest` that is not empty; empty at the end. Entries are between semicolons or
/// newlines, with comments from # to the end of the line.
[[nodiscard]] std::string_view next_entry(std::string_view &rest) noexcept;
/// Cuts the networks off an entry of `ip2nets`; what is left are its address ranges.
[[nodiscard]] std::string_view take_nets(std::string_view &entry) noexcept;

/// Whether an address (IPv4, host order) is in a range such as 192.168.[1-2,7].*; err::INVAL.
[[nodiscard]] cfs::Result<bool> in_ip_range(std::string_view range, std::uint32_t addr) noexcept;
/// Whether one of the addresses is in one of the ranges, with blanks between; without ranges, any
/// node is meant. err::INVAL for ranges that are wrong, whatever the addresses.
[[nodiscard]] cfs::Result<bool> is_meant(std::string_view ranges,
					 std::span<const std::uint32_t> own) noexcept;

/// A text with bracket expressions, read as each of the texts that it stands for.
class Expansion
{
public:
	static constexpr unsigned kBracketsMax = 4;
	static constexpr std::size_t kTextMax = 128;
	enum class Stars : bool { literal, octets }; ///< octets: a star is [0-255]

	/// err::INVAL.
	[[nodiscard]] static cfs::Result<Expansion> make(std::string_view text,
							 Stars stars = Stars::literal) noexcept;
	/// The present one; the buffer is the object's.
	[[nodiscard]] std::string_view text() noexcept;
	/// Steps to the next; false behind the last.
	[[nodiscard]] bool next() noexcept;
	/// How many there are; at most 2^64 - 1 is told.
	[[nodiscard]] std::uint64_t size() const noexcept;

private:
	struct Bracket {
		std::string_view before; ///< literal text in front of it
		std::string_view items;	 ///< that have not been begun
		std::string_view all;
		NumberRange range;
		std::uint64_t value = 0;
	};
	[[nodiscard]] cfs::Result<> add(std::string_view before, std::string_view items) noexcept;
	[[nodiscard]] static cfs::Result<> restart(Bracket &b) noexcept;

	Bracket brackets_[kBracketsMax];
	unsigned count_ = 0;
	std::string_view tail_;
	char buffer_[kTextMax + kBracketsMax * 8];
};

/// The NIDs of a NID range (spec 01 section 2.6): `10.0.[0-1].*@tcp`, `[1-4]@gni`,
/// `10.0.0.8/29@tcp`, or one NID. `*@tcp` is none: it has no end.
class NidRange
{
public:
	/// err::INVAL; err::NOSPC: more than `max` NIDs.
	[[nodiscard]] static cfs::Result<NidRange> make(std::string_view text,
							std::uint64_t max) noexcept;
	/// The present one. err::INVAL.
	[[nodiscard]] cfs::Result<Nid> nid() noexcept;
	/// Steps to the next; false behind the last.
	[[nodiscard]] bool next() noexcept;

private:
	[[nodiscard]] cfs::Result<> make_prefix(std::string_view text) noexcept;

	Expansion expansion_;
	// Of an address with a prefix length.
	Nid first_; ///< none: it is the other form
	std::uint64_t count_ = 1, index_ = 0;
};

} // namespace lnet
