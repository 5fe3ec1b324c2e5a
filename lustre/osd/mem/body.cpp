// SPDX-License-Identifier: GPL-2.0
//
// Bodies of osd/mem, and bulk transfers.
#include <algorithm>
#include <cstring>

#include "libcfs/fail.hpp"
#include "lustre/osd/mem/device.hpp"

namespace osd::mem
{

using namespace cfs::err;
using cfs::fail;
using cfs::Result;

namespace
{

Result<> check_end(const DeviceInfo &info, std::uint64_t offset, std::uint64_t bytes) noexcept
{
	std::uint64_t end = 0;
	if (__builtin_add_overflow(offset, bytes, &end) || end > info.object_max)
		return fail(FBIG);
	return {};
}

/// Whether a block holds data: an unwritten one does not.
bool has_data(const Inode &i, std::uint64_t n)
{
	auto at = i.pages.find(n);
	return at != i.pages.end() && !at->second->unwritten;
}

} // namespace

// ---- through the journal ----

Result<std::size_t> MemBody::read(std::uint64_t offset, cfs::MutBytes to) noexcept
{
	if (cfs::fail_check(kFailRead))
		return fail(IO);
	return o_.with([&](Inode &i) -> Result<std::size_t> {
		return o_.mem().image().read(i, offset, to);
	});
}

Result<> MemBody::declare_write(Transaction &tx, std::uint64_t offset, std::size_t bytes) noexcept
{
	if (offset != kEof)
		TRY(check_end(o_.mem().info(), offset, bytes));
	return mem_tx(tx).declare(o_, Op::write, offset, bytes);
}

Result<> MemBody::write(Transaction &tx, std::uint64_t offset, cfs::Bytes from) noexcept
{
	TRY(check_end(o_.mem().info(), offset, from.size()));
	if (cfs::fail_check(kFailMapblkEnospc))
		return fail(NOSPC);
	return o_.change(
		tx, Op::write,
		[&](Image &image, std::uint64_t g, Inode &i) -> Result<> {
			if (i.type() != kTypeFile)
				return fail(i.type() == kTypeDir ? ISDIR : INVAL);
			return image.write(g, i, offset, from);
		},
		offset, from.size());
}

Result<> MemBody::declare_punch(Transaction &tx, std::uint64_t start, std::uint64_t end) noexcept
{
	if (start >= end)
		return fail(INVAL);
	TRY(check_end(o_.mem().info(), start, 0));
	return mem_tx(tx).declare_locked(o_, Op::punch, true);
}

Result<> MemBody::punch(Transaction &tx, std::uint64_t start, std::uint64_t end) noexcept
{
	if (start >= end)
		return fail(INVAL);
	TRY(check_end(o_.mem().info(), start, 0));
	return o_.change(tx, Op::punch, [=](Image &image, std::uint64_t g, Inode &i) -> Result<> {
		image.punch(g, i, start, end);
		if (end == kEof)
			image.set_size(g, i, start);
		return {};
	});
}

Result<> MemBody::declare_fallocate(Transaction &tx, std::uint32_t mode, std::uint64_t start,
				    std::uint64_t end) noexcept
{
	if (mode & ~(kFallocKeepSize | kFallocPunchHole | kFallocZeroRange) ||
	    ((mode & kFallocPunchHole) && (mode & kFallocZeroRange)))
		return fail(OPNOTSUPP);
	if (start >= end)
		return fail(INVAL);
	TRY(check_end(o_.mem().info(), end, 0));
	return mem_tx(tx).declare_locked(o_, Op::fallocate, true);
}

Result<> MemBody::fallocate(Transaction &tx, std::uint32_t mode, std::uint64_t start,
			    std::uint64_t end) noexcept
{
	if (!(mode & kFallocPunchHole) && cfs::fail_check(kFailMapblkEnospc))
		return fail(NOSPC);
	return o_.change(tx, Op::fallocate,
			 [=](Image &image, std::uint64_t g, Inode &i) -> Result<> {
				 if (mode & kFallocPunchHole) {
					 image.punch(g, i, start, end);
					 return {};
				 }
				 TRY(mode & kFallocZeroRange ? image.zero(g, i, start, end)
							     : image.allocate(g, i, start, end));
				 if (!(mode & kFallocKeepSize) && end > i.attr.size)
					 image.set_size(g, i, end);
				 return {};
			 });
}

// ---- where the data is ----

Result<std::uint64_t> MemBody::seek_data(std::uint64_t offset) noexcept
{
	return o_.with([&](Inode &i) -> Result<std::uint64_t> {
		if (offset >= i.attr.size)
			return fail(NXIO);
		for (auto at = i.pages.lower_bound(offset / kPage); at != i.pages.end(); ++at) {
			if (at->first * kPage >= i.attr.size)
				break;
			if (!at->second->unwritten)
				return std::max(offset, at->first * kPage);
		}
		return fail(NXIO);
	});
}

Result<std::uint64_t> MemBody::seek_hole(std::uint64_t offset) noexcept
{
	return o_.with([&](Inode &i) -> Result<std::uint64_t> {
		if (offset >= i.attr.size)
			return fail(NXIO);
		std::uint64_t n = offset / kPage;
		while (n * kPage < i.attr.size && has_data(i, n))
			n++;
		return std::min(std::max(offset, n * kPage), i.attr.size);
	});
}

Result<std::size_t> MemBody::fiemap(std::uint64_t start, std::uint64_t length,
				    std::span<Extent> out) noexcept
{
	std::uint64_t end = 0;
	if (__builtin_add_overflow(start, length, &end))
		end = kEof;
	return o_.with([&](Inode &i) -> Result<std::size_t> {
		std::size_t n = 0;
		auto at = i.pages.begin();
		while (at != i.pages.end() && (out.empty() || n < out.size())) {
			// One extent: adjacent pages of one kind.
			Extent e;
			e.logical = at->first * kPage;
			e.flags = at->second->unwritten ? kExtentUnwritten : 0;
			bool unwritten = at->second->unwritten;
			std::uint64_t next = at->first;
			while (at != i.pages.end() && at->first == next &&
			       at->second->unwritten == unwritten) {
				next++;
				++at;
			}
			e.length = next * kPage - e.logical;
			e.physical = e.logical + (i.fid.oid.get() + std::uint64_t{1}) * (1 << 30);
			if (at == i.pages.end())
				e.flags |= kExtentLast;
			if (e.logical >= end)
				break;
			if (e.logical + e.length <= start)
				continue;
			if (!out.empty())
				out[n] = e;
			n++;
		}
		return n;
	});
}

// ---- bulk ----

namespace
{

class MemBulk final : public BulkIo
{
	MemObject &object_; // with a reference
	cfs::Array<cfs_bvec> vecs_;
	cfs::Array<BulkPiece> pieces_;
	std::size_t done_ = 0;
	bool restarted_ = false;

public:
	static constexpr cfs_subsys kSubsys = CFS_S_OSD;

