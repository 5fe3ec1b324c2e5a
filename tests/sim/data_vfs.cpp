// SPDX-License-Identifier: GPL-2.0
//
// See data_vfs.hpp. A page is in the map from its making until it is dropped; who holds its lock
// bit may change everything but its place.
#include "tests/sim/data_vfs.hpp"

#include <algorithm>
#include <cstring>

using data_vfs::Page;
using data_vfs::u32;
using data_vfs::u64;
using data_vfs::u8;

namespace
{

constexpr u64 kPage = CFS_PAGE_SIZE;
constexpr u64 kLast = ~u64{0} / kPage;
constexpr std::size_t kBatch = 16;

bool wait(vfs_inode &vi, auto cond)
{
	return vi.waitq.wait(vi.lock, cfs::WaitMode::idle, cfs::Instant::never(), cond).has_value();
}

/// The page, locked; made when there is none and `make`. Null: there is none.
Page *lock_page(vfs_inode &vi, u64 index, bool make)
{
	for (;;) {
		auto it = vi.pages.find(index);
		if (it == vi.pages.end()) {
			if (!make)
				return nullptr;
			Page p;
			p.index = index;
			p.page = cfs_page_alloc(CFS_S_LLITE, CFS_ALLOC_ZERO);
			it = vi.pages.emplace(index, p).first;
		}
		if (!it->second.locked) {
			it->second.locked = true;
			return &it->second;
		}
		(void)wait(vi, [&] {
			auto now = vi.pages.find(index);
			return now == vi.pages.end() || !now->second.locked;
		});
	}
}

void unlock_page(vfs_inode &vi, Page &p)
{
	p.locked = false;
	vi.waitq.wake_all();
}

void drop_page(vfs_inode &vi, Page &p)
{
	cfs_page_free(CFS_S_LLITE, p.page);
	vi.pages.erase(p.index);
	vi.waitq.wake_all();
}

Page *page_of(vfs_inode &vi, cfs_page *page)
{
	for (auto &[i, p] : vi.pages)
		if (p.page == page)
			return &p;
	return nullptr;
}

/// Reads a locked page through the core; comes back locked. -EAGAIN: no lock covers it.
int fill(vfs_inode &vi, u64 index)
{
	cfs_page *page = vi.pages[index].page;
	vi.pages[index].error = 0;
	vi.lock.unlock();
	vi.data->read_pages(index, {&page, 1});
	vi.lock.lock();
	Page *p = lock_page(vi, index, false);
	if (!p)
		return -EAGAIN;
	if (p->uptodate)
		return 0;
	int rc = p->error ? p->error : -EIO;
	drop_page(vi, *p);
	return rc;
}

void copy_from(cfs_page *page, u64 from, std::span<u8> out)
{
	auto *at = static_cast<u8 *>(cfs_page_map(page));
	std::memcpy(out.data(), at + from, out.size());
	cfs_page_unmap(at);
}

void copy_to(cfs_page *page, u64 from, std::span<const u8> in)
{
	auto *at = static_cast<u8 *>(cfs_page_map(page));
	std::memcpy(at + from, in.data(), in.size());
	cfs_page_unmap(at);
}

/// Reads what is missing of [first, last] together, as look-ahead does.
void read_missing(vfs_inode &vi, u64 first, u64 last)
{
	for (u64 i = first; i <= last;) {
		std::vector<cfs_page *> run;
		u64 start = i;
		for (; i <= last && run.size() < kBatch; i++) {
			auto it = vi.pages.find(i);
			if (it != vi.pages.end())
				break;
			Page *p = lock_page(vi, i, true);
			run.push_back(p->page);
		}
		if (run.empty()) {
			i++;
			continue;
		}
		vi.lock.unlock();
		vi.data->read_pages(start, run);
		vi.lock.lock();
	}
}

} // namespace

vfs_inode::~vfs_inode()
{
	for (auto &[i, p] : pages)
		cfs_page_free(CFS_S_LLITE, p.page);
}

