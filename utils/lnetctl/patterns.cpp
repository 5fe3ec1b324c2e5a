// SPDX-License-Identifier: GPL-2.0
//
// See patterns.hpp.

#include "lnetctl/patterns.hpp"

#include <algorithm>
#include <cerrno>

#include "lnet/config_text.hpp"
#include "lnet/ping.hpp"

namespace lnetctl
{

static_assert(kNidsMax == lnet::PingInfo::kNidsMax);

namespace
{

template <typename T>
std::string text_of(const T &v)
{
	char buffer[lnet::LNET_NIDSTR_SIZE];
	return std::string(cfs::format_to(buffer, "{}", v));
}

/// The next range: up to a comma or blank outside of brackets. Empty at the end.
std::string next_range(const std::string &text, std::size_t &at)
{
	auto separates = [](char c) { return c == ',' || c == ' ' || c == '\t' || c == '\n'; };
	while (at < text.size() && separates(text[at]))
		at++;
	std::size_t begin = at;
	for (bool inside = false; at < text.size() && (inside || !separates(text[at])); at++)
		inside = text[at] == '[' || (inside && text[at] != ']');
	return text.substr(begin, at - begin);
}

/// An interface with an IPv4 address.
struct Own {
	std::string name;
	std::uint32_t address;
};

std::vector<Own> own_addresses(Shell &sh)
{
	constexpr std::uint32_t kLoopback = 127;
	std::vector<Own> out;
	for (const Interface &i : sh.sys.interfaces()) {
		auto nid = lnet::parse_nid(i.address + "@tcp");
		if (nid && nid->is_nid4() && nid->addr4() >> 24 != kLoopback)
			out.push_back({i.name, nid->addr4()});
	}
	return out;
}

/// The same on that interface.
lnet::NetworkSpec on_interface(lnet::NetworkSpec spec, const std::string &name)
{
	spec.name = {};
	std::copy_n(name.begin(), std::min(name.size(), lnet::NetworkSpec::kNameMax),
		    spec.name.begin());
	return spec;
}

/// The interfaces of one entry; none when it is not for this node.
bool read_entry(std::string_view entry, const std::vector<Own> &own,
		std::vector<lnet::NetworkSpec> &out)
{
	auto nets = lnet::take_nets(entry);
	std::vector<std::uint32_t> addresses;
	for (const Own &o : own)
		addresses.push_back(o.address);
	auto meant = lnet::is_meant(entry, addresses);
	if (!meant)
		return false;
	bool anyone = entry.find_first_not_of(" \t\n") == entry.npos;
	lnet::NetworksReader reader(nets);
	for (lnet::NetworkSpec spec;;) {
		auto more = reader.next(spec);
		if (!more || !*more)
			return more.has_value();
		if (!*meant)
			continue;
		if (anyone || !spec.if_name().empty()) {
			out.push_back(spec);
			continue;
		}
		std::vector<std::string> seen; // one with several addresses
		for (const Own &o : own) {
			auto in = lnet::is_meant(entry, {&o.address, 1});
			if (!in || !*in ||
			    std::find(seen.begin(), seen.end(), o.name) != seen.end())
				continue;
			seen.push_back(o.name);
			out.push_back(on_interface(spec, o.name));
		}
	}
}

std::string cpts_text(const lnet::CptSet &cpts)
{
	std::string out;
	for (unsigned c = 0; c < lnet::CptSet::kMax; c++)
		if (cpts.has(c))
			out += (out.empty() ? "[" : ",") + std::to_string(c);
	return out + "]";
}

/// Adds an interface to its network, unless an earlier entry had that: one of the first `settled`.
void add_found(Node &nets, std::size_t settled, const lnet::NetworkSpec &spec, const Node &common)
{
	std::string net = text_of(spec.net);
	auto &all = nets.items();
	auto same = std::find_if(all.begin(), all.end(),
				 [&](const Node &n) { return n.get("net type") == net; });
	if (same < all.begin() + static_cast<std::ptrdiff_t>(settled))
		return;
	Node ni = ni_node(std::string(spec.if_name()), common);
	if (!spec.cpts.empty())
		ni.set("CPT", Node(cpts_text(spec.cpts)));
	if (same != all.end()) {
		same->find("local NI(s)")->add(std::move(ni));
		return;
	}
	Node nis = Node::list();
	nis.add(std::move(ni));
	nets.add(net_node(net, std::move(nis)));
}

} // namespace

Node ni_node(const std::string &if_name, const Node &common)
{
	Node ni = Node::map();
	if (!if_name.empty())
		ni.set("interfaces", Node::map()).set("0", Node(if_name));
	for (const auto &[key, value] : common.entries())
		ni.set(key, value);
	return ni;
}

Node net_node(const std::string &net, Node nis)
{
	Node n = Node::map();
	n.set("net type", Node(net));
	if (!nis.items().empty())
		n.set("local NI(s)", std::move(nis));
	return n;
}

Outcome expand_nids(const std::string &text, Node &nids)
{
	static const std::string too_many = "too many NIDs for one peer";
	std::size_t at = 0;
	for (std::string one = next_range(text, at); !one.empty(); one = next_range(text, at)) {
		auto range = lnet::NidRange::make(one, kNidsMax);
		if (!range)
			return {cfs::to_rc(range),
				range.error() == cfs::err::NOSPC ? too_many : ""};
		do {
			auto nid = range->nid();
			if (!nid)
				return {-EINVAL, ""};
			if (nids.items().size() == kNidsMax)
				return {-ENOSPC, too_many};
			nids.add(Node::map()).set("nid", Node(text_of(*nid)));
		} while (range->next());
	}
	return {};
}

Outcome networks_by_address(Shell &sh, const std::vector<Ip2nets> &texts, Node &nets)
{
	auto own = own_addresses(sh);
	nets = Node::list();
	for (const Ip2nets &t : texts) {
		std::string_view rest = t.text;
		for (auto entry = lnet::next_entry(rest); !entry.empty();
		     entry = lnet::next_entry(rest)) {
			std::vector<lnet::NetworkSpec> found;
			if (!read_entry(entry, own, found))
				return {-EINVAL, "'" + std::string(entry) +
							 "' is not of the form "
							 "NETWORKS ADDRESSES"};
			auto settled = nets.items().size();
			for (const auto &spec : found)
				add_found(nets, settled, spec, t.common);
		}
	}
	if (nets.items().empty())
		return {-ENODEV, "no network is for an address of this node"};
	return {};
}

} // namespace lnetctl
