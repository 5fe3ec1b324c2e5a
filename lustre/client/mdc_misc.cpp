// SPDX-License-Identifier: GPL-2.0
//
// Requests to an MDT that take no lock: attributes by FID, directory pages, extended attributes,
// statfs, sync; and closing.
#include "client/mdc.hpp"
#include "libcfs/log.hpp"
#include "wire/print.hpp"

namespace client
{

using namespace cfs::err;
using namespace wire;
namespace fld = rpc::fld;
namespace op = rpc::op;

namespace
{

/// A reply with body, layout and ACL as MdReply.
template <typename Format>
Result<MdReply> taken(rpc::Request<Format> &req) noexcept
{
	auto reply = TRY(req.reply());
	MdReply r;
	r.req = req.ref();
	r.body = reply.template get<fld::MdtBody>();
	if constexpr (Format::Reply::template occurrences<fld::MdtMd> == 1)
		r.md = reply.template get<fld::MdtMd>();
	if constexpr (Format::Reply::template occurrences<fld::Acl> == 1)
		r.acl = reply.template get<fld::Acl>();
	return r;
}

} // namespace

Result<ObdStatfs> Mdc::statfs() noexcept
{
	using Format = op::MdsStatfs;
	rpc::RequestLengths<Format> lengths;
	bool sum = import_->has_flag2(OBD_CONNECT2_SUM_STATFS);
	if (sum)
		lengths.present<fld::MdtBody>();
	auto req = TRY(rpc::Request<Format>::make(*import_, lengths));
	if (sum)
		req.get<fld::MdtBody>()->valid = OBD_MD_FLAGSTATFS;
	TRY(req.send_wait());
	auto reply = TRY(req.reply());
	ObdStatfs s = reply.get<fld::ObdStatfs>();
	if (s.bsize.get() == 0) {
		CERROR(CFS_S_MDC, "{}: statfs says blocks of 0 bytes", import_->device());
		return cfs::fail(PROTO);
	}
	return s;
}

Result<Fid> Mdc::get_root(std::string_view fileset) noexcept
{
	using Format = op::MdsGetRoot;
	rpc::RequestLengths<Format> lengths;
	if (!fileset.empty())
		lengths.text<fld::Name>(fileset);
	auto req = TRY(rpc::Request<Format>::make(*import_, lengths));
	put_caller(req.get<fld::MdtBody>(), Caller::here());
	if (!fileset.empty())
		TRY(req.put<fld::Name>(fileset));
	TRY(req.send_wait());
	auto reply = TRY(req.reply());
	const MdtBody &b = reply.get<fld::MdtBody>();
	if (!(b.valid.get() & OBD_MD_FLID) || !b.fid1.is_sane()) {
		CERROR(CFS_S_MDC, "{}: no sane root FID from {}", import_->device(),
		       import_->target());
		return cfs::fail(INVAL);
	}
	return b.fid1;
}

Result<MdReply> Mdc::getattr(const Caller &who, const Fid &fid, u64 valid, u32 ea_room) noexcept
{
	using Format = op::MdsGetattr;
	rpc::ReplyLengths<Format> room;
	room.bytes<fld::MdtMd>(ea_room);
	room.bytes<fld::Acl>(kAclRoom);
	auto req = TRY(rpc::Request<Format>::make(*import_, {}, room));
	MdtBody &b = req.get<fld::MdtBody>();
	put_caller(b, who);
	put_ids(*req, who);
	b.fid1 = fid;
	b.valid = valid | OBD_MD_FLID;
	b.eadatasize = ea_room;
	req->options.request_portal = Portal::MDS_READPAGE_PORTAL;
	TRY(req.send_wait());
	return taken(req);
}

Result<MdReply> Mdc::getattr_name(const Caller &who, const Entry &e, u64 valid,
				  u32 ea_room) noexcept
{
	using Format = op::MdsGetattrName;
	rpc::RequestLengths<Format> lengths;
	lengths.text<fld::Name>(e.name);
	rpc::ReplyLengths<Format> room;
	room.bytes<fld::MdtMd>(ea_room);
	room.bytes<fld::Acl>(kAclRoom);
	auto req = TRY(rpc::Request<Format>::make(*import_, lengths, room));
	MdtBody &b = req.get<fld::MdtBody>();
	put_caller(b, who);
	put_ids(*req, who);
	b.fid1 = e.dir;
	b.valid = valid | OBD_MD_FLID;
	b.eadatasize = ea_room;
	TRY(req.put<fld::Name>(e.name));
	TRY(req.send_wait());
	return taken(req);
}

Result<> Mdc::sync(const Fid &fid) noexcept
{
	auto req = TRY(rpc::Request<op::MdsSync>::make(*import_));
	MdtBody &b = req.get<fld::MdtBody>();
	put_caller(b, Caller::here());
	b.fid1 = fid;
	b.valid = OBD_MD_FLID;
	TRY(req.send_wait());
	return {};
}

Result<std::size_t> Mdc::readpage(const Caller &who, const Fid &dir, u64 hash,
				  cfs::MutBytes pages) noexcept
{
	auto req = TRY(rpc::Request<op::MdsReadpage>::make(*import_));
	MdtBody &b = req.get<fld::MdtBody>();
	put_caller(b, who);
	put_ids(*req, who);
	b.suppgid = MDT_INVALID_GID;
	b.fid1 = dir;
	b.valid = OBD_MD_FLID;
	b.size = hash;
	b.nlink = static_cast<u32>(pages.size());
	b.mode = LUDA_FID | LUDA_TYPE;
	req->options.request_portal = Portal::MDS_READPAGE_PORTAL;
	req->options.bulk =
		rpc::BulkDesc::linear(rpc::Bulk::to_client, Portal::MDS_BULK_PORTAL, pages);
	TRY(req.send_wait());
	std::size_t got = req->bulk_bytes();
	if (got == 0 || got % LU_PAGE_SIZE || got > pages.size()) {
		CERROR(CFS_S_MDC, "{}: {} bytes of directory {}", import_->device(), got, dir);
		return cfs::fail(PROTO);
	}
	return got / LU_PAGE_SIZE;
}

Result<MdReply> Mdc::getxattr(const Caller &who, const Fid &fid, u64 valid, std::string_view name,
			      u32 room) noexcept
{
	using Format = op::MdsGetxattr;
	rpc::RequestLengths<Format> lengths;
	if (!name.empty())
		lengths.text<fld::Name>(name);
	rpc::ReplyLengths<Format> reply_room;
	reply_room.bytes<fld::EaData>(room);
	auto req = TRY(rpc::Request<Format>::make(*import_, lengths, reply_room));
	MdtBody &b = req.get<fld::MdtBody>();
	put_caller(b, who);
	put_ids(*req, who);
	b.fid1 = fid;
	b.valid = valid | OBD_MD_FLID;
	b.eadatasize = room;
	if (!name.empty())
		TRY(req.put<fld::Name>(name));
	req->options.request_portal = Portal::MDS_READPAGE_PORTAL;
	TRY(req.send_wait());
	auto reply = TRY(req.reply());
	MdReply r;
	r.req = req.ref();
	r.body = reply.get<fld::MdtBody>();
	r.md = reply.get<fld::EaData>();
	return r;
}

// ---- closing ----

/// A close on its way. Its opener's request is dropped when it is committed, not before: until then
/// both are replayed.
struct CloseCall final : rpc::RequestUser, cfs::RefCounted<CloseCall> {
	static constexpr cfs_subsys kSubsys = CFS_S_MDC;

