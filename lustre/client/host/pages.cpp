// SPDX-License-Identifier: GPL-2.0
//
// The page cache of the hosted VFS.
#include <cstring>

#include "client/host/vfs_impl.hpp"

namespace client::host
{

namespace
{

constexpr uint64_t kPage = CFS_PAGE_SIZE;
constexpr std::size_t kBatch = 256;

void wait_changed(vfs_inode &vi, auto cond) noexcept CFS_NO_TSA
{
	(void)vi.changed.wait(vi.lock, cfs::WaitMode::idle, cfs::Instant::never(), cond);
}

/// Waits until nobody has the page locked or writes it. Lock held.
void wait_free(vfs_inode &vi, uint64_t index, bool writing_too) noexcept CFS_NO_TSA
{
	wait_changed(vi, [&] {
		auto it = vi.pages.find(index);
		return it == vi.pages.end() ||
		       (!it->second.locked && !(writing_too && it->second.writing));
	});
}

/// A fresh page, locked. Lock held.
Page &add_page(vfs_inode &vi, uint64_t index) noexcept
{
	Page p;
	// Not ours to fail: the page cache is the kernel's.
	p.page = cfs_page_alloc(CFS_S_LLITE, CFS_ALLOC_ATOMIC | CFS_ALLOC_ZERO | CFS_ALLOC_NOFAULT);
	CFS_ASSERT(p.page);
	p.locked = true;
	vi.index_of[p.page] = index;
	return vi.pages.emplace(index, p).first->second;
}

void free_page(vfs_inode &vi, std::map<uint64_t, Page>::iterator it) noexcept
{
	vi.index_of.erase(it->second.page);
	cfs_page_free(CFS_S_LLITE, it->second.page);
	vi.pages.erase(it);
}

/// Locks a run of absent pages from index on. Lock held.
std::vector<cfs_page *> take_run(vfs_inode &vi, uint64_t index, uint64_t n) noexcept
{
	std::vector<cfs_page *> run;
	for (uint64_t k = 0; k < n && k < kBatch; k++) {
		if (vi.pages.contains(index + k))
			break;
		run.push_back(add_page(vi, index + k).page);
	}
	return run;
}

/// How many pages are worth asking for, from index on.
uint64_t wanted_run(vfs_inode &vi, lustre_open *o, uint64_t index, uint64_t last) noexcept
{
	uint64_t asked = last - index + 1;
	if (!o)
		return 1;
	uint64_t ahead = lustre_readahead(o, index, static_cast<unsigned>(asked));
	vi.lock.lock();
	uint64_t end = (vi.attr.size + kPage - 1) / kPage;
	vi.lock.unlock();
	uint64_t n = ahead ? ahead : 1;
	return index < end && n > end - index ? end - index : n;
}

/// Makes a page readable; it may be gone again at the return.
cfs::Result<> bring(vfs_inode &vi, lustre_open *o, uint64_t index,
		    uint64_t last) noexcept CFS_NO_TSA
{
	uint64_t n = wanted_run(vi, o, index, last);
	std::vector<cfs_page *> run;
	{
		cfs::SpinGuard g(vi.lock);
		wait_free(vi, index, false);
		if (vi.pages.contains(index))
			return {};
		run = take_run(vi, index, n);
	}
	lustre_read_pages(vi.core, index, run.data(), static_cast<unsigned>(run.size()));
	cfs::SpinGuard g(vi.lock);
	wait_free(vi, index, false);
	auto it = vi.pages.find(index);
	if (it == vi.pages.end() || it->second.uptodate)
		return {};
	int error = it->second.error;
	free_page(vi, it);
	return cfs::fail(cfs::Errno{error ? -error : 5});
}

void copy_out(const Page &p, std::size_t at, cfs::MutBytes to) noexcept
{
	auto *mem = static_cast<std::byte *>(cfs_page_map(p.page));
	std::memcpy(to.data(), mem + at, to.size());
	cfs_page_unmap(mem);
}

void copy_in(const Page &p, std::size_t at, cfs::Bytes from) noexcept
{
	auto *mem = static_cast<std::byte *>(cfs_page_map(p.page));
	std::memcpy(mem + at, from.data(), from.size());
	cfs_page_unmap(mem);
}

} // namespace

cfs::Result<> read_through(vfs_inode &vi, lustre_open *o, uint64_t pos,
			   cfs::MutBytes to) noexcept CFS_NO_TSA
{
	uint64_t last = (pos + to.size() - 1) / kPage;
	while (!to.empty()) {
		uint64_t index = pos / kPage;
		std::size_t at = pos % kPage;
		std::size_t n = std::min<std::size_t>(to.size(), kPage - at);
		bool done = false;
		{
			cfs::SpinGuard g(vi.lock);
			wait_free(vi, index, false);
			auto it = vi.pages.find(index);
			done = it != vi.pages.end() && it->second.uptodate;
			if (done)
				copy_out(it->second, at, to.first(n));
			else if (it != vi.pages.end())
				free_page(vi, it); // an earlier read of it failed
		}
		if (!done) {
			TRY(bring(vi, o, index, last));
			continue;
		}
		to = to.subspan(n);
		pos += n;
	}
	return {};
}

namespace
{

/// The page of a write, locked, with what of it the write leaves alone.
cfs::Result<Page *> page_to_write(vfs_inode &vi, uint64_t index, std::size_t at,
				  std::size_t n) noexcept CFS_NO_TSA
{
	for (;;) {
		bool fill = false;
		cfs_page *page = nullptr;
		{
			cfs::SpinGuard g(vi.lock);
			wait_free(vi, index, true);
			auto it = vi.pages.find(index);
			if (it != vi.pages.end() && !it->second.uptodate) {
				free_page(vi, it);
				it = vi.pages.end();
			}
			if (it != vi.pages.end()) {
				it->second.locked = true;
				return &it->second;
			}
			Page &p = add_page(vi, index);
			fill = !(at == 0 && n == kPage) && index * kPage < vi.attr.size;
			if (!fill)
				return &p;
			page = p.page;
		}
		lustre_read_pages(vi.core, index, &page, 1);
		cfs::SpinGuard g(vi.lock);
		wait_free(vi, index, false);
		auto it = vi.pages.find(index);
		if (it != vi.pages.end() && !it->second.uptodate) {
			int error = it->second.error;
			free_page(vi, it);
			return cfs::fail(cfs::Errno{error ? -error : 5});
		}
	}
}

cfs::Result<> write_page(vfs_inode &vi, lustre_io *io, uint64_t index, std::size_t at,
			 cfs::Bytes from) noexcept CFS_NO_TSA
{
	Page *p = TRY(page_to_write(vi, index, at, from.size()));
	copy_in(*p, at, from);
	uint64_t end = index * kPage + at + from.size();
	vi.lock.lock();
	p->uptodate = true;
	uint64_t size = vi.attr.size;
	vi.lock.unlock();
	auto to = static_cast<unsigned>(at + from.size());
	int rc = lustre_page_dirty(io, index, static_cast<unsigned>(at), to);
	bool dirty = rc == 0;
	if (rc) {
		uint64_t whole = std::max(size, end) - index * kPage;
		rc = lustre_write_now(io, index, p->page,
				      static_cast<unsigned>(std::min(whole, kPage)));
	}
	bool grown = rc == 0 && end > size;
	vi.lock.lock();
	if (dirty)
		p->dirty = p->claimed = true;
	if (grown)
		vi.attr.size = end;
	vi.lock.unlock();
	if (grown)
		lustre_size_grown(io, end);
	cfs::SpinGuard g(vi.lock);
	p->locked = false;
	vi.changed.wake_all();
	return cfs::to_result(rc);
}

} // namespace

cfs::Result<> write_through(vfs_inode &vi, lustre_io *io, uint64_t pos, cfs::Bytes from) noexcept
{
	while (!from.empty()) {
		std::size_t at = pos % kPage;
		std::size_t n = std::min<std::size_t>(from.size(), kPage - at);
		TRY(write_page(vi, io, pos / kPage, at, from.first(n)));
		from = from.subspan(n);
		pos += n;
	}
	return {};
}

cfs::Result<> take_sync_error(vfs_inode &vi) noexcept
{
	cfs::SpinGuard g(vi.lock);
	return cfs::to_result(std::exchange(vi.sync_error, 0));
}

namespace
{

/// The next run of dirty pages, taken for writing. Lock held.
std::vector<cfs_page *> dirty_run(vfs_inode &vi, uint64_t &first, uint64_t last) noexcept CFS_NO_TSA
{
	std::vector<cfs_page *> run;
	uint64_t index = first;
	for (;;) {
		auto it = vi.pages.lower_bound(index);
		while (it != vi.pages.end() && it->first <= last && !it->second.dirty)
			++it;
		if (it == vi.pages.end() || it->first > last ||
		    (!run.empty() && it->first != index) || run.size() == kBatch)
			return run;
		index = it->first;
		if (it->second.locked || it->second.writing) {
			if (!run.empty())
				return run;
			wait_free(vi, index, true);
			continue;
		}
		if (run.empty())
			first = index;
		it->second.dirty = false;
		it->second.writing = true;
		run.push_back(it->second.page);
		index++;
	}
}

} // namespace

} // namespace client::host

