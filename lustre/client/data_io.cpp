// SPDX-License-Identifier: GPL-2.0
//
// Ranges: taking and giving back the locks for a read, write or fault, the size of the file while
// it lasts, and the right to make pages dirty (spec 06 section 6).
#include "client/data_file.hpp"

namespace client
{

using namespace cfs::err;
using namespace wire;
using ldlm::Mode;

namespace
{

constexpr u64 kPageMask = CFS_PAGE_SIZE - 1;
constexpr unsigned kCapSysResource = 24;
/// "These bytes have no objects yet", said where they can not be asked for.
constexpr cfs::Errno kNoObjects = REMCHG;

bool writes(lustre_io_kind k) noexcept
{
	return k == LUSTRE_IO_WRITE || k == LUSTRE_IO_APPEND || k == LUSTRE_IO_MKWRITE;
}

Range range_of(u64 pos, u64 len) noexcept
{
	u64 end = 0;
	if (__builtin_add_overflow(pos, len, &end))
		end = kEof - 1;
	return {pos, end};
}

/// Whole pages of an object.
ldlm::Extent pages_around(const Range &r) noexcept
{
	return {r.start & ~kPageMask, r.end == kEof ? ldlm::kEof : (r.end - 1) | kPageMask, 0};
}

} // namespace

// ---- FileData's own ----

void FileData::io_end(lustre_io *io) noexcept
{
	auto *f = static_cast<FileIo *>(io);
	f->file.end(f);
}

Result<> FileData::page_dirty(lustre_io *io, u64 index, unsigned, unsigned to) noexcept
{
	auto *f = static_cast<FileIo *>(io);
	return f->file.dirty(*f, index, to);
}

Result<> FileData::write_now(lustre_io *io, u64 index, cfs_page *page, unsigned len) noexcept
{
	auto *f = static_cast<FileIo *>(io);
	return f->file.write_one(*f, index, page, len);
}

void FileData::size_grown(lustre_io *io, u64 size) noexcept
{
	auto *f = static_cast<FileIo *>(io);
	f->file.grown(*f, size);
}

// ---- beginning ----

Result<lustre_io *> FileDataImpl::io_begin(lustre_io_kind kind, u64 pos, u64 len, bool nonblock,
					   lustre_io_range &got) noexcept
{
	Range objects = kind == LUSTRE_IO_APPEND ? Range{0, 1} : range_of(pos, len);
	auto io = TRY(cfs::try_make<FileIo>(*this, kind));
	if (writes(kind)) {
		lustre_cred cred{};
		vfs_cred(&cred);
		privileged_.store(cred.caps >> kCapSysResource & 1, std::memory_order_relaxed);
	}
	for (unsigned i = 0; i < kLayoutTries; i++) {
		if (writes(kind)) {
			io->map = TRY(enter_for_write(objects, false));
		} else {
			TRY(owner_.need_layout());
			io->map = TRY(enter());
		}
		auto r = begin_in(*io, pos, len, nonblock, got);
		if (r)
			return io.release();
		io->one.release();
		io->uses.clear();
		io->map.reset();
		leave();
		if (r.error() != kNoObjects)
			return cfs::fail(r.error());
		// An append, whose place is known only now.
		objects = range_of(got.pos, len);
	}
	return cfs::fail(IO);
}

void FileDataImpl::end(FileIo *io) noexcept
{
	cfs::UniquePtr<FileIo> own(io);
	io->one.release();
	io->uses.clear();
	io->map.reset();
	leave();
}

Result<> FileDataImpl::begin_in(FileIo &io, u64 pos, u64 len, bool nonblock,
				lustre_io_range &got) noexcept
{
	switch (io.kind) {
	case LUSTRE_IO_APPEND:
		return begin_append(io, len, nonblock, got);
	case LUSTRE_IO_WRITE:
	case LUSTRE_IO_MKWRITE:
		return begin_write(io, pos, len, nonblock, got);
	default:
		return begin_read(io, pos, len, nonblock, got);
	}
}

u64 FileDataImpl::piece_end(const FileMap &m, u64 pos, u64 len) noexcept
{
	u64 end = range_of(pos, len).end;
	for (const FileMap::Part &part : m.parts) {
		const Component &c = *part.comp;
		if (!c.extent.contains(pos))
			continue;
		end = std::min(end, c.extent.end);
		if (part.count > kStripesPerIo)
			end = std::min(end, pos - pos % c.stripes.size +
						    u64{kStripesPerIo} * c.stripes.size);
	}
	return end;
}

/// One lock after the other, in the order of the stripes, which is the same for everybody.
Result<> FileDataImpl::lock_range(FileIo &io, Range r, Mode mode, u64 flags, bool nonblock) noexcept
{
	FileMap &m = *io.map;
	std::size_t n = 0;
	for (const Stripe &s : m.stripes)
		n += s.part(r) ? 1 : 0;
	if (n > 1)
		io.uses = TRY(cfs::Array<ldlm::LockUse>::make(FileIo::kSubsys, n));
	std::size_t k = 0;
	for (Stripe &s : m.stripes) {
		auto part = s.part(r);
		if (!part)
			continue;
		if (!s.object) {
			CERROR(CFS_S_LOV,
			       "file {}: there is no OST of index {}, which has part of "
			       "its data",
			       fid_, s.id.ost);
			return cfs::fail(IO);
		}
		auto use = TRY(s.object->lock(mode, pages_around(*part), flags, nonblock));
		(n > 1 ? io.uses[k++] : io.one) = std::move(use);
	}
	return {};
}

Result<> FileDataImpl::begin_read(FileIo &io, u64 pos, u64 len, bool nonblock,
				  lustre_io_range &got) noexcept
{
	got = {pos, 0, 0};
	if (!io.map)
		return {};
	u64 end = piece_end(*io.map, pos, len);
	TRY(lock_range(io, {pos, end}, LockMode::LCK_PR, 0, nonblock));
	u64 size = known_size(*io.map);
	if (size < end && !exact_size(*io.map, size)) {
		if (nonblock)
			return cfs::fail(AGAIN);
		size = TRY(glimpse(*io.map, true)).size;
	} else {
		refresh_size(*io.map);
	}
	got.size = size;
	if (pos < size)
		got.len = std::min(end, size) - pos;
	return {};
}

Result<> FileDataImpl::begin_write(FileIo &io, u64 pos, u64 len, bool nonblock,
				   lustre_io_range &got) noexcept
{
	FileMap &m = *io.map;
	Place p = m.at(pos);
	if (!p.inside)
		return cfs::fail(NODATA);
	u64 end = piece_end(m, pos, len);
	if (io.kind == LUSTRE_IO_WRITE) {
		// No more at once than what is sure to find room as dirty pages.
		if (p.exists && m.stripes[p.slot].object) {
			Osc &osc = m.stripes[p.slot].object->osc();
			u64 rpc = u64{osc.numbers().max_pages} * CFS_PAGE_SIZE;
			end = std::min(end, (pos / rpc + 1) * rpc);
		}
		if (!nonblock)
			TRY(make_room(m, pos, end - pos));
	}
	TRY(lock_range(io, {pos, end}, LockMode::LCK_PW, 0, nonblock));
	// A fault must know whether its page is inside the file.
	u64 size = 0;
	if (io.kind == LUSTRE_IO_MKWRITE && known_size(m) < end && !exact_size(m, size))
		(void)TRY(glimpse(m, true));
	refresh_size(m);
	got = {pos, end - pos, inode_size()};
	return {};
}

Result<> FileDataImpl::begin_append(FileIo &io, u64 len, bool nonblock,
				    lustre_io_range &got) noexcept
{
	FileMap &m = *io.map;
	TRY(lock_range(io, {0, kEof}, LockMode::LCK_PW, 0, nonblock));
	u64 size = 0;
	if (!exact_size(m, size))
		size = TRY(glimpse(m, true)).size;
	refresh_size(m);
	got = {size, 0, size};
	u64 limit = m.layout->end();
	if (size >= limit)
		return cfs::fail(NODATA);
	Range r = range_of(size, len);
	r.end = std::min(r.end, limit);
	if (!m.layout->instantiated(r))
		return cfs::fail(kNoObjects);
	got.len = r.end - r.start;
	return {};
}

/// Before a write: when its pages would not find grant, what is dirty is written first. Here it can
/// be waited for; later, with pages locked, it can not. err::INTR.
Result<> FileDataImpl::make_room(const FileMap &m, u64 pos, u64 len) noexcept
{
	u64 pages = len / CFS_PAGE_SIZE + 2;
	bool room = true, dirty = false;
	for (const Stripe &s : m.stripes) {
		if (!s.object || !s.part({pos, pos + len}))
			continue;
		room = room && s.object->osc().grant_room_for(pages);
		dirty = dirty || s.object->has_dirty();
	}
	if (room || !dirty)
		return {};
	vfs_pages_send(vi_);
	for (const Stripe &s : m.stripes)
		if (s.object && s.part({pos, pos + len}))
			TRY(s.object->osc().grant_wait_for(pages));
	return {};
}

// ---- while it lasts ----

FileIdent FileDataImpl::ident(const Stripe &s) noexcept
{
	lustre_attr a{};
	FileIdent id;
	vfs_inode_attr(vi_, &a);
	id.fid = fid_;
	id.object = s.id.id;
	id.stripe = s.index;
	id.uid = a.uid;
	id.gid = a.gid;
	id.projid = a.projid;
	id.atime = a.atime;
	id.mtime = a.mtime;
	id.ctime = a.ctime;
	id.layout.stripe_size = s.comp->stripes.size;
	id.layout.stripe_count = s.comp->stripes.count;
	auto m = map();
	if (m && m->layout->kind() == LayoutKind::composite) {
		id.layout.comp_start = s.comp->extent.start;
		id.layout.comp_end = s.comp->extent.end;
		id.layout.comp_id = s.comp->id;
	}
	return id;
}

u32 FileDataImpl::user_flags() noexcept
{
	return privileged_.load(std::memory_order_relaxed) ? OBD_BRW_SYS_RESOURCE : 0;
}

Result<> FileDataImpl::dirty(FileIo &io, u64 index, u32 to) noexcept
{
	Place p = io.map->at(index << CFS_PAGE_SHIFT);
	if (!p.exists || !io.map->stripes[p.slot].object)
		return cfs::fail(IO);
	OscObject &o = *io.map->stripes[p.slot].object;
	io.unclaimed = p.offset + to;
	TRY(o.make_dirty(p.offset >> CFS_PAGE_SHIFT));
	io.unclaimed = 0;
	cfs::MutexGuard g(size_lock_);
	o.grow_to(p.offset + to);
	return {};
}

Result<> FileDataImpl::write_one(FileIo &io, u64 index, cfs_page *page, u32 len) noexcept
{
	Place p = io.map->at(index << CFS_PAGE_SHIFT);
	if (!p.exists || !io.map->stripes[p.slot].object)
		return cfs::fail(IO);
	Stripe &s = io.map->stripes[p.slot];
	// What this very write makes of the object; it counts when it has been written.
	u64 size = std::max(s.object->known_size(), io.unclaimed);
	u64 valid = size > p.offset ? size - p.offset : 0;
	len = static_cast<u32>(std::min<u64>(len, valid));
	if (len == 0)
		return {};
	BrwWait wait;
	auto brw = TRY(Brw::make(s.object, true, OBD_BRW_SYNC | OBD_BRW_WRITE | user_flags(),
				 ident(s), wait));
	TRY(brw->add(page, 0, len, p.offset));
	brw->urgent = true;
	wait.expect(*brw);
	s.object->osc().submit(std::move(brw));
	TRY(wait.wait());
	cfs::MutexGuard g(size_lock_);
	s.object->grow_to(p.offset + len);
	return {};
}

void FileDataImpl::page_clean(u64 index) noexcept
{
	auto m = map();
	Place p = m ? m->at(index << CFS_PAGE_SHIFT) : Place{};
	if (p.exists && m->stripes[p.slot].object)
		m->stripes[p.slot].object->make_clean(p.offset >> CFS_PAGE_SHIFT);
}

void FileDataImpl::grown(FileIo &io, u64 size) noexcept
{
	if (size == 0)
		return;
	Place p = io.map->at(size - 1);
	if (!p.exists || !io.map->stripes[p.slot].object)
		return;
	cfs::MutexGuard g(size_lock_);
	io.map->stripes[p.slot].object->grow_to(p.offset + 1);
}

} // namespace client