namespace data_vfs
{

namespace
{

cfs::Result<u64> read_piece(vfs_inode &vi, u64 pos, std::span<u8> out)
{
	u64 done = 0;
	cfs::MutexGuard g(vi.lock);
	read_missing(vi, pos / kPage, (pos + out.size() - 1) / kPage);
	while (done < out.size()) {
		u64 index = (pos + done) / kPage, in_page = (pos + done) % kPage;
		u64 n = std::min(kPage - in_page, out.size() - done);
		Page *p = lock_page(vi, index, true);
		if (p->uptodate) {
			vi.hits++;
		} else if (int rc = fill(vi, index)) {
			if (rc == -EAGAIN)
				continue;
			return cfs::fail(cfs::Errno{-rc});
		}
		copy_from(p->page, in_page, out.subspan(done, n));
		unlock_page(vi, *p);
		done += n;
	}
	return done;
}

cfs::Result<> write_page(vfs_inode &vi, lustre_io *io, u64 pos, std::span<const u8> in)
{
	u64 index = pos / kPage, from = pos % kPage, to = from + in.size();
	cfs::MutexGuard g(vi.lock);
	Page *p = nullptr;
	for (;;) {
		p = lock_page(vi, index, true);
		(void)wait(vi, [&] { return !p->writing; });
		if (p->uptodate || in.size() == kPage)
			break;
		if (index * kPage >= vi.attr.size) {
			auto *at = cfs_page_map(p->page);
			std::memset(at, 0, kPage);
			cfs_page_unmap(at);
			break;
		}
		if (int rc = fill(vi, index); rc == 0)
			break;
		else if (rc != -EAGAIN)
			return cfs::fail(cfs::Errno{-rc});
	}
	copy_to(p->page, from, in);
	p->uptodate = true;
	vi.lock.unlock();
	auto r = FileData::page_dirty(io, index, static_cast<unsigned>(from),
				      static_cast<unsigned>(to));
	bool claimed = r.has_value();
	if (!claimed) {
		u64 end = std::max(vi.attr.size, pos + in.size());
		r = FileData::write_now(
			io, index, p->page,
			static_cast<unsigned>(std::min(kPage, end - index * kPage)));
	}
	vi.lock.lock();
	p->dirty = p->dirty || claimed;
	if (r && pos + in.size() > vi.attr.size) {
		vi.attr.size = pos + in.size();
		vi.lock.unlock();
		FileData::size_grown(io, pos + in.size());
		vi.lock.lock();
	}
	vi.attr.mtime = cfs::real_seconds();
	unlock_page(vi, *p);
	return r;
}

cfs::Result<Appended> write_all(vfs_inode &vi, u64 pos, std::span<const u8> in, bool append)
{
	cfs::MutexGuard turn(vi.writers);
	Appended out;
	while (!in.empty()) {
		lustre_io_range got{};
		auto io = vi.data->io_begin(append ? LUSTRE_IO_APPEND : LUSTRE_IO_WRITE, pos,
					    in.size(), false, got);
		if (!io)
			return out.bytes ? cfs::Result<Appended>(out)
					 : cfs::Result<Appended>(cfs::fail(io.error()));
		if (out.bytes == 0)
			out.pos = got.pos;
		u64 at = got.pos, n = std::min<u64>(got.len, in.size());
		cfs::Result<> r;
		for (u64 done = 0; r && done < n;) {
			u64 k = std::min(kPage - (at + done) % kPage, n - done);
			r = write_page(vi, *io, at + done, in.subspan(done, k));
			done += r ? k : 0;
		}
		FileData::io_end(*io);
		if (!r)
			return cfs::fail(r.error());
		in = in.subspan(n);
		pos = at + n;
		out.bytes += n;
	}
	return out;
}

} // namespace

cfs::Result<u64> read(vfs_inode &vi, u64 pos, std::span<u8> out)
{
	u64 done = 0;
	while (done < out.size()) {
		lustre_io_range got{};
		auto io = TRY(vi.data->io_begin(LUSTRE_IO_READ, pos + done, out.size() - done,
						false, got));
		cfs::Result<u64> r = u64{0};
		u64 n = std::min<u64>(got.len, out.size() - done);
		if (n)
			r = read_piece(vi, pos + done, out.subspan(done, n));
		FileData::io_end(io);
		if (!r)
			return r;
		if (*r == 0)
			break;
		done += *r;
	}
	return done;
}

cfs::Result<u64> write(vfs_inode &vi, u64 pos, std::span<const u8> in, bool append)
{
	return TRY(write_all(vi, pos, in, append)).bytes;
}

cfs::Result<Appended> append(vfs_inode &vi, std::span<const u8> in)
{
	return write_all(vi, 0, in, true);
}

cfs::Result<> fsync(vfs_inode &vi)
{
	TRY(cfs::to_result(vfs_pages_flush(&vi, 0, kLast)));
	return vi.data->sync(0, ~u64{0});
}

void forget(vfs_inode &vi)
{
	(void)vfs_pages_flush(&vi, 0, kLast);
	vfs_pages_drop(&vi, 0, kLast);
}

} // namespace data_vfs

// ---- the boundary ----

void vfs_inode_attr(vfs_inode *vi, lustre_attr *out) noexcept
{
	*out = vi->attr;
}

void vfs_inode_update(vfs_inode *vi, const lustre_attr *attr, bool size_too) noexcept
{
	if (size_too && (attr->valid & LUSTRE_ATTR_SIZE))
		vi->attr.size = attr->size;
}

