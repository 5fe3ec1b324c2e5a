// SPDX-License-Identifier: GPL-2.0
//
// A colon is also part of an IPv6 address; so a part without '@' in a list that has one belongs to
// the part behind it, and is joined with it again.

#include "mkfs/nids.hpp"

#include <arpa/inet.h>
#include <netdb.h>

#include <vector>

#include "lnet/nid.hpp"

namespace mkfs
{

namespace
{

/// One NID; a host name becomes its address, and a name without a network gets @tcp.
std::string resolve_one(const std::string &text)
{
	if (lnet::parse_nid(text))
		return text;
	auto at = text.find('@');
	std::string host = text.substr(0, at);
	std::string net = at == std::string::npos ? "@tcp" : text.substr(at);
	if (host.empty() || !lnet::parse_net(net.substr(1)))
		return {};
	addrinfo hints{}, *found = nullptr;
	hints.ai_family = AF_INET;
	hints.ai_socktype = SOCK_STREAM;
	if (getaddrinfo(host.c_str(), nullptr, &hints, &found) || !found)
		return {};
	char buf[INET_ADDRSTRLEN] = "";
	auto *in = reinterpret_cast<sockaddr_in *>(found->ai_addr);
	inet_ntop(AF_INET, &in->sin_addr, buf, sizeof(buf));
	freeaddrinfo(found);
	std::string nid = buf + net;
	return lnet::parse_nid(nid) ? nid : std::string();
}

struct Part {
	std::string text;
	char before; // the separator in front of it, or 0
};

std::vector<Part> split(const std::string &list)
{
	std::vector<Part> parts;
	bool has_net = list.find('@') != std::string::npos;
	char before = 0;
	std::string text;
	for (char c : list + "\0") {
		bool inside_ipv6 = c == ':' && has_net && text.find('@') == std::string::npos;
		if ((c == ':' && !inside_ipv6) || c == ',') {
			parts.push_back({text, before});
			text.clear();
			before = c;
		} else if (c) {
			text += c;
		}
	}
	parts.push_back({text, before});
	return parts;
}

} // namespace

Outcome<std::string> resolve_nids(const std::string &list, const std::string &tool)
{
	std::string out;
	for (const auto &p : split(list)) {
		auto nid = resolve_one(p.text);
		if (nid.empty())
			return failure(1, "Unsupported NID '" + p.text +
						  "': rc = Unknown error -22.\n" + tool +
						  ": Can't parse NID '" + p.text + "'");
		if (p.before)
			out += p.before;
		out += nid;
	}
	return out;
}

} // namespace mkfs
