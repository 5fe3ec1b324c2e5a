// SPDX-License-Identifier: GPL-2.0
//
// The handshake of a connection; see hello.hpp.

#include "lnet/socklnd/hello.hpp"

namespace lnet::sock
{

using cfs::err::PROTO;

namespace
{

constexpr std::uint32_t kAddressesMax = 16;

template <typename W>
void fill(W &w, const Hello &h) noexcept
{
	w.kshm_magic = wire::LNET_PROTO_MAGIC;
	w.kshm_version = h.version;
	w.kshm_src_pid = h.src_pid;
	w.kshm_dst_pid = 0u;
	w.kshm_src_incarnation = h.src_incarnation;
	w.kshm_dst_incarnation = h.dst_incarnation;
	w.kshm_ctype = static_cast<std::uint32_t>(h.type);
	w.kshm_nips = 0u;
}

template <typename W>
cfs::Result<Hello> read_common(const W &w, Nid src, Nid dst, std::uint32_t &addresses) noexcept
{
	Hello h;
	h.version = w.kshm_version;
	h.src = src;
	h.dst = dst;
	h.src_pid = w.kshm_src_pid;
	h.src_incarnation = w.kshm_src_incarnation;
	h.dst_incarnation = w.kshm_dst_incarnation;
	std::uint32_t type = w.kshm_ctype;
	if (type > 3 && type != static_cast<std::uint32_t>(ConnType::none))
		return cfs::fail(PROTO);
	h.type = static_cast<ConnType>(type);
	addresses = w.kshm_nips;
	if (addresses > (h.version == 4 ? 0 : kAddressesMax))
		return cfs::fail(PROTO);
	// ANY has no place here, and LND types other than ours can not come over TCP.
	if (src.is_any() || src.is_none() || src.type() != LndType::tcp)
		return cfs::fail(PROTO);
	return h;
}

} // namespace

std::size_t encode_hello(const Hello &h, cfs::MutBytes out) noexcept
{
	CFS_ASSERT(out.size() >= hello_bytes(h.version));
	if (h.version == 4) {
		auto *w = ::new (static_cast<void *>(out.data())) wire::Hello4;
		fill(*w, h);
		w->kshm_src_nid = h.src;
		w->kshm_dst_nid = h.dst;
	} else {
		auto *w = ::new (static_cast<void *>(out.data())) wire::Hello3;
		fill(*w, h);
		w->kshm_src_nid = h.src.nid4();
		w->kshm_dst_nid = h.dst.nid4();
	}
	return hello_bytes(h.version);
}

HelloPrefix classify_hello(cfs::Bytes first8) noexcept
{
	auto magic = cfs::view_at<cfs::le32>(first8, 0);
	auto version = cfs::view_at<cfs::le32>(first8, 4);
	if (!magic || !version)
		return HelloPrefix::garbage;
	if (**magic == __builtin_bswap32(wire::LNET_PROTO_MAGIC))
		return HelloPrefix::other_byte_order;
	if (**magic != wire::LNET_PROTO_MAGIC)
		return HelloPrefix::garbage;
	std::uint32_t v = **version;
	return v >= kVersionMin && v <= kVersionMax ? HelloPrefix::ours
						    : HelloPrefix::other_version;
}

cfs::Result<Hello> decode_hello(cfs::Bytes b, std::uint32_t &addresses) noexcept
{
	if (classify_hello(b) != HelloPrefix::ours)
		return cfs::fail(PROTO);
	std::uint32_t version = *TRY(cfs::view_at<cfs::le32>(b, 4));
	if (version == 4) {
		const auto *w = TRY(cfs::view_at<wire::Hello4>(b, 0));
		Nid src = TRY(Nid::from_wire(cfs::bytes_of(w->kshm_src_nid)));
		Nid dst = TRY(Nid::from_wire(cfs::bytes_of(w->kshm_dst_nid)));
		return read_common(*w, src, dst, addresses);
	}
	const auto *w = TRY(cfs::view_at<wire::Hello3>(b, 0));
	return read_common(*w, Nid::from_nid4(w->kshm_src_nid), Nid::from_nid4(w->kshm_dst_nid),
			   addresses);
}

std::size_t encode_acceptor_request(const Nid &target, cfs::MutBytes out) noexcept
{
	CFS_ASSERT(out.size() >= sizeof(wire::AcceptorRequest2));
	if (target.is_nid4()) {
		auto *w = ::new (static_cast<void *>(out.data())) wire::AcceptorRequest1;
		w->acr_magic = wire::LNET_PROTO_ACCEPTOR_MAGIC;
		w->acr_version = 1;
		w->acr_nid = target.nid4();
		return sizeof(*w);
	}
	auto *w = ::new (static_cast<void *>(out.data())) wire::AcceptorRequest2;
	w->acr_magic = wire::LNET_PROTO_ACCEPTOR_MAGIC;
	w->acr_version = 2;
	w->acr_nid = target;
	return sizeof(*w);
}

cfs::Result<Hello> read_hello(cfs_sock *s, cfs::Instant deadline, bool *unknown_version) noexcept
{
	*unknown_version = false;
	std::byte buf[sizeof(wire::Hello4)];
	TRY(cfs::to_result(cfs_sock_recv_all(s, buf, 8, deadline.ns())));
	switch (classify_hello(cfs::Bytes(buf, 8))) {
	case HelloPrefix::ours:
		break;
	case HelloPrefix::other_version:
		*unknown_version = true;
		return cfs::fail(PROTO);
	case HelloPrefix::other_byte_order:
	case HelloPrefix::garbage:
		return cfs::fail(PROTO);
	}
	std::uint32_t version = *TRY(cfs::view_at<cfs::le32>(cfs::Bytes(buf), 4));
	std::size_t n = hello_bytes(version);
	TRY(cfs::to_result(cfs_sock_recv_all(s, buf + 8, n - 8, deadline.ns())));
	std::uint32_t addresses = 0;
	Hello h = TRY(decode_hello(cfs::Bytes(buf, n), addresses));
	for (; addresses > 0; addresses--) {
		cfs::le32 addr;
		TRY(cfs::to_result(cfs_sock_recv_all(s, &addr, sizeof(addr), deadline.ns())));
		if (addr == 0u)
			return cfs::fail(PROTO);
	}
	return h;
}

cfs::Result<> send_hello(cfs_sock *s, const Hello &h, cfs::Instant deadline) noexcept
{
	std::byte buf[sizeof(wire::Hello4)];
	std::size_t n = encode_hello(h, buf);
	return cfs::to_result(cfs_sock_send_all(s, buf, n, deadline.ns()));
}

cfs::Result<Nid> read_acceptor_request(cfs_sock *s, cfs::Instant deadline) noexcept
{
	auto refuse = [&] {
		wire::AcceptorRequest1 a{wire::LNET_PROTO_ACCEPTOR_MAGIC, 1u, 0ull};
		(void)cfs_sock_send_all(s, &a, sizeof(a), deadline.ns());
	};
	cfs::le32 magic, version;
	TRY(cfs::to_result(cfs_sock_recv_all(s, &magic, sizeof(magic), deadline.ns())));
	if (magic != wire::LNET_PROTO_ACCEPTOR_MAGIC) {
		if (magic == wire::LNET_PROTO_MAGIC)
			refuse();
		return cfs::fail(PROTO);
	}
	TRY(cfs::to_result(cfs_sock_recv_all(s, &version, sizeof(version), deadline.ns())));
	if (version == 1u) {
		cfs::le64 nid;
		TRY(cfs::to_result(cfs_sock_recv_all(s, &nid, sizeof(nid), deadline.ns())));
		return Nid::from_nid4(nid);
	}
	if (version == 2u) {
		std::byte nid[sizeof(Nid)];
		TRY(cfs::to_result(cfs_sock_recv_all(s, nid, sizeof(nid), deadline.ns())));
		return Nid::from_wire(nid);
	}
	refuse();
	return cfs::fail(PROTO);
}

} // namespace lnet::sock
