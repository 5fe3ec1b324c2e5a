// SPDX-License-Identifier: GPL-2.0
//
// Reading and writing (spec 05 sections 7 to 9). Data moves between the network and the pages of
// the object store without a copy, but for what is small enough to travel in the message.
#include <algorithm>
#include <cstring>

#include "libcfs/log.hpp"
#include "ost/device.hpp"
#include "rpc/data_checksum.hpp"

namespace ost
{

using namespace cfs::err;
using rpc::ServerRequest;

namespace
{

constexpr u32 kBrwMax = 64u << 20;
constexpr u64 kPage = CFS_PAGE_SIZE;

/// A page of a transfer, mapped.
class MappedPiece
{
	void *base_;
	std::span<std::byte> bytes_;

public:
	explicit MappedPiece(const cfs_bvec &v) noexcept
	    : base_(cfs_page_map(v.page)), bytes_(static_cast<std::byte *>(base_) + v.offset, v.len)
	{
	}
	~MappedPiece() { cfs_page_unmap(base_); }
	MappedPiece(const MappedPiece &) = delete;
	MappedPiece &operator=(const MappedPiece &) = delete;
	[[nodiscard]] std::span<std::byte> bytes() const noexcept { return bytes_; }
};

/// Of the first `count` pieces.
u32 checksum_of(rpc::ChecksumType type, osd::BulkIo &io, std::size_t count) noexcept
{
	rpc::DataChecksum sum(type);
	for (std::size_t i = 0; i < count; i++)
		sum.add(io.pieces()[i].offset, MappedPiece(io.vecs()[i]).bytes());
	return sum.value();
}

} // namespace

// ---- checking ----

bool OstTarget::waits_for_nobody(void *, ServerRequest &req) noexcept
{
	if (req.opcode() == wire::Opcode::OST_WRITE) {
		auto in = req.as<op::OstWrite>();
		return in && !in->get<fld::Niobufs>().empty() &&
		       !(in->get<fld::Niobufs>()[0].flags & wire::OBD_BRW_SRVLOCK);
	}
	auto in = req.as<op::OstPunch>();
	if (!in)
		return false;
	const wire::Obdo &oa = in->get<fld::OstBody>().oa;
	return !(oa.valid & wire::OBD_MD_FLFLAGS) || !(oa.flags & wire::OBD_FL_SRVLOCK);
}

template <typename Format>
cfs::Result<Brw> OstTarget::check_brw(ServerRequest &req,
				      const rpc::RequestView<Format> &in) noexcept
{
	Brw b;
	b.oa = &in.template get<fld::OstBody>().oa;
	b.niobufs = in.template get<fld::Niobufs>();
	b.fid = TRY(fid_of_request(*b.oa));
	const wire::ObdIoobj &obj = in.template get<fld::IoObj>();
	b.short_io = b.flags() & wire::OBD_FL_SHORT_IO;
	b.md_limit = rpc::md_limit_of(obj.max_brw);
	b.again = req.has_flag(wire::MSG_RESENT | wire::MSG_REPLAY);
	if (in.template raw<fld::IoObj>().size() != sizeof(wire::ObdIoobj) || b.niobufs.empty() ||
	    b.niobufs.size() > osd::kBulkPiecesMax || obj.bufcnt != b.niobufs.size())
		return cfs::fail(PROTO);
	if (b.short_io ? b.niobufs.size() != 1 : b.md_limit == 0)
		return cfs::fail(PROTO);
	b.server_lock = b.niobufs[0].flags & wire::OBD_BRW_SRVLOCK;
	b.ranges = TRY(cfs::Array<osd::BulkRange>::make(kSubsys, b.niobufs.size()));
	u64 end = 0;
	for (std::size_t i = 0; i < b.niobufs.size(); i++) {
		const wire::NiobufRemote &n = b.niobufs[i];
		if (n.offset < end)
			return cfs::fail(INVAL);
		if (n.len == 0 || n.len > kBrwMax || n.offset > object_max_ ||
		    n.len > object_max_ - n.offset)
			return cfs::fail(n.len == 0 || n.len > kBrwMax ? PROTO : FBIG);
		if (static_cast<bool>(n.flags & wire::OBD_BRW_SRVLOCK) != b.server_lock)
			return cfs::fail(FAULT);
		b.ranges[i] = {n.offset, n.len, false};
		b.bytes += n.len;
		end = n.offset + n.len;
	}
	if (b.bytes > kBrwMax)
		return cfs::fail(PROTO);
	return b;
}

u64 OstTarget::free_bytes() noexcept
{
	wire::ObdStatfs st{};
	if (!dev_->statfs(st))
		return 0;
	return st.bavail * st.bsize;
}

// ---- reading ----

cfs::Result<> OstTarget::brw_read(ServerRequest &req, rpc::RequestView<op::OstRead> in) noexcept
{
	auto checked = check_brw(req, in);
	if (!checked) {
		req.refuse_as_error();
		return cfs::fail(checked.error());
	}
	Brw &b = *checked;
	rpc::ReplyLengths<op::OstRead> lengths;
	if (b.short_io)
		lengths.bytes<fld::ShortIo>(static_cast<std::size_t>(b.bytes));
	auto out = TRY(req.reply<op::OstRead>(lengths));
	wire::Obdo &back = out.get<fld::OstBody>().oa;
	back = *b.oa;
	back.oi.oi_fid = b.fid;
	back.valid = 0;
	if (b.flags() & wire::OBD_FL_NORPC) {
		if (b.short_io)
			TRY(out.resize<fld::ShortIo>(0));
		return {};
	}
	auto nob = do_read(req, b, out);
	if (b.short_io)
		TRY(out.resize<fld::ShortIo>(nob ? *nob : 0));
	if (!nob)
		return cfs::fail(nob.error());
	req.set_status(static_cast<rpc::i32>(*nob));
	return {};
}

cfs::Result<u32> OstTarget::do_read(ServerRequest &req, const Brw &b,
				    rpc::ReplyWriter<op::OstRead> &out) noexcept
{
	ldlm::LocalLock lock;
	if (b.server_lock)
		lock = TRY(lock_for(b.fid, ldlm::LCK_PR, b.first() & ~(kPage - 1),
				    b.last() | (kPage - 1)));
	else
		prolong(req, b.fid, *b.oa, b.first(), b.last(), false);
	auto o = TRY(find(b.fid));
	wire::Obdo &back = out.get<fld::OstBody>().oa;
	OstClient &c = client_of(req);
	if (!b.again && grants_->all.incoming(c.grant, *b.oa)) {
		back.valid = back.valid | wire::OBD_MD_FLGRANT;
		bool kept = (b.flags() & wire::OBD_FL_SHRINK_GRANT) &&
			    !grants_->all.shrink(c.grant, b.oa->grant, free_bytes());
		back.grant = kept ? b.oa->grant.get() : 0;
	}
	osd::Body *body = TRY(o->body());
	auto io = TRY(body->bulk({b.ranges.data(), b.ranges.size()}, osd::Body::Direction::read));
	u32 nob = static_cast<u32>(TRY(io->read_prep()));
	std::size_t count = 0;
	for (const osd::BulkPiece &p : io->pieces()) {
		if (p.got == 0)
			break;
		count++;
	}
	if (b.oa->valid & wire::OBD_MD_FLCKSUM) {
		auto type = rpc::checksum_type_of(b.flags());
		back.cksum() = checksum_of(type, *io, count);
		back.flags = static_cast<u32>(type);
		back.valid = back.valid | wire::OBD_MD_FLCKSUM | wire::OBD_MD_FLFLAGS;
	}
	if (b.short_io) {
		cfs::MutBytes to = out.get<fld::ShortIo>();
		for (std::size_t i = 0; i < count; i++) {
			MappedPiece p(io->vecs()[i]);
			std::memcpy(to.data(), p.bytes().data(), p.bytes().size());
			to = to.subspan(p.bytes().size());
		}
		return nob;
	}
	TRY(req.bulk_put(rpc::BulkDesc::pages(rpc::Bulk::to_client, wire::Portal::OST_BULK_PORTAL,
					      io->vecs().first(count), nob),
			 b.md_limit));
	if (!b.server_lock)
		prolong(req, b.fid, *b.oa, b.first(), b.last(), false);
	return nob;
}

// ---- writing ----

/// Space that a write was given: released when it is committed, or with this when it failed.
class OstTarget::GrantUse
{
	/// Waits for the commit. It may come after the client has gone.
	struct AtCommit final : osd::CommitCallback {
		static constexpr cfs_subsys kSubsys = CFS_S_FILTER;
		cfs::RefPtr<OstClient> client;
		WriteGrant grant;
		void committed(cfs::Errno) noexcept override
		{
			client->grants->all.done(client->grant, grant, false);
			cfs::UniquePtr<AtCommit>(this).reset();
		}
	};
	OstClient &client_;
	cfs::UniquePtr<AtCommit> at_commit_;
	bool settled_ = false;

public:
	WriteGrant grant{};

