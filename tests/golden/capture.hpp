// SPDX-License-Identifier: GPL-2.0
//
// Reads packet captures of Lustre over TCP: classic pcap, TCP reassembly, socklnd and LNet framing,
// RPC messages with each reply joined to its request. For tests: it takes captures as they were
// recorded and gives up on anything unexpected rather than guess.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace golden
{

/// One RPC message as it was on the wire.
struct CapturedMessage {
	std::string file;     // name of the capture
	std::string from, to; // IPv4 addresses
	bool request = false; // by the portal it was put to
	std::uint32_t portal = 0;
	std::uint64_t match_bits = 0;
	std::uint32_t offset = 0; // in the receiver's buffer
	std::vector<std::byte> bytes;
	std::size_t request_index = SIZE_MAX; // of a reply: its request in Capture::messages
};

/// A piece of what LNet and socklnd put on the wire, as it was there.
struct LnetPiece {
	enum class Kind { acceptor, hello, noop, message };
	Kind kind;
	std::string file;
	std::vector<std::byte> bytes;	// noop and message: with the header of socklnd
	std::vector<std::byte> payload; // of a message
};

struct Capture {
	std::vector<LnetPiece> pieces;	       // by connection, each in the order sent
	std::vector<CapturedMessage> messages; // in the order of their last packets
	std::size_t bulks = 0;		       // puts and gets of bulk data
	std::size_t others = 0;		       // everything else LNet sent
	std::vector<std::string> problems;     // empty when every byte was understood
};

/// Reads one capture file.
Capture read_capture(const std::filesystem::path &file);

/// Reads all captures of tests/golden/data/pcap.
const std::vector<Capture> &all_captures();

/// Where the recorded data is.
std::filesystem::path data_dir();

} // namespace golden
