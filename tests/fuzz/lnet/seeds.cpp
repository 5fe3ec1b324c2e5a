// SPDX-License-Identifier: GPL-2.0

#include "seeds.hpp"

#include <algorithm>
#include <set>

#include "capture.hpp"
#include "decode_lnet.hpp"
#include "lnet/netlink.hpp"
#include "lnet/ping.hpp"
#include "lnet/socklnd/hello.hpp"

namespace fuzz
{

namespace
{

using Input = std::vector<std::byte>;

Input input(LnetDecoder d, cfs::Bytes b)
{
	Input i(1 + b.size());
	i[0] = static_cast<std::byte>(d);
	std::copy(b.begin(), b.end(), i.begin() + 1);
	return i;
}

void add_hello(std::set<Input> &out, cfs::Bytes b)
{
	out.insert(input(LnetDecoder::hello, b));
	out.insert(input(LnetDecoder::hello_stream, b));
}

void add_piece(std::set<Input> &out, const golden::LnetPiece &p)
{
	using Kind = golden::LnetPiece::Kind;
	cfs::Bytes b(p.bytes);
	if (p.kind == Kind::acceptor)
		out.insert(input(LnetDecoder::acceptor, b));
	if (p.kind == Kind::hello)
		add_hello(out, b);
	if (p.kind != Kind::message)
		return;
	auto header = b.subspan(sizeof(lnet::wire::KsockMsgHeader));
	out.insert(input(LnetDecoder::header4, header));
	auto magic = cfs::view_at<cfs::le32>(p.payload, 0);
	if (magic && **magic == lnet::wire::LNET_PROTO_PING_MAGIC)
		out.insert(input(LnetDecoder::ping, p.payload));
	auto h = lnet::from_wire(**cfs::view_at<lnet::wire::Header4>(header, 0));
	if (h)
		out.insert(input(LnetDecoder::header16, cfs::bytes_of(lnet::to_wire16(*h))));
}

void add_large(std::set<Input> &out)
{
	auto nid = lnet::parse_nid("fd00::1@tcp"), other = lnet::parse_nid("fd00::2@tcp7");
	auto small = lnet::parse_nid("10.0.0.1@o2ib");
	if (!nid || !other || !small)
		return;
	lnet::sock::Hello h;
	h.version = 4;
	h.src = *nid;
	h.dst = *other;
	std::byte buf[sizeof(lnet::wire::Hello4)];
	auto n = lnet::sock::encode_hello(h, buf);
	add_hello(out, cfs::Bytes(buf, n));
	n = lnet::sock::encode_acceptor_request(*nid, buf);
	out.insert(input(LnetDecoder::acceptor, cfs::Bytes(buf, n)));
	lnet::PingEntryInfo list[] = {{*nid}, {*small}, {*other}};
	for (std::size_t k = 0; k <= std::size(list); k++)
		if (auto p = lnet::build_ping(0x1e, 3, std::span(list).first(k)))
			out.insert(input(LnetDecoder::ping, {p->data(), p->size()}));
}

/// A request to add an interface, and the languages of module parameters.
void add_control(std::set<Input> &out)
{
	using namespace lnet::nl;
	std::byte buf[256];
	AttrWriter w(buf);
	auto top = w.begin(kList);
	w.put_text(kValue, "net");
	auto list = w.begin(kList);
	auto net = w.begin(kList);
	w.put_text(kValue, "net type");
	w.put_text(kValue, "tcp");
	w.put_text(kValue, "tunables");
	auto tunables = w.begin(kList);
	w.put_text(kValue, "credits");
	w.put_s64(kIntValue, 64);
	w.end(tunables);
	w.end(net);
	w.end(list);
	w.end(top);
	out.insert(input(LnetDecoder::netlink, w.done()));
	out.insert(
		input(LnetDecoder::routes,
		      cfs::as_bytes("tcp1 1 192.168.1.[1-4]@tcp:2; o2ib[0-1] 10.0.0.1@tcp # a")));
	out.insert(input(LnetDecoder::networks,
			 cfs::as_bytes("tcp0(eth0,eth1[2])[0-1],o2ib[0,1](ib0),tcp2")));
	out.insert(input(LnetDecoder::networks, cfs::as_bytes("[0,2-6/2]")));
	out.insert(input(LnetDecoder::nid_range, cfs::as_bytes("10.[0-1].0.[1-5/2,9]@tcp1")));
	out.insert(input(LnetDecoder::nid_range, cfs::as_bytes("10.0.*.7@tcp")));
	out.insert(input(LnetDecoder::nid_range, cfs::as_bytes("10.0.0.6/30@tcp")));
	out.insert(input(LnetDecoder::ip2nets,
			 cfs::as_bytes("tcp(eth0) 192.168.1.[2-8/2]; o2ib 10.*.*.*\ntcp2")));
}

} // namespace

std::vector<Input> lnet_seeds()
{
	std::set<Input> all;
	for (const auto &c : golden::all_captures()) {
		// The messages of a capture differ in little.
		std::size_t messages = 0;
		for (const auto &p : c.pieces)
			if (p.kind != golden::LnetPiece::Kind::message || messages++ < 40)
				add_piece(all, p);
	}
	add_large(all);
	add_control(all);
	return {all.begin(), all.end()};
}

} // namespace fuzz
