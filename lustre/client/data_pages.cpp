// SPDX-License-Identifier: GPL-2.0
//
// Pages: reading them, looking ahead, gathering dirty ones into writes, and direct I/O (spec 06
// sections 6.2 to 6.4).
//
// A read holds a use of its lock until its pages are up to date, so that whoever takes the lock
// back finds them there to be dropped. A write needs none: its pages are covered until it has
// ended, since the lock is not given back before.
#include "client/data_file.hpp"

#include <cstring>

namespace client
{

using namespace cfs::err;
using namespace wire;
using ldlm::Mode;

namespace
{

/// Pages told to the VFS in one call.
constexpr std::size_t kTellPages = 64;

void zero_pages(std::span<cfs_page *const> pages) noexcept
{
	for (cfs_page *p : pages) {
		void *at = cfs_page_map(p);
		std::memset(at, 0, CFS_PAGE_SIZE);
		cfs_page_unmap(at);
	}
}

} // namespace

void FileDataImpl::pages_read(std::span<cfs_page *const> pages, int status) noexcept
{
	vfs_pages_read(vi_, pages.data(), static_cast<unsigned>(pages.size()), status);
}

void FileDataImpl::pages_written(std::span<cfs_page *const> pages, int status) noexcept
{
	if (status) {
		cfs::SpinGuard g(lock_);
		error_ = cfs::Errno{-status};
	}
	vfs_pages_written(vi_, pages.data(), static_cast<unsigned>(pages.size()), status);
}

void FileDataImpl::brw_done(Brw &brw, Result<> r) noexcept
{
	// When the last page is told, this file may end.
	cfs_page *pages[kTellPages];
	bool write = brw.is_write();
	int status = cfs::to_rc(r);
	std::size_t n = brw.count();

	for (std::size_t i = 0; i < n;) {
		std::size_t k = 0;
		while (k < kTellPages && i < n)
			pages[k++] = brw.page(i++);
		if (write)
			pages_written({pages, k}, status);
		else
			pages_read({pages, k}, status);
	}
}

// ---- reading ----

void FileDataImpl::read_pages(u64 index, std::span<cfs_page *const> pages) noexcept
{
	auto m = map();
	while (!pages.empty()) {
		u64 offset = index << CFS_PAGE_SHIFT;
		Place p;
		p.until = kEof;
		if (m)
			p = m->at(offset);
		u64 room = (p.until - offset) >> CFS_PAGE_SHIFT;
		auto run = pages.first(std::min<u64>(room, pages.size()));
		pages = pages.subspan(run.size());
		index += run.size();
		if (!p.exists) {
			zero_pages(run);
			pages_read(run, 0);
		} else if (!m->stripes[p.slot].object) {
			pages_read(run, cfs::to_rc(IO));
		} else {
			read_run(*m, p, index - run.size(), run);
		}
	}
}

/// Pages that lie one behind the other in an object.
void FileDataImpl::read_run(FileMap &m, const Place &p, u64 index,
			    std::span<cfs_page *const> pages) noexcept
{
	Stripe &s = m.stripes[p.slot];
	OscObject &o = *s.object;
	u64 offset = p.offset;
	u32 most = o.osc().numbers().max_pages;

	while (!pages.empty()) {
		u64 until = o.covered_until(offset);
		u64 n = std::min<u64>({until > offset ? (until - offset) >> CFS_PAGE_SHIFT : 0,
				       pages.size(), most});
		ldlm::LockUse use;
		if (n)
			use = o.match(LockMode::LCK_PR, {offset, offset + n * CFS_PAGE_SIZE - 1, 0},
				      true);
		if (!use) {
			pages_read(pages.first(1), cfs::to_rc(AGAIN));
			pages = pages.subspan(1);
			offset += CFS_PAGE_SIZE;
			index++;
			continue;
		}
		// Under the lock the object has nothing behind its known size.
		u64 size = o.known_size();
		u64 data =
			size > offset ? (size - offset + CFS_PAGE_SIZE - 1) >> CFS_PAGE_SHIFT : 0;
		auto all = pages.first(n);
		auto full = all.first(std::min(data, n));
		auto holes = all.subspan(full.size());
		zero_pages(holes);
		if (!holes.empty())
			pages_read(holes, 0);
		if (!full.empty())
			send_read(s, std::move(use), offset, index, full);
		pages = pages.subspan(n);
		offset += n * CFS_PAGE_SIZE;
		index += n;
	}
}

void FileDataImpl::send_read(Stripe &s, ldlm::LockUse use, u64 offset, u64 index,
			     std::span<cfs_page *const> pages) noexcept
{
	auto made = Brw::make(s.object, false, OBD_BRW_READ | OBD_BRW_SYNC | user_flags(), ident(s),
			      *this);
	Result<> r = made ? Result<>{} : Result<>(cfs::fail(made.error()));
	for (std::size_t i = 0; r && i < pages.size(); i++)
		r = (*made)->add(pages[i], 0, CFS_PAGE_SIZE, offset + i * CFS_PAGE_SIZE);
	if (!r) {
		pages_read(pages, cfs::to_rc(r));
		return;
	}
	(*made)->use = std::move(use);
	(*made)->urgent = true;
	(*made)->file_index = index;
	s.object->osc().submit(std::move(*made));
}

unsigned FileDataImpl::readahead(u64 index, unsigned asked) noexcept
{
	auto m = map();
	if (!m)
		return asked; // zeroes
	u64 want = asked, got = 0;
	while (got < want) {
		u64 offset = (index + got) << CFS_PAGE_SHIFT;
		Place p = m->at(offset);
		u64 end = p.until;
		if (p.exists) {
			if (!m->stripes[p.slot].object)
				break;
			u64 until = m->stripes[p.slot].object->covered_until(p.offset);
			if (until <= p.offset)
				break;
			if (until != kEof)
				end = std::min(end, offset + (until - p.offset));
		}
		u64 n = (end - offset) >> CFS_PAGE_SHIFT;
		if (n == 0)
			break;
		got += n;
	}
	return static_cast<unsigned>(std::min(got, want));
}

// ---- writing ----

void FileDataImpl::write_pages(u64 index, std::span<cfs_page *const> pages, u64 size,
			       u32 flags) noexcept
{
	auto m = map();
	for (std::size_t i = 0; i < pages.size(); i++) {
		Place p = m ? m->at((index + i) << CFS_PAGE_SHIFT) : Place{};
		if (p.exists && m->stripes[p.slot].object)
			gather(*m, p, pages[i], size, flags);
		else
			pages_written(pages.subspan(i, 1), cfs::to_rc(IO));
	}
	// The kick that follows finds only the objects of another layout.
	if (m && map() != m)
		kick(*m);
}

void FileDataImpl::gather(FileMap &m, const Place &p, cfs_page *page, u64, u32 flags) noexcept
{
	Stripe &s = m.stripes[p.slot];
	OscObject &o = *s.object;
	u64 number = p.offset >> CFS_PAGE_SHIFT;
	u32 most = o.osc().numbers().max_pages;
	cfs::MutexGuard g(o.gather_lock);
	// The size that locks justify, not the inode's: a page never makes the object longer than
	// somebody has written.
	u64 size = o.known_size();
	u32 len = static_cast<u32>(size > p.offset ? std::min<u64>(size - p.offset, CFS_PAGE_SIZE)
						   : 0);
	if (len == 0) {
		o.make_clean(number);
		pages_written({&page, 1}, 0);
		return;
	}
	u32 how = (o.is_dirty(number) ? OBD_BRW_ASYNC | OBD_BRW_FROM_GRANT
				      : OBD_BRW_SYNC | OBD_BRW_WRITE) |
		  (flags & LUSTRE_WRITE_RECLAIM ? OBD_BRW_SOFT_SYNC : 0) | user_flags();
	if (o.gather && (o.gather->flags() != how || !o.gather->takes(p.offset, most)))
		o.osc().submit(std::move(o.gather));
	Result<> r;
	if (!o.gather) {
		auto made = Brw::make(s.object, true, how, ident(s), *this);
		if (made)
			o.gather = std::move(*made);
		else
			r = cfs::fail(made.error());
	}
	if (r)
		r = o.gather->add(page, 0, len, p.offset);
	if (!r) {
		// A write without a page would never be sent, and keep the object for ever.
		if (o.gather && o.gather->count() == 0)
			o.gather.reset();
		o.make_clean(number);
		pages_written({&page, 1}, cfs::to_rc(r));
		return;
	}
	(void)o.take_dirty(number, *o.gather);
	o.gather->urgent = o.gather->urgent || (flags & LUSTRE_WRITE_SYNC);
	if (o.gather->count() == most)
		o.osc().submit(std::move(o.gather));
}

void FileDataImpl::write_kick() noexcept
{
	if (auto m = map())
		kick(*m);
}

void FileDataImpl::kick(FileMap &m) noexcept
{
	for (Stripe &s : m.stripes) {
		if (!s.object)
			continue;
		cfs::MutexGuard g(s.object->gather_lock);
		if (s.object->gather && s.object->gather->count())
			s.object->osc().submit(std::move(s.object->gather));
	}
}

// ---- past the cache ----

Result<> FileDataImpl::direct_run(FileMap &m, const Place &p, bool write, bool server_locks,
				  std::span<const cfs_bvec> pieces, u64 file_pos,
				  BrwWait &wait) noexcept
{
	Stripe &s = m.stripes[p.slot];
	u32 flags = OBD_BRW_SYNC | user_flags() | (write ? OBD_BRW_WRITE : OBD_BRW_READ) |
		    OBD_BRW_NOCACHE | (server_locks ? OBD_BRW_SRVLOCK : 0);
	u32 most = s.object->osc().numbers().max_pages;
	u64 offset = p.offset;

	while (!pieces.empty()) {
		auto brw = TRY(Brw::make(s.object, write, flags, ident(s), wait));
		auto now = pieces.first(std::min<std::size_t>(most, pieces.size()));
		pieces = pieces.subspan(now.size());
		brw->file_index = file_pos;
		brw->urgent = true;
		for (const cfs_bvec &v : now) {
			TRY(brw->add(v.page, v.offset, v.len, offset));
			offset += v.len;
			file_pos += v.len;
		}
		if (!server_locks && !write)
			brw->use = s.object->match(LockMode::LCK_PR,
						   {brw->first(), brw->end() - 1, 0}, true);
		wait.expect(*brw);
		s.object->osc().submit(std::move(brw));
	}
	return {};
}

Result<u64> FileDataImpl::direct_in(FileIo &io, bool write, u64 pos,
				    std::span<const cfs_bvec> pieces, u64 len) noexcept
{
	FileMap &m = *io.map;
	bool server_locks = true;
	for (const Stripe &s : m.stripes)
		if (s.object && s.part({pos, pos + len}))
			server_locks = server_locks && s.object->osc().numbers().server_locks;
	if (!server_locks)
		TRY(lock_range(io, {pos, pos + len}, write ? LockMode::LCK_PW : LockMode::LCK_PR, 0,
			       false));
	BrwWait wait;
	Result<> r;
	u64 at = pos;
	while (r && !pieces.empty()) {
		Place p = m.at(at);
		std::size_t n = 0;
		u64 bytes = 0;
		while (n < pieces.size() && at + bytes < p.until)
			bytes += pieces[n++].len;
		auto run = pieces.first(n);
		if (p.exists && m.stripes[p.slot].object) {
			r = direct_run(m, p, write, server_locks, run, at, wait);
		} else if (p.exists || write) {
			r = cfs::fail(IO);
		} else {
			for (const cfs_bvec &v : run)
				zero_pages({&v.page, 1});
		}
		if (r)
			at += bytes;
		pieces = pieces.subspan(n);
	}
	auto sent = wait.wait();
	u64 good = std::min(at, wait.good_until()) - pos;
	if (good == 0 && (!r || !sent))
		return cfs::fail(r ? sent.error() : r.error());
	if (write && good) {
		cfs::MutexGuard g(size_lock_);
		Place last = m.at(pos + good - 1);
		if (!server_locks && last.exists)
			m.stripes[last.slot].object->grow_to(last.offset + 1);
		if (pos + good > inode_size())
			set_inode_size(pos + good);
	}
	return good;
}

Result<u64> FileDataImpl::direct_io(bool write, u64 pos, std::span<const cfs_bvec> pieces,
				    u64 len) noexcept
{
	u64 sum = 0, end = 0;
	for (std::size_t i = 0; i < pieces.size(); i++) {
		bool last = i + 1 == pieces.size();
		if (pieces[i].offset || (!last && pieces[i].len != CFS_PAGE_SIZE))
			return cfs::fail(INVAL);
		sum += pieces[i].len;
	}
	if (pos % CFS_PAGE_SIZE || sum != len || __builtin_add_overflow(pos, len, &end))
		return cfs::fail(INVAL);
	if (len == 0)
		return u64{0};
	FileIo io(*this, write ? LUSTRE_IO_WRITE : LUSTRE_IO_READ);
	if (write) {
		io.map = TRY(enter_for_write({pos, end}, false));
	} else {
		TRY(owner_.need_layout());
		io.map = TRY(enter());
	}
	Result<u64> out = u64{0};
	if (io.map && write) {
		u64 room = io.map->layout->end();
		out = pos >= room ? Result<u64>(cfs::fail(NODATA))
				  : direct_in(io, write, pos, pieces, len);
	} else if (io.map) {
		auto a = glimpse(*io.map, true);
		if (!a)
			out = cfs::fail(a.error());
		else if (pos < a->size)
			out = direct_in(io, write, pos, pieces, len);
		if (a && out)
			out = std::min(*out, a->size > pos ? a->size - pos : 0);
	}
	io.one.release();
	io.uses.clear();
	io.map.reset();
	leave();
	return out;
}

} // namespace client
