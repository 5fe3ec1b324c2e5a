// SPDX-License-Identifier: GPL-2.0
//
// Walking and copying the memory of MDs. Drivers use Cursor to hand pieces to a socket or a DMA
// engine without copying; only the loopback and small control messages are ever copied here.
#pragma once

#include "lnet/lnd.hpp"

namespace lnet
{

/// A contiguous run of an extent: linear memory, or a piece of one page.
struct Run {
	std::byte *linear = nullptr; ///< set: plain memory
	cfs_page *page = nullptr;    ///< otherwise: `length` bytes at `offset` of this page
	std::uint32_t offset = 0;
	std::uint32_t length = 0;
};

/// Goes through an extent run by run. The extent's bounds were checked when it was made.
class Cursor
{
	Buffer buf_;
	std::uint32_t pos_;	 // linear buffers: position in it
	std::size_t piece_ = 0;	 // paged buffers: the piece ...
	std::uint32_t skip_ = 0; // ... and the bytes of it already passed
	std::uint32_t left_;

public:
	explicit Cursor(const Extent &e) noexcept;
	[[nodiscard]] std::uint32_t left() const noexcept { return left_; }
	/// The next run, at most `max` bytes; length 0 at the end.
	[[nodiscard]] Run next(std::uint32_t max = UINT32_MAX) noexcept;
};

/// Whether `offset` and `length` lie within the buffer and its pieces really hold that many bytes.
[[nodiscard]] bool extent_ok(const Buffer &b, std::uint32_t offset, std::uint32_t length) noexcept;

/// Copies min(dst.length, src.length) bytes; the number. May sleep.
std::uint32_t copy(const Extent &dst, const Extent &src) noexcept;
/// Copies between an extent and plain memory; the number of bytes.
std::uint32_t copy_in(const Extent &dst, cfs::Bytes src) noexcept;
std::uint32_t copy_out(cfs::MutBytes dst, const Extent &src) noexcept;

} // namespace lnet
