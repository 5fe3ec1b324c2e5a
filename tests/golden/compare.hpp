// SPDX-License-Identifier: GPL-2.0
//
// Compares a capture of our own nodes with those of stock ones: messages of the same kind have the
// same number of buffers, and structures in them the same size.
//
// A kind is an operation, with its intent or other variant; request, reply, or reply that reports
// an error. exceptions.tsv says, with a reason, where ours may look different: stock does it too,
// in situations that were not recorded.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "capture.hpp"

namespace golden
{

/// What the messages of one kind look like.
struct Shape {
	std::set<std::uint32_t> counts; ///< of buffers
	/// Of each structure, by name: its sizes, 0 when an optional one is absent.
	std::map<std::string, std::set<std::uint32_t>> sizes;
	std::size_t messages = 0;
};
using Shapes = std::map<std::string, Shape>; ///< by kind

/// A difference, as exceptions.tsv names it.
struct Difference {
	std::string kind; ///< "MDS_CLOSE request"
	/// "N buffers", "NAME of N bytes", "malformed: ...", or "not recorded: ..." with the shape
	/// of a message that stock ones have no kind for.
	std::string what;
	auto operator<=>(const Difference &) const = default;
};

struct Decoded;

class Comparison
{
public:
	/// Learns what stock messages look like.
	explicit Comparison(const std::vector<Capture> &stock);
	/// Compares all messages of a capture.
	void add(const Capture &ours);
	/// Reads further exceptions: lines of kind, difference and reason. Without a reason it is
	/// none.
	void read_exceptions(const std::filesystem::path &tsv);

	/// Differences without an exception, and how many messages have each.
	[[nodiscard]] std::map<Difference, std::size_t> differences() const;
	[[nodiscard]] const Shapes &seen() const noexcept { return ours_; }
	[[nodiscard]] const Shapes &stock() const noexcept { return stock_; }

private:
	void compare(const Capture &c, const CapturedMessage &m);
	/// What a message should look like; null when nothing like it was recorded.
	[[nodiscard]] const Shape *expected(const Decoded &d) const;

	Shapes stock_, ours_;
	std::map<Difference, std::size_t> found_;
	std::set<Difference> excused_;
};

} // namespace golden