	explicit CloseCall(OpenHandleRef o) noexcept : open(std::move(o)) {}

	OpenHandleRef open;
	cfs::Completion done{CFS_LOCK_CLASS("mdc close")};
	Result<int32_t> result = 0;

	void on_complete(rpc::ClientRequest &, Result<rpc::i32> r) noexcept override
	{
		result = r;
		done.complete();
	}
	void on_gone(rpc::ClientRequest &) noexcept override
	{
		cfs::RefPtr<rpc::ClientRequest> opener, closer;
		{
			cfs::SpinGuard g(open->lock_);
			opener = std::move(open->open_);
			closer = std::move(open->close_);
		}
		if (opener)
			opener->drop_replay();
		put();
	}
};

namespace
{

/// Waits for the answer to a close. A process that ends can not be killed any more, so it waits
/// only while there is a server; the close goes on without it.
Result<> wait_closed(cfs::Completion &done, rpc::Import &import) noexcept
{
	constexpr auto kLook = cfs::Duration::seconds(1);
	for (;;) {
		bool exiting = vfs_exiting();
		auto r = done.wait(cfs::WaitMode::killable,
				   exiting ? cfs::after(kLook) : cfs::Instant::never());
		if (r || r.error() != TIMEDOUT)
			return r;
		if (exiting && import.state() != rpc::ImportState::full)
			return cfs::fail(INTR);
	}
}

void fill_close(MdtRecSetattr &rec, const CloseArgs &args) noexcept
{
	const lustre_attr &a = args.attr;
	u64 valid = MDS_ATTR_MODE | MDS_ATTR_MTIME | MDS_ATTR_MTIME_SET | MDS_ATTR_CTIME |
		    MDS_ATTR_CTIME_SET;
	if (a.atime)
		valid |= MDS_ATTR_ATIME | MDS_ATTR_ATIME_SET;
	if (a.valid & LUSTRE_ATTR_SIZE)
		valid |= MDS_ATTR_LSIZE | MDS_ATTR_LBLOCKS;
	rec.opcode = ReintOp::REINT_SETATTR;
	rec.fid = args.fid;
	rec.valid = valid;
	rec.mode = a.mode;
	rec.mtime = a.mtime;
	rec.atime = a.atime;
	rec.ctime = a.ctime;
	rec.attr_flags = args.inode_flags;
	if (a.valid & LUSTRE_ATTR_SIZE) {
		rec.size = a.size;
		rec.blocks = a.blocks;
	}
	rec.bias = args.modified ? MDS_DATA_MODIFIED : 0;
}

} // namespace

Result<> Mdc::close_file(OpenHandleRef h, const CloseArgs &args) noexcept
{
	// The server that knew the handle has forgotten us.
	if (h->generation() != import_->generation()) {
		cfs::RefPtr<rpc::ClientRequest> opener;
		cfs::SpinGuard g(h->lock_);
		opener = std::move(h->open_);
		g.unlock(); // it may end here
		return {};
	}
	auto req = TRY(rpc::Request<op::MdsClose>::make(*import_));
	Caller who = Caller::here();
	fill_close(req.get<fld::RecSetattr>(), args);
	put_caller(req.get<fld::RecSetattr>(), who);
	put_ids(*req, who);
	req->options.request_portal = Portal::MDS_READPAGE_PORTAL;
	req->options.modifies = true;
	req->options.is_close = true;
	auto call = TRY(cfs::try_make_ref<CloseCall>(h));
	{
		cfs::SpinGuard g(h->lock_);
		req.get<fld::IoEpoch>().open_handle = h->handle_;
		h->close_ = req.ref();
	}
	call->get(); // the request's, until on_gone()
	req->send(*call);
	TRY(wait_closed(call->done, *import_));
	return call->result ? Result<>{} : cfs::fail(call->result.error());
}

// ---- open handles ----

wire::OpenHandle OpenHandle::handle() noexcept
{
	cfs::SpinGuard g(lock_);
	return handle_;
}

namespace
{

/// Buffers of an open that its replay needs, and of a close.
enum : u32 { kDlmReq = 1, kCloseEpoch = 1, kOpenRec = 3, kOpenLayout = 7 };

} // namespace

void OpenHandle::on_kept(rpc::ClientRequest &req) noexcept
{
	auto w = req.writer();
	auto reply = rpc::reply_of<op::LdlmIntentOpen>(req);
	if (!w || !reply)
		return;
	const MdtBody &body = reply->get<fld::MdtBody>();
	auto rec = w->buffer(kOpenRec);
	auto dlm = w->buffer(kDlmReq);
	if (rec.size() < sizeof(MdtRecCreate) || dlm.size() < sizeof(LdlmRequest))
		return;
	auto *create = reinterpret_cast<MdtRecCreate *>(rec.data());
	create->fid2 = body.fid1;
	create->open_handle_old = body.open_handle.get();
	auto *lock = reinterpret_cast<LdlmRequest *>(dlm.data());
	lock->lock_flags = lock->lock_flags.get() | static_cast<u32>(LDLM_FL_INTENT_ONLY);
	// The objects it was given: the server must not choose again.
	cfs::Bytes md = reply->get<fld::MdtMd>();
	bool layout = (body.valid.get() & OBD_MD_FLEASIZE) && !md.empty();
	std::size_t n = layout ? md.size() : 0;
	if (!w->resize(kOpenLayout, n)) {
		CERROR(CFS_S_MDC, "layout of {} is too long for a replay of its open", body.fid1);
		return;
	}
	for (std::size_t i = 0; i < n; i++)
		w->buffer(kOpenLayout)[i] = md[i];
}

void OpenHandle::on_replayed(rpc::ClientRequest &req, Result<rpc::i32> r) noexcept
{
	auto reply = r ? rpc::reply_of<op::LdlmIntentOpen>(req)
		       : Result<rpc::ReplyView<op::LdlmIntentOpen>>(cfs::fail(r.error()));
	if (!reply || reply->get<fld::MdtBody>().open_handle.get() == wire::OpenHandle{})
		return;
	cfs::SpinGuard g(lock_);
	handle_ = reply->get<fld::MdtBody>().open_handle.get();
	// A close that waits for its own replay must name the new handle.
	if (close_)
		if (auto w = close_->writer())
			if (auto b = w->buffer(kCloseEpoch); b.size() >= sizeof(MdtIoepoch))
				reinterpret_cast<MdtIoepoch *>(b.data())->open_handle = handle_;
}

void OpenHandle::on_gone(rpc::ClientRequest &) noexcept
{
	put();
}

} // namespace client
