// SPDX-License-Identifier: GPL-2.0

#include "decode_lnet.hpp"

#include <cstdlib>
#include <cstring>

#include "lnet/config.hpp"
#include "lnet/netlink_tree.hpp"
#include "lnet/ping.hpp"
#include "lnet/socklnd/hello.hpp"

/// A socket that yields bytes from memory and forgets what is sent.
struct cfs_sock {
	cfs::Bytes left;
};

int cfs_sock_recv_all(cfs_sock *s, void *buf, std::size_t n, std::uint64_t) noexcept
{
	if (n > s->left.size())
		return -104; // the peer is gone
	std::memcpy(buf, s->left.data(), n);
	s->left = s->left.subspan(n);
	return 0;
}

int cfs_sock_send_all(cfs_sock *, const void *, std::size_t, std::uint64_t) noexcept
{
	return 0;
}

namespace fuzz
{

namespace
{

void must(bool ok)
{
	if (!ok)
		std::abort();
}

bool same(const lnet::sock::Hello &a, const lnet::sock::Hello &b)
{
	return a.version == b.version && a.src == b.src && a.dst == b.dst &&
	       a.src_pid == b.src_pid && a.src_incarnation == b.src_incarnation &&
	       a.dst_incarnation == b.dst_incarnation && a.type == b.type;
}

void again(const lnet::sock::Hello &h)
{
	std::byte out[sizeof(lnet::wire::Hello4)];
	auto n = lnet::sock::encode_hello(h, out);
	std::uint32_t addresses = 0;
	auto back = lnet::sock::decode_hello(cfs::Bytes(out, n), addresses);
	must(back && addresses == 0 && same(*back, h));
}

bool same(const lnet::Header &a, const lnet::Header &b)
{
	return a.dest == b.dest && a.src == b.src && a.type == b.type &&
	       a.payload_length == b.payload_length && !std::memcmp(&a.msg, &b.msg, sizeof(a.msg));
}

void hello_stream(cfs::Bytes b)
{
	cfs_sock s{b};
	bool unknown = false;
	if (auto h = lnet::sock::read_hello(&s, cfs::Instant::never(), &unknown))
		again(*h);
}

void acceptor(cfs::Bytes b)
{
	cfs_sock s{b};
	auto nid = lnet::sock::read_acceptor_request(&s, cfs::Instant::never());
	if (!nid)
		return;
	std::byte out[sizeof(lnet::wire::AcceptorRequest2)];
	auto n = lnet::sock::encode_acceptor_request(*nid, out);
	cfs_sock t{cfs::Bytes(out, n)};
	auto back = lnet::sock::read_acceptor_request(&t, cfs::Instant::never());
	must(back && *back == *nid);
}

template <typename Wire>
void header(cfs::Bytes b)
{
	auto w = cfs::view_at<Wire>(b, 0);
	if (!w)
		return;
	auto h = lnet::from_wire(**w);
	if (!h)
		return;
	auto back = lnet::from_wire(lnet::to_wire16(*h));
	must(back && same(*back, *h));
}

void ping(cfs::Bytes b)
{
	auto info = lnet::parse_ping(b);
	if (!info)
		return;
	must(info->listed >= 1 && info->nids.size() <= 2 * lnet::PingInfo::kNidsMax);
	auto built = lnet::build_ping(info->features, info->sequence,
				      {info->nids.data(), info->nids.size()});
	must(built.has_value());
	auto back = lnet::parse_ping({built->data(), built->size()});
	// A list that was cut short, or names impossible NIDs, need not come back the same.
	must(!back || back->sequence == info->sequence);
}

/// Walks whatever a request is read to, as netlink_server.cpp does.
void netlink(cfs::Bytes b)
{
	auto tree = lnet::nl::Tree::read(b);
	if (!tree)
		return;
	std::size_t objects = 0, bytes = 0;
	auto seen = lnet::nl::for_each_object(
		tree->root(), "net", [&](const lnet::nl::Item &m) noexcept -> cfs::Result<> {
			objects++;
			for (const auto *i = m.first(); i; i = i->next()) {
				bytes += i->text().size();
				if (const auto *v = m.find(i->text()))
					(void)v->number();
			}
			return {};
		});
	must(bytes <= b.size() && (!seen || objects <= b.size() / lnet::nl::kHeaderBytes + 1));
}

std::string_view text(cfs::Bytes b)
{
	return {reinterpret_cast<const char *>(b.data()), b.size()};
}

void ip2nets(cfs::Bytes b)
{
	const std::uint32_t own[] = {0x0a000001, 0xc0a80102};
	if (auto spec = lnet::parse_ip2nets(text(b), own))
		must(spec->count <= lnet::NetworksSpec::kMax);
	(void)lnet::in_ip_range(text(b), own[0]);
}

/// What a range expands to is as much as it says, and within the bound that was given.
void nid_range(cfs::Bytes b)
{
	constexpr std::uint64_t kMax = 200;
	auto range = lnet::NidRange::make(text(b), kMax);
	if (!range)
		return;
	std::uint64_t n = 0;
	do
		(void)range->nid();
	while (++n <= kMax && range->next());
	must(n <= kMax);
}

void networks(cfs::Bytes b)
{
	lnet::NetworksReader reader(text(b));
	lnet::NetworkSpec spec;
	std::size_t n = 0;
	for (auto more = reader.next(spec); more && *more; more = reader.next(spec))
		must(++n <= b.size());
	if (auto cpts = lnet::parse_cpts(text(b)))
		must(cpts->count() >= 1 && cpts->has(cpts->nth(cpts->count() - 1)));
}

void routes(cfs::Bytes b)
{
	if (auto spec = lnet::parse_routes(text(b)))
		must(spec->count <= lnet::RoutesSpec::kMax);
}

} // namespace

void decode_lnet(std::span<const std::byte> input)
{
	if (input.empty())
		return;
	auto rest = input.subspan(1);
	auto which =
		std::to_integer<unsigned>(input[0]) % static_cast<unsigned>(LnetDecoder::count);
	switch (static_cast<LnetDecoder>(which)) {
	case LnetDecoder::hello: {
		std::uint32_t addresses = 0;
		if (auto h = lnet::sock::decode_hello(rest, addresses))
			again(*h);
		break;
	}
	case LnetDecoder::hello_stream:
		hello_stream(rest);
		break;
	case LnetDecoder::acceptor:
		acceptor(rest);
		break;
	case LnetDecoder::header4:
		header<lnet::wire::Header4>(rest);
		break;
	case LnetDecoder::header16:
		header<lnet::wire::Header16>(rest);
		break;
	case LnetDecoder::ping:
		ping(rest);
		break;
	case LnetDecoder::netlink:
		netlink(rest);
		break;
	case LnetDecoder::routes:
		routes(rest);
		break;
	case LnetDecoder::ip2nets:
		ip2nets(rest);
		break;
	case LnetDecoder::networks:
		networks(rest);
		break;
	case LnetDecoder::nid_range:
		nid_range(rest);
		break;
	default:
		break;
	}
}

} // namespace fuzz