// ---- what the core calls ----

using namespace client::host;

void vfs_pages_read(vfs_inode *vi, cfs_page *const *pages, unsigned int n, int status) noexcept
{
	cfs::SpinGuard g(vi->lock);
	for (unsigned k = 0; k < n; k++) {
		Page &p = vi->pages.at(vi->index_of.at(pages[k]));
		p.uptodate = status == 0;
		p.error = status;
		p.locked = false;
	}
	vi->changed.wake_all();
}

void vfs_pages_written(vfs_inode *vi, cfs_page *const *pages, unsigned int n, int status) noexcept
{
	cfs::SpinGuard g(vi->lock);
	for (unsigned k = 0; k < n; k++) {
		Page &p = vi->pages.at(vi->index_of.at(pages[k]));
		p.writing = p.claimed = false;
	}
	if (status)
		vi->flush_error = vi->sync_error = status;
	vi->changed.wake_all();
}

bool vfs_page_next(vfs_inode *vi, uint64_t *index, uint64_t last, bool dirty) noexcept
{
	cfs::SpinGuard g(vi->lock);
	auto it = vi->pages.lower_bound(*index);
	while (it != vi->pages.end() && it->first <= last && dirty && !it->second.dirty)
		++it;
	if (it == vi->pages.end() || it->first > last)
		return false;
	*index = it->first;
	return true;
}

