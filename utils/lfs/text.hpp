// SPDX-License-Identifier: GPL-2.0
//
// Text in and out: printf into strings, numbers and FIDs as users write them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "wire/fid.hpp"

namespace lfs
{

/// Appends as printf does.
[[gnu::format(printf, 2, 3)]] void add(std::string &out, const char *format, ...);
[[nodiscard, gnu::format(printf, 1, 2)]] std::string text(const char *format, ...);

/// "[0x200000401:0x1:0x0]", and the same without brackets.
[[nodiscard]] std::string fid_text(const wire::Fid &f);
[[nodiscard]] std::string bare_fid_text(const wire::Fid &f);
/// A FID with or without brackets; nothing else may follow.
[[nodiscard]] std::optional<wire::Fid> parse_fid(std::string_view s);

/// A whole number, decimal, octal or hexadecimal by its beginning.
[[nodiscard]] std::optional<std::int64_t> parse_int(std::string_view s);

struct Size {
	std::uint64_t bytes;
	std::uint64_t unit; ///< what the number was multiplied by
};
/// A number with one of the letters bkMGTPE in either case; without one it counts `unit` bytes.
/// b is 512.
[[nodiscard]] std::optional<Size> parse_size(std::string_view s, std::uint64_t unit = 1);

/// Splits at a character; empty parts are kept.
[[nodiscard]] std::vector<std::string> split(std::string_view s, char at);

} // namespace lfs