	explicit GrantUse(OstClient &c) noexcept : client_(c) {}
	~GrantUse()
	{
		if (!settled_)
			client_.grants->all.done(client_.grant, grant, true);
	}
	GrantUse(const GrantUse &) = delete;
	GrantUse &operator=(const GrantUse &) = delete;

	/// Before the transaction.
	[[nodiscard]] cfs::Result<> prepare() noexcept
	{
		if (!at_commit_)
			at_commit_ = TRY(cfs::try_make<AtCommit>());
		return {};
	}
	/// Within it: its commit releases what is reserved.
	void settle(osd::Transaction &tx) noexcept
	{
		settled_ = true;
		at_commit_->client = cfs::RefPtr<OstClient>::share(&client_);
		at_commit_->grant = grant;
		tx.on_commit(*at_commit_.release());
	}
};

cfs::Result<> OstTarget::brw_write(ServerRequest &req, rpc::RequestView<op::OstWrite> in) noexcept
{
	auto checked = check_brw(req, in);
	cfs::Bytes inl = in.get<fld::ShortIo>();
	if (checked && checked->short_io && inl.size() != checked->bytes)
		checked = cfs::fail(PROTO);
	if (!checked) {
		req.refuse_as_error();
		return cfs::fail(checked.error());
	}
	Brw &b = *checked;
	rpc::ReplyLengths<op::OstWrite> lengths;
	lengths.elements<fld::Rcs>(b.niobufs.size());
	auto out = TRY(req.reply<op::OstWrite>(lengths));
	wire::Obdo &back = out.get<fld::OstBody>().oa;
	back = *b.oa;
	back.oi.oi_fid = b.fid;
	TRY(may_modify(req));
	if (b.flags() & wire::OBD_FL_NORPC)
		return {};
	auto done = do_write(req, b, inl, out);
	// What the request said of grants is no answer.
	if (!done)
		back.valid = back.valid & ~wire::OBD_MD_FLGRANT;
	return done;
}

/// Which ranges have space, and what is given in return.
void OstTarget::account(const Brw &b, OstClient &c, std::span<GrantRange> ranges,
			GrantUse &space) noexcept
{
	Grants &g = grants_->all;
	u64 free = free_bytes();
	bool said = !b.again && g.incoming(c.grant, *b.oa);
	bool free_of_charge = recovering() || (b.flags() & wire::OBD_FL_RECOV_RESEND);
	for (std::size_t i = 0; i < ranges.size(); i++) {
		const wire::NiobufRemote &n = b.niobufs[i];
		bool granted = n.flags & wire::OBD_BRW_FROM_GRANT;
		ranges[i] = {n.offset, n.len, granted, free_of_charge};
	}
	if (!free_of_charge)
		g.write(c.grant, ranges, said ? b.oa->grant_used().get() : 0, free, space.grant);
	if (!said)
		return;
	if (b.flags() & wire::OBD_FL_SHRINK_GRANT) {
		space.grant.in_reply = true;
		(void)g.shrink(c.grant, b.oa->grant, free);
	} else {
		g.replenish(c.grant, *b.oa, free, space.grant);
	}
}

/// The data of the client into the pages of the transfer.
cfs::Result<> OstTarget::receive(ServerRequest &req, const Brw &b, cfs::Bytes inl,
				 osd::BulkIo &io) noexcept
{
	if (!b.short_io)
		return req.bulk_get(rpc::BulkDesc::pages(rpc::Bulk::from_client,
							 wire::Portal::OST_BULK_PORTAL, io.vecs(),
							 static_cast<u32>(b.bytes)),
				    b.md_limit);
	for (const cfs_bvec &v : io.vecs()) {
		MappedPiece p(v);
		std::memcpy(p.bytes().data(), inl.data(), p.bytes().size());
		inl = inl.subspan(p.bytes().size());
	}
	return {};
}

cfs::Result<> OstTarget::commit(ServerRequest &req, const Brw &b, osd::Object &o, osd::BulkIo &io,
				GrantUse &space) noexcept
{
	bool sync = std::any_of(b.niobufs.begin(), b.niobufs.end(),
				[](const auto &n) { return !(n.flags & wire::OBD_BRW_ASYNC); });
	bool times = client_of(req).times.may_set(b.fid, static_cast<u64>(req.xid()));
	for (bool more = true; more;) {
		AttrChange change(o, *b.oa, false, times);
		target::Modification m(*this, &req);
		TRY(m.begin());
		TRY(io.declare_write_commit(m.tx()));
		TRY(change.declare(m.tx()));
		TRY(o.declare_version_set(m.tx()));
		TRY(space.prepare());
		if (sync)
			m.tx().set_sync();
		TRY(m.start());
		auto done = io.write_commit(m.tx());
		more = !done && done.error() == AGAIN;
		if (more)
			done = {};
		if (done)
			done = change.apply(m.tx());
		if (done)
			done = o.version_set(m.tx(), m.version());
		if (done && !more)
			space.settle(m.tx());
		TRY(m.finish(done));
	}
	return {};
}

cfs::Result<> OstTarget::do_write(ServerRequest &req, Brw &b, cfs::Bytes inl,
				  rpc::ReplyWriter<op::OstWrite> &out) noexcept
{
	ldlm::LocalLock lock;
	if (b.server_lock)
		lock = TRY(lock_for(b.fid, ldlm::LCK_PW, b.first() & ~(kPage - 1),
				    b.last() | (kPage - 1)));
	else
		prolong(req, b.fid, *b.oa, b.first(), b.last(), true);
	auto o = TRY(find_to_change(b.fid));
	osd::Body *body = TRY(o->body());
	GrantUse space(client_of(req));
	auto ranges = TRY(cfs::Array<GrantRange>::make(kSubsys, b.niobufs.size()));
	account(b, client_of(req), {ranges.data(), ranges.size()}, space);
	for (std::size_t i = 0; i < ranges.size(); i++)
		b.ranges[i].granted = ranges[i].covered;
	auto io = TRY(body->bulk({b.ranges.data(), b.ranges.size()}, osd::Body::Direction::write));
	TRY(io->write_prep());
	std::size_t good = 0;
	for (osd::BulkPiece &p : io->pieces()) {
		if (!p.granted && !p.mapped)
			p.status = NOSPC;
		good += p.status == cfs::Errno{};
	}
	TRY(receive(req, b, inl, *io));
	wire::Obdo &back = out.get<fld::OstBody>().oa;
	if (b.oa->valid & wire::OBD_MD_FLCKSUM)
		back.cksum() =
			checksum_of(rpc::checksum_type_of(b.flags()), *io, io->pieces().size());
	if (good == 0)
		return cfs::fail(NOSPC);
	TRY(commit(req, b, *o, *io, space));
	auto rcs = out.get<fld::Rcs>();
	for (const osd::BulkPiece &p : io->pieces())
		if (p.status != cfs::Errno{} && p.range < rcs.size())
			rcs[p.range] = cfs::to_rc(p.status);
	fill_write_reply(b, *o, *io, space, back);
	if (b.server_lock)
		refresh_lvb(b.fid, true);
	else
		prolong(req, b.fid, *b.oa, b.first(), b.last(), true);
	return {};
}

/// The request's obdo, with what became of the object. Times but ctime are the client's own
/// matter.
void OstTarget::fill_write_reply(const Brw &b, osd::Object &o, osd::BulkIo &io,
				 const GrantUse &space, wire::Obdo &oa) noexcept
{
	using namespace wire;
	u64 valid = oa.valid & ~(OBD_MD_FLMTIME | OBD_MD_FLATIME);
	osd::Attr a;
	if (auto r = o.attr_get(a))
		put_attr(oa, a,
			 OBD_MD_FLSIZE | OBD_MD_FLBLOCKS | OBD_MD_FLMODE | OBD_MD_FLTYPE |
				 OBD_MD_FLCTIME | kObdoOwner);
	valid |= oa.valid & ~(OBD_MD_FLMTIME | OBD_MD_FLATIME);
	u32 flags = b.flags();
	struct Quota {
		osd::QuotaType type;
		u32 flag;
	};
	for (const Quota &q : {Quota{osd::QuotaType::user, OBD_FL_NO_USRQUOTA},
			       Quota{osd::QuotaType::group, OBD_FL_NO_GRPQUOTA},
			       Quota{osd::QuotaType::project, OBD_FL_NO_PRJQUOTA}})
		if (io.over_quota() & (1u << static_cast<unsigned>(q.type)))
			flags |= q.flag;
	oa.flags = flags;
	valid |= OBD_MD_FLFLAGS | OBD_MD_FLALLQUOTA;
	valid &= ~OBD_MD_FLGRANT;
	if (space.grant.in_reply) {
		valid |= OBD_MD_FLGRANT;
		oa.grant = space.grant.returned;
		oa.grant_used() = space.grant.pending;
	}
	oa.valid = valid;
}

} // namespace ost
