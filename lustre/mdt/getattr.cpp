// SPDX-License-Identifier: GPL-2.0
//
// What is told about objects, and the requests that ask for no more than that (spec 04 sections 6,
// 19, 26.1).
#include <algorithm>

#include "mdt/target.hpp"

namespace mdt
{

using namespace cfs::err;

void put_attr(wire::MdtBody &b, const Fid &fid, const osd::Attr &a) noexcept
{
	b.valid = wire::OBD_MD_FLID | wire::OBD_MD_FLATIME | wire::OBD_MD_FLMTIME |
		  wire::OBD_MD_FLCTIME | wire::OBD_MD_FLMODE | wire::OBD_MD_FLTYPE |
		  wire::OBD_MD_FLUID | wire::OBD_MD_FLGID | wire::OBD_MD_FLFLAGS |
		  wire::OBD_MD_FLNLINK | wire::OBD_MD_FLPROJID | wire::OBD_MD_FLBTIME;
	b.fid1 = fid;
	b.atime = a.atime.sec;
	b.mtime = a.mtime.sec;
	b.ctime = a.ctime.sec;
	b.btime = static_cast<u64>(a.btime.sec);
	b.mode = a.mode;
	b.uid = a.uid;
	b.gid = a.gid;
	b.flags = a.flags;
	b.nlink = is_orphan(a) ? 0 : a.nlink;
	b.projid = a.projid;
}

void put_attr_whole(wire::MdtBody &b, const Fid &fid, const osd::Attr &a) noexcept
{
	put_attr(b, fid, a);
	if (is_file(a))
		return;
	b.valid = b.valid | wire::OBD_MD_FLSIZE | wire::OBD_MD_FLBLOCKS | wire::OBD_MD_FLRDEV;
	b.size = a.size;
	b.blocks = a.blocks;
	b.rdev = a.rdev;
}

cfs::Result<> MdtTarget::describe_layout(osd::Object &o, Details &out) noexcept
{
	out.md = TRY(read_layout(o));
	if (out.md.empty()) {
		// No object has any data: the size is known here.
		osd::Attr a;
		TRY(o.attr_get(a));
		out.body.valid = out.body.valid | wire::OBD_MD_FLSIZE | wire::OBD_MD_FLBLOCKS;
		out.body.size = a.size;
		out.body.blocks = 0;
		return {};
	}
	auto bytes = static_cast<u32>(out.md.size());
	out.body.valid = out.body.valid | wire::OBD_MD_FLEASIZE;
	out.body.eadatasize = bytes;
	u32 most = max_layout();
	while (bytes > most && !max_layout_.compare_exchange_weak(most, bytes))
		;
	return {};
}

cfs::Result<> MdtTarget::describe_link(osd::Object &o, const osd::Attr &a, Details &out) noexcept
{
	osd::Body *body = TRY(o.body());
	std::size_t n = std::min<u64>(a.size, osd::kSymlinkMax);
	out.md = TRY(cfs::Array<std::byte>::make(kSubsys, n + 1));
	cfs::MutBytes text{out.md.data(), n};
	if (TRY(body->read(0, text)) != n)
		return cfs::fail(FAULT);
	out.body.valid = out.body.valid | wire::OBD_MD_LINKNAME;
	out.body.eadatasize = static_cast<u32>(n + 1);
	return {};
}

cfs::Result<> MdtTarget::describe(osd::Object &o, u64 wanted, Details &out) noexcept
{
	osd::Attr a;
	TRY(o.attr_get(a));
	put_attr_whole(out.body, o.fid(), a);
	if (is_file(a) && (wanted & wire::OBD_MD_FLEASIZE))
		TRY(describe_layout(o, out));
	if (is_link(a) && (wanted & wire::OBD_MD_LINKNAME))
		TRY(describe_link(o, a, out));
	if (wanted & wire::OBD_MD_FLMODEASIZE) {
		out.body.valid = out.body.valid | wire::OBD_MD_FLMODEASIZE;
		out.body.max_mdsize = max_layout();
	}
	// There are no ACLs yet; whoever asks must learn that there is none here.
	if (wanted & wire::OBD_MD_FLACL)
		out.body.valid = out.body.valid | wire::OBD_MD_FLACL;
	return {};
}

namespace
{

/// A reply of MDS_GETATTR[_NAME].
template <rpc::MessageFormat Format>
cfs::Result<> answer(rpc::ServerRequest &req, const Details &d) noexcept
{
	rpc::ReplyLengths<Format> lengths;
	lengths.template bytes<fld::MdtMd>(d.md.size());
	lengths.template bytes<fld::Acl>(d.acl.size());
	auto out = TRY(req.reply<Format>(lengths));
	out.template get<fld::MdtBody>() = d.body;
	return out.template put<fld::MdtMd>(cfs::Bytes{d.md.data(), d.md.size()});
}

} // namespace

cfs::Result<> MdtTarget::getattr(rpc::ServerRequest &req,
				 rpc::RequestView<op::MdsGetattr> in) noexcept
{
	const wire::MdtBody &b = in.get<fld::MdtBody>();
	Details d;
	(void)TRY(req.reply<op::MdsGetattr>());
	if (!(b.valid & wire::OBD_MD_FLID))
		return cfs::fail(PROTO);
	osd::ObjectRef o = TRY(object(b.fid1));
	u64 wanted = b.valid;
	// The default layout of a directory is asked for by this request only.
	if ((wanted & wire::OBD_MD_FLDIREA) && o->type() == osd::kTypeDir && b.eadatasize) {
		d.md = TRY(read_layout(*o));
		wanted &= ~wire::OBD_MD_FLEASIZE;
	}
	TRY(describe(*o, wanted, d));
	if (o->type() == osd::kTypeDir && !d.md.empty()) {
		d.body.valid = d.body.valid | wire::OBD_MD_FLDIREA;
		d.body.eadatasize = static_cast<u32>(d.md.size());
	}
	return answer<op::MdsGetattr>(req, d);
}

cfs::Result<> MdtTarget::getattr_name(rpc::ServerRequest &req,
				      rpc::RequestView<op::MdsGetattrName> in) noexcept
{
	const wire::MdtBody &b = in.get<fld::MdtBody>();
	Details d;
	(void)TRY(req.reply<op::MdsGetattrName>());
	LockSet locks(this->locks().ns(), req);
	Place p = TRY(locate(locks, b.fid1, in.get<fld::Name>(), NameUse::look_up, Caller::of(b)));
	if (!p.found)
		return cfs::fail(NOENT);
	osd::ObjectRef o = TRY(object(p.child));
	TRY(describe(*o, b.valid, d));
	return answer<op::MdsGetattrName>(req, d);
}

cfs::Result<> MdtTarget::get_root(rpc::ServerRequest &req,
				  rpc::RequestView<op::MdsGetRoot> in) noexcept
{
	auto out = TRY(req.reply<op::MdsGetRoot>());
	if (!in.get<fld::Name>().empty())
		return cfs::fail(OPNOTSUPP); // SUBTREE is not granted
	wire::MdtBody &b = out.get<fld::MdtBody>();
	b.fid1 = wire::kRootFid;
	b.valid = wire::OBD_MD_FLID;
	return {};
}

cfs::Result<> MdtTarget::statfs(rpc::ServerRequest &req) noexcept
{
	(void)TRY(req.as<op::MdsStatfs>());
	auto out = TRY(req.reply<op::MdsStatfs>());
	return Target::device().statfs(out.get<fld::ObdStatfs>());
}

cfs::Result<> MdtTarget::sync(rpc::ServerRequest &req, rpc::RequestView<op::MdsSync> in) noexcept
{
	const wire::MdtBody &b = in.get<fld::MdtBody>();
	auto out = TRY(req.reply<op::MdsSync>());
	TRY(Target::device().sync());
	if (b.fid1.is_zero())
		return {};
	osd::ObjectRef o = TRY(object(b.fid1));
	osd::Attr a;
	TRY(o->attr_get(a));
	put_attr_whole(out.get<fld::MdtBody>(), b.fid1, a);
	return {};
}

cfs::Result<> MdtTarget::seq_query(rpc::ServerRequest &req,
				   rpc::RequestView<op::SeqQuery> in) noexcept
{
	auto out = TRY(req.reply<op::SeqQuery>());
	wire::SeqRange &range = out.get<fld::SeqRange>();
	range = in.get<fld::SeqRange>();
	if (Target::device().info().read_only)
		return cfs::fail(ROFS);
	switch (wire::SeqOp{in.get<fld::SeqOp>()}) {
	case wire::SeqOp::SEQ_ALLOC_SUPER: {
		// Each is 2^30 sequences and an entry of the FLD.
		if (!req.exp()->has_flag(wire::OBD_CONNECT_LIGHTWEIGHT))
			return cfs::fail(PERM);
		if (range.index > 0xffff || range.flags > wire::LU_SEQ_RANGE_OST)
			return cfs::fail(PROTO);
		return sequences_.allocate_super(range);
	}
	case wire::SeqOp::SEQ_ALLOC_META:
		return sequences_.allocate_meta(range);
	}
	return cfs::fail(INVAL);
}

cfs::Result<> MdtTarget::fld_query(rpc::ServerRequest &req,
				   rpc::RequestView<op::FldQuery> in) noexcept
{
	auto out = TRY(req.reply<op::FldQuery>());
	wire::SeqRange &range = out.get<fld::SeqRange>();
	range = in.get<fld::SeqRange>();
	if (wire::FldOp{in.get<fld::FldOp>()} != wire::FldOp::FLD_LOOKUP)
		return cfs::fail(OPNOTSUPP);
	return sequences_.look_up(range);
}

} // namespace mdt
