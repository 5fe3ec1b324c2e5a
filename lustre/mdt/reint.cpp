// SPDX-License-Identifier: GPL-2.0
#include "mdt/reint.hpp"

#include "libcfs/log.hpp"

namespace mdt
{

namespace
{

/// Which object a reply tells about, as far as the request names it: its attributes are read again
/// when the request comes again.
[[nodiscard]] Fid told(const wire::MdtRecSetattr &r) noexcept
{
	return r.fid;
}
[[nodiscard]] Fid told(const wire::MdtRecCreate &r) noexcept
{
	return r.fid2;
}
[[nodiscard]] Fid told(const wire::MdtRecUnlink &r) noexcept
{
	return r.fid2;
}
[[nodiscard]] Fid told(const wire::MdtRecLink &) noexcept
{
	return {};
}
[[nodiscard]] Fid told(const wire::MdtRecRename &) noexcept
{
	return {};
}
[[nodiscard]] Fid told(const wire::MdtRecSetxattr &) noexcept
{
	return {};
}

/// The reply's buffers; 2.17 has one more for what is no symlink.
template <rpc::MessageFormat Format>
[[nodiscard]] rpc::ReplyLengths<Format> reply_lengths() noexcept
{
	rpc::ReplyLengths<Format> lengths;
	if constexpr (std::is_same_v<Format, op::MdsReintCreate>)
		lengths.template bytes<fld::MdtMd>(0);
	return lengths;
}

/// What the request did when it was executed.
void rebuild(MdtTarget &t, const Fid &fid, wire::MdtBody &body) noexcept
{
	osd::Attr a;
	if (fid.is_zero())
		return;
	auto o = t.object(fid);
	if (o && (*o)->attr_get(a))
		put_attr_whole(body, fid, a);
}

template <rpc::MessageFormat Format, typename Record>
cfs::Result<> run(MdtTarget &t, rpc::ServerRequest &req,
		  cfs::Result<> (*op)(Reint &, rpc::RequestView<Format>) noexcept) noexcept
{
	auto in = TRY(req.as<Format>());
	auto out = TRY(req.reply<Format>(reply_lengths<Format>()));
	const auto &rec = in.template get<Record>();
	if (t.saved_reply(req)) {
		rebuild(t, told(rec), out.template get<fld::MdtBody>());
		return {};
	}
	TRY(t.may_change(req));
	// What a replayed request names died with the server.
	if (!t.replaying(req))
		t.locks().cancel_early(*req.exp(), in.template get<fld::DlmReq>());
	Reint r{t, req, LockSet(t.locks().ns(), req), Caller::of_record(rec)};
	TRY(op(r, in));
	r.locks.keep();
	out.template get<fld::MdtBody>() = r.body;
	return {};
}

} // namespace

cfs::Result<> MdtTarget::reint(rpc::ServerRequest &req) noexcept
{
	using wire::ReintOp;
	switch (op::reint_of(req.message())) {
	case ReintOp::REINT_SETATTR:
		return run<op::MdsReintSetattr, fld::RecSetattr>(*this, req, &reint_setattr);
	case ReintOp::REINT_CREATE:
		if (op::creates_symlink(req.message()))
			return run<op::MdsReintSymlink, fld::RecCreate>(*this, req, &reint_symlink);
		return run<op::MdsReintCreate, fld::RecCreate>(*this, req, &reint_create);
	case ReintOp::REINT_LINK:
		return run<op::MdsReintLink, fld::RecLink>(*this, req, &reint_link);
	case ReintOp::REINT_UNLINK:
		return run<op::MdsReintUnlink, fld::RecUnlink>(*this, req, &reint_unlink);
	case ReintOp::REINT_RENAME:
		return run<op::MdsReintRename, fld::RecRename>(*this, req, &reint_rename);
	case ReintOp::REINT_SETXATTR:
		return run<op::MdsReintSetxattr, fld::RecSetxattr>(*this, req, &reint_setxattr);
	default:
		return not_served(req);
	}
}

} // namespace mdt
