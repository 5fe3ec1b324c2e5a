// SPDX-License-Identifier: GPL-2.0
//
// compare_capture [--verbose] [--lnet] PCAP...: compares captures of our own nodes with those of
// stock ones (compare.hpp). Prints what differs; the last line counts kinds of messages. Fails when
// something differs or could not be decoded, and when there are no RPCs, unless --lnet permits
// that.

#include <cstring>
#include <iostream>

#include "compare.hpp"

namespace
{

/// How many messages of each type LNet sent.
class LnetCounts
{
	static constexpr std::size_t kSockHeader = 24, kTypeAt = 24;
	std::size_t n_[4] = {}, unknown_ = 0;

public:
	void add(const golden::LnetPiece &p)
	{
		if (p.kind != golden::LnetPiece::Kind::message)
			return;
		auto type = std::to_integer<std::size_t>(p.bytes.at(kSockHeader + kTypeAt));
		if (type < std::size(n_))
			n_[type]++;
		else
			unknown_++;
	}
	[[nodiscard]] std::size_t unknown() const { return unknown_; }
	void print() const
	{
		std::cout << "LNet: " << n_[1] << " PUT, " << n_[2] << " GET, " << n_[0] << " ACK, "
			  << n_[3] << " REPLY\n";
	}
	[[nodiscard]] bool none() const { return n_[0] + n_[1] + n_[2] + n_[3] == 0; }
};

} // namespace

int main(int argc, char **argv)
{
	golden::Comparison comparison(golden::all_captures());
	bool verbose = false, lnet_only = false;
	std::size_t problems = 0, messages = 0;
	LnetCounts lnet;
	for (int i = 1; i < argc; i++) {
		if (!std::strcmp(argv[i], "--verbose")) {
			verbose = true;
			continue;
		}
		if (!std::strcmp(argv[i], "--lnet")) {
			lnet_only = true;
			continue;
		}
		auto capture = golden::read_capture(argv[i]);
		for (const auto &p : capture.problems)
			std::cout << p << '\n';
		problems += capture.problems.size();
		for (const auto &p : capture.pieces)
			lnet.add(p);
		messages += capture.messages.size();
		comparison.add(capture);
	}
	auto differences = comparison.differences();
	std::set<std::string> bad;
	for (const auto &[d, count] : differences) {
		bad.insert(d.kind);
		std::cout << d.kind << ": " << d.what << " (" << count << " messages)\n";
		auto it = comparison.stock().find(d.kind);
		if (it == comparison.stock().end())
			continue;
		std::cout << "    stock:";
		for (auto n : it->second.counts)
			std::cout << ' ' << n << " buffers";
		for (const auto &[name, sizes] : it->second.sizes)
			for (auto n : sizes)
				std::cout << ' ' << name << ':' << n;
		std::cout << '\n';
	}
	if (verbose)
		for (const auto &[kind, shape] : comparison.seen())
			std::cout << "  " << shape.messages << ' ' << kind << '\n';
	lnet.print();
	if (lnet.unknown())
		std::cout << lnet.unknown() << " LNet messages of no known type\n";
	problems += lnet.unknown();
	auto kinds = comparison.seen().size();
	std::cout << messages << " RPC messages of " << kinds << " kinds, "
		  << kinds - std::min(kinds, bad.size()) << " of them as stock has them; "
		  << problems << " problems of the capture\n";
	return !bad.empty() || problems || lnet.none() || (messages == 0 && !lnet_only);
}
