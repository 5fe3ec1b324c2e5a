// SPDX-License-Identifier: GPL-2.0
//
// Checks of headers and records.
#include "llog/record.hpp"

#include <cstring>

namespace llog
{

using cfs::fail;
using cfs::err::PROTO;

namespace
{

constexpr bool is_swapped(std::uint32_t type) noexcept
{
	return (__builtin_bswap32(type) & wire::LLOG_OP_MASK) == wire::LLOG_OP_MAGIC;
}

constexpr bool is_type(std::uint32_t type) noexcept
{
	return (type & wire::LLOG_OP_MASK) == wire::LLOG_OP_MAGIC;
}

} // namespace

Result<> HeaderView::check(Bytes chunk, const char **why) noexcept
{
	auto wrong = [why](const char *what) -> Result<> {
		*why = what;
		return fail(PROTO);
	};
	auto head = cfs::view_at<wire::LlogLogHdr>(chunk, 0);
	if (!head)
		return wrong("it is shorter than a header");
	const wire::LlogLogHdr &h = **head;
	if (h.hdr.type.get() != LlogRecType::LLOG_HDR_MAGIC)
		return wrong(is_swapped(h.hdr.type.raw())
				     ? "it was written on a machine of the other byte order"
				     : "it does not begin with a header");
	std::uint32_t len = h.hdr.len;
	if (len < kChunkMin || len > kChunkMax || !is_power_of_two(len))
		return wrong("its chunks have an impossible size");
	if (len > chunk.size())
		return wrong("its header is cut");
	if (h.bitmap_offset != kHeadBytes)
		return wrong("its bitmap is not where it belongs");
	auto tail = cfs::view_at<wire::LlogRecTail>(chunk, len - sizeof(wire::LlogRecTail));
	if (!tail || (*tail)->len != len)
		return wrong("its header has no end");
	if ((*tail)->index >= capacity(len))
		return wrong("its last index is out of range");
	std::uint32_t size = h.size;
	if (h.flags & wire::LLOG_F_IS_FIXSIZE &&
	    (size < wire::LLOG_MIN_REC_SIZE || size % 8 || len % size))
		return wrong("its records have an impossible size");
	return {};
}

std::uint32_t HeaderView::next_bit(std::uint32_t i) const noexcept
{
	std::uint32_t end = capacity();
	while (i < end) {
		auto b = std::to_integer<unsigned>(chunk_[kHeadBytes + i / 8]) >> (i % 8);
		if (b)
			return i + static_cast<std::uint32_t>(std::countr_zero(b));
		i = (i / 8 + 1) * 8;
	}
	return end;
}

std::uint32_t HeaderView::count_bits() const noexcept
{
	// Not std::popcount: it may become a call that kernels do not have.
	std::uint32_t n = 0;
	for (std::uint32_t i = next_bit(0); i < capacity(); i = next_bit(i + 1))
		n++;
	return n;
}

ChunkWalker::Step ChunkWalker::next(Record &out, const char **why) noexcept
{
	std::size_t left = chunk_.size() - at_;
	if (left < wire::LLOG_MIN_REC_SIZE)
		return Step::end;
	auto *h = reinterpret_cast<const wire::LlogRecHdr *>(chunk_.data() + at_);
	std::uint32_t len = h->len;
	if (len == 0)
		return Step::end;
	auto corrupt = [why](const char *what) {
		*why = what;
		return Step::corrupt;
	};
	if (!is_type(h->type.raw()))
		return corrupt(is_swapped(h->type.raw()) ? "other byte order" : "unknown type");
	if (len < wire::LLOG_MIN_REC_SIZE || len % 8 || len > left)
		return corrupt("impossible length");
	auto *t = reinterpret_cast<const wire::LlogRecTail *>(chunk_.data() + at_ + len -
							      sizeof(wire::LlogRecTail));
	if (t->len != len || t->index != h->index)
		return corrupt("head and tail differ");
	out.index = h->index;
	out.type = h->type;
	out.id = h->id;
	out.whole = chunk_.subspan(at_, len);
	out.body = out.whole.subspan(sizeof(*h), len - kRecordFrame);
	out.offset = offset();
	at_ += len;
	return Step::record;
}

void write_record(MutBytes out, LlogRecType type, std::uint32_t id, std::uint32_t index,
		  std::span<const Bytes> body) noexcept
{
	auto len = static_cast<std::uint32_t>(out.size());
	std::memset(out.data(), 0, out.size());
	auto *h = reinterpret_cast<wire::LlogRecHdr *>(out.data());
	h->len = len;
	h->index = index;
	h->type = type;
	h->id = id;
	std::size_t at = sizeof(*h);
	for (Bytes b : body) {
		CFS_ASSERT(at + b.size() + sizeof(wire::LlogRecTail) <= out.size());
		if (!b.empty())
			std::memcpy(out.data() + at, b.data(), b.size());
		at += b.size();
	}
	auto *t =
		reinterpret_cast<wire::LlogRecTail *>(out.data() + len - sizeof(wire::LlogRecTail));
	t->len = len;
	t->index = index;
}

} // namespace llog