	explicit MemBulk(MemObject &o) noexcept : object_(o) { o.get(); }

	Result<> make(std::span<const BulkRange> ranges, std::size_t pages) noexcept
	{
		vecs_ = TRY(cfs::Array<cfs_bvec>::make(kSubsys, pages));
		pieces_ = TRY(cfs::Array<BulkPiece>::make(kSubsys, pages));
		std::size_t n = 0;
		for (std::size_t r = 0; r < ranges.size(); r++) {
			std::uint64_t at = ranges[r].offset;
			std::uint64_t end = at + ranges[r].length;
			while (at < end) {
				auto in_page = static_cast<std::uint32_t>(at % kPage);
				auto part = static_cast<std::uint32_t>(
					std::min<std::uint64_t>(end - at, kPage - in_page));
				vecs_[n].page = cfs_page_alloc(kSubsys, CFS_ALLOC_DEFAULT);
				if (!vecs_[n].page)
					return fail(NOMEM);
				vecs_[n].offset = in_page;
				vecs_[n].len = part;
				pieces_[n].offset = at;
				pieces_[n].length = part;
				pieces_[n].range = static_cast<std::uint16_t>(r);
				pieces_[n].granted = ranges[r].granted;
				n++;
				at += part;
			}
		}
		return {};
	}

	std::span<cfs_bvec> vecs() noexcept override { return vecs_; }
	std::span<BulkPiece> pieces() noexcept override { return pieces_; }
	[[nodiscard]] std::size_t done() const noexcept override { return done_; }
	[[nodiscard]] QuotaMask over_quota() const noexcept override { return 0; }

	Result<std::uint64_t> read_prep() noexcept override;
	Result<> write_prep() noexcept override;
	Result<> declare_write_commit(Transaction &tx) noexcept override
	{
		return mem_tx(tx).declare_locked(object_, Op::bulk_write, false);
	}
	Result<> write_commit(Transaction &tx) noexcept override;

