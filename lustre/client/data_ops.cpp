// SPDX-License-Identifier: GPL-2.0
//
// Operations on all objects of a file: truncation, times, making durable, space, holes (spec 05
// sections 5.2 to 5.7, 06 6.6 to 6.8). Requests to the OSTs go out together.
#include "client/data_file.hpp"

namespace client
{

using namespace cfs::err;
using namespace wire;
using ldlm::Mode;

namespace
{

// Modes of fallocate(2).
constexpr u32 kKeepSize = 1, kPunchHole = 2, kZeroRange = 0x10;
constexpr u32 kSeekData = 3, kSeekHole = 4;

/// A request about one object; `fill` completes its obdo.
template <typename Format, typename Fill>
Result<> send_about(Stripe &s, const FileIdent &id, Batch &batch, std::size_t i, Portal portal,
		    Fill fill) noexcept
{
	auto req = TRY(rpc::Request<Format>::make(s.object->osc().import()));
	Obdo &oa = req.template get<rpc::fld::OstBody>().oa;
	id.pack_identity(oa);
	oa.uid = id.uid;
	oa.gid = id.gid;
	fill(oa);
	req->options.request_portal = portal;
	batch.send(i, req.ref());
	return {};
}

void add_owner(Obdo &oa, const FileIdent &id) noexcept
{
	oa.valid = oa.valid.get() | OBD_MD_FLUID | OBD_MD_FLGID | OBD_MD_FLPROJID;
	oa.projid = id.projid;
}

void set_range(Obdo &oa, u64 start, u64 end) noexcept
{
	oa.valid = oa.valid.get() | OBD_MD_FLSIZE | OBD_MD_FLBLOCKS;
	oa.size = start;
	oa.blocks = end;
}

/// Waits; the first error.
Result<> settle(Batch &batch, std::size_t n, Result<> r) noexcept
{
	batch.wait();
	for (std::size_t i = 0; r && i < n; i++)
		if (batch.sent(i) && !batch.result(i))
			r = cfs::fail(batch.result(i).error());
	return r;
}

} // namespace

// ---- durability ----

Result<> FileDataImpl::sync(u64 start, u64 end) noexcept
{
	// end is the last byte; the largest offset stands for all.
	constexpr u64 kLast = 0x7fffffffffffffff;
	auto m = TRY(enter());
	auto left = cfs::ScopeExit([this] { leave(); });
	// Data may have been lost before anybody could write it.
	Result<> earlier = take_error();
	if (!m || m->stripes.empty())
		return earlier;
	std::size_t n = m->stripes.size();
	auto batch = TRY(Batch::make(n));
	Result<> r;
	Range file{start, end >= kLast ? kLast : end + 1};
	for (std::size_t i = 0; r && i < n; i++) {
		Stripe &s = m->stripes[i];
		auto part = s.part(file);
		if (!part || !s.object)
			continue;
		r = send_about<rpc::op::OstSync>(
			s, ident(s), *batch, i, Portal::OST_REQUEST_PORTAL, [&](Obdo &oa) {
				oa.valid = oa.valid.get() & ~OBD_MD_FLOSTLAYOUT;
				set_range(oa, part->start, part->end);
			});
	}
	r = settle(*batch, n, r);
	batch->clear();
	return earlier ? r : earlier;
}

// ---- truncation ----

Result<> FileDataImpl::punch(FileMap &m, u64 size, std::int64_t mtime, std::int64_t ctime) noexcept
{
	std::size_t n = m.stripes.size();
	auto batch = TRY(Batch::make(n));
	Result<> r;
	for (std::size_t i = 0; r && i < n; i++) {
		Stripe &s = m.stripes[i];
		// What ends before the new size stays as it is; the last byte's object is told
		// also when the size is its component's end.
		if (s.comp->extent.end < size)
			continue;
		u64 to = size < s.comp->extent.start ? 0
						     : s.comp->stripes.object_size(s.index, size);
		FileIdent id = ident(s);
		r = send_about<rpc::op::OstPunch>(
			s, id, *batch, i, Portal::OST_IO_PORTAL, [&](Obdo &oa) {
				add_owner(oa, id);
				set_range(oa, to, OBD_OBJECT_EOF);
				oa.valid = oa.valid.get() | OBD_MD_FLMTIME | OBD_MD_FLCTIME;
				oa.mtime = mtime;
				oa.ctime = ctime;
			});
	}
	r = settle(*batch, n, r);
	for (std::size_t i = 0; i < n; i++) {
		if (!batch->sent(i) || !batch->result(i))
			continue;
		auto reply = rpc::reply_of<rpc::op::OstPunch>(batch->request(i));
		m.stripes[i].object->set_times(mtime, 0, ctime);
		if (reply) {
			const Obdo &oa = reply->get<rpc::fld::OstBody>().oa;
			if (oa.valid.get() & OBD_MD_FLBLOCKS)
				m.stripes[i].object->set_blocks(oa.blocks.get());
		}
	}
	batch->clear();
	return r;
}

Result<> FileDataImpl::truncate_in(FileIo &io, u64 size, std::int64_t mtime,
				   std::int64_t ctime) noexcept
{
	FileMap &m = *io.map;
	if (size > m.layout->end())
		return cfs::fail(NODATA);
	// Where a component ends the object of the byte before has to know.
	u64 from = size;
	for (const Stripe &s : m.stripes) {
		if (!s.object) {
			CERROR(CFS_S_LOV,
			       "file {} can not be truncated: there is no OST of index {}, which "
			       "has part of its data",
			       fid_, s.id.ost);
			return cfs::fail(IO);
		}
		if (size && s.comp->extent.end == size)
			from = size - 1;
	}
	TRY(lock_range(io, {from, kEof}, LockMode::LCK_PW, size == 0 ? LDLM_FL_AST_DISCARD_DATA : 0,
		       false));
	{
		// From here on nothing behind the new end is written any more.
		cfs::MutexGuard g(size_lock_);
		for (Stripe &s : m.stripes)
			if (s.comp->extent.end >= size)
				s.object->set_size(
					size < s.comp->extent.start
						? 0
						: s.comp->stripes.object_size(s.index, size));
		set_inode_size(size);
	}
	vfs_pages_truncate(vi_, size);
	return punch(m, size, mtime, ctime);
}

Result<> FileDataImpl::truncate(u64 size, std::int64_t mtime, std::int64_t ctime) noexcept
{
	FileIo io(*this, LUSTRE_IO_WRITE);
	if (size) {
		io.map = TRY(enter_for_write({0, size}, true));
	} else {
		TRY(owner_.need_layout());
		io.map = TRY(enter());
	}
	Result<> r;
	if (io.map) {
		r = truncate_in(io, size, mtime, ctime);
	} else {
		vfs_pages_truncate(vi_, size);
	}
	io.one.release();
	io.uses.clear();
	io.map.reset();
	leave();
	return r;
}

// ---- times ----

Result<> FileDataImpl::set_times(const lustre_attr &attr) noexcept
{
	TRY(owner_.need_layout());
	auto m = TRY(enter());
	auto left = cfs::ScopeExit([this] { leave(); });
	if (!m || m->stripes.empty())
		return {};
	// A later write of what is dirty now would bring its own times.
	bool dirty = false;
	for (const Stripe &s : m->stripes)
		dirty = dirty || (s.object && s.object->has_dirty());
	if (dirty)
		TRY(cfs::to_result(vfs_pages_flush(vi_, 0, kLastPage)));
	std::size_t n = m->stripes.size();
	auto batch = TRY(Batch::make(n));
	Result<> r;
	std::int64_t mtime = attr.valid & LUSTRE_ATTR_MTIME ? attr.mtime : 0;
	std::int64_t atime = attr.valid & LUSTRE_ATTR_ATIME ? attr.atime : 0;
	std::int64_t ctime = attr.valid & LUSTRE_ATTR_CTIME ? attr.ctime : 0;
	for (std::size_t i = 0; r && i < n; i++) {
		Stripe &s = m->stripes[i];
		if (!s.object)
			continue;
		r = send_about<rpc::op::OstSetattr>(
			s, ident(s), *batch, i, Portal::OST_REQUEST_PORTAL, [&](Obdo &oa) {
				u64 valid = oa.valid.get();
				valid |= attr.valid & LUSTRE_ATTR_MTIME ? OBD_MD_FLMTIME : 0;
				valid |= attr.valid & LUSTRE_ATTR_ATIME ? OBD_MD_FLATIME : 0;
				valid |= attr.valid & LUSTRE_ATTR_CTIME ? OBD_MD_FLCTIME : 0;
				oa.valid = valid;
				oa.mtime = mtime;
				oa.atime = atime;
				oa.ctime = ctime;
			});
	}
	r = settle(*batch, n, r);
	for (std::size_t i = 0; i < n; i++)
		if (batch->sent(i) && batch->result(i))
			m->stripes[i].object->set_times(mtime, atime, ctime);
	batch->clear();
	return r;
}

// ---- space ----

Result<> FileDataImpl::fallocate_in(FileIo &io, u32 mode, Range r) noexcept
{
	FileMap &m = *io.map;
	TRY(lock_range(io, r, LockMode::LCK_PW, 0, false));
	bool clears = mode & (kPunchHole | kZeroRange);
	u64 first = r.start >> CFS_PAGE_SHIFT, last = (r.end - 1) >> CFS_PAGE_SHIFT;
	if (clears) {
		// What the pages at the ends have beside the range must be at the OST.
		TRY(cfs::to_result(vfs_pages_flush(vi_, first, last)));
		vfs_pages_drop(vi_, first, last);
	}
	std::size_t n = m.stripes.size();
	auto batch = TRY(Batch::make(n));
	Result<> out;
	for (std::size_t i = 0; out && i < n; i++) {
		Stripe &s = m.stripes[i];
		auto part = s.part(r);
		if (!part)
			continue;
		FileIdent id = ident(s);
		out = send_about<rpc::op::OstFallocate>(
			s, id, *batch, i, Portal::OST_IO_PORTAL, [&](Obdo &oa) {
				add_owner(oa, id);
				set_range(oa, part->start, part->end);
				oa.falloc_mode() = mode;
			});
	}
	out = settle(*batch, n, out);
	if (!(mode & kKeepSize)) {
		cfs::MutexGuard g(size_lock_);
		for (std::size_t i = 0; i < n; i++)
			if (batch->sent(i) && batch->result(i))
				m.stripes[i].object->grow_to(m.stripes[i].part(r)->end);
	}
	batch->clear();
	refresh_size(m);
	return out;
}

Result<> FileDataImpl::fallocate(u32 mode, u64 pos, u64 len) noexcept
{
	bool punch = mode == (kPunchHole | kKeepSize);
	u64 end = 0;
	if (mode != 0 && mode != kKeepSize && !punch && mode != kZeroRange &&
	    mode != (kZeroRange | kKeepSize))
		return cfs::fail(OPNOTSUPP);
	if (len == 0 || __builtin_add_overflow(pos, len, &end))
		return cfs::fail(INVAL);
	FileIo io(*this, LUSTRE_IO_WRITE);
	if (punch) {
		TRY(owner_.need_layout());
		io.map = TRY(enter());
	} else {
		io.map = TRY(enter_for_write({pos, end}, false));
	}
	Result<> r;
	if (io.map)
		r = fallocate_in(io, mode, {pos, std::min(end, io.map->layout->end())});
	io.one.release();
	io.uses.clear();
	io.map.reset();
	leave();
	return r;
}

// ---- holes ----

/// The first data or hole at or behind `pos` in one object, as a place of the file; kEof: none.
Result<u64> FileDataImpl::seek_object(Stripe &s, u64 pos, bool hole) noexcept
{
	auto part = s.part({pos, kEof});
	if (!part || !s.object)
		return kEof;
	auto batch = TRY(Batch::make(1));
	TRY(send_about<rpc::op::OstSeek>(s, ident(s), *batch, 0, Portal::OST_REQUEST_PORTAL,
					 [&](Obdo &oa) {
						 oa.valid = OBD_MD_FLID | OBD_MD_FLGROUP;
						 oa.size = part->start;
						 oa.mode = hole ? kSeekHole : kSeekData;
					 }));
	auto r = settle(*batch, 1, {});
	u64 at = kEof;
	if (r) {
		auto reply = rpc::reply_of<rpc::op::OstSeek>(batch->request(0));
		if (!reply)
			r = cfs::fail(reply.error());
		else
			at = reply->get<rpc::fld::OstBody>().oa.size.get();
	}
	batch->clear();
	if (!r)
		return cfs::fail(r.error());
	auto code = static_cast<std::int64_t>(at);
	if (code == cfs::to_rc(NXIO))
		return kEof;
	if (code < 0)
		return cfs::fail(cfs::Errno{static_cast<int>(-code)});
	u64 in_file = s.comp->stripes.file_size(s.index, at + 1) - 1;
	return s.comp->extent.contains(in_file) ? in_file : hole ? s.comp->extent.end : kEof;
}

Result<u64> FileDataImpl::seek_in(FileIo &io, u64 pos, bool hole) noexcept
{
	FileMap &m = *io.map;
	TRY(cfs::to_result(vfs_pages_flush(vi_, pos >> CFS_PAGE_SHIFT, kLastPage)));
	TRY(lock_range(io, {pos, kEof}, LockMode::LCK_PR, 0, false));
	u64 size = 0;
	if (!exact_size(m, size))
		size = TRY(glimpse(m, true)).size;
	if (pos >= size)
		return cfs::fail(NXIO);
	u64 best = kEof;
	for (Stripe &s : m.stripes) {
		if (s.object && !s.object->osc().numbers().seeks)
			return hole ? size : pos;
		u64 at = TRY(seek_object(s, pos, hole));
		best = std::min(best, at);
	}
	// Where there are no objects there is a hole.
	if (hole && !m.at(pos).exists)
		best = pos;
	if (hole && best == kEof)
		best = size;
	if (best > size || (!hole && best >= size))
		return cfs::fail(NXIO);
	return best;
}

Result<u64> FileDataImpl::seek(u64 pos, bool hole) noexcept
{
	FileIo io(*this, LUSTRE_IO_READ);
	TRY(owner_.need_layout());
	io.map = TRY(enter());
	Result<u64> r = cfs::fail(NXIO);
	if (io.map)
		r = seek_in(io, pos, hole);
	io.one.release();
	io.uses.clear();
	io.map.reset();
	leave();
	return r;
}

} // namespace client
