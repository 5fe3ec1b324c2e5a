// SPDX-License-Identifier: GPL-2.0
//
// Walking a log.
#include "libcfs/log.hpp"
#include "libcfs/mem.hpp"
#include "llog/source.hpp"

namespace llog
{

using cfs::fail;
using cfs::err::NODATA;
using cfs::err::PROTO;

namespace
{

using Buffer = cfs::Array<std::byte>;
using Next = RecordVisitor::Next;

MutBytes all(Buffer &b) noexcept
{
	return {b.data(), b.size()};
}

/// One walk.
class Walk
{
	LogSource &source_;
	std::string_view name_;
	RecordVisitor &visitor_;
	Buffer header_, chunk_;
	HeaderView head_;
	ProcessResult result_;

public:
	Walk(LogSource &s, std::string_view name, RecordVisitor &v) noexcept
	    : source_(s), name_(name), visitor_(v)
	{
	}

	Result<ProcessResult> run(std::uint32_t first) noexcept
	{
		bool something = TRY(read_header());
		first = first ? first : 1;
		result_.last_index = first - 1;
		if (!something)
			return result_;
		chunk_ = TRY(Buffer::make(CFS_S_LOG, head_.chunk_bytes()));
		if (head_.is_fixed())
			TRY(walk_fixed(first));
		else
			TRY(walk_chunks(first));
		return result_;
	}

private:
	/// False when nothing was ever written.
	Result<bool> read_header() noexcept
	{
		header_ = TRY(Buffer::make(CFS_S_LOG, kChunkMin));
		std::size_t n = TRY(source_.read_header(all(header_)));
		if (n == 0)
			return false;
		if (n > header_.size() && n <= kChunkMax) {
			header_ = TRY(Buffer::make(CFS_S_LOG, n));
			n = TRY(source_.read_header(all(header_)));
		}
		const char *why = "it is shorter than a header";
		if (n < header_.size() || !HeaderView::check(all(header_), &why)) {
			CERROR(CFS_S_LOG, "log {:e} cannot be read: {}", name_, why);
			return fail(PROTO);
		}
		head_ = HeaderView(all(header_));
		return true;
	}

	void report(std::uint64_t offset, const char *why) noexcept
	{
		result_.corrupt++;
		CERROR(CFS_S_LOG,
		       "log {:e}: corrupt at offset {}: {}; passing over the rest of the "
		       "chunk",
		       name_, offset, why);
	}

	/// Shows a record; false to end the walk.
	Result<bool> show(const Record &r) noexcept
	{
		result_.records++;
		result_.last_index = r.index;
		Next n = TRY(visitor_.record(r));
		result_.stopped = n == Next::stop;
		return n == Next::go_on;
	}

	// ---- records one behind the other ----

	Result<> walk_chunks(std::uint32_t first) noexcept
	{
		std::uint64_t chunk = head_.chunk_bytes();
		// More chunks than indices there are not.
		std::uint64_t limit = chunk * (std::uint64_t{head_.capacity()} + 1);
		std::uint64_t offset = chunk;
		std::uint32_t last = head_.last_index();
		std::uint32_t seen = 0;
		std::uint32_t want = head_.next_bit(first);
		while (want <= last && want < head_.capacity()) {
			auto block = source_.next_block(want, seen, offset, all(chunk_));
			if (!block && block.error() == NODATA) {
				report(offset, "it ends before its last record");
				return {};
			}
			if (!block)
				return fail(block.error());
			if (block->end <= offset || block->end > limit) {
				CERROR(CFS_S_LOG, "log {:e}: block at {} after one at {}", name_,
				       block->end, offset);
				return fail(PROTO);
			}
			std::uint64_t start = (block->end - 1) / chunk * chunk;
			bool more = TRY(walk_chunk(start, first, last, seen));
			if (!more)
				return {};
			offset = start + chunk;
			want = head_.next_bit(seen + 1 > first ? seen + 1 : first);
		}
		if (result_.last_index < last)
			result_.last_index = last;
		return {};
	}

	/// seen: the highest index so far. False to end the walk.
	Result<bool> walk_chunk(std::uint64_t start, std::uint32_t first, std::uint32_t last,
				std::uint32_t &seen) noexcept
	{
		ChunkWalker w(all(chunk_), start);
		Record r;
		const char *why = nullptr;
		for (;;) {
			auto step = w.next(r, &why);
			if (step == ChunkWalker::Step::end)
				return true;
			if (step == ChunkWalker::Step::record && r.index <= seen) {
				why = "indices do not ascend";
				step = ChunkWalker::Step::corrupt;
			}
			if (step == ChunkWalker::Step::corrupt) {
				report(w.offset(), why);
				return true;
			}
			if (r.index > last)
				return true; // written after the header was read
			seen = r.index;
			if (r.index < first || r.type == LlogRecType::LLOG_PAD_MAGIC ||
			    !head_.bit(r.index))
				continue;
			if (!TRY(show(r)))
				return false;
		}
	}

	// ---- records whose place follows from their index ----

	Result<> walk_fixed(std::uint32_t first) noexcept
	{
		std::uint32_t last = head_.last_index();
		std::uint32_t oldest = head_.head().cat_idx.get() + 1;
		bool wrapped = head_.is_catalog() && last < oldest &&
			       head_.next_bit(oldest) < head_.capacity();
		std::uint64_t loaded = 0; // chunk in the buffer
		if (wrapped) {
			bool more = TRY(walk_indices(first > oldest ? first : oldest,
						     head_.capacity() - 1, loaded));
			if (!more)
				return {};
			// What is older than `first` in a wrapped log is not below it.
			TRY(walk_indices(1, last, loaded));
			return {};
		}
		TRY(walk_indices(first, last, loaded));
		if (result_.last_index < last && !result_.stopped)
			result_.last_index = last;
		return {};
	}

	Result<bool> walk_indices(std::uint32_t from, std::uint32_t to,
				  std::uint64_t &loaded) noexcept
	{
		std::uint64_t chunk = head_.chunk_bytes();
		std::uint64_t size = head_.head().size.get();
		for (std::uint32_t i = head_.next_bit(from); i <= to && i < head_.capacity();
		     i = head_.next_bit(i + 1)) {
			std::uint64_t at = chunk + (i - 1) * size;
			std::uint64_t start = at / chunk * chunk;
			if (loaded != start) {
				auto block = source_.next_block(i, 0, start, all(chunk_));
				if (!block && block.error() != NODATA)
					return fail(block.error());
				if (!block || (block->end - 1) / chunk * chunk != start) {
					report(at, "it ends before its last record");
					loaded = 0;
					continue;
				}
				loaded = start;
			}
			Record r;
			const char *why = "a record of another index";
			Bytes bytes(chunk_.data() + (at - start), size);
			ChunkWalker w(bytes, at);
			auto step = w.next(r, &why);
			if (step == ChunkWalker::Step::end)
				why = "no record";
			if (step != ChunkWalker::Step::record || r.index != i) {
				report(at, why);
				continue;
			}
			if (!TRY(show(r)))
				return false;
		}
		return true;
	}
};

/// Looks at nothing.
class Anything final : public RecordVisitor
{
public:
	Result<Next> record(const Record &) noexcept override { return Next::go_on; }
};

} // namespace

Result<ProcessResult> process(LogSource &source, std::string_view name, RecordVisitor &visitor,
			      std::uint32_t first) noexcept
{
	Walk w(source, name, visitor);
	return w.run(first);
}

Result<ProcessResult> validate(LogSource &source, std::string_view name) noexcept
{
	Anything v;
	return process(source, name, v);
}

} // namespace llog
