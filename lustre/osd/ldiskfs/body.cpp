// SPDX-License-Identifier: GPL-2.0
//
// Bodies. What a server writes itself goes through the journal, in the device's buffers, and marks
// the file as one with journalled data; bulk data (bulk.cpp) goes past every cache. The mark tells
// which way a file is read and how the rest of a cut block is zeroed. ext4's page cache is never
// used: that is why blocks are freed by a function that leaves it alone.
//
// Invariant: what is in a block behind the end of the file is zero.

#include <algorithm>
#include <cstring>

#include "bulk.hpp"
#include "libcfs/log.hpp"
#include "object.hpp"

namespace osd::ldiskfs
{

using namespace cfs::err;
using cfs::Bytes;
using cfs::fail;
using cfs::MutBytes;
using cfs::Result;
using cfs::to_result;

namespace
{

/// Blocks that writing one block can change: itself, bitmap, group, extents.
constexpr unsigned kBlockCredits = 5;
constexpr unsigned kWriteCredits = 3;
/// Blocks that one call of fallocate() takes from a transaction at a time.
constexpr std::uint32_t kAllocateAtOnce = 32768;
constexpr unsigned kAllocateCredits = 40;

bool journalled(ldi_inode *i) noexcept
{
	ldi_attr a;
	ldi_attr_get(i, &a);
	return a.flags & wire::LUSTRE_JOURNAL_DATA_FL;
}

void set_size(ldi_inode *i, std::uint64_t size) noexcept
{
	ldi_attr a{};
	a.size = size;
	ldi_attr_set(i, &a, LDI_SIZE);
}

/// A buffer of the journal, for a scope.
class Buffer
{
	ldi_buf *b_ = nullptr;

public:
	~Buffer()
	{
		if (b_)
			ldi_release(b_);
	}
	Buffer() = default;
	Buffer(const Buffer &) = delete;
	Buffer &operator=(const Buffer &) = delete;
	ldi_buf **out() noexcept { return &b_; }
	[[nodiscard]] ldi_buf *get() const noexcept { return b_; }
	[[nodiscard]] std::byte *data() const noexcept
	{
		return static_cast<std::byte *>(ldi_data(b_));
	}
};

/// A page of our own, for a scope.
class Page
{
	cfs_page *p_ = nullptr;

public:
	~Page()
	{
		if (p_)
			cfs_page_free(CFS_S_OSD, p_);
	}
	Page() = default;
	Page(const Page &) = delete;
	Page &operator=(const Page &) = delete;
	Result<> make() noexcept
	{
		p_ = cfs_page_alloc(CFS_S_OSD, CFS_ALLOC_ZERO);
		return p_ ? Result<>() : fail(NOMEM);
	}
	[[nodiscard]] cfs_page *get() const noexcept { return p_; }
};

Result<> transfer(ldi_fs *fs, bool write, cfs_page *page, std::uint32_t bytes,
		  std::uint64_t disk_byte) noexcept
{
	ldi_io *io = ldi_io_begin(fs, write);
	if (!io)
		return fail(NOMEM);
	int added = ldi_io_add(io, page, 0, bytes, disk_byte);
	int waited = ldi_io_wait(io);
	return to_result(added ? added : waited);
}

} // namespace

// ---- reading ----

Result<> BodyFacet::read_journalled(ldi_inode *i, std::uint64_t offset, MutBytes to) noexcept
{
	std::uint32_t bs = o_.dev().fs_info().block_size;
	while (!to.empty()) {
		std::uint32_t in = static_cast<std::uint32_t>(offset % bs);
		std::size_t n = std::min<std::size_t>(to.size(), bs - in);
		Buffer b;
		TRY(to_result(ldi_read_block(i, static_cast<std::uint32_t>(offset / bs), b.out())));
		if (b.get())
			memcpy(to.data(), b.data() + in, n);
		else
			memset(to.data(), 0, n);
		to = to.subspan(n);
		offset += n;
	}
	return {};
}

Result<> BodyFacet::read_plain(ldi_inode *i, std::uint64_t offset, MutBytes to) noexcept
{
	std::uint32_t bs = o_.dev().fs_info().block_size;
	Page page;
	TRY(page.make());
	while (!to.empty()) {
		std::uint32_t in = static_cast<std::uint32_t>(offset % bs);
		std::size_t n = std::min<std::size_t>(to.size(), bs - in);
		ldi_map m{static_cast<std::uint32_t>(offset / bs), 1, 0, 0};
		TRY(to_result(ldi_map_blocks(nullptr, i, &m, 0)));
		if (m.state & LDI_MAPPED) {
			TRY(transfer(o_.dev().fs(), false, page.get(), bs, m.physical * bs));
			auto *p = static_cast<std::byte *>(cfs_page_map(page.get()));
			memcpy(to.data(), p + in, n);
			cfs_page_unmap(p);
		} else {
			memset(to.data(), 0, n);
		}
		to = to.subspan(n);
		offset += n;
	}
	return {};
}

Result<std::size_t> BodyFacet::read(std::uint64_t offset, MutBytes to) noexcept
{
	cfs::ReadGuard g(o_.content_lock());
	ldi_inode *i = TRY(o_.inode_locked());
	std::uint64_t size = ldi_size(i);
	if (offset >= size || to.empty())
		return std::size_t{0};
	to = to.first(std::min<std::uint64_t>(to.size(), size - offset));
	if (o_.type() == kTypeLink) {
		auto text = TRY(cfs::Array<char>::make(CFS_S_OSD, kSymlinkMax + 1));
		int n = ldi_get_symlink(i, text.data(), static_cast<unsigned>(text.size()));
		if (n < 0 || static_cast<std::uint64_t>(n) < offset + to.size())
			return fail(n < 0 ? cfs::Errno{-n} : UCLEAN);
		memcpy(to.data(), text.data() + offset, to.size());
		return to.size();
	}
	TRY(o_.dev().note(journalled(i) ? read_journalled(i, offset, to)
					: read_plain(i, offset, to)));
	return to.size();
}

// ---- writing ----

Result<> BodyFacet::declare_write(Transaction &t, std::uint64_t, std::size_t bytes) noexcept
{
	std::uint32_t bs = o_.dev().fs_info().block_size;
	auto blocks = static_cast<unsigned>((bytes + bs - 1) / bs + 1);
	own(t).declare(kWriteCredits + blocks * kBlockCredits +
		       o_.dev().fs_info().quota_update_credits);
	return {};
}

Result<> BodyFacet::write_blocks(Tx &tx, ldi_inode *i, std::uint64_t offset, Bytes from) noexcept
{
	std::uint32_t bs = o_.dev().fs_info().block_size;
	while (!from.empty()) {
		std::uint32_t in = static_cast<std::uint32_t>(offset % bs);
		std::size_t n = std::min<std::size_t>(from.size(), bs - in);
		Buffer b;
		TRY(to_result(ldi_write_block(tx.handle(), i,
					      static_cast<std::uint32_t>(offset / bs), b.out())));
		memcpy(b.data() + in, from.data(), n);
		TRY(to_result(ldi_dirty_block(tx.handle(), i, b.get())));
		from = from.subspan(n);
		offset += n;
	}
	return {};
}

Result<> BodyFacet::write(Transaction &t, std::uint64_t offset, Bytes from) noexcept
{
	Tx &tx = own(t);
	if (o_.exists() && o_.type() != kTypeFile)
		return fail(INVAL);
	if (offset > o_.dev().info().object_max ||
	    from.size() > o_.dev().info().object_max - offset)
		return fail(FBIG);
	cfs::WriteGuard g(o_.content_lock());
	ldi_inode *i = TRY(o_.inode_locked());
	if (from.empty())
		return {};
	if (!journalled(i))
		TRY(to_result(ldi_set_flags(tx.handle(), i, wire::LUSTRE_JOURNAL_DATA_FL, 0)));
	TRY(o_.dev().note(write_blocks(tx, i, offset, from)));
	if (offset + from.size() > ldi_size(i))
		set_size(i, offset + from.size());
	return o_.dev().note(to_result(ldi_dirty(tx.handle(), i)));
}

// ---- punching ----

/// Zeroes a part of one block, if there is such a block.
Result<> BodyFacet::zero_in_block(Tx &tx, ldi_inode *i, std::uint64_t start,
				  std::uint64_t end) noexcept
{
	std::uint32_t bs = o_.dev().fs_info().block_size;
	ldi_map m{static_cast<std::uint32_t>(start / bs), 1, 0, 0};
	TRY(to_result(ldi_map_blocks(nullptr, i, &m, 0)));
	if (start >= end || !(m.state & LDI_MAPPED))
		return {};
	if (journalled(i)) {
		Buffer b;
		TRY(to_result(ldi_write_block(tx.handle(), i, m.logical, b.out())));
		memset(b.data() + start % bs, 0, end - start);
		return to_result(ldi_dirty_block(tx.handle(), i, b.get()));
	}
	Page page;
	TRY(page.make());
	TRY(transfer(o_.dev().fs(), false, page.get(), bs, m.physical * bs));
	auto *p = static_cast<std::byte *>(cfs_page_map(page.get()));
	memset(p + start % bs, 0, end - start);
	cfs_page_unmap(p);
	return transfer(o_.dev().fs(), true, page.get(), bs, m.physical * bs);
}

/// Zeroes what of [start, end) lies in blocks that stay.
Result<> BodyFacet::zero_edges(Tx &tx, ldi_inode *i, std::uint64_t start,
			       std::uint64_t end) noexcept
{
	std::uint32_t bs = o_.dev().fs_info().block_size;
	std::uint64_t size = ldi_size(i);
	if (start >= size)
		return {};
	std::uint64_t first = (start + bs - 1) / bs * bs; // whole blocks from here
	std::uint64_t last = end / bs * bs;		  // to here
	if (start % bs)
		TRY(zero_in_block(tx, i, start, std::min(end, first)));
	if (end % bs && last >= first && last < size)
		TRY(zero_in_block(tx, i, last, end));
	return {};
}

Result<> BodyFacet::declare_punch(Transaction &t, std::uint64_t start, std::uint64_t end) noexcept
{
	Tx &tx = own(t);
	if (start >= end)
		return fail(INVAL);
	tx.declare(4 + 2 * kBlockCredits);
	TRY(tx.declare_free());
	return tx.hold_body(o_, true);
}

Result<> BodyFacet::punch(Transaction &t, std::uint64_t start, std::uint64_t end) noexcept
{
	Tx &tx = own(t);
	std::uint32_t bs = o_.dev().fs_info().block_size;
	if (start >= end || (o_.exists() && o_.type() != kTypeFile))
		return fail(INVAL);
	if (start > o_.dev().info().object_max)
		return fail(FBIG);
	cfs::WriteGuard g(o_.content_lock());
	ldi_inode *i = TRY(o_.inode_locked());
	TRY(o_.dev().note(zero_edges(tx, i, start, end)));
	auto first = static_cast<std::uint32_t>((start + bs - 1) / bs);
	if (end == kEof) {
		bool shrinks = start < ldi_size(i);
		set_size(i, start);
		TRY(o_.dev().note(to_result(ldi_dirty(tx.handle(), i))));
		if (!shrinks && !o_.allocated_behind())
			return {};
		TRY(o_.dev().note(to_result(ldi_orphan_add(tx.handle(), i))));
		o_.set_allocated_behind(false);
		tx.free_later(TRY(o_.share_locked()), first, 0, true);
		return {};
	}
	auto last = static_cast<std::uint32_t>(
		std::min<std::uint64_t>(end, o_.dev().info().object_max) / bs);
	if (first < last)
		tx.free_later(TRY(o_.share_locked()), first, last, false);
	return {};
}

// ---- allocating ----

Result<> BodyFacet::declare_fallocate(Transaction &t, std::uint32_t mode, std::uint64_t start,
				      std::uint64_t end) noexcept
{
	if (mode & ~(kFallocKeepSize | kFallocPunchHole))
		return fail(OPNOTSUPP);
	if (mode & kFallocPunchHole)
		return declare_punch(t, start, end);
	if (start >= end)
		return fail(INVAL);
	Tx &tx = own(t);
	tx.declare(2 * kAllocateCredits + o_.dev().fs_info().quota_update_credits);
	return tx.hold_body(o_, true);
}

Result<> BodyFacet::fallocate(Transaction &t, std::uint32_t mode, std::uint64_t start,
			      std::uint64_t end) noexcept
{
	Tx &tx = own(t);
	std::uint32_t bs = o_.dev().fs_info().block_size;
	if (mode & ~(kFallocKeepSize | kFallocPunchHole))
		return fail(OPNOTSUPP);
	if (start >= end)
		return fail(INVAL);
	if (mode & kFallocPunchHole)
		return end == kEof ? fail(INVAL) : punch(t, start, end);
	if (end > o_.dev().info().object_max)
		return fail(FBIG);
	cfs::WriteGuard g(o_.content_lock());
	ldi_inode *i = TRY(o_.inode_locked());
	std::uint64_t block = start / bs, stop = (end + bs - 1) / bs;
	while (block < stop) {
		if (!tx.room(kAllocateCredits))
			return fail(AGAIN);
		ldi_map m{static_cast<std::uint32_t>(block),
			  static_cast<std::uint32_t>(
				  std::min<std::uint64_t>(stop - block, kAllocateAtOnce)),
			  0, 0};
		TRY(o_.dev().note(
			to_result(ldi_map_blocks(tx.handle(), i, &m, LDI_CREATE_UNWRITTEN))));
		block += m.count;
	}
	if (end > ldi_size(i)) {
		if (mode & kFallocKeepSize)
			o_.set_allocated_behind(true);
		else
			set_size(i, end);
	}
	return o_.dev().note(to_result(ldi_dirty(tx.handle(), i)));
}

// ---- looking at blocks ----

Result<std::uint64_t> BodyFacet::seek(std::uint64_t offset, bool data) noexcept
{
	std::uint32_t bs = o_.dev().fs_info().block_size;
	cfs::ReadGuard g(o_.content_lock());
	ldi_inode *i = TRY(o_.inode_locked());
	std::uint64_t size = ldi_size(i), at = offset;
	if (offset >= size)
		return fail(NXIO);
	while (at < size) {
		ldi_map m{static_cast<std::uint32_t>(at / bs),
			  static_cast<std::uint32_t>((size - 1) / bs - at / bs + 1), 0, 0};
		TRY(to_result(ldi_map_blocks(nullptr, i, &m, 0)));
		if (bool(m.state & LDI_MAPPED) == data)
			return at;
		at = (at / bs + m.count) * bs;
	}
	return data ? Result<std::uint64_t>(fail(NXIO)) : Result<std::uint64_t>(size);
}

Result<std::size_t> BodyFacet::fiemap(std::uint64_t start, std::uint64_t length,
				      std::span<Extent> out) noexcept
{
	std::uint32_t bs = o_.dev().fs_info().block_size;
	cfs::ReadGuard g(o_.content_lock());
	ldi_inode *i = TRY(o_.inode_locked());
	std::uint64_t size = std::max<std::uint64_t>(ldi_size(i), o_.allocated_behind() ? kEof : 0);
	std::uint64_t stop = length > kEof - start ? kEof : start + length;
	std::uint64_t blocks = (std::min(size, o_.dev().info().object_max) + bs - 1) / bs;
	std::uint64_t last_wanted =
		std::min((std::min(stop, o_.dev().info().object_max) + bs - 1) / bs, blocks);
	std::size_t n = 0;
	bool more = false;
	for (std::uint64_t b = start / bs; b < blocks && !more;) {
		ldi_map m{static_cast<std::uint32_t>(b), static_cast<std::uint32_t>(blocks - b), 0,
			  0};
		TRY(to_result(ldi_map_blocks(nullptr, i, &m, 0)));
		if (m.state & (LDI_MAPPED | LDI_UNWRITTEN)) {
			// The first one behind the range only tells that the one before is not the
			// last.
			more = b >= last_wanted || (!out.empty() && n == out.size());
			if (!more && !out.empty())
				out[n] = {b * bs, m.physical * bs, std::uint64_t{m.count} * bs,
					  m.state & LDI_UNWRITTEN ? kExtentUnwritten : 0};
			n += !more;
		}
		b += m.count;
	}
	if (n && !more && !out.empty())
		out[n - 1].flags |= kExtentLast;
	return n;
}

} // namespace osd::ldiskfs
