// SPDX-License-Identifier: GPL-2.0
//
// Records of the debug log as they are dumped to files, and their text form, the lines of `lctl dk`
// (spec 08 section 11.4). The writer is libcfs/log.cpp; readers are lctl and tests.
//
// A dump is a sequence of records in the byte order of the machine: the header, then the file name
// and the function name, NUL-terminated each, then the text, which ends in a newline.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "libcfs/bytes.hpp"
#include "libcfs/format.hpp"

namespace cfs
{

/// The header of one record. Offsets are checked below.
struct [[gnu::__packed__]] LogRecordHeader {
	std::uint32_t len; // of the whole record
	std::uint32_t flags;
	std::uint32_t subsys; // one bit
	std::uint32_t mask;
	std::uint16_t cpu;
	std::uint16_t type; // context: 0 process, 1 soft interrupt, 2 interrupt
	std::uint32_t sec;
	std::uint64_t usec;
	std::uint32_t stack; // bytes of stack in use, 0 when not known
	std::uint32_t pid;
	std::uint32_t extern_pid;
	std::uint32_t line;
};
static_assert(sizeof(LogRecordHeader) == 48 && offsetof(LogRecordHeader, cpu) == 16 &&
	      offsetof(LogRecordHeader, usec) == 24 && offsetof(LogRecordHeader, line) == 44);

/// flags: the first record since the buffer was emptied; what went before it was not lost.
inline constexpr std::uint32_t kLogFirstRecord = 1;

/// Limits that every record of ours keeps and every reader insists on.
inline constexpr std::uint32_t kLogRecordMax = 4094;
inline constexpr std::uint32_t kLogStackMax = 65536;
inline constexpr std::uint32_t kLogLineMax = 65536;
inline constexpr std::uint64_t kLogUsecMax = 1000000000;

/// A record in a dump; the texts lie in the dump.
struct LogRecord {
	LogRecordHeader head;
	std::string_view file;
	std::string_view func;
	std::string_view text; // without the newline
};

/// Walks a dump and counts what it finds.
class LogReader
{
	Reader rest_;
	std::uint64_t bad_ = 0;

	static std::optional<std::string_view> cut_name(std::string_view &s) noexcept
	{
		std::size_t n = s.find('\0');
		if (n == std::string_view::npos)
			return std::nullopt;
		std::string_view name = s.substr(0, n);
		s.remove_prefix(n + 1);
		return name;
	}

	static std::optional<LogRecord> decode(const LogRecordHeader &head, Bytes body) noexcept
	{
		if (head.stack > kLogStackMax || head.usec > kLogUsecMax || head.line > kLogLineMax)
			return std::nullopt;
		std::string_view s(reinterpret_cast<const char *>(body.data()), body.size());
		auto file = cut_name(s);
		if (!file)
			return std::nullopt;
		auto func = cut_name(s);
		if (!func || s.empty() || s.back() != '\n')
			return std::nullopt;
		s.remove_suffix(1);
		return LogRecord{head, *file, *func, s};
	}

public:
	explicit LogReader(Bytes dump) noexcept : rest_(dump) {}

	/// The next good record; nothing at the end or where the dump can not be followed further.
	[[nodiscard]] std::optional<LogRecord> next() noexcept
	{
		while (!rest_.empty()) {
			auto bytes = rest_.take(sizeof(LogRecordHeader));
			LogRecordHeader head;
			if (!bytes) {
				bad_++;
				break;
			}
			__builtin_memcpy(&head, bytes->data(), sizeof(head));
			if (head.len < sizeof(head) || head.len > kLogRecordMax) {
				bad_++;
				break;
			}
			auto body = rest_.take(head.len - sizeof(head));
			if (!body) {
				bad_++;
				break;
			}
			if (auto r = decode(head, *body))
				return r;
			bad_++;
		}
		rest_ = Reader(Bytes{});
		return std::nullopt;
	}
	/// Records that were passed over, and the rest of a dump that made no sense as one.
	[[nodiscard]] std::uint64_t bad() const noexcept { return bad_; }
};

/// One line of `lctl dk`, without the newline.
inline void format_value(FormatSink &out, const LogRecord &r) noexcept
{
	const LogRecordHeader h = r.head;
	out.print("{:08x}:{:08x}:{}.{}{}:{}.{:06}:{}:{}:{}:({}:{}:{}()) ", std::uint32_t{h.subsys},
		  std::uint32_t{h.mask}, std::uint16_t{h.cpu}, std::uint16_t{h.type},
		  (h.flags & kLogFirstRecord) ? "F" : "", std::uint32_t{h.sec},
		  std::uint64_t{h.usec}, std::uint32_t{h.stack}, std::uint32_t{h.pid},
		  std::uint32_t{h.extern_pid}, r.file, std::uint32_t{h.line}, r.func);
	out.put(r.text);
}

} // namespace cfs
