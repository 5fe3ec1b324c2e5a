// SPDX-License-Identifier: GPL-2.0
//
// Walking and copying the memory of MDs; see buffer.hpp.

#include "lnet/buffer.hpp"

#include <algorithm>

namespace lnet
{

Cursor::Cursor(const Extent &e) noexcept : buf_(e.buffer), pos_(e.offset), left_(e.length)
{
	if (buf_.linear)
		return;
	std::uint32_t skip = e.offset;
	while (piece_ < buf_.pieces.size() && skip >= buf_.pieces[piece_].len)
		skip -= buf_.pieces[piece_++].len;
	skip_ = skip;
}

Run Cursor::next(std::uint32_t max) noexcept
{
	Run r;
	if (left_ == 0)
		return r;
	if (buf_.linear) {
		r.linear = buf_.linear + pos_;
		r.length = std::min(left_, max);
		pos_ += r.length;
		left_ -= r.length;
		return r;
	}
	while (piece_ < buf_.pieces.size() && skip_ >= buf_.pieces[piece_].len) {
		piece_++;
		skip_ = 0;
	}
	CFS_ASSERT(piece_ < buf_.pieces.size()); // extent_ok() was asked when the MD was made
	const cfs_bvec &v = buf_.pieces[piece_];
	r.page = v.page;
	r.offset = v.offset + skip_;
	r.length = std::min({v.len - skip_, left_, max});
	skip_ += r.length;
	left_ -= r.length;
	return r;
}

bool extent_ok(const Buffer &b, std::uint32_t offset, std::uint32_t length) noexcept
{
	if (offset > b.length || length > b.length - offset)
		return false;
	if (b.linear || b.length == 0)
		return true;
	std::uint64_t sum = 0;
	for (const cfs_bvec &v : b.pieces) {
		if (v.offset > CFS_PAGE_SIZE || v.len > CFS_PAGE_SIZE - v.offset)
			return false;
		sum += v.len;
	}
	return sum >= b.length;
}

namespace
{

/// A run's bytes, mapped for as long as this lives.
class Mapped
{
	void *map_ = nullptr;
	std::byte *p_;

public:
	explicit Mapped(const Run &r) noexcept
	{
		if (r.linear) {
			p_ = r.linear;
		} else {
			map_ = cfs_page_map(r.page);
			p_ = static_cast<std::byte *>(map_) + r.offset;
		}
	}
	~Mapped()
	{
		if (map_)
			cfs_page_unmap(map_);
	}
	Mapped(const Mapped &) = delete;
	Mapped &operator=(const Mapped &) = delete;
	[[nodiscard]] std::byte *data() const noexcept { return p_; }
};

} // namespace

std::uint32_t copy(const Extent &dst, const Extent &src) noexcept
{
	std::uint32_t n = std::min(dst.length, src.length);
	Cursor d({dst.buffer, dst.offset, n});
	Cursor s({src.buffer, src.offset, n});
	Run dr, sr;
	while (d.left() > 0 || dr.length > 0) {
		if (dr.length == 0)
			dr = d.next();
		if (sr.length == 0)
			sr = s.next();
		std::uint32_t step = std::min(dr.length, sr.length);
		Mapped dm(dr);
		Mapped sm(sr);
		__builtin_memcpy(dm.data(), sm.data(), step);
		for (Run *r : {&dr, &sr}) {
			r->linear = r->linear ? r->linear + step : nullptr;
			r->offset += step;
			r->length -= step;
		}
	}
	return n;
}

std::uint32_t copy_in(const Extent &dst, cfs::Bytes src) noexcept
{
	Cursor d({dst.buffer, dst.offset,
		  static_cast<std::uint32_t>(std::min<std::size_t>(dst.length, src.size()))});
	std::uint32_t done = 0;
	while (d.left() > 0) {
		Run r = d.next();
		Mapped m(r);
		__builtin_memcpy(m.data(), src.data() + done, r.length);
		done += r.length;
	}
	return done;
}

std::uint32_t copy_out(cfs::MutBytes dst, const Extent &src) noexcept
{
	Cursor s({src.buffer, src.offset,
		  static_cast<std::uint32_t>(std::min<std::size_t>(src.length, dst.size()))});
	std::uint32_t done = 0;
	while (s.left() > 0) {
		Run r = s.next();
		Mapped m(r);
		__builtin_memcpy(dst.data() + done, m.data(), r.length);
		done += r.length;
	}
	return done;
}

} // namespace lnet
