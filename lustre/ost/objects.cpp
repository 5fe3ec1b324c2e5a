// SPDX-License-Identifier: GPL-2.0
//
// Objects: made ahead, destroyed, looked at, changed (spec 05 sections 5 and 6).
#include "libcfs/log.hpp"
#include "ost/device.hpp"

namespace ost
{

using namespace cfs::err;
using rpc::ServerRequest;

namespace
{

/// Numbers of a sequence that an MDT may use before it takes another one.
constexpr u64 kSequenceWidth = 0x1ffffff;
/// How long one request creates objects; clients' time-outs are longer.
constexpr cfs::Duration kCreateTime = cfs::Duration::seconds(50);

} // namespace

// ---- shared ----

cfs::Result<> OstTarget::may_modify(ServerRequest &req) noexcept
{
	if (req.exp()->has_flag(wire::OBD_CONNECT_RDONLY))
		return cfs::fail(ROFS);
	return {};
}

cfs::Result<Sequence *> OstTarget::sequence_for(ServerRequest &req, u64 seq) noexcept
{
	using enum Sequences::Which;
	return sequences_->find(seq, may_create(req, seq) ? any : existing);
}

/// Numbers are MDTs' to use up, and orphans theirs to tell from files; tests have a sequence of
/// their own.
bool OstTarget::may_create(ServerRequest &req, u64 seq) noexcept
{
	return req.exp()->has_flag(wire::OBD_CONNECT_MDS) || seq == wire::FID_SEQ_ECHO;
}

cfs::Result<wire::Fid> OstTarget::fid_of_request(const wire::Obdo &oa) noexcept
{
	if (!(oa.valid & wire::OBD_MD_FLID) || (oa.oi.is_legacy() && oa.oi.oi.oi_id == 0))
		return cfs::fail(PROTO);
	return fid_of(oa.oi, index_);
}

/// Whether a client may be told to wait for an MDT. Not for ever; and replays, which have the time
/// of the recovery, not at all.
bool OstTarget::may_wait() noexcept
{
	constexpr cfs::Duration kWait = cfs::Duration::seconds(300);
	if (recovering())
		return false;
	u64 unset = 0, until = cfs::after(kWait).ns();
	if (!return_until_ns_.compare_exchange_strong(unset, until))
		until = unset;
	return cfs::Instant::now().ns() < until;
}

cfs::Result<osd::ObjectRef> OstTarget::find(const wire::Fid &fid) noexcept
{
	auto o = TRY(dev_->object(fid));
	if (o->exists())
		return o;
	// Clients are told to wait: their MDT may come back later than they do. Replays do not
	// wait.
	auto s = sequences_->find(counted_in(fid), Sequences::Which::existing);
	u64 number = number_of(fid);
	if (s && (*s)->may_return(number) && may_wait())
		return cfs::fail(INPROGRESS);
	// It may just be made.
	if (s)
		(*s)->wait_created(number);
	if (!o->exists())
		return cfs::fail(NOENT);
	return o;
}

cfs::Result<ldlm::LocalLock> OstTarget::lock_for(const wire::Fid &fid, ldlm::Mode mode, u64 start,
						 u64 end, bool destroying) noexcept
{
	// Clients have not given their locks again yet, and none of them does new work.
	if (recovering())
		return ldlm::LocalLock{};
	ldlm::LocalSpec s;
	s.type = ldlm::LDLM_EXTENT;
	s.name = ldlm::from_wire(resource_of(fid));
	s.mode = mode;
	s.policy = ldlm::Policy::of_extent(start, end);
	s.destroying = destroying;
	return locks().ns().lock(s);
}

void OstTarget::prolong(ServerRequest &req, const wire::Fid &fid, const wire::Obdo &oa, u64 start,
			u64 end, bool write) noexcept
{
	ldlm::IoSpan io;
	io.name = ldlm::from_wire(resource_of(fid));
	io.extent = {start, end, 0};
	io.write = write;
	if (oa.valid & wire::OBD_MD_FLHANDLE)
		io.handle = static_cast<u64>(wire::LockHandle{oa.handle});
	(void)locks().prolong(*req.exp(), io);
}

void OstTarget::refresh_lvb(const wire::Fid &fid, bool only_increase) noexcept
{
	locks().ns().refresh_lvb(ldlm::LDLM_EXTENT, ldlm::from_wire(resource_of(fid)),
				 only_increase);
}

cfs::Result<> OstTarget::read(const ldlm::ResName &name, wire::OstLvb &out) noexcept
{
	auto fid = TRY(fid_of(ldlm::to_wire(name), index_));
	auto o = TRY(find(fid));
	osd::Attr a;
	TRY(o->attr_get(a));
	out = lvb_of(a);
	return {};
}

/// Whether the times of this request count; if so, older requests' do not any more.
bool OstTarget::sets_times(OstClient &c, ServerRequest &req, const wire::Fid &fid,
			   const wire::Obdo &oa) noexcept
{
	if (!(oa.valid & kObdoTimes))
		return false;
	c.times.note(fid, static_cast<u64>(req.xid()));
	return true;
}

// ---- creation ----

cfs::Result<u64> OstTarget::precreate(Sequence &s, u64 wanted) noexcept
{
	u64 last = s.last();
	if (wanted < last)
		return last + 1; // the MDT is behind, and will go on from there
	if (wanted == last)
		return wanted;
	wire::ObdStatfs st{};
	TRY(dev_->statfs(st));
	if (st.bavail < st.blocks / 1000 || st.ffree == 0)
		return cfs::fail(NOSPC);
	return s.create_to(wanted, cfs::after(kCreateTime));
}

cfs::Result<u64> OstTarget::clear_orphans(ServerRequest &req, Sequence &s, u64 used) noexcept
{
	if (used > s.last()) {
		// On a new OST the MDT counts one as used that never was.
		if (used > 1)
			LCONSOLE_WARN(kSubsys,
				      "{}: objects {} to {} of sequence {:#x} were lost; making "
				      "them anew",
				      name_, s.last() + 1, used, s.seq());
		return s.create_to(used, cfs::after(kCreateTime));
	}
	return s.destroy_above(used, !req.exp()->has_flag(wire::OBD_CONNECT_SKIP_ORPHAN));
}

cfs::Result<> OstTarget::create(ServerRequest &req, rpc::RequestView<op::OstCreate> in) noexcept
{
	const wire::Obdo &oa = in.get<fld::OstBody>().oa;
	auto out = TRY(req.reply<op::OstCreate>());
	wire::Obdo &back = out.get<fld::OstBody>().oa;
	back.oi = oa.oi;
	TRY(may_modify(req));
	if (req.body().conn_cnt < req.exp()->conn_cnt())
		return cfs::fail(STALE);
	auto fid = TRY(fid_of(oa.oi, index_));
	if (!may_create(req, counted_in(fid)))
		return cfs::fail(PERM);
	Sequence *s = TRY(sequence_for(req, counted_in(fid)));
	u32 flags = oa.valid & wire::OBD_MD_FLFLAGS ? oa.flags.get() : 0;
	u64 number = number_of(fid);
	u64 last = 0;
	if (flags & wire::OBD_FL_DELORPHAN) {
		last = TRY(clear_orphans(req, *s, number));
		if (last >= number)
			s->set_complete();
	} else {
		last = TRY(precreate(*s, number));
	}
	back.oi.oi_fid = TRY(s->fid(last));
	back.size = kSequenceWidth;
	back.valid = wire::OBD_MD_FLID | wire::OBD_MD_FLGROUP | wire::OBD_MD_FLSIZE;
	return {};
}

/// A client replays a write to an object that the crash took, or an MDT destroys one. What is
/// farther away than MDTs create ahead never was: the object will not be found.
cfs::Result<> OstTarget::recreate(const wire::Fid &fid) noexcept
{
	auto s = sequences_->find(counted_in(fid), Sequences::Which::existing);
	if (!s)
		return s.error() == NOENT ? cfs::Result<>{} : cfs::fail(s.error());
	if ((*s)->may_return(number_of(fid)))
		(void)TRY((*s)->create_to(number_of(fid), cfs::after(kCreateTime)));
	return {};
}

cfs::Result<osd::ObjectRef> OstTarget::find_to_change(const wire::Fid &fid) noexcept
{
	if (recovering())
		TRY(recreate(fid));
	return find(fid);
}

// ---- destruction ----

cfs::Result<> OstTarget::destroy_object(ServerRequest &req, const wire::Fid &fid) noexcept
{
	auto o = TRY(find(fid));
	auto lock = TRY(lock_for(fid, ldlm::LCK_PW, 0, ldlm::kEof, true));
	target::Modification m(*this, &req);
	TRY(m.begin());
	TRY(o->declare_destroy(m.tx()));
	TRY(m.start());
	return m.finish(o->destroy(m.tx()));
}

cfs::Result<> OstTarget::destroy_objects(ServerRequest &req,
					 rpc::RequestView<op::OstDestroy> in) noexcept
{
	const wire::Obdo &oa = in.get<fld::OstBody>().oa;
	auto out = TRY(req.reply<op::OstDestroy>());
	TRY(may_modify(req));
	locks().cancel_early(*req.exp(), in.get<fld::DlmReq>());
	auto fid = TRY(fid_of_request(oa));
	u32 count = oa.valid & wire::OBD_MD_FLOBJCOUNT ? oa.misc.get() : 1;
	if (count == 0 || count > wire::OST_MAX_PRECREATE ||
	    count > numbers_in(counted_in(fid)) - number_of(fid) + 1)
		return cfs::fail(PROTO);
	u64 seq = counted_in(fid), number = number_of(fid);
	// An object that a crash took must not come back, with nobody to remove it, when the MDT
	// has what is missing made anew: it is made now.
	if (may_create(req, seq))
		TRY(recreate(TRY(numbered(seq, number + count - 1, index_))));
	cfs::Result<> result{};
	for (; count > 0; count--, number++) {
		auto r = destroy_object(req, TRY(numbered(seq, number, index_)));
		if (!r && (result || result.error() == NOENT))
			result = r;
	}
	if (auto behind = numbered(seq, number, index_))
		out.get<fld::OstBody>().oa.oi.oi_fid = *behind;
	return result;
}

// ---- attributes ----

cfs::Result<> OstTarget::getattr(ServerRequest &req, rpc::RequestView<op::OstGetattr> in) noexcept
{
	const wire::Obdo &oa = in.get<fld::OstBody>().oa;
	auto out = TRY(req.reply<op::OstGetattr>());
	wire::Obdo &back = out.get<fld::OstBody>().oa;
	auto fid = TRY(fid_of_request(oa));
	u32 flags = oa.valid & wire::OBD_MD_FLFLAGS ? oa.flags.get() : 0;
	ldlm::LocalLock lock;
	if (flags & wire::OBD_FL_SRVLOCK)
		lock = TRY(lock_for(fid, flags & wire::OBD_FL_FLUSH ? ldlm::LCK_PW : ldlm::LCK_PR,
				    0, ldlm::kEof));
	auto o = TRY(find(fid));
	osd::Attr a;
	TRY(o->attr_get(a));
	back.oi.oi_fid = fid;
	back.valid = wire::OBD_MD_FLID | wire::OBD_MD_FLGROUP;
	put_attr(back, a, kObdoBasic | kObdoOwner);
	back.data_version = TRY(o->version());
	back.flags = wire::OBD_FL_FLUSH;
	back.valid = back.valid | wire::OBD_MD_FLDATAVERSION | wire::OBD_MD_FLFLAGS;
	return {};
}

cfs::Result<> OstTarget::setattr(ServerRequest &req, rpc::RequestView<op::OstSetattr> in) noexcept
{
	const wire::Obdo &oa = in.get<fld::OstBody>().oa;
	auto out = TRY(req.reply<op::OstSetattr>());
	TRY(may_modify(req));
	auto fid = TRY(fid_of_request(oa));
	if ((oa.valid & wire::OBD_MD_FLSIZE) && oa.size != wire::OBD_OBJECT_EOF)
		return cfs::fail(PERM);
	bool times = sets_times(client_of(req), req, fid, oa);
	auto o = TRY(find_to_change(fid));
	AttrChange change(*o, oa, true, times);
	target::Modification m(*this, &req);
	TRY(m.begin());
	TRY(change.declare(m.tx()));
	TRY(o->declare_version_set(m.tx()));
	TRY(m.start());
	auto done = m.check_version(0, *o);
	if (done)
		done = change.apply(m.tx());
	if (done)
		done = o->version_set(m.tx(), m.version());
	TRY(m.finish(done));
	refresh_lvb(fid, false);
	osd::Attr a;
	TRY(o->attr_get(a));
	wire::Obdo &back = out.get<fld::OstBody>().oa;
	back.oi.oi_fid = fid;
	back.valid = wire::OBD_MD_FLID | wire::OBD_MD_FLGROUP;
	put_attr(back, a, kObdoBasic | kObdoOwner);
	return {};
}

// ---- space ----

cfs::Result<> OstTarget::punch(ServerRequest &req, rpc::RequestView<op::OstPunch> in) noexcept
{
	constexpr u64 kRange = wire::OBD_MD_FLSIZE | wire::OBD_MD_FLBLOCKS;
	const wire::Obdo &oa = in.get<fld::OstBody>().oa;
	if ((oa.valid & kRange) != kRange || oa.blocks != wire::OBD_OBJECT_EOF) {
		req.refuse_as_error();
		return cfs::fail(PROTO);
	}
	auto out = TRY(req.reply<op::OstPunch>());
	TRY(may_modify(req));
	auto fid = TRY(fid_of_request(oa));
	u64 size = oa.size;
	ldlm::LocalLock lock;
	if ((oa.valid & wire::OBD_MD_FLFLAGS) && (oa.flags & wire::OBD_FL_SRVLOCK))
		lock = TRY(lock_for(fid, ldlm::LCK_PW, size, ldlm::kEof, false));
	else
		prolong(req, fid, oa, size, ldlm::kEof, true);
	bool times = sets_times(client_of(req), req, fid, oa);
	auto o = TRY(find_to_change(fid));
	osd::Body *body = TRY(o->body());
	AttrChange change(*o, oa, false, times);
	target::Modification m(*this, &req);
	TRY(m.begin());
	TRY(body->declare_punch(m.tx(), size, osd::kEof));
	TRY(change.declare(m.tx()));
	TRY(o->declare_version_set(m.tx()));
	TRY(m.start());
	auto done = m.check_version(0, *o);
	if (done)
		done = body->punch(m.tx(), size, osd::kEof);
	if (done)
		done = change.apply(m.tx());
	if (done)
		done = o->version_set(m.tx(), m.version());
	TRY(m.finish(done));
	refresh_lvb(fid, false);
	osd::Attr a;
	TRY(o->attr_get(a));
	wire::Obdo &back = out.get<fld::OstBody>().oa;
	back.oi.oi_fid = fid;
	back.valid = wire::OBD_MD_FLID;
	put_attr(back, a, wire::OBD_MD_FLBLOCKS);
	return {};
}

cfs::Result<> OstTarget::fallocate(ServerRequest &req,
				   rpc::RequestView<op::OstFallocate> in) noexcept
{
	constexpr u64 kRange = wire::OBD_MD_FLSIZE | wire::OBD_MD_FLBLOCKS;
	const wire::Obdo &oa = in.get<fld::OstBody>().oa;
	auto out = TRY(req.reply<op::OstFallocate>());
	TRY(may_modify(req));
	auto fid = TRY(fid_of_request(oa));
	u64 start = oa.size, end = oa.blocks;
	u32 mode = oa.falloc_mode();
	if ((oa.valid & kRange) != kRange)
		return cfs::fail(OPNOTSUPP);
	if (mode & wire::u32{osd::kFallocPunchHole})
		mode |= osd::kFallocKeepSize;
	if (start >= end)
		return cfs::fail(INVAL);
	ldlm::LocalLock lock;
	if ((oa.valid & wire::OBD_MD_FLFLAGS) && (oa.flags & wire::OBD_FL_SRVLOCK))
		lock = TRY(lock_for(fid, ldlm::LCK_PW, start, end, false));
	else
		prolong(req, fid, oa, start, end - 1, true);
	bool times = sets_times(client_of(req), req, fid, oa);
	auto o = TRY(find_to_change(fid));
	osd::Body *body = TRY(o->body());
	for (bool more = true; more;) {
		AttrChange change(*o, oa, false, times);
		target::Modification m(*this, &req);
		TRY(m.begin());
		TRY(body->declare_fallocate(m.tx(), mode, start, end));
		TRY(change.declare(m.tx()));
		TRY(o->declare_version_set(m.tx()));
		TRY(m.start());
		auto done = m.check_version(0, *o);
		if (done)
			done = body->fallocate(m.tx(), mode, start, end);
		more = !done && done.error() == AGAIN;
		if (more)
			done = {};
		if (done)
			done = change.apply(m.tx());
		if (done)
			done = o->version_set(m.tx(), m.version());
		TRY(m.finish(done));
	}
	refresh_lvb(fid, false);
	osd::Attr a;
	TRY(o->attr_get(a));
	wire::Obdo &back = out.get<fld::OstBody>().oa;
	back.oi.oi_fid = fid;
	back.valid = wire::OBD_MD_FLID;
	put_attr(back, a, kObdoBasic);
	return {};
}

cfs::Result<> OstTarget::seek(ServerRequest &req, rpc::RequestView<op::OstSeek> in) noexcept
{
	constexpr u32 kSeekData = 3, kSeekHole = 4;
	const wire::Obdo &oa = in.get<fld::OstBody>().oa;
	auto out = TRY(req.reply<op::OstSeek>());
	auto fid = TRY(fid_of_request(oa));
	u64 offset = oa.size;
	u32 whence = oa.mode;
	if (offset >> 63 || (whence != kSeekData && whence != kSeekHole))
		return cfs::fail(PROTO);
	ldlm::LocalLock lock;
	if ((oa.valid & wire::OBD_MD_FLFLAGS) && (oa.flags & wire::OBD_FL_SRVLOCK))
		lock = TRY(lock_for(fid, ldlm::LCK_PR, offset, ldlm::kEof));
	auto o = TRY(find(fid));
	osd::Body *body = TRY(o->body());
	auto at = whence == kSeekData ? body->seek_data(offset) : body->seek_hole(offset);
	wire::Obdo &back = out.get<fld::OstBody>().oa;
	back = oa;
	back.oi.oi_fid = fid;
	// An error is an answer like others here.
	back.size = at ? *at : static_cast<u64>(static_cast<std::int64_t>(cfs::to_rc(at.error())));
	return {};
}

cfs::Result<> OstTarget::sync(ServerRequest &req, rpc::RequestView<op::OstSync> in) noexcept
{
	const wire::Obdo &oa = in.get<fld::OstBody>().oa;
	auto out = TRY(req.reply<op::OstSync>());
	wire::Obdo &back = out.get<fld::OstBody>().oa;
	auto fid = TRY(fid_of_request(oa));
	auto o = TRY(find(fid));
	if (TRY(o->version()) > static_cast<u64>(commits().committed()))
		TRY(dev_->sync());
	osd::Attr a;
	TRY(o->attr_get(a));
	back.oi.oi_fid = fid;
	back.valid = wire::OBD_MD_FLID | wire::OBD_MD_FLGROUP;
	put_attr(back, a, kObdoBasic);
	return {};
}

} // namespace ost