namespace
{

/// Hands the dirty pages of a range to the core.
void send_dirty(vfs_inode *vi, uint64_t at, uint64_t last) noexcept CFS_NO_TSA
{
	for (;;) {
		std::vector<cfs_page *> run;
		uint64_t size = 0;
		{
			cfs::SpinGuard g(vi->lock);
			run = dirty_run(*vi, at, last);
			size = vi->attr.size;
		}
		if (run.empty())
			break;
		lustre_write_pages(vi->core, at, run.data(), static_cast<unsigned>(run.size()),
				   size, LUSTRE_WRITE_SYNC);
		at += run.size();
	}
	if (vi->core && vi->is(kTypeFile))
		lustre_write_kick(vi->core);
}

} // namespace

void vfs_pages_send(vfs_inode *vi) noexcept
{
	send_dirty(vi, 0, ~uint64_t{0});
}

int vfs_pages_flush(vfs_inode *vi, uint64_t first, uint64_t last) noexcept CFS_NO_TSA
{
	send_dirty(vi, first, last);
	cfs::SpinGuard g(vi->lock);
	wait_changed(*vi, [&] {
		auto it = vi->pages.lower_bound(first);
		while (it != vi->pages.end() && it->first <= last && !it->second.writing)
			++it;
		return it == vi->pages.end() || it->first > last;
	});
	return std::exchange(vi->flush_error, 0);
}

void vfs_pages_drop(vfs_inode *vi, uint64_t first, uint64_t last) noexcept CFS_NO_TSA
{
	for (;;) {
		uint64_t index = 0;
		{
			cfs::SpinGuard g(vi->lock);
			auto it = vi->pages.lower_bound(first);
			if (it == vi->pages.end() || it->first > last)
				return;
			index = it->first;
			wait_free(*vi, index, true);
			it = vi->pages.find(index);
			if (it == vi->pages.end())
				continue;
			bool claimed = it->second.claimed;
			free_page(*vi, it);
			vi->changed.wake_all();
			first = index + 1;
			if (!claimed)
				continue;
		}
		lustre_page_clean(vi->core, index);
	}
}

void vfs_pages_truncate(vfs_inode *vi, uint64_t size) noexcept CFS_NO_TSA
{
	{
		cfs::SpinGuard g(vi->lock);
		vi->attr.size = size;
	}
	vfs_pages_drop(vi, (size + kPage - 1) / kPage, ~uint64_t{0});
	std::size_t at = size % kPage;
	if (at == 0)
		return;
	cfs::SpinGuard g(vi->lock);
	wait_free(*vi, size / kPage, true);
	auto it = vi->pages.find(size / kPage);
	if (it == vi->pages.end())
		return;
	auto *mem = static_cast<std::byte *>(cfs_page_map(it->second.page));
	std::memset(mem + at, 0, kPage - at);
	cfs_page_unmap(mem);
}
