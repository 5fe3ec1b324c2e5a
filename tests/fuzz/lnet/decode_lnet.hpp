// SPDX-License-Identifier: GPL-2.0
//
// Feeds bytes of a peer to the decoders of LNet and socklnd, as a connection would: the first byte
// chooses the decoder. What is accepted must survive being encoded and decoded again.
#pragma once

#include <cstddef>
#include <span>

namespace fuzz
{

enum class LnetDecoder : unsigned char {
	hello,
	hello_stream,
	acceptor,
	header4,
	header16,
	ping,
	netlink,
	routes,
	ip2nets,
	networks,
	nid_range,
	count
};

void decode_lnet(std::span<const std::byte> input);

} // namespace fuzz
