// SPDX-License-Identifier: GPL-2.0
//
// Reading logs, wherever they are: the local ones are llog::Log (log.hpp), those of another node
// are read by RPC (LLOG_ORIGIN_*, 02 9.5), which is implemented beside the imports that carry it.
//
// process() is the one loop that walks a log. It trusts nothing of what a source gives: every chunk
// it asks for lies behind the one before, so it always ends; what is corrupt is reported with the
// log's name and the offset, and passed over up to the next chunk.
#pragma once

#include "llog/record.hpp"

namespace llog
{

/// An open log that can be read. Its calls sleep, and may be made by several threads.
class LogSource
{
public:
	/// The header, as much of it as fits, and how long it is in whole; 0 when nothing has ever
	/// been written to the log. err::NOENT: there is no log any more.
	virtual Result<std::size_t> read_header(MutBytes out) noexcept = 0;

	struct Block {
		std::uint64_t end = 0;	      ///< where in the log what was read ends
		std::uint32_t last_index = 0; ///< of its last record
	};
	/// The chunk that has record `index`, or the first behind where it would be, looking from
	/// the chunk at `offset` on. out is one chunk, zeros follow the last record. saved_index:
	/// the last record of the block before, a hint. err::NODATA: the log ends before.
	virtual Result<Block> next_block(std::uint32_t index, std::uint32_t saved_index,
					 std::uint64_t offset, MutBytes out) noexcept = 0;

protected:
	~LogSource() = default;
};

/// Is shown the records of a log.
class RecordVisitor
{
public:
	enum class Next : std::uint8_t { go_on, stop };
	/// An error ends the walk and becomes its result. No lock is held, no transaction runs. The
	/// record is valid until the return.
	virtual Result<Next> record(const Record &r) noexcept = 0;

protected:
	~RecordVisitor() = default;
};

struct ProcessResult {
	std::uint32_t records = 0; ///< shown
	std::uint32_t corrupt = 0; ///< places that made no sense, or records that were not found
	/// Highest index that was shown or passed over: where to go on, plus one.
	std::uint32_t last_index = 0;
	bool stopped = false; ///< by the visitor
};

/// Shows the live records with an index of at least `first`, in their order; in a catalog that has
/// wrapped, oldest first. `name` is for messages. err::PROTO: the header is no header; otherwise
/// the errors of source and visitor.
[[nodiscard]] Result<ProcessResult> process(LogSource &source, std::string_view name,
					    RecordVisitor &visitor,
					    std::uint32_t first = 1) noexcept;

/// Whether a log can be read from one end to the other without a complaint.
[[nodiscard]] Result<ProcessResult> validate(LogSource &source, std::string_view name) noexcept;

} // namespace llog