void vfs_pages_read(vfs_inode *vi, cfs_page *const *pages, unsigned n, int status) noexcept
{
	cfs::MutexGuard g(vi->lock);
	for (unsigned i = 0; i < n; i++) {
		Page *p = page_of(*vi, pages[i]);
		CFS_ASSERT(p && p->locked && !p->uptodate);
		p->uptodate = status == 0;
		p->error = status;
		unlock_page(*vi, *p);
	}
}

void vfs_pages_written(vfs_inode *vi, cfs_page *const *pages, unsigned n, int status) noexcept
{
	cfs::MutexGuard g(vi->lock);
	for (unsigned i = 0; i < n; i++) {
		Page *p = page_of(*vi, pages[i]);
		CFS_ASSERT(p && p->writing);
		p->writing = false;
	}
	if (status)
		vi->write_error = status;
	vi->waitq.wake_all();
}

bool vfs_page_next(vfs_inode *vi, uint64_t *index, uint64_t last, bool dirty) noexcept
{
	cfs::MutexGuard g(vi->lock);
	for (auto it = vi->pages.lower_bound(*index); it != vi->pages.end(); ++it) {
		if (it->first > last)
			return false;
		if (dirty && !it->second.dirty)
			continue;
		*index = it->first;
		return true;
	}
	return false;
}

namespace
{

/// Hands the dirty pages of a range to the core. The lock is held, and let go meanwhile.
void send_dirty(vfs_inode *vi, u64 at, u64 last)
{
	std::vector<cfs_page *> run;
	u64 start = 0;
	auto send = [&] {
		if (run.empty())
			return;
		u64 size = vi->attr.size;
		vi->lock.unlock();
		vi->data->write_pages(start, run, size, LUSTRE_WRITE_SYNC);
		vi->lock.lock();
		run.clear();
	};
	for (;;) {
		auto it = vi->pages.lower_bound(at);
		while (it != vi->pages.end() && !it->second.dirty)
			++it;
		if (it == vi->pages.end() || it->first > last)
			break;
		at = it->first;
		Page *p = lock_page(*vi, at, false);
		if (p && p->dirty) {
			(void)wait(*vi, [&] { return !p->writing; });
			if (!run.empty() && (run.size() == kBatch || start + run.size() != at))
				send();
			if (run.empty())
				start = at;
			p->dirty = false;
			p->writing = true;
			run.push_back(p->page);
		}
		if (p)
			unlock_page(*vi, *p);
		if (at == last)
			break;
		at++;
	}
	send();
	vi->lock.unlock();
	vi->data->write_kick();
	vi->lock.lock();
}

} // namespace

void vfs_pages_send(vfs_inode *vi) noexcept
{
	cfs::MutexGuard g(vi->lock);
	send_dirty(vi, 0, kLast);
}

int vfs_pages_flush(vfs_inode *vi, uint64_t first, uint64_t last) noexcept
{
	cfs::MutexGuard g(vi->lock);
	send_dirty(vi, first, last);
	(void)wait(*vi, [&] {
		for (auto it = vi->pages.lower_bound(first);
		     it != vi->pages.end() && it->first <= last; ++it)
			if (it->second.writing)
				return false;
		return true;
	});
	return std::exchange(vi->write_error, 0);
}

void vfs_pages_drop(vfs_inode *vi, uint64_t first, uint64_t last) noexcept
{
	cfs::MutexGuard g(vi->lock);
	for (u64 at = first;;) {
		auto it = vi->pages.lower_bound(at);
		if (it == vi->pages.end() || it->first > last)
			return;
		at = it->first;
		Page *p = lock_page(*vi, at, false);
		if (!p)
			continue;
		(void)wait(*vi, [&] { return !p->writing; });
		if (p->dirty) {
			vi->lock.unlock();
			vi->data->page_clean(at);
			vi->lock.lock();
		}
		drop_page(*vi, *p);
	}
}

void vfs_pages_truncate(vfs_inode *vi, uint64_t size) noexcept
{
	{
		cfs::MutexGuard g(vi->lock);
		vi->attr.size = size;
		Page *p = size % kPage ? lock_page(*vi, size / kPage, false) : nullptr;
		if (p) {
			(void)wait(*vi, [&] { return !p->writing; });
			auto *at = static_cast<u8 *>(cfs_page_map(p->page));
			std::memset(at + size % kPage, 0, kPage - size % kPage);
			cfs_page_unmap(at);
			unlock_page(*vi, *p);
		}
	}
	vfs_pages_drop(vi, (size + kPage - 1) / kPage, kLast);
}

void vfs_cred(lustre_cred *out) noexcept
{
	*out = {};
}
