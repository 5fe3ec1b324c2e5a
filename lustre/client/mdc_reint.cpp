// SPDX-License-Identifier: GPL-2.0
//
// Requests that change the namespace or an inode: MDS_REINT (spec 04 sections 4.2, 9, 10.2).
#include "client/mdc.hpp"
#include "libcfs/log.hpp"

namespace client
{

using namespace cfs::err;
using namespace wire;
namespace fld = rpc::fld;
namespace op = rpc::op;

namespace
{

template <typename Format>
rpc::RequestLengths<Format> lengths_with(const Early &early) noexcept
{
	rpc::RequestLengths<Format> n;
	n.template elements<fld::DlmReq>(early.handles().size());
	return n;
}

/// What every one of them has besides its record.
template <typename Format, typename Rec>
void finish(rpc::Request<Format> &req, Rec &rec, const Caller &who, Early &early) noexcept
{
	put_caller(rec, who);
	put_ids(*req, who);
	auto v = req.template get<fld::DlmReq>();
	ldlm::pack_cancels(early.handles(), {reinterpret_cast<std::byte *>(v.head),
					     sizeof(LdlmRequest) + v.tail.size_bytes()});
	early.sent();
	req->options.modifies = true;
}

/// Kernel device numbers have 12 bits for the driver and 20 for the device; the old form, which
/// the protocol uses, 8 and 8.
u64 wire_rdev(u64 rdev) noexcept
{
	u64 major = rdev >> 20, minor = rdev & 0xfffff;
	if (major < 256 && minor < 256)
		return major << 8 | minor;
	return (minor & 0xff) | major << 8 | (minor & ~u64{0xff}) << 12;
}

} // namespace

template <typename Format>
Result<MdReply> Mdc::reint_done(rpc::Request<Format> &req, Result<int32_t> status) noexcept
{
	TRY(status);
	rpc::Defect why;
	auto reply = req.reply(&why);
	if (!reply) {
		CERROR(CFS_S_MDC, "{}: reply of {}: {}", import_->device(), req->info().name, why);
		return cfs::fail(PROTO);
	}
	MdReply r;
	r.req = req.ref();
	r.body = reply->template get<fld::MdtBody>();
	return r;
}

namespace
{

void fill_create(MdtRecCreate &rec, const Entry &e, const CreateArgs &args) noexcept
{
	rec.opcode = ReintOp::REINT_CREATE;
	rec.fid1 = e.dir;
	rec.fid2 = args.fid;
	rec.time = vfs_now();
	rec.rdev = wire_rdev(args.rdev);
	rec.mode = args.mode;
	rec.umask = args.umask;
}

} // namespace

Result<MdReply> Mdc::create(const Caller &who, const Entry &e, const CreateArgs &args,
			    Early &early) noexcept
{
	if (args.target.empty()) {
		using Format = op::MdsReintCreate;
		auto lengths = lengths_with<Format>(early);
		lengths.text<fld::Name>(e.name);
		auto req = TRY(rpc::Request<Format>::make(*import_, lengths));
		fill_create(req.get<fld::RecCreate>(), e, args);
		TRY(req.put<fld::Name>(e.name));
		finish(req, req.get<fld::RecCreate>(), who, early);
		return reint_done(req, req.send_wait());
	}
	using Format = op::MdsReintSymlink;
	auto lengths = lengths_with<Format>(early);
	lengths.text<fld::Name>(e.name);
	lengths.text<fld::SymTgt>(args.target);
	auto req = TRY(rpc::Request<Format>::make(*import_, lengths));
	fill_create(req.get<fld::RecCreate>(), e, args);
	TRY(req.put<fld::Name>(e.name));
	TRY(req.put<fld::SymTgt>(args.target));
	finish(req, req.get<fld::RecCreate>(), who, early);
	return reint_done(req, req.send_wait());
}

Result<MdReply> Mdc::link(const Caller &who, const Fid &from, const Entry &e, Early &early) noexcept
{
	using Format = op::MdsReintLink;
	auto lengths = lengths_with<Format>(early);
	lengths.text<fld::Name>(e.name);
	auto req = TRY(rpc::Request<Format>::make(*import_, lengths));
	MdtRecLink &rec = req.get<fld::RecLink>();
	rec.opcode = ReintOp::REINT_LINK;
	rec.fid1 = from;
	rec.fid2 = e.dir;
	rec.time = vfs_now();
	TRY(req.put<fld::Name>(e.name));
	finish(req, rec, who, early);
	return reint_done(req, req.send_wait());
}

Result<MdReply> Mdc::unlink(const Caller &who, const Entry &e, const Fid &child, bool is_dir,
			    Early &early) noexcept
{
	using Format = op::MdsReintUnlink;
	constexpr u32 kDirMode = 0040000;
	auto lengths = lengths_with<Format>(early);
	lengths.text<fld::Name>(e.name);
	auto req = TRY(rpc::Request<Format>::make(*import_, lengths));
	MdtRecUnlink &rec = req.get<fld::RecUnlink>();
	rec.opcode = ReintOp::REINT_UNLINK;
	rec.fid1 = e.dir;
	rec.fid2 = child;
	rec.time = vfs_now();
	rec.mode = is_dir ? kDirMode : 0;
	TRY(req.put<fld::Name>(e.name));
	finish(req, rec, who, early);
	return reint_done(req, req.send_wait());
}

Result<MdReply> Mdc::rename(const Caller &who, const Entry &from, const Entry &to, u32 mode,
			    Early &early) noexcept
{
	using Format = op::MdsReintRename;
	auto lengths = lengths_with<Format>(early);
	lengths.text<fld::Name>(from.name);
	lengths.text<fld::SymTgt>(to.name);
	auto req = TRY(rpc::Request<Format>::make(*import_, lengths));
	MdtRecRename &rec = req.get<fld::RecRename>();
	rec.opcode = ReintOp::REINT_RENAME;
	rec.fid1 = from.dir;
	rec.fid2 = to.dir;
	rec.time = vfs_now();
	rec.mode = mode;
	TRY(req.put<fld::Name>(from.name));
	TRY(req.put<fld::SymTgt>(to.name));
	finish(req, rec, who, early);
	return reint_done(req, req.send_wait());
}

namespace
{

u64 setattr_valid(const lustre_attr &a) noexcept
{
	static constexpr struct {
		u32 attr;
		u64 md;
	} table[] = {
		{LUSTRE_ATTR_MODE, MDS_ATTR_MODE},
		{LUSTRE_ATTR_UID, MDS_ATTR_UID},
		{LUSTRE_ATTR_GID, MDS_ATTR_GID},
		{LUSTRE_ATTR_SIZE, MDS_ATTR_SIZE},
		{LUSTRE_ATTR_ATIME, MDS_ATTR_ATIME | MDS_ATTR_ATIME_SET},
		{LUSTRE_ATTR_MTIME, MDS_ATTR_MTIME | MDS_ATTR_MTIME_SET},
		{LUSTRE_ATTR_FLAGS, MDS_ATTR_ATTR_FLAG},
		{LUSTRE_ATTR_PROJID, MDS_ATTR_PROJID},
		{LUSTRE_ATTR_KILL_SUID, MDS_ATTR_KILL_SUID},
		{LUSTRE_ATTR_KILL_SGID, MDS_ATTR_KILL_SGID},
		{LUSTRE_ATTR_FORCE, MDS_ATTR_FORCE},
		{LUSTRE_ATTR_OPEN, MDS_ATTR_FROM_OPEN | MDS_ATTR_OVERRIDE},
	};
	u64 v = 0;
	for (const auto &t : table)
		if (a.valid & t.attr)
			v |= t.md;
	// Flags go alone, everything else moves ctime.
	if (v & ~MDS_ATTR_ATTR_FLAG)
		v |= MDS_ATTR_CTIME | MDS_ATTR_CTIME_SET;
	return v;
}

} // namespace

Result<MdReply> Mdc::setattr(const Caller &who, const Fid &fid, const lustre_attr &a,
			     cfs::Bytes layout, Early &early) noexcept
{
	using Format = op::MdsReintSetattr;
	auto lengths = lengths_with<Format>(early);
	lengths.bytes<fld::EaData>(layout.size());
	rpc::ReplyLengths<Format> room;
	room.bytes<fld::Acl>(kAclRoom);
	auto req = TRY(rpc::Request<Format>::make(*import_, lengths, room));
	MdtRecSetattr &rec = req.get<fld::RecSetattr>();
	rec.opcode = ReintOp::REINT_SETATTR;
	rec.fid = fid;
	if (layout.empty()) {
		int64_t now = vfs_now();
		rec.valid = setattr_valid(a);
		rec.mode = a.mode;
		rec.uid = a.valid & LUSTRE_ATTR_UID ? a.uid : MDT_INVALID_UID;
		rec.gid = a.valid & LUSTRE_ATTR_GID ? a.gid : MDT_INVALID_GID;
		rec.size = a.valid & LUSTRE_ATTR_SIZE ? a.size : 0;
		rec.atime = a.valid & LUSTRE_ATTR_ATIME ? a.atime : now;
		rec.mtime = a.valid & LUSTRE_ATTR_MTIME ? a.mtime : now;
		rec.ctime = a.valid & LUSTRE_ATTR_CTIME ? a.ctime : now;
		rec.attr_flags = a.flags;
		rec.projid = a.valid & LUSTRE_ATTR_PROJID ? a.projid : 0;
		rec.bias = a.valid & LUSTRE_ATTR_SIZE ? MDS_DATA_MODIFIED : 0;
	} else {
		TRY(req.put<fld::EaData>(layout));
	}
	finish(req, rec, who, early);
	auto r = TRY(reint_done(req, req.send_wait()));
	r.acl = TRY(req.reply()).get<fld::Acl>();
	return r;
}

Result<MdReply> Mdc::setxattr(const Caller &who, const Fid &fid, std::string_view name,
			      cfs::Bytes value, u32 flags, bool remove, Early &early) noexcept
{
	using Format = op::MdsReintSetxattr;
	auto lengths = lengths_with<Format>(early);
	lengths.text<fld::Name>(name);
	lengths.bytes<fld::EaData>(value.size());
	auto req = TRY(rpc::Request<Format>::make(*import_, lengths));
	MdtRecSetxattr &rec = req.get<fld::RecSetxattr>();
	rec.opcode = ReintOp::REINT_SETXATTR;
	rec.fid = fid;
	rec.valid = (remove ? OBD_MD_FLXATTRRM : OBD_MD_FLXATTR) | OBD_MD_FLCTIME;
	rec.time = vfs_now();
	rec.size = static_cast<u32>(value.size());
	rec.flags = remove ? 2 : flags;
	TRY(req.put<fld::Name>(name));
	if (!value.empty())
		TRY(req.put<fld::EaData>(value));
	finish(req, rec, who, early);
	return reint_done(req, req.send_wait());
}

} // namespace client
