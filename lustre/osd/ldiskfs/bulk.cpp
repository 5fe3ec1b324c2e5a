// SPDX-License-Identifier: GPL-2.0

#include "bulk.hpp"

#include <algorithm>
#include <cstring>

#include "libcfs/log.hpp"
#include "object.hpp"

namespace osd::ldiskfs
{

using namespace cfs::err;
using cfs::Errno;
using cfs::fail;
using cfs::Result;
using cfs::to_result;

namespace
{

constexpr std::uint32_t kPage = CFS_PAGE_SIZE;
/// Credits asked for beyond what one run of blocks takes: the inode and its quota.
constexpr unsigned kCommitCredits = 4;
/// At most this part of a transaction is declared for one transfer; the rest goes in others.
constexpr unsigned kDeclareShare = 2;
/// Blocks mapped at once; 8 MiB of 4 KiB blocks.
constexpr std::uint64_t kRunMost = 2048;

} // namespace

BulkImpl::BulkImpl(cfs::RefPtr<ObjectImpl> o, InodeRef inode, Body::Direction direction) noexcept
    : o_(std::move(o)), inode_(std::move(inode)), direction_(direction)
{
}

BulkImpl::~BulkImpl()
{
	if (in_tx)
		in_tx->remove_bulk(*this);
	(void)wait();
	for (std::size_t i = 0; i < slots_used_; i++)
		cfs_page_free(kSubsys, slots_[i].page);
}

void BulkImpl::destroy() noexcept
{
	this->~BulkImpl();
	cfs_free(kSubsys, this, sizeof(*this));
}

Result<> BulkImpl::wait() noexcept
{
	ldi_io *io = std::exchange(io_, nullptr);
	return io ? to_result(ldi_io_wait(io)) : Result<>();
}

std::uint32_t BulkImpl::block_bytes() const noexcept
{
	return o_->dev().fs_info().block_size;
}

unsigned BulkImpl::blocks_per_page() const noexcept
{
	return kPage / block_bytes();
}

// ---- pieces and pages ----

Result<> BulkImpl::add_piece(std::uint64_t offset, std::uint32_t length, std::uint16_t range,
			     bool granted, std::size_t n) noexcept
{
	std::uint64_t index = offset / kPage;
	if (!slots_used_ || slots_[slots_used_ - 1].index != index) {
		// A partly covered page gets zeros where nothing is read.
		unsigned flags = length == kPage ? CFS_ALLOC_DEFAULT : CFS_ALLOC_ZERO;
		cfs_page *page = cfs_page_alloc(kSubsys, flags);
		if (!page)
			return fail(NOMEM);
		slots_[slots_used_++] = {page, index, static_cast<std::uint32_t>(n), 0};
	}
	Slot &s = slots_[slots_used_ - 1];
	s.count++;
	BulkPiece &p = pieces_[n];
	p.offset = offset;
	p.length = length;
	p.range = range;
	p.granted = granted;
	vecs_[n] = {s.page, length, static_cast<std::uint32_t>(offset % kPage)};
	return {};
}

Result<> BulkImpl::prepare(std::span<const BulkRange> ranges) noexcept
{
	std::size_t total = 0;
	std::uint64_t before = 0, most = o_->dev().info().object_max;
	if (ranges.empty())
		return fail(INVAL);
	for (const BulkRange &r : ranges) {
		if (!r.length || r.offset < before)
			return fail(INVAL);
		if (r.offset > most || r.length > most - r.offset)
			return fail(FBIG);
		before = r.offset + r.length;
		total += (before - 1) / kPage - r.offset / kPage + 1;
		if (total > kBulkPiecesMax || ranges.size() > kBulkPiecesMax)
			return fail(INVAL);
	}
	pieces_ = TRY(cfs::Array<BulkPiece>::make(kSubsys, total));
	vecs_ = TRY(cfs::Array<cfs_bvec>::make(kSubsys, total));
	slots_ = TRY(cfs::Array<Slot>::make(kSubsys, total));
	std::size_t n = 0;
	for (std::size_t i = 0; i < ranges.size(); i++) {
		const BulkRange &r = ranges[i];
		for (std::uint64_t at = r.offset, end = at + r.length; at < end;) {
			auto length = static_cast<std::uint32_t>(
				std::min<std::uint64_t>(end - at, kPage - at % kPage));
			TRY(add_piece(at, length, static_cast<std::uint16_t>(i), r.granted, n++));
			at += length;
		}
	}
	return {};
}

std::uint32_t BulkImpl::covered(const Slot &s, unsigned block, bool all) const noexcept
{
	std::uint64_t start = s.index * kPage + std::uint64_t{block} * block_bytes();
	std::uint64_t end = start + block_bytes();
	std::uint32_t n = 0;
	for (std::uint32_t i = s.first; i < s.first + s.count; i++) {
		const BulkPiece &p = pieces_[i];
		if (!all && p.status != Errno{})
			continue;
		auto from = std::max(p.offset, start), to = std::min(p.offset + p.length, end);
		if (from < to)
			n += static_cast<std::uint32_t>(to - from);
	}
	return n;
}

void BulkImpl::zero(const Slot &s, std::uint32_t offset, std::uint32_t length) noexcept
{
	auto *p = static_cast<std::byte *>(cfs_page_map(s.page));
	memset(p + offset, 0, length);
	cfs_page_unmap(p);
}

// ---- reading ----

Result<> BulkImpl::look_up(std::uint64_t block, Window &w) noexcept
{
	if (w.has(block))
		return {};
	ldi_map m{static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(kRunMost), 0, 0};
	TRY(to_result(ldi_map_blocks(nullptr, inode_.get(), &m, 0)));
	w = {block, m.count, m.physical, m.state};
	return {};
}

/// Brings blocks from the device into the pages, all or those that pieces cover in part; what is
/// not there becomes zeros. Notes in the pieces whether all of their blocks exist.
Result<> BulkImpl::read_blocks(bool partial_only) noexcept
{
	std::uint32_t bs = block_bytes();
	Window w;
	for (std::size_t n = 0; n < slots_used_; n++) {
		const Slot &s = slots_[n];
		for (unsigned b = 0; b < blocks_per_page(); b++) {
			std::uint32_t in = covered(s, b, true);
			if (!in)
				continue;
			std::uint64_t block = s.index * blocks_per_page() + b;
			TRY(look_up(block, w));
			if (!(w.state & (LDI_MAPPED | LDI_UNWRITTEN)))
				for (std::uint32_t i = s.first; i < s.first + s.count; i++)
					pieces_[i].mapped = false;
			if (partial_only && in == bs)
				continue;
			if (!(w.state & LDI_MAPPED))
				zero(s, b * bs, bs);
			else
				TRY(to_result(ldi_io_add(io_, s.page, b * bs, bs,
							 (w.physical + block - w.logical) * bs)));
		}
	}
	return {};
}

Result<std::uint64_t> BulkImpl::read_prep() noexcept
{
	if (direction_ != Body::Direction::read)
		return fail(INVAL);
	cfs::ReadGuard body(o_->body_lock());
	io_ = ldi_io_begin(o_->dev().fs(), false);
	if (!io_)
		return fail(NOMEM);
	Result<> r = read_blocks(false);
	Result<> waited = wait();
	if (!r || !waited)
		return fail(o_->dev().note(r ? waited : r).error());
	std::uint64_t size = ldi_size(inode_.get()), answer = 0;
	for (std::size_t n = 0; n < slots_used_; n++) {
		const Slot &s = slots_[n];
		std::uint64_t start = s.index * kPage;
		if (size < start + kPage && size > start)
			zero(s, static_cast<std::uint32_t>(size - start),
			     static_cast<std::uint32_t>(start + kPage - size));
	}
	for (BulkPiece &p : pieces_) {
		p.got = p.offset < size ? p.length : 0;
		answer += p.got;
	}
	return answer;
}

// ---- writing ----

Result<> BulkImpl::write_prep() noexcept
{
	if (direction_ != Body::Direction::write)
		return fail(INVAL);
	cfs::ReadGuard body(o_->body_lock());
	for (BulkPiece &p : pieces_)
		p.mapped = true;
	io_ = ldi_io_begin(o_->dev().fs(), false);
	if (!io_)
		return fail(NOMEM);
	Result<> r = read_blocks(true);
	Result<> waited = wait();
	return o_->dev().note(r ? waited : r);
}

Result<> BulkImpl::declare_write_commit(Transaction &t) noexcept
{
	Tx &tx = own(t);
	if (direction_ != Body::Direction::write)
		return fail(INVAL);
	TRY(tx.hold_body(*o_, false));
	const auto &info = o_->dev().fs_info();
	unsigned credits = kCommitCredits + info.quota_update_credits;
	unsigned most = info.max_credits / kDeclareShare;
	bool in_hole = false;
	Window w;
	for (std::size_t n = next_slot_; n < slots_used_ && credits < most; n++) {
		const Slot &s = slots_[n];
		std::uint64_t block = s.index * blocks_per_page();
		TRY(look_up(block, w));
		bool hole = !(w.state & LDI_MAPPED);
		bool adjacent = n > next_slot_ && slots_[n - 1].index + 1 == s.index;
		if (hole && (!in_hole || !adjacent))
			credits += static_cast<unsigned>(
				ldi_chunk_credits(inode_.get(), static_cast<int>(kRunMost)));
		in_hole = hole;
	}
	tx.declare(std::min(credits, most));
	return {};
}

/// Adjacent blocks to be written, from this one on.
std::uint64_t BulkImpl::run_from(std::size_t slot, unsigned block) const noexcept
{
	std::uint64_t n = 0;
	for (std::size_t i = slot; i < slots_used_ && n < kRunMost; i++, block = 0) {
		if (i > slot && slots_[i].index != slots_[i - 1].index + 1)
			break;
		for (; block < blocks_per_page(); block++, n++)
			if (!covered(slots_[i], block, false))
				return n;
	}
	return n;
}

void BulkImpl::fail_block(const Slot &s, unsigned block, Errno e) noexcept
{
	std::uint64_t start = s.index * kPage + std::uint64_t{block} * block_bytes();
	for (std::uint32_t i = s.first; i < s.first + s.count; i++) {
		BulkPiece &p = pieces_[i];
		if (p.offset < start + block_bytes() && p.offset + p.length > start)
			p.status = e;
	}
}

Result<> BulkImpl::write_slot(Tx &tx, ldi_inode *i, std::size_t n, Window &w) noexcept
{
	const Slot &s = slots_[n];
	std::uint32_t bs = block_bytes();
	for (unsigned b = 0; b < blocks_per_page(); b++) {
		if (!covered(s, b, false))
			continue;
		std::uint64_t block = s.index * blocks_per_page() + b;
		if (!w.has(block)) {
			ldi_map m{static_cast<std::uint32_t>(block),
				  static_cast<std::uint32_t>(run_from(n, b)), 0, 0};
			if (!tx.room(static_cast<unsigned>(
				    ldi_chunk_credits(i, static_cast<int>(m.count)))))
				return fail(AGAIN);
			auto r = to_result(ldi_map_blocks(tx.handle(), i, &m, LDI_CREATE));
			if (!r && (r.error() == NOSPC || r.error() == DQUOT)) {
				fail_block(s, b, r.error());
				continue;
			}
			TRY(r);
			w = {block, m.count, m.physical, m.state};
		}
		TRY(to_result(ldi_io_add(io_, s.page, b * bs, bs,
					 (w.physical + block - w.logical) * bs)));
	}
	return {};
}

Result<> BulkImpl::grow(Tx &tx, ldi_inode *i, std::size_t from, std::size_t to) noexcept
{
	std::uint64_t end = 0;
	for (std::size_t n = from; n < to; n++)
		if (pieces_[n].status == Errno{})
			end = std::max(end, pieces_[n].offset + pieces_[n].length);
	if (end > ldi_size(i)) {
		ldi_attr a{};
		a.size = end;
		ldi_attr_set(i, &a, LDI_SIZE);
	}
	return to_result(ldi_dirty(tx.handle(), i));
}

Result<> BulkImpl::write_commit(Transaction &t) noexcept
{
	Tx &tx = own(t);
	if (direction_ != Body::Direction::write)
		return fail(INVAL);
	cfs::WriteGuard g(o_->content_lock());
	ldi_inode *i = TRY(o_->inode_locked());
	if (i != inode_.get())
		return fail(NOENT); // another object under the same FID
	io_ = ldi_io_begin(o_->dev().fs(), true);
	if (!io_)
		return fail(NOMEM);
	tx.add_bulk(*this);
	std::size_t done_before = done_;
	Result<> r;
	Window w;
	while (next_slot_ < slots_used_) {
		r = write_slot(tx, i, next_slot_, w);
		if (!r)
			break;
		done_ = slots_[next_slot_].first + slots_[next_slot_].count;
		next_slot_++;
	}
	ldi_io_submit(io_);
	if (!r && r.error() != AGAIN)
		return o_->dev().note(r);
	Result<> grown = o_->dev().note(grow(tx, i, done_before, done_));
	return grown ? r : grown;
}

// ---- from a body ----

Result<cfs::UniquePtr<BulkIo>> BodyFacet::bulk(std::span<const BulkRange> ranges,
					       Direction direction) noexcept
{
	if (!o_.exists() || o_.type() != kTypeFile)
		return fail(o_.exists() ? INVAL : NOENT);
	InodeRef i = TRY(o_.inode());
	auto made = TRY(cfs::try_make<BulkImpl>(cfs::RefPtr<ObjectImpl>::share(&o_), std::move(i),
						direction));
	TRY(made->prepare(ranges));
	return cfs::UniquePtr<BulkIo>(std::move(made));
}

} // namespace osd::ldiskfs