	void destroy() noexcept override
	{
		for (cfs_bvec &v : vecs_)
			if (v.page)
				cfs_page_free(kSubsys, v.page);
		object_.put();
		this->~MemBulk();
		cfs_free(kSubsys, this, sizeof(*this));
	}

private:
	Result<> write_piece(Image &image, std::uint64_t g, Inode &i, std::size_t n,
			     const std::byte *from) noexcept;
};

Result<std::uint64_t> MemBulk::read_prep() noexcept
{
	const MountOptions &o = object_.mem().options();
	object_.mem().take_time(o.io_min, o.io_max);
	if (cfs::fail_check(kFailRead))
		return fail(IO);
	std::uint64_t total = 0;
	bool ended = false;
	for (std::size_t n = 0; n < pieces_.size(); n++) {
		auto *to = static_cast<std::byte *>(cfs_page_map(vecs_[n].page)) + vecs_[n].offset;
		BulkPiece &p = pieces_[n];
		auto r = object_.with([&](Inode &i) -> Result<> {
			std::size_t got = object_.mem().image().read(i, p.offset, {to, p.length});
			std::memset(to + got, 0, p.length - got);
			ended = ended || got == 0;
			return {};
		});
		cfs_page_unmap(to - vecs_[n].offset);
		TRY(r);
		p.got = ended ? 0 : p.length;
		total += p.got;
	}
	return total;
}

Result<> MemBulk::write_prep() noexcept
{
	// Pieces are written as they are: there is nothing to read for the rest of a block.
	return object_.with([this](Inode &i) -> Result<> {
		for (BulkPiece &p : pieces_)
			p.mapped = i.pages.contains(p.offset / kPage);
		return {};
	});
}

Result<> MemBulk::write_piece(Image &image, std::uint64_t g, Inode &i, std::size_t n,
			      const std::byte *from) noexcept
{
	BulkPiece &p = pieces_[n];
	if (i.type() != kTypeFile)
		return fail(INVAL);
	auto r = image.write_bulk(g, i, p.offset, {from, p.length});
	if (!r) {
		p.status = r.error();
		return {};
	}
	if (p.offset + p.length > i.attr.size)
		image.set_size(g, i, p.offset + p.length);
	return {};
}

Result<> MemBulk::write_commit(Transaction &t) noexcept
{
	MemTx &tx = mem_tx(t);
	tx.use(object_, Op::bulk_write);
	TRY(object_.mem().writable());
	const MountOptions &o = object_.mem().options();
	object_.mem().take_time(o.io_min, o.io_max);
	if (cfs::fail_check(kFailBulkWrite))
		tx.data_failed(IO);
	for (; done_ < pieces_.size(); done_++) {
		if (done_ >= pieces_.size() / 2 && !restarted_ &&
		    cfs::fail_check(kFailBulkRestart)) {
			restarted_ = true;
			return fail(AGAIN);
		}
		BulkPiece &p = pieces_[done_];
		if (p.status != cfs::Errno{})
			continue;
		if (cfs::fail_check(kFailMapblkEnospc) && !p.mapped) {
			p.status = NOSPC;
			continue;
		}
		void *page = cfs_page_map(vecs_[done_].page);
		auto r = object_.with([&](Inode &i) {
			return write_piece(object_.mem().image(), tx.group(), i, done_,
					   static_cast<std::byte *>(page) + vecs_[done_].offset);
		});
		cfs_page_unmap(page);
		TRY(r);
	}
	return {};
}

} // namespace

Result<cfs::UniquePtr<BulkIo>> MemBody::bulk(std::span<const BulkRange> ranges,
					     Direction direction) noexcept
{
	std::uint64_t pages = 0;
	std::uint64_t end = 0;
	for (const BulkRange &r : ranges) {
		if (r.length == 0 || r.offset < end)
			return fail(INVAL);
		TRY(check_end(o_.mem().info(), r.offset, r.length));
		end = r.offset + r.length;
		pages += (end - 1) / kPage - r.offset / kPage + 1;
	}
	if (pages == 0 || pages > kBulkPiecesMax || ranges.size() > 0xffff)
		return fail(INVAL);
	auto io = TRY(cfs::try_make<MemBulk>(o_));
	TRY(io->make(ranges, pages));
	return cfs::UniquePtr<BulkIo>(std::move(io));
}

} // namespace osd::mem
