// SPDX-License-Identifier: GPL-2.0
//
// Message headers between the form LNet works with and the two forms on the wire (spec 01 section
// 3).

#include "lnet/lnd.hpp"

namespace lnet
{

namespace
{

template <typename W>
void fill_common(W &w, const Header &h) noexcept
{
	w.dest_pid = h.dest.pid;
	w.src_pid = h.src.pid;
	w.type = static_cast<std::uint32_t>(h.type);
	w.payload_length = h.payload_length;
	w.msg = h.msg;
}

template <typename W>
cfs::Result<Header> read_common(const W &w, const Nid &dest, const Nid &src) noexcept
{
	std::uint32_t type = w.type;
	if (type > static_cast<std::uint32_t>(wire::MsgType::hello))
		return cfs::fail(cfs::err::PROTO);
	// Nobody sends from, or to, everybody.
	if (dest.is_any() || src.is_any())
		return cfs::fail(cfs::err::PROTO);
	Header h;
	h.dest = {dest, w.dest_pid};
	h.src = {src, w.src_pid};
	h.type = static_cast<wire::MsgType>(type);
	h.payload_length = w.payload_length;
	h.msg = w.msg;
	return h;
}

} // namespace

wire::Header4 to_wire4(const Header &h) noexcept
{
	wire::Header4 w;
	w.dest_nid = h.dest.nid.nid4();
	w.src_nid = h.src.nid.nid4();
	fill_common(w, h);
	return w;
}

wire::Header16 to_wire16(const Header &h) noexcept
{
	wire::Header16 w;
	w.dest_nid = h.dest.nid;
	w.src_nid = h.src.nid;
	fill_common(w, h);
	return w;
}

cfs::Result<Header> from_wire(const wire::Header4 &w) noexcept
{
	return read_common(w, Nid::from_nid4(w.dest_nid), Nid::from_nid4(w.src_nid));
}

cfs::Result<Header> from_wire(const wire::Header16 &w) noexcept
{
	auto dest = TRY(Nid::from_wire(cfs::bytes_of(w.dest_nid)));
	auto src = TRY(Nid::from_wire(cfs::bytes_of(w.src_nid)));
	return read_common(w, dest, src);
}

} // namespace lnet
