// SPDX-License-Identifier: GPL-2.0
#include "mgc/remote_log.hpp"

#include <algorithm>
#include <cstring>

#include "rpc/format/ops_mgs.hpp"

namespace mgc
{

namespace fld = rpc::fld;
namespace op = rpc::op;

namespace
{

/// What servers say behind the end of a log: "invalid request descriptor"; before 2.17 err::IO.
constexpr cfs::Errno kBehindEnd{53};

} // namespace

cfs::Result<RemoteLog> RemoteLog::open(rpc::Import &import, std::string_view name) noexcept
{
	rpc::RequestLengths<op::LlogCreate> n;
	n.text<fld::Name>(name);
	n.present<fld::MdtBody>();
	auto req = TRY(rpc::Request<op::LlogCreate>::make(import, n));
	TRY(req.put<fld::Name>(name));
	(void)TRY(req.send_wait());
	auto reply = TRY(req.reply());
	return RemoteLog(import, reply.get<fld::LlogdBody>().logid);
}

cfs::Result<std::size_t> RemoteLog::read_header(cfs::MutBytes out) noexcept
{
	auto req = TRY(rpc::Request<op::LlogReadHeader>::make(import_));
	wire::LlogdBody &body = req.get<fld::LlogdBody>();
	body.logid = id_;
	body.llh_flags = flags_;
	(void)TRY(req.send_wait());
	auto reply = TRY(req.reply());
	const wire::LlogLogHdr &h = reply.get<fld::LlogHeader>();
	std::size_t n = std::min(out.size(), sizeof(h));
	std::memcpy(out.data(), &h, n);
	flags_ = h.flags;
	return sizeof(h);
}

cfs::Result<llog::LogSource::Block> RemoteLog::next_block(std::uint32_t index,
							  std::uint32_t saved_index,
							  std::uint64_t offset,
							  cfs::MutBytes out) noexcept
{
	rpc::ReplyLengths<op::LlogNextBlock> room;
	room.bytes<fld::LlogBlock>(out.size());
	auto req = TRY(rpc::Request<op::LlogNextBlock>::make(import_, {}, room));
	wire::LlogdBody &ask = req.get<fld::LlogdBody>();
	ask.logid = id_;
	ask.llh_flags = flags_;
	ask.index = index;
	ask.saved_index = saved_index;
	ask.cur_offset = offset;
	ask.len = static_cast<std::uint32_t>(out.size());
	auto sent = req.send_wait();
	if (!sent)
		return cfs::fail(sent.error() == kBehindEnd ? cfs::err::NODATA : sent.error());
	auto reply = TRY(req.reply());
	cfs::Bytes data = reply.get<fld::LlogBlock>();
	if (data.size() > out.size())
		return cfs::fail(cfs::err::PROTO);
	std::memcpy(out.data(), data.data(), data.size());
	std::memset(out.data() + data.size(), 0, out.size() - data.size());
	const wire::LlogdBody &body = reply.get<fld::LlogdBody>();
	return Block{body.cur_offset, body.saved_index};
}

} // namespace mgc
